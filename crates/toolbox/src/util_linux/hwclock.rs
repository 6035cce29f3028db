//! `hwclock` (hwclock(8)): the clock that runs while the machine is off.

use crate::common::calendar::{self, Moment};
use crate::common::lines::{Output, complain};
use crate::common::options::Options;
use rustix::time::{ClockId, Timespec};
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io;

pub const USAGE: &str = "[-r | -s | -w | -t] [-u | -l] [-f DEVICE]

-r  print it (also without an option)    -s  set the system's time by it
-w  set it by the system's time          -t  tell the kernel the time zone
-u  it shows UTC    -l  it shows local time    -f  another device than /dev/rtc";

/// Runs it.
pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "hwclock",
        letters: "rswtulf:",
        long: &[
            ("show", 'r'),
            ("hctosys", 's'),
            ("systohc", 'w'),
            ("systz", 't'),
            ("utc", 'u'),
            ("localtime", 'l'),
            ("rtc", 'f'),
        ],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 0, 0) {
        return status;
    }
    let local = match given.last_of("ul") {
        Some(letter) => letter == 'l',
        // adjtime(5): its third line says what the clock shows.
        None => std::fs::read_to_string("/etc/adjtime")
            .is_ok_and(|text| text.lines().nth(2) == Some("LOCAL")),
    };
    let done = match given.last_of("rswt") {
        Some('s') => open(given.value('f'), false).and_then(|clock| {
            let seconds = read(&clock, local)?;
            Ok(rustix::time::clock_settime(ClockId::Realtime, at(seconds))?)
        }),
        Some('w') => open(given.value('f'), true).and_then(|clock| {
            let now = calendar::now();
            let shift = if local {
                sys::kernel::local_offset(now)
            } else {
                0
            };
            let m = calendar::moment(now + shift);
            sys::kernel::rtc_set(&clock, parts(&m))
        }),
        Some('t') => sys::kernel::set_time_zone(-(sys::kernel::local_offset(calendar::now()) / 60)),
        _ => open(given.value('f'), false).and_then(|clock| {
            let seconds = read(&clock, local)?;
            let shift = sys::kernel::local_offset(seconds);
            let mut out = Output::new();
            let m = calendar::moment(seconds + shift);
            let [year, month, day, hour, minute, second] = parts(&m);
            out.put(
                format!(
                    "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{}\n",
                    zone(shift)
                )
                .as_bytes(),
            );
            match out.finish("hwclock", 0, 1) {
                0 => Ok(()),
                _ => Err(io::ErrorKind::WriteZero.into()),
            }
        }),
    };
    match done {
        Ok(()) => 0,
        Err(error) => {
            complain(
                "hwclock",
                given.value('f').unwrap_or(OsStr::new("/dev/rtc")),
                &error,
            );
            1
        }
    }
}

/// `+01:30` of seconds east of UTC.
fn zone(shift: i64) -> String {
    let sign = if shift < 0 { '-' } else { '+' };
    let minutes = shift.abs() / 60;
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

fn open(device: Option<&OsStr>, write: bool) -> io::Result<File> {
    let open = |path: &OsStr| OpenOptions::new().read(true).write(write).open(path);
    if let Some(device) = device {
        return open(device);
    }
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for path in ["/dev/rtc", "/dev/rtc0", "/dev/misc/rtc"] {
        match open(OsStr::new(path)) {
            Ok(file) => return Ok(file),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The clock's time in seconds since 1970.
fn read(clock: &File, local: bool) -> io::Result<i64> {
    let [year, month, day, hour, minute, second] = sys::kernel::rtc_read(clock)?;
    let shown = calendar::seconds(&Moment {
        year: i64::from(year),
        month: month.unsigned_abs(),
        day: day.unsigned_abs(),
        hour: hour.unsigned_abs(),
        minute: minute.unsigned_abs(),
        second: second.unsigned_abs(),
    })
    .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
    Ok(if local {
        shown - sys::kernel::local_offset(shown)
    } else {
        shown
    })
}

fn at(seconds: i64) -> Timespec {
    Timespec {
        tv_sec: seconds,
        tv_nsec: 0,
    }
}

fn parts(m: &Moment) -> sys::kernel::ClockTime {
    let small = |number: u32| i32::try_from(number).unwrap_or(0);
    [
        i32::try_from(m.year).unwrap_or(1970),
        small(m.month),
        small(m.day),
        small(m.hour),
        small(m.minute),
        small(m.second),
    ]
}

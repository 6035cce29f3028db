//! `watchdog`: keeps a watchdog device from restarting the machine.

use crate::common::daemon;
use crate::common::lines::{about, cause, other, say, status};
use crate::common::options::{Given, Options};
use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};
use sys::control::{Flat, flat};
use sys::process::{self, Disposition};

pub const USAGE: &str = "[-F] [-T N[ms]] [-t N[ms]] DEVICE

-T  the machine restarts after N seconds of silence (60)    -t  tell it every N seconds that all is well (half of -T)
-F  stay in the foreground; ended by a signal, it switches the watchdog off";

const OPTIONS: Options = Options {
    applet: "watchdog",
    letters: "Ft:T:",
    long: &[],
};

const PID_FILE: &str = "/var/run/watchdog.pid";
/// `WDIOS_ENABLECARD`
const ENABLE: u32 = 2;

/// `watchdog`
pub fn main(arguments: &[OsString]) -> i32 {
    let given = match OPTIONS.take(arguments, 1, 1) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let times = times(&given);
    let (most, every) = match times {
        Ok(times) => times,
        Err(what) => return OPTIONS.wrong(&what),
    };
    let device = given.operands.first().cloned().unwrap_or_default();
    let guard = move || status("watchdog", guard(&device, most, every));
    if given.has('F') {
        guard()
    } else {
        daemon::detach("watchdog", guard)
    }
}

/// How long silence may last, and how often it is broken, in milliseconds.
fn times(given: &Given) -> Result<(u32, u32), String> {
    let read = |letter: char| {
        given.value(letter).map(|word| {
            let text = word.to_str().unwrap_or_default();
            let (number, unit) = text
                .strip_suffix("ms")
                .map_or((text, 1000), |number| (number, 1));
            let number = number
                .parse::<u32>()
                .ok()
                .and_then(|number| number.checked_mul(unit));
            number.ok_or_else(|| format!("invalid number '{}'", word.display()))
        })
    };
    let most = read('T').unwrap_or(Ok(60_000))?;
    let every = read('t').unwrap_or(Ok(most / 2))?;
    Ok((most, every))
}

fn guard(path: &OsStr, most: u32, every: u32) -> io::Result<i32> {
    for signal in [1, 2, 3, 10, 12, 13, 14, 15] {
        process::set_signal(signal, Disposition::Catch)?;
    }
    let mut device = OpenOptions::new()
        .write(true)
        .open(path)
        .map_err(|error| about(path, &error))?;
    for (request, value, name) in [
        (Flat::WDIOC_SETOPTIONS, ENABLE, "WDIOC_SETOPTIONS"),
        (Flat::WDIOC_SETTIMEOUT, most / 1000, "WDIOC_SETTIMEOUT"),
    ] {
        if let Err(error) = flat(&device, request, &mut value.to_ne_bytes()) {
            say("watchdog", format!("{name}: {}", cause(&error)));
        }
    }
    let _ = daemon::write_pid(Path::new(PID_FILE));
    let step = Duration::from_millis(every.into());
    loop {
        device
            .write_all(&[0])
            .map_err(|error| about(path, &error))?;
        let until = Instant::now() + step;
        loop {
            if process::take_signal().is_some() {
                // So the driver knows that it is meant so.
                let _ = std::fs::remove_file(PID_FILE);
                return device.write_all(b"V").map(|()| 0).map_err(stays);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let _ = rustix::thread::nanosleep(&rustix::time::Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            });
        }
    }
}

fn stays(error: io::Error) -> io::Error {
    other(format!("the watchdog stays on: {}", cause(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_milliseconds() {
        let times = |words: &[&str]| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            times(&OPTIONS.parse(&words).unwrap())
        };
        assert_eq!(times(&["watchdog", "x"]), Ok((60_000, 30_000)));
        assert_eq!(
            times(&["watchdog", "-T", "10", "-t", "500ms", "x"]),
            Ok((10_000, 500))
        );
        for bad in ["x", "", "1s", "ms", "5000000"] {
            assert!(times(&["watchdog", "-t", bad, "x"]).is_err(), "{bad}");
        }
    }
}

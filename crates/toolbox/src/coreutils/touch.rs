//! `touch` (POSIX.1-2024), with `-c -a -m -r -h` and `-d DATE`.

use crate::common::calendar;
use crate::common::lines::{complain, say};
use crate::common::options::Options;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Timespec, Timestamps};
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;

pub const USAGE: &str = "[-camh] [-r FILE | -d DATE | -t TIME] file...

-c  do not make files          -h  a link's own times
-a  the time of the last read  -m  of the last change
-r  the times of FILE          -d  DATE: @SECONDS, YYYY-MM-DD [hh:mm[:ss]] in UTC, N days ago
-t  TIME: [[CC]YY]MMDDhhmm[.ss], local";

pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "touch",
        letters: "camhr:d:t:",
        long: &[
            ("no-create", 'c'),
            ("reference", 'r'),
            ("date", 'd'),
            ("no-dereference", 'h'),
        ],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 1, usize::MAX) {
        return status;
    }
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: rustix::fs::UTIME_NOW,
    };
    let omit = Timespec {
        tv_sec: 0,
        tv_nsec: rustix::fs::UTIME_OMIT,
    };
    let (mut read, mut changed) = (now, now);
    if let Some(file) = given.value('r') {
        match std::fs::metadata(file) {
            Ok(meta) => {
                read = Timespec {
                    tv_sec: meta.atime(),
                    tv_nsec: meta.atime_nsec() as _,
                };
                changed = Timespec {
                    tv_sec: meta.mtime(),
                    tv_nsec: meta.mtime_nsec() as _,
                };
            }
            Err(error) => {
                complain("touch", file, &error);
                return 1;
            }
        }
    }
    if let Some(text) = given.value('d') {
        let Some(seconds) = text
            .to_str()
            .and_then(|text| calendar::parse(text, calendar::now()))
        else {
            say("touch", format!("invalid date '{}'", text.display()));
            return 1;
        };
        read = Timespec {
            tv_sec: seconds,
            tv_nsec: 0,
        };
        changed = read;
    }
    if let Some(text) = given.value('t') {
        let Some(seconds) = text.to_str().and_then(posix_time) else {
            say("touch", format!("invalid date '{}'", text.display()));
            return 1;
        };
        read = Timespec {
            tv_sec: seconds,
            tv_nsec: 0,
        };
        changed = read;
    }
    if given.has('a') != given.has('m') {
        if given.has('a') {
            changed = omit;
        } else {
            read = omit;
        }
    }
    let times = Timestamps {
        last_access: read,
        last_modification: changed,
    };
    let flags = if given.has('h') {
        AtFlags::SYMLINK_NOFOLLOW
    } else {
        AtFlags::empty()
    };
    let mut status = 0;
    for file in &given.operands {
        let mut result = rustix::fs::utimensat(CWD, file, &times, flags);
        if result == Err(rustix::io::Errno::NOENT) && !given.has('h') {
            if given.has('c') {
                continue;
            }
            let how = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC;
            result = rustix::fs::open(file, how, Mode::from_raw_mode(0o666))
                .and_then(|made| rustix::fs::futimens(made, &times));
        }
        if let Err(error) = result {
            complain("touch", file, &error.into());
            status = 1;
        }
    }
    status
}

/// `[[CC]YY]MMDDhhmm[.ss]`, local.
fn posix_time(text: &str) -> Option<i64> {
    let (digits, seconds) = text.split_once('.').unwrap_or((text, "00"));
    if !digits
        .bytes()
        .chain(seconds.bytes())
        .all(|byte| byte.is_ascii_digit())
        || seconds.len() != 2
    {
        return None;
    }
    let now = calendar::now();
    let (year, rest) = match digits.len() {
        8 => (
            calendar::moment(now + sys::kernel::local_offset(now)).year,
            digits,
        ),
        10 => {
            let short: i64 = digits.get(..2)?.parse().ok()?;
            (
                short + if short < 69 { 2000 } else { 1900 },
                digits.get(2..)?,
            )
        }
        12 => (digits.get(..4)?.parse().ok()?, digits.get(4..)?),
        _ => return None,
    };
    let part = |from: usize| rest.get(from..from + 2);
    let text = format!(
        "{year:04}-{}-{} {}:{}:{seconds}",
        part(0)?,
        part(2)?,
        part(4)?,
        part(6)?
    );
    let local = calendar::parse(&text, now)?;
    Some(local - sys::kernel::local_offset(local - sys::kernel::local_offset(local)))
}

//! A log for each service, in `/run/openrc/log/NAME`: what its script said and what its daemons print, unless they were
//! told to print elsewhere. It is there before any file system is, and forgotten with the machine.
//!
//! Daemons write to the file itself (at its end, always), so no process stands between, and none is lost with its reader.
//! A file that has grown is copied to `NAME~` and emptied; whoever writes goes on at its new end.

use crate::layout::Layout;
use crate::name::ServiceName;
use rustix::fs::{Mode, OFlags};
use std::fs;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// What a log may grow to, in bytes, before it is rotated. There are two such files a service.
pub const LARGEST: u64 = 64 * 1024;

/// The folder of the logs.
pub fn folder(layout: &Layout) -> PathBuf {
    layout.state().join("log")
}

/// The log of a service.
pub fn path(layout: &Layout, service: &ServiceName) -> PathBuf {
    folder(layout).join(service)
}

/// The older part of a log.
pub fn older(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("~");
    name.into()
}

/// Opens a log to write at its end.
pub fn open(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::WRONLY
        | OFlags::CREATE
        | OFlags::APPEND
        | OFlags::CLOEXEC
        | OFlags::NOCTTY
        | OFlags::NOFOLLOW;
    Ok(rustix::fs::open(path, flags, Mode::from_raw_mode(0o640))?)
}

/// Adds to a log. One that cannot be written to is nothing that a service may fail of.
pub fn append(path: &Path, text: &[u8]) {
    if let Ok(fd) = open(path) {
        let _ = fs::File::from(fd).write_all(text);
    }
}

/// Adds the line that says when what follows began.
pub fn begin(path: &Path, what: &str) {
    append(path, format!("== {} {what}\n", date(seconds())).as_bytes());
}

/// Seconds since 1970.
pub fn seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}

/// `2026-11-26 06:40:12 UTC`
pub fn date(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days are counted from the first of March of year 0, so that a leap day ends its year.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = match month {
        0..10 => (era * 400 + year, month + 3),
        _ => (era * 400 + year + 1, month - 9),
    };
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

/// Rotates those that have grown over [`LARGEST`]. Says whether there is any log.
pub fn rotate(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else {
        return false;
    };
    let mut any = false;
    for entry in entries.flatten() {
        let path = entry.path();
        if path.as_os_str().as_bytes().ends_with(b"~") {
            continue;
        }
        any = true;
        if entry
            .metadata()
            .is_ok_and(|file| file.is_file() && file.len() > LARGEST)
        {
            // Where the copy fails, it is what is new that counts: the file must not fill the memory.
            let _ = keep_end(&path);
            let _ = fs::File::options()
                .write(true)
                .open(&path)
                .and_then(|file| file.set_len(0));
        }
    }
    any
}

/// Copies the last [`LARGEST`] bytes aside.
fn keep_end(path: &Path) -> io::Result<()> {
    let mut file = fs::File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LARGEST)))?;
    let mut text = Vec::new();
    file.take(LARGEST).read_to_end(&mut text)?;
    fs::write(older(path), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(date(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(date(951_782_399), "2000-02-28 23:59:59 UTC");
        assert_eq!(date(951_782_400), "2000-02-29 00:00:00 UTC");
        assert_eq!(date(1_798_761_599), "2026-12-31 23:59:59 UTC");
        assert_eq!(date(4_107_542_400), "2100-03-01 00:00:00 UTC");
    }

    #[test]
    fn a_log_is_rotated_while_it_is_written_to() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        assert!(!rotate(&folder(&layout)));
        fs::create_dir_all(folder(&layout)).unwrap();
        let path = path(&layout, &ServiceName::parse(b"noisy").unwrap());
        begin(&path, "start");
        let mut writer = fs::File::from(open(&path).unwrap());
        for number in 0..10_000 {
            writeln!(writer, "line {number}").unwrap();
        }
        assert!(rotate(&folder(&layout)));
        writeln!(writer, "behind").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"behind\n");
        let kept = fs::read(older(&path)).unwrap();
        assert_eq!(kept.len() as u64, LARGEST);
        assert!(kept.ends_with(b"line 9999\n"));
        assert!(rotate(&folder(&layout)));
        assert_eq!(fs::read(&path).unwrap(), b"behind\n");
    }

    #[test]
    fn a_link_in_the_place_of_a_log_is_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("target");
        std::os::unix::fs::symlink(&target, root.path().join("log")).unwrap();
        append(&root.path().join("log"), b"x");
        assert!(!target.exists());
    }
}

//! `swclock` and `seedrng`: what a machine without a clock, or without much chance in it, keeps from one boot to the
//! next.

use crate::message::{Level, Style, print_line};
use lexopt::{Arg, Parser};
use rustix::fs::{FlockOperation, Mode, OFlags, UTIME_NOW};
use rustix::time::{ClockId, Timespec};
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

fn fail(name: &str, why: &dyn std::fmt::Display) -> i32 {
    Style::from_environment().say(Level::Error, &format!("{name}: {why}"));
    1
}

/// Where `swclock` keeps the time unless it is told.
const FILE: &str = "/var/lib/misc/openrc-shutdowntime";

/// `swclock [-s|--save] [-w|--warn] [FILE]`: sets the clock to the time of the file where that is later, or keeps the time
/// there. `-w`: a file that is not there is no error.
pub fn swclock(arguments: &[OsString]) -> i32 {
    let (mut save, mut warn, mut path) = (false, false, PathBuf::from(FILE));
    let mut parser = Parser::from_args(arguments.iter().skip(1));
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Short('s') | Arg::Long("save"))) => save = true,
            Ok(Some(Arg::Short('w') | Arg::Long("warn"))) => warn = true,
            Ok(Some(Arg::Short('C' | 'q' | 'v') | Arg::Long("nocolor" | "quiet" | "verbose"))) => {}
            Ok(Some(Arg::Short('h') | Arg::Long("help"))) => {
                print_line(1, format_args!("usage: swclock [-s] [-w] [FILE]"));
                return 0;
            }
            Ok(Some(Arg::Value(word))) => path = word.into(),
            Ok(Some(other)) => return fail("swclock", &other.unexpected()),
            Err(error) => return fail("swclock", &error),
        }
    }
    let done = if save {
        keep_time(&path)
    } else {
        set_time(&path)
    };
    match done {
        Ok(()) => 0,
        Err(error) if warn && !save && error.kind() == io::ErrorKind::NotFound => {
            let text = format!("swclock: {}: {error}", path.display());
            Style::from_environment().say(Level::Warn, &text);
            0
        }
        Err(error) => fail("swclock", &format_args!("{}: {error}", path.display())),
    }
}

fn keep_time(path: &Path) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = rustix::fs::open(path, flags, Mode::from_raw_mode(0o644))?;
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: UTIME_NOW,
    };
    rustix::fs::futimens(
        &file,
        &rustix::fs::Timestamps {
            last_access: now,
            last_modification: now,
        },
    )?;
    Ok(())
}

fn set_time(path: &Path) -> io::Result<()> {
    let stat = rustix::fs::stat(path)?;
    let now = rustix::time::clock_gettime(ClockId::Realtime);
    // A clock that is ahead may be right.
    if now.tv_sec >= stat.st_mtime {
        return Ok(());
    }
    let then = Timespec {
        tv_sec: stat.st_mtime,
        tv_nsec: 0,
    };
    Ok(rustix::time::clock_settime(ClockId::Realtime, then)?)
}

/// Where `seedrng` keeps its seed unless it is told.
const FOLDER: &str = "/var/lib/seedrng";
/// How much of it there is: as much as the kernel's pool holds, twice.
const SEED: usize = 512;

/// `seedrng [-d FOLDER] [-n]`: mixes the seed of the last time into the kernel's pool and keeps a new one. It is never
/// counted as chance, since nobody knows who has read it meanwhile; `-n` asks for just that.
pub fn seedrng(arguments: &[OsString]) -> i32 {
    let mut folder = PathBuf::from(FOLDER);
    let mut parser = Parser::from_args(arguments.iter().skip(1));
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Short('d') | Arg::Long("seed-dir"))) => match parser.value() {
                Ok(value) => folder = value.into(),
                Err(error) => return fail("seedrng", &error),
            },
            Ok(Some(Arg::Short('n' | 's') | Arg::Long("skip-credit"))) => {}
            Ok(Some(Arg::Short('C' | 'q' | 'v') | Arg::Long("nocolor" | "quiet" | "verbose"))) => {}
            Ok(Some(Arg::Short('h') | Arg::Long("help"))) => {
                print_line(1, format_args!("usage: seedrng [-n] [-d FOLDER]"));
                return 0;
            }
            Ok(Some(other)) => return fail("seedrng", &other.unexpected()),
            Err(error) => return fail("seedrng", &error),
        }
    }
    match seed(&folder, Path::new("/dev/urandom")) {
        Ok(()) => 0,
        Err((path, error)) => fail("seedrng", &format_args!("{}: {error}", path.display())),
    }
}

fn seed(folder: &Path, device: &Path) -> Result<(), (PathBuf, io::Error)> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |error| (path, error)
    };
    if !folder.is_dir() {
        use std::os::unix::fs::DirBuilderExt;
        let mut builder = fs::DirBuilder::new();
        let builder = builder.recursive(true).mode(0o700);
        builder.create(folder).map_err(at(folder))?;
    }
    // Two at once must not both take the same seed.
    let lock = fs::File::open(folder).map_err(at(folder))?;
    rustix::fs::flock(&lock, FlockOperation::LockExclusive)
        .map_err(|error| at(folder)(error.into()))?;
    let mut pool = fs::File::options()
        .read(true)
        .write(true)
        .open(device)
        .map_err(at(device))?;
    let path = folder.join("seed");
    // What BusyBox's and OpenRC's have left is as good.
    for path in [
        &path,
        &folder.join("seed.credit"),
        &folder.join("seed.no-credit"),
    ] {
        let old = match fs::File::open(path) {
            Ok(file) => {
                let mut old = Vec::new();
                file.take(4096).read_to_end(&mut old).map_err(at(path))?;
                old
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(at(path)(error)),
        };
        // Gone before it is used, so that it is never used twice, whatever happens.
        fs::remove_file(path).map_err(at(path))?;
        lock.sync_all().map_err(at(folder))?;
        pool.write_all(&old).map_err(at(device))?;
    }
    let mut new = [0; SEED];
    pool.read_exact(&mut new).map_err(at(device))?;
    let aside = folder.join("seed.new");
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
    let file = rustix::fs::open(&aside, flags, Mode::from_raw_mode(0o400))
        .map_err(|error| at(&aside)(error.into()))?;
    let mut file = fs::File::from(file);
    file.write_all(&new)
        .and_then(|()| file.sync_all())
        .map_err(at(&aside))?;
    fs::rename(&aside, &path).map_err(at(&path))?;
    lock.sync_all().map_err(at(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_used_once() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a/b");
        // Zeroes are read from it, and what is written to it is gone.
        let device = Path::new("/dev/zero");
        seed(&folder, device).unwrap();
        assert_eq!(fs::read(folder.join("seed")).unwrap(), [0; SEED]);
        fs::write(folder.join("seed.credit"), "old").unwrap();
        seed(&folder, Path::new("/dev/urandom")).unwrap();
        assert!(!folder.join("seed.credit").exists());
        let first = fs::read(folder.join("seed")).unwrap();
        assert_ne!(first, [0; SEED]);
        seed(&folder, Path::new("/dev/urandom")).unwrap();
        assert_ne!(fs::read(folder.join("seed")).unwrap(), first);
        let (path, _) = seed(&folder, Path::new("/no/such/device")).unwrap_err();
        assert_eq!(path, Path::new("/no/such/device"));
        let (path, _) = seed(Path::new("/proc/nothing"), device).unwrap_err();
        assert_eq!(path, Path::new("/proc/nothing"));
    }

    #[test]
    fn the_time_is_kept_and_a_clock_that_is_ahead_is_left() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("time");
        assert_eq!(set_time(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        keep_time(&path).unwrap();
        set_time(&path).unwrap();
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert_eq!(swclock(&words("swclock -w /no/such/file")), 0);
        assert_eq!(swclock(&words("swclock /no/such/file")), 1);
        assert_eq!(swclock(&words("swclock --never")), 1);
        assert_eq!(seedrng(&words("seedrng --never")), 1);
    }
}

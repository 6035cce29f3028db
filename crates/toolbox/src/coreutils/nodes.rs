//! `mkfifo`, `mknod`, `mktemp`, `truncate`, `fsync`.

use crate::common::lines::{Output, complain, say};
use crate::common::options::{self, Options};
use rustix::fs::{CWD, FileType, Mode};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

pub const MKFIFO_USAGE: &str = "[-m MODE] name...";
pub const MKNOD_USAGE: &str = "[-m MODE] name b|c|u|p [MAJOR MINOR]";
pub const MKTEMP_USAGE: &str = "[-dqtu] [-p FOLDER] [template]

-d  a folder    -q  no word of errors    -u  only the name    -t  below TMPDIR    -p  below FOLDER
the template's last XXXXXX are replaced";
pub const TRUNCATE_USAGE: &str = "[-c] -s [+|-]SIZE file...

-s  the size; + and - are relative    -c  do not make files";
pub const FSYNC_USAGE: &str = "[-d] file...

-d  only the data";

fn mode(options: &Options, text: Option<&OsStr>) -> Result<Option<u32>, i32> {
    let Some(text) = text else { return Ok(None) };
    match super::chmod::Change::parse(text.as_bytes()) {
        Some(change) => Ok(Some(change.apply(0o666, false, 0))),
        None => Err(options.wrong(&format!("invalid mode '{}'", text.display()))),
    }
}

fn make(applet: &str, path: &OsStr, kind: FileType, device: u64, mode: Option<u32>) -> i32 {
    let made = rustix::fs::mknodat(CWD, path, kind, Mode::from_raw_mode(0o666), device)
        .map_err(std::io::Error::from)
        .and_then(|()| match mode {
            Some(mode) => fs::set_permissions(path, fs::Permissions::from_mode(mode)),
            None => Ok(()),
        });
    match made {
        Ok(()) => 0,
        Err(error) => {
            complain(applet, path, &error);
            1
        }
    }
}

/// `mkfifo`
pub fn mkfifo(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "mkfifo",
        letters: "m:",
        long: &[("mode", 'm')],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 1, usize::MAX) {
        return status;
    }
    let mode = match mode(&options, given.value('m')) {
        Ok(mode) => mode,
        Err(status) => return status,
    };
    given.operands.iter().fold(0, |status, path| {
        status | make("mkfifo", path, FileType::Fifo, 0, mode)
    })
}

/// `mknod`
pub fn mknod(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "mknod",
        letters: "m:",
        long: &[("mode", 'm')],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 2, 4) {
        return status;
    }
    let mode = match mode(&options, given.value('m')) {
        Ok(mode) => mode,
        Err(status) => return status,
    };
    let number = |at: usize| -> Option<u32> { given.operands.get(at)?.to_str()?.parse().ok() };
    let (Some(path), Some(kind)) = (given.operands.first(), given.operands.get(1)) else {
        return 1;
    };
    let kind = match kind.as_bytes() {
        b"p" => return make("mknod", path, FileType::Fifo, 0, mode),
        b"b" => FileType::BlockDevice,
        b"c" | b"u" => FileType::CharacterDevice,
        _ => return options.wrong("the kind is b, c, u or p"),
    };
    match (number(2), number(3)) {
        (Some(major), Some(minor)) => {
            make("mknod", path, kind, rustix::fs::makedev(major, minor), mode)
        }
        _ => options.wrong("a device needs its two numbers"),
    }
}

/// `mktemp`
pub fn mktemp(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "mktemp",
        letters: "dqtup:",
        long: &[
            ("directory", 'd'),
            ("quiet", 'q'),
            ("dry-run", 'u'),
            ("tmpdir", 'p'),
        ],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 0, 1) {
        return status;
    }
    let template = given.operands.first();
    let temporary = std::env::var_os("TMPDIR").filter(|path| !path.is_empty());
    let below = match given.value('p') {
        Some(folder) => Some(temporary.unwrap_or_else(|| folder.to_owned())),
        None if template.is_none() || given.has('t') => {
            Some(temporary.unwrap_or_else(|| "/tmp".into()))
        }
        None => None,
    };
    let name = template.map_or(OsStr::new("tmp.XXXXXX"), OsString::as_os_str);
    let whole = match below {
        Some(folder) => Path::new(&folder).join(name),
        None => PathBuf::from(name),
    };
    let bytes = whole.as_os_str().as_bytes();
    let end = bytes
        .iter()
        .rposition(|byte| *byte == b'X')
        .map_or(0, |at| at + 1);
    let head = bytes.get(..end).unwrap_or_default();
    let count = head.iter().rev().take_while(|byte| **byte == b'X').count();
    if count < 3 {
        if !given.has('q') {
            say("mktemp", format!("too few X's in '{}'", whole.display()));
        }
        return 1;
    }
    const LETTERS: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let mut last = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
    for _ in 0..100 {
        let mut random = vec![0_u8; count];
        if let Err(error) =
            rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())
        {
            last = error.into();
            break;
        }
        let mut path = bytes.to_vec();
        for (place, byte) in path.iter_mut().take(end).rev().zip(random) {
            *place = LETTERS.get(usize::from(byte) % 62).copied().unwrap_or(b'a');
        }
        let path = OsStr::from_bytes(&path);
        let made = if given.has('u') {
            Ok(())
        } else if given.has('d') {
            fs::DirBuilder::new().mode(0o700).create(path)
        } else {
            let file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path);
            file.map(drop)
        };
        match made {
            Ok(()) => {
                let mut out = Output::new();
                out.put(path.as_bytes());
                out.put_byte(b'\n');
                return out.finish("mktemp", 0, 1);
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => last = error,
            Err(error) => {
                last = error;
                break;
            }
        }
    }
    if !given.has('q') {
        complain("mktemp", whole.as_os_str(), &last);
    }
    1
}

/// `truncate`
pub fn truncate(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "truncate",
        letters: "cs:",
        long: &[("no-create", 'c'), ("size", 's')],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 1, usize::MAX) {
        return status;
    }
    let Some(text) = given.value('s') else {
        return options.wrong("-s SIZE is needed");
    };
    let bytes = text.as_bytes();
    let (sign, rest) = match bytes.split_first() {
        Some((sign @ (b'+' | b'-'), rest)) => (*sign, rest),
        _ => (0, bytes),
    };
    let Some(size) = options::size(OsStr::from_bytes(rest)) else {
        return options.wrong(&format!("invalid size '{}'", text.display()));
    };
    let mut status = 0;
    for path in &given.operands {
        if given.has('c') && !Path::new(path).exists() {
            continue;
        }
        let done = OpenOptions::new()
            .write(true)
            .create(!given.has('c'))
            .truncate(false)
            .open(path)
            .and_then(|file| {
                let now = file.metadata()?.len();
                file.set_len(match sign {
                    b'+' => now.saturating_add(size),
                    b'-' => now.saturating_sub(size),
                    _ => size,
                })
            });
        if let Err(error) = done {
            complain("truncate", path, &error);
            status = 1;
        }
    }
    status
}

/// `fsync`
pub fn fsync(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "fsync",
        letters: "d",
        long: &[],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let mut status = 0;
    for path in &given.operands {
        let done = File::open(path).and_then(|file| {
            if given.has('d') {
                file.sync_data()
            } else {
                file.sync_all()
            }
        });
        if let Err(error) = done {
            complain("fsync", path, &error);
            status = 1;
        }
    }
    status
}

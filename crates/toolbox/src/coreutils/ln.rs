//! `ln` and `link` (POSIX.1-2024), with `-n -T -r -v`.

use crate::common::lines::{complain, say, tell};
use crate::common::options::Options;
use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

pub const USAGE: &str = "[-sfnTv] TARGET... [LINK | FOLDER]

-s  symbolic links          -f  replace what has the name
-n  take a link to a folder for a file
-T  LINK is never a folder  -v  say what is made";
pub const LINK_USAGE: &str = "FILE LINK";

pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "ln",
        letters: "sfnTv",
        long: &[
            ("symbolic", 's'),
            ("force", 'f'),
            ("no-dereference", 'n'),
            ("no-target-directory", 'T'),
            ("verbose", 'v'),
        ],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 1, usize::MAX) {
        return status;
    }
    let (targets, place) = match given.operands.as_slice() {
        [one] => (std::slice::from_ref(one), PathBuf::from(".")),
        [targets @ .., place] => (targets, PathBuf::from(place)),
        [] => return 1,
    };
    let plain_link = given.has('n') && place.is_symlink();
    let into = place.is_dir() && !given.has('T') && !plain_link;
    if targets.len() > 1 && !into {
        say("ln", format!("{}: not a folder", place.display()));
        return 1;
    }
    let mut status = 0;
    for target in targets {
        let target = Path::new(target);
        let link = if into {
            place.join(target.file_name().unwrap_or(target.as_os_str()))
        } else {
            place.clone()
        };
        match make(target, &link, given.has('s'), given.has('f')) {
            Ok(()) if given.has('v') => {
                let line = format!("'{}' -> '{}'", link.display(), target.display());
                status |= tell("ln", line.as_bytes());
            }
            Ok(()) => {}
            Err(error) => {
                complain("ln", link.as_os_str(), &error);
                status = 1;
            }
        }
    }
    status
}

fn make(target: &Path, link: &Path, symbolic: bool, force: bool) -> io::Result<()> {
    let make = |place: &Path| {
        if symbolic {
            std::os::unix::fs::symlink(target, place)
        } else {
            fs::hard_link(target, place)
        }
    };
    match make(link) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && force => {}
        result => return result,
    }
    if link.is_dir() && !link.is_symlink() {
        return Err(io::Error::from(ErrorKind::IsADirectory));
    }
    // Made beside it and moved there: the name is never missing.
    let mut beside = link.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(beside);
    make(&beside)?;
    fs::rename(&beside, link).inspect_err(|_| {
        let _ = fs::remove_file(&beside);
    })?;
    // Two names of one file: renaming one to the other does nothing, so it is still there.
    let _ = fs::remove_file(&beside);
    Ok(())
}

pub fn link(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "link",
        letters: "",
        long: &[],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    match given.operands.as_slice() {
        [from, to] => match fs::hard_link(from, to) {
            Ok(()) => 0,
            Err(error) => {
                complain("link", to, &error);
                1
            }
        },
        _ => options.wrong("two operands are needed"),
    }
}

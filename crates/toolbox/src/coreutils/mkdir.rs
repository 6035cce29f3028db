//! `mkdir` and `rmdir` (POSIX.1-2024).

use crate::common::lines::{complain, say, tell};
use crate::common::options::Options;
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

pub const USAGE: &str = "[-pv] [-m MODE] folder...

-p  also those above it; no error where it is there
-m  with this MODE    -v  say what is made";
pub const RMDIR_USAGE: &str = "[-pv] [--ignore-fail-on-non-empty] folder...

-p  also those above it";

pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "mkdir",
        letters: "pm:v",
        long: &[("parents", 'p'), ("mode", 'm'), ("verbose", 'v')],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 1, usize::MAX) {
        return status;
    }
    let mode = match given.value('m') {
        None => None,
        Some(text) => match super::chmod::Change::parse(text.as_encoded_bytes()) {
            Some(change) => Some(change.apply(0o777, true, 0)),
            None => {
                say("mkdir", format!("invalid mode '{}'", text.display()));
                return 1;
            }
        },
    };
    let mut status = 0;
    for folder in &given.operands {
        let path = Path::new(folder);
        let made = if given.has('p') {
            fs::create_dir_all(path)
        } else {
            fs::create_dir(path)
        };
        let made = made.and_then(|()| {
            mode.map_or(Ok(()), |mode| {
                fs::set_permissions(path, Permissions::from_mode(mode))
            })
        });
        match made {
            Ok(()) if given.has('v') => {
                let line = format!("created directory: '{}'", path.display());
                status |= tell("mkdir", line.as_bytes());
            }
            Ok(()) => {}
            Err(error) => {
                complain("mkdir", folder, &error);
                status = 1;
            }
        }
    }
    status
}

pub fn rmdir(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "rmdir",
        letters: "piv",
        long: &[
            ("parents", 'p'),
            ("ignore-fail-on-non-empty", 'i'),
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
    let mut status = 0;
    for folder in &given.operands {
        let mut path = Path::new(folder);
        loop {
            if let Err(error) = fs::remove_dir(path) {
                if !(given.has('i') && error.kind() == ErrorKind::DirectoryNotEmpty) {
                    complain("rmdir", path.as_os_str(), &error);
                    status = 1;
                }
                break;
            }
            match path.parent().filter(|above| {
                given.has('p') && !above.as_os_str().is_empty() && *above != Path::new("/")
            }) {
                Some(above) => path = above,
                None => break,
            }
        }
    }
    status
}

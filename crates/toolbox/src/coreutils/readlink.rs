//! `readlink` and `realpath` (POSIX.1-2024).

use crate::common::lines::{Output, complain};
use crate::common::options::Options;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

pub const USAGE: &str = "[-fenzv] file...

-f  the path without any link; the last part may be missing
-e  the same; all of it must be there
-n  no line end    -v  say why not";
pub const REALPATH_USAGE: &str = "[-esmz] file...

-e  all of it must be there    -s  take links as they are    -m  nothing need be there";

pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "readlink",
        letters: "fenzv",
        long: &[
            ("canonicalize", 'f'),
            ("canonicalize-existing", 'e'),
            ("no-newline", 'n'),
            ("zero", 'z'),
        ],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 1, usize::MAX) {
        return status;
    }
    let mut out = Output::new();
    let mut status = 0;
    for file in &given.operands {
        let path = Path::new(file);
        let found = if given.has('e') {
            path.canonicalize()
        } else if given.has('f') {
            resolve(path)
        } else {
            std::fs::read_link(path)
        };
        match found {
            Ok(found) => {
                out.put(found.as_os_str().as_bytes());
                if given.has('z') {
                    out.put_byte(0);
                } else if !given.has('n') {
                    out.put_byte(b'\n');
                }
            }
            Err(error) => {
                if given.has('v') {
                    complain("readlink", file, &error);
                }
                status = 1;
            }
        }
    }
    out.finish("readlink", status, 1)
}

pub fn realpath(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "realpath",
        letters: "esmz",
        long: &[
            ("canonicalize-existing", 'e'),
            ("no-symlinks", 's'),
            ("canonicalize-missing", 'm'),
            ("zero", 'z'),
        ],
    };
    let mut given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if given.operands.is_empty() {
        given.operands.push(".".into());
    }
    let mut out = Output::new();
    let mut status = 0;
    for file in &given.operands {
        let path = Path::new(file);
        let found = if given.has('e') {
            path.canonicalize()
        } else if given.has('s') {
            std::path::absolute(path).map(|path| plain(&path))
        } else if given.has('m') {
            resolve(path).or_else(|_| std::path::absolute(path).map(|path| plain(&path)))
        } else {
            resolve(path)
        };
        match found {
            Ok(found) => {
                out.put(found.as_os_str().as_bytes());
                out.put_byte(if given.has('z') { 0 } else { b'\n' });
            }
            Err(error) => {
                complain("realpath", file, &error);
                status = 1;
            }
        }
    }
    out.finish("realpath", status, 1)
}

/// The path without links, where the last part may be missing (a link that leads nowhere, too).
fn resolve(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..40 {
        match path.canonicalize() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => return result,
        }
        let parent = match path.parent() {
            Some(above) if above.as_os_str().is_empty() => Path::new("."),
            Some(above) => above,
            None => return Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        let parent = parent.canonicalize()?;
        let name = path.file_name().unwrap_or(OsStr::new("."));
        let full = parent.join(name);
        match std::fs::read_link(&full) {
            Ok(target) => path = parent.join(target),
            Err(_) => return Ok(full),
        }
    }
    Err(io::Error::from_raw_os_error(40))
}

fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => out.push(name),
            Component::ParentDir => {
                out.pop();
            }
            _ => {}
        }
    }
    out
}

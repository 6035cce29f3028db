//! `rm` and `unlink` (POSIX.1-2024): on folder handles, so that no link put in the way leads elsewhere.

use crate::common::lines::{complain, say, tell};
use crate::common::options::Options;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

pub const USAGE: &str = "[-rRfidv] file...

-r -R  folders with all that is in them    -d  empty folders
-f     what is not there is no error       -i  ask before each
-v     say what is removed";
pub const UNLINK_USAGE: &str = "FILE";

struct Job {
    recursive: bool,
    force: bool,
    ask: bool,
    folders: bool,
    verbose: bool,
    status: i32,
}

pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "rm",
        letters: "rRfidv",
        long: &[
            ("recursive", 'r'),
            ("force", 'f'),
            ("dir", 'd'),
            ("verbose", 'v'),
        ],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let force = given.last_of("fi") == Some('f');
    if given.operands.is_empty() && !force {
        return options.wrong("missing operand");
    }
    let mut job = Job {
        recursive: given.has('r') || given.has('R'),
        force,
        ask: given.last_of("fi") == Some('i'),
        folders: given.has('d'),
        verbose: given.has('v'),
        status: 0,
    };
    for path in &given.operands {
        let bytes = path.as_bytes();
        let name = bytes
            .rsplit(|byte| *byte == b'/')
            .find(|part| !part.is_empty())
            .unwrap_or(b"/");
        if matches!(name, b"." | b".." | b"/") {
            say("rm", format!("refusing to remove '{}'", path.display()));
            job.status = 1;
            continue;
        }
        job.operand(path);
    }
    job.status
}

/// A folder that is being emptied: its handle, its name in the one above, its path for messages, what is left in it.
struct Level {
    handle: OwnedFd,
    name: OsString,
    path: Vec<u8>,
    names: Vec<OsString>,
}

/// How many levels keep their handles open: deeper ones are opened again from the one above.
const OPEN_LEVELS: usize = 200;

impl Job {
    fn fail(&mut self, path: &[u8], error: Errno) {
        if error == Errno::NOENT && self.force {
            return;
        }
        self.status = 1;
        complain("rm", OsStr::from_bytes(path), &io::Error::from(error));
    }

    fn removed(&mut self, path: &[u8]) {
        if self.verbose {
            self.status |= tell("rm", &[b"removed '", path, b"'"].concat());
        }
    }

    fn may(&self, path: &[u8], what: &str) -> bool {
        if !self.ask {
            return true;
        }
        let mut out = io::stderr();
        let _ = write!(
            out,
            "rm: remove {what}'{}'? ",
            String::from_utf8_lossy(path)
        );
        let mut line = String::new();
        io::stdin().read_line(&mut line).is_ok() && line.trim_start().starts_with(['y', 'Y'])
    }

    fn remove(
        &mut self,
        folder: impl std::os::fd::AsFd,
        name: &OsStr,
        path: &[u8],
        flags: AtFlags,
    ) {
        match rustix::fs::unlinkat(folder, name, flags) {
            Ok(()) => self.removed(path),
            Err(error) => self.fail(path, error),
        }
    }

    fn operand(&mut self, path: &OsStr) {
        let stat = match rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(error) => return self.fail(path.as_bytes(), error),
        };
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            if self.may(path.as_bytes(), "") {
                self.remove(CWD, path, path.as_bytes(), AtFlags::empty());
            }
            return;
        }
        if self.recursive {
            self.tree(path);
        } else if self.folders {
            self.remove(CWD, path, path.as_bytes(), AtFlags::REMOVEDIR);
        } else {
            self.fail(path.as_bytes(), Errno::ISDIR);
        }
    }

    /// Empties a tree without recursion, however deep it is.
    fn tree(&mut self, path: &OsStr) {
        let Some(first) = self.enter(CWD, path, path.as_bytes()) else {
            return;
        };
        let mut levels = vec![first];
        // Trees deeper than descriptors are moved up: a folder far below is renamed to the top, then emptied there.
        while let Some(level) = levels.last_mut() {
            let Some(name) = level.names.pop() else {
                let Some(done) = levels.pop() else { return };
                if self.may(&done.path, "folder ") {
                    match levels.last() {
                        Some(above) => {
                            let handle = &above.handle;
                            match rustix::fs::unlinkat(handle, &done.name, AtFlags::REMOVEDIR) {
                                Ok(()) => self.removed(&done.path),
                                Err(error) => self.fail(&done.path, error),
                            }
                        }
                        None => self.remove(CWD, path, &done.path, AtFlags::REMOVEDIR),
                    }
                }
                continue;
            };
            let below = [&level.path, b"/".as_slice(), name.as_bytes()].concat();
            let stat = match rustix::fs::statat(&level.handle, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                Err(error) => {
                    self.fail(&below, error);
                    continue;
                }
            };
            if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
                if self.may(&below, "") {
                    match rustix::fs::unlinkat(&level.handle, &name, AtFlags::empty()) {
                        Ok(()) => self.removed(&below),
                        Err(error) => self.fail(&below, error),
                    }
                }
                continue;
            }
            if levels.len() >= OPEN_LEVELS {
                self.lift(&mut levels, name);
                continue;
            }
            let entered = levels
                .last()
                .and_then(|level| self.enter(&level.handle, &name, &below));
            levels.extend(entered);
        }
    }

    /// Gives a folder far below a name in the topmost one, where it comes to be emptied with few handles open.
    fn lift(&mut self, levels: &mut [Level], name: OsString) {
        let Some((top, rest)) = levels.split_first_mut() else {
            return;
        };
        let Some(from) = rest.last() else { return };
        for number in 0..u32::MAX {
            let new = OsString::from(format!(".rm-{}-{number}", std::process::id()));
            match rustix::fs::renameat_with(
                &from.handle,
                &name,
                &top.handle,
                &new,
                rustix::fs::RenameFlags::NOREPLACE,
            ) {
                Ok(()) => {
                    top.names.push(new);
                    return;
                }
                Err(Errno::EXIST) => {}
                Err(error) => {
                    let below = [&from.path, b"/".as_slice(), name.as_bytes()].concat();
                    return self.fail(&below, error);
                }
            }
        }
    }

    fn enter(
        &mut self,
        folder: impl std::os::fd::AsFd,
        name: &OsStr,
        path: &[u8],
    ) -> Option<Level> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let read = || -> Result<Level, Errno> {
            let handle = rustix::fs::openat(folder, name, flags, Mode::empty())?;
            let mut names = Vec::new();
            for entry in Dir::read_from(&handle)? {
                let entry = entry?;
                let name = OsStr::from_bytes(entry.file_name().to_bytes());
                if name != "." && name != ".." {
                    names.push(name.to_owned());
                }
            }
            Ok(Level {
                handle,
                name: name.to_owned(),
                path: path.to_vec(),
                names,
            })
        };
        read().map_err(|error| self.fail(path, error)).ok()
    }
}

pub fn unlink(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "unlink",
        letters: "",
        long: &[],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 1, 1) {
        return status;
    }
    for path in &given.operands {
        if let Err(error) = rustix::fs::unlinkat(CWD, path, AtFlags::empty()) {
            complain("unlink", path, &io::Error::from(error));
            return 1;
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_deeper_than_descriptors_goes_and_links_are_not_followed() {
        let top = std::env::temp_dir().join(format!("toolbox-rm-{}", std::process::id()));
        let kept = top.join("kept");
        std::fs::create_dir_all(&kept).unwrap();
        std::fs::write(kept.join("file"), "x").unwrap();
        let tree = top.join("tree");
        std::fs::create_dir(&tree).unwrap();
        std::os::unix::fs::symlink(&kept, tree.join("link")).unwrap();
        let mut handle =
            rustix::fs::open(&tree, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
        for _ in 0..1500 {
            rustix::fs::mkdirat(&handle, "deep", Mode::from_raw_mode(0o755)).unwrap();
            handle = rustix::fs::openat(
                &handle,
                "deep",
                OFlags::RDONLY | OFlags::DIRECTORY,
                Mode::empty(),
            )
            .unwrap();
        }
        drop(handle);
        assert_eq!(
            main(&["rm".into(), "-r".into(), tree.clone().into_os_string()]),
            0
        );
        assert!(!tree.exists() && kept.join("file").exists());
        assert_eq!(
            main(&["rm".into(), "-rf".into(), top.clone().into_os_string()]),
            0
        );
        assert!(!top.exists());
    }
}

//! `tree`: folders and what is in them, drawn as a tree. Folders are read through handles on their parents, so
//! a link that is swapped in is not followed.

use crate::common::lines::{Output, complain};
use crate::common::options::Options;
use rustix::fs::{CWD, Dir, FileType, Mode, OFlags};
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

pub const USAGE: &str = "[-ad] [-L DEPTH] [folder...]

-a  names that begin with a dot, too    -d  folders only    -L  not deeper than DEPTH";

struct Level {
    handle: OwnedFd,
    names: std::vec::IntoIter<(OsString, bool, Option<Vec<u8>>)>,
}

struct Drawer {
    out: Output,
    hidden: bool,
    only_folders: bool,
    deepest: usize,
    unicode: bool,
    folders: u64,
    files: u64,
    status: i32,
}

pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "tree",
        letters: "adL:",
        long: &[],
    };
    let mut given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let deepest = match given.value('L') {
        None => usize::MAX,
        Some(text) => match text.to_str().and_then(|text| text.parse().ok()) {
            Some(depth @ 1..) => depth,
            _ => return options.wrong(&format!("invalid depth '{}'", text.display())),
        },
    };
    if given.operands.is_empty() {
        given.operands.push(".".into());
    }
    // Only where the locale says that it is no Unicode are the lines drawn with ASCII.
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| std::env::var_os(name).filter(|value| !value.is_empty()));
    let unicode = locale.is_none_or(|name| name != "C" && name != "POSIX");
    let mut drawer = Drawer {
        out: Output::new(),
        hidden: given.has('a'),
        only_folders: given.has('d'),
        deepest,
        unicode,
        folders: 0,
        files: 0,
        status: 0,
    };
    for folder in &given.operands {
        drawer.tree(folder);
    }
    let (folders, files) = (drawer.folders, drawer.files);
    let count = if drawer.only_folders {
        format!("\n{folders} directories\n")
    } else {
        format!("\n{folders} directories, {files} files\n")
    };
    drawer.out.put(count.as_bytes());
    drawer.out.finish("tree", drawer.status, 1)
}

impl Drawer {
    fn read(
        &self,
        folder: impl std::os::fd::AsFd,
        name: &OsStr,
        follow: bool,
    ) -> rustix::io::Result<Level> {
        let mut flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        if !follow {
            flags |= OFlags::NOFOLLOW;
        }
        let handle = rustix::fs::openat(folder, name, flags, Mode::empty())?;
        let mut names = Vec::new();
        for entry in Dir::read_from(&handle)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." || !self.hidden && name.starts_with(b".") {
                continue;
            }
            let name = OsStr::from_bytes(name).to_owned();
            let kind = match entry.file_type() {
                FileType::Unknown => {
                    let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
                    let stat = rustix::fs::statat(&handle, &name, flags)?;
                    FileType::from_raw_mode(stat.st_mode)
                }
                kind => kind,
            };
            let link = (kind == FileType::Symlink)
                .then(|| rustix::fs::readlinkat(&handle, &name, Vec::new()).ok())
                .flatten()
                .map(std::ffi::CString::into_bytes);
            if kind == FileType::Directory || !self.only_folders {
                names.push((name, kind == FileType::Directory, link));
            }
        }
        names.sort();
        Ok(Level {
            handle,
            names: names.into_iter(),
        })
    }

    fn tree(&mut self, top: &OsStr) {
        self.out.put(top.as_bytes());
        let mut levels = match self.read(CWD, top, true) {
            Ok(level) => vec![level],
            Err(_) => {
                self.out.put(b" [error opening dir]\n");
                self.status = 1;
                return;
            }
        };
        self.out.put_byte(b'\n');
        let (bar, tee, corner) = if self.unicode {
            ("│   ", "├── ", "└── ")
        } else {
            ("|   ", "|-- ", "`-- ")
        };
        while let Some(level) = levels.last_mut() {
            let Some((name, is_folder, link)) = level.names.next() else {
                levels.pop();
                continue;
            };
            let last = level.names.len() == 0;
            let depth = levels.len();
            for above in levels.iter().take(depth - 1) {
                let more = above.names.len() > 0;
                self.out.put(if more { bar.as_bytes() } else { b"    " });
            }
            self.out.put(if last { corner } else { tee }.as_bytes());
            self.out.put(name.as_bytes());
            if let Some(link) = link {
                self.out.put(b" -> ");
                self.out.put(&link);
            }
            if is_folder {
                self.folders += 1;
            } else {
                self.files += 1;
            }
            if is_folder
                && depth < self.deepest
                && let Some(level) = levels.last()
            {
                match self.read(&level.handle, &name, false) {
                    Ok(level) => levels.push(level),
                    Err(rustix::io::Errno::MFILE) => {
                        // Deeper than there are descriptors.
                        self.out.put(b" [too deep]");
                        complain("tree", &name, &rustix::io::Errno::MFILE.into());
                        self.status = 1;
                    }
                    Err(_) => {
                        self.out.put(b" [error opening dir]");
                        self.status = 1;
                    }
                }
            }
            self.out.put_byte(b'\n');
            if self.out.failed() {
                return;
            }
        }
    }
}

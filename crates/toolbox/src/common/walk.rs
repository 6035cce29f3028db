//! Walking a tree by directory handles, so that a symbolic link that is put in the way leads nowhere else, and so
//! that no path is too long and no tree too deep: only the lowest levels keep their handles open, the others are
//! opened again through `..` and compared.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};

/// How many levels keep their handle.
const OPEN_LEVELS: usize = 100;

/// How symbolic links are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// Never (`-P`).
    Never,
    /// Only those named to begin with (`-H`).
    Roots,
    /// Always (`-L`).
    Always,
}

/// What to do after an entry was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Go into it, if it is a directory.
    Enter,
    /// Do not go into it.
    Skip,
    /// End the walk.
    Quit,
}

/// One entry.
#[derive(Debug)]
pub struct Entry<'a> {
    /// The path as it would be printed.
    pub path: &'a [u8],
    /// How many levels below the root it is.
    pub depth: usize,
    /// The directory that holds it, for calls that take a handle.
    pub dir: BorrowedFd<'a>,
    /// Its name in that directory; for a root the path itself.
    pub name: &'a CStr,
    /// Its kind, links followed where the walk follows them.
    pub kind: FileType,
    /// Whether a link here is followed.
    pub follow: bool,
    stat: std::cell::OnceCell<Stat>,
}

impl Entry<'_> {
    /// What the system knows about it, links followed where the walk follows them (unless they lead nowhere).
    ///
    /// # Errors
    /// The system's error.
    pub fn stat(&self) -> io::Result<&Stat> {
        if let Some(stat) = self.stat.get() {
            return Ok(stat);
        }
        let stat = stat_at(self.dir, self.name, self.follow)?;
        Ok(self.stat.get_or_init(|| stat))
    }
}

fn stat_at(dir: BorrowedFd<'_>, name: &CStr, follow: bool) -> io::Result<Stat> {
    if follow && let Ok(stat) = rustix::fs::statat(dir, name, AtFlags::empty()) {
        return Ok(stat);
    }
    Ok(rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Who looks at the entries.
pub trait Visitor {
    /// Sees an entry before what is in it.
    fn before(&mut self, entry: &Entry<'_>) -> Next;
    /// Sees a directory after what is in it. Says whether to go on.
    fn after(&mut self, entry: &Entry<'_>) -> bool;
    /// Hears of something that could not be read.
    fn error(&mut self, path: &[u8], error: &io::Error);
}

/// How to walk.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How symbolic links are taken.
    pub follow: Follow,
    /// Whether to stay on the root's file system.
    pub one_file_system: bool,
    /// The entries of a directory in the order of their names.
    pub sorted: bool,
}

struct Level {
    handle: Option<Rc<OwnedFd>>,
    identity: (u64, u64),
    names: std::vec::IntoIter<(CString, FileType)>,
    /// How long the path was before this level's name.
    path_length: usize,
    name: CString,
}

/// Walks from a root. Says whether the walk came to its end (and was not quit).
pub fn walk(root: &OsStr, options: Options, visitor: &mut dyn Visitor) -> bool {
    let mut walk = Walk {
        options,
        visitor,
        path: root.as_bytes().to_vec(),
        levels: Vec::new(),
        device: 0,
    };
    let Ok(name) = CString::new(root.as_bytes()) else {
        walk.visitor
            .error(root.as_bytes(), &io::ErrorKind::InvalidInput.into());
        return true;
    };
    walk.run(name)
}

struct Walk<'a> {
    options: Options,
    visitor: &'a mut dyn Visitor,
    path: Vec<u8>,
    levels: Vec<Level>,
    device: u64,
}

impl Walk<'_> {
    fn run(&mut self, root: CString) -> bool {
        let follow = self.options.follow != Follow::Never;
        match stat_at(CWD, &root, follow) {
            Ok(stat) => self.device = stat.st_dev,
            Err(error) => {
                self.visitor.error(&self.path, &error);
                return true;
            }
        }
        if !self.visit(None, root, FileType::Unknown, 0) {
            return false;
        }
        loop {
            let Some(level) = self.levels.last_mut() else {
                return true;
            };
            match level.names.next() {
                Some((name, kind)) => {
                    let handle = match self.handle() {
                        Ok(handle) => handle,
                        Err(error) => {
                            self.visitor.error(&self.path, &error);
                            return false;
                        }
                    };
                    let length = self.path.len();
                    if !self.path.ends_with(b"/") {
                        self.path.push(b'/');
                    }
                    self.path.extend_from_slice(name.to_bytes());
                    if !self.visit(Some(handle), name, kind, length) {
                        return false;
                    }
                }
                None => {
                    if !self.leave() {
                        return false;
                    }
                }
            }
        }
    }

    /// The handle of the lowest level.
    fn handle(&mut self) -> io::Result<Rc<OwnedFd>> {
        match self.levels.last().and_then(|level| level.handle.clone()) {
            Some(handle) => Ok(handle),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Sees an entry and goes into it. `length`: the path's length without its name.
    fn visit(
        &mut self,
        dir: Option<Rc<OwnedFd>>,
        name: CString,
        kind: FileType,
        length: usize,
    ) -> bool {
        let depth = self.levels.len();
        let follow = match self.options.follow {
            Follow::Never => false,
            Follow::Roots => depth == 0,
            Follow::Always => true,
        };
        let at = dir.as_ref().map_or(CWD, |dir| dir.as_fd());
        let mut entry = Entry {
            path: &self.path,
            depth,
            dir: at,
            name: &name,
            kind,
            follow,
            stat: std::cell::OnceCell::new(),
        };
        if kind == FileType::Unknown || follow && kind == FileType::Symlink {
            match entry.stat() {
                Ok(stat) => entry.kind = FileType::from_raw_mode(stat.st_mode),
                Err(error) => {
                    self.visitor.error(&self.path, &error);
                    self.path.truncate(length);
                    return true;
                }
            }
        }
        let is_dir = entry.kind == FileType::Directory;
        let next = self.visitor.before(&entry);
        if next == Next::Quit {
            return false;
        }
        let mut enter = is_dir && next == Next::Enter;
        if enter && self.options.one_file_system {
            enter = entry.stat().is_ok_and(|stat| stat.st_dev == self.device);
        }
        if enter {
            match open_level(&self.levels, self.options.sorted, at, &name, follow) {
                Ok(mut level) => {
                    level.path_length = length;
                    level.name.clone_from(&name);
                    self.levels.push(level);
                    let count = self.levels.len();
                    if count > OPEN_LEVELS
                        && let Some(level) = self.levels.get_mut(count - OPEN_LEVELS - 1)
                        && count - OPEN_LEVELS > 1
                    {
                        level.handle = None;
                    }
                    return true;
                }
                Err(error) => self.visitor.error(entry.path, &error),
            }
        }
        let go_on = !is_dir || next == Next::Skip || self.visitor.after(&entry);
        self.path.truncate(length);
        go_on
    }

    /// Goes up one level.
    fn leave(&mut self) -> bool {
        let Some(level) = self.levels.pop() else {
            return true;
        };
        let depth = self.levels.len();
        let mut dir = None;
        if let Some(parent) = self.levels.last_mut() {
            if parent.handle.is_none()
                && let Some(handle) = &level.handle
            {
                match reopen(handle, parent.identity) {
                    Ok(handle) => parent.handle = Some(Rc::new(handle)),
                    Err(error) => {
                        self.visitor.error(&self.path, &error);
                        return false;
                    }
                }
            }
            dir.clone_from(&parent.handle);
        }
        let at = dir.as_ref().map_or(CWD, |dir| dir.as_fd());
        let entry = Entry {
            path: &self.path,
            depth,
            dir: at,
            name: &level.name,
            kind: FileType::Directory,
            follow: self.options.follow == Follow::Always
                || self.options.follow == Follow::Roots && depth == 0,
            stat: std::cell::OnceCell::new(),
        };
        let go_on = self.visitor.after(&entry);
        self.path.truncate(level.path_length);
        go_on
    }
}

/// The directory above, if it is still the one that it was.
fn reopen(handle: &OwnedFd, identity: (u64, u64)) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let above = rustix::fs::openat(handle, c"..", flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&above)?;
    if (stat.st_dev, stat.st_ino) == identity {
        Ok(above)
    } else {
        Err(io::Error::other(
            "the directory was moved while it was walked",
        ))
    }
}

/// Opens a directory and reads its names.
fn open_level(
    levels: &[Level],
    sorted: bool,
    dir: BorrowedFd<'_>,
    name: &CStr,
    follow: bool,
) -> io::Result<Level> {
    let mut flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    if !follow {
        flags |= OFlags::NOFOLLOW;
    }
    let handle = rustix::fs::openat(dir, name, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&handle)?;
    let identity = (stat.st_dev, stat.st_ino);
    if follow && levels.iter().any(|level| level.identity == identity) {
        return Err(io::Error::from_raw_os_error(
            rustix::io::Errno::LOOP.raw_os_error(),
        ));
    }
    let mut names = Vec::new();
    for entry in Dir::read_from(&handle)? {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            names.push((name.to_owned(), entry.file_type()));
        }
    }
    if sorted {
        names.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    }
    Ok(Level {
        handle: Some(Rc::new(handle)),
        identity,
        names: names.into_iter(),
        path_length: 0,
        name: CString::default(),
    })
}

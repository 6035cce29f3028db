//! Making things below a folder, as an archive names them, so that nothing gets outside.
//!
//! Names lose their leading slashes; `..` is refused. The folders on the way are opened by openat2(2) with
//! `RESOLVE_BENEATH`: a symbolic link among them counts as long as it stays inside, whoever put it there and whenever.
//! The last part of a name is never followed.

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat, Timespec, Timestamps};
use rustix::io::Errno;
use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;

/// A path that is opened at once is not longer than this: the system has a limit.
const CHUNK: usize = 2000;

/// A folder below which things are made.
pub struct Below {
    root: Rc<OwnedFd>,
    /// How links are followed.
    how: ResolveFlags,
    /// The folder that was used last, by its path: most names come folder by folder.
    last: RefCell<Option<(Vec<u8>, Rc<OwnedFd>)>>,
}

/// Where a name is: the folder, and the name in it.
pub struct Spot<'a> {
    /// The folder.
    pub folder: Rc<OwnedFd>,
    /// The last part; `.` for the top itself.
    pub name: &'a OsStr,
}

/// What something gets when it is there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dress {
    /// Owner and group.
    pub owner: Option<(u32, u32)>,
    /// Permissions; not of a link.
    pub mode: Option<u32>,
    /// Seconds since 1970 of the last change.
    pub mtime: Option<i64>,
}

/// The parts of a name. None: one of them is `..`.
fn parts(name: &[u8]) -> Option<Vec<&[u8]>> {
    let parts: Vec<&[u8]> = name
        .split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty() && *part != b".")
        .collect();
    (!parts.contains(&b"..".as_slice())).then_some(parts)
}

fn open_folder(folder: &OwnedFd, path: &[u8], how: ResolveFlags) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let path = OsStr::from_bytes(path);
    match rustix::fs::openat2(folder, path, flags, Mode::empty(), how) {
        // An old kernel, or one that is made to look like it: then no link counts at all.
        Err(Errno::NOSYS | Errno::PERM) => {
            let mut at: Option<OwnedFd> = None;
            for part in path.as_bytes().split(|byte| *byte == b'/') {
                let next = rustix::fs::openat(
                    at.as_ref().unwrap_or(folder),
                    OsStr::from_bytes(part),
                    flags | OFlags::NOFOLLOW,
                    Mode::empty(),
                )?;
                at = Some(next);
            }
            at.ok_or(Errno::NOENT)
        }
        other => other,
    }
}

impl Below {
    /// Below the current folder.
    ///
    /// # Errors
    /// The system's error.
    pub fn here() -> io::Result<Below> {
        Below::at(".", ResolveFlags::BENEATH)
    }

    /// Below the root: anywhere, by absolute names.
    ///
    /// # Errors
    /// The system's error.
    pub fn anywhere() -> io::Result<Below> {
        Below::at("/", ResolveFlags::IN_ROOT)
    }

    fn at(path: &str, how: ResolveFlags) -> io::Result<Below> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Below {
            root: Rc::new(rustix::fs::openat(CWD, path, flags, Mode::empty())?),
            how: how | ResolveFlags::NO_MAGICLINKS,
            last: RefCell::new(None),
        })
    }

    /// Where a name is; with `make`, folders on the way that are missing are made.
    ///
    /// # Errors
    /// It leads outside, or the system's error.
    pub fn spot<'a>(&self, name: &'a [u8], make: bool) -> io::Result<Spot<'a>> {
        let outside = || io::Error::other("it leads outside");
        let parts = parts(name).ok_or_else(outside)?;
        let Some((last, above)) = parts.split_last() else {
            return Ok(Spot {
                folder: self.root.clone(),
                name: OsStr::new("."),
            });
        };
        let folder = self.folder(above, make).map_err(|error| match error {
            Errno::XDEV | Errno::LOOP => outside(),
            error => error.into(),
        })?;
        Ok(Spot {
            folder,
            name: OsStr::from_bytes(last),
        })
    }

    fn folder(&self, parts: &[&[u8]], make: bool) -> Result<Rc<OwnedFd>, Errno> {
        if parts.is_empty() {
            return Ok(self.root.clone());
        }
        let whole = parts.join(&b'/');
        if let Some((path, folder)) = &*self.last.borrow()
            && *path == whole
        {
            return Ok(folder.clone());
        }
        let mut at = self.root.clone();
        let mut rest = parts;
        while !rest.is_empty() {
            // As many parts as the system takes at once.
            let mut length = 0;
            let mut count = 0;
            for part in rest {
                length += part.len() + 1;
                if count > 0 && length > CHUNK {
                    break;
                }
                count += 1;
            }
            let (now, later) = rest.split_at(count);
            at = match open_folder(&at, &now.join(&b'/'), self.how) {
                Err(Errno::NOENT) if make => {
                    let mut step = at;
                    for part in now {
                        let name = OsStr::from_bytes(part);
                        match rustix::fs::mkdirat(&step, name, Mode::from_raw_mode(0o777)) {
                            Ok(()) | Err(Errno::EXIST) => {}
                            Err(error) => return Err(error),
                        }
                        step = Rc::new(open_folder(&step, part, self.how)?);
                    }
                    step
                }
                other => Rc::new(other?),
            };
            rest = later;
        }
        *self.last.borrow_mut() = Some((whole, at.clone()));
        Ok(at)
    }

    /// What is remembered of folders does not count any more: one was replaced or removed.
    pub fn forget(&self) {
        *self.last.borrow_mut() = None;
    }
}

impl Spot<'_> {
    /// What is there; a link is not followed.
    ///
    /// # Errors
    /// The system's error.
    pub fn stat(&self) -> io::Result<Stat> {
        Ok(rustix::fs::statat(
            &*self.folder,
            self.name,
            AtFlags::SYMLINK_NOFOLLOW,
        )?)
    }

    /// Whether a folder is there, or a link to one inside.
    pub fn is_folder(&self) -> bool {
        open_folder(
            &self.folder,
            self.name.as_bytes(),
            ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS,
        )
        .is_ok()
    }

    /// Makes a file that is not there yet, for its maker alone.
    ///
    /// # Errors
    /// The system's error.
    pub fn create(&self) -> io::Result<File> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(
            &*self.folder,
            self.name,
            flags,
            Mode::from_raw_mode(0o600),
        )?))
    }

    /// Empties the file that is there, or makes one; a link is not followed.
    ///
    /// # Errors
    /// The system's error.
    pub fn overwrite(&self) -> io::Result<File> {
        let flags = OFlags::WRONLY
            | OFlags::CREATE
            | OFlags::TRUNC
            | OFlags::NOFOLLOW
            | OFlags::NONBLOCK
            | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(
            &*self.folder,
            self.name,
            flags,
            Mode::from_raw_mode(0o600),
        )?))
    }

    /// Makes a folder.
    ///
    /// # Errors
    /// The system's error.
    pub fn make_folder(&self, mode: u32) -> io::Result<()> {
        let mode = Mode::from_raw_mode(mode);
        Ok(rustix::fs::mkdirat(&*self.folder, self.name, mode)?)
    }

    /// Makes a symbolic link.
    ///
    /// # Errors
    /// The system's error.
    pub fn symlink(&self, target: &[u8]) -> io::Result<()> {
        let target = OsStr::from_bytes(target);
        Ok(rustix::fs::symlinkat(target, &*self.folder, self.name)?)
    }

    /// Makes this a second name of what is there.
    ///
    /// # Errors
    /// The system's error.
    pub fn link_to(&self, first: &Spot<'_>) -> io::Result<()> {
        Ok(rustix::fs::linkat(
            &*first.folder,
            first.name,
            &*self.folder,
            self.name,
            AtFlags::empty(),
        )?)
    }

    /// Makes a device or a pipe.
    ///
    /// # Errors
    /// The system's error.
    pub fn make_node(&self, kind: FileType, device: (u32, u32)) -> io::Result<()> {
        let device = rustix::fs::makedev(device.0, device.1);
        let mode = Mode::from_raw_mode(0o600);
        Ok(rustix::fs::mknodat(
            &*self.folder,
            self.name,
            kind,
            mode,
            device,
        )?)
    }

    /// Removes what is there: a file, a link, an empty folder.
    ///
    /// # Errors
    /// The system's error.
    pub fn remove(&self, folder: bool) -> io::Result<()> {
        let flags = if folder {
            AtFlags::REMOVEDIR
        } else {
            AtFlags::empty()
        };
        Ok(rustix::fs::unlinkat(&*self.folder, self.name, flags)?)
    }

    /// Gives it owner, permissions and time, in this order. A link has no permissions.
    ///
    /// # Errors
    /// The system's error.
    pub fn dress(&self, dress: Dress) -> io::Result<()> {
        if let Some((uid, gid)) = dress.owner {
            rustix::fs::chownat(
                &*self.folder,
                self.name,
                Some(rustix::process::Uid::from_raw(uid)),
                Some(rustix::process::Gid::from_raw(gid)),
                AtFlags::SYMLINK_NOFOLLOW,
            )?;
        }
        if let Some(mode) = dress.mode {
            self.set_mode(mode)?;
        }
        if let Some(seconds) = dress.mtime {
            let time = Timespec {
                tv_sec: seconds,
                tv_nsec: 0,
            };
            let times = Timestamps {
                last_access: time,
                last_modification: time,
            };
            rustix::fs::utimensat(&*self.folder, self.name, &times, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        Ok(())
    }

    /// chmod(2) has no way not to follow a link, so it goes through a handle of what is there.
    fn set_mode(&self, mode: u32) -> io::Result<()> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = rustix::fs::openat(&*self.folder, self.name, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&handle)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
            return Ok(());
        }
        let mode = Mode::from_raw_mode(mode);
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&handle));
        match rustix::fs::chmodat(CWD, path, mode, AtFlags::empty()) {
            Err(Errno::NOENT) => {
                // No /proc: the file itself, if it can be opened.
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let file = rustix::fs::openat(&*self.folder, self.name, flags, Mode::empty())?;
                Ok(rustix::fs::fchmod(file, mode)?)
            }
            other => Ok(other?),
        }
    }
}

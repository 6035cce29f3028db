//! The real file system below a folder.

use super::{Attributes, FileSystem, Kind, Meta, NewFile, Node};
use rustix::fs::{self, AtFlags, Mode, OFlags, ResolveFlags};
use std::cell::RefCell;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// How many folders are kept open.
const REMEMBERED: usize = 2;

/// The real file system below a folder.
#[derive(Debug)]
pub struct Root {
    fd: OwnedFd,
    /// The folders that were worked in last: files come folder by folder, and some move from one to another.
    last: RefCell<Vec<(PathBuf, Rc<OwnedFd>)>>,
}

impl Root {
    /// Opens the root.
    pub fn open(path: &Path) -> io::Result<Root> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Root {
            fd: fs::open(path, flags, Mode::empty())?,
            last: RefCell::default(),
        })
    }

    fn resolve(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        Ok(fs::openat2(
            &self.fd,
            path,
            flags | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::IN_ROOT,
        )?)
    }

    /// The folder that holds a path, and the path's last part.
    fn parent<'a>(&self, path: &'a Path) -> io::Result<(Rc<OwnedFd>, &'a Path)> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let above = path.parent().unwrap_or(Path::new(""));
        let mut last = self.last.borrow_mut();
        if let Some((_, fd)) = last.iter().find(|(known, _)| known == above) {
            return Ok((Rc::clone(fd), Path::new(name)));
        }
        let fd = Rc::new(self.resolve(above, OFlags::PATH | OFlags::DIRECTORY)?);
        if last.len() >= REMEMBERED {
            last.remove(0);
        }
        last.push((above.to_owned(), Rc::clone(&fd)));
        Ok((fd, Path::new(name)))
    }
}

impl Root {
    /// A name that goes, or comes to mean something else, may be part of a remembered path.
    fn forget_below(&self, path: &Path) {
        self.last
            .borrow_mut()
            .retain(|(known, _)| !known.starts_with(path));
    }
}

/// A file of [`Root`].
struct Opened(File);

impl Write for Opened {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl NewFile for Opened {
    fn finish(self: Box<Self>, attributes: &Attributes) -> io::Result<u64> {
        let file = self.0;
        if let Some((uid, gid)) = attributes.owner {
            let uid = rustix::process::Uid::from_raw(uid);
            let gid = rustix::process::Gid::from_raw(gid);
            fs::fchown(&file, Some(uid), Some(gid))?;
        }
        if let Some(mode) = attributes.mode {
            fs::fchmod(&file, Mode::from_raw_mode(mode))?;
        }
        if let Some(seconds) = attributes.mtime {
            let time = fs::Timespec {
                tv_sec: seconds,
                tv_nsec: 0,
            };
            fs::futimens(
                &file,
                &fs::Timestamps {
                    last_access: time,
                    last_modification: time,
                },
            )?;
        }
        if attributes.sync {
            fs::fsync(&file)?;
        }
        Ok(fs::fstat(&file)?.st_ino)
    }
}

impl FileSystem for Root {
    fn create(&self, path: &Path, mode: u32) -> io::Result<Box<dyn NewFile + '_>> {
        let (folder, name) = self.parent(path)?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Box::new(Opened(File::from(fs::openat(
            folder,
            name,
            flags,
            Mode::from_raw_mode(mode),
        )?))))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn NewFile + '_>> {
        let (folder, name) = self.parent(path)?;
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Box::new(Opened(File::from(fs::openat(
            folder,
            name,
            flags,
            Mode::empty(),
        )?))))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open(path)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(File::from(self.resolve(path, OFlags::RDONLY)?)))
    }

    fn make_folder(&self, path: &Path, mode: u32) -> io::Result<()> {
        let (folder, name) = self.parent(path)?;
        fs::mkdirat(&folder, name, Mode::from_raw_mode(mode))?;
        // The creation mask must not count.
        Ok(fs::chmodat(
            &folder,
            name,
            Mode::from_raw_mode(mode),
            AtFlags::empty(),
        )?)
    }

    fn symlink(&self, target: &Path, path: &Path) -> io::Result<()> {
        let (folder, name) = self.parent(path)?;
        Ok(fs::symlinkat(target, folder, name)?)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from_folder, from_name) = self.parent(from)?;
        let (to_folder, to_name) = self.parent(to)?;
        Ok(fs::linkat(
            from_folder,
            from_name,
            to_folder,
            to_name,
            AtFlags::empty(),
        )?)
    }

    fn make_node(&self, path: &Path, node: Node, mode: u32) -> io::Result<()> {
        let (folder, name) = self.parent(path)?;
        let (kind, device) = match node {
            Node::Char(major, minor) => (fs::FileType::CharacterDevice, fs::makedev(major, minor)),
            Node::Block(major, minor) => (fs::FileType::BlockDevice, fs::makedev(major, minor)),
            Node::Fifo => (fs::FileType::Fifo, 0),
        };
        Ok(fs::mknodat(
            folder,
            name,
            kind,
            Mode::from_raw_mode(mode),
            device,
        )?)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from_folder, from_name) = self.parent(from)?;
        let (to_folder, to_name) = self.parent(to)?;
        self.forget_below(from);
        self.forget_below(to);
        Ok(fs::renameat(from_folder, from_name, to_folder, to_name)?)
    }

    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        let (one_folder, one_name) = self.parent(one)?;
        let (other_folder, other_name) = self.parent(other)?;
        self.forget_below(one);
        self.forget_below(other);
        Ok(fs::renameat_with(
            one_folder,
            one_name,
            other_folder,
            other_name,
            fs::RenameFlags::EXCHANGE,
        )?)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        let (folder, name) = self.parent(path)?;
        self.forget_below(path);
        Ok(fs::unlinkat(folder, name, AtFlags::empty())?)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        let (folder, name) = self.parent(path)?;
        self.forget_below(path);
        Ok(fs::unlinkat(folder, name, AtFlags::REMOVEDIR)?)
    }

    fn metadata(&self, path: &Path) -> io::Result<Meta> {
        let stat = if path.as_os_str().is_empty() {
            fs::fstat(&self.fd)?
        } else {
            let (folder, name) = self.parent(path)?;
            fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?
        };
        let kind = match fs::FileType::from_raw_mode(stat.st_mode) {
            fs::FileType::RegularFile => Kind::File,
            fs::FileType::Directory => Kind::Folder,
            fs::FileType::Symlink => Kind::Link,
            _ => Kind::Other,
        };
        Ok(Meta {
            kind,
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            mtime: stat.st_mtime as i64,
            inode: stat.st_ino,
            device: stat.st_dev,
        })
    }

    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        let (folder, name) = self.parent(path)?;
        let target = fs::readlinkat(folder, name, Vec::new())?;
        Ok(PathBuf::from(OsString::from_vec(target.into_bytes())))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let fd = self.resolve(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let mut names = Vec::new();
        for entry in fs::Dir::read_from(fd)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(std::ffi::OsStr::from_bytes(name).to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    fn chown(&self, path: &Path, uid: u32, gid: u32) -> io::Result<()> {
        let (folder, name) = self.parent(path)?;
        let (uid, gid) = (
            rustix::process::Uid::from_raw(uid),
            rustix::process::Gid::from_raw(gid),
        );
        Ok(fs::chownat(
            folder,
            name,
            Some(uid),
            Some(gid),
            AtFlags::SYMLINK_NOFOLLOW,
        )?)
    }

    fn chmod(&self, path: &Path, mode: u32) -> io::Result<()> {
        let (folder, name) = self.parent(path)?;
        // A link here would be followed out of the root: it has no mode of its own to set.
        if fs::FileType::from_raw_mode(
            fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode,
        ) == fs::FileType::Symlink
        {
            return Err(io::Error::from_raw_os_error(libc::ELOOP));
        }
        Ok(fs::chmodat(
            &folder,
            name,
            Mode::from_raw_mode(mode),
            AtFlags::empty(),
        )?)
    }

    fn set_mtime(&self, path: &Path, seconds: i64) -> io::Result<()> {
        let (folder, name) = self.parent(path)?;
        let time = fs::Timespec {
            tv_sec: seconds,
            tv_nsec: 0,
        };
        let times = fs::Timestamps {
            last_access: time,
            last_modification: time,
        };
        Ok(fs::utimensat(
            folder,
            name,
            &times,
            AtFlags::SYMLINK_NOFOLLOW,
        )?)
    }

    fn sync(&self, folder: &Path) -> io::Result<()> {
        let fd = self.resolve(folder, OFlags::RDONLY | OFlags::DIRECTORY)?;
        Ok(fs::syncfs(fd)?)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let fd = self.resolve(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        Ok(fs::fsync(fd)?)
    }

    fn forget(&self) {
        self.last.borrow_mut().clear();
    }
}

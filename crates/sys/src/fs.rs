//! The file system below one root, as `apk` sees it: the real one, and one that fails or crashes at a chosen call.
//!
//! Paths are relative to the root, without a leading slash. Symbolic links on the way are followed inside the root
//! only (openat2(2), `RESOLVE_IN_ROOT`), and the last part of a path is never followed: nothing outside has a name.

use rustix::fs::{self, AtFlags, Mode, OFlags, ResolveFlags};
use std::cell::Cell;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// What something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A device, pipe or socket.
    Other,
}

/// What is known of something without opening it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// What it is.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// In bytes.
    pub size: u64,
    /// Seconds since 1970.
    pub mtime: i64,
}

/// A device to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// A character device with its numbers.
    Char(u32, u32),
    /// A block device with its numbers.
    Block(u32, u32),
    /// A named pipe.
    Fifo,
}

/// Everything that is done to a root. Each call is one that may fail, and before or after which the power may go.
pub trait FileSystem {
    /// Makes a new file; it must not exist.
    fn create(&self, path: &Path, mode: u32) -> io::Result<Box<dyn Write + '_>>;
    /// Reads a whole file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Opens a file to read.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + '_>>;
    /// Makes a folder.
    fn make_folder(&self, path: &Path, mode: u32) -> io::Result<()>;
    /// Makes a symbolic link.
    fn symlink(&self, target: &Path, path: &Path) -> io::Result<()>;
    /// Makes a second name of a file.
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes a device or a pipe.
    fn make_node(&self, path: &Path, node: Node, mode: u32) -> io::Result<()>;
    /// Gives something another name; what had it is gone.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Takes a name away that is no folder's.
    fn unlink(&self, path: &Path) -> io::Result<()>;
    /// Takes an empty folder away.
    fn remove_folder(&self, path: &Path) -> io::Result<()>;
    /// What is known of a path; a link is not followed.
    fn metadata(&self, path: &Path) -> io::Result<Meta>;
    /// Where a link leads.
    fn read_link(&self, path: &Path) -> io::Result<PathBuf>;
    /// The names in a folder, sorted.
    fn list(&self, path: &Path) -> io::Result<Vec<OsString>>;
    /// Sets owner and group; a link's own.
    fn chown(&self, path: &Path, uid: u32, gid: u32) -> io::Result<()>;
    /// Sets the permission bits of what is no link.
    fn chmod(&self, path: &Path, mode: u32) -> io::Result<()>;
    /// Sets the time of the last change, in seconds since 1970; a link's own.
    fn set_mtime(&self, path: &Path, seconds: i64) -> io::Result<()>;
    /// Flushes everything of this file system to the disk.
    fn sync(&self) -> io::Result<()>;
}

/// The real file system below a folder.
#[derive(Debug)]
pub struct Root {
    fd: OwnedFd,
}

impl Root {
    /// Opens the root.
    pub fn open(path: &Path) -> io::Result<Root> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Root {
            fd: fs::open(path, flags, Mode::empty())?,
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
    fn parent<'a>(&self, path: &'a Path) -> io::Result<(OwnedFd, &'a Path)> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let above = path.parent().unwrap_or(Path::new(""));
        Ok((
            self.resolve(above, OFlags::PATH | OFlags::DIRECTORY)?,
            Path::new(name),
        ))
    }
}

impl FileSystem for Root {
    fn create(&self, path: &Path, mode: u32) -> io::Result<Box<dyn Write + '_>> {
        let (folder, name) = self.parent(path)?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Box::new(File::from(fs::openat(
            folder,
            name,
            flags,
            Mode::from_raw_mode(mode),
        )?)))
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
        Ok(fs::renameat(from_folder, from_name, to_folder, to_name)?)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        let (folder, name) = self.parent(path)?;
        Ok(fs::unlinkat(folder, name, AtFlags::empty())?)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        let (folder, name) = self.parent(path)?;
        Ok(fs::unlinkat(folder, name, AtFlags::REMOVEDIR)?)
    }

    fn metadata(&self, path: &Path) -> io::Result<Meta> {
        let (folder, name) = self.parent(path)?;
        let stat = fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
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

    fn sync(&self) -> io::Result<()> {
        let fd = self.resolve(Path::new("."), OFlags::RDONLY | OFlags::DIRECTORY)?;
        Ok(fs::syncfs(fd)?)
    }
}

/// What happens at the chosen call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call fails with this number of errno(3); those behind it work again.
    Error(i32),
    /// The call and all behind it fail: the process was killed before it.
    Crash,
}

/// A file system that fails at its Nth call that changes something.
pub struct Faulty<F> {
    inner: F,
    fault: Fault,
    left: Cell<u64>,
    calls: Cell<u64>,
}

impl<F: FileSystem> Faulty<F> {
    /// Fails at the call of that number, counted from 0.
    pub fn new(inner: F, at: u64, fault: Fault) -> Faulty<F> {
        Faulty {
            inner,
            fault,
            left: Cell::new(at),
            calls: Cell::new(0),
        }
    }

    /// How many calls were made that change something.
    pub fn calls(&self) -> u64 {
        self.calls.get()
    }

    fn step(&self) -> io::Result<()> {
        self.calls.set(self.calls.get() + 1);
        let left = self.left.get();
        if left > 0 {
            self.left.set(left - 1);
            return Ok(());
        }
        match self.fault {
            Fault::Error(number) => {
                self.left.set(u64::MAX);
                Err(io::Error::from_raw_os_error(number))
            }
            Fault::Crash => Err(io::Error::other("the process was killed here")),
        }
    }
}

/// A file whose every write is a call that may fail.
struct FaultyFile<'a, F> {
    inner: Box<dyn Write + 'a>,
    owner: &'a Faulty<F>,
}

impl<F: FileSystem> Write for FaultyFile<'_, F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.owner.step()?;
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<F: FileSystem> FileSystem for Faulty<F> {
    fn create(&self, path: &Path, mode: u32) -> io::Result<Box<dyn Write + '_>> {
        self.step()?;
        Ok(Box::new(FaultyFile {
            inner: self.inner.create(path, mode)?,
            owner: self,
        }))
    }
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.inner.read(path)
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + '_>> {
        self.inner.open(path)
    }
    fn make_folder(&self, path: &Path, mode: u32) -> io::Result<()> {
        self.step()?;
        self.inner.make_folder(path, mode)
    }
    fn symlink(&self, target: &Path, path: &Path) -> io::Result<()> {
        self.step()?;
        self.inner.symlink(target, path)
    }
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        self.inner.hard_link(from, to)
    }
    fn make_node(&self, path: &Path, node: Node, mode: u32) -> io::Result<()> {
        self.step()?;
        self.inner.make_node(path, node, mode)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        self.inner.rename(from, to)
    }
    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        self.inner.unlink(path)
    }
    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        self.inner.remove_folder(path)
    }
    fn metadata(&self, path: &Path) -> io::Result<Meta> {
        self.inner.metadata(path)
    }
    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        self.inner.read_link(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        self.inner.list(path)
    }
    fn chown(&self, path: &Path, uid: u32, gid: u32) -> io::Result<()> {
        self.step()?;
        self.inner.chown(path, uid, gid)
    }
    fn chmod(&self, path: &Path, mode: u32) -> io::Result<()> {
        self.step()?;
        self.inner.chmod(path, mode)
    }
    fn set_mtime(&self, path: &Path, seconds: i64) -> io::Result<()> {
        self.step()?;
        self.inner.set_mtime(path, seconds)
    }
    fn sync(&self) -> io::Result<()> {
        self.step()?;
        self.inner.sync()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(name: &str) -> (PathBuf, Root) {
        let folder = std::env::temp_dir().join(format!("sys-fs-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
        let root = Root::open(&folder).unwrap();
        (folder, root)
    }

    #[test]
    fn links_lead_nowhere_outside() {
        let (folder, root) = root("links");
        root.symlink(Path::new("/etc"), Path::new("out")).unwrap();
        root.symlink(Path::new("../../../../../../etc"), Path::new("up"))
            .unwrap();
        for path in ["out/passwd", "up/passwd", "../etc/passwd"] {
            assert!(root.read(Path::new(path)).is_err(), "{path}");
            assert!(root.create(Path::new(path), 0o600).is_err(), "{path}");
        }
        root.make_folder(Path::new("etc"), 0o755).unwrap();
        root.create(Path::new("out/new"), 0o600)
            .unwrap()
            .write_all(b"x")
            .unwrap();
        assert_eq!(std::fs::read(folder.join("etc/new")).unwrap(), b"x");
        assert!(root.chmod(Path::new("out"), 0o700).is_err());
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn faults_come_at_their_call() {
        let (folder, root) = root("faults");
        let faulty = Faulty::new(root, 1, Fault::Error(libc::ENOSPC));
        faulty.make_folder(Path::new("a"), 0o755).unwrap();
        assert_eq!(
            faulty
                .make_folder(Path::new("b"), 0o755)
                .unwrap_err()
                .raw_os_error(),
            Some(libc::ENOSPC)
        );
        faulty.make_folder(Path::new("b"), 0o755).unwrap();
        assert_eq!(faulty.calls(), 3);
        let crashed = Faulty::new(Root::open(&folder).unwrap(), 0, Fault::Crash);
        assert!(crashed.make_folder(Path::new("c"), 0o755).is_err());
        assert!(crashed.make_folder(Path::new("c"), 0o755).is_err());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

//! The file system below one root, as `apk` sees it: the real one, one that fails or crashes at a chosen call, and one
//! in memory that knows what was flushed.
//!
//! Paths are relative to the root, without a leading slash. Symbolic links on the way are followed inside the root
//! only (openat2(2), `RESOLVE_IN_ROOT`), and the last part of a path is never followed: nothing outside has a name.

mod faulty;
mod memory;
mod root;

pub use faulty::{Fault, Faulty};
pub use memory::{Memory, PowerCut};
pub use root::Root;

use std::ffi::OsString;
use std::io::{self, Read, Write};
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
    /// Its number on its file system.
    pub inode: u64,
    /// Its file system.
    pub device: u64,
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

/// What a new file gets when it is whole; what is `None` stays as the system makes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Owner and group.
    pub owner: Option<(u32, u32)>,
    /// Permission bits. Set behind the owner, whose change takes the set-id bits away.
    pub mode: Option<u32>,
    /// Seconds since 1970.
    pub mtime: Option<i64>,
    /// Its contents are flushed to the disk.
    pub sync: bool,
}

/// A file that is being written.
pub trait NewFile: Write {
    /// Sets what it is to have, and closes it. Returns its number on its file system.
    fn finish(self: Box<Self>, attributes: &Attributes) -> io::Result<u64>;
}

/// Everything that is done to a root. Each call is one that may fail, and before or after which the power may go.
pub trait FileSystem {
    /// Makes a new file; it must not exist.
    fn create(&self, path: &Path, mode: u32) -> io::Result<Box<dyn NewFile + '_>>;
    /// Opens a file to write at its end.
    fn append(&self, path: &Path) -> io::Result<Box<dyn NewFile + '_>>;
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
    /// Two names trade what they stand for, at once. File systems that cannot say `EINVAL` (or `ENOSYS`).
    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()>;
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
    /// Flushes everything of the file system on which this folder lies.
    fn sync(&self, folder: &Path) -> io::Result<()>;
    /// Flushes the names in a folder, but not what they stand for.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
    /// Somebody else may have changed the root: what is remembered of it does not count any more.
    fn forget(&self) {}
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

//! A file system that fails, or dies, at a chosen call.

use super::{Attributes, FileSystem, Meta, NewFile, Node};
use std::cell::Cell;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

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

    /// What is left behind.
    pub fn into_inner(self) -> F {
        self.inner
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
    inner: Box<dyn NewFile + 'a>,
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

impl<F: FileSystem> NewFile for FaultyFile<'_, F> {
    fn finish(self: Box<Self>, attributes: &Attributes) -> io::Result<u64> {
        // Each of them is a call of its own; the last one, `fstat`, changes nothing.
        for _ in 0..u32::from(attributes.owner.is_some())
            + u32::from(attributes.mode.is_some())
            + u32::from(attributes.mtime.is_some())
            + u32::from(attributes.sync)
        {
            self.owner.step()?;
        }
        self.inner.finish(attributes)
    }
}

impl<F: FileSystem> FileSystem for Faulty<F> {
    fn create(&self, path: &Path, mode: u32) -> io::Result<Box<dyn NewFile + '_>> {
        self.step()?;
        Ok(Box::new(FaultyFile {
            inner: self.inner.create(path, mode)?,
            owner: self,
        }))
    }
    fn append(&self, path: &Path) -> io::Result<Box<dyn NewFile + '_>> {
        Ok(Box::new(FaultyFile {
            inner: self.inner.append(path)?,
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
    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        self.step()?;
        self.inner.exchange(one, other)
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
    fn sync(&self, folder: &Path) -> io::Result<()> {
        self.step()?;
        self.inner.sync(folder)
    }
    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        self.inner.sync_folder(path)
    }
    fn forget(&self) {
        self.inner.forget();
    }
}

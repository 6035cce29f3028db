//! One operation, forward and back. Each may be done again where it was done, wholly or in part, before.

use super::{digest_of, look, remove_tree};
use crate::journal::{Action, Operation};
use std::io;
use std::path::{Path, PathBuf};
use sys::fs::{FileSystem, Kind, Meta};

/// What is added to a staged name where names cannot be exchanged at once.
pub const ASIDE: &str = ".old";

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// The operations on a root.
pub struct Places<'a> {
    /// The root.
    pub fs: &'a dyn FileSystem,
    /// Another run was here before: numbers of files are not believed alone.
    pub again: bool,
}

impl Places<'_> {
    /// Whether what is in the place is the new thing.
    pub(super) fn is_new(
        &self,
        operation: &Operation,
        path: &Path,
        here: &Meta,
        staged: Option<&Meta>,
    ) -> bool {
        let digest = |path: &Path, meta: &Meta| {
            let length = operation.hash.as_ref().map_or(20, Vec::len);
            digest_of(self.fs, path, meta, length)
        };
        let fits = |path: &Path, meta: &Meta| {
            !self.again || operation.hash.is_none() || digest(path, meta) == operation.hash
        };
        let beside = operation.staged_path();
        if here.inode == operation.inode && fits(path, here) {
            return true;
        }
        if staged.is_some_and(|meta| meta.inode == operation.inode && fits(&beside, meta)) {
            return false;
        }
        if !self.again {
            return false;
        }
        // The numbers are other ones since the file system was mounted again: the contents tell.
        match &operation.hash {
            Some(_) => {
                digest(path, here) == operation.hash
                    && staged.is_none_or(|meta| digest(&beside, meta) != operation.hash)
            }
            None => staged.is_none_or(|meta| meta.kind != here.kind),
        }
    }

    /// Two names trade what they stand for: at once where the file system can.
    fn swap(&self, staged: &Path, path: &Path) -> io::Result<()> {
        match self.fs.exchange(staged, path) {
            Err(error)
                if matches!(
                    error.raw_os_error(),
                    Some(libc_numbers::EINVAL | libc_numbers::ENOSYS | libc_numbers::EOPNOTSUPP)
                ) => {}
            other => return other,
        }
        let aside = with_ending(staged, ASIDE);
        if self.fs.hard_link(path, &aside).is_err() {
            self.fs.rename(path, &aside)?;
        }
        self.fs.rename(staged, path)?;
        self.fs.rename(&aside, staged)
    }

    /// Ends a swap that was not done at once and broke in the middle, one way or the other.
    fn settle(&self, staged: &Path, path: &Path) -> io::Result<()> {
        let aside = with_ending(staged, ASIDE);
        let Some(old) = look(self.fs, &aside)? else {
            return Ok(());
        };
        match (look(self.fs, staged)?, look(self.fs, path)?) {
            (Some(_), Some(here)) if here.inode == old.inode => self.fs.unlink(&aside),
            (Some(_), Some(_)) => Ok(()),
            (Some(_), None) => self.fs.rename(&aside, path),
            (None, _) => self.fs.rename(&aside, staged),
        }
    }

    /// Does it.
    pub fn forward(&self, operation: &Operation) -> io::Result<()> {
        let (path, staged) = (operation.path.as_path(), operation.staged_path());
        if self.again {
            self.settle(&staged, path)?;
        }
        match operation.action {
            Action::Put | Action::PutOver => self.put(operation, path, &staged),
            Action::Configure => self.configure(operation, path, &staged),
            Action::Drop | Action::DropUnchanged => self.drop(operation, path, &staged),
            Action::Within => Ok(()),
        }
    }

    fn put(&self, operation: &Operation, path: &Path, staged: &Path) -> io::Result<()> {
        let new = look(self.fs, staged)?;
        let Some(new) = new else {
            return Ok(());
        };
        let Some(here) = look(self.fs, path)? else {
            return self.fs.rename(staged, path);
        };
        if self.is_new(operation, path, &here, Some(&new)) {
            return Ok(());
        }
        if here.kind == Kind::Folder {
            if new.kind == Kind::Folder {
                // A script made it meanwhile, and may have put something in.
                return self.merge(staged, path, &new);
            }
            if operation.action != Action::PutOver {
                return Err(io::ErrorKind::IsADirectory.into());
            }
        }
        self.swap(staged, path)
    }

    fn merge(&self, staged: &Path, path: &Path, new: &Meta) -> io::Result<()> {
        for name in self.fs.list(staged)? {
            let (from, to) = (staged.join(&name), path.join(&name));
            let (Some(one), other) = (look(self.fs, &from)?, look(self.fs, &to)?) else {
                continue;
            };
            match other.map(|meta| meta.kind) {
                Some(Kind::Folder) if one.kind == Kind::Folder => self.merge(&from, &to, &one)?,
                Some(Kind::Folder) => return Err(io::ErrorKind::IsADirectory.into()),
                _ => self.fs.rename(&from, &to)?,
            }
        }
        self.fs.chown(path, new.uid, new.gid)?;
        self.fs.chmod(path, new.mode)?;
        self.fs.remove_folder(staged)
    }

    fn configure(&self, operation: &Operation, path: &Path, staged: &Path) -> io::Result<()> {
        let Some(new) = look(self.fs, staged)? else {
            return Ok(());
        };
        let Some(here) = look(self.fs, path)? else {
            return self.fs.rename(staged, path);
        };
        if self.is_new(operation, path, &here, Some(&new)) {
            return Ok(());
        }
        if here.kind != Kind::File || new.kind != Kind::File {
            return self.put(operation, path, staged);
        }
        let length = operation.hash.as_ref().map_or(20, Vec::len);
        let on_disk = digest_of(self.fs, path, &here, length);
        if on_disk.is_some() && on_disk == operation.hash {
            // As it should be. The staged one goes in the end.
            return Ok(());
        }
        let known = operation.known.as_ref().is_some_and(|known| {
            digest_of(self.fs, path, &here, known.len()).as_ref() == Some(known)
        });
        if known {
            return self.swap(staged, path);
        }
        // Changed by the user, or never a package's: it stays, and the new one is put beside it.
        let beside = with_ending(path, ".apk-new");
        if self.again {
            self.settle(staged, &beside)?;
        }
        match look(self.fs, &beside)? {
            None => self.fs.rename(staged, &beside),
            Some(there) if self.is_new(operation, &beside, &there, Some(&new)) => Ok(()),
            Some(there) if there.kind == Kind::Folder => Err(io::ErrorKind::IsADirectory.into()),
            Some(_) => self.swap(staged, &beside),
        }
    }

    fn drop(&self, operation: &Operation, path: &Path, staged: &Path) -> io::Result<()> {
        let Some(here) = look(self.fs, path)? else {
            return Ok(());
        };
        // What was put there since it was dropped is nobody's business here.
        if here.kind == Kind::Folder || (self.again && look(self.fs, staged)?.is_some()) {
            return Ok(());
        }
        if operation.action == Action::DropUnchanged
            && here.kind == Kind::File
            && let Some(known) = &operation.known
            && digest_of(self.fs, path, &here, known.len()).as_ref() != Some(known)
        {
            return Ok(());
        }
        self.fs.rename(path, staged)
    }

    /// Takes it back, as far as it was done.
    pub fn back(&self, operation: &Operation) -> io::Result<()> {
        let (path, staged) = (operation.path.as_path(), operation.staged_path());
        self.settle(&staged, path)?;
        match operation.action {
            Action::Within => Ok(()),
            Action::Drop | Action::DropUnchanged => {
                if look(self.fs, &staged)?.is_none() {
                    return Ok(());
                }
                match look(self.fs, path)? {
                    None => self.fs.rename(&staged, path),
                    Some(_) => self.swap(&staged, path),
                }
            }
            Action::Put | Action::PutOver => self.take_back(operation, path, &staged),
            Action::Configure => {
                let beside = with_ending(path, ".apk-new");
                self.settle(&staged, &beside)?;
                self.take_back(operation, &beside, &staged)?;
                self.take_back(operation, path, &staged)
            }
        }
    }

    fn take_back(&self, operation: &Operation, path: &Path, staged: &Path) -> io::Result<()> {
        let Some(here) = look(self.fs, path)? else {
            return Ok(());
        };
        let old = look(self.fs, staged)?;
        if !self.is_new(operation, path, &here, old.as_ref()) {
            return Ok(());
        }
        match old {
            Some(_) => self.swap(staged, path),
            None => self.fs.rename(path, staged),
        }
    }

    /// What waits under the staged name goes.
    pub fn clear(&self, operation: &Operation) -> io::Result<()> {
        if operation.action == Action::Within {
            return Ok(());
        }
        remove_tree(self.fs, &operation.staged_path())
    }
}

/// The numbers of errno(3) by which a file system says that it cannot exchange names; the same on all Linux ports
/// that there are packages for.
mod libc_numbers {
    pub const EINVAL: i32 = 22;
    pub const ENOSYS: i32 = 38;
    pub const EOPNOTSUPP: i32 = 95;
}

//! Finishing or undoing what a run that was killed left.

use super::place::Places;
use super::{Commit, CommitError, Event, is_staged_name, look, remove_tree};
use crate::database::{self, Database};
use crate::journal::{
    self, DAMAGED, DONE, FOLDER, Journal, JournalError, Log, PLANNED, Progress, STAGING, UNDOING,
    WRITING,
};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use sys::fs::FileSystem;

/// What became of an interrupted transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovered {
    /// It is done.
    Finished,
    /// It never was.
    Undone,
}

/// Whether a transaction was interrupted, or is under way: whoever holds the lock knows which.
#[must_use]
pub fn is_pending(fs: &dyn FileSystem) -> bool {
    [PLANNED, STAGING, DONE, UNDOING]
        .iter()
        .any(|file| fs.metadata(Path::new(file)).is_ok())
}

/// Finishes or undoes an interrupted transaction. Whoever calls it holds the lock of the root.
///
/// # Errors
/// What is in the way; the journal stays for the next try.
pub fn recover(commit: &mut Commit<'_>) -> Result<Option<Recovered>, CommitError> {
    let boot = commit
        .policy
        .journal
        .as_ref()
        .map(|logged| logged.boot.clone())
        .unwrap_or_default();
    for file in [DONE, UNDOING, PLANNED] {
        let bytes = match commit.fs.read(Path::new(file)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(JournalError::Io { file, source }.into()),
        };
        let (journal, progress) = match Journal::parse(&bytes, &boot) {
            Ok(read) => read,
            Err(error) => {
                // What it was about cannot be known; the database that is there counts.
                (commit.event)(Event::Warning(format!(
                    "{file}: {error}; it is put aside as {DAMAGED}: `apk audit` tells what is not as it should be, `apk fix -r` repairs it"
                )));
                let source = commit.fs.rename(Path::new(file), Path::new(DAMAGED));
                source.map_err(|source| JournalError::Io { file, source })?;
                continue;
            }
        };
        let log = Log::new(commit.fs, Some(boot));
        let verb = if file == UNDOING {
            "Undoing"
        } else {
            "Finishing"
        };
        (commit.event)(Event::Recovery(format!(
            "{verb} the interrupted transaction: {}",
            journal.command
        )));
        if file == UNDOING {
            let (_, new) = commit.databases(&journal, false)?;
            commit.undo(&journal, &new, &log)?;
            return Ok(Some(Recovered::Undone));
        }
        return commit.go_on(&journal, &log, &progress, file == DONE);
    }
    if look(commit.fs, Path::new(STAGING))
        .map_err(super::io_error("apk", Path::new(STAGING)))?
        .is_some()
    {
        commit.unstage()?;
        return Ok(Some(Recovered::Undone));
    }
    Ok(None)
}

impl Commit<'_> {
    fn go_on(
        &mut self,
        journal: &Journal,
        log: &Log<'_>,
        progress: &Progress,
        done: bool,
    ) -> Result<Option<Recovered>, CommitError> {
        let (old, mut new) = self.databases(journal, done)?;
        let mut failed: Vec<String> = Vec::new();
        if done {
            // The scripts ran; those that failed are known by their notes.
            failed.extend(failed_before(journal, progress));
        } else {
            let old = old.clone().unwrap_or_default();
            match self.complete(journal, &old, &new, log, progress, true) {
                Ok(names) => failed = names,
                Err(error @ CommitError::Stuck { .. }) => return Err(error),
                Err(error) => {
                    (self.event)(Event::Warning(format!("{error}: it was undone instead")));
                    return Ok(Some(Recovered::Undone));
                }
            }
        }
        self.tidy(journal, old.as_ref(), &mut new, &failed, log, true);
        Ok(Some(Recovered::Finished))
    }

    /// The database before the transaction, as long as it is there, and the one behind it.
    fn databases(
        &self,
        journal: &Journal,
        done: bool,
    ) -> Result<(Option<Database>, Database), CommitError> {
        let places = Places {
            fs: self.fs,
            again: true,
        };
        let usual = database::Places::default();
        let (mut old, mut new) = (usual.clone(), usual);
        let mut there = true;
        for operation in &journal.database {
            let staged = operation.staged_path();
            // Behind the end the new one may have been written again, with the marks of scripts that failed.
            let is_new = done
                || places
                    .is_done(operation)
                    .map_err(super::io_error("database", &operation.path))?;
            for (before, after) in [
                (&mut old.installed, &mut new.installed),
                (&mut old.scripts, &mut new.scripts),
                (&mut old.triggers, &mut new.triggers),
                (&mut old.world, &mut new.world),
            ] {
                if *before == operation.path {
                    if is_new {
                        *before = staged.clone();
                    } else {
                        *after = staged.clone();
                    }
                }
            }
        }
        there &= look(self.fs, &old.installed)
            .map_err(super::io_error("database", &old.installed))?
            .is_some();
        let before = if there {
            Some(Database::read_at(self.fs, &old)?)
        } else {
            None
        };
        Ok((before, Database::read_at(self.fs, &new)?))
    }

    /// Removes what was staged, and the mark.
    fn unstage(&mut self) -> Result<(), CommitError> {
        let bytes = self
            .fs
            .read(Path::new(STAGING))
            .map_err(super::io_error("apk", Path::new(STAGING)))?;
        let (command, named) = journal::parse_staging(&bytes);
        (self.event)(Event::Recovery(format!(
            "Undoing the interrupted transaction: {command}"
        )));
        let database = Database::read(self.fs)?;
        let mut folders: BTreeSet<PathBuf> = database
            .packages
            .iter()
            .flat_map(|package| &package.folders)
            .map(|folder| PathBuf::from(OsStr::from_bytes(&folder.path)))
            .collect();
        folders.extend(named);
        folders.insert(PathBuf::new());
        let mut flush = std::collections::BTreeMap::new();
        for folder in folders {
            // One that is not there any more has nothing staged in it.
            for name in self.fs.list(&folder).unwrap_or_default() {
                if is_staged_name(&name) {
                    let path = folder.join(name);
                    remove_tree(self.fs, &path).map_err(super::io_error("undo", &path))?;
                }
            }
            if let Ok(meta) = self.fs.metadata(&folder) {
                flush.insert(meta.device, folder);
            }
        }
        let files = database::Places::default();
        for file in [
            files.installed,
            files.scripts,
            files.triggers,
            files.world,
            crate::history::next_path(self.fs),
        ] {
            let mut name = file.into_os_string();
            name.push(".new");
            let path = PathBuf::from(name);
            remove_tree(self.fs, &path).map_err(super::io_error("undo", &path))?;
        }
        remove_tree(self.fs, Path::new(WRITING))
            .map_err(super::io_error("undo", Path::new(WRITING)))?;
        // What goes must be gone before the mark of it.
        for folder in flush.values() {
            self.fs
                .sync(folder)
                .map_err(super::io_error("flush", folder))?;
        }
        self.fs
            .unlink(Path::new(STAGING))
            .and_then(|()| self.fs.sync_folder(Path::new(FOLDER)))
            .map_err(super::io_error("undo", Path::new(STAGING)))
    }
}

/// The packages whose scripts ended with an error before the run was killed.
fn failed_before(journal: &Journal, progress: &Progress) -> Vec<String> {
    progress
        .ever
        .iter()
        .filter(|(_, status)| **status != 0)
        .filter_map(|(key, _)| match key.strip_prefix("trigger:") {
            Some(name) => Some(name.to_owned()),
            None => {
                let number: usize = key.split('.').next()?.parse().ok()?;
                journal.parts.get(number.checked_sub(1)?)?.new.clone()
            }
        })
        .collect()
}

impl Places<'_> {
    /// Whether the new thing of a plain operation is in its place.
    fn is_done(&self, operation: &journal::Operation) -> io::Result<bool> {
        let Some(staged) = look(self.fs, &operation.staged_path())? else {
            return Ok(true);
        };
        Ok(look(self.fs, &operation.path)?
            .is_some_and(|here| self.is_new(operation, &operation.path, &here, Some(&staged))))
    }
}

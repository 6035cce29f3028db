//! Carrying out a plan, and undoing it.

use super::place::Places;
use super::scripts::Turn;
use super::{Commit, CommitError, Event, change_in_words, io_error, remove_tree};
use crate::database::{Database, Installed};
use crate::journal::{DONE, Journal, Log, Operation, PLANNED, Part, Progress, UNDOING};
use crate::package::Script;
use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use sys::fs::Kind;

impl Commit<'_> {
    /// Scripts, renames, triggers, and the database by rename. Returns the packages whose scripts failed.
    pub(super) fn carry(
        &mut self,
        journal: &Journal,
        old: &Database,
        new: &Database,
        log: &Log<'_>,
        progress: &Progress,
        again: bool,
    ) -> Result<Vec<String>, CommitError> {
        let places = Places { fs: self.fs, again };
        let turn = Turn {
            log,
            progress,
            off: journal.no_scripts,
        };
        let mut failed = Vec::new();
        let mut changed: BTreeSet<Vec<u8>> = BTreeSet::new();
        let mut fresh: HashSet<String> = HashSet::new();
        let total = journal.parts.len();
        for (number, part) in (1..).zip(&journal.parts) {
            let before = part.old.as_ref().and_then(|name| old.get(name));
            let after = part.new.as_ref().and_then(|name| new.get(name));
            if !again {
                let what = in_words(before, after);
                (self.event)(Event::Package {
                    number,
                    total,
                    what,
                });
            }
            let subject = after.or(before);
            let (first, last) = match (before, after) {
                (None, _) => (Script::PreInstall, Script::PostInstall),
                (Some(_), Some(_)) => (Script::PreUpgrade, Script::PostUpgrade),
                (Some(_), None) => (Script::PreDeinstall, Script::PostDeinstall),
            };
            let arguments: Vec<String> = after
                .into_iter()
                .chain(before)
                .map(|package| package.record.version.to_string())
                .collect();
            let mut run = |commit: &mut Self, script: Script| {
                let Some(package) = subject else { return };
                let key = format!("{number}.{}", script.name());
                if !commit.script(&turn, &key, package, script, &arguments) {
                    failed.push(package.record.name.clone());
                }
            };
            run(self, first);
            for operation in &part.operations {
                forward(&places, operation, subject)?;
            }
            run(self, last);
            for package in before.into_iter().chain(after) {
                changed.extend(package.folders.iter().map(|folder| folder.path.clone()));
            }
            fresh.extend(part.new.clone());
        }
        self.triggers(&turn, new, &changed, &fresh, &mut failed);
        for operation in &journal.database {
            forward(&places, operation, None)?;
        }
        Ok(failed)
    }

    /// Everything back to where it was, and the journal away.
    pub(super) fn undo(
        &mut self,
        journal: &Journal,
        new: &Database,
        log: &Log<'_>,
    ) -> Result<(), CommitError> {
        // Without the mark the next run would finish it: right, too.
        let _ = log
            .turn(PLANNED, UNDOING)
            .or_else(|_| log.turn(DONE, UNDOING));
        // It is not known how far it came, and whatever a script put in the way goes.
        let places = Places {
            fs: self.fs,
            again: true,
        };
        let parts = journal.parts.iter().rev().map(|part| &part.operations);
        for operations in std::iter::once(&journal.database).chain(parts) {
            for operation in operations.iter().rev() {
                places
                    .back(operation)
                    .map_err(io_error("undo", &operation.path))?;
            }
        }
        for part in &journal.parts {
            if let Some(package) = part.new.as_ref().and_then(|name| new.get(name)) {
                self.unmerge(part, package)?;
            }
        }
        for operation in journal
            .parts
            .iter()
            .flat_map(|part| &part.operations)
            .chain(&journal.database)
        {
            places
                .clear(operation)
                .map_err(io_error("undo", &operation.path))?;
        }
        if log.is_kept() {
            for folder in &journal.systems {
                self.fs.sync(folder).map_err(io_error("undo", folder))?;
            }
        }
        log.remove()?;
        Ok(())
    }

    /// Where a script made a folder before its package's one was put there, the package's files went in one by one. None
    /// of them was there before, nor was the folder.
    fn unmerge(&mut self, part: &Part, package: &Installed) -> Result<(), CommitError> {
        let tops: Vec<&Path> = part
            .operations
            .iter()
            .filter(|operation| operation.inode != 0 && operation.hash.is_none())
            .map(|operation| operation.path.as_path())
            .filter(|path| {
                self.fs
                    .metadata(path)
                    .is_ok_and(|meta| meta.kind == Kind::Folder)
            })
            .collect();
        if tops.is_empty() {
            return Ok(());
        }
        let below = |path: &Path| tops.iter().any(|top| path.starts_with(top));
        for (path, _) in package.paths().filter(|(path, _)| below(path)) {
            remove_tree(self.fs, &path).map_err(io_error("undo", &path))?;
        }
        for folder in package.folders.iter().rev() {
            let folder = Path::new(OsStr::from_bytes(&folder.path));
            if below(folder) {
                // What the script put there stays.
                let _ = self.fs.remove_folder(folder);
            }
        }
        Ok(())
    }
}

fn forward(
    places: &Places<'_>,
    operation: &Operation,
    package: Option<&Installed>,
) -> Result<(), CommitError> {
    places.forward(operation).map_err(|source| {
        let name = package.map_or_else(
            || "database".to_owned(),
            |package| package.record.full_name(),
        );
        io_error(&name, &operation.path)(source)
    })
}

/// `Installing zlib (1.3-r0)`
fn in_words(before: Option<&Installed>, after: Option<&Installed>) -> String {
    match (before.map(|one| &one.record), after.map(|one| &one.record)) {
        (None, Some(new)) => format!("Installing {} ({})", new.name, new.version),
        (Some(old), Some(new)) => change_in_words(
            &new.name,
            &old.version,
            &new.version,
            old.identity == new.identity,
        ),
        (Some(old), None) => format!("Purging {} ({})", old.name, old.version),
        (None, None) => String::new(),
    }
}

//! What is left to do when all is in its place: old files are kept for `undo` or dropped, and the journal goes.

use super::place::Places;
use super::{Commit, Event, digest_of, kept, look, remove_tree};
use crate::database::{self, Database};
use crate::journal::{Action, FOLDER, Journal, Log, Operation};
use std::io;
use std::path::Path;
use sys::fs::{Attributes, FileSystem, Kind};

impl Commit<'_> {
    /// Tidies up. What goes wrong here is a warning: the next run tries again.
    pub(super) fn tidy(
        &mut self,
        journal: &Journal,
        old: Option<&Database>,
        new: &mut Database,
        failed: &[String],
        log: &Log<'_>,
        last_try: bool,
    ) {
        let mut problems = Vec::new();
        let mut problem = |what: &Path, error: io::Error| {
            problems.push(format!("{}: {error}", what.display()));
        };
        if let (Some(keep), Some(old)) = (&journal.keep, old)
            && let Err(error) = keep_files(self.fs, journal, keep, old)
        {
            // Going back needs a repository then; nothing else is lost.
            let _ = remove_tree(self.fs, keep);
            (self.event)(Event::Warning(format!(
                "{}: {error}: the replaced files are not kept",
                keep.display()
            )));
        }
        let places = Places {
            fs: self.fs,
            again: true,
        };
        for operation in journal.parts.iter().flat_map(|part| &part.operations) {
            if let Err(error) = places.clear(operation) {
                problem(&operation.staged_path(), error);
            }
        }
        for folder in &journal.folders {
            use io::ErrorKind as K;
            match self.fs.remove_folder(folder) {
                Ok(()) => {}
                // One that is not empty stays, and one on which something is mounted, or that is a link.
                Err(error)
                    if matches!(
                        error.kind(),
                        K::DirectoryNotEmpty | K::ResourceBusy | K::NotFound | K::NotADirectory
                    ) => {}
                Err(error) => problem(folder, error),
            }
        }
        for folder in &journal.used {
            let _ = remove_tree(self.fs, folder);
        }
        if journal.keep.is_some() {
            kept::trim(self.fs, journal.space);
        }
        for operation in &journal.database {
            if let Err(error) = places.clear(operation) {
                problem(&operation.staged_path(), error);
            }
        }
        if !failed.is_empty() {
            for package in &mut new.packages {
                if failed.contains(&package.record.name) && !package.flags.contains('s') {
                    package.flags.push('s');
                }
            }
            if let Err(error) = new.write(self.fs) {
                problem(
                    Path::new(database::INSTALLED),
                    io::Error::other(error.to_string()),
                );
            }
        }
        // On the journal's own file system nothing overtakes its removal.
        let own = self.fs.metadata(Path::new(FOLDER)).map(|meta| meta.device);
        for folder in &journal.systems {
            if log.is_kept()
                && self.fs.metadata(folder).map(|meta| meta.device).ok()
                    != own.as_ref().ok().copied()
                && let Err(error) = self.fs.sync(folder)
            {
                problems.push(format!("{}: {error}", folder.display()));
            }
        }
        if (problems.is_empty() || last_try)
            && let Err(error) = log.remove()
        {
            problems.push(error.to_string());
        }
        for text in problems {
            (self.event)(Event::Warning(text));
        }
    }
}

/// Moves what was replaced into the folder of kept files.
fn keep_files(
    fs: &dyn FileSystem,
    journal: &Journal,
    keep: &Path,
    old: &Database,
) -> io::Result<()> {
    for part in &journal.parts {
        let Some(package) = part.old.as_ref().and_then(|name| old.get(name)) else {
            continue;
        };
        let mine = |operation: &&Operation| {
            let owner = operation
                .keep
                .as_ref()
                .and_then(|keep| keep.split_once('/'));
            owner.is_some_and(|(name, _)| name == package.record.name)
        };
        let all = || journal.parts.iter().flat_map(|part| &part.operations);
        if !all().any(|operation| mine(&operation)) {
            continue;
        }
        let folder = keep.join(&package.record.name);
        kept::write_manifest(fs, &folder, package)?;
        for operation in all().filter(mine) {
            let staged = match operation.action {
                Action::Within => operation.path.clone(),
                _ => operation.staged_path(),
            };
            let Some(meta) = look(fs, &staged)? else {
                continue;
            };
            // A configuration file that was not needed is the new one, or it is what lay beside one of the user's.
            let other = operation.action == Action::Configure
                && operation.known.as_ref().is_none_or(|known| {
                    digest_of(fs, &staged, &meta, known.len()).as_ref() != Some(known)
                });
            if other || meta.inode == operation.inode {
                continue;
            }
            let to = keep.join(operation.keep.as_deref().unwrap_or_default());
            match fs.rename(&staged, &to) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::CrossesDevices => match meta.kind {
                    Kind::File => {
                        let mut file = fs.create(&to, 0o600)?;
                        io::copy(&mut fs.open(&staged)?, &mut file)?;
                        file.finish(&Attributes {
                            owner: Some((meta.uid, meta.gid)),
                            mode: Some(meta.mode),
                            mtime: Some(meta.mtime),
                            sync: false,
                        })?;
                    }
                    Kind::Link => fs.symlink(&fs.read_link(&staged)?, &to)?,
                    Kind::Folder | Kind::Other => return Err(error),
                },
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

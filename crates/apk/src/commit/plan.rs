//! From staged files to a journal: what is put where, what goes, the database as it will be.

use super::stage::{Stage, Staged};
use super::{Commit, CommitError, KEPT, Step, is_protected, kept, remove_tree, staged_name};
use crate::database::{self, Database, DatabaseError};
use crate::dependency::Dependency;
use crate::history::{self, Record};
use crate::journal::{
    Action, DONE, FOLDER, Journal, Log, Operation, PLANNED, Part, Progress, UNDOING, write_file,
};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use sys::fs::{FileSystem, Kind};

impl Commit<'_> {
    /// [`Commit::run`], with packages that come from the kept files too.
    pub fn run_steps(
        &mut self,
        database: &mut Database,
        steps: Vec<Step>,
        world: Vec<Dependency>,
    ) -> Result<usize, CommitError> {
        if steps.is_empty()
            && self.policy.pins.is_empty()
            && world == database.world
            && self.fs.metadata(Path::new(database::INSTALLED)).is_ok()
        {
            return Ok(0);
        }
        let logged = self.policy.journal.clone();
        let log = Log::new(self.fs, logged.map(|logged| logged.boot));
        let mut made = Vec::new();
        let prepared = self.prepare(database, steps, world, &log, &mut made);
        let ready = prepared.and_then(|(journal, new)| {
            if self.policy.interrupted.is_some_and(|asked| asked()) {
                return Err(CommitError::Interrupted);
            }
            log.plan()?;
            Ok((journal, new))
        });
        let (journal, new) = match ready {
            Ok(ready) => ready,
            Err(error) => {
                self.forget_staged(&log, &made);
                return Err(error);
            }
        };
        let progress = Progress::default();
        let failed = self.complete(&journal, database, &new, &log, &progress, false)?;
        let old = std::mem::replace(database, new);
        self.tidy(&journal, Some(&old), database, &failed, &log, false);
        Ok(failed.len())
    }

    /// Carries out a plan up to the flush behind it, or undoes it. Returns the packages whose scripts failed, once for
    /// each.
    pub(super) fn complete(
        &mut self,
        journal: &Journal,
        old: &Database,
        new: &Database,
        log: &Log<'_>,
        progress: &Progress,
        again: bool,
    ) -> Result<Vec<String>, CommitError> {
        let done = self
            .carry(journal, old, new, log, progress, again)
            .and_then(|failed| {
                if log.is_kept() {
                    self.flush(journal)?;
                    log.turn(PLANNED, DONE)?;
                }
                Ok(failed)
            });
        done.map_err(|why| match self.undo(journal, new, log) {
            Ok(()) => why,
            Err(undo) => CommitError::Stuck {
                why: Box::new(why),
                undo: Box::new(undo),
            },
        })
    }

    fn flush(&self, journal: &Journal) -> Result<(), CommitError> {
        for folder in &journal.systems {
            self.fs
                .sync(folder)
                .map_err(super::io_error("flush", folder))?;
        }
        Ok(())
    }

    /// What was staged goes: the transaction did not come to be.
    fn forget_staged(&self, log: &Log<'_>, made: &[PathBuf]) {
        // Not the plan any more, before what it is about goes.
        if log.is_kept() && log.turn(PLANNED, UNDOING).is_err() {
            let _ = self.fs.unlink(Path::new(PLANNED));
        }
        let mut clean = true;
        for path in made.iter().rev() {
            clean &= remove_tree(self.fs, path).is_ok();
        }
        if log.is_kept() {
            // What goes must be gone before the mark of it.
            let mut flushed = BTreeSet::new();
            for folder in made.iter().filter_map(|path| path.parent()) {
                if let Ok(meta) = self.fs.metadata(folder)
                    && flushed.insert(meta.device)
                {
                    clean &= self.fs.sync(folder).is_ok();
                }
            }
        }
        // What could not be removed is removed by the next run, which the journal tells of it.
        if clean {
            let _ = log.remove();
        }
    }

    fn prepare(
        &mut self,
        database: &Database,
        steps: Vec<Step>,
        world: Vec<Dependency>,
        log: &Log<'_>,
        made: &mut Vec<PathBuf>,
    ) -> Result<(Journal, Database), CommitError> {
        let logged = self.policy.journal.clone().unwrap_or_default();
        log.begin(&logged.command)?;
        let leaving: HashSet<usize> = steps
            .iter()
            .filter_map(|step| step.old.as_ref())
            .filter_map(|name| {
                database
                    .packages
                    .iter()
                    .position(|package| package.record.name == *name)
            })
            .collect();
        let mut stage = Stage::new(
            self.fs,
            self.keys,
            self.policy,
            log,
            self.event,
            database,
            leaving,
        )
        .map_err(super::io_error("apk", Path::new("")))?;
        let staged = stage.all(steps);
        made.append(&mut stage.made);
        let parts = staged?;
        let purge = self.policy.purge;
        let mut plan = Plan {
            fs: self.fs,
            database,
            journal: Journal {
                command: logged.command.clone(),
                no_scripts: self.policy.no_scripts,
                used: parts.iter().filter_map(|part| part.used.clone()).collect(),
                ..Journal::default()
            },
        };
        let number = history::last(self.fs) + 1;
        let recorded = logged.history && (!parts.is_empty() || world != database.world);
        let keep = recorded && kept::is_worth(database, &parts, logged.space);
        if keep {
            plan.journal.keep = Some(Path::new(KEPT).join(history::name(number)));
            plan.journal.space = logged.space;
        }
        let mut new = plan.parts(&mut stage, parts, purge, keep, world);
        for (name, tag) in &self.policy.pins {
            let package = new.packages.iter_mut().find(|one| one.record.name == *name);
            if let Some(package) = package {
                package.tag.clone_from(tag);
            }
        }
        if recorded {
            let record = Record::between(number, &logged, database, &new);
            plan.history(&record, made)?;
        }
        let only_world = plan.journal.parts.is_empty() && self.policy.pins.is_empty();
        plan.files(&new, only_world, made)?;
        plan.systems(&mut stage)?;
        let journal = plan.journal;
        if log.is_kept() {
            made.push(PathBuf::from(crate::journal::WRITING));
            log.write(&journal)?;
            self.flush(&journal)?;
        }
        Ok((journal, new))
    }
}

struct Plan<'a> {
    fs: &'a dyn FileSystem,
    database: &'a Database,
    journal: Journal,
}

impl Plan<'_> {
    /// The operations of all parts; returns the database as it will be.
    fn parts(
        &mut self,
        stage: &mut Stage<'_>,
        parts: Vec<Staged>,
        purge: bool,
        keep: bool,
        world: Vec<Dependency>,
    ) -> Database {
        // Folders that files are put over, and where they wait.
        let over: Vec<(PathBuf, PathBuf)> = parts
            .iter()
            .flat_map(|part| &part.operations)
            .filter(|operation| operation.action == Action::PutOver)
            .map(|operation| (operation.path.clone(), operation.staged_path()))
            .collect();
        // Where each old file goes when it is kept.
        let mut kept: HashMap<PathBuf, String> = HashMap::new();
        let mut drops: Vec<Vec<Operation>> = Vec::new();
        for part in &parts {
            let mut list = Vec::new();
            let old = part.old.and_then(|at| self.database.packages.get(at));
            let same = old.is_some_and(|old| {
                part.package
                    .as_ref()
                    .is_some_and(|new| new.record.identity == old.record.identity)
            });
            for (number, (path, file)) in (0..).zip(old.iter().flat_map(|old| old.paths())) {
                let real = stage.tree.real(&path);
                let name = old.map_or("", |old| old.record.name.as_str());
                let place = (keep && !same).then(|| format!("{name}/{number}"));
                if stage.claims.is_put(&real) {
                    kept.extend(place.map(|place| (real, place)));
                    continue;
                }
                let folder = over.iter().find(|(folder, _)| real.starts_with(folder));
                if let Some((folder, waits)) = folder {
                    let inside = real.strip_prefix(folder).map(|rest| waits.join(rest));
                    list.extend(inside.ok().map(|path| Operation {
                        action: Action::Within,
                        staged: "-".to_owned(),
                        path,
                        inode: 0,
                        hash: None,
                        known: None,
                        keep: place,
                    }));
                    continue;
                }
                let careful = is_protected(&path) && !purge && file.hash.is_some();
                list.push(Operation {
                    action: if careful {
                        Action::DropUnchanged
                    } else {
                        Action::Drop
                    },
                    staged: staged_name(&format!("-{name}"), &real),
                    path: real,
                    inode: 0,
                    hash: None,
                    known: if careful { file.hash.clone() } else { None },
                    keep: place,
                });
            }
            drops.push(list);
        }
        let mut new = self.database.clone();
        // Packages that stay lose what others took.
        for (at, path) in stage.claims.taken() {
            if let Some(package) = new.packages.get_mut(*at) {
                let (above, name) = (path.parent(), path.file_name());
                for folder in &mut package.folders {
                    if above.is_some_and(|above| above.as_os_str().as_bytes() == folder.path) {
                        folder
                            .files
                            .retain(|file| name != Some(OsStr::from_bytes(&file.name)));
                    }
                }
            }
        }
        let mut number = 0;
        for (part, drops) in parts.into_iter().zip(drops) {
            let old = part.old.and_then(|at| self.database.packages.get(at));
            let mut operations = part.operations;
            for operation in &mut operations {
                operation.keep = kept.remove(&operation.path);
            }
            operations.extend(drops);
            self.journal.parts.push(Part {
                old: old.map(|old| old.record.name.clone()),
                new: part.package.as_ref().map(|new| new.record.name.clone()),
                operations,
            });
            let Some(mut package) = part.package else {
                new.packages
                    .retain(|known| Some(&known.record.name) != old.map(|old| &old.record.name));
                continue;
            };
            // What a later part put there is that one's.
            for folder in &mut package.folders {
                let base = folder.path.clone();
                folder.files.retain(|file| {
                    let real = stage.tree.real(&database::join(&base, &file.name));
                    stage.claims.part_of(&real).is_none_or(|at| at == number)
                });
            }
            number += 1;
            let gone = old.map(|old| &old.record.name);
            let place = new.packages.iter_mut().find(|known| {
                known.record.name == package.record.name || Some(&known.record.name) == gone
            });
            match place {
                Some(place) => *place = package,
                None => new.packages.push(package),
            }
        }
        new.world = world;
        self.folders(&new);
        new
    }

    /// The folders that nobody has any more, the deepest first.
    fn folders(&mut self, new: &Database) {
        let owned = |database: &Database| -> BTreeSet<Vec<u8>> {
            database
                .packages
                .iter()
                .flat_map(|package| package.folders.iter().map(|folder| folder.path.clone()))
                .collect()
        };
        let now = owned(new);
        self.journal.folders = owned(self.database)
            .into_iter()
            .rev()
            .filter(|path| !path.is_empty() && !now.contains(path))
            .map(|path| PathBuf::from(OsStr::from_bytes(&path)))
            .collect();
    }

    /// Writes a file beside its place.
    fn file(
        &mut self,
        path: &Path,
        bytes: &[u8],
        made: &mut Vec<PathBuf>,
    ) -> Result<(), CommitError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let staged = format!("{name}.new");
        let beside = path.with_file_name(&staged);
        made.push(beside.clone());
        let inode = write_file(self.fs, &beside, bytes, false).map_err(|source| {
            CommitError::Database(DatabaseError::Io {
                file: path.display().to_string(),
                source,
            })
        })?;
        let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
        self.journal.database.push(Operation {
            action: Action::Put,
            path: path.to_owned(),
            staged,
            inode,
            hash: Some(digest.as_ref().to_vec()),
            known: None,
            keep: None,
        });
        Ok(())
    }

    /// The database beside itself.
    fn files(
        &mut self,
        new: &Database,
        only_world: bool,
        made: &mut Vec<PathBuf>,
    ) -> Result<(), CommitError> {
        let places = database::Places::default();
        if only_world && self.fs.metadata(Path::new(database::INSTALLED)).is_ok() {
            return self.file(&places.world, new.world_text().as_bytes(), made);
        }
        for (path, bytes) in new.files(&places)? {
            self.file(&path, &bytes, made)?;
        }
        Ok(())
    }

    fn history(&mut self, record: &Record, made: &mut Vec<PathBuf>) -> Result<(), CommitError> {
        let folder = Path::new(history::FOLDER);
        let at_folder = super::io_error("history", folder);
        match self.fs.metadata(folder) {
            Ok(_) => {}
            Err(error) if super::is_missing(&error) => {
                self.fs.make_folder(folder, 0o755).map_err(at_folder)?;
            }
            Err(error) => return Err(at_folder(error)),
        }
        self.file(&record.path(), &record.to_bytes(), made)
    }

    /// A folder of each file system that is changed.
    fn systems(&mut self, stage: &mut Stage<'_>) -> Result<(), CommitError> {
        let mut folders: BTreeSet<PathBuf> = self
            .journal
            .parts
            .iter()
            .flat_map(|part| &part.operations)
            .chain(&self.journal.database)
            .filter_map(|operation| operation.path.parent().map(Path::to_owned))
            .collect();
        folders.insert(PathBuf::from(FOLDER));
        for folder in folders {
            // What is staged with a folder of its own is on the file system of that one's place.
            if self
                .fs
                .metadata(&folder)
                .is_ok_and(|meta| meta.kind == Kind::Folder)
            {
                stage
                    .tree
                    .note_system(&folder)
                    .map_err(super::io_error("apk", &folder))?;
            }
        }
        self.journal.systems = stage.tree.systems.values().cloned().collect();
        Ok(())
    }
}

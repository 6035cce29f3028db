//! Who has a claim on a path.

use super::tree::Tree;
use super::{CommitError, Policy};
use crate::database::Database;
use crate::record::Record;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// What becomes of a file that a package brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is put there.
    Take,
    /// It is another package's, which goes before.
    Leave,
}

/// The owners before the transaction, and those that it makes.
pub struct Claims<'a> {
    database: &'a Database,
    owners: HashMap<PathBuf, usize>,
    /// The packages that go or are replaced, by number.
    leaving: HashSet<usize>,
    /// What the transaction's parts put, by the path without links.
    new: HashMap<PathBuf, usize>,
    records: Vec<Record>,
    /// Files of packages that stay, and that another package takes.
    taken: Vec<(usize, PathBuf)>,
}

impl<'a> Claims<'a> {
    /// Before the first package.
    pub fn new(database: &'a Database, leaving: HashSet<usize>) -> Claims<'a> {
        Claims {
            database,
            owners: database.owners(),
            leaving,
            new: HashMap::new(),
            records: Vec::new(),
            taken: Vec::new(),
        }
    }

    /// The next part begins, with this package.
    pub fn begin(&mut self, record: &Record) {
        self.records.push(record.clone());
    }

    fn owner(&self, tree: &Tree<'_>, real: &Path) -> Option<(usize, PathBuf)> {
        tree.names(real)
            .into_iter()
            .find_map(|name| self.owners.get(&name).map(|at| (*at, name)))
    }

    /// Whether what is at a path is a file that goes with its package.
    pub fn goes(&self, tree: &Tree<'_>, real: &Path) -> bool {
        self.owner(tree, real)
            .is_some_and(|(at, _)| self.leaving.contains(&at))
    }

    /// Whether what is at a path is a file of this package.
    pub fn is_of(&self, tree: &Tree<'_>, real: &Path, package: usize) -> bool {
        self.owner(tree, real).is_some_and(|(at, _)| at == package)
    }

    /// The part that puts a path.
    pub fn part_of(&self, real: &Path) -> Option<usize> {
        self.new.get(real).copied()
    }

    /// The current part puts a folder where something goes.
    pub fn mark(&mut self, real: &Path) {
        let part = self.records.len().saturating_sub(1);
        self.new.insert(real.to_owned(), part);
    }

    /// Whether any part puts a path.
    pub fn is_put(&self, real: &Path) -> bool {
        self.new.contains_key(real)
    }

    /// What staying packages lose: (their number, the path as they have it).
    pub fn taken(&self) -> &[(usize, PathBuf)] {
        &self.taken
    }

    /// The current part wants a path, named by `real` without links.
    pub fn take(
        &mut self,
        tree: &Tree<'_>,
        real: &Path,
        policy: &Policy,
    ) -> Result<Claim, CommitError> {
        let part = self.records.len().saturating_sub(1);
        let Some(record) = self.records.get(part) else {
            return Ok(Claim::Take);
        };
        let old = self
            .owner(tree, real)
            .filter(|(at, _)| !self.leaving.contains(at));
        let owner = match self.new.get(real) {
            Some(at) => self.records.get(*at),
            None => old
                .as_ref()
                .and_then(|(at, _)| self.database.packages.get(*at))
                .map(|package| &package.record),
        };
        if let Some(owner) = owner
            && owner.name != record.name
        {
            // The higher priority of whoever replaces the other wins; the later one where they are alike.
            let (mine, its) = (priority(record, owner), priority(owner, record));
            let same_origin = record.origin.is_some() && record.origin == owner.origin;
            match (mine, its) {
                (None, None) if !same_origin && !policy.overwrite => {
                    return Err(CommitError::Owned {
                        package: record.full_name(),
                        path: real.display().to_string(),
                        owner: owner.full_name(),
                    });
                }
                (None, Some(_)) => return Ok(Claim::Leave),
                (Some(mine), Some(its)) if its > mine => return Ok(Claim::Leave),
                _ => {}
            }
        }
        self.new.insert(real.to_owned(), part);
        self.taken.extend(old);
        Ok(Claim::Take)
    }
}

/// With which priority the first replaces the second, if it does.
fn priority(one: &Record, other: &Record) -> Option<u32> {
    one.replaces
        .iter()
        .any(|replaced| replaced.name == other.name && replaced.accepts(Some(&other.version)))
        .then(|| one.replaces_priority.unwrap_or(0))
}

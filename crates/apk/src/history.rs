//! What was done to a root: a file for each transaction in `lib/apk/history` (docs/formats/journal.md).

use crate::commit::Logged;
use crate::database::{Database, join};
use crate::dependency::Dependency;
use crate::journal::one_line;
use crate::package::Identity;
use crate::version::Version;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use sys::fs::FileSystem;

/// Where the records lie.
pub const FOLDER: &str = "lib/apk/history";

/// The file of a number: `000012`.
pub(crate) fn name(number: u64) -> String {
    format!("{number:06}")
}

/// The numbers of all records, the oldest first.
pub fn numbers(fs: &dyn FileSystem) -> Vec<u64> {
    let mut all: Vec<u64> = fs
        .list(Path::new(FOLDER))
        .unwrap_or_default()
        .into_iter()
        .filter_map(|name| name.to_str()?.parse().ok())
        .collect();
    all.sort_unstable();
    all
}

/// The number of the latest record; 0: there is none.
pub(crate) fn last(fs: &dyn FileSystem) -> u64 {
    numbers(fs).last().copied().unwrap_or(0)
}

pub(crate) fn next_path(fs: &dyn FileSystem) -> PathBuf {
    Path::new(FOLDER).join(name(last(fs) + 1))
}

/// A package at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// Its version.
    pub version: Version,
    /// Its identity.
    pub identity: Identity,
}

/// One package's change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Its name.
    pub name: String,
    /// What was there.
    pub old: Option<Build>,
    /// What is there.
    pub new: Option<Build>,
}

/// A transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number, from 1.
    pub number: u64,
    /// Seconds since 1970.
    pub when: u64,
    /// The command line.
    pub command: String,
    /// What changed: first what came or was replaced, then what went.
    pub changes: Vec<Changed>,
    /// The world before.
    pub world_before: Vec<Dependency>,
    /// The world behind.
    pub world_after: Vec<Dependency>,
}

/// A record that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// It cannot be read.
    #[error("{FOLDER}/{}: {source}", name(*number))]
    Io {
        /// Its number.
        number: u64,
        /// Why.
        source: io::Error,
    },
    /// It says something impossible.
    #[error("{FOLDER}/{}: line {line}: nothing that a record has", name(*number))]
    Line {
        /// Its number.
        number: u64,
        /// From 1.
        line: usize,
    },
    /// There is no such record.
    #[error("there is no transaction {0}")]
    Missing(u64),
    /// What a transaction left is not there any more.
    #[error(
        "{name}: transaction {number} left {}, and now there is {}",
        version(left),
        version(found)
    )]
    Diverged {
        /// The package.
        name: String,
        /// The transaction.
        number: u64,
        /// What it left.
        left: Option<Version>,
        /// What is there.
        found: Option<Version>,
    },
}

fn version(version: &Option<Version>) -> String {
    version
        .as_ref()
        .map_or_else(|| "none".to_owned(), ToString::to_string)
}

impl Record {
    /// From one database to another.
    pub fn between(number: u64, logged: &Logged, old: &Database, new: &Database) -> Record {
        let builds = |database: &Database| -> HashMap<String, Build> {
            database
                .packages
                .iter()
                .map(|package| {
                    let record = &package.record;
                    let build = Build {
                        version: record.version.clone(),
                        identity: record.identity,
                    };
                    (record.name.clone(), build)
                })
                .collect()
        };
        let (mut before, after) = (builds(old), builds(new));
        let mut changes = Vec::new();
        for package in &new.packages {
            let name = &package.record.name;
            let (old, new) = (before.remove(name), after.get(name).cloned());
            if old != new {
                changes.push(Changed {
                    name: name.clone(),
                    old,
                    new,
                });
            }
        }
        for package in old.packages.iter().rev() {
            if let Some(old) = before.remove(&package.record.name) {
                changes.push(Changed {
                    name: package.record.name.clone(),
                    old: Some(old),
                    new: None,
                });
            }
        }
        Record {
            number,
            when: logged.when,
            command: one_line(&logged.command),
            changes,
            world_before: old.world.clone(),
            world_after: new.world.clone(),
        }
    }

    /// Its file.
    pub fn path(&self) -> PathBuf {
        Path::new(FOLDER).join(name(self.number))
    }

    /// The file's text.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = format!("when {}\nby {}\n", self.when, self.command);
        for changed in &self.changes {
            let _ = write!(out, "change {}", changed.name);
            for build in [&changed.old, &changed.new] {
                let _ = match build {
                    Some(build) => write!(out, " {} {}", build.version, build.identity),
                    None => write!(out, " - -"),
                };
            }
            out.push('\n');
        }
        for (word, world) in [("before", &self.world_before), ("after", &self.world_after)] {
            let _ = writeln!(out, "{word} {}", crate::dependency::join(world));
        }
        out.into_bytes()
    }

    /// Reads the record of that number.
    pub fn read(fs: &dyn FileSystem, number: u64) -> Result<Record, HistoryError> {
        let path = Path::new(FOLDER).join(name(number));
        let bytes = fs.read(&path).map_err(|source| {
            if source.kind() == io::ErrorKind::NotFound {
                HistoryError::Missing(number)
            } else {
                HistoryError::Io { number, source }
            }
        })?;
        let mut record = Record {
            number,
            when: 0,
            command: String::new(),
            changes: Vec::new(),
            world_before: Vec::new(),
            world_after: Vec::new(),
        };
        for (line, text) in (1..).zip(String::from_utf8_lossy(&bytes).lines()) {
            record
                .take(text)
                .ok_or(HistoryError::Line { number, line })?;
        }
        Ok(record)
    }

    fn take(&mut self, line: &str) -> Option<()> {
        let (word, value) = line.split_once(' ')?;
        match word {
            "when" => self.when = value.parse().ok()?,
            "by" => self.command = value.to_owned(),
            "before" => self.world_before = Dependency::parse_list(value).ok()?,
            "after" => self.world_after = Dependency::parse_list(value).ok()?,
            "change" => {
                let mut words = value.split(' ');
                let name = words.next()?.to_owned();
                let mut build = || -> Option<Option<Build>> {
                    match (words.next()?, words.next()?) {
                        ("-", "-") => Some(None),
                        (version, identity) => Some(Some(Build {
                            version: Version::new(version),
                            identity: Identity::parse(identity)?,
                        })),
                    }
                };
                let (old, new) = (build()?, build()?);
                self.changes.push(Changed { name, old, new });
            }
            _ => return None,
        }
        Some(())
    }
}

/// What is to be done to go back, and the world then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Back {
    /// From what is there now to what is wanted.
    pub changes: Vec<Changed>,
    /// The world.
    pub world: Vec<Dependency>,
}

/// The way back through transactions, the latest first. The last one's world is the one that is wanted; where
/// `only` one in the middle is undone, only what it changed in the world is taken back.
pub fn way_back(database: &Database, records: &[Record], only: bool) -> Result<Back, HistoryError> {
    let mut builds: BTreeMap<String, Build> = database
        .packages
        .iter()
        .map(|package| {
            let build = Build {
                version: package.record.version.clone(),
                identity: package.record.identity,
            };
            (package.record.name.clone(), build)
        })
        .collect();
    let now = builds.clone();
    let mut order: Vec<String> = Vec::new();
    let mut world = database.world.clone();
    for record in records {
        for changed in record.changes.iter().rev() {
            let found = builds.get(&changed.name);
            let left = changed.new.as_ref().map(|build| &build.identity);
            if found.map(|build| &build.identity) != left {
                return Err(HistoryError::Diverged {
                    name: changed.name.clone(),
                    number: record.number,
                    left: changed.new.as_ref().map(|build| build.version.clone()),
                    found: found.map(|build| build.version.clone()),
                });
            }
            match &changed.old {
                Some(build) => builds.insert(changed.name.clone(), build.clone()),
                None => builds.remove(&changed.name),
            };
            order.retain(|name| *name != changed.name);
            order.push(changed.name.clone());
        }
        if only {
            world.retain(|one| {
                !record.world_after.contains(one) || record.world_before.contains(one)
            });
            for one in &record.world_before {
                if !record.world_after.contains(one) && !world.contains(one) {
                    world.retain(|known| known.name != one.name);
                    world.push(one.clone());
                }
            }
            world.sort_by(|a, b| a.name.cmp(&b.name));
        } else {
            world.clone_from(&record.world_before);
        }
    }
    let mut changes: Vec<Changed> = order
        .into_iter()
        .map(|name| Changed {
            old: now.get(&name).cloned(),
            new: builds.get(&name).cloned(),
            name,
        })
        .filter(|changed| changed.old != changed.new)
        .collect();
    // What comes first, what goes behind it.
    changes.sort_by_key(|changed| changed.new.is_none());
    Ok(Back { changes, world })
}

/// What the packages of a database would lack if it were changed so: `NAME needs DEPENDENCY`, `world needs …`.
pub fn lacks(database: &Database, back: &Back, coming: &[crate::record::Record]) -> Vec<String> {
    let mut records: Vec<&crate::record::Record> = database
        .packages
        .iter()
        .map(|package| &package.record)
        .filter(|record| {
            !back
                .changes
                .iter()
                .any(|changed| changed.name == record.name)
        })
        .collect();
    records.extend(coming);
    let fits = |record: &crate::record::Record, wanted: &Dependency| {
        (record.name == wanted.name && wanted.accepts(Some(&record.version)))
            || record.provides.iter().any(|provided| {
                provided.name == wanted.name
                    && wanted.accepts(provided.version.as_ref().map(|(_, version)| version))
            })
    };
    let mut lacks = Vec::new();
    let mut check = |who: &str, wanted: &Dependency, itself: Option<&crate::record::Record>| {
        if wanted.conflict {
            let positive = Dependency {
                conflict: false,
                ..wanted.clone()
            };
            let enemy = records.iter().find(|record| {
                itself.is_none_or(|itself| itself.name != record.name) && fits(record, &positive)
            });
            if let Some(enemy) = enemy {
                lacks.push(format!("{who} conflicts with {}", enemy.full_name()));
            }
        } else if wanted
            .version
            .as_ref()
            .is_some_and(|(operator, _)| *operator == crate::dependency::Operator::Identity)
        {
            // World's pin to one build.
            let pin = wanted
                .version
                .as_ref()
                .map(|(_, version)| version.to_string());
            if !records.iter().any(|record| {
                record.name == wanted.name && Some(record.identity.to_string()) == pin
            }) {
                lacks.push(format!("{who} needs {wanted}"));
            }
        } else if !records.iter().any(|record| fits(record, wanted)) {
            lacks.push(format!("{who} needs {wanted}"));
        }
    };
    for wanted in &back.world {
        check("world", wanted, None);
    }
    for record in &records {
        for wanted in &record.depends {
            check(&record.full_name(), wanted, Some(record));
        }
    }
    lacks
}

/// The owners of a path, as errors and `why` name them.
pub fn owner<'a>(database: &'a Database, path: &Path) -> Option<&'a crate::database::Installed> {
    database.packages.iter().find(|package| {
        package.folders.iter().any(|folder| {
            folder
                .files
                .iter()
                .any(|file| join(&folder.path, &file.name) == path)
        })
    })
}

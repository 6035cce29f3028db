//! Scripts and triggers.

use super::{Commit, Event};
use crate::database::{Database, Installed};
use crate::journal::{Log, Progress};
use crate::package::Script;
use std::collections::{BTreeSet, HashSet};

/// What is needed to run a script once, whatever happens.
pub struct Turn<'a> {
    /// Where it is noted.
    pub log: &'a Log<'a>,
    /// What ran before.
    pub progress: &'a Progress,
    /// No script runs.
    pub off: bool,
}

impl Commit<'_> {
    /// Runs a package's script, if it has it and it did not run before. `false`: it failed.
    pub(super) fn script(
        &mut self,
        turn: &Turn<'_>,
        key: &str,
        package: &Installed,
        script: Script,
        arguments: &[String],
    ) -> bool {
        if turn.off {
            return true;
        }
        let Some((_, text)) = package.scripts.iter().find(|(known, _)| *known == script) else {
            return true;
        };
        if let Some(status) = turn.progress.scripts.get(key) {
            return *status == 0;
        }
        let name = format!("{}.{}", package.record.full_name(), script.name());
        (self.event)(Event::Script(format!("Executing {name}")));
        let result = (self.run_script)(&name, text, arguments);
        self.fs.forget();
        let (status, problem) = match result {
            Ok(0) => (0, None),
            Ok(status) => (
                status,
                Some(format!("{name}: script exited with error {status}")),
            ),
            Err(error) => (126, Some(format!("{name}: script cannot be run: {error}"))),
        };
        turn.log.script(key, status);
        if let Some(problem) = problem {
            (self.event)(Event::Warning(problem));
        }
        status == 0
    }

    /// Runs the triggers of what changed. Adds the names of packages whose trigger failed.
    pub(super) fn triggers(
        &mut self,
        turn: &Turn<'_>,
        database: &Database,
        changed: &BTreeSet<Vec<u8>>,
        fresh: &HashSet<String>,
        failed: &mut Vec<String>,
    ) {
        if turn.off || database.packages.iter().all(|one| one.triggers.is_empty()) {
            return;
        }
        let all: BTreeSet<Vec<u8>> = database
            .packages
            .iter()
            .flat_map(|package| package.folders.iter().map(|folder| folder.path.clone()))
            .collect();
        for package in &database.packages {
            if package.triggers.is_empty() {
                continue;
            }
            // A package that is new itself is told of everything that it watches.
            let name = &package.record.name;
            let folders = if fresh.contains(name) { &all } else { changed };
            let matched: Vec<String> = folders
                .iter()
                .filter(|folder| {
                    package
                        .triggers
                        .iter()
                        .any(|pattern| watches(pattern, folder))
                })
                .map(|folder| format!("/{}", String::from_utf8_lossy(folder)))
                .collect();
            if !matched.is_empty()
                && !self.script(
                    turn,
                    &format!("trigger:{name}"),
                    package,
                    Script::Trigger,
                    &matched,
                )
            {
                failed.push(name.clone());
            }
        }
    }
}

/// Whether a trigger's pattern means this folder. `+` in front only says that unchanged folders do not count.
fn watches(pattern: &str, folder: &[u8]) -> bool {
    let pattern = pattern.strip_prefix('+').unwrap_or(pattern);
    let pattern = pattern.strip_prefix('/').unwrap_or(pattern);
    glob(pattern.as_bytes(), folder)
}

/// fnmatch(3) with `*`, `?` and plain text; `*` does not pass a slash.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => (0..=text.len())
            .take_while(|end| !text.get(..*end).unwrap_or_default().contains(&b'/'))
            .any(|end| glob(rest, text.get(end..).unwrap_or_default())),
        (Some((b'?', rest)), Some((byte, behind))) => *byte != b'/' && glob(rest, behind),
        (Some((wanted, rest)), Some((byte, behind))) => wanted == byte && glob(rest, behind),
        _ => false,
    }
}

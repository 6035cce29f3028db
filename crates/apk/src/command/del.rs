//! `del`: what is not wanted any more is taken out of the world, and goes unless something else needs it.

use super::select::{self, Plan};
use super::session::{Failure, Refresh, Session};
use super::{complain, query::fits};
use apk::dependency::Dependency;
use apk::record::Record;
use apk::solver::{Candidate, Flags, Solution, display_order};
use std::collections::{BTreeSet, HashSet};

/// Whether a package satisfies a dependency that is no conflict.
fn satisfies(record: &Record, wanted: &Dependency) -> bool {
    !wanted.conflict
        && (record.name == wanted.name && wanted.accepts(Some(&record.version))
            || record.name != wanted.name
                && record.provides.iter().any(|provided| {
                    provided.name == wanted.name
                        && wanted.accepts(provided.version.as_ref().map(|(_, version)| version))
                }))
}

/// The names that there are: those of packages, of what they provide and need.
fn names(candidates: &[Candidate]) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for candidate in candidates {
        let record = &candidate.record;
        names.insert(record.name.as_str());
        for list in [&record.provides, &record.depends, &record.install_if] {
            names.extend(list.iter().map(|one| one.name.as_str()));
        }
    }
    names
}

/// The names of the command line, patterns among them.
pub fn named(
    session: &Session<'_>,
    candidates: &[Candidate],
    missing: &str,
) -> Result<Vec<String>, Failure> {
    let known = names(candidates);
    let in_world = |name: &str| session.database.world.iter().any(|one| one.name == name);
    let mut found = Vec::new();
    let mut failed = false;
    for word in &session.given.operands {
        let text = word.to_string_lossy().into_owned();
        if text.contains('*') {
            let fitting = known
                .iter()
                .filter(|name| fits(text.as_bytes(), name.as_bytes()));
            found.extend(fitting.map(|name| (*name).to_owned()));
        } else if known.contains(text.as_str()) || in_world(&text) {
            found.push(text);
        } else {
            complain(&missing.replace("{}", &text));
            failed = true;
        }
    }
    if failed {
        Err(Failure::Said(1))
    } else {
        Ok(found)
    }
}

/// `apk del`
pub fn del(session: &mut Session<'_>) -> Result<u8, Failure> {
    let given = session.given;
    let mut plan = Plan::new(session);
    // To remove needs no server: what is installed is known.
    let known = session.load(Refresh::Never)?;
    let candidates = select::candidates(session, &known, &mut plan);
    let names = named(session, &candidates, "No such package: {}")?;
    let before = plan.world.clone();
    let mut open: Vec<String> = names.iter().rev().cloned().collect();
    let mut seen = HashSet::new();
    while let Some(name) = open.pop() {
        plan.world.retain(|known| known.name != name);
        let Some(package) = session.database.get(&name) else {
            continue;
        };
        if !seen.insert(name.clone()) {
            continue;
        }
        plan.wish(&name, Flags::REMOVE, Flags::NONE);
        if given.has("rdepends") {
            for provided in &package.record.provides {
                plan.world.retain(|known| known.name != provided.name);
            }
            for other in &session.database.packages {
                let mut depends = other.record.depends.iter();
                if depends.any(|wanted| satisfies(&package.record, wanted)) {
                    open.push(other.record.name.clone());
                }
            }
        }
    }
    let solution = select::solve(session, &plan, &known, &candidates)?;
    if !given.has("quiet") {
        let still = Still::new(session, &solution, &candidates, &plan.world);
        still.tell(session, &names, &before);
    }
    select::commit(session, plan, &solution, &candidates)
}

/// What stays although it was named.
struct Still<'a> {
    there: Vec<&'a Record>,
    world: HashSet<&'a str>,
    verbose: bool,
}

impl<'a> Still<'a> {
    fn new(
        session: &Session<'_>,
        solution: &Solution,
        candidates: &'a [Candidate],
        world: &'a [Dependency],
    ) -> Still<'a> {
        Still {
            there: solution
                .moves
                .iter()
                .filter_map(|step| Some(&candidates.get(step.new?)?.record))
                .collect(),
            world: world
                .iter()
                .filter(|wanted| !wanted.conflict)
                .map(|wanted| wanted.name.as_str())
                .collect(),
            verbose: session.given.level() >= 2,
        }
    }

    fn providers(&self, name: &str) -> Vec<usize> {
        let has = |record: &Record| {
            record.name == name || record.provides.iter().any(|one| one.name == name)
        };
        (0..self.there.len())
            .filter(|at| self.there.get(*at).is_some_and(|record| has(record)))
            .collect()
    }

    fn tell(&self, session: &Session<'_>, names: &[String], before: &[Dependency]) {
        let mut names: Vec<&String> = names.iter().collect();
        names.sort_by(|a, b| display_order(a, b));
        names.dedup();
        let mut head = "World updated, but the following packages are not removed due to:\n";
        for name in names {
            if before.iter().any(|one| one.conflict && one.name == *name) {
                continue;
            }
            let providers = self.providers(name);
            if providers.is_empty() {
                continue;
            }
            let mut seen = HashSet::new();
            let mut reasons = Vec::new();
            for at in providers {
                self.reasons(at, &mut seen, &mut reasons);
            }
            session.tell(&format!("{head}  {name}: {}", reasons.join(" ")));
            head = "";
        }
        if head.is_empty() {
            session.tell("");
        }
    }

    /// What of the world a package is there for.
    fn reasons(&self, from: usize, seen: &mut HashSet<usize>, reasons: &mut Vec<String>) {
        let mut open = vec![from];
        while let Some(at) = open.pop() {
            let Some(record) = self.there.get(at) else {
                continue;
            };
            let own = std::iter::once(&record.name);
            for name in own.chain(record.provides.iter().map(|one| &one.name)) {
                if self.world.contains(name.as_str()) {
                    reasons.push(name.clone());
                }
            }
            let mut next = Vec::new();
            for (other, package) in self.there.iter().enumerate() {
                if package
                    .depends
                    .iter()
                    .any(|wanted| satisfies(record, wanted))
                    && seen.insert(other)
                {
                    next.push(other);
                }
            }
            for condition in &record.install_if {
                for other in self.providers(&condition.name) {
                    let wanted = self
                        .there
                        .get(other)
                        .is_some_and(|one| self.world.contains(one.name.as_str()));
                    if seen.insert(other) && (self.verbose || wanted) {
                        next.push(other);
                    }
                }
            }
            open.extend(next.into_iter().rev());
        }
    }
}

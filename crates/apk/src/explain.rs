//! Why there is no solution: a set of constraints that contradict one another, of which none can be left out.
//!
//! The solver is asked again with less and less: first with parts of the world, then with parts of what the packages
//! need. What stays is needed for the contradiction.

use crate::dependency::Dependency;
use crate::record::Record;
use crate::solver::{Candidate, Problem};
use std::collections::{BTreeSet, HashMap, HashSet};

/// How often the solver is asked at most. What was not reached by then is said without having been tested.
const MOST_QUESTIONS: usize = 300;
/// More packages than that are not looked into: the world's part has to do.
const MOST_PACKAGES: usize = 4000;

/// A constraint of the contradiction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Constraint {
    /// The world has it.
    World(Dependency),
    /// A package has it.
    Package(String, Dependency),
}

/// What contradicts itself, and what may help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// The constraints.
    pub constraints: Vec<Constraint>,
    /// What there is of the names that they speak of: `lib-2.0-r0`; or that there is nothing.
    pub available: Vec<String>,
    /// A way out, where one is known.
    pub hint: Option<String>,
}

struct Oracle<'a> {
    problem: &'a Problem<'a>,
    left: usize,
}

impl Oracle<'_> {
    /// Whether it contradicts itself; `false` where it is not known any more.
    fn contradicts(&mut self, world: &[Dependency], candidates: &[Candidate]) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        Problem {
            world,
            candidates,
            repositories: self.problem.repositories.clone(),
            wishes: self.problem.wishes.clone(),
            ..*self.problem
        }
        .solve()
        .is_err()
    }
}

/// Leaves out as many of `count` things as can be, in halves first. `still`: whether it contradicts itself with these.
fn reduce(count: usize, still: &mut dyn FnMut(&[usize]) -> bool) -> Vec<usize> {
    let mut kept: Vec<usize> = (0..count).collect();
    let mut size = count.div_ceil(2).max(1);
    loop {
        let mut at = 0;
        while at < kept.len() {
            let mut fewer = kept.clone();
            fewer.drain(at..(at + size).min(kept.len()));
            if still(&fewer) {
                kept = fewer;
            } else {
                at += size;
            }
        }
        if size == 1 {
            return kept;
        }
        size = size.div_ceil(2);
    }
}

fn fits(record: &Record, wanted: &Dependency) -> bool {
    (record.name == wanted.name && wanted.accepts(Some(&record.version)))
        || record.provides.iter().any(|provided| {
            provided.name == wanted.name
                && wanted.accepts(provided.version.as_ref().map(|(_, version)| version))
        })
}

fn names(record: &Record) -> impl Iterator<Item = &str> {
    std::iter::once(record.name.as_str()).chain(
        record
            .provides
            .iter()
            .map(|provided| provided.name.as_str()),
    )
}

/// The packages that the world's names lead to.
fn reachable(world: &[Dependency], candidates: &[Candidate]) -> Vec<Candidate> {
    let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, candidate) in candidates.iter().enumerate() {
        for name in names(&candidate.record) {
            by_name.entry(name).or_default().push(at);
        }
    }
    let mut open: Vec<&str> = world.iter().map(|wanted| wanted.name.as_str()).collect();
    let mut known: HashSet<&str> = open.iter().copied().collect();
    let mut reached: BTreeSet<usize> = BTreeSet::new();
    while let Some(name) = open.pop() {
        for at in by_name.get(name).into_iter().flatten() {
            let Some(candidate) = candidates.get(*at).filter(|_| reached.insert(*at)) else {
                continue;
            };
            let needs = candidate.record.depends.iter().map(|one| one.name.as_str());
            // A name that one has as its own may be what keeps another out.
            for other in needs.chain(names(&candidate.record)) {
                if known.insert(other) {
                    open.push(other);
                }
            }
        }
    }
    reached
        .into_iter()
        .filter_map(|at| candidates.get(at).cloned())
        .collect()
}

/// Finds the contradiction in what cannot be solved. `None`: it can be.
#[must_use]
pub fn contradiction(problem: &Problem<'_>) -> Option<Contradiction> {
    let world = problem.world;
    let mut oracle = Oracle {
        problem,
        left: MOST_QUESTIONS,
    };
    let all = reachable(world, problem.candidates);
    if !oracle.contradicts(world, &all) {
        return None;
    }
    let some = |kept: &[usize]| -> Vec<Dependency> {
        kept.iter()
            .filter_map(|at| world.get(*at).cloned())
            .collect()
    };
    let kept = reduce(world.len(), &mut |kept| {
        oracle.contradicts(&some(kept), &all)
    });
    let world = some(&kept);
    let all = reachable(&world, &all);
    let mut constraints: Vec<Constraint> = world.iter().cloned().map(Constraint::World).collect();
    if all.len() <= MOST_PACKAGES {
        let needs: Vec<(usize, usize)> = all
            .iter()
            .enumerate()
            .flat_map(|(at, one)| (0..one.record.depends.len()).map(move |number| (at, number)))
            .collect();
        let with = |kept: &[usize]| -> Vec<Candidate> {
            let mut fewer = all.clone();
            fewer.iter_mut().for_each(|one| one.record.depends.clear());
            for (at, number) in kept.iter().filter_map(|kept| needs.get(*kept)) {
                if let (Some(from), Some(to)) = (all.get(*at), fewer.get_mut(*at)) {
                    to.record
                        .depends
                        .extend(from.record.depends.get(*number).cloned());
                }
            }
            fewer
        };
        let kept = reduce(needs.len(), &mut |kept| {
            oracle.contradicts(&world, &with(kept))
        });
        if oracle.left > 0 {
            for (at, number) in kept.iter().filter_map(|kept| needs.get(*kept)) {
                if let Some(one) = all.get(*at)
                    && let Some(wanted) = one.record.depends.get(*number)
                {
                    constraints.push(Constraint::Package(one.record.full_name(), wanted.clone()));
                }
            }
        }
    }
    Some(told(constraints, &all))
}

/// Adds what there is, and what may help.
fn told(constraints: Vec<Constraint>, candidates: &[Candidate]) -> Contradiction {
    let mut available = Vec::new();
    let mut hint = None;
    let mut seen = HashSet::new();
    for constraint in &constraints {
        let (Constraint::World(wanted) | Constraint::Package(_, wanted)) = constraint;
        if !seen.insert(wanted.name.clone()) {
            continue;
        }
        let there: Vec<&Record> = candidates
            .iter()
            .map(|one| &one.record)
            .filter(|record| names(record).any(|name| name == wanted.name))
            .collect();
        if there.is_empty() && !wanted.conflict {
            available.push(format!("{}: no package of that name", wanted.name));
            hint = Some(format!(
                "no repository has {}: `apk update` fetches the newest indexes, `apk search` looks for other names",
                wanted.name
            ));
            continue;
        }
        if there.iter().all(|record| !fits(record, wanted)) || wanted.version.is_some() {
            let mut texts: Vec<String> = there.iter().map(|record| record.full_name()).collect();
            texts.sort();
            texts.dedup();
            texts.truncate(8);
            available.push(format!("{}: there is {}", wanted.name, texts.join(" ")));
        }
    }
    let in_world: Vec<&Dependency> = constraints
        .iter()
        .filter_map(|constraint| match constraint {
            Constraint::World(wanted) => Some(wanted),
            Constraint::Package(..) => None,
        })
        .collect();
    if hint.is_none() {
        let pinned = in_world
            .iter()
            .find(|wanted| wanted.version.is_some() && !wanted.conflict);
        hint = match (pinned, in_world.as_slice()) {
            (Some(pinned), _) => Some(format!(
                "world asks for exactly {pinned}; `apk add {}` takes any version",
                pinned.name
            )),
            (None, [_, .., last]) => Some(format!(
                "not all of them can be had together; `apk del {}` gives one up",
                last.name
            )),
            _ => None,
        };
    }
    Contradiction {
        constraints,
        available,
        hint,
    }
}

impl std::fmt::Display for Contradiction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // One constraint that nothing fulfils was said before.
        if self.constraints.len() > 1 {
            write!(f, "these contradict one another:")?;
            for constraint in &self.constraints {
                match constraint {
                    Constraint::World(wanted) if wanted.conflict => {
                        let name = wanted.to_string();
                        write!(f, "\n  world forbids {}", name.trim_start_matches('!'))?;
                    }
                    Constraint::World(wanted) => write!(f, "\n  world wants {wanted}")?,
                    Constraint::Package(name, wanted) if wanted.conflict => {
                        let text = wanted.to_string();
                        write!(
                            f,
                            "\n  {name} conflicts with {}",
                            text.trim_start_matches('!')
                        )?;
                    }
                    Constraint::Package(name, wanted) => write!(f, "\n  {name} needs {wanted}")?,
                }
            }
            for line in &self.available {
                write!(f, "\n  {line}")?;
            }
        }
        if let Some(hint) = &self.hint {
            let newline = if self.constraints.len() > 1 { "\n" } else { "" };
            write!(f, "{newline}hint: {hint}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::{Identity, PkgInfo};
    use crate::solver::Offer;

    fn explained(world: &str, packages: &[(&str, &str, &str)]) -> Option<String> {
        let candidates: Vec<Candidate> = packages
            .iter()
            .map(|(name, version, depends)| {
                let mut info = PkgInfo::new(name, version, "noarch");
                info.depends = Dependency::parse_list(depends).unwrap();
                let identity = Identity::of(format!("{name}{version}").as_bytes());
                info.installed_size = 1;
                Candidate {
                    repositories: vec![0],
                    ..Candidate::of(Record::of_package(identity, &info, 0))
                }
            })
            .collect();
        let world = Dependency::parse_list(world).unwrap();
        let problem = Problem {
            world: &world,
            candidates: &candidates,
            repositories: vec![Offer::default()],
            ..Problem::default()
        };
        contradiction(&problem).map(|one| one.to_string())
    }

    #[test]
    fn only_what_matters_is_named() {
        let packages = [
            ("app", "1", "lib<2 other"),
            ("tool", "1", "lib>=2 other"),
            ("lib", "1", ""),
            ("lib", "2", ""),
            ("other", "1", "more"),
            ("more", "1", ""),
            ("enemy", "1", "!other"),
        ];
        assert_eq!(explained("app more", &packages), None);
        assert_eq!(
            explained("more app other tool", &packages).unwrap(),
            "these contradict one another:\n  world wants app\n  world wants tool\n  app-1 needs lib<2\n  tool-1 needs lib>=2\n  lib: there is lib-1 lib-2\nhint: not all of them can be had together; `apk del tool` gives one up"
        );
        let text = explained("app enemy more", &packages).unwrap();
        assert!(
            text.contains("enemy-1 conflicts with other") && text.contains("app-1 needs other"),
            "{text}"
        );
        assert!(!text.contains("more"), "{text}");
        let text = explained("more lib=3", &packages).unwrap();
        assert_eq!(
            text,
            "hint: world asks for exactly lib=3; `apk add lib` takes any version"
        );
        let text = explained("more nope", &packages).unwrap();
        assert!(text.starts_with("hint: no repository has nope"), "{text}");
    }

    #[test]
    fn many_are_reduced_to_few() {
        let names: Vec<String> = (0..200).map(|n| format!("p{n}")).collect();
        let mut packages: Vec<(&str, &str, &str)> =
            names.iter().map(|name| (name.as_str(), "1", "")).collect();
        packages.push(("bad", "1", "p17 gone"));
        let world = format!("{} bad", names.join(" "));
        assert_eq!(
            explained(&world, &packages).unwrap(),
            "these contradict one another:\n  world wants bad\n  bad-1 needs gone\n  gone: no package of that name\nhint: no repository has gone: `apk update` fetches the newest indexes, `apk search` looks for other names"
        );
    }
}

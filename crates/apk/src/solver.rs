//! Which packages fulfil the world.
//!
//! Requirements are taken one by one. For each, the providers are tried in the order of preference; one that conflicts
//! with what was chosen before is passed over, and where none is left the latest choice is taken back. The number of
//! choices that are taken back is bounded, so that no index can make it run for ever.

use crate::dependency::Dependency;
use crate::record::Record;
use crate::version::Version;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

/// How many choices may be taken back.
const PATIENCE: u32 = 20_000;

/// A package that may be chosen.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// What is known of it.
    pub record: Record,
    /// It is installed now.
    pub installed: bool,
    /// The repositories that have it, by number; none: it is only installed.
    pub repositories: Vec<usize>,
    /// The tags of those repositories; none: they have none, and everybody may choose from them.
    pub tags: Option<Vec<String>>,
}

/// What is wanted besides the world.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// Prefer newer versions to installed ones, for all packages.
    pub upgrade: bool,
    /// The same for these names only.
    pub upgrade_names: HashSet<String>,
    /// Prefer what a repository has, older versions too.
    pub available: bool,
    /// Choose the newest of all repositories, tags or not.
    pub latest: bool,
}

/// Why there is no solution, in the words that apk uses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unable to select packages:\n{0}")]
pub struct Unsolvable(pub String);

/// A requirement and who has it.
#[derive(Clone, Debug)]
struct Requirement {
    dependency: Dependency,
    by: String,
    /// The tag that the world names for this package.
    tag: Option<String>,
}

struct Choice {
    /// The requirement that it was made for.
    at: usize,
    /// What is left to try.
    options: Vec<usize>,
    /// How many requirements and chosen packages there were before it.
    requirements: usize,
    chosen: usize,
}

struct Solver<'a> {
    candidates: &'a [Candidate],
    wishes: &'a Wishes,
    /// Who provides a name: (candidate, with which version).
    providers: HashMap<&'a str, Vec<(usize, Option<Version>)>>,
    requirements: Vec<Requirement>,
    chosen: Vec<usize>,
    choices: Vec<Choice>,
    names: HashSet<String>,
    deepest: (usize, String),
}

/// The candidates that fulfil the world, by number, dependencies first.
pub fn solve(
    world: &[Dependency],
    candidates: &[Candidate],
    wishes: &Wishes,
) -> Result<Vec<usize>, Unsolvable> {
    let mut providers: HashMap<&str, Vec<(usize, Option<Version>)>> = HashMap::new();
    for (at, candidate) in candidates.iter().enumerate() {
        let record = &candidate.record;
        providers
            .entry(&record.name)
            .or_default()
            .push((at, Some(record.version.clone())));
        for provided in &record.provides {
            let version = provided
                .version
                .as_ref()
                .map(|(_, version)| version.clone());
            providers
                .entry(&provided.name)
                .or_default()
                .push((at, version));
        }
    }
    let mut solver = Solver {
        candidates,
        wishes,
        providers,
        requirements: Vec::new(),
        chosen: Vec::new(),
        choices: Vec::new(),
        names: world
            .iter()
            .filter(|wanted| !wanted.conflict)
            .map(|wanted| wanted.name.clone())
            .collect(),
        deepest: (0, String::new()),
    };
    for wanted in world {
        let by = format!("world[{wanted}]");
        solver.requirements.push(Requirement {
            dependency: wanted.clone(),
            by,
            tag: wanted.tag.clone(),
        });
    }
    solver.run()?;
    Ok(solver.in_order())
}

impl Solver<'_> {
    fn run(&mut self) -> Result<(), Unsolvable> {
        let mut patience = PATIENCE;
        let mut at = 0;
        loop {
            while at < self.requirements.len() {
                let options = match self.options(at) {
                    Met::Already => {
                        at += 1;
                        continue;
                    }
                    Met::By(options) => options,
                };
                let (requirements, chosen) = (self.requirements.len(), self.chosen.len());
                self.choices.push(Choice {
                    at,
                    options,
                    requirements,
                    chosen,
                });
                match self.next_option(&mut patience)? {
                    Some(next) => at = next,
                    None => return Err(Unsolvable(self.deepest.1.clone())),
                }
            }
            // Everything is met: what is to be installed because of that?
            if !self.add_install_if() {
                return Ok(());
            }
        }
    }

    /// Takes the next option of the latest choice that has one. Returns the requirement to go on with.
    fn next_option(&mut self, patience: &mut u32) -> Result<Option<usize>, Unsolvable> {
        loop {
            let Some(choice) = self.choices.last_mut() else {
                return Ok(None);
            };
            let (at, requirements, chosen) = (choice.at, choice.requirements, choice.chosen);
            let option = (!choice.options.is_empty()).then(|| choice.options.remove(0));
            self.requirements.truncate(requirements);
            self.chosen.truncate(chosen);
            if let Some(option) = option {
                self.choose(option);
                return Ok(Some(at + 1));
            }
            if at >= self.deepest.0 || self.deepest.1.is_empty() {
                self.deepest = (at, self.explain(at));
            }
            self.choices.pop();
            match patience.checked_sub(1) {
                Some(left) => *patience = left,
                None => return Err(Unsolvable(self.deepest.1.clone())),
            }
        }
    }

    fn choose(&mut self, option: usize) {
        self.chosen.push(option);
        let Some(candidate) = self.candidates.get(option) else {
            return;
        };
        let by = candidate.record.full_name();
        for dependency in &candidate.record.depends {
            let by = format!("{by}[{dependency}]");
            self.requirements.push(Requirement {
                dependency: dependency.clone(),
                by,
                tag: None,
            });
        }
    }

    /// The version under which a candidate provides a name; the outer `None`: it does not.
    fn provided(&self, candidate: usize, name: &str) -> Option<Option<&Version>> {
        let found = self
            .providers
            .get(name)?
            .iter()
            .find(|(at, _)| *at == candidate)?;
        Some(found.1.as_ref())
    }

    fn satisfies(&self, candidate: usize, dependency: &Dependency) -> bool {
        if let Some((crate::dependency::Operator::Identity, wanted)) = &dependency.version {
            let record = self
                .candidates
                .get(candidate)
                .map(|candidate| &candidate.record);
            return record.is_some_and(|r| {
                r.name == dependency.name && r.identity.to_string() == wanted.as_str()
            });
        }
        self.provided(candidate, &dependency.name)
            .is_some_and(|version| dependency.accepts(version))
    }

    fn options(&self, at: usize) -> Met {
        let Some(requirement) = self.requirements.get(at) else {
            return Met::Already;
        };
        let dependency = &requirement.dependency;
        if dependency.conflict {
            // A package never conflicts with itself.
            let owner = self.owner(requirement);
            let broken = self
                .chosen
                .iter()
                .any(|chosen| Some(*chosen) != owner && self.satisfies(*chosen, dependency));
            return if broken {
                Met::By(Vec::new())
            } else {
                Met::Already
            };
        }
        if self
            .chosen
            .iter()
            .any(|chosen| self.satisfies(*chosen, dependency))
        {
            return Met::Already;
        }
        let Some(providers) = self.providers.get(dependency.name.as_str()) else {
            return Met::By(Vec::new());
        };
        let mut options: Vec<(usize, Option<&Version>)> = providers
            .iter()
            .filter(|(candidate, version)| {
                self.satisfies(*candidate, dependency)
                    && self.may_be_chosen(*candidate, version.as_ref(), requirement)
                    && self.conflict_with_chosen(*candidate).is_none()
            })
            .map(|(candidate, version)| (*candidate, version.as_ref()))
            .collect();
        options.sort_by(|a, b| {
            self.preference(b, dependency)
                .cmp(&self.preference(a, dependency))
        });
        options.dedup_by_key(|option| option.0);
        Met::By(
            options
                .into_iter()
                .map(|(candidate, _)| candidate)
                .collect(),
        )
    }

    fn owner(&self, requirement: &Requirement) -> Option<usize> {
        let name = requirement.by.split('[').next()?;
        self.chosen.iter().copied().find(|chosen| {
            self.candidates
                .get(*chosen)
                .is_some_and(|candidate| candidate.record.full_name() == name)
        })
    }

    /// A name without a version is only taken from a package that is wanted anyway, or says how it ranks.
    fn may_be_chosen(
        &self,
        candidate: usize,
        version: Option<&Version>,
        requirement: &Requirement,
    ) -> bool {
        let Some(candidate) = self.candidates.get(candidate) else {
            return false;
        };
        let record = &candidate.record;
        if record.unknown_field.is_some() {
            return false;
        }
        if let Some(tags) = &candidate.tags {
            let pinned = self.requirements.iter().any(|other| {
                other.dependency.name == record.name
                    && other.tag.as_ref().is_some_and(|tag| tags.contains(tag))
            });
            let allowed = requirement
                .tag
                .as_ref()
                .is_some_and(|tag| tags.contains(tag))
                || pinned;
            if !allowed && !candidate.installed {
                return false;
            }
        }
        version.is_some()
            || record.provider_priority.is_some()
            || candidate.installed
            || self.names.contains(&record.name)
    }

    /// What was chosen already that this candidate cannot stand beside.
    fn conflict_with_chosen(&self, option: usize) -> Option<usize> {
        let candidate = self.candidates.get(option)?;
        for chosen in &self.chosen {
            let other = self.candidates.get(*chosen)?;
            if candidate.record.name == other.record.name {
                return Some(*chosen);
            }
            // Who provides a name with a version owns it.
            for provided in candidate
                .record
                .provides
                .iter()
                .filter(|provided| provided.version.is_some())
            {
                if self
                    .provided(*chosen, &provided.name)
                    .is_some_and(|version| version.is_some())
                {
                    return Some(*chosen);
                }
            }
            for provided in other
                .record
                .provides
                .iter()
                .filter(|provided| provided.version.is_some())
            {
                if provided.name == candidate.record.name {
                    return Some(*chosen);
                }
            }
            if candidate
                .record
                .depends
                .iter()
                .any(|d| d.conflict && self.satisfies(*chosen, d))
            {
                return Some(*chosen);
            }
        }
        // What is required or forbidden already.
        for requirement in &self.requirements {
            let dependency = &requirement.dependency;
            if dependency.conflict {
                let own =
                    requirement.by.split('[').next() == Some(candidate.record.full_name().as_str());
                if !own && self.satisfies(option, dependency) {
                    return Some(option);
                }
            } else if dependency.name == candidate.record.name
                && !self.satisfies(option, dependency)
            {
                return Some(option);
            }
        }
        None
    }

    /// Larger is better.
    #[allow(clippy::type_complexity)]
    fn preference<'b>(
        &self,
        option: &(usize, Option<&'b Version>),
        dependency: &Dependency,
    ) -> (
        bool,
        bool,
        bool,
        Option<&'b Version>,
        Option<Version>,
        u32,
        bool,
        Reverse<usize>,
    ) {
        let Some(candidate) = self.candidates.get(option.0) else {
            return (false, false, false, None, None, 0, false, Reverse(0));
        };
        let record = &candidate.record;
        let upgrading = self.wishes.upgrade
            || self.wishes.latest
            || self.wishes.upgrade_names.contains(&record.name);
        let available = self.wishes.available && !candidate.repositories.is_empty();
        let wanted = self.names.contains(&record.name);
        (
            wanted,
            available,
            candidate.installed && !upgrading && !self.wishes.available,
            if record.name == dependency.name {
                Some(option.1).flatten()
            } else {
                option.1
            },
            Some(record.version.clone()),
            record.provider_priority.unwrap_or(0),
            candidate.installed,
            Reverse(
                candidate
                    .repositories
                    .first()
                    .copied()
                    .unwrap_or(usize::MAX),
            ),
        )
    }

    /// Packages whose `install_if` is met become requirements. `false`: there is none that is not chosen.
    fn add_install_if(&mut self) -> bool {
        for (at, candidate) in self.candidates.iter().enumerate() {
            let record = &candidate.record;
            let conditions = &record.install_if;
            if conditions.is_empty() || self.chosen.contains(&at) {
                continue;
            }
            let named = |chosen: &usize| {
                self.candidates
                    .get(*chosen)
                    .is_some_and(|c| c.record.name == record.name)
            };
            let met = conditions.iter().all(|condition| {
                let there = self
                    .chosen
                    .iter()
                    .any(|chosen| self.satisfies(*chosen, condition));
                there != condition.conflict
            });
            if met
                && !self.chosen.iter().any(named)
                && self.conflict_with_chosen(at).is_none()
                && self.may_be_chosen(
                    at,
                    Some(&record.version),
                    &Requirement {
                        dependency: Dependency::named(&record.name),
                        by: String::new(),
                        tag: None,
                    },
                )
            {
                let dependency = Dependency::named(&record.name);
                let by = format!("{}[{dependency}]", record.full_name());
                self.requirements.push(Requirement {
                    dependency,
                    by,
                    tag: None,
                });
                return true;
            }
        }
        false
    }

    /// The part of the message for a requirement that nothing fulfils.
    fn explain(&self, at: usize) -> String {
        let mut text = String::new();
        let Some(requirement) = self.requirements.get(at) else {
            return text;
        };
        let dependency = &requirement.dependency;
        let by = &requirement.by;
        if dependency.conflict {
            for chosen in self
                .chosen
                .iter()
                .filter(|chosen| self.satisfies(**chosen, dependency))
            {
                if let Some(candidate) = self.candidates.get(*chosen) {
                    let _ = writeln!(
                        text,
                        "  {}:\n    breaks: {by}",
                        candidate.record.full_name()
                    );
                }
            }
            return text;
        }
        let providers = self
            .providers
            .get(dependency.name.as_str())
            .map_or(&[][..], Vec::as_slice);
        if providers.is_empty() {
            let _ = writeln!(
                text,
                "  {} (no such package):\n    required by: {by}",
                dependency.name
            );
            return text;
        }
        for (candidate, _) in providers {
            let Some(option) = self.candidates.get(*candidate) else {
                continue;
            };
            let _ = writeln!(text, "  {}:", option.record.full_name());
            if !self.satisfies(*candidate, dependency) {
                let _ = writeln!(text, "    breaks: {by}");
            } else if let Some(other) = self
                .conflict_with_chosen(*candidate)
                .and_then(|at| self.candidates.get(at))
            {
                let other = other.record.full_name();
                if other == option.record.full_name() {
                    let broken = self.requirements.iter().find(|r| {
                        (r.dependency.conflict && self.satisfies(*candidate, &r.dependency))
                            || (r.dependency.name == option.record.name
                                && !self.satisfies(*candidate, &r.dependency))
                    });
                    let _ = writeln!(
                        text,
                        "    breaks: {}",
                        broken.map_or(by, |broken| &broken.by)
                    );
                } else {
                    let _ = writeln!(text, "    conflicts: {other}");
                }
                let _ = writeln!(text, "    satisfies: {by}");
            } else {
                let _ = writeln!(text, "    required by: {by}");
            }
        }
        text
    }

    /// Dependencies before what depends on them, otherwise as chosen.
    fn in_order(&self) -> Vec<usize> {
        let mut order = Vec::new();
        let mut seen = HashSet::new();
        for root in &self.chosen {
            // A stack of its own: a chain of dependencies may be as long as the index.
            let mut stack = vec![(*root, 0)];
            if !seen.insert(*root) {
                continue;
            }
            while let Some((candidate, next)) = stack.last_mut() {
                let depends = self
                    .candidates
                    .get(*candidate)
                    .map_or(&[][..], |c| c.record.depends.as_slice());
                let Some(dependency) = depends.get(*next) else {
                    order.push(*candidate);
                    stack.pop();
                    continue;
                };
                *next += 1;
                let found = self
                    .chosen
                    .iter()
                    .copied()
                    .find(|chosen| self.satisfies(*chosen, dependency));
                if let Some(found) =
                    found.filter(|found| !dependency.conflict && seen.insert(*found))
                {
                    stack.push((found, 0));
                }
            }
        }
        order
    }
}

/// Whether a requirement is met.
enum Met {
    Already,
    /// By one of these, the best first.
    By(Vec<usize>),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index;

    /// A case: packages as `name-version: depends | provides | install_if`, `*` in front: installed.
    fn case(packages: &[&str], world: &str, wishes: &Wishes) -> Result<Vec<String>, String> {
        let candidates: Vec<Candidate> = packages
            .iter()
            .map(|line| {
                let (installed, line) = match line.strip_prefix('*') {
                    Some(line) => (true, line),
                    None => (false, *line),
                };
                let (name, rest) = line.split_once(':').unwrap();
                let (name, version) = name.split_once('-').unwrap();
                let mut parts = rest
                    .split('|')
                    .map(|part| Dependency::parse_list(part).unwrap());
                let mut record = index::parse(&format!("P:{name}\nV:{version}\n"))
                    .unwrap()
                    .remove(0);
                record.depends = parts.next().unwrap_or_default();
                record.provides = parts.next().unwrap_or_default();
                record.install_if = parts.next().unwrap_or_default();
                let repositories = if installed { vec![] } else { vec![0] };
                Candidate {
                    record,
                    installed,
                    repositories,
                    tags: None,
                }
            })
            .collect();
        match solve(&Dependency::parse_list(world).unwrap(), &candidates, wishes) {
            Ok(chosen) => Ok(chosen
                .into_iter()
                .map(|at| candidates[at].record.full_name())
                .collect()),
            Err(Unsolvable(text)) => Err(text),
        }
    }

    fn plain(packages: &[&str], world: &str) -> Result<Vec<String>, String> {
        case(packages, world, &Wishes::default())
    }

    #[test]
    fn dependencies_come_first_and_the_newest_is_taken() {
        let chosen = plain(&["a-1:b c>=2", "b-1:c", "c-1:", "c-2:", "d-1:"], "a");
        assert_eq!(chosen.unwrap(), ["c-2", "b-1", "a-1"]);
    }

    #[test]
    fn what_is_installed_stays_unless_upgrading() {
        let packages = ["*a-1:", "a-2:"];
        assert_eq!(plain(&packages, "a").unwrap(), ["a-1"]);
        assert_eq!(
            case(
                &packages,
                "a",
                &Wishes {
                    upgrade: true,
                    ..Wishes::default()
                }
            )
            .unwrap(),
            ["a-2"]
        );
        assert_eq!(plain(&packages, "a>1").unwrap(), ["a-2"]);
    }

    #[test]
    fn a_choice_is_taken_back_where_it_leads_nowhere() {
        assert_eq!(plain(&["a-1:", "a-2:missing"], "a").unwrap(), ["a-1"]);
        assert_eq!(
            plain(&["a-1:c=1", "b-1:c=2", "b-0:c=1", "c-1:", "c-2:"], "a b").unwrap(),
            ["c-1", "a-1", "b-0"]
        );
    }

    #[test]
    fn provides_conflicts_and_install_if() {
        assert_eq!(
            plain(&["a-1:so:x.so", "lib-3:|so:x.so=1"], "a").unwrap(),
            ["lib-3", "a-1"]
        );
        assert!(plain(&["a-1:|v=1", "b-1:|v=1"], "a b").is_err());
        assert!(plain(&["a-1:!b", "b-1:"], "a b").is_err());
        assert_eq!(plain(&["a-1:!a|x"], "a").unwrap(), ["a-1"]);
        assert_eq!(
            plain(
                &["a-1:", "b-1:", "a-doc-1:||a=1 b"]
                    .map(|l| l.replacen("a-doc", "adoc", 1))
                    .each_ref()
                    .map(String::as_str),
                "a b"
            )
            .unwrap()
            .len(),
            3
        );
    }

    #[test]
    fn a_name_without_a_version_is_not_chosen_by_itself() {
        assert!(plain(&["a-1:mta", "x-1:|mta"], "a").is_err());
        assert_eq!(
            plain(&["a-1:mta", "x-1:|mta"], "a x").unwrap(),
            ["x-1", "a-1"]
        );
    }

    #[test]
    fn messages_are_apks() {
        assert_eq!(
            plain(&[], "a").unwrap_err(),
            "  a (no such package):\n    required by: world[a]\n"
        );
        assert_eq!(
            plain(&["a-1:"], "a>2").unwrap_err(),
            "  a-1:\n    breaks: world[a>2]\n"
        );
        assert_eq!(
            plain(&["a-1:x"], "a").unwrap_err(),
            "  x (no such package):\n    required by: a-1[x]\n"
        );
    }

    #[test]
    fn a_long_chain_needs_no_deep_stack() {
        let lines: Vec<String> = (0..3000)
            .map(|n| format!("p{n}-1:p{}", n + 1))
            .chain(["p3000-1:".to_owned()])
            .collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert_eq!(plain(&lines, "p0").unwrap().len(), 3001);
    }
}

//! The names and packages of a problem, numbered.

use super::{Candidate, Problem};
use crate::dependency::{Dependency, Operator};
use crate::version::Version;
use std::collections::HashMap;

/// Repositories are bits of a word; those behind the last count as the last.
pub(super) const MOST_REPOSITORIES: usize = 64;
/// So are tags.
const MOST_TAGS: usize = 32;

/// A dependency with its name looked up.
#[derive(Clone, Copy)]
pub(super) struct Need<'a> {
    pub name: usize,
    pub written: &'a Dependency,
}

impl Need<'_> {
    pub fn is_conflict(&self) -> bool {
        self.written.conflict
    }
}

/// A package that has a name, as its own or with `provides`.
#[derive(Clone, Copy)]
pub(super) struct Provider<'a> {
    pub pack: usize,
    /// `None`: others may have the name beside it.
    pub version: Option<&'a Version>,
}

#[derive(Default)]
pub(super) struct Name<'a> {
    pub text: &'a str,
    pub providers: Vec<Provider<'a>>,
    /// The names whose providers depend on this one.
    pub dependants: Vec<usize>,
    /// The names whose providers have it in their `install_if`.
    pub awaited_by: Vec<usize>,
    pub in_repository: bool,
}

pub(super) struct Pack<'a> {
    pub candidate: &'a Candidate,
    pub name: usize,
    pub depends: Vec<Need<'a>>,
    pub provides: Vec<(usize, Option<&'a Version>)>,
    pub install_if: Vec<Need<'a>>,
    /// The repositories that have it.
    pub repositories: u64,
    /// Those, and the ones of the tag that it was installed from.
    pub reach: u64,
    pub installed_tag: usize,
}

pub(super) struct Universe<'a> {
    pub names: Vec<Name<'a>>,
    pub packs: Vec<Pack<'a>>,
    pub world: Vec<Need<'a>>,
    /// Tag names and the repositories that have them; the first is that of those without a tag.
    pub tags: Vec<(&'a str, u64)>,
    pub reachable: u64,
    numbers: HashMap<&'a str, usize>,
}

/// The bit of a repository.
fn bit(number: usize) -> u64 {
    1 << number.min(MOST_REPOSITORIES - 1)
}

impl<'a> Universe<'a> {
    pub fn new(problem: &'a Problem<'a>) -> Universe<'a> {
        let mut all = Universe {
            names: Vec::with_capacity(problem.candidates.len()),
            packs: Vec::with_capacity(problem.candidates.len()),
            world: Vec::new(),
            tags: vec![("", 0)],
            reachable: 0,
            numbers: HashMap::with_capacity(problem.candidates.len()),
        };
        for (number, repository) in problem.repositories.iter().enumerate() {
            let tag = all.tag(repository.tag.as_deref().unwrap_or_default());
            if let Some((_, repositories)) = all.tags.get_mut(tag) {
                *repositories |= bit(number);
            }
            if !repository.unreachable {
                all.reachable |= bit(number);
            }
        }
        for candidate in problem.candidates {
            all.add(candidate);
        }
        all.world = problem
            .world
            .iter()
            .map(|written| Need {
                name: all.number(&written.name),
                written,
            })
            .collect();
        for wanted in problem.world {
            all.tag(wanted.tag.as_deref().unwrap_or_default());
        }
        all.link();
        all
    }

    /// The number of a tag; those that are too many count as unknown ones.
    fn tag(&mut self, text: &'a str) -> usize {
        let known = self.tags.iter().position(|(tag, _)| *tag == text);
        known.unwrap_or_else(|| {
            if self.tags.len() < MOST_TAGS {
                self.tags.push((text, 0));
            }
            self.tags.len() - 1
        })
    }

    pub fn find_tag(&self, text: Option<&str>) -> usize {
        let text = text.unwrap_or_default();
        let known = self.tags.iter().position(|(tag, _)| *tag == text);
        known.unwrap_or(0)
    }

    /// The repositories that a set of tags allows.
    pub fn allowed(&self, pinning: u32) -> u64 {
        let tags = self.tags.iter().enumerate();
        tags.filter(|(number, _)| pinning & (1 << number) != 0)
            .fold(0, |all, (_, (_, repositories))| all | repositories)
    }

    pub fn find(&self, text: &str) -> Option<usize> {
        self.numbers.get(text).copied()
    }

    fn number(&mut self, text: &'a str) -> usize {
        *self.numbers.entry(text).or_insert_with(|| {
            self.names.push(Name {
                text,
                ..Name::default()
            });
            self.names.len() - 1
        })
    }

    fn add(&mut self, candidate: &'a Candidate) {
        let record = &candidate.record;
        let name = self.number(&record.name);
        let needs = |all: &mut Universe<'a>, list: &'a [Dependency]| -> Vec<Need<'a>> {
            list.iter()
                .map(|written| Need {
                    name: all.number(&written.name),
                    written,
                })
                .collect()
        };
        let depends = needs(self, &record.depends);
        let install_if = needs(self, &record.install_if);
        let provides: Vec<(usize, Option<&Version>)> = record
            .provides
            .iter()
            .map(|provided| {
                let version = provided.version.as_ref().map(|(_, version)| version);
                (self.number(&provided.name), version)
            })
            .collect();
        let pack = self.packs.len();
        let own = (name, Some(&record.version));
        for (name, version) in std::iter::once(own).chain(provides.iter().copied()) {
            if let Some(name) = self.names.get_mut(name) {
                name.providers.push(Provider { pack, version });
                name.in_repository |= !candidate.repositories.is_empty();
            }
        }
        let repositories = candidate
            .repositories
            .iter()
            .fold(0, |all, number| all | bit(*number));
        let mut installed_tag = 0;
        let mut reach = repositories;
        if candidate.installed {
            installed_tag = self.tag(candidate.installed_tag.as_deref().unwrap_or_default());
            reach |= self.allowed(1 << installed_tag);
        }
        self.packs.push(Pack {
            candidate,
            name,
            depends,
            provides,
            install_if,
            repositories,
            reach,
            installed_tag,
        });
    }

    /// Fills in who depends on a name.
    fn link(&mut self) {
        // The last name that was noted for each, so that none is noted twice.
        let mut last = vec![(usize::MAX, usize::MAX); self.names.len()];
        let mut links: Vec<(usize, usize, bool)> = Vec::new();
        for (number, name) in self.names.iter().enumerate() {
            for provider in &name.providers {
                let Some(pack) = self.packs.get(provider.pack) else {
                    continue;
                };
                for need in &pack.depends {
                    if let Some(seen) = last.get_mut(need.name)
                        && seen.0 != number
                    {
                        seen.0 = number;
                        links.push((need.name, number, false));
                    }
                }
                for need in &pack.install_if {
                    if let Some(seen) = last.get_mut(need.name)
                        && seen.1 != number
                    {
                        seen.1 = number;
                        links.push((need.name, number, true));
                    }
                }
            }
        }
        for (needed, by, condition) in links {
            if let Some(name) = self.names.get_mut(needed) {
                let list = if condition {
                    &mut name.awaited_by
                } else {
                    &mut name.dependants
                };
                list.push(by);
            }
        }
    }

    pub fn name(&self, number: usize) -> &Name<'a> {
        self.names.get(number).unwrap_or(&NOBODY)
    }

    pub fn pack(&self, number: usize) -> Option<&Pack<'a>> {
        self.packs.get(number)
    }

    /// Its own name with its version, then what it provides.
    pub fn names_of(&self, pack: usize) -> impl Iterator<Item = (usize, Option<&'a Version>)> + '_ {
        self.packs.get(pack).into_iter().flat_map(|one| {
            let own = (one.name, Some(&one.candidate.record.version));
            std::iter::once(own).chain(one.provides.iter().copied())
        })
    }

    /// Whether what has the need's name satisfies it. `by`: the package that has the need, which is never in its own way.
    pub fn is_met(&self, by: Option<usize>, need: &Need<'_>, with: Option<Provider<'_>>) -> bool {
        let Some(with) = with else {
            return need.is_conflict();
        };
        if need.is_conflict() && by == Some(with.pack) {
            return true;
        }
        self.fits(need, with) != need.is_conflict()
    }

    fn fits(&self, need: &Need<'_>, with: Provider<'_>) -> bool {
        match &need.written.version {
            Some((Operator::Identity, wanted)) => self
                .pack(with.pack)
                .is_some_and(|pack| pack.candidate.record.identity.to_string() == wanted.as_str()),
            _ => need.written.accepts(with.version),
        }
    }

    /// What a package is to a need of another: `None`: nothing; otherwise whether it satisfies it.
    pub fn concerns(&self, by: Option<usize>, need: &Need<'_>, number: usize) -> Option<bool> {
        let pack = self.pack(number)?;
        if need.name == pack.name {
            let own = Provider {
                pack: number,
                version: Some(&pack.candidate.record.version),
            };
            return Some(self.fits(need, own) != need.is_conflict());
        }
        let (_, version) = pack.provides.iter().find(|(name, _)| *name == need.name)?;
        let with = Provider {
            pack: number,
            version: *version,
        };
        Some(self.is_met(by, need, Some(with)))
    }
}

static NOBODY: Name<'static> = Name {
    text: "",
    providers: Vec::new(),
    dependants: Vec::new(),
    awaited_by: Vec::new(),
    in_repository: false,
};

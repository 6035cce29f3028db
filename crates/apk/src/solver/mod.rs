//! Which packages fulfil the world, and in which order the system gets there.
//!
//! A [`Problem`] is the world, the candidates and what is preferred. [`Problem::solve`] deduces one choice for each name
//! ([`deduce`]): constraints are handed down from what is required and handed up from what cannot be had, and a name is
//! decided on when nothing more is to be learned about it, by the order of preference in [`prefer`]. From the choices
//! comes the list of changes, dependencies first ([`order`]); where something stayed unfulfilled, [`report`] says what, in
//! apk's words.
//!
//! Names and packages are numbers in all of this; [`universe`] has the tables.

mod deduce;
mod order;
mod prefer;
mod report;
#[cfg(test)]
mod tests;
mod universe;

use crate::dependency::Dependency;
use crate::record::Record;
use deduce::Solver;
use universe::Universe;

pub use deduce::display_order;

/// A package that may be chosen.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// What is known of it.
    pub record: Record,
    /// It is installed now.
    pub installed: bool,
    /// The tag of the repository that it was installed from.
    pub installed_tag: Option<String>,
    /// The repositories that have it, by number; none: it is only installed, or a file.
    pub repositories: Vec<usize>,
    /// It is a file of the command line, or made for it.
    pub file: bool,
    /// Its file is in the cache.
    pub cached: bool,
    /// It may not be installed: it is for another machine, or tells of what is not understood.
    pub uninstallable: bool,
}

impl Candidate {
    /// A package that is nowhere yet.
    #[must_use]
    pub fn of(record: Record) -> Candidate {
        Candidate {
            uninstallable: record.unknown_field.is_some(),
            record,
            installed: false,
            installed_tag: None,
            repositories: Vec::new(),
            file: false,
            cached: false,
        }
    }
}

/// What the solver is to know of a repository.
#[derive(Clone, Debug, Default)]
pub struct Offer {
    /// Its tag; none: everybody may choose from it.
    pub tag: Option<String>,
    /// Its packages cannot be fetched now.
    pub unreachable: bool,
}

/// What is preferred for a package.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u8);

impl Flags {
    /// Nothing special.
    pub const NONE: Flags = Flags(0);
    /// Newer versions rather than installed ones.
    pub const UPGRADE: Flags = Flags(1);
    /// What a repository has, older versions too.
    pub const AVAILABLE: Flags = Flags(2);
    /// The newest, whatever the tag and whether it fits.
    pub const LATEST: Flags = Flags(4);
    /// Install it again.
    pub const REINSTALL: Flags = Flags(8);
    /// It is about to be removed: that it is installed says nothing for it.
    pub const REMOVE: Flags = Flags(16);
    /// Keep what is installed.
    pub const INSTALLED: Flags = Flags(32);

    /// Both.
    #[must_use]
    pub const fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// Whether one of them is there.
    #[must_use]
    pub const fn any(self, other: Flags) -> bool {
        self.0 & other.0 != 0
    }
}

/// What is preferred for a name, and for all that is chosen because of it.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The name.
    pub name: String,
    /// For its providers.
    pub own: Flags,
    /// For what they depend on, too.
    pub inherited: Flags,
}

/// What is to be solved.
#[derive(Clone, Debug, Default)]
pub struct Problem<'a> {
    /// What is wanted.
    pub world: &'a [Dependency],
    /// What there is: installed packages first, then those of the repositories in their order.
    pub candidates: &'a [Candidate],
    /// The repositories, as the candidates number them.
    pub repositories: Vec<Offer>,
    /// For everything.
    pub flags: Flags,
    /// For some names.
    pub wishes: Vec<Wish>,
    /// Change as little as can be besides what is wished for.
    pub preupgrade: bool,
    /// `!name` counts for nothing.
    pub ignore_conflicts: bool,
    /// Leave out of the world what cannot be had.
    pub force_broken_world: bool,
    /// The architectures that packages may be for, besides `noarch`; none: all.
    pub arches: &'a [String],
    /// The columns that messages may take; 0: as on no terminal.
    pub width: usize,
}

/// One step from what is installed to what is wanted. Both sides alike: it stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// What goes, by the candidate's number.
    pub old: Option<usize>,
    /// What comes.
    pub new: Option<usize>,
    /// The tag that it was installed from.
    pub old_tag: Option<String>,
    /// The tag that it is pinned to from now on.
    pub new_tag: Option<String>,
    /// It is installed again although it stays.
    pub again: bool,
}

impl Move {
    /// Whether anything is done.
    #[must_use]
    pub fn is_change(&self) -> bool {
        self.old != self.new || self.again || self.old_tag != self.new_tag
    }
}

/// The steps, those that change nothing among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Solution {
    /// In the order in which they are carried out.
    pub moves: Vec<Move>,
}

/// Why there is no solution, in the words that apk uses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unable to select packages:\n{0}")]
pub struct Unsolvable(pub String);

impl Problem<'_> {
    /// The architecture of a package that is not for this machine.
    pub(crate) fn foreign_arch<'c>(&self, candidate: &'c Candidate) -> Option<&'c str> {
        let arch = candidate.record.arch.as_str();
        let fits = arch.is_empty()
            || arch == "noarch"
            || self.arches.is_empty()
            || self.arches.iter().any(|known| known == arch);
        (!fits).then_some(arch)
    }

    /// Solves it.
    ///
    /// # Errors
    /// When something cannot be had, with what stands in the way.
    pub fn solve(&self) -> Result<Solution, Unsolvable> {
        let universe = Universe::new(self);
        let mut broken = vec![false; self.world.len()];
        loop {
            let mut solver = Solver::new(self, &universe, &broken);
            solver.run();
            let moves = solver.moves();
            if solver.errors == 0 {
                return Ok(Solution { moves });
            }
            match solver.broken_now().filter(|_| self.force_broken_world) {
                Some(now) => broken = now,
                None => {
                    return Err(Unsolvable(report::report(self, &universe, &moves, &solver)));
                }
            }
        }
    }
}

/// The candidates that fulfil the world, by number, dependencies first: [`Problem::solve`] for an empty root.
///
/// # Errors
/// When something cannot be had.
pub fn solve(world: &[Dependency], candidates: &[Candidate]) -> Result<Vec<usize>, Unsolvable> {
    let count = candidates
        .iter()
        .flat_map(|candidate| candidate.repositories.iter().copied())
        .max()
        .map_or(0, |most| most.saturating_add(1));
    let solution = Problem {
        world,
        candidates,
        repositories: vec![Offer::default(); count.min(universe::MOST_REPOSITORIES)],
        ..Problem::default()
    }
    .solve()?;
    Ok(solution
        .moves
        .into_iter()
        .filter_map(|step| step.new)
        .collect())
}

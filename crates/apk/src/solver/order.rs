//! From what was decided to a list of changes: removals before what comes in their place, dependencies before what
//! depends on them, what an `install_if` brings right behind its reason.

use super::Move;
use super::deduce::Solver;
use super::universe::Need;

/// What is left to do. A stack of these takes the place of calls within calls, which may be as deep as the index is long.
enum Task<'a> {
    /// A name's package comes, if it is not there yet.
    Change(usize),
    /// What had the name before goes.
    Clear(usize),
    /// It goes, unless its name is taken by another.
    ClearProvider(usize),
    /// The package that was chosen for the name comes.
    Come(usize),
    /// Those that came because of a package are looked at again.
    Leaving(usize),
    /// One of them, by its name.
    Reconsider(usize),
    Depend(Option<usize>, Need<'a>),
    /// An error of a dependency is one of what needs it.
    Blame(usize, Need<'a>),
    Record(Option<usize>, Option<usize>),
    /// What waits for a package to come may come now.
    Awaited(usize),
    Count(usize),
    /// One that needed it less; it goes with the last.
    Release(Need<'a>),
    Remove(usize),
}

#[derive(Clone, Default)]
struct Place {
    installed: Option<usize>,
    /// The name under which a package is installed that owns this one.
    held_by: Option<usize>,
    needed: i64,
    done: bool,
    removed: bool,
}

struct Order<'s, 'a> {
    solver: &'s mut Solver<'a>,
    places: Vec<Place>,
    listed: Vec<bool>,
    moves: Vec<Move>,
    stack: Vec<Task<'a>>,
}

impl<'a> Solver<'a> {
    /// The changes, and marks for what is not as it should be.
    pub fn moves(&mut self) -> Vec<Move> {
        let all = self.all;
        let mut order = Order {
            places: vec![Place::default(); all.names.len()],
            listed: vec![false; all.packs.len()],
            moves: Vec::new(),
            stack: Vec::new(),
            solver: self,
        };
        let installed: Vec<usize> = (0..all.packs.len())
            .filter(|at| all.pack(*at).is_some_and(|pack| pack.candidate.installed))
            .collect();
        for at in &installed {
            let Some(pack) = all.pack(*at) else { continue };
            order.place(pack.name, |place| {
                place.installed = Some(*at);
                place.held_by = Some(pack.name);
            });
            for (name, version) in &pack.provides {
                if version.is_some() {
                    order.place(*name, |place| place.held_by = Some(pack.name));
                }
            }
        }
        for at in &installed {
            order.count(*at);
        }
        for at in &installed {
            order.remove_unneeded(*at);
            order.run();
        }
        for need in order.solver.wanted() {
            order.stack.push(Task::Depend(None, need));
            order.run();
        }
        for at in &installed {
            if let Some(pack) = all.pack(*at) {
                order.stack.push(Task::Change(pack.name));
                order.run();
            }
        }
        order.moves
    }
}

impl<'a> Order<'_, 'a> {
    fn place<T: Default>(&mut self, name: usize, change: impl FnOnce(&mut Place) -> T) -> T {
        self.places.get_mut(name).map(change).unwrap_or_default()
    }

    fn installed(&self, name: usize) -> Option<usize> {
        self.places.get(name)?.installed
    }

    fn chosen(&self, name: usize) -> Option<usize> {
        self.solver.name(name).chosen.map(|chosen| chosen.pack)
    }

    /// Marks a package as listed. `true`: it was before.
    fn list(&mut self, pack: usize) -> bool {
        self.listed
            .get_mut(pack)
            .is_none_or(|listed| std::mem::replace(listed, true))
    }

    /// What comes first is done first.
    fn then(&mut self, tasks: impl DoubleEndedIterator<Item = Task<'a>>) {
        self.stack.extend(tasks.rev());
    }

    fn run(&mut self) {
        while let Some(task) = self.stack.pop() {
            self.step(task);
        }
    }

    fn count(&mut self, pack: usize) {
        let all = self.solver.all;
        for need in all.pack(pack).into_iter().flat_map(|pack| &pack.depends) {
            let held = self.places.get(need.name).and_then(|place| place.held_by);
            if let Some(held) = held.filter(|_| !need.is_conflict()) {
                self.place(held, |place| place.needed += 1);
            }
        }
    }

    fn remove_unneeded(&mut self, pack: usize) {
        let Some(name) = self.solver.all.pack(pack).map(|pack| pack.name) else {
            return;
        };
        let needed = self.places.get(name).map_or(0, |place| place.needed);
        if needed == 0 && self.chosen(name).is_none() {
            self.stack.push(Task::Remove(pack));
        }
    }

    /// The names whose packages wait for one of a package's names.
    fn awaiting(&self, pack: usize) -> Vec<usize> {
        let all = self.solver.all;
        all.names_of(pack)
            .flat_map(|(name, _)| all.name(name).awaited_by.iter().copied())
            .collect()
    }

    fn step(&mut self, task: Task<'a>) {
        let all = self.solver.all;
        match task {
            Task::Change(name) => {
                if self.places.get(name).is_some_and(|place| !place.done) {
                    self.then([Task::Clear(name), Task::Come(name)].into_iter());
                }
            }
            Task::Clear(name) => {
                if self.place(name, |place| std::mem::replace(&mut place.done, true)) {
                    return;
                }
                let another = self
                    .chosen(name)
                    .and_then(|chosen| all.pack(chosen))
                    .is_none_or(|chosen| chosen.name != name);
                let old = self.installed(name).filter(|_| another);
                let providers = all.name(name).providers.iter();
                let tasks: Vec<Task<'a>> = old
                    .map(Task::Remove)
                    .into_iter()
                    .chain(providers.map(|one| Task::ClearProvider(one.pack)))
                    .collect();
                self.then(tasks.into_iter());
            }
            Task::ClearProvider(at) => {
                if let Some(pack) = all.pack(at)
                    && self.installed(pack.name) == Some(at)
                    && self.chosen(pack.name).is_none()
                {
                    self.stack.push(Task::Remove(at));
                }
            }
            Task::Come(name) => {
                let Some(at) = self.chosen(name) else { return };
                if self.list(at) {
                    return;
                }
                let Some(pack) = all.pack(at) else { return };
                let mut tasks: Vec<Task<'a>> = all
                    .names_of(at)
                    .map(|(name, _)| Task::Clear(name))
                    .collect();
                let old = self.installed(pack.name);
                tasks.extend(old.map(Task::Leaving));
                tasks.extend(
                    pack.depends
                        .iter()
                        .map(|need| Task::Depend(Some(at), *need)),
                );
                tasks.push(Task::Record(old, Some(at)));
                for name in self.awaiting(at) {
                    tasks.push(Task::Awaited(name));
                }
                tasks.push(Task::Count(at));
                let before = old.and_then(|old| all.pack(old));
                let before = before.into_iter().flat_map(|old| &old.depends);
                tasks.extend(before.map(|need| Task::Release(*need)));
                self.then(tasks.into_iter());
            }
            Task::Leaving(at) => {
                let names = self.awaiting(at);
                self.then(names.into_iter().map(Task::Reconsider));
            }
            Task::Reconsider(name) => self.leaving(name),
            Task::Depend(by, need) => {
                if need.is_conflict() && self.solver.problem.ignore_conflicts {
                    return;
                }
                let chosen = self.solver.name(need.name).chosen;
                if let Some(by) = by {
                    if !all.is_met(Some(by), &need, chosen) {
                        self.solver.mark_error(by);
                    }
                    self.stack.push(Task::Blame(by, need));
                }
                self.stack.push(Task::Change(need.name));
            }
            Task::Blame(by, need) => {
                if self
                    .chosen(need.name)
                    .is_some_and(|chosen| self.solver.pack(chosen).error)
                {
                    self.solver.mark_error(by);
                }
            }
            Task::Record(old, new) => self.record(old, new),
            Task::Awaited(name) => self.awaited(name),
            Task::Count(at) => self.count(at),
            Task::Release(need) => {
                let held = self.places.get(need.name).and_then(|place| place.held_by);
                let Some(held) = held.filter(|_| !need.is_conflict()) else {
                    return;
                };
                let left = self.place(held, |place| {
                    place.needed -= 1;
                    place.needed
                });
                if left <= 0
                    && let Some(at) = self.installed(need.name)
                {
                    self.stack.push(Task::Remove(at));
                }
            }
            Task::Remove(at) => self.remove(at),
        }
    }

    fn leaving(&mut self, name: usize) {
        let all = self.solver.all;
        let Some(at) = self.installed(name) else {
            return;
        };
        let place = self.places.get(name).cloned().unwrap_or_default();
        if self.chosen(name).is_some() || place.done || place.removed {
            return;
        }
        let gone = all
            .pack(at)
            .into_iter()
            .flat_map(|pack| &pack.install_if)
            .any(|need| {
                self.places
                    .get(need.name)
                    .is_some_and(|place| place.removed)
                    && self.chosen(need.name).is_none()
            });
        if gone {
            self.remove_unneeded(at);
        }
    }

    fn awaited(&mut self, name: usize) {
        let all = self.solver.all;
        let state = self.solver.name(name);
        let Some(at) = state.chosen.map(|chosen| chosen.pack) else {
            return;
        };
        let done = |name: usize| self.places.get(name).is_some_and(|place| place.done);
        if !state.seen || done(name) {
            return;
        }
        let ready = all
            .pack(at)
            .into_iter()
            .flat_map(|pack| &pack.install_if)
            .all(|need| {
                (need.is_conflict() || done(need.name))
                    && all.is_met(Some(at), need, self.solver.name(need.name).chosen)
            });
        if ready {
            self.stack.push(Task::Change(name));
        }
    }

    fn remove(&mut self, at: usize) {
        let all = self.solver.all;
        let Some(pack) = all.pack(at) else { return };
        let stays = self
            .chosen(pack.name)
            .and_then(|chosen| all.pack(chosen))
            .is_some_and(|chosen| chosen.name == pack.name);
        if stays || self.list(at) {
            return;
        }
        self.place(pack.name, |place| place.removed = true);
        let mut tasks = Vec::new();
        for (name, _) in all.names_of(at) {
            for dependant in &all.name(name).dependants {
                for provider in &all.name(*dependant).providers {
                    let Some(other) = all.pack(provider.pack) else {
                        continue;
                    };
                    if !other.candidate.installed {
                        continue;
                    }
                    let needs = other
                        .depends
                        .iter()
                        .filter(|need| all.concerns(Some(provider.pack), need, at) == Some(true));
                    tasks.extend(needs.map(|_| Task::Remove(provider.pack)));
                }
            }
        }
        tasks.push(Task::Leaving(at));
        tasks.push(Task::Record(Some(at), None));
        tasks.extend(pack.depends.iter().map(|need| Task::Release(*need)));
        self.then(tasks.into_iter());
    }

    fn record(&mut self, old: Option<usize>, new: Option<usize>) {
        let all = self.solver.all;
        let text = |tag: usize| {
            let (text, _) = all.tags.get(tag)?;
            (!text.is_empty()).then(|| (*text).to_owned())
        };
        let old_tag = old
            .and_then(|at| all.pack(at))
            .and_then(|pack| text(pack.installed_tag));
        let new_tag = new.and_then(|at| {
            let pinning = self.solver.pack(at).pinning_allowed;
            let reach = all.pack(at)?.reach;
            let tags = all.tags.iter().enumerate();
            let (tag, _) = tags
                .filter(|(number, _)| pinning & (1 << number) != 0)
                .find(|(_, (_, repositories))| repositories & reach != 0)?;
            text(tag)
        });
        let again = new.is_some_and(|at| self.solver.pack(at).flags.any(super::Flags::REINSTALL));
        self.moves.push(Move {
            old,
            new,
            old_tag: old_tag.filter(|_| new.is_some()),
            new_tag,
            again,
        });
    }
}

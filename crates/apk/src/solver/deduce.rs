//! The deduction: what follows from the world for each name.

use super::universe::{Need, Provider, Universe};
use super::{Flags, Problem};
use std::cmp::Ordering;
use std::collections::{BTreeSet, VecDeque};

/// Where a name waits for its decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Queue {
    #[default]
    None,
    /// Nothing more is to be learned about it.
    Now,
    /// Something may be chosen for it without being asked for by its own name.
    Selectable,
    /// Only what is asked for by its own name may be.
    Waiting,
}

/// What is known of a name so far.
#[derive(Clone, Default)]
pub(super) struct NameState<'a> {
    pub seen: bool,
    /// No provider comes by its `install_if`.
    never_awaited: bool,
    /// When it was discovered, with what makes it come first in the top bits. The last is decided on first.
    rank: u32,
    /// How many constraints require it.
    pub required: u32,
    pub decided: bool,
    pub chosen: Option<Provider<'a>>,
    dirty: bool,
    queue: Queue,
    dependants_decided: bool,
    auto_selectable: bool,
    has_options: bool,
    awaited: bool,
    condition_needed: bool,
    recheck_depends: bool,
    recheck_conditions: bool,
    common_depends: u32,
    common_provides: u32,
    shared: bool,
    wished: bool,
}

/// What is known of a package so far.
#[derive(Clone, Debug, Default)]
pub(super) struct PackState {
    seen: bool,
    pub selectable: bool,
    pub available: bool,
    pub tag_ok: bool,
    pub tag_preferred: bool,
    pub pinning_allowed: u32,
    pub flags: Flags,
    inherited: Flags,
    pub conflicts: u32,
    /// It was among the candidates when their common dependencies were taken.
    pub merged: bool,
    merging: bool,
    pub triggered: bool,
    untriggerable: bool,
    pub error: bool,
}

pub(super) struct Solver<'a> {
    pub problem: &'a Problem<'a>,
    pub all: &'a Universe<'a>,
    broken: &'a [bool],
    pub names: Vec<NameState<'a>>,
    pub packs: Vec<PackState>,
    changed: VecDeque<usize>,
    now: VecDeque<usize>,
    selectable: BTreeSet<(u32, usize)>,
    waiting: BTreeSet<(u32, usize)>,
    /// How many names or packages are not as they should be.
    pub errors: usize,
    /// What the world's part that is applied just now hands on.
    handed: (Flags, u32),
    discovered: u32,
}

/// What is left to do while names are discovered.
enum Visit {
    Name(usize),
    Pack(usize),
    Number(usize),
}

/// What something is wished for comes first of all.
const WISHED: u32 = 1 << 31;
const HAS_OWN: u32 = 1 << 30;

impl<'a> Solver<'a> {
    pub fn new(problem: &'a Problem<'a>, all: &'a Universe<'a>, broken: &'a [bool]) -> Solver<'a> {
        let mut solver = Solver {
            problem,
            all,
            broken,
            names: vec![NameState::default(); all.names.len()],
            packs: vec![PackState::default(); all.packs.len()],
            changed: VecDeque::new(),
            now: VecDeque::new(),
            selectable: BTreeSet::new(),
            waiting: BTreeSet::new(),
            errors: 0,
            handed: (Flags::NONE, 0),
            discovered: 0,
        };
        for wish in &problem.wishes {
            let Some(name) = all.find(&wish.name) else {
                continue;
            };
            solver.name_mut(name, |state| state.wished = true);
            for provider in &all.name(name).providers {
                solver.pack_mut(provider.pack, |state| {
                    state.flags = state.flags.with(wish.own);
                    state.inherited = state.inherited.with(wish.inherited);
                });
            }
        }
        solver
    }

    /// The world, without what is known to be broken, in its order.
    pub fn wanted(&self) -> Vec<Need<'a>> {
        let world = self.all.world.iter().zip(self.broken);
        let mut wanted: Vec<Need<'a>> = world
            .filter(|(_, broken)| !**broken)
            .map(|(need, _)| *need)
            .collect();
        wanted.sort_by(|a, b| display_order(&a.written.name, &b.written.name));
        wanted
    }

    pub fn run(&mut self) {
        let wanted = self.wanted();
        self.handed.0 = self.problem.flags;
        for need in &wanted {
            self.discover(need.name);
        }
        for need in &wanted {
            self.handed.1 = 1 << self.all.find_tag(need.written.tag.as_deref());
            self.apply(None, need);
        }
        self.handed = (Flags::NONE, 0);
        loop {
            while let Some(name) = self.changed.pop_front() {
                if self.name_mut(name, |state| std::mem::take(&mut state.dirty)) {
                    self.reconsider(name);
                }
            }
            let Some(name) = self.next() else {
                return;
            };
            self.select(name);
        }
    }

    /// What in the world cannot be had; `None`: there is nothing new.
    pub fn broken_now(&self) -> Option<Vec<bool>> {
        let bad = |need: &Need<'_>| {
            let chosen = self.name(need.name).chosen;
            chosen.is_none_or(|chosen| self.pack(chosen.pack).error)
        };
        let world = self.all.world.iter().zip(self.broken);
        let now: Vec<bool> = world.map(|(need, broken)| *broken || bad(need)).collect();
        (now != self.broken).then_some(now)
    }

    pub fn name(&self, number: usize) -> &NameState<'a> {
        self.names.get(number).unwrap_or(&UNKNOWN_NAME)
    }

    pub fn pack(&self, number: usize) -> &PackState {
        self.packs.get(number).unwrap_or(&UNKNOWN_PACK)
    }

    fn name_mut<T: Default>(
        &mut self,
        number: usize,
        change: impl FnOnce(&mut NameState<'a>) -> T,
    ) -> T {
        self.names.get_mut(number).map(change).unwrap_or_default()
    }

    pub fn pack_mut<T: Default>(
        &mut self,
        number: usize,
        change: impl FnOnce(&mut PackState) -> T,
    ) -> T {
        self.packs.get_mut(number).map(change).unwrap_or_default()
    }

    pub fn mark_error(&mut self, pack: usize) {
        if !self.pack_mut(pack, |state| std::mem::replace(&mut state.error, true)) {
            self.errors += 1;
        }
    }

    // Discovery: what is reachable, in which order, and where every package stands.

    fn discover(&mut self, name: usize) {
        let all = self.all;
        // A stack of its own: a chain of dependencies may be as long as the index.
        let mut stack = vec![Visit::Name(name)];
        while let Some(visit) = stack.pop() {
            let mut then = Vec::new();
            match visit {
                Visit::Name(number) => {
                    if self.name_mut(number, |state| std::mem::replace(&mut state.seen, true)) {
                        continue;
                    }
                    let name = all.name(number);
                    then.extend(name.providers.iter().map(|one| Visit::Pack(one.pack)));
                    then.extend(name.awaited_by.iter().map(|one| Visit::Name(*one)));
                    for pack in name.providers.iter().filter_map(|one| all.pack(one.pack)) {
                        let awaited = &all.name(pack.name).awaited_by;
                        then.extend(awaited.iter().map(|one| Visit::Name(*one)));
                        then.extend(pack.provides.iter().map(|(one, _)| Visit::Name(*one)));
                    }
                    then.push(Visit::Number(number));
                    for pack in name.providers.iter().filter_map(|one| all.pack(one.pack)) {
                        then.extend(pack.install_if.iter().map(|need| Visit::Name(need.name)));
                    }
                }
                Visit::Pack(number) => {
                    if self.packs.get(number).is_some_and(|state| !state.seen) {
                        self.judge(number);
                        let depends = all.pack(number).map(|pack| &pack.depends);
                        let depends = depends.into_iter().flatten();
                        then.extend(depends.map(|need| Visit::Name(need.name)));
                    }
                }
                Visit::Number(number) => self.number(number),
            }
            stack.extend(then.into_iter().rev());
        }
    }

    /// Where a package stands before anything is applied.
    fn judge(&mut self, number: usize) {
        let Some(pack) = self.all.pack(number) else {
            return;
        };
        let candidate = pack.candidate;
        let empty = candidate.record.installed_size == 0;
        let default_repositories = self.all.allowed(1);
        let available = candidate.file || pack.repositories & self.all.reachable != 0;
        let prune = self.handed.0.any(Flags::AVAILABLE) && !available;
        let Some(state) = self.packs.get_mut(number) else {
            return;
        };
        state.seen = true;
        state.pinning_allowed = 1;
        state.available = available;
        state.selectable = !candidate.uninstallable
            && (available || candidate.cached || empty || candidate.installed);
        state.untriggerable = pack.install_if.is_empty() || prune;
        state.tag_preferred = candidate.file || empty || pack.reach & default_repositories != 0;
        state.tag_ok = state.tag_preferred
            || candidate.installed
            || candidate.cached && candidate.repositories.is_empty();
    }

    fn number(&mut self, number: usize) {
        let name = self.all.name(number);
        let never = name
            .providers
            .iter()
            .all(|one| self.pack(one.pack).untriggerable);
        let owned = name.providers.iter().any(|one| {
            self.all
                .pack(one.pack)
                .is_some_and(|pack| pack.name == number)
        });
        self.discovered += 1;
        let rank = self.discovered;
        self.name_mut(number, |state| {
            state.never_awaited = never;
            state.rank =
                rank | if state.wished { WISHED } else { 0 } | if owned { HAS_OWN } else { 0 };
        });
    }

    // The queues.

    fn touch(&mut self, number: usize) {
        let Some(state) = self.names.get_mut(number) else {
            return;
        };
        if state.dirty || state.decided || state.required == 0 && !state.recheck_conditions {
            return;
        }
        state.dirty = true;
        self.changed.push_back(number);
    }

    fn enqueue(&mut self, number: usize, again: bool) {
        let Some(state) = self.names.get_mut(number) else {
            return;
        };
        if state.decided {
            return;
        }
        let ripe = state.dependants_decided
            && state.required > 0
            && state.auto_selectable
            && !state.has_options;
        match state.queue {
            Queue::Now => return,
            Queue::None if state.required == 0 && !state.awaited && !state.condition_needed => {
                return;
            }
            Queue::None => {}
            _ if !ripe && !again => return,
            Queue::Selectable => drop(self.selectable.remove(&(state.rank, number))),
            Queue::Waiting => drop(self.waiting.remove(&(state.rank, number))),
        }
        if ripe {
            state.queue = Queue::Now;
            self.now.push_back(number);
        } else if state.auto_selectable {
            state.queue = Queue::Selectable;
            self.selectable.insert((state.rank, number));
        } else {
            state.queue = Queue::Waiting;
            self.waiting.insert((state.rank, number));
        }
    }

    fn next(&mut self) -> Option<usize> {
        while let Some(name) = self.now.pop_front() {
            // What was decided on meanwhile is left in the queue.
            if self.name(name).queue == Queue::Now {
                self.name_mut(name, |state| state.queue = Queue::None);
                return Some(name);
            }
        }
        let (_, name) = self
            .selectable
            .pop_last()
            .or_else(|| self.waiting.pop_last())?;
        self.name_mut(name, |state| state.queue = Queue::None);
        Some(name)
    }

    // What a change of one name or package means for others.

    fn recheck_dependants(&mut self, number: usize) {
        let all = self.all;
        for name in &all.name(number).dependants {
            if self.name(*name).seen {
                self.name_mut(*name, |state| state.recheck_depends = true);
                self.touch(*name);
            }
        }
    }

    fn recheck_awaiting(&mut self, number: usize) {
        let all = self.all;
        for name in &all.name(number).awaited_by {
            let state = self.name(*name);
            if state.seen && !state.never_awaited {
                self.name_mut(*name, |state| state.recheck_conditions = true);
                self.touch(*name);
            }
        }
    }

    fn recheck_awaiting_pack(&mut self, number: usize) {
        let all = self.all;
        for (name, _) in all.names_of(number) {
            self.recheck_awaiting(name);
        }
    }

    fn disqualify(&mut self, number: usize) {
        self.pack_mut(number, |state| state.selectable = false);
        let all = self.all;
        for (name, _) in all.names_of(number) {
            self.recheck_dependants(name);
        }
        self.recheck_awaiting_pack(number);
    }

    fn required_now(&mut self, number: usize) {
        self.enqueue(number, false);
        self.recheck_awaiting(number);
        self.touch(number);
    }

    fn can_be_met(&self, by: usize, need: &Need<'_>) -> bool {
        if need.is_conflict() && self.problem.ignore_conflicts {
            return true;
        }
        let state = self.name(need.name);
        if state.decided {
            return self.all.is_met(Some(by), need, state.chosen);
        }
        if state.required == 0 && self.all.is_met(Some(by), need, None) {
            return true;
        }
        let providers = &self.all.name(need.name).providers;
        providers.iter().any(|one| {
            self.pack(one.pack).selectable && self.all.is_met(Some(by), need, Some(*one))
        })
    }

    /// What a package takes from the one that needs it, or from the world.
    fn inherit(&mut self, number: usize, from: Option<usize>) {
        let Some(pack) = self.all.pack(number) else {
            return;
        };
        let reach = pack.reach;
        match from {
            Some(from) => {
                let (inherited, pinning) = {
                    let from = self.pack(from);
                    (from.inherited, from.pinning_allowed)
                };
                self.pack_mut(number, |state| {
                    state.flags = state.flags.with(inherited);
                    state.inherited = state.inherited.with(inherited);
                    state.pinning_allowed |= pinning;
                });
            }
            None => {
                let (flags, pinning) = self.handed;
                let preferred = reach & self.all.allowed(pinning) != 0;
                self.pack_mut(number, |state| {
                    state.flags = state.flags.with(flags);
                    state.inherited = state.inherited.with(flags);
                    state.pinning_allowed |= pinning;
                    state.tag_preferred = preferred;
                });
            }
        }
        let ok = reach & self.all.allowed(self.pack(number).pinning_allowed) != 0;
        self.pack_mut(number, |state| state.tag_ok |= ok);
    }

    fn apply(&mut self, by: Option<usize>, need: &Need<'a>) {
        if need.is_conflict() && self.problem.ignore_conflicts {
            return;
        }
        if !need.is_conflict() {
            let count = self.name_mut(need.name, |state| {
                state.required += 1;
                state.required
            });
            if count == 1 {
                self.required_now(need.name);
            }
        }
        let all = self.all;
        for provider in &all.name(need.name).providers {
            if all.is_met(by, need, Some(*provider)) {
                self.inherit(provider.pack, by);
            } else if self.pack_mut(provider.pack, |state| {
                state.conflicts += 1;
                state.selectable
            }) {
                self.disqualify(provider.pack);
            }
        }
    }

    /// All providers of `name` provide `must`, too: whoever provides only `name` is out.
    fn exclude(&mut self, name: usize, must: usize, shared: bool) {
        if name == must || self.problem.ignore_conflicts {
            return;
        }
        let all = self.all;
        for provider in &all.name(name).providers {
            let Some(pack) = all.pack(provider.pack) else {
                continue;
            };
            let stays = pack.name == must
                || !self.pack(provider.pack).selectable
                || shared && provider.version.is_none()
                || pack
                    .provides
                    .iter()
                    .any(|(one, version)| *one == must || shared && version.is_none());
            if !stays {
                self.disqualify(provider.pack);
            }
        }
    }

    fn may_choose(&self, provider: &Provider<'_>) -> bool {
        provider.version.is_some()
            || self.all.pack(provider.pack).is_some_and(|pack| {
                pack.candidate
                    .record
                    .provider_priority
                    .is_some_and(|priority| priority > 0)
                    || self.name(pack.name).required > 0
            })
    }

    /// Whether all of a package's `install_if` is met; `None`: not everything is decided yet.
    fn condition(&mut self, number: usize) -> Option<bool> {
        let all = self.all;
        let pack = all.pack(number)?;
        for need in &pack.install_if {
            let state = self.name(need.name);
            if !state.decided {
                if need.is_conflict() {
                    self.name_mut(need.name, |state| state.condition_needed = true);
                    self.enqueue(need.name, false);
                }
                return None;
            }
            if !all.is_met(Some(number), need, state.chosen) {
                return Some(false);
            }
        }
        Some(true)
    }

    /// Looks at a name again: which providers are left, what they have in common, and what follows from that.
    fn reconsider(&mut self, number: usize) {
        let all = self.all;
        let name = all.name(number);
        let (depends, conditions, required) = self.name_mut(number, |state| {
            (
                std::mem::take(&mut state.recheck_depends),
                std::mem::take(&mut state.recheck_conditions),
                state.required > 0,
            )
        });
        let mut first = None;
        let (mut options, mut unallowed) = (0u32, 0u32);
        let (mut awaited, mut never, mut auto) = (false, true, false);
        for provider in &name.providers {
            let at = provider.pack;
            let Some(pack) = all.pack(at) else { continue };
            self.pack_mut(at, |state| state.merging = false);
            if depends
                && self.pack(at).selectable
                && pack.depends.iter().any(|need| !self.can_be_met(at, need))
            {
                self.disqualify(at);
            }
            if !self.pack(at).selectable {
                continue;
            }
            if conditions {
                if !self.pack(at).triggered && !self.pack(at).untriggerable {
                    match self.condition(at) {
                        Some(true) => self.pack_mut(at, |state| state.triggered = true),
                        Some(false) => self.pack_mut(at, |state| state.untriggerable = true),
                        None => {}
                    }
                }
                if self.pack(at).triggered {
                    for need in &pack.install_if {
                        let from = self.name(need.name).chosen.map(|chosen| chosen.pack);
                        self.inherit(at, from);
                    }
                }
            }
            let state = self.pack(at);
            awaited |= state.triggered;
            never &= state.untriggerable;
            auto |= state.triggered;
            if !required {
                continue;
            }
            unallowed += u32::from(!state.tag_ok);
            self.pack_mut(at, |state| state.merging = true);
            first.get_or_insert(at);
            for need in pack.depends.iter().filter(|need| !need.is_conflict()) {
                self.name_mut(need.name, |state| {
                    if state.common_depends == options {
                        state.common_depends += 1;
                    }
                });
            }
            let own = std::iter::once((pack.name, provider.version));
            for (one, version) in own.chain(pack.provides.iter().copied()) {
                self.name_mut(one, |state| {
                    if state.common_provides == options {
                        state.common_provides += 1;
                        state.shared |= version.is_none();
                    }
                });
            }
            options += 1;
            auto |= self.may_choose(provider);
        }
        let again = self.name_mut(number, |state| {
            state.has_options = options > 1 || unallowed > 0;
            state.awaited = awaited;
            state.never_awaited = never;
            std::mem::replace(&mut state.auto_selectable, auto) != auto
        });
        if let Some(first) = first {
            self.hand_down(number, first, options);
        }
        let decided = name
            .dependants
            .iter()
            .all(|one| !self.name(*one).seen || self.name(*one).decided);
        self.name_mut(number, |state| state.dependants_decided = decided);
        self.enqueue(number, again);
    }

    /// What all candidates of a name have in common holds whichever is chosen.
    fn hand_down(&mut self, number: usize, first: usize, options: u32) {
        let all = self.all;
        for provider in &all.name(number).providers {
            self.pack_mut(provider.pack, |state| state.merged = state.merging);
        }
        let Some(pack) = all.pack(first) else { return };
        for need in &pack.depends {
            let common = self.name_mut(need.name, |state| {
                std::mem::take(&mut state.common_depends) == options
            });
            if !common {
                continue;
            }
            if options == 1 {
                self.apply(Some(first), need);
            } else if self.name(need.name).required == 0 {
                self.name_mut(need.name, |state| state.required += 1);
                self.required_now(need.name);
                for provider in &all.name(need.name).providers {
                    self.inherit(provider.pack, Some(first));
                }
            }
        }
        for (one, _) in all.names_of(first) {
            let (common, shared) = self.name_mut(one, |state| {
                (
                    std::mem::take(&mut state.common_provides) == options,
                    state.shared,
                )
            });
            if common {
                self.exclude(one, number, shared);
            }
        }
        for (one, _) in all.names_of(first) {
            self.name_mut(one, |state| state.shared = false);
        }
    }

    // Decisions.

    fn select(&mut self, number: usize) {
        let all = self.all;
        let required = self.name(number).required > 0;
        let mut chosen: Option<Provider<'a>> = None;
        if required || self.name(number).awaited {
            for provider in &all.name(number).providers {
                let state = self.pack(provider.pack);
                let comes = state.triggered && state.tag_ok && state.selectable;
                if !required && !comes || !self.may_choose(provider) {
                    continue;
                }
                let better = chosen
                    .is_none_or(|chosen| self.compare(*provider, chosen) == Ordering::Greater);
                if better {
                    chosen = Some(*provider);
                }
            }
        }
        let Some(Provider { pack: at, .. }) = chosen else {
            self.decide(number, None);
            if self.name(number).required > 0 {
                self.errors += 1;
            }
            return;
        };
        let state = self.pack(at);
        if !state.selectable || !state.tag_ok {
            self.mark_error(at);
        }
        for (name, version) in all.names_of(at) {
            self.decide(name, Some(Provider { pack: at, version }));
        }
        for need in all.pack(at).into_iter().flat_map(|pack| &pack.depends) {
            self.apply(Some(at), need);
        }
    }

    fn decide(&mut self, number: usize, choice: Option<Provider<'a>>) {
        let state = self.name(number);
        if state.decided {
            let shared = choice.is_none_or(|choice| choice.version.is_none())
                && state.chosen.is_none_or(|chosen| chosen.version.is_none());
            if !shared && !self.problem.ignore_conflicts {
                let before = state.chosen;
                for one in choice.iter().chain(&before) {
                    self.mark_error(one.pack);
                }
            }
            return;
        }
        let rank = state.rank;
        self.selectable.remove(&(rank, number));
        self.waiting.remove(&(rank, number));
        self.name_mut(number, |state| {
            state.decided = true;
            state.chosen = choice;
            state.queue = Queue::None;
            state.dirty = false;
        });
        let all = self.all;
        if let Some(choice) = choice
            && self.name(number).required == 0
            && self.pack(choice.pack).triggered
        {
            for need in all
                .pack(choice.pack)
                .into_iter()
                .flat_map(|pack| &pack.install_if)
            {
                if !self.name(need.name).decided {
                    self.apply(Some(choice.pack), need);
                }
            }
        }
        if !self.problem.ignore_conflicts {
            for provider in &all.name(number).providers {
                let beside = choice.is_none_or(|choice| choice.version.is_none())
                    && provider.version.is_none();
                if choice.is_none_or(|choice| choice.pack != provider.pack) && !beside {
                    self.disqualify(provider.pack);
                }
            }
        }
        self.recheck_dependants(number);
        match choice {
            Some(choice) => self.recheck_awaiting_pack(choice.pack),
            None => self.recheck_awaiting(number),
        }
    }
}

/// Names as they are shown: letters first, then their case.
pub fn display_order(a: &str, b: &str) -> Ordering {
    let lower = |text: &str| {
        text.bytes()
            .map(|byte| byte.to_ascii_lowercase())
            .collect::<Vec<u8>>()
    };
    lower(a).cmp(&lower(b)).then_with(|| a.cmp(b))
}

static UNKNOWN_NAME: NameState<'static> = NameState {
    seen: false,
    never_awaited: true,
    rank: 0,
    required: 0,
    decided: true,
    chosen: None,
    dirty: false,
    queue: Queue::None,
    dependants_decided: true,
    auto_selectable: false,
    has_options: false,
    awaited: false,
    condition_needed: false,
    recheck_depends: false,
    recheck_conditions: false,
    common_depends: 0,
    common_provides: 0,
    shared: false,
    wished: false,
};

static UNKNOWN_PACK: PackState = PackState {
    seen: true,
    selectable: false,
    available: false,
    tag_ok: false,
    tag_preferred: false,
    pinning_allowed: 1,
    flags: Flags::NONE,
    inherited: Flags::NONE,
    conflicts: 0,
    merged: false,
    merging: false,
    triggered: false,
    untriggerable: true,
    error: false,
};

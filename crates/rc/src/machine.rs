//! The state machine of all services: it is told what is wanted and what happened, and says what to do next.
//!
//! No clock, no process and no file here: time is handed in, processes are [`Effect`]s that the host carries out and
//! answers by [`Machine::finished`]. Transitions are computed in rounds until nothing moves, never by recursion.
//!
//! *Invariant:* a service is started only when everything it needs is up, and stopped only when nobody who needs it
//! is up (but for a shutdown, which goes on where a service will not stop). Every goal ends: whatever waits while
//! nothing runs is given up, with the reason.

use crate::graph::{Graph, Id, Need};
use crate::name::ServiceName;
use std::collections::BTreeSet;
use std::fmt;

/// Milliseconds on the host's monotonic clock.
pub type Millis = u64;

/// What a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Current {
    /// Not running.
    Stopped,
    /// Its script's `start` runs.
    Starting,
    /// Up.
    Started,
    /// Its script's `stop` runs.
    Stopping,
    /// It will be up when something outside happens, and says so itself.
    Inactive,
    /// It could not be started.
    Failed,
}

/// What a service is to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Desired {
    /// It may stay as it is.
    Keep,
    /// Started.
    Up,
    /// Stopped.
    Down,
    /// Stopped, then started.
    Again,
}

/// Which function of a script is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// `start`
    Start,
    /// `stop`
    Stop,
}

/// How a script's function ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With success. Of a script that was killed for taking too long, this says that a stop was brought about all the
    /// same.
    Done,
    /// With success, but the service calls itself inactive.
    Inactive,
    /// With this status.
    Failed(i32),
    /// It could not be run at all.
    NotRun,
}

/// Why a service is not where it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The script's function failed with this status.
    Status(i32),
    /// The script could not be run.
    NotRun,
    /// It took too long.
    TimedOut,
    /// What it needs does not exist.
    Missing(ServiceName),
    /// What it needs is not up.
    NeedDown(ServiceName),
    /// What needs it would not stop.
    Needed(ServiceName),
    /// Its needs form a circle.
    Circle,
    /// It would have waited for ever.
    Stuck,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Status(status) => write!(f, "its script ended with status {status}"),
            Reason::NotRun => write!(f, "its script could not be run"),
            Reason::TimedOut => write!(f, "its script took too long"),
            Reason::Missing(name) => write!(f, "it needs {name}, which does not exist"),
            Reason::NeedDown(name) => write!(f, "it needs {name}, which is not started"),
            Reason::Needed(name) => write!(f, "{name} needs it and did not stop"),
            Reason::Circle => write!(f, "its needs lead back to itself"),
            Reason::Stuck => write!(f, "it would wait for ever"),
        }
    }
}

/// What the host is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Run the script, and answer by [`Machine::finished`].
    Run(Id, Action),
    /// Signal the script that runs: ask it to end, or (`true`) make it.
    Kill(Id, bool),
    /// Keep the new state where others read it.
    Mark(Id, Current),
    /// Tell that this failed.
    Tell(Id, Action, Reason),
}

#[derive(Clone, Debug)]
struct Unit {
    current: Current,
    desired: Desired,
    /// When the running script is asked (or made) to end.
    deadline: Option<Millis>,
    timed_out: bool,
    /// Waiting for others does not count: `--nodeps`.
    alone: bool,
}

/// How long a script has to end by itself once it was asked to.
pub const GRACE: Millis = 5_000;

/// The services and their states.
#[derive(Clone, Debug)]
pub struct Machine {
    graph: Graph,
    units: Vec<Unit>,
    /// The services that are not yet what they are to become.
    pending: BTreeSet<Id>,
    running: usize,
    most_running: usize,
    time_limit: Millis,
    going_down: bool,
}

impl Machine {
    /// All stopped. At most `most_running` scripts run at a time, none longer than `time_limit`.
    pub fn new(graph: Graph, most_running: usize, time_limit: Millis) -> Machine {
        let unit = Unit {
            current: Current::Stopped,
            desired: Desired::Keep,
            deadline: None,
            timed_out: false,
            alone: false,
        };
        Machine {
            units: vec![unit; graph.len()],
            graph,
            pending: BTreeSet::new(),
            running: 0,
            most_running: most_running.max(1),
            time_limit,
            going_down: false,
        }
    }

    /// Takes a new graph; what was known of services by name stays. A service whose script went away while it ran is
    /// forgotten: the answer of its script, if one runs, is ignored.
    pub fn replace_graph(&mut self, graph: Graph) {
        let mut next = Machine::new(graph, self.most_running, self.time_limit);
        next.going_down = self.going_down;
        for (id, unit) in self.units.iter().enumerate() {
            let Some(id_now) = self.graph.name(id).and_then(|name| next.graph.id(name)) else {
                continue;
            };
            if let Some(place) = next.units.get_mut(id_now) {
                next.running += usize::from(matches!(
                    unit.current,
                    Current::Starting | Current::Stopping
                ));
                *place = unit.clone();
            }
            if self.pending.contains(&id) {
                next.pending.insert(id_now);
            }
        }
        *self = next;
    }

    /// How many scripts may run at a time from now on.
    pub fn set_most_running(&mut self, most_running: usize) {
        self.most_running = most_running.max(1);
    }

    /// How long a script that is run from now on may take.
    pub fn set_time_limit(&mut self, time_limit: Millis) {
        self.time_limit = time_limit;
    }

    /// The graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Says what a service is, from outside: what was found at the beginning, or what it said itself.
    pub fn set_current(&mut self, id: Id, current: Current) {
        if let Some(unit) = self.units.get_mut(id)
            && !matches!(unit.current, Current::Starting | Current::Stopping)
        {
            unit.current = current;
        }
    }

    /// What a service is.
    pub fn current(&self, id: Id) -> Current {
        self.units
            .get(id)
            .map_or(Current::Stopped, |unit| unit.current)
    }

    /// What a service is to become.
    pub fn desired(&self, id: Id) -> Desired {
        self.units
            .get(id)
            .map_or(Desired::Keep, |unit| unit.desired)
    }

    /// Whether nothing is left to do.
    pub fn is_idle(&self) -> bool {
        self.pending.is_empty() && self.running == 0
    }

    /// Whether this service is on its way to somewhere.
    pub fn is_pending(&self, id: Id) -> bool {
        self.pending.contains(&id)
            || matches!(self.current(id), Current::Starting | Current::Stopping)
    }

    /// The services that are on their way to somewhere.
    pub fn pending(&self) -> impl Iterator<Item = Id> {
        self.pending.iter().copied()
    }

    fn want(&mut self, id: Id, desired: Desired) {
        if let Some(unit) = self.units.get_mut(id) {
            unit.desired = desired;
            unit.alone = false;
            self.pending.insert(id);
        }
    }

    /// Wants these up, with all that they need and want.
    pub fn start(&mut self, ids: &[Id]) {
        let mut stack = ids.to_vec();
        let mut seen = BTreeSet::new();
        while let Some(id) = stack.pop() {
            if !seen.insert(id) {
                continue;
            }
            match (self.current(id), self.desired(id)) {
                // A restart ends where a start does.
                (_, Desired::Again) => {}
                (Current::Started | Current::Inactive, Desired::Keep) => continue,
                _ => self.want(id, Desired::Up),
            }
            let Some(node) = self.graph.node(id) else {
                continue;
            };
            stack.extend(node.want.iter().copied());
            for need in &node.need {
                let Need::Any(providers) = need else { continue };
                stack.extend(self.choose(providers, &seen, ids));
            }
        }
    }

    /// The provider to take: one that is up, or will be, or is asked for; else the first.
    fn choose(&self, providers: &[Id], seen: &BTreeSet<Id>, asked: &[Id]) -> Option<Id> {
        let up = |id: &&Id| {
            self.current(**id) == Current::Started && self.desired(**id) != Desired::Down
        };
        let coming = |id: &&Id| {
            matches!(self.desired(**id), Desired::Up | Desired::Again) || seen.contains(*id)
        };
        let sound = |id: &&Id| {
            self.graph
                .node(**id)
                .is_some_and(|node| !node.broken && !node.keywords.excluded)
        };
        providers
            .iter()
            .find(up)
            .or_else(|| providers.iter().find(coming))
            .or_else(|| providers.iter().find(|id| asked.contains(id)))
            .or_else(|| providers.iter().find(sound))
            .or_else(|| providers.first())
            .copied()
    }

    /// Wants this up without what it needs.
    pub fn start_alone(&mut self, id: Id) {
        if self.current(id) != Current::Started {
            self.want(id, Desired::Up);
            self.set_alone(id);
        }
    }

    fn set_alone(&mut self, id: Id) {
        if let Some(unit) = self.units.get_mut(id) {
            unit.alone = true;
        }
    }

    /// Whether somebody else provides what `id` is needed for by `dependent`.
    fn has_other_provider(&self, dependent: Id, id: Id, leaving: &BTreeSet<Id>) -> bool {
        let Some(node) = self.graph.node(dependent) else {
            return false;
        };
        node.need.iter().all(|need| match need {
            Need::Any(providers) if providers.contains(&id) => providers.iter().any(|other| {
                *other != id
                    && !leaving.contains(other)
                    && self.current(*other) == Current::Started
                    && matches!(self.desired(*other), Desired::Keep | Desired::Up)
            }),
            _ => true,
        })
    }

    fn is_down(&self, id: Id) -> bool {
        matches!(self.current(id), Current::Stopped | Current::Failed)
            && matches!(self.desired(id), Desired::Keep | Desired::Down)
    }

    /// These, and all that need them and are (or will be) up.
    fn with_dependents(&self, ids: &[Id]) -> BTreeSet<Id> {
        let mut leaving: BTreeSet<Id> = BTreeSet::new();
        let mut stack = ids.to_vec();
        while let Some(id) = stack.pop() {
            if !leaving.insert(id) {
                continue;
            }
            for &dependent in self.graph.node(id).map_or(&[][..], |node| &node.needed_by) {
                if !self.is_down(dependent) && !self.has_other_provider(dependent, id, &leaving) {
                    stack.push(dependent);
                }
            }
        }
        leaving
    }

    /// Wants these down, with all that need them.
    pub fn stop(&mut self, ids: &[Id]) {
        for id in self.with_dependents(ids) {
            self.want(id, Desired::Down);
        }
    }

    /// Wants this down, whoever needs it.
    pub fn stop_alone(&mut self, id: Id) {
        self.want(id, Desired::Down);
        self.set_alone(id);
    }

    /// Wants this down and up again, with those of its dependents that are up.
    pub fn restart(&mut self, id: Id) {
        for leaving in self.with_dependents(&[id]) {
            let is_up = !matches!(self.desired(leaving), Desired::Down)
                && (leaving == id || !self.is_down(leaving));
            self.want(leaving, if is_up { Desired::Again } else { Desired::Down });
        }
        // What it needs now may not be what it needed when it was started.
        let mut needs = Vec::new();
        for need in self.graph.node(id).map_or(&[][..], |node| &node.need) {
            if let Need::Any(providers) = need {
                needs.extend(self.choose(providers, &BTreeSet::new(), &[]));
            }
        }
        self.start(&needs);
    }

    /// Goes to a runlevel: these up, and whatever is neither among them, nor among `keep`, nor needed or wanted by
    /// one of both, down.
    pub fn change_level(&mut self, level: &[Id], keep: &[Id]) {
        let mut stay = BTreeSet::new();
        let mut stack: Vec<Id> = level.iter().chain(keep).copied().collect();
        while let Some(id) = stack.pop() {
            if !stay.insert(id) {
                continue;
            }
            let Some(node) = self.graph.node(id) else {
                continue;
            };
            stack.extend(node.want.iter().copied());
            for need in &node.need {
                if let Need::Any(providers) = need {
                    // All that are up may be the reason why it runs.
                    stack.extend(
                        providers
                            .iter()
                            .filter(|id| self.current(**id) == Current::Started),
                    );
                }
            }
        }
        let leaving: Vec<Id> = (0..self.units.len())
            .filter(|id| !stay.contains(id) && !self.is_down(*id))
            .filter(|id| {
                self.graph
                    .node(*id)
                    .is_some_and(|node| !node.keywords.no_stop)
            })
            .collect();
        self.stop(&leaving);
        self.start(level);
    }

    /// Everything down but what is to stay until the machine is off. From now on no stop waits for a service that
    /// will not stop.
    pub fn shut_down(&mut self) {
        self.going_down = true;
        for id in 0..self.units.len() {
            let stays = self
                .graph
                .node(id)
                .is_some_and(|node| node.keywords.no_shutdown || node.keywords.no_stop);
            if self.current(id) == Current::Stopped || stays {
                if let Some(unit) = self.units.get_mut(id) {
                    unit.desired = Desired::Keep;
                }
                self.pending.remove(&id);
            } else {
                self.want(id, Desired::Down);
            }
        }
    }

    /// Forgets that a service runs or failed.
    pub fn zap(&mut self, id: Id) -> Vec<Effect> {
        if let Some(unit) = self.units.get_mut(id)
            && !matches!(unit.current, Current::Starting | Current::Stopping)
        {
            unit.current = Current::Stopped;
            unit.desired = Desired::Keep;
            self.pending.remove(&id);
            return vec![Effect::Mark(id, Current::Stopped)];
        }
        Vec::new()
    }

    /// The script of a service ended. Call [`Machine::advance`] afterwards.
    pub fn finished(&mut self, id: Id, outcome: Outcome) -> Vec<Effect> {
        let Some(unit) = self.units.get_mut(id) else {
            return Vec::new();
        };
        let action = match unit.current {
            Current::Starting => Action::Start,
            Current::Stopping => Action::Stop,
            _ => return Vec::new(),
        };
        self.running = self.running.saturating_sub(1);
        unit.deadline = None;
        let timed_out = std::mem::take(&mut unit.timed_out);
        let reason = match outcome {
            _ if timed_out => Some(Reason::TimedOut),
            Outcome::Failed(status) => Some(Reason::Status(status)),
            Outcome::NotRun => Some(Reason::NotRun),
            Outcome::Done | Outcome::Inactive => None,
        };
        unit.current = match (action, &reason) {
            (Action::Start, None) if outcome == Outcome::Inactive => Current::Inactive,
            (Action::Start, None) => Current::Started,
            (Action::Start, Some(_)) => Current::Failed,
            (Action::Stop, None) => Current::Stopped,
            // It was ended the hard way.
            (Action::Stop, Some(Reason::TimedOut)) if outcome == Outcome::Done => Current::Stopped,
            // It is taken to be up still, but on the way down nothing more is expected of it.
            (Action::Stop, Some(_)) if self.going_down => Current::Stopped,
            (Action::Stop, Some(_)) => Current::Started,
        };
        let mut effects = vec![Effect::Mark(id, unit.current)];
        if let Some(reason) = reason {
            effects.push(Effect::Tell(id, action, reason));
            let settled = matches!(
                (action, unit.desired),
                (Action::Start, Desired::Up) | (Action::Stop, Desired::Down | Desired::Again)
            );
            let went_down = action == Action::Stop && unit.current == Current::Stopped;
            if settled && !went_down {
                unit.desired = Desired::Keep;
                self.pending.remove(&id);
            }
        }
        effects
    }

    /// When [`Machine::advance`] has to be called at the latest, if nothing happens before.
    pub fn next_deadline(&self) -> Option<Millis> {
        self.units.iter().filter_map(|unit| unit.deadline).min()
    }

    /// What is to be done now.
    pub fn advance(&mut self, now: Millis) -> Vec<Effect> {
        let mut effects = self.overdue(now);
        loop {
            let mut moved = false;
            for id in self.pending.clone() {
                moved |= self.step(id, now, &mut effects);
            }
            if moved {
                continue;
            }
            if self.running > 0 || self.pending.is_empty() {
                return effects;
            }
            // Nothing runs, so nothing will ever change by itself. Where a need can be met by several, the mere order
            // among them may be what is in the way: then one goes ahead, as only needs count.
            let waiting = |machine: &Machine, id: Id| {
                machine.desired(id) == Desired::Up
                    && matches!(machine.current(id), Current::Stopped | Current::Failed)
            };
            if self
                .pending
                .clone()
                .into_iter()
                .any(|id| waiting(self, id) && self.try_start(id, false, now, &mut effects))
            {
                continue;
            }
            // What is left are needs of each other through a choice of providers; the boot must not depend on it.
            for id in std::mem::take(&mut self.pending) {
                self.give_up(id, Reason::Stuck, &mut effects);
            }
        }
    }

    fn overdue(&mut self, now: Millis) -> Vec<Effect> {
        let mut effects = Vec::new();
        for (id, unit) in self.units.iter_mut().enumerate() {
            if unit.deadline.is_some_and(|deadline| deadline <= now) {
                effects.push(Effect::Kill(id, unit.timed_out));
                unit.timed_out = true;
                unit.deadline = Some(now + GRACE);
            }
        }
        effects
    }

    fn give_up(&mut self, id: Id, reason: Reason, effects: &mut Vec<Effect>) {
        self.pending.remove(&id);
        let Some(unit) = self.units.get_mut(id) else {
            return;
        };
        let action = match unit.desired {
            Desired::Down => Action::Stop,
            _ => Action::Start,
        };
        unit.desired = Desired::Keep;
        if action == Action::Start && unit.current == Current::Stopped {
            unit.current = Current::Failed;
            effects.push(Effect::Mark(id, Current::Failed));
        }
        effects.push(Effect::Tell(id, action, reason));
    }

    /// Moves one service if it can move. Says whether anything changed.
    fn step(&mut self, id: Id, now: Millis, effects: &mut Vec<Effect>) -> bool {
        let Some(unit) = self.units.get_mut(id) else {
            return self.pending.remove(&id);
        };
        match (unit.desired, unit.current) {
            (_, Current::Starting | Current::Stopping) => false,
            (Desired::Keep, _)
            | (Desired::Up, Current::Started | Current::Inactive)
            | (Desired::Down, Current::Stopped) => {
                unit.desired = Desired::Keep;
                self.pending.remove(&id)
            }
            (Desired::Down, Current::Failed) => {
                unit.current = Current::Stopped;
                effects.push(Effect::Mark(id, Current::Stopped));
                true
            }
            (Desired::Again, Current::Stopped | Current::Failed) => {
                unit.desired = Desired::Up;
                true
            }
            (Desired::Up, Current::Stopped | Current::Failed) => {
                self.try_start(id, true, now, effects)
            }
            (Desired::Down | Desired::Again, Current::Started | Current::Inactive) => {
                self.try_stop(id, now, effects)
            }
        }
    }

    fn try_start(
        &mut self,
        id: Id,
        in_order: bool,
        now: Millis,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let alone = self.units.get(id).is_some_and(|unit| unit.alone);
        let Some(node) = self.graph.node(id) else {
            return self.pending.remove(&id);
        };
        if node.broken && !alone {
            self.give_up(id, Reason::Circle, effects);
            return true;
        }
        if !alone {
            let mut missing = None;
            for need in &node.need {
                match need {
                    Need::Missing(name) => missing = Some(Reason::Missing(name.clone())),
                    Need::Any(providers) => {
                        if providers.iter().any(|id| self.is_up_to_stay(*id)) {
                            continue;
                        }
                        if providers.iter().any(|id| self.will_be_up(*id)) {
                            return false;
                        }
                        let name = providers.first().and_then(|id| self.graph.name(*id));
                        missing = name.map(|name| Reason::NeedDown(name.clone()));
                    }
                }
            }
            if let Some(reason) = missing {
                self.give_up(id, reason, effects);
                return true;
            }
            let waits = |first: &Id| self.will_be_up(*first) && !self.is_up_to_stay(*first);
            if in_order && node.first.iter().any(waits) {
                return false;
            }
        }
        if node.keywords.excluded {
            if let Some(unit) = self.units.get_mut(id) {
                unit.current = Current::Started;
                unit.desired = Desired::Keep;
            }
            self.pending.remove(&id);
            effects.push(Effect::Mark(id, Current::Started));
            return true;
        }
        self.run(id, Action::Start, now, effects)
    }

    fn is_up_to_stay(&self, id: Id) -> bool {
        self.current(id) == Current::Started
            && matches!(self.desired(id), Desired::Keep | Desired::Up)
    }

    fn will_be_up(&self, id: Id) -> bool {
        matches!(self.desired(id), Desired::Up | Desired::Again)
            || (self.current(id) == Current::Starting && self.desired(id) != Desired::Down)
    }

    fn try_stop(&mut self, id: Id, now: Millis, effects: &mut Vec<Effect>) -> bool {
        let alone = self.units.get(id).is_some_and(|unit| unit.alone);
        let Some(node) = self.graph.node(id) else {
            return self.pending.remove(&id);
        };
        if !alone {
            let is_leaving = |other: &Id| {
                self.pending.contains(other)
                    && matches!(self.desired(*other), Desired::Down | Desired::Again)
                    && !matches!(self.current(*other), Current::Stopped | Current::Failed)
            };
            let comes_up = |other: &Id| self.current(*other) == Current::Starting;
            if node.last.iter().chain(&node.needed_by).any(is_leaving)
                || node.needed_by.iter().any(comes_up)
            {
                return false;
            }
            let none = BTreeSet::new();
            let holder = node.needed_by.iter().find(|other| {
                matches!(self.current(**other), Current::Started | Current::Inactive)
                    && !self.has_other_provider(**other, id, &none)
            });
            if let Some(holder) = holder
                && !self.going_down
                && let Some(name) = self.graph.name(*holder)
            {
                let reason = Reason::Needed(name.clone());
                // It stays up; a restart has not stopped it, so there is nothing to start again.
                if let Some(unit) = self.units.get_mut(id) {
                    unit.desired = Desired::Down;
                }
                self.give_up(id, reason, effects);
                return true;
            }
        }
        if node.keywords.excluded {
            if let Some(unit) = self.units.get_mut(id) {
                unit.current = Current::Stopped;
            }
            effects.push(Effect::Mark(id, Current::Stopped));
            return true;
        }
        self.run(id, Action::Stop, now, effects)
    }

    fn run(&mut self, id: Id, action: Action, now: Millis, effects: &mut Vec<Effect>) -> bool {
        if self.running >= self.most_running {
            return false;
        }
        let limit = match self.graph.node(id).map(|node| node.keywords) {
            Some(words) if words.no_timeout || words.time_limit == Some(0) => None,
            Some(words) => Some(
                words
                    .time_limit
                    .map_or(self.time_limit, |seconds| Millis::from(seconds) * 1000),
            ),
            None => Some(self.time_limit),
        };
        let Some(unit) = self.units.get_mut(id) else {
            return false;
        };
        self.running += 1;
        unit.deadline = limit.map(|limit| now.saturating_add(limit));
        unit.current = match action {
            Action::Start => Current::Starting,
            Action::Stop => Current::Stopping,
        };
        effects.push(Effect::Mark(id, unit.current));
        effects.push(Effect::Run(id, action));
        true
    }
}

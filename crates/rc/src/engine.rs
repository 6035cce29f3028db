//! The state machine carried out: scripts run as children, states kept in `/run/openrc`.
//!
//! PID 1 pumps it from its loop and hands over the children that it reaps; `openrc` and `rc-service` on a system whose
//! PID 1 is another run it until it is idle.

use crate::cgroup::Cgroup;
use crate::graph::{Graph, Id};
use crate::layout::Layout;
use crate::machine::{Action, Current, Effect, Machine, Millis, Outcome};
use crate::message::{Level, Style};
use crate::name::{Runlevel, ServiceName};
use crate::runlevels;
use crate::script::{self, Surroundings, depend};
use crate::state::State;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};
use sys::process::{self, Status, Which};
use sys::{init, tty};

/// How many scripts run at a time.
const MOST_RUNNING: usize = 8;
/// How long a script may take.
pub(crate) const TIME_LIMIT: Millis = 60_000;
/// The same, when the machine goes down.
const TIME_LIMIT_DOWN: Millis = 30_000;
/// How often the logs of services are looked at.
const LOGS_EVERY: Millis = 30_000;

/// Where the output of a request goes: the standard input, output and error of who asked.
#[derive(Debug)]
pub struct Stdio(pub [OwnedFd; 3]);

/// Who asked for something: where the output goes, and how much of it there is.
#[derive(Clone, Debug, Default)]
pub struct Asker {
    /// This process' own, where nothing is said.
    pub stdio: Option<Rc<Stdio>>,
    /// How messages are printed.
    pub around: Surroundings,
}

#[derive(Debug)]
struct Job {
    service: ServiceName,
    action: Action,
    /// It was asked to end, because it took too long.
    late: bool,
    /// All that the service runs was killed together with the script.
    swept: bool,
    /// Readable when the process has ended. Without it the wait is by time.
    pidfd: Option<OwnedFd>,
}

/// What a service or a level is asked to become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// `start`; `true`: without what it needs
    Start(ServiceName, bool),
    /// `stop`; `true`: whoever needs it
    Stop(ServiceName, bool),
    /// `restart`; `true`: it alone
    Restart(ServiceName, bool),
    /// `zap`
    Zap(ServiceName),
    /// A runlevel; `true`: what is not in it stays as it is
    Level(Runlevel, bool),
}

/// A goal that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such service.
    #[error("service {0} does not exist")]
    NoService(ServiceName),
    /// There is no such level.
    #[error(transparent)]
    Level(#[from] runlevels::Error),
    /// The machine is going down.
    #[error("the machine is going down")]
    GoingDown,
}

/// The services of a system, and the processes that run for them.
pub struct Engine {
    layout: Layout,
    state: State,
    machine: Machine,
    jobs: BTreeMap<process::Pid, Job>,
    askers: BTreeMap<ServiceName, Asker>,
    clock: Instant,
    seen: Seen,
    going_down: bool,
    /// A restart without its dependents: started again once it is down.
    again: Vec<ServiceName>,
    /// The services that are asked to restart, while they do.
    restarting: BTreeSet<ServiceName>,
    /// What `config` in a script names.
    files: BTreeSet<PathBuf>,
    /// When the logs are looked at; nothing as long as there are none.
    rotate_at: Millis,
}

/// How the scripts looked when they were asked last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    newest: Option<SystemTime>,
    count: usize,
}

fn look(layout: &Layout, files: &BTreeSet<PathBuf>) -> Seen {
    let mut seen = Seen::default();
    let mut count = |path: &Path| {
        if let Ok(time) = fs::metadata(path).and_then(|metadata| metadata.modified()) {
            seen.newest = seen.newest.max(Some(time));
            seen.count += 1;
        }
    };
    count(&layout.path("/etc/rc.conf"));
    for file in files {
        count(&layout.path(file));
    }
    for folder in [
        layout.scripts(),
        layout.path("/etc/conf.d"),
        layout.path("/etc/rc.conf.d"),
    ] {
        count(&folder);
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            count(&entry.path());
        }
    }
    seen
}

fn say(asker: &Asker, level: Level, text: &str) {
    let style = Style {
        plain: asker.around.plain,
        ..Style::from_environment()
    };
    match &asker.stdio {
        None => style.say(level, text),
        Some(stdio) => {
            let [_, _, fd] = &stdio.0;
            let number = std::os::fd::AsRawFd::as_raw_fd(fd);
            // Whoever asked may be gone.
            let _ = process::write_all(
                number,
                format!("{}\n", style.line(number, level, text)).as_bytes(),
            );
        }
    }
}

impl Engine {
    /// Asks all scripts, and reads what runs. Problems with scripts are told on standard error.
    pub fn load(layout: Layout) -> Engine {
        let state = State::new(&layout);
        if let Err(error) = state.prepare() {
            Style::from_environment().say(Level::Error, &error.to_string());
        }
        let mut engine = Engine {
            state,
            machine: Machine::new(Graph::default(), MOST_RUNNING, TIME_LIMIT),
            jobs: BTreeMap::new(),
            askers: BTreeMap::new(),
            clock: Instant::now(),
            seen: Seen::default(),
            going_down: false,
            again: Vec::new(),
            restarting: BTreeSet::new(),
            files: BTreeSet::new(),
            rotate_at: 0,
            layout,
        };
        engine.refresh(&Asker::default());
        engine
    }

    /// Asks the scripts again where any has changed, and takes over what services said of themselves meanwhile.
    pub fn refresh(&mut self, asker: &Asker) {
        let seen = look(&self.layout, &self.files);
        if seen != self.seen || seen == Seen::default() {
            let found = depend::scan(&self.layout);
            self.seen = match found.files == self.files {
                true => seen,
                false => look(&self.layout, &found.files),
            };
            self.files = found.files;
            let graph = Graph::new(found.declared);
            for problem in found.problems.iter().map(String::as_str) {
                say(asker, Level::Error, problem);
            }
            for cycle in graph.cycles() {
                say(asker, Level::Warn, &cycle.to_string());
            }
            self.machine.replace_graph(graph);
            self.machine
                .set_most_running(found.parallel.unwrap_or(MOST_RUNNING));
        }
        let mut states: BTreeMap<ServiceName, Current> = BTreeMap::new();
        for (folder, current) in [
            // A script that was stopping when its runner died has not stopped; one that was starting has not started.
            ("stopping", Current::Started),
            ("inactive", Current::Inactive),
            ("failed", Current::Failed),
            ("started", Current::Started),
        ] {
            for name in self.state.services_in(folder) {
                states.insert(name, current);
            }
        }
        for id in 0..self.machine.graph().len() {
            let current = self
                .machine
                .graph()
                .name(id)
                .and_then(|name| states.get(name));
            self.machine
                .set_current(id, current.copied().unwrap_or(Current::Stopped));
        }
    }

    /// The services and their states.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Whether nothing is left to do.
    pub fn is_idle(&self) -> bool {
        self.machine.is_idle() && self.again.is_empty()
    }

    fn id(&self, name: &ServiceName) -> Result<Id, Error> {
        self.machine
            .graph()
            .id(name)
            .ok_or_else(|| Error::NoService(name.clone()))
    }

    /// Takes a goal up. [`Engine::pump`] moves on from there.
    pub fn ask(&mut self, goal: &Goal, asker: &Asker) -> Result<(), Error> {
        if self.going_down {
            return Err(Error::GoingDown);
        }
        self.refresh(asker);
        match goal {
            Goal::Start(name, false) => {
                let id = self.id(name)?;
                self.machine.start(&[id]);
            }
            Goal::Start(name, true) => {
                let id = self.id(name)?;
                self.machine.start_alone(id);
            }
            Goal::Stop(name, false) => {
                let id = self.id(name)?;
                self.machine.stop(&[id]);
            }
            Goal::Stop(name, true) => {
                let id = self.id(name)?;
                self.machine.stop_alone(id);
            }
            Goal::Restart(name, false) => {
                let id = self.id(name)?;
                self.restarting.insert(name.clone());
                self.machine.restart(id);
            }
            Goal::Restart(name, true) => {
                let id = self.id(name)?;
                self.machine.stop_alone(id);
                self.restarting.insert(name.clone());
                self.again.push(name.clone());
            }
            Goal::Zap(name) => {
                let id = self.id(name)?;
                let effects = self.machine.zap(id);
                self.carry_out(effects);
            }
            Goal::Level(level, keep) => self.go_to(level, *keep)?,
        }
        self.remember(asker);
        Ok(())
    }

    /// Everything that is on its way now is on its way for this asker, unless somebody asked before.
    fn remember(&mut self, asker: &Asker) {
        let pending: Vec<ServiceName> = self
            .machine
            .pending()
            .filter_map(|id| self.machine.graph().name(id).cloned())
            .collect();
        for name in pending.into_iter().chain(self.again.clone()) {
            self.askers.entry(name).or_insert_with(|| asker.clone());
        }
    }

    fn ids(&self, services: impl IntoIterator<Item = ServiceName>) -> Vec<Id> {
        services
            .into_iter()
            .filter_map(|name| self.machine.graph().id(&name))
            .collect()
    }

    fn go_to(&mut self, level: &Runlevel, keep: bool) -> Result<(), Error> {
        let services = runlevels::services(&self.layout, level)?;
        for name in services
            .iter()
            .filter(|name| self.machine.graph().id(name).is_none())
        {
            say(
                &Asker::default(),
                Level::Error,
                &format!("service {name} of the runlevel {level} does not exist"),
            );
        }
        let ids = self.ids(services);
        if let Err(error) = self.state.set_runlevel(level) {
            say(&Asker::default(), Level::Error, &error.to_string());
        }
        match level.as_str() {
            _ if keep => self.machine.start(&ids),
            "sysinit" | "boot" => self.machine.start(&ids),
            name => {
                let mut keep =
                    runlevels::services(&self.layout, &Runlevel::sysinit()).unwrap_or_default();
                if name != "single" {
                    keep.extend(
                        runlevels::services(&self.layout, &Runlevel::boot()).unwrap_or_default(),
                    );
                    keep.extend(self.state.services_in("hotplugged"));
                }
                let keep = self.ids(keep);
                self.machine.change_level(&ids, &keep);
            }
        }
        Ok(())
    }

    /// Everything down. Nothing else can be asked for from now on.
    pub fn shut_down(&mut self, asker: &Asker) {
        self.refresh(asker);
        self.going_down = true;
        self.again.clear();
        self.machine.set_time_limit(TIME_LIMIT_DOWN);
        self.machine.shut_down();
        self.askers.clear();
        self.remember(asker);
    }

    /// After [`Engine::shut_down`]: what the shutdown level still starts.
    pub fn start_last(&mut self, asker: &Asker) {
        let level = Runlevel::shutdown();
        let Ok(services) = runlevels::services(&self.layout, &level) else {
            return;
        };
        let _ = self.state.set_runlevel(&level);
        let ids = self.ids(services);
        self.machine.start(&ids);
        self.remember(asker);
    }

    fn now(&self) -> Millis {
        Millis::try_from(self.clock.elapsed().as_millis()).unwrap_or(Millis::MAX)
    }

    /// How long the engine can be left alone.
    pub fn patience(&self) -> Option<Duration> {
        let next = self
            .machine
            .next_deadline()
            .into_iter()
            .chain([self.rotate_at])
            .min()?;
        Some(Duration::from_millis(next.saturating_sub(self.now())))
    }

    /// Does what can be done now.
    pub fn pump(&mut self) {
        if self.now() >= self.rotate_at {
            crate::log::rotate(&crate::log::folder(&self.layout));
            self.rotate_at = self.now() + LOGS_EVERY;
        }
        loop {
            let now = self.now();
            let effects = self.machine.advance(now);
            let quiet = effects.is_empty();
            self.carry_out(effects);
            for name in std::mem::take(&mut self.again) {
                match self.id(&name) {
                    Ok(id) if self.machine.is_pending(id) => self.again.push(name),
                    Ok(id) => self.machine.start_alone(id),
                    Err(_) => {}
                }
            }
            if quiet {
                break;
            }
        }
        let machine = &self.machine;
        let again = &self.again;
        let moves = |name: &ServiceName| {
            again.contains(name)
                || machine
                    .graph()
                    .id(name)
                    .is_some_and(|id| machine.is_pending(id))
        };
        self.askers.retain(|name, _| moves(name));
        self.restarting.retain(moves);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            let (Effect::Run(id, _)
            | Effect::Kill(id, _)
            | Effect::Mark(id, _)
            | Effect::Tell(id, ..)) = &effect;
            let Some(name) = self.machine.graph().name(*id).cloned() else {
                continue;
            };
            let asker = self.askers.get(&name).cloned().unwrap_or_default();
            match effect {
                Effect::Run(_, action) => self.run(&name, action, &asker),
                Effect::Kill(_, hard) => self.kill(&name, hard),
                Effect::Mark(_, current) => {
                    if let Err(error) = self.state.mark(&name, current) {
                        say(&asker, Level::Error, &error.to_string());
                    }
                }
                Effect::Tell(_, action, reason) => {
                    let verb = if action == Action::Start {
                        "start"
                    } else {
                        "stop"
                    };
                    let text = format!("{name} failed to {verb}: {reason}");
                    let log = crate::log::path(&self.layout, &name);
                    crate::log::append(&log, format!("{text}\n").as_bytes());
                    let why = match action {
                        Action::Start => reason.to_string(),
                        Action::Stop => format!("it was to be stopped: {reason}"),
                    };
                    if let Err(error) = self.state.set_why(&name, &why) {
                        say(&asker, Level::Error, &error.to_string());
                    }
                    say(&asker, Level::Error, &format!("ERROR: {text}"));
                }
            }
        }
    }

    fn run(&mut self, name: &ServiceName, action: Action, asker: &Asker) {
        let layout = self.layout.clone();
        let around = Surroundings {
            restarting: self.restarting.contains(name),
            ..asker.around.clone()
        };
        let verb = if action == Action::Start {
            "start"
        } else {
            "stop"
        };
        let forked = process::fork(|| {
            init::forget_crash_handler();
            process::unblock_signals();
            process::reset_sigpipe();
            let _ = process::set_group(0, 0);
            process::umask(0o022);
            if let Some(stdio) = &asker.stdio {
                let [input, output, error] = &stdio.0;
                if init::set_stdio(input.as_fd(), output.as_fd(), error.as_fd()).is_err() {
                    return 1;
                }
            }
            // What this process does with its descriptors is no business of services.
            init::close_from(3);
            let _ = rustix::process::chdir("/");
            script::run(&layout, name, verb, &around)
        });
        match forked {
            Ok(pid) => {
                let pidfd =
                    Pid::from_raw(pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
                self.jobs.insert(
                    pid,
                    Job {
                        service: name.clone(),
                        action,
                        late: false,
                        swept: false,
                        pidfd,
                    },
                );
            }
            Err(error) => {
                say(asker, Level::Error, &format!("{name}: {error}"));
                // Where there is no room for a process, as a fork bomb leaves none, its group can still be ended.
                let group = Cgroup::of(&self.layout, name)
                    .filter(|group| action == Action::Stop && group.exists());
                let outcome = match group.is_some_and(|group| group.kill()) {
                    true => Outcome::Done,
                    false => Outcome::NotRun,
                };
                self.finished(name, outcome);
            }
        }
    }

    fn kill(&mut self, name: &ServiceName, hard: bool) {
        let group = Cgroup::of(&self.layout, name).filter(|group| hard && group.exists());
        let swept = group.is_some_and(|group| group.kill());
        for (pid, job) in self.jobs.iter_mut().filter(|(_, job)| job.service == *name) {
            job.late = true;
            job.swept |= swept;
            let signal = if hard { 9 } else { 15 };
            // The script and what it runs; where the group is not there yet, the script.
            if process::kill(-pid, signal).is_err() {
                let _ = process::kill(*pid, signal);
            }
        }
    }

    fn finished(&mut self, name: &ServiceName, outcome: Outcome) {
        if let Some(id) = self.machine.graph().id(name) {
            let effects = self.machine.finished(id, outcome);
            self.carry_out(effects);
        }
    }

    /// A child ended. `false`: it was none of these.
    pub fn reaped(&mut self, pid: process::Pid, status: Status) -> bool {
        let Some(job) = self.jobs.remove(&pid) else {
            return false;
        };
        if job.late && job.action == Action::Start {
            // It did not get to end what it had started.
            if let Some(group) = Cgroup::of(&self.layout, &job.service) {
                group.kill();
            }
        }
        let outcome = match status.code() {
            // A stop that took too long, and was then done the hard way.
            _ if job.swept && job.action == Action::Stop => Outcome::Done,
            0 if self.state.read(&job.service) == Current::Inactive => Outcome::Inactive,
            0 => Outcome::Done,
            code => Outcome::Failed(code),
        };
        self.finished(&job.service, outcome);
        true
    }

    /// Pumps until nothing is left to do. For a process that has no loop of its own.
    pub fn run_until_idle(&mut self) {
        loop {
            self.pump();
            if self.is_idle() {
                return;
            }
            {
                let mut fds: Vec<PollFd<'_>> = self
                    .jobs
                    .values()
                    .filter_map(|job| job.pidfd.as_ref())
                    .map(|fd| PollFd::new(fd, PollFlags::IN))
                    .collect();
                let blind = self.jobs.values().any(|job| job.pidfd.is_none());
                let mut patience = self.patience();
                if blind {
                    patience = Some(
                        patience
                            .unwrap_or(Duration::MAX)
                            .min(Duration::from_millis(100)),
                    );
                }
                let time = patience.map(timespec);
                // An interruption only makes the round begin anew.
                let _ = poll(&mut fds, time.as_ref());
            }
            for pid in self.jobs.keys().copied().collect::<Vec<_>>() {
                if let Ok(Some((pid, status))) = process::wait(Which::One(pid), false, false) {
                    self.reaped(pid, status);
                }
            }
        }
    }

    /// Whether anything is on its way that this asker asked for.
    pub fn works_for(&self, stdio: &Rc<Stdio>) -> bool {
        self.askers.values().any(|asker| {
            asker
                .stdio
                .as_ref()
                .is_some_and(|other| Rc::ptr_eq(other, stdio))
        })
    }

    /// Whether a goal was reached; `None`: it is on its way.
    pub fn reached(&self, goal: &Goal) -> Option<bool> {
        let of = |name: &ServiceName, good: &[Current]| {
            let Some(id) = self.machine.graph().id(name) else {
                return Some(false);
            };
            if self.machine.is_pending(id) || self.again.contains(name) {
                return None;
            }
            Some(good.contains(&self.machine.current(id)))
        };
        match goal {
            Goal::Start(name, _) | Goal::Restart(name, _) => {
                of(name, &[Current::Started, Current::Inactive])
            }
            Goal::Stop(name, _) => of(name, &[Current::Stopped, Current::Failed]),
            Goal::Zap(_) => Some(true),
            Goal::Level(..) => self.is_idle().then_some(true),
        }
    }
}

/// A duration as poll(2) wants it.
pub fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}

/// Whether this process has a terminal to talk to.
pub fn has_terminal() -> bool {
    tty::is_terminal(1)
}

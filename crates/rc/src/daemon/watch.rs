//! The loop of a supervisor: a daemon that runs, is checked, and is started again when it ends.

use super::launch::Launch;
use super::notify::{Heard, Waiter};
use super::schedule::Step;
use super::start_stop::take_step;
use super::supervisor::{Next, Supervisor};
use crate::machine::{Current, Millis};
use crate::name::ServiceName;
use crate::script::{self, Surroundings};
use crate::state::State;
use rustix::event::{PollFd, PollFlags, poll};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};
use sys::{init, process};

const SIGTERM: i32 = 15;
const SIGCHLD: i32 = 17;
/// Signals that the daemon gets in place of its supervisor.
const HANDED_ON: [i32; 4] = [1, 2, 10, 12];

/// How a daemon's health is looked after.
#[derive(Clone, Copy, Debug, Default)]
pub struct Checks {
    /// How often the script's `healthcheck` is called; 0: never.
    pub every: Millis,
    /// When it is called first, behind a start. Not said: as often.
    pub delay: Option<Millis>,
}

/// A daemon that is watched.
pub struct Watch<'a> {
    launch: Launch,
    supervisor: Supervisor,
    checks: Checks,
    stop: &'a [Step],
    name: &'a ServiceName,
    state: &'a State,
    clock: Instant,
    child: Option<process::Pid>,
    start_at: Option<Millis>,
    check_at: Option<Millis>,
    /// The process that runs `healthcheck`.
    checking: Option<process::Pid>,
}

impl<'a> Watch<'a> {
    /// Nothing is started yet.
    pub fn new(
        launch: Launch,
        supervisor: Supervisor,
        checks: Checks,
        stop: &'a [Step],
        name: &'a ServiceName,
        state: &'a State,
    ) -> Watch<'a> {
        Watch {
            launch,
            supervisor,
            checks,
            stop,
            name,
            state,
            clock: Instant::now(),
            child: None,
            start_at: None,
            check_at: None,
            checking: None,
        }
    }

    fn now(&self) -> Millis {
        Millis::try_from(self.clock.elapsed().as_millis()).unwrap_or(Millis::MAX)
    }

    fn log(&self, text: &str) {
        let path = crate::log::path(self.state.layout(), self.name);
        crate::log::append(&path, format!("supervise-daemon: {text}\n").as_bytes());
    }

    /// What rc-status shows of it. Values are lost with the service, so one that cannot be kept is no failure.
    fn note(&self) {
        let values = [
            (&b"child_pid"[..], self.child.unwrap_or(0).to_string()),
            (b"respawn_count", self.supervisor.restarts().to_string()),
            (b"start_time", crate::log::seconds().to_string()),
        ];
        for (key, value) in values {
            if let Ok(key) = ServiceName::parse(key) {
                let _ = self.state.set_value(self.name, &key, value.as_bytes());
            }
        }
    }

    fn plan_check(&mut self) {
        let delay = self.checks.delay.unwrap_or(self.checks.every);
        self.check_at = (self.checks.every > 0).then(|| self.now().saturating_add(delay));
    }

    /// Runs until it is told to stop, or the daemon has failed too often. What the start leads to is told on `tell`:
    /// `ok`, or what went wrong. Returns the status.
    pub fn run(mut self, tell: i32) -> i32 {
        let mut signals = vec![SIGCHLD, SIGTERM];
        signals.extend(HANDED_ON);
        let Ok(inbox) = init::SignalFd::new(&signals) else {
            return 1;
        };
        let waiter = match self.launch.clone().spawn_heard() {
            Ok((pid, waiter)) => {
                self.child = Some(pid);
                waiter
            }
            Err(error) => {
                let _ = process::write_all(tell, error.to_string().as_bytes());
                return 1;
            }
        };
        if let Some(waiter) = waiter
            && let Err(why) = self.wait_ready(&waiter, &inbox)
        {
            let _ = process::write_all(tell, why.as_bytes());
            self.end_daemon();
            return 1;
        }
        self.note();
        let _ = process::write_all(tell, b"ok");
        let _ = process::close(tell);
        let_go_of_terminal();
        self.plan_check();
        loop {
            let next = [self.start_at, self.check_at].into_iter().flatten().min();
            let rest = next.map(|at| Duration::from_millis(at.saturating_sub(self.now())));
            let time = rest.map(crate::engine::timespec);
            let _ = poll(&mut [PollFd::new(&inbox, PollFlags::IN)], time.as_ref());
            while let Some(signal) = inbox.next() {
                match (signal, self.child) {
                    (SIGTERM, _) => {
                        self.end_check();
                        return i32::from(!self.end_daemon());
                    }
                    (SIGCHLD, _) => {}
                    (other, Some(pid)) => {
                        let _ = process::kill(pid, other);
                    }
                    (_, None) => {}
                }
            }
            if !self.reap() || !self.start_if_due() {
                let _ = self.state.mark(self.name, Current::Failed);
                let _ = self.state.set_why(self.name, "its daemon ended too often");
                self.log("the daemon ended too often: given up");
                self.end_check();
                return 1;
            }
            self.check_if_due();
        }
    }

    /// Waits for the daemon's first word. Signals are dealt with meanwhile.
    fn wait_ready(&mut self, waiter: &Waiter, inbox: &init::SignalFd) -> Result<(), String> {
        let early = || Err("the daemon ended before it was ready".to_owned());
        loop {
            match waiter.heard() {
                Heard::Ready => return Ok(()),
                Heard::Gone => return early(),
                Heard::Nothing => {}
            }
            let mut fds = [
                PollFd::new(inbox, PollFlags::IN),
                PollFd::new(waiter, PollFlags::IN),
            ];
            let _ = poll(&mut fds, None);
            while let Some(signal) = inbox.next() {
                if signal == SIGTERM {
                    return Err("stopped before the daemon was ready".into());
                }
            }
            while let Ok(Some((pid, _))) = process::wait(process::Which::Any, false, false) {
                if self.child == Some(pid) {
                    self.child = None;
                    // It may have said so and ended at once; then it is started again like any other.
                    return early();
                }
            }
        }
    }

    /// Ends the daemon by the schedule. Says whether it is gone.
    fn end_daemon(&mut self) -> bool {
        let mut left: Vec<process::Pid> = self.child.take().into_iter().collect();
        for step in self.stop {
            if take_step(*step, &mut left).is_err() || left.is_empty() {
                break;
            }
        }
        left.is_empty()
    }

    fn end_check(&mut self) {
        if let Some(pid) = self.checking.take() {
            let _ = process::kill(-pid, 9);
        }
    }

    /// Takes note of who ended. `false`: the daemon has done so too often.
    fn reap(&mut self) -> bool {
        while let Ok(Some((pid, status))) = process::wait(process::Which::Any, false, false) {
            if self.checking == Some(pid) {
                self.checking = None;
                if status.code() != 0 {
                    self.unhealthy();
                }
            } else if self.child == Some(pid) {
                self.child = None;
                self.check_at = None;
                self.log(&format!("the daemon ended with status {}", status.code()));
                if !self.failed() {
                    return false;
                }
            }
        }
        true
    }

    fn failed(&mut self) -> bool {
        match self.supervisor.ended(self.now()) {
            Next::StartAt(time) => {
                self.start_at = Some(time);
                true
            }
            Next::GiveUp => false,
        }
    }

    fn start_if_due(&mut self) -> bool {
        if self.start_at.is_none_or(|at| at > self.now()) {
            return true;
        }
        self.start_at = None;
        match self.launch.clone().spawn() {
            Ok(pid) => {
                self.supervisor.started(self.now());
                self.child = Some(pid);
                self.note();
                self.plan_check();
                true
            }
            // It may be that memory or processes have run out for the moment.
            Err(error) => {
                self.log(&error.to_string());
                self.failed()
            }
        }
    }

    /// Runs a function of the script in a process of its own.
    fn call(&self, function: &'static str) -> Option<process::Pid> {
        process::fork(|| {
            process::unblock_signals();
            let _ = process::set_group(0, 0);
            let around = Surroundings {
                quiet: true,
                ..Surroundings::default()
            };
            script::run(self.state.layout(), self.name, function, &around)
        })
        .ok()
    }

    fn check_if_due(&mut self) {
        if self.check_at.is_none_or(|at| at > self.now()) {
            return;
        }
        self.check_at = Some(self.now().saturating_add(self.checks.every));
        if self.checking.is_some() {
            // It has had all the time until now.
            self.log("healthcheck took too long");
            self.end_check();
            self.unhealthy();
        } else if self.child.is_some() {
            self.checking = self.call("healthcheck");
        }
    }

    /// The script is told, and the daemon started again.
    fn unhealthy(&mut self) {
        if self.child.is_none() {
            return;
        }
        self.log("the daemon is not healthy: it is started again");
        if let Some(pid) = self.call("unhealthy") {
            let patience = Duration::from_millis(self.checks.every.clamp(1_000, 60_000));
            if !super::wait_gone(pid, patience) {
                let _ = process::kill(-pid, 9);
            }
        }
        self.check_at = None;
        self.end_daemon();
        self.start_at = Some(self.now());
    }
}

/// Gives up this process' own input and output: it will be there for long.
fn let_go_of_terminal() {
    if let Ok(null) = std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
    {
        let _ = init::set_stdio(null.as_fd(), null.as_fd(), null.as_fd());
    }
    let _ = rustix::process::chdir("/");
}

//! PID 1: brings the system up by `/etc/inittab`, holds the services, answers on its socket, and takes it down.
//!
//! One loop on signals, the socket and its clients, and deadlines. `openrc LEVEL` in the inittab is done by PID 1
//! itself; everything that may go wrong inside a script happens in children.
//!
//! *Invariant:* PID 1 does not end. A panic, a fault or an abort runs the program again with `--recover`, which finds
//! services and terminals as they are; so does an upgrade.

pub mod down;
pub mod inittab;
pub mod recovery;
pub mod setup;
pub mod terminals;

use crate::control::{self, Listener, Power, Request};
use crate::engine::{Asker, Engine, Goal, Stdio, timespec};
use crate::layout::Layout;
use crate::message::{Level, Style};
use crate::name::Runlevel;
use crate::script::Surroundings;
use crate::state::State;
use down::Down;
use inittab::{Action, Entry};
use rustix::event::{PollFd, PollFlags, poll};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};
use sys::init::{self as os, SignalFd};
use sys::process::{self, Which};
use terminals::Terminals;

const SIGHUP: i32 = 1;
const SIGINT: i32 = 2;
const SIGQUIT: i32 = 3;
const SIGUSR1: i32 = 10;
const SIGUSR2: i32 = 12;
const SIGTERM: i32 = 15;
const SIGCHLD: i32 = 17;
const SIGPWR: i32 = 30;

/// How long the terminals wait for the services of the last level. What takes longer goes on behind the login.
const PATIENCE_FOR_LOGIN: Duration = Duration::from_secs(3);

/// Who asked, while the answer is due.
struct Client {
    fd: OwnedFd,
    goal: Option<Goal>,
    stdio: Option<Rc<Stdio>>,
}

/// What the way up consists of.
#[derive(Clone, Debug)]
enum Step {
    /// The package manager finishes what it was interrupted at.
    Recover,
    Level(Runlevel),
    Run(Entry),
}

/// Where a boot stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    Nothing,
    ForServices,
    ForProcess(process::Pid),
}

struct Init {
    layout: Layout,
    engine: Engine,
    listener: Option<Listener>,
    clients: Vec<Client>,
    steps: VecDeque<Step>,
    waiting: Waiting,
    since: Instant,
    entries: Vec<Entry>,
    terminals: Terminals,
    down: Option<Down>,
}

fn say(level: Level, text: &str) {
    Style::from_environment().say(level, text);
}

/// The command. As process 1 it is the init and does not return; otherwise it asks the one that runs.
pub fn main(layout: &Layout, arguments: &[OsString]) -> i32 {
    if std::process::id() != 1 {
        return ask(layout, arguments);
    }
    let recover = arguments.get(1).is_some_and(|word| word == "--recover");
    be_init(layout.clone(), recover, arguments)
}

/// `init 0`, `init 6`, `init q`, `init u`, as telinit(8) has them, and `init LEVEL`.
fn ask(layout: &Layout, arguments: &[OsString]) -> i32 {
    let word = arguments
        .get(1)
        .map(|word| word.to_string_lossy().into_owned())
        .unwrap_or_default();
    let request = match word.as_str() {
        "0" => Request::Power(Power::Off),
        "6" => Request::Power(Power::Reboot),
        "q" | "Q" => Request::Reload,
        "u" | "U" => Request::Renew,
        "s" | "S" | "1" => match Runlevel::parse(b"single") {
            Ok(level) => Request::Goal(Goal::Level(level, false), control::Flags::default()),
            Err(error) => return crate::commands::fail("init", &error),
        },
        _ => {
            return crate::commands::fail(
                "init",
                &"this is for process 1; 0, 6, q, u and s are told to the one that runs",
            );
        }
    };
    match control::ask(&layout.socket(), &request) {
        Ok(done) => i32::from(!done),
        Err(error) => crate::commands::fail("init", &error),
    }
}

fn be_init(layout: Layout, recover: bool, arguments: &[OsString]) -> i32 {
    let signals = [
        SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGTERM, SIGCHLD, SIGPWR,
    ];
    let inbox = loop {
        match SignalFd::new(&signals) {
            Ok(inbox) => break inbox,
            // Without memory at this moment there may be some at the next.
            Err(_) => std::thread::sleep(Duration::from_secs(1)),
        }
    };
    setup::prepare(recover);
    // The handler only needs a name that is there; a panic ends in an abort, which it catches.
    let program = Path::new("/sbin/init");
    if let Err(error) = os::on_crash_exec(program, "init", "--recover") {
        say(Level::Error, &format!("init: {error}"));
    }
    if recover {
        say(Level::Warn, "init: started again; services go on");
    }
    let mut init = Init::new(layout, recover, arguments);
    loop {
        init.turn(&inbox);
    }
}

impl Init {
    fn new(layout: Layout, recover: bool, arguments: &[OsString]) -> Init {
        let entries = inittab::load(&layout.path("/etc/inittab"));
        let engine = Engine::load(layout.clone());
        let mut init = Init {
            listener: None,
            clients: Vec::new(),
            steps: VecDeque::new(),
            waiting: Waiting::Nothing,
            since: Instant::now(),
            terminals: Terminals::new(&layout),
            entries,
            down: None,
            engine,
            layout,
        };
        init.listen();
        let level = State::new(&init.layout).runlevel();
        match level.filter(|_| recover) {
            Some(level) => {
                init.terminals.recover();
                init.steps.push_back(Step::Level(level));
            }
            None => init.plan_boot(&setup::boot_level(arguments)),
        }
        init
    }

    fn listen(&mut self) {
        match Listener::new(&self.layout.socket()) {
            Ok(listener) => self.listener = Some(listener),
            Err(error) => say(
                Level::Error,
                &format!("{}: {error}", self.layout.socket().display()),
            ),
        }
    }

    /// The steps of the way up: what the inittab says, with the level asked for in the place of `default`.
    fn plan_boot(&mut self, wanted: &Runlevel) {
        if recovery::is_pending(&self.layout) {
            self.steps.push_back(Step::Recover);
        }
        for action in [Action::Sysinit, Action::Boot, Action::Wait, Action::Once] {
            for entry in self.entries.iter().filter(|entry| entry.action == action) {
                let step = match inittab::level_of(entry) {
                    Some(level) if level == Runlevel::default_level() => {
                        Step::Level(wanted.clone())
                    }
                    Some(level) => Step::Level(level),
                    None => Step::Run(entry.clone()),
                };
                self.steps.push_back(step);
            }
        }
    }

    /// One turn of the loop: whatever happened is dealt with, and what can be done is done; then it waits.
    fn turn(&mut self, inbox: &SignalFd) {
        self.engine.pump();
        self.climb();
        self.answer_clients();
        self.terminals.tend(&self.entries, self.is_up());
        self.descend();
        let readable = self.wait(inbox);
        while let Some(signal) = inbox.next() {
            self.signal(signal);
        }
        self.reap();
        if readable {
            self.read_clients();
        }
    }

    fn wait(&self, inbox: &SignalFd) -> bool {
        let mut patience = [self.engine.patience(), self.terminals.patience()]
            .into_iter()
            .flatten()
            .min();
        if self.waiting == Waiting::ForServices && self.steps.is_empty() && !self.is_up() {
            let rest = PATIENCE_FOR_LOGIN.saturating_sub(self.since.elapsed());
            patience = Some(patience.map_or(rest, |patience| patience.min(rest)));
        }
        let mut fds = vec![PollFd::new(inbox, PollFlags::IN)];
        if let Some(listener) = &self.listener {
            fds.push(PollFd::new(listener, PollFlags::IN));
        }
        fds.extend(
            self.clients
                .iter()
                .map(|client| PollFd::new(&client.fd, PollFlags::IN)),
        );
        // An interruption or a failure only makes the turn begin anew.
        let _ = poll(&mut fds, patience.map(timespec).as_ref());
        fds.iter().skip(1).any(|fd| !fd.revents().is_empty())
    }

    /// Whether terminals may be there.
    fn is_up(&self) -> bool {
        self.down.is_none()
            && self.steps.is_empty()
            && match self.waiting {
                Waiting::Nothing => true,
                Waiting::ForServices => self.since.elapsed() >= PATIENCE_FOR_LOGIN,
                Waiting::ForProcess(_) => false,
            }
    }

    /// Goes on with the boot.
    fn climb(&mut self) {
        loop {
            match self.waiting {
                Waiting::ForServices if !self.engine.is_idle() => return,
                Waiting::ForProcess(_) => return,
                _ => self.waiting = Waiting::Nothing,
            }
            if self.down.is_some() {
                self.steps.clear();
            }
            let Some(step) = self.steps.pop_front() else {
                return;
            };
            self.since = Instant::now();
            match step {
                Step::Level(level) => {
                    let asker = Asker {
                        stdio: None,
                        around: Surroundings {
                            together: true,
                            ..Surroundings::default()
                        },
                    };
                    match self.engine.ask(&Goal::Level(level, false), &asker) {
                        Ok(()) => self.waiting = Waiting::ForServices,
                        Err(error) => say(Level::Error, &format!("init: {error}")),
                    }
                    self.engine.pump();
                }
                Step::Recover => match recovery::spawn(&self.layout) {
                    Ok(pid) => self.waiting = Waiting::ForProcess(pid),
                    Err(error) => say(Level::Error, &format!("init: apk recover: {error}")),
                },
                Step::Run(entry) => match terminals::spawn(&entry) {
                    Ok(pid) if entry.action != Action::Once => {
                        self.waiting = Waiting::ForProcess(pid)
                    }
                    Ok(_) => {}
                    Err(error) => say(
                        Level::Error,
                        &format!("init: {}: {error}", entry.command.to_string_lossy()),
                    ),
                },
            }
        }
    }

    fn reap(&mut self) {
        while let Ok(Some((pid, status))) = process::wait(Which::Any, false, false) {
            if self.waiting == Waiting::ForProcess(pid) {
                self.waiting = Waiting::Nothing;
            }
            if !self.engine.reaped(pid, status) {
                self.terminals.reaped(pid);
            }
        }
    }

    fn signal(&mut self, signal: i32) {
        match signal {
            SIGUSR1 => self.go_down(Power::Halt),
            SIGUSR2 | SIGPWR => self.go_down(Power::Off),
            SIGTERM => self.go_down(Power::Reboot),
            SIGINT => match self
                .entries
                .iter()
                .find(|entry| entry.action == Action::CtrlAltDel)
            {
                Some(entry) => {
                    if let Err(error) = terminals::spawn(entry) {
                        say(
                            Level::Error,
                            &format!("init: {}: {error}", entry.command.to_string_lossy()),
                        );
                    }
                }
                None => self.go_down(Power::Reboot),
            },
            SIGHUP => self.reload(),
            SIGQUIT => self.renew(),
            _ => {}
        }
    }

    fn reload(&mut self) {
        self.entries = inittab::load(&self.layout.path("/etc/inittab"));
        self.terminals.forget_missing(&self.entries);
        // The socket may have gone with a /run that was mounted over.
        self.listen();
    }

    /// Runs the program anew, as it is on disk now.
    fn renew(&mut self) {
        if self.down.is_some() {
            return;
        }
        self.terminals.save();
        let words: Vec<OsString> = vec!["init".into(), "--recover".into()];
        let error = process::exec(Path::new("/sbin/init"), &words, &setup::environment());
        say(Level::Error, &format!("/sbin/init: {error}"));
    }

    fn read_clients(&mut self) {
        if let Some(listener) = &self.listener {
            while let Some(fd) = listener.accept() {
                if self.clients.len() < 64 {
                    self.clients.push(Client {
                        fd,
                        goal: None,
                        stdio: None,
                    });
                }
            }
        }
        for mut client in std::mem::take(&mut self.clients) {
            if client.goal.is_some() {
                // Its answer is due; it has nothing more to say. One that went away takes nothing with it.
                if control::receive(&client.fd).is_ok() {
                    self.clients.push(client);
                }
                continue;
            }
            match control::receive(&client.fd) {
                Ok(None) => self.clients.push(client),
                Err(error) => control::answer(&client.fd, &Err(error)),
                Ok(Some((request, stdio))) => {
                    client.stdio = stdio.map(Rc::new);
                    self.request(request, client);
                }
            }
        }
    }

    fn request(&mut self, request: Request, mut client: Client) {
        match request {
            Request::Power(power) => {
                control::answer(&client.fd, &Ok(true));
                self.go_down(power);
            }
            Request::Reload => {
                control::answer(&client.fd, &Ok(true));
                self.reload();
            }
            Request::Renew => {
                control::answer(&client.fd, &Ok(true));
                self.renew();
            }
            Request::Goal(goal, flags) => {
                let asker = Asker {
                    stdio: client.stdio.clone(),
                    around: flags.surroundings(),
                };
                match self.engine.ask(&goal, &asker) {
                    Ok(()) => {
                        client.goal = Some(goal);
                        self.clients.push(client);
                    }
                    Err(error) => control::answer(&client.fd, &Err(error.to_string())),
                }
            }
        }
    }

    fn answer_clients(&mut self) {
        let engine = &self.engine;
        self.clients.retain(|client| {
            let Some(goal) = &client.goal else {
                return true;
            };
            if client
                .stdio
                .as_ref()
                .is_some_and(|stdio| engine.works_for(stdio))
            {
                return true;
            }
            match engine.reached(goal) {
                Some(done) => {
                    control::answer(&client.fd, &Ok(done));
                    false
                }
                None => true,
            }
        });
    }

    fn go_down(&mut self, power: Power) {
        if self.down.is_some() {
            return;
        }
        let asker = down::asker(power);
        say(Level::Info, "The system is going down");
        self.down = Some(Down::new(power));
        self.steps.clear();
        self.waiting = Waiting::Nothing;
        self.engine.shut_down(&asker);
        self.engine.pump();
    }

    /// Goes on with the way down.
    fn descend(&mut self) {
        let Some(down) = &mut self.down else { return };
        if !self.engine.is_idle() {
            return;
        }
        if down.start_last() {
            self.engine.start_last(&down::asker(down.power()));
            self.engine.pump();
            if !self.engine.is_idle() {
                return;
            }
        }
        let power = down.power();
        for entry in self
            .entries
            .iter()
            .filter(|entry| entry.action == Action::Shutdown)
        {
            // `openrc shutdown` is what has just been done.
            if inittab::level_of(entry).is_none()
                && let Ok(pid) = terminals::spawn(entry)
            {
                let _ = crate::daemon::wait_gone(pid, Duration::from_secs(30));
            }
        }
        down::finish(power)
    }
}

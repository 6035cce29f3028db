//! The commands that the inittab keeps running: gettys, mostly.

use super::inittab::{Action, Entry};
use super::setup;
use crate::daemon::supervisor::{LONGEST, Next, Policy, Supervisor};
use crate::layout::Layout;
use crate::machine::Millis;
use rustix::fs::{Mode, OFlags};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use sys::{init, process};

/// One that ends at once is started again ever more slowly; one that ran for five seconds, at once.
const POLICY: Policy = Policy {
    delay: 50,
    step: None,
    cap: LONGEST,
    most: 0,
    period: 5_000,
};
/// How often a terminal that is not there is looked for.
const ABSENT: Millis = 10_000;

struct Terminal {
    entry: Entry,
    pid: Option<process::Pid>,
    start_at: Millis,
    supervisor: Supervisor,
}

/// All of them.
pub struct Terminals {
    list: Vec<Terminal>,
    clock: Instant,
    file: PathBuf,
    found: Vec<(process::Pid, Vec<u8>)>,
    active: bool,
}

impl Terminals {
    /// None yet.
    pub fn new(layout: &Layout) -> Terminals {
        let file = layout.state().join("terminals");
        Terminals {
            list: Vec::new(),
            clock: Instant::now(),
            file,
            found: Vec::new(),
            active: false,
        }
    }

    fn now(&self) -> Millis {
        Millis::try_from(self.clock.elapsed().as_millis()).unwrap_or(Millis::MAX)
    }

    /// Keeps who runs, for an init that is run anew.
    pub fn save(&self) {
        let mut text = Vec::new();
        for terminal in &self.list {
            if let Some(pid) = terminal.pid {
                text.extend_from_slice(format!("{pid} ").as_bytes());
                text.extend_from_slice(terminal.entry.command.as_bytes());
                text.push(b'\n');
            }
        }
        // Without it, an init that is run anew starts them a second time, and those end by themselves.
        let _ = fs::write(&self.file, text);
    }

    /// Takes over those that an init before this one started.
    pub fn recover(&mut self) {
        let text = fs::read(&self.file).unwrap_or_default();
        for line in text.split(|byte| *byte == b'\n') {
            let Some(space) = line.iter().position(|byte| *byte == b' ') else {
                continue;
            };
            let (pid, command) = line.split_at(space);
            let pid = std::str::from_utf8(pid)
                .ok()
                .and_then(|pid| pid.parse().ok());
            if let Some(pid) = pid.filter(|pid| crate::daemon::is_alive(*pid)) {
                self.found
                    .push((pid, command.get(1..).unwrap_or_default().to_vec()));
            }
        }
    }

    /// Lets go of those that are no longer in the inittab; they end when their users leave.
    pub fn forget_missing(&mut self, entries: &[Entry]) {
        self.list
            .retain(|terminal| entries.contains(&terminal.entry));
    }

    /// Starts what should run and does not. Unless `active`, nothing is started.
    pub fn tend(&mut self, entries: &[Entry], active: bool) {
        self.active = active;
        if !active {
            return;
        }
        let now = self.now();
        for entry in entries
            .iter()
            .filter(|entry| matches!(entry.action, Action::Respawn | Action::AskFirst))
        {
            if self.list.iter().any(|terminal| terminal.entry == *entry) {
                continue;
            }
            let known = self
                .found
                .iter()
                .position(|(_, command)| *command == entry.command.as_bytes());
            self.list.push(Terminal {
                entry: entry.clone(),
                pid: known.map(|at| self.found.swap_remove(at).0),
                start_at: now,
                supervisor: Supervisor::new(POLICY, now),
            });
        }
        let mut changed = false;
        for terminal in self
            .list
            .iter_mut()
            .filter(|terminal| terminal.pid.is_none() && terminal.start_at <= now)
        {
            let device = Path::new("/dev").join(&terminal.entry.terminal);
            if !terminal.entry.terminal.is_empty() && !device.exists() {
                terminal.start_at = now + ABSENT;
                continue;
            }
            match spawn(&terminal.entry) {
                Ok(pid) => {
                    terminal.pid = Some(pid);
                    terminal.supervisor.started(now);
                    changed = true;
                }
                Err(_) => terminal.start_at = now + ABSENT,
            }
        }
        if changed {
            self.save();
        }
    }

    /// A child ended that may be one of these.
    pub fn reaped(&mut self, pid: process::Pid) {
        let now = self.now();
        for terminal in self
            .list
            .iter_mut()
            .filter(|terminal| terminal.pid == Some(pid))
        {
            terminal.pid = None;
            terminal.start_at = match terminal.supervisor.ended(now) {
                Next::StartAt(time) => time,
                Next::GiveUp => now + ABSENT,
            };
        }
    }

    /// How long they can be left alone.
    pub fn patience(&self) -> Option<Duration> {
        if !self.active {
            return None;
        }
        let waiting = self.list.iter().filter(|terminal| terminal.pid.is_none());
        let next = waiting.map(|terminal| terminal.start_at).min()?;
        Some(Duration::from_millis(next.saturating_sub(self.now())))
    }
}

/// Words that only a shell understands.
const FOR_A_SHELL: &[u8] = b"~`!$^&*()=|\\{}[];\"'<>?";

/// The program and its arguments; a leading `-` makes it a login shell.
fn words(command: &[u8]) -> (PathBuf, Vec<OsString>) {
    let (login, plain) = match command.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, command),
    };
    let own = |word: &[u8]| OsStr::from_bytes(word).to_owned();
    let mut list: Vec<OsString> = if plain.iter().any(|byte| FOR_A_SHELL.contains(byte)) {
        vec![
            "/bin/sh".into(),
            "-c".into(),
            own(&[b"exec ", plain].concat()),
        ]
    } else {
        plain
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty())
            .map(own)
            .collect()
    };
    let program = list.first().map(PathBuf::from).unwrap_or_default();
    if login && let Some(first) = list.first_mut() {
        let name = program.file_name().unwrap_or_default().as_bytes();
        *first = OsString::from_vec([b"-", name].concat());
    }
    (program, list)
}

/// Runs a line's command on its terminal, in a session of its own.
pub fn spawn(entry: &Entry) -> io::Result<process::Pid> {
    process::fork(|| {
        init::forget_crash_handler();
        process::unblock_signals();
        process::reset_sigpipe();
        let _ = rustix::process::setsid();
        if !entry.terminal.is_empty() {
            let path = Path::new("/dev").join(&entry.terminal);
            match rustix::fs::open(&path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()) {
                Ok(fd) => {
                    let _ = init::set_stdio(fd.as_fd(), fd.as_fd(), fd.as_fd());
                }
                Err(_) => return 1,
            }
        }
        if matches!(entry.action, Action::Respawn | Action::AskFirst) {
            let _ = init::take_terminal(io::stdin().as_fd());
        }
        if entry.action == Action::AskFirst {
            let _ = process::write_all(1, b"\nPlease press Enter to activate this console. ");
            let mut byte = [0];
            while io::stdin().read(&mut byte).is_ok_and(|count| count == 1) && byte != *b"\n" {}
        }
        init::close_from(3);
        let (program, words) = words(entry.command.as_bytes());
        let error = process::exec(&program, &words, &setup::environment());
        let _ = process::write_all(
            2,
            format!("init: {}: {error}\n", program.display()).as_bytes(),
        );
        127
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_become_words() {
        assert_eq!(
            words(b"/sbin/getty -L  0 ttyS0"),
            (
                "/sbin/getty".into(),
                ["/sbin/getty", "-L", "0", "ttyS0"]
                    .map(OsString::from)
                    .into()
            )
        );
        assert_eq!(words(b"-/bin/sh"), ("/bin/sh".into(), vec!["-sh".into()]));
        assert_eq!(
            words(b"echo $HOME"),
            (
                "/bin/sh".into(),
                ["/bin/sh", "-c", "exec echo $HOME"]
                    .map(OsString::from)
                    .into()
            )
        );
        assert_eq!(words(b""), (PathBuf::new(), Vec::new()));
    }

    #[test]
    fn who_runs_survives_a_new_init() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        fs::create_dir_all(layout.state()).unwrap();
        let entry = Entry {
            terminal: OsString::new(),
            action: Action::Respawn,
            command: "/sbin/getty x".into(),
        };
        let mut terminals = Terminals::new(&layout);
        let me = std::process::id().cast_signed();
        terminals.list.push(Terminal {
            entry: entry.clone(),
            pid: Some(me),
            start_at: 0,
            supervisor: Supervisor::new(POLICY, 0),
        });
        terminals.save();
        let mut again = Terminals::new(&layout);
        again.recover();
        again.tend(&[entry], true);
        assert_eq!(again.list[0].pid, Some(me));
        again.reaped(me);
        assert!(again.patience().is_some());
    }
}

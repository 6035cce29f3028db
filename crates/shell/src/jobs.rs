//! Jobs (POSIX.1-2024, 2.11): process groups, the terminal handed to them and taken back, and what became of them.

use crate::exec::{Flow, Shell, libc_signal};
use std::ffi::OsStr;
use std::io;
use sys::process::{self, Status, Which};
use sys::tty;

/// What a process of a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Running,
    Stopped(i32),
    /// All of it ended; the last process like this.
    Ended(Status),
}

/// Processes that the user handles as one.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) number: usize,
    /// Their process group; 0: the shell's own.
    pub(crate) group: i32,
    processes: Vec<(i32, Option<Status>)>,
    pub(crate) text: Vec<u8>,
    /// What it does now was not told yet.
    pub(crate) news: bool,
    /// How it had the terminal when it stopped.
    settings: Option<tty::Settings>,
}

fn has_ended(status: Option<Status>) -> bool {
    matches!(status, Some(Status::Exited(_) | Status::Killed(..)))
}

impl Job {
    pub(crate) fn state(&self) -> State {
        let mut stopped = None;
        let mut last = Status::Exited(0);
        for (_, status) in &self.processes {
            match status {
                None | Some(Status::Continued) => return State::Running,
                Some(Status::Stopped(signal)) => stopped = Some(*signal),
                Some(status) => last = *status,
            }
        }
        match stopped {
            Some(signal) => State::Stopped(signal),
            None => State::Ended(last),
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.state(), State::Ended(_))
    }

    /// The process that the job is known by.
    pub(crate) fn pid(&self) -> i32 {
        self.processes.last().map_or(0, |(pid, _)| *pid)
    }

    /// A process of it that did not end yet.
    pub(crate) fn waiting(&self) -> i32 {
        let going = self
            .processes
            .iter()
            .find(|(_, status)| !has_ended(*status));
        going.map_or(0, |(pid, _)| *pid)
    }

    /// What a signal is sent to.
    pub(crate) fn target(&self) -> i32 {
        if self.group > 0 {
            -self.group
        } else {
            self.pid()
        }
    }

    pub(crate) fn set_running(&mut self) {
        for (_, status) in &mut self.processes {
            if matches!(status, Some(Status::Stopped(_))) {
                *status = None;
            }
        }
    }

    fn note(&mut self, pid: i32, status: Status) -> bool {
        let before = self.state();
        for process in &mut self.processes {
            if process.0 == pid {
                process.1 = Some(status);
            }
        }
        let now = self.state();
        self.news |= now != before;
        self.processes.iter().any(|process| process.0 == pid)
    }

    fn describe(&self) -> String {
        match self.state() {
            State::Running => "Running".to_owned(),
            State::Stopped(21) => "Stopped (tty input)".to_owned(),
            State::Stopped(22) => "Stopped (tty output)".to_owned(),
            State::Stopped(19) => "Stopped (signal)".to_owned(),
            State::Stopped(_) => "Stopped".to_owned(),
            State::Ended(Status::Exited(0)) => "Done".to_owned(),
            State::Ended(Status::Killed(signal, core)) => {
                let core = if core { " (core dumped)" } else { "" };
                format!("{}{core}", signal_text(signal))
            }
            State::Ended(status) => format!("Done({})", status.code()),
        }
    }
}

/// What ended a process, in words.
pub(crate) fn signal_text(signal: i32) -> &'static str {
    match signal {
        1 => "Hangup",
        libc_signal::INT => "Interrupt",
        libc_signal::QUIT => "Quit",
        4 => "Illegal instruction",
        5 => "Trace/breakpoint trap",
        6 => "Aborted",
        7 => "Bus error",
        8 => "Floating point exception",
        9 => "Killed",
        10 => "User defined signal 1",
        11 => "Segmentation fault",
        12 => "User defined signal 2",
        libc_signal::PIPE => "Broken pipe",
        14 => "Alarm clock",
        15 => "Terminated",
        16 => "Stack fault",
        24 => "CPU time limit exceeded",
        25 => "File size limit exceeded",
        26 => "Virtual timer expired",
        27 => "Profiling timer expired",
        29 => "I/O possible",
        30 => "Power failure",
        31 => "Bad system call",
        _ => "Killed by a signal",
    }
}

/// All jobs, and the terminal that they are handed.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    /// By number.
    pub(crate) list: Vec<Job>,
    /// Numbers: the last one is the current job.
    order: Vec<usize>,
    /// The controlling terminal, where there is one, and the group that it came with.
    terminal: Option<(i32, i32)>,
    /// The shell's own process group.
    group: i32,
    /// How the terminal was before the job in the foreground began.
    before: Option<tty::Settings>,
    /// The list is that of the shell that forked this one: `jobs` shows it, and no process in it is a child.
    inherited: bool,
    /// The user was told of stopped jobs when the shell was to end; by the last command or the one before.
    pub(crate) warned: u8,
}

impl Jobs {
    /// Adds a job, and makes it the current one.
    pub(crate) fn add(&mut self, mut job: Job) {
        self.disown();
        if job.number == 0 {
            job.number = self.list.last().map_or(1, |last| last.number + 1);
        }
        self.make_current(job.number);
        let at = self
            .list
            .iter()
            .position(|other| other.number > job.number)
            .unwrap_or(self.list.len());
        self.list.insert(at, job);
    }

    /// What a subshell has of its parent's jobs.
    pub(crate) fn inherited(&mut self) -> Jobs {
        Jobs {
            list: std::mem::take(&mut self.list),
            order: std::mem::take(&mut self.order),
            inherited: true,
            ..Jobs::default()
        }
    }

    /// Forgets jobs that are not this shell's own.
    pub(crate) fn disown(&mut self) {
        if std::mem::take(&mut self.inherited) {
            self.list.clear();
            self.order.clear();
        }
    }

    fn make_current(&mut self, number: usize) {
        self.order.retain(|other| *other != number);
        self.order.push(number);
    }

    pub(crate) fn remove(&mut self, at: usize) -> Option<Job> {
        if at >= self.list.len() {
            return None;
        }
        let job = self.list.remove(at);
        self.order.retain(|number| *number != job.number);
        Some(job)
    }

    pub(crate) fn forget(&mut self, mut which: impl FnMut(&Job) -> bool) {
        let mut at = 0;
        while let Some(job) = self.list.get(at) {
            if which(job) {
                self.remove(at);
            } else {
                at += 1;
            }
        }
    }

    /// The numbers of the current job and of the one before it: stopped ones first.
    fn current(&self) -> (Option<usize>, Option<usize>) {
        let stopped = |number: &&usize| {
            self.list
                .iter()
                .any(|job| job.number == **number && matches!(job.state(), State::Stopped(_)))
        };
        let mut all = self
            .order
            .iter()
            .rev()
            .filter(stopped)
            .chain(self.order.iter().rev().filter(|number| !stopped(number)));
        (all.next().copied(), all.next().copied())
    }

    /// The place of the job that `%…` means (POSIX.1-2024, 3.182); the error says why there is none.
    pub(crate) fn find(&self, word: &[u8]) -> Result<usize, &'static str> {
        let by_number = |wanted: Option<usize>| {
            self.list
                .iter()
                .position(|job| Some(job.number) == wanted)
                .ok_or("no such job")
        };
        match word {
            b"" | b"%" | b"+" => by_number(self.current().0),
            b"-" => by_number(self.current().1),
            [b'0'..=b'9', ..] => {
                let number = std::str::from_utf8(word).ok();
                by_number(number.and_then(|number| number.parse().ok()))
            }
            _ => {
                let mut found = self.list.iter().enumerate().filter(|(_, job)| match word {
                    [b'?', part @ ..] => job
                        .text
                        .windows(part.len().max(1))
                        .any(|window| window == part),
                    start => job.text.starts_with(start),
                });
                match (found.next(), found.next()) {
                    (Some((at, _)), None) => Ok(at),
                    (Some(_), Some(_)) => Err("ambiguous"),
                    _ => Err("no such job"),
                }
            }
        }
    }

    /// The line that tells of a job.
    pub(crate) fn line(&self, job: &Job, with_pid: bool) -> Vec<u8> {
        let (current, previous) = self.current();
        let mark = if Some(job.number) == current {
            '+'
        } else if Some(job.number) == previous {
            '-'
        } else {
            ' '
        };
        let mut line = format!("[{}]{mark}  ", job.number);
        if with_pid {
            line.push_str(&format!("{} ", job.pid()));
        }
        line.push_str(&job.describe());
        let mut line = format!("{line:<32} ").into_bytes();
        // One line for one job.
        line.extend(
            job.text
                .iter()
                .map(|byte| if *byte == b'\n' { b' ' } else { *byte }),
        );
        line.push(b'\n');
        line
    }

    /// Takes note of what became of children.
    pub(crate) fn poll(&mut self) {
        for job in &mut self.list {
            let pids: Vec<i32> = job
                .processes
                .iter()
                .filter(|(_, status)| !has_ended(*status))
                .map(|(pid, _)| *pid)
                .collect();
            for pid in pids {
                if let Ok(Some((_, status))) = process::wait(Which::One(pid), false, true) {
                    job.note(pid, status);
                }
            }
        }
    }

    /// Takes note of one child.
    pub(crate) fn note(&mut self, pid: i32, status: Status) -> Option<usize> {
        self.list.iter_mut().position(|job| job.note(pid, status))
    }

    pub(crate) fn by_pid(&self, pid: i32) -> Option<usize> {
        self.list
            .iter()
            .position(|job| job.processes.iter().any(|process| process.0 == pid))
    }
}

/// Where a forked process belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a job that has the terminal: the group, or 0 to found it.
    Foreground(i32),
    /// In a job that has not.
    Background,
}

impl Shell {
    /// Begins job control, as `set -m` does: `false`: there is no terminal for it, so that there are only groups.
    pub(crate) fn begin_job_control(&mut self) -> bool {
        self.options.monitor = true;
        if self.jobs.terminal.is_some() {
            return true;
        }
        let opened = process::open(OsStr::new("/dev/tty"), 2, 0).and_then(|fd| {
            let high = process::dup_above(fd, 10);
            process::close(fd)?;
            high
        });
        let Ok(terminal) = opened else {
            return false;
        };
        let own = rustix::process::getpgrp().as_raw_nonzero().get();
        // Until somebody puts the shell into the foreground, it stops.
        for _ in 0..100 {
            match tty::foreground(terminal) {
                Ok(group) if group == own => break,
                Ok(_) if process::is_ignored(21) => break,
                Ok(_) => {
                    let _ = process::kill(-own, 21);
                }
                Err(_) => {
                    let _ = process::close(terminal);
                    return false;
                }
            }
        }
        for signal in STOPPING {
            if !self.traps.contains_key(&signal) {
                let _ = process::set_signal(signal, process::Disposition::Ignore);
            }
        }
        // A session's leader has a group of its own already.
        let _ = process::set_group(0, 0);
        self.jobs.group = rustix::process::getpgrp().as_raw_nonzero().get();
        self.jobs.terminal = Some((terminal, own));
        let _ = tty::set_foreground(terminal, self.jobs.group);
        true
    }

    /// Ends it: the terminal is again that of the group that the shell was started in.
    pub(crate) fn end_job_control(&mut self) {
        self.options.monitor = false;
        if let Some((terminal, group)) = self.jobs.terminal.take() {
            let _ = tty::set_foreground(terminal, group);
            let _ = process::set_group(0, group);
            let _ = process::close(terminal);
            for signal in STOPPING {
                if !self.traps.contains_key(&signal) {
                    let _ = process::set_signal(signal, process::Disposition::Default);
                }
            }
        }
    }

    /// Forks a process of a job: where there is job control, it is put into its group, by both sides, because nobody
    /// knows which one runs first.
    pub(crate) fn fork_job(
        &mut self,
        place: Place,
        child: impl FnOnce(&mut Shell) -> i32,
    ) -> Result<i32, Flow> {
        if !self.options.monitor {
            return self.fork(child);
        }
        let terminal = self.jobs.terminal.map(|(terminal, _)| terminal);
        let (group, foreground) = match place {
            Place::Foreground(group) => (group, terminal),
            Place::Background => (0, None),
        };
        if let Some(terminal) = foreground.filter(|_| group == 0) {
            self.jobs.before = tty::settings(terminal).ok();
        }
        let prepare = || {
            let own = std::process::id().cast_signed();
            let group = if group == 0 { own } else { group };
            let _ = process::set_group(0, group);
            // Signals are held back, so that the one for those who do this from the background does no harm.
            if let Some(terminal) = foreground {
                let _ = tty::set_foreground(terminal, group);
            }
        };
        let pid = self.fork_prepared(prepare, child)?;
        let group = if group == 0 { pid } else { group };
        let _ = process::set_group(pid, group);
        if let Some(terminal) = foreground {
            let _ = tty::set_foreground(terminal, group);
        }
        Ok(pid)
    }

    /// A job out of processes that were forked with [`Shell::fork_job`].
    pub(crate) fn job(&self, pids: &[i32], text: Vec<u8>) -> Job {
        Job {
            number: 0,
            group: if self.options.monitor {
                pids.first().copied().unwrap_or(0)
            } else {
                0
            },
            processes: pids.iter().map(|pid| (*pid, None)).collect(),
            text,
            news: false,
            settings: None,
        }
    }

    /// Waits until the job in the foreground ends or stops, takes the terminal back, and returns the status of each of
    /// its processes.
    pub(crate) fn wait_foreground(&mut self, mut job: Job) -> Vec<i32> {
        let pids: Vec<i32> = job
            .processes
            .iter()
            .filter(|(_, status)| !has_ended(*status))
            .map(|(pid, _)| *pid)
            .collect();
        for pid in pids {
            loop {
                match process::wait(Which::One(pid), true, true) {
                    Ok(Some((_, status))) => {
                        job.note(pid, status);
                        break;
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    // It is no child any more.
                    Ok(None) | Err(_) => {
                        job.note(pid, Status::Exited(127));
                        break;
                    }
                }
            }
        }
        let codes = job
            .processes
            .iter()
            .map(|(_, status)| status.map_or(0, Status::code))
            .collect();
        let state = job.state();
        if let Some((terminal, _)) = self.jobs.terminal {
            if matches!(state, State::Stopped(_)) {
                job.settings = tty::settings(terminal).ok();
            }
            let _ = tty::set_foreground(terminal, self.jobs.group);
            // A program that ended by itself may have been `stty`.
            if !matches!(state, State::Ended(Status::Exited(_)))
                && let Some(before) = &self.jobs.before
            {
                before.restore();
            }
        }
        match state {
            State::Stopped(_) => {
                job.news = false;
                let number = job.number;
                self.jobs.add(job);
                let at = match number {
                    0 => self.jobs.find(b"+").ok(),
                    _ => self.jobs.list.iter().position(|job| job.number == number),
                };
                if let Some(job) = at.and_then(|at| self.jobs.list.get(at)) {
                    let line = [b"\n", self.jobs.line(job, false).as_slice()].concat();
                    let _ = process::write_all(2, &line);
                }
            }
            State::Ended(Status::Killed(libc_signal::INT, _)) => {
                // What the user interrupts is the whole command, loops and all.
                if self.traps.contains_key(&libc_signal::INT) {
                    let _ = process::write_all(2, b"\n");
                }
                let _ = process::kill(std::process::id().cast_signed(), libc_signal::INT);
            }
            State::Ended(Status::Killed(signal, core)) => self.tell_of_signal(signal, core),
            _ => {}
        }
        codes
    }

    /// Waits for a command of one process in the foreground, and returns its status.
    pub(crate) fn wait_for_job(&mut self, pid: i32, text: impl FnOnce() -> Vec<u8>) -> i32 {
        if !self.options.monitor {
            return self.wait_for(pid);
        }
        let job = self.job(&[pid], text());
        self.wait_foreground(job).last().copied().unwrap_or(0)
    }

    /// Goes on with a job, in the foreground (then its status is returned) or not.
    pub(crate) fn resume(&mut self, at: usize, foreground: bool) -> Option<i32> {
        if !foreground {
            let job = self.jobs.list.get_mut(at)?;
            job.set_running();
            let _ = process::kill(job.target(), 18);
            return Some(0);
        }
        let mut job = self.jobs.remove(at)?;
        if let Some((terminal, _)) = self.jobs.terminal {
            self.jobs.before = tty::settings(terminal).ok();
            if job.group > 0 {
                let _ = tty::set_foreground(terminal, job.group);
            }
            if let Some(settings) = job.settings.take() {
                settings.restore();
            }
        }
        job.set_running();
        let _ = process::kill(job.target(), 18);
        self.wait_foreground(job).last().copied()
    }

    /// Tells what became of jobs since it was told last, and forgets those that ended.
    pub(crate) fn tell_of_jobs(&mut self) -> bool {
        self.jobs.poll();
        let mut text = Vec::new();
        for job in &self.jobs.list {
            if job.news && job.state() != State::Running {
                text.extend(self.jobs.line(job, false));
            }
        }
        for job in &mut self.jobs.list {
            job.news = false;
        }
        self.jobs.forget(Job::has_ended);
        if !text.is_empty() {
            let _ = process::write_all(2, &text);
        }
        !text.is_empty()
    }

    /// Whether the shell must not end yet: jobs are stopped, and the user was not told of them.
    pub(crate) fn must_stay(&mut self) -> bool {
        if !self.options.interactive || self.jobs.warned > 0 {
            return false;
        }
        self.jobs.poll();
        let stopped = |job: &Job| matches!(job.state(), State::Stopped(_));
        if !self.jobs.list.iter().any(stopped) {
            return false;
        }
        let _ = process::write_all(2, b"You have stopped jobs.\n");
        self.jobs.warned = 2;
        true
    }
}

/// TSTP, TTIN, TTOU: what stops jobs must not stop the shell that handles them.
pub(crate) const STOPPING: [i32; 3] = [20, 21, 22];

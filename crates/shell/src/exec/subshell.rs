//! Subshells, pipelines, background commands and command substitution: what needs another process, and the signals
//! that come meanwhile.

use super::{Flow, Shell, libc_signal, strerror};
use crate::ast::{AndOr, List, Redirected};
use crate::jobs::{Place, STOPPING, signal_text};
use std::ffi::OsStr;
use std::io;
use sys::process::{self, Status, Which};

impl Shell {
    pub(crate) fn background(&mut self, and_or: &AndOr) -> Result<(), Flow> {
        let inner = AndOr {
            background: false,
            ..and_or.clone()
        };
        let monitor = self.options.monitor;
        let pid = self.fork_job(Place::Background, |shell| {
            if !monitor {
                for signal in [libc_signal::INT, libc_signal::QUIT] {
                    let _ = process::set_signal(signal, process::Disposition::Ignore);
                }
                if let Ok(null) = process::open(OsStr::new("/dev/null"), 0, 0) {
                    let _ = process::dup2(null, 0);
                }
            }
            shell.run_to_exit(|shell| shell.last_and_or(&inner))
        })?;
        self.last_background = Some(pid);
        let text = crate::show::and_or(and_or);
        let job = self.job(&[pid], text);
        self.jobs.add(job);
        self.status = 0;
        Ok(())
    }

    pub(crate) fn pipe(&mut self, commands: &[Redirected]) -> Result<(), Flow> {
        let mut pids = Vec::new();
        let mut input: Option<i32> = None;
        for (number, command) in commands.iter().enumerate() {
            let last = number + 1 == commands.len();
            let ends = if last {
                None
            } else {
                match process::pipe() {
                    Ok(ends) => Some(ends),
                    Err(error) => {
                        return Err(self.fail(&format!("cannot make a pipe: {}", strerror(&error))));
                    }
                }
            };
            let group = pids.first().copied().unwrap_or(0);
            let pid = self.fork_job(Place::Foreground(group), |shell| {
                if let Some(input) = input {
                    let _ = process::dup2(input, 0);
                    let _ = process::close(input);
                }
                if let Some((next, output)) = ends {
                    let _ = process::dup2(output, 1);
                    let _ = process::close(output);
                    let _ = process::close(next);
                }
                shell.run_to_exit(|shell| {
                    shell.may_exec = true;
                    shell.command(command)
                })
            })?;
            pids.push(pid);
            if let Some(input) = input.take() {
                let _ = process::close(input);
            }
            if let Some((read_end, write_end)) = ends {
                let _ = process::close(write_end);
                input = Some(read_end);
            }
        }
        let statuses = if self.options.monitor {
            let job = self.job(&pids, crate::show::commands(commands));
            self.wait_foreground(job)
        } else {
            pids.iter().map(|pid| self.wait_for(*pid)).collect()
        };
        let last = statuses.last().copied().unwrap_or(0);
        self.status = if self.options.pipe_fail {
            statuses
                .iter()
                .rev()
                .copied()
                .find(|status| *status != 0)
                .unwrap_or(0)
        } else {
            last
        };
        Ok(())
    }

    /// Forks a subshell.
    pub(crate) fn fork(&mut self, child: impl FnOnce(&mut Shell) -> i32) -> Result<i32, Flow> {
        self.fork_prepared(|| {}, child)
    }

    /// [`Shell::fork`]; `prepare` is the first thing that the child does.
    pub(crate) fn fork_prepared(
        &mut self,
        prepare: impl FnOnce(),
        child: impl FnOnce(&mut Shell) -> i32,
    ) -> Result<i32, Flow> {
        let controls = self.options.interactive || self.options.monitor;
        if controls {
            // The child shows these jobs (`jobs | grep …`), and cannot ask for what they do.
            self.jobs.poll();
        }
        // A signal that comes before the child does with it what programs do would be lost.
        let held = controls.then(process::hold_signals);
        let forked = process::fork(|| {
            prepare();
            self.become_subshell();
            if let Some(held) = held {
                held.release();
            }
            child(self)
        });
        if let Some(held) = held {
            held.release();
        }
        forked.map_err(|error| self.fail(&format!("cannot fork: {}", strerror(&error))))
    }

    pub(crate) fn become_subshell(&mut self) {
        self.is_subshell = true;
        // What the shell at a terminal ignores or catches for its own sake is not for others.
        if self.options.interactive {
            for signal in [libc_signal::INT, libc_signal::QUIT, 15, 28] {
                self.default_signal(signal);
            }
        }
        if self.options.monitor {
            for signal in STOPPING {
                self.default_signal(signal);
            }
        }
        self.options.interactive = false;
        self.options.monitor = false;
        self.jobs = self.jobs.inherited();
        self.capture = None;
        self.may_exec = false;
        self.shown_traps.clone_from(&self.traps);
        let caught: Vec<i32> = self
            .traps
            .iter()
            .filter(|(_, action)| !action.is_empty())
            .map(|(s, _)| *s)
            .collect();
        for signal in caught {
            self.traps.remove(&signal);
            if signal > 0 {
                let _ = process::set_signal(signal, process::Disposition::Default);
            }
        }
    }

    fn default_signal(&self, signal: i32) {
        if !self.traps.contains_key(&signal) {
            let _ = process::set_signal(signal, process::Disposition::Default);
        }
    }

    /// Runs something to its end in a process of its own, and returns the status to exit with.
    pub(crate) fn run_to_exit(&mut self, body: impl FnOnce(&mut Shell) -> Result<(), Flow>) -> i32 {
        let result = body(self);
        let status = match result {
            Err(Flow::Exit(status) | Flow::Abort(status) | Flow::Return(status)) => status,
            _ => self.status,
        };
        self.status = status;
        self.exit_trap()
    }

    /// Runs the EXIT trap and returns the status to exit with.
    pub(crate) fn exit_trap(&mut self) -> i32 {
        if let Some(action) = self.traps.remove(&0).filter(|action| !action.is_empty()) {
            let status = self.status;
            self.trap_status = Some(status);
            let name = self.name.clone();
            match self.run_text(&name, &action) {
                Err(Flow::Exit(other)) => self.status = other,
                _ => self.status = status,
            }
            self.trap_status = None;
        }
        self.status
    }

    /// Waits for one child and returns its status as `$?` has it.
    pub(crate) fn wait_for(&mut self, pid: i32) -> i32 {
        loop {
            match process::wait(Which::One(pid), true, false) {
                Ok(Some((_, status))) => {
                    if let Status::Killed(signal, core) = status {
                        self.tell_of_signal(signal, core);
                    }
                    return status.code();
                }
                Ok(None) => return 0,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return 127,
            }
        }
    }

    pub(crate) fn tell_of_signal(&self, signal: i32, core: bool) {
        if matches!(signal, libc_signal::INT | libc_signal::PIPE) {
            return;
        }
        let text = signal_text(signal);
        let core = if core { " (core dumped)" } else { "" };
        let _ = process::write_all(2, format!("{text}{core}\n").as_bytes());
    }

    /// Runs the traps of the signals that came.
    pub(crate) fn run_traps(&mut self) -> Result<(), Flow> {
        while let Some(signal) = process::take_signal() {
            self.run_trap(signal)?;
        }
        Ok(())
    }

    /// Runs the trap of a signal.
    pub(crate) fn run_trap(&mut self, signal: i32) -> Result<(), Flow> {
        match self.traps.get(&signal).cloned() {
            Some(action) => {
                let status = self.status;
                let outer = self.trap_status.replace(status);
                let name = self.name.clone();
                let result = self.run_text(&name, &action);
                self.trap_status = outer;
                result?;
                self.status = status;
            }
            None if signal == libc_signal::INT && self.options.interactive => {
                if !self.is_subshell {
                    // The prompt comes on a line of its own, behind what the terminal shows for the key.
                    let _ = process::write_all(2, b"\n");
                }
                return Err(Flow::Abort(130));
            }
            // At the next prompt, the terminal is measured anyway.
            None => {}
        }
        Ok(())
    }

    /// What a command substitution prints, without the line ends behind it.
    pub(crate) fn command_output(&mut self, list: &List) -> Result<Vec<u8>, Flow> {
        if list.is_empty() {
            self.substitution_status = Some(0);
            return Ok(Vec::new());
        }
        // `$?` in the rest of the command is still that of the command before, as in dash.
        let before = self.status;
        let mut output = if self.is_unseen(list) {
            self.captured(list)
        } else {
            self.forked_output(list)?
        };
        self.substitution_status = Some(self.status);
        self.status = before;
        while output.last() == Some(&b'\n') {
            output.pop();
        }
        Ok(output)
    }

    /// Runs commands that change nothing but what they print, in this process.
    fn captured(&mut self, list: &List) -> Vec<u8> {
        let outer = self.capture.replace(Vec::new());
        let (subshell, interactive) = (self.is_subshell, self.options.interactive);
        let (line, last) = (self.line, std::mem::take(&mut self.may_exec));
        let tested = self.tested;
        self.is_subshell = true;
        self.options.interactive = false;
        if let Err(Flow::Exit(status) | Flow::Abort(status)) = self.list(list) {
            self.status = status;
        }
        (self.is_subshell, self.options.interactive) = (subshell, interactive);
        (self.line, self.may_exec, self.tested) = (line, last, tested);
        let mut output = std::mem::replace(&mut self.capture, outer).unwrap_or_default();
        // A NUL cannot be in a variable.
        output.retain(|byte| *byte != 0);
        output
    }

    fn forked_output(&mut self, list: &List) -> Result<Vec<u8>, Flow> {
        let (read_end, write_end) = match process::pipe() {
            Ok(ends) => ends,
            Err(error) => {
                return Err(self.fail(&format!("cannot make a pipe: {}", strerror(&error))));
            }
        };
        let pid = self.fork(|shell| {
            let _ = process::dup2(write_end, 1);
            let _ = process::close(write_end);
            let _ = process::close(read_end);
            shell.run_to_exit(|shell| shell.last_list(list))
        })?;
        let _ = process::close(write_end);
        let mut output = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            match process::read(read_end, &mut buffer) {
                Ok(0) => break,
                Ok(count) => output.extend(buffer.iter().take(count).filter(|byte| **byte != 0)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        let _ = process::close(read_end);
        self.status = self.wait_for(pid);
        Ok(output)
    }

    /// The path of a process substitution, which stays open until its command ends.
    pub(crate) fn process_path(&mut self, read: bool, list: &List) -> Result<Vec<u8>, Flow> {
        let ends = process::pipe().and_then(|(read_end, write_end)| {
            let (ours, theirs) = if read {
                (read_end, write_end)
            } else {
                (write_end, read_end)
            };
            // Programs inherit it, so it must lie where no script reaches, and stay open on exec.
            let high = process::dup_above(ours, 60)?;
            process::dup2(ours, high)?;
            process::close(ours)?;
            Ok((high, theirs))
        });
        let (ours, theirs) = match ends {
            Ok(ends) => ends,
            Err(error) => {
                return Err(self.fail(&format!("cannot make a pipe: {}", strerror(&error))));
            }
        };
        self.fork(|shell| {
            let _ = process::dup2(theirs, i32::from(read));
            let _ = process::close(theirs);
            let _ = process::close(ours);
            shell.run_to_exit(|shell| shell.last_list(list))
        })?;
        let _ = process::close(theirs);
        self.process_fds.push(ours);
        Ok(format!("/dev/fd/{ours}").into_bytes())
    }
}

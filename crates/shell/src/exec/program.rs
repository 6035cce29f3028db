//! Programs, applets and scripts without `#!`: how they are found and run.

use super::{Flow, RedirectError, Shell, strerror};
use crate::ast::{Assignment, Redirected};
use crate::jobs::Place;
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use sys::process;

impl Shell {
    pub(crate) fn external(
        &mut self,
        assignments: &[Assignment],
        command: &Redirected,
        arguments: &[Vec<u8>],
        last: bool,
    ) -> Result<(), Flow> {
        let scoped = !assignments.is_empty();
        if scoped {
            self.variables.push_scope();
        }
        let mut result = Ok(());
        for assignment in assignments {
            result = self.scoped_assignment(assignment);
            if result.is_err() {
                break;
            }
        }
        if result.is_ok() {
            result = match self.redirect(&command.redirections, !last) {
                Err(RedirectError::Flow(flow)) => Err(flow),
                Err(RedirectError::Failed) => {
                    self.status = 1;
                    Ok(())
                }
                Ok(_) if last => Err(Flow::Exit(self.exec_words(arguments, None))),
                Ok(saved) => {
                    let result = self.run_program(arguments);
                    saved.restore();
                    result
                }
            };
        }
        if scoped {
            self.variables.pop_scope();
            self.hashed.clear();
        }
        result
    }

    /// Runs a program or an applet to its end, in a process of its own.
    pub(crate) fn run_program(&mut self, arguments: &[Vec<u8>]) -> Result<(), Flow> {
        if let Some(status) = self.unseen_applet(arguments) {
            self.status = status;
            return Ok(());
        }
        let pid = match self.spawned(arguments) {
            Some(Ok(pid)) => pid,
            Some(Err(status)) => {
                self.status = status;
                return Ok(());
            }
            None => self.fork_job(Place::Foreground(0), |shell| {
                shell.exec_words(arguments, None)
            })?,
        };
        self.status = self.wait_for_job(pid, || crate::show::words(arguments));
        Ok(())
    }

    /// A program started without copying this process; the error is its status when it cannot be. `None`: what is to
    /// run needs a fork.
    fn spawned(&mut self, arguments: &[Vec<u8>]) -> Option<Result<i32, i32>> {
        let name = arguments.first()?;
        if self.options.monitor
            || self.options.interactive
            || !name.contains(&b'/') && self.applets.is_some_and(|lookup| lookup(name).is_some())
        {
            return None;
        }
        let Some(path) = self.find_program(name) else {
            self.line_message(name, "not found");
            return Some(Err(127));
        };
        let environment = self.variables.environment();
        // What Rust's start-up ignores is not for programs, but what the script ignores is.
        let pipe_ignored = self.traps.get(&13).is_some_and(Vec::is_empty);
        match process::spawn(&path, arguments, &environment, !pipe_ignored) {
            Ok(pid) => Some(Ok(pid)),
            // A script without `#!`, or a path that is not true any more: the long way tells.
            Err(_) => {
                self.hashed.remove(name);
                None
            }
        }
    }

    /// Becomes a program or an applet; returns a status only when that failed or the applet ended.
    pub(crate) fn exec_words(&mut self, arguments: &[Vec<u8>], shown: Option<Vec<u8>>) -> i32 {
        let name = arguments.first().cloned().unwrap_or_default();
        if self.options.interactive || self.options.monitor {
            for signal in 1..32 {
                // What the shell itself ignores for its own sake must not be inherited.
                if self.options.interactive || !self.traps.contains_key(&signal) {
                    let _ = process::set_signal(signal, process::Disposition::Default);
                }
            }
        }
        if !self.traps.get(&13).is_some_and(Vec::is_empty) {
            process::reset_sigpipe();
        }
        let mut words: Vec<OsString> = arguments
            .iter()
            .map(|word| OsString::from_vec(word.clone()))
            .collect();
        if let (Some(first), Some(shown)) = (words.first_mut(), shown) {
            *first = OsString::from_vec(shown);
        }
        let environment = self.variables.environment();
        if !name.contains(&b'/')
            && let Some(applet) = self.applets.and_then(|lookup| lookup(&name))
        {
            process::replace_environment(&environment);
            // So that `ps`, `pidof` and `killall` find it by what it does; one without its name runs as well.
            if let Ok(text) = CString::new(name.clone()) {
                let _ = rustix::thread::set_name(&text);
            }
            return (applet.run)(&words);
        }
        let Some(path) = self.find_program(&name) else {
            self.line_message(&name, "not found");
            return 127;
        };
        let error = process::exec(&path, &words, &environment);
        if error.raw_os_error() == Some(8) {
            return self.run_script_file(&path, &words, &environment);
        }
        if matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
        ) {
            self.line_message(&name, "not found");
            127
        } else {
            self.line_message(&name, &strerror(&error));
            126
        }
    }

    /// A text file without `#!` is a script for this shell (POSIX.1-2024, 2.9.1.6).
    pub(crate) fn run_script_file(
        &mut self,
        path: &Path,
        words: &[OsString],
        environment: &[OsString],
    ) -> i32 {
        let Ok(text) = std::fs::read(path) else {
            return 126;
        };
        if text.iter().take(256).any(|byte| *byte == 0) {
            self.line_message(path.as_os_str().as_bytes(), "Exec format error");
            return 126;
        }
        let mut fresh = Shell::new();
        fresh.is_subshell = true;
        fresh.applets = self.applets;
        fresh.name = path.as_os_str().as_bytes().to_vec();
        fresh.positional = words
            .iter()
            .skip(1)
            .map(|word| word.as_bytes().to_vec())
            .collect();
        for pair in environment {
            if let Some(at) = pair.as_bytes().iter().position(|byte| *byte == b'=') {
                let (name, value) = pair.as_bytes().split_at(at);
                fresh.set_var(name, value.get(1..).unwrap_or_default());
                fresh.export(name);
            }
        }
        fresh.run_to_exit(|shell| shell.run_text(path.as_os_str().as_bytes(), &text))
    }

    pub(crate) fn line_message(&self, name: &[u8], what: &str) {
        self.warn(&format!("{}: {what}", String::from_utf8_lossy(name)));
    }

    /// The program that a name means.
    pub(crate) fn find_program(&mut self, name: &[u8]) -> Option<PathBuf> {
        if name.contains(&b'/') {
            return Some(PathBuf::from(OsStr::from_bytes(name)));
        }
        if name.is_empty() {
            return None;
        }
        let path = self
            .variables
            .get(b"PATH")
            .unwrap_or(b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        if let Some(known) = self.hashed.get(name) {
            return Some(known.clone());
        }
        let found = path.split(|byte| *byte == b':').find_map(|folder| {
            let folder = if folder.is_empty() {
                b".".as_slice()
            } else {
                folder
            };
            let full = [folder, b"/", name].concat();
            Shell::is_executable(&full).then(|| PathBuf::from(OsString::from_vec(full)))
        });
        // Where folders come and go with the current one, nothing is remembered.
        if let Some(found) = &found
            && found.is_absolute()
        {
            self.hashed.insert(name.to_vec(), found.clone());
        }
        found
    }
}

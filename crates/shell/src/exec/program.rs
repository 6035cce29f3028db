//! Programs, applets and scripts without `#!`: how they are found and run.

use super::{Flow, Shell, strerror};
use crate::ast::Redirected;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use sys::process;

impl Shell {
    pub(crate) fn external(
        &mut self,
        assignments: &[crate::ast::Assignment],
        command: &Redirected,
        arguments: &[Vec<u8>],
    ) -> Result<(), Flow> {
        let mut values = Vec::new();
        for assignment in assignments {
            values.push((assignment.name.clone(), self.assignment_value(assignment)?));
        }
        let pid = self.fork(|shell| {
            for (name, value) in values {
                if shell.variables.set(&name, value).is_ok() {
                    shell.variables.entry(&name).exported = true;
                }
            }
            match shell.redirect(&command.redirections, false) {
                Ok(_) => shell.exec_words(arguments),
                Err(_) => 1,
            }
        })?;
        self.status = self.wait_for(pid);
        Ok(())
    }

    /// Becomes a program or an applet; returns a status only when that failed or the applet ended.
    pub(crate) fn exec_words(&mut self, arguments: &[Vec<u8>]) -> i32 {
        let name = arguments.first().cloned().unwrap_or_default();
        for signal in 1..32 {
            // What the shell itself ignores for its own sake must not be inherited.
            if self.options.interactive
                || (self.options.monitor && !self.traps.contains_key(&signal))
            {
                let _ = process::set_signal(signal, process::Disposition::Default);
            }
        }
        process::reset_sigpipe();
        let words: Vec<OsString> = arguments
            .iter()
            .map(|word| OsString::from_vec(word.clone()))
            .collect();
        if !name.contains(&b'/')
            && let Some(applet) = self.applets.and_then(|lookup| lookup(&name))
        {
            // The applet sees the environment that a program would see.
            return applet(&words);
        }
        let Some(path) = self.find_program(&name) else {
            self.line_message(&name, "not found");
            return 127;
        };
        let environment = self.variables.environment();
        let error = process::exec(&path, &words, &environment);
        if error.raw_os_error() == Some(8) {
            return self.run_script_file(&path, &words, &environment);
        }
        self.line_message(&name, &strerror(&error));
        if error.kind() == io::ErrorKind::NotFound {
            127
        } else {
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
    pub(crate) fn find_program(&self, name: &[u8]) -> Option<PathBuf> {
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
        path.split(|byte| *byte == b':').find_map(|folder| {
            let folder = if folder.is_empty() {
                b".".as_slice()
            } else {
                folder
            };
            let full = [folder, b"/", name].concat();
            Shell::is_executable(&full).then(|| PathBuf::from(OsString::from_vec(full)))
        })
    }
}

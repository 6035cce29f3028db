//! What belongs to somebody at a terminal: the history and its file, the editor, and what the editor asks the shell.

use crate::edit::{self, Asked, Completions, Editor, History, Host};
use crate::exec::{Flow, Shell, strerror};
use crate::parser::Parser;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use sys::process;

/// How many commands are kept where `HISTSIZE` does not say.
const KEPT: usize = 500;

/// A session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) history: History,
    pub(crate) editor: Editor,
    /// The number of the command that is read next.
    pub(crate) commands: usize,
    /// Signals that came while a line was edited, and have traps.
    caught: Vec<i32>,
    /// What a trap that ran meanwhile ended the shell with.
    pub(crate) over: Option<Flow>,
}

impl Default for Session {
    fn default() -> Session {
        Session {
            history: History::new(KEPT),
            editor: Editor::new(),
            commands: 1,
            caught: Vec::new(),
            over: None,
        }
    }
}

impl Shell {
    fn size_variable(&self, name: &[u8]) -> Option<usize> {
        let text = std::str::from_utf8(self.variables.get(name)?).ok()?;
        text.trim().parse().ok()
    }

    fn history_file(&self) -> Option<PathBuf> {
        let path = self.variables.get(b"HISTFILE")?;
        (!path.is_empty()).then(|| PathBuf::from(OsStr::from_bytes(path)))
    }

    /// Reads the history's file; where nobody named one, it is `~/.ash_history`, as ash has it.
    pub(crate) fn begin_history(&mut self) {
        if self.variables.get(b"HISTFILE").is_none()
            && let Some(home) = self.variables.get(b"HOME").filter(|home| !home.is_empty())
        {
            let path = [home, b"/.ash_history"].concat();
            self.set_var(b"HISTFILE", &path);
        }
        self.fit_history();
        if let Some(path) = self.history_file()
            && let Err(error) = self.session.history.load(&path)
        {
            let text = format!("sh: {}: {}\n", path.display(), strerror(&error));
            let _ = process::write_all(2, text.as_bytes());
        }
    }

    pub(crate) fn fit_history(&mut self) {
        let most = self.size_variable(b"HISTSIZE").unwrap_or(KEPT);
        self.session.history.set_most(most);
    }

    /// Adds a command to the history and its file. A file that cannot be written is no reason to bother somebody with
    /// each command.
    pub(crate) fn remember(&mut self, command: &[u8]) {
        self.session.commands += 1;
        self.fit_history();
        if !self.session.history.add(command) {
            return;
        }
        let most = self
            .size_variable(b"HISTFILESIZE")
            .or_else(|| self.size_variable(b"HISTSIZE"))
            .unwrap_or(KEPT);
        if let Some(path) = self.history_file() {
            let _ = edit::append(&path, command, most);
        }
    }
}

impl Host for Shell {
    fn history(&mut self) -> &mut History {
        &mut self.session.history
    }

    fn is_unfinished(&mut self, text: &[u8]) -> bool {
        // A backslash at the end goes on with the line, unless it is quoted or in a comment: where a quote would be alive.
        let slashes = text.iter().rev().take_while(|byte| **byte == b'\\').count();
        let text = match text.split_last() {
            Some((_, before)) if slashes % 2 == 1 => {
                let quote = [before, b"'"].concat();
                if self.is_unfinished(&quote) {
                    return true;
                }
                [text, b"\n"].concat()
            }
            _ => [text, b"\n"].concat(),
        };
        let mut parser = Parser::new(&text, "sh", &self.aliases);
        parser.more = true;
        loop {
            match parser.next_command() {
                Ok(Some(_)) => {}
                Ok(None) => return false,
                Err(error) => return error.unfinished,
            }
        }
    }

    fn complete(&mut self, text: &[u8], cursor: usize) -> Completions {
        self.candidates(text, cursor)
    }

    fn asked(&mut self) -> Asked {
        let mut asked = Asked::Nothing;
        while let Some(signal) = process::take_signal() {
            if self.traps.contains_key(&signal) || signal == 17 {
                self.session.caught.push(signal);
            } else if signal == 28 && asked == Asked::Nothing {
                asked = Asked::Resize;
            } else if signal == 2 {
                asked = Asked::Interrupt;
            }
        }
        if !self.session.caught.is_empty() {
            asked = Asked::Act;
        }
        asked
    }

    fn act(&mut self) -> bool {
        for signal in std::mem::take(&mut self.session.caught) {
            if signal == 17 {
                self.tell_of_jobs();
            }
            if let Err(flow @ (Flow::Exit(_) | Flow::Abort(_))) = self.run_trap(signal)
                && matches!(flow, Flow::Exit(_))
            {
                self.session.over = Some(flow);
                return false;
            }
        }
        true
    }

    fn alias(&mut self, name: &[u8]) -> Option<Vec<u8>> {
        self.aliases.borrow().get(name).cloned()
    }
}

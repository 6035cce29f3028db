//! Execution (POSIX.1-2024, 2.9): commands, pipelines, functions, subshells.

mod compound;
mod program;
mod simple;
mod subshell;
mod unseen;

use crate::ast::{AndOr, Command, List, Pipeline, Redirected};
use crate::hash::Names;
use crate::jobs::Jobs;
use crate::options::Options;
use crate::parser::Aliases;
use crate::session::Session;
use crate::variables::Variables;
use crate::{Applet, BuiltinFn, RegexFn};
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use sys::process;

/// Why the ordinary course of commands is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// `break n`
    Break(u32),
    /// `continue n`
    Continue(u32),
    /// `return n`
    Return(i32),
    /// `exit n`
    Exit(i32),
    /// An error that ends a script, or a command of an interactive shell
    Abort(i32),
}

/// How deep functions and sourced files may call one another.
const DEEPEST: u32 = 1000;

/// A shell: its variables, functions, options, and where it is.
pub struct Shell {
    pub(crate) variables: Variables,
    pub(crate) functions: Names<Rc<Redirected>>,
    pub(crate) aliases: Aliases,
    pub(crate) registered: HashMap<&'static str, BuiltinFn>,
    pub(crate) applets: Option<fn(&[u8]) -> Option<Applet>>,
    pub(crate) options: Options,
    /// `$0`
    pub(crate) name: Vec<u8>,
    pub(crate) positional: Vec<Vec<u8>>,
    /// `$?`
    pub(crate) status: i32,
    /// `$$`: the shell's own number, in subshells too
    pub(crate) pid: i32,
    pub(crate) line: u32,
    pub(crate) last_background: Option<i32>,
    /// Children in the background whose end was not asked for, and stopped ones.
    pub(crate) jobs: Jobs,
    /// What belongs to somebody at a terminal.
    pub(crate) session: Session,
    pub(crate) traps: HashMap<i32, Vec<u8>>,
    pub(crate) exited: Option<i32>,
    /// Above 0: `set -e` does not count here.
    pub(crate) tested: u32,
    pub(crate) depth: u32,
    pub(crate) loops: u32,
    /// This process is a subshell: it must not give output twice, nor run the EXIT trap of its parent.
    pub(crate) is_subshell: bool,
    /// The status of the last command substitution: what an assignment alone returns.
    pub(crate) substitution_status: Option<i32>,
    /// How far `getopts` is inside an argument.
    pub(crate) getopts_at: usize,
    pub(crate) random_state: std::cell::Cell<u32>,
    /// What built-ins print is kept here, for a command substitution that needs no process.
    pub(crate) capture: Option<Vec<u8>>,
    /// The next simple command is the last that this process runs: a program may take its place.
    pub(crate) may_exec: bool,
    /// The traps that this subshell's parent had, which `trap` still shows.
    pub(crate) shown_traps: HashMap<i32, Vec<u8>>,
    /// `$?` when the trap that runs began: what `exit` and `return` in it return.
    pub(crate) trap_status: Option<i32>,
    /// Descriptors that lead to process substitutions, until their command ends.
    pub(crate) process_fds: Vec<i32>,
    pub(crate) regex: Option<RegexFn>,
    /// Where programs were found; forgotten when PATH changes.
    pub(crate) hashed: Names<PathBuf>,
}

impl Shell {
    /// An empty shell: no environment is imported.
    pub fn new() -> Shell {
        let pid = std::process::id().cast_signed();
        let mut shell = Shell {
            variables: Variables::default(),
            functions: Names::default(),
            aliases: Aliases::default(),
            registered: HashMap::new(),
            applets: None,
            options: Options::default(),
            name: b"sh".to_vec(),
            positional: Vec::new(),
            status: 0,
            pid,
            line: 0,
            last_background: None,
            jobs: Jobs::default(),
            session: Session::default(),
            traps: HashMap::new(),
            exited: None,
            tested: 0,
            depth: 0,
            loops: 0,
            is_subshell: false,
            substitution_status: None,
            getopts_at: 0,
            random_state: std::cell::Cell::new(pid.cast_unsigned() | 1),
            capture: None,
            may_exec: false,
            shown_traps: HashMap::new(),
            trap_status: None,
            process_fds: Vec::new(),
            regex: None,
            hashed: Names::default(),
        };
        for (name, value) in [
            ("IFS", " \t\n"),
            ("PS1", "\\w \\$ "),
            ("PS2", "> "),
            ("PS4", "+ "),
            ("OPTIND", "1"),
        ] {
            shell.set_var(name.as_bytes(), value.as_bytes());
        }
        shell
    }

    pub(crate) fn random(&self) -> u32 {
        // xorshift: good enough for what $RANDOM is for, and never for keys.
        let mut state = self.random_state.get();
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        self.random_state.set(state);
        state >> 16 & 0x7fff
    }

    /// Writes to a descriptor; a reader that went away or a full disk is the caller's to tell.
    pub(crate) fn warn(&self, what: &str) {
        let name = String::from_utf8_lossy(&self.name);
        let text = if self.line > 0 {
            format!("{name}: line {}: {what}\n", self.line)
        } else {
            format!("{name}: {what}\n")
        };
        // Where errors cannot be written, there is nothing left to say.
        let _ = process::write_all(2, text.as_bytes());
    }

    /// Tells of an error that ends the script (or an interactive shell's command).
    pub(crate) fn fail(&mut self, what: &str) -> Flow {
        self.warn(what);
        self.status = 2;
        Flow::Abort(2)
    }

    pub(crate) fn assign(&mut self, name: &[u8], value: Vec<u8>) -> Result<(), Flow> {
        if let Err(what) = self.variables.set(name, value) {
            return Err(self.fail(&what));
        }
        if self.options.all_export {
            self.variables.entry(name).exported = true;
        }
        if name == b"OPTIND" {
            self.getopts_at = 0;
        } else if name == b"PATH" {
            self.hashed.clear();
        }
        Ok(())
    }

    pub(crate) fn list(&mut self, list: &List) -> Result<(), Flow> {
        for and_or in list {
            self.and_or(and_or)?;
        }
        Ok(())
    }

    /// A list that is the last thing this process does: a program at its end need not be forked.
    pub(crate) fn last_list(&mut self, list: &List) -> Result<(), Flow> {
        let Some((last, before)) = list.split_last() else {
            return Ok(());
        };
        for and_or in before {
            self.and_or(and_or)?;
        }
        self.last_and_or(last)
    }

    pub(crate) fn last_and_or(&mut self, and_or: &AndOr) -> Result<(), Flow> {
        self.may_exec = and_or.rest.is_empty()
            && !and_or.background
            && !and_or.first.negate
            && and_or.first.commands.len() == 1
            && self.traps.values().all(Vec::is_empty);
        let result = self.and_or(and_or);
        self.may_exec = false;
        result
    }

    pub(crate) fn and_or(&mut self, and_or: &AndOr) -> Result<(), Flow> {
        if and_or.background {
            return self.background(and_or);
        }
        let last = and_or.rest.len();
        for (number, (and, pipeline)) in std::iter::once((true, &and_or.first))
            .chain(and_or.rest.iter().map(|(and, p)| (*and, p)))
            .enumerate()
        {
            if number > 0 && and != (self.status == 0) {
                continue;
            }
            // Only the last of the list counts for `set -e`.
            self.tested += u32::from(number < last);
            let result = self.pipeline(pipeline);
            self.tested -= u32::from(number < last);
            result?;
        }
        Ok(())
    }

    pub(crate) fn pipeline(&mut self, pipeline: &Pipeline) -> Result<(), Flow> {
        let tested = pipeline.negate;
        self.tested += u32::from(tested);
        let result = match pipeline.commands.as_slice() {
            [one] => self.command(one),
            many => self.pipe(many),
        };
        self.tested -= u32::from(tested);
        result?;
        if process::signal_pending() && self.capture.is_none() {
            self.run_traps()?;
        }
        if pipeline.negate {
            self.status = i32::from(self.status == 0);
        } else {
            self.check_errexit(pipeline)?;
        }
        Ok(())
    }

    pub(crate) fn check_errexit(&mut self, pipeline: &Pipeline) -> Result<(), Flow> {
        // What a compound command's last command returned was looked at there.
        let simple = pipeline.commands.len() > 1
            || matches!(
                pipeline.commands.first().map(|command| &command.command),
                Some(
                    Command::Simple { .. }
                        | Command::Subshell(_)
                        | Command::Test(_)
                        | Command::Arithmetic(_)
                )
            );
        if self.options.error_exit && self.status != 0 && self.tested == 0 && simple {
            return Err(Flow::Exit(self.status));
        }
        Ok(())
    }

    /// Parses and runs a text in this shell, command by command.
    pub(crate) fn run_text(&mut self, name: &[u8], text: &[u8]) -> Result<(), Flow> {
        self.run_lines(name, text, false)
    }

    /// [`Shell::run_text`]; `last`: the process ends behind it, so that its last command may take the shell's place.
    pub(crate) fn run_lines(&mut self, name: &[u8], text: &[u8], last: bool) -> Result<(), Flow> {
        let name = String::from_utf8_lossy(name).into_owned();
        let mut parser = crate::parser::Parser::new(text, &name, &self.aliases);
        let mut result = Ok(());
        let mut any = false;
        loop {
            match parser.next_command() {
                Ok(Some(list)) => {
                    any |= !list.is_empty();
                    if !self.options.no_exec || self.options.interactive {
                        result = if last && parser.is_over() {
                            self.last_list(&list)
                        } else {
                            self.list(&list)
                        };
                    }
                }
                Ok(None) => {
                    // Until its first command ends, `$?` is that of the command before the text.
                    if !any {
                        self.status = 0;
                    }
                    break;
                }
                Err(error) => {
                    let _ = process::write_all(2, format!("{error}\n").as_bytes());
                    self.status = 2;
                    result = Err(Flow::Abort(2));
                }
            }
            if result.is_err() {
                break;
            }
        }
        result
    }
}

/// Why redirections were not made.
pub(crate) enum RedirectError {
    /// A word could not be expanded.
    Flow(Flow),
    /// A file could not be opened; that was told.
    Failed,
}

/// The text of a system error, without Rust's number behind it.
pub(crate) fn strerror(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error") {
        Some(at) => text.get(..at).unwrap_or(&text).to_owned(),
        None => text,
    }
}

/// Signals by number, as all of Linux' architectures that are built for have them.
pub(crate) mod libc_signal {
    pub(crate) const INT: i32 = 2;
    pub(crate) const QUIT: i32 = 3;
    pub(crate) const PIPE: i32 = 13;
}

impl Default for Shell {
    fn default() -> Shell {
        Shell::new()
    }
}

//! Execution (POSIX.1-2024, 2.9): commands, pipelines, functions, subshells.

mod compound;
mod program;
mod simple;
mod subshell;

use crate::ast::{AndOr, Command, List, Pipeline, Redirected};
use crate::options::Options;
use crate::variables::Variables;
use crate::{AppletFn, BuiltinFn};
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use sys::process::{self, Status};

/// Why the ordinary course of commands is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// `break n`
    Break(u32),
    /// `continue n`
    Continue(u32),
    /// `return n`
    Return(i32),
    /// `exit n`, and errors that end a script
    Exit(i32),
    /// An error that ends a command of an interactive shell
    Abort(i32),
}

/// How deep functions and sourced files may call one another.
const DEEPEST: u32 = 1000;

/// A shell: its variables, functions, options, and where it is.
pub struct Shell {
    pub(crate) variables: Variables,
    pub(crate) functions: HashMap<Vec<u8>, Rc<Redirected>>,
    pub(crate) aliases: HashMap<Vec<u8>, Vec<u8>>,
    pub(crate) registered: HashMap<&'static str, BuiltinFn>,
    pub(crate) applets: Option<fn(&[u8]) -> Option<AppletFn>>,
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
    /// Children in the background whose end was not asked for, and their status when they ended.
    pub(crate) jobs: Vec<(i32, Option<Status>)>,
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
}

impl Shell {
    /// An empty shell: no environment is imported.
    pub fn new() -> Shell {
        let pid = std::process::id().cast_signed();
        let mut shell = Shell {
            variables: Variables::default(),
            functions: HashMap::new(),
            aliases: HashMap::new(),
            registered: HashMap::new(),
            applets: None,
            options: Options::default(),
            name: b"sh".to_vec(),
            positional: Vec::new(),
            status: 0,
            pid,
            line: 0,
            last_background: None,
            jobs: Vec::new(),
            traps: HashMap::new(),
            exited: None,
            tested: 0,
            depth: 0,
            loops: 0,
            is_subshell: false,
            substitution_status: None,
            getopts_at: 0,
            random_state: std::cell::Cell::new(pid.cast_unsigned() | 1),
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
        if self.options.interactive {
            Flow::Abort(2)
        } else {
            Flow::Exit(2)
        }
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
        }
        Ok(())
    }

    pub(crate) fn list(&mut self, list: &List) -> Result<(), Flow> {
        for and_or in list {
            self.and_or(and_or)?;
        }
        Ok(())
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
        if pipeline.negate {
            self.status = i32::from(self.status == 0);
        } else {
            self.check_errexit(pipeline)?;
        }
        self.run_traps()
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
        let name = String::from_utf8_lossy(name).into_owned();
        let aliases = std::mem::take(&mut self.aliases);
        let mut parser = crate::parser::Parser::new(text, &name, &aliases);
        // Aliases that the text itself makes hold from the next text on.
        let mut result = Ok(());
        loop {
            match parser.next_command() {
                Ok(Some(list)) => {
                    if !self.options.no_exec || self.options.interactive {
                        result = self.list(&list);
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    let _ = process::write_all(2, format!("{error}\n").as_bytes());
                    self.status = 2;
                    result = Err(if self.options.interactive {
                        Flow::Abort(2)
                    } else {
                        Flow::Exit(2)
                    });
                }
            }
            if result.is_err() {
                break;
            }
        }
        let made = std::mem::replace(&mut self.aliases, aliases);
        for (name, text) in made {
            self.aliases.insert(name, text);
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

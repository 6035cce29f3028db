//! What needs no process of its own: command substitutions that only print, and applets that nobody sees running.

use super::Shell;
use crate::Unseen;
use crate::ast::{Command, List, Operation, Part, Redirected, Word};
use rustix::fs::MemfdFlags;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::ffi::OsStringExt;
use sys::process;

impl Shell {
    /// Whether running the list here instead of in a subshell cannot be told apart.
    pub(crate) fn is_unseen(&self, list: &List) -> bool {
        list.iter().all(|and_or| {
            !and_or.background
                && std::iter::once(&and_or.first)
                    .chain(and_or.rest.iter().map(|(_, pipeline)| pipeline))
                    .all(|pipeline| match pipeline.commands.as_slice() {
                        [one] => self.only_prints(one),
                        _ => false,
                    })
        })
    }

    /// How an applet may run here: never where a signal must find a process to interrupt.
    fn unseen(&self, arguments: &[Vec<u8>]) -> Unseen {
        let applet = arguments
            .first()
            .filter(|name| !name.contains(&b'/'))
            .and_then(|name| self.applets.and_then(|lookup| lookup(name)));
        match applet {
            Some(applet)
                if !self.options.interactive
                    && !self.options.monitor
                    && self.traps.keys().all(|signal| *signal == 0) =>
            {
                (applet.unseen)(arguments)
            }
            _ => Unseen::No,
        }
    }

    /// Runs an applet in this process, where that cannot be told from a process of its own: its status.
    pub(crate) fn unseen_applet(&mut self, arguments: &[Vec<u8>]) -> Option<i32> {
        let kind = self.unseen(arguments);
        if kind != Unseen::Silent && !(kind == Unseen::Prints && self.capture.is_some()) {
            return None;
        }
        let applet = self.applets?(arguments.first()?)?;
        let words: Vec<OsString> = arguments
            .iter()
            .map(|word| OsString::from_vec(word.clone()))
            .collect();
        process::replace_environment(&self.variables.environment());
        let Some(capture) = &mut self.capture else {
            return Some((applet.run)(&words));
        };
        match caught(|| (applet.run)(&words), capture) {
            Ok(status) => Some(status),
            Err(error) => Some(self.complain(
                arguments.first().map_or(&b""[..], Vec::as_slice),
                &super::strerror(&error),
            )),
        }
    }

    fn only_prints(&self, command: &Redirected) -> bool {
        if !command.redirections.is_empty() {
            return false;
        }
        match &command.command {
            Command::Simple { assignments, words } => {
                assignments.is_empty()
                    && words.first().and_then(Word::plain).is_some_and(|name| {
                        (matches!(
                            name,
                            b"echo"
                                | b"printf"
                                | b"true"
                                | b"false"
                                | b":"
                                | b"test"
                                | b"["
                                | b"pwd"
                        ) || self.unseen(&[name.to_vec()]) == Unseen::Prints)
                            && !self.functions.contains_key(name)
                            && std::str::from_utf8(name)
                                .is_ok_and(|name| !self.registered.contains_key(name))
                    })
                    && words.iter().all(|word| changes_nothing(&word.0))
            }
            Command::Group(list) => self.is_unseen(list),
            Command::If {
                branches,
                otherwise,
            } => {
                branches
                    .iter()
                    .all(|(condition, body)| self.is_unseen(condition) && self.is_unseen(body))
                    && otherwise.as_ref().is_none_or(|body| self.is_unseen(body))
            }
            Command::Case { word, arms } => {
                changes_nothing(&word.0)
                    && arms.iter().all(|arm| {
                        arm.patterns.iter().all(|word| changes_nothing(&word.0))
                            && self.is_unseen(&arm.body)
                    })
            }
            _ => false,
        }
    }
}

fn changes_nothing(parts: &[Part]) -> bool {
    parts.iter().all(|part| match part {
        Part::Text(_) | Part::Quoted(_) | Part::Tilde(_) | Part::Command(_) => true,
        Part::Double(inner) => changes_nothing(inner),
        // Numbers may be variables that hold assignments.
        Part::Arithmetic(_) | Part::Process(..) => false,
        Part::Parameter(parameter) => match &parameter.operation {
            Operation::Value | Operation::Length => true,
            Operation::Default(_, word)
            | Operation::Error(_, word)
            | Operation::Alternative(_, word)
            | Operation::TrimEnd(_, word)
            | Operation::TrimStart(_, word) => changes_nothing(&word.0),
            Operation::Replace(_, find, text) => {
                changes_nothing(&find.0) && changes_nothing(&text.0)
            }
            Operation::Assign(..) | Operation::Slice(..) => false,
        },
    })
}

/// Adds what `body` writes to the standard output to `text`. A file takes it, as nobody empties a pipe meanwhile.
fn caught(body: impl FnOnce() -> i32, text: &mut Vec<u8>) -> io::Result<i32> {
    let mut file = File::from(rustix::fs::memfd_create("output", MemfdFlags::CLOEXEC)?);
    // Above what scripts use.
    let kept = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 10);
    rustix::stdio::dup2_stdout(&file)?;
    let status = body();
    match kept {
        Ok(kept) => rustix::stdio::dup2_stdout(kept)?,
        Err(_) => process::close(1)?,
    }
    file.rewind()?;
    file.read_to_end(text)?;
    Ok(status)
}

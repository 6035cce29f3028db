//! Which command substitutions need no process of their own: those that only print.

use super::Shell;
use crate::ast::{Command, List, Operation, Part, Redirected, Word};

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

    fn only_prints(&self, command: &Redirected) -> bool {
        if !command.redirections.is_empty() {
            return false;
        }
        match &command.command {
            Command::Simple { assignments, words } => {
                assignments.is_empty()
                    && words.first().and_then(Word::plain).is_some_and(|name| {
                        matches!(
                            name,
                            b"echo"
                                | b"printf"
                                | b"true"
                                | b"false"
                                | b":"
                                | b"test"
                                | b"["
                                | b"pwd"
                        ) && !self.functions.contains_key(name)
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

//! Scripts that can be run whatever they hold.

use shell::ast::{Command, Operation, Parameter, Part, Word};
use shell::parser::{Aliases, Parser};

/// Whether a script does nothing but assign, with no expansion that runs a command or opens a file.
pub fn only_assigns(script: &[u8]) -> bool {
    let Ok(list) = Parser::new(script, "t", &Aliases::default()).all() else {
        return false;
    };
    list.iter()
        .flat_map(|one| std::iter::once(&one.first).chain(one.rest.iter().map(|(_, rest)| rest)))
        .flat_map(|pipeline| &pipeline.commands)
        .all(|command| {
            command.redirections.is_empty()
                && matches!(&command.command, Command::Simple { assignments, words }
                    if words.is_empty() && assignments.iter().all(|one| word(&one.value)))
        })
        && list
            .iter()
            .all(|one| !one.background && one.first.commands.len() == 1)
}

fn word(word: &Word) -> bool {
    word.0.iter().all(part)
}

fn part(one: &Part) -> bool {
    match one {
        Part::Text(_) | Part::Quoted(_) | Part::Tilde(_) => true,
        Part::Double(parts) => parts.iter().all(part),
        Part::Arithmetic(inner) => word(inner),
        Part::Parameter(inner) => parameter(inner),
        Part::Command(_) | Part::Process(..) => false,
    }
}

fn parameter(parameter: &Parameter) -> bool {
    match &parameter.operation {
        Operation::Value | Operation::Length => true,
        Operation::Default(_, inner)
        | Operation::Assign(_, inner)
        | Operation::Error(_, inner)
        | Operation::Alternative(_, inner)
        | Operation::TrimEnd(_, inner)
        | Operation::TrimStart(_, inner) => word(inner),
        Operation::Slice(from, length) => word(from) && length.as_ref().is_none_or(word),
        Operation::Replace(_, find, text) => word(find) && word(text),
    }
}

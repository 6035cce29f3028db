//! Simple commands (POSIX.1-2024, 2.9.1): assignments, functions, built-ins.

use super::{DEEPEST, Flow, RedirectError, Shell};
use crate::ast::{Redirected, Word};
use crate::builtins;
use sys::process;

impl Shell {
    pub(crate) fn simple(
        &mut self,
        assignments: &[crate::ast::Assignment],
        words: &[Word],
        command: &Redirected,
    ) -> Result<(), Flow> {
        self.substitution_status = None;
        let mut arguments = Vec::new();
        for word in words {
            // What stands behind these is an assignment again: it is not split.
            let declares = matches!(
                arguments.first().map(Vec::as_slice),
                Some(b"export" | b"local" | b"readonly")
            );
            match word.0.first() {
                Some(crate::ast::Part::Text(text)) if declares && text.contains(&b'=') => {
                    arguments.push(self.string(word)?);
                }
                _ => self.fields(word, &mut arguments)?,
            }
        }
        if arguments.is_empty() {
            return self.only_assignments(assignments, command);
        }
        if self.options.trace {
            self.trace(&arguments);
        }
        let name = arguments.first().cloned().unwrap_or_default();
        let special = builtins::is_special(&name);
        if let Some(function) = self.functions.get(&name).cloned().filter(|_| !special) {
            return self.with_redirections(command, assignments, false, |shell| {
                shell.call_function(&function, arguments.get(1..).unwrap_or_default().to_vec())
            });
        }
        if let Some(builtin) = self.find_builtin(&name) {
            // `exec` keeps its redirections.
            let keep = name == b"exec";
            if keep {
                return self.exec_builtin(command, assignments, &arguments);
            }
            return self.with_redirections(command, assignments, special, |shell| {
                builtin.run(shell, &arguments)
            });
        }
        self.external(assignments, command, &arguments)
    }

    pub(crate) fn only_assignments(
        &mut self,
        assignments: &[crate::ast::Assignment],
        command: &Redirected,
    ) -> Result<(), Flow> {
        let before = self.status;
        for assignment in assignments {
            let value = self.assignment_value(assignment)?;
            if self.options.trace {
                self.trace(&[[assignment.name.as_slice(), b"=", &value].concat()]);
            }
            self.assign(&assignment.name, value)?;
        }
        self.status = self.substitution_status.unwrap_or(0);
        if assignments.is_empty() && self.substitution_status.is_none() {
            self.status = if command.redirections.is_empty() {
                before
            } else {
                0
            };
        }
        match self.redirect(&command.redirections, true) {
            Ok(saved) => saved.restore(),
            Err(RedirectError::Flow(flow)) => return Err(flow),
            Err(RedirectError::Failed) => self.status = 1,
        }
        Ok(())
    }

    pub(crate) fn assignment_value(
        &mut self,
        assignment: &crate::ast::Assignment,
    ) -> Result<Vec<u8>, Flow> {
        let value = self.string(&assignment.value)?;
        if assignment.append {
            let mut old = self
                .variables
                .get(&assignment.name)
                .unwrap_or_default()
                .to_vec();
            old.extend(value);
            return Ok(old);
        }
        Ok(value)
    }

    pub(crate) fn trace(&mut self, words: &[Vec<u8>]) {
        let mut text = self.variables.get(b"PS4").unwrap_or(b"+ ").to_vec();
        text.extend(words.join(&b' '));
        text.push(b'\n');
        let _ = process::write_all(2, &text);
    }

    /// Runs a function or a built-in with its redirections and assignments, which last only as long as it.
    pub(crate) fn with_redirections(
        &mut self,
        command: &Redirected,
        assignments: &[crate::ast::Assignment],
        keep_assignments: bool,
        body: impl FnOnce(&mut Shell) -> Result<(), Flow>,
    ) -> Result<(), Flow> {
        let saved = match self.redirect(&command.redirections, true) {
            Ok(saved) => saved,
            Err(RedirectError::Flow(flow)) => return Err(flow),
            Err(RedirectError::Failed) => {
                self.status = 1;
                if keep_assignments && !self.options.interactive {
                    return Err(Flow::Exit(1));
                }
                return Ok(());
            }
        };
        let scoped = !keep_assignments && !assignments.is_empty();
        if scoped {
            self.variables.push_scope();
        }
        let mut result = Ok(());
        for assignment in assignments {
            result = self.assignment_value(assignment).and_then(|value| {
                if scoped {
                    self.variables.make_local(&assignment.name);
                }
                self.assign(&assignment.name, value)?;
                self.variables.entry(&assignment.name).exported |= scoped;
                Ok(())
            });
            if result.is_err() {
                break;
            }
        }
        if result.is_ok() {
            result = body(self);
        }
        if scoped {
            self.variables.pop_scope();
        }
        saved.restore();
        result
    }

    pub(crate) fn call_function(
        &mut self,
        body: &Redirected,
        arguments: Vec<Vec<u8>>,
    ) -> Result<(), Flow> {
        self.depth += 1;
        if self.depth > DEEPEST {
            self.depth -= 1;
            return Err(self.fail("functions call one another too deeply"));
        }
        let outer = std::mem::replace(&mut self.positional, arguments);
        let loops = std::mem::take(&mut self.loops);
        self.variables.push_scope();
        let result = self.command(body);
        self.variables.pop_scope();
        self.loops = loops;
        self.positional = outer;
        self.depth -= 1;
        match result {
            Err(Flow::Return(status)) => {
                self.status = status;
                Ok(())
            }
            Err(Flow::Break(_) | Flow::Continue(_)) => Ok(()),
            other => other,
        }
    }

    pub(crate) fn find_builtin(&self, name: &[u8]) -> Option<builtins::Found> {
        if let Some(function) = std::str::from_utf8(name)
            .ok()
            .and_then(|name| self.registered.get(name))
        {
            return Some(builtins::Found::Registered(*function));
        }
        builtins::find(name).map(builtins::Found::Own)
    }

    /// Runs `command name …`: no functions.
    pub(crate) fn run_without_functions(&mut self, arguments: &[Vec<u8>]) -> Result<(), Flow> {
        let name = arguments.first().cloned().unwrap_or_default();
        if let Some(builtin) = self.find_builtin(&name) {
            return builtin.run(self, arguments);
        }
        let pid = self.fork(|shell| shell.exec_words(arguments))?;
        self.status = self.wait_for(pid);
        Ok(())
    }

    pub(crate) fn exec_builtin(
        &mut self,
        command: &Redirected,
        assignments: &[crate::ast::Assignment],
        arguments: &[Vec<u8>],
    ) -> Result<(), Flow> {
        match self.redirect(&command.redirections, false) {
            Ok(_) => {}
            Err(RedirectError::Flow(flow)) => return Err(flow),
            Err(RedirectError::Failed) => {
                self.status = 1;
                return if self.options.interactive {
                    Ok(())
                } else {
                    Err(Flow::Exit(1))
                };
            }
        }
        for assignment in assignments {
            let value = self.assignment_value(assignment)?;
            self.assign(&assignment.name, value)?;
            self.variables.entry(&assignment.name).exported = true;
        }
        self.status = 0;
        let words = arguments.get(1..).unwrap_or_default();
        if words.is_empty() {
            return Ok(());
        }
        let status = self.exec_words(words);
        self.status = status;
        if self.options.interactive {
            Ok(())
        } else {
            Err(Flow::Exit(status))
        }
    }
}

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
        last: bool,
    ) -> Result<(), Flow> {
        if self.options.no_exec && !self.options.interactive {
            return Ok(());
        }
        self.substitution_status = None;
        let fds = self.process_fds.len();
        let mut arguments = Vec::with_capacity(words.len());
        let mut declares = false;
        for word in words {
            match word.0.first() {
                // What stands behind these is an assignment again: it is not split.
                Some(crate::ast::Part::Text(text)) if declares && text.contains(&b'=') => {
                    arguments.push(self.string(word)?);
                }
                _ => self.fields(word, &mut arguments)?,
            }
            if arguments.len() == 1 {
                declares = matches!(
                    arguments.first().map(Vec::as_slice),
                    Some(b"export" | b"local" | b"readonly")
                );
            }
        }
        let Some(name) = arguments.first() else {
            let result = self.only_assignments(assignments, command);
            self.close_processes(fds);
            return result;
        };
        if self.options.trace {
            self.trace(&arguments);
        }
        let special = builtins::is_special(name);
        let function = if special {
            None
        } else {
            self.functions.get(name).cloned()
        };
        let result = if let Some(function) = function {
            self.with_redirections(command, assignments, false, |shell| {
                shell.call_function(&function, arguments.split_off(1))
            })
        } else if let Some(builtin) = self.find_builtin(name) {
            // `exec` keeps its redirections.
            if name == b"exec" {
                self.exec_builtin(command, assignments, &arguments)
            } else {
                self.with_redirections(command, assignments, special, |shell| {
                    builtin.run(shell, &arguments)
                })
            }
        } else {
            self.external(assignments, command, &arguments, last)
        };
        self.close_processes(fds);
        result
    }

    /// Closes what process substitutions of a finished command left open.
    pub(crate) fn close_processes(&mut self, from: usize) {
        while self.process_fds.len() > from {
            if let Some(fd) = self.process_fds.pop() {
                let _ = process::close(fd);
            }
        }
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
                self.trace_assignment(&assignment.name, &value);
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
        for (number, word) in words.iter().enumerate() {
            if number > 0 {
                text.push(b' ');
            }
            text.extend(builtins::quote_if_needed(word));
        }
        text.push(b'\n');
        let _ = process::write_all(2, &text);
    }

    fn trace_assignment(&mut self, name: &[u8], value: &[u8]) {
        let mut text = self.variables.get(b"PS4").unwrap_or(b"+ ").to_vec();
        text.extend_from_slice(name);
        text.push(b'=');
        text.extend(builtins::quote_if_needed(value));
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
            result = if scoped {
                self.scoped_assignment(assignment)
            } else {
                self.assignment_value(assignment)
                    .and_then(|value| self.assign(&assignment.name, value))
            };
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
        if let Some(options) = self.variables.pop_scope() {
            self.options = *options;
        }
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
        if !self.registered.is_empty()
            && let Some(function) = std::str::from_utf8(name)
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
        self.run_program(arguments)
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
        let mut at = 1;
        let mut shown_name = None;
        loop {
            match arguments.get(at).map(Vec::as_slice) {
                Some(b"-a") => {
                    shown_name = arguments.get(at + 1).cloned();
                    at += 2;
                }
                Some(b"--") => {
                    at += 1;
                    break;
                }
                _ => break,
            }
        }
        let words = arguments.get(at..).unwrap_or_default();
        let lasting = words.is_empty();
        self.variables.push_scope();
        let mut result = Ok(());
        for assignment in assignments.iter().filter(|_| lasting) {
            let value = self.assignment_value(assignment)?;
            self.assign(&assignment.name, value)?;
        }
        for assignment in assignments.iter().filter(|_| !lasting) {
            result = self.scoped_assignment(assignment);
            if result.is_err() {
                break;
            }
        }
        self.status = 0;
        if result.is_ok() && !words.is_empty() {
            let status = self.exec_words(words, shown_name);
            self.status = status;
            if !self.options.interactive {
                result = Err(Flow::Exit(status));
            }
        }
        self.variables.pop_scope();
        result
    }

    /// An assignment that lasts as long as its command, which sees it.
    pub(crate) fn scoped_assignment(
        &mut self,
        assignment: &crate::ast::Assignment,
    ) -> Result<(), Flow> {
        let value = self.assignment_value(assignment)?;
        if self.options.trace {
            self.trace_assignment(&assignment.name, &value);
        }
        self.variables.make_local(&assignment.name);
        self.assign(&assignment.name, value)?;
        self.variables.entry(&assignment.name).exported = true;
        Ok(())
    }
}

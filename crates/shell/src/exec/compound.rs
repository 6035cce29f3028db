//! Compound commands (POSIX.1-2024, 2.9.4), and `[[ … ]]`.

use super::{Flow, RedirectError, Shell};
use crate::ast::{Command, Condition, List, Redirected};
use crate::jobs::Place;
use crate::{builtins, pattern};
use std::rc::Rc;

impl Shell {
    pub(crate) fn command(&mut self, command: &Redirected) -> Result<(), Flow> {
        self.line = command.line;
        let last = std::mem::take(&mut self.may_exec);
        if let Command::Simple { assignments, words } = &command.command {
            return self.simple(assignments, words, command, last);
        }
        let saved = match self.redirect(&command.redirections, true) {
            Ok(saved) => saved,
            Err(RedirectError::Flow(flow)) => return Err(flow),
            Err(RedirectError::Failed) => {
                self.status = 1;
                return Ok(());
            }
        };
        let fds = self.process_fds.len();
        let result = match &command.command {
            // This process has nothing to do behind it, so it can be the subshell.
            Command::Subshell(list) if last => {
                self.become_subshell();
                self.shown_traps.clear();
                self.last_list(list)
            }
            command => self.compound(command),
        };
        saved.restore();
        self.close_processes(fds);
        result
    }

    pub(crate) fn compound(&mut self, command: &Command) -> Result<(), Flow> {
        match command {
            Command::Simple { .. } => Ok(()),
            Command::Group(list) => self.list(list),
            Command::Subshell(list) => {
                let pid = self.fork_job(Place::Foreground(0), |shell| {
                    shell.shown_traps.clear();
                    shell.run_to_exit(|shell| shell.last_list(list))
                })?;
                self.status = self.wait_for_job(pid, || crate::show::command(command));
                Ok(())
            }
            Command::If {
                branches,
                otherwise,
            } => {
                for (condition, body) in branches {
                    if self.condition(condition)? {
                        return self.list(body);
                    }
                }
                match otherwise {
                    Some(body) => self.list(body),
                    None => {
                        self.status = 0;
                        Ok(())
                    }
                }
            }
            Command::Loop {
                until,
                condition,
                body,
            } => {
                let mut status = 0;
                self.loops += 1;
                let result = loop {
                    match self.condition(condition) {
                        Ok(met) if met == *until => break Ok(()),
                        Ok(_) => {}
                        Err(flow) => match self.loop_flow(flow) {
                            Some(result) => break result,
                            None => match self.run_traps() {
                                Ok(()) => continue,
                                Err(flow) => break Err(flow),
                            },
                        },
                    }
                    if let Err(flow) = self.list(body)
                        && let Some(result) = self.loop_flow(flow)
                    {
                        status = self.status;
                        break result;
                    }
                    status = self.status;
                };
                self.loops -= 1;
                self.status = status;
                result
            }
            Command::For { name, words, body } => {
                let mut values = Vec::new();
                match words {
                    None => values.clone_from(&self.positional),
                    Some(words) => {
                        for word in words {
                            self.fields(word, &mut values)?;
                        }
                    }
                }
                self.status = 0;
                self.loops += 1;
                let mut result = Ok(());
                for value in values {
                    result = self.assign(name, value);
                    if result.is_err() {
                        break;
                    }
                    if let Err(flow) = self.list(body)
                        && let Some(over) = self.loop_flow(flow)
                    {
                        result = over;
                        break;
                    }
                }
                self.loops -= 1;
                result
            }
            Command::Case { word, arms } => {
                let text = self.string(word)?;
                let mut ran = false;
                let mut falling = false;
                for arm in arms {
                    let mut met = falling;
                    for word in &arm.patterns {
                        if met {
                            break;
                        }
                        met = pattern::matches(&self.pattern(word)?, &text);
                    }
                    if met {
                        self.list(&arm.body)?;
                        ran |= !arm.body.is_empty();
                        if !arm.falls_through {
                            break;
                        }
                        falling = true;
                    }
                }
                if !ran {
                    self.status = 0;
                }
                Ok(())
            }
            Command::Function { name, body } => {
                self.functions.insert(name.clone(), Rc::clone(body));
                self.status = 0;
                Ok(())
            }
            Command::Test(condition) => {
                match self.test_condition(condition) {
                    Ok(met) => self.status = i32::from(!met),
                    // The condition could not be told; that was said.
                    Err(Flow::Break(0)) => self.status = 2,
                    Err(flow) => return Err(flow),
                }
                Ok(())
            }
            Command::Arithmetic(word) => {
                let text = self.string(word)?;
                self.status = i32::from(self.arithmetic(&text)? == 0);
                Ok(())
            }
        }
    }

    pub(crate) fn condition(&mut self, list: &List) -> Result<bool, Flow> {
        self.tested += 1;
        let result = self.list(list);
        self.tested -= 1;
        result?;
        Ok(self.status == 0)
    }

    /// What leaving a loop's body means for the loop: `None`: it goes on.
    pub(crate) fn loop_flow(&mut self, flow: Flow) -> Option<Result<(), Flow>> {
        match flow {
            Flow::Break(0 | 1) => Some(Ok(())),
            Flow::Continue(0 | 1) => None,
            Flow::Break(levels) if self.loops > 1 => Some(Err(Flow::Break(levels - 1))),
            Flow::Continue(levels) if self.loops > 1 => Some(Err(Flow::Continue(levels - 1))),
            Flow::Break(_) => Some(Ok(())),
            Flow::Continue(_) => None,
            other => Some(Err(other)),
        }
    }

    pub(crate) fn test_condition(&mut self, condition: &Condition) -> Result<bool, Flow> {
        Ok(match condition {
            Condition::Or(a, b) => self.test_condition(a)? || self.test_condition(b)?,
            Condition::And(a, b) => self.test_condition(a)? && self.test_condition(b)?,
            Condition::Not(inner) => !self.test_condition(inner)?,
            Condition::Word(word) => !self.string(word)?.is_empty(),
            Condition::Unary(operator, word) => {
                let text = self.string(word)?;
                builtins::test::unary(operator, &text)
            }
            Condition::Binary(left, operator, right) => {
                let text = self.string(left)?;
                match operator.as_slice() {
                    b"=" | b"==" => pattern::matches(&self.pattern(right)?, &text),
                    b"!=" => !pattern::matches(&self.pattern(right)?, &text),
                    b"=~" => {
                        let expression = self.regex_text(right)?;
                        match self.regex {
                            None => Err("=~: regular expressions are not built in".to_owned()),
                            Some(matches) => matches(&expression, &text),
                        }
                        .map_err(|what| {
                            self.warn(&format!("[[: {what}"));
                            self.status = 2;
                            Flow::Break(0)
                        })?
                    }
                    _ => {
                        let right = self.string(right)?;
                        match builtins::test::binary(&text, operator, &right) {
                            Ok(value) => value,
                            Err(what) => {
                                self.warn(&format!("[[: {what}"));
                                return Err(Flow::Break(0));
                            }
                        }
                    }
                }
            }
        })
    }
}

//! Execution (POSIX.1-2024, 2.9): commands, pipelines, functions, subshells.

use crate::ast::{AndOr, Command, Condition, List, Pipeline, Redirected, Word};
use crate::builtins;
use crate::options::Options;
use crate::pattern;
use crate::variables::Variables;
use crate::{AppletFn, BuiltinFn};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use sys::process::{self, Status, Which};

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

    fn and_or(&mut self, and_or: &AndOr) -> Result<(), Flow> {
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

    fn background(&mut self, and_or: &AndOr) -> Result<(), Flow> {
        let inner = AndOr {
            background: false,
            ..and_or.clone()
        };
        let pid = self.fork(|shell| {
            if !shell.options.monitor {
                for signal in [libc_signal::INT, libc_signal::QUIT] {
                    let _ = process::set_signal(signal, process::Disposition::Ignore);
                }
                if let Ok(null) = process::open(OsStr::new("/dev/null"), 0, 0) {
                    let _ = process::dup2(null, 0);
                }
            }
            shell.run_to_exit(|shell| shell.and_or(&inner))
        })?;
        self.last_background = Some(pid);
        self.jobs.push((pid, None));
        self.status = 0;
        Ok(())
    }

    fn pipeline(&mut self, pipeline: &Pipeline) -> Result<(), Flow> {
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

    fn check_errexit(&mut self, pipeline: &Pipeline) -> Result<(), Flow> {
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

    fn pipe(&mut self, commands: &[Redirected]) -> Result<(), Flow> {
        let mut pids = Vec::new();
        let mut input: Option<i32> = None;
        for (number, command) in commands.iter().enumerate() {
            let last = number + 1 == commands.len();
            let ends = if last {
                None
            } else {
                match process::pipe() {
                    Ok(ends) => Some(ends),
                    Err(error) => {
                        return Err(self.fail(&format!("cannot make a pipe: {}", strerror(&error))));
                    }
                }
            };
            let pid = self.fork(|shell| {
                if let Some(input) = input {
                    let _ = process::dup2(input, 0);
                }
                if let Some((_, output)) = ends {
                    let _ = process::dup2(output, 1);
                }
                shell.run_to_exit(|shell| shell.command(command))
            })?;
            pids.push(pid);
            if let Some(input) = input.take() {
                let _ = process::close(input);
            }
            if let Some((read_end, write_end)) = ends {
                let _ = process::close(write_end);
                input = Some(read_end);
            }
        }
        let mut statuses = Vec::new();
        for pid in pids {
            statuses.push(self.wait_for(pid));
        }
        let last = statuses.last().copied().unwrap_or(0);
        self.status = if self.options.pipe_fail {
            statuses
                .iter()
                .rev()
                .copied()
                .find(|status| *status != 0)
                .unwrap_or(0)
        } else {
            last
        };
        Ok(())
    }

    /// Forks a subshell.
    pub(crate) fn fork(&mut self, child: impl FnOnce(&mut Shell) -> i32) -> Result<i32, Flow> {
        let forked = process::fork(|| {
            self.become_subshell();
            child(self)
        });
        forked.map_err(|error| self.fail(&format!("cannot fork: {}", strerror(&error))))
    }

    fn become_subshell(&mut self) {
        self.is_subshell = true;
        self.options.interactive = false;
        self.options.monitor = false;
        self.jobs.clear();
        let caught: Vec<i32> = self
            .traps
            .iter()
            .filter(|(_, action)| !action.is_empty())
            .map(|(s, _)| *s)
            .collect();
        for signal in caught {
            self.traps.remove(&signal);
            if signal > 0 {
                let _ = process::set_signal(signal, process::Disposition::Default);
            }
        }
    }

    /// Runs something to its end in a process of its own, and returns the status to exit with.
    pub(crate) fn run_to_exit(&mut self, body: impl FnOnce(&mut Shell) -> Result<(), Flow>) -> i32 {
        let result = body(self);
        let status = match result {
            Err(Flow::Exit(status) | Flow::Abort(status) | Flow::Return(status)) => status,
            _ => self.status,
        };
        self.status = status;
        self.exit_trap()
    }

    /// Runs the EXIT trap and returns the status to exit with.
    pub(crate) fn exit_trap(&mut self) -> i32 {
        if let Some(action) = self.traps.remove(&0).filter(|action| !action.is_empty()) {
            let status = self.status;
            match self.run_text(b"trap", &action) {
                Err(Flow::Exit(other)) => self.status = other,
                _ => self.status = status,
            }
        }
        self.status
    }

    /// Waits for one child and returns its status as `$?` has it.
    pub(crate) fn wait_for(&mut self, pid: i32) -> i32 {
        loop {
            match process::wait(Which::One(pid), true, self.options.monitor) {
                Ok(Some((_, status))) => {
                    if let Status::Killed(signal, core) = status {
                        self.tell_of_signal(signal, core);
                    }
                    return status.code();
                }
                Ok(None) => return 0,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return 127,
            }
        }
    }

    fn tell_of_signal(&self, signal: i32, core: bool) {
        let text = match signal {
            libc_signal::INT | libc_signal::PIPE => return,
            9 => "Killed",
            15 => "Terminated",
            11 => "Segmentation fault",
            6 => "Aborted",
            8 => "Floating point exception",
            4 => "Illegal instruction",
            7 => "Bus error",
            _ => "Killed by a signal",
        };
        let core = if core { " (core dumped)" } else { "" };
        let _ = process::write_all(2, format!("{text}{core}\n").as_bytes());
    }

    /// Runs the traps of the signals that came.
    pub(crate) fn run_traps(&mut self) -> Result<(), Flow> {
        while let Some(signal) = process::take_signal() {
            match self.traps.get(&signal).cloned() {
                Some(action) => {
                    let status = self.status;
                    self.run_text(b"trap", &action)?;
                    self.status = status;
                }
                None if signal == libc_signal::INT && self.options.interactive => {
                    return Err(Flow::Abort(130));
                }
                None => {}
            }
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

    /// What a command substitution prints, without the line ends behind it.
    pub(crate) fn command_output(&mut self, list: &List) -> Result<Vec<u8>, Flow> {
        let (read_end, write_end) = match process::pipe() {
            Ok(ends) => ends,
            Err(error) => {
                return Err(self.fail(&format!("cannot make a pipe: {}", strerror(&error))));
            }
        };
        let pid = self.fork(|shell| {
            let _ = process::dup2(write_end, 1);
            shell.run_to_exit(|shell| shell.list(list))
        })?;
        let _ = process::close(write_end);
        let mut output = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            match process::read(read_end, &mut buffer) {
                Ok(0) => break,
                // A NUL cannot be in a variable.
                Ok(count) => output.extend(buffer.iter().take(count).filter(|byte| **byte != 0)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        let _ = process::close(read_end);
        let status = self.wait_for(pid);
        self.substitution_status = Some(status);
        self.status = status;
        while output.last() == Some(&b'\n') {
            output.pop();
        }
        Ok(output)
    }

    pub(crate) fn command(&mut self, command: &Redirected) -> Result<(), Flow> {
        self.line = command.line;
        if let Command::Simple { assignments, words } = &command.command {
            return self.simple(assignments, words, command);
        }
        let saved = match self.redirect(&command.redirections, true) {
            Ok(saved) => saved,
            Err(RedirectError::Flow(flow)) => return Err(flow),
            Err(RedirectError::Failed) => {
                self.status = 1;
                return Ok(());
            }
        };
        let result = self.compound(&command.command);
        saved.restore();
        result
    }

    fn compound(&mut self, command: &Command) -> Result<(), Flow> {
        match command {
            Command::Simple { .. } => Ok(()),
            Command::Group(list) => self.list(list),
            Command::Subshell(list) => {
                let pid = self.fork(|shell| shell.run_to_exit(|shell| shell.list(list)))?;
                self.status = self.wait_for(pid);
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
                            None => continue,
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
                self.status = 0;
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
                        if !arm.falls_through {
                            return Ok(());
                        }
                        falling = true;
                    }
                }
                Ok(())
            }
            Command::Function { name, body } => {
                self.functions.insert(name.clone(), Rc::clone(body));
                self.status = 0;
                Ok(())
            }
            Command::Test(condition) => {
                self.status = i32::from(!self.test_condition(condition)?);
                Ok(())
            }
            Command::Arithmetic(word) => {
                let text = self.string(word)?;
                self.status = i32::from(self.arithmetic(&text)? == 0);
                Ok(())
            }
        }
    }

    fn condition(&mut self, list: &List) -> Result<bool, Flow> {
        self.tested += 1;
        let result = self.list(list);
        self.tested -= 1;
        result?;
        Ok(self.status == 0)
    }

    /// What leaving a loop's body means for the loop: `None`: it goes on.
    fn loop_flow(&mut self, flow: Flow) -> Option<Result<(), Flow>> {
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

    fn test_condition(&mut self, condition: &Condition) -> Result<bool, Flow> {
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
                        return Err(
                            self.fail("[[: =~: regular expressions are not known to this shell")
                        );
                    }
                    _ => {
                        let right = self.string(right)?;
                        match builtins::test::binary(&text, operator, &right) {
                            Ok(value) => value,
                            Err(what) => {
                                self.warn(&format!("[[: {what}"));
                                false
                            }
                        }
                    }
                }
            }
        })
    }

    fn simple(
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

    fn only_assignments(
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

    fn assignment_value(&mut self, assignment: &crate::ast::Assignment) -> Result<Vec<u8>, Flow> {
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

    fn trace(&mut self, words: &[Vec<u8>]) {
        let mut text = self.variables.get(b"PS4").unwrap_or(b"+ ").to_vec();
        text.extend(words.join(&b' '));
        text.push(b'\n');
        let _ = process::write_all(2, &text);
    }

    /// Runs a function or a built-in with its redirections and assignments, which last only as long as it.
    fn with_redirections(
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

    fn find_builtin(&self, name: &[u8]) -> Option<builtins::Found> {
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

    fn exec_builtin(
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

    fn external(
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
    fn exec_words(&mut self, arguments: &[Vec<u8>]) -> i32 {
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
    fn run_script_file(
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

    fn line_message(&self, name: &[u8], what: &str) {
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

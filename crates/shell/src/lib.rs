//! The POSIX shell: lexer, parser, expansion, execution.
//!
//! ```text
//! text ──[lexer], [parser]──▶ [ast] ──exec──▶ words by [expand], files by redirect, built-ins, forked programs
//!                                              └─ [pattern], [arithmetic], variables
//! ```
//!
//! [`Shell`] is the library's interface: a host evaluates a script once, lists its functions, reads and sets its
//! variables and calls functions. Built-ins are registered from outside, and applets (programs that need no exec) are
//! looked up through the host. [`main`] is the `sh` command on top of it.
//!
//! *Invariant:* the library imports no environment by itself, and no script can end the host's process: `exit` is
//! told by [`Shell::exited`].

pub mod arithmetic;
pub mod ast;
mod builtins;
mod command;
mod complete;
mod edit;
pub mod error;
pub mod escape;
mod exec;
mod expand;
mod hash;
mod interactive;
mod jobs;
mod lexer;
mod options;
pub mod parser;
pub mod pattern;
mod prompt;
mod redirect;
mod session;
mod show;
mod variables;

pub use command::main;
pub use error::{Error, SyntaxError};
pub use exec::Shell;

use exec::Flow;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// A built-in: it may read and set the shell's state, writes to descriptors 1 and 2, and returns its status. The
/// first argument is its name.
pub type BuiltinFn = fn(&mut Shell, &[Vec<u8>]) -> i32;

/// What runs an applet: the first argument is its name, the result its status.
pub type AppletFn = fn(&[OsString]) -> i32;

/// A program that is part of the host's: it needs no exec.
#[derive(Clone, Copy, Debug)]
pub struct Applet {
    /// Runs it.
    pub run: AppletFn,
    /// Whether it may run with these arguments, of which the first is its name, in the shell's own process.
    pub unseen: fn(&[Vec<u8>]) -> Unseen,
}

/// Whether anybody can tell that an applet had no process of its own: it must end by itself and soon, read no standard
/// input, and change nothing of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unseen {
    /// It needs a process.
    No,
    /// It prints nothing, unless it fails.
    Silent,
    /// What it prints must be caught: a closed pipe ends the one who writes. Its name alone decides this.
    Prints,
}

/// Whether an extended regular expression (POSIX.1-2024, 9.4) matches somewhere in a text; the error says what is
/// wrong with the expression.
pub type RegexFn = fn(&[u8], &[u8]) -> Result<bool, String>;

impl Shell {
    /// Makes these variables, exported.
    pub fn import_environment(
        &mut self,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) {
        for (name, value) in variables {
            let name = name.as_bytes();
            if lexer::is_name(name) && !matches!(name, b"IFS" | b"OPTIND" | b"PS4") {
                self.set_var(name, &value.into_vec());
                self.export(name);
            }
        }
    }

    /// Sets `$0`, by which errors name the script.
    pub fn set_name(&mut self, name: &[u8]) {
        self.name = name.to_vec();
    }

    /// Sets the positional parameters.
    pub fn set_args(&mut self, arguments: Vec<Vec<u8>>) {
        self.positional = arguments;
    }

    /// Sets a variable. One that is read-only keeps its value.
    pub fn set_var(&mut self, name: &[u8], value: &[u8]) {
        // The only error is that of a read-only variable.
        let _ = self.variables.set(name, value.to_vec());
    }

    /// Lets commands see a variable.
    pub fn export(&mut self, name: &[u8]) {
        self.variables.entry(name).exported = true;
    }

    /// Takes a variable away, unless it is read-only.
    pub fn unset(&mut self, name: &[u8]) {
        let _ = self.variables.unset(name);
    }

    /// The value of a variable that is set.
    pub fn var(&self, name: &[u8]) -> Option<Vec<u8>> {
        self.special_or_variable(name)
    }

    /// The names of all functions, sorted.
    pub fn functions(&self) -> Vec<Vec<u8>> {
        let mut names: Vec<Vec<u8>> = self.functions.keys().cloned().collect();
        names.sort();
        names
    }

    /// Whether there is a function of that name.
    pub fn has_function(&self, name: &[u8]) -> bool {
        self.functions.contains_key(name)
    }

    /// Adds a built-in, or puts it in the place of one.
    pub fn register(&mut self, name: &'static str, function: BuiltinFn) {
        self.registered.insert(name, function);
    }

    /// Says where applets are found.
    pub fn set_applets(&mut self, lookup: fn(&[u8]) -> Option<Applet>) {
        self.applets = Some(lookup);
    }

    /// Gives `[[ text =~ expression ]]` its regular expressions.
    pub fn set_regex(&mut self, matches: RegexFn) {
        self.regex = Some(matches);
    }

    /// `$?`
    pub fn status(&self) -> i32 {
        self.status
    }

    /// The status that the script asked to exit with, when it did.
    pub fn exited(&self) -> Option<i32> {
        self.exited
    }

    /// Parses a text and runs it in this shell. Returns the status of its last command. The error is that it cannot be
    /// read; then nothing of it was run.
    pub fn eval(&mut self, source_name: &[u8], text: &[u8]) -> Result<i32, Error> {
        let name = String::from_utf8_lossy(source_name).into_owned();
        let list = parser::Parser::new(text, &name, &self.aliases).all()?;
        let result = self.list(&list);
        Ok(self.settle(result))
    }

    /// [`Shell::eval`] of a file.
    pub fn source_file(&mut self, path: &Path) -> Result<i32, Error> {
        let text = std::fs::read(path).map_err(|source| Error::Open {
            path: path.to_owned(),
            source,
        })?;
        self.eval(path.as_os_str().as_bytes(), &text)
    }

    /// Calls a function with these arguments and returns its status.
    pub fn call(&mut self, function: &[u8], arguments: &[Vec<u8>]) -> Result<i32, Error> {
        let Some(body) = self.functions.get(function).cloned() else {
            return Err(Error::NoFunction(
                String::from_utf8_lossy(function).into_owned(),
            ));
        };
        let result = self.call_function(&body, arguments.to_vec());
        Ok(self.settle(result))
    }

    fn settle(&mut self, result: Result<(), Flow>) -> i32 {
        match result {
            Err(Flow::Exit(status) | Flow::Abort(status)) => {
                self.status = status;
                self.exited = Some(status);
                self.status = self.exit_trap();
            }
            Err(Flow::Return(status)) => self.status = status,
            _ => {}
        }
        self.status
    }
}

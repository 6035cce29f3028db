//! The shell's own commands.

mod control;
mod input;
mod jobs;
mod output;
mod state;
pub(crate) mod test;

pub(crate) use state::is_here;

use crate::BuiltinFn;
use crate::exec::{Flow, Shell};

/// A built-in of the shell's own: it may leave the course of commands.
pub(crate) type Own = fn(&mut Shell, &[Vec<u8>]) -> Result<i32, Flow>;

/// A built-in that was found.
pub(crate) enum Found {
    /// The shell's own.
    Own(Own),
    /// One that the host registered.
    Registered(BuiltinFn),
}

impl Found {
    pub(crate) fn run(&self, shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<(), Flow> {
        shell.status = match self {
            Found::Own(function) => function(shell, arguments)?,
            Found::Registered(function) => function(shell, arguments),
        };
        Ok(())
    }
}

const TABLE: [(&str, Own); 42] = [
    (".", control::source),
    (":", control::colon),
    ("[", test::command),
    ("alias", state::alias),
    ("bg", jobs::background),
    ("break", control::leave_loop),
    ("cd", state::cd),
    ("command", control::command),
    ("continue", control::leave_loop),
    ("echo", output::echo),
    ("eval", control::eval),
    ("exec", control::colon),
    ("exit", control::exit),
    ("export", state::export),
    ("false", control::no),
    ("fg", jobs::foreground),
    ("getopts", input::getopts),
    ("hash", control::colon),
    ("jobs", jobs::list),
    ("kill", jobs::kill),
    ("let", control::arithmetic),
    ("local", state::local),
    ("printf", output::printf),
    ("pwd", state::pwd),
    ("read", input::read),
    ("readonly", state::export),
    ("return", control::leave_function),
    ("set", state::set),
    ("shift", state::shift),
    ("source", control::source),
    ("test", test::command),
    ("times", state::times),
    ("trap", state::trap),
    ("true", control::colon),
    ("type", control::kind),
    ("ulimit", state::ulimit),
    ("umask", state::umask),
    ("unalias", state::unalias),
    ("unset", state::unset),
    ("wait", jobs::wait),
    ("chdir", state::cd),
    ("builtin", control::command),
];

/// The built-in of that name.
pub(crate) fn find(name: &[u8]) -> Option<Own> {
    TABLE
        .iter()
        .find(|(known, _)| known.as_bytes() == name)
        .map(|(_, function)| *function)
}

/// All names.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|(name, _)| *name)
}

/// Whether functions cannot take its place, and its assignments stay (POSIX.1-2024, 2.15).
pub(crate) fn is_special(name: &[u8]) -> bool {
    let all: [&[u8]; 15] = [
        b".",
        b":",
        b"break",
        b"continue",
        b"eval",
        b"exec",
        b"exit",
        b"export",
        b"readonly",
        b"return",
        b"set",
        b"shift",
        b"times",
        b"trap",
        b"unset",
    ];
    all.contains(&name)
}

/// A number that an argument gives.
pub(crate) fn number(text: &[u8]) -> Option<i32> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

pub(crate) fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// Text in single quotes, so that the shell reads it again as it was.
pub(crate) fn quote(text: &[u8]) -> Vec<u8> {
    let mut out = vec![b'\''];
    for byte in text {
        if *byte == b'\'' {
            out.extend_from_slice(b"'\\''");
        } else {
            out.push(*byte);
        }
    }
    out.push(b'\'');
    out
}

impl Shell {
    /// Writes to the standard output; a failure is told, and is the status.
    pub(crate) fn print(&mut self, text: &[u8], command: &str) -> i32 {
        match sys::process::write_all(1, text) {
            Ok(()) => 0,
            Err(error) => {
                self.warn(&format!(
                    "{command}: write error: {}",
                    crate::exec::strerror(&error)
                ));
                1
            }
        }
    }

    /// Tells of an error of a built-in, and gives the status.
    pub(crate) fn complain(&mut self, command: &[u8], what: &str) -> i32 {
        self.warn(&format!("{}: {what}", lossy(command)));
        2
    }
}

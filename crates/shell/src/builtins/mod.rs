//! The shell's own commands.

mod control;
mod history;
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

/// In the order of bytes, as the search in it needs.
const TABLE: [(&str, Own); 44] = [
    (".", control::source),
    (":", control::colon),
    ("[", test::command),
    ("alias", state::alias),
    ("bg", jobs::background),
    ("break", control::leave_loop),
    ("builtin", control::command),
    ("cd", state::cd),
    ("chdir", state::cd),
    ("command", control::command),
    ("continue", control::leave_loop),
    ("echo", output::echo),
    ("eval", control::eval),
    ("exec", control::colon),
    ("exit", control::exit),
    ("export", state::export),
    ("false", control::no),
    ("fc", history::fc),
    ("fg", jobs::foreground),
    ("getopts", input::getopts),
    ("hash", state::hash),
    ("history", history::history),
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
];

/// The built-in of that name.
pub(crate) fn find(name: &[u8]) -> Option<Own> {
    TABLE
        .binary_search_by(|(known, _)| known.as_bytes().cmp(name))
        .ok()
        .and_then(|at| TABLE.get(at))
        .map(|(_, function)| *function)
}

/// All names.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|(name, _)| *name)
}

/// Whether functions cannot take its place, and its assignments stay (POSIX.1-2024, 2.15).
pub(crate) fn is_special(name: &[u8]) -> bool {
    matches!(
        name,
        b"." | b":"
            | b"break"
            | b"continue"
            | b"eval"
            | b"exec"
            | b"exit"
            | b"export"
            | b"readonly"
            | b"return"
            | b"set"
            | b"shift"
            | b"source"
            | b"times"
            | b"trap"
            | b"unset"
    )
}

/// A number that an argument gives.
pub(crate) fn number(text: &[u8]) -> Option<i32> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

pub(crate) fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// Text in quotes, so that the shell reads it again as it was.
pub(crate) fn quote(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    let mut rest = text;
    loop {
        let plain = rest
            .iter()
            .position(|byte| *byte == b'\'')
            .unwrap_or(rest.len());
        let (head, tail) = rest.split_at(plain);
        if !head.is_empty() || text.is_empty() {
            out.push(b'\'');
            out.extend_from_slice(head);
            out.push(b'\'');
        }
        if tail.is_empty() {
            return out;
        }
        let quotes = tail.iter().take_while(|byte| **byte == b'\'').count();
        let (quotes, behind) = tail.split_at(quotes);
        out.push(b'"');
        out.extend_from_slice(quotes);
        out.push(b'"');
        rest = behind;
        if rest.is_empty() {
            return out;
        }
    }
}

/// A word as `set -x` shows it.
pub(crate) fn quote_if_needed(text: &[u8]) -> Vec<u8> {
    let safe = |byte: &u8| {
        byte.is_ascii_alphanumeric() || b"_-+,./:@%^\x5d".contains(byte) || *byte >= 0x80
    };
    let reserved = matches!(
        text,
        b"!" | b"case"
            | b"do"
            | b"done"
            | b"elif"
            | b"else"
            | b"esac"
            | b"fi"
            | b"for"
            | b"if"
            | b"in"
            | b"then"
            | b"until"
            | b"while"
            | b"{"
            | b"}"
    );
    if reserved || text.is_empty() || !text.iter().all(safe) && text != b"[" {
        quote(text)
    } else {
        text.to_vec()
    }
}

impl Shell {
    /// Writes to the standard output; a failure is told, and is the status.
    pub(crate) fn print(&mut self, text: &[u8], command: &str) -> i32 {
        if let Some(capture) = &mut self.capture {
            capture.extend_from_slice(text);
            return 0;
        }
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
        if self.name == command {
            // The shell is only there for this built-in: it is a program of its own.
            let text = format!("{}: {what}\n", lossy(command));
            let _ = sys::process::write_all(2, text.as_bytes());
        } else {
            self.warn(&format!("{}: {what}", lossy(command)));
        }
        2
    }
}

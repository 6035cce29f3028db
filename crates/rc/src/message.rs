//! Messages as OpenRC prints them: ` * text`, coloured on terminals, with `[ ok ]` at the end of the line.

use sys::{process, tty};

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For information: green, on standard output.
    Info,
    /// A warning: yellow, on standard error.
    Warn,
    /// An error: red, on standard error.
    Error,
}

/// How to print.
#[derive(Clone, Debug, Default)]
pub struct Style {
    /// Print no information: `EINFO_QUIET`
    pub quiet: bool,
    /// Print no colours: `RC_NOCOLOR`, or the terminal knows none.
    pub plain: bool,
    /// How many columns messages are moved to the right: `RC_EINDENT`
    pub indent: usize,
}

impl Style {
    /// From variables: `EINFO_QUIET`, `RC_NOCOLOR`, `TERM`.
    pub fn from_variables(get: impl Fn(&str) -> Option<Vec<u8>>) -> Style {
        let yes = |name: &str| get(name).is_some_and(|value| is_yes(&value) == Some(true));
        Style {
            quiet: yes("EINFO_QUIET"),
            plain: yes("RC_NOCOLOR") || get("TERM").is_some_and(|term| term == b"dumb"),
            indent: 0,
        }
    }

    /// From this process' environment.
    pub fn from_environment() -> Style {
        use std::os::unix::ffi::OsStringExt;
        Style::from_variables(|name| std::env::var_os(name).map(OsStringExt::into_vec))
    }

    fn colour(&self, fd: i32, code: &'static str) -> (&'static str, &'static str) {
        if self.plain || !tty::is_terminal(fd) {
            ("", "")
        } else {
            (code, "\x1b[m")
        }
    }

    /// ` * text`, without the line's end.
    pub fn line(&self, fd: i32, level: Level, text: &str) -> String {
        let (on, off) = self.colour(
            fd,
            match level {
                Level::Info => "\x1b[32;1m",
                Level::Warn => "\x1b[33;1m",
                Level::Error => "\x1b[31;1m",
            },
        );
        format!(" {on}*{off} {:indent$}{text}", "", indent = self.indent)
    }

    /// Prints a message. A reader that went away is nobody's loss.
    pub fn say(&self, level: Level, text: &str) {
        let fd = if level == Level::Info { 1 } else { 2 };
        if self.quiet && level == Level::Info {
            return;
        }
        let _ = process::write_all(fd, format!("{}\n", self.line(fd, level, text)).as_bytes());
    }

    /// The end of a line of which `used` columns are taken: `[ ok ]` or `[ !! ]` on the right edge of a terminal.
    pub fn verdict(&self, fd: i32, ok: bool, used: usize) -> String {
        let word = if ok { "[ ok ]" } else { "[ !! ]" };
        if !tty::is_terminal(fd) {
            return format!(" {word}");
        }
        let (on, off) = self.colour(fd, if ok { "\x1b[32;1m" } else { "\x1b[31;1m" });
        let columns = usize::from(tty::size(fd).0);
        let gap = columns.saturating_sub(used + word.len() + 1).max(1);
        format!("{:gap$}{on}{word}{off}", "")
    }
}

/// Prints a line on a descriptor. A reader that went away, or a full disk, is nothing that could be told anywhere.
pub fn print_line(fd: i32, line: std::fmt::Arguments<'_>) {
    let _ = process::write_all(fd, format!("{line}\n").as_bytes());
}

/// `yes`, `true`, `on`, `1` and their opposites, in any case (openrc's yesno). Anything else is neither.
pub fn is_yes(value: &[u8]) -> Option<bool> {
    match value.to_ascii_lowercase().as_slice() {
        b"yes" | b"true" | b"on" | b"1" => Some(true),
        b"no" | b"false" | b"off" | b"0" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yes_and_no() {
        assert_eq!(is_yes(b"YES"), Some(true));
        assert_eq!(is_yes(b"off"), Some(false));
        assert_eq!(is_yes(b""), None);
    }

    #[test]
    fn plain_lines() {
        let style = Style {
            plain: true,
            indent: 2,
            ..Style::default()
        };
        assert_eq!(style.line(-1, Level::Info, "x"), " *   x");
        assert_eq!(style.verdict(-1, false, 10), " [ !! ]");
    }
}

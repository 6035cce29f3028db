//! `clear`, `reset`, `resize`, `ttysize`.

use crate::common::lines::{Output, say, write_all};
use rustix::stdio;
use std::ffi::OsString;

pub const CLEAR_USAGE: &str = "";
pub const RESET_USAGE: &str = "";
pub const RESIZE_USAGE: &str = "

asks the terminal how large it is, sets that, and prints it as COLUMNS and LINES for the shell";
pub const TTYSIZE_USAGE: &str = "[w] [h]

prints the columns (w) and rows (h) of the terminal at standard input; 80 and 24 where it does not say";

/// `clear`
pub fn clear(_: &[OsString]) -> i32 {
    let mut out = Output::new();
    out.put(b"\x1b[H\x1b[J");
    out.finish("clear", 0, 1)
}

/// `reset`
pub fn reset(_: &[OsString]) -> i32 {
    // Out of other character sets; reset; default attributes; cursor shown; the whole screen cleared.
    if rustix::termios::isatty(stdio::stdout()) {
        let mut out = Output::new();
        out.put(b"\x1bc\x1b(B\x1b[m\x1b[?25h\x1b[J");
        let status = out.finish("reset", 0, 1);
        let sane = crate::common::modes::sane(stdio::stdout());
        return if sane.is_ok() { status } else { 1 };
    }
    0
}

/// `resize`
pub fn resize(_: &[OsString]) -> i32 {
    let terminal = stdio::stderr();
    let Ok(old) = sys::tty::raw(2) else {
        say("resize", "standard error is no terminal");
        return 1;
    };
    // The cursor goes as far as it can, tells where it is, and comes back.
    let asked = write_all(terminal, b"\x1b7\x1b[r\x1b[999;999H\x1b[6n");
    let mut answer = Vec::new();
    while asked.is_ok() && answer.len() < 32 && sys::process::readable(2, 3000).unwrap_or(false) {
        let mut byte = [0];
        match sys::process::read(2, &mut byte) {
            Ok(1) => answer.extend(byte),
            _ => break,
        }
        if byte == *b"R" {
            break;
        }
    }
    let _ = write_all(terminal, b"\x1b8");
    old.restore();
    let Some((rows, columns)) = position(&answer) else {
        say("resize", "the terminal does not answer");
        return 1;
    };
    let size = rustix::termios::Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let status = i32::from(rustix::termios::tcsetwinsize(terminal, size).is_err());
    let mut out = Output::new();
    out.put(format!("COLUMNS={columns};LINES={rows};export COLUMNS LINES;\n").as_bytes());
    out.finish("resize", status, 1)
}

/// Reads `ESC [ ROW ; COLUMN R`.
fn position(answer: &[u8]) -> Option<(u16, u16)> {
    let text = std::str::from_utf8(answer).ok()?;
    let (rows, columns) = text
        .split_once("\x1b[")?
        .1
        .strip_suffix('R')?
        .split_once(';')?;
    let (rows, columns) = (rows.parse().ok()?, columns.parse().ok()?);
    (rows > 0 && columns > 0).then_some((rows, columns))
}

/// `ttysize`
pub fn ttysize(arguments: &[OsString]) -> i32 {
    let (columns, rows) = sys::tty::size(0);
    let mut words = Vec::new();
    for word in arguments.iter().skip(1) {
        match word.to_str() {
            Some("w") => words.push(columns.to_string()),
            Some("h") => words.push(rows.to_string()),
            _ => {
                say("ttysize", format!("invalid argument '{}'", word.display()));
                return 1;
            }
        }
    }
    if arguments.len() < 2 {
        words = vec![columns.to_string(), rows.to_string()];
    }
    let mut out = Output::new();
    out.put((words.join(" ") + "\n").as_bytes());
    out.finish("ttysize", 0, 1)
}

#[cfg(test)]
mod tests {
    use super::position;

    #[test]
    fn what_the_terminal_says() {
        assert_eq!(position(b"\x1b[50;132R"), Some((50, 132)));
        for bad in [
            &b""[..],
            b"\x1b[R",
            b"\x1b[;R",
            b"\x1b[0;0R",
            b"\x1b[99999;1R",
            b"\x1b[5;5",
        ] {
            assert_eq!(position(bad), None);
        }
    }
}

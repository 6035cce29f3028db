//! `einfo`, `ebegin`, `eend` and their kin, as commands of the script's shell.
//!
//! With many services starting at once, each line is printed whole when `eend` comes; alone, `ebegin` is seen at once.

use crate::message::{Level, Style};
use shell::Shell;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use sys::process;

/// What `ebegin` said, until `eend` comes.
const BEGUN: &[u8] = b"_rc_begun";
/// Set where lines are printed whole.
pub const TOGETHER: &[u8] = b"_rc_together";
const INDENT: &[u8] = b"RC_EINDENT";
/// The file that everything goes to besides.
pub const LOG: &[u8] = b"_rc_log";

fn keep(shell: &Shell, level: Level, text: &str) {
    if let Some(path) = shell.var(LOG) {
        let plain = Style {
            plain: true,
            ..Style::default()
        };
        let line = plain.line(-1, level, text) + "\n";
        crate::log::append(Path::new(OsStr::from_bytes(&path)), line.as_bytes());
    }
}

fn style(shell: &Shell) -> Style {
    let mut style = Style::from_variables(|name| shell.var(name.as_bytes()));
    style.indent = indent_of(shell);
    style
}

fn indent_of(shell: &Shell) -> usize {
    let text = shell.var(INDENT).unwrap_or_default();
    std::str::from_utf8(&text)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
        .min(40)
}

fn text(arguments: &[Vec<u8>]) -> String {
    String::from_utf8_lossy(&arguments.join(&b' ')).into_owned()
}

fn print(fd: i32, line: &str) {
    // A reader that went away is nobody's loss.
    let _ = process::write_all(fd, line.as_bytes());
}

/// Ends the line that `ebegin` began, when something else is to be printed.
fn break_line(shell: &mut Shell) {
    let Some(begun) = shell.var(BEGUN) else {
        return;
    };
    shell.unset(BEGUN);
    if shell.var(TOGETHER).is_some() {
        let line = style(shell).line(1, Level::Info, &String::from_utf8_lossy(&begun));
        print(1, &format!("{line} ...\n"));
    } else {
        print(1, "\n");
    }
}

/// `einfo`, `ewarn`, `eerror`, and those with `n` at the end, which do not end the line. `eerror` returns 1.
pub fn plain(shell: &mut Shell, arguments: &[Vec<u8>]) -> i32 {
    let Some((name, words)) = arguments.split_first() else {
        return 1;
    };
    let level = match name.get(..3) {
        Some(b"ewa") => Level::Warn,
        Some(b"eer") => Level::Error,
        _ => Level::Info,
    };
    let style = style(shell);
    keep(shell, level, &text(words));
    if !(style.quiet && level == Level::Info) {
        break_line(shell);
        let fd = if level == Level::Info { 1 } else { 2 };
        let end = if matches!(name.as_slice(), b"einfon" | b"ewarnn" | b"eerrorn") {
            ""
        } else {
            "\n"
        };
        print(fd, &(style.line(fd, level, &text(words)) + end));
    }
    i32::from(level == Level::Error)
}

/// Those that speak only when `EINFO_VERBOSE` is set.
pub fn verbose(shell: &mut Shell, arguments: &[Vec<u8>]) -> i32 {
    let wanted = shell
        .var(b"EINFO_VERBOSE")
        .is_some_and(|value| crate::message::is_yes(&value) == Some(true));
    if !wanted {
        return 0;
    }
    let mut plain_words = arguments.to_vec();
    if let Some(name) = plain_words.first_mut() {
        name.remove(0);
        if name == b"ebegin" {
            return begin(shell, &plain_words);
        }
    }
    plain(shell, &plain_words)
}

/// `veend`, `vewend`
pub fn verbose_end(shell: &mut Shell, arguments: &[Vec<u8>]) -> i32 {
    let wanted = shell
        .var(b"EINFO_VERBOSE")
        .is_some_and(|value| crate::message::is_yes(&value) == Some(true));
    if wanted {
        end(shell, arguments)
    } else {
        status_of(arguments)
    }
}

/// `ebegin TEXT`
pub fn begin(shell: &mut Shell, arguments: &[Vec<u8>]) -> i32 {
    let style = style(shell);
    if style.quiet {
        return 0;
    }
    break_line(shell);
    let text = text(arguments.get(1..).unwrap_or_default());
    shell.set_var(BEGUN, text.as_bytes());
    if shell.var(TOGETHER).is_none() {
        print(1, &format!("{} ...", style.line(1, Level::Info, &text)));
    }
    0
}

fn status_of(arguments: &[Vec<u8>]) -> i32 {
    let status = arguments
        .get(1)
        .and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
    status.unwrap_or(0)
}

/// `eend STATUS [WHY]`: the verdict, and the reason where it failed. Returns the status.
pub fn end(shell: &mut Shell, arguments: &[Vec<u8>]) -> i32 {
    let status = status_of(arguments);
    let style = style(shell);
    let why = text(arguments.get(2..).unwrap_or_default());
    let level = match arguments.first().map(Vec::as_slice) {
        Some(b"ewend" | b"vewend") => Level::Warn,
        _ => Level::Error,
    };
    let begun = shell.var(BEGUN);
    if let Some(begun) = &begun {
        let verdict = if status == 0 { "ok" } else { "!!" };
        let line = format!("{} ... [ {verdict} ]", String::from_utf8_lossy(begun));
        keep(shell, Level::Info, &line);
    }
    let mut out = String::new();
    if let (Some(begun), false) = (&begun, style.quiet) {
        let begun = String::from_utf8_lossy(begun);
        let used = 3 + style.indent + begun.chars().count() + 4;
        if shell.var(TOGETHER).is_some() {
            out = style.line(1, Level::Info, &begun) + " ...";
        }
        out += &style.verdict(1, status == 0, used);
        out.push('\n');
    }
    shell.unset(BEGUN);
    print(1, &out);
    if status != 0 && !why.is_empty() {
        keep(shell, level, &why);
        print(2, &(style.line(2, level, &why) + "\n"));
    }
    status
}

/// `eindent [COLUMNS]`, `eoutdent [COLUMNS]`
pub fn indent(shell: &mut Shell, arguments: &[Vec<u8>]) -> i32 {
    let by = arguments
        .get(1)
        .and_then(|text| std::str::from_utf8(text).ok()?.parse::<usize>().ok())
        .unwrap_or(2);
    let now = indent_of(shell);
    let next = match arguments.first().map(Vec::as_slice) {
        Some(b"eindent") => now.saturating_add(by).min(40),
        _ => now.saturating_sub(by),
    };
    shell.set_var(INDENT, next.to_string().as_bytes());
    shell.export(INDENT);
    0
}

/// `eval_ecolors`: the variables GOOD, WARN, BAD, HILITE, BRACKET and NORMAL.
pub fn colours(shell: &mut Shell, _: &[Vec<u8>]) -> i32 {
    let plain = style(shell).plain;
    for (name, code) in [
        ("GOOD", "\x1b[32;1m"),
        ("WARN", "\x1b[33;1m"),
        ("BAD", "\x1b[31;1m"),
        ("HILITE", "\x1b[36;1m"),
        ("BRACKET", "\x1b[34;1m"),
        ("NORMAL", "\x1b[m"),
    ] {
        shell.set_var(name.as_bytes(), if plain { b"" } else { code.as_bytes() });
    }
    0
}

/// At the end of a script: a line that was begun and never ended.
pub fn finish(shell: &mut Shell) {
    break_line(shell);
}

//! The `sh` command: a script, `-c`, standard input, or a terminal.

use crate::exec::{Flow, Shell, strerror};
use crate::parser::Parser;
use crate::{Applet, RegexFn, builtins};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use sys::process;

const USAGE: &str =
    "usage: sh [-abCefilmnuvx] [-o option] [-c command | file | -s] [argument...]\n";

/// Runs the shell with the environment that it was started in; `applets` finds the host's programs. Returns the
/// status to exit with.
pub fn main(
    arguments: &[OsString],
    applets: Option<fn(&[u8]) -> Option<Applet>>,
    regex: Option<RegexFn>,
) -> i32 {
    let mut shell = Shell::new();
    shell.regex = regex;
    shell.applets = applets;
    shell.import_environment(std::env::vars_os());
    set_folder(&mut shell);
    let parent = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
    shell.set_var(b"PPID", parent.to_string().as_bytes());
    let name = arguments.first().map_or(&b"sh"[..], |name| name.as_bytes());
    shell.name = name.to_vec();
    let login = name.starts_with(b"-");
    let words: Vec<Vec<u8>> = arguments
        .iter()
        .skip(1)
        .map(|word| word.as_bytes().to_vec())
        .collect();
    match start(&mut shell, &words, login) {
        Ok(Start::Text(text)) => {
            let name = shell.name.clone();
            shell.run_to_exit(|shell| shell.run_lines(&name, &text, true))
        }
        Ok(Start::File(path)) => match std::fs::read(OsStr::from_bytes(&path)) {
            Ok(text) => {
                shell.name.clone_from(&path);
                shell.run_to_exit(|shell| shell.run_text(&path, &text))
            }
            Err(error) => {
                let text = format!(
                    "sh: can't open '{}': {}\n",
                    String::from_utf8_lossy(&path),
                    strerror(&error)
                );
                let _ = process::write_all(2, text.as_bytes());
                if error.kind() == io::ErrorKind::NotFound {
                    127
                } else {
                    126
                }
            }
        },
        Ok(Start::Input) if shell.options.interactive => {
            crate::interactive::interactive(&mut shell)
        }
        Ok(Start::Input) => shell.run_to_exit(read_commands),
        Err(status) => status,
    }
}

enum Start {
    Text(Vec<u8>),
    File(Vec<u8>),
    Input,
}

/// `PWD` is believed where it leads here.
fn set_folder(shell: &mut Shell) {
    let known = shell.variables.get(b"PWD").is_some_and(builtins::is_here);
    if !known && let Ok(here) = std::env::current_dir() {
        shell.set_var(b"PWD", here.as_os_str().as_bytes());
    }
}

fn start(shell: &mut Shell, words: &[Vec<u8>], mut login: bool) -> Result<Start, i32> {
    let (mut command, mut input, mut at) = (false, false, 0);
    while let Some(word) = words
        .get(at)
        .filter(|word| word.len() > 1 && matches!(word.first(), Some(b'-' | b'+')))
    {
        at += 1;
        let on = word.first() == Some(&b'-');
        match word.as_slice() {
            b"--" => break,
            b"--login" => {
                login = true;
                continue;
            }
            b"--help" => {
                let _ = process::write_all(1, USAGE.as_bytes());
                return Err(0);
            }
            _ => {}
        }
        for letter in word.iter().skip(1) {
            let known = match letter {
                b'c' => {
                    command = on;
                    true
                }
                b's' => {
                    input = on;
                    true
                }
                b'l' => {
                    login = on;
                    true
                }
                b'o' => {
                    at += 1;
                    words
                        .get(at - 1)
                        .is_some_and(|name| shell.options.set_name(name, on))
                }
                letter => shell.options.set_letter(char::from(*letter), on),
            };
            if !known {
                let text = format!("sh: bad option -{}\n{USAGE}", char::from(*letter));
                let _ = process::write_all(2, text.as_bytes());
                return Err(2);
            }
        }
    }
    let mut rest = words.get(at..).unwrap_or_default().to_vec();
    let start = if command {
        if rest.is_empty() {
            let _ = process::write_all(2, b"sh: -c needs an argument\n");
            return Err(2);
        }
        let text = rest.remove(0);
        if !rest.is_empty() {
            shell.name = rest.remove(0);
        }
        Start::Text(text)
    } else if !input && !rest.is_empty() {
        Start::File(rest.remove(0))
    } else {
        if sys::tty::is_terminal(0) && sys::tty::is_terminal(2) {
            shell.options.interactive = true;
        }
        Start::Input
    };
    shell.positional = rest;
    if login {
        profile(shell, b"/etc/profile");
        if let Some(home) = shell.variables.get(b"HOME").map(<[u8]>::to_vec) {
            profile(shell, &[home.as_slice(), b"/.profile"].concat());
        }
    }
    if shell.options.interactive
        && let Some(file) = shell.variables.get(b"ENV").map(<[u8]>::to_vec)
    {
        profile(shell, &file);
    }
    if let Some(status) = shell.exited {
        return Err(status);
    }
    Ok(start)
}

fn profile(shell: &mut Shell, path: &[u8]) {
    if let Ok(text) = std::fs::read(OsStr::from_bytes(path))
        && let Err(Flow::Exit(status) | Flow::Abort(status)) = shell.run_text(path, &text)
        && !shell.options.interactive
    {
        shell.exited = Some(status);
    }
}

/// Commands from standard input, each run before the next is read: what a command leaves unread is the next one's.
fn read_commands(shell: &mut Shell) -> Result<(), Flow> {
    let mut text = Vec::new();
    let mut line = 1;
    loop {
        let ended = !read_line(&mut text);
        if text.is_empty() && ended {
            return Ok(());
        }
        match parse(shell, &text, line, !ended) {
            Parsed::Unfinished if !ended => continue,
            Parsed::Lists(lists) => {
                for list in lists {
                    if !shell.options.no_exec {
                        shell.list(&list)?;
                    }
                }
            }
            Parsed::Unfinished | Parsed::Failed => return Err(Flow::Exit(2)),
        }
        line += u32::try_from(text.iter().filter(|byte| **byte == b'\n').count()).unwrap_or(0);
        text.clear();
        if ended {
            return Ok(());
        }
    }
}

pub(crate) enum Parsed {
    Lists(Vec<crate::ast::List>),
    Unfinished,
    Failed,
}

pub(crate) fn parse(shell: &Shell, text: &[u8], line: u32, more: bool) -> Parsed {
    let name = String::from_utf8_lossy(&shell.name).into_owned();
    let mut parser = Parser::new(text, &name, &shell.aliases);
    parser.line = line;
    parser.more = more;
    let mut lists = Vec::new();
    loop {
        match parser.next_command() {
            Ok(Some(list)) => lists.push(list),
            Ok(None) => return Parsed::Lists(lists),
            Err(error) if error.unfinished => {
                return Parsed::Unfinished;
            }
            Err(error) => {
                let _ = process::write_all(2, format!("{error}\n").as_bytes());
                return Parsed::Failed;
            }
        }
    }
}

/// Adds a line of standard input; `false`: it is at its end.
pub(crate) fn read_line(text: &mut Vec<u8>) -> bool {
    let mut byte = [0];
    loop {
        match process::read(0, &mut byte) {
            Ok(1) => {
                text.push(byte[0]);
                if byte[0] == b'\n' {
                    return true;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return true,
            _ => return false,
        }
    }
}

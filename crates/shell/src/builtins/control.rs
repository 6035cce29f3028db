//! What directs the course of commands: `. : break command continue eval exit false let return true type`.

use super::{is_special, lossy, names, number};
use crate::exec::{Flow, Shell};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

pub(super) fn colon(_: &mut Shell, _: &[Vec<u8>]) -> Result<i32, Flow> {
    Ok(0)
}

pub(super) fn no(_: &mut Shell, _: &[Vec<u8>]) -> Result<i32, Flow> {
    Ok(1)
}

pub(super) fn leave_loop(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    let levels = match arguments.get(1) {
        None => 1,
        Some(text) => match number(text).and_then(|levels| u32::try_from(levels).ok()) {
            Some(levels) if levels > 0 => levels,
            _ => {
                let name = lossy(arguments.first().map_or(b"", Vec::as_slice));
                return Err(shell.fail(&format!("{name}: Illegal number: {}", lossy(text))));
            }
        },
    };
    if shell.loops == 0 {
        return Ok(0);
    }
    shell.status = 0;
    let levels = levels.min(shell.loops);
    Err(if arguments.first().is_some_and(|name| name == b"break") {
        Flow::Break(levels)
    } else {
        Flow::Continue(levels)
    })
}

/// The status that `exit` and `return` are given.
fn status_argument(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    match arguments.get(1) {
        None => Ok(shell.trap_status.unwrap_or(shell.status)),
        Some(text) => match number(text) {
            Some(status) => Ok(status & 0xff),
            None => {
                let name = lossy(arguments.first().map_or(b"", Vec::as_slice));
                Err(shell.fail(&format!("{name}: Illegal number: {}", lossy(text))))
            }
        },
    }
}

pub(super) fn exit(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    let status = status_argument(shell, arguments)?;
    if shell.must_stay() {
        return Ok(0);
    }
    shell.status = status;
    Err(Flow::Exit(status))
}

pub(super) fn leave_function(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    let status = status_argument(shell, arguments)?;
    Err(Flow::Return(status))
}

pub(super) fn eval(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    let text = arguments.get(1..).unwrap_or_default().join(&b' ');
    let name = shell.name.clone();
    shell.depth += 1;
    let result = if shell.depth > 200 {
        Err(shell.fail("eval: nested too deeply"))
    } else {
        shell.run_text(&name, &text)
    };
    shell.depth -= 1;
    result.map(|()| shell.status)
}

pub(super) fn source(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    let Some(name) = arguments.get(1).cloned() else {
        return Ok(shell.complain(b".", "filename argument required"));
    };
    let path = if name.contains(&b'/') {
        name.clone()
    } else {
        let folders = shell.variables.get(b"PATH").unwrap_or_default().to_vec();
        let found = folders
            .split(|byte| *byte == b':')
            .map(|folder| [if folder.is_empty() { b"." } else { folder }, b"/", &name].concat())
            .find(|path| std::path::Path::new(OsStr::from_bytes(path)).is_file());
        found.unwrap_or_else(|| name.clone())
    };
    let text = match std::fs::read(OsStr::from_bytes(&path)) {
        Ok(text) => text,
        Err(error) => {
            return Err(shell.fail(&format!(
                ".: can't open '{}': {}",
                lossy(&name),
                crate::exec::strerror(&error)
            )));
        }
    };
    let outer = match arguments.get(2..) {
        Some(more) if !more.is_empty() => {
            Some(std::mem::replace(&mut shell.positional, more.to_vec()))
        }
        _ => None,
    };
    shell.depth += 1;
    let result = if shell.depth > 200 {
        Err(shell.fail(".: nested too deeply"))
    } else {
        shell.run_text(&path, &text)
    };
    shell.depth -= 1;
    if let Some(outer) = outer {
        shell.positional = outer;
    }
    match result {
        Err(Flow::Return(status)) => Ok(status),
        other => other.map(|()| shell.status),
    }
}

pub(super) fn arithmetic(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    let mut value = 0;
    for text in arguments.iter().skip(1) {
        value = shell.arithmetic(text)?;
    }
    Ok(i32::from(value == 0))
}

pub(super) fn command(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    let (mut at, mut short, mut long) = (1, false, false);
    let mut standard_path = false;
    while let Some(option) = arguments
        .get(at)
        .filter(|word| word.len() > 1 && word.starts_with(b"-"))
    {
        at += 1;
        match option.as_slice() {
            b"-v" => short = true,
            b"-V" => long = true,
            b"-p" => standard_path = true,
            b"--" => break,
            _ => return Ok(shell.complain(b"command", &format!("{}: bad option", lossy(option)))),
        }
    }
    let words = arguments.get(at..).unwrap_or_default();
    if standard_path {
        shell.variables.push_scope();
        shell.variables.make_local(b"PATH");
        shell.set_var(b"PATH", b"/usr/sbin:/usr/bin:/sbin:/bin");
        shell.hashed.clear();
    }
    let result = run_command(shell, words, short, long);
    if standard_path {
        shell.variables.pop_scope();
        shell.hashed.clear();
    }
    result
}

fn run_command(shell: &mut Shell, words: &[Vec<u8>], short: bool, long: bool) -> Result<i32, Flow> {
    if short || long {
        let mut status = 0;
        for word in words {
            status |= describe(shell, word, long);
        }
        return Ok(if words.is_empty() { 2 } else { status });
    }
    if words.is_empty() {
        return Ok(0);
    }
    let special = words.first().is_some_and(|name| is_special(name));
    match shell.run_without_functions(words) {
        // An error in a special built-in ends no script when `command` stands before it.
        Err(Flow::Abort(status)) if special => Ok(status),
        result => result.map(|()| shell.status),
    }
}

pub(super) fn kind(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    let mut status = 0;
    for word in arguments.iter().skip(1) {
        status |= describe(shell, word, true);
    }
    Ok(status)
}

/// Says what a name means.
fn describe(shell: &mut Shell, name: &[u8], long: bool) -> i32 {
    const RESERVED: [&str; 17] = [
        "!", "[[", "]]", "case", "do", "done", "elif", "else", "esac", "fi", "for", "function",
        "if", "in", "then", "until", "while",
    ];
    let text = lossy(name);
    let line = if RESERVED.contains(&text.as_str()) || matches!(name, b"{" | b"}") {
        if long {
            format!("{text} is a shell keyword")
        } else {
            text
        }
    } else if let Some(alias) = shell.known_alias(name) {
        let alias = lossy(&alias);
        if long {
            format!("{text} is an alias for {alias}")
        } else {
            format!("alias {text}='{alias}'")
        }
    } else if shell.has_function(name) && !is_special(name) {
        if long {
            format!("{text} is a function")
        } else {
            text
        }
    } else if names().any(|known| known == text) || shell.registered.contains_key(text.as_str()) {
        let special = if is_special(name) { "special " } else { "" };
        if long {
            format!("{text} is a {special}shell builtin")
        } else {
            text
        }
    } else if let Some(path) = shell
        .find_program(name)
        .filter(|path| Shell::is_executable(path.as_os_str().as_bytes()))
    {
        if long {
            format!("{text} is {}", path.display())
        } else {
            path.display().to_string()
        }
    } else if shell.applets.is_some_and(|lookup| lookup(name).is_some()) {
        if long {
            format!("{text} is an applet")
        } else {
            text
        }
    } else {
        if long {
            // Not an error of the script: no place in front, as in dash and ash.
            let _ = sys::process::write_all(2, format!("{text}: not found\n").as_bytes());
        }
        return 127;
    };
    shell.print(format!("{line}\n").as_bytes(), "command")
}

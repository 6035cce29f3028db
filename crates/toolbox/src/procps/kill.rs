//! `kill`, `killall`, `killall5`, `pgrep`, `pkill`, `pidof`.

use super::processes::{self, Process, is_named};
use crate::common::accounts::Accounts;
use crate::common::lines::{Output, cause, say};
use crate::common::options::Options;
use crate::common::signals;
use crate::regex::{Regex, Syntax};
use std::ffi::OsString;

pub const KILL_USAGE: &str = "[-SIGNAL | -s SIGNAL] pid... | -l [NUMBER]

-l  list the signals; a pid of 0 is this group, -1 all, -N the group N";
pub const KILLALL_USAGE: &str = "[-q] [-SIGNAL] name... | -l

-q  no word of names that nothing has";
pub const KILLALL5_USAGE: &str = "[-SIGNAL] [-o PID]...

to every process but the kernel's and this session's
-o  leave this one out";
pub const PGREP_USAGE: &str = "[-flanovx] [-s SID] [-P PPID] [-u USER] [pattern]

-f  the whole command line    -l  names, too    -a  command lines, too    -n  the newest    -o  the oldest
-v  those that do not fit    -x  exactly    -s  of this session    -P  with this parent    -u  of this user";
pub const PKILL_USAGE: &str = "[-SIGNAL] [-fnovx] [-s SID] [-P PPID] [-u USER] [pattern]";
pub const PIDOF_USAGE: &str = "[-s] [-o PID] name...

-s  only one    -o  leave this one out";

/// Takes `-TERM`, `-9` or `-s TERM` from the front. `Err`: told.
fn take_signal<'a>(applet: &str, rest: &mut &'a [OsString]) -> Result<i32, i32> {
    let Some((first, behind)) = rest.split_first() else {
        return Ok(15);
    };
    let text = first.to_string_lossy();
    let Some(word) = text.strip_prefix('-') else {
        return Ok(15);
    };
    let (name, after): (String, &'a [OsString]) = match word {
        "s" | "n" => match behind.split_first() {
            Some((value, after)) => (value.to_string_lossy().into_owned(), after),
            None => {
                say(applet, format!("option '-{word}' needs a value"));
                return Err(1);
            }
        },
        "-" => {
            *rest = behind;
            return Ok(15);
        }
        word => match word
            .strip_prefix("s")
            .filter(|name| signals::number(name).is_some() && signals::number(word).is_none())
        {
            Some(name) => (name.to_owned(), behind),
            None => (word.to_owned(), behind),
        },
    };
    match signals::number(&name) {
        Some(number) => {
            *rest = after;
            if rest.first().is_some_and(|word| word == "--") {
                *rest = rest.get(1..).unwrap_or_default();
            }
            Ok(number)
        }
        None => {
            say(applet, format!("bad signal name '{name}'"));
            Err(1)
        }
    }
}

fn list(rest: &[OsString]) -> i32 {
    let mut out = Output::new();
    if rest.is_empty() {
        for (number, name) in (1..).zip(signals::NAMES) {
            out.put(format!("{number:>2}) {name}\n").as_bytes());
        }
    }
    let mut status = 0;
    for word in rest {
        let text = word.to_string_lossy();
        // A shell's status of what a signal ended is a number of a signal, too.
        let found = match text.parse::<i32>() {
            Ok(number) => {
                signals::name(if number > 128 { number - 128 } else { number }).map(str::to_owned)
            }
            Err(_) => signals::number(&text).map(|number| number.to_string()),
        };
        match found {
            Some(found) => out.put(format!("{found}\n").as_bytes()),
            None => {
                say("kill", format!("bad signal name '{text}'"));
                status = 1;
            }
        }
    }
    out.finish("kill", status, 1)
}

/// `kill`
pub fn kill(arguments: &[OsString]) -> i32 {
    let mut rest = arguments.get(1..).unwrap_or_default();
    if rest
        .first()
        .is_some_and(|word| word == "-l" || word == "-L")
    {
        return list(rest.get(1..).unwrap_or_default());
    }
    let signal = match take_signal("kill", &mut rest) {
        Ok(signal) => signal,
        Err(status) => return status,
    };
    if rest.is_empty() {
        say("kill", "you need to specify whom to kill");
        return 1;
    }
    let mut status = 0;
    for word in rest {
        let text = word.to_string_lossy();
        let Ok(pid) = text.parse::<i32>() else {
            say("kill", format!("invalid number '{text}'"));
            status = 1;
            continue;
        };
        if let Err(error) = sys::process::kill(pid, signal) {
            say("kill", format!("can't kill pid {pid}: {}", cause(&error)));
            status = 1;
        }
    }
    status
}

fn own() -> i32 {
    i32::try_from(std::process::id()).unwrap_or(0)
}

/// `killall`
pub fn killall(arguments: &[OsString]) -> i32 {
    let mut rest = arguments.get(1..).unwrap_or_default();
    if rest.first().is_some_and(|word| word == "-l") {
        return list(rest.get(1..).unwrap_or_default());
    }
    let mut quiet = false;
    while rest.first().is_some_and(|word| word == "-q") {
        quiet = true;
        rest = rest.get(1..).unwrap_or_default();
    }
    let signal = match take_signal("killall", &mut rest) {
        Ok(signal) => signal,
        Err(status) => return status,
    };
    if rest.first().is_some_and(|word| word == "-q") {
        quiet = true;
        rest = rest.get(1..).unwrap_or_default();
    }
    if rest.is_empty() {
        say("killall", "you need to specify whom to kill");
        return 1;
    }
    let all = processes::all();
    let mut status = 0;
    for name in rest {
        let found: Vec<&Process> = all
            .iter()
            .filter(|process| process.pid != own() && is_named(process, name))
            .collect();
        if found.is_empty() {
            if !quiet {
                say("killall", format!("{}: no process killed", name.display()));
            }
            status = 1;
        }
        for process in found {
            if let Err(error) = sys::process::kill(process.pid, signal) {
                say(
                    "killall",
                    format!("can't kill pid {}: {}", process.pid, cause(&error)),
                );
                status = 1;
            }
        }
    }
    status
}

/// `killall5`: everybody but the kernel, process 1 and this session.
pub fn killall5(arguments: &[OsString]) -> i32 {
    let mut rest = arguments.get(1..).unwrap_or_default();
    let signal = match rest.first().is_some_and(|word| word == "-o") {
        true => 15,
        false => match take_signal("killall5", &mut rest) {
            Ok(signal) => signal,
            Err(status) => return status,
        },
    };
    let mut omitted = vec![1, own()];
    while let [option, value, behind @ ..] = rest {
        if option != "-o" {
            break;
        }
        for word in value.to_string_lossy().split(',') {
            match word.parse() {
                Ok(pid) => omitted.push(pid),
                Err(_) => {
                    say("killall5", format!("invalid number '{word}'"));
                    return 1;
                }
            }
        }
        rest = behind;
    }
    let session = Process::read(own()).map(|process| process.session);
    // Stopped meanwhile, so that nobody starts others while we look.
    let _ = sys::process::kill(-1, 19);
    let mut sent = 0;
    for process in processes::all() {
        let kernel = process.virtual_size == 0 && process.command.is_empty();
        if kernel || omitted.contains(&process.pid) || Some(process.session) == session {
            continue;
        }
        if sys::process::kill(process.pid, signal).is_ok() {
            sent += 1;
        }
    }
    let _ = sys::process::kill(-1, 18);
    if sent > 0 { 0 } else { 2 }
}

/// `pgrep`
pub fn pgrep(arguments: &[OsString]) -> i32 {
    find(arguments, "pgrep", None)
}

/// `pkill`
pub fn pkill(arguments: &[OsString]) -> i32 {
    let mut rest = arguments.get(1..).unwrap_or_default();
    let mut signal = 15;
    let is_signal = rest.first().is_some_and(|word| {
        let text = word.to_string_lossy();
        text.strip_prefix('-')
            .is_some_and(|name| signals::number(name).is_some())
    });
    if is_signal {
        signal = match take_signal("pkill", &mut rest) {
            Ok(signal) => signal,
            Err(status) => return status,
        };
    }
    let words: Vec<OsString> = std::iter::once(OsString::from("pkill"))
        .chain(rest.iter().cloned())
        .collect();
    find(&words, "pkill", Some(signal))
}

fn find(arguments: &[OsString], applet: &'static str, signal: Option<i32>) -> i32 {
    let options = Options {
        applet,
        letters: "flanovxs:P:u:U:t:",
        long: &[],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(_) => return 2,
    };
    if options.operands(&given, 0, 1).is_err() {
        return 2;
    }
    let pattern = given.operands.first();
    if pattern.is_none()
        && !["s", "P", "u", "U", "t"]
            .iter()
            .any(|o| o.chars().all(|c| given.has(c)))
    {
        options.wrong("no pattern");
        return 2;
    }
    let syntax = Syntax {
        extended: true,
        line: given.has('x'),
        ..Syntax::default()
    };
    let regex = match pattern {
        None => None,
        Some(text) => match Regex::new(text.as_encoded_bytes(), syntax) {
            Ok(regex) => Some(regex),
            Err(error) => {
                say(applet, format!("{}: {error}", text.display()));
                return 2;
            }
        },
    };
    let accounts = Accounts::system();
    let number = |letter: char| -> Option<i64> { given.value(letter)?.to_str()?.parse().ok() };
    let user = given.value('u').or(given.value('U')).map(|name| {
        let known = accounts
            .user(name.as_encoded_bytes())
            .ok()
            .flatten()
            .map(|user| user.uid);
        known
            .or_else(|| name.to_str()?.parse().ok())
            .unwrap_or(u32::MAX)
    });
    let mut found: Vec<Process> = processes::all()
        .into_iter()
        .filter(|process| {
            if process.pid == own() {
                return false;
            }
            let text = if given.has('f') {
                process.arguments()
            } else {
                process.program().to_vec()
            };
            let fits = regex.as_ref().is_none_or(|regex| regex.is_match(&text))
                && number('s').is_none_or(|session| i64::from(process.session) == session)
                && number('P').is_none_or(|parent| i64::from(process.ppid) == parent)
                && given
                    .value('t')
                    .is_none_or(|name| process.terminal_name().as_str() == name)
                && user.is_none_or(|uid| process.uid == uid);
            fits != given.has('v')
        })
        .collect();
    found.sort_by_key(|process| (process.start, process.pid));
    if given.has('n') {
        found = found.pop().into_iter().collect();
    } else if given.has('o') {
        found.truncate(1);
    }
    found.sort_by_key(|process| process.pid);
    let mut out = Output::new();
    let mut status = i32::from(found.is_empty());
    for process in found {
        match signal {
            Some(signal) => {
                if let Err(error) = sys::process::kill(process.pid, signal) {
                    say(
                        applet,
                        format!("can't kill pid {}: {}", process.pid, cause(&error)),
                    );
                    status = 1;
                }
            }
            None => {
                out.put(process.pid.to_string().as_bytes());
                if given.has('a') {
                    out.put_byte(b' ');
                    out.put(&process.arguments());
                } else if given.has('l') {
                    out.put_byte(b' ');
                    out.put(process.program());
                }
                out.put_byte(b'\n');
            }
        }
    }
    out.finish(applet, status, 1)
}

/// `pidof`
pub fn pidof(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "pidof",
        letters: "so:",
        long: &[],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 1, usize::MAX) {
        return status;
    }
    let mut omitted = Vec::new();
    for word in given.values('o') {
        let text = word.to_string_lossy();
        if text == "%PPID" {
            omitted.push(Process::read(own()).map_or(0, |process| process.ppid));
        } else if let Ok(pid) = text.parse() {
            omitted.push(pid);
        } else {
            return options.wrong(&format!("invalid number '{text}'"));
        }
    }
    let mut pids: Vec<String> = Vec::new();
    for process in processes::all().iter().rev() {
        // A shell that became this program may still look like the shell.
        let fits = given.operands.iter().any(|name| {
            if process.pid == own() {
                name == "pidof"
            } else {
                is_named(process, name)
            }
        });
        if fits && !omitted.contains(&process.pid) {
            pids.push(process.pid.to_string());
        }
    }
    if given.has('s') {
        pids.truncate(1);
    }
    if pids.is_empty() {
        return 1;
    }
    let mut out = Output::new();
    out.put(pids.join(" ").as_bytes());
    out.put_byte(b'\n');
    out.finish("pidof", 0, 1)
}

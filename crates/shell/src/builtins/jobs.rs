//! Background jobs: `bg fg jobs kill wait`.

use super::{lossy, number, state};
use crate::exec::{Flow, Shell, strerror};
use std::io;
use sys::process::{self, Status, Which};

/// A job's process out of `%n`, `%%`, `%+` or a number.
fn process_of(shell: &Shell, word: &[u8]) -> Option<i32> {
    match word.strip_prefix(b"%") {
        Some(b"" | b"%" | b"+") => shell.jobs.last().map(|(pid, _)| *pid),
        Some(b"-") => shell.jobs.iter().rev().nth(1).map(|(pid, _)| *pid),
        Some(text) => {
            let at = usize::try_from(number(text)?).ok()?.checked_sub(1)?;
            shell.jobs.get(at).map(|(pid, _)| *pid)
        }
        None => number(word),
    }
}

impl Shell {
    /// Takes note of what ended in the background.
    pub(crate) fn poll_jobs(&mut self) {
        for (pid, state) in &mut self.jobs {
            if !matches!(state, Some(Status::Exited(_) | Status::Killed(..)))
                && let Ok(Some((_, status))) = process::wait(Which::One(*pid), false, true)
            {
                *state = Some(status);
            }
        }
    }
}

pub(super) fn list(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    shell.poll_jobs();
    let only_numbers = arguments.get(1).is_some_and(|option| option == b"-p");
    let mut text = String::new();
    for (number, (pid, state)) in shell.jobs.iter().enumerate() {
        let what = match state {
            None | Some(Status::Continued) => "Running".to_owned(),
            Some(Status::Stopped(_)) => "Stopped".to_owned(),
            Some(Status::Exited(0)) => "Done".to_owned(),
            Some(Status::Exited(code)) => format!("Done({code})"),
            Some(Status::Killed(..)) => "Killed".to_owned(),
        };
        if only_numbers {
            text.push_str(&format!("{pid}\n"));
        } else {
            text.push_str(&format!("[{}] {what} {pid}\n", number + 1));
        }
    }
    shell
        .jobs
        .retain(|(_, state)| !matches!(state, Some(Status::Exited(_) | Status::Killed(..))));
    Ok(shell.print(text.as_bytes(), "jobs"))
}

pub(super) fn wait(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    let words: Vec<Vec<u8>> = arguments
        .iter()
        .skip(1)
        .filter(|word| *word != b"--")
        .cloned()
        .collect();
    let any = words.first().is_some_and(|word| word == b"-n");
    if words.is_empty() || any {
        let mut status = 0;
        while let Some((pid, _)) = shell.jobs.first().copied() {
            let which = if any { None } else { Some(pid) };
            let waited = wait_one(shell, which)?;
            if let Some(signal) = trapped(shell) {
                shell.run_traps()?;
                return Ok(128 + signal);
            }
            match waited {
                Some(code) if any => {
                    status = code;
                    break;
                }
                // The job is still there: a trapped signal ended the waiting.
                Some(code) if shell.jobs.iter().any(|(job, _)| *job == pid) => return Ok(code),
                _ => {}
            }
        }
        return Ok(if any && words.len() == 1 { status } else { 0 });
    }
    let mut status = 0;
    for word in words {
        status = match process_of(shell, &word) {
            Some(pid) => wait_one(shell, Some(pid))?.unwrap_or(127),
            None => shell.complain(b"wait", &format!("{}: no such job", lossy(&word))),
        };
    }
    Ok(status)
}

/// A signal that came and has a trap.
fn trapped(shell: &Shell) -> Option<i32> {
    (1..64).find(|signal| process::is_pending(*signal) && shell.traps.contains_key(signal))
}

/// Waits for one job, or whichever ends first. `None`: it is no child of this shell.
fn wait_one(shell: &mut Shell, pid: Option<i32>) -> Result<Option<i32>, Flow> {
    loop {
        let known = shell.jobs.iter().position(|(job, state)| {
            pid.is_none_or(|pid| pid == *job)
                && matches!(state, Some(Status::Exited(_) | Status::Killed(..)))
        });
        if let Some(at) = known {
            let (_, state) = shell.jobs.remove(at);
            return Ok(state.map(Status::code));
        }
        match process::wait(pid.map_or(Which::Any, Which::One), true, false) {
            Ok(Some((pid, status))) => {
                shell.jobs.retain(|(job, _)| *job != pid);
                return Ok(Some(status.code()));
            }
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                // A trapped signal ends the waiting (POSIX.1-2024, 2.12).
                let signal = (1..64).find(|signal| {
                    process::is_pending(*signal) && shell.traps.contains_key(signal)
                });
                shell.run_traps()?;
                if let Some(signal) = signal {
                    return Ok(Some(128 + signal));
                }
            }
            Err(_) => {
                shell
                    .jobs
                    .retain(|(job, _)| pid.is_some_and(|pid| pid != *job));
                return Ok(None);
            }
        }
    }
}

pub(super) fn kill(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    // What ended is not to be asked for any more.
    shell.poll_jobs();
    let mut words = arguments.get(1..).unwrap_or_default();
    let mut signal = 15;
    if let Some((first, rest)) = words.split_first()
        && let Some(option) = first.strip_prefix(b"-").filter(|option| !option.is_empty())
    {
        words = rest;
        if option == b"l" {
            return Ok(names(shell, words));
        }
        let name = if option == b"s" || option == b"n" {
            let Some((name, rest)) = words.split_first() else {
                return Ok(shell.complain(b"kill", "a signal is missing behind -s"));
            };
            words = rest;
            name.as_slice()
        } else {
            option
        };
        if option != b"-" {
            match state::signal_number(name) {
                Some(number) => signal = number,
                None => {
                    return Ok(
                        shell.complain(b"kill", &format!("bad signal name '{}'", lossy(name)))
                    );
                }
            }
        }
    }
    if words.first().is_some_and(|word| word == b"--") {
        words = words.get(1..).unwrap_or_default();
    }
    if words.is_empty() {
        return Ok(shell.complain(b"kill", "you need to specify whom to kill"));
    }
    let mut status = 0;
    for word in words {
        let result = match process_of(shell, word) {
            // A job that job control put into a group of its own is killed as a whole.
            Some(pid) if word.starts_with(b"%") && shell.options.monitor => {
                process::kill(-pid, signal)
            }
            Some(pid) => process::kill(pid, signal),
            None => Err(io::Error::other("invalid number")),
        };
        if let Err(error) = result {
            shell.complain(
                b"kill",
                &format!("can't kill pid {}: {}", lossy(word), strerror(&error)),
            );
            status = 1;
        }
    }
    Ok(status)
}

fn names(shell: &mut Shell, words: &[Vec<u8>]) -> i32 {
    let mut text = String::new();
    if words.is_empty() {
        for (number, name) in state::SIGNALS.iter().enumerate().skip(1) {
            text.push_str(&format!("{number:2}) {name}\n"));
        }
    }
    for word in words {
        // A status above 128 tells of a signal.
        let signal = state::signal_number(word).or_else(|| number(word));
        let signal = signal.map(|signal| if signal > 128 { signal - 128 } else { signal });
        match signal.and_then(|signal| usize::try_from(signal).ok()) {
            Some(signal) if word.first().is_some_and(u8::is_ascii_digit) => {
                text.push_str(state::SIGNALS.get(signal).copied().unwrap_or("?"));
                text.push('\n');
            }
            Some(signal) => text.push_str(&format!("{signal}\n")),
            None => return shell.complain(b"kill", &format!("unknown signal '{}'", lossy(word))),
        }
    }
    shell.print(text.as_bytes(), "kill")
}

pub(super) fn foreground(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    let Some(pid) = process_of(shell, arguments.get(1).map_or(b"%%", Vec::as_slice)) else {
        return Ok(shell.complain(b"fg", "no such job"));
    };
    let _ = process::kill(pid, 18);
    Ok(wait_one(shell, Some(pid))?.unwrap_or(127))
}

pub(super) fn background(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    let Some(pid) = process_of(shell, arguments.get(1).map_or(b"%%", Vec::as_slice)) else {
        return Ok(shell.complain(b"bg", "no such job"));
    };
    Ok(match process::kill(pid, 18) {
        Ok(()) => 0,
        Err(error) => shell.complain(b"bg", &strerror(&error)),
    })
}

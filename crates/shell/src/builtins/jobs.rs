//! Background jobs: `bg fg jobs kill wait`.

use super::{lossy, number, state};
use crate::exec::{Flow, Shell, strerror};
use crate::jobs::{Job, State};
use std::io;
use sys::process::{self, Which};

/// The operand of a job: `%…`, or the number of a process that is one. The error says why there is none.
fn job_of(shell: &Shell, word: &[u8]) -> Result<usize, &'static str> {
    match word.strip_prefix(b"%") {
        Some(rest) => shell.jobs.find(rest),
        None => number(word)
            .and_then(|pid| shell.jobs.by_pid(pid))
            .ok_or("no such job"),
    }
}

pub(super) fn list(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    let (mut pids, mut long, mut running, mut stopped) = (false, false, false, false);
    let mut at = 1;
    while let Some(word) = arguments
        .get(at)
        .filter(|word| word.len() > 1 && word.starts_with(b"-"))
    {
        at += 1;
        if word == b"--" {
            break;
        }
        for letter in word.iter().skip(1) {
            match letter {
                b'p' => pids = true,
                b'l' => long = true,
                b'r' => running = true,
                b's' => stopped = true,
                other => {
                    let what = format!("bad option -{}", char::from(*other));
                    return Ok(shell.complain(b"jobs", &what));
                }
            }
        }
    }
    shell.jobs.poll();
    let mut wanted = Vec::new();
    let words = arguments.get(at..).unwrap_or_default();
    for word in words {
        match job_of(shell, word) {
            Ok(at) => wanted.push(at),
            Err(why) => {
                return Ok(shell.complain(b"jobs", &format!("{}: {why}", lossy(word))));
            }
        }
    }
    let mut text = Vec::new();
    let mut shown = Vec::new();
    for (at, job) in shell.jobs.list.iter().enumerate() {
        let state = job.state();
        if !words.is_empty() && !wanted.contains(&at)
            || running && state != State::Running
            || stopped && !matches!(state, State::Stopped(_))
        {
            continue;
        }
        shown.push(at);
        if pids {
            let pid = if job.group > 0 { job.group } else { job.pid() };
            text.extend_from_slice(format!("{pid}\n").as_bytes());
        } else {
            text.extend(shell.jobs.line(job, long));
        }
    }
    for (at, job) in shell.jobs.list.iter_mut().enumerate() {
        // What was asked for need not be told again.
        job.news &= pids || !shown.contains(&at);
    }
    if words.is_empty() && !pids {
        shell.jobs.forget(Job::has_ended);
    }
    Ok(shell.print(&text, "jobs"))
}

pub(super) fn wait(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    shell.jobs.disown();
    let words: Vec<Vec<u8>> = arguments
        .iter()
        .skip(1)
        .filter(|word| *word != b"--")
        .cloned()
        .collect();
    let any = words.first().is_some_and(|word| word == b"-n");
    if words.is_empty() || any {
        let mut status = 0;
        loop {
            // Who waits for all does not wait for those that are stopped.
            let next = shell
                .jobs
                .list
                .iter()
                .position(|job| !matches!(job.state(), State::Stopped(_)));
            let Some(number) = next
                .and_then(|at| shell.jobs.list.get(at))
                .map(|job| job.number)
            else {
                break;
            };
            let waited = wait_one(shell, (!any).then_some(number))?;
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
                Some(code)
                    if shell.jobs.list.iter().any(|job| {
                        job.number == number && !matches!(job.state(), State::Stopped(_))
                    }) =>
                {
                    return Ok(code);
                }
                _ => {}
            }
        }
        return Ok(if any && words.len() == 1 { status } else { 0 });
    }
    let mut status = 0;
    for word in words {
        status = match job_of(shell, &word) {
            Ok(at) => {
                let number = shell.jobs.list.get(at).map(|job| job.number);
                wait_one(shell, number)?.unwrap_or(127)
            }
            // A number that is no child's.
            Err(_) if number(&word).is_some() => 127,
            Err(why) => shell.complain(b"wait", &format!("{}: {why}", lossy(&word))),
        };
    }
    Ok(status)
}

/// A signal that came and has a trap.
fn trapped(shell: &Shell) -> Option<i32> {
    (1..64).find(|signal| process::is_pending(*signal) && shell.traps.contains_key(signal))
}

/// Waits for one job, or whichever ends first. `None`: it is no child of this shell.
fn wait_one(shell: &mut Shell, wanted: Option<usize>) -> Result<Option<i32>, Flow> {
    loop {
        let known =
            shell.jobs.list.iter().position(|job| {
                wanted.is_none_or(|wanted| wanted == job.number) && job.has_ended()
            });
        if let Some(job) = known.and_then(|at| shell.jobs.remove(at)) {
            return Ok(match job.state() {
                State::Ended(status) => Some(status.code()),
                _ => None,
            });
        }
        let job = shell
            .jobs
            .list
            .iter()
            .find(|job| wanted == Some(job.number));
        match (wanted, job) {
            (Some(_), None) => return Ok(None),
            (Some(_), Some(job)) => {
                if let State::Stopped(signal) = job.state() {
                    return Ok(Some(128 + signal));
                }
            }
            _ => {}
        }
        let which = job.map_or(Which::Any, |job| Which::One(job.waiting()));
        match process::wait(which, true, shell.options.monitor) {
            Ok(Some((pid, status))) => {
                // One that stopped is told of at the next prompt.
                shell.jobs.note(pid, status);
            }
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                // A trapped signal ends the waiting (POSIX.1-2024, 2.12).
                let signal = trapped(shell);
                shell.run_traps()?;
                if let Some(signal) = signal {
                    return Ok(Some(128 + signal));
                }
            }
            Err(_) => {
                shell
                    .jobs
                    .forget(|job| wanted.is_none_or(|wanted| wanted == job.number));
                return Ok(None);
            }
        }
    }
}

pub(super) fn kill(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    // What ended is not to be asked for any more.
    shell.jobs.poll();
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
        let at = if word.starts_with(b"%") {
            match job_of(shell, word) {
                Ok(at) => Some(at),
                Err(why) => {
                    shell.complain(b"kill", &format!("{}: {why}", lossy(word)));
                    status = 1;
                    continue;
                }
            }
        } else {
            None
        };
        let job = at.and_then(|at| shell.jobs.list.get_mut(at));
        let target = job
            .as_ref()
            .map(|job| job.target())
            .or_else(|| number(word));
        let result = match target {
            Some(target) => process::kill(target, signal),
            None => Err(io::Error::other("invalid number")),
        };
        if result.is_ok() {
            match job {
                Some(job) if signal == 18 => job.set_running(),
                // One that is stopped sees its end only when it goes on.
                Some(job)
                    if matches!(job.state(), State::Stopped(_)) && matches!(signal, 1 | 15) =>
                {
                    let _ = process::kill(job.target(), 18);
                    job.set_running();
                }
                _ => {}
            }
        }
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

/// The job that `fg` and `bg` are for, where there is job control.
fn controlled(shell: &mut Shell, command: &[u8], word: Option<&Vec<u8>>) -> Result<usize, i32> {
    if !shell.options.monitor {
        return Err(shell.complain(command, "no job control"));
    }
    shell.jobs.poll();
    let word = word.map_or(&b"%%"[..], Vec::as_slice);
    match job_of(shell, word) {
        Ok(at) if shell.jobs.list.get(at).is_some_and(|job| job.group == 0) => {
            Err(shell.complain(command, "the job was not begun under job control"))
        }
        Ok(at) if shell.jobs.list.get(at).is_some_and(Job::has_ended) => {
            shell.jobs.remove(at);
            Err(shell.complain(command, "the job has ended"))
        }
        Ok(at) => Ok(at),
        Err(why) => {
            let what = format!("{}: {why}", lossy(word));
            Err(shell.complain(command, &what))
        }
    }
}

pub(super) fn foreground(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    let at = match controlled(shell, b"fg", arguments.get(1)) {
        Ok(at) => at,
        Err(status) => return Ok(status),
    };
    if let Some(job) = shell.jobs.list.get(at) {
        let text = [job.text.as_slice(), b"\n"].concat();
        shell.print(&text, "fg");
    }
    Ok(shell.resume(at, true).unwrap_or(127))
}

pub(super) fn background(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    let mut words: Vec<Option<&Vec<u8>>> = arguments.iter().skip(1).map(Some).collect();
    if words.is_empty() {
        words.push(None);
    }
    for word in words {
        let at = match controlled(shell, b"bg", word) {
            Ok(at) => at,
            Err(status) => return Ok(status),
        };
        if let Some(job) = shell.jobs.list.get(at) {
            let head = format!("[{}] ", job.number);
            let text = [head.as_bytes(), job.text.as_slice(), b" &\n"].concat();
            shell.print(&text, "bg");
        }
        shell.resume(at, false);
    }
    Ok(0)
}

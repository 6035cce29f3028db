//! The command line: [`options`] reads it, [`session`] opens the root, and a module for each kind of command does the
//! rest: [`add`], [`del`] and [`upgrade`] say what is wanted, [`select`] solves it and [`transaction`] changes the root, [`query`] tells of packages, [`files`] works on package files and
//! [`audit`] compares the root with its database.

mod add;
mod audit;
mod changes;
mod del;
mod files;
mod history;
mod options;
mod query;
mod recovery;
mod repositories;
mod scripts;
mod select;
mod session;
mod transaction;
mod upgrade;
mod why;

use options::{COMMANDS, Command, GLOBAL, Given, Takes};
use session::{Failure, Refresh, Session};
use std::ffi::OsString;
use std::io::Write;

/// Prints a line on standard output. A reader that has gone away ends the program, as it does others.
pub fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    if out
        .write_all(text.as_bytes())
        .and_then(|()| out.write_all(b"\n"))
        .is_err()
    {
        sys::process::exit_now(1);
    }
}

/// Bytes on standard output, such as a package of `fetch -s`.
pub fn put(bytes: &[u8]) -> Result<(), Failure> {
    std::io::stdout()
        .lock()
        .write_all(bytes)
        .map_err(session::io_at("standard output".as_ref()))
}

/// `ERROR: text` on standard error.
pub fn complain(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "ERROR: {text}");
}

/// `WARNING: text` on standard error.
pub fn warn(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "WARNING: {text}");
}

/// A line that is drawn over again.
pub fn show_progress(text: &str) {
    let mut err = std::io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

/// The columns of the terminal behind a descriptor; 50 where there is none, as apk has it.
pub fn columns(fd: i32) -> usize {
    if !sys::tty::is_terminal(fd) {
        return 50;
    }
    usize::from(sys::tty::size(fd).1).max(25)
}

/// The version of apk-tools whose behaviour this follows.
const SPOKEN: &str = "3.0.6";

/// Runs apk; gives the exit status.
pub fn main(arguments: &[OsString]) -> u8 {
    sys::process::reset_sigpipe();
    match run(arguments) {
        Ok(status) => status,
        Err(Failure::Said(status)) => status,
        Err(error) => {
            complain(&error.to_string());
            1
        }
    }
}

fn run(arguments: &[OsString]) -> Result<u8, Failure> {
    let given = Given::parse(arguments)
        .map_err(|wrong| Failure::Say(format!("{wrong}\nhint: `apk --help` lists the options")))?;
    if given.has("print-arch") {
        let session = Session::open(&given, false)?;
        session.arches.iter().for_each(|arch| say(arch));
        return Ok(0);
    }
    let Some(name) = &given.command else {
        if given.has("version") {
            say(&format!(
                "apk-tools {SPOKEN}, compiled for {} (Ferrata).",
                std::env::consts::ARCH
            ));
            return Ok(0);
        }
        if given.has("update-cache") {
            let session = Session::open(&given, true)?;
            return update(&session);
        }
        overview();
        return Ok(u8::from(!given.has("help")));
    };
    let Some(command) = COMMANDS
        .iter()
        .find(|command| Some(command.name) == name.to_str())
    else {
        return session::failure(format!(
            "'{}' is not an apk command\nhint: `apk --help` lists them",
            name.display()
        ));
    };
    if given.has("help") {
        help(command);
        return Ok(0);
    }
    let write = matches!(
        command.name,
        "add" | "del" | "fix" | "update" | "upgrade" | "cache" | "undo" | "rollback"
    );
    if matches!(
        command.name,
        "del" | "fetch" | "policy" | "manifest" | "verify" | "index" | "why"
    ) && given.operands.is_empty()
    {
        return session::failure(format!(
            "{}: nothing is named\nhint: `apk {} --help`",
            command.name, command.name
        ));
    }
    if command.name == "version" && (given.has("test") || given.has("check")) {
        return query::compare(&given);
    }
    if command.name == "recover" {
        return recovery::command(&given);
    }
    let mut session = Session::open(&given, write)?;
    match command.name {
        "add" => add::add(&mut session),
        "del" => del::del(&mut session),
        "fix" => upgrade::fix(&mut session),
        "history" => history::history(&session),
        "undo" => history::undo(&mut session),
        "rollback" => history::rollback(&mut session),
        "why" => why::why(&session),
        "upgrade" => upgrade::upgrade(&mut session),
        "update" => update(&session),
        "info" => query::info(&session),
        "list" => query::list(&session),
        "search" => query::search(&session),
        "version" => query::versions(&session),
        "policy" => query::policy(&session),
        "manifest" => query::manifest(&session),
        "stats" => query::stats(&session),
        "fetch" => files::fetch(&session),
        "index" => files::index(&session),
        "verify" => files::verify(&session),
        "cache" => files::cache(&session),
        _ => audit::audit(&session),
    }
}

/// `apk update`
fn update(session: &Session<'_>) -> Result<u8, Failure> {
    let known = session.load(Refresh::Always)?;
    let failed = transaction::report(session, &known, true);
    for (repository, description) in session.repositories.iter().zip(&known.descriptions) {
        if let Some(description) = description {
            let description = if description.is_empty() {
                "-"
            } else {
                description
            };
            session.tell(&format!("{description} [{}]", repository.url));
        }
    }
    let mut names: Vec<&str> = known
        .packages
        .iter()
        .map(|(_, record)| record.name.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    if known.unavailable.is_empty() {
        session.tell(&format!("OK: {} distinct packages available", names.len()));
        return Ok(0);
    }
    session.tell(&format!(
        "{} unavailable; {} distinct packages available",
        known.unavailable.len(),
        names.len()
    ));
    Ok(u8::from(failed || !known.unavailable.is_empty()))
}

fn overview() {
    let mut text = String::from(
        "apk: installs, upgrades and removes packages\n\nusage: apk [OPTIONS...] COMMAND [ARGUMENTS...]\n\ncommands:\n",
    );
    for command in COMMANDS {
        text.push_str(&format!("  {:<10}{}\n", command.name, command.about));
    }
    text.push_str("\noptions of all commands (`apk COMMAND --help` has those of its own):\n");
    for option in GLOBAL {
        let letter = option
            .letter
            .map_or_else(|| "   ".to_owned(), |letter| format!("-{letter},"));
        let value = if option.takes == Takes::Value {
            " VALUE"
        } else {
            ""
        };
        text.push_str(&format!("  {letter} --{}{value}\n", option.name));
    }
    text.push_str("what is yes or no is taken back by --no-NAME: --no-cache, --no-network, --no-scripts, --no-chown …");
    say(&text);
}

fn help(command: &Command) {
    say(&format!(
        "apk {}: {}\n\nusage: apk {} {}",
        command.name, command.about, command.name, command.usage
    ));
}

//! The options that start-stop-daemon(8) and supervise-daemon(8) share: how to run a program.

use super::launch::{Launch, Output};
use super::notify::{self, Notify};
use super::privileges;
use super::schedule;
use super::users::{self, Accounts};
use lexopt::{Arg, Parser, ValueExt};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// A command line that makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An option that does not exist, or lacks its value.
    #[error(transparent)]
    Option(#[from] lexopt::Error),
    /// No such user or group.
    #[error(transparent)]
    User(#[from] users::Error),
    /// No such signal or schedule.
    #[error(transparent)]
    Schedule(#[from] schedule::Error),
    /// No such capability.
    #[error(transparent)]
    Capability(#[from] privileges::Unknown),
    /// No such way to notify.
    #[error(transparent)]
    Notify(#[from] notify::Unknown),
    /// A value that is no number of the kind.
    #[error("{0}: {1:?} is not {2}")]
    Value(&'static str, String, &'static str),
    /// Something has to be said and is not.
    #[error("{0}")]
    Missing(&'static str),
}

fn text(value: &OsStr) -> String {
    value.to_string_lossy().into_owned()
}

/// A number in octal, such as 022.
pub fn octal(option: &'static str, value: &OsStr) -> Result<u32, Error> {
    u32::from_str_radix(&value.to_string_lossy(), 8)
        .ok()
        .filter(|mode| *mode <= 0o7777)
        .ok_or_else(|| Error::Value(option, text(value), "an octal mode"))
}

/// A whole number.
pub fn number<T: std::str::FromStr>(option: &'static str, value: &OsStr) -> Result<T, Error> {
    value
        .to_str()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| Error::Value(option, text(value), "a number"))
}

/// A number that may be written in hexadecimal, as 0x2f.
fn bits(option: &'static str, value: &OsStr) -> Result<u32, Error> {
    let written = value.to_string_lossy();
    match written.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => written.parse().ok(),
    }
    .ok_or_else(|| Error::Value(option, text(value), "a number"))
}

/// `CLASS[:LEVEL]`, the class by number or name, as ionice(1) has them.
fn io_priority(value: &OsStr) -> Result<(u8, u8), Error> {
    let bad = || Error::Value("--ionice", text(value), "a class and a level, as 2:4");
    let written = value.to_string_lossy();
    let (class, level) = written.split_once(':').unwrap_or((&written, "4"));
    let class = match class {
        "none" | "0" => 0,
        "realtime" | "1" => 1,
        "best-effort" | "2" => 2,
        "idle" | "3" => 3,
        _ => return Err(bad()),
    };
    let level = level
        .parse()
        .ok()
        .filter(|level| *level < 8)
        .ok_or_else(bad)?;
    // The idle class has no levels.
    Ok((class, if class == 3 { 0 } else { level }))
}

/// A policy of sched_setscheduler(2), by name or number.
fn policy(value: &OsStr) -> Result<i32, Error> {
    Ok(match value.to_string_lossy().as_ref() {
        "other" | "0" => 0,
        "fifo" | "1" => 1,
        "rr" | "2" => 2,
        "batch" | "3" => 3,
        "idle" | "5" => 5,
        _ => {
            return Err(Error::Value(
                "--scheduler",
                text(value),
                "one of other, batch, idle, fifo and rr",
            ));
        }
    })
}

/// Takes an option that both programs have. `None` means that it is none of them.
pub fn shared(argument: &Arg<'_>) -> Option<Shared> {
    Some(match argument {
        Arg::Short('d') | Arg::Long("chdir") => Shared::Directory,
        Arg::Short('r') | Arg::Long("chroot") => Shared::Root,
        Arg::Short('k') | Arg::Long("umask") => Shared::Umask,
        Arg::Short('N') | Arg::Long("nicelevel") => Shared::Nice,
        Arg::Short('e') | Arg::Long("env") => Shared::Variable,
        Arg::Short('g') | Arg::Long("group") => Shared::Group,
        Arg::Short('1') | Arg::Long("stdout") => Shared::Output,
        Arg::Short('2') | Arg::Long("stderr") => Shared::Errors,
        Arg::Short('3') | Arg::Long("stdout-logger") => Shared::OutputLogger,
        Arg::Short('4') | Arg::Long("stderr-logger") => Shared::ErrorLogger,
        Arg::Long("oom-score-adj") => Shared::OomScore,
        Arg::Long("no-new-privs" | "no_new_privs") => Shared::NoNewPrivs,
        Arg::Short('I') | Arg::Long("ionice") => Shared::IoPriority,
        Arg::Long("scheduler") => Shared::Scheduler,
        Arg::Long("scheduler-priority") => Shared::SchedulerPriority,
        Arg::Long("capabilities") => Shared::Capabilities,
        Arg::Long("secbits") => Shared::SecureBits,
        Arg::Long("notify") => Shared::Notify,
        _ => return None,
    })
}

/// Which shared option it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shared {
    /// `--chdir`
    Directory,
    /// `--chroot`
    Root,
    /// `--umask`
    Umask,
    /// `--nicelevel`
    Nice,
    /// `--env`
    Variable,
    /// `--group`
    Group,
    /// `--stdout`
    Output,
    /// `--stderr`
    Errors,
    /// `--stdout-logger`
    OutputLogger,
    /// `--stderr-logger`
    ErrorLogger,
    /// `--oom-score-adj`
    OomScore,
    /// `--no-new-privs`
    NoNewPrivs,
    /// `--ionice`
    IoPriority,
    /// `--scheduler`
    Scheduler,
    /// `--scheduler-priority`
    SchedulerPriority,
    /// `--capabilities`
    Capabilities,
    /// `--secbits`
    SecureBits,
    /// `--notify`
    Notify,
}

impl Shared {
    /// Reads the option's value into `launch`.
    pub fn apply(
        self,
        parser: &mut Parser,
        launch: &mut Launch,
        accounts: &Accounts,
    ) -> Result<(), Error> {
        if self == Shared::NoNewPrivs {
            launch.privileges.no_new_privs = true;
            return Ok(());
        }
        let value = parser.value()?;
        match self {
            Shared::Directory => launch.directory = Some(value.into()),
            Shared::Root => launch.root = Some(value.into()),
            Shared::Umask => launch.umask = Some(octal("--umask", &value)?),
            Shared::Nice => launch.nice = Some(number("--nicelevel", &value)?),
            Shared::OomScore => launch.oom_score = Some(number("--oom-score-adj", &value)?),
            Shared::Group => launch.group = Some(accounts.group(value.as_bytes())?),
            Shared::Output => launch.output = Output::File(value.into()),
            Shared::Errors => launch.errors = Output::File(value.into()),
            Shared::OutputLogger => launch.output = Output::Command(value),
            Shared::ErrorLogger => launch.errors = Output::Command(value),
            Shared::Variable => {
                let bytes = value.as_bytes();
                let at = bytes
                    .iter()
                    .position(|byte| *byte == b'=')
                    .filter(|at| *at > 0);
                let Some(at) = at else {
                    return Err(Error::Value("--env", text(&value), "NAME=VALUE"));
                };
                let (name, rest) = bytes.split_at(at);
                launch.environment.push((
                    OsStr::from_bytes(name).to_owned(),
                    OsStr::from_bytes(rest.get(1..).unwrap_or_default()).to_owned(),
                ));
            }
            Shared::IoPriority => launch.io_priority = Some(io_priority(&value)?),
            Shared::Scheduler => {
                let policy = policy(&value)?;
                let priority = launch.scheduler.map_or(0, |(_, priority)| priority);
                // The two real-time policies have no priority 0.
                let least = i32::from(matches!(policy, 1 | 2));
                launch.scheduler = Some((policy, priority.max(least)));
            }
            Shared::SchedulerPriority => {
                let policy = launch.scheduler.map_or(0, |(policy, _)| policy);
                launch.scheduler = Some((policy, number("--scheduler-priority", &value)?));
            }
            Shared::Capabilities => launch.privileges.add(&value.to_string_lossy())?,
            Shared::SecureBits => launch.privileges.secure_bits = Some(bits("--secbits", &value)?),
            Shared::Notify => launch.notify = Some(Notify::parse(&value)?),
            Shared::NoNewPrivs => {}
        }
        Ok(())
    }
}

/// Finds a program: as it is, or in `PATH`.
pub fn find_program(name: &OsStr) -> PathBuf {
    if name.as_bytes().contains(&b'/') {
        return name.into();
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from(crate::PATH));
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| name.into())
}

/// A value as text, for the options that are never anything else.
pub fn word(parser: &mut Parser) -> Result<String, Error> {
    Ok(parser.value()?.string()?)
}

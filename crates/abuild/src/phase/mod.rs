//! What runs inside the sandbox.
//!
//! `__phase outer` makes the namespaces and starts `__phase inner`, which lays out its root, gives the host up and
//! does the job's task with our shell: [`evaluate`] an APKBUILD, or [`build`] it.

mod build;
mod evaluate;
mod owners;
mod unpack;

pub(crate) use build::{Build, BuildSource, Built, BuiltPackage, Failure};
pub(crate) use evaluate::Script;
pub(crate) use owners::Owner;

use crate::config::{Config, SOURCE_DATE_EPOCH};
use crate::sandbox::{Job, SANDBOX_FAILED, Task, layout};
use shell::Shell;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::process::{Command, Stdio};
use sys::namespace::{self, Network, Users};

/// The functions that every APKBUILD finds defined.
pub(crate) const PRELUDE: &[u8] = include_bytes!("prelude.sh");

/// Where the job's results go, inside.
pub(crate) const OUT: &str = "/build/out";

/// Does the part of a build that happens inside the sandbox: what `runner __phase …` calls with the arguments after
/// `__phase`. Gives the exit status. The job is read from standard input.
#[must_use]
pub fn phase_main(arguments: &[OsString]) -> i32 {
    let failed = |message: String| {
        eprintln!("{message}");
        SANDBOX_FAILED
    };
    match arguments.first().and_then(|argument| argument.to_str()) {
        Some("outer") => outer().unwrap_or_else(failed),
        Some("inner") => inner().unwrap_or_else(failed),
        _ => {
            eprintln!("__phase: for internal use: outer or inner, and a job on standard input");
            2
        }
    }
}

fn read_stdin() -> Result<Vec<u8>, String> {
    let mut text = Vec::new();
    io::stdin()
        .lock()
        .read_to_end(&mut text)
        .map_err(|error| format!("reading the job: {error}"))?;
    Ok(text)
}

fn outer() -> Result<i32, String> {
    let text = read_stdin()?;
    namespace::end_with_parent().map_err(|error| error.to_string())?;
    namespace::isolate(Network::None, Users::Caller).map_err(|error| error.to_string())?;
    let starting = |error: io::Error| format!("starting the first process: {error}");
    let mut child = Command::new("/proc/self/exe")
        .args(["__phase", "inner"])
        .env_clear()
        .stdin(Stdio::piped())
        .spawn()
        .map_err(starting)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(&text).map_err(starting)?;
    }
    let status = child.wait().map_err(starting)?;
    Ok(status.code().unwrap_or(1))
}

fn inner() -> Result<i32, String> {
    namespace::end_with_parent().map_err(|error| error.to_string())?;
    let job: Job =
        serde_json::from_slice(&read_stdin()?).map_err(|error| format!("the job: {error}"))?;
    namespace::enter(&job.staging, &layout(&job.binds), "ferrata")
        .map_err(|error| error.to_string())?;
    namespace::seal_root().map_err(|error| format!("sealing the root: {error}"))?;
    namespace::close_stdin().map_err(|error| format!("/dev/null: {error}"))?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let shell = new_shell(&job.environment)?;
    Ok(match job.task {
        Task::Evaluate(script) => evaluate::run(shell, &script),
        Task::Build(task) => build::run(&job.environment, &task),
    })
}

/// A shell with an environment and the prelude, and nothing else.
fn new_shell(environment: &[(String, String)]) -> Result<Shell, String> {
    let mut shell = Shell::new();
    shell.import_environment(
        environment
            .iter()
            .map(|(name, value)| (name.into(), value.into())),
    );
    shell.set_name(b"abuild");
    shell.register("chown", owners::chown);
    shell.register("chgrp", owners::chgrp);
    shell
        .eval(b"prelude.sh", PRELUDE)
        .map_err(|error| error.to_string())?;
    Ok(shell)
}

/// The environment of every job: the same for every user, host name and folder. `more` comes last and wins.
pub(crate) fn environment(config: &Config, more: &[(String, String)]) -> Vec<(String, String)> {
    let mut environment: Vec<(String, String)> = [
        (
            "PATH",
            "/toolchain/bin:/usr/bin:/bin:/usr/sbin:/sbin".to_owned(),
        ),
        ("HOME", "/tmp".to_owned()),
        ("USER", "root".to_owned()),
        ("LOGNAME", "root".to_owned()),
        ("SHELL", "/bin/sh".to_owned()),
        ("TERM", "dumb".to_owned()),
        ("LC_ALL", "C".to_owned()),
        ("LANG", "C".to_owned()),
        ("TZ", "UTC".to_owned()),
        ("SOURCE_DATE_EPOCH", SOURCE_DATE_EPOCH.to_string()),
        ("JOBS", config.jobs.to_string()),
        ("MAKEFLAGS", format!("-j{}", config.jobs)),
        ("CARGO_BUILD_JOBS", config.jobs.to_string()),
        ("CARGO_HOME", "/cargo".to_owned()),
        ("CARGO_NET_OFFLINE", "true".to_owned()),
        ("CARGO_TERM_COLOR", "never".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    for (name, value) in more {
        environment.retain(|(known, _)| known != name);
        environment.push((name.clone(), value.clone()));
    }
    environment
}

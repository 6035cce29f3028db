//! Service scripts (openrc-run(8)): loaded into a shell of their own, asked for their dependencies, and run.
//!
//! A script is run in a process that was forked for it; whatever it does to its shell ends there. [`prelude.sh`] holds
//! the default functions, [`builtins`] what else scripts may call.
//!
//! [`prelude.sh`]: default functions in shell

pub mod builtins;
pub mod depend;
pub mod message;

use crate::cgroup::Cgroup;
use crate::layout::Layout;
use crate::machine::Current;
use crate::message::{Level, Style};
use crate::name::ServiceName;
use crate::state::State;
use shell::Shell;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use sys::process;

const PRELUDE: &[u8] = include_bytes!("prelude.sh");

/// What keeps a script from being run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read, or it is no shell script.
    #[error(transparent)]
    Shell(#[from] shell::Error),
    /// A file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// Which
        path: PathBuf,
        /// Why
        source: io::Error,
    },
    /// There is no such service.
    #[error("service {0} does not exist")]
    NoService(ServiceName),
    /// It ended while it was loaded.
    #[error("{path}: the script ended with status {status} while it was loaded")]
    Ended {
        /// Which
        path: PathBuf,
        /// How
        status: i32,
    },
}

/// In which surroundings a script is run.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Other services start at the same time, so messages are printed whole.
    pub together: bool,
    /// Say nothing but warnings.
    pub quiet: bool,
    /// Say more.
    pub verbose: bool,
    /// No colours.
    pub plain: bool,
    /// Print each command of the script as it is run.
    pub debug: bool,
    /// The start or stop is part of a restart of this very service.
    pub restarting: bool,
    /// The machine is going down.
    pub going_down: bool,
    /// What the machine will do then: it will be started again.
    pub reboot: bool,
}

/// The layout that a script's shell was made for.
pub(crate) fn layout_of(shell: &Shell) -> Layout {
    use std::os::unix::ffi::OsStringExt;
    let root = shell
        .var(b"_rc_root")
        .filter(|root| !root.is_empty())
        .unwrap_or_else(|| b"/".to_vec());
    Layout::new(PathBuf::from(std::ffi::OsString::from_vec(root)))
}

fn source(shell: &mut Shell, path: &Path) -> Result<(), Error> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => {
            return Err(Error::Read {
                path: path.to_owned(),
                source,
            });
        }
    };
    shell.eval(path.as_os_str().as_bytes(), &text)?;
    match shell.exited() {
        Some(status) => Err(Error::Ended {
            path: path.to_owned(),
            status,
        }),
        None => Ok(()),
    }
}

/// A shell with the script and its configuration in it; none of its functions has been called.
pub fn load(
    layout: &Layout,
    name: &ServiceName,
    action: &str,
    around: &Surroundings,
) -> Result<Shell, Error> {
    let path = layout.script(name);
    if !path.exists() {
        return Err(Error::NoService(name.clone()));
    }
    load_from(layout, name, &path, action, around)
}

/// The same, with the script from elsewhere.
pub(crate) fn load_from(
    layout: &Layout,
    name: &ServiceName,
    path: &Path,
    action: &str,
    around: &Surroundings,
) -> Result<Shell, Error> {
    let mut shell = Shell::new();
    let level = State::new(layout).runlevel();
    let level_name = level.as_ref().map_or("sysinit", |level| level.as_str());
    let yes = |value: bool| if value { "yes" } else { "" };
    let folder = layout.state();
    let command = if around.restarting { "restart" } else { action };
    let variables: [(&str, &[u8]); 19] = [
        ("PATH", crate::PATH.as_bytes()),
        ("HOME", b"/"),
        ("RC_SVCNAME", name.as_str().as_bytes()),
        ("SVCNAME", name.as_str().as_bytes()),
        ("RC_SERVICE", path.as_os_str().as_bytes()),
        ("RC_CMD", command.as_bytes()),
        ("RC_RUNLEVEL", level_name.as_bytes()),
        ("RC_BOOTLEVEL", b"boot"),
        ("RC_DEFAULTLEVEL", b"default"),
        ("RC_SVCDIR", folder.as_os_str().as_bytes()),
        ("RC_UNAME", b"Linux"),
        ("RC_LIBEXECDIR", b"/lib/rc"),
        ("RC_VERSION", b"0.55"),
        ("RC_GOINGDOWN", yes(around.going_down).as_bytes()),
        ("RC_REBOOT", yes(around.reboot).as_bytes()),
        ("EINFO_QUIET", yes(around.quiet).as_bytes()),
        ("EINFO_VERBOSE", yes(around.verbose).as_bytes()),
        ("RC_NOCOLOR", yes(around.plain).as_bytes()),
        ("TERM", b"linux"),
    ];
    for (name, value) in variables {
        shell.set_var(name.as_bytes(), value);
        shell.export(name.as_bytes());
    }
    for name in ["TERM", "IN_BACKGROUND", "IN_HOTPLUG", "IN_DRYRUN"] {
        if let Some(value) = std::env::var_os(name) {
            shell.set_var(name.as_bytes(), value.as_bytes());
            shell.export(name.as_bytes());
        }
    }
    if around.together {
        shell.set_var(message::TOGETHER, b"1");
    }
    shell.set_var(b"_rc_root", layout.path("/").as_os_str().as_bytes());
    shell.set_name(path.as_os_str().as_bytes());
    shell.set_args(vec![action.as_bytes().to_vec()]);
    builtins::register(&mut shell);
    shell.eval(b"prelude.sh", PRELUDE)?;
    source(&mut shell, &layout.path("/etc/rc.conf"))?;
    let mut more: Vec<PathBuf> = fs::read_dir(layout.path("/etc/rc.conf.d"))
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    more.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "conf")
    });
    more.sort();
    for path in more {
        source(&mut shell, &path)?;
    }
    let mut configs = vec![name.base().to_owned()];
    if name.as_str() != name.base() {
        configs.push(name.as_str().to_owned());
    }
    for config in &configs {
        // One for the level stands in the place of the usual one.
        let for_level = layout.config(&format!("{config}.{level_name}"));
        let path = match for_level.is_file() {
            true => for_level,
            false => layout.config(config),
        };
        source(&mut shell, &path)?;
    }
    if around.debug {
        shell.eval(b"prelude.sh", b"set -x")?;
    }
    source(&mut shell, path)?;
    let verbose = shell
        .var(b"rc_verbose")
        .and_then(|value| crate::message::is_yes(&value));
    if verbose == Some(true) {
        shell.set_var(b"EINFO_VERBOSE", b"yes");
    }
    let nocolor = shell
        .var(b"rc_nocolor")
        .and_then(|value| crate::message::is_yes(&value));
    if nocolor == Some(true) {
        shell.set_var(b"RC_NOCOLOR", b"yes");
    }
    Ok(shell)
}

/// Runs an action of a service in this process: `start`, `stop`, `status`, `describe`, or a command of its own.
/// Returns its status. What it may do is not checked against the service's state.
pub fn run(layout: &Layout, name: &ServiceName, action: &str, around: &Surroundings) -> i32 {
    if !depend::is_ours(layout, name) && layout.script(name).is_file() {
        return run_foreign(layout, name, action);
    }
    let mut shell = match load(layout, name, action, around) {
        Ok(shell) => shell,
        Err(error) => {
            complain(&format!("{name}: {error}"));
            return 1;
        }
    };
    if !is_question(action) {
        let log = crate::log::path(layout, name);
        crate::log::begin(&log, action);
        shell.set_var(message::LOG, log.as_os_str().as_bytes());
    }
    let group = Cgroup::of(layout, name);
    if let Some(group) = &group {
        enter(&shell, group, layout, name, action);
    }
    let status = act(&mut shell, layout, name, action);
    message::finish(&mut shell);
    if let Some(group) = &group
        && matches!((action, status), ("start", 1..) | ("stop", 0))
        && cleans_up(&shell, name)
        && !sweep(&shell, group)
    {
        complain(&format!("{name}: not all of its processes could be ended"));
        return 1;
    }
    status
}

/// A script for another kind of init is a program of its own, which is told what to do by its first argument.
fn run_foreign(layout: &Layout, name: &ServiceName, action: &str) -> i32 {
    if action == "describe" {
        complain(&format!(
            "{name} is no script of openrc-run, and says nothing of itself"
        ));
        return 1;
    }
    let words = [layout.script(name).into_os_string(), action.into()];
    let child = process::fork(|| {
        let environment: Vec<std::ffi::OsString> = std::env::vars_os()
            .map(|(key, value)| {
                let mut line = key;
                line.push("=");
                line.push(value);
                line
            })
            .collect();
        let error = process::exec(&layout.script(name), &words, &environment);
        complain(&format!("{}: {error}", layout.script(name).display()));
        126
    });
    let Ok(child) = child else { return 1 };
    loop {
        match process::wait(process::Which::One(child), true, false) {
            Ok(Some((_, status))) => return status.code(),
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return 1,
            _ => {}
        }
    }
}

/// Actions that change nothing.
fn is_question(action: &str) -> bool {
    matches!(action, "status" | "describe" | "healthcheck")
}

/// Puts this process, and so what it starts, into the service's group. Where that cannot be, it goes on without.
fn enter(shell: &Shell, group: &Cgroup, layout: &Layout, name: &ServiceName, action: &str) {
    // A stop is not run inside: it has to go on when the group is full or is killed.
    let inside = match action {
        "start" => true,
        "stop" => false,
        other => {
            !is_question(other)
                && group.exists()
                && State::new(layout).read(name) == Current::Started
        }
    };
    if !inside || group.enter().is_err() {
        return;
    }
    let settings = shell.var(b"rc_cgroup_settings").unwrap_or_default();
    if action == "start" && !settings.is_empty() {
        for problem in group.set(&String::from_utf8_lossy(&settings)) {
            complain(&format!("{name}: rc_cgroup_settings: {problem}"));
        }
    }
}

/// Services whose processes are other people's work: logins, jobs, containers.
const HOSTS: [&str; 16] = [
    "sshd",
    "dropbear",
    "tinysshd",
    "telnetd",
    "crond",
    "cronie",
    "dcron",
    "fcron",
    "atd",
    "docker",
    "containerd",
    "podman",
    "libvirtd",
    "incusd",
    "lxd",
    "lxc",
];

/// Whether what a service leaves behind is ended: `rc_cgroup_cleanup`.
fn cleans_up(shell: &Shell, name: &ServiceName) -> bool {
    shell
        .var(b"rc_cgroup_cleanup")
        .and_then(|value| crate::message::is_yes(&value))
        .unwrap_or_else(|| !HOSTS.contains(&name.base()))
}

/// Ends what is left in the group, this process excepted. Says whether nothing is left.
pub(crate) fn sweep(shell: &Shell, group: &Cgroup) -> bool {
    let me = std::process::id().cast_signed();
    if group.processes().contains(&me) && group.leave().is_err() {
        return true;
    }
    let text = |name: &str| {
        let value = shell.var(name.as_bytes()).unwrap_or_default();
        String::from_utf8_lossy(&value).trim().to_owned()
    };
    let signal = crate::daemon::schedule::signal(&text("stopsig")).unwrap_or(15);
    let seconds = text("rc_timeout_stopsec").parse().unwrap_or(10).min(3600);
    group.sweep(signal, Duration::from_secs(seconds))
}

fn words(shell: &Shell, variable: &str) -> Vec<String> {
    let value = shell.var(variable.as_bytes()).unwrap_or_default();
    String::from_utf8_lossy(&value)
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

fn complain(text: &str) {
    Style::from_environment().say(Level::Error, text);
}

fn act(shell: &mut Shell, layout: &Layout, name: &ServiceName, action: &str) -> i32 {
    match action {
        "describe" => return describe(shell, name),
        "status" => return call_or(shell, "status", "default_status"),
        // A service without one is healthy, and bears it in silence when it is not.
        "healthcheck" | "unhealthy" if !shell.has_function(action.as_bytes()) => return 0,
        "healthcheck" | "unhealthy" => return call(shell, action),
        "start" => {
            if let Err(missing) = check_required(shell, layout) {
                complain(&format!("{name}: {missing}"));
                return 1;
            }
            let limit = words(shell, "rc_ulimit").join(" ");
            if !limit.is_empty()
                && !matches!(
                    shell.eval(b"rc_ulimit", format!("ulimit {limit}").as_bytes()),
                    Ok(0)
                )
            {
                complain(&format!("{name}: the limits of rc_ulimit cannot be set"));
                return 1;
            }
        }
        _ => {}
    }
    let no_new_privs = shell
        .var(b"no_new_privs")
        .and_then(|value| crate::message::is_yes(&value))
        == Some(true);
    shell.set_var(
        b"_rc_no_new_privs",
        if no_new_privs { b"--no-new-privs" } else { b"" },
    );
    let in_background = shell
        .var(b"IN_BACKGROUND")
        .is_some_and(|value| crate::message::is_yes(&value) == Some(true));
    if in_background
        && words(shell, "in_background_fake")
            .iter()
            .any(|word| word == action)
    {
        return 0;
    }
    if !matches!(action, "start" | "stop") {
        let state = State::new(layout).read(name);
        let lists = [
            ("extra_commands", true),
            ("opts", true),
            ("extra_started_commands", state == Current::Started),
            (
                "extra_stopped_commands",
                matches!(state, Current::Stopped | Current::Failed),
            ),
        ];
        // OpenRC gives this one to every service that is down.
        let mut known = action == "cgroup_cleanup";
        let mut allowed = known && matches!(state, Current::Stopped | Current::Failed);
        for (list, now) in lists {
            if words(shell, list).iter().any(|word| word == action) {
                known = true;
                allowed |= now;
            }
        }
        if !known || !shell.has_function(action.as_bytes()) {
            complain(&format!("{name}: unknown function `{action}'"));
            return 1;
        }
        if !allowed {
            complain(&format!(
                "{name}: cannot `{action}' as it is {}",
                crate::commands::status::word(state)
            ));
            return 1;
        }
    }
    for (function, default) in [
        (format!("{action}_pre"), None),
        (
            action.to_owned(),
            match action {
                "start" => Some("default_start"),
                "stop" => Some("default_stop"),
                _ => None,
            },
        ),
        (format!("{action}_post"), None),
    ] {
        let status = match default {
            Some(default) => call_or(shell, &function, default),
            None if shell.has_function(function.as_bytes()) => call(shell, &function),
            None => 0,
        };
        if status != 0 {
            return status;
        }
        if shell.exited().is_some() {
            break;
        }
    }
    0
}

fn call(shell: &mut Shell, function: &str) -> i32 {
    match shell.call(function.as_bytes(), &[]) {
        Ok(status) => status,
        Err(error) => {
            complain(&error.to_string());
            1
        }
    }
}

fn call_or(shell: &mut Shell, function: &str, default: &str) -> i32 {
    let name = if shell.has_function(function.as_bytes()) {
        function
    } else {
        default
    };
    call(shell, name)
}

/// `required_dirs` and `required_files` have to be there.
fn check_required(shell: &Shell, layout: &Layout) -> Result<(), String> {
    for folder in words(shell, "required_dirs") {
        if !layout.path(&folder).is_dir() {
            return Err(format!("{folder} is not a folder"));
        }
    }
    for file in words(shell, "required_files") {
        if fs::File::open(layout.path(&file)).is_err() {
            return Err(format!("{file} is not readable"));
        }
    }
    Ok(())
}

fn describe(shell: &Shell, name: &ServiceName) -> i32 {
    let style = Style::from_environment();
    let text = |variable: &str| {
        shell
            .var(variable.as_bytes())
            .map(|text| String::from_utf8_lossy(&text).into_owned())
    };
    style.say(
        Level::Info,
        &text("description").unwrap_or_else(|| format!("No description for {name}")),
    );
    for list in [
        "extra_commands",
        "extra_started_commands",
        "extra_stopped_commands",
    ] {
        for command in words(shell, list) {
            let variable = format!("description_{}", command.replace('-', "_"));
            style.say(
                Level::Info,
                &format!(
                    "{command}: {}",
                    text(&variable).unwrap_or_else(|| "no description".into())
                ),
            );
        }
    }
    0
}

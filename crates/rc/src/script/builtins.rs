//! The commands that service scripts find in their shell without a program being run: OpenRC's, which its
//! openrc-run(8) and `/lib/rc/sh/functions.sh` give.

use super::message;
use crate::cgroup::Cgroup;
use crate::checkpath;
use crate::clock;
use crate::daemon::{start_stop, supervise};
use crate::machine::Current;
use crate::message::is_yes;
use crate::mounts;
use crate::name::ServiceName;
use crate::state::State;
use shell::{BuiltinFn, Shell};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use sys::process;

/// All of them.
const TABLE: [(&str, BuiltinFn); 73] = [
    ("need", depend),
    ("use", depend),
    ("want", depend),
    ("before", depend),
    ("after", depend),
    ("provide", depend),
    ("keyword", depend),
    ("config", depend),
    ("yesno", yesno),
    ("einfo", message::plain),
    ("einfon", message::plain),
    ("ewarn", message::plain),
    ("ewarnn", message::plain),
    ("eerror", message::plain),
    ("eerrorn", message::plain),
    ("esyslog", quiet),
    ("elog", quiet),
    ("veinfo", message::verbose),
    ("vewarn", message::verbose),
    ("vebegin", message::verbose),
    ("veend", message::verbose_end),
    ("vewend", message::verbose_end),
    ("veindent", quiet),
    ("veoutdent", quiet),
    ("ebegin", message::begin),
    ("eend", message::end),
    ("ewend", message::end),
    ("eindent", message::indent),
    ("eoutdent", message::indent),
    ("ewaitfile", wait_for_file),
    ("eval_ecolors", message::colours),
    ("start-stop-daemon", run_start_stop),
    ("supervise-daemon", run_supervise),
    ("checkpath", run_checkpath),
    ("fstabinfo", run_fstabinfo),
    ("mountinfo", run_mountinfo),
    ("swclock", run_swclock),
    ("seedrng", run_seedrng),
    ("mark_service_started", mark),
    ("mark_service_stopped", mark),
    ("mark_service_starting", mark),
    ("mark_service_stopping", mark),
    ("mark_service_inactive", mark),
    ("mark_service_failed", mark),
    ("mark_service_hotplugged", mark_flag),
    ("mark_service_coldplugged", mark_flag),
    ("mark_service_wasinactive", mark_flag),
    ("mark_service_crashed", mark),
    ("service_started", is_state),
    ("service_stopped", is_state),
    ("service_starting", is_state),
    ("service_stopping", is_state),
    ("service_inactive", is_state),
    ("service_failed", is_state),
    ("service_wasinactive", is_flag),
    ("service_hotplugged", is_flag),
    ("service_coldplugged", is_flag),
    ("service_exists", exists),
    ("service_started_daemon", started_daemon),
    ("service_crashed", is_crashed),
    ("service_set_value", set_value),
    ("service_get_value", get_value),
    ("save_options", set_value),
    ("get_options", get_value),
    ("shell_var", shell_var),
    ("get_bootparam", get_bootparam),
    ("get_bootparam_value", get_bootparam_value),
    ("cgroup_sweep", cgroup_sweep),
    ("on_ac_power", on_ac_power),
    ("kill_all", kill_all),
    ("is_newer_than", is_newer),
    ("is_older_than", is_newer),
    ("rc_runlevel", runlevel),
];

/// Registers them.
pub fn register(shell: &mut Shell) {
    for (name, function) in TABLE {
        shell.register(name, function);
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn complain(arguments: &[Vec<u8>], what: &str) -> i32 {
    let name = lossy(arguments.first().map_or(&b"rc"[..], Vec::as_slice));
    let _ = process::write_all(2, format!("{name}: {what}\n").as_bytes());
    1
}

fn state(shell: &Shell) -> State {
    State::new(&super::layout_of(shell))
}

fn service(shell: &Shell) -> Option<ServiceName> {
    ServiceName::parse(&shell.var(b"RC_SVCNAME")?).ok()
}

fn quiet(_: &mut Shell, _: &[Vec<u8>]) -> i32 {
    0
}

/// `need`, `use`, …: kept in a variable, to be read when `depend` has returned.
fn depend(shell: &mut Shell, arguments: &[Vec<u8>]) -> i32 {
    let Some((verb, names)) = arguments.split_first() else {
        return 1;
    };
    let variable = [b"_rc_said_", verb.as_slice()].concat();
    let mut said = shell.var(&variable).unwrap_or_default();
    for name in names {
        said.push(b' ');
        said.extend_from_slice(name);
    }
    shell.set_var(&variable, &said);
    0
}

fn yesno(shell: &mut Shell, arguments: &[Vec<u8>]) -> i32 {
    let Some(word) = arguments.get(1).filter(|word| !word.is_empty()) else {
        return 1;
    };
    // A word that says neither may be the name of a variable that does.
    let answer = is_yes(word).or_else(|| shell.var(word).and_then(|value| is_yes(&value)));
    i32::from(answer != Some(true))
}

fn words(arguments: &[Vec<u8>]) -> Vec<OsString> {
    arguments
        .iter()
        .map(|word| OsString::from_vec(word.clone()))
        .collect()
}

fn run_start_stop(shell: &mut Shell, arguments: &[Vec<u8>]) -> i32 {
    let (state, service) = (state(shell), service(shell));
    start_stop::main(
        &words(arguments),
        service.as_ref().map(|service| (&state, service)),
    )
}

fn run_supervise(shell: &mut Shell, arguments: &[Vec<u8>]) -> i32 {
    supervise::main(&words(arguments), &state(shell))
}

fn run_checkpath(_: &mut Shell, arguments: &[Vec<u8>]) -> i32 {
    checkpath::main(&words(arguments))
}

fn run_fstabinfo(_: &mut Shell, arguments: &[Vec<u8>]) -> i32 {
    mounts::fstabinfo(&words(arguments))
}

fn run_mountinfo(_: &mut Shell, arguments: &[Vec<u8>]) -> i32 {
    mounts::mountinfo(&words(arguments))
}

fn run_swclock(_: &mut Shell, arguments: &[Vec<u8>]) -> i32 {
    clock::swclock(&words(arguments))
}

fn run_seedrng(_: &mut Shell, arguments: &[Vec<u8>]) -> i32 {
    clock::seedrng(&words(arguments))
}

/// `mark_service_STATE [NAME]`
fn mark(shell: &mut Shell, arguments: &[Vec<u8>]) -> i32 {
    let Some((name, current)) = subject(shell, arguments, b"mark_service_") else {
        return complain(arguments, "no such service");
    };
    match state(shell).mark(&name, current) {
        Ok(()) => 0,
        Err(error) => complain(arguments, &error.to_string()),
    }
}

fn subject(shell: &Shell, arguments: &[Vec<u8>], prefix: &[u8]) -> Option<(ServiceName, Current)> {
    let current = match arguments.first()?.strip_prefix(prefix)? {
        b"started" => Current::Started,
        b"stopped" => Current::Stopped,
        b"starting" => Current::Starting,
        b"stopping" => Current::Stopping,
        b"inactive" => Current::Inactive,
        b"failed" | b"crashed" => Current::Failed,
        _ => return None,
    };
    let name = match arguments.get(1) {
        Some(name) => ServiceName::parse(name).ok()?,
        None => service(shell)?,
    };
    Some((name, current))
}

/// `service_STATE [NAME]`
fn is_state(shell: &mut Shell, arguments: &[Vec<u8>]) -> i32 {
    let Some((name, current)) = subject(shell, arguments, b"service_") else {
        return 1;
    };
    let found = state(shell).read(&name);
    let is_so = found == current || (current == Current::Stopped && found == Current::Failed);
    i32::from(!is_so)
}

/// The service that is meant: the one that is named, or the script's own.
fn named(shell: &Shell, arguments: &[Vec<u8>]) -> Option<ServiceName> {
    match arguments.get(1) {
        Some(name) => ServiceName::parse(name).ok(),
        None => service(shell),
    }
}

/// `mark_service_hotplugged [NAME]` and its like. `coldplugged` is the opposite of `hotplugged`.
fn mark_flag(shell: &mut Shell, arguments: &[Vec<u8>]) -> i32 {
    let Some(name) = named(shell, arguments) else {
        return complain(arguments, "no such service");
    };
    let (folder, on) = match arguments.first().map(Vec::as_slice) {
        Some(b"mark_service_wasinactive") => ("wasinactive", true),
        Some(b"mark_service_coldplugged") => ("hotplugged", false),
        _ => ("hotplugged", true),
    };
    match state(shell).set_flag(folder, &name, on) {
        Ok(()) => 0,
        Err(error) => complain(arguments, &error.to_string()),
    }
}

/// `service_hotplugged [NAME]` and its like.
fn is_flag(shell: &mut Shell, arguments: &[Vec<u8>]) -> i32 {
    let Some(name) = named(shell, arguments) else {
        return 1;
    };
    let state = state(shell);
    let is_so = match arguments.first().map(Vec::as_slice) {
        Some(b"service_wasinactive") => state.has_flag("wasinactive", &name),
        Some(b"service_coldplugged") => !state.has_flag("hotplugged", &name),
        _ => state.has_flag("hotplugged", &name),
    };
    i32::from(!is_so)
}

/// `service_exists NAME`
fn exists(shell: &mut Shell, arguments: &[Vec<u8>]) -> i32 {
    let layout = super::layout_of(shell);
    let there = named(shell, arguments).is_some_and(|name| layout.script(&name).is_file());
    i32::from(!there)
}

/// `service_crashed [NAME]`
fn is_crashed(shell: &mut Shell, arguments: &[Vec<u8>]) -> i32 {
    let crashed = named(shell, arguments).is_some_and(|name| state(shell).has_crashed(&name));
    i32::from(!crashed)
}

/// `service_started_daemon [NAME] PROGRAM [INDEX]`: whether the service started that program.
fn started_daemon(shell: &mut Shell, arguments: &[Vec<u8>]) -> i32 {
    let words = arguments.get(1..).unwrap_or_default();
    let is_number = |word: &Vec<u8>| !word.is_empty() && word.iter().all(u8::is_ascii_digit);
    let (name, program, index) = match words {
        [program] => (service(shell), program, None),
        [program, index] if is_number(index) => (service(shell), program, Some(index)),
        [name, program] => (ServiceName::parse(name).ok(), program, None),
        [name, program, index, ..] => (ServiceName::parse(name).ok(), program, Some(index)),
        [] => return complain(arguments, "which program?"),
    };
    let Some(name) = name else { return 1 };
    let index: Option<usize> = index.and_then(|text| lossy(text).parse().ok());
    let daemons = state(shell).daemons(&name);
    let mut found = (1..).zip(&daemons).filter(|(number, daemon)| {
        daemon.program.as_bytes() == program.as_slice()
            && index.is_none_or(|index| index == *number)
    });
    i32::from(found.next().is_none())
}

/// Ends what is left in the service's control group.
fn cgroup_sweep(shell: &mut Shell, _: &[Vec<u8>]) -> i32 {
    let group = service(shell).and_then(|name| Cgroup::of(&super::layout_of(shell), &name));
    match group {
        Some(group) => i32::from(!super::sweep(shell, &group)),
        None => 0,
    }
}

/// Whether the machine runs from the mains: 0; from its battery: 1; not known: 255 (the command of pm-utils).
fn on_ac_power(_: &mut Shell, _: &[Vec<u8>]) -> i32 {
    let mut known = false;
    for supply in std::fs::read_dir("/sys/class/power_supply")
        .into_iter()
        .flatten()
        .flatten()
    {
        let read = |file: &str| std::fs::read(supply.path().join(file)).unwrap_or_default();
        if matches!(read("type").trim_ascii(), b"Mains" | b"USB") {
            if read("online").trim_ascii() == b"1" {
                return 0;
            }
            known = true;
        }
    }
    if known { 1 } else { 255 }
}

/// `kill_all [-d] [-o PID[,PID…]] SIGNAL`: signals all processes but the kernel's, this one, and those above it.
fn kill_all(_: &mut Shell, arguments: &[Vec<u8>]) -> i32 {
    let mut spared: Vec<process::Pid> = vec![1];
    let mut next = std::process::id().cast_signed();
    while next > 1 && !spared.contains(&next) {
        spared.push(next);
        next = crate::daemon::parent_of(next).unwrap_or(0);
    }
    let (mut dry, mut signal) = (false, None);
    let mut words = arguments.iter().skip(1);
    while let Some(word) = words.next() {
        match word.as_slice() {
            b"-d" | b"--dry-run" => dry = true,
            b"-o" | b"--omit" => {
                let list = lossy(words.next().map_or(&[], Vec::as_slice));
                spared.extend(
                    list.split([',', ' '])
                        .filter_map(|pid| pid.parse::<i32>().ok()),
                );
            }
            other => signal = crate::daemon::schedule::signal(&lossy(other)).ok(),
        }
    }
    let Some(signal) = signal else {
        return complain(arguments, "which signal?");
    };
    for pid in crate::daemon::all_processes() {
        // The kernel's own have no program.
        let is_kernel = std::fs::read_link(format!("/proc/{pid}/exe")).is_err();
        if spared.contains(&pid) || is_kernel {
            continue;
        }
        if dry {
            let _ = process::write_all(1, format!("{pid}\n").as_bytes());
        } else {
            // It may be gone by now.
            let _ = process::kill(pid, signal);
        }
    }
    0
}

fn set_value(shell: &mut Shell, arguments: &[Vec<u8>]) -> i32 {
    let key = arguments
        .get(1)
        .and_then(|key| ServiceName::parse(key).ok());
    let (Some(key), Some(name)) = (key, service(shell)) else {
        return complain(arguments, "needs a name and a value");
    };
    let value = arguments.get(2..).unwrap_or_default().join(&b' ');
    match state(shell).set_value(&name, &key, &value) {
        Ok(()) => 0,
        Err(error) => complain(arguments, &error.to_string()),
    }
}

fn get_value(shell: &mut Shell, arguments: &[Vec<u8>]) -> i32 {
    let key = arguments
        .get(1)
        .and_then(|key| ServiceName::parse(key).ok());
    let (Some(key), Some(name)) = (key, service(shell)) else {
        return 1;
    };
    match state(shell).value(&name, &key) {
        Some(mut value) => {
            value.push(b'\n');
            i32::from(process::write_all(1, &value).is_err())
        }
        None => 1,
    }
}

/// Makes words into names of variables: whatever is neither a letter nor a digit becomes `_`.
fn shell_var(_: &mut Shell, arguments: &[Vec<u8>]) -> i32 {
    let mut out = arguments.get(1..).unwrap_or_default().join(&b' ');
    for byte in &mut out {
        if !byte.is_ascii_alphanumeric() && *byte != b' ' {
            *byte = b'_';
        }
    }
    out.push(b'\n');
    i32::from(process::write_all(1, &out).is_err())
}

/// `get_bootparam NAME`: whether the kernel's command line has it, and its value.
fn get_bootparam(_: &mut Shell, arguments: &[Vec<u8>]) -> i32 {
    let Some(name) = arguments.get(1) else {
        return 1;
    };
    let line = std::fs::read("/proc/cmdline").unwrap_or_default();
    for word in line.split(u8::is_ascii_whitespace) {
        if word == name.as_slice() {
            return 0;
        }
        if let Some(value) = word
            .strip_prefix(name.as_slice())
            .and_then(|rest| rest.strip_prefix(b"="))
        {
            return i32::from(process::write_all(1, &[value, b"\n"].concat()).is_err());
        }
    }
    1
}

/// `get_bootparam_value NAME [first|last|all [SEPARATOR]]`: the values of a parameter.
fn get_bootparam_value(_: &mut Shell, arguments: &[Vec<u8>]) -> i32 {
    let Some(name) = arguments.get(1).filter(|name| !name.is_empty()) else {
        return 1;
    };
    let line = std::fs::read("/proc/cmdline").unwrap_or_default();
    let values: Vec<&[u8]> = line
        .split(u8::is_ascii_whitespace)
        .filter_map(|word| word.strip_prefix(name.as_slice())?.strip_prefix(b"="))
        .collect();
    let mut out = match arguments.get(2).map(Vec::as_slice) {
        Some(b"all") => values.join(arguments.get(3).map_or(&b" "[..], Vec::as_slice)),
        Some(b"last") => values.last().copied().unwrap_or_default().to_vec(),
        _ => values.first().copied().unwrap_or_default().to_vec(),
    };
    out.push(b'\n');
    i32::from(process::write_all(1, &out).is_err())
}

/// `is_newer_than FILE OTHER…`: whether it is newer than all of the others; `is_older_than`: than one of them older.
fn is_newer(_: &mut Shell, arguments: &[Vec<u8>]) -> i32 {
    use std::os::unix::ffi::OsStrExt;
    let time = |path: &Vec<u8>| {
        let path = Path::new(std::ffi::OsStr::from_bytes(path));
        std::fs::metadata(path)
            .and_then(|metadata| metadata.modified())
            .ok()
    };
    let older = arguments
        .first()
        .is_some_and(|name| name == b"is_older_than");
    let Some(mine) = arguments.get(1).and_then(time) else {
        return i32::from(!older);
    };
    let mut others = arguments
        .get(2..)
        .unwrap_or_default()
        .iter()
        .filter_map(time);
    let answer = if older {
        others.any(|other| mine < other)
    } else {
        others.all(|other| mine > other)
    };
    i32::from(!answer)
}

/// `ewaitfile SECONDS FILE…`; less than a second is for ever.
fn wait_for_file(_: &mut Shell, arguments: &[Vec<u8>]) -> i32 {
    use std::os::unix::ffi::OsStrExt;
    let seconds = arguments
        .get(1)
        .and_then(|text| std::str::from_utf8(text).ok()?.parse().ok())
        .unwrap_or(0);
    let patience = std::time::Duration::from_secs(seconds);
    let begun = std::time::Instant::now();
    for path in arguments.get(2..).unwrap_or_default() {
        while !Path::new(std::ffi::OsStr::from_bytes(path)).exists() {
            if seconds > 0 && begun.elapsed() >= patience {
                return 1;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
    0
}

fn runlevel(shell: &mut Shell, _: &[Vec<u8>]) -> i32 {
    let level = state(shell)
        .runlevel()
        .map_or_else(|| "sysinit".to_owned(), |level| level.to_string());
    i32::from(process::write_all(1, format!("{level}\n").as_bytes()).is_err())
}

/// The command of that name.
pub fn find(name: &str) -> Option<BuiltinFn> {
    TABLE
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, function)| *function)
}

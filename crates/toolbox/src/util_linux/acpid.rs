//! `acpid`: runs programs when a button is pressed or the lid is closed.

use crate::common::daemon;
use crate::common::lines::{about, cause, other, say, status};
use crate::common::options::{Given, Options};
use crate::common::syslog;
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use sys::process::{self, Disposition};

pub const USAGE: &str = "[-df] [-c FOLDER] [-l LOG] [-p PIDFILE] [-a ACTIONS] [-M MAP] [-e FILE]

-d  log to the terminal, in the foreground    -f  stay in the foreground    -c  where the programs are (/etc/acpi)
-l  the log (/var/log/acpid.log)    -p  the file for the process' number (/var/run/acpid.pid)
-a  the table of actions (/etc/acpid.conf)    -M  the table of events (/etc/acpi.map)
-e  read events as text from a file, not from /dev/input/event*
-g, -m, -s, -S, -v  are taken and make no difference";

const OPTIONS: Options = Options {
    applet: "acpid",
    letters: "c:de:fl:a:M:p:g:m:s:S:v",
    long: &[],
};

/// What the kernel sends: the time, then type, code and value.
const TIME: usize = 2 * size_of::<std::ffi::c_long>();
const EVENT: usize = TIME + 8;

/// An event of an input device, and what it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Event {
    kind: u16,
    code: u16,
    value: i32,
    name: String,
}

/// What is known of events and actions.
#[derive(Debug, Default)]
struct Tables {
    events: Vec<Event>,
    /// A part of an event's name, and what is run for it.
    actions: Vec<(String, String)>,
}

impl Tables {
    /// What to run for an event, by its number or by the text that it begins.
    fn action(&self, is: impl Fn(&Event) -> bool) -> Option<&str> {
        let event = self.events.iter().find(|event| is(event))?;
        let found = self
            .actions
            .iter()
            .find(|(key, _)| event.name.contains(key.as_str()));
        Some(found.map_or(event.name.as_str(), |(_, action)| action))
    }
}

/// The words of a table's lines.
fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines()
        .map(|line| {
            line.split('#')
                .next()
                .unwrap_or_default()
                .split_whitespace()
                .collect()
        })
        .filter(|words: &Vec<&str>| !words.is_empty())
}

/// The table of events: the type's name and number in hexadecimal, the code's name and number, the value, the name.
fn events(text: Option<&str>) -> io::Result<Vec<Event>> {
    let event = |kind, code, value, name: String| Event {
        kind,
        code,
        value,
        name,
    };
    let Some(text) = text else {
        let usual = [
            (1, 116, "button/power PWRF 00000080"),
            (1, 116, "button/power PWRB 00000080"),
            (5, 0, "button/lid LID0 00000080"),
        ];
        return Ok(usual
            .map(|(kind, code, name)| event(kind, code, 1, name.to_owned()))
            .to_vec());
    };
    let mut all = Vec::new();
    for words in rows(text) {
        let bad = || other(format!("'{}' is no event", words.join(" ")));
        let [_, kind, _, code, value, name @ ..] = words.as_slice() else {
            return Err(bad());
        };
        let kind = u16::from_str_radix(kind.strip_prefix("0x").unwrap_or(kind), 16);
        match (kind, code.parse(), value.parse()) {
            (Ok(kind), Ok(code), Ok(value)) if !name.is_empty() => {
                all.push(event(kind, code, value, name.join(" ")))
            }
            _ => return Err(bad()),
        }
    }
    Ok(all)
}

/// The table of actions: a part of an event's name, and the program's path below the folder.
fn actions(text: Option<&str>) -> io::Result<Vec<(String, String)>> {
    let Some(text) = text else {
        let usual = [("PWRF", "PWRF/00000080"), ("LID0", "LID/00000080")];
        return Ok(usual
            .map(|(key, action)| (key.to_owned(), action.to_owned()))
            .to_vec());
    };
    let mut all = Vec::new();
    for words in rows(text) {
        match words.as_slice() {
            [key, action] => all.push(((*key).to_owned(), (*action).to_owned())),
            words => return Err(other(format!("'{}' is no action", words.join(" ")))),
        }
    }
    Ok(all)
}

/// Reads one event as the kernel sends it.
fn decode(bytes: &[u8]) -> Option<(u16, u16, i32)> {
    let two = |at: usize| Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let value = i32::from_ne_bytes(bytes.get(TIME + 4..TIME + 8)?.try_into().ok()?);
    Some((two(TIME)?, two(TIME + 2)?, value))
}

/// `acpid`
pub fn main(arguments: &[OsString]) -> i32 {
    let given = match OPTIONS.take(arguments, 0, 0) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if given.has('d') || given.has('f') {
        return status("acpid", run(&given));
    }
    daemon::detach("acpid", move || status("acpid", run(&given)))
}

fn path(given: &Given, letter: char, usual: &str) -> PathBuf {
    given.value(letter).unwrap_or(OsStr::new(usual)).into()
}

fn table(path: &Path) -> io::Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(about(path, &error)),
    }
}

fn run(given: &Given) -> io::Result<i32> {
    let debug = given.has('d');
    let log = path(given, 'l', "/var/log/acpid.log");
    if !debug {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&log)
            .map_err(|error| about(&log, &error))?;
        for fd in 1..3 {
            process::dup2(file.as_raw_fd(), fd)?;
        }
    }
    let tell = |text: &str| {
        say("acpid", text);
        if !debug {
            syslog::log(syslog::DAEMON, syslog::INFO, "acpid", text);
        }
    };
    let tables = Tables {
        events: events(table(&path(given, 'M', "/etc/acpi.map"))?.as_deref())?,
        actions: actions(table(&path(given, 'a', "/etc/acpid.conf"))?.as_deref())?,
    };
    let mut sources = sources(given)?;
    let folder = path(given, 'c', "/etc/acpi");
    std::env::set_current_dir(&folder).map_err(|error| about(&folder, &error))?;
    // The children are not waited for.
    process::set_signal(17, Disposition::Ignore)?;
    for signal in [1, 2, 15] {
        process::set_signal(signal, Disposition::Catch)?;
    }
    let pid = path(given, 'p', "/var/run/acpid.pid");
    let _ = daemon::write_pid(&pid);
    while !sources.is_empty() && process::take_signal().is_none() {
        let fds: Vec<i32> = sources.iter().map(AsRawFd::as_raw_fd).collect();
        match process::readable_any(&fds, -1) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            done => drop(done?),
        }
        sources.retain_mut(|source| {
            if !process::readable(source.as_raw_fd(), 0).unwrap_or(false) {
                return true;
            }
            let mut bytes = [0; 4096];
            let whole = if given.has('e') { bytes.len() } else { EVENT };
            let count = source.read(bytes.get_mut(..whole).unwrap_or_default());
            let bytes = match count {
                Ok(count) if count > 0 => bytes.get(..count).unwrap_or_default(),
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                    ) =>
                {
                    return true;
                }
                // A device that was taken away.
                _ => return false,
            };
            if given.has('e') {
                for line in String::from_utf8_lossy(bytes).lines() {
                    // The count at the end is no part of the name.
                    let name = line.rsplit_once(' ').map_or(line, |(name, _)| name);
                    if let Some(action) = tables.action(|event| event.name.starts_with(name)) {
                        start(action, &tell);
                    }
                }
            } else if let Some((kind, code, value)) = decode(bytes) {
                let is =
                    |event: &Event| (event.kind, event.code, event.value) == (kind, code, value);
                if let Some(action) = tables.action(is) {
                    start(action, &tell);
                }
            }
            true
        });
    }
    let _ = std::fs::remove_file(&pid);
    Ok(0)
}

fn sources(given: &Given) -> io::Result<Vec<File>> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let open = |path: &OsStr| OpenOptions::new().read(true).custom_flags(flags).open(path);
    if let Some(path) = given.value('e') {
        return Ok(vec![open(path).map_err(|error| about(path, &error))?]);
    }
    let mut all = Vec::new();
    loop {
        let path = format!("/dev/input/event{}", all.len());
        match open(OsStr::new(&path)) {
            Ok(file) => all.push(file),
            Err(error) if all.is_empty() => return Err(about(path, &error)),
            Err(_) => return Ok(all),
        }
    }
}

/// Runs the program of that name in the folder, or all that are in a folder of that name.
fn start(action: &str, tell: &dyn Fn(&str)) {
    tell(action);
    let path = Path::new(".").join(action);
    let mut command = match std::fs::metadata(&path) {
        Ok(meta) if meta.is_dir() => {
            let mut command = Command::new("run-parts");
            command.arg(&path);
            command
        }
        Ok(_) => Command::new(&path),
        Err(error) => return tell(&format!("{action}: {}", cause(&error))),
    };
    if let Err(error) = command.stdin(Stdio::null()).spawn() {
        tell(&format!("{action}: {}", cause(&error)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usual() -> Tables {
        Tables {
            events: events(None).unwrap(),
            actions: actions(None).unwrap(),
        }
    }

    #[test]
    fn events_find_their_programs() {
        let tables = usual();
        let by_number = |kind, code, value| {
            tables.action(|event| (event.kind, event.code, event.value) == (kind, code, value))
        };
        assert_eq!(by_number(1, 116, 1), Some("PWRF/00000080"));
        assert_eq!(by_number(5, 0, 1), Some("LID/00000080"));
        assert_eq!(by_number(5, 0, 0), None);
        assert_eq!(
            tables.action(|event| event.name.starts_with("button/power PWRB")),
            Some("button/power PWRB 00000080")
        );
    }

    #[test]
    fn tables_and_what_is_wrong_in_them() {
        let own = events(Some(
            "# mine\nEV_KEY 0x01 KEY_SLEEP 142 1 button/sleep SLPB 00000080\n",
        ))
        .unwrap();
        assert_eq!(own[0].name, "button/sleep SLPB 00000080");
        assert_eq!((own[0].kind, own[0].code, own[0].value), (1, 142, 1));
        assert_eq!(
            actions(Some("SLPB sleep.sh # x\n")).unwrap(),
            [("SLPB".to_owned(), "sleep.sh".to_owned())]
        );
        for bad in [
            "x",
            "EV_KEY zz KEY 1 1 x",
            "EV_KEY 1 KEY 70000 1 x",
            "EV_KEY 1 KEY 1 1",
        ] {
            assert!(events(Some(bad)).is_err(), "{bad}");
        }
        assert!(actions(Some("a b c")).is_err());
    }

    #[test]
    fn what_the_kernel_sends() {
        let mut bytes = vec![9; TIME];
        bytes.extend([1, 0, 116, 0, 1, 0, 0, 0]);
        let little = cfg!(target_endian = "little");
        assert!(!little || decode(&bytes) == Some((1, 116, 1)));
        assert_eq!(decode(&bytes[..EVENT - 1]), None);
    }
}

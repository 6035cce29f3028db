//! `setpriv`: runs a program with fewer capabilities, or with those that it keeps.

use crate::common::lines::{Output, other, status};
use crate::common::options::{Given, Options};
use crate::common::running::replace_by;
use rustix::thread::{self, CapabilitySet};
use std::ffi::OsString;
use std::io;

pub const USAGE: &str = "[--nnp] [--inh-caps CAP,...] [--ambient-caps CAP,...] PROGRAM [argument...]
       | -d

-d, --dump  print what this process may    --nnp, --no-new-privs  programs' setuid bits are not obeyed any more
--inh-caps  the inheritable capabilities    --ambient-caps  the ambient ones
CAP is +NAME or -NAME, a number as cap_N, or all";

/// The capabilities by number (capabilities(7)).
const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

const INHERITABLE: char = '\u{100}';
const AMBIENT: char = '\u{101}';
const NO_NEW: char = '\u{102}';

const OPTIONS: Options = Options {
    applet: "setpriv",
    letters: "d\u{100}:\u{101}:\u{102}",
    long: &[
        ("dump", 'd'),
        ("nnp", NO_NEW),
        ("no-new-privs", NO_NEW),
        ("inh-caps", INHERITABLE),
        ("ambient-caps", AMBIENT),
    ],
};

/// Where the program begins: a value may be a word of its own.
fn program_at(arguments: &[OsString]) -> usize {
    let mut at = 1;
    while let Some(word) = arguments.get(at) {
        let text = word.to_str().unwrap_or_default();
        match text {
            "--" => return at + 1,
            "--inh-caps" | "--ambient-caps" => at += 2,
            _ if text.starts_with('-') && text.len() > 1 => at += 1,
            _ => return at,
        }
    }
    arguments.len()
}

/// `setpriv`
pub fn main(arguments: &[OsString]) -> i32 {
    let at = program_at(arguments).min(arguments.len());
    let (own, program) = arguments.split_at(at);
    let given = match OPTIONS.parse(own) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if given.has('d') {
        if given.last_of("\u{100}\u{101}\u{102}").is_some() || !program.is_empty() {
            return OPTIONS.wrong("--dump stands alone");
        }
        return status("setpriv", dump());
    }
    if program.is_empty() {
        return OPTIONS.wrong("missing operand");
    }
    match change(&given) {
        Ok(()) => replace_by("setpriv", program),
        Err(error) => status("setpriv", Err(error)),
    }
}

fn bit(number: usize) -> CapabilitySet {
    CapabilitySet::from_bits_retain(1 << number)
}

/// The last capability that this kernel knows.
fn last() -> usize {
    std::fs::read_to_string("/proc/sys/kernel/cap_last_cap")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(NAMES.len() - 1)
        .min(62)
}

fn name(number: usize) -> String {
    NAMES
        .get(number)
        .map_or_else(|| format!("cap_{number}"), |name| (*name).to_owned())
}

fn number(text: &str) -> io::Result<usize> {
    let number = NAMES
        .iter()
        .position(|known| *known == text)
        .or_else(|| text.strip_prefix("cap_")?.parse().ok());
    number
        .filter(|number| *number <= last())
        .ok_or_else(|| other(format!("unknown capability '{text}'")))
}

/// The changes of `+a,-b`: which ones, and whether they are set.
fn changes(text: &str) -> io::Result<Vec<(usize, bool)>> {
    let mut all = Vec::new();
    for word in text.split(',') {
        let set = match word.bytes().next() {
            Some(b'+') => true,
            Some(b'-') => false,
            _ => {
                return Err(other(format!(
                    "bad capability '{word}': + or - comes first"
                )));
            }
        };
        let word = word.get(1..).unwrap_or_default();
        if word == "all" {
            all.extend((0..=last()).map(|number| (number, set)));
        } else {
            all.push((number(word)?, set));
        }
    }
    Ok(all)
}

fn change(given: &Given) -> io::Result<()> {
    let text = |letter: char| {
        given
            .value(letter)
            .map(|word| word.to_string_lossy().into_owned())
    };
    let inheritable = text(INHERITABLE).map(|text| changes(&text)).transpose()?;
    let ambient = text(AMBIENT).map(|text| changes(&text)).transpose()?;
    if given.has(NO_NEW) {
        thread::set_no_new_privs(true)?;
    }
    if let Some(changes) = inheritable {
        let mut sets = thread::capabilities(None)?;
        for (number, set) in changes {
            sets.inheritable.set(bit(number), set);
        }
        thread::set_capabilities(None, sets)?;
    }
    for (number, set) in ambient.unwrap_or_default() {
        thread::configure_capability_in_ambient_set(bit(number), set).map_err(|error| {
            let error = io::Error::from(error);
            other(format!(
                "ambient '{}': {}",
                name(number),
                crate::common::lines::cause(&error)
            ))
        })?;
    }
    Ok(())
}

fn listed(is_set: &dyn Fn(usize) -> bool) -> String {
    let names: Vec<String> = (0..=last())
        .filter(|number| is_set(*number))
        .map(name)
        .collect();
    if names.is_empty() {
        "[none]".to_owned()
    } else {
        names.join(",")
    }
}

fn dump() -> io::Result<i32> {
    let mut out = Output::new();
    let groups: Vec<String> = rustix::process::getgroups()?
        .iter()
        .map(|group| group.as_raw().to_string())
        .collect();
    let sets = thread::capabilities(None)?;
    out.put(
        format!(
            "uid: {}\neuid: {}\ngid: {}\negid: {}\nSupplementary groups: {}\nno_new_privs: {}\n",
            rustix::process::getuid().as_raw(),
            rustix::process::geteuid().as_raw(),
            rustix::process::getgid().as_raw(),
            rustix::process::getegid().as_raw(),
            if groups.is_empty() {
                "[none]".to_owned()
            } else {
                groups.join(",")
            },
            u8::from(thread::no_new_privs()?)
        )
        .as_bytes(),
    );
    let inheritable = listed(&|number| sets.inheritable.contains(bit(number)));
    let ambient =
        listed(&|number| thread::capability_is_in_ambient_set(bit(number)).unwrap_or(false));
    let bounding =
        listed(&|number| thread::capability_is_in_bounding_set(bit(number)).unwrap_or(false));
    out.put(
        format!(
            "Inheritable capabilities: {inheritable}\nAmbient capabilities: {ambient}\nCapability bounding set: {bounding}\n"
        )
        .as_bytes(),
    );
    Ok(out.finish("setpriv", 0, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(changes("+chown,-cap_1").unwrap(), [(0, true), (1, false)]);
        assert_eq!(changes("-all").unwrap().len(), last() + 1);
        for bad in ["", "chown", "+", "+nonsense", "+cap_63", "+chown,"] {
            assert!(changes(bad).is_err(), "{bad}");
        }
        let words = ["setpriv", "--inh-caps", "-all", "--nnp", "prog", "-d"].map(OsString::from);
        assert_eq!(program_at(&words), 4);
    }
}

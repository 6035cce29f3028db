//! `/etc/inittab` as BusyBox's init and Alpine have it: `TERMINAL::ACTION:COMMAND`.

use crate::message::{Level, Style};
use crate::name::Runlevel;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// When a command is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// First, one after another.
    Sysinit,
    /// Behind `sysinit`, one after another.
    Boot,
    /// Then these, one after another.
    Wait,
    /// Then these, without waiting.
    Once,
    /// Again whenever it ends.
    Respawn,
    /// The same, but only when somebody presses Enter.
    AskFirst,
    /// When Ctrl, Alt and Del are pressed.
    CtrlAltDel,
    /// When the machine goes down.
    Shutdown,
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The terminal below `/dev`; nothing: the console.
    pub terminal: OsString,
    /// When.
    pub action: Action,
    /// What.
    pub command: OsString,
}

/// What there is without a file.
const DEFAULT: &[u8] =
    b"::sysinit:/sbin/openrc sysinit\n::sysinit:/sbin/openrc boot\n::wait:/sbin/openrc default\n\
    tty1::respawn:/sbin/getty 38400 tty1\n::shutdown:/sbin/openrc shutdown\n";

/// Reads a text. Lines that cannot be read come back by number.
pub fn parse(text: &[u8]) -> (Vec<Entry>, Vec<usize>) {
    let (mut entries, mut bad) = (Vec::new(), Vec::new());
    for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let mut fields = line.splitn(4, |byte| *byte == b':');
        let (terminal, _levels) = (fields.next().unwrap_or_default(), fields.next());
        let action = match fields.next() {
            Some(b"sysinit") => Action::Sysinit,
            Some(b"boot" | b"bootwait") => Action::Boot,
            Some(b"wait") => Action::Wait,
            Some(b"once") => Action::Once,
            Some(b"respawn") => Action::Respawn,
            Some(b"askfirst") => Action::AskFirst,
            Some(b"ctrlaltdel") => Action::CtrlAltDel,
            Some(b"shutdown") => Action::Shutdown,
            // A newer program is run by the upgrade itself.
            Some(b"restart") => continue,
            _ => {
                bad.push(number);
                continue;
            }
        };
        let terminal = terminal.strip_prefix(b"/dev/").unwrap_or(terminal);
        match fields.next() {
            Some(command) if !command.is_empty() && !terminal.contains(&b'.') => {
                entries.push(Entry {
                    terminal: OsStr::from_bytes(terminal).to_owned(),
                    action,
                    command: OsStr::from_bytes(command).to_owned(),
                })
            }
            _ => bad.push(number),
        }
    }
    (entries, bad)
}

/// Reads the file. Without it there is a terminal all the same.
pub fn load(path: &Path) -> Vec<Entry> {
    let style = Style::from_environment();
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => DEFAULT.to_vec(),
        Err(error) => {
            style.say(Level::Error, &format!("{}: {error}", path.display()));
            DEFAULT.to_vec()
        }
    };
    let (entries, bad) = parse(&text);
    for line in bad {
        style.say(
            Level::Error,
            &format!("{}: line {line} is none of an inittab", path.display()),
        );
    }
    entries
}

/// The runlevel that a command goes to, if that is what it does.
pub fn level_of(entry: &Entry) -> Option<Runlevel> {
    let mut words = entry
        .command
        .as_bytes()
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let program = words.next()?;
    let level = words.next()?;
    let is_openrc = matches!(program, b"/sbin/openrc" | b"openrc" | b"/usr/sbin/openrc");
    (is_openrc && words.next().is_none())
        .then(|| Runlevel::parse(level).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alpine_lines() {
        let text = b"# /etc/inittab\n\n::sysinit:/sbin/openrc sysinit\n::wait:/sbin/openrc default\n\
            tty1::respawn:/sbin/getty 38400 tty1\n/dev/ttyS0::askfirst:-/bin/sh\n::ctrlaltdel:/sbin/reboot\n\
            ::shutdown:/sbin/openrc shutdown\n::restart:/sbin/init\n";
        let (entries, bad) = parse(text);
        assert_eq!(bad, [0; 0]);
        assert_eq!(entries.len(), 6);
        assert_eq!(level_of(&entries[0]), Some(Runlevel::sysinit()));
        assert_eq!(level_of(&entries[2]), None);
        assert_eq!(entries[2].terminal, "tty1");
        assert_eq!(entries[3].terminal, "ttyS0");
        assert_eq!(entries[3].command, "-/bin/sh");
    }

    #[test]
    fn what_is_no_line_is_told() {
        let (entries, bad) = parse(
            b"garbage\ntty1::jump:/bin/x\n::once:\n../sda::respawn:/bin/x\n\xff::once:/bin/\xfe\n",
        );
        assert_eq!(bad, [1, 2, 3, 4]);
        assert_eq!(entries.len(), 1);
    }

    #[test]
    fn without_a_file_there_is_a_terminal() {
        let (entries, bad) = parse(DEFAULT);
        assert!(bad.is_empty());
        assert!(entries.iter().any(|entry| entry.action == Action::Respawn));
    }
}

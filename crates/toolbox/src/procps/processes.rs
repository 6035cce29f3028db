//! The processes, as `/proc` tells of them.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A process.
#[derive(Clone, Debug, Default)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// Its parent's.
    pub ppid: i32,
    /// Its group's and session's.
    pub group: i32,
    /// The session's.
    pub session: i32,
    /// The terminal's device number; 0: none.
    pub terminal: u64,
    /// R, S, D, Z, T, …
    pub state: char,
    /// The name that the kernel knows it by, at most 15 bytes.
    pub name: Vec<u8>,
    /// The command line, with NULs between; empty for the kernel's own.
    pub command: Vec<u8>,
    /// Its owner.
    pub uid: u32,
    /// Its owner's group.
    pub gid: u32,
    /// Clock ticks that it used: its own, and on its behalf.
    pub ticks: u64,
    /// When it began, in ticks after the start of the system.
    pub start: u64,
    /// Address space in bytes.
    pub virtual_size: u64,
    /// Pages in memory.
    pub resident: u64,
    /// Its niceness.
    pub nice: i64,
    /// Its threads.
    pub threads: u64,
    /// The processor that it ran on last.
    pub processor: u64,
}

/// Clock ticks a second (USER_HZ; the kernel shows no other).
pub const HZ: u64 = 100;

impl Process {
    /// Reads one. `None`: it is gone.
    pub fn read(pid: i32) -> Option<Process> {
        Process::read_in(&PathBuf::from(format!("/proc/{pid}")), pid)
    }

    /// Reads one from its folder, or a thread from its own.
    pub fn read_in(folder: &Path, pid: i32) -> Option<Process> {
        let meta = fs::metadata(folder).ok()?;
        let mut process = parse(pid, &fs::read(folder.join("stat")).ok()?)?;
        (process.uid, process.gid) = (meta.uid(), meta.gid());
        process.command = fs::read(folder.join("cmdline")).unwrap_or_default();
        Some(process)
    }

    /// The command line with blanks between, or the name in brackets.
    pub fn arguments(&self) -> Vec<u8> {
        let end = self
            .command
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |at| at + 1);
        if end == 0 {
            let brackets = if self.state == 'Z' {
                (&b"["[..], &b"] <defunct>"[..])
            } else {
                (&b"["[..], &b"]"[..])
            };
            return [brackets.0, &self.name, brackets.1].concat();
        }
        self.command
            .get(..end)
            .unwrap_or_default()
            .iter()
            .map(|byte| match byte {
                0 => b' ',
                // What would move a terminal's cursor.
                0x01..=0x1f | 0x7f => b'?',
                other => *other,
            })
            .collect()
    }

    /// The program's name: of the command line, or the kernel's where that is cut.
    pub fn program(&self) -> &[u8] {
        let first = self
            .command
            .split(|byte| *byte == 0)
            .next()
            .unwrap_or_default();
        let base = first.rsplit(|byte| *byte == b'/').next().unwrap_or(first);
        let base = base.strip_prefix(b"-").unwrap_or(base);
        if self.name.len() == 15 && base.starts_with(&self.name) {
            base
        } else {
            &self.name
        }
    }

    /// The terminal's name, without `/dev/`.
    pub fn terminal_name(&self) -> String {
        let (major, minor) = (
            self.terminal >> 8 & 0xfff,
            self.terminal & 0xff | self.terminal >> 12 & 0xfff00,
        );
        match major {
            0 => "?".to_owned(),
            4 if minor < 64 => format!("tty{minor}"),
            4 => format!("ttyS{}", minor - 64),
            136..=143 => format!("pts/{}", (major - 136) * 256 + minor),
            204 => format!("ttyAMA{}", minor.saturating_sub(64)),
            229 => format!("hvc{minor}"),
            _ => format!("{major},{minor}"),
        }
    }
}

fn parse(pid: i32, stat: &[u8]) -> Option<Process> {
    // The name may hold blanks and brackets.
    let open = stat.iter().position(|byte| *byte == b'(')?;
    let close = stat.iter().rposition(|byte| *byte == b')')?;
    let name = stat.get(open + 1..close)?.to_vec();
    let rest = String::from_utf8_lossy(stat.get(close + 2..)?).into_owned();
    let words: Vec<&str> = rest.split_whitespace().collect();
    let number = |at: usize| -> Option<i64> { words.get(at)?.parse().ok() };
    let count = |at: usize| -> Option<u64> { words.get(at)?.parse().ok() };
    let small = |at: usize| number(at).and_then(|n| i32::try_from(n).ok());
    Some(Process {
        pid,
        name,
        state: words.first()?.chars().next()?,
        ppid: small(1)?,
        group: small(2)?,
        session: small(3)?,
        terminal: number(4)?.cast_unsigned() & 0xffff_ffff,
        ticks: count(11)? + count(12)?,
        nice: number(16)?,
        threads: count(17)?,
        start: count(19)?,
        virtual_size: count(20)?,
        resident: count(21)?,
        processor: count(36).unwrap_or(0),
        ..Process::default()
    })
}

/// The names in a folder that are numbers, in their order.
fn numbers(folder: &Path) -> Vec<i32> {
    let mut pids: Vec<i32> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    pids.sort_unstable();
    pids
}

/// All processes, by number.
pub fn all() -> Vec<Process> {
    let pids = numbers(Path::new("/proc"));
    pids.into_iter().filter_map(Process::read).collect()
}

/// The threads of a process, the first one among them.
pub fn threads(pid: i32) -> Vec<Process> {
    let folder = PathBuf::from(format!("/proc/{pid}/task"));
    numbers(&folder)
        .into_iter()
        .filter_map(|thread| Process::read_in(&folder.join(thread.to_string()), thread))
        .collect()
}

/// Seconds since the start of the system, and idle.
pub fn uptime() -> (f64, f64) {
    let text = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let mut words = text
        .split_whitespace()
        .map(|word| word.parse().unwrap_or(0.0));
    (words.next().unwrap_or(0.0), words.next().unwrap_or(0.0))
}

/// Whether a process runs that program: its name, its path, or the name of its script.
pub fn is_named(process: &Process, name: &OsStr) -> bool {
    let name = name.as_bytes();
    if name.contains(&b'/') {
        let path = fs::read_link(format!("/proc/{}/exe", process.pid));
        return path.is_ok_and(|path| path.as_os_str().as_bytes() == name);
    }
    let mut words = process.command.split(|byte| *byte == 0);
    let base = |word: &[u8]| {
        word.rsplit(|byte| *byte == b'/')
            .next()
            .unwrap_or(word)
            .to_vec()
    };
    let second = words.nth(1).map(base);
    process.name == name
        || process.program() == name
        // `sh script`: the script's name serves, too.
        || second.is_some_and(|second| second == name) && matches!(process.program(), b"sh" | b"ash" | b"bash" | b"dash")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_brackets_and_blanks() {
        let stat = b"7 (a) b) S 1 7 7 1025 7 0 0 0 0 0 3 4 0 0 20 5 2 0 99 4096 12 0";
        let process = parse(7, stat).unwrap();
        assert_eq!(process.name, b"a) b");
        assert_eq!(
            (process.ppid, process.ticks, process.nice, process.start),
            (1, 7, 5, 99)
        );
        assert_eq!(process.terminal_name(), "tty1");
        assert!(parse(7, b"7 (x").is_none());
    }

    #[test]
    fn we_are_among_them() {
        let own = i32::try_from(std::process::id()).unwrap();
        let process = all()
            .into_iter()
            .find(|process| process.pid == own)
            .unwrap();
        assert!(process.resident > 0 && !process.arguments().is_empty());
    }
}

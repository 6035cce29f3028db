//! Daemons: found, started in the right surroundings, stopped in steps, watched and restarted.

pub mod launch;
pub mod notify;
pub mod options;
pub mod privileges;
pub mod schedule;
pub mod start_stop;
pub mod supervise;
pub mod supervisor;
pub mod users;
mod watch;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use sys::process;

/// The number in a pidfile, when there is one.
pub fn read_pidfile(path: &Path) -> Option<process::Pid> {
    let text = fs::read(path).ok()?;
    let line = text.split(|byte| *byte == b'\n').next()?;
    let pid = std::str::from_utf8(line.trim_ascii()).ok()?.parse().ok()?;
    (pid > 0).then_some(pid)
}

/// Whether a process exists and is no zombie.
pub fn is_alive(pid: process::Pid) -> bool {
    let Ok(stat) = fs::read(format!("/proc/{pid}/stat")) else {
        // Without /proc, or where it hides others: a signal that is not allowed says that there is somebody.
        return !Path::new("/proc/self").exists()
            && process::kill(pid, 0)
                .map_or_else(|error| error.raw_os_error() == Some(1), |()| true);
    };
    let state = stat
        .rsplit(|byte| *byte == b')')
        .next()
        .and_then(|rest| rest.get(1));
    !matches!(state, Some(b'Z' | b'X') | None)
}

/// All processes.
pub fn all_processes() -> Vec<process::Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// The process that a process was started by.
pub fn parent_of(pid: process::Pid) -> Option<process::Pid> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything.
    let rest = stat.rsplit(|byte| *byte == b')').next()?;
    let mut words = rest
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    std::str::from_utf8(words.nth(1)?).ok()?.parse().ok()
}

/// What to look for among the processes.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// The program that runs.
    pub program: Option<PathBuf>,
    /// What the process calls itself.
    pub name: Option<Vec<u8>>,
    /// Whose it is.
    pub user: Option<u32>,
    /// `program` is a script: its interpreter runs, and its first argument is the script.
    pub interpreted: bool,
}

impl Search {
    /// Whether this process is one of them.
    pub fn matches(&self, pid: process::Pid) -> bool {
        let folder = PathBuf::from(format!("/proc/{pid}"));
        if let Some(user) = self.user {
            use std::os::unix::fs::MetadataExt;
            if !fs::metadata(&folder).is_ok_and(|metadata| metadata.uid() == user) {
                return false;
            }
        }
        if let Some(program) = &self.program
            && !runs_program(&folder, program, self.interpreted)
        {
            return false;
        }
        if let Some(name) = &self.name {
            // The kernel keeps 15 bytes.
            let comm = fs::read(folder.join("comm")).unwrap_or_default();
            if comm.trim_ascii_end() != name.get(..15).unwrap_or(name) {
                return false;
            }
        }
        true
    }

    /// All processes that match, but for this one.
    pub fn find(&self) -> Vec<process::Pid> {
        let me = std::process::id().cast_signed();
        all_processes()
            .into_iter()
            .filter(|pid| *pid != me && is_alive(*pid) && self.matches(*pid))
            .collect()
    }
}

fn runs_program(folder: &Path, program: &Path, interpreted: bool) -> bool {
    let command = fs::read(folder.join("cmdline")).unwrap_or_default();
    let mut words = command.split(|byte| *byte == 0);
    let wanted = program.as_os_str().as_bytes();
    if interpreted {
        return words.nth(1) == Some(wanted);
    }
    if let Ok(target) = fs::read_link(folder.join("exe")) {
        let real = fs::canonicalize(program);
        let target = target.as_os_str().as_bytes();
        // A program that was replaced while it runs.
        let target = target.strip_suffix(b" (deleted)").unwrap_or(target);
        if target != wanted && real.map_or(true, |real| real.as_os_str().as_bytes() != target) {
            return false;
        }
    }
    // Programs that are one file with many names are told apart by the name they were called by.
    let file = |path: &[u8]| path.rsplit(|byte| *byte == b'/').next().map(<[u8]>::to_vec);
    words
        .next()
        .is_some_and(|first| file(first) == file(wanted))
}

/// Waits until a process ends, at most so long. Says whether it has.
pub fn wait_gone(pid: process::Pid, at_most: Duration) -> bool {
    let Some(number) = Pid::from_raw(pid) else {
        return true;
    };
    let Ok(fd) = pidfd_open(number, PidfdFlags::empty()) else {
        return !is_alive(pid);
    };
    let time = Timespec {
        tv_sec: i64::try_from(at_most.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: at_most.subsec_nanos().into(),
    };
    matches!(
        poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&time)),
        Ok(1..)
    ) || !is_alive(pid)
}

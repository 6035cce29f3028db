//! Control groups (Linux, admin-guide/cgroup-v2): one for each service, `openrc.NAME`, so that all of it can be found,
//! limited and ended, whatever it forked.
//!
//! Where there is no version 2, or where it may not be written to, services run without.

use crate::layout::Layout;
use crate::name::ServiceName;
use rustix::event::{PollFd, PollFlags, poll};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use sys::process::{self, Pid};

/// The group of a service.
#[derive(Clone, Debug)]
pub struct Cgroup {
    base: PathBuf,
    folder: PathBuf,
}

/// How long processes have for their end behind SIGKILL.
const AFTER_KILL: Duration = Duration::from_secs(5);

impl Cgroup {
    /// The group of that service, which need not be there yet. `None`: the system has no cgroup v2.
    pub fn of(layout: &Layout, service: &ServiceName) -> Option<Cgroup> {
        let base = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
            .iter()
            .map(|base| layout.path(base))
            .find(|base| base.join("cgroup.controllers").is_file())?;
        let folder = base.join(format!("openrc.{service}"));
        Some(Cgroup { base, folder })
    }

    /// Puts this process into the group, which is made where it is not there.
    pub fn enter(&self) -> io::Result<()> {
        match fs::create_dir(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        fs::write(self.folder.join("cgroup.procs"), "0")
    }

    /// Takes this process out of any group of a service.
    pub fn leave(&self) -> io::Result<()> {
        fs::write(self.base.join("cgroup.procs"), "0")
    }

    /// Whether the group is there.
    pub fn exists(&self) -> bool {
        self.folder.is_dir()
    }

    /// Sets `rc_cgroup_settings`: lines of a file's name and what is written there. Says what could not be set.
    pub fn set(&self, settings: &str) -> Vec<String> {
        let mut problems = Vec::new();
        for line in settings
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
        {
            let (key, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            let is_name = !key.is_empty() && !key.contains('/') && key.contains('.');
            if !is_name || value.trim().is_empty() {
                problems.push(format!(
                    "{line:?} is no setting: \"memory.max 100M\" is one"
                ));
                continue;
            }
            if !self.folder.join(key).exists()
                && let Some((controller, _)) = key.split_once('.')
            {
                // Only for whom it is asked: an unused controller costs all others time.
                let control = self.base.join("cgroup.subtree_control");
                if let Err(error) = fs::write(control, format!("+{controller}")) {
                    problems.push(format!("{key}: controller {controller}: {error}"));
                    continue;
                }
            }
            if let Err(error) = fs::write(self.folder.join(key), value.trim()) {
                problems.push(format!("{key}: {error}"));
            }
        }
        problems
    }

    /// The processes in it.
    pub fn processes(&self) -> Vec<Pid> {
        let text = fs::read_to_string(self.folder.join("cgroup.procs")).unwrap_or_default();
        text.lines()
            .filter_map(|line| line.parse().ok())
            .filter(|pid| *pid > 0)
            .collect()
    }

    /// Whether a process is in it, or in a group below it.
    pub fn is_populated(&self) -> bool {
        fs::read(self.folder.join("cgroup.events")).is_ok_and(|text| {
            text.split(|byte| *byte == b'\n')
                .any(|line| line == b"populated 1")
        })
    }

    /// Sends a signal to every process in it.
    pub fn signal(&self, signal: i32) {
        for pid in self.processes() {
            // It may be gone already.
            let _ = process::kill(pid, signal);
        }
    }

    /// Kills all that is in it, at one stroke where the kernel can (5.14). Says whether that was possible.
    pub fn kill(&self) -> bool {
        if fs::write(self.folder.join("cgroup.kill"), "1").is_ok() {
            return true;
        }
        let left = self.processes();
        self.signal(9);
        !left.is_empty()
    }

    /// Waits until it is empty, at most so long. Says whether it is.
    pub fn wait_empty(&self, at_most: Duration) -> bool {
        let end = Instant::now() + at_most;
        // Open before the first look: what changes behind that wakes the wait.
        let Ok(events) = fs::File::open(self.folder.join("cgroup.events")) else {
            return true;
        };
        loop {
            if !self.is_populated() {
                return true;
            }
            let rest = end.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return false;
            }
            // Not longer than a moment: a group below may be made or go without notice here.
            let time = crate::engine::timespec(rest.min(Duration::from_millis(200)));
            let _ = poll(&mut [PollFd::new(&events, PollFlags::PRI)], Some(&time));
        }
    }

    /// Removes the group, when it is empty.
    pub fn remove(&self) {
        // One that a process came into again stays.
        let _ = fs::remove_dir(&self.folder);
    }

    /// Ends what is left in it: asked by `signal` and given `patience`, then killed. Then the group goes. Says whether
    /// nothing is left.
    pub fn sweep(&self, signal: i32, patience: Duration) -> bool {
        if !self.exists() {
            return true;
        }
        if self.is_populated() && !patience.is_zero() {
            self.signal(signal);
            // A stopped process hears nothing else.
            self.signal(18);
        }
        if !self.wait_empty(patience) {
            // What forks while it is counted is met by the next round.
            for _ in 0..20 {
                self.kill();
                if self.wait_empty(AFTER_KILL / 20) {
                    break;
                }
            }
        }
        self.remove();
        !self.is_populated()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, Layout, Cgroup) {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        let name = ServiceName::parse(b"net.eth0").unwrap();
        assert!(Cgroup::of(&layout, &name).is_none());
        fs::create_dir_all(layout.path("/sys/fs/cgroup")).unwrap();
        fs::write(
            layout.path("/sys/fs/cgroup/cgroup.controllers"),
            "memory pids\n",
        )
        .unwrap();
        let group = Cgroup::of(&layout, &name).unwrap();
        (root, layout, group)
    }

    #[test]
    fn a_group_is_made_and_entered_and_left() {
        let (_root, layout, group) = place();
        assert!(group.sweep(15, Duration::ZERO));
        group.enter().unwrap();
        group.enter().unwrap();
        let folder = layout.path("/sys/fs/cgroup/openrc.net.eth0");
        assert_eq!(fs::read(folder.join("cgroup.procs")).unwrap(), b"0");
        group.leave().unwrap();
        assert_eq!(
            fs::read(layout.path("/sys/fs/cgroup/cgroup.procs")).unwrap(),
            b"0"
        );
    }

    #[test]
    fn settings_are_written_and_nonsense_is_told() {
        let (_root, layout, group) = place();
        group.enter().unwrap();
        let folder = layout.path("/sys/fs/cgroup/openrc.net.eth0");
        let problems =
            group.set("\n memory.max 100M\n\tpids.max\t20 \n../x 1\nnothing\nmemory.low\n");
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert_eq!(fs::read(folder.join("memory.max")).unwrap(), b"100M");
        assert_eq!(fs::read(folder.join("pids.max")).unwrap(), b"20");
        assert_eq!(
            fs::read(layout.path("/sys/fs/cgroup/cgroup.subtree_control")).unwrap(),
            b"+pids"
        );
    }

    #[test]
    fn who_is_left_is_asked_and_killed() {
        let (_root, layout, group) = place();
        group.enter().unwrap();
        let folder = layout.path("/sys/fs/cgroup/openrc.net.eth0");
        fs::write(folder.join("cgroup.events"), "populated 1\nfrozen 0\n").unwrap();
        let child = process::fork(|| {
            std::thread::sleep(Duration::from_secs(1000));
            0
        })
        .unwrap();
        fs::write(folder.join("cgroup.procs"), format!("{child}\n")).unwrap();
        assert_eq!(group.processes(), [child]);
        assert!(group.is_populated());
        assert!(!group.wait_empty(Duration::ZERO));
        group.signal(15);
        let (_, status) = process::wait(process::Which::One(child), true, false)
            .unwrap()
            .unwrap();
        assert_eq!(status.code(), 128 + 15);
        fs::write(folder.join("cgroup.events"), "populated 0\nfrozen 0\n").unwrap();
        assert!(group.sweep(15, Duration::ZERO));
        assert!(group.kill());
        assert_eq!(fs::read(folder.join("cgroup.kill")).unwrap(), b"1");
    }
}

//! The way down, once the services are stopped: every process ended, swap off, file systems clean, and off.

use crate::commands::power;
use crate::control::Power;
use crate::engine::Asker;
use crate::message::{Level, Style};
use crate::mounts::{self, Mount};
use crate::script::Surroundings;
use rustix::mount::{MountFlags, UnmountFlags, mount_remount, unmount};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};
use sys::process::{self, Which};

/// How long processes have to end before they are made to.
const PATIENCE: Duration = Duration::from_secs(3);

/// A way down that has begun.
#[derive(Clone, Copy, Debug)]
pub struct Down {
    power: Power,
    last_started: bool,
}

impl Down {
    /// It begins.
    pub fn new(power: Power) -> Down {
        Down {
            power,
            last_started: false,
        }
    }

    /// Where it leads.
    pub fn power(&self) -> Power {
        self.power
    }

    /// Whether the shutdown level is to be started now: once.
    pub fn start_last(&mut self) -> bool {
        !std::mem::replace(&mut self.last_started, true)
    }
}

/// How scripts are run on the way down.
pub fn asker(power: Power) -> Asker {
    let around = Surroundings {
        together: true,
        going_down: true,
        reboot: power == Power::Reboot,
        ..Surroundings::default()
    };
    Asker {
        stdio: None,
        around,
    }
}

fn say(level: Level, text: &str) {
    Style::from_environment().say(level, text);
}

/// Ends the machine. Comes back only where that is not allowed, and then stands still.
pub fn finish(power: Power) -> ! {
    end_processes();
    // What is still written to must not be lost to what comes next.
    rustix::fs::sync();
    swaps_off();
    for busy in unmount_all() {
        say(Level::Error, &busy);
    }
    rustix::fs::sync();
    let word = match power {
        Power::Halt => "halted",
        Power::Off => "off",
        Power::Reboot => "restarting",
    };
    say(Level::Info, &format!("The system is {word}"));
    let error = power::end(power);
    say(Level::Error, &format!("init: {error}"));
    // A container: its namespace ends with this process, and that is what was asked for.
    process::exit_now(0)
}

fn end_processes() {
    for (signal, patience) in [(15, PATIENCE), (9, PATIENCE)] {
        // To everybody but this process and the kernel's.
        if process::kill(-1, signal).is_err() {
            break;
        }
        // A stopped process does not hear anything else.
        let _ = process::kill(-1, 18);
        let end = Instant::now() + patience;
        while others_are_there() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    while let Ok(Some(_)) = process::wait(Which::Any, false, false) {}
}

/// Whether there is any process besides this one and the kernel's.
fn others_are_there() -> bool {
    while let Ok(Some(_)) = process::wait(Which::Any, false, false) {}
    process::kill(-1, 0).is_ok()
}

fn swaps_off() {
    let text = fs::read("/proc/swaps").unwrap_or_default();
    for line in text.split(|byte| *byte == b'\n').skip(1) {
        let Some(path) = line
            .split(u8::is_ascii_whitespace)
            .next()
            .filter(|path| !path.is_empty())
        else {
            continue;
        };
        let path = Path::new(OsStr::from_bytes(path));
        if let Err(error) = sys::init::swap_off(path) {
            say(Level::Error, &format!("{}: {error}", path.display()));
        }
    }
}

/// File systems that hold nothing that could be lost.
fn is_virtual(mount: &Mount) -> bool {
    matches!(
        mount.kind.as_bytes(),
        b"proc"
            | b"sysfs"
            | b"devtmpfs"
            | b"devpts"
            | b"tmpfs"
            | b"ramfs"
            | b"rootfs"
            | b"cgroup"
            | b"cgroup2"
            | b"mqueue"
            | b"securityfs"
            | b"debugfs"
            | b"tracefs"
            | b"efivarfs"
            | b"bpf"
            | b"pstore"
            | b"configfs"
    )
}

/// Unmounts the last first; what cannot be unmounted, as the root, is made read-only. Says what stayed writable.
fn unmount_all() -> Vec<String> {
    let mut busy = Vec::new();
    let all = mounts::mounted();
    for mount in all.iter().rev() {
        let is_root = mount.target == Path::new("/");
        if !is_root && unmount(mount.target.as_path(), UnmountFlags::NOFOLLOW).is_ok() {
            continue;
        }
        if is_virtual(mount) {
            continue;
        }
        if let Err(error) = mount_remount(mount.target.as_path(), MountFlags::RDONLY, "") {
            busy.push(format!("{}: not clean: {error}", mount.target.display()));
        }
    }
    busy
}

//! The first moments: file systems that everything rests on, the console, and what the kernel's command line asks for.

use crate::message::{Level, Style};
use crate::mounts;
use crate::name::Runlevel;
use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountFlags, mount};
use std::ffi::{CStr, OsString};
use std::fs;
use std::os::fd::AsFd;
use std::path::Path;
use sys::{init, process};

/// The environment of whatever PID 1 runs.
pub fn environment() -> Vec<OsString> {
    let term = std::env::var_os("TERM")
        .filter(|term| !term.is_empty())
        .unwrap_or_else(|| "linux".into());
    let mut terminal = OsString::from("TERM=");
    terminal.push(term);
    vec![
        format!("PATH={}", crate::PATH).into(),
        "HOME=/".into(),
        terminal,
    ]
}

const MOUNTS: [(&str, &CStr, MountFlags, &CStr); 5] = [
    (
        "/proc",
        c"proc",
        MountFlags::NOSUID
            .union(MountFlags::NODEV)
            .union(MountFlags::NOEXEC),
        c"",
    ),
    (
        "/sys",
        c"sysfs",
        MountFlags::NOSUID
            .union(MountFlags::NODEV)
            .union(MountFlags::NOEXEC),
        c"",
    ),
    ("/dev", c"devtmpfs", MountFlags::NOSUID, c"mode=0755"),
    (
        "/run",
        c"tmpfs",
        MountFlags::NOSUID.union(MountFlags::NODEV),
        c"mode=0755",
    ),
    (
        "/sys/fs/cgroup",
        c"cgroup2",
        MountFlags::NOSUID
            .union(MountFlags::NODEV)
            .union(MountFlags::NOEXEC)
            .union(MountFlags::RELATIME),
        c"nsdelegate",
    ),
];

/// Mounts what is not mounted, opens the console, and makes the surroundings those of an init.
pub fn prepare(recover: bool) {
    process::umask(0o022);
    let _ = rustix::process::setsid();
    let _ = rustix::process::chdir("/");
    let style = Style::default();
    for (target, kind, flags, data) in MOUNTS {
        // /proc comes first: without it nothing is known to be mounted.
        if mounts::is_mounted(Path::new(target)) {
            continue;
        }
        let _ = fs::create_dir_all(target);
        match mount(kind, target, kind, flags, data) {
            // In a container it is there already, or is not to be.
            Ok(()) | Err(rustix::io::Errno::BUSY | rustix::io::Errno::PERM) => {}
            // A kernel without control groups: services run without.
            Err(rustix::io::Errno::NODEV | rustix::io::Errno::NOENT) if kind == c"cgroup2" => {}
            Err(error) => style.say(Level::Error, &format!("{target}: {error}")),
        }
    }
    if !recover {
        open_console();
    }
    for folder in ["/run/lock", "/run/openrc"] {
        let _ = fs::create_dir_all(folder);
    }
    if !recover {
        prepare_logs();
    }
    // Ctrl, Alt and Del come as a signal from now on. A container may not say so.
    let _ = rustix::system::reboot(rustix::system::RebootCommand::CadOff);
}

/// The logs of services get a small file system of their own, so that none that floods its log fills /run.
fn prepare_logs() {
    let folder = "/run/openrc/log";
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let _ = fs::create_dir_all(folder);
    if !mounts::is_mounted(Path::new(folder)) {
        // Without it they lie in /run itself.
        let _ = mount(c"tmpfs", folder, c"tmpfs", flags, c"mode=0755,size=8m");
    }
}

fn open_console() {
    for path in ["/dev/console", "/dev/null"] {
        if let Ok(fd) = rustix::fs::open(
            path,
            OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC,
            Mode::empty(),
        ) {
            let _ = init::set_stdio(fd.as_fd(), fd.as_fd(), fd.as_fd());
            return;
        }
    }
}

/// The level to boot to: `single` (or `s`, `1`) and `softlevel=NAME` on the kernel's command line or among the
/// arguments that it hands on.
pub fn boot_level(arguments: &[OsString]) -> Runlevel {
    let line = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    let given = arguments
        .iter()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned());
    level_in(line.split_whitespace().map(str::to_owned).chain(given))
}

fn level_in(words: impl Iterator<Item = String>) -> Runlevel {
    let mut level = Runlevel::default_level();
    for word in words {
        let name = match word.as_str() {
            "single" | "s" | "S" | "1" => Some("single"),
            other => other.strip_prefix("softlevel="),
        };
        if let Some(Ok(wanted)) = name.map(|name| Runlevel::parse(name.as_bytes())) {
            level = wanted;
        }
    }
    level
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_names_the_level() {
        let level = |line: &str| level_in(line.split_whitespace().map(str::to_owned)).to_string();
        assert_eq!(level("console=ttyS0 quiet"), "default");
        assert_eq!(level("root=/dev/vda2 single"), "single");
        assert_eq!(level("softlevel=office"), "office");
        assert_eq!(level("softlevel=../x"), "default");
    }
}

//! Early userspace: what runs as `/init` of the initramfs, from the kernel's hand-over to the real `init`.
//!
//! ```text
//! /proc/cmdline ──[cmdline]──▶ what to boot
//! modules=a,b   ──[modules]──▶ modules loaded, dependencies first
//! root=UUID=…   ──[root]─────▶ a block device, recognised by `sys::superblock` (file systems) and [gpt] (partitions)
//! device        ──[switch]───▶ mounted, the kernel's file systems moved in, the initramfs emptied, init started
//! ```
//!
//! What fails is told with its cause, and [`rescue`] asks on the console how to go on: there is no shell here.
//!
//! *Invariant:* nothing in here writes to a disk.

pub mod cmdline;
pub mod gpt;
pub mod modules;
pub mod rescue;
pub mod root;
pub mod switch;

use cmdline::CommandLine;
use std::path::Path;

/// What can go wrong between the kernel and init.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call on a file failed.
    #[error("{what} {path}: {source}")]
    Io {
        /// What was being done: "open", "mount", …
        what: &'static str,
        /// On what.
        path: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The command line names no root.
    #[error("the kernel's command line has no root=")]
    NoRoot,
    /// The value of `root=` is of no form that is known.
    #[error("root={0}: neither a /dev path nor UUID=, LABEL=, PARTUUID= or PARTLABEL=")]
    BadRoot(String),
    /// No block device answers to the value of `root=`.
    #[error("root={0}: no such device after {1} seconds")]
    RootNotFound(String, u64),
    /// The device is there, but its contents are of no kind that is known.
    #[error("{0}: no file system that is known here")]
    UnknownFileSystem(String),
    /// A module that was asked for is not in the initramfs.
    #[error("module {0}: not in this initramfs")]
    NoModule(String),
    /// The root has no program to hand over to.
    #[error("{0}: not on the root file system")]
    NoInit(String),
}

impl Error {
    pub(crate) fn io(
        what: &'static str,
        path: impl AsRef<Path>,
        source: impl Into<std::io::Error>,
    ) -> Error {
        Error::Io {
            what,
            path: path.as_ref().display().to_string(),
            source: source.into(),
        }
    }
}

/// Mounts the kernel's file systems: `/dev`, `/proc`, `/sys` and a tmpfs on `/run`.
pub fn mount_kernel_file_systems() -> Result<(), Error> {
    use rustix::mount::{MountFlags, mount};
    let quiet = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let all: [(&str, &str, MountFlags, Option<&std::ffi::CStr>); 4] = [
        ("devtmpfs", "/dev", MountFlags::NOSUID, Some(c"mode=0755")),
        ("proc", "/proc", quiet, None),
        ("sysfs", "/sys", quiet, None),
        (
            "tmpfs",
            "/run",
            MountFlags::NOSUID | MountFlags::NODEV,
            Some(c"mode=0755"),
        ),
    ];
    for (kind, target, flags, data) in all {
        std::fs::create_dir_all(target).map_err(|e| Error::io("make", target, e))?;
        match mount(kind, target, kind, flags, data) {
            // The kernel may have mounted devtmpfs itself (CONFIG_DEVTMPFS_MOUNT).
            Ok(()) | Err(rustix::io::Errno::BUSY) => {}
            Err(e) => return Err(Error::io("mount", target, e)),
        }
    }
    Ok(())
}

/// Everything up to the mounted root: modules, the device, the mount on `target`.
pub fn prepare_root(line: &CommandLine, target: &Path) -> Result<(), Error> {
    let tree = modules::Tree::of_running_kernel()?;
    for name in &line.modules {
        tree.load(name)?;
    }
    let spec = root::Spec::parse(line.root.as_deref().ok_or(Error::NoRoot)?)?;
    let device = root::wait_for(&spec, line.root_timeout, &tree)?;
    switch::mount_root(&device, line, &tree, target)
}

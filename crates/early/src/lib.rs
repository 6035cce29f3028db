//! Early userspace: what runs as `/init` of the initramfs, from the kernel's hand-over to the real `init`.
//!
//! ```text
//! /proc/cmdline ──[cmdline]──▶ what to boot
//! modules=a,b   ──[modules]──▶ modules loaded, dependencies first
//! root=UUID=…   ──[root]─────▶ a block device, recognised by `sys::superblock` (file systems) and [gpt] (partitions)
//! device        ──[switch]───▶ mounted, the kernel's file systems moved in, the initramfs emptied, init started
//! ```
//!
//! Without a `root=`, an initramfs that holds the package manager makes the root in memory ([`diskless`]):
//!
//! ```text
//! devices ──[medium]──▶ repositories, overlays          ip= ──[network]──▶ repositories and files over HTTP
//! overlay ──[overlay]──▶ unpacked into the tmpfs ──▶ apk installs its world ──[modloop]──▶ modules mounted
//! ```
//!
//! What fails is told with its cause, and [`rescue`] opens a shell where the initramfs has one, and asks on the console
//! how to go on.
//!
//! *Invariant:* nothing in here writes to a disk, but [`grow`], which runs as a program of the finished system.

pub mod cmdline;
pub mod diskless;
pub mod fetch;
pub mod gpt;
pub mod grow;
pub mod medium;
pub mod modloop;
pub mod modules;
pub mod network;
pub mod overlay;
pub mod programs;
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
    /// A program that is needed is not in the initramfs.
    #[error("{0}: not in this initramfs")]
    NoProgram(String),
    /// A program failed.
    #[error("{name}: {said}")]
    Program {
        /// Its name.
        name: String,
        /// What it said last.
        said: String,
    },
    /// No device holds packages.
    #[error(
        "no medium with packages after {seconds} seconds (a folder that holds .boot_repository); looked at: {looked_at}"
    )]
    NoMedium {
        /// How long it was looked for.
        seconds: u64,
        /// The devices.
        looked_at: String,
    },
    /// The overlay that was asked for is not there.
    #[error("the overlay {value} is not there; looked at: {media}")]
    NoOverlay {
        /// What the command line says.
        value: String,
        /// Where it was looked for.
        media: String,
    },
    /// More than one overlay, and no word on which.
    #[error("more than one overlay: {0}; apkovl=DEVICE:PATH says which, apkovl=none that none is")]
    ManyOverlays(String),
    /// The overlay is encrypted.
    #[error("the overlay {0} is encrypted, which is not supported; apkovl=none starts without it")]
    Encrypted(String),
    /// The overlay cannot be unpacked.
    #[error("the overlay {path}: {why}; apkovl=none starts without it")]
    BadOverlay {
        /// Its path.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// Something did not come over the network.
    #[error("{address}: {why}")]
    Fetch {
        /// Its address.
        address: String,
        /// What failed.
        why: String,
    },
    /// The packages were not installed.
    #[error("the packages from {from} are not installed: {why}")]
    Packages {
        /// The repositories.
        from: String,
        /// What apk says.
        why: String,
    },
    /// The modules' image that was asked for is not there.
    #[error("modloop={0}: not on the medium; modloop=none starts without it")]
    NoModloop(String),
    /// The modules' image is none.
    #[error("{0}: neither squashfs nor erofs; modloop=none starts without it")]
    BadModloop(String),
    /// The modules' image is another kernel's.
    #[error("{path}: has no modules for {release}, the kernel that runs")]
    OtherKernel {
        /// The image.
        path: String,
        /// The running kernel's release.
        release: String,
    },
    /// The modules' image is not what the initramfs was made with.
    #[error("modloop={0}: not the one that belongs to this initramfs (its SHA-256 differs)")]
    WrongModloop(String),
    /// Nothing says what the modules' image should be.
    #[error(
        "modloop={0}: this initramfs has no checksum for it, and what comes over the network is not trusted without"
    )]
    Unproven(String),
    /// The value of `ip=` is of no form that is known.
    #[error("ip={0}: neither dhcp nor CLIENT:SERVER:GATEWAY:MASK:HOST:INTERFACE:HOW:DNS:DNS")]
    BadNetwork(String),
    /// The root cannot grow.
    #[error("{0}")]
    NotGrown(String),
    /// There is no network interface.
    #[error("no network interface: is its driver in the initramfs?")]
    NoInterface,
}

/// A line of progress, unless the command line wants quiet.
pub(crate) fn say(line: &CommandLine, what: &str) {
    if !line.quiet {
        eprintln!("early: {what}");
    }
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

/// Everything up to the mounted root on `target`: that of a device, or one made in memory.
pub fn prepare_root(line: &CommandLine, target: &Path) -> Result<(), Error> {
    if line.root.is_none() && diskless::is_possible() {
        return diskless::prepare_root(line, target);
    }
    let tree = modules::Tree::of_running_kernel()?;
    for name in &line.modules {
        tree.load(name)?;
    }
    let spec = root::Spec::parse(line.root.as_deref().ok_or(Error::NoRoot)?)?;
    let device = root::wait_for(&spec, line.root_timeout, &tree)?;
    switch::mount_root(&device, line, &tree, target)
}

//! User, mount, pid and network namespaces, for build sandboxes and for entering a built root.
//!
//! A process calls [`isolate`] while it has one thread, then starts a child: that child is the first process of
//! the new pid namespace. There it lays out a root of [`Mount`]s and calls [`enter`], after which nothing else of
//! the host can be seen. When the first process ends, the kernel kills everything else in the namespace.
//!
//! Neither root nor a setuid helper is needed: whoever calls is mapped to uid and gid 0, and is the only user
//! there is, so what a build sees is the same whoever started it. See namespaces(7), user_namespaces(7),
//! mount_setattr(2) and pivot_root(2).

use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
use rustix::thread::UnshareFlags;
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// What failed on the way into a sandbox.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel gave no namespaces.
    #[error(
        "namespaces: {0}; the kernel must allow user namespaces (sysctl user.max_user_namespaces above 0)"
    )]
    Unshare(#[source] io::Error),
    /// The user mapping could not be written.
    #[error("{file}: {cause}")]
    Map {
        /// Which of the files in /proc/self.
        file: &'static str,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// A mount of the new root.
    #[error("{} in the sandbox: {cause}", .path.display())]
    Mount {
        /// The place inside the new root, or the source of a bind mount.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The switch to the new root.
    #[error("changing to the sandbox's root: {0}")]
    Pivot(#[source] io::Error),
}

/// Which network the new namespaces see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// None at all: only a loopback that is down.
    None,
    /// The one of the caller.
    Host,
}

/// Which users there are in the new namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Users {
    /// The caller alone, as root: the same whoever calls.
    Caller,
    /// For root everyone, for others the caller alone: only root may map other users than itself. Where not even
    /// root may mount, as in a container, it is the caller alone too.
    All,
}

/// One thing in the new root. Targets are absolute; their parents are made where that is possible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mount {
    /// A file or folder of the host, with all that is mounted below it.
    Bind {
        /// Outside.
        from: PathBuf,
        /// Inside.
        to: PathBuf,
        /// May it be written to?
        writable: bool,
    },
    /// An empty folder in memory.
    Tmpfs {
        /// Inside.
        to: PathBuf,
        /// Its mode, as 0o1777.
        mode: u32,
        /// May it be written to? If not, it stays empty.
        writable: bool,
    },
    /// The processes of the new pid namespace.
    Proc {
        /// Inside, usually /proc.
        to: PathBuf,
    },
    /// null, zero, full, random and urandom of the host, the links fd, stdin, stdout, stderr, and an empty shm.
    Dev {
        /// Inside, usually /dev.
        to: PathBuf,
    },
    /// A folder of the new root itself.
    Folder {
        /// Inside.
        to: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A symbolic link of the new root itself.
    Link {
        /// Inside.
        to: PathBuf,
        /// What it holds.
        target: PathBuf,
    },
    /// A small file of the new root itself.
    File {
        /// Inside.
        to: PathBuf,
        /// What it holds.
        contents: Vec<u8>,
    },
}

impl Mount {
    fn target(&self) -> &Path {
        match self {
            Mount::Bind { to, .. }
            | Mount::Tmpfs { to, .. }
            | Mount::Proc { to }
            | Mount::Dev { to }
            | Mount::Folder { to, .. }
            | Mount::Link { to, .. }
            | Mount::File { to, .. } => to,
        }
    }
}

/// Puts the calling process into new mount, pid, ipc, uts and (with [`Network::None`]) network namespaces, and into
/// a new user namespace where `users` need one; there it is root among `users`. Its next child is the first process of the new pid namespace.
///
/// # Errors
/// If the kernel refuses, which it does for a process with more than one thread.
pub fn isolate(network: Network, users: Users) -> Result<(), Error> {
    let (uid, gid) = (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    let mut flags =
        UnshareFlags::NEWNS | UnshareFlags::NEWPID | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS;
    if network == Network::None {
        flags |= UnshareFlags::NEWNET;
    }
    // SAFETY: FILES is not among the flags, so no thread loses sight of a file descriptor.
    let unshare = |flags| unsafe { rustix::thread::unshare_unsafe(flags) };
    if users == Users::All && uid == 0 {
        // Everyone is there as long as there is no user namespace.
        match unshare(flags) {
            Err(rustix::io::Errno::PERM) => {}
            done => return done.map_err(|cause| Error::Unshare(cause.into())),
        }
    }
    unshare(flags | UnshareFlags::NEWUSER).map_err(|cause| Error::Unshare(cause.into()))?;
    let write = |file: &'static str, text: String| {
        fs::write(file, text).map_err(|cause| Error::Map { file, cause })
    };
    // Required before an ordinary user may map a group; see user_namespaces(7).
    write("/proc/self/setgroups", "deny".to_owned())?;
    write("/proc/self/uid_map", format!("0 {uid} 1"))?;
    write("/proc/self/gid_map", format!("0 {gid} 1"))
}

/// Asks the kernel to kill the calling process when its parent ends, so that nothing outlives an interrupted build.
///
/// # Errors
/// If the kernel does not know the call.
pub fn end_with_parent() -> io::Result<()> {
    Ok(rustix::process::set_parent_process_death_signal(Some(
        rustix::process::Signal::KILL,
    ))?)
}

/// Lays out a new root in memory at `staging` (any existing folder), as `mounts` say, in their order, and makes it
/// the root of the calling process; the old root is gone for it. `hostname` is the new host name.
///
/// To be called by the first process of the namespaces that [`isolate`] made.
///
/// # Errors
/// Which mount failed and why.
pub fn enter(staging: &Path, mounts: &[Mount], hostname: &str) -> Result<(), Error> {
    rustix::system::sethostname(hostname.as_bytes()).map_err(|cause| Error::Pivot(cause.into()))?;
    let at = |path: &Path| {
        let path = path.to_owned();
        move |cause: rustix::io::Errno| Error::Mount {
            path,
            cause: cause.into(),
        }
    };
    // Nothing that is mounted from here on may show up outside.
    rustix::mount::mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .map_err(at(Path::new("/")))?;
    rustix::mount::mount(
        "tmpfs",
        staging,
        "tmpfs",
        MountFlags::NOSUID | MountFlags::NODEV,
        c"mode=0755",
    )
    .map_err(at(Path::new("/")))?;
    for mount in mounts {
        place(staging, mount)?;
    }
    rustix::process::chdir(staging).map_err(|cause| Error::Pivot(cause.into()))?;
    // Both at one place: the old root lies under the new one and is let go at once; see pivot_root(2).
    rustix::process::pivot_root(".", ".").map_err(|cause| Error::Pivot(cause.into()))?;
    rustix::mount::unmount(".", UnmountFlags::DETACH)
        .map_err(|cause| Error::Pivot(cause.into()))?;
    rustix::process::chdir("/").map_err(|cause| Error::Pivot(cause.into()))
}

/// Makes the root of the calling process read-only, but not what is mounted below it.
///
/// # Errors
/// As mount_setattr(2).
pub fn seal_root() -> io::Result<()> {
    read_only(Path::new("/"), false)
}

fn place(staging: &Path, mount: &Mount) -> Result<(), Error> {
    let inside = mount.target();
    let target = staging.join(inside.strip_prefix("/").unwrap_or(inside));
    let failed = |path: &Path, cause: io::Error| Error::Mount {
        path: path.to_owned(),
        cause,
    };
    let here = |cause: io::Error| failed(inside, cause);
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).map_err(here)?;
    }
    match mount {
        Mount::Bind { from, writable, .. } => {
            let outside = |cause: io::Error| failed(from, cause);
            if fs::metadata(from).map_err(outside)?.is_dir() {
                fs::create_dir_all(&target).map_err(here)?;
            } else if !target.exists() {
                fs::write(&target, b"").map_err(here)?;
            }
            rustix::mount::mount_bind_recursive(from, &target)
                .map_err(|cause| outside(cause.into()))?;
            if !*writable {
                read_only(&target, true).map_err(outside)?;
            }
        }
        Mount::Tmpfs { mode, writable, .. } => {
            fs::create_dir_all(&target).map_err(here)?;
            let options =
                CString::new(format!("mode={mode:o}")).map_err(|cause| here(cause.into()))?;
            let flags = MountFlags::NOSUID | MountFlags::NODEV;
            rustix::mount::mount("tmpfs", &target, "tmpfs", flags, options.as_c_str())
                .map_err(|cause| here(cause.into()))?;
            if !*writable {
                read_only(&target, false).map_err(here)?;
            }
        }
        Mount::Proc { .. } => {
            fs::create_dir_all(&target).map_err(here)?;
            let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
            match rustix::mount::mount("proc", &target, "proc", flags, None) {
                // Inside a container that hides parts of /proc the kernel allows no fresh one: take the container's.
                Err(rustix::io::Errno::PERM) => {
                    rustix::mount::mount_bind_recursive("/proc", &target)
                }
                done => done,
            }
            .map_err(|cause| here(cause.into()))?;
        }
        Mount::Dev { .. } => dev(&target).map_err(here)?,
        Mount::Folder { mode, .. } => {
            fs::create_dir_all(&target).map_err(here)?;
            fs::set_permissions(&target, fs::Permissions::from_mode(*mode)).map_err(here)?;
        }
        Mount::Link { target: holds, .. } => symlink(holds, &target).map_err(here)?,
        Mount::File { contents, .. } => fs::write(&target, contents).map_err(here)?,
    }
    Ok(())
}

fn dev(target: &Path) -> io::Result<()> {
    fs::create_dir_all(target.join("shm"))?;
    fs::set_permissions(target.join("shm"), fs::Permissions::from_mode(0o1777))?;
    for name in ["null", "zero", "full", "random", "urandom"] {
        let file = target.join(name);
        fs::write(&file, b"")?;
        rustix::mount::mount_bind(Path::new("/dev").join(name), &file)?;
    }
    for (name, holds) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        symlink(holds, target.join(name))?;
    }
    Ok(())
}

/// Adds the read-only attribute to the mount at `path`, and to those below it if `recursive`. Unlike a remount this
/// keeps the other attributes, which a user namespace may not take away.
fn read_only(path: &Path, recursive: bool) -> io::Result<()> {
    /// `struct mount_attr` of linux/mount.h.
    #[repr(C)]
    struct MountAttr {
        attr_set: u64,
        attr_clr: u64,
        propagation: u64,
        userns_fd: u64,
    }
    const MOUNT_ATTR_RDONLY: u64 = 1;
    const MOUNT_ATTR_NOSUID: u64 = 2;
    let attributes = MountAttr {
        attr_set: MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    let path = CString::new(path.as_os_str().as_bytes())?;
    let flags = if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: `path` is a C string and `attributes` a `struct mount_attr` of the size that is passed along; both
    // outlive the call, which only reads them.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            flags,
            &raw const attributes,
            size_of::<MountAttr>(),
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Replaces the standard input of the calling process by /dev/null.
///
/// # Errors
/// If there is no /dev/null.
pub fn close_stdin() -> io::Result<()> {
    let null = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    Ok(rustix::stdio::dup2_stdin(null)?)
}

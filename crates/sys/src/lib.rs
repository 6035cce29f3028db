//! The operating system seen through narrow, safe interfaces.
//!
//! This is the only crate that may say `unsafe`. Where rustix already gives a safe call, callers use rustix
//! themselves; what stands here is what rustix leaves unsafe or lacks, and the traits behind which a test
//! can put a virtual system.
//!
//! - [`fs`]: the file system as `apk` sees it, real or virtual (fails or crashes at the Nth call)
//! - [`process`]: fork, exec, wait, signals, pidfds
//! - [`tty`]: terminals: raw mode, window size, the foreground process group
//! - [`net`]: netlink, interface ioctls, raw sockets
//! - [`heap`]: an allocator for programs that make and drop many small objects
//! - [`init`]: what PID 1 and the daemons it starts need
//! - [`ipc`]: System V objects removed
//! - [`kernel`]: modules, mounts, loop devices, reboot, the console
//! - [`partition`]: partitions and file systems that grow in use
//! - [`superblock`]: which file system a device holds
//! - [`trace`]: a program killed at a chosen system call, for tests
//! - [`namespace`]: user, mount, pid and network namespaces, for build sandboxes and `ferrata run`

pub mod control;
pub mod fs;
pub mod heap;
pub mod init;
pub mod ipc;
pub mod kernel;
pub mod namespace;
pub mod net;
pub mod partition;
pub mod process;
pub mod superblock;
pub mod trace;
pub mod tty;

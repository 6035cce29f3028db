//! Watching a program's system calls (ptrace(2)), to kill it at a chosen one: for tests of what a crash leaves.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// What became of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched {
    /// How many of its system calls change something, as far as it came.
    pub changes: u64,
    /// How many it made altogether.
    pub calls: u64,
    /// Its exit status; `None`: it was killed.
    pub status: Option<i32>,
}

/// Whether a system call changes a file system, by its number and its arguments.
fn changes(number: i64, arguments: &[u64; 6]) -> bool {
    let [first, second, third, ..] = *arguments;
    #[allow(
        clippy::cast_sign_loss,
        clippy::cast_lossless,
        reason = "flags of open(2) are small and positive"
    )]
    let makes = |flags: u64| flags & (libc::O_CREAT | libc::O_TRUNC) as u64 != 0;
    match number {
        libc::SYS_openat => makes(third),
        // What goes to the standard streams changes no file system.
        libc::SYS_write | libc::SYS_writev | libc::SYS_pwrite64 | libc::SYS_sendfile => first > 2,
        libc::SYS_renameat
        | libc::SYS_renameat2
        | libc::SYS_unlinkat
        | libc::SYS_mkdirat
        | libc::SYS_symlinkat
        | libc::SYS_linkat
        | libc::SYS_mknodat
        | libc::SYS_fchmod
        | libc::SYS_fchmodat
        | libc::SYS_fchown
        | libc::SYS_fchownat
        | libc::SYS_utimensat
        | libc::SYS_ftruncate
        | libc::SYS_copy_file_range
        | libc::SYS_fsync
        | libc::SYS_fdatasync
        | libc::SYS_syncfs => true,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_open => makes(second),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_rename
        | libc::SYS_unlink
        | libc::SYS_mkdir
        | libc::SYS_rmdir
        | libc::SYS_symlink
        | libc::SYS_link
        | libc::SYS_chmod
        | libc::SYS_chown
        | libc::SYS_lchown => true,
        _ => {
            let _ = second;
            false
        }
    }
}

fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

/// Runs a program and kills it (SIGKILL) before the system call of that number, counted from 0, among those that change
/// something. What it starts itself is not watched. The calls between two of them change nothing, so that to be killed
/// there comes to the same.
pub fn run_until(command: &mut Command, at: u64) -> io::Result<Watched> {
    // SAFETY: between fork and exec only ptrace is called, which is async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            let null = std::ptr::null_mut::<libc::c_void>();
            check(libc::ptrace(libc::PTRACE_TRACEME, 0, null, null)).map(drop)
        });
    }
    let mut child = command.spawn()?;
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    let mut watched = Watched {
        changes: 0,
        calls: 0,
        status: None,
    };
    let mut first = true;
    loop {
        let mut status = 0;
        // SAFETY: `status` is a valid place for the answer.
        if unsafe { libc::waitpid(pid, &raw mut status, 0) } == -1 {
            let error = io::Error::last_os_error();
            if error.kind() == io::ErrorKind::Interrupted {
                continue;
            }
            return Err(error);
        }
        if libc::WIFEXITED(status) {
            watched.status = Some(libc::WEXITSTATUS(status));
            return Ok(watched);
        }
        if libc::WIFSIGNALED(status) {
            return Ok(watched);
        }
        let mut signal = libc::WSTOPSIG(status);
        if first {
            first = false;
            signal = 0;
            let options = libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_EXITKILL;
            let null = std::ptr::null_mut::<libc::c_void>();
            // SAFETY: the child is stopped and ours; options are passed as a number.
            check(unsafe { libc::ptrace(libc::PTRACE_SETOPTIONS, pid, null, options as usize) })?;
        } else if signal == libc::SIGTRAP | 0x80 {
            signal = 0;
            if let Some((number, arguments)) = entry(pid)? {
                watched.calls += 1;
                if changes(number, &arguments) {
                    if watched.changes == at {
                        child.kill()?;
                        child.wait()?;
                        return Ok(watched);
                    }
                    watched.changes += 1;
                }
            }
        }
        let null = std::ptr::null_mut::<libc::c_void>();
        // SAFETY: the child is stopped and ours; the signal to pass on is a number.
        check(unsafe { libc::ptrace(libc::PTRACE_SYSCALL, pid, null, signal as usize) })?;
    }
}

/// The system call that a stopped child is about to make; `None`: it is just done with one.
fn entry(pid: i32) -> io::Result<Option<(i64, [u64; 6])>> {
    // struct ptrace_syscall_info of ptrace(2): op at 0, the number at 24, the arguments behind it.
    let mut info = [0u64; 16];
    // SAFETY: the buffer is as long as is said, and the child is stopped.
    check(unsafe {
        libc::ptrace(
            // PTRACE_GET_SYSCALL_INFO of <linux/ptrace.h>, which libc does not have for musl.
            0x420e,
            pid,
            std::mem::size_of_val(&info),
            info.as_mut_ptr(),
        )
    })?;
    let [op, _, _, number, a, b, c, d, e, f, ..] = info;
    let is_entry = op.to_ne_bytes().first() == Some(&1);
    let number = i64::from_ne_bytes(number.to_ne_bytes());
    Ok(is_entry.then_some((number, [a, b, c, d, e, f])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn killed_before_it_changes_something() {
        let folder = std::env::temp_dir().join(format!("sys-trace-{}", std::process::id()));
        let mkdir = || {
            let mut command = Command::new("mkdir");
            command.arg(&folder);
            command
        };
        let whole = run_until(&mut mkdir(), u64::MAX).unwrap();
        assert_eq!((whole.changes, whole.status), (1, Some(0)), "{whole:?}");
        assert!(whole.calls > 5 && folder.is_dir());
        std::fs::remove_dir(&folder).unwrap();
        let killed = run_until(&mut mkdir(), 0).unwrap();
        assert_eq!((killed.changes, killed.status), (0, None));
        assert!(!folder.exists());
    }
}

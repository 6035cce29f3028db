//! What an init and the daemons it starts need: signals by descriptor, other users, descriptors put in place, and a
//! way out when PID 1 itself fails.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::OnceLock;

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Signals that are read instead of caught (signalfd(2)).
#[derive(Debug)]
pub struct SignalFd(OwnedFd);

impl SignalFd {
    /// Blocks these signals and opens a descriptor on which they are read. Closed on exec; a child that runs a
    /// program has to let the signals through again ([`crate::process::unblock_signals`]).
    pub fn new(signals: &[i32]) -> io::Result<SignalFd> {
        // SAFETY: an emptied set is valid and holds the signals afterwards; a null old set is allowed; the descriptor
        // is new and nobody else's.
        unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut set);
            for &signal in signals {
                libc::sigaddset(&raw mut set, signal);
            }
            check(libc::sigprocmask(
                libc::SIG_BLOCK,
                &raw const set,
                std::ptr::null_mut(),
            ))?;
            let fd = check(libc::signalfd(
                -1,
                &raw const set,
                libc::SFD_CLOEXEC | libc::SFD_NONBLOCK,
            ))?;
            Ok(SignalFd(OwnedFd::from_raw_fd(fd)))
        }
    }

    /// The next signal that came, if one did.
    pub fn next(&self) -> Option<i32> {
        // SAFETY: all-zero is a valid signalfd_siginfo, and there is room for exactly one.
        unsafe {
            let mut info: libc::signalfd_siginfo = std::mem::zeroed();
            let size = size_of::<libc::signalfd_siginfo>();
            let count = libc::read(self.0.as_raw_fd(), (&raw mut info).cast(), size);
            (usize::try_from(count) == Ok(size)).then(|| i32::try_from(info.ssi_signo).unwrap_or(0))
        }
    }
}

impl AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// What the crash handler runs: made before, since a handler may not allocate.
struct Rescue {
    program: CString,
    first: CString,
    second: CString,
}

static RESCUE: OnceLock<Rescue> = OnceLock::new();

const FATAL: [libc::c_int; 7] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGABRT,
    libc::SIGTRAP,
    libc::SIGSYS,
];

extern "C" fn rescue(_signal: libc::c_int) {
    if let Some(rescue) = RESCUE.get() {
        let arguments = [
            rescue.first.as_ptr(),
            rescue.second.as_ptr(),
            std::ptr::null(),
        ];
        let environment = [std::ptr::null()];
        // SAFETY: sigprocmask and execve are async-signal-safe; all strings live for ever and end in NUL, the arrays
        // in null.
        unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut set);
            libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut());
            libc::execve(
                rescue.program.as_ptr(),
                arguments.as_ptr(),
                environment.as_ptr(),
            );
        }
    }
    loop {
        // The program is gone, and returning would only come back here: a process 1 that stands still is better than
        // none, its system goes on.
        // SAFETY: pause has no preconditions.
        unsafe { libc::pause() };
    }
}

/// From now on a fault or an abort of this process runs `program` with the arguments `name` and `argument` in its
/// place, on a stack of its own.
pub fn on_crash_exec(program: &Path, name: &str, argument: &str) -> io::Result<()> {
    let text =
        |bytes: &[u8]| CString::new(bytes).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL));
    let rescue_by = Rescue {
        program: text(program.as_os_str().as_bytes())?,
        first: text(name.as_bytes())?,
        second: text(argument.as_bytes())?,
    };
    // A second call changes nothing.
    let _ = RESCUE.set(rescue_by);
    let stack: &'static mut [u8] = Box::leak(vec![0_u8; 32 * 1024].into_boxed_slice());
    // SAFETY: the stack lives for ever and is nobody else's; all-zero is a valid sigaction; the handler makes only
    // async-signal-safe calls.
    unsafe {
        let alternate = libc::stack_t {
            ss_sp: stack.as_mut_ptr().cast(),
            ss_flags: 0,
            ss_size: stack.len(),
        };
        check(libc::sigaltstack(
            &raw const alternate,
            std::ptr::null_mut(),
        ))?;
        for signal in FATAL {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = rescue as extern "C" fn(libc::c_int) as libc::sighandler_t;
            action.sa_flags = libc::SA_ONSTACK | libc::SA_NODEFER;
            libc::sigemptyset(&raw mut action.sa_mask);
            check(libc::sigaction(
                signal,
                &raw const action,
                std::ptr::null_mut(),
            ))?;
        }
    }
    Ok(())
}

/// What a child of such a process does first: its own crashes are its own.
pub fn forget_crash_handler() {
    for signal in FATAL {
        // Nothing can go wrong for signals that exist.
        let _ = crate::process::set_signal(signal, crate::process::Disposition::Default);
    }
}

/// Becomes another user for good: groups first, then the group, then the user.
pub fn become_user(user: u32, group: u32, groups: &[u32]) -> io::Result<()> {
    // SAFETY: the list is valid for its length; the other calls take numbers.
    unsafe {
        check(libc::setgroups(groups.len() as _, groups.as_ptr()))?;
        check(libc::setresgid(group, group, group))?;
        check(libc::setresuid(user, user, user))?;
    }
    Ok(())
}

/// Puts these three in the place of standard input, output and error. They may be any descriptors, those three too.
pub fn set_stdio(
    input: BorrowedFd<'_>,
    output: BorrowedFd<'_>,
    error: BorrowedFd<'_>,
) -> io::Result<()> {
    // Copies above 2 first, so that none is overwritten before it was used.
    let mut copies = [0; 3];
    for (copy, fd) in copies.iter_mut().zip([input, output, error]) {
        *copy = crate::process::dup_above(fd.as_raw_fd(), 3)?;
    }
    for (to, copy) in (0..).zip(copies) {
        crate::process::dup2(copy, to)?;
        crate::process::close(copy)?;
    }
    Ok(())
}

/// Closes every descriptor from `first` on.
pub fn close_from(first: u32) {
    // SAFETY: meant for a child that is about to run a program: nobody uses these descriptors any more. Where the
    // kernel lacks the call, they are closed on exec by their flag.
    unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
}

/// Stops swapping to a file or device.
pub fn swap_off(path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())
        .map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    // SAFETY: the path is NUL-terminated and lives through the call.
    check(unsafe { libc::swapoff(path.as_ptr()) }).map(drop)
}

/// Makes a terminal the controlling one of this session leader, taking it from another session if need be.
pub fn take_terminal(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: TIOCSCTTY takes a number.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCSCTTY as _, 1) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{self, Status, Which};

    #[test]
    fn a_crash_becomes_the_other_program() {
        let child = process::fork(|| {
            if on_crash_exec(Path::new("/bin/sh"), "sh", "--no-such-option").is_err() {
                return 99;
            }
            let _ = process::kill(std::process::id().cast_signed(), libc::SIGSEGV);
            98
        })
        .unwrap();
        // The shell's status for a wrong option.
        let (_, status) = process::wait(Which::One(child), true, false)
            .unwrap()
            .unwrap();
        assert_eq!(status, Status::Exited(2));
    }

    #[test]
    fn signals_are_read() {
        let child = process::fork(|| {
            let Ok(signals) = SignalFd::new(&[libc::SIGUSR1]) else {
                return 1;
            };
            if signals.next().is_some() {
                return 2;
            }
            let _ = process::kill(std::process::id().cast_signed(), libc::SIGUSR1);
            i32::from(signals.next() != Some(libc::SIGUSR1)) * 3
        })
        .unwrap();
        let (_, status) = process::wait(Which::One(child), true, false)
            .unwrap()
            .unwrap();
        assert_eq!(status, Status::Exited(0));
    }
}

//! Processes, signals and file descriptors by number: fork(2), execve(2), waitpid(2), sigaction(2), dup2(2).
//!
//! What shells and supervisors need and rustix leaves unsafe or lacks. A process that forks through here should
//! have one thread: the child runs ordinary code.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// A process' number.
pub type Pid = i32;

/// How a process ended, or what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It exited with this status.
    Exited(i32),
    /// This signal killed it; whether it left a core.
    Killed(i32, bool),
    /// This signal stopped it.
    Stopped(i32),
    /// It goes on.
    Continued,
}

impl Status {
    /// As shells tell it: a signal counts as 128 and its number.
    pub fn code(self) -> i32 {
        match self {
            Status::Exited(code) => code,
            Status::Killed(signal, _) | Status::Stopped(signal) => 128 + signal,
            Status::Continued => 0,
        }
    }

    fn of_raw(raw: i32) -> Status {
        if libc::WIFEXITED(raw) {
            Status::Exited(libc::WEXITSTATUS(raw))
        } else if libc::WIFSIGNALED(raw) {
            Status::Killed(libc::WTERMSIG(raw), libc::WCOREDUMP(raw))
        } else if libc::WIFSTOPPED(raw) {
            Status::Stopped(libc::WSTOPSIG(raw))
        } else {
            Status::Continued
        }
    }
}

fn check(result: i32) -> io::Result<i32> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Forks; the child runs `child` and exits with what it returns, without unwinding or flushing into the parent's
/// state. Returns the child's number.
pub fn fork(child: impl FnOnce() -> i32) -> io::Result<Pid> {
    // SAFETY: fork has no memory preconditions. The child shares nothing with this process; it calls `child` and then
    // _exit, so no frame of the parent is ever returned to. Callers keep to one thread, so no lock is held elsewhere.
    match check(unsafe { libc::fork() })? {
        0 => exit_now(child()),
        pid => Ok(pid),
    }
}

/// Ends this process at once: no destructors, no buffers flushed.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit takes any number and does not return.
    unsafe { libc::_exit(code) }
}

/// Replaces this process. Returns only when that failed.
pub fn exec(path: &Path, arguments: &[OsString], environment: &[OsString]) -> io::Error {
    let text = |word: &OsStr| {
        CString::new(word.as_bytes()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
    };
    let list = |words: &[OsString]| {
        words
            .iter()
            .map(|word| text(word))
            .collect::<io::Result<Vec<CString>>>()
    };
    let (path, arguments, environment) =
        match (text(path.as_os_str()), list(arguments), list(environment)) {
            (Ok(path), Ok(arguments), Ok(environment)) => (path, arguments, environment),
            (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => return error,
        };
    let pointers = |list: &[CString]| -> Vec<*const libc::c_char> {
        list.iter()
            .map(|word| word.as_ptr())
            .chain([std::ptr::null()])
            .collect()
    };
    let (argv, envp) = (pointers(&arguments), pointers(&environment));
    // SAFETY: all three are NUL-terminated strings, and arrays of such that end in a null pointer; the owners of what
    // they point to live until the call returns.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    io::Error::last_os_error()
}

/// Starts a program without copying this process (posix_spawn(3)): memory is shared until it runs. `pipe_default`: a
/// reader that went away ends it, whatever this process does about that.
pub fn spawn(
    path: &Path,
    arguments: &[Vec<u8>],
    environment: &[OsString],
    pipe_default: bool,
) -> io::Result<Pid> {
    let text =
        |word: &[u8]| CString::new(word).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL));
    let path = text(path.as_os_str().as_bytes())?;
    let arguments = arguments
        .iter()
        .map(|word| text(word))
        .collect::<io::Result<Vec<CString>>>()?;
    let environment = environment
        .iter()
        .map(|word| text(word.as_bytes()))
        .collect::<io::Result<Vec<CString>>>()?;
    let pointers = |list: &[CString]| -> Vec<*mut libc::c_char> {
        list.iter()
            .map(|word| word.as_ptr().cast_mut())
            .chain([std::ptr::null_mut()])
            .collect()
    };
    let (argv, envp) = (pointers(&arguments), pointers(&environment));
    let mut pid = 0;
    // SAFETY: the attributes and the set are initialised before use and destroyed after; all strings are
    // NUL-terminated, the arrays end in a null pointer, and their owners live through the call, which writes to none.
    let result = unsafe {
        let mut attributes: libc::posix_spawnattr_t = std::mem::zeroed();
        libc::posix_spawnattr_init(&raw mut attributes);
        if pipe_default {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut set);
            libc::sigaddset(&raw mut set, libc::SIGPIPE);
            libc::posix_spawnattr_setsigdefault(&raw mut attributes, &raw const set);
            let flags = libc::c_short::try_from(libc::POSIX_SPAWN_SETSIGDEF).unwrap_or(0);
            libc::posix_spawnattr_setflags(&raw mut attributes, flags);
        }
        let result = libc::posix_spawn(
            &raw mut pid,
            path.as_ptr(),
            std::ptr::null(),
            &raw const attributes,
            argv.as_ptr(),
            envp.as_ptr(),
        );
        libc::posix_spawnattr_destroy(&raw mut attributes);
        result
    };
    if result == 0 {
        Ok(pid)
    } else {
        Err(io::Error::from_raw_os_error(result))
    }
}

/// Makes these `name=value` the environment of this process: what a part of it that stands in for another program
/// sees. For forked children, which have one thread.
pub fn replace_environment(environment: &[OsString]) {
    // SAFETY: the process has one thread, so nobody reads the environment meanwhile; setenv copies its arguments, which
    // are NUL-terminated.
    unsafe {
        libc::clearenv();
        for pair in environment {
            let pair = pair.as_bytes();
            let Some(at) = pair.iter().position(|byte| *byte == b'=') else {
                continue;
            };
            let (name, value) = pair.split_at(at);
            if let (Ok(name), Ok(value)) = (
                CString::new(name),
                CString::new(value.get(1..).unwrap_or_default()),
            ) {
                libc::setenv(name.as_ptr(), value.as_ptr(), 1);
            }
        }
    }
}

/// Whether a descriptor is open and closed on exec.
pub fn is_closed_on_exec(fd: i32) -> bool {
    // SAFETY: F_GETFD only asks.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
    flags >= 0 && flags & libc::FD_CLOEXEC != 0
}

/// Moves the place of a file that is read and written, by so many bytes; an error where there is none, as in a pipe.
pub fn seek_by(fd: i32, bytes: i64) -> io::Result<()> {
    // SAFETY: lseek works on numbers.
    if unsafe { libc::lseek(fd, bytes, libc::SEEK_CUR) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Which children to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Any.
    Any,
    /// This one.
    One(Pid),
    /// Any of this process group.
    Group(Pid),
}

/// Waits for a child. `block`: until there is one; otherwise `None` says that none is ready. `stopped`: tells of
/// stopped ones too. A caught signal ends the waiting with [`io::ErrorKind::Interrupted`].
pub fn wait(which: Which, block: bool, stopped: bool) -> io::Result<Option<(Pid, Status)>> {
    let pid = match which {
        Which::Any => -1,
        Which::One(pid) => pid,
        Which::Group(pid) => -pid,
    };
    let mut flags = 0;
    if !block {
        flags |= libc::WNOHANG;
    }
    if stopped {
        flags |= libc::WUNTRACED;
    }
    let mut raw = 0;
    // SAFETY: `raw` is a valid place for the status.
    match check(unsafe { libc::waitpid(pid, &raw mut raw, flags) })? {
        0 => Ok(None),
        pid => Ok(Some((pid, Status::of_raw(raw)))),
    }
}

/// Sends a signal; a negative number means a process group, as kill(2) has it; signal 0 only asks.
pub fn kill(pid: Pid, signal: i32) -> io::Result<()> {
    // SAFETY: kill has no memory preconditions.
    check(unsafe { libc::kill(pid, signal) }).map(drop)
}

/// What a signal does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// What the system does by itself.
    Default,
    /// Nothing.
    Ignore,
    /// It is noted, for [`take_signal`]; system calls that wait are interrupted.
    Catch,
}

static CAUGHT: AtomicU64 = AtomicU64::new(0);

extern "C" fn note(signal: i32) {
    if let Ok(signal @ 1..=63) = u32::try_from(signal) {
        // Async-signal-safe: one lock-free atomic operation.
        CAUGHT.fetch_or(1 << signal, Ordering::Relaxed);
    }
}

/// Sets what a signal does, and returns whether it was ignored before.
pub fn set_signal(signal: i32, disposition: Disposition) -> io::Result<bool> {
    // SAFETY: all-zero is a valid sigaction on Linux; both structures live through the call; the handler, where one
    // is set, does nothing but an atomic operation.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        let mut old: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = match disposition {
            Disposition::Default => libc::SIG_DFL,
            Disposition::Ignore => libc::SIG_IGN,
            Disposition::Catch => note as extern "C" fn(i32) as libc::sighandler_t,
        };
        libc::sigemptyset(&raw mut action.sa_mask);
        check(libc::sigaction(signal, &raw const action, &raw mut old))?;
        Ok(old.sa_sigaction == libc::SIG_IGN)
    }
}

/// Whether a signal is ignored now.
pub fn is_ignored(signal: i32) -> bool {
    // SAFETY: a null new action only asks; `old` is a valid place for the answer.
    unsafe {
        let mut old: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &raw mut old) == 0
            && old.sa_sigaction == libc::SIG_IGN
    }
}

/// A signal that was caught and not yet taken, the lowest first.
pub fn take_signal() -> Option<i32> {
    let caught = CAUGHT.load(Ordering::Relaxed);
    if caught == 0 {
        return None;
    }
    let signal = caught.trailing_zeros();
    CAUGHT.fetch_and(!(1 << signal), Ordering::Relaxed);
    i32::try_from(signal).ok()
}

/// Whether a caught signal waits to be taken.
pub fn signal_pending() -> bool {
    CAUGHT.load(Ordering::Relaxed) != 0
}

/// Whether this signal was caught and not yet taken.
pub fn is_pending(signal: i32) -> bool {
    u32::try_from(signal)
        .is_ok_and(|signal| signal < 64 && CAUGHT.load(Ordering::Relaxed) & (1 << signal) != 0)
}

/// Lets all signals through: what a program started by somebody who blocked some wants.
pub fn unblock_signals() {
    // SAFETY: an emptied set is valid; a null old set is allowed.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut());
    }
}

/// Blocks a signal, so that it is only seen by those who ask.
pub fn block_signal(signal: i32, block: bool) -> io::Result<()> {
    // SAFETY: an emptied set is valid and holds the signal afterwards; a null old set is allowed.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, signal);
        let how = if block {
            libc::SIG_BLOCK
        } else {
            libc::SIG_UNBLOCK
        };
        check(libc::sigprocmask(how, &raw const set, std::ptr::null_mut())).map(drop)
    }
}

/// Signals that are held back until they are let go: for what a fork and its child must do undisturbed.
#[derive(Clone, Copy)]
pub struct Held(libc::sigset_t);

/// Holds all signals back.
pub fn hold_signals() -> Held {
    // SAFETY: an all-zero set is valid and filled; both sets live through the calls.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        Held(before)
    }
}

impl Held {
    /// Lets through again what came through before.
    pub fn release(&self) {
        // SAFETY: the set is one that the system gave; a null old set is allowed.
        unsafe {
            libc::sigprocmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut());
        }
    }
}

/// Undoes what Rust's start-up does to SIGPIPE: a filter whose reader went away ends silently.
pub fn reset_sigpipe() {
    // Nothing can go wrong for a signal that exists.
    let _ = set_signal(libc::SIGPIPE, Disposition::Default);
}

/// Makes `to` a copy of `from`; both are numbers of descriptors.
pub fn dup2(from: i32, to: i32) -> io::Result<()> {
    // SAFETY: dup2 works on numbers; that nobody's owned descriptor is replaced is the business of programs that deal
    // in numbers, as shells must.
    check(unsafe { libc::dup2(from, to) }).map(drop)
}

/// A copy of a descriptor at `least` or above, closed on exec.
pub fn dup_above(from: i32, least: i32) -> io::Result<i32> {
    // SAFETY: as for dup2; nothing is replaced.
    check(unsafe { libc::fcntl(from, libc::F_DUPFD_CLOEXEC, least) })
}

/// A descriptor that this process was started with, by its number, as one of our own; the number stays open beside it.
pub fn inherited(fd: i32) -> io::Result<std::os::fd::OwnedFd> {
    use std::os::fd::FromRawFd;
    let own = dup_above(fd, 3)?;
    // SAFETY: the kernel has just made it, and nobody else knows of it.
    Ok(unsafe { std::os::fd::OwnedFd::from_raw_fd(own) })
}

/// Closes a descriptor by number.
pub fn close(fd: i32) -> io::Result<()> {
    // SAFETY: as for dup2.
    check(unsafe { libc::close(fd) }).map(drop)
}

/// Opens a file and returns the number of its descriptor, which stays open on exec.
pub fn open(path: &OsStr, flags: i32, mode: u32) -> io::Result<i32> {
    let path =
        CString::new(path.as_bytes()).map_err(|_| io::Error::from_raw_os_error(libc::ENOENT))?;
    // SAFETY: the path is NUL-terminated and lives through the call.
    check(unsafe { libc::open(path.as_ptr(), flags, mode) })
}

/// A pipe: the end to read from and the end to write to, both closed on exec.
pub fn pipe() -> io::Result<(i32, i32)> {
    let mut ends = [0; 2];
    // SAFETY: there is room for the two numbers.
    check(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) })?;
    Ok((ends[0], ends[1]))
}

/// Writes all of it.
pub fn write_all(fd: i32, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        // SAFETY: the pointer and the length are those of a slice.
        let count = unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) };
        match usize::try_from(count) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
    Ok(())
}

/// Reads what there is, at most as much as fits; 0 is the end. A caught signal interrupts it.
pub fn read(fd: i32, into: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the pointer and the length are those of a slice.
    let count = unsafe { libc::read(fd, into.as_mut_ptr().cast(), into.len()) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// Whether the descriptor can be read without waiting, within so many milliseconds; negative: for ever.
pub fn readable(fd: i32, milliseconds: i32) -> io::Result<bool> {
    let mut poll = libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one valid structure.
    Ok(check(unsafe { libc::poll(&raw mut poll, 1, milliseconds) })? > 0)
}

/// As [`readable`], and [`io::ErrorKind::Interrupted`] when a caught signal came or waits to be taken, also one that
/// came right before the call.
pub fn readable_or_signal(fd: i32, milliseconds: i32) -> io::Result<bool> {
    let mut poll = libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    let time = libc::timespec {
        tv_sec: libc::time_t::from(milliseconds.max(0) / 1000),
        tv_nsec: libc::c_long::from(milliseconds.max(0) % 1000) * 1_000_000,
    };
    let time = if milliseconds < 0 {
        std::ptr::null()
    } else {
        &raw const time
    };
    // SAFETY: a filled and an all-zero set are valid; `poll`, `time` and both sets live through the calls; a null time
    // means for ever. With all signals blocked, none can come between looking at the notes and waiting.
    let count = unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        check(libc::sigprocmask(
            libc::SIG_SETMASK,
            &raw const all,
            &raw mut before,
        ))?;
        let result = if signal_pending() {
            Err(io::Error::from_raw_os_error(libc::EINTR))
        } else {
            check(libc::ppoll(&raw mut poll, 1, time, &raw const before))
        };
        libc::sigprocmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut());
        result
    };
    Ok(count? > 0)
}

/// Waits until one of the descriptors can be read, so many milliseconds (-1: for ever); whether one can.
pub fn readable_any(fds: &[i32], milliseconds: i32) -> io::Result<bool> {
    let mut polls: Vec<libc::pollfd> = fds
        .iter()
        .map(|fd| libc::pollfd {
            fd: *fd,
            events: libc::POLLIN,
            revents: 0,
        })
        .collect();
    let count = libc::nfds_t::try_from(polls.len()).unwrap_or(0);
    // SAFETY: the array and its length belong together and live through the call.
    Ok(check(unsafe { libc::poll(polls.as_mut_ptr(), count, milliseconds) })? > 0)
}

/// Has SIGALRM sent to this process in so many seconds; 0: not any more. Where nobody catches it, it ends the process.
pub fn alarm(seconds: u32) {
    // SAFETY: alarm takes any number and cannot fail.
    unsafe { libc::alarm(seconds) };
}

/// The local time, as the zone in TZ or /etc/localtime has it: year, month (1 to 12), day, hour, minute, second, and
/// the day of the week from Sunday, 0.
pub fn local_time() -> [i32; 7] {
    // SAFETY: all-zero is a valid tm; a null argument only has time return; both live through the calls. Callers keep
    // to one thread, so the zone does not change meanwhile.
    let tm = unsafe {
        let mut tm: libc::tm = std::mem::zeroed();
        let now = libc::time(std::ptr::null_mut());
        libc::localtime_r(&raw const now, &raw mut tm);
        tm
    };
    [
        tm.tm_year + 1900,
        tm.tm_mon + 1,
        tm.tm_mday,
        tm.tm_hour,
        tm.tm_min,
        tm.tm_sec,
        tm.tm_wday,
    ]
}

/// Sets the file mode creation mask and returns the old one.
pub fn umask(mask: u32) -> u32 {
    // SAFETY: umask takes any number and cannot fail.
    unsafe { libc::umask(mask) }
}

/// User and system time of this process and of its children that were waited for, in clock ticks of `1/100` s:
/// (user, system, children's user, children's system).
pub fn times() -> (u64, u64, u64, u64) {
    // SAFETY: all-zero is a valid tms, and it lives through the call.
    let tms = unsafe {
        let mut tms: libc::tms = std::mem::zeroed();
        libc::times(&raw mut tms);
        tms
    };
    let ticks = |value: libc::clock_t| u64::try_from(value).unwrap_or(0);
    (
        ticks(tms.tms_utime),
        ticks(tms.tms_stime),
        ticks(tms.tms_cutime),
        ticks(tms.tms_cstime),
    )
}

/// Makes a process the member of a group; 0 means this one, or a group of its own.
pub fn set_group(pid: Pid, group: Pid) -> io::Result<()> {
    // SAFETY: setpgid has no memory preconditions.
    check(unsafe { libc::setpgid(pid, group) }).map(drop)
}

/// A resource limit: (soft, hard); `None` is no limit.
pub fn limit(resource: u32) -> io::Result<(Option<u64>, Option<u64>)> {
    // SAFETY: all-zero is a valid rlimit, and it lives through the call.
    let limit = unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        check(libc::getrlimit(resource as _, &raw mut limit))?;
        limit
    };
    let value = |value| (value != libc::RLIM_INFINITY).then_some(value);
    Ok((value(limit.rlim_cur), value(limit.rlim_max)))
}

/// Sets a resource limit.
pub fn set_limit(resource: u32, soft: Option<u64>, hard: Option<u64>) -> io::Result<()> {
    let value = |value: Option<u64>| value.unwrap_or(libc::RLIM_INFINITY);
    let limit = libc::rlimit {
        rlim_cur: value(soft),
        rlim_max: value(hard),
    };
    // SAFETY: the structure lives through the call.
    check(unsafe { libc::setrlimit(resource as _, &raw const limit) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_runs_and_its_status_comes_back() {
        let (read_end, write_end) = pipe().unwrap();
        let pid = fork(|| {
            let done = write_all(write_end, b"from the child");
            if done.is_ok() { 7 } else { 1 }
        })
        .unwrap();
        close(write_end).unwrap();
        let mut text = [0; 64];
        let mut all = Vec::new();
        loop {
            let count = read(read_end, &mut text).unwrap();
            if count == 0 {
                break;
            }
            all.extend_from_slice(&text[..count]);
        }
        close(read_end).unwrap();
        assert_eq!(all, b"from the child");
        assert_eq!(
            wait(Which::One(pid), true, false).unwrap(),
            Some((pid, Status::Exited(7)))
        );
    }

    #[test]
    fn a_killed_child_counts_128_and_its_signal() {
        let pid = fork(|| {
            let _ = kill(std::process::id().cast_signed(), libc::SIGKILL);
            0
        })
        .unwrap();
        let (_, status) = wait(Which::One(pid), true, false).unwrap().unwrap();
        assert_eq!(status.code(), 137);
    }

    #[test]
    fn exec_of_nothing_is_an_error() {
        assert_eq!(
            exec(Path::new("/nonexistent"), &[], &[]).kind(),
            io::ErrorKind::NotFound
        );
        assert_eq!(
            exec(Path::new("a\0b"), &[], &[]).kind(),
            io::ErrorKind::InvalidInput
        );
    }

    #[test]
    fn a_caught_signal_is_noted() {
        set_signal(libc::SIGUSR2, Disposition::Catch).unwrap();
        kill(std::process::id().cast_signed(), libc::SIGUSR2).unwrap();
        // It may be delivered to another thread of the test program, but delivered it is.
        while !signal_pending() {
            std::thread::yield_now();
        }
        assert_eq!(take_signal(), Some(libc::SIGUSR2));
    }
}

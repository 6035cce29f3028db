//! How a daemon says that it is ready: a line on a descriptor (`fd:NUMBER`, as s6 has it), or `READY=1` on the socket
//! that `NOTIFY_SOCKET` names (`socket:ready`, sd_notify(3)).

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{
    AddressFamily, RecvFlags, SocketAddrUnix, SocketFlags, SocketType, bind, recv, socket_with,
};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use sys::process::{self, Pid};

/// In which way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notify {
    /// A newline on this descriptor.
    Line(i32),
    /// A packet on a socket, which is made in this folder.
    Packet(PathBuf),
}

/// The child's part of it.
#[derive(Debug)]
pub enum End {
    /// The pipe, and the number at which the daemon has it.
    Pipe(OwnedFd, i32),
    /// Where the socket is.
    Socket(PathBuf),
}

/// What waits for the daemon's word.
#[derive(Debug)]
pub struct Waiter {
    fd: OwnedFd,
    socket: Option<PathBuf>,
}

/// What has been heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing yet.
    Nothing,
    /// It is ready.
    Ready,
    /// It will never say so: nobody has the other end any more.
    Gone,
}

/// A way that does not exist.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no way to notify: fd:NUMBER and socket:ready are")]
pub struct Unknown(String);

impl Notify {
    /// Reads `fd:NUMBER` or `socket:ready`.
    pub fn parse(text: &OsStr) -> Result<Notify, Unknown> {
        let text = text.to_string_lossy();
        if text == "socket:ready" {
            return Ok(Notify::Packet("/run".into()));
        }
        text.strip_prefix("fd:")
            .and_then(|number| number.parse().ok())
            .filter(|number| (3..100).contains(number))
            .map(Notify::Line)
            .ok_or_else(|| Unknown(text.into_owned()))
    }

    /// Makes both ends. `owner`: the user that the daemon will be.
    pub fn prepare(self, owner: Option<u32>) -> io::Result<(Waiter, End)> {
        match self {
            Notify::Line(number) => {
                let (read, write) = rustix::pipe::pipe_with(
                    rustix::pipe::PipeFlags::CLOEXEC | rustix::pipe::PipeFlags::NONBLOCK,
                )?;
                let waiter = Waiter {
                    fd: read,
                    socket: None,
                };
                Ok((waiter, End::Pipe(write, number)))
            }
            Notify::Packet(folder) => {
                // The number of this process and a count: several may be waited for.
                static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
                let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let path = folder.join(format!("notify.{}.{count}", std::process::id()));
                let _ = std::fs::remove_file(&path);
                let fd = socket_with(
                    AddressFamily::UNIX,
                    SocketType::DGRAM,
                    SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
                    None,
                )?;
                // Nobody but root and the daemon's user may write to it.
                let mask = process::umask(0o177);
                let bound = bind(&fd, &SocketAddrUnix::new(&path)?);
                process::umask(mask);
                bound?;
                let waiter = Waiter {
                    fd,
                    socket: Some(path.clone()),
                };
                if let Some(owner) = owner {
                    std::os::unix::fs::lchown(&path, Some(owner), None)?;
                }
                Ok((waiter, End::Socket(path)))
            }
        }
    }
}

impl End {
    /// Puts it where the daemon looks for it. Returns a variable of its environment.
    pub fn install(self, waiter: &Waiter) -> io::Result<Option<(OsString, OsString)>> {
        match self {
            End::Socket(path) => Ok(Some(("NOTIFY_SOCKET".into(), path.into_os_string()))),
            End::Pipe(fd, number) => {
                // The daemon writes as it is used to: it waits for nobody here, and the flag is the pipe end's own.
                rustix::io::ioctl_fionbio(&fd, false)?;
                if fd.as_raw_fd() == number {
                    let copy = process::dup_above(number, 100)?;
                    drop(fd);
                    process::dup2(copy, number)?;
                    process::close(copy)?;
                } else {
                    // Where the number is this side's own end, the copy takes its place; it is of no more use here.
                    let _ = waiter;
                    process::dup2(fd.as_raw_fd(), number)?;
                }
                Ok(None)
            }
        }
    }
}

impl Waiter {
    /// What has been heard by now.
    pub fn heard(&self) -> Heard {
        let mut bytes = [0; 4096];
        loop {
            let got = match &self.socket {
                None => rustix::io::read(&self.fd, &mut bytes),
                Some(_) => recv(&self.fd, &mut bytes, RecvFlags::empty()).map(|(count, _)| count),
            };
            let text = match got {
                Ok(0) if self.socket.is_none() => return Heard::Gone,
                Ok(count) => bytes.get(..count).unwrap_or_default(),
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return Heard::Nothing,
            };
            let ready = match &self.socket {
                None => text.contains(&b'\n'),
                Some(_) => text
                    .split(|byte| *byte == b'\n')
                    .any(|line| line == b"READY=1"),
            };
            if ready {
                return Heard::Ready;
            }
        }
    }

    /// Waits until it is ready. `pid`: the daemon, where it is a child that must not end before.
    pub fn wait(&self, pid: Option<Pid>) -> Heard {
        let pidfd = pid
            .and_then(rustix::process::Pid::from_raw)
            .and_then(|pid| {
                rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()
            });
        loop {
            match self.heard() {
                Heard::Nothing => {}
                done => return done,
            }
            let mut fds = vec![PollFd::new(&self.fd, PollFlags::IN)];
            fds.extend(pidfd.as_ref().map(|fd| PollFd::new(fd, PollFlags::IN)));
            // An interruption only makes the round begin anew.
            let _ = poll(&mut fds, None);
            if fds.get(1).is_some_and(|fd| !fd.revents().is_empty()) {
                // Its last word may have been that it is ready, but it is not there any more.
                return Heard::Gone;
            }
        }
    }
}

impl AsFd for Waiter {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        // A child that was forked drops its copy too, and must not take the path from under the daemon.
        if let Some(path) = &self.socket {
            let made_here = path
                .file_name()
                .and_then(|name| {
                    let number = name.as_bytes().split(|byte| *byte == b'.').nth(1)?;
                    std::str::from_utf8(number).ok()?.parse::<u32>().ok()
                })
                .is_some_and(|pid| pid == std::process::id());
            if made_here {
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn ways() {
        assert_eq!(Notify::parse("fd:3".as_ref()), Ok(Notify::Line(3)));
        assert_eq!(
            Notify::parse("socket:ready".as_ref()),
            Ok(Notify::Packet("/run".into()))
        );
        for bad in [
            "", "fd:", "fd:2", "fd:-1", "fd:100", "socket", "socket:x", "fd:3x",
        ] {
            assert!(Notify::parse(bad.as_ref()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_line_is_heard_and_an_end_too() {
        let (waiter, end) = Notify::Line(3).prepare(None).unwrap();
        assert_eq!(waiter.heard(), Heard::Nothing);
        let End::Pipe(fd, 3) = end else { panic!() };
        rustix::io::write(&fd, b"not ").unwrap();
        assert_eq!(waiter.heard(), Heard::Nothing);
        rustix::io::write(&fd, b"yet\n").unwrap();
        assert_eq!(waiter.wait(None), Heard::Ready);
        drop(fd);
        assert_eq!(waiter.wait(None), Heard::Gone);
    }

    #[test]
    fn a_packet_is_heard_and_the_socket_goes() {
        let folder = tempfile::tempdir().unwrap();
        let way = Notify::Packet(folder.path().into());
        let (waiter, end) = way.prepare(None).unwrap();
        let End::Socket(path) = end else { panic!() };
        let daemon = UnixDatagram::unbound().unwrap();
        daemon.send_to(b"STATUS=loading\nREADY=10", &path).unwrap();
        daemon.send_to(b"", &path).unwrap();
        assert_eq!(waiter.heard(), Heard::Nothing);
        daemon.send_to(b"READY=1\nSTATUS=up\n", &path).unwrap();
        assert_eq!(waiter.wait(None), Heard::Ready);
        drop(waiter);
        assert!(!path.exists());
    }

    #[test]
    fn who_ends_before_it_is_ready_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let way = Notify::Packet(folder.path().into());
        let (waiter, _end) = way.prepare(None).unwrap();
        let child = process::fork(|| 0).unwrap();
        assert_eq!(waiter.wait(Some(child)), Heard::Gone);
        process::wait(process::Which::One(child), true, false).unwrap();
    }
}

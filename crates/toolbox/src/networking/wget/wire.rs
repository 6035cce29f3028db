//! A connection that is read by lines and blocks, each within a time.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A line of an answer's head is no longer than this.
const LINE: usize = 32 * 1024;

/// The connection.
pub struct Wire {
    fd: OwnedFd,
    seconds: u32,
    buffer: Vec<u8>,
    at: usize,
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "download timed out")
}

impl Wire {
    /// Connects to the first address that answers.
    pub fn connect(host: &str, port: u16, seconds: u32) -> io::Result<Wire> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "bad address");
        let wait = Duration::from_secs(u64::from(seconds.max(1)));
        for address in (host, port)
            .to_socket_addrs()
            .map_err(|_| io::Error::new(io::ErrorKind::NotFound, "bad address"))?
        {
            let done = if seconds == 0 {
                TcpStream::connect(address)
            } else {
                TcpStream::connect_timeout(&address, wait)
            };
            match done {
                Ok(stream) => {
                    return Ok(Wire {
                        fd: stream.into(),
                        seconds,
                        buffer: Vec::new(),
                        at: 0,
                    });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Puts `ssl_client` between: it gets the connection as a descriptor, and speaks plain with us.
    pub fn secure(&mut self, host: &str, check: bool) -> io::Result<()> {
        let (ours, theirs) = UnixStream::pair()?;
        // The child inherits it under its number.
        rustix::io::fcntl_setfd(&self.fd, rustix::io::FdFlags::empty())?;
        let mut command = Command::new("ssl_client");
        command.arg(format!("-s{}", self.fd.as_raw_fd()));
        if !check {
            command.arg("-I");
        }
        command
            .args(["-n", host])
            .stdin(Stdio::from(OwnedFd::from(theirs.try_clone()?)))
            .stdout(Stdio::from(OwnedFd::from(theirs)));
        command.spawn().map_err(|error| {
            io::Error::new(
                error.kind(),
                "https needs ssl_client, which is not installed",
            )
        })?;
        self.fd = ours.into();
        Ok(())
    }

    /// Sends all of it.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        crate::common::lines::write_all(&self.fd, bytes)
    }

    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.clear();
        self.at = 0;
        self.buffer.resize(64 * 1024, 0);
        if self.seconds > 0 {
            let wait = Timespec {
                tv_sec: i64::from(self.seconds),
                tv_nsec: 0,
            };
            let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
            if poll(&mut fds, Some(&wait))? == 0 {
                return Err(late());
            }
        }
        let count = loop {
            match rustix::io::read(&self.fd, &mut self.buffer[..]) {
                Err(rustix::io::Errno::INTR) => {}
                other => break other?,
            }
        };
        self.buffer.truncate(count);
        Ok(count > 0)
    }

    /// A line without its end. `None`: the connection ended.
    pub fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        loop {
            let rest = self.buffer.get(self.at..).unwrap_or_default();
            if let Some(length) = memchr::memchr(b'\n', rest) {
                line.extend_from_slice(rest.get(..length).unwrap_or_default());
                self.at += length + 1;
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(Some(line));
            }
            line.extend_from_slice(rest);
            if line.len() > LINE {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "too long a header line",
                ));
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Up to so many bytes; none at the end.
    pub fn block(&mut self, most: u64) -> io::Result<&[u8]> {
        if self.at >= self.buffer.len() && !self.fill()? {
            return Ok(&[]);
        }
        let rest = self.buffer.len() - self.at;
        let length = usize::try_from(most).unwrap_or(rest).min(rest);
        let start = self.at;
        self.at += length;
        Ok(self.buffer.get(start..start + length).unwrap_or_default())
    }
}

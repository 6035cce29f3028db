//! `nc`: connects descriptors 0 and 1 with a network connection, or listens for one.

use crate::common::lines::{cause, say, write_all};
use crate::common::options::{Given, Options};
use crate::common::running::replace_by;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::ffi::OsString;
use std::io;
use std::net::{Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

pub const USAGE: &str = "[-lukznv] [-w SEC] [-i SEC] [-p PORT] [-s ADDRESS] [HOST] [PORT] [-e PROGRAM [argument...]]

-l  listen    -k  go on listening when a connection ends (with -e: each in a child)    -u  UDP
-p  own port    -s  own address    -w  seconds to connect in, and to wait for data    -i  seconds between blocks that are sent
-z  only see whether the port is open    -n  HOST is an address    -v  tell of connections
-e  run PROGRAM on the connection; all that follows is its own";

const OPTIONS: Options = Options {
    applet: "nc",
    letters: "lukznvw:i:p:s:",
    long: &[],
};

/// `nc`
pub fn main(arguments: &[OsString]) -> i32 {
    let end = arguments
        .iter()
        .position(|word| word == "-e")
        .unwrap_or(arguments.len());
    let (own, program) = arguments.split_at(end);
    let program = program.get(1..).unwrap_or_default();
    if end < arguments.len() && program.is_empty() {
        return OPTIONS.wrong("option '-e' needs a value");
    }
    let given = match OPTIONS
        .parse(own)
        .and_then(|given| OPTIONS.operands(&given, 0, 2).map(|()| given))
    {
        Ok(given) => given,
        Err(status) => return status,
    };
    match run(&given, program) {
        Ok(status) => status,
        Err(error) => {
            say("nc", cause(&error));
            1
        }
    }
}

fn number(given: &Given, letter: char) -> io::Result<u64> {
    let Some(word) = given.value(letter) else {
        return Ok(0);
    };
    let number = word.to_str().and_then(|text| text.parse().ok());
    number.ok_or_else(|| io::Error::other(format!("invalid number '{}'", word.display())))
}

fn port(text: &str) -> io::Result<u16> {
    text.parse()
        .map_err(|_| io::Error::other(format!("invalid port '{text}'")))
}

fn resolve(host: &str, port: u16, numeric: bool) -> io::Result<SocketAddr> {
    let bad = || io::Error::other(format!("bad address '{host}'"));
    if numeric {
        return host
            .parse()
            .map(|address| SocketAddr::new(address, port))
            .map_err(|_| bad());
    }
    let mut found = (host, port).to_socket_addrs().map_err(|_| bad())?;
    found.next().ok_or_else(bad)
}

fn run(given: &Given, program: &[OsString]) -> io::Result<i32> {
    let wait = number(given, 'w')?;
    let pause = number(given, 'i')?;
    let words: Vec<String> = given
        .operands
        .iter()
        .map(|word| word.display().to_string())
        .collect();
    let own_port = match given.value('p') {
        Some(word) => port(&word.display().to_string())?,
        // `nc -l PORT`
        None => match words.as_slice() {
            [only] if given.has('l') => port(only)?,
            _ => 0,
        },
    };
    let own = match given.value('s') {
        Some(word) => resolve(&word.display().to_string(), own_port, given.has('n'))?,
        None => SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), own_port),
    };
    // A machine without IPv6 has only the other one.
    let other = SocketAddr::new(std::net::Ipv4Addr::UNSPECIFIED.into(), own_port);
    let told = |what: &str, peer: SocketAddr| {
        if given.has('v') {
            say("nc", format!("{what} {peer}"));
        }
    };
    if given.has('l') {
        if given.has('u') {
            let socket = UdpSocket::bind(own).or_else(|error| match given.has('s') {
                true => Err(error),
                false => UdpSocket::bind(other),
            })?;
            // Whoever sends first is the partner.
            let (_, peer) = socket.peek_from(&mut [0; 1])?;
            socket.connect(peer)?;
            told("connect from", peer);
            return serve(socket.into(), None, program, wait, pause);
        }
        let listener = TcpListener::bind(own).or_else(|error| match given.has('s') {
            true => Err(error),
            false => TcpListener::bind(other),
        })?;
        loop {
            let (stream, peer) = listener.accept()?;
            told("connect from", peer);
            if !given.has('k') {
                drop(listener);
                return stream
                    .try_clone()
                    .and_then(|copy| serve(stream.into(), Some(copy), program, wait, pause));
            }
            if program.is_empty() {
                let copy = stream.try_clone()?;
                serve(stream.into(), Some(copy), program, wait, pause)?;
            } else {
                let program = program.to_vec();
                sys::process::fork(move || {
                    serve(stream.into(), None, &program, wait, pause).unwrap_or(1)
                })?;
                while sys::process::wait(sys::process::Which::Any, false, false)
                    .ok()
                    .flatten()
                    .is_some()
                {}
            }
        }
    }
    let [host, to] = words.as_slice() else {
        return Err(io::Error::other("a host and a port are needed"));
    };
    let to = resolve(host, port(to)?, given.has('n'))?;
    if given.has('u') {
        let any = if to.is_ipv6() { own } else { other };
        let socket = UdpSocket::bind(if given.has('s') { own } else { any })?;
        socket.connect(to)?;
        return serve(socket.into(), None, program, wait, pause);
    }
    let stream = if own_port != 0 || given.has('s') {
        let own = if given.has('s') || to.is_ipv6() {
            own
        } else {
            other
        };
        let family = if to.is_ipv6() {
            rustix::net::AddressFamily::INET6
        } else {
            rustix::net::AddressFamily::INET
        };
        let flags = rustix::net::SocketFlags::CLOEXEC;
        let fd = rustix::net::socket_with(family, rustix::net::SocketType::STREAM, flags, None)?;
        rustix::net::sockopt::set_socket_reuseaddr(&fd, true)?;
        rustix::net::bind(&fd, &own)?;
        rustix::net::connect(&fd, &to)?;
        TcpStream::from(fd)
    } else if wait > 0 {
        TcpStream::connect_timeout(&to, Duration::from_secs(wait))?
    } else {
        TcpStream::connect(to)?
    };
    told("open", to);
    if given.has('z') {
        return Ok(0);
    }
    let copy = stream.try_clone()?;
    serve(stream.into(), Some(copy), program, wait, pause)
}

/// Copies both ways until the other side ends; `shut` is the same connection, to end our side of it.
fn serve(
    fd: OwnedFd,
    shut: Option<TcpStream>,
    program: &[OsString],
    wait: u64,
    pause: u64,
) -> io::Result<i32> {
    if !program.is_empty() {
        rustix::stdio::dup2_stdin(&fd)?;
        rustix::stdio::dup2_stdout(&fd)?;
        return Ok(replace_by("nc", program));
    }
    let mut input = true;
    let mut buffer = vec![0_u8; 64 * 1024];
    let limit = Timespec {
        tv_sec: i64::try_from(wait).unwrap_or(i64::MAX),
        tv_nsec: 0,
    };
    loop {
        let stdin = rustix::stdio::stdin();
        let mut fds = vec![PollFd::new(&fd, PollFlags::IN)];
        if input {
            fds.push(PollFd::new(&stdin, PollFlags::IN));
        }
        let ready = match poll(&mut fds, (wait > 0).then_some(&limit)) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other?,
        };
        if ready == 0 {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "timed out"));
        }
        let has = |at: usize| fds.get(at).is_some_and(|fd| !fd.revents().is_empty());
        let (network, local) = (has(0), has(1));
        if network {
            let count = rustix::io::read(&fd, &mut buffer[..])?;
            // An empty datagram is no end.
            if count == 0 && shut.is_some() {
                return Ok(0);
            }
            write_all(
                rustix::stdio::stdout(),
                buffer.get(..count).unwrap_or_default(),
            )?;
        }
        if local {
            let count = rustix::io::read(stdin, &mut buffer[..])?;
            if count == 0 {
                input = false;
                match &shut {
                    Some(stream) => drop(stream.shutdown(Shutdown::Write)),
                    None if wait == 0 => return Ok(0),
                    None => {}
                }
            }
            write_all(fd.as_fd(), buffer.get(..count).unwrap_or_default())?;
            if pause > 0 {
                std::thread::sleep(Duration::from_secs(pause));
            }
        }
    }
}

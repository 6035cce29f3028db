//! How commands talk to PID 1: one message and one answer on `/run/rc.sock`, a socket of packets for root alone.
//!
//! A request is `1`, a verb and its words, with a NUL between them, and carries the asker's standard input, output and
//! error, on which scripts then print. The answer is `0` (done), `1` (not done), or `e` and an error.

use crate::engine::{Goal, Stdio};
use crate::name::{Runlevel, ServiceName};
use crate::script::Surroundings;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind,
    connect, listen, recvmsg, sendmsg, socket_with,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// How the machine ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// It stands still.
    Halt,
    /// It is switched off.
    Off,
    /// It starts again.
    Reboot,
}

/// What PID 1 can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Something of services.
    Goal(Goal, Flags),
    /// The end.
    Power(Power),
    /// Read `/etc/inittab` again.
    Reload,
    /// Run the program again, as it is on disk now, and go on.
    Renew,
}

/// How messages are to be printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Only warnings and errors.
    pub quiet: bool,
    /// More than usual.
    pub verbose: bool,
    /// No colours.
    pub plain: bool,
    /// Each command of the scripts.
    pub debug: bool,
}

impl Flags {
    /// The surroundings of scripts that are run for it.
    pub fn surroundings(self) -> Surroundings {
        Surroundings {
            quiet: self.quiet,
            verbose: self.verbose,
            plain: self.plain,
            debug: self.debug,
            ..Surroundings::default()
        }
    }
}

/// The longest request.
const LONGEST: usize = 1024;

impl Request {
    /// The bytes of a request.
    pub fn encode(&self) -> Vec<u8> {
        let mut words: Vec<String> = vec!["1".into()];
        match self {
            Request::Power(power) => {
                let word = match power {
                    Power::Halt => "halt",
                    Power::Off => "poweroff",
                    Power::Reboot => "reboot",
                };
                words.push(word.into());
            }
            Request::Reload => words.push("reload".into()),
            Request::Renew => words.push("renew".into()),
            Request::Goal(goal, flags) => {
                let (verb, name, alone) = match goal {
                    Goal::Start(name, alone) => ("start", name.to_string(), *alone),
                    Goal::Stop(name, alone) => ("stop", name.to_string(), *alone),
                    Goal::Restart(name, alone) => ("restart", name.to_string(), *alone),
                    Goal::Zap(name) => ("zap", name.to_string(), false),
                    Goal::Level(level, keep) => ("level", level.to_string(), *keep),
                };
                words.extend([verb.into(), name]);
                for (is_so, word) in [
                    (alone, "nodeps"),
                    (flags.quiet, "quiet"),
                    (flags.verbose, "verbose"),
                    (flags.plain, "plain"),
                    (flags.debug, "debug"),
                ] {
                    if is_so {
                        words.push(word.into());
                    }
                }
            }
        }
        words.join("\0").into_bytes()
    }

    /// Reads a request. `None`: it is none.
    pub fn decode(bytes: &[u8]) -> Option<Request> {
        let mut words = bytes.split(|byte| *byte == 0);
        if words.next()? != b"1" {
            return None;
        }
        let verb = words.next()?;
        let plain = match verb {
            b"halt" => Some(Request::Power(Power::Halt)),
            b"poweroff" => Some(Request::Power(Power::Off)),
            b"reboot" => Some(Request::Power(Power::Reboot)),
            b"reload" => Some(Request::Reload),
            b"renew" => Some(Request::Renew),
            _ => None,
        };
        if let Some(request) = plain {
            return words.next().is_none().then_some(request);
        }
        let name = words.next()?;
        let (mut flags, mut alone) = (Flags::default(), false);
        for word in words {
            match word {
                b"nodeps" => alone = true,
                b"quiet" => flags.quiet = true,
                b"verbose" => flags.verbose = true,
                b"plain" => flags.plain = true,
                b"debug" => flags.debug = true,
                _ => return None,
            }
        }
        let service = || ServiceName::parse(name).ok();
        let goal = match verb {
            b"start" => Goal::Start(service()?, alone),
            b"stop" => Goal::Stop(service()?, alone),
            b"restart" => Goal::Restart(service()?, alone),
            b"zap" if !alone => Goal::Zap(service()?),
            b"level" => Goal::Level(Runlevel::parse(name).ok()?, alone),
            _ => return None,
        };
        Some(Request::Goal(goal, flags))
    }
}

fn new_socket(flags: SocketFlags) -> rustix::io::Result<OwnedFd> {
    socket_with(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        flags | SocketFlags::CLOEXEC,
        None,
    )
}

/// Where PID 1 listens.
#[derive(Debug)]
pub struct Listener(OwnedFd);

impl Listener {
    /// Makes the socket, in place of one that is there.
    pub fn new(path: &Path) -> io::Result<Listener> {
        let socket = new_socket(SocketFlags::NONBLOCK)?;
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // Nobody else may even connect, from the moment it is there.
        let mask = sys::process::umask(0o177);
        let bound = bind(&socket, &SocketAddrUnix::new(path)?);
        sys::process::umask(mask);
        bound?;
        listen(&socket, 32)?;
        Ok(Listener(socket))
    }

    /// The next who wants to ask. Only root may: anybody else is turned away.
    pub fn accept(&self) -> Option<OwnedFd> {
        loop {
            let fd = accept_with(&self.0, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC).ok()?;
            let me = rustix::process::getuid();
            if rustix::net::sockopt::socket_peercred(&fd)
                .is_ok_and(|peer| peer.uid.is_root() || peer.uid == me)
            {
                return Some(fd);
            }
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Reads the request of a client, when it is there. `Err`: there will be none.
pub fn receive(client: &OwnedFd) -> Result<Option<(Request, Option<Stdio>)>, String> {
    let mut bytes = [0; LONGEST + 1];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(
        client,
        &mut [IoSliceMut::new(&mut bytes)],
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC,
    );
    let count = match received {
        Ok(message) => message.bytes,
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let mut fds: Vec<OwnedFd> = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    if count == 0 {
        return Err("the connection ended".into());
    }
    let request = bytes
        .get(..count.min(LONGEST))
        .filter(|_| count <= LONGEST)
        .and_then(Request::decode);
    match request {
        Some(request) => Ok(Some((
            request,
            <[OwnedFd; 3]>::try_from(fds).ok().map(Stdio),
        ))),
        None => {
            Err("the request is not understood: the running init may be of another version".into())
        }
    }
}

/// Answers. A client that went away needs none.
pub fn answer(client: &OwnedFd, answer: &Result<bool, String>) {
    let text = match answer {
        Ok(true) => "0".to_owned(),
        Ok(false) => "1".to_owned(),
        Err(error) => format!("e{error}"),
    };
    let _ = rustix::net::send(
        client,
        text.as_bytes(),
        SendFlags::NOSIGNAL | SendFlags::DONTWAIT,
    );
}

/// Why PID 1 did not answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It does not listen: PID 1 is another program.
    #[error("nothing listens")]
    Nobody,
    /// It says that it cannot be.
    #[error("{0}")]
    Refused(String),
    /// The connection broke.
    #[error("the connection to init broke: {0}")]
    Broken(io::Error),
}

/// Asks PID 1 and waits for its answer: whether it was done.
pub fn ask(path: &Path, request: &Request) -> Result<bool, Error> {
    let broken = |errno: rustix::io::Errno| Error::Broken(errno.into());
    let socket = new_socket(SocketFlags::empty()).map_err(broken)?;
    let address = SocketAddrUnix::new(path).map_err(|_| Error::Nobody)?;
    match connect(&socket, &address) {
        Ok(()) => {}
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::CONNREFUSED) => {
            return Err(Error::Nobody);
        }
        Err(rustix::io::Errno::ACCESS) => {
            return Err(Error::Refused("only root may ask init".into()));
        }
        Err(error) => return Err(broken(error)),
    }
    let (input, output, error) = (io::stdin(), io::stdout(), io::stderr());
    let fds = [input.as_fd(), output.as_fd(), error.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&fds));
    sendmsg(
        &socket,
        &[IoSlice::new(&request.encode())],
        &mut ancillary,
        SendFlags::NOSIGNAL,
    )
    .map_err(broken)?;
    let mut bytes = [0; 512];
    let count = loop {
        match rustix::io::read(&socket, &mut bytes) {
            Ok(count) => break count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(broken(error)),
        }
    };
    match bytes.get(..count) {
        Some(b"0") => Ok(true),
        Some(b"1") => Ok(false),
        Some([b'e', why @ ..]) => Err(Error::Refused(String::from_utf8_lossy(why).into_owned())),
        _ => Err(Error::Broken(io::ErrorKind::UnexpectedEof.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name() -> ServiceName {
        ServiceName::parse(b"net.eth0").unwrap()
    }

    #[test]
    fn requests_survive_a_round_trip() {
        let flags = Flags {
            quiet: true,
            verbose: false,
            plain: true,
            debug: true,
        };
        for request in [
            Request::Power(Power::Halt),
            Request::Power(Power::Off),
            Request::Power(Power::Reboot),
            Request::Reload,
            Request::Renew,
            Request::Goal(Goal::Start(name(), true), flags),
            Request::Goal(Goal::Stop(name(), false), Flags::default()),
            Request::Goal(Goal::Restart(name(), false), flags),
            Request::Goal(Goal::Zap(name()), flags),
            Request::Goal(Goal::Level(Runlevel::boot(), false), flags),
            Request::Goal(Goal::Level(Runlevel::boot(), true), flags),
        ] {
            assert_eq!(Request::decode(&request.encode()), Some(request));
        }
    }

    proptest! {
        #[test]
        fn anything_can_be_read(bytes: Vec<u8>) {
            let _ = Request::decode(&bytes);
        }

        #[test]
        fn near_requests_are_requests_or_refused(verb in "start|stop|level|halt|zap", name in ".{0,8}", flag in "quiet|x|nodeps|") {
            let text = format!("1\0{verb}\0{name}\0{flag}");
            if let Some(request) = Request::decode(text.as_bytes()) {
                prop_assert_eq!(Request::decode(&request.encode()), Some(request));
            }
        }
    }

    #[test]
    fn a_request_and_its_answer_cross_the_socket() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sock");
        assert!(matches!(ask(&path, &Request::Reload), Err(Error::Nobody)));
        let listener = Listener::new(&path).unwrap();
        let asker = std::thread::spawn({
            let path = path.clone();
            move || {
                ask(
                    &path,
                    &Request::Goal(Goal::Start(name(), false), Flags::default()),
                )
            }
        });
        let wait = |fd: BorrowedFd<'_>| {
            rustix::event::poll(
                &mut [rustix::event::PollFd::new(
                    &fd,
                    rustix::event::PollFlags::IN,
                )],
                None,
            )
            .unwrap();
        };
        wait(listener.as_fd());
        let client = listener.accept().unwrap();
        wait(client.as_fd());
        let (request, stdio) = receive(&client).unwrap().unwrap();
        assert_eq!(
            request,
            Request::Goal(Goal::Start(name(), false), Flags::default())
        );
        assert!(stdio.is_some());
        answer(&client, &Err("no".into()));
        assert!(matches!(asker.join().unwrap(), Err(Error::Refused(why)) if why == "no"));
    }

    #[test]
    fn what_is_too_long_or_strange_is_refused() {
        let (a, b) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::NONBLOCK | SocketFlags::CLOEXEC,
            None,
        )
        .unwrap();
        assert!(receive(&a).unwrap().is_none());
        rustix::io::write(&b, &[b'1'; 4000]).unwrap();
        assert!(receive(&a).is_err());
        rustix::io::write(&b, b"2\0start\0x").unwrap();
        assert!(receive(&a).is_err());
        drop(b);
        assert!(receive(&a).is_err());
    }
}

//! `udhcpc`: asks a DHCP server for an address (RFC 2131) and has a script set the interface up by it. Options, the
//! script's arguments and its environment are BusyBox's.

mod packet;
mod values;

use crate::common::daemon;
use crate::common::lines::{complain, say};
use crate::common::links::{self, Link};
use crate::common::options::{Given, Options};
use crate::common::syslog;
use packet::{Query, Reply};
use std::ffi::{OsStr, OsString};
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use sys::net::Packet;
use values::{environment, sent_options};

pub const USAGE: &str =
    "[-fbnqvRSCoB] [-i DEV] [-s SCRIPT] [-p PIDFILE] [-r IP] [-t N] [-T SECONDS] [-A SECONDS]
       [-x OPT[:VALUE]]... [-O OPT]... [-F NAME] [-V CLASS]

-i  the interface (eth0)           -s  the script (/usr/share/udhcpc/default.script)
-f  stay in the foreground         -b  go to the background without a lease, too
-n  end without a lease            -q  end with one
-R  give the address back at the end    -p  write the process' number to a file
-r  ask for this address           -t  so many tries (3)    -T  seconds between them (3)
-A  seconds between rounds (20)    -S  log    -v  say more
-x  send an option: hostname:x, 0x3d:0a…    -O  ask for an option    -o  ask only for those
-F  the host's name    -V  the vendor class    -C  no client identifier    -B  ask for a broadcast";

const SCRIPT: &str = "/usr/share/udhcpc/default.script";
const SIGUSR1: i32 = 10;
const SIGUSR2: i32 = 12;
const SIGTERM: i32 = 15;
const SIGINT: i32 = 2;

/// One client.
struct Client<'a> {
    given: &'a Given,
    link: Link,
    hardware: [u8; 6],
    script: OsString,
    options: Vec<(u8, Vec<u8>)>,
    tries: u32,
    pause: Duration,
    round: Duration,
    xid: u32,
    started: Instant,
}

/// What a server granted.
struct Lease {
    reply: Reply,
    server: Ipv4Addr,
    since: Instant,
    seconds: u32,
}

/// Why waiting ended without an answer.
enum Ended {
    Timeout,
    Signal(i32),
}

/// Runs it.
pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "udhcpc",
        letters: "fbnqvRSCoBai:s:p:r:t:T:A:x:O:F:V:c:H:P:",
        long: &[
            ("interface", 'i'),
            ("script", 's'),
            ("pidfile", 'p'),
            ("request", 'r'),
            ("retries", 't'),
            ("timeout", 'T'),
            ("tryagain", 'A'),
            ("foreground", 'f'),
            ("background", 'b'),
            ("now", 'n'),
            ("quit", 'q'),
            ("release", 'R'),
            ("syslog", 'S'),
            ("vendorclass", 'V'),
            ("request-option", 'O'),
            ("no-default-options", 'o'),
            ("clientid-none", 'C'),
            ("broadcast", 'B'),
            ("hostname", 'H'),
            ("fqdn", 'F'),
        ],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 0, 0) {
        return status;
    }
    let number = |letter: char, usual: u32| match given.value(letter) {
        None => Some(usual),
        Some(text) => text.to_str().and_then(|text| text.parse().ok()),
    };
    let (Some(tries), Some(pause), Some(round)) = (number('t', 3), number('T', 3), number('A', 20))
    else {
        return options.wrong("-t, -T and -A take a number");
    };
    let asked = match given.value('r').map(|text| text.to_str().map(str::parse)) {
        None => None,
        Some(Some(Ok(address))) => Some(address),
        Some(_) => return options.wrong("-r takes an address"),
    };
    let sent = match sent_options(&given) {
        Ok(sent) => sent,
        Err(what) => return options.wrong(&what),
    };
    let name = given.value('i').unwrap_or(OsStr::new("eth0"));
    let link = match links::by_name(&name.to_string_lossy()) {
        Ok(link) => link,
        Err(error) => {
            complain("udhcpc", name, &error);
            return 1;
        }
    };
    let Ok(hardware) = <[u8; 6]>::try_from(link.hardware.as_slice()) else {
        say(
            "udhcpc",
            format!("{}: it has no Ethernet address", link.name),
        );
        return 1;
    };
    let mut client = Client {
        given: &given,
        link,
        hardware,
        script: given.value('s').unwrap_or(OsStr::new(SCRIPT)).to_owned(),
        options: sent,
        tries: tries.max(1),
        pause: Duration::from_secs(pause.max(1).into()),
        round: Duration::from_secs(round.into()),
        xid: random(),
        started: Instant::now(),
    };
    if !given.has('C') && !client.options.iter().any(|(code, _)| *code == 61) {
        client.options.push((61, [&[1][..], &hardware].concat()));
    }
    for signal in [SIGUSR1, SIGUSR2, SIGTERM, SIGINT] {
        let _ = sys::process::set_signal(signal, sys::process::Disposition::Catch);
    }
    client.log(syslog::INFO, "started");
    client.write_pid();
    client.call("deconfig", None);
    client.run(asked)
}

fn random() -> u32 {
    let mut bytes = [0; 4];
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    u32::from_ne_bytes(bytes)
}

impl Client<'_> {
    fn log(&self, level: u32, message: &str) {
        say("udhcpc", message);
        if self.given.has('S') {
            syslog::log(syslog::DAEMON, level, "udhcpc", message);
        }
    }

    fn write_pid(&self) {
        if let Some(path) = self.given.value('p')
            && let Err(error) = daemon::write_pid(Path::new(path))
        {
            complain("udhcpc", path, &error);
        }
    }

    /// The whole life: find a lease, keep it, and begin anew when it is lost.
    fn run(&mut self, asked: Option<Ipv4Addr>) -> i32 {
        let mut wish = asked;
        loop {
            let lease = match self.obtain(wish) {
                Ok(Some(lease)) => lease,
                Ok(None) => {
                    self.call("leasefail", None);
                    if self.given.has('n') {
                        self.log(syslog::INFO, "no lease, failing");
                        return 1;
                    }
                    if self.given.has('b') && !self.given.has('f') {
                        self.log(syslog::INFO, "no lease, going to the background");
                        return self.background(None);
                    }
                    if let Some(status) = self.pause() {
                        return status;
                    }
                    continue;
                }
                Err(Ended::Signal(signal)) => match self.on_signal(signal, None) {
                    Some(status) => return status,
                    None => continue,
                },
                Err(Ended::Timeout) => continue,
            };
            wish = None;
            self.log(
                syslog::INFO,
                &format!(
                    "lease of {} obtained from {}, lease time {}",
                    lease.reply.yours, lease.server, lease.seconds
                ),
            );
            self.call("bound", Some(&lease));
            if self.given.has('q') {
                if self.given.has('R') {
                    self.release(&lease);
                }
                return 0;
            }
            if !self.given.has('f') {
                return self.background(Some(lease));
            }
            if let Some(status) = self.keep(lease) {
                return status;
            }
        }
    }

    /// Goes on in the background; gives the status for the caller.
    fn background(&mut self, lease: Option<Lease>) -> i32 {
        let given = {
            let mut given = self.given.clone();
            given.set('f');
            given
        };
        let mut inner = Client {
            given: &given,
            link: self.link.clone(),
            hardware: self.hardware,
            script: self.script.clone(),
            options: self.options.clone(),
            tries: self.tries,
            pause: self.pause,
            round: self.round,
            xid: self.xid,
            started: self.started,
        };
        daemon::detach("udhcpc", move || {
            inner.write_pid();
            if let Some(lease) = lease
                && let Some(status) = inner.keep(lease)
            {
                return status;
            }
            inner.run(None)
        })
    }

    /// The pause between two rounds; a status if a signal ended it.
    fn pause(&mut self) -> Option<i32> {
        match self.sleep(self.round) {
            Ended::Timeout => None,
            Ended::Signal(signal) => self.on_signal(signal, None),
        }
    }

    fn sleep(&self, time: Duration) -> Ended {
        let until = Instant::now() + time;
        loop {
            if let Some(signal) = sys::process::take_signal() {
                return Ended::Signal(signal);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ended::Timeout;
            }
            // A caught signal interrupts it.
            let _ = rustix::thread::nanosleep(&rustix::time::Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            });
        }
    }

    /// SIGUSR2 gives the lease back, SIGTERM ends; SIGUSR1 renews.
    fn on_signal(&mut self, signal: i32, lease: Option<&Lease>) -> Option<i32> {
        match signal {
            SIGUSR1 => None,
            SIGUSR2 => {
                if let Some(lease) = lease {
                    self.release(lease);
                }
                self.call("deconfig", None);
                // Until somebody asks for a new one.
                loop {
                    match self.sleep(Duration::from_secs(3600)) {
                        Ended::Signal(SIGUSR1) => return None,
                        Ended::Signal(SIGTERM | SIGINT) => return Some(0),
                        _ => {}
                    }
                }
            }
            _ => {
                self.log(syslog::INFO, "received a signal, ending");
                if self.given.has('R')
                    && let Some(lease) = lease
                {
                    self.release(lease);
                    self.call("deconfig", None);
                }
                if let Some(path) = self.given.value('p') {
                    let _ = std::fs::remove_file(path);
                }
                Some(0)
            }
        }
    }

    fn encode(&self, kind: u8, own: Ipv4Addr, more: &[(u8, Vec<u8>)]) -> Vec<u8> {
        let options = [more, &self.options].concat();
        Query {
            kind,
            xid: self.xid,
            seconds: u16::try_from(self.started.elapsed().as_secs()).unwrap_or(u16::MAX),
            hardware: self.hardware,
            own,
            broadcast: self.given.has('B'),
            options: &options,
        }
        .encode()
    }

    /// One round of DISCOVER and REQUEST.
    fn obtain(&mut self, wish: Option<Ipv4Addr>) -> Result<Option<Lease>, Ended> {
        self.started = Instant::now();
        self.xid = random();
        let socket = match Packet::open(self.link.index, 0x0800) {
            Ok(socket) => socket,
            Err(error) => {
                complain("udhcpc", OsStr::new(&self.link.name), &error);
                return Ok(None);
            }
        };
        for _ in 0..self.tries {
            self.log(syslog::INFO, "broadcasting discover");
            let more: Vec<(u8, Vec<u8>)> =
                wish.iter().map(|ip| (50, ip.octets().to_vec())).collect();
            self.broadcast(&socket, packet::DISCOVER, &more);
            let offer = match self.receive(&socket, &[packet::OFFER], self.pause) {
                Ok(offer) => offer,
                Err(Ended::Timeout) => continue,
                Err(ended) => return Err(ended),
            };
            let Some(server) = offer.address(54) else {
                continue;
            };
            for _ in 0..self.tries {
                self.log(
                    syslog::INFO,
                    &format!("broadcasting select for {}, server {server}", offer.yours),
                );
                let more = [
                    (50, offer.yours.octets().to_vec()),
                    (54, server.octets().to_vec()),
                ];
                self.broadcast(&socket, packet::REQUEST, &more);
                match self.receive(&socket, &[packet::ACK, packet::NAK], self.pause) {
                    Ok(reply) if reply.kind == packet::ACK => {
                        return Ok(Some(Lease::new(reply, server)));
                    }
                    Ok(_) => {
                        self.log(syslog::WARNING, "the server said no");
                        self.call("nak", None);
                        break;
                    }
                    Err(Ended::Timeout) => {}
                    Err(ended) => return Err(ended),
                }
            }
        }
        Ok(None)
    }

    fn broadcast(&self, socket: &Packet, kind: u8, more: &[(u8, Vec<u8>)]) {
        let message = self.encode(kind, Ipv4Addr::UNSPECIFIED, more);
        let whole = packet::wrap(&message, Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST);
        if let Err(error) = socket.send(&[0xff; 6], &whole) {
            // The interface may be down still: the next try comes.
            complain("udhcpc", OsStr::new(&self.link.name), &error);
        }
    }

    /// Waits for an answer of one of the kinds.
    fn receive(&self, socket: &Packet, kinds: &[u8], time: Duration) -> Result<Reply, Ended> {
        let until = Instant::now() + time;
        let mut buffer = vec![0; 2048];
        loop {
            if let Some(signal) = sys::process::take_signal() {
                return Err(Ended::Signal(signal));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Ended::Timeout);
            }
            let milliseconds = i32::try_from(left.as_millis()).unwrap_or(i32::MAX).max(1);
            use std::os::fd::{AsFd, AsRawFd};
            if !sys::process::readable(socket.as_fd().as_raw_fd(), milliseconds).unwrap_or(false) {
                continue;
            }
            let Ok(count) = socket.receive(&mut buffer) else {
                continue;
            };
            let reply = packet::unwrap(buffer.get(..count).unwrap_or_default())
                .and_then(Reply::decode)
                .filter(|reply| {
                    reply.xid == self.xid
                        && reply.hardware == self.hardware
                        && kinds.contains(&reply.kind)
                });
            if let Some(reply) = reply {
                return Ok(reply);
            }
        }
    }

    /// Keeps a lease: renews it at half its time, asks everyone at seven eighths, and loses it at its end. A status if
    /// a signal ended the program; `None`: a new one is needed.
    fn keep(&mut self, mut lease: Lease) -> Option<i32> {
        loop {
            let total = Duration::from_secs(lease.seconds.into());
            let (half, late) = (total / 2, total / 8 * 7);
            let age = lease.since.elapsed();
            let wait = if age < half {
                half - age
            } else {
                Duration::ZERO
            };
            let mut forced = false;
            match self.sleep(wait) {
                Ended::Signal(SIGUSR1) => forced = true,
                Ended::Signal(signal) => return self.on_signal(signal, Some(&lease)),
                Ended::Timeout => {}
            }
            let age = lease.since.elapsed();
            if age >= total {
                self.log(syslog::INFO, "lease lost, entering init state");
                self.call("deconfig", None);
                return None;
            }
            let to = if age < late {
                lease.server
            } else {
                Ipv4Addr::BROADCAST
            };
            match self.renew(&lease, to) {
                Some(reply) if reply.kind == packet::ACK => {
                    let server = reply.address(54).unwrap_or(lease.server);
                    lease = Lease::new(reply, server);
                    self.log(
                        syslog::INFO,
                        &format!(
                            "lease of {} renewed by {server}, lease time {}",
                            lease.reply.yours, lease.seconds
                        ),
                    );
                    self.call("renew", Some(&lease));
                }
                Some(_) => {
                    self.log(syslog::WARNING, "the server took the lease back");
                    self.call("nak", None);
                    self.call("deconfig", None);
                    return None;
                }
                None if forced => {}
                None => {
                    // Again after half of what is left, but not more often than once a minute.
                    let left = total.saturating_sub(lease.since.elapsed());
                    let pause = (left / 2).max(Duration::from_secs(60)).min(left);
                    if let Ended::Signal(signal) = self.sleep(pause)
                        && signal != SIGUSR1
                    {
                        return self.on_signal(signal, Some(&lease));
                    }
                }
            }
        }
    }

    /// Asks to keep the address, from the address itself.
    fn renew(&mut self, lease: &Lease, to: Ipv4Addr) -> Option<Reply> {
        self.xid = random();
        self.started = Instant::now();
        let message = self.encode(packet::REQUEST, lease.reply.yours, &[]);
        let socket = UdpSocket::bind((lease.reply.yours, 68)).ok()?;
        sys::net::bind_to_interface(&socket, &self.link.name).ok()?;
        socket.set_broadcast(true).ok()?;
        socket.set_read_timeout(Some(self.pause)).ok()?;
        for _ in 0..self.tries {
            socket.send_to(&message, (to, 67)).ok()?;
            let mut buffer = [0; 2048];
            let until = Instant::now() + self.pause;
            while Instant::now() < until {
                match socket.recv(&mut buffer) {
                    Ok(count) => {
                        let reply = Reply::decode(buffer.get(..count)?).filter(|reply| {
                            reply.xid == self.xid && matches!(reply.kind, packet::ACK | packet::NAK)
                        });
                        if reply.is_some() {
                            return reply;
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => return None,
                    Err(_) => break,
                }
            }
        }
        None
    }

    fn release(&mut self, lease: &Lease) {
        self.log(
            syslog::INFO,
            &format!("sending release of {}", lease.reply.yours),
        );
        let more = [(54, lease.server.octets().to_vec())];
        let message = self.encode(packet::RELEASE, lease.reply.yours, &more);
        if let Ok(socket) = UdpSocket::bind((lease.reply.yours, 68)) {
            let _ = socket.send_to(&message, (lease.server, 67));
        }
    }

    /// Calls the script with what happened, and the lease in its environment.
    fn call(&self, event: &str, lease: Option<&Lease>) {
        let mut command = Command::new(&self.script);
        command.arg(event).env("interface", &self.link.name);
        if let Some(lease) = lease {
            for (name, value) in environment(&lease.reply) {
                command.env(name, OsStr::from_bytes(&value));
            }
        }
        match command.status() {
            Ok(_) => {}
            Err(error) => complain("udhcpc", &self.script, &error),
        }
    }
}

impl Lease {
    fn new(reply: Reply, server: Ipv4Addr) -> Lease {
        // A server that does not say lends for an hour; less than a minute would be all asking.
        let seconds = reply.number(51).unwrap_or(3600).max(60);
        Lease {
            reply,
            server,
            since: Instant::now(),
            seconds,
        }
    }
}

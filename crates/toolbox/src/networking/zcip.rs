//! `zcip`: takes an address of the link's own range that nobody else has (RFC 3927), and defends it.

use crate::common::arp::{self, Message};
use crate::common::daemon;
use crate::common::lines::{about, cause, other, say, status};
use crate::common::links;
use crate::common::options::{Given, Options};
use crate::common::syslog;
use std::ffi::{OsStr, OsString};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd};
use std::process::Command;
use std::time::{Duration, Instant};
use sys::net::Packet;
use sys::process;

pub const USAGE: &str = "[-fqv] [-r ADDRESS] [-l RANGE] DEV SCRIPT

runs SCRIPT with init, config and deconfig; it gets $interface and $ip
-f  stay in the foreground    -q  end once there is an address    -r  try this one first
-l  the range (169.254.0.0)    -v  say more, in the foreground
$LOGGING: none, or syslog";

const OPTIONS: Options = Options {
    applet: "zcip",
    letters: "fqr:l:v",
    long: &[],
};

const PROBES: u32 = 3;
const ANNOUNCEMENTS: u32 = 3;
const ANNOUNCE: Duration = Duration::from_secs(2);
const DEFEND: Duration = Duration::from_secs(10);
const SECOND: u32 = 1000;

/// Where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It asks whether somebody has the address; so often it has asked.
    Probing(u32),
    /// It tells that it takes it.
    Announcing(u32),
    /// It has it.
    Monitoring,
    /// Somebody else uses it, and was told once.
    Defending,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Ask.
    Probe,
    /// Tell.
    Announce,
    /// Take it.
    Configure,
    /// Give it up, if it was taken, and try another one.
    Anew,
    Nothing,
}

/// What happens when nothing was heard for the time that was to be waited.
fn after_silence(state: State) -> (State, Step) {
    match state {
        State::Probing(sent) if sent < PROBES => (State::Probing(sent + 1), Step::Probe),
        State::Probing(_) => (State::Announcing(1), Step::Announce),
        State::Announcing(sent) if sent < ANNOUNCEMENTS => {
            (State::Announcing(sent + 1), Step::Announce)
        }
        State::Announcing(_) => (State::Monitoring, Step::Configure),
        State::Monitoring | State::Defending => (State::Monitoring, Step::Nothing),
    }
}

/// What happens when a message of somebody else is about the address.
fn after_conflict(state: State, conflict: Conflict) -> (State, Step) {
    match (state, conflict) {
        (_, Conflict::None) => (state, Step::Nothing),
        (State::Probing(_) | State::Announcing(_), _) => (State::Probing(0), Step::Anew),
        (State::Monitoring, Conflict::Used) => (State::Defending, Step::Announce),
        (State::Defending, Conflict::Used) => (State::Probing(0), Step::Anew),
        // Who only asks for it hears from the kernel that it is taken.
        (_, Conflict::Wanted) => (state, Step::Nothing),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Conflict {
    None,
    /// Somebody looks whether it is free.
    Wanted,
    /// Somebody has it.
    Used,
}

fn conflict(message: &Message, own: [u8; 6], address: Ipv4Addr) -> Conflict {
    if message.hardware == own {
        Conflict::None
    } else if message.address == address {
        Conflict::Used
    } else if message.operation == arp::REQUEST
        && message.address.is_unspecified()
        && message.target == address
    {
        Conflict::Wanted
    } else {
        Conflict::None
    }
}

/// Numbers that look random, the same ones for the same card, so that it finds its address again.
struct Random(u32);

impl Random {
    fn next(&mut self) -> u32 {
        // Marsaglia's xorshift; zero would stay zero.
        let mut x = self.0.max(1);
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        self.0 = x;
        x
    }

    fn below(&mut self, most: u32) -> u32 {
        self.next() % most.max(1)
    }

    /// An address of the range; its first and its last 256 are reserved.
    fn address(&mut self, range: Ipv4Addr) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(range) + 0x100 + self.below(0x1_0000 - 0x200))
    }
}

/// `zcip`
pub fn main(arguments: &[OsString]) -> i32 {
    let given = match OPTIONS.take(arguments, 2, 2) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let read = |letter: char, usual| match given.value(letter) {
        None => Some(usual),
        Some(text) => text.to_str().and_then(|text| text.parse::<Ipv4Addr>().ok()),
    };
    let Some(range) =
        read('l', Ipv4Addr::new(169, 254, 0, 0)).filter(|range| u32::from(*range) & 0xffff == 0)
    else {
        return OPTIONS.wrong("invalid network address");
    };
    let wish = read('r', range).filter(|wish| u32::from(*wish) & 0xffff_0000 == u32::from(range));
    let Some(wish) = wish else {
        return OPTIONS.wrong("invalid link address");
    };
    status(
        "zcip",
        run(&given, range, Some(wish).filter(|wish| *wish != range)),
    )
}

struct Client<'a> {
    given: &'a Given,
    interface: String,
    script: &'a OsStr,
    logs: bool,
    socket: Option<Packet>,
    hardware: [u8; 6],
}

impl Client<'_> {
    fn tell(&self, text: &str) {
        let logging = std::env::var_os("LOGGING");
        match logging.as_ref().map(|word| word.as_encoded_bytes()) {
            Some(b"none") => {}
            Some(b"syslog") => syslog::log(syslog::DAEMON, syslog::INFO, "zcip", text),
            _ => {
                say("zcip", text);
                if self.logs {
                    syslog::log(syslog::DAEMON, syslog::INFO, "zcip", text);
                }
            }
        }
    }

    /// Runs the script.
    fn call(&self, what: &str, address: Option<Ipv4Addr>) -> io::Result<()> {
        let shown = address
            .map(|address| format!(" {address}"))
            .unwrap_or_default();
        self.tell(&format!("{what} {}{shown}", self.interface));
        let mut command = Command::new(self.script);
        command.arg(what).env("interface", &self.interface);
        if let Some(address) = address {
            command.env("ip", address.to_string());
        }
        let status = command
            .status()
            .map_err(|error| about(self.script, &error))?;
        if status.success() {
            return Ok(());
        }
        let code = status.code().unwrap_or(255);
        Err(other(format!(
            "script {} {what} failed, exitcode={code}",
            self.script.display()
        )))
    }

    fn send(&self, from: Ipv4Addr, about: Ipv4Addr, target: [u8; 6]) -> io::Result<()> {
        let message = Message {
            operation: arp::REQUEST,
            hardware: self.hardware,
            address: from,
            target_hardware: target,
            target: about,
        };
        match &self.socket {
            Some(socket) => socket.send(&[0xff; 6], &message.encode()),
            None => Ok(()),
        }
    }

    /// A message, if one comes in that time.
    fn receive(&self, time: Option<Duration>) -> io::Result<Option<Message>> {
        let Some(socket) = &self.socket else {
            return Ok(None);
        };
        let milliseconds = time.map_or(-1, |time| {
            i32::try_from(time.as_millis()).unwrap_or(i32::MAX)
        });
        match process::readable(socket.as_fd().as_raw_fd(), milliseconds) {
            Ok(false) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(None),
            done => drop(done?),
        }
        let mut buffer = [0; 128];
        let count = socket.receive(&mut buffer)?;
        Ok(Message::decode(buffer.get(..count).unwrap_or_default()))
    }

    fn live(
        &self,
        range: Ipv4Addr,
        wish: Option<Ipv4Addr>,
        random: &mut Random,
    ) -> io::Result<i32> {
        let mut address = wish.unwrap_or_else(|| random.address(range));
        let mut state = State::Probing(0);
        let mut conflicts = 0;
        let wait =
            |milliseconds: u32| Some(Instant::now() + Duration::from_millis(milliseconds.into()));
        let mut until = wait(random.below(SECOND));
        loop {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            let message = if left == Some(Duration::ZERO) {
                None
            } else {
                self.receive(left)?
            };
            let has = matches!(state, State::Monitoring | State::Defending);
            let (next, step) = match message {
                Some(message) => after_conflict(state, conflict(&message, self.hardware, address)),
                None if until.is_some_and(|until| Instant::now() >= until) => after_silence(state),
                None => continue,
            };
            let silent = message.is_none();
            state = next;
            match step {
                Step::Nothing => {
                    if silent {
                        until = None;
                    }
                }
                Step::Probe => {
                    until = wait(SECOND + random.below(SECOND));
                    self.send(Ipv4Addr::UNSPECIFIED, address, [0; 6])?;
                }
                Step::Announce => {
                    let pause = if state == State::Defending {
                        DEFEND
                    } else {
                        ANNOUNCE
                    };
                    until = Some(Instant::now() + pause);
                    self.send(address, address, self.hardware)?;
                }
                Step::Configure => {
                    if let Err(error) = self.call("config", Some(address)) {
                        self.tell(&cause(&error));
                    }
                    if self.given.has('q') {
                        return Ok(0);
                    }
                    until = None;
                }
                Step::Anew => {
                    if has {
                        if let Err(error) = self.call("deconfig", Some(address)) {
                            self.tell(&cause(&error));
                        }
                        conflicts = 0;
                        until = wait(random.below(SECOND));
                    } else {
                        conflicts += 1;
                        // The more of them there are, the slower it goes.
                        until = wait(SECOND + 2 * random.below(SECOND * conflicts.min(60)));
                    }
                    address = random.address(range);
                }
            }
            if self.given.has('v') && step != Step::Nothing {
                self.tell(&format!("{step:?} {address}"));
            }
        }
    }
}

fn run(given: &Given, range: Ipv4Addr, wish: Option<Ipv4Addr>) -> io::Result<i32> {
    let [interface, script] = given.operands.as_slice() else {
        return Ok(1);
    };
    let foreground = given.has('f') || given.has('v');
    let mut client = Client {
        given,
        interface: interface.to_string_lossy().into_owned(),
        script,
        logs: !foreground,
        socket: None,
        hardware: [0; 6],
    };
    client.call("init", None)?;
    let told = |error: io::Error| about(interface, &error);
    let link = links::by_name(&client.interface).map_err(told)?;
    client.hardware = <[u8; 6]>::try_from(link.hardware.as_slice())
        .map_err(|_| other(format!("{}: it has no Ethernet address", client.interface)))?;
    client.socket = Some(Packet::open(link.index, arp::PROTOCOL).map_err(told)?);
    let [_, _, a, b, c, d] = client.hardware;
    let mut random = Random(u32::from_be_bytes([a, b, c, d]));
    let mut live = move || {
        client
            .live(range, wish, &mut random)
            .unwrap_or_else(|error| {
                client.tell(&format!("iface {}: {}", client.interface, cause(&error)));
                1
            })
    };
    if foreground {
        return Ok(live());
    }
    // The script's path may be a relative one.
    let folder = std::env::current_dir()?;
    Ok(daemon::detach("zcip", move || {
        let _ = std::env::set_current_dir(folder);
        live()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_asked_for_told_and_taken() {
        let mut state = State::Probing(0);
        let mut steps = Vec::new();
        for _ in 0..7 {
            let (next, step) = after_silence(state);
            state = next;
            steps.push(step);
        }
        use Step::{Announce, Configure, Probe};
        assert_eq!(
            steps,
            [Probe, Probe, Probe, Announce, Announce, Announce, Configure]
        );
        assert_eq!(state, State::Monitoring);
    }

    #[test]
    fn it_is_defended_once() {
        let address = Ipv4Addr::new(169, 254, 7, 7);
        let mut message = Message {
            operation: arp::REQUEST,
            hardware: [9; 6],
            address,
            target_hardware: [0; 6],
            target: address,
        };
        assert_eq!(conflict(&message, [9; 6], address), Conflict::None);
        assert_eq!(conflict(&message, [1; 6], address), Conflict::Used);
        assert_eq!(
            after_conflict(State::Monitoring, Conflict::Used),
            (State::Defending, Step::Announce)
        );
        assert_eq!(
            after_conflict(State::Defending, Conflict::Used),
            (State::Probing(0), Step::Anew)
        );
        assert_eq!(
            after_silence(State::Defending),
            (State::Monitoring, Step::Nothing)
        );
        message.address = Ipv4Addr::UNSPECIFIED;
        assert_eq!(conflict(&message, [1; 6], address), Conflict::Wanted);
        assert_eq!(
            after_conflict(State::Probing(2), Conflict::Wanted),
            (State::Probing(0), Step::Anew)
        );
        assert_eq!(
            after_conflict(State::Monitoring, Conflict::Wanted),
            (State::Monitoring, Step::Nothing)
        );
        message.operation = arp::REPLY;
        assert_eq!(conflict(&message, [1; 6], address), Conflict::None);
    }

    #[test]
    fn addresses_are_of_the_range() {
        let range = Ipv4Addr::new(169, 254, 0, 0);
        let mut random = Random(0);
        for _ in 0..5000 {
            let [a, b, c, _] = random.address(range).octets();
            assert!((a, b) == (169, 254) && (1..255).contains(&c));
        }
    }
}

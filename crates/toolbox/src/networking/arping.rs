//! `arping`: asks a link who has an address, or tells it (RFC 826, RFC 5227).

use crate::common::arp::{self, Message};
use crate::common::lines::{about, cause, other, say, write_all};
use crate::common::links::{self, Link};
use crate::common::options::{Given, Options};
use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};
use sys::net::Packet;
use sys::process::{self, Disposition};

pub const USAGE: &str = "[-fqbDUA] [-c N] [-w SECONDS] [-I DEV] [-s ADDRESS] HOST

-f  end at the first answer    -q  print nothing    -b  ask all of them always, not only the one who answered
-D  1 if somebody has HOST: for an address one wants    -U  tell the neighbours    -A  tell them with an answer
-c  ask N times    -w  end after SECONDS    -I  the interface (eth0)    -s  the own address";

const OPTIONS: Options = Options {
    applet: "arping",
    letters: "UDAqfbc:w:I:s:",
    long: &[],
};

const UP: u32 = 1;
/// What does no ARP: `IFF_NOARP`, and the loopback.
const NO_ARP: u32 = 0x80 | links::LOOPBACK;
const SIGINT: i32 = 2;

/// What was sent and received.
#[derive(Debug, Default)]
struct Counts {
    sent: u32,
    broadcast: u32,
    received: u32,
    received_broadcast: u32,
    requests: u32,
}

/// `arping`
pub fn main(arguments: &[OsString]) -> i32 {
    let given = match OPTIONS.take(arguments, 1, 1) {
        Ok(given) => given,
        Err(status) => return status,
    };
    run(&given).unwrap_or_else(|error| {
        say("arping", cause(&error));
        2
    })
}

fn resolve(text: &str) -> io::Result<Ipv4Addr> {
    let found = (text, 0).to_socket_addrs().ok().into_iter().flatten();
    found
        .filter_map(|address| match address.ip() {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        })
        .next()
        .ok_or_else(|| other(format!("bad address '{text}'")))
}

/// The address that an interface has towards another: the one in the same network before any other.
fn own_address(link: &Link, target: Ipv4Addr) -> io::Result<Ipv4Addr> {
    let mut any = None;
    for address in links::addresses()? {
        if let IpAddr::V4(own) = address.network.address
            && address.index == link.index
        {
            let mask = u32::from(links::mask(address.network.prefix));
            if u32::from(own) & mask == u32::from(target) & mask {
                return Ok(own);
            }
            any = any.or(Some(own));
        }
    }
    any.ok_or_else(|| other("no IP address configured"))
}

fn run(given: &Given) -> io::Result<i32> {
    let count = match given.has('c') {
        true => Some(given.number('c', 0_u32).map_err(other)?),
        false => None,
    };
    let time = match given.has('w') {
        true => Some(Duration::from_secs(
            given.number('w', 0_u32).map_err(other)?.into(),
        )),
        false => None,
    };
    let device = given
        .value('I')
        .map_or("eth0".into(), |name| name.to_string_lossy());
    let link =
        links::by_name(&device).map_err(|_| other(format!("interface {device} not found")))?;
    let detecting = given.has('D');
    if link.flags & UP == 0 {
        return Err(other(format!("interface {device} is down")));
    }
    let hardware = <[u8; 6]>::try_from(link.hardware.as_slice()).ok();
    let Some(hardware) = hardware.filter(|_| link.flags & NO_ARP == 0) else {
        say("arping", format!("interface {device} is not ARPable"));
        // Nobody else can have an address there.
        return Ok(if detecting { 0 } else { 2 });
    };
    let host = given
        .operands
        .first()
        .map(|word| word.to_string_lossy())
        .unwrap_or_default();
    let target = resolve(&host)?;
    let source = match given.value('s') {
        None => None,
        Some(text) => {
            let address: Option<Ipv4Addr> = text.to_str().and_then(|text| text.parse().ok());
            let address = address
                .ok_or_else(|| other(format!("invalid source address {}", text.display())))?;
            let here = links::addresses()?;
            if !here.iter().any(|known| known.network.address == address) {
                return Err(about(
                    address.to_string(),
                    &io::ErrorKind::AddrNotAvailable.into(),
                ));
            }
            Some(address)
        }
    };
    let telling = given.has('U') || given.has('A');
    let source = match source {
        Some(address) => address,
        None if detecting => Ipv4Addr::UNSPECIFIED,
        None if telling => target,
        None => own_address(&link, target)?,
    };
    let job = Job {
        given,
        socket: Packet::open(link.index, arp::PROTOCOL)?,
        hardware,
        source,
        target,
        telling,
        detecting,
    };
    job.print(&format!("ARPING {target} from {source} {device}\n"));
    process::set_signal(SIGINT, Disposition::Catch)?;
    job.ask(count, time)
}

struct Job<'a> {
    given: &'a Given,
    socket: Packet,
    hardware: [u8; 6],
    source: Ipv4Addr,
    target: Ipv4Addr,
    telling: bool,
    detecting: bool,
}

impl Job<'_> {
    fn print(&self, text: &str) {
        if !self.given.has('q') {
            let _ = write_all(rustix::stdio::stdout(), text.as_bytes());
        }
    }

    fn ask(&self, mut count: Option<u32>, time: Option<Duration>) -> io::Result<i32> {
        let start = Instant::now();
        let mut counts = Counts::default();
        let mut to = [0xff; 6];
        loop {
            let late = time.is_some_and(|time| start.elapsed() > time + Duration::from_millis(500));
            if count == Some(0) || late {
                return Ok(self.finish(&counts));
            }
            count = count.map(|count| count - 1);
            let asked = Instant::now();
            self.send(to)?;
            counts.sent += 1;
            counts.broadcast += u32::from(to == [0xff; 6]);
            if count == Some(0) && self.telling {
                return Ok(self.finish(&counts));
            }
            // Until the next one is due.
            loop {
                if process::take_signal().is_some() {
                    return Ok(self.finish(&counts));
                }
                let left = Duration::from_secs(1).saturating_sub(asked.elapsed());
                if left.is_zero() {
                    break;
                }
                let milliseconds = i32::try_from(left.as_millis()).unwrap_or(1000).max(1);
                if !process::readable(self.socket.as_fd().as_raw_fd(), milliseconds)
                    .unwrap_or(false)
                {
                    continue;
                }
                let mut buffer = [0; 2048];
                let (length, to_us) = self.socket.receive_from(&mut buffer)?;
                let message = Message::decode(buffer.get(..length).unwrap_or_default());
                let Some(message) = message.filter(|message| self.concerns(message)) else {
                    continue;
                };
                self.print(&self.line(&message, to_us, asked.elapsed()));
                counts.received += 1;
                counts.received_broadcast += u32::from(!to_us);
                counts.requests += u32::from(message.operation == arp::REQUEST);
                if self.given.has('f') {
                    return Ok(self.finish(&counts));
                }
                if !self.given.has('b') {
                    to = message.hardware;
                }
            }
        }
    }

    fn send(&self, to: [u8; 6]) -> io::Result<()> {
        let answer = self.given.has('A');
        let message = Message {
            operation: if answer { arp::REPLY } else { arp::REQUEST },
            hardware: self.hardware,
            address: self.source,
            target_hardware: if answer { self.hardware } else { to },
            target: self.target,
        };
        self.socket.send(&to, &message.encode())
    }

    /// Whether a message answers what was asked.
    fn concerns(&self, message: &Message) -> bool {
        if message.address != self.target {
            return false;
        }
        if self.detecting {
            // Whoever else uses the address.
            message.hardware != self.hardware
                && (self.source.is_unspecified() || message.target == self.source)
        } else {
            message.target == self.source && message.target_hardware == self.hardware
        }
    }

    fn line(&self, message: &Message, to_us: bool, after: Duration) -> String {
        let mut text = format!(
            "{}cast re{} from {} [{}]",
            if to_us { "Uni" } else { "Broad" },
            if message.operation == arp::REPLY {
                "ply"
            } else {
                "quest"
            },
            message.address,
            links::hardware_text(&message.hardware)
        );
        let elsewhere = message.target != self.source;
        if elsewhere {
            text += &format!(" for {}", message.target);
        }
        if message.target_hardware != self.hardware {
            if !elsewhere {
                text += " for";
            }
            text += &format!(" [{}]", links::hardware_text(&message.target_hardware));
        }
        let after = after.as_micros();
        text += &format!(" {}.{:03}ms\n", after / 1000, after % 1000);
        text
    }

    fn finish(&self, counts: &Counts) -> i32 {
        self.print(&format!(
            "Sent {} probe(s) ({} broadcast(s))\nReceived {} response(s) ({} request(s), {} broadcast(s))\n",
            counts.sent, counts.broadcast, counts.received, counts.requests, counts.received_broadcast
        ));
        if self.detecting {
            i32::from(counts.received > 0)
        } else if self.telling {
            0
        } else {
            i32::from(counts.received == 0)
        }
    }
}

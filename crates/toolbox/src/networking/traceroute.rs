//! `traceroute` and `traceroute6`: which routers packets pass, told by those that let them die.

use crate::common::dns;
use crate::common::lines::{Output, about, other, status};
use crate::common::options::{Given, Options};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto, sockopt};
use std::ffi::{OsStr, OsString};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

pub const USAGE: &str = "[-46FIlnrv] [-f HOPS] [-m HOPS] [-q PROBES] [-p PORT] [-t TOS] [-w SEC] [-s ADDRESS] [-i DEV]
           [-z MSEC] HOST [BYTES]

-4, -6  only that version    -I  ICMP echo requests, not UDP    -F  may not be fragmented
-l  show the answers' time to live (IPv4)    -n  numbers, no names    -r  past the routing table    -v  say more
-f  begin at (1)    -m  end at (30)    -q  so many probes a hop (3)    -p  the first port (33434)
-t  type of service    -w  seconds to wait for an answer (5)    -s  from that address    -i  by that interface
-z  milliseconds between probes    BYTES  a probe's length";

const OPTIONS: Options = Options {
    applet: "traceroute",
    letters: "FIlnrdvt:i:m:p:q:s:w:z:f:46",
    long: &[],
};

/// `traceroute`
pub fn main(arguments: &[OsString]) -> i32 {
    run(arguments, false)
}

/// `traceroute6`
pub fn six(arguments: &[OsString]) -> i32 {
    run(arguments, true)
}

fn run(arguments: &[OsString], six: bool) -> i32 {
    match OPTIONS.take(arguments, 1, 2) {
        Ok(given) => status("traceroute", trace(&given, six)),
        Err(status) => status,
    }
}

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// A router let it die.
    Passed,
    /// The host got it.
    There,
    /// It goes no further: how that is written.
    Refused(&'static str, u16),
}

struct Tracer<'a> {
    given: &'a Given,
    to: SocketAddr,
    out: OwnedFd,
    back: OwnedFd,
    icmp: bool,
    /// Our echo requests bear it.
    id: u16,
    port: u16,
    payload: usize,
}

fn number(given: &Given, letter: char, usual: u32, least: u32, most: u32) -> io::Result<u32> {
    let number = given.number(letter, usual).map_err(other)?;
    if (least..=most).contains(&number) {
        Ok(number)
    } else {
        Err(other(format!(
            "-{letter}: {number} is not in {least}..{most}"
        )))
    }
}

fn trace(given: &Given, six: bool) -> io::Result<i32> {
    let hops = number(given, 'm', 30, 1, 255)?;
    let first = number(given, 'f', 1, 1, hops)?;
    let probes = number(given, 'q', 3, 1, 255)?;
    let wait = Duration::from_secs(number(given, 'w', 5, 1, 86400)?.into());
    let pause = Duration::from_millis(number(given, 'z', 0, 0, 3_600_000)?.into());
    let port = number(given, 'p', 33434, 1, 65535)?;
    let tos = number(given, 't', 0, 0, 255)?;
    let version = match given.last_of("46") {
        Some('4') => Some(false),
        Some(_) => Some(true),
        None => six.then_some(true),
    };
    let mut words = given.operands.iter().map(|word| word.to_string_lossy());
    let name = words.next().unwrap_or_default();
    let to = (name.as_ref(), 0)
        .to_socket_addrs()
        .ok()
        .and_then(|mut all| all.find(|address| version.is_none_or(|six| address.is_ipv6() == six)))
        .ok_or_else(|| other(format!("bad address '{name}'")))?;
    let icmp = given.has('I');
    // Headers, and what BusyBox sends along.
    let (header, usual) = if to.is_ipv6() { (48, 72) } else { (28, 46) };
    let length = match words.next() {
        None => usual,
        Some(text) => text
            .parse()
            .ok()
            .filter(|length| (usual..=32768).contains(length))
            .ok_or_else(|| other(format!("invalid number '{text}'")))?,
    };
    let (out, back) = sockets(to.is_ipv6(), icmp)?;
    if tos != 0 && to.is_ipv4() {
        sockopt::set_ip_tos(&out, u8::try_from(tos).unwrap_or(0))?;
    }
    if given.has('F') && to.is_ipv4() {
        sockopt::set_ip_mtu_discover(&out, sockopt::Ipv4PathMtuDiscovery::DO)?;
    }
    if let Some(device) = given.value('i') {
        let name = device.to_string_lossy();
        sys::net::bind_to_interface(&out, &name).map_err(|error| about(device, &error))?;
    }
    let source = given.value('s').and_then(OsStr::to_str);
    if let Some(text) = source {
        let address: IpAddr = text
            .parse()
            .map_err(|_| other(format!("bad address '{text}'")))?;
        rustix::net::bind(&out, &SocketAddr::new(address, 0))
            .map_err(|error| about(OsStr::new(text), &error.into()))?;
    }
    let tracer = Tracer {
        given,
        to,
        out,
        back,
        icmp,
        id: (std::process::id() & 0xffff) as u16,
        port: u16::try_from(port).unwrap_or(33434),
        payload: length - header,
    };
    let from = source.map_or_else(String::new, |text| format!(" from {text}"));
    let mut out = Output::new();
    out.put(
        format!(
            "traceroute to {name} ({}){from}, {hops} hops max, {length} byte packets\n",
            to.ip()
        )
        .as_bytes(),
    );
    let mut sequence = 0;
    for hop in first..=hops {
        if tracer.hop(hop, probes, wait, pause, &mut sequence, &mut out)? || out.failed() {
            break;
        }
    }
    Ok(out.finish("traceroute", 0, 1))
}

fn sockets(six: bool, icmp: bool) -> io::Result<(OwnedFd, OwnedFd)> {
    let (family, protocol) = if six {
        (AddressFamily::INET6, ipproto::ICMPV6)
    } else {
        (AddressFamily::INET, ipproto::ICMP)
    };
    let open =
        |kind, protocol| rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC, protocol);
    let back =
        open(SocketType::RAW, Some(protocol)).map_err(|error| about("socket", &error.into()))?;
    let out = if icmp {
        open(SocketType::RAW, Some(protocol))
    } else {
        open(SocketType::DGRAM, None)
    };
    Ok((out?, back))
}

impl Tracer<'_> {
    /// Probes one hop; whether the way ends there.
    fn hop(
        &self,
        hop: u32,
        probes: u32,
        wait: Duration,
        pause: Duration,
        sequence: &mut u16,
        out: &mut Output,
    ) -> io::Result<bool> {
        out.put(format!("{hop:>2}").as_bytes());
        let (mut last, mut there, mut refused) = (None, false, 0);
        for probe in 0..probes {
            out.flush();
            if probe > 0 {
                std::thread::sleep(pause);
            }
            *sequence = sequence.wrapping_add(1);
            self.send(hop, *sequence)?;
            let begin = Instant::now();
            let Some((from, answer, packet)) = self.receive(*sequence, begin + wait)? else {
                out.put(b"  *");
                continue;
            };
            let micros = begin.elapsed().as_micros();
            if last != Some(from) {
                out.put(self.name(from, &packet).as_bytes());
                last = Some(from);
            }
            out.put(format!("  {}.{:03} ms", micros / 1000, micros % 1000).as_bytes());
            let ttl = packet.get(8).copied().unwrap_or(0);
            if self.given.has('l') && self.to.is_ipv4() {
                out.put(format!(" ({ttl})").as_bytes());
            }
            match answer {
                Answer::Passed => {}
                Answer::There => {
                    if self.to.is_ipv4() && ttl <= 1 {
                        out.put(b" !");
                    }
                    there = true;
                }
                Answer::Refused("!P", _) => {
                    out.put(b" !P");
                    there = true;
                }
                Answer::Refused(text, value) => {
                    refused += 1;
                    out.put(
                        match text {
                            "!F" => format!(" !F-{value}"),
                            "!<>" => format!(" !<{value}>"),
                            text => format!(" {text}"),
                        }
                        .as_bytes(),
                    );
                }
            }
        }
        out.put_byte(b'\n');
        out.flush();
        Ok(there || refused > 0 && refused + 1 >= probes)
    }

    fn name(&self, from: IpAddr, packet: &[u8]) -> String {
        let mut text = if self.given.has('n') {
            format!("  {from}")
        } else {
            let name = dns::reverse(&from).unwrap_or_else(|| from.to_string());
            format!("  {name} ({from})")
        };
        if self.given.has('v') {
            let (length, to) = match packet.get(16..20) {
                Some(&[a, b, c, d]) if self.to.is_ipv4() => {
                    let header = usize::from(packet.first().copied().unwrap_or(0) & 15) * 4;
                    let to = Ipv4Addr::new(a, b, c, d).to_string();
                    (packet.len().saturating_sub(header), format!(" to {to}"))
                }
                _ => (packet.len(), String::new()),
            };
            text += &format!(" {length} bytes{to}");
        }
        text
    }

    fn send(&self, hop: u32, sequence: u16) -> io::Result<()> {
        let mut to = self.to;
        let hops = u8::try_from(hop).unwrap_or(255);
        if to.is_ipv6() {
            sockopt::set_ipv6_unicast_hops(&self.out, Some(hops))?;
        } else {
            sockopt::set_ip_ttl(&self.out, hop)?;
        }
        let mut packet = Vec::new();
        if self.icmp {
            packet.extend([if to.is_ipv6() { 128 } else { 8 }, 0, 0, 0]);
            packet.extend(self.id.to_be_bytes());
            packet.extend(sequence.to_be_bytes());
        } else {
            to.set_port(self.port.wrapping_add(sequence));
        }
        packet.resize(packet.len() + self.payload, 0);
        if self.icmp && to.is_ipv4() {
            let sum = crate::common::checksum::internet(&packet).to_be_bytes();
            for (place, byte) in packet.iter_mut().skip(2).zip(sum) {
                *place = byte;
            }
        }
        let flags = if self.given.has('r') {
            SendFlags::DONTROUTE
        } else {
            SendFlags::empty()
        };
        match rustix::net::sendto(&self.out, &packet, flags, &to) {
            Ok(_) => Ok(()),
            // The answer to an earlier probe comes as an error here; the probe itself is sent then.
            Err(rustix::io::Errno::CONNREFUSED) => {
                rustix::net::sendto(&self.out, &packet, flags, &to)?;
                Ok(())
            }
            Err(error) => Err(about("sendto", &error.into())),
        }
    }

    fn receive(
        &self,
        sequence: u16,
        until: Instant,
    ) -> io::Result<Option<(IpAddr, Answer, Vec<u8>)>> {
        let mut buffer = vec![0_u8; 1536];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            let time = Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(0),
                tv_nsec: i64::from(left.subsec_nanos()),
            };
            let mut fds = [PollFd::new(&self.back, PollFlags::IN)];
            match poll(&mut fds, Some(&time)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => continue,
                Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
            let (count, _, from) =
                rustix::net::recvfrom(&self.back, &mut buffer[..], RecvFlags::DONTWAIT)?;
            let bytes = buffer.get(..count).unwrap_or_default();
            let from = from.and_then(|from| SocketAddr::try_from(from).ok());
            let answer = if self.to.is_ipv6() {
                self.read_six(bytes, sequence)
            } else {
                self.read_four(bytes, sequence)
            };
            if let (Some(from), Some(answer)) = (from, answer) {
                return Ok(Some((from.ip(), answer, bytes.to_vec())));
            }
        }
    }

    /// Whether what came back within an error is our probe.
    fn is_ours(&self, protocol: u8, inner: &[u8], sequence: u16) -> Option<bool> {
        let half = |at: usize| Some(u16::from_be_bytes(*inner.get(at..)?.first_chunk()?));
        Some(if self.icmp {
            matches!(protocol, 1 | 58) && half(4)? == self.id && half(6)? == sequence
        } else {
            protocol == 17 && half(2)? == self.port.wrapping_add(sequence)
        })
    }

    fn read_four(&self, packet: &[u8], sequence: u16) -> Option<Answer> {
        let header = usize::from(packet.first()? & 15) * 4;
        let icmp = packet.get(header..)?;
        let half = |at: usize| Some(u16::from_be_bytes(*icmp.get(at..)?.first_chunk()?));
        let (kind, code) = (*icmp.first()?, *icmp.get(1)?);
        if kind == 0 && self.icmp {
            return (half(4)? == self.id && half(6)? == sequence).then_some(Answer::There);
        }
        if !(kind == 3 || kind == 11 && code == 0) {
            return None;
        }
        let inner = icmp.get(8..)?;
        let behind = usize::from(inner.first()? & 15) * 4;
        if !self.is_ours(*inner.get(9)?, inner.get(behind..)?, sequence)? {
            return None;
        }
        if kind == 11 {
            return Some(Answer::Passed);
        }
        Some(match code {
            3 => Answer::There,
            0 => Answer::Refused("!N", 0),
            1 => Answer::Refused("!H", 0),
            2 => Answer::Refused("!P", 0),
            4 => Answer::Refused("!F", half(6)?),
            5 => Answer::Refused("!S", 0),
            6 | 7 => Answer::Refused("!U", 0),
            8 => Answer::Refused("!I", 0),
            9 | 13 => Answer::Refused("!A", 0),
            10 | 15 => Answer::Refused("!C", 0),
            11 | 12 => Answer::Refused("!T", 0),
            14 => Answer::Refused("!V", 0),
            other => Answer::Refused("!<>", other.into()),
        })
    }

    fn read_six(&self, icmp: &[u8], sequence: u16) -> Option<Answer> {
        let half = |at: usize| Some(u16::from_be_bytes(*icmp.get(at..)?.first_chunk()?));
        let (kind, code) = (*icmp.first()?, *icmp.get(1)?);
        if kind == 129 && self.icmp {
            return (half(4)? == self.id && half(6)? == sequence).then_some(Answer::There);
        }
        if !(kind == 1 || kind == 3 && code == 0) {
            return None;
        }
        let inner = icmp.get(8..)?;
        let (mut protocol, mut behind) = (*inner.get(6)?, 40);
        // A fragment's header is in between.
        if protocol == 44 {
            protocol = *inner.get(40)?;
            behind = 48;
        }
        if !self.is_ours(protocol, inner.get(behind..)?, sequence)? {
            return None;
        }
        if kind == 3 {
            return Some(Answer::Passed);
        }
        Some(match code {
            4 => Answer::There,
            0 => Answer::Refused("!N", 0),
            1 => Answer::Refused("!S", 0),
            3 => Answer::Refused("!H", 0),
            other => Answer::Refused("!<>", other.into()),
        })
    }
}

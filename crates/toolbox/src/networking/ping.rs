//! `ping` and `ping6`: echo requests over ICMP datagram sockets, or raw ones where those are not allowed.

use crate::common::checksum::internet as checksum;
use crate::common::lines::{Output, cause, say};
use crate::common::options::Options;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto, sockopt};
use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

pub const USAGE: &str = "[-46qA] [-c N] [-s SIZE] [-i SEC] [-t TTL] [-W SEC] [-w SEC] [-I ADDRESS | -I DEVICE] HOST

-4, -6  only that version    -q  only the summary    -A  the next request as soon as an answer came
-c  so many requests    -s  bytes of data (56)    -i  seconds between them (1)    -t  time to live
-W  seconds to wait for the last answers (10)    -w  seconds until it ends    -I  from that address or device";

const OPTIONS: Options = Options {
    applet: "ping",
    letters: "46qAc:s:i:t:W:w:I:",
    long: &[],
};

/// What was sent and what came.
#[derive(Default)]
struct Tally {
    sent: u32,
    received: u32,
    doubled: u32,
    times: Vec<u128>,
}

fn request(six: bool, id: u16, sequence: u16, size: usize) -> Vec<u8> {
    let mut packet = vec![if six { 128 } else { 8 }, 0, 0, 0];
    packet.extend(id.to_be_bytes());
    packet.extend(sequence.to_be_bytes());
    packet.resize(8 + size, 0);
    if !six {
        let sum = checksum(&packet).to_be_bytes();
        for (to, from) in packet.iter_mut().skip(2).zip(sum) {
            *to = from;
        }
    }
    packet
}

/// The sequence number, time to live and length of an answer that is ours.
fn answer(bytes: &[u8], six: bool, raw: bool, id: u16) -> Option<(u16, Option<u8>, usize)> {
    let (ttl, bytes) = if raw && !six {
        let header = usize::from(bytes.first()? & 15) * 4;
        (bytes.get(8).copied(), bytes.get(header..)?)
    } else {
        (None, bytes)
    };
    let kind = bytes.first().copied()?;
    let [a, b, c, d] = *bytes.get(4..8)?.first_chunk::<4>()?;
    let ours = !raw || u16::from_be_bytes([a, b]) == id;
    (kind == if six { 129 } else { 0 } && ours)
        .then(|| (u16::from_be_bytes([c, d]), ttl, bytes.len()))
}

/// `ping`
pub fn main(arguments: &[OsString]) -> i32 {
    run(arguments, false)
}

/// `ping6`
pub fn six(arguments: &[OsString]) -> i32 {
    run(arguments, true)
}

fn run(arguments: &[OsString], six: bool) -> i32 {
    let given = match OPTIONS.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = OPTIONS.operands(&given, 1, 1) {
        return status;
    }
    let number = |letter: char, usual: f64, most: f64| {
        let Some(word) = given.value(letter) else {
            return Ok(usual);
        };
        let number = word.to_str().and_then(|text| text.parse::<f64>().ok());
        match number {
            Some(number) if (0.0..=most).contains(&number) => Ok(number),
            _ => Err(OPTIONS.wrong(&format!("bad value '{}' for -{letter}", word.display()))),
        }
    };
    let mut values = [0.0; 6];
    let wanted = [
        ('c', 0.0, 4e9),
        ('s', 56.0, 65507.0),
        ('i', 1.0, 1e6),
        ('t', 0.0, 255.0),
        ('W', 10.0, 1e6),
        ('w', 0.0, 1e6),
    ];
    for (place, (letter, usual, most)) in values.iter_mut().zip(wanted) {
        match number(letter, usual, most) {
            Ok(value) => *place = value,
            Err(status) => return status,
        }
    }
    let version = match given.last_of("46") {
        Some('4') => Some(false),
        Some(_) => Some(true),
        None => six.then_some(true),
    };
    let name = given
        .operands
        .first()
        .map(|word| word.to_string_lossy().into_owned())
        .unwrap_or_default();
    let found = (name.as_str(), 0)
        .to_socket_addrs()
        .ok()
        .and_then(|mut all| all.find(|address| version.is_none_or(|six| address.is_ipv6() == six)));
    let Some(to) = found else {
        say("ping", format!("bad address '{name}'"));
        return 1;
    };
    let source = given
        .value('I')
        .map(|word| word.to_string_lossy().into_owned());
    match probe(
        &name,
        to,
        values,
        given.has('q'),
        given.has('A'),
        source.as_deref(),
    ) {
        Ok(status) => status,
        Err(error) => {
            say("ping", cause(&error));
            1
        }
    }
}

fn socket(six: bool) -> io::Result<(OwnedFd, bool)> {
    let (family, protocol) = if six {
        (AddressFamily::INET6, ipproto::ICMPV6)
    } else {
        (AddressFamily::INET, ipproto::ICMP)
    };
    let open = |kind| rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC, Some(protocol));
    match open(SocketType::DGRAM) {
        Ok(fd) => Ok((fd, false)),
        Err(_) => Ok((open(SocketType::RAW)?, true)),
    }
}

fn probe(
    name: &str,
    to: SocketAddr,
    [count, size, interval, ttl, last, whole]: [f64; 6],
    quiet: bool,
    adaptive: bool,
    source: Option<&str>,
) -> io::Result<i32> {
    let six = to.is_ipv6();
    let (fd, raw) = socket(six)?;
    if ttl > 0.0 {
        if six {
            sockopt::set_ipv6_unicast_hops(&fd, Some(ttl as u8))?;
        } else {
            sockopt::set_ip_ttl(&fd, ttl as u32)?;
        }
    }
    match source.map(|text| (text, text.parse::<IpAddr>())) {
        Some((_, Ok(address))) => rustix::net::bind(&fd, &SocketAddr::new(address, 0))?,
        Some((device, Err(_))) => sys::net::bind_to_interface(&fd, device)?,
        None => {}
    }
    let _ = sys::process::set_signal(2, sys::process::Disposition::Catch);
    let (id, size) = ((std::process::id() & 0xffff) as u16, size as usize);
    let mut out = Output::new();
    out.put(format!("PING {name} ({}): {size} data bytes\n", to.ip()).as_bytes());
    out.flush();
    let begin = Instant::now();
    let mut tally = Tally::default();
    let mut sent_at: Vec<(u16, Instant, bool)> = Vec::new();
    let mut next = begin;
    let mut end = (whole > 0.0).then(|| begin + Duration::from_secs_f64(whole));
    let mut buffer = vec![0_u8; 65536];
    loop {
        let now = Instant::now();
        let more = count == 0.0 || f64::from(tally.sent) < count;
        if end.is_some_and(|end| now >= end) || sys::process::take_signal().is_some() {
            break;
        }
        if more && now >= next {
            let sequence = (tally.sent & 0xffff) as u16;
            let packet = request(six, id, sequence, size);
            rustix::net::sendto(&fd, &packet, SendFlags::empty(), &to)?;
            tally.sent += 1;
            // Those that are long ago count no more.
            if sent_at.len() > 1024 {
                sent_at.remove(0);
            }
            sent_at.push((sequence, now, false));
            next = now + Duration::from_secs_f64(interval);
            if count > 0.0 && f64::from(tally.sent) >= count {
                let until = now + Duration::from_secs_f64(last);
                end = Some(end.map_or(until, |end| end.min(until)));
            }
        }
        let more = count == 0.0 || f64::from(tally.sent) < count;
        let until = match (more, end) {
            (true, Some(end)) => next.min(end),
            (true, None) => next,
            (false, end) => end.unwrap_or(next),
        };
        let wait = until.saturating_duration_since(Instant::now());
        let wait = Timespec {
            tv_sec: i64::try_from(wait.as_secs()).unwrap_or(0),
            tv_nsec: i64::from(wait.subsec_nanos()),
        };
        let mut fds = [PollFd::new(&fd, PollFlags::IN)];
        match poll(&mut fds, Some(&wait)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let Ok((length, _)) = rustix::net::recv(&fd, &mut buffer[..], RecvFlags::empty()) else {
            continue;
        };
        let bytes = buffer.get(..length).unwrap_or_default();
        let Some((sequence, ttl, length)) = answer(bytes, six, raw, id) else {
            continue;
        };
        let Some((_, at, seen)) = sent_at
            .iter_mut()
            .rev()
            .find(|(known, _, _)| *known == sequence)
        else {
            continue;
        };
        let micros = at.elapsed().as_micros();
        let double = std::mem::replace(seen, true);
        if double {
            tally.doubled += 1;
        } else {
            tally.received += 1;
            tally.times.push(micros);
            if adaptive {
                next = Instant::now();
            }
        }
        if !quiet {
            let ttl = ttl.map_or(String::new(), |ttl| format!(" ttl={ttl}"));
            let double = if double { " (DUP!)" } else { "" };
            out.put(
                format!(
                    "{length} bytes from {}: seq={sequence}{ttl} time={}.{:03} ms{double}\n",
                    to.ip(),
                    micros / 1000,
                    micros % 1000
                )
                .as_bytes(),
            );
            out.flush();
        }
        if count > 0.0 && f64::from(tally.received) >= count {
            break;
        }
    }
    out.put(summary(name, &tally).as_bytes());
    let status = i32::from(tally.received == 0);
    Ok(out.finish("ping", status, 1))
}

fn summary(name: &str, tally: &Tally) -> String {
    let mut text = format!(
        "\n--- {name} ping statistics ---\n{} packets transmitted, {} packets received, ",
        tally.sent, tally.received
    );
    if tally.doubled > 0 {
        text += &format!("{} duplicates, ", tally.doubled);
    }
    if tally.sent > 0 {
        let lost =
            u64::from(tally.sent.saturating_sub(tally.received)) * 100 / u64::from(tally.sent);
        text += &format!("{lost}% packet loss\n");
    } else {
        text += "\n";
    }
    let (least, most) = (tally.times.iter().min(), tally.times.iter().max());
    if let (Some(least), Some(most)) = (least, most) {
        let mean = tally.times.iter().sum::<u128>() / (tally.times.len() as u128).max(1);
        let ms = |micros: u128| format!("{}.{:03}", micros / 1000, micros % 1000);
        text += &format!(
            "round-trip min/avg/max = {}/{}/{} ms\n",
            ms(*least),
            ms(mean),
            ms(*most)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_checks() {
        let packet = request(false, 7, 3, 5);
        assert_eq!(packet.len(), 13);
        assert_eq!(checksum(&packet), 0);
    }

    #[test]
    fn answers() {
        let mut raw = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64];
        raw.resize(20, 0);
        raw.extend([0, 0, 0, 0, 0, 7, 0, 3]);
        assert_eq!(answer(&raw, false, true, 7), Some((3, Some(64), 8)));
        assert_eq!(answer(&raw, false, true, 8), None);
        for end in 0..28 {
            assert_eq!(answer(&raw[..end], false, true, 7), None);
        }
        assert_eq!(
            answer(&[129, 0, 0, 0, 0, 9, 0, 1], true, false, 7),
            Some((1, None, 8))
        );
    }

    #[test]
    fn the_summary() {
        let tally = Tally {
            sent: 3,
            received: 2,
            doubled: 0,
            times: vec![1000, 2001],
        };
        assert_eq!(
            summary("h", &tally),
            "\n--- h ping statistics ---\n3 packets transmitted, 2 packets received, 33% packet loss\n\
             round-trip min/avg/max = 1.000/1.500/2.001 ms\n"
        );
    }
}

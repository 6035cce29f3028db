//! A small DNS client (RFC 1035): questions, answers, and the names that addresses have.

use super::lines::other;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// The kinds of records that we know.
pub const KINDS: &[(&str, u16)] = &[
    ("SOA", 6),
    ("NS", 2),
    ("A", 1),
    ("AAAA", 28),
    ("CNAME", 5),
    ("MX", 15),
    ("TXT", 16),
    ("SRV", 33),
    ("PTR", 12),
    ("ANY", 255),
];

/// The words for a reply's code.
const CODES: [&str; 11] = [
    "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET",
    "NXRRSET", "NOTAUTH", "NOTZONE",
];

/// The words for a reply's code, or its number.
pub fn code_name(code: u8) -> String {
    CODES
        .get(usize::from(code))
        .map_or_else(|| code.to_string(), |name| (*name).to_owned())
}

/// What a record holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// `A` and `AAAA`
    Address(IpAddr),
    /// `NS`, `CNAME` and `PTR`
    Name(String),
    /// `MX`
    Mail(u16, String),
    /// `TXT`: its first string.
    Text(Vec<u8>),
    /// `SRV`: priority, weight, port, host.
    Service(u16, u16, u16, String),
    /// `SOA`: origin, mailbox, and serial, refresh, retry, expire, minimum.
    Authority(String, String, [u32; 5]),
    /// Another kind.
    Unknown,
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Whose it is.
    pub name: String,
    /// Its kind's number.
    pub kind: u16,
    /// What it holds.
    pub data: Data,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The number of the question.
    pub id: u16,
    /// 0 is good.
    pub code: u8,
    /// Whether the server is the domain's own.
    pub authoritative: bool,
    /// Whether not all of it fitted.
    pub truncated: bool,
    /// The records.
    pub answers: Vec<Record>,
}

/// A question. `None`: the name is none.
pub fn question(id: u16, name: &str, kind: u16) -> Option<Vec<u8>> {
    let mut bytes = id.to_be_bytes().to_vec();
    // Recursion is wanted; one question.
    bytes.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.len() > 253 {
        return None;
    }
    for label in name.split('.').filter(|_| !name.is_empty()) {
        let length = u8::try_from(label.len()).ok()?;
        if length == 0 || length > 63 {
            return None;
        }
        bytes.push(length);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes.extend(kind.to_be_bytes());
    bytes.extend([0, 1]);
    Some(bytes)
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The name at a place, and where it ends there. What would not print is shown as `?`.
fn name_at(bytes: &[u8], mut at: usize) -> Option<(String, usize)> {
    let (mut name, mut end) = (String::new(), None);
    // A pointer leads to an earlier name: more than so many lead round.
    for _ in 0..128 {
        let length = *bytes.get(at)?;
        match length {
            0 => return Some((name, end.unwrap_or(at + 1))),
            1..=63 => {
                let label = bytes.get(at + 1..at + 1 + usize::from(length))?;
                if !name.is_empty() {
                    name.push('.');
                }
                name.extend(label.iter().map(|byte| match byte {
                    0x21..=0x7e => char::from(*byte),
                    _ => '?',
                }));
                at += 1 + usize::from(length);
            }
            0xc0.. => {
                let to = half(bytes, at)? & 0x3fff;
                end.get_or_insert(at + 2);
                at = usize::from(to);
            }
            _ => return None,
        }
    }
    None
}

/// Reads an answer. `None`: it is none.
pub fn parse(bytes: &[u8]) -> Option<Reply> {
    let flags = half(bytes, 2)?;
    if flags & 0x8000 == 0 {
        return None;
    }
    let mut reply = Reply {
        id: half(bytes, 0)?,
        code: u8::try_from(flags & 15).ok()?,
        authoritative: flags & 0x400 != 0,
        truncated: flags & 0x200 != 0,
        answers: Vec::new(),
    };
    let mut at = 12;
    for _ in 0..half(bytes, 4)? {
        at = name_at(bytes, at)?.1 + 4;
    }
    for _ in 0..half(bytes, 6)? {
        let (name, behind) = name_at(bytes, at)?;
        let kind = half(bytes, behind)?;
        let length = usize::from(half(bytes, behind + 8)?);
        let start = behind + 10;
        let value = bytes.get(start..start + length)?;
        at = start + length;
        let data = match kind {
            1 => Data::Address(Ipv4Addr::from(<[u8; 4]>::try_from(value).ok()?).into()),
            28 => Data::Address(Ipv6Addr::from(<[u8; 16]>::try_from(value).ok()?).into()),
            2 | 5 | 12 => Data::Name(name_at(bytes, start)?.0),
            15 => Data::Mail(half(value, 0)?, name_at(bytes, start + 2)?.0),
            16 => {
                let (length, text) = value.split_first()?;
                Data::Text(text.get(..usize::from(*length))?.to_vec())
            }
            33 => Data::Service(
                half(value, 0)?,
                half(value, 2)?,
                half(value, 4)?,
                name_at(bytes, start + 6)?.0,
            ),
            6 => {
                let (origin, next) = name_at(bytes, start)?;
                let (mailbox, next) = name_at(bytes, next)?;
                let mut numbers = [0; 5];
                for (index, number) in numbers.iter_mut().enumerate() {
                    *number = word(bytes, next + 4 * index)?;
                }
                Data::Authority(origin, mailbox, numbers)
            }
            _ => Data::Unknown,
        };
        reply.answers.push(Record { name, kind, data });
    }
    Some(reply)
}

/// The name under which an address is looked up.
pub fn reverse_name(address: &IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(v6) => {
            let mut name = String::new();
            for byte in v6.octets().iter().rev() {
                name += &format!("{:x}.{:x}.", byte & 15, byte >> 4);
            }
            name + "ip6.arpa"
        }
    }
}

/// What `resolv.conf` says: the servers, and the domains that are tried behind a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The servers.
    pub servers: Vec<IpAddr>,
    /// The domains.
    pub search: Vec<String>,
    /// How many dots make a name a whole one.
    pub dots: usize,
}

impl Config {
    /// Reads the text of a `resolv.conf`.
    pub fn parse(text: &str) -> Config {
        let mut config = Config {
            dots: 1,
            ..Config::default()
        };
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    let server: Option<IpAddr> = words.next().and_then(|word| {
                        // A zone behind `%` has no place in an address here.
                        word.split('%').next()?.parse().ok()
                    });
                    config.servers.extend(server);
                }
                Some("search" | "domain") => config.search = words.map(str::to_owned).collect(),
                Some("options") => {
                    for word in words {
                        if let Some(dots) = word.strip_prefix("ndots:") {
                            config.dots = dots.parse().unwrap_or(1);
                        }
                    }
                }
                _ => {}
            }
        }
        if config.servers.is_empty() {
            config.servers.push(Ipv4Addr::LOCALHOST.into());
        }
        config
    }

    /// This system's.
    pub fn system() -> Config {
        Config::parse(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default())
    }
}

/// A number that others do not guess.
pub fn random_id() -> u16 {
    let mut bytes = [0; 2];
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    u16::from_ne_bytes(bytes)
}

/// Asks a server; asks again as often as `tries` says, and waits `wait` each time.
///
/// # Errors
/// It does not answer, or the system's error.
pub fn ask(server: SocketAddr, query: &[u8], tries: u32, wait: Duration) -> io::Result<Reply> {
    let own: SocketAddr = if server.is_ipv4() {
        (Ipv4Addr::UNSPECIFIED, 0).into()
    } else {
        (Ipv6Addr::UNSPECIFIED, 0).into()
    };
    let socket = UdpSocket::bind(own)?;
    // Connected: what others send is not seen.
    socket.connect(server)?;
    let mut buffer = vec![0; 4096];
    for _ in 0..tries {
        socket.send(query)?;
        let until = Instant::now() + wait;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            socket.set_read_timeout(Some(left))?;
            let count = match socket.recv(&mut buffer) {
                Ok(count) => count,
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                    ) =>
                {
                    continue;
                }
                Err(error) => return Err(error),
            };
            let reply = buffer.get(..count).and_then(parse);
            let id = half(query, 0);
            if let Some(reply) = reply.filter(|reply| Some(reply.id) == id) {
                return Ok(reply);
            }
        }
    }
    Err(other("no answer"))
}

/// The name of an address: of `/etc/hosts`, or of the DNS. `None`: it has none, or nobody answers.
pub fn reverse(address: &IpAddr) -> Option<String> {
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    if let Some(name) = in_hosts(&hosts, address) {
        return Some(name);
    }
    let query = question(random_id(), &reverse_name(address), 12)?;
    for server in Config::system().servers {
        if let Ok(reply) = ask((server, 53).into(), &query, 1, Duration::from_secs(2)) {
            return reply.answers.into_iter().find_map(|record| match record {
                Record {
                    kind: 12,
                    data: Data::Name(name),
                    ..
                } => Some(name),
                _ => None,
            });
        }
    }
    None
}

fn in_hosts(text: &str, address: &IpAddr) -> Option<String> {
    text.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let known: IpAddr = words.next()?.parse().ok()?;
        (known == *address)
            .then(|| words.next().map(str::to_owned))
            .flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = question(7, "a.example", kind).unwrap();
        bytes[2] = 0x84;
        bytes[7] = 1;
        // The name is the question's.
        bytes.extend([0xc0, 12]);
        bytes.extend(kind.to_be_bytes());
        bytes.extend([0, 1, 0, 0, 0, 60]);
        bytes.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        bytes.extend(value);
        bytes
    }

    #[test]
    fn questions() {
        assert_eq!(
            question(0x0102, "a.bc.", 28).unwrap(),
            b"\x01\x02\x01\0\0\x01\0\0\0\0\0\0\x01a\x02bc\0\0\x1c\0\x01"
        );
        assert_eq!(question(0, "", 2).unwrap().len(), 17);
        for bad in ["a..b", &"x".repeat(64), &"x.".repeat(200)] {
            assert_eq!(question(0, bad, 1), None);
        }
    }

    #[test]
    fn answers() {
        let data = |kind, value: &[u8]| {
            let reply = parse(&answer(kind, value)).unwrap();
            assert!(reply.authoritative && reply.id == 7);
            assert_eq!(reply.answers[0].name, "a.example");
            reply.answers[0].data.clone()
        };
        assert_eq!(
            data(1, &[10, 0, 0, 1]),
            Data::Address("10.0.0.1".parse().unwrap())
        );
        assert_eq!(data(5, b"\x01b\xc0\x0e"), Data::Name("b.example".into()));
        assert_eq!(data(15, b"\0\x0a\x01m\0"), Data::Mail(10, "m".into()));
        assert_eq!(data(16, b"\x02hi"), Data::Text(b"hi".to_vec()));
        assert_eq!(
            data(33, b"\0\x01\0\x02\0\x50\x01s\0"),
            Data::Service(1, 2, 80, "s".into())
        );
        let mut soa = b"\x01o\0\x01m\0".to_vec();
        for number in 1..=5_u32 {
            soa.extend(number.to_be_bytes());
        }
        assert_eq!(
            data(6, &soa),
            Data::Authority("o".into(), "m".into(), [1, 2, 3, 4, 5])
        );
    }

    #[test]
    fn what_is_hostile_is_none() {
        // A name that points at itself, an address of three bytes, a text longer than it is.
        let start = u8::try_from(answer(5, b"").len()).unwrap();
        for (kind, value) in [
            (5, &[0xc0, start][..]),
            (1, &[1, 2, 3]),
            (16, &[9, b'x']),
            (16, &[]),
            (6, b"\x01o\0\x01m\0\0\0"),
        ] {
            assert_eq!(parse(&answer(kind, value)), None, "{kind}");
        }
        let whole = answer(15, b"\0\x0a\x01m\0");
        for end in 0..whole.len() {
            assert_eq!(parse(&whole[..end]), None);
        }
        // A question is no answer.
        assert_eq!(parse(&question(1, "x", 1).unwrap()), None);
    }

    #[test]
    fn what_the_system_says() {
        let config = Config::parse(
            "# x\nnameserver 10.0.0.1\nnameserver fe80::1%eth0\nsearch a b\noptions ndots:2 x\n",
        );
        assert_eq!(config.servers.len(), 2);
        assert_eq!((config.search.len(), config.dots), (2, 2));
        assert_eq!(Config::parse("").servers, [IpAddr::from([127, 0, 0, 1])]);
        let hosts = "127.0.0.1 localhost lo # x\n::1 six\n";
        assert_eq!(
            in_hosts(hosts, &"::1".parse().unwrap()).as_deref(),
            Some("six")
        );
        assert_eq!(in_hosts(hosts, &"::2".parse().unwrap()), None);
        assert_eq!(
            reverse_name(&"10.1.2.3".parse().unwrap()),
            "3.2.1.10.in-addr.arpa"
        );
        assert!(reverse_name(&"::1".parse().unwrap()).starts_with("1.0.0.0."));
    }
}

//! `ifconfig`: shows and changes interfaces as it always did, through rtnetlink(7).

mod show;

use crate::common::lines::{about, other, say, status};
use crate::common::links::{self, Address, Link, Network};
use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs};
use sys::control::{Flat, flat};

pub const USAGE: &str = "[-a] [INTERFACE] [[inet] ADDRESS] [WORD...]

without words: shows the interface, or all that are up (-a: all)
add ADDRESS[/PREFIX], del ADDRESS[/PREFIX]    netmask MASK    [-]broadcast [ADDRESS | +]
[-]pointopoint [ADDRESS], dstaddr ADDRESS    hw ether ADDRESS    mtu N    metric N    txqueuelen N
[-]arp, [-]multicast, [-]promisc, [-]allmulti, [-]dynamic, [-]trailers    mem_start N, io_addr N, irq N
up, down";

/// What a word sets or clears: its name, the flag, whether the plain word clears it.
const FLAGS: &[(&str, u32, bool)] = &[
    ("arp", 0x80, true),
    ("trailers", 0x20, true),
    ("promisc", 0x100, false),
    ("multicast", 0x1000, false),
    ("allmulti", 0x200, false),
    ("dynamic", 0x8000, false),
];
const RUNNING: u32 = 0x40;
const BROADCAST: u32 = 2;
const POINT_TO_POINT: u32 = 0x10;

/// `ifconfig`
pub fn main(arguments: &[OsString]) -> i32 {
    let words: Vec<String> = arguments
        .iter()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let (all, words) = match words.split_first() {
        Some((first, rest)) if first == "-a" => (true, rest),
        _ => (false, words.as_slice()),
    };
    match words {
        [] => show::all(all),
        [name] if name.starts_with('-') => {
            say("ifconfig", format!("unrecognized option '{name}'"));
            say("ifconfig", "try 'ifconfig --help'");
            1
        }
        [name] => show::one(name),
        [name, words @ ..] => status("ifconfig", change(name, words)),
    }
}

/// What is gathered until it is applied.
struct Job<'a> {
    /// With what follows a colon: an alias.
    name: &'a str,
    link: Link,
    /// The address that `name` has now.
    old: Option<Address>,
    own: Option<Ipv4Addr>,
    mask: Option<Ipv4Addr>,
    broadcast: Option<Ipv4Addr>,
    far: Option<Ipv4Addr>,
    /// Flags and which of them are meant.
    flags: (u32, u32),
}

fn resolve(text: &str) -> io::Result<IpAddr> {
    if text == "default" {
        return Ok(Ipv4Addr::UNSPECIFIED.into());
    }
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    (text, 0)
        .to_socket_addrs()
        .ok()
        .and_then(|mut all| all.next())
        .map(|address| address.ip())
        .ok_or_else(|| other(format!("bad address '{text}'")))
}

fn four(text: &str) -> io::Result<Ipv4Addr> {
    match resolve(text)? {
        IpAddr::V4(address) => Ok(address),
        IpAddr::V6(_) => Err(other(format!("'{text}' is no IPv4 address"))),
    }
}

/// A number as C has it: decimal, hexadecimal with `0x`, octal with `0`.
fn number(text: &str) -> io::Result<u32> {
    let parsed = if let Some(hex) = text.strip_prefix("0x") {
        u32::from_str_radix(hex, 16)
    } else if text.len() > 1 && text.starts_with('0') {
        u32::from_str_radix(text, 8)
    } else {
        text.parse()
    };
    parsed.map_err(|_| other(format!("invalid number '{text}'")))
}

/// The mask that an address had when networks had classes.
fn class_mask(address: Ipv4Addr) -> Ipv4Addr {
    match address.octets().first().copied().unwrap_or(0) {
        0..=127 => Ipv4Addr::new(255, 0, 0, 0),
        128..=191 => Ipv4Addr::new(255, 255, 0, 0),
        192..=223 => Ipv4Addr::new(255, 255, 255, 0),
        _ => Ipv4Addr::BROADCAST,
    }
}

fn change(name: &str, words: &[String]) -> io::Result<i32> {
    let device = name.split(':').next().unwrap_or(name);
    let link = links::by_name(device).map_err(|error| about(name, &error))?;
    let old = links::addresses()?.into_iter().find(|address| {
        address.index == link.index
            && address.network.address.is_ipv4()
            && address.label.as_deref() == Some(name)
    });
    let mut job = Job {
        name,
        link,
        old,
        own: None,
        mask: None,
        broadcast: None,
        far: None,
        flags: (0, 0),
    };
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        job.word(word, &mut words)?;
    }
    job.apply()?;
    Ok(0)
}

impl Job<'_> {
    fn set(&mut self, flag: u32, on: bool) {
        self.flags.1 |= flag;
        self.flags.0 = self.flags.0 & !flag | if on { flag } else { 0 };
    }

    fn word<'a>(
        &mut self,
        word: &'a str,
        rest: &mut impl Iterator<Item = &'a str>,
    ) -> io::Result<()> {
        let (plain, minus) = match word.strip_prefix('-') {
            Some(plain) => (plain, true),
            None => (word, false),
        };
        if let Some((_, flag, clears)) = FLAGS.iter().find(|(known, _, _)| *known == plain) {
            self.set(*flag, minus == *clears);
            return Ok(());
        }
        let mut value = || {
            rest.next()
                .ok_or_else(|| other(format!("'{word}' needs a value")))
        };
        match (plain, minus) {
            ("up", false) => self.set(links::UP | RUNNING, true),
            ("down", false) => self.set(links::UP, false),
            ("inet", false) => {}
            ("broadcast", true) => self.set(BROADCAST, false),
            ("pointopoint", true) => self.set(POINT_TO_POINT, false),
            ("broadcast", false) => {
                if let Ok(text) = value() {
                    self.broadcast = Some(match (text, self.own.zip(self.mask)) {
                        ("+", Some((own, mask))) => own | !mask,
                        _ => four(text)?,
                    });
                }
                self.set(BROADCAST, true);
            }
            ("pointopoint", false) => {
                if let Ok(text) = value() {
                    self.far = Some(four(text)?);
                }
                self.set(POINT_TO_POINT, true);
            }
            ("dstaddr", false) => self.far = Some(four(value()?)?),
            ("netmask", false) => {
                if self.mask.is_some() {
                    return Err(other("more than one netmask"));
                }
                self.mask = Some(four(value()?)?);
            }
            ("add", false) => return self.address(value()?, true),
            ("del", false) => return self.address(value()?, false),
            ("mtu", false) => self.attribute(4, number(value()?)?)?,
            ("txqueuelen", false) => self.attribute(13, number(value()?)?)?,
            ("hw", false) => {
                let kind = value()?;
                let text = value()?;
                let bytes = match kind {
                    "ether" => links::hardware(text),
                    "infiniband" => infiniband(text),
                    _ => return Err(other(format!("'{kind}' is no kind of hardware"))),
                };
                let bytes = bytes.ok_or_else(|| other(format!("invalid hw-addr {text}")))?;
                // Most cards take it only while they are down, which an earlier word may say.
                self.apply_flags()?;
                self.told(links::change(self.link.index, 0, 0, &[(1, bytes)]))?;
            }
            ("metric", false) => {
                let value = number(value()?)?;
                self.control(Flat::SIOCSIFMETRIC, |request| {
                    put(request, 16, &value.to_ne_bytes())
                })?;
            }
            ("mem_start" | "io_addr" | "irq", false) => {
                let value = number(value()?)?;
                let mut map = self.map()?;
                match plain {
                    "mem_start" => put(
                        &mut map,
                        16,
                        &usize::try_from(value).unwrap_or(0).to_ne_bytes(),
                    ),
                    "io_addr" => {
                        let port = u16::try_from(value)
                            .map_err(|_| other(format!("io_addr {value:#x} is too large")))?;
                        put(&mut map, 16 + 2 * size_of::<usize>(), &port.to_ne_bytes());
                    }
                    _ => {
                        let line = u8::try_from(value)
                            .map_err(|_| other(format!("irq {value} is too large")))?;
                        put(&mut map, 18 + 2 * size_of::<usize>(), &[line]);
                    }
                }
                self.control(Flat::SIOCSIFMAP, |request| *request = map)?;
            }
            (_, true) => return Err(other(format!("bad: '{word}'"))),
            _ => return self.address(word, true),
        }
        Ok(())
    }

    /// A plain address, or one behind `add` and `del`.
    fn address(&mut self, text: &str, add: bool) -> io::Result<()> {
        let (host, prefix) = match text.split_once('/') {
            Some((host, prefix)) => (host, Some(prefix)),
            None => (text, None),
        };
        let prefix = match prefix {
            None => None,
            Some(text) => Some(
                text.parse::<u8>()
                    .map_err(|_| other(format!("invalid number '{text}'")))?,
            ),
        };
        match resolve(host)? {
            IpAddr::V4(own) => {
                if add {
                    self.own = Some(own);
                    if let Some(prefix) = prefix {
                        if prefix > 32 {
                            return Err(other(format!("'{text}': the prefix is too long")));
                        }
                        self.mask = Some(links::mask(prefix));
                    }
                    self.set(links::UP | RUNNING, true);
                    return Ok(());
                }
                let found = links::addresses()?.into_iter().find(|address| {
                    address.index == self.link.index && address.network.address == IpAddr::V4(own)
                });
                let found = found.ok_or_else(|| about(text, &io::Error::from_raw_os_error(99)))?;
                self.told(links::change_address(&found, false))
            }
            IpAddr::V6(own) => {
                let network = Network {
                    address: own.into(),
                    prefix: prefix.unwrap_or(if add { 0 } else { 128 }),
                };
                if network.prefix > 128 {
                    return Err(other(format!("'{text}': the prefix is too long")));
                }
                let done = links::set_address(self.link.index, network, None, None, add);
                self.told(done)
            }
        }
    }

    fn told<T>(&self, done: io::Result<T>) -> io::Result<T> {
        done.map_err(|error| about(self.name, &error))
    }

    fn attribute(&self, kind: u16, value: u32) -> io::Result<()> {
        let value = value.to_ne_bytes().to_vec();
        self.told(links::change(self.link.index, 0, 0, &[(kind, value)]))
    }

    fn control(&self, request: Flat, fill: impl FnOnce(&mut Vec<u8>)) -> io::Result<Vec<u8>> {
        let mut bytes = show::request(&self.link.name);
        fill(&mut bytes);
        let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
        self.told(flat(&socket, request, &mut bytes))?;
        Ok(bytes)
    }

    fn map(&self) -> io::Result<Vec<u8>> {
        self.control(Flat::SIOCGIFMAP, |_| ())
    }

    fn apply_flags(&mut self) -> io::Result<()> {
        let (flags, mask) = std::mem::take(&mut self.flags);
        if mask == 0 {
            return Ok(());
        }
        // An alias has no flags of its own: to take it down is to take its address away.
        if self.name.contains(':') && mask & links::UP != 0 && flags & links::UP == 0 {
            return match self.old.take() {
                Some(old) => self.told(links::change_address(&old, false)),
                None => Ok(()),
            };
        }
        self.told(links::change(self.link.index, flags, mask, &[]))
    }

    fn apply(&mut self) -> io::Result<()> {
        if self.own.is_some()
            || self.mask.is_some()
            || self.broadcast.is_some()
            || self.far.is_some()
        {
            self.apply_address()?;
        }
        self.apply_flags()
    }

    /// As the kernel's old calls do it: the address that is there gives way to the new one.
    fn apply_address(&mut self) -> io::Result<()> {
        let old = self.old.take();
        let before = old.as_ref().and_then(|old| match old.network.address {
            IpAddr::V4(address) => Some((address, old.network.prefix)),
            IpAddr::V6(_) => None,
        });
        let Some(own) = self.own.or(before.map(|(address, _)| address)) else {
            return Err(about(self.name, &io::Error::from_raw_os_error(99)));
        };
        let mask = match (self.mask, self.own, before) {
            (Some(mask), ..) => mask,
            (None, None, Some((_, prefix))) => links::mask(prefix),
            _ => class_mask(own),
        };
        let prefix =
            links::mask_length(mask).ok_or_else(|| other(format!("bad netmask '{mask}'")))?;
        let broadcast = match self.broadcast {
            Some(address) => Some(address),
            None if self.link.flags & BROADCAST != 0 && prefix < 31 => Some(own | !mask),
            None => None,
        };
        if let Some(old) = old {
            self.told(links::change_address(&old, false))?;
        }
        if own.is_unspecified() {
            return Ok(());
        }
        let address = Address {
            index: self.link.index,
            network: Network {
                address: own.into(),
                prefix,
            },
            peer: self.far.map(IpAddr::V4),
            broadcast: broadcast.map(IpAddr::V4),
            scope: 0,
            flags: 0,
            label: Some(self.name.to_owned()),
            lifetime: (u32::MAX, u32::MAX),
        };
        self.told(links::change_address(&address, true))?;
        self.old = Some(address);
        Ok(())
    }
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

/// Twenty bytes in hexadecimal, with or without colons.
fn infiniband(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
    let bytes: Option<Vec<u8>> = digits
        .chunks(2)
        .map(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok())
        .collect();
    bytes.filter(|bytes| bytes.len() == 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_masks() {
        assert_eq!(number("0x10").unwrap(), 16);
        assert_eq!(number("010").unwrap(), 8);
        assert_eq!(number("0").unwrap(), 0);
        assert!(number("x").is_err() && number("99999999999").is_err());
        assert_eq!(
            class_mask(Ipv4Addr::new(10, 0, 0, 1)).octets(),
            [255, 0, 0, 0]
        );
        assert_eq!(
            class_mask(Ipv4Addr::new(192, 168, 0, 1)).octets(),
            [255, 255, 255, 0]
        );
        assert_eq!(infiniband(&"ab:".repeat(20)).unwrap().len(), 20);
        assert_eq!(infiniband("ab"), None);
        assert_eq!(infiniband("abc"), None);
    }

    #[test]
    fn later_words_win() {
        let mut job = Job {
            name: "x",
            link: Link::default(),
            old: None,
            own: None,
            mask: None,
            broadcast: None,
            far: None,
            flags: (0, 0),
        };
        let mut words = [
            "-arp",
            "promisc",
            "-promisc",
            "netmask",
            "255.255.0.0",
            "10.1.2.3",
            "broadcast",
            "+",
        ]
        .into_iter();
        while let Some(word) = words.next() {
            job.word(word, &mut words).unwrap();
        }
        assert_eq!(job.flags.0, 0x80 | links::UP | RUNNING | BROADCAST);
        assert_eq!(job.broadcast, Some(Ipv4Addr::new(10, 1, 255, 255)));
        let mut none = std::iter::empty();
        for bad in ["-up", "netmask", "mtu", "10.0.0.1/33", "-nonsense"] {
            assert!(job.word(bad, &mut none).is_err(), "{bad}");
        }
    }
}

//! `arp`: shows and changes whom the interfaces know on their links.

use crate::common::dns;
use crate::common::lines::{Output, about, other, say_out, status};
use crate::common::links;
use crate::common::options::{Given, Options};
use crate::common::routes::{self, Change, Neighbour};
use std::ffi::{OsStr, OsString};
use std::io;
use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs};

pub const USAGE: &str = "[-vn] [-H TYPE] [-i DEV] [-a] [HOST]
       | [-v] [-i DEV] -d HOST [pub]
       | [-v] [-i DEV] -s HOST ADDRESS [temp] [pub]
       | [-v] [-i DEV] -Ds HOST DEV pub

-a  show all, or HOST    -d  remove    -s  set    -D  with the address of an interface    -n  no names
-i  the interface    -H, -t  only that kind of hardware (ether, loop, ppp, sit, infiniband)
-A, -p  the family (inet)    -v  say more";

const OPTIONS: Options = Options {
    applet: "arp",
    letters: "A:p:H:t:i:adnDsv",
    long: &[],
};

const KINDS: &[(&str, u16)] = &[
    ("loop", 772),
    ("ether", 1),
    ("ppp", 512),
    ("sit", 776),
    ("infiniband", 32),
];
const PERMANENT: u16 = 0x80;
const REACHABLE: u16 = 2;

/// `arp`
pub fn main(arguments: &[OsString]) -> i32 {
    match OPTIONS.parse(arguments) {
        Ok(given) => status("arp", run(&given)),
        Err(status) => status,
    }
}

fn run(given: &Given) -> io::Result<i32> {
    let text = |letter: char| given.value(letter).and_then(OsStr::to_str);
    if let Some(family) = text('A')
        .or_else(|| text('p'))
        .filter(|word| *word != "inet")
    {
        return Err(other(match family {
            "inet6" | "unix" | "unspec" => format!("{family}: kernel only supports 'inet'"),
            _ => format!("{family}: unknown address family"),
        }));
    }
    let kind = match text('H').or_else(|| text('t')) {
        None => None,
        Some(name) => {
            let known = KINDS.iter().find(|(known, _)| *known == name);
            let (name, kind) =
                known.ok_or_else(|| other(format!("{name}: unknown hardware type")))?;
            if matches!(name, &"loop" | &"ppp" | &"sit") {
                return Err(other(format!("{name}: hardware type without ARP support")));
            }
            Some(*kind)
        }
    };
    let words: Vec<String> = given
        .operands
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if given.has('s') || given.has('d') {
        let (host, words) = words.split_first().ok_or_else(|| other("need host name"))?;
        let host = resolve(host)?;
        return if given.has('s') {
            set(given, host, words)
        } else {
            remove(given, host, words)
        };
    }
    let host = words.first().map(|word| resolve(word)).transpose()?;
    show(given, host, kind)
}

fn resolve(text: &str) -> io::Result<Ipv4Addr> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let found = (text, 0).to_socket_addrs().ok();
    found
        .into_iter()
        .flatten()
        .find_map(|address| match address.ip() {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        })
        .ok_or_else(|| other(format!("{text}: Unknown host")))
}

/// What may follow: `temp`, `pub`, `dev X`, and more that the kernel no longer knows.
struct Words<'a> {
    lasting: bool,
    public: bool,
    device: Option<&'a str>,
}

fn modifiers<'a>(words: &[&'a str], device: Option<&'a str>) -> io::Result<Words<'a>> {
    let mut read = Words {
        lasting: true,
        public: false,
        device,
    };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "pub" => read.public = true,
            "priv" => read.public = false,
            "temp" => read.lasting = false,
            "trail" => {}
            "dontpub" | "auto" => {
                return Err(other(format!("feature '{word}' is not supported")));
            }
            "dev" => {
                read.device = Some(words.next().ok_or_else(|| other("'dev' needs a value"))?);
            }
            "netmask" => {
                let mask = words
                    .next()
                    .ok_or_else(|| other("'netmask' needs a value"))?;
                if *mask != "255.255.255.255" {
                    return Err(other(format!("{mask}: only whole addresses are published")));
                }
            }
            _ => return Err(other(format!("bad argument '{word}'"))),
        }
    }
    Ok(read)
}

/// The interface that is named, or the one that packets to the host leave by.
fn interface(name: Option<&str>, host: Ipv4Addr) -> io::Result<u32> {
    if let Some(name) = name {
        return links::by_name(name)
            .map(|link| link.index)
            .map_err(|error| about(name, &error));
    }
    routes::route_to(host.into())?
        .filter(|route| route.via.is_none())
        .and_then(|route| route.index)
        .ok_or_else(|| other(format!("{host} is on none of the links")))
}

fn set(given: &Given, host: Ipv4Addr, words: &[&str]) -> io::Result<i32> {
    let (hardware, words) = words
        .split_first()
        .ok_or_else(|| other("need hardware address"))?;
    let hardware = if given.has('D') {
        let link = links::by_name(hardware).map_err(|error| {
            other(format!(
                "can't get HW-Address for '{hardware}': {}",
                crate::common::lines::cause(&error)
            ))
        })?;
        link.hardware
    } else {
        links::hardware(hardware).ok_or_else(|| other("invalid hardware address"))?
    };
    let words = modifiers(words, given.value('i').and_then(OsStr::to_str))?;
    let neighbour = Neighbour {
        index: interface(words.device, host)?,
        address: host.into(),
        hardware: (!words.public).then_some(hardware),
        state: if words.lasting { PERMANENT } else { REACHABLE },
        router: false,
    };
    routes::set_neighbour_as(&neighbour, Change::Replace, words.public)?;
    Ok(0)
}

fn remove(given: &Given, host: Ipv4Addr, words: &[&str]) -> io::Result<i32> {
    let words = modifiers(words, given.value('i').and_then(OsStr::to_str))?;
    let mut done = false;
    for known in routes::neighbours()? {
        if known.address != IpAddr::V4(host) {
            continue;
        }
        if let Some(name) = words.device
            && interface(Some(name), host)? != known.index
        {
            continue;
        }
        if !words.public {
            routes::set_neighbour(&known, Change::Remove)?;
            done = true;
        }
    }
    if !done {
        // What is published for others is not among them.
        let neighbour = Neighbour {
            index: interface(words.device, host).unwrap_or(0),
            address: host.into(),
            hardware: None,
            state: 0,
            router: false,
        };
        done = routes::set_neighbour_as(&neighbour, Change::Remove, true).is_ok();
    }
    if !done {
        say_out(&format!("No ARP entry for {host}"));
        return Ok(255);
    }
    Ok(0)
}

/// A line of `/proc/net/arp`: address, kind of hardware, flags, hardware address, interface.
fn entry(line: &str) -> Option<(Ipv4Addr, u16, u32, &str, &str)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let hex = |at: usize| u32::from_str_radix(words.get(at)?.strip_prefix("0x")?, 16).ok();
    Some((
        words.first()?.parse().ok()?,
        u16::try_from(hex(1)?).ok()?,
        hex(2)?,
        words.get(3)?,
        words.get(5)?,
    ))
}

fn show(given: &Given, host: Option<Ipv4Addr>, kind: Option<u16>) -> io::Result<i32> {
    let path = "/proc/net/arp";
    let text = std::fs::read_to_string(path).map_err(|error| about(path, &error))?;
    let device = given.value('i').and_then(OsStr::to_str);
    let (mut entries, mut shown) = (0, 0);
    let mut out = Output::new();
    for (address, hardware, flags, own, name) in text.lines().skip(1).filter_map(entry) {
        entries += 1;
        if kind.is_some_and(|kind| kind != hardware)
            || host.is_some_and(|host| host != address)
            || device.is_some_and(|device| device != name)
        {
            continue;
        }
        shown += 1;
        let known = (!given.has('n'))
            .then(|| dns::reverse(&IpAddr::V4(address)))
            .flatten();
        out.put(line(known.as_deref(), address, hardware, flags, own, name).as_bytes());
    }
    if given.has('v') {
        let skipped = entries - shown;
        out.put(format!("Entries: {entries}\tSkipped: {skipped}\tFound: {shown}\n").as_bytes());
    }
    if shown == 0 && (kind.is_some() || host.is_some() || device.is_some()) {
        out.put(format!("No match found in {entries} entries\n").as_bytes());
    }
    Ok(out.finish("arp", 0, 1))
}

fn line(
    known: Option<&str>,
    address: Ipv4Addr,
    hardware: u16,
    flags: u32,
    own: &str,
    name: &str,
) -> String {
    let mut text = format!("{} ({address}) at ", known.unwrap_or("?"));
    if flags & 2 != 0 {
        let kind = KINDS
            .iter()
            .find(|(_, kind)| *kind == hardware)
            .map_or("ether", |(name, _)| name);
        text += &format!("{own} [{kind}] ");
    } else if flags & 8 != 0 {
        text += "* ";
    } else {
        text += "<incomplete> ";
    }
    let words: Vec<&str> = [(4, "PERM"), (8, "PUP"), (0x10, "TRAIL")]
        .iter()
        .filter(|(flag, _)| flags & flag != 0)
        .map(|(_, word)| *word)
        .collect();
    text + &format!("{} on {name}\n", words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries() {
        let (address, kind, flags, own, name) =
            entry("10.0.2.2         0x1         0x6         52:55:0a:00:02:02     *        eth0")
                .unwrap();
        assert_eq!(
            line(None, address, kind, flags, own, name),
            "? (10.0.2.2) at 52:55:0a:00:02:02 [ether] PERM on eth0\n"
        );
        assert_eq!(
            line(Some("h"), address, kind, 0, own, name),
            "h (10.0.2.2) at <incomplete>  on eth0\n"
        );
        assert_eq!(entry("10.0.2.2 0x1 0x2 x"), None);
    }

    #[test]
    fn words() {
        let read = modifiers(&["temp", "pub", "dev", "x"], None).unwrap();
        assert!(!read.lasting && read.public && read.device == Some("x"));
        for bad in [&["dev"][..], &["netmask", "255.0.0.0"], &["x"], &["auto"]] {
            assert!(modifiers(bad, None).is_err(), "{bad:?}");
        }
    }
}

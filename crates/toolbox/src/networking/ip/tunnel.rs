//! `ip tunnel`: tunnels of IPv4 packets: ipip, gre and sit, over rtnetlink.

use super::{Failure, View, Words, command, index, unsigned, usage};
use crate::common::links;
use std::net::Ipv4Addr;
use sys::net::{self, Attributes, Message, Netlink, Request, half, word};

const NEW_LINK: u16 = 16;
const GET_LINK: u16 = 18;

// The flags of GRE's header.
const SUM: u16 = 0x8000;
const KEY: u16 = 0x2000;
const SEQUENCE: u16 = 0x1000;

/// A tunnel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tunnel {
    name: Option<String>,
    kind: Option<&'static str>,
    remote: Option<Ipv4Addr>,
    local: Option<Ipv4Addr>,
    device: u32,
    ttl: u8,
    tos: u8,
    no_discovery: bool,
    /// What comes in and what goes out: flags and key.
    flags: [u16; 2],
    keys: [u32; 2],
}

/// `ip tunnel …`
pub(super) fn tunnel(view: &mut View, words: &[&str]) -> Result<(), Failure> {
    let (verb, rest) = command(words, &["show", "list", "lst", "add", "change", "delete"])?;
    let known = || -> Result<Vec<Tunnel>, Failure> {
        let messages = Netlink::route()?.dump(&Request::new(GET_LINK, 0, &[0; 16]))?;
        Ok(messages.iter().filter_map(decode).collect())
    };
    let old = if verb == "change" {
        let name = rest
            .iter()
            .position(|word| *word == "name")
            .map_or(0, |at| at + 1);
        let name = rest.get(name).copied().unwrap_or_default();
        let found = known()?
            .into_iter()
            .find(|tunnel| tunnel.name.as_deref() == Some(name));
        match found {
            Some(tunnel) => tunnel,
            None => return usage(format!("'{name}' is no tunnel")),
        }
    } else {
        Tunnel::default()
    };
    let wanted = parse(old, rest)?;
    match verb {
        "add" | "change" => {
            let request = wanted.request(verb == "add")?;
            Ok(Netlink::route()?.change(&request)?)
        }
        "delete" => match &wanted.name {
            Some(name) => Ok(links::remove(index(name)?)?),
            None => usage("del needs a name"),
        },
        _ => {
            let all = links::links()?;
            for tunnel in known()? {
                if wanted.is_like(&tunnel) {
                    let device = all.iter().find(|link| link.index == tunnel.device);
                    let line = tunnel.line(device.map(|link| link.name.as_str()));
                    view.out.put(line.as_bytes());
                }
            }
            Ok(())
        }
    }
}

fn parse(mut tunnel: Tunnel, words: &[&str]) -> Result<Tunnel, Failure> {
    let mut words = Words::new(words);
    let any = |text: &str| -> Result<Option<Ipv4Addr>, Failure> {
        match text {
            "any" => Ok(None),
            text => match text.parse() {
                Ok(address) => Ok(Some(address)),
                Err(_) => usage(format!("'{text}' is no address")),
            },
        }
    };
    let mut named = false;
    while let Some(word) = words.next() {
        match word {
            "mode" => {
                let kind = match words.value(word)? {
                    "ipip" | "ip/ip" => "ipip",
                    "gre" | "gre/ip" => "gre",
                    "sit" | "ipv6/ip" => "sit",
                    text => return usage(format!("'{text}' is no mode of tunnels")),
                };
                if tunnel.kind.is_some_and(|known| known != kind) {
                    return usage("a tunnel has one mode");
                }
                tunnel.kind = Some(kind);
            }
            "key" | "ikey" | "okey" => {
                let text = words.value(word)?;
                let key = text
                    .parse::<Ipv4Addr>()
                    .map(u32::from)
                    .ok()
                    .or_else(|| unsigned(text));
                let Some(key) = key else {
                    return usage(format!("invalid value for '{word}': {text}"));
                };
                for way in ways(word) {
                    if let (Some(flags), Some(place)) =
                        (tunnel.flags.get_mut(way), tunnel.keys.get_mut(way))
                    {
                        *flags |= KEY;
                        *place = key;
                    }
                }
            }
            "seq" | "iseq" | "oseq" | "csum" | "icsum" | "ocsum" => {
                let flag = if word.ends_with("seq") { SEQUENCE } else { SUM };
                for way in ways(word) {
                    if let Some(flags) = tunnel.flags.get_mut(way) {
                        *flags |= flag;
                    }
                }
            }
            "nopmtudisc" => tunnel.no_discovery = true,
            "pmtudisc" => tunnel.no_discovery = false,
            "remote" => tunnel.remote = any(words.value(word)?)?,
            "local" => tunnel.local = any(words.value(word)?)?,
            "dev" => tunnel.device = index(words.value(word)?)?,
            "ttl" | "hoplimit" => {
                tunnel.ttl = match words.value(word)? {
                    "inherit" => 0,
                    text => match text.parse() {
                        Ok(ttl) => ttl,
                        Err(_) => return usage(format!("invalid value for '{word}': {text}")),
                    },
                };
            }
            "tos" | "dsfield" => {
                tunnel.tos = match words.value(word)? {
                    "inherit" => 1,
                    text => match u8::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16) {
                        Ok(tos) => tos,
                        Err(_) => return usage(format!("invalid value for '{word}': {text}")),
                    },
                };
            }
            word => {
                let name = if word == "name" {
                    words.value(word)?
                } else {
                    word
                };
                if named {
                    return usage(format!("'{name}' is not understood here"));
                }
                named = true;
                tunnel.name = Some(name.to_owned());
            }
        }
    }
    let name = tunnel.name.as_deref().unwrap_or_default();
    let by_name = ["gre", "ipip", "sit"]
        .into_iter()
        .find(|kind| name.starts_with(kind));
    tunnel.kind = tunnel.kind.or(by_name);
    if tunnel.kind != Some("gre")
        && tunnel.kind.is_some()
        && (tunnel.flags[0] | tunnel.flags[1]) & KEY != 0
    {
        return usage("only gre has keys");
    }
    if let Some(remote) = tunnel.remote.filter(Ipv4Addr::is_multicast) {
        if tunnel.local.is_none() {
            return usage("a broadcast tunnel needs a local address");
        }
        for (flags, key) in tunnel.flags.iter_mut().zip(&mut tunnel.keys) {
            if *flags & KEY == 0 {
                *flags |= KEY;
                *key = u32::from(remote);
            }
        }
    }
    Ok(tunnel)
}

/// Which ways a word means: in, out, or both.
fn ways(word: &str) -> std::ops::Range<usize> {
    if word.starts_with('i') {
        0..1
    } else if word.starts_with('o') {
        1..2
    } else {
        0..2
    }
}

impl Tunnel {
    fn request(&self, add: bool) -> Result<Request, Failure> {
        let (Some(kind), Some(name)) = (self.kind, &self.name) else {
            return usage("a name and a mode (ipip, gre or sit) are needed");
        };
        if self.ttl != 0 && self.no_discovery {
            return usage("ttl and nopmtudisc exclude each other");
        }
        if name.len() > 15 {
            return usage(format!("'{name}' is no name for a device"));
        }
        let flags = if add { net::CREATE | net::EXCLUSIVE } else { 0 };
        let mut request = Request::new(NEW_LINK, flags, &[0; 16]);
        request.attribute(3, &[name.as_bytes(), b"\0"].concat());
        let address = |address: Option<Ipv4Addr>| address.unwrap_or(Ipv4Addr::UNSPECIFIED).octets();
        request.nest(18, |info| {
            info.attribute(1, kind.as_bytes());
            info.nest(2, |data| {
                data.number(1, self.device);
                let first = if kind == "gre" {
                    data.attribute(2, &self.flags[0].to_be_bytes());
                    data.attribute(3, &self.flags[1].to_be_bytes());
                    data.attribute(4, &self.keys[0].to_be_bytes());
                    data.attribute(5, &self.keys[1].to_be_bytes());
                    6
                } else {
                    2
                };
                data.attribute(first, &address(self.local));
                data.attribute(first + 1, &address(self.remote));
                data.attribute(first + 2, &[self.ttl]);
                data.attribute(first + 3, &[self.tos]);
                data.attribute(10, &[u8::from(!self.no_discovery)]);
            });
        });
        Ok(request)
    }

    /// Whether all that is asked for here is so there.
    fn is_like(&self, other: &Tunnel) -> bool {
        (self.name.is_none() || self.name == other.name)
            && (self.kind.is_none() || self.kind == other.kind)
            && (self.remote.is_none() || self.remote == other.remote)
            && (self.local.is_none() || self.local == other.local)
            && (self.device == 0 || self.device == other.device)
            && (self.flags[0] & KEY == 0 || self.keys[0] == other.keys[0])
    }

    fn line(&self, device: Option<&str>) -> String {
        let shown = match self.kind {
            Some("ipip") => "ip",
            Some("gre") => "gre",
            _ => "ipv6",
        };
        let address = |address: Option<Ipv4Addr>| {
            address.map_or_else(|| "any".to_owned(), |it| it.to_string())
        };
        let mut text = format!(
            "{}: {shown}/ip  remote {}  local {} ",
            self.name.as_deref().unwrap_or_default(),
            address(self.remote),
            address(self.local)
        );
        if let Some(device) = device {
            text += &format!(" dev {device} ");
        }
        match self.ttl {
            0 => text += " ttl inherit ",
            ttl => text += &format!(" ttl {ttl} "),
        }
        if self.tos != 0 {
            text += " tos";
            if self.tos & 1 != 0 {
                text += " inherit";
            }
            if self.tos & !1 != 0 {
                text.push(if self.tos & 1 != 0 { '/' } else { ' ' });
                text += &format!("0x{:02x} ", self.tos & !1);
            }
        }
        if self.no_discovery {
            text += " nopmtudisc";
        }
        let keys = self.keys.map(Ipv4Addr::from);
        if self.flags[0] & self.flags[1] & KEY != 0 && keys[0] == keys[1] {
            text += &format!(" key {}", keys[0]);
        } else {
            for ((flags, key), name) in self.flags.iter().zip(keys).zip(["ikey", "okey"]) {
                if flags & KEY != 0 {
                    text += &format!(" {name} {key} ");
                }
            }
        }
        text.push('\n');
        let more = [
            (0, SEQUENCE, "Drop packets out of sequence."),
            (0, SUM, "Checksum in received packet is required."),
            (1, SEQUENCE, "Sequence packets on output."),
            (1, SUM, "Checksum output packets."),
        ];
        for (way, flag, words) in more {
            if self.flags.get(way).is_some_and(|flags| flags & flag != 0) {
                text += &format!("  {words}\n");
            }
        }
        text
    }
}

/// The tunnel that a link is; `None` where it is something else.
fn decode(message: &Message) -> Option<Tunnel> {
    let attributes = message.attributes(16);
    let info = Attributes(attributes.find(18)?);
    let text = |bytes: &[u8]| {
        String::from_utf8_lossy(bytes)
            .trim_end_matches('\0')
            .to_owned()
    };
    let kind = text(info.find(1)?);
    let kind = ["gre", "ipip", "sit"]
        .into_iter()
        .find(|known| *known == kind)?;
    let data = Attributes(info.find(2).unwrap_or_default());
    let address = |kind: u16| {
        let four: [u8; 4] = data.find(kind)?.try_into().ok()?;
        Some(Ipv4Addr::from(four)).filter(|address| !address.is_unspecified())
    };
    let byte = |kind: u16| {
        data.find(kind)
            .and_then(|value| value.first().copied())
            .unwrap_or(0)
    };
    let first = if kind == "gre" { 6 } else { 2 };
    let mut tunnel = Tunnel {
        name: Some(text(attributes.find(3)?)),
        kind: Some(kind),
        local: address(first),
        remote: address(first + 1),
        device: data.find(1).map_or(0, |value| word(value, 0)),
        ttl: byte(first + 2),
        tos: byte(first + 3),
        no_discovery: byte(10) == 0,
        ..Tunnel::default()
    };
    if kind == "gre" {
        for ((flags, key), at) in tunnel.flags.iter_mut().zip(&mut tunnel.keys).zip(2_u16..) {
            *flags = data
                .find(at)
                .map_or(0, |value| u16::from_be(half(value, 0)));
            *key = data
                .find(at + 2)
                .map_or(0, |value| u32::from_be(word(value, 0)));
        }
    }
    Some(tunnel)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_lines() {
        let parse = |words: &[&str]| super::parse(Tunnel::default(), words);
        let Ok(tunnel) = parse(&[
            "t0", "mode", "gre", "remote", "10.0.0.1", "local", "any", "ttl", "64", "key", "7",
            "oseq",
        ]) else {
            panic!("it is a tunnel");
        };
        assert_eq!(
            tunnel.line(Some("eth0")),
            "t0: gre/ip  remote 10.0.0.1  local any  dev eth0  ttl 64  key 0.0.0.7\n  Sequence packets on output.\n"
        );
        assert!(tunnel.request(true).is_ok());
        for bad in [
            &["t0", "t1"][..],
            &["t0", "mode", "x"],
            &["t0", "mode", "gre", "mode", "sit"],
            &["t0", "mode", "ipip", "key", "1"],
            &["t0", "remote", "224.0.0.1"],
            &["t0", "ttl", "256"],
            &["remote"],
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
        let Ok(open) = parse(&["x", "ttl", "3", "nopmtudisc", "mode", "sit"]) else {
            panic!("it is a tunnel");
        };
        assert!(open.request(true).is_err());
        assert!(Tunnel::default().is_like(&tunnel));
    }

    #[test]
    fn what_is_sent_is_read() {
        for kind in ["ipip", "gre", "sit"] {
            let tunnel = Tunnel {
                name: Some("t0".into()),
                kind: Some(kind),
                remote: Some(Ipv4Addr::new(10, 0, 0, 1)),
                local: None,
                device: 3,
                ttl: 9,
                tos: 1,
                no_discovery: false,
                flags: if kind == "gre" { [KEY, SUM] } else { [0; 2] },
                keys: if kind == "gre" { [7, 0] } else { [0; 2] },
            };
            let Ok(request) = tunnel.request(true) else {
                panic!("it can be made");
            };
            let message = Message {
                kind: NEW_LINK,
                body: request.body().to_vec(),
            };
            assert_eq!(decode(&message), Some(tunnel));
            // Cut off anywhere it is less, and no panic.
            for end in 0..message.body.len() {
                let cut = message.body.get(..end).unwrap_or_default().to_vec();
                let _ = decode(&Message {
                    kind: NEW_LINK,
                    body: cut,
                });
            }
        }
    }
}

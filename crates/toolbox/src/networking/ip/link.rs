//! `ip link`.

use super::{Failure, View, Words, command, index, show, usage};
use crate::common::links;

/// `IFLA_…`
const ADDRESS: u16 = 1;
const NAME: u16 = 3;
const MTU: u16 = 4;
const LINK: u16 = 5;
const MASTER: u16 = 10;
const QUEUE: u16 = 13;

fn hardware(text: &str) -> Result<Vec<u8>, Failure> {
    match links::hardware(text) {
        Some(bytes) => Ok(bytes),
        None => usage(format!("'{text}' is no hardware address")),
    }
}

fn name(text: &str) -> Result<Vec<u8>, Failure> {
    let fine = !text.is_empty()
        && text.len() < 16
        && !text
            .bytes()
            .any(|byte| byte == b'/' || byte == 0 || byte.is_ascii_whitespace());
    if fine {
        Ok([text.as_bytes(), b"\0"].concat())
    } else {
        usage(format!("'{text}' is no name for a device"))
    }
}

/// `ip link …`
pub(super) fn link(view: &mut View, words: &[&str]) -> Result<(), Failure> {
    let (verb, rest) = match command(words, &["show", "list", "set", "add", "del", "delete"]) {
        Err(_)
            if words
                .first()
                .is_some_and(|word| links::by_name(word).is_ok()) =>
        {
            ("show", words)
        }
        other => other?,
    };
    match verb {
        "show" | "list" => {
            let (mut device, mut only_up) = (None, false);
            let mut words = Words::new(rest);
            while let Some(word) = words.next() {
                match word {
                    "dev" => device = Some(words.value(word)?),
                    "up" => only_up = true,
                    word => device = Some(word),
                }
            }
            show::links(view, device, only_up)
        }
        "set" => set(rest),
        "add" => add(rest),
        _ => {
            let mut words = Words::new(rest);
            let mut device = words.next();
            if device == Some("dev") {
                device = words.next();
            }
            let Some(device) = device else {
                return usage("del needs a device");
            };
            Ok(links::remove(index(device)?)?)
        }
    }
}

fn set(rest: &[&str]) -> Result<(), Failure> {
    let mut words = Words::new(rest);
    let mut device = words.next();
    if device == Some("dev") {
        device = words.next();
    }
    let Some(device) = device else {
        return usage("set needs a device");
    };
    let index = index(device)?;
    let (mut flags, mut mask) = (0, 0);
    let mut attributes = Vec::new();
    while let Some(word) = words.next() {
        let mut flag = |bit: u32, on: bool| {
            mask |= bit;
            if on {
                flags |= bit;
            } else {
                flags &= !bit;
            }
        };
        match word {
            "up" => flag(links::UP, true),
            "down" => flag(links::UP, false),
            "arp" => flag(0x80, words.value(word)? == "off"),
            "multicast" => flag(0x1000, words.value(word)? == "on"),
            "promisc" => flag(0x100, words.value(word)? == "on"),
            "allmulticast" => flag(0x200, words.value(word)? == "on"),
            "mtu" => attributes.push((MTU, words.number::<u32>(word)?.to_ne_bytes().to_vec())),
            "txqueuelen" | "qlen" => {
                attributes.push((QUEUE, words.number::<u32>(word)?.to_ne_bytes().to_vec()));
            }
            "name" => attributes.push((NAME, name(words.value(word)?)?)),
            "address" => attributes.push((ADDRESS, hardware(words.value(word)?)?)),
            "master" => {
                let master = super::index(words.value(word)?)?;
                attributes.push((MASTER, master.to_ne_bytes().to_vec()));
            }
            "nomaster" => attributes.push((MASTER, 0_u32.to_ne_bytes().to_vec())),
            "netns" => {
                let text = words.value(word)?;
                match text.parse::<u32>() {
                    // IFLA_NET_NS_PID
                    Ok(pid) => attributes.push((19, pid.to_ne_bytes().to_vec())),
                    Err(_) => return usage(format!("netns needs a process' number, not '{text}'")),
                }
            }
            word => return usage(format!("'{word}' is not understood here")),
        }
    }
    Ok(links::change(index, flags, mask, &attributes)?)
}

fn add(rest: &[&str]) -> Result<(), Failure> {
    let mut words = Words::new(rest);
    let (mut own, mut kind, mut peer, mut id) = (None, None, None, None);
    let mut attributes = Vec::new();
    while let Some(word) = words.next() {
        match word {
            "link" => {
                let lower = index(words.value(word)?)?;
                attributes.push((LINK, lower.to_ne_bytes().to_vec()));
            }
            "name" | "dev" => own = Some(words.value(word)?),
            "type" => kind = Some(words.value(word)?),
            "peer" => {
                let next = words.value(word)?;
                peer = Some(if next == "name" {
                    words.value(next)?
                } else {
                    next
                });
            }
            "id" => id = Some(words.number::<u16>(word)?),
            "mtu" => attributes.push((MTU, words.number::<u32>(word)?.to_ne_bytes().to_vec())),
            "address" => attributes.push((ADDRESS, hardware(words.value(word)?)?)),
            word if own.is_none() => own = Some(word),
            word => return usage(format!("'{word}' is not understood here")),
        }
    }
    let (Some(own), Some(kind)) = (own, kind) else {
        return usage("add needs a name and a type");
    };
    name(own)?;
    let peer = peer.map(name).transpose()?;
    if kind == "vlan" && id.is_none() {
        return usage("a vlan needs an id");
    }
    let done = links::add(own, kind, &attributes, |data| match (kind, &peer, id) {
        // VETH_INFO_PEER holds a whole message: its fixed part, then its attributes.
        ("veth", Some(peer), _) => {
            let mut inner = vec![0_u8; 16];
            let length = u16::try_from(peer.len() + 4).unwrap_or(0);
            inner.extend_from_slice(&length.to_ne_bytes());
            inner.extend_from_slice(&NAME.to_ne_bytes());
            inner.extend_from_slice(peer);
            data.attribute(1, &inner);
        }
        ("vlan", _, Some(id)) => {
            data.attribute(1, &id.to_ne_bytes());
        }
        _ => {}
    });
    Ok(done?)
}

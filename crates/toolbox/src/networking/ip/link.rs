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
    let (verb, rest) = match command(words, &["show", "list", "lst", "set", "add", "delete"]) {
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
        "show" | "list" | "lst" => {
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
            "arp" => flag(0x80, !on(&mut words, word)?),
            "multicast" => flag(0x1000, on(&mut words, word)?),
            "promisc" => flag(0x100, on(&mut words, word)?),
            "allmulticast" => flag(0x200, on(&mut words, word)?),
            "mtu" => attributes.push((MTU, words.number::<u32>(word)?.to_ne_bytes().to_vec())),
            "txqueuelen" | "qlen" => {
                attributes.push((QUEUE, words.number::<u32>(word)?.to_ne_bytes().to_vec()));
            }
            "name" => attributes.push((NAME, name(words.value(word)?)?)),
            "address" => attributes.push((ADDRESS, hardware(words.value(word)?)?)),
            "master" | "vrf" => {
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

/// `on` or `off`.
fn on(words: &mut Words<'_>, of: &str) -> Result<bool, Failure> {
    match words.value(of)? {
        "on" => Ok(true),
        "off" => Ok(false),
        text => usage(format!("'{of}' is 'on' or 'off', not '{text}'")),
    }
}

/// What a kind of interfaces has for itself: attributes (`IFLA_VLAN_…`, `IFLA_VRF_…`, `VETH_INFO_…`).
fn own_data(kind: &str, words: &mut Words<'_>) -> Result<Vec<(u16, Vec<u8>)>, Failure> {
    let mut data = Vec::new();
    let (mut flags, mut mask) = (0_u32, 0_u32);
    while let Some(word) = words.next() {
        match (kind, word) {
            ("vlan", "id") => data.push((1, words.number::<u16>(word)?.to_ne_bytes().to_vec())),
            ("vlan", "reorder_hdr" | "gvrp" | "loose_binding" | "mvrp") => {
                let bit = match word {
                    "reorder_hdr" => 1,
                    "gvrp" => 2,
                    "loose_binding" => 4,
                    _ => 8,
                };
                mask |= bit;
                if on(words, word)? {
                    flags |= bit;
                }
            }
            ("vlan", "protocol") => {
                let number: u16 = match words.value(word)? {
                    text if text.eq_ignore_ascii_case("802.1q") => 0x8100,
                    text if text.eq_ignore_ascii_case("802.1ad") => 0x88a8,
                    text => return usage(format!("'{text}' is no protocol of vlans")),
                };
                data.push((5, number.to_be_bytes().to_vec()));
            }
            ("vrf", "table") => {
                data.push((1, super::table(words.value(word)?)?.to_ne_bytes().to_vec()))
            }
            ("veth", "peer") => {
                let mut next = words.value(word)?;
                if next == "name" {
                    next = words.value(next)?;
                }
                let peer = name(next)?;
                // It holds a whole message: its fixed part, then its attributes.
                let mut inner = vec![0_u8; 16];
                let length = u16::try_from(peer.len() + 4).unwrap_or(0);
                inner.extend_from_slice(&length.to_ne_bytes());
                inner.extend_from_slice(&NAME.to_ne_bytes());
                inner.extend_from_slice(&peer);
                data.push((1, inner));
            }
            (_, word) => return usage(format!("'{word}' is not understood here")),
        }
    }
    if mask != 0 {
        data.push((2, [flags.to_ne_bytes(), mask.to_ne_bytes()].concat()));
    }
    if matches!(kind, "vlan" | "vrf") && !data.iter().any(|(number, _)| *number == 1) {
        return usage(if kind == "vlan" {
            "a vlan needs an id"
        } else {
            "a vrf needs a table"
        });
    }
    Ok(data)
}

fn add(rest: &[&str]) -> Result<(), Failure> {
    let mut words = Words::new(rest);
    let mut own = None;
    let mut attributes = Vec::new();
    while let Some(word) = words.next() {
        match word {
            "link" => {
                let lower = index(words.value(word)?)?;
                attributes.push((LINK, lower.to_ne_bytes().to_vec()));
            }
            "name" | "dev" => own = Some(words.value(word)?),
            "mtu" => attributes.push((MTU, words.number::<u32>(word)?.to_ne_bytes().to_vec())),
            "address" => attributes.push((ADDRESS, hardware(words.value(word)?)?)),
            "type" => {
                let kind = words.value(word)?;
                // What follows is the kind's own.
                let data = own_data(kind, &mut words)?;
                let Some(own) = own else {
                    break;
                };
                name(own)?;
                let done = links::add(own, kind, &attributes, |inner| {
                    for (kind, value) in &data {
                        inner.attribute(*kind, value);
                    }
                });
                return Ok(done?);
            }
            word if own.is_none() => own = Some(word),
            word => return usage(format!("'{word}' is not understood here")),
        }
    }
    usage("add needs a name and a type")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kinds_have_for_themselves() {
        let data = |kind: &str, words: &[&str]| own_data(kind, &mut Words::new(words)).ok();
        let vlan = data(
            "vlan",
            &[
                "id",
                "5",
                "protocol",
                "802.1ad",
                "gvrp",
                "on",
                "reorder_hdr",
                "off",
            ],
        )
        .unwrap();
        assert_eq!(vlan[0], (1, 5_u16.to_ne_bytes().to_vec()));
        assert_eq!(vlan[1], (5, vec![0x88, 0xa8]));
        assert_eq!(
            vlan[2].1,
            [2_u32.to_ne_bytes(), 3_u32.to_ne_bytes()].concat()
        );
        assert_eq!(
            data("vrf", &["table", "9"]).unwrap(),
            [(1, 9_u32.to_ne_bytes().to_vec())]
        );
        assert_eq!(data("dummy", &[]), Some(Vec::new()));
        for (kind, words) in [
            ("vlan", &[][..]),
            ("vlan", &["id", "x"]),
            ("vlan", &["id", "5", "gvrp", "maybe"]),
            ("vlan", &["id", "5", "protocol", "x"]),
            ("vrf", &[]),
            ("veth", &["peer", "name", "a-name-that-is-too-long"]),
            ("dummy", &["id", "5"]),
        ] {
            assert_eq!(data(kind, words), None, "{kind} {words:?}");
        }
    }
}

//! `ip rule`: which routing table is asked for which packets (rtnetlink(7), `fib_rules.h`).

use super::{Failure, View, Words, command, network, table, table_name, unsigned, usage};
use crate::common::links::{self, Network, address, octets};
use sys::net::{self, Message, Netlink, Request, word};

const NEW: u16 = 32;
const DELETE: u16 = 33;
const GET: u16 = 34;

// FRA_…
const TO: u16 = 1;
const FROM: u16 = 2;
const INPUT: u16 = 3;
const PREFERENCE: u16 = 6;
const MARK: u16 = 10;
const REALMS: u16 = 11;
const SUPPRESS_GROUP: u16 = 13;
const SUPPRESS_LENGTH: u16 = 14;
const TABLE: u16 = 15;
const MASK: u16 = 16;
const OUTPUT: u16 = 17;

/// What is done with a packet, by the action's number.
const ACTIONS: &[(u8, &str)] = &[
    (1, "unicast"),
    (3, "nop"),
    (6, "blackhole"),
    (7, "unreachable"),
    (8, "prohibit"),
];

/// `ip rule …`
pub(super) fn rule(view: &mut View, words: &[&str]) -> Result<(), Failure> {
    let (verb, rest) = command(words, &["list", "show", "add", "delete"])?;
    if matches!(verb, "add" | "delete") {
        let request = request(view.family, verb == "add", rest)?;
        return Ok(Netlink::route()?.change(&request)?);
    }
    if let Some(word) = rest.first() {
        return usage(format!("'{word}' is not understood here"));
    }
    let family = if view.family == 0 { 2 } else { view.family };
    let mut fixed = [0_u8; 12];
    fixed[0] = family;
    for message in Netlink::route()?.dump(&Request::new(GET, 0, &fixed))? {
        view.out.put(text(&message).as_bytes());
    }
    Ok(())
}

/// One rule as `ip` prints it.
fn text(message: &Message) -> String {
    let byte = |at: usize| message.body.get(at).copied().unwrap_or(0);
    let attributes = message.attributes(12);
    let number = |kind: u16| attributes.find(kind).map(|value| word(value, 0));
    let place = |kind: u16, length: u8| -> Option<String> {
        match attributes.find(kind).and_then(address) {
            Some(address) if length == links::bits(&address) => Some(address.to_string()),
            Some(address) => Some(format!("{address}/{length}")),
            None if length > 0 => Some(format!("0/{length}")),
            None => None,
        }
    };
    let mut text = format!(
        "{}:\tfrom {} ",
        number(PREFERENCE).unwrap_or(0),
        place(FROM, byte(2)).as_deref().unwrap_or("all")
    );
    if let Some(to) = place(TO, byte(1)) {
        text += &format!("to {to} ");
    }
    if byte(3) != 0 {
        text += &format!("tos 0x{:02x} ", byte(3));
    }
    match (number(MARK), number(MASK)) {
        (None, None) => {}
        (mark, None | Some(u32::MAX)) => text += &format!("fwmark {:#x} ", mark.unwrap_or(0)),
        (mark, Some(mask)) => text += &format!("fwmark {:#x}/{mask:#x} ", mark.unwrap_or(0)),
    }
    for (kind, name) in [(INPUT, "iif"), (OUTPUT, "oif")] {
        if let Some(device) = attributes.find(kind) {
            let device = String::from_utf8_lossy(device);
            text += &format!("{name} {} ", device.trim_end_matches('\0'));
        }
    }
    let table = number(TABLE).unwrap_or_else(|| byte(4).into());
    if table != 0 {
        text += &format!("lookup {} ", table_name(table));
    }
    for (kind, name) in [
        (SUPPRESS_LENGTH, "suppress_prefixlength"),
        (SUPPRESS_GROUP, "suppress_ifgroup"),
    ] {
        if let Some(number) = number(kind).filter(|number| *number != u32::MAX) {
            text += &format!("{name} {number} ");
        }
    }
    if let Some(realms) = number(REALMS) {
        if realms >> 16 != 0 {
            text += &format!("realms {}/", realms >> 16);
        }
        text += &format!("{} ", realms & 0xffff);
    }
    match ACTIONS.iter().find(|(number, _)| *number == byte(7)) {
        Some((1, _)) | None => {}
        Some((_, name)) => text += name,
    }
    text.push('\n');
    text
}

/// The message that adds a rule, or removes the one that is like it.
fn request(family: u8, add: bool, words: &[&str]) -> Result<Request, Failure> {
    let mut words = Words::new(words);
    let mut fixed = [0_u8; 12];
    let mut attributes: Vec<(u16, Vec<u8>)> = Vec::new();
    let (mut family, mut chosen) = (family, None);
    let mut action = u8::from(add);
    while let Some(word) = words.next() {
        match word {
            "from" | "to" => {
                let value = words.value(word)?;
                if matches!(value, "all" | "default" | "any") {
                    continue;
                }
                let Network { address, prefix } = network(value)?;
                let own = links::family(&address);
                if family != 0 && family != own {
                    return usage(format!("'{value}' is of the other family"));
                }
                family = own;
                let (kind, at) = if word == "from" { (FROM, 2) } else { (TO, 1) };
                if let Some(place) = fixed.get_mut(at) {
                    *place = prefix;
                }
                attributes.push((kind, octets(&address)));
            }
            "preference" | "order" | "priority" | "pref" | "prio" => {
                attributes.push((PREFERENCE, number(&mut words, word)?.to_vec()));
            }
            "tos" | "dsfield" => {
                let value = words.value(word)?;
                let hex = u8::from_str_radix(value.strip_prefix("0x").unwrap_or(value), 16);
                match hex {
                    Ok(tos) => fixed[3] = tos,
                    Err(_) => return usage(format!("invalid value for '{word}': {value}")),
                }
            }
            "fwmark" => {
                let value = words.value(word)?;
                let (mark, mask) = match value.split_once('/') {
                    Some((mark, mask)) => (mark, Some(mask)),
                    None => (value, None),
                };
                for (kind, text) in [(MARK, Some(mark)), (MASK, mask)] {
                    let Some(text) = text else { continue };
                    match unsigned(text) {
                        Some(number) => attributes.push((kind, number.to_ne_bytes().to_vec())),
                        None => return usage(format!("invalid value for '{word}': {value}")),
                    }
                }
            }
            "realms" => {
                let value = words.value(word)?;
                let (from, to) = value.split_once('/').unwrap_or(("0", value));
                match (from.parse::<u16>(), to.parse::<u16>()) {
                    (Ok(from), Ok(to)) => {
                        let both = u32::from(from) << 16 | u32::from(to);
                        attributes.push((REALMS, both.to_ne_bytes().to_vec()));
                    }
                    _ => return usage(format!("invalid value for '{word}': {value}")),
                }
            }
            "table" | "lookup" => chosen = Some(table(words.value(word)?)?),
            "suppress_prefixlength" => {
                attributes.push((SUPPRESS_LENGTH, number(&mut words, word)?.to_vec()));
            }
            "suppress_ifgroup" => {
                attributes.push((SUPPRESS_GROUP, number(&mut words, word)?.to_vec()));
            }
            "dev" | "iif" | "oif" => {
                let name = [words.value(word)?.as_bytes(), b"\0"].concat();
                attributes.push((if word == "oif" { OUTPUT } else { INPUT }, name));
            }
            "type" => {
                let name = words.value(word)?;
                action = kind(name)?;
            }
            name => action = kind(name)?,
        }
    }
    if family == 0 {
        family = 2;
    }
    let looks_up = action == 1;
    let chosen = chosen.unwrap_or(if add && looks_up { 254 } else { 0 });
    fixed[0] = family;
    fixed[4] = u8::try_from(chosen).unwrap_or(0);
    fixed[7] = action;
    let flags = if add { net::CREATE | net::EXCLUSIVE } else { 0 };
    let mut request = Request::new(if add { NEW } else { DELETE }, flags, &fixed);
    for (kind, value) in &attributes {
        request.attribute(*kind, value);
    }
    if chosen > 255 {
        request.number(TABLE, chosen);
    }
    Ok(request)
}

fn kind(name: &str) -> Result<u8, Failure> {
    let name = if name == "reject" {
        "unreachable"
    } else {
        name
    };
    match ACTIONS.iter().find(|(_, known)| *known == name) {
        Some((number, _)) => Ok(*number),
        None => usage(format!("'{name}' is not understood here")),
    }
}

fn number(words: &mut Words<'_>, of: &str) -> Result<[u8; 4], Failure> {
    let word = words.value(of)?;
    match unsigned(word) {
        Some(number) => Ok(number.to_ne_bytes()),
        None => usage(format!("invalid value for '{of}': {word}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_rule() {
        for bad in [
            &["from"][..],
            &["from", "x"],
            &["from", "10.0.0.0/33"],
            &["from", "10.0.0.1", "to", "fd00::1"],
            &["fwmark", "1/x"],
            &["tos", "0x100"],
            &["realms", "70000"],
            &["pref", "-1"],
            &["nonsense"],
        ] {
            assert!(request(0, true, bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn hostile_answers_are_printed_somehow() {
        for length in 0..40 {
            let message = Message {
                kind: NEW,
                body: vec![0xff; length],
            };
            assert!(text(&message).ends_with('\n'));
        }
    }
}

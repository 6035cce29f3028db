//! DHCP's options: as the command line writes them, as the wire has them, as the script gets them.

use super::packet::Reply;
use crate::common::links;
use crate::common::options::Given;
use std::net::Ipv4Addr;
use std::os::unix::ffi::OsStrExt;

/// How an option's value is shown to the script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Addresses,
    Text,
    Number,
    Half,
    Byte,
    Routes,
    Names,
    Hex,
}

/// The options by name; those marked are asked for without `-O`.
const KNOWN: &[(u8, &str, Form, bool)] = &[
    (1, "subnet", Form::Addresses, true),
    (2, "timezone", Form::Number, false),
    (3, "router", Form::Addresses, true),
    (6, "dns", Form::Addresses, true),
    (7, "logsrv", Form::Addresses, false),
    (12, "hostname", Form::Text, true),
    (13, "bootsize", Form::Half, false),
    (15, "domain", Form::Text, true),
    (17, "rootpath", Form::Text, false),
    (23, "ipttl", Form::Byte, false),
    (26, "mtu", Form::Half, false),
    (28, "broadcast", Form::Addresses, true),
    (33, "routes", Form::Addresses, false),
    (42, "ntpsrv", Form::Addresses, true),
    (44, "wins", Form::Addresses, false),
    (51, "lease", Form::Number, false),
    (53, "dhcptype", Form::Byte, false),
    (54, "serverid", Form::Addresses, false),
    (56, "message", Form::Text, false),
    (60, "vendor", Form::Text, false),
    (61, "clientid", Form::Hex, false),
    (66, "tftp", Form::Text, false),
    (67, "bootfile", Form::Text, false),
    (119, "search", Form::Names, true),
    (121, "staticroutes", Form::Routes, true),
    (249, "msstaticroutes", Form::Routes, false),
];

/// What `-x`, `-V`, `-F`, `-O` and `-o` add to each message.
pub fn sent_options(given: &Given) -> Result<Vec<(u8, Vec<u8>)>, String> {
    let code = |name: &str| -> Option<u8> {
        match name.strip_prefix("0x") {
            Some(hex) => u8::from_str_radix(hex, 16).ok(),
            None => name.parse().ok().or_else(|| {
                KNOWN
                    .iter()
                    .find(|(_, known, ..)| *known == name)
                    .map(|(code, ..)| *code)
            }),
        }
    };
    let mut sent = Vec::new();
    let class = given
        .value('V')
        .map_or_else(|| b"udhcp 1.37.0".to_vec(), |text| text.as_bytes().to_vec());
    if !class.is_empty() {
        sent.push((60, class));
    }
    sent.push((57, 1500_u16.to_be_bytes().to_vec()));
    for letter in ['F', 'H'] {
        if let Some(name) = given.value(letter) {
            sent.push((12, name.as_bytes().to_vec()));
        }
    }
    for text in given.values('x') {
        let text = text.to_string_lossy();
        let (name, value) = text.split_once(':').unwrap_or((&text, ""));
        let bad = || format!("-x {text}: no such option, or a wrong value");
        let number = code(name).ok_or_else(bad)?;
        let form = KNOWN.iter().find(|(known, ..)| *known == number);
        let bytes = match form.map(|(_, _, form, _)| *form) {
            Some(Form::Text | Form::Names) => value.as_bytes().to_vec(),
            Some(Form::Addresses) => {
                let mut bytes = Vec::new();
                for word in value.split([',', ' ']) {
                    bytes.extend(word.parse::<Ipv4Addr>().map_err(|_| bad())?.octets());
                }
                bytes
            }
            Some(Form::Number) => value
                .parse::<u32>()
                .map_err(|_| bad())?
                .to_be_bytes()
                .to_vec(),
            Some(Form::Half) => value
                .parse::<u16>()
                .map_err(|_| bad())?
                .to_be_bytes()
                .to_vec(),
            Some(Form::Byte) => vec![value.parse().map_err(|_| bad())?],
            _ => unhex(value).ok_or_else(bad)?,
        };
        sent.retain(|(known, _)| *known != number);
        sent.push((number, bytes));
    }
    let mut asked: Vec<u8> = Vec::new();
    if !given.has('o') {
        asked.extend(
            KNOWN
                .iter()
                .filter(|(.., usual)| *usual)
                .map(|(code, ..)| *code),
        );
    }
    for name in given.values('O') {
        let name = name.to_string_lossy();
        let number = code(&name).ok_or_else(|| format!("-O {name}: no such option"))?;
        if !asked.contains(&number) {
            asked.push(number);
        }
    }
    if !asked.is_empty() {
        sent.push((55, asked));
    }
    Ok(sent)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| *c != ':')
        .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
        .collect::<Option<_>>()?;
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits
        .chunks(2)
        .map(|pair| Some(pair.first()? << 4 | pair.get(1)?))
        .collect()
}

/// What the script gets to know, as its environment.
pub fn environment(reply: &Reply) -> Vec<(String, Vec<u8>)> {
    let mut all = vec![("ip".to_owned(), reply.yours.to_string().into_bytes())];
    if !reply.next.is_unspecified() {
        all.push(("siaddr".to_owned(), reply.next.to_string().into_bytes()));
    }
    for (name, value) in [
        ("boot_file", &reply.boot_file),
        ("sname", &reply.server_name),
    ] {
        if !value.is_empty() {
            all.push((name.to_owned(), printable(value)));
        }
    }
    for (code, value) in &reply.options {
        match KNOWN.iter().find(|(known, ..)| known == code) {
            Some((_, name, form, _)) => {
                if let Some(text) = shown(value, *form) {
                    all.push(((*name).to_owned(), text));
                }
            }
            None if !matches!(code, 52 | 55 | 57 | 58 | 59) => {
                all.push((format!("opt{code}"), hex(value)));
            }
            None => {}
        }
    }
    if let Some(length) = reply.address(1).and_then(links::mask_length) {
        all.push(("mask".to_owned(), length.to_string().into_bytes()));
    }
    all
}

/// Only what cannot mean anything to a shell or a terminal.
fn printable(value: &[u8]) -> Vec<u8> {
    value
        .iter()
        .take_while(|byte| **byte != 0)
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'/' | b':' | b' ' => {
                *byte
            }
            _ => b'?',
        })
        .collect()
}

fn hex(value: &[u8]) -> Vec<u8> {
    value
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>()
        .into_bytes()
}

fn shown(value: &[u8], form: Form) -> Option<Vec<u8>> {
    let address = |bytes: &[u8]| -> Option<String> {
        let four: [u8; 4] = bytes.try_into().ok()?;
        Some(Ipv4Addr::from(four).to_string())
    };
    let text = match form {
        Form::Addresses => {
            let list: Vec<String> = value.chunks_exact(4).filter_map(address).collect();
            list.join(" ")
        }
        Form::Text => return Some(printable(value)),
        Form::Number => u32::from_be_bytes(value.get(..4)?.try_into().ok()?).to_string(),
        Form::Half => u16::from_be_bytes(value.get(..2)?.try_into().ok()?).to_string(),
        Form::Byte => value.first()?.to_string(),
        Form::Hex => return Some(hex(value)),
        Form::Names => names(value).join(" "),
        // RFC 3442: the length of the prefix, as many bytes of it as count, the router.
        Form::Routes => {
            let (mut list, mut rest) = (Vec::new(), value);
            while let Some((prefix, behind)) = rest.split_first().filter(|(p, _)| **p <= 32) {
                let length = usize::from(*prefix).div_ceil(8);
                let (Some(net), Some(router)) =
                    (behind.get(..length), behind.get(length..length + 4))
                else {
                    break;
                };
                let mut whole = net.to_vec();
                whole.resize(4, 0);
                list.push(format!(
                    "{}/{prefix} {}",
                    address(&whole)?,
                    address(router)?
                ));
                rest = behind.get(length + 4..).unwrap_or_default();
            }
            list.join(" ")
        }
    };
    Some(text.into_bytes())
}

/// Domain names as RFC 1035 packs them, with pointers back to earlier ones.
fn names(value: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    let mut at = 0;
    while at < value.len() {
        let (mut name, mut place, mut end, mut jumps) = (Vec::new(), at, None, 0);
        loop {
            let Some(length) = value.get(place).copied() else {
                return names;
            };
            if length & 0xc0 == 0xc0 {
                let Some(low) = value.get(place + 1) else {
                    return names;
                };
                end.get_or_insert(place + 2);
                place = usize::from(length & 0x3f) << 8 | usize::from(*low);
                jumps += 1;
                if jumps > 16 {
                    return names;
                }
                continue;
            }
            place += 1;
            if length == 0 {
                break;
            }
            let Some(label) = value.get(place..place + usize::from(length)) else {
                return names;
            };
            name.push(String::from_utf8_lossy(&printable(label)).into_owned());
            place += usize::from(length);
        }
        names.push(name.join("."));
        at = end.unwrap_or(place);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::options::Options;
    use std::ffi::OsString;

    #[test]
    fn values_are_shown_and_harmless() {
        let text = |value: &[u8], form| String::from_utf8(shown(value, form).unwrap()).unwrap();
        assert_eq!(
            text(&[10, 0, 2, 3, 10, 0, 2, 4], Form::Addresses),
            "10.0.2.3 10.0.2.4"
        );
        assert_eq!(text(b"a$(reboot)`x`;", Form::Text), "a??reboot??x??");
        assert_eq!(text(&[0, 1, 81, 128], Form::Number), "86400");
        assert_eq!(
            text(
                &[24, 192, 168, 1, 10, 0, 0, 1, 0, 10, 0, 0, 2],
                Form::Routes
            ),
            "192.168.1.0/24 10.0.0.1 0.0.0.0/0 10.0.0.2"
        );
        assert_eq!(
            text(b"\x03eng\x07example\x00\x03lab\xc0\x04", Form::Names),
            "eng.example lab.example"
        );
        // Pointers that go round.
        assert_eq!(text(b"\xc0\x00", Form::Names), "");
        assert_eq!(shown(&[1], Form::Number), None);
    }

    #[test]
    fn options_on_the_command_line() {
        let parse = |words: &[&str]| {
            let options = Options {
                applet: "udhcpc",
                letters: "oV:x:O:F:H:",
                long: &[],
            };
            let words: Vec<OsString> = std::iter::once("udhcpc")
                .chain(words.iter().copied())
                .map(OsString::from)
                .collect();
            sent_options(&options.parse(&words).unwrap())
        };
        let sent = parse(&["-x", "hostname:box", "-x", "0x3d:01aabb", "-O", "mtu", "-o"]).unwrap();
        assert!(sent.contains(&(12, b"box".to_vec())));
        assert!(sent.contains(&(61, vec![1, 0xaa, 0xbb])));
        assert!(sent.contains(&(55, vec![26])));
        assert!(parse(&["-x", "nonsense:1"]).is_err());
        assert!(parse(&["-O", "300"]).is_err());
        assert!(parse(&["-x", "router:1.2.3"]).is_err());
    }
}

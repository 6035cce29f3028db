//! `ether-wake`: wakes a sleeping machine with AMD's magic packet.

use crate::common::lines::{about, other, status};
use crate::common::links;
use crate::common::options::{Given, Options};
use std::ffi::OsString;
use std::io;
use std::net::Ipv4Addr;
use sys::net::Packet;

pub const USAGE: &str = "[-b] [-i DEV] [-p PASSWORD] MAC

-b  to all of them    -i  the interface (eth0)    -p  six bytes as 1:2:3:4:5:6, or four as 1.2.3.4
MAC may be a name of /etc/ethers";

const OPTIONS: Options = Options {
    applet: "ether-wake",
    letters: "bi:p:",
    long: &[],
};

/// The Ethernet type of such packets.
const WAKE: u16 = 0x0842;

/// `ether-wake`
pub fn main(arguments: &[OsString]) -> i32 {
    match OPTIONS.take(arguments, 1, 1) {
        Ok(given) => status("ether-wake", run(&given)),
        Err(status) => status,
    }
}

/// Four or six bytes.
fn password(text: &str) -> Option<Vec<u8>> {
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Some(address.octets().to_vec());
    }
    let bytes: Vec<u8> = text
        .split(':')
        .map(|part| {
            u8::from_str_radix(part, 16)
                .ok()
                .filter(|_| part.len() <= 2)
        })
        .collect::<Option<_>>()?;
    matches!(bytes.len(), 4 | 6).then_some(bytes)
}

/// The address that `/etc/ethers` has for a name (ethers(5)).
fn by_name(table: &str, name: &str) -> Option<Vec<u8>> {
    table.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let hardware = links::hardware(words.next()?)?;
        (words.next()? == name).then_some(hardware)
    })
}

fn payload(hardware: &[u8], password: &[u8]) -> Vec<u8> {
    [&[0xff; 6], hardware.repeat(16).as_slice(), password].concat()
}

fn run(given: &Given) -> io::Result<i32> {
    let word = given
        .operands
        .first()
        .map(|word| word.to_string_lossy())
        .unwrap_or_default();
    let ethers = || std::fs::read_to_string("/etc/ethers").unwrap_or_default();
    let hardware = links::hardware(&word)
        .or_else(|| by_name(&ethers(), &word))
        .ok_or_else(|| {
            other(format!(
                "'{word}' is no hardware address, and not in /etc/ethers"
            ))
        })?;
    let password = match given.value('p') {
        None => Vec::new(),
        Some(text) => text
            .to_str()
            .and_then(password)
            .ok_or_else(|| other(format!("'{}' is no password", text.display())))?,
    };
    let device = given
        .value('i')
        .map_or("eth0".into(), |name| name.to_string_lossy());
    let link = links::by_name(&device).map_err(|error| about(&*device, &error))?;
    let to = if given.has('b') {
        &[0xff; 6][..]
    } else {
        &hardware
    };
    Packet::open(link.index, WAKE)?
        .send(to, &payload(&hardware, &password))
        .map_err(|error| about(&*device, &error))?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_and_passwords() {
        let packet = payload(&[1, 2, 3, 4, 5, 6], &[9, 9, 9, 9]);
        assert_eq!(packet.len(), 6 + 96 + 4);
        assert_eq!(
            packet[..12],
            [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4, 5, 6]
        );
        assert_eq!(password("1.2.3.255").unwrap(), [1, 2, 3, 255]);
        assert_eq!(password("a:b:c:d:e:ff").unwrap(), [10, 11, 12, 13, 14, 255]);
        for bad in [
            "",
            "1.2.3",
            "1.2.3.256",
            "1:2:3",
            "1:2:3:4:5:6:7",
            "1:2:3:400",
        ] {
            assert_eq!(password(bad), None, "{bad}");
        }
        let table = "# known\n00:11:22:33:44:55 box # mine\nbad box2\n";
        assert_eq!(
            by_name(table, "box").unwrap(),
            [0, 0x11, 0x22, 0x33, 0x44, 0x55]
        );
        assert_eq!(by_name(table, "box2"), None);
    }
}

//! `vconfig`: VLANs of IEEE 802.1Q, by the control call of old.

use crate::common::lines::{about, other, status};
use crate::common::options::Options;
use std::ffi::OsString;
use std::io;
use std::net::UdpSocket;
use sys::control::{Flat, flat};

pub const USAGE: &str = "COMMAND [argument...]

add DEV ID    rem NAME    set_flag DEV 0|1 QOS    set_egress_map NAME PRIORITY QOS    set_ingress_map NAME PRIORITY QOS
set_name_type VLAN_PLUS_VID|VLAN_PLUS_VID_NO_PAD|DEV_PLUS_VID|DEV_PLUS_VID_NO_PAD";

const OPTIONS: Options = Options {
    applet: "vconfig",
    letters: "",
    long: &[],
};

/// A command: its number and how many words follow it.
const COMMANDS: &[(&str, u32, usize)] = &[
    ("add", 0, 2),
    ("rem", 1, 1),
    ("set_ingress_map", 2, 3),
    ("set_egress_map", 3, 3),
    ("set_name_type", 6, 1),
    ("set_flag", 7, 3),
];

const NAME_TYPES: &[&str] = &[
    "VLAN_PLUS_VID",
    "DEV_PLUS_VID",
    "VLAN_PLUS_VID_NO_PAD",
    "DEV_PLUS_VID_NO_PAD",
];

/// `vconfig`
pub fn main(arguments: &[OsString]) -> i32 {
    let words: Vec<String> = arguments
        .iter()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let Some((command, rest)) = words.split_first() else {
        return OPTIONS.wrong("missing operand");
    };
    let known = COMMANDS
        .iter()
        .find(|(name, ..)| name.eq_ignore_ascii_case(command));
    let Some((_, number, count)) = known else {
        return OPTIONS.wrong(&format!("invalid argument '{command}'"));
    };
    if rest.len() != *count {
        return OPTIONS.wrong(&format!("{command} takes {count} words"));
    }
    match request(*number, rest) {
        Ok(mut bytes) => status("vconfig", call(&mut bytes, command)),
        Err(error) => OPTIONS.wrong(&error.to_string()),
    }
}

fn call(bytes: &mut [u8], command: &str) -> io::Result<i32> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    flat(&socket, Flat::SIOCSIFVLAN, bytes)
        .map_err(|error| about(format!("ioctl error for {command}"), &error))?;
    Ok(0)
}

/// The kernel's `vlan_ioctl_args`: the command, two names of 24 bytes of which a number can take the second one's
/// place, the priority.
fn request(command: u32, words: &[&str]) -> io::Result<Vec<u8>> {
    let number = |at: usize, most: u32| -> io::Result<u32> {
        let text = words.get(at).copied().unwrap_or_default();
        let number = text.parse().ok().filter(|number| *number <= most);
        number.ok_or_else(|| other(format!("number {text} is not in 0..{most} range")))
    };
    let first = words.first().copied().unwrap_or_default();
    let (mut value, mut priority) = (0, 0);
    let mut name = first;
    match command {
        0 => value = number(1, 4095)?,
        2 | 3 => (value, priority) = (number(1, u32::MAX)?, number(2, 7)?),
        6 => {
            name = "";
            let known = NAME_TYPES
                .iter()
                .position(|known| known.eq_ignore_ascii_case(first));
            let known = known.ok_or_else(|| other(format!("invalid argument '{first}'")))?;
            value = u32::try_from(known).unwrap_or(0);
        }
        7 => (value, priority) = (number(1, 1)?, number(2, 7)?),
        _ => {}
    }
    if name.len() > 15 {
        return Err(other(format!("'{name}' is no name for a device")));
    }
    let mut bytes = command.to_ne_bytes().to_vec();
    bytes.extend(name.as_bytes());
    bytes.resize(28, 0);
    bytes.extend(value.to_ne_bytes());
    bytes.resize(52, 0);
    bytes.extend((priority as u16).to_ne_bytes());
    bytes.resize(56, 0);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests() {
        let bytes = request(0, &["eth0", "5"]).unwrap();
        assert_eq!(bytes.len(), 56);
        assert_eq!(bytes[4..9], *b"eth0\0");
        assert_eq!(bytes[28..32], 5_u32.to_ne_bytes());
        let bytes = request(3, &["eth0.5", "4", "7"]).unwrap();
        assert_eq!((bytes[28], bytes[52]), (4, 7));
        assert_eq!(request(6, &["dev_plus_vid_no_pad"]).unwrap()[28], 3);
        for (command, words) in [
            (0, &["eth0", "4096"][..]),
            (0, &["eth0", "x"]),
            (0, &["a-name-that-is-too-long", "1"]),
            (6, &["x"]),
            (7, &["eth0", "2", "0"]),
            (3, &["eth0", "1", "8"]),
        ] {
            assert!(request(command, words).is_err(), "{words:?}");
        }
    }
}

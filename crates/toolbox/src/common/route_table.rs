//! The kernel's routing table as `route` and `netstat -r` print it.

use super::dns;
use super::lines::about;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Up, gateway, host, reinstate, dynamic, modified; of IPv6: default, made by address configuration, cache, reject,
/// no next hop.
const LETTERS: &[(u32, char)] = &[
    (1, 'U'),
    (2, 'G'),
    (4, 'H'),
    (8, 'R'),
    (0x10, 'D'),
    (0x20, 'M'),
    (0x1_0000, 'D'),
    (0x4_0000, 'A'),
    (0x100_0000, 'C'),
    (0x200, '!'),
    (0x20_0000, 'n'),
];
const FOUR: u32 = 0x3f;
const SIX: u32 = 1 | 2 | 4 | 0x1_0000 | 0x4_0000 | 0x100_0000 | 0x200 | 0x20_0000;
const UP: u32 = 1;
const REJECT: u32 = 0x200;

fn letters(flags: u32) -> String {
    LETTERS
        .iter()
        .filter(|(flag, _)| flags & flag != 0)
        .map(|(_, letter)| *letter)
        .collect()
}

fn read(path: &str) -> io::Result<String> {
    std::fs::read_to_string(path).map_err(|error| about(path, &error))
}

/// The table of IPv4: `numeric` asks nobody for names; `windows` shows what TCP makes of a route.
///
/// # Errors
/// The system's error: /proc is not mounted.
pub fn four(numeric: bool, windows: bool) -> io::Result<String> {
    let columns = if windows {
        "  MSS Window  irtt"
    } else {
        "Metric Ref    Use"
    };
    let mut text = format!(
        "Kernel IP routing table\nDestination     Gateway         Genmask         Flags {columns} Iface\n"
    );
    for line in read("/proc/net/route")?.lines().skip(1) {
        if let Some(line) = four_line(line, numeric, windows) {
            text += &line;
        }
    }
    Ok(text)
}

fn four_line(line: &str, numeric: bool, windows: bool) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let address = |at: usize| -> Option<Ipv4Addr> {
        // The kernel prints the four bytes as a number of this machine.
        let number = u32::from_str_radix(words.get(at)?, 16).ok()?;
        Some(Ipv4Addr::from(number.to_ne_bytes()))
    };
    let number = |at: usize| -> Option<u64> { words.get(at)?.parse().ok() };
    let flags = u32::from_str_radix(words.get(3)?, 16).ok()?;
    if flags & UP == 0 {
        return None;
    }
    let mask = address(7)?;
    let name = |address: Ipv4Addr, zero: &str| -> String {
        if numeric {
            return address.to_string();
        }
        if address.is_unspecified() {
            return zero.to_owned();
        }
        // A network has a name only where the whole of the address is meant.
        if mask != Ipv4Addr::BROADCAST && zero == "default" {
            return address.to_string();
        }
        dns::reverse(&IpAddr::from(address)).unwrap_or_else(|| address.to_string())
    };
    let mut shown = letters(flags & FOUR);
    if flags & REJECT != 0 {
        shown = shown.replacen('U', "!", 1);
    }
    let numbers = if windows {
        format!("{:>5} {:<5} {:>6}", number(8)?, number(9)?, number(10)?)
    } else {
        format!("{:<6} {:<2} {:>7}", number(6)?, number(4)?, number(5)?)
    };
    Some(format!(
        "{:<15.15} {:<15.15} {:<16}{shown:<6}{numbers} {}\n",
        name(address(1)?, "default"),
        name(address(2)?, "*"),
        mask.to_string(),
        words.first()?
    ))
}

/// The table of IPv6.
///
/// # Errors
/// The system's error: /proc is not mounted, or there is no IPv6.
pub fn six() -> io::Result<String> {
    let mut text = format!(
        "Kernel IPv6 routing table\n{:<44}{:<40}Flags Metric Ref    Use Iface\n",
        "Destination", "Next Hop"
    );
    for line in read("/proc/net/ipv6_route")?.lines() {
        if let Some(line) = six_line(line) {
            text += &line;
        }
    }
    Ok(text)
}

fn six_line(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let number = |at: usize| -> Option<u32> { u32::from_str_radix(words.get(at)?, 16).ok() };
    let address = |at: usize| -> Option<Ipv6Addr> {
        Some(Ipv6Addr::from(
            u128::from_str_radix(words.get(at)?, 16).ok()?,
        ))
    };
    let to = format!("{}/{}", address(0)?, number(1)?);
    Some(format!(
        "{to:<43} {:<39} {:<5} {:<6} {:<2} {:>7} {:<8}\n",
        address(4)?.to_string(),
        letters(number(8)? & SIX),
        number(5)?.cast_signed(),
        number(6)?,
        number(7)?,
        words.get(9)?
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_four() {
        let word = |address: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(address));
        let line = format!(
            "eth0\t{}\t{}\t0003\t0\t0\t100\t{}\t0\t0\t0",
            word([0; 4]),
            word([10, 0, 2, 2]),
            word([0; 4])
        );
        assert_eq!(
            four_line(&line, true, false).unwrap(),
            "0.0.0.0         10.0.2.2        0.0.0.0         UG    100    0        0 eth0\n"
        );
        assert!(
            four_line(&line, true, true)
                .unwrap()
                .ends_with("UG        0 0          0 eth0\n")
        );
        // What is down is not shown; what is cut off is no line.
        assert_eq!(four_line(&line.replace("0003", "0002"), true, false), None);
        assert_eq!(four_line("eth0 0 0 0001 0", true, false), None);
    }

    #[test]
    fn lines_of_six() {
        let zero = "0".repeat(32);
        let line = format!(
            "fe800000000000000000000000000000 40 {zero} 00 {zero} 00000100 00000001 00000000 00000001 eth0"
        );
        assert_eq!(
            six_line(&line).unwrap(),
            format!(
                "{:<43} {:<39} U     256    1        0 eth0    \n",
                "fe80::/64", "::"
            )
        );
        assert_eq!(six_line("x"), None);
    }
}

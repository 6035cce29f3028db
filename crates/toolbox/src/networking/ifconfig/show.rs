//! What `ifconfig` shows of an interface.

use crate::common::lines::{Output, cause, say};
use crate::common::links::{self, Address, Link};
use std::collections::HashMap;
use std::net::IpAddr;
use sys::control::{Flat, flat};

const FLAGS: [(u32, &str); 14] = [
    (1, "UP"),
    (2, "BROADCAST"),
    (4, "DEBUG"),
    (8, "LOOPBACK"),
    (0x10, "POINTOPOINT"),
    (0x20, "NOTRAILERS"),
    (0x40, "RUNNING"),
    (0x80, "NOARP"),
    (0x100, "PROMISC"),
    (0x200, "ALLMULTI"),
    (0x800, "SLAVE"),
    (0x400, "MASTER"),
    (0x1000, "MULTICAST"),
    (0x8000, "DYNAMIC"),
];

/// An `ifreq` with a name.
pub fn request(name: &str) -> Vec<u8> {
    let mut bytes = vec![0; 16 + 3 * size_of::<usize>()];
    for (to, from) in bytes.iter_mut().take(15).zip(name.bytes()) {
        *to = from;
    }
    bytes
}

/// The lines of `/proc/net/dev`: sixteen counts for each interface.
fn counts(text: &str) -> HashMap<String, Vec<u64>> {
    text.lines()
        .skip(2)
        .filter_map(|line| {
            let (name, rest) = line.split_once(':')?;
            let counts = rest
                .split_whitespace()
                .filter_map(|word| word.parse().ok())
                .collect();
            Some((name.trim().to_owned(), counts))
        })
        .collect()
}

/// All interfaces that are up, or all of them.
pub fn all(down_too: bool) -> i32 {
    let (links, addresses) = match links::links().and_then(|all| Ok((all, links::addresses()?))) {
        Ok(found) => found,
        Err(error) => {
            say("ifconfig", cause(&error));
            return 1;
        }
    };
    let counts = counts(&std::fs::read_to_string("/proc/net/dev").unwrap_or_default());
    let mut out = Output::new();
    for link in links.iter().filter(|link| down_too || link.flags & 1 != 0) {
        out.put(text(&link.name, link, &addresses, counts.get(&link.name)).as_bytes());
        // Aliases follow their device.
        for address in addresses.iter().filter(|one| one.index == link.index) {
            if let Some(label) = address.label.as_deref().filter(|label| *label != link.name) {
                out.put(text(label, link, &addresses, None).as_bytes());
            }
        }
    }
    out.finish("ifconfig", 0, 1)
}

/// One interface, or an alias.
pub fn one(name: &str) -> i32 {
    let device = name.split(':').next().unwrap_or(name);
    let found = links::by_name(device).and_then(|link| Ok((link, links::addresses()?)));
    let (link, addresses) = match found {
        Ok(found) => found,
        Err(error) => {
            let why = if error.raw_os_error() == Some(19) {
                "Device not found".to_owned()
            } else {
                cause(&error)
            };
            say(
                "ifconfig",
                format!("{name}: error fetching interface information: {why}"),
            );
            return 1;
        }
    };
    let counts = counts(&std::fs::read_to_string("/proc/net/dev").unwrap_or_default());
    let mut out = Output::new();
    out.put(text(name, &link, &addresses, counts.get(name)).as_bytes());
    out.finish("ifconfig", 0, 1)
}

fn hardware(link: &Link) -> (&'static str, Option<String>) {
    let upper = |count: usize, between: &str| {
        let parts: Vec<String> = (0..count)
            .map(|at| format!("{:02X}", link.hardware.get(at).copied().unwrap_or(0)))
            .collect();
        parts.join(between)
    };
    match link.kind {
        1 => ("Ethernet", Some(upper(6, ":"))),
        32 => ("InfiniBand", Some(upper(20, "-"))),
        512 => ("Point-to-Point Protocol", None),
        772 => ("Local Loopback", None),
        776 => ("IPv6-in-IPv4", None),
        _ => ("UNSPEC", Some(upper(16, "-"))),
    }
}

/// A size in the unit that fits, with one decimal.
fn scaled(bytes: u64) -> String {
    let (mut whole, mut tenths, mut unit) = (bytes, 0, "");
    for next in ["Ki", "Mi", "Gi", "Ti"] {
        if whole < 1024 {
            break;
        }
        tenths = whole % 1024 * 10 / 1024;
        whole /= 1024;
        unit = next;
    }
    format!("X bytes:{bytes} ({whole}.{tenths} {unit}B)")
}

fn text(name: &str, link: &Link, addresses: &[Address], counts: Option<&Vec<u64>>) -> String {
    let (title, shown) = hardware(link);
    let mut text = format!("{name:<9} Link encap:{title}  ");
    if let Some(shown) = shown {
        text += &format!("HWaddr {shown}  ");
    }
    text.push('\n');
    let of_link = || addresses.iter().filter(|one| one.index == link.index);
    let own = of_link().find(|one| {
        one.network.address.is_ipv4() && one.label.as_deref().unwrap_or(&link.name) == name
    });
    if let Some(own) = own {
        text += &format!("          inet addr:{} ", own.network.address);
        if link.flags & 0x10 != 0 {
            let far = own.peer.unwrap_or(own.network.address);
            text += &format!(" P-t-P:{far} ");
        }
        if link.flags & 2 != 0 {
            let broadcast = own
                .broadcast
                .map_or_else(|| "0.0.0.0".to_owned(), |address| address.to_string());
            text += &format!(" Bcast:{broadcast} ");
        }
        text += &format!(" Mask:{}\n", links::mask(own.network.prefix));
    }
    if name == link.name {
        for address in of_link() {
            if let IpAddr::V6(v6) = address.network.address {
                let scope = match address.scope {
                    254 => "Host",
                    253 => "Link",
                    200 => "Site",
                    0 if v6.is_loopback() => "Host",
                    0 => "Global",
                    _ => "Unknown",
                };
                text += &format!("          inet6 addr: {} Scope:{scope}\n", address.network);
            }
        }
    }
    text += "          ";
    let mut any = false;
    for (flag, word) in FLAGS {
        if link.flags & flag != 0 {
            text += &format!("{word} ");
            any = true;
        }
    }
    if !any {
        text += "[NO FLAGS] ";
    }
    text += &format!(" MTU:{}  Metric:1\n", link.mtu);
    if let Some(counts) = counts {
        let at = |index: usize| counts.get(index).copied().unwrap_or(0);
        // CSLIP says how often it could leave a header out.
        let compressed = |index: usize, before: &str| {
            if matches!(link.kind, 257 | 259) {
                format!("{before}compressed:{}", at(index))
            } else {
                String::new()
            }
        };
        text += &format!(
            "          RX packets:{} errors:{} dropped:{} overruns:{} frame:{}\n",
            at(1),
            at(2),
            at(3),
            at(4),
            at(5)
        );
        let line = compressed(6, "             ");
        if !line.is_empty() {
            text += &format!("{line}\n");
        }
        text += &format!(
            "          TX packets:{} errors:{} dropped:{} overruns:{} carrier:{}\n          collisions:{} ",
            at(9),
            at(10),
            at(11),
            at(12),
            at(14),
            at(13)
        );
        let line = compressed(15, "");
        if !line.is_empty() {
            text += &format!("{line} ");
        }
        text += &format!(
            "txqueuelen:{} \n          R{}  T{}\n",
            link.queue,
            scaled(at(0)),
            scaled(at(8))
        );
    }
    text += &place(name);
    text.push('\n');
    text
}

/// Where the card is on the bus, if the kernel says so.
fn place(name: &str) -> String {
    let mut bytes = request(name);
    let done = std::net::UdpSocket::bind("127.0.0.1:0")
        .and_then(|socket| flat(&socket, Flat::SIOCGIFMAP, &mut bytes));
    if done.is_err() {
        return String::new();
    }
    let word = size_of::<usize>();
    let long = |at: usize| -> usize {
        let all = bytes.get(at..at + word).unwrap_or_default();
        all.try_into().map_or(0, usize::from_ne_bytes)
    };
    let base = u32::from(sys::net::half(&bytes, 16 + 2 * word));
    let byte = |at: usize| bytes.get(at + 2 * word).copied().unwrap_or(0);
    let (irq, dma) = (byte(18), byte(19));
    let mut text = String::new();
    if irq != 0 {
        text += &format!("Interrupt:{irq} ");
    }
    if base >= 0x100 {
        text += &format!("Base address:{base:#x} ");
    }
    if long(16) != 0 {
        text += &format!("Memory:{:x}-{:x} ", long(16), long(16 + word));
    }
    if dma != 0 {
        text += &format!("DMA chan:{dma:x} ");
    }
    if text.is_empty() {
        text
    } else {
        format!("          {text}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::links::Network;

    #[test]
    fn an_interface() {
        let link = Link {
            index: 2,
            name: "eth0".into(),
            flags: 0x1043,
            mtu: 1500,
            queue: 1000,
            kind: 1,
            hardware: vec![0x52, 0x54, 0, 0x12, 0x34, 0x5a],
            ..Link::default()
        };
        let addresses = [Address {
            index: 2,
            network: Network::parse("10.0.2.15/24").unwrap(),
            peer: None,
            broadcast: Some("10.0.2.255".parse().unwrap()),
            scope: 0,
            flags: 0,
            label: Some("eth0".into()),
            lifetime: (0, 0),
        }];
        let all = counts("a\nb\n  eth0: 2048 2 0 0 0 0 0 0 1500000 3 0 0 0 7 0 0\n");
        assert_eq!(
            text("eth0", &link, &addresses, all.get("eth0")),
            "eth0      Link encap:Ethernet  HWaddr 52:54:00:12:34:5A  \n\
             \x20         inet addr:10.0.2.15  Bcast:10.0.2.255  Mask:255.255.255.0\n\
             \x20         UP BROADCAST RUNNING MULTICAST  MTU:1500  Metric:1\n\
             \x20         RX packets:2 errors:0 dropped:0 overruns:0 frame:0\n\
             \x20         TX packets:3 errors:0 dropped:0 overruns:0 carrier:0\n\
             \x20         collisions:7 txqueuelen:1000 \n\
             \x20         RX bytes:2048 (2.0 KiB)  TX bytes:1500000 (1.4 MiB)\n\n"
        );
    }

    #[test]
    fn sizes() {
        assert_eq!(scaled(1023), "X bytes:1023 (1023.0 B)");
        assert_eq!(scaled(1536), "X bytes:1536 (1.5 KiB)");
        assert!(scaled(u64::MAX).ends_with("TiB)"));
    }
}

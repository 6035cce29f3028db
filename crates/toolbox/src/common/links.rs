//! Network interfaces and their addresses through rtnetlink(7), as `ip`, `ifconfig` and `udhcpc` need them.

use super::routes::Change;
use std::ffi::CString;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use sys::net::{self, Netlink, Request, word};

const NEW_LINK: u16 = 16;
const DEL_LINK: u16 = 17;
const GET_LINK: u16 = 18;
const SET_LINK: u16 = 19;
const NEW_ADDRESS: u16 = 20;
const DEL_ADDRESS: u16 = 21;
const GET_ADDRESS: u16 = 22;

/// `IFF_UP`
pub const UP: u32 = 1;
/// `IFF_LOOPBACK`
pub const LOOPBACK: u32 = 8;

/// A network with the length of its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Any address in it.
    pub address: IpAddr,
    /// How many bits are the network's.
    pub prefix: u8,
}

impl Network {
    /// Reads `ADDRESS[/PREFIX]`; the prefix may be a mask.
    pub fn parse(text: &str) -> Option<Network> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = bits(&address);
        let prefix = match prefix {
            None => most,
            Some(text) => match text.parse::<Ipv4Addr>() {
                Ok(mask) => mask_length(mask)?,
                Err(_) => text.parse().ok().filter(|prefix| *prefix <= most)?,
            },
        };
        Some(Network { address, prefix })
    }

    /// Whether an address lies in it.
    pub fn contains(&self, address: &IpAddr) -> bool {
        let bits = |address: &IpAddr| match address {
            IpAddr::V4(v4) => u128::from(u32::from(*v4)) << 96,
            IpAddr::V6(v6) => u128::from(*v6),
        };
        let mask = u128::MAX
            .checked_shl(128 - u32::from(self.prefix.min(128)))
            .unwrap_or(0);
        family(address) == family(&self.address)
            && (bits(address) ^ bits(&self.address)) & mask == 0
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// How many bits an address has.
pub fn bits(address: &IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The length of a mask's prefix; `None` where its ones are not in front.
pub fn mask_length(mask: Ipv4Addr) -> Option<u8> {
    let mask = u32::from(mask);
    let ones = mask.leading_ones();
    (mask.count_ones() == ones)
        .then(|| u8::try_from(ones).ok())
        .flatten()
}

/// The mask of a prefix' length.
pub fn mask(prefix: u8) -> Ipv4Addr {
    Ipv4Addr::from(
        u32::MAX
            .checked_shl(32 - u32::from(prefix.min(32)))
            .unwrap_or(0),
    )
}

/// The bytes of an address.
pub fn octets(address: &IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// Reads the bytes of an address of either family.
pub fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(four).into());
    }
    let sixteen = <[u8; 16]>::try_from(bytes).ok()?;
    Some(Ipv6Addr::from(sixteen).into())
}

/// The family's number.
pub fn family(address: &IpAddr) -> u8 {
    if address.is_ipv4() { 2 } else { 10 }
}

/// Six bytes with colons between.
pub fn hardware_text(bytes: &[u8]) -> String {
    let parts: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    parts.join(":")
}

/// Reads bytes with colons between.
pub fn hardware(text: &str) -> Option<Vec<u8>> {
    let bytes: Option<Vec<u8>> = text
        .split(':')
        .map(|part| {
            u8::from_str_radix(part, 16)
                .ok()
                .filter(|_| part.len() <= 2)
        })
        .collect();
    bytes.filter(|bytes| bytes.len() == 6)
}

/// An interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// `IFF_…`
    pub flags: u32,
    /// The largest packet.
    pub mtu: u32,
    /// The length of its queue.
    pub queue: u32,
    /// Its queueing discipline.
    pub discipline: String,
    /// Its state (RFC 2863): 6 is up, 2 is down.
    pub state: u8,
    /// `ARPHRD_…`: 1 is Ethernet, 772 the loopback.
    pub kind: u16,
    /// Its own address.
    pub hardware: Vec<u8>,
    /// The broadcast address.
    pub broadcast: Vec<u8>,
    /// The number of the bridge or bond that it belongs to.
    pub master: Option<u32>,
    /// The number of the interface below it.
    pub lower: Option<u32>,
    /// Received and sent: bytes, packets, errors, dropped.
    pub counts: [[u64; 4]; 2],
}

fn text(bytes: &[u8]) -> String {
    let end = bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

/// All interfaces, by number.
///
/// # Errors
/// The system's error.
pub fn links() -> io::Result<Vec<Link>> {
    let mut links: Vec<Link> = Netlink::route()?
        .dump(&Request::new(GET_LINK, 0, &[0; 16]))?
        .iter()
        .map(link)
        .collect();
    links.sort_by_key(|link| link.index);
    Ok(links)
}

fn link(message: &net::Message) -> Link {
    let mut link = Link {
        kind: net::half(&message.body, 2),
        index: word(&message.body, 4),
        flags: word(&message.body, 8),
        ..Link::default()
    };
    for (kind, value) in message.attributes(16) {
        match kind {
            1 => link.hardware = value.to_vec(),
            2 => link.broadcast = value.to_vec(),
            3 => link.name = text(value),
            4 => link.mtu = word(value, 0),
            5 => link.lower = Some(word(value, 0)),
            6 => link.discipline = text(value),
            10 => link.master = Some(word(value, 0)),
            13 => link.queue = word(value, 0),
            16 => link.state = value.first().copied().unwrap_or(0),
            23 => {
                // rx packets, tx packets, rx bytes, tx bytes, rx errors, tx errors, rx dropped, tx dropped.
                let at = |n: usize| -> u64 {
                    value
                        .get(n * 8..n * 8 + 8)
                        .and_then(|bytes| bytes.try_into().ok())
                        .map_or(0, u64::from_ne_bytes)
                };
                link.counts = [[at(2), at(0), at(4), at(6)], [at(3), at(1), at(5), at(7)]];
            }
            _ => {}
        }
    }
    link
}

/// The interface of that name.
///
/// # Errors
/// The system's error; `ENODEV` where there is none.
pub fn by_name(name: &str) -> io::Result<Link> {
    links()?
        .into_iter()
        .find(|link| link.name == name)
        .ok_or_else(|| io::Error::from_raw_os_error(19))
}

/// Changes an interface: flags, and the attributes that are given.
///
/// # Errors
/// The system's error.
pub fn change(index: u32, flags: u32, mask: u32, attributes: &[(u16, Vec<u8>)]) -> io::Result<()> {
    let mut fixed = [0_u8; 16];
    for (at, value) in [(4, index), (8, flags), (12, mask)] {
        if let Some(place) = fixed.get_mut(at..at + 4) {
            place.copy_from_slice(&u32::to_ne_bytes(value));
        }
    }
    let mut request = Request::new(SET_LINK, 0, &fixed);
    for (kind, value) in attributes {
        request.attribute(*kind, value);
    }
    Netlink::route()?.change(&request)
}

/// Makes an interface of a kind; `fill` adds the kind's own data.
///
/// # Errors
/// The system's error.
pub fn add(
    name: &str,
    kind: &str,
    attributes: &[(u16, Vec<u8>)],
    fill: impl FnOnce(&mut Request),
) -> io::Result<()> {
    let mut request = Request::new(NEW_LINK, net::CREATE | net::EXCLUSIVE, &[0; 16]);
    request.attribute(3, CString::new(name)?.as_bytes_with_nul());
    for (kind, value) in attributes {
        request.attribute(*kind, value);
    }
    request.nest(18, |info| {
        info.attribute(1, kind.as_bytes());
        info.nest(2, fill);
    });
    Netlink::route()?.change(&request)
}

/// Removes an interface.
///
/// # Errors
/// The system's error.
pub fn remove(index: u32) -> io::Result<()> {
    let mut fixed = [0_u8; 16];
    fixed[4..8].copy_from_slice(&index.to_ne_bytes());
    Netlink::route()?.change(&Request::new(DEL_LINK, 0, &fixed))
}

/// An interface's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The interface's number.
    pub index: u32,
    /// The address.
    pub network: Network,
    /// The other end's, where there is one.
    pub peer: Option<IpAddr>,
    /// The broadcast address.
    pub broadcast: Option<IpAddr>,
    /// 0 global, 253 link, 254 host.
    pub scope: u8,
    /// `IFA_F_…`
    pub flags: u32,
    /// The name that it is known by: `eth0`, `eth0:1`.
    pub label: Option<String>,
    /// Seconds that it is valid and preferred; `u32::MAX`: for ever.
    pub lifetime: (u32, u32),
}

/// All addresses.
///
/// # Errors
/// The system's error.
pub fn addresses() -> io::Result<Vec<Address>> {
    let messages = Netlink::route()?.dump(&Request::new(GET_ADDRESS, 0, &[0; 8]))?;
    Ok(messages.iter().filter_map(read_address).collect())
}

fn read_address(message: &net::Message) -> Option<Address> {
    let body = &message.body;
    let attributes = message.attributes(8);
    let find = |kind: u16| attributes.find(kind).and_then(address);
    let (local, other) = (find(2), find(1));
    let own = local.or(other)?;
    let times = attributes.find(6);
    Some(Address {
        index: word(body, 4),
        network: Network {
            address: own,
            prefix: *body.get(1)?,
        },
        peer: other.filter(|other| *other != own),
        broadcast: find(4),
        scope: *body.get(3)?,
        flags: attributes.find(8).map_or_else(
            || u32::from(body.get(2).copied().unwrap_or(0)),
            |v| word(v, 0),
        ),
        label: attributes.find(3).map(text),
        lifetime: times.map_or((u32::MAX, u32::MAX), |t| (word(t, 4), word(t, 0))),
    })
}

/// Adds (`add`) or removes an address.
///
/// # Errors
/// The system's error: `EEXIST` where it is there already.
pub fn set_address(
    index: u32,
    network: Network,
    broadcast: Option<IpAddr>,
    label: Option<&str>,
    add: bool,
) -> io::Result<()> {
    let address = Address {
        index,
        network,
        peer: None,
        broadcast,
        scope: 0,
        flags: 0,
        label: label.map(str::to_owned),
        lifetime: (u32::MAX, u32::MAX),
    };
    change_address(&address, add)
}

/// Adds (`add`) or removes an address as it is described; its flags and lifetime are the kernel's choice.
///
/// # Errors
/// The system's error: `EEXIST` where it is there already.
pub fn change_address(address: &Address, add: bool) -> io::Result<()> {
    let change = if add { Change::Add } else { Change::Remove };
    send_address(address, change, &[])
}

/// [`change_address`] with further attributes, such as flags; [`Change::Change`]: it must be there.
///
/// # Errors
/// The system's error.
pub fn send_address(address: &Address, change: Change, more: &[(u16, Vec<u8>)]) -> io::Result<()> {
    let own = address.network.address;
    let scope = match own {
        IpAddr::V4(v4) if v4.is_loopback() && address.scope == 0 => 254,
        _ => address.scope,
    };
    let mut fixed = vec![family(&own), address.network.prefix, 0, scope];
    fixed.extend_from_slice(&address.index.to_ne_bytes());
    let kind = if change == Change::Remove {
        DEL_ADDRESS
    } else {
        NEW_ADDRESS
    };
    let mut request = Request::new(kind, change.flags(), &fixed);
    let far = address.peer.unwrap_or(own);
    request
        .attribute(2, &octets(&own))
        .attribute(1, &octets(&far));
    if let Some(broadcast) = address.broadcast {
        request.attribute(4, &octets(&broadcast));
    }
    if let Some(label) = &address.label {
        request.attribute(3, CString::new(label.as_str())?.as_bytes_with_nul());
    }
    for (kind, value) in more {
        request.attribute(*kind, value);
    }
    Netlink::route()?.change(&request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_and_masks() {
        let parse = |text: &str| Network::parse(text).map(|n| n.to_string());
        assert_eq!(parse("10.0.0.1/24").as_deref(), Some("10.0.0.1/24"));
        assert_eq!(
            parse("10.0.0.1/255.255.0.0").as_deref(),
            Some("10.0.0.1/16")
        );
        assert_eq!(parse("fe80::1/64").as_deref(), Some("fe80::1/64"));
        assert_eq!(parse("10.0.0.1").as_deref(), Some("10.0.0.1/32"));
        for bad in ["", "10.0.0.1/33", "10.0.0/8", "x/8", "10.0.0.1/255.0.255.0"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        let inside = |network: &str, address: &str| {
            Network::parse(network)
                .unwrap()
                .contains(&address.parse().unwrap())
        };
        assert!(inside("10.1.0.0/16", "10.1.9.9") && !inside("10.1.0.0/16", "10.2.0.1"));
        assert!(inside("0.0.0.0/0", "9.9.9.9") && !inside("0.0.0.0/0", "::1"));
        assert!(inside("fd00::/64", "fd00::9") && !inside("fd00::/64", "fd00:0:0:1::9"));
        assert_eq!(mask(0).to_string(), "0.0.0.0");
        assert_eq!(mask(20).to_string(), "255.255.240.0");
        assert_eq!(mask(32).to_string(), "255.255.255.255");
        assert_eq!(hardware("52:54:0:12:34:56").unwrap().len(), 6);
        assert_eq!(hardware("52:54:00:12:34"), None);
    }

    #[test]
    fn there_is_a_loopback() {
        let links = links().unwrap();
        assert!(
            links
                .iter()
                .any(|link| link.name == "lo" && link.kind == 772)
        );
        assert_eq!(by_name("no-such").unwrap_err().raw_os_error(), Some(19));
    }
}

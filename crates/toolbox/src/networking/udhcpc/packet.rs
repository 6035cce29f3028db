//! DHCP's packets (RFC 2131, RFC 2132), and the UDP and IP headers around them.

use std::net::Ipv4Addr;

/// The kinds of message (option 53).
pub const DISCOVER: u8 = 1;
pub const OFFER: u8 = 2;
pub const REQUEST: u8 = 3;
pub const ACK: u8 = 5;
pub const NAK: u8 = 6;
pub const RELEASE: u8 = 7;

const MAGIC: [u8; 4] = [99, 130, 83, 99];

/// What a client sends.
#[derive(Clone, Debug)]
pub struct Query<'a> {
    /// One of the kinds.
    pub kind: u8,
    /// The conversation's number.
    pub xid: u32,
    /// Seconds since it began.
    pub seconds: u16,
    /// The client's hardware address.
    pub hardware: [u8; 6],
    /// The address that the client has already.
    pub own: Ipv4Addr,
    /// The answer is to be a broadcast.
    pub broadcast: bool,
    /// Options, each with its code.
    pub options: &'a [(u8, Vec<u8>)],
}

impl Query<'_> {
    /// The bytes of the message, 300 at least, as old servers want it.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![1, 1, 6, 0];
        out.extend_from_slice(&self.xid.to_be_bytes());
        out.extend_from_slice(&self.seconds.to_be_bytes());
        out.extend_from_slice(&[if self.broadcast { 0x80 } else { 0 }, 0]);
        out.extend_from_slice(&self.own.octets());
        out.resize(28, 0);
        out.extend_from_slice(&self.hardware);
        out.resize(236, 0);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[53, 1, self.kind]);
        for (code, value) in self.options {
            let length = u8::try_from(value.len()).unwrap_or(u8::MAX);
            out.push(*code);
            out.push(length);
            out.extend(value.iter().take(usize::from(length)));
        }
        out.push(255);
        if out.len() < 300 {
            out.resize(300, 0);
        }
        out
    }
}

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// One of the kinds.
    pub kind: u8,
    /// The conversation's number.
    pub xid: u32,
    /// The address for the client.
    pub yours: Ipv4Addr,
    /// The next server, for booting.
    pub next: Ipv4Addr,
    /// The client that it is meant for.
    pub hardware: [u8; 6],
    /// `sname` and `file`, where they are text.
    pub server_name: Vec<u8>,
    /// The file to boot.
    pub boot_file: Vec<u8>,
    /// The options; parts of one are put together.
    pub options: Vec<(u8, Vec<u8>)>,
}

impl Reply {
    /// Reads a message. `None`: it is none, or cut.
    pub fn decode(bytes: &[u8]) -> Option<Reply> {
        if bytes.get(..3)? != [2, 1, 6] || bytes.get(236..240)? != MAGIC {
            return None;
        }
        let four = |at: usize| -> Option<[u8; 4]> { bytes.get(at..at + 4)?.try_into().ok() };
        let mut options = Vec::new();
        walk(bytes.get(240..)?, &mut options);
        let get = |code: u8| options.iter().find(|(known, _)| *known == code);
        // Option 52: the two fields hold options, too.
        let overload = get(52)
            .and_then(|(_, value)| value.first().copied())
            .unwrap_or(0);
        if overload & 1 != 0 {
            walk(bytes.get(108..236)?, &mut options);
        }
        if overload & 2 != 0 {
            walk(bytes.get(44..108)?, &mut options);
        }
        let text = |from: usize, to: usize, used: bool| -> Option<Vec<u8>> {
            let field = bytes.get(from..to)?;
            let end = field
                .iter()
                .position(|byte| *byte == 0)
                .unwrap_or(field.len());
            Some(if used {
                Vec::new()
            } else {
                field.get(..end)?.to_vec()
            })
        };
        let kind = options
            .iter()
            .find(|(code, _)| *code == 53)
            .and_then(|(_, value)| value.first().copied())?;
        Some(Reply {
            kind,
            xid: u32::from_be_bytes(four(4)?),
            yours: four(16)?.into(),
            next: four(20)?.into(),
            hardware: bytes.get(28..34)?.try_into().ok()?,
            server_name: text(44, 108, overload & 2 != 0)?,
            boot_file: text(108, 236, overload & 1 != 0)?,
            options,
        })
    }

    /// An option's value.
    pub fn get(&self, code: u8) -> Option<&[u8]> {
        self.options
            .iter()
            .find(|(known, _)| *known == code)
            .map(|(_, value)| value.as_slice())
    }

    /// An option that is one address.
    pub fn address(&self, code: u8) -> Option<Ipv4Addr> {
        let four: [u8; 4] = self.get(code)?.get(..4)?.try_into().ok()?;
        Some(four.into())
    }

    /// An option that is a number of 32 bits.
    pub fn number(&self, code: u8) -> Option<u32> {
        Some(u32::from_be_bytes(
            self.get(code)?.get(..4)?.try_into().ok()?,
        ))
    }
}

fn walk(mut rest: &[u8], into: &mut Vec<(u8, Vec<u8>)>) {
    loop {
        match rest {
            [0, more @ ..] => rest = more,
            [255, ..] | [] | [_] => return,
            [code, length, more @ ..] => {
                let Some(value) = more.get(..usize::from(*length)) else {
                    return;
                };
                // RFC 3396: an option that comes again goes on.
                match into.iter_mut().find(|(known, _)| known == code) {
                    Some((_, known)) => known.extend_from_slice(value),
                    None => into.push((*code, value.to_vec())),
                }
                rest = more.get(usize::from(*length)..).unwrap_or_default();
            }
        }
    }
}

fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum: u32 = 0;
    for part in parts {
        for pair in part.chunks(2) {
            let low = pair.get(1).copied().unwrap_or(0);
            let high = pair.first().copied().unwrap_or(0);
            sum = sum.wrapping_add(u32::from(u16::from_be_bytes([high, low])));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

/// Puts a message from port 68 to port 67 into UDP and IP.
pub fn wrap(payload: &[u8], from: Ipv4Addr, to: Ipv4Addr) -> Vec<u8> {
    let udp_length = u16::try_from(payload.len() + 8)
        .unwrap_or(u16::MAX)
        .to_be_bytes();
    let length = u16::try_from(payload.len() + 28)
        .unwrap_or(u16::MAX)
        .to_be_bytes();
    let mut ip = vec![0x45, 0, length[0], length[1], 0, 0, 0, 0, 64, 17, 0, 0];
    ip.extend_from_slice(&from.octets());
    ip.extend_from_slice(&to.octets());
    let sum = checksum(&[&ip]).to_be_bytes();
    ip[10..12].copy_from_slice(&sum);
    let mut udp = vec![0, 68, 0, 67, udp_length[0], udp_length[1], 0, 0];
    let pseudo = [0, 17, udp_length[0], udp_length[1]];
    let sum = checksum(&[&from.octets(), &to.octets(), &pseudo, &udp, payload]);
    // Zero would mean that there is none (RFC 768).
    let sum = if sum == 0 { 0xffff } else { sum };
    udp[6..8].copy_from_slice(&sum.to_be_bytes());
    [&ip[..], &udp, payload].concat()
}

/// The payload of an IP packet with UDP to port 68; `None` for any other, and for one that is damaged.
pub fn unwrap(bytes: &[u8]) -> Option<&[u8]> {
    let first = *bytes.first()?;
    let header = usize::from(first & 0x0f) * 4;
    if first >> 4 != 4 || header < 20 || *bytes.get(9)? != 17 {
        return None;
    }
    // A fragment is not for us.
    if u16::from_be_bytes([*bytes.get(6)?, *bytes.get(7)?]) & 0x3fff != 0 {
        return None;
    }
    let total = usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]));
    let udp = bytes.get(header..total)?;
    if checksum(&[bytes.get(..header)?]) != 0 || udp.get(2..4)? != [0, 68] {
        return None;
    }
    let length = usize::from(u16::from_be_bytes([*udp.get(4)?, *udp.get(5)?]));
    let udp = udp.get(..length)?;
    if udp.get(6..8)? != [0, 0] {
        let pseudo = [0, 17, *udp.get(4)?, *udp.get(5)?];
        // A network card may leave the sum to be filled in by hardware: then it is that of the pseudo header alone.
        let whole = checksum(&[bytes.get(12..20)?, &pseudo, udp]);
        let partial = !checksum(&[bytes.get(12..20)?, &pseudo]);
        let stated = u16::from_be_bytes([*udp.get(6)?, *udp.get(7)?]);
        if whole != 0 && stated != partial {
            return None;
        }
    }
    udp.get(8..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(options: &[(u8, Vec<u8>)]) -> Vec<u8> {
        Query {
            kind: DISCOVER,
            xid: 0x1234_5678,
            seconds: 1,
            hardware: [1, 2, 3, 4, 5, 6],
            own: Ipv4Addr::UNSPECIFIED,
            broadcast: false,
            options,
        }
        .encode()
    }

    #[test]
    fn what_is_sent_is_read() {
        let mut bytes = query(&[(55, vec![1, 3]), (12, b"host".to_vec())]);
        assert!(bytes.len() >= 300);
        assert_eq!(Reply::decode(&bytes), None, "a query is no reply");
        bytes[0] = 2;
        bytes[16..20].copy_from_slice(&[10, 0, 2, 15]);
        let reply = Reply::decode(&bytes).unwrap();
        assert_eq!(reply.kind, DISCOVER);
        assert_eq!(reply.yours, Ipv4Addr::new(10, 0, 2, 15));
        assert_eq!(reply.get(12), Some(&b"host"[..]));
        assert_eq!(reply.hardware, [1, 2, 3, 4, 5, 6]);
        for end in 0..bytes.len().min(243) {
            assert_eq!(Reply::decode(&bytes[..end]), None);
        }
    }

    #[test]
    fn headers_are_right_and_damage_is_seen() {
        let packet = wrap(b"hello", Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST);
        // To be received it must go to port 68.
        let mut packet = packet;
        packet[22..24].copy_from_slice(&[0, 68]);
        packet[26..28].copy_from_slice(&[0, 0]);
        assert_eq!(unwrap(&packet), Some(&b"hello"[..]));
        for at in 0..20 {
            let mut bad = packet.clone();
            bad[at] ^= 0x41;
            assert_eq!(unwrap(&bad), None, "{at}");
        }
        for end in 0..packet.len() {
            assert_eq!(unwrap(&packet[..end]), None);
        }
    }

    #[test]
    fn options_go_on_and_end() {
        let mut found = Vec::new();
        walk(&[0, 6, 1, 7, 6, 1, 8, 1, 200, 1], &mut found);
        assert_eq!(found, [(6, vec![7, 8])]);
    }
}

//! ARP's messages about IPv4 on Ethernet (RFC 826), as `arping` and `zcip` send and read them.

use std::net::Ipv4Addr;

/// The Ethernet type.
pub const PROTOCOL: u16 = 0x0806;
/// Who has an address?
pub const REQUEST: u16 = 1;
/// I have it.
pub const REPLY: u16 = 2;

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// [`REQUEST`] or [`REPLY`].
    pub operation: u16,
    /// Who sends it.
    pub hardware: [u8; 6],
    /// The sender's address; none while it looks whether it may have it.
    pub address: Ipv4Addr,
    /// Whose hardware it is about.
    pub target_hardware: [u8; 6],
    /// Which address it is about.
    pub target: Ipv4Addr,
}

impl Message {
    /// The bytes behind the link's header.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0, 1, 8, 0, 6, 4];
        bytes.extend(self.operation.to_be_bytes());
        bytes.extend(self.hardware);
        bytes.extend(self.address.octets());
        bytes.extend(self.target_hardware);
        bytes.extend(self.target.octets());
        bytes
    }

    /// Reads one. `None`: it is cut off, or about something else.
    pub fn decode(bytes: &[u8]) -> Option<Message> {
        // Ethernet, or FDDI, which writes itself like that.
        if bytes.get(..6)? != [0, 1, 8, 0, 6, 4] {
            return None;
        }
        let six = |at: usize| -> Option<[u8; 6]> { bytes.get(at..at + 6)?.try_into().ok() };
        let four = |at: usize| -> Option<Ipv4Addr> {
            let four: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
            Some(four.into())
        };
        let operation = u16::from_be_bytes([*bytes.get(6)?, *bytes.get(7)?]);
        Some(Message {
            operation: Some(operation).filter(|it| matches!(*it, REQUEST | REPLY))?,
            hardware: six(8)?,
            address: four(14)?,
            target_hardware: six(18)?,
            target: four(24)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_read_and_damage_is_seen() {
        let message = Message {
            operation: REPLY,
            hardware: [1, 2, 3, 4, 5, 6],
            address: Ipv4Addr::new(10, 0, 0, 1),
            target_hardware: [0xff; 6],
            target: Ipv4Addr::new(10, 0, 0, 2),
        };
        let bytes = message.encode();
        assert_eq!(Message::decode(&bytes), Some(message));
        // Ethernet fills up short packets.
        assert_eq!(
            Message::decode(&[&bytes[..], &[0; 18]].concat()),
            Some(message)
        );
        for end in 0..bytes.len() {
            assert_eq!(Message::decode(&bytes[..end]), None);
        }
        for at in 0..8 {
            let mut bad = bytes.clone();
            bad[at] ^= 0x40;
            assert_eq!(Message::decode(&bad), None, "{at}");
        }
    }
}

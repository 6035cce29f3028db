//! The Internet checksum (RFC 1071).

/// The checksum of bytes; of a packet that holds its own it is 0.
pub fn internet(bytes: &[u8]) -> u16 {
    let mut sum: u32 = 0;
    for pair in bytes.chunks(2) {
        let high = pair.first().copied().unwrap_or(0);
        let low = pair.get(1).copied().unwrap_or(0);
        sum += u32::from(u16::from_be_bytes([high, low]));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::internet;

    #[test]
    fn sums() {
        assert_eq!(internet(&[]), 0xffff);
        assert_eq!(internet(&[0x45, 0, 0xba, 0xff]), 0);
        assert_eq!(internet(&[0xff; 3]), 0x00ff);
    }
}

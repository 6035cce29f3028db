//! Partition identities from a GUID partition table (UEFI 2.10, chapter 5).

use sys::superblock::hex;

/// One used entry of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its number, from 1: the kernel names the device by it.
    pub number: u32,
    /// Its unique GUID, lower case, as `PARTUUID=` spells it.
    pub uuid: String,
    /// Its name, as `PARTLABEL=` spells it.
    pub name: String,
}

/// How much of a disk [`partitions`] needs: the header and 128 entries, at sectors of up to 4096 bytes.
pub const HEAD: usize = 4096 * 2 + 128 * 128;

/// Reads the used entries from a disk's first bytes. No table, or a broken one, is none at all.
pub fn partitions(head: &[u8], sector: usize) -> Vec<Partition> {
    read(head, sector).unwrap_or_default()
}

fn read(head: &[u8], sector: usize) -> Option<Vec<Partition>> {
    let header = head.get(sector..)?;
    if !header.starts_with(b"EFI PART") {
        return None;
    }
    let first = usize::try_from(u64::from_le_bytes(header.get(72..80)?.try_into().ok()?)).ok()?;
    let count = u32::from_le_bytes(header.get(80..84)?.try_into().ok()?).min(1024);
    let size = usize::try_from(u32::from_le_bytes(header.get(84..88)?.try_into().ok()?)).ok()?;
    if size < 128 {
        return None;
    }
    let table = head.get(first.checked_mul(sector)?..)?;
    let mut found = Vec::new();
    for (number, entry) in (1..=count).zip(table.chunks_exact(size)) {
        let (kind, id, name) = (entry.get(..16)?, entry.get(16..32)?, entry.get(56..128)?);
        if kind.iter().any(|b| *b != 0) {
            found.push(Partition {
                number,
                uuid: guid(id),
                name: utf16(name),
            });
        }
    }
    Some(found)
}

/// The checksum of the table's header and entries (CRC-32 of ISO 3309).
pub fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg());
        }
    }
    !sum
}

/// A GUID's first three fields are little-endian.
fn guid(bytes: &[u8]) -> String {
    const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let mut out = String::with_capacity(36);
    for (i, at) in ORDER.into_iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        hex(
            &mut out,
            bytes.get(at).copied().unwrap_or(0),
            b"0123456789abcdef",
        );
    }
    out
}

fn utf16(bytes: &[u8]) -> String {
    let units = bytes
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .take_while(|unit| *unit != 0);
    char::decode_utf16(units)
        .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk() -> Vec<u8> {
        let mut disk = vec![0; HEAD];
        disk[512..520].copy_from_slice(b"EFI PART");
        disk[512 + 72] = 2;
        disk[512 + 80] = 128;
        disk[512 + 84] = 128;
        let entry = 1024 + 128; // the second
        disk[entry] = 1;
        for i in 0..16u8 {
            disk[entry + 16 + usize::from(i)] = i;
        }
        for (i, byte) in b"root".iter().enumerate() {
            disk[entry + 56 + 2 * i] = *byte;
        }
        disk
    }

    #[test]
    fn the_used_entries_are_found() {
        let want = Partition {
            number: 2,
            uuid: "03020100-0504-0706-0809-0a0b0c0d0e0f".to_owned(),
            name: "root".to_owned(),
        };
        assert_eq!(partitions(&disk(), 512), [want]);
    }

    #[test]
    fn the_checksum_is_the_usual_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn broken_tables_are_none() {
        assert!(partitions(&[], 512).is_empty());
        for cut in [100, 512, 530, 600] {
            assert!(partitions(&disk()[..cut], 512).is_empty());
        }
        let mut far = disk();
        far[512 + 72..512 + 80].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(partitions(&far, 512).is_empty());
        let mut small = disk();
        small[512 + 84] = 1;
        assert!(partitions(&small, 512).is_empty());
    }
}

//! File systems recognised by their superblocks: ext2/3/4, FAT, squashfs, erofs, xfs, btrfs, ISO 9660; swap and LUKS.

/// What a superblock says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSystem {
    /// The kernel's name of the kind, as `mount -t` takes it.
    pub kind: &'static str,
    /// The UUID in its usual spelling; FAT: the serial number as `ABCD-1234`.
    pub uuid: Option<String>,
    /// The label, when there is one.
    pub label: Option<String>,
}

/// How much of a device [`probe`] needs to see: the btrfs superblock lies farthest.
pub const HEAD: usize = 0x1_1000;

/// Recognises the file system that begins with `head`, the device's first bytes ([`HEAD`] of them, or all).
pub fn probe(head: &[u8]) -> Option<FileSystem> {
    let magic =
        |at: usize, bytes: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(bytes));
    let fs =
        |kind, uuid: Option<String>, label: Option<String>| Some(FileSystem { kind, uuid, label });
    if magic(1024 + 0x38, &[0x53, 0xef]) {
        return fs("ext4", uuid(head, 1024 + 0x68), text(head, 1024 + 0x78, 16));
    }
    if magic(0, b"hsqs") {
        return fs("squashfs", None, None);
    }
    if magic(1024, &[0xe2, 0xe1, 0xf5, 0xe0]) {
        return fs("erofs", uuid(head, 1024 + 48), text(head, 1024 + 64, 16));
    }
    if magic(0, b"XFSB") {
        return fs("xfs", uuid(head, 32), text(head, 108, 12));
    }
    if magic(0x1_0040, b"_BHRfS_M") {
        return fs("btrfs", uuid(head, 0x1_0020), text(head, 0x1_012b, 256));
    }
    if magic(0x8001, b"CD001") {
        return fs("iso9660", None, text(head, 0x8028, 32));
    }
    // The page size is the machine's: 4 KiB everywhere we run.
    if magic(4086, b"SWAPSPACE2") {
        return fs("swap", uuid(head, 1036), text(head, 1052, 16));
    }
    if magic(0, b"LUKS\xba\xbe") {
        return fs("crypto_LUKS", text(head, 168, 40), None);
    }
    if magic(510, &[0x55, 0xaa]) && magic(82, b"FAT32") {
        return fs("vfat", serial(head, 67), text(head, 71, 11));
    }
    if magic(510, &[0x55, 0xaa]) && (magic(54, b"FAT1") || magic(54, b"FAT ")) {
        return fs("vfat", serial(head, 39), text(head, 43, 11));
    }
    None
}

/// Sixteen bytes as `8-4-4-4-12` hexadecimal digits; all zero counts as none.
fn uuid(head: &[u8], at: usize) -> Option<String> {
    let bytes = head.get(at..at.checked_add(16)?)?;
    if bytes.iter().all(|b| *b == 0) {
        return None;
    }
    let mut out = String::with_capacity(36);
    for (i, byte) in bytes.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        hex(&mut out, *byte, b"0123456789abcdef");
    }
    Some(out)
}

fn serial(head: &[u8], at: usize) -> Option<String> {
    let bytes = head.get(at..at.checked_add(4)?)?;
    let mut out = String::with_capacity(9);
    for (i, byte) in bytes.iter().rev().enumerate() {
        if i == 2 {
            out.push('-');
        }
        hex(&mut out, *byte, b"0123456789ABCDEF");
    }
    Some(out)
}

/// Appends a byte as two hexadecimal digits of `digits`.
pub fn hex(out: &mut String, byte: u8, digits: &[u8; 16]) {
    for nibble in [byte >> 4, byte & 15] {
        out.push(char::from(
            *digits.get(usize::from(nibble)).unwrap_or(&b'?'),
        ));
    }
}

/// A label: up to the first NUL, trailing blanks off; nothing left counts as none.
fn text(head: &[u8], at: usize, len: usize) -> Option<String> {
    let bytes = head.get(at..at.checked_add(len)?)?;
    let bytes = bytes.split(|b| *b == 0).next().unwrap_or(bytes);
    let label = String::from_utf8_lossy(bytes.trim_ascii_end()).into_owned();
    // FAT's way of saying that there is none.
    (!label.is_empty() && label != "NO NAME").then_some(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(head: &mut [u8], at: usize, bytes: &[u8]) {
        head[at..at + bytes.len()].copy_from_slice(bytes);
    }

    #[test]
    fn ext4_with_uuid_and_label() {
        let mut head = vec![0; HEAD];
        put(&mut head, 1024 + 0x38, &[0x53, 0xef]);
        put(&mut head, 1024 + 0x68, &(0u8..16).collect::<Vec<_>>());
        put(&mut head, 1024 + 0x78, b"ferrata\0\0");
        let found = probe(&head).unwrap();
        assert_eq!(found.kind, "ext4");
        assert_eq!(
            found.uuid.as_deref(),
            Some("00010203-0405-0607-0809-0a0b0c0d0e0f")
        );
        assert_eq!(found.label.as_deref(), Some("ferrata"));
    }

    #[test]
    fn fat_serial_and_no_name() {
        let mut head = vec![0; HEAD];
        put(&mut head, 510, &[0x55, 0xaa]);
        put(&mut head, 82, b"FAT32   ");
        put(&mut head, 67, &[0x34, 0x12, 0xcd, 0xab]);
        put(&mut head, 71, b"NO NAME    ");
        let found = probe(&head).unwrap();
        assert_eq!(
            (found.kind, found.uuid.as_deref(), found.label),
            ("vfat", Some("ABCD-1234"), None)
        );
    }

    #[test]
    fn short_and_empty_devices_are_nothing() {
        for len in [0, 1, 511, 1024, 1082, 0x8000] {
            assert_eq!(probe(&vec![0; len]), None);
        }
    }

    #[test]
    fn a_real_mke2fs_is_recognised() {
        let dir = std::env::temp_dir().join(format!("sys-superblock-{}", std::process::id()));
        let made = std::process::Command::new("mke2fs")
            .args([
                "-q",
                "-F",
                "-L",
                "root",
                "-U",
                "11111111-2222-3333-4444-555555555555",
            ])
            .arg(&dir)
            .arg("1M")
            .status()
            .expect("mke2fs (package e2fsprogs) is needed");
        assert!(made.success());
        let bytes = std::fs::read(&dir).unwrap();
        std::fs::remove_file(&dir).unwrap();
        let found = probe(&bytes).unwrap();
        assert_eq!(
            found.uuid.as_deref(),
            Some("11111111-2222-3333-4444-555555555555")
        );
        assert_eq!(found.label.as_deref(), Some("root"));
    }
}

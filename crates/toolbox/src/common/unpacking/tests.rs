#![allow(clippy::unwrap_used, reason = "a test says what went wrong by ending")]

use super::*;

const SAMPLES: [(Format, &[u8]); 6] = [
    (
        Format::Xz,
        b"\xfd\x37\x7a\x58\x5a\x00\x00\x04\xe6\xd6\xb4\x46\x02\x00\x21\x01\x16\x00\x00\x00\x74\x2f\xe5\xa3\xe0\x00\x11\
          \x00\x0c\x5d\x00\x34\x19\x49\xee\x8d\xe9\x4f\x7e\x21\x21\xb0\x00\x00\x1f\x01\xd9\xc8\x87\xc1\x43\xc8\x00\x01\
          \x28\x12\xc9\x6a\x62\x8e\x1f\xb6\xf3\x7d\x01\x00\x00\x00\x00\x04\x59\x5a",
    ),
    (
        Format::Lzma,
        b"\x5d\x00\x00\x80\x00\xff\xff\xff\xff\xff\xff\xff\xff\x00\x34\x19\x49\xee\x8d\xe9\x4f\x7e\x21\xb6\x20\xb7\xff\
          \xff\xba\x34\x00\x00",
    ),
    (
        Format::Zstd,
        b"\x28\xb5\x2f\xfd\x04\x58\x6d\x00\x00\x38\x68\x65\x6c\x6c\x6f\x20\x0a\x01\x00\x31\x4a\x11\xa3\xaa\x74\xce",
    ),
    (
        Format::Gzip,
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48\xcd\xc9\xc9\x57\xc8\x40\x90\x5c\x00\x3b\x7c\x8a\xdf\x12\x00\
          \x00\x00",
    ),
    (
        Format::Bzip2,
        b"\x42\x5a\x68\x39\x31\x41\x59\x26\x53\x59\xe5\xb5\xf3\x09\x00\x00\x04\x51\x00\x00\x10\x40\x00\x02\x44\xa0\x00\
          \x21\xb5\x18\x0c\x02\x90\x69\xc2\xa3\x0b\xb9\x22\x9c\x28\x48\x72\xda\xf9\x84\x80",
    ),
    (Format::Compress, b"\x1f\x9d\x90\x48\x8a\x30\x61\xf2\x44\x01"),
];

/// A reader that gives one byte at a time.
struct Drops(Vec<u8>, usize);

impl Read for Drops {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (Some(room), Some(byte)) = (buffer.first_mut(), self.0.get(self.1)) else {
            return Ok(0);
        };
        *room = *byte;
        self.1 += 1;
        Ok(1)
    }
}

fn unpack(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    unpacked(Source::new(Drops(bytes.to_vec(), 0)))?.read_to_end(&mut out)?;
    Ok(out)
}

fn plain_of(format: Format) -> &'static [u8] {
    if format == Format::Compress {
        b"HELLO\n"
    } else {
        b"hello hello hello\n"
    }
}

#[test]
fn each_format_is_found_out_and_read() {
    for (format, packed) in SAMPLES {
        assert_eq!(Format::of(&packed[..6]), Some(format));
        assert_eq!(unpack(packed).unwrap(), plain_of(format), "{format:?}");
    }
    assert_eq!(unpack(b"").unwrap(), b"");
    assert_eq!(unpack(b"plain").unwrap(), b"plain");
}

#[test]
fn joined_files_are_read_through_and_what_follows_is_left() {
    for (format, packed) in SAMPLES {
        if matches!(format, Format::Lzma | Format::Compress) {
            continue;
        }
        let plain = plain_of(format);
        assert_eq!(
            unpack(&[packed, packed].concat()).unwrap(),
            [plain, plain].concat(),
            "{format:?}"
        );
        if format != Format::Xz {
            assert_eq!(
                unpack(&[packed, b"\0\0more"].concat()).unwrap(),
                plain,
                "{format:?}"
            );
        }
    }
    let (_, zstd) = SAMPLES[2];
    let skipped = [b"\x50\x2a\x4d\x18\x03\0\0\0abc", zstd].concat();
    assert_eq!(unpack(&skipped).unwrap(), plain_of(Format::Zstd));
    assert!(unpack(b"\x50\x2a\x4d\x18\xff\xff\xff\xffabc").is_err());
}

#[test]
fn what_is_cut_off_is_an_error() {
    for (format, packed) in SAMPLES {
        if format == Format::Compress {
            // It has no end that could be missed.
            continue;
        }
        // The mark at the end of lzma is known before its last two bytes.
        let end = packed.len() - if format == Format::Lzma { 2 } else { 0 };
        for length in 6..end {
            assert!(unpack(&packed[..length]).is_err(), "{format:?} {length}");
        }
    }
}

#[test]
fn a_changed_bit_never_ends_the_program() {
    for (format, packed) in SAMPLES {
        for at in 0..packed.len() * 8 {
            let mut bytes = packed.to_vec();
            bytes[at / 8] ^= 1 << (at % 8);
            // Whether it is found depends on the sums that the format has.
            if let Ok(mut unpacker) = Unpacker::new(format, Source::new(io::Cursor::new(bytes))) {
                let mut sink = Vec::new();
                let _ = unpacker.by_ref().take(1 << 20).read_to_end(&mut sink);
            }
        }
    }
}

#[test]
fn compress_widens_its_codes_and_starts_anew() {
    // Codes for single bytes only, the widths as the table of strings grows, with a clear in the middle.
    let mut bits: Vec<u8> = Vec::new();
    let mut plain = Vec::new();
    let (mut width, mut known, mut group) = (9usize, 257usize, 0);
    let mut put = |code: usize, width: usize| {
        for bit in 0..width {
            bits.push((code >> bit & 1) as u8);
        }
    };
    for number in 0..3000usize {
        if number == 1500 {
            put(256, width);
            group += 1;
            while group % 8 != 0 {
                put(0, width);
                group += 1;
            }
            (width, known) = (9, 256);
            continue;
        }
        if number > 0 && known >= 1 << width {
            while group % 8 != 0 {
                put(0, width);
                group += 1;
            }
            width += 1;
        }
        let byte = (number * 7 % 251) as u8;
        put(usize::from(byte), width);
        group += 1;
        plain.push(byte);
        if number > 0 {
            known += 1;
        }
    }
    let mut packed = vec![0x1f, 0x9d, 0x90];
    packed.extend(
        bits.chunks(8)
            .map(|bits| bits.iter().rev().fold(0, |byte, bit| byte << 1 | bit)),
    );
    assert_eq!(unpack(&packed).unwrap(), plain);
}

//! `cksum` (POSIX.1-2024: the CRC of Ethernet over the bytes and their count) and `sum` (BSD's and System V's).

use crate::common::lines::{Output, complain, open};
use crate::common::options::Options;
use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;

pub const USAGE: &str = "[file...]";
pub const SUM_USAGE: &str = "[-rs] [file...]

-r  BSD's sum and blocks of 1024 bytes (usual)    -s  System V's sum and blocks of 512 bytes";

/// Eight tables: eight bytes are taken in one step.
static TABLES: [[u32; 256]; 8] = tables();

#[expect(clippy::cast_possible_truncation, reason = "256 entries")]
const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0_u32; 256]; 8];
    let mut at = 0;
    while at < 256 {
        let mut value = (at as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            let high = value & 0x8000_0000 != 0;
            value <<= 1;
            if high {
                value ^= 0x04c1_1db7;
            }
            bit += 1;
        }
        tables[0][at] = value;
        at += 1;
    }
    let mut table = 1;
    while table < 8 {
        let mut at = 0;
        while at < 256 {
            let before = tables[table - 1][at];
            tables[table][at] = before << 8 ^ tables[0][(before >> 24) as usize];
            at += 1;
        }
        table += 1;
    }
    tables
}

fn entry(table: usize, byte: u8) -> u32 {
    TABLES
        .get(table)
        .and_then(|table| table.get(usize::from(byte)))
        .copied()
        .unwrap_or(0)
}

fn crc(mut crc: u32, bytes: &[u8]) -> u32 {
    let (blocks, rest) = bytes.as_chunks::<8>();
    for [a, b, c, d, e, f, g, h] in blocks {
        let [w, x, y, z] = crc.to_be_bytes();
        crc = entry(7, w ^ a)
            ^ entry(6, x ^ b)
            ^ entry(5, y ^ c)
            ^ entry(4, z ^ d)
            ^ entry(3, *e)
            ^ entry(2, *f)
            ^ entry(1, *g)
            ^ entry(0, *h);
    }
    for byte in rest {
        let [top, ..] = crc.to_be_bytes();
        crc = crc << 8 ^ entry(0, top ^ byte);
    }
    crc
}

/// Hands on all of a file, and gives its size.
fn each(file: &std::ffi::OsStr, take: &mut dyn FnMut(&[u8])) -> io::Result<u64> {
    let mut input = open(file)?;
    let mut buffer = vec![0; 64 * 1024];
    let mut size = 0;
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(size),
            Ok(count) => {
                size += count as u64;
                take(buffer.get(..count).unwrap_or_default());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// `cksum`
pub fn main(arguments: &[OsString]) -> i32 {
    run(arguments, "cksum", "", &mut |file| {
        let mut sum = 0;
        let size = each(file, &mut |bytes| sum = crc(sum, bytes))?;
        let mut left = size;
        while left > 0 {
            sum = crc(sum, &left.to_le_bytes()[..1]);
            left >>= 8;
        }
        Ok(format!("{} {size}", !sum))
    })
}

/// `sum`
pub fn sum(arguments: &[OsString]) -> i32 {
    let system_v = Options {
        applet: "sum",
        letters: "rs",
        long: &[("sysv", 's')],
    }
    .parse(arguments)
    .is_ok_and(|given| given.last_of("rs") == Some('s'));
    run(arguments, "sum", "rs", &mut |file| {
        let mut sum = 0_u32;
        if system_v {
            let size = each(file, &mut |bytes| {
                for byte in bytes {
                    sum = sum.wrapping_add(u32::from(*byte));
                }
            })?;
            sum = (sum & 0xffff) + (sum >> 16);
            sum = (sum & 0xffff) + (sum >> 16);
            return Ok(format!("{sum} {}", size.div_ceil(512)));
        }
        let size = each(file, &mut |bytes| {
            for byte in bytes {
                sum = (sum >> 1) + ((sum & 1) << 15);
                sum = (sum + u32::from(*byte)) & 0xffff;
            }
        })?;
        Ok(format!("{sum:05} {:5}", size.div_ceil(1024)))
    })
}

fn run(
    arguments: &[OsString],
    applet: &'static str,
    letters: &'static str,
    make: &mut dyn FnMut(&std::ffi::OsStr) -> io::Result<String>,
) -> i32 {
    let options = Options {
        applet,
        letters,
        long: if letters.is_empty() {
            &[]
        } else {
            &[("sysv", 's')]
        },
    };
    let mut given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let named = !given.operands.is_empty();
    if !named {
        given.operands.push("-".into());
    }
    // BSD's sum names files only where there are several.
    let bsd = applet == "sum" && given.last_of("rs") != Some('s');
    let mut out = Output::new();
    let mut status = 0;
    for file in &given.operands {
        match make(file) {
            Ok(text) => {
                out.put(text.as_bytes());
                if named && !(bsd && given.operands.len() == 1) {
                    out.put_byte(b' ');
                    out.put(file.as_bytes());
                }
                out.put_byte(b'\n');
            }
            Err(error) => {
                complain(applet, file, &error);
                status = 1;
            }
        }
    }
    out.finish(applet, status, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_at_a_time_is_one_at_a_time() {
        let bytes: Vec<u8> = (0..100_u8).map(|n| n.wrapping_mul(37)).collect();
        for length in 0..bytes.len() {
            let slow = bytes[..length]
                .iter()
                .fold(7, |sum, byte| crc(sum, &[*byte]));
            assert_eq!(crc(7, &bytes[..length]), slow, "{length}");
        }
    }
}

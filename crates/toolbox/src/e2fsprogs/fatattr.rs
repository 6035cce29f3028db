//! `fatattr`: the attributes of files on FAT.

use crate::common::lines::{Output, about, other, say, status};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use sys::control::{Flat, flat};

pub const USAGE: &str = "[-+rhsvda]... FILE...

+ sets, - clears; without either they are printed
r  read only    h  hidden    s  system    v  the volume's label    d  folder    a  archived";

/// The letters, by their bits.
const LETTERS: &[u8; 6] = b"rhsvda";

/// `fatattr`
pub fn main(arguments: &[OsString]) -> i32 {
    let (mut set, mut clear) = (0, 0);
    let mut rest = arguments.get(1..).unwrap_or_default();
    while let Some((word, behind)) = rest.split_first() {
        let Some((sign @ (b'+' | b'-'), letters)) = word.as_bytes().split_first() else {
            break;
        };
        for letter in letters {
            let Some(bit) = LETTERS.iter().position(|known| known == letter) else {
                say(
                    "fatattr",
                    format!("invalid character '{}'", letter.escape_ascii()),
                );
                return 1;
            };
            if *sign == b'+' {
                set |= 1 << bit;
            } else {
                clear |= 1 << bit;
            }
        }
        rest = behind;
    }
    if rest.is_empty() {
        say("fatattr", "missing operand");
        say("fatattr", "try 'fatattr --help'");
        return 1;
    }
    let mut out = Output::new();
    let done = rest
        .iter()
        .try_for_each(|path| one(path, set, clear, &mut out).map_err(|error| about(path, &error)));
    let worst = status("fatattr", done.map(|()| 0));
    out.finish("fatattr", worst, 1)
}

fn one(path: &OsStr, set: u32, clear: u32, out: &mut Output) -> io::Result<()> {
    let file = File::open(path)?;
    let mut bytes = [0; 4];
    flat(&file, Flat::FAT_GET_ATTRIBUTES, &mut bytes)?;
    let old = u32::from_ne_bytes(bytes);
    if set | clear != 0 {
        let mut bytes = ((old | set) & !clear).to_ne_bytes();
        flat(&file, Flat::FAT_SET_ATTRIBUTES, &mut bytes)?;
        return Ok(());
    }
    if old > 0x3f {
        return Err(other(format!("attributes {old:#x} are unknown")));
    }
    let shown: Vec<u8> = LETTERS
        .iter()
        .enumerate()
        .map(|(bit, letter)| if old & 1 << bit != 0 { *letter } else { b' ' })
        .collect();
    out.put(&shown);
    out.put(path.as_bytes());
    out.put_byte(b'\n');
    Ok(())
}

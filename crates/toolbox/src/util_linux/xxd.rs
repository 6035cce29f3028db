//! `xxd`: a hexadecimal dump, and back.

use crate::common::dumping::Chain;
use crate::common::lines::{Lines, Output, complain, open};
use crate::common::options::{Options, size};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;

pub const USAGE: &str = "[-pri] [-g N] [-c N] [-l LENGTH] [-s OFFSET] [-o OFFSET] [file]

-p  only digits (30 bytes a line)    -r  back to bytes    -i  as C's array
-g  N bytes a group (2)    -c  N bytes a line (16)    -l  only LENGTH bytes    -s  pass over OFFSET bytes
-o  add OFFSET to what is shown";

pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "xxd",
        letters: "prig:c:l:s:o:",
        long: &[],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 0, 1) {
        return status;
    }
    let name = given
        .operands
        .first()
        .map_or(OsStr::new("-"), OsString::as_os_str);
    let mut out = Output::new();
    if given.has('r') {
        let status = match back(name, given.has('p'), &mut out) {
            Ok(()) => 0,
            Err(error) => {
                complain("xxd", name, &error);
                1
            }
        };
        return out.finish("xxd", status, 1);
    }
    let number = |letter: char, usual: u64| match given.value(letter) {
        None => Ok(usual),
        Some(text) => {
            let hexadecimal = text
                .to_str()
                .and_then(|text| text.strip_prefix("0x"))
                .and_then(|digits| u64::from_str_radix(digits, 16).ok());
            hexadecimal
                .or_else(|| size(text))
                .ok_or_else(|| options.wrong(&format!("invalid number '{}'", text.display())))
        }
    };
    let usual = if given.has('p') {
        30
    } else if given.has('i') {
        12
    } else {
        16
    };
    let (group, columns, limit, skip, add) = match (
        number('g', 2),
        number('c', usual),
        number('l', u64::MAX),
        number('s', 0),
        number('o', 0),
    ) {
        (Ok(group), Ok(columns), Ok(limit), Ok(skip), Ok(add)) => {
            (group, columns, limit, skip, add)
        }
        _ => return 1,
    };
    let columns = match usize::try_from(columns) {
        Ok(0) => usize::try_from(usual).unwrap_or(16),
        Ok(columns @ ..=256) => columns,
        _ => return options.wrong("a line has at most 256 bytes"),
    };
    let group = match usize::try_from(group) {
        Ok(0) | Err(_) => columns,
        Ok(group) => group,
    };
    let mut input = Chain::new("xxd", &given.operands, limit);
    input.skip(skip);
    let mut block = vec![0; columns];
    let mut at = skip;
    let variable: String = name
        .as_bytes()
        .iter()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() {
                char::from(*byte)
            } else {
                '_'
            }
        })
        .collect();
    let named = given.has('i') && !given.operands.is_empty();
    if named {
        out.put(format!("unsigned char {variable}[] = {{\n").as_bytes());
    }
    let mut total = 0;
    loop {
        let filled = input.fill(&mut block);
        let bytes = block.get(..filled).unwrap_or_default();
        if filled == 0 {
            break;
        }
        total += filled;
        let mut line = String::new();
        if given.has('i') {
            line.push(' ');
            for byte in bytes {
                line.push_str(&format!(" 0x{byte:02x},"));
            }
        } else if given.has('p') {
            for byte in bytes {
                line.push_str(&format!("{byte:02x}"));
            }
        } else {
            line = format!("{:08x}: ", at.wrapping_add(add));
            for place in 0..columns {
                match bytes.get(place) {
                    Some(byte) => line.push_str(&format!("{byte:02x}")),
                    None => line.push_str("  "),
                }
                if (place + 1).is_multiple_of(group) || place + 1 == columns {
                    line.push(' ');
                }
            }
            line.push(' ');
            for byte in bytes {
                line.push(if matches!(byte, b' '..=b'~') {
                    char::from(*byte)
                } else {
                    '.'
                });
            }
        }
        line.push('\n');
        out.put(line.as_bytes());
        at += filled as u64;
        if filled < columns || out.failed() {
            break;
        }
    }
    if named {
        out.put(format!("}};\nunsigned int {variable}_len = {total};\n").as_bytes());
    }
    out.finish("xxd", input.status, 1)
}

/// Reads a dump: digits up to two blanks, behind `OFFSET:` unless they are plain.
fn back(name: &OsStr, plain: bool, out: &mut Output) -> io::Result<()> {
    let mut lines = Lines::new(open(name)?, b'\n');
    while let Some((line, _)) = lines.read()? {
        let mut rest = line.trim_ascii_start();
        if !plain {
            let offset = rest
                .iter()
                .take_while(|byte| byte.is_ascii_hexdigit())
                .count();
            rest = match rest.get(offset..) {
                Some([b':', behind @ ..]) if offset > 0 => behind,
                _ => continue,
            };
            rest = rest.strip_prefix(b" ").unwrap_or(rest);
        }
        let mut high = None;
        let mut bad = 0;
        for byte in rest {
            let Some(digit) = char::from(*byte).to_digit(16) else {
                // A digit before one that is none is dropped; blanks count only where there are no offsets to find.
                if !(plain && byte.is_ascii_whitespace()) {
                    high = None;
                    bad += 1;
                }
                if bad == 2 {
                    break;
                }
                continue;
            };
            bad = 0;
            let digit = u8::try_from(digit).unwrap_or(0);
            match high.take() {
                None => high = Some(digit),
                Some(high) => out.put_byte(high << 4 | digit),
            }
        }
    }
    Ok(())
}

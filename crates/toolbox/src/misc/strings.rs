//! `strings` (POSIX.1-2024): what can be read in a file of any kind.

use crate::common::lines::{Output, complain, open};
use crate::common::options::Options;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;

pub const USAGE: &str = "[-afo] [-t o|d|x] [-n LENGTH] [file...]

-n  at least so many characters (4)    -f  the file's name in front
-t  the offset in front, octal, decimal or hexadecimal    -o  -t o    -a  all of the file (always)";

pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "strings",
        letters: "afon:t:",
        long: &[
            ("bytes", 'n'),
            ("radix", 't'),
            ("print-file-name", 'f'),
            ("all", 'a'),
        ],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let least = given
        .value('n')
        .map_or(Some(4), |text| text.to_str()?.parse::<usize>().ok());
    let Some(least @ 1..) = least else {
        return options.wrong("invalid length");
    };
    let radix = match (given.value('t').map(OsStr::as_bytes), given.has('o')) {
        (None, false) => None,
        (None, true) | (Some(b"o"), _) => Some('o'),
        (Some(b"d"), _) => Some('d'),
        (Some(b"x"), _) => Some('x'),
        _ => return options.wrong("-t takes o, d or x"),
    };
    let files = if given.operands.is_empty() {
        vec!["-".into()]
    } else {
        given.operands.clone()
    };
    let mut out = Output::new();
    let mut status = 0;
    for name in &files {
        let mut front = |offset: u64, out: &mut Output| {
            if given.has('f') {
                let shown = if name == "-" {
                    b"{standard input}"
                } else {
                    name.as_bytes()
                };
                out.put(shown);
                out.put(b": ");
            }
            match radix {
                Some('o') => out.put(format!("{offset:7o} ").as_bytes()),
                Some('d') => out.put(format!("{offset:7} ").as_bytes()),
                Some(_) => out.put(format!("{offset:7x} ").as_bytes()),
                None => {}
            }
        };
        if let Err(error) = scan(name, least, &mut front, &mut out) {
            complain("strings", name, &error);
            status = 1;
        }
    }
    out.finish("strings", status, 1)
}

fn scan(
    name: &OsStr,
    least: usize,
    front: &mut dyn FnMut(u64, &mut Output),
    out: &mut Output,
) -> io::Result<()> {
    let mut input = open(name)?;
    let mut buffer = vec![0; 64 * 1024];
    // The characters of a string that may yet be too short; once it is long enough they go out at once.
    let mut held = Vec::new();
    let (mut offset, mut printing) = (0_u64, false);
    loop {
        let count = match input.read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        for byte in buffer.get(..count).unwrap_or_default() {
            if matches!(byte, b' '..=b'~' | b'\t') {
                if printing {
                    out.put_byte(*byte);
                } else {
                    held.push(*byte);
                    if held.len() == least {
                        front(offset + 1 - least as u64, out);
                        out.put(&held);
                        printing = true;
                    }
                }
            } else {
                if printing {
                    out.put_byte(b'\n');
                }
                held.clear();
                printing = false;
            }
            offset += 1;
        }
        if count == 0 || out.failed() {
            if printing {
                out.put_byte(b'\n');
            }
            return Ok(());
        }
    }
}

//! `cat` (POSIX.1-2024), with `-n -b -s -v -e -t -E -T -A`.

use crate::common::lines::{Output, complain, open};
use crate::common::options::{Given, Options};
use std::ffi::{OsStr, OsString};
use std::io::{ErrorKind, Read};

pub const USAGE: &str = "[-benstuvAET] [file...]

-n  number the lines          -b  number those that are not empty
-s  one empty line for many   -v  show control characters
-E  show line ends as $       -T  show tabs as ^I
-e  as -vE    -t  as -vT      -A  as -vET";

pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "cat",
        letters: "bensutvAET",
        long: &[
            ("number", 'n'),
            ("number-nonblank", 'b'),
            ("squeeze-blank", 's'),
            ("show-all", 'A'),
        ],
    };
    let mut given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if given.operands.is_empty() {
        given.operands.push("-".into());
    }
    let plain = !"bensvtAET".chars().any(|letter| given.has(letter));
    let mut out = Output::new();
    let mut state = State {
        line: 1,
        at_start: true,
        empty: 0,
    };
    let mut status = 0;
    let mut buffer = vec![0; 64 * 1024];
    for file in &given.operands {
        let mut input = match open(file) {
            Ok(input) => input,
            Err(error) => {
                complain("cat", file, &error);
                status = 1;
                continue;
            }
        };
        loop {
            match input.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    let bytes = buffer.get(..count).unwrap_or_default();
                    if plain {
                        out.put(bytes);
                        // What comes slowly is passed on as it comes.
                        if count < 4096 {
                            out.flush();
                        }
                    } else {
                        state.show(bytes, &given, &mut out);
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    complain("cat", OsStr::new(file), &error);
                    status = 1;
                    break;
                }
            }
            if out.failed() {
                return out.finish("cat", status, 1);
            }
        }
    }
    out.finish("cat", status, 1)
}

struct State {
    line: u64,
    at_start: bool,
    empty: u32,
}

impl State {
    fn show(&mut self, bytes: &[u8], given: &Given, out: &mut Output) {
        let any = |letters: &str| letters.chars().any(|letter| given.has(letter));
        let (ends, tabs, control) = (any("eEA"), any("tTA"), any("vetA"));
        for byte in bytes {
            if self.at_start {
                self.empty = if *byte == b'\n' { self.empty + 1 } else { 0 };
                if self.empty > 1 && given.has('s') {
                    continue;
                }
                if (given.has('n') && !given.has('b')) || (given.has('b') && *byte != b'\n') {
                    out.put(format!("{:6}\t", self.line).as_bytes());
                    self.line += 1;
                }
            }
            self.at_start = *byte == b'\n';
            match byte {
                b'\n' if ends => out.put(b"$\n"),
                b'\n' => out.put_byte(b'\n'),
                b'\t' if tabs => out.put(b"^I"),
                b'\t' => out.put_byte(b'\t'),
                byte if control => {
                    let low = byte & 0x7f;
                    if byte & 0x80 != 0 {
                        out.put(b"M-");
                    }
                    match low {
                        0..=31 => out.put(&[b'^', low + 64]),
                        127 => out.put(b"^?"),
                        _ => out.put_byte(low),
                    }
                }
                byte => out.put_byte(*byte),
            }
        }
    }
}

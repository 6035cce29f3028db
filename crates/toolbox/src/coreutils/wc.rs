//! `wc` (POSIX.1-2024), with `-L`.

use crate::common::lines::{Output, complain, open};
use crate::common::options::Options;
use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;

pub const USAGE: &str = "[-lwcmL] [file...]

-l  lines    -w  words    -c  bytes    -m  characters    -L  the longest line";

#[derive(Clone, Copy, Default)]
struct Counts {
    lines: u64,
    words: u64,
    characters: u64,
    bytes: u64,
    longest: u64,
}

pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "wc",
        letters: "lwcmL",
        long: &[
            ("lines", 'l'),
            ("words", 'w'),
            ("bytes", 'c'),
            ("chars", 'm'),
            ("max-line-length", 'L'),
        ],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let all = !"lwcmL".chars().any(|letter| given.has(letter));
    let shown = |counts: &Counts| -> Vec<u64> {
        [
            (given.has('l') || all, counts.lines),
            (given.has('w') || all, counts.words),
            (given.has('m'), counts.characters),
            (given.has('c') || all, counts.bytes),
            (given.has('L'), counts.longest),
        ]
        .into_iter()
        .filter(|(on, _)| *on)
        .map(|(_, count)| count)
        .collect()
    };
    let named = !given.operands.is_empty();
    let mut operands = given.operands.clone();
    if !named {
        operands.push("-".into());
    }
    let mut out = Output::new();
    let (mut total, mut status) = (Counts::default(), 0);
    let mut print = |counts: &Counts, name: &[u8]| {
        let numbers = shown(counts);
        // A number alone stands without blanks in front.
        let width = if numbers.len() == 1 {
            0
        } else if named {
            9
        } else {
            7
        };
        let text: Vec<String> = numbers
            .iter()
            .map(|number| format!("{number:width$}"))
            .collect();
        out.put(text.join(" ").as_bytes());
        if !name.is_empty() {
            out.put_byte(b' ');
            out.put(name);
        }
        out.put_byte(b'\n');
    };
    for file in &operands {
        match open(file).and_then(count) {
            Ok(counts) => {
                total.lines += counts.lines;
                total.words += counts.words;
                total.characters += counts.characters;
                total.bytes += counts.bytes;
                total.longest = total.longest.max(counts.longest);
                print(&counts, if named { file.as_bytes() } else { b"" });
            }
            Err(error) => {
                complain("wc", file, &error);
                status = 1;
            }
        }
    }
    if operands.len() > 1 {
        print(&total, b"total");
    }
    out.finish("wc", status, 1)
}

fn count(mut input: impl Read) -> io::Result<Counts> {
    let mut counts = Counts::default();
    let mut buffer = vec![0; 64 * 1024];
    let (mut in_word, mut column) = (false, 0);
    loop {
        let read = match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        counts.bytes += read as u64;
        for byte in buffer.get(..read).unwrap_or_default() {
            // What continues a character in UTF-8 is none of its own.
            let begins = byte & 0xc0 != 0x80;
            counts.characters += u64::from(begins);
            match byte {
                b'\n' | b'\r' | 0x0c => {
                    counts.lines += u64::from(*byte == b'\n');
                    counts.longest = counts.longest.max(column);
                    (in_word, column) = (false, 0);
                }
                b'\t' => {
                    column = column / 8 * 8 + 8;
                    in_word = false;
                }
                b' ' | 0x0b => {
                    column += 1;
                    in_word = false;
                }
                byte => {
                    if begins && *byte >= 32 {
                        column += 1;
                    }
                    if !in_word && *byte > 32 {
                        counts.words += 1;
                        in_word = true;
                    }
                }
            }
        }
    }
    counts.longest = counts.longest.max(column);
    Ok(counts)
}

//! `cut` (POSIX.1-2024), with `-O` for the delimiter of the output and `--complement`.

use crate::common::lines::{Lines, Output, complain, open, say};
use crate::common::options::Options;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

pub const USAGE: &str = "-b LIST | -c LIST | -f LIST [-d CHAR] [-s] [-n] [-O TEXT] [file...]

-b  bytes    -c  characters    -f  fields, apart by a tab
-d  fields are apart by CHAR
-s  leave out lines without it
-O  put TEXT between fields
--complement  all but the LIST
LIST: N, N-M, N-, -M, with commas between.";

struct List {
    ranges: Vec<(usize, usize)>,
    inverted: bool,
}

impl List {
    fn parse(text: &[u8], inverted: bool) -> Option<List> {
        let number = |text: &[u8], empty: usize| {
            if text.is_empty() {
                return Some(empty);
            }
            std::str::from_utf8(text)
                .ok()?
                .parse::<usize>()
                .ok()
                .filter(|number| *number > 0)
        };
        let mut ranges = Vec::new();
        for part in text.split(|byte| matches!(byte, b',' | b' ')) {
            let (from, to) = match part.iter().position(|byte| *byte == b'-') {
                None if part.is_empty() => return None,
                None => (number(part, 0)?, number(part, 0)?),
                Some(_) if part.len() == 1 => return None,
                Some(at) => (
                    number(part.get(..at)?, 1)?,
                    number(part.get(at + 1..)?, usize::MAX)?,
                ),
            };
            if from > to {
                return None;
            }
            ranges.push((from, to));
        }
        Some(List { ranges, inverted })
    }

    fn has(&self, number: usize) -> bool {
        self.ranges
            .iter()
            .any(|(from, to)| (*from..=*to).contains(&number))
            != self.inverted
    }
}

pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "cut",
        letters: "b:c:f:d:snO:vz",
        long: &[
            ("bytes", 'b'),
            ("characters", 'c'),
            ("fields", 'f'),
            ("delimiter", 'd'),
            ("only-delimited", 's'),
            ("output-delimiter", 'O'),
            ("complement", 'v'),
        ],
    };
    let mut given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let kinds = ['b', 'c', 'f']
        .into_iter()
        .filter(|kind| given.has(*kind))
        .collect::<Vec<_>>();
    let [kind] = kinds.as_slice() else {
        return options.wrong("one of -b, -c and -f is needed");
    };
    let text = given.value(*kind).unwrap_or_default();
    let Some(list) = List::parse(text.as_bytes(), given.has('v')) else {
        say("cut", format!("invalid list '{}'", text.display()));
        return 1;
    };
    let delimiter = given.value('d').unwrap_or(OsStr::new("\t")).as_bytes();
    if *kind == 'f' && delimiter.len() != 1 {
        return options.wrong("the delimiter must be one character");
    }
    let between = given
        .value('O')
        .map_or(delimiter, |text| text.as_bytes())
        .to_vec();
    let delimiter = delimiter.first().copied().unwrap_or(b'\t');
    let only = given.has('s');
    let end = if given.has('z') { 0 } else { b'\n' };
    let kind = *kind;
    if given.operands.is_empty() {
        given.operands.push("-".into());
    }
    let mut out = Output::new();
    let mut status = 0;
    for file in &given.operands {
        let mut lines = match open(file) {
            Ok(input) => Lines::new(input, end),
            Err(error) => {
                complain("cut", file, &error);
                status = 1;
                continue;
            }
        };
        loop {
            match lines.read() {
                Ok(None) => break,
                Ok(Some((line, _))) => {
                    if kind == 'f' {
                        if !fields(line, &list, delimiter, &between, only, &mut out) {
                            continue;
                        }
                    } else {
                        characters(line, &list, kind == 'b', &mut out);
                    }
                    out.put_byte(end);
                }
                Err(error) => {
                    complain("cut", file, &error);
                    status = 1;
                    break;
                }
            }
            if out.failed() {
                return out.finish("cut", status, 1);
            }
        }
    }
    out.finish("cut", status, 1)
}

/// `false`: the line is left out.
fn fields(
    line: &[u8],
    list: &List,
    delimiter: u8,
    between: &[u8],
    only: bool,
    out: &mut Output,
) -> bool {
    if memchr::memchr(delimiter, line).is_none() {
        if !only {
            out.put(line);
        }
        return !only;
    }
    let mut first = true;
    for (number, field) in (1..).zip(line.split(|byte| *byte == delimiter)) {
        if list.has(number) {
            if !first {
                out.put(between);
            }
            first = false;
            out.put(field);
        }
    }
    true
}

fn characters(line: &[u8], list: &List, bytes: bool, out: &mut Output) {
    let mut number = 0;
    for byte in line {
        // A byte that continues a character goes with it.
        if bytes || byte & 0xc0 != 0x80 {
            number += 1;
        }
        if list.has(number) {
            out.put_byte(*byte);
        }
    }
}

//! `cut` (POSIX.1-2024), with `-O` for the delimiter of the output and `--complement`.

use crate::common::lines::{Lines, Output, complain, open, say};
use crate::common::options::{Given, Options};
use crate::regex::{Regex, Syntax};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

pub const USAGE: &str =
    "-b LIST | -c LIST | -f LIST [-d CHAR] | -F LIST [-d REGEX] [-Dsnz] [-O TEXT] [file...]

-b  bytes    -c  characters    -f  fields, apart by a tab
-F  fields apart by blanks, or by what REGEX matches
-d  fields are apart by CHAR, or by REGEX
-D  in the order of the LIST, and of lines without a delimiter too
-z  lines end in a zero byte
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
        letters: "b:c:f:F:d:DsnO:vz",
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
    let kinds = ['b', 'c', 'f', 'F']
        .into_iter()
        .filter(|kind| given.has(*kind))
        .collect::<Vec<_>>();
    let [kind] = kinds.as_slice() else {
        return options.wrong("one of -b, -c, -f and -F is needed");
    };
    let text = given.value(*kind).unwrap_or_default();
    let Some(list) = List::parse(text.as_bytes(), given.has('v')) else {
        say("cut", format!("invalid list '{}'", text.display()));
        return 1;
    };
    if given.has('D') && list.inverted {
        return options.wrong("-D and --complement exclude each other");
    }
    if *kind == 'F' {
        return by_pattern(&options, &mut given, &list);
    }
    let delimiter = given.value('d').unwrap_or(OsStr::new("\t")).as_bytes();
    if *kind == 'f' && delimiter.len() != 1 {
        return options.wrong("the delimiter must be one character");
    }
    let between = given
        .value('O')
        .map_or(delimiter, |text| text.as_bytes())
        .to_vec();
    let delimiter = delimiter.first().copied().unwrap_or(b'\t');
    let (only, raw) = (given.has('s'), given.has('D'));
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
                        if raw {
                            let all: Vec<&[u8]> = line.split(|byte| *byte == delimiter).collect();
                            if !chosen(line, &list, &all, &between, only, raw, &mut out) {
                                continue;
                            }
                        } else if !fields(line, &list, delimiter, &between, only, &mut out) {
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

/// `-F`: fields are apart by what an expression matches.
fn by_pattern(options: &Options, given: &mut Given, list: &List) -> i32 {
    let pattern = given
        .value('d')
        .map_or(&b"[[:space:]][[:space:]]*"[..], OsStrExt::as_bytes);
    let syntax = Syntax {
        extended: true,
        ..Syntax::default()
    };
    let regex = match Regex::new(pattern, syntax) {
        Ok(regex) => regex,
        Err(error) => return options.wrong(&error.to_string()),
    };
    let between = given.value('O').map_or(&b" "[..], OsStrExt::as_bytes);
    let (only, raw) = (given.has('s'), given.has('D'));
    let end = if given.has('z') { 0 } else { b'\n' };
    let standard = [OsString::from("-")];
    let files = match given.operands.as_slice() {
        [] => &standard[..],
        files => files,
    };
    let mut out = Output::new();
    let mut status = 0;
    for file in files {
        let done = open(file).and_then(|input| {
            let mut lines = Lines::new(input, end);
            while let Some((line, _)) = lines.read()? {
                let (mut all, mut from) = (Vec::new(), 0);
                while let Some((start, stop)) = regex.find_at(line, from).filter(|at| at.1 > at.0) {
                    all.push(line.get(from..start).unwrap_or_default());
                    from = stop;
                }
                all.push(line.get(from..).unwrap_or_default());
                if chosen(line, list, &all, between, only, raw, &mut out) {
                    out.put_byte(end);
                }
                if out.failed() {
                    break;
                }
            }
            Ok(())
        });
        if let Err(error) = done {
            complain("cut", file, &error);
            status = 1;
        }
    }
    out.finish("cut", status, 1)
}

/// Prints the fields that are listed: with `-D` in the list's order, each as often as it is named, and of a line
/// without a delimiter too. `false`: the line is left out.
fn chosen(
    line: &[u8],
    list: &List,
    all: &[&[u8]],
    between: &[u8],
    only: bool,
    raw: bool,
    out: &mut Output,
) -> bool {
    if all.len() == 1 && only {
        return false;
    }
    if all.len() == 1 && !raw {
        out.put(line);
        return true;
    }
    let numbers: Vec<usize> = if raw {
        let range = |(from, to): &(usize, usize)| *from..=(*to).min(all.len());
        list.ranges.iter().flat_map(range).collect()
    } else {
        (1..=all.len()).filter(|number| list.has(*number)).collect()
    };
    let mut first = true;
    for field in numbers.iter().filter_map(|number| all.get(number - 1)) {
        if !first {
            out.put(between);
        }
        first = false;
        out.put(field);
    }
    true
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

//! `head` (POSIX.1-2024), with `-c` and negative counts: all but the last.

use crate::common::lines::{Lines, Output, complain, open, say};
use crate::common::options::{Options, size};
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;

pub const USAGE: &str = "[-n LINES | -c BYTES] [-qv] [file...]

-n  so many lines (10); -LINES: all but the last LINES
-c  so many bytes instead
-q  never print names    -v  always print names";

enum Count {
    First(u64),
    AllBut(u64),
}

pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "head",
        letters: "n:c:qv",
        long: &[
            ("lines", 'n'),
            ("bytes", 'c'),
            ("quiet", 'q'),
            ("verbose", 'v'),
        ],
    };
    let arguments = old_form(arguments);
    let mut given = match options.parse(&arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let bytes = given.last_of("nc") == Some('c');
    let text = given
        .value(if bytes { 'c' } else { 'n' })
        .unwrap_or(OsStr::new("10"));
    let count = match text.as_bytes().strip_prefix(b"-") {
        Some(rest) => size(OsStr::from_bytes(rest)).map(Count::AllBut),
        None => size(OsStr::from_bytes(
            text.as_bytes()
                .strip_prefix(b"+")
                .unwrap_or(text.as_bytes()),
        ))
        .map(Count::First),
    };
    let Some(count) = count else {
        say("head", format!("invalid number '{}'", text.display()));
        return 1;
    };
    if given.operands.is_empty() {
        given.operands.push("-".into());
    }
    let names = given.has('v') || (given.operands.len() > 1 && !given.has('q'));
    let mut out = Output::new();
    let mut status = 0;
    for (number, file) in given.operands.iter().enumerate() {
        let input = match open(file) {
            Ok(input) => input,
            Err(error) => {
                complain("head", file, &error);
                status = 1;
                continue;
            }
        };
        if names {
            let shown = if file == "-" {
                "standard input".into()
            } else {
                file.to_string_lossy()
            };
            out.put(format!("{}==> {shown} <==\n", if number > 0 { "\n" } else { "" }).as_bytes());
        }
        let result = if bytes {
            head_bytes(input, &count, &mut out)
        } else {
            head_lines(input, &count, &mut out)
        };
        if let Err(error) = result {
            complain("head", file, &error);
            status = 1;
        }
    }
    out.finish("head", status, 1)
}

/// `head -5` is `head -n 5`.
fn old_form(arguments: &[OsString]) -> Vec<OsString> {
    let mut arguments = arguments.to_vec();
    if let Some(first) = arguments.get_mut(1) {
        let bytes = first.as_bytes();
        if bytes.len() > 1
            && bytes.first() == Some(&b'-')
            && bytes.iter().skip(1).all(u8::is_ascii_digit)
        {
            let mut word = OsString::from("-n");
            word.push(OsStr::from_bytes(bytes.get(1..).unwrap_or_default()));
            *first = word;
        }
    }
    arguments
}

fn head_lines(input: File, count: &Count, out: &mut Output) -> io::Result<()> {
    let mut lines = Lines::new(input, b'\n');
    let (mut left, mut held, hold) = match count {
        Count::First(count) => (*count, VecDeque::new(), 0),
        Count::AllBut(count) => (
            u64::MAX,
            VecDeque::new(),
            usize::try_from(*count).unwrap_or(usize::MAX),
        ),
    };
    while left > 0 && !out.failed() {
        let Some((line, ended)) = lines.read()? else {
            break;
        };
        if hold > 0 {
            let mut line = line.to_vec();
            if ended {
                line.push(b'\n');
            }
            held.push_back(line);
            if held.len() > hold
                && let Some(line) = held.pop_front()
            {
                out.put(&line);
            }
        } else {
            out.put(line);
            if ended {
                out.put_byte(b'\n');
            }
        }
        left -= 1;
    }
    Ok(())
}

fn head_bytes(mut input: File, count: &Count, out: &mut Output) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    match count {
        Count::First(count) => {
            let mut input = input.take(*count);
            loop {
                let count = input.read(&mut buffer)?;
                if count == 0 || out.failed() {
                    return Ok(());
                }
                out.put(buffer.get(..count).unwrap_or_default());
            }
        }
        Count::AllBut(count) => {
            let hold = usize::try_from(*count).unwrap_or(usize::MAX);
            let mut held: Vec<u8> = Vec::new();
            loop {
                let count = input.read(&mut buffer)?;
                if count == 0 || out.failed() {
                    return Ok(());
                }
                held.extend_from_slice(buffer.get(..count).unwrap_or_default());
                let ready = held.len().saturating_sub(hold);
                out.put(held.get(..ready).unwrap_or_default());
                held.drain(..ready);
            }
        }
    }
}

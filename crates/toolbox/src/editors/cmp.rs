//! `cmp`: compares two files byte by byte (POSIX.1-2024 cmp; GNU's `-n` and skips).

use std::ffi::OsString;
use std::io::{self, Read};

use lexopt::prelude::*;

use crate::common::lines::{Output, cause, open, say};

/// Usage.
pub const USAGE: &str = "\
[-ls] [-n N] FILE1 [FILE2 [SKIP1 [SKIP2]]]
  -l    print the place and both values of every difference
  -s    print nothing; the exit status tells
  -n N  compare N bytes at most";

/// Runs `cmp`.
pub fn main(args: &[OsString]) -> i32 {
    match run(args) {
        Ok(status) => status,
        Err(message) => {
            say("cmp", message);
            2
        }
    }
}

fn number(text: &OsString) -> Result<u64, String> {
    let text = text.to_string_lossy();
    text.parse().map_err(|_| format!("invalid number '{text}'"))
}

fn run(args: &[OsString]) -> Result<i32, String> {
    let (mut list, mut silent) = (false, false);
    let mut most = u64::MAX;
    let mut operands: Vec<OsString> = Vec::new();
    let mut parser = lexopt::Parser::from_args(args.iter().skip(1).cloned());
    let bad = |error: lexopt::Error| error.to_string();
    while let Some(argument) = parser.next().map_err(bad)? {
        match argument {
            Short('l') | Long("verbose") => list = true,
            Short('s') | Long("quiet" | "silent") => silent = true,
            Short('n') | Long("bytes") => most = number(&parser.value().map_err(bad)?)?,
            Value(value) => operands.push(value),
            other => return Err(other.unexpected().to_string()),
        }
    }
    let (first, second) = match operands.as_slice() {
        [] => {
            return Err(format!(
                "no files\nUsage: cmp {}",
                USAGE.lines().next().unwrap_or_default()
            ));
        }
        [first] => (first.clone(), OsString::from("-")),
        [first, second, ..] if operands.len() <= 4 => (first.clone(), second.clone()),
        _ => return Err("too many operands".into()),
    };
    let skip = |index: usize| operands.get(index).map_or(Ok(0), number);
    let mut left = Side::open(first, skip(2)?)?;
    let mut right = Side::open(second, skip(3)?)?;
    let mut out = Output::new();
    let (mut at, mut line) = (0u64, 1u64);
    let mut status = 0;
    while at < most {
        if left.buffer.is_empty() {
            left.fill()?;
        }
        if right.buffer.is_empty() {
            right.fill()?;
        }
        let length = left
            .rest()
            .len()
            .min(right.rest().len())
            .min(usize::try_from(most - at).unwrap_or(usize::MAX));
        if length == 0 {
            break;
        }
        let (a, b) = (&left.rest()[..length], &right.rest()[..length]);
        if a != b {
            for (index, (a_byte, b_byte)) in a.iter().zip(b).enumerate() {
                if a_byte == b_byte {
                    continue;
                }
                status = 1;
                let place = at + index as u64 + 1;
                if silent {
                    return Ok(1);
                }
                if list {
                    out.put(format!("{place} {a_byte:3o} {b_byte:3o}\n").as_bytes());
                    continue;
                }
                line += memchr::memchr_iter(b'\n', &a[..index]).count() as u64;
                let (a, b) = (left.name.to_string_lossy(), right.name.to_string_lossy());
                out.put(format!("{a} {b} differ: char {place}, line {line}\n").as_bytes());
                return Ok(out.finish("cmp", 1, 2));
            }
        }
        line += memchr::memchr_iter(b'\n', a).count() as u64;
        at += length as u64;
        left.at += length;
        right.at += length;
        left.forget();
        right.forget();
    }
    if at < most && (left.ended() != right.ended()) {
        let short = if left.ended() { &left } else { &right };
        if !silent {
            out.flush();
            say("cmp", format!("EOF on {}", short.name.to_string_lossy()));
        }
        status = 1;
    }
    Ok(out.finish("cmp", status, 2))
}

struct Side {
    name: OsString,
    file: std::fs::File,
    buffer: Vec<u8>,
    at: usize,
}

impl Side {
    fn open(name: OsString, skip: u64) -> Result<Side, String> {
        let told = |error: &io::Error| format!("{}: {}", name.to_string_lossy(), cause(error));
        let mut file = open(&name).map_err(|error| told(&error))?;
        io::copy(&mut (&mut file).take(skip), &mut io::sink()).map_err(|error| told(&error))?;
        Ok(Side {
            name,
            file,
            buffer: Vec::new(),
            at: 0,
        })
    }

    fn rest(&self) -> &[u8] {
        &self.buffer[self.at..]
    }

    fn ended(&self) -> bool {
        self.rest().is_empty()
    }

    fn forget(&mut self) {
        if self.ended() {
            self.buffer.clear();
            self.at = 0;
        }
    }

    fn fill(&mut self) -> Result<(), String> {
        (&mut self.file)
            .take(64 * 1024)
            .read_to_end(&mut self.buffer)
            .map_err(|error| format!("{}: {}", self.name.to_string_lossy(), cause(&error)))?;
        Ok(())
    }
}

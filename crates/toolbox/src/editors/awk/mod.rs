//! `awk`: pattern-directed scanning and processing (POSIX.1-2024 awk, with gawk's `gensub`, `systime`, `nextfile`,
//! `length(array)`, `delete array`, `match` with an array, regular expressions as `RS`, and bit operations).
//!
//! The text of a program goes through [`lex`] and [`parse`] into the tree of [`ast`], which [`interp`] walks;
//! [`record`] holds the fields, [`io`] what is read and written, [`value`] numbers and strings.

mod ast;
mod builtins;
mod format;
mod interp;
mod io;
mod lex;
mod parse;
mod record;
#[cfg(test)]
mod tests;
mod text;
mod value;

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use lexopt::prelude::*;

use crate::common::lines::{cause, open, say};
use crate::common::stack::{Stack, with_large};

/// Usage.
pub const USAGE: &str = "\
[-F FS] [-v NAME=VALUE]... [-f FILE]... [PROGRAM] [FILE | NAME=VALUE]...
  -F FS          fields are separated by FS
  -v NAME=VALUE  set a variable before the program begins
  -f FILE        read the program from FILE
  -e PROGRAM     a program, or a part of it";

/// Runs `awk`. Functions may call deeply.
pub fn main(args: &[OsString]) -> i32 {
    let args = args.to_vec();
    with_large("awk", move |stack| match run(&args, stack) {
        Ok(status) => status,
        Err(message) => {
            say("awk", message);
            2
        }
    })
}

/// Splits `name=value`, if the name is one.
fn assignment(argument: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(b'=', argument)?;
    let (name, value) = argument.split_at(at);
    let first = name.first()?;
    let good = (first.is_ascii_alphabetic() || *first == b'_')
        && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_');
    good.then_some((name, &value[1..]))
}

fn run(args: &[OsString], stack: Stack) -> Result<i32, String> {
    let mut source: Option<Vec<u8>> = None;
    // How an error names the program.
    let mut place = String::from("cmd. line");
    let mut assigned: Vec<OsString> = Vec::new();
    let mut separator: Option<Vec<u8>> = None;
    let mut operands: Vec<OsString> = vec!["awk".into()];
    let mut parser = lexopt::Parser::from_args(args.iter().skip(1).cloned());
    let bad = |error: lexopt::Error| error.to_string();
    let add = |source: &mut Option<Vec<u8>>, text: &[u8]| {
        let source = source.get_or_insert_default();
        source.extend_from_slice(text);
        source.push(b'\n');
    };
    while let Some(argument) = parser.next().map_err(bad)? {
        match argument {
            Short('F') | Long("field-separator") => {
                separator = Some(parser.value().map_err(bad)?.into_vec())
            }
            Short('v') | Long("assign") => assigned.push(parser.value().map_err(bad)?),
            Short('e') | Long("source") => {
                add(&mut source, parser.value().map_err(bad)?.as_bytes())
            }
            Short('f') | Long("file") => {
                let path = parser.value().map_err(bad)?;
                let mut text = Vec::new();
                place = path.to_string_lossy().into_owned();
                open(&path)
                    .and_then(|mut file| std::io::Read::read_to_end(&mut file, &mut text))
                    .map_err(|error| format!("{}: {}", path.to_string_lossy(), cause(&error)))?;
                add(&mut source, &text);
            }
            Value(value) => {
                if source.is_none() {
                    source = Some(value.into_vec());
                } else {
                    operands.push(value);
                }
                operands.extend(parser.raw_args().map_err(bad)?);
            }
            other => return Err(other.unexpected().to_string()),
        }
    }
    let Some(source) = source else {
        return Err(format!(
            "no program\nUsage: awk {}",
            USAGE.lines().next().unwrap_or_default()
        ));
    };
    let mut program = match parse::parse(&source) {
        Ok(program) => program,
        Err(message) => {
            say("awk", format!("{place}:{message}"));
            return Ok(1);
        }
    };
    let mut settings = Vec::new();
    if let Some(text) = separator {
        // A lone t means a tab, as it always did.
        let text = if text == b"t" {
            b"\t".to_vec()
        } else {
            lex::unescape(&text)
        };
        settings.push((ast::special::FS, value::Value::string(&text)));
    }
    for argument in &assigned {
        let (name, text) = assignment(argument.as_bytes())
            .ok_or_else(|| format!("invalid assignment: {}", argument.to_string_lossy()))?;
        let place = parse::global(&mut program, &String::from_utf8_lossy(name));
        settings.push((place, value::Value::input(&lex::unescape(text))));
    }
    let mut interp = interp::Interp::new(&program, &operands, stack);
    for (place, value) in settings {
        if let Err(interp::Stop::Fatal(message)) = interp.set_global(place, value) {
            return Err(message);
        }
    }
    let result = interp.run();
    let out = std::mem::take(&mut interp.out);
    let status = result.as_ref().map_or(2, |status| *status);
    let status = out.finish("awk", status, 2);
    result.map(|_| status)
}

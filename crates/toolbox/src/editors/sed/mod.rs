//! `sed`: the stream editor (POSIX.1-2024 sed, with GNU's `-i -s -z -E`, `0,/re/`, `addr,+N`, `addr,~N`,
//! `first~step`, and the flags `I` and `M`).
//!
//! [`parse`] turns the script into a flat list of commands with resolved jumps; [`run`] runs it over the lines.

mod parse;
mod run;
mod substitute;

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::rc::Rc;

use lexopt::prelude::*;

use crate::common::lines::{cause, open, say};
use crate::regex::Regex;

/// Usage.
pub const USAGE: &str = "\
[-nEsz] [-i[SUFFIX]] [-e SCRIPT]... [-f FILE]... [SCRIPT] [FILE]...
  -n           print only what the script prints
  -e SCRIPT    commands
  -f FILE      commands from FILE
  -E, -r       extended regular expressions
  -i[SUFFIX]   edit the files in place, keeping the old as FILE with SUFFIX
  -s           each file has lines and a last line of its own
  -z           lines end in NUL";

/// Which lines a command is for.
#[derive(Debug)]
enum Address {
    Line(u64),
    Last,
    /// None: the regular expression that was used last.
    Match(Option<Rc<Regex>>),
    Step(u64, u64),
}

/// The end of a range.
#[derive(Debug)]
enum RangeEnd {
    Address(Address),
    /// That many lines more.
    More(u64),
    /// Up to the next multiple.
    Multiple(u64),
}

/// Where a range stands.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Range {
    Outside,
    /// Outside, and it begins with the number of a line that is behind.
    Closed,
    Inside,
    /// Inside up to this line.
    Until(u64),
}

/// One piece of the right side of `s`.
#[derive(Debug)]
enum Piece {
    Text(Vec<u8>),
    Group(usize),
    Case(Case),
}

/// GNU's `\U \L \u \l \E`.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Case {
    Upper,
    Lower,
    UpperNext,
    LowerNext,
    End,
}

#[derive(Debug)]
struct Substitute {
    regex: Option<Rc<Regex>>,
    pieces: Vec<Piece>,
    global: bool,
    number: usize,
    print: bool,
    write: Option<usize>,
}

/// What a command does.
#[derive(Debug)]
enum Action {
    /// `{`: where to go when the address does not match.
    Block(usize),
    Append(Vec<u8>),
    Insert(Vec<u8>),
    Change(Vec<u8>),
    Branch(usize),
    BranchIf(usize),
    BranchUnless(usize),
    Delete,
    DeleteFirst,
    Get,
    GetAppend,
    Hold,
    HoldAppend,
    List(Option<usize>),
    Next,
    NextAppend,
    Print,
    PrintFirst,
    Quit(i32),
    QuitSilently(i32),
    Read(OsString),
    ReadLine(usize),
    Substitute(Box<Substitute>),
    Write(usize),
    WriteFirst(usize),
    Exchange,
    Translate(Box<Translation>),
    Number,
    FileName,
    Empty,
}

/// `y`: bytes by table, characters beyond ASCII by list.
#[derive(Debug)]
struct Translation {
    bytes: Box<[u8; 128]>,
    wide: Vec<(Vec<u8>, Vec<u8>)>,
}

#[derive(Debug)]
struct Command {
    first: Option<Address>,
    end: Option<RangeEnd>,
    negated: bool,
    /// Where the range stands before the first line: inside for `0,/re/`.
    start: Range,
    action: Action,
}

/// A whole script.
#[derive(Debug, Default)]
struct Script {
    commands: Vec<Command>,
    /// Files that are written to.
    outputs: Vec<OsString>,
    /// Files that `R` reads from.
    inputs: Vec<OsString>,
    silent: bool,
}

/// Runs `sed`.
pub fn main(args: &[OsString]) -> i32 {
    match start(args) {
        Ok(status) => status,
        Err(message) => {
            say("sed", message);
            1
        }
    }
}

fn start(args: &[OsString]) -> Result<i32, String> {
    let mut options = run::Options::default();
    let mut extended = false;
    let mut source: Vec<u8> = Vec::new();
    let mut given = false;
    let mut files: Vec<OsString> = Vec::new();
    let mut parser = lexopt::Parser::from_args(args.iter().skip(1).cloned());
    let bad = |error: lexopt::Error| error.to_string();
    while let Some(argument) = parser.next().map_err(bad)? {
        match argument {
            Short('n') | Long("quiet" | "silent") => options.silent = true,
            Short('E' | 'r') | Long("regexp-extended") => extended = true,
            Short('s') | Long("separate") => options.separate = true,
            Short('z') | Long("null-data") => options.delimiter = 0,
            Short('u') | Long("unbuffered") => options.unbuffered = true,
            Long("posix") => {}
            Long("version") => {
                // The words that configure scripts look for.
                crate::common::lines::say_out("This is not GNU sed version 4.0");
                return Ok(0);
            }
            Short('i') | Long("in-place") => {
                options.in_place = Some(parser.optional_value().unwrap_or_default());
                options.separate = true;
            }
            Short('e') | Long("expression") => {
                add_source(
                    &mut source,
                    &mut given,
                    parser.value().map_err(bad)?.as_bytes(),
                );
            }
            Short('f') | Long("file") => {
                let path = parser.value().map_err(bad)?;
                let mut text = Vec::new();
                open(&path)
                    .and_then(|mut file| std::io::Read::read_to_end(&mut file, &mut text))
                    .map_err(|error| format!("{}: {}", path.to_string_lossy(), cause(&error)))?;
                if text.last() == Some(&b'\n') {
                    text.pop();
                }
                if text.starts_with(b"#!") {
                    // Not the #n of a first line.
                    text.insert(1, b' ');
                }
                add_source(&mut source, &mut given, &text);
            }
            Value(value) => files.push(value),
            other => return Err(other.unexpected().to_string()),
        }
    }
    if !given {
        if files.is_empty() {
            return Err(format!(
                "no script\nUsage: sed {}",
                USAGE.lines().next().unwrap_or_default()
            ));
        }
        source = files.remove(0).into_vec();
    }
    let script = parse::parse(&source, extended)?;
    options.silent |= script.silent;
    run::run(&script, &options, &files)
}

fn add_source(source: &mut Vec<u8>, given: &mut bool, text: &[u8]) {
    if *given {
        source.push(b'\n');
    }
    source.extend_from_slice(text);
    *given = true;
}

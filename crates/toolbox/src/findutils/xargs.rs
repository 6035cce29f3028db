//! `xargs`: runs a command with arguments read from standard input (POSIX.1-2024 xargs, with `-0 -r -d -P -a`).

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::{Child, Command, ExitStatus, Stdio};

use lexopt::prelude::*;

use crate::common::lines::{complain, open, say, write_all};

/// Usage.
pub const USAGE: &str = "\
[-0rtpx] [-d C] [-n N] [-L N] [-s N] [-P N] [-I STRING] [-E STRING] [-a FILE] [COMMAND [ARG]...]
  -0         items end in NUL; quotes and backslashes mean nothing
  -d C       items end in the character C
  -r         run nothing when there are no items
  -t         print each command to standard error first
  -p         ask before each command
  -n N       at most N items a command
  -L N       at most N lines a command
  -s N       at most N bytes a command
  -x         stop when a command would be longer
  -I STRING  a command a line, STRING replaced in its arguments by the line
  -E STRING  stop at the item STRING
  -P N       up to N commands at the same time (0: as many as there are)
  -a FILE    items from FILE";

/// What POSIX guarantees to fit; far below what Linux allows, which is 128 KiB an argument and 2 MiB in all.
const MAX_BYTES: usize = 128 * 1024;

struct Settings {
    command: Vec<OsString>,
    trace: bool,
    ask: bool,
    parallel: usize,
    replace: Option<Vec<u8>>,
    status: i32,
    running: Vec<Child>,
}

/// Runs `xargs`.
pub fn main(args: &[OsString]) -> i32 {
    match run(args) {
        Ok(status) => status,
        Err(message) => {
            say("xargs", message);
            1
        }
    }
}

/// What ends an item.
#[derive(Clone, Copy, PartialEq)]
enum Split {
    /// Blanks and newlines, with quotes.
    Words,
    /// Newlines, with quotes (`-I`).
    Lines,
    /// This byte and nothing else.
    Byte(u8),
}

fn run(args: &[OsString]) -> Result<i32, String> {
    let mut split = Split::Words;
    let mut settings = Settings {
        command: Vec::new(),
        trace: false,
        ask: false,
        parallel: 1,
        replace: None,
        status: 0,
        running: Vec::new(),
    };
    let (mut max_items, mut max_lines, mut max_bytes) = (usize::MAX, usize::MAX, MAX_BYTES);
    let (mut no_empty, mut exit_long) = (false, false);
    let mut end_item: Option<OsString> = None;
    let mut input: OsString = "-".into();
    let mut parser = lexopt::Parser::from_args(args.iter().skip(1).cloned());
    let bad = |error: lexopt::Error| error.to_string();
    while let Some(argument) = parser.next().map_err(bad)? {
        match argument {
            Short('0') | Long("null") => split = Split::Byte(0),
            Short('d') | Long("delimiter") => {
                split = Split::Byte(delimiter(&parser.value().map_err(bad)?)?);
            }
            Short('r') | Long("no-run-if-empty") => no_empty = true,
            Short('t') | Long("verbose") => settings.trace = true,
            Short('p') | Long("interactive") => (settings.ask, settings.trace) = (true, true),
            Short('x') | Long("exit") => exit_long = true,
            Short('n') | Long("max-args") => max_items = number(&mut parser, "-n")?.max(1),
            Short('L') | Long("max-lines") => max_lines = number(&mut parser, "-L")?.max(1),
            Short('s') | Long("max-chars") => {
                max_bytes = number(&mut parser, "-s")?.clamp(1, MAX_BYTES)
            }
            Short('P') | Long("max-procs") => settings.parallel = number(&mut parser, "-P")?,
            Short('I') | Long("replace") => {
                settings.replace = Some(parser.value().map_err(bad)?.into_vec())
            }
            Short('i') => {
                settings.replace = Some(
                    parser
                        .optional_value()
                        .map_or_else(|| b"{}".to_vec(), OsString::into_vec),
                );
            }
            Short('E') => end_item = Some(parser.value().map_err(bad)?),
            Short('e') => end_item = parser.optional_value(),
            Short('a') | Long("arg-file") => input = parser.value().map_err(bad)?,
            Value(value) => {
                settings.command.push(value);
                settings.command.extend(parser.raw_args().map_err(bad)?);
            }
            other => return Err(other.unexpected().to_string()),
        }
    }
    if settings.command.is_empty() {
        settings.command.push("echo".into());
    }
    if settings.replace.is_some() {
        (max_items, no_empty, exit_long) = (1, true, true);
        if split == Split::Words {
            split = Split::Lines;
        }
    }
    let file = open(&input).map_err(|error| {
        format!(
            "{}: {}",
            input.to_string_lossy(),
            crate::common::lines::cause(&error)
        )
    })?;
    let mut items = Items {
        bytes: io::BufReader::new(file).bytes(),
        split,
        line_ended: false,
    };
    let fixed: usize = settings.command.iter().map(|word| word.len() + 1).sum();
    let mut batch: Vec<OsString> = Vec::new();
    let (mut bytes, mut lines) = (fixed, 0);
    let mut ran = false;
    loop {
        let item = items
            .next()?
            .filter(|item| Some(item.as_os_str()) != end_item.as_deref());
        let Some(item) = item else { break };
        let length = item.len() + 1;
        if bytes + length > max_bytes && !batch.is_empty() && settings.replace.is_none() {
            if exit_long && (max_items != usize::MAX || max_lines != usize::MAX) {
                return Err("argument list too long".into());
            }
            settings.start(&std::mem::take(&mut batch))?;
            (bytes, lines, ran) = (fixed, 0, true);
        }
        if bytes + length > max_bytes {
            return Err(format!("argument line too long: {} bytes", length - 1));
        }
        bytes += length;
        batch.push(item);
        lines += usize::from(items.line_ended);
        if batch.len() >= max_items || lines >= max_lines {
            settings.start(&std::mem::take(&mut batch))?;
            (bytes, lines, ran) = (fixed, 0, true);
        }
        if settings.status >= 124 {
            break;
        }
    }
    if settings.status < 124 && (!batch.is_empty() || !ran && !no_empty) {
        settings.start(&batch)?;
    }
    settings.wait_until(0)?;
    Ok(settings.status)
}

fn number(parser: &mut lexopt::Parser, name: &str) -> Result<usize, String> {
    let value = parser.value().map_err(|error| error.to_string())?;
    let text = value.to_string_lossy();
    text.parse()
        .map_err(|_| format!("invalid number '{text}' of option {name}"))
}

fn delimiter(value: &OsStr) -> Result<u8, String> {
    match value.as_bytes() {
        [byte] => Ok(*byte),
        [b'\\', b'n'] => Ok(b'\n'),
        [b'\\', b't'] => Ok(b'\t'),
        [b'\\', b'0'] => Ok(0),
        [b'\\', b'\\'] => Ok(b'\\'),
        _ => Err(format!(
            "the delimiter must be one character: '{}'",
            value.to_string_lossy()
        )),
    }
}

struct Items<R> {
    bytes: R,
    split: Split,
    /// Whether the item that was read last was the last of its line.
    line_ended: bool,
}

impl<R: Iterator<Item = io::Result<u8>>> Items<R> {
    fn next(&mut self) -> Result<Option<OsString>, String> {
        let mut item = Vec::new();
        let mut started = false;
        let mut quote = None;
        self.line_ended = false;
        loop {
            let byte = match self.bytes.next() {
                None => break,
                Some(Err(error)) => return Err(format!("cannot read the items: {error}")),
                Some(Ok(byte)) => byte,
            };
            if let Split::Byte(end) = self.split {
                if byte == end {
                    self.line_ended = true;
                    return Ok(Some(OsString::from_vec(item)));
                }
                started = true;
                item.push(byte);
                continue;
            }
            if let Some(open) = quote {
                match byte {
                    b'\n' => break,
                    _ if byte == open => quote = None,
                    _ => item.push(byte),
                }
                continue;
            }
            match byte {
                b'\n' if started => {
                    self.line_ended = true;
                    return Ok(Some(OsString::from_vec(item)));
                }
                b'\n' => {}
                b' ' | b'\t' | 11 | 12 | 13 if self.split == Split::Lines && !started => {}
                b' ' | b'\t' | 11 | 12 | 13 if self.split == Split::Words => {
                    if started {
                        return Ok(Some(OsString::from_vec(item)));
                    }
                }
                b'\'' | b'"' => (quote, started) = (Some(byte), true),
                b'\\' => {
                    started = true;
                    match self.bytes.next() {
                        Some(Ok(byte)) => item.push(byte),
                        Some(Err(error)) => return Err(format!("cannot read the items: {error}")),
                        None => item.push(b'\\'),
                    }
                }
                _ => {
                    started = true;
                    item.push(byte);
                }
            }
        }
        match quote {
            Some(b'"') => Err("unmatched double quote".into()),
            Some(_) => Err("unmatched single quote".into()),
            None => {
                self.line_ended = true;
                Ok(started.then(|| OsString::from_vec(item)))
            }
        }
    }
}

fn replace(word: &OsStr, what: &[u8], by: &OsStr) -> OsString {
    let mut out = Vec::new();
    let mut rest = word.as_bytes();
    while let Some(at) = memchr::memmem::find(rest, what).filter(|_| !what.is_empty()) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(by.as_bytes());
        rest = &rest[at + what.len()..];
    }
    out.extend_from_slice(rest);
    OsString::from_vec(out)
}

impl Settings {
    fn start(&mut self, items: &[OsString]) -> Result<(), String> {
        let words: Vec<OsString> = match (&self.replace, items) {
            (Some(what), [item]) => self
                .command
                .iter()
                .map(|word| replace(word, what, item))
                .collect(),
            _ => self.command.iter().chain(items).cloned().collect(),
        };
        if self.trace {
            let mut line = words
                .iter()
                .map(|word| word.as_bytes())
                .collect::<Vec<_>>()
                .join(&b' ');
            line.extend_from_slice(if self.ask { b"?..." } else { b"\n" });
            let _ = write_all(rustix::stdio::stderr(), &line);
            if self.ask && !confirmed() {
                return Ok(());
            }
        }
        if self.parallel > 0 {
            self.wait_until(self.parallel - 1)?;
            if self.status >= 124 {
                return Ok(());
            }
        }
        match Command::new(&words[0])
            .args(&words[1..])
            .stdin(Stdio::null())
            .spawn()
        {
            Ok(child) => {
                self.running.push(child);
                if self.parallel == 1 {
                    self.wait_until(0)
                } else {
                    Ok(())
                }
            }
            Err(error) => {
                complain("xargs", &words[0], &error);
                self.status = if error.kind() == io::ErrorKind::NotFound {
                    127
                } else {
                    126
                };
                Ok(())
            }
        }
    }

    /// Waits until at most that many commands run.
    fn wait_until(&mut self, count: usize) -> Result<(), String> {
        while self.running.len() > count {
            // Whichever ends first; of these all are ours.
            let ended = if self.running.len() == 1 {
                0
            } else {
                let info = rustix::process::waitid(
                    rustix::process::WaitId::All,
                    rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT,
                );
                match info {
                    Ok(_) => self.ended(),
                    Err(rustix::io::Errno::INTR) => continue,
                    Err(error) => return Err(format!("cannot wait: {error}")),
                }
            };
            let mut child = self.running.swap_remove(ended);
            let status = child
                .wait()
                .map_err(|error| format!("cannot wait: {error}"))?;
            self.note(status);
        }
        Ok(())
    }

    /// The index of a command that has ended.
    fn ended(&mut self) -> usize {
        self.running
            .iter_mut()
            .position(|child| matches!(child.try_wait(), Ok(Some(_))))
            .unwrap_or(0)
    }

    fn note(&mut self, status: ExitStatus) {
        let name = self.command[0].to_string_lossy().into_owned();
        match status.code() {
            Some(0) => {}
            Some(255) => {
                say("xargs", format!("{name}: exited with status 255; aborting"));
                self.status = 124;
            }
            Some(_) => self.status = self.status.max(123),
            None => {
                say("xargs", format!("{name}: terminated by a signal"));
                self.status = 125;
            }
        }
    }
}

/// Asks on the terminal.
fn confirmed() -> bool {
    let Ok(mut tty) = std::fs::File::open("/dev/tty") else {
        return false;
    };
    let mut first = None;
    let mut byte = [0];
    while let Ok(1) = tty.read(&mut byte) {
        if byte[0] == b'\n' {
            break;
        }
        first.get_or_insert(byte[0]);
    }
    matches!(first, Some(b'y' | b'Y'))
}

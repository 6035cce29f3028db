//! Files and commands that a program reads and writes.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::rc::Rc;

use super::ast::Redirect;
use super::value::Bytes;
use crate::common::lines::{Output, open};
use crate::regex::Regex;

/// What ends a record.
#[derive(Clone, Debug)]
pub enum Separator {
    Byte(u8),
    /// Empty lines; newlines also end fields.
    Paragraph,
    Regex(Rc<Regex>),
}

/// Records out of a reader.
pub struct Records {
    reader: Box<dyn Read>,
    buffer: Vec<u8>,
    start: usize,
    finished: bool,
}

impl Records {
    /// Records of a reader.
    pub fn new(reader: Box<dyn Read>) -> Records {
        Records {
            reader,
            buffer: Vec::new(),
            start: 0,
            finished: false,
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        let length = self.buffer.len();
        self.buffer.resize(length + (64 * 1024).max(length), 0);
        let result = loop {
            match self.reader.read(&mut self.buffer[length..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        let count = *result.as_ref().unwrap_or(&0);
        self.buffer.truncate(length + count);
        self.finished = count == 0;
        result.map(|_| ())
    }

    /// The next record; false at the end, where `out` stays as it was.
    pub fn next(&mut self, separator: &Separator, out: &mut Vec<u8>) -> io::Result<bool> {
        let mut searched = 0;
        loop {
            let rest = &self.buffer[self.start..];
            if matches!(separator, Separator::Paragraph) && searched == 0 {
                // Newlines before a paragraph are no part of it.
                let skip = rest.iter().take_while(|b| **b == b'\n').count();
                if skip > 0 {
                    self.start += skip;
                    continue;
                }
            }
            let found = match separator {
                Separator::Byte(byte) => memchr::memchr(*byte, &rest[searched..])
                    .map(|at| (searched + at, searched + at + 1)),
                Separator::Paragraph => {
                    memchr::memmem::find(&rest[searched.saturating_sub(1)..], b"\n\n").map(|at| {
                        let start = searched.saturating_sub(1) + at;
                        let newlines = rest[start..].iter().take_while(|b| **b == b'\n').count();
                        (start, start + newlines)
                    })
                }
                // A match at the end of what is at hand may go on.
                Separator::Regex(regex) => regex
                    .find_at(rest, 0)
                    .filter(|(start, end)| start < end && (*end < rest.len() || self.finished)),
            };
            if let Some((end, next)) = found {
                out.clear();
                out.extend_from_slice(&rest[..end]);
                self.start += next;
                return Ok(true);
            }
            if self.finished {
                let mut text = rest;
                if !matches!(separator, Separator::Byte(_)) {
                    text = text.strip_suffix(b"\n").unwrap_or(text);
                }
                let any = !rest.is_empty();
                if any {
                    out.clear();
                    out.extend_from_slice(text);
                }
                self.start = self.buffer.len();
                return Ok(any);
            }
            searched = rest.len();
            self.fill()?;
        }
    }
}

enum Stream {
    File(BufWriter<File>),
    Pipe(BufWriter<std::process::ChildStdin>, Child),
    Standard,
    Error,
    Reader(Records),
    Command(Records, Child),
}

/// All that is open, by name.
#[derive(Default)]
pub struct Streams {
    open: Vec<(Bytes, bool, Stream)>,
}

/// Runs a command in the shell.
pub fn shell(command: &[u8]) -> Command {
    let mut run = Command::new("/bin/sh");
    run.arg("-c").arg(OsStr::from_bytes(command));
    run
}

/// What `close` and `system` give for an exit status.
pub fn status_value(status: ExitStatus) -> f64 {
    match (status.code(), status.signal()) {
        (Some(code), _) => f64::from(code),
        (None, Some(signal)) => f64::from(256 + signal),
        _ => -1.0,
    }
}

impl Streams {
    /// Writes to a file or command, which is opened the first time.
    pub fn write(
        &mut self,
        redirect: Redirect,
        name: &Bytes,
        bytes: &[u8],
        standard: &mut Output,
    ) -> io::Result<()> {
        let known = self
            .open
            .iter()
            .position(|(known, writing, _)| *writing && known == name);
        let index = match known {
            Some(index) => index,
            None => {
                let path = OsStr::from_bytes(name);
                let stream = match (redirect, &**name) {
                    (Redirect::Pipe, _) => {
                        standard.flush();
                        let mut child = shell(name).stdin(Stdio::piped()).spawn()?;
                        match child.stdin.take() {
                            Some(stdin) => Stream::Pipe(BufWriter::new(stdin), child),
                            None => return Err(io::ErrorKind::BrokenPipe.into()),
                        }
                    }
                    (_, b"/dev/stdout" | b"-") => Stream::Standard,
                    (_, b"/dev/stderr") => Stream::Error,
                    (Redirect::Write, _) => Stream::File(BufWriter::new(File::create(path)?)),
                    (Redirect::Append, _) => Stream::File(BufWriter::new(
                        OpenOptions::new().append(true).create(true).open(path)?,
                    )),
                };
                self.open.push((Rc::clone(name), true, stream));
                self.open.len() - 1
            }
        };
        match &mut self.open[index].2 {
            Stream::File(file) => file.write_all(bytes),
            Stream::Pipe(pipe, _) => pipe.write_all(bytes),
            Stream::Standard => {
                standard.put(bytes);
                Ok(())
            }
            Stream::Error => crate::common::lines::write_all(rustix::stdio::stderr(), bytes),
            Stream::Reader(_) | Stream::Command(..) => Ok(()),
        }
    }

    /// The records of a file or command, which is opened the first time.
    pub fn records(&mut self, name: &Bytes, command: bool) -> io::Result<&mut Records> {
        let known = self
            .open
            .iter()
            .position(|(known, writing, _)| !*writing && known == name);
        let index = match known {
            Some(index) => index,
            None => {
                let stream = if command {
                    let mut child = shell(name).stdout(Stdio::piped()).spawn()?;
                    match child.stdout.take() {
                        Some(stdout) => Stream::Command(Records::new(Box::new(stdout)), child),
                        None => return Err(io::ErrorKind::BrokenPipe.into()),
                    }
                } else {
                    let path: OsString = match &**name {
                        b"/dev/stdin" => "-".into(),
                        path => OsStr::from_bytes(path).to_os_string(),
                    };
                    Stream::Reader(Records::new(Box::new(open(&path)?)))
                };
                self.open.push((Rc::clone(name), false, stream));
                self.open.len() - 1
            }
        };
        match &mut self.open[index].2 {
            Stream::Reader(records) | Stream::Command(records, _) => Ok(records),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    /// Closes what has that name: the status, or None when nothing is open under it.
    pub fn close(&mut self, name: &[u8]) -> Option<io::Result<f64>> {
        let mut result = None;
        while let Some(index) = self.open.iter().position(|(known, _, _)| **known == *name) {
            let (_, _, stream) = self.open.remove(index);
            result = Some(end(stream));
        }
        result
    }

    /// Writes what is buffered, of one name or of all.
    pub fn flush(&mut self, name: Option<&[u8]>) -> io::Result<()> {
        for (known, _, stream) in &mut self.open {
            if name.is_none_or(|name| **known == *name) {
                match stream {
                    Stream::File(file) => file.flush()?,
                    Stream::Pipe(pipe, _) => pipe.flush()?,
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Closes all, waiting for the commands.
    pub fn close_all(&mut self) -> Vec<(Bytes, io::Error)> {
        let mut errors = Vec::new();
        for (name, _, stream) in std::mem::take(&mut self.open) {
            if let Err(error) = end(stream) {
                errors.push((name, error));
            }
        }
        errors
    }
}

fn end(stream: Stream) -> io::Result<f64> {
    match stream {
        Stream::File(mut file) => file.flush().map(|()| 0.0),
        Stream::Pipe(mut pipe, mut child) => {
            let flushed = pipe.flush();
            drop(pipe);
            let status = child.wait()?;
            // A command that wants no more input is no error.
            match flushed {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
                _ => Ok(status_value(status)),
            }
        }
        Stream::Command(records, mut child) => {
            drop(records);
            child.wait().map(status_value)
        }
        Stream::Reader(_) | Stream::Standard | Stream::Error => Ok(0.0),
    }
}

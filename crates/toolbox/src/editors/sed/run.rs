//! Runs a script over lines.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::substitute::{substitute, translate};
use super::{Action, Address, Command, Range, RangeEnd, Script};
use crate::common::lines::{Lines, Output, cause, complain, open, write_all};
use crate::regex::Regex;

/// How to run.
pub struct Options {
    /// `-n`
    pub silent: bool,
    /// `-s`
    pub separate: bool,
    /// `-u`
    pub unbuffered: bool,
    /// What ends a line.
    pub delimiter: u8,
    /// `-i`, with its suffix.
    pub in_place: Option<OsString>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            silent: false,
            separate: false,
            unbuffered: false,
            delimiter: b'\n',
            in_place: None,
        }
    }
}

/// What is to be written at the end of a cycle.
enum Late {
    Text(Vec<u8>),
    File(OsString),
    LineOf(usize),
}

/// A file that `w` writes to.
enum Target {
    Standard,
    Error,
    /// Its name, and whether the last line still owes its end.
    File(OsString, BufWriter<File>, bool),
}

/// The file that will replace the one that is edited.
struct Edited {
    file: BufWriter<File>,
    name: PathBuf,
    temporary: PathBuf,
}

struct Sed<'a> {
    options: &'a Options,
    commands: &'a [Command],
    ranges: Vec<Range>,
    files: VecDeque<&'a OsString>,
    lines: Option<Lines<File>>,
    name: OsString,
    number: u64,
    out: Output,
    edited: Option<Edited>,
    targets: Vec<Target>,
    sources: Vec<Option<Lines<File>>>,
    space: Vec<u8>,
    hold: Vec<u8>,
    /// Whether the line in the pattern space ended in the delimiter.
    ended: bool,
    /// The same of the hold space.
    hold_ended: bool,
    /// Whether a delimiter is owed before more is written.
    owed: bool,
    late: Vec<Late>,
    substituted: bool,
    last: Option<Rc<Regex>>,
    status: i32,
}

/// Where to go after a command.
enum Flow {
    Go(usize),
    /// The cycle ends; with the pattern space printed or not.
    End(bool),
    /// A new cycle without reading a line.
    Again,
    Quit(bool, i32),
}

/// Runs the script over the files. Gives the exit status.
pub fn run(script: &Script, options: &Options, files: &[OsString]) -> Result<i32, String> {
    let standard = [OsString::from("-")];
    let files = if files.is_empty() { &standard } else { files };
    let mut targets = Vec::new();
    for name in &script.outputs {
        targets.push(match name.as_bytes() {
            b"/dev/stdout" => Target::Standard,
            b"/dev/stderr" => Target::Error,
            _ => Target::File(
                name.clone(),
                BufWriter::new(File::create(name).map_err(|error| told(name, &error))?),
                false,
            ),
        });
    }
    let sources = script.inputs.iter().map(|name| {
        open(name)
            .ok()
            .map(|file| Lines::new(file, options.delimiter))
    });
    let mut sed = Sed {
        options,
        commands: &script.commands,
        ranges: script
            .commands
            .iter()
            .map(|command| command.start)
            .collect(),
        files: files.iter().collect(),
        lines: None,
        name: "-".into(),
        number: 0,
        out: Output::new(),
        edited: None,
        targets,
        sources: sources.collect(),
        space: Vec::new(),
        hold: Vec::new(),
        ended: true,
        hold_ended: true,
        owed: false,
        late: Vec::new(),
        substituted: false,
        last: None,
        status: 0,
    };
    let result = sed
        .cycles()
        .and_then(|status| sed.end_file().map(|()| status));
    if let Some(edited) = sed.edited.take() {
        // The file stays as it was.
        let _ = std::fs::remove_file(&edited.temporary);
    }
    let mut status = sed.status;
    for target in sed.targets {
        if let Target::File(name, mut file, _) = target
            && let Err(error) = file.flush()
        {
            complain("sed", &name, &error);
            status = 4;
        }
    }
    let status = match result {
        Ok(0) => status,
        Ok(other) => other,
        Err(message) => {
            sed.out.finish("sed", 0, 4);
            return Err(message);
        }
    };
    Ok(sed.out.finish("sed", status, 4))
}

fn told(name: &OsStr, error: &io::Error) -> String {
    format!("{}: {}", name.to_string_lossy(), cause(error))
}

impl Sed<'_> {
    fn cycles(&mut self) -> Result<i32, String> {
        let mut keep = false;
        loop {
            if !keep && !self.read_line()? {
                return Ok(0);
            }
            keep = false;
            let mut at = 0;
            let (print, quit) = loop {
                let commands = self.commands;
                let Some(command) = commands.get(at) else {
                    break (true, None);
                };
                let flow = if self.selected(command, at)? != command.negated {
                    self.execute(command, at)?
                } else if let Action::Block(end) = command.action {
                    Flow::Go(end)
                } else {
                    Flow::Go(at + 1)
                };
                match flow {
                    Flow::Go(next) => at = next,
                    Flow::End(print) => break (print, None),
                    Flow::Again => {
                        keep = true;
                        break (false, None);
                    }
                    Flow::Quit(print, status) => break (print, Some(status)),
                }
            };
            if print && !self.options.silent {
                self.print_space()?;
            }
            self.write_late()?;
            if let Some(status) = quit {
                return Ok(status);
            }
            if self.options.unbuffered {
                self.out.flush();
            }
            if self.out.failed() {
                return Ok(4);
            }
        }
    }

    // Lines in.

    fn read_line(&mut self) -> Result<bool, String> {
        self.substituted = false;
        self.space.clear();
        self.append_line()
    }

    /// Appends the next line to the pattern space.
    fn append_line(&mut self) -> Result<bool, String> {
        loop {
            if let Some(lines) = &mut self.lines {
                match lines.read() {
                    Ok(Some((line, ended))) => {
                        self.space.extend_from_slice(line);
                        self.ended = ended;
                        self.number += 1;
                        return Ok(true);
                    }
                    Ok(None) => {}
                    Err(error) => self.trouble(&error),
                }
                self.end_file()?;
            }
            if !self.next_file()? {
                return Ok(false);
            }
        }
    }

    fn trouble(&mut self, error: &io::Error) {
        complain("sed", &self.name, error);
        self.status = 2;
    }

    /// Opens the next file. False: there is none.
    fn next_file(&mut self) -> Result<bool, String> {
        while let Some(name) = self.files.pop_front() {
            self.name.clone_from(name);
            let file = match open(name) {
                Ok(file) => file,
                Err(error) => {
                    self.trouble(&error);
                    continue;
                }
            };
            if self.options.separate {
                self.number = 0;
            }
            if self.options.in_place.is_some() {
                match begin_edit(Path::new(name), &file) {
                    Ok(edited) => self.edited = Some(edited),
                    Err(error) => {
                        self.trouble(&error);
                        self.status = 4;
                        continue;
                    }
                }
                self.owed = false;
            }
            self.lines = Some(Lines::new(file, self.options.delimiter));
            return Ok(true);
        }
        Ok(false)
    }

    /// Ends a file: what was edited takes its place.
    fn end_file(&mut self) -> Result<(), String> {
        self.lines = None;
        let Some(mut edited) = self.edited.take() else {
            return Ok(());
        };
        let suffix = self.options.in_place.as_deref().unwrap_or_default();
        let mut replace = || {
            edited.file.flush()?;
            if !suffix.is_empty() {
                std::fs::rename(&edited.name, backup_name(&edited.name, suffix))?;
            }
            std::fs::rename(&edited.temporary, &edited.name)
        };
        replace().map_err(|error| {
            let _ = std::fs::remove_file(&edited.temporary);
            told(edited.name.as_os_str(), &error)
        })
    }

    /// Whether the line in the pattern space is the last.
    fn is_last(&mut self) -> Result<bool, String> {
        loop {
            if let Some(lines) = &mut self.lines {
                match lines.at_end() {
                    Ok(false) => return Ok(false),
                    Ok(true) => {}
                    Err(error) => self.trouble(&error),
                }
            }
            if self.options.separate || !self.next_file()? {
                return Ok(true);
            }
        }
    }

    // Text out.

    fn put(&mut self, bytes: &[u8]) -> Result<(), String> {
        let owed: &[u8] = if std::mem::take(&mut self.owed) {
            &[self.options.delimiter]
        } else {
            b""
        };
        match &mut self.edited {
            Some(edited) => edited
                .file
                .write_all(owed)
                .and_then(|()| edited.file.write_all(bytes))
                .map_err(|error| told(edited.name.as_os_str(), &error)),
            None => {
                self.out.put(owed);
                self.out.put(bytes);
                Ok(())
            }
        }
    }

    fn print_space(&mut self) -> Result<(), String> {
        let space = std::mem::take(&mut self.space);
        let result = self.put_line(&space);
        self.space = space;
        result
    }

    /// Writes text as a line; the delimiter is left owed where the input had none.
    fn put_line(&mut self, text: &[u8]) -> Result<(), String> {
        self.put(text)?;
        if self.ended {
            self.put(&[self.options.delimiter])
        } else {
            self.owed = true;
            Ok(())
        }
    }

    fn write_late(&mut self) -> Result<(), String> {
        for late in std::mem::take(&mut self.late) {
            match late {
                Late::Text(text) => self.put(&text)?,
                Late::File(name) => {
                    // What cannot be read counts as empty.
                    if let Ok(mut file) = open(&name) {
                        let mut text = Vec::new();
                        if io::Read::read_to_end(&mut file, &mut text).is_ok() && !text.is_empty() {
                            self.put(&text)?;
                        }
                    }
                }
                Late::LineOf(index) => {
                    let mut line = match self.sources.get_mut(index) {
                        Some(Some(source)) => match source.read() {
                            Ok(Some((line, _))) => line.to_vec(),
                            _ => continue,
                        },
                        _ => continue,
                    };
                    line.push(self.options.delimiter);
                    self.put(&line)?;
                }
            }
        }
        Ok(())
    }

    fn write_to(&mut self, index: usize, text: &[u8]) -> Result<(), String> {
        let delimiter = [self.options.delimiter];
        match self.targets.get_mut(index) {
            Some(Target::Standard) => {
                self.out.put(text);
                self.out.put(&delimiter);
            }
            Some(Target::Error) => {
                let _ = write_all(rustix::stdio::stderr(), &[text, &delimiter].concat());
            }
            Some(Target::File(name, file, owed)) => {
                // A last line without its end stays one, as long as no other follows.
                let before = if *owed { &delimiter[..] } else { &[] };
                let behind = if self.ended { &delimiter[..] } else { &[] };
                *owed = !self.ended;
                let result = file
                    .write_all(before)
                    .and_then(|()| file.write_all(text))
                    .and_then(|()| file.write_all(behind));
                // Whoever reads it in the same script sees it at once.
                result
                    .and_then(|()| file.flush())
                    .map_err(|error| told(name, &error))?;
            }
            None => {}
        }
        Ok(())
    }

    // Addresses.

    fn matches(&mut self, address: &Address) -> Result<bool, String> {
        Ok(match address {
            Address::Line(number) => self.number == *number,
            Address::Last => self.is_last()?,
            Address::Step(first, 0) => self.number == *first,
            Address::Step(first, step) => {
                self.number >= *first && (self.number - first).is_multiple_of(*step)
            }
            Address::Match(regex) => {
                let regex = self.regex(regex.as_ref())?;
                let found = regex.is_match(&self.space);
                gave_up(&regex)?;
                found
            }
        })
    }

    /// The regular expression, or the one that was used last.
    fn regex(&mut self, regex: Option<&Rc<Regex>>) -> Result<Rc<Regex>, String> {
        if let Some(regex) = regex {
            self.last = Some(Rc::clone(regex));
        }
        self.last
            .clone()
            .ok_or_else(|| "no previous regular expression".to_string())
    }

    fn selected(&mut self, command: &Command, at: usize) -> Result<bool, String> {
        let Some(first) = &command.first else {
            return Ok(true);
        };
        let Some(end) = &command.end else {
            return self.matches(first);
        };
        let (selected, range) = match (self.ranges[at], end) {
            (Range::Until(last), _) if self.number <= last => (
                true,
                if self.number == last {
                    Range::Outside
                } else {
                    Range::Until(last)
                },
            ),
            (Range::Inside, RangeEnd::Address(Address::Line(last))) if self.number <= *last => (
                true,
                if self.number == *last {
                    Range::Outside
                } else {
                    Range::Inside
                },
            ),
            (Range::Inside, RangeEnd::Address(end)) if !matches!(end, Address::Line(_)) => (
                true,
                if self.matches(end)? {
                    Range::Outside
                } else {
                    Range::Inside
                },
            ),
            // A range that begins with a number begins later, where commands before kept its line from it.
            (Range::Closed, _) => (false, Range::Closed),
            (Range::Outside, _) if matches!(first, Address::Line(line) if self.number < *line) => {
                (false, Range::Outside)
            }
            (state, _)
                if (state != Range::Outside || !matches!(first, Address::Line(_)))
                    && !self.matches(first)? =>
            {
                (false, Range::Outside)
            }
            (_, RangeEnd::More(0)) => (true, Range::Outside),
            (_, RangeEnd::More(count)) => (true, Range::Until(self.number.saturating_add(*count))),
            (_, RangeEnd::Multiple(step)) => match self.number.checked_rem(*step) {
                None | Some(0) => (true, Range::Outside),
                Some(over) => (
                    true,
                    Range::Until((self.number - over).saturating_add(*step)),
                ),
            },
            (_, RangeEnd::Address(Address::Line(last))) if *last <= self.number => {
                (true, Range::Outside)
            }
            (_, RangeEnd::Address(Address::Last)) if self.is_last()? => (true, Range::Outside),
            _ => (true, Range::Inside),
        };
        self.ranges[at] =
            if range == Range::Outside && selected && matches!(first, Address::Line(_)) {
                Range::Closed
            } else {
                range
            };
        Ok(selected)
    }

    // Commands.

    fn execute(&mut self, command: &Command, at: usize) -> Result<Flow, String> {
        let next = Flow::Go(at + 1);
        let delimiter = self.options.delimiter;
        match &command.action {
            Action::Block(_) => {}
            Action::Append(text) => self.late.push(Late::Text(text.clone())),
            Action::Insert(text) => self.put(text)?,
            Action::Change(text) => {
                if command.end.is_none()
                    || command.negated
                    || matches!(self.ranges[at], Range::Outside | Range::Closed)
                {
                    self.put(text)?;
                }
                return Ok(Flow::End(false));
            }
            Action::Branch(to) => return Ok(Flow::Go(*to)),
            Action::BranchIf(to) => {
                if std::mem::take(&mut self.substituted) {
                    return Ok(Flow::Go(*to));
                }
            }
            Action::BranchUnless(to) => {
                if !std::mem::take(&mut self.substituted) {
                    return Ok(Flow::Go(*to));
                }
            }
            Action::Delete => return Ok(Flow::End(false)),
            Action::DeleteFirst => match memchr::memchr(delimiter, &self.space) {
                None => return Ok(Flow::End(false)),
                Some(end) => {
                    self.space.drain(..=end);
                    return Ok(Flow::Again);
                }
            },
            Action::Get => {
                self.space.clone_from(&self.hold);
                self.ended = self.hold_ended;
            }
            Action::GetAppend => {
                self.space.push(delimiter);
                self.space.extend_from_slice(&self.hold);
                self.ended |= self.hold_ended;
            }
            Action::Hold => {
                self.hold.clone_from(&self.space);
                self.hold_ended = self.ended;
            }
            Action::HoldAppend => {
                self.hold.push(delimiter);
                self.hold.extend_from_slice(&self.space);
            }
            Action::Exchange => {
                std::mem::swap(&mut self.space, &mut self.hold);
                std::mem::swap(&mut self.ended, &mut self.hold_ended);
            }
            Action::Empty => self.space.clear(),
            Action::List(width) => {
                let text = list(&self.space, width.unwrap_or(70));
                self.put(&text)?;
            }
            Action::Next => {
                if self.is_last()? {
                    return Ok(self.no_next());
                }
                if !self.options.silent {
                    self.print_space()?;
                }
                self.write_late()?;
                let substituted = self.substituted;
                if !self.read_line()? {
                    return Ok(Flow::Quit(false, 0));
                }
                self.substituted = substituted;
            }
            Action::NextAppend => {
                if self.is_last()? {
                    return Ok(self.no_next());
                }
                self.write_late()?;
                self.space.push(delimiter);
                if !self.append_line()? {
                    return Ok(Flow::Quit(true, 0));
                }
            }
            Action::Print => self.print_space()?,
            Action::PrintFirst => {
                let Some(end) = memchr::memchr(delimiter, &self.space) else {
                    self.print_space()?;
                    return Ok(next);
                };
                let line = self.space[..=end].to_vec();
                self.put(&line)?;
            }
            Action::Quit(status) => return Ok(Flow::Quit(true, *status)),
            Action::QuitSilently(status) => {
                self.late.clear();
                return Ok(Flow::Quit(false, *status));
            }
            Action::Read(name) => self.late.push(Late::File(name.clone())),
            Action::ReadLine(index) => self.late.push(Late::LineOf(*index)),
            Action::Write(index) => {
                let space = std::mem::take(&mut self.space);
                let result = self.write_to(*index, &space);
                self.space = space;
                result?;
            }
            Action::WriteFirst(index) => {
                let end = memchr::memchr(delimiter, &self.space).unwrap_or(self.space.len());
                let line = self.space[..end].to_vec();
                self.write_to(*index, &line)?;
            }
            Action::Number => {
                let text = format!("{}\n", self.number);
                self.put(text.as_bytes())?;
            }
            Action::FileName => {
                let mut name = self.name.as_bytes().to_vec();
                name.push(b'\n');
                self.put(&name)?;
            }
            Action::Translate(table) => self.space = translate(table, &self.space),
            Action::Substitute(command) => {
                let regex = self.regex(command.regex.as_ref())?;
                let done = substitute(command, &regex, &self.space)?;
                gave_up(&regex)?;
                if let Some(space) = done {
                    self.space = space;
                    self.substituted = true;
                    if command.print {
                        self.print_space()?;
                    }
                    if let Some(index) = command.write {
                        let space = self.space.clone();
                        self.write_to(index, &space)?;
                    }
                }
            }
        }
        Ok(next)
    }

    /// `n` or `N` without a next line: with files of their own the next cycle is the next file's.
    fn no_next(&self) -> Flow {
        if self.options.separate {
            Flow::End(true)
        } else {
            Flow::Quit(true, 0)
        }
    }
}

fn gave_up(regex: &Regex) -> Result<(), String> {
    if regex.gave_up() {
        Err("a pattern's back-references took too many steps".into())
    } else {
        Ok(())
    }
}

/// Makes the file that will replace this one, beside it, with its owner and mode.
fn begin_edit(name: &Path, file: &File) -> io::Result<Edited> {
    let known = file.metadata()?;
    if !known.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ));
    }
    let mut number = std::process::id();
    loop {
        let temporary = name.with_file_name(format!(".sed{number}"));
        match std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)
        {
            Ok(new) => {
                // Only root can give files away; for others they are theirs already.
                let _ = std::os::unix::fs::fchown(&new, Some(known.uid()), Some(known.gid()));
                new.set_permissions(std::fs::Permissions::from_mode(known.mode() & 0o7777))?;
                return Ok(Edited {
                    file: BufWriter::new(new),
                    name: name.to_path_buf(),
                    temporary,
                });
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                number = number.wrapping_add(1)
            }
            Err(error) => return Err(error),
        }
    }
}

/// The name with the suffix; a `*` in the suffix stands for the name, a `/` for another directory.
fn backup_name(name: &Path, suffix: &OsStr) -> PathBuf {
    let base = name.file_name().unwrap_or_default();
    let mut out = OsString::new();
    if suffix.as_bytes().contains(&b'*') {
        for (index, part) in suffix.as_bytes().split(|b| *b == b'*').enumerate() {
            if index > 0 {
                out.push(base);
            }
            out.push(OsStr::from_bytes(part));
        }
    } else {
        out.push(base);
        out.push(suffix);
    }
    if out.as_bytes().contains(&b'/') {
        PathBuf::from(out)
    } else {
        name.with_file_name(out)
    }
}

/// The text of `l`: everything visible, folded to the width.
fn list(text: &[u8], width: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut column = 0;
    for &byte in text {
        let shown: Vec<u8> = match byte {
            b'\\' => b"\\\\".to_vec(),
            7 => b"\\a".to_vec(),
            8 => b"\\b".to_vec(),
            12 => b"\\f".to_vec(),
            b'\n' => b"\\n".to_vec(),
            b'\r' => b"\\r".to_vec(),
            b'\t' => b"\\t".to_vec(),
            11 => b"\\v".to_vec(),
            b' '..=b'~' => vec![byte],
            _ => format!("\\{byte:03o}").into_bytes(),
        };
        if width > 1 && column + shown.len() > width - 1 {
            out.extend_from_slice(b"\\\n");
            column = 0;
        }
        column += shown.len();
        out.extend_from_slice(&shown);
    }
    out.extend_from_slice(b"$\n");
    out
}

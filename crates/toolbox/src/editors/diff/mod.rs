//! `diff`: shows how two files or trees differ, as unified hunks (POSIX.1-2024 diff -u; BusyBox's options).
//!
//! [`myers`] finds the changes between two lists of numbered lines; here are files, trees and the output.

mod myers;

use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::path::Path;

use lexopt::prelude::*;

use crate::common::lines::{Output, complain, open, say};
use myers::Change;

/// Usage.
pub const USAGE: &str = "\
[-abBdiNqrsuw] [-L LABEL]... [-U N] FILE1 FILE2
  -a        treat all files as text
  -b        runs of blanks are the same
  -B        changes of empty lines alone are none
  -i        upper and lower case are the same
  -L LABEL  name instead of the file's, in the header
  -N        files that are missing count as empty
  -q        say only whether files differ
  -r        go into directories
  -s        say when files are the same
  -t        tabs become blanks
  -u, -U N  unified hunks, with N lines around (the default, with 3)
  -w        blanks count for nothing
  --normal  hunks in the form of old";

struct Settings {
    text: bool,
    blanks: bool,
    no_blanks: bool,
    empty_lines: bool,
    ignore_case: bool,
    labels: Vec<OsString>,
    missing_empty: bool,
    brief: bool,
    recursive: bool,
    same: bool,
    expand: bool,
    normal: bool,
    context: usize,
    out: Output,
    status: i32,
}

/// Runs `diff`.
pub fn main(args: &[OsString]) -> i32 {
    match run(args) {
        Ok(status) => status,
        Err(message) => {
            say("diff", message);
            2
        }
    }
}

fn run(args: &[OsString]) -> Result<i32, String> {
    let mut settings = Settings {
        text: false,
        blanks: false,
        no_blanks: false,
        empty_lines: false,
        ignore_case: false,
        labels: Vec::new(),
        missing_empty: false,
        brief: false,
        recursive: false,
        same: false,
        expand: false,
        normal: false,
        context: 3,
        out: Output::new(),
        status: 0,
    };
    let mut files: Vec<OsString> = Vec::new();
    let mut parser = lexopt::Parser::from_args(args.iter().skip(1).cloned());
    let bad = |error: lexopt::Error| error.to_string();
    while let Some(argument) = parser.next().map_err(bad)? {
        match argument {
            Short('a') | Long("text") => settings.text = true,
            Short('b') | Long("ignore-space-change") => settings.blanks = true,
            Short('w') | Long("ignore-all-space") => settings.no_blanks = true,
            Short('B') | Long("ignore-blank-lines") => settings.empty_lines = true,
            Short('i') | Long("ignore-case") => settings.ignore_case = true,
            Short('L') | Long("label") => settings.labels.push(parser.value().map_err(bad)?),
            Short('N') | Long("new-file") => settings.missing_empty = true,
            Short('q') | Long("brief") => settings.brief = true,
            Short('r') | Long("recursive") => settings.recursive = true,
            Short('s') | Long("report-identical-files") => settings.same = true,
            Short('t') | Long("expand-tabs") => settings.expand = true,
            Short('u' | 'd' | 'T') | Long("minimal" | "no-dereference") => {}
            Long("normal") => settings.normal = true,
            Short('U') | Long("unified") => {
                let value = parser
                    .optional_value()
                    .map_or_else(|| parser.value().map_err(bad), Ok)?;
                let text = value.to_string_lossy();
                settings.context = text
                    .parse()
                    .map_err(|_| format!("invalid number '{text}' of option -U"))?;
            }
            Value(value) => files.push(value),
            other => return Err(other.unexpected().to_string()),
        }
    }
    let [left, right] = files.as_slice() else {
        return Err(format!(
            "two files needed\nUsage: diff {}",
            USAGE.lines().next().unwrap_or_default()
        ));
    };
    let is_dir = |path: &OsString| path != "-" && Path::new(path).is_dir();
    match (is_dir(left), is_dir(right)) {
        (true, true) => settings.trees(Path::new(left), Path::new(right)),
        (true, false) => {
            let inside = Path::new(left).join(Path::new(right).file_name().unwrap_or_default());
            settings.files(inside.as_os_str(), right);
        }
        (false, true) => {
            let inside = Path::new(right).join(Path::new(left).file_name().unwrap_or_default());
            settings.files(left, inside.as_os_str());
        }
        (false, false) => settings.files(left, right),
    }
    let status = settings.status;
    Ok(settings.out.finish("diff", status, 2))
}

/// A file's lines, and whether the last one has its newline.
struct Text<'a> {
    lines: Vec<&'a [u8]>,
    ended: bool,
}

impl<'a> Text<'a> {
    fn of(bytes: &'a [u8]) -> Text<'a> {
        let mut lines: Vec<&[u8]> = bytes.split(|b| *b == b'\n').collect();
        let ended = lines.last().is_some_and(|line| line.is_empty());
        if ended {
            lines.pop();
        }
        Text {
            lines,
            ended: ended || bytes.is_empty(),
        }
    }
}

impl Settings {
    fn trouble(&mut self, name: &OsStr, error: &io::Error) {
        self.out.flush();
        complain("diff", name, error);
        self.status = 2;
    }

    /// Compares what two directories hold. Works through a list, so that no depth is too deep.
    fn trees(&mut self, left: &Path, right: &Path) {
        let mut waiting = vec![(left.to_path_buf(), right.to_path_buf())];
        while let Some((left, right)) = waiting.pop() {
            if self.out.failed() {
                return;
            }
            let mut names = BTreeSet::new();
            for side in [&left, &right] {
                let missing = self.missing_empty && !side.exists();
                match std::fs::read_dir(side) {
                    Ok(entries) => names.extend(entries.flatten().map(|entry| entry.file_name())),
                    Err(_) if missing => {}
                    Err(error) => self.trouble(side.as_os_str(), &error),
                }
            }
            let mut inner = Vec::new();
            for name in names {
                let (a, b) = (left.join(&name), right.join(&name));
                let kind =
                    |path: &Path| std::fs::metadata(path).ok().map(|known| known.file_type());
                match (kind(&a), kind(&b)) {
                    (Some(x), Some(y)) if x.is_dir() && y.is_dir() => {
                        if self.recursive {
                            inner.push((a, b));
                        } else {
                            self.tell(&[
                                "Common subdirectories: ",
                                &shown(&a),
                                " and ",
                                &shown(&b),
                            ]);
                        }
                    }
                    (Some(x), Some(y)) if !plain(x) || !plain(y) => {
                        let which = if plain(x) { &b } else { &a };
                        if x.is_dir() || y.is_dir() {
                            // As if the folder were not there.
                            let side = if plain(x) { &right } else { &left };
                            self.tell(&["Only in ", &shown(side), ": ", &name.to_string_lossy()]);
                            self.status = self.status.max(1);
                        } else {
                            self.skipped(which);
                        }
                    }
                    (Some(x), Some(y)) if x.is_dir() != y.is_dir() => {
                        let word = |dir: bool| if dir { "directory" } else { "regular file" };
                        let (first, second) = (word(x.is_dir()), word(y.is_dir()));
                        self.tell(&[
                            "File ",
                            &shown(&a),
                            " is a ",
                            first,
                            " while file ",
                            &shown(&b),
                            " is a ",
                            second,
                        ]);
                        self.status = self.status.max(1);
                    }
                    (Some(_), Some(_)) => self.files(a.as_os_str(), b.as_os_str()),
                    (first, second) => {
                        let dir = first.or(second).is_some_and(|kind| kind.is_dir());
                        if self.missing_empty && dir && self.recursive {
                            inner.push((a, b));
                        } else if self.missing_empty && !first.or(second).is_some_and(plain) {
                            self.skipped(if first.is_some() { &a } else { &b });
                        } else if self.missing_empty && !dir {
                            self.files(a.as_os_str(), b.as_os_str());
                        } else {
                            let side = if first.is_some() { &left } else { &right };
                            self.tell(&["Only in ", &shown(side), ": ", &name.to_string_lossy()]);
                            self.status = self.status.max(1);
                        }
                    }
                }
            }
            waiting.extend(inner.into_iter().rev());
        }
    }

    fn skipped(&mut self, path: &Path) {
        self.tell(&[
            "File ",
            &shown(path),
            " is not a regular file or directory and was skipped",
        ]);
    }

    fn tell(&mut self, parts: &[&str]) {
        for part in parts {
            self.out.put(part.as_bytes());
        }
        self.out.put_byte(b'\n');
    }

    fn read(&mut self, name: &OsStr) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        match open(name).and_then(|mut file| file.read_to_end(&mut bytes)) {
            Ok(_) => Some(bytes),
            Err(error) if self.missing_empty && error.kind() == io::ErrorKind::NotFound => {
                Some(Vec::new())
            }
            Err(error) => {
                self.trouble(name, &error);
                None
            }
        }
    }

    fn files(&mut self, left: &OsStr, right: &OsStr) {
        if left == "-" && right == "-" {
            // The same, whatever it is.
            if self.same {
                self.tell(&["Files - and - are identical"]);
            }
            return;
        }
        let (Some(old), Some(new)) = (self.read(left), self.read(right)) else {
            return;
        };
        let (left_name, right_name) = (left.to_string_lossy(), right.to_string_lossy());
        if old == new {
            if self.same {
                self.tell(&["Files ", &left_name, " and ", &right_name, " are identical"]);
            }
            return;
        }
        let binary =
            |bytes: &[u8]| memchr::memchr(0, &bytes[..bytes.len().min(32 * 1024)]).is_some();
        if !self.text && (binary(&old) || binary(&new)) {
            self.status = self.status.max(1);
            let word = if self.brief {
                "Files "
            } else {
                "Binary files "
            };
            self.tell(&[word, &left_name, " and ", &right_name, " differ"]);
            return;
        }
        let (old, new) = (Text::of(&old), Text::of(&new));
        let mut changes = self.changes(&old, &new);
        if self.empty_lines {
            changes.retain(|change| {
                old.lines[change.old.clone()]
                    .iter()
                    .chain(&new.lines[change.new.clone()])
                    .any(|line| !line.is_empty())
            });
        }
        if changes.is_empty() {
            return;
        }
        self.status = self.status.max(1);
        if self.brief {
            self.tell(&["Files ", &left_name, " and ", &right_name, " differ"]);
        } else if self.normal {
            self.normal(&old, &new, &changes);
        } else {
            let label = |index: usize, name: &str| {
                // A file that -N made up is told as what patch takes for a missing one.
                let name = if self.missing_empty && name != "-" && !Path::new(name).exists() {
                    "/dev/null"
                } else {
                    name
                };
                self.labels.get(index).map_or_else(
                    || name.to_string(),
                    |label| label.to_string_lossy().into_owned(),
                )
            };
            let (from, to) = (label(0, &left_name), label(1, &right_name));
            self.tell(&["--- ", &from]);
            self.tell(&["+++ ", &to]);
            self.unified(&old, &new, &changes);
        }
    }

    /// Numbers the lines, alike ones the same, and finds the changes.
    fn changes(&self, old: &Text<'_>, new: &Text<'_>) -> Vec<Change> {
        let mut numbers: HashMap<Vec<u8>, u32> = HashMap::new();
        let mut number = |text: &Text<'_>| -> Vec<u32> {
            let count = text.lines.len();
            let mut list = Vec::with_capacity(count);
            for (index, line) in text.lines.iter().enumerate() {
                let mut key = self.key(line);
                if index + 1 == count && !text.ended && !self.blanks && !self.no_blanks {
                    // A last line without its newline is another line.
                    key.push(b'\n');
                }
                let next = numbers.len() as u32;
                list.push(*numbers.entry(key).or_insert(next));
            }
            list
        };
        let (left, right) = (number(old), number(new));
        myers::changes(&left, &right)
    }

    /// What of a line counts.
    fn key(&self, line: &[u8]) -> Vec<u8> {
        let mut key = Vec::with_capacity(line.len());
        let blank = |b: u8| matches!(b, b' ' | b'\t' | b'\r' | 11 | 12);
        for &byte in line {
            if self.no_blanks && blank(byte) {
                continue;
            }
            if self.blanks && blank(byte) {
                if key.last() != Some(&b' ') {
                    key.push(b' ');
                }
                continue;
            }
            key.push(if self.ignore_case {
                byte.to_ascii_lowercase()
            } else {
                byte
            });
        }
        if self.blanks && key.last() == Some(&b' ') {
            key.pop();
        }
        key
    }

    fn line(&mut self, mark: &str, text: &Text<'_>, index: usize) {
        self.out.put(mark.as_bytes());
        let line = text.lines[index];
        if self.expand {
            let mut column = 0;
            for &byte in line {
                if byte == b'\t' {
                    let width = 8 - column % 8;
                    self.out.put(&b"        "[..width]);
                    column += width;
                } else {
                    self.out.put_byte(byte);
                    column += usize::from(byte & 0xC0 != 0x80);
                }
            }
        } else {
            self.out.put(line);
        }
        self.out.put_byte(b'\n');
        if index + 1 == text.lines.len() && !text.ended {
            self.out.put(b"\\ No newline at end of file\n");
        }
    }

    fn unified(&mut self, old: &Text<'_>, new: &Text<'_>, changes: &[Change]) {
        let context = self.context;
        let mut rest = changes;
        while let Some(first) = rest.first() {
            // Changes whose surroundings touch share a hunk.
            let near = |pair: &[Change]| pair[1].old.start - pair[0].old.end <= 2 * context;
            let count = 1 + rest.windows(2).take_while(|pair| near(pair)).count();
            let (hunk, later) = rest.split_at(count);
            rest = later;
            let last = &hunk[count - 1];
            let before = context.min(first.old.start).min(first.new.start);
            let after = context.min(old.lines.len() - last.old.end);
            let old_range = first.old.start - before..last.old.end + after;
            let new_range = first.new.start - before..last.new.end + after;
            let header = format!("@@ -{} +{} @@\n", range(&old_range), range(&new_range));
            self.out.put(header.as_bytes());
            let mut at = old_range.start;
            for change in hunk {
                (at..change.old.start).for_each(|index| self.line(" ", old, index));
                change
                    .old
                    .clone()
                    .for_each(|index| self.line("-", old, index));
                change
                    .new
                    .clone()
                    .for_each(|index| self.line("+", new, index));
                at = change.old.end;
            }
            (at..old_range.end).for_each(|index| self.line(" ", old, index));
        }
    }

    fn normal(&mut self, old: &Text<'_>, new: &Text<'_>, changes: &[Change]) {
        let lines = |range: &std::ops::Range<usize>| match range.len() {
            0 => range.start.to_string(),
            1 => range.end.to_string(),
            _ => format!("{},{}", range.start + 1, range.end),
        };
        for change in changes {
            let letter = match (change.old.is_empty(), change.new.is_empty()) {
                (true, _) => 'a',
                (_, true) => 'd',
                _ => 'c',
            };
            self.out
                .put(format!("{}{letter}{}\n", lines(&change.old), lines(&change.new)).as_bytes());
            change
                .old
                .clone()
                .for_each(|index| self.line("< ", old, index));
            if letter == 'c' {
                self.out.put(b"---\n");
            }
            change
                .new
                .clone()
                .for_each(|index| self.line("> ", new, index));
        }
    }
}

/// Whether it can be compared: reading a pipe or a device may never end.
fn plain(kind: std::fs::FileType) -> bool {
    kind.is_file() || kind.is_dir()
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// A hunk's range: an empty one names the line before it.
fn range(range: &std::ops::Range<usize>) -> String {
    match range.len() {
        0 => format!("{},0", range.start),
        1 => range.end.to_string(),
        length => format!("{},{length}", range.start + 1),
    }
}

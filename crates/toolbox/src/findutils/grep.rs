//! `grep`, `egrep`, `fgrep`: prints the lines that match a pattern (POSIX.1-2024 grep, with GNU's usual options).
//!
//! A whole block of lines is searched at once where no option asks to look at every line.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use lexopt::prelude::*;

use crate::common::glob;
use crate::common::lines::{Lines, Output, complain, open, say};
use crate::common::walk::{self, Entry, Follow, Next, Visitor};
use crate::regex::{Regex, Syntax};

/// Usage of the three.
pub const USAGE: &str = "\
[-EFGHILRZabchilnoqrsvwxz] [-e PATTERN]... [-f FILE]... [-m N] [-A N] [-B N] [-C N] [PATTERN] [FILE]...
  -E              extended regular expressions (egrep)
  -F              plain strings (fgrep)
  -e PATTERN      a pattern; lines that match any are printed
  -f FILE         patterns from FILE, one a line
  -i              upper and lower case are the same
  -v              print the lines that do not match
  -w              match whole words only
  -x              match whole lines only
  -c              print only the number of lines
  -l, -L          print only the names of files with (without) such lines
  -o              print only what matches
  -q              print nothing; the exit status tells
  -s              say nothing of files that cannot be read
  -n              print line numbers
  -b              print byte offsets
  -H, -h          print file names always (never)
  -m N            stop after N lines of each file
  -A N, -B N      print N lines after (before) each
  -C N            both
  -r, -R          go into directories (following all links)
  -z              lines end in NUL
  -Z              NUL behind file names
  --color[=WHEN]  highlight: always, never, auto
  --include GLOB, --exclude GLOB, --exclude-dir GLOB
                  with -r, which files to read and directories to skip";

#[derive(Clone, Copy, PartialEq)]
enum Listing {
    No,
    With,
    Without,
}

struct Grep {
    applet: String,
    regex: Regex,
    invert: bool,
    count: bool,
    listing: Listing,
    only: bool,
    quiet: bool,
    silent: bool,
    numbers: bool,
    offsets: bool,
    names: bool,
    max: Option<u64>,
    after: usize,
    before: usize,
    delimiter: u8,
    name_end: bool,
    color: bool,
    include: Vec<OsString>,
    exclude: Vec<OsString>,
    exclude_dir: Vec<OsString>,
    label: Option<OsString>,
    out: Output,
    found: bool,
    /// Whether a file was listed.
    listed: bool,
    trouble: bool,
    stop: bool,
    /// Whether a group of lines was printed, so that the next needs `--` before it.
    printed: bool,
}

/// Runs `grep`, `egrep` or `fgrep`.
pub fn main(args: &[OsString]) -> i32 {
    let applet = args
        .first()
        .map_or_else(|| "grep".into(), |name| name.to_string_lossy().into_owned());
    let base = applet.rsplit('/').next().unwrap_or("grep").to_string();
    match run(&base, args) {
        Ok(status) => status,
        Err(message) => {
            say(&base, message);
            2
        }
    }
}

fn number(value: &OsStr, option: &str) -> Result<usize, String> {
    let text = value.to_string_lossy();
    text.parse()
        .map_err(|_| format!("invalid number '{text}' of option {option}"))
}

fn add_patterns(patterns: &mut Vec<Vec<u8>>, text: &[u8]) {
    patterns.extend(text.split(|b| *b == b'\n').map(<[u8]>::to_vec));
}

fn run(applet: &str, args: &[OsString]) -> Result<i32, String> {
    let mut syntax = Syntax {
        extended: applet == "egrep",
        literal: applet == "fgrep",
        newline: true,
        ..Syntax::default()
    };
    let mut patterns: Vec<Vec<u8>> = Vec::new();
    let mut given = false;
    let mut files: Vec<OsString> = Vec::new();
    let mut recursive = None;
    let mut names = None;
    let mut color = false;
    let mut context_digits: Option<usize> = None;
    let mut grep = Grep {
        applet: applet.to_string(),
        regex: Regex::new(b"", syntax).map_err(|error| error.to_string())?,
        invert: false,
        count: false,
        listing: Listing::No,
        only: false,
        quiet: false,
        silent: false,
        numbers: false,
        offsets: false,
        names: false,
        max: None,
        after: 0,
        before: 0,
        delimiter: b'\n',
        name_end: false,
        color: false,
        include: Vec::new(),
        exclude: Vec::new(),
        exclude_dir: Vec::new(),
        label: None,
        out: Output::new(),
        found: false,
        listed: false,
        trouble: false,
        stop: false,
        printed: false,
    };
    let mut parser = lexopt::Parser::from_args(args.iter().skip(1).cloned());
    let bad = |error: lexopt::Error| error.to_string();
    while let Some(argument) = parser.next().map_err(bad)? {
        match argument {
            Short('E') | Long("extended-regexp") => {
                (syntax.extended, syntax.literal) = (true, false)
            }
            Short('G') | Long("basic-regexp") => (syntax.extended, syntax.literal) = (false, false),
            Short('F') | Long("fixed-strings") => syntax.literal = true,
            Short('i' | 'y') | Long("ignore-case") => syntax.ignore_case = true,
            Long("no-ignore-case") => syntax.ignore_case = false,
            Short('w') | Long("word-regexp") => syntax.word = true,
            Short('x') | Long("line-regexp") => syntax.line = true,
            Short('v') | Long("invert-match") => grep.invert = true,
            Short('c') | Long("count") => grep.count = true,
            Short('l') | Long("files-with-matches") => grep.listing = Listing::With,
            Short('L') | Long("files-without-match") => grep.listing = Listing::Without,
            Short('o') | Long("only-matching") => grep.only = true,
            Short('q') | Long("quiet" | "silent") => grep.quiet = true,
            Short('s') | Long("no-messages") => grep.silent = true,
            Short('n') | Long("line-number") => grep.numbers = true,
            Short('b') | Long("byte-offset") => grep.offsets = true,
            Short('H') | Long("with-filename") => names = Some(true),
            Short('h') | Long("no-filename") => names = Some(false),
            Short('r') | Long("recursive") => recursive = Some(Follow::Roots),
            Short('R') | Long("dereference-recursive") => recursive = Some(Follow::Always),
            Short('z') | Long("null-data") => grep.delimiter = 0,
            Short('Z') | Long("null") => grep.name_end = true,
            Short('a' | 'I' | 'U') | Long("text" | "line-buffered") => {}
            Short('e') | Long("regexp") => {
                given = true;
                add_patterns(&mut patterns, parser.value().map_err(bad)?.as_bytes());
            }
            Short('f') | Long("file") => {
                given = true;
                let path = parser.value().map_err(bad)?;
                let mut text = Vec::new();
                open(&path)
                    .and_then(|mut file| io::Read::read_to_end(&mut file, &mut text))
                    .map_err(|error| {
                        format!(
                            "{}: {}",
                            path.to_string_lossy(),
                            crate::common::lines::cause(&error)
                        )
                    })?;
                if text.last() == Some(&b'\n') {
                    text.pop();
                } else if text.is_empty() {
                    continue;
                }
                add_patterns(&mut patterns, &text);
            }
            Short('m') | Long("max-count") => {
                grep.max = Some(number(&parser.value().map_err(bad)?, "-m")? as u64);
            }
            Short('A') | Long("after-context") => {
                grep.after = number(&parser.value().map_err(bad)?, "-A")?
            }
            Short('B') | Long("before-context") => {
                grep.before = number(&parser.value().map_err(bad)?, "-B")?
            }
            Short('C') | Long("context") => {
                grep.after = number(&parser.value().map_err(bad)?, "-C")?;
                grep.before = grep.after;
            }
            Short(digit @ '0'..='9') => {
                let digit = digit as usize - '0' as usize;
                let value = context_digits
                    .unwrap_or(0)
                    .saturating_mul(10)
                    .saturating_add(digit);
                context_digits = Some(value);
                (grep.before, grep.after) = (value, value);
            }
            Long("color" | "colour") => {
                let when = parser.optional_value().unwrap_or_else(|| "auto".into());
                color = match when.to_string_lossy().as_ref() {
                    "always" | "yes" | "force" => true,
                    "never" | "no" | "none" => false,
                    "auto" | "tty" | "if-tty" => grep.out.is_terminal(),
                    other => return Err(format!("invalid argument '{other}' of --color")),
                };
            }
            Long("include") => grep.include.push(parser.value().map_err(bad)?),
            Long("exclude") => grep.exclude.push(parser.value().map_err(bad)?),
            Long("exclude-dir") => grep.exclude_dir.push(parser.value().map_err(bad)?),
            Long("label") => grep.label = Some(parser.value().map_err(bad)?),
            Value(value) if !given && patterns.is_empty() && files.is_empty() => files.push(value),
            Value(value) => files.push(value),
            other => return Err(other.unexpected().to_string()),
        }
    }
    if !given {
        if files.is_empty() {
            return Err(format!(
                "no pattern\nUsage: {applet} {}",
                USAGE.lines().next().unwrap_or_default()
            ));
        }
        add_patterns(&mut patterns, files.remove(0).as_bytes());
    }
    grep.names = names.unwrap_or(files.len() > 1 || recursive.is_some());
    grep.color = color && !grep.invert;
    // No pattern at all (an empty -f file) matches nothing, also where -v asks for what does not match.
    let nothing = patterns.is_empty();
    if nothing {
        patterns.push(b"$^\n".to_vec());
        syntax = Syntax {
            newline: true,
            ..Syntax::default()
        };
    }
    grep.regex = Regex::any_of(&patterns, syntax).map_err(|error| error.to_string())?;
    if files.is_empty() {
        files.push(if recursive.is_some() { "." } else { "-" }.into());
    }
    for file in &files {
        if grep.stop || grep.out.failed() {
            break;
        }
        match recursive {
            Some(follow) if file != "-" => {
                let options = walk::Options {
                    follow,
                    one_file_system: false,
                    sorted: false,
                };
                walk::walk(file, options, &mut grep);
            }
            _ => grep.path(file),
        }
    }
    if grep.regex.gave_up() {
        say(
            applet,
            "the pattern's back-references took too many steps; lines may be missing",
        );
        grep.trouble = true;
    }
    // As BusyBox has it, -L is lucky where it lists a file.
    let found = if grep.listing == Listing::Without {
        grep.listed
    } else {
        grep.found
    };
    let status = match (found, grep.trouble) {
        (true, _) if grep.quiet => 0,
        (_, true) => 2,
        (true, false) => 0,
        (false, false) => 1,
    };
    Ok(grep.out.finish(applet, status, 2))
}

impl Visitor for Grep {
    fn before(&mut self, entry: &Entry<'_>) -> Next {
        if self.stop || self.out.failed() {
            return Next::Quit;
        }
        let base = entry
            .path
            .rsplit(|b| *b == b'/')
            .next()
            .unwrap_or(entry.path);
        let listed = |globs: &[OsString]| {
            globs
                .iter()
                .any(|glob| glob::matches(glob.as_bytes(), base, glob::Options::default()))
        };
        if entry.kind.is_dir() {
            return if entry.depth > 0 && listed(&self.exclude_dir) {
                Next::Skip
            } else {
                Next::Enter
            };
        }
        // Devices and pipes are read only when named; links to files only with -R.
        if entry.depth > 0 && !entry.kind.is_file()
            || listed(&self.exclude)
            || !self.include.is_empty() && !listed(&self.include)
        {
            return Next::Skip;
        }
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
        let name = OsStr::from_bytes(entry.path).to_os_string();
        match rustix::fs::openat(entry.dir, entry.name, flags, rustix::fs::Mode::empty()) {
            Ok(file) => self.read(&name, std::fs::File::from(file)),
            Err(error) => self.complain(&name, &error.into()),
        }
        Next::Skip
    }

    fn after(&mut self, _: &Entry<'_>) -> bool {
        true
    }

    fn error(&mut self, path: &[u8], error: &io::Error) {
        self.complain(&OsString::from_vec(path.to_vec()), error);
    }
}

impl Grep {
    fn complain(&mut self, name: &OsStr, error: &io::Error) {
        self.trouble = true;
        if !self.silent {
            self.out.flush();
            complain(&self.applet, name, error);
        }
    }

    fn path(&mut self, path: &OsStr) {
        let shown = match (&self.label, path == "-") {
            (Some(label), true) => label.clone(),
            (None, true) => "(standard input)".into(),
            _ => path.to_os_string(),
        };
        match open(path) {
            Ok(file) => self.read(&shown, file),
            Err(error) => self.complain(&shown, &error),
        }
    }

    fn read(&mut self, name: &OsStr, file: std::fs::File) {
        let lines = Lines::new(file, self.delimiter);
        let each = self.before > 0
            || self.after > 0
            || self.invert
            || self.delimiter != b'\n'
            || self.max.is_some();
        let result = if self.max == Some(0) {
            Ok(0)
        } else if each {
            self.each_line(name, lines)
        } else {
            self.by_blocks(name, lines)
        };
        let count = match result {
            Ok(count) => count,
            Err(error) => return self.complain(name, &error),
        };
        if self.quiet {
            return;
        }
        match self.listing {
            Listing::With | Listing::Without => {
                if (count > 0) == (self.listing == Listing::With) {
                    self.listed = true;
                    self.put_name(name);
                    self.out.put_byte(if self.name_end { 0 } else { b'\n' });
                }
            }
            Listing::No if self.count => {
                if self.names {
                    self.put_name(name);
                    self.separator(if self.name_end { 0 } else { b':' });
                }
                self.out.put(count.to_string().as_bytes());
                self.out.put_byte(b'\n');
            }
            Listing::No => {}
        }
    }

    /// Whether the first matching line settles the file.
    fn first_settles(&self) -> bool {
        self.quiet || self.listing != Listing::No
    }

    fn note(&mut self) {
        self.found = true;
        if self.quiet {
            self.stop = true;
        }
    }

    fn by_blocks(&mut self, name: &OsStr, mut lines: Lines<std::fs::File>) -> io::Result<u64> {
        let mut count = 0;
        let mut line_number = 1u64;
        let mut offset = 0u64;
        while let Some(block) = lines.block()? {
            let mut at = 0;
            // Up to where lines were counted.
            let mut counted = 0;
            while let Some(line) = next_line(&self.regex, block, at) {
                let (start, end) = line;
                at = end + 1;
                count += 1;
                self.note();
                if self.first_settles() {
                    return Ok(count);
                }
                if !self.count {
                    if self.numbers {
                        line_number +=
                            memchr::memchr_iter(b'\n', &block[counted..start]).count() as u64;
                        counted = start;
                    }
                    self.print(
                        name,
                        &block[start..end],
                        line_number,
                        offset + start as u64,
                        b':',
                    );
                }
                if at >= block.len() {
                    break;
                }
            }
            if self.numbers {
                line_number += memchr::memchr_iter(b'\n', &block[counted..]).count() as u64;
            }
            offset += block.len() as u64;
            if self.out.failed() {
                break;
            }
        }
        Ok(count)
    }

    fn each_line(&mut self, name: &OsStr, mut lines: Lines<std::fs::File>) -> io::Result<u64> {
        let mut count = 0;
        let mut line_number = 0u64;
        let mut offset = 0u64;
        let mut earlier: VecDeque<(Vec<u8>, u64)> = VecDeque::new();
        let mut pending = 0;
        // The number of the line that was printed last.
        let mut last = 0u64;
        let printing = !self.count && !self.first_settles();
        let context = self.before > 0 || self.after > 0;
        while let Some((line, _)) = lines.read()? {
            line_number += 1;
            let start = offset;
            offset += line.len() as u64 + 1;
            let done = self.max.is_some_and(|max| count >= max);
            if !done && self.regex.is_match(line) != self.invert {
                count += 1;
                self.note();
                if self.first_settles() {
                    return Ok(count);
                }
                if printing {
                    let first = line_number - earlier.len() as u64;
                    if context && self.printed && (last == 0 || first > last + 1) {
                        self.out.put(b"--\n");
                    }
                    for (index, (text, at)) in std::mem::take(&mut earlier).into_iter().enumerate()
                    {
                        self.print(name, &text, first + index as u64, at, b'-');
                    }
                    self.print(name, line, line_number, start, b':');
                    self.printed = true;
                    last = line_number;
                    pending = self.after;
                }
            } else if pending > 0 {
                pending -= 1;
                self.print(name, line, line_number, start, b'-');
                last = line_number;
            } else if done {
                break;
            } else if self.before > 0 && printing {
                if earlier.len() == self.before {
                    earlier.pop_front();
                }
                earlier.push_back((line.to_vec(), start));
            }
            if self.max.is_some_and(|max| count >= max) && pending == 0 || self.out.failed() {
                break;
            }
        }
        Ok(count)
    }

    fn paint(&mut self, color: &str) {
        if self.color {
            self.out.put(b"\x1b[");
            self.out.put(color.as_bytes());
            self.out.put(b"m\x1b[K");
        }
    }

    fn separator(&mut self, byte: u8) {
        let paint = byte != 0;
        if paint {
            self.paint("36");
        }
        self.out.put_byte(byte);
        if paint {
            self.paint("");
        }
    }

    fn put_name(&mut self, name: &OsStr) {
        self.paint("35");
        self.out.put(name.as_bytes());
        self.paint("");
    }

    fn prefix(&mut self, name: &OsStr, line_number: u64, offset: u64, mark: u8) {
        if self.names {
            self.put_name(name);
            self.separator(if self.name_end { 0 } else { mark });
        }
        for (wanted, value) in [(self.numbers, line_number), (self.offsets, offset)] {
            if wanted {
                self.paint("32");
                self.out.put(value.to_string().as_bytes());
                self.paint("");
                self.separator(mark);
            }
        }
    }

    fn print(&mut self, name: &OsStr, line: &[u8], line_number: u64, offset: u64, mark: u8) {
        let matches = mark == b':' && !self.invert;
        if self.only {
            if matches {
                self.print_matches(name, line, line_number, offset);
            }
            return;
        }
        self.prefix(name, line_number, offset, mark);
        if self.color && matches {
            let mut at = 0;
            let mut from = 0;
            while let Some((start, end)) = self.regex.find_at(line, from) {
                if start == end {
                    if end >= line.len() {
                        break;
                    }
                    from = end + 1;
                    continue;
                }
                self.out.put(&line[at..start]);
                self.paint("01;31");
                self.out.put(&line[start..end]);
                self.paint("");
                at = end;
                from = end;
            }
            self.out.put(&line[at..]);
        } else {
            self.out.put(line);
        }
        self.out.put_byte(self.delimiter);
    }

    fn print_matches(&mut self, name: &OsStr, line: &[u8], line_number: u64, offset: u64) {
        let mut at = 0;
        while let Some((start, end)) = self.regex.find_at(line, at) {
            if start == end {
                if end >= line.len() {
                    break;
                }
                at = end + 1;
                continue;
            }
            self.prefix(name, line_number, offset + start as u64, b':');
            self.paint("01;31");
            self.out.put(&line[start..end]);
            self.paint("");
            self.out.put_byte(self.delimiter);
            at = end;
        }
    }
}

/// The bounds of the next line that matches, newline not included. The block ends in a newline or with the text.
fn next_line(regex: &Regex, block: &[u8], from: usize) -> Option<(usize, usize)> {
    let bounds = |at: usize| {
        let start = memchr::memrchr(b'\n', &block[..at]).map_or(0, |newline| newline + 1);
        let end = memchr::memchr(b'\n', &block[at..]).map_or(block.len(), |length| at + length);
        (start, end)
    };
    if let Some(required) = regex.required() {
        // Only lines with this string can match.
        let mut from = from;
        while let Some(found) = block.get(from..).and_then(|rest| required.find(rest)) {
            let (start, end) = bounds(from + found);
            if regex.is_match(&block[start..end]) {
                return Some((start, end));
            }
            from = end + 1;
        }
        return None;
    }
    let at = regex.touch(block, from)?;
    // Behind the last newline there is no further line.
    if at == block.len() && block.last() == Some(&b'\n') {
        return None;
    }
    Some(bounds(at))
}

//! `less` and `more`: show text a screen at a time (POSIX.1-2024 more; less's usual keys).
//!
//! Input is read only as far as it is shown or searched. When standard output is no terminal, the text is copied.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};

use lexopt::prelude::*;

use crate::common::lines::{Output, cause, complain, open, say};
use crate::common::screen::{ESCAPE, Key, Screen, control};
use crate::regex::{Regex, Syntax};

/// Usage of `less`.
pub const LESS_USAGE: &str = "\
[-EFIMNRSXeimr~] [+F|+G|+N|+/RE] [FILE]...
  -E, -e  end at the end of the last file
  -F      end at once when all fits on one screen
  -I, -i  searches take upper and lower case as the same
  -M, -m  tell more on the last line
  -N      number the lines
  -R, -r  let colours through
  -S      cut long lines instead of folding them
  -X      leave what was shown on the screen
Keys: space b d u  j k  g G  /RE ?RE n N  F  :n :p  -S -N -I  =  h  q";

/// Usage of `more`.
pub const MORE_USAGE: &str = "\
[FILE]...
Keys: space (a screen), enter (a line), b (back), /RE, q";

/// Runs `less`.
pub fn less(args: &[OsString]) -> i32 {
    finish("less", run(args, false))
}

/// Runs `more`.
pub fn more(args: &[OsString]) -> i32 {
    finish("more", run(args, true))
}

fn finish(name: &str, result: Result<i32, String>) -> i32 {
    result.unwrap_or_else(|message| {
        say(name, message);
        1
    })
}

#[derive(Default)]
struct Options {
    more: bool,
    quit_at_end: bool,
    quit_if_short: bool,
    ignore_case: bool,
    numbers: bool,
    raw: bool,
    cut: bool,
    stay: bool,
}

fn run(args: &[OsString], more: bool) -> Result<i32, String> {
    let name = if more { "more" } else { "less" };
    let mut options = Options {
        more,
        quit_at_end: more,
        stay: more,
        raw: more,
        ..Options::default()
    };
    let mut files: Vec<OsString> = Vec::new();
    let mut start: Option<String> = None;
    let mut parser = lexopt::Parser::from_args(args.iter().skip(1).cloned());
    let bad = |error: lexopt::Error| error.to_string();
    while let Some(argument) = parser.next().map_err(bad)? {
        match argument {
            Short('E' | 'e') => options.quit_at_end = true,
            Short('F') => options.quit_if_short = true,
            Short('I' | 'i') => options.ignore_case = true,
            Short('N') => options.numbers = true,
            Short('R' | 'r') => options.raw = true,
            Short('S') => options.cut = true,
            Short('X') => options.stay = true,
            Short('M' | 'm' | '~' | 's' | 'd' | 'f' | 'c' | 'K' | 'Q' | 'q') => {}
            Value(value) => match value.to_string_lossy().strip_prefix('+') {
                Some(command) => start = Some(command.to_string()),
                None => files.push(value),
            },
            other => return Err(other.unexpected().to_string()),
        }
    }
    let stdout_is_terminal = rustix::termios::isatty(rustix::stdio::stdout());
    if files.is_empty() {
        if rustix::termios::isatty(rustix::stdio::stdin()) {
            return Err(format!(
                "no file\nUsage: {name} {}",
                LESS_USAGE.lines().next().unwrap_or_default()
            ));
        }
        files.push("-".into());
    }
    if !stdout_is_terminal {
        return Ok(copy(name, &files));
    }
    let mut texts = Vec::new();
    let mut status = 0;
    for file in &files {
        match Text::open(file) {
            Ok(text) => texts.push(text),
            Err(error) => {
                complain(name, file, &error);
                status = 1;
            }
        }
    }
    if texts.is_empty() {
        return Ok(status);
    }
    let screen = Screen::open().map_err(|error| format!("/dev/tty: {}", cause(&error)))?;
    let mut pager = Pager {
        screen,
        options,
        texts,
        current: 0,
        top: Place::default(),
        shift: 0,
        regex: None,
        backwards: false,
        message: String::new(),
        count: None,
    };
    pager
        .run(start.as_deref())
        .map_err(|error| format!("/dev/tty: {}", cause(&error)))?;
    Ok(status)
}

/// Copies the files to standard output.
fn copy(name: &str, files: &[OsString]) -> i32 {
    let mut out = Output::new();
    let mut status = 0;
    let mut buffer = vec![0; 64 * 1024];
    for path in files {
        let result = open(path).and_then(|mut file| {
            loop {
                match file.read(&mut buffer) {
                    Ok(0) => return Ok(()),
                    Ok(count) => out.put(&buffer[..count]),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
                if out.failed() {
                    return Ok(());
                }
            }
        });
        if let Err(error) = result {
            complain(name, path, &error);
            status = 1;
        }
    }
    out.finish(name, status, 1)
}

/// A text, read as far as it was needed.
struct Text {
    name: OsString,
    file: File,
    bytes: Vec<u8>,
    /// Where each line begins.
    starts: Vec<usize>,
    finished: bool,
}

impl Text {
    fn open(name: &OsStr) -> io::Result<Text> {
        let file = open(name)?;
        if file.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok(Text {
            name: name.to_os_string(),
            file,
            bytes: Vec::new(),
            starts: vec![0],
            finished: false,
        })
    }

    /// Reads one block more.
    fn more(&mut self) {
        let before = self.bytes.len();
        self.bytes.resize(before + 64 * 1024, 0);
        let count = loop {
            match self.file.read(&mut self.bytes[before..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other.unwrap_or(0),
            }
        };
        self.bytes.truncate(before + count);
        self.finished = count == 0;
        self.starts
            .extend(memchr::memchr_iter(b'\n', &self.bytes[before..]).map(|at| before + at + 1));
    }

    /// A line without its newline; None behind the last.
    fn line(&mut self, index: usize) -> Option<&[u8]> {
        while index + 1 >= self.starts.len() && !self.finished {
            self.more();
        }
        let start = *self.starts.get(index)?;
        let end = self
            .starts
            .get(index + 1)
            .map_or(self.bytes.len(), |next| next - 1);
        // Behind a last newline there is no line.
        (start < self.bytes.len() || index + 1 < self.starts.len()).then(|| &self.bytes[start..end])
    }

    fn read_all(&mut self) {
        while !self.finished {
            self.more();
        }
    }

    fn lines(&self) -> usize {
        let last = self.starts.last().copied().unwrap_or(0);
        self.starts.len() - usize::from(last >= self.bytes.len())
    }
}

/// The line and its row that is at the top of the screen.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Place {
    line: usize,
    row: usize,
}

struct Pager {
    screen: Screen,
    options: Options,
    texts: Vec<Text>,
    current: usize,
    top: Place,
    /// How many columns are cut off at the left.
    shift: usize,
    regex: Option<Regex>,
    backwards: bool,
    message: String,
    count: Option<usize>,
}

impl Pager {
    fn text(&mut self) -> &mut Text {
        &mut self.texts[self.current]
    }

    fn run(&mut self, start: Option<&str>) -> io::Result<()> {
        if self.options.quit_if_short && self.texts.len() == 1 && self.fits() {
            let (_, rows) = self.screen.size();
            let mut out = Vec::new();
            let mut place = Place::default();
            for _ in 0..rows {
                let Some(row) = self.row(place) else { break };
                out.extend_from_slice(&row);
                out.extend_from_slice(b"\r\n");
                match self.next(place) {
                    Some(next) => place = next,
                    None => break,
                }
            }
            return self.screen.write(&out);
        }
        if !self.options.stay {
            self.screen.set_aside()?;
        }
        match start {
            Some("F") => self.follow()?,
            Some("G") => self.go_to_end(),
            Some(pattern) if pattern.starts_with('/') => self.search(&pattern[1..], false),
            Some(number) => {
                if let Ok(line) = number.parse::<usize>() {
                    self.go_to(line);
                }
            }
            None => {}
        }
        loop {
            self.draw()?;
            if self.options.quit_at_end && !self.options.more && self.at_end() {
                return Ok(());
            }
            if !self.command()? {
                return Ok(());
            }
        }
    }

    fn fits(&mut self) -> bool {
        let (_, rows) = self.screen.size();
        let mut place = Some(Place::default());
        for _ in 0..rows {
            match place {
                Some(at) => place = self.next(at),
                None => return true,
            }
        }
        place.is_none()
    }

    /// The rows that a line takes up.
    fn rows(&mut self, line: usize) -> Option<Vec<Vec<u8>>> {
        let (columns, _) = self.screen.size();
        let (raw, cut, numbers, shift) = (
            self.options.raw,
            self.options.cut,
            self.options.numbers,
            self.shift,
        );
        let regex = self.regex.take();
        let rows = self.text().line(line).map(|text| {
            let number = numbers.then_some(line + 1);
            layout(text, columns, raw, cut, shift, number, regex.as_ref())
        });
        self.regex = regex;
        rows
    }

    fn row(&mut self, place: Place) -> Option<Vec<u8>> {
        let mut rows = self.rows(place.line)?;
        (place.row < rows.len()).then(|| rows.swap_remove(place.row))
    }

    fn next(&mut self, place: Place) -> Option<Place> {
        let rows = self.rows(place.line)?.len();
        if place.row + 1 < rows {
            return Some(Place {
                row: place.row + 1,
                ..place
            });
        }
        self.text().line(place.line + 1).map(|_| Place {
            line: place.line + 1,
            row: 0,
        })
    }

    fn previous(&mut self, place: Place) -> Option<Place> {
        if place.row > 0 {
            return Some(Place {
                row: place.row - 1,
                ..place
            });
        }
        let line = place.line.checked_sub(1)?;
        let rows = self.rows(line)?.len();
        Some(Place {
            line,
            row: rows.saturating_sub(1),
        })
    }

    fn height(&self) -> usize {
        self.screen.size().1 - 1
    }

    /// Whether the last row is on the screen.
    fn at_end(&mut self) -> bool {
        let mut place = self.top;
        for _ in 0..self.height() {
            match self.next(place) {
                Some(next) => place = next,
                None => return true,
            }
        }
        false
    }

    fn forward(&mut self, rows: usize) {
        for _ in 0..rows {
            if self.at_end() {
                return;
            }
            if let Some(next) = self.next(self.top) {
                self.top = next;
            }
        }
    }

    fn backward(&mut self, rows: usize) {
        for _ in 0..rows {
            match self.previous(self.top) {
                Some(place) => self.top = place,
                None => return,
            }
        }
    }

    fn go_to_end(&mut self) {
        self.text().read_all();
        let last = self.text().lines().saturating_sub(1);
        let rows = self.rows(last).map_or(1, |rows| rows.len());
        self.top = Place {
            line: last,
            row: rows.saturating_sub(1),
        };
        let height = self.height();
        self.backward(height.saturating_sub(1));
    }

    fn go_to(&mut self, number: usize) {
        let line = number.saturating_sub(1);
        if self.text().line(line).is_some() {
            self.top = Place { line, row: 0 };
        } else {
            self.go_to_end();
        }
    }

    fn draw(&mut self) -> io::Result<()> {
        let height = self.height();
        let mut out = b"\x1b[H".to_vec();
        let mut place = Some(self.top);
        for _ in 0..height {
            let row = place.and_then(|place| self.row(place));
            out.extend_from_slice(row.as_deref().unwrap_or(b"~"));
            out.extend_from_slice(b"\x1b[K\r\n");
            place = place.and_then(|place| self.next(place));
        }
        out.extend_from_slice(self.prompt().as_bytes());
        out.extend_from_slice(b"\x1b[K");
        self.screen.write(&out)
    }

    fn prompt(&mut self) -> String {
        if let Some(count) = self.count {
            return format!(":{count}");
        }
        if !self.message.is_empty() {
            return format!("\x1b[7m{}\x1b[m", std::mem::take(&mut self.message));
        }
        let end = self.at_end();
        if self.options.more {
            return "\x1b[7m--More--\x1b[m".into();
        }
        if end && self.current + 1 < self.texts.len() {
            return "\x1b[7m(END) - :n for the next file\x1b[m".into();
        }
        if end {
            return "\x1b[7m(END)\x1b[m".into();
        }
        if self.top == Place::default() && self.text().name != "-" {
            let name = self.text().name.to_string_lossy().into_owned();
            return format!("\x1b[7m{}\x1b[m", name.escape_debug());
        }
        ":".into()
    }

    /// Reads a key and does what it says. False: the end.
    fn command(&mut self) -> io::Result<bool> {
        let key = self.screen.key();
        if let Key::Char(digit @ '0'..='9') = key {
            let digit = digit as usize - '0' as usize;
            self.count = Some(
                self.count
                    .unwrap_or(0)
                    .saturating_mul(10)
                    .saturating_add(digit),
            );
            return Ok(true);
        }
        let count = self.count.take();
        let page = self.height();
        match key {
            Key::Gone | Key::Char('q' | 'Q' | '\x03') => return Ok(false),
            Key::Char(' ' | 'f' | 'z') | Key::PageDown => {
                if self.options.quit_at_end && self.at_end() {
                    return self.next_text(1);
                }
                self.forward(count.unwrap_or(page));
            }
            Key::Char('\r' | '\n' | 'j' | 'e') | Key::Down => {
                if self.options.quit_at_end && self.at_end() {
                    return self.next_text(1);
                }
                self.forward(count.unwrap_or(1));
            }
            Key::Char('k' | 'y') | Key::Up => self.backward(count.unwrap_or(1)),
            Key::Char('b' | 'w') | Key::PageUp => self.backward(count.unwrap_or(page)),
            Key::Char('d') => self.forward(count.unwrap_or(page / 2)),
            Key::Char('u') => self.backward(count.unwrap_or(page / 2)),
            _ if key == control('f') || key == control('v') => self.forward(page),
            _ if key == control('b') => self.backward(page),
            _ if key == control('n') || key == control('e') => self.forward(1),
            _ if key == control('p') || key == control('y') => self.backward(1),
            _ if key == control('d') => self.forward(page / 2),
            _ if key == control('u') => self.backward(page / 2),
            Key::Char('g' | '<') | Key::Home => self.go_to(count.unwrap_or(1)),
            Key::Char('G' | '>') | Key::End => match count {
                Some(line) => self.go_to(line),
                None => self.go_to_end(),
            },
            Key::Char('p' | '%') => {
                self.text().read_all();
                let line = self.text().lines() * count.unwrap_or(0).min(100) / 100;
                self.go_to(line + 1);
            }
            Key::Right => self.shift += self.screen.size().0 / 2,
            Key::Left => self.shift = self.shift.saturating_sub(self.screen.size().0 / 2),
            Key::Char('F') => self.follow()?,
            Key::Char(mark @ ('/' | '?')) => {
                if let Some(pattern) = self.ask(&mark.to_string())? {
                    self.search(&pattern, mark == '?');
                }
            }
            Key::Char('n') => self.find(self.backwards),
            Key::Char('N') => self.find(!self.backwards),
            Key::Char('-') => {
                if let Some(letter) = self.ask("-")? {
                    self.toggle(&letter);
                }
            }
            Key::Char(':') => match self.ask(":")?.as_deref() {
                Some("n") => return self.next_text(1),
                Some("p") => return self.next_text(-1),
                Some("q" | "Q") => return Ok(false),
                Some(number) => match number.parse() {
                    Ok(line) => self.go_to(line),
                    Err(_) => self.message = "unknown command".into(),
                },
                None => {}
            },
            Key::Char('=') => {
                self.text().read_all();
                let (line, lines) = (self.top.line + 1, self.text().lines());
                let name = self.text().name.to_string_lossy().into_owned();
                self.message = format!("{} line {line} of {lines}", name.escape_debug());
            }
            Key::Char('h') => {
                self.message =
                    "space b: page  j k: line  d u: half  g G: ends  / ? n N: search  F: follow  q: quit".into();
            }
            _ => {}
        }
        Ok(true)
    }

    fn toggle(&mut self, letter: &str) {
        let options = &mut self.options;
        let option = match letter {
            "S" => &mut options.cut,
            "N" => &mut options.numbers,
            "I" | "i" => &mut options.ignore_case,
            "R" | "r" => &mut options.raw,
            _ => {
                self.message = format!("no such option: {letter}");
                return;
            }
        };
        *option = !*option;
        self.message = format!("-{letter} is {}", if *option { "on" } else { "off" });
        self.top.row = 0;
    }

    /// Goes to another file. False: there is none and the end was asked for.
    fn next_text(&mut self, by: isize) -> io::Result<bool> {
        match self
            .current
            .checked_add_signed(by)
            .filter(|index| *index < self.texts.len())
        {
            Some(index) => {
                self.current = index;
                self.top = Place::default();
            }
            None if self.options.quit_at_end && by > 0 => return Ok(false),
            None => self.message = "no further file".into(),
        }
        Ok(true)
    }

    /// Asks for a line at the bottom. None: it was given up.
    fn ask(&mut self, prompt: &str) -> io::Result<Option<String>> {
        let mut text = String::new();
        loop {
            let rows = self.screen.size().1;
            self.screen
                .write(format!("\x1b[{rows};1H{prompt}{}\x1b[K", text.escape_debug()).as_bytes())?;
            match self.screen.key() {
                Key::Char('\r' | '\n') => return Ok(Some(text)),
                Key::Char('\x08') => {
                    if text.pop().is_none() {
                        return Ok(None);
                    }
                }
                ESCAPE | Key::Gone | Key::Char('\x03') => return Ok(None),
                Key::Char(c) => {
                    text.push(c);
                    // These take one letter and no enter.
                    if prompt == "-" || prompt == ":" && matches!(text.as_str(), "n" | "p" | "q") {
                        return Ok(Some(text));
                    }
                }
                _ => {}
            }
        }
    }

    fn search(&mut self, pattern: &str, backwards: bool) {
        self.backwards = backwards;
        if !pattern.is_empty() {
            let ignore_case = self.options.ignore_case;
            match Regex::new(
                pattern.as_bytes(),
                Syntax {
                    extended: true,
                    ignore_case,
                    ..Syntax::default()
                },
            ) {
                Ok(regex) => self.regex = Some(regex),
                Err(error) => {
                    self.message = error.to_string();
                    return;
                }
            }
        }
        self.find(backwards);
    }

    fn find(&mut self, backwards: bool) {
        let Some(regex) = self.regex.take() else {
            self.message = "no previous search".into();
            return;
        };
        let mut line = self.top.line;
        let found = loop {
            line = match (backwards, line) {
                (true, 0) => break false,
                (true, _) => line - 1,
                (false, _) => line + 1,
            };
            match self.text().line(line) {
                None => break false,
                Some(text) if regex.is_match(text) => break true,
                Some(_) => {}
            }
        };
        self.regex = Some(regex);
        if found {
            self.top = Place { line, row: 0 };
        } else {
            self.message = "pattern not found".into();
        }
    }

    /// Shows what is added to the file, until a key is pressed.
    fn follow(&mut self) -> io::Result<()> {
        loop {
            self.text().finished = false;
            self.go_to_end();
            self.message = "waiting for data (any key ends it)".into();
            self.draw()?;
            if self.screen.waits(1000) {
                self.screen.key();
                return Ok(());
            }
        }
    }
}

/// The rows of a line as they are written to the terminal.
fn layout(
    text: &[u8],
    columns: usize,
    raw: bool,
    cut: bool,
    shift: usize,
    number: Option<usize>,
    regex: Option<&Regex>,
) -> Vec<Vec<u8>> {
    let margin = number
        .map(|number| format!("{number:7} "))
        .unwrap_or_default();
    let width = columns.saturating_sub(margin.len()).max(1);
    let mut marked = Vec::new();
    let mut from = 0;
    while let Some((start, end)) = regex.and_then(|regex| regex.find_at(text, from)) {
        if start == end {
            if end >= text.len() {
                break;
            }
            from = end + 1;
            continue;
        }
        marked.push((start, end));
        from = end;
    }
    let mut rows = vec![margin.into_bytes()];
    let mut column = 0;
    let mut inverse = false;
    let mut at = 0;
    // Columns that are cut off at the left.
    let mut hidden = if cut { shift } else { 0 };
    let mut spans = marked.iter().peekable();
    while at < text.len() {
        let rest = &text[at..];
        if raw && let Some(length) = colour(rest) {
            if let Some(row) = rows.last_mut() {
                row.extend_from_slice(&rest[..length]);
            }
            at += length;
            continue;
        }
        while spans.peek().is_some_and(|(_, end)| *end <= at) {
            spans.next();
        }
        let wanted = spans.peek().is_some_and(|(start, _)| *start <= at);
        let (shown, cells, length) = glyph(rest, column);
        at += length;
        if hidden > 0 {
            hidden = hidden.saturating_sub(cells);
            continue;
        }
        if column + cells > width && column > 0 {
            if cut {
                break;
            }
            if inverse && let Some(row) = rows.last_mut() {
                row.extend_from_slice(b"\x1b[27m");
                inverse = false;
            }
            rows.push(if number.is_some() {
                b"        ".to_vec()
            } else {
                Vec::new()
            });
            column = 0;
        }
        if let Some(row) = rows.last_mut() {
            if wanted != inverse {
                row.extend_from_slice(if wanted { b"\x1b[7m" } else { b"\x1b[27m" });
                inverse = wanted;
            }
            row.extend_from_slice(&shown);
        }
        column += cells;
    }
    if let Some(row) = rows.last_mut()
        && memchr::memchr(0x1B, row).is_some()
    {
        row.extend_from_slice(b"\x1b[m");
    }
    rows
}

/// The length of a colour sequence at the beginning.
fn colour(text: &[u8]) -> Option<usize> {
    let body = text.strip_prefix(b"\x1b[")?;
    let length = body
        .iter()
        .take_while(|b| b.is_ascii_digit() || **b == b';')
        .count();
    match body.get(length) {
        Some(b'm' | b'K') => Some(length + 3),
        _ => None,
    }
}

/// What is shown for the first character, how many columns that takes, and how many bytes it was.
fn glyph(text: &[u8], column: usize) -> (Vec<u8>, usize, usize) {
    let first = text[0];
    match first {
        b'\t' => {
            let cells = 8 - column % 8;
            (vec![b' '; cells], cells, 1)
        }
        0..=31 => (vec![b'^', first + 64], 2, 1),
        127 => (b"^?".to_vec(), 2, 1),
        32..=126 => (vec![first], 1, 1),
        _ => {
            for length in 2..=4.min(text.len()) {
                if let Ok(valid) = std::str::from_utf8(&text[..length])
                    && !valid.chars().any(char::is_control)
                {
                    return (text[..length].to_vec(), 1, length);
                }
            }
            (format!("<{first:02X}>").into_bytes(), 4, 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_folded_cut_and_numbered() {
        let plain = |text: &str, columns, cut, shift, number| {
            let rows = layout(text.as_bytes(), columns, false, cut, shift, number, None);
            rows.into_iter()
                .map(|row| String::from_utf8(row).unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(plain("abcdef", 4, false, 0, None), ["abcd", "ef"]);
        assert_eq!(plain("abcdef", 4, true, 2, None), ["cdef"]);
        assert_eq!(plain("a\tb\x01é", 40, false, 0, None), ["a       b^Aé"]);
        assert_eq!(plain("x", 40, false, 0, Some(3)), ["      3 x"]);
        assert_eq!(plain("", 4, false, 0, None), [""]);
    }

    #[test]
    fn colours_and_matches() {
        let regex = Regex::new(b"bb*", Syntax::default()).unwrap();
        assert_eq!(
            layout(b"abbc", 10, false, false, 0, None, Some(&regex)),
            [b"a\x1b[7mbb\x1b[27mc\x1b[m".to_vec()]
        );
        assert_eq!(
            layout(b"\x1b[31mx", 10, true, false, 0, None, None),
            [b"\x1b[31mx\x1b[m".to_vec()]
        );
        assert_eq!(
            layout(b"\x1b[31m", 10, false, false, 0, None, None),
            [b"^[[31m".to_vec()]
        );
    }
}

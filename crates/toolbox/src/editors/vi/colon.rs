//! The lines behind a colon: `[RANGE]COMMAND[!] [ARGUMENT]`.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::buffer::{Buffer, Position, Register};
use super::{Editor, Keys};
use crate::common::lines::cause;
use crate::regex::{Regex, Syntax};

impl Editor {
    /// Runs a line.
    pub fn colon(&mut self, line: &str) {
        let line = line.trim_start_matches([' ', ':', '\t']);
        if line.is_empty() || line.starts_with('"') {
            return;
        }
        if matches!(line.trim(), "u" | "undo") {
            match self.buffer.undo(self.cursor) {
                Some(place) => self.cursor = place,
                None => self.message = "already at the oldest change".into(),
            }
            return;
        }
        let checkpoint = self.buffer.checkpoint(self.cursor);
        if let Err(message) = self.colon_line(line) {
            self.message = message;
        }
        self.buffer.settle(checkpoint);
    }

    fn colon_line(&mut self, line: &str) -> Result<(), String> {
        let mut rest = line;
        let mut range = self.range(&mut rest)?;
        rest = rest.trim_start();
        let length = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        // s and g are followed by any delimiter, also a letter's kin.
        let (name, mut argument) = match rest.split_at(length) {
            ("", _) => rest.split_at(rest.chars().next().map_or(0, char::len_utf8)),
            split => split,
        };
        let force = name != "!" && !matches!(name, "g" | "v" | "s") && argument.starts_with('!');
        if force {
            argument = &argument[1..];
        }
        let text = argument.trim();
        let last = self.buffer.len() - 1;
        let here = self.cursor.line;
        let whole = range.is_none();
        let (first, end) = *range.get_or_insert((here, here));
        let (first, end) = (first.min(last), end.min(last));
        match name {
            "" => {
                self.marks.insert('\'', self.cursor);
                self.cursor = self.first_nonblank(end);
            }
            "w" | "write" | "wq" | "x" | "xit" | "wn" => {
                let lines = if whole { 0..last + 1 } else { first..end + 1 };
                if !name.starts_with('x') || self.buffer.changed || !text.is_empty() {
                    self.save(text, lines, whole, force)?;
                }
                match name {
                    "wq" | "x" | "xit" => self.quit(force)?,
                    "wn" => self.next_file(force)?,
                    _ => {}
                }
            }
            "q" | "quit" => self.quit(force)?,
            "qa" | "qall" => self.end = self.may_leave(force).map(|()| Some(0))?,
            "wa" | "wqa" | "xa" => {
                self.save("", 0..last + 1, true, force)?;
                if name != "wa" {
                    self.end = Some(0);
                }
            }
            "cq" => self.end = Some(1),
            "e" | "edit" => {
                self.may_leave(force)?;
                let file = if text.is_empty() {
                    self.file.clone()
                } else {
                    Some(OsString::from(text))
                };
                self.edit(file.ok_or("no file name")?);
            }
            "n" | "next" => self.next_file(force)?,
            "f" | "file" => {
                if !text.is_empty() {
                    self.file = Some(text.into());
                }
                let name = self
                    .file
                    .as_ref()
                    .map_or("No file".into(), |file| file.to_string_lossy());
                self.message = format!("\"{name}\" {} lines", last + 1);
            }
            "r" | "read" => {
                let bytes = match text.strip_prefix('!') {
                    Some(command) => output_of(command, b"")?,
                    None => {
                        std::fs::read(text).map_err(|error| format!("{text}: {}", cause(&error)))?
                    }
                };
                let read = Buffer::of(&bytes);
                if !bytes.is_empty() {
                    let lines: Vec<Vec<u8>> = (0..read.len())
                        .map(|line| read.line(line).to_vec())
                        .collect();
                    self.message = format!("{} lines read", lines.len());
                    self.buffer.insert_lines(end + 1, lines);
                    self.cursor = self.first_nonblank(end + 1);
                }
            }
            "d" | "delete" | "y" | "yank" => {
                let lines: Vec<Vec<u8>> = (first..=end)
                    .map(|line| self.buffer.line(line).to_vec())
                    .collect();
                let count = lines.len();
                let register = Register {
                    lines: true,
                    text: lines,
                };
                if let Some(name) = text.chars().next().filter(char::is_ascii_lowercase) {
                    self.registers.insert(name, register.clone());
                }
                self.registers.insert('"', register);
                if name.starts_with('d') {
                    self.buffer.remove_lines(first..end + 1);
                    self.cursor = self.first_nonblank(first.min(self.buffer.len() - 1));
                }
                self.message = format!(
                    "{count} lines {}",
                    if name.starts_with('d') {
                        "deleted"
                    } else {
                        "yanked"
                    }
                );
            }
            "m" | "move" | "t" | "co" | "copy" => {
                let mut text = text;
                let to = match text.strip_prefix('0') {
                    Some("") => 0,
                    _ => {
                        self.range(&mut text)?
                            .ok_or("an address is missing")?
                            .1
                            .min(last)
                            + 1
                    }
                };
                let lines: Vec<Vec<u8>> = (first..=end)
                    .map(|line| self.buffer.line(line).to_vec())
                    .collect();
                let count = lines.len();
                if name.starts_with('m') {
                    if to >= first && to <= end + 1 {
                        // They are there already, or would move into themselves.
                        return if to == first || to == end + 1 {
                            Ok(())
                        } else {
                            Err("lines cannot move into themselves".into())
                        };
                    }
                    let to = if to > end { to - count } else { to };
                    self.buffer.remove_lines(first..end + 1);
                    self.buffer.insert_lines(to, lines);
                    self.cursor = self.first_nonblank(to + count - 1);
                } else {
                    self.buffer.insert_lines(to, lines);
                    self.cursor = self.first_nonblank(to + count - 1);
                }
            }
            "j" | "join" => {
                let end = if first == end {
                    (end + 1).min(last)
                } else {
                    end
                };
                let mut joined = self.buffer.line(first).to_vec();
                for line in first + 1..=end {
                    let next = self.buffer.line(line).trim_ascii_start();
                    if !joined.is_empty() && !next.is_empty() {
                        joined.push(b' ');
                    }
                    joined.extend_from_slice(next);
                }
                self.buffer.remove_lines(first + 1..end + 1);
                *self.buffer.line_mut(first) = joined;
                self.cursor = self.first_nonblank(first);
            }
            ">" | "<" => {
                (first..=end).for_each(|line| self.shift(line, name == ">"));
                self.cursor = self.first_nonblank(end);
            }
            "k" | "mark" => {
                let name = text
                    .chars()
                    .next()
                    .filter(char::is_ascii_lowercase)
                    .ok_or("a mark is a letter")?;
                self.marks.insert(
                    name,
                    Position {
                        line: end,
                        column: 0,
                    },
                );
            }
            "set" | "se" => self.set(text)?,
            "!" if whole => self.shell(argument),
            "!" => self.filter(first..end + 1, argument),
            "=" => self.message = (if whole { last } else { end } + 1).to_string(),
            "s" => self.substitute(first, end, argument)?,
            "g" | "v" => {
                let range = if whole { (0, last) } else { (first, end) };
                self.global(range, argument, name == "v" || argument.starts_with('!'))?;
            }
            "h" | "help" => {
                self.message =
                    ":w :q :wq :x :e :r :s/a/b/g :g/re/d :set nu ic ai et ts=N sw=N :!command"
                        .into()
            }
            _ => return Err(format!("unknown command: {name}")),
        }
        Ok(())
    }

    /// Reads addresses. None: there are none.
    fn range(&mut self, rest: &mut &str) -> Result<Option<(usize, usize)>, String> {
        if let Some(more) = rest.strip_prefix('%') {
            *rest = more;
            return Ok(Some((0, self.buffer.len() - 1)));
        }
        let Some(mut first) = self.address(rest, self.cursor.line)? else {
            return Ok(None);
        };
        let mut end = first;
        while let Some(separator) = rest.chars().next().filter(|c| matches!(c, ',' | ';')) {
            *rest = &rest[1..];
            if separator == ';' {
                self.cursor.line = end.min(self.buffer.len() - 1);
            }
            first = end;
            end = self
                .address(rest, self.cursor.line)?
                .unwrap_or(self.cursor.line);
        }
        if first > end {
            return Err("the range is backwards".into());
        }
        Ok(Some((first, end)))
    }

    /// One address, as a line from 0 on.
    fn address(&mut self, rest: &mut &str, here: usize) -> Result<Option<usize>, String> {
        let text = rest.trim_start();
        let digits = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let mut line = None;
        let mut after = text;
        match text.chars().next() {
            Some('0'..='9') => {
                line = Some(
                    text[..digits]
                        .parse::<usize>()
                        .unwrap_or(usize::MAX)
                        .saturating_sub(1),
                );
                after = &text[digits..];
            }
            Some('.') => {
                line = Some(here);
                after = &text[1..];
            }
            Some('$') => {
                line = Some(self.buffer.len() - 1);
                after = &text[1..];
            }
            Some(',' | ';') => line = Some(here),
            Some('\'') => {
                let name = text[1..].chars().next().ok_or("a mark is missing")?;
                line = Some(self.marks.get(&name).ok_or("mark is not set")?.line);
                after = &text[1 + name.len_utf8()..];
            }
            Some(mark @ ('/' | '?')) => {
                let (pattern, more) = until(&text[1..], mark);
                if !pattern.is_empty() && !self.set_search(pattern.as_bytes()) {
                    return Err(std::mem::take(&mut self.message));
                }
                let regex = self.search.as_ref().ok_or("no previous search")?;
                let count = self.buffer.len();
                let found = (1..=count)
                    .map(|step| {
                        if mark == '/' {
                            (here + step) % count
                        } else {
                            (here + count - step) % count
                        }
                    })
                    .find(|line| regex.is_match(self.buffer.line(*line)));
                line = Some(found.ok_or("pattern not found")?);
                after = more;
            }
            Some('+' | '-') => line = Some(here),
            _ => {}
        }
        while let Some(sign) = after.chars().next().filter(|c| matches!(c, '+' | '-')) {
            after = &after[1..];
            let digits = after
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(after.len());
            let by = if digits == 0 {
                1
            } else {
                after[..digits].parse().unwrap_or(usize::MAX)
            };
            after = &after[digits..];
            let at = line.unwrap_or(here);
            line = Some(if sign == '+' {
                at.saturating_add(by)
            } else {
                at.saturating_sub(by)
            });
        }
        if line.is_some() {
            *rest = after;
        }
        Ok(line)
    }

    // Files.

    fn may_leave(&self, force: bool) -> Result<(), String> {
        if self.buffer.changed && !force {
            return Err("there are changes that are not written (add ! to drop them)".into());
        }
        Ok(())
    }

    fn quit(&mut self, force: bool) -> Result<(), String> {
        self.may_leave(force)?;
        if !force && !self.files.is_empty() {
            let count = self.files.len();
            return Err(format!(
                "{count} more files to edit (:n for the next, :q! to end)"
            ));
        }
        self.end = Some(0);
        Ok(())
    }

    fn next_file(&mut self, force: bool) -> Result<(), String> {
        self.may_leave(force)?;
        let file = self.files.pop_front().ok_or("no more files")?;
        self.edit(file);
        Ok(())
    }

    /// Takes up a file.
    pub fn edit(&mut self, file: OsString) {
        let shown = file.to_string_lossy().into_owned();
        match std::fs::read(&file) {
            Ok(bytes) => {
                self.buffer = Buffer::of(&bytes);
                self.message = format!(
                    "\"{shown}\" {} lines, {} bytes",
                    self.buffer.len(),
                    bytes.len()
                );
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.buffer = Buffer::default();
                self.message = format!("\"{shown}\" [new file]");
            }
            Err(error) => {
                // Its name is not taken up: what is typed would be written over it.
                self.message = format!("\"{shown}\": {}", cause(&error));
                return;
            }
        }
        self.file = Some(file);
        self.cursor = Position::default();
        (self.top, self.wish) = (0, 0);
        self.marks.clear();
    }

    fn save(
        &mut self,
        name: &str,
        lines: std::ops::Range<usize>,
        whole: bool,
        force: bool,
    ) -> Result<(), String> {
        let append = name.strip_prefix(">>").map(str::trim);
        let name = append.unwrap_or(name);
        if let Some(command) = name.strip_prefix('!') {
            let bytes = self.buffer.bytes(lines);
            output_of(command, &bytes)?;
            return Ok(());
        }
        let own = name.is_empty() || self.file.as_ref().is_some_and(|file| file == name);
        let file = if name.is_empty() {
            self.file.clone().ok_or("no file name")?
        } else {
            OsString::from(name)
        };
        if self.read_only && own && !force {
            return Err("read only (add ! to write all the same)".into());
        }
        if !own && append.is_none() && !force && Path::new(&file).exists() {
            return Err(format!(
                "\"{}\" exists (add ! to write over it)",
                file.to_string_lossy()
            ));
        }
        let count = lines.len();
        let bytes = self.buffer.bytes(lines);
        let written = if append.is_some() {
            let options = std::fs::OpenOptions::new()
                .append(true)
                .create(true)
                .open(&file);
            options.and_then(|mut file| file.write_all(&bytes))
        } else {
            write_file(&file, &bytes)
        };
        written.map_err(|error| format!("\"{}\": {}", file.to_string_lossy(), cause(&error)))?;
        self.message = format!(
            "\"{}\" {count} lines, {} bytes written",
            file.to_string_lossy(),
            bytes.len()
        );
        if whole && append.is_none() && (own || self.file.is_none()) {
            self.buffer.changed = false;
            self.file.get_or_insert(file);
        }
        Ok(())
    }

    // Settings and the shell.

    fn set(&mut self, text: &str) -> Result<(), String> {
        for word in text.split_whitespace() {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            let (name, on) = match name.strip_prefix("no") {
                Some(rest) => (rest, false),
                None => (name, true),
            };
            let number = value
                .parse::<usize>()
                .ok()
                .filter(|number| (1..=64).contains(number));
            let bad = || format!("{name} needs a number from 1 to 64");
            match name {
                "ic" | "ignorecase" => self.settings.ignore_case = on,
                "nu" | "number" => self.settings.numbers = on,
                "ai" | "autoindent" => self.settings.auto_indent = on,
                "et" | "expandtab" => self.settings.expand_tabs = on,
                "ts" | "tabstop" => self.settings.tab_width = number.ok_or_else(bad)?,
                "sw" | "shiftwidth" => self.settings.shift_width = number.ok_or_else(bad)?,
                "ro" | "readonly" => self.read_only = on,
                _ => return Err(format!("unknown setting: {name}")),
            }
        }
        Ok(())
    }

    /// Runs a command with the terminal handed over.
    fn shell(&mut self, command: &str) {
        let run = || Command::new("/bin/sh").arg("-c").arg(command).status();
        let result = match &mut self.keys {
            Keys::Screen(screen) => screen.lend(run),
            #[cfg(test)]
            Keys::Typed(_) => run(),
        };
        match result {
            Ok(status) if status.success() => {}
            Ok(status) => self.message = format!("{command}: {status}"),
            Err(error) => self.message = format!("/bin/sh: {}", cause(&error)),
        }
    }

    /// Sends lines through a command.
    pub fn filter(&mut self, lines: std::ops::Range<usize>, command: &str) {
        let mut bytes = Vec::new();
        for line in lines.clone() {
            bytes.extend_from_slice(self.buffer.line(line));
            bytes.push(b'\n');
        }
        match output_of(command, &bytes) {
            Ok(output) => {
                let new = Buffer::of(&output);
                let new: Vec<Vec<u8>> =
                    (0..new.len()).map(|line| new.line(line).to_vec()).collect();
                let start = lines.start;
                if !output.is_empty() {
                    self.buffer.insert_lines(lines.end, new);
                }
                self.buffer.remove_lines(lines);
                self.cursor = self.first_nonblank(start.min(self.buffer.len() - 1));
            }
            Err(message) => self.message = message,
        }
    }

    // s and g.

    fn substitute(&mut self, first: usize, end: usize, argument: &str) -> Result<(), String> {
        let delimiter = argument
            .chars()
            .next()
            .filter(|c| c.is_ascii_punctuation() && *c != '\\')
            .ok_or("s needs a delimiter")?;
        let (pattern, rest) = until(&argument[1..], delimiter);
        let (replacement, flags) = until(rest, delimiter);
        let ignore_case = self.settings.ignore_case || flags.contains('i');
        if !pattern.is_empty() {
            let syntax = Syntax {
                ignore_case,
                ..Syntax::default()
            };
            self.search =
                Some(Regex::new(pattern.as_bytes(), syntax).map_err(|error| error.to_string())?);
        }
        let regex = self.search.take().ok_or("no previous search")?;
        let global = flags.contains('g');
        let (mut count, mut changed, mut last) = (0usize, 0usize, None);
        let mut line = first;
        let mut end = end;
        while line <= end {
            let (hits, text) = replace(
                &regex,
                self.buffer.line(line),
                replacement.as_bytes(),
                global,
            );
            if hits > 0 {
                count += hits;
                changed += 1;
                // A newline in the replacement cuts the line.
                let pieces: Vec<Vec<u8>> =
                    text.split(|b| *b == b'\r').map(<[u8]>::to_vec).collect();
                let added = pieces.len() - 1;
                self.buffer.replace_line(line, pieces);
                line += added;
                end += added;
                last = Some(line);
            }
            line += 1;
        }
        let gave_up = regex.gave_up();
        self.search = Some(regex);
        if gave_up {
            return Err("the pattern's back-references took too many steps".into());
        }
        match last {
            Some(line) => {
                self.cursor = self.first_nonblank(line);
                if changed > 1 {
                    self.message = format!("{count} substitutions on {changed} lines");
                }
                Ok(())
            }
            None => Err("pattern not found".into()),
        }
    }

    fn global(
        &mut self,
        (first, end): (usize, usize),
        argument: &str,
        inverted: bool,
    ) -> Result<(), String> {
        let argument = argument.strip_prefix('!').unwrap_or(argument);
        let delimiter = argument
            .chars()
            .next()
            .filter(|c| c.is_ascii_punctuation())
            .ok_or("g needs a pattern")?;
        let (pattern, command) = until(&argument[1..], delimiter);
        if !pattern.is_empty() && !self.set_search(pattern.as_bytes()) {
            return Err(std::mem::take(&mut self.message));
        }
        let regex = self.search.as_ref().ok_or("no previous search")?;
        let hits: Vec<usize> = (first..=end)
            .filter(|line| regex.is_match(self.buffer.line(*line)) != inverted)
            .collect();
        if hits.is_empty() {
            return Err("pattern not found".into());
        }
        let command = command.trim();
        if command.starts_with(['g', 'v']) {
            return Err("g inside of g".into());
        }
        let command = if command.is_empty() { "=" } else { command };
        let mut shift = 0isize;
        for line in hits {
            let line = line.saturating_add_signed(shift);
            let before = self.buffer.len() as isize;
            self.cursor = Position {
                line: line.min(self.buffer.len() - 1),
                column: 0,
            };
            self.colon_line(command)?;
            shift += self.buffer.len() as isize - before;
        }
        Ok(())
    }
}

/// The text up to a delimiter that has no backslash before it, and what is behind it.
fn until(text: &str, delimiter: char) -> (String, &str) {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == delimiter {
            return (out, &text[at + c.len_utf8()..]);
        }
        if c == '\\' {
            match chars.next() {
                Some((_, next)) if next == delimiter => out.push(next),
                Some((_, next)) => out.extend(['\\', next]),
                None => out.push('\\'),
            }
            continue;
        }
        out.push(c);
    }
    (out, "")
}

/// Replaces matches: how many, and the new text, where a carriage return stands for a cut of the line.
fn replace(regex: &Regex, text: &[u8], replacement: &[u8], global: bool) -> (usize, Vec<u8>) {
    let mut out = Vec::new();
    let mut spans = Vec::new();
    let (mut from, mut copied, mut count) = (0, 0, 0);
    let mut previous = None;
    while from <= text.len() && regex.captures_at(text, from, &mut spans) {
        let Some(Some((start, end))) = spans.first().copied() else {
            break;
        };
        if start == end && previous == Some(start) {
            from = super::buffer::after(text, start).max(start + 1);
            continue;
        }
        previous = Some(end);
        count += 1;
        out.extend_from_slice(&text[copied..start]);
        let mut bytes = replacement.iter();
        while let Some(byte) = bytes.next() {
            let group = match byte {
                b'&' => 0,
                b'\\' => match bytes.next() {
                    Some(digit @ b'0'..=b'9') => usize::from(digit - b'0'),
                    Some(b'n') => {
                        out.push(b'\r');
                        continue;
                    }
                    Some(b't') => {
                        out.push(b'\t');
                        continue;
                    }
                    Some(other) => {
                        out.push(*other);
                        continue;
                    }
                    None => continue,
                },
                other => {
                    out.push(*other);
                    continue;
                }
            };
            if let Some(Some((start, end))) = spans.get(group) {
                out.extend_from_slice(&text[*start..*end]);
            }
        }
        copied = end;
        if !global {
            break;
        }
        from = if start == end {
            super::buffer::after(text, end).max(end + 1)
        } else {
            end
        };
    }
    out.extend_from_slice(&text[copied..]);
    (count, out)
}

/// What a command prints, given its input.
fn output_of(command: &str, input: &[u8]) -> Result<Vec<u8>, String> {
    let told = |error: std::io::Error| format!("/bin/sh: {}", cause(&error));
    let mut child = Command::new("/bin/sh")
        .arg("-c")
        .arg(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(told)?;
    let stdin = child.stdin.take();
    let output = std::thread::scope(|scope| {
        // Written on the side, so that neither waits for the other.
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input)));
        child.wait_with_output()
    });
    let output = output.map_err(told)?;
    if output.status.success() || !output.stdout.is_empty() {
        Ok(output.stdout)
    } else {
        Err(format!("{command}: {}", output.status))
    }
}

/// Writes a file: beside it and then in its place, or into it where it is a link, a device or has other names.
fn write_file(file: &OsStr, bytes: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let path = Path::new(file);
    let known = std::fs::symlink_metadata(path).ok();
    let plain = known.as_ref().is_none_or(|known| {
        known.is_file() && known.nlink() == 1 && known.uid() == rustix::process::geteuid().as_raw()
    });
    if !plain {
        return std::fs::write(path, bytes);
    }
    let mut name = b".".to_vec();
    name.extend_from_slice(path.file_name().unwrap_or_default().as_bytes());
    name.extend_from_slice(format!(".vi{}", std::process::id()).as_bytes());
    let temporary = path.with_file_name(OsString::from_vec(name));
    let write = || {
        let mut new = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&temporary)?;
        new.write_all(bytes)?;
        if let Some(known) = &known {
            new.set_permissions(std::fs::Permissions::from_mode(known.mode() & 0o7777))?;
            // The group stays where that is allowed.
            let _ = std::os::unix::fs::fchown(&new, None, Some(known.gid()));
        }
        new.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    write().inspect_err(|_| {
        let _ = std::fs::remove_file(&temporary);
    })
}

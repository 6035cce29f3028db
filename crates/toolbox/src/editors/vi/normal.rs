//! The commands of normal mode, and typing text.

use super::Editor;
use super::buffer::{Position, Register, after, before, last_column};
use super::motion::Span;
use crate::common::screen::{ESCAPE, Key, control};

/// The largest count that is taken.
const MAX_COUNT: usize = 1_000_000;

impl Editor {
    /// Reads one command and does it.
    pub fn command(&mut self) {
        let mut register = None;
        let mut count = None;
        let mut key = self.key();
        loop {
            match key {
                Key::Char('"') => {
                    let Key::Char(name) = self.key() else { return };
                    register = Some(name);
                }
                Key::Char(digit @ '0'..='9') if digit != '0' || count.is_some() => {
                    count = Some(more(count, digit));
                }
                _ => break,
            }
            key = self.key();
        }
        if let Some(target) = self.motion(key, count, None) {
            if matches!(
                key,
                Key::Char('G' | '%' | '{' | '}' | 'H' | 'L' | 'M' | '*' | 'n' | 'N')
            ) {
                self.marks.insert('\'', self.cursor);
            }
            self.cursor = target.place;
            if !target.keep_wish {
                self.wish = self.cursor.column;
            }
            return;
        }
        match key {
            Key::Char('u') => {
                match self.buffer.undo(self.cursor) {
                    Some(place) => self.cursor = place,
                    None => self.message = "already at the oldest change".into(),
                }
                return;
            }
            _ if key == control('r') => {
                match self.buffer.redo(self.cursor) {
                    Some(place) => self.cursor = place,
                    None => self.message = "already at the newest change".into(),
                }
                return;
            }
            Key::Char('.') => {
                self.again();
                return;
            }
            Key::Char(':') => {
                if let Some(line) = self.ask(':') {
                    self.colon(&line);
                }
                return;
            }
            Key::Char('m') => {
                if let Key::Char(name @ 'a'..='z') = self.key() {
                    self.marks.insert(name, self.cursor);
                }
                return;
            }
            Key::Char('Z') => {
                match self.key() {
                    Key::Char('Z') => self.colon("x"),
                    Key::Char('Q') => self.end = Some(0),
                    _ => {}
                }
                return;
            }
            Key::Char('Q') | ESCAPE => return,
            _ => {}
        }
        if self.paging(key, count) {
            return;
        }
        let checkpoint = self.buffer.checkpoint(self.cursor);
        let changes = self.change(key, count, register);
        self.buffer.settle(checkpoint);
        self.wish = self.cursor.column;
        if changes && !self.replaying {
            self.last_change.clone_from(&self.recorded);
        }
    }

    /// Does the last change once more.
    fn again(&mut self) {
        if self.last_change.is_empty() || self.replaying {
            return;
        }
        self.replay = self.last_change.iter().copied().collect();
        self.replaying = true;
        self.command();
        self.replaying = false;
        self.replay.clear();
    }

    fn paging(&mut self, key: Key, count: Option<usize>) -> bool {
        let rows = self.rows();
        let last = self.buffer.len() - 1;
        let by = match key {
            Key::PageDown => rows.saturating_sub(2) as isize,
            Key::PageUp => -(rows.saturating_sub(2) as isize),
            _ if key == control('f') => rows.saturating_sub(2) as isize,
            _ if key == control('b') => -(rows.saturating_sub(2) as isize),
            _ if key == control('d') => count.unwrap_or(rows / 2) as isize,
            _ if key == control('u') => -(count.unwrap_or(rows / 2) as isize),
            _ if key == control('e') => count.unwrap_or(1) as isize,
            _ if key == control('y') => -(count.unwrap_or(1) as isize),
            _ if key == control('l') => {
                self.write(b"\x1b[2J");
                return true;
            }
            _ if key == control('g') => {
                let name = self
                    .file
                    .as_ref()
                    .map_or("No file".into(), |file| file.to_string_lossy())
                    .into_owned();
                self.message = format!("\"{name}\" line {} of {}", self.cursor.line + 1, last + 1);
                return true;
            }
            Key::Char('z') => {
                self.top = match self.key() {
                    Key::Char('.' | 'z') => self.cursor.line.saturating_sub(rows / 2),
                    Key::Char('-' | 'b') => self.cursor.line.saturating_sub(rows - 1),
                    _ => self.cursor.line,
                };
                return true;
            }
            _ => return false,
        };
        let moved = |line: usize| line.saturating_add_signed(by).min(last);
        self.top = moved(self.top);
        let line = if key == control('e') || key == control('y') {
            self.cursor
                .line
                .clamp(self.top, (self.top + rows - 1).min(last))
        } else {
            moved(self.cursor.line)
        };
        self.cursor = self.first_nonblank(line);
        true
    }

    /// Does a command that changes text (or yanks). Says whether `.` shall repeat it.
    fn change(&mut self, key: Key, count: Option<usize>, register: Option<char>) -> bool {
        let times = count.unwrap_or(1).min(MAX_COUNT);
        let cursor = self.cursor;
        let Key::Char(letter) = key else {
            match key {
                Key::Delete => return self.change(Key::Char('x'), count, register),
                Key::Insert => return self.change(Key::Char('i'), count, register),
                _ => return false,
            }
        };
        match letter {
            'd' | 'c' | 'y' | '>' | '<' | '!' => return self.operator(letter, count, register),
            'x' | 'X' => {
                let mut column = cursor.column;
                for _ in 0..times {
                    column = if letter == 'x' {
                        after(self.line(), column)
                    } else {
                        before(self.line(), column)
                    };
                }
                let (start, end) = (column.min(cursor.column), column.max(cursor.column));
                let place = |column| Position { column, ..cursor };
                self.take_out(place(start), place(end), register);
                self.cursor = place(start);
            }
            'D' | 'C' => {
                let line = (cursor.line + times - 1).min(self.buffer.len() - 1);
                let end = Position {
                    line,
                    column: self.buffer.line(line).len(),
                };
                self.take_out(cursor, end, register);
                if letter == 'C' {
                    self.type_text(1);
                }
            }
            'Y' => {
                let end = (cursor.line + times).min(self.buffer.len());
                self.keep(
                    register,
                    Register {
                        lines: true,
                        text: self.copy_lines(cursor.line..end),
                    },
                );
                return false;
            }
            's' => {
                let mut column = cursor.column;
                for _ in 0..times {
                    column = after(self.line(), column);
                }
                self.take_out(cursor, Position { column, ..cursor }, register);
                self.type_text(1);
            }
            'S' => {
                let end = cursor.line + times;
                self.change_lines(cursor.line, end, register);
            }
            'r' => {
                let Key::Char(c) = self.key() else {
                    return false;
                };
                if c == '\x1b' {
                    return false;
                }
                let mut end = cursor.column;
                for _ in 0..times {
                    if end >= self.line().len() {
                        return false;
                    }
                    end = after(self.line(), end);
                }
                if matches!(c, '\r' | '\n') {
                    self.buffer.remove(
                        cursor,
                        Position {
                            column: end,
                            ..cursor
                        },
                    );
                    self.cursor = self.buffer.insert(cursor, &[Vec::new(), Vec::new()]);
                    return true;
                }
                let text = c.to_string().repeat(times).into_bytes();
                let length = text.len();
                self.buffer
                    .line_mut(cursor.line)
                    .splice(cursor.column..end, text);
                self.cursor.column = before(self.line(), cursor.column + length);
            }
            'R' => self.replace_text(),
            'J' => {
                for _ in 0..times.max(2) - 1 {
                    let line = self.cursor.line;
                    if line + 1 >= self.buffer.len() {
                        break;
                    }
                    let next = self.buffer.remove_lines(line + 1..line + 2).concat();
                    let next = next.trim_ascii_start();
                    let text = self.buffer.line_mut(line);
                    let at = text.len();
                    if !text.is_empty()
                        && !next.is_empty()
                        && !next.starts_with(b")")
                        && !text.ends_with(b" ")
                    {
                        text.push(b' ');
                    }
                    text.extend_from_slice(next);
                    self.cursor.column = at;
                }
            }
            '~' => {
                for _ in 0..times {
                    let column = self.cursor.column;
                    let end = after(self.line(), column);
                    if let Ok(text) = std::str::from_utf8(&self.line()[column..end]) {
                        let upper = text.to_uppercase();
                        let turned = if upper == text {
                            text.to_lowercase()
                        } else {
                            upper
                        };
                        let length = turned.len();
                        self.buffer
                            .line_mut(cursor.line)
                            .splice(column..end, turned.into_bytes());
                        self.cursor.column = (column + length).min(last_column(self.line()));
                    }
                }
            }
            'p' | 'P' => self.put(letter == 'P', times, register),
            'i' => self.type_text(times),
            'I' => {
                self.cursor = self.first_nonblank(cursor.line);
                if self.line().iter().all(|b| matches!(b, b' ' | b'\t')) {
                    self.cursor.column = self.line().len();
                }
                self.type_text(times);
            }
            'a' => {
                self.cursor.column = after(self.line(), cursor.column);
                self.type_text(times);
            }
            'A' => {
                self.cursor.column = self.line().len();
                self.type_text(times);
            }
            'o' | 'O' => {
                let indent = self.indent(cursor.line);
                // The line at hand is one, also where there was none.
                self.buffer.line_mut(cursor.line);
                let line = cursor.line + usize::from(letter == 'o');
                self.cursor = Position {
                    line,
                    column: indent.len(),
                };
                self.buffer.insert_line(line, indent);
                self.type_text(1);
            }
            _ => return false,
        }
        true
    }

    fn indent(&self, line: usize) -> Vec<u8> {
        if !self.settings.auto_indent {
            return Vec::new();
        }
        self.buffer
            .line(line)
            .iter()
            .copied()
            .take_while(|b| matches!(b, b' ' | b'\t'))
            .collect()
    }

    fn copy_lines(&self, range: std::ops::Range<usize>) -> Vec<Vec<u8>> {
        range.map(|line| self.buffer.line(line).to_vec()).collect()
    }

    /// Keeps text in a register; a capital letter appends.
    fn keep(&mut self, name: Option<char>, register: Register) {
        if let Some(name) = name {
            if name.is_ascii_uppercase() {
                let old = self.registers.entry(name.to_ascii_lowercase()).or_default();
                old.lines |= register.lines;
                old.text.extend_from_slice(&register.text);
            } else {
                self.registers.insert(name, register.clone());
            }
        }
        self.registers.insert('"', register);
    }

    fn take_out(&mut self, start: Position, end: Position, register: Option<char>) {
        let text = self.buffer.slice(start, end);
        self.keep(register, Register { lines: false, text });
        self.buffer.remove(start, end);
    }

    fn change_lines(&mut self, start: usize, end: usize, register: Option<char>) {
        let end = end.min(self.buffer.len());
        let indent = self.indent(start);
        self.keep(
            register,
            Register {
                lines: true,
                text: self.copy_lines(start..end),
            },
        );
        self.buffer.remove_lines(start + 1..end);
        self.cursor = Position {
            line: start,
            column: indent.len(),
        };
        *self.buffer.line_mut(start) = indent;
        self.type_text(1);
    }

    fn put(&mut self, before_cursor: bool, times: usize, register: Option<char>) {
        let Some(register) = self.registers.get(&register.unwrap_or('"')).cloned() else {
            self.message = "nothing in the register".into();
            return;
        };
        let cursor = self.cursor;
        if register.lines {
            let line = cursor.line + usize::from(!before_cursor);
            for _ in 0..times {
                self.buffer.insert_lines(line, register.text.clone());
            }
            self.cursor = self.first_nonblank(line);
            return;
        }
        let mut at = cursor;
        if !before_cursor {
            at.column = after(self.line(), at.column);
        }
        let start = at;
        for _ in 0..times {
            at = self.buffer.insert(at, &register.text);
        }
        self.cursor = if register.text.len() > 1 {
            start
        } else {
            Position {
                column: before(self.buffer.line(at.line), at.column),
                ..at
            }
        };
    }

    /// An operator and what it is for.
    fn operator(&mut self, letter: char, count: Option<usize>, register: Option<char>) -> bool {
        let mut second = None;
        let mut key = self.key();
        while let Key::Char(digit @ '0'..='9') = key {
            if digit == '0' && second.is_none() {
                break;
            }
            second = Some(more(second, digit));
            key = self.key();
        }
        let count = match (count, second) {
            (Some(a), Some(b)) => Some(a.saturating_mul(b).min(MAX_COUNT)),
            (a, b) => a.or(b),
        };
        let cursor = self.cursor;
        let (start, end, span) = if key == Key::Char(letter) {
            let line = (cursor.line + count.unwrap_or(1) - 1).min(self.buffer.len() - 1);
            (cursor, Position { line, column: 0 }, Span::Lines)
        } else {
            let Some(target) = self.motion(key, count, Some(letter)) else {
                return false;
            };
            (
                cursor.min(target.place),
                cursor.max(target.place),
                target.span,
            )
        };
        // What begins a line and ends before another is whole lines.
        let whole = span == Span::Exclusive
            && end.line > start.line
            && end.column == 0
            && self.buffer.line(start.line)[..start.column]
                .iter()
                .all(|b| matches!(b, b' ' | b'\t'));
        let (end, span) = match whole {
            true => (
                Position {
                    line: end.line - 1,
                    column: 0,
                },
                Span::Lines,
            ),
            false => (end, span),
        };
        let lines = start.line..end.line + 1;
        match (letter, span) {
            ('>' | '<', _) => {
                for line in lines {
                    self.shift(line, letter == '>');
                }
                self.cursor = self.first_nonblank(start.line);
            }
            ('!', _) => {
                if let Some(command) = self.ask('!') {
                    self.filter(lines, &command);
                }
            }
            ('y', Span::Lines) => {
                self.keep(
                    register,
                    Register {
                        lines: true,
                        text: self.copy_lines(lines),
                    },
                );
                self.cursor = Position {
                    line: start.line,
                    column: cursor.column.min(start.column.max(cursor.column)),
                };
            }
            ('d', Span::Lines) => {
                self.keep(
                    register,
                    Register {
                        lines: true,
                        text: self.copy_lines(lines.clone()),
                    },
                );
                self.buffer.remove_lines(lines);
                self.cursor = self.first_nonblank(start.line.min(self.buffer.len() - 1));
            }
            (_, Span::Lines) => self.change_lines(start.line, end.line + 1, register),
            _ => {
                let mut end = end;
                let text = self.buffer.line(end.line);
                if span == Span::Inclusive {
                    end.column = after(text, end.column);
                } else if end.line > start.line && end.column == 0 {
                    // A motion that ends before a line does not take the newline before it.
                    end.line -= 1;
                    end.column = self.buffer.line(end.line).len();
                }
                end.column = end.column.min(self.buffer.line(end.line).len());
                match letter {
                    'y' => {
                        let text = self.buffer.slice(start, end);
                        self.keep(register, Register { lines: false, text });
                    }
                    _ => self.take_out(start, end, register),
                }
                self.cursor = start;
                if letter == 'c' {
                    self.type_text(1);
                }
            }
        }
        letter != 'y'
    }

    /// Shifts a line by the shift width.
    pub fn shift(&mut self, line: usize, right: bool) {
        let text = self.buffer.line(line).to_vec();
        let blanks = text
            .iter()
            .take_while(|b| matches!(b, b' ' | b'\t'))
            .count();
        if blanks == text.len() && right {
            return;
        }
        let (tab, by) = (self.settings.tab_width, self.settings.shift_width);
        let width = text[..blanks].iter().fold(0, |width, b| {
            if *b == b'\t' {
                width + tab - width % tab
            } else {
                width + 1
            }
        });
        let width = if right {
            width + by
        } else {
            width.saturating_sub(by)
        };
        let mut out = Vec::new();
        if self.settings.expand_tabs {
            out.resize(width, b' ');
        } else {
            out.resize(width / tab, b'\t');
            out.resize(width / tab + width % tab, b' ');
        }
        out.extend_from_slice(&text[blanks..]);
        *self.buffer.line_mut(line) = out;
    }

    /// Types text at the cursor until escape; then the text is there `times` times.
    fn type_text(&mut self, times: usize) {
        self.mode = "I";
        let mut typed: Vec<Vec<u8>> = vec![Vec::new()];
        loop {
            let key = self.key();
            let cursor = self.cursor;
            match key {
                ESCAPE | Key::Gone | Key::Char('\x03') => break,
                Key::Char('\r' | '\n') => {
                    let indent = self.indent(cursor.line);
                    self.cursor = self.buffer.insert(cursor, &[Vec::new(), indent.clone()]);
                    typed.push(indent);
                }
                Key::Char('\x08') => {
                    if cursor.column > 0 {
                        let column = before(self.line(), cursor.column);
                        self.buffer.remove(Position { column, ..cursor }, cursor);
                        self.cursor.column = column;
                    } else if cursor.line > 0 {
                        let column = self.buffer.line(cursor.line - 1).len();
                        let start = Position {
                            line: cursor.line - 1,
                            column,
                        };
                        self.buffer.remove(start, cursor);
                        self.cursor = start;
                    }
                    drop_last(&mut typed);
                }
                _ if key == control('w') => {
                    while self.cursor.column > 0 {
                        let column = before(self.line(), self.cursor.column);
                        let blank = self.line()[column] == b' ';
                        let end = self.cursor;
                        if blank
                            && column + 1 < cursor.column
                            && self.cursor.column != cursor.column
                        {
                            break;
                        }
                        self.buffer.remove(Position { column, ..end }, end);
                        self.cursor.column = column;
                        drop_last(&mut typed);
                    }
                }
                _ if key == control('v') => {
                    if let Key::Char(c) = self.key() {
                        self.insert_char(c, &mut typed);
                    }
                }
                Key::Char('\t') if self.settings.expand_tabs => {
                    let width = self.settings.tab_width;
                    for _ in 0..width - cursor.column % width {
                        self.insert_char(' ', &mut typed);
                    }
                }
                Key::Char(c) => self.insert_char(c, &mut typed),
                Key::Left => self.cursor.column = before(self.line(), cursor.column),
                Key::Right => self.cursor.column = after(self.line(), cursor.column),
                Key::Home => self.cursor.column = 0,
                Key::End => self.cursor.column = self.line().len(),
                Key::Up | Key::Down => {
                    let line = if key == Key::Up {
                        cursor.line.saturating_sub(1)
                    } else {
                        cursor.line + 1
                    };
                    let line = line.min(self.buffer.len() - 1);
                    let mut column = cursor.column.min(self.buffer.line(line).len());
                    while !super::buffer::is_start(self.buffer.line(line), column) {
                        column -= 1;
                    }
                    self.cursor = Position { line, column };
                }
                Key::Delete if cursor.column < self.line().len() => {
                    let end = Position {
                        column: after(self.line(), cursor.column),
                        ..cursor
                    };
                    self.buffer.remove(cursor, end);
                }
                _ => {}
            }
        }
        let size: usize = typed.iter().map(Vec::len).sum();
        if size.saturating_mul(times) < 1 << 26 {
            for _ in 1..times {
                self.cursor = self.buffer.insert(self.cursor, &typed);
            }
        }
        self.mode = "";
        self.cursor.column = before(self.line(), self.cursor.column);
    }

    fn insert_char(&mut self, c: char, typed: &mut [Vec<u8>]) {
        let text = c.to_string().into_bytes();
        if let Some(last) = typed.last_mut() {
            last.extend_from_slice(&text);
        }
        self.cursor = self.buffer.insert(self.cursor, &[text]);
    }

    /// `R`: typed characters take the place of those that are there.
    fn replace_text(&mut self) {
        self.mode = "R";
        let mut replaced: Vec<(Position, Vec<u8>)> = Vec::new();
        loop {
            let cursor = self.cursor;
            match self.key() {
                ESCAPE | Key::Gone | Key::Char('\x03') => break,
                Key::Char('\x08') => {
                    if let Some((place, old)) = replaced.pop() {
                        self.buffer.remove(place, cursor);
                        self.buffer.insert(place, &[old]);
                        self.cursor = place;
                    }
                }
                Key::Char('\r' | '\n') => {
                    self.cursor = self.buffer.insert(cursor, &[Vec::new(), Vec::new()]);
                    replaced.clear();
                }
                Key::Char(c) => {
                    let end = Position {
                        column: after(self.line(), cursor.column),
                        ..cursor
                    };
                    replaced.push((cursor, self.buffer.slice(cursor, end).concat()));
                    self.buffer.remove(cursor, end);
                    self.cursor = self.buffer.insert(cursor, &[c.to_string().into_bytes()]);
                }
                _ => {}
            }
        }
        self.mode = "";
        self.cursor.column = before(self.line(), self.cursor.column);
    }
}

fn more(count: Option<usize>, digit: char) -> usize {
    let digit = digit as usize - '0' as usize;
    (count.unwrap_or(0).saturating_mul(10) + digit).min(MAX_COUNT)
}

/// Takes the last character off what was typed.
fn drop_last(typed: &mut Vec<Vec<u8>>) {
    let several = typed.len() > 1;
    match typed.last_mut() {
        Some(last) if !last.is_empty() => last.truncate(before(last, last.len())),
        _ if several => {
            typed.pop();
        }
        _ => {}
    }
}

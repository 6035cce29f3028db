//! Where commands go to.

use super::Editor;
use super::buffer::{Position, after, before, last_column};
use crate::common::screen::{Key, control};
use crate::regex::{Regex, Syntax};

/// What a motion spans when an operator uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    Exclusive,
    Inclusive,
    Lines,
}

/// Where a motion leads.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    pub place: Position,
    pub span: Span,
    /// Whether the column is kept in mind for going up and down.
    pub keep_wish: bool,
}

/// Kinds of characters for words.
fn kind(line: &[u8], column: usize, big: bool) -> u8 {
    match line.get(column) {
        None | Some(b' ' | b'\t') => 0,
        Some(_) if big => 1,
        Some(byte) if byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80 => 1,
        Some(_) => 2,
    }
}

impl Editor {
    /// The line that the cursor is on.
    pub fn line(&self) -> &[u8] {
        self.buffer.line(self.cursor.line)
    }

    /// The first byte of a line that is no blank.
    pub fn first_nonblank(&self, line: usize) -> Position {
        let text = self.buffer.line(line);
        let column = text
            .iter()
            .position(|b| !matches!(b, b' ' | b'\t'))
            .unwrap_or_else(|| last_column(text));
        Position { line, column }
    }

    /// The motion of a key. None: the key is no motion, or it leads nowhere. `operator`: it is the object of one.
    pub fn motion(
        &mut self,
        key: Key,
        count: Option<usize>,
        operator: Option<char>,
    ) -> Option<Target> {
        let times = count.unwrap_or(1);
        let target = |place, span| {
            Some(Target {
                place,
                span,
                keep_wish: false,
            })
        };
        let cursor = self.cursor;
        let last = self.buffer.len() - 1;
        let to_line = |line: usize| Target {
            place: self.first_nonblank(line.min(last)),
            span: Span::Lines,
            keep_wish: false,
        };
        match key {
            Key::Char('h' | '\x08') | Key::Left => {
                let mut column = cursor.column;
                for _ in 0..times {
                    column = before(self.line(), column);
                }
                (column != cursor.column).then_some(())?;
                target(Position { column, ..cursor }, Span::Exclusive)
            }
            Key::Char('l' | ' ') | Key::Right => {
                let line = self.line();
                let end = if operator.is_some() {
                    line.len()
                } else {
                    last_column(line)
                };
                let mut column = cursor.column;
                for _ in 0..times {
                    if column < end {
                        column = after(line, column);
                    }
                }
                (column != cursor.column).then_some(())?;
                target(Position { column, ..cursor }, Span::Exclusive)
            }
            Key::Char('j' | '\n') | Key::Down => self.vertical(cursor.line + times),
            Key::Char('k') | Key::Up => self.vertical(cursor.line.checked_sub(times)?),
            _ if key == control('n') => self.vertical(cursor.line + times),
            _ if key == control('p') => self.vertical(cursor.line.checked_sub(times)?),
            Key::Char('+' | '\r') => {
                (cursor.line + times <= last).then(|| to_line(cursor.line + times))
            }
            Key::Char('-') => Some(to_line(cursor.line.checked_sub(times)?)),
            Key::Char('_') => Some(to_line(cursor.line + times - 1)),
            Key::Char('G') => Some(to_line(count.map_or(last, |line| line.saturating_sub(1)))),
            Key::Char('H') => Some(to_line(self.top + times - 1)),
            Key::Char('L') => Some(to_line((self.top + self.rows()).saturating_sub(times))),
            Key::Char('M') => Some(to_line(
                (self.top + self.rows() / 2).min((self.top + last) / 2 + 1),
            )),
            Key::Char('g') => {
                if self.key() != Key::Char('g') {
                    return None;
                }
                let line = count.map_or(0, |line| line.saturating_sub(1)).min(last);
                Some(Target {
                    place: self.first_nonblank(line),
                    span: Span::Lines,
                    keep_wish: false,
                })
            }
            Key::Char('0') | Key::Home => target(
                Position {
                    column: 0,
                    ..cursor
                },
                Span::Exclusive,
            ),
            Key::Char('^') => target(self.first_nonblank(cursor.line), Span::Exclusive),
            Key::Char('$') | Key::End => {
                let line = (cursor.line + times - 1).min(last);
                self.wish = usize::MAX;
                let column = last_column(self.buffer.line(line));
                Some(Target {
                    place: Position { line, column },
                    span: Span::Inclusive,
                    keep_wish: true,
                })
            }
            Key::Char('|') => {
                let mut column = 0;
                for _ in 1..times {
                    column = after(self.line(), column);
                }
                target(Position { column, ..cursor }, Span::Exclusive)
            }
            Key::Char(letter @ ('w' | 'W')) => {
                // cw changes to the end of the word, not the blanks behind it.
                let on_word = kind(self.line(), cursor.column, false) != 0;
                if operator == Some('c') && on_word {
                    let place = self.word_end(letter == 'W', times, true);
                    return target(place, Span::Inclusive);
                }
                let place = self.word_forward(letter == 'W', times, operator.is_some());
                target(place, Span::Exclusive)
            }
            Key::Char(letter @ ('e' | 'E')) => {
                target(self.word_end(letter == 'E', times, false), Span::Inclusive)
            }
            Key::Char(letter @ ('b' | 'B')) => {
                target(self.word_back(letter == 'B', times), Span::Exclusive)
            }
            Key::Char(letter @ ('f' | 'F' | 't' | 'T')) => {
                let Key::Char(c) = self.key() else {
                    return None;
                };
                self.line_find = Some((letter, c));
                self.find_on_line((letter, c), times, false)
            }
            Key::Char(';') => self.find_on_line(self.line_find?, times, true),
            Key::Char(',') => {
                let (letter, c) = self.line_find?;
                let turned = if letter.is_ascii_lowercase() {
                    letter.to_ascii_uppercase()
                } else {
                    letter.to_ascii_lowercase()
                };
                self.find_on_line((turned, c), times, true)
            }
            Key::Char('%') => target(self.partner()?, Span::Inclusive),
            Key::Char('}') => {
                let mut line = cursor.line;
                for _ in 0..times {
                    while line < last && self.buffer.line(line).is_empty() {
                        line += 1;
                    }
                    while line < last && !self.buffer.line(line).is_empty() {
                        line += 1;
                    }
                }
                let column = if line == last {
                    last_column(self.buffer.line(line))
                } else {
                    0
                };
                target(Position { line, column }, Span::Exclusive)
            }
            Key::Char('{') => {
                let mut line = cursor.line;
                for _ in 0..times {
                    while line > 0 && self.buffer.line(line).is_empty() {
                        line -= 1;
                    }
                    while line > 0 && !self.buffer.line(line).is_empty() {
                        line -= 1;
                    }
                }
                target(Position { line, column: 0 }, Span::Exclusive)
            }
            Key::Char(mark @ ('\'' | '`')) => {
                let Key::Char(name) = self.key() else {
                    return None;
                };
                let name = if name == '`' { '\'' } else { name };
                let Some(place) = self.marks.get(&name).copied() else {
                    self.message = "mark is not set".into();
                    return None;
                };
                self.marks.insert('\'', cursor);
                if mark == '`' {
                    return target(place, Span::Exclusive);
                }
                Some(Target {
                    place: self.first_nonblank(place.line.min(last)),
                    span: Span::Lines,
                    keep_wish: false,
                })
            }
            Key::Char(mark @ ('/' | '?')) => {
                let pattern = self.ask(mark)?;
                self.search_back = mark == '?';
                if !pattern.is_empty() && !self.set_search(pattern.as_bytes()) {
                    return None;
                }
                self.marks.insert('\'', cursor);
                target(self.find(self.search_back, times)?, Span::Exclusive)
            }
            Key::Char('n') => target(self.find(self.search_back, times)?, Span::Exclusive),
            Key::Char('N') => target(self.find(!self.search_back, times)?, Span::Exclusive),
            Key::Char('*') => {
                let line = self.line();
                let mut start = cursor.column;
                while start < line.len() && kind(line, start, false) != 1 {
                    start += 1;
                }
                while start > 0 && kind(line, start - 1, false) == 1 {
                    start -= 1;
                }
                let length = (start..line.len())
                    .take_while(|at| kind(line, *at, false) == 1)
                    .count();
                (length > 0).then_some(())?;
                let pattern = [b"\\<", &line[start..start + length], b"\\>"].concat();
                self.search_back = false;
                self.set_search(&pattern).then_some(())?;
                target(self.find(false, times)?, Span::Exclusive)
            }
            _ => None,
        }
    }

    fn vertical(&mut self, line: usize) -> Option<Target> {
        (line < self.buffer.len()).then_some(())?;
        let text = self.buffer.line(line);
        let mut column = self.wish.min(last_column(text));
        while column > 0 && !super::buffer::is_start(text, column) {
            column -= 1;
        }
        Some(Target {
            place: Position { line, column },
            span: Span::Lines,
            keep_wish: true,
        })
    }

    fn word_forward(&self, big: bool, times: usize, operator: bool) -> Position {
        let mut at = self.cursor;
        for round in 0..times {
            let line = self.buffer.line(at.line);
            let first = kind(line, at.column, big);
            while at.column < line.len() && first != 0 && kind(line, at.column, big) == first {
                at.column = after(line, at.column);
            }
            loop {
                let line = self.buffer.line(at.line);
                while at.column < line.len() && kind(line, at.column, big) == 0 {
                    at.column = after(line, at.column);
                }
                if at.column < line.len() || at.line + 1 >= self.buffer.len() {
                    break;
                }
                // The last word of an operator does not reach into the next line.
                if operator && round + 1 == times {
                    break;
                }
                at = Position {
                    line: at.line + 1,
                    column: 0,
                };
                if self.buffer.line(at.line).is_empty() {
                    break;
                }
            }
        }
        let line = self.buffer.line(at.line);
        if !operator && at.column >= line.len() {
            at.column = last_column(line);
        }
        at
    }

    /// `here`: the word under the cursor counts even at its last character.
    fn word_end(&self, big: bool, times: usize, here: bool) -> Position {
        let mut at = self.cursor;
        for round in 0..times {
            let mut line = self.buffer.line(at.line);
            if !(here && round == 0) {
                at.column = after(line, at.column);
            }
            while at.column >= line.len() || kind(line, at.column, big) == 0 {
                if at.column < line.len() {
                    at.column = after(line, at.column);
                } else if at.line + 1 < self.buffer.len() {
                    at = Position {
                        line: at.line + 1,
                        column: 0,
                    };
                    line = self.buffer.line(at.line);
                } else {
                    at.column = last_column(line);
                    return at;
                }
            }
            let first = kind(line, at.column, big);
            loop {
                let next = after(line, at.column);
                if next >= line.len() || kind(line, next, big) != first {
                    break;
                }
                at.column = next;
            }
        }
        at
    }

    fn word_back(&self, big: bool, times: usize) -> Position {
        let mut at = self.cursor;
        for _ in 0..times {
            loop {
                let line = self.buffer.line(at.line);
                while at.column > 0 && kind(line, before(line, at.column), big) == 0 {
                    at.column = before(line, at.column);
                }
                if at.column > 0 || at.line == 0 {
                    break;
                }
                at.line -= 1;
                at.column = self.buffer.line(at.line).len();
                if at.column == 0 {
                    break;
                }
            }
            let line = self.buffer.line(at.line);
            if at.column > 0 {
                let first = kind(line, before(line, at.column), big);
                while at.column > 0 && kind(line, before(line, at.column), big) == first {
                    at.column = before(line, at.column);
                }
            }
        }
        at
    }

    fn find_on_line(
        &self,
        (letter, c): super::LineFind,
        times: usize,
        again: bool,
    ) -> Option<Target> {
        let line = self.line();
        let text = c.to_string().into_bytes();
        let forward = letter.is_ascii_lowercase();
        let till = letter.eq_ignore_ascii_case(&'t');
        let mut column = self.cursor.column;
        if again && till {
            // Not the one that the cursor already stands before.
            column = if forward {
                after(line, column)
            } else {
                before(line, column)
            };
        }
        for _ in 0..times {
            column = if forward {
                let from = after(line, column);
                from + memchr::memmem::find(line.get(from..)?, &text)?
            } else {
                memchr::memmem::rfind(&line[..column], &text)?
            };
        }
        if till {
            column = if forward {
                before(line, column)
            } else {
                after(line, column)
            };
        }
        let span = if forward {
            Span::Inclusive
        } else {
            Span::Exclusive
        };
        Some(Target {
            place: Position {
                column,
                ..self.cursor
            },
            span,
            keep_wish: false,
        })
    }

    /// The bracket that belongs to the one at the cursor or behind it.
    fn partner(&self) -> Option<Position> {
        const PAIRS: [(u8, u8); 3] = [(b'(', b')'), (b'[', b']'), (b'{', b'}')];
        let line = self.line();
        let start = (self.cursor.column..line.len()).find(|at| {
            PAIRS
                .iter()
                .any(|(open, close)| line[*at] == *open || line[*at] == *close)
        })?;
        let here = line[start];
        let (open, close) = *PAIRS
            .iter()
            .find(|(open, close)| here == *open || here == *close)?;
        let mut depth = 0usize;
        if here == open {
            for index in self.cursor.line..self.buffer.len() {
                let text = self.buffer.line(index);
                let from = if index == self.cursor.line { start } else { 0 };
                for (column, byte) in text.iter().enumerate().skip(from) {
                    if *byte == open {
                        depth += 1;
                    } else if *byte == close {
                        depth = depth.saturating_sub(1);
                        if depth == 0 {
                            return Some(Position {
                                line: index,
                                column,
                            });
                        }
                    }
                }
            }
            return None;
        }
        for index in (0..=self.cursor.line).rev() {
            let text = self.buffer.line(index);
            let to = if index == self.cursor.line {
                start + 1
            } else {
                text.len()
            };
            for column in (0..to).rev() {
                if text[column] == close {
                    depth += 1;
                } else if text[column] == open {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return Some(Position {
                            line: index,
                            column,
                        });
                    }
                }
            }
        }
        None
    }

    /// Makes the pattern the one that is searched for. False: it is wrong, and the message says why.
    pub fn set_search(&mut self, pattern: &[u8]) -> bool {
        let syntax = Syntax {
            ignore_case: self.settings.ignore_case,
            ..Syntax::default()
        };
        match Regex::new(pattern, syntax) {
            Ok(regex) => {
                self.search = Some(regex);
                true
            }
            Err(error) => {
                self.message = error.to_string();
                false
            }
        }
    }

    /// The next match, going round at the ends.
    fn find(&mut self, back: bool, times: usize) -> Option<Position> {
        let mut at = self.cursor;
        for _ in 0..times {
            match self.find_from(at, back) {
                Some(place) => at = place,
                None => {
                    if self.message.is_empty() {
                        self.message = "pattern not found".into();
                    }
                    return None;
                }
            }
        }
        Some(at)
    }

    fn find_from(&mut self, at: Position, back: bool) -> Option<Position> {
        let Some(regex) = &self.search else {
            self.message = "no previous search".into();
            return None;
        };
        let count = self.buffer.len();
        for step in 0..=count {
            let index = if back {
                (at.line + 2 * count - step) % count
            } else {
                (at.line + step) % count
            };
            let text = self.buffer.line(index);
            let mut found = None;
            let mut from = 0;
            while let Some((start, end)) = regex.find_at(text, from) {
                // On the cursor's line only what is on the right side, until the way round comes back to it.
                let beyond = if back {
                    start >= at.column
                } else {
                    start <= at.column
                };
                let counts = match step {
                    0 => !beyond,
                    _ => step < count || beyond,
                };
                if counts && start <= last_column(text) {
                    found = Some(Position {
                        line: index,
                        column: start,
                    });
                    if !back {
                        break;
                    }
                }
                from = end.max(after(text, start));
                if from >= text.len() {
                    break;
                }
            }
            if found.is_some() {
                return found;
            }
        }
        None
    }
}

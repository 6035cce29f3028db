//! vi mode (POSIX.1-2024, sh, "Command Line Editing (vi-mode)").

use super::Outcome;
use super::emacs::last_word_of;
use super::keys::Key;
use super::line::{Change, Words};
use super::reading::{Reading, Step};

/// What lasts from line to line.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// `f F t T` and the character.
    find: Option<(u8, [u8; 4], usize)>,
    /// What `/` or `?` looked for, and whether backwards.
    pattern: (Vec<u8>, bool),
    /// The keys of the last change, for `.`
    change: Vec<Key>,
}

/// Where a motion leads.
struct Motion {
    to: usize,
    /// The character there belongs to it.
    with: bool,
}

fn to(at: usize) -> Option<Motion> {
    Some(Motion {
        to: at,
        with: false,
    })
}

impl Reading<'_> {
    pub(crate) fn vi(&mut self, key: Key) -> Step {
        if !self.commands {
            return self.vi_insert(key);
        }
        self.record = vec![key];
        match key {
            Key::Text([digit @ b'1'..=b'9', ..], 1) => {
                let (count, next) = self.vi_count(digit);
                self.record = count
                    .to_string()
                    .bytes()
                    .map(|digit| Key::Text([digit, 0, 0, 0], 1))
                    .chain([next])
                    .collect();
                self.vi_command(next, Some(count))
            }
            key => self.vi_command(key, None),
        }
    }

    /// The rest of a number, and the key behind it.
    fn vi_count(&mut self, first: u8) -> (usize, Key) {
        let mut count = usize::from(first - b'0');
        loop {
            match self.next_key(true) {
                Key::Text([digit @ b'0'..=b'9', ..], 1) => {
                    count = (count * 10 + usize::from(digit - b'0')).min(1000);
                }
                key => return (count, key),
            }
        }
    }

    fn vi_insert(&mut self, key: Key) -> Step {
        match key {
            Key::Escape => {
                self.commands = true;
                self.line.end_group();
                let cursor = self.line.cursor();
                if cursor > self.line.line_start(cursor) {
                    self.line.move_to(self.line.previous(cursor));
                }
                Step::On
            }
            // An escape and a key that came with it.
            Key::Meta(byte) => {
                self.vi_insert(Key::Escape);
                self.vi(Key::Text([byte, 0, 0, 0], 1))
            }
            key => self.emacs(key),
        }
    }

    /// Inserts what is typed up to Escape, as a part of the command.
    fn vi_type(&mut self, replace: bool) -> Step {
        self.commands = false;
        self.line.end_group();
        loop {
            let key = self.next_key(true);
            self.now = super::reading::Before::Other;
            let step = match key {
                Key::Gone => return Step::Done(Outcome::Gone),
                Key::Idle => return Step::Done(Outcome::Idle),
                Key::Text(bytes, length) if replace => {
                    let cursor = self.line.cursor();
                    let text = bytes.get(..length).unwrap_or_default().to_vec();
                    let end = self.line.next(cursor);
                    self.line.replace(cursor, end, &text, Change::Insert);
                    Step::On
                }
                key => self.vi_insert(key),
            };
            self.before = self.now;
            if let Step::Done(_) = step {
                self.vi_keep();
                return step;
            }
            if self.commands {
                self.vi_keep();
                return Step::On;
            }
        }
    }

    /// The keys up to here are what `.` repeats.
    fn vi_keep(&mut self) {
        if self.record.len() < 4096 {
            self.editor.vi.change = std::mem::take(&mut self.record);
        }
    }

    /// In command mode the cursor stands on a character, not behind the last one.
    fn vi_clamp(&mut self) {
        let cursor = self.line.cursor();
        let start = self.line.line_start(cursor);
        if self.commands && cursor == self.line.line_end(cursor) && cursor > start {
            self.line.move_to(self.line.previous(cursor));
        }
    }

    fn vi_command(&mut self, key: Key, count: Option<usize>) -> Step {
        let step = self.vi_do(key, count);
        self.vi_clamp();
        step
    }

    #[expect(clippy::too_many_lines, reason = "one arm a command")]
    fn vi_do(&mut self, key: Key, count: Option<usize>) -> Step {
        let times = count.unwrap_or(1);
        let cursor = self.line.cursor();
        let letter = match key {
            Key::Text([letter, ..], 1) => letter,
            Key::Control(8 | 127) => b'h',
            Key::Control(letter @ (3 | 10 | 12 | 13 | 18 | 19)) => {
                return self.control(letter | 0x40, 1);
            }
            Key::Control(4) if self.line.len() == 0 => return Step::Done(Outcome::End),
            Key::Control(14) => b'j',
            Key::Control(16) => b'k',
            Key::Control(9) => return self.tab(),
            Key::Escape => return Step::On,
            Key::Meta(byte) => return self.vi_do(Key::Text([byte, 0, 0, 0], 1), count),
            Key::Text(..) | Key::Control(_) => {
                self.bell();
                return Step::On;
            }
            other => return self.emacs(other),
        };
        match letter {
            // An arrow's sequence whose escape was taken for the key, on a line that is too slow.
            b'[' => {
                let key = self.editor.input.sequence(self.terminal);
                return self.emacs(key);
            }
            b'i' => return self.vi_type(false),
            b'I' => {
                self.line.move_to(self.line.line_start(cursor));
                return self.vi_type(false);
            }
            b'a' => {
                if cursor < self.line.line_end(cursor) {
                    self.line.move_to(self.line.next(cursor));
                }
                return self.vi_type(false);
            }
            b'A' => {
                self.line.move_to(self.line.line_end(cursor));
                return self.vi_type(false);
            }
            b'R' => return self.vi_type(true),
            b's' => {
                let end = (0..times).fold(cursor, |at, _| self.line.next(at));
                self.kill(cursor, end);
                return self.vi_type(false);
            }
            b'S' => {
                self.kill(0, self.line.len());
                return self.vi_type(false);
            }
            b'C' => {
                self.kill(cursor, self.line.line_end(cursor));
                return self.vi_type(false);
            }
            b'D' => {
                self.kill(cursor, self.line.line_end(cursor));
                self.vi_keep();
            }
            b'Y' => {
                let text = self.line.after(cursor).to_vec();
                self.editor.kill(text);
            }
            b'x' => {
                let end = (0..times).fold(cursor, |at, _| self.line.next(at));
                self.kill(cursor, end);
                self.vi_keep();
            }
            b'X' => {
                let from = (0..times).fold(cursor, |at, _| self.line.previous(at));
                self.kill(from, cursor);
                self.vi_keep();
            }
            b'r' => match self.next_key(true) {
                Key::Text(bytes, length) if self.line.len() > 0 => {
                    let end = (0..times).fold(cursor, |at, _| self.line.next(at));
                    let one = bytes.get(..length).unwrap_or_default();
                    self.line
                        .replace(cursor, end, &one.repeat(times), Change::Other);
                    self.line.move_to(self.line.previous(self.line.cursor()));
                    self.vi_keep();
                }
                Key::Gone => return Step::Done(Outcome::Gone),
                _ => self.bell(),
            },
            b'~' => {
                for _ in 0..times {
                    let at = self.line.cursor();
                    let one = self.line.at(at).to_vec();
                    let Some(c) = super::width::decode(&one) else {
                        break;
                    };
                    let text: String = if c.is_lowercase() {
                        c.to_uppercase().collect()
                    } else {
                        c.to_lowercase().collect()
                    };
                    self.line
                        .replace(at, at + c.len_utf8(), text.as_bytes(), Change::Other);
                }
                self.vi_keep();
            }
            b'p' | b'P' => {
                let Some(text) = self.editor.ring.last().cloned() else {
                    self.bell();
                    return Step::On;
                };
                let at = if letter == b'p' {
                    self.line.next(cursor)
                } else {
                    cursor
                };
                self.line
                    .replace(at, at, &text.repeat(times), Change::Other);
                self.line.move_to(self.line.previous(self.line.cursor()));
                self.vi_keep();
            }
            b'd' | b'c' | b'y' => return self.vi_operator(letter, times),
            b'u' => {
                if !self.line.undo() {
                    self.bell();
                }
            }
            b'U' => {
                if !self.line.revert() {
                    self.bell();
                }
            }
            b'.' => {
                let change = self.editor.vi.change.clone();
                // One that repeats itself would never end.
                if change.is_empty() || !self.replay.is_empty() {
                    self.bell();
                } else {
                    self.replay.extend(change);
                }
            }
            b'k' | b'-' => {
                for _ in 0..times {
                    self.up_or_down(true);
                }
                self.line.move_to(self.line.line_start(self.line.cursor()));
            }
            b'j' | b'+' => {
                for _ in 0..times {
                    self.up_or_down(false);
                }
                self.line.move_to(self.line.line_start(self.line.cursor()));
            }
            b'G' => {
                let place = match count {
                    Some(number) => self.host.history().place(number),
                    None => Some(0),
                };
                match place {
                    Some(place) => self.visit(place),
                    None => self.bell(),
                }
                self.line.move_to(0);
            }
            b'/' | b'?' => return self.vi_search(letter == b'/'),
            b'n' => self.vi_seek(false),
            b'N' => self.vi_seek(true),
            b'#' => {
                self.line.move_to(0);
                self.line.insert(b"#");
                return Step::Done(Outcome::Line(self.line.text().to_vec()));
            }
            b'v' => return Step::Done(Outcome::Edit(self.line.text().to_vec())),
            b'=' => return self.list_candidates(),
            b'*' | b'\\' => {
                // The word's end is where completion looks.
                self.line.move_to(self.line.next(cursor));
                self.commands = false;
                return if letter == b'*' {
                    self.insert_candidates()
                } else {
                    self.tab()
                };
            }
            b'_' => {
                let end = self.host.history().len();
                let entry = end
                    .checked_sub(1)
                    .and_then(|at| self.host.history().get(at).map(<[u8]>::to_vec))
                    .unwrap_or_default();
                let word = match count {
                    Some(count) => entry
                        .split(u8::is_ascii_whitespace)
                        .filter(|word| !word.is_empty())
                        .nth(count - 1)
                        .map(<[u8]>::to_vec),
                    None => Some(last_word_of(&entry)).filter(|word| !word.is_empty()),
                };
                let Some(word) = word else {
                    self.bell();
                    return Step::On;
                };
                let at = self.line.next(cursor);
                self.line
                    .replace(at, at, &[b" ", word.as_slice()].concat(), Change::Other);
                return self.vi_type(false);
            }
            b'@' => {
                if let Key::Text(bytes, 1) = self.next_key(true)
                    && let [name, ..] = bytes
                    && let Some(text) = self.host.alias(&[b'_', name])
                    && self.replay.is_empty()
                {
                    for byte in text.into_iter().take(4096) {
                        self.replay.push_back(match byte {
                            27 => Key::Escape,
                            0..=31 | 127 => Key::Control(byte),
                            byte => Key::Text([byte, 0, 0, 0], 1),
                        });
                    }
                } else {
                    self.bell();
                }
            }
            letter => match self.vi_motion(letter, times, count.is_some()) {
                Some(motion) => self.line.move_to(motion.to),
                None => self.bell(),
            },
        }
        Step::On
    }

    fn vi_operator(&mut self, operator: u8, times: usize) -> Step {
        let (mut times, mut key) = (times, self.next_key(true));
        if let Key::Text([digit @ b'1'..=b'9', ..], 1) = key {
            let (count, next) = self.vi_count(digit);
            times = (times * count).min(1000);
            key = next;
        }
        let cursor = self.line.cursor();
        let letter = match key {
            Key::Text([letter, ..], 1) => letter,
            Key::Control(8 | 127) | Key::Left => b'h',
            Key::Right => b'l',
            Key::Home => b'0',
            Key::End => b'$',
            Key::Gone => return Step::Done(Outcome::Gone),
            _ => {
                self.bell();
                return Step::On;
            }
        };
        let (from, end) = if letter == operator {
            (0, self.line.len())
        } else {
            // Changing a word leaves the blanks behind it alone.
            let letter = match (operator, letter) {
                (b'c', b'w') if !self.line.at(cursor).trim_ascii().is_empty() => b'e',
                (b'c', b'W') if !self.line.at(cursor).trim_ascii().is_empty() => b'E',
                (_, letter) => letter,
            };
            match self.vi_motion(letter, times, true) {
                Some(motion) if motion.to < cursor => (motion.to, cursor),
                Some(motion) if motion.with => (cursor, self.line.next(motion.to)),
                Some(motion) => (cursor, motion.to),
                None => {
                    self.bell();
                    return Step::On;
                }
            }
        };
        if operator == b'y' {
            let text = self.line.part(from, end).to_vec();
            self.editor.kill(text);
            self.line.move_to(from);
            return Step::On;
        }
        self.before = super::reading::Before::Other;
        self.kill(from, end);
        if operator == b'c' {
            return self.vi_type(false);
        }
        self.vi_keep();
        Step::On
    }

    fn vi_motion(&mut self, letter: u8, times: usize, counted: bool) -> Option<Motion> {
        let cursor = self.line.cursor();
        let (start, end) = (self.line.line_start(cursor), self.line.line_end(cursor));
        let repeat = |step: &dyn Fn(usize) -> usize| (0..times).fold(cursor, |at, _| step(at));
        let line = &self.line;
        match letter {
            b'h' => to(repeat(&|at| line.previous(at)).max(start)).filter(|m| m.to != cursor),
            b'l' | b' ' => to(repeat(&|at| line.next(at)).min(end)).filter(|m| m.to != cursor),
            b'0' => to(start),
            b'^' => {
                let mut at = start;
                while at < end && line.at(at).trim_ascii().is_empty() {
                    at = line.next(at);
                }
                to(at)
            }
            b'$' => to(end),
            b'|' => {
                let column = if counted { times } else { 1 };
                to((1..column).fold(start, |at, _| line.next(at)).min(end))
            }
            b'w' | b'W' => to(repeat(&|at| self.vi_word(at, letter == b'W'))),
            b'b' => to(repeat(&|at| self.vi_back(at, false))),
            b'B' => to(repeat(&|at| line.word_start(at, Words::Big))),
            b'e' | b'E' => Some(Motion {
                to: repeat(&|at| self.vi_end(at, letter == b'E')),
                with: true,
            }),
            b'f' | b'F' | b't' | b'T' => {
                let Key::Text(bytes, length) = self.next_key(true) else {
                    return None;
                };
                self.editor.vi.find = Some((letter, bytes, length));
                self.vi_find(letter, bytes, length, times)
            }
            b';' | b',' => {
                let (kind, bytes, length) = self.editor.vi.find?;
                let kind = if letter == b',' { kind ^ 0x20 } else { kind };
                self.vi_find(kind, bytes, length, times)
            }
            _ => None,
        }
    }

    /// 0: white, 1: letters, 2: the others
    fn vi_class(&self, at: usize, big: bool) -> u8 {
        match self.line.at(at) {
            [byte] if byte.is_ascii_whitespace() => 0,
            [byte] if !big && byte.is_ascii() && !byte.is_ascii_alphanumeric() && *byte != b'_' => {
                2
            }
            _ => 1,
        }
    }

    fn vi_word(&self, mut at: usize, big: bool) -> usize {
        let (class, end) = (self.vi_class(at, big), self.line.len());
        while at < end && class != 0 && self.vi_class(at, big) == class {
            at = self.line.next(at);
        }
        while at < end && self.vi_class(at, big) == 0 {
            at = self.line.next(at);
        }
        at
    }

    fn vi_back(&self, mut at: usize, big: bool) -> usize {
        let before = |at: usize| self.vi_class(self.line.previous(at), big);
        while at > 0 && before(at) == 0 {
            at = self.line.previous(at);
        }
        let class = if at > 0 { before(at) } else { 0 };
        while at > 0 && before(at) == class {
            at = self.line.previous(at);
        }
        at
    }

    fn vi_end(&self, at: usize, big: bool) -> usize {
        let end = self.line.len();
        let mut at = self.line.next(at);
        while at < end && self.vi_class(at, big) == 0 {
            at = self.line.next(at);
        }
        let class = self.vi_class(at, big);
        while self.line.next(at) < end && self.vi_class(self.line.next(at), big) == class {
            at = self.line.next(at);
        }
        at.min(self.line.previous(end))
    }

    fn vi_find(&mut self, kind: u8, bytes: [u8; 4], length: usize, times: usize) -> Option<Motion> {
        let wanted = bytes.get(..length)?;
        let cursor = self.line.cursor();
        let forward = kind.is_ascii_lowercase();
        let mut at = cursor;
        for _ in 0..times {
            loop {
                at = if forward {
                    Some(self.line.next(at)).filter(|at| *at < self.line.len())?
                } else {
                    Some(at).filter(|at| *at > 0)?;
                    self.line.previous(at)
                };
                if self.line.at(at).starts_with(wanted) {
                    break;
                }
            }
        }
        match kind {
            b't' => at = self.line.previous(at),
            b'T' => at = self.line.next(at),
            _ => {}
        }
        Some(Motion {
            to: at,
            with: forward,
        })
    }

    /// `/` looks into the past, `?` the other way.
    fn vi_search(&mut self, back: bool) -> Step {
        let mut word = Vec::new();
        loop {
            self.question = Some([if back { b"/" } else { b"?" }, word.as_slice()].concat());
            self.screen.spoil();
            match self.next_key(true) {
                Key::Text(bytes, length) => {
                    word.extend_from_slice(bytes.get(..length).unwrap_or_default());
                }
                Key::Control(8 | 127) if !word.is_empty() => {
                    let last = super::width::step_back(&word);
                    word.truncate(word.len().saturating_sub(last));
                }
                Key::Control(10 | 13) => {
                    if !word.is_empty() {
                        self.editor.vi.pattern = (word, back);
                    } else {
                        self.editor.vi.pattern.1 = back;
                    }
                    self.question = None;
                    self.screen.spoil();
                    self.vi_seek(false);
                    return Step::On;
                }
                Key::Control(3) => return Step::Done(Outcome::Interrupted),
                Key::Gone => return Step::Done(Outcome::Gone),
                _ => break,
            }
        }
        self.question = None;
        self.screen.spoil();
        Step::On
    }

    fn vi_seek(&mut self, other_way: bool) {
        let (word, back) = self.editor.vi.pattern.clone();
        let anchored = word.strip_prefix(b"^").map(<[u8]>::to_vec);
        let found =
            self.host.history().find(
                self.place,
                back != other_way,
                &mut |entry| match &anchored {
                    Some(word) => entry.starts_with(word),
                    None => entry
                        .windows(word.len().max(1))
                        .any(|part| part == word.as_slice()),
                },
            );
        match found.filter(|_| !word.is_empty()) {
            Some(place) => {
                self.visit(place);
                self.line.move_to(0);
            }
            None => self.bell(),
        }
    }
}

//! The keys of emacs mode; those of them that make sense there are vi's in its insert mode, too.

use super::Outcome;
use super::keys::Key;
use super::line::{Change, Words};
use super::reading::{Before, Reading, Step};

impl Reading<'_> {
    pub(crate) fn emacs(&mut self, key: Key) -> Step {
        let before = self.count.take();
        if let Key::Meta(digit @ b'0'..=b'9') = key {
            let number = before.unwrap_or(0) * 10 + usize::from(digit - b'0');
            self.count = Some(number.min(1000));
            self.now = self.before;
            return Step::On;
        }
        let count = before.unwrap_or(1).clamp(1, 1000);
        let cursor = self.line.cursor();
        match key {
            Key::Text(bytes, length) => {
                let text = bytes.get(..length).unwrap_or_default().repeat(count);
                self.line.insert(&text);
            }
            Key::Control(letter) => return self.control(letter | 0x40, count),
            Key::Meta(letter) => return self.meta(letter, count),
            Key::Left => self.steps(count, false),
            Key::Right => self.steps(count, true),
            Key::Up => self.up_or_down(true),
            Key::Down => self.up_or_down(false),
            Key::Home => self.line.move_to(self.line.line_start(cursor)),
            Key::End => self.line.move_to(self.line.line_end(cursor)),
            Key::Delete => self.delete(count),
            Key::WordLeft => self
                .line
                .move_to(self.line.word_start(cursor, Words::Letters)),
            Key::WordRight => self
                .line
                .move_to(self.line.word_end(cursor, Words::Letters)),
            Key::DeleteWord => self.kill(cursor, self.line.word_end(cursor, Words::Letters)),
            Key::PageUp => self.by_prefix(true),
            Key::PageDown => self.by_prefix(false),
            Key::PasteStart => self.paste(),
            _ => {}
        }
        Step::On
    }

    fn steps(&mut self, count: usize, forward: bool) {
        let mut at = self.line.cursor();
        for _ in 0..count {
            at = if forward {
                self.line.next(at)
            } else {
                self.line.previous(at)
            };
        }
        self.line.move_to(at);
    }

    fn delete(&mut self, count: usize) {
        let cursor = self.line.cursor();
        let mut to = cursor;
        for _ in 0..count {
            to = self.line.next(to);
        }
        if to == cursor {
            self.bell();
        }
        self.line.cut(cursor, to);
    }

    /// Takes a part out and keeps it to be yanked; what is killed in a row is kept together.
    pub(crate) fn kill(&mut self, from: usize, to: usize) {
        let before = from < self.line.cursor();
        let text = self.line.cut(from, to);
        if self.before == Before::Kill
            && let Some(last) = self.editor.ring.last_mut()
        {
            if before {
                last.splice(0..0, text);
            } else {
                last.extend(text);
            }
        } else {
            self.editor.kill(text);
        }
        self.now = Before::Kill;
    }

    /// `letter`: the one that is held with Ctrl.
    pub(crate) fn control(&mut self, letter: u8, count: usize) -> Step {
        let cursor = self.line.cursor();
        match letter {
            b'A' => self.line.move_to(self.line.line_start(cursor)),
            b'B' => self.steps(count, false),
            b'C' => return Step::Done(Outcome::Interrupted),
            b'D' if self.line.len() == 0 => return Step::Done(Outcome::End),
            b'D' => self.delete(count),
            b'E' => self.line.move_to(self.line.line_end(cursor)),
            b'F' => self.steps(count, true),
            b'G' => self.bell(),
            b'H' | 0x7f => {
                let mut from = cursor;
                for _ in 0..count {
                    from = self.line.previous(from);
                }
                self.line.cut(from, cursor);
            }
            b'I' => return self.tab(),
            b'J' | b'M' => return self.accept(),
            b'K' => {
                let end = self.line.line_end(cursor);
                // At a line's end, it is the end that goes.
                let end = if end == cursor {
                    self.line.next(cursor)
                } else {
                    end
                };
                self.kill(cursor, end);
            }
            b'L' => self.clear_screen(),
            b'N' => self.up_or_down(false),
            b'P' => self.up_or_down(true),
            b'Q' | b'V' => self.literal(),
            b'R' => return self.search(true),
            b'S' => return self.search(false),
            b'T' => self.transpose(),
            b'U' => self.kill(self.line.line_start(cursor), cursor),
            b'W' => self.kill(self.line.word_start(cursor, Words::Big), cursor),
            b'X' => return self.extended(),
            b'Y' => self.yank(),
            b'_' => self.undo(),
            _ => {}
        }
        Step::On
    }

    fn undo(&mut self) {
        if !self.line.undo() {
            self.bell();
        }
    }

    fn extended(&mut self) -> Step {
        match self.next_key(false) {
            Key::Control(21) => self.undo(),
            Key::Control(5) => return Step::Done(Outcome::Edit(self.line.text().to_vec())),
            Key::Control(7) => {}
            Key::Gone => return Step::Done(Outcome::Gone),
            _ => self.bell(),
        }
        Step::On
    }

    fn meta(&mut self, letter: u8, count: usize) -> Step {
        let cursor = self.line.cursor();
        match letter {
            b'b' => {
                let at = (0..count).fold(cursor, |at, _| self.line.word_start(at, Words::Letters));
                self.line.move_to(at);
            }
            b'f' => {
                let at = (0..count).fold(cursor, |at, _| self.line.word_end(at, Words::Letters));
                self.line.move_to(at);
            }
            b'd' => {
                let to = (0..count).fold(cursor, |at, _| self.line.word_end(at, Words::Letters));
                self.kill(cursor, to);
            }
            8 | 127 => {
                let from =
                    (0..count).fold(cursor, |at, _| self.line.word_start(at, Words::Letters));
                self.kill(from, cursor);
            }
            b'u' | b'l' | b'c' => self.change_case(letter),
            b't' => self.transpose_words(),
            b'y' => self.yank_older(),
            b'.' | b'_' => self.last_word(),
            b'p' => self.by_prefix(true),
            b'n' => self.by_prefix(false),
            b'<' => self.visit(0),
            b'>' => {
                let end = self.host.history().len();
                self.visit(end);
            }
            b'\\' => {
                let blank = |step: &[u8]| matches!(step, b" " | b"\t");
                let (mut from, mut to) = (cursor, cursor);
                while from > 0 && blank(self.line.part(self.line.previous(from), from)) {
                    from = self.line.previous(from);
                }
                while blank(self.line.at(to)) {
                    to = self.line.next(to);
                }
                self.line.cut(from, to);
            }
            b'r' => {
                if !self.line.revert() {
                    self.bell();
                }
            }
            b'#' => {
                self.line.move_to(0);
                self.line.insert(b"#");
                return Step::Done(Outcome::Line(self.line.text().to_vec()));
            }
            b'=' | b'?' => return self.list_candidates(),
            b'*' => return self.insert_candidates(),
            b'\r' | b'\n' => self.line.replace(cursor, cursor, b"\n", Change::Other),
            _ => self.bell(),
        }
        Step::On
    }

    /// The next key goes in as it is.
    pub(crate) fn literal(&mut self) {
        // Not by keys: the bytes of a sequence are wanted, the first of them.
        self.draw();
        loop {
            match self.editor.input.byte(self.terminal, -1) {
                super::Read::Byte(0) => self.bell(),
                super::Read::Byte(byte) => {
                    self.line.end_group();
                    self.line.insert(&[byte]);
                    // The other bytes of a character come by themselves.
                }
                super::Read::Signal => continue,
                super::Read::Timeout | super::Read::End => {}
            }
            return;
        }
    }

    fn transpose(&mut self) {
        let mut at = self.line.cursor();
        if at == self.line.len() {
            at = self.line.previous(at);
        }
        let (before, after) = (self.line.previous(at), self.line.next(at));
        if before == at || after == at {
            return self.bell();
        }
        let text = [self.line.part(at, after), self.line.part(before, at)].concat();
        self.line.replace(before, after, &text, Change::Other);
    }

    fn transpose_words(&mut self) {
        let end = self.line.word_end(self.line.cursor(), Words::Letters);
        let second = self.line.word_start(end, Words::Letters);
        let first = self.line.word_start(second, Words::Letters);
        let first_end = self.line.word_end(first, Words::Letters);
        if first >= second || first_end > second {
            return self.bell();
        }
        let text = [
            self.line.part(second, end),
            self.line.part(first_end, second),
            self.line.part(first, first_end),
        ]
        .concat();
        self.line.replace(first, end, &text, Change::Other);
    }

    fn change_case(&mut self, how: u8) {
        let cursor = self.line.cursor();
        let end = self.line.word_end(cursor, Words::Letters);
        let mut out = Vec::new();
        let (mut at, mut begun) = (cursor, false);
        while at < end {
            let one = self.line.at(at);
            at += one.len();
            let Ok(text) = std::str::from_utf8(one) else {
                out.extend_from_slice(one);
                continue;
            };
            let upper = how == b'u' || (how == b'c' && !begun);
            begun |= text.chars().any(char::is_alphanumeric);
            let text = if upper {
                text.to_uppercase()
            } else {
                text.to_lowercase()
            };
            out.extend_from_slice(text.as_bytes());
        }
        self.line.replace(cursor, end, &out, Change::Other);
    }

    fn yank(&mut self) {
        let Some(text) = self.editor.ring.last().cloned() else {
            return self.bell();
        };
        let from = self.line.cursor();
        self.line.replace(from, from, &text, Change::Other);
        self.now = Before::Yank(from, 0);
    }

    /// In the place of what was yanked: what was killed before it.
    fn yank_older(&mut self) {
        let Before::Yank(from, back) = self.before else {
            return self.bell();
        };
        let count = self.editor.ring.len();
        let back = (back + 1) % count.max(1);
        let text = count
            .checked_sub(back + 1)
            .and_then(|at| self.editor.ring.get(at))
            .cloned()
            .unwrap_or_default();
        self.line
            .replace(from, self.line.cursor(), &text, Change::Other);
        self.now = Before::Yank(from, back);
    }

    /// The last word of the command before; again: of the one before that.
    fn last_word(&mut self) {
        let (from, place) = match self.before {
            Before::LastWord(from, place) => (from, place),
            _ => (self.line.cursor(), self.host.history().len()),
        };
        let Some(place) = place.checked_sub(1) else {
            self.now = self.before;
            return self.bell();
        };
        let entry = self.host.history().get(place).unwrap_or_default().to_vec();
        let word = last_word_of(&entry);
        self.line
            .replace(from, self.line.cursor(), &word, Change::Other);
        self.now = Before::LastWord(from, place);
    }

    /// Within a command of several lines first, then through the history.
    pub(crate) fn up_or_down(&mut self, up: bool) {
        if let Some(at) = self.line.vertical(up) {
            self.line.move_to(at);
        } else if !self.walk(up) {
            self.bell();
        }
    }

    /// The nearest command that begins with what stands before the cursor.
    pub(crate) fn by_prefix(&mut self, back: bool) {
        let length = match self.before {
            Before::Prefix(length) => length,
            _ => self.line.cursor(),
        };
        let prefix = self.line.part(0, length).to_vec();
        let current = self.line.text().to_vec();
        let found = self.host.history().find(self.place, back, &mut |entry| {
            entry.starts_with(&prefix) && entry != current
        });
        let end = self.host.history().len();
        match found {
            Some(place) => self.visit(place),
            None if !back && self.place < end => self.visit(end),
            None => self.bell(),
        }
        self.line.move_to(length);
        if length == 0 {
            let end = self.line.len();
            self.line.move_to(end);
        }
        self.now = Before::Prefix(length);
    }
}

/// The last word, quotes and all.
pub(crate) fn last_word_of(entry: &[u8]) -> Vec<u8> {
    let mut start = 0;
    let (mut quote, mut escaped, mut inside) = (0, false, false);
    for (at, byte) in entry.iter().enumerate() {
        let blank = byte.is_ascii_whitespace() && quote == 0 && !escaped;
        if blank {
            inside = false;
        } else if !inside {
            inside = true;
            start = at;
        }
        match *byte {
            b'\\' if quote != b'\'' => {
                escaped = !escaped;
                continue;
            }
            quoting @ (b'\'' | b'"') if !escaped => {
                if quote == 0 {
                    quote = quoting;
                } else if quote == quoting {
                    quote = 0;
                }
            }
            _ => {}
        }
        escaped = false;
    }
    entry
        .get(start..)
        .unwrap_or_default()
        .trim_ascii_end()
        .to_vec()
}

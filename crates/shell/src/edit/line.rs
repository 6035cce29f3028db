//! The text that is edited: a cursor, changes, undo, words.

use super::width::{step, step_back};

/// What was done last: changes of one kind in a row are undone together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Insert,
    Delete,
    Other,
}

/// How much text old states may hold together.
const UNDO_BYTES: usize = 128 * 1024;

/// A text and the place in it where keys do something.
#[derive(Debug, Default)]
pub(crate) struct Line {
    text: Vec<u8>,
    cursor: usize,
    undo: Vec<(Vec<u8>, usize)>,
    kind: Option<Change>,
}

/// What words are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Words {
    /// Letters and digits; everything else lies between
    Letters,
    /// Whatever is not white
    Big,
}

impl Words {
    fn holds(self, step: &[u8]) -> bool {
        match step {
            [byte] if byte.is_ascii() => match self {
                Words::Letters => byte.is_ascii_alphanumeric() || *byte == b'_',
                Words::Big => !byte.is_ascii_whitespace(),
            },
            _ => true,
        }
    }
}

impl Line {
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    pub(crate) fn cursor(&self) -> usize {
        self.cursor
    }

    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// A part; what lies behind the end is not there.
    pub(crate) fn part(&self, from: usize, to: usize) -> &[u8] {
        let to = to.min(self.text.len());
        self.text.get(from.min(to)..to).unwrap_or_default()
    }

    pub(crate) fn after(&self, at: usize) -> &[u8] {
        self.part(at, self.text.len())
    }

    pub(crate) fn move_to(&mut self, at: usize) {
        self.cursor = at.min(self.text.len());
        self.kind = None;
    }

    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.undo.clear();
        self.kind = None;
        self.cursor = 0;
        std::mem::take(&mut self.text)
    }

    /// Another text altogether; what was there is not kept for undo.
    pub(crate) fn set(&mut self, text: Vec<u8>) {
        self.undo.clear();
        self.kind = None;
        self.cursor = text.len();
        self.text = text;
    }

    fn remember(&mut self, kind: Change) {
        if self.kind == Some(kind) && kind != Change::Other {
            return;
        }
        self.kind = Some(kind);
        self.undo.push((self.text.clone(), self.cursor));
        let mut held: usize = self.undo.iter().map(|(text, _)| text.len()).sum();
        while held > UNDO_BYTES && self.undo.len() > 1 {
            held -= self.undo.remove(0).0.len();
        }
    }

    /// Puts a text in the place of a part, the cursor behind it.
    pub(crate) fn replace(&mut self, from: usize, to: usize, text: &[u8], kind: Change) {
        let to = to.min(self.text.len());
        let from = from.min(to);
        if from == to && text.is_empty() {
            return;
        }
        self.remember(kind);
        self.text.splice(from..to, text.iter().copied());
        self.cursor = from + text.len();
    }

    pub(crate) fn insert(&mut self, text: &[u8]) {
        self.replace(self.cursor, self.cursor, text, Change::Insert);
    }

    /// Takes a part out.
    pub(crate) fn cut(&mut self, from: usize, to: usize) -> Vec<u8> {
        let cut = self.part(from, to).to_vec();
        self.replace(from, to, b"", Change::Delete);
        cut
    }

    /// What was typed from here on is undone by itself.
    pub(crate) fn end_group(&mut self) {
        self.kind = None;
    }

    /// `false`: there is nothing left to undo.
    pub(crate) fn undo(&mut self) -> bool {
        self.kind = None;
        while let Some((text, cursor)) = self.undo.pop() {
            if text != self.text {
                self.cursor = cursor.min(text.len());
                self.text = text;
                return true;
            }
        }
        false
    }

    /// All changes since the text was set.
    pub(crate) fn revert(&mut self) -> bool {
        if let Some(first) = self.undo.first().cloned() {
            self.undo.truncate(1);
            self.text = first.0;
            self.cursor = self.text.len();
            self.undo.clear();
            self.kind = None;
            return true;
        }
        false
    }

    pub(crate) fn next(&self, at: usize) -> usize {
        (at + step(self.after(at))).min(self.text.len())
    }

    pub(crate) fn previous(&self, at: usize) -> usize {
        at - step_back(self.part(0, at)).min(at)
    }

    /// What the cursor would step over.
    pub(crate) fn at(&self, at: usize) -> &[u8] {
        self.part(at, self.next(at))
    }

    /// The end of the word at or behind a place.
    pub(crate) fn word_end(&self, mut at: usize, words: Words) -> usize {
        while at < self.len() && !words.holds(self.at(at)) {
            at = self.next(at);
        }
        while at < self.len() && words.holds(self.at(at)) {
            at = self.next(at);
        }
        at
    }

    /// The beginning of the word before a place.
    pub(crate) fn word_start(&self, mut at: usize, words: Words) -> usize {
        let before = |at: usize| self.part(self.previous(at), at);
        while at > 0 && !words.holds(before(at)) {
            at = self.previous(at);
        }
        while at > 0 && words.holds(before(at)) {
            at = self.previous(at);
        }
        at
    }

    /// The beginning of the line of the text that a place is in.
    pub(crate) fn line_start(&self, at: usize) -> usize {
        let before = self.part(0, at);
        before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |newline| newline + 1)
    }

    /// Its end.
    pub(crate) fn line_end(&self, at: usize) -> usize {
        let after = self.after(at);
        at + after
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap_or(after.len())
    }

    /// The same column in the line above or below; `None`: there is none.
    pub(crate) fn vertical(&self, up: bool) -> Option<usize> {
        let start = self.line_start(self.cursor);
        let mut column = 0;
        let mut at = start;
        while at < self.cursor {
            at = self.next(at);
            column += 1;
        }
        let mut at = if up {
            self.line_start(start.checked_sub(1)?)
        } else {
            let end = self.line_end(self.cursor);
            if end >= self.len() {
                return None;
            }
            end + 1
        };
        let end = self.line_end(at);
        while column > 0 && at < end {
            at = self.next(at);
            column -= 1;
        }
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_lines() {
        let mut line = Line::default();
        line.set("cp /usr/lïb x\nnext".as_bytes().to_vec());
        assert_eq!(line.word_end(0, Words::Letters), 2);
        assert_eq!(line.word_end(2, Words::Letters), 7);
        assert_eq!(line.word_end(2, Words::Big), 12);
        assert_eq!(line.word_start(12, Words::Letters), 8);
        assert_eq!(line.word_start(12, Words::Big), 3);
        assert_eq!(line.vertical(true), Some(4));
        line.move_to(1);
        assert_eq!(line.vertical(true), None);
        assert_eq!(line.vertical(false), Some(16));
    }

    #[test]
    fn undo_takes_groups_back() {
        let mut line = Line::default();
        for byte in b"abc" {
            line.insert(&[*byte]);
        }
        line.cut(1, 2);
        line.cut(1, 2);
        assert_eq!(line.text(), b"a");
        assert!(line.undo());
        assert_eq!((line.text(), line.cursor()), (&b"abc"[..], 3));
        assert!(line.undo());
        assert_eq!(line.text(), b"");
        assert!(!line.undo());
    }
}

//! The text: lines of bytes, with what is needed to take changes back.

use std::rc::Rc;

/// The most lines that all states for undo together refer to.
const MAX_UNDO_LINES: usize = 4_000_000;

/// A place in the text: line from 0 on, byte in the line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

/// What was deleted or yanked.
#[derive(Clone, Debug, Default)]
pub struct Register {
    /// Whole lines.
    pub lines: bool,
    pub text: Vec<Vec<u8>>,
}

type Line = Rc<Vec<u8>>;

/// The lines, and whether there are none: then the one line is only a place for the cursor.
type State = (Vec<Line>, bool);

/// The text at one time.
pub struct Checkpoint {
    state: State,
    cursor: Position,
}

/// The text. It always has at least one line.
#[derive(Debug)]
pub struct Buffer {
    lines: Vec<Line>,
    none: bool,
    undo: Vec<(State, Position)>,
    redo: Vec<(State, Position)>,
    pub changed: bool,
    /// Whether the file ended without a newline.
    pub open_end: bool,
}

impl Default for Buffer {
    fn default() -> Buffer {
        Buffer {
            lines: vec![Line::default()],
            none: true,
            undo: Vec::new(),
            redo: Vec::new(),
            changed: false,
            open_end: false,
        }
    }
}

/// Whether a character begins at that byte.
pub fn is_start(line: &[u8], column: usize) -> bool {
    line.get(column).is_none_or(|byte| byte & 0xC0 != 0x80)
}

/// The byte behind the character at that byte.
pub fn after(line: &[u8], column: usize) -> usize {
    let mut next = (column + 1).min(line.len());
    while next < line.len() && !is_start(line, next) {
        next += 1;
    }
    next
}

/// The byte where the character before that byte begins.
pub fn before(line: &[u8], column: usize) -> usize {
    let mut previous = column.saturating_sub(1);
    while previous > 0 && !is_start(line, previous) {
        previous -= 1;
    }
    previous
}

/// Where the last character begins.
pub fn last_column(line: &[u8]) -> usize {
    before(line, line.len())
}

impl Buffer {
    /// The text of a file.
    pub fn of(bytes: &[u8]) -> Buffer {
        let mut lines: Vec<Line> = bytes
            .split(|b| *b == b'\n')
            .map(|line| Rc::new(line.to_vec()))
            .collect();
        let open_end = !bytes.is_empty() && !bytes.ends_with(b"\n");
        if !open_end && lines.len() > 1 {
            lines.pop();
        }
        Buffer {
            lines,
            none: bytes.is_empty(),
            open_end,
            ..Buffer::default()
        }
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// A line; empty behind the last.
    pub fn line(&self, index: usize) -> &[u8] {
        self.lines.get(index).map_or(&[], |line| line.as_slice())
    }

    /// The bytes of some lines, as they are written to a file.
    pub fn bytes(&self, range: std::ops::Range<usize>) -> Vec<u8> {
        let to_end = range.end == self.len();
        let mut out = Vec::new();
        for line in &self.lines[range] {
            out.extend_from_slice(line);
            out.push(b'\n');
        }
        if to_end && (self.open_end || self.none) {
            out.pop();
        }
        out
    }

    /// The text as it is now, for [`Buffer::settle`].
    pub fn checkpoint(&mut self, cursor: Position) -> Checkpoint {
        Checkpoint {
            state: (self.lines.clone(), self.none),
            cursor,
        }
    }

    /// Notes the checkpoint for undo if anything was changed since.
    pub fn settle(&mut self, checkpoint: Checkpoint) {
        let Checkpoint {
            state: (lines, none),
            cursor,
        } = checkpoint;
        let same = |(a, b): (&Line, &Line)| Rc::ptr_eq(a, b) || a == b;
        if none == self.none
            && lines.len() == self.lines.len()
            && lines.iter().zip(&self.lines).all(same)
        {
            return;
        }
        self.changed = true;
        self.redo.clear();
        self.undo.push(((lines, none), cursor));
        let mut total = 0;
        let keep = self.undo.iter().rev().take_while(|((lines, _), _)| {
            total += lines.len();
            total <= MAX_UNDO_LINES
        });
        let keep = keep.count().max(1);
        self.undo.drain(..self.undo.len() - keep);
    }

    /// Puts lines in the place of one.
    pub fn replace_line(&mut self, index: usize, lines: Vec<Vec<u8>>) {
        if index < self.lines.len() {
            self.lines
                .splice(index..=index, lines.into_iter().map(Rc::new));
        }
    }

    /// Takes the last change back.
    pub fn undo(&mut self, cursor: Position) -> Option<Position> {
        let ((lines, none), place) = self.undo.pop()?;
        let old = (
            std::mem::replace(&mut self.lines, lines),
            std::mem::replace(&mut self.none, none),
        );
        self.redo.push((old, cursor));
        self.changed = true;
        Some(place)
    }

    /// Makes the change that was taken back again.
    pub fn redo(&mut self, cursor: Position) -> Option<Position> {
        let ((lines, none), place) = self.redo.pop()?;
        let old = (
            std::mem::replace(&mut self.lines, lines),
            std::mem::replace(&mut self.none, none),
        );
        self.undo.push((old, cursor));
        self.changed = true;
        Some(place)
    }

    /// A line to change; it must be there.
    pub fn line_mut(&mut self, index: usize) -> &mut Vec<u8> {
        self.none = false;
        if self.lines.is_empty() {
            self.lines.push(Line::default());
        }
        let last = self.lines.len() - 1;
        Rc::make_mut(&mut self.lines[index.min(last)])
    }

    /// Puts a line before that one.
    pub fn insert_line(&mut self, index: usize, line: Vec<u8>) {
        self.insert_lines(index, vec![line]);
    }

    /// Puts lines before that one.
    pub fn insert_lines(&mut self, index: usize, lines: Vec<Vec<u8>>) {
        if lines.is_empty() {
            return;
        }
        if std::mem::take(&mut self.none) {
            self.lines.clear();
        }
        let index = index.min(self.lines.len());
        self.lines
            .splice(index..index, lines.into_iter().map(Rc::new));
    }

    /// Takes lines out.
    pub fn remove_lines(&mut self, range: std::ops::Range<usize>) -> Vec<Vec<u8>> {
        let range = range.start..range.end.min(self.lines.len());
        let removed = self.lines.drain(range).map(|line| line.to_vec()).collect();
        if self.lines.is_empty() {
            self.lines.push(Line::default());
            self.none = true;
        }
        removed
    }

    /// The text between two places, the second not included.
    pub fn slice(&self, start: Position, end: Position) -> Vec<Vec<u8>> {
        if start.line == end.line {
            return vec![self.line(start.line)[start.column..end.column].to_vec()];
        }
        let mut out = vec![self.line(start.line)[start.column..].to_vec()];
        out.extend((start.line + 1..end.line).map(|index| self.line(index).to_vec()));
        out.push(self.line(end.line)[..end.column].to_vec());
        out
    }

    /// Takes out what is between two places.
    pub fn remove(&mut self, start: Position, end: Position) {
        if start == end {
            return;
        }
        let tail = self.line(end.line)[end.column..].to_vec();
        let line = self.line_mut(start.line);
        line.truncate(start.column);
        line.extend_from_slice(&tail);
        if end.line > start.line {
            self.remove_lines(start.line + 1..end.line + 1);
        }
    }

    /// Puts text at a place; gives the place behind it.
    pub fn insert(&mut self, at: Position, text: &[Vec<u8>]) -> Position {
        let Some((first, rest)) = text.split_first() else {
            return at;
        };
        let line = self.line_mut(at.line);
        let tail = line.split_off(at.column);
        line.extend_from_slice(first);
        let Some((last, middle)) = rest.split_last() else {
            let column = line.len();
            line.extend_from_slice(&tail);
            return Position {
                line: at.line,
                column,
            };
        };
        let column = last.len();
        let mut lines = middle.to_vec();
        lines.push([last.as_slice(), &tail].concat());
        let end = at.line + lines.len();
        self.insert_lines(at.line + 1, lines);
        Position { line: end, column }
    }
}

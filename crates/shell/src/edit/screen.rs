//! What is on the terminal, and what must be written to change it into something else: little, and by sequences that
//! every terminal since the VT100 knows.

use super::width::{show, step};

/// Begins and ends what takes no room in a prompt: what `\[` and `\]` become.
pub const HIDDEN: u8 = 1;
/// The end of such a part.
pub const SHOWN: u8 = 2;

/// Something drawn at a place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Glyph {
    row: usize,
    column: usize,
    width: usize,
    from: usize,
    to: usize,
    /// The line ends here.
    ends: bool,
}

/// Everything that is drawn: the prompt and the text, laid out.
#[derive(Clone, Debug, Default)]
struct Frame {
    bytes: Vec<u8>,
    glyphs: Vec<Glyph>,
    /// Where the next glyph would be.
    row: usize,
    column: usize,
    cursor: (usize, usize),
}

impl Frame {
    fn put(&mut self, bytes: &[u8], width: usize, columns: usize) {
        if width > 0 && self.column + width > columns {
            // The terminal must not be left to wrap a wide character by its own rules.
            let gap = columns - self.column;
            self.add(b" ".get(..gap).unwrap_or_default(), gap);
            self.row += 1;
            self.column = 0;
        }
        self.add(bytes, width);
        if self.column >= columns {
            self.row += 1;
            self.column = 0;
        }
    }

    fn add(&mut self, bytes: &[u8], width: usize) {
        let from = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.glyphs.push(Glyph {
            row: self.row,
            column: self.column,
            width,
            from,
            to: self.bytes.len(),
            ends: false,
        });
        self.column += width;
    }

    fn end_line(&mut self) {
        let at = self.bytes.len();
        self.glyphs.push(Glyph {
            row: self.row,
            column: self.column,
            width: 0,
            from: at,
            to: at,
            ends: true,
        });
        self.row += 1;
        self.column = 0;
    }

    /// What a step of the text looks like.
    fn put_step(&mut self, one: &[u8], columns: usize) {
        if one == b"\t" {
            for _ in 0..(8 - self.column % 8).min(columns - self.column) {
                self.put(b" ", 1, columns);
            }
            return;
        }
        let mut shown = Vec::new();
        let width = show(one, &mut shown);
        if width > 2 || (width == 2 && shown.is_ascii()) {
            for byte in shown {
                self.put(&[byte], 1, columns);
            }
        } else if width > columns {
            self.put(b"?", 1, columns);
        } else {
            self.put(&shown, width, columns);
        }
    }

    /// A prompt: it may hold sequences that take no room.
    fn put_prompt(&mut self, prompt: &[u8], columns: usize) {
        let mut rest = prompt;
        while let Some(first) = rest.first() {
            let length = hidden(rest);
            if length > 0 {
                let (sequence, behind) = rest.split_at(length.min(rest.len()));
                let plain: Vec<u8> = sequence
                    .iter()
                    .copied()
                    .filter(|byte| !matches!(*byte, HIDDEN | SHOWN))
                    .collect();
                self.add(&plain, 0);
                rest = behind;
                continue;
            }
            if *first == b'\n' {
                self.end_line();
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            let (one, behind) = rest.split_at(step(rest).clamp(1, rest.len()));
            self.put_step(one, columns);
            rest = behind;
        }
    }

    fn bytes_of(&self, glyph: &Glyph) -> &[u8] {
        self.bytes.get(glyph.from..glyph.to).unwrap_or_default()
    }

    fn same(&self, at: usize, other: &Frame, there: usize) -> bool {
        let (Some(a), Some(b)) = (self.glyphs.get(at), other.glyphs.get(there)) else {
            return false;
        };
        (a.row, a.column, a.width, a.ends) == (b.row, b.column, b.width, b.ends)
            && self.bytes_of(a) == other.bytes_of(b)
    }

    /// How far each row is filled.
    fn extents(&self) -> Vec<usize> {
        let mut all = vec![0; self.row + 1];
        for glyph in &self.glyphs {
            if let Some(extent) = all.get_mut(glyph.row) {
                *extent = glyph.column + glyph.width;
            }
        }
        all
    }

    /// Keeps only the rows of a window.
    fn cut(&mut self, top: usize, rows: usize) {
        self.glyphs
            .retain(|glyph| glyph.row >= top && glyph.row < top + rows);
        for glyph in &mut self.glyphs {
            glyph.row -= top;
        }
        // The last line's end would scroll the window.
        while self
            .glyphs
            .last()
            .is_some_and(|glyph| glyph.ends && glyph.row + 1 == rows)
        {
            self.glyphs.pop();
        }
        if self.row >= top + rows {
            self.row = rows - 1;
            self.column = self
                .glyphs
                .last()
                .filter(|glyph| glyph.row + 1 == rows)
                .map_or(0, |glyph| glyph.column + glyph.width);
        } else {
            self.row = self.row.saturating_sub(top);
        }
        self.cursor.0 = self.cursor.0.saturating_sub(top);
    }
}

/// The length of what takes no room at the beginning of a prompt: a marked part, or a control sequence.
fn hidden(text: &[u8]) -> usize {
    let ends = |at: usize, wanted: &dyn Fn(u8) -> bool| {
        let found = text.iter().skip(at).position(|byte| wanted(*byte));
        found.map_or(text.len(), |found| at + found + 1)
    };
    match text {
        [HIDDEN, ..] => ends(1, &|byte| byte == SHOWN),
        [SHOWN, ..] | [b'\r', ..] => 1,
        [27, b'[', ..] => ends(2, &|byte| (0x40..=0x7e).contains(&byte)),
        [27, b']', ..] => {
            let length = ends(2, &|byte| byte == 7 || byte == b'\\');
            length.max(2)
        }
        [27, _, ..] => 2,
        _ => 0,
    }
}

/// What there is to draw.
pub(crate) struct View<'a> {
    pub(crate) prompt: &'a [u8],
    /// Before each further line of the text
    pub(crate) more: &'a [u8],
    pub(crate) text: &'a [u8],
    pub(crate) cursor: usize,
    pub(crate) columns: usize,
    pub(crate) rows: usize,
}

impl View<'_> {
    fn lay_out(&self) -> Frame {
        let columns = self.columns.max(1);
        let mut frame = Frame::default();
        frame.put_prompt(self.prompt, columns);
        let mut at = 0;
        while at < self.text.len() {
            if at == self.cursor {
                frame.cursor = (frame.row, frame.column);
            }
            let rest = self.text.get(at..).unwrap_or_default();
            let one = rest.get(..step(rest).clamp(1, rest.len())).unwrap_or(rest);
            if one == b"\n" {
                frame.end_line();
                frame.put_prompt(self.more, columns);
            } else {
                // A wide character that does not fit moves on, and the cursor with it.
                let before = frame.glyphs.len();
                frame.put_step(one, columns);
                if at == self.cursor
                    && let Some(last) = frame.glyphs.get(before..).and_then(<[Glyph]>::last)
                    && frame.glyphs.len() == before + 2
                    && last.width == 2
                {
                    frame.cursor = (last.row, last.column);
                }
            }
            at += one.len();
        }
        if self.cursor >= self.text.len() {
            frame.cursor = (frame.row, frame.column);
        }
        frame
    }
}

/// The terminal's state, as far as it was made here.
#[derive(Debug, Default)]
pub(crate) struct Screen {
    frame: Frame,
    /// Where the terminal's cursor is.
    at: (usize, usize),
    /// It is behind the last column of the row above: the next character wraps.
    wraps: bool,
    top: usize,
    columns: usize,
    rows: usize,
    /// Nothing that was drawn counts any more.
    stale: bool,
}

impl Screen {
    /// The cursor is at the beginning of an empty line.
    pub(crate) fn reset(&mut self) {
        *self = Screen::default();
    }

    /// The next drawing is of everything.
    pub(crate) fn spoil(&mut self) {
        self.stale = true;
    }

    /// The terminal has another width: lines that it wraps, it wraps anew.
    pub(crate) fn resized(&mut self, old: &View<'_>, columns: usize, rows: usize) {
        let view = View {
            columns,
            rows,
            ..*old
        };
        let mut frame = view.lay_out();
        let rows = rows.max(1);
        if frame.cursor.0 >= rows {
            let top = frame.cursor.0 + 1 - rows;
            frame.cut(top, rows);
        }
        self.at = frame.cursor;
        self.wraps = false;
        self.stale = true;
    }

    /// Writes what makes the terminal show the view.
    pub(crate) fn draw(&mut self, view: &View<'_>, out: &mut Vec<u8>) {
        let mut frame = view.lay_out();
        let rows = view.rows.max(1);
        let needed = frame.row.max(frame.cursor.0) + 1;
        let mut top = 0;
        if needed > rows {
            let cursor = frame.cursor.0;
            top = self.top.clamp((cursor + 1).saturating_sub(rows), cursor);
            frame.cut(top, rows);
        }
        self.rows = rows;
        self.columns = view.columns.max(1);
        if top != self.top {
            self.stale = true;
            self.top = top;
        }
        if std::mem::take(&mut self.stale) {
            self.go((0, 0), &Frame::default(), out);
            if !self.frame.glyphs.is_empty() || self.at != (0, 0) {
                out.extend_from_slice(b"\x1b[J");
            }
            self.frame = Frame::default();
        }
        let old = std::mem::take(&mut self.frame);
        let mut first = 0;
        while frame.same(first, &old, first) {
            first += 1;
        }
        let (new_length, old_length) = (frame.glyphs.len(), old.glyphs.len());
        let mut kept = 0;
        while new_length - kept > first
            && old_length - kept > first
            && frame.same(new_length - kept - 1, &old, old_length - kept - 1)
        {
            kept += 1;
        }
        let last = new_length - kept;
        let extents = old.extents();
        let extent = |row: usize| extents.get(row).copied().unwrap_or(0);
        if first < last || old_length - kept > first {
            let start = frame
                .glyphs
                .get(first)
                .map_or((frame.row, frame.column), |glyph| (glyph.row, glyph.column));
            // What is written next wraps by itself, if it takes room.
            let next = frame.glyphs.get(first).filter(|_| first < last);
            if !(self.wraps
                && self.at == start
                && next.is_some_and(|glyph| !glyph.ends && glyph.width > 0))
            {
                self.go(start, &frame, out);
            }
            for at in first..last {
                let Some(glyph) = frame.glyphs.get(at) else {
                    break;
                };
                if glyph.ends {
                    self.settle(&frame, out);
                    if extent(glyph.row) > glyph.column {
                        out.extend_from_slice(b"\x1b[K");
                    }
                    out.extend_from_slice(b"\r\n");
                    self.at = (glyph.row + 1, 0);
                } else {
                    out.extend_from_slice(frame.bytes_of(glyph));
                    self.advance(glyph);
                }
            }
            if kept == 0 {
                let below = old.row > frame.row && extents.len() > frame.row + 1;
                if below {
                    self.settle(&frame, out);
                    out.extend_from_slice(b"\x1b[J");
                } else if extent(frame.row) > frame.column {
                    self.settle(&frame, out);
                    out.extend_from_slice(b"\x1b[K");
                }
            }
        }
        self.go(frame.cursor, &frame, out);
        self.frame = frame;
    }

    fn advance(&mut self, glyph: &Glyph) {
        self.at = (glyph.row, glyph.column + glyph.width);
        self.wraps = self.wraps && glyph.width == 0;
        if glyph.width > 0 && self.at.1 >= self.columns {
            self.at = (glyph.row + 1, 0);
            self.wraps = true;
        }
    }

    /// Makes a terminal that is about to wrap do it: by what stands there, or a blank.
    fn settle(&mut self, frame: &Frame, out: &mut Vec<u8>) {
        if !std::mem::take(&mut self.wraps) {
            return;
        }
        if self.rows > 0 && self.at.0 >= self.rows {
            // There is no further row: back to the beginning of the one that is full.
            out.push(b'\r');
            self.at = (self.at.0 - 1, 0);
            return;
        }
        if self.columns < 2 {
            out.extend_from_slice(b"\r\n");
            return;
        }
        let there = frame
            .glyphs
            .iter()
            .find(|glyph| (glyph.row, glyph.column) == self.at && glyph.width > 0);
        match there {
            Some(glyph) => {
                out.extend_from_slice(frame.bytes_of(glyph));
                let glyph = *glyph;
                self.advance(&glyph);
            }
            None => out.extend_from_slice(b" \r"),
        }
    }

    fn go(&mut self, to: (usize, usize), frame: &Frame, out: &mut Vec<u8>) {
        if self.at == to && !self.wraps {
            return;
        }
        self.settle(frame, out);
        let count = |out: &mut Vec<u8>, number: usize, letter: char| {
            let text = match number {
                1 => format!("\x1b[{letter}"),
                number => format!("\x1b[{number}{letter}"),
            };
            out.extend_from_slice(text.as_bytes());
        };
        match self.at.0.cmp(&to.0) {
            std::cmp::Ordering::Greater => count(out, self.at.0 - to.0, 'A'),
            std::cmp::Ordering::Less => count(out, to.0 - self.at.0, 'B'),
            std::cmp::Ordering::Equal => {}
        }
        let column = self.at.1;
        if to.1 == 0 && column > 0 {
            out.push(b'\r');
        } else if to.1 < column {
            match column - to.1 {
                few @ 1..=3 => out.extend(std::iter::repeat_n(8, few)),
                many => count(out, many, 'D'),
            }
        } else if to.1 > column {
            count(out, to.1 - column, 'C');
        }
        self.at = to;
    }

    /// Moves below everything that is drawn, to the beginning of a line.
    pub(crate) fn leave(&mut self, out: &mut Vec<u8>) {
        let frame = std::mem::take(&mut self.frame);
        let end = (frame.row, frame.column);
        self.go(end, &frame, out);
        // Where the last row was filled exactly, the terminal stands at the beginning of the next.
        if !(end.1 == 0 && end.0 > 0 && !ends_with_line(&frame)) {
            out.extend_from_slice(b"\r\n");
        }
        self.reset();
    }

    /// Takes everything off the terminal, and stands where it was.
    pub(crate) fn erase(&mut self, out: &mut Vec<u8>) {
        self.go((0, 0), &Frame::default(), out);
        out.extend_from_slice(b"\r\x1b[J");
        self.reset();
    }
}

fn ends_with_line(frame: &Frame) -> bool {
    frame.glyphs.last().is_some_and(|glyph| glyph.ends)
}

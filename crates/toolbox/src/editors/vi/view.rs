//! What is on the screen.

use super::{Editor, Keys};

/// What is shown for a character, and how many columns it takes.
fn glyph(text: &[u8], column: usize, tab_width: usize) -> (Vec<u8>, usize, usize) {
    let first = text[0];
    match first {
        b'\t' => {
            let cells = tab_width - column % tab_width;
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
            (b"?".to_vec(), 1, 1)
        }
    }
}

impl Editor {
    /// How many rows of text the screen has.
    pub fn rows(&self) -> usize {
        match &self.keys {
            Keys::Screen(screen) => screen.size().1 - 1,
            #[cfg(test)]
            Keys::Typed(_) => 23,
        }
    }

    fn width(&self) -> usize {
        match &self.keys {
            Keys::Screen(screen) => screen.size().0,
            #[cfg(test)]
            Keys::Typed(_) => 80,
        }
    }

    /// The rows that a line takes up.
    fn height(&self, line: usize) -> usize {
        let (_, column, row) = self.layout(line, usize::MAX);
        row + usize::from(column > 0 || row == 0)
    }

    /// A line's rows in one piece, and the column and row where a byte is shown.
    fn layout(&self, line: usize, byte: usize) -> (Vec<u8>, usize, usize) {
        let text = self.buffer.line(line);
        let width = self.width();
        let mut out = Vec::new();
        if self.settings.numbers {
            out.extend_from_slice(format!("{:7} ", line + 1).as_bytes());
        }
        let margin = out.len();
        let (mut column, mut row, mut at) = (margin, 0, 0);
        let mut place = None;
        while at < text.len() {
            let (shown, cells, length) = glyph(
                &text[at..],
                column.saturating_sub(margin),
                self.settings.tab_width,
            );
            if column + cells > width {
                out.extend_from_slice(b"\x1b[K\r\n");
                (column, row) = (0, row + 1);
            }
            if at <= byte && byte < at + length {
                // The cursor stands at the end of a tab.
                let shift = if text[at] == b'\t' && self.mode.is_empty() {
                    cells - 1
                } else {
                    0
                };
                place = Some((column + shift, row));
            }
            out.extend_from_slice(&shown);
            column += cells;
            at += length;
        }
        let (column, row) = place.unwrap_or((column, row));
        (out, column, row)
    }

    /// Scrolls so that the cursor is on the screen.
    pub fn scroll(&mut self) {
        let rows = self.rows();
        let line = self.cursor.line;
        if line < self.top {
            self.top = line;
        } else if line >= self.top + 2 * rows {
            self.top = line.saturating_sub(rows / 2);
        }
        loop {
            let used: usize = (self.top..=line).map(|line| self.height(line)).sum();
            if used <= rows || self.top >= line {
                return;
            }
            self.top += 1;
        }
    }

    /// Brings the screen up to date.
    pub fn draw(&mut self) {
        if !matches!(self.keys, Keys::Screen(_)) {
            return;
        }
        self.scroll();
        let rows = self.rows();
        let mut out = b"\x1b[?25l\x1b[H".to_vec();
        let mut row = 0;
        let mut cursor = (0, 0);
        let mut line = self.top;
        while row < rows {
            if line >= self.buffer.len() {
                out.extend_from_slice(b"~\x1b[K\r\n");
                row += 1;
                continue;
            }
            let height = self.height(line);
            if row + height > rows && line != self.top {
                out.extend_from_slice(b"@\x1b[K\r\n");
                row += 1;
                while row < rows {
                    out.extend_from_slice(b"\x1b[K\r\n");
                    row += 1;
                }
                break;
            }
            let wanted = if line == self.cursor.line {
                self.cursor.column
            } else {
                usize::MAX
            };
            let (text, column, its_row) = self.layout(line, wanted);
            if line == self.cursor.line {
                cursor = (column, row + its_row);
            }
            out.extend_from_slice(&text);
            out.extend_from_slice(b"\x1b[K\r\n");
            row += height;
            line += 1;
        }
        let status = self.status();
        out.extend_from_slice(status.as_bytes());
        let (column, row) = (
            cursor.0.min(self.width() - 1) + 1,
            cursor.1.min(rows - 1) + 1,
        );
        out.extend_from_slice(format!("\x1b[K\x1b[{row};{column}H\x1b[?25h").as_bytes());
        self.write(&out);
    }

    fn status(&mut self) -> String {
        let message = std::mem::take(&mut self.message);
        let text = if message.is_empty() {
            let name = self
                .file
                .as_ref()
                .map_or("No file".into(), |file| file.to_string_lossy());
            let changed = if self.buffer.changed {
                " [modified]"
            } else {
                ""
            };
            let mode = if self.mode.is_empty() { "-" } else { self.mode };
            format!(
                "{mode} {name}{changed} {}/{}",
                self.cursor.line + 1,
                self.buffer.len()
            )
        } else {
            message
        };
        text.chars()
            .filter(|c| !c.is_control())
            .take(self.width() - 1)
            .collect()
    }

    /// Writes to the terminal; without one the keys end as well.
    pub fn write(&mut self, bytes: &[u8]) {
        if let Keys::Screen(screen) = &self.keys
            && screen.write(bytes).is_err()
        {
            self.end = Some(1);
        }
    }

    /// Asks for a line behind a prompt. None: it was given up.
    pub fn ask(&mut self, prompt: char) -> Option<String> {
        use crate::common::screen::{ESCAPE, Key};
        let mut text = String::new();
        loop {
            self.message = format!("{prompt}{text}");
            match self.key() {
                Key::Char('\r' | '\n') => break,
                Key::Char('\x08') => {
                    if text.pop().is_none() {
                        self.message.clear();
                        return None;
                    }
                }
                ESCAPE | Key::Gone | Key::Char('\x03') => {
                    self.message.clear();
                    return None;
                }
                Key::Char(c) => text.push(c),
                _ => {}
            }
        }
        self.message.clear();
        Some(text)
    }
}

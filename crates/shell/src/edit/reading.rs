//! The reading of one command.

use super::keys::Key;
use super::line::{Change, Line};
use super::screen::{Screen, View};
use super::{Asked, Editor, Host, Mode, Outcome, Read, Request, Terminal};

/// How long a terminal may take to tell its size, in milliseconds: a line of 1200 baud needs a tenth of it.
const ANSWER: i32 = 1000;

/// What a key led to.
pub(crate) enum Step {
    /// Go on.
    On,
    /// The reading is over.
    Done(Outcome),
}

/// What the key before did, where that matters to the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    Other,
    Kill,
    /// The beginning of what was yanked, and how far back in the ring it is.
    Yank(usize, usize),
    /// Tab
    Complete,
    /// The last word of this history entry was inserted, from here on.
    LastWord(usize, usize),
    /// A search by what stood before the cursor, so many bytes
    Prefix(usize),
}

/// Reading one command.
pub(crate) struct Reading<'a> {
    pub(crate) editor: &'a mut Editor,
    pub(crate) request: &'a Request,
    pub(crate) terminal: &'a mut dyn Terminal,
    pub(crate) host: &'a mut dyn Host,
    pub(crate) line: Line,
    pub(crate) screen: Screen,
    /// Instead of the prompt: what is being searched.
    pub(crate) question: Option<Vec<u8>>,
    pub(crate) columns: usize,
    pub(crate) rows: usize,
    /// The place in the history; its length: the new line.
    pub(crate) place: usize,
    /// Lines that were left for others of the history, as they were left.
    pub(crate) left: Vec<(usize, Vec<u8>)>,
    pub(crate) before: Before,
    pub(crate) now: Before,
    /// A number that was typed before a command.
    pub(crate) count: Option<usize>,
    /// vi's command mode
    pub(crate) commands: bool,
    /// Keys to be read before those that are typed.
    pub(crate) replay: std::collections::VecDeque<Key>,
    /// The keys of the change that is being made, for vi's `.`
    pub(crate) record: Vec<Key>,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(
        editor: &'a mut Editor,
        request: &'a Request,
        terminal: &'a mut dyn Terminal,
        host: &'a mut dyn Host,
    ) -> Reading<'a> {
        let place = host.history().len();
        Reading {
            editor,
            request,
            terminal,
            host,
            line: Line::default(),
            screen: Screen::default(),
            question: None,
            columns: 80,
            rows: 24,
            place,
            left: Vec::new(),
            before: Before::Other,
            now: Before::Other,
            count: None,
            commands: false,
            replay: std::collections::VecDeque::new(),
            record: Vec::new(),
        }
    }

    pub(crate) fn run(mut self) -> Outcome {
        self.measure(false);
        if self.request.paste {
            self.terminal.write(b"\x1b[?2004h");
        }
        self.line.set(self.request.text.clone());
        let outcome = loop {
            self.draw();
            let key = self.key(self.request.mode == Mode::Vi);
            self.now = Before::Other;
            let step = match key {
                Key::Gone => Step::Done(Outcome::Gone),
                Key::Idle => Step::Done(Outcome::Idle),
                Key::Signal => self.signal(),
                key if self.request.mode == Mode::Vi => self.vi(key),
                key => self.emacs(key),
            };
            self.before = self.now;
            if let Step::Done(outcome) = step {
                break outcome;
            }
        };
        let mut out = Vec::new();
        if outcome == Outcome::Gone {
            return outcome;
        }
        // What is left on the terminal is the command as it is run.
        if matches!(outcome, Outcome::Line(_)) {
            let end = self.line.len();
            self.line.move_to(end);
        }
        self.draw_now(&mut out);
        if outcome == Outcome::Interrupted {
            out.extend_from_slice(b"^C");
        }
        self.screen.leave(&mut out);
        if self.request.paste {
            out.extend_from_slice(b"\x1b[?2004l");
        }
        self.terminal.write(&out);
        outcome
    }

    /// Finds the terminal's size. A serial line tells none; then the terminal behind it is asked where its last corner
    /// is, once (or `anew`).
    pub(crate) fn measure(&mut self, anew: bool) {
        if let Some((columns, rows)) = self.terminal.size() {
            (self.columns, self.rows) = (columns.max(1), rows.max(1));
            return;
        }
        if self.editor.told.is_none() || anew {
            self.editor.told = Some(self.ask().unwrap_or((0, 0)));
        }
        (self.columns, self.rows) = match self.editor.told {
            Some((columns, rows)) if columns > 0 && rows > 0 => (columns, rows),
            _ => (80, 24),
        };
    }

    fn ask(&mut self) -> Option<(usize, usize)> {
        self.terminal.write(b"\x1b7\x1b[999;999H\x1b[6n\x1b8");
        let mut typed = Vec::new();
        let answer = loop {
            match self.editor.input.byte(self.terminal, ANSWER) {
                Read::Byte(byte) => typed.push(byte),
                Read::Signal => {}
                Read::Timeout | Read::End => break None,
            }
            if typed.ends_with(b"R")
                && let Some((start, size)) = position(&typed)
            {
                typed.truncate(start);
                break Some(size);
            }
            // Somebody types on and on, and no answer comes.
            if typed.len() > 4096 {
                break None;
            }
        };
        // What was typed meanwhile is for the line.
        self.editor.input.unread(&typed);
        answer
    }

    /// Waits for a key: one to be played again, or one that is typed.
    pub(crate) fn key(&mut self, lone: bool) -> Key {
        let key = match self.replay.pop_front() {
            Some(key) => key,
            None => self
                .editor
                .input
                .key(self.terminal, lone, self.request.idle),
        };
        self.record.push(key);
        key
    }

    /// Waits for a key that belongs to the one before; draws meanwhile.
    pub(crate) fn next_key(&mut self, lone: bool) -> Key {
        self.draw();
        loop {
            let key = self.key(lone);
            match key {
                Key::Signal => {
                    if let Step::Done(outcome) = self.signal() {
                        // The main loop must see it too.
                        return if outcome == Outcome::Interrupted {
                            Key::Control(3)
                        } else {
                            Key::Gone
                        };
                    }
                    self.draw();
                }
                key => return key,
            }
        }
    }

    pub(crate) fn signal(&mut self) -> Step {
        self.record.pop();
        self.now = self.before;
        match self.host.asked() {
            Asked::Nothing => Step::On,
            Asked::Interrupt => Step::Done(Outcome::Interrupted),
            Asked::Resize => {
                let (columns, rows) = self.terminal.size().unwrap_or((self.columns, self.rows));
                let (columns, rows) = (columns.max(1), rows.max(1));
                let prompt = self.question.as_ref().unwrap_or(&self.request.prompt);
                let view = View {
                    prompt,
                    more: &self.request.more,
                    text: self.line.text(),
                    cursor: self.line.cursor(),
                    columns: self.columns,
                    rows: self.rows,
                };
                self.screen.resized(&view, columns, rows);
                (self.columns, self.rows) = (columns, rows);
                Step::On
            }
            Asked::Act => {
                let mut out = Vec::new();
                self.screen.erase(&mut out);
                self.terminal.write(&out);
                self.terminal.lend(true);
                let on = self.host.act();
                self.terminal.lend(false);
                if on {
                    Step::On
                } else {
                    Step::Done(Outcome::Gone)
                }
            }
        }
    }

    /// Draws, unless more was typed already: on a slow line only the last state matters.
    pub(crate) fn draw(&mut self) {
        if !self.replay.is_empty() || !self.editor.input.is_empty() || self.terminal.is_waiting() {
            return;
        }
        let mut out = Vec::new();
        self.draw_now(&mut out);
        if !out.is_empty() {
            self.terminal.write(&out);
        }
    }

    pub(crate) fn draw_now(&mut self, out: &mut Vec<u8>) {
        let prompt = self.question.as_ref().unwrap_or(&self.request.prompt);
        let view = View {
            prompt,
            more: &self.request.more,
            text: self.line.text(),
            cursor: self.line.cursor(),
            columns: self.columns,
            rows: self.rows,
        };
        self.screen.draw(&view, out);
    }

    /// Enter: the command is over, or goes on in another line.
    pub(crate) fn accept(&mut self) -> Step {
        if self.host.is_unfinished(self.line.text()) {
            let end = self.line.len();
            self.line.replace(end, end, b"\n", Change::Other);
            self.commands = false;
            return Step::On;
        }
        Step::Done(Outcome::Line(self.line.text().to_vec()))
    }

    pub(crate) fn bell(&mut self) {
        self.terminal.write(b"\x07");
    }

    /// Another screen, with nothing but the line on it.
    pub(crate) fn clear_screen(&mut self) {
        self.terminal.write(b"\x1b[H\x1b[J");
        self.screen.reset();
        if self.terminal.size().is_none() {
            self.measure(true);
        }
    }

    /// What was pasted goes in as it is, up to the mark behind it.
    pub(crate) fn paste(&mut self) {
        const END: &[u8] = b"\x1b[201~";
        let mut text = Vec::new();
        loop {
            match self.editor.input.byte(self.terminal, -1) {
                Read::Byte(byte) => text.push(byte),
                Read::Signal => {}
                Read::Timeout | Read::End => break,
            }
            if text.ends_with(END) {
                text.truncate(text.len() - END.len());
                break;
            }
        }
        let mut plain = Vec::with_capacity(text.len());
        let mut last = 0;
        for byte in text {
            match byte {
                b'\r' => plain.push(b'\n'),
                b'\n' if last == b'\r' => {}
                0 => {}
                byte => plain.push(byte),
            }
            last = byte;
        }
        // A line end behind it all would run it at once in other shells; here Enter does.
        if plain.last() == Some(&b'\n') {
            plain.pop();
        }
        let cursor = self.line.cursor();
        self.line.replace(cursor, cursor, &plain, Change::Other);
    }

    /// Leaves this line for another of the history.
    pub(crate) fn visit(&mut self, place: usize) {
        if place == self.place {
            return;
        }
        let text = self.line.take();
        self.left.retain(|(known, _)| *known != self.place);
        self.left.push((self.place, text));
        let edited = self.left.iter().find(|(known, _)| *known == place);
        let text = match edited {
            Some((_, text)) => text.clone(),
            None => self.host.history().get(place).unwrap_or_default().to_vec(),
        };
        self.line.set(text);
        self.place = place;
    }

    /// The command before or behind this one; `false`: there is none.
    pub(crate) fn walk(&mut self, back: bool) -> bool {
        let place = if back {
            self.place.checked_sub(1)
        } else {
            Some(self.place + 1).filter(|place| *place <= self.host.history().len())
        };
        match place {
            Some(place) => {
                self.visit(place);
                true
            }
            None => false,
        }
    }
}

/// Where an answer (`ESC [ row ; column R`) at the end of what was read begins, and the columns and rows it tells.
fn position(typed: &[u8]) -> Option<(usize, (usize, usize))> {
    let start = typed.windows(2).rposition(|pair| pair == b"\x1b[")?;
    let inner = typed.get(start + 2..typed.len() - 1)?;
    let text = std::str::from_utf8(inner).ok()?;
    let (row, column) = text.split_once(';')?;
    Some((start, (column.parse().ok()?, row.parse().ok()?)))
}

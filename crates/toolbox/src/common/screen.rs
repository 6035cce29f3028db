//! A whole-screen view of a terminal: raw mode while it lives, keys in, text out.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::lines::write_all;

/// A key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A character, control characters among them; bytes that are not UTF-8 come as U+FFFD.
    Char(char),
    /// Cursor up.
    Up,
    /// Cursor down.
    Down,
    /// Cursor left.
    Left,
    /// Cursor right.
    Right,
    /// To the beginning.
    Home,
    /// To the end.
    End,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
    /// Insert.
    Insert,
    /// Delete.
    Delete,
    /// The terminal is gone.
    Gone,
}

/// Ctrl and a letter.
pub const fn control(letter: char) -> Key {
    Key::Char((letter as u8 & 0x1F) as char)
}

/// The escape key.
pub const ESCAPE: Key = Key::Char('\x1b');

/// The terminal. Dropping it puts everything back.
pub struct Screen {
    tty: File,
    settings: sys::tty::Settings,
    /// What is written before the settings are put back.
    leave: &'static [u8],
    pending: Vec<u8>,
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = write_all(&self.tty, self.leave);
        self.settings.restore();
    }
}

impl Screen {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// There is no terminal.
    pub fn open() -> io::Result<Screen> {
        let tty = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
        let settings = sys::tty::raw(tty.as_raw_fd())?;
        Ok(Screen {
            tty,
            settings,
            leave: b"\r\x1b[K",
            pending: Vec::new(),
        })
    }

    /// Keeps what is on the terminal aside, to come back in the end.
    ///
    /// # Errors
    /// The system's error.
    pub fn set_aside(&mut self) -> io::Result<()> {
        self.leave = b"\x1b[?1049l";
        self.write(b"\x1b[?1049h")
    }

    /// Hands the terminal over to a command, and waits for a key before it is taken back.
    ///
    /// # Errors
    /// What the command's start said, or the terminal.
    pub fn lend<T>(&mut self, run: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.write(self.leave)?;
        self.settings.restore();
        let result = run();
        self.settings = sys::tty::raw(self.tty.as_raw_fd())?;
        self.write(b"[press a key]")?;
        self.key();
        if self.leave.starts_with(b"\x1b[?") {
            self.set_aside()?;
        }
        result
    }

    /// Columns and rows.
    pub fn size(&self) -> (usize, usize) {
        let (columns, rows) = sys::tty::size(self.tty.as_raw_fd());
        (usize::from(columns).max(2), usize::from(rows).max(2))
    }

    /// Writes to the terminal.
    ///
    /// # Errors
    /// The system's error.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        write_all(&self.tty, bytes)
    }

    /// Whether a key is there within that many milliseconds.
    pub fn waits(&self, milliseconds: i64) -> bool {
        if !self.pending.is_empty() {
            return true;
        }
        let time = Timespec {
            tv_sec: milliseconds / 1000,
            tv_nsec: milliseconds % 1000 * 1_000_000,
        };
        let mut fds = [PollFd::from_borrowed_fd(self.tty.as_fd(), PollFlags::IN)];
        poll(&mut fds, Some(&time)).is_ok_and(|count| count > 0)
    }

    fn byte(&mut self) -> Option<u8> {
        if self.pending.is_empty() {
            let mut buffer = [0; 64];
            loop {
                match self.tty.read(&mut buffer) {
                    Ok(0) => return None,
                    Ok(count) => {
                        self.pending.extend_from_slice(&buffer[..count]);
                        break;
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => return None,
                }
            }
        }
        Some(self.pending.remove(0))
    }

    /// Waits for a key.
    pub fn key(&mut self) -> Key {
        let Some(first) = self.byte() else {
            return Key::Gone;
        };
        if first == 0x1B {
            // A lone escape is followed by nothing for a while.
            if self.waits(50) {
                return self.sequence();
            }
            return ESCAPE;
        }
        if first < 0x80 {
            return Key::Char(char::from(if first == 0x7F { 8 } else { first }));
        }
        let mut bytes = vec![first];
        let length = match first {
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            _ => 1,
        };
        while bytes.len() < length {
            match self.byte() {
                Some(byte) => bytes.push(byte),
                None => return Key::Gone,
            }
        }
        let c = std::str::from_utf8(&bytes)
            .ok()
            .and_then(|text| text.chars().next());
        Key::Char(c.unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    /// What follows an escape.
    fn sequence(&mut self) -> Key {
        match self.byte() {
            Some(b'[' | b'O') => {}
            Some(other) => {
                self.pending.insert(0, other);
                return ESCAPE;
            }
            None => return Key::Gone,
        }
        let mut number = 0u32;
        loop {
            return match self.byte() {
                Some(digit @ b'0'..=b'9') => {
                    number = number
                        .saturating_mul(10)
                        .saturating_add(u32::from(digit - b'0'));
                    continue;
                }
                Some(b';') => {
                    number = 0;
                    continue;
                }
                Some(b'A') => Key::Up,
                Some(b'B') => Key::Down,
                Some(b'C') => Key::Right,
                Some(b'D') => Key::Left,
                Some(b'H') => Key::Home,
                Some(b'F') => Key::End,
                Some(b'~') => match number {
                    1 | 7 => Key::Home,
                    2 => Key::Insert,
                    3 => Key::Delete,
                    4 | 8 => Key::End,
                    5 => Key::PageUp,
                    6 => Key::PageDown,
                    _ => ESCAPE,
                },
                Some(_) => ESCAPE,
                None => Key::Gone,
            };
        }
    }
}

impl std::fmt::Debug for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Screen")
    }
}

//! Keys out of bytes: the sequences of xterm, the Linux console, vt100, screen and rxvt.

use super::{Read, Terminal};
use std::collections::VecDeque;

/// A key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// A character, or a byte that is none: the bytes, and how many.
    Text([u8; 4], usize),
    /// Below 32, or 127
    Control(u8),
    /// Escape and this byte
    Meta(u8),
    Escape,
    Up,
    Down,
    Left,
    Right,
    Home,
    End,
    Delete,
    Insert,
    PageUp,
    PageDown,
    WordLeft,
    WordRight,
    DeleteWord,
    PasteStart,
    /// A sequence that means nothing here
    Unknown,
    /// What a terminal says when it is asked: row and column, from 1
    Position(usize, usize),
    /// A signal came
    Signal,
    /// Nobody typed for too long
    Idle,
    /// The terminal is gone
    Gone,
}

/// How long the bytes of one key may be apart where an escape alone is a key too, in milliseconds.
const APART: i32 = 100;

/// Bytes that were read and not used.
#[derive(Debug, Default)]
pub(crate) struct Input {
    pending: VecDeque<u8>,
}

impl Input {
    pub(crate) fn byte(&mut self, terminal: &mut dyn Terminal, timeout: i32) -> Read {
        match self.pending.pop_front() {
            Some(byte) => Read::Byte(byte),
            None => terminal.read(timeout),
        }
    }

    /// Puts bytes back, to be read first.
    pub(crate) fn unread(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().rev() {
            self.pending.push_front(*byte);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// The next byte of a sequence; a signal does not end it.
    fn more(&mut self, terminal: &mut dyn Terminal, timeout: i32) -> Option<u8> {
        loop {
            match self.byte(terminal, timeout) {
                Read::Byte(byte) => return Some(byte),
                Read::Signal => {}
                Read::Timeout | Read::End => return None,
            }
        }
    }

    /// Waits for a key. `lone`: an escape may be a key of its own, so what belongs to it must follow soon.
    pub(crate) fn key(&mut self, terminal: &mut dyn Terminal, lone: bool, idle: i32) -> Key {
        let first = match self.byte(terminal, idle) {
            Read::Byte(byte) => byte,
            Read::Timeout => return Key::Idle,
            Read::Signal => return Key::Signal,
            Read::End => return Key::Gone,
        };
        match first {
            27 => self.escape(terminal, if lone { APART } else { -1 }),
            0..=31 | 127 => Key::Control(first),
            0xc2..=0xf4 => {
                let length = match first {
                    0xc2..=0xdf => 2,
                    0xe0..=0xef => 3,
                    _ => 4,
                };
                let mut bytes = [first, 0, 0, 0];
                for at in 1..length {
                    match self.more(terminal, 1000) {
                        Some(byte @ 0x80..=0xbf) => {
                            if let Some(place) = bytes.get_mut(at) {
                                *place = byte;
                            }
                        }
                        other => {
                            // It is not UTF-8: its bytes come one by one.
                            if let Some(byte) = other {
                                self.unread(&[byte]);
                            }
                            self.unread(bytes.get(1..at).unwrap_or_default());
                            return Key::Text([first, 0, 0, 0], 1);
                        }
                    }
                }
                Key::Text(bytes, length)
            }
            byte => Key::Text([byte, 0, 0, 0], 1),
        }
    }

    /// What follows an escape. At a slow line, time tells nothing; so only the first byte may be missing.
    fn escape(&mut self, terminal: &mut dyn Terminal, timeout: i32) -> Key {
        match self.more(terminal, timeout) {
            None => Key::Escape,
            Some(b'[') => self.sequence(terminal),
            Some(b'O') => {
                // Meta-O is no key here, so a letter always follows.
                match self.more(terminal, 1000) {
                    Some(letter) => final_letter(letter, false),
                    None => Key::Unknown,
                }
            }
            // Some terminals send Meta and an arrow as an escape and the arrow's sequence.
            Some(27) => match self.escape(terminal, timeout) {
                Key::Left => Key::WordLeft,
                Key::Right => Key::WordRight,
                other => other,
            },
            Some(byte @ 0..=127) => Key::Meta(byte),
            Some(byte) => {
                self.unread(&[byte]);
                Key::Escape
            }
        }
    }

    /// A control sequence, behind its introducer.
    pub(crate) fn sequence(&mut self, terminal: &mut dyn Terminal) -> Key {
        let mut numbers = [0usize; 4];
        let mut at = 0;
        loop {
            let Some(byte) = self.more(terminal, 1000) else {
                return Key::Unknown;
            };
            let [first, second, ..] = numbers;
            // With Ctrl or Alt: 1 and the sum of 2 (Alt) and 4 (Ctrl).
            let held = second > 2;
            return match byte {
                b'0'..=b'9' => {
                    if let Some(number) = numbers.get_mut(at) {
                        *number = number
                            .saturating_mul(10)
                            .saturating_add(usize::from(byte - b'0'));
                    }
                    continue;
                }
                b';' => {
                    at += 1;
                    continue;
                }
                // The Linux console's function keys: one more letter.
                b'[' if first == 0 => {
                    self.more(terminal, 1000);
                    Key::Unknown
                }
                b' '..=b'?' => continue,
                b'R' if first > 0 && second > 0 => Key::Position(first, second),
                b'~' => match first {
                    1 | 7 => Key::Home,
                    2 => Key::Insert,
                    3 if held => Key::DeleteWord,
                    3 => Key::Delete,
                    4 | 8 => Key::End,
                    5 => Key::PageUp,
                    6 => Key::PageDown,
                    200 => Key::PasteStart,
                    _ => Key::Unknown,
                },
                letter => final_letter(letter, held),
            };
        }
    }
}

fn final_letter(letter: u8, held: bool) -> Key {
    match letter {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'C' if held => Key::WordRight,
        b'D' if held => Key::WordLeft,
        b'C' => Key::Right,
        b'D' => Key::Left,
        b'H' => Key::Home,
        b'F' => Key::End,
        // rxvt, with Ctrl
        b'c' => Key::WordRight,
        b'd' => Key::WordLeft,
        // The keypad's Enter
        b'M' => Key::Control(b'\r'),
        _ => Key::Unknown,
    }
}

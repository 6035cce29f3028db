//! The codes of compress: LZW, least bit first, 9 to 16 bits wide, in groups of eight codes of one width.

use super::source::Source;
use std::io::{self, Read};

/// In block mode: forget all strings.
const CLEAR: u16 = 256;

/// Reads what compress packed.
pub struct Decoder {
    source: Source,
    /// The widest code.
    most: u32,
    /// Whether [`CLEAR`] is a code.
    block: bool,
    width: u32,
    /// The group of codes at hand: its bytes, and how many bits of them are read.
    group: [u8; 16],
    group_bits: u32,
    at: u32,
    /// Strings: each is another one and a byte.
    before: Vec<u16>,
    last: Vec<u8>,
    /// How many strings are known; may be one more than codes have room for.
    known: u32,
    previous: Option<u16>,
    first: u8,
    /// What is decoded and not yet read, backwards.
    ready: Vec<u8>,
    /// Reached its end.
    end: bool,
}

impl Decoder {
    /// Reads the head.
    ///
    /// # Errors
    /// It is none, or of a kind that nobody makes.
    pub fn new(mut source: Source) -> io::Result<Decoder> {
        let mut head = [0; 3];
        source.read_exact(&mut head)?;
        let [_, _, flags] = head;
        let most = u32::from(flags & 0x1f);
        if !(9..=16).contains(&most) || flags & 0x60 != 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let block = flags & 0x80 != 0;
        let mut last = vec![0; 1 << 16];
        for (byte, entry) in (0..=255).zip(&mut last) {
            *entry = byte;
        }
        Ok(Decoder {
            source,
            most,
            block,
            width: 9,
            group: [0; 16],
            group_bits: 0,
            at: 0,
            before: vec![0; 1 << 16],
            last,
            known: if block { 257 } else { 256 },
            previous: None,
            first: 0,
            ready: Vec::new(),
            end: false,
        })
    }

    /// Reads the next group; `false` at the end.
    fn group(&mut self) -> io::Result<bool> {
        let length = usize::try_from(self.width).unwrap_or(16);
        let room = self.group.get_mut(..length).unwrap_or_default();
        let count = self.source.read(room)?;
        self.group_bits = u32::try_from(count).unwrap_or(0) * 8;
        self.at = 0;
        Ok(self.group_bits >= self.width)
    }

    fn code(&mut self) -> io::Result<Option<u16>> {
        if self.known >= 1 << self.width && self.width < self.most {
            // The rest of the group is padding.
            self.width += 1;
            self.at = self.group_bits;
        }
        if self.at + self.width > self.group_bits && !self.group()? {
            return Ok(None);
        }
        let mut bits = 0u32;
        let byte = usize::try_from(self.at / 8).unwrap_or(0);
        for place in 0..3 {
            let value = self.group.get(byte + place).copied().unwrap_or(0);
            bits |= u32::from(value) << (8 * place);
        }
        let code = bits >> (self.at % 8) & ((1 << self.width) - 1);
        self.at += self.width;
        Ok(u16::try_from(code).ok())
    }

    /// Decodes one string into `ready`.
    fn string(&mut self) -> io::Result<()> {
        let Some(code) = self.code()? else {
            self.end = true;
            return Ok(());
        };
        if code == CLEAR && self.block {
            self.known = 257;
            self.width = 9;
            self.at = self.group_bits;
            self.previous = None;
            return Ok(());
        }
        let mut rest = code;
        match self.previous {
            None if code > 255 => return Err(io::ErrorKind::InvalidData.into()),
            Some(previous) if u32::from(code) >= self.known => {
                // The string that is only now being made: the one before, and its own first byte.
                if u32::from(code) > self.known || self.known > 0xffff {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                self.ready.push(self.first);
                rest = previous;
            }
            _ => {}
        }
        while rest > 255 {
            let at = usize::from(rest);
            self.ready.push(self.last.get(at).copied().unwrap_or(0));
            // Each string came before the ones made from it, so this ends.
            rest = self.before.get(at).copied().unwrap_or(0);
        }
        self.first = u8::try_from(rest).unwrap_or(0);
        self.ready.push(self.first);
        if let Some(previous) = self.previous
            && self.known < 1 << self.most
            && let Ok(at) = usize::try_from(self.known)
            && let (Some(before), Some(last)) = (self.before.get_mut(at), self.last.get_mut(at))
        {
            *before = previous;
            *last = self.first;
            self.known += 1;
        }
        self.previous = Some(code);
        Ok(())
    }
}

impl Read for Decoder {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(room) = buffer.get_mut(filled) {
            if let Some(byte) = self.ready.pop() {
                *room = byte;
                filled += 1;
            } else if self.end {
                break;
            } else {
                self.string()?;
            }
        }
        Ok(filled)
    }
}

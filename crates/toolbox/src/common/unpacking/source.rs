//! A buffered reader that can be looked into.

use std::io::{self, BufRead, Read};

/// How much is read at a time.
const BLOCK: usize = 64 * 1024;

/// A reader with a buffer. [`Read::read`] gives less than was asked for only at the end: some engines count on it.
pub struct Source {
    reader: Box<dyn Read>,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Source {
    /// Reads from this.
    pub fn new(reader: impl Read + 'static) -> Source {
        Source {
            reader: Box::new(reader),
            buffer: vec![0; BLOCK].into_boxed_slice(),
            start: 0,
            end: 0,
        }
    }

    fn ready(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Puts more into the buffer; 0 at the end.
    fn fill(&mut self) -> io::Result<usize> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        loop {
            match self.reader.read(room) {
                Ok(count) => {
                    self.end += count;
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The next bytes, which stay to be read: so many, or fewer at the end.
    ///
    /// # Errors
    /// The reader's error.
    pub fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        let count = count.min(BLOCK);
        while self.end - self.start < count && self.fill()? > 0 {}
        let ready = self.ready();
        Ok(ready.get(..count).unwrap_or(ready))
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            let ready = self.fill_buf()?;
            if ready.is_empty() {
                break;
            }
            let room = buffer.get_mut(filled..).unwrap_or_default();
            // Reading a slice copies as much as both hold.
            let mut from = ready;
            let count = from.read(room)?;
            self.consume(count);
            filled += count;
        }
        Ok(filled)
    }
}

impl BufRead for Source {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            self.fill()?;
        }
        Ok(self.ready())
    }

    fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
    }
}

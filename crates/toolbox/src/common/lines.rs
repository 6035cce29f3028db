//! Text in and out: records behind a delimiter from a file, and output that remembers its first error.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;

use rustix::stdio;

/// How much is read or written at a time.
const BLOCK: usize = 64 * 1024;

/// Prints a line of what `-v` tells to the standard output. The status: 1 where that failed, which is told.
pub fn tell(applet: &str, line: &[u8]) -> i32 {
    match write_all(stdio::stdout(), &[line, b"\n"].concat()) {
        Ok(()) => 0,
        Err(error) => {
            say(applet, format!("write error: {}", cause(&error)));
            1
        }
    }
}

/// Prints `applet: what: cause` to standard error.
pub fn complain(applet: &str, what: &OsStr, error: &io::Error) {
    let cause = cause(error);
    let mut line = Vec::new();
    line.extend_from_slice(applet.as_bytes());
    line.extend_from_slice(b": ");
    line.extend_from_slice(what.as_encoded_bytes());
    line.extend_from_slice(b": ");
    line.extend_from_slice(cause.as_bytes());
    line.push(b'\n');
    // There is nowhere left to report to when standard error fails.
    let _ = write_all(stdio::stderr(), &line);
}

/// Prints `applet: message` to standard error.
pub fn say(applet: &str, message: impl std::fmt::Display) {
    let _ = write_all(stdio::stderr(), format!("{applet}: {message}\n").as_bytes());
}

/// An error in words of our own.
pub fn other(text: impl Into<String>) -> io::Error {
    io::Error::other(text.into())
}

/// An error with what it was about in front.
pub fn about(what: impl AsRef<OsStr>, error: &io::Error) -> io::Error {
    let what = what.as_ref().display();
    io::Error::new(error.kind(), format!("{what}: {}", cause(error)))
}

/// The status of what was done; an error is told, and is 1.
pub fn status(applet: &str, done: io::Result<i32>) -> i32 {
    done.unwrap_or_else(|error| {
        say(applet, cause(&error));
        1
    })
}

/// Prints a line to standard output.
pub fn say_out(message: &str) {
    let _ = write_all(stdio::stdout(), format!("{message}\n").as_bytes());
}

/// The system's words for an error, without Rust's number behind them.
pub fn cause(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_string(),
        None => text,
    }
}

/// Writes all bytes to a descriptor.
///
/// # Errors
/// The system's error; what was written before it stays written.
pub fn write_all(fd: impl AsFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(&fd, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Opens a file to read; `-` is standard input.
///
/// # Errors
/// The system's error.
pub fn open(path: &OsStr) -> io::Result<File> {
    if path == "-" {
        return Ok(File::from(stdio::stdin().try_clone_to_owned()?));
    }
    File::open(path)
}

/// Buffered standard output. The first error is kept and told by [`Output::finish`]; what follows it is dropped.
#[derive(Debug)]
pub struct Output {
    buffer: Vec<u8>,
    error: Option<io::Error>,
    terminal: bool,
}

impl Default for Output {
    fn default() -> Output {
        Output::new()
    }
}

impl Output {
    /// Standard output; on a terminal each line is written at once.
    pub fn new() -> Output {
        let terminal = rustix::termios::isatty(stdio::stdout());
        Output {
            buffer: Vec::with_capacity(BLOCK),
            error: None,
            terminal,
        }
    }

    /// Whether it goes to a terminal.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Writes bytes.
    pub fn put(&mut self, bytes: &[u8]) {
        if self.buffer.len() + bytes.len() > BLOCK {
            self.flush();
            if bytes.len() >= BLOCK {
                self.write(bytes);
                return;
            }
        }
        self.buffer.extend_from_slice(bytes);
        if self.terminal && bytes.contains(&b'\n') {
            self.flush();
        }
    }

    /// Writes one byte.
    pub fn put_byte(&mut self, byte: u8) {
        self.put(&[byte]);
    }

    /// Hands on what is in the buffer.
    pub fn flush(&mut self) {
        let bytes = std::mem::take(&mut self.buffer);
        self.write(&bytes);
        self.buffer = bytes;
        self.buffer.clear();
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.error.is_none() && !bytes.is_empty() {
            self.error = write_all(stdio::stdout(), bytes).err();
        }
    }

    /// Whether writing has failed, so that going on is of no use.
    pub fn failed(&self) -> bool {
        self.error.is_some()
    }

    /// Hands on what is left and tells the first error; gives `status`, or `bad` after an error.
    pub fn finish(mut self, applet: &str, status: i32, bad: i32) -> i32 {
        self.flush();
        match self.error.take() {
            Some(error) => {
                complain(applet, OsStr::new("write error"), &error);
                bad
            }
            None => status,
        }
    }
}

/// Records out of a reader, each without its delimiter.
pub struct Lines<R> {
    reader: R,
    delimiter: u8,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    searched: usize,
    finished: bool,
}

impl<R: Read> Lines<R> {
    /// Records that end in `delimiter`.
    pub fn new(reader: R, delimiter: u8) -> Lines<R> {
        Lines {
            reader,
            delimiter,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            searched: 0,
            finished: false,
        }
    }

    /// The next record, and whether its delimiter was there (the last one may lack it).
    ///
    /// # Errors
    /// The reader's error.
    pub fn read(&mut self) -> io::Result<Option<(&[u8], bool)>> {
        loop {
            if let Some(length) =
                memchr::memchr(self.delimiter, &self.buffer[self.searched..self.end])
            {
                let line = self.start..self.searched + length;
                self.start = line.end + 1;
                self.searched = self.start;
                return Ok(Some((&self.buffer[line], true)));
            }
            self.searched = self.end;
            if self.finished {
                let line = self.start..self.end;
                self.start = self.end;
                return Ok((!line.is_empty()).then(|| (&self.buffer[line], false)));
            }
            self.fill()?;
        }
    }

    /// All whole records at hand, with their delimiters: a quick way through much text. At the end the last one
    /// may lack its delimiter. None at the end.
    ///
    /// # Errors
    /// The reader's error.
    pub fn block(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            if let Some(length) =
                memchr::memrchr(self.delimiter, &self.buffer[self.searched..self.end])
            {
                let block = self.start..self.searched + length + 1;
                self.start = block.end;
                self.searched = self.start;
                return Ok(Some(&self.buffer[block]));
            }
            self.searched = self.end;
            if self.finished {
                let block = self.start..self.end;
                self.start = self.end;
                return Ok((!block.is_empty()).then(|| &self.buffer[block]));
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.searched -= self.start;
            self.start = 0;
        }
        if self.buffer.len() - self.end < BLOCK / 2 {
            let length = (self.buffer.len() * 2).max(BLOCK);
            self.buffer.resize(length, 0);
        }
        loop {
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(0) => {
                    self.finished = true;
                    return Ok(());
                }
                Ok(count) => {
                    self.end += count;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether no further record follows. May read.
    ///
    /// # Errors
    /// The reader's error.
    pub fn at_end(&mut self) -> io::Result<bool> {
        while self.start == self.end && !self.finished {
            self.fill()?;
        }
        Ok(self.start == self.end)
    }

    /// What was read but not yet given out.
    pub fn rest(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }
}

impl<R> std::fmt::Debug for Lines<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lines")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_and_blocks() {
        let mut lines = Lines::new(&b"a\n\nbc"[..], b'\n');
        assert_eq!(lines.read().unwrap(), Some((&b"a"[..], true)));
        assert_eq!(lines.read().unwrap(), Some((&b""[..], true)));
        assert!(!lines.at_end().unwrap());
        assert_eq!(lines.read().unwrap(), Some((&b"bc"[..], false)));
        assert!(lines.at_end().unwrap());
        assert_eq!(lines.read().unwrap(), None);
        let mut lines = Lines::new(&b"a\nb\nc"[..], b'\n');
        assert_eq!(lines.block().unwrap(), Some(&b"a\nb\n"[..]));
        assert_eq!(lines.block().unwrap(), Some(&b"c"[..]));
        assert_eq!(lines.block().unwrap(), None);
        let long = b"x".repeat(200_000);
        assert_eq!(
            Lines::new(&long[..], b'\n').read().unwrap(),
            Some((&long[..], false))
        );
    }
}

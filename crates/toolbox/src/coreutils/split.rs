//! `split` (POSIX.1-2024): a file in pieces, by lines, bytes, or whole lines within so many bytes.

use crate::common::lines::{Lines, complain, open, say};
use crate::common::options::{Options, size};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

pub const USAGE: &str = "[-l N | -b SIZE | -C SIZE | -n N] [-a LENGTH] [-d] [--additional-suffix TEXT] [file [prefix]]

-l  N lines a piece (1000)    -b  SIZE bytes a piece    -C  whole lines of at most SIZE bytes a piece
-n  N pieces of the same size    -a  the length of the suffix (2)    -d  digits instead of letters";

/// Names of pieces in their order: `xaa`, `xab`, ...
struct Names {
    prefix: Vec<u8>,
    behind: Vec<u8>,
    places: Vec<u8>,
    digits: u8,
    first: u8,
    used_up: bool,
}

impl Names {
    fn next(&mut self) -> Option<OsString> {
        if self.used_up {
            return None;
        }
        let mut name = self.prefix.clone();
        name.extend(self.places.iter().map(|place| self.first + place));
        name.extend_from_slice(&self.behind);
        self.used_up = true;
        for place in self.places.iter_mut().rev() {
            *place += 1;
            if *place < self.digits {
                self.used_up = false;
                break;
            }
            *place = 0;
        }
        Some(OsString::from_vec(name))
    }
}

/// The piece that is written now.
struct Pieces {
    names: Names,
    file: Option<(File, OsString)>,
    /// Small writes are gathered.
    buffer: Vec<u8>,
}

/// What went wrong with which file.
type Failed = (OsString, io::Error);

impl Pieces {
    fn put(&mut self, bytes: &[u8]) -> Result<(), Failed> {
        if self.file.is_none() {
            let Some(name) = self.names.next() else {
                return Err(("output".into(), io::Error::other("suffixes are used up")));
            };
            let file = File::create(&name).map_err(|error| (name.clone(), error))?;
            self.file = Some((file, name));
        }
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= 64 * 1024 {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Failed> {
        if let Some((file, name)) = &mut self.file {
            file.write_all(&self.buffer)
                .map_err(|error| (name.clone(), error))?;
        }
        self.buffer.clear();
        Ok(())
    }

    /// The next byte goes to a new piece.
    fn end(&mut self) -> Result<(), Failed> {
        self.flush()?;
        self.file = None;
        Ok(())
    }
}

enum By {
    Lines(u64),
    Bytes(u64),
    LineBytes(u64),
    Count(u64),
}

pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "split",
        letters: "l:b:C:n:a:d1:",
        long: &[
            ("lines", 'l'),
            ("bytes", 'b'),
            ("line-bytes", 'C'),
            ("number", 'n'),
            ("suffix-length", 'a'),
            ("numeric-suffixes", 'd'),
            ("additional-suffix", '1'),
        ],
    };
    // `-5` of old is `-l 5`.
    let words: Vec<OsString> = arguments
        .iter()
        .map(|word| match word.as_bytes() {
            [b'-', digits @ ..] if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => {
                OsString::from_vec([b"-l", digits].concat())
            }
            _ => word.clone(),
        })
        .collect();
    let given = match options.parse(&words) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 0, 2) {
        return status;
    }
    let kind = given.last_of("lbCn").unwrap_or('l');
    let number = given.value(kind).map_or(Some(1000), size);
    let Some(number @ 1..) = number else {
        return options.wrong(&format!("invalid number for -{kind}"));
    };
    let by = match kind {
        'b' => By::Bytes(number),
        'C' => By::LineBytes(number),
        'n' => By::Count(number),
        _ => By::Lines(number),
    };
    let length = given
        .value('a')
        .map_or(Some(2), |text| text.to_str()?.parse::<usize>().ok());
    let Some(length @ 1..=200) = length else {
        return options.wrong("invalid length of the suffix");
    };
    let input = given
        .operands
        .first()
        .map_or(OsStr::new("-"), OsString::as_os_str);
    let prefix = given
        .operands
        .get(1)
        .map_or(b"x".as_slice(), |text| text.as_bytes());
    let digits = given.has('d');
    let mut pieces = Pieces {
        names: Names {
            prefix: prefix.to_vec(),
            behind: given.value('1').unwrap_or_default().as_bytes().to_vec(),
            places: vec![0; length],
            digits: if digits { 10 } else { 26 },
            first: if digits { b'0' } else { b'a' },
            used_up: false,
        },
        file: None,
        buffer: Vec::new(),
    };
    let done = open(input)
        .map_err(|error| (input.to_owned(), error))
        .and_then(|file| run(file, input, by, &mut pieces))
        .and_then(|()| pieces.end());
    match done {
        Ok(()) => 0,
        Err((name, error)) if name == "output" => {
            say("split", error);
            1
        }
        Err((name, error)) => {
            complain("split", &name, &error);
            1
        }
    }
}

fn run(mut file: File, name: &OsStr, by: By, pieces: &mut Pieces) -> Result<(), Failed> {
    let at = |error: io::Error| (name.to_owned(), error);
    match by {
        By::Bytes(size) => by_bytes(&mut file, name, size, pieces),
        By::Count(count) => {
            let length = file.metadata().map_err(at)?.len();
            let mut start = 0;
            for piece in 1..=count {
                // Rounded as one, so that the pieces are the whole.
                let end = u64::try_from(u128::from(length) * u128::from(piece) / u128::from(count))
                    .unwrap_or(length);
                let mut part = (&mut file).take(end - start);
                pieces.put(b"")?;
                by_bytes(&mut part, name, u64::MAX, pieces)?;
                pieces.end()?;
                start = end;
            }
            Ok(())
        }
        By::Lines(most) => {
            let mut lines = Lines::new(file, b'\n');
            let mut count = 0;
            while let Some((line, ended)) = lines.read().map_err(at)? {
                pieces.put(line)?;
                if ended {
                    pieces.put(b"\n")?;
                }
                count += 1;
                if count == most {
                    pieces.end()?;
                    count = 0;
                }
            }
            Ok(())
        }
        By::LineBytes(most) => {
            let mut lines = Lines::new(file, b'\n');
            let mut filled = 0;
            while let Some((line, ended)) = lines.read().map_err(at)? {
                let mut line = line.to_vec();
                if ended {
                    line.push(b'\n');
                }
                if filled > 0 && filled + line.len() as u64 > most {
                    pieces.end()?;
                    filled = 0;
                }
                // A line that is longer than a piece is cut.
                let step = usize::try_from(most).unwrap_or(usize::MAX);
                for part in line.chunks(step) {
                    if filled > 0 && filled + part.len() as u64 > most {
                        pieces.end()?;
                        filled = 0;
                    }
                    pieces.put(part)?;
                    filled += part.len() as u64;
                }
            }
            Ok(())
        }
    }
}

fn by_bytes(
    input: &mut dyn Read,
    name: &OsStr,
    size: u64,
    pieces: &mut Pieces,
) -> Result<(), Failed> {
    let mut buffer = vec![0; 64 * 1024];
    let mut left = size;
    loop {
        let most = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        match input.read(buffer.get_mut(..most).unwrap_or_default()) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                pieces.put(buffer.get(..count).unwrap_or_default())?;
                left -= count as u64;
                if left == 0 {
                    pieces.end()?;
                    left = size;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err((name.to_owned(), error)),
        }
    }
}

//! What `od`, `hexdump` and `xxd` share: several files as one stream, and numbers made of bytes.

use super::lines::{complain, open};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

/// The names that control characters have in ASCII, from 0 on.
pub const NAMES: [&str; 33] = [
    "nul", "soh", "stx", "etx", "eot", "enq", "ack", "bel", "bs", "ht", "lf", "vt", "ff", "cr",
    "so", "si", "dle", "dc1", "dc2", "dc3", "dc4", "nak", "syn", "etb", "can", "em", "sub", "esc",
    "fs", "gs", "rs", "us", "sp",
];

/// A character as C writes it: `\n`, or itself, or three octal digits.
pub fn c_like(byte: u8) -> String {
    match byte {
        0 => "\\0".into(),
        7 => "\\a".into(),
        8 => "\\b".into(),
        9 => "\\t".into(),
        10 => "\\n".into(),
        11 => "\\v".into(),
        12 => "\\f".into(),
        13 => "\\r".into(),
        b' '..=b'~' => char::from(byte).into(),
        _ => format!("{byte:03o}"),
    }
}

/// A number of up to eight bytes in the machine's order.
pub fn unsigned(bytes: &[u8]) -> u64 {
    let mut all = [0; 8];
    for (to, from) in all.iter_mut().zip(bytes) {
        *to = *from;
    }
    u64::from_le_bytes(all)
}

/// The same with a sign.
pub fn signed(bytes: &[u8]) -> i64 {
    let shift = 64 - 8 * u32::try_from(bytes.len().clamp(1, 8)).unwrap_or(8);
    unsigned(bytes).cast_signed() << shift >> shift
}

/// `-1.5e+03`, as C's `%.*e` has it.
pub fn exponential(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return if value.is_nan() {
            "nan".into()
        } else if value < 0.0 {
            "-inf".into()
        } else {
            "inf".into()
        };
    }
    let text = format!("{value:.digits$e}");
    let Some((mantissa, exponent)) = text.split_once('e') else {
        return text;
    };
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(rest) => ('-', rest),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{exponent:0>2}")
}

/// Files one behind the other. What cannot be read is told and passed over.
#[derive(Debug)]
pub struct Chain {
    applet: &'static str,
    names: std::vec::IntoIter<OsString>,
    now: Option<(File, OsString)>,
    left: u64,
    /// 1 once something could not be read.
    pub status: i32,
}

impl Chain {
    /// The files, or standard input where there are none; at most `limit` bytes of them.
    pub fn new(applet: &'static str, names: &[OsString], limit: u64) -> Chain {
        let names = if names.is_empty() {
            vec!["-".into()]
        } else {
            names.to_vec()
        };
        Chain {
            applet,
            names: names.into_iter(),
            now: None,
            left: limit,
            status: 0,
        }
    }

    fn file(&mut self) -> Option<&mut (File, OsString)> {
        while self.now.is_none() {
            let name = self.names.next()?;
            match open(&name) {
                Ok(file) => self.now = Some((file, name)),
                Err(error) => {
                    complain(self.applet, &name, &error);
                    self.status = 1;
                }
            }
        }
        self.now.as_mut()
    }

    /// Passes over bytes; gives how many there were not.
    pub fn skip(&mut self, mut count: u64) -> u64 {
        while count > 0 {
            let Some((file, _)) = self.file() else {
                return count;
            };
            // Only what is a regular file has a size that can be trusted.
            if let Ok(meta) = file.metadata()
                && meta.is_file()
                && meta.len() > 0
                && let Ok(at) = file.stream_position()
            {
                let rest = meta.len().saturating_sub(at);
                let step = rest.min(count);
                if file.seek(SeekFrom::Start(at + step)).is_ok() {
                    count -= step;
                    if count > 0 {
                        self.now = None;
                    }
                    continue;
                }
            }
            let mut part = vec![0; usize::try_from(count.min(64 * 1024)).unwrap_or(1)];
            let read = self.read(&mut part);
            if read == 0 {
                return count;
            }
            count -= read as u64;
        }
        0
    }

    fn read(&mut self, into: &mut [u8]) -> usize {
        loop {
            let Some((file, name)) = self.file() else {
                return 0;
            };
            match file.read(into) {
                Ok(0) => self.now = None,
                Ok(count) => return count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let name = name.clone();
                    complain(self.applet, &name, &error);
                    self.status = 1;
                    self.now = None;
                }
            }
        }
    }

    /// Fills a block; gives less only at the end.
    pub fn fill(&mut self, block: &mut [u8]) -> usize {
        let most = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(block.len());
        let mut filled = 0;
        while filled < most {
            match self.read(block.get_mut(filled..most).unwrap_or_default()) {
                0 => break,
                count => filled += count,
            }
        }
        self.left -= filled as u64;
        filled
    }
}

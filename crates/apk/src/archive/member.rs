//! Concatenated gzip members (RFC 1952), read one at a time with what is needed of each one's compressed bytes.

use flate2::bufread::GzDecoder;
use ring::digest::{Context, SHA256};
use std::io::{self, BufRead, Read};

/// What is kept of a member's compressed bytes while it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// All of them, up to a limit: signatures are over these.
    Bytes(usize),
    /// Their SHA-256: what `datahash` holds.
    Sha256,
}

/// What was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The bytes, where they were asked for.
    pub bytes: Vec<u8>,
    /// The digest, where it was asked for.
    pub sha256: Vec<u8>,
}

enum Record {
    Nothing,
    Bytes(Vec<u8>, usize),
    Sha256(Context),
}

/// A reader that records what is consumed.
struct Recording<R> {
    inner: R,
    record: Record,
    overflow: bool,
}

impl<R: BufRead> Read for Recording<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(into.len());
        for (to, from) in into.iter_mut().zip(available) {
            *to = *from;
        }
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Recording<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.overflow {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "larger than it may be",
            ));
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        if let Ok(data) = self.inner.fill_buf()
            && let Some(data) = data.get(..count)
        {
            match &mut self.record {
                Record::Nothing => {}
                Record::Bytes(bytes, limit) if bytes.len() + data.len() > *limit => {
                    self.overflow = true
                }
                Record::Bytes(bytes, _) => bytes.extend_from_slice(data),
                Record::Sha256(context) => context.update(data),
            }
        }
        self.inner.consume(count);
    }
}

/// Reads the members of a stream in turn.
pub struct Members<R: BufRead> {
    state: State<R>,
}

#[allow(
    clippy::large_enum_variant,
    reason = "there is one, and it lives as long as its stream"
)]
enum State<R: BufRead> {
    Between(Recording<R>),
    Inside(Box<GzDecoder<Recording<R>>>),
    Broken,
}

impl<R: BufRead> Members<R> {
    /// Begins at the first member.
    pub fn new(inner: R) -> Members<R> {
        Members {
            state: State::Between(Recording {
                inner,
                record: Record::Nothing,
                overflow: false,
            }),
        }
    }

    /// Begins the next member. `false`: the stream is at its end.
    pub fn next(&mut self, keep: Keep) -> io::Result<bool> {
        let State::Between(mut input) = std::mem::replace(&mut self.state, State::Broken) else {
            return Err(io::Error::other("the last member was not read to its end"));
        };
        if input.fill_buf()?.is_empty() {
            self.state = State::Between(input);
            return Ok(false);
        }
        input.record = match keep {
            Keep::Bytes(limit) => Record::Bytes(Vec::new(), limit),
            Keep::Sha256 => Record::Sha256(Context::new(&SHA256)),
        };
        self.state = State::Inside(Box::new(GzDecoder::new(input)));
        Ok(true)
    }

    /// Reads what is left of the member, and returns what was kept of its compressed bytes.
    pub fn finish(&mut self) -> io::Result<Kept> {
        io::copy(self, &mut io::sink())?;
        let State::Inside(decoder) = std::mem::replace(&mut self.state, State::Broken) else {
            return Err(io::Error::other("no member was begun"));
        };
        let mut input = decoder.into_inner();
        let (bytes, sha256) = match std::mem::replace(&mut input.record, Record::Nothing) {
            Record::Nothing => (Vec::new(), Vec::new()),
            Record::Bytes(bytes, _) => (bytes, Vec::new()),
            Record::Sha256(context) => (Vec::new(), context.finish().as_ref().to_vec()),
        };
        if input.overflow {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "larger than it may be",
            ));
        }
        self.state = State::Between(input);
        Ok(Kept { bytes, sha256 })
    }
}

impl<R: BufRead> Read for Members<R> {
    /// Reads the uncompressed bytes of the current member.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match &mut self.state {
            State::Inside(decoder) => decoder.read(into),
            _ => Ok(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn member(data: &[u8]) -> Vec<u8> {
        let mut gz = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(data).unwrap();
        gz.finish().unwrap()
    }

    #[test]
    fn members_come_one_by_one_with_what_was_kept() {
        let (one, two) = (member(b"first"), member(&[7; 100_000]));
        let all = [one.clone(), two.clone()].concat();
        let mut members = Members::new(io::BufReader::with_capacity(64, all.as_slice()));
        assert!(members.next(Keep::Bytes(1000)).unwrap());
        let mut text = String::new();
        members.read_to_string(&mut text).unwrap();
        assert_eq!(text, "first");
        assert_eq!(members.finish().unwrap().bytes, one);
        assert!(members.next(Keep::Sha256).unwrap());
        // Not read at all: finish does it.
        assert_eq!(
            members.finish().unwrap().sha256,
            ring::digest::digest(&SHA256, &two).as_ref()
        );
        assert!(!members.next(Keep::Sha256).unwrap());
    }

    #[test]
    fn a_member_over_its_limit_is_an_error() {
        let whole = member(&[7; 100_000]);
        let mut members = Members::new(whole.as_slice());
        assert!(members.next(Keep::Bytes(10)).unwrap());
        assert!(members.finish().is_err());
    }

    #[test]
    fn a_cut_member_is_an_error() {
        let whole = member(&[7; 100_000]);
        for cut in [1, 5, 12, whole.len() - 1] {
            let mut members = Members::new(&whole[..cut]);
            assert!(members.next(Keep::Sha256).unwrap());
            assert!(members.finish().is_err(), "{cut}");
        }
    }
}

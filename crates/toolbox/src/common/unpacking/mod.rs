//! Reading what is packed, whatever packed it: gzip (RFC 1952), bzip2, xz, lzma, zstd (RFC 8878) and compress.
//!
//! A [`Source`] can be looked into before it is read, so that [`Format::of`] finds out what it holds; an [`Unpacker`]
//! reads what was packed, through all members of a file that is several ones joined. What stands behind the last
//! member and begins no other is left alone, as gzip does.

mod lzw;
mod source;

pub use source::Source;

use bzip2::bufread::BzDecoder;
use flate2::bufread::GzDecoder;
use lzma_rust2::{LzmaReader, XzReader};
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};
use std::io::{self, Read, Write};

/// How something is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// gzip
    Gzip,
    /// bzip2
    Bzip2,
    /// xz
    Xz,
    /// lzma, which xz came from
    Lzma,
    /// zstd
    Zstd,
    /// compress (`.Z`)
    Compress,
}

/// Memory that an lzma file may ask for, in KiB: the largest dictionary that xz makes, and what belongs to it.
const LZMA_LIMIT: u32 = 2 << 20;

impl Format {
    /// What begins with these bytes; six are enough. None: nothing that is known.
    pub fn of(head: &[u8]) -> Option<Format> {
        match head {
            [0x1f, 0x8b, ..] => Some(Format::Gzip),
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Some(Format::Bzip2),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Format::Xz),
            [0x5d, 0, 0, ..] => Some(Format::Lzma),
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
                Some(Format::Zstd)
            }
            [0x1f, 0x9d, ..] => Some(Format::Compress),
            _ => None,
        }
    }
}

enum Member {
    Gzip(Box<GzDecoder<Source>>),
    Bzip2(BzDecoder<Source>),
    Xz(Box<XzReader<Source>>),
    Lzma(Box<LzmaReader<Source>>),
    Zstd(Box<StreamingDecoder<Source, FrameDecoder>>),
    Compress(Box<lzw::Decoder>),
    End,
}

/// Reads what was packed.
pub struct Unpacker {
    member: Member,
}

impl Unpacker {
    /// Reads a source that is packed in this way.
    ///
    /// # Errors
    /// It does not begin as it has to.
    pub fn new(format: Format, source: Source) -> io::Result<Unpacker> {
        Ok(Unpacker {
            member: open(format, source).map_err(plain)?,
        })
    }

    /// Writes all that is in it.
    ///
    /// # Errors
    /// What is packed is damaged or cut off, or the system's error.
    pub fn copy_to(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match self.read(&mut buffer)? {
                0 => return Ok(()),
                count => out.write_all(buffer.get(..count).unwrap_or_default())?,
            }
        }
    }
}

fn open(format: Format, mut source: Source) -> io::Result<Member> {
    Ok(match format {
        Format::Gzip => Member::Gzip(Box::new(GzDecoder::new(source))),
        Format::Bzip2 => Member::Bzip2(BzDecoder::new(source)),
        // It reads its members itself: there may be only whole words of zeros between them.
        Format::Xz => Member::Xz(Box::new(XzReader::new(source, true))),
        Format::Lzma => Member::Lzma(Box::new(LzmaReader::new_mem_limit(
            source, LZMA_LIMIT, None,
        )?)),
        Format::Zstd => {
            loop {
                match source.peek(8)? {
                    // A frame that only its writer understands.
                    [0x50..=0x5f, 0x2a, 0x4d, 0x18, a, b, c, d] => {
                        let length = u64::from(u32::from_le_bytes([*a, *b, *c, *d])) + 8;
                        let skipped = io::copy(&mut (&mut source).take(length), &mut io::sink())?;
                        if skipped < length {
                            return Err(io::ErrorKind::UnexpectedEof.into());
                        }
                    }
                    [] => return Ok(Member::End),
                    _ => break,
                }
            }
            Member::Zstd(Box::new(
                StreamingDecoder::new(source).map_err(io::Error::other)?,
            ))
        }
        Format::Compress => Member::Compress(Box::new(lzw::Decoder::new(source)?)),
    })
}

/// The words for what the engines say in many ways. What the system says stays as it is.
fn plain(error: io::Error) -> io::Error {
    if error.raw_os_error().is_some() {
        return error;
    }
    match error.kind() {
        io::ErrorKind::Interrupted => error,
        io::ErrorKind::UnexpectedEof => io::Error::new(error.kind(), "unexpected end of file"),
        io::ErrorKind::OutOfMemory => io::Error::new(error.kind(), "it needs too much memory"),
        _ => io::Error::new(io::ErrorKind::InvalidData, "corrupted data"),
    }
}

impl Unpacker {
    fn part(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = match &mut self.member {
                Member::Gzip(member) => member.read(buffer)?,
                Member::Bzip2(member) => member.read(buffer)?,
                Member::Xz(member) => member.read(buffer)?,
                Member::Lzma(member) => member.read(buffer)?,
                Member::Zstd(member) => member.read(buffer)?,
                Member::Compress(member) => member.read(buffer)?,
                Member::End => return Ok(0),
            };
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let (format, mut source) = match std::mem::replace(&mut self.member, Member::End) {
                Member::Gzip(member) => (Format::Gzip, member.into_inner()),
                Member::Bzip2(member) => (Format::Bzip2, member.into_inner()),
                Member::Zstd(member) => {
                    let (source, frame) = member.into_parts();
                    // The sum in the file is the lower half of the whole one.
                    if let (Some(there), Some(made)) = (
                        frame.get_checksum_from_data(),
                        frame.get_calculated_checksum(),
                    ) && there != made
                    {
                        return Err(io::ErrorKind::InvalidData.into());
                    }
                    (Format::Zstd, source)
                }
                _ => return Ok(0),
            };
            if Format::of(source.peek(6)?) != Some(format) {
                return Ok(0);
            }
            self.member = open(format, source)?;
        }
    }
}

impl Read for Unpacker {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = self.part(buffer);
        result.map_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                // No engine is asked again after it failed.
                self.member = Member::End;
            }
            plain(error)
        })
    }
}

/// What is in a source, whether it is packed or not.
///
/// # Errors
/// It is packed, and does not begin as it has to; or it cannot be read.
pub fn unpacked(mut source: Source) -> io::Result<Box<dyn Read>> {
    Ok(match Format::of(source.peek(6)?) {
        Some(format) => Box::new(Unpacker::new(format, source)?),
        None => Box::new(source),
    })
}

#[cfg(test)]
mod tests;

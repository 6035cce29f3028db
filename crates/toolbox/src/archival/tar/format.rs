//! The blocks of an archive: headers of 512 bytes, what is in them, and what pax and GNU put before them.

use crate::common::calendar;
use std::io::{self, Read};

const BLOCK: usize = 512;
/// No name or pax record is longer than this.
const LONGEST: u64 = 1 << 20;

/// What an entry is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    #[default]
    File,
    Hard,
    Symlink,
    Char,
    Block,
    Folder,
    Fifo,
    Other,
}

/// An entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    pub name: Vec<u8>,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub size: u64,
    pub mtime: i64,
    pub kind: Kind,
    pub link: Vec<u8>,
    pub user: Vec<u8>,
    pub group: Vec<u8>,
    pub device: (u32, u32),
}

fn put(block: &mut [u8], from: usize, width: usize, bytes: &[u8]) {
    for (to, byte) in block.iter_mut().skip(from).take(width).zip(bytes) {
        *to = *byte;
    }
}

/// Octal with a NUL behind, or GNU's binary form for what is too large.
fn put_number(block: &mut [u8], from: usize, width: usize, value: u64) {
    let text = format!("{value:0digits$o}", digits = width - 1);
    if text.len() < width {
        put(block, from, width, text.as_bytes());
        return;
    }
    let bytes = value.to_be_bytes();
    let mut field = vec![0_u8; width - bytes.len().min(width)];
    field.extend_from_slice(
        bytes
            .get(bytes.len().saturating_sub(width)..)
            .unwrap_or_default(),
    );
    if let Some(first) = field.first_mut() {
        *first |= 0x80;
    }
    put(block, from, width, &field);
}

impl Header {
    /// The header's blocks: with pax records before it where the old fields are too small.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut records = Vec::new();
        let mut record = |key: &str, value: &[u8]| {
            // The length counts itself.
            let body = key.len() + value.len() + 3;
            let mut length = body + 1;
            while length != body + length.to_string().len() {
                length = body + length.to_string().len();
            }
            records.extend_from_slice(format!("{length} {key}=").as_bytes());
            records.extend_from_slice(value);
            records.push(b'\n');
        };
        let (prefix, name) = split_name(&self.name);
        if name.is_none() {
            record("path", &self.name);
        }
        if self.link.len() > 100 {
            record("linkpath", &self.link);
        }
        if self.size >= 1 << 33 {
            record("size", self.size.to_string().as_bytes());
        }
        if !records.is_empty() {
            let extra = Header {
                name: b"././@PaxHeader".to_vec(),
                mode: 0o644,
                size: records.len() as u64,
                mtime: 0,
                ..Header::default()
            };
            out.extend_from_slice(&extra.block(b'x', b"", &extra.name));
            out.extend_from_slice(&records);
            out.resize(out.len().div_ceil(BLOCK) * BLOCK, 0);
        }
        let letter = match self.kind {
            Kind::File | Kind::Other => b'0',
            Kind::Hard => b'1',
            Kind::Symlink => b'2',
            Kind::Char => b'3',
            Kind::Block => b'4',
            Kind::Folder => b'5',
            Kind::Fifo => b'6',
        };
        let name = name.unwrap_or_else(|| self.name.get(..100).unwrap_or(&self.name));
        out.extend_from_slice(&self.block(letter, prefix, name));
        out
    }

    fn block(&self, letter: u8, prefix: &[u8], name: &[u8]) -> Vec<u8> {
        let mut block = vec![0_u8; BLOCK];
        put(&mut block, 0, 100, name);
        put_number(&mut block, 100, 8, u64::from(self.mode));
        put_number(&mut block, 108, 8, u64::from(self.uid));
        put_number(&mut block, 116, 8, u64::from(self.gid));
        put_number(&mut block, 124, 12, self.size);
        put_number(&mut block, 136, 12, u64::try_from(self.mtime).unwrap_or(0));
        put(&mut block, 148, 8, b"        ");
        put(&mut block, 156, 1, &[letter]);
        put(&mut block, 157, 100, &self.link);
        put(&mut block, 257, 8, b"ustar\x0000");
        put(&mut block, 265, 31, &self.user);
        put(&mut block, 297, 31, &self.group);
        put_number(&mut block, 329, 8, u64::from(self.device.0));
        put_number(&mut block, 337, 8, u64::from(self.device.1));
        put(&mut block, 345, 155, prefix);
        let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
        put(&mut block, 148, 8, format!("{sum:06o}\0 ").as_bytes());
        block
    }

    /// What `tar -tv` prints before the name.
    pub fn long_line(&self, numeric: bool) -> String {
        let kind = match self.kind {
            Kind::Folder => 'd',
            Kind::Symlink => 'l',
            Kind::Hard => 'h',
            Kind::Char => 'c',
            Kind::Block => 'b',
            Kind::Fifo => 'p',
            Kind::File | Kind::Other => '-',
        };
        let mut text = String::from(kind);
        for (shift, special, set, unset) in [
            (6, 0o4000, 's', 'S'),
            (3, 0o2000, 's', 'S'),
            (0, 0o1000, 't', 'T'),
        ] {
            let bits = self.mode >> shift & 7;
            text.push(if bits & 4 != 0 { 'r' } else { '-' });
            text.push(if bits & 2 != 0 { 'w' } else { '-' });
            text.push(match (self.mode & special != 0, bits & 1 != 0) {
                (true, true) => set,
                (true, false) => unset,
                (false, true) => 'x',
                (false, false) => '-',
            });
        }
        let who = |name: &[u8], id: u32| {
            if numeric || name.is_empty() {
                id.to_string()
            } else {
                String::from_utf8_lossy(name).into_owned()
            }
        };
        let owner = format!(
            "{}/{}",
            who(&self.user, self.uid),
            who(&self.group, self.gid)
        );
        let at = calendar::moment(self.mtime + sys::kernel::local_offset(self.mtime));
        text.push_str(&format!(
            " {owner} {:>9} {:04}-{:02}-{:02} {:02}:{:02}:{:02} ",
            self.size, at.year, at.month, at.day, at.hour, at.minute, at.second
        ));
        text
    }
}

/// A name as prefix and rest, split at a slash where it is too long; no rest: it does not fit.
fn split_name(name: &[u8]) -> (&[u8], Option<&[u8]>) {
    if name.len() <= 100 {
        return (b"", Some(name));
    }
    for (at, byte) in name.iter().enumerate().take(156) {
        if *byte == b'/' && at > 0 && name.len() - at - 1 <= 100 && at + 1 < name.len() {
            return (name.get(..at).unwrap_or_default(), name.get(at + 1..));
        }
    }
    (b"", None)
}

/// Reads an archive entry by entry; between two calls of [`Reader::next`] the data is read or skipped.
pub struct Reader<'a> {
    input: &'a mut dyn Read,
}

impl<'a> Reader<'a> {
    /// Reads from here on.
    pub fn new(input: &'a mut dyn Read) -> Reader<'a> {
        Reader { input }
    }

    fn block(&mut self) -> io::Result<Option<[u8; BLOCK]>> {
        let mut block = [0_u8; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.input.read(block.get_mut(filled..).unwrap_or_default()) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(short()),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Some(block))
    }

    /// The next entry; `None`: the end.
    pub fn next(&mut self) -> io::Result<Option<Header>> {
        let (mut long_name, mut long_link) = (None, None);
        let mut records: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        loop {
            let Some(block) = self.block()? else {
                return Ok(None);
            };
            if block.iter().all(|byte| *byte == 0) {
                return Ok(None);
            }
            let (letter, mut header) = parse(&block)?;
            match letter {
                b'L' => long_name = Some(self.text(header.size)?),
                b'K' => long_link = Some(self.text(header.size)?),
                b'x' | b'X' => pax(&self.bytes(header.size)?, &mut records),
                // What is for all entries says nothing that we need.
                b'g' => self.skip(header.size)?,
                _ => {
                    if let Some(name) = long_name {
                        header.name = name;
                    }
                    if let Some(link) = long_link {
                        header.link = link;
                    }
                    for (key, value) in records {
                        let number = std::str::from_utf8(&value)
                            .ok()
                            .and_then(|text| text.split('.').next()?.parse::<i64>().ok());
                        match key.as_slice() {
                            b"path" => header.name = value,
                            b"linkpath" => header.link = value,
                            b"uname" => header.user = value,
                            b"gname" => header.group = value,
                            b"size" => {
                                header.size = number
                                    .and_then(|n| u64::try_from(n).ok())
                                    .unwrap_or(header.size)
                            }
                            b"mtime" => header.mtime = number.unwrap_or(header.mtime),
                            b"uid" => {
                                header.uid = number
                                    .and_then(|n| u32::try_from(n).ok())
                                    .unwrap_or(header.uid)
                            }
                            b"gid" => {
                                header.gid = number
                                    .and_then(|n| u32::try_from(n).ok())
                                    .unwrap_or(header.gid)
                            }
                            _ => {}
                        }
                    }
                    // Old archives have folders as files whose names end in a slash.
                    if header.kind == Kind::File && header.name.ends_with(b"/") {
                        header.kind = Kind::Folder;
                    }
                    if !matches!(header.kind, Kind::File | Kind::Other) {
                        self.skip(header.size)?;
                        header.size = 0;
                    }
                    return Ok(Some(header));
                }
            }
        }
    }

    fn bytes(&mut self, size: u64) -> io::Result<Vec<u8>> {
        if size > LONGEST {
            return Err(io::Error::other("a name that is too long"));
        }
        let mut bytes = Vec::new();
        self.copy(size, &mut |part| {
            bytes.extend_from_slice(part);
            Ok(())
        })?;
        Ok(bytes)
    }

    fn text(&mut self, size: u64) -> io::Result<Vec<u8>> {
        let mut bytes = self.bytes(size)?;
        let end = bytes
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(bytes.len());
        bytes.truncate(end);
        Ok(bytes)
    }

    /// Hands on an entry's data.
    pub fn copy(
        &mut self,
        size: u64,
        each: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut left = size;
        let mut padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
        let mut buffer = vec![0_u8; 32 * 1024];
        while left > 0 || padding > 0 {
            let want = if left > 0 { left } else { padding };
            let most = usize::try_from(want)
                .unwrap_or(usize::MAX)
                .min(buffer.len());
            let count = match self.input.read(buffer.get_mut(..most).unwrap_or_default()) {
                Ok(0) => return Err(short()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if left > 0 {
                left -= count as u64;
                each(buffer.get(..count).unwrap_or_default())?;
            } else {
                padding -= count as u64;
            }
        }
        Ok(())
    }

    /// Passes over an entry's data.
    pub fn skip(&mut self, size: u64) -> io::Result<()> {
        self.copy(size, &mut |_| Ok(()))
    }
}

fn short() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "short read: the archive ends too early",
    )
}

fn pax(mut text: &[u8], into: &mut Vec<(Vec<u8>, Vec<u8>)>) {
    loop {
        let Some(blank) = text.iter().position(|byte| *byte == b' ') else {
            return;
        };
        let length = text
            .get(..blank)
            .and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<usize>().ok());
        let Some(record) = length.and_then(|length| text.get(blank + 1..length)) else {
            return;
        };
        let record = record.strip_suffix(b"\n").unwrap_or(record);
        if let Some(at) = record.iter().position(|byte| *byte == b'=') {
            let (key, value) = record.split_at(at);
            into.push((key.to_vec(), value.get(1..).unwrap_or_default().to_vec()));
        }
        text = text.get(length.unwrap_or(text.len())..).unwrap_or_default();
    }
}

fn number(field: &[u8]) -> Option<u64> {
    if field.first()? & 0x80 != 0 {
        let mut value = 0_u64;
        for (at, byte) in field.iter().enumerate() {
            let byte = if at == 0 { byte & 0x7f } else { *byte };
            value = value.checked_mul(256)?.checked_add(u64::from(byte))?;
        }
        return Some(value);
    }
    let text = std::str::from_utf8(field).ok()?;
    let text = text.trim_matches(|c| c == '\0' || c == ' ');
    if text.is_empty() {
        return Some(0);
    }
    u64::from_str_radix(text, 8).ok()
}

fn parse(block: &[u8; BLOCK]) -> io::Result<(u8, Header)> {
    let bad = || {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "invalid tar header checksum: no archive, or damaged",
        )
    };
    let field = |from: usize, width: usize| block.get(from..from + width).unwrap_or_default();
    let stated = number(field(148, 8)).ok_or_else(bad)?;
    let sum: u64 = block
        .iter()
        .enumerate()
        .map(|(at, byte)| {
            if (148..156).contains(&at) {
                32
            } else {
                u64::from(*byte)
            }
        })
        .sum();
    if sum != stated {
        return Err(bad());
    }
    let text = |from: usize, width: usize| {
        let field = field(from, width);
        let end = field
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(field.len());
        field.get(..end).unwrap_or_default().to_vec()
    };
    let small = |from: usize| number(field(from, 8)).and_then(|n| u32::try_from(n).ok());
    let mut name = text(0, 100);
    let ustar = field(257, 5) == b"ustar";
    // GNU's own form keeps other things where the prefix would be.
    if field(257, 6) == b"ustar\0" {
        let prefix = text(345, 155);
        if !prefix.is_empty() {
            name = [&prefix, &b"/"[..], &name].concat();
        }
    }
    let letter = block.get(156).copied().unwrap_or(0);
    let kind = match letter {
        0 | b'0' | b'7' => Kind::File,
        b'1' => Kind::Hard,
        b'2' => Kind::Symlink,
        b'3' => Kind::Char,
        b'4' => Kind::Block,
        b'5' => Kind::Folder,
        b'6' => Kind::Fifo,
        _ => Kind::Other,
    };
    Ok((
        letter,
        Header {
            name,
            mode: small(100).ok_or_else(bad)? & 0o7777,
            uid: small(108).ok_or_else(bad)?,
            gid: small(116).ok_or_else(bad)?,
            // Some write a link's size, and no data.
            size: match letter {
                b'1'..=b'6' => 0,
                _ => number(field(124, 12)).ok_or_else(bad)?,
            },
            mtime: number(field(136, 12))
                .and_then(|n| i64::try_from(n).ok())
                .unwrap_or(0),
            kind,
            link: text(157, 100),
            user: if ustar { text(265, 32) } else { Vec::new() },
            group: if ustar { text(297, 32) } else { Vec::new() },
            device: (small(329).unwrap_or(0), small(337).unwrap_or(0)),
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(header: &Header, data: &[u8]) -> Header {
        let mut bytes = header.encode();
        bytes.extend_from_slice(data);
        bytes.resize(bytes.len().div_ceil(BLOCK) * BLOCK, 0);
        bytes.extend_from_slice(&[0; 1024]);
        let mut input = bytes.as_slice();
        let mut reader = Reader::new(&mut input);
        let found = reader.next().unwrap().unwrap();
        reader.skip(found.size).unwrap();
        assert_eq!(reader.next().unwrap(), None);
        found
    }

    #[test]
    fn headers_come_back() {
        let mut header = Header {
            name: b"a/b".to_vec(),
            mode: 0o4755,
            uid: 1000,
            gid: 3_000_000,
            size: 5,
            mtime: 1_767_225_600,
            user: b"root".to_vec(),
            ..Header::default()
        };
        assert_eq!(round(&header, b"hello"), header);
        header.name = [b"d".repeat(120), b"/".to_vec(), b"f".repeat(90)].concat();
        assert_eq!(round(&header, b"hello"), header);
        header.name = b"x".repeat(300);
        assert_eq!(round(&header, b"hello"), header);
        header = Header {
            kind: Kind::Symlink,
            link: b"y".repeat(150),
            name: b"l".to_vec(),
            ..Header::default()
        };
        assert_eq!(round(&header, b""), header);
    }

    #[test]
    fn damage_is_told() {
        let header = Header {
            name: b"a".to_vec(),
            size: 3,
            ..Header::default()
        };
        let mut bytes = header.encode();
        for at in [0, 100, 124, 156] {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            let mut input = bad.as_slice();
            assert!(Reader::new(&mut input).next().is_err(), "{at}");
        }
        bytes.extend_from_slice(b"ab");
        let mut input = bytes.as_slice();
        let mut reader = Reader::new(&mut input);
        let found = reader.next().unwrap().unwrap();
        assert!(reader.skip(found.size).is_err());
    }
}

//! A module's file taken apart: its `.modinfo`, and the symbols that it has and needs (elf(5)).

use crate::common::lines::other;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// No module is larger.
const LARGEST: u64 = 256 << 20;

/// Reads a module's file, unpacked where it is packed with gzip.
///
/// # Errors
/// The system's error, or that it is packed in another way.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST).read_to_end(&mut bytes)?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut image = Vec::new();
        flate2::read::MultiGzDecoder::new(bytes.as_slice())
            .take(LARGEST)
            .read_to_end(&mut image)?;
        return Ok(image);
    }
    if bytes.starts_with(b"\xfd7zXZ") || bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        return Err(other("it is packed with something else than gzip"));
    }
    Ok(bytes)
}

/// The image of a module.
pub struct Image<'a> {
    bytes: &'a [u8],
    wide: bool,
    little: bool,
    sections: Vec<Section<'a>>,
}

/// A section: its name, its contents, and the section that it refers to.
struct Section<'a> {
    name: &'a [u8],
    data: &'a [u8],
    kind: u64,
    link: usize,
}

/// Up to the NUL.
fn text(bytes: &[u8], at: usize) -> Option<&[u8]> {
    bytes.get(at..)?.split(|byte| *byte == 0).next()
}

impl<'a> Image<'a> {
    /// Reads it. `None`: it is no ELF file, or damaged.
    pub fn parse(bytes: &'a [u8]) -> Option<Image<'a>> {
        if !bytes.starts_with(b"\x7fELF") {
            return None;
        }
        let mut image = Image {
            bytes,
            wide: *bytes.get(4)? == 2,
            little: *bytes.get(5)? == 1,
            sections: Vec::new(),
        };
        let (table, size, count, names) = if image.wide {
            (
                image.number(40, 8)?,
                image.number(58, 2)?,
                image.number(60, 2)?,
                image.number(62, 2)?,
            )
        } else {
            (
                image.number(32, 4)?,
                image.number(46, 2)?,
                image.number(48, 2)?,
                image.number(50, 2)?,
            )
        };
        let header = |index: u64| -> Option<usize> {
            usize::try_from(table.checked_add(index.checked_mul(size)?)?).ok()
        };
        let names = image.section(header(names)?)?.data;
        let mut sections = Vec::new();
        for index in 0..count {
            let at = header(index)?;
            let mut section = image.section(at)?;
            let name = usize::try_from(image.number(at, 4)?).ok()?;
            section.name = text(names, name)?;
            sections.push(section);
        }
        image.sections = sections;
        Some(image)
    }

    fn number(&self, at: usize, length: usize) -> Option<u64> {
        let bytes = self.bytes.get(at..at.checked_add(length)?)?;
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(if self.little {
            bytes.iter().rev().fold(0, add)
        } else {
            bytes.iter().fold(0, add)
        })
    }

    fn section(&self, at: usize) -> Option<Section<'a>> {
        let (kind, start, length, link) = if self.wide {
            (
                at + 4,
                self.number(at + 24, 8)?,
                self.number(at + 32, 8)?,
                at + 40,
            )
        } else {
            (
                at + 4,
                self.number(at + 16, 4)?,
                self.number(at + 20, 4)?,
                at + 24,
            )
        };
        let kind = self.number(kind, 4)?;
        let start = usize::try_from(start).ok()?;
        // A section without contents in the file.
        let length = if kind == 8 {
            0
        } else {
            usize::try_from(length).ok()?
        };
        Some(Section {
            name: b"",
            data: self.bytes.get(start..start.checked_add(length)?)?,
            kind,
            link: usize::try_from(self.number(link, 4)?).ok()?,
        })
    }

    /// The fields of `.modinfo`: name and value.
    pub fn fields(&self) -> Vec<(&'a [u8], &'a [u8])> {
        let all = self
            .sections
            .iter()
            .filter(|section| section.name == b".modinfo");
        all.flat_map(|section| section.data.split(|byte| *byte == 0))
            .filter_map(|field| {
                let at = field.iter().position(|byte| *byte == b'=')?;
                Some((field.get(..at)?, field.get(at + 1..)?))
            })
            .collect()
    }

    /// The symbols' names: those that it has for others, and those that it needs.
    pub fn symbols(&self) -> (Vec<&'a [u8]>, Vec<&'a [u8]>) {
        let (mut exported, mut needed) = (Vec::new(), Vec::new());
        // What is exported lies by name in a section of its own, with NULs between.
        for section in &self.sections {
            if section.name == b"__ksymtab_strings" {
                let names = section.data.split(|byte| *byte == 0);
                exported.extend(names.filter(|name| !name.is_empty()));
            }
        }
        let table = self.sections.iter().find(|section| section.kind == 2);
        let Some((table, strings)) =
            table.and_then(|table| Some((table, self.sections.get(table.link)?)))
        else {
            return (exported, needed);
        };
        let size = if self.wide { 24 } else { 16 };
        let value = |bytes: &[u8]| -> usize {
            let add = |sum: usize, byte: &u8| sum << 8 | usize::from(*byte);
            if self.little {
                bytes.iter().rev().fold(0, add)
            } else {
                bytes.iter().fold(0, add)
            }
        };
        for symbol in table.data.chunks_exact(size).skip(1) {
            let place = if self.wide { 6..8 } else { 14..16 };
            // Defined nowhere here.
            let undefined = symbol.get(place).is_some_and(|index| index == [0, 0]);
            let name = symbol
                .get(..4)
                .and_then(|name| text(strings.data, value(name)));
            if let Some(name) = name.filter(|name| undefined && !name.is_empty()) {
                needed.push(name);
            }
        }
        (exported, needed)
    }
}

/// A module as the compiler would lay it out, for tests.
#[cfg(test)]
pub fn sample(fields: &[&str], exported: &[&str], needed: &[&str]) -> Vec<u8> {
    let mut parts: Vec<(&str, u32, u32, Vec<u8>)> = vec![("", 0, 0, Vec::new())];
    let joined = |all: &[&str]| {
        let mut bytes = Vec::new();
        for text in all {
            bytes.extend(text.bytes());
            bytes.push(0);
        }
        bytes
    };
    parts.push((".modinfo", 1, 0, joined(fields)));
    parts.push(("__ksymtab_strings", 1, 0, joined(exported)));
    let (mut strings, mut table) = (vec![0], vec![0; 24]);
    for name in needed {
        table.extend(u32::try_from(strings.len()).unwrap().to_le_bytes());
        table.extend([0; 20]);
        strings.extend(name.bytes());
        strings.push(0);
    }
    parts.push((".symtab", 2, 4, table));
    parts.push((".strtab", 3, 0, strings));
    let mut names = vec![0];
    let mut places = vec![0_u32];
    for (name, ..) in parts.iter().skip(1) {
        places.push(u32::try_from(names.len()).unwrap());
        names.extend(name.bytes());
        names.push(0);
    }
    places.push(0);
    parts.push(("", 3, 0, names));
    let mut image = b"\x7fELF\x02\x01\x01".to_vec();
    image.resize(64, 0);
    let mut headers = Vec::new();
    for ((_, kind, link, data), place) in parts.iter().zip(places) {
        headers.extend(place.to_le_bytes());
        headers.extend(kind.to_le_bytes());
        headers.extend([0; 16]);
        headers.extend((image.len() as u64).to_le_bytes());
        headers.extend((data.len() as u64).to_le_bytes());
        headers.extend(link.to_le_bytes());
        headers.extend([0; 20]);
        image.extend(data);
    }
    let table = image.len() as u64;
    image[40..48].copy_from_slice(&table.to_le_bytes());
    image[58..60].copy_from_slice(&64_u16.to_le_bytes());
    image[60..62].copy_from_slice(&6_u16.to_le_bytes());
    image[62..64].copy_from_slice(&5_u16.to_le_bytes());
    image.extend(headers);
    image
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_symbols() {
        let bytes = sample(
            &["license=GPL", "parm=a:b=c", "x"],
            &["one", "two"],
            &["need"],
        );
        let image = Image::parse(&bytes).unwrap();
        assert_eq!(
            image.fields(),
            [(&b"license"[..], &b"GPL"[..]), (b"parm", b"a:b=c")]
        );
        let (exported, needed) = image.symbols();
        assert_eq!(exported, [b"one", b"two"]);
        assert_eq!(needed, [b"need"]);
    }

    #[test]
    fn damage_is_noticed() {
        let bytes = sample(&["license=GPL"], &["one"], &["need"]);
        for end in 0..bytes.len() {
            if let Some(image) = Image::parse(&bytes[..end]) {
                image.fields();
                image.symbols();
            }
        }
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] = 0xff;
            if let Some(image) = Image::parse(&bytes) {
                image.fields();
                image.symbols();
            }
        }
        assert!(Image::parse(b"#!/bin/sh").is_none());
    }
}

//! The index of a repository: `APKINDEX.tar.gz`, a signature member and a member with `DESCRIPTION` and `APKINDEX`
//! (docs/formats/index.md).

use crate::archive::member::{Keep, Members};
use crate::archive::tar::{Entry, Kind, Reader, Writer};
use crate::keys::{Algorithm, KeyRing, Signature, Trust};
use crate::package::PackageError;
use crate::record::Record;
use flate2::{Compression, GzBuilder};
use std::fmt::Write as _;
use std::io::{self, BufRead, Read};

/// The largest index that is read, compressed: ten times Alpine's largest.
const LARGEST: usize = 64 << 20;
/// And unpacked.
const LARGEST_TEXT: u64 = 512 << 20;

/// An index that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// It cannot be read, or its compression or tar is broken.
    #[error("BAD archive: {0}")]
    Read(#[from] io::Error),
    /// There is no `APKINDEX` in it.
    #[error("BAD archive: no APKINDEX in it")]
    Empty,
    /// A line says something impossible.
    #[error("line {0}: {1}")]
    Line(usize, String),
}

/// What an index holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// The repository's description of itself.
    pub description: String,
    /// Its packages.
    pub packages: Vec<Record>,
}

impl Index {
    /// Reads an index and says what its signatures are worth.
    pub fn read(input: impl BufRead, keys: &KeyRing) -> Result<(Index, Trust), IndexError> {
        let mut members = Members::new(input);
        let mut signatures = Vec::new();
        while members.next(Keep::Bytes(LARGEST))? {
            let mut tar = Reader::new(&mut members);
            let (mut description, mut text) = (String::new(), None);
            while let Some(entry) = tar.next_entry()? {
                let mut bytes = Vec::new();
                if entry.size > LARGEST_TEXT {
                    return Err(IndexError::Read(io::Error::other("larger than it may be")));
                }
                tar.read_to_end(&mut bytes)?;
                if let Some((algorithm, key)) = Algorithm::of_file(&entry.path) {
                    signatures.push(Signature {
                        algorithm,
                        key,
                        bytes,
                    });
                } else if entry.path == b"DESCRIPTION" {
                    description = String::from_utf8_lossy(&bytes).trim_end().to_owned();
                } else if entry.path == b"APKINDEX" {
                    text = Some(bytes);
                }
            }
            let bytes = members.finish()?.bytes;
            if let Some(text) = text {
                let packages = parse(&String::from_utf8_lossy(&text))?;
                return Ok((
                    Index {
                        description,
                        packages,
                    },
                    keys.verify(&signatures, &bytes),
                ));
            }
        }
        Err(IndexError::Empty)
    }

    /// The whole file, signed by `sign`. The same packages give the same bytes.
    pub fn write(
        &self,
        mtime: u64,
        sign: &dyn Fn(&[u8]) -> Result<Option<Signature>, PackageError>,
    ) -> Result<Vec<u8>, PackageError> {
        let mut text = String::new();
        for package in &self.packages {
            package.write(&mut text);
            text.push('\n');
        }
        let gz = GzBuilder::new()
            .mtime(0)
            .write(Vec::new(), Compression::best());
        let mut tar = Writer::new(gz);
        for (name, bytes) in [
            ("DESCRIPTION", self.description.as_bytes()),
            ("APKINDEX", text.as_bytes()),
        ] {
            let mut entry = Entry::new(name, Kind::File, 0o644);
            entry.size = bytes.len() as u64;
            entry.mtime = mtime;
            tar.append(&entry, &mut &*bytes)?;
        }
        let index = tar.finish()?.finish()?;
        let mut out = match sign(&index)? {
            Some(signature) => crate::package::signature_member(&signature, mtime)?,
            None => Vec::new(),
        };
        out.extend_from_slice(&index);
        Ok(out)
    }
}

/// Reads the text of `APKINDEX`.
pub fn parse(text: &str) -> Result<Vec<Record>, IndexError> {
    let mut packages = Vec::new();
    let mut current: Option<Record> = None;
    for (number, line) in (1..).zip(text.lines()) {
        if line.is_empty() {
            packages.extend(current.take());
            continue;
        }
        let bad = |what: &str| IndexError::Line(number, what.to_owned());
        let mut letters = line.chars();
        let (Some(field), Some(':')) = (letters.next(), letters.next()) else {
            return Err(bad("no field and value"));
        };
        let record = current.get_or_insert_with(Record::empty);
        if !record
            .take(field, letters.as_str())
            .map_err(|what| bad(&what))?
            && field.is_ascii_uppercase()
        {
            record.unknown_field = Some(field);
        }
    }
    packages.extend(current);
    if let Some(package) = packages.iter().find(|package| package.name.is_empty()) {
        let mut what = String::from("a package without a name");
        let _ = write!(what, " ({})", package.identity);
        return Err(IndexError::Line(0, what));
    }
    Ok(packages)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "C:Q1tSkoTFnMfGIC/3Mh9GTn0+XTHPE=\nP:musl\nV:1.2.5-r0\nA:x86_64\nS:400000\nI:650000\nT:the C library\nU:https://musl.libc.org/\nL:MIT\no:musl\nt:1700000000\nk:5\nD:a>=1 !b\np:so:libc.musl-x86_64.so.1=1\ni:c=1 d\n";

    #[test]
    fn text_both_ways() {
        let packages = parse(TEXT).unwrap();
        let mut out = String::new();
        packages[0].write(&mut out);
        assert_eq!(out, TEXT);
    }

    #[test]
    fn a_file_reads_back_and_damage_is_found() {
        let index = Index {
            description: "ours".into(),
            packages: parse(TEXT).unwrap(),
        };
        let bytes = index.write(1, &|_| Ok(None)).unwrap();
        assert_eq!(bytes, index.write(1, &|_| Ok(None)).unwrap());
        let (again, trust) = Index::read(bytes.as_slice(), &KeyRing::default()).unwrap();
        assert_eq!((again, trust), (index, Trust::Unknown));
        for cut in 0..bytes.len() {
            assert!(
                Index::read(&bytes[..cut], &KeyRing::default()).is_err(),
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn a_new_upper_case_field_is_kept_in_mind_and_a_lower_case_one_is_not() {
        let packages = parse("C:Q1tSkoTFnMfGIC/3Mh9GTn0+XTHPE=\nP:a\nV:1\nX:?\nz:?\n").unwrap();
        assert_eq!(packages[0].unknown_field, Some('X'));
    }

    #[test]
    fn dependencies_that_are_none_make_a_package_uninstallable() {
        for text in ["P:a\nD:b =\n", "P:a\nD:b@edge\n"] {
            assert_eq!(parse(text).unwrap()[0].unknown_field, Some('D'), "{text}");
        }
        assert_eq!(parse("P:a\ni:b =\n").unwrap()[0].install_if, []);
    }

    #[test]
    fn impossible_lines_are_named() {
        for (text, line) in [
            ("P:a\nnonsense\n", 2),
            ("C:Q1zz\n", 1),
            ("P:a\nV:1\nS:many\n", 3),
        ] {
            match parse(text) {
                Err(IndexError::Line(number, _)) => assert_eq!(number, line, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}

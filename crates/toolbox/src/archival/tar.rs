//! `tar`: ustar, pax and GNU archives (POSIX.1-2024 pax(1)).
//!
//! Unpacking never leaves the folder: names lose what stands before the last `..` in them and leading slashes, and no
//! link leads out, whoever put it in the way.

mod format;
mod make;
mod take;

use crate::common::glob;
use crate::common::lines::complain;
use crate::common::options::{Given, Options};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

pub const USAGE: &str = "-c|-x|-t [-zjhkmOpvP] [-f FILE] [-C FOLDER] [-T FILE] [-X FILE] [--exclude PATTERN]
    [--strip-components N] [--numeric-owner] [--no-same-owner] [--overwrite] [-a] [file...]

-c  make    -x  unpack    -t  list    -f  the archive (- is standard input or output)
-z  gzip    -j  bzip2    -a  what the name says    -C  go to a folder first
    (gzip, bzip2, xz, lzma, zstd and compress are found out when an archive is read)
-h  what links lead to    -k  keep what is there    -m  no times    -O  to standard output    -p  modes as they are
-v  say what is done    -T  names from a file    -X  patterns to leave out from a file";

const OPTIONS: Options = Options {
    applet: "tar",
    letters: "cxtzahkmOpvPjJf:C:T:X:o1:2345:U",
    long: &[
        ("create", 'c'),
        ("extract", 'x'),
        ("get", 'x'),
        ("list", 't'),
        ("gzip", 'z'),
        ("auto-compress", 'a'),
        ("dereference", 'h'),
        ("keep-old-files", 'k'),
        ("touch", 'm'),
        ("to-stdout", 'O'),
        ("same-permissions", 'p'),
        ("preserve-permissions", 'p'),
        ("verbose", 'v'),
        ("absolute-names", 'P'),
        ("file", 'f'),
        ("directory", 'C'),
        ("files-from", 'T'),
        ("exclude-from", 'X'),
        ("no-same-owner", 'o'),
        ("exclude", '1'),
        ("numeric-owner", '2'),
        ("overwrite", '3'),
        ("same-owner", '4'),
        ("strip-components", '5'),
        ("strip", '5'),
        ("unlink-first", 'U'),
        ("bzip2", 'j'),
        ("xz", 'J'),
    ],
};

/// Runs it.
pub fn main(arguments: &[OsString]) -> i32 {
    // `tar xzf a.tgz`: the first word is letters although it has no dash.
    let mut words = arguments.to_vec();
    if let Some(first) = words.get_mut(1)
        && !first.as_bytes().starts_with(b"-")
    {
        let letters = first.as_bytes().to_vec();
        // Each letter with a value takes it from the words behind, in turn.
        let mut rest = words.split_off(2).into_iter();
        words.truncate(1);
        for letter in letters {
            words.push(OsString::from_vec(vec![b'-', letter]));
            if matches!(letter, b'f' | b'C' | b'T' | b'X')
                && let Some(value) = rest.next()
            {
                words.push(value);
            }
        }
        words.extend(rest);
    }
    let given = match OPTIONS.parse(&words) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let mut excluded: Vec<Vec<u8>> = given
        .values('1')
        .map(|text| text.as_bytes().to_vec())
        .collect();
    for file in given.values('X') {
        match fs::read(file) {
            Ok(text) => excluded.extend(
                text.split(|byte| *byte == b'\n')
                    .filter(|line| !line.is_empty())
                    .map(<[u8]>::to_vec),
            ),
            Err(error) => {
                complain("tar", file, &error);
                return 1;
            }
        }
    }
    if "cxt".chars().filter(|mode| given.has(*mode)).count() > 1 {
        return OPTIONS.wrong("only one of -c, -x and -t can be given");
    }
    let archive = given.value('f').unwrap_or(OsStr::new("-")).to_owned();
    let result = match given.last_of("cxt") {
        Some('c') => make::create(&given, &archive, &excluded),
        Some(_) => take::read(&given, &archive, &excluded),
        None => return OPTIONS.wrong("one of -c, -x and -t is needed"),
    };
    result.unwrap_or_else(|(what, error)| {
        complain("tar", &what, &error);
        1
    })
}

type Failed = (OsString, io::Error);

fn at(what: &OsStr) -> impl Fn(io::Error) -> Failed {
    let what = what.to_owned();
    move |error| (what.clone(), error)
}

fn is_excluded(name: &[u8], excluded: &[Vec<u8>]) -> bool {
    let options = glob::Options::default();
    excluded.iter().any(|pattern| {
        // The whole name, or any part of it from a slash on.
        let mut rest = name;
        loop {
            let ends = std::iter::once(rest.len()).chain(memchr::memchr_iter(b'/', rest));
            let mut ends = ends;
            if ends.any(|end| glob::matches(pattern, rest.get(..end).unwrap_or(rest), options)) {
                return true;
            }
            match memchr::memchr(b'/', rest) {
                Some(slash) => rest = rest.get(slash + 1..).unwrap_or_default(),
                None => return false,
            }
        }
    })
}

/// The names of `-T`, and the operands.
fn wanted(given: &Given) -> Result<Vec<OsString>, Failed> {
    let mut names = given.operands.clone();
    for file in given.values('T') {
        let mut text = Vec::new();
        crate::common::lines::open(file)
            .and_then(|mut input| input.read_to_end(&mut text))
            .map_err(at(file))?;
        for line in text
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            names.push(OsStr::from_bytes(line).to_owned());
        }
    }
    Ok(names)
}

/// A name in two parts: what would lead outside (all up to the last `..`, leading slashes), and the rest.
fn stripped(name: &[u8]) -> (&[u8], &[u8]) {
    let mut from = 0;
    let mut at = 0;
    for part in name.split(|byte| *byte == b'/') {
        at += part.len() + 1;
        if part == b".." || part.is_empty() && at == from + 1 {
            from = at;
        }
    }
    name.split_at(from.min(name.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_what_leads_outside() {
        for (name, removed, rest) in [
            ("a/b", "", "a/b"),
            ("./a", "", "./a"),
            ("/a", "/", "a"),
            ("///a//b/", "///", "a//b/"),
            ("a/../b", "a/../", "b"),
            ("../..", "../..", ""),
            ("..a/b..", "", "..a/b.."),
        ] {
            let (found, left) = stripped(name.as_bytes());
            assert_eq!(
                (found, left),
                (removed.as_bytes(), rest.as_bytes()),
                "{name}"
            );
        }
    }
}

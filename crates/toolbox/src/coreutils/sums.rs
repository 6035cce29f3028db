//! `md5sum`, `sha1sum`, `sha256sum`, `sha512sum` and `sha3sum`, with `-c`.

use crate::common::lines::{Lines, Output, complain, open, say};
use crate::common::options::{Given, Options};
use sha2::{Digest, Sha256, Sha512};
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;

pub const USAGE: &str = "[-c [-sw]] [file...]

-c  check the sums that the files list
-s  say nothing, only the status tells    -w  warn of lines that are no sums";
pub const SHA3_USAGE: &str = "[-c [-sw]] [-a BITS] [file...]

-c  check the sums that the files list
-a  224 (usual), 256, 384 or 512
-s  say nothing, only the status tells    -w  warn of lines that are no sums";

/// Which sum is made.
#[derive(Clone, Copy)]
enum Sum {
    Md5,
    Sha1,
    Sha256,
    Sha512,
    Sha3(u32),
}

pub fn main(arguments: &[OsString]) -> i32 {
    let (applet, mut kind) = match arguments.first().map(|name| {
        name.as_bytes()
            .rsplit(|byte| *byte == b'/')
            .next()
            .unwrap_or_default()
    }) {
        Some(b"md5sum") => ("md5sum", Sum::Md5),
        Some(b"sha1sum") => ("sha1sum", Sum::Sha1),
        Some(b"sha512sum") => ("sha512sum", Sum::Sha512),
        Some(b"sha3sum") => ("sha3sum", Sum::Sha3(224)),
        _ => ("sha256sum", Sum::Sha256),
    };
    let options = Options {
        applet,
        letters: if applet == "sha3sum" {
            "cswbta:"
        } else {
            "cswbt"
        },
        long: &[
            ("check", 'c'),
            ("status", 's'),
            ("warn", 'w'),
            ("binary", 'b'),
            ("text", 't'),
        ],
    };
    let mut given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Some(bits) = given.value('a') {
        kind = match bits.as_bytes() {
            b"224" => Sum::Sha3(224),
            b"256" => Sum::Sha3(256),
            b"384" => Sum::Sha3(384),
            b"512" => Sum::Sha3(512),
            _ => return options.wrong(&format!("invalid number of bits '{}'", bits.display())),
        };
    }
    if given.operands.is_empty() {
        given.operands.push("-".into());
    }
    let mut out = Output::new();
    let mut status = 0;
    for file in &given.operands {
        if given.has('c') {
            status |= check(applet, kind, file, &given, &mut out);
            continue;
        }
        match sum(kind, file) {
            Ok(sum) => {
                out.put(sum.as_bytes());
                out.put(b"  ");
                out.put(file.as_bytes());
                out.put_byte(b'\n');
            }
            Err(error) => {
                complain(applet, file, &error);
                status = 1;
            }
        }
    }
    out.finish(applet, status, 1)
}

fn sum(kind: Sum, file: &OsStr) -> io::Result<String> {
    let input = open(file)?;
    let bytes = match kind {
        Sum::Md5 => digest(md5::Md5::new(), input),
        Sum::Sha1 => digest(sha1::Sha1::new(), input),
        Sum::Sha256 => digest(Sha256::new(), input),
        Sum::Sha512 => digest(Sha512::new(), input),
        Sum::Sha3(256) => digest(sha3::Sha3_256::new(), input),
        Sum::Sha3(384) => digest(sha3::Sha3_384::new(), input),
        Sum::Sha3(512) => digest(sha3::Sha3_512::new(), input),
        Sum::Sha3(_) => digest(sha3::Sha3_224::new(), input),
    }?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn digest(mut hash: impl Digest, mut input: impl Read) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(hash.finalize().to_vec()),
            Ok(count) => hash.update(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn check(applet: &'static str, kind: Sum, list: &OsStr, given: &Given, out: &mut Output) -> i32 {
    let mut lines = match open(list) {
        Ok(input) => Lines::new(input, b'\n'),
        Err(error) => {
            complain(applet, list, &error);
            return 1;
        }
    };
    let (mut wrong, mut seen) = (0u32, 0u32);
    loop {
        let line = match lines.read() {
            Ok(Some((line, _))) => line.to_vec(),
            Ok(None) => break,
            Err(error) => {
                complain(applet, list, &error);
                return 1;
            }
        };
        // SUM, a blank, and a blank or a star before the name
        let digits = line
            .iter()
            .take_while(|byte| byte.is_ascii_hexdigit())
            .count();
        let name = match line.get(digits..) {
            Some([b' ', b' ' | b'*', name @ ..] | [b' ', name @ ..])
                if digits >= 32 && !name.is_empty() =>
            {
                OsStr::from_bytes(name)
            }
            _ => {
                if given.has('w') {
                    say(applet, "a line is no sum");
                }
                continue;
            }
        };
        seen += 1;
        let want = line.get(..digits).unwrap_or_default().to_ascii_lowercase();
        let good = match sum(kind, name) {
            Ok(found) => found.as_bytes() == want,
            Err(error) => {
                complain(applet, name, &error);
                false
            }
        };
        wrong += u32::from(!good);
        if !given.has('s') {
            out.put(name.as_bytes());
            out.put(if good { b": OK\n" } else { b": FAILED\n" });
        }
    }
    if wrong > 0 && !given.has('s') {
        say(
            applet,
            format!("WARNING: {wrong} of {seen} computed checksums did NOT match"),
        );
    }
    if seen == 0 {
        say(applet, format!("{}: no sums in it", list.display()));
    }
    i32::from(wrong > 0 || seen == 0)
}

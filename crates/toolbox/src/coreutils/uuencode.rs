//! `uuencode` and `uudecode` (POSIX.1-2024): bytes as text, in the old form and in Base64.

use crate::common::base64;
use crate::common::lines::{Lines, Output, complain, open, say};
use crate::common::options::Options;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};

pub const USAGE: &str = "[-m] [file] NAME

-m  Base64 (RFC 4648)
NAME is what uudecode will call the file.";
pub const DECODE_USAGE: &str = "[-o FILE] [file]

-o  write to FILE, whatever name is in the text (- is standard output)";

/// `uuencode`
pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "uuencode",
        letters: "m",
        long: &[],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 1, 2) {
        return status;
    }
    let (source, name) = match given.operands.as_slice() {
        [source, name] => (source.as_os_str(), name),
        [name] => (OsStr::new("-"), name),
        _ => return 1,
    };
    let mut out = Output::new();
    let done = open(source).and_then(|mut file| {
        // Standard input has the mode that a new file would have.
        let mode = if source == "-" {
            0o666 & !crate::common::copying::umask()
        } else {
            file.metadata()?.permissions().mode() & 0o777
        };
        let word = if given.has('m') {
            "begin-base64"
        } else {
            "begin"
        };
        out.put(format!("{word} {mode:o} ").as_bytes());
        out.put(name.as_bytes());
        out.put_byte(b'\n');
        encode(&mut file, given.has('m'), &mut out)
    });
    if let Err(error) = done {
        complain("uuencode", source, &error);
        return out.finish("uuencode", 1, 1);
    }
    out.finish("uuencode", 0, 1)
}

fn encode(input: &mut dyn Read, base: bool, out: &mut Output) -> io::Result<()> {
    // 45 bytes make a line in both forms.
    let mut bytes = [0; 45];
    loop {
        let mut filled = 0;
        while filled < bytes.len() {
            match input.read(bytes.get_mut(filled..).unwrap_or_default()) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if filled == 0 {
            out.put(if base { b"====\n" } else { b"`\nend\n" });
            return Ok(());
        }
        let part = bytes.get(..filled).unwrap_or_default();
        let mut line = Vec::new();
        if base {
            base64::encode(part, &mut line);
        } else {
            let digit = |bits: u8| {
                if bits & 63 == 0 {
                    b'`'
                } else {
                    b' ' + (bits & 63)
                }
            };
            line.push(digit(u8::try_from(filled).unwrap_or(0)));
            for group in part.chunks(3) {
                let at = |place: usize| group.get(place).copied().unwrap_or(0);
                let (a, b, c) = (at(0), at(1), at(2));
                line.extend_from_slice(&[
                    digit(a >> 2),
                    digit(a << 4 | b >> 4),
                    digit(b << 2 | c >> 6),
                    digit(c),
                ]);
            }
        }
        line.push(b'\n');
        out.put(&line);
    }
}

/// `uudecode`
pub fn decode(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "uudecode",
        letters: "o:",
        long: &[],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 0, 1) {
        return status;
    }
    let source = given
        .operands
        .first()
        .map_or(OsStr::new("-"), OsString::as_os_str);
    let file = match open(source) {
        Ok(file) => file,
        Err(error) => {
            complain("uudecode", source, &error);
            return 1;
        }
    };
    match unpack(file, given.value('o')) {
        Ok(()) => 0,
        Err((None, error)) => {
            say("uudecode", format!("{}: {error}", source.display()));
            1
        }
        Err((Some(name), error)) => {
            complain("uudecode", &name, &error);
            1
        }
    }
}

/// Where the bytes go.
enum Target {
    Stdout(Output),
    File(File),
}

impl Target {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Target::Stdout(out) => {
                out.put(bytes);
                Ok(())
            }
            Target::File(file) => file.write_all(bytes),
        }
    }
}

type Failed = (Option<OsString>, io::Error);

fn unpack(file: File, forced: Option<&OsStr>) -> Result<(), Failed> {
    let input = |error: io::Error| (None, error);
    let broken = |what: &str| (None, io::Error::other(what.to_owned()));
    let mut lines = Lines::new(file, b'\n');
    let (base, mode, name) = loop {
        let Some((line, _)) = lines.read().map_err(input)? else {
            return Err(broken("no 'begin' line"));
        };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (base, rest) = if let Some(rest) = line.strip_prefix(b"begin-base64 ") {
            (true, rest)
        } else if let Some(rest) = line.strip_prefix(b"begin ") {
            (false, rest)
        } else {
            continue;
        };
        let mut parts = rest.splitn(2, |byte| *byte == b' ');
        let mode = parts
            .next()
            .and_then(|text| u32::from_str_radix(std::str::from_utf8(text).ok()?, 8).ok());
        if let (Some(mode), Some(name)) = (mode, parts.next()) {
            break (base, mode, OsStr::from_bytes(name.trim_ascii()).to_owned());
        }
    };
    let name = forced.map_or(name, OsStr::to_owned);
    let mut target = if name == "-" || name == "/dev/stdout" {
        Target::Stdout(Output::new())
    } else {
        let opened = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode & 0o777 & !0o7000)
            .open(&name);
        Target::File(opened.map_err(|error| (Some(name.clone()), error))?)
    };
    let mut decoder = base64::Decoder::default();
    let mut bytes = Vec::new();
    loop {
        let Some((line, _)) = lines.read().map_err(input)? else {
            return Err(broken("short file"));
        };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        bytes.clear();
        if base {
            if line == b"====" {
                decoder
                    .finish(&mut bytes)
                    .map_err(|error| (None, io::Error::other(error)))?;
                target
                    .put(&bytes)
                    .map_err(|error| (Some(name.clone()), error))?;
                break;
            }
            decoder
                .part(line, &mut bytes)
                .map_err(|error| (None, io::Error::other(error)))?;
        } else {
            if line == b"end" {
                break;
            }
            let value = |byte: u8| byte.wrapping_sub(b' ') & 63;
            let Some((count, digits)) = line.split_first() else {
                continue;
            };
            let count = usize::from(value(*count));
            for group in digits.chunks(4) {
                let at = |place: usize| value(group.get(place).copied().unwrap_or(b' '));
                bytes.extend_from_slice(&[
                    at(0) << 2 | at(1) >> 4,
                    at(1) << 4 | at(2) >> 2,
                    at(2) << 6 | at(3),
                ]);
            }
            if bytes.len() < count {
                return Err(broken("short line"));
            }
            bytes.truncate(count);
        }
        target
            .put(&bytes)
            .map_err(|error| (Some(name.clone()), error))?;
    }
    match target {
        Target::Stdout(out) => match out.finish("uudecode", 0, 1) {
            0 => Ok(()),
            _ => Err((Some("-".into()), io::Error::other("not written"))),
        },
        Target::File(_) => Ok(()),
    }
}

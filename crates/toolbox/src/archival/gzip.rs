//! `gzip`, `gunzip`, `zcat` (RFC 1952).

use crate::common::copying;
use crate::common::lines::{complain, open, say};
use crate::common::options::{Given, Options};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

pub const USAGE: &str = "[-cdfkntv] [-1...-9] [file...]

-c  to standard output    -d  unpack    -t  test    -k  keep the files    -f  replace what is there
-1  quick ... -9  small    -v  say more    -n  (no name and time is ever stored)";
pub const GUNZIP_USAGE: &str = "[-cfktv] [file...]";
pub const ZCAT_USAGE: &str = "[file...]";

/// `gzip`
pub fn main(arguments: &[OsString]) -> i32 {
    run(arguments, "gzip", "")
}

/// `gunzip`
pub fn gunzip(arguments: &[OsString]) -> i32 {
    run(arguments, "gunzip", "d")
}

/// `zcat`
pub fn zcat(arguments: &[OsString]) -> i32 {
    run(arguments, "zcat", "dcf")
}

fn run(arguments: &[OsString], applet: &'static str, implied: &str) -> i32 {
    let options = Options {
        applet,
        letters: "cdfkntvqNlr123456789",
        long: &[
            ("stdout", 'c'),
            ("to-stdout", 'c'),
            ("decompress", 'd'),
            ("uncompress", 'd'),
            ("force", 'f'),
            ("keep", 'k'),
            ("test", 't'),
            ("verbose", 'v'),
            ("fast", '1'),
            ("best", '9'),
        ],
    };
    let mut given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    for letter in implied.chars() {
        given.set(letter);
    }
    if given.operands.is_empty() {
        given.operands.push("-".into());
    }
    let mut status = 0;
    for name in &given.operands {
        if let Err(error) = one(applet, &given, name) {
            if let Some(error) = error {
                complain(applet, name, &error);
            }
            status = 1;
        }
    }
    status
}

/// Packs or unpacks one file. `Err(None)`: told.
fn one(applet: &str, given: &Given, name: &OsStr) -> Result<(), Option<io::Error>> {
    let unpack = given.has('d') || given.has('t');
    let stdout = given.has('c') || name == "-";
    if stdout && !unpack && !given.has('f') && rustix::termios::isatty(rustix::stdio::stdout()) {
        say(
            applet,
            "compressed data is not written to a terminal (-f forces it)",
        );
        return Err(None);
    }
    let input = open(name)?;
    if given.has('t') {
        return transfer(input, &mut io::sink(), given, true).map_err(Some);
    }
    if stdout {
        let mut out = File::from(rustix::stdio::stdout().try_clone_to_owned()?);
        return transfer(input, &mut out, given, unpack).map_err(Some);
    }
    let meta = input.metadata()?;
    if !meta.is_file() {
        say(applet, format!("{}: not a regular file", name.display()));
        return Err(None);
    }
    let bytes = name.as_bytes();
    let target = if unpack {
        if let Some(stem) = bytes.strip_suffix(b".gz").or(bytes.strip_suffix(b".Z")) {
            OsString::from_vec(stem.to_vec())
        } else if let Some(stem) = bytes.strip_suffix(b".tgz") {
            OsString::from_vec([stem, b".tar"].concat())
        } else {
            say(applet, format!("{}: unknown suffix", name.display()));
            return Err(None);
        }
    } else {
        if bytes.ends_with(b".gz") && !given.has('f') {
            say(
                applet,
                format!("{}: already has .gz suffix", name.display()),
            );
            return Err(None);
        }
        OsString::from_vec([bytes, b".gz"].concat())
    };
    let path = Path::new(&target);
    if path.symlink_metadata().is_ok() {
        if !given.has('f') {
            say(applet, format!("{}: File exists", path.display()));
            return Err(None);
        }
        fs::remove_file(path)?;
    }
    let mut out = File::create_new(path)?;
    let done = transfer(input, &mut out, given, unpack).and_then(|()| copying::keep(path, &meta));
    if let Err(error) = done {
        let _ = fs::remove_file(path);
        return Err(Some(error));
    }
    if !given.has('k') {
        fs::remove_file(name)?;
    }
    Ok(())
}

fn transfer(input: File, out: &mut dyn Write, given: &Given, unpack: bool) -> io::Result<()> {
    let mut input = BufReader::with_capacity(64 * 1024, input);
    if !unpack {
        let level = given
            .last_of("123456789")
            .and_then(|digit| digit.to_digit(10))
            .unwrap_or(6);
        let mut encoder = GzEncoder::new(out, Compression::new(level));
        io::copy(&mut input, &mut encoder)?;
        encoder.finish()?;
        return Ok(());
    }
    // zcat prints what is not packed as it is.
    if given.has('f') && given.has('c') {
        use std::io::BufRead;
        let head = input.fill_buf()?;
        if !head.starts_with(&[0x1f, 0x8b]) {
            io::copy(&mut input, out)?;
            return Ok(());
        }
    }
    let mut decoder = MultiGzDecoder::new(input);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match decoder.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => out.write_all(buffer.get(..count).unwrap_or_default())?,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(io::Error::new(error.kind(), "unexpected end of file"));
            }
            Err(error)
                if error.kind() == io::ErrorKind::InvalidInput
                    || error.kind() == io::ErrorKind::InvalidData =>
            {
                return Err(io::Error::new(
                    error.kind(),
                    "not in gzip format, or damaged",
                ));
            }
            Err(error) => return Err(error),
        }
    }
}

//! `gzip`, `gunzip`, `zcat` (RFC 1952). What is unpacked may be packed by gzip or by compress; `zcat` reads whatever
//! is known.

use crate::common::options::{Given, Options};
use crate::common::packing::{self, Program};
use crate::common::unpacking::{Format, Source, Unpacker};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::ffi::OsString;
use std::io::{self, Write};

pub const USAGE: &str = "[-cdfknqtv] [-1...-9] [file...]

-c  to standard output    -d  unpack    -t  test    -k  keep the files    -f  replace what is there
-1  quick ... -9  small    -v  say how much was saved    -q  do not    -n  (no name and time is ever stored)";
pub const GUNZIP_USAGE: &str = "[-cfkqtv] [file...]

-c  to standard output    -t  test    -k  keep the files    -f  replace what is there
-v  say how much was saved    -q  do not";
pub const ZCAT_USAGE: &str = "[-f] [file...]

-f  what is not packed is printed as it is";

const PROGRAM: Program = Program {
    options: Options {
        applet: "gzip",
        letters: "cdfknqtv123456789",
        long: packing::LONG,
    },
    suffix: ".gz",
    suffixes: &[(".gz", ""), (".tgz", ".tar"), (".Z", "")],
    other: None,
    pack,
    unpack,
};

/// `gzip`
pub fn main(arguments: &[OsString]) -> i32 {
    PROGRAM.run(arguments, "")
}

/// `gunzip`
pub fn gunzip(arguments: &[OsString]) -> i32 {
    let program = Program {
        options: Options {
            applet: "gunzip",
            letters: "cdfknqtv",
            ..PROGRAM.options
        },
        ..PROGRAM
    };
    program.run(arguments, "d")
}

/// `zcat`
pub fn zcat(arguments: &[OsString]) -> i32 {
    let program = Program {
        options: Options {
            applet: "zcat",
            letters: "cdfknqtv",
            ..PROGRAM.options
        },
        unpack: print,
        ..PROGRAM
    };
    program.run(arguments, "dc")
}

fn pack(mut input: Source, out: &mut dyn Write, given: &Given) -> io::Result<()> {
    let level = Compression::new(packing::level(given, 6));
    let mut encoder = GzEncoder::new(out, level);
    io::copy(&mut input, &mut encoder)?;
    encoder.finish().map(drop)
}

fn unpack(mut input: Source, out: &mut dyn Write, _: &Given) -> io::Result<()> {
    let format = match Format::of(input.peek(6)?) {
        Some(Format::Compress) => Format::Compress,
        Some(Format::Gzip) => Format::Gzip,
        _ => return Err(io::Error::other("not in gzip format")),
    };
    Unpacker::new(format, input)?.copy_to(out)
}

fn print(mut input: Source, out: &mut dyn Write, given: &Given) -> io::Result<()> {
    match Format::of(input.peek(6)?) {
        Some(format) => Unpacker::new(format, input)?.copy_to(out),
        None if given.has('f') => io::copy(&mut input, out).map(drop),
        None => Err(io::Error::other("not in gzip format")),
    }
}

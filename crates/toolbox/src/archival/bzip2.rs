//! `bzip2`, `bunzip2`, `bzcat`.

use crate::common::options::{Given, Options};
use crate::common::packing::{self, Program};
use crate::common::unpacking::{Format, Source, Unpacker};
use bzip2::Compression;
use bzip2::write::BzEncoder;
use std::ffi::OsString;
use std::io::{self, Write};

pub const USAGE: &str = "[-cdfkqtvz] [-1...-9] [file...]

-c  to standard output    -d  unpack    -z  pack    -t  test    -k  keep the files    -f  replace what is there
-1  100 kB a block ... -9  900 kB (usual)    -v  say how much was saved    -q  do not";
pub const BUNZIP2_USAGE: &str = "[-cfkqtv] [file...]

-c  to standard output    -t  test    -k  keep the files    -f  replace what is there
-v  say how much was saved    -q  do not";
pub const BZCAT_USAGE: &str = "[file...]";

const PROGRAM: Program = Program {
    options: Options {
        applet: "bzip2",
        letters: "cdfkqtvz123456789",
        long: packing::LONG,
    },
    suffix: ".bz2",
    suffixes: &[(".bz2", ""), (".tbz2", ".tar"), (".tbz", ".tar")],
    other: None,
    pack,
    unpack,
};

/// `bzip2`
pub fn main(arguments: &[OsString]) -> i32 {
    PROGRAM.run(arguments, "")
}

const UNPACK: Program = Program {
    options: Options {
        applet: "bunzip2",
        letters: "cdfkqtv",
        ..PROGRAM.options
    },
    ..PROGRAM
};

/// `bunzip2`
pub fn bunzip2(arguments: &[OsString]) -> i32 {
    UNPACK.run(arguments, "d")
}

/// `bzcat`
pub fn bzcat(arguments: &[OsString]) -> i32 {
    let program = Program {
        options: Options {
            applet: "bzcat",
            ..UNPACK.options
        },
        ..PROGRAM
    };
    program.run(arguments, "dc")
}

fn pack(mut input: Source, out: &mut dyn Write, given: &Given) -> io::Result<()> {
    let level = Compression::new(packing::level(given, 9));
    let mut encoder = BzEncoder::new(out, level);
    io::copy(&mut input, &mut encoder)?;
    encoder.finish().map(drop)
}

fn unpack(mut input: Source, out: &mut dyn Write, _: &Given) -> io::Result<()> {
    if Format::of(input.peek(6)?) != Some(Format::Bzip2) {
        return Err(io::Error::other("not in bzip2 format"));
    }
    Unpacker::new(Format::Bzip2, input)?.copy_to(out)
}

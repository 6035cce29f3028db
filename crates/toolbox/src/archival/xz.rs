//! `unxz`, `xzcat`, `lzma -d`, `unlzma`, `lzcat`: they unpack.

use crate::common::options::{Given, Options};
use crate::common::packing::{self, Program};
use crate::common::unpacking::{Format, Source, Unpacker};
use std::ffi::OsString;
use std::io::{self, Write};

pub const LZMA_USAGE: &str = "-d [-cfkqtv] [file...]

-d  unpack (it does nothing else)    -c  to standard output    -t  test    -k  keep the files
-f  replace what is there    -v  say how much was saved    -q  do not";
pub const UNPACK_USAGE: &str = "[-cfkqtv] [file...]

-c  to standard output    -t  test    -k  keep the files    -f  replace what is there
-v  say how much was saved    -q  do not";
pub const CAT_USAGE: &str = "[file...]";

const LZMA: Program = Program {
    options: Options {
        applet: "lzma",
        letters: "cdfkqtv",
        long: packing::LONG,
    },
    suffix: ".lzma",
    suffixes: &[(".lzma", ""), (".tlz", ".tar")],
    other: None,
    pack,
    unpack: unlzma_stream,
};

fn program(applet: &'static str, xz: bool) -> Program {
    let options = Options {
        applet,
        ..LZMA.options
    };
    if xz {
        Program {
            options,
            suffix: ".xz",
            suffixes: &[(".xz", ""), (".txz", ".tar"), (".lzma", "")],
            unpack: unxz_stream,
            ..LZMA
        }
    } else {
        Program { options, ..LZMA }
    }
}

/// `lzma`
pub fn lzma(arguments: &[OsString]) -> i32 {
    LZMA.run(arguments, "")
}

/// `unlzma`
pub fn unlzma(arguments: &[OsString]) -> i32 {
    program("unlzma", false).run(arguments, "d")
}

/// `lzcat`
pub fn lzcat(arguments: &[OsString]) -> i32 {
    program("lzcat", false).run(arguments, "dc")
}

/// `unxz`
pub fn unxz(arguments: &[OsString]) -> i32 {
    program("unxz", true).run(arguments, "d")
}

/// `xzcat`
pub fn xzcat(arguments: &[OsString]) -> i32 {
    program("xzcat", true).run(arguments, "dc")
}

fn pack(_: Source, _: &mut dyn Write, _: &Given) -> io::Result<()> {
    Err(io::Error::other(
        "nothing is packed here, only unpacked: -d",
    ))
}

fn unlzma_stream(input: Source, out: &mut dyn Write, _: &Given) -> io::Result<()> {
    Unpacker::new(Format::Lzma, input)?.copy_to(out)
}

fn unxz_stream(mut input: Source, out: &mut dyn Write, _: &Given) -> io::Result<()> {
    let format = match Format::of(input.peek(6)?) {
        Some(format @ (Format::Xz | Format::Lzma)) => format,
        _ => return Err(io::Error::other("not in xz format")),
    };
    Unpacker::new(format, input)?.copy_to(out)
}

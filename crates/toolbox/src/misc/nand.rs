//! `nanddump` and `nandwrite`: flash memory (MTD) read and written page by page, around its bad blocks.

use crate::common::lines::{about, other, say_out, status, write_all};
use crate::common::options::{Given, Options};
use rustix::stdio::stdout;
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use sys::control::{Flat, Number, flat, number};
use sys::kernel::flash_spare;

pub const DUMP_USAGE: &str = "[-no] [--bb padbad|skipbad] [-s ADDRESS] [-l LENGTH] [-f FILE] DEVICE

prints what is in flash memory
-n  without correcting errors    -o  with the bytes beside each page    -s  from there on    -l  so much of it
-f  into a file    --bb skipbad  leave bad blocks out (usual)    --bb padbad  0xff in their place";
pub const WRITE_USAGE: &str = "[-np] [-s ADDRESS] DEVICE [FILE]

writes FILE or standard input to flash memory
-n  as raw bytes    -p  fill up the last page with zeros    -s  from there on";

const DUMP: Options = Options {
    applet: "nanddump",
    letters: "ons:f:l:\u{100}:",
    long: &[("bb", '\u{100}')],
};
const WRITE: Options = Options {
    applet: "nandwrite",
    letters: "pns:",
    long: &[],
};

/// `MTD_FILE_MODE_RAW`
const RAW: usize = 3;

/// The sizes of a memory, in bytes: all of it, a block that is erased at once, a page, what is beside a page.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    all: u32,
    block: u32,
    page: u32,
    spare: u32,
}

/// A flash memory.
trait Flash {
    fn is_bad(&mut self, block: u32) -> io::Result<bool>;
    fn read(&mut self, at: u32, page: &mut [u8]) -> io::Result<()>;
    fn write(&mut self, at: u32, page: &[u8]) -> io::Result<()>;
    fn spare(&mut self, at: u32, into: &mut [u8]) -> io::Result<()>;
}

impl Flash for File {
    fn is_bad(&mut self, block: u32) -> io::Result<bool> {
        Ok(flat(
            self,
            Flat::MEMGETBADBLOCK,
            &mut u64::from(block).to_ne_bytes(),
        )? != 0)
    }

    fn read(&mut self, at: u32, page: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(page, at.into())
    }

    fn write(&mut self, at: u32, page: &[u8]) -> io::Result<()> {
        self.write_all_at(page, at.into())
    }

    fn spare(&mut self, at: u32, into: &mut [u8]) -> io::Result<()> {
        flash_spare(&*self, at, into)
    }
}

/// `nanddump`
pub fn dump(arguments: &[OsString]) -> i32 {
    let given = match DUMP.take(arguments, 1, 1) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let pad = match given.value('\u{100}').map(OsStr::as_encoded_bytes) {
        None | Some(b"skipbad") => false,
        Some(b"padbad") => true,
        Some(_) => return DUMP.wrong("--bb takes padbad or skipbad"),
    };
    status("nanddump", run_dump(&given, pad))
}

fn run_dump(given: &Given, pad: bool) -> io::Result<i32> {
    let (mut device, sizes) = open(given, false)?;
    let start = address(given, 's', 0)?;
    let length = address(given, 'l', u32::MAX)?;
    let mut target = match given.value('f').filter(|path| *path != "-") {
        None => None,
        Some(path) => Some(File::create(path).map_err(|error| about(path, &error))?),
    };
    let mut put = |bytes: &[u8]| match &mut target {
        Some(file) => file.write_all(bytes),
        None => write_all(stdout(), bytes),
    };
    dump_pages(
        &mut device,
        sizes,
        start,
        length,
        pad,
        given.has('o'),
        &mut put,
    )?;
    Ok(0)
}

/// Copies the pages from `start` on. Blocks that are bad do not count towards the length where they are skipped.
fn dump_pages(
    flash: &mut dyn Flash,
    sizes: Sizes,
    start: u32,
    length: u32,
    pad: bool,
    spare: bool,
    put: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut page = vec![0; sizes.page as usize];
    let mut beside = vec![0; sizes.spare as usize];
    let (mut at, mut left) = (start, length.min(sizes.all.saturating_sub(start)));
    let mut bad = at < sizes.all && flash.is_bad(at - at % sizes.block)?;
    while left > 0 && at < sizes.all {
        if at.is_multiple_of(sizes.block) {
            bad = flash.is_bad(at)?;
        }
        if bad && !pad {
            // All that is left of the block: what comes after it is read instead.
            at = match (at - at % sizes.block).checked_add(sizes.block) {
                Some(next) => next,
                None => break,
            };
            if at < sizes.all {
                bad = flash.is_bad(at)?;
            }
            continue;
        }
        if bad {
            page.fill(0xff);
            beside.fill(0xff);
        } else {
            flash.read(at, &mut page)?;
            if spare {
                flash.spare(at, &mut beside)?;
            }
        }
        put(&page)?;
        if spare {
            put(&beside)?;
        }
        left = left.saturating_sub(sizes.page);
        at = at.saturating_add(sizes.page);
    }
    Ok(())
}

/// `nandwrite`
pub fn write(arguments: &[OsString]) -> i32 {
    match WRITE.take(arguments, 1, 2) {
        Ok(given) => status("nandwrite", run_write(&given)),
        Err(status) => status,
    }
}

fn run_write(given: &Given) -> io::Result<i32> {
    let path = given
        .operands
        .get(1)
        .map_or(OsStr::new("-"), OsString::as_os_str);
    let mut input = crate::common::lines::open(path).map_err(|error| about(path, &error))?;
    let (mut device, sizes) = open(given, true)?;
    let start = address(given, 's', 0)?;
    write_pages(
        &mut device,
        sizes,
        start,
        given.has('p'),
        &mut input,
        &mut |text| say_out(text),
    )?;
    Ok(0)
}

fn write_pages(
    flash: &mut dyn Flash,
    sizes: Sizes,
    start: u32,
    pad: bool,
    input: &mut dyn Read,
    tell: &mut dyn FnMut(&str),
) -> io::Result<()> {
    let full = || other("not enough space in MTD device");
    let mut at = start;
    let mut looked = false;
    loop {
        let mut page = Vec::new();
        (&mut *input)
            .take(sizes.page.into())
            .read_to_end(&mut page)?;
        if page.is_empty() {
            return Ok(());
        }
        let last = page.len() < sizes.page as usize;
        if last && !pad {
            return Err(other(
                "input size is not rounded up to page size, use -p to zero pad",
            ));
        }
        page.resize(sizes.page as usize, 0);
        let begin = at.is_multiple_of(sizes.block);
        if begin || !looked {
            let mut block = at - at % sizes.block;
            while block < sizes.all && flash.is_bad(block)? {
                tell(&format!("Skipping bad block at 0x{block:08x}"));
                block = block.checked_add(sizes.block).ok_or_else(full)?;
                at = block;
            }
            looked = true;
            if at >= sizes.all {
                return Err(full());
            }
            if at.is_multiple_of(sizes.block) {
                tell(&format!("Writing at 0x{at:08x}"));
            }
        }
        flash.write(at, &page)?;
        at = at.checked_add(sizes.page).ok_or_else(full)?;
        if last {
            return Ok(());
        }
    }
}

/// An address or a length, in C's notation; whole pages are checked where the sizes are known.
fn address(given: &Given, letter: char, usual: u32) -> io::Result<u32> {
    let Some(word) = given.value(letter) else {
        return Ok(usual);
    };
    let text = word.to_str().unwrap_or_default();
    let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None if text.len() > 1 && text.starts_with('0') => u32::from_str_radix(text, 8).ok(),
        None => text.parse().ok(),
    };
    number.ok_or_else(|| other(format!("invalid number '{}'", word.display())))
}

fn open(given: &Given, write: bool) -> io::Result<(File, Sizes)> {
    let path = given
        .operands
        .first()
        .map_or(OsStr::new(""), OsString::as_os_str);
    let told = |error: io::Error| about(path, &error);
    let device = OpenOptions::new()
        .read(true)
        .write(write)
        .open(path)
        .map_err(told)?;
    let mut info = [0; 32];
    flat(&device, Flat::MEMGETINFO, &mut info).map_err(told)?;
    let word = |at: usize| {
        let four = info.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        four.map_or(0, u32::from_ne_bytes)
    };
    // The type, flags, then the sizes.
    let sizes = Sizes {
        all: word(8),
        block: word(12),
        page: word(16),
        spare: word(20),
    };
    if sizes.page == 0 || sizes.block == 0 || !sizes.block.is_multiple_of(sizes.page) {
        return Err(other(format!("{}: its pages have no size", path.display())));
    }
    if given.has('n') {
        number(&device, Number::MTDFILEMODE, RAW).map_err(told)?;
    }
    if !address(given, 's', 0)?.is_multiple_of(sizes.page) {
        return Err(other("start address is not page aligned"));
    }
    Ok((device, sizes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four blocks of two pages of two bytes; the second block is bad.
    struct Memory([u8; 16]);
    const SIZES: Sizes = Sizes {
        all: 16,
        block: 4,
        page: 2,
        spare: 1,
    };

    impl Flash for Memory {
        fn is_bad(&mut self, block: u32) -> io::Result<bool> {
            Ok(block == 4)
        }
        fn read(&mut self, at: u32, page: &mut [u8]) -> io::Result<()> {
            page.copy_from_slice(&self.0[at as usize..at as usize + page.len()]);
            Ok(())
        }
        fn write(&mut self, at: u32, page: &[u8]) -> io::Result<()> {
            self.0[at as usize..at as usize + page.len()].copy_from_slice(page);
            Ok(())
        }
        fn spare(&mut self, _: u32, into: &mut [u8]) -> io::Result<()> {
            into.fill(b'.');
            Ok(())
        }
    }

    fn dumped(start: u32, length: u32, pad: bool, spare: bool) -> Vec<u8> {
        let mut memory = Memory(*b"abcdefghijklmnop");
        let mut all = Vec::new();
        let mut put = |bytes: &[u8]| {
            all.extend_from_slice(bytes);
            Ok(())
        };
        dump_pages(&mut memory, SIZES, start, length, pad, spare, &mut put).unwrap();
        all
    }

    #[test]
    fn bad_blocks_are_left_out_or_filled() {
        assert_eq!(dumped(0, u32::MAX, false, false), b"abcdijklmnop");
        assert_eq!(
            dumped(0, u32::MAX, true, false),
            b"abcd\xff\xff\xff\xffijklmnop"
        );
        assert_eq!(dumped(0, 6, false, false), b"abcdij");
        assert_eq!(dumped(6, 4, true, false), b"\xff\xffij");
        assert_eq!(dumped(6, 4, false, false), b"ijkl");
        assert_eq!(dumped(12, 2, false, true), b"mn.");
        assert_eq!(dumped(16, 2, false, false), b"");
        assert_eq!(dumped(400, 2, false, false), b"");
    }

    fn written(start: u32, pad: bool, input: &[u8]) -> (io::Result<()>, [u8; 16], String) {
        let mut memory = Memory(*b"................");
        let mut told = String::new();
        let mut tell = |text: &str| told += &format!("{text};");
        let done = write_pages(&mut memory, SIZES, start, pad, &mut &input[..], &mut tell);
        (done, memory.0, told)
    }

    #[test]
    fn writing_goes_around_them() {
        let (done, memory, told) = written(0, false, b"abcdef");
        done.unwrap();
        assert_eq!(&memory, b"abcd....ef......");
        assert_eq!(
            told,
            "Writing at 0x00000000;Skipping bad block at 0x00000004;Writing at 0x00000008;"
        );
        let (done, memory, _) = written(6, true, b"abc");
        done.unwrap();
        assert_eq!(&memory, b"........abc\0....");
        assert!(written(0, false, b"abc").0.is_err());
        assert!(written(0, false, &[b'x'; 14]).0.is_err());
        assert!(written(0, false, &[b'x'; 12]).0.is_ok());
        assert!(written(16, false, b"ab").0.is_err());
    }
}

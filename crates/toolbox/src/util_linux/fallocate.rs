//! `fallocate`: takes room for a file, or gives parts of it back.

use crate::common::lines::complain;
use crate::common::options::{Options, size};
use rustix::fs::FallocateFlags;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;

pub const USAGE: &str = "[-dnp] [-o OFFSET] [-l LENGTH] file

-l  how many bytes    -o  from OFFSET on (0)    -n  the file's size stays
-p  a hole instead    -d  parts of zeros become holes (it needs no length)";

pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "fallocate",
        letters: "dnl:o:p",
        long: &[
            ("length", 'l'),
            ("offset", 'o'),
            ("keep-size", 'n'),
            ("punch-hole", 'p'),
            ("dig-holes", 'd'),
        ],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 1, 1) {
        return status;
    }
    let number = |letter: char| match given.value(letter) {
        None => Ok(0),
        Some(text) => {
            size(text).ok_or_else(|| options.wrong(&format!("invalid number '{}'", text.display())))
        }
    };
    let (Ok(offset), Ok(length)) = (number('o'), number('l')) else {
        return 1;
    };
    if length == 0 && !given.has('d') {
        return options.wrong("a length (-l) of at least 1 is needed");
    }
    let mut flags = FallocateFlags::empty();
    if given.has('n') || given.has('p') {
        flags |= FallocateFlags::KEEP_SIZE;
    }
    if given.has('p') {
        flags |= FallocateFlags::PUNCH_HOLE;
    }
    let mut status = 0;
    for name in &given.operands {
        let done = OpenOptions::new()
            .read(true)
            .write(true)
            .create(!given.has('d') && !given.has('p'))
            .truncate(false)
            .mode(0o666)
            .open(name)
            .and_then(|file| {
                if given.has('d') {
                    return dig(&file, offset, length);
                }
                Ok(rustix::fs::fallocate(&file, flags, offset, length)?)
            });
        if let Err(error) = done {
            complain("fallocate", name, &error);
            status = 1;
        }
    }
    status
}

/// Whole blocks of zeros become holes.
fn dig(file: &std::fs::File, offset: u64, length: u64) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    const BLOCK: u64 = 4096;
    let end = match length {
        0 => file.metadata()?.len(),
        length => offset.saturating_add(length).min(file.metadata()?.len()),
    };
    let mut block = vec![0; 4096];
    let mut at = offset.next_multiple_of(BLOCK);
    while at + BLOCK <= end {
        file.read_exact_at(&mut block, at)?;
        if block.iter().all(|byte| *byte == 0) {
            let flags = FallocateFlags::KEEP_SIZE | FallocateFlags::PUNCH_HOLE;
            rustix::fs::fallocate(file, flags, at, BLOCK)?;
        }
        at += BLOCK;
    }
    Ok(())
}

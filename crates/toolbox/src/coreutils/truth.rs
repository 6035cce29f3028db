//! `true`, `false` and `yes` (POSIX.1-2024 true, false).

use crate::common::lines::Output;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

pub const USAGE: &str = "[ignored arguments]";
pub const YES_USAGE: &str = "[word...]\n\nPrints the words, or y, until it is ended.";

pub fn yes(_: &[OsString]) -> i32 {
    0
}

pub fn no(_: &[OsString]) -> i32 {
    1
}

pub fn repeat(arguments: &[OsString]) -> i32 {
    let words: Vec<&[u8]> = arguments
        .iter()
        .skip(1)
        .map(|word| word.as_bytes())
        .collect();
    let mut line = if words.is_empty() {
        b"y".to_vec()
    } else {
        words.join(&b' ')
    };
    line.push(b'\n');
    // Many lines at a time: a line a call would be slow.
    let block = line.repeat((8192 / line.len()).max(1));
    let mut out = Output::new();
    while !out.failed() {
        out.put(&block);
    }
    out.finish("yes", 0, 1)
}

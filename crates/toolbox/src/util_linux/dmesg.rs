//! `dmesg` (dmesg(1)), with BusyBox's options.

use crate::common::lines::{Output, complain};
use crate::common::options::Options;
use std::ffi::{OsStr, OsString};
use sys::kernel::{KernelLog, kernel_log};

pub const USAGE: &str = "[-cr] [-n LEVEL] [-s SIZE]

-c  clear the log after printing it    -C  clear it    -r  print the levels too
-n  only messages more urgent than LEVEL (1 to 8) come to the console
-s  the size of the buffer in bytes";

/// Runs it.
pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "dmesg",
        letters: "cCrn:s:",
        long: &[
            ("read-clear", 'c'),
            ("clear", 'C'),
            ("raw", 'r'),
            ("console-level", 'n'),
            ("buffer-size", 's'),
        ],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 0, 0) {
        return status;
    }
    let failed = |error: std::io::Error| {
        complain("dmesg", OsStr::new("klogctl"), &error);
        1
    };
    if let Some(text) = given.value('n') {
        let Some(level @ 1..=8) = text.to_str().and_then(|text| text.parse().ok()) else {
            return options.wrong("the level is 1 to 8");
        };
        return kernel_log(KernelLog::ConsoleLevel(level), &mut []).map_or_else(failed, |_| 0);
    }
    let mut size = kernel_log(KernelLog::Size, &mut []).unwrap_or(1 << 18);
    if let Some(text) = given.value('s') {
        match text.to_str().and_then(|text| text.parse().ok()) {
            Some(number) if number < 1 << 28 => size = size.max(number),
            _ => return options.wrong("invalid size"),
        }
    }
    let mut buffer = vec![0; size];
    let what = if given.has('c') || given.has('C') {
        KernelLog::ReadClear
    } else {
        KernelLog::ReadAll
    };
    let count = match kernel_log(what, &mut buffer) {
        Ok(count) => count,
        Err(error) => return failed(error),
    };
    let mut out = Output::new();
    if !given.has('C') {
        print(
            buffer.get(..count).unwrap_or_default(),
            given.has('r'),
            &mut out,
        );
    }
    out.finish("dmesg", 0, 1)
}

/// Prints the log, a line each, without the `<6>` in front unless `raw`.
fn print(log: &[u8], raw: bool, out: &mut Output) {
    for line in log.split(|byte| *byte == b'\n') {
        if line.is_empty() {
            continue;
        }
        out.put(if raw { line } else { without_level(line) });
        out.put_byte(b'\n');
    }
}

/// A line of the log without its level.
fn without_level(line: &[u8]) -> &[u8] {
    let Some(rest) = line.strip_prefix(b"<") else {
        return line;
    };
    match rest.iter().position(|byte| !byte.is_ascii_digit()) {
        Some(at) if at > 0 && rest.get(at) == Some(&b'>') => rest.get(at + 1..).unwrap_or_default(),
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::without_level;

    #[test]
    fn levels_go_and_nothing_else() {
        assert_eq!(without_level(b"<6>[ 0.1] x"), b"[ 0.1] x");
        for line in [&b"<>x"[..], b"<6x", b"x<6>", b""] {
            assert_eq!(without_level(line), line);
        }
    }
}

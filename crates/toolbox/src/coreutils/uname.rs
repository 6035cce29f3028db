//! `uname` (POSIX.1-2024) and `sync`.

use crate::common::lines::{Output, complain};
use crate::common::options::Options;
use std::ffi::OsString;

pub const USAGE: &str = "[-asnrvmpio]

-s  the system (printed when nothing is asked for)   -n  the host's name
-r  its release    -v  its version    -m  the machine
-o  the operating system    -a  all";
pub const SYNC_USAGE: &str =
    "[-f] [file...]\n\nWrites everything, or the files; -f: the file systems that hold them.";

pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "uname",
        letters: "asnrvmpio",
        long: &[
            ("all", 'a'),
            ("kernel-name", 's'),
            ("nodename", 'n'),
            ("kernel-release", 'r'),
            ("kernel-version", 'v'),
            ("machine", 'm'),
            ("operating-system", 'o'),
        ],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 0, 0) {
        return status;
    }
    let name = rustix::system::uname();
    let none = !"asnrvmpio".chars().any(|letter| given.has(letter));
    let parts = [
        ('s', name.sysname()),
        ('n', name.nodename()),
        ('r', name.release()),
        ('v', name.version()),
        ('m', name.machine()),
    ];
    let mut words: Vec<Vec<u8>> = Vec::new();
    for (letter, value) in parts {
        if given.has(letter) || given.has('a') || (none && letter == 's') {
            words.push(value.to_bytes().to_vec());
        }
    }
    for letter in ['p', 'i'] {
        if given.has(letter) {
            words.push(b"unknown".to_vec());
        }
    }
    if given.has('o') || given.has('a') {
        words.push(b"Linux".to_vec());
    }
    let mut out = Output::new();
    out.put(&words.join(&b' '));
    out.put_byte(b'\n');
    out.finish("uname", 0, 1)
}

pub fn sync(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "sync",
        letters: "df",
        long: &[("data", 'd'), ("file-system", 'f')],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if given.operands.is_empty() {
        rustix::fs::sync();
        return 0;
    }
    let mut status = 0;
    for file in &given.operands {
        let result = std::fs::File::open(file).and_then(|opened| {
            if given.has('f') {
                Ok(rustix::fs::syncfs(&opened)?)
            } else if given.has('d') {
                opened.sync_data()
            } else {
                opened.sync_all()
            }
        });
        if let Err(error) = result {
            complain("sync", file, &error);
            status = 1;
        }
    }
    status
}

//! `tee` (POSIX.1-2024).

use crate::common::lines::complain;
use crate::common::options::Options;
use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::{self, Read, Write};

pub const USAGE: &str = "[-ai] [file...]\n\n-a  add to the files    -i  go on after an interrupt";

pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "tee",
        letters: "ai",
        long: &[("append", 'a'), ("ignore-interrupts", 'i')],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if given.has('i') {
        // A signal that exists can be ignored.
        let _ = sys::process::set_signal(2, sys::process::Disposition::Ignore);
    }
    let mut status = 0;
    let mut outputs: Vec<(&OsStr, Box<dyn Write>)> =
        vec![(OsStr::new("standard output"), Box::new(io::stdout()))];
    for file in &given.operands {
        let mut how = OpenOptions::new();
        how.write(true)
            .create(true)
            .append(given.has('a'))
            .truncate(!given.has('a'));
        match how.open(file) {
            Ok(opened) => outputs.push((file, Box::new(opened))),
            Err(error) => {
                complain("tee", file, &error);
                status = 1;
            }
        }
    }
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = match io::stdin().read(&mut buffer) {
            Ok(0) => return status,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                complain("tee", OsStr::new("standard input"), &error);
                return 1;
            }
        };
        let bytes = buffer.get(..count).unwrap_or_default();
        // One that cannot be written to any more is told once and left out.
        outputs.retain_mut(|(name, output)| {
            match output.write_all(bytes).and_then(|()| output.flush()) {
                Ok(()) => true,
                Err(error) => {
                    complain("tee", name, &error);
                    status = 1;
                    false
                }
            }
        });
    }
}

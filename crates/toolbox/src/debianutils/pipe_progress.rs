//! `pipe_progress`: copies its input, with a dot a second on standard error.

use crate::common::lines::{complain, write_all};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::time::Instant;

pub const USAGE: &str = "

Copies standard input to standard output, and prints a dot a second to standard error while it comes.";

pub fn main(_: &[OsString]) -> i32 {
    let mut buffer = vec![0; 64 * 1024];
    let mut last = Instant::now();
    let status = loop {
        let count = match rustix::io::read(rustix::stdio::stdin(), &mut buffer) {
            Ok(0) => break 0,
            Ok(count) => count,
            Err(Errno::INTR) => continue,
            Err(error) => {
                complain("pipe_progress", OsStr::new("read error"), &error.into());
                break 1;
            }
        };
        if last.elapsed().as_secs() > 0 {
            last = Instant::now();
            let _ = write_all(rustix::stdio::stderr(), b".");
        }
        let bytes = buffer.get(..count).unwrap_or_default();
        if let Err(error) = write_all(rustix::stdio::stdout(), bytes) {
            complain("pipe_progress", OsStr::new("write error"), &error);
            break 1;
        }
    };
    let _ = write_all(rustix::stdio::stderr(), b"\n");
    status
}

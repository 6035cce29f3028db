//! `nologin` (nologin(8)): the shell of accounts that nobody logs in to.

use crate::common::lines::{Output, say};
use std::ffi::OsString;

pub const USAGE: &str = "";

/// Says so and fails; `/etc/nologin.txt` has the words where it is there.
pub fn main(_arguments: &[OsString]) -> i32 {
    match std::fs::read("/etc/nologin.txt") {
        Ok(text) => {
            let mut out = Output::new();
            out.put(&text);
            out.finish("nologin", 1, 1)
        }
        Err(_) => {
            say("nologin", "this account is not available");
            1
        }
    }
}

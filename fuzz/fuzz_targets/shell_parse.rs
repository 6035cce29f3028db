//! Any bytes are a script, or an error that says where.

#![no_main]

use libfuzzer_sys::fuzz_target;
use shell::parser::{Aliases, Parser};

fuzz_target!(|script: &[u8]| {
    let _ = Parser::new(script, "fuzz", &Aliases::default()).all();
});

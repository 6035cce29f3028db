//! Assignments, with every expansion but those that run commands: a value or an error.

#![no_main]

use libfuzzer_sys::fuzz_target;
use shell::Shell;

#[path = "../../crates/shell/tests/differential/harmless.rs"]
mod harmless;

fuzz_target!(|script: &[u8]| {
    if harmless::only_assigns(script) {
        let mut shell = Shell::new();
        shell.set_var(b"x", b"a b*c");
        shell.set_args(vec![b"one".to_vec(), b"two three".to_vec()]);
        let _ = shell.eval(b"fuzz", script);
    }
});

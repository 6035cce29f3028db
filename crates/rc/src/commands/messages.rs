//! `einfo`, `ebegin`, `eend`, `checkpath`, `yesno` and the other words of service scripts, as programs.

use crate::script::builtins;
use shell::Shell;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// Runs one of the words of service scripts. `None`: there is none of that name.
pub fn main(name: &str, arguments: &[OsString]) -> Option<i32> {
    let function = builtins::find(name)?;
    let mut shell = Shell::new();
    shell.import_environment(std::env::vars_os());
    let mut words: Vec<Vec<u8>> = arguments
        .iter()
        .map(|word| word.clone().into_vec())
        .collect();
    if let Some(first) = words.first_mut() {
        *first = name.as_bytes().to_vec();
    }
    Some(function(&mut shell, &words))
}

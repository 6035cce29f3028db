//! Running other programs: in this process' place, or as a child that is waited for.

use super::lines::{cause, say};
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Replaces this process by a command; when that failed it is told, and the status is the shells' 126 or 127.
pub fn replace(applet: &str, command: &mut Command) -> i32 {
    // The command is to find the signals as they were before Rust's start-up.
    sys::process::reset_sigpipe();
    let error = command.exec();
    say(
        applet,
        format!(
            "can't execute '{}': {}",
            command.get_program().display(),
            cause(&error)
        ),
    );
    if error.kind() == io::ErrorKind::NotFound {
        127
    } else {
        126
    }
}

/// [`replace`] by words; without any, by `$SHELL` or `/bin/sh`.
pub fn replace_by(applet: &str, words: &[OsString]) -> i32 {
    match words.split_first() {
        Some((name, rest)) => replace(applet, Command::new(name).args(rest)),
        None => {
            let shell = std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
            replace(applet, &mut Command::new(shell))
        }
    }
}

/// Waits for a child: its status as shells tell it.
///
/// # Errors
/// The system's error.
pub fn wait_for(child: i32) -> io::Result<i32> {
    loop {
        match sys::process::wait(sys::process::Which::One(child), true, false) {
            Ok(Some((_, status))) => return Ok(status.code()),
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Runs words as a child and waits for it.
pub fn run(applet: &str, words: &[OsString]) -> i32 {
    let own = words.to_vec();
    let name = applet.to_owned();
    match sys::process::fork(move || replace_by(&name, &own)).and_then(wait_for) {
        Ok(status) => status,
        Err(error) => {
            say(applet, cause(&error));
            1
        }
    }
}

/// Where the words of a program begin behind an applet's own options, so that the program's options stay its own.
/// `letters` as in getopt(3); long options take their value joined.
pub fn program_at(arguments: &[OsString], letters: &str) -> usize {
    let mut at = 1;
    while let Some(word) = arguments.get(at) {
        let bytes = word.as_encoded_bytes();
        if bytes == b"--" {
            return at + 1;
        }
        if bytes.len() < 2 || bytes.first() != Some(&b'-') {
            return at;
        }
        at += 1;
        if bytes.starts_with(b"--") {
            continue;
        }
        // The first letter that takes a value ends the cluster; at its end, the value is the next word.
        for (index, letter) in bytes.iter().enumerate().skip(1) {
            let found = letters.bytes().position(|known| known == *letter);
            if found.is_some_and(|place| letters.as_bytes().get(place + 1) == Some(&b':')) {
                if index + 1 == bytes.len() {
                    at += 1;
                }
                break;
            }
        }
    }
    at.min(arguments.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_program_begins() {
        let at = |words: &[&str]| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            program_at(&words, "ab:c")
        };
        assert_eq!(at(&["x", "-a", "prog", "-b"]), 2);
        assert_eq!(at(&["x", "-ab", "v", "prog"]), 3);
        assert_eq!(at(&["x", "-abv", "prog"]), 2);
        assert_eq!(at(&["x", "--long=v", "--", "-p"]), 3);
        assert_eq!(at(&["x", "-b"]), 2);
    }
}

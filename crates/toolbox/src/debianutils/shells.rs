//! `add-shell` and `remove-shell`: the list of login shells. The file is replaced by one that is whole.

use crate::common::lines::complain;
use crate::common::options::Options;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};

pub const USAGE: &str = "shell...

The list is /etc/shells.";

const SHELLS: &str = "/etc/shells";

/// `add-shell`
pub fn add(arguments: &[OsString]) -> i32 {
    run(arguments, "add-shell", true)
}

/// `remove-shell`
pub fn remove(arguments: &[OsString]) -> i32 {
    run(arguments, "remove-shell", false)
}

fn run(arguments: &[OsString], applet: &'static str, add: bool) -> i32 {
    let options = Options {
        applet,
        letters: "",
        long: &[],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 1, usize::MAX) {
        return status;
    }
    let shells: Vec<&[u8]> = given
        .operands
        .iter()
        .map(|shell| shell.as_bytes())
        .collect();
    match change(&shells, add) {
        Ok(()) => 0,
        Err(error) => {
            complain(applet, OsStr::new(SHELLS), &error);
            1
        }
    }
}

/// The list with the shells added behind it, or taken out of it.
fn changed(text: &[u8], shells: &[&[u8]], add: bool) -> Vec<u8> {
    let mut new = Vec::new();
    let mut missing = shells.to_vec();
    for line in text.split(|byte| *byte == b'\n') {
        missing.retain(|shell| *shell != line);
        if !line.is_empty() && (add || !shells.contains(&line)) {
            new.extend_from_slice(line);
            new.push(b'\n');
        }
    }
    if add {
        for shell in missing {
            new.extend_from_slice(shell);
            new.push(b'\n');
        }
    }
    new
}

fn change(shells: &[&[u8]], add: bool) -> io::Result<()> {
    let (text, mode) = match fs::read(SHELLS) {
        Ok(text) => (text, fs::metadata(SHELLS)?.permissions().mode() & 0o777),
        Err(error) if error.kind() == io::ErrorKind::NotFound => (Vec::new(), 0o644),
        Err(error) => return Err(error),
    };
    let new = changed(&text, shells, add);
    if new == text {
        return Ok(());
    }
    let beside = format!("{SHELLS}.{}", std::process::id());
    let done = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&beside)
        .and_then(|mut file| {
            file.write_all(&new)?;
            file.sync_all()?;
            fs::rename(&beside, SHELLS)
        });
    if done.is_err() {
        let _ = fs::remove_file(&beside);
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shell_is_there_once_or_not_at_all() {
        let list = b"# shells\n/bin/sh\n/bin/ash";
        assert_eq!(
            changed(list, &[b"/bin/sh", b"/bin/x"], true),
            b"# shells\n/bin/sh\n/bin/ash\n/bin/x\n"
        );
        assert_eq!(
            changed(list, &[b"/bin/sh", b"/bin/x"], false),
            b"# shells\n/bin/ash\n"
        );
    }
}

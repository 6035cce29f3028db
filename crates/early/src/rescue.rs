//! What to do when the root cannot be reached: tell why and what is there, and ask.

use crate::{Error, programs, root};
use rustix::system::{RebootCommand, reboot};
use std::io::{BufRead, Write};

/// An answer at the rescue prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Try the same again.
    Retry,
    /// Words to add to the kernel's command line before the next try.
    With(String),
    /// Start again.
    Reboot,
    /// Switch off.
    PowerOff,
}

impl Answer {
    /// Reads a line that was typed.
    pub fn parse(line: &str) -> Answer {
        match line.trim() {
            "" | "retry" => Answer::Retry,
            "reboot" => Answer::Reboot,
            "poweroff" | "halt" => Answer::PowerOff,
            words => Answer::With(words.to_owned()),
        }
    }
}

/// Tells of the error, and what devices there are.
pub fn tell(error: &Error) {
    let mut out = std::io::stderr().lock();
    let _ = writeln!(out, "\nearly: ERROR: cannot start the system: {error}");
    let _ = writeln!(out, "early: block devices: {}", devices());
}

/// Opens a shell where this initramfs has one, and waits for its end.
pub fn shell() {
    let Some(program) = programs::find("sh") else {
        return;
    };
    eprintln!("early: this is an emergency shell; `exit` ends it and asks how to go on");
    let ended = std::process::Command::new(program)
        .env("PATH", "/sbin:/bin:/usr/sbin:/usr/bin")
        .env("HOME", "/")
        .env("PS1", "(early) # ")
        .status();
    if let Err(error) = ended {
        eprintln!("early: the shell: {error}");
    }
}

/// Asks how to go on. `None`: nobody is there to answer (the console is closed).
pub fn ask() -> Option<Answer> {
    let mut out = std::io::stderr().lock();
    let _ = writeln!(
        out,
        "early: type boot options to try with (root=DEVICE, apkovl=none), Enter to try again, \"reboot\" or \"poweroff\"."
    );
    let _ = write!(out, "early> ");
    let _ = out.flush();
    let mut line = String::new();
    match std::io::stdin().lock().read_line(&mut line) {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(Answer::parse(&line)),
    }
}

fn devices() -> String {
    let names: Vec<String> = root::block_devices()
        .into_iter()
        .map(|block| format!("/dev/{}", block.name))
        .collect();
    if names.is_empty() {
        "none (is the disk's driver in the initramfs?)".to_owned()
    } else {
        names.join(" ")
    }
}

/// Restarts or switches off the machine. Returns only when the kernel refuses.
pub fn leave(command: RebootCommand) -> Error {
    rustix::fs::sync();
    match reboot(command) {
        Ok(()) => Error::io("reboot", "/", std::io::Error::other("the kernel returned")),
        Err(e) => Error::io("reboot", "/", e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        assert_eq!(Answer::parse(" \n"), Answer::Retry);
        assert_eq!(Answer::parse("reboot\n"), Answer::Reboot);
        assert_eq!(Answer::parse("poweroff"), Answer::PowerOff);
        assert_eq!(
            Answer::parse("root=/dev/sda1 rw\n"),
            Answer::With("root=/dev/sda1 rw".into())
        );
    }
}

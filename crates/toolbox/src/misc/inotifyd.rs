//! `inotifyd`: runs a program when files change (inotify(7)).

use crate::common::lines::{Output, about, cause, say, status};
use crate::common::options::Options;
use rustix::fs::inotify;
use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;
use sys::process::{self, Disposition};

pub const USAGE: &str = "PROGRAM FILE[:EVENTS]...

runs 'PROGRAM EVENTS FILE [NAME]' for what happens to a file, or to NAME in a folder; - prints that
a  read    c  written    e  attributes changed    w  closed after writing    0  closed    r  opened    D  deleted
M  moved   u  unmounted  o  events were lost      x  no longer watched; it ends when that is so for all of them
in a folder:  n  made    d  deleted    y  moved here    m  moved away";

const OPTIONS: Options = Options {
    applet: "inotifyd",
    letters: "",
    long: &[],
};

/// The letters of the events, from the lowest bit on; a blank is none.
const LETTERS: &[u8; 16] = b"acew0rmyndDM uox";
/// What is watched for where nothing is said: all but what the kernel tells anyway.
const USUAL: u32 = 0xfff;
const IGNORED: u32 = 0x8000;

/// `inotifyd`
pub fn main(arguments: &[OsString]) -> i32 {
    let given = match OPTIONS.take(arguments, 2, usize::MAX) {
        Ok(given) => given,
        Err(status) => return status,
    };
    match given.operands.split_first() {
        Some((program, files)) => status("inotifyd", run(program, files)),
        None => 1,
    }
}

/// A file, and which events count.
fn wish(word: &OsStr) -> (&OsStr, u32) {
    let bytes = word.as_bytes();
    let Some(at) = bytes.iter().position(|byte| *byte == b':') else {
        return (word, USUAL);
    };
    let (path, letters) = bytes.split_at(at);
    let mut mask = 0;
    for letter in letters.iter().skip(1) {
        if let Some(bit) = LETTERS
            .iter()
            .position(|known| known == letter && *letter != b' ')
        {
            mask |= 1 << bit;
        }
    }
    (OsStr::from_bytes(path), mask)
}

/// The letters of what happened.
fn letters(mask: u32) -> String {
    let set = LETTERS
        .iter()
        .enumerate()
        .filter(|(bit, letter)| mask >> bit & 1 != 0 && **letter != b' ');
    set.map(|(_, letter)| char::from(*letter)).collect()
}

fn run(program: &OsStr, files: &[OsString]) -> io::Result<i32> {
    let watcher = inotify::init(inotify::CreateFlags::CLOEXEC)?;
    let mut watched = Vec::new();
    for word in files {
        let (path, mask) = wish(word);
        let flags = inotify::WatchFlags::from_bits_retain(mask);
        let number = inotify::add_watch(&watcher, path, flags)
            .map_err(|error| about(path, &error.into()))?;
        watched.push((number, path));
    }
    for signal in [1, 2, 3, 15] {
        process::set_signal(signal, Disposition::Catch)?;
    }
    let mut left = watched.len();
    let mut out = Output::new();
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut events = inotify::Reader::new(&watcher, &mut buffer);
    loop {
        if events.is_buffer_empty() {
            out.flush();
            match process::readable_or_signal(watcher.as_raw_fd(), -1) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    return Ok(process::take_signal().unwrap_or(0));
                }
                Err(error) => return Err(error),
            }
        }
        let event = events.next()?;
        let mask = event.events().bits();
        let known = watched.iter().find(|(number, _)| *number == event.wd());
        let path = known.map_or(OsStr::new(""), |(_, path)| path);
        let name = event
            .file_name()
            .map(|name| OsStr::from_bytes(name.to_bytes()));
        let happened = letters(mask);
        if happened.is_empty() {
            continue;
        }
        if program == "-" {
            let mut line = [happened.as_bytes(), b"\t", path.as_bytes()].concat();
            if let Some(name) = name {
                line.push(b'\t');
                line.extend(name.as_bytes());
            }
            line.push(b'\n');
            out.put(&line);
        } else {
            let mut command = Command::new(program);
            command.arg(&happened).arg(path).args(name);
            if let Err(error) = command.status() {
                say(
                    "inotifyd",
                    format!("can't execute '{}': {}", program.display(), cause(&error)),
                );
            }
        }
        if mask & IGNORED != 0 {
            left -= 1;
            if left == 0 {
                return Ok(out.finish("inotifyd", 0, 1));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_and_letters() {
        let wish = |word| wish(OsStr::new(word));
        assert_eq!(wish("/a"), (OsStr::new("/a"), USUAL));
        assert_eq!(wish("/a:nd"), (OsStr::new("/a"), 0x300));
        assert_eq!(wish("/a:? "), (OsStr::new("/a"), 0));
        assert_eq!(letters(0x8400), "Dx");
        assert_eq!(letters(0x1000), "");
    }
}

//! `microcom`: talks to a serial port.

use crate::common::lines::{about, other, say, status, write_all};
use crate::common::options::{Given, Options};
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcsendbreak, tcsetattr};
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use sys::process::{self, Disposition};

pub const USAGE: &str = "[-d MS] [-t MS] [-s SPEED] [-X] DEVICE

copies what is typed to DEVICE and what comes from there to the screen; Ctrl-X ends, Ctrl-@ sends a break
-d  wait so long for an answer to each byte    -t  end after so much silence    -s  the line's speed (9600)
-X  Ctrl-X and Ctrl-@ are sent, too";

const OPTIONS: Options = Options {
    applet: "microcom",
    letters: "Xs:d:t:",
    long: &[],
};

const HANGUP: i32 = 1;

/// `microcom`
pub fn main(arguments: &[OsString]) -> i32 {
    let given = match OPTIONS.take(arguments, 1, 1) {
        Ok(given) => given,
        Err(status) => return status,
    };
    status("microcom", run(&given))
}

/// A file that says who uses the port; it goes with the program.
struct Lock(Option<PathBuf>);

impl Lock {
    fn take(device: &Path) -> io::Result<Lock> {
        let name = device.file_name().unwrap_or_default().display();
        let path = PathBuf::from(format!("/var/lock/LCK..{name}"));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(mut file) => {
                writeln!(file, "{:>10}", std::process::id())?;
                Ok(Lock(Some(path)))
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(about(format!("can't create '{}'", path.display()), &error))
            }
            // Where there is no folder for such files, one does without.
            Err(_) => Ok(Lock(None)),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// A terminal that gives and takes bytes as they are; `None`: it is none.
fn raw(fd: impl AsFd, speed: Option<u32>) -> io::Result<Termios> {
    let before = tcgetattr(&fd)?;
    let mut raw = before.clone();
    raw.make_raw();
    if let Some(speed) = speed {
        raw.set_speed(speed)?;
    }
    tcsetattr(&fd, OptionalActions::Flush, &raw)?;
    Ok(before)
}

fn run(given: &Given) -> io::Result<i32> {
    let speed = given.number('s', 9600_u32).map_err(other)?;
    let wait = |letter| -> io::Result<Option<i32>> {
        if !given.has(letter) {
            return Ok(None);
        }
        let number = given.number(letter, 0_i32).map_err(other)?;
        if number < 0 {
            Err(other(format!("invalid number '{number}'")))
        } else {
            Ok(Some(number))
        }
    };
    let (pause, silence) = (wait('d')?, wait('t')?);
    let path = given
        .operands
        .first()
        .map_or(OsStr::new(""), OsString::as_os_str);
    let _lock = Lock::take(Path::new(path))?;
    for signal in [1, 2, 13, 15] {
        process::set_signal(signal, Disposition::Catch)?;
    }
    let told = |error: io::Error| about(path, &error);
    // A modem line would have open(2) wait for a carrier.
    let flags = rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::NONBLOCK;
    let port = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .map_err(told)?;
    rustix::fs::fcntl_setfl(&port, rustix::fs::OFlags::empty())?;
    let before = raw(&port, Some(speed)).map_err(told)?;
    let stdin = rustix::stdio::stdin();
    let typed = if isatty(stdin) {
        Some(raw(stdin, None)?)
    } else {
        None
    };
    let done = talk(&port, given.has('X'), pause, silence);
    let _ = tcsetattr(&port, OptionalActions::Flush, &before);
    if let Some(typed) = typed {
        let _ = tcsetattr(stdin, OptionalActions::Flush, &typed);
    }
    done
}

fn talk(
    mut port: &File,
    literal: bool,
    pause: Option<i32>,
    silence: Option<i32>,
) -> io::Result<i32> {
    let mut open = true;
    let line = port.as_raw_fd();
    loop {
        if let Some(signal) = process::take_signal() {
            return Ok(signal);
        }
        let fds = if open { &[line, 0][..] } else { &[line] };
        match process::readable_any(fds, silence.unwrap_or(-1)) {
            Ok(true) => {}
            Ok(false) => return Ok(0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        if open && process::readable(0, 0)? {
            let mut byte = [0];
            match process::read(0, &mut byte) {
                Ok(1) => match byte {
                    [0] if !literal => tcsendbreak(port)?,
                    [24] if !literal => return Ok(0),
                    _ => {
                        port.write_all(&byte)?;
                        if let Some(pause) = pause {
                            let _ = process::readable(line, pause);
                        }
                    }
                },
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                _ => open = false,
            }
        }
        if process::readable(line, 0)? {
            let mut bytes = [0; 1024];
            match port.read(&mut bytes) {
                Ok(count) if count > 0 => {
                    write_all(
                        rustix::stdio::stdout(),
                        bytes.get(..count).unwrap_or_default(),
                    )?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The other end is gone.
                _ => {
                    say("microcom", "the line was hung up");
                    return Ok(HANGUP);
                }
            }
        }
    }
}

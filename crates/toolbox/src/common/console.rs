//! The console.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io;
use sys::control::{Flat, flat};

/// The console: the device that is named, or whichever is one.
///
/// # Errors
/// The system's error for the last one that was tried.
pub fn open(named: Option<&OsStr>) -> io::Result<File> {
    if let Some(path) = named {
        return OpenOptions::new().read(true).write(true).open(path);
    }
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for path in ["/dev/tty", "/dev/tty0", "/dev/console"] {
        match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => match flat(&file, Flat::KDGKBMODE, &mut [0; 4]) {
                Ok(_) => return Ok(file),
                Err(error) => last = error,
            },
            Err(error) => last = error,
        }
    }
    Err(last)
}

//! Terminals: whether a descriptor is one, and switching its echo off.

use rustix::termios::{self, LocalModes, OptionalActions, Termios};
use std::io;
use std::os::fd::BorrowedFd;

fn borrow(fd: i32) -> io::Result<BorrowedFd<'static>> {
    if fd < 0 {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: the number is not -1. It is used for one call that answers EBADF where nothing is open under it.
    Ok(unsafe { BorrowedFd::borrow_raw(fd) })
}

/// Whether a descriptor is a terminal.
pub fn is_terminal(fd: i32) -> bool {
    borrow(fd).is_ok_and(termios::isatty)
}

/// A terminal's settings, to be put back.
#[derive(Clone, Debug)]
pub struct Settings {
    fd: i32,
    settings: Termios,
}

impl Settings {
    /// Puts them back. A terminal that went away needs none.
    pub fn restore(&self) {
        if let Ok(fd) = borrow(self.fd) {
            let _ = termios::tcsetattr(fd, OptionalActions::Drain, &self.settings);
        }
    }
}

/// Switches a terminal's echo off, and returns how it was.
pub fn silence(fd: i32) -> io::Result<Settings> {
    let settings = termios::tcgetattr(borrow(fd)?)?;
    let mut silent = settings.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    termios::tcsetattr(borrow(fd)?, OptionalActions::Drain, &silent)?;
    Ok(Settings { fd, settings })
}

/// Makes a terminal give each byte as it comes, with no echo; returns how it was.
pub fn raw(fd: i32) -> io::Result<Settings> {
    let settings = termios::tcgetattr(borrow(fd)?)?;
    let mut raw = settings.clone();
    raw.make_raw();
    // Output stays as it was: a line end moves to the line's beginning.
    raw.output_modes = settings.output_modes;
    termios::tcsetattr(borrow(fd)?, OptionalActions::Drain, &raw)?;
    Ok(Settings { fd, settings })
}

/// Makes a terminal give each byte as it comes, with no echo and no signals; returns how it was. How bytes go over a
/// serial line (parity, flow control) and what output becomes stays as it was.
pub fn editing(fd: i32) -> io::Result<Settings> {
    let settings = termios::tcgetattr(borrow(fd)?)?;
    let mut editing = settings.clone();
    editing.local_modes.remove(
        LocalModes::ICANON
            | LocalModes::ECHO
            | LocalModes::ECHONL
            | LocalModes::ISIG
            | LocalModes::IEXTEN,
    );
    editing
        .input_modes
        .remove(termios::InputModes::ICRNL | termios::InputModes::INLCR);
    editing.special_codes[termios::SpecialCodeIndex::VMIN] = 1;
    editing.special_codes[termios::SpecialCodeIndex::VTIME] = 0;
    termios::tcsetattr(borrow(fd)?, OptionalActions::Drain, &editing)?;
    Ok(Settings { fd, settings })
}

/// A terminal's settings as they are.
pub fn settings(fd: i32) -> io::Result<Settings> {
    let settings = termios::tcgetattr(borrow(fd)?)?;
    Ok(Settings { fd, settings })
}

/// The process group in a terminal's foreground.
pub fn foreground(fd: i32) -> io::Result<i32> {
    Ok(termios::tcgetpgrp(borrow(fd)?)?.as_raw_nonzero().get())
}

/// Puts a process group into a terminal's foreground.
pub fn set_foreground(fd: i32, group: i32) -> io::Result<()> {
    let group =
        rustix::process::Pid::from_raw(group).ok_or(io::Error::from_raw_os_error(libc::EINVAL))?;
    Ok(termios::tcsetpgrp(borrow(fd)?, group)?)
}

/// Columns and rows, where the terminal tells them.
pub fn told_size(fd: i32) -> Option<(u16, u16)> {
    let size = termios::tcgetwinsize(borrow(fd).ok()?).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
}

/// Columns and rows; a terminal that does not say has 80 and 24.
pub fn size(fd: i32) -> (u16, u16) {
    match borrow(fd).and_then(|fd| termios::tcgetwinsize(fd).map_err(io::Error::from)) {
        Ok(size) if size.ws_col > 0 => (size.ws_col, size.ws_row.max(1)),
        _ => (80, 24),
    }
}

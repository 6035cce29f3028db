//! What an applet is.

use std::ffi::OsString;

/// The folder an applet's name is installed into, as Alpine's BusyBox has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folder {
    /// `/bin`
    Bin,
    /// `/sbin`
    Sbin,
    /// `/usr/bin`
    UsrBin,
    /// `/usr/sbin`
    UsrSbin,
}

impl Folder {
    /// The folder's path relative to the root.
    pub fn path(self) -> &'static str {
        match self {
            Folder::Bin => "bin",
            Folder::Sbin => "sbin",
            Folder::UsrBin => "usr/bin",
            Folder::UsrSbin => "usr/sbin",
        }
    }
}

/// One applet of the table.
#[derive(Clone, Copy, Debug)]
pub struct Applet {
    /// The name it is called by.
    pub name: &'static str,
    /// Where its name is installed.
    pub folder: Folder,
    /// One line: what it does.
    pub about: &'static str,
    /// The usage text behind the name, options a line each.
    pub usage: &'static str,
    /// Runs it: the arguments with the name first; the result is the exit status.
    pub run: fn(&[OsString]) -> i32,
}

/// An entry of a group's table.
pub const fn applet(
    name: &'static str,
    folder: Folder,
    about: &'static str,
    usage: &'static str,
    run: fn(&[OsString]) -> i32,
) -> Applet {
    Applet {
        name,
        folder,
        about,
        usage,
        run,
    }
}

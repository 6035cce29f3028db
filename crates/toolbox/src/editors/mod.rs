//! The applets of the group `editors`.

mod sed;

use crate::applet::{Applet, Folder};

/// This group's table.
pub const APPLETS: &[Applet] = &[Applet {
    name: "sed",
    folder: Folder::Bin,
    about: "edit a stream of lines by a script",
    usage: sed::USAGE,
    run: sed::main,
}];

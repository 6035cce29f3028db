//! The applets of the group `editors`.

mod awk;
mod sed;

use crate::applet::{Applet, Folder};

/// This group's table.
pub const APPLETS: &[Applet] = &[
    Applet {
        name: "awk",
        folder: Folder::UsrBin,
        about: "scan and process text by patterns",
        usage: awk::USAGE,
        run: awk::main,
    },
    Applet {
        name: "sed",
        folder: Folder::Bin,
        about: "edit a stream of lines by a script",
        usage: sed::USAGE,
        run: sed::main,
    },
];

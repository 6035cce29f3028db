//! The applets of the group `editors`.

mod awk;
mod cmp;
mod diff;
mod patch;
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
        name: "cmp",
        folder: Folder::UsrBin,
        about: "compare two files byte by byte",
        usage: cmp::USAGE,
        run: cmp::main,
    },
    Applet {
        name: "diff",
        folder: Folder::UsrBin,
        about: "show how files or trees differ",
        usage: diff::USAGE,
        run: diff::main,
    },
    Applet {
        name: "patch",
        folder: Folder::UsrBin,
        about: "apply a diff",
        usage: patch::USAGE,
        run: patch::main,
    },
    Applet {
        name: "sed",
        folder: Folder::Bin,
        about: "edit a stream of lines by a script",
        usage: sed::USAGE,
        run: sed::main,
    },
];

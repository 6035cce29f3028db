//! The applets of the group `editors`.

mod awk;
mod cmp;
mod diff;
mod less;
mod patch;
mod sed;
mod vi;

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
        name: "less",
        folder: Folder::UsrBin,
        about: "look through text",
        usage: less::LESS_USAGE,
        run: less::less,
    },
    Applet {
        name: "more",
        folder: Folder::Bin,
        about: "show text a screen at a time",
        usage: less::MORE_USAGE,
        run: less::more,
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
    Applet {
        name: "vi",
        folder: Folder::UsrBin,
        about: "edit text on the whole screen",
        usage: vi::USAGE,
        run: vi::main,
    },
];

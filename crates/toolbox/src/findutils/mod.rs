//! The applets of the group `findutils`.

mod find;
mod grep;
mod xargs;

use crate::applet::{Applet, Folder};

/// This group's table.
pub const APPLETS: &[Applet] = &[
    Applet {
        name: "egrep",
        folder: Folder::Bin,
        about: "print the lines that match an extended regular expression",
        usage: grep::USAGE,
        run: grep::main,
    },
    Applet {
        name: "fgrep",
        folder: Folder::Bin,
        about: "print the lines that hold a string",
        usage: grep::USAGE,
        run: grep::main,
    },
    Applet {
        name: "find",
        folder: Folder::UsrBin,
        about: "walk trees and test, print or change what is in them",
        usage: find::USAGE,
        run: find::main,
    },
    Applet {
        name: "grep",
        folder: Folder::Bin,
        about: "print the lines that match a regular expression",
        usage: grep::USAGE,
        run: grep::main,
    },
    Applet {
        name: "xargs",
        folder: Folder::UsrBin,
        about: "run a command with arguments from standard input",
        usage: xargs::USAGE,
        run: xargs::main,
    },
];

//! The applets of the group `misc`.

mod bc;
mod crond;
mod dc;
mod strings;
mod tree;

use crate::applet::{Applet, Folder, applet};

/// This group's table.
#[rustfmt::skip]
pub const APPLETS: &[Applet] = &[
    applet("bc", Folder::UsrBin, "calculate, with a language", bc::USAGE, bc::main),
    applet("crond", Folder::UsrSbin, "run commands at their time", crond::USAGE, crond::main),
    applet("crontab", Folder::UsrBin, "change when commands run", crond::CRONTAB_USAGE, crond::crontab),
    applet("dc", Folder::UsrBin, "calculate, with a stack", dc::USAGE, dc::main),
    applet("strings", Folder::UsrBin, "print what can be read in a file", strings::USAGE, strings::main),
    applet("tree", Folder::UsrBin, "draw folders as a tree", tree::USAGE, tree::main),
];

//! The applets of the group `debianutils`.

mod pipe_progress;
mod shells;
mod which;

use crate::applet::{Applet, Folder, applet};

/// This group's table.
#[rustfmt::skip]
pub const APPLETS: &[Applet] = &[
    applet("add-shell", Folder::UsrSbin, "add login shells to the list", shells::USAGE, shells::add),
    applet("pipe_progress", Folder::Bin, "show that a pipe is alive", pipe_progress::USAGE, pipe_progress::main),
    applet("remove-shell", Folder::UsrSbin, "take login shells off the list", shells::USAGE, shells::remove),
    applet("run-parts", Folder::Bin, "run the programs of a folder", which::RUN_PARTS_USAGE, which::run_parts),
    applet("which", Folder::UsrBin, "print where programs are", which::USAGE, which::main),
];

//! The applets of the group `e2fsprogs`.

mod attributes;
mod fatattr;
mod fsck;

use crate::applet::{Applet, Folder, applet};

/// This group's table.
#[rustfmt::skip]
pub const APPLETS: &[Applet] = &[
    applet("chattr", Folder::Bin, "change the attributes of files", attributes::CHATTR_USAGE, attributes::chattr),
    applet("fatattr", Folder::Bin, "print and change attributes on FAT", fatattr::USAGE, fatattr::main),
    applet("fsck", Folder::Sbin, "check file systems", fsck::USAGE, fsck::main),
    applet("lsattr", Folder::Bin, "print the attributes of files", attributes::LSATTR_USAGE, attributes::lsattr),
];

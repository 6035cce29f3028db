//! The applets of the group `modutils`.

mod insert;
mod modprobe;
mod tree;

use crate::applet::{Applet, Folder, applet};

/// This group's table.
#[rustfmt::skip]
pub const APPLETS: &[Applet] = &[
    applet("insmod", Folder::Sbin, "load a kernel module's file", insert::INSMOD_USAGE, insert::insmod),
    applet("lsmod", Folder::Sbin, "list the kernel modules that are loaded", insert::LSMOD_USAGE, insert::lsmod),
    applet("modprobe", Folder::Sbin, "load kernel modules and what they need", modprobe::USAGE, modprobe::main),
    applet("rmmod", Folder::Sbin, "remove kernel modules", insert::RMMOD_USAGE, insert::rmmod),
];

//! The applets of the group `modutils`.

mod depmod;
mod image;
mod insert;
mod modinfo;
mod modprobe;
mod tree;

use crate::applet::{Applet, Folder, applet};

/// This group's table.
#[rustfmt::skip]
pub const APPLETS: &[Applet] = &[
    applet("depmod", Folder::Sbin, "write down what kernel modules need", depmod::USAGE, depmod::main),
    applet("insmod", Folder::Sbin, "load a kernel module's file", insert::INSMOD_USAGE, insert::insmod),
    applet("lsmod", Folder::Sbin, "list the kernel modules that are loaded", insert::LSMOD_USAGE, insert::lsmod),
    applet("modinfo", Folder::Sbin, "print what kernel modules say of themselves", modinfo::USAGE, modinfo::main),
    applet("modprobe", Folder::Sbin, "load kernel modules and what they need", modprobe::USAGE, modprobe::main),
    applet("rmmod", Folder::Sbin, "remove kernel modules", insert::RMMOD_USAGE, insert::rmmod),
];

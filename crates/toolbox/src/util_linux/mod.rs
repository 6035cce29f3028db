//! The applets of the group `util_linux`.

mod dmesg;
mod hwclock;
mod losetup;
mod mdev;
mod mount;
mod swap;
mod umount;

use crate::applet::{Applet, Folder, applet};

/// This group's table.
#[rustfmt::skip]
pub const APPLETS: &[Applet] = &[
    applet("blkid", Folder::Sbin, "print what block devices hold", losetup::BLKID_USAGE, losetup::blkid),
    applet("dmesg", Folder::Bin, "print the kernel's messages", dmesg::USAGE, dmesg::main),
    applet("findfs", Folder::Sbin, "find a file system by its label or UUID", losetup::FINDFS_USAGE, losetup::findfs),
    applet("hwclock", Folder::Sbin, "read and set the hardware clock", hwclock::USAGE, hwclock::main),
    applet("losetup", Folder::Sbin, "show files as block devices", losetup::USAGE, losetup::main),
    applet("mdev", Folder::Sbin, "make device nodes", mdev::USAGE, mdev::main),
    applet("mkswap", Folder::Sbin, "make a swap area", swap::MAKE_USAGE, swap::make),
    applet("mount", Folder::Bin, "mount file systems", mount::USAGE, mount::main),
    applet("mountpoint", Folder::Bin, "tell whether something is mounted at a folder", umount::MOUNTPOINT_USAGE, umount::mountpoint),
    applet("pivot_root", Folder::Sbin, "change the root of the mounts", losetup::PIVOT_USAGE, losetup::pivot_root),
    applet("swapoff", Folder::Sbin, "end swapping", swap::OFF_USAGE, swap::off),
    applet("swapon", Folder::Sbin, "begin swapping", swap::ON_USAGE, swap::on),
    applet("switch_root", Folder::Sbin, "go from an initramfs to the root", losetup::SWITCH_USAGE, losetup::switch_root),
    applet("umount", Folder::Bin, "unmount file systems", umount::USAGE, umount::main),
];

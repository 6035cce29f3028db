//! The applets of the group `util_linux`.

mod acpid;
mod cal;
mod devices;
mod dmesg;
mod fallocate;
mod fbset;
mod getopt;
mod hexdump;
mod hwclock;
mod ipc;
mod losetup;
mod mdev;
mod mkfs_vfat;
mod mount;
mod namespaces;
mod rdate;
mod rev;
mod running;
mod setpriv;
mod swap;
mod umount;
mod xxd;

use crate::applet::{Applet, Folder, applet};

/// This group's table.
#[rustfmt::skip]
pub const APPLETS: &[Applet] = &[
    applet("acpid", Folder::Sbin, "run programs when buttons are pressed", acpid::USAGE, acpid::main),
    applet("blkdiscard", Folder::UsrBin, "tell a device that its data is not needed", devices::DISCARD_USAGE, devices::discard),
    applet("blkid", Folder::Sbin, "print what block devices hold", losetup::BLKID_USAGE, losetup::blkid),
    applet("blockdev", Folder::Sbin, "ask and change block devices", devices::BLOCKDEV_USAGE, devices::blockdev),
    applet("cal", Folder::UsrBin, "print a calendar", cal::USAGE, cal::main),
    applet("dmesg", Folder::Bin, "print the kernel's messages", dmesg::USAGE, dmesg::main),
    applet("eject", Folder::UsrBin, "open and close trays", devices::EJECT_USAGE, devices::eject),
    applet("fallocate", Folder::UsrBin, "take room for a file", fallocate::USAGE, fallocate::main),
    applet("fbset", Folder::UsrSbin, "show and change a frame buffer's mode", fbset::USAGE, fbset::main),
    applet("fdflush", Folder::Bin, "have a floppy drive look for a new medium", devices::FDFLUSH_USAGE, devices::fdflush),
    applet("findfs", Folder::Sbin, "find a file system by its label or UUID", losetup::FINDFS_USAGE, losetup::findfs),
    applet("flock", Folder::UsrBin, "hold a lock while a program runs", running::FLOCK_USAGE, running::flock),
    applet("fstrim", Folder::Sbin, "tell a device what its file system does not use", devices::TRIM_USAGE, devices::trim),
    applet("getopt", Folder::Bin, "put a script's options in order", getopt::USAGE, getopt::main),
    applet("hd", Folder::UsrBin, "print bytes and text", hexdump::HD_USAGE, hexdump::hd),
    applet("hexdump", Folder::UsrBin, "print bytes by a format", hexdump::USAGE, hexdump::main),
    applet("hwclock", Folder::Sbin, "read and set the hardware clock", hwclock::USAGE, hwclock::main),
    applet("ionice", Folder::Bin, "print and set the priority for input and output", running::IONICE_USAGE, running::ionice),
    applet("ipcrm", Folder::UsrBin, "remove System V objects", ipc::IPCRM_USAGE, ipc::ipcrm),
    applet("ipcs", Folder::UsrBin, "list System V objects", ipc::IPCS_USAGE, ipc::ipcs),
    applet("linux32", Folder::Bin, "run a program that takes the machine for a 32-bit one", running::LINUX_USAGE, running::linux),
    applet("linux64", Folder::Bin, "run a program that sees the machine as it is", running::LINUX_USAGE, running::linux),
    applet("losetup", Folder::Sbin, "show files as block devices", losetup::USAGE, losetup::main),
    applet("mdev", Folder::Sbin, "make device nodes", mdev::USAGE, mdev::main),
    applet("mesg", Folder::UsrBin, "let others write to the terminal, or not", running::MESG_USAGE, running::mesg),
    applet("mkdosfs", Folder::Sbin, "make a FAT file system", mkfs_vfat::USAGE, mkfs_vfat::main),
    applet("mkfs.vfat", Folder::Sbin, "make a FAT file system", mkfs_vfat::USAGE, mkfs_vfat::main),
    applet("mkswap", Folder::Sbin, "make a swap area", swap::MAKE_USAGE, swap::make),
    applet("mount", Folder::Bin, "mount file systems", mount::USAGE, mount::main),
    applet("mountpoint", Folder::Bin, "tell whether something is mounted at a folder", umount::MOUNTPOINT_USAGE, umount::mountpoint),
    applet("nsenter", Folder::UsrBin, "run a program in another process' namespaces", namespaces::NSENTER_USAGE, namespaces::nsenter),
    applet("partprobe", Folder::UsrSbin, "have the kernel read partition tables anew", devices::PARTPROBE_USAGE, devices::partprobe),
    applet("pivot_root", Folder::Sbin, "change the root of the mounts", losetup::PIVOT_USAGE, losetup::pivot_root),
    applet("raidautorun", Folder::Sbin, "have the kernel look for RAIDs", devices::RAIDAUTORUN_USAGE, devices::raidautorun),
    applet("rdate", Folder::UsrSbin, "set the clock by another machine's", rdate::USAGE, rdate::main),
    applet("rdev", Folder::UsrSbin, "print the device of the root", devices::RDEV_USAGE, devices::rdev),
    applet("readahead", Folder::UsrSbin, "read files into memory", devices::READAHEAD_USAGE, devices::readahead),
    applet("renice", Folder::UsrBin, "change the niceness of processes", running::RENICE_USAGE, running::renice),
    applet("rev", Folder::Bin, "print lines backwards, character by character", rev::USAGE, rev::main),
    applet("setpriv", Folder::Bin, "run a program with other privileges", setpriv::USAGE, setpriv::main),
    applet("setsid", Folder::UsrBin, "run a program in a new session", running::SETSID_USAGE, running::setsid),
    applet("swapoff", Folder::Sbin, "end swapping", swap::OFF_USAGE, swap::off),
    applet("swapon", Folder::Sbin, "begin swapping", swap::ON_USAGE, swap::on),
    applet("switch_root", Folder::Sbin, "go from an initramfs to the root", losetup::SWITCH_USAGE, losetup::switch_root),
    applet("umount", Folder::Bin, "unmount file systems", umount::USAGE, umount::main),
    applet("unshare", Folder::UsrBin, "run a program in new namespaces", namespaces::UNSHARE_USAGE, namespaces::unshare),
    applet("volname", Folder::UsrBin, "print the name of a CD", devices::VOLNAME_USAGE, devices::volname),
    applet("xxd", Folder::UsrBin, "print bytes in hexadecimal, or make them of that", xxd::USAGE, xxd::main),
];

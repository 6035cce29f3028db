//! The applets of the group `procps`.

mod files;
mod iostat;
mod kill;
mod mpstat;
mod nmeter;
mod processes;
mod ps;
mod pstree;
mod small;
mod sysctl;
mod top;
mod usage;
mod watch;

use crate::applet::{Applet, Folder, applet};

/// This group's table.
#[rustfmt::skip]
pub const APPLETS: &[Applet] = &[
    applet("free", Folder::UsrBin, "print how much memory is used", ps::FREE_USAGE, ps::free),
    applet("fuser", Folder::UsrBin, "find who uses files", files::FUSER_USAGE, files::fuser),
    applet("iostat", Folder::Bin, "tell what processors and disks did", iostat::USAGE, iostat::main),
    applet("kill", Folder::Bin, "send signals to processes", kill::KILL_USAGE, kill::kill),
    applet("killall", Folder::UsrBin, "send signals to processes by name", kill::KILLALL_USAGE, kill::killall),
    applet("killall5", Folder::UsrSbin, "send a signal to all processes", kill::KILLALL5_USAGE, kill::killall5),
    applet("lsof", Folder::UsrBin, "list open files", files::LSOF_USAGE, files::lsof),
    applet("mpstat", Folder::Bin, "tell what each processor did", mpstat::USAGE, mpstat::main),
    applet("nmeter", Folder::UsrBin, "print numbers about the system in lines", nmeter::USAGE, nmeter::main),
    applet("pgrep", Folder::UsrBin, "find processes", kill::PGREP_USAGE, kill::pgrep),
    applet("pidof", Folder::Bin, "print the numbers of processes by name", kill::PIDOF_USAGE, kill::pidof),
    applet("pkill", Folder::UsrBin, "find processes and send them signals", kill::PKILL_USAGE, kill::pkill),
    applet("pmap", Folder::UsrBin, "print a process' memory map", small::PMAP_USAGE, small::pmap),
    applet("ps", Folder::Bin, "list processes", ps::USAGE, ps::main),
    applet("pstree", Folder::UsrBin, "draw the processes as a tree", pstree::USAGE, pstree::main),
    applet("pwdx", Folder::UsrBin, "print the working directories of processes", small::PWDX_USAGE, small::pwdx),
    applet("sysctl", Folder::Sbin, "print and set the kernel's parameters", sysctl::USAGE, sysctl::main),
    applet("time", Folder::UsrBin, "tell how long a program takes", small::TIME_USAGE, small::time),
    applet("top", Folder::UsrBin, "watch the processes that use most", top::USAGE, top::main),
    applet("uptime", Folder::UsrBin, "print how long the system runs", ps::UPTIME_USAGE, ps::uptime),
    applet("watch", Folder::Bin, "run a program again and again", watch::USAGE, watch::main),
];

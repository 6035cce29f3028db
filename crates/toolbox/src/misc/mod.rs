//! The applets of the group `misc`.

mod adjtimex;
mod bc;
mod beep;
mod crond;
mod dc;
mod inotifyd;
mod lsusb;
mod microcom;
mod nand;
mod rfkill;
mod setserial;
mod strings;
mod tree;
mod watchdog;

use crate::applet::{Applet, Folder, applet};

/// This group's table.
#[rustfmt::skip]
pub const APPLETS: &[Applet] = &[
    applet("adjtimex", Folder::Sbin, "show and change how the clock goes", adjtimex::USAGE, adjtimex::main),
    applet("bc", Folder::UsrBin, "calculate, with a language", bc::USAGE, bc::main),
    applet("beep", Folder::UsrBin, "sound tones", beep::USAGE, beep::main),
    applet("crond", Folder::UsrSbin, "run commands at their time", crond::USAGE, crond::main),
    applet("crontab", Folder::UsrBin, "change when commands run", crond::CRONTAB_USAGE, crond::crontab),
    applet("dc", Folder::UsrBin, "calculate, with a stack", dc::USAGE, dc::main),
    applet("inotifyd", Folder::Sbin, "run a program when files change", inotifyd::USAGE, inotifyd::main),
    applet("lsusb", Folder::UsrBin, "list the devices on USB", lsusb::USAGE, lsusb::main),
    applet("microcom", Folder::UsrBin, "talk to a serial port", microcom::USAGE, microcom::main),
    applet("nanddump", Folder::UsrSbin, "read flash memory", nand::DUMP_USAGE, nand::dump),
    applet("nandwrite", Folder::UsrSbin, "write flash memory", nand::WRITE_USAGE, nand::write),
    applet("rfkill", Folder::UsrSbin, "switch radios off and on", rfkill::USAGE, rfkill::main),
    applet("setserial", Folder::Bin, "show and change serial ports", setserial::USAGE, setserial::main),
    applet("strings", Folder::UsrBin, "print what can be read in a file", strings::USAGE, strings::main),
    applet("tree", Folder::UsrBin, "draw folders as a tree", tree::USAGE, tree::main),
    applet("watchdog", Folder::Sbin, "keep a watchdog quiet", watchdog::USAGE, watchdog::main),
];

//! The applets of the group `console`.

mod screen;
mod terminals;

use crate::applet::{Applet, Folder, applet};

/// This group's table.
#[rustfmt::skip]
pub const APPLETS: &[Applet] = &[
    applet("chvt", Folder::UsrBin, "switch to a virtual terminal", terminals::CHVT_USAGE, terminals::chvt),
    applet("clear", Folder::UsrBin, "clear the screen", screen::CLEAR_USAGE, screen::clear),
    applet("deallocvt", Folder::UsrBin, "free virtual terminals", terminals::DEALLOCVT_USAGE, terminals::deallocvt),
    applet("dumpkmap", Folder::Bin, "print the key map in binary", terminals::DUMPKMAP_USAGE, terminals::dumpkmap),
    applet("kbd_mode", Folder::Bin, "print or set the keyboard's mode", terminals::KBD_MODE_USAGE, terminals::kbd_mode),
    applet("loadkmap", Folder::Sbin, "load a binary key map", terminals::LOADKMAP_USAGE, terminals::loadkmap),
    applet("openvt", Folder::UsrBin, "run a program on a virtual terminal", terminals::OPENVT_USAGE, terminals::openvt),
    applet("reset", Folder::UsrBin, "make the terminal usable again", screen::RESET_USAGE, screen::reset),
    applet("resize", Folder::UsrBin, "ask the terminal for its size", screen::RESIZE_USAGE, screen::resize),
    applet("setconsole", Folder::Sbin, "choose where the console's output goes", terminals::SETCONSOLE_USAGE, terminals::setconsole),
    applet("setkeycodes", Folder::UsrBin, "choose which keys scancodes are", terminals::SETKEYCODES_USAGE, terminals::setkeycodes),
    applet("setlogcons", Folder::UsrSbin, "choose where the kernel's messages go", terminals::SETLOGCONS_USAGE, terminals::setlogcons),
    applet("showkey", Folder::UsrBin, "show what keys send", terminals::SHOWKEY_USAGE, terminals::showkey),
    applet("ttysize", Folder::UsrBin, "print the terminal's size", screen::TTYSIZE_USAGE, screen::ttysize),
];

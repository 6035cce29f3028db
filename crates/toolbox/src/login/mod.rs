//! The applets of the group `login`.

mod account;
mod adduser;
mod cryptpw;
mod deluser;
mod enter;
mod getty;
mod nologin;
mod passwd;
mod su;

use crate::applet::{Applet, Folder, applet};

/// This group's table.
#[rustfmt::skip]
pub const APPLETS: &[Applet] = &[
    applet("addgroup", Folder::UsrSbin, "add a group, or a user to a group", adduser::GROUP_USAGE, adduser::group),
    applet("adduser", Folder::UsrSbin, "add a user, or a user to a group", adduser::USAGE, adduser::main),
    applet("chpasswd", Folder::UsrSbin, "set passwords read from standard input", passwd::CHPASSWD_USAGE, passwd::chpasswd),
    applet("cryptpw", Folder::UsrBin, "hash a password", cryptpw::USAGE, cryptpw::main),
    applet("delgroup", Folder::UsrSbin, "delete a group, or a user from a group", deluser::GROUP_USAGE, deluser::group),
    applet("deluser", Folder::UsrSbin, "delete a user, or a user from a group", deluser::USAGE, deluser::main),
    applet("getty", Folder::Sbin, "open a terminal and ask for a name", getty::USAGE, getty::main),
    applet("login", Folder::Bin, "begin a session", enter::USAGE, enter::main),
    applet("mkpasswd", Folder::UsrBin, "hash a password", cryptpw::USAGE, cryptpw::main),
    applet("nologin", Folder::Sbin, "refuse a login", nologin::USAGE, nologin::main),
    applet("passwd", Folder::UsrBin, "change a password", passwd::USAGE, passwd::main),
    applet("su", Folder::Bin, "run a shell as another user", su::USAGE, su::main),
];

//! The applets of the group `misc`.

mod crond;

use crate::applet::{Applet, Folder, applet};

/// This group's table.
#[rustfmt::skip]
pub const APPLETS: &[Applet] = &[
    applet("crond", Folder::UsrSbin, "run commands at their time", crond::USAGE, crond::main),
    applet("crontab", Folder::UsrBin, "change when commands run", crond::CRONTAB_USAGE, crond::crontab),
];

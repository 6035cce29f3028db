//! The applets of the group `coreutils`.

use crate::applet::Applet;

/// This group's table.
pub const APPLETS: &[Applet] = &[];

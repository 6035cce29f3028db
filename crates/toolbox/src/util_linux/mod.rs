//! The applets of the group `util_linux`.

use crate::applet::Applet;

/// This group's table.
pub const APPLETS: &[Applet] = &[];

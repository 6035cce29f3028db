//! The applets of the group `modutils`.

use crate::applet::Applet;

/// This group's table.
pub const APPLETS: &[Applet] = &[];

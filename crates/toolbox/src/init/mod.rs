//! The applets of the group `init`.

use crate::applet::Applet;

/// This group's table.
pub const APPLETS: &[Applet] = &[];

//! The applets of the group `misc`.

use crate::applet::Applet;

/// This group's table.
pub const APPLETS: &[Applet] = &[];

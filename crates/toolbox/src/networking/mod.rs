//! The applets of the group `networking`.

use crate::applet::Applet;

/// This group's table.
pub const APPLETS: &[Applet] = &[];

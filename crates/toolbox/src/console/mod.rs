//! The applets of the group `console`.

use crate::applet::Applet;

/// This group's table.
pub const APPLETS: &[Applet] = &[];

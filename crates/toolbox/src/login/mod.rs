//! The applets of the group `login`.

use crate::applet::Applet;

/// This group's table.
pub const APPLETS: &[Applet] = &[];

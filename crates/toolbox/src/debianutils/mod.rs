//! The applets of the group `debianutils`.

use crate::applet::Applet;

/// This group's table.
pub const APPLETS: &[Applet] = &[];

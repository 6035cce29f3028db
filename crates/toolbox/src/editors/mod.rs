//! The applets of the group `editors`.

use crate::applet::Applet;

/// This group's table.
pub const APPLETS: &[Applet] = &[];

//! The applets of the group `archival`.

use crate::applet::Applet;

/// This group's table.
pub const APPLETS: &[Applet] = &[];

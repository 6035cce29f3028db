//! The applets of the group `findutils`.

use crate::applet::Applet;

/// This group's table.
pub const APPLETS: &[Applet] = &[];

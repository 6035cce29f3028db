//! The applets of the group `sysklogd`.

use crate::applet::Applet;

/// This group's table.
pub const APPLETS: &[Applet] = &[];

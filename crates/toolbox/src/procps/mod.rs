//! The applets of the group `procps`.

use crate::applet::Applet;

/// This group's table.
pub const APPLETS: &[Applet] = &[];

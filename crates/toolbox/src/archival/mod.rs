//! The applets of the group `archival`.

mod gzip;
mod tar;

use crate::applet::{Applet, Folder, applet};

/// This group's table.
#[rustfmt::skip]
pub const APPLETS: &[Applet] = &[
    applet("gunzip", Folder::Bin, "unpack gzip files", gzip::GUNZIP_USAGE, gzip::gunzip),
    applet("gzip", Folder::Bin, "pack files", gzip::USAGE, gzip::main),
    applet("tar", Folder::Bin, "make, list and unpack archives", tar::USAGE, tar::main),
    applet("zcat", Folder::Bin, "print what gzip files hold", gzip::ZCAT_USAGE, gzip::zcat),
];

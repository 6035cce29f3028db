//! The applets of the group `archival`.

mod bzip2;
mod cpio;
mod gzip;
mod tar;
mod unzip;
mod xz;

use crate::applet::{Applet, Folder, applet};

/// This group's table.
#[rustfmt::skip]
pub const APPLETS: &[Applet] = &[
    applet("bunzip2", Folder::UsrBin, "unpack bzip2 files", bzip2::BUNZIP2_USAGE, bzip2::bunzip2),
    applet("bzcat", Folder::UsrBin, "print what bzip2 files hold", bzip2::BZCAT_USAGE, bzip2::bzcat),
    applet("bzip2", Folder::UsrBin, "pack files, smaller than gzip", bzip2::USAGE, bzip2::main),
    applet("cpio", Folder::UsrBin, "make, list and unpack cpio archives", cpio::USAGE, cpio::main),
    applet("gunzip", Folder::Bin, "unpack gzip files", gzip::GUNZIP_USAGE, gzip::gunzip),
    applet("gzip", Folder::Bin, "pack files", gzip::USAGE, gzip::main),
    applet("lzcat", Folder::UsrBin, "print what lzma files hold", xz::CAT_USAGE, xz::lzcat),
    applet("lzma", Folder::UsrBin, "unpack lzma files", xz::LZMA_USAGE, xz::lzma),
    applet("tar", Folder::Bin, "make, list and unpack archives", tar::USAGE, tar::main),
    applet("unlzma", Folder::UsrBin, "unpack lzma files", xz::UNPACK_USAGE, xz::unlzma),
    applet("unxz", Folder::UsrBin, "unpack xz files", xz::UNPACK_USAGE, xz::unxz),
    applet("unzip", Folder::UsrBin, "list and unpack zip archives", unzip::USAGE, unzip::main),
    applet("xzcat", Folder::UsrBin, "print what xz files hold", xz::CAT_USAGE, xz::xzcat),
    applet("zcat", Folder::Bin, "print what gzip files hold", gzip::ZCAT_USAGE, gzip::zcat),
];

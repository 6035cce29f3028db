//! Packages of version 2: `[signatures][control][data]`, gzip members that together are one tar (docs/formats/apk-v2.md).

mod info;
mod read;
mod write;

pub use info::{PkgInfo, Script};
pub use read::{Control, Data, Reader, for_each_file};
pub(crate) use write::signature_member;
pub use write::{Contents, write};

use crate::dependency::BadDependency;
use crate::encoding;
use std::fmt;
use std::io;

/// What identifies a package: the SHA-1 of its control member, written `Q1` and base64.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity([u8; 20]);

impl Identity {
    /// Of these control bytes.
    pub fn of(control: &[u8]) -> Identity {
        Identity(crate::digest::sha1(control))
    }

    /// From its bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Identity> {
        bytes.try_into().ok().map(Identity)
    }

    /// Reads `Q1…`.
    pub fn parse(text: &str) -> Option<Identity> {
        Identity::from_bytes(&encoding::from_base64(text.strip_prefix("Q1")?)?)
    }

    /// The bytes in hexadecimal digits.
    pub fn hex(&self) -> String {
        encoding::hex(&self.0)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Q1{}", encoding::base64(&self.0))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A package that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// It cannot be read, or its compression or tar is broken.
    #[error("BAD archive: {0}")]
    Read(#[from] io::Error),
    /// A part is missing or in the wrong place.
    #[error("BAD archive: {0}")]
    Layout(&'static str),
    /// A line of `.PKGINFO` says something impossible.
    #[error(".PKGINFO: {0}: {1}")]
    Info(String, String),
    /// A dependency that is none.
    #[error(".PKGINFO: {0}")]
    Dependency(#[from] BadDependency),
    /// No signature by a trusted key.
    #[error("UNTRUSTED signature")]
    Untrusted,
    /// A signature that names a trusted key, and is wrong.
    #[error("BAD signature")]
    BadSignature,
    /// It is not the package that the index tells of.
    #[error("package mentioned in index not found (try 'apk update')")]
    WrongIdentity,
    /// The data are not those that the control part names.
    #[error("BAD signature: the data do not match their hash")]
    WrongData,
    /// A file's contents are not those that its header names.
    #[error("{0}: the contents do not match their hash")]
    WrongFile(String),
    /// A file has no checksum.
    #[error("{0}: no checksum: the package is of an obsolete format")]
    NoChecksum(String),
    /// Signing failed.
    #[error(transparent)]
    Key(#[from] crate::keys::KeyError),
}

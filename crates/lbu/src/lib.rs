//! Local backup (Alpine's `lbu`): a system that runs from memory keeps what was changed in it as an overlay,
//! `HOST.apkovl.tar.gz`, on a medium; at the next boot `early` lays it over the packages.
//!
//! ```text
//! protected paths ([lists]) + package database ──[changes]──▶ what differs ──[overlay]──▶ tar.gz
//! lbu.conf ([config]) ──[media]──▶ the medium, writable for a moment ──[store]──▶ overlay, and the last ones kept
//! overlay on the medium + what differs ──[compare]──▶ status, diff
//! ```
//!
//! *Invariant:* at every moment the medium holds a whole overlay, the old one or the new one: a new one is written
//! beside the old, flushed, and renamed over it.

pub mod changes;
pub mod compare;
pub mod config;
pub mod lists;
pub mod media;
pub mod overlay;
pub mod store;

use std::io;
use std::path::{Path, PathBuf};

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The package database cannot be read.
    #[error(transparent)]
    Database(#[from] apk::database::DatabaseError),
    /// An overlay cannot be read.
    #[error("{}: no overlay: {source}", path.display())]
    Overlay {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
    /// Nothing says where the overlay goes.
    #[error("no medium: {0}")]
    NoMedium(String),
    /// A medium cannot be mounted or made writable.
    #[error("{}: {what}", path.display())]
    Mount {
        /// Where.
        path: PathBuf,
        /// What mount says.
        what: String,
    },
    /// Overlays of other hosts are on the medium: which one a boot should take would be open.
    #[error("{}: there are overlays of other names: {}", medium.display(), names.join(", "))]
    Others {
        /// The medium.
        medium: PathBuf,
        /// Their files' names.
        names: Vec<String>,
    },
    /// No backup goes by that name.
    #[error("{}: no backup {wanted}", medium.display())]
    NoBackup {
        /// The medium.
        medium: PathBuf,
        /// What was asked for.
        wanted: String,
    },
    /// A file that was asked about is not in the backup, and not changed.
    #[error("{0}: not among what is backed up")]
    NotBackedUp(String),
    /// A line of the configuration cannot be used.
    #[error("{}: line {line}: {what}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// A script before or behind the packing failed.
    #[error("{}: ended with status {status}", path.display())]
    Hook {
        /// The script.
        path: PathBuf,
        /// Its status.
        status: i32,
    },
    /// Something that Alpine's has and this has not.
    #[error("{0}: encrypted overlays are not supported")]
    Encryption(String),
}

impl Error {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Error + '_ {
        move |source| Error::Io {
            path: path.to_owned(),
            source,
        }
    }

    /// A way out, where one is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Error::NoMedium(_) => Some(
                "name one behind the command, or set LBU_MEDIA=NAME (for /media/NAME) or LBU_BACKUPDIR=FOLDER in /etc/lbu/lbu.conf",
            ),
            Error::Others { .. } => Some("`lbu commit -d` replaces them"),
            Error::NoBackup { .. } => Some("`lbu list-backup` lists them"),
            _ => None,
        }
    }
}

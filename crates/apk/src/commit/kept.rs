//! Replaced packages' files, kept so that going back needs no network: `var/cache/apk/kept/TRANSACTION/PACKAGE/`, with
//! the files by their number in the package's list, and the package's part of the database beside them.

use super::stage::Staged;
use super::{digest_of, is_protected, look, remove_tree};
use crate::database::{Database, Installed, Places};
use crate::package::Identity;
use std::io;
use std::path::{Path, PathBuf};
use sys::fs::FileSystem;

/// Where they lie.
pub const KEPT: &str = "var/cache/apk/kept";

/// A package that can be installed again from what was kept of it.
pub struct Kept {
    /// The package.
    pub package: Installed,
    /// Its folder.
    pub folder: PathBuf,
}

fn places(folder: &Path) -> Places {
    Places {
        installed: folder.join("installed"),
        scripts: folder.join("scripts.tar.gz"),
        triggers: folder.join("triggers"),
        world: folder.join("world"),
    }
}

impl Kept {
    /// The package with this identity, if it was kept as a whole.
    pub fn find(fs: &dyn FileSystem, name: &str, identity: &Identity) -> Option<Kept> {
        let mut transactions = fs.list(Path::new(KEPT)).ok()?;
        transactions.reverse();
        transactions.into_iter().find_map(|transaction| {
            let folder = Path::new(KEPT).join(transaction).join(name);
            let database = Database::read_at(fs, &places(&folder)).ok()?;
            let package = database
                .packages
                .into_iter()
                .find(|package| package.record.identity == *identity)?;
            // Damage is found here, where there may be another source.
            let whole = package.paths().enumerate().all(|(number, (path, file))| {
                let kept = folder.join(number.to_string());
                match (fs.metadata(&kept), &file.hash) {
                    (Err(_), _) => is_protected(&path),
                    (Ok(_), None) => true,
                    (Ok(meta), Some(hash)) => {
                        digest_of(fs, &kept, &meta, hash.len()).as_ref() == Some(hash)
                    }
                }
            });
            whole.then_some(Kept { package, folder })
        })
    }
}

/// Writes what is needed beside the files.
pub(super) fn write_manifest(
    fs: &dyn FileSystem,
    folder: &Path,
    package: &Installed,
) -> io::Result<()> {
    make_folders(fs, folder)?;
    let database = Database {
        packages: vec![package.clone()],
        world: Vec::new(),
    };
    database
        .write_at(fs, &places(folder))
        .map_err(|error| io::Error::other(error.to_string()))
}

fn make_folders(fs: &dyn FileSystem, folder: &Path) -> io::Result<()> {
    if look(fs, folder)?.is_some() {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        make_folders(fs, above)?;
    }
    fs.make_folder(folder, 0o755)
}

/// Whether what goes fits into the space at all.
pub(super) fn is_worth(database: &Database, parts: &[Staged], space: u64) -> bool {
    let size: u64 = parts
        .iter()
        .filter_map(|part| part.old.and_then(|at| database.packages.get(at)))
        .map(|package| package.record.installed_size)
        .sum();
    size <= space && parts.iter().any(|part| part.old.is_some())
}

/// Drops what was kept longest until the rest fits.
pub(super) fn trim(fs: &dyn FileSystem, space: u64) {
    let Ok(mut transactions) = fs.list(Path::new(KEPT)) else {
        return;
    };
    transactions.reverse();
    let mut sum = 0;
    for transaction in transactions {
        let folder = Path::new(KEPT).join(&transaction);
        let names = fs.list(&folder).unwrap_or_default();
        for name in &names {
            let database = Database::read_at(fs, &places(&folder.join(name)));
            for package in database.map(|one| one.packages).unwrap_or_default() {
                sum += package.record.installed_size;
            }
        }
        if sum > space || names.is_empty() {
            // A cache: what does not go now goes the next time.
            let _ = remove_tree(fs, &folder);
        }
    }
}

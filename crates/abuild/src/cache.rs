//! The user's cache: files written whole or not at all, locks, and the packages of a build by the hash of its inputs.

use crate::config::Config;
use crate::error::{Error, Result};
use crate::sources::Found;
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Writes a file beside its place and renames it there.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(Error::io(folder))?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(Error::io(folder))?;
    file.write_all(bytes).map_err(Error::io(path))?;
    file.as_file()
        .set_permissions(Permissions::from_mode(0o644))
        .map_err(Error::io(path))?;
    file.persist(path)
        .map_err(|error| Error::io(path)(error.error))?;
    Ok(())
}

/// An empty folder on which sandboxes lay out their roots, each unseen by the others.
pub(crate) fn staging(config: &Config) -> Result<PathBuf> {
    let folder = config.cached("staging");
    fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
    Ok(folder)
}

/// A lock on a file, held until dropped, also against other processes; the kernel frees it if its holder dies.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits until it is free.
    pub(crate) fn wait(path: &Path) -> Result<Lock> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(Error::io(folder))?;
        }
        let file = File::options()
            .create(true)
            .append(true)
            .open(path)
            .map_err(Error::io(path))?;
        rustix::fs::flock(&file, FlockOperation::LockExclusive)
            .map_err(|error| Error::io(path)(error.into()))?;
        Ok(Lock { _file: file })
    }
}

/// What a build left in the cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The files of its packages.
    pub files: Vec<String>,
    /// The sources that were used.
    pub sources: Vec<Found>,
}

/// The folder of a key.
pub(crate) fn folder(config: &Config, key: &str) -> PathBuf {
    config.cached("packages").join(key)
}

/// What was built from these inputs before, if anything.
pub(crate) fn lookup(config: &Config, key: &str) -> Option<Entry> {
    let folder = folder(config, key);
    let entry: Entry = serde_json::from_slice(&fs::read(folder.join("entry.json")).ok()?).ok()?;
    entry
        .files
        .iter()
        .all(|file| folder.join(file).exists())
        .then_some(entry)
}

/// Makes a folder of finished packages, somewhere in the cache, the entry of a key.
pub(crate) fn store(config: &Config, key: &str, built: &Path, entry: &Entry) -> Result<()> {
    let target = folder(config, key);
    for (name, json) in [
        ("entry.json", serde_json::to_vec_pretty(entry)),
        ("sources.json", serde_json::to_vec_pretty(&entry.sources)),
    ] {
        let path = built.join(name);
        fs::write(&path, json.unwrap_or_default()).map_err(Error::io(&path))?;
    }
    // An incomplete entry may be in the way: somebody removed files from it.
    match fs::remove_dir_all(&target) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::io(&target)(error));
        }
        _ => {}
    }
    let packages = config.cached("packages");
    fs::create_dir_all(&packages).map_err(Error::io(&packages))?;
    fs::rename(built, &target).map_err(Error::io(&target))
}

/// A folder in the cache that goes when it is dropped, even if a build left folders in it that cannot be entered. One
/// whose process was killed goes when the next is made.
pub(crate) struct Work {
    folder: PathBuf,
    _lock: Lock,
}

impl Work {
    /// Makes one for a port, below `work/`.
    pub(crate) fn new(config: &Config, port: &str) -> Result<Work> {
        let parent = config.cached("work");
        // Held while a folder has no lock of its own yet, so that nobody takes it for one that was left behind.
        let _all = Lock::wait(&config.cached("locks").join("work"))?;
        fs::create_dir_all(&parent).map_err(Error::io(&parent))?;
        for entry in fs::read_dir(&parent).map_err(Error::io(&parent))? {
            let left = entry.map_err(Error::io(&parent))?.path();
            let file = File::open(left.join(".lock"));
            let free = file.map_or(true, |file| {
                rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive).is_ok()
            });
            if free {
                remove(&left);
            }
        }
        let folder = tempfile::Builder::new()
            .prefix(&format!("{port}-"))
            .tempdir_in(&parent)
            .map_err(Error::io(&parent))?
            .keep();
        let lock = Lock::wait(&folder.join(".lock"))?;
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).map_err(Error::io(&folder))?;
        Ok(Work {
            folder,
            _lock: lock,
        })
    }

    /// A new folder in it.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.folder.join(name);
        fs::create_dir_all(&path).map_err(Error::io(&path))?;
        Ok(path)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        remove(&self.folder);
    }
}

fn remove(folder: &Path) {
    if fs::remove_dir_all(folder).is_err() {
        open_up(folder);
        // What is left is in nobody's way, only on the disk.
        let _ = fs::remove_dir_all(folder);
    }
}

/// Makes every folder one that its owner can empty.
fn open_up(folder: &Path) {
    let _ = fs::set_permissions(folder, Permissions::from_mode(0o755));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_up(&entry.path());
        }
    }
}

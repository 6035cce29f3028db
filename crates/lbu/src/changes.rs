//! What differs from the installed packages, of what is protected.

use crate::Error;
use crate::lists::{Lists, Protection};
use apk::database::{Acl, Database, OwnedFile};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A path that is backed up, from the root, and what it is.
#[derive(Clone, Debug)]
pub struct Change {
    /// From the root, without a leading slash.
    pub path: PathBuf,
    /// As it is now; links are not followed.
    pub meta: Metadata,
}

/// What an overlay of this root holds, sorted by path: files and links that are nobody's or differ from their package's,
/// folders that are nobody's or have other modes, and everything that a list wants whatever it is.
pub fn find(root: &Path) -> Result<Vec<Change>, Error> {
    let lists = Lists::read(root)?;
    let fs = sys::fs::Root::open(root).map_err(Error::io(root))?;
    let database = Database::read(&fs)?;
    let mut owned = HashMap::new();
    let mut folders = HashMap::new();
    for package in &database.packages {
        for (path, file) in package.paths() {
            owned.insert(path, file);
        }
        for folder in &package.folders {
            folders.insert(PathBuf::from(OsStr::from_bytes(&folder.path)), folder.acl);
        }
    }
    let mut walk = Walk {
        root,
        lists: &lists,
        owned,
        folders,
        found: Vec::new(),
    };
    for start in lists.starts() {
        walk.visit(&start)?;
    }
    walk.found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(walk.found)
}

struct Walk<'a> {
    root: &'a Path,
    lists: &'a Lists,
    owned: HashMap<PathBuf, &'a OwnedFile>,
    folders: HashMap<PathBuf, Acl>,
    found: Vec<Change>,
}

impl Walk<'_> {
    fn visit(&mut self, path: &Path) -> Result<(), Error> {
        let here = self.root.join(path);
        let meta = match here.symlink_metadata() {
            Ok(meta) => meta,
            // A line may name what is not there, and a file may go while the folder is read.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Error::io(&here)(error)),
        };
        let protection = self.lists.of(path);
        if !meta.is_dir() {
            if self.wanted(path, &meta, protection) {
                self.found.push(Change {
                    path: path.to_owned(),
                    meta,
                });
            }
            return Ok(());
        }
        let changed = match self.folders.get(path) {
            Some(acl) => differs(acl, &meta),
            None => !path.as_os_str().is_empty(),
        };
        if changed && matches!(protection, Protection::Changed | Protection::All) {
            self.found.push(Change {
                path: path.to_owned(),
                meta,
            });
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(&here).map_err(Error::io(&here))? {
            names.push(entry.map_err(Error::io(&here))?.file_name());
        }
        names.sort();
        for name in names {
            self.visit(&path.join(name))?;
        }
        Ok(())
    }

    fn wanted(&self, path: &Path, meta: &Metadata, protection: Protection) -> bool {
        let kind = meta.file_type();
        // Sockets and devices are made by who uses them.
        if !kind.is_file() && !kind.is_symlink() {
            return false;
        }
        // What apk put beside a changed file is the package's.
        if path.extension().is_some_and(|ending| ending == "apk-new") {
            return false;
        }
        match protection {
            Protection::None => return false,
            Protection::Links if !kind.is_symlink() => return false,
            Protection::All => return true,
            _ => {}
        }
        let Some(file) = self.owned.get(path) else {
            return true;
        };
        let other = file
            .hash
            .as_ref()
            .is_some_and(|hash| digest(&self.root.join(path), meta).as_ref() != Some(hash));
        other || !kind.is_symlink() && differs(&file.acl, meta)
    }
}

fn differs(acl: &Acl, meta: &Metadata) -> bool {
    (acl.uid, acl.gid, acl.mode & 0o7777) != (meta.uid(), meta.gid(), meta.mode() & 0o7777)
}

/// The SHA-1 of a file's bytes, or of a link's target: what the database holds.
fn digest(path: &Path, meta: &Metadata) -> Option<Vec<u8>> {
    use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
    let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    if meta.is_symlink() {
        context.update(fs::read_link(path).ok()?.as_os_str().as_bytes());
    } else {
        let mut file = fs::File::open(path).ok()?;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match std::io::Read::read(&mut file, &mut buffer).ok()? {
                0 => break,
                count => context.update(buffer.get(..count)?),
            }
        }
    }
    Some(context.finish().as_ref().to_vec())
}

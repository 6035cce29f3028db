//! The overlays in a folder: the host's own, and the last ones before it as `HOST.YYYYMMDDHHMMSS.tar.gz`.

use crate::Error;
use crate::overlay::{self, ENDING};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// A host's overlays in a folder.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
    host: String,
}

impl Store {
    /// Those of `host` in `folder`.
    pub fn new(folder: &Path, host: &str) -> Store {
        Store {
            folder: folder.to_owned(),
            host: host.to_owned(),
        }
    }

    /// The overlay that the next boot takes.
    pub fn current(&self) -> PathBuf {
        self.folder.join(format!("{}{ENDING}", self.host))
    }

    /// The names of overlays that are not this host's.
    pub fn others(&self) -> Result<Vec<String>, Error> {
        let own = format!("{}{ENDING}", self.host);
        let mut names = self.names()?;
        names.retain(|name| name.contains(ENDING) && *name != own && !name.starts_with('.'));
        Ok(names)
    }

    /// The names of the backups, the oldest first.
    pub fn backups(&self) -> Result<Vec<String>, Error> {
        let mut names = self.names()?;
        names.retain(|name| self.stamp(name).is_some());
        Ok(names)
    }

    fn names(&self) -> Result<Vec<String>, Error> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(Error::io(&self.folder))? {
            let name = entry.map_err(Error::io(&self.folder))?.file_name();
            names.extend(name.into_string().ok());
        }
        names.sort();
        Ok(names)
    }

    /// The time in a backup's name.
    fn stamp<'a>(&self, name: &'a str) -> Option<&'a str> {
        let stamp = name
            .strip_prefix(&self.host)?
            .strip_prefix('.')?
            .strip_suffix(".tar.gz")?;
        (stamp.len() == 14 && stamp.bytes().all(|byte| byte.is_ascii_digit())).then_some(stamp)
    }

    /// Puts a new overlay in the place of the old, of which `kept` are kept: at every moment one of the two is there
    /// whole. `write` makes it. Gives the name under which the old one is kept.
    pub fn put(
        &self,
        kept: usize,
        write: &mut dyn FnMut(&mut dyn Write) -> Result<(), Error>,
    ) -> Result<Option<String>, Error> {
        let new = self.folder.join(format!(".{}{ENDING}.new", self.host));
        let result = self.put_by(&new, kept, write);
        if result.is_err() {
            // Half an overlay is of no use to anybody.
            let _ = fs::remove_file(&new);
        }
        result
    }

    fn put_by(
        &self,
        new: &Path,
        kept: usize,
        write: &mut dyn FnMut(&mut dyn Write) -> Result<(), Error>,
    ) -> Result<Option<String>, Error> {
        let mut out = BufWriter::new(File::create(new).map_err(Error::io(new))?);
        write(&mut out)?;
        let file = out
            .into_inner()
            .map_err(|error| Error::io(new)(error.into_error()))?;
        file.sync_all().map_err(Error::io(new))?;
        drop(file);
        let current = self.current();
        let saved = if kept > 0 { self.save(&current)? } else { None };
        fs::rename(new, &current).map_err(Error::io(&current))?;
        self.flush()?;
        self.prune(kept)?;
        Ok(saved)
    }

    /// Keeps the overlay that is there under the name of its time.
    fn save(&self, current: &Path) -> Result<Option<String>, Error> {
        let time = match current.metadata().and_then(|meta| meta.modified()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            time => time.map_err(Error::io(current))?,
        };
        let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let name = format!("{}.{}.tar.gz", self.host, stamp(seconds));
        let backup = self.folder.join(&name);
        // FAT has no second names for a file; and where the time is one that a backup has, the newer one stays.
        let _ = fs::remove_file(&backup);
        if fs::hard_link(current, &backup).is_err() {
            copy(current, &backup)?;
        }
        Ok(Some(name))
    }

    /// Takes away the oldest backups but the last `kept`.
    fn prune(&self, kept: usize) -> Result<(), Error> {
        let names = self.backups()?;
        let many = names.len().saturating_sub(kept);
        for name in names.iter().take(many) {
            let path = self.folder.join(name);
            fs::remove_file(&path).map_err(Error::io(&path))?;
        }
        self.flush()
    }

    /// Takes away overlays by their names.
    pub fn remove(&self, names: &[String]) -> Result<(), Error> {
        for name in names {
            let path = self.folder.join(name);
            fs::remove_file(&path).map_err(Error::io(&path))?;
        }
        self.flush()
    }

    /// The backup of that name, that time, or a time that begins so.
    pub fn find(&self, wanted: &str) -> Result<String, Error> {
        let names = self.backups()?;
        if let Some(name) = names.iter().find(|name| name.as_str() == wanted) {
            return Ok(name.clone());
        }
        let mut by_time = names.iter().filter(|name| {
            !wanted.is_empty()
                && self
                    .stamp(name)
                    .is_some_and(|stamp| stamp.starts_with(wanted))
        });
        match (by_time.next(), by_time.next()) {
            (Some(only), None) => Ok(only.clone()),
            _ => Err(Error::NoBackup {
                medium: self.folder.clone(),
                wanted: wanted.to_owned(),
            }),
        }
    }

    /// Makes a backup the overlay again; the one that was it becomes a backup.
    pub fn revert(&self, wanted: &str, kept: usize) -> Result<String, Error> {
        let name = self.find(wanted)?;
        let path = self.folder.join(&name);
        // What cannot be read must not take the place of what can.
        overlay::check(&path)?;
        self.put(kept.max(1), &mut |out| {
            let mut file = File::open(&path).map_err(Error::io(&path))?;
            io::copy(&mut file, out).map(drop).map_err(Error::io(&path))
        })?;
        match fs::remove_file(&path) {
            // The limit may have taken it away already.
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io(&path)(error)),
            _ => Ok(name),
        }
    }

    fn flush(&self) -> Result<(), Error> {
        let folder = File::open(&self.folder).map_err(Error::io(&self.folder))?;
        folder.sync_all().map_err(Error::io(&self.folder))
    }
}

/// Copies a file and flushes the copy; a copy that failed goes.
fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    let whole = || -> io::Result<()> {
        fs::copy(from, to)?;
        File::open(to)?.sync_all()
    };
    whole().map_err(|error| {
        let _ = fs::remove_file(to);
        Error::io(to)(error)
    })
}

/// `YYYYMMDDHHMMSS` in UTC.
fn stamp(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = apk::civil(i64::try_from(days).unwrap_or(0));
    format!(
        "{year:04}{month:02}{day:02}{:02}{:02}{:02}",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(store: &Store, kept: usize, bytes: &[u8]) -> Option<String> {
        store
            .put(kept, &mut |out| {
                out.write_all(bytes).map_err(Error::io(Path::new("x")))
            })
            .unwrap()
    }

    /// Gives the overlay a time of its own, as if it was made then.
    fn age(store: &Store, seconds: u64) {
        let file = File::options().append(true).open(store.current()).unwrap();
        let time = UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        file.set_modified(time).unwrap();
    }

    #[test]
    fn the_last_ones_are_kept_by_their_time() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path(), "box");
        assert_eq!(put(&store, 2, b"1"), None);
        let mut saved = Vec::new();
        for (at, bytes) in [
            (1_000_000_000, b"2"),
            (1_000_000_001, b"3"),
            (1_700_000_000, b"4"),
        ] {
            age(&store, at);
            saved.push(put(&store, 2, bytes).unwrap());
        }
        assert_eq!(saved[0], "box.20010909014640.tar.gz");
        assert_eq!(
            store.backups().unwrap(),
            ["box.20010909014641.tar.gz", "box.20231114221320.tar.gz"]
        );
        assert_eq!(fs::read(store.current()).unwrap(), b"4");
        assert_eq!(
            fs::read(dir.path().join("box.20231114221320.tar.gz")).unwrap(),
            b"3"
        );
        age(&store, 1_700_000_001);
        assert_eq!(put(&store, 0, b"5"), None);
        assert!(store.backups().unwrap().is_empty());
    }

    #[test]
    fn what_fails_leaves_the_old_one_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path(), "box");
        put(&store, 1, b"old");
        let failed = store.put(1, &mut |out| {
            out.write_all(b"half").map_err(Error::io(Path::new("x")))?;
            Err(Error::NotBackedUp("x".into()))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read(store.current()).unwrap(), b"old");
        assert_eq!(store.names().unwrap(), ["box.apkovl.tar.gz"]);
    }

    #[test]
    fn a_backup_is_found_by_as_much_as_tells_it_apart() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path(), "box");
        for name in [
            "box.20260101000000.tar.gz",
            "box.20260201000000.tar.gz",
            "box.2026.tar.gz",
            "other.20260101000000.tar.gz",
            "box.apkovl.tar.gz",
            "other.apkovl.tar.gz",
            ".box.apkovl.tar.gz.new",
        ] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        assert_eq!(store.find("202602").unwrap(), "box.20260201000000.tar.gz");
        assert_eq!(
            store.find("box.20260101000000.tar.gz").unwrap(),
            "box.20260101000000.tar.gz"
        );
        for bad in ["2026", "", "2027", "other.20260101000000.tar.gz", "../x"] {
            assert!(store.find(bad).is_err(), "{bad}");
        }
        assert_eq!(store.others().unwrap(), ["other.apkovl.tar.gz"]);
    }

    #[test]
    fn a_backup_that_cannot_be_read_is_not_reverted_to() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path(), "box");
        put(&store, 1, b"the one in use");
        fs::write(
            dir.path().join("box.20260101000000.tar.gz"),
            b"\x1f\x8b\x08 cut",
        )
        .unwrap();
        let error = store.revert("2026", 3).unwrap_err();
        assert!(matches!(error, Error::Overlay { .. }), "{error}");
        assert_eq!(fs::read(store.current()).unwrap(), b"the one in use");
    }
}

//! What changed since the last overlay: `status` and `diff`.

use crate::changes::Change;
use crate::{Error, overlay};
use apk::archive::tar::{Entry, Kind};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How a path differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It is new.
    Added,
    /// It is in the overlay and no longer backed up.
    Deleted,
    /// Its contents, its mode or its owner are other.
    Updated,
}

impl Mark {
    /// As `lbu status` shows it.
    pub fn letter(self) -> char {
        match self {
            Mark::Added => 'A',
            Mark::Deleted => 'D',
            Mark::Updated => 'U',
        }
    }
}

/// The differences between an overlay (none: an empty one) and what is changed now, by path.
pub fn status(
    root: &Path,
    old: Option<&Path>,
    now: &[Change],
) -> Result<BTreeMap<PathBuf, Mark>, Error> {
    let by_path: BTreeMap<&Path, &Change> = now
        .iter()
        .map(|change| (change.path.as_path(), change))
        .collect();
    let mut marks: BTreeMap<PathBuf, Mark> = by_path
        .keys()
        .map(|path| ((*path).to_owned(), Mark::Added))
        .collect();
    let Some(old) = old else { return Ok(marks) };
    overlay::read(old, &mut |entry, data| {
        let path = Path::new(std::ffi::OsStr::from_bytes(&entry.path));
        match by_path.get(path) {
            Some(change) => {
                if same(root, entry, data, change)? {
                    marks.remove(path);
                } else {
                    marks.insert(path.to_owned(), Mark::Updated);
                }
            }
            // A folder that is no longer of interest is still there.
            None if entry.kind == Kind::Directory && root.join(path).is_dir() => {}
            None => {
                marks.insert(path.to_owned(), Mark::Deleted);
            }
        }
        Ok(())
    })?;
    Ok(marks)
}

fn same(root: &Path, old: &Entry, data: &mut dyn Read, now: &Change) -> Result<bool, Error> {
    let new = overlay::entry(&old.path, &now.meta);
    if (old.kind, old.uid, old.gid) != (new.kind, new.uid, new.gid) {
        return Ok(false);
    }
    let path = root.join(&now.path);
    if new.kind == Kind::Symlink {
        let target = fs::read_link(&path).map_err(Error::io(&path))?;
        return Ok(target.as_os_str().as_bytes() == old.link);
    }
    if old.mode & 0o7777 != new.mode {
        return Ok(false);
    }
    if new.kind == Kind::Directory {
        return Ok(true);
    }
    let file = File::open(&path).map_err(Error::io(&path))?;
    equal(data, &mut BufReader::new(file)).map_err(Error::io(&path))
}

/// Whether two streams hold the same bytes.
fn equal(one: &mut dyn Read, two: &mut dyn Read) -> io::Result<bool> {
    let (mut a, mut b) = (vec![0; 16 * 1024], vec![0; 16 * 1024]);
    loop {
        let (count, other) = (fill(one, &mut a)?, fill(two, &mut b)?);
        if a.get(..count) != b.get(..other) {
            return Ok(false);
        }
        if count == 0 {
            return Ok(true);
        }
    }
}

fn fill(from: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match from.read(rest)? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

/// Shows the differences as diff(1) does, of all paths or of those that are named (files, or folders with what is in
/// them). Gives whether there are any.
pub fn diff(
    root: &Path,
    old: Option<&Path>,
    now: &[Change],
    only: &[PathBuf],
) -> Result<bool, Error> {
    let mut marks = status(root, old, now)?;
    for path in only {
        let known = now.iter().any(|change| change.path.starts_with(path))
            || marks.keys().any(|marked| marked.starts_with(path));
        if !known {
            return Err(Error::NotBackedUp(path.display().to_string()));
        }
    }
    if !only.is_empty() {
        marks.retain(|path, _| only.iter().any(|wanted| path.starts_with(wanted)));
    }
    if marks.is_empty() {
        return Ok(false);
    }
    let place = Temporary::new()?;
    for side in ["a", "b"] {
        let folder = place.0.join(side);
        fs::create_dir(&folder).map_err(Error::io(&folder))?;
    }
    let mut modes = BTreeMap::new();
    if let Some(old) = old {
        overlay::read(old, &mut |entry, data| {
            let path = Path::new(std::ffi::OsStr::from_bytes(&entry.path));
            if marks.contains_key(path) {
                modes.insert(path.to_owned(), (entry.mode & 0o7777, entry.uid, entry.gid));
                let target = Path::new(std::ffi::OsStr::from_bytes(&entry.link));
                show(&place.0.join("a"), path, entry.kind, target, data)?;
            }
            Ok(())
        })?;
    }
    for change in now.iter().filter(|change| marks.contains_key(&change.path)) {
        let here = root.join(&change.path);
        let new = overlay::entry(b"", &change.meta);
        let before = modes.get(&change.path);
        let after = (new.mode, new.uid, new.gid);
        if let Some(before) = before.filter(|before| **before != after && new.kind != Kind::Symlink)
        {
            writeln!(
                io::stdout(),
                "{}: mode {:04o}, owner {}:{} -> mode {:04o}, owner {}:{}",
                change.path.display(),
                before.0,
                before.1,
                before.2,
                after.0,
                after.1,
                after.2
            )
            .map_err(Error::io(Path::new("standard output")))?;
        }
        let mut data: Box<dyn Read> = match new.kind {
            Kind::File => Box::new(File::open(&here).map_err(Error::io(&here))?),
            _ => Box::new(io::empty()),
        };
        let target = match new.kind {
            Kind::Symlink => fs::read_link(&here).map_err(Error::io(&here))?,
            _ => PathBuf::new(),
        };
        show(
            &place.0.join("b"),
            &change.path,
            new.kind,
            &target,
            &mut data,
        )?;
    }
    let failed = |what: String| Error::Mount {
        path: "diff".into(),
        what,
    };
    let status = Command::new("diff")
        .args(["-ruN", "a", "b"])
        .current_dir(&place.0)
        .stdin(Stdio::null())
        .status()
        .map_err(|error| failed(error.to_string()))?;
    match status.code() {
        Some(0 | 1) => Ok(true),
        _ => Err(failed(format!("ended with {status}"))),
    }
}

/// A path on one side of the comparison; a link is shown by a line with its target.
fn show(
    side: &Path,
    path: &Path,
    kind: Kind,
    target: &Path,
    data: &mut dyn Read,
) -> Result<(), Error> {
    let to = side.join(crate::lists::normal(path.as_os_str()));
    let above = if kind == Kind::Directory {
        Some(to.as_path())
    } else {
        to.parent()
    };
    if let Some(folder) = above {
        fs::create_dir_all(folder).map_err(Error::io(folder))?;
    }
    let written = match kind {
        Kind::File => File::create(&to).and_then(|mut out| io::copy(data, &mut out).map(drop)),
        Kind::Symlink => fs::write(&to, format!("a link to {}\n", target.display())),
        _ => Ok(()),
    };
    written.map_err(Error::io(&to))
}

/// A folder of our own, which goes in the end.
struct Temporary(PathBuf);

impl Temporary {
    fn new() -> Result<Temporary, Error> {
        let top = std::env::temp_dir();
        for number in 0..1000 {
            let path = top.join(format!("lbu.{}.{number}", std::process::id()));
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Temporary(path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::io(&path)(error)),
            }
        }
        Err(Error::io(&top)(io::ErrorKind::AlreadyExists.into()))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // The copies may hold what only root may read; what cannot go is in a folder that only root may enter.
        let _ = fs::remove_dir_all(&self.0);
    }
}

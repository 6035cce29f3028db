//! What is backed up: the lists of protected paths, `lbu include` and `lbu exclude`
//! (apk-protected-paths of apk-tools; the list that lbu itself writes is `lbu.list`).

use crate::Error;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The list that `include` and `exclude` change, from the root.
pub const OWN: &str = "etc/apk/protected_paths.d/lbu.list";

/// How a path is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// It is not backed up.
    None,
    /// `+`: where it differs from its package, or is nobody's.
    Changed,
    /// `@`: only symbolic links.
    Links,
    /// `!`: whatever it is.
    All,
}

/// All lists together.
#[derive(Clone, Debug)]
pub struct Lists(Vec<(PathBuf, Protection)>);

impl Lists {
    /// Reads the lists below `root`.
    pub fn read(root: &Path) -> Result<Lists, Error> {
        let mut all = Lists(Vec::new());
        all.add(b"+etc\n@etc/init.d\n!etc/apk\n");
        for folder in ["lib/apk/protected_paths.d", "etc/apk/protected_paths.d"] {
            let mut files: Vec<PathBuf> = std::fs::read_dir(root.join(folder))
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path())
                .filter(|path| path.extension().is_some_and(|ending| ending == "list"))
                .collect();
            files.sort();
            for file in files {
                all.add(&std::fs::read(&file).map_err(Error::io(&file))?);
            }
        }
        Ok(all)
    }

    fn add(&mut self, text: &[u8]) {
        for line in text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii) {
            let (protection, path) = match line.split_first() {
                None | Some((b'#', _)) => continue,
                Some((b'+', path)) => (Protection::Changed, path),
                Some((b'-', path)) => (Protection::None, path),
                Some((b'@', path)) => (Protection::Links, path),
                Some((b'!', path)) => (Protection::All, path),
                Some(_) => (Protection::Changed, line),
            };
            self.0.push((normal(OsStr::from_bytes(path)), protection));
        }
    }

    /// Of the lines that name a path or a folder above it, the nearest counts; of two alike the later.
    pub fn of(&self, path: &Path) -> Protection {
        self.0
            .iter()
            .filter(|(known, _)| path.starts_with(known))
            .max_by_key(|(known, _)| known.components().count())
            .map_or(Protection::None, |(_, protection)| *protection)
    }

    /// Where to look: the paths that are backed up and lie below no other of them.
    pub fn starts(&self) -> Vec<PathBuf> {
        let mut all: Vec<PathBuf> = self
            .0
            .iter()
            .filter(|(path, _)| self.of(path) != Protection::None)
            .map(|(path, _)| path.clone())
            .collect();
        all.sort();
        all.dedup();
        let outer = all.clone();
        all.retain(|path| {
            !outer
                .iter()
                .any(|other| other != path && path.starts_with(other))
        });
        all
    }
}

/// A path without slashes around it, `.` or `..`.
pub fn normal(path: &OsStr) -> PathBuf {
    Path::new(path)
        .components()
        .filter(|part| matches!(part, std::path::Component::Normal(_)))
        .collect()
}

/// The paths in lbu's own list that begin with a mark.
pub fn listed(root: &Path, mark: u8) -> Result<Vec<PathBuf>, Error> {
    Ok(lines(root)?
        .into_iter()
        .filter_map(|line| {
            let path = line.strip_prefix(&[mark])?;
            Some(PathBuf::from(OsStr::from_bytes(path)))
        })
        .collect())
}

fn lines(root: &Path) -> Result<Vec<Vec<u8>>, Error> {
    let path = root.join(OWN);
    let text = match std::fs::read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        text => text.map_err(Error::io(&path))?,
    };
    Ok(text
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(<[u8]>::to_vec)
        .collect())
}

/// Changes lbu's own list: `add` is the mark of the lines that are put there, `remove` are those that go.
/// Gives what was done, a line each.
pub fn change(
    root: &Path,
    paths: &[PathBuf],
    add: Option<u8>,
    remove: &[u8],
) -> Result<Vec<String>, Error> {
    let mut lines = lines(root)?;
    let mut done = Vec::new();
    for path in paths {
        let path = normal(path.as_os_str());
        let with = |mark: u8| [&[mark], path.as_os_str().as_bytes()].concat();
        for mark in remove {
            let line = with(*mark);
            if lines.contains(&line) {
                lines.retain(|known| *known != line);
                done.push(format!("{} is taken off the list", path.display()));
            } else if add.is_none() {
                done.push(format!("{} is not on the list", path.display()));
            }
        }
        if let Some(mark) = add {
            let line = with(mark);
            if lines.contains(&line) {
                done.push(format!("{} is on the list already", path.display()));
            } else {
                lines.push(line);
                done.push(format!("{} is on the list now", path.display()));
            }
        }
    }
    let mut text = lines.join(&b'\n');
    text.push(b'\n');
    let path = root.join(OWN);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
    }
    let new = path.with_extension("list.new");
    std::fs::write(&new, text).map_err(Error::io(&new))?;
    std::fs::rename(&new, &path).map_err(Error::io(&path))?;
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists(text: &str) -> Lists {
        let mut lists = Lists(Vec::new());
        lists.add(b"+etc\n@etc/init.d\n!etc/apk\n");
        lists.add(text.as_bytes());
        lists
    }

    #[test]
    fn the_nearest_line_counts() {
        let lists = lists("# mine\n-etc/motd\n+/root/\nusr/local\n-usr/local/tmp\n");
        for (path, want) in [
            ("etc/passwd", Protection::Changed),
            ("etc/motd", Protection::None),
            ("etc/init.d/x", Protection::Links),
            ("etc/apk/world", Protection::All),
            ("root/.profile", Protection::Changed),
            ("usr/local/bin/x", Protection::Changed),
            ("usr/local/tmp/x", Protection::None),
            ("usr/bin/x", Protection::None),
            ("etcetera", Protection::None),
        ] {
            assert_eq!(lists.of(Path::new(path)), want, "{path}");
        }
        let starts: Vec<_> = lists.starts();
        assert_eq!(starts, ["etc", "root", "usr/local"].map(PathBuf::from));
    }

    #[test]
    fn including_takes_back_excluding() {
        let root = tempfile::tempdir().unwrap();
        let paths = [PathBuf::from("/root/"), PathBuf::from("etc/a b")];
        change(root.path(), &paths, Some(b'-'), b"+").unwrap();
        let done = change(root.path(), &paths[..1], Some(b'+'), b"-").unwrap();
        assert_eq!(
            done,
            ["root is taken off the list", "root is on the list now"]
        );
        let text = std::fs::read_to_string(root.path().join(OWN)).unwrap();
        assert_eq!(text, "-etc/a b\n+root\n");
        let done = change(root.path(), &paths[..1], Some(b'+'), b"-").unwrap();
        assert_eq!(done, ["root is on the list already"]);
        let done = change(root.path(), &paths[..1], None, b"-").unwrap();
        assert_eq!(done, ["root is not on the list"]);
        assert_eq!(
            listed(root.path(), b'-').unwrap(),
            [PathBuf::from("etc/a b")]
        );
    }
}

//! A root as a sorted list of entries: what every writer of an image reads.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// One file, folder or link of the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path from the root, without a leading slash.
    pub path: PathBuf,
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits, set-id and sticky bits included.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A folder.
    Folder,
    /// A file: where its bytes lie on the host, and how many they are.
    File {
        /// On the host.
        source: PathBuf,
        /// In bytes.
        size: u64,
    },
    /// A symbolic link and its target.
    Link(PathBuf),
}

/// What cannot be read, or has no place in an image.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// Reading failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A device, socket or pipe.
    #[error("{}: devices, sockets and pipes have no place in an image", .0.display())]
    Special(PathBuf),
}

/// Owners by path from the root, for what was installed by a user who cannot change owners.
pub type Owners = BTreeMap<PathBuf, (u32, u32)>;

/// Reads a root: every folder before what is in it, names sorted by bytes. Where `owners` is given, it alone says
/// who owns what, and root owns what it does not name.
pub fn read(root: &Path, owners: Option<&Owners>) -> Result<Vec<Entry>, TreeError> {
    let mut entries = Vec::new();
    walk(root, Path::new(""), owners, &mut entries)?;
    Ok(entries)
}

fn walk(
    root: &Path,
    below: &Path,
    owners: Option<&Owners>,
    entries: &mut Vec<Entry>,
) -> Result<(), TreeError> {
    let folder = root.join(below);
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| TreeError::Io { path, source }
    };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(io(&folder))? {
        names.push(entry.map_err(io(&folder))?.file_name());
    }
    names.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    for name in names {
        let path = below.join(&name);
        let source = root.join(&path);
        let meta = source.symlink_metadata().map_err(io(&source))?;
        let kind = if meta.is_dir() {
            EntryKind::Folder
        } else if meta.is_symlink() {
            EntryKind::Link(std::fs::read_link(&source).map_err(io(&source))?)
        } else if meta.is_file() {
            EntryKind::File {
                source,
                size: meta.len(),
            }
        } else {
            return Err(TreeError::Special(source));
        };
        let (uid, gid) = match owners {
            Some(owners) => owners.get(&path).copied().unwrap_or((0, 0)),
            None => (meta.uid(), meta.gid()),
        };
        let is_folder = kind == EntryKind::Folder;
        entries.push(Entry {
            path: path.clone(),
            kind,
            mode: meta.permissions().mode() & 0o7777,
            uid,
            gid,
        });
        if is_folder {
            walk(root, &path, owners, entries)?;
        }
    }
    Ok(())
}

/// The bytes of all files together.
pub fn file_bytes(entries: &[Entry]) -> u64 {
    entries
        .iter()
        .map(|entry| {
            if let EntryKind::File { size, .. } = entry.kind {
                size
            } else {
                0
            }
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_come_before_what_is_in_them_and_names_are_sorted() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("b/c")).unwrap();
        std::fs::write(dir.path().join("b/a"), "hello").unwrap();
        std::os::unix::fs::symlink("b/a", dir.path().join("a")).unwrap();
        let owners = Owners::from([(PathBuf::from("b/a"), (0, 42))]);
        let entries = read(dir.path(), Some(&owners)).unwrap();
        let paths: Vec<_> = entries.iter().map(|e| e.path.to_str().unwrap()).collect();
        assert_eq!(paths, ["a", "b", "b/a", "b/c"]);
        assert_eq!(entries[0].kind, EntryKind::Link("b/a".into()));
        assert_eq!((entries[2].uid, entries[2].gid), (0, 42));
        assert_eq!((entries[3].uid, entries[3].gid), (0, 0));
        assert_eq!(file_bytes(&entries), 5);
    }

    #[test]
    fn a_socket_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("s")).unwrap();
        assert!(matches!(read(dir.path(), None), Err(TreeError::Special(_))));
    }
}

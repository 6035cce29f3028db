//! The files of one package, as they will stand in it.

use crate::error::{Error, Result};
use crate::phase::Owner;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Folder,
    File,
    /// The same file as another path of the package.
    HardLink(PathBuf),
    Symlink(PathBuf),
    Fifo,
}

/// One entry.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Relative to the root, without a leading slash.
    pub path: PathBuf,
    pub kind: Kind,
    /// With the setuid, setgid and sticky bits.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
}

/// A package's files on the disk.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    /// The folder that is the package's root.
    pub root: PathBuf,
    /// Every folder before what is in it, in the order of the names.
    pub nodes: Vec<Node>,
}

impl Tree {
    /// Reads what lies in `root`.
    pub(crate) fn read(port: &str, root: &Path) -> Result<Tree> {
        let mut nodes = Vec::new();
        let mut links: BTreeMap<(u64, u64), PathBuf> = BTreeMap::new();
        for entry in walkdir::WalkDir::new(root).min_depth(1).sort_by_file_name() {
            let entry = entry.map_err(|error| Error::io(root)(error.into()))?;
            let full = entry.path();
            let metadata = fs::symlink_metadata(full).map_err(Error::io(full))?;
            let path = full.strip_prefix(root).unwrap_or(full).to_owned();
            let kind = metadata.file_type();
            let kind = if kind.is_dir() {
                Kind::Folder
            } else if kind.is_symlink() {
                Kind::Symlink(fs::read_link(full).map_err(Error::io(full))?)
            } else if kind.is_fifo() {
                Kind::Fifo
            } else if kind.is_file() {
                match links.get(&(metadata.dev(), metadata.ino())) {
                    Some(first) => Kind::HardLink(first.clone()),
                    None => {
                        if metadata.nlink() > 1 {
                            links.insert((metadata.dev(), metadata.ino()), path.clone());
                        }
                        Kind::File
                    }
                }
            } else {
                let message = format!("/{}: neither file, folder, link nor fifo", path.display());
                return Err(Error::Package {
                    port: port.to_owned(),
                    message,
                });
            };
            if path.as_os_str().as_bytes().contains(&b'\n') {
                let message = format!("{:?}: a line end in a file name", path);
                return Err(Error::Package {
                    port: port.to_owned(),
                    message,
                });
            }
            let mode = metadata.permissions().mode() & 0o7777;
            nodes.push(Node {
                path,
                kind,
                mode,
                uid: 0,
                gid: 0,
            });
        }
        Ok(Tree {
            root: root.to_owned(),
            nodes,
        })
    }

    /// Gives the files the owners that the recipe's `chown` asked for. `package` is the tree's name below /build/pkg;
    /// `number` finds the number of a user or group by its name.
    pub(crate) fn own(
        &mut self,
        package: &str,
        owners: &[Owner],
        number: &dyn Fn(&str, bool) -> Result<u32>,
    ) -> Result<()> {
        for owner in owners {
            let Ok(path) = owner.path.strip_prefix(package) else {
                continue;
            };
            let uid = owner
                .user
                .as_deref()
                .map(|name| number(name, false))
                .transpose()?;
            let gid = owner
                .group
                .as_deref()
                .map(|name| number(name, true))
                .transpose()?;
            for node in &mut self.nodes {
                if node.path == path || (owner.recursive && node.path.starts_with(path)) {
                    node.uid = uid.unwrap_or(node.uid);
                    node.gid = gid.unwrap_or(node.gid);
                }
            }
        }
        Ok(())
    }

    /// The file on the disk.
    pub(crate) fn on_disk(&self, node: &Node) -> PathBuf {
        self.root.join(&node.path)
    }

    /// The regular files.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.kind == Kind::File)
    }

    /// The entry that a path of the package leads to, through links within the package.
    pub(crate) fn resolve(&self, path: &Path) -> Option<&Node> {
        let mut path = path.to_owned();
        // As deep as the kernel follows; see path_resolution(7).
        for _ in 0..40 {
            let node = self.nodes.iter().find(|node| node.path == path)?;
            match &node.kind {
                Kind::Symlink(target) => path = link_target(&node.path, target)?,
                Kind::HardLink(first) => path.clone_from(first),
                _ => return Some(node),
            }
        }
        None
    }
}

/// The path, relative to the root, that a link at `path` leads to; none if it leaves the root.
pub(crate) fn link_target(path: &Path, target: &Path) -> Option<PathBuf> {
    let mut result = if target.is_absolute() {
        PathBuf::new()
    } else {
        path.parent()?.to_owned()
    };
    for part in target.components() {
        match part {
            std::path::Component::Normal(name) => result.push(name),
            std::path::Component::ParentDir if !result.pop() => return None,
            _ => {}
        }
    }
    Some(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn folders_first_links_and_owners() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("usr/lib")).unwrap();
        fs::write(root.join("usr/lib/libz.so.1.3"), b"x").unwrap();
        fs::hard_link(root.join("usr/lib/libz.so.1.3"), root.join("usr/lib/other")).unwrap();
        symlink("libz.so.1.3", root.join("usr/lib/libz.so")).unwrap();
        symlink("/../../etc", root.join("usr/up")).unwrap();
        let mut tree = Tree::read("z", root).unwrap();
        let names: Vec<_> = tree
            .nodes
            .iter()
            .map(|node| node.path.to_str().unwrap())
            .collect();
        assert_eq!(
            names,
            [
                "usr",
                "usr/lib",
                "usr/lib/libz.so",
                "usr/lib/libz.so.1.3",
                "usr/lib/other",
                "usr/up"
            ]
        );
        assert_eq!(
            tree.resolve(Path::new("usr/lib/libz.so")).unwrap().path,
            Path::new("usr/lib/libz.so.1.3")
        );
        assert_eq!(
            tree.nodes[4].kind,
            Kind::HardLink("usr/lib/libz.so.1.3".into())
        );
        assert!(tree.resolve(Path::new("usr/up")).is_none());
        let owner = Owner {
            path: "z/usr/lib".into(),
            user: Some("a".into()),
            group: None,
            recursive: true,
        };
        tree.own("z", &[owner], &|_, _| Ok(7)).unwrap();
        assert_eq!(
            tree.nodes.iter().map(|node| node.uid).collect::<Vec<_>>(),
            [0, 7, 7, 7, 7, 0]
        );
    }
}

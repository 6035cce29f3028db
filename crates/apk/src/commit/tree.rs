//! The root as it will be: folders that are there, folders and links that are staged, and where each lies meanwhile.
//!
//! A folder that is not there yet is made under a staged name, with all that its package has in it: one rename puts it in
//! its place, and a run that was killed leaves nothing that does not begin with [`super::STAGED`].

use super::{is_missing, staged_name};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};
use sys::fs::{FileSystem, Kind};

const MOST_LINKS: u32 = 40;

/// A folder.
#[derive(Clone, Debug)]
pub struct Spot {
    /// Where it lies now.
    pub physical: PathBuf,
    /// The part of the transaction that staged it.
    pub part: Option<usize>,
}

/// What a path comes to.
pub enum Found {
    /// A folder, by its path without links.
    Folder(PathBuf),
    /// Nothing is there: the first that is missing, and what follows.
    Missing(PathBuf, Vec<OsString>),
    /// Something is in the way that is no folder, and what follows.
    Blocked(PathBuf, Vec<OsString>),
}

/// A folder that was staged under a name of its own.
pub struct Top {
    /// Its place.
    pub path: PathBuf,
    /// The name beside it.
    pub staged: String,
    /// Its number.
    pub inode: u64,
}

/// The root and what is staged in it.
pub struct Tree<'a> {
    fs: &'a dyn FileSystem,
    folders: HashMap<PathBuf, Spot>,
    links: HashMap<PathBuf, PathBuf>,
    resolved: HashMap<PathBuf, PathBuf>,
    /// Links at the top of the root and where they lead: `lib` and `usr/lib`.
    aliases: Vec<(PathBuf, PathBuf)>,
    /// A folder of each file system in which something is staged.
    pub systems: BTreeMap<u64, PathBuf>,
    /// The folders of the disk in which something is staged.
    pub used: BTreeSet<PathBuf>,
}

impl<'a> Tree<'a> {
    /// The root as it is.
    pub fn new(fs: &'a dyn FileSystem) -> io::Result<Tree<'a>> {
        let mut tree = Tree {
            fs,
            folders: HashMap::from([(
                PathBuf::new(),
                Spot {
                    physical: PathBuf::new(),
                    part: None,
                },
            )]),
            links: HashMap::new(),
            resolved: HashMap::new(),
            aliases: Vec::new(),
            systems: BTreeMap::new(),
            used: BTreeSet::new(),
        };
        for name in fs.list(Path::new(""))? {
            let path = PathBuf::from(&name);
            if fs.metadata(&path).is_ok_and(|meta| meta.kind == Kind::Link)
                && let Ok(Found::Folder(real)) = tree.find(&path)
            {
                tree.aliases.push((path, real));
            }
        }
        Ok(tree)
    }

    /// What a path's folders come to when links are followed.
    pub fn find(&mut self, path: &Path) -> io::Result<Found> {
        if let Some(real) = self.resolved.get(path) {
            return Ok(Found::Folder(real.clone()));
        }
        let mut left: VecDeque<OsString> = parts(path).collect();
        let mut here = PathBuf::new();
        let mut links = 0;
        while let Some(name) = left.pop_front() {
            if name == ".." {
                here.pop();
                continue;
            }
            let inside = here.join(&name);
            if self.folders.contains_key(&inside) {
                here = inside;
                continue;
            }
            let target = match self.links.get(&inside) {
                Some(target) => target.clone(),
                None => {
                    if self.spot(&here).part.is_some() {
                        return Ok(Found::Missing(inside, left.into()));
                    }
                    match self.fs.metadata(&inside).map(|meta| meta.kind) {
                        Ok(Kind::Folder) => {
                            let spot = Spot {
                                physical: inside.clone(),
                                part: None,
                            };
                            self.folders.insert(inside.clone(), spot);
                            here = inside;
                            continue;
                        }
                        Ok(Kind::Link) => self.fs.read_link(&inside)?,
                        Ok(Kind::File | Kind::Other) => {
                            return Ok(Found::Blocked(inside, left.into()));
                        }
                        Err(error) if is_missing(&error) => {
                            return Ok(Found::Missing(inside, left.into()));
                        }
                        Err(error) => return Err(error),
                    }
                }
            };
            links += 1;
            if links > MOST_LINKS {
                return Ok(Found::Blocked(inside, left.into()));
            }
            if target.has_root() {
                here = PathBuf::new();
            }
            let way: Vec<OsString> = parts(&target).collect();
            way.into_iter().rev().for_each(|part| left.push_front(part));
        }
        self.resolved.insert(path.to_owned(), here.clone());
        Ok(Found::Folder(here))
    }

    /// A path whose folders are without links; as it is, where they are not there.
    pub fn real(&mut self, path: &Path) -> PathBuf {
        let above = path.parent().unwrap_or(Path::new(""));
        match (self.find(above), path.file_name()) {
            (Ok(Found::Folder(real)), Some(name)) => real.join(name),
            _ => path.to_owned(),
        }
    }

    /// Other names that a path without links may have in the database.
    pub fn names(&self, real: &Path) -> Vec<PathBuf> {
        let mut names = vec![real.to_owned()];
        for (alias, target) in &self.aliases {
            if let Ok(rest) = real.strip_prefix(target) {
                names.push(alias.join(rest));
            }
        }
        names
    }

    /// Where a folder lies that was found.
    pub fn spot(&self, real: &Path) -> Spot {
        self.folders.get(real).cloned().unwrap_or_else(|| Spot {
            physical: real.to_owned(),
            part: None,
        })
    }

    /// A link is staged: what comes later goes through it.
    pub fn add_link(&mut self, real: PathBuf, target: PathBuf) {
        self.links.insert(real, target);
    }

    /// Something is going to be made in a folder of the disk. `true`: for the first time.
    pub fn use_folder(&mut self, spot: &Spot) -> io::Result<bool> {
        if spot.part.is_some() || self.used.contains(&spot.physical) {
            return Ok(false);
        }
        self.note_system(&spot.physical)?;
        Ok(self.used.insert(spot.physical.clone()))
    }

    /// The file system of a folder is changed.
    pub fn note_system(&mut self, folder: &Path) -> io::Result<()> {
        let device = self.fs.metadata(folder)?.device;
        if self.systems.contains_key(&device) {
            return Ok(());
        }
        // Its top: the folder itself may be gone in the end.
        let mut top = folder.to_owned();
        while let Some(above) = top.parent() {
            if self.fs.metadata(above)?.device != device {
                break;
            }
            top = above.to_owned();
        }
        self.systems.insert(device, top);
        Ok(())
    }

    /// A link is going to be replaced: what was found through it does not count any more.
    pub fn forget(&mut self) {
        self.resolved.clear();
    }

    /// Makes a folder and those that are missing above it. The first one is made under a staged name, unless the part
    /// staged the folder above it itself.
    pub fn make(
        &mut self,
        part: usize,
        key: &str,
        first: PathBuf,
        rest: Vec<OsString>,
        mode: u32,
    ) -> io::Result<(PathBuf, Option<Top>)> {
        let above = first.parent().unwrap_or(Path::new("")).to_owned();
        let spot = self.spot(&above);
        let name = first.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let mode_of = |last: bool| if last { mode } else { 0o755 };
        let mut top = None;
        let mut physical = if spot.part == Some(part) {
            let physical = spot.physical.join(name);
            self.fs.make_folder(&physical, mode_of(rest.is_empty()))?;
            physical
        } else {
            let staged = staged_name(key, &first);
            let physical = spot.physical.join(&staged);
            self.fs.make_folder(&physical, mode_of(rest.is_empty()))?;
            top = Some(Top {
                path: first.clone(),
                staged,
                inode: self.fs.metadata(&physical)?.inode,
            });
            physical
        };
        let mut here = first;
        let mut rest = VecDeque::from(rest);
        loop {
            let made = Spot {
                physical: physical.clone(),
                part: Some(part),
            };
            self.folders.insert(here.clone(), made);
            let Some(name) = rest.pop_front() else {
                return Ok((here, top));
            };
            physical.push(&name);
            here.push(&name);
            self.fs.make_folder(&physical, mode_of(rest.is_empty()))?;
        }
    }
}

fn parts(path: &Path) -> impl Iterator<Item = OsString> {
    path.components()
        .filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir))
        .map(|part| part.as_os_str().to_owned())
}

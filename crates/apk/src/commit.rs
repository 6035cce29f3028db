//! Changing a root: new files are staged beside their places, all packages' first; only when every one of them was
//! read to its end and is right are they moved into place, and the database written.
//!
//! What fails before that leaves the root as it was, but for names that [`STAGED`] marks, and those are removed.

use crate::archive::tar::{self, Entry};
use crate::database::{Acl, Database, DatabaseError, Installed, OwnedFile, OwnedFolder, join};
use crate::dependency::Dependency;
use crate::keys::{KeyRing, Trust};
use crate::package::{PackageError, Reader, Script};
use crate::record::Record;
use crate::version::Version;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::OsStr;
use std::io::{self, BufRead, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use sys::fs::{FileSystem, Kind, Node};

/// How the names of staged files begin.
pub const STAGED: &str = ".apk.";

/// What goes wrong while a root is changed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// A package cannot be used.
    #[error("{package}: {source}")]
    Package {
        /// Its name and version.
        package: String,
        /// Why.
        source: PackageError,
    },
    /// A package cannot be had.
    #[error("{package}: {source}")]
    Fetch {
        /// Its name and version.
        package: String,
        /// Where it was looked for and why it is not there.
        source: io::Error,
    },
    /// Something in the root could not be changed.
    #[error("{package}: {path}: {source}")]
    Io {
        /// The package on whose behalf.
        package: String,
        /// The path from the root.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A file belongs to another package.
    #[error("{package}: trying to overwrite {path} owned by {owner}")]
    Owned {
        /// The package that brings the file.
        package: String,
        /// The file.
        path: String,
        /// Whose it is.
        owner: String,
    },
    /// The database cannot be written.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// One step of a transaction.
pub struct Change {
    /// What is installed now.
    pub old: Option<String>,
    /// What is to be installed.
    pub new: Option<New>,
}

/// A package to install.
pub struct New {
    /// What the index, or the package itself, tells of it.
    pub record: Record,
    /// Where its bytes come from.
    pub open: Box<dyn FnOnce() -> io::Result<Box<dyn BufRead>>>,
    /// The signature is checked here, and not the index's identity relied on.
    pub check_signature: bool,
    /// The tag of its repository.
    pub tag: Option<String>,
}

/// How a root is changed.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Leave owners as they come: for users who cannot change them. The database records them all the same.
    pub keep_owner: bool,
    /// Run no scripts and no triggers.
    pub no_scripts: bool,
    /// Files of other packages may be overwritten.
    pub overwrite: bool,
    /// Changed protected files are removed too when their package goes.
    pub purge: bool,
    /// Packages without a trusted signature are taken.
    pub allow_untrusted: bool,
}

/// What happens, for whoever shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A package is begun: its number, how many there are, and what is done.
    Package {
        /// From 1.
        number: usize,
        /// Of how many.
        total: usize,
        /// `Installing zlib (1.3-r0)`, `Upgrading …`, `Purging …`
        what: String,
    },
    /// A script or trigger runs: `Executing zlib-1.3-r0.post-install`.
    Script(String),
    /// Something is wrong, and the work goes on.
    Warning(String),
}

/// Runs a package's script in the root: the script's name, its text, its arguments. Returns its exit status.
pub type RunScript<'a> = dyn FnMut(&str, &[u8], &[String]) -> io::Result<i32> + 'a;

struct Staged {
    package: Installed,
    old: Option<usize>,
    /// (where it is staged, where it goes)
    moves: Vec<(PathBuf, PathBuf)>,
}

/// A transaction on a root.
pub struct Commit<'a> {
    /// The root.
    pub fs: &'a dyn FileSystem,
    /// The trusted keys.
    pub keys: &'a KeyRing,
    /// How.
    pub policy: &'a Policy,
    /// Runs scripts.
    pub run_script: &'a mut RunScript<'a>,
    /// Hears what happens.
    pub event: &'a mut dyn FnMut(Event),
}

impl Commit<'_> {
    /// Carries out the changes, in their order, and writes the database with `world`. Returns how many scripts
    /// failed: their packages are marked as broken.
    pub fn run(
        &mut self,
        database: &mut Database,
        changes: Vec<Change>,
        world: Vec<Dependency>,
    ) -> Result<usize, CommitError> {
        let mut left_over = Vec::new();
        let result = match self.stage_all(database, changes, &mut left_over) {
            Ok((staged, leaving)) => self.apply(database, staged, &leaving, world),
            Err(error) => Err(error),
        };
        if result.is_err() {
            // What was moved into place has its staged name no more, and a folder in use does not go.
            for (path, folder) in left_over.iter().rev() {
                let _ = if *folder {
                    self.fs.remove_folder(path)
                } else {
                    self.fs.unlink(path)
                };
            }
        }
        result
    }

    /// Stages every new package. `made` is what has to go when it fails: paths, and whether each is a folder.
    #[allow(clippy::type_complexity)]
    fn stage_all(
        &mut self,
        database: &Database,
        changes: Vec<Change>,
        made: &mut Vec<(PathBuf, bool)>,
    ) -> Result<(Vec<Staged>, Vec<usize>), CommitError> {
        let owners = database.owners();
        let leaving: HashSet<usize> = changes
            .iter()
            .filter_map(|change| change.old.as_ref())
            .filter_map(|name| {
                database
                    .packages
                    .iter()
                    .position(|package| package.record.name == *name)
            })
            .collect();
        let mut staged: Vec<Staged> = Vec::new();
        let mut gone = Vec::new();
        let mut new_owners: HashMap<PathBuf, usize> = HashMap::new();
        for change in changes {
            let position = |name: &String| {
                database
                    .packages
                    .iter()
                    .position(|package| package.record.name == *name)
            };
            let old = change.old.as_ref().and_then(position);
            match change.new {
                None => gone.extend(old),
                Some(new) => {
                    let claims = Claims {
                        database,
                        owners: &owners,
                        leaving: &leaving,
                        staged: &staged,
                        new_owners: &new_owners,
                    };
                    let package = self.stage(new, old, &claims, made)?;
                    let at = staged.len();
                    new_owners.extend(package.moves.iter().map(|(_, path)| (path.clone(), at)));
                    staged.push(package);
                }
            }
        }
        Ok((staged, gone))
    }

    fn stage(
        &mut self,
        new: New,
        old: Option<usize>,
        claims: &Claims<'_>,
        made: &mut Vec<(PathBuf, bool)>,
    ) -> Result<Staged, CommitError> {
        let package = new.record.full_name();
        let wrong = |source| CommitError::Package {
            package: package.clone(),
            source,
        };
        let input = (new.open)().map_err(|source| CommitError::Fetch {
            package: package.clone(),
            source,
        })?;
        let reader = Reader::open(input, self.keys).map_err(wrong)?;
        let control = reader.control.clone();
        if new.check_signature {
            match control.trust {
                Trust::Good => {}
                Trust::Bad => return Err(wrong(PackageError::BadSignature)),
                Trust::Unknown if self.policy.allow_untrusted => {}
                Trust::Unknown => return Err(wrong(PackageError::Untrusted)),
            }
        } else if control.identity != new.record.identity {
            return Err(wrong(PackageError::WrongIdentity));
        }
        let mut record = Record::of_package(control.identity, &control.info, new.record.size);
        record.replaces = control.info.replaces.clone();
        let mut result = Staged {
            package: Installed {
                record,
                folders: Vec::new(),
                tag: new.tag,
                flags: String::new(),
                triggers: control.info.triggers,
                scripts: control.scripts,
            },
            old,
            moves: Vec::new(),
        };
        let mut data = reader.data().map_err(wrong)?;
        while let Some(entry) = data.next_entry().map_err(wrong)? {
            let Some(path) = plain_path(&entry.path) else {
                let path = String::from_utf8_lossy(&entry.path).into_owned();
                (self.event)(Event::Warning(format!(
                    "{package}: {path}: a path that leads out of the root is left out"
                )));
                result.package.flags = "f".to_owned();
                continue;
            };
            if entry.kind == tar::Kind::Directory {
                self.stage_folder(&package, &path, &entry, &mut result, made)?;
                continue;
            }
            claims.check(&result.package.record, &package, &path, self.policy)?;
            let place = staged_name(&path, &package);
            let hash =
                self.stage_file(&package, &place, &path, &entry, &mut data, &result, made)?;
            let parent = path
                .parent()
                .unwrap_or(Path::new(""))
                .as_os_str()
                .as_bytes()
                .to_vec();
            let file = OwnedFile {
                name: path.file_name().unwrap_or_default().as_bytes().to_vec(),
                acl: Acl {
                    uid: entry.uid,
                    gid: entry.gid,
                    mode: if entry.kind == tar::Kind::Symlink {
                        0o777
                    } else {
                        entry.mode
                    },
                },
                hash,
            };
            match result
                .package
                .folders
                .iter_mut()
                .find(|folder| folder.path == parent)
            {
                Some(folder) => folder.files.push(file),
                None => {
                    let acl = Acl {
                        uid: 0,
                        gid: 0,
                        mode: 0o755,
                    };
                    result.package.folders.push(OwnedFolder {
                        path: parent,
                        acl,
                        files: vec![file],
                    });
                }
            }
            result.moves.push((place, path));
        }
        data.finish().map_err(wrong)?;
        Ok(result)
    }

    fn stage_folder(
        &mut self,
        package: &str,
        path: &Path,
        entry: &Entry,
        result: &mut Staged,
        made: &mut Vec<(PathBuf, bool)>,
    ) -> Result<(), CommitError> {
        let io = |source| CommitError::Io {
            package: package.to_owned(),
            path: path.display().to_string(),
            source,
        };
        match self.fs.metadata(path) {
            // A link to a folder serves: roots where /lib is a link to /usr/lib.
            Ok(meta)
                if meta.kind == Kind::Folder
                    || (meta.kind == Kind::Link && self.fs.list(path).is_ok()) => {}
            Ok(_) => return Err(io(io::Error::from(io::ErrorKind::NotADirectory))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.fs.make_folder(path, entry.mode).map_err(io)?;
                made.push((path.to_owned(), true));
                if !self.policy.keep_owner && (entry.uid, entry.gid) != (0, 0) {
                    self.fs.chown(path, entry.uid, entry.gid).map_err(io)?;
                }
            }
            Err(error) => return Err(io(error)),
        }
        let acl = Acl {
            uid: entry.uid,
            gid: entry.gid,
            mode: entry.mode,
        };
        result.package.folders.push(OwnedFolder {
            path: path.as_os_str().as_bytes().to_vec(),
            acl,
            files: Vec::new(),
        });
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    fn stage_file<R: BufRead>(
        &mut self,
        package: &str,
        place: &Path,
        path: &Path,
        entry: &Entry,
        data: &mut crate::package::Data<R>,
        result: &Staged,
        made: &mut Vec<(PathBuf, bool)>,
    ) -> Result<Option<Vec<u8>>, CommitError> {
        let io = |source| CommitError::Io {
            package: package.to_owned(),
            path: path.display().to_string(),
            source,
        };
        // What a killed run left under this name is worth nothing.
        match self.fs.unlink(place) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
            _ => {}
        }
        let mut hash = None;
        match entry.kind {
            tar::Kind::File => {
                let mut file = self.fs.create(place, 0o600).map_err(io)?;
                made.push((place.to_owned(), false));
                hash = Some(
                    data.copy_file(entry, &mut |bytes| file.write_all(bytes))
                        .map_err(|source| match source {
                            PackageError::Read(source) => io(source),
                            source => CommitError::Package {
                                package: package.to_owned(),
                                source,
                            },
                        })?,
                );
            }
            tar::Kind::Symlink => {
                let target = Path::new(OsStr::from_bytes(&entry.link));
                self.fs.symlink(target, place).map_err(io)?;
                made.push((place.to_owned(), false));
                let digest =
                    ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &entry.link);
                hash = Some(digest.as_ref().to_vec());
            }
            tar::Kind::HardLink => {
                let target = plain_path(&entry.link);
                let from = result
                    .moves
                    .iter()
                    .find(|(_, to)| Some(to) == target.as_ref())
                    .map(|(from, _)| from);
                let from = from.ok_or_else(|| {
                    io(io::Error::other(
                        "a hard link to what is not in the package",
                    ))
                })?;
                self.fs.hard_link(from, place).map_err(io)?;
                made.push((place.to_owned(), false));
            }
            tar::Kind::CharDevice | tar::Kind::BlockDevice | tar::Kind::Fifo => {
                let (major, minor) = entry.device;
                let node = match entry.kind {
                    tar::Kind::CharDevice => Node::Char(major, minor),
                    tar::Kind::BlockDevice => Node::Block(major, minor),
                    _ => Node::Fifo,
                };
                self.fs.make_node(place, node, entry.mode).map_err(io)?;
                made.push((place.to_owned(), false));
            }
            tar::Kind::Directory => {}
        }
        if entry.kind == tar::Kind::HardLink {
            return Ok(hash);
        }
        if !self.policy.keep_owner {
            self.fs.chown(place, entry.uid, entry.gid).map_err(io)?;
        }
        if entry.kind != tar::Kind::Symlink {
            // Behind the change of owner, which takes the set-id bits away.
            self.fs.chmod(place, entry.mode).map_err(io)?;
        }
        self.fs
            .set_mtime(place, i64::try_from(entry.mtime).unwrap_or(0))
            .map_err(io)?;
        Ok(hash)
    }

    fn apply(
        &mut self,
        database: &mut Database,
        staged: Vec<Staged>,
        leaving: &[usize],
        world: Vec<Dependency>,
    ) -> Result<usize, CommitError> {
        let mut failures = 0;
        let total = staged.len() + leaving.len();
        let old = database.packages.clone();
        let mut changed: BTreeSet<Vec<u8>> = BTreeSet::new();
        let mut fresh: HashSet<String> = HashSet::new();
        let kept: HashSet<PathBuf> = staged
            .iter()
            .flat_map(|s| s.moves.iter().map(|(_, to)| to.clone()))
            .collect();
        for (
            number,
            Staged {
                mut package,
                old: replaced,
                moves,
            },
        ) in (1..).zip(staged)
        {
            let before = replaced.and_then(|at| old.get(at));
            let (name, version) = (package.record.name.clone(), package.record.version.clone());
            let what = match before {
                None => format!("Installing {name} ({version})"),
                Some(before) => {
                    let from = &before.record.version;
                    change_in_words(
                        &name,
                        from,
                        &version,
                        before.record.identity == package.record.identity,
                    )
                }
            };
            (self.event)(Event::Package {
                number,
                total,
                what,
            });
            let (pre, post) = match before {
                None => (Script::PreInstall, Script::PostInstall),
                Some(_) => (Script::PreUpgrade, Script::PostUpgrade),
            };
            let arguments: Vec<String> = std::iter::once(version.to_string())
                .chain(before.map(|before| before.record.version.to_string()))
                .collect();
            failures += self.script(&mut package, pre, &arguments);
            for (from, to) in moves {
                self.put_in_place(&package, before, &from, &to)?;
            }
            changed.extend(package.folders.iter().map(|folder| folder.path.clone()));
            if let Some(before) = before {
                let stays: HashSet<PathBuf> = package.paths().map(|(path, _)| path).collect();
                self.remove_files(
                    before,
                    &|path| stays.contains(path) || kept.contains(path),
                    &mut changed,
                );
            }
            failures += self.script(&mut package, post, &arguments);
            // Other packages lose what this one replaced.
            let paths: HashSet<PathBuf> = package.paths().map(|(path, _)| path).collect();
            for other in database
                .packages
                .iter_mut()
                .filter(|other| other.record.name != name)
            {
                for folder in &mut other.folders {
                    let base = folder.path.clone();
                    folder
                        .files
                        .retain(|file| !paths.contains(&join(&base, &file.name)));
                }
            }
            fresh.insert(name.clone());
            match database
                .packages
                .iter_mut()
                .find(|known| known.record.name == name)
            {
                Some(place) => *place = package,
                None => database.packages.push(package),
            }
        }
        for (number, at) in (total - leaving.len() + 1..).zip(leaving) {
            let Some(mut package) = old.get(*at).cloned() else {
                continue;
            };
            let (name, version) = (package.record.name.clone(), package.record.version.clone());
            (self.event)(Event::Package {
                number,
                total,
                what: format!("Purging {name} ({version})"),
            });
            failures += self.script(&mut package, Script::PreDeinstall, &[version.to_string()]);
            self.remove_files(&package, &|path| kept.contains(path), &mut changed);
            failures += self.script(&mut package, Script::PostDeinstall, &[version.to_string()]);
            database.packages.retain(|known| known.record.name != name);
        }
        self.remove_empty_folders(&old, database);
        failures += self.triggers(database, &changed, &fresh);
        database.world = world;
        database.write(self.fs)?;
        // What cannot flush (a file system without it) has nothing to lose either.
        let _ = self.fs.sync();
        Ok(failures)
    }

    fn put_in_place(
        &mut self,
        package: &Installed,
        before: Option<&Installed>,
        from: &Path,
        to: &Path,
    ) -> Result<(), CommitError> {
        let io = |source| CommitError::Io {
            package: package.record.full_name(),
            path: to.display().to_string(),
            source,
        };
        let mut target = to.to_owned();
        if is_protected(to)
            && self
                .fs
                .metadata(to)
                .is_ok_and(|meta| meta.kind == Kind::File)
        {
            let on_disk = self.hash(to);
            let known = before.and_then(|b| {
                b.paths()
                    .find(|(path, _)| path == to)
                    .and_then(|(_, file)| file.hash.clone())
            });
            let new = package
                .paths()
                .find(|(path, _)| path == to)
                .and_then(|(_, file)| file.hash.clone());
            if on_disk.is_some() && on_disk == new {
                return self.fs.unlink(from).map_err(io);
            }
            // Changed by the user, or never a package's: it stays, and the new one is put beside it.
            if known.is_none() || known != on_disk {
                let mut name = to.as_os_str().to_owned();
                name.push(".apk-new");
                target = PathBuf::from(name);
            }
        }
        self.fs.rename(from, &target).map_err(io)
    }

    fn hash(&self, path: &Path) -> Option<Vec<u8>> {
        let bytes = self.fs.read(path).ok()?;
        Some(
            ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &bytes)
                .as_ref()
                .to_vec(),
        )
    }

    fn remove_files(
        &mut self,
        package: &Installed,
        stays: &dyn Fn(&Path) -> bool,
        changed: &mut BTreeSet<Vec<u8>>,
    ) {
        for (path, file) in package.paths() {
            if stays(&path) {
                continue;
            }
            let modified =
                is_protected(&path) && file.hash.is_some() && self.hash(&path) != file.hash;
            if modified
                && !self.policy.purge
                && self
                    .fs
                    .metadata(&path)
                    .is_ok_and(|meta| meta.kind == Kind::File)
            {
                continue;
            }
            match self.fs.unlink(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    (self.event)(Event::Warning(format!("{}: {error}", path.display())));
                }
                _ => {}
            }
        }
        changed.extend(package.folders.iter().map(|folder| folder.path.clone()));
    }

    fn remove_empty_folders(&self, old: &[Installed], database: &Database) {
        let owned = |packages: &[Installed]| -> BTreeSet<Vec<u8>> {
            packages
                .iter()
                .flat_map(|package| package.folders.iter().map(|folder| folder.path.clone()))
                .collect()
        };
        let now = owned(&database.packages);
        // The deepest first; one that is not empty stays.
        for path in owned(old).iter().rev().filter(|path| !now.contains(*path)) {
            let _ = self.fs.remove_folder(Path::new(OsStr::from_bytes(path)));
        }
    }

    fn script(&mut self, package: &mut Installed, script: Script, arguments: &[String]) -> usize {
        let Some(text) = package
            .scripts
            .iter()
            .find(|(known, _)| *known == script)
            .map(|(_, text)| text.clone())
        else {
            return 0;
        };
        if self.policy.no_scripts {
            return 0;
        }
        let name = format!("{}.{}", package.record.full_name(), script.name());
        (self.event)(Event::Script(format!("Executing {name}")));
        let problem = match (self.run_script)(&name, &text, arguments) {
            Ok(0) => return 0,
            Ok(status) => format!("{name}: script exited with error {status}"),
            Err(error) => format!("{name}: script cannot be run: {error}"),
        };
        (self.event)(Event::Warning(problem));
        if !package.flags.contains('s') {
            package.flags.push('s');
        }
        1
    }

    fn triggers(
        &mut self,
        database: &mut Database,
        changed: &BTreeSet<Vec<u8>>,
        fresh: &HashSet<String>,
    ) -> usize {
        let all: BTreeSet<Vec<u8>> = database
            .packages
            .iter()
            .flat_map(|package| package.folders.iter().map(|folder| folder.path.clone()))
            .collect();
        let mut failures = 0;
        for at in 0..database.packages.len() {
            let Some(package) = database.packages.get(at) else {
                break;
            };
            if package.triggers.is_empty() {
                continue;
            }
            // A package that is new itself is told of everything that it watches.
            let is_fresh = fresh.contains(&package.record.name);
            let folders = if is_fresh { &all } else { changed };
            let matched: Vec<String> = folders
                .iter()
                .filter(|folder| {
                    package
                        .triggers
                        .iter()
                        .any(|pattern| watches(pattern, folder))
                })
                .map(|folder| format!("/{}", String::from_utf8_lossy(folder)))
                .collect();
            if matched.is_empty() {
                continue;
            }
            let mut copy = package.clone();
            failures += self.script(&mut copy, Script::Trigger, &matched);
            if let Some(package) = database.packages.get_mut(at) {
                package.flags = copy.flags;
            }
        }
        failures
    }
}

/// Who has a claim on a path.
struct Claims<'a> {
    database: &'a Database,
    owners: &'a HashMap<PathBuf, usize>,
    leaving: &'a HashSet<usize>,
    staged: &'a [Staged],
    new_owners: &'a HashMap<PathBuf, usize>,
}

impl Claims<'_> {
    fn check(
        &self,
        record: &Record,
        package: &str,
        path: &Path,
        policy: &Policy,
    ) -> Result<(), CommitError> {
        if policy.overwrite {
            return Ok(());
        }
        let old = self
            .owners
            .get(path)
            .filter(|at| !self.leaving.contains(at))
            .and_then(|at| self.database.packages.get(*at));
        let new = self
            .new_owners
            .get(path)
            .and_then(|at| self.staged.get(*at))
            .map(|staged| &staged.package);
        let Some(owner) = new.or(old).map(|owner| &owner.record) else {
            return Ok(());
        };
        let replaces = |a: &Record, b: &Record| {
            a.replaces
                .iter()
                .any(|replaced| replaced.name == b.name && replaced.accepts(Some(&b.version)))
        };
        let same_origin = record.origin.is_some() && record.origin == owner.origin;
        if owner.name == record.name
            || same_origin
            || replaces(record, owner)
            || replaces(owner, record)
        {
            return Ok(());
        }
        Err(CommitError::Owned {
            package: package.to_owned(),
            path: path.display().to_string(),
            owner: owner.full_name(),
        })
    }
}

/// `Upgrading zlib (1.3-r0 -> 1.3-r1)`: how a package is told of that comes in the place of another.
#[must_use]
pub fn change_in_words(name: &str, old: &Version, new: &Version, same: bool) -> String {
    let verb = match new.cmp(old) {
        std::cmp::Ordering::Equal if same => return format!("Reinstalling {name} ({new})"),
        std::cmp::Ordering::Equal => "Replacing",
        std::cmp::Ordering::Greater => "Upgrading",
        std::cmp::Ordering::Less => "Downgrading",
    };
    format!("{verb} {name} ({old} -> {new})")
}

/// A path that stays inside the root: none with `..`, with control characters or from the top.
fn plain_path(path: &[u8]) -> Option<PathBuf> {
    let good = !path.is_empty()
        && path.iter().all(|byte| *byte >= 0x20 && *byte != 0x7f)
        && path
            .split(|byte| *byte == b'/')
            .all(|part| !matches!(part, b"" | b"." | b".."));
    good.then(|| PathBuf::from(OsStr::from_bytes(path)))
}

/// Beside the target, so that moving is renaming.
fn staged_name(path: &Path, package: &str) -> PathBuf {
    let text = [package.as_bytes(), b"\0", path.as_os_str().as_bytes()].concat();
    let digest = ring::digest::digest(&ring::digest::SHA256, &text);
    let name = format!(
        "{STAGED}{}",
        crate::encoding::hex(digest.as_ref().get(..12).unwrap_or_default())
    );
    path.parent().unwrap_or(Path::new("")).join(name)
}

/// Whether what the user changed there is kept (apk's built-in `+etc @etc/init.d !etc/apk`).
fn is_protected(path: &Path) -> bool {
    path.starts_with("etc") && !path.starts_with("etc/init.d")
}

/// Whether a trigger's pattern means this folder. `+` in front only says that unchanged folders do not count.
fn watches(pattern: &str, folder: &[u8]) -> bool {
    let pattern = pattern.strip_prefix('+').unwrap_or(pattern);
    let pattern = pattern.strip_prefix('/').unwrap_or(pattern);
    glob(pattern.as_bytes(), folder)
}

/// fnmatch(3) with `*`, `?` and plain text; `*` does not pass a slash.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => (0..=text.len())
            .take_while(|end| !text.get(..*end).unwrap_or_default().contains(&b'/'))
            .any(|end| glob(rest, text.get(end..).unwrap_or_default())),
        (Some((b'?', rest)), Some((byte, behind))) => *byte != b'/' && glob(rest, behind),
        (Some((wanted, rest)), Some((byte, behind))) => wanted == byte && glob(rest, behind),
        _ => false,
    }
}

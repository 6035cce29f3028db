//! Staging: the new files of all packages, beside their places, while the packages stream in.

use super::ahead::{Ahead, Trouble, Unpacked};
use super::claims::{Claim, Claims};
use super::tree::{Found, Spot, Tree};
use super::{
    CommitError, Event, Kept, New, Policy, Source, Step, digest_of, io_error, is_protected, look,
    plain_path, remove_tree, staged_name,
};
use crate::archive::tar::{self, Entry};
use crate::database::{Acl, Database, Installed, OwnedFile, OwnedFolder};
use crate::digest::sha1;
use crate::journal::{Action, Log, Operation};
use crate::keys::{KeyRing, Trust};
use crate::package::PackageError;
use crate::record::Record;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use sys::fs::{Attributes, FileSystem, Kind, Node};

/// A part of the transaction whose files are all there.
pub struct Staged {
    /// The package that comes, unless one only goes.
    pub package: Option<Installed>,
    /// The package that goes, by its number in the database.
    pub old: Option<usize>,
    /// What puts the new files in their places.
    pub operations: Vec<Operation>,
    /// The folder of kept files that it came from.
    pub used: Option<PathBuf>,
}

/// Where a file is made.
struct Slot {
    /// Here.
    place: PathBuf,
    /// Its path without links.
    real: PathBuf,
    /// The staged name, unless it is in a folder that is staged itself.
    staged: Option<String>,
}

/// The work.
pub struct Stage<'a> {
    fs: &'a dyn FileSystem,
    keys: &'a KeyRing,
    policy: &'a Policy,
    log: &'a Log<'a>,
    event: &'a mut dyn FnMut(Event),
    database: &'a Database,
    /// The folders that the database knows.
    known: HashSet<&'a [u8]>,
    /// The root as it will be.
    pub tree: Tree<'a>,
    /// Who owns what.
    pub claims: Claims<'a>,
    /// What has to go when it fails.
    pub made: Vec<PathBuf>,
    /// The current part.
    part: usize,
    old: Option<usize>,
    /// What errors name.
    package: String,
    operations: Vec<Operation>,
}

impl<'a> Stage<'a> {
    /// Before the first package.
    pub fn new(
        fs: &'a dyn FileSystem,
        keys: &'a KeyRing,
        policy: &'a Policy,
        log: &'a Log<'a>,
        event: &'a mut dyn FnMut(Event),
        database: &'a Database,
        leaving: HashSet<usize>,
    ) -> io::Result<Stage<'a>> {
        Ok(Stage {
            fs,
            keys,
            policy,
            log,
            event,
            database,
            known: database
                .packages
                .iter()
                .flat_map(|package| package.folders.iter().map(|folder| folder.path.as_slice()))
                .collect(),
            tree: Tree::new(fs)?,
            claims: Claims::new(database, leaving),
            made: Vec::new(),
            part: 0,
            old: None,
            package: String::new(),
            operations: Vec::new(),
        })
    }

    /// Stages all parts.
    pub fn all(&mut self, mut steps: Vec<Step>) -> Result<Vec<Staged>, CommitError> {
        let mut parts = Vec::new();
        let packages = steps
            .iter_mut()
            .filter_map(|step| match &mut step.new {
                Some(Source::Package(new)) => new.open.take(),
                _ => None,
            })
            .collect();
        let threads = match self.policy.readers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            readers => readers,
        };
        let mut ahead = Ahead::begin(packages, self.keys, threads, self.policy.interrupted)
            .map_err(self.io(Path::new("")))?;
        for step in steps {
            self.check_interrupt()?;
            self.old = step.old.as_ref().and_then(|name| {
                self.database
                    .packages
                    .iter()
                    .position(|package| package.record.name == *name)
            });
            let mut used = None;
            let package = match step.new {
                None if self.old.is_none() => continue,
                None => None,
                Some(Source::Package(new)) => {
                    let package = self.package(new, &mut ahead)?;
                    ahead.done();
                    Some(package)
                }
                Some(Source::Kept(kept)) => {
                    used = Some(kept.folder.clone());
                    Some(self.kept(kept)?)
                }
            };
            parts.push(Staged {
                package,
                old: self.old,
                operations: std::mem::take(&mut self.operations),
                used,
            });
        }
        Ok(parts)
    }

    fn check_interrupt(&self) -> Result<(), CommitError> {
        if self.policy.interrupted.is_some_and(|asked| asked()) {
            return Err(CommitError::Interrupted);
        }
        Ok(())
    }

    fn begin(&mut self, record: &Record) {
        self.package = record.full_name();
        self.claims.begin(record);
        self.part += 1;
    }

    fn io(&self, path: &Path) -> impl FnOnce(io::Error) -> CommitError + use<> {
        io_error(&self.package, path)
    }

    fn wrong(&self, source: PackageError) -> CommitError {
        CommitError::Package {
            package: self.package.clone(),
            source,
        }
    }

    /// What a package's bytes came to.
    fn trouble(&self, trouble: Trouble, path: &Path) -> CommitError {
        match trouble {
            Trouble::Unopened(source) => CommitError::Fetch {
                package: self.package.clone(),
                source,
            },
            Trouble::Wrong(source) => self.wrong(source),
            Trouble::Interrupted => CommitError::Interrupted,
            Trouble::Sink(source) => self.io(path)(source),
        }
    }

    fn package(&mut self, new: New, ahead: &mut Ahead) -> Result<Installed, CommitError> {
        self.package = new.record.full_name();
        let nowhere = Path::new("");
        let mut data = ahead
            .next()
            .ok_or_else(|| self.io(nowhere)(io::ErrorKind::NotFound.into()))?;
        let control = data
            .control()
            .map_err(|trouble| self.trouble(trouble, nowhere))?;
        if new.check_signature {
            match control.trust {
                Trust::Good => {}
                Trust::Bad => return Err(self.wrong(PackageError::BadSignature)),
                Trust::Unknown if self.policy.allow_untrusted => {}
                Trust::Unknown => return Err(self.wrong(PackageError::Untrusted)),
            }
        } else if control.identity != new.record.identity {
            return Err(self.wrong(PackageError::WrongIdentity));
        }
        let mut record = Record::of_package(control.identity, &control.info, new.record.size);
        record.replaces = control.info.replaces.clone();
        self.begin(&record);
        let mut package = Installed {
            record,
            folders: Vec::new(),
            tag: new.tag,
            flags: String::new(),
            triggers: control.info.triggers,
            scripts: control.scripts,
        };
        // Where what is in the package by now was staged, and its checksum: hard links name it.
        let mut places: Vec<(PathBuf, PathBuf, Option<Vec<u8>>)> = Vec::new();
        while let Some(entry) = data
            .next_entry()
            .map_err(|trouble| self.trouble(trouble, nowhere))?
        {
            self.check_interrupt()?;
            let Some(path) = plain_path(&entry.path) else {
                let path = String::from_utf8_lossy(&entry.path).into_owned();
                (self.event)(Event::Warning(format!(
                    "{}: {path}: a path that leads out of the root is left out",
                    self.package
                )));
                package.flags = "f".to_owned();
                continue;
            };
            let mut acl = Acl {
                uid: entry.uid,
                gid: entry.gid,
                mode: entry.mode,
            };
            if entry.kind == tar::Kind::Directory {
                self.folder(&path, Some(&acl))?;
                package.folders.push(OwnedFolder {
                    path: path.as_os_str().as_bytes().to_vec(),
                    acl,
                    files: Vec::new(),
                });
                continue;
            }
            let Some(slot) = self.slot(&path)? else {
                continue;
            };
            let (inode, hash) = self.entry(&entry, &path, &slot, &mut data, &places)?;
            if entry.kind == tar::Kind::Symlink {
                acl.mode = 0o777;
            }
            places.push((path.clone(), slot.place.clone(), hash.clone()));
            self.put(&path, slot, inode, hash.clone())?;
            own(&mut package, &path, acl, hash);
        }
        Ok(package)
    }

    /// Finds a folder or makes it.
    fn folder(&mut self, path: &Path, acl: Option<&Acl>) -> Result<PathBuf, CommitError> {
        let io = self.io(path);
        let mut found = match self.tree.find(path) {
            Ok(found) => found,
            Err(error) => return Err(io(error)),
        };
        if let (Found::Folder(real), Some(_), Some(old)) = (&found, acl, self.old) {
            // A link to a folder serves, as in roots where /lib is one to /usr/lib; but not one that the package had
            // and that is a folder in its new version.
            let itself = self.tree.real(path);
            if *real != itself && self.claims.is_of(&self.tree, &itself, old) {
                found = Found::Blocked(itself, Vec::new());
            }
        }
        let (first, rest) = match found {
            Found::Folder(real) => return Ok(real),
            Found::Missing(first, rest) => (first, rest),
            Found::Blocked(first, rest) if self.claims.goes(&self.tree, &first) => {
                self.tree.forget();
                (first, rest)
            }
            Found::Blocked(..) => return Err(io(io::ErrorKind::NotADirectory.into())),
        };
        // Named before it is made, so that nothing is left that nobody knows of.
        let above = first.parent().unwrap_or(Path::new("")).to_owned();
        let spot = self.tree.spot(&above);
        let key = self.package.clone();
        if spot.part != Some(self.part) {
            let place = spot.physical.join(staged_name(&key, &first));
            self.prepare(&place, &spot)?;
            remove_tree(self.fs, &place).map_err(self.io(path))?;
        }
        let mode = acl.map_or(0o755, |acl| acl.mode);
        let made = self.tree.make(self.part, &key, first, rest, mode);
        let (real, top) = match made {
            Ok(made) => made,
            Err(error) => return Err(io(error)),
        };
        if let Some(acl) = acl
            && !self.policy.keep_owner
            && (acl.uid, acl.gid) != (0, 0)
        {
            let place = self.tree.spot(&real).physical;
            self.fs
                .chown(&place, acl.uid, acl.gid)
                .map_err(self.io(path))?;
        }
        if let Some(top) = top {
            self.claims.mark(&top.path);
            self.operations.push(Operation {
                action: Action::Put,
                path: top.path,
                staged: top.staged,
                inode: top.inode,
                hash: None,
                known: None,
                keep: None,
            });
        }
        Ok(real)
    }

    /// Something is going to be made in a folder.
    fn prepare(&mut self, place: &Path, spot: &Spot) -> Result<(), CommitError> {
        let first = self
            .tree
            .use_folder(spot)
            .map_err(self.io(&spot.physical))?;
        if first && !spot.physical.as_os_str().is_empty() {
            let known = self
                .tree
                .names(&spot.physical)
                .iter()
                .any(|name| self.known.contains(name.as_os_str().as_bytes()));
            if !known {
                self.log.staging_in(&spot.physical)?;
            }
        }
        if spot.part.is_none() {
            self.made.push(place.to_owned());
        }
        Ok(())
    }

    /// Where a file is to be made; `None`: it is another package's.
    fn slot(&mut self, path: &Path) -> Result<Option<Slot>, CommitError> {
        let above = self.folder(path.parent().unwrap_or(Path::new("")), None)?;
        let name = path.file_name().unwrap_or_default();
        let real = above.join(name);
        if self.claims.part_of(&real) == Some(self.part.saturating_sub(1)) {
            return Err(self.io(path)(io::Error::other(
                "it is in the package twice",
            )));
        }
        if self.claims.take(&self.tree, &real, self.policy)? == Claim::Leave {
            return Ok(None);
        }
        let spot = self.tree.spot(&above);
        if spot.part == Some(self.part) {
            return Ok(Some(Slot {
                place: spot.physical.join(name),
                real,
                staged: None,
            }));
        }
        let staged = staged_name(&self.package, &real);
        let place = spot.physical.join(&staged);
        self.prepare(&place, &spot)?;
        Ok(Some(Slot {
            place,
            real,
            staged: Some(staged),
        }))
    }

    /// Makes something at a slot; what a failed run left there goes.
    fn make<T>(
        &self,
        slot: &Slot,
        path: &Path,
        with: impl Fn(&Path) -> io::Result<T>,
    ) -> Result<T, CommitError> {
        match with(&slot.place) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && slot.staged.is_some() => {
                remove_tree(self.fs, &slot.place).map_err(self.io(path))?;
                with(&slot.place).map_err(self.io(path))
            }
            other => other.map_err(self.io(path)),
        }
    }

    /// What every new file gets.
    fn attributes(&self, acl: (u32, u32, u32), mtime: i64) -> Attributes {
        Attributes {
            owner: (!self.policy.keep_owner).then_some((acl.0, acl.1)),
            mode: Some(acl.2),
            mtime: Some(mtime),
            sync: false,
        }
    }

    /// The same for what is no regular file. Returns its number.
    fn finish(&self, place: &Path, attributes: &Attributes, link: bool) -> io::Result<u64> {
        if let Some((uid, gid)) = attributes.owner
            && (!link || (uid, gid) != (0, 0))
        {
            self.fs.chown(place, uid, gid)?;
        }
        if let (Some(mode), false) = (attributes.mode, link) {
            // Behind the change of owner, which takes the set-id bits away.
            self.fs.chmod(place, mode)?;
        }
        if let Some(seconds) = attributes.mtime {
            self.fs.set_mtime(place, seconds)?;
        }
        Ok(self.fs.metadata(place)?.inode)
    }

    fn entry(
        &mut self,
        entry: &Entry,
        path: &Path,
        slot: &Slot,
        data: &mut Unpacked,
        places: &[(PathBuf, PathBuf, Option<Vec<u8>>)],
    ) -> Result<(u64, Option<Vec<u8>>), CommitError> {
        let acl = (entry.uid, entry.gid, entry.mode);
        let attributes = self.attributes(acl, i64::try_from(entry.mtime).unwrap_or(0));
        let place = slot.place.as_path();
        match entry.kind {
            tar::Kind::File => {
                let mut file = self.make(slot, path, |place| self.fs.create(place, 0o600))?;
                let interrupted = self.policy.interrupted;
                let hash = data
                    .copy_file(&mut |bytes| {
                        if interrupted.is_some_and(|asked| asked()) {
                            return Err(io::ErrorKind::Interrupted.into());
                        }
                        file.write_all(bytes)
                    })
                    .map_err(|trouble| match trouble {
                        Trouble::Sink(source) if source.kind() == io::ErrorKind::Interrupted => {
                            CommitError::Interrupted
                        }
                        trouble => self.trouble(trouble, path),
                    })?;
                let inode = file.finish(&attributes).map_err(self.io(path))?;
                Ok((inode, Some(hash)))
            }
            tar::Kind::Symlink => {
                let target = Path::new(OsStr::from_bytes(&entry.link));
                self.make(slot, path, |place| self.fs.symlink(target, place))?;
                self.tree.add_link(slot.real.clone(), target.to_owned());
                let inode = self
                    .finish(place, &attributes, true)
                    .map_err(self.io(path))?;
                Ok((inode, Some(sha1(&entry.link).to_vec())))
            }
            tar::Kind::HardLink => {
                let target = plain_path(&entry.link);
                let first = places
                    .iter()
                    .find(|(known, _, _)| Some(known) == target.as_ref());
                let Some((_, from, hash)) = first else {
                    return Err(self.io(path)(io::Error::other(
                        "a hard link to what is not in the package",
                    )));
                };
                let (from, hash) = (from.clone(), hash.clone());
                match self.make(slot, path, |place| self.fs.hard_link(&from, place)) {
                    Ok(()) => {}
                    // FAT has none, and the other place may be on another file system: a copy serves.
                    Err(CommitError::Io { source, .. })
                        if matches!(
                            source.kind(),
                            io::ErrorKind::PermissionDenied
                                | io::ErrorKind::CrossesDevices
                                | io::ErrorKind::Unsupported
                        ) =>
                    {
                        let meta = self.fs.metadata(&from).map_err(self.io(path))?;
                        let attributes =
                            self.attributes((meta.uid, meta.gid, meta.mode), meta.mtime);
                        return Ok((self.copy(&from, slot, path, &attributes)?, hash));
                    }
                    Err(error) => return Err(error),
                }
                let inode = self.fs.metadata(place).map_err(self.io(path))?.inode;
                Ok((inode, hash))
            }
            tar::Kind::CharDevice | tar::Kind::BlockDevice | tar::Kind::Fifo => {
                let (major, minor) = entry.device;
                let node = match entry.kind {
                    tar::Kind::CharDevice => Node::Char(major, minor),
                    tar::Kind::BlockDevice => Node::Block(major, minor),
                    _ => Node::Fifo,
                };
                self.make(slot, path, |place| {
                    self.fs.make_node(place, node, entry.mode)
                })?;
                let inode = self
                    .finish(place, &attributes, false)
                    .map_err(self.io(path))?;
                Ok((inode, None))
            }
            tar::Kind::Directory => Ok((0, None)),
        }
    }

    /// Copies a file of the root to a slot.
    fn copy(
        &self,
        from: &Path,
        slot: &Slot,
        path: &Path,
        attributes: &Attributes,
    ) -> Result<u64, CommitError> {
        let mut input = self.fs.open(from).map_err(self.io(path))?;
        let mut file = self.make(slot, path, |place| self.fs.create(place, 0o600))?;
        io::copy(&mut input, &mut file).map_err(self.io(path))?;
        file.finish(attributes).map_err(self.io(path))
    }

    /// The operation that puts what was staged at a slot in its place.
    fn put(
        &mut self,
        path: &Path,
        slot: Slot,
        inode: u64,
        hash: Option<Vec<u8>>,
    ) -> Result<(), CommitError> {
        let Some(staged) = slot.staged else {
            return Ok(());
        };
        let (mut action, mut known) = (Action::Put, None);
        if is_protected(path) {
            action = Action::Configure;
            known = self
                .old
                .and_then(|at| self.database.packages.get(at))
                .and_then(|old| {
                    old.paths()
                        .find(|(known, _)| known == path)
                        .and_then(|(_, file)| file.hash.clone())
                });
        }
        let is_folder = |name: &PathBuf| self.known.contains(name.as_os_str().as_bytes());
        if self.tree.names(&slot.real).iter().any(is_folder) {
            let there = look(self.fs, &slot.real).map_err(self.io(path))?;
            if there.is_some_and(|meta| meta.kind == Kind::Folder) {
                if !self.all_goes(&slot.real).map_err(self.io(path))? {
                    return Err(self.io(path)(io::Error::other(
                        "a folder is there that holds what is not the package's",
                    )));
                }
                action = Action::PutOver;
            }
        }
        self.operations.push(Operation {
            action,
            path: slot.real,
            staged,
            inode,
            hash,
            known,
            keep: None,
        });
        Ok(())
    }

    /// Whether everything in a folder goes with its package.
    fn all_goes(&self, folder: &Path) -> io::Result<bool> {
        for name in self.fs.list(folder)? {
            let path = folder.join(name);
            let goes = if self.fs.metadata(&path)?.kind == Kind::Folder {
                self.all_goes(&path)?
            } else {
                self.claims.goes(&self.tree, &path)
            };
            if !goes {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A package whose files were kept when it was replaced.
    fn kept(&mut self, kept: Kept) -> Result<Installed, CommitError> {
        let mut package = kept.package;
        let record = package.record.clone();
        self.begin(&record);
        let folders = std::mem::take(&mut package.folders);
        let mut number = 0;
        for folder in folders {
            let folder_path = PathBuf::from(OsStr::from_bytes(&folder.path));
            if !folder.path.is_empty() {
                self.folder(&folder_path, Some(&folder.acl))?;
            }
            package.folders.push(OwnedFolder {
                files: Vec::new(),
                ..folder.clone()
            });
            for file in folder.files {
                self.check_interrupt()?;
                let path = folder_path.join(OsStr::from_bytes(&file.name));
                let from = kept.folder.join(number.to_string());
                number += 1;
                self.kept_file(&mut package, &path, &from, file)?;
            }
        }
        Ok(package)
    }

    fn kept_file(
        &mut self,
        package: &mut Installed,
        path: &Path,
        from: &Path,
        file: OwnedFile,
    ) -> Result<(), CommitError> {
        let Some(meta) = look(self.fs, from).map_err(self.io(path))? else {
            // Protected files stay on the disk when their package is replaced by one that has the same, or when they
            // were changed.
            if is_protected(path) {
                own(package, path, file.acl, file.hash);
                return Ok(());
            }
            return Err(self.io(path)(io::ErrorKind::NotFound.into()));
        };
        if let Some(hash) = &file.hash
            && digest_of(self.fs, from, &meta, hash.len()).as_ref() != Some(hash)
        {
            return Err(self.wrong(PackageError::WrongFile(path.display().to_string())));
        }
        let Some(slot) = self.slot(path)? else {
            return Ok(());
        };
        let attributes = self.attributes((meta.uid, meta.gid, meta.mode), meta.mtime);
        let inode = if meta.kind == Kind::Link {
            let target = self.fs.read_link(from).map_err(self.io(path))?;
            self.make(&slot, path, |place| self.fs.symlink(&target, place))?;
            self.tree.add_link(slot.real.clone(), target);
            self.finish(&slot.place, &attributes, true)
                .map_err(self.io(path))?
        } else {
            match self.make(&slot, path, |place| self.fs.hard_link(from, place)) {
                Ok(()) => self.fs.metadata(&slot.place).map_err(self.io(path))?.inode,
                Err(_) if meta.kind == Kind::File => self.copy(from, &slot, path, &attributes)?,
                Err(error) => return Err(error),
            }
        };
        self.put(path, slot, inode, file.hash.clone())?;
        own(package, path, file.acl, file.hash);
        Ok(())
    }
}

/// Adds a file to a package's list.
fn own(package: &mut Installed, path: &Path, acl: Acl, hash: Option<Vec<u8>>) {
    let above = path
        .parent()
        .unwrap_or(Path::new(""))
        .as_os_str()
        .as_bytes();
    let file = OwnedFile {
        name: path.file_name().unwrap_or_default().as_bytes().to_vec(),
        acl,
        hash,
    };
    // The last one, nearly always.
    match package
        .folders
        .iter_mut()
        .rev()
        .find(|folder| folder.path == above)
    {
        Some(folder) => folder.files.push(file),
        None => package.folders.push(OwnedFolder {
            path: above.to_vec(),
            acl: Acl {
                uid: 0,
                gid: 0,
                mode: 0o755,
            },
            files: vec![file],
        }),
    }
}

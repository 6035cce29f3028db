//! `audit`: the root held against its database.

use super::options::Given;
use super::say;
use super::session::{Failure, Session, io_at};
use apk::database::{Acl, Installed, OwnedFile};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Configuration: changed or added.
    Backup,
    /// What packages own, but configuration.
    System,
    /// All of it.
    Full,
}

/// How a path is protected: the last of the lists that names it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protection {
    /// It is not.
    None,
    /// `+`: what the user changed stays.
    Changed,
    /// `@`: only links.
    Links,
    /// `!`: everything.
    All,
}

struct Audit<'a> {
    session: &'a Session<'a>,
    mode: Mode,
    permissions: bool,
    details: bool,
    protected: Vec<(PathBuf, Protection)>,
    owned: HashMap<PathBuf, (&'a Installed, &'a OwnedFile)>,
    folders: BTreeMap<PathBuf, Acl>,
    names: BTreeSet<String>,
}

fn mode(given: &Given) -> Mode {
    if given.has("system") {
        Mode::System
    } else if given.has("full") {
        Mode::Full
    } else {
        Mode::Backup
    }
}

/// `apk audit`
pub fn audit(session: &Session<'_>) -> Result<u8, Failure> {
    let given = session.given;
    let mut owned = HashMap::new();
    let mut folders = BTreeMap::new();
    for package in &session.database.packages {
        for (path, file) in package.paths() {
            owned.insert(path, (package, file));
        }
        for folder in &package.folders {
            folders.insert(PathBuf::from(OsStr::from_bytes(&folder.path)), folder.acl);
        }
    }
    let mut audit = Audit {
        session,
        mode: mode(given),
        permissions: given.has("check-permissions"),
        details: given.has("details"),
        protected: protected(session)?,
        owned,
        folders,
        names: BTreeSet::new(),
    };
    let mut starts: Vec<PathBuf> = given
        .operands
        .iter()
        .map(|word| {
            Path::new(word)
                .components()
                .filter(|part| matches!(part, std::path::Component::Normal(_)))
                .collect()
        })
        .collect();
    if starts.is_empty() {
        starts = match audit.mode {
            Mode::Backup => audit
                .protected
                .iter()
                .filter(|(_, protection)| *protection != Protection::None)
                .map(|(path, _)| path.clone())
                .collect(),
            _ => vec![PathBuf::new()],
        };
        // What lies below another start is seen from there.
        let all = starts.clone();
        starts.retain(|path| {
            !all.iter()
                .any(|other| other != path && path.starts_with(other))
        });
    }
    for start in &starts {
        audit.removed(start);
        if session.root.join(start).is_dir() {
            audit.folder(start)?;
        }
    }
    if given.has("packages") {
        audit.names.iter().for_each(|name| say(name));
    }
    Ok(0)
}

/// The lists of `protected_paths.d`, and what is built in.
fn protected(session: &Session<'_>) -> Result<Vec<(PathBuf, Protection)>, Failure> {
    let mut text = String::from("+etc\n@etc/init.d\n!etc/apk\n");
    match session.given.value("protected-paths") {
        Some(path) => {
            let path = Path::new(path);
            text = fs::read_to_string(path).map_err(io_at(path))?;
        }
        None => {
            for folder in ["lib/apk/protected_paths.d", "etc/apk/protected_paths.d"] {
                let folder = session.root.join(folder);
                let mut files: Vec<PathBuf> = fs::read_dir(&folder)
                    .into_iter()
                    .flatten()
                    .flatten()
                    .map(|entry| entry.path())
                    .filter(|path| path.extension().is_some_and(|ending| ending == "list"))
                    .collect();
                files.sort();
                for file in files {
                    text.push_str(&fs::read_to_string(&file).map_err(io_at(&file))?);
                    text.push('\n');
                }
            }
        }
    }
    let mut all = Vec::new();
    for line in text.lines().map(str::trim) {
        let (protection, path) = match line.chars().next() {
            None | Some('#') => continue,
            Some('+') => (Protection::Changed, &line[1..]),
            Some('-') => (Protection::None, &line[1..]),
            Some('@') => (Protection::Links, &line[1..]),
            Some('!') => (Protection::All, &line[1..]),
            Some(_) => (Protection::Changed, line),
        };
        all.push((PathBuf::from(path.trim_matches('/')), protection));
    }
    Ok(all)
}

impl Audit<'_> {
    fn protection(&self, path: &Path) -> Protection {
        self.protected
            .iter()
            .filter(|(known, _)| path.starts_with(known))
            // The nearest; of two alike the later.
            .max_by_key(|(known, _)| known.components().count())
            .map_or(Protection::None, |(_, protection)| *protection)
    }

    fn tell(&mut self, mark: char, path: &Path) {
        if self.session.given.has("packages") {
            if let Some((package, _)) = self.owned.get(path) {
                self.names.insert(package.record.name.clone());
            }
            return;
        }
        say(&format!("{mark} {}", path.display()));
    }

    /// Whether the mode is about this path.
    fn concerns(&self, path: &Path) -> bool {
        match self.mode {
            Mode::Full => true,
            Mode::System => self.protection(path) == Protection::None,
            Mode::Backup => self.protection(path) != Protection::None,
        }
    }

    /// What the database has below a folder and the disk has not.
    fn removed(&mut self, start: &Path) {
        if self.mode == Mode::Backup {
            return;
        }
        let mut gone: Vec<PathBuf> = self
            .owned
            .keys()
            .filter(|path| path.starts_with(start) && self.concerns(path))
            .filter(|path| self.session.root.join(path).symlink_metadata().is_err())
            .cloned()
            .collect();
        gone.sort();
        for path in gone {
            self.tell('X', &path);
        }
    }

    fn folder(&mut self, folder: &Path) -> Result<(), Failure> {
        let path = self.session.root.join(folder);
        let mut names: Vec<_> = match fs::read_dir(&path) {
            Ok(entries) => entries.flatten().map(|entry| entry.file_name()).collect(),
            Err(error) => return Err(io_at(&path)(error)),
        };
        names.sort();
        for name in names {
            let inside = folder.join(&name);
            let Ok(meta) = self.session.root.join(&inside).symlink_metadata() else {
                continue;
            };
            if meta.is_dir() {
                // The kernel's and other file systems are nobody's.
                let other =
                    fs::metadata(&self.session.root).is_ok_and(|root| root.dev() != meta.dev());
                if other && folder.as_os_str().is_empty() {
                    continue;
                }
                let known = self.folders.get(&inside).copied();
                match known {
                    Some(acl) => {
                        if self.permissions && self.concerns(&inside) && differs(&acl, &meta) {
                            self.tell('m', &inside);
                        }
                    }
                    None if self.mode == Mode::Full => {
                        self.tell('D', &inside);
                        continue;
                    }
                    None if self.mode == Mode::System => continue,
                    None if !self.session.given.has("recursive") && self.mode == Mode::Backup => {
                        if self.concerns(&inside) && has_files(&self.session.root.join(&inside)) {
                            self.tell('A', &inside.join(""));
                        }
                        continue;
                    }
                    None => {}
                }
                self.folder(&inside)?;
            } else {
                self.file(&inside, &meta);
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, meta: &fs::Metadata) {
        if !self.concerns(path) {
            return;
        }
        // apk's own.
        let own = ["lib/apk", "var/cache/apk"]
            .iter()
            .any(|below| path.starts_with(below));
        let Some((_, file)) = self.owned.get(path) else {
            let shown = match self.mode {
                Mode::System => false,
                Mode::Full => !own,
                Mode::Backup => self.protection(path) != Protection::Links || meta.is_symlink(),
            };
            if shown {
                self.tell('A', path);
            }
            return;
        };
        let everything = self.mode == Mode::Backup && self.protection(path) == Protection::All;
        let ignored = self.session.given.has("ignore-busybox-symlinks")
            && meta.is_symlink()
            && fs::read_link(self.session.root.join(path))
                .is_ok_and(|target| target.ends_with("busybox") || target.ends_with("toolbox"));
        if ignored {
            return;
        }
        let differs = file
            .hash
            .as_ref()
            .is_some_and(|hash| digest(&self.session.root.join(path), meta).as_ref() != Some(hash));
        if differs || everything && !meta.is_dir() && self.details {
            self.tell('U', path);
        } else if self.permissions && self::differs(&file.acl, meta) && !meta.is_symlink() {
            self.tell('M', path);
        }
    }
}

fn has_files(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

fn differs(acl: &Acl, meta: &fs::Metadata) -> bool {
    (acl.uid, acl.gid, acl.mode & 0o7777) != (meta.uid(), meta.gid(), meta.mode() & 0o7777)
}

/// The SHA-1 of a file's bytes, or of a link's target.
fn digest(path: &Path, meta: &fs::Metadata) -> Option<Vec<u8>> {
    use apk::digest::{Digest, sha1};
    if meta.is_symlink() {
        let target = fs::read_link(path).ok()?;
        return Some(sha1(target.as_os_str().as_bytes()).to_vec());
    }
    if !meta.is_file() {
        return None;
    }
    let mut file = fs::File::open(path).ok()?;
    let mut context = Digest::sha1();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match std::io::Read::read(&mut file, &mut buffer).ok()? {
            0 => return Some(context.finish()),
            count => context.update(buffer.get(..count)?),
        }
    }
}

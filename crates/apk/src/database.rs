//! The installed database: `lib/apk/db/installed` and what lies beside it (docs/formats/installed-db.md).

use crate::dependency::Dependency;
use crate::encoding;
use crate::package::{Identity, Script};
use crate::record::Record;
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use sys::fs::FileSystem;

/// Where the text lies.
pub const INSTALLED: &str = "lib/apk/db/installed";
const SCRIPTS: &str = "lib/apk/db/scripts.tar.gz";
const OLD_SCRIPTS: &str = "lib/apk/db/scripts.tar";
const TRIGGERS: &str = "lib/apk/db/triggers";
/// What was asked for.
pub const WORLD: &str = "etc/apk/world";

/// Where the files of a database lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The packages.
    pub installed: PathBuf,
    /// Their scripts, packed.
    pub scripts: PathBuf,
    /// The folders that they watch.
    pub triggers: PathBuf,
    /// What was asked for.
    pub world: PathBuf,
}

impl Default for Places {
    fn default() -> Places {
        Places {
            installed: INSTALLED.into(),
            scripts: SCRIPTS.into(),
            triggers: TRIGGERS.into(),
            world: WORLD.into(),
        }
    }
}

/// Who owns something, and its permission bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acl {
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Permission bits.
    pub mode: u32,
}

/// A file of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedFile {
    /// Its name in its folder.
    pub name: Vec<u8>,
    /// Owner and mode.
    pub acl: Acl,
    /// SHA-1 of its contents (of a link: of its target).
    pub hash: Option<Vec<u8>>,
}

/// A folder of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedFolder {
    /// Its path from the root.
    pub path: Vec<u8>,
    /// Owner and mode.
    pub acl: Acl,
    /// The package's files in it.
    pub files: Vec<OwnedFile>,
}

/// A package that is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// What is known of it.
    pub record: Record,
    /// Its folders.
    pub folders: Vec<OwnedFolder>,
    /// The tag of its repository.
    pub tag: Option<String>,
    /// `f`: its files are incomplete; `s`: a script failed.
    pub flags: String,
    /// The folders that its trigger watches.
    pub triggers: Vec<String>,
    /// Its scripts.
    pub scripts: Vec<(Script, Vec<u8>)>,
}

impl Installed {
    /// The paths of all its files.
    pub fn paths(&self) -> impl Iterator<Item = (PathBuf, &OwnedFile)> {
        self.folders.iter().flat_map(|folder| {
            folder
                .files
                .iter()
                .map(|file| (join(&folder.path, &file.name), file))
        })
    }
}

pub(crate) fn join(folder: &[u8], name: &[u8]) -> PathBuf {
    Path::new(OsStr::from_bytes(folder)).join(OsStr::from_bytes(name))
}

/// A database that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// A file of it cannot be read or written.
    #[error("{file}: {source}")]
    Io {
        /// From the root.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// A line says something impossible.
    #[error("{file}: line {line}: {what}")]
    Line {
        /// From the root.
        file: &'static str,
        /// From 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
}

/// Everything that is installed, and what was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Database {
    /// The packages, in the order of their installation.
    pub packages: Vec<Installed>,
    /// What was asked for.
    pub world: Vec<Dependency>,
}

impl Database {
    /// Reads the database of a root; where there is none, it is empty.
    pub fn read(fs: &dyn FileSystem) -> Result<Database, DatabaseError> {
        Database::read_at(fs, &Places::default())
    }

    /// Reads one that lies elsewhere.
    pub fn read_at(fs: &dyn FileSystem, places: &Places) -> Result<Database, DatabaseError> {
        let text = read_optional(fs, &places.installed)?;
        let mut packages = parse(&text)?;
        let triggers = read_optional(fs, &places.triggers)?;
        for line in String::from_utf8_lossy(&triggers).lines() {
            if let Some((identity, patterns)) = line.split_once(' ')
                && let Some(package) = packages
                    .iter_mut()
                    .find(|p| p.record.identity.to_string() == identity)
            {
                package.triggers = patterns.split_whitespace().map(str::to_owned).collect();
            }
        }
        let mut bytes = read_optional(fs, &places.scripts)?;
        if bytes.is_empty() {
            bytes = read_optional(fs, Path::new(OLD_SCRIPTS))?;
        } else {
            let mut plain = Vec::new();
            let io = |source| DatabaseError::Io {
                file: SCRIPTS.to_owned(),
                source,
            };
            flate2::read::MultiGzDecoder::new(bytes.as_slice())
                .read_to_end(&mut plain)
                .map_err(io)?;
            bytes = plain;
        }
        read_scripts(&bytes, &mut packages).map_err(|source| DatabaseError::Io {
            file: SCRIPTS.to_owned(),
            source,
        })?;
        let world = read_optional(fs, &places.world)?;
        let mut wanted = Vec::new();
        for (number, line) in (1..).zip(String::from_utf8_lossy(&world).lines()) {
            wanted.extend(
                Dependency::parse_list(line).map_err(|error| DatabaseError::Line {
                    file: WORLD,
                    line: number,
                    what: error.to_string(),
                })?,
            );
        }
        Ok(Database {
            packages,
            world: wanted,
        })
    }

    /// The package of that name.
    pub fn get(&self, name: &str) -> Option<&Installed> {
        self.packages
            .iter()
            .find(|package| package.record.name == name)
    }

    /// How many folders and files the packages have together.
    #[must_use]
    pub fn count(&self) -> (usize, usize) {
        let folders = || self.packages.iter().flat_map(|package| &package.folders);
        let different: HashSet<&[u8]> = folders().map(|folder| folder.path.as_slice()).collect();
        (
            different.len(),
            folders().map(|folder| folder.files.len()).sum(),
        )
    }

    /// Which package owns each file.
    pub fn owners(&self) -> HashMap<PathBuf, usize> {
        let mut owners = HashMap::new();
        for (at, package) in self.packages.iter().enumerate() {
            owners.extend(package.paths().map(|(path, _)| (path, at)));
        }
        owners
    }

    /// The files, each with its place.
    pub fn files(&self, places: &Places) -> Result<[(PathBuf, Vec<u8>); 4], DatabaseError> {
        let mut bytes = Vec::new();
        let mut triggers = String::new();
        for package in &self.packages {
            package.write(&mut bytes);
            if !package.triggers.is_empty() {
                let _ = writeln!(
                    triggers,
                    "{} {}",
                    package.record.identity,
                    package.triggers.join(" ")
                );
            }
        }
        let scripts = self.scripts_archive().map_err(|source| DatabaseError::Io {
            file: places.scripts.display().to_string(),
            source,
        })?;
        Ok([
            (places.scripts.clone(), scripts),
            (places.triggers.clone(), triggers.into_bytes()),
            (places.installed.clone(), bytes),
            (places.world.clone(), self.world_text().into_bytes()),
        ])
    }

    /// The text of the world.
    pub fn world_text(&self) -> String {
        let mut text = String::new();
        for wanted in &self.world {
            let _ = writeln!(text, "{wanted}");
        }
        text
    }

    /// Writes it, each file replaced as a whole; the world last, as what it asks for is there then.
    pub fn write(&self, fs: &dyn FileSystem) -> Result<(), DatabaseError> {
        self.write_at(fs, &Places::default())
    }

    /// Writes it elsewhere.
    pub fn write_at(&self, fs: &dyn FileSystem, places: &Places) -> Result<(), DatabaseError> {
        for (file, bytes) in self.files(places)? {
            replace(fs, &file, &bytes, 0o644).map_err(|source| DatabaseError::Io {
                file: file.display().to_string(),
                source,
            })?;
        }
        Ok(())
    }

    fn scripts_archive(&self) -> io::Result<Vec<u8>> {
        use crate::archive::tar::{Entry, Kind, Writer};
        let gz = flate2::GzBuilder::new()
            .mtime(0)
            .write(Vec::new(), flate2::Compression::best());
        let mut tar = Writer::new(gz);
        for package in &self.packages {
            for (script, text) in &package.scripts {
                let record = &package.record;
                let name = format!(
                    "{}.X1{}.{}",
                    record.full_name(),
                    record.identity.hex(),
                    script.name()
                );
                let mut entry = Entry::new(name, Kind::File, 0o755);
                entry.size = text.len() as u64;
                entry.mtime = record.build_time.unwrap_or(0);
                tar.append(&entry, &mut text.as_slice())?;
            }
        }
        tar.finish()?.finish()
    }
}

/// Writes a file beside its place, and moves it there.
pub(crate) fn replace(fs: &dyn FileSystem, path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    // Not `.new`, which a transaction's plan may speak of.
    temporary.push(".write");
    let temporary = Path::new(&temporary);
    let write = || {
        crate::journal::write_file(fs, temporary, bytes, true)?;
        fs.chmod(temporary, mode)?;
        fs.rename(temporary, path)
    };
    write().inspect_err(|_| {
        // The old file is still there; the half-written one only takes room.
        let _ = fs.unlink(temporary);
    })
}

fn read_optional(fs: &dyn FileSystem, file: &Path) -> Result<Vec<u8>, DatabaseError> {
    match fs.read(file) {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(DatabaseError::Io {
            file: file.display().to_string(),
            source,
        }),
    }
}

fn read_scripts(bytes: &[u8], packages: &mut [Installed]) -> io::Result<()> {
    let mut tar = crate::archive::tar::Reader::new(bytes);
    while let Some(entry) = tar.next_entry()? {
        let name = String::from_utf8_lossy(&entry.path).into_owned();
        let mut text = Vec::new();
        tar.read_to_end(&mut text)?;
        // NAME-VERSION.X1HEX.SCRIPT, or Q1BASE64 from apk-tools 2
        let Some((rest, script)) = name.rsplit_once('.') else {
            continue;
        };
        let (Some(script), Some((_, id))) = (Script::parse(script), rest.rsplit_once('.')) else {
            continue;
        };
        let identity = match id.strip_prefix("X1") {
            Some(hex) => {
                encoding::from_hex(hex.as_bytes()).and_then(|bytes| Identity::from_bytes(&bytes))
            }
            None => Identity::parse(id),
        };
        if let Some(package) = packages
            .iter_mut()
            .find(|p| Some(p.record.identity) == identity)
        {
            package.scripts.push((script, text));
        }
    }
    Ok(())
}

const FOLDER: Acl = Acl {
    uid: 0,
    gid: 0,
    mode: 0o755,
};
const FILE: Acl = Acl {
    uid: 0,
    gid: 0,
    mode: 0o644,
};

impl Installed {
    fn write(&self, out: &mut Vec<u8>) {
        let mut text = String::new();
        self.record.write(&mut text);
        if !self.record.replaces.is_empty() {
            let _ = writeln!(text, "r:{}", crate::dependency::join(&self.record.replaces));
        }
        if let Some(priority) = self.record.replaces_priority {
            let _ = writeln!(text, "q:{priority}");
        }
        if let Some(tag) = &self.tag {
            let _ = writeln!(text, "s:{tag}");
        }
        if !self.flags.is_empty() {
            let _ = writeln!(text, "f:{}", self.flags);
        }
        out.extend_from_slice(text.as_bytes());
        let acl = |out: &mut Vec<u8>, field: char, acl: Acl, usual: Acl| {
            if acl != usual {
                out.extend_from_slice(
                    format!("{field}:{}:{}:{:o}\n", acl.uid, acl.gid, acl.mode).as_bytes(),
                );
            }
        };
        for folder in &self.folders {
            out.extend([b"F:", folder.path.as_slice(), b"\n"].concat());
            acl(out, 'M', folder.acl, FOLDER);
            for file in &folder.files {
                out.extend([b"R:", file.name.as_slice(), b"\n"].concat());
                acl(out, 'a', file.acl, FILE);
                if let Some(hash) = &file.hash {
                    out.extend_from_slice(format!("Z:Q1{}\n", encoding::base64(hash)).as_bytes());
                }
            }
        }
        out.push(b'\n');
    }
}

fn parse(bytes: &[u8]) -> Result<Vec<Installed>, DatabaseError> {
    let mut packages: Vec<Installed> = Vec::new();
    let mut current: Option<Installed> = None;
    for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        if line.is_empty() {
            packages.extend(current.take());
            continue;
        }
        let bad = |what: &str| DatabaseError::Line {
            file: INSTALLED,
            line: number,
            what: what.to_owned(),
        };
        let (Some(field), Some(b':')) = (line.first(), line.get(1)) else {
            return Err(bad("no field and value"));
        };
        let value = line.get(2..).unwrap_or_default();
        let text = || String::from_utf8_lossy(value).into_owned();
        let package = current.get_or_insert_with(|| Installed {
            record: Record::empty(),
            folders: Vec::new(),
            tag: None,
            flags: String::new(),
            triggers: Vec::new(),
            scripts: Vec::new(),
        });
        let folder = package.folders.last_mut();
        match (field, folder) {
            (b'F', _) => package.folders.push(OwnedFolder {
                path: value.to_vec(),
                acl: FOLDER,
                files: Vec::new(),
            }),
            (b'M', Some(folder)) => {
                folder.acl = parse_acl(&text()).ok_or_else(|| bad("no owner and mode"))?
            }
            (b'R', Some(folder)) => {
                folder.files.push(OwnedFile {
                    name: value.to_vec(),
                    acl: FILE,
                    hash: None,
                });
            }
            (b'a', Some(folder)) => {
                let file = folder
                    .files
                    .last_mut()
                    .ok_or_else(|| bad("an owner before its file"))?;
                file.acl = parse_acl(&text()).ok_or_else(|| bad("no owner and mode"))?;
            }
            (b'Z', Some(folder)) => {
                let file = folder
                    .files
                    .last_mut()
                    .ok_or_else(|| bad("a checksum before its file"))?;
                file.hash = text().strip_prefix("Q1").and_then(encoding::from_base64);
            }
            (b'M' | b'R' | b'a' | b'Z', None) => return Err(bad("a file before its folder")),
            (b's', _) => package.tag = Some(text()),
            (b'f', _) => package.flags = text(),
            (field, _) => {
                package
                    .record
                    .take(char::from(*field), &text())
                    .map_err(|what| bad(&what))?;
            }
        }
    }
    packages.extend(current);
    Ok(packages)
}

fn parse_acl(text: &str) -> Option<Acl> {
    let mut parts = text.split(':');
    Some(Acl {
        uid: parts.next()?.parse().ok()?,
        gid: parts.next()?.parse().ok()?,
        mode: u32::from_str_radix(parts.next()?, 8).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "C:Q1tSkoTFnMfGIC/3Mh9GTn0+XTHPE=\nP:x\nV:1-r0\nA:x86_64\nS:1\nI:2\nT:d\nU:u\nL:MIT\nr:y\nq:3\ns:edge\nF:etc\nM:0:42:750\nR:shadow\na:0:42:640\nZ:Q1tSkoTFnMfGIC/3Mh9GTn0+XTHPE=\nF:usr\nR:a b\n\n";

    #[test]
    fn text_both_ways() {
        let packages = parse(TEXT.as_bytes()).unwrap();
        let mut out = Vec::new();
        packages[0].write(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), TEXT);
        let paths: Vec<_> = packages[0].paths().map(|(path, _)| path).collect();
        assert_eq!(
            paths,
            [PathBuf::from("etc/shadow"), PathBuf::from("usr/a b")]
        );
    }

    #[test]
    fn impossible_lines_are_named() {
        for (text, number) in [
            ("P:x\nR:file\n", 2),
            ("P:x\nF:a\nM:x\n", 3),
            ("nonsense\n", 1),
            ("P:x\nF:a\nZ:Q1aa\n", 3),
        ] {
            match parse(text.as_bytes()) {
                Err(DatabaseError::Line { line, .. }) => assert_eq!(line, number, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_written_database_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("lib/apk/db")).unwrap();
        std::fs::create_dir_all(dir.path().join("etc/apk")).unwrap();
        let root = sys::fs::Root::open(dir.path()).unwrap();
        assert_eq!(Database::read(&root).unwrap(), Database::default());
        let mut packages = parse(TEXT.as_bytes()).unwrap();
        packages[0].scripts = vec![(Script::Trigger, b"#!/bin/sh\n".to_vec())];
        packages[0].triggers = vec!["/usr/*".into()];
        let database = Database {
            packages,
            world: Dependency::parse_list("x y>1").unwrap(),
        };
        database.write(&root).unwrap();
        assert_eq!(Database::read(&root).unwrap(), database);
    }
}

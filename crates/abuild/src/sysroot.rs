//! The sysroot of a build: the packages of its makedepends, and what these depend on, unpacked into a fresh folder.
//!
//! Scripts are not run and nothing is registered: a sysroot holds headers and libraries, it is never booted.

use crate::cache;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::keys;
use crate::plan::{Plan, PlannedPort};
use crate::recipe::dependency_name;
use crate::repo;
use apk::archive::tar::{Entry, Kind};
use apk::keys::{KeyRing, Trust};
use apk::package::Reader;
use apk::record::Record;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{self, BufReader, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

/// What a sysroot was made of.
#[derive(Debug, Default)]
pub(crate) struct Sysroot {
    /// The packages that are in it.
    pub packages: Vec<Record>,
}

impl Sysroot {
    /// Does one of its packages provide the name, such as `so:libz.so.1`?
    pub(crate) fn provides(&self, name: &str) -> bool {
        self.packages
            .iter()
            .any(|package| package.name == name || package.provides.iter().any(|p| p.name == name))
    }
}

/// Makes the sysroot of a port in the empty folder `root`.
pub(crate) fn make(
    config: &Config,
    plan: &Plan,
    port: &PlannedPort,
    root: &Path,
) -> Result<Sysroot> {
    let mut there: Vec<(PathBuf, Record)> = Vec::new();
    for need in port.needs.iter().filter_map(|name| plan.port(name)) {
        let folder = cache::folder(config, &need.key);
        for file in cache::lookup(config, &need.key)
            .map(|entry| entry.files)
            .unwrap_or_default()
        {
            let path = folder.join(file);
            there.push((path.clone(), repo::record(&path)?));
        }
    }
    let mut providers: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, (_, record)) in there.iter().enumerate() {
        for provided in &record.provides {
            providers.entry(&provided.name).or_insert(index);
        }
    }
    for (index, (_, record)) in there.iter().enumerate() {
        providers.insert(&record.name, index);
    }
    let mut chosen = Vec::new();
    let mut open = Vec::new();
    for word in port.sysroot.iter().filter(|word| !word.starts_with('!')) {
        let missing = || Error::Missing {
            recipe: port.recipe.path(),
            need: word.clone(),
        };
        open.push(*providers.get(dependency_name(word)).ok_or_else(missing)?);
    }
    while let Some(index) = open.pop() {
        let Some((_, record)) = there.get(index).filter(|_| !chosen.contains(&index)) else {
            continue;
        };
        chosen.push(index);
        // What a package needs only at run time, a shell say, need not be built yet.
        open.extend(
            record
                .depends
                .iter()
                .filter_map(|need| providers.get(need.name.as_str())),
        );
    }
    chosen.sort_unstable();
    let key = keys::packages(&config.config_dir)?;
    let mut ring = KeyRing::default();
    ring.add(
        key.name(),
        &key.public_pem().map_err(|error| Error::Key {
            path: config.config_dir.clone(),
            message: error.to_string(),
        })?,
    );
    let mut sysroot = Sysroot::default();
    for index in chosen {
        if let Some((path, record)) = there.get(index) {
            unpack(path, &ring, root).map_err(|cause| Error::Io {
                path: path.clone(),
                cause,
            })?;
            sysroot.packages.push(record.clone());
        }
    }
    Ok(sysroot)
}

fn unpack(path: &Path, ring: &KeyRing, root: &Path) -> io::Result<()> {
    let reader = Reader::open(BufReader::new(File::open(path)?), ring).map_err(io::Error::other)?;
    if reader.control.trust != Trust::Good {
        return Err(io::Error::other("it is not signed by the key of this user"));
    }
    let mut data = reader.data().map_err(io::Error::other)?;
    while let Some(entry) = data.next_entry().map_err(io::Error::other)? {
        let target = root.join(inside(&entry)?);
        match entry.kind {
            Kind::Directory => fs::create_dir_all(&target)?,
            Kind::File => {
                let _ = fs::remove_file(&target);
                let mut file = File::create_new(&target)?;
                data.copy_file(&entry, &mut |bytes| file.write_all(bytes))
                    .map_err(io::Error::other)?;
                // Set-id bits mean nothing to a compiler.
                file.set_permissions(Permissions::from_mode(entry.mode & 0o755))?;
            }
            Kind::Symlink => {
                let _ = fs::remove_file(&target);
                symlink(OsStr::from_bytes(&entry.link), &target)?;
            }
            Kind::HardLink => {
                let _ = fs::remove_file(&target);
                fs::hard_link(root.join(relative(&entry.link)?), &target)?;
            }
            Kind::CharDevice | Kind::BlockDevice | Kind::Fifo => {}
        }
    }
    data.finish().map_err(io::Error::other)
}

fn inside(entry: &Entry) -> io::Result<&Path> {
    relative(&entry.path)
}

/// A path that stays below the root.
fn relative(bytes: &[u8]) -> io::Result<&Path> {
    let path = Path::new(OsStr::from_bytes(bytes));
    if path
        .components()
        .all(|part| matches!(part, Component::Normal(_)))
    {
        Ok(path)
    } else {
        Err(io::Error::other(format!(
            "{}: a path that leaves the root",
            path.display()
        )))
    }
}

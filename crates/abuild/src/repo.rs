//! The repository: the packages of a run, and their signed index.

use crate::config::{Config, SOURCE_DATE_EPOCH};
use crate::error::{Error, Result};
use crate::{cache, keys};
use apk::archive::tar::Kind;
use apk::index::Index;
use apk::keys::KeyRing;
use apk::package::Reader;
use apk::record::Record;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::BufReader;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The file beside the index that says which packages, by the keys of their builds, the repository was filled with.
const CONTENTS: &str = ".contents";

/// The name, identity and dependencies of a package file, from its control part.
pub(crate) fn record(path: &Path) -> Result<Record> {
    let file = File::open(path).map_err(Error::io(path))?;
    let size = file.metadata().map_err(Error::io(path))?.len();
    let reader =
        Reader::open(BufReader::new(file), &KeyRing::default()).map_err(|error| Error::Io {
            path: path.to_owned(),
            cause: std::io::Error::other(error),
        })?;
    Ok(Record::of_package(
        reader.control.identity,
        &reader.control.info,
        size,
    ))
}

/// Writes and signs the index of the packages in `folder`. Gives their number.
///
/// # Errors
/// If a package is broken or something cannot be read or written.
pub fn index(folder: &Path, config_dir: &Path, arch: &str) -> Result<usize> {
    let mut packages = Vec::new();
    for path in packages_in(folder)? {
        packages.push(record(&path)?);
    }
    packages.sort_by(|a, b| (&a.name, a.version.as_str()).cmp(&(&b.name, b.version.as_str())));
    let count = packages.len();
    let index = Index {
        description: format!("Ferrata Linux, {arch}"),
        packages,
    };
    let key = keys::packages(config_dir)?;
    let path = folder.join("APKINDEX.tar.gz");
    let bytes = index
        .write(SOURCE_DATE_EPOCH, &keys::signer(&key))
        .map_err(|error| Error::Io {
            path: path.clone(),
            cause: std::io::Error::other(error),
        })?;
    cache::write_atomically(&path, &bytes)?;
    Ok(count)
}

/// Copies a file of a package of the repository, `bin/toolbox` of toolbox say, to `target`. This is how a host gets at
/// the static programs.
///
/// # Errors
/// If there is no such package or file, or it cannot be read or written.
pub fn extract(config: &Config, package: &str, file: &Path, target: &Path) -> Result<()> {
    let folder = config.arch_repo();
    let named = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| package_name(name) == package)
    };
    let none = |what: &str| Error::Io {
        path: folder.join(what),
        cause: std::io::ErrorKind::NotFound.into(),
    };
    let path = packages_in(&folder)?.into_iter().find(named);
    let path = path.ok_or_else(|| none(package))?;
    let broken = |error: apk::package::PackageError| Error::Io {
        path: path.clone(),
        cause: std::io::Error::other(error),
    };
    let input = BufReader::new(File::open(&path).map_err(Error::io(&path))?);
    let mut data = Reader::open(input, &KeyRing::default())
        .and_then(Reader::data)
        .map_err(broken)?;
    while let Some(entry) = data.next_entry().map_err(broken)? {
        if entry.path != file.as_os_str().as_bytes() || entry.kind != Kind::File {
            continue;
        }
        let mut bytes = Vec::new();
        let collect = &mut |part: &[u8]| {
            bytes.extend_from_slice(part);
            Ok(())
        };
        data.copy_file(&entry, collect).map_err(broken)?;
        // Done with whole files, as a program that runs cannot be written to.
        cache::write_atomically(target, &bytes)?;
        let mode = fs::Permissions::from_mode(entry.mode & 0o777);
        return fs::set_permissions(target, mode).map_err(Error::io(target));
    }
    Err(none(&format!("{package}: /{}", file.display())))
}

fn packages_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        let path = entry.map_err(Error::io(folder))?.path();
        if path.extension().is_some_and(|ending| ending == "apk") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Puts packages, given as their files and the folders of the cache that hold them, into the repository and indexes
/// it. With `only`, everything else goes; otherwise only other versions of the same packages. Gives how many packages
/// the repository holds.
pub(crate) fn fill(config: &Config, packages: &[(String, PathBuf)], only: bool) -> Result<usize> {
    let folder = config.arch_repo();
    fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
    let _lock = cache::Lock::wait(&folder.join(".lock"))?;
    let known = contents(&folder);
    let mut wanted: BTreeMap<String, String> = if only { BTreeMap::new() } else { known.clone() };
    for (file, from) in packages {
        let name = package_name(file);
        wanted.retain(|other, _| package_name(other) != name);
        let key = from
            .file_name()
            .map(|key| key.to_string_lossy().into_owned())
            .unwrap_or_default();
        wanted.insert(file.clone(), key);
    }
    let there: Vec<String> = packages_in(&folder)?
        .iter()
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
        .collect();
    let same = known == wanted
        && there.iter().eq(wanted.keys())
        && folder.join("APKINDEX.tar.gz").exists();
    if same {
        return Ok(wanted.len());
    }
    // Until all of it is in place, nothing is claimed.
    let listing = folder.join(CONTENTS);
    let _ = fs::remove_file(&listing);
    for (file, from) in packages {
        let target = folder.join(file);
        if there.contains(file) && known.get(file) == wanted.get(file) {
            continue;
        }
        place(&from.join(file), &target)?;
    }
    for file in there.iter().filter(|file| !wanted.contains_key(*file)) {
        let path = folder.join(file);
        fs::remove_file(&path).map_err(Error::io(&path))?;
    }
    wanted.retain(|file, _| folder.join(file).exists());
    index(&folder, &config.config_dir, &config.arch)?;
    let text: String = wanted
        .iter()
        .map(|(file, key)| format!("{key} {file}\n"))
        .collect();
    cache::write_atomically(&listing, text.as_bytes())?;
    Ok(wanted.len())
}

fn contents(folder: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(folder.join(CONTENTS)).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(key, file)| (file.to_owned(), key.to_owned()))
        .collect()
}

/// A copy under a temporary name, renamed: a reader of the repository never sees half a package.
fn place(from: &Path, target: &Path) -> Result<()> {
    let temporary = target.with_extension("apk.new");
    let _ = fs::remove_file(&temporary);
    fs::copy(from, &temporary).map_err(Error::io(&temporary))?;
    fs::rename(&temporary, target).map_err(Error::io(target))
}

/// `zlib-dev` of `zlib-dev-1.3-r0.apk`.
fn package_name(file: &str) -> &str {
    let rest = file.strip_suffix(".apk").unwrap_or(file);
    let rest = rest.rsplit_once('-').map_or(rest, |(rest, _)| rest);
    rest.rsplit_once('-').map_or(rest, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files() {
        assert_eq!(package_name("zlib-dev-1.3.1-r0.apk"), "zlib-dev");
    }
}

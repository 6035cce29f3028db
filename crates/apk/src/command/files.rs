//! What works on package files: `fetch`, `index`, `verify`, `cache`.

use super::session::{Failure, Refresh, Session, failure, io_at};
use super::{complain, put, say, transaction};
use apk::dependency::Dependency;
use apk::index::Index;
use apk::keys::Trust;
use apk::package::Reader;
use apk::record::Record;
use apk::solver::{Candidate, solve};
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

/// `apk fetch`
pub fn fetch(session: &Session<'_>) -> Result<u8, Failure> {
    let given = session.given;
    let known = session.load(Refresh::IfOld)?;
    let mut world = Vec::new();
    for word in &given.operands {
        let text = word.to_string_lossy();
        world.push(Dependency::parse(&text).map_err(|error| Failure::Say(error.to_string()))?);
    }
    let candidates: Vec<Candidate> = session
        .candidates(&known)
        .into_iter()
        .filter(|candidate| !candidate.repositories.is_empty())
        .map(|candidate| Candidate {
            installed: false,
            ..candidate
        })
        .collect();
    let mut chosen: Vec<&Candidate> = Vec::new();
    if given.has("recursive") {
        let solved = solve(&world, &candidates);
        let Ok(solved) = solved else {
            if transaction::report(session, &known, true) {
                return Err(Failure::Said(1));
            }
            return failure(
                solved
                    .map(|_| String::new())
                    .unwrap_or_else(|error| error.to_string()),
            );
        };
        chosen.extend(solved.into_iter().filter_map(|at| candidates.get(at)));
    } else {
        for wanted in &world {
            let best = candidates
                .iter()
                .filter(|one| {
                    one.record.name == wanted.name && wanted.accepts(Some(&one.record.version))
                })
                .max_by(|a, b| a.record.version.cmp(&b.record.version));
            let Some(best) = best else {
                if !known.unavailable.is_empty() && transaction::report(session, &known, true) {
                    return Err(Failure::Said(1));
                }
                return failure(format!(
                    "unable to select packages:\n  {wanted} (no such package):"
                ));
            };
            chosen.push(best);
        }
    }
    if transaction::report(session, &known, false) {
        return Err(Failure::Said(1));
    }
    let folder = PathBuf::from(given.value("output").unwrap_or(".".as_ref()));
    for candidate in chosen {
        let record = &candidate.record;
        let source = session.source(record, &candidate.repositories);
        if given.has("url") {
            say(source.url().unwrap_or_default());
            continue;
        }
        let path = folder.join(record.file_name());
        if !given.has("stdout") {
            session.tell(&format!("Downloading {}", record.full_name()));
            // What is there and whole is not fetched again.
            if given.has("simulate") || is_that(&path, record) {
                continue;
            }
        }
        let mut input = source
            .open()
            .map_err(|error| Failure::Say(super::session::cause(&error)))?;
        let mut bytes = Vec::new();
        input.read_to_end(&mut bytes).map_err(|error| {
            Failure::Say(format!(
                "{}: {}",
                record.file_name(),
                super::session::cause(&error)
            ))
        })?;
        check_bytes(&bytes, record, session)?;
        if given.has("stdout") {
            put(&bytes)?;
            continue;
        }
        let new = path.with_extension("apk.new");
        let written = fs::write(&new, &bytes).and_then(|()| fs::rename(&new, &path));
        if let Err(error) = written {
            let _ = fs::remove_file(&new);
            return Err(io_at(&path)(error));
        }
    }
    Ok(0)
}

fn is_that(path: &Path, record: &Record) -> bool {
    let Ok(file) = File::open(path) else {
        return false;
    };
    let size = file.metadata().map_or(0, |meta| meta.len());
    size == record.size
        && Reader::open(BufReader::new(file), &apk::keys::KeyRing::default())
            .is_ok_and(|reader| reader.control.identity == record.identity)
}

/// Whether the bytes are the package that the index tells of, to their end.
fn check_bytes(bytes: &[u8], record: &Record, session: &Session<'_>) -> Result<(), Failure> {
    let wrong =
        |error: &dyn std::fmt::Display| Failure::Say(format!("{}: {error}", record.file_name()));
    let reader = Reader::open(bytes, &session.keys).map_err(|error| wrong(&error))?;
    if reader.control.identity != record.identity {
        return Err(wrong(&apk::package::PackageError::WrongIdentity));
    }
    walk(reader).map_err(|error| wrong(&error))
}

/// Reads the files of a package and checks each.
fn walk<R: io::BufRead>(reader: Reader<R>) -> Result<(), apk::package::PackageError> {
    let mut data = reader.data()?;
    while let Some(entry) = data.next_entry()? {
        if entry.kind == apk::archive::tar::Kind::File {
            data.copy_file(&entry, &mut |_| Ok(()))?;
        }
    }
    data.finish()
}

/// `apk verify`
pub fn verify(session: &Session<'_>) -> Result<u8, Failure> {
    let mut status = 0;
    for word in &session.given.operands {
        let path = Path::new(word);
        let result = File::open(path)
            .map_err(apk::package::PackageError::Read)
            .and_then(|file| {
                let reader = Reader::open(BufReader::new(file), &session.keys)?;
                let trust = reader.control.trust;
                walk(reader)?;
                Ok(trust)
            });
        let text = match result {
            Ok(Trust::Good) => "0 - OK".to_owned(),
            Ok(Trust::Unknown) if session.given.has("allow-untrusted") => "0 - OK".to_owned(),
            Ok(Trust::Unknown) => {
                status = 1;
                "1 - UNTRUSTED signature".to_owned()
            }
            Ok(Trust::Bad) => {
                status = 1;
                "1 - BAD signature".to_owned()
            }
            Err(error) => {
                status = 1;
                format!("1 - {error}")
            }
        };
        say(&format!("{}: {text}", word.display()));
    }
    Ok(status)
}

/// `apk index`
pub fn index(session: &Session<'_>) -> Result<u8, Failure> {
    let given = session.given;
    let mut index = Index {
        description: given
            .value("description")
            .map(|text| text.to_string_lossy().into_owned())
            .unwrap_or_default(),
        packages: Vec::new(),
    };
    // What the old index tells of a file that did not change need not be read again; here it only has to agree.
    if let Some(old) = given.value("index") {
        let path = Path::new(old);
        let file = File::open(path).map_err(io_at(path))?;
        let (old, _) = Index::read(BufReader::new(file), &session.keys)
            .map_err(|error| Failure::Say(format!("{}: {error}", path.display())))?;
        if given.has("merge") {
            index.packages = old.packages;
        }
        if index.description.is_empty() {
            index.description = old.description;
        }
    }
    for word in &given.operands {
        let path = Path::new(word);
        let file = File::open(path).map_err(io_at(path))?;
        let size = file.metadata().map_err(io_at(path))?.len();
        let reader = Reader::open(BufReader::new(file), &session.keys)
            .map_err(|error| Failure::Say(format!("{}: {error}", path.display())))?;
        match reader.control.trust {
            Trust::Good => {}
            _ if given.has("allow-untrusted") => {}
            Trust::Unknown => {
                return failure(format!("{}: UNTRUSTED signature", path.display()));
            }
            Trust::Bad => return failure(format!("{}: BAD signature", path.display())),
        }
        let mut record = Record::of_package(reader.control.identity, &reader.control.info, size);
        record.replaces = Vec::new();
        if let Some(arch) = given.value("rewrite-arch") {
            record.arch = arch.to_string_lossy().into_owned();
        }
        index
            .packages
            .retain(|known| known.name != record.name || known.version != record.version);
        index.packages.push(record);
    }
    index
        .packages
        .sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.version.cmp(&b.version)));
    let bytes = index
        .write(0, &|_| Ok(None))
        .map_err(|error| Failure::Say(error.to_string()))?;
    match given.value("output").filter(|path| *path != "-") {
        None => put(&bytes)?,
        Some(path) => {
            let path = Path::new(path);
            let new = path.with_extension("new");
            fs::write(&new, &bytes)
                .and_then(|()| fs::rename(&new, path))
                .map_err(io_at(path))?;
            session.tell(&format!("Index has {} packages", index.packages.len()));
        }
    }
    Ok(0)
}

/// `apk cache`
pub fn cache(session: &Session<'_>) -> Result<u8, Failure> {
    let all = match session.given.operands.as_slice() {
        [word] if word == "clean" => false,
        [word] if word == "purge" => true,
        _ => return failure("cache needs one of: clean, purge"),
    };
    let folder = session.cache();
    let mut keep: Vec<PathBuf> = session
        .repositories
        .iter()
        .map(|one| session.cached_index(&one.index(session.arch())))
        .collect();
    keep.extend(
        session
            .database
            .packages
            .iter()
            .filter_map(|package| session.cached_package(&package.record)),
    );
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(io_at(&folder)(error)),
    };
    let mut status = 0;
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let ours =
            name.ends_with(".apk") || name.starts_with("APKINDEX.") || name.ends_with(".new");
        if !ours || (!all && keep.contains(&path)) {
            continue;
        }
        if session.given.has("verbose") || session.given.has("simulate") {
            say(&format!("deleting {name}"));
        }
        if !session.given.has("simulate")
            && let Err(error) = fs::remove_file(&path)
        {
            complain(&format!(
                "{}: {}",
                path.display(),
                super::session::cause(&error)
            ));
            status = 1;
        }
    }
    Ok(status)
}

//! Other people's sources as they are: what tests run their suites from, and benchmarks their programs.

use super::apt::{self, Apt};
use super::upstream;
use crate::config::Config;
use crate::error::{Error, Result};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// The unpacked upstream archive of a Debian source package, in the cache: of the first of these suites that has the
/// version and serves it. Once it is there, no network is touched.
///
/// # Errors
/// What was tried, where no suite has it.
pub fn unpacked(
    config: &Config,
    package: &str,
    version: &str,
    suites: &[&str],
    note: &mut dyn FnMut(&str),
) -> Result<PathBuf> {
    let above = config.cached("suites");
    let target = above.join(format!("{package}-{version}"));
    if target.is_dir() {
        return Ok(target);
    }
    fs::create_dir_all(&above).map_err(Error::io(&above))?;
    let place = tempfile::tempdir_in(&above).map_err(Error::io(&above))?;
    let apt = Apt::open(config)?;
    // Another process may have waited for the same.
    if target.is_dir() {
        return Ok(target);
    }
    let mut tried = Vec::new();
    for suite in suites {
        note(&format!("asking {suite} for {package} {version}"));
        let archive = apt.source(suite, package).and_then(|archive| {
            let there = archive.file.split_once('_').map(|(_, rest)| rest);
            let there = there.and_then(|rest| rest.split_once(".orig.tar."));
            let there = upstream(there.map_or("", |(version, _)| version));
            if there == version {
                return Ok(archive);
            }
            Err(Error::Program {
                program: "apt-get".into(),
                message: format!("it has version {there}"),
            })
        });
        let path = place.path().join("archive");
        match archive.and_then(|archive| apt.download(Some(suite), &archive, &path)) {
            Ok(()) => {
                let folder = place.path().join("folder");
                fs::create_dir(&folder).map_err(Error::io(&folder))?;
                apt::run(
                    Command::new("tar")
                        .args(["--no-same-owner", "--strip-components=1", "-C"])
                        .arg(&folder)
                        .arg("-xf")
                        .arg(&path),
                )?;
                fs::rename(&folder, &target).map_err(Error::io(&target))?;
                return Ok(target);
            }
            Err(error) => tried.push(format!("{suite}: {error}")),
        }
    }
    Err(Error::Source {
        port: package.to_owned(),
        file: format!("{package} {version}"),
        tried,
    })
}

/// The unpacked files of a Debian binary package of the host's suite, in the cache. Once they are there, no network is
/// touched.
///
/// # Errors
/// The host's suite has no such package, or does not serve it.
pub fn unpacked_package(config: &Config, package: &str) -> Result<PathBuf> {
    let above = config.cached("suites");
    let target = above.join(format!("{package}-package"));
    if target.is_dir() {
        return Ok(target);
    }
    fs::create_dir_all(&above).map_err(Error::io(&above))?;
    let place = tempfile::tempdir_in(&above).map_err(Error::io(&above))?;
    let apt = Apt::open(config)?;
    // Another process may have waited for the same.
    if target.is_dir() {
        return Ok(target);
    }
    let (archive, _) = apt.binary(package)?;
    let deb = place.path().join("package.deb");
    apt.download(None, &archive, &deb)?;
    let folder = place.path().join("folder");
    apt::run(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(&folder))?;
    fs::rename(&folder, &target).map_err(Error::io(&target))?;
    Ok(target)
}

//! `_workspace`: crates of the checkout as a source.
//!
//! A recipe that names crates gets these crates' folders, the root Cargo.toml, and a Cargo.lock that holds only what
//! these crates need, so that a change elsewhere in the checkout builds nothing again. What Cargo.lock names is
//! fetched before the sandbox, into a folder of the cache that it sees read-only at /cargo.

use crate::cache::Lock;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::hash::{self, Key};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const TOP: [&str; 2] = ["Cargo.toml", "Cargo.lock"];

/// Adds all that the crates are built from to a key.
pub(crate) fn hash(config: &Config, crates: &[String], key: &mut Key) -> Result<()> {
    if crates.is_empty() {
        return Ok(());
    }
    key.add("Cargo.toml", manifest(config)?.as_bytes());
    key.add("Cargo.lock", pruned_lock(config, crates)?.as_bytes());
    for name in crates {
        key.add("crate", name.as_bytes());
        let folder = folder(config, name)?;
        key.add_folder(&folder)?;
    }
    Ok(())
}

/// The root manifest with no members but those in `crates/`, the only ones that are placed.
fn manifest(config: &Config) -> Result<String> {
    let path = config.workspace.join("Cargo.toml");
    let text = fs::read_to_string(&path).map_err(Error::io(&path))?;
    let lines = text.lines().map(|line| {
        if line.starts_with("members = ") {
            "members = [\"crates/*\"]"
        } else {
            line
        }
    });
    Ok(lines.flat_map(|line| [line, "\n"]).collect())
}

/// Copies the crates to `target`.
pub(crate) fn place(config: &Config, crates: &[String], target: &Path) -> Result<()> {
    for name in crates {
        let from = folder(config, name)?;
        copy_folder(&from, &target.join("crates").join(name))?;
    }
    let [top, lock] = TOP;
    let top = target.join(top);
    fs::write(&top, manifest(config)?).map_err(Error::io(&top))?;
    let lock = target.join(lock);
    fs::write(&lock, pruned_lock(config, crates)?).map_err(Error::io(&lock))
}

/// Downloads what the placed crates need. Gives the folder for /cargo.
pub(crate) fn fetch(config: &Config, placed: &Path) -> Result<PathBuf> {
    let home = config.cached("cargo");
    fs::create_dir_all(&home).map_err(Error::io(&home))?;
    let _lock = Lock::wait(&home.join(".ferrata-lock"))?;
    // The cache may hold it all: then nothing is asked of the network.
    if cargo_fetch(config, placed, &home, true).is_err() {
        cargo_fetch(config, placed, &home, false)?;
    }
    Ok(home)
}

fn cargo_fetch(config: &Config, placed: &Path, home: &Path, offline: bool) -> Result<()> {
    let failed = |message: String| Error::Program {
        program: "cargo fetch".into(),
        message,
    };
    let mut command = Command::new("/usr/bin/cargo");
    command
        .args(["fetch", "--quiet", "--target"])
        .arg(format!("{}-unknown-linux-musl", config.arch))
        .env("RUSTC", "/usr/bin/rustc")
        .env("CARGO_HOME", home)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_TARGET_DIR")
        .current_dir(placed)
        .stdin(Stdio::null());
    if offline {
        command.arg("--offline");
    }
    let output = command
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with("error"))
        .unwrap_or("it failed");
    Err(failed(line.trim_start_matches("error: ").to_owned()))
}

fn folder(config: &Config, name: &str) -> Result<PathBuf> {
    let folder = config.workspace.join("crates").join(name);
    if folder.join("Cargo.toml").is_file() {
        Ok(folder)
    } else {
        Err(Error::Io {
            path: folder,
            cause: std::io::Error::other("there is no such crate"),
        })
    }
}

/// Copies a folder's files, folders and links, without what is hidden and `target`.
pub(crate) fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).map_err(Error::io(to))?;
    for entry in hash::walk(from) {
        let entry = entry.map_err(|error| Error::io(from)(error.into()))?;
        let path = entry.path();
        let target = to.join(path.strip_prefix(from).unwrap_or(path));
        if entry.file_type().is_dir() {
            fs::create_dir_all(&target).map_err(Error::io(&target))?;
        } else if entry.file_type().is_symlink() {
            let holds = fs::read_link(path).map_err(Error::io(path))?;
            std::os::unix::fs::symlink(holds, &target).map_err(Error::io(&target))?;
        } else {
            fs::copy(path, &target).map_err(Error::io(path))?;
        }
    }
    Ok(())
}

/// Cargo.lock with only the packages that the crates need, directly or not.
fn pruned_lock(config: &Config, crates: &[String]) -> Result<String> {
    let path = config.workspace.join("Cargo.lock");
    let text = fs::read_to_string(&path).map_err(Error::io(&path))?;
    Ok(prune(&text, crates))
}

fn prune(text: &str, crates: &[String]) -> String {
    let mut blocks = text.split("[[package]]\n");
    let header = blocks.next().unwrap_or_default();
    let blocks: Vec<&str> = blocks.collect();
    let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, block) in blocks.iter().enumerate() {
        if let Some(name) = field(block, "name") {
            by_name.entry(name).or_default().push(index);
        }
    }
    let mut kept = BTreeSet::new();
    let mut open: Vec<usize> = crates
        .iter()
        .filter_map(|name| by_name.get(name.as_str()))
        .flatten()
        .copied()
        .collect();
    while let Some(index) = open.pop() {
        let Some(block) = blocks.get(index).filter(|_| kept.insert(index)) else {
            continue;
        };
        // `"name"`, or `"name version"` where there are several
        for line in block
            .lines()
            .filter_map(|line| line.strip_prefix(" \"")?.split('"').next())
        {
            let mut words = line.split(' ');
            let name = words.next().unwrap_or_default();
            let version = words.next();
            let candidates = by_name.get(name).map_or(&[][..], Vec::as_slice);
            open.extend(candidates.iter().copied().filter(|candidate| {
                version.is_none()
                    || version
                        == blocks
                            .get(*candidate)
                            .and_then(|block| field(block, "version"))
            }));
        }
    }
    let mut result = header.to_owned();
    for block in kept.into_iter().filter_map(|index| blocks.get(index)) {
        result.push_str("[[package]]\n");
        result.push_str(block.trim_end());
        result.push_str("\n\n");
    }
    result.truncate(result.trim_end().len());
    result.push('\n');
    result
}

fn field<'a>(block: &'a str, name: &str) -> Option<&'a str> {
    block.lines().find_map(|line| {
        line.strip_prefix(name)?
            .strip_prefix(" = \"")?
            .strip_suffix('"')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_keeps_what_is_needed() {
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1\"\ndependencies = [\n \"b\",\n \"c 2\",\n]\n\n\
                    [[package]]\nname = \"b\"\nversion = \"1\"\n\n[[package]]\nname = \"c\"\nversion = \"1\"\n\n\
                    [[package]]\nname = \"c\"\nversion = \"2\"\n\n[[package]]\nname = \"d\"\nversion = \"1\"\n";
        let pruned = prune(lock, &["a".to_owned()]);
        assert_eq!(
            pruned,
            "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1\"\ndependencies = [\n \"b\",\n \"c 2\",\n]\n\n\
             [[package]]\nname = \"b\"\nversion = \"1\"\n\n[[package]]\nname = \"c\"\nversion = \"2\"\n"
        );
        assert_eq!(prune(lock, &["a", "b", "c", "d"].map(str::to_owned)), lock);
    }
}

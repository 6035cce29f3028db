//! Unpacking the archives among the sources into `$srcdir`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Unpacks `archive` into `into`. With `rename`, the archive's one folder gets that name: an archive that stands in for
/// another may call it differently.
pub(super) fn unpack(archive: &Path, into: &Path, rename: Option<&Path>) -> Result<(), String> {
    let named = |error: io::Error| format!("{}: {error}", archive.display());
    let target = match rename {
        None => into.to_owned(),
        Some(_) => {
            let folder = into.join(".unpacked");
            fs::create_dir(&folder).map_err(named)?;
            folder
        }
    };
    let zip = archive.extension().is_some_and(|ending| ending == "zip");
    let mut command = if zip {
        Command::new("unzip")
    } else {
        Command::new("tar")
    };
    if zip {
        command.arg("-q").arg(archive).arg("-d").arg(&target);
    } else {
        command
            .arg("-C")
            .arg(&target)
            .args(["--no-same-owner", "-xf"])
            .arg(archive);
    }
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command
        .status()
        .map_err(|error| format!("{program}: {error}"))?;
    if !status.success() {
        return Err(format!(
            "{}: {program} could not unpack it",
            archive.display()
        ));
    }
    let Some(name) = rename else { return Ok(()) };
    let entries: Vec<PathBuf> = fs::read_dir(&target)
        .and_then(|entries| {
            entries
                .map(|entry| entry.map(|entry| entry.path()))
                .collect()
        })
        .map_err(named)?;
    match entries.as_slice() {
        [only] if only.is_dir() => {
            fs::rename(only, name).map_err(named)?;
            fs::remove_dir(&target).map_err(named)
        }
        // No folder of its own: all of it is the folder.
        _ => fs::rename(&target, name).map_err(named),
    }
}

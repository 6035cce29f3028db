//! Removing the symbols that a running system has no use for.

use super::elf;
use super::tree::Tree;
use crate::error::{Error, Result};
use std::fs::{self, File, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const STRIP: &str = "llvm-strip-19";
const OBJCOPY: &str = "llvm-objcopy-19";

/// Where debuggers look for what was stripped off a file of the same path; the same on every distribution.
pub(super) const DEBUG: &str = "usr/lib/debug";

/// Strips every program, shared object and static library of a package; kernel modules and object files stay as they
/// are. What was stripped off programs and shared objects goes below `debug`, the root of the -dbg package, if there
/// is one.
pub(super) fn strip(tree: &Tree, debug: Option<&Path>) -> Result<()> {
    for node in tree.files() {
        let path = tree.on_disk(node);
        let mut start = [0; 8];
        let length = File::open(&path)
            .and_then(|mut file| file.read(&mut start))
            .map_err(Error::io(&path))?;
        let start = start.get(..length).unwrap_or_default();
        if start == b"!<arch>\n" {
            // Compilers need the symbols of an archive, but nobody its debugging information.
            run(STRIP, &["--strip-debug"], &path, node.mode)?;
        } else if elf::is_elf(start) {
            let bytes = fs::read(&path).map_err(Error::io(&path))?;
            // What cannot be read is for the audit and the tracing to complain about.
            match elf::read(&bytes) {
                Ok(Some(elf)) if elf.kind != elf::Kind::Relocatable => {
                    let kept = debug
                        .map(|root| keep(root, &node.path, &path))
                        .transpose()?;
                    run(STRIP, &["--strip-all"], &path, node.mode)?;
                    if let Some(kept) = kept {
                        let link = format!("--add-gnu-debuglink={}", kept.display());
                        run(OBJCOPY, &[&link], &path, node.mode)?;
                    }
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Copies what debuggers need of a file; gives the copy's path.
fn keep(root: &Path, name: &Path, path: &Path) -> Result<PathBuf> {
    let mut kept = root.join(DEBUG).join(name).into_os_string();
    kept.push(".debug");
    let kept = PathBuf::from(kept);
    if let Some(folder) = kept.parent() {
        fs::create_dir_all(folder).map_err(Error::io(folder))?;
    }
    fs::copy(path, &kept).map_err(Error::io(&kept))?;
    run(OBJCOPY, &["--only-keep-debug"], &kept, 0o644)?;
    Ok(kept)
}

/// Runs a program that changes a file in place.
fn run(program: &str, options: &[&str], path: &Path, mode: u32) -> Result<()> {
    let failed = |message: String| Error::Program {
        program: program.into(),
        message,
    };
    fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(Error::io(path))?;
    let output = Command::new(program)
        .args(options)
        .arg("--")
        .arg(path)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    // Writing to a file takes its set-id bits away.
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(Error::io(path))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(failed(format!(
        "{}: {}",
        path.display(),
        text.lines().last().unwrap_or("it failed")
    )))
}

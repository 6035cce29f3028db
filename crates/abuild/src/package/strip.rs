//! Removing the symbols that a running system has no use for.

use super::elf;
use super::tree::Tree;
use crate::error::{Error, Result};
use std::fs::{self, File, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

const PROGRAM: &str = "llvm-strip-19";

/// Strips every program, shared object and static library of a package; kernel modules and object files stay as they
/// are.
pub(super) fn strip(tree: &Tree) -> Result<()> {
    for node in tree.files() {
        let path = tree.on_disk(node);
        let mut start = [0; 8];
        let length = File::open(&path)
            .and_then(|mut file| file.read(&mut start))
            .map_err(Error::io(&path))?;
        let start = start.get(..length).unwrap_or_default();
        if start == b"!<arch>\n" {
            // Compilers need the symbols of an archive, but nobody its debugging information.
            run(&path, "--strip-debug", node.mode)?;
        } else if elf::is_elf(start) {
            let bytes = fs::read(&path).map_err(Error::io(&path))?;
            // What cannot be read is for the audit and the tracing to complain about.
            match elf::read(&bytes) {
                Ok(Some(elf)) if elf.kind != elf::Kind::Relocatable => {
                    run(&path, "--strip-all", node.mode)?
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn run(path: &Path, how: &str, mode: u32) -> Result<()> {
    let failed = |message: String| Error::Program {
        program: PROGRAM.into(),
        message,
    };
    fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(Error::io(path))?;
    let output = Command::new(PROGRAM)
        .arg(how)
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

//! A root as an ext4 file system, written without a mount and without privileges: mke2fs(8) makes it empty,
//! debugfs(8) fills it in the tree's order, so that the same root gives the same bytes.

use crate::tools::{self, ToolError};
use crate::tree::{Entry, EntryKind};
use std::ffi::OsStr;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Why a root does not become a file system.
#[derive(Debug, thiserror::Error)]
pub enum Ext4Error {
    /// A program failed.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// A name holds a line break, which debugfs cannot be told.
    #[error("{}: a name with a line break cannot be written", .0.display())]
    Name(PathBuf),
    /// debugfs goes on after an error; this is the first that it told.
    #[error("writing the file system: {0}")]
    Write(String),
}

/// Writes the entries into a new ext4 of `mib` MiB at `file`. `uuid` names the file system, `epoch` is every time.
pub fn write(
    entries: &[Entry],
    file: &Path,
    mib: u64,
    uuid: &str,
    epoch: u64,
) -> Result<(), Ext4Error> {
    let seed =
        format!("hash_seed={uuid},lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0,nodiscard");
    let size = format!("{mib}M");
    let label = "ferrata";
    let words = [
        "-q", "-F", "-t", "ext4", "-b", "4096", "-I", "256", "-m", "1", "-L", label, "-U", uuid,
        "-E", &seed,
    ];
    let arguments: Vec<&OsStr> = words
        .iter()
        .map(OsStr::new)
        .chain([file.as_os_str(), OsStr::new(&size)])
        .collect();
    tools::run("mke2fs", "e2fsprogs", epoch, &arguments, b"")?;
    let script = script(entries, epoch)?;
    let arguments = [
        OsStr::new("-w"),
        OsStr::new("-f"),
        OsStr::new("-"),
        file.as_os_str(),
    ];
    let (_, err) = tools::run("debugfs", "e2fsprogs", epoch, &arguments, script.as_bytes())?;
    // The first line is its version.
    if let Some(line) = err
        .lines()
        .find(|line| !line.starts_with("debugfs ") && !line.trim().is_empty())
    {
        return Err(Ext4Error::Write(line.to_owned()));
    }
    // -n: it must be right as it is; what is not ends in an error.
    let check = [OsStr::new("-fn"), file.as_os_str()];
    tools::run("e2fsck", "e2fsprogs", epoch, &check, b"")?;
    Ok(())
}

fn script(entries: &[Entry], epoch: u64) -> Result<String, Ext4Error> {
    let mut out = String::new();
    let mut inside = None;
    for entry in entries {
        let folder = entry.path.parent().unwrap_or(Path::new(""));
        if inside != Some(folder) {
            let _ = writeln!(out, "cd {}", quoted(&Path::new("/").join(folder))?);
            inside = Some(folder);
        }
        let name = quoted(Path::new(entry.path.file_name().unwrap_or_default()))?;
        let kind = match &entry.kind {
            EntryKind::Folder => {
                let _ = writeln!(out, "mkdir {name}");
                0o040_000
            }
            EntryKind::File { source, .. } => {
                let _ = writeln!(out, "write {} {name}", quoted(source)?);
                0o100_000
            }
            EntryKind::Link(target) => {
                let _ = writeln!(out, "symlink {name} {}", quoted(target)?);
                0o120_000
            }
        };
        let mode = if kind == 0o120_000 { 0o777 } else { entry.mode };
        let _ = writeln!(out, "sif {name} mode 0{:o}", kind | mode);
        for (field, value) in [("uid", entry.uid), ("gid", entry.gid)] {
            if value != 0 {
                let _ = writeln!(out, "sif {name} {field} {value}");
            }
        }
        for field in ["atime", "ctime", "mtime", "crtime"] {
            let _ = writeln!(out, "sif {name} {field} @{epoch}");
        }
    }
    Ok(out)
}

/// A word of debugfs' language: in double quotes, which double inside. Bytes that are no UTF-8 cannot be told to
/// it through a String, and do not occur in packages that are made here.
fn quoted(path: &Path) -> Result<String, Ext4Error> {
    let bytes = path.as_os_str().as_bytes();
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains(['\n', '\r', '\0']) => {
            Ok(format!("\"{}\"", text.replace('"', "\"\"")))
        }
        _ => Err(Ext4Error::Name(path.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{self, Owners};
    use std::os::unix::fs::PermissionsExt;

    const UUID: &str = "11111111-2222-3333-4444-555555555555";

    #[test]
    fn owners_modes_links_and_odd_names_arrive_and_two_runs_agree() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        std::fs::create_dir_all(root.join("etc/a b")).unwrap();
        std::fs::write(root.join("etc/shadow"), "root:*::").unwrap();
        std::fs::set_permissions(
            root.join("etc/shadow"),
            std::fs::Permissions::from_mode(0o640),
        )
        .unwrap();
        std::fs::write(root.join("etc/a b/q\"x"), vec![7; 70_000]).unwrap();
        std::os::unix::fs::symlink("etc/shadow", root.join("link")).unwrap();
        let owners = Owners::from([(PathBuf::from("etc/shadow"), (0, 42))]);
        let entries = tree::read(&root, Some(&owners)).unwrap();
        let (one, two) = (dir.path().join("1.img"), dir.path().join("2.img"));
        write(&entries, &one, 16, UUID, 1_700_000_000).unwrap();
        write(&entries, &two, 16, UUID, 1_700_000_000).unwrap();
        assert!(
            std::fs::read(&one).unwrap() == std::fs::read(&two).unwrap(),
            "two runs differ"
        );
        let ask = |command: &str| {
            let arguments = [OsStr::new("-R"), OsStr::new(command), one.as_os_str()];
            tools::run("debugfs", "e2fsprogs", 0, &arguments, b"")
                .unwrap()
                .0
        };
        let shadow = ask("stat /etc/shadow");
        assert!(
            shadow.contains("Mode:  0640") && shadow.contains("Group:    42"),
            "{shadow}"
        );
        assert!(ask("stat \"/etc/a b/q\"\"x\"").contains("Size: 70000"));
        assert!(ask("stat /link").contains("etc/shadow"));
    }

    #[test]
    fn a_root_that_does_not_fit_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        std::fs::create_dir(&root).unwrap();
        std::fs::write(root.join("big"), vec![1; 12 << 20]).unwrap();
        let entries = tree::read(&root, None).unwrap();
        let error = write(&entries, &dir.path().join("x.img"), 8, UUID, 0).unwrap_err();
        assert!(error.to_string().contains("allocate block"), "{error}");
    }
}

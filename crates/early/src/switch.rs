//! Mounting the root and handing over to it (what switch_root(8) does).

use crate::cmdline::CommandLine;
use crate::modules::Tree;
use crate::root::Device;
use crate::{Error, cmdline};
use rustix::mount::{MountFlags, mount, mount_move};
use std::ffi::CString;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;

/// Mounts the root's device on `target`, read-only unless `rw` was asked for.
pub fn mount_root(
    device: &Device,
    line: &CommandLine,
    tree: &Tree,
    target: &Path,
) -> Result<(), Error> {
    let kinds: Vec<&str> = match (&line.root_types, &device.fs) {
        (kinds, _) if !kinds.is_empty() => kinds.iter().map(String::as_str).collect(),
        (_, Some(fs)) => vec![fs.kind],
        _ => return Err(Error::UnknownFileSystem(device.path.display().to_string())),
    };
    std::fs::create_dir_all(target).map_err(|e| Error::io("make", target, e))?;
    let flags = if line.writable {
        MountFlags::empty()
    } else {
        MountFlags::RDONLY
    };
    let data = line
        .root_flags
        .as_deref()
        .and_then(|flags| CString::new(flags).ok());
    let mut last = None;
    for kind in kinds {
        // Built in or not, the mount tells; a missing module is then the smaller news.
        let _ = tree.load(kind);
        match mount(&device.path, target, kind, flags, data.as_deref()) {
            Ok(()) => return Ok(()),
            Err(e) => last = Some(Error::io("mount", &device.path, e)),
        }
    }
    Err(last.unwrap_or_else(|| Error::UnknownFileSystem(device.path.display().to_string())))
}

/// Moves the kernel's file systems into the new root, empties the initramfs, and starts init there.
/// Returns only when that failed.
pub fn switch(target: &Path, line: &cmdline::CommandLine) -> Error {
    match try_switch(target, line) {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

fn try_switch(target: &Path, line: &CommandLine) -> Result<std::convert::Infallible, Error> {
    let init = target.join(line.init.trim_start_matches('/'));
    // A link inside the root may be absolute, so it is not followed from here.
    if init.symlink_metadata().is_err() {
        return Err(Error::NoInit(line.init.clone()));
    }
    for name in ["dev", "proc", "sys", "run"] {
        let (from, to) = (Path::new("/").join(name), target.join(name));
        if to.is_dir() {
            mount_move(&from, &to).map_err(|e| Error::io("move", &from, e))?;
        }
    }
    empty_initramfs(target);
    std::env::set_current_dir(target).map_err(|e| Error::io("enter", target, e))?;
    mount_move(".", "/").map_err(|e| Error::io("move", target, e))?;
    rustix::process::chroot(".").map_err(|e| Error::io("enter", target, e))?;
    std::env::set_current_dir("/").map_err(|e| Error::io("enter", "/", e))?;
    let error = std::process::Command::new(&line.init)
        .args(&line.init_args)
        .exec();
    Err(Error::io("start", &line.init, error))
}

/// Gives back the initramfs' memory. Only what lies on the same file system as `/` goes, so no mount is entered.
fn empty_initramfs(target: &Path) {
    let Ok(root) = std::fs::metadata("/") else {
        return;
    };
    // Only ever the initramfs: `/init` is there, and the root is another device.
    let other = std::fs::metadata(target).is_ok_and(|meta| meta.dev() != root.dev());
    if other && Path::new("/init").exists() {
        remove_below(Path::new("/"), root.dev());
    }
}

fn remove_below(folder: &Path, device: u64) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(meta) = path.symlink_metadata() else {
            continue;
        };
        if meta.dev() != device {
            continue;
        }
        // What cannot go only costs its memory.
        if meta.is_dir() {
            remove_below(&path, device);
            let _ = std::fs::remove_dir(&path);
        } else {
            let _ = std::fs::remove_file(&path);
        }
    }
}

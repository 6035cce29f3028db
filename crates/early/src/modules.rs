//! Kernel modules in the initramfs: `modules.dep` and the files that it names (modprobe(8), depmod(8)).

use crate::Error;
use rustix::io::Errno;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// The kernel unpacks a compressed module itself (`MODULE_INIT_COMPRESSED_FILE` of finit_module(2)).
const COMPRESSED: i32 = 4;

/// The modules of one kernel.
#[derive(Debug)]
pub struct Tree {
    folder: PathBuf,
    /// (name, path relative to the folder, paths that it depends on, nearest first)
    entries: Vec<(String, String, Vec<String>)>,
    builtin: HashSet<String>,
}

impl Tree {
    /// The modules of the kernel that runs now, from `/lib/modules/RELEASE`. None at all is no error.
    pub fn of_running_kernel() -> Result<Tree, Error> {
        let name = rustix::system::uname();
        Tree::read(&Path::new("/lib/modules").join(&*name.release().to_string_lossy()))
    }

    /// The modules below `folder`.
    pub fn read(folder: &Path) -> Result<Tree, Error> {
        let text = |name: &str| match std::fs::read_to_string(folder.join(name)) {
            Ok(text) => Ok(text),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
            Err(e) => Err(Error::io("read", folder.join(name), e)),
        };
        let entries = text("modules.dep")?
            .lines()
            .filter_map(parse_line)
            .collect();
        let builtin = text("modules.builtin")?.lines().map(module_name).collect();
        Ok(Tree {
            folder: folder.to_owned(),
            entries,
            builtin,
        })
    }

    /// The files to load for a module, in order: what it depends on first. `None`: no such module.
    fn chain(&self, name: &str) -> Option<Vec<&str>> {
        let wanted = name.replace('-', "_");
        let (_, path, needs) = self.entries.iter().find(|(known, ..)| *known == wanted)?;
        // depmod lists a module's dependencies, transitive ones too, in the order of unloading.
        Some(
            needs
                .iter()
                .rev()
                .chain(std::iter::once(path))
                .map(String::as_str)
                .collect(),
        )
    }

    /// Loads a module and what it depends on. One that is built in, or loaded already, is no error.
    pub fn load(&self, name: &str) -> Result<(), Error> {
        let Some(chain) = self.chain(name) else {
            if self.builtin.contains(&name.replace('-', "_")) {
                return Ok(());
            }
            return Err(Error::NoModule(name.to_owned()));
        };
        for relative in chain {
            let path = self.folder.join(relative);
            let file = std::fs::File::open(&path).map_err(|e| Error::io("open", &path, e))?;
            let flags = if relative.ends_with(".ko") {
                0
            } else {
                COMPRESSED
            };
            match rustix::system::finit_module(&file, c"", flags) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(e) => return Err(Error::io("load", &path, e)),
            }
        }
        Ok(())
    }

    /// Loads what a disk may need that the kernel has only as a module; what is missing is not asked for.
    pub fn load_disk_drivers(&self) {
        for name in [
            "nvme",
            "ahci",
            "sd_mod",
            "sr_mod",
            "usb_storage",
            "virtio_blk",
            "virtio_scsi",
            "virtio_pci",
        ] {
            if self.chain(name).is_some() && self.load(name).is_err() {
                // The device may well be another one: what is missing shows when the root is not found.
            }
        }
    }
}

fn parse_line(line: &str) -> Option<(String, String, Vec<String>)> {
    let (path, needs) = line.split_once(':')?;
    Some((
        module_name(path),
        path.to_owned(),
        needs.split_whitespace().map(str::to_owned).collect(),
    ))
}

/// `kernel/fs/ext4/ext4.ko.zst` is the module `ext4`; `-` and `_` are one and the same.
fn module_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split(".ko").next().unwrap_or(file).replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(dep: &str) -> Tree {
        let builtin = "kernel/fs/ext4/ext4.ko\n"
            .lines()
            .map(module_name)
            .collect();
        Tree {
            folder: PathBuf::new(),
            entries: dep.lines().filter_map(parse_line).collect(),
            builtin,
        }
    }

    #[test]
    fn dependencies_come_first() {
        let tree = tree(
            "kernel/a/sd-mod.ko.zst: kernel/b/scsi_mod.ko.zst kernel/c/scsi_common.ko.zst\nkernel/b/scsi_mod.ko.zst:\n",
        );
        assert_eq!(
            tree.chain("sd_mod").unwrap(),
            [
                "kernel/c/scsi_common.ko.zst",
                "kernel/b/scsi_mod.ko.zst",
                "kernel/a/sd-mod.ko.zst"
            ]
        );
    }

    #[test]
    fn built_in_is_fine_and_unknown_is_an_error() {
        let tree = tree("");
        assert!(tree.load("ext4").is_ok());
        assert_eq!(
            tree.load("nope").unwrap_err().to_string(),
            "module nope: not in this initramfs"
        );
    }

    #[test]
    fn no_folder_is_an_empty_tree() {
        let tree = Tree::read(Path::new("/nonexistent/modules")).unwrap();
        assert!(tree.chain("x").is_none());
    }
}

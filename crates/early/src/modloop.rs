//! The modloop: the kernel's modules and firmware as a squashfs or erofs image, which a system in memory mounts
//! instead of holding them.

use crate::cmdline::CommandLine;
use crate::medium::Found;
use crate::modules::Tree;
use crate::{Error, fetch, programs, root, say};
use rustix::mount::{MountFlags, mount, mount_bind};
use std::fs::File;
use std::path::{Path, PathBuf};
use sys::{kernel, superblock};

/// Where it is mounted in the root.
pub const FOLDER: &str = ".modloop";
/// The SHA-256 of the modloop that goes with this initramfs, in hexadecimal digits.
pub const DIGEST: &str = "/etc/early/modloop.sha256";

/// Finds the modloop, mounts it, and shows its modules as the root's. None at all is no error: the kernel may have
/// all that it needs.
pub fn attach(line: &CommandLine, found: &Found, tree: &Tree, target: &Path) -> Result<(), Error> {
    let options = &line.diskless;
    let (image, fetched) = match options.modloop.as_deref() {
        Some("none") => return Ok(()),
        Some(address) if fetch::is_address(address) => {
            let file = target.join(".modloop.img");
            fetch::fetch(address, &file)?;
            check(&file, address)?;
            (file, true)
        }
        Some(path) => {
            let below = path.trim_start_matches('/');
            let on = |medium: &crate::medium::Medium| Some(medium.folder.join(below));
            let file = found
                .media
                .iter()
                .filter_map(on)
                .find(|file| file.is_file());
            (
                file.ok_or_else(|| Error::NoModloop(path.to_owned()))?,
                false,
            )
        }
        None => match only(found) {
            Some(file) => (file, false),
            None => {
                say(
                    line,
                    "no modloop: the kernel's modules are those of the initramfs",
                );
                return Ok(());
            }
        },
    };
    let image = if !fetched && in_memory(options.modloop_in_memory, &image) {
        let copy = target.join(".modloop.img");
        std::fs::copy(&image, &copy).map_err(|e| Error::io("copy", &image, e))?;
        copy
    } else {
        image
    };
    show(&image, tree, target)
}

/// The one modloop on the media where nothing was said.
fn only(found: &Found) -> Option<PathBuf> {
    let mut all = found
        .media
        .iter()
        .filter(|medium| !medium.repositories.is_empty())
        .flat_map(|medium| {
            std::fs::read_dir(medium.folder.join("boot"))
                .into_iter()
                .flatten()
        })
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("modloop-"))
        .map(|entry| entry.path());
    match (all.next(), all.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

/// Whether the image is copied, after which the medium may go: where asked for, or where it takes an eighth at most
/// of the memory that is free.
fn in_memory(asked: Option<bool>, image: &Path) -> bool {
    asked.unwrap_or_else(|| {
        let size = std::fs::metadata(image).map_or(u64::MAX, |meta| meta.len());
        let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        size <= available(&text) / 8
    })
}

/// `MemAvailable` of proc_meminfo(5), in bytes.
fn available(meminfo: &str) -> u64 {
    meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
        .map_or(0, |kib| kib.saturating_mul(1024))
}

/// What came over the network must be what this initramfs was made with.
fn check(file: &Path, address: &str) -> Result<(), Error> {
    let want = match std::fs::read_to_string(DIGEST) {
        Ok(text) => text,
        Err(_) => return Err(Error::Unproven(address.to_owned())),
    };
    let said = programs::run("sha256sum", &[file.as_os_str()])?;
    let have = said.split(|byte| *byte == b' ').next().unwrap_or_default();
    if have == want.trim().as_bytes() {
        return Ok(());
    }
    let _ = std::fs::remove_file(file);
    Err(Error::WrongModloop(address.to_owned()))
}

/// Mounts the image, and its modules and firmware where the kernel's tools look for them.
fn show(image: &Path, tree: &Tree, target: &Path) -> Result<(), Error> {
    let head = root::read_head(image).unwrap_or_default();
    let kind = match superblock::probe(&head).map(|fs| fs.kind) {
        Some(kind @ ("squashfs" | "erofs")) => kind,
        _ => return Err(Error::BadModloop(image.display().to_string())),
    };
    // Built in or not, the mount tells.
    let _ = tree.load("loop");
    let _ = tree.load(kind);
    let (device, _held) = loop_device(image)?;
    let folder = target.join(FOLDER);
    std::fs::create_dir_all(&folder).map_err(|e| Error::io("make", &folder, e))?;
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
    mount(&device, &folder, kind, flags, None).map_err(|e| Error::io("mount", image, e))?;
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy();
    if !folder.join("modules").join(&*release).is_dir() {
        return Err(Error::OtherKernel {
            path: image.display().to_string(),
            release: release.into_owned(),
        });
    }
    for part in ["modules", "firmware"] {
        let (from, to) = (folder.join(part), target.join("lib").join(part));
        if from.is_dir() {
            std::fs::create_dir_all(&to).map_err(|e| Error::io("make", &to, e))?;
            mount_bind(&from, &to).map_err(|e| Error::io("mount", &to, e))?;
        }
    }
    Ok(())
}

/// A loop device that shows the file, and goes with the last of its mount and the descriptor.
fn loop_device(image: &Path) -> Result<(PathBuf, File), Error> {
    let file = File::open(image).map_err(|e| Error::io("open", image, e))?;
    let control = Path::new("/dev/loop-control");
    let open = File::open(control).map_err(|e| Error::io("open", control, e))?;
    let number = kernel::loop_free(&open).map_err(|e| Error::io("use", control, e))?;
    let path = PathBuf::from(format!("/dev/loop{number}"));
    let device = File::open(&path).map_err(|e| Error::io("open", &path, e))?;
    let flags = kernel::LOOP_READ_ONLY | kernel::LOOP_AUTOCLEAR;
    kernel::loop_attach(&device, &file, image, 0, 0, flags)
        .map_err(|e| Error::io("attach", &path, e))?;
    Ok((path, device))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::medium::Medium;

    #[test]
    fn the_only_one_on_a_medium_with_packages_is_taken() {
        let top = std::env::temp_dir().join(format!("early-modloop-{}", std::process::id()));
        std::fs::create_dir_all(top.join("boot")).unwrap();
        std::fs::write(top.join("boot/modloop-virt"), "no image").unwrap();
        let mut found = Found {
            media: vec![Medium {
                device: "vda".into(),
                folder: top.clone(),
                repositories: vec![top.join("apks")],
                overlays: Vec::new(),
                named: false,
            }],
            looked_at: Vec::new(),
        };
        assert_eq!(only(&found), Some(top.join("boot/modloop-virt")));
        let tree = Tree::read(Path::new("/nonexistent")).unwrap();
        let error = show(&top.join("boot/modloop-virt"), &tree, &top).unwrap_err();
        assert!(matches!(error, Error::BadModloop(_)));
        let line = CommandLine::parse("quiet modloop=/boot/modloop-lts");
        let error = attach(&line, &found, &tree, &top).unwrap_err().to_string();
        assert!(error.contains("modloop=/boot/modloop-lts"), "{error}");
        std::fs::write(top.join("boot/modloop-lts"), "").unwrap();
        assert_eq!(only(&found), None);
        found.media.clear();
        assert!(attach(&CommandLine::parse("quiet"), &found, &tree, &top).is_ok());
        std::fs::remove_dir_all(&top).unwrap();
    }

    #[test]
    fn memory_is_read_and_asked_for_first() {
        assert_eq!(
            available("MemTotal: 9 kB\nMemAvailable:   1024 kB\n"),
            1 << 20
        );
        assert_eq!(available("MemAvailable: x kB"), 0);
        assert!(in_memory(Some(true), Path::new("/nonexistent")));
        assert!(!in_memory(None, Path::new("/nonexistent")));
    }
}

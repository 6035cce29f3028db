//! The media: devices with a repository of packages (a folder that holds `.boot_repository`), or with an overlay.

use crate::cmdline::CommandLine;
use crate::modules::Tree;
use crate::overlay::Source;
use crate::root::{self, Block};
use crate::{Error, say};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use sys::superblock;

/// Where media are mounted; in the initramfs this leads into the new root.
pub const FOLDER: &str = "/media";

/// A mounted device that holds something of use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Medium {
    /// The kernel's name of the device.
    pub device: String,
    /// Where it is mounted.
    pub folder: PathBuf,
    /// Its repositories, sorted.
    pub repositories: Vec<PathBuf>,
    /// Its overlays, sorted.
    pub overlays: Vec<PathBuf>,
    /// Whether the command line names it for its overlay.
    pub named: bool,
}

/// A device on the command line: `sda1`, `/dev/sda1`, `UUID=…`, `LABEL=…`, with `:TYPE` behind it or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    spec: root::Spec,
    kind: Option<String>,
}

impl Wanted {
    /// Reads it.
    pub fn parse(text: &str) -> Result<Wanted, Error> {
        let (device, kind) = match text.split_once(':') {
            Some((device, kind)) => (
                device,
                Some(kind.to_owned()).filter(|kind| !kind.is_empty()),
            ),
            None => (text, None),
        };
        let spec = if device.contains('=') || device.starts_with('/') {
            root::Spec::parse(device)?
        } else {
            root::Spec::Device(Path::new("/dev").join(device))
        };
        Ok(Wanted { spec, kind })
    }
}

/// Everything that was found.
#[derive(Debug, Default)]
pub struct Found {
    /// Devices that hold something, mounted read-only.
    pub media: Vec<Medium>,
    /// Every device that was looked at, with its kind, for whoever has to find out why nothing was found.
    pub looked_at: Vec<String>,
}

impl Found {
    /// All repositories on media.
    pub fn repositories(&self) -> impl Iterator<Item = &Path> {
        self.media
            .iter()
            .flat_map(|medium| medium.repositories.iter().map(PathBuf::as_path))
    }
}

/// Looks through the devices, waiting for what the command line asks for.
pub fn search(line: &CommandLine, tree: &Tree) -> Result<Found, Error> {
    let options = &line.diskless;
    let parse = |text: &Option<String>| text.as_deref().map(Wanted::parse).transpose();
    let medium = parse(&options.medium)?;
    let overlay = match parse(&options.overlay_device)? {
        None => Source::parse(options.overlay.as_deref())
            .device()
            .transpose()?,
        device => device,
    };
    let needs_medium = options.repositories.is_empty() || medium.is_some();
    let mut found = Found::default();
    let mut done: Vec<String> = Vec::new();
    let start = Instant::now();
    let limit = Duration::from_secs(line.root_timeout.max(options.settle));
    tree.load_disk_drivers();
    loop {
        for block in root::block_devices() {
            if done.contains(&block.name) {
                continue;
            }
            if let Some(kind) = look(
                &block,
                medium.as_ref(),
                overlay.as_ref(),
                tree,
                &mut found.media,
            ) {
                found
                    .looked_at
                    .push(format!("/dev/{} ({kind})", block.name));
                done.push(block.name);
            }
        }
        let has_medium = !needs_medium || found.repositories().next().is_some();
        let has_overlay = overlay.is_none() || found.media.iter().any(|medium| medium.named);
        let elapsed = start.elapsed();
        if has_medium && has_overlay && elapsed >= Duration::from_secs(options.settle)
            || elapsed >= limit
        {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    for medium in &found.media {
        say(line, &format!("{} is a medium", medium.folder.display()));
    }
    Ok(found)
}

/// Mounts a device and keeps it where it holds something. Gives its kind; `None`: nothing can be read there yet.
fn look(
    block: &Block,
    medium: Option<&Wanted>,
    overlay: Option<&Wanted>,
    tree: &Tree,
    media: &mut Vec<Medium>,
) -> Option<String> {
    let device = Path::new("/dev").join(&block.name);
    let fs = superblock::probe(&root::read_head(&device)?)?;
    let is = |wanted: Option<&Wanted>| {
        wanted.map(|wanted| {
            wanted
                .spec
                .matches(&device, Some(&fs), block.entry.as_ref())
        })
    };
    let (may_repository, may_overlay) = (is(medium).unwrap_or(true), is(overlay).unwrap_or(true));
    let forced = [medium, overlay]
        .into_iter()
        .flatten()
        .filter(|wanted| is(Some(wanted)) == Some(true))
        .find_map(|wanted| wanted.kind.as_deref());
    let kind = forced.unwrap_or(fs.kind);
    if !may_repository && !may_overlay || matches!(kind, "swap" | "crypto_LUKS") {
        return Some(kind.to_owned());
    }
    let folder = Path::new(FOLDER).join(&block.name);
    if std::fs::create_dir_all(&folder).is_err() {
        return Some(format!("{kind}, {} cannot be made", folder.display()));
    }
    // Built in or not, the mount tells.
    let _ = tree.load(kind);
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
    if let Err(why) = mount(&device, &folder, kind, flags, None) {
        let _ = std::fs::remove_dir(&folder);
        return Some(format!("{kind}, not mounted: {why}"));
    }
    let mut found = read(&folder);
    found.device.clone_from(&block.name);
    if !may_repository {
        found.repositories.clear();
    }
    if !may_overlay {
        found.overlays.clear();
    }
    // A device that was asked for by name stays: paths of other options may lie on it.
    found.named = is(overlay) == Some(true);
    let named = found.named || is(medium) == Some(true);
    if found.repositories.is_empty() && found.overlays.is_empty() && !named {
        let _ = unmount(&folder, UnmountFlags::empty());
        let _ = std::fs::remove_dir(&folder);
    } else {
        media.push(found);
    }
    Some(kind.to_owned())
}

/// What a mounted medium holds: repositories at most two folders down, overlays at its top.
pub fn read(folder: &Path) -> Medium {
    let mut medium = Medium {
        device: String::new(),
        folder: folder.to_owned(),
        repositories: Vec::new(),
        overlays: Vec::new(),
        named: false,
    };
    let mut level = vec![folder.to_owned()];
    for depth in 0..3 {
        let mut next = Vec::new();
        for folder in level {
            if folder.join(".boot_repository").exists() {
                medium.repositories.push(folder.clone());
            }
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                let Ok(kind) = entry.file_type() else {
                    continue;
                };
                if kind.is_dir() && depth < 2 {
                    next.push(entry.path());
                } else if depth == 0 && kind.is_file() && is_overlay(&entry.file_name()) {
                    medium.overlays.push(entry.path());
                }
            }
        }
        level = next;
    }
    medium.repositories.sort();
    medium.overlays.sort();
    medium
}

/// Whether a file is an overlay by its name: `HOST.apkovl.tar.gz`, or with a cipher's name behind it.
fn is_overlay(name: &std::ffi::OsStr) -> bool {
    let name = name.to_string_lossy();
    name.contains(".apkovl.tar.gz") && !name.ends_with(".new") && !name.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_and_overlays_are_found_by_their_marks() {
        let top = std::env::temp_dir().join(format!("early-medium-{}", std::process::id()));
        for below in ["apks/x86_64", "a/b/c", "boot"] {
            std::fs::create_dir_all(top.join(below)).unwrap();
        }
        for file in [
            "apks/.boot_repository",
            "a/b/.boot_repository",
            "a/b/c/.boot_repository",
            "host.apkovl.tar.gz",
            "host.apkovl.tar.gz.new",
            ".host.apkovl.tar.gz.1",
            "host.20260101000000.tar.gz",
            "boot/x.apkovl.tar.gz",
        ] {
            std::fs::write(top.join(file), "").unwrap();
        }
        let found = read(&top);
        std::fs::remove_dir_all(&top).unwrap();
        assert_eq!(found.repositories, [top.join("a/b"), top.join("apks")]);
        assert_eq!(found.overlays, [top.join("host.apkovl.tar.gz")]);
        assert!(read(Path::new("/nonexistent")).repositories.is_empty());
    }

    #[test]
    fn devices_with_and_without_their_kind() {
        let wanted = Wanted::parse("sda1:vfat").unwrap();
        assert_eq!(wanted.spec, root::Spec::Device("/dev/sda1".into()));
        assert_eq!(wanted.kind.as_deref(), Some("vfat"));
        assert_eq!(Wanted::parse("/dev/vdb").unwrap().kind, None);
        assert_eq!(
            Wanted::parse("LABEL=x").unwrap().spec,
            root::Spec::Label("x".into())
        );
        assert!(Wanted::parse("FOO=x").is_err());
    }
}

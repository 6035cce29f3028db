//! The root's device: what `root=` names, and the wait until it is there.

use crate::modules::Tree;

use crate::{Error, gpt};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use sys::superblock::{self, FileSystem};

/// What `root=` may say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spec {
    /// `/dev/vda2`
    Device(PathBuf),
    /// `UUID=`: of the file system
    Uuid(String),
    /// `LABEL=`: of the file system
    Label(String),
    /// `PARTUUID=`: of the GPT entry
    PartUuid(String),
    /// `PARTLABEL=`: of the GPT entry
    PartLabel(String),
}

impl Spec {
    /// Reads the value of `root=`.
    pub fn parse(value: &str) -> Result<Spec, Error> {
        let spec = match value.split_once('=') {
            Some(("UUID", v)) => Spec::Uuid(v.to_owned()),
            Some(("LABEL", v)) => Spec::Label(v.to_owned()),
            Some(("PARTUUID", v)) => Spec::PartUuid(v.to_owned()),
            Some(("PARTLABEL", v)) => Spec::PartLabel(v.to_owned()),
            _ if value.starts_with("/dev/") => Spec::Device(PathBuf::from(value)),
            _ => return Err(Error::BadRoot(value.to_owned())),
        };
        Ok(spec)
    }

    /// Whether a block device with that file system and that GPT entry is the one.
    pub(crate) fn matches(
        &self,
        path: &Path,
        fs: Option<&FileSystem>,
        part: Option<&gpt::Partition>,
    ) -> bool {
        match self {
            Spec::Device(wanted) => wanted == path,
            Spec::Uuid(v) => fs
                .and_then(|fs| fs.uuid.as_ref())
                .is_some_and(|uuid| uuid.eq_ignore_ascii_case(v)),
            Spec::Label(v) => fs.and_then(|fs| fs.label.as_ref()) == Some(v),
            Spec::PartUuid(v) => part.is_some_and(|part| part.uuid.eq_ignore_ascii_case(v)),
            Spec::PartLabel(v) => part.is_some_and(|part| part.name == *v),
        }
    }
}

impl std::fmt::Display for Spec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Spec::Device(v) => write!(f, "{}", v.display()),
            Spec::Uuid(v) => write!(f, "UUID={v}"),
            Spec::Label(v) => write!(f, "LABEL={v}"),
            Spec::PartUuid(v) => write!(f, "PARTUUID={v}"),
            Spec::PartLabel(v) => write!(f, "PARTLABEL={v}"),
        }
    }
}

/// A block device, with what is on it as far as that is known.
#[derive(Clone, Debug)]
pub struct Device {
    /// Its node in `/dev`.
    pub path: PathBuf,
    /// The file system that its superblock tells of.
    pub fs: Option<FileSystem>,
}

/// Finds the device, waiting for it as long as `seconds`. Drivers that are modules are loaded if it is not there at once.
pub fn wait_for(spec: &Spec, seconds: u64, tree: &Tree) -> Result<Device, Error> {
    let start = Instant::now();
    if let Some(device) = find(spec) {
        return Ok(device);
    }
    tree.load_disk_drivers();
    loop {
        if let Some(device) = find(spec) {
            return Ok(device);
        }
        if start.elapsed() >= Duration::from_secs(seconds) {
            return Err(Error::RootNotFound(spec.to_string(), seconds));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn find(spec: &Spec) -> Option<Device> {
    if let Spec::Device(path) = spec {
        return path.exists().then(|| Device {
            path: path.clone(),
            fs: read_head(path).and_then(|h| superblock::probe(&h)),
        });
    }
    for block in block_devices() {
        let path = Path::new("/dev").join(&block.name);
        let fs = match spec {
            Spec::Uuid(_) | Spec::Label(_) => {
                read_head(&path).and_then(|head| superblock::probe(&head))
            }
            _ => None,
        };
        if spec.matches(&path, fs.as_ref(), block.entry.as_ref()) {
            let fs = fs.or_else(|| read_head(&path).and_then(|head| superblock::probe(&head)));
            return Some(Device { path, fs });
        }
    }
    None
}

/// A disk or partition, and its entry in the partition table.
pub struct Block {
    /// The kernel's name: `vda2`.
    pub name: String,
    /// Its entry in the partition table.
    pub entry: Option<gpt::Partition>,
}

/// All disks and partitions that sysfs lists, but the empty ones (loop devices with no file).
pub fn block_devices() -> Vec<Block> {
    let mut found = Vec::new();
    for disk in names(Path::new("/sys/block")) {
        let folder = Path::new("/sys/block").join(&disk);
        if number(&folder.join("size")).unwrap_or(0) == 0 {
            continue;
        }
        let sector = number(&folder.join("queue/logical_block_size")).unwrap_or(512);
        let mut parts: Vec<(u32, String)> = names(&folder)
            .into_iter()
            .filter_map(|name| {
                Some((
                    u32::try_from(number(&folder.join(&name).join("partition"))?).ok()?,
                    name,
                ))
            })
            .collect();
        parts.sort();
        let table = if parts.is_empty() {
            Vec::new()
        } else {
            let head = read_bytes(&Path::new("/dev").join(&disk), gpt::HEAD).unwrap_or_default();
            gpt::partitions(&head, usize::try_from(sector).unwrap_or(512))
        };
        found.push(Block {
            name: disk,
            entry: None,
        });
        for (number, name) in parts {
            let entry = table.iter().find(|entry| entry.number == number).cloned();
            found.push(Block { name, entry });
        }
    }
    found
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

fn number(path: &Path) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// A device's first bytes, as many as recognising it takes.
pub fn read_head(path: &Path) -> Option<Vec<u8>> {
    read_bytes(path, superblock::HEAD)
}

fn read_bytes(path: &Path, len: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(len);
    File::open(path)
        .ok()?
        .take(u64::try_from(len).ok()?)
        .read_to_end(&mut bytes)
        .ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specs_are_read_and_written_alike() {
        for text in [
            "/dev/vda2",
            "UUID=ab",
            "LABEL=my disk",
            "PARTUUID=cd",
            "PARTLABEL=root",
        ] {
            assert_eq!(Spec::parse(text).unwrap().to_string(), text);
        }
        assert!(matches!(Spec::parse("vda2"), Err(Error::BadRoot(_))));
        assert!(matches!(Spec::parse("HOST=x"), Err(Error::BadRoot(_))));
    }

    #[test]
    fn matching_goes_by_the_right_property() {
        let fs = FileSystem {
            kind: "ext4",
            uuid: Some("abcd".into()),
            label: Some("root".into()),
        };
        let part = gpt::Partition {
            number: 2,
            uuid: "ffff".into(),
            name: "system".into(),
        };
        let is = |spec: &str| {
            Spec::parse(spec)
                .unwrap()
                .matches(Path::new("/dev/vda2"), Some(&fs), Some(&part))
        };
        assert!(
            is("UUID=ABCD") && is("LABEL=root") && is("PARTUUID=FFFF") && is("PARTLABEL=system")
        );
        assert!(is("/dev/vda2"));
        assert!(
            !is("UUID=ffff") && !is("LABEL=system") && !is("PARTLABEL=root") && !is("/dev/vda")
        );
    }
}

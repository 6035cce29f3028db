//! The overlay (`HOST.apkovl.tar.gz`): what the administrator changed, laid over the packages.

use crate::cmdline::Diskless;
use crate::medium::{Found, Wanted};
use crate::{Error, fetch, programs};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// What the image's own declaration asks for; used where no medium has an overlay, or none of them shall be used.
pub const DEFAULT: &str = "/etc/early/default.apkovl.tar.gz";

/// What `apkovl=` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nothing: look for one.
    Search,
    /// None of a medium's.
    None,
    /// An address.
    Address(String),
    /// A file on a medium, or in the initramfs.
    File {
        /// On this device; else on any.
        device: Option<String>,
        /// From the top of the device.
        path: PathBuf,
    },
}

impl Source {
    /// Reads the option's value.
    pub fn parse(value: Option<&str>) -> Source {
        let Some(value) = value else {
            return Source::Search;
        };
        if value == "none" {
            return Source::None;
        }
        if fetch::is_address(value) {
            return Source::Address(value.to_owned());
        }
        // A path may hold colons; a device's name and kind hold no slash.
        let parts: Vec<&str> = value.splitn(3, ':').collect();
        let (device, path) = match parts.as_slice() {
            [device, kind, path] if !device.contains('/') && !kind.contains('/') => {
                (Some(*device), *path)
            }
            [device, path] if !device.contains('/') => (Some(*device), *path),
            [device, kind, path] if device.starts_with("/dev/") && !kind.contains('/') => {
                (device.strip_prefix("/dev/"), *path)
            }
            [device, path] if device.starts_with("/dev/") => (device.strip_prefix("/dev/"), *path),
            _ => (None, value),
        };
        Source::File {
            device: device.map(str::to_owned),
            path: PathBuf::from(path),
        }
    }

    /// The device that it names, to be mounted whatever it holds.
    pub fn device(&self) -> Option<Result<Wanted, Error>> {
        match self {
            Source::File {
                device: Some(device),
                ..
            } => Some(Wanted::parse(device)),
            _ => None,
        }
    }
}

/// The overlay to apply; an address is fetched into `folder`.
pub fn choose(options: &Diskless, found: &Found, folder: &Path) -> Result<Option<PathBuf>, Error> {
    match Source::parse(options.overlay.as_deref()) {
        Source::None => Ok(own()),
        Source::Address(address) => {
            let name = address.rsplit('/').next().unwrap_or("overlay");
            let file = folder.join(name);
            fetch::fetch(&address, &file)?;
            Ok(Some(file))
        }
        Source::File { device, path } => {
            let below = path.strip_prefix("/").unwrap_or(&path);
            let mut tried: Vec<PathBuf> = found
                .media
                .iter()
                .filter(|medium| {
                    device
                        .as_ref()
                        .is_none_or(|device| *device == medium.device)
                })
                .map(|medium| medium.folder.join(below))
                .collect();
            if device.is_none() {
                tried.push(path.clone());
            }
            match tried.iter().find(|path| path.is_file()) {
                Some(path) => Ok(Some(path.clone())),
                None => Err(Error::NoOverlay {
                    value: options.overlay.clone().unwrap_or_default(),
                    media: names(tried.iter()),
                }),
            }
        }
        Source::Search => {
            let mut all = found.media.iter().flat_map(|medium| &medium.overlays);
            match (all.next(), all.next()) {
                (Some(only), None) => Ok(Some(only.clone())),
                (Some(_), Some(_)) => Err(Error::ManyOverlays(names(
                    found.media.iter().flat_map(|medium| &medium.overlays),
                ))),
                _ if options.overlay_device.is_some() => Err(Error::NoOverlay {
                    value: format!(
                        "ovl_dev={}",
                        options.overlay_device.as_deref().unwrap_or_default()
                    ),
                    media: names(found.media.iter().map(|medium| &medium.folder)),
                }),
                _ => Ok(own()),
            }
        }
    }
}

/// The initramfs' own overlay, where it has one.
fn own() -> Option<PathBuf> {
    Path::new(DEFAULT).exists().then(|| DEFAULT.into())
}

fn names<'a>(paths: impl Iterator<Item = &'a PathBuf>) -> String {
    let all: Vec<String> = paths.map(|path| path.display().to_string()).collect();
    if all.is_empty() {
        "no medium".to_owned()
    } else {
        all.join(", ")
    }
}

/// Unpacks the overlay into the root.
pub fn apply(overlay: &Path, target: &Path) -> Result<(), Error> {
    let name = overlay.to_string_lossy();
    if !name.ends_with(".tar.gz") {
        return Err(Error::Encrypted(name.into_owned()));
    }
    programs::run(
        "tar",
        &[
            OsStr::new("-xzpf"),
            overlay.as_os_str(),
            OsStr::new("-C"),
            target.as_os_str(),
            OsStr::new("--numeric-owner"),
        ],
    )
    .map_err(|error| Error::BadOverlay {
        path: name.into_owned(),
        why: error.to_string(),
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::medium::Medium;

    fn on(device: &str, overlays: &[&str]) -> Medium {
        let folder = Path::new("/media").join(device);
        Medium {
            device: device.into(),
            repositories: Vec::new(),
            overlays: overlays.iter().map(|name| folder.join(name)).collect(),
            folder,
            named: false,
        }
    }

    #[test]
    fn what_apkovl_may_say() {
        let file = |device: Option<&str>, path: &str| Source::File {
            device: device.map(str::to_owned),
            path: path.into(),
        };
        for (value, want) in [
            (None, Source::Search),
            (Some("none"), Source::None),
            (
                Some("http://h/x.tar.gz"),
                Source::Address("http://h/x.tar.gz".into()),
            ),
            (
                Some("sda1:vfat:/a/b.tar.gz"),
                file(Some("sda1"), "/a/b.tar.gz"),
            ),
            (Some("sda1:b.tar.gz"), file(Some("sda1"), "b.tar.gz")),
            (Some("/dev/sda1:b.tar.gz"), file(Some("sda1"), "b.tar.gz")),
            (Some("/a:b.tar.gz"), file(None, "/a:b.tar.gz")),
            (Some("b.tar.gz"), file(None, "b.tar.gz")),
        ] {
            assert_eq!(Source::parse(value), want, "{value:?}");
        }
    }

    #[test]
    fn one_is_taken_and_more_are_refused_by_name() {
        let options = Diskless::default();
        let folder = Path::new("/tmp");
        let mut found = Found {
            media: vec![on("sda", &["a.apkovl.tar.gz"])],
            looked_at: Vec::new(),
        };
        let chosen = choose(&options, &found, folder).unwrap();
        assert_eq!(chosen, Some("/media/sda/a.apkovl.tar.gz".into()));
        found.media.push(on("sdb", &["b.apkovl.tar.gz"]));
        let error = choose(&options, &found, folder).unwrap_err().to_string();
        assert!(
            error.contains("/media/sda/a.apkovl.tar.gz, /media/sdb/b.apkovl.tar.gz"),
            "{error}"
        );
    }

    #[test]
    fn one_that_is_named_must_be_there() {
        let options = Diskless {
            overlay: Some("sdb:x.tar.gz".into()),
            ..Diskless::default()
        };
        let found = Found {
            media: vec![on("sdb", &[])],
            looked_at: Vec::new(),
        };
        let error = choose(&options, &found, Path::new("/tmp")).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("sdb:x.tar.gz") && text.contains("/media/sdb/x.tar.gz"),
            "{text}"
        );
    }

    #[test]
    fn a_broken_one_is_told_with_what_tar_says() {
        let top = std::env::temp_dir().join(format!("early-overlay-{}", std::process::id()));
        std::fs::create_dir_all(&top).unwrap();
        let bad = top.join("h.apkovl.tar.gz");
        std::fs::write(&bad, b"\x1f\x8b\x08 cut short").unwrap();
        let error = apply(&bad, &top).unwrap_err().to_string();
        assert!(error.contains("h.apkovl.tar.gz: tar: "), "{error}");
        let secret = apply(&top.join("h.apkovl.tar.gz.aes-256-cbc"), &top).unwrap_err();
        assert!(matches!(secret, Error::Encrypted(_)));
        std::fs::remove_dir_all(&top).unwrap();
    }
}

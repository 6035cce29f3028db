//! `images/NAME.yaml`: what an image is made of.
//!
//! The keys that apko's files have (`contents`, `archs`, `paths`) mean what they mean there; the others are ours.
//! An unknown key is an error that names its line.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// An image as its file declares it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Spec {
    /// What comes out.
    pub kind: Kind,
    /// One line on what it is for.
    pub description: String,
    /// What is installed.
    pub contents: Contents,
    /// The architectures that it is made for.
    #[serde(default)]
    pub archs: Vec<String>,
    /// The host name; without one the packages' own stays.
    #[serde(default)]
    pub hostname: Option<String>,
    /// Services by runlevel, beside those that the packages add themselves.
    #[serde(default)]
    pub services: BTreeMap<String, Vec<String>>,
    /// Files, folders and links that no package owns.
    #[serde(default)]
    pub paths: Vec<PathSpec>,
    /// Whether root may log in on the console without a password. Never over the network.
    #[serde(default)]
    pub console_login: bool,
    /// The kernel, for kinds that boot.
    #[serde(default)]
    pub kernel: Option<Kernel>,
    /// The disk, for kinds that have one.
    #[serde(default)]
    pub disk: Option<Disk>,
}

/// The kinds of image.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A `tar.gz` of the root, for chroots and containers.
    Rootfs,
    /// A disk with a GPT, an EFI system partition and an ext4 root.
    Disk,
}

/// What is installed.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Contents {
    /// The world: dependencies as `apk add` takes them.
    pub packages: Vec<String>,
    /// Lines of `/etc/apk/repositories` in the image.
    #[serde(default)]
    pub repositories: Vec<String>,
}

/// A path that the image adds.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct PathSpec {
    /// Where, from the root.
    pub path: PathBuf,
    /// What.
    #[serde(rename = "type")]
    pub kind: PathKind,
    /// A link's target.
    #[serde(default)]
    pub source: Option<PathBuf>,
    /// A file's contents.
    #[serde(default)]
    pub content: Option<String>,
    /// The mode, in octal.
    #[serde(default)]
    pub permissions: Option<u32>,
}

/// The types of added paths.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum PathKind {
    /// A folder, with those above it.
    Directory,
    /// A file with the given content.
    File,
    /// A symbolic link to `source`.
    Symlink,
}

/// The kernel to boot.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Kernel {
    /// Its flavour: `/boot/vmlinuz-FLAVOUR`.
    pub flavour: String,
    /// The command line; `root=` is added.
    pub cmdline: String,
    /// Modules that the initramfs holds, dependencies included by themselves.
    #[serde(default)]
    pub modules: Vec<String>,
}

/// The disk's measures, in MiB.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Disk {
    /// The whole disk.
    pub size: u64,
    /// The EFI system partition.
    pub esp: u64,
}

/// An image file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not YAML, or has a key or a value that is not known.
    #[error("{}: {source}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What and where.
        source: serde_yaml_ng::Error,
    },
    /// It is well-formed, but says something that cannot be.
    #[error("{}: {what}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What cannot be.
        what: String,
    },
}

impl Spec {
    /// Reads an image's file.
    pub fn load(path: &Path) -> Result<Spec, SpecError> {
        let text = std::fs::read_to_string(path).map_err(|source| SpecError::Read {
            path: path.to_owned(),
            source,
        })?;
        Spec::parse(path, &text)
    }

    /// Reads the text of an image's file; `path` is for the errors.
    pub fn parse(path: &Path, text: &str) -> Result<Spec, SpecError> {
        let spec: Spec = serde_yaml_ng::from_str(text).map_err(|source| SpecError::Parse {
            path: path.to_owned(),
            source,
        })?;
        spec.check().map_err(|what| SpecError::Invalid {
            path: path.to_owned(),
            what,
        })?;
        Ok(spec)
    }

    fn check(&self) -> Result<(), String> {
        if self.contents.packages.is_empty() {
            return Err("contents.packages is empty: an image needs at least one package".into());
        }
        if self.kind == Kind::Disk {
            if self.kernel.is_none() {
                return Err("a disk needs `kernel`".into());
            }
            let disk = self
                .disk
                .as_ref()
                .ok_or("a disk needs `disk` with its size and esp in MiB")?;
            if disk.esp < 8 || disk.size < disk.esp + 16 || disk.size > 1 << 20 {
                return Err(format!(
                    "disk: size {} MiB with an esp of {} MiB does not work: the esp takes at least 8, the root 16",
                    disk.size, disk.esp
                ));
            }
        }
        for added in &self.paths {
            let plain = |part| {
                matches!(
                    part,
                    std::path::Component::Normal(_) | std::path::Component::RootDir
                )
            };
            if !added.path.is_absolute() || !added.path.components().all(plain) {
                return Err(format!(
                    "paths: {}: must be absolute and without ..",
                    added.path.display()
                ));
            }
            match added.kind {
                PathKind::Symlink if added.source.is_none() => {
                    return Err(format!(
                        "paths: {}: a symlink needs `source`",
                        added.path.display()
                    ));
                }
                PathKind::File if added.content.is_none() => {
                    return Err(format!(
                        "paths: {}: a file needs `content`",
                        added.path.display()
                    ));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Spec, SpecError> {
        Spec::parse(Path::new("images/x.yaml"), text)
    }

    #[test]
    fn every_image_of_the_tree_is_readable() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../images");
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            Spec::load(&path).unwrap();
            seen += 1;
        }
        assert!(seen >= 1);
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let error =
            parse("kind: rootfs\ndescription: x\ncontents: {packages: [base]}\npakages: []\n")
                .unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("images/x.yaml") && text.contains("pakages") && text.contains("line 4"),
            "{text}"
        );
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (text, word) in [
            (
                "kind: rootfs\ndescription: x\ncontents: {packages: []}",
                "at least one package",
            ),
            (
                "kind: disk\ndescription: x\ncontents: {packages: [a]}",
                "needs `kernel`",
            ),
            (
                "kind: disk\ndescription: x\ncontents: {packages: [a]}\nkernel: {flavour: virt, cmdline: ''}\ndisk: {size: 10, esp: 8}",
                "does not work",
            ),
            (
                "kind: rootfs\ndescription: x\ncontents: {packages: [a]}\npaths: [{path: /a/../b, type: directory}]",
                "without ..",
            ),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}

//! `images/NAME.yaml`: what an image is made of.
//!
//! The keys that apko's files have (`contents`, `archs`, `paths`, `accounts`, `environment`, `entrypoint`, `cmd`,
//! `work-dir`, `stop-signal`, `volumes`, `annotations`) mean what they mean there; the others are ours. An unknown key
//! is an error that names its line.

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
    /// The medium, for the kinds that run from memory.
    #[serde(default)]
    pub medium: Medium,
    /// Users and groups beside those of the packages, and who a container runs as.
    #[serde(default)]
    pub accounts: Accounts,
    /// A container's environment.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// A container's program, to which the words of a command line are added.
    #[serde(default)]
    pub entrypoint: Option<Entrypoint>,
    /// What a container runs where the command line says nothing; words, split at blanks.
    #[serde(default)]
    pub cmd: Option<String>,
    /// The folder in which it starts.
    #[serde(default)]
    pub work_dir: Option<String>,
    /// The signal that ends it.
    #[serde(default)]
    pub stop_signal: Option<String>,
    /// Folders whose contents outlive the container.
    #[serde(default)]
    pub volumes: Vec<String>,
    /// Annotations of a container's manifest.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// How a container's layer is compressed.
    #[serde(default)]
    pub compression: Compression,
    /// What the image's size is shown beside.
    #[serde(default)]
    pub peer: Option<Peer>,
}

/// The kinds of image.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A `tar.gz` of the root, for chroots and containers.
    Rootfs,
    /// A container image: an OCI layout in a tar that `podman load` and `docker load` take.
    Container,
    /// A disk with a GPT, an EFI system partition and an ext4 root.
    Disk,
    /// A disc, or the same on a stick, from which a system starts that runs from memory; for BIOS and UEFI.
    Iso,
    /// The same for machines that boot over the network: a tar with kernel, initramfs, modules and packages.
    Netboot,
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

/// Users and groups.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Accounts {
    /// The user, by name or number, that a container's program runs as.
    #[serde(default)]
    pub run_as: Option<String>,
    /// Groups.
    #[serde(default)]
    pub groups: Vec<Group>,
    /// Users, who have no password.
    #[serde(default)]
    pub users: Vec<User>,
}

/// A group.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Its name.
    pub groupname: String,
    /// Its number.
    pub gid: u32,
    /// Who is in it.
    #[serde(default)]
    pub members: Vec<String>,
}

/// A user.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The name.
    pub username: String,
    /// The number.
    pub uid: u32,
    /// The number of the first group; without one, the user's own.
    #[serde(default)]
    pub gid: Option<u32>,
    /// The shell.
    #[serde(default)]
    pub shell: Option<String>,
    /// The home folder, which is made.
    #[serde(default)]
    pub homedir: Option<PathBuf>,
}

/// A container's program.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Entrypoint {
    /// Words, split at blanks.
    pub command: String,
}

/// How a layer is compressed.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// Which everything reads.
    #[default]
    Gzip,
    /// Smaller, and quicker to unpack.
    Zstd,
}

/// A comparable image of somebody else's, in bytes.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// Its name and version.
    pub name: String,
    /// What its files take.
    pub unpacked: u64,
    /// What it takes as it is fetched.
    pub packed: u64,
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

/// What the medium of a system in memory holds.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Medium {
    /// Packages that are on it, with what they need, and are not installed by themselves.
    #[serde(default)]
    pub packages: Vec<String>,
}

/// The disk's measures, in MiB.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Disk {
    /// The whole disk.
    pub size: u64,
    /// The EFI system partition.
    pub esp: u64,
    /// Whether it starts by BIOS, too.
    #[serde(default)]
    pub bios: bool,
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
        if matches!(self.kind, Kind::Disk | Kind::Iso | Kind::Netboot) && self.kernel.is_none() {
            return Err("what boots needs `kernel`".into());
        }
        if self.kind == Kind::Disk {
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
        let name = |name: &str| {
            let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            first
                && name
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
        };
        let line = |text: &str| !text.contains([':', '\n', '\0']);
        for user in &self.accounts.users {
            let home = user.homedir.as_ref().map(|path| path.display().to_string());
            if !name(&user.username)
                || !line(user.shell.as_deref().unwrap_or_default())
                || !line(&home.unwrap_or_default())
            {
                return Err(format!("accounts: {}: no user can be so", user.username));
            }
        }
        for group in &self.accounts.groups {
            if !name(&group.groupname) || !group.members.iter().all(|member| name(member)) {
                return Err(format!("accounts: {}: no group can be so", group.groupname));
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
                "what boots needs `kernel`",
            ),
            (
                "kind: disk\ndescription: x\ncontents: {packages: [a]}\nkernel: {flavour: virt, cmdline: ''}\ndisk: {size: 10, esp: 8}",
                "does not work",
            ),
            (
                "kind: rootfs\ndescription: x\ncontents: {packages: [a]}\naccounts: {users: [{username: 'a:b', uid: 1}]}",
                "no user can be so",
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

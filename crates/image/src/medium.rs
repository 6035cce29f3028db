//! The medium of a system that runs from memory: kernel, initramfs, modules' image, packages; as a hybrid ISO, or as
//! what a machine boots over the network.
//!
//! ```text
//! boot/vmlinuz-FLAVOUR  boot/initramfs-FLAVOUR  boot/modloop-FLAVOUR
//! apks/.boot_repository  apks/ARCH/APKINDEX.tar.gz  apks/ARCH/*.apk
//! boot/syslinux/…  boot/efi.img   (iso)        boot.ipxe   (netboot)
//! ```
//!
//! What the declaration adds to the packages (host name, services, files) goes into the initramfs as an overlay,
//! which `early` takes where no medium has another.

use crate::initramfs::Contents;
use crate::spec::{Kernel, Kind};
use crate::tools::{self, ToolError};
use crate::tree::{self, Entry, EntryKind};
use crate::{Error, Made, Output, Step, archive, digest, disk};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Where Debian's package isolinux has the boot loader of discs, and the boot sector of sticks.
const ISOLINUX: &str = "/usr/lib/ISOLINUX/isolinux.bin";
const HYBRID: &str = "/usr/lib/ISOLINUX/isohdpfx.bin";
/// What it loads, from Debian's package syslinux-common.
const LDLINUX: &str = "/usr/lib/syslinux/modules/bios/ldlinux.c32";

/// Why a medium cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum MediumError {
    /// A program failed.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// A file of the host is missing.
    #[error("{0}: not there (is the package {1} installed?)")]
    NoLoader(&'static str, &'static str),
    /// There is no key to sign the medium's index with.
    #[error("a medium's index is signed, and there is no key for that")]
    NoKey,
    /// The index cannot be written.
    #[error("the medium's index: {0}")]
    Index(#[from] apk::package::PackageError),
}

/// The root as it was before the declaration's own additions: what each path held.
pub(crate) struct Before(BTreeMap<PathBuf, (EntryKind, u32, String)>);

impl Before {
    /// Notes what a root holds.
    pub(crate) fn of(root: &Path) -> Result<Before, Error> {
        let mut all = BTreeMap::new();
        for entry in tree::read(root, None)? {
            let sum = sum(&entry)?;
            all.insert(entry.path, (entry.kind, entry.mode, sum));
        }
        Ok(Before(all))
    }

    /// What is new or other now, with the folders above it.
    fn changed(&self, now: &[Entry]) -> Result<Vec<Entry>, Error> {
        let mut changed = Vec::new();
        for entry in now {
            let same = match self.0.get(&entry.path) {
                None => false,
                Some((kind, mode, before)) => {
                    *kind == entry.kind && *mode == entry.mode && *before == sum(entry)?
                }
            };
            if !same {
                changed.push(entry.path.clone());
            }
        }
        Ok(now
            .iter()
            .filter(|entry| changed.iter().any(|path| path.starts_with(&entry.path)))
            .cloned()
            .collect())
    }
}

fn sum(entry: &Entry) -> Result<String, Error> {
    match &entry.kind {
        EntryKind::File { source, .. } => digest::of_file(source).map_err(Error::io(source)),
        _ => Ok(String::new()),
    }
}

impl Made<'_> {
    /// Makes the medium.
    pub(crate) fn medium(
        &self,
        kernel: &Kernel,
        before: &Before,
        packages: &[(PathBuf, apk::record::Record)],
        progress: &mut dyn FnMut(Step),
    ) -> Result<Output, Error> {
        progress(Step::Boot);
        let flavour = &kernel.flavour;
        let stage = self.work.join("medium");
        let boot = stage.join("boot");
        fs::create_dir_all(&boot).map_err(Error::io(&boot))?;
        let modloop = boot.join(format!("modloop-{flavour}"));
        self::modloop(self.root, &modloop, self.inputs.epoch).map_err(MediumError::from)?;
        let sum = digest::of_file(&modloop).map_err(Error::io(&modloop))?;
        let contents = self.contents(before, &sum)?;
        let (bzimage, ramfs) = self.boot_files(kernel, contents)?;
        let kernel_file = boot.join(format!("vmlinuz-{flavour}"));
        let ramfs_file = boot.join(format!("initramfs-{flavour}"));
        fs::write(&kernel_file, &bzimage).map_err(Error::io(&kernel_file))?;
        fs::write(&ramfs_file, &ramfs).map_err(Error::io(&ramfs_file))?;
        progress(Step::Write);
        self.repository(&stage.join("apks"), packages)?;
        let cmdline = format!("modloop=/boot/modloop-{flavour} {}", kernel.cmdline.trim());
        let image = if self.inputs.spec.kind == Kind::Iso {
            progress(Step::Disk);
            let uki = self.uki(&cmdline, &bzimage, &ramfs)?;
            self.iso(&stage, flavour, &cmdline, &uki)?
        } else {
            let script = ipxe(flavour, self.inputs.arch, kernel.cmdline.trim());
            let path = stage.join("boot.ipxe");
            fs::write(&path, script).map_err(Error::io(&path))?;
            self.tar(&stage)?
        };
        let copy = |from: &Path, ending: &str| {
            let to = self.work.join(ending);
            fs::copy(from, &to).map_err(Error::io(from))?;
            self.publish(&to, ending)
        };
        let mut output = self.output(image)?;
        output.kernel = Some(copy(&kernel_file, "vmlinuz")?);
        output.initramfs = Some(copy(&ramfs_file, "initramfs")?);
        copy(&modloop, "modloop")?;
        output.cmdline = Some(cmdline);
        Ok(output)
    }

    /// What the initramfs holds beside `early` and the modules: the package manager, the userland with all its names,
    /// keys, the declaration's overlay and the modloop's checksum.
    fn contents(&self, before: &Before, modloop: &str) -> Result<Contents, Error> {
        let mut contents = Contents::default();
        for folder in ["etc", "root", "tmp", "var"] {
            contents.folder(folder);
        }
        let wanted = [
            "sbin/apk",
            "bin/toolbox",
            "usr/share/udhcpc/default.script",
            "etc/ssl/certs/ca-certificates.crt",
            "etc/nsswitch.conf",
        ];
        for entry in self.entries {
            let Some(path) = entry.path.to_str() else {
                continue;
            };
            let key = path.starts_with("etc/apk/keys/");
            match &entry.kind {
                EntryKind::File { source, .. } if key || wanted.contains(&path) => {
                    let bytes = fs::read(source).map_err(Error::io(source))?;
                    contents.file(path, entry.mode, bytes);
                }
                EntryKind::Link(target) => {
                    let name = target.file_name().and_then(OsStr::to_str);
                    let in_path = ["bin/", "sbin/", "usr/bin/", "usr/sbin/"]
                        .iter()
                        .any(|folder| path.starts_with(folder));
                    if let (true, Some("toolbox" | "apk"), Some(target)) =
                        (in_path, name, target.to_str())
                    {
                        contents.link(path, target);
                    }
                }
                _ => {}
            }
        }
        let overlay = self.overlay(before)?;
        contents.file("etc/early/default.apkovl.tar.gz", 0o600, overlay);
        contents.file(
            "etc/early/modloop.sha256",
            0o644,
            modloop.as_bytes().to_vec(),
        );
        Ok(contents)
    }

    /// What the declaration adds to the packages, and the world.
    fn overlay(&self, before: &Before) -> Result<Vec<u8>, Error> {
        let spec = self.inputs.spec;
        let world = self.work.join("world");
        let mut names = spec.contents.packages.clone();
        names.sort();
        let text: String = names.iter().map(|name| format!("{name}\n")).collect();
        fs::write(&world, &text).map_err(Error::io(&world))?;
        let size = text.len() as u64;
        // Without repositories of its own, the system's are those of the medium, which only early knows.
        let own_repositories =
            !spec.contents.repositories.is_empty() || !self.inputs.more_repositories.is_empty();
        let mut entries = before.changed(self.entries)?;
        entries.retain(|entry| {
            let path = entry.path.as_path();
            let skipped = path == Path::new("etc/apk/repositories") && !own_repositories;
            !skipped && path != Path::new("etc/apk/world")
        });
        let apk = entries
            .iter()
            .rposition(|entry| entry.path.starts_with("etc/apk"));
        let at = apk.map_or(entries.len(), |at| at + 1);
        entries.insert(
            at,
            Entry {
                path: "etc/apk/world".into(),
                kind: EntryKind::File {
                    source: world.clone(),
                    size,
                },
                mode: 0o644,
                uid: 0,
                gid: 0,
            },
        );
        let mut bytes = Vec::new();
        archive::write_tar_gz(&entries, self.inputs.epoch, &mut bytes)
            .map_err(Error::io(&world))?;
        Ok(bytes)
    }

    /// The medium's repository: the packages' files, and an index of these.
    fn repository(
        &self,
        folder: &Path,
        packages: &[(PathBuf, apk::record::Record)],
    ) -> Result<(), Error> {
        let key = self.inputs.key.ok_or(MediumError::NoKey)?;
        let below = folder.join(self.inputs.arch);
        fs::create_dir_all(&below).map_err(Error::io(&below))?;
        let mark = folder.join(".boot_repository");
        fs::write(&mark, "").map_err(Error::io(&mark))?;
        let mut records = Vec::new();
        for (file, record) in packages {
            let to = below.join(record.file_name());
            fs::copy(file, &to).map_err(Error::io(file))?;
            records.push(record.clone());
        }
        records.sort_by(|a, b| (&a.name, a.version.as_str()).cmp(&(&b.name, b.version.as_str())));
        let index = apk::index::Index {
            description: format!(
                "Ferrata Linux {}, {}",
                self.inputs.version, self.inputs.arch
            ),
            packages: records,
        };
        let sign = |bytes: &[u8]| Ok(Some(key.sign(apk::keys::Algorithm::RsaSha256, bytes)?));
        let bytes = index
            .write(self.inputs.epoch, &sign)
            .map_err(MediumError::from)?;
        let path = below.join("APKINDEX.tar.gz");
        fs::write(&path, bytes).map_err(Error::io(&path))
    }

    /// A disc that is a disk as well: for BIOS and UEFI, burnt or copied to a stick.
    fn iso(
        &self,
        stage: &Path,
        flavour: &str,
        cmdline: &str,
        uki: &[u8],
    ) -> Result<PathBuf, Error> {
        let loader = stage.join("boot/syslinux");
        fs::create_dir_all(&loader).map_err(Error::io(&loader))?;
        for (from, package) in [
            (ISOLINUX, "isolinux"),
            (LDLINUX, "syslinux-common"),
            (HYBRID, "isolinux"),
        ] {
            if !Path::new(from).exists() {
                return Err(MediumError::NoLoader(from, package).into());
            }
            if from != HYBRID {
                let to = loader.join(Path::new(from).file_name().unwrap_or_default());
                fs::copy(from, &to).map_err(Error::io(&to))?;
            }
        }
        let menu = loader.join("syslinux.cfg");
        fs::write(&menu, syslinux(flavour, cmdline, "/boot/")).map_err(Error::io(&menu))?;
        let efi = stage.join("boot/efi.img");
        // The program, the file system's own tables, and what is left over of the last MiB.
        let mib = (uki.len() as u64 >> 20) + 3;
        let bytes =
            disk::fat(mib.max(8), uki, &[], self.identity().serial).map_err(Error::io(&efi))?;
        fs::write(&efi, bytes).map_err(Error::io(&efi))?;
        let file = self.work.join("iso");
        let times = format!("={}", self.inputs.epoch);
        let words = [
            "-as",
            "mkisofs",
            "-quiet",
            "-r",
            "-V",
            "FERRATA",
            "--set_all_file_dates",
            &times,
            "-o",
        ];
        let mut arguments: Vec<&OsStr> = words.iter().map(OsStr::new).collect();
        arguments.push(file.as_os_str());
        let words = [
            "-b",
            "boot/syslinux/isolinux.bin",
            "-c",
            "boot/syslinux/boot.cat",
            "-no-emul-boot",
            "-boot-load-size",
            "4",
            "-boot-info-table",
            "-isohybrid-mbr",
            HYBRID,
            "-eltorito-alt-boot",
            "-e",
            "boot/efi.img",
            "-no-emul-boot",
            "-isohybrid-gpt-basdat",
        ];
        arguments.extend(words.iter().map(OsStr::new));
        arguments.push(stage.as_os_str());
        tools::run("xorriso", "xorriso", self.inputs.epoch, &arguments, b"")
            .map_err(MediumError::from)?;
        self.publish(&file, "iso")
    }

    /// Everything in one tar, to be unpacked where a server for TFTP or HTTP finds it.
    fn tar(&self, stage: &Path) -> Result<PathBuf, Error> {
        let file = self.work.join("tar");
        let mut entries = tree::read(stage, None)?;
        for entry in &mut entries {
            (entry.uid, entry.gid) = (0, 0);
            entry.mode = if entry.kind == EntryKind::Folder {
                0o755
            } else {
                0o644
            };
        }
        let write = || -> io::Result<()> {
            let out = BufWriter::new(File::create(&file)?);
            archive::write_tar(&entries, self.inputs.epoch, out)?.flush()
        };
        write().map_err(Error::io(&file))?;
        self.publish(&file, "netboot.tar")
    }
}

/// The modules as squashfs.
fn modloop(root: &Path, file: &Path, epoch: u64) -> Result<(), ToolError> {
    let modules = root.join("lib/modules");
    let firmware = root.join("lib/firmware");
    let mut arguments = vec![modules.as_os_str()];
    if firmware.is_dir() {
        arguments.push(firmware.as_os_str());
    }
    arguments.push(file.as_os_str());
    // The times are SOURCE_DATE_EPOCH's, which it reads by itself.
    let options = [
        "-keep-as-directory",
        "-root-mode",
        "0755",
        "-noappend",
        "-all-root",
        "-no-xattrs",
        "-no-progress",
        "-quiet",
        "-comp",
        "zstd",
        "-Xcompression-level",
        "19",
    ];
    arguments.extend(options.iter().map(OsStr::new));
    tools::run("mksquashfs", "squashfs-tools", epoch, &arguments, b"").map(drop)
}

/// The boot loader's configuration: it says what it does, and takes words at its prompt.
pub(crate) fn syslinux(flavour: &str, cmdline: &str, folder: &str) -> String {
    let serial = if cmdline.contains("console=ttyS0") {
        "SERIAL 0 115200\n"
    } else {
        ""
    };
    format!(
        "{serial}DEFAULT ferrata\nPROMPT 0\nTIMEOUT 10\n\nLABEL ferrata\n\
         \tLINUX {folder}vmlinuz-{flavour}\n\tINITRD {folder}initramfs-{flavour}\n\tAPPEND {cmdline}\n"
    )
}

/// A kernel's command line for a system whose medium is at an address.
pub fn over_network(cmdline: &str, address: &str) -> String {
    let cmdline = match cmdline.strip_prefix("modloop=") {
        Some(rest) => format!("modloop={address}{rest}"),
        None => cmdline.to_owned(),
    };
    format!("ip=dhcp alpine_repo={address}/apks {cmdline}")
}

/// A script for iPXE, which fetches everything from where it was fetched itself.
fn ipxe(flavour: &str, arch: &str, cmdline: &str) -> String {
    format!(
        "#!ipxe\n# Packages of {arch}, kernel and modules lie beside this script; set base to another address if need be.\n\
         isset ${{base}} || set base ${{cwduri}}\n\
         kernel ${{base}}boot/vmlinuz-{flavour} initrd=initramfs-{flavour} ip=dhcp alpine_repo=${{base}}apks \
         modloop=${{base}}boot/modloop-{flavour} {cmdline}\n\
         initrd ${{base}}boot/initramfs-{flavour}\nboot\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn only_what_the_declaration_changed_is_in_the_overlay() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for folder in ["etc/a", "etc/b", "usr"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        for file in ["etc/a/same", "etc/a/mode", "etc/b/x", "usr/y"] {
            fs::write(root.join(file), "1").unwrap();
        }
        let before = Before::of(root).unwrap();
        let read = || tree::read(root, None).unwrap();
        assert!(before.changed(&read()).unwrap().is_empty());
        fs::set_permissions(root.join("etc/a/mode"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(root.join("usr/y"), "2").unwrap();
        std::os::unix::fs::symlink("y", root.join("usr/z")).unwrap();
        let changed = before.changed(&read()).unwrap();
        let paths: Vec<_> = changed.iter().map(|e| e.path.to_str().unwrap()).collect();
        assert_eq!(
            paths,
            ["etc", "etc/a", "etc/a/mode", "usr", "usr/y", "usr/z"]
        );
    }

    #[test]
    fn boot_loaders_are_told_the_same() {
        let text = syslinux("virt", "quiet console=ttyS0", "/boot/");
        assert!(text.starts_with("SERIAL 0 115200\n"));
        assert!(text.contains("\tLINUX /boot/vmlinuz-virt\n\tINITRD /boot/initramfs-virt\n"));
        assert!(text.ends_with("\tAPPEND quiet console=ttyS0\n"));
        assert!(!syslinux("virt", "quiet", "/").contains("SERIAL"));
        assert_eq!(
            over_network("modloop=/boot/modloop-virt quiet", "http://h"),
            "ip=dhcp alpine_repo=http://h/apks modloop=http://h/boot/modloop-virt quiet"
        );
        assert!(ipxe("virt", "x86_64", "quiet").starts_with("#!ipxe\n"));
    }

    #[test]
    fn a_modloop_holds_its_modules_and_is_the_same_twice() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("lib/modules/6.0/modules.dep");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "").unwrap();
        let (one, two) = (dir.path().join("1"), dir.path().join("2"));
        modloop(dir.path(), &one, 1_700_000_000).unwrap();
        modloop(dir.path(), &two, 1_700_000_000).unwrap();
        assert!(fs::read(&one).unwrap() == fs::read(&two).unwrap());
        let listed = tools::run(
            "unsquashfs",
            "squashfs-tools",
            0,
            &[OsStr::new("-l"), one.as_os_str()],
            b"",
        );
        assert!(listed.unwrap().0.contains("/modules/6.0/modules.dep"));
    }
}

//! From packages to images.
//!
//! ```text
//! images/NAME.yaml ──[spec]──▶ Spec
//! Spec + repository ──[root]──▶ a root folder: packages installed by the apk crate, services, files
//! root folder ──[tree]──▶ sorted entries with owners
//! entries ──[archive]────▶ tar.gz                                     (kind: rootfs)
//!         ──oci──────────▶ OCI layout in a tar                        (kind: container)
//!         ──[ext4]──▶ [disk] ◀──[uki]◀── kernel, [initramfs], stub    (kind: disk)
//!         ──medium──▶ kernel, initramfs, modloop, packages            (kinds: iso, netboot)
//! ```
//!
//! The same inputs give the same bytes: names, order, times, identifiers all come from the inputs. No step needs
//! a mount, a loop device or root's rights: what an ordinary user cannot own on the host, only the image records.
//!
//! Beside the image lie its [lock file](bill), its bill of materials and its checksum.
//!
//! *Invariant:* an image never holds a password or a private key.

pub mod archive;
pub mod bill;
mod digest;
pub mod disk;
pub mod ext4;
pub mod initramfs;
mod medium;
mod oci;
pub mod root;
pub mod spec;
pub mod tools;
pub mod tree;
pub mod uki;

pub use medium::over_network;

use sha2::{Digest, Sha256};
use spec::{Kernel, Kind, PathSpec, Spec};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// What an image is made from, beside its declaration.
#[derive(Clone, Debug)]
pub struct Inputs<'a> {
    /// The image's name: `minirootfs`, `virt`.
    pub name: &'a str,
    /// Its declaration.
    pub spec: &'a Spec,
    /// The repository: the folder that holds the folder of the architecture.
    pub repository: &'a Path,
    /// The folder with the public keys that the repository's index is signed by.
    pub keys: &'a Path,
    /// The architecture, as apk names it.
    pub arch: &'a str,
    /// The release, for the file names.
    pub version: &'a str,
    /// Every time stamp in the image, in seconds since 1970.
    pub epoch: u64,
    /// Paths added to those of the declaration: what differs from user to user, such as an ssh key.
    pub more_paths: &'a [PathSpec],
    /// Repositories added to those of the declaration.
    pub more_repositories: &'a [String],
    /// The packages to take, instead of the newest that go together.
    pub locked: Option<&'a bill::Lock>,
    /// Folders where locked packages may lie that the repository no longer has.
    pub more_packages: &'a [PathBuf],
    /// systemd's EFI stub, for disks and discs.
    pub stub: &'a Path,
    /// What signs the index of a medium's packages, for the kinds that hold a repository.
    pub key: Option<&'a apk::keys::PrivateKey>,
    /// Where the image goes.
    pub out: &'a Path,
}

/// A step of the work, for whoever shows progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The packages are installed into the root.
    Install,
    /// The root's file is written.
    Write,
    /// The kernel and the initramfs are put together.
    Boot,
    /// The disk is put together.
    Disk,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The image.
    pub image: PathBuf,
    /// The kernel, for kinds that boot.
    pub kernel: Option<PathBuf>,
    /// The initramfs, for kinds that boot.
    pub initramfs: Option<PathBuf>,
    /// The kernel's command line, for kinds that boot.
    pub cmdline: Option<String>,
    /// What the files of the root take together, in bytes.
    pub unpacked: u64,
    /// The image's own size in bytes: what it takes on the disk where it has holes, and of a container its layer.
    pub packed: u64,
    /// The lock file.
    pub lock: Option<PathBuf>,
    /// The packages, with what each takes installed, in bytes; the largest first.
    pub packages: Vec<(String, u64)>,
}

/// Why an image was not made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The root could not be filled.
    #[error(transparent)]
    Root(#[from] root::RootError),
    /// The root could not be read.
    #[error(transparent)]
    Tree(#[from] tree::TreeError),
    /// The initramfs could not be made.
    #[error(transparent)]
    Initramfs(#[from] initramfs::InitramfsError),
    /// The unified kernel image could not be made.
    #[error(transparent)]
    Uki(#[from] uki::UkiError),
    /// The root's file system could not be made.
    #[error(transparent)]
    Ext4(#[from] ext4::Ext4Error),
    /// The disk could not be made.
    #[error(transparent)]
    Disk(#[from] disk::DiskError),
    /// The medium could not be made.
    #[error(transparent)]
    Medium(#[from] medium::MediumError),
    /// The lock file does not fit.
    #[error(transparent)]
    Lock(#[from] bill::LockError),
    /// A file of the host could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The packages hold no such kernel.
    #[error(
        "no kernel {0} among the image's packages: expected /boot/vmlinuz-{0} and one folder in /lib/modules"
    )]
    NoKernel(String),
}

impl Error {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Error + '_ {
        move |source| Error::Io {
            path: path.to_owned(),
            source,
        }
    }
}

/// Where the package `early` has its program.
const EARLY: &str = "usr/libexec/ferrata/early";

/// Makes an image. Nothing is left under its name unless it is whole.
pub fn build(inputs: &Inputs<'_>, progress: &mut dyn FnMut(Step)) -> Result<Output, Error> {
    std::fs::create_dir_all(inputs.out).map_err(Error::io(inputs.out))?;
    let work = tempfile::Builder::new()
        .prefix(".image-")
        .tempdir_in(inputs.out)
        .map_err(Error::io(inputs.out))?;
    progress(Step::Install);
    let stem = format!("ferrata-{}-{}-{}", inputs.name, inputs.version, inputs.arch);
    let lock = inputs.out.join(format!("{stem}.lock.json"));
    let declaration = digest::of(format!("{:?}", inputs.spec).as_bytes());
    if let Some(locked) = inputs.locked {
        locked.check(&lock, &declaration)?;
    }
    let folder = work.path().join("root");
    let installed = root::install(inputs, &folder)?;
    let before = match inputs.spec.kind {
        Kind::Iso | Kind::Netboot => Some(medium::Before::of(&folder)?),
        _ => None,
    };
    let filled = root::complete(inputs, installed, &folder)?;
    let entries = tree::read(&filled.folder, filled.owners.as_ref())?;
    let made = Made {
        inputs,
        work: work.path(),
        root: &filled.folder,
        entries: &entries,
        stem: &stem,
    };
    let mut output = match (inputs.spec.kind, &inputs.spec.kernel, &inputs.spec.disk) {
        (Kind::Disk, Some(kernel), Some(size)) => made.disk(kernel, size, progress)?,
        (Kind::Container, ..) => made.container(progress)?,
        (Kind::Iso | Kind::Netboot, Some(kernel), _) => {
            let packages = root::on_medium(inputs, &filled)?;
            let none = || Error::NoKernel(kernel.flavour.clone());
            made.medium(
                kernel,
                before.as_ref().ok_or_else(none)?,
                &packages,
                progress,
            )?
        }
        _ => made.rootfs(progress)?,
    };
    made.accompany(&output.image, &declaration, &filled.packages)?;
    output.lock = Some(lock);
    output.packages = filled
        .packages
        .iter()
        .map(|(record, _)| (record.full_name(), record.installed_size))
        .collect();
    output
        .packages
        .sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    Ok(output)
}

/// What stands when the root is filled.
struct Made<'a> {
    inputs: &'a Inputs<'a>,
    work: &'a Path,
    root: &'a Path,
    entries: &'a [tree::Entry],
    stem: &'a str,
}

impl Made<'_> {
    fn rootfs(&self, progress: &mut dyn FnMut(Step)) -> Result<Output, Error> {
        progress(Step::Write);
        let file = self.work.join("root.tar.gz");
        let write = || {
            let mut out = BufWriter::new(File::create(&file)?);
            archive::write_tar_gz(self.entries, self.inputs.epoch, &mut out)?;
            out.flush()
        };
        write().map_err(Error::io(&file))?;
        let image = self.publish(&file, "tar.gz")?;
        self.output(image)
    }

    fn container(&self, progress: &mut dyn FnMut(Step)) -> Result<Output, Error> {
        progress(Step::Write);
        let file = self.work.join("image.tar");
        let named = oci::Named {
            name: &format!("ferrata-{}", self.inputs.name),
            version: self.inputs.version,
            arch: self.inputs.arch,
            epoch: self.inputs.epoch,
        };
        let layer = oci::write(&named, self.inputs.spec, self.entries, self.work, &file)
            .map_err(Error::io(&file))?;
        let image = self.publish(&file, "oci.tar")?;
        let mut output = self.output(image)?;
        output.packed = layer;
        Ok(output)
    }

    /// Writes what goes with the image: its lock file, its bill of materials, its checksum as `sha256sum -c` reads it.
    fn accompany(
        &self,
        image: &Path,
        declaration: &str,
        packages: &[(apk::record::Record, String)],
    ) -> Result<(), Error> {
        let Inputs {
            name,
            arch,
            version,
            epoch,
            ..
        } = *self.inputs;
        let sha256 = digest::of_file(image).map_err(Error::io(image))?;
        let lock = bill::Lock::new(name, arch, declaration, packages)
            .text()
            .map_err(|error| Error::io(image)(error.into()))?;
        let spdx = bill::spdx(name, arch, version, epoch, &sha256, packages);
        let file = image.file_name().unwrap_or_default().display();
        let sum = format!("{sha256}  {file}\n");
        for (ending, text) in [("lock.json", lock), ("spdx.json", spdx), ("sha256", sum)] {
            let path = self.work.join(ending);
            std::fs::write(&path, text).map_err(Error::io(&path))?;
            self.publish(&path, ending)?;
        }
        Ok(())
    }

    fn disk(
        &self,
        kernel: &Kernel,
        size: &spec::Disk,
        progress: &mut dyn FnMut(Step),
    ) -> Result<Output, Error> {
        progress(Step::Boot);
        let epoch = self.inputs.epoch;
        let (bzimage, ramfs) = self.boot_files(kernel, initramfs::Contents::default())?;
        let id = self.identity();
        let cmdline = format!("root=PARTUUID={} {}", id.root, kernel.cmdline.trim());
        let boot = self.uki(&cmdline, &bzimage, &ramfs)?;
        progress(Step::Write);
        let root_file = self.work.join("root.ext4");
        ext4::write(
            self.entries,
            &root_file,
            disk::root_mib(size.size, size.esp),
            &self.uuid("root fs"),
            epoch,
        )?;
        progress(Step::Disk);
        let file = self.work.join("disk");
        let flavour = &kernel.flavour;
        let names = [format!("vmlinuz-{flavour}"), format!("initramfs-{flavour}")];
        let menu = medium::syslinux(flavour, &cmdline, "/");
        let files: [(&str, &[u8]); 3] = [
            (&names[0], &bzimage),
            (&names[1], &ramfs),
            ("syslinux.cfg", menu.as_bytes()),
        ];
        let how = disk::Boot {
            uefi: &boot,
            bios: size.bios.then_some(&files),
        };
        disk::write(&file, size.size, size.esp, how, &root_file, &id, epoch)?;
        let (kernel_file, ramfs_file) = (self.work.join("kernel"), self.work.join("initramfs"));
        std::fs::write(&kernel_file, &bzimage).map_err(Error::io(&kernel_file))?;
        std::fs::write(&ramfs_file, &ramfs).map_err(Error::io(&ramfs_file))?;
        let kernel_file = self.publish(&kernel_file, "vmlinuz")?;
        let ramfs_file = self.publish(&ramfs_file, "initramfs")?;
        let image = self.publish(&file, "img")?;
        let mut output = self.output(image)?;
        (output.kernel, output.initramfs, output.cmdline) =
            (Some(kernel_file), Some(ramfs_file), Some(cmdline));
        Ok(output)
    }

    /// The kernel, and its initramfs with what it holds beside.
    fn boot_files(
        &self,
        kernel: &Kernel,
        contents: initramfs::Contents,
    ) -> Result<(Vec<u8>, Vec<u8>), Error> {
        let none = || Error::NoKernel(kernel.flavour.clone());
        let vmlinuz = self
            .root
            .join("boot")
            .join(format!("vmlinuz-{}", kernel.flavour));
        let modules = only_folder(&self.root.join("lib/modules")).ok_or_else(none)?;
        let bzimage = std::fs::read(&vmlinuz).map_err(|_| none())?;
        let below = Path::new("lib/modules").join(modules);
        let (early, epoch) = (Path::new(EARLY), self.inputs.epoch);
        let ramfs = initramfs::build(self.root, early, &below, &kernel.modules, contents, epoch)?;
        Ok((bzimage, ramfs))
    }

    /// Kernel, initramfs and command line as one program for UEFI.
    fn uki(&self, cmdline: &str, bzimage: &[u8], ramfs: &[u8]) -> Result<Vec<u8>, Error> {
        let stub = self.inputs.stub;
        let stub_bytes = std::fs::read(stub).map_err(Error::io(stub))?;
        let os_release = std::fs::read(self.root.join("etc/os-release")).unwrap_or_default();
        Ok(uki::build(
            &stub_bytes,
            &[
                (".osrel", &os_release),
                (".cmdline", cmdline.as_bytes()),
                (".linux", bzimage),
                (".initrd", ramfs),
            ],
        )?)
    }

    /// Moves a finished file to its name.
    fn publish(&self, file: &Path, ending: &str) -> Result<PathBuf, Error> {
        let target = self.inputs.out.join(format!("{}.{ending}", self.stem));
        std::fs::rename(file, &target).map_err(Error::io(&target))?;
        Ok(target)
    }

    fn output(&self, image: PathBuf) -> Result<Output, Error> {
        use std::os::unix::fs::MetadataExt;
        let meta = image.metadata().map_err(Error::io(&image))?;
        Ok(Output {
            packed: meta.len().min(meta.blocks() * 512),
            image,
            kernel: None,
            initramfs: None,
            cmdline: None,
            unpacked: tree::file_bytes(self.entries),
            lock: None,
            packages: Vec::new(),
        })
    }

    fn identity(&self) -> disk::Identity {
        disk::Identity {
            disk: self.uuid("disk"),
            esp: self.uuid("esp"),
            root: self.uuid("root"),
            serial: u32::from_str_radix(self.uuid("fat").get(..8).unwrap_or_default(), 16)
                .unwrap_or(1),
        }
    }

    /// A UUID (RFC 9562, version 8) out of what the image is: the same image has the same.
    fn uuid(&self, what: &str) -> String {
        let mut hash = Sha256::new();
        for part in [self.stem, what] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        let mut bytes: [u8; 32] = hash.finalize().into();
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex: String = bytes
            .iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!(
            "{}-{}-{}-{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..]
        )
    }
}

/// The name of the one folder in `folder`.
fn only_folder(folder: &Path) -> Option<std::ffi::OsString> {
    let mut names = std::fs::read_dir(folder)
        .ok()?
        .flatten()
        .filter(|entry| entry.path().is_dir());
    match (names.next(), names.next()) {
        (Some(only), None) => Some(only.file_name()),
        _ => None,
    }
}

//! `ferrata boot`: everything from source to a login prompt in QEMU.

use super::image::Extras;
use crate::context::Context;
use crate::qemu::{self, Drive, Firmware, Machine};
use crate::show;
use anyhow::{Context as _, Result, bail};
use clap::Args;
use image::Output;
use image::spec::{Kind, PathKind, PathSpec, Spec};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;
use tempfile::TempDir;

/// The guest's address of the repository: QEMU answers there with `ferrata __http`.
const REPOSITORY: &str = "http://10.0.2.100";

/// Builds the packages and the image of a virtual machine, as far as they are not built, and starts it in QEMU with
/// its console on this terminal. Log in as root; there is no password on the console. What you change in the machine
/// stays until the image changes or --fresh is given. Ctrl-A X ends QEMU the hard way, `poweroff` the right one.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The image: one of kind disk, iso or netboot.
    #[arg(default_value = "virt")]
    image: String,
    /// Start from the image as it was built: forget what was changed in the machine.
    #[arg(long)]
    fresh: bool,
    /// Boot through UEFI (OVMF) from the disk or disc alone, instead of giving QEMU the kernel.
    #[arg(long)]
    uefi: bool,
    /// Boot through BIOS from the disk or disc alone, or from the network.
    #[arg(long, conflicts_with = "uefi")]
    bios: bool,
    /// Give the machine an image of kind iso as a stick instead of a disc.
    #[arg(long)]
    stick: bool,
    /// Words to add to the kernel's command line, where QEMU is given the kernel.
    #[arg(long, conflicts_with_all = ["uefi", "bios"], allow_hyphen_values = true)]
    append: Option<String>,
    /// Memory in MiB.
    #[arg(long, default_value_t = 256)]
    memory: u32,
    /// The host's port on 127.0.0.1 that leads to ssh in the guest; 0: the first free one from 2222.
    #[arg(long, default_value_t = 0)]
    ssh_port: u16,
    /// Keep nothing of what is changed in the machine, and leave the disk of other runs alone.
    #[arg(long, conflicts_with = "fresh")]
    temporary: bool,
    /// Keep the machine's disk in this file instead of dist/boot; it is made if it is not there. With an image that runs
    /// from memory: a raw disk that the machine has beside.
    #[arg(long, conflicts_with_all = ["fresh", "temporary"])]
    disk: Option<PathBuf>,
    /// Count the guest's time in instructions instead of by the clock: the same on every host, for measuring.
    #[arg(long)]
    counted: bool,
    /// Build everything and print QEMU's command line instead of running it.
    #[arg(long)]
    dry_run: bool,
}

/// Runs the machine until it ends.
pub fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode> {
    let start = Instant::now();
    eprintln!("{}", super::build::all(context)?);
    let spec = super::image::load(context, &arguments.image)?;
    let guest = Guest::prepare(context, &spec, arguments)?;
    let machine = guest.machine(context, arguments)?;
    if arguments.dry_run {
        for word in machine.arguments()? {
            println!("{}", word.display());
        }
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(port) = machine.ssh_port {
        let key = context.config.join("ssh_key");
        eprintln!(
            "ssh:  ssh -i {} -p {port} root@127.0.0.1   (once dropbear runs in the guest)",
            key.display()
        );
    }
    eprintln!(
        "repo: {REPOSITORY} in the guest is {}",
        context.short(&context.repository()).display()
    );
    eprintln!(
        "QEMU starts after {}; Ctrl-A X ends it",
        show::seconds(start.elapsed())
    );
    let status = machine
        .command()?
        .status()
        .with_context(|| format!("{} (package qemu-system-x86)", qemu::PROGRAM))?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// An image, and what the machine has of it.
struct Guest {
    kind: Kind,
    image: Output,
    drives: Vec<Drive>,
    /// The folder that the guest sees at [`REPOSITORY`].
    served: PathBuf,
    /// What goes when the machine has ended.
    _temporary: Option<TempDir>,
}

impl Guest {
    /// Makes the image where its inputs changed, and the disk where there is none for it.
    fn prepare(context: &Context, spec: &Spec, arguments: &Arguments) -> Result<Guest> {
        if !matches!(spec.kind, Kind::Disk | Kind::Iso | Kind::Netboot) {
            bail!("the image {} is none that boots", arguments.image);
        }
        let folder = context.dist.join("boot");
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let (image, is_new) = image(context, spec, &arguments.image, &folder)?;
        let mut guest = Guest {
            kind: spec.kind,
            drives: Vec::new(),
            served: context.repository(),
            _temporary: None,
            image,
        };
        match spec.kind {
            Kind::Disk => guest.add_disk(arguments, &folder, is_new)?,
            Kind::Iso => guest.drives.push(Drive {
                file: guest.image.image.clone(),
                format: "raw",
                disc: !arguments.stick,
            }),
            _ => {
                let place =
                    tempfile::tempdir_in(&folder).with_context(|| folder.display().to_string())?;
                unpack(&guest.image.image, place.path())?;
                guest.served = place.path().to_owned();
                guest._temporary = Some(place);
            }
        }
        if let (Some(file), true) = (&arguments.disk, spec.kind != Kind::Disk) {
            guest.drives.push(Drive {
                file: file.clone(),
                format: "raw",
                disc: false,
            });
        }
        Ok(guest)
    }

    /// The disk with what differs from the image.
    fn add_disk(&mut self, arguments: &Arguments, folder: &Path, is_new: bool) -> Result<()> {
        let name = match arguments.image.as_str() {
            "virt" => "disk",
            name => name,
        };
        let mut disk = folder.join(format!("{name}.qcow2"));
        if disk.exists() && (is_new || arguments.fresh) {
            if is_new {
                eprintln!(
                    "the image is new: the machine starts from it, and what was changed in the old one is gone"
                );
            }
            std::fs::remove_file(&disk).with_context(|| disk.display().to_string())?;
        }
        if let Some(own) = &arguments.disk {
            disk.clone_from(own);
        }
        if arguments.temporary {
            let place =
                tempfile::tempdir_in(folder).with_context(|| folder.display().to_string())?;
            disk = place.path().join("disk.qcow2");
            self._temporary = Some(place);
        }
        if !disk.exists() {
            overlay(&self.image.image, &disk)?;
        }
        self.drives.push(Drive {
            file: disk,
            format: "qcow2",
            disc: false,
        });
        Ok(())
    }

    fn firmware(&self, arguments: &Arguments) -> Result<Firmware> {
        let Output {
            kernel: Some(kernel),
            initramfs: Some(initramfs),
            cmdline: Some(cmdline),
            ..
        } = &self.image
        else {
            bail!("the image {} holds no kernel", arguments.image);
        };
        if arguments.uefi {
            if self.kind == Kind::Netboot {
                bail!(
                    "an image for the network starts by BIOS here, or with QEMU loading the kernel"
                );
            }
            return Ok(Firmware::Uefi(qemu::ovmf()?));
        }
        if arguments.bios {
            return Ok(match self.kind {
                Kind::Netboot => Firmware::Network(format!("{REPOSITORY}/boot.ipxe")),
                _ => Firmware::Bios,
            });
        }
        let mut cmdline = cmdline.clone();
        if self.kind == Kind::Netboot {
            cmdline = image::over_network(&cmdline, REPOSITORY);
        }
        for more in arguments.append.iter().map(String::as_str).chain(
            // Where the kernel lies changes how long it takes.
            arguments.counted.then_some("nokaslr"),
        ) {
            cmdline.push(' ');
            cmdline.push_str(more);
        }
        Ok(Firmware::Direct(kernel.clone(), initramfs.clone(), cmdline))
    }

    fn machine(&self, context: &Context, arguments: &Arguments) -> Result<Machine> {
        let kernel = self
            .image
            .kernel
            .as_ref()
            .context("the image holds no kernel")?;
        let this = std::env::current_exe().context("the path of this program")?;
        Ok(Machine {
            firmware: self.firmware(arguments)?,
            drives: self.drives.clone(),
            memory: arguments.memory,
            accelerator: if arguments.counted {
                "tcg"
            } else {
                qemu::accelerator(&context.cache, kernel)?
            },
            ssh_port: Some(match arguments.ssh_port {
                0 => qemu::free_port(2222)?,
                port => port,
            }),
            http: Some(vec![
                this.into(),
                "__http".into(),
                self.served.clone().into(),
            ]),
            counted: arguments.counted,
        })
    }
}

/// The image as it is now, made where its inputs changed; and whether it was.
fn image(context: &Context, spec: &Spec, name: &str, folder: &Path) -> Result<(Output, bool)> {
    let key = ssh_key(&context.config)?;
    let authorized = PathSpec {
        path: "/root/.ssh/authorized_keys".into(),
        kind: PathKind::File,
        source: None,
        content: Some(key),
        permissions: Some(0o600),
    };
    let extras = Extras {
        paths: vec![authorized],
        // What boots over the network finds its own repository there.
        repositories: match spec.kind {
            Kind::Netboot => Vec::new(),
            _ => vec![REPOSITORY.to_owned()],
        },
        lock: None,
    };
    let record = folder.join(match name {
        "virt" => "image.json".to_owned(),
        name => format!("{name}.json"),
    });
    let inputs = fingerprint(context, spec, &extras)?;
    let known: Option<Record> = std::fs::read(&record)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok());
    match known {
        Some(record) if record.inputs == inputs && record.is_whole() => {
            Ok((record.output(), false))
        }
        _ => {
            let made = super::image::make(context, name, spec, &extras, folder)?;
            super::image::print_sizes(context, &made);
            let text = serde_json::to_vec_pretty(&Record::new(inputs, &made)?)?;
            std::fs::write(&record, text).with_context(|| record.display().to_string())?;
            Ok((made, true))
        }
    }
}

/// Unpacks what a machine boots over the network.
fn unpack(archive: &Path, folder: &Path) -> Result<()> {
    let status = Command::new("tar")
        .arg("-xf")
        .arg(archive)
        .arg("-C")
        .arg(folder)
        .status()
        .context("tar")?;
    if !status.success() {
        bail!("{}: tar could not unpack it", archive.display());
    }
    Ok(())
}

/// What an image was made from and what came out, so that it is not made again.
#[derive(serde::Serialize, serde::Deserialize)]
struct Record {
    inputs: String,
    image: PathBuf,
    kernel: PathBuf,
    initramfs: PathBuf,
    cmdline: String,
}

impl Record {
    fn new(inputs: String, made: &Output) -> Result<Record> {
        let none = "the image holds no kernel";
        Ok(Record {
            inputs,
            image: made.image.clone(),
            kernel: made.kernel.clone().context(none)?,
            initramfs: made.initramfs.clone().context(none)?,
            cmdline: made.cmdline.clone().context(none)?,
        })
    }

    fn is_whole(&self) -> bool {
        [&self.image, &self.kernel, &self.initramfs]
            .iter()
            .all(|file| file.exists())
    }

    fn output(self) -> Output {
        Output {
            image: self.image,
            kernel: Some(self.kernel),
            initramfs: Some(self.initramfs),
            cmdline: Some(self.cmdline),
            unpacked: 0,
            lock: None,
            packed: 0,
            packages: Vec::new(),
        }
    }
}

/// A hash over all that the image is made from.
fn fingerprint(context: &Context, spec: &Spec, extras: &Extras) -> Result<String> {
    let index = context
        .repository()
        .join(&context.arch)
        .join("APKINDEX.tar.gz");
    let mut hash = Sha256::new();
    hash.update(std::fs::read(&index).with_context(|| index.display().to_string())?);
    hash.update(format!("{spec:?}{extras:?}{}", env!("CARGO_PKG_VERSION")));
    // The image builder itself is an input too.
    let program = std::env::current_exe().context("the path of this program")?;
    hash.update(std::fs::read(&program).with_context(|| program.display().to_string())?);
    Ok(hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// The public half of the key that ssh into the guest takes; made on first use.
fn ssh_key(config: &Path) -> Result<String> {
    let key = config.join("ssh_key");
    let public = config.join("ssh_key.pub");
    if !key.exists() {
        std::fs::create_dir_all(config).with_context(|| config.display().to_string())?;
        let status = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "ferrata", "-f"])
            .arg(&key)
            .status()
            .context("ssh-keygen (package openssh-client)")?;
        if !status.success() {
            bail!("ssh-keygen could not make {}", key.display());
        }
    }
    std::fs::read_to_string(&public).with_context(|| public.display().to_string())
}

/// A disk that holds only what differs from the image.
fn overlay(image: &Path, disk: &Path) -> Result<()> {
    let image = image
        .canonicalize()
        .with_context(|| image.display().to_string())?;
    let output = Command::new("qemu-img")
        .args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"])
        .arg(&image)
        .arg(disk)
        .output()
        .context("qemu-img (package qemu-utils)")?;
    if !output.status.success() {
        bail!(
            "qemu-img: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

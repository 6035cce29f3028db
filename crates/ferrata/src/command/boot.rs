//! `ferrata boot`: everything from source to a login prompt in QEMU.

use super::image::Extras;
use crate::context::Context;
use crate::qemu::{self, Firmware, Machine};
use crate::show;
use anyhow::{Context as _, Result, bail};
use clap::Args;
use image::Output;
use image::spec::{PathKind, PathSpec, Spec};
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
    /// Start from the image as it was built: forget what was changed in the machine.
    #[arg(long)]
    fresh: bool,
    /// Boot through UEFI (OVMF) from the disk alone, instead of giving QEMU the kernel.
    #[arg(long)]
    uefi: bool,
    /// Memory in MiB.
    #[arg(long, default_value_t = 256)]
    memory: u32,
    /// The host's port on 127.0.0.1 that leads to ssh in the guest; 0: the first free one from 2222.
    #[arg(long, default_value_t = 0)]
    ssh_port: u16,
    /// Keep nothing of what is changed in the machine, and leave the disk of other runs alone.
    #[arg(long, conflicts_with = "fresh")]
    temporary: bool,
    /// Keep the machine's disk in this file instead of dist/boot; it is made if it is not there.
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
    let spec = super::image::load(context, "virt")?;
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

/// The image of the virtual machine, and the disk that it runs from.
struct Guest {
    image: Output,
    disk: PathBuf,
    /// What goes when the machine has ended.
    _temporary: Option<TempDir>,
}

impl Guest {
    /// Makes the image where its inputs changed, and the disk where there is none for it.
    fn prepare(context: &Context, spec: &Spec, arguments: &Arguments) -> Result<Guest> {
        let folder = context.dist.join("boot");
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
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
            repositories: vec![REPOSITORY.to_owned()],
            lock: None,
        };
        let record = folder.join("image.json");
        let inputs = fingerprint(context, spec, &extras)?;
        let mut disk = folder.join("disk.qcow2");
        let known: Option<Record> = std::fs::read(&record)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let image = match known {
            Some(record) if record.inputs == inputs && record.is_whole() => record.output(),
            _ => {
                let made = super::image::make(context, "virt", spec, &extras, &folder)?;
                super::image::print_sizes(context, &made);
                if disk.exists() {
                    eprintln!(
                        "the image is new: the machine starts from it, and what was changed in the old one is gone"
                    );
                    std::fs::remove_file(&disk).with_context(|| disk.display().to_string())?;
                }
                let text = serde_json::to_vec_pretty(&Record::new(inputs, &made)?)?;
                std::fs::write(&record, text).with_context(|| record.display().to_string())?;
                made
            }
        };
        if arguments.fresh && disk.exists() {
            std::fs::remove_file(&disk).with_context(|| disk.display().to_string())?;
        }
        if let Some(own) = &arguments.disk {
            disk.clone_from(own);
        }
        let mut temporary = None;
        if arguments.temporary {
            let place =
                tempfile::tempdir_in(&folder).with_context(|| folder.display().to_string())?;
            disk = place.path().join("disk.qcow2");
            temporary = Some(place);
        }
        if !disk.exists() {
            overlay(&image.image, &disk)?;
        }
        Ok(Guest {
            image,
            disk,
            _temporary: temporary,
        })
    }

    fn machine(&self, context: &Context, arguments: &Arguments) -> Result<Machine> {
        let Output {
            kernel: Some(kernel),
            initramfs: Some(initramfs),
            cmdline: Some(cmdline),
            ..
        } = &self.image
        else {
            bail!("the image virt holds no kernel");
        };
        let firmware = if arguments.uefi {
            Firmware::Uefi(qemu::ovmf()?)
        } else {
            let mut cmdline = cmdline.clone();
            if arguments.counted {
                // Where the kernel lies changes how long it takes.
                cmdline.push_str(" nokaslr");
            }
            Firmware::Direct(kernel.clone(), initramfs.clone(), cmdline)
        };
        let this = std::env::current_exe().context("the path of this program")?;
        Ok(Machine {
            firmware,
            disk: self.disk.clone(),
            format: "qcow2",
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
                context.repository().into(),
            ]),
            counted: arguments.counted,
        })
    }
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
        let none = "the image virt holds no kernel";
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

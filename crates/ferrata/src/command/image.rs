//! `ferrata image`: one image from its file.

use crate::context::Context;
use crate::show::{self, Steps};
use anyhow::{Context as _, Result};
use clap::Args;
use image::bill::Lock;
use image::spec::{Kind, PathSpec, Spec};
use image::{Inputs, Output, Step};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// systemd's EFI stub, from Debian's package systemd-boot-efi.
const STUB: &str = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";

/// Makes the image that images/NAME.yaml declares, and prints what takes the space. The ports are built first.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Its name; none: list the images there are.
    name: Option<String>,
    /// Take the packages that the lock file beside the last image names, and no others: the same bytes come out.
    #[arg(long, requires = "name")]
    locked: bool,
}

/// Makes the image and prints its sizes.
pub fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode> {
    let Some(name) = &arguments.name else {
        for (name, spec) in declared(context)? {
            println!("{name:<14} {}", spec.description);
        }
        return Ok(ExitCode::SUCCESS);
    };
    let spec = load(context, name)?;
    let out = context.dist.join("images");
    let mut extras = Extras::default();
    if arguments.locked {
        extras.lock = Some(lock(context, name, &out)?);
    } else {
        eprintln!("{}", super::build::all(context)?);
    }
    let output = make(context, name, &spec, &extras, &out)?;
    print_sizes(context, &output);
    print_peer(&spec, &output);
    Ok(ExitCode::SUCCESS)
}

/// All images, by name.
fn declared(context: &Context) -> Result<Vec<(String, Spec)>> {
    let folder = context.top.join("images");
    let mut images = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if let (Some(name), Some("yaml")) =
            (path.file_stem(), path.extension().and_then(|e| e.to_str()))
        {
            images.push((name.to_string_lossy().into_owned(), Spec::load(&path)?));
        }
    }
    images.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(images)
}

/// One image's declaration.
pub fn load(context: &Context, name: &str) -> Result<Spec> {
    let path = context.top.join("images").join(format!("{name}.yaml"));
    if !path.exists() {
        let known: Vec<String> = declared(context)?
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        anyhow::bail!("no image {name}: images/ has {}", known.join(", "));
    }
    Ok(Spec::load(&path)?)
}

/// What an image for one user's own use has beside its declaration.
#[derive(Clone, Debug, Default)]
pub struct Extras {
    /// Files, such as the ssh key that is let in.
    pub paths: Vec<PathSpec>,
    /// Lines of `/etc/apk/repositories`.
    pub repositories: Vec<String>,
    /// The packages to take.
    pub lock: Option<Lock>,
}

/// The lock file that the last image of that name left.
fn lock(context: &Context, name: &str, out: &Path) -> Result<Lock> {
    let version = env!("CARGO_PKG_VERSION");
    let path = out.join(format!(
        "ferrata-{name}-{version}-{}.lock.json",
        context.arch
    ));
    if !path.exists() {
        anyhow::bail!(
            "{}: there is none yet\nhint: ./ferrata image {name} writes it",
            context.short(&path).display()
        );
    }
    Ok(Lock::read(&path, name, &context.arch)?)
}

/// Fills the folder `root` with what an image holds.
pub fn fill(
    context: &Context,
    name: &str,
    spec: &Spec,
    extras: &Extras,
    root: &Path,
) -> Result<()> {
    with_inputs(context, name, spec, extras, root, |inputs| {
        image::root::fill(inputs, root)
            .map(drop)
            .with_context(|| format!("image {name}"))
    })
}

/// Makes an image in the folder `out` from the repository as it stands, with progress.
pub fn make(
    context: &Context,
    name: &str,
    spec: &Spec,
    extras: &Extras,
    out: &Path,
) -> Result<Output> {
    let mut steps = Steps::new(match spec.kind {
        Kind::Disk | Kind::Iso => 4,
        Kind::Netboot => 3,
        Kind::Rootfs | Kind::Container => 2,
    });
    let key = match spec.kind {
        Kind::Iso | Kind::Netboot => Some(abuild::keys::packages(&context.config)?),
        _ => None,
    };
    let output = with_inputs(context, name, spec, extras, out, |inputs| {
        let inputs = &Inputs {
            key: key.as_ref(),
            ..inputs.clone()
        };
        image::build(inputs, &mut |step| {
            steps.next(match step {
                Step::Install => "installing the packages",
                Step::Boot => "kernel and initramfs",
                Step::Write => "writing the root",
                Step::Disk => "writing the disk",
            });
        })
        .with_context(|| format!("image {name}"))
    })?;
    steps.finish();
    Ok(output)
}

/// Calls `then` with what an image of this checkout is made from.
fn with_inputs<T>(
    context: &Context,
    name: &str,
    spec: &Spec,
    extras: &Extras,
    out: &Path,
    then: impl FnOnce(&Inputs<'_>) -> T,
) -> T {
    let repository = context.repository();
    let keys = context.public_keys();
    // Packages of older builds are in the cache, a folder a build.
    let more_packages: Vec<PathBuf> = match extras.lock {
        Some(_) => std::fs::read_dir(context.cache.join("packages"))
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .collect(),
        None => Vec::new(),
    };
    then(&Inputs {
        name,
        spec,
        repository: &repository,
        keys: &keys,
        arch: &context.arch,
        version: env!("CARGO_PKG_VERSION"),
        epoch: abuild::SOURCE_DATE_EPOCH,
        more_paths: &extras.paths,
        more_repositories: &extras.repositories,
        locked: extras.lock.as_ref(),
        more_packages: &more_packages,
        stub: Path::new(STUB),
        key: None,
        out,
    })
}

/// Prints what takes the space.
pub fn print_sizes(context: &Context, output: &Output) {
    for (package, bytes) in output.packages.iter().filter(|(_, bytes)| *bytes > 0) {
        println!("{:>10}  {package}", show::size(*bytes));
    }
    println!("{:>10}  all files", show::size(output.unpacked));
    let image: PathBuf = context.short(&output.image).to_owned();
    println!("{:>10}  {}", show::size(output.packed), image.display());
}

/// Prints what a comparable image of somebody else's takes.
fn print_peer(spec: &Spec, output: &Output) {
    let Some(peer) = &spec.peer else { return };
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let share = |own: u64, other: u64| own as f64 / other.max(1) as f64;
    println!(
        "{}: {} unpacked, {} packed; ours is {:.2} and {:.2} of that",
        peer.name,
        show::size(peer.unpacked),
        show::size(peer.packed),
        share(output.unpacked, peer.unpacked),
        share(output.packed, peer.packed)
    );
}

//! `ferrata run`: a command in a fresh copy of the built root, in namespaces of its own.

use crate::context::Context;
use anyhow::{Context as _, Result};
use clap::Args;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use sys::namespace::{self, Mount, Network, Users};
use sys::process::{Disposition, set_signal};

/// Where the repository is seen inside.
const REPOSITORY: &str = "/srv/repo";

const SIGINT: i32 = 2;

/// Runs a command in a fresh copy of the root that images/minirootfs.yaml declares, as `docker run --rm` would: its
/// own users, processes and mounts, the host's network, the built repository at /srv/repo for apk. What it changes is
/// gone afterwards. The exit status is the command's.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A folder of the host to see inside, as HOST:INSIDE.
    #[arg(short, long, value_parser = volume)]
    volume: Vec<(PathBuf, PathBuf)>,
    /// No network.
    #[arg(long)]
    no_network: bool,
    /// The image whose root it is.
    #[arg(long, default_value = "minirootfs")]
    image: String,
    /// The command and its arguments; without: a login shell.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

fn volume(text: &str) -> Result<(PathBuf, PathBuf), String> {
    match text.split_once(':') {
        Some((from, to)) if Path::new(to).is_absolute() => Ok((from.into(), to.into())),
        _ => Err("a volume is HOST:INSIDE, and INSIDE begins with /".to_owned()),
    }
}

/// Builds what is not built, fills a root, runs the command in it.
pub fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode> {
    let spec = super::image::load(context, &arguments.image)?;
    super::build::quietly(context)?;
    let parent = context.dist.join("run");
    std::fs::create_dir_all(&parent).with_context(|| parent.display().to_string())?;
    let place = tempfile::tempdir_in(&parent).with_context(|| parent.display().to_string())?;
    let extras = super::image::Extras {
        repositories: vec![REPOSITORY.to_owned()],
        ..Default::default()
    };
    let root = place.path().join("root");
    super::image::fill(context, &arguments.image, &spec, &extras, &root)?;
    let mut command = Command::new(std::env::current_exe().context("the path of this program")?);
    command.args(["__enter", "outer"]);
    command.arg(if arguments.no_network { "none" } else { "host" });
    command.arg(&root).arg(context.repository());
    command.arg(arguments.volume.len().to_string());
    for (from, to) in &arguments.volume {
        let from = from
            .canonicalize()
            .with_context(|| from.display().to_string())?;
        command.arg(from).arg(to);
    }
    command.args(&arguments.command);
    // Ctrl-C is for the command; the copy of the root is to be removed behind it.
    set_signal(SIGINT, Disposition::Ignore).context("SIGINT")?;
    let status = command.status().context("starting this program again")?;
    let code = status
        .code()
        .or(status.signal().map(|signal| 128 + signal))
        .unwrap_or(1);
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

/// What `ferrata __enter` does: `outer` makes the namespaces, `inner` is the first process in them, enters the root
/// and becomes the command. Gives the exit status.
pub fn enter(arguments: &[OsString]) -> i32 {
    let done = match arguments.split_first() {
        Some((stage, rest)) if stage == "outer" => outer(rest),
        Some((stage, rest)) if stage == "inner" => inner(rest),
        _ => Err(anyhow::anyhow!("__enter is for `ferrata run` itself")),
    };
    done.unwrap_or_else(|error| {
        crate::show::error(&error);
        125
    })
}

fn outer(arguments: &[OsString]) -> Result<i32> {
    let network = match arguments.first() {
        Some(word) if word == "none" => Network::None,
        _ => Network::Host,
    };
    namespace::end_with_parent()?;
    namespace::isolate(network, Users::All)?;
    let status = Command::new("/proc/self/exe")
        .args(["__enter", "inner"])
        .args(arguments)
        .status()
        .context("starting the first process")?;
    Ok(status
        .code()
        .or(status.signal().map(|signal| 128 + signal))
        .unwrap_or(1))
}

fn inner(arguments: &[OsString]) -> Result<i32> {
    namespace::end_with_parent()?;
    let mut words = arguments.iter();
    let mut next = || words.next().context("__enter: too few arguments");
    let _network = next()?;
    let root = PathBuf::from(next()?);
    let repository = PathBuf::from(next()?);
    let volumes: usize = next()?
        .to_str()
        .and_then(|n| n.parse().ok())
        .context("__enter: no number of volumes")?;
    let mut mounts = vec![
        bind(&root, "/", true),
        Mount::Tmpfs {
            to: "/dev".into(),
            mode: 0o755,
            writable: true,
        },
        Mount::Dev { to: "/dev".into() },
        Mount::Proc { to: "/proc".into() },
    ];
    for (to, mode) in [("/run", 0o755), ("/tmp", 0o1777)] {
        mounts.push(Mount::Tmpfs {
            to: to.into(),
            mode,
            writable: true,
        });
    }
    for name in ["/dev/tty", "/dev/pts", "/sys", "/etc/resolv.conf"] {
        if Path::new(name).exists() {
            mounts.push(bind(Path::new(name), name, name.starts_with("/dev")));
        }
    }
    if repository.is_dir() {
        mounts.push(bind(&repository, REPOSITORY, false));
    }
    for _ in 0..volumes {
        let (from, to) = (next()?, next()?);
        mounts.push(bind(Path::new(from), to, true));
    }
    let command: Vec<&OsString> = words.collect();
    let staging = root.with_file_name("staging");
    std::fs::create_dir_all(&staging).with_context(|| staging.display().to_string())?;
    namespace::enter(&staging, &mounts, "ferrata")?;
    set_signal(SIGINT, Disposition::Default)?;
    let (program, rest): (&OsStr, &[&OsString]) = match command.split_first() {
        Some((program, rest)) => (program, rest),
        None => (OsStr::new("/bin/sh"), &[]),
    };
    let mut run = Command::new(program);
    run.args(rest).env_clear();
    if command.is_empty() {
        run.arg("-l");
    }
    run.env(
        "PATH",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    )
    .env("HOME", "/root")
    .env("USER", "root");
    if let Some(term) = std::env::var_os("TERM") {
        run.env("TERM", term);
    }
    run.current_dir(if Path::new("/root").is_dir() {
        "/root"
    } else {
        "/"
    });
    let error = run.exec();
    let status = if error.kind() == std::io::ErrorKind::NotFound {
        127
    } else {
        126
    };
    eprintln!("ERROR: {}: {error}", program.display());
    Ok(status)
}

fn bind(from: &Path, to: impl Into<PathBuf>, writable: bool) -> Mount {
    Mount::Bind {
        from: from.to_owned(),
        to: to.into(),
        writable,
    }
}

//! `ferrata build`: ports into packages, and the signed repository.

use crate::context::Context;
use crate::show::Steps;
use anyhow::{Context as _, Result};
use clap::Args;
use std::path::Path;
use std::process::ExitCode;

/// Builds ports, and what they need, into signed packages; what was built from the same inputs before is taken from
/// the cache. The packages and their signed index
/// lie in dist/repo, our own programs in dist/bin.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The ports; none: all of them.
    ports: Vec<String>,
    /// How many jobs make and cargo may run at once; 0: as many as there are processors.
    #[arg(short, long, default_value_t = 0)]
    jobs: usize,
    /// Look for newer sources of the ports that follow what Debian's suites have.
    #[arg(long)]
    update_sources: bool,
}

/// Builds, and says what came of it.
pub fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode> {
    let summary = build(context, arguments)?;
    eprintln!("{summary}");
    Ok(ExitCode::SUCCESS)
}

/// Builds every port with the usual options, and says so only where something had to be built.
pub fn quietly(context: &Context) -> Result<()> {
    all(context).map(drop)
}

/// Builds every port with the usual options.
pub fn all(context: &Context) -> Result<String> {
    build(
        context,
        &Arguments {
            ports: Vec::new(),
            jobs: 0,
            update_sources: false,
        },
    )
}

/// Where abuild finds everything. No jobs: as many as there are processors.
pub fn config(context: &Context, jobs: usize) -> Result<abuild::Config> {
    Ok(abuild::Config {
        ports: context.top.join("ports"),
        workspace: context.top.clone(),
        cache: context.cache.clone(),
        config_dir: context.config.clone(),
        repo: context.repository(),
        arch: context.arch.clone(),
        jobs: match jobs {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            jobs => jobs,
        },
        runner: std::env::current_exe().context("the path of this program")?,
        update_sources: false,
    })
}

fn build(context: &Context, arguments: &Arguments) -> Result<String> {
    let config = abuild::Config {
        update_sources: arguments.update_sources,
        ..config(context, arguments.jobs)?
    };
    let plan = abuild::plan(&config, &arguments.ports).map_err(hinted)?;
    let mut steps = Steps::new(plan.to_build());
    let outcome = abuild::run(&config, &plan, &mut |event| match event {
        abuild::Event::Started { port } => steps.begin(port),
        abuild::Event::Phase { port, phase } => steps.note(port, phase),
        abuild::Event::Line { port, line } => steps.note(port, line),
        abuild::Event::Finished { port, .. } => steps.end(port, "built"),
        abuild::Event::Note { port, text } => steps.note(port, text),
        abuild::Event::Cached { .. } => {}
    })
    .map_err(hinted)?;
    steps.finish();
    programs(context, &config)?;
    Ok(format!(
        "{} ports: {} built, {} from the cache; {} packages in {}",
        outcome.ports,
        outcome.built,
        outcome.ports - outcome.built,
        outcome.packages,
        context.short(&context.repository()).display(),
    ))
}

/// Our programs, as they lie in their packages.
const PROGRAMS: [(&str, &str); 5] = [
    ("apk-tools", "sbin/apk"),
    ("early", "usr/libexec/ferrata/early"),
    ("lbu", "sbin/lbu"),
    ("rc", "sbin/rc"),
    ("toolbox", "bin/toolbox"),
];

/// Puts the target's programs, which are static and run on the build host too, into dist/bin.
fn programs(context: &Context, config: &abuild::Config) -> Result<()> {
    let folder = context.dist.join("bin").join(&context.arch);
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    for (package, path) in PROGRAMS {
        let path = Path::new(path);
        // Where only some ports were ever built, the others' programs are not there.
        let built = std::fs::read_dir(context.repository().join(&context.arch))
            .into_iter()
            .flatten()
            .flatten()
            .any(|entry| {
                let name = entry.file_name();
                let rest = name.to_str().and_then(|name| name.strip_prefix(package));
                rest.and_then(|rest| rest.strip_prefix('-'))
                    .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
            });
        if built && let Some(name) = path.file_name() {
            abuild::extract(config, package, path, &folder.join(name)).map_err(hinted)?;
        }
    }
    Ok(())
}

/// An error of abuild with its hint behind it.
pub fn hinted(error: abuild::Error) -> anyhow::Error {
    match error.hint() {
        Some(hint) => anyhow::anyhow!("{error}\nhint: {hint}"),
        None => error.into(),
    }
}

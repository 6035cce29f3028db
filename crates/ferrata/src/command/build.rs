//! `ferrata build`: ports into packages, and the signed repository.

use crate::context::Context;
use crate::show::{self, Steps};
use anyhow::{Context as _, Result};
use clap::Args;
use std::process::ExitCode;
use std::time::Duration;

/// Builds ports, and what they need, into signed packages; what was built from the same inputs before is taken from
/// the cache. The packages and their signed index
/// lie in dist/repo.
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

fn build(context: &Context, arguments: &Arguments) -> Result<String> {
    let jobs = match arguments.jobs {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        jobs => jobs,
    };
    let config = abuild::Config {
        ports: context.top.join("ports"),
        workspace: context.top.clone(),
        cache: context.cache.clone(),
        config_dir: context.config.clone(),
        repo: context.repository(),
        arch: context.arch.clone(),
        jobs,
        runner: std::env::current_exe().context("the path of this program")?,
        update_sources: arguments.update_sources,
    };
    let plan = abuild::plan(&config, &arguments.ports).map_err(hinted)?;
    let mut steps = Steps::new(plan.to_build());
    let outcome = abuild::run(&config, &plan, &mut |event| match event {
        abuild::Event::Started { port } => steps.begin(port),
        abuild::Event::Phase { phase, .. } => steps.note(phase),
        abuild::Event::Line { line, .. } => steps.note(line),
        abuild::Event::Finished { seconds, .. } => {
            steps.end(&format!(
                "built in {}",
                show::seconds(Duration::from_secs(seconds))
            ));
        }
        abuild::Event::Note { port, text } => steps.note(&format!("{port}: {text}")),
        abuild::Event::Cached { .. } => {}
    })
    .map_err(hinted)?;
    steps.finish();
    Ok(format!(
        "{} ports: {} built, {} from the cache; {} packages in {}",
        outcome.ports,
        outcome.built,
        outcome.ports - outcome.built,
        outcome.packages,
        context.short(&context.repository()).display(),
    ))
}

/// An error of abuild with its hint behind it.
fn hinted(error: abuild::Error) -> anyhow::Error {
    match error.hint() {
        Some(hint) => anyhow::anyhow!("{error}\nhint: {hint}"),
        None => error.into(),
    }
}

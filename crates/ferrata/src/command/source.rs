//! `ferrata __source`: other people's sources, for tests and benchmarks that run them.

use crate::context::Context;
use anyhow::{Context as _, Result};
use std::path::PathBuf;
use std::process::ExitCode;

/// The suites that are asked, in order.
const SUITES: [&str; 3] = ["trixie", "sid", "bookworm"];

/// Prints the folder of a Debian source package's unpacked upstream archive, or without a version that of a binary
/// package's unpacked files.
pub fn run(context: &Context, package: &str, version: Option<&str>) -> Result<ExitCode> {
    let folder = match version {
        Some(version) => folder(context, package, version)?,
        None => {
            let config = super::build::config(context, 0)?;
            abuild::sources::unpacked_package(&config, package)
                .map_err(super::build::hinted)
                .with_context(|| format!("the package {package}"))?
        }
    };
    println!("{}", folder.display());
    Ok(ExitCode::SUCCESS)
}

/// The folder of a Debian source package's unpacked upstream archive, which is downloaded on first use.
pub fn folder(context: &Context, package: &str, version: &str) -> Result<PathBuf> {
    let config = super::build::config(context, 0)?;
    let mut note = |text: &str| eprintln!("{text}");
    abuild::sources::unpacked(&config, package, version, &SUITES, &mut note)
        .map_err(super::build::hinted)
        .with_context(|| format!("the source of {package} {version}"))
}

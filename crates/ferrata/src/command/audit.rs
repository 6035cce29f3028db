//! `ferrata audit`: how ELF files, or those in packages, are hardened.

use crate::context::Context;
use anyhow::{Context as _, Result};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Checks ELF files for what hardening promises: PIE, stack protection, RELRO, NOW, NX, no text relocations.
#[derive(Debug, Args)]
pub struct Arguments {
    /// ELF files, or packages (*.apk), whose ELF files are checked.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Only what fails.
    #[arg(short, long)]
    quiet: bool,
}

/// Prints a line for each file and each finding; fails if there is a finding.
pub fn run(_: &Context, arguments: &Arguments) -> Result<ExitCode> {
    let (mut passed, mut failed) = (0, 0);
    for file in &arguments.files {
        let mut check = |name: &str, bytes: &[u8]| {
            let findings = harden::audit::audit(name, bytes);
            match findings {
                None => {}
                Some(findings) if findings.is_empty() => {
                    passed += 1;
                    if !arguments.quiet {
                        println!("ok      {name}");
                    }
                }
                Some(findings) => {
                    failed += 1;
                    for finding in findings {
                        println!("FAILED  {finding}");
                    }
                }
            }
        };
        if file.extension().is_some_and(|ending| ending == "apk") {
            each_file_of_package(file, &mut check)?;
        } else {
            let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
            check(&file.display().to_string(), &bytes);
        }
    }
    println!("{passed} ELF files are hardened, {failed} are not");
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Calls `check` with the name and bytes of every regular file of a package.
fn each_file_of_package(file: &Path, check: &mut dyn FnMut(&str, &[u8])) -> Result<()> {
    let package = std::fs::File::open(file).with_context(|| file.display().to_string())?;
    apk::package::for_each_file(package, &mut |path, bytes| {
        check(&format!("{}:{}", file.display(), path.display()), bytes);
    })
    .with_context(|| file.display().to_string())
}

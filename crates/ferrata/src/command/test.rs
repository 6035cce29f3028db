//! `ferrata test`: every test there is, and the plain counts at the end.

use crate::context::Context;
use crate::show;
use anyhow::{Context as _, Result};
use clap::Args;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

/// Runs every test: formatting, clippy, cargo deny, the tests of all crates, a build of all ports, the audit of what
/// came out, the images, and the whole system: its root in namespaces and its machine in QEMU. The last line counts
/// what passed and what failed.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Only the checks whose name holds this.
    only: Option<String>,
}

/// What a check came to.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    passed: u64,
    failed: u64,
}

/// Runs the checks one after the other; one that fails does not keep the others from running.
pub fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode> {
    let deny = cargo_deny(context)?;
    let deny = deny.display().to_string();
    let this = std::env::current_exe()
        .context("the path of this program")?
        .display()
        .to_string();
    let cargo = |words: &str| -> Vec<String> {
        std::iter::once("cargo")
            .chain(words.split_whitespace())
            .map(str::to_owned)
            .collect()
    };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let checks: [(&str, Vec<String>); 10] = [
        ("formatting", cargo("fmt --all --check")),
        (
            "clippy",
            cargo("clippy --quiet --locked --workspace --all-targets -- -D warnings"),
        ),
        (
            "licences",
            words(&[
                &deny,
                "--log-level",
                "error",
                "check",
                "licenses",
                "bans",
                "sources",
            ]),
        ),
        (
            "crates",
            cargo("test --locked --workspace --exclude system --no-fail-fast"),
        ),
        ("ports", words(&[&this, "build"])),
        ("hardening", words(&[&this, "audit", "--quiet"])),
        ("minirootfs", words(&[&this, "image", "minirootfs"])),
        ("container", words(&[&this, "image", "container"])),
        ("virt", words(&[&this, "image", "virt"])),
        // One guest after the other: emulation takes a whole processor each.
        (
            "system",
            cargo("test --locked --package system --no-fail-fast -- --test-threads=1"),
        ),
    ];
    // What the suites of BusyBox are run from; without it only their tests fail.
    let busybox = match super::source::folder(context, "busybox", "1.37.0") {
        Ok(folder) => Some(folder),
        Err(error) => {
            show::error(&error);
            None
        }
    };
    let mut total = Counts::default();
    for (name, mut command) in checks {
        if arguments
            .only
            .as_deref()
            .is_some_and(|only| !name.contains(only))
        {
            continue;
        }
        if name == "hardening" {
            command.extend(packages(context)?);
        }
        let start = Instant::now();
        println!("== {name}: {}", command.join(" "));
        let counts = check(context, &command, busybox.as_deref())?;
        total.passed += counts.passed;
        total.failed += counts.failed;
        let time = show::seconds(start.elapsed());
        println!(
            "== {name}: {} passed, {} failed in {time}",
            counts.passed, counts.failed
        );
    }
    println!("{} passed, {} failed", total.passed, total.failed);
    Ok(if total.failed == 0 && total.passed > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs a command and passes its output on. One that runs no tests counts as one.
fn check(context: &Context, words: &[String], busybox: Option<&Path>) -> Result<Counts> {
    let (program, arguments) = words.split_first().context("an empty command")?;
    let mut command = Command::new(program);
    if let Some(folder) = busybox {
        command.env("BUSYBOX_SOURCE", folder);
    }
    let mut child = command
        .args(arguments)
        .current_dir(&context.top)
        // Where the programs are that the suites are run with.
        .env("FERRATA_BIN", context.dist.join("bin").join(&context.arch))
        // Where the tests of the whole system find this program.
        .env(
            "FERRATA",
            std::env::current_exe().context("the path of this program")?,
        )
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        // The name of the program is the error's beginning.
        .with_context(|| program.clone())?;
    let mut counts = Counts::default();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).split(b'\n') {
            let line = line?;
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            if let Some((passed, failed)) = test_result(&line) {
                counts.passed += passed;
                counts.failed += failed;
            }
        }
    }
    let status = child.wait()?;
    if counts.passed + counts.failed == 0 {
        counts.passed = u64::from(status.success());
    }
    if !status.success() && counts.failed == 0 {
        counts.failed = 1;
    }
    Ok(counts)
}

/// The packages that were built.
fn packages(context: &Context) -> Result<Vec<String>> {
    let folder = context.repository().join(&context.arch);
    let entries = std::fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let paths = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "apk"));
    Ok(paths.map(|path| path.display().to_string()).collect())
}

/// The numbers of cargo's `test result: ok. 5 passed; 0 failed; …`.
fn test_result(line: &str) -> Option<(u64, u64)> {
    let rest = line.strip_prefix("test result: ")?;
    let number = |word: &str| {
        let (before, _) = rest.split_once(word)?;
        before.trim_end().rsplit([' ', ';']).next()?.parse().ok()
    };
    Some((number(" passed")?, number(" failed")?))
}

/// cargo-deny in the user's cache, built on first use.
fn cargo_deny(context: &Context) -> Result<PathBuf> {
    let folder = context.cache.join("tools");
    let program = folder.join("bin/cargo-deny");
    if !program.exists() {
        println!("== building cargo-deny, once");
        let status = Command::new("cargo")
            .args([
                "install",
                "--quiet",
                "--locked",
                "--debug",
                "cargo-deny",
                "--root",
            ])
            .arg(&folder)
            .env_remove("CARGO_TARGET_DIR")
            .status()
            .context("cargo")?;
        if !status.success() {
            anyhow::bail!("cargo-deny could not be built: see above");
        }
    }
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::test_result;

    #[test]
    fn cargos_lines_are_counted() {
        let line = "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(test_result(line), Some((12, 3)));
        assert_eq!(test_result("test foo ... ok"), None);
    }
}

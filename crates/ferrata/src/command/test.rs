//! `ferrata test`: every test there is, and the plain counts at the end.

use crate::context::Context;
use crate::show;
use anyhow::{Context as _, Result};
use clap::Args;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

/// Runs every test: formatting, clippy, cargo deny, and the tests of all crates. The last line counts what passed and
/// what failed.
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
    let checks: [(&str, Vec<&str>); 4] = [
        ("formatting", vec!["cargo", "fmt", "--all", "--check"]),
        (
            "clippy",
            vec![
                "cargo",
                "clippy",
                "--quiet",
                "--locked",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ],
        ),
        (
            "licences",
            vec![
                &deny,
                "--log-level",
                "error",
                "check",
                "licenses",
                "bans",
                "sources",
            ],
        ),
        (
            "crates",
            vec!["cargo", "test", "--locked", "--workspace", "--no-fail-fast"],
        ),
    ];
    let mut total = Counts::default();
    for (name, command) in checks {
        if arguments
            .only
            .as_deref()
            .is_some_and(|only| !name.contains(only))
        {
            continue;
        }
        let start = Instant::now();
        println!("== {name}: {}", command.join(" "));
        let counts = check(context, &command)?;
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
fn check(context: &Context, words: &[&str]) -> Result<Counts> {
    let (program, arguments) = words.split_first().context("an empty command")?;
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(&context.top)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| (*program).to_owned())?;
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

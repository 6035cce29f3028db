//! Runs every case in `tests/cases/`.
//!
//! A file holds cases, each of them
//! ```text
//! ### what it shows
//! commands for the shell, run in an empty folder
//! --- exit status, 0 when left out
//! what standard output shall be
//! ```
//! The commands find the applets first on their path: this program stands behind all of their names.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test: it has a main function of its own"
)]

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

struct Case {
    title: String,
    script: String,
    status: i32,
    output: String,
}

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let name = args
        .first()
        .and_then(|arg| Path::new(arg).file_name())
        .unwrap_or_default();
    if let Some(applet) = toolbox::find(name.as_bytes()) {
        return ExitCode::from((applet.run)(&args).clamp(0, 255) as u8);
    }
    let filter = args
        .iter()
        .skip(1)
        .find(|arg| !arg.as_bytes().starts_with(b"-"))
        .cloned();
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let work = std::env::temp_dir().join(format!("toolbox-cases-{}", std::process::id()));
    let bin = work.join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let this = std::env::current_exe().unwrap();
    for applet in toolbox::applets() {
        std::os::unix::fs::symlink(&this, bin.join(applet.name)).unwrap();
    }
    let (mut passed, mut failed) = (0, 0);
    for file in files {
        let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
        for case in parse(&std::fs::read_to_string(&file).unwrap()) {
            let title = format!("{stem}: {}", case.title);
            if filter
                .as_ref()
                .is_some_and(|filter| !title.contains(&*filter.to_string_lossy()))
            {
                continue;
            }
            match run(&case, &work, &bin) {
                Ok(()) => passed += 1,
                Err(message) => {
                    failed += 1;
                    println!("FAILED {title}\n{message}");
                }
            }
        }
    }
    std::fs::remove_dir_all(&work).unwrap();
    println!("{passed} cases passed, {failed} failed");
    if failed == 0 && (passed > 0 || filter.is_some()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn parse(text: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for block in format!("\n{text}").split("\n### ").skip(1) {
        let (title, rest) = block.split_once('\n').unwrap();
        let (script, rest) = rest
            .split_once("---")
            .unwrap_or_else(|| panic!("{title}: no --- line"));
        let (status, output) = rest.split_once('\n').unwrap_or((rest, ""));
        let mut output = output.to_string();
        if !output.is_empty() && !output.ends_with('\n') {
            output.push('\n');
        }
        let status = status.trim();
        let status = if status.is_empty() {
            0
        } else {
            status.parse().unwrap()
        };
        cases.push(Case {
            title: title.to_string(),
            script: script.to_string(),
            status,
            output,
        });
    }
    cases
}

fn run(case: &Case, work: &Path, bin: &Path) -> Result<(), String> {
    let folder = work.join("here");
    std::fs::create_dir_all(&folder).unwrap();
    let output = Command::new("/bin/sh")
        .arg("-c")
        .arg(&case.script)
        .current_dir(&folder)
        .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
        .env("TZ", "UTC")
        .output()
        .unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let found = String::from_utf8_lossy(&output.stdout);
    if found == case.output && output.status.code() == Some(case.status) {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "--- wanted {}\n{}--- found {:?}\n{found}--- errors\n{errors}",
        case.status,
        case.output,
        output.status.code()
    ))
}

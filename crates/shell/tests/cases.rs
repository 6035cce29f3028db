//! Every script in `tests/cases` gives what the host's reference shell gives: `dash`, or `bash` where the first line
//! says so, because dash lacks what the script uses.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what went wrong by ending"
)]

use std::path::Path;
use std::process::Command;

fn run(program: &str, script: &Path) -> (String, Option<i32>) {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(program)
        .arg(script)
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        output.status.code(),
    )
}

#[test]
fn every_case_is_as_the_reference_has_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut failed = Vec::new();
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let script = entry.unwrap().path();
        let text = std::fs::read_to_string(&script).unwrap();
        let reference = if text.starts_with("# reference: bash") {
            "bash"
        } else {
            "dash"
        };
        let want = run(reference, &script);
        let found = run(env!("CARGO_BIN_EXE_sh"), &script);
        count += 1;
        if want != found {
            failed.push(format!(
                "{}\n--- {reference}\n{want:?}\n--- ours\n{found:?}",
                script.display()
            ));
        }
    }
    assert!(count >= 5, "the cases were not found");
    assert!(
        failed.is_empty(),
        "{} of {count} failed:\n{}",
        failed.len(),
        failed.join("\n")
    );
}

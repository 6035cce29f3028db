//! The service scripts of Debian's `openrc` package and of this tree under the shipped shell: each parses, and its
//! `depend` says what it says under dash. The package is fetched at test time and never part of this tree.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use system::ferrata;

/// What openrc-run gives a script before its `depend` runs, as far as scripts ask there.
const FRAME: &str = r#"
for word in need use want before after provide config keyword; do
    eval "$word() { printf '%s:' $word; printf ' <%s>' \"\$@\"; printf '\n'; }"
done
yesno() { case $1 in [Yy][Ee][Ss]|[Tt][Rr][Uu][Ee]|[Oo][Nn]|1) return 0;; esac; return 1; }
shell_var() { printf '%s' "$1" | tr -c 'A-Za-z0-9' _; }
einfo() { :; } ; ebegin() { :; }; eend() { :; }; ewarn() { :; }; eerror() { :; }; veinfo() { :; }
RC_SVCNAME=${1##*/}; SVCNAME=$RC_SVCNAME; RC_SYS=; RC_UNAME=Linux
. "$1"
if command -v depend >/dev/null; then depend; fi
printf 'commands: %s %s\n' "$extra_commands" "$extra_started_commands"
"#;

fn run(shell: &[&Path], arguments: &[&Path]) -> (Option<i32>, String) {
    let (program, first) = shell.split_first().unwrap();
    let output = Command::new(program)
        .args(first)
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), format!("{text}{errors}"))
}

#[test]
fn every_script_parses_and_depends_as_under_dash() {
    let output = ferrata()
        .args(["__source", "openrc"])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "Debian's package openrc is needed");
    let package = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
    let toolbox = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist/bin/x86_64/toolbox");
    let folder = tempfile::tempdir().unwrap();
    let frame = folder.path().join("frame.sh");
    std::fs::write(&frame, FRAME).unwrap();
    let ours = [toolbox.as_path(), Path::new("sh")];
    // The package has three service scripts; the tree's own are of the same kind.
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut places = vec![
        package.join("etc/init.d"),
        top.join("crates/rc/files/init.d"),
    ];
    places.extend(
        std::fs::read_dir(top.join("ports"))
            .unwrap()
            .map(|entry| entry.unwrap().path()),
    );
    let mut scripts: Vec<PathBuf> = places
        .iter()
        .flat_map(|place| std::fs::read_dir(place).into_iter().flatten().flatten())
        .map(|entry| entry.path())
        .filter(|path| {
            let text = std::fs::read(path).unwrap_or_default();
            let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
            String::from_utf8_lossy(first).contains("openrc-run")
        })
        .collect();
    scripts.sort();
    let (mut seen, mut wrong) = (0, Vec::new());
    let parts = std::fs::read_dir(package.join("lib/rc/sh")).unwrap();
    for part in parts.map(|entry| entry.unwrap().path()) {
        let parsed = run(&ours, &[Path::new("-n"), &part]);
        if parsed != (Some(0), String::new()) {
            wrong.push(format!("{}: {parsed:?}", part.display()));
        }
    }
    for script in &scripts {
        let parsed = run(&ours, &[Path::new("-n"), script]);
        if parsed != (Some(0), String::new()) {
            wrong.push(format!("{}: {parsed:?}", script.display()));
        }
        let (here, there) = (
            run(&ours, &[&frame, script]),
            run(&[Path::new("dash")], &[&frame, script]),
        );
        if here.0 == Some(0) && here.1.lines().count() > 1 {
            seen += 1;
        }
        if here != there {
            wrong.push(format!("{}: {here:?}, dash: {there:?}", script.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        scripts.len() >= 20 && seen >= 20,
        "{} scripts, {seen} with dependencies",
        scripts.len()
    );
}

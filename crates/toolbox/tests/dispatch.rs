//! The program as it is called: by an applet's name, by its own, and for the lists that packages are made from.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by ending")]

use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

const TOOLBOX: &str = env!("CARGO_BIN_EXE_toolbox");

fn run(name: &str, arguments: &[&str]) -> Output {
    Command::new(TOOLBOX)
        .arg0(name)
        .args(arguments)
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn an_applet_runs_by_its_name_and_through_the_program() {
    for output in [
        run("/bin/sh", &["-c", "echo hello"]),
        run("toolbox", &["sh", "-c", "echo hello"]),
    ] {
        assert_eq!(text(&output), "hello\n");
    }
    assert_eq!(text(&run("busybox", &["sh", "-c", "echo $0"])), "sh\n");
}

#[test]
fn the_shell_finds_applets_without_a_path() {
    let output = Command::new(TOOLBOX)
        .args(["sh", "-c", "printf 'a\\nb\\n' | grep b"])
        .env("PATH", "/nonexistent")
        .output();
    assert_eq!(text(&output.unwrap()), "b\n");
}

#[test]
fn lists_and_help_name_every_applet() {
    let names = text(&run("toolbox", &["--list"]));
    let paths = text(&run("toolbox", &["--list-full"]));
    assert_eq!(names.lines().count(), paths.lines().count());
    assert!(paths.lines().any(|path| path == "bin/sh"));
    let mut sorted: Vec<&str> = names.lines().collect();
    sorted.dedup();
    assert_eq!(sorted.len(), names.lines().count(), "a name stands twice");
    for name in names.lines() {
        let help = run("toolbox", &["--help", name]);
        assert!(
            help.status.success() && text(&help).contains(&format!("usage: {name}")),
            "{name}"
        );
    }
}

#[test]
fn what_is_not_there_is_127() {
    let output = run("toolbox", &["nonexistent"]);
    assert_eq!(output.status.code(), Some(127));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "nonexistent: applet not found\n"
    );
}

//! Nothing that lies deep inside itself ends the shell by a signal: it is run, or told to be too deep.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

/// What opens, what stands inside, what closes.
const NESTS: [(&str, &str, &str); 33] = [
    ("( ", ":", " )"),
    ("{ ", ":", "; }"),
    ("if :; then ", ":", "; fi"),
    ("if ", ":", "; then :; fi"),
    ("if :; then :; else ", ":", "; fi"),
    ("if :; then :; elif ", ":", "; then :; fi"),
    ("while ", ":", "; do break; done"),
    ("for i in 1; do ", ":", "; done"),
    ("case a in a) ", ":", ";; esac"),
    ("f() { ", ":", "; }"),
    ("! ", ":", ""),
    (": $(", ":", ")"),
    (": \"$(", ":", ")\""),
    ("x=$(", ":", ")"),
    (": ${x-", "a", "}"),
    (": \"${x-", "a", "}\""),
    (": ${x-\"", "a", "\"}"),
    (": ${x#", "a", "}"),
    (": ${x/", "a", "}"),
    (": ${x:", "1", "}"),
    (": $((", "1", "))"),
    (": $(((", "1", ")))"),
    ("cat <(", ":", ")"),
    ("[[ ( ", "a", " ) ]]"),
    ("[[ ! ", "a", " ]]"),
    (": | ", ":", ""),
    (": && ", ":", ""),
    ("cat <<E\n$(", ":", ")\nE\n"),
    ("eval \"", ":", "\""),
    ("`", ":", "`"),
    ("\\", "a", ""),
    ("x=1 ", ":", ""),
    (">/dev/null ", ":", ""),
];

/// Scripts that go on and on by themselves.
const ENDLESS: [&str; 7] = [
    "f() { f; }; f",
    "f() { eval f; }; f",
    "f() { : $(f); }; x=0; f() { x=$((x+1)); [ $x -lt 300 ] && : $(f); }; f",
    "printf '. ./t' >t; . ./t",
    "x='eval \"$x\"'; eval \"$x\"",
    "x=x; : $((x))",
    "alias a=b b=a; a 2>/dev/null; :",
];

fn run(script: &str) -> (Option<i32>, Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("s"), script).unwrap();
    let output = Command::new("timeout")
        .args(["60", env!("CARGO_BIN_EXE_sh"), "./s"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let errors = errors.chars().take(300).collect();
    (output.status.code(), output.status.signal(), errors)
}

fn check(what: &str, script: &str) {
    let (status, signal, errors) = run(script);
    // timeout gives 124, and 128 and more for a signal.
    let fine = signal.is_none() && status.is_some_and(|status| status <= 2 || status == 127);
    assert!(fine, "{what}: {status:?}, signal {signal:?}, {errors}");
    assert!(!errors.contains("panicked"), "{what}: {errors}");
    if status == Some(2) {
        assert!(errors.contains(": "), "{what}: an error without words");
    }
}

#[test]
fn what_is_nested_is_run_or_told_to_be_too_deep() {
    for (open, inside, close) in NESTS {
        // Backquotes and eval take more backslashes a level than memory has.
        let most = if open.contains('`') || open.contains("eval") {
            1
        } else {
            20_000
        };
        for depth in [1, 40, 150, most] {
            let depth = depth.min(most);
            let script = format!("{}{inside}{}\n", open.repeat(depth), close.repeat(depth));
            check(&format!("{depth} times {open:?}"), &script);
        }
        // Cut off in the middle.
        check(
            &format!("unfinished {open:?}"),
            &format!("{}\n", open.repeat(most)),
        );
    }
}

#[test]
fn what_has_no_end_is_ended() {
    for script in ENDLESS {
        check(script, script);
    }
}

#[test]
fn deep_arithmetic_and_tests() {
    let many = 20_000;
    for (open, inside, close) in [
        ("(", "1", ")"),
        ("-", "1", ""),
        ("!", "1", ""),
        ("1?", "1", ":0"),
        ("1+", "1", ""),
        ("x=", "1", ""),
        ("1||", "1", ""),
    ] {
        let sum = format!("{}{inside}{}", open.repeat(many), close.repeat(many));
        check(&format!("$(( {open:?}"), &format!(": $(({sum}))\n"));
        check(&format!("x={open:?}"), &format!("x='{sum}'; : $((x))\n"));
    }
    for open in ["! ", "( ", "a -a ", "a -o "] {
        check(
            open,
            &format!("test {} a\n", open.replace('(', "\\(").repeat(many)),
        );
    }
    // Patterns that ask a naive matcher for every way to cut the text.
    let text = "a".repeat(300);
    let stars = "a*".repeat(60);
    check(
        "stars",
        &format!("case {text} in {stars}b) exit 1;; esac\n"),
    );
    check(
        "stars in ${}",
        &format!("x={text}; : ${{x##{stars}b}} ${{x//{stars}b/c}}\n"),
    );
}

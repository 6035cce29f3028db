//! BusyBox's own scripts for its shells, `shell/ash_test` and `shell/hush_test`, run by the shell of `toolbox`.
//!
//! `BUSYBOX_SOURCE` is the folder of BusyBox' unpacked source, which is never part of this tree; `FERRATA_BIN` the folder
//! that `toolbox` lies in. `tests/suites/shell-exceptions.txt` lists what does not give what is expected, each with its
//! reason; a listed case that passes is a failure, as is one that fails and is not listed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Only ends a script that hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// Names of built-ins that may stand before or behind the line in an error.
const BUILTINS: [&str; 18] = [
    "exec", "eval", "export", "readonly", "unset", "local", "shift", "trap", "let", "echo", "kill",
    "read", "return", "break", "source", ".", "set", "cd",
];

/// Takes out of an error what each shell words in its own way: who says it, on which line, and the reason that stands
/// behind a file that cannot be opened.
fn normal_line(line: &str) -> String {
    let Some((who, mut rest)) = line.split_once(": ") else {
        return line.to_owned();
    };
    let named = who == "hush" || who == "ash" || who.starts_with("./") || who.starts_with('/');
    if !(named || who == "SHELL" || who == "0") {
        return line.to_owned();
    }
    let mut placed = who == "hush" || rest.contains("write error");
    while let Some((word, behind)) = rest.split_once(": ") {
        if let Some(number) = word.strip_prefix("line ")
            && number.bytes().all(|byte| byte.is_ascii_digit())
        {
            placed = true;
        } else if !(BUILTINS.contains(&word) || word.ends_with(".sh") && behind.starts_with("line"))
        {
            break;
        }
        rest = behind;
    }
    if !placed {
        return line.to_owned();
    }
    if rest.starts_with("syntax error") {
        return "ERROR: syntax error".to_owned();
    }
    for verb in ["can't open ", "can't create "] {
        if let Some(file) = rest.strip_prefix(verb) {
            let file = file.split(": ").next().unwrap_or(file).trim_matches('\'');
            return format!("ERROR: cannot open {file}");
        }
    }
    if let Some(program) = rest.strip_prefix("can't execute ") {
        let (program, why) = program.split_once(": ").unwrap_or((program, ""));
        let why = why.replace("No such file or directory", "not found");
        return format!("ERROR: {}: {why}", program.trim_matches('\''));
    }
    format!("ERROR: {rest}")
}

fn normal(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.split('\n')
        .map(normal_line)
        .collect::<Vec<String>>()
        .join("\n")
}

struct Suite {
    source: PathBuf,
    helpers: PathBuf,
}

/// What a case gave, where that is not what is expected.
fn run(suite: &Suite, case: &str) -> Option<String> {
    let script = suite.source.join(case);
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(script.parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    let name = script.file_name().unwrap().to_str().unwrap();
    let (mut output, end) = std::io::pipe().unwrap();
    // Some scripts read, and must wait for what never comes.
    let (input, keep) = std::io::pipe().unwrap();
    // Some scripts list their descriptors: what this program inherited is not theirs.
    let clean = "for fd in /proc/$$/fd/*; do fd=${fd##*/}; [ $fd -le 2 ] || eval \"exec $fd>&-\"; done; exec \"$@\"";
    // Nor are signals that it ignores, as what runs in the background does.
    let mut command = Command::new("/usr/bin/env");
    command
        .arg("--default-signal=HUP,INT,QUIT,TERM,PIPE")
        .args(["bash", "-c", clean, "bash"])
        .arg(suite.helpers.join("ash"))
        .arg(format!("./{name}"))
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", suite.helpers.display()))
        .env("THIS_SH", suite.helpers.join("ash"))
        .env("HOME", "/root")
        .env("CONFIG_FEATURE_FANCY_ECHO", "y")
        .stdin(input)
        .stdout(end.try_clone().unwrap())
        .stderr(end)
        .process_group(0);
    let mut child = command.spawn().unwrap();
    drop(command);
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        output.read_to_end(&mut text).unwrap();
        text
    });
    let started = Instant::now();
    let mut late = false;
    while !reader.is_finished() || child.try_wait().unwrap().is_none() {
        if started.elapsed() > LIMIT {
            late = true;
            let group = format!("-{}", child.id());
            Command::new("kill")
                .args(["-KILL", "--", &group])
                .status()
                .unwrap();
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let status = child.wait().unwrap();
    drop(keep);
    if late {
        return Some("it did not end".to_owned());
    }
    let found = reader.join().unwrap();
    if status.code() == Some(77) {
        // It says that a feature is not there.
        return Some("it asks to be skipped".to_owned());
    }
    let want = std::fs::read(script.with_extension("right")).unwrap();
    let (want, found) = (normal(&want), normal(&found));
    (want != found).then(|| format!("--- expected\n{want}--- found\n{found}"))
}

fn helpers(source: &Path, folder: &Path) {
    let bin = std::env::var_os("FERRATA_BIN").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist/bin/x86_64"),
        PathBuf::from,
    );
    let toolbox = bin.join("toolbox");
    let toolbox = toolbox.canonicalize().unwrap_or_else(|error| {
        panic!(
            "{}: {error}; FERRATA_BIN names its folder",
            toolbox.display()
        )
    });
    for name in ["ash", "sh"] {
        symlink(&toolbox, folder.join(name)).unwrap();
    }
    for name in ["recho", "zecho", "printenv"] {
        let done = Command::new("cc")
            .args(["-w", "-O1", "-o"])
            .arg(folder.join(name))
            .arg(source.join(format!("ash_test/{name}.c")))
            .status()
            .expect("cc is needed for the suite's helper programs");
        assert!(done.success(), "{name} cannot be compiled");
    }
}

fn cases(source: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for suite in ["ash_test", "hush_test"] {
        for group in std::fs::read_dir(source.join(suite)).unwrap() {
            let group = group.unwrap().path();
            if !group.is_dir() {
                continue;
            }
            for file in std::fs::read_dir(group).unwrap() {
                let path = file.unwrap().path();
                let is_case = path.extension().is_some_and(|end| end == "tests")
                    && path.with_extension("right").is_file()
                    && path.metadata().unwrap().permissions().mode() & 0o111 != 0;
                if is_case {
                    let path = path.strip_prefix(source).unwrap();
                    all.push(path.to_str().unwrap().to_owned());
                }
            }
        }
    }
    all.sort();
    all
}

#[test]
fn busybox_scripts_give_what_is_expected() {
    let source = std::env::var_os("BUSYBOX_SOURCE")
        .expect("BUSYBOX_SOURCE must name the folder of BusyBox' unpacked source");
    let source = PathBuf::from(source).join("shell");
    let folder = tempfile::tempdir().unwrap();
    helpers(&source, folder.path());
    let list = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("suites/shell-exceptions.txt"),
    )
    .unwrap();
    let exceptions: BTreeMap<&str, &str> = list
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once(": ").expect("a line is `case: reason`"))
        .collect();
    let cases = cases(&source);
    assert!(cases.len() > 700, "the suites were not found");
    let known: BTreeSet<&str> = cases.iter().map(String::as_str).collect();
    let suite = Suite {
        source,
        helpers: folder.path().to_owned(),
    };
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // Some scripts race with their own children, the more so on a busy machine: what surprises is
                    // tried again.
                    let excepted = exceptions.contains_key(case.as_str());
                    let mut result = run(&suite, case);
                    for _ in 0..4 {
                        if result.is_some() != excepted {
                            result = run(&suite, case);
                        }
                    }
                    if let Some(what) = result {
                        failed.lock().unwrap().insert(case.as_str(), what);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    let mut wrong = Vec::new();
    for (case, what) in &failed {
        if !exceptions.contains_key(case) {
            wrong.push(format!("FAILED {case}\n{what}"));
        }
    }
    for case in exceptions.keys() {
        if !known.contains(case) {
            wrong.push(format!("{case} is excepted, but there is no such case"));
        } else if !failed.contains_key(case) {
            wrong.push(format!("{case} is excepted, but passes"));
        }
    }
    println!(
        "{} cases, {} pass, {} are excepted",
        cases.len(),
        cases.len() - failed.len(),
        exceptions.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

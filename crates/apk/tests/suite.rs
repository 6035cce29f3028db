//! apk-tools' own solver cases, `test/solver/*.test`, byte for byte, and its table of versions.
//!
//! `APK_TOOLS_SOURCE` is the folder of apk-tools' unpacked source, which is never part of this tree and which no package
//! registry that the tests use has: without it this says that it did not run.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use apk::dependency::{Dependency, Operator};
use apk::version::Version;
use flate2::{Compression, write::GzEncoder};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

fn source() -> Option<PathBuf> {
    let folder = std::env::var_os("APK_TOOLS_SOURCE").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("not run: APK_TOOLS_SOURCE names no source of apk-tools");
    }
    folder
}

/// An index of the text of a `.repo` file.
fn index(text: &Path, to: &Path) {
    let bytes = fs::read(text).unwrap();
    let mut entry = apk::archive::tar::Entry::new("APKINDEX", apk::archive::tar::Kind::File, 0o644);
    entry.size = bytes.len() as u64;
    let mut tar = apk::archive::tar::Writer::new(GzEncoder::new(Vec::new(), Compression::fast()));
    tar.append(&entry, &mut bytes.as_slice()).unwrap();
    let packed = tar.finish().unwrap().finish().unwrap();
    fs::File::create(to).unwrap().write_all(&packed).unwrap();
}

/// What a case gave, where that is not what it expects.
fn run(case: &Path) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    for below in ["etc/apk/cache", "lib/apk/db", "tmp", "var/log"] {
        fs::create_dir_all(root.join(below)).unwrap();
    }
    fs::write(root.join("etc/apk/world"), "").unwrap();
    fs::write(root.join("lib/apk/db/installed"), "").unwrap();
    let beside = case.parent().unwrap();
    let (mut arguments, mut repositories, mut expected) = (Vec::new(), String::new(), None);
    let mut cached = false;
    for line in fs::read_to_string(case).unwrap().lines() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (word, &mut expected) {
            (_, Some(text)) => *text = format!("{text}{line}\n"),
            ("@ARGS", _) => arguments.extend(rest.split_whitespace().map(str::to_owned)),
            ("@WORLD", _) => {
                fs::write(root.join("etc/apk/world"), rest.replace(' ', "\n")).unwrap();
            }
            ("@INSTALLED", _) => {
                fs::copy(beside.join(rest), root.join("lib/apk/db/installed")).unwrap();
            }
            ("@CACHE", _) => {
                fs::copy(beside.join(rest), root.join("etc/apk/cache/installed")).unwrap();
                cached = true;
            }
            ("@REPO", _) => {
                let (tag, name) = rest.rsplit_once(' ').unwrap_or(("", rest));
                let packed = folder.path().join(format!("{name}.tar.gz"));
                index(&beside.join(name), &packed);
                repositories.push_str(&format!("{tag} test:/{}\n", packed.display()));
            }
            ("@EXPECT", none) => *none = Some(String::new()),
            _ => panic!("{}: {line}", case.display()),
        }
    }
    fs::write(root.join("etc/apk/repositories"), repositories.trim_start()).unwrap();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_apk"));
    command
        .arg("--root")
        .arg(&root)
        .args(["--allow-untrusted", "--simulate", "--root-tmpfs=no"])
        .args((!cached).then_some("--no-cache"))
        .args(arguments)
        .stdout(writer.try_clone().unwrap())
        .stderr(writer);
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut found = String::new();
    std::io::Read::read_to_string(&mut reader, &mut found).unwrap();
    child.wait().unwrap();
    let expected = expected.unwrap();
    (expected != found).then(|| {
        format!(
            "{}\n--- expected\n{expected}--- found\n{found}",
            case.display()
        )
    })
}

#[test]
fn solver_cases() {
    let Some(source) = source() else { return };
    let mut cases: Vec<PathBuf> = fs::read_dir(source.join("test/solver"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "test"))
        .collect();
    cases.sort();
    assert!(cases.len() >= 119, "only {} cases", cases.len());
    let wrong: Vec<String> = cases.iter().filter_map(|case| run(case)).collect();
    println!("{} of {} cases", cases.len() - wrong.len(), cases.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether a line of the table holds: `version`, `!version`, `one OPERATOR other` or `one !OPERATOR other`.
fn holds(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        [one] => match one.strip_prefix('!') {
            Some(bad) => !Version::new(bad).is_valid(),
            None => Version::new(*one).is_valid(),
        },
        [one, operator, other] => {
            let plain = operator.trim_start_matches('!');
            let operator_of = |text: &str| {
                Dependency::parse(&format!("x{text}1"))
                    .ok()
                    .and_then(|one| one.version)
                    .map(|(operator, _)| operator)
            };
            let (one, other) = (Version::new(*one), Version::new(*other));
            let found = match operator_of(plain) {
                // By itself it asks whether the two are in any order but equal.
                Some(Operator::Identity) => one != other,
                Some(operator) => operator.accepts(&one, &other),
                None => return false,
            };
            found != operator.starts_with('!')
        }
        _ => false,
    }
}

#[test]
fn version_table() {
    let Some(source) = source() else { return };
    let table = fs::read_to_string(source.join("test/unit/version.data")).unwrap();
    let lines: Vec<&str> = table
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
        .collect();
    assert!(lines.len() >= 700, "only {} lines", lines.len());
    let wrong: Vec<&&str> = lines.iter().filter(|line| !holds(line)).collect();
    println!("{} of {} lines", lines.len() - wrong.len(), lines.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

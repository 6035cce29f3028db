//! The command on a root of the tests' own.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// A root with one package, whose `etc/owned` and `etc/apk/keys/k` are as they came.
struct System {
    top: TempDir,
}

/// SHA-1 of "as it came\n" in the database's spelling.
const HASH: &str = "Q1kYJXWSJx0u+Sp+63KpP++M31o3s=";

impl System {
    fn new() -> System {
        let top = tempfile::tempdir().unwrap();
        let system = System { top };
        let me = fs::metadata(system.top.path()).unwrap();
        use std::os::unix::fs::MetadataExt;
        let (uid, gid) = (me.uid(), me.gid());
        let installed = format!(
            "C:Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=\nP:pkg\nV:1-r0\nA:noarch\nS:1\nI:1\nT:x\nU:x\nL:x\n\
             F:etc\nM:{uid}:{gid}:755\nR:owned\na:{uid}:{gid}:644\nZ:{HASH}\nR:lost\na:{uid}:{gid}:644\nZ:{HASH}\n\
             F:etc/apk\nM:{uid}:{gid}:755\nF:etc/apk/keys\nM:{uid}:{gid}:755\nR:k\na:{uid}:{gid}:644\nZ:{HASH}\n\n"
        );
        for (path, text) in [
            ("lib/apk/db/installed", installed.as_str()),
            ("etc/apk/world", "pkg\n"),
            ("etc/apk/keys/k", "as it came\n"),
            ("etc/owned", "as it came\n"),
            ("etc/hostname", "box\n"),
            ("media/stick/other", ""),
        ] {
            system.write(path, text);
        }
        for folder in ["etc", "etc/apk", "etc/apk/keys"] {
            fs::set_permissions(system.at(folder), fs::Permissions::from_mode(0o755)).unwrap();
        }
        system.write("etc/lbu/lbu.conf", "LBU_MEDIA=stick\nBACKUP_LIMIT=2\n");
        system
    }

    fn at(&self, path: &str) -> PathBuf {
        self.top.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    }

    fn try_lbu(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_lbu"))
            .args(arguments)
            .env("ROOT", self.top.path())
            .current_dir(self.top.path())
            .output()
            .unwrap()
    }

    fn lbu(&self, arguments: &[&str]) -> String {
        let output = self.try_lbu(arguments);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn fails(&self, arguments: &[&str], want: &str) {
        let output = self.try_lbu(arguments);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(errors.contains(want), "{arguments:?}: {errors}");
    }

    fn overlay(&self) -> PathBuf {
        self.at("media/stick/box.apkovl.tar.gz")
    }
}

/// What another program makes of an overlay.
fn tar(arguments: &[&str], file: &Path) -> String {
    let output = Command::new("tar")
        .args(arguments)
        .arg("-f")
        .arg(file)
        .output()
        .expect("tar is needed");
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_differs_from_the_packages_is_saved() {
    let system = System::new();
    system.write("etc/new/file", "mine\n");
    symlink("new/file", system.at("etc/link")).unwrap();
    system.write("etc/owned.apk-new", "the package's\n");
    system.write("root/.profile", "mine\n");
    system.lbu(&["include", "/root/.profile"]);
    let listed = system.lbu(&["list"]);
    let want = [
        "etc/apk/keys/k",
        "etc/apk/protected_paths.d",
        "etc/apk/protected_paths.d/lbu.list",
        "etc/apk/world",
        "etc/hostname",
        "etc/lbu",
        "etc/lbu/lbu.conf",
        "etc/link",
        "etc/new",
        "etc/new/file",
        "root/.profile",
    ];
    assert_eq!(listed.lines().collect::<Vec<_>>(), want);
    let said = system.lbu(&["commit"]);
    assert!(said.contains("box.apkovl.tar.gz: saved"), "{said}");
    let names = tar(&["-tz"], &system.overlay());
    assert_eq!(
        names
            .lines()
            .map(|name| name.trim_end_matches('/'))
            .collect::<Vec<_>>(),
        want
    );
    assert_eq!(tar(&["-xzO", "etc/new/file"], &system.overlay()), "mine\n");

    // A changed file of a package, by contents or by mode.
    system.write("etc/owned", "changed\n");
    assert_eq!(system.lbu(&["status"]), "A etc/owned\n");
    system.write("etc/owned", "as it came\n");
    fs::set_permissions(system.at("etc/owned"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(system.lbu(&["status"]), "A etc/owned\n");
}

#[test]
fn status_and_diff_tell_what_is_not_saved() {
    let system = System::new();
    system.write("etc/a", "one\ntwo\n");
    system.write("etc/b", "b\n");
    system.lbu(&["commit"]);
    assert_eq!(system.lbu(&["status"]), "");
    assert_eq!(system.lbu(&["diff"]), "");
    system.write("etc/a", "one\n2\n");
    fs::remove_file(system.at("etc/b")).unwrap();
    system.write("etc/c", "c\n");
    assert_eq!(system.lbu(&["status"]), "U etc/a\nD etc/b\nA etc/c\n");
    let diff = system.lbu(&["diff"]);
    for line in ["-two", "+2", "-b", "+c"] {
        assert!(diff.lines().any(|l| l == line), "{line}: {diff}");
    }
    let only = system.lbu(&["diff", "/etc/a"]);
    assert!(only.contains("+2") && !only.contains("+c"), "{only}");
    fs::set_permissions(system.at("etc/a"), fs::Permissions::from_mode(0o600)).unwrap();
    let mode = system.lbu(&["diff", "stick", "etc/a"]);
    assert!(
        mode.contains("etc/a: mode 0644") && mode.contains("-> mode 0600"),
        "{mode}"
    );
    system.fails(&["diff", "/usr/bin/x"], "not among what is backed up");
    // Nothing is written by a dry run.
    let before = fs::read(system.overlay()).unwrap();
    assert!(system.lbu(&["commit", "-n"]).contains("U etc/a"));
    assert_eq!(fs::read(system.overlay()).unwrap(), before);
}

#[test]
fn older_commits_come_back() {
    let system = System::new();
    for number in 1..=4 {
        system.write("etc/a", &format!("{number}\n"));
        system.lbu(&["commit"]);
        // As if each was made a day after the other.
        let time =
            std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_800_000_000 + number * 86_400);
        let file = fs::File::options()
            .append(true)
            .open(system.overlay())
            .unwrap();
        file.set_modified(time).unwrap();
    }
    let said = system.lbu(&["commit"]);
    assert!(said.contains("nothing changed"), "{said}");
    let backups = system.lbu(&["list-backup"]);
    assert_eq!(
        backups,
        "box.20270117080000.tar.gz\nbox.20270118080000.tar.gz\n"
    );
    system.lbu(&["revert", "20270117"]);
    assert_eq!(tar(&["-xzO", "etc/a"], &system.overlay()), "2\n");
    let backups = system.lbu(&["list-backup"]);
    assert_eq!(
        backups,
        "box.20270118080000.tar.gz\nbox.20270119080000.tar.gz\n"
    );
    system.fails(&["revert", "1999"], "no backup 1999");
}

#[test]
fn overlays_of_other_hosts_are_not_left_beside() {
    let system = System::new();
    system.write("media/stick/old.apkovl.tar.gz", "");
    system.fails(&["commit"], "old.apkovl.tar.gz");
    assert!(!system.overlay().exists());
    system.lbu(&["commit", "-d"]);
    assert!(system.overlay().exists() && !system.at("media/stick/old.apkovl.tar.gz").exists());
}

#[test]
fn lists_are_changed_and_shown() {
    let system = System::new();
    system.lbu(&["exclude", "etc/hostname"]);
    assert!(!system.lbu(&["list"]).contains("etc/hostname"));
    assert_eq!(system.lbu(&["exclude", "-l"]), "etc/hostname\n");
    system.lbu(&["include", "etc/hostname"]);
    assert_eq!(system.lbu(&["exclude", "-l"]), "");
    assert_eq!(system.lbu(&["include", "-l"]), "etc/hostname\n");
    system.lbu(&["include", "-r", "/etc/hostname"]);
    assert_eq!(system.lbu(&["include", "-l"]), "");
    system.fails(&["include"], "a path is missing");
}

#[test]
fn a_package_is_a_file_a_folder_or_a_stream() {
    let system = System::new();
    system.write(
        "etc/lbu/pre-package.d/first",
        "#!/bin/sh\necho made > \"$ROOT/etc/made\"; echo hook\n",
    );
    let hook = system.at("etc/lbu/pre-package.d/first");
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let file = system.at("x.tar.gz");
    system.lbu(&["package", file.to_str().unwrap()]);
    assert!(tar(&["-tz"], &file).contains("etc/made"));
    let stream = system.try_lbu(&["package", "-"]);
    assert!(stream.status.success());
    assert_eq!(stream.stdout, fs::read(&file).unwrap());
    system.lbu(&["package", "media"]);
    assert!(system.at("media/box.apkovl.tar.gz").exists());
    system.write("etc/lbu/pre-package.d/first", "#!/bin/sh\nexit 7\n");
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    system.fails(&["commit"], "ended with status 7");
}

#[test]
fn bad_input_is_told() {
    let system = System::new();
    system.fails(&[], "a command is missing");
    system.fails(&["nonsense"], "no such command");
    system.fails(&["commit", "-z"], "invalid option");
    system.fails(&["commit", "-e"], "not supported");
    system.fails(&["commit", "nowhere"], "nowhere is not there");
    system.fails(&["revert"], "name is missing");
    system.write("media/stick/box.apkovl.tar.gz", "no gzip");
    system.fails(&["status"], "no overlay");
    // What cannot be read is replaced.
    system.lbu(&["commit"]);
    assert_eq!(system.lbu(&["status"]), "");
    fs::remove_file(system.at("etc/lbu/lbu.conf")).unwrap();
    system.fails(&["commit"], "LBU_MEDIA");
}

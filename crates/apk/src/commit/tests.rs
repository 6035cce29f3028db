//! Whole transactions on a folder: installing, upgrading, removing, and every way to fail.

use super::{Change, Commit, CommitError, Event, New, Policy};
use crate::archive::tar::{Entry, Kind};
use crate::database::Database;
use crate::keys::KeyRing;
use crate::package::{Contents, PkgInfo, Script, write};
use crate::record::Record;
use std::path::{Path, PathBuf};
use sys::fs::{Fault, Faulty, FileSystem, Root};

/// A package with these files; each content that begins with `->` is a link, one with `=>` a hard link.
pub fn package(
    name: &str,
    version: &str,
    files: &[(&str, &str)],
    scripts: &[(Script, &str)],
) -> (Record, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let mut contents: Vec<Contents> = Vec::new();
    for (number, (path, text)) in files.iter().enumerate() {
        let above: Vec<&Path> = Path::new(path)
            .ancestors()
            .skip(1)
            .filter(|p| !p.as_os_str().is_empty())
            .collect();
        for folder in above.into_iter().rev() {
            let bytes = folder.to_str().unwrap().as_bytes().to_vec();
            if !contents.iter().any(|known| known.entry.path == bytes) {
                contents.push(Contents {
                    entry: Entry::new(bytes, Kind::Directory, 0o755),
                    source: None,
                });
            }
        }
        if let Some(target) = text.strip_prefix("->") {
            let mut entry = Entry::new(*path, Kind::Symlink, 0o777);
            entry.link = target.as_bytes().to_vec();
            contents.push(Contents {
                entry,
                source: None,
            });
        } else if let Some(target) = text.strip_prefix("=>") {
            let mut entry = Entry::new(*path, Kind::HardLink, 0o644);
            entry.link = target.as_bytes().to_vec();
            contents.push(Contents {
                entry,
                source: None,
            });
        } else {
            let file = dir.path().join(number.to_string());
            std::fs::write(&file, text).unwrap();
            contents.push(Contents {
                entry: Entry::new(*path, Kind::File, 0o644),
                source: Some(file),
            });
        }
    }
    let mut info = PkgInfo::new(name, version, "x86_64");
    let scripts: Vec<(Script, Vec<u8>)> = scripts
        .iter()
        .map(|(s, t)| (*s, t.as_bytes().to_vec()))
        .collect();
    let mut bytes = Vec::new();
    let (identity, size) =
        write(&mut bytes, &mut info, &scripts, &contents, 1, &|_| Ok(None)).unwrap();
    (Record::of_package(identity, &info, size), bytes)
}

pub fn install(record: Record, bytes: Vec<u8>, old: bool) -> Change {
    let name = record.name.clone();
    Change {
        old: old.then_some(name),
        new: Some(New {
            record,
            open: Some(Box::new(move || Ok(Box::new(std::io::Cursor::new(bytes))))),
            check_signature: false,
            tag: None,
        }),
    }
}

pub fn remove(name: &str) -> Change {
    Change {
        old: Some(name.to_owned()),
        new: None,
    }
}

struct Bed {
    dir: tempfile::TempDir,
}

impl Bed {
    fn new() -> Bed {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["lib/apk/db", "etc/apk"] {
            std::fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        Bed { dir }
    }

    fn root(&self) -> Root {
        Root::open(self.dir.path()).unwrap()
    }

    fn run_on(
        &self,
        fs: &dyn FileSystem,
        changes: Vec<Change>,
    ) -> (Result<usize, CommitError>, Vec<Event>) {
        let mut database = Database::read(fs).unwrap();
        let mut events = Vec::new();
        let policy = Policy {
            keep_owner: true,
            ..Policy::default()
        };
        let result = Commit {
            fs,
            keys: &KeyRing::default(),
            policy: &policy,
            run_script: &mut |_, text, _| Ok(i32::from(text.starts_with(b"fail"))),
            event: &mut |event| events.push(event),
        }
        .run(&mut database, changes, Vec::new());
        (result, events)
    }

    fn run(&self, changes: Vec<Change>) -> Result<usize, CommitError> {
        self.run_on(&self.root(), changes).0
    }

    fn text(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.dir.path().join(path)).ok()
    }

    /// Every path below the root, with its text.
    fn all(&self) -> Vec<(PathBuf, Option<Vec<u8>>)> {
        fn walk(folder: &Path, out: &mut Vec<(PathBuf, Option<Vec<u8>>)>) {
            let mut entries: Vec<_> = std::fs::read_dir(folder)
                .unwrap()
                .map(|e| e.unwrap().path())
                .collect();
            entries.sort();
            for path in entries {
                if path.is_dir() && !path.is_symlink() {
                    out.push((path.clone(), None));
                    walk(&path, out);
                } else {
                    out.push((path.clone(), std::fs::read(&path).ok()));
                }
            }
        }
        let mut out = Vec::new();
        walk(self.dir.path(), &mut out);
        out
    }
}

#[test]
fn install_upgrade_remove() {
    let bed = Bed::new();
    let (record, bytes) = package(
        "a",
        "1",
        &[("usr/bin/a", "one"), ("usr/bin/b", "->a"), ("usr/old", "x")],
        &[],
    );
    bed.run(vec![install(record, bytes, false)]).unwrap();
    assert_eq!(bed.text("usr/bin/b").as_deref(), Some("one"));
    let (record, bytes) = package("a", "2", &[("usr/bin/a", "two"), ("usr/bin/b", "->a")], &[]);
    let (result, events) = bed.run_on(&bed.root(), vec![install(record, bytes, true)]);
    result.unwrap();
    assert_eq!(
        events,
        [Event::Package {
            number: 1,
            total: 1,
            what: "Upgrading a (1 -> 2)".into()
        }]
    );
    assert_eq!(
        (bed.text("usr/bin/a").as_deref(), bed.text("usr/old")),
        (Some("two"), None)
    );
    bed.run(vec![remove("a")]).unwrap();
    assert!(!bed.dir.path().join("usr").exists());
    assert!(Database::read(&bed.root()).unwrap().packages.is_empty());
}

#[test]
fn what_the_user_changed_in_etc_stays() {
    let bed = Bed::new();
    let (record, bytes) = package(
        "a",
        "1",
        &[("etc/a.conf", "old"), ("etc/b.conf", "old")],
        &[],
    );
    bed.run(vec![install(record, bytes, false)]).unwrap();
    std::fs::write(bed.dir.path().join("etc/a.conf"), "mine").unwrap();
    let (record, bytes) = package(
        "a",
        "2",
        &[("etc/a.conf", "new"), ("etc/b.conf", "new")],
        &[],
    );
    bed.run(vec![install(record, bytes, true)]).unwrap();
    assert_eq!(bed.text("etc/a.conf").as_deref(), Some("mine"));
    assert_eq!(bed.text("etc/a.conf.apk-new").as_deref(), Some("new"));
    assert_eq!(bed.text("etc/b.conf").as_deref(), Some("new"));
    bed.run(vec![remove("a")]).unwrap();
    assert_eq!(
        (bed.text("etc/a.conf").as_deref(), bed.text("etc/b.conf")),
        (Some("mine"), None)
    );
}

#[test]
fn a_file_of_another_package_is_not_taken() {
    let bed = Bed::new();
    let (record, bytes) = package("a", "1", &[("bin/x", "a")], &[]);
    bed.run(vec![install(record, bytes, false)]).unwrap();
    let before = bed.all();
    let (record, bytes) = package("b", "1", &[("bin/y", "b"), ("bin/x", "b")], &[]);
    let error = bed.run(vec![install(record, bytes, false)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "b-1: trying to overwrite bin/x owned by a-1"
    );
    assert_eq!(bed.all(), before);
}

#[test]
fn scripts_run_and_a_failing_one_marks_its_package() {
    let bed = Bed::new();
    let scripts = [(Script::PreInstall, "ok"), (Script::PostInstall, "fail")];
    let (record, bytes) = package("a", "1", &[("bin/x", "a")], &scripts);
    let (result, events) = bed.run_on(&bed.root(), vec![install(record, bytes, false)]);
    assert_eq!(result.unwrap(), 1);
    assert!(events.contains(&Event::Script("Executing a-1.post-install".into())));
    assert_eq!(Database::read(&bed.root()).unwrap().packages[0].flags, "s");
}

#[test]
fn no_name_leads_out_of_the_root() {
    let bed = Bed::new();
    let (record, bytes) = package("a", "1", &[("../out", "x"), ("bin/x", "a")], &[]);
    let (result, events) = bed.run_on(&bed.root(), vec![install(record, bytes, false)]);
    result.unwrap();
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::Warning(text) if text.contains("../out")))
    );
    assert!(!bed.dir.path().parent().unwrap().join("out").exists());
}

#[test]
fn a_cut_package_changes_nothing() {
    let bed = Bed::new();
    let (record, bytes) = package(
        "a",
        "1",
        &[("bin/x", &"a".repeat(5000)), ("bin/y", "b")],
        &[],
    );
    let before = bed.all();
    for cut in (0..bytes.len()).step_by(7) {
        assert!(
            bed.run(vec![install(record.clone(), bytes[..cut].to_vec(), false)])
                .is_err()
        );
        assert_eq!(bed.all(), before, "cut at {cut}");
    }
}

#[test]
fn a_full_disk_while_staging_changes_nothing() {
    let (first, first_bytes) = package("a", "1", &[("bin/x", "old"), ("etc/x", "old")], &[]);
    let (second, second_bytes) = package(
        "a",
        "2",
        &[("bin/x", "new"), ("etc/x", "new"), ("bin/n", "->x")],
        &[],
    );
    let (mut at, mut undone) = (0, 0);
    loop {
        let bed = Bed::new();
        bed.run(vec![install(first.clone(), first_bytes.clone(), false)])
            .unwrap();
        let before = bed.all();
        let faulty = Faulty::new(bed.root(), at, Fault::Error(28));
        let (result, _) = bed.run_on(
            &faulty,
            vec![install(second.clone(), second_bytes.clone(), true)],
        );
        match result {
            Ok(_) if faulty.calls() <= at => break,
            Ok(_) => {}
            Err(_) if bed.text("bin/x").as_deref() == Some("old") => {
                assert_eq!(bed.all(), before, "call {at}");
                undone += 1;
            }
            // Behind the first rename the new files are whole, each of them.
            Err(_) => assert_eq!(bed.text("bin/x").as_deref(), Some("new"), "call {at}"),
        }
        at += 1;
    }
    assert!(
        undone >= 10,
        "only {undone} of {at} calls were while staging"
    );
}

//! Transactions of the real program: killed at each system call that changes something, interrupted, taken back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod world;

use apk::package::Script;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use sys::trace::run_until;
use world::{Made, World, bad, good, key, text};

type Tree = BTreeMap<PathBuf, (u32, Vec<u8>)>;

/// All that is in a root, but for what is kept for later and the times in records of the history.
fn tree(root: &Path) -> Tree {
    fn walk(root: &Path, folder: &Path, out: &mut Tree) {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            let inside = path.strip_prefix(root).unwrap().to_owned();
            if inside == Path::new("var/cache/apk/kept") {
                continue;
            }
            let meta = path.symlink_metadata().unwrap();
            let bytes = if inside.starts_with("lib/apk/history") || meta.is_dir() {
                Vec::new()
            } else if meta.is_symlink() {
                fs::read_link(&path)
                    .unwrap()
                    .into_os_string()
                    .into_encoded_bytes()
            } else {
                fs::read(&path).unwrap()
            };
            if meta.is_dir() {
                walk(root, &path, out);
            }
            out.insert(inside, (meta.mode(), bytes));
        }
    }
    let mut out = Tree::new();
    walk(root, root, &mut out);
    out
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    fs::set_permissions(to, from.metadata().unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let meta = path.symlink_metadata().unwrap();
        if meta.is_dir() {
            copy(&path, &target);
        } else if meta.is_symlink() {
            symlink(fs::read_link(&path).unwrap(), &target).unwrap();
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// Two versions of a package with all that there is, and one that comes with the second.
fn filled(scripts: &[(Script, &str)]) -> World {
    let mut world = World::new();
    world.package(
        "a",
        "1-r0",
        &Made {
            files: &[
                ("usr/bin/a", b"a one"),
                ("usr/gone/x", b"x"),
                ("usr/turns", b"a file"),
                ("etc/plain.conf", b"plain one"),
                ("etc/mine.conf", b"mine one"),
                ("usr/share/taken", b"of a"),
            ],
            ..Made::default()
        },
    );
    world.index(key());
    good(&world.with_repo(&["add", "a"]));
    fs::write(world.root().join("etc/mine.conf"), "changed").unwrap();
    world.package(
        "a",
        "2-r0",
        &Made {
            depends: "b",
            files: &[
                ("usr/bin/a", b"a two"),
                ("usr/new/y", b"y"),
                ("usr/turns/inside", b"a folder"),
                ("etc/plain.conf", b"plain two"),
                ("etc/mine.conf", b"mine two"),
            ],
            scripts,
            ..Made::default()
        },
    );
    world.package(
        "b",
        "1-r0",
        &Made {
            files: &[("usr/share/taken", b"of b"), ("usr/bin/b", b"b")],
            ..Made::default()
        },
    );
    world.index(key());
    world
}

/// Kills a command before each of its changing system calls in turn; the next command puts the root right.
fn killed_everywhere(world: &World, title: &str, arguments: &[&str]) -> (u64, u64) {
    let base = world.root();
    let before = tree(&base);
    let top = if Path::new("/dev/shm").is_dir() {
        tempfile::tempdir_in("/dev/shm").unwrap()
    } else {
        tempfile::tempdir().unwrap()
    };
    let command = |root: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_apk"));
        command
            .arg("--root")
            .arg(root)
            .arg("-X")
            .arg(world.repo())
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    };
    let whole = top.path().join("whole");
    copy(&base, &whole);
    let counted = run_until(&mut command(&whole), u64::MAX).unwrap();
    assert!(counted.status.is_some());
    let after = tree(&whole);
    assert!(after != before);
    let (next, finished) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= counted.changes {
                        break;
                    }
                    let place = format!("{title}, change {at} of {}", counted.changes);
                    let root = top.path().join(at.to_string());
                    copy(&base, &root);
                    let watched = run_until(&mut command(&root), at).unwrap();
                    assert_eq!(watched.status, None, "{place}");
                    let output = Command::new(env!("CARGO_BIN_EXE_apk"))
                        .arg("--root")
                        .arg(&root)
                        .args(["audit", "--system"])
                        .output()
                        .unwrap();
                    assert!(output.status.success(), "{place}: {}", text(&output));
                    assert_eq!(output.stdout, b"", "{place}: {}", text(&output));
                    let now = tree(&root);
                    if now != before {
                        let differ: Vec<_> = now
                            .keys()
                            .chain(after.keys())
                            .filter(|path| now.get(*path) != after.get(*path))
                            .collect();
                        assert!(differ.is_empty(), "{place}: {differ:?}: {}", text(&output));
                        finished.fetch_add(1, Ordering::Relaxed);
                    }
                    fs::remove_dir_all(&root).unwrap();
                }
            });
        }
    });
    let finished = finished.into_inner();
    println!(
        "{title}: killed at {} of {} system calls (those that change something): {} undone, {finished} finished",
        counted.changes,
        counted.calls,
        counted.changes - finished
    );
    (counted.changes, finished)
}

#[test]
fn killed_at_each_system_call() {
    // There is nothing in the root to run a script by: it fails, which is to be known afterwards, too.
    let world = filled(&[(Script::PostUpgrade, "#!/no/such/interpreter\n")]);
    let mut total = 0;
    for (title, arguments) in [
        ("upgrade", &["upgrade"][..]),
        ("undo", &["undo"]),
        ("removal", &["del", "a"]),
        ("install", &["add", "a=2-r0"]),
    ] {
        // Nothing of the index is fetched or refused in between: it lies in a folder.
        let (tried, finished) = killed_everywhere(&world, title, arguments);
        assert!(
            tried > 30 && finished > 5 && tried - finished > 5,
            "{title}: {tried} {finished}"
        );
        total += tried;
        world.with_repo(arguments);
    }
    println!("{total} points were tried");
}

#[test]
fn what_was_done_and_the_way_back() {
    let world = filled(&[]);
    let start = tree(&world.root());
    let said = text(&world.with_repo(&["upgrade"]));
    assert!(said.contains("Upgrading a (1-r0 -> 2-r0)"), "{said}");
    let upgraded = tree(&world.root());
    let said = good(&world.apk(&["history"]));
    assert_eq!(said.lines().count(), 2, "{said}");
    assert!(
        said.contains("   2  2") && said.contains("+1 ~1") && said.contains("upgrade"),
        "{said}"
    );
    let said = good(&world.apk(&["history", "2"]));
    assert!(
        said.contains("Installing b (1-r0)") && said.contains("Upgrading a (1-r0 -> 2-r0)"),
        "{said}"
    );
    let said = good(&world.apk(&["history", "--format", "json", "1"]));
    assert!(
        said.contains("\"changes\":[{\"name\":\"a\",\"old\":null,\"new\":\"1-r0\"}]")
            && said.contains("\"world-after\":[\"a\"]"),
        "{said}"
    );
    bad(&world.apk(&["history", "7"]), &["no transaction 7"]);
    bad(&world.apk(&["history", "x"]), &["'x'"]);
    // What was replaced was kept: without a repository.
    let said = good(&world.apk(&["undo", "-s"]));
    assert!(
        said.contains("Downgrading a (2-r0 -> 1-r0)") && said.contains("Purging b (1-r0)"),
        "{said}"
    );
    assert!(tree(&world.root()) == upgraded);
    good(&world.apk(&["undo"]));
    let strip = |mut tree: Tree| {
        tree.retain(|path, _| {
            !path.starts_with("lib/apk/history") && !path.ends_with("mine.conf.apk-new")
        });
        tree
    };
    assert!(strip(tree(&world.root())) == strip(start.clone()));
    // And forth again, and to a state by its number.
    good(&world.apk(&["rollback", "2"]));
    let now = tree(&world.root());
    assert_eq!(
        now.get(Path::new("usr/bin/a")),
        upgraded.get(Path::new("usr/bin/a"))
    );
    assert_eq!(now.get(Path::new("etc/mine.conf")).unwrap().1, b"changed");
    good(&world.apk(&["rollback", "0"]));
    assert_eq!(world.apk(&["info"]).stdout, b"");
    good(&world.apk(&["rollback", "1"]));
    assert_eq!(good(&world.apk(&["info"])), "a\n");
    bad(&world.apk(&["rollback"]), &["takes the number"]);
    bad(&world.apk(&["rollback", "99"]), &["no transaction 99"]);
}

#[test]
fn going_back_needs_what_was_kept_or_a_repository() {
    let mut world = filled(&[]);
    fs::write(world.root().join("etc/apk/config"), "history_space = 0\n").unwrap();
    good(&world.with_repo(&["upgrade"]));
    bad(&world.apk(&["undo"]), &["a-1-r0", "neither kept"]);
    // The repository still has it.
    good(&world.with_repo(&["undo"]));
    assert_eq!(fs::read(world.root().join("usr/bin/a")).unwrap(), b"a one");
    fs::write(
        world.root().join("etc/apk/config"),
        "history_space = lots\n",
    )
    .unwrap();
    bad(&world.with_repo(&["undo"]), &["etc/apk/config:1", "lots"]);
    fs::write(world.root().join("etc/apk/config"), "history_space = 1M\n").unwrap();
    // What something else needs by now stays.
    world.package(
        "c",
        "1-r0",
        &Made {
            depends: "a=1-r0",
            files: &[("usr/bin/c", b"c")],
            ..Made::default()
        },
    );
    world.index(key());
    good(&world.with_repo(&["add", "c"]));
    bad(&world.with_repo(&["undo", "3"]), &["would break"]);
    assert!(text(&world.with_repo(&["undo", "3"])).contains("c-1-r0 needs a=1-r0"));
    // Damage of what was kept is found.
    good(&world.with_repo(&["del", "c"]));
    let kept = world.root().join("var/cache/apk/kept");
    let mut damaged = 0;
    for transaction in fs::read_dir(&kept).unwrap().flatten() {
        let file = transaction.path().join("c/0");
        if file.exists() {
            fs::write(file, "other").unwrap();
            damaged += 1;
        }
    }
    assert_eq!(damaged, 1);
    bad(&world.apk(&["undo"]), &["c-1-r0", "neither kept"]);
    assert!(!world.root().join("usr/bin/c").exists());
    good(&world.with_repo(&["undo"]));
    assert_eq!(fs::read(world.root().join("usr/bin/c")).unwrap(), b"c");
}

#[test]
fn why_it_is_there() {
    let world = filled(&[]);
    good(&world.with_repo(&["upgrade"]));
    assert_eq!(
        good(&world.apk(&["why", "b"])),
        "world wants a\na-2-r0 needs b\n"
    );
    assert_eq!(
        good(&world.apk(&["why", "/usr/bin/b"])),
        "/usr/bin/b is owned by b-1-r0\nworld wants a\na-2-r0 needs b\n"
    );
    bad(&world.apk(&["why", "nope"]), &["nope", "not installed"]);
    bad(
        &world.apk(&["why", "/no/where"]),
        &["/no/where", "no package owns it"],
    );
}

/// A package too large to be there before a signal is.
fn large() -> World {
    let mut world = filled(&[]);
    let noise: Vec<u8> = (0..8_000_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    world.package(
        "large",
        "1-r0",
        &Made {
            files: &[("usr/bin/one", &noise), ("usr/large/two", &noise)],
            ..Made::default()
        },
    );
    world.index(key());
    world
}

#[test]
fn a_signal_before_the_end_changes_nothing() {
    let world = large();
    let before = tree(&world.root());
    // The package comes through a pipe, so that it cannot be whole before the signal.
    let package = world.repo().join("x86_64/large-1-r0.apk");
    let content = fs::read(&package).unwrap();
    let (start, rest) = content.split_at(content.len() / 2);
    fs::remove_file(&package).unwrap();
    let made = Command::new("mkfifo").arg(&package).status().unwrap();
    assert!(made.success());
    for (signal, status) in [(2, 130), (15, 143), (1, 129)] {
        let child = world
            .command()
            .arg("-X")
            .arg(world.repo())
            .args(["add", "large"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = fs::OpenOptions::new().write(true).open(&package).unwrap();
        // Written before it is read, but for what a pipe holds.
        pipe.write_all(start).unwrap();
        assert!(world.root().join("lib/apk/db/journal.staging").exists());
        sys::process::kill(i32::try_from(child.id()).unwrap(), signal).unwrap();
        // Whether anyone still listens does not matter.
        let _ = pipe.write_all(rest);
        drop(pipe);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{}", text(&output));
        assert!(
            text(&output).contains("ERROR: interrupted: nothing was changed"),
            "{}",
            text(&output)
        );
        assert!(tree(&world.root()) == before);
    }
}

#[test]
fn whoever_listens_may_go_away() {
    let world = filled(&[]);
    let mut child = world
        .command()
        .arg("-X")
        .arg(world.repo())
        .arg("upgrade")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    child.wait().unwrap();
    assert_eq!(fs::read(world.root().join("usr/bin/a")).unwrap(), b"a two");
    assert!(!world.root().join("lib/apk/db/journal").exists());
}

#[test]
fn an_interrupted_transaction_is_told_of() {
    let world = filled(&[]);
    let journal = world.root().join("lib/apk/db/journal.staging");
    let stray = world.root().join("usr/bin/.apk.0123456789abcdef01234567");
    let interrupt = || {
        fs::File::create(&journal)
            .unwrap()
            .write_all(b"by apk add x\n")
            .unwrap();
        fs::write(&stray, "half").unwrap();
    };
    interrupt();
    let output = world.apk(&["info"]);
    assert!(
        text(&output).contains("WARNING: Undoing the interrupted transaction: apk add x"),
        "{}",
        text(&output)
    );
    assert!(!stray.exists() && !journal.exists());
    // Another apk that is at work is not interrupted.
    interrupt();
    let lock = fs::File::open(world.root().join("lib/apk/db/lock")).unwrap();
    lock.lock().unwrap();
    assert!(!text(&world.apk(&["info"])).contains("Undoing"));
    assert!(stray.exists());
    drop(lock);
    assert!(good(&world.apk(&["recover"])).contains("Undoing"));
    assert_eq!(
        good(&world.apk(&["recover", "-v"])),
        "no transaction was interrupted\n"
    );
    // A root that cannot be written says so, and tells of what is there.
    interrupt();
    let script = format!(
        "mount --bind {root} {root} && mount -o remount,ro,bind {root} && {apk} --root {root} info",
        root = world.root().display(),
        apk = env!("CARGO_BIN_EXE_apk"),
    );
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
        .output()
        .expect("unshare (package util-linux) is needed");
    let said = good(&output);
    assert!(
        said.contains("cannot be finished here")
            && said.contains("Read-only")
            && said.contains("a\n"),
        "{said}"
    );
    assert!(stray.exists());
    fs::set_permissions(&stray, fs::Permissions::from_mode(0o600)).unwrap();
}

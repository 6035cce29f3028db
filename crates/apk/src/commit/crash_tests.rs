//! Every transaction, killed before every call, with every kind of power cut behind it: what [`recover`] makes of it is the
//! old root or the new one, to the last byte.

use super::tests::{install, package, remove};
use super::{
    Change, Commit, CommitError, Event, KEPT, Kept, Logged, Policy, Source, Step, recover,
};
use crate::database::Database;
use crate::dependency::Dependency;
use crate::journal::Journal;
use crate::keys::KeyRing;
use crate::package::Script;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use sys::fs::{Fault, Faulty, FileSystem, Kind, Memory, Meta, PowerCut};

type Tree = BTreeMap<PathBuf, (Kind, u32, u32, u32, Vec<u8>)>;

/// All that is there, but for what scripts did, what is kept for later, and inode numbers.
fn tree(fs: &dyn FileSystem) -> Tree {
    fn walk(fs: &dyn FileSystem, folder: &Path, out: &mut Tree) {
        for name in fs.list(folder).unwrap() {
            let path = folder.join(name);
            let Meta {
                kind,
                mode,
                uid,
                gid,
                ..
            } = fs.metadata(&path).unwrap();
            if path == Path::new(KEPT) || path == Path::new("ran") {
                continue;
            }
            // Made by a script.
            if path == Path::new("usr/new") && fs.list(&path).unwrap().is_empty() {
                continue;
            }
            let bytes = match kind {
                Kind::File => fs.read(&path).unwrap(),
                Kind::Link => fs
                    .read_link(&path)
                    .unwrap()
                    .into_os_string()
                    .into_encoded_bytes(),
                _ => Vec::new(),
            };
            out.insert(path.clone(), (kind, mode, uid, gid, bytes));
            if kind == Kind::Folder {
                walk(fs, &path, out);
            }
        }
    }
    let mut out = Tree::new();
    walk(fs, Path::new(""), &mut out);
    out
}

fn policy(boot: &str) -> Policy {
    Policy {
        journal: Some(Logged {
            when: 1,
            command: "apk test".into(),
            boot: boot.into(),
            history: true,
            space: 1 << 20,
        }),
        ..Policy::default()
    }
}

/// Does something with a [`Commit`] whose scripts leave a file each.
fn with<T>(
    fs: &dyn FileSystem,
    boot: &str,
    events: &RefCell<Vec<Event>>,
    work: impl FnOnce(&mut Commit<'_>) -> T,
) -> T {
    let keys = KeyRing::default();
    let policy = policy(boot);
    work(&mut Commit {
        fs,
        keys: &keys,
        policy: &policy,
        run_script: &mut |name, text, _| {
            let mark = Path::new("ran").join(name);
            if fs.metadata(&mark).is_err() {
                fs.create(&mark, 0o644)?;
            }
            for line in String::from_utf8_lossy(text).lines() {
                if let Some(folder) = line.strip_prefix("mkdir ")
                    && fs.metadata(Path::new(folder)).is_err()
                {
                    fs.make_folder(Path::new(folder), 0o700)?;
                }
            }
            Ok(i32::from(text.starts_with(b"fail")))
        },
        event: &mut |event| events.borrow_mut().push(event),
    })
}

/// One transaction, from a root to another.
struct Case {
    name: &'static str,
    /// What is there before.
    base: Memory,
    steps: Box<dyn Fn(&dyn FileSystem) -> Vec<Step>>,
    world: &'static str,
    /// The scripts that must have run.
    scripts: &'static [&'static str],
}

fn steps(changes: impl IntoIterator<Item = Change>) -> Vec<Step> {
    changes.into_iter().map(Step::from).collect()
}

fn run(case: &Case, fs: &dyn FileSystem) -> Result<usize, CommitError> {
    let mut database = Database::read(fs).unwrap();
    let world = Dependency::parse_list(case.world).unwrap();
    let steps = (case.steps)(fs);
    with(fs, "boot", &RefCell::default(), |commit| {
        commit.run_steps(&mut database, steps, world)
    })
}

fn empty() -> Memory {
    let memory = Memory::new();
    for folder in [
        "lib",
        "lib/apk",
        "lib/apk/db",
        "lib/apk/history",
        "etc",
        "etc/apk",
        "ran",
        "usr",
        "var",
        "var/cache",
        "var/cache/apk",
    ] {
        memory.make_folder(Path::new(folder), 0o755).unwrap();
    }
    memory.mount(Path::new("boot")).unwrap();
    memory
        .symlink(Path::new("usr/sbin"), Path::new("sbin"))
        .unwrap();
    memory.make_folder(Path::new("usr/sbin"), 0o755).unwrap();
    memory.make_folder(Path::new("opt"), 0o755).unwrap();
    memory.sync(Path::new("")).unwrap();
    memory.sync(Path::new("boot")).unwrap();
    memory
}

fn put(fs: &dyn FileSystem, path: &str, text: &str) {
    let _ = fs.unlink(Path::new(path));
    let mut file = fs.create(Path::new(path), 0o644).unwrap();
    io::Write::write_all(&mut file, text.as_bytes()).unwrap();
}

type Made = (crate::record::Record, Vec<u8>);

fn first() -> Vec<Made> {
    static MADE: OnceLock<Vec<Made>> = OnceLock::new();
    MADE.get_or_init(make_first).clone()
}

fn second() -> Vec<Made> {
    static MADE: OnceLock<Vec<Made>> = OnceLock::new();
    MADE.get_or_init(make_second).clone()
}

fn make_first() -> Vec<Made> {
    vec![
        package(
            "a",
            "1",
            &[
                ("usr/bin/a", "a one"),
                ("usr/bin/b", "->a"),
                ("usr/bin/hard", "=>usr/bin/a"),
                ("sbin/merged", "m one"),
                ("etc/kept.conf", "conf one"),
                ("etc/same.conf", "conf"),
                ("etc/plain.conf", "plain one"),
                ("boot/kernel", "kernel one"),
                ("usr/gone/deep/x", "x"),
                ("usr/gone/y", "y"),
                ("usr/turns", "file"),
                ("usr/back/file", "in a folder"),
            ],
            &[],
        ),
        package(
            "b",
            "1",
            &[("usr/share/b/doc", "b"), ("usr/bin/moves", "of b")],
            &[(Script::PreDeinstall, "ok"), (Script::PostDeinstall, "ok")],
        ),
    ]
}

fn make_second() -> Vec<Made> {
    let scripts = [
        (Script::PreUpgrade, "mkdir usr/new"),
        (Script::PostUpgrade, "ok"),
        (Script::PreInstall, "mkdir usr/new"),
        (Script::PostInstall, "ok"),
    ];
    vec![
        package(
            "a",
            "2",
            &[
                ("usr/bin/a", "a two"),
                ("usr/bin/b", "->c"),
                ("usr/bin/hard", "=>usr/bin/a"),
                ("sbin/merged", "m two"),
                ("etc/kept.conf", "conf two"),
                ("etc/same.conf", "conf"),
                ("etc/plain.conf", "plain two"),
                ("boot/kernel", "kernel two"),
                ("boot/initramfs", "initramfs"),
                ("usr/new/deep/x", "x"),
                ("usr/new/y", "y"),
                ("usr/turns/inside", "a folder now"),
                ("usr/back", "a file now"),
                ("opt/a", "in a folder that nobody owned"),
            ],
            &scripts,
        ),
        package(
            "c",
            "1",
            &[
                ("usr/bin/c", "c"),
                ("usr/new/of-c", "c"),
                ("usr/bin/moves", "of c"),
            ],
            &[(Script::PostInstall, "fail")],
        ),
    ]
}

fn installed() -> Memory {
    let memory = empty();
    let mut database = Database::default();
    let changes = first()
        .into_iter()
        .map(|(record, bytes)| install(record, bytes, false));
    with(&memory, "boot", &RefCell::default(), |commit| {
        commit.run_steps(
            &mut database,
            steps(changes),
            Dependency::parse_list("a b").unwrap(),
        )
    })
    .unwrap();
    // Changed by the user, and one more beside it from an earlier upgrade.
    put(&memory, "etc/kept.conf", "mine");
    put(&memory, "etc/kept.conf.apk-new", "older");
    memory.sync(Path::new("")).unwrap();
    memory.sync(Path::new("boot")).unwrap();
    memory
}

/// `a` upgraded, `b` replaced by `c`.
fn upgraded() -> Memory {
    let memory = installed();
    let case = upgrade(memory.clone());
    run(&case, &memory).unwrap();
    memory.sync(Path::new("")).unwrap();
    memory.sync(Path::new("boot")).unwrap();
    memory
}

fn upgrade(base: Memory) -> Case {
    Case {
        name: "upgrade",
        base,
        steps: Box::new(|_| {
            let mut changes = Vec::new();
            for (record, bytes) in second() {
                let old = record.name == "a";
                changes.push(install(record, bytes, old));
            }
            changes.push(remove("b"));
            steps(changes)
        }),
        world: "a c",
        scripts: &[
            "a-2.pre-upgrade",
            "a-2.post-upgrade",
            "c-1.post-install",
            "b-1.pre-deinstall",
            "b-1.post-deinstall",
        ],
    }
}

fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "install",
            base: empty(),
            steps: Box::new(|_| {
                steps(
                    second()
                        .into_iter()
                        .map(|(record, bytes)| install(record, bytes, false)),
                )
            }),
            world: "a c",
            scripts: &["a-2.pre-install", "a-2.post-install", "c-1.post-install"],
        },
        upgrade(installed()),
        Case {
            name: "removal",
            base: installed(),
            steps: Box::new(|_| steps([remove("b"), remove("a")])),
            world: "",
            scripts: &["b-1.pre-deinstall", "b-1.post-deinstall"],
        },
        Case {
            name: "undo",
            base: upgraded(),
            steps: Box::new(|fs| {
                let mut all = Vec::new();
                for (name, _) in [("a", 0), ("b", 1)] {
                    let identity = first()
                        .into_iter()
                        .find(|(record, _)| record.name == name)
                        .unwrap()
                        .0
                        .identity;
                    let kept = Kept::find(fs, name, &identity).unwrap();
                    all.push(Step {
                        old: (name == "a").then(|| name.to_owned()),
                        new: Some(Source::Kept(kept)),
                    });
                }
                all.push(Step::from(remove("c")));
                all
            }),
            world: "a b",
            scripts: &[],
        },
    ]
}

fn is_clean(fs: &dyn FileSystem, at: &str) {
    for path in tree(fs).keys() {
        let text = path.to_str().unwrap();
        assert!(
            !text.contains(".apk.")
                && !text.contains("journal")
                && !text.ends_with(".new")
                && !text.ends_with(".write"),
            "{at}: {text} is left"
        );
    }
}

/// How a run ends: killed, or with the power.
const ENDS: [Option<PowerCut>; 5] = [
    None,
    Some(PowerCut::Everything),
    Some(PowerCut::Contents),
    Some(PowerCut::Root),
    Some(PowerCut::Mounted),
];

fn end(memory: &Memory, end: Option<PowerCut>, boots: &mut u32) -> String {
    if let Some(cut) = end {
        memory.cut_power(cut);
        *boots += 1;
    }
    if *boots == 0 {
        "boot".to_owned()
    } else {
        format!("boot {boots}")
    }
}

#[test]
fn killed_at_every_call() {
    let mut total = 0;
    for case in cases() {
        let before = tree(&case.base);
        let counting = Faulty::new(case.base.clone(), u64::MAX, Fault::Crash);
        run(&case, &counting).unwrap();
        let calls = counting.calls();
        let goal = counting.into_inner();
        let after = tree(&goal);
        is_clean(&goal, case.name);
        assert_ne!(before, after);
        let (mut finished, mut undone, mut tried) = (0, 0, 0);
        for at in 0..calls {
            let faulty = Faulty::new(case.base.clone(), at, Fault::Crash);
            let _ = run(&case, &faulty);
            let killed = faulty.into_inner();
            for how in ENDS {
                let memory = killed.clone();
                let mut boots = 0;
                let boot = end(&memory, how, &mut boots);
                let place = format!("{}, call {at} of {calls}, {how:?}", case.name);
                // The recovery is killed too, once, somewhere.
                let second = Faulty::new(memory, (at * 7 + 3) % 40, Fault::Crash);
                let events = RefCell::default();
                let _ = with(&second, &boot, &events, recover);
                let memory = second.into_inner();
                let boot = end(&memory, how, &mut boots);
                with(&memory, &boot, &events, recover)
                    .unwrap_or_else(|error| panic!("{place}: {error}"));
                assert_eq!(
                    with(&memory, &boot, &events, recover).unwrap(),
                    None,
                    "{place}"
                );
                is_clean(&memory, &place);
                let now = tree(&memory);
                if now == before {
                    undone += 1;
                } else {
                    for (path, what) in &after {
                        let found = now.get(path);
                        assert!(
                            found == Some(what),
                            "{place}: {}: {}: {:?}",
                            path.display(),
                            String::from_utf8_lossy(found.map_or(b"nothing", |found| &found.4)),
                            events.borrow()
                        );
                    }
                    for path in now.keys() {
                        assert!(
                            after.contains_key(path),
                            "{place}: {} is there",
                            path.display()
                        );
                    }
                    for script in case.scripts {
                        assert!(
                            memory.metadata(&Path::new("ran").join(script)).is_ok(),
                            "{place}: {script} did not run"
                        );
                    }
                    finished += 1;
                }
                tried += 1;
            }
        }
        println!(
            "{}: {tried} points: {undone} undone, {finished} finished",
            case.name
        );
        assert!(
            finished > 50 && undone > 100,
            "{}: {finished} {undone}",
            case.name
        );
        total += tried;
    }
    println!("{total} crash points were tried");
}

#[test]
fn a_call_that_fails_changes_nothing() {
    let mut total = 0;
    for case in cases() {
        let before = tree(&case.base);
        let counting = Faulty::new(case.base.clone(), u64::MAX, Fault::Crash);
        run(&case, &counting).unwrap();
        let calls = counting.calls();
        let after = tree(&counting.into_inner());
        for number in [5, 28] {
            for at in 0..calls {
                let faulty = Faulty::new(case.base.clone(), at, Fault::Error(number));
                let result = run(&case, &faulty);
                let memory = faulty.into_inner();
                let place = format!(
                    "{}, call {at} of {calls} fails with {number}: {result:?}",
                    case.name
                );
                // What could not be removed waits for the next run.
                with(&memory, "boot", &RefCell::default(), recover).unwrap();
                is_clean(&memory, &place);
                let now = tree(&memory);
                match result {
                    Ok(_) => {
                        let differ: Vec<_> = after
                            .keys()
                            .chain(now.keys())
                            .filter(|path| now.get(*path) != after.get(*path))
                            .collect();
                        assert!(differ_in_flags(&now, &after), "{place}: {differ:?}");
                    }
                    Err(_) => assert_eq!(
                        now.keys().collect::<BTreeSet<_>>(),
                        before.keys().collect::<BTreeSet<_>>(),
                        "{place}"
                    ),
                }
                assert!(now == before || result.is_ok(), "{place}");
                total += 1;
            }
        }
    }
    println!("{total} failing calls were tried");
}

/// A script that could not do its work, as a call of it failed, marks its package.
fn differ_in_flags(one: &Tree, other: &Tree) -> bool {
    one.iter().all(|(path, what)| {
        path == Path::new("lib/apk/db/installed") || other.get(path) == Some(what)
            // A folder that the script did not make is made with the package's mode all the same.
            || path.starts_with("usr/new")
    }) && one.len() == other.len()
}

#[test]
fn a_disk_that_fills_up_changes_nothing() {
    for case in cases() {
        let before = tree(&case.base);
        let (mut room, mut full) = (0, 0);
        loop {
            let memory = case.base.clone();
            memory.set_room(Some(room));
            match run(&case, &memory) {
                Ok(_) => break,
                Err(error) => {
                    assert!(error.to_string().contains("No space left"), "{error}");
                    assert!(
                        tree(&memory) == before,
                        "{} with room for {room}: {error}",
                        case.name
                    );
                    full += 1;
                }
            }
            room += 1 + room / 40;
        }
        println!("{}: {full} sizes of a full disk", case.name);
        assert!(full > 20, "{}", case.name);
    }
}

#[test]
fn a_damaged_journal_is_put_aside() {
    let memory = installed();
    let before = tree(&memory);
    let mut bytes = Journal::default().to_bytes();
    bytes[20] ^= 1;
    put(
        &memory,
        "lib/apk/db/journal",
        &String::from_utf8(bytes).unwrap(),
    );
    let events = RefCell::default();
    assert_eq!(with(&memory, "boot", &events, recover).unwrap(), None);
    assert!(matches!(&events.borrow()[..], [Event::Warning(text)] if text.contains("damaged")));
    memory
        .unlink(Path::new("lib/apk/db/journal.damaged"))
        .unwrap();
    assert_eq!(tree(&memory), before);
}

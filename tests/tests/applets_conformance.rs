//! BusyBox's `testsuite/` for its applets, run with the applets of `toolbox`: the scripts `*.tests`, and the folders
//! with a script a case.
//!
//! `BUSYBOX_SOURCE` is the folder of BusyBox' unpacked source, which is never part of this tree; `FERRATA_BIN` the
//! folder that `toolbox` lies in. `tests/suites/applet-exceptions.txt` lists what does not give what is expected, each
//! with its reason; a listed case that passes is a failure, as is one that fails and is not listed, or that is not
//! there. `APPLETS` names the only applets to be tested, for work on them. Without root's rights the suites of
//! [`FOR_ROOT`] are left out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Only ends a script that hangs.
const LIMIT: Duration = Duration::from_secs(600);

/// They mount, make device nodes and change the root.
const FOR_ROOT: [&str; 2] = ["mdev", "mount"];

/// What BusyBox can be built without, and is here taken to be built without: its scripts skip or choose cases by it.
/// Everything else that they ask for is taken to be there.
const NOT_SET: [&str; 4] = [
    "UNICODE_USING_LOCALE",
    "UNICODE_PRESERVE_BROKEN",
    "FEATURE_DEVFS",
    "SELINUX",
];

/// One script, or one folder of scripts.
struct Suite {
    applet: String,
    /// `None`: the file `APPLET.tests`; else a script in the folder.
    case: Option<String>,
}

/// Where everything lies.
struct Place {
    testsuite: PathBuf,
    /// Names of applets, and `.config` for the scripts that look at it.
    bin: PathBuf,
    options: String,
}

/// Names of settings that occur in the scripts.
fn settings(testsuite: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut files: Vec<PathBuf> = vec![testsuite.to_owned()];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(
                std::fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
            continue;
        }
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        for word in
            text.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))
        {
            if let Some(name) = word.strip_prefix("CONFIG_") {
                found.insert(name.to_owned());
            }
        }
        for line in text.lines() {
            if let Some(names) = line.trim().strip_prefix("optional ") {
                found.extend(names.split_whitespace().map(|name| {
                    name.trim_matches(|c: char| !c.is_ascii_alphanumeric())
                        .to_owned()
                }));
            }
        }
    }
    found.retain(|name| !name.is_empty() && !NOT_SET.contains(&name.as_str()));
    found
}

fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Runs one script; gives its status and what it said, or `None` when it did not end.
fn execute(mut command: Command) -> Option<(bool, String)> {
    let (mut output, end) = std::io::pipe().unwrap();
    command
        .stdin(Stdio::null())
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
    while child.try_wait().unwrap().is_none() || !reader.is_finished() {
        if started.elapsed() > LIMIT {
            late = true;
            let group = format!("-{}", child.id());
            Command::new("kill")
                .args(["-KILL", "--", &group])
                .status()
                .unwrap();
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let status = child.wait().unwrap();
    if late {
        return None;
    }
    let text = String::from_utf8_lossy(&reader.join().unwrap()).into_owned();
    Some((status.success(), text))
}

/// The cases of a suite: whether each passed, and what was said meanwhile.
fn run(place: &Place, suite: &Suite) -> Vec<(String, bool, String)> {
    let folder = tempfile::tempdir().unwrap();
    let top = folder.path().join("testsuite");
    copy_tree(&place.testsuite, &top);
    // Some scripts expect the program in the folder above theirs.
    symlink(place.bin.join("busybox"), folder.path().join("busybox")).unwrap();
    let path = format!("{}:/usr/bin:/bin:/usr/sbin:/sbin", place.bin.display());
    let mut command = if FOR_ROOT.contains(&suite.applet.as_str()) {
        // What is mounted there is seen by nobody else, and gone afterwards.
        let mut command = Command::new("/usr/bin/unshare");
        command.arg("--mount").arg(place.bin.join("sh"));
        command
    } else {
        Command::new(place.bin.join("sh"))
    };
    command
        .env_clear()
        .env("PATH", path)
        .env("HOME", "/root")
        .env("bindir", &place.bin)
        .env("tsdir", &top)
        .env("ECHO", place.bin.join("echo"))
        .env("OPTIONFLAGS", &place.options)
        // Linux has mandatory locks no more.
        .env("SKIP_MOUNT_MAND_TESTS", "1")
        .env("VERBOSE", "1");
    if let Some(case) = &suite.case {
        let work = top.join(".work");
        std::fs::create_dir(&work).unwrap();
        command
            .env("d", &top)
            .current_dir(&work)
            .args(["-x", "-e"])
            .arg(top.join(&suite.applet).join(case));
        let name = format!("{}/{case}", suite.applet);
        return match execute(command) {
            Some((good, text)) => vec![(name, good, text)],
            None => vec![(name, false, "it did not end".to_owned())],
        };
    }
    let script = format!("{}.tests", suite.applet);
    command.current_dir(&top).arg(format!("./{script}"));
    let Some((_, text)) = execute(command) else {
        return vec![(format!("{script}: it does not end"), false, String::new())];
    };
    verdicts(&script, &text)
}

/// The verdicts in a script's output, each with what stands around it: the command before, the difference behind.
fn verdicts(script: &str, text: &str) -> Vec<(String, bool, String)> {
    let mut cases: Vec<(String, bool, String)> = Vec::new();
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let mut said = String::new();
    for line in text.lines() {
        let (good, name) = match line.split_once(": ") {
            Some(("PASS", name)) => (true, name),
            Some(("FAIL", name)) => (false, name),
            _ => {
                if line.starts_with("=====") {
                    // The next case begins.
                    if let Some(last) = cases.last_mut() {
                        last.2.push_str(&said);
                    }
                    said.clear();
                }
                said.push_str(line);
                said.push('\n');
                continue;
            }
        };
        let count = seen.entry(name.to_owned()).or_insert(0);
        *count += 1;
        let name = if *count > 1 {
            format!("{script}: {name} ({count})")
        } else {
            format!("{script}: {name}")
        };
        cases.push((name, good, std::mem::take(&mut said)));
    }
    if let Some(last) = cases.last_mut() {
        last.2.push_str(&said);
    }
    cases
}

fn place(source: &Path, folder: &Path) -> Place {
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
    let names = Command::new(&toolbox).arg("--list").output().unwrap();
    for name in String::from_utf8(names.stdout).unwrap().lines() {
        symlink(&toolbox, folder.join(name)).unwrap();
    }
    symlink(&toolbox, folder.join("busybox")).unwrap();
    let testsuite = source.join("testsuite");
    let settings = settings(&testsuite);
    let config: String = settings
        .iter()
        .map(|name| match name.as_str() {
            // The largest character, and what stands for others.
            "LAST_SUPPORTED_WCHAR" => format!("CONFIG_{name}=0\n"),
            "SUBST_WCHAR" => format!("CONFIG_{name}=63\n"),
            "CROSS_COMPILER_PREFIX" => format!("CONFIG_{name}=\"\"\n"),
            _ => format!("CONFIG_{name}=y\n"),
        })
        .chain(
            NOT_SET
                .iter()
                .map(|name| format!("# CONFIG_{name} is not set\n")),
        )
        .collect();
    std::fs::write(folder.join(".config"), config).unwrap();
    let names: Vec<String> = settings.into_iter().collect();
    Place {
        testsuite,
        bin: folder.to_owned(),
        options: format!(":{}:", names.join(":")),
    }
}

/// The applets to be tested, where not all are.
fn only() -> Option<String> {
    std::env::var("APPLETS").ok().filter(|all| !all.is_empty())
}

/// Whether this is root, as far as mounts go.
fn rights() -> bool {
    Command::new("/usr/bin/unshare")
        .args(["--mount", "/bin/sh", "-c", "test $(id -u) = 0"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// What there is for the applets that toolbox has.
fn suites(place: &Place) -> Vec<Suite> {
    let only = only();
    let root = rights();
    let wanted = |applet: &str| {
        only.as_ref()
            .is_none_or(|only| only.split_whitespace().any(|name| name == applet))
    };
    let mut all = Vec::new();
    for entry in std::fs::read_dir(&place.testsuite).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let applet = name.strip_suffix(".tests").unwrap_or(&name).to_owned();
        if !wanted(&applet) || !place.bin.join(&applet).exists() {
            continue;
        }
        if applet == "wget" {
            // It asks a server on the Internet.
            continue;
        }
        if !root && FOR_ROOT.contains(&applet.as_str()) {
            println!("left out, as it is for root: {name}");
            continue;
        }
        if path.is_dir() {
            for case in std::fs::read_dir(&path).unwrap() {
                let case = case.unwrap().file_name().into_string().unwrap();
                if !case.starts_with('.') {
                    all.push(Suite {
                        applet: applet.clone(),
                        case: Some(case),
                    });
                }
            }
        } else if name.ends_with(".tests") {
            all.push(Suite { applet, case: None });
        }
    }
    all.sort_by(|one, other| (&one.applet, &one.case).cmp(&(&other.applet, &other.case)));
    all
}

#[test]
fn busybox_cases_give_what_is_expected() {
    let source = std::env::var_os("BUSYBOX_SOURCE")
        .expect("BUSYBOX_SOURCE must name the folder of BusyBox' unpacked source");
    let folder = tempfile::tempdir().unwrap();
    let place = place(Path::new(&source), folder.path());
    let suites = suites(&place);
    assert!(!suites.is_empty(), "the suite was not found");
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("suites/applet-exceptions.txt");
    let list = std::fs::read_to_string(list).unwrap();
    let exceptions: BTreeMap<&str, &str> = list
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once(" :: ").expect("a line is `case :: reason`"))
        .collect();
    let as_expected = |cases: &[(String, bool, String)]| {
        cases
            .iter()
            .all(|(name, good, _)| *good != exceptions.contains_key(name.as_str()))
    };
    let next = AtomicUsize::new(0);
    let results = Mutex::new(BTreeMap::new());
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(suite) = suites.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut cases = run(&place, suite);
                    // Some scripts race with the clock or with their own children: what surprises is tried once more.
                    if !as_expected(&cases) {
                        cases = run(&place, suite);
                    }
                    for (name, good, said) in cases {
                        results.lock().unwrap().insert(name, (good, said));
                    }
                }
            });
        }
    });
    let results = results.into_inner().unwrap();
    let mut wrong = Vec::new();
    if only().is_none() && results.len() < 800 {
        wrong.push(format!("only {} cases were found", results.len()));
    }
    for (case, (good, said)) in &results {
        if !good && !exceptions.contains_key(case.as_str()) {
            wrong.push(format!("FAILED {case}\n{said}"));
        }
    }
    for case in exceptions.keys() {
        let for_root = FOR_ROOT
            .iter()
            .any(|applet| case.starts_with(&format!("{applet}.tests")));
        match results.get(*case) {
            Some((true, _)) => wrong.push(format!("{case} is excepted, but passes")),
            None if only().is_none() && (rights() || !for_root) => {
                wrong.push(format!("{case} is excepted, but there is no such case"));
            }
            _ => {}
        }
    }
    println!(
        "{} cases, {} pass, {} are excepted",
        results.len(),
        results.values().filter(|(good, _)| *good).count(),
        exceptions.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

//! Recipes built for real: with clang, in the sandbox, into signed packages. Each test has folders of its own, so
//! that nothing is taken from another's cache; only the signing key, which takes long to make, is shared.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use abuild::{Config, Event, Outcome, Result};
use apk::archive::tar::{Entry, Kind};
use apk::keys::{KeyRing, Trust};
use apk::package::{Control, Reader};
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

struct Place {
    folder: tempfile::TempDir,
    config: Config,
}

/// Where the key is. It goes with the test process.
fn keys() -> &'static Path {
    static KEYS: OnceLock<tempfile::TempDir> = OnceLock::new();
    KEYS.get_or_init(|| {
        for tool in ["clang-19", "ld.lld-19", "llvm-strip-19"] {
            let there = Path::new("/usr/bin").join(tool).exists();
            assert!(
                there,
                "these tests need /usr/bin/{tool}: apt-get install clang-19 lld-19 llvm-19"
            );
        }
        let folder = tempfile::tempdir().unwrap();
        abuild::keys::packages(folder.path()).unwrap();
        folder
    })
    .path()
}

/// A checkout with some of the recipes beside this file, in a folder whose name begins so.
fn place(prefix: &str, recipes: &[&str]) -> Place {
    let folder = tempfile::Builder::new().prefix(prefix).tempdir().unwrap();
    let top = folder.path();
    for recipe in recipes {
        let target = top.join("checkout/ports").join(recipe);
        fs::create_dir_all(&target).unwrap();
        for file in fs::read_dir(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("tests/recipes")
                .join(recipe),
        )
        .unwrap()
        {
            let file = file.unwrap();
            fs::copy(file.path(), target.join(file.file_name())).unwrap();
        }
    }
    let config = Config {
        ports: top.join("checkout/ports"),
        workspace: top.join("checkout"),
        cache: top.join("cache"),
        config_dir: keys().to_owned(),
        repo: top.join("checkout/dist/repo"),
        arch: std::env::consts::ARCH.to_owned(),
        jobs: 2,
        runner: PathBuf::from(env!("CARGO_BIN_EXE_abuild")),
        update_sources: false,
    };
    Place { folder, config }
}

impl Place {
    fn build(&self, names: &[&str]) -> Result<Outcome> {
        self.build_with(names, &mut |_| ())
    }

    fn build_with(&self, names: &[&str], on_event: &mut dyn FnMut(Event<'_>)) -> Result<Outcome> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        abuild::run(&self.config, &abuild::plan(&self.config, &names)?, on_event)
    }

    fn failure(&self, name: &str) -> String {
        let message = self.build(&[name]).unwrap_err().to_string();
        let left = fs::read_dir(self.config.arch_repo()).map_or(0, Iterator::count);
        assert_eq!(left, 0, "something was packaged in spite of: {message}");
        let work = self.config.cache.join("work");
        assert_eq!(
            fs::read_dir(work).map_or(0, Iterator::count),
            0,
            "the work folder was left"
        );
        message
    }

    fn package(&self, file: &str) -> (Control, Vec<Entry>) {
        let key = abuild::keys::packages(&self.config.config_dir).unwrap();
        let mut ring = KeyRing::default();
        ring.add(key.name(), &key.public_pem().unwrap());
        let file = File::open(self.config.arch_repo().join(file)).unwrap();
        let reader = Reader::open(BufReader::new(file), &ring).unwrap();
        let control = reader.control.clone();
        assert_eq!(control.trust, Trust::Good);
        let mut data = reader.data().unwrap();
        let mut entries = Vec::new();
        while let Some(entry) = data.next_entry().unwrap() {
            if entry.kind == Kind::File {
                data.copy_file(&entry, &mut |_| Ok(())).unwrap();
            }
            entries.push(entry);
        }
        data.finish().unwrap();
        (control, entries)
    }

    fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<_> = fs::read_dir(self.config.arch_repo())
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
            .map(|entry| {
                (
                    entry.file_name().into_string().unwrap(),
                    fs::read(entry.path()).unwrap(),
                )
            })
            .collect();
        files.sort();
        files
    }
}

fn words(list: &[apk::dependency::Dependency]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

fn names(entries: &[Entry]) -> Vec<String> {
    entries
        .iter()
        .map(|entry| String::from_utf8_lossy(&entry.path).into_owned())
        .collect()
}

#[test]
fn a_library_is_split_traced_and_signed() {
    let place = place("one", &["greet"]);
    let outcome = place.build(&["greet"]).unwrap();
    assert_eq!(
        outcome,
        Outcome {
            ports: 1,
            built: 1,
            packages: 6
        }
    );

    let (main, entries) = place.package("greet-1.2.3-r0.apk");
    assert_eq!(words(&main.info.provides), ["so:libgreet.so.1=1.2.3"]);
    assert_eq!(words(&main.info.depends), [""; 0]);
    assert_eq!(main.info.triggers, ["/usr/lib/greet/*", "/etc"]);
    let scripts: Vec<_> = main
        .scripts
        .iter()
        .map(|(script, _)| script.name())
        .collect();
    assert_eq!(scripts, ["post-install", "trigger"]);
    assert_eq!(
        names(&entries),
        [
            "usr",
            "usr/lib",
            "usr/lib/libgreet.so.1",
            "usr/lib/libgreet.so.1.2.3",
            "var",
            "var/lib",
            "var/lib/greet"
        ]
    );
    assert_eq!(entries[3].mode, 0o4755);
    assert_eq!((entries[6].uid, entries[6].gid), (100, 101));
    assert!(
        entries
            .iter()
            .all(|entry| entry.mtime == abuild::SOURCE_DATE_EPOCH)
    );

    let (dev, entries) = place.package("greet-dev-1.2.3-r0.apk");
    assert_eq!(words(&dev.info.provides), ["pc:greet=1.2.3"]);
    assert_eq!(words(&dev.info.depends), ["greet=1.2.3-r0"]);
    assert!(names(&entries).contains(&"usr/lib/libgreet.so".to_owned()));
    assert!(names(&entries).contains(&"usr/include/greet.h".to_owned()));

    let (dbg, entries) = place.package("greet-dbg-1.2.3-r0.apk");
    assert_eq!(dbg.info.provides.len() + dbg.info.depends.len(), 0);
    let symbols = "usr/lib/debug/usr/lib/libgreet.so.1.2.3.debug";
    assert_eq!(names(&entries).last().unwrap(), symbols);

    let (doc, entries) = place.package("greet-doc-1.2.3-r0.apk");
    assert_eq!(words(&doc.info.install_if), ["greet=1.2.3-r0", "docs"]);
    assert!(names(&entries).contains(&"usr/share/man/man3/greet.3.gz".to_owned()));

    let (openrc, _) = place.package("greet-openrc-1.2.3-r0.apk");
    assert_eq!(words(&openrc.info.install_if), ["openrc", "greet=1.2.3-r0"]);

    let (extra, _) = place.package("greet-extra-1.2.3-r0.apk");
    assert_eq!(extra.info.arch, "noarch");
    assert_eq!(extra.info.description, "More greetings");
    assert_eq!(words(&extra.info.provides), ["greetings=1.2.3"]);
    assert_eq!(words(&extra.info.depends), ["greet=1.2.3-r0"]);
}

#[test]
fn a_program_is_built_against_another_port() {
    let place = place("two", &["greet", "hello"]);
    let mut phases = Vec::new();
    let outcome = place.build_with(&["hello"], &mut |event| {
        if let Event::Phase {
            port: "hello",
            phase,
        } = event
        {
            phases.push(phase.to_owned());
        }
    });
    assert_eq!(
        outcome.unwrap(),
        Outcome {
            ports: 2,
            built: 2,
            packages: 7
        }
    );
    assert_eq!(
        phases,
        [
            "sources", "sysroot", "unpack", "prepare", "build", "package", "write"
        ]
    );
    let (hello, _) = place.package("hello-0.1-r4.apk");
    assert_eq!(words(&hello.info.depends), ["so:libgreet.so.1"]);
    assert_eq!(
        words(&hello.info.provides),
        ["cmd:hello=0.1-r4", "cmd:hi=0.1-r4"]
    );

    let before = place.files();
    let mut events = 0;
    let again = place.build_with(&[], &mut |event| {
        assert!(matches!(event, Event::Cached { .. }), "{event:?}");
        events += 1;
    });
    assert_eq!((again.unwrap().built, events), (0, 2));
    assert_eq!(place.files(), before);

    // A recipe that changes is built again, and what needs it.
    let recipe = place.config.ports.join("greet/APKBUILD");
    let text = fs::read_to_string(&recipe)
        .unwrap()
        .replace("pkgrel=0", "pkgrel=1");
    fs::write(&recipe, text).unwrap();
    let plan = abuild::plan(&place.config, &[]).unwrap();
    let why: Vec<&str> = plan.ports.iter().map(|port| port.why.as_str()).collect();
    assert_eq!(
        why,
        [
            "changed since it was last built: the recipe",
            "changed since it was last built: greet"
        ]
    );
    assert_eq!(
        place.build(&[]).unwrap(),
        Outcome {
            ports: 2,
            built: 2,
            packages: 7
        }
    );
    assert!(
        place
            .files()
            .iter()
            .any(|(name, _)| name == "greet-1.2.3-r1.apk")
    );
    assert!(
        !place
            .files()
            .iter()
            .any(|(name, _)| name == "greet-1.2.3-r0.apk")
    );
}

#[test]
fn two_folders_and_any_number_of_jobs_give_the_same_bytes() {
    let recipes = ["greet", "hello", "outside"];
    let one = place("first", &recipes);
    let mut two = place("another-and-longer", &recipes);
    two.config.jobs = 7;
    one.build(&[]).unwrap();
    two.build(&[]).unwrap();
    let (one, two) = (one.files(), two.files());
    let names = |files: &[(String, Vec<u8>)]| {
        files
            .iter()
            .map(|(name, _)| name.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&one), names(&two));
    for ((name, one), (_, two)) in one.iter().zip(&two) {
        assert!(one == two, "{name} differs");
    }
}

#[test]
fn a_syntax_error_names_file_line_and_token() {
    let place = place("syntax", &["syntax"]);
    let message = place.failure("syntax");
    assert!(
        message.starts_with(
            &place
                .config
                .ports
                .join("syntax/APKBUILD")
                .display()
                .to_string()
        ),
        "{message}"
    );
    assert!(
        message.contains("line 12") && message.contains("done"),
        "{message}"
    );
    assert!(place.folder.path().exists());
}

#[test]
fn a_wrong_checksum_names_the_file_and_both_sums() {
    let message = place("checksum", &["checksum"]).failure("checksum");
    let expected = format!("sha256 {}", "0".repeat(64));
    assert!(
        message.starts_with("checksum: data: wrong checksum: expected"),
        "{message}"
    );
    assert!(message.contains(&expected), "{message}");
    assert!(
        message.contains("6667b2d1aab6a00caa5aee5af8ad9f1465e567abf1c209d15727d57b3e8f6e5f"),
        "{message}"
    );
}

#[test]
fn a_program_without_pie_fails_with_the_way_out() {
    let message = place("nopie", &["nopie"]).failure("nopie");
    assert!(message.contains("/usr/bin/nopie"), "{message}");
    assert!(message.to_lowercase().contains("pie"), "{message}");
}

#[test]
fn there_is_no_network_inside() {
    let message = place("network", &["network"]).failure("network");
    assert!(
        message.starts_with("network: build failed: exit status 7\n"),
        "{message}"
    );
    assert!(message.contains("| interfaces: lo\n"), "{message}");
    assert_eq!(
        message.matches("| refused: Network is unreachable").count(),
        2,
        "{message}"
    );
    assert!(message.contains("logs/network.log"), "{message}");
}

#[test]
fn nothing_outside_is_seen_or_written() {
    let place = place("outside", &["outside"]);
    place.build(&["outside"]).unwrap();
    let (_, entries) = place.package("outside-1-r0.apk");
    assert_eq!(names(&entries), ["environment"]);
}

#[test]
fn ports_that_need_each_other_are_named() {
    let message = place("cycle", &["cycle-a", "cycle-b"]).failure("cycle-b");
    assert_eq!(
        message,
        "these ports need each other to be built: cycle-a -> cycle-b -> cycle-a"
    );
}

#[test]
fn what_nobody_provides_is_named() {
    let place = place("missing", &["missing"]);
    let message = place.failure("missing");
    assert!(
        message.ends_with("missing/APKBUILD: needs no-such-thing-dev, which no port provides"),
        "{message}"
    );
    assert!(place.failure("nobody").ends_with("no port is named nobody"));
}

#[test]
fn what_a_killed_build_left_is_removed() {
    let place = place("killed", &["greet", "hello"]);
    let left = place.config.cache.join("work/greet-left");
    fs::create_dir_all(left.join("src/deep")).unwrap();
    fs::write(left.join(".lock"), "").unwrap();
    fs::write(left.join("src/deep/file"), "x").unwrap();
    let held = place.config.cache.join("work/held");
    fs::create_dir_all(&held).unwrap();
    let lock = File::create(held.join(".lock")).unwrap();
    lock.lock().unwrap();
    place.build(&["hello"]).unwrap();
    assert!(!left.exists() && held.exists());
}

#[test]
fn a_package_that_was_altered_in_the_cache_is_not_built_upon() {
    let place = place("altered", &["greet", "hello"]);
    place.build(&["greet"]).unwrap();
    let plan = abuild::plan(&place.config, &["greet".to_owned()]).unwrap();
    let dev = abuild::packages(&place.config, &plan)
        .into_iter()
        .find(|path| path.to_string_lossy().contains("greet-dev"))
        .unwrap();
    let mut bytes = fs::read(&dev).unwrap();
    let middle = bytes.len() * 3 / 4;
    bytes[middle] ^= 1;
    fs::write(&dev, bytes).unwrap();
    let message = place.build(&["hello"]).unwrap_err().to_string();
    assert!(message.starts_with(&dev.display().to_string()), "{message}");
}

#[test]
fn a_file_comes_out_of_a_package() {
    let place = place("extract", &["greet"]);
    place.build(&[]).unwrap();
    let target = place.folder.path().join("bin/library");
    let library = Path::new("usr/lib/libgreet.so.1.2.3");
    abuild::extract(&place.config, "greet", library, &target).unwrap();
    assert!(fs::read(&target).unwrap().starts_with(b"\x7fELF"));
    let none = abuild::extract(&place.config, "greet", Path::new("no"), &target).unwrap_err();
    assert!(none.to_string().contains("greet: /no"), "{none}");
    abuild::extract(&place.config, "nobody", library, &target).unwrap_err();
}

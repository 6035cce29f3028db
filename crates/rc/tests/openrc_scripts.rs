//! The scripts of Debian's package `openrc`: each is loaded, says what it depends on, describes itself and has a status.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod world;

use rc::layout::Layout;
use rc::name::ServiceName;
use rc::script::depend;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Downloads and unpacks the package once, through the host's own apt.
fn unpacked() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("openrc");
    let done = folder.join("root");
    if done.join("etc/init.d").is_dir() {
        return done;
    }
    fs::create_dir_all(&folder).unwrap();
    let download = || {
        Command::new("apt-get")
            .args(["download", "-qq", "openrc"])
            .current_dir(&folder)
            .output()
            .expect("apt-get is needed for Debian's package openrc")
    };
    let mut output = download();
    if !output.status.success() {
        // A machine whose lists are old, or not there.
        let update = Command::new("apt-get")
            .args(["update", "-qq"])
            .output()
            .unwrap();
        assert!(update.status.success(), "{update:?}");
        output = download();
    }
    assert!(output.status.success(), "{output:?}");
    let archive = fs::read_dir(&folder)
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|end| end == "deb"))
        .unwrap();
    let aside = folder.join("root.new");
    let _ = fs::remove_dir_all(&aside);
    let status = Command::new("dpkg-deb")
        .arg("-x")
        .arg(&archive)
        .arg(&aside)
        .status()
        .unwrap();
    assert!(status.success());
    fs::rename(&aside, &done).unwrap();
    done
}

#[test]
fn debians_scripts_are_loaded_and_answer() {
    let source = unpacked();
    let scripts: Vec<String> = fs::read_dir(source.join("etc/init.d"))
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    assert!(scripts.len() >= 3, "{scripts:?}");
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(folder.path());
    fs::create_dir_all(layout.scripts()).unwrap();
    for name in &scripts {
        fs::copy(
            source.join("etc/init.d").join(name),
            layout.scripts().join(name),
        )
        .unwrap();
    }
    let found = depend::scan(&layout);
    assert_eq!(found.problems, [""; 0]);
    assert_eq!(found.declared.len(), scripts.len());
    let name = |text: &str| ServiceName::parse(text.as_bytes()).unwrap();
    assert_eq!(found.declared[&name("agetty")].after, [name("local")]);
    assert_eq!(found.declared[&name("agetty")].provide, [name("getty")]);

    let world = world::World::prepare(&[], |root| {
        for name in &scripts {
            let path = root.join("etc/init.d").join(name);
            fs::copy(source.join("etc/init.d").join(name), path).unwrap();
        }
        std::os::unix::fs::symlink("agetty", root.join("etc/init.d/agetty.tty9")).unwrap();
    });
    for script in &scripts {
        let text = fs::read_to_string(source.join("etc/init.d").join(script)).unwrap();
        if !text.lines().next().unwrap().contains("openrc-run") {
            // Debian's own entries for another init.
            continue;
        }
        let said = world.run(&format!("rc-service {script} describe"));
        assert!(said.starts_with(" * "), "{script}: {said}");
        let (status, said) = world.try_run(&format!("rc-service {script} status"));
        assert!(
            status == 3 && said.contains("status: stopped"),
            "{script}: {said}"
        );
        let (_, said) = world.try_run(&format!("rc-lint /etc/init.d/{script}"));
        assert!(!said.contains("error:"), "{script}: {said}");
    }
    // What cannot be started by that name says so, and what is linked to it runs.
    let (status, said) = world.try_run("rc-service agetty start");
    assert!(
        status != 0 && said.contains("cannot be started directly"),
        "{said}"
    );
}

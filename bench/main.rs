//! What the system costs, in figures that anyone can print: `bench/run [sizes|boot|install|kernel|shell|apk|twice]`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod apk;
mod shell;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use system::{Guest, ferrata};

fn main() {
    let chosen: Vec<String> = std::env::args().skip(1).collect();
    // What takes as long as a first build runs only where it is asked for by name.
    for (name, run, always) in [
        ("sizes", sizes as fn(), true),
        ("boot", boot, true),
        ("install", install, true),
        ("kernel", kernel, true),
        ("shell", || shell::run(&top()), true),
        ("apk", || apk::run(&top()), true),
        ("twice", twice, false),
    ] {
        if (always && chosen.is_empty()) || chosen.iter().any(|word| word == name) {
            println!("== {name}");
            run();
        }
    }
}

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn mega(bytes: u64) -> String {
    format!("{:8.3} MB", bytes as f64 / 1e6)
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.to_str().is_some_and(|name| name.ends_with(ending)))
        .collect();
    found.sort();
    found
}

/// Programs, packages and images. Alpine's figures for its minirootfs are 3.49 MB packed and 8.1 MB unpacked.
fn sizes() {
    let image = ferrata()
        .args(["image", "minirootfs"])
        .stderr(Stdio::null())
        .output()
        .unwrap();
    assert!(image.status.success());
    let size = |path: &Path| fs::metadata(path).map_or(0, |meta| meta.len());
    let name = |path: &Path| {
        path.file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };
    for (title, folder, ending) in [
        ("programs", "dist/bin/x86_64", ""),
        ("packages", "dist/repo/x86_64", ".apk"),
        ("images", "dist/images", ".tar.gz"),
    ] {
        println!("{title}:");
        for path in files(&top().join(folder), ending) {
            println!("  {} {}", mega(size(&path)), name(&path));
        }
    }
    let text = String::from_utf8(image.stdout).unwrap();
    print!("minirootfs, by package and unpacked:\n{text}");
}

/// From QEMU's start to the prompt. The guest's count is in instructions, so it is the same on every machine; wall
/// time is of this machine, now.
fn boot() {
    for round in 1..=3 {
        let mut guest = Guest::boot(&["--temporary", "--counted"]);
        guest.log_in();
        // The shell is the process that began as getty: when it began, in hundredths of the guest's seconds.
        let ticks: f64 = guest
            .run("cut -d' ' -f22 /proc/$$/stat")
            .trim()
            .parse()
            .unwrap();
        guest.send("poweroff");
        guest.ends();
        println!(
            "counted, run {round}: login prompt {:.2} s after the kernel's start",
            ticks / 100.0
        );
    }
    for firmware in ["direct", "uefi"] {
        let start = Instant::now();
        let mut arguments = vec!["--temporary"];
        if firmware == "uefi" {
            arguments.push("--uefi");
        }
        let mut guest = Guest::boot(&arguments);
        guest.expect("login: ");
        println!(
            "wall, {firmware}: login prompt {:.1} s after `ferrata boot` was called, all being built",
            start.elapsed().as_secs_f64()
        );
    }
}

/// The base into an empty root, by the host's program and by the one that ships. CPU time of user and system.
fn install() {
    let repo = top().join("dist/repo");
    let keys = std::env::var_os("XDG_CONFIG_HOME").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".config"),
        PathBuf::from,
    );
    let apk = top().join("dist/bin/x86_64/apk");
    for round in 1..=3 {
        let root = tempfile::tempdir().unwrap();
        let start = Instant::now();
        let script = "\"$@\" >/dev/null; times";
        let output = Command::new("dash")
            .args(["-ec", script, "dash"])
            .arg(&apk)
            .arg("--root")
            .arg(root.path())
            .arg("--keys-dir")
            .arg(keys.join("ferrata/keys"))
            .arg("-X")
            .arg(&repo)
            .args(["--usermode", "add", "--initdb", "base"])
            .output()
            .expect("dash (package dash) is needed");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let times = String::from_utf8(output.stdout).unwrap();
        let cpu = times.lines().nth(1).unwrap_or_default().trim().to_owned();
        println!(
            "apk add base, run {round}: {:.2} s wall; user and system: {cpu}",
            start.elapsed().as_secs_f64()
        );
    }
}

/// The kernel's configuration against the list of the Kernel Self-Protection Project, by its own checker.
fn kernel() {
    let source = ferrata()
        .args(["__source", "kernel-hardening-checker", "0.6.17.1"])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(source.status.success(), "the checker's source is needed");
    let source = PathBuf::from(String::from_utf8(source.stdout).unwrap().trim());
    let folder = tempfile::tempdir().unwrap();
    let package = files(&top().join("dist/repo/x86_64"), ".apk")
        .into_iter()
        .find(|path| path.to_string_lossy().contains("/linux-virt-"))
        .expect("the package linux-virt is built");
    let run = |program: &str, arguments: &[&std::ffi::OsStr]| {
        let output = Command::new(program).args(arguments).output().unwrap();
        assert!(
            output.status.success(),
            "{program}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    };
    run(
        "tar",
        &[
            "-C".as_ref(),
            folder.path().as_os_str(),
            "-xzf".as_ref(),
            package.as_os_str(),
            "boot".as_ref(),
        ],
    );
    let config = fs::read_dir(folder.path().join("boot"))
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.to_string_lossy().contains("/config-"))
        .expect("the package holds its configuration");
    let program = source.join("bin/kernel-hardening-checker");
    let text = run(
        "python3",
        &[program.as_os_str(), "-c".as_ref(), config.as_os_str()],
    );
    for line in text.lines() {
        if line.contains("| FAIL") || line.contains("finished") {
            println!("{line}");
        }
    }
}

/// Builds what is committed a second time, in a folder of another name with an empty cache, and compares the packages
/// byte by byte. `PORTS="musl zlib"` builds only those, and what they need. The sources are not fetched again.
fn twice() {
    let ports = std::env::var("PORTS").unwrap_or_default();
    let ports: Vec<&str> = ports.split_whitespace().collect();
    let this = tempfile::Builder::new()
        .prefix("another-folder-")
        .tempdir_in(top().join("target"))
        .unwrap();
    let (checkout, cache) = (this.path().join("checkout"), this.path().join("cache"));
    let succeed = |command: &mut Command| {
        let status = command.status().unwrap();
        assert!(status.success(), "{command:?}: {status}");
    };
    succeed(
        Command::new("git")
            .args(["clone", "--quiet"])
            .args([top(), checkout.clone()]),
    );
    let first = std::env::var_os("XDG_CACHE_HOME").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache"),
        PathBuf::from,
    );
    fs::create_dir_all(cache.join("ferrata")).unwrap();
    succeed(
        Command::new("cp")
            .arg("-r")
            .arg(first.join("ferrata/sources"))
            .arg(cache.join("ferrata/sources")),
    );
    succeed(
        Command::new(checkout.join("ferrata"))
            .arg("build")
            .args(&ports)
            .env("XDG_CACHE_HOME", &cache)
            .env_remove("CARGO_TARGET_DIR")
            .env_remove("FERRATA")
            .current_dir(&checkout),
    );
    let (mut same, mut others) = (0, 0);
    for path in files(&checkout.join("dist/repo/x86_64"), ".apk") {
        let name = path.file_name().unwrap();
        let ours = fs::read(top().join("dist/repo/x86_64").join(name)).unwrap_or_default();
        if ours == fs::read(&path).unwrap() {
            same += 1;
        } else {
            others += 1;
            println!("differs: {}", name.to_string_lossy());
        }
    }
    println!("{same} packages are the same, {others} are not");
}

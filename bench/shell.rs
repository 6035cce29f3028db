//! The shell against dash and BusyBox' ash: CPU time, user and system, of the shell and all that it starts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use system::ferrata;

/// What is timed: a name and a script. `FOLDER` is where the files lie.
const TASKS: [(&str, &str); 9] = [
    ("start, 1,000 times", ""),
    (
        "while to 1,000,000",
        "i=0; while [ $i -lt 1000000 ]; do i=$((i+1)); done",
    ),
    (
        "function with local, 200,000",
        "f() { local x=$1; }; i=0; while [ $i -lt 200000 ]; do f $i; i=$((i+1)); done",
    ),
    (
        "${v##*/} ${v%.*}, 200,000",
        "v=/usr/lib/some/where/file.tar.gz; i=0; while [ $i -lt 200000 ]; do a=${v##*/}; b=${v%.*}; i=$((i+1)); done",
    ),
    (
        "$(echo x), 5,000",
        "i=0; while [ $i -lt 5000 ]; do x=$(echo x); i=$((i+1)); done",
    ),
    (
        "/bin/true, 1,000",
        "i=0; while [ $i -lt 1000 ]; do /bin/true; i=$((i+1)); done",
    ),
    (
        "case, 300,000",
        "i=0; while [ $i -lt 300000 ]; do case $i in foo|bar) ;; *7) ;; 1*[24680]) ;; *) ;; esac; i=$((i+1)); done",
    ),
    (
        "read of 10 MB by lines",
        "while read -r line; do :; done < FOLDER/lines",
    ),
    (
        "20,000 lines parsed, 20 times",
        "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do . FOLDER/long; done",
    ),
];

/// Configure scripts: Debian's source packages and their versions.
const CONFIGURES: [(&str, &str); 5] = [
    ("zlib", "1.3.1"),
    ("dropbear", "2025.89"),
    ("sed", "4.9"),
    ("grep", "3.11"),
    ("gawk", "5.2.1"),
];

/// Seconds of CPU of a command line and its children, by dash's `times`: hundredths.
fn cpu(words: &[&str], folder: &Path, variables: &[(&str, &str)]) -> (f64, bool) {
    let output = Command::new("dash")
        .args([
            "-c",
            "\"$@\" >/dev/null 2>&1 </dev/null; s=$?; times; exit $s",
            "dash",
        ])
        .args(words)
        .envs(variables.iter().copied())
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .expect("dash (package dash) is needed");
    let text = String::from_utf8(output.stdout).unwrap();
    let seconds = text.lines().nth(1).unwrap_or_default().split_whitespace();
    let seconds = seconds.map(|word| {
        let (minutes, rest) = word.split_once('m').unwrap();
        minutes.parse::<f64>().unwrap() * 60.0 + rest.trim_end_matches('s').parse::<f64>().unwrap()
    });
    (seconds.sum(), output.status.success())
}

/// All tasks, then the configure scripts, the memory of an idle shell, and what the shell adds to the program.
pub fn run(top: &Path) {
    let toolbox = top.join("dist/bin/x86_64/toolbox");
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let ours = place.join("ash");
    std::os::unix::fs::symlink(fs::canonicalize(&toolbox).unwrap(), &ours).unwrap();
    let ours = ours.to_str().unwrap();
    let shells: [(&str, Vec<&str>); 3] = [
        ("ours", vec![ours]),
        ("dash", vec!["dash"]),
        ("ash", vec!["busybox", "ash"]),
    ];
    let line =
        "some words of a line, and 'quotes' \\ 1234567890 until it is long enough for a log\n";
    fs::write(place.join("lines"), line.repeat(10_000_000 / line.len())).unwrap();
    let block = "f() {\n\tif [ -n \"$1\" ] && test \"${x:-$y}\" = 'a b'; then\n\t\tfor i in a \"$b\" $(c d | e); do\n\
                 \t\t\tcase $i in\n\t\t\ta*|'b c') echo \"one $((1 + 2))\" >&2 ;;\n\t\t\t*) x=${i%%.*} ;;\n\t\t\tesac\n\
                 \t\tdone\n\tfi\n}\n";
    fs::write(
        place.join("long"),
        block.repeat(20_000 / block.lines().count()),
    )
    .unwrap();
    println!(
        "{:32} {:>7} {:>7} {:>7}   ours to dash, to ash",
        "CPU seconds", "ours", "dash", "ash"
    );
    for (name, script) in TASKS {
        let file = place.join("task.sh");
        let script = script.replace("FOLDER", place.to_str().unwrap());
        fs::write(&file, script).unwrap();
        let times = shells.each_ref().map(|(_, shell)| {
            // The least of several, all shells in turn: the machine has other things to do as well.
            (0..3)
                .map(|_| {
                    let mut words = shell.clone();
                    if name.starts_with("start") {
                        words.splice(
                            0..0,
                            [
                                "dash",
                                "-c",
                                "i=0; while [ $i -lt 1000 ]; do \"$@\" -c :; i=$((i+1)); done",
                                "dash",
                            ],
                        );
                    } else {
                        words.push(file.to_str().unwrap());
                    }
                    cpu(&words, place, &[]).0
                })
                .fold(f64::MAX, f64::min)
        });
        show(name, times);
    }
    for (package, version) in CONFIGURES {
        configure(package, version, place, &shells);
    }
    memory(ours);
}

fn show(name: &str, [ours, dash, ash]: [f64; 3]) {
    println!(
        "{name:32} {ours:7.2} {dash:7.2} {ash:7.2}   {:.2} {:.2}",
        ours / dash.max(0.01),
        ours / ash.max(0.01)
    );
}

/// One configure script under each shell: CPU time, and whether it left the same files as under dash.
fn configure(package: &str, version: &str, place: &Path, shells: &[(&str, Vec<&str>); 3]) {
    let source = ferrata()
        .args(["__source", package, version])
        .stderr(Stdio::null())
        .output()
        .unwrap();
    if !source.status.success() {
        println!("configure of {package} {version}: no suite of Debian serves this version");
        return;
    }
    let source = PathBuf::from(String::from_utf8(source.stdout).unwrap().trim());
    let mut results = Vec::new();
    let times = shells.each_ref().map(|(_, shell)| {
        // The same folder for all: its name is in what configure writes.
        let folder = place.join("configured");
        let _ = fs::remove_dir_all(&folder);
        let copied = Command::new("cp")
            .arg("-r")
            .arg(&source)
            .arg(&folder)
            .status();
        assert!(copied.unwrap().success());
        // One path for all three, as they write it into their results too.
        let one = place.join("sh");
        let _ = fs::remove_file(&one);
        std::os::unix::fs::symlink(path_of(shell[0]), &one).unwrap();
        let one = one.to_str().unwrap();
        let (seconds, fine) = cpu(&[one, "./configure"], &folder, &[("CONFIG_SHELL", one)]);
        results.push((fine, written(&folder)));
        seconds
    });
    show(&format!("configure of {package}"), times);
    let [ours, dash, _] = &results[..] else {
        return;
    };
    println!(
        "  {} files written, {}",
        ours.1.len(),
        if ours == dash {
            "the same as under dash".to_owned()
        } else {
            let differ = ours.1.iter().zip(&dash.1).filter(|(a, b)| a != b);
            let names: Vec<&str> = differ.map(|(a, _)| a.0.as_str()).collect();
            format!(
                "not the same as under dash: {} ({}, {})",
                names.join(" "),
                ours.0,
                dash.0
            )
        }
    );
}

/// Where the program of a name is.
fn path_of(name: &str) -> PathBuf {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("{name} is not installed"))
}

/// The headers and makefiles that a configure script wrote.
fn written(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() {
                open.push(path);
            } else if name == "Makefile"
                || name == "config.h"
                || name == "zconf.h"
                || name.ends_with(".pc")
            {
                let text = fs::read(&path).unwrap_or_default();
                files.push((path.display().to_string(), text));
            }
        }
    }
    files.sort();
    files
}

/// What an interactive shell that waits for input keeps in memory.
fn memory(ours: &str) {
    for (name, shell) in [("ours", ours), ("dash", "dash")] {
        let mut child = Command::new(shell)
            .arg("-i")
            .env("PS1", "")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(300));
        let text = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let resident = text.lines().find(|line| line.starts_with("VmRSS"));
        let own = text.lines().find(|line| line.starts_with("RssAnon"));
        println!(
            "idle, interactive, {name}: {} ({})",
            resident.unwrap_or("?"),
            own.unwrap_or("?")
        );
        let _ = child.kill();
        let _ = child.wait();
    }
}

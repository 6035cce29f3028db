//! apk against apk-tools on packages and an index made for it: wall time, CPU time (user and system) and peak memory.
//!
//! `APK_TOOLS` names the program to compare with; without it ours is measured alone. The packages lie in a folder of the
//! cache and are made once; the roots are in memory, as what a disk's file system does depends on what it did a minute
//! ago.

use apk::archive::tar::{Entry, Kind};
use apk::dependency::Dependency;
use apk::index::Index;
use apk::keys::{Algorithm, PrivateKey};
use apk::package::{self, Contents, PackageError, PkgInfo};
use apk::record::Record;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A file system in memory.
const ROOTS: &str = "/dev/shm";
const PACKAGES: usize = 200;
const FILES: usize = 100;
/// Bytes in a file, on average.
const FILE: usize = 18_000;
const UPGRADED: usize = 120;
const BIG: usize = 25_000;
const SOLVED: usize = 8_000;

/// The same numbers on every machine.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

/// Bytes that compress to about two fifths, as programs do.
fn content(numbers: &mut Numbers, words: &[Vec<u8>]) -> Vec<u8> {
    let size = FILE / 8 + numbers.below(FILE * 7 / 4);
    let mut bytes = Vec::with_capacity(size + 16);
    while bytes.len() < size {
        bytes.extend_from_slice(&words[numbers.below(words.len())]);
    }
    bytes
}

fn sign(key: &PrivateKey) -> impl Fn(&[u8]) -> Result<Option<apk::keys::Signature>, PackageError> {
    |bytes| {
        key.sign(Algorithm::RsaSha256, bytes)
            .map(Some)
            .map_err(PackageError::from)
    }
}

/// A package with these files.
fn package(
    place: &Path,
    repo: &str,
    info: &mut PkgInfo,
    files: &[(String, Vec<u8>)],
    key: &PrivateKey,
) -> Record {
    let sources = place.join("sources");
    fs::create_dir_all(&sources).unwrap();
    let mut contents: Vec<Contents> = ["usr", "usr/share", &format!("usr/share/{}", info.name)]
        .map(|folder| Contents {
            entry: Entry::new(folder, Kind::Directory, 0o755),
            source: None,
        })
        .into();
    for (number, (path, bytes)) in files.iter().enumerate() {
        let source = sources.join(number.to_string());
        fs::write(&source, bytes).unwrap();
        let mut entry = Entry::new(path.as_str(), Kind::File, 0o644);
        entry.size = bytes.len() as u64;
        contents.push(Contents {
            entry,
            source: Some(source),
        });
    }
    let folder = place.join(repo).join("x86_64");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{}-{}.apk", info.name, info.version));
    let mut file = fs::File::create(path).unwrap();
    let (identity, size) = package::write(&mut file, info, &[], &contents, 0, &sign(key)).unwrap();
    Record::of_package(identity, info, size)
}

fn index(place: &Path, repo: &str, packages: Vec<Record>, key: &PrivateKey) {
    let index = Index {
        description: "bench".into(),
        packages,
    };
    let folder = place.join(repo).join("x86_64");
    fs::create_dir_all(&folder).unwrap();
    let bytes = index.write(0, &sign(key)).unwrap();
    fs::write(folder.join("APKINDEX.tar.gz"), bytes).unwrap();
}

fn list(text: &str) -> Vec<Dependency> {
    Dependency::parse_list(text).unwrap()
}

/// Repositories `first`, `second` (most packages anew), `small` (a file each) and `big` (an index alone).
fn make(place: &Path) {
    if place.join("done").exists() {
        return;
    }
    eprintln!("making {PACKAGES} packages, once …");
    let _ = fs::remove_dir_all(place);
    fs::create_dir_all(place.join("keys")).unwrap();
    let key = PrivateKey::generate(2048, "bench.rsa.pub").unwrap();
    fs::write(place.join("keys/bench.rsa.pub"), key.public_pem().unwrap()).unwrap();
    let mut numbers = Numbers(1);
    let words: Vec<Vec<u8>> = (0..4096)
        .map(|_| {
            let size = 3 + numbers.below(8);
            (0..size)
                .map(|_| u8::try_from(numbers.below(256)).unwrap())
                .collect()
        })
        .collect();
    let (mut first, mut second, mut small) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..PACKAGES {
        let name = format!("bench{number}");
        let mut files: Vec<(String, Vec<u8>)> = (0..FILES)
            .map(|file| {
                (
                    format!("usr/share/{name}/file{file}"),
                    content(&mut numbers, &words),
                )
            })
            .collect();
        let mut info = PkgInfo::new(&name, "1.0-r0", "x86_64");
        if number > 0 {
            info.depends = list(&format!("bench{}", numbers.below(number)));
        }
        first.push(package(place, "first", &mut info, &files, &key));
        small.push(package(place, "small", &mut info, &files[..1], &key));
        if number < UPGRADED {
            for (_, bytes) in files.iter_mut().step_by(2) {
                *bytes = content(&mut numbers, &words);
            }
            let mut newer = PkgInfo::new(&name, "1.1-r0", "x86_64");
            newer.depends = info.depends.clone();
            second.push(package(place, "second", &mut newer, &files, &key));
        } else {
            second.push(first.last().unwrap().clone());
        }
    }
    index(place, "first", first, &key);
    index(place, "second", second, &key);
    index(place, "small", small, &key);
    let mut big = Vec::new();
    for number in 0..BIG {
        let mut info = PkgInfo::new(&format!("package-{number}"), "1.2.3-r4", "x86_64");
        info.description = format!("What package number {number} is good for, in a line");
        info.url = format!("https://example.org/project/{number}");
        info.license = "MIT OR Apache-2.0".into();
        info.origin = Some(format!("package-{}", number / 3 * 3));
        info.commit = Some(format!("{number:040x}"));
        info.build_time = Some(1_700_000_000 + number as u64);
        info.installed_size = 4096 * (1 + numbers.below(500) as u64);
        info.provides = list(&format!(
            "so:libpackage{number}.so.1=1.2.3 cmd:package-{number}=1.2.3-r4"
        ));
        if number > 0 {
            let below = |numbers: &mut Numbers| numbers.below(number);
            info.depends = list(&format!(
                "package-{} so:libpackage{}.so.1 so:libpackage{}.so.1",
                below(&mut numbers),
                below(&mut numbers),
                below(&mut numbers)
            ));
        }
        let mut hash = [0; 20];
        hash[..8].copy_from_slice(&(number as u64).to_be_bytes());
        let identity = package::Identity::from_bytes(&hash).unwrap();
        big.push(Record::of_package(identity, &info, 1000 + number as u64));
    }
    index(place, "big", big, &key);
    let _ = fs::remove_dir_all(place.join("sources"));
    fs::write(place.join("done"), "").unwrap();
}

/// Wall time, CPU time.
#[derive(Clone, Copy)]
struct Cost {
    wall: f64,
    cpu: f64,
}

fn cost(command: &mut Command) -> Cost {
    let used = || {
        let (user, system, _) = sys::control::children_time();
        user + system
    };
    let (start, before) = (Instant::now(), used());
    let output = command.stdin(Stdio::null()).output().unwrap();
    let cost = Cost {
        wall: start.elapsed().as_secs_f64(),
        cpu: (used() - before).as_secs_f64(),
    };
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    cost
}

/// A program and how its root is made ready.
struct Bench<'a> {
    place: &'a Path,
    programs: Vec<(&'static str, PathBuf)>,
}

impl Bench<'_> {
    fn command(&self, program: &Path, root: &Path, repo: &str) -> Command {
        let mut command = Command::new(program);
        command
            .arg("--root")
            .arg(root)
            .arg("--keys-dir")
            .arg(self.place.join("keys"))
            .args(["--arch", "x86_64", "--no-progress", "--quiet"])
            .arg("-X");
        if repo.starts_with("http") {
            command.arg(repo);
        } else {
            command.arg(self.place.join(repo));
        }
        command
    }

    /// The least of several rounds, the programs in turn: the machine has other things to do as well. `ready` makes the
    /// root as it is to be before.
    fn task(
        &self,
        name: &str,
        rounds: usize,
        repo: &str,
        ready: &[(&str, &[&str])],
        arguments: &[&str],
    ) {
        let mut least = vec![
            Cost {
                wall: f64::MAX,
                cpu: f64::MAX
            };
            self.programs.len()
        ];
        for _ in 0..rounds {
            for (least, (_, program)) in least.iter_mut().zip(&self.programs) {
                let root = tempfile::tempdir_in(ROOTS).unwrap();
                for (repo, arguments) in ready {
                    cost(self.command(program, root.path(), repo).args(*arguments));
                }
                let cost = cost(self.command(program, root.path(), repo).args(arguments));
                least.wall = least.wall.min(cost.wall);
                least.cpu = least.cpu.min(cost.cpu);
            }
        }
        print!("{name:40}");
        for cost in &least {
            print!(" {:8.3} {:8.3}", cost.wall, cost.cpu);
        }
        match &least[..] {
            [ours, other] => println!(
                "   {:.2} {:.2}",
                ours.wall / other.wall,
                ours.cpu / other.cpu
            ),
            _ => println!(),
        }
    }

    /// Peak memory of an installation.
    fn memory(&self, time: &Path, names: &[&str]) {
        for (name, program) in &self.programs {
            let root = tempfile::tempdir_in(ROOTS).unwrap();
            let inner = self.command(program, root.path(), "first");
            let output = Command::new(time)
                .args(["time", "-f", "%M"])
                .arg(inner.get_program())
                .args(inner.get_args())
                .args(["--initdb", "add"])
                .args(names)
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            println!("peak memory, install all, {name}: {} kB", text.trim());
        }
    }
}

/// A server that answers every request after 30 ms, one connection a thread.
fn slow_server(folder: PathBuf) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let folder = folder.clone();
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut stream = stream;
                loop {
                    let mut line = String::new();
                    if reader.read_line(&mut line).unwrap_or(0) == 0 {
                        return;
                    }
                    let path = line.split(' ').nth(1).unwrap_or("/").to_owned();
                    while reader.read_line(&mut line).unwrap_or(0) > 2 {}
                    std::thread::sleep(Duration::from_millis(30));
                    let mut body = Vec::new();
                    let head = match fs::File::open(folder.join(path.trim_start_matches('/'))) {
                        Ok(mut file) => {
                            file.read_to_end(&mut body).unwrap();
                            "200 OK"
                        }
                        Err(_) => "404 Not Found",
                    };
                    let head = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n", body.len());
                    body.splice(0..0, head.into_bytes());
                    if stream.write_all(&body).is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

/// The floor: the same files out of one tar that is not compressed.
fn floor(place: &Path) {
    let tar = place.join("all.tar");
    if !tar.exists() {
        let root = tempfile::tempdir_in(place).unwrap();
        for path in crate::files(&place.join("first/x86_64"), ".apk") {
            cost(
                Command::new("tar")
                    .arg("-C")
                    .arg(root.path())
                    .arg("--warning=no-unknown-keyword")
                    .arg("-xzf")
                    .arg(path),
            );
        }
        cost(
            Command::new("tar")
                .arg("-C")
                .arg(root.path())
                .arg("-cf")
                .arg(&tar)
                .arg("usr"),
        );
    }
    let root = tempfile::tempdir_in(ROOTS).unwrap();
    let cost = cost(
        Command::new("tar")
            .arg("-C")
            .arg(root.path())
            .arg("-xf")
            .arg(&tar),
    );
    println!(
        "{:40} {:8.3} {:8.3}",
        "tar xf of the same files", cost.wall, cost.cpu
    );
}

/// All tasks.
pub fn run(top: &Path) {
    let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache"),
        PathBuf::from,
    );
    let place = cache.join("ferrata/bench/apk-1");
    make(&place);
    let mut programs = vec![("ours", top.join("dist/bin/x86_64/apk"))];
    match std::env::var_os("APK_TOOLS") {
        Some(other) => programs.push(("apk-tools", other.into())),
        None => println!("APK_TOOLS names no program to compare with"),
    }
    let bench = Bench {
        place: &place,
        programs,
    };
    print!("{:40}", "seconds, wall and CPU");
    for (name, _) in &bench.programs {
        print!(" {name:>17}");
    }
    println!("   ours to the other");
    let names: Vec<String> = (0..PACKAGES)
        .map(|number| format!("bench{number}"))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let install = [&["--initdb", "add"][..], &names].concat();
    let installed = [("first", install.as_slice())];
    floor(&place);
    bench.task(
        "install 200 packages, 20,000 files",
        3,
        "first",
        &[],
        &install,
    );
    bench.task("upgrade of 120", 3, "second", &installed, &["upgrade"]);
    bench.task(
        "removal of all",
        3,
        "first",
        &installed,
        &[&["del"][..], &names].concat(),
    );
    let empty: &[&str] = &["--initdb", "add"];
    let known = [("big", empty), ("big", &["search", "none"])];
    for (name, arguments) in [
        ("search", &["search", "package-1234"][..]),
        ("list", &["list", "package-12*"]),
        ("info", &["info", "-d", "package-777"]),
        ("add -s", &["add", "-s", "package-24999"]),
    ] {
        bench.task(
            &format!("{name}, 25,000 packages, at first sight"),
            5,
            "big",
            &known[..1],
            arguments,
        );
        bench.task(
            &format!("{name}, 25,000 packages, index known"),
            5,
            "big",
            &known,
            arguments,
        );
    }
    let many: Vec<String> = (BIG - SOLVED..BIG)
        .step_by(4)
        .map(|number| format!("package-{number}"))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    bench.task(
        "solution of some 8,000 packages",
        3,
        "big",
        &known,
        &[&["add", "-s"][..], &many].concat(),
    );
    let port = slow_server(place.join("small"));
    bench.task(
        "200 packages from a server with 30 ms",
        2,
        &format!("http://127.0.0.1:{port}"),
        &[],
        &install,
    );
    bench.memory(&top.join("dist/bin/x86_64/toolbox"), &names);
}

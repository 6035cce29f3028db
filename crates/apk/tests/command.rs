//! The `apk` command as users and mirrors treat it: good input, bad input, no network, a full disk.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod world;

use apk::package::Script;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use world::{Made, World, bad, good, key, other_key, text};

#[test]
fn packages_come_upgrade_and_go() {
    let mut world = World::new();
    world.package(
        "lib",
        "1.0-r0",
        &Made {
            provides: "so:lib.so.1=1",
            files: &[("usr/lib/lib.so", b"one")],
            ..Made::default()
        },
    );
    world.package(
        "tool",
        "1.0-r0",
        &Made {
            depends: "so:lib.so.1",
            files: &[("usr/bin/tool", b"1"), ("etc/tool.conf", b"a")],
            ..Made::default()
        },
    );
    world.index(key());
    let said = good(&world.with_repo(&["add", "tool"]));
    assert!(
        said.contains("(1/2) Installing lib (1.0-r0)")
            && said.contains("(2/2) Installing tool (1.0-r0)"),
        "{said}"
    );
    assert!(
        said.contains("OK: ") && said.contains(" in 2 packages"),
        "{said}"
    );
    assert_eq!(
        world.files(),
        ["etc/tool.conf", "usr/bin/tool", "usr/lib/lib.so"]
    );
    assert_eq!(
        fs::read_to_string(world.root().join("etc/apk/world")).unwrap(),
        "tool\n"
    );
    // The user's own configuration stays, and the new one is put beside it.
    fs::write(world.root().join("etc/tool.conf"), "mine").unwrap();
    world.package(
        "tool",
        "1.1-r0",
        &Made {
            depends: "lib",
            files: &[("usr/bin/tool2", b"2"), ("etc/tool.conf", b"b")],
            ..Made::default()
        },
    );
    world.index(key());
    assert!(good(&world.with_repo(&["list", "-u"])).contains("tool-1.1-r0"));
    let said = good(&world.with_repo(&["upgrade"]));
    assert!(said.contains("Upgrading tool (1.0-r0 -> 1.1-r0)"), "{said}");
    assert_eq!(
        world.files(),
        [
            "etc/tool.conf",
            "etc/tool.conf.apk-new",
            "usr/bin/tool2",
            "usr/lib/lib.so"
        ]
    );
    assert_eq!(
        good(&world.apk(&["info", "-W", "/usr/bin/tool2"])),
        "/usr/bin/tool2 is owned by tool-1.1-r0\n"
    );
    assert_eq!(good(&world.apk(&["audit", "--system"])), "");
    fs::write(world.root().join("usr/bin/tool2"), "changed").unwrap();
    assert_eq!(
        good(&world.apk(&["audit", "--system"])),
        "U usr/bin/tool2\n"
    );
    good(&world.with_repo(&["fix", "-r", "tool"]));
    assert_eq!(good(&world.apk(&["audit", "--system"])), "");
    let said = good(&world.with_repo(&["del", "tool"]));
    assert!(
        said.contains("Purging tool (1.1-r0)") && said.contains("Purging lib (1.0-r0)"),
        "{said}"
    );
    assert_eq!(world.apk(&["info"]).stdout, b"");
}

#[test]
fn virtual_packages_files_and_conflicts() {
    let mut world = World::new();
    let path = world.package(
        "a",
        "1-r0",
        &Made {
            files: &[("a", b"a")],
            ..Made::default()
        },
    );
    world.package(
        "b",
        "1-r0",
        &Made {
            depends: "!a",
            files: &[("b", b"b")],
            ..Made::default()
        },
    );
    world.package(
        "c",
        "1-r0",
        &Made {
            files: &[("a", b"c")],
            ..Made::default()
        },
    );
    world.index(key());
    good(&world.with_repo(&["add", "-t", ".deps", "a"]));
    assert!(
        fs::read_to_string(world.root().join("etc/apk/world"))
            .unwrap()
            .starts_with(".deps=")
    );
    good(&world.with_repo(&["del", ".deps"]));
    assert_eq!(world.files(), [""; 0]);
    // A file of the command line is pinned to exactly this build.
    good(&world.apk(&["add", path.to_str().unwrap()]));
    assert!(
        fs::read_to_string(world.root().join("etc/apk/world"))
            .unwrap()
            .starts_with("a><Q1")
    );
    bad(
        &world.with_repo(&["add", "b"]),
        &["unable to select packages"],
    );
    bad(
        &world.with_repo(&["add", "c"]),
        &["trying to overwrite a owned by a-1-r0"],
    );
    assert_eq!(world.files(), ["a"]);
    good(&world.with_repo(&["add", "--simulate", "c", "--force-overwrite"]));
    assert_eq!(world.files(), ["a"]);
}

#[test]
fn what_is_not_there_is_named() {
    let world = World::new();
    world.index(key());
    bad(
        &world.with_repo(&["add", "nope"]),
        &["unable to select packages"],
    );
    assert!(text(&world.with_repo(&["add", "nope"])).contains("nope (no such package)"));
    bad(
        &world.apk(&["add", "/no/such.apk"]),
        &["/no/such.apk", "No such file"],
    );
    bad(
        &world.apk(&["frobnicate"]),
        &["'frobnicate' is not an apk command"],
    );
    bad(&world.apk(&["add", "--frob"]), &["'frob'"]);
    bad(
        &world.apk(&["--root", "/no/such/root", "info"]),
        &["/no/such/root"],
    );
    bad(&world.with_repo(&["add", "a=<"]), &["'a=<'"]);
    fs::write(
        world.root().join("etc/apk/repositories"),
        "ok\nndx x main\n",
    )
    .unwrap();
    bad(&world.apk(&["update"]), &["etc/apk/repositories:2"]);
}

#[test]
fn a_truncated_package_leaves_nothing() {
    let mut world = World::new();
    let big = vec![7_u8; 100_000];
    let path = world.package(
        "a",
        "1-r0",
        &Made {
            files: &[("x/y", &big), ("x/z", b"end")],
            ..Made::default()
        },
    );
    world.index(key());
    let whole = fs::read(&path).unwrap();
    for part in 0..12 {
        fs::write(&path, &whole[..whole.len() * part / 12]).unwrap();
        bad(&world.with_repo(&["add", "a"]), &["a-1-r0"]);
        assert_eq!(world.files(), [""; 0]);
        assert_eq!(world.apk(&["info"]).stdout, b"");
        assert_eq!(
            world.apk(&["verify", path.to_str().unwrap()]).status.code(),
            Some(1)
        );
    }
    fs::write(&path, whole).unwrap();
    good(&world.with_repo(&["add", "a"]));
    assert_eq!(world.files(), ["x/y", "x/z"]);
}

#[test]
fn an_altered_package_leaves_nothing() {
    let mut world = World::new();
    let path = world.package(
        "a",
        "1-r0",
        &Made {
            files: &[("x", b"some text")],
            ..Made::default()
        },
    );
    world.index(key());
    let whole = fs::read(&path).unwrap();
    // Headers of gzip hold bytes that mean nothing; what is behind them counts.
    for at in (0..whole.len()).step_by(whole.len() / 40) {
        let mut changed = whole.clone();
        changed[at] ^= 0x20;
        fs::write(&path, &changed).unwrap();
        let output = world.apk(&["add", path.to_str().unwrap()]);
        if output.status.success() {
            good(&world.apk(&["del", "a"]));
            continue;
        }
        bad(&output, &["a-1-r0"]);
        assert_eq!(world.files(), [""; 0], "byte {at}");
    }
    let mut changed = whole.clone();
    let last = whole.len() - 20;
    changed[last] ^= 1;
    fs::write(&path, &changed).unwrap();
    bad(&world.with_repo(&["add", "a"]), &["a-1-r0"]);
    assert_eq!(world.files(), [""; 0]);
}

#[test]
fn keys_that_are_not_trusted() {
    let mut world = World::new();
    let path = world.package(
        "a",
        "1-r0",
        &Made {
            files: &[("x", b"x")],
            key: Some(other_key()),
            ..Made::default()
        },
    );
    let path = path.to_str().unwrap();
    bad(&world.apk(&["add", path]), &[path, "UNTRUSTED signature"]);
    assert_eq!(world.files(), [""; 0]);
    world.index(other_key());
    bad(
        &world.with_repo(&["add", "a"]),
        &["APKINDEX.tar.gz", "UNTRUSTED signature"],
    );
    bad(
        &world.with_repo(&["update"]),
        &["APKINDEX.tar.gz", "UNTRUSTED signature"],
    );
    assert_eq!(world.files(), [""; 0]);
    // A key that only has the right name.
    fs::write(
        world.root().join("etc/apk/keys/other.rsa.pub"),
        key().public_pem().unwrap(),
    )
    .unwrap();
    bad(&world.apk(&["add", path]), &[path, "BAD signature"]);
    bad(
        &world.with_repo(&["add", "a"]),
        &["APKINDEX.tar.gz", "BAD signature"],
    );
    assert_eq!(world.files(), [""; 0]);
    // --allow-untrusted is for what nobody vouches for, not for what is forged.
    bad(
        &world.apk(&["add", "--allow-untrusted", path]),
        &[path, "BAD signature"],
    );
    fs::remove_file(world.root().join("etc/apk/keys/other.rsa.pub")).unwrap();
    good(&world.apk(&["add", "--allow-untrusted", path]));
}

#[test]
fn a_mirror_that_does_not_answer() {
    let mut world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    bad(
        &world.apk(&["-X", &url, "update"]),
        &[&url, "Connection refused"],
    );
    bad(
        &world.apk(&["-X", &url, "add", "a"]),
        &[&url, "Connection refused"],
    );
    // What another repository has is installed all the same.
    world.package(
        "a",
        "1-r0",
        &Made {
            files: &[("x", b"x")],
            ..Made::default()
        },
    );
    world.index(key());
    let output = world.with_repo(&["-X", &url, "add", "a"]);
    let said = good(&output);
    assert!(said.contains("WARNING: ") && said.contains(&url), "{said}");
    bad(
        &world.apk(&["-X", "http://no.such.host.invalid", "update"]),
        &["no.such.host.invalid"],
    );
    bad(&world.apk(&["-X", "gopher://x", "update"]), &["gopher://x"]);
}

/// Serves files below a folder, each request on a connection of its own; the first answers are cut in the middle.
fn serve(folder: PathBuf, mut cut: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let path = line
                .split(' ')
                .nth(1)
                .unwrap_or("/")
                .trim_start_matches('/')
                .to_owned();
            let mut from = 0;
            loop {
                let mut header = String::new();
                if reader.read_line(&mut header).unwrap() <= 2 {
                    break;
                }
                if let Some(range) = header.to_lowercase().strip_prefix("range: bytes=") {
                    from = range.trim().trim_end_matches('-').parse().unwrap();
                }
            }
            let Ok(bytes) = fs::read(folder.join(path)) else {
                let _ = stream.write_all(
                    b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                );
                continue;
            };
            let rest = &bytes[from..];
            let status = if from > 0 {
                "206 Partial Content"
            } else {
                "200 OK"
            };
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                rest.len()
            );
            let _ = stream.write_all(head.as_bytes());
            let end = if cut > 0 { rest.len() / 2 } else { rest.len() };
            cut = cut.saturating_sub(1);
            let _ = stream.write_all(&rest[..end]);
        }
    });
    url
}

#[test]
fn over_http_and_connections_that_break() {
    let mut world = World::new();
    let noise: Vec<u8> = (0..200_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    world.package(
        "a",
        "1-r0",
        &Made {
            files: &[("x", &noise)],
            ..Made::default()
        },
    );
    world.index(key());
    let url = serve(world.repo(), 3);
    let said = good(&world.apk(&["-X", &url, "add", "a"]));
    assert!(
        said.contains(&format!("fetch {url}/x86_64/APKINDEX.tar.gz")),
        "{said}"
    );
    assert_eq!(fs::read(world.root().join("x")).unwrap(), noise);
    // The index was kept: without the network it still tells.
    assert!(good(&world.apk(&["-X", &url, "--no-network", "search", "a"])).contains("a-1-r0"));
    fs::remove_file(world.repo().join("x86_64/a-1-r0.apk")).unwrap();
    bad(
        &world.apk(&["-X", &url, "fix", "-r", "a"]),
        &["a-1-r0.apk", "No such file"],
    );
    assert_eq!(fs::read(world.root().join("x")).unwrap(), noise);
}

#[test]
fn a_full_disk_changes_nothing() {
    let mut world = World::new();
    let noise: Vec<u8> = (0..3_000_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    world.package(
        "small",
        "1-r0",
        &Made {
            files: &[("s", b"s")],
            ..Made::default()
        },
    );
    world.package(
        "big",
        "1-r0",
        &Made {
            files: &[("dir/b", &noise)],
            ..Made::default()
        },
    );
    world.index(key());
    let script = format!(
        "set -e
        mount -t tmpfs -o size=2m tmpfs {mnt}
        cp -a {root}/. {mnt}/
        {apk} --root {mnt} -X {repo} --usermode add small
        before=$(cat {mnt}/lib/apk/db/installed {mnt}/etc/apk/world | cksum)
        if {apk} --root {mnt} -X {repo} --usermode add big; then echo installed; fi
        test \"$before\" = \"$(cat {mnt}/lib/apk/db/installed {mnt}/etc/apk/world | cksum)\"
        test -f {mnt}/s
        test ! -e {mnt}/dir
        {apk} --root {mnt} audit --full
        echo unharmed",
        mnt = world.folder.path().join("mnt").display(),
        root = world.root().display(),
        repo = world.repo().display(),
        apk = env!("CARGO_BIN_EXE_apk"),
    );
    fs::create_dir(world.folder.path().join("mnt")).unwrap();
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
        .output()
        .expect("unshare (package util-linux) is needed");
    let said = good(&output);
    assert!(
        said.contains("No space left on device") && said.contains("hint: nothing was installed"),
        "{said}"
    );
    assert!(
        said.contains("unharmed") && !said.contains("installed\n"),
        "{said}"
    );
}

#[test]
fn scripts_run_in_the_root_and_may_fail() {
    let mut world = World::new();
    // The interpreter of the host, where it can be had inside: only as root, and with nothing else needed.
    world.package(
        "a",
        "1-r0",
        &Made {
            files: &[("x", b"x")],
            scripts: &[(Script::PostInstall, "#!/no/such/interpreter\n")],
            ..Made::default()
        },
    );
    world.index(key());
    let output = world.with_repo(&["add", "a"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("Executing a-1-r0.post-install")
            && said.contains("WARNING: a-1-r0.post-install"),
        "{said}"
    );
    assert_eq!(world.files(), ["x"]);
    assert_eq!(good(&world.apk(&["info"])), "a\n");
    good(&world.with_repo(&["del", "a"]));
    let said = good(&world.with_repo(&["add", "--no-scripts", "a"]));
    assert!(!said.contains("Executing"), "{said}");
}

#[test]
fn two_at_once_wait_for_each_other() {
    let world = World::new();
    let lock = fs::File::open(world.root().join("lib/apk/db/lock")).unwrap();
    lock.lock().unwrap();
    bad(&world.apk(&["add"]), &["lib/apk/db/lock", "another apk"]);
    drop(lock);
    good(&world.apk(&["add"]));
}

#[test]
fn versions_are_compared() {
    let world = World::new();
    assert_eq!(good(&world.apk(&["version", "-t", "1.10", "1.9"])), ">\n");
    assert_eq!(
        good(&world.apk(&["version", "-t", "1.0_rc1", "1.0"])),
        "<\n"
    );
    let output = world.apk(&["version", "-c", "1.0", "x.y"]);
    assert_eq!(
        (output.status.code(), text(&output).as_str()),
        (Some(1), "x.y\n")
    );
}

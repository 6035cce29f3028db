//! The built root, entered with namespaces by `ferrata run`.

use system::{ferrata, good, in_root};

#[test]
fn packages_are_added_and_nothing_is_changed_behind_the_database() {
    let text = good(&in_root(
        "set -e
        apk audit --system
        apk add zlib
        apk info -e zlib
        test -e /lib/libz.so.1
        apk audit --system
        apk del zlib
        test ! -e /lib/libz.so.1
        echo fine",
    ));
    assert!(
        text.contains("Installing zlib") && text.contains("Purging zlib"),
        "{text}"
    );
    assert!(text.ends_with("fine\n"), "{text}");
    for mark in ["U ", "X ", "M ", "D "] {
        assert!(!text.lines().any(|line| line.starts_with(mark)), "{text}");
    }
}

#[test]
fn the_status_is_the_commands() {
    assert_eq!(in_root("exit 7").status.code(), Some(7));
    let output = ferrata()
        .args(["run", "--", "/no/such/program"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(127));
}

#[test]
fn every_applet_is_there_and_explains_itself() {
    let text = good(&in_root(
        "toolbox --list-full | while read -r path; do
            test -x /$path || echo \"missing: $path\"
            toolbox --help ${path##*/} | grep -q usage: || echo \"no help: $path\"
        done; toolbox --list | wc -l",
    ));
    let mut lines: Vec<&str> = text.lines().collect();
    let count: u32 = lines.pop().unwrap().trim().parse().unwrap();
    assert_eq!(lines, [""; 0], "{text}");
    assert!(count >= 120, "{count} applets");
}

#[test]
fn scripts_of_daily_life_run() {
    let text = good(&in_root(
        "set -e; cd /tmp
        mkdir -p a/b; echo one > a/b/x; ln -s x a/b/y; chmod 640 a/b/x
        tar czf t.tgz a; mkdir out; tar xzf t.tgz -C out; diff -r a out/a
        test \"$(stat -c %a out/a/b/x)\" = 640; test \"$(readlink out/a/b/y)\" = x
        cp -a a c; cmp a/b/x c/b/x; mv c d; test ! -e c
        printf '3\\n1\\n2\\n' | sort | tr '\\n' ' '
        date -u -d @0 +%F
        echo hello | sha256sum | cut -c1-8
        seq 5 | awk '{s+=$1} END {print s}'",
    ));
    assert_eq!(text, "1 2 3 1970-01-01\n5891b5b5\n15\n");
}

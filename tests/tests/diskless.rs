//! Systems that run from memory, in QEMU: from a disc, from a stick, with an overlay on a second medium, and when
//! something is missing.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::process::Command;
use system::Guest;

/// A disk with an empty ext4.
fn stick(file: &Path) {
    let made = Command::new("mke2fs")
        .args(["-q", "-F", "-t", "ext4", "-L", "stick"])
        .arg(file)
        .arg("16M")
        .status()
        .expect("mke2fs (package e2fsprogs) is needed");
    assert!(made.success());
}

fn free_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port().to_string()
}

#[test]
fn what_is_committed_is_there_after_the_next_boot() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("stick.img");
    stick(&disk);
    let port = free_port();
    let mut guest = Guest::boot(&[
        "diskless",
        "--bios",
        "--disk",
        disk.to_str().unwrap(),
        "--ssh-port",
        &port,
    ]);
    guest.log_in();
    assert!(guest.run("mount").contains(" on / type tmpfs"));
    for runlevel in ["sysinit", "boot", "default"] {
        let status = guest.run(&format!("rc-status {runlevel}"));
        let fine = status.contains("started")
            && !status.contains("crashed")
            && !status.contains("stopped");
        assert!(fine, "{status}");
    }
    assert_eq!(guest.run("hostname").trim(), "ferrata");
    assert!(
        guest
            .run("cat /proc/cmdline")
            .contains("modloop=/boot/modloop-virt")
    );
    // The modules come from the disc; the kernel takes them.
    guest.run("modprobe dm_snapshot && grep dm_snapshot /proc/modules");
    // Packages from the disc, without a network.
    guest.run("apk add --no-network dropbear");
    guest.run("rc-update add dropbear default");
    guest.run("echo committed > /etc/motd");
    guest.run("mkdir /media/vda && mount /dev/vda /media/vda");
    let said = guest.run("lbu commit");
    assert!(
        said.contains("/media/vda/ferrata.apkovl.tar.gz: saved"),
        "{said}"
    );
    assert_eq!(guest.run("lbu status").trim(), "");
    guest.run("echo lost > /etc/motd");
    guest.send("reboot");

    guest.log_in();
    assert_eq!(guest.run("cat /etc/motd").trim(), "committed");
    assert!(guest.run("rc-service dropbear status").contains("started"));
    // The medium is there read-only, and writable for as long as a commit takes.
    assert!(guest.run("grep /media/vda /proc/mounts").contains(" ro,"));
    guest.run("echo again > /etc/motd");
    assert!(guest.run("lbu status").contains("U etc/motd"));
    let said = guest.run("lbu commit");
    assert!(said.contains("the one before is ferrata."), "{said}");
    assert!(guest.run("grep /media/vda /proc/mounts").contains(" ro,"));
    guest.run("sync");
    guest.send("poweroff");
    guest.ends();
}

#[test]
fn a_stick_starts_by_uefi() {
    let mut guest = Guest::boot(&["diskless", "--uefi", "--stick", "--ssh-port", &free_port()]);
    guest.log_in();
    assert!(guest.run("ls /sys/firmware/efi").contains("runtime"));
    assert!(guest.run("mount").contains(" on / type tmpfs"));
    guest.send("poweroff");
    guest.ends();
}

#[test]
fn what_is_missing_is_told_and_mended() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("stick.img");
    stick(&disk);
    // An overlay that is cut short.
    let bad = folder.path().join("box.apkovl.tar.gz");
    std::fs::write(&bad, b"\x1f\x8b\x08\0\0\0\0\0\0\x03cut short").unwrap();
    let put = Command::new("debugfs")
        .args(["-w", "-R"])
        .arg(format!("write {} box.apkovl.tar.gz", bad.display()))
        .arg(&disk)
        .output()
        .expect("debugfs (package e2fsprogs) is needed");
    assert!(put.status.success());
    let mut guest = Guest::boot(&[
        "diskless",
        "--disk",
        disk.to_str().unwrap(),
        "--ssh-port",
        &free_port(),
        "--append",
        "alpine_dev=nowhere rootdelay=2",
    ]);
    guest.expect("no medium with packages after 2 seconds");
    guest.expect("looked at: ");
    guest.expect("(early) # ");
    guest.send("ls /sbin/apk; exit");
    guest.expect("/sbin/apk");
    guest.expect("early> ");
    guest.send("alpine_dev=");
    guest.expect("the overlay /media/vda/box.apkovl.tar.gz: tar: ");
    guest.expect("(early) # ");
    guest.send("exit");
    guest.expect("early> ");
    guest.send("apkovl=none pkgs=lbu");
    guest.log_in();
    assert!(guest.run("mount").contains(" on / type tmpfs"));
    guest.send("poweroff");
    guest.ends();
}

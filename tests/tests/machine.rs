//! The built image in QEMU, driven over its serial console as a user would.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use system::Guest;

/// The key that the front door made.
fn ssh_key() -> PathBuf {
    let config = std::env::var_os("XDG_CONFIG_HOME").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".config"),
        PathBuf::from,
    );
    config.join("ferrata/ssh_key")
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Runs a command over ssh, trying until the server answers.
fn ssh(port: u16, folder: &Path, command: &str) -> String {
    let until = Instant::now() + Duration::from_secs(120);
    loop {
        let output = Command::new("ssh")
            .args(["-i"])
            .arg(ssh_key())
            .args(["-p", &port.to_string()])
            .args([
                "-o",
                "StrictHostKeyChecking=no",
                "-o",
                "BatchMode=yes",
                "-o",
                "ConnectTimeout=30",
            ])
            .arg("-o")
            .arg(format!(
                "UserKnownHostsFile={}",
                folder.join("known").display()
            ))
            .args(["root@127.0.0.1", command])
            .stdin(Stdio::null())
            .output()
            .expect("ssh (package openssh-client) is needed");
        if output.status.success() {
            return String::from_utf8(output.stdout).unwrap();
        }
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(Instant::now() < until, "ssh: {why}");
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Whether the root's file system was unmounted as it should be, and has no errors.
fn assert_clean(disk: &Path, folder: &Path) {
    let raw = folder.join("raw");
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().unwrap();
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        (output.status.success(), text)
    };
    let (disk, raw) = (disk.to_str().unwrap(), raw.to_str().unwrap());
    let (fine, text) = run("qemu-img", &["convert", "-O", "raw", disk, raw]);
    assert!(fine, "{text}");
    let (fine, table) = run("sfdisk", &["--dump", raw]);
    assert!(fine, "{table}");
    let start = table
        .lines()
        .rfind(|line| line.contains("start="))
        .and_then(|line| {
            line.split("start=")
                .nth(1)?
                .split(',')
                .next()?
                .trim()
                .parse::<u64>()
                .ok()
        })
        .unwrap();
    let place = format!("{raw}?offset={}", start * 512);
    let (fine, text) = run("dumpe2fs", &["-h", &place]);
    assert!(fine, "{text}");
    let state = text
        .lines()
        .find(|line| line.starts_with("Filesystem state:"))
        .unwrap();
    assert!(state.ends_with(" clean"), "{state}");
    assert!(
        !text.contains("needs_recovery"),
        "the journal was not written back"
    );
    let (fine, text) = run("e2fsck", &["-f", "-n", &place]);
    assert!(fine, "{text}");
}

#[test]
fn from_a_login_over_packages_and_services_to_poweroff() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk.qcow2");
    let port = free_port().to_string();
    let mut guest = Guest::boot(&["--disk", disk.to_str().unwrap(), "--ssh-port", &port]);
    guest.log_in();

    // What a newcomer looks at first.
    assert!(guest.run("uname -s").contains("Linux"));
    assert!(guest.run("id").contains("uid=0(root)"));
    for runlevel in ["sysinit", "boot", "default"] {
        let status = guest.run(&format!("rc-status {runlevel}"));
        assert!(
            status.contains("started")
                && !status.contains("crashed")
                && !status.contains("stopped"),
            "{status}"
        );
    }
    assert!(guest.run("ip addr show eth0").contains("inet 10.0.2.15"));
    assert!(guest.run("cat /etc/resolv.conf").contains("nameserver"));
    assert_eq!(guest.run("hostname").trim(), "ferrata");
    assert!(guest.run("mount").contains(" on / type ext4 (rw"));
    assert!(
        guest
            .run("grep -c syslogd /var/log/messages")
            .trim()
            .parse::<u32>()
            .unwrap()
            > 0
    );

    // Packages from the repository that the host serves over HTTP.
    let update = guest.run("apk update");
    assert!(update.contains("distinct packages available"), "{update}");
    assert!(
        guest
            .run("apk add dropbear")
            .contains("Installing dropbear")
    );
    assert_eq!(guest.run("apk audit --system").trim(), "");
    guest.run("rc-service dropbear start");
    guest.run("rc-update add dropbear default");
    let port: u16 = port.parse().unwrap();
    let said = ssh(port, folder.path(), "echo hello from $(uname -n); id -u");
    assert_eq!(said, "hello from ferrata\n0\n");

    // No password gets in: only the key.
    let (status, _) = guest.try_run("grep '^root:[^!*:]' /etc/shadow");
    assert_ne!(status, 0, "root has a password");

    guest.send("reboot");
    guest.log_in();
    let status = guest.run("rc-service dropbear status");
    assert!(status.contains("started"), "{status}");
    assert_eq!(ssh(port, folder.path(), "cat /proc/1/comm").trim(), "init");

    guest.send("poweroff");
    guest.ends();
    assert_clean(&disk, folder.path());
}

#[test]
fn the_disk_boots_by_itself_through_uefi() {
    let mut guest = Guest::boot(&[
        "--temporary",
        "--uefi",
        "--ssh-port",
        &free_port().to_string(),
    ]);
    guest.log_in();
    assert!(guest.run("ls /sys/firmware/efi").contains("runtime"));
    assert!(guest.run("cat /proc/cmdline").contains("root=PARTUUID="));
    guest.send("poweroff");
    guest.ends();
}

#[test]
fn the_disk_boots_by_itself_through_bios() {
    let mut guest = Guest::boot(&[
        "--temporary",
        "--bios",
        "--ssh-port",
        &free_port().to_string(),
    ]);
    guest.log_in();
    assert!(guest.run("cat /proc/cmdline").contains("BOOT_IMAGE="));
    guest.run("test ! -e /sys/firmware/efi");
    guest.send("poweroff");
    guest.ends();
}

#[test]
fn the_root_grows_with_its_disk() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk.qcow2");
    let port = free_port().to_string();
    let arguments = ["--disk", disk.to_str().unwrap(), "--ssh-port", &port];
    let mut guest = Guest::boot(&arguments);
    guest.log_in();
    let kib = "df -k / | awk 'END { print $2 }'";
    let before: u64 = guest.run(kib).trim().parse().unwrap();
    assert!(before < 512 << 10, "{before}");
    guest.send("poweroff");
    guest.ends();
    let resized = Command::new("qemu-img")
        .args(["resize", "-q", disk.to_str().unwrap(), "1G"])
        .status()
        .unwrap();
    assert!(resized.success());
    let mut guest = Guest::boot(&arguments);
    guest.log_in();
    let after: u64 = guest.run(kib).trim().parse().unwrap();
    assert!(after > 850 << 10, "{before} {after}");
    assert_eq!(guest.run("growroot 2>&1").trim(), "");
    guest.send("poweroff");
    guest.ends();
    assert_clean(&disk, folder.path());
}

#[test]
fn a_service_that_dies_comes_back() {
    let mut guest = Guest::boot(&["--temporary", "--ssh-port", &free_port().to_string()]);
    guest.log_in();
    let before = guest.run("pidof crond");
    guest.run("kill -9 $(pidof crond)");
    let after = guest.run("n=0; while [ $n -lt 300 ]; do p=$(pidof crond) && break; n=$((n+1)); sleep 0.1; done; echo $p");
    assert!(
        !after.trim().is_empty() && before.trim() != after.trim(),
        "{before} {after}"
    );
    guest.send("poweroff");
    guest.ends();
}

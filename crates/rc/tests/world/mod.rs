//! A system of its own in namespaces: the host's programs, our process 1, and services made for the test.
//!
//! Needs root, `unshare` and `nsenter`, and a hierarchy of control groups of version 2 that may be written to.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::{Read, Seek};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Only ends what hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// Brings the system up inside its namespaces: `$1` is its root, `$2` the program of process 1. What the host mounts stays the host's.
const ENTER: &str = r#"
set -e
mount --make-rprivate /
cd "$1"
for folder in usr proc dev run tmp sys; do mkdir -p "$folder"; done
mount --bind /usr usr
mount -t tmpfs tmpfs dev
for node in null zero full random urandom tty; do
    : >dev/$node
    mount --bind /dev/$node dev/$node
done
: >>console
: >dev/console
mount --bind console dev/console
mount --bind "$2" sbin/rc
exec chroot . /sbin/init
"#;

const PROGRAM: &str = env!("CARGO_BIN_EXE_rc");

/// A running system. It ends when this does.
pub struct World {
    /// Its root, as the host sees it. What is mounted there is not seen.
    pub root: PathBuf,
    folder: tempfile::TempDir,
    group: PathBuf,
    child: Child,
    init: i32,
}

/// Waits until something is there. Fails only where it never comes.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + LIMIT;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "{what}: it never came");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn groups() -> PathBuf {
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    let place = mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .find(|words| words.get(2) == Some(&"cgroup2"))
        .map(|words| PathBuf::from(words[1]));
    place.expect("no control groups of version 2 are mounted: mount -t cgroup2 none /sys/fs/cgroup")
}

/// Makes a root with these scripts in `/etc/init.d`, all in the runlevel `default`.
pub fn make_root(root: &Path, services: &[(&str, &str)]) {
    for folder in ["etc/init.d", "etc/conf.d", "sbin", "var/lib", "root"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    for level in ["sysinit", "boot", "default", "shutdown", "single"] {
        fs::create_dir_all(root.join("etc/runlevels").join(level)).unwrap();
    }
    for name in ["bin", "lib", "lib32", "lib64", "libx32"] {
        if Path::new("/").join(name).is_dir() {
            symlink(format!("usr/{name}"), root.join(name)).unwrap();
        }
    }
    // The program is mounted over this: a copy might still be open for writing in a process that another test forks.
    fs::write(root.join("sbin/rc"), "").unwrap();
    let list = Command::new(PROGRAM).arg("--list").output().unwrap();
    for name in String::from_utf8(list.stdout).unwrap().lines() {
        symlink("rc", root.join("sbin").join(name)).unwrap();
    }
    let text = "::sysinit:/sbin/openrc sysinit\n::sysinit:/sbin/openrc boot\n::wait:/sbin/openrc default\n";
    fs::write(root.join("etc/inittab"), text).unwrap();
    fs::write(
        root.join("etc/passwd"),
        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n",
    )
    .unwrap();
    fs::write(root.join("etc/group"), "root:x:0:\nnogroup:x:65534:\n").unwrap();
    for (name, text) in services {
        add_service(root, name, text);
        symlink(
            format!("/etc/init.d/{name}"),
            root.join("etc/runlevels/default").join(name),
        )
        .unwrap();
    }
}

/// Adds a script, in no runlevel.
pub fn add_service(root: &Path, name: &str, text: &str) {
    let path = root.join("etc/init.d").join(name);
    fs::write(&path, format!("#!/sbin/openrc-run\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

impl World {
    /// Boots a system with these services in its runlevel `default`.
    pub fn boot(services: &[(&str, &str)]) -> World {
        World::prepare(services, |_| {})
    }

    /// The same, with something done to its root before.
    pub fn prepare(services: &[(&str, &str)], change: impl FnOnce(&Path)) -> World {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        make_root(&root, services);
        change(&root);
        let group = groups().join(format!(
            "rc-test.{}.{}",
            std::process::id(),
            folder.path().file_name().unwrap().to_string_lossy()
        ));
        fs::create_dir(&group).expect("control groups need root");
        let script = format!(
            "exec >/dev/null 2>&1; echo $$ >{}/cgroup.procs && exec unshare --mount --pid --fork --kill-child --cgroup --uts --ipc \
             sh -c '{ENTER}' sh {} {PROGRAM}",
            group.display(),
            root.display()
        );
        let mut child = Command::new("sh")
            .args(["-c", &script])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let list = format!("/proc/{0}/task/{0}/children", child.id());
        let init = wait_for("process 1", || {
            assert!(child.try_wait().unwrap().is_none(), "unshare failed");
            let text = fs::read_to_string(&list).ok()?;
            let pid: i32 = text.split_whitespace().next()?.parse().ok()?;
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
            (name.trim() == "init").then_some(pid)
        });
        let world = World {
            root,
            folder,
            group,
            child,
            init,
        };
        wait_for("the runlevel default", || {
            let (status, text) = world.try_run("test -S /run/rc.sock && cat /run/openrc/softlevel");
            (status == 0 && text == "default").then_some(())
        });
        world.settle();
        world
    }

    /// Waits until no service is on its way.
    pub fn settle(&self) {
        wait_for("rest", || {
            let look = "! ls /run/openrc/starting /run/openrc/stopping | grep -v : | grep -q .";
            (self.try_run(look).0 == 0).then_some(())
        });
    }

    /// The number of process 1, as the host sees it.
    pub fn init(&self) -> i32 {
        self.init
    }

    fn enter(&self, command: &str) -> Command {
        let mut enter = Command::new("nsenter");
        enter
            .arg(format!("--target={}", self.init))
            .args(["--mount", "--pid", "--cgroup", "--ipc", "--root", "--wd"])
            .args(["sh", "-c", command])
            .env_clear()
            .env("PATH", "/sbin:/usr/sbin:/usr/bin:/bin")
            .stdin(Stdio::null());
        enter
    }

    /// Runs a command of the shell in it; gives its status and what it printed, both kinds together.
    pub fn try_run(&self, command: &str) -> (i32, String) {
        // Into a file: what a command leaves running would keep a pipe open.
        let mut file = tempfile::tempfile().unwrap();
        let status = self
            .enter(command)
            .stdout(file.try_clone().unwrap())
            .stderr(file.try_clone().unwrap())
            .status()
            .unwrap();
        let mut text = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut text).unwrap();
        (
            status.code().unwrap_or(-1),
            String::from_utf8_lossy(&text).into_owned(),
        )
    }

    /// The same, and it must go well.
    pub fn run(&self, command: &str) -> String {
        let (status, text) = self.try_run(command);
        assert_eq!(status, 0, "{command}: {text}\n{}", self.console());
        text
    }

    /// What was printed on the console.
    pub fn console(&self) -> String {
        fs::read(self.root.join("console"))
            .map(|text| String::from_utf8_lossy(&text).into_owned())
            .unwrap_or_default()
    }

    /// The processes in the group of a service, as the host numbers them.
    pub fn processes(&self, service: &str) -> Vec<i32> {
        let path = self.group.join(format!("openrc.{service}/cgroup.procs"));
        fs::read_to_string(path)
            .unwrap_or_default()
            .lines()
            .map(|line| line.parse().unwrap())
            .collect()
    }

    /// Sends a signal to a process that the host numbers so.
    pub fn signal(pid: i32, signal: &str) {
        let status = Command::new("kill")
            .args([format!("-{signal}"), pid.to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Waits until the system has ended by itself; gives what its console showed.
    pub fn ends(mut self) -> String {
        wait_for("the end", || self.child.try_wait().unwrap());
        self.console()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the console showed:\n{}", self.console());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::write(self.group.join("cgroup.kill"), "1");
        let end = Instant::now() + Duration::from_secs(10);
        while Instant::now() < end {
            for entry in fs::read_dir(&self.group).into_iter().flatten().flatten() {
                let _ = fs::remove_dir(entry.path());
            }
            if fs::remove_dir(&self.group).is_ok() || !self.group.exists() {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

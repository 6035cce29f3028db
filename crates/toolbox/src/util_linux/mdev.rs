//! `mdev`: makes and removes device nodes, sets their owners and modes, and loads drivers, as `/etc/mdev.conf` says
//! (BusyBox's `docs/mdev.txt`).
//!
//! A line is `[-][KEY=REGEX;]...REGEX OWNER:GROUP MODE [>|=PATH] [!] [@|$|*COMMAND]`, or begins with `@MAJ[,MIN-MIN]`
//! or `$KEY=REGEX`. The first line that fits decides, unless it begins with `-`.

mod rules;

use crate::common::accounts::Accounts;
use crate::common::daemon;
use crate::common::lines::{complain, say};
use crate::common::options::Options;
use rules::{Event, Placed, Rule, Run};
use rustix::fs::{FileType, Mode};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub const USAGE: &str = "[-s | -d [-f]] [-S] [-v]

-s  make the nodes of all devices that sysfs knows
-d  be a daemon that follows the kernel's events    -f  stay in the foreground
-v  say what is done    -S  log it
without -s and -d: one event, as the environment says (ACTION, DEVPATH, SUBSYSTEM, MAJOR, MINOR, DEVNAME, MODALIAS)";

/// What is known of a device.
type Keys = Vec<(Vec<u8>, Vec<u8>)>;

/// What every event needs.
struct Mdev {
    rules: Vec<Rule>,
    accounts: Accounts,
    verbose: bool,
}

/// Runs it.
pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "mdev",
        letters: "sdfvS",
        long: &[],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 0, 0) {
        return status;
    }
    rustix::process::umask(Mode::empty());
    let mdev = Mdev {
        rules: match fs::read("/etc/mdev.conf") {
            Ok(text) => rules::parse(&text, &mut |line, what| {
                say("mdev", format!("/etc/mdev.conf:{line}: {what}"));
            }),
            Err(_) => Vec::new(),
        },
        accounts: Accounts::system(),
        verbose: given.has('v'),
    };
    if given.has('d') {
        // Before the scan: what appears meanwhile is not missed.
        let events = match sys::net::uevents() {
            Ok(events) => events,
            Err(error) => {
                complain("mdev", OsStr::new("netlink"), &error);
                return 1;
            }
        };
        if given.has('s') {
            mdev.scan();
        }
        if given.has('f') {
            return mdev.follow(&events);
        }
        return daemon::detach("mdev", || mdev.follow(&events));
    }
    if given.has('s') {
        mdev.scan();
        return 0;
    }
    let mut keys: Keys = std::env::vars_os()
        .map(|(key, value)| (key.as_bytes().to_vec(), value.as_bytes().to_vec()))
        .collect();
    complete(&mut keys);
    match Event::new(keys) {
        Some(event) => {
            mdev.handle(&event);
            0
        }
        None => options.wrong("ACTION and DEVPATH are not in the environment"),
    }
}

impl Mdev {
    /// The daemon: each datagram is `ACTION@DEVPATH` and `KEY=value`, with NULs between.
    fn follow(&self, events: &std::os::fd::OwnedFd) -> i32 {
        let mut buffer = vec![0_u8; 16 * 1024];
        loop {
            let count = match rustix::io::read(events, &mut buffer[..]) {
                Ok(count) => count,
                // Some were lost: what is there now tells.
                Err(rustix::io::Errno::NOBUFS) => {
                    self.scan();
                    continue;
                }
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => {
                    complain("mdev", OsStr::new("netlink"), &error.into());
                    return 1;
                }
            };
            let words = buffer
                .get(..count)
                .unwrap_or_default()
                .split(|byte| *byte == 0);
            let keys = words.filter_map(key_value).collect();
            if let Some(event) = Event::new(keys) {
                self.handle(&event);
            }
        }
    }

    /// An `add` for all that sysfs has: devices with numbers first, then what only has a driver to be loaded.
    fn scan(&self) {
        for (folder, block) in [("/sys/class", false), ("/sys/block", true)] {
            for entry in names(Path::new(folder)) {
                let path = Path::new(folder).join(&entry);
                if block {
                    self.found(&path);
                    // Partitions are folders of their disk.
                    for below in names(&path) {
                        let below = path.join(below);
                        if below.join("partition").exists() {
                            self.found(&below);
                        }
                    }
                } else {
                    for device in names(&path) {
                        self.found(&path.join(device));
                    }
                }
            }
        }
    }

    /// A device of sysfs, as if it had come now.
    fn found(&self, path: &Path) {
        let Ok(text) = fs::read(path.join("uevent")) else {
            return;
        };
        let Ok(real) = path.canonicalize() else {
            return;
        };
        let mut keys: Keys = text
            .split(|byte| *byte == b'\n')
            .filter_map(key_value)
            .collect();
        if !keys.iter().any(|(key, _)| key == b"MAJOR") {
            return;
        }
        let devpath = real.strip_prefix("/sys").unwrap_or(&real);
        keys.push((b"ACTION".to_vec(), b"add".to_vec()));
        keys.push((
            b"DEVPATH".to_vec(),
            [b"/", devpath.as_os_str().as_bytes()].concat(),
        ));
        let subsystem = real.join("subsystem").canonicalize();
        if let Some(name) = subsystem.ok().as_deref().and_then(Path::file_name) {
            keys.push((b"SUBSYSTEM".to_vec(), name.as_bytes().to_vec()));
        }
        if let Some(event) = Event::new(keys) {
            self.handle(&event);
        }
    }

    fn handle(&self, event: &Event) {
        if self.verbose {
            say("mdev", format!("{} {}", event.action, event.name.display()));
        }
        let add = match event.action.as_str() {
            "add" | "change" | "bind" => true,
            "remove" => false,
            _ => return,
        };
        if add
            && event.action == "add"
            && let Some(alias) = event.get(b"MODALIAS")
        {
            self.load(alias);
        }
        let mut decided = false;
        for rule in &self.rules {
            let Some(groups) = rule.matches(event) else {
                continue;
            };
            self.apply(event, rule, &groups, add);
            if !rule.go_on {
                decided = true;
                break;
            }
        }
        if !decided {
            self.apply(event, &Rule::default(), &[], add);
        }
    }

    /// Loads the driver that answers to an alias; that there is none is usual.
    fn load(&self, alias: &[u8]) {
        let run = Command::new("/sbin/modprobe")
            .args(["-q", "-b", "--"])
            .arg(OsStr::from_bytes(alias))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if let (Err(error), true) = (run, self.verbose) {
            complain("mdev", OsStr::new("/sbin/modprobe"), &error);
        }
    }

    fn apply(&self, event: &Event, rule: &Rule, groups: &[Vec<u8>], add: bool) {
        let default = Path::new("/dev").join(&event.name);
        let (node, link) = match &rule.placed {
            Placed::Default => (default, None),
            Placed::Moved(path) => (rules::place(path, &event.name, groups), None),
            Placed::Linked(path) => {
                let moved = rules::place(path, &event.name, groups);
                (moved, Some(default))
            }
            Placed::Nowhere => {
                self.run(event, rule, &default, add);
                return;
            }
        };
        if !add {
            self.run(event, rule, &node, false);
        }
        if let Some((kind, device)) = event.numbers() {
            if add {
                if let Err(error) = self.make(&node, kind, device, rule) {
                    complain("mdev", node.as_os_str(), &error);
                }
                if let Some(link) = link.filter(|link| *link != node) {
                    let _ = fs::remove_file(&link);
                    // Beside it, the name is enough, wherever /dev is mounted.
                    let target = match link.parent() {
                        Some(folder) => node.strip_prefix(folder).unwrap_or(&node),
                        None => &node,
                    };
                    let _ = symlink(target, &link);
                }
            } else if node.starts_with("/dev") {
                for path in [Some(&node), link.as_ref()].into_iter().flatten() {
                    let _ = fs::remove_file(path);
                }
            }
        }
        if add {
            self.run(event, rule, &node, true);
        }
    }

    fn make(&self, node: &Path, kind: FileType, device: u64, rule: &Rule) -> std::io::Result<()> {
        if let Some(parent) = node.parent() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(parent)?;
        }
        let mode = Mode::from_raw_mode(rule.mode);
        match rustix::fs::mknodat(rustix::fs::CWD, node, kind, mode, device) {
            Ok(()) => {}
            // devtmpfs was here first.
            Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        rustix::fs::chmod(node, mode)?;
        let id = |text: &[u8], find: &dyn Fn(&[u8]) -> Option<u32>| {
            crate::common::accounts::number(text)
                .or_else(|| find(text))
                .unwrap_or(0)
        };
        let uid = id(&rule.user, &|name| {
            self.accounts.user(name).ok().flatten().map(|user| user.uid)
        });
        let gid = id(&rule.group, &|name| {
            self.accounts
                .group(name)
                .ok()
                .flatten()
                .map(|group| group.gid)
        });
        std::os::unix::fs::lchown(node, Some(uid), Some(gid))
    }

    /// Runs a rule's command with the event in its environment; MDEV is the node's name below /dev.
    fn run(&self, event: &Event, rule: &Rule, node: &Path, add: bool) {
        let wanted = match rule.when {
            Run::Never => return,
            Run::Add => add,
            Run::Remove => !add,
            Run::Both => true,
        };
        if !wanted {
            return;
        }
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(OsStr::from_bytes(&rule.command));
        command.current_dir("/dev");
        // The first device of all may be this one.
        if let Ok(nothing) = fs::File::open("/dev/null") {
            command.stdin(nothing);
        }
        for (key, value) in &event.keys {
            command.env(OsStr::from_bytes(key), OsStr::from_bytes(value));
        }
        command.env("MDEV", node.strip_prefix("/dev").unwrap_or(node));
        if let Err(error) = command.status() {
            complain("mdev", OsStr::from_bytes(&rule.command), &error);
        }
    }
}

/// Adds what an event leaves to sysfs: the numbers, and whether they are a block device's.
fn complete(keys: &mut Keys) {
    let get = |wanted: &[u8]| {
        keys.iter()
            .find(|(key, _)| key == wanted)
            .map(|(_, value)| value.clone())
    };
    let Some(path) = get(b"DEVPATH") else {
        return;
    };
    let known = [&b"MAJOR"[..], b"SUBSYSTEM"].map(|key| get(key).is_some());
    if !known[0] {
        let file = [b"/sys".as_slice(), &path, b"/dev"].concat();
        let text = fs::read(OsStr::from_bytes(&file)).unwrap_or_default();
        let mut numbers = text.trim_ascii().splitn(2, |byte| *byte == b':');
        if let (Some(major), Some(minor)) = (numbers.next(), numbers.next()) {
            keys.push((b"MAJOR".to_vec(), major.to_vec()));
            keys.push((b"MINOR".to_vec(), minor.to_vec()));
        }
    }
    if !known[1] && memchr::memmem::find(&path, b"/block/").is_some() {
        keys.push((b"SUBSYSTEM".to_vec(), b"block".to_vec()));
    }
}

fn key_value(word: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let at = word.iter().position(|byte| *byte == b'=')?;
    let (key, value) = word.split_at(at);
    Some((key.to_vec(), value.get(1..)?.to_vec()))
}

fn names(folder: &Path) -> Vec<PathBuf> {
    let mut names: Vec<PathBuf> = fs::read_dir(folder)
        .map(|entries| {
            entries
                .flatten()
                .map(|entry| entry.file_name().into())
                .collect()
        })
        .unwrap_or_default();
    names.sort();
    names
}

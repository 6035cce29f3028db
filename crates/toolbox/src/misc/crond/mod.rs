//! `crond` and `crontab`, with BusyBox's options and folders.

mod table;

use crate::common::accounts::Accounts;
use crate::common::calendar;
use crate::common::daemon;
use crate::common::lines::{Output, complain, say};
use crate::common::options::Options;
use crate::common::syslog;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use table::{Line, Table};

pub const USAGE: &str = "[-fbS] [-l N] [-d N] [-L FILE] [-c FOLDER]

-f  stay in the foreground    -b  go to the background (the usual)    -S  to the system's log (the usual)
-L  to a file    -l  how much is logged, 0 is most (8)    -d  to standard error    -c  the folder (/etc/crontabs)";
pub const CRONTAB_USAGE: &str = "[-c FOLDER] [-u USER] [-l | -e | -r | FILE]

-l  print the table    -e  edit it    -r  remove it    FILE: replace it by this; - is standard input
-u  another user's (root only)    -c  another folder";

const FOLDER: &str = "/var/spool/cron/crontabs";

/// A user's table, as it was when it was read.
struct Loaded {
    table: Table,
    changed: (i64, i64),
}

struct Cron {
    folder: PathBuf,
    tables: HashMap<OsString, Loaded>,
    running: Vec<(Child, String)>,
    to: To,
    level: u32,
}

/// Where it logs to.
enum To {
    Log,
    File(PathBuf),
    Stderr,
}

/// `crond`
pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "crond",
        letters: "fbSl:d:L:c:",
        long: &[],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let level = given
        .value('d')
        .or(given.value('l'))
        .map(|text| text.to_str().and_then(|t| t.parse().ok()));
    let Some(level) = level.unwrap_or(Some(8)) else {
        return options.wrong("invalid level");
    };
    let mut cron = Cron {
        folder: PathBuf::from(given.value('c').unwrap_or(OsStr::new(FOLDER))),
        tables: HashMap::new(),
        running: Vec::new(),
        to: match (given.has('d'), given.value('L')) {
            (true, _) => To::Stderr,
            (_, Some(path)) => To::File(path.into()),
            _ => To::Log,
        },
        level,
    };
    if let Err(error) = fs::read_dir(&cron.folder) {
        complain("crond", cron.folder.as_os_str(), &error);
        return 1;
    }
    if given.has('f') || given.has('d') {
        cron.run()
    } else {
        daemon::detach("crond", || cron.run())
    }
}

impl Cron {
    fn log(&self, level: u32, text: &str) {
        if level < self.level.min(5) {
            return;
        }
        match &self.to {
            To::Log => syslog::log(
                syslog::CRON,
                if level >= 9 {
                    syslog::ERROR
                } else {
                    syslog::INFO
                },
                "crond",
                text,
            ),
            To::Stderr => say("crond", text),
            To::File(path) => {
                let line = format!("{} crond: {text}\n", syslog::stamp(syslog::now()));
                let file = fs::OpenOptions::new().append(true).create(true).open(path);
                let _ =
                    file.and_then(|mut file| std::io::Write::write_all(&mut file, line.as_bytes()));
            }
        }
    }

    fn run(&mut self) -> i32 {
        self.log(8, "started");
        self.load();
        if !Path::new("/var/run/crond.reboot").exists() {
            // Once after each start of the machine: /var/run is empty then.
            let _ = fs::write("/var/run/crond.reboot", b"");
            self.start(&|line, _, _| line.at_start);
        }
        let mut last = calendar::now() / 60;
        loop {
            let now = calendar::now();
            let wait = u64::try_from(60 - now.rem_euclid(60)).unwrap_or(60);
            std::thread::sleep(Duration::from_secs(wait));
            self.reap();
            self.load();
            let minute = calendar::now() / 60;
            // A clock that jumps far is not caught up with.
            let from = if minute > last && minute - last <= 60 {
                last + 1
            } else {
                minute
            };
            if minute == last {
                continue;
            }
            for at in from..=minute {
                let seconds = at * 60;
                let local = seconds + sys::kernel::local_offset(seconds);
                let moment = calendar::moment(local);
                let weekday =
                    u32::try_from((local.div_euclid(86_400) + 4).rem_euclid(7)).unwrap_or(0);
                self.start(&|line, _, _| !line.at_start && line.is_due(&moment, weekday));
            }
            last = minute;
        }
    }

    /// Reads the tables that are new or were changed, and forgets those that are gone.
    fn load(&mut self) {
        let mut there = Vec::new();
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Ok(meta) = entry.path().metadata() else {
                continue;
            };
            if !meta.is_file()
                || name.as_bytes().starts_with(b".")
                || name.as_bytes().contains(&b'.')
            {
                continue;
            }
            there.push(name.clone());
            let changed = (meta.mtime(), meta.mtime_nsec());
            if self
                .tables
                .get(&name)
                .is_some_and(|known| known.changed == changed)
            {
                continue;
            }
            // A table that others may write would let them run what they like.
            if meta.mode() & 0o022 != 0 {
                self.log(
                    9,
                    &format!(
                        "{}: others may write it: passed over",
                        entry.path().display()
                    ),
                );
                self.tables.remove(&name);
                continue;
            }
            let text = fs::read(entry.path()).unwrap_or_default();
            let mut wrong = Vec::new();
            let table = Table::parse(&String::from_utf8_lossy(&text), &mut |number, line| {
                wrong.push(format!(
                    "{}:{number}: not understood: {line}",
                    entry.path().display()
                ));
            });
            for text in wrong {
                self.log(9, &text);
            }
            self.tables.insert(name, Loaded { table, changed });
        }
        self.tables.retain(|name, _| there.contains(name));
    }

    fn start(&mut self, due: &dyn Fn(&Line, &OsStr, usize) -> bool) {
        let mut begun = Vec::new();
        for (name, loaded) in &self.tables {
            for (at, line) in loaded.table.lines.iter().enumerate() {
                if due(line, name, at) {
                    begun.push((
                        name.clone(),
                        line.command.clone(),
                        loaded.table.environment.clone(),
                    ));
                }
            }
        }
        for (name, command, environment) in begun {
            let shown = String::from_utf8_lossy(&command).into_owned();
            // What still runs is not started again.
            let key = format!("{} {shown}", name.display());
            if self.running.iter().any(|(_, known)| *known == key) {
                self.log(8, &format!("still running: {shown}"));
                continue;
            }
            match spawn(&name, &command, &environment) {
                Ok(child) => {
                    self.log(
                        8,
                        &format!("USER {} pid {} cmd {shown}", name.display(), child.id()),
                    );
                    self.running.push((child, key));
                }
                Err(what) => self.log(9, &format!("{}: {what}", name.display())),
            }
        }
    }

    fn reap(&mut self) {
        self.running
            .retain_mut(|(child, _)| matches!(child.try_wait(), Ok(None)));
    }
}

fn spawn(name: &OsStr, command: &[u8], environment: &[(String, String)]) -> Result<Child, String> {
    use std::os::unix::process::CommandExt;
    let accounts = Accounts::system();
    let user = accounts
        .user(name.as_bytes())
        .ok()
        .flatten()
        .ok_or_else(|| "there is no such user".to_owned())?;
    let find = |key: &str| {
        environment
            .iter()
            .rev()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.clone())
    };
    let shell = find("SHELL").unwrap_or_else(|| "/bin/sh".to_owned());
    let home = OsStr::from_bytes(&user.home).to_owned();
    let mut run = Command::new(&shell);
    run.arg("-c")
        .arg(OsStr::from_bytes(command))
        .env_clear()
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .env("SHELL", &shell)
        .env("HOME", &home)
        .env("USER", name)
        .env("LOGNAME", name)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .current_dir(if Path::new(&home).is_dir() {
            Path::new(&home)
        } else {
            Path::new("/")
        })
        .stdin(Stdio::null());
    if user.uid != rustix::process::getuid().as_raw() {
        run.uid(user.uid).gid(user.gid);
    }
    run.spawn()
        .map_err(|error| format!("{shell}: {}", crate::common::lines::cause(&error)))
}

/// `crontab`
pub fn crontab(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "crontab",
        letters: "c:u:ler",
        long: &[],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let uid = rustix::process::getuid();
    let accounts = Accounts::system();
    let user = match given.value('u') {
        Some(_) if !uid.is_root() => return options.wrong("-u is for root"),
        Some(name) => accounts.user(name.as_bytes()),
        None => accounts.user_by_id(uid.as_raw()),
    };
    let Ok(Some(user)) = user else {
        return options.wrong("there is no such user");
    };
    let folder = Path::new(given.value('c').unwrap_or(OsStr::new(FOLDER)));
    let path = folder.join(OsStr::from_bytes(&user.name));
    let failed = |path: &Path, error: &std::io::Error| {
        complain("crontab", path.as_os_str(), error);
        1
    };
    match given.last_of("ler") {
        Some('l') => match fs::read(&path) {
            Ok(text) => {
                let mut out = Output::new();
                out.put(&text);
                out.finish("crontab", 0, 1)
            }
            Err(error) => failed(&path, &error),
        },
        Some('r') => match fs::remove_file(&path) {
            Ok(()) => 0,
            Err(error) => failed(&path, &error),
        },
        Some('e') => {
            let draft = PathBuf::from(format!("/tmp/crontab.{}", std::process::id()));
            let text = fs::read(&path).unwrap_or_default();
            if let Err(error) = fs::write(&draft, &text) {
                return failed(&draft, &error);
            }
            let editor = std::env::var_os("VISUAL")
                .or_else(|| std::env::var_os("EDITOR"))
                .unwrap_or_else(|| "vi".into());
            let edited = Command::new(&editor).arg(&draft).status();
            let status = match edited {
                Ok(status) if status.success() => match fs::read(&draft) {
                    Ok(new) if new == text => 0,
                    Ok(new) => replace(&path, &new),
                    Err(error) => failed(&draft, &error),
                },
                Ok(_) => 1,
                Err(error) => failed(Path::new(&editor), &error),
            };
            let _ = fs::remove_file(&draft);
            status
        }
        _ => {
            let Some(file) = given.operands.first() else {
                return options.wrong("one of -l, -e, -r or a file is needed");
            };
            let mut text = Vec::new();
            match crate::common::lines::open(file).and_then(|mut file| file.read_to_end(&mut text))
            {
                Ok(_) => replace(&path, &text),
                Err(error) => failed(Path::new(file), &error),
            }
        }
    }
}

/// Puts a new table in place, if it can be understood.
fn replace(path: &Path, text: &[u8]) -> i32 {
    let mut wrong = false;
    Table::parse(&String::from_utf8_lossy(text), &mut |number, line| {
        say(
            "crontab",
            format!("line {number} is not understood: {line}"),
        );
        wrong = true;
    });
    if wrong {
        say("crontab", "the table was not changed");
        return 1;
    }
    let new = path.with_extension("new");
    let done = fs::write(&new, text)
        .and_then(|()| fs::set_permissions(&new, fs::Permissions::from_mode(0o600)))
        .and_then(|()| fs::rename(&new, path));
    match done {
        Ok(()) => 0,
        Err(error) => {
            let _ = fs::remove_file(&new);
            complain("crontab", path.as_os_str(), &error);
            1
        }
    }
}

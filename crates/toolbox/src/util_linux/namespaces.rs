//! `unshare` and `nsenter`: programs in other namespaces (namespaces(7)).

use crate::common::lines::complain;
use crate::common::options::{Given, Options};
use crate::common::running::{program_at, replace_by, run};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;

pub const UNSHARE_USAGE: &str = "[-mnuipUCf] [-r] [--mount-proc[=DIR]] [--propagation TYPE] [--setgroups allow|deny] [PROGRAM [argument...]]

new namespaces: -m mount    -n network    -u host name    -i System V IPC    -p process numbers    -U users    -C cgroups
-r  root in a new user namespace    -f  fork before PROGRAM    --mount-proc  mount /proc anew (implies -m)
--propagation  private, shared, slave or unchanged";
pub const NSENTER_USAGE: &str = "[-t PID] [-mnuipUC[FILE]] [-r[DIR]] [-w[DIR]] [-F] [-S UID] [-G GID] [PROGRAM [argument...]]

enters the namespaces of the process PID, or those in FILE: -m mount    -n network    -u host name
-i System V IPC    -p process numbers    -U users    -C cgroups    -r, -w  root and working directory
-F  do not fork before PROGRAM    -S, -G  user and group";
/// What only has a long name.
const PROPAGATION: char = '\u{100}';
const SETGROUPS: char = '\u{101}';

/// The namespaces: (letter, name in `/proc/PID/ns`, flag of clone(2), type for setns(2)).
const KINDS: [(char, &str, i32, LinkNameSpaceType); 7] = [
    ('U', "user", 0x1000_0000, LinkNameSpaceType::User),
    ('C', "cgroup", 0x0200_0000, LinkNameSpaceType::ControlGroup),
    (
        'i',
        "ipc",
        0x0800_0000,
        LinkNameSpaceType::InterProcessCommunication,
    ),
    (
        'u',
        "uts",
        0x0400_0000,
        LinkNameSpaceType::HostNameAndNISDomainName,
    ),
    ('n', "net", 0x4000_0000, LinkNameSpaceType::Network),
    ('p', "pid", 0x2000_0000, LinkNameSpaceType::ProcessID),
    ('m', "mnt", 0x0002_0000, LinkNameSpaceType::Mount),
];

fn named(what: &str) -> impl FnOnce(io::Error) -> (String, io::Error) + '_ {
    move |error| (what.to_owned(), error)
}

/// `unshare`
pub fn unshare(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "unshare",
        letters: "mnuipUCfr\u{100}:\u{101}:",
        long: &[
            ("mount", 'm'),
            ("net", 'n'),
            ("uts", 'u'),
            ("ipc", 'i'),
            ("pid", 'p'),
            ("user", 'U'),
            ("cgroup", 'C'),
            ("fork", 'f'),
            ("map-root-user", 'r'),
            ("propagation", PROPAGATION),
            ("setgroups", SETGROUPS),
        ],
    };
    let (mut own, program) = {
        let mut at = program_at(arguments, options.letters);
        // Long options whose value stands apart.
        while at < arguments.len()
            && arguments
                .get(at - 1)
                .is_some_and(|word| word == "--propagation" || word == "--setgroups")
        {
            let (behind, rest) = arguments.split_at(at + 1);
            at = behind.len() + program_at(&[&[OsString::new()], rest].concat(), options.letters)
                - 1;
        }
        let (own, program) = arguments.split_at(at);
        (own.to_vec(), program.to_vec())
    };
    let mut proc_at = None;
    own.retain(|word| {
        match word
            .to_str()
            .and_then(|word| word.strip_prefix("--mount-proc"))
        {
            Some("") => {
                proc_at = Some("/proc".to_owned());
                false
            }
            Some(folder) => {
                proc_at = folder.strip_prefix('=').map(str::to_owned);
                false
            }
            None => true,
        }
    });
    let given = match options.parse(&own) {
        Ok(given) => given,
        Err(status) => return status,
    };
    match separate(&given, proc_at.is_some()) {
        Ok(()) => {}
        Err((what, error)) => {
            complain("unshare", OsStr::new(&what), &error);
            return 1;
        }
    }
    let start = move || {
        if let Some(folder) = &proc_at {
            let flags = rustix::mount::MountFlags::NOSUID
                | rustix::mount::MountFlags::NODEV
                | rustix::mount::MountFlags::NOEXEC;
            if let Err(error) = rustix::mount::mount("proc", folder.as_str(), "proc", flags, None) {
                complain("unshare", OsStr::new(folder), &error.into());
                return 1;
            }
        }
        replace_by("unshare", &program)
    };
    if given.has('f') {
        return match sys::process::fork(start).and_then(crate::common::running::wait_for) {
            Ok(status) => status,
            Err(error) => {
                complain("unshare", OsStr::new("fork"), &error);
                1
            }
        };
    }
    start()
}

fn separate(given: &Given, mount_proc: bool) -> Result<(), (String, io::Error)> {
    use rustix::mount::MountPropagationFlags as Propagation;
    let mut flags = 0;
    for (letter, _, flag, _) in KINDS {
        let implied = letter == 'U' && given.has('r') || letter == 'm' && mount_proc;
        if given.has(letter) || implied {
            flags |= flag;
        }
    }
    let word = given.value(PROPAGATION).and_then(OsStr::to_str);
    let propagation = match word {
        Some("unchanged") => None,
        None | Some("private") => Some(Propagation::PRIVATE),
        Some("shared") => Some(Propagation::SHARED),
        Some("slave") => Some(Propagation::DOWNSTREAM),
        Some(other) => return Err((other.to_owned(), io::ErrorKind::InvalidInput.into())),
    };
    let groups = match given.value(SETGROUPS).and_then(OsStr::to_str) {
        None => given.has('r').then_some("deny"),
        Some(word @ ("allow" | "deny")) => Some(word),
        Some(other) => return Err((other.to_owned(), io::ErrorKind::InvalidInput.into())),
    };
    let (uid, gid) = (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    sys::control::unshare(flags).map_err(named("unshare"))?;
    let write = |file: &str, text: String| std::fs::write(file, text).map_err(named(file));
    if let Some(word) = groups {
        write("/proc/self/setgroups", word.to_owned())?;
    }
    if given.has('r') {
        write("/proc/self/uid_map", format!("0 {uid} 1"))?;
        write("/proc/self/gid_map", format!("0 {gid} 1"))?;
    }
    if let Some(propagation) = propagation.filter(|_| given.has('m') || mount_proc) {
        rustix::mount::mount_change("/", propagation | Propagation::REC)
            .map_err(|error| ("/".to_owned(), error.into()))?;
    }
    Ok(())
}

/// `nsenter`
pub fn nsenter(arguments: &[OsString]) -> i32 {
    // The files stand joined to their letters, so that a bare letter means the process' own.
    let mut words = Vec::new();
    let mut files: Vec<(char, OsString)> = Vec::new();
    let mut at = 1;
    while let Some(word) = arguments.get(at) {
        let Some(text) = word
            .to_str()
            .filter(|text| text.starts_with('-') && text.len() > 1)
        else {
            break;
        };
        at += 1;
        if text == "--" {
            break;
        }
        let long = text
            .strip_prefix("--")
            .map(|rest| rest.split_once('=').unwrap_or((rest, "")));
        let (letter, file) = match long {
            Some((name, file)) => {
                let known = LONG.iter().find(|(known, _)| *known == name);
                (known.map_or('?', |(_, letter)| *letter), file)
            }
            None => {
                let mut letters = text.trim_start_matches('-').chars();
                (letters.next().unwrap_or('?'), letters.as_str())
            }
        };
        if "mnuipUCrw".contains(letter) {
            // `-mnu` are three letters, `-m/FILE` is one with its file.
            if long.is_none()
                && !file.is_empty()
                && file.chars().all(|other| "mnuipUCFrw".contains(other))
            {
                for other in std::iter::once(letter).chain(file.chars()) {
                    files.push((other, OsString::new()));
                }
            } else {
                files.push((letter, file.trim_start_matches('=').into()));
            }
            continue;
        }
        words.push(word.clone());
        if "tSG".contains(letter) && file.is_empty() {
            words.extend(arguments.get(at).cloned());
            at += 1;
        }
    }
    let options = Options {
        applet: "nsenter",
        letters: "t:S:G:F",
        long: &[
            ("target", 't'),
            ("setuid", 'S'),
            ("setgid", 'G'),
            ("no-fork", 'F'),
        ],
    };
    words.insert(0, "nsenter".into());
    let given = match options.parse(&words) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let program = arguments.get(at..).unwrap_or_default();
    let fork = files.iter().any(|(letter, _)| *letter == 'p')
        && !given.has('F')
        && !files.iter().any(|(letter, _)| *letter == 'F');
    if let Err((what, error)) = enter(&given, &files) {
        complain("nsenter", OsStr::new(&what), &error);
        return 1;
    }
    if fork {
        let shell = [std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into())];
        return run("nsenter", if program.is_empty() { &shell } else { program });
    }
    replace_by("nsenter", program)
}

const LONG: &[(&str, char)] = &[
    ("mount", 'm'),
    ("net", 'n'),
    ("uts", 'u'),
    ("ipc", 'i'),
    ("pid", 'p'),
    ("user", 'U'),
    ("cgroup", 'C'),
    ("root", 'r'),
    ("wd", 'w'),
    ("target", 't'),
    ("setuid", 'S'),
    ("setgid", 'G'),
    ("no-fork", 'F'),
];

fn enter(given: &Given, files: &[(char, OsString)]) -> Result<(), (String, io::Error)> {
    let id = |letter: char| -> Result<Option<u32>, (String, io::Error)> {
        let Some(word) = given.value(letter) else {
            return Ok(None);
        };
        let number = word.to_str().and_then(|text| text.parse().ok());
        number.map(Some).ok_or_else(|| {
            (
                word.display().to_string(),
                io::ErrorKind::InvalidInput.into(),
            )
        })
    };
    let target = id('t')?;
    let (user, group) = (id('S')?, id('G')?);
    let open = |file: &OsStr, own: &str| -> Result<File, (String, io::Error)> {
        let path = match (file.is_empty(), target) {
            (false, _) => file.to_owned(),
            (true, Some(pid)) => format!("/proc/{pid}/{own}").into(),
            (true, None) => {
                return Err((
                    "-t".to_owned(),
                    io::Error::other("a process or a file is needed"),
                ));
            }
        };
        File::open(&path).map_err(|error| (path.display().to_string(), error))
    };
    // All are opened first: once inside, the paths lead elsewhere.
    let mut spaces = Vec::new();
    for (letter, name, _, kind) in KINDS {
        if let Some((_, file)) = files.iter().find(|(known, _)| *known == letter) {
            spaces.push((open(file, &format!("ns/{name}"))?, name, kind));
        }
    }
    let folder = |letter: char, own: &str| {
        let found = files.iter().find(|(known, _)| *known == letter);
        found.map(|(_, file)| open(file, own)).transpose()
    };
    let (root, work) = (folder('r', "root")?, folder('w', "cwd")?);
    for (file, name, kind) in spaces {
        move_into_link_name_space(file.as_fd(), Some(kind))
            .map_err(|error| (name.to_owned(), error.into()))?;
    }
    if let Some(root) = root {
        rustix::process::fchdir(&root).map_err(|error| ("root".to_owned(), error.into()))?;
        rustix::process::chroot(".").map_err(|error| ("root".to_owned(), error.into()))?;
        std::env::set_current_dir("/").map_err(named("/"))?;
    }
    if let Some(work) = work {
        rustix::process::fchdir(&work)
            .map_err(|error| ("working directory".to_owned(), error.into()))?;
    }
    if user.is_some() || group.is_some() {
        sys::init::become_user(user.unwrap_or(0), group.unwrap_or(0), &[])
            .map_err(named("setuid"))?;
    }
    Ok(())
}

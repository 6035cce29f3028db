//! `id`, `whoami`, `groups`, `logname`; `chown`, `chgrp`.

use crate::common::accounts::{self, Accounts};
use crate::common::lines::{Output, complain, say};
use crate::common::options::Options;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

pub const USAGE: &str = "[-ugGnr] [user]

-u  the user's number    -g  the group's    -G  all groups'    -n  names instead    -r  the real ones";
pub const NO_USAGE: &str = "";
pub const GROUPS_USAGE: &str = "[user]";
pub const CHOWN_USAGE: &str = "[-RhLHPcvf] [user][:[group]] file...

-R  folders with all that is in them    -h  links themselves    -L -H -P  which links are followed with -R
-c -v  say what is done    -f  no word of errors    --reference=FILE  as this file";
pub const CHGRP_USAGE: &str = "[-RhLHPcvf] group file...";

fn name(accounts: &Accounts, id: u32, user: bool) -> Option<Vec<u8>> {
    if user {
        return accounts.user_by_id(id).ok().flatten().map(|user| user.name);
    }
    let groups = accounts.groups().unwrap_or_default();
    groups
        .into_iter()
        .find(|group| group.gid == id)
        .map(|group| group.name)
}

fn name_or_number(accounts: &Accounts, id: u32, user: bool) -> Vec<u8> {
    name(accounts, id, user).unwrap_or_else(|| id.to_string().into_bytes())
}

/// Somebody: effective and real numbers, and all groups.
struct Person {
    uid: (u32, u32),
    gid: (u32, u32),
    groups: Vec<u32>,
}

fn somebody(accounts: &Accounts, who: Option<&OsStr>) -> Result<Person, String> {
    let Some(who) = who else {
        let mut groups: Vec<u32> = rustix::process::getgroups()
            .unwrap_or_default()
            .iter()
            .map(|gid| gid.as_raw())
            .collect();
        let gid = rustix::process::getegid().as_raw();
        if !groups.contains(&gid) {
            groups.insert(0, gid);
        }
        return Ok(Person {
            uid: (
                rustix::process::geteuid().as_raw(),
                rustix::process::getuid().as_raw(),
            ),
            gid: (gid, rustix::process::getgid().as_raw()),
            groups,
        });
    };
    let found = accounts
        .user(who.as_bytes())
        .map_err(|error| error.to_string())?;
    let found = match found {
        Some(user) => Some(user),
        None => {
            accounts::number(who.as_bytes()).and_then(|uid| accounts.user_by_id(uid).ok().flatten())
        }
    };
    let user = found.ok_or_else(|| format!("unknown user {}", who.display()))?;
    let groups = accounts
        .groups_of(&user)
        .map_err(|error| error.to_string())?;
    Ok(Person {
        uid: (user.uid, user.uid),
        gid: (user.gid, user.gid),
        groups,
    })
}

/// `id`
pub fn id(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "id",
        letters: "ugGnr",
        long: &[
            ("user", 'u'),
            ("group", 'g'),
            ("groups", 'G'),
            ("name", 'n'),
            ("real", 'r'),
        ],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 0, 1) {
        return status;
    }
    let accounts = Accounts::system();
    let who = given.operands.first().map(OsString::as_os_str);
    let person = match somebody(&accounts, who) {
        Ok(person) => person,
        Err(what) => {
            say("id", what);
            return 1;
        }
    };
    let mut out = Output::new();
    let shown = |id: u32, user: bool| {
        if given.has('n') {
            name_or_number(&accounts, id, user)
        } else {
            id.to_string().into_bytes()
        }
    };
    let which = |both: (u32, u32)| if given.has('r') { both.1 } else { both.0 };
    match given.last_of("ugG") {
        Some('u') => out.put(&shown(which(person.uid), true)),
        Some('g') => out.put(&shown(which(person.gid), false)),
        Some(_) => {
            let list: Vec<Vec<u8>> = person.groups.iter().map(|gid| shown(*gid, false)).collect();
            out.put(&list.join(&b' '));
        }
        None => {
            let both = |label: &str, id: u32, user: bool| {
                let mut text = format!("{label}{id}").into_bytes();
                if let Some(name) = name(&accounts, id, user) {
                    text.extend_from_slice(&[b"(", name.as_slice(), b")"].concat());
                }
                text
            };
            out.put(&both("uid=", person.uid.1, true));
            out.put(&both(" gid=", person.gid.1, false));
            if person.uid.0 != person.uid.1 {
                out.put(&both(" euid=", person.uid.0, true));
            }
            if person.gid.0 != person.gid.1 {
                out.put(&both(" egid=", person.gid.0, false));
            }
            let list: Vec<Vec<u8>> = person
                .groups
                .iter()
                .map(|gid| both("", *gid, false))
                .collect();
            out.put(b" groups=");
            out.put(&list.join(&b','));
        }
    }
    out.put_byte(b'\n');
    out.finish("id", 0, 1)
}

/// `whoami`
pub fn whoami(_: &[OsString]) -> i32 {
    let uid = rustix::process::geteuid().as_raw();
    match name(&Accounts::system(), uid, true) {
        Some(name) => {
            let mut out = Output::new();
            out.put(&name);
            out.put_byte(b'\n');
            out.finish("whoami", 0, 1)
        }
        None => {
            say("whoami", format!("unknown uid {uid}"));
            1
        }
    }
}

/// `logname`
pub fn logname(_: &[OsString]) -> i32 {
    // The kernel keeps who logged in; without it the environment has to do.
    let uid = std::fs::read_to_string("/proc/self/loginuid")
        .ok()
        .and_then(|text| text.trim().parse::<u32>().ok())
        .filter(|uid| *uid != u32::MAX);
    let found = uid
        .and_then(|uid| name(&Accounts::system(), uid, true))
        .or_else(|| std::env::var_os("LOGNAME").map(|name| name.as_bytes().to_vec()));
    match found {
        Some(name) => {
            let mut out = Output::new();
            out.put(&name);
            out.put_byte(b'\n');
            out.finish("logname", 0, 1)
        }
        None => {
            say("logname", "no login name");
            1
        }
    }
}

/// `groups`
pub fn groups(arguments: &[OsString]) -> i32 {
    let accounts = Accounts::system();
    match somebody(&accounts, arguments.get(1).map(OsString::as_os_str)) {
        Ok(person) => {
            let list: Vec<Vec<u8>> = person
                .groups
                .iter()
                .map(|gid| name_or_number(&accounts, *gid, false))
                .collect();
            let mut out = Output::new();
            out.put(&list.join(&b' '));
            out.put_byte(b'\n');
            out.finish("groups", 0, 1)
        }
        Err(what) => {
            say("groups", what);
            1
        }
    }
}

/// Who is to own: neither, one or both.
type Owner = (Option<u32>, Option<u32>);

fn user_number(accounts: &Accounts, text: &[u8]) -> Result<u32, String> {
    let known = accounts.user(text).ok().flatten().map(|user| user.uid);
    known
        .or_else(|| accounts::number(text))
        .ok_or_else(|| format!("unknown user {}", String::from_utf8_lossy(text)))
}

fn group_number(accounts: &Accounts, text: &[u8]) -> Result<u32, String> {
    let known = accounts.group(text).ok().flatten().map(|group| group.gid);
    known
        .or_else(|| accounts::number(text))
        .ok_or_else(|| format!("unknown group {}", String::from_utf8_lossy(text)))
}

/// `user`, `user:group`, `user:` (with the user's own group), `:group`; a dot serves where no user has such a name.
fn owner(accounts: &Accounts, text: &[u8]) -> Result<Owner, String> {
    let at = text.iter().position(|byte| *byte == b':');
    let Some(at) = at else {
        if let Ok(uid) = user_number(accounts, text) {
            return Ok((Some(uid), None));
        }
        if let Some(dot) = text.iter().position(|byte| *byte == b'.') {
            let (user, group) = text.split_at(dot);
            let group = group.get(1..).unwrap_or_default();
            return Ok((
                Some(user_number(accounts, user)?),
                Some(group_number(accounts, group)?),
            ));
        }
        return user_number(accounts, text).map(|uid| (Some(uid), None));
    };
    let (user, group) = text.split_at(at);
    let group = group.get(1..).unwrap_or_default();
    let uid = if user.is_empty() {
        None
    } else {
        Some(user_number(accounts, user)?)
    };
    let gid = if !group.is_empty() {
        Some(group_number(accounts, group)?)
    } else {
        uid.and_then(|uid| accounts.user_by_id(uid).ok().flatten())
            .map(|user| user.gid)
    };
    Ok((uid, gid))
}

struct Changer {
    applet: &'static str,
    owner: Owner,
    recursive: bool,
    /// Links themselves are changed.
    links: bool,
    follow: char,
    quiet: bool,
    tell: Option<char>,
    status: i32,
}

fn change(arguments: &[OsString], applet: &'static str, group_only: bool) -> i32 {
    let mut reference = None;
    let words: Vec<OsString> = arguments
        .iter()
        .filter(|word| match word.as_bytes().strip_prefix(b"--reference=") {
            Some(path) => {
                reference = Some(OsStr::from_bytes(path).to_owned());
                false
            }
            None => true,
        })
        .cloned()
        .collect();
    let options = Options {
        applet,
        letters: "RhLHPcvf",
        long: &[
            ("recursive", 'R'),
            ("no-dereference", 'h'),
            ("changes", 'c'),
            ("verbose", 'v'),
            ("silent", 'f'),
            ("quiet", 'f'),
        ],
    };
    let given = match options.parse(&words) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let mut files = given.operands.as_slice();
    let owner = if let Some(path) = reference {
        match std::fs::metadata(&path) {
            Ok(meta) if group_only => (None, Some(meta.gid())),
            Ok(meta) => (Some(meta.uid()), Some(meta.gid())),
            Err(error) => {
                complain(applet, &path, &error);
                return 1;
            }
        }
    } else {
        let Some((first, rest)) = files.split_first() else {
            return options.wrong("missing operand");
        };
        files = rest;
        let accounts = Accounts::system();
        let found = if group_only {
            group_number(&accounts, first.as_bytes()).map(|gid| (None, Some(gid)))
        } else {
            owner(&accounts, first.as_bytes())
        };
        match found {
            Ok(owner) => owner,
            Err(what) => {
                say(applet, what);
                return 1;
            }
        }
    };
    if files.is_empty() {
        return options.wrong("missing operand");
    }
    let mut changer = Changer {
        applet,
        owner,
        recursive: given.has('R'),
        links: given.has('h'),
        follow: given.last_of("LHP").unwrap_or('P'),
        quiet: given.has('f'),
        tell: given.last_of("cv"),
        status: 0,
    };
    for file in files {
        changer.one(Path::new(file), true);
    }
    changer.status
}

impl Changer {
    fn one(&mut self, path: &Path, named: bool) {
        let follow =
            !self.links && (!self.recursive || self.follow == 'L' || self.follow == 'H' && named);
        let meta = if follow {
            path.metadata()
        } else {
            path.symlink_metadata()
        };
        let result = meta.and_then(|meta| {
            let same = self.owner.0.is_none_or(|uid| uid == meta.uid())
                && self.owner.1.is_none_or(|gid| gid == meta.gid());
            if follow {
                std::os::unix::fs::chown(path, self.owner.0, self.owner.1)?;
            } else {
                std::os::unix::fs::lchown(path, self.owner.0, self.owner.1)?;
            }
            Ok((meta.is_dir(), same))
        });
        match result {
            Ok((folder, same)) => {
                if self.tell == Some('v') || self.tell == Some('c') && !same {
                    crate::common::lines::say_out(&format!(
                        "changed ownership of '{}'",
                        path.display()
                    ));
                }
                if folder && self.recursive {
                    match std::fs::read_dir(path) {
                        Ok(entries) => {
                            for entry in entries.flatten() {
                                self.one(&entry.path(), false);
                            }
                        }
                        Err(error) => self.fail(path, &error),
                    }
                }
            }
            Err(error) => self.fail(path, &error),
        }
    }

    fn fail(&mut self, path: &Path, error: &std::io::Error) {
        if !self.quiet {
            complain(self.applet, path.as_os_str(), error);
        }
        self.status = 1;
    }
}

/// `chown`
pub fn chown(arguments: &[OsString]) -> i32 {
    change(arguments, "chown", false)
}

/// `chgrp`
pub fn chgrp(arguments: &[OsString]) -> i32 {
    change(arguments, "chgrp", true)
}

//! `adduser` and `addgroup`, as BusyBox has them.

use super::account::{Trouble, append, change_member, free_number, show};
use crate::common::accounts::{self, Accounts, Group, Lock, Table, User, good_field, good_name};
use crate::common::lines::{complain, say};
use crate::common::options::Options;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, lchown};
use std::path::Path;

pub const USAGE: &str =
    "[-SDH] [-h HOME] [-g ABOUT] [-s SHELL] [-G GROUP] [-u UID] [-k SKELETON] USER [GROUP]

-S  a system account    -D  do not ask for a password    -H  make no home folder
-h  home folder         -g  real name and more           -s  login shell
-G  a member of GROUP   -u  this number                  -k  what a new home holds";
pub const GROUP_USAGE: &str = "[-S] [-g GID] [USER] GROUP

-S  a system group    -g  this number";

/// Adds a user.
pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "adduser",
        letters: "h:g:s:G:DSHu:k:",
        long: &[
            ("home", 'h'),
            ("gecos", 'g'),
            ("shell", 's'),
            ("ingroup", 'G'),
            ("disabled-password", 'D'),
            ("empty-password", 'D'),
            ("system", 'S'),
            ("no-create-home", 'H'),
            ("uid", 'u'),
            ("skel", 'k'),
        ],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let accounts = Accounts::system();
    let name = match given.operands.as_slice() {
        [user, group] => return membership("adduser", &accounts, user, group),
        [name] => name.as_bytes(),
        _ => return options.wrong("a name is needed"),
    };
    let system = given.has('S');
    let number = match given
        .value('u')
        .map(|text| accounts::number(text.as_bytes()))
    {
        Some(None) => return options.wrong("invalid number"),
        Some(Some(number)) => Some(number),
        None => None,
    };
    let bytes = |letter: char| given.value(letter).map(|value| value.as_bytes().to_vec());
    let wanted = Wanted {
        name: name.to_vec(),
        number,
        group: bytes('G').or_else(|| system.then(|| b"nogroup".to_vec())),
        about: bytes('g').unwrap_or_else(|| {
            if system {
                b"Linux User,,,".to_vec()
            } else {
                Vec::new()
            }
        }),
        home: bytes('h').unwrap_or_else(|| [b"/home/", name].concat()),
        shell: bytes('s').unwrap_or_else(|| {
            if system {
                b"/bin/false".to_vec()
            } else {
                b"/bin/sh".to_vec()
            }
        }),
        system,
    };
    let user = match create(&accounts, &wanted) {
        Ok(user) => user,
        Err(trouble) => {
            say("adduser", trouble);
            return 1;
        }
    };
    let mut status = 0;
    if !given.has('H') {
        let skeleton = given.value('k').unwrap_or(OsStr::new("/etc/skel"));
        let home = Path::new(OsStr::from_bytes(&user.home));
        if let Err(error) = make_home(home, Path::new(skeleton), &user) {
            complain("adduser", home.as_os_str(), &error);
            status = 1;
        }
    }
    if !system && !given.has('D') {
        let asked = super::passwd::main(&["passwd".into(), OsStr::from_bytes(name).into()]);
        status = status.max(asked);
    }
    status
}

struct Wanted {
    name: Vec<u8>,
    number: Option<u32>,
    group: Option<Vec<u8>>,
    about: Vec<u8>,
    home: Vec<u8>,
    shell: Vec<u8>,
    system: bool,
}

fn create(accounts: &Accounts, wanted: &Wanted) -> Result<User, Trouble> {
    let name = &wanted.name;
    if !good_name(name) {
        let text = format!("invalid name '{}'", show(name));
        return Err(Trouble::Account(text));
    }
    for field in [&wanted.about, &wanted.home, &wanted.shell] {
        if !good_field(field) {
            return Err(Trouble::Account(format!(
                "'{}' has a ':' or a line end",
                show(field)
            )));
        }
    }
    let lock = accounts.lock()?;
    let users = accounts.users()?;
    let groups = accounts.groups()?;
    if users.iter().any(|user| user.name == *name) {
        return Err(Trouble::Account(format!("user '{}' in use", show(name))));
    }
    let mut taken: Vec<u32> = users.iter().map(|user| user.uid).collect();
    let uid = match wanted.number {
        Some(number) if taken.contains(&number) => {
            return Err(Trouble::Account(format!("uid {number} in use")));
        }
        Some(number) => number,
        None => {
            if wanted.group.is_none() {
                taken.extend(groups.iter().map(|group| group.gid));
            }
            free_number(wanted.system, &taken)
                .ok_or_else(|| Trouble::Account("no number is left".into()))?
        }
    };
    let gid = match &wanted.group {
        Some(group) => {
            let found = groups.iter().find(|known| known.name == *group);
            match found {
                Some(found) => found.gid,
                None => {
                    return Err(Trouble::Account(format!("unknown group {}", show(group))));
                }
            }
        }
        None => add_group(accounts, &lock, name, Some(uid), false)?,
    };
    let user = User {
        name: name.clone(),
        password: b"x".to_vec(),
        uid,
        gid,
        about: wanted.about.clone(),
        home: wanted.home.clone(),
        shell: wanted.shell.clone(),
    };
    // The shadow line first: a user without one could be let in by nobody, one with a stale one by somebody.
    super::account::remove(accounts, &lock, Table::Shadow, name)?;
    append(
        accounts,
        &lock,
        Table::Shadow,
        accounts::shadow_line(name, b"!"),
    )?;
    append(accounts, &lock, Table::Users, user.line())?;
    if let Some(group) = &wanted.group {
        change_member(accounts, &lock, name, group, true)?;
    }
    Ok(user)
}

/// Adds a group and returns its number.
fn add_group(
    accounts: &Accounts,
    lock: &Lock,
    name: &[u8],
    number: Option<u32>,
    system: bool,
) -> Result<u32, Trouble> {
    if !good_name(name) {
        let text = format!("invalid name '{}'", show(name));
        return Err(Trouble::Account(text));
    }
    let groups = accounts.groups()?;
    if groups.iter().any(|group| group.name == name) {
        return Err(Trouble::Account(format!("group '{}' in use", show(name))));
    }
    let taken: Vec<u32> = groups.iter().map(|group| group.gid).collect();
    let gid = match number {
        Some(number) if taken.contains(&number) => {
            return Err(Trouble::Account(format!("gid {number} in use")));
        }
        Some(number) => number,
        None => free_number(system, &taken)
            .ok_or_else(|| Trouble::Account("no number is left".into()))?,
    };
    let group = Group {
        name: name.to_vec(),
        gid,
        members: Vec::new(),
    };
    append(accounts, lock, Table::Groups, group.line())?;
    Ok(gid)
}

/// Makes the home folder with what the skeleton holds. One that is there already stays as it is.
fn make_home(home: &Path, skeleton: &Path, user: &User) -> io::Result<()> {
    if home == Path::new("/") || home.exists() {
        return Ok(());
    }
    if let Some(above) = home.parent() {
        fs::create_dir_all(above)?;
    }
    copy(skeleton, home, user, 0)
}

fn copy(from: &Path, to: &Path, user: &User, depth: usize) -> io::Result<()> {
    const DEEPEST: usize = 64;
    fs::create_dir(to)?;
    fs::set_permissions(to, Permissions::from_mode(0o755))?;
    match fs::read_dir(from) {
        Ok(entries) => {
            for entry in entries {
                let entry = entry?;
                let (kind, to) = (entry.file_type()?, to.join(entry.file_name()));
                if kind.is_dir() && depth < DEEPEST {
                    copy(&entry.path(), &to, user, depth + 1)?;
                } else if kind.is_symlink() {
                    std::os::unix::fs::symlink(fs::read_link(entry.path())?, &to)?;
                } else if kind.is_file() {
                    fs::copy(entry.path(), &to)?;
                } else {
                    continue;
                }
                lchown(&to, Some(user.uid), Some(user.gid))?;
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    lchown(to, Some(user.uid), Some(user.gid))
}

fn membership(applet: &str, accounts: &Accounts, user: &OsStr, group: &OsStr) -> i32 {
    let changed = (|| {
        if accounts.user(user.as_bytes())?.is_none() {
            let text = format!("unknown user {}", user.display());
            return Err(Trouble::Account(text));
        }
        let lock = accounts.lock()?;
        change_member(accounts, &lock, user.as_bytes(), group.as_bytes(), true)
    })();
    match changed {
        Ok(()) => 0,
        Err(trouble) => {
            say(applet, trouble);
            1
        }
    }
}

/// Adds a group.
pub fn group(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "addgroup",
        letters: "g:S",
        long: &[("gid", 'g'), ("system", 'S')],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let accounts = Accounts::system();
    let name = match given.operands.as_slice() {
        [user, group] => return membership("addgroup", &accounts, user, group),
        [name] => name.as_bytes(),
        _ => return options.wrong("a name is needed"),
    };
    let number = match given
        .value('g')
        .map(|text| accounts::number(text.as_bytes()))
    {
        Some(None) => return options.wrong("invalid number"),
        Some(number) => number,
        None => None,
    };
    let added = accounts
        .lock()
        .map_err(Trouble::from)
        .and_then(|lock| add_group(&accounts, &lock, name, number, given.has('S')));
    match added {
        Ok(_) => 0,
        Err(trouble) => {
            say("addgroup", trouble);
            1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(name: &[u8]) -> Wanted {
        Wanted {
            name: name.to_vec(),
            number: None,
            group: None,
            about: Vec::new(),
            home: b"/home/me".to_vec(),
            shell: b"/bin/sh".to_vec(),
            system: false,
        }
    }

    #[test]
    fn users_get_numbers_and_groups() {
        let etc = std::env::temp_dir().join(format!("adduser-{}", std::process::id()));
        fs::create_dir_all(&etc).unwrap();
        fs::write(etc.join("passwd"), "root:x:0:0::/root:/bin/sh\n").unwrap();
        fs::write(
            etc.join("group"),
            "root:x:0:root\nnogroup:x:65533:\nold:x:1000:\n",
        )
        .unwrap();
        let accounts = Accounts::of(&etc);
        let me = create(&accounts, &wanted(b"me")).unwrap();
        assert_eq!((me.uid, me.gid), (1001, 1001));
        let system = Wanted {
            group: Some(b"nogroup".to_vec()),
            system: true,
            ..wanted(b"ntp")
        };
        let system = create(&accounts, &system).unwrap();
        assert_eq!((system.uid, system.gid), (100, 65533));
        let text = fs::read_to_string(etc.join("group")).unwrap();
        assert!(text.ends_with("me:x:1001:\n") && text.contains("nogroup:x:65533:ntp\n"));
        assert!(create(&accounts, &wanted(b"me")).is_err());
        assert!(create(&accounts, &wanted(b"m:e")).is_err());
        let hostile = Wanted {
            about: b"x\nroot2:x:0:0".to_vec(),
            ..wanted(b"you")
        };
        assert!(create(&accounts, &hostile).is_err());
        fs::remove_dir_all(&etc).unwrap();
    }
}

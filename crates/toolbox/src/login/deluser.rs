//! `deluser` and `delgroup`, as BusyBox has them.

use super::account::{Trouble, change_member, remove, show};
use crate::common::accounts::{Accounts, Table};
use crate::common::lines::{complain, say};
use crate::common::options::Options;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

pub const USAGE: &str = "[--remove-home] USER [GROUP]

--remove-home  its home folder too";
pub const GROUP_USAGE: &str = "[USER] GROUP";

/// Deletes a user.
pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "deluser",
        letters: "R",
        long: &[("remove-home", 'R')],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let accounts = Accounts::system();
    let name = match given.operands.as_slice() {
        [user, group] => return membership("deluser", &accounts, user, group),
        [name] => name,
        _ => return options.wrong("a name is needed"),
    };
    let home = match delete(&accounts, name.as_bytes()) {
        Ok(home) => OsString::from_vec(home),
        Err(trouble) => {
            say("deluser", trouble);
            return 1;
        }
    };
    // What is not below some folder is the system's.
    if given.has('R')
        && home.as_bytes().iter().filter(|byte| **byte == b'/').count() > 1
        && let Err(error) = std::fs::remove_dir_all(&home)
    {
        complain("deluser", &home, &error);
        return 1;
    }
    0
}

/// Deletes a user, its group where nobody else is in it, and its memberships; its home folder's name.
fn delete(accounts: &Accounts, name: &[u8]) -> Result<Vec<u8>, Trouble> {
    let lock = accounts.lock()?;
    let Some(user) = accounts.user(name)? else {
        return Err(Trouble::Account(format!("unknown user {}", show(name))));
    };
    remove(accounts, &lock, Table::Users, name)?;
    remove(accounts, &lock, Table::Shadow, name)?;
    for group in accounts.groups()? {
        let member = group.members.iter().any(|member| member == name);
        if group.name == name && group.members.iter().all(|member| member == name) {
            remove(accounts, &lock, Table::Groups, name)?;
        } else if member {
            change_member(accounts, &lock, name, &group.name, false)?;
        }
    }
    Ok(user.home)
}

fn membership(applet: &str, accounts: &Accounts, user: &OsStr, group: &OsStr) -> i32 {
    let changed = accounts
        .lock()
        .map_err(Trouble::from)
        .and_then(|lock| change_member(accounts, &lock, user.as_bytes(), group.as_bytes(), false));
    match changed {
        Ok(()) => 0,
        Err(trouble) => {
            say(applet, trouble);
            1
        }
    }
}

/// Deletes a group.
pub fn group(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "delgroup",
        letters: "",
        long: &[],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let accounts = Accounts::system();
    let name = match given.operands.as_slice() {
        [user, group] => return membership("delgroup", &accounts, user, group),
        [name] => name.as_bytes(),
        _ => return options.wrong("a name is needed"),
    };
    let deleted = (|| {
        let lock = accounts.lock()?;
        let Some(group) = accounts.group(name)? else {
            return Err(Trouble::Account(format!("unknown group {}", show(name))));
        };
        if let Some(user) = accounts.users()?.iter().find(|user| user.gid == group.gid) {
            let text = format!("{} is the first group of {}", show(name), show(&user.name));
            return Err(Trouble::Account(text));
        }
        remove(&accounts, &lock, Table::Groups, name)
    })();
    match deleted {
        Ok(()) => 0,
        Err(trouble) => {
            say("delgroup", trouble);
            1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_user_goes_with_its_group_and_memberships() {
        let etc = std::env::temp_dir().join(format!("deluser-{}", std::process::id()));
        fs::create_dir_all(&etc).unwrap();
        fs::write(
            etc.join("passwd"),
            "root:x:0:0::/root:\nme:x:9:9::/home/me:\n",
        )
        .unwrap();
        fs::write(etc.join("shadow"), "root:*:1::::::\nme:!:1::::::\n").unwrap();
        fs::write(etc.join("group"), "wheel:x:10:root,me\nme:x:9:\n").unwrap();
        let accounts = Accounts::of(&etc);
        assert_eq!(delete(&accounts, b"me").unwrap(), b"/home/me");
        let read = |name: &str| fs::read_to_string(etc.join(name)).unwrap();
        assert_eq!(read("passwd"), "root:x:0:0::/root:\n");
        assert_eq!(read("shadow"), "root:*:1::::::\n");
        assert_eq!(read("group"), "wheel:x:10:root\n");
        assert!(delete(&accounts, b"me").is_err());
        fs::remove_dir_all(&etc).unwrap();
    }
}

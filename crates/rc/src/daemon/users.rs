//! Users and groups by name or number, from `/etc/passwd` and `/etc/group`.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// A user that a program runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its number.
    pub id: u32,
    /// Its group.
    pub group: u32,
    /// All groups that it is a member of.
    pub groups: Vec<u32>,
    /// Its name, where it has one.
    pub name: Vec<u8>,
    /// Its folder.
    pub home: PathBuf,
}

/// A user or group that does not exist.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// No such user.
    #[error("user {0:?} does not exist")]
    NoUser(String),
    /// No such group.
    #[error("group {0:?} does not exist")]
    NoGroup(String),
}

fn number(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

fn fields(line: &[u8]) -> Vec<&[u8]> {
    line.split(|byte| *byte == b':').collect()
}

/// The databases, as text.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    passwd: Vec<u8>,
    group: Vec<u8>,
}

impl Accounts {
    /// Those of the running system. A file that cannot be read has nobody in it.
    pub fn load() -> Accounts {
        let read = |path| fs::read(path).unwrap_or_default();
        Accounts {
            passwd: read("/etc/passwd"),
            group: read("/etc/group"),
        }
    }

    /// From the text of the two files.
    pub fn new(passwd: &[u8], group: &[u8]) -> Accounts {
        Accounts {
            passwd: passwd.to_vec(),
            group: group.to_vec(),
        }
    }

    /// A group by name or number.
    pub fn group(&self, name: &[u8]) -> Result<u32, Error> {
        let by_name = self
            .group
            .split(|byte| *byte == b'\n')
            .map(fields)
            .find_map(|fields| match fields.as_slice() {
                [found, _, id, ..] if *found == name => number(id),
                _ => None,
            });
        by_name
            .or_else(|| number(name))
            .ok_or_else(|| Error::NoGroup(lossy(name)))
    }

    /// A user by `name`, `number`, `name:group` or `number:group`.
    pub fn user(&self, text: &[u8]) -> Result<User, Error> {
        let (name, group) = match text.iter().position(|byte| *byte == b':') {
            Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..)),
            None => (text, None),
        };
        let found = self
            .passwd
            .split(|byte| *byte == b'\n')
            .map(fields)
            .find_map(|fields| match fields.as_slice() {
                [found, _, id, group, _, home, ..]
                    if *found == name || (number(name).is_some() && *id == name) =>
                {
                    Some(User {
                        id: number(id)?,
                        group: number(group)?,
                        groups: Vec::new(),
                        name: found.to_vec(),
                        home: PathBuf::from(OsStr::from_bytes(home)),
                    })
                }
                _ => None,
            });
        let mut user = match (found, number(name)) {
            (Some(user), _) => user,
            (None, Some(id)) => User {
                id,
                group: id,
                groups: Vec::new(),
                name: name.to_vec(),
                home: "/".into(),
            },
            (None, None) => return Err(Error::NoUser(lossy(name))),
        };
        if let Some(group) = group.filter(|group| !group.is_empty()) {
            user.group = self.group(group)?;
        }
        user.groups = self.groups_of(&user.name);
        if !user.groups.contains(&user.group) {
            user.groups.insert(0, user.group);
        }
        Ok(user)
    }

    fn groups_of(&self, name: &[u8]) -> Vec<u32> {
        let lines = self.group.split(|byte| *byte == b'\n').map(fields);
        lines
            .filter_map(|fields| match fields.as_slice() {
                [_, _, id, members, ..]
                    if members
                        .split(|byte| *byte == b',')
                        .any(|member| member == name) =>
                {
                    number(id)
                }
                _ => None,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> Accounts {
        Accounts::new(
            b"root:x:0:0:root:/root:/bin/sh\nntp:x:123:124:NTP:/var/empty:/sbin/nologin\n\nbroken\nbad:x:a:b:c:d:e\n",
            b"root:x:0:root\nntp:x:124:\nlog:x:30:ntp,root\nwww:x:82:\n",
        )
    }

    #[test]
    fn users_are_found() {
        let user = accounts().user(b"ntp").unwrap();
        assert_eq!(
            (user.id, user.group, user.groups),
            (123, 124, vec![124, 30])
        );
        assert_eq!(accounts().user(b"ntp:www").unwrap().group, 82);
        assert_eq!(
            accounts().user(b"123").unwrap().home,
            PathBuf::from("/var/empty")
        );
        assert_eq!(accounts().user(b"4242:30").unwrap().groups, [30]);
    }

    #[test]
    fn who_is_not_there_is_named() {
        assert_eq!(accounts().user(b"bob"), Err(Error::NoUser("bob".into())));
        assert_eq!(accounts().user(b"bad"), Err(Error::NoUser("bad".into())));
        assert_eq!(accounts().user(b"ntp:x"), Err(Error::NoGroup("x".into())));
        assert_eq!(accounts().user(b""), Err(Error::NoUser(String::new())));
    }
}

//! Users and groups: `/etc/passwd`, `/etc/group`, `/etc/shadow` (passwd(5), group(5), shadow(5)).
//!
//! The files are read as lines of fields, and rewritten beside the old one and moved into its place, under the lock
//! that lckpwdf(3) takes. Lines that are not understood stay as they are.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A line of `/etc/passwd`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: Vec<u8>,
    /// `x`: the password is in the shadow file.
    pub password: Vec<u8>,
    /// The number.
    pub uid: u32,
    /// The number of its first group.
    pub gid: u32,
    /// The real name and more.
    pub about: Vec<u8>,
    /// The home folder.
    pub home: Vec<u8>,
    /// The login shell; empty: `/bin/sh`.
    pub shell: Vec<u8>,
}

/// A line of `/etc/group`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The name.
    pub name: Vec<u8>,
    /// The number.
    pub gid: u32,
    /// The names of its members.
    pub members: Vec<Vec<u8>>,
}

/// A line's fields.
pub fn fields(line: &[u8]) -> Vec<&[u8]> {
    line.split(|byte| *byte == b':').collect()
}

/// A number without a sign.
pub fn number(text: &[u8]) -> Option<u32> {
    if !text.first()?.is_ascii_digit() {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

impl User {
    fn parse(line: &[u8]) -> Option<User> {
        match fields(line).as_slice() {
            [name, password, uid, gid, about, home, shell] if !name.is_empty() => Some(User {
                name: name.to_vec(),
                password: password.to_vec(),
                uid: number(uid)?,
                gid: number(gid)?,
                about: about.to_vec(),
                home: home.to_vec(),
                shell: shell.to_vec(),
            }),
            _ => None,
        }
    }

    /// The line of the file.
    pub fn line(&self) -> Vec<u8> {
        let (uid, gid) = (self.uid.to_string(), self.gid.to_string());
        [
            self.name.as_slice(),
            &self.password,
            uid.as_bytes(),
            gid.as_bytes(),
            &self.about,
            &self.home,
            &self.shell,
        ]
        .join(&b':')
    }
}

impl Group {
    fn parse(line: &[u8]) -> Option<Group> {
        match fields(line).as_slice() {
            [name, _, gid, members] if !name.is_empty() => Some(Group {
                name: name.to_vec(),
                gid: number(gid)?,
                members: members
                    .split(|byte| *byte == b',')
                    .filter(|member| !member.is_empty())
                    .map(<[u8]>::to_vec)
                    .collect(),
            }),
            _ => None,
        }
    }

    /// The line of the file.
    pub fn line(&self) -> Vec<u8> {
        let gid = self.gid.to_string();
        [
            self.name.as_slice(),
            b"x",
            gid.as_bytes(),
            &self.members.join(&b','),
        ]
        .join(&b':')
    }
}

/// Whether a new user or group may have that name: what is safe in every file and on every command line.
pub fn good_name(name: &[u8]) -> bool {
    let first = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
    let rest = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.".contains(byte);
    let body = name.strip_suffix(b"$").unwrap_or(name);
    name.len() <= 32 && body.first().is_some_and(first) && body.iter().all(rest)
}

/// Whether a text may stand in a field.
pub fn good_field(text: &[u8]) -> bool {
    !text.iter().any(|byte| matches!(byte, b':' | b'\n' | 0))
}

/// One of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// `/etc/passwd`
    Users,
    /// `/etc/group`
    Groups,
    /// `/etc/shadow`
    Shadow,
}

/// An error on one of the files.
#[derive(Debug, thiserror::Error)]
#[error("{}: {}", path.display(), super::lines::cause(source))]
pub struct Error {
    /// The file.
    pub path: PathBuf,
    /// Why it failed.
    pub source: io::Error,
}

/// The files of a system.
#[derive(Clone, Debug)]
pub struct Accounts {
    etc: PathBuf,
}

/// Keeps others from changing the files. Dropping it lets them.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held for its lock")] File);

impl Accounts {
    /// Those of this system.
    pub fn system() -> Accounts {
        Accounts::of(Path::new("/etc"))
    }

    /// Those in a folder.
    pub fn of(etc: &Path) -> Accounts {
        Accounts { etc: etc.into() }
    }

    /// Where a file lies.
    pub fn path(&self, table: Table) -> PathBuf {
        self.etc.join(match table {
            Table::Users => "passwd",
            Table::Groups => "group",
            Table::Shadow => "shadow",
        })
    }

    /// A file's lines. One that is not there has none.
    pub fn lines(&self, table: Table) -> Result<Vec<Vec<u8>>, Error> {
        let path = self.path(table);
        match fs::read(&path) {
            Ok(bytes) => Ok(bytes
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
                .map(<[u8]>::to_vec)
                .collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(source) => Err(Error { path, source }),
        }
    }

    /// All users.
    pub fn users(&self) -> Result<Vec<User>, Error> {
        let lines = self.lines(Table::Users)?;
        Ok(lines.iter().filter_map(|line| User::parse(line)).collect())
    }

    /// All groups.
    pub fn groups(&self) -> Result<Vec<Group>, Error> {
        let lines = self.lines(Table::Groups)?;
        Ok(lines.iter().filter_map(|line| Group::parse(line)).collect())
    }

    /// The user of that name.
    pub fn user(&self, name: &[u8]) -> Result<Option<User>, Error> {
        Ok(self.users()?.into_iter().find(|user| user.name == name))
    }

    /// The user of that number.
    pub fn user_by_id(&self, uid: u32) -> Result<Option<User>, Error> {
        Ok(self.users()?.into_iter().find(|user| user.uid == uid))
    }

    /// The group of that name.
    pub fn group(&self, name: &[u8]) -> Result<Option<Group>, Error> {
        Ok(self.groups()?.into_iter().find(|group| group.name == name))
    }

    /// The numbers of all groups that a user is in, its first one at the head.
    pub fn groups_of(&self, user: &User) -> Result<Vec<u32>, Error> {
        let mut all = vec![user.gid];
        for group in self.groups()? {
            if group.members.contains(&user.name) && !all.contains(&group.gid) {
                all.push(group.gid);
            }
        }
        Ok(all)
    }

    /// The password's hash, from the shadow file where there is one. `None`: the shadow file has no such user.
    pub fn hash(&self, user: &User) -> Result<Option<Vec<u8>>, Error> {
        if user.password != b"x" {
            return Ok(Some(user.password.clone()));
        }
        let lines = self.lines(Table::Shadow)?;
        Ok(lines.iter().find_map(|line| match fields(line).as_slice() {
            [name, hash, ..] if *name == user.name => Some(hash.to_vec()),
            _ => None,
        }))
    }

    /// Waits for the lock.
    pub fn lock(&self) -> Result<Lock, Error> {
        let path = self.etc.join(".pwd.lock");
        let failed = |source| Error {
            path: path.clone(),
            source,
        };
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        rustix::fs::fcntl_lock(&file, rustix::fs::FlockOperation::LockExclusive)
            .map_err(|error| failed(error.into()))?;
        Ok(Lock(file))
    }

    /// Replaces a file: its lines are all there or the old ones are. The lock shows that nobody else does so now.
    pub fn replace(&self, _lock: &Lock, table: Table, lines: &[Vec<u8>]) -> Result<(), Error> {
        let path = self.path(table);
        let mut beside = path.clone().into_os_string();
        beside.push("-new");
        let beside = PathBuf::from(beside);
        let written = (|| {
            let old = fs::metadata(&path).ok();
            let mode = old
                .as_ref()
                .map_or(if table == Table::Shadow { 0o640 } else { 0o644 }, |old| {
                    old.mode() & 0o777
                });
            // What a crash left.
            let _ = fs::remove_file(&beside);
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&beside)?;
            let mut text = Vec::new();
            for line in lines {
                text.extend_from_slice(line);
                text.push(b'\n');
            }
            file.write_all(&text)?;
            if let Some(old) = old {
                std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid()))?;
            }
            file.set_permissions(Permissions::from_mode(mode))?;
            file.sync_all()?;
            fs::rename(&beside, &path)
        })();
        written.map_err(|source| {
            let _ = fs::remove_file(&beside);
            Error { path, source }
        })
    }

    /// Sets a user's hash, in the shadow file where the user's password is said to be there. `false`: no such user.
    pub fn set_hash(&self, name: &[u8], hash: &[u8]) -> Result<bool, Error> {
        let lock = self.lock()?;
        let Some(user) = self.user(name)? else {
            return Ok(false);
        };
        let table = if user.password == b"x" {
            Table::Shadow
        } else {
            Table::Users
        };
        let mut lines = self.lines(table)?;
        let place = lines
            .iter_mut()
            .find(|line| fields(line).first() == Some(&name));
        let today = days_now().to_string();
        match place {
            Some(line) => {
                let mut all: Vec<Vec<u8>> = fields(line).into_iter().map(<[u8]>::to_vec).collect();
                if let Some(field) = all.get_mut(1) {
                    *field = hash.to_vec();
                }
                if table == Table::Shadow
                    && let Some(field) = all.get_mut(2)
                {
                    *field = today.into_bytes();
                }
                *line = all.join(&b':');
            }
            None => lines.push(shadow_line(name, hash)),
        }
        self.replace(&lock, table, &lines)?;
        Ok(true)
    }
}

/// A new line of the shadow file.
pub fn shadow_line(name: &[u8], hash: &[u8]) -> Vec<u8> {
    let today = days_now().to_string();
    [
        name,
        hash,
        today.as_bytes(),
        b"0",
        b"99999",
        b"7",
        b"",
        b"",
        b"",
    ]
    .join(&b':')
}

/// Days since 1970.
pub fn days_now() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |time| time.as_secs() / 86_400)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("accounts-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn lines_are_read_and_written() {
        let line = b"root:x:0:0:root:/root:/bin/ash";
        assert_eq!(User::parse(line).unwrap().line(), line);
        let group = b"wheel:x:10:root,me";
        assert_eq!(Group::parse(group).unwrap().line(), group);
        for bad in [
            "root:x:0:0:root:/root",
            "a:x:-1:0:::",
            ":x:0:0:::",
            "#",
            "+::::::",
        ] {
            assert_eq!(User::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn names() {
        for good in ["root", "_ntp", "a-b.c9", "host$"] {
            assert!(good_name(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            "-x",
            "9a",
            "a b",
            "a:b",
            "a/b",
            "$",
            "ä",
            &"a".repeat(33),
        ] {
            assert!(!good_name(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn a_hash_is_set_and_the_rest_stays() {
        let etc = folder("hash");
        fs::write(etc.join("passwd"), "root:x:0:0::/root:\nnew:x:9:9::/:\n").unwrap();
        fs::write(etc.join("shadow"), "# kept\nroot:*:1:0:::::\n").unwrap();
        fs::set_permissions(etc.join("shadow"), Permissions::from_mode(0o600)).unwrap();
        let accounts = Accounts::of(&etc);
        assert!(accounts.set_hash(b"root", b"$6$a$b").unwrap());
        assert!(accounts.set_hash(b"new", b"!").unwrap());
        assert!(!accounts.set_hash(b"nobody", b"!").unwrap());
        let text = fs::read_to_string(etc.join("shadow")).unwrap();
        let day = days_now();
        assert_eq!(
            text,
            format!("# kept\nroot:$6$a$b:{day}:0:::::\nnew:!:{day}:0:99999:7:::\n")
        );
        assert_eq!(
            fs::metadata(etc.join("shadow")).unwrap().mode() & 0o777,
            0o600
        );
        fs::remove_dir_all(&etc).unwrap();
    }
}

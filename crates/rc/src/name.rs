//! Names of services and runlevels: one component of a path, and safe to print and to keep in a list.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;

/// The name of a service, or of what services provide: a file name in `/etc/init.d`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceName(Box<str>);

/// A name that cannot be one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no name for a {1}")]
pub struct BadName(String, &'static str);

fn is_name(bytes: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_graphic() && *byte != b'/';
    !bytes.is_empty()
        && bytes.len() <= 200
        && bytes.first() != Some(&b'.')
        && bytes.iter().all(plain)
}

fn parse(bytes: &[u8], what: &'static str) -> Result<Box<str>, BadName> {
    match std::str::from_utf8(bytes) {
        Ok(text) if is_name(bytes) => Ok(text.into()),
        _ => Err(BadName(String::from_utf8_lossy(bytes).into_owned(), what)),
    }
}

impl ServiceName {
    /// Printable ASCII without spaces and slashes, not hidden, at most 200 bytes.
    pub fn parse(bytes: &[u8]) -> Result<ServiceName, BadName> {
        parse(bytes, "service").map(ServiceName)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the first dot: the script that a multiplexed service (`net.eth0`) is configured by too.
    pub fn base(&self) -> &str {
        self.0.split('.').next().unwrap_or(&self.0)
    }
}

impl AsRef<OsStr> for ServiceName {
    fn as_ref(&self) -> &OsStr {
        OsStr::from_bytes(self.0.as_bytes())
    }
}

impl AsRef<std::path::Path> for ServiceName {
    fn as_ref(&self) -> &std::path::Path {
        std::path::Path::new(&*self.0)
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a runlevel: a folder in `/etc/runlevels`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Runlevel(Box<str>);

impl Runlevel {
    /// The same rules as for services.
    pub fn parse(bytes: &[u8]) -> Result<Runlevel, BadName> {
        parse(bytes, "runlevel").map(Runlevel)
    }

    /// The levels that the boot goes through first and that stay in force.
    pub fn sysinit() -> Runlevel {
        Runlevel("sysinit".into())
    }

    /// See [`Runlevel::sysinit`].
    pub fn boot() -> Runlevel {
        Runlevel("boot".into())
    }

    /// Where a boot ends.
    pub fn default_level() -> Runlevel {
        Runlevel("default".into())
    }

    /// What is left running for the way down.
    pub fn shutdown() -> Runlevel {
        Runlevel("shutdown".into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Runlevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_single_components() {
        for good in ["sshd", "net.eth0", "a@b", "x-y_z+1"] {
            assert_eq!(ServiceName::parse(good.as_bytes()).unwrap().as_str(), good);
        }
        for bad in [
            &b""[..],
            b".",
            b"..",
            b".x",
            b"a/b",
            b"a b",
            b"a\nb",
            b"a\0",
            b"\xff",
            &[b'a'; 201],
        ] {
            assert!(ServiceName::parse(bad).is_err(), "{bad:?}");
        }
    }
}

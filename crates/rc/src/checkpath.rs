//! checkpath(8): folders, files and pipes with the owner and mode that a service needs.
//!
//! `checkpath -d|-D|-f|-F|-p [-m MODE] [-o OWNER[:GROUP]] [-q] PATH…`, `checkpath -W PATH…`. Links are not followed at
//! the last component: who owns the folder above must not be able to have another file handed over.

use crate::daemon::options::octal;
use crate::daemon::users::{Accounts, User};
use crate::message::{Level, Style};
use lexopt::{Arg, Parser};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid};
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Folder { empty: bool },
    File { empty: bool },
    Pipe,
    Writable,
}

struct Request {
    kind: Kind,
    mode: Option<u32>,
    owner: Option<User>,
    quiet: bool,
    paths: Vec<PathBuf>,
}

fn parse(
    arguments: &[OsString],
    accounts: &Accounts,
) -> Result<Request, crate::daemon::options::Error> {
    use crate::daemon::options::Error;
    let mut parser = Parser::from_args(arguments.iter().skip(1));
    let mut kind = None;
    let mut request = Request {
        kind: Kind::Writable,
        mode: None,
        owner: None,
        quiet: false,
        paths: Vec::new(),
    };
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short('d') | Arg::Long("directory") => kind = Some(Kind::Folder { empty: false }),
            Arg::Short('D') | Arg::Long("directory-truncate") => {
                kind = Some(Kind::Folder { empty: true })
            }
            Arg::Short('f') | Arg::Long("file") => kind = Some(Kind::File { empty: false }),
            Arg::Short('F') | Arg::Long("file-truncate") => kind = Some(Kind::File { empty: true }),
            Arg::Short('p') | Arg::Long("pipe") => kind = Some(Kind::Pipe),
            Arg::Short('W') | Arg::Long("writable") => kind = Some(Kind::Writable),
            Arg::Short('m') | Arg::Long("mode") => {
                request.mode = Some(octal("--mode", &parser.value()?)?)
            }
            Arg::Short('o') | Arg::Long("owner") => {
                request.owner = Some(accounts.user(parser.value()?.as_bytes())?)
            }
            Arg::Short('q') | Arg::Long("quiet") => request.quiet = true,
            Arg::Short('s') | Arg::Long("symlinks") => {}
            Arg::Value(path) => request.paths.push(path.into()),
            other => return Err(other.unexpected().into()),
        }
    }
    request.kind = kind.ok_or(Error::Missing("one of -d, -D, -f, -F, -p and -W is needed"))?;
    if request.paths.is_empty() {
        return Err(Error::Missing("a path is needed"));
    }
    Ok(request)
}

/// The command. The first argument is its name.
pub fn main(arguments: &[OsString]) -> i32 {
    let style = Style::from_environment();
    let request = match parse(arguments, &Accounts::load()) {
        Ok(request) => request,
        Err(error) => {
            style.say(Level::Error, &format!("checkpath: {error}"));
            return 1;
        }
    };
    let mut status = 0;
    for path in &request.paths {
        if let Err(error) = check(&request, path) {
            if request.kind != Kind::Writable {
                style.say(
                    Level::Error,
                    &format!("checkpath: {}: {error}", path.display()),
                );
            }
            status = 1;
        }
    }
    status
}

fn check(request: &Request, path: &Path) -> io::Result<()> {
    let made = match request.kind {
        Kind::Writable => return Ok(rustix::fs::access(path, rustix::fs::Access::WRITE_OK)?),
        Kind::Folder { empty } => folder(request, path, empty)?,
        Kind::File { empty } => file(path, empty)?,
        Kind::Pipe => pipe(path)?,
    };
    let fd = made.fd;
    if let Some(owner) = &request.owner {
        let stat = rustix::fs::fstat(&fd)?;
        if (stat.st_uid, stat.st_gid) != (owner.id, owner.group) {
            rustix::fs::fchown(
                &fd,
                Some(Uid::from_raw(owner.id)),
                Some(Gid::from_raw(owner.group)),
            )?;
        }
    }
    // The owner first: a change of owner takes set-user-id bits away.
    let default = if matches!(request.kind, Kind::Folder { .. }) {
        0o775
    } else {
        0o664
    };
    let wanted = request.mode.or(made.is_new.then_some(default));
    if let Some(mode) = wanted
        && rustix::fs::fstat(&fd)?.st_mode & 0o7777 != mode
    {
        rustix::fs::fchmod(&fd, Mode::from_raw_mode(mode))?;
    }
    if made.is_new && !request.quiet {
        Style::from_environment().say(Level::Info, &format!("{}: created", path.display()));
    }
    Ok(())
}

struct Made {
    fd: OwnedFd,
    is_new: bool,
}

const NO_LINKS: OFlags = OFlags::NOFOLLOW
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY);

fn folder(request: &Request, path: &Path, empty: bool) -> io::Result<Made> {
    let is_new = match std::fs::symlink_metadata(path) {
        Ok(_) => false,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(parent) = path
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty() && !parent.exists())
            {
                std::fs::create_dir_all(parent)?;
            }
            // Closed to others until it has its owner.
            rustix::fs::mkdir(path, Mode::from_raw_mode(0o700))?;
            true
        }
        Err(error) => return Err(error),
    };
    // A folder may be reached through a link, as /var/run is, unless it is handed to somebody.
    let follow = request.owner.as_ref().is_none_or(|owner| owner.id == 0);
    let flags = if follow {
        NO_LINKS - OFlags::NOFOLLOW
    } else {
        NO_LINKS
    };
    let fd = rustix::fs::open(
        path,
        flags | OFlags::RDONLY | OFlags::DIRECTORY,
        Mode::empty(),
    )?;
    if empty && !is_new {
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                std::fs::remove_dir_all(entry.path())?;
            } else {
                std::fs::remove_file(entry.path())?;
            }
        }
    }
    Ok(Made { fd, is_new })
}

fn file(path: &Path, empty: bool) -> io::Result<Made> {
    let flags = NO_LINKS | OFlags::WRONLY;
    let made = match rustix::fs::open(
        path,
        flags | OFlags::CREATE | OFlags::EXCL,
        Mode::from_raw_mode(0o600),
    ) {
        Ok(fd) => Made { fd, is_new: true },
        Err(rustix::io::Errno::EXIST) => Made {
            fd: rustix::fs::open(path, flags, Mode::empty())?,
            is_new: false,
        },
        Err(error) => return Err(error.into()),
    };
    let stat = rustix::fs::fstat(&made.fd)?;
    if !FileType::from_raw_mode(stat.st_mode).is_file() {
        return Err(io::Error::other("is there and is no plain file"));
    }
    if stat.st_nlink > 1 {
        return Err(io::Error::other("has other names, so it is not touched"));
    }
    if empty {
        rustix::fs::ftruncate(&made.fd, 0)?;
    }
    Ok(made)
}

fn pipe(path: &Path) -> io::Result<Made> {
    let is_new = match rustix::fs::mknodat(
        rustix::fs::CWD,
        path,
        FileType::Fifo,
        Mode::from_raw_mode(0o600),
        0,
    ) {
        Ok(()) => true,
        Err(rustix::io::Errno::EXIST) => false,
        Err(error) => return Err(error.into()),
    };
    let stat = rustix::fs::statat(rustix::fs::CWD, path, AtFlags::SYMLINK_NOFOLLOW)?;
    if !FileType::from_raw_mode(stat.st_mode).is_fifo() {
        return Err(io::Error::other("is there and is no pipe"));
    }
    let fd = rustix::fs::open(path, NO_LINKS | OFlags::RDONLY, Mode::empty())?;
    Ok(Made { fd, is_new })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    fn run(text: &str, path: &Path) -> i32 {
        let mut words: Vec<OsString> = std::iter::once("checkpath")
            .chain(text.split_whitespace())
            .map(OsString::from)
            .collect();
        words.push(path.into());
        main(&words)
    }

    #[test]
    fn paths_are_made_with_their_modes() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/b");
        assert_eq!(run("-q -d -m 0750", &path), 0);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o750);
        assert_eq!(run("-q -d -m 1777", &path), 0);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o1777);
        let file = path.join("f");
        assert_eq!(run("-q -f -m 0640", &file), 0);
        fs::write(&file, "kept").unwrap();
        assert_eq!(run("-q -f", &file), 0);
        assert_eq!(fs::read(&file).unwrap(), b"kept");
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o640);
        assert_eq!(run("-q -F", &file), 0);
        assert_eq!(fs::read(&file).unwrap(), b"");
        assert_eq!(run("-q -p -m 0600", &path.join("p")), 0);
        assert_eq!(run("-q -D", &path), 0);
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
    }

    #[test]
    fn links_are_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("target");
        fs::write(&target, "secret").unwrap();
        let link = root.path().join("link");
        symlink(&target, &link).unwrap();
        assert_eq!(run("-q -F", &link), 1);
        assert_eq!(run("-q -f -m 0666", &link), 1);
        assert_eq!(run("-q -p", &link), 1);
        assert_eq!(fs::read(&target).unwrap(), b"secret");
        fs::hard_link(&target, root.path().join("hard")).unwrap();
        assert_eq!(run("-q -f -m 0666", &root.path().join("hard")), 1);
    }

    #[test]
    fn nonsense_is_refused() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(run("-m 9", root.path()), 1);
        assert_eq!(run("", root.path()), 1);
        assert_eq!(run("-d -o nobodyatall", root.path()), 1);
        assert_eq!(run("-f", root.path()), 1);
        assert_eq!(run("-d", Path::new("/proc/1/nothing/here")), 1);
    }
}

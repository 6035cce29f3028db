//! Making an archive: trees are walked on directory handles, so that no link put in the way leads elsewhere.

use super::{Failed, OPTIONS, at, is_excluded, stripped, wanted};
use crate::archival::tar::format::{Header, Kind};
use crate::common::accounts::Accounts;
use crate::common::lines::{complain, say, write_all};
use crate::common::options::Given;
use crate::common::walk::{self, Entry, Follow, Next, Visitor};
use bzip2::write::BzEncoder;
use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::fs::{FileType, Mode, OFlags, Stat};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

/// What an archive is written to.
enum Sink {
    Plain(File),
    Gzip(Box<GzEncoder<File>>),
    Bzip2(Box<BzEncoder<File>>),
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sink::Plain(file) => file.write(bytes),
            Sink::Gzip(encoder) => encoder.write(bytes),
            Sink::Bzip2(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Maker<'a> {
    given: &'a Given,
    excluded: &'a [Vec<u8>],
    out: Sink,
    own: Option<(u64, u64)>,
    linked: HashMap<(u64, u64), Vec<u8>>,
    accounts: (HashMap<u32, Vec<u8>>, HashMap<u32, Vec<u8>>),
    told: bool,
    /// The archive cannot be written.
    failed: Option<io::Error>,
    status: i32,
}

pub(super) fn create(given: &Given, archive: &OsStr, excluded: &[Vec<u8>]) -> Result<i32, Failed> {
    let names = wanted(given)?;
    if names.is_empty() {
        return Ok(OPTIONS.wrong("an empty archive is not made"));
    }
    let stdout = archive == "-";
    let file = if stdout {
        rustix::stdio::stdout().try_clone_to_owned().map(File::from)
    } else {
        File::create(archive)
    }
    .map_err(at(archive))?;
    let own = (!stdout)
        .then(|| file.metadata().ok())
        .flatten()
        .map(|meta| (meta.dev(), meta.ino()));
    let name = archive.as_bytes();
    let gzip =
        given.has('z') || given.has('a') && (name.ends_with(b".gz") || name.ends_with(b".tgz"));
    let bzip2 =
        given.has('j') || given.has('a') && (name.ends_with(b".bz2") || name.ends_with(b".tbz"));
    let accounts = Accounts::system();
    let users = accounts
        .users()
        .unwrap_or_default()
        .into_iter()
        .rev()
        .map(|user| (user.uid, user.name));
    let groups = accounts
        .groups()
        .unwrap_or_default()
        .into_iter()
        .rev()
        .map(|group| (group.gid, group.name));
    let mut maker = Maker {
        given,
        excluded,
        out: if gzip {
            Sink::Gzip(Box::new(GzEncoder::new(file, Compression::new(6))))
        } else if bzip2 {
            Sink::Bzip2(Box::new(BzEncoder::new(file, bzip2::Compression::new(9))))
        } else {
            Sink::Plain(file)
        },
        own,
        linked: HashMap::new(),
        accounts: (users.collect(), groups.collect()),
        told: false,
        failed: None,
        status: 0,
    };
    if let Some(folder) = given.value('C') {
        std::env::set_current_dir(folder).map_err(at(folder))?;
    }
    let options = walk::Options {
        follow: if given.has('h') {
            Follow::Always
        } else {
            Follow::Never
        },
        one_file_system: false,
        sorted: true,
    };
    for name in &names {
        walk::walk(name, options, &mut maker);
        if let Some(error) = maker.failed.take() {
            return Err(at(archive)(error));
        }
    }
    // Two empty blocks end an archive; the whole is a multiple of 20 blocks, as of old.
    maker.out.write_all(&[0; 1024]).map_err(at(archive))?;
    match maker.out {
        Sink::Plain(_) => {}
        Sink::Gzip(encoder) => drop(encoder.finish().map_err(at(archive))?),
        Sink::Bzip2(encoder) => drop(encoder.finish().map_err(at(archive))?),
    }
    Ok(maker.status)
}

impl Visitor for Maker<'_> {
    fn before(&mut self, entry: &Entry<'_>) -> Next {
        if is_excluded(entry.path, self.excluded) {
            return Next::Skip;
        }
        match self.add(entry) {
            Ok(true) => Next::Enter,
            Ok(false) => Next::Skip,
            Err(error) => {
                self.failed = Some(error);
                Next::Quit
            }
        }
    }

    fn after(&mut self, _: &Entry<'_>) -> bool {
        true
    }

    fn error(&mut self, path: &[u8], error: &io::Error) {
        complain("tar", OsStr::from_bytes(path), error);
        self.status = 1;
    }
}

impl Maker<'_> {
    fn bad(&mut self, path: &[u8], error: &io::Error) {
        complain("tar", OsStr::from_bytes(path), error);
        self.status = 1;
    }

    /// The name in the archive.
    fn name(&mut self, path: &[u8], folder: bool) -> Vec<u8> {
        let mut name = path.to_vec();
        if !self.given.has('P') {
            let (removed, rest) = stripped(path);
            if !removed.is_empty() && !self.told {
                self.told = true;
                let removed = String::from_utf8_lossy(removed).into_owned();
                say(
                    "tar",
                    format!("removing leading '{removed}' from member names"),
                );
            }
            name = if rest.is_empty() {
                b".".to_vec()
            } else {
                rest.to_vec()
            };
        }
        if folder && !name.ends_with(b"/") {
            name.push(b'/');
        }
        name
    }

    /// Adds one entry. Says whether to go on into it. `Err`: the archive cannot be written.
    fn add(&mut self, entry: &Entry<'_>) -> io::Result<bool> {
        let stat = match entry.stat() {
            Ok(stat) => *stat,
            Err(error) => {
                self.bad(entry.path, &error);
                return Ok(false);
            }
        };
        let shown = OsStr::from_bytes(entry.path).display();
        let identity = (stat.st_dev, stat.st_ino);
        if self.own == Some(identity) {
            say(
                "tar",
                format!("{shown}: it is the archive itself, not added"),
            );
            return Ok(false);
        }
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::Socket {
            say("tar", format!("{shown}: a socket, not added"));
            return Ok(false);
        }
        let name = self.name(entry.path, kind == FileType::Directory);
        if self.given.has('v') {
            let line = [name.as_slice(), b"\n"].concat();
            // The archive may be on standard output.
            let _ = if self.own.is_some() {
                write_all(rustix::stdio::stdout(), &line)
            } else {
                write_all(rustix::stdio::stderr(), &line)
            };
        }
        let mut header = self.header(&stat, name);
        if kind != FileType::Directory && stat.st_nlink > 1 {
            if let Some(first) = self.linked.get(&identity) {
                header.kind = Kind::Hard;
                header.link.clone_from(first);
                self.out.write_all(&header.encode())?;
                return Ok(false);
            }
            self.linked.insert(identity, header.name.clone());
        }
        match kind {
            FileType::Directory => header.kind = Kind::Folder,
            FileType::Symlink => {
                header.kind = Kind::Symlink;
                match rustix::fs::readlinkat(entry.dir, entry.name, Vec::new()) {
                    Ok(target) => header.link = target.into_bytes(),
                    Err(error) => {
                        self.bad(entry.path, &error.into());
                        return Ok(false);
                    }
                }
            }
            FileType::CharacterDevice => header.kind = Kind::Char,
            FileType::BlockDevice => header.kind = Kind::Block,
            FileType::Fifo => header.kind = Kind::Fifo,
            _ => {
                self.file(entry, header)?;
                return Ok(false);
            }
        }
        self.out.write_all(&header.encode())?;
        Ok(kind == FileType::Directory)
    }

    fn header(&self, stat: &Stat, name: Vec<u8>) -> Header {
        let numeric = self.given.has('2');
        let named = |table: &HashMap<u32, Vec<u8>>, id: u32| {
            if numeric {
                Vec::new()
            } else {
                table.get(&id).cloned().unwrap_or_default()
            }
        };
        #[expect(
            clippy::unnecessary_cast,
            reason = "it has not the same type everywhere"
        )]
        let mtime = stat.st_mtime as i64;
        Header {
            name,
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            mtime,
            user: named(&self.accounts.0, stat.st_uid),
            group: named(&self.accounts.1, stat.st_gid),
            device: (
                rustix::fs::major(stat.st_rdev),
                rustix::fs::minor(stat.st_rdev),
            ),
            ..Header::default()
        }
    }

    fn file(&mut self, entry: &Entry<'_>, mut header: Header) -> io::Result<()> {
        let mut flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        if !entry.follow {
            flags |= OFlags::NOFOLLOW;
        }
        let opened = rustix::fs::openat(entry.dir, entry.name, flags, Mode::empty());
        let file = match opened.map_err(io::Error::from).map(File::from) {
            Ok(file) => file,
            Err(error) => {
                self.bad(entry.path, &error);
                return Ok(());
            }
        };
        // What was opened counts, whatever had the name before.
        match file.metadata() {
            Ok(meta) if meta.is_file() => header.size = meta.len(),
            Ok(_) => return Ok(()),
            Err(error) => {
                self.bad(entry.path, &error);
                return Ok(());
            }
        }
        self.out.write_all(&header.encode())?;
        self.contents(entry.path, file, header.size)
    }

    /// Exactly so many bytes of a file, whatever becomes of it meanwhile.
    fn contents(&mut self, path: &[u8], input: File, size: u64) -> io::Result<()> {
        let mut input = input.take(size);
        let mut buffer = vec![0; 64 * 1024];
        let mut left = size;
        while left > 0 {
            let count = match input.read(&mut buffer) {
                Ok(count) => count,
                Err(error) => {
                    complain("tar", OsStr::from_bytes(path), &error);
                    self.status = 1;
                    0
                }
            };
            if count == 0 {
                say(
                    "tar",
                    format!(
                        "{}: it became shorter, filled up with zeros",
                        OsStr::from_bytes(path).display()
                    ),
                );
                self.status = 1;
                io::copy(&mut io::repeat(0).take(left), &mut self.out)?;
                break;
            }
            self.out
                .write_all(buffer.get(..count).unwrap_or_default())?;
            left -= count as u64;
        }
        let rest = (512 - size % 512) % 512;
        io::copy(&mut io::repeat(0).take(rest), &mut self.out).map(drop)
    }
}

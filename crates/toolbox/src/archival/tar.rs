//! `tar`: ustar, pax and GNU archives (POSIX.1-2024 pax(1)).
//!
//! Unpacking never leaves the folder: absolute names lose their slash, `..` is refused, and a link that the archive
//! itself put in the way is not followed.

mod format;

use crate::common::accounts::Accounts;
use crate::common::glob;
use crate::common::lines::{Output, cause, complain, say};
use crate::common::options::{Given, Options};
use crate::common::unpacking::{self, Source};
use bzip2::write::BzEncoder;
use flate2::Compression;
use flate2::write::GzEncoder;
use format::{Header, Kind};
use rustix::fs::{CWD, FileType, Mode};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

pub const USAGE: &str = "-c|-x|-t [-zjhkmOpvP] [-f FILE] [-C FOLDER] [-T FILE] [-X FILE] [--exclude PATTERN]
    [--strip-components N] [--numeric-owner] [--no-same-owner] [--overwrite] [-a] [file...]

-c  make    -x  unpack    -t  list    -f  the archive (- is standard input or output)
-z  gzip    -j  bzip2    -a  what the name says    -C  go to a folder first
    (gzip, bzip2, xz, lzma, zstd and compress are found out when an archive is read)
-h  what links lead to    -k  keep what is there    -m  no times    -O  to standard output    -p  modes as they are
-v  say what is done    -T  names from a file    -X  patterns to leave out from a file";

const OPTIONS: Options = Options {
    applet: "tar",
    letters: "cxtzahkmOpvPjJf:C:T:X:o1:2345:U",
    long: &[
        ("create", 'c'),
        ("extract", 'x'),
        ("get", 'x'),
        ("list", 't'),
        ("gzip", 'z'),
        ("auto-compress", 'a'),
        ("dereference", 'h'),
        ("keep-old-files", 'k'),
        ("touch", 'm'),
        ("to-stdout", 'O'),
        ("same-permissions", 'p'),
        ("preserve-permissions", 'p'),
        ("verbose", 'v'),
        ("absolute-names", 'P'),
        ("file", 'f'),
        ("directory", 'C'),
        ("files-from", 'T'),
        ("exclude-from", 'X'),
        ("no-same-owner", 'o'),
        ("exclude", '1'),
        ("numeric-owner", '2'),
        ("overwrite", '3'),
        ("same-owner", '4'),
        ("strip-components", '5'),
        ("strip", '5'),
        ("unlink-first", 'U'),
        ("bzip2", 'j'),
        ("xz", 'J'),
    ],
};

/// Runs it.
pub fn main(arguments: &[OsString]) -> i32 {
    // `tar xzf a.tgz`: the first word is letters although it has no dash.
    let mut words = arguments.to_vec();
    if let Some(first) = words.get_mut(1)
        && !first.as_bytes().starts_with(b"-")
    {
        let letters = first.as_bytes().to_vec();
        // Each letter with a value takes it from the words behind, in turn.
        let mut rest = words.split_off(2).into_iter();
        words.truncate(1);
        for letter in letters {
            words.push(OsString::from_vec(vec![b'-', letter]));
            if matches!(letter, b'f' | b'C' | b'T' | b'X')
                && let Some(value) = rest.next()
            {
                words.push(value);
            }
        }
        words.extend(rest);
    }
    let given = match OPTIONS.parse(&words) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let mut excluded: Vec<Vec<u8>> = given
        .values('1')
        .map(|text| text.as_bytes().to_vec())
        .collect();
    for file in given.values('X') {
        match fs::read(file) {
            Ok(text) => excluded.extend(
                text.split(|byte| *byte == b'\n')
                    .filter(|line| !line.is_empty())
                    .map(<[u8]>::to_vec),
            ),
            Err(error) => {
                complain("tar", file, &error);
                return 1;
            }
        }
    }
    let archive = given.value('f').unwrap_or(OsStr::new("-")).to_owned();
    let result = match given.last_of("cxt") {
        Some('c') => create(&given, &archive, &excluded),
        Some(_) => read(&given, &archive, &excluded),
        None => return OPTIONS.wrong("one of -c, -x and -t is needed"),
    };
    result.unwrap_or_else(|(what, error)| {
        complain("tar", &what, &error);
        1
    })
}

type Failed = (OsString, io::Error);

fn at(what: &OsStr) -> impl Fn(io::Error) -> Failed {
    let what = what.to_owned();
    move |error| (what.clone(), error)
}

fn is_excluded(name: &[u8], excluded: &[Vec<u8>]) -> bool {
    let options = glob::Options::default();
    excluded.iter().any(|pattern| {
        // The whole name, or any part of it from a slash on.
        let mut rest = name;
        loop {
            let ends = std::iter::once(rest.len()).chain(memchr::memchr_iter(b'/', rest));
            let mut ends = ends;
            if ends.any(|end| glob::matches(pattern, rest.get(..end).unwrap_or(rest), options)) {
                return true;
            }
            match memchr::memchr(b'/', rest) {
                Some(slash) => rest = rest.get(slash + 1..).unwrap_or_default(),
                None => return false,
            }
        }
    })
}

/// The names of `-T`, and the operands.
fn wanted(given: &Given) -> Result<Vec<OsString>, Failed> {
    let mut names = given.operands.clone();
    for file in given.values('T') {
        let mut text = Vec::new();
        crate::common::lines::open(file)
            .and_then(|mut input| input.read_to_end(&mut text))
            .map_err(at(file))?;
        for line in text
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            names.push(OsStr::from_bytes(line).to_owned());
        }
    }
    Ok(names)
}

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
    told_slash: bool,
    status: i32,
}

fn create(given: &Given, archive: &OsStr, excluded: &[Vec<u8>]) -> Result<i32, Failed> {
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
        told_slash: false,
        status: 0,
    };
    if let Some(folder) = given.value('C') {
        std::env::set_current_dir(folder).map_err(at(folder))?;
    }
    for name in &names {
        maker.add(Path::new(name)).map_err(at(archive))?;
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

impl Maker<'_> {
    /// Adds a path with all below it. `Err`: the archive cannot be written.
    fn add(&mut self, path: &Path) -> io::Result<()> {
        let bytes = path.as_os_str().as_bytes();
        if is_excluded(bytes, self.excluded) {
            return Ok(());
        }
        let meta = if self.given.has('h') {
            path.metadata()
        } else {
            path.symlink_metadata()
        };
        let meta = match meta {
            Ok(meta) => meta,
            Err(error) => {
                complain("tar", path.as_os_str(), &error);
                self.status = 1;
                return Ok(());
            }
        };
        if self.own == Some((meta.dev(), meta.ino())) {
            say(
                "tar",
                format!("{}: it is the archive itself, not added", path.display()),
            );
            return Ok(());
        }
        let mut name = bytes.to_vec();
        if !self.given.has('P') && name.starts_with(b"/") {
            if !self.told_slash {
                say("tar", "removing leading '/' from names");
                self.told_slash = true;
            }
            let slashes = name.iter().take_while(|byte| **byte == b'/').count();
            name.drain(..slashes);
            if name.is_empty() {
                name.extend_from_slice(b".");
            }
        }
        if meta.is_dir() && !name.ends_with(b"/") {
            name.push(b'/');
        }
        if self.given.has('v') {
            let mut line = name.clone();
            line.push(b'\n');
            // The archive may be on standard output.
            let to_stdout = self.own.is_some();
            let _ = if to_stdout {
                crate::common::lines::write_all(rustix::stdio::stdout(), &line)
            } else {
                crate::common::lines::write_all(rustix::stdio::stderr(), &line)
            };
        }
        let kind = meta.file_type();
        let mut header = Header {
            name: name.clone(),
            mode: meta.mode() & 0o7777,
            uid: meta.uid(),
            gid: meta.gid(),
            mtime: meta.mtime(),
            user: self
                .accounts
                .0
                .get(&meta.uid())
                .cloned()
                .unwrap_or_default(),
            group: self
                .accounts
                .1
                .get(&meta.gid())
                .cloned()
                .unwrap_or_default(),
            ..Header::default()
        };
        if self.given.has('2') {
            (header.user, header.group) = (Vec::new(), Vec::new());
        }
        header.kind = if kind.is_dir() {
            Kind::Folder
        } else if kind.is_symlink() {
            match fs::read_link(path) {
                Ok(target) => header.link = target.into_os_string().into_vec(),
                Err(error) => {
                    complain("tar", path.as_os_str(), &error);
                    self.status = 1;
                    return Ok(());
                }
            }
            Kind::Symlink
        } else if kind.is_char_device() || kind.is_block_device() {
            header.device = (
                rustix::fs::major(meta.rdev()),
                rustix::fs::minor(meta.rdev()),
            );
            if kind.is_char_device() {
                Kind::Char
            } else {
                Kind::Block
            }
        } else if kind.is_fifo() {
            Kind::Fifo
        } else if kind.is_socket() {
            say("tar", format!("{}: a socket, not added", path.display()));
            return Ok(());
        } else {
            Kind::File
        };
        if header.kind == Kind::File {
            if meta.nlink() > 1 {
                if let Some(first) = self.linked.get(&(meta.dev(), meta.ino())) {
                    header.kind = Kind::Hard;
                    header.link.clone_from(first);
                    return self.out.write_all(&header.encode());
                }
                self.linked.insert((meta.dev(), meta.ino()), name);
            }
            let input = match File::open(path) {
                Ok(input) => input,
                Err(error) => {
                    complain("tar", path.as_os_str(), &error);
                    self.status = 1;
                    return Ok(());
                }
            };
            header.size = meta.len();
            self.out.write_all(&header.encode())?;
            return self.contents(path, input, header.size);
        }
        self.out.write_all(&header.encode())?;
        if header.kind == Kind::Folder {
            let mut names: Vec<OsString> = match fs::read_dir(path) {
                Ok(entries) => entries.flatten().map(|entry| entry.file_name()).collect(),
                Err(error) => {
                    complain("tar", path.as_os_str(), &error);
                    self.status = 1;
                    return Ok(());
                }
            };
            names.sort();
            for name in names {
                self.add(&path.join(name))?;
            }
        }
        Ok(())
    }

    /// Exactly so many bytes of a file, whatever becomes of it meanwhile.
    fn contents(&mut self, path: &Path, input: File, size: u64) -> io::Result<()> {
        let mut input = input.take(size);
        let mut buffer = vec![0; 64 * 1024];
        let mut left = size;
        while left > 0 {
            let count = match input.read(&mut buffer) {
                Ok(count) => count,
                Err(error) => {
                    complain("tar", path.as_os_str(), &error);
                    self.status = 1;
                    0
                }
            };
            if count == 0 {
                say(
                    "tar",
                    format!(
                        "{}: it became shorter, filled up with zeros",
                        path.display()
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

struct Taker<'a> {
    given: &'a Given,
    out: Output,
    /// Folders get their modes and times last: what is in them must get in first.
    folders: Vec<(PathBuf, u32, i64, (u32, u32))>,
    users: HashMap<Vec<u8>, u32>,
    groups: HashMap<Vec<u8>, u32>,
    root: bool,
    mask: u32,
    status: i32,
}

fn read(given: &Given, archive: &OsStr, excluded: &[Vec<u8>]) -> Result<i32, Failed> {
    let names = wanted(given)?;
    let file = crate::common::lines::open(archive).map_err(at(archive))?;
    let mut body = unpacking::unpacked(Source::new(file)).map_err(at(archive))?;
    if let Some(folder) = given.value('C') {
        std::env::set_current_dir(folder).map_err(at(folder))?;
    }
    let strip = match given
        .value('5')
        .map(|text| text.to_str().and_then(|text| text.parse().ok()))
    {
        None => 0,
        Some(Some(count)) => count,
        Some(None) => return Ok(OPTIONS.wrong("invalid number of components")),
    };
    let accounts = Accounts::system();
    let mut taker = Taker {
        given,
        out: Output::new(),
        folders: Vec::new(),
        users: accounts
            .users()
            .unwrap_or_default()
            .into_iter()
            .rev()
            .map(|user| (user.name, user.uid))
            .collect(),
        groups: accounts
            .groups()
            .unwrap_or_default()
            .into_iter()
            .rev()
            .map(|group| (group.name, group.gid))
            .collect(),
        root: rustix::process::geteuid().is_root(),
        mask: crate::common::copying::umask(),
        status: 0,
    };
    let mut seen = vec![false; names.len()];
    let done = (|| -> io::Result<()> {
        let mut reader = format::Reader::new(&mut body);
        while let Some(mut header) = reader.next()? {
            let trimmed = header
                .name
                .strip_suffix(b"/")
                .unwrap_or(&header.name)
                .to_vec();
            let mut chosen = names.is_empty();
            for (name, seen) in names.iter().zip(&mut seen) {
                let name = name.as_bytes();
                let name = name.strip_suffix(b"/").unwrap_or(name);
                let below = trimmed
                    .strip_prefix(name)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"));
                if below || glob::matches(name, &trimmed, glob::Options::default()) {
                    *seen = true;
                    chosen = true;
                }
            }
            if !chosen || is_excluded(&trimmed, excluded) {
                reader.skip(header.size)?;
                continue;
            }
            if given.has('t') {
                taker.list(&header);
                reader.skip(header.size)?;
                continue;
            }
            if strip > 0 {
                let parts: Vec<&[u8]> = header
                    .name
                    .split(|byte| *byte == b'/')
                    .filter(|part| !part.is_empty())
                    .collect();
                let rest = parts.get(strip..).unwrap_or_default().join(&b'/');
                if rest.is_empty() {
                    reader.skip(header.size)?;
                    continue;
                }
                header.name = rest;
            }
            taker.take(&header, &mut reader)?;
        }
        Ok(())
    })();
    taker.finish_folders();
    done.map_err(at(archive))?;
    let mut status = taker.status;
    for (name, seen) in names.iter().zip(seen) {
        if !seen {
            say("tar", format!("{}: not found in archive", name.display()));
            status = 1;
        }
    }
    Ok(taker.out.finish("tar", status, 1))
}

/// A name as a path that stays inside; `None`: it would not.
fn inside(name: &[u8], absolute: bool) -> Option<PathBuf> {
    let path = Path::new(OsStr::from_bytes(name));
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => out.push(part),
            Component::CurDir => {}
            Component::RootDir if absolute => out.push("/"),
            Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    if out.as_os_str().is_empty() {
        out.push(".");
    }
    Some(out)
}

/// Whether a folder on the way is a link: what an archive says must not lead elsewhere.
fn link_on_the_way(path: &Path) -> Option<PathBuf> {
    let mut at = PathBuf::new();
    let mut parts: Vec<Component<'_>> = path.components().collect();
    parts.pop();
    for part in parts {
        at.push(part);
        if at.symlink_metadata().is_ok_and(|meta| meta.is_symlink()) {
            // One that was there before leads where the user wants it to, unless it leads out.
            let real = at.canonicalize().ok();
            let here = std::env::current_dir().ok();
            let stays = real
                .zip(here)
                .is_some_and(|(real, here)| real.starts_with(here));
            if !stays {
                return Some(at);
            }
        }
    }
    None
}

impl Taker<'_> {
    fn list(&mut self, header: &Header) {
        if self.given.has('v') {
            let line = header.long_line(self.given.has('2'));
            self.out.put(line.as_bytes());
        }
        self.out.put(&header.name);
        if self.given.has('v') {
            match header.kind {
                Kind::Symlink => self.out.put(&[b" -> ", header.link.as_slice()].concat()),
                Kind::Hard => self
                    .out
                    .put(&[b" link to ", header.link.as_slice()].concat()),
                _ => {}
            }
        }
        self.out.put_byte(b'\n');
    }

    fn fail(&mut self, path: &Path, what: &str) {
        say("tar", format!("{}: {what}", path.display()));
        self.status = 1;
    }

    /// Unpacks one entry. `Err`: the archive cannot be read any further.
    fn take(&mut self, header: &Header, reader: &mut format::Reader<'_>) -> io::Result<()> {
        if self.given.has('O') {
            if header.kind == Kind::File {
                let out = &mut self.out;
                return reader.copy(header.size, &mut |bytes| {
                    out.put(bytes);
                    Ok(())
                });
            }
            return reader.skip(header.size);
        }
        let Some(path) = inside(&header.name, self.given.has('P')) else {
            self.fail(
                Path::new(OsStr::from_bytes(&header.name)),
                "name with '..', not unpacked",
            );
            return reader.skip(header.size);
        };
        if let Some(link) = link_on_the_way(&path) {
            self.fail(
                &path,
                &format!(
                    "'{}' is a link that leads out, not unpacked",
                    link.display()
                ),
            );
            return reader.skip(header.size);
        }
        if self.given.has('v') {
            self.out.put(&header.name);
            self.out.put_byte(b'\n');
            self.out.flush();
        }
        let there = path.symlink_metadata().ok();
        if self.given.has('k') && there.as_ref().is_some_and(|meta| !meta.is_dir()) {
            return reader.skip(header.size);
        }
        if let Some(parent) = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            let _ = fs::create_dir_all(parent);
        }
        if header.kind != Kind::Folder
            && let Some(meta) = &there
        {
            let removed = if meta.is_dir() {
                fs::remove_dir(&path)
            } else {
                fs::remove_file(&path)
            };
            if let Err(error) = removed {
                self.fail(&path, &cause(&error));
                return reader.skip(header.size);
            }
        }
        let mut read_error = None;
        let made = match header.kind {
            Kind::File => {
                let created = fs::OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(&path);
                match created {
                    Ok(mut file) => {
                        let mut write_error = None;
                        let copied = reader.copy(header.size, &mut |bytes| {
                            if write_error.is_none()
                                && let Err(error) = file.write_all(bytes)
                            {
                                write_error = Some(error);
                            }
                            Ok(())
                        });
                        read_error = copied.err();
                        write_error.map_or(Ok(()), Err)
                    }
                    Err(error) => {
                        reader.skip(header.size)?;
                        Err(error)
                    }
                }
            }
            Kind::Folder => match &there {
                Some(meta) if meta.is_dir() || meta.is_symlink() && path.is_dir() => Ok(()),
                Some(_) => fs::remove_file(&path).and_then(|()| fs::create_dir(&path)),
                None => fs::create_dir(&path),
            },
            Kind::Symlink => symlink(OsStr::from_bytes(&header.link), &path),
            Kind::Hard => match inside(&header.link, self.given.has('P')) {
                Some(first) if link_on_the_way(&first).is_none() => fs::hard_link(first, &path),
                _ => Err(io::Error::other("a hard link that leads out")),
            },
            Kind::Char | Kind::Block | Kind::Fifo => {
                let kind = match header.kind {
                    Kind::Char => FileType::CharacterDevice,
                    Kind::Block => FileType::BlockDevice,
                    _ => FileType::Fifo,
                };
                let device = rustix::fs::makedev(header.device.0, header.device.1);
                rustix::fs::mknodat(CWD, &path, kind, Mode::from_raw_mode(0o600), device)
                    .map_err(io::Error::from)
            }
            Kind::Other => {
                reader.skip(header.size)?;
                self.fail(&path, "an unknown kind of entry, not unpacked");
                return Ok(());
            }
        };
        if let Some(error) = read_error {
            return Err(error);
        }
        if let Err(error) = made {
            self.fail(&path, &cause(&error));
            return Ok(());
        }
        if header.kind == Kind::Hard {
            return Ok(());
        }
        let owner = self.owner(header);
        let mode = if self.root || self.given.has('p') {
            header.mode
        } else {
            header.mode & 0o777 & !self.mask
        };
        if header.kind == Kind::Folder {
            self.folders.push((path, mode, header.mtime, owner));
            return Ok(());
        }
        if let Err(error) = self.dress(
            &path,
            mode,
            header.mtime,
            owner,
            header.kind == Kind::Symlink,
        ) {
            self.fail(&path, &cause(&error));
        }
        Ok(())
    }

    fn owner(&self, header: &Header) -> (u32, u32) {
        let named = |table: &HashMap<Vec<u8>, u32>, name: &[u8], id: u32| {
            if self.given.has('2') {
                id
            } else {
                table.get(name).copied().unwrap_or(id)
            }
        };
        (
            named(&self.users, &header.user, header.uid),
            named(&self.groups, &header.group, header.gid),
        )
    }

    fn dress(
        &self,
        path: &Path,
        mode: u32,
        mtime: i64,
        owner: (u32, u32),
        link: bool,
    ) -> io::Result<()> {
        if self.root && !self.given.has('o') || self.given.has('4') {
            std::os::unix::fs::lchown(path, Some(owner.0), Some(owner.1))?;
        }
        if !link {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        }
        if !self.given.has('m') {
            use rustix::fs::{AtFlags, Timespec, Timestamps, utimensat};
            let time = Timespec {
                tv_sec: mtime,
                tv_nsec: 0,
            };
            let times = Timestamps {
                last_access: time,
                last_modification: time,
            };
            utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        Ok(())
    }

    fn finish_folders(&mut self) {
        for (path, mode, mtime, owner) in std::mem::take(&mut self.folders).into_iter().rev() {
            if let Err(error) = self.dress(&path, mode, mtime, owner, false) {
                self.fail(&path, &cause(&error));
            }
        }
    }
}

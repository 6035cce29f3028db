//! `cpio` (the format "newc", 070701, and 070702 when read): packs what standard input names, lists, unpacks, copies.

use crate::common::accounts::{self, Accounts};
use crate::common::below::{Below, Dress};
use crate::common::glob;
use crate::common::lines::{Lines, Output, complain, open, say};
use crate::common::options::{Given, Options};
use crate::common::unpacking::Source;
use rustix::fs::FileType;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;

pub const USAGE: &str =
    "-o -H newc | -i | -t | -p FOLDER [-dmuvL0] [-F FILE] [-R USER[:GROUP]] [name...]

-o  make an archive of what standard input names    -i  unpack (only these names)    -t  list
-p  copy what standard input names below FOLDER     -H  the format: newc             -F  the archive
-d  make folders on the way    -m  keep times    -u  replace what is newer    -v  say what is done
-L  what links lead to    -0  names end in zero bytes    -R  the owner of all
--quiet  no count of blocks    --to-stdout  unpack to standard output
--ignore-devno  no numbers of devices    --renumber-inodes  count inodes from 1";

const OPTIONS: Options = Options {
    applet: "cpio",
    letters: "iot0uvdmLpF:R:H:1234",
    long: &[
        ("extract", 'i'),
        ("create", 'o'),
        ("list", 't'),
        ("pass-through", 'p'),
        ("format", 'H'),
        ("owner", 'R'),
        ("verbose", 'v'),
        ("null", '0'),
        ("make-directories", 'd'),
        ("preserve-modification-time", 'm'),
        ("unconditional", 'u'),
        ("dereference", 'L'),
        ("file", 'F'),
        ("quiet", '1'),
        ("to-stdout", '2'),
        ("ignore-devno", '3'),
        ("renumber-inodes", '4'),
    ],
};

const TRAILER: &[u8] = b"TRAILER!!!";
/// Longer names than any system has.
const MOST_NAME: u32 = 1 << 16;

/// One entry's head.
#[derive(Clone, Default)]
struct Entry {
    name: Vec<u8>,
    inode: u32,
    mode: u32,
    uid: u32,
    gid: u32,
    links: u32,
    mtime: u32,
    size: u32,
    device: (u32, u32),
    node: (u32, u32),
}

impl Entry {
    fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.mode)
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = b"070701".to_vec();
        let length = u32::try_from(self.name.len() + 1).unwrap_or(0);
        for field in [
            self.inode,
            self.mode,
            self.uid,
            self.gid,
            self.links,
            self.mtime,
            self.size,
            self.device.0,
            self.device.1,
            self.node.0,
            self.node.1,
            length,
            0,
        ] {
            out.extend_from_slice(format!("{field:08X}").as_bytes());
        }
        out.extend_from_slice(&self.name);
        out.push(0);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }
}

type Owner = (Option<u32>, Option<u32>);

fn owner(text: &OsStr) -> Option<Owner> {
    let accounts = Accounts::system();
    let bytes = text.as_bytes();
    let (user, group) = match bytes.iter().position(|byte| matches!(byte, b':' | b'.')) {
        Some(at) => (bytes.get(..at)?, bytes.get(at + 1..)?),
        None => (bytes, b"".as_slice()),
    };
    let uid = match user {
        b"" => None,
        name => Some(
            accounts::number(name)
                .or_else(|| accounts.user(name).ok().flatten().map(|user| user.uid))?,
        ),
    };
    let gid = match group {
        b"" => None,
        name => Some(
            accounts::number(name)
                .or_else(|| accounts.group(name).ok().flatten().map(|group| group.gid))?,
        ),
    };
    Some((uid, gid))
}

/// `cpio`
pub fn main(arguments: &[OsString]) -> i32 {
    let given = match OPTIONS.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let owner = match given.value('R').map(owner) {
        None => (None, None),
        Some(Some(owner)) => owner,
        Some(None) => return OPTIONS.wrong("unknown user or group"),
    };
    if given.value('H').is_some_and(|format| format != "newc") {
        return OPTIONS.wrong("the only format is newc");
    }
    let result = match given.last_of("otip") {
        Some('o') => {
            if given.value('H').is_none() {
                return OPTIONS.wrong("-o needs -H newc");
            }
            make(&given, owner)
        }
        Some('p') => pass(&given, owner),
        Some(_) => read(&given, owner),
        None => return OPTIONS.wrong("one of -o, -i, -t and -p is needed"),
    };
    result.unwrap_or_else(|error| {
        say("cpio", crate::common::lines::cause(&error));
        1
    })
}

/// Makes an archive of named files.
struct Maker<'a, W: Write> {
    given: &'a Given,
    owner: Owner,
    out: W,
    written: u64,
    /// Files of several names wait for the last one: it carries the contents.
    links: Vec<(Entry, Vec<(Vec<u8>, OsString)>)>,
    known: HashMap<(u64, u64), usize>,
    next_inode: u32,
    status: i32,
}

fn low(value: u64) -> u32 {
    u32::try_from(value & 0xffff_ffff).unwrap_or(0)
}

impl<W: Write> Maker<'_, W> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    fn add(&mut self, path: &OsStr) -> io::Result<()> {
        let mut name = path.as_bytes();
        while let Some(rest) = name.strip_prefix(b"./") {
            name = rest;
        }
        if name.is_empty() {
            return Ok(());
        }
        let meta = if self.given.has('L') {
            fs::metadata(path)
        } else {
            fs::symlink_metadata(path)
        };
        let meta = match meta {
            Ok(meta) => meta,
            Err(error) => {
                complain("cpio", path, &error);
                self.status = 1;
                return Ok(());
            }
        };
        let devices = !self.given.has('3');
        let pair = |device: u64| {
            if devices {
                (rustix::fs::major(device), rustix::fs::minor(device))
            } else {
                (0, 0)
            }
        };
        let mut entry = Entry {
            name: name.to_vec(),
            inode: low(meta.ino()),
            mode: meta.mode(),
            uid: self.owner.0.unwrap_or(meta.uid()),
            gid: self.owner.1.unwrap_or(meta.gid()),
            links: low(meta.nlink()),
            mtime: u32::try_from(meta.mtime()).unwrap_or(0),
            size: 0,
            device: pair(meta.dev()),
            node: pair(meta.rdev()),
        };
        if self.given.has('v') {
            let mut line = name.to_vec();
            line.push(b'\n');
            let _ = crate::common::lines::write_all(rustix::stdio::stderr(), &line);
        }
        let key = (meta.dev(), meta.ino());
        let several = meta.nlink() > 1 && !meta.is_dir();
        if several && let Some(at) = self.known.get(&key) {
            if let Some((_, names)) = self.links.get_mut(*at) {
                names.push((name.to_vec(), path.to_owned()));
            }
            return Ok(());
        }
        if self.given.has('4') {
            self.next_inode += 1;
            entry.inode = self.next_inode;
        }
        if several {
            self.known.insert(key, self.links.len());
            self.links
                .push((entry, vec![(name.to_vec(), path.to_owned())]));
            return Ok(());
        }
        self.whole(entry, path)
    }

    /// An entry with its contents.
    fn whole(&mut self, mut entry: Entry, path: &OsStr) -> io::Result<()> {
        let named = |error: io::Error| {
            io::Error::other(format!(
                "{}: {}",
                path.display(),
                crate::common::lines::cause(&error)
            ))
        };
        match entry.kind() {
            FileType::Symlink => {
                let target = fs::read_link(path)
                    .map_err(named)?
                    .into_os_string()
                    .into_vec();
                entry.size = u32::try_from(target.len()).unwrap_or(0);
                self.put(&entry.encode())?;
                self.put(&target)?;
            }
            FileType::RegularFile => {
                let mut file = File::open(path).map_err(named)?;
                let size = file.metadata().map_err(named)?.len();
                entry.size = u32::try_from(size)
                    .map_err(|_| named(io::Error::other("larger than the format has room for")))?;
                self.put(&entry.encode())?;
                let count = io::copy(&mut (&mut file).take(size), &mut self.out)?;
                if count < size {
                    return Err(named(io::Error::other("it became shorter")));
                }
                self.written += count;
            }
            _ => self.put(&entry.encode())?,
        }
        self.pad()
    }

    fn pad(&mut self) -> io::Result<()> {
        let rest = self.written.next_multiple_of(4) - self.written;
        self.put([0; 4].get(..rest as usize).unwrap_or_default())
    }

    fn finish(&mut self) -> io::Result<()> {
        for (entry, names) in std::mem::take(&mut self.links) {
            let last = names.len().saturating_sub(1);
            for (at, (name, path)) in names.into_iter().enumerate() {
                let entry = Entry {
                    name,
                    ..entry.clone()
                };
                if at == last {
                    self.whole(entry, &path)?;
                } else {
                    self.put(&entry.encode())?;
                }
            }
        }
        let trailer = Entry {
            name: TRAILER.to_vec(),
            links: 1,
            ..Entry::default()
        };
        self.put(&trailer.encode())?;
        let rest = self.written.next_multiple_of(512) - self.written;
        self.put([0; 512].get(..rest as usize).unwrap_or_default())?;
        self.out.flush()
    }
}

fn pack<W: Write>(given: &Given, owner: Owner, out: W) -> io::Result<(i32, u64)> {
    let delimiter = if given.has('0') { 0 } else { b'\n' };
    let mut names = Lines::new(open(OsStr::new("-"))?, delimiter);
    let mut maker = Maker {
        given,
        owner,
        out,
        written: 0,
        links: Vec::new(),
        known: HashMap::new(),
        next_inode: 0,
        status: 0,
    };
    while let Some((name, _)) = names.read()? {
        if !name.is_empty() {
            let name = OsStr::from_bytes(name).to_owned();
            maker.add(&name)?;
        }
    }
    maker.finish()?;
    Ok((maker.status, maker.written))
}

fn blocks(given: &Given, bytes: u64) {
    if !given.has('1') {
        let text = format!("{} blocks\n", bytes.div_ceil(512));
        let _ = crate::common::lines::write_all(rustix::stdio::stderr(), text.as_bytes());
    }
}

fn make(given: &Given, owner: Owner) -> io::Result<i32> {
    let file = match given.value('F') {
        Some(name) => File::create(name)?,
        None => File::from(rustix::stdio::stdout().try_clone_to_owned()?),
    };
    let (status, written) = pack(given, owner, io::BufWriter::new(file))?;
    blocks(given, written);
    Ok(status)
}

/// Packs into a file without a name, and unpacks that.
fn pass(given: &Given, owner: Owner) -> io::Result<i32> {
    let [folder] = given.operands.as_slice() else {
        return Ok(OPTIONS.wrong("-p needs one folder"));
    };
    let mut between = File::from(rustix::fs::memfd_create(
        "cpio",
        rustix::fs::MemfdFlags::CLOEXEC,
    )?);
    let (status, _) = pack(given, (None, None), io::BufWriter::new(&mut between))?;
    between.rewind()?;
    if given.has('d') {
        fs::create_dir_all(folder)?;
    }
    std::env::set_current_dir(folder)?;
    Ok(unpack(given, owner, Source::new(between), &[])?.max(status))
}

fn read(given: &Given, owner: Owner) -> io::Result<i32> {
    let file = open(given.value('F').unwrap_or(OsStr::new("-")))?;
    unpack(given, owner, Source::new(file), &given.operands)
}

/// The next entry. None: the trailer.
fn head(input: &mut Source, taken: &mut u64) -> io::Result<Option<Entry>> {
    let bad = |text: &str| io::Error::new(io::ErrorKind::InvalidData, text.to_owned());
    let mut head = [0; 110];
    input.read_exact(&mut head).map_err(|_| bad("short read"))?;
    if !head.starts_with(b"070701") && !head.starts_with(b"070702") {
        return Err(bad("unsupported cpio format, use newc or crc"));
    }
    let mut fields = [0u32; 13];
    for (at, field) in fields.iter_mut().enumerate() {
        let digits = head.get(6 + at * 8..14 + at * 8).unwrap_or_default();
        *field = std::str::from_utf8(digits)
            .ok()
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|text| u32::from_str_radix(text, 16).ok())
            .ok_or_else(|| bad("damaged cpio file"))?;
    }
    let [
        inode,
        mode,
        uid,
        gid,
        links,
        mtime,
        size,
        major,
        minor,
        node_major,
        node_minor,
        length,
        _,
    ] = fields;
    if !(1..=MOST_NAME).contains(&length) {
        return Err(bad("damaged cpio file"));
    }
    let mut name = vec![0; (length as usize + 110).next_multiple_of(4) - 110];
    input.read_exact(&mut name).map_err(|_| bad("short read"))?;
    *taken += 110 + name.len() as u64;
    let end = memchr::memchr(0, &name).unwrap_or(name.len());
    name.truncate(end);
    if name == TRAILER {
        return Ok(None);
    }
    Ok(Some(Entry {
        name,
        inode,
        mode,
        uid,
        gid,
        links,
        mtime,
        size,
        device: (major, minor),
        node: (node_major, node_minor),
    }))
}

/// Hands on so many bytes.
fn contents(input: &mut Source, size: u64, take: &mut dyn Write) -> io::Result<()> {
    let count = io::copy(&mut input.take(size), take)?;
    if count < size {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "short read"));
    }
    let pad = size.next_multiple_of(4) - size;
    io::copy(&mut input.take(pad), &mut io::sink()).map(drop)
}

fn unpack(given: &Given, owner: Owner, mut input: Source, only: &[OsString]) -> io::Result<i32> {
    let below = Below::here()?;
    let mut out = Output::new();
    let mut taken = 0;
    let mut status = 0;
    // Names whose contents come with the last one of their file.
    let mut first: HashMap<(u32, (u32, u32)), Vec<u8>> = HashMap::new();
    let mut folders: Vec<(Vec<u8>, Dress)> = Vec::new();
    while let Some(mut entry) = head(&mut input, &mut taken)? {
        taken += u64::from(entry.size).next_multiple_of(4);
        entry.uid = owner.0.unwrap_or(entry.uid);
        entry.gid = owner.1.unwrap_or(entry.gid);
        let chosen = only.is_empty()
            || only.iter().any(|pattern| {
                glob::matches(pattern.as_bytes(), &entry.name, glob::Options::default())
            });
        let size = u64::from(entry.size);
        if !chosen {
            contents(&mut input, size, &mut io::sink())?;
            continue;
        }
        if given.has('t') {
            list(given, &entry, &mut input, &mut out)?;
            continue;
        }
        if given.has('v') {
            out.put(&entry.name);
            out.put_byte(b'\n');
            out.flush();
        }
        if given.has('2') {
            if entry.kind() == FileType::RegularFile {
                let mut stdout = File::from(rustix::stdio::stdout().try_clone_to_owned()?);
                contents(&mut input, size, &mut stdout)?;
            } else {
                contents(&mut input, size, &mut io::sink())?;
            }
            continue;
        }
        let mut job = Job {
            given,
            below: &below,
            first: &mut first,
            folders: &mut folders,
        };
        if let Err(error) = job.one(&entry, &mut input)? {
            complain("cpio", OsStr::from_bytes(&entry.name), &error);
            status = 1;
        }
    }
    for (name, dress) in folders.into_iter().rev() {
        let done = below.spot(&name, false).and_then(|spot| spot.dress(dress));
        if let Err(error) = done {
            complain("cpio", OsStr::from_bytes(&name), &error);
            status = 1;
        }
    }
    let status = out.finish("cpio", status, 1);
    blocks(given, taken);
    Ok(status)
}

fn list(given: &Given, entry: &Entry, input: &mut Source, out: &mut Output) -> io::Result<()> {
    let mut target = Vec::new();
    if entry.kind() == FileType::Symlink {
        contents(input, u64::from(entry.size), &mut target)?;
    } else {
        contents(input, u64::from(entry.size), &mut io::sink())?;
    }
    if given.has('v') {
        let mut mode = String::new();
        mode.push(match entry.kind() {
            FileType::Directory => 'd',
            FileType::Symlink => 'l',
            FileType::CharacterDevice => 'c',
            FileType::BlockDevice => 'b',
            FileType::Fifo => 'p',
            FileType::Socket => 's',
            _ => '-',
        });
        for shift in [6, 3, 0] {
            let bits = entry.mode >> shift;
            mode.push(if bits & 4 != 0 { 'r' } else { '-' });
            mode.push(if bits & 2 != 0 { 'w' } else { '-' });
            mode.push(if bits & 1 != 0 { 'x' } else { '-' });
        }
        let moment = crate::common::calendar::moment(i64::from(entry.mtime));
        let line = format!(
            "{mode} {}/{} {:>9} {:04}-{:02}-{:02} {:02}:{:02}:{:02} ",
            entry.uid,
            entry.gid,
            entry.size,
            moment.year,
            moment.month,
            moment.day,
            moment.hour,
            moment.minute,
            moment.second
        );
        out.put(line.as_bytes());
    }
    out.put(&entry.name);
    if given.has('v') && !target.is_empty() {
        out.put(b" -> ");
        out.put(&target);
    }
    out.put_byte(b'\n');
    Ok(())
}

struct Job<'a> {
    given: &'a Given,
    below: &'a Below,
    first: &'a mut HashMap<(u32, (u32, u32)), Vec<u8>>,
    folders: &'a mut Vec<(Vec<u8>, Dress)>,
}

impl Job<'_> {
    /// Unpacks one entry. The outer error: the archive cannot be read any further.
    fn one(&mut self, entry: &Entry, input: &mut Source) -> io::Result<io::Result<()>> {
        let size = u64::from(entry.size);
        let mut rest = Rest { input, left: size };
        let result = self.inside(entry, &mut rest);
        let Rest { input, left } = rest;
        // Whatever went wrong, the next entry stands behind this one's contents.
        contents_rest(input, left, size)?;
        Ok(result)
    }

    fn inside(&mut self, entry: &Entry, rest: &mut Rest<'_>) -> io::Result<()> {
        let root = rustix::process::geteuid().is_root();
        let dress = Dress {
            owner: root.then_some((entry.uid, entry.gid)),
            mode: Some(entry.mode & 0o7777),
            mtime: self.given.has('m').then_some(i64::from(entry.mtime)),
        };
        let spot = self.below.spot(&entry.name, self.given.has('d'))?;
        let kind = entry.kind();
        if let Ok(there) = spot.stat() {
            let is_folder = FileType::from_raw_mode(there.st_mode) == FileType::Directory;
            if kind == FileType::Directory && spot.is_folder() {
                self.folders.push((entry.name.clone(), dress));
                return Ok(());
            }
            #[expect(
                clippy::unnecessary_cast,
                reason = "it has not the same type everywhere"
            )]
            let newer = there.st_mtime as i64 >= i64::from(entry.mtime);
            if !self.given.has('u') && newer {
                say(
                    "cpio",
                    format!(
                        "{} not created: newer or same age file exists",
                        OsStr::from_bytes(&entry.name).display()
                    ),
                );
                return Ok(());
            }
            spot.remove(is_folder)?;
            self.below.forget();
        }
        match kind {
            FileType::Directory => {
                spot.make_folder(0o700)?;
                self.folders.push((entry.name.clone(), dress));
                return Ok(());
            }
            FileType::Symlink => {
                let mut target = Vec::new();
                rest.take_all(&mut target)?;
                spot.symlink(&target)?;
                return spot.dress(Dress {
                    mode: None,
                    ..dress
                });
            }
            FileType::RegularFile => {
                let key = (entry.inode, entry.device);
                if entry.links > 1 {
                    if let Some(first) = self.first.get(&key) {
                        let other = self.below.spot(first, false)?;
                        if entry.size == 0 {
                            return spot.link_to(&other);
                        }
                        // This one has the contents of all: into the file that is there.
                        let mut file = other.overwrite()?;
                        rest.take_all(&mut file)?;
                        spot.link_to(&other)?;
                        return spot.dress(dress);
                    }
                    self.first.insert(key, entry.name.clone());
                }
                let mut file = spot.create()?;
                rest.take_all(&mut file)?;
            }
            FileType::CharacterDevice | FileType::BlockDevice | FileType::Fifo => {
                spot.make_node(kind, entry.node)?;
            }
            _ => return Err(io::Error::other("an unknown kind of entry")),
        }
        spot.dress(dress)
    }
}

/// An entry's contents, as far as they are not read.
struct Rest<'a> {
    input: &'a mut Source,
    left: u64,
}

impl Rest<'_> {
    fn take_all(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        while self.left > 0 {
            let most = usize::try_from(self.left)
                .unwrap_or(usize::MAX)
                .min(buffer.len());
            let room = buffer.get_mut(..most).unwrap_or_default();
            let count = self.input.read(room)?;
            if count == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "short read"));
            }
            self.left -= count as u64;
            out.write_all(room.get(..count).unwrap_or_default())?;
        }
        Ok(())
    }
}

fn contents_rest(input: &mut Source, left: u64, size: u64) -> io::Result<()> {
    let all = left + size.next_multiple_of(4) - size;
    let count = io::copy(&mut input.take(all), &mut io::sink())?;
    if count < left {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "short read"));
    }
    Ok(())
}

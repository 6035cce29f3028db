//! `unzip` (PKWARE's APPNOTE 6.3): lists and unpacks zip files, by their central directory; stored, deflate, bzip2,
//! lzma, xz and zstd. ZIP64 sizes are read. What comes through a pipe is read whole first.

use crate::common::below::{Below, Dress, Spot};
use crate::common::glob;
use crate::common::lines::{Output, cause, complain, say};
use crate::common::unpacking::{Format, Source, Unpacker};
use flate2::Crc;
use flate2::read::DeflateDecoder;
use rustix::fs::FileType;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

pub const USAGE: &str = "[-lvnojpqtK] ZIP[.zip] [file...] [-x file...] [-d FOLDER]

-l  list    -v  list with packed sizes    -t  test    -p  to standard output    -q  say less
-n  keep what is there    -o  replace it without asking    -j  no folders    -K  keep set-id bits
-x  not these    -d  unpack there";

/// The largest central directory that is read.
const MOST_DIRECTORY: u64 = 1 << 30;

#[derive(Default)]
struct Given {
    list: bool,
    verbose: bool,
    test: bool,
    print: bool,
    quiet: u32,
    never: bool,
    always: bool,
    flat: bool,
    keep_ids: bool,
    archive: Option<OsString>,
    only: Vec<OsString>,
    not: Vec<OsString>,
    folder: Option<OsString>,
}

fn parse(arguments: &[OsString]) -> Result<Given, String> {
    let mut given = Given::default();
    let (mut excluding, mut ended) = (false, false);
    let mut words = arguments.iter().skip(1);
    while let Some(word) = words.next() {
        let bytes = word.as_bytes();
        if ended || bytes.len() < 2 || !bytes.starts_with(b"-") {
            if given.archive.is_none() {
                given.archive = Some(word.clone());
            } else if excluding {
                given.not.push(word.clone());
            } else {
                given.only.push(word.clone());
            }
            continue;
        }
        if bytes == b"--" {
            ended = true;
            continue;
        }
        let mut letters = bytes.get(1..).unwrap_or_default();
        while let Some((letter, rest)) = letters.split_first() {
            letters = rest;
            match letter {
                b'l' => given.list = true,
                b'v' => (given.list, given.verbose) = (true, true),
                b't' => given.test = true,
                b'p' => given.print = true,
                b'q' => given.quiet += 1,
                b'n' => (given.never, given.always) = (true, false),
                b'o' => (given.never, given.always) = (false, true),
                b'j' => given.flat = true,
                b'K' => given.keep_ids = true,
                b'x' => excluding = true,
                b'd' => {
                    given.folder = if rest.is_empty() {
                        words.next().cloned()
                    } else {
                        Some(OsString::from_vec(rest.to_vec()))
                    };
                    if given.folder.is_none() {
                        return Err("option '-d' needs a value".to_owned());
                    }
                    letters = b"";
                }
                other => return Err(format!("unrecognized option '-{}'", other.escape_ascii())),
            }
        }
    }
    if given.archive.is_none() {
        return Err("missing operand".to_owned());
    }
    Ok(given)
}

/// One entry of the central directory.
struct Entry {
    name: Vec<u8>,
    flags: u16,
    method: u16,
    time: u16,
    date: u16,
    crc: u32,
    packed: u64,
    size: u64,
    offset: u64,
    /// Unix' mode, where a Unix made it.
    mode: Option<u32>,
}

fn bad(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.to_owned())
}

fn half(bytes: &[u8], at: usize) -> u16 {
    match bytes.get(at..at + 2) {
        Some([a, b]) => u16::from_le_bytes([*a, *b]),
        _ => 0,
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from(half(bytes, at)) | u32::from(half(bytes, at + 2)) << 16
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from(word(bytes, at)) | u64::from(word(bytes, at + 4)) << 32
}

/// Finds the central directory: its offset, its length, how far the whole archive is shifted by what stands before it
/// (a program that unpacks itself), and the number of its entries.
fn directory(file: &mut File, length: u64) -> io::Result<(u64, u64, u64, u16)> {
    let tail = length.min(66_000);
    file.seek(SeekFrom::Start(length - tail))?;
    let mut bytes = vec![0; tail as usize];
    file.read_exact(&mut bytes)?;
    let whole = bytes
        .get(..bytes.len().saturating_sub(18))
        .unwrap_or_default();
    let at = memchr::memmem::rfind(whole, b"PK\x05\x06").ok_or_else(|| bad("not a zip file"))?;
    let end = bytes.get(at..).unwrap_or_default();
    let count = half(end, 10);
    let (mut size, mut offset) = (u64::from(word(end, 12)), u64::from(word(end, 16)));
    let mut place = length - tail + at as u64;
    if (size == 0xffff_ffff || offset == 0xffff_ffff) && place >= 20 {
        let mut locator = [0; 20];
        file.seek(SeekFrom::Start(place - 20))?;
        file.read_exact(&mut locator)?;
        if locator.starts_with(b"PK\x06\x07") {
            let mut end = [0; 56];
            file.seek(SeekFrom::Start(long(&locator, 8)))?;
            file.read_exact(&mut end)?;
            if !end.starts_with(b"PK\x06\x06") {
                return Err(bad("damaged zip file"));
            }
            (size, offset) = (long(&end, 40), long(&end, 48));
            place = long(&locator, 8);
        }
    }
    // Where it is said to be, or where it must be if something stands before the archive.
    let mut there = [0; 4];
    file.seek(SeekFrom::Start(offset))?;
    let _ = file.read(&mut there)?;
    if there == *b"PK\x01\x02" && size <= MOST_DIRECTORY {
        return Ok((offset, size.min(length - offset.min(length)), 0, count));
    }
    let shift = place
        .checked_sub(size)
        .and_then(|start| start.checked_sub(offset))
        .ok_or_else(|| bad("damaged zip file"))?;
    if size > MOST_DIRECTORY || offset + shift > length {
        return Err(bad("damaged zip file"));
    }
    Ok((offset + shift, size, shift, count))
}

fn entries(file: &mut File) -> io::Result<Vec<Entry>> {
    let length = file.seek(SeekFrom::End(0))?;
    let (offset, size, shift, count) = directory(file, length)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = vec![0; size as usize];
    file.read_exact(&mut bytes)?;
    let mut rest = bytes.as_slice();
    let mut all = Vec::new();
    while rest.starts_with(b"PK\x01\x02") {
        let (name, extra, comment) = (half(rest, 28), half(rest, 30), half(rest, 32));
        let behind = 46 + usize::from(name);
        let next = behind + usize::from(extra) + usize::from(comment);
        let (Some(name), Some(extra)) = (
            rest.get(46..behind),
            rest.get(behind..behind + usize::from(extra)),
        ) else {
            return Err(bad("damaged zip file"));
        };
        let mut entry = Entry {
            name: name.to_vec(),
            flags: half(rest, 8),
            method: half(rest, 10),
            time: half(rest, 12),
            date: half(rest, 14),
            crc: word(rest, 16),
            packed: u64::from(word(rest, 20)),
            size: u64::from(word(rest, 24)),
            offset: u64::from(word(rest, 42)),
            mode: (half(rest, 4) >> 8 == 3).then_some(word(rest, 38) >> 16),
        };
        let mut fields = extra;
        while fields.len() >= 4 {
            let length = usize::from(half(fields, 2));
            if half(fields, 0) == 1 {
                // Only what had no room above, in this order.
                let mut at = 4;
                for value in [&mut entry.size, &mut entry.packed, &mut entry.offset] {
                    if *value == 0xffff_ffff && at + 8 <= 4 + length {
                        *value = long(fields, at);
                        at += 8;
                    }
                }
            }
            fields = fields.get(4 + length..).unwrap_or_default();
        }
        entry.offset = entry.offset.saturating_add(shift);
        all.push(entry);
        rest = rest.get(next..).unwrap_or_default();
    }
    // Its number has 16 bits; all of them set mean that it stands elsewhere.
    if count != u16::MAX && all.len() % 0x1_0000 != usize::from(count) {
        return Err(bad("damaged zip file"));
    }
    Ok(all)
}

/// `unzip`
pub fn main(arguments: &[OsString]) -> i32 {
    let given = match parse(arguments) {
        Ok(given) => given,
        Err(text) => {
            say("unzip", text);
            say("unzip", "try 'unzip --help'");
            return 1;
        }
    };
    match work(&given) {
        Ok(status) => status,
        Err(error) => {
            say("unzip", cause(&error));
            1
        }
    }
}

/// The file, as it is named or with `.zip` behind.
fn opened(name: &OsStr) -> io::Result<File> {
    if name == "-" {
        let mut file = File::from(rustix::fs::memfd_create(
            "unzip",
            rustix::fs::MemfdFlags::CLOEXEC,
        )?);
        io::copy(&mut crate::common::lines::open(name)?, &mut file)?;
        return Ok(file);
    }
    for end in ["", ".zip", ".ZIP"] {
        let mut path = name.to_owned();
        path.push(end);
        if let Ok(file) = File::open(&path) {
            return Ok(file);
        }
    }
    Err(io::Error::other(format!(
        "can't open {}[.zip]",
        name.display()
    )))
}

/// The name without what would lead outside.
fn safe<'a>(name: &'a [u8], told: &mut bool) -> &'a [u8] {
    let mut rest = name;
    if let Some(at) = memchr::memmem::rfind(name, b"/../") {
        rest = name.get(at + 4..).unwrap_or_default();
    }
    if let Some(inside) = rest.strip_prefix(b"../") {
        rest = inside;
    }
    while let Some(inside) = rest.strip_prefix(b"/") {
        rest = inside;
    }
    if rest.len() != name.len() && !*told {
        *told = true;
        let removed = name.get(..name.len() - rest.len()).unwrap_or_default();
        say(
            "unzip",
            format!(
                "removing leading '{}' from member names",
                String::from_utf8_lossy(removed)
            ),
        );
    }
    rest
}

fn matches(patterns: &[OsString], name: &[u8]) -> bool {
    patterns
        .iter()
        .any(|pattern| glob::matches(pattern.as_bytes(), name, glob::Options::default()))
}

fn work(given: &Given) -> io::Result<i32> {
    let name = given.archive.as_deref().unwrap_or(OsStr::new("-"));
    let mut file = opened(name)?;
    let all = entries(&mut file)?;
    if let Some(folder) = &given.folder {
        let _ = std::fs::create_dir(folder);
        std::env::set_current_dir(folder).map_err(|error| {
            io::Error::other(format!("{}: {}", folder.display(), cause(&error)))
        })?;
    }
    let mut out = Output::new();
    let quiet = given.quiet + u32::from(given.print) + u32::from(given.test);
    if quiet == 0 {
        out.put(format!("Archive:  {}\n", name.display()).as_bytes());
    }
    let mut told = false;
    let chosen: Vec<(&Entry, &[u8])> = all
        .iter()
        .map(|entry| (entry, safe(&entry.name, &mut told)))
        .filter(|(_, name)| !matches(&given.not, name))
        .filter(|(_, name)| given.only.is_empty() || matches(&given.only, name))
        .collect();
    if given.list {
        list(given, &chosen, quiet, &mut out);
        return Ok(out.finish("unzip", 0, 1));
    }
    let mut job = Job {
        given,
        below: Below::here()?,
        out,
        quiet,
        always: given.always,
        never: given.never || name == "-" && !given.always,
        late: Vec::new(),
    };
    let mut status = 0;
    for (entry, name) in chosen {
        if let Err(error) = job.one(&mut file, entry, name) {
            job.out.flush();
            if error.kind() == io::ErrorKind::InvalidData {
                say("unzip", cause(&error));
                say("unzip", "inflate error");
                return Ok(1);
            }
            complain("unzip", OsStr::from_bytes(name), &error);
            status = 1;
        }
    }
    for (name, target) in std::mem::take(&mut job.late) {
        // Links come last: nothing is unpacked through them.
        let made = job
            .below
            .spot(&name, true)
            .and_then(|spot| spot.symlink(&target));
        if let Err(error) = made {
            complain("unzip", OsStr::from_bytes(&name), &error);
            status = 1;
        }
    }
    Ok(job.out.finish("unzip", status, 1))
}

fn list(given: &Given, chosen: &[(&Entry, &[u8])], quiet: u32, out: &mut Output) {
    let mut line = |text: String| out.put(text.as_bytes());
    let percent = |size: u64, packed: u64| match size {
        0 => 0,
        size => u128::from(size.saturating_sub(packed)) * 100 / u128::from(size),
    };
    if quiet <= 1 {
        line(
            if given.verbose {
                " Length   Method    Size  Cmpr    Date    Time   CRC-32   Name\n\
                 --------  ------  ------- ---- ---------- ----- --------  ----\n"
            } else {
                "  Length      Date    Time    Name\n---------  ---------- -----   ----\n"
            }
            .to_owned(),
        );
    }
    let (mut size, mut packed) = (0u64, 0u64);
    for (entry, name) in chosen {
        size = size.saturating_add(entry.size);
        packed = packed.saturating_add(entry.packed);
        let date = format!(
            "{:02}-{:02}-{:04} {:02}:{:02}",
            entry.date >> 5 & 0xf,
            entry.date & 0x1f,
            (entry.date >> 9) + 1980,
            entry.time >> 11,
            entry.time >> 5 & 0x3f
        );
        let name = String::from_utf8_lossy(name);
        if given.verbose {
            let method = match entry.method {
                0 => "Stored".to_owned(),
                8 => format!(
                    "Defl:{}",
                    ["N", "X", "F", "S"][usize::from(entry.flags >> 1 & 3)]
                ),
                other => format!("{other:6}"),
            };
            line(format!(
                "{:8}  {method}{:9}{:4}% {date} {:08x}  {name}\n",
                entry.size,
                entry.packed,
                percent(entry.size, entry.packed),
                entry.crc
            ));
        } else {
            line(format!("{:9}  {date}   {name}\n", entry.size));
        }
    }
    if quiet <= 1 {
        let count = chosen.len();
        line(if given.verbose {
            format!(
                "--------          ------- ----{:28}----\n{size:8}{packed:17}{:4}%{:28}{count} files\n",
                "",
                percent(size, packed),
                ""
            )
        } else {
            format!(
                " --------{:21}-------\n{size:9}{:21}{count} files\n",
                "", ""
            )
        });
    }
}

struct Job<'a> {
    given: &'a Given,
    below: Below,
    out: Output,
    quiet: u32,
    always: bool,
    never: bool,
    late: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Job<'_> {
    fn say(&mut self, what: &str, name: &[u8]) {
        if self.quiet == 0 {
            let shown: String = String::from_utf8_lossy(name)
                .chars()
                .map(|letter| if letter.is_control() { '?' } else { letter })
                .collect();
            self.out.put(format!("{what}{shown}\n").as_bytes());
            self.out.flush();
        }
    }

    fn one(&mut self, file: &mut File, entry: &Entry, name: &[u8]) -> io::Result<()> {
        if entry.flags & 1 != 0 {
            return Err(io::Error::other("zip flag 1 (encryption) is not supported"));
        }
        if self.given.print || self.given.test {
            if self.given.test {
                return unpack(file, entry, &mut io::sink());
            }
            self.out.flush();
            let mut stdout = File::from(rustix::stdio::stdout().try_clone_to_owned()?);
            return unpack(file, entry, &mut stdout);
        }
        let name = if self.given.flat {
            name.rsplit(|byte| *byte == b'/').next().unwrap_or(name)
        } else {
            name
        };
        if name.is_empty() {
            return Ok(());
        }
        let mut mode = entry.mode.filter(|mode| *mode != 0);
        if !self.given.keep_ids {
            mode = mode.map(|mode| mode & !0o6000);
        }
        let mask = crate::common::copying::umask();
        let permissions = |usual: u32| mode.unwrap_or(usual) & 0o7777 & !mask;
        if name.ends_with(b"/") {
            let spot = self.below.spot(name, true)?;
            if spot.is_folder() {
                return Ok(());
            }
            self.say("   creating: ", name);
            return spot.make_folder(permissions(0o777) | 0o700);
        }
        if mode.is_some_and(|mode| FileType::from_raw_mode(mode) == FileType::Symlink) {
            let mut target = Vec::new();
            unpack(file, entry, &mut target)?;
            self.late.push((name.to_vec(), target));
            return Ok(());
        }
        let mut name = name.to_vec();
        loop {
            let spot = self.below.spot(&name, true)?;
            let Ok(there) = spot.stat() else {
                return self.file(file, entry, &name, &spot, permissions(0o666));
            };
            if self.never {
                return Ok(());
            }
            if FileType::from_raw_mode(there.st_mode) != FileType::RegularFile {
                return Err(io::Error::other("it exists but is not a regular file"));
            }
            let answer = if self.always {
                b'y'
            } else {
                let shown = String::from_utf8_lossy(&name).into_owned();
                self.out.put(
                    format!("replace {shown}? [y]es, [n]o, [A]ll, [N]one, [r]ename: ").as_bytes(),
                );
                self.out.flush();
                match crate::common::session::read_line()? {
                    Some(line) => line.first().copied().unwrap_or(b' '),
                    None => return Err(io::Error::other("can't read standard input")),
                }
            };
            match answer {
                b'A' | b'y' => {
                    self.always |= answer == b'A';
                    spot.remove(false)?;
                    return self.file(file, entry, &name, &spot, permissions(0o666));
                }
                b'N' | b'n' => {
                    self.never |= answer == b'N';
                    return Ok(());
                }
                b'r' => {
                    self.out.put(b"new name: ");
                    self.out.flush();
                    name = crate::common::session::read_line()?
                        .ok_or_else(|| io::Error::other("can't read standard input"))?;
                }
                other => self.out.put(
                    format!("error: invalid response [{}]\n", other.escape_ascii()).as_bytes(),
                ),
            }
        }
    }

    fn file(
        &mut self,
        file: &mut File,
        entry: &Entry,
        name: &[u8],
        spot: &Spot<'_>,
        mode: u32,
    ) -> io::Result<()> {
        self.say("  inflating: ", name);
        let mut out = spot.create()?;
        unpack(file, entry, &mut out)?;
        spot.dress(Dress {
            mode: Some(mode),
            mtime: moment(entry),
            owner: None,
        })
    }
}

/// DOS' local time as seconds since 1970.
fn moment(entry: &Entry) -> Option<i64> {
    let text = format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        (entry.date >> 9) + 1980,
        entry.date >> 5 & 0xf,
        entry.date & 0x1f,
        entry.time >> 11,
        entry.time >> 5 & 0x3f,
        (entry.time & 0x1f) * 2
    );
    let local = crate::common::calendar::parse(&text, 0)?;
    Some(local - sys::kernel::local_offset(local))
}

/// Writes, and makes the sum.
struct Summed<'a> {
    out: &'a mut dyn Write,
    sum: Crc,
    size: u64,
}

impl Write for Summed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.sum.update(bytes.get(..count).unwrap_or_default());
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn unpack(file: &mut File, entry: &Entry, out: &mut dyn Write) -> io::Result<()> {
    let mut head = [0; 30];
    file.seek(SeekFrom::Start(entry.offset))?;
    file.read_exact(&mut head)
        .map_err(|_| bad("corrupted data"))?;
    if !head.starts_with(b"PK\x03\x04") {
        return Err(bad("corrupted data"));
    }
    let skip = u64::from(half(&head, 26)) + u64::from(half(&head, 28));
    file.seek(SeekFrom::Current(i64::try_from(skip).unwrap_or(0)))?;
    let mut input = file.try_clone()?.take(entry.packed);
    let mut out = Summed {
        out,
        sum: Crc::new(),
        size: 0,
    };
    let done = match entry.method {
        0 => io::copy(&mut input, &mut out).map(drop),
        8 => copy_checked(&mut DeflateDecoder::new(input), &mut out),
        12 => Unpacker::new(Format::Bzip2, Source::new(input))?.copy_to(&mut out),
        14 => {
            // Version, length of properties, properties; the size is not there.
            let mut head = [0; 9];
            input
                .read_exact(&mut head)
                .map_err(|_| bad("corrupted data"))?;
            let mut whole = head.get(4..).unwrap_or_default().to_vec();
            let end_marked = entry.flags & 2 != 0;
            let size = if end_marked { u64::MAX } else { entry.size };
            whole.extend_from_slice(&size.to_le_bytes());
            let joined = io::Cursor::new(whole).chain(input);
            Unpacker::new(Format::Lzma, Source::new(joined))?.copy_to(&mut out)
        }
        93 => Unpacker::new(Format::Zstd, Source::new(input))?.copy_to(&mut out),
        95 => Unpacker::new(Format::Xz, Source::new(input))?.copy_to(&mut out),
        other => return Err(io::Error::other(format!("unsupported method {other}"))),
    };
    done.map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => bad("corrupted data"),
        _ => error,
    })?;
    if out.sum.sum() != entry.crc || out.size != entry.size {
        return Err(bad("crc error"));
    }
    Ok(())
}

fn copy_checked(input: &mut dyn Read, out: &mut dyn Write) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = input.read(&mut buffer).map_err(|error| {
            if error.raw_os_error().is_some() {
                error
            } else {
                bad("corrupted data")
            }
        })?;
        if count == 0 {
            return Ok(());
        }
        out.write_all(buffer.get(..count).unwrap_or_default())?;
    }
}

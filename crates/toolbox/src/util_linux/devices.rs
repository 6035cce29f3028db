//! Block devices asked and told: `blockdev`, `blkdiscard`, `fstrim`, `partprobe`, `rdev`, `eject`, `volname`,
//! `fdflush`, `raidautorun`, `readahead`.

use crate::common::lines::{Output, about, complain, other, say, say_out, status};
use crate::common::options::{Given, Options, size};
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use sys::control::{Flat, Number, flat, number};
use sys::kernel::{self, BlockNumber};

pub const BLOCKDEV_USAGE: &str = "OPTION DEVICE

--getro  whether it is read only    --setro, --setrw  make it so, or not
--getss  bytes a sector    --getbsz, --setbsz BYTES  bytes a block    --getsz  its size in sectors of 512 bytes
--getsize64  its size in bytes    --getra, --setra SECTORS  how far it reads ahead
--flushbufs  write out and forget what is cached    --rereadpt  read its partitions anew";
pub const DISCARD_USAGE: &str = "[-sf] [-o OFFSET] [-l LENGTH] DEVICE

tells a device that its data is not needed any more
-o  from that byte on    -l  so many bytes    -s  beyond recovery    -f  although it holds a file system";
pub const TRIM_USAGE: &str = "[-v] [-o OFFSET] [-l LENGTH] [-m LEAST] FOLDER

tells the device of a mounted file system what is not in use
-o  from that byte on    -l  so many bytes    -m  no smaller pieces    -v  say how much it was";
pub const PARTPROBE_USAGE: &str = "DEVICE...

has the kernel read the partition tables anew";
pub const RDEV_USAGE: &str = "

prints the device of the root file system";
pub const EJECT_USAGE: &str = "[-t] [-T] [-s] [DEVICE]

opens the tray of DEVICE (/dev/cdrom)    -t  close it    -T  close it where it is open
-s  is taken and makes no difference: the kernel knows SCSI devices";
pub const VOLNAME_USAGE: &str = "[DEVICE]

prints the name of a CD's file system (/dev/cdrom)";
pub const FDFLUSH_USAGE: &str = "DEVICE

has a floppy drive look whether the medium was changed";
pub const RAIDAUTORUN_USAGE: &str = "DEVICE

has the kernel look for RAIDs";
pub const READAHEAD_USAGE: &str = "FILE...

reads files into memory, so that they are there when they are needed";

/// One of blockdev's options: its name, whether it takes a value.
const QUESTIONS: &[(&str, bool)] = &[
    ("--setro", false),
    ("--setrw", false),
    ("--getro", false),
    ("--getss", false),
    ("--getbsz", false),
    ("--setbsz", true),
    ("--getsz", false),
    ("--getsize", false),
    ("--getsize64", false),
    ("--getra", false),
    ("--setra", true),
    ("--flushbufs", false),
    ("--rereadpt", false),
];

/// `blockdev`
pub fn blockdev(arguments: &[OsString]) -> i32 {
    let words: Vec<&OsString> = arguments.iter().skip(1).collect();
    let wrong = |what: &str| {
        say("blockdev", what);
        say("blockdev", "try 'blockdev --help'");
        1
    };
    let Some((first, rest)) = words.split_first() else {
        return wrong("missing operand");
    };
    let known = QUESTIONS.iter().find(|(name, _)| **first == **name);
    let Some((question, takes)) = known else {
        return wrong(&format!("unrecognized option '{}'", first.display()));
    };
    let (value, device) = match (takes, rest) {
        (false, [device]) => (None, *device),
        (true, [value, device]) => (Some(*value), *device),
        _ => return wrong("one device is needed"),
    };
    status("blockdev", ask(question, value, device))
}

fn ask(question: &str, value: Option<&OsString>, path: &OsStr) -> io::Result<i32> {
    let number = match value {
        None => 0,
        Some(text) => text
            .to_str()
            .and_then(|text| text.parse::<u64>().ok())
            .ok_or_else(|| other(format!("invalid number '{}'", text.display())))?,
    };
    let told = |error: io::Error| about(path, &error);
    let device = File::open(path).map_err(told)?;
    let answer = match question {
        "--setro" => kernel::set_read_only(&device, true).map(|()| None),
        "--setrw" => kernel::set_read_only(&device, false).map(|()| None),
        "--getro" => kernel::block_number(&device, BlockNumber::ReadOnly).map(|n| Some(n.into())),
        "--getss" => kernel::block_number(&device, BlockNumber::SectorSize).map(|n| Some(n.into())),
        "--getbsz" => kernel::block_number(&device, BlockNumber::BlockSize).map(|n| Some(n.into())),
        "--setbsz" => {
            let bytes = u32::try_from(number).map_err(|_| other("that is too large"))?;
            flat(&device, Flat::BLKBSZSET, &mut bytes.to_ne_bytes()).map(|_| None)
        }
        "--getsz" | "--getsize" => kernel::block_size64(&device).map(|bytes| Some(bytes / 512)),
        "--getsize64" => kernel::block_size64(&device).map(Some),
        "--getra" => kernel::read_ahead(&device).map(Some),
        "--setra" => kernel::set_read_ahead(&device, number).map(|()| None),
        "--flushbufs" => kernel::flush_buffers(&device).map(|()| None),
        _ => kernel::reread_partitions(&device).map(|()| None),
    };
    if let Some(number) = answer.map_err(told)? {
        say_out(&number.to_string());
    }
    Ok(0)
}

fn bytes(given: &Given, letter: char) -> io::Result<Option<u64>> {
    let Some(text) = given.value(letter) else {
        return Ok(None);
    };
    let number = size(text).ok_or_else(|| other(format!("invalid number '{}'", text.display())))?;
    Ok(Some(number))
}

/// `blkdiscard`
pub fn discard(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "blkdiscard",
        letters: "o:l:sf",
        long: &[
            ("offset", 'o'),
            ("length", 'l'),
            ("secure", 's'),
            ("force", 'f'),
        ],
    };
    match options.take(arguments, 1, 1) {
        Ok(given) => status("blkdiscard", discard_range(&given)),
        Err(status) => status,
    }
}

fn discard_range(given: &Given) -> io::Result<i32> {
    let path = given.operands.first().cloned().unwrap_or_default();
    let (offset, length) = (bytes(given, 'o')?.unwrap_or(0), bytes(given, 'l')?);
    let told = |error: io::Error| about(&path, &error);
    let mut how = OpenOptions::new();
    how.read(true).write(true);
    if !given.has('f') {
        // Refused while it is mounted.
        how.custom_flags(rustix::fs::OFlags::EXCL.bits().cast_signed());
    }
    let device = how.open(&path).map_err(told)?;
    if !device
        .metadata()
        .map_err(told)?
        .file_type()
        .is_block_device()
    {
        return Err(other(format!("{}: is no block device", path.display())));
    }
    let length = match length {
        Some(length) => length,
        None => kernel::block_size64(&device)
            .map_err(told)?
            .saturating_sub(offset),
    };
    let mut range = [offset.to_ne_bytes(), length.to_ne_bytes()].concat();
    let request = if given.has('s') {
        Flat::BLKSECDISCARD
    } else {
        Flat::BLKDISCARD
    };
    flat(&device, request, &mut range).map_err(told)?;
    Ok(0)
}

/// `fstrim`
pub fn trim(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "fstrim",
        letters: "o:l:m:v",
        long: &[
            ("offset", 'o'),
            ("length", 'l'),
            ("minimum", 'm'),
            ("verbose", 'v'),
        ],
    };
    match options.take(arguments, 1, 1) {
        Ok(given) => status("fstrim", trim_folder(&given)),
        Err(status) => status,
    }
}

fn trim_folder(given: &Given) -> io::Result<i32> {
    let path = given.operands.first().cloned().unwrap_or_default();
    let told = |error: io::Error| about(&path, &error);
    let offset = bytes(given, 'o')?.unwrap_or(0);
    let length = bytes(given, 'l')?.unwrap_or(u64::MAX);
    let least = bytes(given, 'm')?.unwrap_or(0);
    let folder = File::open(&path).map_err(told)?;
    if !folder.metadata().map_err(told)?.is_dir() {
        return Err(other(format!("{}: is no folder", path.display())));
    }
    let done = kernel::trim(&folder, offset, length, least).map_err(told)?;
    if given.has('v') {
        say_out(&format!("{}: {done} bytes trimmed", path.display()));
    }
    Ok(0)
}

/// Opens each operand and does something with it; the status is 1 where that failed for any.
fn each(applet: &'static str, arguments: &[OsString], act: fn(&File) -> io::Result<()>) -> i32 {
    let options = Options {
        applet,
        letters: "",
        long: &[],
    };
    let given = match options.take(arguments, 1, usize::MAX) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let mut status = 0;
    for path in &given.operands {
        if let Err(error) = File::open(path).and_then(|file| act(&file)) {
            complain(applet, path, &error);
            status = 1;
        }
    }
    status
}

/// `partprobe`
pub fn partprobe(arguments: &[OsString]) -> i32 {
    each("partprobe", arguments, |device| {
        kernel::reread_partitions(device)
    })
}

/// `fdflush`
pub fn fdflush(arguments: &[OsString]) -> i32 {
    each("fdflush", arguments, |device| {
        number(device, Number::FDFLUSH, 0).map(drop)
    })
}

/// `raidautorun`
pub fn raidautorun(arguments: &[OsString]) -> i32 {
    each("raidautorun", arguments, |device| {
        number(device, Number::RAID_AUTORUN, 0).map(drop)
    })
}

/// `readahead`
pub fn readahead(arguments: &[OsString]) -> i32 {
    each("readahead", arguments, |file| {
        rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::WillNeed).map_err(io::Error::from)
    })
}

/// `rdev`
pub fn rdev(_: &[OsString]) -> i32 {
    let number = match std::fs::metadata("/") {
        Ok(meta) => meta.dev(),
        Err(error) => {
            complain("rdev", OsStr::new("/"), &error);
            return 1;
        }
    };
    let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
    // The kernel knows what it calls the device of that number.
    let link = std::fs::read_link(format!("/sys/dev/block/{major}:{minor}"));
    match link.ok().as_deref().and_then(Path::file_name) {
        Some(name) => {
            let name = name.to_string_lossy().replace('!', "/");
            say_out(&format!("/dev/{name} /"));
            0
        }
        None => {
            say("rdev", "the root is on no device");
            1
        }
    }
}

/// `eject`
pub fn eject(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "eject",
        letters: "tTs",
        long: &[("trayclose", 't'), ("traytoggle", 'T'), ("scsi", 's')],
    };
    match options.take(arguments, 0, 1) {
        Ok(given) => status("eject", move_tray(&given)),
        Err(status) => status,
    }
}

fn move_tray(given: &Given) -> io::Result<i32> {
    /// What `CDROM_DRIVE_STATUS` says of an open tray.
    const OPEN: i32 = 2;
    let path = given
        .operands
        .first()
        .map_or(OsStr::new("/dev/cdrom"), OsString::as_os_str);
    let told = |error: io::Error| about(path, &error);
    // The drive, whether or not there is a medium in it.
    let device = OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .map_err(told)?;
    let close = given.has('t')
        || given.has('T') && number(&device, Number::CDROM_DRIVE_STATUS, 0).map_err(told)? == OPEN;
    let request = if close {
        Number::CDROMCLOSETRAY
    } else {
        Number::CDROMEJECT
    };
    number(&device, request, 0).map_err(told)?;
    Ok(0)
}

/// `volname`
pub fn volname(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "volname",
        letters: "",
        long: &[],
    };
    let given = match options.take(arguments, 0, 1) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let path = given
        .operands
        .first()
        .map_or(OsStr::new("/dev/cdrom"), OsString::as_os_str);
    // The name in the volume descriptor of ISO 9660.
    let mut name = [0; 32];
    let read = File::open(path).and_then(|file| file.read_exact_at(&mut name, 32808));
    match read {
        Ok(()) => {
            let mut out = Output::new();
            out.put(&name);
            out.put_byte(b'\n');
            out.finish("volname", 0, 1)
        }
        Err(error) => {
            complain("volname", path, &error);
            1
        }
    }
}

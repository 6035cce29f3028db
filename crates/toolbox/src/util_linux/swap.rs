//! `swapon`, `swapoff` (swapon(8)) and `mkswap`.

use crate::common::lines::{Output, complain};
use crate::common::mounts;
use crate::common::options::Options;
use crate::common::volumes;
use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

pub const ON_USAGE: &str = "[-a] [-d] [-p PRIORITY] [-s] [file or device]...

-a  all that fstab names    -d  discard what is freed    -e  not there: no error
-p  higher ones are used first, 0 to 32767    -s  print what is in use";
pub const OFF_USAGE: &str = "[-a] [file or device]...

-a  all that is in use";
pub const MAKE_USAGE: &str = "[-L LABEL] file or device

-L  the label";

const PREFER: i32 = 0x8000;
const DISCARD: i32 = 0x1_0000;

/// `swapon`
pub fn on(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "swapon",
        letters: "adep:s",
        long: &[
            ("all", 'a'),
            ("discard", 'd'),
            ("priority", 'p'),
            ("summary", 's'),
        ],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if given.has('s') || (given.operands.is_empty() && !given.has('a')) {
        let mut out = Output::new();
        match std::fs::read("/proc/swaps") {
            Ok(text) => out.put(&text),
            Err(error) => {
                complain("swapon", OsStr::new("/proc/swaps"), &error);
                return 1;
            }
        }
        return out.finish("swapon", 0, 1);
    }
    let Some(mut flags) = flags(given.value('p')) else {
        return options.wrong("the priority is 0 to 32767");
    };
    if given.has('d') {
        flags |= DISCARD;
    }
    let mut status = 0;
    let mut begin = |word: &OsStr, flags: i32, optional: bool| {
        let done = volumes::resolve(word)
            .ok_or_else(|| io::Error::from_raw_os_error(2))
            .and_then(|path| sys::kernel::swap_on(&path, flags));
        match done {
            Err(error) if optional && error.raw_os_error() == Some(2) => {}
            Err(error) => {
                complain("swapon", word, &error);
                status = 1;
            }
            Ok(()) => {}
        }
    };
    if given.has('a') {
        let used = in_use();
        for entry in mounts::read(Path::new("/etc/fstab")).unwrap_or_default() {
            let path = volumes::resolve(&entry.source);
            if entry.kind != "swap"
                || entry.has("noauto")
                || path.is_some_and(|path| used.iter().any(|known| Path::new(known) == path))
            {
                continue;
            }
            let mut own = flags;
            for word in entry.options.as_bytes().split(|byte| *byte == b',') {
                if let Some(number) = word.strip_prefix(b"pri=") {
                    own |= self::flags(Some(OsStr::from_bytes(number))).unwrap_or(0);
                } else if word.starts_with(b"discard") {
                    own |= DISCARD;
                }
            }
            begin(&entry.source, own, entry.has("nofail") || given.has('e'));
        }
    }
    for word in &given.operands {
        begin(word, flags, given.has('e'));
    }
    status
}

fn flags(priority: Option<&OsStr>) -> Option<i32> {
    match priority {
        None => Some(0),
        Some(text) => match text.to_str()?.parse() {
            Ok(number @ 0..=0x7fff) => Some(PREFER | number),
            _ => None,
        },
    }
}

/// What the kernel swaps to.
fn in_use() -> Vec<OsString> {
    std::fs::read("/proc/swaps")
        .unwrap_or_default()
        .split(|byte| *byte == b'\n')
        .skip(1)
        .filter_map(|line| line.split(u8::is_ascii_whitespace).next())
        .filter(|word| !word.is_empty())
        .map(|word| OsStr::from_bytes(word).to_owned())
        .collect()
}

/// `swapoff`
pub fn off(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "swapoff",
        letters: "ae",
        long: &[("all", 'a')],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let mut words = given.operands.clone();
    if given.has('a') {
        words = in_use();
    } else if words.is_empty() {
        return options.wrong("missing operand");
    }
    let mut status = 0;
    for word in words {
        let done = volumes::resolve(&word)
            .ok_or_else(|| io::Error::from_raw_os_error(2))
            .and_then(|path| sys::init::swap_off(&path));
        if let Err(error) = done {
            complain("swapoff", &word, &error);
            status = 1;
        }
    }
    status
}

/// `mkswap`: writes the header that the kernel looks for (version 1, pages of 4 KiB).
pub fn make(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "mkswap",
        letters: "L:",
        long: &[("label", 'L')],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 1, 1) {
        return status;
    }
    let Some(word) = given.operands.first() else {
        return 1;
    };
    match write_header(Path::new(word), given.value('L')) {
        Ok((pages, uuid)) => {
            let mut out = Output::new();
            let size = pages * 4096;
            out.put(
                format!("Setting up swapspace version 1, size = {size} bytes\nUUID={uuid}\n")
                    .as_bytes(),
            );
            out.finish("mkswap", 0, 1)
        }
        Err(error) => {
            complain("mkswap", word, &error);
            1
        }
    }
}

fn write_header(path: &Path, label: Option<&OsStr>) -> io::Result<(u64, String)> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let pages = file.seek(SeekFrom::End(0))? / 4096;
    if pages < 10 {
        return Err(io::Error::other("too small: at least 40 KiB are needed"));
    }
    let mut uuid = [0_u8; 16];
    rustix::rand::getrandom(&mut uuid, rustix::rand::GetRandomFlags::empty())?;
    // RFC 9562: version 4, variant 1.
    uuid[6] = uuid[6] & 0x0f | 0x40;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    let mut page = header(pages, &uuid, label.map(OsStr::as_bytes).unwrap_or_default());
    // The boot sector before it is not ours.
    let tail = page.split_off(1024);
    file.seek(SeekFrom::Start(1024))?;
    file.write_all(&tail)?;
    file.sync_all()?;
    let mut text = String::new();
    for (at, byte) in uuid.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        sys::superblock::hex(&mut text, *byte, b"0123456789abcdef");
    }
    Ok((pages, text))
}

/// The first page of a swap area (`union swap_header` of the kernel).
fn header(pages: u64, uuid: &[u8; 16], label: &[u8]) -> Vec<u8> {
    let mut page = vec![0; 4096];
    let last = u32::try_from(pages - 1).unwrap_or(u32::MAX);
    let mut put = |at: usize, bytes: &[u8]| {
        for (to, from) in page.iter_mut().skip(at).zip(bytes) {
            *to = *from;
        }
    };
    put(1024, &1_u32.to_ne_bytes());
    put(1028, &last.to_ne_bytes());
    put(1036, uuid);
    put(1052, label.get(..16).unwrap_or(label));
    put(4086, b"SWAPSPACE2");
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_recognised() {
        let page = header(100, &[7; 16], b"my swap");
        let found = sys::superblock::probe(&page).unwrap();
        assert_eq!(found.kind, "swap");
        assert_eq!(found.label.as_deref(), Some("my swap"));
        assert_eq!(page[1028], 99);
    }

    #[test]
    fn priorities() {
        assert_eq!(flags(None), Some(0));
        assert_eq!(flags(Some(OsStr::new("5"))), Some(PREFER | 5));
        assert_eq!(flags(Some(OsStr::new("-1"))), None);
        assert_eq!(flags(Some(OsStr::new("40000"))), None);
    }
}

//! `stat`, `df`, `du`.

use crate::common::accounts::Accounts;
use crate::common::calendar;
use crate::common::lines::{Output, complain, say};
use crate::common::mounts;
use crate::common::options::Options;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

pub const USAGE: &str = "[-Lft] [-c FORMAT] file...

-L  what links lead to    -f  the file system    -t  in one line
-c  %n name %N with its target %s size %b blocks %B of bytes %a %A mode %f raw mode %F kind %u %U owner
    %g %G group %i inode %h links %d %D device %t %T device's numbers %m mount
    %x %X read %y %Y changed %z %Z status changed %w %W made; with -f: %a %b %c %d %f %i %l %n %s %S %t %T";
pub const DF_USAGE: &str = "[-PkhmaTi] [-t TYPE] [file...]

-k  KiB (the usual)    -m  MiB    -h  the fitting unit    -P  a line each    -T  types    -i  inodes
-a  those of no size, too    -t  only this type";
pub const DU_USAGE: &str = "[-aschkmLHxld] [-d DEPTH] [file...]

-a  files, too    -s  only the operands    -c  a total    -h  the fitting unit    -k KiB    -m MiB    -b  bytes
-L  follow links    -H  those named    -x  one file system    -l  count links again    -d  so deep";

fn mode_text(meta: &Metadata) -> String {
    let mode = meta.mode();
    let kind = meta.file_type();
    let mut text = String::from(if kind.is_dir() {
        "d"
    } else if kind.is_symlink() {
        "l"
    } else if kind.is_char_device() {
        "c"
    } else if kind.is_block_device() {
        "b"
    } else if kind.is_fifo() {
        "p"
    } else if kind.is_socket() {
        "s"
    } else {
        "-"
    });
    for (shift, special, set, unset) in [
        (6, 0o4000, 's', 'S'),
        (3, 0o2000, 's', 'S'),
        (0, 0o1000, 't', 'T'),
    ] {
        let bits = mode >> shift & 7;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (mode & special != 0, bits & 1 != 0) {
            (true, true) => set,
            (true, false) => unset,
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

fn kind_text(meta: &Metadata) -> &'static str {
    let kind = meta.file_type();
    if kind.is_dir() {
        "directory"
    } else if kind.is_symlink() {
        "symbolic link"
    } else if kind.is_char_device() {
        "character special file"
    } else if kind.is_block_device() {
        "block special file"
    } else if kind.is_fifo() {
        "fifo"
    } else if kind.is_socket() {
        "socket"
    } else if meta.len() == 0 {
        "regular empty file"
    } else {
        "regular file"
    }
}

fn time_text(seconds: i64, nanoseconds: i64) -> String {
    let offset = sys::kernel::local_offset(seconds);
    let at = calendar::moment(seconds + offset);
    let sign = if offset < 0 { '-' } else { '+' };
    let minutes = offset.abs() / 60;
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{nanoseconds:09} {sign}{:02}{:02}",
        at.year,
        at.month,
        at.day,
        at.hour,
        at.minute,
        at.second,
        minutes / 60,
        minutes % 60
    )
}

struct Names {
    accounts: Accounts,
}

impl Names {
    fn user(&self, uid: u32) -> String {
        let user = self.accounts.user_by_id(uid).ok().flatten();
        user.map_or_else(
            || "UNKNOWN".to_owned(),
            |user| String::from_utf8_lossy(&user.name).into_owned(),
        )
    }

    fn group(&self, gid: u32) -> String {
        let groups = self.accounts.groups().unwrap_or_default();
        groups
            .into_iter()
            .find(|group| group.gid == gid)
            .map_or_else(
                || "UNKNOWN".to_owned(),
                |group| String::from_utf8_lossy(&group.name).into_owned(),
            )
    }
}

/// `stat`
pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "stat",
        letters: "Lftc:",
        long: &[
            ("dereference", 'L'),
            ("file-system", 'f'),
            ("terse", 't'),
            ("format", 'c'),
        ],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 1, usize::MAX) {
        return status;
    }
    let names = Names {
        accounts: Accounts::system(),
    };
    let mut out = Output::new();
    let mut status = 0;
    for word in &given.operands {
        let path = Path::new(word);
        let text = if given.has('f') {
            file_system(path, given.value('c'), given.has('t'))
        } else {
            let meta = if given.has('L') {
                path.metadata()
            } else {
                path.symlink_metadata()
            };
            meta.map(|meta| match given.value('c') {
                Some(format) => {
                    let mut text = filled(format.as_bytes(), &mut |letter| of_file(path, &meta, letter, &names));
                    text.push(b'\n');
                    text
                }
                None => {
                    let format: &[u8] = if given.has('t') {
                        b"%n %s %b %f %u %g %D %i %h %t %T %X %Y %Z %B\n"
                    } else {
                        b"  File: %N\n  Size: %s\tBlocks: %b\tIO Block: %o\t%F\nDevice: %Dh/%dd\tInode: %i\tLinks: %h\nAccess: (0%a/%A)  Uid: (%u/%U)   Gid: (%g/%G)\nAccess: %x\nModify: %y\nChange: %z\n"
                    };
                    filled(format, &mut |letter| of_file(path, &meta, letter, &names))
                }
            })
        };
        match text {
            Ok(text) => out.put(&text),
            Err(error) => {
                complain("stat", word, &error);
                status = 1;
            }
        }
    }
    out.finish("stat", status, 1)
}

/// A format with its `%x` filled in; the C escapes of `\n` and `\t`, too.
fn filled(format: &[u8], fill: &mut dyn FnMut(u8) -> Option<String>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = format;
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        match (*byte, behind.split_first()) {
            (b'%', Some((b'%', more))) => {
                out.push(b'%');
                rest = more;
            }
            (b'%', Some((letter, more))) => {
                match fill(*letter) {
                    Some(text) => out.extend_from_slice(text.as_bytes()),
                    None => out.push(b'?'),
                }
                rest = more;
            }
            _ => out.push(*byte),
        }
    }
    out
}

fn of_file(path: &Path, meta: &Metadata, letter: u8, names: &Names) -> Option<String> {
    Some(match letter {
        b'n' => path.display().to_string(),
        b'N' => match fs::read_link(path) {
            Ok(target) if meta.is_symlink() => {
                format!("'{}' -> '{}'", path.display(), target.display())
            }
            _ => path.display().to_string(),
        },
        b's' => meta.len().to_string(),
        b'b' => meta.blocks().to_string(),
        b'B' => "512".to_owned(),
        b'o' => meta.blksize().to_string(),
        b'a' => format!("{:o}", meta.mode() & 0o7777),
        b'A' => mode_text(meta),
        b'f' => format!("{:x}", meta.mode()),
        b'F' => kind_text(meta).to_owned(),
        b'u' => meta.uid().to_string(),
        b'U' => names.user(meta.uid()),
        b'g' => meta.gid().to_string(),
        b'G' => names.group(meta.gid()),
        b'i' => meta.ino().to_string(),
        b'h' => meta.nlink().to_string(),
        b'd' => meta.dev().to_string(),
        b'D' => format!("{:x}", meta.dev()),
        b't' => format!("{:x}", rustix::fs::major(meta.rdev())),
        b'T' => format!("{:x}", rustix::fs::minor(meta.rdev())),
        b'm' => mount_of(path).map_or_else(|| "?".to_owned(), |path| path.display().to_string()),
        b'x' => time_text(meta.atime(), meta.atime_nsec()),
        b'X' => meta.atime().to_string(),
        b'y' => time_text(meta.mtime(), meta.mtime_nsec()),
        b'Y' => meta.mtime().to_string(),
        b'z' => time_text(meta.ctime(), meta.ctime_nsec()),
        b'Z' => meta.ctime().to_string(),
        b'w' => "-".to_owned(),
        b'W' => "0".to_owned(),
        _ => return None,
    })
}

/// The folder that the file system of a path is mounted at.
fn mount_of(path: &Path) -> Option<PathBuf> {
    let mut at = path.canonicalize().ok()?;
    let device = at.metadata().ok()?.dev();
    while let Some(parent) = at.parent() {
        if parent.metadata().ok()?.dev() != device {
            break;
        }
        at = parent.to_owned();
    }
    Some(at)
}

fn file_system(path: &Path, format: Option<&OsStr>, terse: bool) -> io::Result<Vec<u8>> {
    let stat = rustix::fs::statfs(path)?;
    let kind = kind_of_magic(stat.f_type.cast_unsigned());
    let mut fill = |letter: u8| {
        Some(match letter {
            b'n' => path.display().to_string(),
            b'i' => "0".to_owned(),
            b'l' => "255".to_owned(),
            b't' => format!("{:x}", stat.f_type),
            b'T' => kind.clone(),
            b's' | b'S' => stat.f_bsize.to_string(),
            b'b' => stat.f_blocks.to_string(),
            b'f' => stat.f_bfree.to_string(),
            b'a' => stat.f_bavail.to_string(),
            b'c' => stat.f_files.to_string(),
            b'd' => stat.f_ffree.to_string(),
            _ => return None,
        })
    };
    Ok(match format {
        Some(format) => {
            let mut text = filled(format.as_bytes(), &mut fill);
            text.push(b'\n');
            text
        }
        None if terse => filled(b"%n %i %l %t %s %S %b %f %a %c %d\n", &mut fill),
        None => filled(
            b"  File: \"%n\"\n    ID: %i Namelen: %l     Type: %T\nBlock size: %s\nBlocks: Total: %b Free: %f Available: %a\nInodes: Total: %c Free: %d\n",
            &mut fill,
        ),
    })
}

fn kind_of_magic(magic: u64) -> String {
    match magic & 0xffff_ffff {
        0xef53 => "ext2/ext3".to_owned(),
        0x0102_1994 => "tmpfs".to_owned(),
        0x794c_7630 => "overlayfs".to_owned(),
        0x9fa0 => "proc".to_owned(),
        0x6265_6572 => "sysfs".to_owned(),
        0x4d44 => "msdos".to_owned(),
        0x7371_7368 => "squashfs".to_owned(),
        0x9123_683e => "btrfs".to_owned(),
        0x5846_5342 => "xfs".to_owned(),
        0x6367_7270 => "cgroup2fs".to_owned(),
        0x1cd1 => "devpts".to_owned(),
        0x9660 => "isofs".to_owned(),
        other => format!("UNKNOWN ({other:x})"),
    }
}

/// `1.5M`
fn human(bytes: u64) -> String {
    let (mut value, mut unit) = (bytes, 0);
    let mut rest = 0;
    while value >= 1024 && unit < 6 {
        rest = value % 1024;
        value /= 1024;
        unit += 1;
    }
    let letter = ["", "K", "M", "G", "T", "P", "E"]
        .get(unit)
        .copied()
        .unwrap_or("");
    if unit == 0 {
        return value.to_string();
    }
    let tenth = (rest * 10 + 512) / 1024;
    let (value, tenth) = if tenth == 10 {
        (value + 1, 0)
    } else {
        (value, tenth)
    };
    if value >= 100 {
        format!("{}{letter}", value + u64::from(tenth >= 5))
    } else {
        format!("{value}.{tenth}{letter}")
    }
}

/// `df`
pub fn df(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "df",
        letters: "PkhmHaTit:B:",
        long: &[
            ("human-readable", 'h'),
            ("all", 'a'),
            ("print-type", 'T'),
            ("inodes", 'i'),
            ("type", 't'),
            ("portability", 'P'),
        ],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let table = match mounts::mounted() {
        Ok(table) => table,
        Err(error) => {
            complain("df", OsStr::new("/proc/self/mounts"), &error);
            return 1;
        }
    };
    let mut status = 0;
    let mut chosen: Vec<&mounts::Entry> = Vec::new();
    if given.operands.is_empty() {
        for (at, entry) in table.iter().enumerate() {
            // What something else is mounted over cannot be seen.
            let hidden = table
                .iter()
                .skip(at + 1)
                .any(|later| later.target == entry.target);
            if !hidden {
                chosen.push(entry);
            }
        }
    }
    for word in &given.operands {
        let path = Path::new(word);
        let found = path.metadata().map(|_| {
            // A device stands for what is mounted from it.
            let as_device = table
                .iter()
                .rev()
                .find(|entry| entry.source == *word && word.as_bytes().starts_with(b"/dev/"));
            as_device.or_else(|| {
                let at = mount_of(path)?;
                table
                    .iter()
                    .rev()
                    .find(|entry| Path::new(&entry.target) == at)
            })
        });
        match found {
            Ok(Some(entry)) => chosen.push(entry),
            Ok(None) => {
                say("df", format!("{}: can't find mount point", word.display()));
                status = 1;
            }
            Err(error) => {
                complain("df", word, &error);
                status = 1;
            }
        }
    }
    let unit: u64 = if given.has('m') { 1 << 20 } else { 1024 };
    let mut rows: Vec<Vec<String>> = Vec::new();
    let last = match given.has('i') {
        true => ["Inodes", "Used", "Available", "Use%"],
        false => [
            if given.has('h') || given.has('H') {
                "Size"
            } else if given.has('m') {
                "1M-blocks"
            } else if given.has('P') {
                "1024-blocks"
            } else {
                "1K-blocks"
            },
            "Used",
            "Available",
            if given.has('P') { "Capacity" } else { "Use%" },
        ],
    };
    let mut head = vec!["Filesystem".to_owned()];
    if given.has('T') {
        head.push("Type".to_owned());
    }
    head.extend(last.map(str::to_owned));
    head.push("Mounted on".to_owned());
    rows.push(head);
    for entry in chosen {
        if given.value('t').is_some_and(|kind| kind != entry.kind) {
            continue;
        }
        let stat = match rustix::fs::statvfs(&entry.target) {
            Ok(stat) => stat,
            Err(error) => {
                // What is another user's is passed over, unless it was named.
                if !given.operands.is_empty() {
                    complain("df", &entry.target, &error.into());
                    status = 1;
                }
                continue;
            }
        };
        if stat.f_blocks == 0 && !given.has('a') && given.operands.is_empty() {
            continue;
        }
        let (total, free, available, size) = if given.has('i') {
            (stat.f_files, stat.f_ffree, stat.f_favail, 1)
        } else {
            (stat.f_blocks, stat.f_bfree, stat.f_bavail, stat.f_frsize)
        };
        let used = total.saturating_sub(free);
        let percent = match used + available {
            0 => "0%".to_owned(),
            all => format!("{}%", (used * 100).div_ceil(all)),
        };
        let amount = |blocks: u64| {
            let bytes = u128::from(blocks) * u128::from(size);
            let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
            if given.has('i') {
                blocks.to_string()
            } else if given.has('h') || given.has('H') {
                human(bytes)
            } else {
                (bytes / unit).to_string()
            }
        };
        let mut row = vec![entry.source.to_string_lossy().into_owned()];
        if given.has('T') {
            row.push(entry.kind.to_string_lossy().into_owned());
        }
        row.extend([amount(total), amount(used), amount(available), percent]);
        row.push(entry.target.to_string_lossy().into_owned());
        rows.push(row);
    }
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|at| {
            rows.iter()
                .filter_map(|row| row.get(at))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let text_columns = if given.has('T') { 2 } else { 1 };
    let mut out = Output::new();
    for row in rows {
        let mut line = String::new();
        for (at, cell) in row.iter().enumerate() {
            let width = widths.get(at).copied().unwrap_or(0);
            if at + 1 == columns {
                line.push_str(cell);
            } else if at < text_columns {
                let width = if at == 0 { width.max(20) } else { width };
                line.push_str(&format!("{cell:<width$} "));
            } else {
                let width = width.max(9);
                line.push_str(&format!("{cell:>width$} "));
            }
        }
        line.push('\n');
        out.put(line.as_bytes());
    }
    out.finish("df", status, 1)
}

struct Usage<'a> {
    given: &'a crate::common::options::Given,
    depth: usize,
    seen: HashSet<(u64, u64)>,
    out: Output,
    status: i32,
}

/// `du`
pub fn du(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "du",
        letters: "aschkmbLHxld:",
        long: &[
            ("all", 'a'),
            ("summarize", 's'),
            ("total", 'c'),
            ("human-readable", 'h'),
            ("bytes", 'b'),
            ("max-depth", 'd'),
            ("one-file-system", 'x'),
            ("dereference", 'L'),
            ("count-links", 'l'),
        ],
    };
    let mut given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let depth = match given
        .value('d')
        .map(|text| text.to_str().and_then(|text| text.parse().ok()))
    {
        None => usize::MAX,
        Some(Some(depth)) => depth,
        Some(None) => return options.wrong("invalid depth"),
    };
    if given.operands.is_empty() {
        given.operands.push(".".into());
    }
    let mut usage = Usage {
        given: &given,
        depth: if given.has('s') { 0 } else { depth },
        seen: HashSet::new(),
        out: Output::new(),
        status: 0,
    };
    let mut total = 0;
    for word in &given.operands {
        total += usage.walk(Path::new(word), 0, None);
    }
    if given.has('c') {
        usage.print(total, Path::new("total"));
    }
    usage.out.finish("du", usage.status, 1)
}

impl Usage<'_> {
    fn print(&mut self, bytes: u64, path: &Path) {
        let amount = if self.given.has('b') {
            bytes.to_string()
        } else if self.given.has('h') {
            human(bytes)
        } else if self.given.has('m') {
            bytes.div_ceil(1 << 20).to_string()
        } else {
            bytes.div_ceil(1024).to_string()
        };
        self.out.put(amount.as_bytes());
        self.out.put(b"\t");
        self.out.put(path.as_os_str().as_bytes());
        self.out.put(b"\n");
    }

    /// What a path takes in bytes, with all below it.
    fn walk(&mut self, path: &Path, depth: usize, device: Option<u64>) -> u64 {
        let follow = self.given.has('L') || self.given.has('H') && depth == 0;
        let meta = if follow {
            path.metadata()
        } else {
            path.symlink_metadata()
        };
        let meta = match meta {
            Ok(meta) => meta,
            Err(error) => {
                complain("du", path.as_os_str(), &error);
                self.status = 1;
                return 0;
            }
        };
        if self.given.has('x') && device.is_some_and(|device| device != meta.dev()) {
            return 0;
        }
        let again =
            (meta.nlink() > 1 || meta.is_dir()) && !self.seen.insert((meta.dev(), meta.ino()));
        if again && (!self.given.has('l') || meta.is_dir()) {
            return 0;
        }
        let mut bytes = if self.given.has('b') {
            meta.len()
        } else {
            meta.blocks() * 512
        };
        if meta.is_dir() {
            match fs::read_dir(path) {
                Ok(entries) => {
                    let mut names: Vec<OsString> =
                        entries.flatten().map(|entry| entry.file_name()).collect();
                    names.sort();
                    for name in names {
                        bytes += self.walk(&path.join(name), depth + 1, Some(meta.dev()));
                    }
                }
                Err(error) => {
                    complain("du", path.as_os_str(), &error);
                    self.status = 1;
                }
            }
        }
        if depth == 0 || depth <= self.depth && (meta.is_dir() || self.given.has('a')) {
            self.print(bytes, path);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_for_people() {
        for (bytes, text) in [
            (0, "0"),
            (1023, "1023"),
            (1024, "1.0K"),
            (1536, "1.5K"),
            (1_048_575, "1024K"),
            (5 << 30, "5.0G"),
        ] {
            assert_eq!(human(bytes), text);
        }
    }
}

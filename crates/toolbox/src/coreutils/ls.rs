//! `ls` (POSIX.1-2024): `-1 -a -A -d -l -n -h -i -s -F -p -r -t -S -R -L -C`, and colours with `--color`.

use crate::common::lines::{Output, complain};
use crate::common::options::{Given, Options};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

pub const USAGE: &str = "[-1aAdlnhisFprtSRLC] [--color[=WHEN]] [file...]

-1  a name a line             -C  in columns
-a  hidden names too          -A  the same without . and ..
-d  folders themselves        -R  folders below too
-l  all about each            -n  the same with numbers for owners
-h  sizes for people          -i  inode numbers    -s  blocks taken
-F  a mark for the kind       -p  a mark for folders
-t  newest first   -S  largest first   -r  the other way round
-L  follow links";

struct Item {
    name: OsString,
    path: PathBuf,
    meta: Metadata,
}

struct Lister {
    given: Given,
    out: Output,
    colour: bool,
    names: HashMap<(bool, u32), String>,
    status: i32,
    first: bool,
    width: usize,
}

pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "ls",
        letters: "1aAdlnhisFprtSRLCx",
        long: &[
            ("all", 'a'),
            ("almost-all", 'A'),
            ("human-readable", 'h'),
            ("recursive", 'R'),
            ("reverse", 'r'),
        ],
    };
    let (colours, rest): (Vec<OsString>, Vec<OsString>) = arguments
        .iter()
        .cloned()
        .partition(|word| word == "--color" || word.as_bytes().starts_with(b"--color="));
    let mut given = match options.parse(&rest) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let mut operands = std::mem::take(&mut given.operands);
    if operands.is_empty() {
        operands.push(".".into());
    }
    let out = Output::new();
    let colour = match colours.last().map(|word| word.as_bytes()) {
        Some(b"--color=never") | None => false,
        Some(b"--color=always" | b"--color") => true,
        Some(_) => out.is_terminal(),
    };
    let width = usize::from(sys::tty::size(1).0);
    let mut lister = Lister {
        given,
        out,
        colour,
        names: HashMap::new(),
        status: 0,
        first: true,
        width,
    };
    lister.operands(operands);
    let status = lister.status;
    lister.out.finish("ls", status, 1)
}

impl Lister {
    fn has(&self, letter: char) -> bool {
        self.given.has(letter)
    }

    fn long(&self) -> bool {
        self.has('l') || self.has('n')
    }

    fn item(&mut self, name: OsString, path: PathBuf, operand: bool) -> Option<Item> {
        // A link that is named is followed, unless it would hide what -l and -d are asked about.
        let follow = self.has('L') || (operand && !self.long() && !self.has('d') && !self.has('F'));
        let meta = if follow {
            path.metadata().or_else(|_| path.symlink_metadata())
        } else {
            path.symlink_metadata()
        };
        match meta {
            Ok(meta) => Some(Item { name, path, meta }),
            Err(error) => {
                complain("ls", path.as_os_str(), &error);
                self.status = 1;
                None
            }
        }
    }

    fn operands(&mut self, operands: Vec<OsString>) {
        let many = operands.len() > 1;
        let items: Vec<Item> = operands
            .into_iter()
            .filter_map(|name| self.item(name.clone(), PathBuf::from(name), true))
            .collect();
        let (mut folders, mut files): (Vec<Item>, Vec<Item>) = items
            .into_iter()
            .partition(|item| item.meta.is_dir() && !self.has('d'));
        self.sort(&mut files);
        self.sort(&mut folders);
        if !files.is_empty() {
            self.print(&files, false);
            self.first = false;
        }
        for folder in folders {
            self.folder(&folder.path, many || self.has('R'));
        }
    }

    fn folder(&mut self, path: &Path, titled: bool) {
        // Trees are walked with a list of what is to come: they may be deep.
        let mut open = vec![path.to_owned()];
        while let Some(path) = open.pop() {
            let mut entries = match std::fs::read_dir(&path) {
                Ok(entries) => entries,
                Err(error) => {
                    complain("ls", path.as_os_str(), &error);
                    self.status = 1;
                    continue;
                }
            };
            let mut names: Vec<OsString> = Vec::new();
            if self.has('a') {
                names.extend([".".into(), "..".into()]);
            }
            for entry in entries.by_ref() {
                match entry {
                    Ok(entry) => names.push(entry.file_name()),
                    Err(error) => {
                        complain("ls", path.as_os_str(), &error);
                        self.status = 1;
                    }
                }
            }
            let hidden = self.has('a') || self.has('A');
            names.retain(|name| hidden || name.as_bytes().first() != Some(&b'.'));
            let mut items: Vec<Item> = names
                .into_iter()
                .filter_map(|name| self.item(name.clone(), path.join(name), false))
                .collect();
            // Open until here: in /proc/self/fd it is an entry of its own.
            drop(entries);
            self.sort(&mut items);
            if titled {
                let gap = if self.first { "" } else { "\n" };
                self.out
                    .put(format!("{gap}{}:\n", path.display()).as_bytes());
            }
            self.first = false;
            self.print(&items, true);
            if self.has('R') {
                let below = items
                    .iter()
                    .rev()
                    .filter(|item| item.meta.is_dir() && item.name != "." && item.name != "..");
                open.extend(below.map(|item| item.path.clone()));
            }
            if self.out.failed() {
                return;
            }
        }
    }

    fn sort(&self, items: &mut [Item]) {
        let newest = |item: &Item| (item.meta.mtime(), item.meta.mtime_nsec());
        items.sort_by(|a, b| {
            let order = match self.given.last_of("tS") {
                Some('t') => newest(b).cmp(&newest(a)),
                Some(_) => b.meta.len().cmp(&a.meta.len()),
                None => Ordering::Equal,
            };
            order.then_with(|| a.name.as_bytes().cmp(b.name.as_bytes()))
        });
        if self.has('r') {
            items.reverse();
        }
    }

    fn print(&mut self, items: &[Item], folder: bool) {
        if self.long() {
            return self.print_long(items, folder);
        }
        let names: Vec<(Vec<u8>, usize)> = items.iter().map(|item| self.short(item)).collect();
        let columns =
            (self.has('C') || self.out.is_terminal()) && self.given.last_of("1C") != Some('1');
        let widest = names.iter().map(|(_, width)| *width).max().unwrap_or(0) + 2;
        let across = if columns {
            (self.width / widest).max(1)
        } else {
            1
        };
        let down = names.len().div_ceil(across);
        for row in 0..down {
            for (column, (text, width)) in names.iter().skip(row).step_by(down).enumerate() {
                self.out.put(text);
                if row + (column + 1) * down < names.len() {
                    self.out.put(&b" ".repeat(widest - width));
                }
            }
            self.out.put_byte(b'\n');
        }
    }

    /// The name with its marks, and how wide it shows.
    fn short(&self, item: &Item) -> (Vec<u8>, usize) {
        let mut text = String::new();
        if self.has('i') {
            text.push_str(&format!("{} ", item.meta.ino()));
        }
        if self.has('s') {
            text.push_str(&format!("{} ", item.meta.blocks() / 2));
        }
        let mut bytes = text.into_bytes();
        let shown = self.visible(&item.name);
        let mut width = bytes.len() + String::from_utf8_lossy(&shown).chars().count();
        let colour = if self.colour { colour(&item.meta) } else { "" };
        bytes.extend_from_slice(colour.as_bytes());
        bytes.extend_from_slice(&shown);
        if !colour.is_empty() {
            bytes.extend_from_slice(b"\x1b[m");
        }
        if let Some(mark) = self.mark(&item.meta) {
            bytes.push(mark);
            width += 1;
        }
        (bytes, width)
    }

    /// On a terminal, what would move its cursor shows as a question mark.
    fn visible(&self, name: &OsStr) -> Vec<u8> {
        let bytes = name.as_bytes();
        if !self.out.is_terminal() {
            return bytes.to_vec();
        }
        bytes
            .iter()
            .map(|byte| {
                if *byte < 32 || *byte == 127 {
                    b'?'
                } else {
                    *byte
                }
            })
            .collect()
    }

    fn mark(&self, meta: &Metadata) -> Option<u8> {
        let kind = meta.file_type();
        if kind.is_dir() {
            return (self.has('F') || self.has('p')).then_some(b'/');
        }
        if !self.has('F') {
            return None;
        }
        if kind.is_symlink() {
            Some(b'@')
        } else if kind.is_fifo() {
            Some(b'|')
        } else if kind.is_socket() {
            Some(b'=')
        } else {
            (meta.mode() & 0o111 != 0).then_some(b'*')
        }
    }

    fn print_long(&mut self, items: &[Item], folder: bool) {
        if folder {
            let blocks: u64 = items.iter().map(|item| item.meta.blocks()).sum();
            self.out.put(format!("total {}\n", blocks / 2).as_bytes());
        }
        let mut rows = Vec::new();
        for item in items {
            let meta = &item.meta;
            let size = if meta.file_type().is_char_device() || meta.file_type().is_block_device() {
                format!(
                    "{}, {}",
                    rustix::fs::major(meta.rdev()),
                    rustix::fs::minor(meta.rdev())
                )
            } else if self.has('h') {
                human(meta.len())
            } else {
                meta.len().to_string()
            };
            let (user, group) = (self.owner(false, meta.uid()), self.owner(true, meta.gid()));
            rows.push([meta.nlink().to_string(), user, group, size]);
        }
        let width = |at: usize| {
            rows.iter()
                .filter_map(|row| row.get(at))
                .map(String::len)
                .max()
                .unwrap_or(0)
        };
        let widths = [width(0), width(1), width(2), width(3)];
        for (item, [links, user, group, size]) in items.iter().zip(&rows) {
            let [l, u, g, s] = widths;
            let (name, _) = self.short(item);
            // The number and the blocks that short puts before a name stand before the mode here.
            let line = format!(
                "{} {links:>l$} {user:<u$} {group:<g$} {size:>s$} {} ",
                mode_text(&item.meta),
                crate::common::calendar::short(item.meta.mtime()),
            );
            self.out.put(line.as_bytes());
            self.out.put(&name);
            if item.meta.is_symlink()
                && let Ok(target) = std::fs::read_link(&item.path)
            {
                self.out.put(b" -> ");
                self.out.put(target.as_os_str().as_bytes());
            }
            self.out.put_byte(b'\n');
        }
    }

    fn owner(&mut self, group: bool, id: u32) -> String {
        if self.has('n') {
            return id.to_string();
        }
        if self.names.is_empty() {
            for (group, file) in [(false, "/etc/passwd"), (true, "/etc/group")] {
                for line in std::fs::read_to_string(file).unwrap_or_default().lines() {
                    let mut fields = line.split(':');
                    if let (Some(name), Some(Ok(id))) =
                        (fields.next(), fields.nth(1).map(str::parse))
                    {
                        self.names
                            .entry((group, id))
                            .or_insert_with(|| name.to_owned());
                    }
                }
            }
        }
        self.names
            .get(&(group, id))
            .cloned()
            .unwrap_or_else(|| id.to_string())
    }
}

fn colour(meta: &Metadata) -> &'static str {
    let kind = meta.file_type();
    if kind.is_dir() {
        "\x1b[1;34m"
    } else if kind.is_symlink() {
        "\x1b[1;36m"
    } else if kind.is_char_device() || kind.is_block_device() {
        "\x1b[1;33m"
    } else if kind.is_fifo() || kind.is_socket() {
        "\x1b[1;35m"
    } else if meta.mode() & 0o111 != 0 {
        "\x1b[1;32m"
    } else {
        ""
    }
}

fn mode_text(meta: &Metadata) -> String {
    let kind = meta.file_type();
    let mode = meta.mode();
    let mut text = String::with_capacity(10);
    text.push(if kind.is_dir() {
        'd'
    } else if kind.is_symlink() {
        'l'
    } else if kind.is_char_device() {
        'c'
    } else if kind.is_block_device() {
        'b'
    } else if kind.is_fifo() {
        'p'
    } else if kind.is_socket() {
        's'
    } else {
        '-'
    });
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (bits & 1 != 0, mode & special != 0) {
            (true, true) => letter,
            (false, true) => letter.to_ascii_uppercase(),
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    text
}

fn human(size: u64) -> String {
    if size < 1024 {
        return size.to_string();
    }
    let mut tenths = size * 10 / 1024;
    for unit in ["K", "M", "G", "T", "P"] {
        if tenths < 10_240 {
            return format!("{}.{}{unit}", tenths / 10, tenths % 10);
        }
        tenths /= 1024;
    }
    format!("{}E", tenths / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_for_people() {
        assert_eq!(human(1023), "1023");
        assert_eq!(human(1536), "1.5K");
        assert_eq!(human(5 << 30), "5.0G");
    }
}

//! `lsattr` and `chattr`: the attributes that ext2 brought and others took over.

use crate::common::lines::{Output, complain, other, say};
use crate::common::options::Options;
use crate::common::walk::{self, Entry, Follow, Next, Visitor};
use rustix::fs::{FileType, Mode, OFlags};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use sys::control::{Flat, flat};

pub const LSATTR_USAGE: &str = "[-Radlpv] [FILE...]

-R  what is in folders, too    -a  hidden ones    -d  folders themselves    -l  in words
-p  the project    -v  the generation";
pub const CHATTR_USAGE: &str = "[-R] [-v GENERATION] [-p PROJECT] [-+=AaCcDdEeFIijNPSsTtuV]... FILE...

-R  what is in folders, too    + adds, - removes, = sets just these
A  no access times    a  only appended to    C  no copy on write    c  compressed    D  folder written at once
d  left out of dumps    E  encrypted    e  extents    F  any case    I  indexed    i  immutable    j  journaled
N  within its inode    P  project of its folder    S  written at once    s  wiped    T  top of a tree
t  no tail merging    u  undeletable    V  verity";

/// Letter, bit, words; in the order that they are shown.
const ATTRIBUTES: [(char, u32, &str); 20] = [
    ('s', 0x1, "Secure_Deletion"),
    ('u', 0x2, "Undelete"),
    ('S', 0x8, "Synchronous_Updates"),
    ('D', 0x1_0000, "Synchronous_Directory_Updates"),
    ('i', 0x10, "Immutable"),
    ('a', 0x20, "Append_Only"),
    ('d', 0x40, "No_Dump"),
    ('A', 0x80, "No_Atime"),
    ('c', 0x4, "Compression_Requested"),
    ('E', 0x800, "Encrypted"),
    ('j', 0x4000, "Journaled_Data"),
    ('I', 0x1000, "Indexed_directory"),
    ('t', 0x8000, "No_Tailmerging"),
    ('T', 0x2_0000, "Top_of_Directory_Hierarchies"),
    ('e', 0x8_0000, "Extents"),
    ('C', 0x80_0000, "No_COW"),
    ('F', 0x4000_0000, "Casefold"),
    ('N', 0x1000_0000, "Inline_Data"),
    ('P', 0x2000_0000, "Project_Hierarchy"),
    ('V', 0x10_0000, "Verity"),
];

fn read(fd: &OwnedFd, request: Flat) -> io::Result<u32> {
    // The kernel takes it for a long, and fills only an int.
    let mut bytes = [0; size_of::<usize>()];
    flat(fd, request, &mut bytes)?;
    Ok(sys::net::word(&bytes, 0))
}

fn write(fd: &OwnedFd, request: Flat, value: u32) -> io::Result<()> {
    let mut bytes = [0; size_of::<usize>()];
    for (to, from) in bytes.iter_mut().zip(value.to_ne_bytes()) {
        *to = from;
    }
    flat(fd, request, &mut bytes).map(drop)
}

/// Opens an entry for its attributes; links and devices have none.
fn open(entry: &Entry<'_>) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(
        entry.dir,
        entry.name,
        flags,
        Mode::empty(),
    )?)
}

fn has_attributes(entry: &Entry<'_>) -> bool {
    matches!(entry.kind, FileType::RegularFile | FileType::Directory)
}

fn letters(flags: u32) -> String {
    ATTRIBUTES
        .iter()
        .map(|(letter, bit, _)| if flags & bit != 0 { *letter } else { '-' })
        .collect()
}

fn words(flags: u32) -> String {
    let set: Vec<&str> = ATTRIBUTES
        .iter()
        .filter(|(_, bit, _)| flags & bit != 0)
        .map(|(_, _, words)| *words)
        .collect();
    if set.is_empty() {
        "---".to_owned()
    } else {
        set.join(", ")
    }
}

struct Lister<'a> {
    given: &'a crate::common::options::Given,
    out: Output,
    status: i32,
}

impl Lister<'_> {
    fn line(&self, entry: &Entry<'_>) -> io::Result<Vec<u8>> {
        let fd = open(entry)?;
        let mut line = Vec::new();
        if self.given.has('p') {
            let mut bytes = [0; 28];
            flat(&fd, Flat::FS_GET_XATTR, &mut bytes)?;
            line.extend(format!("{:>5} ", sys::net::word(&bytes, 12)).bytes());
        }
        if self.given.has('v') {
            line.extend(format!("{:<10} ", read(&fd, Flat::FS_GET_VERSION)?).bytes());
        }
        let flags = read(&fd, Flat::FS_GET_FLAGS)?;
        if self.given.has('l') {
            line.extend(entry.path);
            let room = 28_usize.saturating_sub(entry.path.len());
            line.extend(" ".repeat(room + 1).bytes());
            line.extend(words(flags).bytes());
        } else {
            line.extend(letters(flags).bytes());
            line.push(b' ');
            line.extend(entry.path);
        }
        line.push(b'\n');
        Ok(line)
    }
}

impl Visitor for Lister<'_> {
    fn before(&mut self, entry: &Entry<'_>) -> Next {
        let folder = entry.kind == FileType::Directory;
        // A folder that is named stands for what is in it.
        if entry.depth == 0 && folder && !self.given.has('d') {
            return Next::Enter;
        }
        let hidden = entry.name.to_bytes().starts_with(b".");
        if entry.depth > 0 && hidden && !self.given.has('a') {
            return Next::Skip;
        }
        if has_attributes(entry) {
            match self.line(entry) {
                Ok(line) => self.out.put(&line),
                Err(error) => {
                    self.out.flush();
                    let path = OsStr::from_bytes(entry.path).display();
                    complain("lsattr", OsStr::new(&format!("reading {path}")), &error);
                }
            }
        }
        if entry.depth > 0 && folder && self.given.has('R') {
            self.out.put_byte(b'\n');
            self.out.put(entry.path);
            self.out.put(b":\n");
            return Next::Enter;
        }
        Next::Skip
    }

    fn after(&mut self, entry: &Entry<'_>) -> bool {
        if entry.depth > 0 {
            self.out.put_byte(b'\n');
        }
        !self.out.failed()
    }

    fn error(&mut self, path: &[u8], error: &io::Error) {
        self.out.flush();
        let path = OsStr::from_bytes(path).display();
        complain("lsattr", OsStr::new(&format!("can't stat '{path}'")), error);
        self.status = 0;
    }
}

const WALK: walk::Options = walk::Options {
    follow: Follow::Never,
    one_file_system: false,
    sorted: true,
};

/// `lsattr`
pub fn lsattr(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "lsattr",
        letters: "Radlvp",
        long: &[],
    };
    let mut given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let mut roots = std::mem::take(&mut given.operands);
    if roots.is_empty() {
        roots.push(".".into());
    }
    let mut lister = Lister {
        given: &given,
        out: Output::new(),
        status: 0,
    };
    for root in &roots {
        if !walk::walk(root, WALK, &mut lister) {
            break;
        }
    }
    let status = lister.status;
    lister.out.finish("lsattr", status, 1)
}

/// What `chattr` is to do.
#[derive(Debug, Default, PartialEq, Eq)]
struct Change {
    add: u32,
    remove: u32,
    set: Option<u32>,
    generation: Option<u32>,
    project: Option<u32>,
    recursive: bool,
}

struct Changer {
    change: Change,
    status: i32,
}

impl Changer {
    fn apply(&self, entry: &Entry<'_>) -> io::Result<()> {
        let fd = open(entry)?;
        let change = &self.change;
        if let Some(generation) = change.generation {
            write(&fd, Flat::FS_SET_VERSION, generation)?;
        }
        if let Some(project) = change.project {
            let mut bytes = [0; 28];
            flat(&fd, Flat::FS_GET_XATTR, &mut bytes)?;
            if let Some(place) = bytes.get_mut(12..16) {
                place.copy_from_slice(&project.to_ne_bytes());
            }
            flat(&fd, Flat::FS_SET_XATTR, &mut bytes)?;
        }
        if change.set.is_none() && change.add | change.remove == 0 {
            return Ok(());
        }
        let mut flags = match change.set {
            Some(set) => set,
            None => read(&fd, Flat::FS_GET_FLAGS)? & !change.remove | change.add,
        };
        // Only a folder can be written at once as a folder.
        if entry.kind != FileType::Directory {
            flags &= !0x1_0000;
        }
        write(&fd, Flat::FS_SET_FLAGS, flags)
    }
}

impl Visitor for Changer {
    fn before(&mut self, entry: &Entry<'_>) -> Next {
        if has_attributes(entry) {
            if let Err(error) = self.apply(entry) {
                let path = OsStr::from_bytes(entry.path).display();
                complain(
                    "chattr",
                    OsStr::new(&format!("setting flags on {path}")),
                    &error,
                );
                self.status = 1;
            }
        } else if entry.depth == 0 {
            let error = io::Error::from_raw_os_error(95);
            complain("chattr", OsStr::from_bytes(entry.path), &error);
            self.status = 1;
        }
        if self.change.recursive {
            Next::Enter
        } else {
            Next::Skip
        }
    }

    fn after(&mut self, _: &Entry<'_>) -> bool {
        true
    }

    fn error(&mut self, path: &[u8], error: &io::Error) {
        let path = OsStr::from_bytes(path).display();
        complain("chattr", OsStr::new(&format!("can't stat '{path}'")), error);
        self.status = 1;
    }
}

/// The bits of some letters. `None`: one is none.
fn bits(letters: &str) -> Option<u32> {
    let mut all = 0;
    for letter in letters.chars() {
        let (_, bit, _) = ATTRIBUTES.iter().find(|(known, _, _)| *known == letter)?;
        all |= bit;
    }
    Some(all)
}

fn plan(words: &[OsString]) -> io::Result<(Change, Vec<OsString>)> {
    let mut change = Change::default();
    let mut files = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let text = word.to_str().unwrap_or_default();
        let wrong = || other(format!("unrecognized option '{}'", word.display()));
        let mut number = || -> io::Result<Option<u32>> {
            let text = words
                .next()
                .and_then(|word| word.to_str())
                .unwrap_or_default();
            let number = text.parse();
            number
                .map(Some)
                .map_err(|_| other(format!("invalid number '{text}'")))
        };
        match text.split_at_checked(1) {
            _ if text == "--" => {
                files.extend(words.cloned());
                break;
            }
            Some(("-", "R")) => change.recursive = true,
            Some(("-", "v")) => change.generation = number()?,
            Some(("-", "p")) => change.project = number()?,
            Some(("-", letters)) if !letters.is_empty() => {
                let rest: String = letters.chars().filter(|letter| *letter != 'R').collect();
                change.recursive |= rest.len() < letters.len();
                change.remove |= bits(&rest).ok_or_else(wrong)?;
            }
            Some(("+", letters)) => change.add |= bits(letters).ok_or_else(wrong)?,
            Some(("=", letters)) => {
                let set = bits(letters).ok_or_else(wrong)?;
                change.set = Some(change.set.unwrap_or(0) | set);
            }
            _ => {
                files.push(word.clone());
                files.extend(words.cloned());
                break;
            }
        }
    }
    if change.set.is_some() && change.add | change.remove != 0 {
        return Err(other("= is incompatible with - and +"));
    }
    if change.add & change.remove != 0 {
        return Err(other("can't set and unset a flag"));
    }
    let nothing = Change {
        recursive: change.recursive,
        ..Change::default()
    };
    if change == nothing {
        return Err(other("must use -v, -p, =, - or +"));
    }
    if files.is_empty() {
        return Err(other("missing operand"));
    }
    Ok((change, files))
}

/// `chattr`
pub fn chattr(arguments: &[OsString]) -> i32 {
    let (change, files) = match plan(arguments.get(1..).unwrap_or_default()) {
        Ok(plan) => plan,
        Err(error) => {
            say("chattr", error);
            return 1;
        }
    };
    let mut changer = Changer { change, status: 0 };
    for file in &files {
        walk::walk(file, WALK, &mut changer);
    }
    changer.status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_and_words() {
        assert_eq!(letters(0x8_0090), "----i--A------e-----");
        assert_eq!(words(0x8_0080), "No_Atime, Extents");
        assert_eq!(words(0), "---");
        assert_eq!(bits("ia"), Some(0x30));
        assert_eq!(bits("z"), None);
    }

    #[test]
    fn plans() {
        let plan = |words: &[&str]| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            plan(&words)
        };
        let (change, files) = plan(&["-R", "+ai", "-u", "-p", "7", "f", "-x"]).unwrap();
        assert_eq!(
            (change.add, change.remove, change.project),
            (0x30, 2, Some(7))
        );
        assert!(change.recursive);
        assert_eq!(files, ["f", "-x"]);
        assert_eq!(plan(&["=", "f"]).unwrap().0.set, Some(0));
        for bad in [
            &["+z", "f"][..],
            &["+i"],
            &["f"],
            &["+i", "-i", "f"],
            &["=i", "+a", "f"],
            &["-v", "x", "f"],
            &["-R", "f"],
        ] {
            assert!(plan(bad).is_err(), "{bad:?}");
        }
    }
}

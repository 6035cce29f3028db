//! What is mounted (`/proc/self/mounts`), what is to be mounted (`fstab(5)`), and the options of mounts (mount(8)).

use rustix::mount::{MountFlags, MountPropagationFlags};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// A line of either table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The device, or what stands for it.
    pub source: OsString,
    /// The folder.
    pub target: OsString,
    /// The type; `auto` where it is to be found out.
    pub kind: OsString,
    /// Options, with commas between.
    pub options: OsString,
    /// fstab's last field: when it is checked.
    pub pass: u32,
}

impl Entry {
    /// Whether an option is among the entry's.
    pub fn has(&self, option: &str) -> bool {
        self.options
            .as_bytes()
            .split(|byte| *byte == b',')
            .any(|word| word == option.as_bytes())
    }
}

/// Reads a table.
///
/// # Errors
/// The system's error.
pub fn read(path: &Path) -> io::Result<Vec<Entry>> {
    Ok(parse(&std::fs::read(path)?))
}

/// What is mounted, in the order of mounting.
///
/// # Errors
/// The system's error: /proc is not mounted.
pub fn mounted() -> io::Result<Vec<Entry>> {
    read(Path::new("/proc/self/mounts"))
}

fn parse(text: &[u8]) -> Vec<Entry> {
    let mut entries = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        let mut words = line
            .split(|byte| matches!(byte, b' ' | b'\t'))
            .filter(|word| !word.is_empty());
        let Some(source) = words.next().filter(|word| !word.starts_with(b"#")) else {
            continue;
        };
        let Some(target) = words.next() else { continue };
        let kind = words.next().unwrap_or(b"auto");
        let options = words.next().unwrap_or(b"defaults");
        let pass = words
            .nth(1)
            .and_then(|word| std::str::from_utf8(word).ok()?.parse().ok())
            .unwrap_or(0);
        entries.push(Entry {
            source: unescape(source),
            target: unescape(target),
            kind: unescape(kind),
            options: unescape(options),
            pass,
        });
    }
    entries
}

/// `\040` and its like are blanks and such in these tables.
fn unescape(word: &[u8]) -> OsString {
    let mut out = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((byte, behind)) = rest.split_first() {
        if let (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', more @ ..]) =
            (*byte, behind)
        {
            out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
            rest = more;
        } else {
            out.push(*byte);
            rest = behind;
        }
    }
    OsString::from_vec(out)
}

/// Options as the kernel takes them.
#[derive(Clone, Debug)]
pub struct Options {
    /// The flags of mount(2).
    pub flags: MountFlags,
    /// A change of the propagation that follows the mount.
    pub propagation: Option<MountPropagationFlags>,
    /// What only the file system understands.
    pub data: Vec<u8>,
    /// `bind`
    pub bind: bool,
    /// `rbind`
    pub recursive: bool,
    /// `move`
    pub shift: bool,
    /// `remount`
    pub remount: bool,
    /// `loop`, `offset=` or `sizelimit=`: a file is to be shown as a device.
    pub looped: bool,
    /// `offset=`
    pub offset: u64,
    /// `sizelimit=`
    pub limit: u64,
    /// `ro` or `rw` was said.
    pub said_access: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            flags: MountFlags::SILENT,
            propagation: None,
            data: Vec::new(),
            bind: false,
            recursive: false,
            shift: false,
            remount: false,
            looped: false,
            offset: 0,
            limit: 0,
            said_access: false,
        }
    }
}

/// The words that set a flag, and those that clear it.
const FLAGS: &[(&str, MountFlags, bool)] = &[
    ("ro", MountFlags::RDONLY, true),
    ("rw", MountFlags::RDONLY, false),
    ("nosuid", MountFlags::NOSUID, true),
    ("suid", MountFlags::NOSUID, false),
    ("nodev", MountFlags::NODEV, true),
    ("dev", MountFlags::NODEV, false),
    ("noexec", MountFlags::NOEXEC, true),
    ("exec", MountFlags::NOEXEC, false),
    ("sync", MountFlags::SYNCHRONOUS, true),
    ("async", MountFlags::SYNCHRONOUS, false),
    ("dirsync", MountFlags::DIRSYNC, true),
    ("noatime", MountFlags::NOATIME, true),
    ("atime", MountFlags::NOATIME, false),
    ("nodiratime", MountFlags::NODIRATIME, true),
    ("diratime", MountFlags::NODIRATIME, false),
    ("relatime", MountFlags::RELATIME, true),
    ("norelatime", MountFlags::RELATIME, false),
    ("strictatime", MountFlags::STRICTATIME, true),
    ("lazytime", MountFlags::LAZYTIME, true),
    ("nolazytime", MountFlags::LAZYTIME, false),
    ("loud", MountFlags::SILENT, false),
    ("silent", MountFlags::SILENT, true),
];

const PROPAGATION: &[(&str, MountPropagationFlags)] = &[
    ("shared", MountPropagationFlags::SHARED),
    ("private", MountPropagationFlags::PRIVATE),
    ("slave", MountPropagationFlags::DOWNSTREAM),
    ("unbindable", MountPropagationFlags::UNBINDABLE),
];

/// What says something to programs and nothing to the kernel.
const FOR_PROGRAMS: &[&str] = &[
    "defaults", "auto", "noauto", "user", "users", "nouser", "owner", "group", "nofail", "_netdev",
    "nomand", "quiet",
];

impl Options {
    /// Takes words with commas between.
    pub fn add(&mut self, text: &OsStr) {
        for word in text.as_bytes().split(|byte| *byte == b',') {
            let name = std::str::from_utf8(word).unwrap_or("");
            let number = |prefix: &str| name.strip_prefix(prefix).and_then(|n| n.parse().ok());
            if let Some((_, flag, set)) = FLAGS.iter().find(|(known, ..)| *known == name) {
                self.flags.set(*flag, *set);
                self.said_access |= *flag == MountFlags::RDONLY;
            } else if let Some((recursive, flag)) = propagation(name) {
                self.propagation = Some(if recursive {
                    flag | MountPropagationFlags::REC
                } else {
                    flag
                });
            } else if let Some(offset) = number("offset=") {
                (self.offset, self.looped) = (offset, true);
            } else if let Some(limit) = number("sizelimit=") {
                (self.limit, self.looped) = (limit, true);
            } else {
                match name {
                    "bind" => self.bind = true,
                    "rbind" => (self.bind, self.recursive) = (true, true),
                    "move" => self.shift = true,
                    "remount" => self.remount = true,
                    "loop" => self.looped = true,
                    "" if word.is_empty() => {}
                    _ if FOR_PROGRAMS.contains(&name)
                        || ["x-", "comment=", "uhelper="]
                            .iter()
                            .any(|prefix| name.starts_with(prefix)) => {}
                    _ => {
                        if !self.data.is_empty() {
                            self.data.push(b',');
                        }
                        self.data.extend_from_slice(word);
                    }
                }
            }
        }
    }
}

/// `rprivate` and its like: whether it goes for all below, and the flag.
fn propagation(name: &str) -> Option<(bool, MountPropagationFlags)> {
    let (recursive, rest) = match name.strip_prefix('r') {
        Some(rest) if PROPAGATION.iter().any(|(known, _)| *known == rest) => (true, rest),
        _ => (false, name),
    };
    PROPAGATION
        .iter()
        .find(|(known, _)| *known == rest)
        .map(|(_, flag)| (recursive, *flag))
}

/// Whether a type is among those of `-t`: `ext4,vfat`, or `nonfs,proc` for all but these.
pub fn type_matches(kind: &OsStr, list: &OsStr) -> bool {
    let (negated, list) = match list.as_bytes().strip_prefix(b"no") {
        Some(rest) => (true, rest),
        None => (false, list.as_bytes()),
    };
    let found = list.split(|byte| *byte == b',').any(|word| {
        let word = if negated {
            word.strip_prefix(b"no").unwrap_or(word)
        } else {
            word
        };
        word == kind.as_bytes() || !negated && word == b"auto"
    });
    found != negated
}

/// Whether an entry has all options of `-O`; one with `no` before it must not be there.
pub fn options_match(entry: &Entry, list: &OsStr) -> bool {
    list.to_str().is_some_and(|list| {
        list.split(',').all(|word| match word.strip_prefix("no") {
            Some(absent) if !entry.has(word) => !entry.has(absent),
            _ => entry.has(word),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_with_blanks_and_comments() {
        let table =
            parse(b"# c\n\n/dev/vda2 / ext4 rw,noatime 0 1\nLABEL=x\t/a\\040b auto\nbroken\n");
        assert_eq!(table.len(), 2);
        assert_eq!(table[0].pass, 1);
        assert!(table[0].has("noatime") && !table[0].has("time"));
        assert_eq!(table[1].target, "/a b");
        assert_eq!(table[1].options, "defaults");
    }

    #[test]
    fn options_are_flags_words_or_the_file_systems() {
        let mut options = Options::default();
        options.add(OsStr::new(
            "defaults,ro,nosuid,_netdev,mode=0755,x-y,size=1m,rslave",
        ));
        assert!(
            options
                .flags
                .contains(MountFlags::RDONLY | MountFlags::NOSUID)
        );
        assert_eq!(options.data, b"mode=0755,size=1m");
        assert_eq!(
            options.propagation,
            Some(MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)
        );
        options.add(OsStr::new("rw,rbind,offset=512"));
        assert!(!options.flags.contains(MountFlags::RDONLY));
        assert!(options.bind && options.recursive && options.looped && options.offset == 512);
    }

    #[test]
    fn types_and_options_choose() {
        let is = |kind: &str, list: &str| type_matches(OsStr::new(kind), OsStr::new(list));
        assert!(is("ext4", "vfat,ext4") && !is("proc", "ext4"));
        assert!(is("ext4", "nonfs,proc") && !is("proc", "nonfs,proc"));
        let table = parse(b"a /a nfs _netdev,rw\nb /b ext4 rw\n");
        let chosen = |list: &str| -> Vec<bool> {
            table
                .iter()
                .map(|e| options_match(e, OsStr::new(list)))
                .collect()
        };
        assert_eq!(chosen("no_netdev"), [false, true]);
        assert_eq!(chosen("_netdev"), [true, false]);
    }
}

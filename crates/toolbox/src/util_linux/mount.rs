//! `mount` (mount(8)), with BusyBox's options.

use crate::common::lines::{Output, cause, say};
use crate::common::mounts::{self, Entry, Options as Wish};
use crate::common::options::{Given, Options};
use crate::common::volumes;
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags};
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::Command;

pub const USAGE: &str =
    "[-afilnrvw] [-t TYPE] [-o OPTIONS] [-O OPTIONS] [-T FSTAB] [device] [folder]

without arguments: print what is mounted
-a  mount what fstab names, but what says noauto and what is mounted
-t  the type; with -a: only these, or all but these with `no` in front
-O  with -a: only what has these options, or lacks them with `no` in front
-o  options: ro rw nosuid nodev noexec noatime remount bind rbind move loop …
-r  ro    -w  rw    -f  do all but the mount itself    -v  say what is done
-i  do not call /sbin/mount.TYPE    -T  another file instead of /etc/fstab
--bind --rbind --move --make-[r]{shared,private,slave,unbindable}";

const OPTIONS: Options = Options {
    applet: "mount",
    letters: "afilnrsvwBRMt:o:O:T:pPqQuUzZ",
    long: &[
        ("all", 'a'),
        ("fake", 'f'),
        ("verbose", 'v'),
        ("read-only", 'r'),
        ("rw", 'w'),
        ("read-write", 'w'),
        ("types", 't'),
        ("options", 'o'),
        ("test-opts", 'O'),
        ("fstab", 'T'),
        ("no-mtab", 'n'),
        ("internal-only", 'i'),
        ("bind", 'B'),
        ("rbind", 'R'),
        ("move", 'M'),
        ("make-private", 'p'),
        ("make-rprivate", 'P'),
        ("make-shared", 'q'),
        ("make-rshared", 'Q'),
        ("make-slave", 'u'),
        ("make-rslave", 'U'),
        ("make-unbindable", 'z'),
        ("make-runbindable", 'Z'),
    ],
};

/// What the whole command says, beside a single mount.
struct Mounter<'a> {
    given: &'a Given,
}

/// Runs it. Status: 0, 1 for a wrong use, 32 for a mount that failed.
pub fn main(arguments: &[OsString]) -> i32 {
    let given = match OPTIONS.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = OPTIONS.operands(&given, 0, 2) {
        return status;
    }
    let mounter = Mounter { given: &given };
    let wish = mounter.wish();
    let alone = wish.propagation.is_some() || wish.remount;
    match given.operands.as_slice() {
        [] if given.has('a') => mounter.all(),
        [] => list(given.value('t')),
        [target] if alone => mounter.change(target, wish),
        [word] => mounter.named(word),
        [_, target] if wish.remount => mounter.change(target, wish),
        [source, target, ..] => {
            let kind = given.value('t').unwrap_or(OsStr::new("auto"));
            mounter.mount(source, target, kind, wish)
        }
    }
}

fn list(kinds: Option<&OsStr>) -> i32 {
    let table = match mounts::mounted() {
        Ok(table) => table,
        Err(error) => {
            say("mount", format!("/proc/self/mounts: {}", cause(&error)));
            return 1;
        }
    };
    let mut out = Output::new();
    for entry in table {
        if kinds.is_some_and(|kinds| !mounts::type_matches(&entry.kind, kinds)) {
            continue;
        }
        for (text, word) in [
            ("", &entry.source),
            (" on ", &entry.target),
            (" type ", &entry.kind),
            (" (", &entry.options),
        ] {
            out.put(text.as_bytes());
            out.put(word.as_bytes());
        }
        out.put(b")\n");
    }
    out.finish("mount", 0, 1)
}

impl Mounter<'_> {
    /// What the command line says of options.
    fn wish(&self) -> Wish {
        let mut wish = Wish::default();
        for text in self.given.values('o') {
            wish.add(text);
        }
        for (letter, word) in [
            ('r', "ro"),
            ('w', "rw"),
            ('B', "bind"),
            ('R', "rbind"),
            ('M', "move"),
            ('p', "private"),
            ('P', "rprivate"),
            ('q', "shared"),
            ('Q', "rshared"),
            ('u', "slave"),
            ('U', "rslave"),
            ('z', "unbindable"),
            ('Z', "runbindable"),
        ] {
            if self.given.has(letter) {
                wish.add(OsStr::new(word));
            }
        }
        wish
    }

    fn fstab(&self) -> Result<Vec<Entry>, i32> {
        let path = self.given.value('T').unwrap_or(OsStr::new("/etc/fstab"));
        mounts::read(Path::new(path)).map_err(|error| {
            say("mount", format!("{}: {}", path.display(), cause(&error)));
            1
        })
    }

    /// All of fstab.
    fn all(&self) -> i32 {
        let table = match self.fstab() {
            Ok(table) => table,
            Err(status) => return status,
        };
        let mut status = 0;
        for entry in table {
            let skip = entry.has("noauto")
                || entry.kind == "swap"
                || !entry.target.as_bytes().starts_with(b"/")
                || self
                    .given
                    .value('t')
                    .is_some_and(|list| !mounts::type_matches(&entry.kind, list))
                || self
                    .given
                    .value('O')
                    .is_some_and(|list| !mounts::options_match(&entry, list));
            if skip {
                continue;
            }
            let there = mounts::mounted().unwrap_or_default();
            // The root is there under the name that the kernel knows it by.
            if there.iter().any(|known| known.target == entry.target)
                && !entry.has("bind")
                && !entry.has("remount")
            {
                continue;
            }
            let done = self.entry(&entry);
            if done != 0 && !entry.has("nofail") {
                status = done;
            }
        }
        status
    }

    /// One line of fstab, with what the command line adds.
    fn entry(&self, entry: &Entry) -> i32 {
        let mut wish = Wish::default();
        wish.add(&entry.options);
        for text in self.given.values('o') {
            wish.add(text);
        }
        if wish.remount {
            return self.change(&entry.target, wish);
        }
        self.mount(&entry.source, &entry.target, &entry.kind, wish)
    }

    /// `mount /folder` or `mount /dev/x`: fstab says the rest.
    fn named(&self, word: &OsStr) -> i32 {
        let table = match self.fstab() {
            Ok(table) => table,
            Err(status) => return status,
        };
        let found = table
            .iter()
            .rev()
            .find(|entry| entry.target == word || entry.source == word);
        match found {
            Some(entry) => self.entry(entry),
            None => {
                say("mount", format!("can't find {} in fstab", word.display()));
                1
            }
        }
    }

    /// Remounts, or changes the propagation of, what is mounted at a folder (or from a device).
    fn change(&self, word: &OsStr, mut wish: Wish) -> i32 {
        let table = mounts::mounted().unwrap_or_default();
        let entry = table
            .iter()
            .rev()
            .find(|entry| entry.target == word || entry.source == word);
        let target = entry.map_or(word, |entry| entry.target.as_os_str());
        if let Some(propagation) = wish.propagation.filter(|_| !wish.remount) {
            return self.done(word, target, self.set_propagation(target, propagation));
        }
        // What is not said stays: fstab's options, or those that are in force.
        let mut all = Wish::default();
        let fstab = self.fstab_entry(target);
        if let Some(options) = fstab.as_ref().or(entry).map(|entry| &entry.options) {
            all.add(options);
            if fstab.is_none() {
                // The file system's own are not given back to it: many refuse them.
                all.data.clear();
            }
        }
        for text in self.given.values('o') {
            all.add(text);
        }
        for (letter, word) in [('r', "ro"), ('w', "rw")] {
            if self.given.has(letter) {
                all.add(OsStr::new(word));
            }
        }
        wish.flags = all.flags;
        wish.data = all.data;
        let Ok(data) = CString::new(wish.data) else {
            return 1;
        };
        if self.given.has('f') {
            return 0;
        }
        let flags = if wish.bind {
            wish.flags | MountFlags::BIND
        } else {
            wish.flags
        };
        self.done(
            word,
            target,
            rustix::mount::mount_remount(target, flags, data.as_c_str()),
        )
    }

    fn fstab_entry(&self, target: &OsStr) -> Option<Entry> {
        let path = self.given.value('T').unwrap_or(OsStr::new("/etc/fstab"));
        mounts::read(Path::new(path))
            .ok()?
            .into_iter()
            .find(|entry| entry.target == target)
    }

    fn set_propagation(
        &self,
        target: &OsStr,
        propagation: MountPropagationFlags,
    ) -> Result<(), Errno> {
        if self.given.has('f') {
            return Ok(());
        }
        rustix::mount::mount_change(target, propagation)
    }

    fn done(&self, source: &OsStr, target: &OsStr, result: Result<(), Errno>) -> i32 {
        match result {
            Ok(()) => {
                if self.given.has('v') {
                    say(
                        "mount",
                        format!("{} mounted on {}", source.display(), target.display()),
                    );
                }
                0
            }
            Err(error) => {
                let words = cause(&error.into());
                say(
                    "mount",
                    format!(
                        "mounting {} on {} failed: {words}",
                        source.display(),
                        target.display()
                    ),
                );
                32
            }
        }
    }

    /// Mounts one thing.
    fn mount(&self, source: &OsStr, target: &OsStr, kind: &OsStr, mut wish: Wish) -> i32 {
        let Some(mut device) = volumes::resolve(source) else {
            say("mount", format!("can't find {}", source.display()));
            return 32;
        };
        if self.given.has('f') {
            return 0;
        }
        if wish.bind || wish.shift {
            return self.bind(&device, target, &wish);
        }
        if let Some(status) = self.helper(&device, target, kind) {
            return status;
        }
        let is_file = std::fs::metadata(&device).is_ok_and(|meta| meta.is_file());
        if wish.looped || is_file && !is_virtual(kind) {
            let read_only = wish.flags.contains(MountFlags::RDONLY);
            match volumes::attach(&device, wish.offset, wish.limit, read_only, true) {
                Ok(path) => device = path,
                Err(error) => {
                    say("mount", format!("{}: {}", device.display(), cause(&error)));
                    return 32;
                }
            }
        }
        let kinds = if kind == "auto" {
            guess(&device)
        } else {
            let words = kind.as_bytes().split(|byte| *byte == b',');
            words
                .map(|word| OsStr::from_bytes(word).to_owned())
                .collect()
        };
        let Ok(data) = CString::new(std::mem::take(&mut wish.data)) else {
            return 1;
        };
        let mut last = Errno::INVAL;
        for kind in &kinds {
            let attempt = |flags: MountFlags| {
                rustix::mount::mount(&device, target, kind, flags, data.as_c_str())
            };
            let mut result = attempt(wish.flags);
            if matches!(result, Err(Errno::ACCESS | Errno::ROFS)) && !wish.said_access {
                result = attempt(wish.flags | MountFlags::RDONLY);
                if result.is_ok() {
                    say(
                        "mount",
                        format!("{} is write-protected, mounted read-only", device.display()),
                    );
                }
            }
            match result {
                Ok(()) => {
                    let result = match wish.propagation {
                        Some(propagation) => self.set_propagation(target, propagation),
                        None => Ok(()),
                    };
                    return self.done(source, target, result);
                }
                // Not this type: the next one may be it.
                Err(Errno::INVAL | Errno::NODEV) => last = Errno::INVAL,
                Err(error) => {
                    last = error;
                    break;
                }
            }
        }
        if kinds.len() == 1 && last == Errno::INVAL && !known(&kinds) {
            last = Errno::NODEV;
        }
        self.done(source, target, Err(last))
    }

    fn bind(&self, source: &Path, target: &OsStr, wish: &Wish) -> i32 {
        let result = if wish.shift {
            rustix::mount::mount_move(source, target)
        } else if wish.recursive {
            rustix::mount::mount_bind_recursive(source, target)
        } else {
            rustix::mount::mount_bind(source, target)
        };
        let kept = wish.flags.difference(MountFlags::SILENT);
        // The kernel takes the flags of a bind mount only in a second step.
        let result = result.and_then(|()| {
            if kept.is_empty() || wish.shift {
                return Ok(());
            }
            rustix::mount::mount_remount(target, kept | MountFlags::BIND, c"")
        });
        let result = result.and_then(|()| match wish.propagation {
            Some(propagation) => self.set_propagation(target, propagation),
            None => Ok(()),
        });
        self.done(source.as_os_str(), target, result)
    }

    /// Hands over to `/sbin/mount.TYPE` where there is one.
    fn helper(&self, source: &Path, target: &OsStr, kind: &OsStr) -> Option<i32> {
        if self.given.has('i') || kind == "auto" || kind.as_bytes().contains(&b'/') {
            return None;
        }
        let mut program = OsString::from("/sbin/mount.");
        program.push(kind);
        if !Path::new(&program).exists() {
            return None;
        }
        let mut command = Command::new(&program);
        command.arg(source).arg(target);
        for text in self.given.values('o') {
            command.arg("-o").arg(text);
        }
        match command.status() {
            Ok(status) => Some(status.code().unwrap_or(32)),
            Err(error) => {
                say("mount", format!("{}: {}", program.display(), cause(&error)));
                Some(32)
            }
        }
    }
}

/// The types that the kernel has, and whether each needs a device.
fn kernels_types() -> Vec<(bool, String)> {
    std::fs::read_to_string("/proc/filesystems")
        .unwrap_or_default()
        .lines()
        .filter_map(|line| {
            let (flag, name) = line.split_once('\t')?;
            Some((flag != "nodev", name.to_owned()))
        })
        .collect()
}

fn is_virtual(kind: &OsStr) -> bool {
    kernels_types()
        .iter()
        .any(|(device, name)| !device && OsStr::new(name) == kind)
}

fn known(kinds: &[OsString]) -> bool {
    let types = kernels_types();
    kinds
        .iter()
        .all(|kind| types.iter().any(|(_, name)| OsStr::new(name) == kind))
}

/// The types to try on a device: what its superblock says, or all that the kernel has.
fn guess(device: &PathBuf) -> Vec<OsString> {
    let is_device = std::fs::metadata(device).is_ok_and(|meta| meta.file_type().is_block_device());
    if is_device && let Ok(Some(found)) = volumes::probe(device) {
        return vec![found.kind.into()];
    }
    kernels_types()
        .into_iter()
        .filter(|(device, _)| *device)
        .map(|(_, name)| name.into())
        .collect()
}

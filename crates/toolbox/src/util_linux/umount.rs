//! `umount` (umount(8)) and `mountpoint`.

use crate::common::lines::{Output, cause, say};
use crate::common::mounts::{self, Entry};
use crate::common::options::{Given, Options};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags};
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

pub const USAGE: &str = "[-adfilnrv] [-t TYPE] [-O OPTIONS] [folder or device]...

-a  all that is mounted    -t  only these types, or all but these with `no` in front
-O  only what has these options in fstab
-r  what is busy is made read-only    -l  let go now, unmount when no longer used
-f  even where a server does not answer    -d  free the loop device    -v  say what is done";
pub const MOUNTPOINT_USAGE: &str = "[-q] [-d | -x | -n] path

-q  only the status    -d  print the file system's numbers    -n  print its name
-x  print the numbers of the block device";

const OPTIONS: Options = Options {
    applet: "umount",
    letters: "adfilnrvRt:O:",
    long: &[
        ("all", 'a'),
        ("force", 'f'),
        ("lazy", 'l'),
        ("read-only", 'r'),
        ("recursive", 'R'),
        ("types", 't'),
        ("test-opts", 'O'),
        ("verbose", 'v'),
        ("no-mtab", 'n'),
    ],
};

/// Runs it.
pub fn main(arguments: &[OsString]) -> i32 {
    let given = match OPTIONS.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let table = mounts::mounted().unwrap_or_default();
    let mut status = 0;
    if given.has('a') {
        let fstab = mounts::read(Path::new("/etc/fstab")).unwrap_or_default();
        // What was mounted last is on top.
        for entry in table.iter().rev() {
            let chosen = given
                .value('t')
                .is_none_or(|list| mounts::type_matches(&entry.kind, list))
                && given.value('O').is_none_or(|list| {
                    let declared = fstab.iter().find(|known| known.target == entry.target);
                    mounts::options_match(declared.unwrap_or(entry), list)
                });
            if chosen && unmount(&given, entry.target.as_os_str(), true) != 0 {
                status = 1;
            }
        }
        return status;
    }
    if let Err(status) = OPTIONS.operands(&given, 1, usize::MAX) {
        return status;
    }
    for word in &given.operands {
        for target in targets(&table, word, given.has('R')) {
            status |= unmount(&given, &target, false);
        }
    }
    status
}

/// The folders that a word means: a folder itself, or the last place where a device is mounted; with `below` what is
/// mounted below it comes first.
fn targets(table: &[Entry], word: &OsStr, below: bool) -> Vec<OsString> {
    let absolute = Path::new(word).canonicalize();
    let path = absolute.as_deref().unwrap_or(Path::new(word));
    let target = table
        .iter()
        .rev()
        .find(|entry| Path::new(&entry.target) == path)
        .or_else(|| table.iter().rev().find(|entry| entry.source == word))
        .map_or_else(|| word.to_owned(), |entry| entry.target.clone());
    if !below {
        return vec![target];
    }
    table
        .iter()
        .rev()
        .filter(|entry| Path::new(&entry.target).starts_with(&target))
        .map(|entry| entry.target.clone())
        .collect()
}

fn unmount(given: &Given, target: &OsStr, all: bool) -> i32 {
    let mut flags = UnmountFlags::empty();
    flags.set(UnmountFlags::FORCE, given.has('f'));
    flags.set(UnmountFlags::DETACH, given.has('l'));
    let mut result = rustix::mount::unmount(target, flags);
    if result.is_err() && given.has('r') {
        result = rustix::mount::mount_remount(target, MountFlags::RDONLY, c"");
        if result.is_ok() {
            say(
                "umount",
                format!("{} is busy, made read-only", target.display()),
            );
        }
        // What has no device to write to has nothing to lose either.
        if all && matches!(result, Err(Errno::BUSY | Errno::INVAL | Errno::PERM)) {
            return 1;
        }
    }
    match result {
        Ok(()) => {
            if given.has('v') {
                say("umount", format!("{} unmounted", target.display()));
            }
            0
        }
        Err(error) => {
            say(
                "umount",
                format!(
                    "can't unmount {}: {}",
                    target.display(),
                    cause(&error.into())
                ),
            );
            1
        }
    }
}

/// `mountpoint`: whether something is mounted at a folder.
pub fn mountpoint(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "mountpoint",
        letters: "qdxn",
        long: &[("quiet", 'q'), ("fs-devno", 'd'), ("devno", 'x')],
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
    let path = Path::new(word);
    let meta = match path.symlink_metadata() {
        Ok(meta) => meta,
        Err(error) => {
            if !given.has('q') {
                say(
                    "mountpoint",
                    format!("{}: {}", word.display(), cause(&error)),
                );
            }
            return 1;
        }
    };
    let mut out = Output::new();
    let numbers = |device: u64| {
        format!(
            "{}:{}\n",
            rustix::fs::major(device),
            rustix::fs::minor(device)
        )
    };
    if given.has('x') {
        out.put(numbers(meta.rdev()).as_bytes());
        return out.finish("mountpoint", i32::from(meta.rdev() == 0), 1);
    }
    let absolute = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let table = mounts::mounted().unwrap_or_default();
    let entry = table
        .iter()
        .rev()
        .find(|entry| Path::new(&entry.target) == absolute);
    // Without /proc the numbers of the folder above tell.
    let is = meta.is_dir()
        && (entry.is_some()
            || path
                .join("..")
                .metadata()
                .is_ok_and(|above| above.dev() != meta.dev() || above.ino() == meta.ino()));
    if given.has('d') {
        out.put(numbers(meta.dev()).as_bytes());
    } else if given.has('n') {
        let name = entry.map_or(OsStr::new("UNKNOWN"), |entry| entry.source.as_os_str());
        out.put(format!("{} {}\n", name.display(), word.display()).as_bytes());
    } else if !given.has('q') {
        let not = if is { "" } else { "not " };
        out.put(format!("{} is {not}a mountpoint\n", word.display()).as_bytes());
    }
    out.finish("mountpoint", i32::from(!is), 1)
}

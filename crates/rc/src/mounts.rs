//! What is mounted and what should be: `/proc/self/mountinfo` (proc(5)) and fstab(5), and the commands `fstabinfo` and
//! `mountinfo` on top of them.

use crate::message::{Level, Style};
use lexopt::{Arg, Parser};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use sys::process;

/// A mount, or a line of fstab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// What is mounted.
    pub source: OsString,
    /// Where.
    pub target: PathBuf,
    /// The kind of file system.
    pub kind: OsString,
    /// Its options.
    pub options: OsString,
    /// fstab: when it is checked; 0 is never.
    pub pass: u32,
}

/// Undoes `\040` and its like.
fn plain(word: &[u8]) -> OsString {
    let mut out = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((first, tail)) = rest.split_first() {
        let digits = tail.get(..3).filter(|digits| {
            *first == b'\\' && digits.iter().all(|digit| (b'0'..=b'7').contains(digit))
        });
        let value =
            digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        match value {
            Some(value) => {
                out.push(value);
                rest = tail.get(3..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    OsString::from_vec(out)
}

fn fields(line: &[u8]) -> Vec<&[u8]> {
    line.split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
        .collect()
}

/// The text of a mountinfo file, in the order of mounting.
pub fn parse_mountinfo(text: &[u8]) -> Vec<Mount> {
    let line = |line: &[u8]| {
        let words = fields(line);
        let dash = words.iter().position(|word| *word == b"-")?;
        Some(Mount {
            source: plain(words.get(dash + 2)?),
            target: plain(words.get(4)?).into(),
            kind: plain(words.get(dash + 1)?),
            options: plain(words.get(5)?),
            pass: 0,
        })
    };
    text.split(|byte| *byte == b'\n').filter_map(line).collect()
}

/// The text of an fstab file. Lines that are none are left out.
pub fn parse_fstab(text: &[u8]) -> Vec<Mount> {
    let line = |line: &[u8]| {
        let words = fields(line);
        if words.first()?.starts_with(b"#") {
            return None;
        }
        Some(Mount {
            source: plain(words.first()?),
            target: plain(words.get(1)?).into(),
            kind: plain(words.get(2)?),
            options: words
                .get(3)
                .map_or_else(|| "defaults".into(), |word| plain(word)),
            pass: words
                .get(5)
                .and_then(|word| std::str::from_utf8(word).ok()?.parse().ok())
                .unwrap_or(0),
        })
    };
    text.split(|byte| *byte == b'\n').filter_map(line).collect()
}

/// What is mounted now.
pub fn mounted() -> Vec<Mount> {
    parse_mountinfo(&fs::read("/proc/self/mountinfo").unwrap_or_default())
}

/// Whether something is mounted there.
pub fn is_mounted(target: &Path) -> bool {
    mounted().iter().any(|mount| mount.target == target)
}

fn complain(name: &str, what: &dyn std::fmt::Display) -> i32 {
    Style::from_environment().say(Level::Error, &format!("{name}: {what}"));
    1
}

fn print(what: &OsStr) -> bool {
    process::write_all(1, &[what.as_bytes(), b"\n"].concat()).is_ok()
}

/// `fstabinfo [-q] [-b|-o|-p|-t|-M|-R] [POINT…]`: what fstab says of these, or of all. Status 1: one is not there.
pub fn fstabinfo(arguments: &[OsString]) -> i32 {
    let all = parse_fstab(&fs::read("/etc/fstab").unwrap_or_default());
    let mut parser = Parser::from_args(arguments.iter().skip(1));
    let (mut what, mut quiet, mut points) = ('f', false, Vec::new());
    loop {
        match parser.next() {
            Ok(Some(Arg::Short('b') | Arg::Long("blockdevice"))) => what = 'b',
            Ok(Some(Arg::Short('o') | Arg::Long("options"))) => what = 'o',
            Ok(Some(Arg::Short('p') | Arg::Long("passno"))) => what = 'p',
            Ok(Some(Arg::Short('t') | Arg::Long("fstype"))) => what = 't',
            Ok(Some(Arg::Short('M') | Arg::Long("mount"))) => what = 'M',
            Ok(Some(Arg::Short('R') | Arg::Long("remount"))) => what = 'R',
            Ok(Some(Arg::Short('q') | Arg::Long("quiet"))) => quiet = true,
            Ok(Some(Arg::Value(point))) => points.push(PathBuf::from(point)),
            Ok(Some(other)) => return complain("fstabinfo", &other.unexpected()),
            Ok(None) => break,
            Err(error) => return complain("fstabinfo", &error),
        }
    }
    if points.is_empty() {
        points = all.iter().map(|mount| mount.target.clone()).collect();
    }
    let mut status = 0;
    for point in points {
        let Some(mount) = all.iter().find(|mount| mount.target == point) else {
            status = 1;
            continue;
        };
        let done = match what {
            'M' | 'R' => call_mount(&point, what == 'R'),
            _ if quiet => true,
            'b' => print(&mount.source),
            'o' => print(&mount.options),
            'p' => print(mount.pass.to_string().as_ref()),
            't' => print(&mount.kind),
            _ => print(mount.target.as_os_str()),
        };
        if !done {
            status = 1;
        }
    }
    status
}

fn call_mount(point: &Path, again: bool) -> bool {
    let mut command = std::process::Command::new("mount");
    if again {
        command.args(["-o", "remount"]);
    }
    command
        .arg(point)
        .status()
        .is_ok_and(|status| status.success())
}

/// `mountinfo [-q] [-i|-s|-t] [POINT…]`: what is mounted, the last first. Status 1: one is not mounted.
pub fn mountinfo(arguments: &[OsString]) -> i32 {
    let mut parser = Parser::from_args(arguments.iter().skip(1));
    let (mut what, mut quiet, mut points) = ('p', false, Vec::new());
    loop {
        match parser.next() {
            Ok(Some(Arg::Short('i') | Arg::Long("options"))) => what = 'i',
            Ok(Some(Arg::Short('s') | Arg::Long("fstype"))) => what = 's',
            Ok(Some(Arg::Short('t') | Arg::Long("node"))) => what = 't',
            Ok(Some(Arg::Short('q') | Arg::Long("quiet"))) => quiet = true,
            Ok(Some(Arg::Value(point))) => points.push(PathBuf::from(point)),
            Ok(Some(other)) => return complain("mountinfo", &other.unexpected()),
            Ok(None) => break,
            Err(error) => return complain("mountinfo", &error),
        }
    }
    let all = mounted();
    let mut status = i32::from(
        points
            .iter()
            .any(|point| !all.iter().any(|mount| mount.target == *point)),
    );
    for mount in all
        .iter()
        .rev()
        .filter(|mount| points.is_empty() || points.contains(&mount.target))
    {
        let text = match what {
            'i' => &mount.options,
            's' => &mount.kind,
            't' => &mount.source,
            _ => mount.target.as_os_str(),
        };
        if !quiet && !print(text) {
            status = 1;
        }
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mountinfo_lines() {
        let text = b"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/vda2 rw\n\
            30 22 0:25 / /mnt/a\\040b rw,nosuid - tmpfs tmpfs rw\nnonsense\n1 2 3 - \n";
        let mounts = parse_mountinfo(text);
        assert_eq!(mounts.len(), 2);
        assert_eq!(mounts[1].target, Path::new("/mnt/a b"));
        assert_eq!(mounts[0].kind, "ext4");
    }

    #[test]
    fn fstab_lines() {
        let text = b"# comment\n\n/dev/vda2 / ext4 rw 0 1\nUUID=1 /boot vfat\nx\nproc /proc proc defaults 0 x\n";
        let mounts = parse_fstab(text);
        assert_eq!(
            mounts.iter().map(|mount| mount.pass).collect::<Vec<_>>(),
            [1, 0, 0]
        );
        assert_eq!(mounts[1].options, "defaults");
    }

    #[test]
    fn what_is_no_escape_stays() {
        assert_eq!(plain(b"a\\"), "a\\");
        assert_eq!(plain(b"a\\9b\\134"), "a\\9b\\");
        assert_eq!(plain(b"\\777"), "\\777");
    }
}

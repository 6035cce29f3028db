//! `fsck`: has each file system checked by the program that knows its type.

use crate::common::lines::{Output, about, other, say, say_out, status};
use crate::common::mounts::{self, Entry};
use crate::common::volumes;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, Command};

pub const USAGE: &str = "[-ANPRTVMlr] [-t TYPE,...] [-C[FD]] [OPTION...] [DEVICE...]

-A  all of /etc/fstab    -R  but the root    -M  but what is mounted    -P  with -A: all at once
-t  only of these types; no or ! in front: of all others    -N  show what would run    -T  no title    -V  say more
OPTIONs that are none of these, and all behind --, go to the programs fsck.TYPE";

/// What nobody checks.
const IGNORED: &[&str] = &[
    "ignore", "iso9660", "nfs", "proc", "sw", "swap", "tmpfs", "devpts", "sysfs", "devtmpfs",
    "cgroup2", "overlay", "squashfs",
];

#[derive(Debug, Default)]
struct Wish {
    all: bool,
    dry: bool,
    parallel: bool,
    no_root: bool,
    no_mounted: bool,
    no_title: bool,
    verbose: bool,
    types: Option<String>,
    passed: Vec<OsString>,
    devices: Vec<OsString>,
}

/// `fsck`
pub fn main(arguments: &[OsString]) -> i32 {
    match read(arguments.get(1..).unwrap_or_default()) {
        Ok(wish) => match run(&wish) {
            Ok(status) => status,
            Err(error) => status("fsck", Err(error)) | 8,
        },
        Err(error) => {
            say("fsck", error);
            say("fsck", "try 'fsck --help'");
            // 16: a mistake in its use.
            16
        }
    }
}

fn read(words: &[OsString]) -> io::Result<Wish> {
    let mut wish = Wish::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let bytes = word.as_bytes();
        if bytes == b"--" {
            wish.passed.extend(words.cloned());
            break;
        }
        let Some(letters) = bytes
            .strip_prefix(b"-")
            .filter(|letters| !letters.is_empty())
        else {
            wish.devices.push(word.clone());
            continue;
        };
        if letters.starts_with(b"-") {
            wish.passed.push(word.clone());
            continue;
        }
        let mut passed = vec![b'-'];
        for (index, letter) in letters.iter().enumerate() {
            let rest = letters.get(index + 1..).unwrap_or_default();
            match letter {
                b'A' => wish.all = true,
                b'N' => wish.dry = true,
                b'P' => wish.parallel = true,
                b'R' => wish.no_root = true,
                b'M' => wish.no_mounted = true,
                b'T' => wish.no_title = true,
                b'V' => wish.verbose = true,
                // One after the other, and locked: it is so anyway.
                b's' | b'l' | b'r' => {}
                b't' => {
                    let value = if rest.is_empty() {
                        words.next().cloned()
                    } else {
                        Some(OsStr::from_bytes(rest).to_owned())
                    };
                    let value = value.ok_or_else(|| other("-t needs a value"))?;
                    if wish.types.is_some() {
                        return Err(other("only one -t"));
                    }
                    wish.types = Some(value.to_string_lossy().into_owned());
                    break;
                }
                b'C' => {
                    let number = rest.iter().all(u8::is_ascii_digit);
                    if !number {
                        return Err(other("-C takes a descriptor"));
                    }
                    passed.push(b'C');
                    passed.extend(rest);
                    break;
                }
                letter => passed.push(*letter),
            }
        }
        if passed.len() > 1 {
            wish.passed.push(OsStr::from_bytes(&passed).to_owned());
        }
    }
    if let Some(types) = &wish.types
        && types.split(',').any(str::is_empty)
    {
        return Err(other("-t: an empty type"));
    }
    Ok(wish)
}

impl Wish {
    fn wants(&self, entry: &Entry) -> bool {
        let kind = entry.kind.to_string_lossy();
        if entry.pass == 0 || IGNORED.contains(&kind.as_ref()) || entry.has("bind") {
            return false;
        }
        let Some(types) = &self.types else {
            return true;
        };
        // The first word says whether they are wanted or not.
        let negative = types.starts_with("no") || types.starts_with('!');
        let listed = types.split(',').any(|word| {
            let word = word
                .strip_prefix("no")
                .or_else(|| word.strip_prefix('!'))
                .unwrap_or(word);
            match word.strip_prefix("opts=") {
                Some(option) => entry.has(option),
                None => word == kind,
            }
        });
        listed != negative
    }

    /// The words that check a device.
    fn command(&self, device: &OsStr, kind: &str) -> Vec<OsString> {
        let mut words = vec![OsString::from(format!("fsck.{kind}"))];
        words.extend(self.passed.iter().cloned());
        words.push(device.to_owned());
        words
    }
}

fn run(wish: &Wish) -> io::Result<i32> {
    if !wish.no_title {
        say_out("fsck (ferrata)");
    }
    let path = Path::new("/etc/fstab");
    let table = match mounts::read(path) {
        Ok(table) => table,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(about(path, &error)),
    };
    let mounted = if wish.no_mounted {
        mounts::mounted()?
    } else {
        Vec::new()
    };
    let is_mounted = |device: &OsStr| mounted.iter().any(|entry| entry.source == device);
    // Without devices all of them are meant, one after the other.
    if wish.all || wish.devices.is_empty() {
        let mut entries: Vec<&Entry> = table
            .iter()
            .filter(|entry| wish.wants(entry) && !(wish.no_root && entry.target == "/"))
            .collect();
        entries.sort_by_key(|entry| (entry.target != "/", entry.pass));
        let mut status = 0;
        let mut group: Vec<(OsString, String)> = Vec::new();
        let mut pass = 0;
        for entry in entries {
            if (entry.pass != pass || entry.target == "/" || !wish.parallel) && !group.is_empty() {
                status |= check(wish, &std::mem::take(&mut group))?;
            }
            pass = entry.pass;
            let device = device(&entry.source)?;
            if !is_mounted(&device) {
                let kind = entry.kind.to_string_lossy().into_owned();
                group.push((device, kind));
            }
        }
        return Ok(status | check(wish, &group)?);
    }
    let mut status = 0;
    for word in &wish.devices {
        let entry = table
            .iter()
            .find(|entry| entry.source == *word || entry.target == *word);
        let device = device(entry.map_or(word.as_os_str(), |entry| entry.source.as_os_str()))?;
        if is_mounted(&device) {
            continue;
        }
        let named = wish.types.as_deref().filter(|types| {
            !types.contains(',') && !types.starts_with("no") && !types.starts_with('!')
        });
        let kind = match (named, entry) {
            (Some(kind), _) => kind.to_owned(),
            (None, Some(entry)) => entry.kind.to_string_lossy().into_owned(),
            (None, None) => "auto".to_owned(),
        };
        status |= check(wish, &[(device, kind)])?;
    }
    Ok(status)
}

fn device(text: &OsStr) -> io::Result<OsString> {
    volumes::resolve(text)
        .map(OsString::from)
        .ok_or_else(|| other(format!("{}: no such device", text.display())))
}

/// Checks devices at the same time; their statuses together.
fn check(wish: &Wish, devices: &[(OsString, String)]) -> io::Result<i32> {
    let mut running: Vec<(Child, OsString)> = Vec::new();
    let mut status = 0;
    for (device, kind) in devices {
        let kind = if kind == "auto" || kind.contains(',') {
            let found = volumes::probe(Path::new(device)).map_err(|error| about(device, &error))?;
            match found {
                Some(found) => found.kind.to_owned(),
                None => {
                    say(
                        "fsck",
                        format!("{}: its type is not known", device.display()),
                    );
                    status |= 8;
                    continue;
                }
            }
        } else {
            kind.clone()
        };
        let words = wish.command(device, &kind);
        if wish.verbose || wish.dry {
            let mut out = Output::new();
            let shown: Vec<String> = words
                .iter()
                .map(|word| word.to_string_lossy().into_owned())
                .collect();
            out.put(format!("[{}] {}\n", running.len() + 1, shown.join(" ")).as_bytes());
            if out.finish("fsck", 0, 1) != 0 {
                return Ok(8);
            }
        }
        let Some((program, rest)) = words.split_first().filter(|_| !wish.dry) else {
            continue;
        };
        match Command::new(program).args(rest).spawn() {
            Ok(child) => running.push((child, device.clone())),
            Err(error) => {
                let why = crate::common::lines::cause(&error);
                say(
                    "fsck",
                    format!("can't execute '{}': {why}", program.display()),
                );
                status |= 8;
            }
        }
    }
    for (mut child, device) in running {
        let ended = child.wait().map_err(|error| about(&device, &error))?;
        status |= ended.code().unwrap_or_else(|| {
            say(
                "fsck",
                format!("checking {} was ended by a signal", device.display()),
            );
            4
        });
    }
    Ok(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(words: &[&str]) -> io::Result<Wish> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        read(&words)
    }

    #[test]
    fn options_are_ours_or_theirs() {
        let wish = wish(&["-TAay", "-t", "ext4", "-C0", "/dev/x", "--", "-f"]).unwrap();
        assert!(wish.all && wish.no_title && !wish.verbose);
        assert_eq!(wish.passed, ["-ay", "-C0", "-f"]);
        assert_eq!(wish.devices, ["/dev/x"]);
        assert_eq!(
            wish.command(OsStr::new("/dev/x"), "ext4"),
            ["fsck.ext4", "-ay", "-C0", "-f", "/dev/x"]
        );
        for bad in [
            &["-t"][..],
            &["-t", "a", "-t", "b"],
            &["-t", "a,,b"],
            &["-Cx"],
        ] {
            assert!(super::tests::wish(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn types() {
        let entry = |kind: &str, pass| Entry {
            source: "/dev/x".into(),
            target: "/x".into(),
            kind: kind.into(),
            options: "rw".into(),
            pass,
        };
        let wants = |types: &str, kind: &str| wish(&["-t", types]).unwrap().wants(&entry(kind, 2));
        assert!(wants("ext4,vfat", "vfat") && !wants("ext4", "vfat"));
        assert!(wants("noext4", "vfat") && !wants("!ext4,vfat", "vfat"));
        assert!(wants("opts=rw", "vfat") && !wants("opts=ro", "vfat"));
        let all = wish(&[]).unwrap();
        assert!(!all.wants(&entry("ext4", 0)) && !all.wants(&entry("swap", 1)));
    }
}

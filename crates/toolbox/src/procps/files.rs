//! Who has which files open: `lsof` and `fuser`.

use super::processes;
use crate::common::lines::{Output, about, complain, status};
use crate::common::options::{Given, Options};
use crate::common::signals;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

pub const LSOF_USAGE: &str = "

prints every open file: process, program, descriptor, file";
pub const FUSER_USAGE: &str = "[-msk46] [-SIGNAL] FILE|PORT/PROTOCOL...

prints the processes that use the files, or the ports (80/tcp)
-m  any file of their file systems    -s  print nothing    -k  kill them (SIGNAL, else KILL)
-4, -6  only ports of that version";

/// `lsof`
pub fn lsof(_: &[OsString]) -> i32 {
    let own = i64::from(std::process::id());
    let mut out = Output::new();
    for process in processes::all() {
        if i64::from(process.pid) == own {
            continue;
        }
        let folder = PathBuf::from(format!("/proc/{}", process.pid));
        let program = std::fs::read_link(folder.join("exe")).unwrap_or_default();
        for (name, link) in links(&folder.join("fd")) {
            out.put(format!("{}\t", process.pid).as_bytes());
            out.put(program.as_os_str().as_bytes());
            for part in [name.as_os_str(), link.as_os_str()] {
                out.put_byte(b'\t');
                out.put(part.as_bytes());
            }
            out.put_byte(b'\n');
        }
    }
    out.finish("lsof", 0, 1)
}

/// The symbolic links in a folder by number, and where they lead.
fn links(folder: &Path) -> Vec<(OsString, PathBuf)> {
    let mut all: Vec<(u32, OsString, PathBuf)> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let number = name.to_str()?.parse().ok()?;
            Some((number, name, std::fs::read_link(entry.path()).ok()?))
        })
        .collect();
    all.sort();
    all.into_iter()
        .map(|(_, name, link)| (name, link))
        .collect()
}

const FUSER: Options = Options {
    applet: "fuser",
    letters: "msk46",
    long: &[],
};

/// `fuser`
pub fn fuser(arguments: &[OsString]) -> i32 {
    // One word may be a signal: -9, -TERM. -4 and -6 are options.
    let (mut words, mut signal) = (Vec::new(), None);
    let mut options_over = false;
    for (index, word) in arguments.iter().enumerate() {
        let text = word.to_str().unwrap_or_default();
        options_over |= text == "--";
        let number = text
            .strip_prefix('-')
            .filter(|rest| index > 0 && !options_over && !matches!(*rest, "4" | "6"))
            .and_then(signals::number);
        match number {
            Some(number) if signal.is_none() => signal = Some(number),
            _ => words.push(word.clone()),
        }
    }
    match FUSER.take(&words, 1, usize::MAX) {
        Ok(given) => status("fuser", find(&given, signal.unwrap_or(9))),
        Err(status) => status,
    }
}

/// What is looked for: (device, inode).
type Targets = Vec<(u64, u64)>;

fn find(given: &Given, signal: i32) -> io::Result<i32> {
    let mut targets = Targets::new();
    for word in &given.operands {
        if let Some((port, protocol)) = word.to_str().and_then(port) {
            sockets(port, protocol, given, &mut targets);
        } else {
            let meta = std::fs::metadata(word).map_err(|error| about(word, &error))?;
            targets.push((meta.dev(), meta.ino()));
        }
    }
    let whole = given.has('m');
    let matches = |device: u64, inode: u64| {
        targets
            .iter()
            .any(|(dev, ino)| *dev == device && (whole || *ino == inode))
    };
    let own = i64::from(std::process::id());
    let (mut found, mut failed) = (false, false);
    let mut out = Output::new();
    for process in processes::all() {
        if i64::from(process.pid) == own || !uses(process.pid, &matches) {
            continue;
        }
        found = true;
        if given.has('k')
            && let Err(error) = sys::process::kill(process.pid, signal)
        {
            let what = format!("kill pid {}", process.pid);
            complain("fuser", OsStr::new(&what), &error);
            failed = true;
        }
        if !given.has('s') {
            out.put(format!("{} ", process.pid).as_bytes());
        }
    }
    if !found {
        return Ok(1);
    }
    if !given.has('s') {
        out.put_byte(b'\n');
    }
    Ok(out.finish("fuser", i32::from(failed), 1))
}

/// `80/tcp`
fn port(text: &str) -> Option<(u16, &str)> {
    let (number, protocol) = text.split_once('/')?;
    let known = matches!(protocol, "tcp" | "udp" | "tcp6" | "udp6");
    Some((number.parse().ok()?, protocol)).filter(|_| known)
}

/// The sockets with that local port.
fn sockets(port: u16, protocol: &str, given: &Given, targets: &mut Targets) {
    // Sockets have a device of their own, which any of ours shows.
    let Ok(probe) = std::net::UdpSocket::bind("127.0.0.1:0") else {
        return;
    };
    let Ok(device) = rustix::fs::fstat(&probe).map(|stat| stat.st_dev) else {
        return;
    };
    let base = protocol.trim_end_matches('6');
    for (file, six) in [(base.to_owned(), false), (format!("{base}6"), true)] {
        if six && given.has('4') || !six && (given.has('6') || protocol.ends_with('6')) {
            continue;
        }
        let text = std::fs::read_to_string(format!("/proc/net/{file}")).unwrap_or_default();
        for line in text.lines().skip(1) {
            if let Some((local, inode)) = socket_line(line)
                && local == port
                && inode != 0
            {
                targets.push((device, inode));
            }
        }
    }
}

fn socket_line(line: &str) -> Option<(u16, u64)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (_, port) = words.get(1)?.split_once(':')?;
    Some((
        u16::from_str_radix(port, 16).ok()?,
        words.get(9)?.parse().ok()?,
    ))
}

/// Whether a process has one of them open, mapped, or as its program, root or working folder.
fn uses(pid: i32, matches: &dyn Fn(u64, u64) -> bool) -> bool {
    let folder = PathBuf::from(format!("/proc/{pid}"));
    let is =
        |path: &Path| std::fs::metadata(path).is_ok_and(|meta| matches(meta.dev(), meta.ino()));
    if ["cwd", "exe", "root"]
        .iter()
        .any(|name| is(&folder.join(name)))
    {
        return true;
    }
    let files = std::fs::read_dir(folder.join("fd"));
    if files
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| is(&entry.path()))
    {
        return true;
    }
    let maps = std::fs::read(folder.join("maps")).unwrap_or_default();
    maps.split(|byte| *byte == b'\n')
        .filter_map(mapped)
        .any(|(device, inode)| matches(device, inode))
}

/// Device and inode of a line of `/proc/PID/maps`.
fn mapped(line: &[u8]) -> Option<(u64, u64)> {
    let mut words = line.split(|byte| *byte == b' ').skip(3);
    let (major, minor) = std::str::from_utf8(words.next()?).ok()?.split_once(':')?;
    let inode: u64 = std::str::from_utf8(words.next()?).ok()?.parse().ok()?;
    let number = |text| u32::from_str_radix(text, 16).ok();
    let device = rustix::fs::makedev(number(major)?, number(minor)?);
    (inode != 0).then_some((device, inode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_lines() {
        assert_eq!(port("80/tcp"), Some((80, "tcp")));
        for bad in ["80", "80/x", "x/tcp", "99999/tcp", "/tmp/80"] {
            assert_eq!(port(bad), None, "{bad}");
        }
        let line = "0: 0100007F:0050 00000000:0000 0A 0:0 0:0 0 0 0 4711 1";
        assert_eq!(socket_line(line), Some((80, 4711)));
        assert_eq!(socket_line("x"), None);
        assert_eq!(
            mapped(b"1000-2000 r-xp 00000000 fe:01 7    /bin/a"),
            Some((rustix::fs::makedev(0xfe, 1), 7))
        );
        assert_eq!(mapped(b"1000-2000 r-xp 00000000 00:00 0 [heap]"), None);
    }
}

//! `syslogd` and `klogd`, with BusyBox's options.

use crate::common::daemon;
use crate::common::lines::{Output, complain, say};
use crate::common::options::Options;
use crate::common::syslog;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use sys::kernel::{KernelLog, kernel_log};

pub const USAGE: &str = "[-n] [-O FILE] [-l LEVEL] [-S] [-D] [-t] [-K] [-s KIB] [-b N] [-R HOST[:PORT] [-L]]

-O  the file (/var/log/messages)    -s  its size before it is rotated (200 KiB), 0: never    -b  so many old ones (1)
-l  only what is more urgent than this level, 1 to 8    -S  short lines    -D  repeated lines once
-t  the time is ours    -K  the kernel's messages, too    -R  send to another host    -L  and log here as well
-n  stay in the foreground";
pub const KLOGD_USAGE: &str = "[-n] [-c LEVEL]

-c  only messages more urgent than this come to the console    -n  stay in the foreground";

const SOCKET: &str = "/dev/log";
const SIGHUP: i32 = 1;

struct Log {
    path: PathBuf,
    file: Option<File>,
    size: u64,
    largest: u64,
    keep: u32,
    level: u32,
    small: bool,
    own_time: bool,
    drop_repeated: bool,
    last: Vec<u8>,
    remote: Option<(UdpSocket, String)>,
    local: bool,
    host: String,
}

/// `syslogd`
pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "syslogd",
        letters: "nSDtKLO:l:s:b:R:f:C:m:",
        long: &[],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let number = |letter: char, usual: u64| match given.value(letter) {
        None => Some(usual),
        Some(text) => text.to_str().and_then(|text| text.parse().ok()),
    };
    let (Some(kib), Some(keep), Some(level @ 1..=8)) =
        (number('s', 200), number('b', 1), number('l', 8))
    else {
        return options.wrong("-s, -b and -l take a number, -l one of 1 to 8");
    };
    let remote = match given.value('R').map(OsStr::to_string_lossy) {
        None => None,
        Some(text) => {
            let address = if text.contains(':') {
                text.into_owned()
            } else {
                format!("{text}:514")
            };
            match UdpSocket::bind("[::]:0").or_else(|_| UdpSocket::bind("0.0.0.0:0")) {
                Ok(socket) => Some((socket, address)),
                Err(error) => {
                    complain("syslogd", OsStr::new(&address), &error);
                    return 1;
                }
            }
        }
    };
    let mut log = Log {
        path: given
            .value('O')
            .map_or_else(|| PathBuf::from("/var/log/messages"), PathBuf::from),
        file: None,
        size: 0,
        largest: kib * 1024,
        keep: u32::try_from(keep.min(99)).unwrap_or(1),
        level: u32::try_from(level).unwrap_or(8),
        small: given.has('S'),
        own_time: given.has('t'),
        drop_repeated: given.has('D'),
        last: Vec::new(),
        local: given.has('L') || remote.is_none(),
        remote,
        host: rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .split('.')
            .next()
            .unwrap_or("localhost")
            .to_owned(),
    };
    let socket = match bind() {
        Ok(socket) => socket,
        Err(error) => {
            complain("syslogd", OsStr::new(SOCKET), &error);
            return 1;
        }
    };
    let kernel = given
        .has('K')
        .then(|| File::open("/dev/kmsg").ok())
        .flatten();
    if given.has('n') {
        return log.run(&socket, kernel);
    }
    daemon::detach("syslogd", || log.run(&socket, kernel))
}

/// A fresh socket that everybody may write to.
fn bind() -> io::Result<UnixDatagram> {
    // Where /dev/log leads elsewhere, the socket goes there.
    let path = fs::canonicalize(SOCKET).unwrap_or_else(|_| PathBuf::from(SOCKET));
    match fs::symlink_metadata(&path) {
        Ok(meta) if meta.file_type().is_socket() => fs::remove_file(&path)?,
        _ => {}
    }
    let socket = UnixDatagram::bind(&path)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666))?;
    Ok(socket)
}

impl Log {
    fn run(&mut self, socket: &UnixDatagram, kernel: Option<File>) -> i32 {
        for signal in [2, 15, SIGHUP] {
            let _ = sys::process::set_signal(signal, sys::process::Disposition::Catch);
        }
        let _ = daemon::write_pid(Path::new("/var/run/syslogd.pid"));
        self.take(
            syslog::INFO | 5 << 3,
            format!("syslogd[{}]: started", std::process::id()).as_bytes(),
        );
        let mut buffer = vec![0_u8; 8192];
        let mut sources = vec![(socket.as_raw_fd(), false)];
        if let Some(kernel) = &kernel {
            sources.push((kernel.as_raw_fd(), true));
        }
        loop {
            match sys::process::take_signal() {
                Some(SIGHUP) => self.file = None,
                Some(_) => {
                    self.take(syslog::INFO | 5 << 3, b"syslogd exiting");
                    let _ = fs::remove_file("/var/run/syslogd.pid");
                    return 0;
                }
                None => {}
            }
            let ready = if sources.len() == 1 {
                sys::process::readable(socket.as_raw_fd(), -1)
            } else {
                sys::process::readable_any(
                    &sources.iter().map(|(fd, _)| *fd).collect::<Vec<_>>(),
                    -1,
                )
            };
            if !ready.unwrap_or(false) {
                continue;
            }
            if let Some(kernel) = &kernel
                && sys::process::readable(kernel.as_raw_fd(), 0).unwrap_or(false)
            {
                match rustix::io::read(kernel, &mut buffer[..]) {
                    Ok(count) => {
                        if let Some((priority, text)) =
                            kmsg(buffer.get(..count).unwrap_or_default())
                        {
                            self.take(priority, &[b"kernel: ", text].concat());
                        }
                    }
                    // Some were written over before they were read.
                    Err(rustix::io::Errno::PIPE | rustix::io::Errno::INTR) => {}
                    Err(_) => sources.truncate(1),
                }
            }
            if sys::process::readable(socket.as_raw_fd(), 0).unwrap_or(false)
                && let Ok(count) = socket.recv(&mut buffer)
            {
                // Some senders put several messages, or a NUL, into one.
                for part in buffer
                    .get(..count)
                    .unwrap_or_default()
                    .split(|byte| matches!(byte, 0 | b'\n'))
                {
                    if !part.is_empty() {
                        let (priority, text) = priority(part);
                        self.take(priority, text);
                    }
                }
            }
        }
    }

    /// Takes one message: what is behind its priority.
    fn take(&mut self, priority: u32, text: &[u8]) {
        if priority & 7 >= self.level {
            return;
        }
        let (stamp, rest) = split_stamp(text);
        let stamp = match stamp {
            Some(stamp) if !self.own_time => String::from_utf8_lossy(stamp).into_owned(),
            _ => syslog::stamp(syslog::now()),
        };
        let clean: Vec<u8> = rest
            .iter()
            .map(|byte| {
                if matches!(byte, 0x20..=0x7e | b'\t' | 0x80..) {
                    *byte
                } else {
                    b'?'
                }
            })
            .collect();
        if self.drop_repeated && clean == self.last {
            return;
        }
        self.last.clone_from(&clean);
        let facility = usize::try_from(priority >> 3)
            .ok()
            .and_then(|at| syslog::FACILITIES.get(at));
        let level = usize::try_from(priority & 7)
            .ok()
            .and_then(|at| syslog::LEVELS.get(at));
        let mut line = if self.small {
            format!("{stamp} ").into_bytes()
        } else {
            format!(
                "{stamp} {} {}.{} ",
                self.host,
                facility.copied().unwrap_or("user"),
                level.copied().unwrap_or("notice")
            )
            .into_bytes()
        };
        line.extend_from_slice(&clean);
        line.push(b'\n');
        if let Some((socket, address)) = &self.remote {
            let mut packet = format!("<{priority}>{stamp} {} ", self.host).into_bytes();
            packet.extend_from_slice(&clean);
            // The network comes and goes; the next message may get through.
            let _ = socket.send_to(&packet, address.as_str());
        }
        if self.local && self.write(&line).is_err() {
            // A full disk: what comes later may fit again. The console is the last resort for what is urgent.
            self.file = None;
            if priority & 7 <= 3
                && let Ok(mut console) = OpenOptions::new().write(true).open("/dev/console")
            {
                let _ = console.write_all(&line);
            }
        }
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        // Somebody may have moved or removed it.
        if self.file.is_none() || !self.path.exists() {
            let file = OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o640)
                .open(&self.path)?;
            let meta = file.metadata()?;
            // Devices and pipes are not rotated.
            self.size = if meta.is_file() { meta.len() } else { 0 };
            if !meta.is_file() {
                self.largest = 0;
            }
            self.file = Some(file);
        }
        if self.largest > 0 && self.size > 0 && self.size + line.len() as u64 > self.largest {
            self.rotate()?;
        }
        if let Some(file) = &mut self.file {
            file.write_all(line)?;
            self.size += line.len() as u64;
        }
        Ok(())
    }

    /// `messages` becomes `messages.0`, that `messages.1`, and so on; the last one goes.
    fn rotate(&mut self) -> io::Result<()> {
        let name = |number: u32| {
            let mut name = self.path.as_os_str().to_owned();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        if self.keep == 0 {
            fs::remove_file(&self.path)?;
        } else {
            for number in (1..self.keep).rev() {
                let _ = fs::rename(name(number - 1), name(number));
            }
            fs::rename(&self.path, name(0))?;
        }
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o640)
            .open(&self.path)?;
        self.file = Some(file);
        self.size = 0;
        Ok(())
    }
}

/// `<30>text`; without a number it is user.notice.
fn priority(text: &[u8]) -> (u32, &[u8]) {
    let usual = (1 << 3 | syslog::NOTICE, text);
    let Some(rest) = text.strip_prefix(b"<") else {
        return usual;
    };
    let Some(end) = rest.iter().take(5).position(|byte| *byte == b'>') else {
        return usual;
    };
    let number = rest
        .get(..end)
        .and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    match number.filter(|number| *number < 24 << 3) {
        Some(number) => (number, rest.get(end + 1..).unwrap_or_default()),
        None => usual,
    }
}

/// Whether a message begins with a time as syslog(3) writes it, and what is behind it.
fn split_stamp(text: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let fits = text.get(..16).is_some_and(|head| {
        head.get(3) == Some(&b' ')
            && head.get(6) == Some(&b' ')
            && head.get(9) == Some(&b':')
            && head.get(12) == Some(&b':')
            && head.get(15) == Some(&b' ')
    });
    if !fits {
        return (None, text);
    }
    (text.get(..15), text.get(16..).unwrap_or_default())
}

/// A record of `/dev/kmsg`: `6,339,5140900,-;text` and lines of details.
fn kmsg(record: &[u8]) -> Option<(u32, &[u8])> {
    let at = record.iter().position(|byte| *byte == b';')?;
    let (head, text) = record.split_at(at);
    let priority = head.split(|byte| *byte == b',').next()?;
    let priority: u32 = std::str::from_utf8(priority).ok()?.parse().ok()?;
    let text = text.get(1..)?;
    let end = text
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(text.len());
    // What programs wrote into it came back to them already.
    (priority >> 3 == 0).then(|| (priority, text.get(..end).unwrap_or_default()))
}

/// `klogd`: hands the kernel's messages to syslogd.
pub fn klogd(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "klogd",
        letters: "nc:",
        long: &[],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Some(text) = given.value('c') {
        let Some(level @ 1..=8) = text.to_str().and_then(|text| text.parse().ok()) else {
            return options.wrong("the level is 1 to 8");
        };
        let _ = kernel_log(KernelLog::ConsoleLevel(level), &mut []);
    }
    let run = || {
        let kernel: OwnedFd = match File::open("/dev/kmsg") {
            Ok(file) => file.into(),
            Err(error) => {
                complain("klogd", OsStr::new("/dev/kmsg"), &error);
                return 1;
            }
        };
        for signal in [2, 15] {
            let _ = sys::process::set_signal(signal, sys::process::Disposition::Catch);
        }
        let _ = daemon::write_pid(Path::new("/var/run/klogd.pid"));
        let Ok(socket) = UnixDatagram::unbound() else {
            return 1;
        };
        let mut buffer = vec![0_u8; 8192];
        loop {
            if sys::process::take_signal().is_some() {
                let _ = fs::remove_file("/var/run/klogd.pid");
                return 0;
            }
            if !sys::process::readable(kernel.as_raw_fd(), -1).unwrap_or(false) {
                continue;
            }
            match rustix::io::read(&kernel, &mut buffer[..]) {
                Ok(count) => {
                    if let Some((priority, text)) = kmsg(buffer.get(..count).unwrap_or_default()) {
                        let stamp = syslog::stamp(syslog::now());
                        let _ = socket
                            .send_to(&syslog::encode(priority, &stamp, "kernel", text), SOCKET);
                    }
                }
                Err(rustix::io::Errno::PIPE | rustix::io::Errno::INTR) => {}
                Err(error) => {
                    complain("klogd", OsStr::new("/dev/kmsg"), &error.into());
                    return 1;
                }
            }
        }
    };
    if given.has('n') {
        run()
    } else {
        daemon::detach("klogd", run)
    }
}

pub const LOGGER_USAGE: &str = "[-s] [-t TAG] [-p FACILITY.LEVEL] [message...]

-s  to standard error, too    -t  the tag (the user's name)    -p  the priority (user.notice)
without a message: the lines of standard input";

/// `logger`
pub fn logger(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "logger",
        letters: "st:p:i",
        long: &[],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let priority = match given
        .value('p')
        .map(|text| text.to_str().and_then(syslog::priority))
    {
        None => 1 << 3 | syslog::NOTICE,
        Some(Some(priority)) => priority,
        Some(None) => return options.wrong("no such priority"),
    };
    let tag = match given.value('t') {
        Some(tag) => tag.to_string_lossy().into_owned(),
        None => {
            let user = crate::common::accounts::Accounts::system()
                .user_by_id(rustix::process::getuid().as_raw())
                .ok()
                .flatten();
            user.map_or_else(
                || "logger".to_owned(),
                |user| String::from_utf8_lossy(&user.name).into_owned(),
            )
        }
    };
    let tag = if given.has('i') {
        format!("{tag}[{}]", std::process::id())
    } else {
        tag
    };
    let mut status = 0;
    let mut send = |message: &[u8]| {
        let bytes = syslog::encode(priority, &syslog::stamp(syslog::now()), &tag, message);
        if given.has('s') {
            say(&tag, String::from_utf8_lossy(message));
        }
        let sent = UnixDatagram::unbound().and_then(|socket| socket.send_to(&bytes, SOCKET));
        if let Err(error) = sent
            && status == 0
        {
            complain("logger", OsStr::new(SOCKET), &error);
            status = 1;
        }
    };
    if given.operands.is_empty() {
        let stdin = match crate::common::lines::open(OsStr::new("-")) {
            Ok(stdin) => stdin,
            Err(error) => {
                complain("logger", OsStr::new("-"), &error);
                return 1;
            }
        };
        let mut lines = crate::common::lines::Lines::new(stdin, b'\n');
        while let Ok(Some((line, _))) = lines.read() {
            if !line.is_empty() {
                send(line);
            }
        }
    } else {
        let words: Vec<&[u8]> = given
            .operands
            .iter()
            .map(|word| word.as_encoded_bytes())
            .collect();
        send(&words.join(&b' '));
    }
    status
}

pub const LOGREAD_USAGE: &str = "[-f] [FILE]

-f  go on with what comes    FILE: the log (/var/log/messages)";

/// `logread`: the log's file, whole or as it grows.
pub fn logread(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "logread",
        letters: "f",
        long: &[],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let path = given
        .operands
        .first()
        .cloned()
        .unwrap_or_else(|| "/var/log/messages".into());
    if given.has('f') {
        let words = ["tail", "-n", "20", "-F"].map(OsString::from);
        let all: Vec<OsString> = words.into_iter().chain([path]).collect();
        return crate::find(b"tail").map_or(1, |tail| (tail.run)(&all));
    }
    match fs::read(&path) {
        Ok(text) => {
            let mut out = Output::new();
            out.put(&text);
            out.finish("logread", 0, 1)
        }
        Err(error) => {
            complain("logread", &path, &error);
            1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_taken_apart() {
        assert_eq!(priority(b"<30>x"), (30, &b"x"[..]));
        for odd in [&b"x"[..], b"<x>y", b"<999>y", b"<30"] {
            assert_eq!(priority(odd), (13, odd));
        }
        assert_eq!(
            split_stamp(b"Jan  1 00:00:00 x: y"),
            (Some(&b"Jan  1 00:00:00"[..]), &b"x: y"[..])
        );
        assert_eq!(split_stamp(b"short"), (None, &b"short"[..]));
        assert_eq!(kmsg(b"6,1,2,-;hello\n KEY=x\n"), Some((6, &b"hello"[..])));
        assert_eq!(kmsg(b"30,1,2,-;ours\n"), None);
        assert_eq!(kmsg(b"nonsense"), None);
    }

    #[test]
    fn old_logs_are_kept_as_many_as_asked_for() {
        let folder = std::env::temp_dir().join(format!("syslogd-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut log = Log {
            path: folder.join("messages"),
            file: None,
            size: 0,
            largest: 200,
            keep: 2,
            level: 8,
            small: true,
            own_time: true,
            drop_repeated: true,
            last: Vec::new(),
            remote: None,
            local: true,
            host: "h".into(),
        };
        for number in 0..40 {
            log.take(13, format!("message {number}").as_bytes());
            log.take(13, format!("message {number}").as_bytes());
        }
        log.take(15, b"\x1b[2Jevil\nline");
        let mut names: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .flatten()
            .map(|e| e.file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["messages", "messages.0", "messages.1"]);
        let text = fs::read_to_string(folder.join("messages")).unwrap();
        assert!(text.contains("message 39") && text.matches("message 39").count() == 1);
        assert!(text.contains("?[2Jevil?line"));
        fs::remove_dir_all(&folder).unwrap();
    }
}

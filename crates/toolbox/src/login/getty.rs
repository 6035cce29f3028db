//! `getty`, as BusyBox has it: opens a terminal, shows `/etc/issue`, asks for a name and runs `login`.

use crate::common::calendar;
use crate::common::lines::{complain, say, write_all};
use crate::common::options::Options;
use crate::common::session;
use crate::common::syslog;
use rustix::stdio;
use rustix::termios::{
    self, ControlModes, InputModes, LocalModes, OptionalActions, OutputModes, QueueSelector,
    SpecialCodeIndex,
};
use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

pub const USAGE: &str =
    "[-hiLnw] [-l LOGIN] [-f ISSUE] [-I INIT] [-H HOST] [-t SECONDS] BAUD[,BAUD...] TTY [TERM]

-h  hardware flow control           -i  do not show /etc/issue
-L  the line needs no carrier       -n  do not ask for a name
-l  run LOGIN instead of /bin/login -f  show the file ISSUE
-I  send this text first            -H  where the user comes from
-w  wait for a key first            -t  give up after so many seconds";

const NO_CONTROL: rustix::fs::OFlags = rustix::fs::OFlags::NOCTTY;

/// Runs it.
pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "getty",
        letters: "hiLnwml:f:I:H:t:",
        long: &[],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 2, 3) {
        return status;
    }
    let (Some(first), Some(second)) = (given.operands.first(), given.operands.get(1)) else {
        return 1;
    };
    // Both orders are in use.
    let (baud, terminal) = match first.as_bytes().first() {
        Some(byte) if byte.is_ascii_digit() => (first, second),
        _ => (second, first),
    };
    let Some(speed) = speed(baud) else {
        return options.wrong(&format!("invalid speed '{}'", baud.display()));
    };
    let timeout = given
        .value('t')
        .map(|text| text.to_str().and_then(|text| text.parse().ok()));
    let Some(timeout) = timeout.unwrap_or(Some(0)) else {
        return options.wrong("invalid number of seconds");
    };
    if let Err(error) =
        open(terminal).and_then(|()| configure(speed, given.has('L'), given.has('h')))
    {
        let path = device(terminal);
        complain("getty", path.as_os_str(), &error);
        let text = format!(
            "{}: {}",
            path.display(),
            crate::common::lines::cause(&error)
        );
        syslog::log(syslog::AUTH, syslog::ERROR, "getty", &text);
        // init would start the next one at once.
        std::thread::sleep(std::time::Duration::from_secs(5));
        return 1;
    }
    if let Some(text) = given.value('I') {
        let _ = write_all(stdio::stdout(), &unescape(text.as_bytes()));
    }
    if given.has('w') {
        let mut byte = [0];
        while !matches!(
            (sys::process::read(0, &mut byte), byte),
            (Ok(1), [b'\n' | b'\r']) | (Ok(0) | Err(_), _)
        ) {}
    }
    let issue = given.value('f').unwrap_or(OsStr::new("/etc/issue"));
    let name = if given.has('n') {
        if !given.has('i') {
            show_issue(issue, terminal);
        }
        None
    } else {
        sys::process::alarm(timeout);
        match ask_name((!given.has('i')).then_some(issue), terminal) {
            Some(name) => {
                sys::process::alarm(0);
                Some(name)
            }
            None => return 1,
        }
    };
    let program = given.value('l').unwrap_or(OsStr::new("/bin/login"));
    let mut words = vec![program.to_owned()];
    if let Some(host) = given.value('H') {
        words.push("-h".into());
        words.push(host.to_owned());
    }
    if let Some(name) = name {
        words.push("--".into());
        words.push(name);
    }
    let mut environment: Vec<OsString> = std::env::vars_os()
        .filter(|(name, _)| name != "TERM")
        .map(|(mut name, value)| {
            name.push("=");
            name.push(value);
            name
        })
        .collect();
    let term = given
        .operands
        .get(2)
        .cloned()
        .or_else(|| std::env::var_os("TERM"));
    if let Some(term) = term {
        let mut variable = OsString::from("TERM=");
        variable.push(term);
        environment.push(variable);
    }
    let error = sys::process::exec(Path::new(program), &words, &environment);
    complain("getty", program, &error);
    1
}

/// The first of the speeds; 0: leave it as it is.
fn speed(text: &OsStr) -> Option<u32> {
    let text = text.to_str()?.split(',').next()?;
    text.parse().ok()
}

fn device(terminal: &OsStr) -> PathBuf {
    if terminal == "-" {
        PathBuf::from("standard input")
    } else {
        Path::new("/dev").join(terminal)
    }
}

/// Opens the terminal as standard input, output and error, and makes it this session's.
fn open(terminal: &OsStr) -> io::Result<()> {
    // Fails where this is a session's leader already, as a child of init is.
    let _ = rustix::process::setsid();
    if terminal != "-" {
        let path = device(terminal);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(
                (NO_CONTROL | rustix::fs::OFlags::NONBLOCK)
                    .bits()
                    .cast_signed(),
            )
            .open(&path)?;
        // Without a carrier the line would wait for one; from here on it may.
        rustix::fs::fcntl_setfl(&file, rustix::fs::OFlags::empty())?;
        sys::init::set_stdio(file.as_fd(), file.as_fd(), file.as_fd())?;
    }
    if !termios::isatty(stdio::stdin()) {
        return Err(io::Error::other("not a terminal"));
    }
    sys::init::take_terminal(stdio::stdin())?;
    let own = rustix::process::getpid();
    termios::tcsetpgrp(stdio::stdin(), own)?;
    Ok(())
}

/// Sets the terminal up as a session expects it.
fn configure(speed: u32, no_carrier: bool, hardware_flow: bool) -> io::Result<()> {
    let mut settings = termios::tcgetattr(stdio::stdin())?;
    // Half of a name that was typed before is nobody's.
    termios::tcflush(stdio::stdin(), QueueSelector::IFlush)?;
    settings.control_modes = settings.control_modes & ControlModes::PARENB
        | ControlModes::CS8
        | ControlModes::CREAD
        | ControlModes::HUPCL;
    if no_carrier {
        settings.control_modes |= ControlModes::CLOCAL;
    }
    if hardware_flow {
        settings.control_modes |= ControlModes::CRTSCTS;
    }
    settings.input_modes = InputModes::ICRNL | InputModes::IXON | InputModes::IUTF8;
    settings.output_modes = OutputModes::OPOST | OutputModes::ONLCR;
    settings.local_modes = LocalModes::ISIG
        | LocalModes::ICANON
        | LocalModes::ECHO
        | LocalModes::ECHOE
        | LocalModes::ECHOK
        | LocalModes::ECHOKE
        | LocalModes::ECHOCTL
        | LocalModes::IEXTEN;
    for (code, key) in [
        (SpecialCodeIndex::VINTR, 3),
        (SpecialCodeIndex::VQUIT, 28),
        (SpecialCodeIndex::VERASE, 127),
        (SpecialCodeIndex::VKILL, 21),
        (SpecialCodeIndex::VEOF, 4),
        (SpecialCodeIndex::VSTART, 17),
        (SpecialCodeIndex::VSTOP, 19),
        (SpecialCodeIndex::VSUSP, 26),
        (SpecialCodeIndex::VREPRINT, 18),
        (SpecialCodeIndex::VWERASE, 23),
        (SpecialCodeIndex::VLNEXT, 22),
        (SpecialCodeIndex::VMIN, 1),
        (SpecialCodeIndex::VTIME, 0),
    ] {
        settings.special_codes[code] = key;
    }
    if speed > 0 {
        settings.set_speed(speed)?;
    }
    termios::tcsetattr(stdio::stdin(), OptionalActions::Now, &settings)?;
    Ok(())
}

fn show_issue(issue: &OsStr, terminal: &OsStr) {
    if let Ok(text) = std::fs::read(issue) {
        let _ = write_all(stdio::stdout(), &expand(&text, terminal.as_bytes()));
    }
}

/// Asks until there is a name. `None`: the terminal went away, or nobody is there.
fn ask_name(issue: Option<&OsStr>, terminal: &OsStr) -> Option<OsString> {
    loop {
        let _ = write_all(stdio::stdout(), b"\n");
        if let Some(issue) = issue {
            show_issue(issue, terminal);
        }
        let mut prompt = rustix::system::uname().nodename().to_bytes().to_vec();
        prompt.extend_from_slice(b" login: ");
        write_all(stdio::stdout(), &prompt).ok()?;
        let line = session::read_line().ok()??;
        let name = line.trim_ascii();
        // A name is never an option of login.
        if name.starts_with(b"-") || name.iter().any(u8::is_ascii_control) {
            say("getty", "that is no name");
        } else if !name.is_empty() {
            return Some(OsStr::from_bytes(name).to_owned());
        }
    }
}

/// The escapes of `/etc/issue` (agetty(8)): `\n` host, `\l` terminal, `\s \r \v \m` as uname(1) has them, `\d \t` date
/// and time, `\o` domain.
fn expand(text: &[u8], terminal: &[u8]) -> Vec<u8> {
    let name = rustix::system::uname();
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        if !matches!(byte, b'\\' | b'%') {
            out.push(*byte);
            continue;
        }
        let part = match bytes.next() {
            Some(b'n' | b'h') => name.nodename().to_bytes(),
            Some(b'l') => terminal,
            Some(b's') => name.sysname().to_bytes(),
            Some(b'r') => name.release().to_bytes(),
            Some(b'v') => name.version().to_bytes(),
            Some(b'm') => name.machine().to_bytes(),
            Some(b'o' | b'D') => name.domainname().to_bytes(),
            Some(letter @ (b'd' | b't')) => {
                let now = syslog::now();
                let at = calendar::moment(now + sys::kernel::local_offset(now));
                let text = if *letter == b'd' {
                    format!("{:04}-{:02}-{:02}", at.year, at.month, at.day)
                } else {
                    format!("{:02}:{:02}:{:02}", at.hour, at.minute, at.second)
                };
                out.extend_from_slice(text.as_bytes());
                continue;
            }
            Some(other) => {
                out.extend_from_slice(&[*byte, *other]);
                continue;
            }
            None => {
                out.push(*byte);
                continue;
            }
        };
        out.extend_from_slice(part);
    }
    out
}

/// `\r`, `\n` and octal escapes in the text of `-I`.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = text.iter().peekable();
    while let Some(byte) = bytes.next() {
        if *byte != b'\\' {
            out.push(*byte);
            continue;
        }
        match bytes.next() {
            Some(b'r') => out.push(b'\r'),
            Some(b'n') => out.push(b'\n'),
            Some(digit @ b'0'..=b'7') => {
                let mut value = digit - b'0';
                for _ in 0..2 {
                    match bytes.peek() {
                        Some(next @ b'0'..=b'7') => {
                            value = value.wrapping_mul(8) + (**next - b'0');
                            bytes.next();
                        }
                        _ => break,
                    }
                }
                out.push(value);
            }
            Some(other) => out.push(*other),
            None => out.push(b'\\'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issues_and_speeds() {
        assert_eq!(expand(b"on \\l %l\\q\\", b"tty1"), b"on tty1 tty1\\q\\");
        assert_eq!(unescape(b"\\r\\033x\\\\"), b"\r\x1bx\\");
        assert_eq!(speed(OsStr::new("115200,9600")), Some(115_200));
        assert_eq!(speed(OsStr::new("0")), Some(0));
        assert_eq!(speed(OsStr::new("tty1")), None);
        assert_eq!(speed(OsStr::new("")), None);
    }
}

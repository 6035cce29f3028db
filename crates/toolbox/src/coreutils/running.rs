//! What runs other programs, or tells of where it runs: `chroot`, `nice`, `nohup`, `timeout`, `nproc`, `tty`, `arch`,
//! `hostid`; and `test`, `[`, `printf`, `echo`, `pwd`, which the shell has built in and lends.

use crate::common::lines::{Output, cause, complain, say};
use crate::common::options::Options;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

pub const CHROOT_USAGE: &str = "root [command [argument...]]";
pub const NICE_USAGE: &str = "[-n NUMBER] [command [argument...]]

-n  add this to the niceness (10)";
pub const NOHUP_USAGE: &str = "command [argument...]";
pub const TIMEOUT_USAGE: &str = "[-s SIGNAL] [-k SECONDS] SECONDS command [argument...]

-s  the signal to send (TERM)    -k  send KILL so much later
status: 124 when the time was over";
pub const NPROC_USAGE: &str = "[--all] [--ignore=N]";
pub const TTY_USAGE: &str = "[-s]

-s  only the status";
pub const NO_USAGE: &str = "";
pub const TEST_USAGE: &str = "expression

-e -f -d -L -h -p -S -b -c -r -w -x -s -u -g -k -O -G FILE, -t FD, -n -z TEXT, A = B, A != B, A < B, A > B,
N -eq -ne -lt -le -gt -ge N, FILE -nt -ot -ef FILE, ! E, E -a E, E -o E, ( E )";
pub const PRINTF_USAGE: &str = "format [argument...]";
pub const ECHO_USAGE: &str = "[-neE] [word...]

-n  no line end    -e  \\n and its like are characters    -E  they are not";
pub const PWD_USAGE: &str = "[-LP]";

/// Becomes a command; gives the status where that fails.
pub fn become_command(applet: &str, words: &[OsString]) -> i32 {
    let Some((program, rest)) = words.split_first() else {
        return 125;
    };
    let error = Command::new(program).args(rest).exec();
    complain(applet, program, &error);
    if error.kind() == std::io::ErrorKind::NotFound {
        127
    } else {
        126
    }
}

/// `chroot`
pub fn chroot(arguments: &[OsString]) -> i32 {
    let Some((root, command)) = arguments.get(1..).and_then(<[OsString]>::split_first) else {
        say("chroot", "missing operand");
        return 125;
    };
    let entered =
        rustix::process::chroot(root.as_os_str()).and_then(|()| rustix::process::chdir("/"));
    if let Err(error) = entered {
        complain("chroot", root, &error.into());
        return 125;
    }
    if command.is_empty() {
        let shell = std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
        return become_command("chroot", &[shell, "-i".into()]);
    }
    become_command("chroot", command)
}

/// `nice`
pub fn nice(arguments: &[OsString]) -> i32 {
    let mut rest = arguments.get(1..).unwrap_or_default();
    let mut step = 10;
    let wrong = |text: &OsStr| {
        say("nice", format!("invalid number '{}'", text.display()));
        125
    };
    while let Some((first, behind)) = rest.split_first() {
        let text = first.to_string_lossy();
        let number = if text == "-n" {
            let Some((value, behind)) = behind.split_first() else {
                say("nice", "option '-n' needs a value");
                return 125;
            };
            rest = behind;
            value.clone()
        } else if let Some(value) = text.strip_prefix("-n") {
            rest = behind;
            value.to_owned().into()
        } else if let Some(value) = text
            .strip_prefix('-')
            .filter(|v| v.starts_with(|c: char| c.is_ascii_digit() || c == '-'))
        {
            rest = behind;
            value.to_owned().into()
        } else {
            break;
        };
        match number.to_str().and_then(|text| text.parse().ok()) {
            Some(number) => step = number,
            None => return wrong(&number),
        }
    }
    let now = rustix::process::getpriority_process(None).unwrap_or(0);
    if rest.is_empty() {
        let mut out = Output::new();
        out.put(format!("{now}\n").as_bytes());
        return out.finish("nice", 0, 1);
    }
    if let Err(error) = rustix::process::setpriority_process(None, now.saturating_add(step)) {
        complain("nice", OsStr::new("setpriority"), &error.into());
    }
    become_command("nice", rest)
}

/// `nohup`
pub fn nohup(arguments: &[OsString]) -> i32 {
    let command = arguments.get(1..).unwrap_or_default();
    if command.is_empty() {
        say("nohup", "missing operand");
        return 125;
    }
    let _ = sys::process::set_signal(1, sys::process::Disposition::Ignore);
    if rustix::termios::isatty(rustix::stdio::stdout()) {
        let name = OsString::from("nohup.out");
        let home = std::env::var_os("HOME")
            .map(|home| Path::new(&home).join("nohup.out").into_os_string());
        let flags = 0o1 | 0o100 | 0o2000;
        let opened = sys::process::open(&name, flags, 0o600)
            .map(|fd| (fd, name))
            .or_else(|error| match home {
                Some(path) => sys::process::open(&path, flags, 0o600).map(|fd| (fd, path)),
                None => Err(error),
            });
        match opened {
            Ok((fd, path)) => {
                say("nohup", format!("appending output to {}", path.display()));
                let _ = sys::process::dup2(fd, 1);
                if rustix::termios::isatty(rustix::stdio::stderr()) {
                    let _ = sys::process::dup2(fd, 2);
                }
            }
            Err(error) => {
                complain("nohup", OsStr::new("nohup.out"), &error);
                return 125;
            }
        }
    } else if rustix::termios::isatty(rustix::stdio::stderr()) {
        let _ = sys::process::dup2(1, 2);
    }
    become_command("nohup", command)
}

/// `5`, `1.5m`, `2h`, `1d`
fn duration(text: &OsStr) -> Option<Duration> {
    let text = text.to_str()?;
    let (number, unit) = match text.as_bytes().last()? {
        b's' => (text.get(..text.len() - 1)?, 1.0),
        b'm' => (text.get(..text.len() - 1)?, 60.0),
        b'h' => (text.get(..text.len() - 1)?, 3600.0),
        b'd' => (text.get(..text.len() - 1)?, 86_400.0),
        _ => (text, 1.0),
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * unit).ok()
}

/// `timeout`
pub fn timeout(arguments: &[OsString]) -> i32 {
    let mut rest = arguments.get(1..).unwrap_or_default();
    let (mut signal, mut kill) = (15, None);
    let usage = |what: &str| {
        say("timeout", what);
        125
    };
    while let Some((first, behind)) = rest.split_first() {
        let bytes = first.as_bytes();
        if bytes.len() < 2 || !bytes.starts_with(b"-") {
            break;
        }
        let letter = bytes.get(1).copied().unwrap_or(0);
        let (value, after) = if bytes.len() > 2 {
            (
                OsStr::from_bytes(bytes.get(2..).unwrap_or_default()),
                behind,
            )
        } else {
            match behind.split_first() {
                Some((value, after)) => (value.as_os_str(), after),
                None => return usage("an option needs a value"),
            }
        };
        match letter {
            b's' => match crate::common::signals::number(&value.to_string_lossy()) {
                Some(number) => signal = number,
                None => return usage("no such signal"),
            },
            b'k' => match duration(value) {
                Some(time) => kill = Some(time),
                None => return usage("invalid time"),
            },
            _ => return usage("unrecognized option"),
        }
        rest = after;
    }
    let Some((time, command)) = rest.split_first() else {
        return usage("missing operand");
    };
    let Some(time) = duration(time) else {
        return usage("invalid time");
    };
    let Some((program, words)) = command.split_first() else {
        return usage("missing operand");
    };
    let mut child = match Command::new(program).args(words).spawn() {
        Ok(child) => child,
        Err(error) => {
            say(
                "timeout",
                format!("{}: {}", program.display(), cause(&error)),
            );
            return if error.kind() == std::io::ErrorKind::NotFound {
                127
            } else {
                126
            };
        }
    };
    let pid = i32::try_from(child.id()).unwrap_or(0);
    let start = Instant::now();
    let mut sent = None;
    let mut pause = Duration::from_millis(1);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => {
                if sent.is_some() && status.signal() != Some(9) {
                    return 124;
                }
                return status
                    .code()
                    .or(status.signal().map(|signal| 128 + signal))
                    .unwrap_or(125);
            }
            Ok(None) => {}
            Err(error) => {
                complain("timeout", program, &error);
                return 125;
            }
        }
        if sent.is_none() && !time.is_zero() && start.elapsed() >= time {
            let _ = sys::process::kill(pid, signal);
            sent = Some(Instant::now());
        } else if let (Some(at), Some(kill)) = (sent, kill)
            && at.elapsed() >= kill
        {
            let _ = sys::process::kill(pid, 9);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// `nproc`
pub fn nproc(arguments: &[OsString]) -> i32 {
    let mut count = std::thread::available_parallelism().map_or(1, usize::from);
    for word in arguments.iter().skip(1) {
        let text = word.to_string_lossy();
        if text == "--all" {
            let online = std::fs::read_dir("/sys/devices/system/cpu").map(|entries| {
                entries
                    .flatten()
                    .filter(|entry| {
                        let name = entry.file_name();
                        let name = name.to_string_lossy();
                        name.strip_prefix("cpu").is_some_and(|rest| {
                            !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit())
                        })
                    })
                    .count()
            });
            count = online.unwrap_or(count).max(1);
        } else if let Some(ignored) = text
            .strip_prefix("--ignore=")
            .and_then(|n| n.parse::<usize>().ok())
        {
            count = count.saturating_sub(ignored).max(1);
        } else {
            say("nproc", format!("unrecognized option '{text}'"));
            return 1;
        }
    }
    let mut out = Output::new();
    out.put(format!("{count}\n").as_bytes());
    out.finish("nproc", 0, 1)
}

/// `tty`
pub fn tty(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "tty",
        letters: "s",
        long: &[("silent", 's'), ("quiet", 's')],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return 1 + status,
    };
    let name = rustix::termios::ttyname(rustix::stdio::stdin(), Vec::new()).ok();
    let status = i32::from(name.is_none());
    if given.has('s') {
        return status;
    }
    let mut out = Output::new();
    match name {
        Some(name) => out.put(name.to_bytes()),
        None => out.put(b"not a tty"),
    }
    out.put_byte(b'\n');
    out.finish("tty", status, 3)
}

/// `arch`
pub fn arch(_: &[OsString]) -> i32 {
    let mut out = Output::new();
    out.put(rustix::system::uname().machine().to_bytes());
    out.put_byte(b'\n');
    out.finish("arch", 0, 1)
}

/// `hostid`: of /etc/hostid, or of the host's first address, as gethostid(3) has it.
pub fn hostid(_: &[OsString]) -> i32 {
    let stored = std::fs::read("/etc/hostid")
        .ok()
        .and_then(|bytes| <[u8; 4]>::try_from(bytes.get(..4)?).ok());
    let id = stored.map_or(0, u32::from_ne_bytes);
    let mut out = Output::new();
    out.put(format!("{id:08x}\n").as_bytes());
    out.finish("hostid", 0, 1)
}

/// Runs one of the shell's built-in commands with our arguments.
fn built_in(arguments: &[OsString], name: &str) -> i32 {
    let mut shell = shell::Shell::new();
    shell.import_environment(std::env::vars_os());
    shell.set_name(name.as_bytes());
    let rest = arguments.get(1..).unwrap_or_default();
    shell.set_args(rest.iter().map(|word| word.as_bytes().to_vec()).collect());
    let text = format!("{name} \"$@\"");
    match shell.eval(name.as_bytes(), text.as_bytes()) {
        Ok(status) => shell.exited().unwrap_or(status),
        Err(error) => {
            say(name, error);
            2
        }
    }
}

/// `test`
pub fn test(arguments: &[OsString]) -> i32 {
    built_in(arguments, "test")
}

/// `[`
pub fn bracket(arguments: &[OsString]) -> i32 {
    built_in(arguments, "[")
}

/// `printf`
pub fn printf(arguments: &[OsString]) -> i32 {
    built_in(arguments, "printf")
}

/// `echo`
pub fn echo(arguments: &[OsString]) -> i32 {
    built_in(arguments, "echo")
}

/// `pwd`
pub fn pwd(arguments: &[OsString]) -> i32 {
    built_in(arguments, "pwd")
}

/// `[[`, where it is no word of the shell: as `[`.
pub fn double_bracket(arguments: &[OsString]) -> i32 {
    let mut words = arguments.to_vec();
    match words.last_mut() {
        Some(last) if last == "]]" => *last = "]".into(),
        _ => {
            say("[[", "missing ]]");
            return 2;
        }
    }
    built_in(&words, "[")
}

//! What runs a program in other circumstances: `setsid`, `flock`, `linux32`, `linux64`, `ionice`, `renice`;
//! and `mesg`.

use crate::common::accounts::Accounts;
use crate::common::lines::{Output, cause, complain, say};
use crate::common::options::{Given, Options};
use crate::common::running::{program_at, replace_by, run};
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;

pub const SETSID_USAGE: &str = "[-c] PROGRAM [argument...]

runs PROGRAM in a new session    -c  standard input is its controlling terminal";
pub const FLOCK_USAGE: &str = "[-sxun] [-o] FD | {FILE PROGRAM [argument...]} | {FILE -c COMMAND}

-s  a shared lock    -x  an exclusive one, the usual    -u  unlock    -n  fail at once where it is taken
-o  PROGRAM does not inherit it    -c  a command for the shell";
pub const LINUX_USAGE: &str = "[PROGRAM [argument...]]";
pub const IONICE_USAGE: &str = "[-c 0-3] [-n 0-7] [-t] {[-p] PID... | [PROGRAM [argument...]]}

-c  class: 0 none, 1 real time, 2 best effort, 3 idle    -n  level within it    -t  run it even where that fails
-p  of these processes; without -c and -n it is printed";
pub const RENICE_USAGE: &str = "[-n] N [-p | -g | -u] ID...

adds N to the niceness with -n, else sets it    -p  processes    -g  process groups    -u  users";
pub const MESG_USAGE: &str = "[y | n]

whether others may write to this terminal; without a word: says so";

/// The own options, and the program behind them. `Err`: told.
fn split(options: &Options, arguments: &[OsString]) -> Result<(Given, Vec<OsString>), i32> {
    let at = program_at(arguments, options.letters);
    let (own, program) = arguments.split_at(at);
    let mut given = options.parse(own)?;
    given.operands = Vec::new();
    Ok((given, program.to_vec()))
}

fn fails(applet: &str, what: &str, error: &io::Error) -> i32 {
    complain(applet, OsStr::new(what), error);
    1
}

/// `setsid`
pub fn setsid(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "setsid",
        letters: "c",
        long: &[],
    };
    let (given, program) = match split(&options, arguments) {
        Ok(found) => found,
        Err(status) => return status,
    };
    if program.is_empty() {
        return options.wrong("missing operand");
    }
    let take = given.has('c');
    let start = move || {
        if take {
            // As in BusyBox, the program runs as well where standard input is no terminal.
            let _ = sys::init::take_terminal(rustix::stdio::stdin());
        }
        replace_by("setsid", &program)
    };
    if rustix::process::setsid().is_ok() {
        return start();
    }
    // The leader of a group cannot have a session of its own: then a child has it, and nobody waits.
    let child = move || match rustix::process::setsid() {
        Ok(_) => start(),
        Err(error) => fails("setsid", "setsid", &error.into()),
    };
    match sys::process::fork(child) {
        Ok(_) => 0,
        Err(error) => fails("setsid", "fork", &error),
    }
}

/// `flock`
pub fn flock(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "flock",
        letters: "sxunoe",
        long: &[
            ("shared", 's'),
            ("exclusive", 'x'),
            ("unlock", 'u'),
            ("nonblock", 'n'),
            ("nb", 'n'),
            ("close", 'o'),
        ],
    };
    let (given, words) = match split(&options, arguments) {
        Ok(found) => found,
        Err(status) => return status,
    };
    let how = match given.last_of("sxue") {
        Some('u') => 8,
        Some('s') => 1,
        _ => 2,
    } | if given.has('n') { 4 } else { 0 };
    let Some((first, program)) = words.split_first() else {
        return options.wrong("missing operand");
    };
    let file = if program.is_empty() {
        // A descriptor that the caller has: the lock stays behind with it.
        let number = first.to_str().and_then(|text| text.parse::<u32>().ok());
        let Some(number) = number else {
            return options.wrong(&format!("bad file descriptor '{}'", first.display()));
        };
        Ok((i32::try_from(number).unwrap_or(-1), None))
    } else {
        // A folder can be locked, too, but not opened to write.
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(first)
            .or_else(|error| File::open(first).map_err(|_| error))
            .map(|file| (file.as_raw_fd(), Some(file)))
    };
    let (number, file) = match file {
        Ok(file) => file,
        Err(error) => return fails("flock", &first.to_string_lossy(), &error),
    };
    loop {
        match sys::control::lock(number, how) {
            Ok(()) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return 1,
            Err(error) => return fails("flock", &first.to_string_lossy(), &error),
        }
    }
    if program.is_empty() {
        return 0;
    }
    if let Some(file) = file.as_ref().filter(|_| !given.has('o')) {
        let _ = rustix::io::fcntl_setfd(file, rustix::io::FdFlags::empty());
    }
    if program.first().is_some_and(|word| word == "-c") {
        if program.len() != 2 {
            return options.wrong("-c takes one command");
        }
        let mut shell: Vec<OsString> = vec!["/bin/sh".into()];
        shell.extend(program.iter().cloned());
        return run("flock", &shell);
    }
    run("flock", program)
}

/// `linux32` and `linux64`
pub fn linux(arguments: &[OsString]) -> i32 {
    let (name, rest) = arguments
        .split_first()
        .map_or(("linux64", arguments), |(name, rest)| {
            (
                if name.as_bytes().ends_with(b"32") {
                    "linux32"
                } else {
                    "linux64"
                },
                rest,
            )
        });
    if let Err(error) = sys::control::personality(if name == "linux32" { 8 } else { 0 }) {
        return fails(name, "personality", &error);
    }
    replace_by(name, rest)
}

/// `ionice`
pub fn ionice(arguments: &[OsString]) -> i32 {
    const CLASSES: [&str; 4] = ["none", "realtime", "best-effort", "idle"];
    let options = Options {
        applet: "ionice",
        letters: "c:n:pt",
        long: &[],
    };
    let (given, words) = match split(&options, arguments) {
        Ok(found) => found,
        Err(status) => return status,
    };
    let number = |letter, most: u8| -> Result<Option<u8>, i32> {
        let Some(word) = given.value(letter) else {
            return Ok(None);
        };
        let place = CLASSES
            .iter()
            .position(|name| letter == 'c' && word == *name);
        let found = place
            .and_then(|place| u8::try_from(place).ok())
            .or_else(|| word.to_str().and_then(|text| text.parse().ok()));
        match found {
            Some(number) if number <= most => Ok(Some(number)),
            _ => Err(options.wrong(&format!("bad value '{}' for -{letter}", word.display()))),
        }
    };
    let (class, level) = match (number('c', 3), number('n', 7)) {
        (Ok(class), Ok(level)) => (class, level),
        (Err(status), _) | (_, Err(status)) => return status,
    };
    let set = class.is_some() || level.is_some();
    let change = |pid: i32| {
        let class = class.unwrap_or(2);
        sys::kernel::set_io_priority(pid, class, if class == 3 { 7 } else { level.unwrap_or(4) })
    };
    if !given.has('p') && !words.is_empty() {
        if let Err(error) = change(0)
            && !given.has('t')
        {
            return fails("ionice", "ioprio_set", &error);
        }
        return replace_by("ionice", &words);
    }
    let mut pids = Vec::new();
    for word in &words {
        match word
            .to_str()
            .and_then(|text| text.parse::<i32>().ok())
            .filter(|pid| *pid >= 0)
        {
            Some(pid) => pids.push(pid),
            None => return options.wrong(&format!("bad process number '{}'", word.display())),
        }
    }
    if pids.is_empty() {
        pids.push(0);
    }
    let mut out = Output::new();
    let mut status = 0;
    for pid in pids {
        if set {
            if let Err(error) = change(pid) {
                status = fails("ionice", &pid.to_string(), &error);
            }
            continue;
        }
        match sys::kernel::io_priority(pid) {
            Ok((class, level)) => {
                let name = CLASSES.get(usize::from(class)).unwrap_or(&"?");
                let line = if class == 3 {
                    format!("{name}\n")
                } else {
                    format!("{name}: prio {level}\n")
                };
                out.put(line.as_bytes());
            }
            Err(error) => status = fails("ionice", &pid.to_string(), &error),
        }
    }
    out.finish("ionice", status, 1)
}

/// `renice`
pub fn renice(arguments: &[OsString]) -> i32 {
    let wrong = |what: &str| {
        say("renice", what);
        say("renice", "try 'renice --help'");
        1
    };
    let mut words = arguments.iter().skip(1).peekable();
    let add = words.next_if(|word| *word == "-n").is_some();
    let Some(by) = words
        .next()
        .and_then(|word| word.to_str()?.parse::<i32>().ok())
    else {
        return wrong("the niceness has to be a number");
    };
    let (mut kind, mut status, mut seen) = ('p', 0, false);
    for word in words {
        match word.as_bytes() {
            b"-p" => kind = 'p',
            b"-g" => kind = 'g',
            b"-u" => kind = 'u',
            text => {
                seen = true;
                let mut id = std::str::from_utf8(text)
                    .ok()
                    .and_then(|text| text.parse::<u32>().ok());
                if id.is_none() && kind == 'u' {
                    id = Accounts::system()
                        .user(text)
                        .ok()
                        .flatten()
                        .map(|user| user.uid);
                }
                let Some(id) = id else {
                    status = wrong(&format!(
                        "bad {} '{}'",
                        if kind == 'u' { "user" } else { "number" },
                        word.display()
                    ));
                    continue;
                };
                if let Err(error) = renice_one(kind, id, by, add) {
                    status = fails("renice", &format!("{}", word.display()), &error);
                }
            }
        }
    }
    if seen {
        status
    } else {
        wrong("missing operand")
    }
}

fn renice_one(kind: char, id: u32, by: i32, add: bool) -> io::Result<()> {
    use rustix::process::{
        Pid, Uid, getpriority_pgrp, getpriority_process, getpriority_user, setpriority_pgrp,
        setpriority_process, setpriority_user,
    };
    let pid = Pid::from_raw(i32::try_from(id).map_err(|_| io::ErrorKind::InvalidInput)?);
    let user = Uid::from_raw(id);
    let old = if !add {
        0
    } else {
        match kind {
            'g' => getpriority_pgrp(pid)?,
            'u' => getpriority_user(user)?,
            _ => getpriority_process(pid)?,
        }
    };
    let new = old.saturating_add(by).clamp(-20, 19);
    match kind {
        'g' => setpriority_pgrp(pid, new)?,
        'u' => setpriority_user(user, new)?,
        _ => setpriority_process(pid, new)?,
    }
    Ok(())
}

/// `mesg`
pub fn mesg(arguments: &[OsString]) -> i32 {
    use rustix::fs::{Mode, fchmod, fstat};
    let word = arguments.get(1).map(|word| word.as_bytes());
    if arguments.len() > 2 || word.is_some_and(|word| !matches!(word, b"y" | b"n")) {
        say("mesg", "one of y and n is needed");
        return 1;
    }
    let terminal = rustix::stdio::stdin();
    if !rustix::termios::isatty(terminal) {
        say("mesg", "standard input is no terminal");
        return 2;
    }
    let mode = match fstat(terminal) {
        Ok(stat) => Mode::from_raw_mode(stat.st_mode),
        Err(error) => return fails("mesg", "terminal", &error.into()),
    };
    let Some(word) = word else {
        let open = mode.contains(Mode::WGRP);
        let mut out = Output::new();
        out.put(if open { b"is y\n" } else { b"is n\n" });
        return out.finish("mesg", i32::from(!open), 2);
    };
    let new = if word == b"y" {
        mode | Mode::WGRP
    } else {
        mode - Mode::WGRP - Mode::WOTH
    };
    match fchmod(terminal, new) {
        Ok(()) => i32::from(word == b"n"),
        Err(error) => {
            say("mesg", cause(&error.into()));
            2
        }
    }
}

//! `pwdx`, `pmap`, and `time`.

use crate::common::lines::{Output, complain, say};
use crate::common::options::Options;
use crate::common::running::{program_at, run};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

pub const PWDX_USAGE: &str = "PID...";
pub const PMAP_USAGE: &str = "[-q] PID...

-q  no total";
pub const TIME_USAGE: &str = "[-pv] [-f FORMAT] [-o FILE] [-a] PROGRAM [argument...]

runs PROGRAM, then tells how long that took    -p  as POSIX has it    -v  all that is known
-o  into FILE    -a  behind what is in FILE
-f  as FORMAT says: %e %U %S  seconds in all, as the program, as the system for it    %E %u %T  with minutes
    %P  of a processor    %M  most memory in kB    %F %R  page faults from disk, and without    %I %O  in, out
    %w %c  gave way, was interrupted    %W  swapped    %k  signals    %r %s  messages received, sent
    %Z  size of a page    %x  status    %C  the command    %%  a %";

/// `pwdx`
pub fn pwdx(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "pwdx",
        letters: "",
        long: &[],
    };
    let given = match options
        .parse(arguments)
        .and_then(|given| options.operands(&given, 1, usize::MAX).map(|()| given))
    {
        Ok(given) => given,
        Err(status) => return status,
    };
    let mut out = Output::new();
    let mut status = 0;
    for word in &given.operands {
        let text = word.to_str().map(|text| text.trim_start_matches("/proc/"));
        let Some(pid) = text.and_then(|text| text.parse::<u32>().ok()) else {
            say("pwdx", format!("invalid process id: '{}'", word.display()));
            return 1;
        };
        match std::fs::read_link(format!("/proc/{pid}/cwd")) {
            Ok(path) => {
                out.put(format!("{pid}: ").as_bytes());
                out.put(path.as_os_str().as_bytes());
                out.put_byte(b'\n');
            }
            Err(error) => {
                complain("pwdx", word, &error);
                status = 1;
            }
        }
    }
    out.finish("pwdx", status, 1)
}

/// `pmap`
pub fn pmap(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "pmap",
        letters: "q",
        long: &[("quiet", 'q')],
    };
    let given = match options
        .parse(arguments)
        .and_then(|given| options.operands(&given, 1, usize::MAX).map(|()| given))
    {
        Ok(given) => given,
        Err(status) => return status,
    };
    let mut out = Output::new();
    let mut status = 0;
    for word in &given.operands {
        let Some(pid) = word.to_str().and_then(|text| text.parse::<u32>().ok()) else {
            return options.wrong(&format!("invalid process id '{}'", word.display()));
        };
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let maps = match std::fs::read(format!("/proc/{pid}/maps")) {
            Ok(maps) => maps,
            Err(error) => {
                complain("pmap", word, &error);
                status = 42;
                continue;
            }
        };
        let command: Vec<u8> = command
            .iter()
            .map(|byte| if *byte == 0 { b' ' } else { *byte })
            .collect();
        out.put(format!("{pid}: ").as_bytes());
        out.put(command.trim_ascii_end());
        out.put_byte(b'\n');
        let mut total: u64 = 0;
        for line in maps.split(|byte| *byte == b'\n') {
            let Some((start, size, mode, name)) = mapping(line) else {
                continue;
            };
            total = total.saturating_add(size);
            out.put(format!("{start:016x} {:>7}K {mode}  ", size / 1024).as_bytes());
            out.put(if name.is_empty() { b"  [ anon ]" } else { name });
            out.put_byte(b'\n');
        }
        if !given.has('q') {
            out.put(format!(" total {:>17}K\n", total / 1024).as_bytes());
        }
    }
    out.finish("pmap", status, 1)
}

/// A line of `/proc/PID/maps`: start, size, mode, name.
fn mapping(line: &[u8]) -> Option<(u64, u64, &str, &[u8])> {
    let mut words = line.splitn(6, |byte| *byte == b' ');
    let (start, end) = std::str::from_utf8(words.next()?).ok()?.split_once('-')?;
    let start = u64::from_str_radix(start, 16).ok()?;
    let end = u64::from_str_radix(end, 16).ok()?;
    let mode = std::str::from_utf8(words.next()?).ok()?;
    let name = words.nth(3).unwrap_or_default().trim_ascii();
    Some((start, end.checked_sub(start)?, mode, name))
}

/// What `-v` prints.
const LONG: &[u8] = b"\tCommand being timed: \"%C\"\n\tUser time (seconds): %U\n\tSystem time (seconds): %S\n\
    \tPercent of CPU this job got: %P\n\tElapsed (wall clock) time (h:mm:ss or m:ss): %E\n\
    \tMaximum resident set size (kbytes): %M\n\tMajor (requiring I/O) page faults: %F\n\
    \tMinor (reclaiming a frame) page faults: %R\n\tVoluntary context switches: %w\n\
    \tInvoluntary context switches: %c\n\tSwaps: %W\n\tFile system inputs: %I\n\tFile system outputs: %O\n\
    \tSignals delivered: %k\n\tPage size (bytes): %Z\n\tExit status: %x";

/// Fills in what is known. What the format has that is none is marked by a `?`, as GNU's time does it.
fn formatted(format: &[u8], program: &[OsString], real: Duration, status: i32) -> Vec<u8> {
    let (user, system, usage) = sys::control::children_time();
    let seconds = |of: Duration| format!("{}.{:02}", of.as_secs(), of.subsec_millis() / 10);
    let minutes = |of: Duration| {
        let (all, rest) = (of.as_secs(), of.subsec_millis() / 10);
        match all / 3600 {
            0 => format!("{}m {}.{rest:02}s", all / 60, all % 60),
            hours => format!("{hours}h {}m {:02}s", all / 60 % 60, all % 60),
        }
    };
    let mut out = Vec::new();
    let mut bytes = format.iter();
    while let Some(byte) = bytes.next() {
        if !matches!(byte, b'%' | b'\\') {
            out.push(*byte);
            continue;
        }
        let Some(letter) = bytes.next() else {
            out.push(b'?');
            if *byte == b'\\' {
                out.extend_from_slice(b"\\\n");
            }
            return out;
        };
        if *byte == b'\\' {
            match letter {
                b'n' => out.push(b'\n'),
                b't' => out.push(b'\t'),
                b'\\' => out.push(b'\\'),
                _ => out.extend_from_slice(&[b'?', b'\\', *letter]),
            }
            continue;
        }
        let text = match letter {
            b'e' => seconds(real),
            b'U' => seconds(user),
            b'S' => seconds(system),
            b'E' => minutes(real),
            b'u' => minutes(user),
            b'T' => minutes(system),
            b'P' => match (user + system).as_millis() * 100 / real.as_millis().max(1) {
                0 if real.as_millis() == 0 => "?%".to_owned(),
                percent => format!("{percent}%"),
            },
            b'M' => usage.ru_maxrss.to_string(),
            b'F' => usage.ru_majflt.to_string(),
            b'R' => usage.ru_minflt.to_string(),
            b'I' => usage.ru_inblock.to_string(),
            b'O' => usage.ru_oublock.to_string(),
            b'w' => usage.ru_nvcsw.to_string(),
            b'c' => usage.ru_nivcsw.to_string(),
            b'W' => usage.ru_nswap.to_string(),
            b'k' => usage.ru_nsignals.to_string(),
            b'r' => usage.ru_msgrcv.to_string(),
            b's' => usage.ru_msgsnd.to_string(),
            // Linux keeps no averages of memory.
            b'D' | b'K' | b'X' | b'p' | b't' => "0".to_owned(),
            b'Z' => rustix::param::page_size().to_string(),
            b'x' => status.to_string(),
            b'C' => {
                for (number, word) in program.iter().enumerate() {
                    if number > 0 {
                        out.push(b' ');
                    }
                    out.extend_from_slice(word.as_bytes());
                }
                continue;
            }
            b'%' => "%".to_owned(),
            _ => {
                out.push(b'?');
                out.push(*letter);
                continue;
            }
        };
        out.extend_from_slice(text.as_bytes());
    }
    out.push(b'\n');
    out
}

/// `time`
pub fn time(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "time",
        letters: "pvo:af:",
        long: &[
            ("portability", 'p'),
            ("verbose", 'v'),
            ("output", 'o'),
            ("append", 'a'),
            ("format", 'f'),
        ],
    };
    let (own, program) = arguments.split_at(program_at(arguments, options.letters));
    let given = match options.parse(own) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if program.is_empty() {
        return options.wrong("missing operand");
    }
    let begin = std::time::Instant::now();
    let status = run("time", program);
    let real = begin.elapsed();
    let format = match given.value('f') {
        Some(format) => format.as_bytes(),
        None if given.has('v') => LONG,
        None if given.has('p') => b"real %e\nuser %U\nsys %S",
        None => b"real\t%E\nuser\t%u\nsys\t%T",
    };
    let text = formatted(format, program, real, status);
    let done = match given.value('o') {
        Some(path) => std::fs::OpenOptions::new()
            .create(true)
            .write(true)
            .append(given.has('a'))
            .truncate(!given.has('a'))
            .open(path)
            .and_then(|file| crate::common::lines::write_all(file, &text)),
        None => crate::common::lines::write_all(rustix::stdio::stderr(), &text),
    };
    if let Err(error) = done {
        complain(
            "time",
            given.value('o').unwrap_or(OsStr::new("standard error")),
            &error,
        );
        return 1;
    }
    status
}

#[cfg(test)]
mod tests {
    use super::mapping;

    #[test]
    fn mappings() {
        let line = b"1000-3000 r-xp 00000000 fe:01 7                  /bin/a b";
        assert_eq!(
            mapping(line),
            Some((0x1000, 0x2000, "r-xp", &b"/bin/a b"[..]))
        );
        assert_eq!(mapping(b"3000-1000 r-xp 0 0 0"), None);
        assert_eq!(mapping(b""), None);
    }
}

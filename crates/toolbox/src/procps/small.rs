//! `pwdx`, `pmap`, and `time`.

use crate::common::lines::{Output, complain, say};
use crate::common::options::Options;
use crate::common::running::{program_at, run};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

pub const PWDX_USAGE: &str = "PID...";
pub const PMAP_USAGE: &str = "[-q] PID...

-q  no total";
pub const TIME_USAGE: &str = "[-pv] [-o FILE] [-a] PROGRAM [argument...]

runs PROGRAM, then tells how long that took    -p  as POSIX has it    -v  all that is known
-o  into FILE    -a  behind what is in FILE";

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

/// `time`
pub fn time(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "time",
        letters: "pvo:a",
        long: &[
            ("portability", 'p'),
            ("verbose", 'v'),
            ("output", 'o'),
            ("append", 'a'),
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
    let (user, system, usage) = sys::control::children_time();
    let parts = |of: std::time::Duration| (of.as_secs(), of.subsec_millis() / 10);
    let text = if given.has('v') {
        let words: Vec<String> = program
            .iter()
            .map(|word| word.display().to_string())
            .collect();
        format!(
            "\tCommand being timed: \"{}\"\n\tUser time (seconds): {:.2}\n\tSystem time (seconds): {:.2}\n\
             \tElapsed (wall clock) time (h:mm:ss or m:ss): {}m {}.{:02}s\n\tMaximum resident set size (kbytes): {}\n\
             \tMajor (requiring I/O) page faults: {}\n\tMinor (reclaiming a frame) page faults: {}\n\
             \tVoluntary context switches: {}\n\tInvoluntary context switches: {}\n\tExit status: {status}\n",
            words.join(" "),
            user.as_secs_f64(),
            system.as_secs_f64(),
            real.as_secs() / 60,
            real.as_secs() % 60,
            parts(real).1,
            usage.ru_maxrss,
            usage.ru_majflt,
            usage.ru_minflt,
            usage.ru_nvcsw,
            usage.ru_nivcsw,
        )
    } else {
        let line = |name: &str, of: std::time::Duration| {
            let (seconds, hundredths) = parts(of);
            if given.has('p') {
                format!("{name} {seconds}.{hundredths:02}\n")
            } else {
                format!(
                    "{name}\t{}m {}.{hundredths:02}s\n",
                    seconds / 60,
                    seconds % 60
                )
            }
        };
        line("real", real) + &line("user", user) + &line("sys", system)
    };
    let done = match given.value('o') {
        Some(path) => std::fs::OpenOptions::new()
            .create(true)
            .write(true)
            .append(given.has('a'))
            .truncate(!given.has('a'))
            .open(path)
            .and_then(|file| crate::common::lines::write_all(file, text.as_bytes())),
        None => crate::common::lines::write_all(rustix::stdio::stderr(), text.as_bytes()),
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

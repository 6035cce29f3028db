//! `watch`: runs a command again and again, and shows what it prints.

use crate::common::calendar;
use crate::common::lines::{Output, other, status};
use crate::common::options::Options;
use std::ffi::OsString;
use std::io;
use std::time::Duration;

pub const USAGE: &str = "[-n SEC] [-t] PROGRAM [argument...]

-n  seconds between (2)    -t  no header";

/// `watch`
pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "watch",
        letters: "dtn:",
        long: &[("interval", 'n'), ("no-title", 't')],
    };
    let (given, program) = match options.take_program(arguments) {
        Ok(found) => found,
        Err(status) => return status,
    };
    if program.is_empty() {
        return options.wrong("missing operand");
    }
    // All words are one line for the shell: `watch ls -l "a b"` looks for two files, everywhere.
    let mut command = OsString::new();
    for (index, word) in program.iter().enumerate() {
        if index > 0 {
            command.push(" ");
        }
        command.push(word);
    }
    let period = given
        .number('n', 2.0_f64)
        .and_then(|seconds| period(seconds).ok_or_else(|| format!("invalid number '{seconds}'")));
    status(
        "watch",
        period
            .map_err(other)
            .and_then(|period| run(&command, period, given.has('t'))),
    )
}

fn period(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

fn run(command: &OsString, period: Duration, bare: bool) -> io::Result<i32> {
    loop {
        let mut out = Output::new();
        out.put(b"\x1b[H\x1b[J");
        if !bare {
            let width = usize::from(sys::tty::size(2).0);
            let line = header(&command.to_string_lossy(), period, width, calendar::now());
            out.put(line.as_bytes());
            out.put(b"\n\n");
        }
        if out.finish("watch", 0, 1) != 0 {
            return Ok(1);
        }
        crate::common::running::run("watch", &["/bin/sh".into(), "-c".into(), command.clone()]);
        std::thread::sleep(period);
    }
}

/// What runs how often to the left, the time to the right.
fn header(command: &str, period: Duration, width: usize, now: i64) -> String {
    let mut text: String = format!("Every {:.1}s: {command}", period.as_secs_f64())
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .take(width)
        .collect();
    let at = calendar::moment(now.saturating_add(sys::kernel::local_offset(now)));
    let stamp = format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        at.year, at.month, at.day, at.hour, at.minute, at.second
    );
    if stamp.len() < width {
        let room = width - stamp.len() - 1;
        text = text.chars().take(room).collect();
        let pad = room.saturating_sub(text.chars().count());
        text = format!("{text}{} {stamp}", " ".repeat(pad));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        let two = period(2.0).unwrap();
        let text = header("ls -l\x1b", two, 50, 0);
        assert_eq!(text.chars().count(), 50);
        assert!(text.starts_with("Every 2.0s: ls -l?  "));
        assert_eq!(header("ls", two, 10, 0), "Every 2.0s");
        assert_eq!(header("a long command", two, 30, 0).chars().count(), 30);
        assert_eq!(period(-1.0), None);
        assert_eq!(period(f64::NAN), None);
    }
}

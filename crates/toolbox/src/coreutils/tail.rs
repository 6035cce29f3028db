//! `tail` (POSIX.1-2024), with `-c`, `+N`, and `-f -F -s`.

use crate::common::lines::{Output, complain, open, say};
use crate::common::options::{Options, size};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

pub const USAGE: &str = "[-n LINES | -c BYTES] [-fFqv] [-s SECONDS] [file...]

-n  so many lines (10); +LINES: from that line on
-c  so many bytes instead
-f  go on as the file grows    -F  also when it is replaced
-s  look every SECONDS (1)
-q  never print names          -v  always print names";

#[derive(Clone, Copy)]
struct Wanted {
    bytes: bool,
    from_start: bool,
    count: u64,
}

pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "tail",
        letters: "n:c:fFqvs:",
        long: &[
            ("lines", 'n'),
            ("bytes", 'c'),
            ("follow", 'f'),
            ("quiet", 'q'),
        ],
    };
    let arguments = old_form(arguments);
    let mut given = match options.parse(&arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let bytes = given.last_of("nc") == Some('c');
    let text = given
        .value(if bytes { 'c' } else { 'n' })
        .unwrap_or(OsStr::new("10"));
    let (from_start, digits) = match text.as_bytes().split_first() {
        Some((b'+', rest)) => (true, rest),
        Some((b'-', rest)) => (false, rest),
        _ => (false, text.as_bytes()),
    };
    let Some(count) = size(OsStr::from_bytes(digits)) else {
        say("tail", format!("invalid number '{}'", text.display()));
        return 1;
    };
    let wanted = Wanted {
        bytes,
        from_start,
        count,
    };
    if given.operands.is_empty() {
        given.operands.push("-".into());
    }
    let names = given.has('v') || (given.operands.len() > 1 && !given.has('q'));
    let mut out = Output::new();
    let mut status = 0;
    let mut followed = Vec::new();
    for (number, name) in given.operands.iter().enumerate() {
        let mut file = match open(name) {
            Ok(file) => file,
            Err(error) => {
                complain("tail", name, &error);
                status = 1;
                continue;
            }
        };
        if names {
            out.put(
                format!(
                    "{}==> {} <==\n",
                    if number > 0 { "\n" } else { "" },
                    name.display()
                )
                .as_bytes(),
            );
        }
        if let Err(error) = print_tail(&mut file, wanted, &mut out) {
            complain("tail", name, &error);
            status = 1;
        }
        followed.push((name.clone(), file));
    }
    if (given.has('f') || given.has('F')) && !followed.is_empty() {
        let seconds = given
            .value('s')
            .and_then(|text| text.to_str()?.parse::<f64>().ok())
            .unwrap_or(1.0);
        let pause = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_secs(1));
        follow(&mut followed, given.has('F'), names, pause, &mut out);
    }
    out.finish("tail", status, 1)
}

/// `tail -5` and `tail +5` are `tail -n 5` and `tail -n +5`.
fn old_form(arguments: &[OsString]) -> Vec<OsString> {
    let mut arguments = arguments.to_vec();
    if let Some(first) = arguments.get_mut(1) {
        let bytes = first.as_bytes();
        if bytes.len() > 1
            && matches!(bytes.first(), Some(b'-' | b'+'))
            && bytes.iter().skip(1).all(u8::is_ascii_digit)
        {
            let mut word = OsString::from("-n");
            word.push(OsStr::from_bytes(bytes));
            *first = word;
        }
    }
    arguments
}

fn print_tail(file: &mut File, wanted: Wanted, out: &mut Output) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    if wanted.from_start {
        let mut left = wanted.count.saturating_sub(1);
        loop {
            let count = file.read(&mut buffer)?;
            let mut rest = buffer.get(..count).unwrap_or_default();
            if rest.is_empty() || out.failed() {
                return Ok(());
            }
            while left > 0 && !rest.is_empty() {
                let skip = if wanted.bytes {
                    usize::try_from(left).unwrap_or(usize::MAX).min(rest.len())
                } else {
                    memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1)
                };
                left -= match wanted.bytes {
                    true => skip as u64,
                    false => u64::from(rest.get(skip - 1) == Some(&b'\n')),
                };
                rest = rest.get(skip..).unwrap_or_default();
            }
            out.put(rest);
        }
    }
    // Of a file, only the end is read: blocks from the end until there is enough.
    if let Ok(size) = file.seek(SeekFrom::End(0)) {
        let mut at = size;
        let mut held: Vec<u8> = Vec::new();
        while at > 0 && !enough(&held, wanted) {
            let step = at.min(buffer.len() as u64);
            at -= step;
            file.seek(SeekFrom::Start(at))?;
            let mut block = vec![0; usize::try_from(step).unwrap_or(0)];
            file.read_exact(&mut block)?;
            block.extend_from_slice(&held);
            held = block;
        }
        out.put(last(&held, wanted));
        file.seek(SeekFrom::Start(size))?;
        return Ok(());
    }
    let mut held: Vec<u8> = Vec::new();
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            out.put(last(&held, wanted));
            return Ok(());
        }
        held.extend_from_slice(buffer.get(..count).unwrap_or_default());
        if held.len() > 1 << 20 && enough(&held, wanted) {
            held = last(&held, wanted).to_vec();
        }
    }
}

fn enough(held: &[u8], wanted: Wanted) -> bool {
    // A line more than asked for: the first one may be cut.
    let have = if wanted.bytes {
        held.len() as u64
    } else {
        memchr::memchr_iter(b'\n', held).count() as u64
    };
    have > wanted.count
}

fn last(held: &[u8], wanted: Wanted) -> &[u8] {
    let count = usize::try_from(wanted.count).unwrap_or(usize::MAX);
    if wanted.bytes {
        return held
            .get(held.len().saturating_sub(count)..)
            .unwrap_or_default();
    }
    if count == 0 {
        return b"";
    }
    // The end of the last line is no beginning of one.
    let body = held.strip_suffix(b"\n").unwrap_or(held);
    match memchr::memrchr_iter(b'\n', body).nth(count - 1) {
        Some(at) => held.get(at + 1..).unwrap_or_default(),
        None => held,
    }
}

fn follow(
    files: &mut [(OsString, File)],
    reopen: bool,
    names: bool,
    pause: Duration,
    out: &mut Output,
) {
    let mut buffer = vec![0; 64 * 1024];
    let mut shown = files.len().checked_sub(1);
    loop {
        for (number, (name, file)) in files.iter_mut().enumerate() {
            if reopen && let Ok(now) = std::fs::metadata(&*name) {
                let same = file
                    .metadata()
                    .is_ok_and(|old| (old.dev(), old.ino()) == (now.dev(), now.ino()));
                if !same && let Ok(new) = File::open(&*name) {
                    *file = new;
                }
            }
            // A file that became shorter was begun anew.
            if let (Ok(meta), Ok(at)) = (file.metadata(), file.stream_position())
                && meta.is_file()
                && meta.len() < at
            {
                let _ = file.seek(SeekFrom::Start(0));
            }
            while let Ok(count @ 1..) = file.read(&mut buffer) {
                if names && shown != Some(number) {
                    out.put(format!("\n==> {} <==\n", name.display()).as_bytes());
                    shown = Some(number);
                }
                out.put(buffer.get(..count).unwrap_or_default());
            }
        }
        out.flush();
        if out.failed() {
            return;
        }
        std::thread::sleep(pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_and_bytes() {
        let of = |text: &str, bytes, count| {
            String::from_utf8(
                last(
                    text.as_bytes(),
                    Wanted {
                        bytes,
                        from_start: false,
                        count,
                    },
                )
                .to_vec(),
            )
            .unwrap()
        };
        assert_eq!(of("a\nb\nc\n", false, 2), "b\nc\n");
        assert_eq!(of("a\nb\nc", false, 1), "c");
        assert_eq!(of("a\n", false, 5), "a\n");
        assert_eq!(of("a\nb\n", false, 0), "");
        assert_eq!(of("abc", true, 2), "bc");
    }
}

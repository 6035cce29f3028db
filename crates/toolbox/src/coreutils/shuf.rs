//! `shuf`: lines in a random order (Fisher and Yates), randomness from getrandom(2).

use crate::common::lines::{Output, complain, open, say};
use crate::common::options::Options;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;

pub const USAGE: &str = "[-rz] [-n N] [-o FILE] [file | -e word... | -i LOW-HIGH]

-e  the words are the lines    -i  the numbers from LOW to HIGH are the lines
-n  at most N lines    -o  to a file    -r  with repetition    -z  lines end in a zero byte";

/// Random numbers, drawn from the system in larger portions.
struct Random {
    pool: Vec<u8>,
}

impl Random {
    fn next(&mut self) -> io::Result<u64> {
        if self.pool.len() < 8 {
            self.pool.resize(4096, 0);
            let mut filled = 0;
            while filled < self.pool.len() {
                let room = self.pool.get_mut(filled..).unwrap_or_default();
                filled += rustix::rand::getrandom(room, rustix::rand::GetRandomFlags::empty())?;
            }
        }
        let at = self.pool.len() - 8;
        let mut bytes = [0; 8];
        bytes.copy_from_slice(self.pool.get(at..).unwrap_or(&[0; 8]));
        self.pool.truncate(at);
        Ok(u64::from_ne_bytes(bytes))
    }

    /// A number below `bound`, each as likely as the next.
    fn below(&mut self, bound: u64) -> io::Result<u64> {
        let bound = bound.max(1);
        // What is above the last whole multiple would make the small ones more likely.
        let excess = (u64::MAX % bound + 1) % bound;
        loop {
            let value = self.next()?;
            if value <= u64::MAX - excess {
                return Ok(value % bound);
            }
        }
    }
}

/// What is put in a random order.
enum Items<'a> {
    Lines(Vec<&'a [u8]>),
    Numbers(u64, u64),
}

impl Items<'_> {
    fn count(&self) -> u64 {
        match self {
            Items::Lines(lines) => lines.len() as u64,
            Items::Numbers(low, high) => (high - low).saturating_add(1),
        }
    }

    fn print(&self, at: u64, out: &mut Vec<u8>) {
        match self {
            Items::Lines(lines) => {
                let line = usize::try_from(at).ok().and_then(|at| lines.get(at));
                out.extend_from_slice(line.copied().unwrap_or_default());
            }
            Items::Numbers(low, _) => out.extend_from_slice((low + at).to_string().as_bytes()),
        }
    }
}

pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "shuf",
        letters: "ei:n:o:rz",
        long: &[
            ("echo", 'e'),
            ("input-range", 'i'),
            ("head-count", 'n'),
            ("output", 'o'),
            ("repeat", 'r'),
            ("zero-terminated", 'z'),
        ],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let end = if given.has('z') { 0 } else { b'\n' };
    let most = match given
        .value('n')
        .map(|text| (text, text.to_str().map(str::parse::<u64>)))
    {
        None => None,
        Some((_, Some(Ok(count)))) => Some(count),
        Some((text, _)) => return options.wrong(&format!("invalid count '{}'", text.display())),
    };
    let mut text = Vec::new();
    let items = if let Some(range) = given.value('i') {
        if given.has('e') || !given.operands.is_empty() {
            return options.wrong("-i goes with no lines");
        }
        let bounds = range
            .to_str()
            .and_then(|text| text.split_once('-'))
            .and_then(|(low, high)| Some((low.parse::<u64>().ok()?, high.parse::<u64>().ok()?)));
        match bounds {
            Some((low, high)) if low <= high => Items::Numbers(low, high),
            _ => return options.wrong(&format!("invalid range '{}'", range.display())),
        }
    } else if given.has('e') {
        Items::Lines(given.operands.iter().map(|word| word.as_bytes()).collect())
    } else {
        if let Err(status) = options.operands(&given, 0, 1) {
            return status;
        }
        let name = given
            .operands
            .first()
            .map_or(OsStr::new("-"), OsString::as_os_str);
        if let Err(error) = open(name).and_then(|mut file| file.read_to_end(&mut text)) {
            complain("shuf", name, &error);
            return 1;
        }
        let body = text.strip_suffix(&[end]).unwrap_or(&text);
        Items::Lines(if text.is_empty() {
            Vec::new()
        } else {
            body.split(|byte| *byte == end).collect()
        })
    };
    let mut file = None;
    if let Some(name) = given.value('o') {
        match File::create(name) {
            Ok(made) => file = Some((name, made)),
            Err(error) => {
                complain("shuf", name, &error);
                return 1;
            }
        }
    }
    let mut out = Output::new();
    let mut put = |line: &[u8]| -> io::Result<bool> {
        match &mut file {
            Some((_, file)) => io::Write::write_all(file, line).map(|()| true),
            None => {
                out.put(line);
                Ok(!out.failed())
            }
        }
    };
    let done = if given.has('r') {
        if items.count() == 0 {
            say("shuf", "no lines to repeat");
            return 1;
        }
        repeat(&items, most.unwrap_or(u64::MAX), end, &mut put)
    } else {
        once(&items, most, end, &mut put)
    };
    if let Err(error) = done {
        let name = file
            .as_ref()
            .map_or(OsStr::new("getrandom"), |(name, _)| name);
        complain("shuf", name, &error);
        return 1;
    }
    out.finish("shuf", 0, 1)
}

type Put<'a> = dyn FnMut(&[u8]) -> io::Result<bool> + 'a;

fn repeat(items: &Items<'_>, most: u64, end: u8, put: &mut Put<'_>) -> io::Result<()> {
    let mut random = Random { pool: Vec::new() };
    let mut line = Vec::new();
    for _ in 0..most {
        line.clear();
        items.print(random.below(items.count())?, &mut line);
        line.push(end);
        if !put(&line)? {
            break;
        }
    }
    Ok(())
}

fn once(items: &Items<'_>, most: Option<u64>, end: u8, put: &mut Put<'_>) -> io::Result<()> {
    let mut random = Random { pool: Vec::new() };
    let count = items.count();
    let most = most.unwrap_or(count).min(count);
    // Only what has moved is kept: a few out of very many take little memory.
    let mut moved: std::collections::HashMap<u64, u64> = std::collections::HashMap::new();
    let mut text = Vec::new();
    for at in 0..most {
        let other = at + random.below(count - at)?;
        let here = moved.remove(&at).unwrap_or(at);
        let chosen = if other == at {
            here
        } else {
            moved.insert(other, here).unwrap_or(other)
        };
        items.print(chosen, &mut text);
        text.push(end);
        if text.len() > 60_000 || at + 1 == most {
            if !put(&text)? {
                break;
            }
            text.clear();
        }
    }
    Ok(())
}

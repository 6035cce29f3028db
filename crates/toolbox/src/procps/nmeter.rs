//! `nmeter`: a line of numbers about the system, again and again.

use super::usage::{self, Stat, Ticks};
use crate::common::calendar;
use crate::common::lines::{Output, other, status};
use crate::common::options::Options;
use std::ffi::OsString;
use std::io;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub const USAGE: &str = "[-d MSEC] FORMAT

-d  milliseconds between lines (1000); -1: one after the other
%Nc, %[cN]  processors, as a bar of N: S system, U user, N niced, D waiting for disks, I, i interrupts
%[nDEV]  network: received and sent, and packets of each    %m  memory used    %[md]  dirty    %[mw]  being written
%[mf]  free    %[mt]  in all    %s  swap used    %f  files open    %i, %[iN]  interrupts    %x  switches
%p  new processes    %[pn]  processes    %b  blocks read and written    %Nt  time with N decimals
%NT  time since the start    %r  lines end with a carriage return    %%  a percent sign";

/// A part of the line.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Processors(usize),
    Network(String),
    Memory(char),
    Swap,
    Files,
    Interrupts(Option<usize>),
    Switches,
    Forks,
    Count,
    Blocks,
    Time { decimals: u32, since_start: bool },
    Return,
}

/// `nmeter`
pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "nmeter",
        letters: "d:",
        long: &[],
    };
    let given = match options.take(arguments, 1, 1) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let format = given
        .operands
        .first()
        .map(|word| word.to_string_lossy().into_owned());
    let done = given
        .number('d', 1000_i64)
        .and_then(|delay| Ok((delay, parse(&format.unwrap_or_default())?)))
        .map_err(other)
        .and_then(|(delay, parts)| run(&parts, delay));
    status("nmeter", done)
}

fn parse(format: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => text.push(match chars.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some('r') => '\r',
                Some('e') => '\x1b',
                Some(other) => other,
                None => '\\',
            }),
            '%' => {
                let mut number = String::new();
                let inner: String = if chars.next_if_eq(&'[').is_some() {
                    let mut inner = String::new();
                    loop {
                        match chars.next() {
                            Some(']') => break inner,
                            Some(c) => inner.push(c),
                            None => return Err(format!("bad format '{format}'")),
                        }
                    }
                } else {
                    while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                        number.push(digit);
                    }
                    chars.next().map(String::from).unwrap_or_default()
                };
                let part =
                    part(&inner, &number).ok_or_else(|| format!("bad format at '%{inner}'"))?;
                match part {
                    Part::Text(literal) => text += &literal,
                    part => {
                        if !text.is_empty() {
                            parts.push(Part::Text(std::mem::take(&mut text)));
                        }
                        parts.push(part);
                    }
                }
            }
            c => text.push(c),
        }
    }
    if !text.is_empty() {
        parts.push(Part::Text(text));
    }
    Ok(parts)
}

fn part(word: &str, number: &str) -> Option<Part> {
    let mut chars = word.chars();
    let letter = chars.next()?;
    let rest = chars.as_str();
    match (letter, rest) {
        ('n', "") => return None,
        ('n', device) => return Some(Part::Network(device.to_owned())),
        ('m', "") => return Some(Part::Memory('u')),
        ('m', "f" | "t" | "d" | "w") => return rest.chars().next().map(Part::Memory),
        ('p', "") => return Some(Part::Forks),
        ('p', "n") => return Some(Part::Count),
        ('m' | 'p', _) => return None,
        _ => {}
    }
    let text = if number.is_empty() { rest } else { number };
    let value = if text.is_empty() {
        None
    } else {
        Some(text.parse::<usize>().ok()?)
    };
    let plain = |part: Part| rest.is_empty().then_some(part);
    match letter {
        'c' => Some(Part::Processors(value.unwrap_or(10).clamp(1, 1000))),
        'i' => Some(Part::Interrupts(value)),
        't' | 'T' => Some(Part::Time {
            decimals: u32::try_from(value.unwrap_or(0)).ok()?.min(6),
            since_start: letter == 'T',
        }),
        's' => plain(Part::Swap),
        'f' => plain(Part::Files),
        'x' => plain(Part::Switches),
        'b' => plain(Part::Blocks),
        'r' => plain(Part::Return),
        '%' => plain(Part::Text("%".to_owned())),
        _ => None,
    }
}

/// A number as wide as five: with a unit where it is large.
fn scaled(mut number: u64) -> String {
    if number < 1000 {
        return format!("{number:>4}");
    }
    for unit in ["k", "m", "g", "t", "p"] {
        let tenths = number.saturating_mul(10) / 1024;
        number /= 1024;
        if tenths < 100 {
            return format!("{}.{}{unit}", tenths / 10, tenths % 10);
        }
        if number < 1000 {
            return format!("{number:>3}{unit}");
        }
    }
    format!("{number}p")
}

fn field(path: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| {
        line.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with(|c: char| c == ':' || c.is_whitespace()))
    })?;
    line.get(name.len()..)?
        .trim_start_matches(':')
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

fn memory(kind: char) -> Option<u64> {
    let kib = |name: &str| field("/proc/meminfo", name);
    let number = match kind {
        't' => kib("MemTotal")?,
        'f' => {
            kib("MemFree")? + kib("Buffers")? + kib("Cached")? + kib("SReclaimable").unwrap_or(0)
        }
        'd' => kib("Dirty")?,
        'w' => kib("Writeback")?,
        _ => {
            let free = memory('f')? / 1024;
            kib("MemTotal")?.saturating_sub(free)
        }
    };
    Some(number * 1024)
}

/// Bytes and packets received and sent.
fn network(device: &str) -> Option<[u64; 4]> {
    let text = std::fs::read_to_string("/proc/net/dev").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.trim_start().strip_prefix(device)?.strip_prefix(':'))?;
    let words: Vec<u64> = line
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    let at = |index: usize| words.get(index).copied();
    Some([at(0)?, at(1)?, at(8)?, at(9)?])
}

/// What counts up from line to line.
#[derive(Default)]
struct Look {
    stat: Stat,
    networks: Vec<Option<[u64; 4]>>,
    blocks: [u64; 2],
}

impl Look {
    fn now(parts: &[Part]) -> io::Result<Look> {
        let of = |name: &str| field("/proc/vmstat", name).unwrap_or(0);
        Ok(Look {
            stat: Stat::read()?,
            networks: parts
                .iter()
                .filter_map(|part| match part {
                    Part::Network(device) => Some(network(device)),
                    _ => None,
                })
                .collect(),
            blocks: [of("pgpgin"), of("pgpgout")],
        })
    }
}

fn run(parts: &[Part], delay: i64) -> io::Result<i32> {
    let end = if parts.contains(&Part::Return) {
        b'\r'
    } else {
        b'\n'
    };
    let begin = Instant::now();
    let mut before = Look::now(parts)?;
    let pause = u64::try_from(delay).ok().map(Duration::from_millis);
    loop {
        if let Some(pause) = pause {
            std::thread::sleep(pause.max(Duration::from_millis(1)));
        }
        let now = Look::now(parts)?;
        let mut line = line(parts, &before, &now, begin);
        line.push(char::from(end));
        let mut out = Output::new();
        out.put(line.as_bytes());
        if out.finish("nmeter", 0, 1) != 0 {
            return Ok(1);
        }
        before = now;
    }
}

fn line(parts: &[Part], before: &Look, now: &Look, begin: Instant) -> String {
    let mut networks = before.networks.iter().zip(&now.networks);
    let unknown = || "   ?".to_owned();
    let known = |number: Option<u64>| number.map_or_else(unknown, scaled);
    let between = |a: u64, b: u64| scaled(b.saturating_sub(a));
    let mut text = String::new();
    for part in parts {
        text += &match part {
            Part::Text(literal) => literal.clone(),
            Part::Processors(width) => bar(&now.stat.all.since(&before.stat.all), *width),
            Part::Network(_) => match networks.next() {
                Some((Some(a), Some(b))) => {
                    let [bytes_in, packets_in, bytes_out, packets_out] =
                        std::array::from_fn(|at| {
                            let of = |all: &[u64; 4]| all.get(at).copied().unwrap_or(0);
                            between(of(a), of(b))
                        });
                    format!("{bytes_in} {packets_in} {bytes_out} {packets_out}")
                }
                _ => [unknown(), unknown(), unknown(), unknown()].join(" "),
            },
            Part::Memory(kind) => known(memory(*kind)),
            Part::Swap => known(
                field("/proc/meminfo", "SwapTotal")
                    .zip(field("/proc/meminfo", "SwapFree"))
                    .map(|(all, free)| all.saturating_sub(free) * 1024),
            ),
            Part::Files => known(
                std::fs::read_to_string("/proc/sys/fs/file-nr")
                    .ok()
                    .and_then(|text| {
                        let words: Vec<u64> = text
                            .split_whitespace()
                            .filter_map(|word| word.parse().ok())
                            .collect();
                        Some(words.first()?.saturating_sub(*words.get(1)?))
                    }),
            ),
            Part::Interrupts(which) => {
                let at = which.map_or(0, |number| number + 1);
                let of = |look: &Look| look.stat.interrupts.get(at).copied();
                match (of(before), of(now)) {
                    (Some(a), Some(b)) => between(a, b),
                    _ => unknown(),
                }
            }
            Part::Switches => between(before.stat.switches, now.stat.switches),
            Part::Forks => between(before.stat.forks, now.stat.forks),
            Part::Count => known(Some(super::processes::all().len() as u64)),
            Part::Blocks => {
                let [read, written] = std::array::from_fn(|at| {
                    let of = |look: &Look| look.blocks.get(at).copied().unwrap_or(0);
                    // The kernel counts KiB.
                    scaled(of(now).saturating_sub(of(before)) * 1024)
                });
                format!("{read} {written}")
            }
            Part::Time {
                decimals,
                since_start,
            } => time(*decimals, *since_start, begin),
            Part::Return => String::new(),
        };
    }
    text
}

fn time(decimals: u32, since_start: bool, begin: Instant) -> String {
    let (seconds, nanoseconds) = if since_start {
        let gone = begin.elapsed();
        (
            i64::try_from(gone.as_secs()).unwrap_or(0),
            gone.subsec_nanos(),
        )
    } else {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let seconds = i64::try_from(now.as_secs()).unwrap_or(0);
        (
            seconds + sys::kernel::local_offset(seconds),
            now.subsec_nanos(),
        )
    };
    let at = calendar::moment(seconds);
    let mut text = format!("{:02}:{:02}:{:02}", at.hour, at.minute, at.second);
    if decimals > 0 {
        let all = format!("{nanoseconds:09}");
        text.push('.');
        text += all.get(..decimals as usize).unwrap_or(&all);
    }
    text
}

/// A bar with as many letters of each kind as is its share.
fn bar(ticks: &Ticks, width: usize) -> String {
    let mut text = String::new();
    let total = ticks.total().max(1);
    let mut rest = 0;
    for (at, letter) in [
        (usage::SYSTEM, 'S'),
        (usage::USER, 'U'),
        (usage::NICE, 'N'),
        (usage::WAIT, 'D'),
        (usage::IRQ, 'I'),
        (usage::SOFT, 'i'),
    ] {
        // What is too little for a letter is kept for the next ones.
        let share = ticks.get(at).saturating_mul(width as u64) + rest;
        rest = share % total;
        for _ in 0..share / total {
            text.push(letter);
        }
    }
    let missing = width.saturating_sub(text.chars().count());
    text + &".".repeat(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        assert_eq!(
            parse("a%%%20c%[neth0] %m%[mf]%[pn]%p%2t\\n").unwrap(),
            [
                Part::Text("a%".into()),
                Part::Processors(20),
                Part::Network("eth0".into()),
                Part::Text(" ".into()),
                Part::Memory('u'),
                Part::Memory('f'),
                Part::Count,
                Part::Forks,
                Part::Time {
                    decimals: 2,
                    since_start: false
                },
                Part::Text("\n".into()),
            ]
        );
        for bad in ["%", "%[c", "%q", "%[mq]", "%[n]", "%[cx]"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_and_bars() {
        let shown: Vec<String> = [0, 999, 1024, 10240, 1 << 20, u64::MAX]
            .map(scaled)
            .to_vec();
        assert_eq!(shown, ["   0", " 999", "1.0k", " 10k", "1.0m", "16383p"]);
        assert_eq!(bar(&Ticks([50, 0, 25, 25, 0, 0, 0, 0, 0]), 8), "SSUUUU..");
        assert_eq!(bar(&Ticks::default(), 3), "...");
    }
}

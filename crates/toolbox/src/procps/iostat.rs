//! `iostat`: what processors and disks did.

use super::processes::HZ;
use super::usage::{self, Stat, Ticks};
use crate::common::calendar;
use crate::common::lines::{Output, about, other, status};
use crate::common::options::Options;
use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::time::Duration;

pub const USAGE: &str = "[-c] [-d] [-t] [-z] [-k|-m] [ALL|DEVICE...] [SECONDS [COUNT]]

-c  processors    -d  devices; else both    -t  the time    -z  no devices that did nothing
-k  kB, not blocks of 512 bytes    -m  MB    ALL  those that never did anything, too
again after SECONDS, COUNT times in all";

/// A line of `/proc/diskstats`: reads, sectors read, writes, sectors written.
type Disk = [u64; 4];

/// `iostat`
pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "iostat",
        letters: "cdtzkm",
        long: &[],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let mut view = View {
        processors: given.has('c') || !given.has('d'),
        devices: given.has('d') || !given.has('c'),
        time: given.has('t'),
        busy: given.has('z'),
        unit: match given.last_of("km") {
            Some('k') => (" kB", 2),
            Some(_) => (" MB", 2048),
            None => ("Blk", 1),
        },
        all: false,
        names: Vec::new(),
    };
    let mut words = given
        .operands
        .iter()
        .map(|word| word.to_string_lossy())
        .peekable();
    while let Some(word) = words.next_if(|word| {
        !word
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_digit())
    }) {
        match word.as_ref() {
            "ALL" => view.all = true,
            name => view
                .names
                .push(name.strip_prefix("/dev/").unwrap_or(name).to_owned()),
        }
    }
    let mut numbers = [0_u64, 0];
    let mut given_numbers = 0;
    for (place, word) in numbers.iter_mut().zip(words.by_ref()) {
        match word.parse() {
            Ok(number) => *place = number,
            Err(_) => return options.wrong(&format!("invalid number '{word}'")),
        }
        given_numbers += 1;
    }
    let [seconds, count] = numbers;
    let times = match given_numbers {
        0 => Some(1),
        1 if seconds == 0 => Some(1),
        1 => None,
        _ => Some(count),
    };
    status("iostat", run(&view, seconds, times))
}

struct View {
    processors: bool,
    devices: bool,
    time: bool,
    busy: bool,
    unit: (&'static str, u64),
    all: bool,
    names: Vec<String>,
}

fn run(view: &View, seconds: u64, times: Option<u64>) -> io::Result<i32> {
    let mut before = Stat::default();
    let mut disks: HashMap<String, Disk> = HashMap::new();
    let mut uptime = 0.0;
    let mut left = times;
    let mut first = true;
    loop {
        let mut out = Output::new();
        let now = Stat::read()?;
        if first {
            out.put(banner(now.each.len().max(1), calendar::now()).as_bytes());
            first = false;
        }
        if view.time {
            let at = local(calendar::now());
            out.put(
                format!(
                    "{} {:02}:{:02}:{:02}\n",
                    day(&at),
                    at.hour,
                    at.minute,
                    at.second
                )
                .as_bytes(),
            );
        }
        if view.processors {
            out.put(processors(&now.all.since(&before.all)).as_bytes());
            if view.devices {
                out.put_byte(b'\n');
            }
        }
        if view.devices {
            let running = super::processes::uptime().0;
            let between = (running - uptime).max(1.0 / HZ as f64);
            uptime = running;
            let (unit, divisor) = view.unit;
            out.put(
                format!(
                    "Device:{:>15}{unit:>6}_read/s{unit:>6}_wrtn/s{unit:>6}_read{unit:>6}_wrtn\n",
                    "tps"
                )
                .as_bytes(),
            );
            let path = "/proc/diskstats";
            let text = std::fs::read_to_string(path).map_err(|error| about(path, &error))?;
            for (name, disk) in text.lines().filter_map(parse) {
                if !view.wants(&name, &disk) {
                    continue;
                }
                let old = disks.insert(name.clone(), disk).unwrap_or_default();
                if let Some(line) = line(&name, &old, &disk, between, divisor, view.busy) {
                    out.put(line.as_bytes());
                }
            }
        }
        out.put_byte(b'\n');
        if out.finish("iostat", 0, 1) != 0 {
            return Ok(1);
        }
        before = now;
        if let Some(left) = &mut left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                return Ok(0);
            }
        }
        if seconds > 1 << 32 {
            return Err(other("that is too long"));
        }
        std::thread::sleep(Duration::from_secs(seconds));
    }
}

impl View {
    fn wants(&self, name: &str, disk: &Disk) -> bool {
        if !self.names.is_empty() {
            return self.names.iter().any(|wanted| wanted == name);
        }
        let partition = name.strip_prefix("sda").is_some_and(|rest| {
            rest.bytes()
                .next()
                .is_some_and(|byte| byte.is_ascii_digit())
        });
        let [reads, _, writes, _] = *disk;
        !partition && (self.all || reads > 0 || writes > 0)
    }
}

fn local(now: i64) -> calendar::Moment {
    calendar::moment(now.saturating_add(sys::kernel::local_offset(now)))
}

fn day(at: &calendar::Moment) -> String {
    format!(
        "{:02}/{:02}/{:02}",
        at.month,
        at.day,
        at.year.rem_euclid(100)
    )
}

/// What system this is.
pub fn banner(processors: usize, now: i64) -> String {
    let name = rustix::system::uname();
    format!(
        "{} {} ({}) \t{} \t_{}_\t({processors} CPU)\n\n",
        name.sysname().to_string_lossy(),
        name.release().to_string_lossy(),
        name.nodename().to_string_lossy(),
        day(&local(now)),
        name.machine().to_string_lossy()
    )
}

fn processors(ticks: &Ticks) -> String {
    let percent = |at| ticks.percent(at);
    format!(
        "avg-cpu:  %user   %nice %system %iowait  %steal   %idle\n        {:7.2} {:7.2} {:7.2} {:7.2} {:7.2} {:7.2}\n",
        percent(usage::USER),
        percent(usage::NICE),
        percent(usage::SYSTEM) + percent(usage::IRQ) + percent(usage::SOFT),
        percent(usage::WAIT),
        percent(usage::STEAL),
        percent(usage::IDLE)
    )
}

fn parse(line: &str) -> Option<(String, Disk)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let number = |at: usize| -> Option<u64> { words.get(at)?.parse().ok() };
    let name = (*words.get(2)?).to_owned();
    // Old kernels say less of a partition: reads, sectors, writes, sectors.
    let disk = if words.len() >= 14 {
        [number(3)?, number(5)?, number(7)?, number(9)?]
    } else {
        [number(3)?, number(4)?, number(5)?, number(6)?]
    };
    Some((name, disk))
}

fn line(
    name: &str,
    old: &Disk,
    new: &Disk,
    seconds: f64,
    divisor: u64,
    busy: bool,
) -> Option<String> {
    let mut between = *new;
    for (place, old) in between.iter_mut().zip(old) {
        *place = place.saturating_sub(*old);
    }
    let [reads, read, writes, written] = between;
    if busy && reads == 0 && writes == 0 {
        return None;
    }
    let rate = |count: u64| count as f64 / seconds;
    Some(format!(
        "{name:<13} {:8.2} {:12.2} {:12.2} {:>10} {:>10}\n",
        rate(reads + writes),
        rate(read) / divisor as f64,
        rate(written) / divisor as f64,
        read / divisor,
        written / divisor
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks() {
        let (name, disk) = parse("   8 0 sda 10 0 200 5 4 0 100 3 0 8 8").unwrap();
        assert_eq!((name.as_str(), disk), ("sda", [10, 200, 4, 100]));
        assert_eq!(
            line("sda", &[0, 0, 4, 100], &disk, 2.0, 2, false).unwrap(),
            "sda               5.00        50.00         0.00        100          0\n"
        );
        assert_eq!(line("sda", &disk, &disk, 2.0, 1, true), None);
        assert_eq!(parse("8 1 sda1 1 2 3 4").unwrap().1, [1, 2, 3, 4]);
        assert_eq!(parse("8 0 sda x"), None);
    }

    #[test]
    fn the_processors() {
        let ticks = Ticks([50, 0, 20, 20, 0, 5, 5, 0, 0]);
        assert!(
            processors(&ticks)
                .ends_with("\n          50.00    0.00   30.00    0.00    0.00   20.00\n")
        );
    }
}

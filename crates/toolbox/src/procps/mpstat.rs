//! `mpstat`: what each processor did, and its interrupts.

use super::iostat::banner;
use super::processes::HZ;
use super::usage::{self, Stat, Ticks};
use crate::common::calendar;
use crate::common::lines::{Output, about, other, status};
use crate::common::options::{Given, Options};
use std::ffi::OsString;
use std::io;
use std::time::Duration;

pub const USAGE: &str = "[-A] [-I SUM|CPU|ALL|SCPU] [-u] [-P N|ALL] [SECONDS [COUNT]]

-u  how busy they are: the usual    -P  processor N, or each of them    -A  -I ALL -u -P ALL
-I  interrupts: their sum, each by its number, software's, or all of that
since the start; with SECONDS, in that time, COUNT times, and on the whole";

const OPTIONS: Options = Options {
    applet: "mpstat",
    letters: "AI:uP:",
    long: &[],
};

/// `mpstat`
pub fn main(arguments: &[OsString]) -> i32 {
    match OPTIONS.take(arguments, 0, 2) {
        Ok(given) => status("mpstat", view(&given).and_then(|view| run(&view, &given))),
        Err(status) => status,
    }
}

struct View {
    busy: bool,
    sum: bool,
    each: bool,
    soft: bool,
    /// The processors; `None`: all together.
    processors: Vec<Option<u32>>,
    /// Interrupts of all of them, where none was chosen.
    every: bool,
}

fn view(given: &Given) -> io::Result<View> {
    let all = given.has('A');
    let mut view = View {
        busy: given.has('u') || all,
        sum: all,
        each: all,
        soft: all,
        processors: Vec::new(),
        every: all || !given.has('P'),
    };
    for word in given.values('I') {
        match word.to_str() {
            Some("SUM") => view.sum = true,
            Some("CPU") => view.each = true,
            Some("SCPU") => view.soft = true,
            Some("ALL") => (view.sum, view.each, view.soft) = (true, true, true),
            _ => return Err(other(format!("bad -I '{}'", word.display()))),
        }
    }
    view.busy |= !(view.sum || view.each || view.soft);
    let known: Vec<u32> = Stat::read()?
        .each
        .iter()
        .map(|(number, _)| *number)
        .collect();
    let mut chosen = Vec::new();
    for word in given.values('P') {
        let text = word.to_string_lossy();
        for part in text.split(',') {
            if part == "ALL" {
                view.processors.push(None);
                chosen.extend(&known);
                continue;
            }
            let number = part.parse().ok().filter(|number| known.contains(number));
            chosen
                .push(number.ok_or_else(|| other(format!("not that many processors: '{part}'")))?);
        }
    }
    if all {
        view.processors.push(None);
        chosen.extend(&known);
    }
    if view.processors.is_empty() && chosen.is_empty() {
        view.processors.push(None);
    }
    view.processors.truncate(1);
    chosen.sort_unstable();
    chosen.dedup();
    view.processors.extend(chosen.into_iter().map(Some));
    Ok(view)
}

/// Interrupts: for each its name, and how often each processor had it.
type Interrupts = Vec<(String, Vec<u64>)>;

/// One look.
#[derive(Clone, Default)]
struct Look {
    stat: Stat,
    uptime: f64,
    interrupts: Interrupts,
    soft: Interrupts,
}

impl Look {
    fn now(view: &View) -> io::Result<Look> {
        let read = |path: &str| -> io::Result<Interrupts> {
            let text = std::fs::read_to_string(path).map_err(|error| about(path, &error))?;
            Ok(parse(&text))
        };
        Ok(Look {
            stat: Stat::read()?,
            uptime: super::processes::uptime().0,
            interrupts: if view.each || view.sum {
                read("/proc/interrupts")?
            } else {
                Vec::new()
            },
            soft: if view.soft {
                read("/proc/softirqs")?
            } else {
                Vec::new()
            },
        })
    }
}

fn parse(text: &str) -> Interrupts {
    let mut lines = text.lines();
    let count = lines
        .next()
        .map_or(0, |line| line.split_whitespace().count());
    lines
        .filter_map(|line| {
            let (name, rest) = line.split_once(':')?;
            let numbers = rest
                .split_whitespace()
                .take(count)
                .map_while(|word| word.parse().ok())
                .collect();
            Some((name.trim().to_owned(), numbers))
        })
        .collect()
}

fn clock() -> String {
    let now = calendar::now();
    let at = calendar::moment(now.saturating_add(sys::kernel::local_offset(now)));
    format!("{:02}:{:02}:{:02}", at.hour, at.minute, at.second)
}

fn run(view: &View, given: &Given) -> io::Result<i32> {
    let mut numbers = Vec::new();
    for word in &given.operands {
        let number = word.to_str().and_then(|text| text.parse::<u32>().ok());
        numbers.push(number.ok_or_else(|| other(format!("invalid number '{}'", word.display())))?);
    }
    let seconds = numbers.first().copied().unwrap_or(0);
    let mut left = match (seconds, numbers.get(1)) {
        (0, _) => Some(1),
        (_, Some(0)) => return Ok(0),
        (_, count) => count.copied(),
    };
    let first = Look::now(view)?;
    let mut out = Output::new();
    out.put(
        banner(first.stat.each.len().max(1), calendar::now())
            .trim_end()
            .as_bytes(),
    );
    out.put_byte(b'\n');
    if seconds == 0 {
        let time = clock();
        out.put(report(view, &Look::default(), &first, &time, &time).as_bytes());
        return Ok(out.finish("mpstat", 0, 1));
    }
    sys::process::set_signal(2, sys::process::Disposition::Catch)?;
    let (mut before, mut then) = (first.clone(), clock());
    while left != Some(0) && !out.failed() {
        out.flush();
        std::thread::sleep(Duration::from_secs(seconds.into()));
        if sys::process::take_signal().is_some() {
            break;
        }
        let (now, time) = (Look::now(view)?, clock());
        out.put(report(view, &before, &now, &then, &time).as_bytes());
        (before, then) = (now, time);
        left = left.map(|left| left - 1);
    }
    out.put(report(view, &first, &before, "Average:", "Average:").as_bytes());
    Ok(out.finish("mpstat", 0, 1))
}

fn of(stat: &Stat, processor: Option<u32>) -> Option<Ticks> {
    match processor {
        None => Some(stat.all),
        Some(number) => stat
            .each
            .iter()
            .find(|(known, _)| *known == number)
            .map(|(_, ticks)| *ticks),
    }
}

fn report(view: &View, before: &Look, now: &Look, then: &str, time: &str) -> String {
    let seconds = (now.uptime - before.uptime).max(1.0 / HZ as f64);
    let start = |processor: Option<u32>| match processor {
        None => format!("{time:<11}  all"),
        Some(number) => format!("{time:<11} {number:>4}"),
    };
    let mut text = String::new();
    if view.busy {
        text += &format!(
            "\n{then:<11}  CPU    %usr   %nice    %sys %iowait    %irq   %soft  %steal  %guest   %idle\n"
        );
        for processor in &view.processors {
            let old = of(&before.stat, *processor).unwrap_or_default();
            text += &start(*processor);
            text += &match of(&now.stat, *processor) {
                Some(new) => shares(&new.since(&old)),
                None => shares(&Ticks::default()),
            };
        }
    }
    if view.sum {
        text += &format!("\n{then:<11}  CPU    intr/s\n");
        for processor in &view.processors {
            let sum = |look: &Look| -> u64 {
                match processor {
                    None => look.stat.interrupts.first().copied().unwrap_or(0),
                    Some(number) => look
                        .interrupts
                        .iter()
                        .filter_map(|(_, counts)| counts.get(*number as usize))
                        .sum(),
                }
            };
            let rate = sum(now).saturating_sub(sum(before)) as f64 / seconds;
            text += &format!("{} {rate:9.2}\n", start(*processor));
        }
    }
    for (wanted, old, new) in [
        (view.each, &before.interrupts, &now.interrupts),
        (view.soft, &before.soft, &now.soft),
    ] {
        if wanted {
            text += &each(view, old, new, now, seconds, (then, time));
        }
    }
    text
}

fn shares(ticks: &Ticks) -> String {
    if ticks.total() == 0 {
        // It slept all the time, and did not even count.
        return format!(
            "{}\n",
            [0.0; 8]
                .iter()
                .chain(&[100.0])
                .map(|n| format!(" {n:7.2}"))
                .collect::<String>()
        );
    }
    let mut user = *ticks;
    // The user's time has the guest's in it.
    if let Some(place) = user.0.first_mut() {
        *place = place.saturating_sub(ticks.get(usage::GUEST));
    }
    let share = |at: usize| user.get(at) as f64 * 100.0 / ticks.total().max(1) as f64;
    let order = [
        usage::USER,
        usage::NICE,
        usage::SYSTEM,
        usage::WAIT,
        usage::IRQ,
        usage::SOFT,
        usage::STEAL,
        usage::GUEST,
        usage::IDLE,
    ];
    let line: String = order
        .iter()
        .map(|at| format!(" {:7.2}", share(*at)))
        .collect();
    format!("{line}\n")
}

fn each(
    view: &View,
    old: &Interrupts,
    new: &Interrupts,
    now: &Look,
    seconds: f64,
    (then, time): (&str, &str),
) -> String {
    let mut text = format!("\n{then:<11}  CPU");
    // A name that is too long takes its room from those behind it.
    let (mut wanted, mut printed) = (0_usize, 0_usize);
    for (name, _) in new {
        let room = 8_usize.saturating_sub(printed.saturating_sub(wanted));
        let column = format!(" {name:>room$}/s");
        printed += column.len();
        wanted += 11;
        text += &column;
    }
    text.push('\n');
    for (number, _) in &now.stat.each {
        if !view.every && !view.processors.contains(&Some(*number)) {
            continue;
        }
        text += &format!("{time:<11} {number:>4}");
        for (name, counts) in new {
            let at = *number as usize;
            let count = counts.get(at).copied().unwrap_or(0);
            let before = old
                .iter()
                .find(|(known, _)| known == name)
                .and_then(|(_, counts)| counts.get(at))
                .copied()
                .unwrap_or(0);
            text += &format!("{:11.2}", count.saturating_sub(before) as f64 / seconds);
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables() {
        let all = parse(
            "           CPU0       CPU1\n  0:  5  6  IO-APIC timer\nNMI:  1  2  Non-maskable\nERR: 7\n",
        );
        assert_eq!(
            all,
            [
                ("0".to_owned(), vec![5, 6]),
                ("NMI".to_owned(), vec![1, 2]),
                ("ERR".to_owned(), vec![7])
            ]
        );
        assert!(parse("").is_empty());
    }

    #[test]
    fn a_report() {
        let view = View {
            busy: true,
            sum: true,
            each: true,
            soft: false,
            processors: vec![None, Some(0)],
            every: true,
        };
        let look = Look {
            stat: Stat::parse("cpu 50 0 50 100 0 0 0 0 50\ncpu0 0 0 0 0\nintr 300 1\n"),
            uptime: 3.0,
            interrupts: vec![
                ("A_LONG_NAME".to_owned(), vec![6]),
                ("B".to_owned(), vec![3]),
            ],
            soft: Vec::new(),
        };
        assert_eq!(
            report(&view, &Look::default(), &look, "T", "T"),
            "\nT            CPU    %usr   %nice    %sys %iowait    %irq   %soft  %steal  %guest   %idle\n\
             T            all    0.00    0.00   25.00    0.00    0.00    0.00    0.00   25.00   50.00\n\
             T              0    0.00    0.00    0.00    0.00    0.00    0.00    0.00    0.00  100.00\n\
             \nT            CPU    intr/s\nT            all    100.00\nT              0      3.00\n\
             \nT            CPU A_LONG_NAME/s     B/s\nT              0       2.00       1.00\n"
        );
    }
}

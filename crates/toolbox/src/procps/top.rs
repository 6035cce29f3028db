//! `top`: the processes by what they use, again and again.

use super::processes::{self, Process};
use super::usage::{self, Stat, Ticks};
use crate::common::accounts::Accounts;
use crate::common::lines::{Output, other, say, status};
use crate::common::options::{Given, Options};
use crate::common::screen::{Key, Screen, control};
use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::time::{Duration, Instant};

pub const USAGE: &str = "[-bHm] [-n COUNT] [-d SECONDS]

-b  without a terminal: one table behind the other    -n  so many tables    -d  seconds between them (5)
-H  threads    -m  memory
keys: N P M T  by number, processor, memory, time    R  in reverse order    H  threads    S  memory
      q, Ctrl-C  end    a blank or Enter  now";

const OPTIONS: Options = Options {
    applet: "top",
    letters: "bHmn:d:",
    long: &[],
};

/// `top`
pub fn main(arguments: &[OsString]) -> i32 {
    match OPTIONS.take(arguments, 0, 0) {
        Ok(given) => status("top", run(&given)),
        Err(status) => status,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Pid,
    Memory,
    Processor,
    Time,
}

struct View {
    order: Order,
    reverse: bool,
    threads: bool,
    memory: bool,
    users: HashMap<u32, String>,
}

/// A process and what it used since the last look.
struct Row {
    process: Process,
    ticks: u64,
}

/// The last look.
struct Before {
    stat: Stat,
    ticks: HashMap<i32, u64>,
}

fn run(given: &Given) -> io::Result<i32> {
    let seconds = given.number('d', 5.0_f64).map_err(other)?;
    let pause = Duration::try_from_secs_f64(seconds)
        .map_err(|_| other(format!("invalid number '{seconds}'")))?;
    let mut left = match given.value('n') {
        None => None,
        Some(_) => Some(given.number('n', 0_u64).map_err(other)?),
    };
    let users = Accounts::system()
        .users()
        .unwrap_or_default()
        .into_iter()
        .map(|user| (user.uid, String::from_utf8_lossy(&user.name).into_owned()))
        .collect();
    let mut view = View {
        order: Order::Processor,
        reverse: false,
        threads: given.has('H'),
        memory: given.has('m'),
        users,
    };
    let mut screen = None;
    if !given.has('b') {
        match Screen::open() {
            Ok(open) => screen = Some(open),
            Err(_) => return Err(other("there is no terminal; -b does without")),
        }
    }
    // The first look is compared with one a moment ago, so that it says something.
    let (_, mut before) = look(&view, None)?;
    std::thread::sleep(Duration::from_millis(100));
    loop {
        if left == Some(0) {
            break;
        }
        left = left.map(|left| left - 1);
        let (mut rows, now) = look(&view, Some(&before))?;
        let between = now.stat.all.since(&before.stat.all);
        before = now;
        sort(&mut rows, &view);
        let (width, height) = match &screen {
            Some(screen) => screen.size(),
            None => (usize::from(sys::tty::size(1).0), usize::MAX),
        };
        let width = if screen.is_none() && !sys::tty::is_terminal(1) {
            width.max(80)
        } else {
            width
        };
        let head = head(&between);
        let table = if view.memory {
            memory_table(&rows, width)
        } else {
            table(&rows, &view, &between, width)
        };
        let text = page(&head, &table, width, height, screen.is_some());
        match &mut screen {
            None => {
                let mut out = Output::new();
                out.put(text.as_bytes());
                if out.finish("top", 0, 1) != 0 {
                    return Ok(1);
                }
                if left != Some(0) {
                    std::thread::sleep(pause);
                }
            }
            Some(screen) => {
                screen.write(text.as_bytes())?;
                if left == Some(0) || keys(screen, pause, &mut view) {
                    break;
                }
            }
        }
    }
    if let Some(screen) = &screen {
        screen.write(b"\n")?;
    }
    Ok(0)
}

/// Waits for the next table; whether a key ends it all.
fn keys(screen: &mut Screen, pause: Duration, view: &mut View) -> bool {
    let until = Instant::now() + pause;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if !screen.waits(i64::try_from(left.as_millis()).unwrap_or(i64::MAX)) {
            return false;
        }
        match screen.key() {
            Key::Gone | Key::Char('q' | 'Q') => return true,
            key if key == control('C') || key == control('D') => return true,
            Key::Char('n' | 'N') => view.order = Order::Pid,
            Key::Char('m' | 'M') => view.order = Order::Memory,
            Key::Char('p' | 'P') => view.order = Order::Processor,
            Key::Char('t' | 'T') => view.order = Order::Time,
            Key::Char('r' | 'R') => view.reverse = !view.reverse,
            Key::Char('h' | 'H') => view.threads = !view.threads,
            Key::Char('s' | 'S') => view.memory = !view.memory,
            Key::Char(' ' | '\r' | '\n') => {}
            _ => continue,
        }
        return false;
    }
}

fn look(view: &View, before: Option<&Before>) -> io::Result<(Vec<Row>, Before)> {
    let stat = Stat::read()?;
    let mut rows = Vec::new();
    let mut ticks = HashMap::new();
    for process in processes::all() {
        let all = if view.threads {
            processes::threads(process.pid)
        } else {
            vec![process]
        };
        for process in all {
            ticks.insert(process.pid, process.ticks);
            let then = before.map_or(process.ticks, |before| {
                before.ticks.get(&process.pid).copied().unwrap_or(0)
            });
            rows.push(Row {
                ticks: process.ticks.saturating_sub(then),
                process,
            });
        }
    }
    if rows.is_empty() {
        say("top", "no process info in /proc");
    }
    Ok((rows, Before { stat, ticks }))
}

fn sort(rows: &mut [Row], view: &View) {
    let key = |row: &Row| match view.order {
        Order::Pid => (u64::try_from(row.process.pid).unwrap_or(0), 0, 0),
        Order::Memory => (row.process.resident, row.process.virtual_size, 0),
        Order::Processor => (row.ticks, row.process.virtual_size, row.process.ticks),
        Order::Time => (row.process.ticks, 0, 0),
    };
    rows.sort_by(|a, b| {
        let order = key(b).cmp(&key(a)).then(a.process.pid.cmp(&b.process.pid));
        if view.reverse { order.reverse() } else { order }
    });
}

/// What `/proc/meminfo` says, in KiB.
fn meminfo() -> HashMap<String, u64> {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let (name, rest) = line.split_once(':')?;
            let number = rest.split_whitespace().next()?.parse().ok()?;
            Some((name.to_owned(), number))
        })
        .collect()
}

fn head(between: &Ticks) -> Vec<String> {
    let memory = meminfo();
    let of = |name: &str| memory.get(name).copied().unwrap_or(0);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let share = |at: usize| between.percent(at).round();
    vec![
        format!(
            "Mem: {}K used, {}K free, {}K shrd, {}K buff, {}K cached",
            of("MemTotal").saturating_sub(of("MemFree")),
            of("MemFree"),
            of("Shmem"),
            of("Buffers"),
            of("Cached") + of("SReclaimable")
        ),
        format!(
            "CPU: {:3}% usr {:3}% sys {:3}% nic {:3}% idle {:3}% io {:3}% irq {:3}% sirq",
            share(usage::USER),
            share(usage::SYSTEM),
            share(usage::NICE),
            share(usage::IDLE),
            share(usage::WAIT),
            share(usage::IRQ),
            share(usage::SOFT)
        ),
        format!("Load average: {}", load.trim_end()),
    ]
}

/// KiB in five columns.
fn size(kib: u64) -> String {
    let mut number = kib;
    for unit in ["", "m", "g", "t"] {
        let room = if unit.is_empty() { 5 } else { 4 };
        let text = format!("{number}{unit}");
        if number.to_string().len() <= room {
            return text;
        }
        number /= 1024;
    }
    format!("{number}p")
}

fn shown(process: &Process, threads: bool) -> String {
    let arguments = String::from_utf8_lossy(&process.arguments()).into_owned();
    let name = String::from_utf8_lossy(&process.name).into_owned();
    // A thread, or a program that runs under another name.
    if threads && !process.command.is_empty() && !arguments.contains(&name) {
        return format!("{{{name}}} {arguments}");
    }
    arguments
}

fn table(rows: &[Row], view: &View, between: &Ticks, width: usize) -> Vec<String> {
    let total = meminfo().get("MemTotal").copied().unwrap_or(0).max(1);
    let ticks = between.total().max(1);
    let mut lines = vec!["  PID  PPID USER     STAT   VSZ %VSZ CPU %CPU COMMAND".to_owned()];
    for row in rows {
        let process = &row.process;
        let kib = process.virtual_size / 1024;
        let user = match view.users.get(&process.uid) {
            Some(name) => name.clone(),
            None => process.uid.to_string(),
        };
        let mut state = process.state.to_string();
        if process.resident == 0 && process.state != 'Z' {
            state.push('W');
        }
        if process.nice < 0 {
            state.push('<');
        } else if process.nice > 0 {
            state.push('N');
        }
        let line = format!(
            "{:>5}{:>6} {user:<8.8} {state:<4}  {:>5.5}{:>4}% {:>3}{:>4}% {}",
            process.pid,
            process.ppid,
            size(kib),
            kib.saturating_mul(100) / total,
            process.processor,
            (row.ticks * 100 + ticks / 2) / ticks,
            shown(process, view.threads)
        );
        lines.push(line.chars().take(width).collect());
    }
    lines
}

/// What each process has in memory, in KiB, as `smaps_rollup` says.
fn memory_table(rows: &[Row], width: usize) -> Vec<String> {
    let columns = ["VSZ", "RSS", "SHR", "DIRTY", "SWAP", "STACK"];
    let mut title = "  PID".to_owned();
    for column in columns {
        title += &format!(" {column:>6}");
    }
    let mut lines = vec![title + " COMMAND"];
    for row in rows.iter().filter(|row| !row.process.command.is_empty()) {
        let process = &row.process;
        let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", process.pid))
            .unwrap_or_default();
        let of = |name: &str| -> u64 {
            text.lines()
                .filter_map(|line| {
                    line.strip_prefix(name)?
                        .split_whitespace()
                        .next()?
                        .parse::<u64>()
                        .ok()
                })
                .sum()
        };
        let stack = std::fs::read_to_string(format!("/proc/{}/status", process.pid))
            .unwrap_or_default()
            .lines()
            .find_map(|line| {
                line.strip_prefix("VmStk:")?
                    .split_whitespace()
                    .next()?
                    .parse()
                    .ok()
            })
            .unwrap_or(0);
        let shared = of("Shared_Clean:") + of("Shared_Dirty:");
        let dirty = of("Private_Dirty:") + of("Shared_Dirty:");
        let mut line = format!("{:>5}", process.pid);
        for value in [
            process.virtual_size / 1024,
            of("Rss:"),
            shared,
            dirty,
            of("Swap:"),
            stack,
        ] {
            line += &format!(" {:>6}", size(value));
        }
        line += &format!(" {}", shown(process, false));
        lines.push(line.chars().take(width).collect());
    }
    lines
}

fn page(head: &[String], table: &[String], width: usize, height: usize, screen: bool) -> String {
    let mut text = String::new();
    let mut room = height;
    if screen {
        text += "\x1b[H\x1b[J";
    }
    let cut = |line: &str| line.chars().take(width).collect::<String>();
    for line in head {
        text += &cut(line);
        text.push('\n');
        room = room.saturating_sub(1);
    }
    for (index, line) in table.iter().take(room).enumerate() {
        let line = cut(line);
        text += &match (screen, index) {
            (true, 0) => format!("\x1b[7m{line:<width$}\x1b[m"),
            (true, _) => format!("\n{line}"),
            (false, _) => format!("{line}\n"),
        };
    }
    if !screen {
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> View {
        View {
            order: Order::Processor,
            reverse: false,
            threads: false,
            memory: false,
            users: HashMap::from([(0, "root".to_owned())]),
        }
    }

    fn row(pid: i32, ticks: u64, resident: u64) -> Row {
        Row {
            process: Process {
                pid,
                ppid: 1,
                state: 'S',
                nice: 5,
                resident,
                virtual_size: resident * 4096,
                command: b"prog\0x\0".to_vec(),
                ..Process::default()
            },
            ticks,
        }
    }

    #[test]
    fn rows_and_their_order() {
        let mut rows = vec![row(1, 0, 9), row(2, 5, 1), row(3, 5, 2)];
        let mut view = view();
        let order = |rows: &[Row]| rows.iter().map(|row| row.process.pid).collect::<Vec<_>>();
        sort(&mut rows, &view);
        assert_eq!(order(&rows), [3, 2, 1]);
        view.order = Order::Memory;
        sort(&mut rows, &view);
        assert_eq!(order(&rows), [1, 3, 2]);
        view.reverse = true;
        sort(&mut rows, &view);
        assert_eq!(order(&rows), [2, 3, 1]);
        let between = Ticks([10, 0, 0, 0, 0, 0, 0, 0, 0]);
        let lines = table(&rows, &view, &between, 80);
        assert_eq!(
            lines[1],
            "    2     1 root     SN        4   0%   0  50% prog x"
        );
        assert_eq!(table(&rows, &view, &between, 7)[1], "    2  ");
    }

    #[test]
    fn sizes() {
        let all = [0, 99999, 100_000, 20_000_000, u64::MAX].map(size);
        assert_eq!(all, ["0", "99999", "97m", "19g", "16777215p"]);
    }

    #[test]
    fn a_page_fits_the_screen() {
        let head = ["a".to_owned(), "b".to_owned()];
        let table = ["T".to_owned(), "1".to_owned(), "2".to_owned()];
        assert_eq!(
            page(&head, &table, 3, 4, true),
            "\x1b[H\x1b[Ja\nb\n\x1b[7mT  \x1b[m\n1"
        );
        assert_eq!(
            page(&head, &table, 3, usize::MAX, false),
            "a\nb\nT\n1\n2\n\n"
        );
    }
}

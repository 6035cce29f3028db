//! `ps`, with BusyBox's columns, and `-o` as POSIX has it; `uptime`, `free`.

use super::processes::{self, HZ, Process};
use crate::common::accounts::Accounts;
use crate::common::calendar;
use crate::common::lines::{Output, complain};
use crate::common::options::Options;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};

pub const USAGE: &str = "[-o COLUMN[=TITLE],...] [-T] [-p PID,...] [-u USER,...]

-o  user uid group gid pid ppid pgid sid tty stat state comm args time etime vsz rss nice thcount
-p  only these    -u  only of these users    what other systems know (-e -f -A aux) is taken, and shows all";
pub const UPTIME_USAGE: &str = "";
pub const FREE_USAGE: &str = "[-bkmgh]

-b  bytes    -k  KiB (the usual)    -m  MiB    -g  GiB    -h  the fitting unit";

/// The columns: name, title, whether it is a number.
const COLUMNS: &[(&str, &str, bool)] = &[
    ("user", "USER", false),
    ("uid", "UID", true),
    ("group", "GROUP", false),
    ("gid", "GID", true),
    ("pid", "PID", true),
    ("ppid", "PPID", true),
    ("pgid", "PGID", true),
    ("sid", "SID", true),
    ("tty", "TT", false),
    ("stat", "STAT", false),
    ("state", "STAT", false),
    ("s", "S", false),
    ("comm", "COMMAND", false),
    ("args", "COMMAND", false),
    ("cmd", "COMMAND", false),
    ("command", "COMMAND", false),
    ("time", "TIME", false),
    ("etime", "ELAPSED", false),
    ("vsz", "VSZ", true),
    ("rss", "RSS", true),
    ("nice", "NI", true),
    ("ni", "NI", true),
    ("thcount", "THCNT", true),
];

/// What the columns need besides the process.
struct Table {
    users: HashMap<u32, String>,
    groups: HashMap<u32, String>,
    uptime: f64,
}

impl Table {
    fn new() -> Table {
        let accounts = Accounts::system();
        let text = |name: Vec<u8>| String::from_utf8_lossy(&name).into_owned();
        Table {
            users: accounts
                .users()
                .unwrap_or_default()
                .into_iter()
                .rev()
                .map(|user| (user.uid, text(user.name)))
                .collect(),
            groups: accounts
                .groups()
                .unwrap_or_default()
                .into_iter()
                .rev()
                .map(|group| (group.gid, text(group.name)))
                .collect(),
            uptime: processes::uptime().0,
        }
    }

    fn cell(&self, process: &Process, column: &str) -> String {
        let page = rustix::param::page_size() as u64;
        let kib = |bytes: u64| {
            let kib = bytes / 1024;
            if kib < 100_000 {
                kib.to_string()
            } else {
                format!("{}m", kib / 1024)
            }
        };
        match column {
            "user" => self
                .users
                .get(&process.uid)
                .cloned()
                .unwrap_or_else(|| process.uid.to_string()),
            "uid" => process.uid.to_string(),
            "group" => self
                .groups
                .get(&process.gid)
                .cloned()
                .unwrap_or_else(|| process.gid.to_string()),
            "gid" => process.gid.to_string(),
            "pid" => process.pid.to_string(),
            "ppid" => process.ppid.to_string(),
            "pgid" => process.group.to_string(),
            "sid" => process.session.to_string(),
            "tty" => process.terminal_name(),
            "s" => process.state.to_string(),
            "stat" | "state" => {
                let mut text = process.state.to_string();
                if process.resident == 0 && process.state != 'Z' {
                    text.push('W');
                }
                if process.nice < 0 {
                    text.push('<');
                }
                if process.nice > 0 {
                    text.push('N');
                }
                text
            }
            "comm" => String::from_utf8_lossy(&process.name).into_owned(),
            "args" | "cmd" | "command" => {
                String::from_utf8_lossy(&process.arguments()).into_owned()
            }
            "time" => {
                let seconds = process.ticks / HZ;
                format!("{}:{:02}", seconds / 60, seconds % 60)
            }
            "etime" => elapsed(self.uptime - process.start as f64 / HZ as f64),
            "vsz" => kib(process.virtual_size),
            "rss" => kib(process.resident * page),
            "nice" | "ni" => process.nice.to_string(),
            "thcount" => process.threads.to_string(),
            _ => String::new(),
        }
    }
}

fn elapsed(seconds: f64) -> String {
    let seconds = seconds.max(0.0) as u64;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    if days > 0 {
        return format!("{days}-{hours:02}:{minutes:02}:{:02}", seconds % 60);
    }
    if hours > 0 {
        return format!("{hours}:{minutes:02}:{:02}", seconds % 60);
    }
    format!("{minutes:>2}:{:02}", seconds % 60)
}

/// `ps`
pub fn main(arguments: &[OsString]) -> i32 {
    // `ps aux` is in the fingers.
    let words: Vec<OsString> = arguments
        .iter()
        .enumerate()
        .filter(|(at, word)| {
            *at == 0 || !matches!(word.to_str(), Some("aux" | "ax" | "auxw" | "auxww" | "axu"))
        })
        .map(|(_, word)| word.clone())
        .collect();
    let options = Options {
        applet: "ps",
        letters: "o:Tp:u:efAalwZ",
        long: &[],
    };
    let given = match options.parse(&words) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let mut columns: Vec<(&str, String, bool)> = Vec::new();
    for list in given.values('o') {
        let list = list.to_string_lossy();
        let mut rest: &str = &list;
        while !rest.is_empty() {
            let end = rest.find([',', ' ']).unwrap_or(rest.len());
            let (mut word, mut after) = (
                rest.get(..end).unwrap_or(rest),
                rest.get(end + 1..).unwrap_or(""),
            );
            let mut title = None;
            if let Some(at) = rest.find('=').filter(|at| *at < end || end == rest.len()) {
                // The title goes on to the end, commas and all.
                word = rest.get(..at).unwrap_or(rest);
                title = rest.get(at + 1..).map(str::to_owned);
                after = "";
            }
            rest = after;
            if word.is_empty() {
                continue;
            }
            match COLUMNS.iter().find(|(name, ..)| *name == word) {
                Some((name, usual, number)) => {
                    columns.push((name, title.unwrap_or_else(|| (*usual).to_owned()), *number));
                }
                None => return options.wrong(&format!("unknown column '{word}'")),
            }
        }
    }
    if columns.is_empty() {
        let usual: &[&str] = if given.has('l') {
            &[
                "s", "uid", "pid", "ppid", "vsz", "rss", "tty", "time", "args",
            ]
        } else {
            &["pid", "user", "time", "args"]
        };
        columns = COLUMNS
            .iter()
            .filter(|(name, ..)| usual.contains(name))
            .map(|(name, title, number)| (*name, (*title).to_owned(), *number))
            .collect();
        columns.sort_by_key(|(name, ..)| usual.iter().position(|one| one == name));
    }
    let table = Table::new();
    let chosen = |letter: char, text: &dyn Fn(&Process) -> Vec<String>, process: &Process| {
        given.value(letter).is_none_or(|list| {
            let own = text(process);
            list.to_string_lossy()
                .split([',', ' '])
                .any(|word| own.iter().any(|one| one == word))
        })
    };
    let rows: Vec<Vec<String>> = processes::all()
        .iter()
        .filter(|process| chosen('p', &|process| vec![process.pid.to_string()], process))
        .filter(|process| {
            chosen(
                'u',
                &|process| vec![table.cell(process, "user"), process.uid.to_string()],
                process,
            )
        })
        .map(|process| {
            columns
                .iter()
                .map(|(name, ..)| table.cell(process, name))
                .collect()
        })
        .collect();
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(at, (name, title, _))| {
            let cells = rows
                .iter()
                .filter_map(|row| row.get(at))
                .map(|cell| cell.chars().count());
            let least = match *name {
                "pid" | "ppid" => 5,
                "user" => 8,
                _ => 4,
            };
            cells
                .max()
                .unwrap_or(0)
                .max(title.chars().count())
                .max(least)
        })
        .collect();
    let limit = if rustix::termios::isatty(rustix::stdio::stdout()) && !given.has('w') {
        usize::from(sys::tty::size(1).0).max(20)
    } else {
        usize::MAX
    };
    let mut out = Output::new();
    let head: Vec<String> = columns.iter().map(|(_, title, _)| title.clone()).collect();
    let has_head = head.iter().any(|title| !title.is_empty());
    for row in std::iter::once(&head).filter(|_| has_head).chain(&rows) {
        let mut line = String::new();
        for (at, cell) in row.iter().enumerate() {
            let width = widths.get(at).copied().unwrap_or(0);
            let number = columns.get(at).is_some_and(|(.., number)| *number);
            if at > 0 {
                line.push(' ');
            }
            if number {
                line.push_str(&format!("{cell:>width$}"));
            } else if at + 1 == row.len() {
                line.push_str(cell);
            } else {
                line.push_str(&format!("{cell:<width$}"));
            }
        }
        let line: String = line.chars().take(limit).collect();
        out.put(line.as_bytes());
        out.put_byte(b'\n');
    }
    let none = rows.is_empty() && (given.has('p') || given.has('u'));
    out.finish("ps", i32::from(none), 1)
}

/// `uptime`
pub fn uptime(_: &[OsString]) -> i32 {
    let (seconds, _) = processes::uptime();
    let minutes = seconds as u64 / 60;
    let now = calendar::now();
    let at = calendar::moment(now + sys::kernel::local_offset(now));
    let mut text = format!(" {:02}:{:02}:{:02} up ", at.hour, at.minute, at.second);
    let (days, hours) = (minutes / 1440, minutes / 60 % 24);
    if days > 0 {
        text.push_str(&format!("{days} day{}, ", if days == 1 { "" } else { "s" }));
    }
    if hours > 0 {
        text.push_str(&format!("{hours:>2}:{:02}, ", minutes % 60));
    } else {
        text.push_str(&format!("{} min, ", minutes % 60));
    }
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<&str> = load.split_whitespace().take(3).collect();
    text.push_str(&format!(" load average: {}\n", load.join(", ")));
    let mut out = Output::new();
    out.put(text.as_bytes());
    out.finish("uptime", 0, 1)
}

/// `free`
pub fn free(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "free",
        letters: "bkmghtw",
        long: &[],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let text = match std::fs::read_to_string("/proc/meminfo") {
        Ok(text) => text,
        Err(error) => {
            complain("free", OsStr::new("/proc/meminfo"), &error);
            return 1;
        }
    };
    let get = |name: &str| -> u64 {
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
            .unwrap_or(0)
            * 1024
    };
    let amount = |bytes: u64| match given.last_of("bkmgh") {
        Some('b') => bytes.to_string(),
        Some('m') => (bytes >> 20).to_string(),
        Some('g') => (bytes >> 30).to_string(),
        Some('h') => {
            let units = ["", "K", "M", "G", "T"];
            let (mut value, mut unit) = (bytes as f64, 0);
            while value >= 1024.0 && unit + 1 < units.len() {
                value /= 1024.0;
                unit += 1;
            }
            format!("{value:.1}{}", units.get(unit).copied().unwrap_or(""))
        }
        _ => (bytes >> 10).to_string(),
    };
    let cache = get("Cached:") + get("Buffers:") + get("SReclaimable:");
    let (total, unused) = (get("MemTotal:"), get("MemFree:"));
    let used = total.saturating_sub(unused).saturating_sub(cache);
    let (swap, swap_free) = (get("SwapTotal:"), get("SwapFree:"));
    let row = |name: &str, cells: &[u64]| {
        let mut line = format!("{name:<6}");
        for cell in cells {
            line.push_str(&format!(" {:>11}", amount(*cell)));
        }
        line.push('\n');
        line
    };
    let mut out = Output::new();
    out.put(b"              total        used        free      shared  buff/cache   available\n");
    out.put(
        row(
            "Mem:",
            &[
                total,
                used,
                unused,
                get("Shmem:"),
                cache,
                get("MemAvailable:"),
            ],
        )
        .as_bytes(),
    );
    out.put(row("Swap:", &[swap, swap.saturating_sub(swap_free), swap_free]).as_bytes());
    out.finish("free", 0, 1)
}

#[cfg(test)]
mod tests {
    use super::elapsed;

    #[test]
    fn ages() {
        assert_eq!(elapsed(5.0), " 0:05");
        assert_eq!(elapsed(3661.0), "1:01:01");
        assert_eq!(elapsed(90_061.0), "1-01:01:01");
    }
}

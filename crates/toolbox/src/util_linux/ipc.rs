//! `ipcs` and `ipcrm`: System V's shared memory, semaphores and message queues.

use crate::common::accounts::Accounts;
use crate::common::calendar;
use crate::common::lines::{Output, about, cause, other, say, status};
use crate::common::options::{Given, Options};
use std::ffi::OsString;
use std::io;
use sys::ipc::{Kind, remove, remove_by_key};

pub const IPCS_USAGE: &str = "[-asmq] [-tcplu] | [-smq] -i ID

-m  shared memory    -s  semaphores    -q  message queues    -a  all of them: the usual
-t  times    -c  who made them    -p  processes    -l  limits    -u  a summary    -i  all of one";
pub const IPCRM_USAGE: &str = "[-MQS KEY] [-mqs ID]...

-m, -M  shared memory, when nobody uses it any more    -q, -Q  a message queue    -s, -S  semaphores
by their number, or by their key";

const IPCS: Options = Options {
    applet: "ipcs",
    letters: "i:aqsmtcplu",
    long: &[],
};

/// A table of `/proc/sysvipc`: the columns' names, and the rows.
struct Table {
    names: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    fn read(kind: Kind) -> io::Result<Table> {
        let path = format!("/proc/sysvipc/{}", file(kind));
        let text = std::fs::read_to_string(&path).map_err(|error| about(&path, &error))?;
        Ok(Table::parse(&text))
    }

    fn parse(text: &str) -> Table {
        let split = |line: &str| line.split_whitespace().map(str::to_owned).collect();
        let mut lines = text.lines();
        Table {
            names: lines.next().map(split).unwrap_or_default(),
            rows: lines.map(split).collect(),
        }
    }

    fn get<'a>(&self, row: &'a [String], name: &str) -> &'a str {
        let at = self.names.iter().position(|known| known == name);
        at.and_then(|at| row.get(at)).map_or("0", String::as_str)
    }

    fn number(&self, row: &[String], name: &str) -> i64 {
        self.get(row, name).parse().unwrap_or(0)
    }

    fn sum(&self, name: &str) -> i64 {
        self.rows.iter().map(|row| self.number(row, name)).sum()
    }
}

fn file(kind: Kind) -> &'static str {
    match kind {
        Kind::Memory => "shm",
        Kind::Semaphores => "sem",
        Kind::Queue => "msg",
    }
}

fn id_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Memory => "shmid",
        Kind::Semaphores => "semid",
        Kind::Queue => "msqid",
    }
}

/// `ipcs`
pub fn ipcs(arguments: &[OsString]) -> i32 {
    let given = match IPCS.take(arguments, 0, 0) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let mut kinds: Vec<Kind> = [
        ('q', Kind::Queue),
        ('m', Kind::Memory),
        ('s', Kind::Semaphores),
    ]
    .into_iter()
    .filter(|(letter, _)| given.has(*letter))
    .map(|(_, kind)| kind)
    .collect();
    if given.has('i') {
        let [kind] = kinds.as_slice() else {
            return IPCS.wrong("-i needs one of -m, -q and -s");
        };
        let done = given.number('i', 0_i64).map_err(other);
        return status("ipcs", done.and_then(|id| one(*kind, id)));
    }
    if given.has('a') || kinds.is_empty() {
        kinds = vec![Kind::Queue, Kind::Memory, Kind::Semaphores];
    }
    status("ipcs", show(&kinds, &given))
}

fn when(seconds: i64) -> String {
    if seconds == 0 {
        return "Not set".to_owned();
    }
    let at = calendar::moment(seconds.saturating_add(sys::kernel::local_offset(seconds)));
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        at.year, at.month, at.day, at.hour, at.minute, at.second
    )
}

fn user(accounts: &Accounts, uid: &str) -> String {
    let known = uid
        .parse()
        .ok()
        .and_then(|uid| accounts.user_by_id(uid).ok()?);
    known.map_or_else(
        || uid.to_owned(),
        |user| String::from_utf8_lossy(&user.name).into_owned(),
    )
}

fn group(accounts: &Accounts, gid: &str) -> String {
    let number: Option<u32> = gid.parse().ok();
    let groups = accounts.groups().unwrap_or_default();
    let known = groups.into_iter().find(|group| Some(group.gid) == number);
    known.map_or_else(
        || gid.to_owned(),
        |group| String::from_utf8_lossy(&group.name).into_owned(),
    )
}

fn limit(name: &str) -> String {
    let path = format!("/proc/sys/kernel/{name}");
    std::fs::read_to_string(path).map_or_else(|_| "?".to_owned(), |text| text.trim().to_owned())
}

fn show(kinds: &[Kind], given: &Given) -> io::Result<i32> {
    let accounts = Accounts::system();
    let mut out = Output::new();
    for kind in kinds {
        out.put_byte(b'\n');
        let text = match given.last_of("tcplu") {
            Some('l') => limits(*kind),
            Some('u') => summary(*kind)?,
            view => list(*kind, view, &accounts)?,
        };
        out.put(text.as_bytes());
    }
    out.put_byte(b'\n');
    Ok(out.finish("ipcs", 0, 1))
}

fn limits(kind: Kind) -> String {
    match kind {
        Kind::Memory => {
            let kib = |name: &str| {
                limit(name)
                    .parse::<u128>()
                    .map_or_else(|_| "?".to_owned(), |number| (number / 1024).to_string())
            };
            let page = u128::from(rustix::param::page_size() as u64);
            let all = limit("shmall").parse::<u128>().map_or_else(
                |_| "?".to_owned(),
                |pages| (pages.saturating_mul(page) / 1024).to_string(),
            );
            format!(
                "------ Shared Memory Limits --------\nmax number of segments = {}\nmax seg size (kbytes) = {}\n\
                 max total shared memory (pages) = {all}\nmin seg size (bytes) = 1\n",
                limit("shmmni"),
                kib("shmmax")
            )
        }
        Kind::Semaphores => {
            let text = limit("sem");
            let words: Vec<&str> = text.split_whitespace().collect();
            let at = |index: usize| words.get(index).copied().unwrap_or("?");
            format!(
                "------ Semaphore Limits --------\nmax number of arrays = {}\nmax semaphores per array = {}\n\
                 max semaphores system wide = {}\nmax ops per semop call = {}\nsemaphore max value = 32767\n",
                at(3),
                at(0),
                at(1),
                at(2)
            )
        }
        Kind::Queue => format!(
            "------ Messages: Limits --------\nmax queues system wide = {}\nmax size of message (bytes) = {}\n\
             default max size of queue (bytes) = {}\n",
            limit("msgmni"),
            limit("msgmax"),
            limit("msgmnb")
        ),
    }
}

fn summary(kind: Kind) -> io::Result<String> {
    let table = Table::read(kind)?;
    let count = table.rows.len();
    Ok(match kind {
        Kind::Memory => {
            let page = i64::try_from(rustix::param::page_size()).unwrap_or(4096);
            let pages = |name: &str| table.sum(name) / page;
            format!(
                "------ Shared Memory Status --------\nsegments allocated {count}\npages allocated {}\n\
                 pages resident  {}\npages swapped   {}\n",
                pages("size"),
                pages("rss"),
                pages("swap")
            )
        }
        Kind::Semaphores => format!(
            "------ Semaphore Status --------\nused arrays = {count}\nallocated semaphores = {}\n",
            table.sum("nsems")
        ),
        Kind::Queue => format!(
            "------ Messages: Status --------\nallocated queues = {count}\nused headers = {}\nused space = {} bytes\n",
            table.sum("qnum"),
            table.sum("cbytes")
        ),
    })
}

fn list(kind: Kind, view: Option<char>, accounts: &Accounts) -> io::Result<String> {
    let table = Table::read(kind)?;
    let id = id_name(kind);
    let what = match kind {
        Kind::Memory => "Shared Memory Segments",
        Kind::Semaphores => "Semaphore Arrays",
        Kind::Queue => "Message Queues",
    };
    // A column: its title, and what of a row stands there.
    type Column = (
        &'static str,
        Box<dyn Fn(&Table, &[String], &Accounts) -> String>,
    );
    let plain = |title: &'static str, name: &'static str| -> Column {
        (
            title,
            Box::new(move |table, row, _| table.get(row, name).to_owned()),
        )
    };
    let time = |title: &'static str, name: &'static str| -> Column {
        (
            title,
            Box::new(move |table, row, _| when(table.number(row, name))),
        )
    };
    let owner = |title: &'static str, name: &'static str| -> Column {
        (
            title,
            Box::new(move |table, row, accounts| user(accounts, table.get(row, name))),
        )
    };
    let group_of = |title: &'static str, name: &'static str| -> Column {
        (
            title,
            Box::new(move |table, row, accounts| group(accounts, table.get(row, name))),
        )
    };
    let permissions = || -> Column {
        (
            "perms",
            Box::new(|table, row, _| {
                let mode = u32::from_str_radix(table.get(row, "perms"), 8).unwrap_or(0);
                format!("{:o}", mode & 0o777)
            }),
        )
    };
    let key = || -> Column {
        (
            "key",
            Box::new(|table, row, _| format!("0x{:08x}", table.number(row, "key") as u32)),
        )
    };
    let columns: Vec<Column> = match (view, kind) {
        (Some('c'), _) => vec![
            plain(id, id),
            permissions(),
            owner("cuid", "cuid"),
            group_of("cgid", "cgid"),
            owner("uid", "uid"),
            group_of("gid", "gid"),
        ],
        (Some('t'), Kind::Memory) => vec![
            plain(id, id),
            owner("owner", "uid"),
            time("attached", "atime"),
            time("detached", "dtime"),
            time("changed", "ctime"),
        ],
        (Some('t'), Kind::Semaphores) => vec![
            plain(id, id),
            owner("owner", "uid"),
            time("last-op", "otime"),
            time("last-changed", "ctime"),
        ],
        (Some('t'), Kind::Queue) => vec![
            plain(id, id),
            owner("owner", "uid"),
            time("send", "stime"),
            time("recv", "rtime"),
            time("change", "ctime"),
        ],
        (Some('p'), Kind::Memory) => vec![
            plain(id, id),
            owner("owner", "uid"),
            plain("cpid", "cpid"),
            plain("lpid", "lpid"),
        ],
        (Some('p'), Kind::Queue) => vec![
            plain(id, id),
            owner("owner", "uid"),
            plain("lspid", "lspid"),
            plain("lrpid", "lrpid"),
        ],
        (_, Kind::Memory) => vec![
            key(),
            plain(id, id),
            owner("owner", "uid"),
            permissions(),
            plain("bytes", "size"),
            plain("nattch", "nattch"),
            (
                "status",
                Box::new(|table, row, _| {
                    let mode = u32::from_str_radix(table.get(row, "perms"), 8).unwrap_or(0);
                    let words = [(0o1000, "dest"), (0o2000, "locked")];
                    let set: Vec<&str> = words
                        .iter()
                        .filter(|(bit, _)| mode & bit != 0)
                        .map(|(_, word)| *word)
                        .collect();
                    set.join(" ")
                }),
            ),
        ],
        (_, Kind::Semaphores) => vec![
            key(),
            plain(id, id),
            owner("owner", "uid"),
            permissions(),
            plain("nsems", "nsems"),
        ],
        (_, Kind::Queue) => vec![
            key(),
            plain(id, id),
            owner("owner", "uid"),
            permissions(),
            plain("used-bytes", "cbytes"),
            plain("messages", "qnum"),
        ],
    };
    let wide = view == Some('t');
    let width = |at: usize| if wide && at > 1 { 20 } else { 10 };
    let mut text = format!("------ {what} --------\n");
    for (at, (title, _)) in columns.iter().enumerate() {
        text += &format!("{title:<0$} ", width(at));
    }
    text.push('\n');
    for row in &table.rows {
        for (at, (_, cell)) in columns.iter().enumerate() {
            text += &format!("{:<1$} ", cell(&table, row, accounts), width(at));
        }
        text.push('\n');
    }
    Ok(text)
}

fn one(kind: Kind, id: i64) -> io::Result<i32> {
    let table = Table::read(kind)?;
    let row = table
        .rows
        .iter()
        .find(|row| table.number(row, id_name(kind)) == id)
        .ok_or_else(|| other(format!("id {id} not found")))?;
    let mut out = Output::new();
    let title = match kind {
        Kind::Memory => "Shared memory Segment",
        Kind::Semaphores => "Semaphore Array",
        Kind::Queue => "Message Queue",
    };
    out.put(format!("\n{title} {}={id}\n", id_name(kind)).as_bytes());
    for (name, value) in table.names.iter().zip(row) {
        let shown = if name.ends_with("time") {
            when(value.parse().unwrap_or(0))
        } else {
            value.clone()
        };
        out.put(format!("{name}={shown}\n").as_bytes());
    }
    out.put_byte(b'\n');
    Ok(out.finish("ipcs", 0, 1))
}

/// `ipcrm`
pub fn ipcrm(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "ipcrm",
        letters: "q:m:s:Q:M:S:",
        long: &[],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    // As it was once: a word for the kind, and numbers.
    if let [word, ids @ ..] = given.operands.as_slice() {
        let kind = match word.to_str() {
            Some("shm") => Kind::Memory,
            Some("sem") => Kind::Semaphores,
            Some("msg") => Kind::Queue,
            _ => return options.wrong(&format!("unknown resource type '{}'", word.display())),
        };
        if ids.is_empty() {
            return options.wrong("missing operand");
        }
        return ids
            .iter()
            .map(|id| drop_one(kind, &id.to_string_lossy(), false))
            .fold(0, i32::max);
    }
    if given.last_of("qmsQMS").is_none() {
        return options.wrong("nothing to remove");
    }
    let mut status = 0;
    for (letter, kind) in [
        ('m', Kind::Memory),
        ('q', Kind::Queue),
        ('s', Kind::Semaphores),
    ] {
        for id in given.values(letter) {
            status |= drop_one(kind, &id.to_string_lossy(), false);
        }
        for key in given.values(letter.to_ascii_uppercase()) {
            status |= drop_one(kind, &key.to_string_lossy(), true);
        }
    }
    status
}

fn drop_one(kind: Kind, text: &str, by_key: bool) -> i32 {
    let number = match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).map(u32::cast_signed).ok(),
        None => text.parse().ok(),
    };
    let what = if by_key { "key" } else { "id" };
    let Some(number) = number else {
        say("ipcrm", format!("invalid {what}: {text}"));
        return 1;
    };
    let done = if by_key {
        // The key 0 is that of all those without one.
        if number == 0 {
            say("ipcrm", format!("invalid key: {text}"));
            return 1;
        }
        remove_by_key(kind, number)
    } else {
        remove(kind, number)
    };
    match done {
        Ok(()) => 0,
        Err(error) => {
            let why = match error.raw_os_error() {
                Some(2 | 22 | 43) => format!("invalid {what} ({text})"),
                _ => format!("{what} ({text}): {}", cause(&error)),
            };
            say("ipcrm", why);
            1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables() {
        let table =
            Table::parse("       key      shmid perms size\n  -1 7 1600 4096\n 0 8 600 1\n");
        let row = &table.rows[0];
        assert_eq!(table.number(row, "key"), -1);
        assert_eq!(table.get(row, "perms"), "1600");
        assert_eq!(table.get(row, "nothing"), "0");
        assert_eq!(table.sum("size"), 4097);
        assert!(Table::parse("").rows.is_empty());
    }
}

//! Runs an expression on an entry.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::Command;

use rustix::fs::{AtFlags, FileType, Stat};

use super::{Batch, Exec, Expr, Find, ModeTest, Time, c_string, parse, time_of};
use crate::common::glob;
use crate::common::lines::{complain, write_all};
use crate::common::walk::Entry;

/// How many bytes of names go to one command.
const MAX_BYTES: usize = 96 * 1024;

impl Find {
    /// Whether the expression holds; its actions are done on the way.
    pub fn eval(&mut self, expr: &Expr, entry: &Entry<'_>) -> bool {
        match expr {
            Expr::And(a, b) => self.eval(a, entry) && !self.quit && self.eval(b, entry),
            Expr::Or(a, b) => self.eval(a, entry) || !self.quit && self.eval(b, entry),
            Expr::Comma(a, b) => {
                self.eval(a, entry);
                !self.quit && self.eval(b, entry)
            }
            Expr::Not(a) => !self.eval(a, entry),
            Expr::True => true,
            Expr::False => false,
            Expr::Name(pattern, options) => {
                glob::matches(pattern.as_bytes(), base_name(entry.path), *options)
            }
            Expr::Path(pattern, options) => glob::matches(pattern.as_bytes(), entry.path, *options),
            Expr::LinkName(pattern, options) => {
                entry.kind.is_symlink()
                    && rustix::fs::readlinkat(entry.dir, entry.name, Vec::new()).is_ok_and(
                        |target| glob::matches(pattern.as_bytes(), target.to_bytes(), *options),
                    )
            }
            Expr::Regex(regex) => regex.is_match(entry.path),
            Expr::Type(kinds) => kinds.contains(&entry.kind),
            Expr::Empty => self.empty(entry),
            Expr::Access(access) => {
                rustix::fs::accessat(entry.dir, entry.name, *access, AtFlags::empty()).is_ok()
            }
            Expr::Prune => {
                self.prune = true;
                true
            }
            Expr::Quit => {
                self.quit = true;
                true
            }
            Expr::Print(end) => {
                self.out.put(entry.path);
                self.out.put_byte(*end);
                true
            }
            Expr::Delete => self.delete(entry),
            Expr::Exec(exec) => self.exec(exec, entry),
            _ => match entry.stat() {
                Ok(stat) => self.by_stat(expr, entry, stat),
                Err(error) => {
                    self.complain(entry.path, &error);
                    false
                }
            },
        }
    }

    fn by_stat(&mut self, expr: &Expr, entry: &Entry<'_>, stat: &Stat) -> bool {
        let mode = stat.st_mode & 0o7777;
        match expr {
            Expr::Size(comparison, unit) => {
                comparison.holds(u64::try_from(stat.st_size).unwrap_or(0).div_ceil(*unit))
            }
            #[allow(clippy::useless_conversion)]
            Expr::Links(comparison) => comparison.holds(u64::from(stat.st_nlink)),
            Expr::Inode(comparison) => comparison.holds(stat.st_ino),
            Expr::SameFile(device, inode) => stat.st_dev == *device && stat.st_ino == *inode,
            Expr::Age(time, comparison, unit) => {
                let age = self.settings.now - time_of(stat, *time).0;
                let units = age.div_euclid(*unit);
                match u64::try_from(units) {
                    Ok(units) => comparison.holds(units),
                    // From the future: less than any age.
                    Err(_) => comparison.how.is_lt(),
                }
            }
            Expr::Newer(time, seconds, nanoseconds) => {
                time_of(stat, *time) > (*seconds, *nanoseconds)
            }
            Expr::Mode(ModeTest::Exactly(bits)) => mode == *bits,
            Expr::Mode(ModeTest::All(bits)) => mode & bits == *bits,
            Expr::Mode(ModeTest::Any(bits)) => *bits == 0 || mode & bits != 0,
            Expr::User(comparison) => comparison.holds(u64::from(stat.st_uid)),
            Expr::Group(comparison) => comparison.holds(u64::from(stat.st_gid)),
            Expr::NoUser(known) => !known.contains(&stat.st_uid),
            Expr::NoGroup(known) => !known.contains(&stat.st_gid),
            Expr::PrintFormat(format) => {
                let mut text = Vec::new();
                put_format(format, entry, stat, &mut text);
                self.out.put(&text);
                true
            }
            Expr::List => {
                let line = list(entry, stat);
                self.out.put(&line);
                true
            }
            _ => false,
        }
    }

    fn empty(&mut self, entry: &Entry<'_>) -> bool {
        let result = match entry.kind {
            FileType::RegularFile => entry.stat().map(|stat| stat.st_size == 0),
            FileType::Directory => is_empty_dir(entry),
            _ => return false,
        };
        result.unwrap_or_else(|error| {
            self.complain(entry.path, &error);
            false
        })
    }

    fn delete(&mut self, entry: &Entry<'_>) -> bool {
        // The starting point "." cannot be removed; GNU passes over it too.
        if entry.path == b"." {
            return true;
        }
        let flags = if entry.kind.is_dir() {
            AtFlags::REMOVEDIR
        } else {
            AtFlags::empty()
        };
        match rustix::fs::unlinkat(entry.dir, entry.name, flags) {
            Ok(()) => true,
            Err(error) => {
                self.complain(entry.path, &error.into());
                false
            }
        }
    }

    fn exec(&mut self, exec: &Exec, entry: &Entry<'_>) -> bool {
        let mut name = OsString::from_vec(entry.path.to_vec());
        let mut dir = None;
        if exec.in_dir {
            let base = base_name(entry.path);
            let above = &entry.path[..entry.path.len() - base.len()];
            dir =
                Some(OsStr::from_bytes(if above.is_empty() { b"." } else { above }).to_os_string());
            name = "./".into();
            name.push(OsStr::from_bytes(base));
        }
        let Some(many) = &exec.many else {
            let words: Vec<OsString> = exec
                .words
                .iter()
                .map(|word| put_name(word, &name))
                .collect();
            if exec.ask {
                self.out.flush();
                let mut question = Vec::new();
                question.extend_from_slice(&words.join(OsStr::new(" ")).into_vec());
                question.extend_from_slice(b" ?");
                let _ = write_all(rustix::stdio::stderr(), &question);
                let mut answer = String::new();
                let yes = io::stdin().lock().read_line(&mut answer).is_ok()
                    && answer.starts_with(['y', 'Y']);
                if !yes {
                    return false;
                }
            }
            return self.command(&words, dir.as_deref());
        };
        let full = {
            let batch = many.borrow();
            batch.bytes + name.len() > MAX_BYTES || batch.dir != dir
        };
        if full {
            self.batch(exec, &many.take());
        }
        let mut batch = many.borrow_mut();
        batch.bytes += name.len() + 1;
        batch.files.push(name);
        batch.dir = dir;
        true
    }

    fn batch(&mut self, exec: &Exec, batch: &Batch) {
        if batch.files.is_empty() {
            return;
        }
        let words: Vec<OsString> = exec.words.iter().chain(&batch.files).cloned().collect();
        if !self.command(&words, batch.dir.as_deref()) {
            self.trouble = true;
        }
    }

    fn command(&mut self, words: &[OsString], dir: Option<&OsStr>) -> bool {
        self.out.flush();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        if let Some(dir) = dir {
            command.current_dir(dir);
        }
        match command.status() {
            Ok(status) => status.success(),
            Err(error) => {
                complain("find", &words[0], &error);
                self.trouble = true;
                false
            }
        }
    }

    /// Runs the commands whose files still wait.
    pub fn finish_batches(&mut self) {
        let expr = std::mem::replace(&mut self.settings.expr, Expr::True);
        self.finish_in(&expr);
        self.settings.expr = expr;
    }

    fn finish_in(&mut self, expr: &Expr) {
        match expr {
            Expr::And(a, b) | Expr::Or(a, b) | Expr::Comma(a, b) => {
                self.finish_in(a);
                self.finish_in(b);
            }
            Expr::Not(a) => self.finish_in(a),
            Expr::Exec(exec) => {
                if let Some(many) = &exec.many {
                    self.batch(exec, &many.take());
                }
            }
            _ => {}
        }
    }
}

/// The last component, slashes at the end not counted.
fn base_name(path: &[u8]) -> &[u8] {
    let end = path
        .iter()
        .rposition(|b| *b != b'/')
        .map_or(0, |last| last + 1);
    if end == 0 {
        // Slashes alone are one.
        return &path[..path.len().min(1)];
    }
    let start = path[..end]
        .iter()
        .rposition(|b| *b == b'/')
        .map_or(0, |slash| slash + 1);
    &path[start..end]
}

fn put_name(word: &OsStr, name: &OsStr) -> OsString {
    let mut out = Vec::new();
    let mut rest = word.as_bytes();
    while let Some(at) = memchr::memmem::find(rest, b"{}") {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(name.as_bytes());
        rest = &rest[at + 2..];
    }
    out.extend_from_slice(rest);
    OsString::from_vec(out)
}

fn is_empty_dir(entry: &Entry<'_>) -> io::Result<bool> {
    use rustix::fs::{Dir, Mode, OFlags, openat};
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let dir = openat(entry.dir, entry.name, flags, Mode::empty())?;
    for item in Dir::read_from(&dir)? {
        let item = item?;
        if item.file_name() != c"." && item.file_name() != c".." {
            return Ok(false);
        }
    }
    Ok(true)
}

fn type_letter(mode: u32) -> u8 {
    match FileType::from_raw_mode(mode) {
        FileType::Directory => b'd',
        FileType::Symlink => b'l',
        FileType::BlockDevice => b'b',
        FileType::CharacterDevice => b'c',
        FileType::Fifo => b'p',
        FileType::Socket => b's',
        _ => b'f',
    }
}

/// The mode as ls shows it.
fn mode_text(mode: u32) -> String {
    let mut out = String::new();
    out.push(match type_letter(mode) {
        b'f' => '-',
        letter => char::from(letter),
    });
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        out.push(if bits & 4 != 0 { 'r' } else { '-' });
        out.push(if bits & 2 != 0 { 'w' } else { '-' });
        out.push(match (mode & special != 0, bits & 1 != 0) {
            (true, true) => letter,
            (true, false) => letter.to_ascii_uppercase(),
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    out
}

fn owner(table: &str, number: u32) -> Vec<u8> {
    let found = parse::entries(table)
        .into_iter()
        .find(|(_, known)| *known == number);
    found.map_or_else(|| number.to_string().into_bytes(), |(name, _)| name)
}

fn link_target(entry: &Entry<'_>) -> Vec<u8> {
    let Ok(name) = c_string(entry.name.to_bytes()) else {
        return Vec::new();
    };
    rustix::fs::readlinkat(entry.dir, name.as_c_str(), Vec::new())
        .map_or_else(|_| Vec::new(), |text| text.into_bytes())
}

fn list(entry: &Entry<'_>, stat: &Stat) -> Vec<u8> {
    let mut line = format!(
        "{:7} {:6} {} {:3} ",
        stat.st_ino,
        stat.st_blocks / 2,
        mode_text(stat.st_mode),
        stat.st_nlink
    )
    .into_bytes();
    for (table, number) in [("/etc/passwd", stat.st_uid), ("/etc/group", stat.st_gid)] {
        let name = owner(table, number);
        line.extend_from_slice(&name);
        line.extend(std::iter::repeat_n(
            b' ',
            9usize.saturating_sub(name.len()).max(1),
        ));
    }
    let (year, month, day, hour, minute, _) = civil(time_of(stat, Time::Modify).0);
    let size = stat.st_size;
    line.extend_from_slice(
        format!("{size:8} {year:04}-{month:02}-{day:02} {hour:02}:{minute:02} ").as_bytes(),
    );
    line.extend_from_slice(entry.path);
    if entry.kind.is_symlink() {
        line.extend_from_slice(b" -> ");
        line.extend_from_slice(&link_target(entry));
    }
    line.push(b'\n');
    line
}

/// The date and time in UTC of seconds since 1970.
fn civil(seconds: i64) -> (i64, i64, i64, i64, i64, i64) {
    let (days, rest) = (seconds.div_euclid(86400), seconds.rem_euclid(86400));
    // Years that begin in March, in eras of 400 years.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day, rest / 3600, rest / 60 % 60, rest % 60)
}

/// `-printf`: `%p %f %h %P %d %s %m %M %n %u %U %g %G %i %y %l %T@ %t %%` with widths, and escapes.
fn put_format(format: &[u8], entry: &Entry<'_>, stat: &Stat, out: &mut Vec<u8>) {
    let mut at = 0;
    while at < format.len() {
        let byte = format[at];
        at += 1;
        if byte == b'\\' {
            let letter = format.get(at).copied().unwrap_or(b'\\');
            at += 1;
            match letter {
                b'n' => out.push(b'\n'),
                b't' => out.push(b'\t'),
                b'0' => out.push(0),
                b'a' => out.push(7),
                b'b' => out.push(8),
                b'f' => out.push(12),
                b'r' => out.push(b'\r'),
                b'v' => out.push(11),
                b'\\' => out.push(b'\\'),
                other => out.extend_from_slice(&[b'\\', other]),
            }
            continue;
        }
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let left = format.get(at) == Some(&b'-');
        at += usize::from(left);
        let mut width = 0usize;
        while let Some(digit) = format.get(at).filter(|b| b.is_ascii_digit()) {
            width = (width * 10 + usize::from(digit - b'0')).min(4096);
            at += 1;
        }
        let letter = format.get(at).copied().unwrap_or(b'%');
        at += 1;
        let base = base_name(entry.path);
        let seconds = |time| {
            let (seconds, nanoseconds) = time_of(stat, time);
            format!("{seconds}.{nanoseconds:09}0").into_bytes()
        };
        let text: Vec<u8> = match letter {
            b'p' => entry.path.to_vec(),
            b'f' => base.to_vec(),
            b'h' => match entry.path.len().checked_sub(base.len() + 1) {
                Some(length) => entry.path[..length].to_vec(),
                None => b".".to_vec(),
            },
            b'P' => {
                // As many components as the depth says.
                let slashes = entry
                    .path
                    .iter()
                    .enumerate()
                    .rev()
                    .filter(|(_, b)| **b == b'/');
                match entry
                    .depth
                    .checked_sub(1)
                    .and_then(|skip| slashes.map(|(at, _)| at).nth(skip))
                {
                    Some(slash) => entry.path[slash + 1..].to_vec(),
                    None => Vec::new(),
                }
            }
            b'd' => entry.depth.to_string().into_bytes(),
            b's' => stat.st_size.to_string().into_bytes(),
            b'b' => stat.st_blocks.to_string().into_bytes(),
            b'k' => (stat.st_blocks / 2).to_string().into_bytes(),
            b'm' => format!("{:o}", stat.st_mode & 0o7777).into_bytes(),
            b'M' => mode_text(stat.st_mode).into_bytes(),
            b'n' => stat.st_nlink.to_string().into_bytes(),
            b'i' => stat.st_ino.to_string().into_bytes(),
            b'D' => stat.st_dev.to_string().into_bytes(),
            b'u' => owner("/etc/passwd", stat.st_uid),
            b'g' => owner("/etc/group", stat.st_gid),
            b'U' => stat.st_uid.to_string().into_bytes(),
            b'G' => stat.st_gid.to_string().into_bytes(),
            b'y' => vec![type_letter(stat.st_mode)],
            b'l' if entry.kind.is_symlink() => link_target(entry),
            b'l' => Vec::new(),
            b'T' | b'A' | b'C' if format.get(at) == Some(&b'@') => {
                at += 1;
                seconds(match letter {
                    b'T' => Time::Modify,
                    b'A' => Time::Access,
                    _ => Time::Change,
                })
            }
            b't' => {
                let (year, month, day, hour, minute, second) = civil(time_of(stat, Time::Modify).0);
                format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
                    .into_bytes()
            }
            b'%' => b"%".to_vec(),
            other => vec![b'%', other],
        };
        let padding = width.saturating_sub(text.len());
        if left {
            out.extend_from_slice(&text);
        }
        out.extend(std::iter::repeat_n(b' ', padding));
        if !left {
            out.extend_from_slice(&text);
        }
    }
}

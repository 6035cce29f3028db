//! `date` (POSIX.1-2024), with `-d`, `-s`, `-r`, `-R`, `-I` and `-D`.

use crate::common::calendar;
use crate::common::lines::{Output, complain, say};
use crate::common::options::Options;
use rustix::time::{ClockId, Timespec};
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::MetadataExt;

pub const USAGE: &str =
    "[-uR] [-I[SPEC]] [-d TIME | -r FILE | -s TIME] [+FORMAT | MMDDhhmm[[CC]YY][.ss]]

-d  show this time: @SECONDS, YYYY-MM-DD [hh:mm[:ss]], hh:mm, '3 days ago'    -r  a file's time
-s  set the clock    -u  in UTC    -R  as mail has it    -I  as ISO 8601 (hours, minutes, seconds)";

/// A time to show: seconds and nanoseconds, and how far local time is from UTC.
struct Shown {
    seconds: i64,
    nanoseconds: u32,
    offset: i64,
    zone: String,
}

/// Runs it.
pub fn main(arguments: &[OsString]) -> i32 {
    // `-I` has a value only where it stands together with it.
    let words: Vec<OsString> = arguments
        .iter()
        .map(|word| match word.to_str() {
            Some("-I" | "--iso-8601") => "-Idate".into(),
            Some(text) if text.starts_with("--iso-8601=") => {
                format!("-I{}", text.trim_start_matches("--iso-8601=")).into()
            }
            _ => word.clone(),
        })
        .collect();
    let options = Options {
        applet: "date",
        letters: "uRd:r:s:I:D:",
        long: &[
            ("utc", 'u'),
            ("universal", 'u'),
            ("rfc-2822", 'R'),
            ("rfc-email", 'R'),
            ("date", 'd'),
            ("reference", 'r'),
            ("set", 's'),
        ],
    };
    let given = match options.parse(&words) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 0, 1) {
        return status;
    }
    let utc = given.has('u');
    let now = rustix::time::clock_gettime(ClockId::Realtime);
    let mut time = (now.tv_sec, u32::try_from(now.tv_nsec).unwrap_or(0));
    let mut format = None;
    let mut set = None;
    if let Some(operand) = given.operands.first() {
        match operand.as_encoded_bytes().strip_prefix(b"+") {
            Some(text) => format = Some(text.to_vec()),
            None => set = Some((operand.as_os_str(), true)),
        }
    }
    if let Some(text) = given.value('s') {
        set = Some((text, false));
    }
    let read = |text: &OsStr, posix: bool| -> Option<i64> {
        let text = text.to_str()?;
        let own = if posix {
            posix_time(text, now.tv_sec, utc)
        } else {
            parse(text, now.tv_sec, utc)
        };
        if own.is_none() {
            say("date", format!("invalid date '{text}'"));
        }
        own
    };
    if let Some(path) = given.value('r') {
        match std::fs::metadata(path) {
            Ok(meta) => time = (meta.mtime(), u32::try_from(meta.mtime_nsec()).unwrap_or(0)),
            Err(error) => {
                complain("date", path, &error);
                return 1;
            }
        }
    } else if let Some(text) = given.value('d') {
        match read(text, false) {
            Some(seconds) => time = (seconds, 0),
            None => return 1,
        }
    }
    let mut status = 0;
    if let Some((text, posix)) = set {
        let Some(seconds) = read(text, posix) else {
            return 1;
        };
        time = (seconds, 0);
        let at = Timespec {
            tv_sec: seconds,
            tv_nsec: 0,
        };
        if let Err(error) = rustix::time::clock_settime(ClockId::Realtime, at) {
            complain("date", OsStr::new("can't set date"), &error.into());
            status = 1;
        }
    }
    let offset = if utc {
        0
    } else {
        sys::kernel::local_offset(time.0)
    };
    let shown = Shown {
        seconds: time.0,
        nanoseconds: time.1,
        offset,
        zone: if utc || offset == 0 && std::env::var_os("TZ").is_none() {
            "UTC".to_owned()
        } else {
            sys::kernel::local_zone(time.0)
        },
    };
    let format = match (format, given.value('I').map(OsStr::as_encoded_bytes)) {
        (Some(format), _) => format,
        (None, Some(b"hours" | b"h")) => b"%Y-%m-%dT%H%:z".to_vec(),
        (None, Some(b"minutes" | b"m")) => b"%Y-%m-%dT%H:%M%:z".to_vec(),
        (None, Some(b"seconds" | b"s")) => b"%Y-%m-%dT%H:%M:%S%:z".to_vec(),
        (None, Some(b"ns")) => b"%Y-%m-%dT%H:%M:%S,%N%:z".to_vec(),
        (None, Some(_)) => b"%Y-%m-%d".to_vec(),
        (None, None) if given.has('R') => b"%a, %d %b %Y %H:%M:%S %z".to_vec(),
        (None, None) => b"%a %b %e %H:%M:%S %Z %Y".to_vec(),
    };
    let mut out = Output::new();
    let mut text = Vec::new();
    shown.write(&format, &mut text);
    text.push(b'\n');
    out.put(&text);
    out.finish("date", status, 1)
}

/// Local time's seconds as UTC's.
fn from_local(seconds: i64, utc: bool) -> i64 {
    if utc {
        return seconds;
    }
    // The offset is that of the moment meant, which is near.
    let first = seconds - sys::kernel::local_offset(seconds);
    seconds - sys::kernel::local_offset(first)
}

fn parse(text: &str, now: i64, utc: bool) -> Option<i64> {
    let text = text.trim();
    let (text, utc) = match text.strip_suffix(" UTC").or(text.strip_suffix('Z')) {
        Some(rest) => (rest, true),
        None => (text, utc),
    };
    if text.starts_with('@') || text.ends_with("ago") || text == "now" {
        return calendar::parse(text, now);
    }
    // `1999-1-2 3:4:5 +0600`: so far east.
    if let Some((time, zone)) = text.rsplit_once(' ')
        && let Some(east) = zone_offset(zone)
    {
        return Some(calendar::parse(time, now)? - east);
    }
    let local = now
        + if utc {
            0
        } else {
            sys::kernel::local_offset(now)
        };
    let day =
        |days: i64| local.div_euclid(86_400) * 86_400 + days * 86_400 + local.rem_euclid(86_400);
    match text {
        "today" => return Some(now),
        "yesterday" => return Some(from_local(day(-1), utc)),
        "tomorrow" => return Some(from_local(day(1), utc)),
        _ => {}
    }
    if let Some(text) = busybox_date(text, calendar::moment(local).year) {
        return Some(from_local(calendar::parse(&text, now)?, utc));
    }
    if text.contains(':') && !text.contains('-') {
        let today = calendar::moment(local);
        let date = format!("{:04}-{:02}-{:02}", today.year, today.month, today.day);
        return Some(from_local(
            calendar::parse(&format!("{date} {text}"), now)?,
            utc,
        ));
    }
    // `+1 day`, `2 hours`
    let words: Vec<&str> = text.split_whitespace().collect();
    if let [count, unit] = words.as_slice()
        && let Ok(count) = count.trim_start_matches('+').parse::<i64>()
        && let Some(past) = calendar::parse(&format!("{} {unit} ago", count.abs()), now)
    {
        return Some(if count < 0 { past } else { now + (now - past) });
    }
    Some(from_local(calendar::parse(text, now)?, utc))
}

/// `+hhmm` or `-hhmm` in seconds.
fn zone_offset(zone: &str) -> Option<i64> {
    let (sign, digits) = match (zone.strip_prefix('+'), zone.strip_prefix('-')) {
        (Some(digits), _) => (1, digits),
        (_, Some(digits)) => (-1, digits),
        _ => return None,
    };
    if digits.len() != 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: i64 = digits.parse().ok()?;
    Some(sign * (number / 100 * 3600 + number % 100 * 60))
}

/// BusyBox' own ways to write a date, `[YYYY.]MM.DD-hh:mm[:ss]` and `[CC]YYMMDDhhmm[.ss]`, in the usual one.
fn busybox_date(text: &str, this_year: i64) -> Option<String> {
    if let Some((date, time)) = text.split_once('-')
        && date.contains('.')
    {
        let parts: Vec<&str> = date.split('.').collect();
        return match parts.as_slice() {
            [year, month, day] => Some(format!("{year}-{month}-{day} {time}")),
            [month, day] => Some(format!("{this_year}-{month}-{day} {time}")),
            _ => None,
        };
    }
    let (digits, seconds) = text.split_once('.').unwrap_or((text, "00"));
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, rest) = match digits.len() {
        12 => (digits.get(..4)?.parse().ok()?, digits.get(4..)?),
        10 => {
            let short: i64 = digits.get(..2)?.parse().ok()?;
            (
                short + if short < 69 { 2000 } else { 1900 },
                digits.get(2..)?,
            )
        }
        8 => (this_year, digits),
        _ => return None,
    };
    let part = |from: usize| rest.get(from..from + 2);
    Some(format!(
        "{year}-{}-{} {}:{}:{seconds}",
        part(0)?,
        part(2)?,
        part(4)?,
        part(6)?
    ))
}

/// `MMDDhhmm[[CC]YY][.ss]`
fn posix_time(text: &str, now: i64, utc: bool) -> Option<i64> {
    let (digits, seconds) = match text.split_once('.') {
        Some((digits, seconds)) => (digits, seconds),
        None => (text, "00"),
    };
    let part = |from: usize, to: usize| digits.get(from..to);
    let year = match digits.len() {
        8 => calendar::moment(now).year.to_string(),
        10 => {
            let short: i64 = part(8, 10)?.parse().ok()?;
            (if short < 69 {
                2000 + short
            } else {
                1900 + short
            })
            .to_string()
        }
        12 => part(8, 12)?.to_owned(),
        _ => return None,
    };
    let iso = format!(
        "{year}-{}-{} {}:{}:{seconds}",
        part(0, 2)?,
        part(2, 4)?,
        part(4, 6)?,
        part(6, 8)?
    );
    Some(from_local(calendar::parse(&iso, now)?, utc))
}

const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

impl Shown {
    /// strftime(3) in the POSIX locale, with GNU's `%N`, `%s`, `%:z` and padding flags.
    fn write(&self, format: &[u8], out: &mut Vec<u8>) {
        let at = calendar::moment(self.seconds + self.offset);
        let days = (self.seconds + self.offset).div_euclid(86_400);
        let weekday = usize::try_from((days + 4).rem_euclid(7)).unwrap_or(0);
        let first = calendar::Moment {
            month: 1,
            day: 1,
            hour: 0,
            minute: 0,
            second: 0,
            ..at
        };
        let yearday = days - calendar::seconds(&first).unwrap_or(0).div_euclid(86_400);
        let month = usize::try_from(at.month).unwrap_or(1).saturating_sub(1);
        let hour12 = match at.hour % 12 {
            0 => 12,
            hour => hour,
        };
        let name = |list: &[&str], at: usize| (*list.get(at).unwrap_or(&"?")).to_owned();
        let short = |text: String| text.get(..3).unwrap_or("?").to_owned();
        let iso = iso_week(at.year, yearday, i64::try_from(weekday).unwrap_or(0));
        let mut rest = format;
        while let Some((byte, behind)) = rest.split_first() {
            rest = behind;
            if *byte != b'%' {
                out.push(*byte);
                continue;
            }
            let mut flag = None;
            while let Some((letter @ (b'-' | b'_' | b'0' | b'^'), behind)) = rest.split_first() {
                flag = Some(*letter);
                rest = behind;
            }
            // The alternative forms are the same in the POSIX locale.
            if let Some((b'E' | b'O', behind)) = rest.split_first() {
                rest = behind;
            }
            let Some((letter, behind)) = rest.split_first() else {
                out.push(b'%');
                return;
            };
            rest = behind;
            let number = |value: i64, width: usize, pad: u8| -> String {
                let pad = match flag {
                    Some(b'-') => return value.to_string(),
                    Some(b'_') => b' ',
                    Some(b'0') => b'0',
                    _ => pad,
                };
                if pad == b'0' {
                    format!("{value:0width$}")
                } else {
                    format!("{value:width$}")
                }
            };
            let two = |value: u32| number(i64::from(value), 2, b'0');
            let sub = |format: &str| {
                let mut inner = Vec::new();
                self.write(format.as_bytes(), &mut inner);
                String::from_utf8_lossy(&inner).into_owned()
            };
            let text = match letter {
                b'Y' => number(at.year, 1, b'0'),
                b'C' => number(at.year.div_euclid(100), 2, b'0'),
                b'y' => number(at.year.rem_euclid(100), 2, b'0'),
                b'G' => number(iso.0, 1, b'0'),
                b'g' => number(iso.0.rem_euclid(100), 2, b'0'),
                b'V' => number(iso.1, 2, b'0'),
                b'm' => two(at.month),
                b'd' => two(at.day),
                b'e' => number(i64::from(at.day), 2, b' '),
                b'H' => two(at.hour),
                b'k' => number(i64::from(at.hour), 2, b' '),
                b'I' => two(hour12),
                b'l' => number(i64::from(hour12), 2, b' '),
                b'M' => two(at.minute),
                b'S' => two(at.second),
                b'N' => format!("{:09}", self.nanoseconds),
                b's' => self.seconds.to_string(),
                b'j' => number(yearday + 1, 3, b'0'),
                b'a' => short(name(&DAYS, weekday)),
                b'A' => name(&DAYS, weekday),
                b'b' | b'h' => short(name(&MONTHS, month)),
                b'B' => name(&MONTHS, month),
                b'u' => (if weekday == 0 { 7 } else { weekday }).to_string(),
                b'w' => weekday.to_string(),
                b'U' => number(
                    (yearday + 7 - i64::try_from(weekday).unwrap_or(0)) / 7,
                    2,
                    b'0',
                ),
                b'W' => {
                    let monday = i64::try_from((weekday + 6) % 7).unwrap_or(0);
                    number((yearday + 7 - monday) / 7, 2, b'0')
                }
                b'p' => (if at.hour < 12 { "AM" } else { "PM" }).to_owned(),
                b'P' => (if at.hour < 12 { "am" } else { "pm" }).to_owned(),
                b'z' => zone(self.offset, ""),
                b':' if rest.first() == Some(&b'z') => {
                    rest = rest.get(1..).unwrap_or_default();
                    zone(self.offset, ":")
                }
                b'Z' => self.zone.clone(),
                b'F' => sub("%Y-%m-%d"),
                b'T' => sub("%H:%M:%S"),
                b'R' => sub("%H:%M"),
                b'r' => sub("%I:%M:%S %p"),
                b'D' | b'x' => sub("%m/%d/%y"),
                b'X' => sub("%H:%M:%S"),
                b'c' => sub("%a %b %e %H:%M:%S %Y"),
                b'n' => "\n".to_owned(),
                b't' => "\t".to_owned(),
                b'%' => "%".to_owned(),
                other => format!("%{}", char::from(*other)),
            };
            let text = if flag == Some(b'^') {
                text.to_uppercase()
            } else {
                text
            };
            out.extend_from_slice(text.as_bytes());
        }
    }
}

fn zone(offset: i64, between: &str) -> String {
    let sign = if offset < 0 { '-' } else { '+' };
    let minutes = offset.abs() / 60;
    format!("{sign}{:02}{between}{:02}", minutes / 60, minutes % 60)
}

/// ISO 8601's year and week: week 1 holds the first Thursday.
fn iso_week(year: i64, yearday: i64, weekday: i64) -> (i64, i64) {
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = |year: i64| if leap(year) { 366 } else { 365 };
    let monday = (weekday + 6) % 7;
    // The Thursday of this week.
    let thursday = yearday - monday + 3;
    if thursday < 0 {
        return (year - 1, (thursday + length(year - 1)) / 7 + 1);
    }
    if thursday >= length(year) {
        return (year + 1, 1);
    }
    (year, thursday / 7 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(seconds: i64, offset: i64, format: &str) -> String {
        let shown = Shown {
            seconds,
            nanoseconds: 5,
            offset,
            zone: "XYZ".into(),
        };
        let mut out = Vec::new();
        shown.write(format.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn formats() {
        assert_eq!(
            show(0, 0, "%a %b %e %H:%M:%S %Z %Y"),
            "Thu Jan  1 00:00:00 XYZ 1970"
        );
        assert_eq!(
            show(1_767_225_600, 5400, "%FT%T%:z %j %u %V %s.%N"),
            "2026-01-01T01:30:00+01:30 001 4 01 1767225600.000000005"
        );
        assert_eq!(
            show(951_782_400, 0, "%-d/%-m/%y %I%p %U %W %G-%V %%"),
            "29/2/00 12AM 09 09 2000-09 %"
        );
        assert_eq!(show(0, -3600, "%Y %z %q"), "1969 -0100 %q");
        assert_eq!(show(0, 0, "%"), "%");
        // 2021-01-03 was the Sunday of 2020's last week.
        assert_eq!(show(1_609_632_000, 0, "%G-W%V-%u"), "2020-W53-7");
    }

    #[test]
    fn times_are_read() {
        let now = 1_767_225_600;
        for (text, want) in [
            ("@7", Some(7)),
            ("2026-01-01", Some(now)),
            ("2026-01-01 00:00:01 UTC", Some(now + 1)),
            ("12:30", Some(now + 45_000)),
            ("yesterday", Some(now - 86_400)),
            ("+2 hours", Some(now + 7200)),
            ("1 day ago", Some(now - 86_400)),
            ("nonsense", None),
        ] {
            assert_eq!(parse(text, now, true), want, "{text}");
        }
        assert_eq!(posix_time("010100002026.05", now, true), Some(now + 5));
        assert_eq!(posix_time("0101000026", now, true), Some(now));
        assert_eq!(posix_time("1301000026", now, true), None);
        assert_eq!(posix_time("1", now, true), None);
    }
}

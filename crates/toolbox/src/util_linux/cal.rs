//! `cal` (POSIX.1-2024): the calendar, Julian until 2 September 1752 and Gregorian from the 14th on.

use crate::common::calendar;
use crate::common::lines::Output;
use crate::common::options::Options;
use std::ffi::OsString;

pub const USAGE: &str = "[-jmy] [[MONTH] YEAR]

-j  days counted from the year's first    -m  weeks begin with Monday    -y  the whole year";

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
const DAYS: [&str; 7] = ["Su", "Mo", "Tu", "We", "Th", "Fr", "Sa"];

fn is_leap(year: u32) -> bool {
    if year <= 1752 {
        year.is_multiple_of(4)
    } else {
        year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400)
    }
}

fn length(year: u32, month: u32) -> u32 {
    match month {
        2 => 28 + u32::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The day of the week of a month's first: 0 is Sunday.
fn first(year: u32, month: u32) -> u32 {
    let before = year - 1;
    let mut days = before * 365 + before / 4;
    days += (1..month).map(|earlier| length(year, earlier)).sum::<u32>();
    if year > 1752 {
        // 1 January of the year 1 would have been a Monday.
        (days - before / 100 + before / 400 + 1) % 7
    } else if year == 1752 && month > 9 {
        // It was a Saturday, and eleven days were left out.
        (days + 6 - 11) % 7
    } else {
        (days + 6) % 7
    }
}

struct Style {
    julian: bool,
    monday: bool,
}

impl Style {
    /// The columns of a day.
    fn width(&self) -> usize {
        if self.julian { 3 } else { 2 }
    }

    fn line(&self) -> usize {
        7 * (self.width() + 1) - 1
    }

    fn days(&self) -> String {
        let mut names: Vec<String> = (0..7)
            .map(|day| {
                let at = if self.monday { (day + 1) % 7 } else { day };
                let name = DAYS.get(at).copied().unwrap_or_default();
                format!("{name:>width$}", width = self.width())
            })
            .collect();
        names.truncate(7);
        names.join(" ")
    }

    /// Six lines of a month, without blanks at their ends.
    fn weeks(&self, year: u32, month: u32) -> [String; 6] {
        let width = self.width();
        let mut lines: [String; 6] = Default::default();
        let start = (first(year, month) + if self.monday { 6 } else { 0 }) % 7;
        let mut place = usize::try_from(start).unwrap_or(0);
        let mut of_year: u32 = (1..month).map(|earlier| length(year, earlier)).sum();
        if year == 1752 && month > 9 {
            of_year -= 11;
        }
        for day in 1..=length(year, month) {
            if year == 1752 && month == 9 && (3..14).contains(&day) {
                continue;
            }
            of_year += 1;
            let number = if self.julian { of_year } else { day };
            if let Some(line) = lines.get_mut(place / 7) {
                let column = place % 7 * (width + 1);
                line.push_str(&" ".repeat(column.saturating_sub(line.len())));
                line.push_str(&format!("{number:width$}"));
            }
            place += 1;
        }
        lines
    }
}

fn centred(text: &str, width: usize) -> String {
    let left = width.saturating_sub(text.len()) / 2;
    format!("{}{text}", " ".repeat(left))
}

pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "cal",
        letters: "jmy",
        long: &[],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 0, 2) {
        return status;
    }
    let number = |at: usize, most: u32| {
        let text = given.operands.get(at)?.to_str()?;
        text.parse::<u32>()
            .ok()
            .filter(|number| (1..=most).contains(number))
    };
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .ok()
        .and_then(|time| i64::try_from(time.as_secs()).ok())
        .unwrap_or(0);
    let today = calendar::moment(now + sys::kernel::local_offset(now));
    let this_year = u32::try_from(today.year).unwrap_or(1970);
    let (month, year) = match given.operands.len() {
        0 if given.has('y') => (None, Some(this_year)),
        0 => (Some(today.month), Some(this_year)),
        1 => (None, number(0, 9999)),
        _ => match number(0, 12) {
            Some(month) => (Some(month), number(1, 9999)),
            None => return options.wrong("a month is from 1 to 12"),
        },
    };
    let Some(year) = year else {
        return options.wrong("a year is from 1 to 9999");
    };
    let style = Style {
        julian: given.has('j'),
        monday: given.has('m'),
    };
    let mut out = Output::new();
    let mut put = |line: &str| {
        out.put(line.trim_end().as_bytes());
        out.put_byte(b'\n');
    };
    let name = |month: u32| {
        usize::try_from(month - 1)
            .ok()
            .and_then(|at| MONTHS.get(at))
            .copied()
            .unwrap_or_default()
    };
    if let Some(month) = month.filter(|_| !given.has('y')) {
        put(&centred(&format!("{} {year}", name(month)), style.line()));
        put(&style.days());
        let weeks = style.weeks(year, month);
        for week in weeks.iter().filter(|week| !week.is_empty()) {
            put(week);
        }
        return out.finish("cal", 0, 1);
    }
    // Three months a row, or two where days are wide.
    let (row, gap) = if style.julian { (2, 2) } else { (3, 2) };
    let width = style.line();
    let all = width * row + gap * (row - 1);
    put(&centred(&year.to_string(), all));
    put("");
    let months: Vec<u32> = (1..=12).collect();
    for group in months.chunks(row) {
        let join = |parts: Vec<String>| {
            let mut line = String::new();
            for (at, part) in parts.iter().enumerate() {
                line.push_str(&" ".repeat((at * (width + gap)).saturating_sub(line.len())));
                line.push_str(part);
            }
            line
        };
        put(&join(
            group
                .iter()
                .map(|month| centred(name(*month), width))
                .collect(),
        ));
        put(&join(group.iter().map(|_| style.days()).collect()));
        let weeks: Vec<[String; 6]> = group
            .iter()
            .map(|month| style.weeks(year, *month))
            .collect();
        for week in 0..6 {
            let parts = weeks
                .iter()
                .map(|lines| lines.get(week).cloned().unwrap_or_default());
            put(&join(parts.collect()));
        }
    }
    out.finish("cal", 0, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days() {
        for (year, month, day) in [
            (2000, 1, 6),
            (2026, 11, 0),
            (1752, 9, 2),
            (1, 1, 6),
            (1753, 1, 1),
            (1752, 10, 0),
            (1752, 12, 5),
            (1600, 3, 6),
            (1900, 2, 4),
        ] {
            assert_eq!(first(year, month), day, "{year}-{month}");
        }
    }

    #[test]
    fn the_gap() {
        let style = Style {
            julian: false,
            monday: false,
        };
        assert_eq!(style.weeks(1752, 9)[0], "       1  2 14 15 16");
    }
}

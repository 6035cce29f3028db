//! crontab(5): the lines and when they are due.

use crate::common::calendar::Moment;

/// When a command runs: a bit for each minute, hour, day, month and weekday.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// A day of the month or of the week is enough where both are given.
    either: bool,
    /// `@reboot`: once, at the start.
    pub at_start: bool,
    /// For the shell.
    pub command: Vec<u8>,
}

/// A crontab.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The commands.
    pub lines: Vec<Line>,
    /// `NAME=value`, in order.
    pub environment: Vec<(String, String)>,
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// A field: `*`, `5`, `1-5`, `*/10`, `mon,wed`. `None`: it is none.
fn field(text: &str, least: u32, most: u32, names: &[&str]) -> Option<u64> {
    let mut bits = 0;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse().ok().filter(|step| *step > 0)?),
            None => (part, 1),
        };
        let number = |word: &str| -> Option<u32> {
            let lower = word.to_ascii_lowercase();
            let named = names
                .iter()
                .position(|name| lower.get(..3) == Some(*name))
                .and_then(|at| u32::try_from(at).ok());
            let number = match named {
                // Months count from 1, weekdays from 0.
                Some(at) => at + if names.len() == 12 { 1 } else { 0 },
                None => word.parse().ok()?,
            };
            (least..=most).contains(&number).then_some(number)
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (least, most),
            Some((from, to)) => (number(from)?, number(to)?),
            None => {
                let from = number(range)?;
                (from, if part.contains('/') { most } else { from })
            }
        };
        if from > to {
            return None;
        }
        let mut at = from;
        while at <= to {
            bits |= 1 << at;
            at += step;
        }
    }
    Some(bits)
}

impl Table {
    /// Reads a crontab; `complain` gets the number and text of each line that is wrong.
    pub fn parse(text: &str, complain: &mut dyn FnMut(usize, &str)) -> Table {
        let mut table = Table::default();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim_start();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let name_end = line
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(line.len());
            let (name, rest) = line.split_at(name_end);
            if let Some(value) = rest.trim_start().strip_prefix('=')
                && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            {
                let value = value.trim();
                let value = value.trim_matches(|c| c == '"' || c == '\'');
                table.environment.push((name.to_owned(), value.to_owned()));
                continue;
            }
            match parse_line(line) {
                Some(line) => table.lines.push(line),
                None => complain(number, line),
            }
        }
        table
    }
}

fn parse_line(line: &str) -> Option<Line> {
    let (fields, command) = if line.starts_with('@') {
        let (word, command) = line.split_once(char::is_whitespace)?;
        let fields = match word {
            "@reboot" => "",
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            _ => return None,
        };
        (fields.to_owned(), command)
    } else {
        let mut rest = line;
        let mut fields = Vec::new();
        for _ in 0..5 {
            let (word, behind) = rest.trim_start().split_once(char::is_whitespace)?;
            fields.push(word);
            rest = behind;
        }
        (fields.join(" "), rest)
    };
    let command = command.trim();
    if command.is_empty() {
        return None;
    }
    let mut line = Line {
        minutes: 0,
        hours: 0,
        days: 0,
        months: 0,
        weekdays: 0,
        either: false,
        at_start: fields.is_empty(),
        command: command.as_bytes().to_vec(),
    };
    let words: Vec<&str> = fields.split(' ').collect();
    if let [minute, hour, day, month, weekday] = words.as_slice() {
        line.minutes = field(minute, 0, 59, &[])?;
        line.hours = field(hour, 0, 23, &[])?;
        line.days = field(day, 1, 31, &[])?;
        line.months = field(month, 1, 12, &MONTHS)?;
        line.weekdays = field(weekday, 0, 7, &DAYS)?;
        // Sunday is 0 and 7.
        if line.weekdays & 1 << 7 != 0 {
            line.weekdays |= 1;
        }
        line.either = !day.starts_with('*') && !weekday.starts_with('*');
    }
    Some(line)
}

impl Line {
    /// Whether it is due in this minute of local time; `weekday` counts from Sunday.
    pub fn is_due(&self, at: &Moment, weekday: u32) -> bool {
        let bit = |bits: u64, at: u32| bits & 1_u64.checked_shl(at).unwrap_or(0) != 0;
        let (day, week) = (bit(self.days, at.day), bit(self.weekdays, weekday));
        bit(self.minutes, at.minute)
            && bit(self.hours, at.hour)
            && bit(self.months, at.month)
            && if self.either {
                day || week
            } else {
                day && week
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::calendar;

    fn due(line: &str, at: &str) -> bool {
        let line = parse_line(line).unwrap();
        let seconds = calendar::parse(at, 0).unwrap();
        let weekday = u32::try_from((seconds / 86_400 + 4) % 7).unwrap();
        line.is_due(&calendar::moment(seconds), weekday)
    }

    #[test]
    fn lines_are_due() {
        assert!(due("*/15 * * * * x", "2026-01-01 10:30"));
        assert!(!due("*/15 * * * * x", "2026-01-01 10:31"));
        assert!(due("0 2-4 * jan mon-fri x", "2026-01-01 03:00"));
        // A Sunday, and the 1st: either is enough.
        assert!(due("0 0 1 * 0 x", "2026-01-04 00:00"));
        assert!(due("0 0 1 * 7 x", "2026-01-01 00:00"));
        assert!(!due("0 0 1 * 7 x", "2026-01-02 00:00"));
        assert!(due("@daily x y", "2026-01-02 00:00"));
        assert!(due("5/20 * * * * x", "2026-01-02 00:45"));
    }

    #[test]
    fn tables_and_wrong_lines() {
        let mut wrong = Vec::new();
        let table = Table::parse(
            "# c\nPATH=/bin\nMAILTO = \"\"\n@reboot start\n60 * * * * x\n* * * x\n1-0 * * * * x\n@never x\n* * * * *\n",
            &mut |number, _| wrong.push(number),
        );
        assert_eq!(table.environment.len(), 2);
        assert_eq!(table.lines.len(), 1);
        assert!(table.lines[0].at_start);
        assert_eq!(wrong, [5, 6, 7, 8, 9]);
    }
}

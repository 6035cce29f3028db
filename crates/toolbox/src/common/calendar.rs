//! Days and hours out of seconds since 1970, in UTC.

/// A moment in the proleptic Gregorian calendar, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The year.
    pub year: i64,
    /// From 1.
    pub month: u32,
    /// From 1.
    pub day: u32,
    /// From 0.
    pub hour: u32,
    /// From 0.
    pub minute: u32,
    /// From 0.
    pub second: u32,
}

/// The moment so many seconds after 1970 began.
pub fn moment(seconds: i64) -> Moment {
    let days = seconds.div_euclid(86_400);
    let rest = u32::try_from(seconds.rem_euclid(86_400)).unwrap_or(0);
    // Counted from 1 March of a year that 400 divides: the leap day comes last, so every era is alike.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    Moment {
        year: year_of_era + era * 400 + i64::from(month <= 2),
        month: u32::try_from(month).unwrap_or(1),
        day: u32::try_from(day).unwrap_or(1),
        hour: rest / 3600,
        minute: rest / 60 % 60,
        second: rest % 60,
    }
}

/// The seconds since 1970 of a moment in UTC. `None`: there is no such moment.
pub fn seconds(at: &Moment) -> Option<i64> {
    let shifted = if at.month <= 2 { at.year - 1 } else { at.year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let month_from_march = i64::from((at.month + 9) % 12);
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(at.day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    let time = i64::from(at.hour) * 3600 + i64::from(at.minute) * 60 + i64::from(at.second);
    let seconds = days * 86_400 + time;
    // What does not come back was no date: the 31st of a short month.
    (moment(seconds) == *at).then_some(seconds)
}

/// Reads a date: `@SECONDS`, `YYYY-MM-DD`, `YYYY-MM-DD hh:mm[:ss]` (a `T` between serves too), `N days ago` and its
/// kin, counted from `now`. In UTC.
pub fn parse(text: &str, now: i64) -> Option<i64> {
    if let Some(seconds) = text.strip_prefix('@') {
        return seconds.parse().ok();
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    if let [count, unit, "ago"] = words.as_slice() {
        let length = match unit.trim_end_matches('s') {
            "second" | "sec" => 1,
            "minute" | "min" => 60,
            "hour" => 3600,
            "day" => 86_400,
            "week" => 604_800,
            _ => return None,
        };
        return now.checked_sub(count.parse::<i64>().ok()?.checked_mul(length)?);
    }
    if words.as_slice() == ["now"] {
        return Some(now);
    }
    let (date, time) = text.split_once([' ', 'T']).unwrap_or((text, "00:00"));
    let numbers = |text: &str, between: char| {
        text.split(between)
            .map(|part| part.parse().ok())
            .collect::<Option<Vec<u32>>>()
    };
    let (date, time) = (numbers(date, '-')?, numbers(time, ':')?);
    let (&[year, month, day], [hour, minute, rest @ ..]) = (date.as_slice(), time.as_slice())
    else {
        return None;
    };
    let second = match rest {
        [] => 0,
        [second] => *second,
        _ => return None,
    };
    seconds(&Moment {
        year: year.into(),
        month,
        day,
        hour: *hour,
        minute: *minute,
        second,
    })
}

/// The seconds since 1970 now; 0 where the clock stands before that.
pub fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.ok()
        .and_then(|time| i64::try_from(time.as_secs()).ok())
        .unwrap_or(0)
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

fn month_name(at: &Moment) -> &'static str {
    usize::try_from(at.month)
        .ok()
        .and_then(|month| MONTHS.get(month.checked_sub(1)?).copied())
        .unwrap_or("???")
}

/// As ctime(3) writes it: `Thu Jan  1 00:00:00 1970`.
pub fn long(seconds: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let at = moment(seconds);
    let day = usize::try_from(seconds.div_euclid(86400).rem_euclid(7)).unwrap_or(0);
    format!(
        "{} {} {:>2} {:02}:{:02}:{:02} {}",
        DAYS.get(day).copied().unwrap_or("???"),
        month_name(&at),
        at.day,
        at.hour,
        at.minute,
        at.second,
        at.year
    )
}

/// As `ls -l` shows it: `Jan  1 12:30`, or the year where it is more than half a year away.
pub fn short(seconds: i64) -> String {
    let at = moment(seconds);
    let month = month_name(&at);
    if (now() - seconds).abs() < 15_768_000 {
        format!("{month} {:>2} {:02}:{:02}", at.day, at.hour, at.minute)
    } else {
        format!("{month} {:>2} {:>5}", at.day, at.year)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_that_are_known() {
        let day = |seconds| {
            let at = moment(seconds);
            (at.year, at.month, at.day)
        };
        assert_eq!(day(0), (1970, 1, 1));
        assert_eq!(day(951_782_400), (2000, 2, 29));
        assert_eq!(day(1_767_225_600), (2026, 1, 1));
        assert_eq!(day(-1), (1969, 12, 31));
        assert_eq!(moment(1_767_225_600 + 3661).second, 1);
        for seconds_of in [0, 951_782_400 + 7, -86_401, 4_102_444_799] {
            assert_eq!(seconds(&moment(seconds_of)), Some(seconds_of));
        }
    }

    #[test]
    fn dates_are_read() {
        for (text, want) in [
            ("@5", Some(5)),
            ("2026-01-01", Some(1_767_225_600)),
            ("2026-01-01 01:01:01", Some(1_767_229_261)),
            ("2026-01-01T00:01", Some(1_767_225_660)),
            ("3 days ago", Some(1_000_000 - 259_200)),
            ("now", Some(1_000_000)),
            ("2026-02-30", None),
            ("2026-13-01", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(parse(text, 1_000_000), want, "{text}");
        }
    }
}

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

/// As `ls -l` shows it: `Jan  1 12:30`, or the year where it is more than half a year away.
pub fn short(seconds: i64) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let at = moment(seconds);
    let month = usize::try_from(at.month)
        .ok()
        .and_then(|month| MONTHS.get(month.checked_sub(1)?))
        .unwrap_or(&"???");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now
        .ok()
        .and_then(|time| i64::try_from(time.as_secs()).ok())
        .unwrap_or(0);
    if (now - seconds).abs() < 15_768_000 {
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
    }
}

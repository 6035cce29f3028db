//! The package manager: a library, and the `apk` command on top of it.

pub mod archive;
pub mod commit;
pub mod database;
pub mod dependency;
pub mod digest;
pub mod encoding;
pub mod explain;
pub mod history;
pub mod index;
pub mod journal;
pub mod keys;
pub mod package;
pub mod record;
pub mod solver;
pub mod version;
pub mod why;

/// Year, month and day of so many days after 1970 began, in the Gregorian calendar.
#[must_use]
pub fn civil(days: i64) -> (i64, i64, i64) {
    // Counted from 1 March of a year that 400 divides: the leap day comes last, so every era is alike.
    let shifted = days + 719_468;
    let (era, day) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    (
        year + era * 400 + i64::from(month <= 2),
        month,
        of_year - (153 * from_march + 2) / 5 + 1,
    )
}

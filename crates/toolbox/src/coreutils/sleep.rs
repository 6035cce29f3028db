//! `sleep` (POSIX.1-2024), with fractions and the units s, m, h and d; `usleep`, of old.

use crate::common::lines::say;
use std::ffi::OsString;
use std::time::Duration;

pub const USAGE: &str = "NUMBER[s|m|h|d]...";
pub const MICRO_USAGE: &str = "NUMBER";

pub fn main(arguments: &[OsString]) -> i32 {
    let mut total = Duration::ZERO;
    let words = arguments.get(1..).unwrap_or_default();
    for word in words {
        match word.to_str().and_then(duration) {
            Some(time) => total = total.saturating_add(time),
            None => {
                say("sleep", format!("invalid number '{}'", word.display()));
                return 1;
            }
        }
    }
    if words.is_empty() {
        say("sleep", "missing operand");
        return 1;
    }
    std::thread::sleep(total);
    0
}

/// `usleep`
pub fn micro(arguments: &[OsString]) -> i32 {
    let words = arguments.get(1..).unwrap_or_default();
    let [word] = words else {
        say("usleep", "one number is needed");
        return 1;
    };
    match word.to_str().and_then(|text| text.parse().ok()) {
        Some(time) => {
            std::thread::sleep(Duration::from_micros(time));
            0
        }
        None => {
            say("usleep", format!("invalid number '{}'", word.display()));
            1
        }
    }
}

/// A time such as `1.5m`; `inf` is for ever.
pub fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = match text.char_indices().last()? {
        (at, 's') => (text.get(..at)?, 1.0),
        (at, 'm') => (text.get(..at)?, 60.0),
        (at, 'h') => (text.get(..at)?, 3600.0),
        (at, 'd') => (text.get(..at)?, 86_400.0),
        _ => (text, 1.0),
    };
    let seconds = number.parse::<f64>().ok().filter(|value| *value >= 0.0)? * unit;
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(duration("1.5m"), Some(Duration::from_secs(90)));
        assert_eq!(duration("0"), Some(Duration::ZERO));
        assert_eq!(duration("inf"), Some(Duration::MAX));
        for bad in ["", "-1", "x", "1x", "s"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }
}

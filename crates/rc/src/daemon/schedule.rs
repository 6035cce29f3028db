//! How a daemon is stopped: signals and how long each may take (start-stop-daemon(8), `--retry`).

use std::time::Duration;

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this signal.
    Signal(i32),
    /// Wait so long for the end.
    Wait(Duration),
    /// Wait for the end, however long it takes.
    Forever,
}

/// A schedule or signal that is none.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// It is empty, or has an item that is neither a signal nor a time.
    #[error("{0:?} is no schedule: TERM/30/KILL/5, a number of seconds, or forever is one")]
    Schedule(String),
    /// No signal is called so.
    #[error("{0:?} is no signal")]
    Signal(String),
}

const SIGNALS: [(&str, i32); 31] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("PWR", 30),
    ("SYS", 31),
];

/// A signal by name, with or without `SIG`, or by number.
pub fn signal(text: &str) -> Result<i32, Error> {
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let by_name = SIGNALS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, number)| *number);
    by_name
        .or_else(|| text.parse().ok().filter(|number| (0..=64).contains(number)))
        .ok_or_else(|| Error::Signal(text.to_owned()))
}

fn seconds(text: &str) -> Option<Step> {
    match text {
        "forever" => Some(Step::Forever),
        _ => text
            .parse()
            .ok()
            .map(|seconds| Step::Wait(Duration::from_secs(seconds))),
    }
}

/// A schedule: `SIGNAL/SECONDS/…`. A time alone means the first signal, that time, SIGKILL and the same time again.
pub fn parse(text: &str, first: i32) -> Result<Vec<Step>, Error> {
    let bad = || Error::Schedule(text.to_owned());
    if let Some(wait) = seconds(text) {
        return Ok(vec![Step::Signal(first), wait, Step::Signal(9), wait]);
    }
    let mut steps = Vec::new();
    for item in text.split('/') {
        let step = match seconds(item) {
            Some(_) if steps.is_empty() => return Err(bad()),
            Some(wait) => wait,
            None => Step::Signal(signal(item).map_err(|_| bad())?),
        };
        steps.push(step);
    }
    Ok(steps)
}

/// What is done when nothing is said: the signal, and five seconds.
pub fn plain(first: i32) -> Vec<Step> {
    vec![Step::Signal(first), Step::Wait(Duration::from_secs(5))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules() {
        let wait = |seconds| Step::Wait(Duration::from_secs(seconds));
        assert_eq!(
            parse("5", 15).unwrap(),
            [Step::Signal(15), wait(5), Step::Signal(9), wait(5)]
        );
        assert_eq!(
            parse("SIGTERM/30/KILL/5", 15).unwrap(),
            [Step::Signal(15), wait(30), Step::Signal(9), wait(5)]
        );
        assert_eq!(
            parse("quit/forever", 15).unwrap(),
            [Step::Signal(3), Step::Forever]
        );
        for bad in ["", "/", "TERM/", "TERM/x", "-5"] {
            assert!(parse(bad, 15).is_err(), "{bad}");
        }
    }

    #[test]
    fn signals() {
        assert_eq!(signal("SIGHUP"), Ok(1));
        assert_eq!(signal("usr1"), Ok(10));
        assert_eq!(signal("34"), Ok(34));
        assert_eq!(signal("NONE"), Err(Error::Signal("NONE".into())));
    }
}

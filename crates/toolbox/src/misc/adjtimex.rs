//! `adjtimex`: how the kernel regulates its clock (adjtimex(2)).

use crate::common::lines::{Output, other, status};
use crate::common::options::{Given, Options};
use std::ffi::OsString;
use std::io;
use sys::kernel::{ClockState, adjust_clock};

pub const USAGE: &str = "[-q] [-o OFFSET] [-f FREQUENCY] [-p CONSTANT] [-t TICK]

-q  print nothing    -o  move the clock by so many microseconds    -f  how much faster it goes (65536: a millionth)
-p  the time constant    -t  microseconds a tick, usually 10000";

const OPTIONS: Options = Options {
    applet: "adjtimex",
    letters: "qo:f:p:t:",
    long: &[],
};

// ADJ_…
const OFFSET_SINGLESHOT: u32 = 0x8001;
const FREQUENCY: u32 = 0x0002;
const CONSTANT: u32 = 0x0020;
const TICK: u32 = 0x4000;

/// The bits of the status, from the lowest on.
const STATUS: [&str; 13] = [
    "PLL",
    "PPSFREQ",
    "PPSTIME",
    "FLL",
    "INS",
    "DEL",
    "UNSYNC",
    "FREQHOLD",
    "PPSSIGNAL",
    "PPSJITTER",
    "PPSWANDER",
    "PPSERROR",
    "CLOCKERR",
];

const STATES: [&str; 6] = [
    "clock synchronized",
    "insert leap second",
    "delete leap second",
    "leap second in progress",
    "leap second has occurred",
    "clock not synchronized",
];

/// `adjtimex`
pub fn main(arguments: &[OsString]) -> i32 {
    match OPTIONS.take(arguments, 0, 0) {
        Ok(given) => status("adjtimex", run(&given)),
        Err(status) => status,
    }
}

fn run(given: &Given) -> io::Result<i32> {
    let mut change = ClockState::default();
    for (letter, mode) in [
        ('o', OFFSET_SINGLESHOT),
        ('f', FREQUENCY),
        ('p', CONSTANT),
        ('t', TICK),
    ] {
        if given.has(letter) {
            let value = given.number(letter, 0).map_err(other)?;
            change.modes |= mode;
            match letter {
                'o' => change.offset = value,
                'f' => change.frequency = value,
                'p' => change.constant = value,
                _ => change.tick = value,
            }
        }
    }
    let (state, now) = adjust_clock(&change)?;
    let mut out = Output::new();
    if !given.has('q') {
        out.put(text(state, &now).as_bytes());
    }
    Ok(out.finish("adjtimex", 0, 1))
}

fn text(state: i32, now: &ClockState) -> String {
    let set = STATUS
        .iter()
        .enumerate()
        .filter(|(bit, _)| now.status >> bit & 1 != 0);
    let set: Vec<&str> = set.map(|(_, name)| *name).collect();
    let state_name = usize::try_from(state)
        .ok()
        .and_then(|at| STATES.get(at))
        .unwrap_or(&"error");
    format!(
        "    mode:         {}\n-o  offset:       {} us\n-f  freq.adjust:  {} (65536 = 1ppm)\n    maxerror:     {}\n    \
         esterror:     {}\n    status:       {} ({})\n-p  timeconstant: {}\n    precision:    {} us\n    tolerance:    \
         {}\n-t  tick:         {} us\n    time.tv_sec:  {}\n    time.tv_usec: {}\n    return value: {state} ({state_name})\n",
        now.modes,
        now.offset,
        now.frequency,
        now.largest_error,
        now.expected_error,
        now.status,
        set.join(" | "),
        now.constant,
        now.precision,
        now.tolerance,
        now.tick,
        now.time.0,
        now.time.1
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed() {
        let now = ClockState {
            status: 0x41,
            tick: 10000,
            ..ClockState::default()
        };
        let text = text(5, &now);
        assert!(text.contains("    status:       65 (PLL | UNSYNC)\n"));
        assert!(text.contains("-t  tick:         10000 us\n"));
        assert!(text.ends_with("return value: 5 (clock not synchronized)\n"));
    }

    #[test]
    fn the_kernel_tells() {
        let (state, now) = adjust_clock(&ClockState::default()).unwrap();
        assert!((0..=5).contains(&state));
        assert!(now.time.0 > 1_700_000_000);
    }
}

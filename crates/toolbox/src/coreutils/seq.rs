//! `seq`, with `-w -s`.

use crate::common::lines::{Output, say};
use std::ffi::OsString;

pub const USAGE: &str = "[-w] [-s TEXT] [FIRST [STEP]] LAST

-w  with zeros in front, so that all are as wide
-s  TEXT between numbers instead of line ends";

pub fn main(arguments: &[OsString]) -> i32 {
    let (mut wide, mut between, mut numbers) = (false, "\n".to_owned(), Vec::new());
    let mut words = arguments
        .iter()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned());
    while let Some(word) = words.next() {
        match word.as_str() {
            "-w" => wide = true,
            "-s" => between = words.next().unwrap_or_default(),
            "--" => {}
            word => match word.strip_prefix("-s").filter(|_| numbers.is_empty()) {
                Some(text) => between = text.to_owned(),
                None => numbers.push(word.to_owned()),
            },
        }
    }
    let mut values = Vec::new();
    for text in &numbers {
        match text.parse::<f64>().ok().filter(|value| value.is_finite()) {
            Some(value) => values.push(value),
            None => {
                say("seq", format!("invalid number '{text}'"));
                return 1;
            }
        }
    }
    let (first, step, last) = match values.as_slice() {
        [last] => (1.0, 1.0, *last),
        [first, last] => (*first, 1.0, *last),
        [first, step, last] => (*first, *step, *last),
        _ => {
            say("seq", "one to three numbers are needed");
            return 1;
        }
    };
    let places = |text: &String| text.split_once('.').map_or(0, |(_, digits)| digits.len());
    let counted = if numbers.len() > 1 {
        numbers.get(..numbers.len() - 1).unwrap_or_default()
    } else {
        &[]
    };
    let precision = counted.iter().map(places).max().unwrap_or(0).min(30);
    let show = |value: f64| format!("{value:.precision$}");
    let width = if wide {
        // Zeros before the numbers that are given count, too.
        let given = numbers.iter().enumerate();
        let given = given.filter(|(at, _)| numbers.len() < 3 || *at != 1);
        let given = given.map(|(_, text)| width_of(text, precision)).max();
        show(first)
            .len()
            .max(show(last).len())
            .max(given.unwrap_or(0))
    } else {
        0
    };
    let mut out = Output::new();
    let mut number = 0u64;
    loop {
        // Multiplied, not added up: errors do not grow.
        #[expect(clippy::cast_precision_loss, reason = "no sequence is that long")]
        let value = first + step * number as f64;
        let past = if step == 0.0 {
            // As in BusyBox: the first number for ever, unless it is past the last one.
            first > last
        } else if step > 0.0 {
            value > last + step * 1e-9
        } else {
            value < last + step * 1e-9
        };
        if past || out.failed() {
            break;
        }
        if number > 0 {
            out.put(between.as_bytes());
        }
        let text = show(value);
        let text = match text.strip_prefix('-') {
            Some(digits) if wide => format!("-{digits:0>width$}", width = width.saturating_sub(1)),
            _ => format!("{text:0>width$}"),
        };
        out.put(text.as_bytes());
        number += 1;
    }
    if number > 0 {
        out.put_byte(b'\n');
    }
    out.finish("seq", 0, 1)
}

/// How wide a number is as it was given, with so many digits behind the point.
fn width_of(text: &str, precision: usize) -> usize {
    let whole = text.split('.').next().map_or(0, str::len);
    whole + if precision > 0 { precision + 1 } else { 0 }
}

//! `expr` (POSIX.1-2024), with GNU's `match`, `substr`, `index`, `length` and `+ TOKEN`.

use crate::common::lines::{Output, say};
use crate::regex::{Regex, Syntax};
use std::cmp::Ordering;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

pub const USAGE: &str = "EXPRESSION

A | B  A & B             A, or B; A if both are neither empty nor 0, else 0
A < <= = != >= > B       compares, as numbers if both are such
A + - * / % B            whole numbers of 64 bits
A : REGEX, match A REGEX  the match at A's beginning: its group, or its length
substr A POS LENGTH, index A CHARS, length A, + TOKEN, ( EXPRESSION )";

/// What ends an evaluation: a message, told with status 2.
type Result<T> = std::result::Result<T, String>;

struct Reader<'a> {
    words: &'a [OsString],
    depth: u32,
}

/// A deeper nesting than anybody writes would use up the stack.
const DEEPEST: u32 = 1000;

pub fn main(arguments: &[OsString]) -> i32 {
    let mut words = arguments.get(1..).unwrap_or_default();
    if words.first().is_some_and(|word| word == "--") {
        words = words.get(1..).unwrap_or_default();
    }
    if words.is_empty() {
        say("expr", "missing operand");
        return 2;
    }
    let mut reader = Reader { words, depth: 0 };
    let value = reader.or().and_then(|value| match reader.words.first() {
        None => Ok(value),
        Some(_) => Err("syntax error".to_owned()),
    });
    match value {
        Ok(value) => {
            let mut out = Output::new();
            out.put(&value);
            out.put_byte(b'\n');
            out.finish("expr", i32::from(!truth(&value)), 3)
        }
        Err(message) => {
            say("expr", message);
            2
        }
    }
}

/// A whole number: digits, with a sign in front or not.
fn number(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn truth(value: &[u8]) -> bool {
    !value.is_empty() && number(value) != Some(0)
}

fn text(number: i64) -> Vec<u8> {
    number.to_string().into_bytes()
}

/// Where each character begins, and the end.
fn characters(text: &[u8]) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut rest = text;
    let mut at = 0;
    while let Some(first) = rest.first() {
        starts.push(at);
        let long = match first {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => 1,
        };
        let step = match rest.get(..long) {
            Some(part) if std::str::from_utf8(part).is_ok() => long,
            _ => 1,
        };
        at += step;
        rest = rest.get(step..).unwrap_or_default();
    }
    starts.push(at);
    starts
}

impl Reader<'_> {
    /// Takes the next word if it is one of these.
    fn one_of(&mut self, operators: &[&'static str]) -> Option<&'static str> {
        let word = self.words.first()?;
        let found = operators.iter().find(|operator| word == **operator)?;
        self.words = self.words.get(1..).unwrap_or_default();
        Some(found)
    }

    fn or(&mut self) -> Result<Vec<u8>> {
        let mut left = self.and()?;
        while self.one_of(&["|"]).is_some() {
            let right = self.and()?;
            if !truth(&left) {
                left = if truth(&right) { right } else { b"0".to_vec() };
            }
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Vec<u8>> {
        let mut left = self.compare()?;
        while self.one_of(&["&"]).is_some() {
            let right = self.compare()?;
            if !truth(&left) || !truth(&right) {
                left = b"0".to_vec();
            }
        }
        Ok(left)
    }

    fn compare(&mut self) -> Result<Vec<u8>> {
        let mut left = self.sum()?;
        while let Some(operator) = self.one_of(&["<", "<=", "=", "==", "!=", ">=", ">"]) {
            let right = self.sum()?;
            let order = match (number(&left), number(&right)) {
                (Some(a), Some(b)) => a.cmp(&b),
                _ => left.cmp(&right),
            };
            let holds = match operator {
                "<" => order == Ordering::Less,
                "<=" => order != Ordering::Greater,
                "!=" => order != Ordering::Equal,
                ">=" => order != Ordering::Less,
                ">" => order == Ordering::Greater,
                _ => order == Ordering::Equal,
            };
            left = text(i64::from(holds));
        }
        Ok(left)
    }

    fn sum(&mut self) -> Result<Vec<u8>> {
        let mut left = self.product()?;
        while let Some(operator) = self.one_of(&["+", "-"]) {
            let right = self.product()?;
            left = calculate(operator, &left, &right)?;
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<Vec<u8>> {
        let mut left = self.matched()?;
        while let Some(operator) = self.one_of(&["*", "/", "%"]) {
            let right = self.matched()?;
            left = calculate(operator, &left, &right)?;
        }
        Ok(left)
    }

    fn matched(&mut self) -> Result<Vec<u8>> {
        let mut left = self.primary()?;
        while self.one_of(&[":"]).is_some() {
            let right = self.primary()?;
            left = matches(&left, &right)?;
        }
        Ok(left)
    }

    fn primary(&mut self) -> Result<Vec<u8>> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("nested too deeply".to_owned());
        }
        let value = self.unguarded()?;
        self.depth -= 1;
        Ok(value)
    }

    fn unguarded(&mut self) -> Result<Vec<u8>> {
        let syntax = || "syntax error".to_owned();
        let (word, rest) = self.words.split_first().ok_or_else(syntax)?;
        self.words = rest;
        // A function's name that nothing follows is a word like any other.
        match word.as_bytes() {
            b"(" => {
                let value = self.or()?;
                self.one_of(&[")"]).ok_or_else(syntax)?;
                Ok(value)
            }
            b")" => Err(syntax()),
            b"+" => {
                let (word, rest) = self.words.split_first().ok_or_else(syntax)?;
                self.words = rest;
                Ok(word.as_bytes().to_vec())
            }
            b"match" if !rest.is_empty() => {
                let value = self.primary()?;
                let pattern = self.primary()?;
                matches(&value, &pattern)
            }
            b"length" if !rest.is_empty() => {
                let value = self.primary()?;
                Ok((characters(&value).len() - 1).to_string().into_bytes())
            }
            b"index" if !rest.is_empty() => {
                let value = self.primary()?;
                let wanted = self.primary()?;
                let at = value.iter().position(|byte| wanted.contains(byte));
                // Counted in characters, up to the one that was found.
                let found = at.map_or(0, |at| {
                    characters(value.get(..=at).unwrap_or_default()).len() - 1
                });
                Ok(found.to_string().into_bytes())
            }
            b"substr" if !rest.is_empty() => {
                let value = self.primary()?;
                let from = self.primary()?;
                let length = self.primary()?;
                let (Some(from @ 1..), Some(length @ 1..)) = (number(&from), number(&length))
                else {
                    return Ok(Vec::new());
                };
                let starts = characters(&value);
                let end = starts.len() as i64 - 1;
                let low = (from - 1).min(end);
                let high = low.saturating_add(length).min(end);
                let byte = |at: i64| {
                    usize::try_from(at)
                        .ok()
                        .and_then(|at| starts.get(at).copied())
                        .unwrap_or(value.len())
                };
                Ok(value
                    .get(byte(low)..byte(high))
                    .unwrap_or_default()
                    .to_vec())
            }
            other => Ok(other.to_vec()),
        }
    }
}

fn calculate(operator: &str, left: &[u8], right: &[u8]) -> Result<Vec<u8>> {
    let (Some(a), Some(b)) = (number(left), number(right)) else {
        return Err("non-numeric argument".to_owned());
    };
    let result = match operator {
        "+" => a.checked_add(b),
        "-" => a.checked_sub(b),
        "*" => a.checked_mul(b),
        _ if b == 0 => return Err("division by zero".to_owned()),
        "/" => a.checked_div(b),
        _ => Some(a.checked_rem(b).unwrap_or(0)),
    };
    result
        .map(text)
        .ok_or_else(|| "the result does not fit 64 bits".to_owned())
}

/// `VALUE : PATTERN`, where the match begins at the value's beginning.
fn matches(value: &[u8], pattern: &[u8]) -> Result<Vec<u8>> {
    let regex = Regex::new(pattern, Syntax::default()).map_err(|error| error.to_string())?;
    let mut spans = Vec::new();
    // The leftmost match is the one at the beginning, or there is none there.
    let found = regex.captures_at(value, 0, &mut spans)
        && spans
            .first()
            .copied()
            .flatten()
            .is_some_and(|span| span.0 == 0);
    if regex.gave_up() {
        return Err("the pattern takes too long".to_owned());
    }
    let slice = |group: usize| {
        spans
            .get(group)
            .copied()
            .flatten()
            .and_then(|(from, to)| value.get(from..to))
            .unwrap_or_default()
    };
    Ok(if regex.groups() > 0 {
        if found { slice(1).to_vec() } else { Vec::new() }
    } else if found {
        (characters(slice(0)).len() - 1).to_string().into_bytes()
    } else {
        b"0".to_vec()
    })
}

//! awk's own functions.

use std::rc::Rc;

use super::ast::{Expr, Place, Target, special};
use super::interp::{Cell, Interp, Stop, number_key};
use super::io::{shell, status_value};
use super::lex::Builtin;
use super::record::{self, Cut};
use super::text::{byte_offset, character_length, characters};
use super::value::{Bytes, Value};
use crate::regex::Regex;

impl Interp<'_> {
    /// Calls one of awk's functions. The parser has counted the arguments.
    pub fn builtin(&mut self, builtin: Builtin, arguments: &[Expr]) -> Result<Value, Stop> {
        let mut number = |index: usize| match arguments.get(index) {
            Some(argument) => self.number(argument),
            None => Ok(0.0),
        };
        let value = match builtin {
            Builtin::Atan2 => {
                let y = number(0)?;
                y.atan2(number(1)?)
            }
            Builtin::Cos => number(0)?.cos(),
            Builtin::Sin => number(0)?.sin(),
            Builtin::Exp => number(0)?.exp(),
            Builtin::Log => number(0)?.ln(),
            Builtin::Sqrt => number(0)?.sqrt(),
            Builtin::Int => number(0)?.trunc(),
            Builtin::Compl => (!(number(0)? as u64) & 0x1F_FFFF_FFFF_FFFF) as f64,
            Builtin::Lshift => shifted(number(0)?, number(1)?, u64::checked_shl),
            Builtin::Rshift => shifted(number(0)?, number(1)?, u64::checked_shr),
            Builtin::And | Builtin::Or | Builtin::Xor => {
                let mut value = number(0)? as u64;
                for index in 1..arguments.len() {
                    let right = number(index)? as u64;
                    value = match builtin {
                        Builtin::And => value & right,
                        Builtin::Or => value | right,
                        _ => value ^ right,
                    };
                }
                value as f64
            }
            Builtin::Systime => {
                rustix::time::clock_gettime(rustix::time::ClockId::Realtime).tv_sec as f64
            }
            Builtin::Rand => {
                // xorshift64*: small, and good enough for what awk promises.
                self.random ^= self.random >> 12;
                self.random ^= self.random << 25;
                self.random ^= self.random >> 27;
                (self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1u64 << 53) as f64
            }
            Builtin::Srand => {
                let seed = match arguments.first() {
                    Some(argument) => self.number(argument)?,
                    None => {
                        rustix::time::clock_gettime(rustix::time::ClockId::Realtime).tv_sec as f64
                    }
                };
                self.random =
                    seed.to_bits().wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5DEE_CE66_D1CE_4E5B | 1;
                std::mem::replace(&mut self.seed, seed)
            }
            _ => return self.text_builtin(builtin, arguments),
        };
        Ok(Value::Number(value))
    }

    fn text_builtin(&mut self, builtin: Builtin, arguments: &[Expr]) -> Result<Value, Stop> {
        let Some(first) = arguments.first() else {
            return Ok(match builtin {
                Builtin::Length => {
                    self.refresh();
                    Value::Number(characters(self.record.text()) as f64)
                }
                // fflush() without a name writes all there is.
                _ => {
                    self.out.flush();
                    let done = self.streams.flush(None);
                    Value::Number(if done.is_ok() { 0.0 } else { -1.0 })
                }
            });
        };
        Ok(match builtin {
            Builtin::Length => {
                if let Expr::Get(Target::Variable(place)) = first
                    && let Some(count) = self.array_length(*place)
                {
                    return Ok(Value::Number(count as f64));
                }
                Value::Number(characters(&self.text(first)?) as f64)
            }
            Builtin::Index => {
                let text = self.text(first)?;
                let wanted = self.text(&arguments[1])?;
                match memchr::memmem::find(&text, &wanted) {
                    Some(at) => Value::Number((characters(&text[..at]) + 1) as f64),
                    None => Value::Number(0.0),
                }
            }
            Builtin::Substr => self.substr(first, arguments)?,
            Builtin::Tolower | Builtin::Toupper => {
                let text = self.text(first)?;
                let mut out = Vec::with_capacity(text.len());
                for chunk in text.utf8_chunks() {
                    let valid = match builtin {
                        Builtin::Tolower => chunk.valid().to_lowercase(),
                        _ => chunk.valid().to_uppercase(),
                    };
                    out.extend_from_slice(valid.as_bytes());
                    out.extend_from_slice(chunk.invalid());
                }
                Value::String(out.into())
            }
            Builtin::Sprintf => Value::String(self.formatted(arguments)?.into()),
            Builtin::Split => self.split(arguments)?,
            Builtin::Match => self.match_text(arguments)?,
            Builtin::Sub | Builtin::Gsub => {
                let how = if builtin == Builtin::Gsub {
                    Which::All
                } else {
                    Which::Nth(1)
                };
                let regex = self.regex(first)?;
                let replacement = self.text(&arguments[1])?;
                let whole = Target::Field(Box::new(Expr::Number(0.0)));
                let target = match arguments.get(2) {
                    None => &whole,
                    Some(Expr::Get(target)) => target,
                    Some(other) => {
                        // What cannot be assigned to is still counted.
                        let text = self.text(other)?;
                        let (count, _) = substitute(&regex, &replacement, &text, how, false)?;
                        return Ok(Value::Number(count as f64));
                    }
                };
                let text = match arguments.get(2) {
                    None => {
                        self.refresh();
                        Bytes::from(self.record.text())
                    }
                    Some(expr) => self.text(expr)?,
                };
                let (count, out) = substitute(&regex, &replacement, &text, how, false)?;
                if count > 0 {
                    self.assign(target, Value::String(out.into()))?;
                }
                Value::Number(count as f64)
            }
            Builtin::Gensub => {
                let regex = self.regex(first)?;
                let replacement = self.text(&arguments[1])?;
                let how = self.text(&arguments[2])?;
                let how = match how.first() {
                    Some(b'g' | b'G') => Which::All,
                    _ => Which::Nth(super::value::parse_number(&how).0.max(1.0) as usize),
                };
                let text = match arguments.get(3) {
                    Some(expr) => self.text(expr)?,
                    None => {
                        self.refresh();
                        Bytes::from(self.record.text())
                    }
                };
                Value::String(substitute(&regex, &replacement, &text, how, true)?.1.into())
            }
            Builtin::System => {
                let command = self.text(first)?;
                self.out.flush();
                let ran = self
                    .streams
                    .flush(None)
                    .and_then(|()| shell(&command).status());
                Value::Number(ran.map_or(-1.0, status_value))
            }
            Builtin::Close => {
                let name = self.text(first)?;
                self.out.flush();
                match self.streams.close(&name) {
                    Some(Ok(status)) => Value::Number(status),
                    _ => Value::Number(-1.0),
                }
            }
            Builtin::Fflush => {
                let name = self.text(first)?;
                self.out.flush();
                let done = self
                    .streams
                    .flush(if name.is_empty() { None } else { Some(&name) });
                Value::Number(if done.is_ok() { 0.0 } else { -1.0 })
            }
            _ => Value::Unset,
        })
    }

    fn array_length(&mut self, place: Place) -> Option<usize> {
        match self.peek(place) {
            Cell::Array(array) => Some(array.borrow().len()),
            Cell::Scalar(_) => None,
        }
    }

    /// `substr`: characters from a rounded place on, as many as a rounded number says.
    fn substr(&mut self, first: &Expr, arguments: &[Expr]) -> Result<Value, Stop> {
        let text = self.text(first)?;
        let start = round(self.number(&arguments[1])?);
        let end = match arguments.get(2) {
            Some(length) => start + round(self.number(length)?),
            None => f64::INFINITY,
        };
        let start = start.max(1.0);
        if end <= start || end.is_nan() {
            return Ok(Value::string(b""));
        }
        let from = byte_offset(&text, (start - 1.0) as usize);
        let rest = &text[from..];
        let length = if end.is_finite() {
            byte_offset(rest, (end - start) as usize)
        } else {
            rest.len()
        };
        Ok(Value::string(&rest[..length]))
    }

    fn split(&mut self, arguments: &[Expr]) -> Result<Value, Stop> {
        let text = self.text(&arguments[0])?;
        let Expr::Get(Target::Variable(place)) = &arguments[1] else {
            return Err(Stop::Fatal("split needs an array".into()));
        };
        let cut = match arguments.get(2) {
            None => self.cut.clone(),
            Some(Expr::Regex(regex)) => Cut::Regex(Rc::clone(regex)),
            Some(expr) => {
                let by = self.text(expr)?;
                self.cut_by(&by)?
            }
        };
        let mut spans = Vec::new();
        record::cut(&text, &cut, false, &mut spans);
        let array = self.array(*place)?;
        let mut array = array.borrow_mut();
        array.clear();
        for (index, (start, end)) in spans.iter().enumerate() {
            array.insert(number_key(index + 1), Value::input(&text[*start..*end]));
        }
        Ok(Value::Number(spans.len() as f64))
    }

    fn match_text(&mut self, arguments: &[Expr]) -> Result<Value, Stop> {
        let text = self.text(&arguments[0])?;
        let regex = self.regex(&arguments[1])?;
        let mut spans = Vec::new();
        match arguments.get(2) {
            None => spans.push(regex.find_at(&text, 0)),
            Some(Expr::Get(Target::Variable(place))) => {
                regex.captures_at(&text, 0, &mut spans);
                let array = self.array(*place)?;
                let mut array = array.borrow_mut();
                array.clear();
                for (index, span) in spans.iter().enumerate() {
                    if let Some((start, end)) = span {
                        array.insert(number_key(index), Value::input(&text[*start..*end]));
                    }
                }
            }
            Some(_) => return Err(Stop::Fatal("match needs an array".into())),
        }
        if regex.gave_up() {
            return Err(Stop::Fatal(
                "a pattern's back-references took too many steps".into(),
            ));
        }
        let (start, length) = match spans.first() {
            Some(Some((start, end))) => (
                characters(&text[..*start]) as f64 + 1.0,
                characters(&text[*start..*end]) as f64,
            ),
            _ => (0.0, -1.0),
        };
        self.set_global(special::RSTART, Value::Number(start))?;
        self.set_global(special::RLENGTH, Value::Number(length))?;
        Ok(Value::Number(start))
    }
}

fn shifted(value: f64, by: f64, shift: fn(u64, u32) -> Option<u64>) -> f64 {
    shift(value as u64, by as u32).unwrap_or(0) as f64
}

/// To the nearest whole number, halves to the even one.
fn round(number: f64) -> f64 {
    if number.is_nan() {
        0.0
    } else {
        number.round_ties_even()
    }
}

/// Which matches are replaced.
#[derive(Clone, Copy, PartialEq)]
enum Which {
    All,
    Nth(usize),
}

/// Replaces matches: how many, and the text. `groups`: `\1` to `\9` mean groups.
fn substitute(
    regex: &Regex,
    replacement: &[u8],
    text: &[u8],
    which: Which,
    groups: bool,
) -> Result<(usize, Vec<u8>), Stop> {
    let mut out = Vec::with_capacity(text.len());
    let mut spans = Vec::new();
    let mut replaced = 0;
    let mut count = 0;
    let (mut from, mut copied) = (0, 0);
    let mut previous = None;
    while from <= text.len() {
        if groups {
            regex.captures_at(text, from, &mut spans);
        } else {
            spans.clear();
            spans.push(regex.find_at(text, from));
        }
        let Some(Some((start, end))) = spans.first().copied() else {
            break;
        };
        if start == end && previous == Some(start) {
            from = start + character_length(&text[start..]).max(1);
            continue;
        }
        previous = Some(end);
        count += 1;
        if which == Which::All || which == Which::Nth(count) {
            replaced += 1;
            out.extend_from_slice(&text[copied..start]);
            expand(replacement, text, &spans, groups, &mut out);
            copied = end;
            if which != Which::All {
                break;
            }
        }
        from = if start == end {
            end + character_length(&text[end..]).max(1)
        } else {
            end
        };
    }
    if regex.gave_up() {
        return Err(Stop::Fatal(
            "a pattern's back-references took too many steps".into(),
        ));
    }
    out.extend_from_slice(&text[copied..]);
    Ok((replaced, out))
}

/// Appends the replacement: `&` is the match, `\&` itself.
fn expand(
    replacement: &[u8],
    text: &[u8],
    spans: &[Option<(usize, usize)>],
    groups: bool,
    out: &mut Vec<u8>,
) {
    let group = |index: usize, out: &mut Vec<u8>| {
        if let Some(Some((start, end))) = spans.get(index) {
            out.extend_from_slice(&text[*start..*end]);
        }
    };
    let mut at = 0;
    while at < replacement.len() {
        match (replacement[at], replacement.get(at + 1)) {
            (b'\\', Some(next @ (b'&' | b'\\'))) => {
                out.push(*next);
                at += 1;
            }
            (b'\\', Some(digit @ b'0'..=b'9')) if groups => {
                group(usize::from(digit - b'0'), out);
                at += 1;
            }
            (b'&', _) => group(0, out),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
}

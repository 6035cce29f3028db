//! The record and its fields. Fields are cut only when one is asked for.

use std::rc::Rc;

use super::value::{Bytes, Value};
use crate::regex::Regex;

/// The most fields that a program may make.
const MAX_FIELDS: usize = 10_000_000;

/// How a record is cut into fields.
#[derive(Clone, Debug)]
pub enum Cut {
    /// At runs of blanks and newlines, those at the ends aside.
    Blanks,
    Byte(u8),
    Regex(Rc<Regex>),
    /// Every character is a field.
    Characters,
}

/// The record.
#[derive(Default)]
pub struct Record {
    text: Vec<u8>,
    /// Whether `text` is behind the fields.
    stale: bool,
    split: bool,
    spans: Vec<(usize, usize)>,
    /// Fields that were assigned to; those without are in `spans`.
    assigned: Vec<Option<Value>>,
}

/// Cuts a text, calling for each piece with its bounds.
pub fn cut(text: &[u8], how: &Cut, newline_too: bool, out: &mut Vec<(usize, usize)>) {
    out.clear();
    if text.is_empty() {
        return;
    }
    match how {
        Cut::Blanks => {
            let mut at = 0;
            loop {
                while at < text.len() && matches!(text[at], b' ' | b'\t' | b'\n') {
                    at += 1;
                }
                if at >= text.len() {
                    return;
                }
                let start = at;
                while at < text.len() && !matches!(text[at], b' ' | b'\t' | b'\n') {
                    at += 1;
                }
                out.push((start, at));
            }
        }
        Cut::Byte(byte) => {
            let mut start = 0;
            let mut push = |at: usize| {
                out.push((start, at));
                start = at + 1;
            };
            if newline_too {
                memchr::memchr2_iter(*byte, b'\n', text).for_each(&mut push);
            } else {
                memchr::memchr_iter(*byte, text).for_each(&mut push);
            }
            push(text.len());
        }
        Cut::Characters => {
            let mut at = 0;
            while at < text.len() {
                let length = super::text::character_length(&text[at..]);
                out.push((at, at + length));
                at += length;
            }
        }
        Cut::Regex(regex) => {
            let mut start = 0;
            let mut from = 0;
            while let Some((found, end)) = regex.find_at(text, from) {
                let newline = if newline_too {
                    memchr::memchr(b'\n', &text[start..found])
                } else {
                    None
                };
                if let Some(length) = newline {
                    out.push((start, start + length));
                    start += length + 1;
                    from = start;
                    continue;
                }
                if found == end {
                    if end >= text.len() {
                        break;
                    }
                    from = end + 1;
                    continue;
                }
                out.push((start, found));
                start = end;
                from = end;
            }
            if newline_too {
                while let Some(length) = memchr::memchr(b'\n', &text[start..]) {
                    out.push((start, start + length));
                    start += length + 1;
                }
            }
            out.push((start, text.len()));
        }
    }
}

impl Record {
    /// The buffer for a new record, which counts from [`Record::renewed`] on.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.text
    }

    /// The buffer has a new record.
    pub fn renewed(&mut self) {
        (self.stale, self.split) = (false, false);
    }

    /// Puts a new text.
    pub fn set(&mut self, text: &[u8]) {
        self.text.clear();
        self.text.extend_from_slice(text);
        self.renewed();
    }

    /// Whether fields must be cut before they can be used.
    pub fn needs_cut(&self) -> bool {
        !self.split
    }

    /// Cuts the fields.
    pub fn cut(&mut self, how: &Cut, newline_too: bool) {
        cut(&self.text, how, newline_too, &mut self.spans);
        self.assigned.clear();
        self.split = true;
    }

    /// The number of fields; they must be cut.
    pub fn count(&self) -> usize {
        self.spans.len()
    }

    /// Whether the text must be made anew from the fields.
    pub fn is_stale(&self) -> bool {
        self.stale
    }

    /// The record's text, which must not be stale.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// A field, from 1 on; the fields must be cut.
    pub fn field(&self, index: usize) -> Value {
        match self.assigned.get(index - 1) {
            Some(Some(value)) => value.clone(),
            _ => match self.spans.get(index - 1) {
                Some((start, end)) => Value::input(&self.text[*start..*end]),
                None => Value::input(b""),
            },
        }
    }

    /// The bytes of a field that was not assigned to.
    pub fn raw(&self, index: usize) -> Option<&[u8]> {
        if matches!(self.assigned.get(index - 1), Some(Some(_))) {
            return None;
        }
        match self.spans.get(index - 1) {
            Some((start, end)) => Some(&self.text[*start..*end]),
            None => Some(b""),
        }
    }

    /// Changes the number of fields.
    pub fn resize(&mut self, count: usize) -> Result<(), String> {
        if count > MAX_FIELDS {
            return Err(format!("too many fields: {count}"));
        }
        self.keep();
        self.assigned.resize(count, Some(Value::Unset));
        self.spans.resize(count, (0, 0));
        self.stale = true;
        Ok(())
    }

    /// Assigns to a field, from 1 on.
    pub fn assign(&mut self, index: usize, value: Value) -> Result<(), String> {
        if index > self.spans.len() {
            self.resize(index)?;
        }
        self.keep();
        self.assigned[index - 1] = Some(value);
        self.stale = true;
        Ok(())
    }

    /// Takes all fields out of the text, which is about to become stale.
    fn keep(&mut self) {
        if self.assigned.len() < self.spans.len() {
            self.assigned = (1..=self.spans.len())
                .map(|index| Some(self.field(index)))
                .collect();
        }
    }

    /// Makes the text from the fields.
    pub fn join(&mut self, between: &Bytes, format: &[u8]) {
        let mut text = Vec::new();
        for index in 1..=self.spans.len() {
            if index > 1 {
                text.extend_from_slice(between);
            }
            self.field(index).append_to(&mut text, format);
        }
        self.keep();
        self.text = text;
        self.stale = false;
    }
}

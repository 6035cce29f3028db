//! Values, and how numbers and strings become each other.

use std::rc::Rc;

use super::format;

/// Text.
pub type Bytes = Rc<[u8]>;

/// A value.
#[derive(Clone, Debug)]
pub enum Value {
    /// Both 0 and the empty string.
    Unset,
    Number(f64),
    String(Bytes),
    /// Text from outside: a number if it looks like one.
    Input(Bytes),
}

impl Value {
    /// A string.
    pub fn string(text: &[u8]) -> Value {
        Value::String(text.into())
    }

    /// Text from outside.
    pub fn input(text: &[u8]) -> Value {
        Value::Input(text.into())
    }

    /// As a number.
    pub fn number(&self) -> f64 {
        match self {
            Value::Unset => 0.0,
            Value::Number(number) => *number,
            Value::String(text) | Value::Input(text) => parse_number(text).0,
        }
    }

    /// As a condition.
    pub fn truth(&self) -> bool {
        match self {
            Value::Unset => false,
            Value::Number(number) => *number != 0.0,
            Value::String(text) => !text.is_empty(),
            Value::Input(text) => match looks_numeric(text) {
                Some(number) => number != 0.0,
                None => !text.is_empty(),
            },
        }
    }

    /// The number, if the value counts as one in a comparison.
    pub fn numeric(&self) -> Option<f64> {
        match self {
            Value::Unset => Some(0.0),
            Value::Number(number) => Some(*number),
            Value::String(_) => None,
            Value::Input(text) => looks_numeric(text),
        }
    }

    /// As text; numbers that are not whole by the format.
    pub fn text(&self, format: &[u8]) -> Bytes {
        match self {
            Value::String(text) | Value::Input(text) => Rc::clone(text),
            Value::Unset => Rc::from(&b""[..]),
            Value::Number(_) => {
                let mut out = Vec::new();
                self.append_to(&mut out, format);
                out.into()
            }
        }
    }

    /// Appends the value as text.
    pub fn append_to(&self, out: &mut Vec<u8>, format: &[u8]) {
        match self {
            Value::Unset => {}
            Value::String(text) | Value::Input(text) => out.extend_from_slice(text),
            Value::Number(number) => append_number(*number, out, format),
        }
    }
}

/// Appends a number: whole ones plainly, others by the format.
pub fn append_number(number: f64, out: &mut Vec<u8>, format: &[u8]) {
    if number.fract() == 0.0 && number.abs() < 1e16 {
        let mut digits = [0u8; 20];
        let mut at = digits.len();
        let mut rest = number.abs() as u64;
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if number < 0.0 {
            out.push(b'-');
        }
        out.extend_from_slice(&digits[at..]);
    } else if number.is_finite() && number.fract() == 0.0 {
        out.extend_from_slice(::std::format!("{number:.0}").as_bytes());
    } else {
        format::format(
            format,
            &mut std::iter::once(Value::Number(number)),
            b"%.6g",
            out,
        );
    }
}

/// The number at the beginning of the text, and where it ends (0: there is none).
pub fn parse_number(text: &[u8]) -> (f64, usize) {
    let mut at = 0;
    while matches!(text.get(at), Some(b' ' | b'\t' | b'\n' | b'\r' | 11 | 12)) {
        at += 1;
    }
    let start = at;
    let negative = text.get(at) == Some(&b'-');
    if matches!(text.get(at), Some(b'-' | b'+')) {
        at += 1;
    }
    let digits = at;
    let mut whole = 0u64;
    while let Some(digit @ b'0'..=b'9') = text.get(at) {
        whole = whole.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        at += 1;
    }
    let whole_digits = at - digits;
    let mut plain = true;
    let mut fraction_digits = 0;
    if text.get(at) == Some(&b'.') {
        let mut end = at + 1;
        while text.get(end).is_some_and(u8::is_ascii_digit) {
            end += 1;
        }
        fraction_digits = end - at - 1;
        if whole_digits + fraction_digits > 0 {
            plain = fraction_digits == 0;
            at = end;
        }
    }
    if whole_digits + fraction_digits == 0 {
        let name = text.get(digits..digits + 3).map(<[u8]>::to_ascii_lowercase);
        let ends = !text.get(digits + 3).is_some_and(u8::is_ascii_alphanumeric);
        // Only with a sign, so that words are not taken for numbers.
        return match name.as_deref() {
            Some(b"inf") if digits > start && ends => (
                if negative {
                    f64::NEG_INFINITY
                } else {
                    f64::INFINITY
                },
                digits + 3,
            ),
            Some(b"nan") if digits > start && ends => {
                (if negative { -f64::NAN } else { f64::NAN }, digits + 3)
            }
            _ => (0.0, 0),
        };
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        let mut end = at + 1;
        if matches!(text.get(end), Some(b'-' | b'+')) {
            end += 1;
        }
        let first = end;
        while text.get(end).is_some_and(u8::is_ascii_digit) {
            end += 1;
        }
        if end > first {
            plain = false;
            at = end;
        }
    }
    if plain && whole_digits <= 15 {
        let value = whole as f64;
        return (if negative { -value } else { value }, at);
    }
    let value = std::str::from_utf8(&text[start..at])
        .ok()
        .and_then(|text| text.parse().ok());
    (value.unwrap_or(0.0), at)
}

/// The number, if the whole text is one, blanks around it aside.
pub fn looks_numeric(text: &[u8]) -> Option<f64> {
    let (number, end) = parse_number(text);
    let rest = text.get(end..)?;
    (end > 0 && rest.iter().all(|b| b.is_ascii_whitespace())).then_some(number)
}

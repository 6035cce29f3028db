//! `printf`: formats values as C does.

use super::value::Value;

#[derive(Default)]
struct Spec {
    left: bool,
    plus: bool,
    space: bool,
    alternate: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
}

/// The widest field.
const MAX_WIDTH: usize = 1 << 20;

/// Appends the formatted values. Missing ones are empty; those left over are ignored. `text` says how numbers become
/// text for `%s`.
pub fn format(
    template: &[u8],
    values: &mut dyn Iterator<Item = Value>,
    text: &[u8],
    out: &mut Vec<u8>,
) {
    let mut at = 0;
    while at < template.len() {
        let plain = memchr::memchr(b'%', &template[at..]).unwrap_or(template.len() - at);
        out.extend_from_slice(&template[at..at + plain]);
        at += plain + 1;
        if at > template.len() {
            break;
        }
        let start = at;
        let mut spec = Spec::default();
        while let Some(flag) = template.get(at) {
            match flag {
                b'-' => spec.left = true,
                b'+' => spec.plus = true,
                b' ' => spec.space = true,
                b'#' => spec.alternate = true,
                b'0' => spec.zero = true,
                _ => break,
            }
            at += 1;
        }
        let width = number(template, &mut at, values);
        if let Some(width) = width {
            spec.left |= width < 0;
            spec.width = usize::try_from(width.unsigned_abs())
                .unwrap_or(0)
                .min(MAX_WIDTH);
        }
        if template.get(at) == Some(&b'.') {
            at += 1;
            let precision = number(template, &mut at, values).unwrap_or(0);
            spec.precision = usize::try_from(precision)
                .ok()
                .map(|precision| precision.min(MAX_WIDTH));
        }
        while matches!(
            template.get(at),
            Some(b'h' | b'l' | b'L' | b'q' | b'j' | b'z' | b't')
        ) {
            at += 1;
        }
        let Some(&letter) = template.get(at) else {
            out.push(b'%');
            out.extend_from_slice(&template[start..]);
            break;
        };
        at += 1;
        let mut next = || values.next().unwrap_or(Value::Unset);
        match letter {
            b'%' => out.push(b'%'),
            b'c' => {
                let mut bytes = Vec::new();
                let value = next();
                // What looks like a number is one here too.
                let value = match (&value, value.numeric()) {
                    (Value::Input(_), Some(number)) => Value::Number(number),
                    _ => value,
                };
                match value {
                    Value::Number(number) => match char::from_u32(number as u32) {
                        Some(c) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                        None => bytes.push((number as i64 & 0xFF) as u8),
                    },
                    other => {
                        let text = other.text(text);
                        let length = super::text::character_length(&text);
                        bytes.extend_from_slice(&text[..length]);
                    }
                }
                spec.pad(&bytes, out);
            }
            b's' => {
                let value = next().text(text);
                let length = spec
                    .precision
                    .map_or(value.len(), |most| super::text::byte_offset(&value, most));
                spec.pad(&value[..length], out);
            }
            b'd' | b'i' => {
                let number = next().number();
                if number.is_finite() {
                    let digits = format!("{:.0}", number.trunc().abs()).into_bytes();
                    let negative = number.trunc() < 0.0;
                    spec.integer(negative, b"", digits, out);
                } else {
                    spec.special(number, false, out);
                }
            }
            b'o' | b'x' | b'X' | b'u' => {
                let number = next().number();
                let value = if number < 0.0 {
                    number as i64 as u64
                } else {
                    number as u64
                };
                let (digits, prefix) = match letter {
                    b'o' => (format!("{value:o}"), if value != 0 { "0" } else { "" }),
                    b'x' => (format!("{value:x}"), "0x"),
                    b'X' => (format!("{value:X}"), "0X"),
                    _ => (value.to_string(), ""),
                };
                let prefix = if spec.alternate && value != 0 {
                    prefix
                } else {
                    ""
                };
                (spec.plus, spec.space) = (false, false);
                spec.integer(false, prefix.as_bytes(), digits.into_bytes(), out);
            }
            b'e' | b'E' | b'f' | b'F' | b'g' | b'G' | b'a' | b'A' => {
                let number = next().number();
                if number.is_finite() {
                    spec.float(number, letter, out);
                } else {
                    spec.special(number, letter.is_ascii_uppercase(), out);
                }
            }
            _ => {
                out.push(b'%');
                out.extend_from_slice(&template[start..at]);
            }
        }
    }
}

fn number(template: &[u8], at: &mut usize, values: &mut dyn Iterator<Item = Value>) -> Option<i64> {
    if template.get(*at) == Some(&b'*') {
        *at += 1;
        return Some(values.next().unwrap_or(Value::Unset).number() as i64);
    }
    let mut value = None;
    while let Some(digit @ b'0'..=b'9') = template.get(*at) {
        value = Some(
            value
                .unwrap_or(0i64)
                .saturating_mul(10)
                .saturating_add(i64::from(digit - b'0')),
        );
        *at += 1;
    }
    value
}

impl Spec {
    fn pad(&self, bytes: &[u8], out: &mut Vec<u8>) {
        let padding = self.width.saturating_sub(super::text::characters(bytes));
        if self.left {
            out.extend_from_slice(bytes);
        }
        out.extend(std::iter::repeat_n(b' ', padding));
        if !self.left {
            out.extend_from_slice(bytes);
        }
    }

    /// Sign, prefix, zeros, digits.
    fn signed(&self, negative: bool, prefix: &[u8], digits: &[u8], zeros: bool, out: &mut Vec<u8>) {
        let mut head = Vec::new();
        if negative {
            head.push(b'-');
        } else if self.plus {
            head.push(b'+');
        } else if self.space {
            head.push(b' ');
        }
        head.extend_from_slice(prefix);
        if zeros && !self.left {
            let padding = self.width.saturating_sub(head.len() + digits.len());
            head.extend(std::iter::repeat_n(b'0', padding));
        }
        head.extend_from_slice(digits);
        self.pad(&head, out);
    }

    fn integer(&self, negative: bool, prefix: &[u8], mut digits: Vec<u8>, out: &mut Vec<u8>) {
        if let Some(precision) = self.precision {
            if precision == 0 && digits == b"0" {
                digits.clear();
            }
            let missing = precision.saturating_sub(digits.len());
            digits.splice(0..0, std::iter::repeat_n(b'0', missing));
        }
        self.signed(
            negative,
            prefix,
            &digits,
            self.zero && self.precision.is_none(),
            out,
        );
    }

    fn special(&self, number: f64, upper: bool, out: &mut Vec<u8>) {
        let name: &[u8] = match (number.is_nan(), upper) {
            (true, false) => b"nan",
            (true, true) => b"NAN",
            (false, false) => b"inf",
            (false, true) => b"INF",
        };
        self.signed(number.is_sign_negative(), b"", name, false, out);
    }

    fn float(&self, number: f64, letter: u8, out: &mut Vec<u8>) {
        let value = number.abs();
        let precision = self.precision.unwrap_or(6);
        let mut digits = match letter.to_ascii_lowercase() {
            b'f' => format!("{value:.precision$}").into_bytes(),
            b'e' => exponent_form(value, precision).into_bytes(),
            b'a' => format!("{value:e}").into_bytes(),
            _ => self.shortest(value, precision.max(1)),
        };
        if self.alternate && precision == 0 && !digits.contains(&b'.') {
            digits.push(b'.');
        }
        if letter.is_ascii_uppercase() {
            digits.make_ascii_uppercase();
        }
        self.signed(number.is_sign_negative(), b"", &digits, self.zero, out);
    }

    /// `%g`.
    fn shortest(&self, value: f64, precision: usize) -> Vec<u8> {
        let exponent_text = format!("{value:.*e}", precision - 1);
        let exponent: i32 = exponent_text
            .split_once('e')
            .and_then(|(_, text)| text.parse().ok())
            .unwrap_or(0);
        let fits = exponent >= -4 && i64::from(exponent) < precision as i64;
        let mut text = if fits {
            let decimals = usize::try_from(precision as i64 - 1 - i64::from(exponent)).unwrap_or(0);
            format!("{value:.decimals$}")
        } else {
            exponent_form(value, precision - 1)
        };
        if !self.alternate && text.contains('.') {
            let (mantissa, tail) = match text.find('e') {
                Some(at) => text.split_at(at),
                None => (text.as_str(), ""),
            };
            text = format!(
                "{}{tail}",
                mantissa.trim_end_matches('0').trim_end_matches('.')
            );
        }
        text.into_bytes()
    }
}

/// `%e`: at least two digits of the exponent, with its sign.
fn exponent_form(value: f64, precision: usize) -> String {
    let text = format!("{value:.precision$e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) => {
            let exponent: i32 = exponent.parse().unwrap_or(0);
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
        }
        None => text,
    }
}

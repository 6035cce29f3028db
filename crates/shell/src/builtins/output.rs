//! `echo` and `printf`.

use super::lossy;
use crate::escape::{Style, unescape};
use crate::exec::{Flow, Shell};

pub(super) fn echo(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    let (mut newline, mut escapes) = (true, false);
    let mut words = arguments.get(1..).unwrap_or_default();
    while let Some((word, rest)) = words.split_first() {
        let letters = word.strip_prefix(b"-").unwrap_or_default();
        if letters.is_empty() || !letters.iter().all(|letter| b"neE".contains(letter)) {
            break;
        }
        for letter in letters {
            match letter {
                b'n' => newline = false,
                letter => escapes = *letter == b'e',
            }
        }
        words = rest;
    }
    let mut text = words.join(&b' ');
    if escapes {
        let done = unescape(&text, Style::Echo);
        newline &= !done.ended;
        text = done.bytes;
    }
    if newline {
        text.push(b'\n');
    }
    Ok(shell.print(&text, "echo"))
}

pub(super) fn printf(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    let mut at = 1;
    if arguments.get(at).is_some_and(|word| word == b"--") {
        at += 1;
    }
    let Some(format) = arguments.get(at) else {
        return Ok(shell.complain(b"printf", "usage: printf format [arg ...]"));
    };
    let mut words = arguments.get(at + 1..).unwrap_or_default();
    let mut printer = Printer {
        out: Vec::new(),
        failures: Vec::new(),
        ended: false,
    };
    loop {
        let before = words.len();
        printer.once(format, &mut words);
        // The format is used again as long as it takes arguments and there are some.
        if words.is_empty() || words.len() == before || printer.ended {
            break;
        }
    }
    // What is wrong is told in the order of the output.
    let mut done = 0;
    for (at, failure) in &printer.failures {
        shell.print(printer.out.get(done..*at).unwrap_or_default(), "printf");
        done = *at;
        shell.complain(b"printf", failure);
    }
    let status = shell.print(printer.out.get(done..).unwrap_or_default(), "printf");
    Ok(status.max(i32::from(!printer.failures.is_empty())))
}

struct Printer {
    out: Vec<u8>,
    /// What was wrong, and how much had been made by then.
    failures: Vec<(usize, String)>,
    ended: bool,
}

#[derive(Default)]
struct Conversion {
    left: bool,
    zero: bool,
    plus: bool,
    blank: bool,
    other: bool,
    width: usize,
    precision: Option<usize>,
}

/// Wider than this no line is; it keeps a slip from filling the memory.
const WIDEST: usize = 1 << 20;

impl Printer {
    fn once(&mut self, format: &[u8], words: &mut &[Vec<u8>]) {
        let mut rest = format;
        while let Some((byte, behind)) = rest.split_first() {
            rest = behind;
            match byte {
                b'\\' => {
                    // An escape is at most four bytes behind its backslash; unescape says what is left.
                    let len = escape_len(rest);
                    let text = [b"\\", rest.get(..len).unwrap_or_default()].concat();
                    let done = unescape(&text, Style::Format);
                    self.out.extend(done.bytes);
                    self.ended = done.ended;
                    rest = rest.get(len..).unwrap_or_default();
                }
                b'%' if rest.first() == Some(&b'%') => {
                    self.out.push(b'%');
                    rest = rest.get(1..).unwrap_or_default();
                }
                b'%' => self.conversion(&mut rest, words),
                byte => self.out.push(*byte),
            }
            if self.ended {
                return;
            }
        }
    }

    fn conversion(&mut self, rest: &mut &[u8], words: &mut &[Vec<u8>]) {
        let start = *rest;
        let mut spec = Conversion::default();
        let bump = |rest: &mut &[u8]| *rest = rest.get(1..).unwrap_or_default();
        while let Some(flag) = rest.first() {
            match flag {
                b'-' => spec.left = true,
                b'0' => spec.zero = true,
                b'+' => spec.plus = true,
                b' ' => spec.blank = true,
                b'#' => spec.other = true,
                _ => break,
            }
            bump(rest);
        }
        let number = |printer: &mut Printer, rest: &mut &[u8], words: &mut &[Vec<u8>]| -> i64 {
            if rest.first() == Some(&b'*') {
                *rest = rest.get(1..).unwrap_or_default();
                return printer.integer(words);
            }
            let mut value = 0i64;
            while let Some(digit) = rest.first().filter(|byte| byte.is_ascii_digit()) {
                value = value
                    .saturating_mul(10)
                    .saturating_add(i64::from(digit - b'0'));
                *rest = rest.get(1..).unwrap_or_default();
            }
            value
        };
        let width = number(self, rest, words);
        spec.left |= width < 0;
        spec.width = usize::try_from(width.unsigned_abs())
            .unwrap_or(WIDEST)
            .min(WIDEST);
        if rest.first() == Some(&b'.') {
            bump(rest);
            let precision = number(self, rest, words);
            spec.precision = usize::try_from(precision)
                .ok()
                .map(|precision| precision.min(WIDEST));
        }
        while matches!(
            rest.first(),
            Some(b'l' | b'h' | b'j' | b'z' | b't' | b'q' | b'L')
        ) {
            bump(rest);
        }
        let Some(kind) = rest.first().copied() else {
            self.failed(format!("%{}: invalid format", lossy(start)));
            self.ended = true;
            return;
        };
        bump(rest);
        match kind {
            b's' => {
                let word = take(words);
                let most = spec.precision.unwrap_or(usize::MAX).min(word.len());
                self.padded(&spec, word.get(..most).unwrap_or_default());
            }
            b'b' => {
                let done = unescape(take(words), Style::Echo);
                self.ended = done.ended;
                self.padded(&spec, &done.bytes);
            }
            b'c' => {
                let word = take(words);
                // An empty word is C's empty string: its first character is NUL.
                self.padded(&spec, word.get(..1).unwrap_or(b"\0"));
            }
            b'd' | b'i' => {
                let value = self.integer(words);
                let sign = match (value < 0, spec.plus, spec.blank) {
                    (true, ..) => "-",
                    (_, true, _) => "+",
                    (_, _, true) => " ",
                    _ => "",
                };
                self.digits(&spec, sign, &value.unsigned_abs().to_string());
            }
            b'u' => {
                let value = self.integer(words).cast_unsigned();
                self.digits(&spec, "", &value.to_string());
            }
            b'o' => {
                let value = self.integer(words);
                self.digits(
                    &spec,
                    if spec.other { "0" } else { "" },
                    &format!("{value:o}"),
                );
            }
            b'x' => {
                let value = self.integer(words);
                self.digits(
                    &spec,
                    if spec.other && value != 0 { "0x" } else { "" },
                    &format!("{value:x}"),
                );
            }
            b'X' => {
                let value = self.integer(words);
                self.digits(
                    &spec,
                    if spec.other && value != 0 { "0X" } else { "" },
                    &format!("{value:X}"),
                );
            }
            b'f' | b'F' | b'e' | b'E' | b'g' | b'G' => {
                let value = self.fraction(words);
                let text = float(value.abs(), kind, spec.precision.unwrap_or(6));
                let sign = match (value.is_sign_negative(), spec.plus) {
                    (true, _) => "-",
                    (_, true) => "+",
                    _ => "",
                };
                let spec = Conversion {
                    precision: None,
                    ..spec
                };
                self.digits(&spec, sign, &text);
            }
            _ => {
                let len = start.len() - rest.len();
                self.failed(format!(
                    "%{}: invalid format",
                    lossy(start.get(..len).unwrap_or_default())
                ));
                self.ended = true;
            }
        }
    }

    /// A number: `"c` and `'c` are the code of c.
    fn integer(&mut self, words: &mut &[Vec<u8>]) -> i64 {
        let word = take(words);
        if let Some((b'"' | b'\'', rest)) = word.split_first() {
            let text = String::from_utf8_lossy(rest);
            return text.chars().next().map_or(0, |c| i64::from(u32::from(c)));
        }
        if word.trim_ascii().is_empty() {
            return 0;
        }
        crate::arithmetic::number(word).unwrap_or_else(|| {
            self.failed(format!("invalid number '{}'", lossy(word)));
            0
        })
    }

    /// A number with a fraction, or all that [`Printer::integer`] takes.
    fn fraction(&mut self, words: &mut &[Vec<u8>]) -> f64 {
        let text = words.first().map(|word| lossy(word)).unwrap_or_default();
        match text.trim().parse::<f64>() {
            Ok(value) => {
                take(words);
                value
            }
            #[expect(clippy::cast_precision_loss, reason = "so is C's conversion")]
            Err(_) => self.integer(words) as f64,
        }
    }

    fn failed(&mut self, what: String) {
        self.failures.push((self.out.len(), what));
    }

    fn padded(&mut self, spec: &Conversion, text: &[u8]) {
        let fill = spec.width.saturating_sub(text.len());
        if !spec.left {
            self.out.resize(self.out.len() + fill, b' ');
        }
        self.out.extend_from_slice(text);
        if spec.left {
            self.out.resize(self.out.len() + fill, b' ');
        }
    }

    fn digits(&mut self, spec: &Conversion, sign: &str, digits: &str) {
        let mut zeros = spec.precision.unwrap_or(0).saturating_sub(digits.len());
        if spec.zero && !spec.left && spec.precision.is_none() {
            zeros = spec.width.saturating_sub(sign.len() + digits.len());
        }
        let text = [sign.as_bytes(), &vec![b'0'; zeros], digits.as_bytes()].concat();
        self.padded(spec, &text);
    }
}

fn take<'a>(words: &mut &'a [Vec<u8>]) -> &'a [u8] {
    match words.split_first() {
        Some((first, rest)) => {
            *words = rest;
            first
        }
        None => b"",
    }
}

/// How many bytes behind the backslash belong to the escape.
fn escape_len(rest: &[u8]) -> usize {
    match rest.first() {
        Some(b'x') => {
            1 + rest
                .iter()
                .skip(1)
                .take(2)
                .take_while(|byte| byte.is_ascii_hexdigit())
                .count()
        }
        Some(b'0'..=b'7') => rest
            .iter()
            .take(3)
            .take_while(|byte| matches!(byte, b'0'..=b'7'))
            .count(),
        Some(_) => 1,
        None => 0,
    }
}

fn float(value: f64, kind: u8, precision: usize) -> String {
    let precision = precision.min(100);
    if !value.is_finite() {
        return if value.is_nan() { "nan" } else { "inf" }.to_owned();
    }
    match kind {
        b'f' | b'F' => format!("{value:.precision$}"),
        b'e' | b'E' => exponent(&format!("{value:.precision$e}"), kind == b'E'),
        _ => {
            let precision = precision.max(1);
            let scientific = format!("{value:.*e}", precision - 1);
            let power: i32 = scientific
                .rsplit('e')
                .next()
                .and_then(|power| power.parse().ok())
                .unwrap_or(0);
            let most = i32::try_from(precision).unwrap_or(6);
            let text = if power < -4 || power >= most {
                let (digits, _) = scientific.split_once('e').unwrap_or((&scientific, ""));
                return exponent(&format!("{}e{power}", trim_zeros(digits)), kind == b'G');
            } else {
                format!("{value:.*}", usize::try_from(most - 1 - power).unwrap_or(0))
            };
            trim_zeros(&text).to_owned()
        }
    }
}

fn trim_zeros(text: &str) -> &str {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    }
}

/// `1e5` as C writes it: `1e+05`.
fn exponent(text: &str, upper: bool) -> String {
    let (digits, power) = text.split_once('e').unwrap_or((text, "0"));
    let (sign, power) = match power.strip_prefix('-') {
        Some(power) => ('-', power),
        None => ('+', power),
    };
    format!("{digits}{}{sign}{power:0>2}", if upper { 'E' } else { 'e' })
}

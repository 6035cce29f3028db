//! `hexdump` and `hd`: bytes through formats of one's own (`-e`), as BSD has them.

use crate::common::dumping::{Chain, NAMES, c_like, exponential, signed, unsigned};
use crate::common::lines::{Output, complain, say};
use crate::common::options::{Options, size};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

pub const USAGE: &str = "[-bcdoxCv] [-e FORMAT] [-f FILE] [-n LENGTH] [-s SKIP] [file...]

-b  octal bytes    -c  characters    -d -o -x  decimal, octal, hexadecimal numbers of two bytes
-C  hexadecimal bytes and text    -v  print repeated lines    -n  only LENGTH bytes    -s  pass over SKIP bytes
-e  FORMAT: units COUNT/BYTES \"TEXT\", with printf's conversions, %_a[dox] (offset), %_A[dox] (offset at the
end), %_c, %_p and %_u (a character)    -f  formats from a file, one a line";
pub const HD_USAGE: &str = "[-bcdoxv] [-e FORMAT] [-f FILE] [-n LENGTH] [-s SKIP] [file...]

As hexdump -C.";

#[derive(Clone, Copy, PartialEq)]
enum What {
    Text,
    Offset(char),
    /// The offset, once, behind all data.
    End(char),
    C,
    P,
    U,
    Char,
    String,
    Number(char),
    Float(char),
}

/// Text and the conversion behind it.
#[derive(Clone)]
struct Piece {
    before: Vec<u8>,
    what: What,
    flags: Vec<u8>,
    width: usize,
    precision: Option<usize>,
    bytes: usize,
}

/// `COUNT/BYTES "TEXT"`
struct Unit {
    count: usize,
    counted: bool,
    pieces: Vec<Piece>,
}

impl Unit {
    fn bytes(&self) -> usize {
        self.pieces.iter().map(|piece| piece.bytes).sum()
    }
}

type Format = Vec<Unit>;

fn escape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        if *byte != b'\\' {
            out.push(*byte);
            continue;
        }
        match bytes.next() {
            Some(b'n') => out.push(b'\n'),
            Some(b't') => out.push(b'\t'),
            Some(b'r') => out.push(b'\r'),
            Some(b'a') => out.push(7),
            Some(b'b') => out.push(8),
            Some(b'f') => out.push(12),
            Some(b'v') => out.push(11),
            Some(b'0') => out.push(0),
            Some(other) => out.push(*other),
            None => out.push(b'\\'),
        }
    }
    out
}

fn digits(rest: &mut &[u8]) -> Option<usize> {
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 {
        return None;
    }
    let (number, behind) = rest.split_at(count);
    *rest = behind;
    std::str::from_utf8(number)
        .ok()?
        .parse()
        .ok()
        .filter(|number| *number <= 1 << 20)
}

/// One format: `None` where it is wrong.
fn format(mut rest: &[u8]) -> Option<Format> {
    let mut units = Vec::new();
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return Some(units);
        }
        let count = digits(&mut rest);
        rest = rest.trim_ascii_start();
        let mut bytes = None;
        if let Some(behind) = rest.strip_prefix(b"/") {
            rest = behind.trim_ascii_start();
            bytes = Some(digits(&mut rest)?);
        }
        rest = rest.trim_ascii_start().strip_prefix(b"\"")?;
        let mut end = 0;
        while *rest.get(end)? != b'"' {
            end += if rest.get(end) == Some(&b'\\') { 2 } else { 1 };
        }
        let text = escape(rest.get(..end)?);
        rest = rest.get(end + 1..)?;
        units.push(Unit {
            count: count.unwrap_or(1),
            counted: count.is_some(),
            pieces: pieces(&text, bytes)?,
        });
    }
}

fn pieces(text: &[u8], stated: Option<usize>) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut before = Vec::new();
    let mut rest = text;
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        if *byte != b'%' {
            before.push(*byte);
            continue;
        }
        if let Some(behind) = rest.strip_prefix(b"%") {
            before.push(b'%');
            rest = behind;
            continue;
        }
        let count = rest
            .iter()
            .take_while(|byte| b" -0+#".contains(byte))
            .count();
        let (flags, behind) = rest.split_at(count);
        rest = behind;
        let width = digits(&mut rest).unwrap_or(0);
        let mut precision = None;
        if let Some(behind) = rest.strip_prefix(b".") {
            rest = behind;
            precision = Some(digits(&mut rest).unwrap_or(0));
        }
        let (letter, behind) = rest.split_first()?;
        rest = behind;
        let what = match letter {
            b'_' => {
                let (letter, behind) = rest.split_first()?;
                rest = behind;
                match letter {
                    b'a' | b'A' => {
                        let (radix, behind) = rest.split_first()?;
                        rest = behind;
                        let radix = char::from(*radix);
                        if !"dox".contains(radix) {
                            return None;
                        }
                        if *letter == b'a' {
                            What::Offset(radix)
                        } else {
                            What::End(radix)
                        }
                    }
                    b'c' => What::C,
                    b'p' => What::P,
                    b'u' => What::U,
                    _ => return None,
                }
            }
            b'c' => What::Char,
            b's' => What::String,
            b'd' | b'i' | b'u' | b'o' | b'x' | b'X' => What::Number(char::from(*letter)),
            b'e' | b'E' | b'f' | b'g' | b'G' => What::Float(char::from(*letter)),
            _ => return None,
        };
        let bytes = match what {
            What::Text | What::Offset(_) | What::End(_) => 0,
            What::C | What::P | What::U | What::Char => 1,
            What::String => stated.or(precision)?,
            What::Number(_) => stated.unwrap_or(4),
            What::Float(_) => stated.unwrap_or(8),
        };
        let fits = match what {
            What::C | What::P | What::U | What::Char => stated.is_none_or(|stated| stated == 1),
            What::Number(_) => matches!(bytes, 1 | 2 | 4 | 8),
            What::Float(_) => matches!(bytes, 4 | 8),
            _ => true,
        };
        if !fits {
            return None;
        }
        pieces.push(Piece {
            before: std::mem::take(&mut before),
            what,
            flags: flags.to_vec(),
            width,
            precision,
            bytes,
        });
    }
    if !before.is_empty() {
        pieces.push(Piece {
            before,
            what: What::Text,
            flags: Vec::new(),
            width: 0,
            precision: None,
            bytes: 0,
        });
    }
    Some(pieces)
}

impl Piece {
    fn put(&self, text: &str, number: bool, out: &mut Output) {
        let room = self.width.saturating_sub(text.chars().count());
        if self.flags.contains(&b'-') {
            out.put(text.as_bytes());
            out.put(" ".repeat(room).as_bytes());
        } else if number && self.flags.contains(&b'0') && self.precision.is_none() {
            let (sign, digits) = text
                .strip_prefix('-')
                .map_or(("", text), |rest| ("-", rest));
            out.put(sign.as_bytes());
            out.put("0".repeat(room).as_bytes());
            out.put(digits.as_bytes());
        } else {
            out.put(" ".repeat(room).as_bytes());
            out.put(text.as_bytes());
        }
    }

    fn number(&self, letter: char, bytes: &[u8]) -> String {
        let value = unsigned(bytes);
        let mut text = match letter {
            'd' | 'i' => signed(bytes).to_string(),
            'o' => format!("{value:o}"),
            'x' => format!("{value:x}"),
            'X' => format!("{value:X}"),
            _ => value.to_string(),
        };
        if let Some(precision) = self.precision {
            let (sign, digits) = text
                .strip_prefix('-')
                .map_or(("", text.as_str()), |rest| ("-", rest));
            text = format!("{sign}{digits:0>precision$}");
        }
        if self.flags.contains(&b'#') && value != 0 {
            match letter {
                'o' => text.insert(0, '0'),
                'x' | 'X' => text = format!("0{letter}{text}"),
                _ => {}
            }
        }
        if matches!(letter, 'd' | 'i') && !text.starts_with('-') {
            if self.flags.contains(&b'+') {
                text.insert(0, '+');
            } else if self.flags.contains(&b' ') {
                text.insert(0, ' ');
            }
        }
        text
    }

    fn float(&self, letter: char, bytes: &[u8]) -> String {
        let value = if bytes.len() == 4 {
            f64::from(f32::from_bits(u32::try_from(unsigned(bytes)).unwrap_or(0)))
        } else {
            f64::from_bits(unsigned(bytes))
        };
        let precision = self.precision.unwrap_or(6).min(100);
        let text = match letter {
            'f' => format!("{value:.precision$}"),
            'g' | 'G' => {
                let digits = precision.max(1);
                let long = exponential(value, digits - 1);
                let exponent = long
                    .split_once('e')
                    .and_then(|(_, text)| text.parse::<i64>().ok());
                match exponent {
                    Some(exponent)
                        if (-4..i64::try_from(digits).unwrap_or(6)).contains(&exponent) =>
                    {
                        let places =
                            usize::try_from(i64::try_from(digits).unwrap_or(6) - 1 - exponent);
                        let text = format!("{value:.places$}", places = places.unwrap_or(0));
                        if text.contains('.') {
                            text.trim_end_matches('0').trim_end_matches('.').to_owned()
                        } else {
                            text
                        }
                    }
                    Some(_) => match long.split_once('e') {
                        Some((mantissa, exponent)) if mantissa.contains('.') => {
                            let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
                            format!("{mantissa}e{exponent}")
                        }
                        _ => long,
                    },
                    None => long,
                }
            }
            _ => exponential(value, precision),
        };
        if letter.is_ascii_uppercase() {
            text.to_ascii_uppercase()
        } else {
            text
        }
    }

    fn print(&self, bytes: &[u8], at: u64, out: &mut Output) {
        let byte = bytes.first().copied().unwrap_or(0);
        let (text, number) = match self.what {
            What::Text | What::End(_) => return,
            What::Offset(radix) => (self.number(radix, &at.to_le_bytes()), true),
            What::C => (c_like(byte), false),
            What::P => {
                let shown = if matches!(byte, b' '..=b'~') {
                    char::from(byte)
                } else {
                    '.'
                };
                (shown.to_string(), false)
            }
            What::U => {
                let text = match byte {
                    127 => "del".to_owned(),
                    0..32 => NAMES
                        .get(usize::from(byte))
                        .copied()
                        .unwrap_or_default()
                        .to_owned(),
                    32..127 => char::from(byte).to_string(),
                    _ => format!("{byte:02x}"),
                };
                (text, false)
            }
            What::Char => {
                out.put(" ".repeat(self.width.saturating_sub(1)).as_bytes());
                out.put_byte(byte);
                return;
            }
            What::String => {
                let end = bytes
                    .iter()
                    .position(|byte| *byte == 0)
                    .unwrap_or(bytes.len());
                let end = self.precision.map_or(end, |most| most.min(end));
                out.put(" ".repeat(self.width.saturating_sub(end)).as_bytes());
                out.put(bytes.get(..end).unwrap_or_default());
                return;
            }
            What::Number(letter) => (self.number(letter, bytes), true),
            What::Float(letter) => (self.float(letter, bytes), true),
        };
        self.put(&text, number, out);
    }
}

/// `hd`
pub fn hd(arguments: &[OsString]) -> i32 {
    run(arguments, "hd", true)
}

/// `hexdump`
pub fn main(arguments: &[OsString]) -> i32 {
    run(arguments, "hexdump", false)
}

fn run(arguments: &[OsString], applet: &'static str, canonical: bool) -> i32 {
    let options = Options {
        applet,
        letters: "bcdoxCve:f:n:s:",
        long: &[],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let mut texts: Vec<Vec<u8>> = Vec::new();
    if canonical || given.has('C') {
        texts.push(b"\"%08.8_Ax\\n\"".to_vec());
        texts.push(b"\"%08.8_ax  \" 8/1 \"%02x \" \"  \" 8/1 \"%02x \"".to_vec());
        texts.push(b"\"  |\" 16/1 \"%_p\" \"|\\n\"".to_vec());
    }
    let old = [
        ('b', "16/1 \"%03o \""),
        ('c', "16/1 \"%3_c \""),
        ('d', "8/2 \"  %05u \""),
        ('o', "8/2 \" %06o \""),
        ('x', "8/2 \"   %04x \""),
    ];
    for (letter, unit) in old {
        if given.has(letter) {
            texts.push(b"\"%07.7_Ax\\n\"".to_vec());
            texts.push(format!("\"%07.7_ax \" {unit} \"\\n\"").into_bytes());
        }
    }
    texts.extend(given.values('e').map(|text| text.as_bytes().to_vec()));
    for name in given.values('f') {
        match std::fs::read(name) {
            Ok(text) => texts.extend(
                text.split(|byte| *byte == b'\n')
                    .map(<[u8]>::trim_ascii)
                    .filter(|line| !line.is_empty() && !line.starts_with(b"#"))
                    .map(<[u8]>::to_vec),
            ),
            Err(error) => {
                complain(applet, name, &error);
                return 1;
            }
        }
    }
    if texts.is_empty() {
        texts.push(b"\"%07.7_Ax\\n\"".to_vec());
        texts.push(b"\"%07.7_ax \" 8/2 \"%04x \" \"\\n\"".to_vec());
    }
    let mut formats = Vec::new();
    for text in &texts {
        match format(text) {
            Some(format) => formats.push(format),
            None => {
                say(
                    applet,
                    format!("bad format {{{}}}", String::from_utf8_lossy(text)),
                );
                return 1;
            }
        }
    }
    let number = |letter: char, usual: u64| match given.value(letter) {
        None => Ok(usual),
        Some(text) => {
            let hexadecimal = text
                .to_str()
                .and_then(|text| text.strip_prefix("0x"))
                .and_then(|digits| u64::from_str_radix(digits, 16).ok());
            hexadecimal
                .or_else(|| size(text))
                .ok_or_else(|| options.wrong(&format!("invalid number '{}'", text.display())))
        }
    };
    let (Ok(skip), Ok(limit)) = (number('s', 0), number('n', u64::MAX)) else {
        return 1;
    };
    let mut input = Chain::new(applet, &given.operands, limit);
    input.skip(skip);
    let mut out = Output::new();
    dump(&mut formats, &mut input, skip, given.has('v'), &mut out);
    out.finish(applet, input.status, 1)
}

fn dump(formats: &mut [Format], input: &mut Chain, skip: u64, all: bool, out: &mut Output) {
    let length =
        |format: &Format| -> usize { format.iter().map(|unit| unit.count * unit.bytes()).sum() };
    let block_size = formats.iter().map(length).max().unwrap_or(0);
    if block_size == 0 {
        return;
    }
    // A last unit without a count goes on to the block's end.
    for format in formats.iter_mut() {
        let missing = block_size - length(format);
        if let Some(unit) = format.last_mut()
            && !unit.counted
            && unit.bytes() > 0
        {
            unit.count += missing / unit.bytes();
        }
    }
    let mut block = vec![0; block_size];
    let mut before: Option<Vec<u8>> = None;
    let (mut at, mut starred) = (skip, false);
    loop {
        let filled = input.fill(&mut block);
        if filled == 0 {
            break;
        }
        if !all && filled == block_size && before.as_ref() == Some(&block) {
            if !starred {
                out.put(b"*\n");
                starred = true;
            }
        } else {
            starred = false;
            for format in formats.iter() {
                let mut place = 0;
                for unit in format {
                    for round in 0..unit.count {
                        one(
                            unit,
                            round + 1 == unit.count,
                            &block,
                            filled,
                            at,
                            &mut place,
                            out,
                        );
                    }
                }
            }
            before = Some(block.clone());
        }
        at += filled as u64;
        if filled < block_size || out.failed() {
            break;
        }
    }
    if at == skip {
        return;
    }
    for piece in formats.iter().flatten().flat_map(|unit| &unit.pieces) {
        if let What::End(radix) = piece.what {
            out.put(&piece.before);
            piece.put(&piece.number(radix, &at.to_le_bytes()), true, out);
            out.put_byte(b'\n');
        }
    }
}

fn one(
    unit: &Unit,
    last: bool,
    block: &[u8],
    filled: usize,
    at: u64,
    place: &mut usize,
    out: &mut Output,
) {
    if unit
        .pieces
        .iter()
        .any(|piece| matches!(piece.what, What::End(_)))
    {
        return;
    }
    for (number, piece) in unit.pieces.iter().enumerate() {
        // The last round of several leaves out the blanks behind it.
        let trim = last && unit.count > 1 && number + 1 == unit.pieces.len();
        if trim && piece.what == What::Text {
            out.put(piece.before.trim_ascii_end());
            continue;
        }
        out.put(&piece.before);
        let here = *place;
        *place += piece.bytes;
        if here >= filled && piece.bytes > 0 {
            out.put(" ".repeat(piece.width).as_bytes());
            continue;
        }
        let bytes = block.get(here..here + piece.bytes).unwrap_or_default();
        let mut own = bytes.to_vec();
        // What is behind the data counts as zeros.
        for byte in own.iter_mut().skip(filled.saturating_sub(here)) {
            *byte = 0;
        }
        piece.print(&own, at + here as u64, out);
    }
}

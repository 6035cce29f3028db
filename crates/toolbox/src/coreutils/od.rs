//! `od` (POSIX.1-2024), with GNU's `-w`, `-S` and the letters of old.

use crate::common::dumping::{Chain, NAMES, c_like, exponential, signed, unsigned};
use crate::common::lines::{Output, say};
use crate::common::options::{Options, size};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

pub const USAGE: &str = "[-abcdfhilosxvBDHILOX] [-t TYPES] [-A d|o|x|n] [-j SKIP] [-N COUNT] [-w[WIDTH]] [-S LENGTH]
    [--traditional] [file...]

-t  a names, c characters, d u o x numbers, f floats; with a size: 1 2 4 8 or C S I L, F D; z: text behind
-A  offsets are decimal, octal, hexadecimal or not printed    -j  pass over SKIP bytes    -N  only COUNT bytes
-w  WIDTH bytes a line (16)    -v  print repeated lines    -S  print strings of at least LENGTH characters
-a -t a    -b -t o1    -c -t c    -d -t u2    -D -t u4    -f -t fF    -h -x -t x2    -H -X -t x4    -i -t d4
-l -I -L -t d8    -o -B -t o2    -O -t o4    -s -t d2";

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Name,
    Character,
    Signed,
    Unsigned,
    Octal,
    Hexadecimal,
    Float,
}

#[derive(Clone, Copy)]
struct Format {
    kind: Kind,
    size: usize,
    text: bool,
}

impl Format {
    /// How many columns a value takes, the blank in front not counted.
    fn width(self) -> usize {
        let pick = |one, two, four, eight| match self.size {
            1 => one,
            2 => two,
            4 => four,
            _ => eight,
        };
        match self.kind {
            Kind::Name | Kind::Character => 3,
            Kind::Signed => pick(4, 6, 11, 20),
            Kind::Unsigned => pick(3, 5, 10, 20),
            Kind::Octal => pick(3, 6, 11, 22),
            Kind::Hexadecimal => pick(2, 4, 8, 16),
            Kind::Float => pick(15, 15, 15, 23),
        }
    }

    fn value(self, bytes: &[u8]) -> String {
        let width = self.width();
        let byte = bytes.first().copied().unwrap_or(0);
        match self.kind {
            Kind::Name => match byte & 127 {
                10 => "nl".into(),
                127 => "del".into(),
                low @ 0..=32 => NAMES
                    .get(usize::from(low))
                    .copied()
                    .unwrap_or_default()
                    .into(),
                other => char::from(other).into(),
            },
            Kind::Character => c_like(byte),
            Kind::Signed => signed(bytes).to_string(),
            Kind::Unsigned => unsigned(bytes).to_string(),
            Kind::Octal => format!("{:0width$o}", unsigned(bytes)),
            Kind::Hexadecimal => format!("{:0width$x}", unsigned(bytes)),
            Kind::Float if self.size == 4 => {
                let bits = u32::try_from(unsigned(bytes)).unwrap_or(0);
                exponential(f64::from(f32::from_bits(bits)), 7)
            }
            Kind::Float => exponential(f64::from_bits(unsigned(bytes)), 15),
        }
    }
}

fn formats(text: &[u8], into: &mut Vec<Format>) -> Option<()> {
    let mut rest = text;
    while let Some((letter, behind)) = rest.split_first() {
        rest = behind;
        let kind = match letter {
            b'a' => Kind::Name,
            b'c' => Kind::Character,
            b'd' => Kind::Signed,
            b'u' => Kind::Unsigned,
            b'o' => Kind::Octal,
            b'x' => Kind::Hexadecimal,
            b'f' => Kind::Float,
            _ => return None,
        };
        let mut size = match kind {
            Kind::Name | Kind::Character => 1,
            Kind::Float => 8,
            _ => 4,
        };
        if !matches!(kind, Kind::Name | Kind::Character) {
            let named = match (rest.first(), kind) {
                (Some(b'F'), Kind::Float) | (Some(b'I'), _) => Some(4),
                (Some(b'D'), Kind::Float) | (Some(b'L'), _) => Some(8),
                (Some(b'C'), _) => Some(1),
                (Some(b'S'), _) => Some(2),
                _ => None,
            };
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if let Some(named) = named {
                size = named;
                rest = rest.get(1..).unwrap_or_default();
            } else if digits > 0 {
                let (number, behind) = rest.split_at(digits);
                size = std::str::from_utf8(number).ok()?.parse().ok()?;
                rest = behind;
            }
            let known: &[usize] = if kind == Kind::Float {
                &[4, 8]
            } else {
                &[1, 2, 4, 8]
            };
            if !known.contains(&size) {
                return None;
            }
        }
        let text = rest.first() == Some(&b'z');
        if text {
            rest = rest.get(1..).unwrap_or_default();
        }
        into.push(Format { kind, size, text });
    }
    Some(())
}

/// An offset or a count: with `0x` or `0` in front hexadecimal or octal, with a unit behind.
fn count(text: &OsStr) -> Option<u64> {
    let word = text.to_str()?;
    if let Some(digits) = word.strip_prefix("0x").or(word.strip_prefix("0X")) {
        return u64::from_str_radix(digits, 16).ok();
    }
    if word.len() > 1
        && word.starts_with('0')
        && word.bytes().all(|byte| matches!(byte, b'0'..=b'7'))
    {
        return u64::from_str_radix(word, 8).ok();
    }
    size(text)
}

pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "od",
        letters: "abBcdDfhHiIlLoOsxXvt:A:j:N:w:S:1",
        long: &[
            ("format", 't'),
            ("address-radix", 'A'),
            ("skip-bytes", 'j'),
            ("read-bytes", 'N'),
            ("output-duplicates", 'v'),
            ("strings", 'S'),
            ("width", 'w'),
            ("traditional", '1'),
        ],
    };
    // The value of -w may be left out.
    let words: Vec<OsString> = arguments
        .iter()
        .map(|word| {
            if word == "-w" || word == "--width" {
                "-w32".into()
            } else {
                word.clone()
            }
        })
        .collect();
    let given = match options.parse(&words) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let mut chosen = Vec::new();
    for (letters, types) in [
        ("a", "a"),
        ("b", "o1"),
        ("c", "c"),
        ("d", "u2"),
        ("D", "u4"),
        ("f", "fF"),
        ("hx", "x2"),
        ("HX", "x4"),
        ("i", "d4"),
        ("IlL", "d8"),
        ("oB", "o2"),
        ("O", "o4"),
        ("s", "d2"),
    ] {
        if given.last_of(letters).is_some() {
            let _ = formats(types.as_bytes(), &mut chosen);
        }
    }
    for types in given.values('t') {
        if formats(types.as_bytes(), &mut chosen).is_none() {
            say("od", format!("invalid type string '{}'", types.display()));
            return 1;
        }
    }
    if chosen.is_empty() {
        let _ = formats(b"o2", &mut chosen);
    }
    let radix = match given.value('A').map(OsStr::as_bytes) {
        None | Some(b"o") => 'o',
        Some(b"d") => 'd',
        Some(b"x") => 'x',
        Some(b"n") => 'n',
        Some(_) => return options.wrong("-A takes d, o, x or n"),
    };
    let number = |letter: char, usual: u64| match given.value(letter) {
        None => Ok(usual),
        Some(text) => count(text)
            .ok_or_else(|| options.wrong(&format!("invalid number '{}'", text.display()))),
    };
    let (skip, limit, width, least) = match (
        number('j', 0),
        number('N', u64::MAX),
        number('w', 16),
        number('S', 0),
    ) {
        (Ok(skip), Ok(limit), Ok(width), Ok(least)) => (skip, limit, width, least),
        _ => return 1,
    };
    let mut files = given.operands.clone();
    let mut skip = skip;
    // Of old: `od file +10` begins at an octal offset.
    if files.len() <= 2
        && let Some(last) = files.last()
        && let Some(offset) = last.as_bytes().strip_prefix(b"+")
        && let Some(offset) = std::str::from_utf8(offset).ok().and_then(|text| {
            let (text, unit) = text.strip_suffix('b').map_or((text, 1), |text| (text, 512));
            match text.strip_suffix('.') {
                Some(decimal) => decimal.parse::<u64>().ok()?.checked_mul(unit),
                None => u64::from_str_radix(text, 8).ok()?.checked_mul(unit),
            }
        })
    {
        skip = offset;
        files.pop();
    }
    let unit = chosen.iter().map(|format| format.size).max().unwrap_or(1);
    let width = match usize::try_from(width) {
        Ok(width @ 1..=1_000_000) if width.is_multiple_of(unit) => width,
        _ => {
            say(
                "od",
                format!("warning: invalid width {width}; using {unit} instead"),
            );
            unit
        }
    };
    let mut input = Chain::new("od", &files, limit);
    if input.skip(skip) > 0 {
        say("od", "cannot skip past end of combined input");
        return 1;
    }
    let mut dump = Dump {
        out: Output::new(),
        formats: chosen,
        width,
        radix,
        all: given.has('v'),
    };
    if given.has('S') {
        dump.strings(
            &mut input,
            skip,
            usize::try_from(least.max(1)).unwrap_or(usize::MAX),
        );
    } else {
        dump.run(&mut input, skip);
    }
    dump.out.finish("od", input.status, 1)
}

struct Dump {
    out: Output,
    formats: Vec<Format>,
    width: usize,
    radix: char,
    all: bool,
}

impl Dump {
    fn address(&self, at: u64) -> String {
        match self.radix {
            'd' => format!("{at:07}"),
            'x' => format!("{at:06x}"),
            'o' => format!("{at:07o}"),
            _ => String::new(),
        }
    }

    fn run(&mut self, input: &mut Chain, mut at: u64) {
        let mut block = vec![0; self.width];
        let mut before: Option<Vec<u8>> = None;
        let mut starred = false;
        loop {
            let filled = input.fill(&mut block);
            if filled == 0 {
                break;
            }
            if !self.all && filled == self.width && before.as_ref() == Some(&block) {
                if !starred {
                    self.out.put(b"*\n");
                    starred = true;
                }
            } else {
                starred = false;
                if let Some(rest) = block.get_mut(filled..) {
                    rest.fill(0);
                }
                self.lines(&block, filled, at);
                before = Some(block.clone());
            }
            at += filled as u64;
            if filled < self.width || self.out.failed() {
                break;
            }
        }
        if self.radix != 'n' {
            let end = self.address(at);
            self.out.put(end.as_bytes());
            self.out.put_byte(b'\n');
        }
    }

    fn lines(&mut self, block: &[u8], filled: usize, at: u64) {
        // Columns of all formats stand below one another: each takes its part of the widest.
        let unit = self
            .formats
            .iter()
            .map(|format| format.size)
            .max()
            .unwrap_or(1);
        let column = self
            .formats
            .iter()
            .map(|format| (format.width() + 1) * (unit / format.size))
            .max()
            .unwrap_or(0);
        let address = self.address(at);
        for (row, format) in self.formats.iter().enumerate() {
            let mut line = if row == 0 {
                address.clone()
            } else {
                " ".repeat(address.len())
            };
            let values = unit / format.size;
            let mut start = line.len();
            for (number, bytes) in block.chunks(format.size).enumerate() {
                let within = number % values;
                let end = start + column * (within + 1) / values;
                if number * format.size >= filled {
                    if !format.text {
                        break;
                    }
                    line.push_str(&" ".repeat(end.saturating_sub(line.len())));
                } else {
                    let text = format.value(bytes);
                    let room = end.saturating_sub(line.len() + text.len());
                    line.push_str(&" ".repeat(room));
                    line.push_str(&text);
                }
                if within + 1 == values {
                    start += column;
                }
            }
            if format.text {
                line.push_str("  >");
                for byte in block.get(..filled).unwrap_or_default() {
                    line.push(if matches!(byte, b' '..=b'~') {
                        char::from(*byte)
                    } else {
                        '.'
                    });
                }
                line.push('<');
            }
            line.push('\n');
            self.out.put(line.as_bytes());
        }
    }

    /// `-S`: what can be read and ends in a zero byte.
    fn strings(&mut self, input: &mut Chain, mut at: u64, least: usize) {
        let mut block = vec![0; 32 * 1024];
        let mut text = Vec::new();
        loop {
            let filled = input.fill(&mut block);
            for byte in block.get(..filled).unwrap_or_default() {
                match byte {
                    b' '..=b'~' | 8..=13 | 7 => text.push(*byte),
                    0 if text.len() >= least => {
                        let mut line = self.address(at - text.len() as u64);
                        if !line.is_empty() {
                            line.push(' ');
                        }
                        for byte in &text {
                            line.push_str(&c_like(*byte));
                        }
                        line.push('\n');
                        self.out.put(line.as_bytes());
                        text.clear();
                    }
                    _ => text.clear(),
                }
                at += 1;
            }
            if filled < block.len() || self.out.failed() {
                return;
            }
        }
    }
}

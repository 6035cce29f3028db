//! `sort` and `uniq` (POSIX.1-2024), with GNU's `-h`, `-V`, `-R` (no), `-s`, `-z`.

use crate::common::lines::{Lines, Output, complain, open, say};
use crate::common::options::Options;
use std::cmp::Ordering;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};

pub const USAGE: &str = "[-nghMVrfdibusczm] [-k FIRST[,LAST]]... [-t C] [-o FILE] [file...]

-n  numbers    -g  numbers with exponents    -h  with units (2K 1G)    -M  months    -V  versions
-r  backwards    -f  upper and lower case alike    -d  letters, digits and blanks only    -i  printing only
-b  without leading blanks    -u  each once    -s  stable    -c  only check    -m  merge
-k  by fields FIRST to LAST, each N[.C][nrfdbghMV]    -t  what is between fields    -z  NUL ends lines
-o  into a file, which may be one of those read";
pub const UNIQ_USAGE: &str = "[-cdDuiz] [-f FIELDS] [-s CHARS] [-w CHARS] [input [output]]

-c  count    -d  only what comes again    -D  all of what comes again    -u  only what comes once    -i  case alike
-f  skip so many fields    -s  skip so many characters    -w  compare so many    -z  NUL ends lines";

/// How keys are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Order {
    numeric: bool,
    general: bool,
    human: bool,
    month: bool,
    version: bool,
    reverse: bool,
    fold: bool,
    dictionary: bool,
    printing: bool,
    blanks: bool,
}

impl Order {
    fn take(&mut self, letter: char) -> bool {
        match letter {
            'n' => self.numeric = true,
            'g' => self.general = true,
            'h' => self.human = true,
            'M' => self.month = true,
            'V' => self.version = true,
            'r' => self.reverse = true,
            'f' => self.fold = true,
            'd' => self.dictionary = true,
            'i' => self.printing = true,
            'b' => self.blanks = true,
            _ => return false,
        }
        true
    }

    fn compare(&self, a: &[u8], b: &[u8]) -> Ordering {
        let order = if self.numeric {
            number(a).cmp_with(&number(b))
        } else if self.general {
            general(a).total_cmp(&general(b))
        } else if self.human {
            human(a)
                .cmp(&human(b))
                .then_with(|| number(a).cmp_with(&number(b)))
        } else if self.month {
            month(a).cmp(&month(b))
        } else if self.version {
            version(a, b)
        } else if self.fold || self.dictionary || self.printing {
            self.plain(a).cmp(self.plain(b))
        } else {
            a.cmp(b)
        };
        if self.reverse { order.reverse() } else { order }
    }

    /// The bytes that count.
    fn plain<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = u8> + 'a {
        text.iter()
            .filter(|byte| {
                (!self.dictionary
                    || byte.is_ascii_alphanumeric()
                    || matches!(byte, b' ' | b'\t')
                    || **byte >= 0x80)
                    && (!self.printing || (0x20..0x7f).contains(*byte) || **byte >= 0x80)
            })
            .map(|byte| {
                if self.fold {
                    byte.to_ascii_uppercase()
                } else {
                    *byte
                }
            })
    }
}

/// A decimal number of any length.
struct Number<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
}

impl Number<'_> {
    fn is_zero(&self) -> bool {
        self.whole.is_empty() && self.fraction.iter().all(|byte| *byte == b'0')
    }

    fn cmp_with(&self, other: &Number<'_>) -> Ordering {
        let negative = |number: &Number<'_>| number.negative && !number.is_zero();
        match (negative(self), negative(other)) {
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (both, _) => {
                let size = self
                    .whole
                    .len()
                    .cmp(&other.whole.len())
                    .then_with(|| self.whole.cmp(other.whole))
                    .then_with(|| {
                        let trim = |text: &[u8]| {
                            let end = text.iter().rposition(|byte| *byte != b'0');
                            end.map_or(0, |end| end + 1)
                        };
                        let (a, b) = (trim(self.fraction), trim(other.fraction));
                        self.fraction
                            .get(..a)
                            .unwrap_or_default()
                            .cmp(other.fraction.get(..b).unwrap_or_default())
                    });
                if both { size.reverse() } else { size }
            }
        }
    }
}

fn number(text: &[u8]) -> Number<'_> {
    let text = text.trim_ascii_start();
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (whole, rest) = text.split_at(digits(text));
    let zeros = whole.iter().take_while(|byte| **byte == b'0').count();
    let fraction = match rest.strip_prefix(b".") {
        Some(rest) => rest.get(..digits(rest)).unwrap_or_default(),
        None => b"",
    };
    Number {
        negative,
        whole: whole.get(zeros..).unwrap_or_default(),
        fraction,
    }
}

/// What is no number comes before all that are.
fn general(text: &[u8]) -> f64 {
    let text = String::from_utf8_lossy(text.trim_ascii_start()).into_owned();
    let mut end = text.len();
    loop {
        if let Some(Ok(number)) = text.get(..end).map(str::parse::<f64>) {
            return number;
        }
        if end == 0 {
            return f64::NEG_INFINITY;
        }
        end -= 1;
    }
}

/// The unit of `12K`, negative numbers before zero before positive ones.
fn human(text: &[u8]) -> i32 {
    let text = text.trim_ascii_start();
    let negative = text.starts_with(b"-");
    let unit = text
        .iter()
        .find(|byte| !matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+'))
        .and_then(|byte| {
            // Of the small letters only k is a unit.
            let byte = if *byte == b'k' { b'K' } else { *byte };
            b"KMGTPEZY".iter().position(|unit| *unit == byte)
        })
        .map_or(0, |at| at + 1);
    let unit = i32::try_from(unit).unwrap_or(0);
    if number(text).is_zero() {
        0
    } else if negative {
        -unit - 1
    } else {
        unit + 1
    }
}

fn month(text: &[u8]) -> usize {
    let text = text.trim_ascii_start();
    let name = text.get(..3).unwrap_or(text).to_ascii_uppercase();
    let all = b"JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC";
    all.chunks(3)
        .position(|month| month == name)
        .map_or(0, |at| at + 1)
}

/// Runs of digits as numbers, the rest as text; `~` before everything.
fn version(mut a: &[u8], mut b: &[u8]) -> Ordering {
    let rank = |byte: Option<&u8>| match byte {
        Some(b'~') => -1,
        None => 0,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    };
    while !a.is_empty() || !b.is_empty() {
        loop {
            let (first, second) = (a.first(), b.first());
            let digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
            if digit(first) && digit(second) || first.is_none() && second.is_none() {
                break;
            }
            let (x, y) = (
                if digit(first) { 0 } else { rank(first) },
                if digit(second) { 0 } else { rank(second) },
            );
            if x != y {
                return x.cmp(&y);
            }
            if !digit(first) {
                a = a.get(1..).unwrap_or_default();
            }
            if !digit(second) {
                b = b.get(1..).unwrap_or_default();
            }
            if digit(first) != digit(second) && x == 0 && y == 0 {
                break;
            }
        }
        let take = |text: &mut &[u8]| -> Vec<u8> {
            let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let (digits, rest) = text.split_at(count);
            *text = rest;
            let zeros = digits.iter().take_while(|byte| **byte == b'0').count();
            digits.get(zeros..).unwrap_or_default().to_vec()
        };
        let (x, y) = (take(&mut a), take(&mut b));
        let order = x.len().cmp(&y.len()).then_with(|| x.cmp(&y));
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

/// A `-k`: fields and characters from 1; a character of 0 at the end is the field's last.
#[derive(Clone, Debug)]
struct Key {
    from: (usize, usize),
    to: Option<(usize, usize)>,
    order: Order,
    blank_start: bool,
    blank_end: bool,
    own: bool,
}

fn key(text: &str) -> Option<Key> {
    let (first, last) = match text.split_once(',') {
        Some((first, last)) => (first, Some(last)),
        None => (text, None),
    };
    let mut key = Key {
        from: (0, 1),
        to: None,
        order: Order::default(),
        blank_start: false,
        blank_end: false,
        own: false,
    };
    let place = |text: &str, usual: usize| -> Option<((usize, usize), String)> {
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (numbers, letters) = text.split_at(end);
        let (field, character) = match numbers.split_once('.') {
            Some((field, character)) => (field, character.parse().ok()?),
            None => (numbers, usual),
        };
        let field: usize = field.parse().ok().filter(|field| *field > 0)?;
        Some(((field, character), letters.to_owned()))
    };
    let (from, letters) = place(first, 1)?;
    if from.1 == 0 {
        return None;
    }
    key.from = from;
    for letter in letters.chars() {
        key.own = true;
        key.blank_start |= letter == 'b';
        key.order.take(letter).then_some(())?;
    }
    if let Some(last) = last {
        let (to, letters) = place(last, 0)?;
        key.to = Some(to);
        for letter in letters.chars() {
            key.own = true;
            key.blank_end |= letter == 'b';
            key.order.take(letter).then_some(())?;
        }
    }
    Some(key)
}

impl Key {
    /// The part of a line that it means.
    fn part<'a>(&self, line: &'a [u8], between: Option<u8>) -> &'a [u8] {
        let fields = fields(line, between);
        let place = |field: usize, character: usize, blanks: bool| -> Option<usize> {
            // A place behind the field's end lies in the fields that follow, as in GNU's sort.
            let (start, _) = *fields.get(field - 1)?;
            let mut at = start;
            if blanks {
                let text = line.get(start..).unwrap_or_default();
                at += text
                    .iter()
                    .take_while(|byte| matches!(byte, b' ' | b'\t'))
                    .count();
            }
            Some((at + character).min(line.len()))
        };
        let Some(start) = place(self.from.0, self.from.1 - 1, self.blank_start) else {
            return b"";
        };
        let end = match self.to {
            None => line.len(),
            Some((field, 0)) => fields.get(field - 1).map_or(line.len(), |(_, end)| *end),
            Some((field, character)) => {
                place(field, character, self.blank_end).unwrap_or(line.len())
            }
        };
        line.get(start..end.max(start)).unwrap_or_default()
    }
}

/// Where fields lie: between `between`, or each with the blanks before it.
fn fields(line: &[u8], between: Option<u8>) -> Vec<(usize, usize)> {
    let mut fields = Vec::new();
    let mut start = 0;
    match between {
        Some(byte) => {
            for at in memchr::memchr_iter(byte, line) {
                fields.push((start, at));
                start = at + 1;
            }
            fields.push((start, line.len()));
        }
        None => {
            let blank = |at: usize| matches!(line.get(at), Some(b' ' | b'\t'));
            let mut at = 0;
            while at < line.len() {
                while blank(at) {
                    at += 1;
                }
                while at < line.len() && !blank(at) {
                    at += 1;
                }
                fields.push((start, at));
                start = at;
            }
        }
    }
    fields
}

struct Sorter {
    keys: Vec<Key>,
    order: Order,
    between: Option<u8>,
    unique: bool,
    stable: bool,
}

impl Sorter {
    fn compare(&self, a: &[u8], b: &[u8]) -> Ordering {
        if self.keys.is_empty() {
            let (mut x, mut y) = (a, b);
            if self.order.blanks {
                (x, y) = (x.trim_ascii_start(), y.trim_ascii_start());
            }
            let order = self.order.compare(x, y);
            if order.is_ne() || self.unique || self.stable || self.order == Order::default() {
                return order;
            }
        }
        for key in &self.keys {
            let order = key
                .order
                .compare(key.part(a, self.between), key.part(b, self.between));
            if order.is_ne() {
                return order;
            }
        }
        if self.unique || self.stable {
            return Ordering::Equal;
        }
        // The last resort: all bytes.
        if self.order.reverse {
            b.cmp(a)
        } else {
            a.cmp(b)
        }
    }
}

/// `sort`
pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "sort",
        letters: "nghMVrfdibuscCzmk:t:o:T:S:",
        long: &[
            ("numeric-sort", 'n'),
            ("general-numeric-sort", 'g'),
            ("human-numeric-sort", 'h'),
            ("month-sort", 'M'),
            ("version-sort", 'V'),
            ("reverse", 'r'),
            ("ignore-case", 'f'),
            ("dictionary-order", 'd'),
            ("ignore-leading-blanks", 'b'),
            ("unique", 'u'),
            ("stable", 's'),
            ("check", 'c'),
            ("zero-terminated", 'z'),
            ("merge", 'm'),
            ("key", 'k'),
            ("field-separator", 't'),
            ("output", 'o'),
        ],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return 1 + status,
    };
    let mut order = Order::default();
    for letter in "nghMVrfdib".chars().filter(|letter| given.has(*letter)) {
        order.take(letter);
    }
    let mut keys = Vec::new();
    for text in given.values('k') {
        let Some(mut key) = text.to_str().and_then(key) else {
            say("sort", format!("invalid key '{}'", text.display()));
            return 2;
        };
        if !key.own {
            key.order = order;
            (key.blank_start, key.blank_end) = (order.blanks, order.blanks);
        }
        keys.push(key);
    }
    let between = match given.value('t').map(OsStr::as_encoded_bytes) {
        None => None,
        Some(b"\\0") => Some(0),
        Some([byte]) => Some(*byte),
        Some(_) => {
            say("sort", "-t takes one character");
            return 2;
        }
    };
    let sorter = Sorter {
        keys,
        order,
        between,
        unique: given.has('u'),
        stable: given.has('s'),
    };
    let end = if given.has('z') { 0 } else { b'\n' };
    let mut names = given.operands.clone();
    if names.is_empty() {
        names.push("-".into());
    }
    let mut text = Vec::new();
    for name in &names {
        let read = open(name).and_then(|mut file| io::Read::read_to_end(&mut file, &mut text));
        if let Err(error) = read {
            complain("sort", name, &error);
            return 2;
        }
        // A last line without its end must not grow together with the next file.
        if text.last().is_some_and(|byte| *byte != end) {
            text.push(end);
        }
    }
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == end).collect();
    lines.pop();
    if given.has('c') || given.has('C') {
        for pair in lines.windows(2) {
            let [a, b] = pair else { continue };
            let order = sorter.compare(a, b);
            if order.is_gt() || sorter.unique && order.is_eq() {
                if given.has('c') {
                    say("sort", format!("disorder: {}", String::from_utf8_lossy(b)));
                }
                return 1;
            }
        }
        return 0;
    }
    lines.sort_by(|a, b| sorter.compare(a, b));
    if sorter.unique {
        lines.dedup_by(|b, a| sorter.compare(a, b).is_eq());
    }
    if let Some(path) = given.value('o') {
        let written = std::fs::File::create(path).and_then(|file| {
            let mut file = io::BufWriter::new(file);
            for line in &lines {
                file.write_all(line)?;
                file.write_all(&[end])?;
            }
            file.flush()
        });
        return match written {
            Ok(()) => 0,
            Err(error) => {
                complain("sort", path, &error);
                2
            }
        };
    }
    let mut out = Output::new();
    for line in lines {
        out.put(line);
        out.put_byte(end);
        if out.failed() {
            break;
        }
    }
    out.finish("sort", 0, 2)
}

/// `uniq`
pub fn uniq(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "uniq",
        letters: "cdDuizf:s:w:",
        long: &[
            ("count", 'c'),
            ("repeated", 'd'),
            ("unique", 'u'),
            ("ignore-case", 'i'),
            ("skip-fields", 'f'),
            ("skip-chars", 's'),
            ("check-chars", 'w'),
            ("zero-terminated", 'z'),
        ],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 0, 2) {
        return status;
    }
    let mut numbers = [0, 0, usize::MAX];
    for (place, letter) in numbers.iter_mut().zip(['f', 's', 'w']) {
        if let Some(text) = given.value(letter) {
            match text.to_str().and_then(|text| text.parse().ok()) {
                Some(number) => *place = number,
                None => return options.wrong(&format!("invalid number '{}'", text.display())),
            }
        }
    }
    let [skip_fields, skip_chars, most] = numbers;
    let name = given
        .operands
        .first()
        .map_or(OsStr::new("-"), OsString::as_os_str);
    let input = match open(name) {
        Ok(input) => input,
        Err(error) => {
            complain("uniq", name, &error);
            return 1;
        }
    };
    if let Some(path) = given.operands.get(1).filter(|path| *path != "-") {
        let opened = sys::process::open(path, 0o1 | 0o100 | 0o1000, 0o666)
            .and_then(|fd| sys::process::dup2(fd, 1));
        if let Err(error) = opened {
            complain("uniq", path, &error);
            return 1;
        }
    }
    let part = |line: &[u8]| -> Vec<u8> {
        let mut rest = line;
        for _ in 0..skip_fields {
            let blanks = rest
                .iter()
                .take_while(|byte| byte.is_ascii_whitespace())
                .count();
            rest = rest.get(blanks..).unwrap_or_default();
            let word = rest
                .iter()
                .take_while(|byte| !byte.is_ascii_whitespace())
                .count();
            rest = rest.get(word..).unwrap_or_default();
        }
        rest = rest.get(skip_chars.min(rest.len())..).unwrap_or_default();
        let rest = rest.get(..most.min(rest.len())).unwrap_or_default();
        if given.has('i') {
            rest.to_ascii_lowercase()
        } else {
            rest.to_vec()
        }
    };
    let end = if given.has('z') { 0 } else { b'\n' };
    let mut lines = Lines::new(input, end);
    let mut out = Output::new();
    let mut print = |group: &[Vec<u8>]| {
        let count = group.len();
        if count == 0
            || given.has('d') && count < 2
            || given.has('u') && count > 1
            || given.has('D') && count < 2
        {
            return;
        }
        let shown = if given.has('D') {
            group
        } else {
            group.get(..1).unwrap_or(group)
        };
        for line in shown {
            if given.has('c') {
                out.put(format!("{count:>7} ").as_bytes());
            }
            out.put(line);
            out.put_byte(end);
        }
    };
    let mut group: Vec<Vec<u8>> = Vec::new();
    let mut key: Option<Vec<u8>> = None;
    loop {
        match lines.read() {
            Ok(Some((line, _))) => {
                let own = part(line);
                if key.as_ref() == Some(&own) {
                    // Only `-D` prints more than the first.
                    group.push(if given.has('D') {
                        line.to_vec()
                    } else {
                        Vec::new()
                    });
                    continue;
                }
                print(&group);
                group = vec![line.to_vec()];
                key = Some(own);
            }
            Ok(None) => break,
            Err(error) => {
                complain("uniq", name, &error);
                return 1;
            }
        }
    }
    print(&group);
    out.finish("uniq", 0, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders() {
        let with = |letters: &str| {
            let mut order = Order::default();
            letters
                .chars()
                .for_each(|letter| assert!(order.take(letter)));
            order
        };
        let less = |letters: &str, a: &str, b: &str| {
            assert_eq!(
                with(letters).compare(a.as_bytes(), b.as_bytes()),
                Ordering::Less,
                "{letters} {a} {b}"
            );
        };
        less("n", "9", "10");
        less("n", "-10", "-9");
        less("n", "-0.5", "x");
        less("n", "1.05", "1.5");
        less("nr", "10", "9");
        less("h", "900K", "1M");
        less("h", "-1G", "5");
        less("M", "jan", "FEB");
        less("V", "a-1.9.apk", "a-1.10.apk");
        less("V", "1.0~rc1", "1.0");
        less("f", "a", "B");
        less("d", "-b", "c");
        less("g", "1e2", "1e3");
        assert_eq!(with("n").compare(b"007", b"7.0"), Ordering::Equal);
    }

    #[test]
    fn keys() {
        let part = |key_text: &str, line: &str, between: Option<u8>| {
            let key = key(key_text).unwrap();
            String::from_utf8(key.part(line.as_bytes(), between).to_vec()).unwrap()
        };
        assert_eq!(part("2", "a b c", None), " b c");
        assert_eq!(part("2,2", "a b c", None), " b");
        assert_eq!(part("2b,2", "a  b c", None), "b");
        assert_eq!(part("2,2", "a:b:c", Some(b':')), "b");
        assert_eq!(part("1.2,1.3", "abcdef", Some(b':')), "bc");
        assert_eq!(part("5", "a b", None), "");
        for bad in ["", "0", "x", "1.0", "1,", "1q"] {
            assert!(key(bad).is_none(), "{bad}");
        }
    }
}

//! `getopt`: a shell script's options in a regular order, quoted for `eval`.

use crate::common::lines::{Output, say};
use crate::common::options::Options;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

pub const USAGE: &str = "[-aqQTu] [-n NAME] [-s sh|bash|csh|tcsh] -o LETTERS [-l NAMES] [--] words...
       getopt LETTERS words...

-o  letters; one colon behind a letter: with a value, two: the value may be left out
-l  long names, with colons likewise and commas between    -a  long names with a single dash, too
-n  the name in messages    -q  no messages    -Q  no output    -u  not quoted    -s  the shell that it is for
-T  fails with 4: this is the newer getopt";

#[derive(Clone, Copy, PartialEq)]
enum Value {
    None,
    Needed,
    Allowed,
}

struct Known {
    letters: Vec<(u8, Value)>,
    names: Vec<(Vec<u8>, Value)>,
    alternative: bool,
    /// The first operand ends the options (`+`), or each operand stays in its place (`-`).
    order: u8,
}

struct Printer {
    text: Vec<u8>,
    quoted: bool,
    csh: bool,
}

impl Printer {
    fn option(&mut self, word: &[u8]) {
        self.text.push(b' ');
        self.text.extend_from_slice(word);
    }

    fn word(&mut self, word: &[u8]) {
        self.text.push(b' ');
        if !self.quoted {
            self.text.extend_from_slice(word);
            return;
        }
        self.text.push(b'\'');
        for byte in word {
            match byte {
                b'\'' => self.text.extend_from_slice(b"'\\''"),
                b'!' if self.csh => self.text.extend_from_slice(b"'\\!'"),
                b'\n' if self.csh => self.text.extend_from_slice(b"\\n"),
                b'\\' if self.csh => self.text.extend_from_slice(b"\\\\"),
                other => self.text.push(*other),
            }
        }
        self.text.push(b'\'');
    }
}

fn colons(text: &[u8]) -> (&[u8], Value) {
    if let Some(name) = text.strip_suffix(b"::") {
        (name, Value::Allowed)
    } else if let Some(name) = text.strip_suffix(b":") {
        (name, Value::Needed)
    } else {
        (text, Value::None)
    }
}

pub fn main(arguments: &[OsString]) -> i32 {
    let compatible = std::env::var_os("GETOPT_COMPATIBLE").is_some();
    let options = Options {
        applet: "getopt",
        letters: "ao:l:n:s:qQuTh",
        long: &[
            ("options", 'o'),
            ("longoptions", 'l'),
            ("alternative", 'a'),
            ("name", 'n'),
            ("shell", 's'),
            ("quiet", 'q'),
            ("quiet-output", 'Q'),
            ("unquoted", 'u'),
            ("test", 'T'),
        ],
    };
    // Our own options end at the first word that is none.
    let mut own = 1;
    while let Some(word) = arguments.get(own) {
        let bytes = word.as_bytes();
        if bytes == b"--" || bytes.len() < 2 || bytes.first() != Some(&b'-') {
            break;
        }
        let valued = match bytes.strip_prefix(b"--") {
            Some(name) => options
                .long
                .iter()
                .any(|(long, letter)| long.as_bytes() == name && "olns".contains(*letter)),
            // The value is the next word only where a letter that takes one is the last.
            None => {
                let letters = bytes.get(1..).unwrap_or_default();
                letters.iter().position(|byte| b"olns".contains(byte)) == Some(letters.len() - 1)
            }
        };
        own += if valued { 2 } else { 1 };
    }
    if compatible {
        own = 1;
    }
    let own = own.min(arguments.len());
    let (head, words) = arguments.split_at(own);
    let given = match options.parse(head) {
        Ok(given) => given,
        // A wrong use of getopt itself is 2; 1 is a wrong use of the script.
        Err(_) => return 2,
    };
    if given.has('T') {
        return if compatible { 0 } else { 4 };
    }
    let old = !head.iter().skip(1).any(|word| word.as_bytes().len() > 1);
    let mut words = words;
    let letters: &[u8] = match given.value('o') {
        Some(letters) => letters.as_bytes(),
        None => {
            if words.first().is_some_and(|word| word == "--") && !compatible {
                words = words.get(1..).unwrap_or_default();
            }
            let Some((letters, rest)) = words.split_first() else {
                say("getopt", "missing optstring");
                return 2;
            };
            words = rest;
            letters.as_bytes()
        }
    };
    if words.first().is_some_and(|word| word == "--") && given.has('o') {
        words = words.get(1..).unwrap_or_default();
    }
    let csh = match given.value('s').map(OsStr::as_bytes) {
        None | Some(b"sh" | b"bash") => false,
        Some(b"csh" | b"tcsh") => true,
        Some(_) => {
            say("getopt", "unknown shell");
            return 2;
        }
    };
    let mut known = Known {
        letters: Vec::new(),
        names: Vec::new(),
        alternative: given.has('a'),
        order: if std::env::var_os("POSIXLY_CORRECT").is_some() {
            b'+'
        } else {
            0
        },
    };
    let mut rest = letters;
    while let Some((letter, behind)) = rest.split_first() {
        rest = behind;
        if known.letters.is_empty() && known.order == 0 && matches!(letter, b'+' | b'-') {
            known.order = *letter;
            continue;
        }
        let count = rest.iter().take_while(|byte| **byte == b':').count();
        rest = rest.get(count..).unwrap_or_default();
        let value = match count {
            0 => Value::None,
            1 => Value::Needed,
            _ => Value::Allowed,
        };
        known.letters.push((*letter, value));
    }
    for list in given.values('l') {
        let parts = list
            .as_bytes()
            .split(|byte| matches!(byte, b',' | b' ' | b'\t' | b'\n'));
        for part in parts.filter(|part| !part.is_empty()) {
            let (name, value) = colons(part);
            known.names.push((name.to_vec(), value));
        }
    }
    let mut printer = Printer {
        text: Vec::new(),
        quoted: !(given.has('u') || compatible || old && !given.has('o')),
        csh,
    };
    let name = given
        .value('n')
        .unwrap_or(OsStr::new("getopt"))
        .display()
        .to_string();
    let quiet = given.has('q');
    let mut status = 0;
    let mut complain = |message: String| {
        if !quiet {
            say(&name, message);
        }
        status = 1;
    };
    sort_out(words, &known, &mut printer, &mut complain);
    if given.has('Q') {
        return status;
    }
    let mut out = Output::new();
    out.put(&printer.text);
    out.put_byte(b'\n');
    out.finish("getopt", status, 3)
}

fn sort_out(
    words: &[OsString],
    known: &Known,
    printer: &mut Printer,
    complain: &mut dyn FnMut(String),
) {
    let mut operands: Vec<&[u8]> = Vec::new();
    let mut words = words.iter().map(|word| word.as_bytes());
    while let Some(word) = words.next() {
        if word == b"--" {
            operands.extend(words);
            break;
        }
        let long = word.strip_prefix(b"--").or_else(|| {
            let name = word
                .strip_prefix(b"-")
                .filter(|name| known.alternative && name.len() > 1)?;
            let plain = name.split(|byte| *byte == b'=').next().unwrap_or(name);
            let fits = known
                .names
                .iter()
                .any(|(known, _)| known.starts_with(plain));
            let letter = known
                .letters
                .iter()
                .any(|(letter, _)| Some(letter) == name.first());
            (fits || !letter).then_some(name)
        });
        if let Some(long) = long {
            name(long, known, &mut words, printer, complain);
            continue;
        }
        let mut letters = match word {
            [b'-', letters @ ..] if !letters.is_empty() => letters,
            operand => {
                match known.order {
                    b'+' => {
                        operands.push(operand);
                        operands.extend(words);
                        break;
                    }
                    b'-' => printer.word(operand),
                    _ => operands.push(operand),
                }
                continue;
            }
        };
        while let Some((letter, behind)) = letters.split_first() {
            letters = behind;
            let found = known.letters.iter().find(|(known, _)| known == letter);
            let shown = char::from(*letter);
            let Some((_, value)) = found else {
                complain(format!("unrecognized option: {shown}"));
                continue;
            };
            let value = match value {
                Value::None => None,
                Value::Allowed => Some(std::mem::take(&mut letters)),
                Value::Needed if letters.is_empty() => match words.next() {
                    Some(word) => Some(word),
                    None => {
                        complain(format!("option requires an argument: {shown}"));
                        continue;
                    }
                },
                Value::Needed => Some(std::mem::take(&mut letters)),
            };
            printer.option(&[b'-', *letter]);
            if let Some(value) = value {
                printer.word(value);
            }
        }
    }
    printer.option(b"--");
    for operand in operands {
        printer.word(operand);
    }
}

fn name<'a>(
    long: &'a [u8],
    known: &Known,
    words: &mut dyn Iterator<Item = &'a [u8]>,
    printer: &mut Printer,
    complain: &mut dyn FnMut(String),
) {
    let (name, joined) = match long.iter().position(|byte| *byte == b'=') {
        Some(at) => (long.get(..at).unwrap_or_default(), long.get(at + 1..)),
        None => (long, None),
    };
    let shown = String::from_utf8_lossy(name);
    let exact = known.names.iter().find(|(known, _)| known == name);
    let mut fits = known
        .names
        .iter()
        .filter(|(known, _)| known.starts_with(name));
    let found = match (exact, fits.next(), fits.next()) {
        (Some(found), _, _) | (None, Some(found), None) => found,
        (None, Some(_), Some(_)) => {
            complain(format!("option '{shown}' is ambiguous"));
            return;
        }
        (None, None, _) => {
            complain(format!("unrecognized option: {shown}"));
            return;
        }
    };
    let value = match (found.1, joined) {
        (Value::None, None) => None,
        (Value::None, Some(_)) => {
            complain(format!("option does not take an argument: {shown}"));
            return;
        }
        (Value::Allowed, joined) => Some(joined.unwrap_or_default()),
        (Value::Needed, Some(value)) => Some(value),
        (Value::Needed, None) => match words.next() {
            Some(word) => Some(word),
            None => {
                complain(format!("option requires an argument: {shown}"));
                return;
            }
        },
    };
    printer.option(&[b"--", found.0.as_slice()].concat());
    if let Some(value) = value {
        printer.word(value);
    }
}

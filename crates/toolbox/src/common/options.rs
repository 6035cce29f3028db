//! Options as BusyBox and GNU take them: clusters of letters, values joined or apart, long names, `--`.

use super::lines::say;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// What an applet takes: its letters as in getopt(3) (`ab:c::` is `-a`, `-b VALUE`, and `-c` or `-cVALUE`), and long
/// names for letters.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The applet, for errors.
    pub applet: &'static str,
    /// The letters. One beyond U+00FF cannot be typed as an option: it is for what only has a long name.
    pub letters: &'static str,
    /// Long names and the letter that each stands for.
    pub long: &'static [(&'static str, char)],
}

/// What was given.
#[derive(Clone, Debug, Default)]
pub struct Given {
    options: Vec<(char, Option<OsString>)>,
    /// What is no option.
    pub operands: Vec<OsString>,
}

impl Given {
    /// A letter's value as a number; `usual` where it is not given. `Err`: the wrong text.
    pub fn number<T: std::str::FromStr>(&self, letter: char, usual: T) -> Result<T, String> {
        match self.value(letter) {
            None => Ok(usual),
            Some(word) => word
                .to_str()
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| format!("invalid number '{}'", word.display())),
        }
    }

    /// Whether a letter was given.
    pub fn has(&self, letter: char) -> bool {
        self.options.iter().any(|(known, _)| *known == letter)
    }

    /// As if a letter without a value had been given.
    pub fn set(&mut self, letter: char) {
        self.options.push((letter, None));
    }

    /// The value of a letter; the last one counts.
    pub fn value(&self, letter: char) -> Option<&OsStr> {
        self.options
            .iter()
            .rev()
            .find(|(known, _)| *known == letter)
            .and_then(|(_, value)| value.as_deref())
    }

    /// All letters with their values, in their order.
    pub fn in_order(&self) -> impl Iterator<Item = (char, Option<&OsStr>)> {
        self.options
            .iter()
            .map(|(letter, value)| (*letter, value.as_deref()))
    }

    /// All values of a letter, in their order.
    pub fn values(&self, letter: char) -> impl Iterator<Item = &OsStr> {
        self.options
            .iter()
            .filter(move |(known, _)| *known == letter)
            .filter_map(|(_, value)| value.as_deref())
    }

    /// Whichever of the letters was given last.
    pub fn last_of(&self, letters: &str) -> Option<char> {
        self.options
            .iter()
            .rev()
            .map(|(letter, _)| *letter)
            .find(|letter| letters.contains(*letter))
    }
}

/// Whether a letter takes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    Nothing,
    Value,
    /// Only one that is joined to it.
    Joined,
}

impl Options {
    fn takes(&self, letter: char) -> Option<Takes> {
        let mut letters = self.letters.chars().peekable();
        while let Some(known) = letters.next() {
            let mut takes = Takes::Nothing;
            if letters.next_if_eq(&':').is_some() {
                takes = Takes::Value;
                if letters.next_if_eq(&':').is_some() {
                    takes = Takes::Joined;
                }
            }
            if known == letter {
                return Some(takes);
            }
        }
        None
    }

    /// Reads the arguments behind the name. `Err`: an option is wrong, which was told; the value is the status.
    pub fn parse(&self, arguments: &[OsString]) -> Result<Given, i32> {
        let mut given = Given::default();
        let mut words = arguments.iter().skip(1);
        while let Some(word) = words.next() {
            let bytes = word.as_bytes();
            if bytes == b"--" {
                given.operands.extend(words.cloned());
                break;
            }
            if let Some(long) = bytes.strip_prefix(b"--") {
                let (name, joined) = match long.iter().position(|byte| *byte == b'=') {
                    Some(at) => (long.get(..at).unwrap_or_default(), long.get(at + 1..)),
                    None => (long, None),
                };
                let Some((_, letter)) =
                    self.long.iter().find(|(known, _)| known.as_bytes() == name)
                else {
                    return Err(self.wrong(&format!("unrecognized option '{}'", word.display())));
                };
                let value =
                    match (self.takes(*letter), joined) {
                        (Some(Takes::Value | Takes::Joined), Some(value)) => {
                            Some(OsString::from_vec(value.to_vec()))
                        }
                        (Some(Takes::Value), None) => Some(self.next_value(
                            &mut words,
                            &format!("--{}", String::from_utf8_lossy(name)),
                        )?),
                        (_, Some(_)) => {
                            return Err(
                                self.wrong(&format!("option '{}' takes no value", word.display()))
                            );
                        }
                        (_, None) => None,
                    };
                given.options.push((*letter, value));
                continue;
            }
            if bytes.len() < 2 || bytes.first() != Some(&b'-') {
                given.operands.push(word.clone());
                continue;
            }
            let mut rest = bytes.get(1..).unwrap_or_default();
            while let Some((letter, behind)) = rest.split_first() {
                let letter = char::from(*letter);
                rest = behind;
                match self.takes(letter) {
                    None => return Err(self.wrong(&format!("unrecognized option '-{letter}'"))),
                    Some(Takes::Nothing) => given.options.push((letter, None)),
                    Some(Takes::Joined) => {
                        let value = (!rest.is_empty()).then(|| OsString::from_vec(rest.to_vec()));
                        given.options.push((letter, value));
                        rest = b"";
                    }
                    Some(Takes::Value) => {
                        let value = if rest.is_empty() {
                            self.next_value(&mut words, &format!("-{letter}"))?
                        } else {
                            OsString::from_vec(rest.to_vec())
                        };
                        given.options.push((letter, Some(value)));
                        rest = b"";
                    }
                }
            }
        }
        Ok(given)
    }

    /// [`Options::parse`] and [`Options::operands`] in one.
    pub fn take(&self, arguments: &[OsString], least: usize, most: usize) -> Result<Given, i32> {
        let given = self.parse(arguments)?;
        self.operands(&given, least, most)?;
        Ok(given)
    }

    /// The options in front of the first operand, which begins another program's words: those stay as they are.
    pub fn take_program(&self, arguments: &[OsString]) -> Result<(Given, Vec<OsString>), i32> {
        let at = super::running::program_at(arguments, self.letters);
        let (own, program) = arguments.split_at(at);
        let mut given = self.parse(own)?;
        given.operands.clear();
        Ok((given, program.to_vec()))
    }

    fn next_value<'a>(
        &self,
        words: &mut impl Iterator<Item = &'a OsString>,
        option: &str,
    ) -> Result<OsString, i32> {
        words
            .next()
            .cloned()
            .ok_or_else(|| self.wrong(&format!("option '{option}' needs a value")))
    }

    /// Tells of a wrong use, and gives the status.
    pub fn wrong(&self, what: &str) -> i32 {
        say(self.applet, what);
        say(self.applet, format!("try '{} --help'", self.applet));
        1
    }

    /// Checks that there are enough operands and not too many.
    pub fn operands(&self, given: &Given, least: usize, most: usize) -> Result<(), i32> {
        match given.operands.len() {
            count if count < least => Err(self.wrong("missing operand")),
            count if count > most => {
                let extra = given
                    .operands
                    .get(most)
                    .map(|word| word.display().to_string())
                    .unwrap_or_default();
                Err(self.wrong(&format!("extra operand '{extra}'")))
            }
            _ => Ok(()),
        }
    }
}

/// A whole number with an optional suffix: `b` 512, `k` 1024, `m`, `g`, and `kB` for 1000.
pub fn size(text: &OsStr) -> Option<u64> {
    let text = text.to_str()?;
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, suffix) = text.split_at(digits);
    let unit: u64 = match suffix {
        "" | "c" => 1,
        "w" => 2,
        "b" => 512,
        "kB" | "KB" => 1000,
        "k" | "K" | "kiB" | "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "m" | "M" | "MiB" => 1 << 20,
        "g" | "G" | "GiB" => 1 << 30,
        "T" | "TiB" => 1 << 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: Options = Options {
        applet: "test",
        letters: "ab:c",
        long: &[("all", 'a'), ("be", 'b')],
    };

    fn parse(words: &[&str]) -> Result<Given, i32> {
        let words: Vec<OsString> = std::iter::once("test")
            .chain(words.iter().copied())
            .map(OsString::from)
            .collect();
        OPTIONS.parse(&words)
    }

    #[test]
    fn clusters_values_and_long_names() {
        let given = parse(&["-ab", "x", "y", "-by", "--be=z", "--all", "--", "-c"]).unwrap();
        assert!(given.has('a') && !given.has('c'));
        assert_eq!(given.values('b').collect::<Vec<_>>(), ["x", "y", "z"]);
        assert_eq!(given.operands, ["y", "-c"]);
        assert_eq!(parse(&["-"]).unwrap().operands, ["-"]);
    }

    #[test]
    fn a_letter_beyond_a_byte_is_only_for_a_long_name() {
        let options = Options {
            applet: "test",
            letters: "a\u{100}\u{101}:",
            long: &[("spider", '\u{100}'), ("header", '\u{101}')],
        };
        let parse = |words: &[&str]| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            options.parse(&words)
        };
        let given = parse(&["test", "--header=x", "--spider", "--header", "y"]).unwrap();
        assert!(given.has('\u{100}'));
        assert_eq!(given.values('\u{101}').collect::<Vec<_>>(), ["x", "y"]);
        // Its bytes in UTF-8 are no letters, either.
        assert_eq!(parse(&["test", "-\u{100}"]).unwrap_err(), 1);
    }

    #[test]
    fn a_value_that_may_be_left_out_is_joined() {
        let options = Options {
            applet: "test",
            letters: "an::",
            long: &[("no", 'n')],
        };
        let words = ["test", "-anv", "-n", "x", "--no=y", "--no"].map(OsString::from);
        let given = options.parse(&words).unwrap();
        assert!(given.has('a') && given.has('n'));
        assert_eq!(given.values('n').collect::<Vec<_>>(), ["v", "y"]);
        assert_eq!(given.operands, ["x"]);
    }

    #[test]
    fn what_is_wrong_is_refused() {
        for words in [&["-x"][..], &["-b"], &["--none"], &["--all=1"]] {
            assert_eq!(parse(words).unwrap_err(), 1, "{words:?}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(size(OsStr::new("3k")), Some(3072));
        assert_eq!(size(OsStr::new("7")), Some(7));
        for bad in ["", "k", "1x", "-1", "99999999999999999999", "99999999999G"] {
            assert_eq!(size(OsStr::new(bad)), None, "{bad}");
        }
    }
}

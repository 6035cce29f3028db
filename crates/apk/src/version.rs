//! Package versions: `num{.num}…{letter}{_suffix{num}}…{~hex}{-rN}`, ordered as apk-tools 3 orders them.

use std::cmp::Ordering;
use std::fmt;

/// A version as it is written. Any text is kept; [`Version::is_valid`] says whether it follows the grammar.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Version(String);

/// The kinds of token, in the order that decides when one version ends or goes on differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    InitialDigit,
    Digit,
    Letter,
    Suffix,
    SuffixNumber,
    CommitHash,
    RevisionNumber,
    End,
    Invalid,
}

/// Suffixes before a release, in order, and those behind it.
const SUFFIXES: [(&str, i8); 9] = [
    ("alpha", -4),
    ("beta", -3),
    ("pre", -2),
    ("rc", -1),
    ("cvs", 1),
    ("svn", 2),
    ("git", 3),
    ("hg", 4),
    ("p", 5),
];

struct Tokens<'a> {
    rest: &'a str,
    kind: Kind,
    text: &'a str,
    rank: i8,
}

impl<'a> Tokens<'a> {
    fn new(text: &'a str) -> Tokens<'a> {
        let mut tokens = Tokens {
            rest: text,
            kind: Kind::Invalid,
            text: "",
            rank: 0,
        };
        tokens.take_digits(Kind::InitialDigit);
        tokens
    }

    fn take_digits(&mut self, kind: Kind) {
        self.take_while(kind, |byte| byte.is_ascii_digit());
    }

    fn take_while(&mut self, kind: Kind, wanted: impl Fn(u8) -> bool) {
        let len = self.rest.bytes().take_while(|byte| wanted(*byte)).count();
        let (text, rest) = self.rest.split_at(len);
        self.text = text;
        self.rest = rest;
        self.kind = if len == 0 { Kind::Invalid } else { kind };
    }

    fn advance(&mut self) {
        let mut letters = self.rest.bytes();
        let previous = self.kind;
        match letters.next() {
            None => {
                self.kind = Kind::End;
                self.text = "";
            }
            Some(b'.') if matches!(previous, Kind::InitialDigit | Kind::Digit) => {
                self.rest = &self.rest[1..];
                self.take_digits(Kind::Digit);
            }
            Some(b'a'..=b'z') if matches!(previous, Kind::InitialDigit | Kind::Digit) => {
                let (text, rest) = self.rest.split_at(1);
                (self.text, self.rest, self.kind) = (text, rest, Kind::Letter);
            }
            Some(b'_') if previous < Kind::CommitHash => {
                self.rest = &self.rest[1..];
                self.take_while(Kind::Suffix, |byte| byte.is_ascii_lowercase());
                match SUFFIXES.iter().find(|(name, _)| *name == self.text) {
                    Some((_, rank)) => self.rank = *rank,
                    None => self.kind = Kind::Invalid,
                }
            }
            Some(b'0'..=b'9') if previous == Kind::Suffix => self.take_digits(Kind::SuffixNumber),
            Some(b'~') if previous < Kind::CommitHash => {
                self.rest = &self.rest[1..];
                self.take_while(
                    Kind::CommitHash,
                    |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
                );
            }
            Some(b'-') if previous < Kind::RevisionNumber && self.rest.starts_with("-r") => {
                self.rest = &self.rest[2..];
                self.take_digits(Kind::RevisionNumber);
            }
            Some(_) => self.kind = Kind::Invalid,
        }
    }

    fn compare(&self, other: &Tokens<'_>) -> Ordering {
        match self.kind {
            Kind::Digit if self.text.starts_with('0') || other.text.starts_with('0') => {
                self.text.cmp(other.text)
            }
            Kind::InitialDigit | Kind::Digit | Kind::SuffixNumber | Kind::RevisionNumber => {
                numeric(self.text, other.text)
            }
            Kind::Suffix => self.rank.cmp(&other.rank),
            Kind::Letter | Kind::CommitHash => self.text.cmp(other.text),
            Kind::End | Kind::Invalid => Ordering::Equal,
        }
    }
}

/// Numbers of any length.
fn numeric(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

impl Version {
    /// Takes any text.
    pub fn new(text: impl Into<String>) -> Version {
        Version(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it follows the grammar.
    pub fn is_valid(&self) -> bool {
        let mut tokens = Tokens::new(&self.0);
        while !matches!(tokens.kind, Kind::End | Kind::Invalid) {
            tokens.advance();
        }
        tokens.kind == Kind::End
    }

    /// Whether `self` begins with `prefix`, token by token: what the operator `~` asks.
    pub fn starts_with(&self, prefix: &Version) -> bool {
        self.compare(prefix, true) == Ordering::Equal
    }

    fn compare(&self, other: &Version, fuzzy: bool) -> Ordering {
        if self.0 == other.0 {
            return Ordering::Equal;
        }
        let (mut a, mut b) = (Tokens::new(&self.0), Tokens::new(&other.0));
        while a.kind == b.kind && !matches!(a.kind, Kind::End | Kind::Invalid) {
            let order = a.compare(&b);
            if order != Ordering::Equal {
                return order;
            }
            a.advance();
            b.advance();
        }
        if a.kind == b.kind || (fuzzy && b.kind == Kind::End) {
            return Ordering::Equal;
        }
        // One goes on: with a pre-release suffix it is the smaller, with anything else the larger.
        if a.kind == Kind::Suffix && a.rank < 0 {
            return Ordering::Less;
        }
        if b.kind == Kind::Suffix && b.rank < 0 {
            return Ordering::Greater;
        }
        // Otherwise the token that comes later in the grammar loses.
        b.kind.cmp(&a.kind)
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Version) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Version) -> Ordering {
        self.compare(other, false).then_with(|| {
            // Equal to the ordering but not to the letter ("1.0" and "1.00"): no order of their own.
            Ordering::Equal
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordered_as_apk_orders_them() {
        // Each line ascends.
        for line in [
            "1_alpha 1_alpha1 1_alpha2 1_beta 1_pre 1_rc 1_rc2 1 1_cvs 1_svn 1_git 1_hg 1_p 1_p1",
            "1.0 1.0a 1.0b 1.1 1.2 1.10 1.10.1 2",
            "0.9 1 1-r1 1-r2 1-r10 1.0",
            "1.0_rc1-r5 1.0-r0 1.0-r1",
            "1.01 1.02 1.1",
            "4 19 100000000000000000000 100000000000000000001",
        ] {
            let versions: Vec<Version> = line.split(' ').map(Version::new).collect();
            for pair in versions.windows(2) {
                assert_eq!(
                    pair[0].cmp(&pair[1]),
                    Ordering::Less,
                    "{} < {}",
                    pair[0],
                    pair[1]
                );
                assert_eq!(
                    pair[1].cmp(&pair[0]),
                    Ordering::Greater,
                    "{} > {}",
                    pair[1],
                    pair[0]
                );
            }
        }
    }

    #[test]
    fn the_grammar() {
        for good in [
            "1",
            "1.2.3a_p1-r4",
            "20240101",
            "1_git20240101~abc123-r0",
            "0.1_alpha_pre2",
        ] {
            assert!(Version::new(good).is_valid(), "{good}");
        }
        for bad in [
            "", "a", "1.", "1-r", "1_foo", "1-1", "1.2A", "1~xyz", "-r1", "1 ",
        ] {
            assert!(!Version::new(bad).is_valid(), "{bad}");
        }
    }

    #[test]
    fn prefixes() {
        let is =
            |version: &str, prefix: &str| Version::new(version).starts_with(&Version::new(prefix));
        assert!(is("1.2.3-r4", "1.2") && is("1.2.3-r4", "1.2.3") && is("1.2", "1.2"));
        assert!(!is("1.20", "1.2") && !is("1.2", "1.2.3"));
    }
}

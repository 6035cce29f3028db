//! Characters and sets of them.

/// What a byte that is not part of valid UTF-8 counts as: this plus the byte.
pub const INVALID: u32 = 0x11_0000;

/// The character at `at` and how many bytes it has. `at` must be inside the text.
#[inline]
pub fn decode(text: &[u8], at: usize) -> (u32, usize) {
    let first = text[at];
    if first < 0x80 {
        return (u32::from(first), 1);
    }
    decode_long(text, at, first)
}

fn decode_long(text: &[u8], at: usize, first: u8) -> (u32, usize) {
    let invalid = (INVALID + u32::from(first), 1);
    let (length, low, mut value) = match first {
        0xC2..=0xDF => (2, 0x80, u32::from(first & 0x1F)),
        0xE0..=0xEF => (3, 0x800, u32::from(first & 0x0F)),
        0xF0..=0xF4 => (4, 0x1_0000, u32::from(first & 0x07)),
        _ => return invalid,
    };
    let Some(tail) = text.get(at + 1..at + length) else {
        return invalid;
    };
    for &byte in tail {
        if byte & 0xC0 != 0x80 {
            return invalid;
        }
        value = value << 6 | u32::from(byte & 0x3F);
    }
    if value < low || char::from_u32(value).is_none() {
        invalid
    } else {
        (value, length)
    }
}

/// The character that ends at `at`, if there is one.
pub fn decode_before(text: &[u8], at: usize) -> Option<u32> {
    for back in 1..=4.min(at) {
        let start = at - back;
        if text[start] & 0xC0 != 0x80 || text[start] < 0x80 {
            let (c, length) = decode(text, start);
            if length == back {
                return Some(c);
            }
            break;
        }
    }
    at.checked_sub(1)
        .map(|last| INVALID + u32::from(text[last]))
}

/// Appends the bytes of a character.
pub fn encode(c: u32, out: &mut Vec<u8>) {
    match char::from_u32(c) {
        Some(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        None => out.push((c & 0xFF) as u8),
    }
}

/// Whether the character can be part of a word: letters, digits, underscore.
pub fn is_word(c: u32) -> bool {
    if c < 0x80 {
        return (c as u8).is_ascii_alphanumeric() || c == u32::from(b'_');
    }
    char::from_u32(c).is_some_and(char::is_alphanumeric)
}

/// The other-case forms of a character, itself excluded.
pub fn other_cases(c: u32) -> impl Iterator<Item = u32> {
    let found = char::from_u32(c).map(|c| {
        let mut lower = c.to_lowercase();
        let mut upper = c.to_uppercase();
        let single = |first: Option<char>, more: Option<char>| match (first, more) {
            (Some(other), None) if other != c => Some(u32::from(other)),
            _ => None,
        };
        [
            single(lower.next(), lower.next()),
            single(upper.next(), upper.next()),
        ]
    });
    found.into_iter().flatten().flatten()
}

/// A character class of POSIX.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Alpha,
    Digit,
    Alnum,
    Upper,
    Lower,
    Space,
    Blank,
    Punct,
    Print,
    Graph,
    Cntrl,
    Xdigit,
}

impl Class {
    /// The class of that name.
    pub fn named(name: &[u8]) -> Option<Class> {
        Some(match name {
            b"alpha" => Class::Alpha,
            b"digit" => Class::Digit,
            b"alnum" => Class::Alnum,
            b"upper" => Class::Upper,
            b"lower" => Class::Lower,
            b"space" => Class::Space,
            b"blank" => Class::Blank,
            b"punct" => Class::Punct,
            b"print" => Class::Print,
            b"graph" => Class::Graph,
            b"cntrl" => Class::Cntrl,
            b"xdigit" => Class::Xdigit,
            _ => return None,
        })
    }

    fn has_ascii(self, b: u8) -> bool {
        match self {
            Class::Alpha => b.is_ascii_alphabetic(),
            Class::Digit => b.is_ascii_digit(),
            Class::Alnum => b.is_ascii_alphanumeric(),
            Class::Upper => b.is_ascii_uppercase(),
            Class::Lower => b.is_ascii_lowercase(),
            Class::Space => b == b' ' || (9..=13).contains(&b),
            Class::Blank => b == b' ' || b == b'\t',
            Class::Punct => b.is_ascii_punctuation(),
            Class::Print => (0x20..0x7F).contains(&b),
            Class::Graph => b.is_ascii_graphic(),
            Class::Cntrl => b.is_ascii_control(),
            Class::Xdigit => b.is_ascii_hexdigit(),
        }
    }

    fn has_wide(self, c: char) -> bool {
        match self {
            Class::Alpha => c.is_alphabetic(),
            Class::Alnum => c.is_alphanumeric(),
            Class::Upper => c.is_uppercase(),
            Class::Lower => c.is_lowercase(),
            Class::Space | Class::Blank => c.is_whitespace(),
            Class::Print => !c.is_control(),
            Class::Graph => !c.is_control() && !c.is_whitespace(),
            Class::Punct => !c.is_alphanumeric() && !c.is_control() && !c.is_whitespace(),
            Class::Cntrl => c.is_control(),
            Class::Digit | Class::Xdigit => false,
        }
    }
}

/// A set of characters: bits for ASCII, ranges and classes for the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Set {
    ascii: u128,
    ranges: Vec<(u32, u32)>,
    classes: Vec<Class>,
    negated: bool,
    ignore_case: bool,
}

impl Set {
    /// Adds all from `first` to `last`, both included.
    pub fn add_range(&mut self, first: u32, last: u32) {
        for c in first..=last.min(127) {
            self.ascii |= 1 << c;
        }
        if last >= 128 {
            self.ranges.push((first.max(128), last));
        }
    }

    /// Adds a class.
    pub fn add_class(&mut self, class: Class) {
        for b in 0..128u8 {
            if class.has_ascii(b) {
                self.ascii |= 1 << b;
            }
        }
        if !self.classes.contains(&class) {
            self.classes.push(class);
        }
    }

    /// Makes the set blind to case.
    pub fn fold_case(&mut self) {
        for (upper, lower) in (b'A'..=b'Z').zip(b'a'..=b'z') {
            if self.ascii & (1 << upper | 1 << lower) != 0 {
                self.ascii |= 1 << upper | 1 << lower;
            }
        }
        self.ignore_case = true;
    }

    /// Turns the set into all that it had not.
    pub fn negate(&mut self) {
        self.ascii = !self.ascii;
        self.negated = !self.negated;
    }

    /// Takes one ASCII character out.
    pub fn remove(&mut self, b: u8) {
        self.ascii &= !(1 << b);
    }

    /// Whether the character is in the set.
    pub fn has(&self, c: u32) -> bool {
        if c < 128 {
            return self.ascii >> c & 1 == 1;
        }
        let found = self.has_plain(c)
            || self.ignore_case && other_cases(c).any(|other| self.has_plain(other));
        found != self.negated
    }

    fn has_plain(&self, c: u32) -> bool {
        if c < 128 {
            return (self.ascii >> c & 1 == 1) != self.negated;
        }
        self.ranges
            .iter()
            .any(|&(first, last)| first <= c && c <= last)
            || char::from_u32(c).is_some_and(|c| self.classes.iter().any(|class| class.has_wide(c)))
    }

    /// Whether no character beyond ASCII can be in the set.
    pub fn is_ascii(&self) -> bool {
        !self.negated
            && self.ranges.is_empty()
            && self
                .classes
                .iter()
                .all(|class| matches!(class, Class::Digit | Class::Xdigit))
            && !self.ignore_case
    }
}

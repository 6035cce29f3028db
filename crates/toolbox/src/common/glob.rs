//! Patterns for names, as the shell has them (POSIX.1-2024, XCU 2.14): `*`, `?`, `[...]`, and `\` before a character
//! that is meant itself.

/// How a pattern is matched.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Upper and lower case (of ASCII) are the same.
    pub ignore_case: bool,
    /// `*`, `?` and brackets do not match a `/`.
    pub whole_components: bool,
}

/// Whether the pattern matches the whole name. Takes at most the product of the lengths in steps.
pub fn matches(pattern: &[u8], name: &[u8], options: Options) -> bool {
    let (mut p, mut n) = (0, 0);
    // Where to go on when it fails: behind the last star, with one more character taken by it.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if p == pattern.len() && n == name.len() {
            return true;
        }
        let mut ok = false;
        if pattern.get(p) == Some(&b'*') {
            retry = Some((p, n));
            p += 1;
            continue;
        } else if n < name.len() && p < pattern.len() {
            let (c, length) = character(name, n);
            if let Some(next) = one(pattern, p, c, options) {
                p = next;
                n += length;
                ok = true;
            }
        }
        if ok {
            continue;
        }
        match retry {
            Some((star, at))
                if at < name.len() && !(options.whole_components && name[at] == b'/') =>
            {
                n = at + character(name, at).1;
                retry = Some((star, n));
                p = star + 1;
            }
            _ => return false,
        }
    }
}

/// The character at a place, and its length; a byte that is not UTF-8 counts as one.
fn character(text: &[u8], at: usize) -> (u32, usize) {
    let first = text[at];
    if first >= 0x80 {
        let rest = &text[at..text.len().min(at + 4)];
        for length in 2..=rest.len() {
            if let Ok(text) = std::str::from_utf8(&rest[..length]) {
                return (text.chars().next().map_or(0, u32::from), length);
            }
        }
    }
    (u32::from(first), 1)
}

fn fold(c: u32) -> u32 {
    if (65..=90).contains(&c) { c + 32 } else { c }
}

/// Where the pattern goes on if its next element matches the character.
fn one(pattern: &[u8], at: usize, c: u32, options: Options) -> Option<usize> {
    let same = |a: u32| a == c || options.ignore_case && fold(a) == fold(c);
    let slash = options.whole_components && c == u32::from(b'/');
    match pattern[at] {
        b'?' => (!slash).then_some(at + 1),
        b'[' => match bracket(pattern, at, c, options) {
            Some((matched, next)) => (matched && !slash).then_some(next),
            None => same(u32::from(b'[')).then_some(at + 1),
        },
        b'\\' if at + 1 < pattern.len() => {
            let (wanted, length) = character(pattern, at + 1);
            same(wanted).then_some(at + 1 + length)
        }
        _ => {
            let (wanted, length) = character(pattern, at);
            same(wanted).then_some(at + length)
        }
    }
}

/// Whether the bracket expression matches, and where it ends. None: it has no end.
fn bracket(pattern: &[u8], start: usize, c: u32, options: Options) -> Option<(bool, usize)> {
    let mut at = start + 1;
    let negated = matches!(pattern.get(at), Some(b'!' | b'^'));
    if negated {
        at += 1;
    }
    let first = at;
    let mut found = false;
    loop {
        let byte = *pattern.get(at)?;
        if byte == b']' && at > first {
            return Some((found != negated, at + 1));
        }
        if byte == b'[' && pattern.get(at + 1) == Some(&b':') {
            let rest = &pattern[at + 2..];
            if let Some(length) = rest.windows(2).position(|pair| pair == b":]") {
                found |= in_class(&rest[..length], c);
                at += length + 4;
                continue;
            }
        }
        if byte == b'\\' && at + 1 < pattern.len() {
            at += 1;
        }
        let (low, length) = character(pattern, at);
        at += length;
        let mut high = low;
        if pattern.get(at) == Some(&b'-') && pattern.get(at + 1).is_some_and(|next| *next != b']') {
            at += 1;
            if pattern[at] == b'\\' && at + 1 < pattern.len() {
                at += 1;
            }
            let (end, length) = character(pattern, at);
            high = end;
            at += length;
        }
        found |= low <= c && c <= high;
        if options.ignore_case {
            let (lower, upper) = (fold(c), if (97..=122).contains(&c) { c - 32 } else { c });
            found |= low <= lower && lower <= high || low <= upper && upper <= high;
        }
    }
}

fn in_class(name: &[u8], c: u32) -> bool {
    let Some(c) = char::from_u32(c) else {
        return false;
    };
    match name {
        b"alpha" => c.is_alphabetic(),
        b"digit" => c.is_ascii_digit(),
        b"alnum" => c.is_alphanumeric(),
        b"upper" => c.is_uppercase(),
        b"lower" => c.is_lowercase(),
        b"space" => c.is_whitespace(),
        b"blank" => c == ' ' || c == '\t',
        b"punct" => c.is_ascii_punctuation(),
        b"print" => !c.is_control(),
        b"graph" => !c.is_control() && !c.is_whitespace(),
        b"cntrl" => c.is_control(),
        b"xdigit" => c.is_ascii_hexdigit(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table() {
        let cases = [
            ("*", "", true),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXbY", false),
            ("?", "é", true),
            ("[!a-c]x", "dx", true),
            ("[!a-c]x", "bx", false),
            ("[]]", "]", true),
            ("[a", "[a", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("[[:digit:]]*", "1a", true),
            ("*.[ch]", "x.c", true),
            ("**a", "bba", true),
        ];
        for (pattern, name, wanted) in cases {
            let found = matches(pattern.as_bytes(), name.as_bytes(), Options::default());
            assert_eq!(found, wanted, "{pattern} {name}");
        }
        let fold = Options {
            ignore_case: true,
            ..Options::default()
        };
        assert!(matches(b"A[b-c]*", b"aBx", fold));
        let components = Options {
            whole_components: true,
            ..Options::default()
        };
        assert!(!matches(b"a*c", b"a/c", components));
        assert!(!matches(
            &b"*a".repeat(50),
            &b"a".repeat(49),
            Options::default()
        ));
    }
}

//! Patterns (POSIX.1-2024, 2.14): `*`, `?`, `[…]`, and pathname expansion.
//!
//! A pattern is bytes in which a backslash takes the next one's meaning away.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Whether a byte may mean something else than itself in a pattern.
pub(crate) fn is_special(byte: u8) -> bool {
    matches!(
        byte,
        b'*' | b'?' | b'[' | b']' | b'\\' | b'-' | b'!' | b'^' | b':'
    )
}

/// Makes text stand for itself in a pattern.
pub fn quote(text: &[u8], out: &mut Vec<u8>) {
    for byte in text {
        if is_special(*byte) {
            out.push(b'\\');
        }
        out.push(*byte);
    }
}

/// The text of a pattern whose quoting is done with.
pub fn unquote(pattern: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(pattern.len());
    let mut bytes = pattern.iter();
    while let Some(byte) = bytes.next() {
        if *byte == b'\\' {
            out.extend(bytes.next());
        } else {
            out.push(*byte);
        }
    }
    out
}

/// Whether there is anything in it but plain text.
pub fn is_alive(pattern: &[u8]) -> bool {
    let mut bytes = pattern.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next();
            }
            b'*' | b'?' => return true,
            // The command `[`, which stands in every other line of scripts, must not have folders looked through.
            b'[' if bytes.as_slice().contains(&b']') => return true,
            _ => {}
        }
    }
    false
}

/// How many bytes a character takes that begins `text`: UTF-8 where it is, else one.
pub fn character(text: &[u8]) -> usize {
    let len = match text.first() {
        Some(0xc2..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf4) => 4,
        _ => return 1,
    };
    match text.get(1..len) {
        Some(rest) if rest.iter().all(|byte| byte & 0xc0 == 0x80) => len,
        _ => 1,
    }
}

/// Whether the whole text matches.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where the last `*` stands, and from where of the text it was tried last: going back to the last one is enough.
    let mut star: Option<(usize, usize)> = None;
    loop {
        let step = match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
                continue;
            }
            None if t == text.len() => return true,
            None => None,
            Some(_) if t >= text.len() => None,
            Some(b'?') => Some((p + 1, t + character(text.get(t..).unwrap_or_default()))),
            Some(b'[') => match bracket(
                pattern.get(p..).unwrap_or_default(),
                text.get(t..).unwrap_or_default(),
            ) {
                Bracket::Matches(len, used) => Some((p + len, t + used)),
                Bracket::Fails => None,
                Bracket::None => (text.get(t) == Some(&b'[')).then_some((p + 1, t + 1)),
            },
            Some(b'\\') if p + 1 < pattern.len() => {
                (pattern.get(p + 1) == text.get(t)).then_some((p + 2, t + 1))
            }
            Some(byte) => (Some(byte) == text.get(t)).then_some((p + 1, t + 1)),
        };
        match (step, star) {
            (Some(next), _) => (p, t) = next,
            (None, Some((at, from))) if from < text.len() => {
                let from = from + character(text.get(from..).unwrap_or_default());
                star = Some((at, from));
                (p, t) = (at + 1, from);
            }
            (None, _) => return false,
        }
    }
}

enum Bracket {
    /// The expression's length in the pattern, and the bytes of text that it took.
    Matches(usize, usize),
    Fails,
    /// It has no end, so `[` stands for itself.
    None,
}

fn code(text: &[u8]) -> (u32, usize) {
    let len = character(text);
    let text = text.get(..len).unwrap_or_default();
    let value = std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.chars().next())
        .map(u32::from);
    (
        value.unwrap_or_else(|| text.first().map_or(0, |byte| u32::from(*byte))),
        len,
    )
}

fn bracket(pattern: &[u8], text: &[u8]) -> Bracket {
    let mut at = 1;
    let negate = matches!(pattern.get(at), Some(b'!' | b'^'));
    at += usize::from(negate);
    let (wanted, used) = code(text);
    let mut found = false;
    let first = at;
    loop {
        match pattern.get(at) {
            None => return Bracket::None,
            Some(b']') if at > first => break,
            Some(b'[') if pattern.get(at + 1) == Some(&b':') => {
                let rest = pattern.get(at + 2..).unwrap_or_default();
                if let Some(end) = rest.windows(2).position(|pair| pair == b":]") {
                    found |= in_class(rest.get(..end).unwrap_or_default(), wanted);
                    at += end + 4;
                    continue;
                }
            }
            _ => {}
        }
        let element = |mut at: usize| {
            if pattern.get(at) == Some(&b'\\') && at + 1 < pattern.len() {
                at += 1;
            }
            let (value, len) = code(pattern.get(at..).unwrap_or_default());
            (value, at + len)
        };
        let (low, behind) = element(at);
        at = behind;
        if pattern.get(at) == Some(&b'-') && pattern.get(at + 1).is_some_and(|byte| *byte != b']') {
            let (high, behind) = element(at + 1);
            found |= (low..=high).contains(&wanted);
            at = behind;
        } else {
            found |= low == wanted;
        }
    }
    if found == negate {
        Bracket::Fails
    } else {
        Bracket::Matches(at + 1, used)
    }
}

fn in_class(name: &[u8], code: u32) -> bool {
    let Some(c) = char::from_u32(code) else {
        return false;
    };
    match name {
        b"alpha" => c.is_alphabetic(),
        b"digit" => c.is_ascii_digit(),
        b"alnum" => c.is_alphanumeric(),
        b"upper" => c.is_uppercase(),
        b"lower" => c.is_lowercase(),
        b"space" => c.is_whitespace() || c == '\x0b',
        b"blank" => c == ' ' || c == '\t',
        b"punct" => c.is_ascii_punctuation(),
        b"print" => !c.is_control(),
        b"graph" => !c.is_control() && !c.is_whitespace(),
        b"cntrl" => c.is_control(),
        b"xdigit" => c.is_ascii_hexdigit(),
        _ => false,
    }
}

/// The paths that match, sorted by bytes; none: there are none.
pub fn expand_path(pattern: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let (base, rest) = match pattern.iter().position(|byte| *byte != b'/') {
        Some(slashes) => pattern.split_at(slashes),
        None => return found,
    };
    walk(base.to_vec(), rest, &mut found);
    found.sort();
    found
}

fn walk(base: Vec<u8>, pattern: &[u8], found: &mut Vec<Vec<u8>>) {
    let (part, rest) = match pattern.iter().position(|byte| *byte == b'/') {
        Some(at) => pattern.split_at(at),
        None => (pattern, &b""[..]),
    };
    let slashes = rest.iter().take_while(|byte| **byte == b'/').count();
    let (between, rest) = rest.split_at(slashes);
    let mut go = |name: &[u8]| {
        let mut path = base.clone();
        path.extend_from_slice(name);
        if between.is_empty() {
            if Path::new(OsStr::from_bytes(&path))
                .symlink_metadata()
                .is_ok()
            {
                found.push(path);
            }
            return;
        }
        path.extend_from_slice(between);
        if rest.is_empty() {
            if Path::new(OsStr::from_bytes(&path)).is_dir() {
                found.push(path);
            }
        } else {
            walk(path, rest, found);
        }
    };
    if !is_alive(part) {
        go(&unquote(part));
        return;
    }
    let folder = if base.is_empty() {
        Path::new(".")
    } else {
        Path::new(OsStr::from_bytes(&base))
    };
    let hidden = part.first() == Some(&b'.') || part.starts_with(b"\\.");
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    let mut names: Vec<Vec<u8>> = entries
        .flatten()
        .map(|entry| entry.file_name().as_bytes().to_vec())
        .collect();
    if hidden {
        names.extend([b".".to_vec(), b"..".to_vec()]);
    }
    for name in names {
        if (hidden || name.first() != Some(&b'.')) && matches(part, &name) {
            go(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, want) in [
            ("", "", true),
            ("*", "", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("?", "é", true),
            ("??", "é", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]a]", "]", true),
            ("[[:digit:]]*", "7up", true),
            ("[a", "[a", true),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("[\\]]", "]", true),
            ("*.tar.gz", "a.tar.gz.tar.gz", true),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes()),
                want,
                "{pattern} {text}"
            );
        }
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let text = vec![b'a'; 5000];
        assert!(!matches(b"*a*a*a*a*a*a*a*a*b", &text));
    }

    #[test]
    fn quoting_both_ways() {
        let mut pattern = Vec::new();
        quote(b"a*[x]\\", &mut pattern);
        assert!(!is_alive(&pattern));
        assert_eq!(unquote(&pattern), b"a*[x]\\");
    }
}

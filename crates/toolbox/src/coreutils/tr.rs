//! `tr` (POSIX.1-2024): bytes.

use crate::common::lines::{Output, complain, say};
use crate::common::options::Options;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;

pub const USAGE: &str = "[-cds] SET1 [SET2]

-c  the characters that are not in SET1
-d  delete them    -s  make many alike in a row one
Sets: a-z, [:alpha:], [=a=], [a*3], \\n \\t \\\\ \\ooo";

pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "tr",
        letters: "cCdst",
        long: &[
            ("complement", 'c'),
            ("delete", 'd'),
            ("squeeze-repeats", 's'),
            ("truncate-set1", 't'),
        ],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 1, 2) {
        return status;
    }
    let (delete, squeeze) = (given.has('d'), given.has('s'));
    let mut sets = Vec::new();
    for text in &given.operands {
        match expand(text.as_bytes()) {
            Some(set) => sets.push(set),
            None => {
                say("tr", format!("invalid set '{}'", text.display()));
                return 1;
            }
        }
    }
    let second = sets.get(1).cloned();
    let Some(mut first) = sets.into_iter().next() else {
        return 1;
    };
    if given.has('c') || given.has('C') {
        first = (0..=255).filter(|byte| !first.contains(byte)).collect();
    }
    if second.is_none() && !delete && !squeeze {
        return options.wrong("two sets are needed");
    }
    let mut map: [u8; 256] = std::array::from_fn(|byte| u8::try_from(byte).unwrap_or(0));
    let in_set = |set: &[u8]| -> [bool; 256] {
        let mut table = [false; 256];
        for byte in set {
            if let Some(place) = table.get_mut(usize::from(*byte)) {
                *place = true;
            }
        }
        table
    };
    let deleted = if delete { in_set(&first) } else { [false; 256] };
    let squeezed = match (&second, squeeze) {
        (_, false) => [false; 256],
        (Some(second), true) => in_set(second),
        (None, true) => in_set(&first),
    };
    if let (Some(second), false) = (&second, delete) {
        let Some(last) = second.last().copied() else {
            say("tr", "the second set is empty");
            return 1;
        };
        for (at, from) in first.iter().enumerate() {
            if given.has('t') && at >= second.len() {
                break;
            }
            if let Some(place) = map.get_mut(usize::from(*from)) {
                *place = second.get(at).copied().unwrap_or(last);
            }
        }
    }
    let at = |table: &[bool; 256], byte: u8| table.get(usize::from(byte)).copied().unwrap_or(false);
    let mut out = Output::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut converted = Vec::new();
    let mut previous = None;
    let mut status = 0;
    loop {
        let count = match io::stdin().read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) => {
                complain("tr", OsStr::new("standard input"), &error);
                status = 1;
                break;
            }
        };
        converted.clear();
        for byte in buffer.get(..count).unwrap_or_default() {
            if at(&deleted, *byte) {
                continue;
            }
            let byte = map.get(usize::from(*byte)).copied().unwrap_or(*byte);
            if previous == Some(byte) && at(&squeezed, byte) {
                continue;
            }
            previous = Some(byte);
            converted.push(byte);
        }
        out.put(&converted);
        if count < 4096 {
            out.flush();
        }
        if out.failed() {
            break;
        }
    }
    out.finish("tr", status, 1)
}

fn expand(text: &[u8]) -> Option<Vec<u8>> {
    let mut set = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix(b"[:")
            && let Some(end) = inside.windows(2).position(|pair| pair == b":]")
        {
            let class: fn(&u8) -> bool = match inside.get(..end)? {
                b"alpha" => u8::is_ascii_alphabetic,
                b"digit" => u8::is_ascii_digit,
                b"alnum" => u8::is_ascii_alphanumeric,
                b"upper" => u8::is_ascii_uppercase,
                b"lower" => u8::is_ascii_lowercase,
                b"space" => |byte| byte.is_ascii_whitespace() || *byte == 11,
                b"blank" => |byte| matches!(byte, b' ' | b'\t'),
                b"punct" => u8::is_ascii_punctuation,
                b"print" => |byte| (32..127).contains(byte),
                b"graph" => u8::is_ascii_graphic,
                b"cntrl" => u8::is_ascii_control,
                b"xdigit" => u8::is_ascii_hexdigit,
                _ => return None,
            };
            set.extend((0..=255).filter(class));
            rest = inside.get(end + 2..)?;
            continue;
        }
        if let [b'[', b'=', byte, b'=', b']', behind @ ..] = rest {
            set.push(*byte);
            rest = behind;
            continue;
        }
        if let [b'[', byte, b'*', behind @ ..] = rest
            && let Some(end) = behind.iter().position(|byte| *byte == b']')
        {
            let digits = std::str::from_utf8(behind.get(..end)?).ok()?;
            let count = match digits.strip_prefix('0') {
                _ if digits.is_empty() => 256,
                Some(octal) if !octal.is_empty() => usize::from_str_radix(octal, 8).ok()?,
                _ => digits.parse().ok()?,
            };
            set.extend(std::iter::repeat_n(*byte, count.min(256)));
            rest = behind.get(end + 1..)?;
            continue;
        }
        let (from, behind) = character(rest)?;
        rest = behind;
        if let Some(behind) = rest.strip_prefix(b"-")
            && !behind.is_empty()
        {
            let (to, behind) = character(behind)?;
            if from > to {
                return None;
            }
            set.extend(from..=to);
            rest = behind;
        } else {
            set.push(from);
        }
    }
    Some(set)
}

/// A character, with escapes, and what stands behind it.
fn character(text: &[u8]) -> Option<(u8, &[u8])> {
    let (first, rest) = text.split_first()?;
    if *first != b'\\' {
        return Some((*first, rest));
    }
    let Some((letter, behind)) = rest.split_first() else {
        return Some((b'\\', rest));
    };
    let digits = rest
        .iter()
        .take(3)
        .take_while(|byte| matches!(byte, b'0'..=b'7'))
        .count();
    if digits > 0 {
        let value = rest
            .iter()
            .take(digits)
            .fold(0u32, |value, digit| value * 8 + u32::from(digit - b'0'));
        return Some((u8::try_from(value & 0xff).ok()?, rest.get(digits..)?));
    }
    let byte = match letter {
        b'a' => 7,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        other => *other,
    };
    Some((byte, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets() {
        assert_eq!(expand(b"a-e").unwrap(), b"abcde");
        assert_eq!(expand(b"\\n\\101-C").unwrap(), b"\nABC");
        assert_eq!(expand(b"[:digit:]x").unwrap(), b"0123456789x");
        assert_eq!(expand(b"[x*3]y-").unwrap(), b"xxxy-");
        assert_eq!(expand(b"[ab]").unwrap(), b"[ab]");
        assert_eq!(expand(b"z-a"), None);
        assert_eq!(expand(b"[:none:]"), None);
    }
}

//! Backslash escapes: of `$'…'`, `echo -e`, `printf` and `%b`.

/// Which escapes are alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `$'…'`
    DollarQuote,
    /// `echo -e` and `%b`: octal numbers may begin with a 0 more
    Echo,
    /// `printf`'s format: here too `\c` ends all output
    Format,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unescaped {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// `\c` was seen.
    pub ended: bool,
}

/// Replaces the escapes.
pub fn unescape(text: &[u8], style: Style) -> Unescaped {
    let mut out = Unescaped::default();
    let mut rest = text;
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        if *byte != b'\\' {
            out.bytes.push(*byte);
            continue;
        }
        let Some((letter, behind)) = rest.split_first() else {
            out.bytes.push(b'\\');
            break;
        };
        rest = behind;
        let simple = match letter {
            b'a' => 7,
            b'b' => 8,
            b'e' | b'E' if style != Style::Format => 27,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 11,
            b'\\' => b'\\',
            b'\'' | b'"' | b'?' if style != Style::Echo => *letter,
            b'c' if style != Style::DollarQuote => {
                out.ended = true;
                return out;
            }
            b'x' => {
                let (value, used) = number(rest, 16, 2);
                if used == 0 {
                    out.bytes.extend_from_slice(b"\\x");
                } else {
                    out.bytes.push(u8::try_from(value & 0xff).unwrap_or(0));
                    rest = rest.get(used..).unwrap_or_default();
                }
                continue;
            }
            b'u' | b'U' if style == Style::DollarQuote => {
                let (value, used) = number(rest, 16, if *letter == b'u' { 4 } else { 8 });
                if let Some(c) = char::from_u32(value).filter(|_| used > 0) {
                    out.bytes
                        .extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
                rest = rest.get(used..).unwrap_or_default();
                continue;
            }
            b'0'..=b'7' => {
                // Echo wants a 0 in front, which does not count among the three digits.
                let (from, most) = if style == Style::Echo && *letter == b'0' {
                    (rest, 3)
                } else {
                    (text_from(text, rest, 1), 3)
                };
                let (value, used) = number(from, 8, most);
                out.bytes.push(u8::try_from(value & 0xff).unwrap_or(0));
                rest = from.get(used..).unwrap_or_default();
                continue;
            }
            _ => {
                out.bytes.extend_from_slice(&[b'\\', *letter]);
                continue;
            }
        };
        out.bytes.push(simple);
    }
    out
}

/// The end of `text` that is `back` bytes longer than `rest`.
fn text_from<'a>(text: &'a [u8], rest: &[u8], back: usize) -> &'a [u8] {
    text.get(text.len().saturating_sub(rest.len() + back)..)
        .unwrap_or_default()
}

fn number(text: &[u8], radix: u32, most: usize) -> (u32, usize) {
    let digits = text
        .iter()
        .take(most)
        .map_while(|byte| char::from(*byte).to_digit(radix));
    digits.fold((0, 0), |(value, used), digit| {
        (value.wrapping_mul(radix).wrapping_add(digit), used + 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_style_has_its_own() {
        let plain = |text: &str, style| unescape(text.as_bytes(), style).bytes;
        assert_eq!(plain(r"a\tb\n", Style::Echo), b"a\tb\n");
        assert_eq!(plain(r"\0101\101", Style::Echo), b"AA");
        assert_eq!(plain(r"\101\x41\0", Style::DollarQuote), b"AA\0");
        assert_eq!(plain(r"\u20ac\'", Style::DollarQuote), "€'".as_bytes());
        assert_eq!(plain(r"\q\", Style::Format), b"\\q\\");
        assert!(unescape(b"a\\cb", Style::Echo).ended);
        assert!(unescape(b"a\\cb", Style::Format).ended);
    }
}

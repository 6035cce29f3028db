//! How wide text is on a terminal, and how it is shown when it cannot be printed as it is.

/// Characters that combine with what stands before them, or take no room.
const ZERO: [(u32, u32); 44] = [
    (0x300, 0x36f),
    (0x483, 0x489),
    (0x591, 0x5bd),
    (0x5bf, 0x5bf),
    (0x5c1, 0x5c2),
    (0x5c4, 0x5c5),
    (0x610, 0x61a),
    (0x64b, 0x65f),
    (0x670, 0x670),
    (0x6d6, 0x6dc),
    (0x6df, 0x6e4),
    (0x6e7, 0x6e8),
    (0x6ea, 0x6ed),
    (0x730, 0x74a),
    (0x7a6, 0x7b0),
    (0x7eb, 0x7f3),
    (0x816, 0x82d),
    (0x859, 0x85b),
    (0x900, 0x902),
    (0x93a, 0x93a),
    (0x93c, 0x93c),
    (0x941, 0x948),
    (0x94d, 0x94d),
    (0x951, 0x957),
    (0x981, 0x981),
    (0x9bc, 0x9bc),
    (0x9cd, 0x9cd),
    (0xa3c, 0xa51),
    (0xe31, 0xe31),
    (0xe34, 0xe3a),
    (0xe47, 0xe4e),
    (0xeb1, 0xeb1),
    (0xeb4, 0xebc),
    (0xec8, 0xece),
    (0x1ab0, 0x1aff),
    (0x1dc0, 0x1dff),
    (0x200b, 0x200d),
    (0x2060, 0x2064),
    (0x20d0, 0x20f0),
    (0x302a, 0x302d),
    (0x3099, 0x309a),
    (0xfe00, 0xfe0f),
    (0xfe20, 0xfe2f),
    (0xe0100, 0xe01ef),
];

/// Characters of two columns: East Asian wide and fullwidth ones, and pictures (Unicode's EastAsianWidth.txt, blocks
/// taken as a whole where only unassigned characters lie between).
const WIDE: [(u32, u32); 62] = [
    (0x1100, 0x115f),
    (0x231a, 0x231b),
    (0x2329, 0x232a),
    (0x23e9, 0x23ec),
    (0x23f0, 0x23f0),
    (0x23f3, 0x23f3),
    (0x25fd, 0x25fe),
    (0x2614, 0x2615),
    (0x2648, 0x2653),
    (0x267f, 0x267f),
    (0x2693, 0x2693),
    (0x26a1, 0x26a1),
    (0x26aa, 0x26ab),
    (0x26bd, 0x26be),
    (0x26c4, 0x26c5),
    (0x26ce, 0x26ce),
    (0x26d4, 0x26d4),
    (0x26ea, 0x26ea),
    (0x26f2, 0x26f3),
    (0x26f5, 0x26f5),
    (0x26fa, 0x26fa),
    (0x26fd, 0x26fd),
    (0x2705, 0x2705),
    (0x270a, 0x270b),
    (0x2728, 0x2728),
    (0x274c, 0x274c),
    (0x274e, 0x274e),
    (0x2753, 0x2755),
    (0x2757, 0x2757),
    (0x2795, 0x2797),
    (0x27b0, 0x27b0),
    (0x27bf, 0x27bf),
    (0x2b1b, 0x2b1c),
    (0x2b50, 0x2b50),
    (0x2b55, 0x2b55),
    (0x2e80, 0x303e),
    (0x3041, 0x4dbf),
    (0x4e00, 0xa4cf),
    (0xa960, 0xa97f),
    (0xac00, 0xd7a3),
    (0xf900, 0xfaff),
    (0xfe30, 0xfe6f),
    (0xff00, 0xff60),
    (0xffe0, 0xffe6),
    (0x1f004, 0x1f004),
    (0x1f0cf, 0x1f0cf),
    (0x1f18e, 0x1f18e),
    (0x1f191, 0x1f19a),
    (0x1f200, 0x1f320),
    (0x1f32d, 0x1f335),
    (0x1f337, 0x1f37c),
    (0x1f37e, 0x1f393),
    (0x1f3a0, 0x1f3ca),
    (0x1f3cf, 0x1f3d3),
    (0x1f3e0, 0x1f3f0),
    (0x1f3f8, 0x1f43e),
    (0x1f442, 0x1f4fc),
    (0x1f4ff, 0x1f53d),
    (0x1f5fb, 0x1f64f),
    (0x1f680, 0x1f6c5),
    (0x1f900, 0x1faff),
    (0x20000, 0x3fffd),
];

fn is_in(table: &[(u32, u32)], c: char) -> bool {
    let code = u32::from(c);
    let at = table.partition_point(|(_, last)| *last < code);
    table.get(at).is_some_and(|(first, _)| *first <= code)
}

/// The columns of a character; `None`: it must not reach the terminal.
fn columns(c: char) -> Option<usize> {
    match u32::from(c) {
        // Controls, and what turns the direction of text round.
        0..=0x1f | 0x7f..=0x9f | 0x200e..=0x200f | 0x2028..=0x202e | 0x2065..=0x206f | 0xfeff => {
            None
        }
        0x20..=0x2ff => Some(1),
        _ if is_in(&ZERO, c) => Some(0),
        _ if is_in(&WIDE, c) => Some(2),
        _ => Some(1),
    }
}

/// The character at the beginning, where it is one of UTF-8.
pub(crate) fn decode(text: &[u8]) -> Option<char> {
    let length = match text.first()? {
        0..=0x7f => 1,
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return None,
    };
    std::str::from_utf8(text.get(..length)?)
        .ok()?
        .chars()
        .next()
}

/// The bytes of what the cursor steps over at the beginning: a character and what combines with it, or one byte that
/// belongs to none. 0 at the end only.
pub(crate) fn step(text: &[u8]) -> usize {
    let Some(first) = decode(text) else {
        return usize::from(!text.is_empty());
    };
    let mut length = first.len_utf8();
    if columns(first).is_none() {
        return length;
    }
    while let Some(next) = decode(text.get(length..).unwrap_or_default())
        && columns(next) == Some(0)
    {
        length += next.len_utf8();
    }
    length
}

/// The bytes of the last such thing.
pub(crate) fn step_back(text: &[u8]) -> usize {
    // A step is rarely longer than this; a longer one is walked over in parts.
    let from = text.len().saturating_sub(64);
    let from = (from..text.len())
        .find(|at| text.get(*at).is_some_and(|byte| byte & 0xc0 != 0x80))
        .unwrap_or(from);
    let (mut at, mut last) = (from, 0);
    while at < text.len() {
        last = step(text.get(at..).unwrap_or_default()).max(1);
        at += last;
    }
    last
}

/// Adds what a step looks like, and tells its columns. Controls are shown as `^X`, other bytes as `\xff`.
pub(crate) fn show(step: &[u8], out: &mut Vec<u8>) -> usize {
    if let Some(first) = decode(step)
        && let Some(width) = columns(first)
    {
        // Something that combines with nothing has a place to stand on.
        if width == 0 {
            out.push(b' ');
        }
        out.extend_from_slice(step);
        return width.max(1);
    }
    if let [byte @ (0..=0x1f | 0x7f)] = step {
        out.extend([b'^', byte ^ 0x40]);
        return 2;
    }
    for byte in step {
        out.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
    }
    step.len() * 4
}

/// A whole text as it is shown, and its columns.
pub(crate) fn show_all(text: &[u8]) -> (Vec<u8>, usize) {
    let (mut out, mut columns, mut rest) = (Vec::new(), 0, text);
    while !rest.is_empty() {
        let (one, behind) = rest.split_at(step(rest).clamp(1, rest.len()));
        columns += show(one, &mut out);
        rest = behind;
    }
    (out, columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted() {
        for table in [&ZERO[..], &WIDE[..]] {
            assert!(table.windows(2).all(|pair| pair[0].1 < pair[1].0));
            assert!(table.iter().all(|(first, last)| first <= last));
        }
    }

    #[test]
    fn widths() {
        let shown = |text: &[u8]| show_all(text);
        assert_eq!(shown(b"abc"), (b"abc".to_vec(), 3));
        assert_eq!(shown("日本".as_bytes()).1, 4);
        assert_eq!(shown("e\u{301}".as_bytes()).1, 1);
        assert_eq!(shown(b"\x01\x7f"), (b"^A^?".to_vec(), 4));
        assert_eq!(shown(b"\xff"), (b"\\xff".to_vec(), 4));
        assert_eq!(shown("\u{202e}".as_bytes()).1, 12);
        assert_eq!(shown("\u{9b}".as_bytes()).0, b"\\xc2\\x9b");
    }

    #[test]
    fn steps_go_both_ways() {
        let text = "ae\u{301}日\u{1f600}".as_bytes();
        let mut at = 0;
        let mut stops = vec![0];
        while at < text.len() {
            at += step(&text[at..]);
            stops.push(at);
        }
        assert_eq!(stops, [0, 1, 4, 7, 11]);
        let mut back = vec![at];
        while at > 0 {
            at -= step_back(&text[..at]);
            back.push(at);
        }
        stops.reverse();
        assert_eq!(back, stops);
        assert_eq!(step(b"\xe6\x97"), 1);
        assert_eq!(step_back(b"\xe6\x97"), 1);
    }
}

//! Characters in bytes: UTF-8 where it is valid, single bytes elsewhere.

/// The length of the first character; 0 for no text.
pub fn character_length(text: &[u8]) -> usize {
    let Some(&first) = text.first() else { return 0 };
    let length = match first {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return 1,
    };
    if text
        .get(..length)
        .is_some_and(|bytes| std::str::from_utf8(bytes).is_ok())
    {
        length
    } else {
        1
    }
}

/// How many characters the text has.
pub fn characters(text: &[u8]) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    let mut at = 0;
    let mut count = 0;
    while at < text.len() {
        at += character_length(&text[at..]);
        count += 1;
    }
    count
}

/// Where the character of that index begins (the text's end if it has fewer).
pub fn byte_offset(text: &[u8], index: usize) -> usize {
    if text.is_ascii() {
        return index.min(text.len());
    }
    let mut at = 0;
    for _ in 0..index {
        if at >= text.len() {
            break;
        }
        at += character_length(&text[at..]);
    }
    at
}

//! `s` and `y`.

use super::{Case, Piece, Substitute, Translation};
use crate::regex::{Regex, Span};

/// The text with the matches replaced; None when nothing was.
pub fn substitute(
    command: &Substitute,
    regex: &Regex,
    text: &[u8],
) -> Result<Option<Vec<u8>>, String> {
    let groups = command.pieces.iter().filter_map(|piece| match piece {
        Piece::Group(n) => Some(*n),
        _ => None,
    });
    let highest = groups.max().unwrap_or(0);
    if highest > regex.groups() {
        return Err(format!(
            "invalid reference \\{highest} on the right side of s"
        ));
    }
    let mut spans: Vec<Option<Span>> = Vec::new();
    let mut out = Vec::new();
    let mut changed = false;
    let mut count = 0;
    let (mut from, mut copied) = (0, 0);
    let mut previous = None;
    while from <= text.len() {
        if highest == 0 {
            spans.clear();
            spans.push(regex.find_at(text, from));
        } else {
            regex.captures_at(text, from, &mut spans);
        }
        let Some(Some((start, end))) = spans.first().copied() else {
            break;
        };
        if start == end && previous == Some(start) {
            // An empty match right behind a match is none.
            from = next_character(text, start);
            continue;
        }
        previous = Some(end);
        count += 1;
        if count >= command.number {
            changed = true;
            out.extend_from_slice(&text[copied..start]);
            replace(&command.pieces, text, &spans, &mut out);
            copied = end;
            if !command.global {
                break;
            }
        }
        from = if start == end {
            next_character(text, end)
        } else {
            end
        };
    }
    if !changed {
        return Ok(None);
    }
    out.extend_from_slice(&text[copied..]);
    Ok(Some(out))
}

/// Where the next character begins (one past the end at the end).
fn next_character(text: &[u8], at: usize) -> usize {
    let mut next = at + 1;
    if text.get(at).is_some_and(|first| *first >= 0xC0) {
        while next < text.len() && next < at + 4 && text[next] & 0xC0 == 0x80 {
            next += 1;
        }
    }
    next
}

fn replace(pieces: &[Piece], text: &[u8], spans: &[Option<Span>], out: &mut Vec<u8>) {
    let mut lasting = Case::End;
    let mut once = Case::End;
    for piece in pieces {
        let part: &[u8] = match piece {
            Piece::Text(part) => part,
            Piece::Group(n) => match spans.get(*n) {
                Some(Some((start, end))) => &text[*start..*end],
                _ => b"",
            },
            Piece::Case(case @ (Case::UpperNext | Case::LowerNext)) => {
                once = *case;
                continue;
            }
            Piece::Case(case) => {
                lasting = *case;
                once = Case::End;
                continue;
            }
        };
        if part.is_empty() {
            continue;
        }
        let first = next_character(part, 0).min(part.len());
        let (head, tail) = if once == Case::End {
            part.split_at(0)
        } else {
            part.split_at(first)
        };
        change_case(head, once, out);
        change_case(tail, lasting, out);
        once = Case::End;
    }
}

fn change_case(text: &[u8], case: Case, out: &mut Vec<u8>) {
    let upper = match case {
        Case::End => return out.extend_from_slice(text),
        Case::Upper | Case::UpperNext => true,
        Case::Lower | Case::LowerNext => false,
    };
    for chunk in text.utf8_chunks() {
        let valid = if upper {
            chunk.valid().to_uppercase()
        } else {
            chunk.valid().to_lowercase()
        };
        out.extend_from_slice(valid.as_bytes());
        out.extend_from_slice(chunk.invalid());
    }
}

/// The text with the characters translated.
pub fn translate(table: &Translation, text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let found = table
            .wide
            .iter()
            .find(|(from, _)| text[at..].starts_with(from));
        if let Some((from, to)) = found {
            out.extend_from_slice(to);
            at += from.len();
        } else {
            out.push(match text[at] {
                byte @ 0..=127 => table.bytes[usize::from(byte)],
                byte => byte,
            });
            at += 1;
        }
    }
    out
}

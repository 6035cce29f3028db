//! What Tab does: as much of the word as is sure, then the list of what it could be.

use super::Outcome;
use super::keys::Key;
use super::line::Change;
use super::reading::{Before, Reading, Step};
use super::width::{show_all, step};

/// How what is put in must be quoted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quoting {
    /// Not at all: names of variables and users.
    #[default]
    Plain,
    /// By backslashes; whether it is the beginning of a word.
    Backslash(bool),
    /// It stands in single quotes.
    Single,
    /// It stands in double quotes.
    Double,
}

impl Quoting {
    fn quote(self, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len());
        for (at, byte) in text.iter().enumerate() {
            match self {
                Quoting::Plain => {}
                Quoting::Single => {
                    if *byte == b'\'' {
                        out.extend_from_slice(b"'\\'");
                    }
                }
                Quoting::Double => {
                    if matches!(byte, b'"' | b'$' | b'`' | b'\\') {
                        out.push(b'\\');
                    }
                }
                Quoting::Backslash(start) => {
                    if byte.is_ascii_control() {
                        out.extend_from_slice(format!("$'\\{byte:03o}'").as_bytes());
                        continue;
                    }
                    if b" |&;<>()$`\\\"'*?[]{}!".contains(byte)
                        || (start && at == 0 && matches!(byte, b'~' | b'#'))
                    {
                        out.push(b'\\');
                    }
                }
            }
            out.push(*byte);
        }
        out
    }

    /// What ends the word.
    fn close(self) -> &'static [u8] {
        match self {
            Quoting::Plain | Quoting::Backslash(_) => b"",
            Quoting::Single => b"'",
            Quoting::Double => b"\"",
        }
    }
}

/// Something that the word could be.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate {
    /// What stands in the place of the word, before it is quoted.
    pub text: Vec<u8>,
    /// What follows if it is this: `/` behind folders, else a blank or nothing.
    pub end: Vec<u8>,
}

/// What could stand at the cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completions {
    /// Where in the text the candidates' texts begin; they reach up to the cursor.
    pub start: usize,
    /// How they must be quoted.
    pub quoting: Quoting,
    /// All of them, sorted.
    pub candidates: Vec<Candidate>,
}

impl Completions {
    /// What all candidates begin with, whole characters of it.
    fn common(&self) -> Vec<u8> {
        let Some((first, rest)) = self.candidates.split_first() else {
            return Vec::new();
        };
        let mut length = first.text.len();
        for other in rest {
            let same = first.text.iter().zip(&other.text);
            length = length.min(same.take_while(|(a, b)| a == b).count());
        }
        let mut whole = 0;
        loop {
            let next = whole + step(first.text.get(whole..).unwrap_or_default()).max(1);
            if next > length {
                break;
            }
            whole = next;
        }
        first.text.get(..whole).unwrap_or_default().to_vec()
    }
}

/// More than these are listed only when the user says so.
const MANY: usize = 100;

impl Reading<'_> {
    fn candidates(&mut self) -> Completions {
        let (text, cursor) = (self.line.text().to_vec(), self.line.cursor());
        let mut all = self.host.complete(&text, cursor);
        all.start = all.start.min(cursor);
        all.candidates.sort();
        all.candidates.dedup();
        all
    }

    pub(crate) fn tab(&mut self) -> Step {
        let cursor = self.line.cursor();
        let all = self.candidates();
        self.now = Before::Complete;
        match all.candidates.as_slice() {
            [] => self.bell(),
            [one] => {
                let mut text = all.quoting.quote(&one.text);
                if one.end == b" " {
                    text.extend_from_slice(all.quoting.close());
                    // There may be a blank already.
                    if self.line.at(cursor) != b" " {
                        text.push(b' ');
                    }
                } else {
                    text.extend_from_slice(&one.end);
                }
                self.line.replace(all.start, cursor, &text, Change::Other);
                self.now = Before::Other;
            }
            _ => {
                let text = all.quoting.quote(&all.common());
                let known = self.line.part(all.start, cursor).to_vec();
                if text.len() > known.len() {
                    self.line.replace(all.start, cursor, &text, Change::Other);
                } else if self.before == Before::Complete {
                    return self.list(&all);
                } else {
                    self.bell();
                }
            }
        }
        Step::On
    }

    pub(crate) fn list_candidates(&mut self) -> Step {
        let all = self.candidates();
        if all.candidates.is_empty() {
            self.bell();
            return Step::On;
        }
        self.list(&all)
    }

    pub(crate) fn insert_candidates(&mut self) -> Step {
        let all = self.candidates();
        let mut text = Vec::new();
        for one in &all.candidates {
            text.extend(all.quoting.quote(&one.text));
            if one.end == b"/" {
                text.push(b'/');
            }
            text.extend_from_slice(all.quoting.close());
            text.push(b' ');
        }
        if text.is_empty() {
            self.bell();
        } else {
            let cursor = self.line.cursor();
            self.line.replace(all.start, cursor, &text, Change::Other);
        }
        Step::On
    }

    /// Lists the candidates below the line, in columns.
    fn list(&mut self, all: &Completions) -> Step {
        let count = all.candidates.len();
        let mut out = Vec::new();
        let cursor = self.line.cursor();
        // Below the whole line, wherever in it the cursor is.
        self.line.move_to(self.line.len());
        self.draw_now(&mut out);
        self.screen.leave(&mut out);
        self.line.move_to(cursor);
        if count > MANY {
            out.extend_from_slice(format!("show all {count}? (y or n) ").as_bytes());
            self.terminal.write(&out);
            out.clear();
            let yes = loop {
                match self.key(true) {
                    Key::Text([b'y' | b'Y' | b' ', ..], 1) | Key::Control(9) => break true,
                    Key::Text([b'n' | b'N', ..], 1) | Key::Control(3 | 7 | 8 | 127) => break false,
                    Key::Gone => return Step::Done(Outcome::Gone),
                    Key::Idle => return Step::Done(Outcome::Idle),
                    _ => {}
                }
            };
            self.terminal.write(b"\r\n");
            if !yes {
                return Step::On;
            }
        }
        let names: Vec<(Vec<u8>, usize)> = all
            .candidates
            .iter()
            .map(|one| {
                let mark: &[u8] = if one.end == b"/" { b"/" } else { b"" };
                show_all(&[one.text.as_slice(), mark].concat())
            })
            .collect();
        let widest = names.iter().map(|(_, width)| *width).max().unwrap_or(1) + 2;
        let columns = ((self.columns + 1) / widest).max(1);
        let rows = count.div_ceil(columns);
        for row in 0..rows {
            for column in 0..columns {
                let at = column * rows + row;
                let Some((name, width)) = names.get(at) else {
                    continue;
                };
                out.extend_from_slice(name);
                if at + rows < count {
                    out.extend(std::iter::repeat_n(b' ', widest - width));
                }
            }
            out.extend_from_slice(b"\r\n");
        }
        self.terminal.write(&out);
        Step::On
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting() {
        let name = "a b'c$\"\n~".as_bytes();
        assert_eq!(
            Quoting::Backslash(true).quote(name),
            b"a\\ b\\'c\\$\\\"$'\\012'~"
        );
        assert_eq!(Quoting::Backslash(true).quote(b"~x"), b"\\~x");
        assert_eq!(Quoting::Single.quote(b"it's"), b"it'\\''s");
        assert_eq!(Quoting::Double.quote(b"a\"$b"), b"a\\\"\\$b");
    }

    #[test]
    fn the_common_part_has_whole_characters() {
        let of = |names: &[&[u8]]| {
            let candidates = names.iter().map(|name| Candidate {
                text: name.to_vec(),
                end: Vec::new(),
            });
            Completions {
                candidates: candidates.collect(),
                ..Completions::default()
            }
            .common()
        };
        assert_eq!(of(&[b"abc", b"abd"]), b"ab");
        assert_eq!(of(&["xé".as_bytes(), "xè".as_bytes()]), b"x");
        assert_eq!(of(&[b"", b"a"]), b"");
        assert_eq!(of(&[b"same", b"same"]), b"same");
    }
}

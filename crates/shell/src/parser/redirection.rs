//! Redirections and the texts of here-documents.

use super::{Parser, Pending};
use crate::ast::{Part, Redirection, Target, Word};
use crate::error::SyntaxError;
use crate::lexer::Token;
use std::cell::OnceCell;
use std::rc::Rc;

impl Parser {
    pub(super) fn redirection(&mut self) -> Result<Option<Vec<Redirection>>, SyntaxError> {
        let mut fd = None;
        if let Token::Number(number) = self.peek()? {
            fd = Some(*number);
            self.peeked = None;
        }
        let operator = match self.peek()? {
            Token::Operator(operator)
                if operator.starts_with(['<', '>']) || *operator == "&>" || *operator == "&>>" =>
            {
                *operator
            }
            _ => return Ok(None),
        };
        self.peeked = None;
        self.peek()?;
        let raw = self.token_start..self.at;
        let word = match self.next()? {
            Token::Word(word) => word,
            other => {
                self.peeked = Some(other);
                return Err(self.unexpected("a word"));
            }
        };
        let input = operator.starts_with('<');
        let default = if input { 0 } else { 1 };
        let one = |target| {
            Ok(Some(vec![Redirection {
                fd: fd.unwrap_or(default),
                target,
            }]))
        };
        match operator {
            "<" => one(Target::Read(word)),
            ">" => one(Target::Write(word, false)),
            ">|" => one(Target::Write(word, true)),
            ">>" => one(Target::Append(word)),
            "<>" => one(Target::ReadWrite(word)),
            "<&" => one(Target::Duplicate(word)),
            ">&" if fd.is_none()
                && !word.plain().is_some_and(is_descriptor)
                && is_static(&word) =>
            {
                one(Target::Both(word, false))
            }
            ">&" => one(Target::Duplicate(word)),
            "&>" => one(Target::Both(word, false)),
            "&>>" => one(Target::Both(word, true)),
            "<<<" => {
                let mut parts = word.0;
                parts.push(Part::Quoted(b"\n".to_vec()));
                one(Target::Here(Rc::new(OnceCell::from(Word(parts)))))
            }
            _ => {
                let text = Rc::new(OnceCell::new());
                let (delimiter, quoted) = delimiter(self.source.get(raw).unwrap_or_default());
                let strip_tabs = operator == "<<-";
                self.pending.push(Pending {
                    delimiter,
                    quoted,
                    strip_tabs,
                    text: Rc::clone(&text),
                });
                one(Target::Here(text))
            }
        }
    }

    /// A line of a here-document, and whether a line end stood behind it. `join`: a backslash at its end joins the next
    /// line to it.
    fn here_line(&mut self, join: bool, strip_tabs: bool) -> (Vec<u8>, bool) {
        let mut line = Vec::new();
        let mut first = true;
        loop {
            let rest = self.source.get(self.at..).unwrap_or_default();
            let len = rest
                .iter()
                .position(|byte| *byte == b'\n')
                .unwrap_or(rest.len());
            let mut piece = rest.get(..len).unwrap_or_default();
            if strip_tabs && first {
                let tabs = piece.iter().take_while(|byte| **byte == b'\t').count();
                piece = piece.get(tabs..).unwrap_or_default();
            }
            first = false;
            line.extend_from_slice(piece);
            let ended = len < rest.len();
            self.at += len + usize::from(ended);
            self.line += u32::from(ended);
            let backslashes = line.iter().rev().take_while(|byte| **byte == b'\\').count();
            if join && ended && backslashes % 2 == 1 {
                line.pop();
                continue;
            }
            return (line, ended);
        }
    }

    /// At a line's end: the texts of the here-documents that the line began.
    pub(crate) fn take_here_documents(&mut self) -> Result<(), SyntaxError> {
        for Pending {
            delimiter,
            quoted,
            strip_tabs,
            text: place,
        } in std::mem::take(&mut self.pending)
        {
            let started = self.line;
            let mut text = Vec::new();
            loop {
                if self.at >= self.source.len() {
                    if self.more {
                        return Err(self.unfinished("here-document without its end", started));
                    }
                    // The end of the script ends it too, as in other shells.
                    break;
                }
                let (line, ended) = self.here_line(!quoted, strip_tabs);
                if line == delimiter {
                    break;
                }
                text.extend_from_slice(&line);
                if ended {
                    text.push(b'\n');
                }
            }
            let word = if quoted {
                Word(vec![Part::Quoted(text)])
            } else {
                self.here_word(&text, started)?
            };
            // Each is set once: it was just made by the redirection.
            let _ = place.set(word);
        }
        Ok(())
    }
}

fn is_descriptor(text: &[u8]) -> bool {
    text == b"-" || text.iter().all(u8::is_ascii_digit)
}

/// Whether a word is known before it is expanded: `>&$fd` must stay a duplication.
fn is_static(word: &Word) -> bool {
    !matches!(
        word.0.first(),
        Some(Part::Parameter(_) | Part::Command(_) | Part::Arithmetic(_))
    )
}
/// A here-document's delimiter out of what is written there, and whether any of it is quoted.
fn delimiter(raw: &[u8]) -> (Vec<u8>, bool) {
    let mut text = Vec::new();
    let mut quoted = false;
    let mut quote = None;
    let mut bytes = raw.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if quote != Some(b'\'') => match bytes.next() {
                Some(b'\n') => {}
                Some(next) => {
                    if quote.is_some() && !matches!(next, b'"' | b'\\' | b'$' | b'`') {
                        text.push(b'\\');
                    }
                    text.push(next);
                    quoted = true;
                }
                None => text.push(b'\\'),
            },
            b'\'' | b'"' if quote.is_none() => {
                quoted = true;
                quote = Some(byte);
            }
            byte if quote == Some(byte) => quote = None,
            b'$' if quote.is_none() && bytes.peek() == Some(&b'\'') => {}
            byte => text.push(byte),
        }
    }
    (text, quoted)
}

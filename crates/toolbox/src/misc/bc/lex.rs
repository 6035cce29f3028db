//! Words of bc's language, out of files one after the other.

use crate::common::lines::{Lines, open};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;

/// A word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// Digits and perhaps a point.
    Number(Vec<u8>),
    /// What stood between quotation marks.
    Text(Vec<u8>),
    /// A name or a keyword.
    Name(Vec<u8>),
    /// An operator.
    Sign(&'static str),
    /// The end of a line.
    Line,
    /// The end of all.
    End,
}

/// The operators, the longest first.
const SIGNS: [&str; 34] = [
    "++", "--", "+=", "-=", "*=", "/=", "%=", "^=", "==", "<=", ">=", "!=", "&&", "||", "+", "-",
    "*", "/", "%", "^", "=", "<", ">", "!", "(", ")", "{", "}", "[", "]", ";", ",", "&", "|",
];

/// Where text comes from.
pub struct Lexer {
    files: VecDeque<OsString>,
    lines: Option<Lines<File>>,
    text: Vec<u8>,
    at: usize,
    next: Option<Token>,
}

impl Lexer {
    /// Reads text, and then the files.
    pub fn new(text: &[u8], files: Vec<OsString>) -> Lexer {
        Lexer {
            files: files.into(),
            lines: None,
            text: text.to_vec(),
            at: 0,
            next: None,
        }
    }

    /// Puts the next line behind what is left; `false` at the end.
    fn more(&mut self) -> Result<bool, String> {
        loop {
            let Some(lines) = &mut self.lines else {
                let Some(name) = self.files.pop_front() else {
                    return Ok(false);
                };
                let file = open(&name).map_err(|error| {
                    format!(
                        "{}: {}",
                        name.display(),
                        crate::common::lines::cause(&error)
                    )
                })?;
                self.lines = Some(Lines::new(file, b'\n'));
                continue;
            };
            match lines.read() {
                Ok(Some((line, _))) => {
                    self.text.drain(..self.at);
                    self.at = 0;
                    self.text.extend_from_slice(line);
                    self.text.push(b'\n');
                    return Ok(true);
                }
                Ok(None) => self.lines = None,
                Err(error) => return Err(crate::common::lines::cause(&error)),
            }
        }
    }

    fn byte(&mut self, ahead: usize) -> Result<Option<u8>, String> {
        while self.at + ahead >= self.text.len() {
            if !self.more()? {
                return Ok(None);
            }
        }
        Ok(self.text.get(self.at + ahead).copied())
    }

    /// The next word, which stays to be taken.
    pub fn peek(&mut self) -> Result<&Token, String> {
        if self.next.is_none() {
            self.next = Some(self.word()?);
        }
        Ok(self.next.as_ref().unwrap_or(&Token::End))
    }

    /// Takes the next word.
    pub fn take(&mut self) -> Result<Token, String> {
        self.peek()?;
        Ok(self.next.take().unwrap_or(Token::End))
    }

    /// Whether empty brackets follow the name that comes next.
    pub fn array_ahead(&mut self) -> Result<bool, String> {
        self.peek()?;
        let mut ahead = 0;
        for want in [b'[', b']'] {
            while matches!(self.byte(ahead)?, Some(b' ' | b'\t')) {
                ahead += 1;
            }
            if self.byte(ahead)? != Some(want) {
                return Ok(false);
            }
            ahead += 1;
        }
        Ok(true)
    }

    /// Forgets the rest of the line, behind an error.
    pub fn drop_line(&mut self) {
        self.next = None;
        self.at = self.text.len();
    }

    fn word(&mut self) -> Result<Token, String> {
        loop {
            let Some(byte) = self.byte(0)? else {
                return Ok(Token::End);
            };
            match byte {
                b' ' | b'\t' | b'\r' | 0x0b | 0x0c => self.at += 1,
                b'\\' if self.byte(1)? == Some(b'\n') => self.at += 2,
                b'\n' => {
                    self.at += 1;
                    return Ok(Token::Line);
                }
                b'#' => {
                    while self.byte(0)?.is_some_and(|byte| byte != b'\n') {
                        self.at += 1;
                    }
                }
                b'/' if self.byte(1)? == Some(b'*') => {
                    self.at += 2;
                    loop {
                        match (self.byte(0)?, self.byte(1)?) {
                            (Some(b'*'), Some(b'/')) => break self.at += 2,
                            (None, _) => return Err("a comment has no end".to_owned()),
                            _ => self.at += 1,
                        }
                    }
                }
                b'"' => return self.text(),
                b'0'..=b'9' | b'A'..=b'Z' | b'.' => return self.number(),
                b'a'..=b'z' => {
                    let mut name = Vec::new();
                    while let Some(byte @ (b'a'..=b'z' | b'0'..=b'9' | b'_')) = self.byte(0)? {
                        name.push(byte);
                        self.at += 1;
                    }
                    return Ok(Token::Name(name));
                }
                _ => {
                    let rest = self.text.get(self.at..).unwrap_or_default();
                    let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(sign.as_bytes()))
                    else {
                        self.at += 1;
                        return Err(format!("bad character '{}'", byte.escape_ascii()));
                    };
                    self.at += sign.len();
                    return Ok(Token::Sign(sign));
                }
            }
        }
    }

    fn text(&mut self) -> Result<Token, String> {
        self.at += 1;
        let mut text = Vec::new();
        loop {
            match self.byte(0)? {
                None => return Err("a string has no end".to_owned()),
                Some(b'"') => break self.at += 1,
                Some(byte) => {
                    text.push(byte);
                    self.at += 1;
                }
            }
        }
        Ok(Token::Text(text))
    }

    fn number(&mut self) -> Result<Token, String> {
        let mut digits = Vec::new();
        loop {
            match self.byte(0)? {
                Some(b'.') if digits.contains(&b'.') => break,
                Some(byte @ (b'0'..=b'9' | b'A'..=b'Z' | b'.')) => digits.push(byte),
                // A long number goes on in the next line.
                Some(b'\\') if self.byte(1)? == Some(b'\n') => self.at += 1,
                _ => break,
            }
            self.at += 1;
        }
        if digits == b"." {
            return Ok(Token::Name(b"last".to_vec()));
        }
        Ok(Token::Number(digits))
    }
}

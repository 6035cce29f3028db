//! From a program's text to tokens.

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    Number(f64),
    String(Vec<u8>),
    Name(String),
    /// A name with a parenthesis right behind it.
    Function(String),
    Builtin(Builtin),
    /// Operators, punctuation and keywords.
    Word(&'static str),
    Newline,
    End,
}

/// The functions that awk has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Builtin {
    Atan2,
    Close,
    Cos,
    Exp,
    Fflush,
    Gensub,
    Gsub,
    Index,
    Int,
    Length,
    Log,
    Match,
    Rand,
    Sin,
    Split,
    Sprintf,
    Sqrt,
    Srand,
    Sub,
    Substr,
    System,
    Systime,
    Tolower,
    Toupper,
    And,
    Or,
    Xor,
    Compl,
    Lshift,
    Rshift,
}

const KEYWORDS: &[&str] = &[
    "BEGIN", "END", "function", "if", "else", "while", "for", "do", "break", "continue", "next",
    "nextfile", "exit", "return", "delete", "in", "getline", "print", "printf",
];

const BUILTINS: &[(&str, Builtin)] = &[
    ("atan2", Builtin::Atan2),
    ("close", Builtin::Close),
    ("cos", Builtin::Cos),
    ("exp", Builtin::Exp),
    ("fflush", Builtin::Fflush),
    ("gensub", Builtin::Gensub),
    ("gsub", Builtin::Gsub),
    ("index", Builtin::Index),
    ("int", Builtin::Int),
    ("length", Builtin::Length),
    ("log", Builtin::Log),
    ("match", Builtin::Match),
    ("rand", Builtin::Rand),
    ("sin", Builtin::Sin),
    ("split", Builtin::Split),
    ("sprintf", Builtin::Sprintf),
    ("sqrt", Builtin::Sqrt),
    ("srand", Builtin::Srand),
    ("sub", Builtin::Sub),
    ("substr", Builtin::Substr),
    ("system", Builtin::System),
    ("systime", Builtin::Systime),
    ("tolower", Builtin::Tolower),
    ("toupper", Builtin::Toupper),
    ("and", Builtin::And),
    ("or", Builtin::Or),
    ("xor", Builtin::Xor),
    ("compl", Builtin::Compl),
    ("lshift", Builtin::Lshift),
    ("rshift", Builtin::Rshift),
];

/// Longest first where one begins another.
const OPERATORS: &[&str] = &[
    "**=", "&&", "||", "++", "--", "+=", "-=", "*=", "/=", "%=", "^=", "**", "==", "<=", ">=",
    "!=", "!~", ">>", "{", "}", "(", ")", "[", "]", ";", ",", "+", "-", "*", "/", "%", "^", "!",
    ">", "<", "|", "?", ":", "~", "$", "=",
];

/// The lexer.
#[derive(Clone)]
pub struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    /// The line that the last token is on.
    pub line: usize,
}

impl<'a> Lexer<'a> {
    /// A lexer at the text's beginning.
    pub fn new(text: &'a [u8]) -> Lexer<'a> {
        Lexer {
            text,
            at: 0,
            line: 1,
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// The next token.
    pub fn token(&mut self) -> Result<Token, String> {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\r') => self.at += 1,
                Some(b'\\') if self.text[self.at..].starts_with(b"\\\n") => {
                    self.at += 2;
                    self.line += 1;
                }
                Some(b'\\') if self.text[self.at..].starts_with(b"\\\r\n") => {
                    self.at += 3;
                    self.line += 1;
                }
                Some(b'#') => {
                    while self.peek().is_some_and(|b| b != b'\n') {
                        self.at += 1;
                    }
                }
                _ => break,
            }
        }
        let Some(byte) = self.peek() else {
            return Ok(Token::End);
        };
        match byte {
            b'\n' => {
                self.at += 1;
                self.line += 1;
                Ok(Token::Newline)
            }
            b'"' => {
                self.at += 1;
                self.string()
            }
            b'0'..=b'9' => Ok(self.number()),
            b'.' if self.text.get(self.at + 1).is_some_and(u8::is_ascii_digit) => Ok(self.number()),
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => Ok(self.name()),
            _ => {
                let rest = &self.text[self.at..];
                match OPERATORS
                    .iter()
                    .find(|operator| rest.starts_with(operator.as_bytes()))
                {
                    Some(operator) => {
                        self.at += operator.len();
                        Ok(Token::Word(match *operator {
                            "**" => "^",
                            "**=" => "^=",
                            other => other,
                        }))
                    }
                    None => Err(format!(
                        "unexpected character '{}'",
                        rest[..1].escape_ascii()
                    )),
                }
            }
        }
    }

    fn number(&mut self) -> Token {
        let rest = &self.text[self.at..];
        if let [b'0', b'x' | b'X', digits @ ..] = rest {
            let count = digits.iter().take_while(|b| b.is_ascii_hexdigit()).count();
            if count > 0 {
                self.at += 2 + count;
                let digit = |b: &u8| f64::from(char::from(*b).to_digit(16).unwrap_or(0));
                return Token::Number(
                    digits[..count]
                        .iter()
                        .fold(0.0, |value, b| value * 16.0 + digit(b)),
                );
            }
        }
        if let [b'0', digits @ ..] = rest {
            // A number in a program that begins with 0 is octal; one in the input is not.
            let count = digits
                .iter()
                .take_while(|b| matches!(b, b'0'..=b'7'))
                .count();
            if count > 0 && !matches!(digits.get(count), Some(b'8' | b'9' | b'.' | b'e' | b'E')) {
                self.at += 1 + count;
                let digit = |b: &u8| f64::from(*b - b'0');
                return Token::Number(
                    digits[..count]
                        .iter()
                        .fold(0.0, |value, b| value * 8.0 + digit(b)),
                );
            }
        }
        let (value, length) = super::value::parse_number(rest);
        self.at += length.max(1);
        Token::Number(value)
    }

    fn name(&mut self) -> Token {
        let start = self.at;
        while self
            .peek()
            .is_some_and(|b| b == b'_' || b.is_ascii_alphanumeric())
        {
            self.at += 1;
        }
        let name = String::from_utf8_lossy(&self.text[start..self.at]).into_owned();
        if name == "func" {
            return Token::Word("function");
        }
        if let Some(keyword) = KEYWORDS.iter().find(|keyword| **keyword == name) {
            return Token::Word(keyword);
        }
        if let Some((_, builtin)) = BUILTINS.iter().find(|(known, _)| *known == name) {
            return Token::Builtin(*builtin);
        }
        if self.peek() == Some(b'(') {
            Token::Function(name)
        } else {
            Token::Name(name)
        }
    }

    fn string(&mut self) -> Result<Token, String> {
        let mut raw = Vec::new();
        loop {
            match self.peek() {
                None | Some(b'\n') => return Err("unterminated string".into()),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Token::String(unescape(&raw)));
                }
                Some(b'\\') => {
                    if self.text.get(self.at + 1) == Some(&b'\n') {
                        self.line += 1;
                        self.at += 2;
                        continue;
                    }
                    raw.push(b'\\');
                    self.at += 1;
                    if let Some(next) = self.peek() {
                        raw.push(next);
                        self.at += 1;
                    }
                }
                Some(byte) => {
                    raw.push(byte);
                    self.at += 1;
                }
            }
        }
    }

    /// A regular expression up to its slash; the first slash is taken already.
    pub fn regex(&mut self) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        let mut bracket = false;
        let mut bracket_start = 0;
        loop {
            let Some(byte) = self.peek().filter(|b| *b != b'\n') else {
                return Err("unterminated regular expression".into());
            };
            self.at += 1;
            match byte {
                b'/' if !bracket => return Ok(out),
                b'\\' => {
                    match self.peek() {
                        Some(b'/') => out.push(b'/'),
                        Some(b'"') => out.push(b'"'),
                        Some(next) => out.extend_from_slice(&[b'\\', next]),
                        None => return Err("unterminated regular expression".into()),
                    }
                    self.at += 1;
                    continue;
                }
                b'[' if !bracket => {
                    // A bracket without an end is no bracket.
                    bracket = true;
                    bracket_start = out.len() + 1;
                    if self.peek() == Some(b'^') {
                        bracket_start += 1;
                    }
                }
                b'[' if matches!(self.peek(), Some(b':' | b'.' | b'=')) => {
                    let kind = [self.text[self.at], b']'];
                    let rest = &self.text[self.at + 1..];
                    if let Some(length) = rest.windows(2).position(|pair| pair == kind) {
                        out.push(b'[');
                        out.extend_from_slice(&self.text[self.at..self.at + length + 3]);
                        self.at += length + 3;
                        continue;
                    }
                }
                b']' if bracket && out.len() > bracket_start => bracket = false,
                _ => {}
            }
            out.push(byte);
        }
    }
}

/// Resolves the escapes of a string.
pub fn unescape(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let mut at = 0;
    while at < raw.len() {
        let byte = raw[at];
        at += 1;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let Some(&next) = raw.get(at) else {
            out.push(b'\\');
            break;
        };
        at += 1;
        match next {
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'r' => out.push(b'\r'),
            b'a' => out.push(7),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'v' => out.push(11),
            b'"' | b'/' | b'\\' => out.push(next),
            b'0'..=b'7' => {
                let mut value = u32::from(next - b'0');
                for _ in 0..2 {
                    match raw.get(at) {
                        Some(digit @ b'0'..=b'7') => value = value * 8 + u32::from(digit - b'0'),
                        _ => break,
                    }
                    at += 1;
                }
                out.push((value & 0xFF) as u8);
            }
            b'x' if raw.get(at).is_some_and(u8::is_ascii_hexdigit) => {
                let mut value = 0;
                for _ in 0..2 {
                    match raw.get(at).and_then(|b| char::from(*b).to_digit(16)) {
                        Some(digit) => value = value * 16 + digit,
                        None => break,
                    }
                    at += 1;
                }
                out.push((value & 0xFF) as u8);
            }
            // In a string that is used as a regular expression the backslash is wanted.
            _ => out.extend_from_slice(&[b'\\', next]),
        }
    }
    out
}

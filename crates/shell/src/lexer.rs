//! Words and operators out of a script's text.

use crate::ast::{Operation, Parameter, Part, Place, Word};
use crate::error::SyntaxError;
use crate::parser::Parser;
use std::rc::Rc;

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// A word.
    Word(Word),
    /// An operator, as it is written.
    Operator(&'static str),
    /// Digits right before a redirection.
    Number(i32),
    /// A line's end.
    Newline,
    /// The text's end.
    End,
}

/// The longest operator that a text begins with.
fn operator(text: &[u8]) -> Option<&'static str> {
    Some(match text {
        [b'<', b'<', b'-', ..] => "<<-",
        [b'<', b'<', b'<', ..] => "<<<",
        [b'<', b'<', ..] => "<<",
        [b'<', b'&', ..] => "<&",
        [b'<', b'>', ..] => "<>",
        [b'<', ..] => "<",
        [b'>', b'>', ..] => ">>",
        [b'>', b'&', ..] => ">&",
        [b'>', b'|', ..] => ">|",
        [b'>', ..] => ">",
        [b'&', b'>', b'>', ..] => "&>>",
        [b'&', b'>', ..] => "&>",
        [b'&', b'&', ..] => "&&",
        [b'&', ..] => "&",
        [b'|', b'|', ..] => "||",
        [b'|', ..] => "|",
        [b';', b';', ..] => ";;",
        [b';', b'&', ..] => ";&",
        [b';', ..] => ";",
        [b'(', ..] => "(",
        [b')', ..] => ")",
        _ => return None,
    })
}

/// How deep `${…}`, `$(…)` and quotes may lie inside one another.
const DEEPEST: u32 = 200;

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

fn ends_word(byte: u8) -> bool {
    is_blank(byte) || matches!(byte, b'\n' | b'&' | b'|' | b';' | b'<' | b'>' | b'(' | b')')
}

/// Whether a byte means nothing but itself in every word.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b',' | b'+' | b'@' | b'%')
}

pub(crate) fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

pub(crate) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Whether the bytes are a variable's name.
pub(crate) fn is_name(text: &[u8]) -> bool {
    text.first().is_some_and(|byte| is_name_start(*byte))
        && text.iter().all(|byte| is_name_byte(*byte))
}

/// What a word may end at besides what ends it anyway.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    /// Blanks and operators: an ordinary word.
    Blank,
    /// `}`, in `${name-word}`
    Brace,
    /// `/` or `}`, in `${name/pattern/…}`
    SlashOrBrace,
    /// `:` or `}`, in `${name:offset:…}`
    ColonOrBrace,
    /// A line's end or the text's: here-documents
    End,
    /// `))`, at the same depth of parentheses
    Parentheses,
}

impl Parser {
    pub(crate) fn byte(&self) -> Option<u8> {
        self.source.get(self.at).copied()
    }

    pub(crate) fn byte_at(&self, ahead: usize) -> Option<u8> {
        self.source.get(self.at + ahead).copied()
    }

    fn bump(&mut self) {
        if self.byte() == Some(b'\n') {
            self.line += 1;
        }
        self.at += 1;
    }

    /// Takes over the byte here and those behind it that are of this kind; line ends are of none.
    fn run(&mut self, text: &mut Vec<u8>, kind: impl Fn(u8) -> bool) {
        let rest = self.source.get(self.at..).unwrap_or_default();
        let count = rest.iter().take_while(|byte| kind(**byte)).count().max(1);
        text.extend_from_slice(rest.get(..count).unwrap_or_default());
        self.at += count;
    }

    /// Takes out line continuations that stand so many bytes ahead.
    fn unfold(&mut self, ahead: usize) {
        let at = self.at + ahead;
        while self.source.get(at..at + 2) == Some(b"\\\n") {
            self.source.drain(at..at + 2);
            self.line += 1;
        }
    }

    /// Whether `<(` or `>(` stands here.
    fn is_process(&self) -> bool {
        matches!(self.byte(), Some(b'<' | b'>')) && self.byte_at(1) == Some(b'(')
    }

    /// Blanks, line continuations and comments.
    fn skip_blanks(&mut self) {
        loop {
            match self.byte() {
                Some(byte) if is_blank(byte) => self.at += 1,
                Some(b'\\') if self.byte_at(1) == Some(b'\n') => {
                    self.at += 2;
                    self.line += 1;
                }
                Some(b'#') => {
                    while self.byte().is_some_and(|byte| byte != b'\n') {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    /// Reads the next token.
    pub(crate) fn read_token(&mut self) -> Result<Token, SyntaxError> {
        self.skip_blanks();
        self.token_line = self.line;
        self.token_start = self.at;
        let Some(byte) = self.byte() else {
            self.take_here_documents()?;
            return Ok(Token::End);
        };
        if byte == b'\n' {
            self.bump();
            self.take_here_documents()?;
            return Ok(Token::Newline);
        }
        if ends_word(byte) && !self.is_process() {
            // An operator may be cut by line continuations.
            self.unfold(1);
            if self.byte_at(1).is_some_and(ends_word) {
                self.unfold(2);
            }
            let rest = self.source.get(self.at..).unwrap_or_default();
            if let Some(operator) = operator(rest) {
                self.at += operator.len();
                return Ok(Token::Operator(operator));
            }
        }
        let rest = self.source.get(self.at..).unwrap_or_default();
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if (1..=9).contains(&digits) && matches!(rest.get(digits), Some(b'<' | b'>')) {
            let text = rest.get(..digits).unwrap_or_default();
            let number = text
                .iter()
                .fold(0, |number, digit| number * 10 + i32::from(digit - b'0'));
            self.at += digits;
            return Ok(Token::Number(number));
        }
        // Most words are of one piece.
        let plain = rest.iter().take_while(|byte| is_plain(**byte)).count();
        if plain > 0
            && rest
                .get(plain)
                .is_some_and(|byte| ends_word(*byte) && !matches!(byte, b'<' | b'>'))
        {
            let text = rest.get(..plain).unwrap_or_default().to_vec();
            self.at += plain;
            return Ok(Token::Word(Word(vec![Part::Text(text)])));
        }
        Ok(Token::Word(self.word(Until::Blank, false)?))
    }

    /// A word, its end left unread. `quoted`: inside double quotes or a here-document, where only `$`, backquotes and
    /// backslashes are alive.
    fn word(&mut self, until: Until, quoted: bool) -> Result<Word, SyntaxError> {
        self.deeper(DEEPEST)?;
        let mut parts = Vec::new();
        let mut text = Vec::new();
        let mut open = 0u32;
        let started = self.line;
        while let Some(byte) = self.byte() {
            let over = match until {
                Until::Blank => ends_word(byte) && !self.is_process(),
                Until::Brace => byte == b'}',
                Until::SlashOrBrace => byte == b'}' || byte == b'/',
                Until::ColonOrBrace => open == 0 && (byte == b'}' || byte == b':'),
                Until::End => false,
                Until::Parentheses => byte == b')' && open == 0,
            };
            if over {
                break;
            }
            if matches!(until, Until::Parentheses | Until::ColonOrBrace) {
                match byte {
                    b'(' => open += 1,
                    b')' => open = open.saturating_sub(1),
                    _ => {}
                }
            }
            match byte {
                b'<' | b'>' if until == Until::Blank && !quoted => {
                    flush(&mut parts, &mut text);
                    self.at += 2;
                    let list = self.inner_list()?;
                    parts.push(Part::Process(byte == b'<', Rc::new(list)));
                }
                b'\\' => self.backslash(&mut parts, &mut text, until, quoted),
                b'\'' if !quoted && until != Until::Parentheses => {
                    flush(&mut parts, &mut text);
                    parts.push(Part::Quoted(self.single_quoted()?));
                }
                // A `"` in `"${name-…}"` opens and closes, though all is quoted anyway.
                b'"' if !quoted || until == Until::Brace => {
                    flush(&mut parts, &mut text);
                    self.at += 1;
                    parts.push(Part::Double(self.double_quoted()?));
                }
                b'$' if !quoted && self.byte_at(1) == Some(b'\'') => {
                    flush(&mut parts, &mut text);
                    self.at += 1;
                    parts.push(Part::Quoted(self.dollar_quoted()?));
                }
                b'$' => self.dollar(&mut parts, &mut text, quoted)?,
                b'`' => {
                    flush(&mut parts, &mut text);
                    // A `"` is nothing special in a here-document.
                    parts.push(self.backquoted(quoted && until != Until::End)?);
                }
                b'~' if (until == Until::Blank || until == Until::Brace && !quoted)
                    && self.tilde_may_stand(&parts, &text) =>
                {
                    self.at += 1;
                    let mut user = Vec::new();
                    while let Some(byte) = self
                        .byte()
                        .filter(|byte| is_name_byte(*byte) || *byte == b'-')
                    {
                        user.push(byte);
                        self.at += 1;
                    }
                    if self
                        .byte()
                        .is_none_or(|byte| ends_word(byte) || matches!(byte, b'/' | b':' | b'}'))
                    {
                        flush(&mut parts, &mut text);
                        parts.push(Part::Tilde(user));
                    } else {
                        text.push(b'~');
                        text.extend(user);
                    }
                }
                byte if is_plain(byte) => self.run(&mut text, is_plain),
                byte => {
                    text.push(byte);
                    self.bump();
                }
            }
        }
        if self.byte().is_none() && !matches!(until, Until::Blank | Until::End) {
            return Err(self.unfinished("missing \"}\"", started));
        }
        flush(&mut parts, &mut text);
        self.shallower();
        Ok(Word(parts))
    }

    /// At the beginning, or behind `=` or `:` of what may be an assignment.
    fn tilde_may_stand(&self, parts: &[Part], text: &[u8]) -> bool {
        if text.is_empty() {
            return parts.is_empty();
        }
        let first = match parts.first() {
            Some(Part::Text(first)) => first.as_slice(),
            Some(_) => return false,
            None => text,
        };
        let equals = first.iter().position(|byte| *byte == b'=');
        equals.is_some_and(|at| is_name(first.get(..at).unwrap_or_default()))
            && matches!(text.last(), Some(b'=' | b':'))
    }

    fn backslash(&mut self, parts: &mut Vec<Part>, text: &mut Vec<u8>, until: Until, quoted: bool) {
        let Some(next) = self.byte_at(1) else {
            text.push(b'\\');
            self.at += 1;
            return;
        };
        if next == b'\n' {
            self.at += 2;
            self.line += 1;
            return;
        }
        let alive = matches!(next, b'$' | b'`' | b'\\')
            || (next == b'"' && until != Until::End)
            || (next == b'}' && until == Until::Brace);
        if quoted && !alive || until == Until::Parentheses {
            text.push(b'\\');
            self.at += 1;
            return;
        }
        flush(parts, text);
        parts.push(Part::Quoted(vec![next]));
        self.at += 1;
        self.bump();
    }

    fn single_quoted(&mut self) -> Result<Vec<u8>, SyntaxError> {
        let started = self.line;
        self.at += 1;
        let mut text = Vec::new();
        loop {
            match self.byte() {
                None => return Err(self.unfinished("unterminated quoted string", started)),
                Some(b'\'') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\n') => {
                    text.push(b'\n');
                    self.bump();
                }
                Some(_) => self.run(&mut text, |byte| !matches!(byte, b'\'' | b'\n')),
            }
        }
    }

    /// Behind the opening quote; reads the closing one.
    fn double_quoted(&mut self) -> Result<Vec<Part>, SyntaxError> {
        self.deeper(DEEPEST)?;
        let started = self.line;
        let (mut parts, mut text) = (Vec::new(), Vec::new());
        loop {
            match self.byte() {
                None => return Err(self.unfinished("unterminated quoted string", started)),
                Some(b'"') => {
                    self.at += 1;
                    flush(&mut parts, &mut text);
                    self.shallower();
                    return Ok(parts);
                }
                Some(b'\\') => self.backslash(&mut parts, &mut text, Until::Blank, true),
                Some(b'$') => self.dollar(&mut parts, &mut text, true)?,
                Some(b'`') => {
                    flush(&mut parts, &mut text);
                    parts.push(self.backquoted(true)?);
                }
                Some(b'\n') => {
                    text.push(b'\n');
                    self.bump();
                }
                Some(_) => self.run(&mut text, |byte| {
                    !matches!(byte, b'"' | b'\\' | b'$' | b'`' | b'\n')
                }),
            }
        }
    }

    /// `$'…'`: the escapes of C.
    fn dollar_quoted(&mut self) -> Result<Vec<u8>, SyntaxError> {
        let started = self.line;
        self.at += 1;
        let start = self.at;
        loop {
            match self.byte() {
                None => return Err(self.unfinished("unterminated quoted string", started)),
                Some(b'\'') => break,
                Some(b'\\') => {
                    self.bump();
                    self.bump();
                }
                Some(_) => self.bump(),
            }
        }
        let text = self.source.get(start..self.at).unwrap_or_default().to_vec();
        self.at += 1;
        let mut bytes = crate::escape::unescape(&text, crate::escape::Style::DollarQuote).bytes;
        // No word can hold a NUL: it ends the text.
        if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
            bytes.truncate(end);
        }
        Ok(bytes)
    }

    fn dollar(
        &mut self,
        parts: &mut Vec<Part>,
        text: &mut Vec<u8>,
        quoted: bool,
    ) -> Result<(), SyntaxError> {
        self.unfold(1);
        if matches!(self.byte_at(1), Some(b'(' | b'{')) {
            self.unfold(2);
        }
        let part = match (self.byte_at(1), self.byte_at(2)) {
            (Some(b'('), Some(b'(')) if self.is_arithmetic() => {
                self.at += 3;
                let started = self.line;
                let word = self.word(Until::Parentheses, true)?;
                self.unfold(1);
                if (self.byte(), self.byte_at(1)) != (Some(b')'), Some(b')')) {
                    return Err(self.unfinished("missing \"))\"", started));
                }
                self.at += 2;
                Part::Arithmetic(word)
            }
            (Some(b'('), _) => {
                self.at += 2;
                Part::Command(Rc::new(self.inner_list()?))
            }
            (Some(b'{'), _) => {
                self.at += 2;
                self.unfold(0);
                Part::Parameter(Box::new(self.braced(quoted)?))
            }
            (Some(byte), _) if is_name_start(byte) => {
                self.at += 1;
                let name = self.name();
                Part::Parameter(Box::new(Parameter {
                    name,
                    operation: Operation::Value,
                }))
            }
            (Some(byte), _) if byte.is_ascii_digit() || b"@*#?-$!".contains(&byte) => {
                self.at += 2;
                Part::Parameter(Box::new(Parameter {
                    name: vec![byte],
                    operation: Operation::Value,
                }))
            }
            _ => {
                text.push(b'$');
                self.at += 1;
                return Ok(());
            }
        };
        flush(parts, text);
        parts.push(part);
        Ok(())
    }

    fn name(&mut self) -> Vec<u8> {
        let mut name = Vec::new();
        loop {
            match self.byte() {
                Some(byte) if is_name_byte(byte) => {
                    name.push(byte);
                    self.at += 1;
                }
                Some(b'\\') if self.byte_at(1) == Some(b'\n') => self.unfold(0),
                _ => return name,
            }
        }
    }

    /// Whether `$((` here opens arithmetic, and not a subshell in a command substitution: its parentheses close
    /// together.
    fn is_arithmetic(&self) -> bool {
        let (mut at, mut open) = (self.at + 3, 0u32);
        while let Some(byte) = self.source.get(at) {
            match byte {
                b'(' => open += 1,
                b')' if open == 0 => {
                    let mut rest = self.source.get(at + 1..).unwrap_or_default();
                    while let Some(behind) = rest.strip_prefix(b"\\\n") {
                        rest = behind;
                    }
                    return rest.first() == Some(&b')');
                }
                b')' => open -= 1,
                b'\\' => at += 1,
                b'`' => {
                    let rest = self.source.get(at + 1..).unwrap_or_default();
                    let mut escaped = false;
                    let end = rest.iter().position(|byte| {
                        let over = *byte == b'`' && !escaped;
                        escaped = *byte == b'\\' && !escaped;
                        over
                    });
                    at += end.map_or(0, |end| end + 1);
                }
                _ => {}
            }
            at += 1;
        }
        false
    }

    /// Behind `${`.
    fn braced(&mut self, quoted: bool) -> Result<Parameter, SyntaxError> {
        let started = self.line;
        let mut length = false;
        if self.byte() == Some(b'#') {
            self.unfold(1);
        }
        if self.byte() == Some(b'#') {
            // `${#c}` is the length of any parameter c; other operators behind `#` are about `$#` itself.
            length = match self.byte_at(1) {
                Some(b'}' | b':') | None => false,
                Some(b'-' | b'=' | b'?' | b'+' | b'%' | b'#') => {
                    self.byte_at(2) == Some(b'}')
                        && self.byte_at(1) != Some(b'=')
                        && self.byte_at(1) != Some(b'+')
                        && self.byte_at(1) != Some(b'%')
                }
                _ => true,
            };
            if length {
                self.at += 1;
                self.unfold(0);
            }
        }
        let name = match self.byte() {
            Some(byte) if is_name_start(byte) => self.name(),
            Some(byte) if byte.is_ascii_digit() => {
                let rest = self.source.get(self.at..).unwrap_or_default();
                let digits: Vec<u8> = rest
                    .iter()
                    .copied()
                    .take_while(u8::is_ascii_digit)
                    .collect();
                self.at += digits.len();
                digits
            }
            Some(byte) if b"@*#?-$!".contains(&byte) => {
                self.at += 1;
                vec![byte]
            }
            _ => return Err(self.bad_substitution()),
        };
        self.unfold(0);
        let operation = if length {
            Operation::Length
        } else {
            self.operation(quoted)?
        };
        if self.byte() != Some(b'}') {
            if self.byte().is_none() {
                return Err(self.unfinished("missing \"}\"", started));
            }
            return Err(self.bad_substitution());
        }
        self.at += 1;
        Ok(Parameter { name, operation })
    }

    fn operation(&mut self, quoted: bool) -> Result<Operation, SyntaxError> {
        let colon =
            self.byte() == Some(b':') && matches!(self.byte_at(1), Some(b'-' | b'=' | b'?' | b'+'));
        if colon {
            self.at += 1;
        }
        let Some(byte) = self.byte() else {
            return Ok(Operation::Value);
        };
        let doubled = self.byte_at(1) == Some(byte);
        Ok(match byte {
            b'}' => Operation::Value,
            b'-' | b'=' | b'?' | b'+' => {
                self.at += 1;
                let word = self.word(Until::Brace, quoted)?;
                match byte {
                    b'-' => Operation::Default(colon, word),
                    b'=' => Operation::Assign(colon, word),
                    b'?' => Operation::Error(colon, word),
                    _ => Operation::Alternative(colon, word),
                }
            }
            b'%' | b'#' => {
                self.at += 1 + usize::from(doubled);
                // Patterns have quotes of their own, inside double quotes too.
                let word = self.word(Until::Brace, false)?;
                if byte == b'%' {
                    Operation::TrimEnd(doubled, word)
                } else {
                    Operation::TrimStart(doubled, word)
                }
            }
            b':' => {
                self.at += 1;
                if self.byte() == Some(b'}') {
                    return Err(self.bad_substitution());
                }
                let offset = self.word(Until::ColonOrBrace, true)?;
                let length = if self.byte() == Some(b':') {
                    self.at += 1;
                    Some(self.word(Until::ColonOrBrace, true)?)
                } else {
                    None
                };
                Operation::Slice(offset, length)
            }
            b'/' => {
                self.at += 1;
                let place = match self.byte() {
                    Some(b'/') => Place::All,
                    Some(b'#') => Place::Start,
                    Some(b'%') => Place::End,
                    _ => Place::First,
                };
                if place != Place::First {
                    self.at += 1;
                }
                // A slash right at the beginning is the pattern's.
                let slash = self.byte() == Some(b'/') && place != Place::First;
                self.at += usize::from(slash);
                let mut pattern = self.word(Until::SlashOrBrace, false)?;
                if slash {
                    pattern.0.insert(0, Part::Quoted(b"/".to_vec()));
                }
                let text = if self.byte() == Some(b'/') {
                    self.at += 1;
                    self.word(Until::Brace, false)?
                } else {
                    Word::default()
                };
                Operation::Replace(place, pattern, text)
            }
            _ => return Err(self.bad_substitution()),
        })
    }

    fn bad_substitution(&self) -> SyntaxError {
        self.error_at(self.line, "bad substitution".to_owned())
    }

    /// Backquotes: the backslashes before `$`, `` ` `` and `\` are taken off, then it is a script of its own.
    fn backquoted(&mut self, quoted: bool) -> Result<Part, SyntaxError> {
        let started = self.line;
        self.at += 1;
        let mut text = Vec::new();
        loop {
            match (self.byte(), self.byte_at(1)) {
                (None, _) => return Err(self.unfinished("unterminated backquote", started)),
                (Some(b'`'), _) => break,
                (Some(b'\\'), Some(next))
                    if matches!(next, b'$' | b'`' | b'\\') || (quoted && next == b'"') =>
                {
                    text.push(next);
                    self.at += 2;
                }
                (Some(byte), _) => {
                    text.push(byte);
                    self.bump();
                }
            }
        }
        self.at += 1;
        Ok(Part::Command(Rc::new(self.parse_inside(&text, started)?)))
    }

    /// A here-document's text as a word.
    pub(crate) fn here_word(&mut self, text: &[u8], line: u32) -> Result<Word, SyntaxError> {
        let mut inner = Parser::new(text, &self.name, &self.aliases);
        inner.line = line;
        inner.depth = self.depth + 1;
        Ok(Word(vec![Part::Double(inner.word(Until::End, true)?.0)]))
    }

    /// A text such as a prompt's or `$((…))`'s, where only expansions are alive.
    pub(crate) fn expandable(mut self) -> Result<Word, SyntaxError> {
        self.word(Until::End, true)
    }

    /// `((…))` as a command, behind the opening parentheses.
    pub(crate) fn arithmetic_command(&mut self) -> Result<Word, SyntaxError> {
        let started = self.line;
        let word = self.word(Until::Parentheses, true)?;
        if (self.byte(), self.byte_at(1)) != (Some(b')'), Some(b')')) {
            return Err(self.unfinished("missing \"))\"", started));
        }
        self.at += 2;
        Ok(word)
    }

    /// Whether `((` at the token that begins at `from` closes with `))`.
    pub(crate) fn closes_as_arithmetic(&self, from: usize) -> bool {
        let (mut at, mut open) = (from, 0u32);
        while let Some(byte) = self.source.get(at) {
            match byte {
                b'(' => open += 1,
                b')' if open == 0 => return self.source.get(at + 1) == Some(&b')'),
                b')' => open -= 1,
                b'\n' | b';' => return false,
                _ => {}
            }
            at += 1;
        }
        false
    }
}

fn flush(parts: &mut Vec<Part>, text: &mut Vec<u8>) {
    if !text.is_empty() {
        parts.push(Part::Text(std::mem::take(text)));
    }
}

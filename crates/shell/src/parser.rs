//! The grammar (POSIX.1-2024, Shell Command Language, 2.10), with what BusyBox's ash adds.

use crate::ast::{AndOr, Assignment, Command, List, Part, Pipeline, Redirected, Word};
use crate::error::SyntaxError;
use crate::hash::Names;
use crate::lexer::{Token, is_name};
use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

mod compound;
mod condition;
mod redirection;

/// How deep compound commands may lie inside one another.
const DEEPEST: u32 = 200;

/// Names and the texts that stand in their places; a parser sees what a command before it changed.
pub type Aliases = Rc<RefCell<Names<Vec<u8>>>>;

/// A parser at some place of a script.
pub struct Parser {
    pub(crate) source: Vec<u8>,
    pub(crate) at: usize,
    pub(crate) line: u32,
    pub(crate) name: String,
    pub(crate) depth: u32,
    pub(crate) token_line: u32,
    pub(crate) token_start: usize,
    pub(crate) aliases: Aliases,
    /// More text may follow: what is missing is asked for.
    pub(crate) more: bool,
    /// An alias' text ended with a blank: the word behind it, where so many bytes are left, may be an alias too.
    blank: Option<usize>,
    /// An alias' text was put in here, so its name stays as it is until so many bytes are left.
    expanding: Vec<(Vec<u8>, usize)>,
    peeked: Option<Token>,
    /// Here-documents whose text begins at the next line.
    pending: Vec<Pending>,
    /// Whether the last and-or list ended with `;` or `&`.
    separated: bool,
}

struct Pending {
    delimiter: Vec<u8>,
    quoted: bool,
    strip_tabs: bool,
    text: Rc<OnceCell<Word>>,
}

impl Parser {
    /// Begins at the beginning. `name` is for the errors.
    pub fn new(source: &[u8], name: &str, aliases: &Aliases) -> Parser {
        Parser {
            source: source.to_vec(),
            at: 0,
            line: 1,
            name: name.to_owned(),
            depth: 0,
            token_line: 1,
            token_start: 0,
            aliases: Rc::clone(aliases),
            more: false,
            blank: None,
            expanding: Vec::new(),
            peeked: None,
            pending: Vec::new(),
            separated: false,
        }
    }

    pub(crate) fn error_at(&self, line: u32, what: String) -> SyntaxError {
        SyntaxError {
            name: self.name.clone(),
            line,
            what,
            unfinished: false,
        }
    }

    pub(crate) fn unfinished(&self, what: &str, line: u32) -> SyntaxError {
        SyntaxError {
            name: self.name.clone(),
            line,
            what: what.to_owned(),
            unfinished: true,
        }
    }

    pub(crate) fn deeper(&mut self, most: u32) -> Result<(), SyntaxError> {
        self.depth += 1;
        if self.depth > most {
            return Err(self.error_at(self.line, "nested too deeply".to_owned()));
        }
        Ok(())
    }

    pub(crate) fn shallower(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    pub(super) fn peek(&mut self) -> Result<&Token, SyntaxError> {
        if self.peeked.is_none() {
            self.peeked = Some(self.read_token()?);
        }
        Ok(self.peeked.as_ref().unwrap_or(&Token::End))
    }

    pub(super) fn next(&mut self) -> Result<Token, SyntaxError> {
        self.peek()?;
        Ok(self.peeked.take().unwrap_or(Token::End))
    }

    pub(super) fn is_operator(&mut self, wanted: &str) -> Result<bool, SyntaxError> {
        Ok(matches!(self.peek()?, Token::Operator(operator) if *operator == wanted))
    }

    pub(super) fn is_reserved(&mut self, wanted: &[u8]) -> Result<bool, SyntaxError> {
        Ok(matches!(self.peek()?, Token::Word(word) if word.plain() == Some(wanted)))
    }

    pub(super) fn unexpected(&mut self, expected: &str) -> SyntaxError {
        let token = self.peeked.take().unwrap_or(Token::End);
        let expecting = if expected.is_empty() {
            String::new()
        } else {
            format!(" (expecting {expected})")
        };
        let what = match &token {
            Token::End => {
                let mut error = self.unfinished("", self.token_line);
                error.what = format!("end of file unexpected{expecting}");
                return error;
            }
            Token::Newline => "newline unexpected".to_owned(),
            Token::Operator(operator) => format!("\"{operator}\" unexpected"),
            Token::Number(number) => format!("\"{number}\" unexpected"),
            Token::Word(word) => match word.plain() {
                Some(text) => format!("\"{}\" unexpected", String::from_utf8_lossy(text)),
                None => "word unexpected".to_owned(),
            },
        };
        self.error_at(self.token_line, what + &expecting)
    }

    pub(super) fn expect_reserved(
        &mut self,
        wanted: &str,
        opened: (&str, u32),
    ) -> Result<(), SyntaxError> {
        if self.is_reserved(wanted.as_bytes())? {
            self.peeked = None;
            return Ok(());
        }
        Err(self.unexpected(&format!(
            "\"{wanted}\", for the \"{}\" on line {}",
            opened.0, opened.1
        )))
    }

    pub(super) fn skip_newlines(&mut self) -> Result<(), SyntaxError> {
        while *self.peek()? == Token::Newline {
            self.peeked = None;
        }
        Ok(())
    }

    /// The next complete command: what stands up to a line's end. `None`: the script is at its end.
    pub fn next_command(&mut self) -> Result<Option<List>, SyntaxError> {
        self.skip_newlines()?;
        if *self.peek()? == Token::End {
            return Ok(None);
        }
        let mut list = Vec::new();
        loop {
            list.push(self.and_or()?);
            let separated = self.separated;
            match self.peek()? {
                Token::Newline => {
                    self.peeked = None;
                    break;
                }
                Token::End => break,
                _ if separated => {}
                _ => return Err(self.unexpected("")),
            }
        }
        Ok(Some(list))
    }

    /// Whether nothing stands behind what was read.
    pub(crate) fn is_over(&self) -> bool {
        self.source
            .get(self.at..)
            .is_none_or(|rest| rest.iter().all(u8::is_ascii_whitespace))
    }

    /// The whole script.
    pub fn all(mut self) -> Result<List, SyntaxError> {
        let mut list = Vec::new();
        while let Some(more) = self.next_command()? {
            list.extend(more);
        }
        Ok(list)
    }

    /// `$(…)`, behind the opening parenthesis; reads the closing one.
    pub(crate) fn inner_list(&mut self) -> Result<List, SyntaxError> {
        self.deeper(DEEPEST)?;
        let opened = self.line;
        let (token, token_line, token_start) =
            (self.peeked.take(), self.token_line, self.token_start);
        let pending = std::mem::take(&mut self.pending);
        let list = self.list(&[")"])?;
        if !self.is_operator(")")? {
            return Err(self.unexpected(&format!("\")\", for the \"$(\" on line {opened}")));
        }
        self.pending = pending;
        self.peeked = token;
        (self.token_line, self.token_start) = (token_line, token_start);
        self.shallower();
        Ok(list)
    }

    /// Backquotes: a script of its own inside this one.
    pub(crate) fn parse_inside(&mut self, text: &[u8], line: u32) -> Result<List, SyntaxError> {
        self.deeper(DEEPEST)?;
        let mut inner = Parser::new(text, &self.name, &self.aliases);
        inner.line = line;
        inner.depth = self.depth;
        let list = inner.all().map_err(|error| SyntaxError {
            unfinished: false,
            ..error
        })?;
        self.shallower();
        Ok(list)
    }

    /// Commands up to one of these reserved words or operators, which is left unread.
    pub(super) fn list(&mut self, ends: &[&str]) -> Result<List, SyntaxError> {
        let mut list = Vec::new();
        loop {
            self.skip_newlines()?;
            // An alias may stand for a reserved word.
            self.expand_aliases()?;
            let over = match self.peek()? {
                Token::End => true,
                Token::Operator(operator) => {
                    ends.contains(operator) || operator.starts_with(";;") || *operator == ";&"
                }
                Token::Word(word) => word.plain().is_some_and(|text| {
                    ends.iter().any(|end| end.as_bytes() == text && *end != ")")
                }),
                _ => false,
            };
            if over {
                return Ok(list);
            }
            list.push(self.and_or()?);
            if !self.separated && !matches!(self.peek()?, Token::Newline) {
                return Ok(list);
            }
        }
    }

    /// A list that must not be empty.
    pub(super) fn some_list(&mut self, ends: &[&str]) -> Result<List, SyntaxError> {
        let list = self.list(ends)?;
        if list.is_empty() {
            return Err(self.unexpected(""));
        }
        Ok(list)
    }

    fn and_or(&mut self) -> Result<AndOr, SyntaxError> {
        let first = self.pipeline()?;
        let mut rest = Vec::new();
        loop {
            let and = match self.peek()? {
                Token::Operator("&&") => true,
                Token::Operator("||") => false,
                _ => break,
            };
            self.peeked = None;
            self.skip_newlines()?;
            rest.push((and, self.pipeline()?));
        }
        let background = self.is_operator("&")?;
        self.separated = background || self.is_operator(";")?;
        if self.separated {
            self.peeked = None;
        }
        Ok(AndOr {
            first,
            rest,
            background,
        })
    }

    fn pipeline(&mut self) -> Result<Pipeline, SyntaxError> {
        let negate = self.is_reserved(b"!")?;
        if negate {
            self.peeked = None;
            if self.is_reserved(b"!")? {
                return Err(self.unexpected("a command, for the \"!\""));
            }
        }
        let mut commands = vec![self.command()?];
        while self.is_operator("|")? {
            self.peeked = None;
            self.skip_newlines()?;
            commands.push(self.command()?);
        }
        Ok(Pipeline { negate, commands })
    }

    pub(super) fn command(&mut self) -> Result<Redirected, SyntaxError> {
        self.deeper(DEEPEST)?;
        self.expand_aliases()?;
        self.peek()?;
        let line = self.token_line;
        let compound = match self.peek()? {
            Token::Operator("(") => Some("("),
            Token::Word(word) => match word.plain() {
                Some(b"{") => Some("{"),
                Some(b"if") => Some("if"),
                Some(b"for") => Some("for"),
                Some(b"while") => Some("while"),
                Some(b"until") => Some("until"),
                Some(b"case") => Some("case"),
                Some(b"[[") => Some("[["),
                Some(b"function") => Some("function"),
                Some(
                    b"then" | b"else" | b"elif" | b"fi" | b"do" | b"done" | b"esac" | b"}" | b"in",
                ) => {
                    // "in" is reserved only where for and case look for it.
                    if word.plain() == Some(b"in") {
                        None
                    } else {
                        return Err(self.unexpected(""));
                    }
                }
                _ => None,
            },
            Token::Number(_)
            | Token::Operator(
                "<" | ">" | "<<" | "<<-" | ">>" | "<&" | ">&" | "<>" | ">|" | "<<<" | "&>" | "&>>",
            ) => None,
            _ => return Err(self.unexpected("")),
        };
        let mut redirected = match compound {
            None => self.simple(line)?,
            Some(kind) => {
                let command = self.compound(kind, line)?;
                let mut redirections = Vec::new();
                if !matches!(command, Command::Function { .. }) {
                    while let Some(redirection) = self.redirection()? {
                        redirections.extend(redirection);
                    }
                }
                Redirected {
                    command,
                    redirections,
                    line,
                }
            }
        };
        redirected.line = line;
        self.shallower();
        Ok(redirected)
    }

    /// Puts an alias' text in the place of its name, as long as there is one.
    fn expand_aliases(&mut self) -> Result<(), SyntaxError> {
        loop {
            self.peek()?;
            if self.aliases.borrow().is_empty() {
                return Ok(());
            }
            let Some(Token::Word(word)) = &self.peeked else {
                return Ok(());
            };
            let Some(name) = word.plain() else {
                return Ok(());
            };
            let left = self.source.len() - self.at.min(self.source.len());
            let from_token = self.source.len() - self.token_start.min(self.source.len());
            self.expanding.retain(|(_, until)| from_token > *until);
            if self.expanding.iter().any(|(known, _)| known == name) {
                return Ok(());
            }
            let Some(text) = self.aliases.borrow().get(name).cloned() else {
                return Ok(());
            };
            let name = name.to_vec();
            self.expanding.push((name, left));
            self.blank = matches!(text.last(), Some(b' ' | b'\t')).then_some(left);
            self.source.splice(self.token_start..self.at, text);
            self.at = self.token_start;
            self.peeked = None;
        }
    }

    /// The word behind an alias whose text ends with a blank is looked up as well (POSIX.1-2024, 2.3.1).
    pub(super) fn expand_behind_blank(&mut self) -> Result<(), SyntaxError> {
        if let Some(left) = self.blank {
            self.peek()?;
            if self.source.len() - self.token_start.min(self.source.len()) <= left {
                self.blank = None;
                self.expand_aliases()?;
            }
        }
        Ok(())
    }

    fn simple(&mut self, line: u32) -> Result<Redirected, SyntaxError> {
        let (mut assignments, mut words, mut redirections) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            if let Some(redirection) = self.redirection()? {
                redirections.extend(redirection);
                continue;
            }
            if !words.is_empty() {
                self.expand_behind_blank()?;
            } else if !assignments.is_empty() {
                self.expand_aliases()?;
            }
            match self.peek()? {
                Token::Word(_) => {
                    let Token::Word(word) = self.next()? else {
                        break;
                    };
                    if !words.is_empty() {
                        words.push(word);
                        continue;
                    }
                    match as_assignment(word) {
                        Ok(assignment) => assignments.push(assignment),
                        Err(word) => words.push(word),
                    }
                }
                Token::Operator("(")
                    if assignments.is_empty() && words.len() == 1 && redirections.is_empty() =>
                {
                    let name = words.first().and_then(Word::plain).map(<[u8]>::to_vec);
                    self.peeked = None;
                    if !self.is_operator(")")? {
                        return Err(self.unexpected("\")\""));
                    }
                    self.peeked = None;
                    let Some(name) = name else {
                        return Err(self.error_at(line, "bad function name".to_owned()));
                    };
                    let command = self.function(name)?;
                    return Ok(Redirected {
                        command,
                        redirections,
                        line,
                    });
                }
                _ => break,
            }
        }
        Ok(Redirected {
            command: Command::Simple { assignments, words },
            redirections,
            line,
        })
    }
}

/// A word that begins with `name=` or `name+=`, unquoted; the error is the word as it was.
fn as_assignment(mut word: Word) -> Result<Assignment, Word> {
    let Some(Part::Text(text)) = word.0.first_mut() else {
        return Err(word);
    };
    let Some(equals) = text.iter().position(|byte| *byte == b'=') else {
        return Err(word);
    };
    let name = text.get(..equals).unwrap_or_default();
    let (name, append) = match name.strip_suffix(b"+") {
        Some(name) => (name, true),
        None => (name, false),
    };
    if !is_name(name) {
        return Err(word);
    }
    let name = name.to_vec();
    text.drain(..=equals);
    if text.is_empty() {
        word.0.remove(0);
    }
    Ok(Assignment {
        name,
        append,
        value: word,
    })
}

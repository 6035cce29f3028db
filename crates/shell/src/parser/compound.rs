//! Compound commands and function definitions.

use super::Parser;
use crate::ast::{Arm, Command};
use crate::error::SyntaxError;
use crate::lexer::{Token, is_name};
use std::rc::Rc;

impl Parser {
    pub(super) fn compound(
        &mut self,
        kind: &'static str,
        line: u32,
    ) -> Result<Command, SyntaxError> {
        let token_start = self.token_start;
        self.peeked = None;
        let opened = (kind, line);
        Ok(match kind {
            "(" if self.byte() == Some(b'(') && self.closes_as_arithmetic(token_start + 2) => {
                self.at += 1;
                Command::Arithmetic(self.arithmetic_command()?)
            }
            "(" => {
                let list = self.some_list(&[")"])?;
                if !self.is_operator(")")? {
                    return Err(self.unexpected(&format!("\")\", for the \"(\" on line {line}")));
                }
                self.peeked = None;
                Command::Subshell(list)
            }
            "{" => {
                let list = self.some_list(&["}"])?;
                self.expect_reserved("}", opened)?;
                Command::Group(list)
            }
            "if" => self.branches(opened)?,
            "while" | "until" => {
                let condition = self.some_list(&["do"])?;
                self.expect_reserved("do", opened)?;
                let body = self.some_list(&["done"])?;
                self.expect_reserved("done", opened)?;
                Command::Loop {
                    until: kind == "until",
                    condition,
                    body,
                }
            }
            "for" => self.for_loop(opened)?,
            "case" => self.case(opened)?,
            "[[" => {
                let condition = self.condition_or()?;
                if !self.is_reserved(b"]]")? {
                    return Err(self.unexpected("\"]]\""));
                }
                self.peeked = None;
                Command::Test(condition)
            }
            _ => {
                let Token::Word(word) = self.next()? else {
                    return Err(self.unexpected("a function's name"));
                };
                let name = word.plain().unwrap_or_default().to_vec();
                if self.is_operator("(")? {
                    self.peeked = None;
                    if !self.is_operator(")")? {
                        return Err(self.unexpected("\")\""));
                    }
                    self.peeked = None;
                }
                self.function(name)?
            }
        })
    }

    pub(super) fn branches(&mut self, opened: (&str, u32)) -> Result<Command, SyntaxError> {
        let mut branches = Vec::new();
        loop {
            let condition = self.some_list(&["then"])?;
            self.expect_reserved("then", opened)?;
            let body = self.some_list(&["elif", "else", "fi"])?;
            branches.push((condition, body));
            if self.is_reserved(b"elif")? {
                self.peeked = None;
                continue;
            }
            let mut otherwise = None;
            if self.is_reserved(b"else")? {
                self.peeked = None;
                otherwise = Some(self.some_list(&["fi"])?);
            }
            self.expect_reserved("fi", opened)?;
            return Ok(Command::If {
                branches,
                otherwise,
            });
        }
    }

    pub(super) fn for_loop(&mut self, opened: (&str, u32)) -> Result<Command, SyntaxError> {
        let name = match self.next()? {
            Token::Word(word) if word.plain().is_some_and(is_name) => {
                word.plain().unwrap_or_default().to_vec()
            }
            other => {
                self.peeked = Some(other);
                return Err(self.unexpected("a variable's name"));
            }
        };
        self.skip_newlines()?;
        let mut words = None;
        if self.is_reserved(b"in")? {
            self.peeked = None;
            let mut list = Vec::new();
            while let Token::Word(_) = self.peek()? {
                if let Token::Word(word) = self.next()? {
                    list.push(word);
                }
            }
            if !matches!(self.peek()?, Token::Newline | Token::Operator(";")) {
                return Err(self.unexpected("\"do\""));
            }
            words = Some(list);
        }
        if self.is_operator(";")? {
            self.peeked = None;
        }
        self.skip_newlines()?;
        let close = if self.is_reserved(b"{")? {
            ("{", "}")
        } else {
            ("do", "done")
        };
        self.expect_reserved(close.0, opened)?;
        let body = self.some_list(&[close.1])?;
        self.expect_reserved(close.1, opened)?;
        Ok(Command::For { name, words, body })
    }

    pub(super) fn case(&mut self, opened: (&str, u32)) -> Result<Command, SyntaxError> {
        let word = match self.next()? {
            Token::Word(word) => word,
            other => {
                self.peeked = Some(other);
                return Err(self.unexpected("a word"));
            }
        };
        self.skip_newlines()?;
        self.expect_reserved("in", opened)?;
        let mut arms = Vec::new();
        loop {
            self.skip_newlines()?;
            if self.is_reserved(b"esac")? {
                self.peeked = None;
                return Ok(Command::Case { word, arms });
            }
            if self.is_operator("(")? {
                self.peeked = None;
            }
            let mut patterns = Vec::new();
            loop {
                match self.next()? {
                    Token::Word(word) => patterns.push(word),
                    other => {
                        self.peeked = Some(other);
                        let expected = format!("\"esac\", for the \"case\" on line {}", opened.1);
                        return Err(self.unexpected(&expected));
                    }
                }
                if self.is_operator("|")? {
                    self.peeked = None;
                } else {
                    break;
                }
            }
            if !self.is_operator(")")? {
                return Err(self.unexpected("\")\""));
            }
            self.peeked = None;
            let body = self.list(&["esac"])?;
            let falls_through = self.is_operator(";&")?;
            let ended = falls_through || self.is_operator(";;")?;
            arms.push(Arm {
                patterns,
                body,
                falls_through,
            });
            if ended {
                self.peeked = None;
            } else if !self.is_reserved(b"esac")? {
                return Err(self.unexpected("\";;\""));
            }
        }
    }

    pub(super) fn function(&mut self, name: Vec<u8>) -> Result<Command, SyntaxError> {
        self.skip_newlines()?;
        let body = Rc::new(self.command()?);
        Ok(Command::Function { name, body })
    }
}

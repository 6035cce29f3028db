//! The inside of `[[ … ]]`.

use super::{DEEPEST, Parser};
use crate::ast::Condition;
use crate::error::SyntaxError;
use crate::lexer::Token;

impl Parser {
    pub(super) fn condition_or(&mut self) -> Result<Condition, SyntaxError> {
        let mut left = self.condition_and()?;
        while self.is_operator("||")? {
            self.peeked = None;
            self.skip_newlines()?;
            left = Condition::Or(Box::new(left), Box::new(self.condition_and()?));
        }
        Ok(left)
    }

    fn condition_and(&mut self) -> Result<Condition, SyntaxError> {
        let mut left = self.condition()?;
        while self.is_operator("&&")? {
            self.peeked = None;
            self.skip_newlines()?;
            left = Condition::And(Box::new(left), Box::new(self.condition()?));
        }
        Ok(left)
    }

    fn condition(&mut self) -> Result<Condition, SyntaxError> {
        self.deeper(DEEPEST)?;
        let condition = self.bare_condition()?;
        self.shallower();
        Ok(condition)
    }

    fn bare_condition(&mut self) -> Result<Condition, SyntaxError> {
        self.skip_newlines()?;
        if self.is_operator("(")? {
            self.peeked = None;
            let inner = self.condition_or()?;
            if !self.is_operator(")")? {
                return Err(self.unexpected("\")\""));
            }
            self.peeked = None;
            return Ok(inner);
        }
        if self.is_reserved(b"!")? {
            self.peeked = None;
            return Ok(Condition::Not(Box::new(self.condition()?)));
        }
        let Token::Word(first) = self.peek()?.clone() else {
            return Err(self.unexpected("a condition"));
        };
        if first.plain() == Some(b"]]") {
            return Err(self.unexpected("a condition"));
        }
        self.peeked = None;
        let unary = first.plain().filter(|text| {
            text.len() == 2
                && text.first() == Some(&b'-')
                && b"bcdefgGhknLOprsStuwxz".contains(&text[1])
        });
        let operator = match self.peek()? {
            Token::Word(word) => word.plain().map(<[u8]>::to_vec),
            Token::Operator("<") => Some(b"<".to_vec()),
            Token::Operator(">") => Some(b">".to_vec()),
            _ => None,
        };
        match operator {
            Some(operator) if is_binary(&operator) => {
                self.peeked = None;
                match self.next()? {
                    Token::Word(second) => Ok(Condition::Binary(first, operator, second)),
                    other => {
                        self.peeked = Some(other);
                        Err(self.unexpected("a word"))
                    }
                }
            }
            Some(text) if text == b"]]" => Ok(Condition::Word(first)),
            _ => match (unary.map(<[u8]>::to_vec), self.peek()?.clone()) {
                (Some(operator), Token::Word(word)) => {
                    self.peeked = None;
                    Ok(Condition::Unary(operator, word))
                }
                _ => Ok(Condition::Word(first)),
            },
        }
    }
}

fn is_binary(operator: &[u8]) -> bool {
    let all: [&[u8]; 15] = [
        b"=", b"==", b"!=", b"<", b">", b"-eq", b"-ne", b"-lt", b"-le", b"-gt", b"-ge", b"-nt",
        b"-ot", b"-ef", b"=~",
    ];
    all.contains(&operator)
}

//! bc's grammar (POSIX.1-2024 bc), with what GNU and BusyBox added to it.

use super::lex::{Lexer, Token};
use std::collections::HashMap;
use std::rc::Rc;

/// What has a value that can be set.
#[derive(Clone, Debug)]
pub enum Place {
    /// A variable, by its number.
    Variable(usize),
    /// An element of an array.
    Element(usize, Box<Expression>),
    /// `ibase`
    Ibase,
    /// `obase`
    Obase,
    /// `scale`
    Scale,
    /// `last`
    Last,
}

/// What is handed to a function.
#[derive(Clone, Debug)]
pub enum Argument {
    /// A value.
    Value(Expression),
    /// A whole array.
    Array(usize),
}

/// An expression.
#[derive(Clone, Debug)]
pub enum Expression {
    /// Digits: what they stand for depends on `ibase` when they are met.
    Number(Rc<[u8]>),
    /// The value of a place.
    Get(Place),
    /// Sets a place, with an operator before the `=` or without.
    Set(Place, Option<u8>, Box<Expression>),
    /// `++` and `--`: whether up, and whether before it is read.
    Step(Place, bool, bool),
    /// Two values.
    Two(&'static str, Box<Expression>, Box<Expression>),
    /// `-`
    Minus(Box<Expression>),
    /// `!`
    Not(Box<Expression>),
    /// A function.
    Call(usize, Vec<Argument>),
    /// `length(…)`
    Length(Box<Argument>),
    /// `sqrt(…)`
    Root(Box<Expression>),
    /// `scale(…)`
    ScaleOf(Box<Expression>),
    /// `read()`
    Read,
}

/// A statement.
#[derive(Clone, Debug)]
pub enum Statement {
    /// An expression; its value is printed where it is no assignment.
    Value(Expression, bool),
    /// A text alone.
    Text(Vec<u8>),
    /// `print`
    Print(Vec<Printed>),
    /// `{ … }`
    Block(Vec<Statement>),
    /// `if`
    If(Expression, Box<Statement>, Option<Box<Statement>>),
    /// `for` and `while`: the condition, the step, the body
    Loop(Option<Expression>, Option<Expression>, Box<Statement>),
    /// `break`
    Break,
    /// `continue`
    Continue,
    /// `return`
    Return(Option<Expression>),
    /// `halt`
    Halt,
    /// `limits`
    Limits,
}

/// What `print` prints.
#[derive(Clone, Debug)]
pub enum Printed {
    /// As it is, but for its escapes.
    Text(Vec<u8>),
    /// A value.
    Value(Expression),
}

/// A parameter or an automatic variable.
#[derive(Clone, Copy, Debug)]
pub struct Local {
    /// Its number among the names.
    pub name: usize,
    /// Whether it is an array.
    pub array: bool,
    /// Whether the array is the caller's own (`*a[]`).
    pub reference: bool,
}

/// A function.
#[derive(Debug)]
pub struct Function {
    /// What it takes.
    pub parameters: Vec<Local>,
    /// What `auto` names.
    pub locals: Vec<Local>,
    /// What it does.
    pub body: Vec<Statement>,
    /// Whether it has no value.
    pub void: bool,
}

/// One thing to do.
pub enum Item {
    /// A statement.
    Statement(Statement),
    /// A function to know from now on.
    Define(usize, Function),
    /// Nothing on this line.
    Nothing,
    /// `quit`, which counts when it is read, or the end.
    End,
}

/// How deep expressions and blocks may nest.
const DEEPEST: u32 = 500;

/// Reads the language.
pub struct Parser {
    /// Where words come from.
    pub lexer: Lexer,
    names: HashMap<Vec<u8>, usize>,
    depth: u32,
    /// Inside braces, where a line's end is nothing special.
    blocks: u32,
    loops: u32,
    in_function: bool,
    quit: bool,
}

type Parsed<T> = Result<T, String>;

impl Parser {
    /// Reads from here. The names that another parser knows keep their numbers.
    pub fn new(lexer: Lexer, names: HashMap<Vec<u8>, usize>) -> Parser {
        Parser {
            lexer,
            names,
            depth: 0,
            blocks: 0,
            loops: 0,
            in_function: false,
            quit: false,
        }
    }

    /// The names that are known.
    pub fn into_names(self) -> HashMap<Vec<u8>, usize> {
        self.names
    }

    /// How many names there are.
    pub fn names(&self) -> usize {
        self.names.len()
    }

    fn name(&mut self, name: Vec<u8>) -> usize {
        let next = self.names.len();
        *self.names.entry(name).or_insert(next)
    }

    fn is(&mut self, sign: &str) -> Parsed<bool> {
        Ok(matches!(self.lexer.peek()?, Token::Sign(found) if *found == sign))
    }

    fn accept(&mut self, sign: &str) -> Parsed<bool> {
        let found = self.is(sign)?;
        if found {
            self.lexer.take()?;
        }
        Ok(found)
    }

    fn expect(&mut self, sign: &str) -> Parsed<()> {
        if self.accept(sign)? {
            Ok(())
        } else {
            Err(self.unexpected(&format!("'{sign}' expected")))
        }
    }

    fn unexpected(&mut self, what: &str) -> String {
        let found = match self.lexer.peek() {
            Ok(Token::Number(text) | Token::Name(text)) => {
                format!("'{}'", String::from_utf8_lossy(text))
            }
            Ok(Token::Text(_)) => "a string".to_owned(),
            Ok(Token::Sign(sign)) => format!("'{sign}'"),
            Ok(Token::Line) => "the end of the line".to_owned(),
            Ok(Token::End) => "the end".to_owned(),
            Err(error) => error.clone(),
        };
        format!("syntax error: {what}, not {found}")
    }

    fn lines(&mut self) -> Parsed<()> {
        while *self.lexer.peek()? == Token::Line {
            self.lexer.take()?;
        }
        Ok(())
    }

    fn keyword(&mut self, word: &str) -> Parsed<bool> {
        Ok(matches!(self.lexer.peek()?, Token::Name(name) if name == word.as_bytes()))
    }

    /// The next thing to do.
    pub fn item(&mut self) -> Parsed<Item> {
        (self.depth, self.blocks, self.loops, self.in_function) = (0, 0, 0, false);
        match self.lexer.peek()? {
            Token::End => return Ok(Item::End),
            Token::Line | Token::Sign(";") => {
                self.lexer.take()?;
                return Ok(Item::Nothing);
            }
            _ => {}
        }
        let item = if self.keyword("define")? {
            self.lexer.take()?;
            self.define()?
        } else {
            Item::Statement(self.statement()?)
        };
        if self.quit {
            return Ok(Item::End);
        }
        match self.lexer.peek()? {
            Token::Line | Token::Sign(";") => {
                self.lexer.take()?;
            }
            Token::End => {}
            _ if matches!(
                item,
                Item::Define(..)
                    | Item::Statement(
                        Statement::Block(_) | Statement::If(..) | Statement::Loop(..)
                    )
            ) => {}
            _ => return Err(self.unexpected("the end of a statement expected")),
        }
        Ok(item)
    }

    fn define(&mut self) -> Parsed<Item> {
        let Token::Name(mut name) = self.lexer.take()? else {
            return Err("syntax error: a function's name expected".to_owned());
        };
        let mut void = false;
        if name == b"void"
            && let Token::Name(_) = self.lexer.peek()?
            && let Token::Name(real) = self.lexer.take()?
        {
            (name, void) = (real, true);
        }
        let name = self.name(name);
        self.expect("(")?;
        let parameters = if self.is(")")? {
            Vec::new()
        } else {
            self.locals()?
        };
        self.expect(")")?;
        self.lines()?;
        self.expect("{")?;
        self.in_function = true;
        self.blocks += 1;
        let mut locals = Vec::new();
        self.lines()?;
        while self.keyword("auto")? {
            self.lexer.take()?;
            locals.extend(self.locals()?);
            while matches!(self.lexer.peek()?, Token::Line | Token::Sign(";")) {
                self.lexer.take()?;
            }
        }
        let body = self.block()?;
        Ok(Item::Define(
            name,
            Function {
                parameters,
                locals,
                body,
                void,
            },
        ))
    }

    fn locals(&mut self) -> Parsed<Vec<Local>> {
        let mut all = Vec::new();
        loop {
            let reference = self.accept("*")?;
            let Token::Name(name) = self.lexer.take()? else {
                return Err("syntax error: a name expected".to_owned());
            };
            let array = self.accept("[")?;
            if array {
                self.expect("]")?;
            } else if reference {
                return Err("syntax error: only an array is taken by reference".to_owned());
            }
            let name = self.name(name);
            all.push(Local {
                name,
                array,
                reference,
            });
            if !self.accept(",")? {
                return Ok(all);
            }
        }
    }

    /// What is behind an opening brace, with the closing one.
    fn block(&mut self) -> Parsed<Vec<Statement>> {
        self.blocks += 1;
        let mut all = Vec::new();
        loop {
            match self.lexer.peek()? {
                Token::Line | Token::Sign(";") => {
                    self.lexer.take()?;
                }
                Token::Sign("}") => {
                    self.lexer.take()?;
                    self.blocks -= 1;
                    return Ok(all);
                }
                Token::End => return Err("syntax error: '}' expected".to_owned()),
                _ => {
                    all.push(self.statement()?);
                    if self.quit {
                        return Ok(all);
                    }
                    let closed = matches!(
                        all.last(),
                        Some(Statement::Block(_) | Statement::If(..) | Statement::Loop(..))
                    );
                    match self.lexer.peek()? {
                        Token::Line | Token::Sign(";" | "}") => {}
                        _ if closed => {}
                        _ => return Err(self.unexpected("the end of a statement expected")),
                    }
                }
            }
        }
    }

    fn deeper(&mut self) -> Parsed<()> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("nested too deeply".to_owned());
        }
        Ok(())
    }

    fn statement(&mut self) -> Parsed<Statement> {
        self.deeper()?;
        let result = self.statement_inside();
        self.depth -= 1;
        result
    }

    fn statement_inside(&mut self) -> Parsed<Statement> {
        if self.accept("{")? {
            return Ok(Statement::Block(self.block()?));
        }
        if let Token::Text(_) = self.lexer.peek()?
            && let Token::Text(text) = self.lexer.take()?
        {
            return Ok(Statement::Text(text));
        }
        let word = match self.lexer.peek()? {
            Token::Name(name) => name.clone(),
            _ => Vec::new(),
        };
        match word.as_slice() {
            b"if" => {
                self.lexer.take()?;
                let condition = self.condition()?;
                let then = self.body()?;
                // Inside of braces `else` may stand on the next line; outside nobody knows yet whether it will come.
                if self.blocks > 0 {
                    self.lines()?;
                }
                let mut otherwise = None;
                if self.keyword("else")? {
                    self.lexer.take()?;
                    otherwise = Some(Box::new(self.body()?));
                }
                Ok(Statement::If(condition, Box::new(then), otherwise))
            }
            b"while" => {
                self.lexer.take()?;
                let condition = self.condition()?;
                self.loops += 1;
                let body = self.body()?;
                self.loops -= 1;
                Ok(Statement::Loop(Some(condition), None, Box::new(body)))
            }
            b"for" => {
                self.lexer.take()?;
                self.for_loop()
            }
            b"break" | b"continue" => {
                self.lexer.take()?;
                if self.loops == 0 {
                    let word = String::from_utf8_lossy(&word).into_owned();
                    return Err(format!("{word} outside of a loop"));
                }
                Ok(if word == b"break" {
                    Statement::Break
                } else {
                    Statement::Continue
                })
            }
            b"return" => {
                self.lexer.take()?;
                if !self.in_function {
                    return Err("return outside of a function".to_owned());
                }
                let value = match self.lexer.peek()? {
                    Token::Line | Token::End | Token::Sign(";" | "}") => None,
                    Token::Sign("(") => {
                        // `return ()` is nothing, too.
                        self.lexer.take()?;
                        if self.accept(")")? {
                            None
                        } else {
                            let value = self.expression()?;
                            self.expect(")")?;
                            Some(self.behind(value)?)
                        }
                    }
                    _ => Some(self.expression()?),
                };
                Ok(Statement::Return(value))
            }
            b"quit" => {
                self.lexer.take()?;
                self.quit = true;
                Ok(Statement::Halt)
            }
            b"halt" => self.lexer.take().map(|_| Statement::Halt),
            b"limits" => self.lexer.take().map(|_| Statement::Limits),
            b"print" => {
                self.lexer.take()?;
                let mut all = Vec::new();
                loop {
                    if let Token::Text(_) = self.lexer.peek()?
                        && let Token::Text(text) = self.lexer.take()?
                    {
                        all.push(Printed::Text(text));
                    } else {
                        all.push(Printed::Value(self.expression()?));
                    }
                    if !self.accept(",")? {
                        return Ok(Statement::Print(all));
                    }
                }
            }
            _ => {
                let parenthesis = self.is("(")?;
                let value = self.expression()?;
                let shown = parenthesis || !matches!(value, Expression::Set(..));
                Ok(Statement::Value(value, shown))
            }
        }
    }

    fn condition(&mut self) -> Parsed<Expression> {
        self.expect("(")?;
        let condition = self.expression()?;
        self.expect(")")?;
        Ok(condition)
    }

    fn body(&mut self) -> Parsed<Statement> {
        self.lines()?;
        if self.is(";")? {
            return Ok(Statement::Block(Vec::new()));
        }
        self.statement()
    }

    fn for_loop(&mut self) -> Parsed<Statement> {
        self.expect("(")?;
        let mut parts = [None, None, None];
        for (at, part) in parts.iter_mut().enumerate() {
            let end = if at == 2 { ")" } else { ";" };
            if !self.is(end)? {
                *part = Some(self.expression()?);
            }
            self.expect(end)?;
        }
        self.loops += 1;
        let body = self.body()?;
        self.loops -= 1;
        let [first, condition, step] = parts;
        let repeated = Statement::Loop(condition, step, Box::new(body));
        Ok(match first {
            Some(first) => Statement::Block(vec![Statement::Value(first, false), repeated]),
            None => repeated,
        })
    }

    fn expression(&mut self) -> Parsed<Expression> {
        self.deeper()?;
        let result = self.level(0);
        self.depth -= 1;
        result
    }

    /// What follows a value in parentheses that was read already.
    fn behind(&mut self, first: Expression) -> Parsed<Expression> {
        let mut value = first;
        for level in (0..=LEVELS).rev() {
            value = self.rest(level, value)?;
        }
        Ok(value)
    }

    fn level(&mut self, level: usize) -> Parsed<Expression> {
        if level > LEVELS {
            return self.unary();
        }
        let first = self.level(level + 1)?;
        self.rest(level, first)
    }

    fn rest(&mut self, level: usize, first: Expression) -> Parsed<Expression> {
        let mut left = first;
        loop {
            let sign = match (self.lexer.peek()?, OPERATORS.get(level)) {
                (Token::Sign(sign), Some(all)) if all.contains(sign) => *sign,
                _ => return Ok(left),
            };
            self.lexer.take()?;
            // Powers group from the right.
            let right = if level == LEVELS {
                self.deeper()?;
                let right = self.level(level)?;
                self.depth -= 1;
                right
            } else {
                self.level(level + 1)?
            };
            left = Expression::Two(sign, Box::new(left), Box::new(right));
        }
    }

    fn unary(&mut self) -> Parsed<Expression> {
        self.deeper()?;
        let result = if self.accept("-")? {
            Expression::Minus(Box::new(self.unary()?))
        } else if self.accept("!")? {
            Expression::Not(Box::new(self.unary()?))
        } else if self.is("++")? || self.is("--")? {
            let up = self.is("++")?;
            self.lexer.take()?;
            match self.primary()? {
                Expression::Get(place) => Expression::Step(place, up, true),
                _ => return Err("syntax error: a variable expected".to_owned()),
            }
        } else {
            self.primary()?
        };
        self.depth -= 1;
        Ok(result)
    }

    fn primary(&mut self) -> Parsed<Expression> {
        if self.accept("(")? {
            let inside = self.expression()?;
            self.expect(")")?;
            return Ok(inside);
        }
        match self.lexer.peek()? {
            Token::Number(_) | Token::Name(_) => {}
            _ => return Err(self.unexpected("an expression expected")),
        }
        let name = match self.lexer.take()? {
            Token::Number(digits) => return Ok(Expression::Number(digits.into())),
            Token::Name(name) => name,
            _ => Vec::new(),
        };
        let place = match name.as_slice() {
            b"ibase" => Place::Ibase,
            b"obase" => Place::Obase,
            b"last" => Place::Last,
            b"scale" if self.accept("(")? => {
                let value = self.expression()?;
                self.expect(")")?;
                return Ok(Expression::ScaleOf(Box::new(value)));
            }
            b"scale" => Place::Scale,
            b"sqrt" => return Ok(Expression::Root(Box::new(self.condition()?))),
            b"length" => {
                self.expect("(")?;
                let argument = self.argument()?;
                self.expect(")")?;
                return Ok(Expression::Length(Box::new(argument)));
            }
            b"read" => {
                self.expect("(")?;
                self.expect(")")?;
                return Ok(Expression::Read);
            }
            b"if" | b"else" | b"while" | b"for" | b"define" | b"auto" | b"return" | b"break"
            | b"continue" | b"quit" | b"halt" | b"print" | b"limits" => {
                let name = String::from_utf8_lossy(&name).into_owned();
                return Err(format!(
                    "syntax error: '{name}' where an expression is expected"
                ));
            }
            _ => {
                let number = self.name(name);
                if self.accept("(")? {
                    let mut arguments = Vec::new();
                    while !self.is(")")? {
                        arguments.push(self.argument()?);
                        if !self.accept(",")? {
                            break;
                        }
                    }
                    self.expect(")")?;
                    return Ok(Expression::Call(number, arguments));
                }
                if self.accept("[")? {
                    let index = self.expression()?;
                    self.expect("]")?;
                    Place::Element(number, Box::new(index))
                } else {
                    Place::Variable(number)
                }
            }
        };
        let sign = match self.lexer.peek()? {
            Token::Sign(sign) => *sign,
            _ => "",
        };
        match sign {
            "++" | "--" => {
                self.lexer.take()?;
                Ok(Expression::Step(place, sign == "++", false))
            }
            "=" | "+=" | "-=" | "*=" | "/=" | "%=" | "^=" => {
                self.lexer.take()?;
                // Assignments bind less than sums, but more than comparisons.
                self.deeper()?;
                let value = self.level(ASSIGNED)?;
                self.depth -= 1;
                let operator = sign
                    .as_bytes()
                    .first()
                    .copied()
                    .filter(|byte| *byte != b'=');
                Ok(Expression::Set(place, operator, Box::new(value)))
            }
            _ => Ok(Expression::Get(place)),
        }
    }

    fn argument(&mut self) -> Parsed<Argument> {
        // A name with empty brackets is a whole array.
        if let Token::Name(_) = self.lexer.peek()? {
            let value = self.array_or_value()?;
            return Ok(value);
        }
        Ok(Argument::Value(self.expression()?))
    }

    fn array_or_value(&mut self) -> Parsed<Argument> {
        if self.lexer.array_ahead()?
            && let Token::Name(name) = self.lexer.take()?
        {
            self.expect("[")?;
            self.expect("]")?;
            return Ok(Argument::Array(self.name(name)));
        }
        Ok(Argument::Value(self.expression()?))
    }
}

/// Operators of two values, the weakest first. The last level groups from the right.
const OPERATORS: [&[&str]; 6] = [
    &["||"],
    &["&&"],
    &["==", "!=", "<", "<=", ">", ">="],
    &["+", "-"],
    &["*", "/", "%"],
    &["^"],
];
const LEVELS: usize = OPERATORS.len() - 1;
/// The level of what is assigned.
const ASSIGNED: usize = 3;

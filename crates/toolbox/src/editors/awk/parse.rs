//! From tokens to the tree, by recursive descent with a bounded depth.

use std::rc::Rc;

use super::ast::{
    Arithmetic, Compare, Expr, Function, Pattern, Place, Program, Redirect, SPECIAL, Source,
    Statement, Target,
};
use super::lex::{Builtin, Lexer, Token};
use crate::regex::{Regex, Syntax};

/// The deepest nesting.
const MAX_DEPTH: usize = 300;

/// How regular expressions are read.
pub const SYNTAX: Syntax = Syntax {
    extended: true,
    ignore_case: false,
    newline: false,
    literal: false,
    word: false,
    line: false,
    bracket_escapes: true,
};

struct Parser<'a> {
    lexer: Lexer<'a>,
    token: Token,
    /// The line that the token began on.
    line: usize,
    program: Program,
    locals: Vec<String>,
    in_function: bool,
    /// How many loops are around.
    loops: u32,
    depth: usize,
    /// Whether `>` is a redirection here and not a comparison.
    no_greater: bool,
    /// Whether `in` belongs to a `for`.
    no_in: bool,
}

/// Parses a program. An error begins with the line's number.
pub fn parse(text: &[u8]) -> Result<Program, String> {
    let program = Program {
        globals: SPECIAL.iter().map(|name| (*name).to_string()).collect(),
        ..Program::default()
    };
    let mut parser = Parser {
        lexer: Lexer::new(text),
        token: Token::Newline,
        line: 1,
        program,
        locals: Vec::new(),
        in_function: false,
        loops: 0,
        depth: 0,
        no_greater: false,
        no_in: false,
    };
    match parser.program() {
        Ok(()) => Ok(parser.program),
        Err(message) => Err(format!("{}: {message}", parser.line)),
    }
}

type Parsed<T> = Result<T, String>;

/// In the words of BusyBox's awk, which scripts look for.
fn unexpected<T>() -> Parsed<T> {
    Err("Unexpected token".into())
}

impl Parser<'_> {
    fn advance(&mut self) -> Parsed<Token> {
        self.line = self.lexer.line;
        let next = self.lexer.token()?;
        Ok(std::mem::replace(&mut self.token, next))
    }

    fn is(&self, word: &str) -> bool {
        matches!(&self.token, Token::Word(found) if *found == word)
    }

    fn take(&mut self, word: &str) -> Parsed<bool> {
        let found = self.is(word);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn expect(&mut self, word: &str) -> Parsed<()> {
        if self.take(word)? {
            Ok(())
        } else {
            unexpected()
        }
    }

    fn newlines(&mut self) -> Parsed<()> {
        while self.token == Token::Newline {
            self.advance()?;
        }
        Ok(())
    }

    fn separators(&mut self) -> Parsed<()> {
        while self.token == Token::Newline || self.is(";") {
            self.advance()?;
        }
        Ok(())
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("nested too deeply".into());
        }
        let result = parse(self);
        self.depth -= 1;
        result
    }

    fn program(&mut self) -> Parsed<()> {
        self.advance()?;
        loop {
            self.separators()?;
            match &self.token {
                Token::End => break,
                Token::Word("BEGIN") => {
                    self.advance()?;
                    let body = self.block()?;
                    self.program.begin.push(body);
                }
                Token::Word("END") => {
                    self.advance()?;
                    let body = self.block()?;
                    self.program.end.push(body);
                }
                Token::Word("function") => self.function()?,
                _ => self.rule()?,
            }
            if !matches!(self.token, Token::Newline | Token::End) && !self.is(";") && !self.is("}")
            {
                // Rules may follow each other on one line.
                continue;
            }
            if self.is("}") {
                return unexpected();
            }
        }
        match self
            .program
            .functions
            .iter()
            .find(|function| function.body.is_none())
        {
            Some(function) => Err(format!("function {} is not defined", function.name)),
            None => Ok(()),
        }
    }

    fn rule(&mut self) -> Parsed<()> {
        let pattern = if self.is("{") {
            Pattern::Always
        } else {
            let first = self.expr()?;
            if self.take(",")? {
                self.newlines()?;
                let last = self.expr()?;
                self.program.ranges += 1;
                Pattern::Range(first, last, self.program.ranges - 1)
            } else {
                Pattern::Expression(first)
            }
        };
        let body = if self.is("{") {
            Some(self.block()?)
        } else {
            None
        };
        self.program.rules.push((pattern, body));
        Ok(())
    }

    fn function_index(&mut self, name: &str) -> usize {
        match self
            .program
            .functions
            .iter()
            .position(|function| function.name == name)
        {
            Some(index) => index,
            None => {
                self.program.functions.push(Function {
                    name: name.to_string(),
                    ..Function::default()
                });
                self.program.functions.len() - 1
            }
        }
    }

    fn function(&mut self) -> Parsed<()> {
        self.advance()?;
        let name = match self.advance()? {
            Token::Name(name) | Token::Function(name) => name,
            _ => return unexpected(),
        };
        self.expect("(")?;
        let mut parameters: Vec<String> = Vec::new();
        self.newlines()?;
        while !self.is(")") {
            match self.advance()? {
                Token::Name(parameter) if parameters.contains(&parameter) => {
                    return Err(format!("parameter {parameter} is there twice"));
                }
                Token::Name(parameter) => parameters.push(parameter),
                _ => return unexpected(),
            }
            self.newlines()?;
            if !self.take(",")? {
                break;
            }
            self.newlines()?;
            if self.is(")") {
                return unexpected();
            }
        }
        self.expect(")")?;
        self.newlines()?;
        let index = self.function_index(&name);
        if self.program.functions[index].body.is_some() {
            return Err(format!("function {name} is defined twice"));
        }
        self.program.functions[index].parameters = parameters.len();
        self.locals = parameters;
        self.in_function = true;
        let body = self.block()?;
        self.in_function = false;
        self.locals.clear();
        self.program.functions[index].body = Some(body);
        Ok(())
    }

    // Statements.

    fn block(&mut self) -> Parsed<Statement> {
        self.expect("{")?;
        let mut statements = Vec::new();
        loop {
            self.separators()?;
            if self.take("}")? {
                return Ok(Statement::Block(statements));
            }
            if self.token == Token::End {
                return unexpected();
            }
            statements.push(self.deeper(Self::statement)?);
        }
    }

    /// The end of a simple statement.
    fn terminator(&mut self) -> Parsed<()> {
        match &self.token {
            Token::Newline | Token::Word(";") => {
                self.advance()?;
                Ok(())
            }
            Token::End | Token::Word("}") => Ok(()),
            _ => unexpected(),
        }
    }

    /// A statement as the body of another.
    fn body(&mut self) -> Parsed<Box<Statement>> {
        self.loops += 1;
        let body = self.loop_body();
        self.loops -= 1;
        body
    }

    fn loop_body(&mut self) -> Parsed<Box<Statement>> {
        self.newlines()?;
        if self.take(";")? {
            return Ok(Box::new(Statement::Block(Vec::new())));
        }
        Ok(Box::new(self.deeper(Self::statement)?))
    }

    fn statement(&mut self) -> Parsed<Statement> {
        let word = match &self.token {
            Token::Word(word) => *word,
            _ => "",
        };
        match word {
            "{" => return self.block(),
            "if" => {
                self.advance()?;
                let condition = self.condition()?;
                let then = self.loop_body()?;
                self.separators_before_else()?;
                let otherwise = if self.take("else")? {
                    Some(self.loop_body()?)
                } else {
                    None
                };
                return Ok(Statement::If(condition, then, otherwise));
            }
            "while" => {
                self.advance()?;
                let condition = self.condition()?;
                return Ok(Statement::While(condition, self.body()?));
            }
            "do" => {
                self.advance()?;
                let body = self.body()?;
                self.separators()?;
                self.expect("while")?;
                let condition = self.condition()?;
                self.terminator()?;
                return Ok(Statement::DoWhile(body, condition));
            }
            "for" => return self.for_loop(),
            ";" => {
                self.advance()?;
                return Ok(Statement::Block(Vec::new()));
            }
            _ => {}
        }
        let statement = self.simple()?;
        self.terminator()?;
        Ok(statement)
    }

    fn separators_before_else(&mut self) -> Parsed<()> {
        // Separators are harmless: another statement may follow as well.
        self.separators()
    }

    fn condition(&mut self) -> Parsed<Expr> {
        self.expect("(")?;
        let condition = self.free(Self::expr)?;
        self.expect(")")?;
        Ok(condition)
    }

    /// Parses with all operators allowed, as in parentheses.
    fn free<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        let saved = (self.no_greater, self.no_in);
        (self.no_greater, self.no_in) = (false, false);
        let result = parse(self);
        (self.no_greater, self.no_in) = saved;
        result
    }

    fn for_loop(&mut self) -> Parsed<Statement> {
        self.advance()?;
        self.expect("(")?;
        let first = if self.is(";") {
            None
        } else {
            self.no_in = true;
            let first = self.simple()?;
            self.no_in = false;
            if self.is("in") {
                let Statement::Expression(Expr::Get(Target::Variable(variable))) = first else {
                    return Err("a variable expected before in".into());
                };
                self.advance()?;
                let array = self.name()?;
                self.expect(")")?;
                return Ok(Statement::ForIn(variable, array, self.body()?));
            }
            Some(Box::new(first))
        };
        self.expect(";")?;
        self.newlines()?;
        let condition = if self.is(";") {
            None
        } else {
            Some(self.expr()?)
        };
        self.expect(";")?;
        self.newlines()?;
        let step = if self.is(")") {
            None
        } else {
            Some(Box::new(self.simple()?))
        };
        self.expect(")")?;
        Ok(Statement::For(first, condition, step, self.body()?))
    }

    fn name(&mut self) -> Parsed<Place> {
        match self.advance()? {
            Token::Name(name) => self.place(name),
            _ => Err("a name expected".into()),
        }
    }

    fn place(&mut self, name: String) -> Parsed<Place> {
        if let Some(index) = self.locals.iter().position(|local| *local == name) {
            return Ok(Place::Local(index));
        }
        if self
            .program
            .functions
            .iter()
            .any(|function| function.name == name)
        {
            return Err(format!("{name} is a function"));
        }
        Ok(Place::Global(global(&mut self.program, &name)))
    }

    fn simple(&mut self) -> Parsed<Statement> {
        let word = match &self.token {
            Token::Word(word) => *word,
            _ => "",
        };
        match word {
            "print" | "printf" => {
                self.advance()?;
                self.print(word == "printf")
            }
            "break" | "continue" if self.loops == 0 => Err(format!("'{word}' not in a loop")),
            "break" | "continue" | "next" | "nextfile" => {
                self.advance()?;
                Ok(match word {
                    "break" => Statement::Break,
                    "continue" => Statement::Continue,
                    "next" => Statement::Next,
                    _ => Statement::NextFile,
                })
            }
            "exit" | "return" => {
                self.advance()?;
                if word == "return" && !self.in_function {
                    return Err("return outside of a function".into());
                }
                let value = if self.at_end_of_simple() {
                    None
                } else {
                    Some(self.expr()?)
                };
                Ok(if word == "exit" {
                    Statement::Exit(value)
                } else {
                    Statement::Return(value)
                })
            }
            "delete" => {
                self.advance()?;
                if !matches!(self.token, Token::Name(_)) {
                    return Err("Too few arguments".into());
                }
                let array = self.name()?;
                let subscripts = if self.take("[")? {
                    Some(self.subscripts()?)
                } else {
                    None
                };
                Ok(Statement::Delete(array, subscripts))
            }
            _ => Ok(Statement::Expression(self.expr()?)),
        }
    }

    fn at_end_of_simple(&self) -> bool {
        matches!(self.token, Token::Newline | Token::End) || self.is(";") || self.is("}")
    }

    fn print(&mut self, formatted: bool) -> Parsed<Statement> {
        let mut list = Vec::new();
        let saved = std::mem::replace(&mut self.no_greater, true);
        if !self.at_end_of_simple() && !self.is(">") && !self.is(">>") && !self.is("|") {
            loop {
                list.push(self.expr()?);
                if !self.take(",")? {
                    break;
                }
                self.newlines()?;
            }
        }
        if let [Expr::Group(_)] = list.as_slice()
            && let Some(Expr::Group(inner)) = list.pop()
        {
            list = inner;
        }
        let redirect = match &self.token {
            Token::Word(">") => Some(Redirect::Write),
            Token::Word(">>") => Some(Redirect::Append),
            Token::Word("|") => Some(Redirect::Pipe),
            _ => None,
        };
        let target = match redirect {
            Some(redirect) => {
                self.advance()?;
                Some((redirect, self.concat()?))
            }
            None => None,
        };
        self.no_greater = saved;
        if formatted && list.is_empty() {
            return Err("printf needs a format".into());
        }
        Ok(if formatted {
            Statement::Printf(list, target)
        } else {
            Statement::Print(list, target)
        })
    }

    fn subscripts(&mut self) -> Parsed<Vec<Expr>> {
        let list = self.free(|parser| parser.list("]"))?;
        self.expect("]")?;
        if list.is_empty() {
            Err("a subscript expected".into())
        } else {
            Ok(list)
        }
    }

    fn list(&mut self, end: &str) -> Parsed<Vec<Expr>> {
        let mut list = Vec::new();
        self.newlines()?;
        while !self.is(end) {
            list.push(self.expr()?);
            self.newlines()?;
            if !self.take(",")? {
                break;
            }
            self.newlines()?;
        }
        Ok(list)
    }

    // Expressions, the loosest first.

    fn expr(&mut self) -> Parsed<Expr> {
        self.deeper(Self::ternary)
    }

    fn ternary(&mut self) -> Parsed<Expr> {
        let condition = self.or()?;
        if !self.take("?")? {
            return Ok(condition);
        }
        self.newlines()?;
        let then = self.expr()?;
        self.newlines()?;
        self.expect(":")?;
        self.newlines()?;
        let otherwise = self.expr()?;
        Ok(Expr::Conditional(
            Box::new(condition),
            Box::new(then),
            Box::new(otherwise),
        ))
    }

    fn or(&mut self) -> Parsed<Expr> {
        let mut left = self.and()?;
        while self.take("||")? {
            self.newlines()?;
            left = Expr::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Parsed<Expr> {
        let mut left = self.membership()?;
        while self.take("&&")? {
            self.newlines()?;
            left = Expr::And(Box::new(left), Box::new(self.membership()?));
        }
        Ok(left)
    }

    fn membership(&mut self) -> Parsed<Expr> {
        let mut left = self.matching()?;
        while !self.no_in && self.is("in") {
            self.advance()?;
            let array = self.name()?;
            let subscripts = match left {
                Expr::Group(list) => list,
                other => vec![other],
            };
            left = Expr::In(subscripts, array);
        }
        Ok(left)
    }

    fn matching(&mut self) -> Parsed<Expr> {
        let mut left = self.comparison()?;
        loop {
            let wanted = if self.is("~") {
                true
            } else if self.is("!~") {
                false
            } else {
                return Ok(left);
            };
            self.advance()?;
            left = Expr::Match(wanted, Box::new(left), Box::new(self.comparison()?));
        }
    }

    fn comparison(&mut self) -> Parsed<Expr> {
        let mut left = self.concat()?;
        loop {
            let compare = match &self.token {
                Token::Word("<") => Compare::Less,
                Token::Word("<=") => Compare::LessEqual,
                Token::Word("==") => Compare::Equal,
                Token::Word("!=") => Compare::NotEqual,
                Token::Word(">") if !self.no_greater => Compare::Greater,
                Token::Word(">=") => Compare::GreaterEqual,
                Token::Word("|") => {
                    // Only a getline makes it an expression.
                    let mut ahead = self.lexer.clone();
                    if ahead.token()? != Token::Word("getline") {
                        return Ok(left);
                    }
                    self.advance()?;
                    self.advance()?;
                    let target = self.optional_target()?;
                    left = Expr::Getline(Source::Command(Box::new(left)), target);
                    continue;
                }
                _ => return Ok(left),
            };
            self.advance()?;
            left = Expr::Compare(compare, Box::new(left), Box::new(self.concat()?));
        }
    }

    fn concat(&mut self) -> Parsed<Expr> {
        let first = self.additive()?;
        if !self.begins_operand() {
            return Ok(first);
        }
        let mut items = vec![first];
        while self.begins_operand() {
            items.push(self.additive()?);
        }
        Ok(Expr::Concat(items))
    }

    /// Whether the token begins an operand of a concatenation (so not `+` or `-`).
    fn begins_operand(&self) -> bool {
        match &self.token {
            Token::Number(_)
            | Token::String(_)
            | Token::Name(_)
            | Token::Function(_)
            | Token::Builtin(_) => true,
            Token::Word(word) => {
                matches!(*word, "$" | "!" | "(" | "-" | "+" | "++" | "--")
                    && !matches!(*word, "-" | "+")
            }
            _ => false,
        }
    }

    fn additive(&mut self) -> Parsed<Expr> {
        let mut left = self.multiplicative()?;
        loop {
            let operator = match &self.token {
                Token::Word("+") => Arithmetic::Add,
                Token::Word("-") => Arithmetic::Subtract,
                _ => return Ok(left),
            };
            self.advance()?;
            left = Expr::Arithmetic(operator, Box::new(left), Box::new(self.multiplicative()?));
        }
    }

    fn multiplicative(&mut self) -> Parsed<Expr> {
        let mut left = self.unary()?;
        loop {
            let operator = match &self.token {
                Token::Word("*") => Arithmetic::Multiply,
                Token::Word("/") => Arithmetic::Divide,
                Token::Word("%") => Arithmetic::Remainder,
                _ => return Ok(left),
            };
            self.advance()?;
            left = Expr::Arithmetic(operator, Box::new(left), Box::new(self.unary()?));
        }
    }

    fn unary(&mut self) -> Parsed<Expr> {
        if self.take("!")? {
            return Ok(Expr::Not(Box::new(self.deeper(Self::unary)?)));
        }
        if self.take("-")? {
            return Ok(Expr::Negative(Box::new(self.deeper(Self::unary)?)));
        }
        if self.take("+")? {
            return Ok(Expr::Positive(Box::new(self.deeper(Self::unary)?)));
        }
        self.power()
    }

    fn power(&mut self) -> Parsed<Expr> {
        let base = self.postfix()?;
        if !self.take("^")? {
            return Ok(base);
        }
        // Binds to the right, and tighter than a sign before it but not behind it.
        let exponent = self.deeper(|parser| {
            if parser.take("-")? {
                return Ok(Expr::Negative(Box::new(parser.power()?)));
            }
            if parser.take("+")? {
                return parser.power();
            }
            if parser.take("!")? {
                return Ok(Expr::Not(Box::new(parser.power()?)));
            }
            parser.power()
        })?;
        Ok(Expr::Arithmetic(
            Arithmetic::Power,
            Box::new(base),
            Box::new(exponent),
        ))
    }

    fn postfix(&mut self) -> Parsed<Expr> {
        let expr = self.primary()?;
        let Expr::Get(target) = expr else {
            return Ok(expr);
        };
        let operator = match &self.token {
            Token::Word(word) => *word,
            _ => return Ok(Expr::Get(target)),
        };
        let with = match operator {
            "++" | "--" => {
                self.advance()?;
                return Ok(Expr::Step(
                    target,
                    if operator == "++" { 1.0 } else { -1.0 },
                    true,
                ));
            }
            "=" => {
                self.advance()?;
                self.newlines()?;
                return Ok(Expr::Assign(target, Box::new(self.expr()?)));
            }
            "+=" => Arithmetic::Add,
            "-=" => Arithmetic::Subtract,
            "*=" => Arithmetic::Multiply,
            "/=" => Arithmetic::Divide,
            "%=" => Arithmetic::Remainder,
            "^=" => Arithmetic::Power,
            _ => return Ok(Expr::Get(target)),
        };
        self.advance()?;
        self.newlines()?;
        Ok(Expr::AssignWith(with, target, Box::new(self.expr()?)))
    }

    fn optional_target(&mut self) -> Parsed<Option<Box<Target>>> {
        if !matches!(self.token, Token::Name(_)) && !self.is("$") {
            return Ok(None);
        }
        match self.primary()? {
            Expr::Get(target) => Ok(Some(Box::new(target))),
            _ => Err("getline needs a variable".into()),
        }
    }

    fn primary(&mut self) -> Parsed<Expr> {
        if self.is("/") || self.is("/=") {
            let equals = self.is("/=");
            let mut source = self.lexer.regex()?;
            if equals {
                source.insert(0, b'=');
            }
            self.advance()?;
            let regex = Regex::new(&source, SYNTAX)
                .map_err(|error| format!("{error}: /{}/", String::from_utf8_lossy(&source)))?;
            return Ok(Expr::Regex(Rc::new(regex)));
        }
        match self.advance()? {
            Token::Number(number) => Ok(Expr::Number(number)),
            Token::String(text) => Ok(Expr::String(text.into())),
            Token::Name(name) => {
                let place = self.place(name)?;
                if self.take("[")? {
                    return Ok(Expr::Get(Target::Element(place, self.subscripts()?)));
                }
                Ok(Expr::Get(Target::Variable(place)))
            }
            Token::Function(name) => {
                self.expect("(")?;
                let arguments = self.free(|parser| parser.list(")"))?;
                self.expect(")")?;
                if self.locals.contains(&name) {
                    return Err(format!("{name} is not a function"));
                }
                Ok(Expr::Call(self.function_index(&name), arguments))
            }
            Token::Builtin(builtin) => self.builtin(builtin),
            Token::Word("$") => {
                if self.is("++") || self.is("--") {
                    let step = self.primary()?;
                    return Ok(Expr::Get(Target::Field(Box::new(step))));
                }
                if self.take("-")? {
                    let inner = self.deeper(Self::primary)?;
                    return Ok(Expr::Get(Target::Field(Box::new(Expr::Negative(
                        Box::new(inner),
                    )))));
                }
                let index = self.deeper(Self::primary)?;
                Ok(Expr::Get(Target::Field(Box::new(index))))
            }
            Token::Word(word @ ("++" | "--")) => match self.deeper(Self::primary)? {
                Expr::Get(target) => Ok(Expr::Step(
                    target,
                    if word == "++" { 1.0 } else { -1.0 },
                    false,
                )),
                _ => Err(format!("{word} needs a variable")),
            },
            Token::Word("(") => {
                let mut list = self.free(|parser| parser.list(")"))?;
                self.expect(")")?;
                match list.len() {
                    0 => Err("Empty sequence".into()),
                    // Parentheses keep `(a) b` apart from an assignment's target, but not `$(1)`.
                    1 => Ok(Expr::Group(vec![list.remove(0)])),
                    _ => Ok(Expr::Group(list)),
                }
            }
            Token::Word("-") => Ok(Expr::Negative(Box::new(self.deeper(Self::unary)?))),
            Token::Word("+") => Ok(Expr::Positive(Box::new(self.deeper(Self::unary)?))),
            Token::Word("!") => Ok(Expr::Not(Box::new(self.deeper(Self::unary)?))),
            Token::Word("getline") => {
                let target = self.optional_target()?;
                let source = if self.take("<")? {
                    Source::File(Box::new(self.deeper(Self::primary)?))
                } else {
                    Source::Main
                };
                Ok(Expr::Getline(source, target))
            }
            Token::Newline | Token::End | Token::Word(_) => unexpected(),
        }
    }

    fn builtin(&mut self, builtin: Builtin) -> Parsed<Expr> {
        let arguments = if self.take("(")? {
            let list = self.free(|parser| parser.list(")"))?;
            self.expect(")")?;
            list
        } else if builtin == Builtin::Length {
            Vec::new()
        } else {
            return Err("( expected behind a function's name".into());
        };
        let (least, most) = match builtin {
            Builtin::Atan2 | Builtin::Index | Builtin::Lshift | Builtin::Rshift => (2, 2),
            Builtin::Match => (2, 3),
            Builtin::Close => (1, 2),
            Builtin::Fflush | Builtin::Length | Builtin::Srand => (0, 1),
            Builtin::Gensub => (3, 4),
            Builtin::Gsub | Builtin::Sub => (2, 3),
            Builtin::Split => (2, 4),
            Builtin::Substr => (2, 3),
            Builtin::Sprintf => (1, usize::MAX),
            Builtin::And | Builtin::Or | Builtin::Xor => (2, usize::MAX),
            Builtin::Rand | Builtin::Systime => (0, 0),
            _ => (1, 1),
        };
        if arguments.len() < least || arguments.len() > most {
            return Err(format!(
                "wrong number of arguments for {}",
                format!("{builtin:?}").to_lowercase()
            ));
        }
        Ok(Expr::Builtin(builtin, arguments))
    }
}

/// The place of a global variable; it is made when there is none.
pub fn global(program: &mut Program, name: &str) -> usize {
    match program.globals.iter().position(|known| known == name) {
        Some(index) => index,
        None => {
            program.globals.push(name.to_string());
            program.globals.len() - 1
        }
    }
}

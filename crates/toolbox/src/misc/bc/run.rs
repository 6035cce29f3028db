//! Runs what bc's parser reads.

use super::lex::{Lexer, Token};
use super::parse::{Argument, Expression, Function, Item, Parser, Place, Printed, Statement};
use crate::common::decimal::Number;
use crate::common::lines::{Lines, Output};
use crate::common::stack::Stack;
use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::rc::Rc;

/// More digits behind the point are refused.
const MOST_SCALE: u64 = 100_000_000;
/// One past the largest index of an array.
const MOST_INDEX: u64 = 1 << 24;

type Array = Rc<RefCell<BTreeMap<u64, Number>>>;

/// Why it does not go on.
pub enum Stop {
    /// What is wrong.
    Error(String),
    /// `halt`
    Halt,
}

impl From<String> for Stop {
    fn from(text: String) -> Stop {
        Stop::Error(text)
    }
}

impl From<crate::common::decimal::Error> for Stop {
    fn from(error: crate::common::decimal::Error) -> Stop {
        Stop::Error(error.to_string())
    }
}

enum Flow {
    On,
    Break,
    Continue,
    Return(Option<Number>),
}

/// Folded output: a line that is too long goes on behind a backslash.
pub struct Printer {
    out: Output,
    column: usize,
    width: usize,
}

impl Printer {
    /// The width comes from the environment: 0 is no limit.
    pub fn new(variable: &str, usual: usize) -> Printer {
        let width = std::env::var(variable)
            .ok()
            .and_then(|text| text.parse::<usize>().ok())
            .filter(|width| *width > 2 || *width == 0)
            .unwrap_or(usual);
        Printer {
            out: Output::new(),
            column: 0,
            width,
        }
    }

    /// A number's digits.
    pub fn number(&mut self, text: &[u8]) {
        for byte in text {
            if self.width > 0 && self.column + 2 >= self.width {
                self.out.put(b"\\\n");
                self.column = 0;
            }
            self.out.put_byte(*byte);
            self.column += 1;
        }
    }

    /// Other text, as it is.
    pub fn text(&mut self, text: &[u8]) {
        self.out.put(text);
        match text.iter().rposition(|byte| *byte == b'\n') {
            Some(at) => self.column = text.len() - at - 1,
            None => self.column += text.len(),
        }
    }

    /// The end of a line.
    pub fn line(&mut self) {
        self.out.put(b"\n");
        self.column = 0;
    }

    /// Hands on what was printed.
    pub fn flush(&mut self) {
        self.out.flush();
    }

    /// Ends, with this status.
    pub fn finish(self, applet: &str, status: i32) -> i32 {
        self.out.finish(applet, status, 1)
    }
}

/// All that is known while bc runs.
pub struct Machine {
    /// What is printed.
    pub printer: Printer,
    variables: Vec<Number>,
    arrays: Vec<Array>,
    functions: HashMap<usize, Rc<Function>>,
    ibase: u32,
    obase: u32,
    scale: usize,
    last: Number,
    stack: Stack,
    input: Option<Lines<File>>,
}

type Done<T> = Result<T, Stop>;

impl Machine {
    /// Nothing is known yet.
    pub fn new(printer: Printer, stack: Stack) -> Machine {
        Machine {
            printer,
            variables: Vec::new(),
            arrays: Vec::new(),
            functions: HashMap::new(),
            ibase: 10,
            obase: 10,
            scale: 0,
            last: Number::default(),
            stack,
            input: None,
        }
    }

    /// Reads and runs all that a parser gives. `Err`: it was stopped.
    pub fn run(&mut self, parser: &mut Parser) -> Done<()> {
        loop {
            let item = parser.item()?;
            // The parser may have met new names.
            let names = parser.names();
            self.variables
                .resize(names.max(self.variables.len()), Number::default());
            while self.arrays.len() < names {
                self.arrays.push(Array::default());
            }
            match item {
                Item::End => return Ok(()),
                Item::Nothing => {}
                Item::Define(name, function) => {
                    self.functions.insert(name, Rc::new(function));
                }
                Item::Statement(statement) => {
                    self.statement(&statement)?;
                }
            }
            self.printer.flush();
        }
    }

    fn deeper(&self) -> Done<()> {
        if self.stack.is_used_up() {
            return Err(Stop::Error("calls are nested too deeply".to_owned()));
        }
        Ok(())
    }

    fn show(&mut self, value: Number) {
        let text = value.text(self.obase);
        self.printer.number(&text);
        self.last = value;
    }

    fn statement(&mut self, statement: &Statement) -> Done<Flow> {
        self.deeper()?;
        self.statement_inside(statement)
    }

    fn statement_inside(&mut self, statement: &Statement) -> Done<Flow> {
        match statement {
            Statement::Value(expression, shown) => {
                if let Some(value) = self.maybe(expression)?
                    && *shown
                {
                    self.show(value);
                    self.printer.line();
                }
            }
            Statement::Text(text) => self.printer.text(text),
            Statement::Print(all) => {
                for part in all {
                    match part {
                        Printed::Text(text) => self.printer.text(&unescaped(text)),
                        Printed::Value(expression) => {
                            let value = self.value(expression)?;
                            self.show(value);
                        }
                    }
                }
            }
            Statement::Block(all) => {
                for statement in all {
                    match self.statement(statement)? {
                        Flow::On => {}
                        flow => return Ok(flow),
                    }
                }
            }
            Statement::If(condition, then, otherwise) => {
                if !self.value(condition)?.is_zero() {
                    return self.statement(then);
                }
                if let Some(otherwise) = otherwise {
                    return self.statement(otherwise);
                }
            }
            Statement::Loop(condition, step, body) => loop {
                if let Some(condition) = condition
                    && self.value(condition)?.is_zero()
                {
                    break;
                }
                match self.statement(body)? {
                    Flow::On | Flow::Continue => {}
                    Flow::Break => break,
                    flow @ Flow::Return(_) => return Ok(flow),
                }
                if let Some(step) = step {
                    self.maybe(step)?;
                }
            },
            Statement::Break => return Ok(Flow::Break),
            Statement::Continue => return Ok(Flow::Continue),
            Statement::Return(None) => return Ok(Flow::Return(None)),
            Statement::Return(Some(value)) => {
                return Ok(Flow::Return(Some(self.value(value)?)));
            }
            Statement::Halt => return Err(Stop::Halt),
            Statement::Limits => {
                let text = format!(
                    "BC_BASE_MAX     = 999\nBC_DIM_MAX      = {MOST_INDEX}\nBC_SCALE_MAX    = {MOST_SCALE}\n"
                );
                self.printer.text(text.as_bytes());
            }
        }
        Ok(Flow::On)
    }

    fn value(&mut self, expression: &Expression) -> Done<Number> {
        self.maybe(expression)?
            .ok_or_else(|| Stop::Error("a void function has no value".to_owned()))
    }

    /// The value; none of a void function.
    fn maybe(&mut self, expression: &Expression) -> Done<Option<Number>> {
        self.deeper()?;
        self.maybe_inside(expression)
    }

    fn maybe_inside(&mut self, expression: &Expression) -> Done<Option<Number>> {
        Ok(Some(match expression {
            Expression::Number(digits) => Number::parse(digits, self.ibase),
            Expression::Get(place) => {
                let index = self.index(place)?;
                self.get(place, index)
            }
            Expression::Set(place, operator, value) => {
                let index = self.index(place)?;
                let mut value = self.value(value)?;
                if let Some(operator) = operator {
                    let old = self.get(place, index);
                    value = self.arithmetic(*operator, &old, &value)?;
                }
                self.set(place, index, value.clone())?;
                value
            }
            Expression::Step(place, up, before) => {
                let index = self.index(place)?;
                let old = self.get(place, index);
                let one = Number::from(1);
                let new = if *up { old.plus(&one) } else { old.minus(&one) };
                self.set(place, index, new.clone())?;
                if *before { new } else { old }
            }
            Expression::Minus(value) => self.value(value)?.negated(),
            Expression::Not(value) => truth(self.value(value)?.is_zero()),
            Expression::Two(sign, left, right) => {
                let left = self.value(left)?;
                let right = self.value(right)?;
                match *sign {
                    "&&" => truth(!left.is_zero() && !right.is_zero()),
                    "||" => truth(!left.is_zero() || !right.is_zero()),
                    "+" | "-" | "*" | "/" | "%" | "^" => {
                        let operator = sign.as_bytes().first().copied().unwrap_or(b'+');
                        self.arithmetic(operator, &left, &right)?
                    }
                    _ => {
                        let order = left.compare(&right);
                        truth(match *sign {
                            "==" => order == Ordering::Equal,
                            "!=" => order != Ordering::Equal,
                            "<" => order == Ordering::Less,
                            "<=" => order != Ordering::Greater,
                            ">" => order == Ordering::Greater,
                            _ => order != Ordering::Less,
                        })
                    }
                }
            }
            Expression::Call(name, arguments) => return self.call(*name, arguments),
            Expression::Length(argument) => match &**argument {
                Argument::Array(name) => {
                    let length = self
                        .array(*name)
                        .borrow()
                        .keys()
                        .next_back()
                        .map_or(0, |last| last + 1);
                    Number::from(length)
                }
                Argument::Value(value) => {
                    let value = self.value(value)?;
                    let length = if value.is_zero() {
                        value.scale().max(1)
                    } else {
                        value.length()
                    };
                    Number::from(length as u64)
                }
            },
            Expression::Root(value) => self.value(value)?.root(self.scale)?,
            Expression::ScaleOf(value) => Number::from(self.value(value)?.scale() as u64),
            Expression::Read => self.read()?,
        }))
    }

    fn arithmetic(&self, operator: u8, left: &Number, right: &Number) -> Done<Number> {
        Ok(match operator {
            b'+' => left.plus(right),
            b'-' => left.minus(right),
            b'*' => left.times(right, self.scale),
            b'/' => left.over(right, self.scale)?,
            b'%' => left.rest(right, self.scale)?,
            _ => left.power(right, self.scale)?,
        })
    }

    /// Asks for a line, which is an expression.
    fn read(&mut self) -> Done<Number> {
        self.printer.flush();
        if self.input.is_none() {
            let file = crate::common::lines::open(std::ffi::OsStr::new("-"))
                .map_err(|error| error.to_string())?;
            self.input = Some(Lines::new(file, b'\n'));
        }
        let line = match self.input.as_mut().map(Lines::read) {
            Some(Ok(Some((line, _)))) => line.to_vec(),
            Some(Err(error)) => return Err(Stop::Error(error.to_string())),
            _ => return Err(Stop::Error("read(): nothing is left to read".to_owned())),
        };
        // Names are of no use there: it is a parser of its own.
        let lexer = Lexer::new(&line, Vec::new());
        let mut parser = Parser::new(lexer, HashMap::new());
        match parser.item()? {
            Item::Statement(Statement::Value(expression, true)) if parser.names() == 0 => {
                if *parser.lexer.peek()? != Token::End {
                    return Err(Stop::Error("read(): one expression expected".to_owned()));
                }
                self.value(&expression)
            }
            _ => Err(Stop::Error("read(): an expression expected".to_owned())),
        }
    }

    fn array(&self, name: usize) -> Array {
        self.arrays.get(name).cloned().unwrap_or_default()
    }

    /// The index of an element; 0 for other places.
    fn index(&mut self, place: &Place) -> Done<u64> {
        let Place::Element(_, index) = place else {
            return Ok(0);
        };
        let value = self.value(index)?;
        value
            .whole()
            .filter(|index| *index < MOST_INDEX)
            .ok_or_else(|| Stop::Error("an array's index is out of range".to_owned()))
    }

    fn get(&self, place: &Place, index: u64) -> Number {
        match place {
            Place::Variable(name) => self.variables.get(*name).cloned().unwrap_or_default(),
            Place::Element(name, _) => self
                .array(*name)
                .borrow()
                .get(&index)
                .cloned()
                .unwrap_or_default(),
            Place::Ibase => Number::from(u64::from(self.ibase)),
            Place::Obase => Number::from(u64::from(self.obase)),
            Place::Scale => Number::from(self.scale as u64),
            Place::Last => self.last.clone(),
        }
    }

    fn set(&mut self, place: &Place, index: u64, value: Number) -> Done<()> {
        let limited = |least: u64, most: u64, what: &str| {
            value
                .whole()
                .filter(|number| (least..=most).contains(number))
                .ok_or_else(|| Stop::Error(format!("{what} must be from {least} to {most}")))
        };
        match place {
            Place::Variable(name) => {
                if let Some(variable) = self.variables.get_mut(*name) {
                    *variable = value;
                }
            }
            Place::Element(name, _) => {
                self.array(*name).borrow_mut().insert(index, value);
            }
            Place::Ibase => self.ibase = limited(2, 36, "ibase")? as u32,
            Place::Obase => self.obase = limited(2, 999, "obase")? as u32,
            Place::Scale => self.scale = limited(0, MOST_SCALE, "scale")? as usize,
            Place::Last => self.last = value,
        }
        Ok(())
    }

    fn call(&mut self, name: usize, arguments: &[Argument]) -> Done<Option<Number>> {
        let Some(function) = self.functions.get(&name).cloned() else {
            return Err(Stop::Error("undefined function".to_owned()));
        };
        if function.parameters.len() != arguments.len() {
            return Err(Stop::Error(format!(
                "wrong number of arguments: {} expected, {} given",
                function.parameters.len(),
                arguments.len()
            )));
        }
        // All values are known before any name gets one.
        let (mut values, mut arrays) = (Vec::new(), Vec::new());
        for (parameter, argument) in function.parameters.iter().zip(arguments) {
            match (argument, parameter.array) {
                (Argument::Value(value), false) => {
                    values.push((parameter.name, self.value(value)?))
                }
                (Argument::Array(name), true) => {
                    let array = self.array(*name);
                    let array = if parameter.reference {
                        array
                    } else {
                        Rc::new(RefCell::new(array.borrow().clone()))
                    };
                    arrays.push((parameter.name, array));
                }
                _ => {
                    return Err(Stop::Error(
                        "an array where a value is expected, or a value for an array".to_owned(),
                    ));
                }
            }
        }
        for local in &function.locals {
            if local.array {
                arrays.push((local.name, Array::default()));
            } else {
                values.push((local.name, Number::default()));
            }
        }
        for (name, value) in &mut values {
            if let Some(variable) = self.variables.get_mut(*name) {
                std::mem::swap(variable, value);
            }
        }
        for (name, array) in &mut arrays {
            if let Some(known) = self.arrays.get_mut(*name) {
                std::mem::swap(known, array);
            }
        }
        let mut result = Ok(None);
        for statement in &function.body {
            match self.statement(statement) {
                Ok(Flow::Return(value)) => {
                    result = Ok(value);
                    break;
                }
                Ok(_) => {}
                Err(stop) => {
                    result = Err(stop);
                    break;
                }
            }
        }
        // Backwards, so that a name that stands twice gets its first value back.
        for (name, value) in values.into_iter().rev() {
            if let Some(variable) = self.variables.get_mut(name) {
                *variable = value;
            }
        }
        for (name, array) in arrays.into_iter().rev() {
            if let Some(known) = self.arrays.get_mut(name) {
                *known = array;
            }
        }
        let value = result?;
        Ok(if function.void {
            None
        } else {
            Some(value.unwrap_or_default())
        })
    }
}

fn truth(value: bool) -> Number {
    Number::from(u64::from(value))
}

/// The escapes of `print`.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b'a') => out.push(7),
            Some(b'b') => out.push(8),
            Some(b'e' | b'\\') => out.push(b'\\'),
            Some(b'f') => out.push(12),
            Some(b'n') => out.push(b'\n'),
            Some(b'q') => out.push(b'"'),
            Some(b'r') => out.push(b'\r'),
            Some(b't') => out.push(b'\t'),
            Some(other) => out.extend_from_slice(&[b'\\', other]),
            None => out.push(b'\\'),
        }
    }
    out
}

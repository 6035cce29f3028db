//! `dc`: a calculator with a stack, of numbers as long as memory lasts.
//!
//! GNU's commands, and of FreeBSD's `( { G N`. Macros run on a stack of their own, so that a loop that is one may go on
//! for ever.

use super::bc::Printer;
use crate::common::decimal::Number;
use crate::common::lines::{Lines, cause, open, say};
use crate::common::options::Options;
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;

pub const USAGE: &str = "[-x] [-e SCRIPT]... [-f FILE]... [file...]

-e  run this    -f  run this file    -x  registers have names of several letters, between blanks
+ - * / % ^  arithmetic    ~  quotient and rest    |  power modulo    v  square root    _  sign of a number
p f n P  print the top, all, the top and drop it, as bytes    d r R c z  copy, swap, drop, clear, count
sR lR SR LR :R ;R  registers, their stacks and arrays    [...] x ? a  strings: run, read, from a number
<R >R =R !<R !>R !=R [eR]  run a register if    ( { G N  compare to 0 or 1    i o k I O K  bases and scale
X Z  scale and length    q Q  leave macros";

/// More digits behind the point are refused.
const MOST_SCALE: u64 = 100_000_000;
/// Macros that wait for others to end.
const DEEPEST: usize = 1_000_000;

#[derive(Clone)]
enum Value {
    Number(Number),
    Text(Rc<[u8]>),
}

#[derive(Default)]
struct Register {
    stack: Vec<Value>,
    array: BTreeMap<u64, Value>,
}

struct Machine {
    printer: Printer,
    stack: Vec<Value>,
    registers: HashMap<Vec<u8>, Register>,
    ibase: u32,
    obase: u32,
    scale: usize,
    extended: bool,
    /// Texts that are being run, and how far each is.
    running: Vec<(Rc<[u8]>, usize)>,
    input: Option<Lines<File>>,
    quit: bool,
}

type Done<T> = Result<T, String>;

/// `dc`
pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "dc",
        letters: "xe:f:",
        long: &[
            ("expression", 'e'),
            ("file", 'f'),
            ("extended-register", 'x'),
        ],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let mut machine = Machine {
        printer: Printer::new("DC_LINE_LENGTH", 71),
        stack: Vec::new(),
        registers: HashMap::new(),
        ibase: 10,
        obase: 10,
        scale: 0,
        extended: given.has('x'),
        running: Vec::new(),
        input: None,
        quit: false,
    };
    let mut status = 0;
    let mut any = false;
    for (letter, value) in given.in_order() {
        let Some(value) = value else { continue };
        any = true;
        let result = if letter == 'e' {
            let mut text = value.as_bytes().to_vec();
            text.push(b'\n');
            machine.text(&text)
        } else {
            machine.file(value)
        };
        status |= machine.told(result);
    }
    for file in &given.operands {
        any = true;
        let result = machine.file(file);
        status |= machine.told(result);
    }
    if !any {
        let result = machine.standard_input();
        status |= machine.told(result);
    }
    machine.printer.finish("dc", status)
}

impl Machine {
    fn told(&mut self, result: Done<()>) -> i32 {
        match result {
            Ok(()) => 0,
            Err(text) => {
                self.printer.flush();
                say("dc", text);
                1
            }
        }
    }

    fn file(&mut self, name: &OsStr) -> Done<()> {
        let mut text = Vec::new();
        open(name)
            .and_then(|mut file| file.read_to_end(&mut text))
            .map_err(|error| format!("{}: {}", name.display(), cause(&error)))?;
        self.text(&text)
    }

    /// Line by line, so that who waits for an answer gets it; a string may go over several.
    fn standard_input(&mut self) -> Done<()> {
        let mut text = Vec::new();
        let mut failed = None;
        while !self.quit {
            let Some(line) = self.line()? else { break };
            text.extend_from_slice(&line);
            text.push(b'\n');
            let depth = text.iter().fold(0i64, |depth, byte| match byte {
                b'[' => depth + 1,
                b']' => (depth - 1).max(0),
                _ => depth,
            });
            if depth > 0 {
                continue;
            }
            let result = self.text(&text);
            text.clear();
            self.printer.flush();
            if result.is_err() {
                self.told(result);
                failed = Some(());
            }
        }
        self.text(&text)?;
        match failed {
            Some(()) => Err("there were errors".to_owned()),
            None => Ok(()),
        }
    }

    fn line(&mut self) -> Done<Option<Vec<u8>>> {
        self.printer.flush();
        if self.input.is_none() {
            let file = open(OsStr::new("-")).map_err(|error| cause(&error))?;
            self.input = Some(Lines::new(file, b'\n'));
        }
        match self.input.as_mut().map(Lines::read) {
            Some(Ok(Some((line, _)))) => Ok(Some(line.to_vec())),
            Some(Err(error)) => Err(cause(&error)),
            _ => Ok(None),
        }
    }

    /// Runs a text to its end.
    fn text(&mut self, text: &[u8]) -> Done<()> {
        if self.quit {
            return Ok(());
        }
        self.running.clear();
        self.running.push((text.into(), 0));
        while let Some(byte) = self.byte() {
            if let Err(error) = self.command(byte) {
                self.running.clear();
                return Err(error);
            }
        }
        Ok(())
    }

    /// The next byte to run; a macro at its end makes room for the one that called it.
    fn byte(&mut self) -> Option<u8> {
        loop {
            let (text, at) = self.running.last_mut()?;
            if let Some(byte) = text.get(*at) {
                *at += 1;
                return Some(*byte);
            }
            self.running.pop();
        }
    }

    /// The next byte of the same text.
    fn same(&mut self) -> Option<u8> {
        let (text, at) = self.running.last_mut()?;
        let byte = text.get(*at).copied()?;
        *at += 1;
        Some(byte)
    }

    fn back(&mut self) {
        if let Some((_, at)) = self.running.last_mut() {
            *at -= 1;
        }
    }

    fn pop(&mut self) -> Done<Value> {
        self.stack
            .pop()
            .ok_or_else(|| "stack has too few elements".to_owned())
    }

    fn number(&mut self) -> Done<Number> {
        match self.pop()? {
            Value::Number(number) => Ok(number),
            Value::Text(_) => Err("a number expected, not a string".to_owned()),
        }
    }

    fn push(&mut self, number: Number) {
        self.stack.push(Value::Number(number));
    }

    fn register(&mut self) -> Done<Vec<u8>> {
        let none = || "a register's name expected".to_owned();
        let first = self.same().ok_or_else(none)?;
        if !(self.extended && first.is_ascii_whitespace()) {
            return Ok(vec![first]);
        }
        let mut name = Vec::new();
        while let Some(byte) = self.same() {
            match byte {
                b' ' | b'\t' | b'\n' if name.is_empty() => {}
                b'a'..=b'z' => name.push(byte),
                b'0'..=b'9' | b'_' if !name.is_empty() => name.push(byte),
                _ => {
                    self.back();
                    break;
                }
            }
        }
        if name.is_empty() {
            Err(none())
        } else {
            Ok(name)
        }
    }

    fn show(&mut self, value: &Value) {
        match value {
            Value::Number(number) => self.printer.number(&number.text(self.obase)),
            Value::Text(text) => self.printer.text(text),
        }
    }

    /// Starts a macro; what is no string is pushed.
    fn start(&mut self, value: Value) -> Done<()> {
        match value {
            Value::Text(text) => {
                // A macro's last command takes its place.
                if let Some((running, at)) = self.running.last()
                    && *at >= running.len()
                    && self.running.len() > 1
                {
                    self.running.pop();
                }
                if self.running.len() > DEEPEST {
                    return Err("macros are nested too deeply".to_owned());
                }
                self.running.push((text, 0));
                Ok(())
            }
            number => {
                self.stack.push(number);
                Ok(())
            }
        }
    }

    fn digits(&mut self, first: u8) -> Number {
        let mut digits = Vec::new();
        let mut negative = first == b'_';
        if !negative {
            digits.push(first);
        }
        while let Some(byte) = self.same() {
            match byte {
                b'.' if digits.contains(&b'.') => {
                    self.back();
                    break;
                }
                b'0'..=b'9' | b'A'..=b'F' | b'.' => digits.push(byte),
                _ => {
                    self.back();
                    break;
                }
            }
        }
        let number = Number::parse(&digits, self.ibase);
        negative &= !number.is_zero();
        if negative { number.negated() } else { number }
    }

    fn two(&mut self) -> Done<(Number, Number)> {
        if self.stack.len() < 2 {
            return Err("stack has too few elements".to_owned());
        }
        let right = self.number()?;
        Ok((self.number()?, right))
    }

    fn limited(&mut self, least: u64, most: u64, what: &str) -> Done<u64> {
        let number = self.number()?;
        number
            .whole()
            .filter(|value| (least..=most).contains(value))
            .ok_or_else(|| format!("{what} must be from {least} to {most}"))
    }

    fn command(&mut self, byte: u8) -> Done<()> {
        let plain = |error: crate::common::decimal::Error| error.to_string();
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0c => {}
            b'#' => while self.same().is_some_and(|byte| byte != b'\n') {},
            b'0'..=b'9' | b'A'..=b'F' | b'.' | b'_' => {
                let number = self.digits(byte);
                self.push(number);
            }
            b'+' | b'-' | b'*' | b'/' | b'%' | b'^' => {
                let (left, right) = self.two()?;
                let result = match byte {
                    b'+' => left.plus(&right),
                    b'-' => left.minus(&right),
                    b'*' => left.times(&right, self.scale),
                    b'/' => left.over(&right, self.scale).map_err(plain)?,
                    b'%' => left.rest(&right, self.scale).map_err(plain)?,
                    _ => left.power(&right, self.scale).map_err(plain)?,
                };
                self.push(result);
            }
            b'~' => {
                let (left, right) = self.two()?;
                let rest = left.rest(&right, self.scale).map_err(plain)?;
                let quotient = left.over(&right, self.scale).map_err(plain)?;
                self.push(quotient);
                self.push(rest);
            }
            b'|' => {
                let modulus = self.number()?;
                let (base, exponent) = self.two()?;
                let result = power_modulo(&base, &exponent, &modulus)?;
                self.push(result);
            }
            b'v' => {
                let root = self.number()?.root(self.scale).map_err(plain)?;
                self.push(root);
            }
            b'[' => {
                let (mut text, mut depth) = (Vec::new(), 1);
                loop {
                    match self.same() {
                        None => return Err("a string has no end".to_owned()),
                        Some(b'[') => depth += 1,
                        Some(b']') if depth == 1 => break,
                        Some(b']') => depth -= 1,
                        Some(_) => {}
                    }
                    if let Some((running, at)) = self.running.last() {
                        text.extend(running.get(at - 1));
                    }
                }
                self.stack.push(Value::Text(text.into()));
            }
            b'p' | b'n' => {
                let value = self.pop()?;
                self.show(&value);
                if byte == b'p' {
                    self.printer.line();
                    self.stack.push(value);
                }
            }
            b'f' => {
                for value in self.stack.clone().iter().rev() {
                    self.show(value);
                    self.printer.line();
                }
            }
            b'P' => match self.pop()? {
                Value::Text(text) => self.printer.text(&text),
                Value::Number(number) => self.printer.text(&number.bytes()),
            },
            b'a' => {
                let byte = match self.pop()? {
                    Value::Text(text) => text.first().copied().unwrap_or(0),
                    Value::Number(number) => number.bytes().last().copied().unwrap_or(0),
                };
                self.stack.push(Value::Text([byte].as_slice().into()));
            }
            b'd' => {
                let value = self.pop()?;
                self.stack.extend([value.clone(), value]);
            }
            b'r' => {
                let length = self.stack.len();
                if length < 2 {
                    return Err("stack has too few elements".to_owned());
                }
                self.stack.swap(length - 1, length - 2);
            }
            b'R' => drop(self.pop()?),
            b'c' => self.stack.clear(),
            b'z' => self.push(Number::from(self.stack.len() as u64)),
            b's' | b'S' | b'l' | b'L' | b':' | b';' => self.store(byte)?,
            b'x' => {
                let value = self.pop()?;
                self.start(value)?;
            }
            b'?' => {
                if let Some(line) = self.line()? {
                    self.start(Value::Text(line.into()))?;
                }
            }
            b'<' | b'>' | b'=' => self.conditional(byte, false)?,
            b'!' => match self.same() {
                Some(byte @ (b'<' | b'>' | b'=')) => self.conditional(byte, true)?,
                _ => return Err("commands of the system are not run".to_owned()),
            },
            b'(' | b'{' | b'G' => {
                let (left, right) = self.two()?;
                let order = right.compare(&left);
                let truth = match byte {
                    b'(' => order == Ordering::Less,
                    b'{' => order != Ordering::Greater,
                    _ => order == Ordering::Equal,
                };
                self.push(Number::from(u64::from(truth)));
            }
            b'N' => {
                let zero = self.number()?.is_zero();
                self.push(Number::from(u64::from(zero)));
            }
            b'i' => self.ibase = self.limited(2, 16, "the input base")? as u32,
            b'o' => self.obase = self.limited(2, 999, "the output base")? as u32,
            b'k' => self.scale = self.limited(0, MOST_SCALE, "the scale")? as usize,
            b'I' => self.push(Number::from(u64::from(self.ibase))),
            b'O' => self.push(Number::from(u64::from(self.obase))),
            b'K' => self.push(Number::from(self.scale as u64)),
            b'X' => {
                let scale = match self.pop()? {
                    Value::Number(number) => number.scale(),
                    Value::Text(_) => 0,
                };
                self.push(Number::from(scale as u64));
            }
            b'Z' => {
                let length = match self.pop()? {
                    Value::Number(number) => number.length().max(1),
                    Value::Text(text) => text.len(),
                };
                self.push(Number::from(length as u64));
            }
            b'q' => self.leave(2),
            b'Q' => {
                let levels = self.limited(1, u64::MAX, "the number of levels")?;
                let most = self.running.len().saturating_sub(1).max(1) as u64;
                self.leave(levels.min(most) as usize);
            }
            _ => {
                return Err(format!("'{}' is no command", byte.escape_ascii()));
            }
        }
        Ok(())
    }

    /// Ends macros; those that run none end dc.
    fn leave(&mut self, levels: usize) {
        if levels >= self.running.len() {
            self.quit = levels == 2 || self.running.len() <= 1;
            self.running.clear();
        } else {
            self.running.truncate(self.running.len() - levels);
        }
    }

    fn store(&mut self, byte: u8) -> Done<()> {
        let name = self.register()?;
        let shown = String::from_utf8_lossy(&name).into_owned();
        match byte {
            b's' | b'S' => {
                let value = self.pop()?;
                let stack = &mut self.registers.entry(name).or_default().stack;
                if byte == b's' {
                    stack.pop();
                }
                stack.push(value);
            }
            b'l' => {
                let value = self
                    .registers
                    .get(&name)
                    .and_then(|register| register.stack.last().cloned());
                self.stack
                    .push(value.unwrap_or(Value::Number(Number::default())));
            }
            b'L' => {
                let value = self
                    .registers
                    .get_mut(&name)
                    .and_then(|register| register.stack.pop())
                    .ok_or_else(|| format!("register '{shown}' is empty"))?;
                self.stack.push(value);
            }
            b':' => {
                let index = self.limited(0, u64::from(u32::MAX), "an index")?;
                let value = self.pop()?;
                self.registers
                    .entry(name)
                    .or_default()
                    .array
                    .insert(index, value);
            }
            _ => {
                let index = self.limited(0, u64::from(u32::MAX), "an index")?;
                let value = self
                    .registers
                    .get(&name)
                    .and_then(|register| register.array.get(&index).cloned());
                self.stack
                    .push(value.unwrap_or(Value::Number(Number::default())));
            }
        }
        Ok(())
    }

    fn conditional(&mut self, byte: u8, not: bool) -> Done<()> {
        let then = self.register()?;
        let mut otherwise = None;
        match self.same() {
            Some(b'e') => otherwise = Some(self.register()?),
            Some(_) => self.back(),
            None => {}
        }
        let (left, right) = self.two()?;
        let order = right.compare(&left);
        let holds = match byte {
            b'<' => order == Ordering::Less,
            b'>' => order == Ordering::Greater,
            _ => order == Ordering::Equal,
        };
        let chosen = if holds != not { Some(then) } else { otherwise };
        if let Some(name) = chosen {
            let value = self
                .registers
                .get(&name)
                .and_then(|register| register.stack.last().cloned());
            match value {
                Some(value @ Value::Text(_)) => self.start(value)?,
                Some(Value::Number(_)) => {}
                None => {
                    let name = String::from_utf8_lossy(&name).into_owned();
                    return Err(format!("register '{name}' is empty"));
                }
            }
        }
        Ok(())
    }
}

fn power_modulo(base: &Number, exponent: &Number, modulus: &Number) -> Done<Number> {
    for number in [base, exponent, modulus] {
        if number.scaled(0).compare(number) != Ordering::Equal {
            return Err("non integer number".to_owned());
        }
    }
    if exponent.is_negative() {
        return Err("negative number".to_owned());
    }
    let plain = |error: crate::common::decimal::Error| error.to_string();
    let two = Number::from(2);
    let (mut result, mut left) = (Number::from(1), exponent.scaled(0));
    let mut square = base.scaled(0).rest(modulus, 0).map_err(plain)?;
    while !left.is_zero() {
        if !left.rest(&two, 0).map_err(plain)?.is_zero() {
            result = result.times(&square, 0).rest(modulus, 0).map_err(plain)?;
        }
        left = left.over(&two, 0).map_err(plain)?;
        square = square.times(&square, 0).rest(modulus, 0).map_err(plain)?;
    }
    // As the others have it, anything to the power of nothing is 1, modulo 1 too.
    Ok(result)
}

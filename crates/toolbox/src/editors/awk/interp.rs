//! Runs the tree.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::hash::{BuildHasherDefault, Hasher};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::rc::Rc;

use super::ast::{
    Arithmetic, Compare, Expr, Pattern, Place, Program, Redirect, Source, Statement, Target,
    special,
};
use super::format;
use super::io::{Records, Separator, Streams};
use super::parse::SYNTAX;
use super::record::{Cut, Record};
use super::value::{Bytes, Value, append_number, parse_number};
use crate::common::lines::{Output, cause, complain, open};
use crate::common::stack::Stack;
use crate::regex::Regex;

/// How many regular expressions made of strings are kept.
const MAX_REGEXES: usize = 128;

/// Hashes by FNV-1a: the same order in every run.
#[derive(Default)]
pub struct Fnv(u64);

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        // The low bits choose the bucket: let the high ones have a say.
        self.0 ^ self.0 >> 29
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
    }
}

/// An array.
pub type Array = HashMap<Bytes, Value, BuildHasherDefault<Fnv>>;

/// What a variable holds.
#[derive(Clone)]
pub enum Cell {
    Scalar(Value),
    Array(Rc<RefCell<Array>>),
}

/// Why evaluation ends early.
pub enum Stop {
    Exit,
    Next,
    NextFile,
    Fatal(String),
}

impl From<String> for Stop {
    fn from(message: String) -> Stop {
        Stop::Fatal(message)
    }
}

/// What a statement leads to.
#[derive(PartialEq)]
enum Flow {
    Normal,
    Break,
    Continue,
    Return,
}

type Run<T> = Result<T, Stop>;

/// The state of a run.
pub struct Interp<'a> {
    program: &'a Program,
    globals: Vec<Cell>,
    locals: Vec<Cell>,
    /// Where the running function's locals begin.
    frame: usize,
    stack: Stack,
    returned: Value,
    pub record: Record,
    pub cut: Cut,
    separator: Separator,
    newline_cuts: bool,
    main: Option<Records>,
    main_name: OsString,
    next_argument: usize,
    /// Whether a file was named among the arguments.
    file_seen: bool,
    numbers: [f64; 2],
    pub out: Output,
    pub streams: Streams,
    in_range: Vec<bool>,
    regexes: Vec<(Bytes, Rc<Regex>)>,
    pub status: i32,
    pub random: u64,
    pub seed: f64,
    convert: Bytes,
}

impl<'a> Interp<'a> {
    /// A state with the special variables set. `arguments`: the program's name and its operands.
    pub fn new(program: &'a Program, arguments: &[OsString], stack: Stack) -> Interp<'a> {
        let mut globals = vec![Cell::Scalar(Value::Unset); program.globals.len()];
        let texts = [
            (special::FS, " "),
            (special::OFS, " "),
            (special::ORS, "\n"),
            (special::RS, "\n"),
            (special::SUBSEP, "\x1c"),
            (special::CONVFMT, "%.6g"),
            (special::OFMT, "%.6g"),
        ];
        for (place, text) in texts {
            globals[place] = Cell::Scalar(Value::string(text.as_bytes()));
        }
        let mut environment = Array::default();
        for (name, value) in std::env::vars_os() {
            environment.insert(name.as_bytes().into(), Value::input(value.as_bytes()));
        }
        globals[special::ENVIRON] = Cell::Array(Rc::new(RefCell::new(environment)));
        let mut argv = Array::default();
        for (index, argument) in arguments.iter().enumerate() {
            argv.insert(
                index.to_string().as_bytes().into(),
                Value::input(argument.as_bytes()),
            );
        }
        globals[special::ARGV] = Cell::Array(Rc::new(RefCell::new(argv)));
        globals[special::ARGC] = Cell::Scalar(Value::Number(arguments.len() as f64));
        globals[special::RSTART] = Cell::Scalar(Value::Number(0.0));
        globals[special::RLENGTH] = Cell::Scalar(Value::Number(-1.0));
        Interp {
            program,
            globals,
            locals: Vec::new(),
            frame: 0,
            stack,
            returned: Value::Unset,
            record: Record::default(),
            cut: Cut::Blanks,
            separator: Separator::Byte(b'\n'),
            newline_cuts: false,
            main: None,
            main_name: OsString::new(),
            next_argument: 1,
            file_seen: false,
            numbers: [0.0; 2],
            out: Output::new(),
            streams: Streams::default(),
            in_range: vec![false; program.ranges],
            regexes: Vec::new(),
            status: 0,
            random: 1,
            seed: 0.0,
            convert: Rc::from(&b"%.6g"[..]),
        }
    }

    /// Runs the program. Gives the exit status.
    pub fn run(&mut self) -> Result<i32, String> {
        let program = self.program;
        let mut result = self.begin_and_main(program);
        if matches!(result, Ok(()) | Err(Stop::Exit))
            && !matches!(result, Err(Stop::Exit) if self.in_end(program))
        {
            for body in &program.end {
                match self.exec(body) {
                    Ok(_) => {}
                    Err(Stop::Next | Stop::NextFile) => {
                        result = Err(Stop::Fatal("next outside of a rule".into()))
                    }
                    Err(stop) => {
                        result = Err(stop);
                        break;
                    }
                }
            }
        }
        self.out.flush();
        for (name, error) in self.streams.close_all() {
            complain("awk", OsStr::from_bytes(&name), &error);
            self.status = 2;
        }
        match result {
            Err(Stop::Fatal(message)) => Err(message),
            _ => Ok(self.status),
        }
    }

    /// After an `exit` in BEGIN or a rule the END actions still run, unless there are none.
    fn in_end(&self, program: &Program) -> bool {
        program.end.is_empty()
    }

    fn begin_and_main(&mut self, program: &'a Program) -> Run<()> {
        for body in &program.begin {
            self.exec(body).map_err(outside)?;
        }
        if program.rules.is_empty() && program.end.is_empty() {
            return Ok(());
        }
        while self.read_main()? {
            match self.rules(program) {
                Ok(()) | Err(Stop::Next) => {}
                Err(Stop::NextFile) => self.main = None,
                Err(stop) => return Err(stop),
            }
            if self.out.failed() {
                self.status = 2;
                return Err(Stop::Exit);
            }
        }
        Ok(())
    }

    fn rules(&mut self, program: &'a Program) -> Run<()> {
        for (pattern, body) in &program.rules {
            let selected = match pattern {
                Pattern::Always => true,
                Pattern::Expression(expr) => self.condition(expr)?,
                Pattern::Range(first, last, index) => {
                    let selected = self.in_range[*index] || self.condition(first)?;
                    if selected {
                        self.in_range[*index] = !self.condition(last)?;
                    }
                    selected
                }
            };
            if !selected {
                continue;
            }
            match body {
                Some(body) => {
                    self.exec(body)?;
                }
                None => {
                    self.refresh();
                    self.out.put(self.record.text());
                    let end = self.special_text(special::ORS);
                    self.out.put(&end);
                }
            }
        }
        Ok(())
    }

    // Input.

    /// Opens the next file among the arguments. False: there is none.
    fn next_file(&mut self) -> Run<bool> {
        loop {
            let count = self.special_value(special::ARGC).number() as usize;
            let index = self.next_argument;
            if index >= count {
                if self.file_seen {
                    return Ok(false);
                }
                self.file_seen = true;
                self.open_main("-".into());
                return Ok(self.main.is_some());
            }
            self.next_argument += 1;
            let Cell::Array(argv) = &self.globals[special::ARGV] else {
                return Ok(false);
            };
            let Some(argument) = argv.borrow().get(index.to_string().as_bytes()).cloned() else {
                continue;
            };
            let argument = argument.text(&self.convert);
            if argument.is_empty() {
                continue;
            }
            if let Some((name, value)) = super::assignment(&argument) {
                if let Some(place) = self
                    .program
                    .globals
                    .iter()
                    .position(|known| known.as_bytes() == name)
                {
                    self.set_global(place, Value::input(&super::lex::unescape(value)))?;
                }
                continue;
            }
            self.file_seen = true;
            self.open_main(OsString::from_vec(argument.to_vec()));
            if self.main.is_some() {
                return Ok(true);
            }
        }
    }

    fn open_main(&mut self, name: OsString) {
        match open(&name) {
            Ok(file) => {
                self.main = Some(Records::new(Box::new(file)));
                let shown: &[u8] = if name == "-" { b"" } else { name.as_bytes() };
                self.globals[special::FILENAME] = Cell::Scalar(Value::input(shown));
                self.numbers[1] = 0.0;
            }
            Err(error) => {
                self.out.flush();
                complain("awk", &name, &error);
                self.status = 2;
            }
        }
        self.main_name = name;
    }

    /// Reads the next record of the arguments into the record.
    fn read_main(&mut self) -> Run<bool> {
        loop {
            if let Some(main) = &mut self.main {
                match main.next(&self.separator, self.record.buffer()) {
                    Ok(true) => {
                        self.record.renewed();
                        self.numbers[0] += 1.0;
                        self.numbers[1] += 1.0;
                        return Ok(true);
                    }
                    Ok(false) => {}
                    Err(error) => {
                        self.out.flush();
                        complain("awk", &self.main_name, &error);
                        self.status = 2;
                    }
                }
                self.main = None;
            }
            // At the end the last record stays for END.
            if !self.next_file()? {
                return Ok(false);
            }
        }
    }

    fn getline(&mut self, source: &Source, target: Option<&Target>) -> Run<Value> {
        let mut line = Vec::new();
        let result = match source {
            Source::Main => {
                // The record is kept when the line goes to a variable.
                let kept = target.map(|_| std::mem::take(&mut self.record));
                let found = self.read_main();
                if let Some(kept) = kept {
                    let new = std::mem::replace(&mut self.record, kept);
                    line.extend_from_slice(new.text());
                }
                match found? {
                    true if target.is_none() => return Ok(Value::Number(1.0)),
                    found => Ok(found),
                }
            }
            Source::File(name) | Source::Command(name) => {
                let name = self.text(name)?;
                self.out.flush();
                let command = matches!(source, Source::Command(_));
                self.streams
                    .flush(None)
                    .and_then(|()| self.streams.records(&name, command))
                    .and_then(|records| records.next(&self.separator, &mut line))
            }
        };
        match result {
            Err(error) => {
                let number = f64::from(error.raw_os_error().unwrap_or(0));
                self.globals[special::ERRNO] = Cell::Scalar(Value::Number(number));
                return Ok(Value::Number(-1.0));
            }
            Ok(false) => return Ok(Value::Number(0.0)),
            Ok(true) => {}
        }
        match source {
            Source::File(_) => {}
            Source::Main => {}
            Source::Command(_) => self.numbers[0] += 1.0,
        }
        match target {
            Some(target) => self.assign(target, Value::input(&line))?,
            None => self.record.set(&line),
        }
        Ok(Value::Number(1.0))
    }

    // Variables.

    /// A special variable's value.
    pub fn special_value(&self, place: usize) -> Value {
        match &self.globals[place] {
            Cell::Scalar(value) => value.clone(),
            Cell::Array(_) => Value::Unset,
        }
    }

    /// A special variable's text.
    pub fn special_text(&self, place: usize) -> Bytes {
        self.special_value(place).text(&self.convert)
    }

    fn cell(&mut self, place: Place) -> &mut Cell {
        match place {
            Place::Global(index) => &mut self.globals[index],
            Place::Local(index) => &mut self.locals[self.frame + index],
        }
    }

    /// What a variable holds.
    pub fn peek(&self, place: Place) -> &Cell {
        match place {
            Place::Global(index) => &self.globals[index],
            Place::Local(index) => &self.locals[self.frame + index],
        }
    }

    fn variable(&mut self, place: Place) -> Run<Value> {
        match place {
            Place::Global(special::NF) => Ok(Value::Number(self.field_count() as f64)),
            Place::Global(index @ (special::NR | special::FNR)) => {
                Ok(Value::Number(self.numbers[index - special::NR]))
            }
            _ => match self.cell(place) {
                Cell::Scalar(value) => Ok(value.clone()),
                Cell::Array(_) => Err(format!("{} is an array", self.name(place)).into()),
            },
        }
    }

    fn name(&self, place: Place) -> String {
        match place {
            Place::Global(index) => self.program.globals[index].clone(),
            Place::Local(index) => format!("parameter {}", index + 1),
        }
    }

    /// The array of a place; a variable without a value becomes one.
    pub fn array(&mut self, place: Place) -> Run<Rc<RefCell<Array>>> {
        match self.cell(place) {
            Cell::Array(array) => Ok(Rc::clone(array)),
            cell @ Cell::Scalar(Value::Unset) => {
                let array = Rc::new(RefCell::new(Array::default()));
                *cell = Cell::Array(Rc::clone(&array));
                Ok(array)
            }
            Cell::Scalar(_) => Err(format!("{} is not an array", self.name(place)).into()),
        }
    }

    /// Assigns to a global variable and does what that entails.
    pub fn set_global(&mut self, place: usize, value: Value) -> Run<()> {
        match place {
            special::NF => {
                let count = value.number();
                if count < 0.0 || count.is_nan() {
                    return Err(Stop::Fatal("NF set to a negative value".into()));
                }
                self.fields();
                self.record.resize(count as usize)?;
                return Ok(());
            }
            special::NR | special::FNR => {
                self.numbers[place - special::NR] = value.number();
                return Ok(());
            }
            special::FS => {
                // The record at hand is cut as it was when it was read.
                self.fields();
                self.cut = self.cut_by(&value.text(&self.convert))?;
            }
            special::RS => {
                let text = value.text(&self.convert);
                self.separator = match &*text {
                    [] => Separator::Paragraph,
                    [byte] => Separator::Byte(*byte),
                    _ => Separator::Regex(self.regex_of(&text)?),
                };
                self.newline_cuts = text.is_empty();
            }
            special::CONVFMT => self.convert = value.text(&self.convert),
            _ => {}
        }
        match &mut self.globals[place] {
            Cell::Scalar(old) => {
                *old = value;
                Ok(())
            }
            Cell::Array(_) => Err(format!("{} is an array", self.program.globals[place]).into()),
        }
    }

    /// How a text as `FS` cuts.
    pub fn cut_by(&mut self, text: &Bytes) -> Run<Cut> {
        Ok(match &**text {
            [] => Cut::Characters,
            b" " => Cut::Blanks,
            [b'\\'] => Cut::Byte(b'\\'),
            [byte] => Cut::Byte(*byte),
            _ => Cut::Regex(self.regex_of(text)?),
        })
    }

    pub fn assign(&mut self, target: &Target, value: Value) -> Run<()> {
        match target {
            Target::Variable(Place::Global(index)) => self.set_global(*index, value),
            Target::Variable(place) => match self.cell(*place) {
                Cell::Scalar(old) => {
                    *old = value;
                    Ok(())
                }
                Cell::Array(_) => Err(format!("{} is an array", self.name(*place)).into()),
            },
            Target::Field(index) => {
                let index = self.index(index)?;
                self.set_field(index, value)
            }
            Target::Element(place, subscripts) => {
                let key = self.key(subscripts)?;
                let array = self.array(*place)?;
                array.borrow_mut().insert(key, value);
                Ok(())
            }
        }
    }

    fn get(&mut self, target: &Target) -> Run<Value> {
        match target {
            Target::Variable(place) => self.variable(*place),
            Target::Field(index) => {
                let index = self.index(index)?;
                if index == 0 {
                    self.refresh();
                    return Ok(Value::input(self.record.text()));
                }
                self.fields();
                Ok(self.record.field(index))
            }
            Target::Element(place, subscripts) => {
                let key = self.key(subscripts)?;
                let array = self.array(*place)?;
                let mut array = array.borrow_mut();
                // To look at an element makes it.
                Ok(array.entry(key).or_insert(Value::Unset).clone())
            }
        }
    }

    /// The subscripts as one key.
    pub fn key(&mut self, subscripts: &[Expr]) -> Run<Bytes> {
        if let [one] = subscripts {
            return self.text(one);
        }
        let mut key = Vec::new();
        for (index, subscript) in subscripts.iter().enumerate() {
            let value = self.eval(subscript)?;
            if index > 0 {
                key.extend_from_slice(&self.special_text(special::SUBSEP));
            }
            value.append_to(&mut key, &self.convert);
        }
        Ok(key.into())
    }

    // The record.

    fn index(&mut self, expr: &Expr) -> Run<usize> {
        let index = self.number(expr)?;
        if !(0.0..=10_000_000.0).contains(&index) {
            return Err(format!("field {index} does not exist").into());
        }
        Ok(index as usize)
    }

    fn fields(&mut self) {
        if self.record.needs_cut() {
            self.record.cut(&self.cut, self.newline_cuts);
        }
    }

    fn field_count(&mut self) -> usize {
        self.fields();
        self.record.count()
    }

    /// Makes the record's text anew if its fields have changed.
    pub fn refresh(&mut self) {
        if self.record.is_stale() {
            let between = self.special_text(special::OFS);
            self.record.join(&between, &self.convert);
        }
    }

    pub fn set_field(&mut self, index: usize, value: Value) -> Run<()> {
        if index == 0 {
            let text = value.text(&self.convert);
            self.record.set(&text);
            return Ok(());
        }
        self.fields();
        Ok(self.record.assign(index, value)?)
    }

    // Expressions.

    /// The regular expression of an operand.
    pub fn regex(&mut self, expr: &Expr) -> Run<Rc<Regex>> {
        match expr {
            Expr::Regex(regex) => Ok(Rc::clone(regex)),
            _ => {
                let text = self.text(expr)?;
                self.regex_of(&text)
            }
        }
    }

    /// The regular expression of a text; the last ones are kept.
    pub fn regex_of(&mut self, text: &Bytes) -> Run<Rc<Regex>> {
        if let Some((_, regex)) = self.regexes.iter().find(|(known, _)| known == text) {
            return Ok(Rc::clone(regex));
        }
        let regex = Regex::new(text, SYNTAX)
            .map_err(|error| format!("{error}: {}", String::from_utf8_lossy(text)))?;
        let regex = Rc::new(regex);
        if self.regexes.len() >= MAX_REGEXES {
            self.regexes.remove(0);
        }
        self.regexes.push((Rc::clone(text), Rc::clone(&regex)));
        Ok(regex)
    }

    /// The expression as a number.
    pub fn number(&mut self, expr: &Expr) -> Run<f64> {
        match expr {
            Expr::Number(number) => Ok(*number),
            Expr::Get(Target::Field(index)) => {
                let index = self.index(index)?;
                if index > 0 {
                    self.fields();
                    if let Some(raw) = self.record.raw(index) {
                        return Ok(parse_number(raw).0);
                    }
                }
                Ok(self.eval_field(index).number())
            }
            Expr::Arithmetic(operator, left, right) => {
                let left = self.number(left)?;
                let right = self.number(right)?;
                Ok(arithmetic(*operator, left, right)?)
            }
            _ => Ok(self.eval(expr)?.number()),
        }
    }

    fn eval_field(&mut self, index: usize) -> Value {
        if index == 0 {
            self.refresh();
            return Value::input(self.record.text());
        }
        self.record.field(index)
    }

    /// The expression as text.
    pub fn text(&mut self, expr: &Expr) -> Run<Bytes> {
        match expr {
            Expr::String(text) => Ok(Rc::clone(text)),
            _ => Ok(self.eval(expr)?.text(&self.convert)),
        }
    }

    fn condition(&mut self, expr: &Expr) -> Run<bool> {
        Ok(match expr {
            Expr::Regex(regex) => {
                self.refresh();
                matches(regex, self.record.text())?
            }
            Expr::Compare(how, left, right) => self.compare(*how, left, right)?,
            Expr::And(left, right) => self.condition(left)? && self.condition(right)?,
            Expr::Or(left, right) => self.condition(left)? || self.condition(right)?,
            Expr::Not(inner) => !self.condition(inner)?,
            Expr::Match(wanted, left, right) => {
                if let Expr::Get(Target::Field(index)) = &**left
                    && let Expr::Number(0.0) = **index
                {
                    let regex = self.regex(right)?;
                    self.refresh();
                    return Ok(matches(&regex, self.record.text())? == *wanted);
                }
                let text = self.text(left)?;
                let regex = self.regex(right)?;
                matches(&regex, &text)? == *wanted
            }
            Expr::In(subscripts, place) => {
                let key = self.key(subscripts)?;
                let array = self.array(*place)?;
                array.borrow().contains_key(&key)
            }
            Expr::Group(list) if list.len() == 1 => self.condition(&list[0])?,
            _ => self.eval(expr)?.truth(),
        })
    }

    fn compare(&mut self, how: Compare, left: &Expr, right: &Expr) -> Run<bool> {
        let left = self.eval(left)?;
        let right = self.eval(right)?;
        let order = match (left.numeric(), right.numeric()) {
            (Some(left), Some(right)) => left.partial_cmp(&right),
            _ => Some(left.text(&self.convert).cmp(&right.text(&self.convert))),
        };
        Ok(match (how, order) {
            (Compare::NotEqual, None) => true,
            (_, None) => false,
            (Compare::Less, Some(order)) => order.is_lt(),
            (Compare::LessEqual, Some(order)) => order.is_le(),
            (Compare::Equal, Some(order)) => order.is_eq(),
            (Compare::NotEqual, Some(order)) => order.is_ne(),
            (Compare::Greater, Some(order)) => order.is_gt(),
            (Compare::GreaterEqual, Some(order)) => order.is_ge(),
        })
    }

    /// The expression's value.
    pub fn eval(&mut self, expr: &Expr) -> Run<Value> {
        Ok(match expr {
            Expr::Number(number) => Value::Number(*number),
            Expr::String(text) => Value::String(Rc::clone(text)),
            Expr::Get(target) => self.get(target)?,
            Expr::Group(list) => match list.as_slice() {
                [one] => self.eval(one)?,
                list => Value::String(self.key(list)?),
            },
            Expr::Assign(target, value) => {
                let value = self.eval(value)?;
                self.assign(target, value.clone())?;
                value
            }
            Expr::AssignWith(operator, target, value) => {
                let right = self.number(value)?;
                let left = self.get(target)?.number();
                let value = Value::Number(arithmetic(*operator, left, right)?);
                self.assign(target, value.clone())?;
                value
            }
            Expr::Step(target, by, old_value) => {
                let old = self.get(target)?.number();
                self.assign(target, Value::Number(old + by))?;
                Value::Number(if *old_value { old } else { old + by })
            }
            Expr::Conditional(condition, then, otherwise) => {
                let chosen = if self.condition(condition)? {
                    then
                } else {
                    otherwise
                };
                self.eval(chosen)?
            }
            Expr::Negative(inner) => Value::Number(-self.number(inner)?),
            Expr::Positive(inner) => Value::Number(self.number(inner)?),
            Expr::Arithmetic(..) => Value::Number(self.number(expr)?),
            Expr::Concat(items) => {
                let mut out = Vec::new();
                for item in items {
                    let value = self.eval(item)?;
                    value.append_to(&mut out, &self.convert);
                }
                Value::String(out.into())
            }
            Expr::Call(function, arguments) => self.call(*function, arguments)?,
            Expr::Builtin(builtin, arguments) => self.builtin(*builtin, arguments)?,
            Expr::Getline(source, target) => self.getline(source, target.as_deref())?,
            Expr::Regex(_)
            | Expr::And(..)
            | Expr::Or(..)
            | Expr::Not(_)
            | Expr::Compare(..)
            | Expr::Match(..)
            | Expr::In(..) => Value::Number(f64::from(u8::from(self.condition(expr)?))),
        })
    }

    fn call(&mut self, index: usize, arguments: &[Expr]) -> Run<Value> {
        let program = self.program;
        let function = &program.functions[index];
        if self.stack.is_used_up() {
            return Err(format!("function {} calls too deeply", function.name).into());
        }
        let mut cells = Vec::with_capacity(function.parameters);
        for argument in arguments {
            cells.push(match argument {
                Expr::Get(Target::Variable(place)) => match self.cell(*place) {
                    Cell::Array(array) => Cell::Array(Rc::clone(array)),
                    Cell::Scalar(_) => Cell::Scalar(self.variable(*place)?),
                },
                _ => Cell::Scalar(self.eval(argument)?),
            });
        }
        // More than the function has names for were evaluated, and are dropped.
        cells.resize(function.parameters, Cell::Scalar(Value::Unset));
        let saved = self.frame;
        let base = self.locals.len();
        self.locals.extend(cells);
        self.frame = base;
        let result = match &function.body {
            Some(body) => self.exec(body),
            None => Ok(Flow::Normal),
        };
        self.frame = saved;
        let cells = self.locals.split_off(base);
        result?;
        // A variable without a value that the function used as an array is one now.
        for (argument, cell) in arguments.iter().zip(cells) {
            if let (Expr::Get(Target::Variable(place)), Cell::Array(_)) = (argument, &cell)
                && let old @ Cell::Scalar(Value::Unset) = self.cell(*place)
            {
                *old = cell;
            }
        }
        Ok(std::mem::replace(&mut self.returned, Value::Unset))
    }

    // Statements.

    fn exec(&mut self, statement: &Statement) -> Run<Flow> {
        match statement {
            Statement::Expression(expr) => {
                self.eval(expr)?;
            }
            Statement::Print(list, redirect) => {
                if list.is_empty() && redirect.is_none() {
                    self.refresh();
                    self.out.put(self.record.text());
                    let end = self.special_text(special::ORS);
                    self.out.put(&end);
                    return Ok(Flow::Normal);
                }
                let mut line = Vec::new();
                if list.is_empty() {
                    self.refresh();
                    line.extend_from_slice(self.record.text());
                }
                let format = self.special_text(special::OFMT);
                let between = self.special_text(special::OFS);
                for (index, item) in list.iter().enumerate() {
                    let value = self.eval(item)?;
                    if index > 0 {
                        line.extend_from_slice(&between);
                    }
                    value.append_to(&mut line, &format);
                }
                line.extend_from_slice(&self.special_text(special::ORS));
                self.put(redirect.as_ref(), &line)?;
            }
            Statement::Printf(list, redirect) => {
                let line = self.formatted(list)?;
                self.put(redirect.as_ref(), &line)?;
            }
            Statement::If(condition, then, otherwise) => {
                if self.condition(condition)? {
                    return self.exec(then);
                }
                if let Some(otherwise) = otherwise {
                    return self.exec(otherwise);
                }
            }
            Statement::While(condition, body) => {
                while self.condition(condition)? {
                    match self.exec(body)? {
                        Flow::Break => break,
                        Flow::Return => return Ok(Flow::Return),
                        _ => {}
                    }
                }
            }
            Statement::DoWhile(body, condition) => loop {
                match self.exec(body)? {
                    Flow::Break => break,
                    Flow::Return => return Ok(Flow::Return),
                    _ => {}
                }
                if !self.condition(condition)? {
                    break;
                }
            },
            Statement::For(first, condition, step, body) => {
                if let Some(first) = first {
                    self.exec(first)?;
                }
                loop {
                    if let Some(condition) = condition
                        && !self.condition(condition)?
                    {
                        break;
                    }
                    match self.exec(body)? {
                        Flow::Break => break,
                        Flow::Return => return Ok(Flow::Return),
                        _ => {}
                    }
                    if let Some(step) = step {
                        self.exec(step)?;
                    }
                }
            }
            Statement::ForIn(variable, place, body) => {
                let array = self.array(*place)?;
                let keys: Vec<Bytes> = array.borrow().keys().cloned().collect();
                for key in keys {
                    if !array.borrow().contains_key(&key) {
                        continue;
                    }
                    self.assign(&Target::Variable(*variable), Value::Input(key))?;
                    match self.exec(body)? {
                        Flow::Break => break,
                        Flow::Return => return Ok(Flow::Return),
                        _ => {}
                    }
                }
            }
            Statement::Block(list) => {
                for statement in list {
                    let flow = self.exec(statement)?;
                    if flow != Flow::Normal {
                        return Ok(flow);
                    }
                }
            }
            Statement::Delete(place, subscripts) => {
                let array = self.array(*place)?;
                match subscripts {
                    Some(subscripts) => {
                        let key = self.key(subscripts)?;
                        array.borrow_mut().remove(&key);
                    }
                    None => array.borrow_mut().clear(),
                }
            }
            Statement::Break => return Ok(Flow::Break),
            Statement::Continue => return Ok(Flow::Continue),
            Statement::Next => return Err(Stop::Next),
            Statement::NextFile => return Err(Stop::NextFile),
            Statement::Exit(value) => {
                if let Some(value) = value {
                    self.status = self.number(value)? as i64 as i32 & 0xFF;
                }
                return Err(Stop::Exit);
            }
            Statement::Return(value) => {
                self.returned = match value {
                    Some(value) => self.eval(value)?,
                    None => Value::Unset,
                };
                return Ok(Flow::Return);
            }
        }
        Ok(Flow::Normal)
    }

    /// Formats a list whose first item is the format.
    pub fn formatted(&mut self, list: &[Expr]) -> Run<Vec<u8>> {
        let mut values = Vec::with_capacity(list.len());
        for item in list {
            values.push(self.eval(item)?);
        }
        let mut values = values.into_iter();
        let template = values.next().unwrap_or(Value::Unset).text(&self.convert);
        let mut out = Vec::new();
        format::format(&template, &mut values, &self.convert, &mut out);
        Ok(out)
    }

    fn put(&mut self, redirect: Option<&(Redirect, Expr)>, bytes: &[u8]) -> Run<()> {
        let Some((redirect, name)) = redirect else {
            self.out.put(bytes);
            return Ok(());
        };
        let name = self.text(name)?;
        if name.is_empty() {
            return Err(Stop::Fatal("output to a file without a name".into()));
        }
        let result = self.streams.write(*redirect, &name, bytes, &mut self.out);
        result.map_err(|error| told(&name, &error))
    }
}

/// A fatal error that names the file.
fn told(name: &[u8], error: &io::Error) -> Stop {
    Stop::Fatal(format!(
        "{}: {}",
        String::from_utf8_lossy(name),
        cause(error)
    ))
}

fn outside(stop: Stop) -> Stop {
    match stop {
        Stop::Next | Stop::NextFile => Stop::Fatal("next outside of a rule".into()),
        other => other,
    }
}

/// Whether the text matches; an error where that cannot be told.
pub fn matches(regex: &Regex, text: &[u8]) -> Run<bool> {
    let found = regex.is_match(text);
    if regex.gave_up() {
        return Err(Stop::Fatal(
            "a pattern's back-references took too many steps".into(),
        ));
    }
    Ok(found)
}

fn arithmetic(operator: Arithmetic, left: f64, right: f64) -> Result<f64, String> {
    Ok(match operator {
        Arithmetic::Add => left + right,
        Arithmetic::Subtract => left - right,
        Arithmetic::Multiply => left * right,
        Arithmetic::Divide if right == 0.0 => return Err("division by zero".into()),
        Arithmetic::Divide => left / right,
        Arithmetic::Remainder if right == 0.0 => return Err("division by zero in %".into()),
        Arithmetic::Remainder => left % right,
        Arithmetic::Power => left.powf(right),
    })
}

/// A number as a key.
pub fn number_key(number: usize) -> Bytes {
    let mut out = Vec::new();
    append_number(number as f64, &mut out, b"%.6g");
    out.into()
}

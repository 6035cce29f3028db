//! A tree as a script that parses to it again.

use shell::ast::{
    AndOr, Arm, Assignment, Command, Condition, Operation, Parameter, Part, Pipeline, Place,
    Redirected, Redirection, Target, Word,
};

/// What surrounds a word's parts, and so what has to be escaped in them.
#[derive(Clone, Copy, PartialEq)]
enum Context {
    Bare,
    /// Double quotes, or `${name-…}` inside them.
    Double,
    Here,
    Arithmetic,
}

/// The script of a tree.
pub fn script(list: &[AndOr]) -> Vec<u8> {
    let mut printer = Printer::default();
    printer.list(list);
    printer.out
}

#[derive(Default)]
struct Printer {
    out: Vec<u8>,
    /// Here-documents whose text stands behind the line: (the delimiter, the text).
    pending: Vec<(String, Vec<u8>)>,
    count: usize,
}

impl Printer {
    fn put(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn end_line(&mut self) {
        self.out.push(b'\n');
        for (delimiter, text) in std::mem::take(&mut self.pending) {
            self.out.extend(text);
            self.put(&delimiter);
            self.out.push(b'\n');
        }
    }

    fn list(&mut self, list: &[AndOr]) {
        for one in list {
            self.pipeline(&one.first);
            for (and, pipeline) in &one.rest {
                self.put(if *and { " && " } else { " || " });
                self.pipeline(pipeline);
            }
            if one.background {
                self.put(" &");
            }
            self.end_line();
        }
    }

    fn pipeline(&mut self, pipeline: &Pipeline) {
        if pipeline.negate {
            self.put("! ");
        }
        for (number, command) in pipeline.commands.iter().enumerate() {
            if number > 0 {
                self.put(" | ");
            }
            self.redirected(command);
        }
    }

    fn redirected(&mut self, command: &Redirected) {
        self.command(&command.command);
        for redirection in &command.redirections {
            self.put(" ");
            self.redirection(redirection);
        }
    }

    fn command(&mut self, command: &Command) {
        match command {
            Command::Simple { assignments, words } => {
                for Assignment {
                    name,
                    append,
                    value,
                } in assignments
                {
                    self.out.extend_from_slice(name);
                    self.put(if *append { "+=" } else { "=" });
                    self.word(value, Context::Bare);
                    self.put(" ");
                }
                for word in words {
                    self.word(word, Context::Bare);
                    self.put(" ");
                }
            }
            Command::Group(list) => {
                self.put("{\n");
                self.list(list);
                self.put("}");
            }
            Command::Subshell(list) => {
                self.put("(\n");
                self.list(list);
                self.put(")");
            }
            Command::If {
                branches,
                otherwise,
            } => {
                for (number, (condition, body)) in branches.iter().enumerate() {
                    self.put(if number == 0 { "if\n" } else { "elif\n" });
                    self.list(condition);
                    self.put("then\n");
                    self.list(body);
                }
                if let Some(body) = otherwise {
                    self.put("else\n");
                    self.list(body);
                }
                self.put("fi");
            }
            Command::For { name, words, body } => {
                self.put("for ");
                self.out.extend_from_slice(name);
                if let Some(words) = words {
                    self.put(" in");
                    for word in words {
                        self.put(" ");
                        self.word(word, Context::Bare);
                    }
                }
                self.end_line();
                self.put("do\n");
                self.list(body);
                self.put("done");
            }
            Command::Loop {
                until,
                condition,
                body,
            } => {
                self.put(if *until { "until\n" } else { "while\n" });
                self.list(condition);
                self.put("do\n");
                self.list(body);
                self.put("done");
            }
            Command::Case { word, arms } => {
                self.put("case ");
                self.word(word, Context::Bare);
                self.put(" in");
                self.end_line();
                for Arm {
                    patterns,
                    body,
                    falls_through,
                } in arms
                {
                    self.put("(");
                    for (number, pattern) in patterns.iter().enumerate() {
                        self.put(if number == 0 { "" } else { " | " });
                        self.word(pattern, Context::Bare);
                    }
                    self.put(")\n");
                    self.list(body);
                    self.put(if *falls_through { ";&" } else { ";;" });
                    self.end_line();
                }
                self.put("esac");
            }
            Command::Function { name, body } => {
                self.out.extend_from_slice(name);
                self.put("() ");
                self.redirected(body);
            }
            Command::Test(condition) => {
                self.put("[[ ");
                self.condition(condition);
                self.put(" ]]");
            }
            Command::Arithmetic(word) => {
                self.put("((");
                self.word(word, Context::Arithmetic);
                self.put("))");
            }
        }
    }

    fn condition(&mut self, condition: &Condition) {
        match condition {
            Condition::Or(a, b) | Condition::And(a, b) => {
                self.put("( ");
                self.condition(a);
                self.put(if matches!(condition, Condition::Or(..)) {
                    " || "
                } else {
                    " && "
                });
                self.condition(b);
                self.put(" )");
            }
            Condition::Not(inner) => {
                self.put("! ");
                self.condition(inner);
            }
            Condition::Unary(operator, word) => {
                self.out.extend_from_slice(operator);
                self.put(" ");
                self.word(word, Context::Bare);
            }
            Condition::Binary(a, operator, b) => {
                self.word(a, Context::Bare);
                self.put(" ");
                self.out.extend_from_slice(operator);
                self.put(" ");
                self.word(b, Context::Bare);
            }
            Condition::Word(word) => self.word(word, Context::Bare),
        }
    }

    fn redirection(&mut self, redirection: &Redirection) {
        let (sign, word) = match &redirection.target {
            Target::Read(word) => ("<", word),
            Target::Write(word, false) => (">", word),
            Target::Write(word, true) => (">|", word),
            Target::Append(word) => (">>", word),
            Target::ReadWrite(word) => ("<>", word),
            Target::Duplicate(word) => (">&", word),
            Target::Both(word, more) => {
                self.put(if *more { "&>>" } else { "&>" });
                self.word(word, Context::Bare);
                return;
            }
            Target::Here(text) => {
                self.here(redirection.fd, text.get().map_or(&[], |word| &word.0));
                return;
            }
        };
        self.put(&format!("{}{sign}", redirection.fd));
        self.word(word, Context::Bare);
    }

    /// A here-document, or a here-string where the text is a word's and a line end.
    fn here(&mut self, fd: i32, parts: &[Part]) {
        match parts {
            [Part::Double(inner)] => {
                let mut text = Printer {
                    count: self.count + 100,
                    ..Printer::default()
                };
                text.parts(inner, Context::Here);
                self.count += 1;
                let delimiter = format!("E{}", self.count);
                self.put(&format!("{fd}<<{delimiter}"));
                self.pending.push((delimiter, text.out));
            }
            [] | [Part::Quoted(_)] => {
                let text = match parts {
                    [Part::Quoted(text)] => text.clone(),
                    _ => Vec::new(),
                };
                self.count += 1;
                let delimiter = format!("E{}", self.count);
                self.put(&format!("{fd}<<'{delimiter}'"));
                self.pending.push((delimiter, text));
            }
            [word @ .., Part::Quoted(end)] if end == b"\n" => {
                self.put(&format!("{fd}<<<"));
                self.parts(word, Context::Bare);
            }
            other => panic!("no here-document: {other:?}"),
        }
    }

    fn word(&mut self, word: &Word, context: Context) {
        self.parts(&word.0, context);
    }

    fn parts(&mut self, parts: &[Part], context: Context) {
        // Quoted texts side by side are one: `'it'\''s'` is three to the parser.
        let mut quoted: Option<Vec<u8>> = None;
        for part in parts {
            match part {
                Part::Quoted(text) => quoted.get_or_insert_default().extend(text),
                other => {
                    if let Some(text) = quoted.take() {
                        self.part(&Part::Quoted(text), context);
                    }
                    self.part(other, context);
                }
            }
        }
        if let Some(text) = quoted {
            self.part(&Part::Quoted(text), context);
        }
    }

    fn part(&mut self, part: &Part, context: Context) {
        match part {
            Part::Text(text) => self.out.extend_from_slice(text),
            Part::Quoted(text) if context == Context::Bare => {
                self.put("'");
                for byte in text {
                    if *byte == b'\'' {
                        self.put("'\\'");
                    }
                    self.out.push(*byte);
                }
                self.put("'");
            }
            Part::Quoted(text) => {
                for byte in text {
                    let alive = matches!(byte, b'\\' | b'$' | b'`')
                        || context == Context::Double && matches!(byte, b'"' | b'}');
                    if alive {
                        self.put("\\");
                    }
                    self.out.push(*byte);
                }
            }
            Part::Double(inner) => {
                self.put("\"");
                self.parts(inner, Context::Double);
                self.put("\"");
            }
            Part::Tilde(user) => {
                self.put("~");
                self.out.extend_from_slice(user);
            }
            Part::Parameter(parameter) => self.parameter(parameter, context),
            Part::Command(list) => self.inner("$(\n", list),
            Part::Arithmetic(word) => {
                self.put("$((");
                self.word(word, Context::Arithmetic);
                self.put("))");
            }
            Part::Process(read, list) => self.inner(if *read { "<(\n" } else { ">(\n" }, list),
        }
    }

    /// A list with here-documents of its own.
    fn inner(&mut self, open: &str, list: &[AndOr]) {
        self.put(open);
        let outer = std::mem::take(&mut self.pending);
        self.list(list);
        self.pending = outer;
        self.put(")");
    }

    fn parameter(&mut self, parameter: &Parameter, context: Context) {
        let inside = match context {
            Context::Bare => Context::Bare,
            _ => Context::Double,
        };
        self.put("${");
        if matches!(parameter.operation, Operation::Length) {
            self.put("#");
        }
        self.out.extend_from_slice(&parameter.name);
        let (sign, word, context) = match &parameter.operation {
            Operation::Value | Operation::Length => {
                self.put("}");
                return;
            }
            Operation::Default(empty, word) => (if *empty { ":-" } else { "-" }, word, inside),
            Operation::Assign(empty, word) => (if *empty { ":=" } else { "=" }, word, inside),
            Operation::Error(empty, word) => (if *empty { ":?" } else { "?" }, word, inside),
            Operation::Alternative(empty, word) => (if *empty { ":+" } else { "+" }, word, inside),
            Operation::TrimEnd(long, word) => (if *long { "%%" } else { "%" }, word, Context::Bare),
            Operation::TrimStart(long, word) => {
                (if *long { "##" } else { "#" }, word, Context::Bare)
            }
            Operation::Slice(from, length) => {
                self.put(":");
                self.word(from, Context::Arithmetic);
                if let Some(length) = length {
                    self.put(":");
                    self.word(length, Context::Arithmetic);
                }
                self.put("}");
                return;
            }
            Operation::Replace(place, find, text) => {
                self.put(match place {
                    Place::First => "/",
                    Place::All => "//",
                    Place::Start => "/#",
                    Place::End => "/%",
                });
                self.word(find, Context::Bare);
                ("/", text, Context::Bare)
            }
        };
        self.put(sign);
        self.word(word, context);
        self.put("}");
    }
}

//! Commands as text again, for those who look at jobs: on one line, and without the texts of here-documents.

use crate::ast::{
    AndOr, Assignment, Command, Condition, Operation, Parameter, Part, Pipeline, Place, Redirected,
    Redirection, Target, Word,
};
use crate::builtins::quote_if_needed;

/// More than this says nothing new.
const LONGEST: usize = 200;

/// Arguments, as they would be typed.
pub(crate) fn words(words: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    for word in words {
        if !out.is_empty() {
            out.push(b' ');
        }
        out.extend(quote_if_needed(word));
        if out.len() > LONGEST {
            break;
        }
    }
    shortened(out)
}

/// A list's member, without `&`.
pub(crate) fn and_or(and_or: &AndOr) -> Vec<u8> {
    let mut text = Text::default();
    text.and_or(and_or);
    shortened(text.out)
}

/// The commands of a pipeline.
pub(crate) fn commands(commands: &[Redirected]) -> Vec<u8> {
    let mut text = Text::default();
    text.commands(commands);
    shortened(text.out)
}

/// A compound command.
pub(crate) fn command(command: &Command) -> Vec<u8> {
    let mut text = Text::default();
    text.command(command);
    shortened(text.out)
}

fn shortened(mut text: Vec<u8>) -> Vec<u8> {
    if text.len() > LONGEST {
        let mut end = LONGEST;
        while end > 0 && text.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) {
            end -= 1;
        }
        text.truncate(end);
        text.extend_from_slice(b"...");
    }
    text
}

#[derive(Default)]
struct Text {
    out: Vec<u8>,
}

impl Text {
    fn put(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn list(&mut self, list: &[AndOr]) {
        for (number, one) in list.iter().enumerate() {
            // What is long enough already is cut, so there is no need to go through all of it.
            if self.out.len() > LONGEST {
                return;
            }
            if number > 0 {
                self.out.push(b' ');
            }
            self.and_or(one);
            let last = number + 1 == list.len();
            self.put(match (one.background, last) {
                (true, _) => " &",
                (false, false) => ";",
                (false, true) => "",
            });
        }
    }

    /// A list, and the word behind it.
    fn until(&mut self, list: &[AndOr], word: &str) {
        self.list(list);
        let ended = list.last().is_some_and(|last| last.background);
        self.put(if ended { " " } else { "; " });
        self.put(word);
    }

    fn and_or(&mut self, and_or: &AndOr) {
        self.pipeline(&and_or.first);
        for (and, pipeline) in &and_or.rest {
            self.put(if *and { " && " } else { " || " });
            self.pipeline(pipeline);
        }
    }

    fn pipeline(&mut self, pipeline: &Pipeline) {
        if pipeline.negate {
            self.put("! ");
        }
        self.commands(&pipeline.commands);
    }

    fn commands(&mut self, commands: &[Redirected]) {
        for (number, command) in commands.iter().enumerate() {
            if number > 0 {
                self.put(" | ");
            }
            self.command(&command.command);
            for redirection in &command.redirections {
                if !self.out.is_empty() {
                    self.out.push(b' ');
                }
                self.redirection(redirection);
            }
        }
    }

    fn command(&mut self, command: &Command) {
        match command {
            Command::Simple { assignments, words } => {
                let mut first = true;
                for assignment in assignments {
                    self.gap(&mut first);
                    self.assignment(assignment);
                }
                for word in words {
                    self.gap(&mut first);
                    self.word(word);
                }
            }
            Command::Group(list) => {
                self.put("{ ");
                self.until(list, "}");
            }
            Command::Subshell(list) => {
                self.put("(");
                self.list(list);
                self.put(")");
            }
            Command::If {
                branches,
                otherwise,
            } => {
                for (number, (condition, body)) in branches.iter().enumerate() {
                    self.put(if number == 0 { "if " } else { "elif " });
                    self.until(condition, "then ");
                    self.until(body, "");
                }
                if let Some(body) = otherwise {
                    self.put("else ");
                    self.until(body, "");
                }
                self.put("fi");
            }
            Command::For { name, words, body } => {
                self.put("for ");
                self.out.extend_from_slice(name);
                if let Some(words) = words {
                    self.put(" in");
                    for word in words {
                        self.out.push(b' ');
                        self.word(word);
                    }
                }
                self.put("; do ");
                self.until(body, "done");
            }
            Command::Loop {
                until,
                condition,
                body,
            } => {
                self.put(if *until { "until " } else { "while " });
                self.until(condition, "do ");
                self.until(body, "done");
            }
            Command::Case { word, .. } => {
                self.put("case ");
                self.word(word);
                self.put(" in ... esac");
            }
            Command::Function { name, .. } => {
                self.out.extend_from_slice(name);
                self.put("() { ...; }");
            }
            Command::Test(condition) => {
                self.put("[[ ");
                self.condition(condition);
                self.put(" ]]");
            }
            Command::Arithmetic(word) => {
                self.put("((");
                self.word(word);
                self.put("))");
            }
        }
    }

    fn gap(&mut self, first: &mut bool) {
        if !std::mem::take(first) {
            self.out.push(b' ');
        }
    }

    fn assignment(&mut self, assignment: &Assignment) {
        self.out.extend_from_slice(&assignment.name);
        self.put(if assignment.append { "+=" } else { "=" });
        self.word(&assignment.value);
    }

    fn condition(&mut self, condition: &Condition) {
        match condition {
            Condition::Or(a, b) => {
                self.condition(a);
                self.put(" || ");
                self.condition(b);
            }
            Condition::And(a, b) => {
                self.condition(a);
                self.put(" && ");
                self.condition(b);
            }
            Condition::Not(inner) => {
                self.put("! ");
                self.condition(inner);
            }
            Condition::Unary(operator, word) => {
                self.out.extend_from_slice(operator);
                self.out.push(b' ');
                self.word(word);
            }
            Condition::Binary(a, operator, b) => {
                self.word(a);
                self.out.push(b' ');
                self.out.extend_from_slice(operator);
                self.out.push(b' ');
                self.word(b);
            }
            Condition::Word(word) => self.word(word),
        }
    }

    fn redirection(&mut self, redirection: &Redirection) {
        let (usual, sign, word) = match &redirection.target {
            Target::Read(word) => (0, "<", Some(word)),
            Target::Write(word, false) => (1, ">", Some(word)),
            Target::Write(word, true) => (1, ">|", Some(word)),
            Target::Append(word) => (1, ">>", Some(word)),
            Target::ReadWrite(word) => (0, "<>", Some(word)),
            Target::Duplicate(word) if redirection.fd == 0 => (0, "<&", Some(word)),
            Target::Duplicate(word) => (1, ">&", Some(word)),
            Target::Both(word, false) => (redirection.fd, "&>", Some(word)),
            Target::Both(word, true) => (redirection.fd, "&>>", Some(word)),
            Target::Here(_) => (0, "<<...", None),
        };
        if redirection.fd != usual {
            self.put(&redirection.fd.to_string());
        }
        self.put(sign);
        if let Some(word) = word {
            self.word(word);
        }
    }

    fn word(&mut self, word: &Word) {
        self.parts(&word.0, false);
    }

    fn parts(&mut self, parts: &[Part], quoted: bool) {
        for part in parts {
            if self.out.len() > LONGEST {
                return;
            }
            match part {
                Part::Text(text) => self.out.extend_from_slice(text),
                Part::Quoted(text) if quoted => {
                    for byte in text {
                        if matches!(byte, b'"' | b'\\' | b'$' | b'`') {
                            self.out.push(b'\\');
                        }
                        self.out.push(*byte);
                    }
                }
                Part::Quoted(text) => self.out.extend(quote_if_needed(text)),
                Part::Double(inner) => {
                    self.out.push(b'"');
                    self.parts(inner, true);
                    self.out.push(b'"');
                }
                Part::Tilde(user) => {
                    self.out.push(b'~');
                    self.out.extend_from_slice(user);
                }
                Part::Parameter(parameter) => self.parameter(parameter),
                Part::Command(list) => {
                    self.put("$(");
                    self.list(list);
                    self.put(")");
                }
                Part::Arithmetic(word) => {
                    self.put("$((");
                    self.word(word);
                    self.put("))");
                }
                Part::Process(read, list) => {
                    self.put(if *read { "<(" } else { ">(" });
                    self.list(list);
                    self.put(")");
                }
            }
        }
    }

    fn parameter(&mut self, parameter: &Parameter) {
        self.put("${");
        if matches!(parameter.operation, Operation::Length) {
            self.out.push(b'#');
        }
        self.out.extend_from_slice(&parameter.name);
        let colon = |set: &bool| if *set { ":" } else { "" };
        match &parameter.operation {
            Operation::Value | Operation::Length => {}
            Operation::Default(empty, word) => self.operation(colon(empty), "-", word),
            Operation::Assign(empty, word) => self.operation(colon(empty), "=", word),
            Operation::Error(empty, word) => self.operation(colon(empty), "?", word),
            Operation::Alternative(empty, word) => self.operation(colon(empty), "+", word),
            Operation::TrimEnd(long, word) => {
                self.operation(if *long { "%" } else { "" }, "%", word);
            }
            Operation::TrimStart(long, word) => {
                self.operation(if *long { "#" } else { "" }, "#", word);
            }
            Operation::Slice(from, length) => {
                self.operation("", ":", from);
                if let Some(length) = length {
                    self.operation("", ":", length);
                }
            }
            Operation::Replace(place, find, text) => {
                let sign = match place {
                    Place::First => "/",
                    Place::All => "//",
                    Place::Start => "/#",
                    Place::End => "/%",
                };
                self.operation(sign, "", find);
                self.operation("", "/", text);
            }
        }
        self.out.push(b'}');
    }

    fn operation(&mut self, before: &str, sign: &str, word: &Word) {
        self.put(before);
        self.put(sign);
        self.word(word);
    }
}

#[cfg(test)]
mod tests {
    use crate::parser::{Aliases, Parser};

    #[test]
    fn commands_are_shown_as_they_are_typed() {
        for text in [
            "sleep 5 | cat -n >x 2>&1",
            "a=1 b 'c d' \"e ${f} g\" && ! h || i",
            "(a; b & c)",
            "{ a; b & }",
            "if a; then b; elif c; then d; else e; fi",
            "for x in 1 2; do y; done",
            "until a; do b; done <in",
            "while ((1)); do [[ -f a && b == c* ]]; done",
            "echo ${a:-b} ${#c} ${d##*/} ${e//f/g} $(h i) ~/j",
        ] {
            let parser = Parser::new(text.as_bytes(), "t", &Aliases::default()).all();
            let list = parser.unwrap();
            let shown: Vec<u8> = list.iter().flat_map(super::and_or).collect();
            assert_eq!(String::from_utf8(shown).unwrap(), text);
        }
        let long = format!("echo {}", "é".repeat(300));
        let list = Parser::new(long.as_bytes(), "t", &Aliases::default())
            .all()
            .unwrap();
        let shown = String::from_utf8(super::and_or(list.first().unwrap())).unwrap();
        assert!(shown.ends_with("é...") && shown.len() < 210);
    }
}

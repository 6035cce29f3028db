//! From a script's text to commands.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::rc::Rc;

use super::{
    Action, Address, Case, Command, Piece, Range, RangeEnd, Script, Substitute, Translation,
};
use crate::regex::{Regex, Syntax};

/// Reads a script.
pub fn parse(source: &[u8], extended: bool) -> Result<Script, String> {
    let mut script = Script::default();
    if source.starts_with(b"#n") && matches!(source.get(2), None | Some(b'\n')) {
        script.silent = true;
    }
    let mut parser = Parser {
        text: source,
        at: 0,
        extended,
        script,
        labels: Vec::new(),
        jumps: Vec::new(),
    };
    parser.run().map_err(|message| {
        let line = source[..parser.at.min(source.len())]
            .iter()
            .filter(|b| **b == b'\n')
            .count()
            + 1;
        format!("script line {line}: {message}")
    })?;
    Ok(parser.script)
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    extended: bool,
    script: Script,
    labels: Vec<(Vec<u8>, usize)>,
    jumps: Vec<(usize, Vec<u8>)>,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip(&mut self, what: &[u8]) {
        while self.peek().is_some_and(|b| what.contains(&b)) {
            self.at += 1;
        }
    }

    fn number(&mut self) -> Option<u64> {
        let mut value = None;
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            let more = value
                .unwrap_or(0u64)
                .saturating_mul(10)
                .saturating_add(u64::from(digit - b'0'));
            value = Some(more);
            self.at += 1;
        }
        value
    }

    fn run(&mut self) -> Result<(), String> {
        let mut blocks: Vec<usize> = Vec::new();
        loop {
            self.skip(b" \t\n;");
            let Some(byte) = self.peek() else { break };
            if byte == b'#' {
                while self.peek().is_some_and(|b| b != b'\n') {
                    self.at += 1;
                }
                continue;
            }
            if byte == b'}' {
                self.at += 1;
                let open = blocks.pop().ok_or("unexpected }")?;
                let here = self.script.commands.len();
                if let Some(command) = self.script.commands.get_mut(open) {
                    command.action = Action::Block(here);
                }
                self.end_of_command()?;
                continue;
            }
            let mut command = self.addresses()?;
            self.skip(b" \t");
            while self.peek() == Some(b'!') {
                command.negated = true;
                self.at += 1;
                self.skip(b" \t");
            }
            let name = self.peek().ok_or("missing command")?;
            self.at += 1;
            if name == b'{' {
                blocks.push(self.script.commands.len());
            }
            if name == b':' {
                if command.first.is_some() {
                    return Err(": takes no address".into());
                }
                self.define_label()?;
                continue;
            }
            command.action = self.action(name, command.end.is_some())?;
            self.script.commands.push(command);
        }
        if !blocks.is_empty() {
            return Err("unmatched {".into());
        }
        for (command, label) in std::mem::take(&mut self.jumps) {
            let target = if label.is_empty() {
                self.script.commands.len()
            } else {
                let found = self.labels.iter().find(|(name, _)| *name == label);
                found
                    .ok_or_else(|| format!("no such label: {}", String::from_utf8_lossy(&label)))?
                    .1
            };
            let action = &mut self.script.commands[command].action;
            *action = match action {
                Action::BranchIf(_) => Action::BranchIf(target),
                Action::BranchUnless(_) => Action::BranchUnless(target),
                _ => Action::Branch(target),
            };
        }
        Ok(())
    }

    fn addresses(&mut self) -> Result<Command, String> {
        let mut command = Command {
            first: None,
            end: None,
            negated: false,
            start: Range::Outside,
            action: Action::Block(0),
        };
        command.first = self.address()?;
        self.skip(b" \t");
        if command.first.is_some() && self.peek() == Some(b',') {
            self.at += 1;
            self.skip(b" \t");
            command.end = Some(match self.peek() {
                Some(b'+') => {
                    self.at += 1;
                    RangeEnd::More(self.number().ok_or("number expected behind +")?)
                }
                Some(b'~') => {
                    self.at += 1;
                    RangeEnd::Multiple(self.number().ok_or("number expected behind ~")?)
                }
                _ => RangeEnd::Address(self.address()?.ok_or("unexpected ,")?),
            });
        }
        if matches!(command.first, Some(Address::Line(0))) {
            if !matches!(command.end, Some(RangeEnd::Address(Address::Match(_)))) {
                return Err("line 0 is only for 0,/re/".into());
            }
            command.start = Range::Inside;
        }
        Ok(command)
    }

    fn address(&mut self) -> Result<Option<Address>, String> {
        Ok(Some(match self.peek() {
            Some(b'0'..=b'9') => {
                let first = self.number().unwrap_or(0);
                if self.peek() == Some(b'~') {
                    self.at += 1;
                    Address::Step(first, self.number().unwrap_or(0))
                } else {
                    Address::Line(first)
                }
            }
            Some(b'$') => {
                self.at += 1;
                Address::Last
            }
            Some(b'/') => {
                self.at += 1;
                self.match_address(b'/')?
            }
            Some(b'\\') => {
                self.at += 1;
                let delimiter = self
                    .peek()
                    .filter(|b| *b != b'\n' && *b != b'\\')
                    .ok_or("bad delimiter")?;
                self.at += 1;
                self.match_address(delimiter)?
            }
            _ => return Ok(None),
        }))
    }

    fn match_address(&mut self, delimiter: u8) -> Result<Address, String> {
        let pattern = self
            .pattern(delimiter)
            .ok_or("unterminated address regex")?;
        let (mut ignore_case, mut newline) = (false, false);
        loop {
            match self.peek() {
                Some(b'I') => ignore_case = true,
                Some(b'M') => newline = true,
                _ => break,
            }
            self.at += 1;
        }
        Ok(Address::Match(self.regex(
            &pattern,
            ignore_case,
            newline,
        )?))
    }

    fn regex(
        &self,
        pattern: &[u8],
        ignore_case: bool,
        newline: bool,
    ) -> Result<Option<Rc<Regex>>, String> {
        if pattern.is_empty() {
            return Ok(None);
        }
        let syntax = Syntax {
            extended: self.extended,
            ignore_case,
            newline,
            ..Syntax::default()
        };
        match Regex::new(pattern, syntax) {
            Ok(regex) => Ok(Some(Rc::new(regex))),
            Err(error) => Err(format!("{error}: {}", String::from_utf8_lossy(pattern))),
        }
    }

    /// A regular expression up to the delimiter, which is taken too.
    fn pattern(&mut self, delimiter: u8) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let mut bracket = false;
        loop {
            let byte = self.peek()?;
            self.at += 1;
            if bracket {
                if byte == b'[' && matches!(self.peek(), Some(b':' | b'.' | b'=')) {
                    // A class up to its end.
                    let kind = self.peek()?;
                    let rest = &self.text[self.at + 1..];
                    if let Some(length) = rest.windows(2).position(|pair| pair == [kind, b']']) {
                        out.push(byte);
                        out.extend_from_slice(&self.text[self.at..self.at + length + 3]);
                        self.at += length + 3;
                        continue;
                    }
                }
                match (byte, self.peek()) {
                    (b'\\', Some(b'n')) => {
                        out.push(b'\n');
                        self.at += 1;
                        continue;
                    }
                    (b'\\', Some(b't')) => {
                        out.push(b'\t');
                        self.at += 1;
                        continue;
                    }
                    (b'\\', Some(b']')) => {}
                    (b']', _) => bracket = false,
                    _ => {}
                }
                out.push(byte);
                continue;
            }
            match byte {
                _ if byte == delimiter => return Some(out),
                b'\\' => {
                    let next = self.peek()?;
                    self.at += 1;
                    if next == delimiter && !special(next, self.extended) {
                        out.push(next);
                    } else if next == delimiter {
                        // The delimiter has a meaning of its own: escaped it is itself.
                        out.extend_from_slice(&if next.is_ascii_alphanumeric() {
                            vec![next]
                        } else {
                            vec![b'\\', next]
                        });
                    } else if let Some((byte, length)) = escape(next, &self.text[self.at..]) {
                        self.at += length;
                        // A made character is never special.
                        if special(byte, true) {
                            out.push(b'\\');
                        }
                        out.push(byte);
                    } else {
                        out.extend_from_slice(&[b'\\', next]);
                    }
                }
                b'[' => {
                    bracket = true;
                    out.push(byte);
                    if self.peek() == Some(b'^') {
                        out.push(b'^');
                        self.at += 1;
                    }
                    if self.peek() == Some(b']') {
                        out.push(b']');
                        self.at += 1;
                    }
                }
                _ => out.push(byte),
            }
        }
    }

    fn end_of_command(&mut self) -> Result<(), String> {
        self.skip(b" \t");
        match self.peek() {
            None | Some(b'\n' | b';' | b'}' | b'#') => Ok(()),
            Some(byte) => Err(format!(
                "extra characters after command: {}",
                char::from(byte)
            )),
        }
    }

    /// The rest of the line, blanks before it skipped.
    fn line(&mut self) -> Vec<u8> {
        self.skip(b" \t");
        let start = self.at;
        while self.peek().is_some_and(|b| b != b'\n') {
            self.at += 1;
        }
        self.text[start..self.at].to_vec()
    }

    fn label(&mut self) -> Vec<u8> {
        self.skip(b" \t");
        let start = self.at;
        while self
            .peek()
            .is_some_and(|b| !matches!(b, b'\n' | b';' | b' ' | b'\t' | b'}'))
        {
            self.at += 1;
        }
        self.text[start..self.at].to_vec()
    }

    fn define_label(&mut self) -> Result<(), String> {
        self.skip(b" \t");
        let start = self.at;
        while self
            .peek()
            .is_some_and(|b| !matches!(b, b'\n' | b';' | b'}'))
        {
            self.at += 1;
        }
        let label = self.text[start..self.at].trim_ascii_end().to_vec();
        if label.is_empty() {
            return Err("\":\" lacks a label".into());
        }
        if self.labels.iter().any(|(known, _)| *known == label) {
            return Err(format!(
                "label {} is defined twice",
                String::from_utf8_lossy(&label)
            ));
        }
        self.labels.push((label, self.script.commands.len()));
        Ok(())
    }

    fn output(&mut self) -> Result<usize, String> {
        let name = self.line();
        if name.is_empty() {
            return Err("missing file name".into());
        }
        Ok(index(&mut self.script.outputs, name))
    }

    fn action(&mut self, name: u8, range: bool) -> Result<Action, String> {
        let action = match name {
            b'{' => return Ok(Action::Block(0)),
            b'a' => return Ok(Action::Append(self.text_argument()?)),
            b'i' => return Ok(Action::Insert(self.text_argument()?)),
            b'c' => return Ok(Action::Change(self.text_argument()?)),
            b'b' | b't' | b'T' => {
                let label = self.label();
                self.jumps.push((self.script.commands.len(), label));
                match name {
                    b'b' => Action::Branch(0),
                    b't' => Action::BranchIf(0),
                    _ => Action::BranchUnless(0),
                }
            }
            b'r' => {
                let path = self.line();
                if path.is_empty() {
                    return Err("missing file name".into());
                }
                return Ok(Action::Read(OsString::from_vec(path)));
            }
            b'R' => {
                let path = self.line();
                return Ok(Action::ReadLine(index(&mut self.script.inputs, path)));
            }
            b'w' => return Ok(Action::Write(self.output()?)),
            b'W' => return Ok(Action::WriteFirst(self.output()?)),
            b's' => self.substitute()?,
            b'y' => self.translate()?,
            b'q' | b'Q' => {
                if range {
                    return Err(format!("{} takes one address at most", char::from(name)));
                }
                self.skip(b" \t");
                let status = i32::try_from(self.number().unwrap_or(0)).unwrap_or(255);
                if name == b'q' {
                    Action::Quit(status)
                } else {
                    Action::QuitSilently(status)
                }
            }
            b'l' => {
                self.skip(b" \t");
                Action::List(self.number().and_then(|width| usize::try_from(width).ok()))
            }
            b'd' => Action::Delete,
            b'D' => Action::DeleteFirst,
            b'g' => Action::Get,
            b'G' => Action::GetAppend,
            b'h' => Action::Hold,
            b'H' => Action::HoldAppend,
            b'n' => Action::Next,
            b'N' => Action::NextAppend,
            b'p' => Action::Print,
            b'P' => Action::PrintFirst,
            b'x' => Action::Exchange,
            b'=' => Action::Number,
            b'F' => Action::FileName,
            b'z' => Action::Empty,
            _ => return Err(format!("unknown command: {}", char::from(name))),
        };
        self.end_of_command()?;
        Ok(action)
    }

    /// The text of `a`, `i` and `c`: on the same line, or behind a backslash and a newline.
    fn text_argument(&mut self) -> Result<Vec<u8>, String> {
        self.skip(b" \t");
        if self.peek() == Some(b'\\') {
            self.at += 1;
            self.skip(b" \t");
            if self.peek() == Some(b'\n') {
                self.at += 1;
            } else {
                // a\text: the backslash keeps the blanks behind it.
                while self.at > 0 && matches!(self.text[self.at - 1], b' ' | b'\t') {
                    self.at -= 1;
                }
            }
        }
        if self.peek().is_none() {
            return Err("expected text behind a, i or c".into());
        }
        let mut out = Vec::new();
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'\n' => break,
                b'\\' => {
                    let Some(next) = self.peek() else { break };
                    self.at += 1;
                    match escape(next, &self.text[self.at..]) {
                        Some((byte, length)) => {
                            self.at += length;
                            out.push(byte);
                        }
                        None => out.push(next),
                    }
                }
                _ => out.push(byte),
            }
        }
        out.push(b'\n');
        Ok(out)
    }

    fn substitute(&mut self) -> Result<Action, String> {
        let delimiter = self
            .peek()
            .filter(|b| *b != b'\n' && *b != b'\\')
            .ok_or("bad delimiter of s")?;
        self.at += 1;
        let pattern = self.pattern(delimiter).ok_or("unterminated s command")?;
        let pieces = self.replacement(delimiter)?;
        let mut found = Substitute {
            regex: None,
            pieces,
            global: false,
            number: 1,
            print: false,
            write: None,
        };
        let (mut ignore_case, mut newline) = (false, false);
        loop {
            match self.peek() {
                Some(b'g') => found.global = true,
                Some(b'p') => found.print = true,
                Some(b'i' | b'I') => ignore_case = true,
                Some(b'm' | b'M') => newline = true,
                Some(b'0'..=b'9') => {
                    let number = self.number().unwrap_or(0);
                    found.number = usize::try_from(number).unwrap_or(usize::MAX);
                    if number == 0 {
                        return Err("the number of s must not be zero".into());
                    }
                    continue;
                }
                Some(b'w') => {
                    self.at += 1;
                    found.write = Some(self.output()?);
                    break;
                }
                _ => break,
            }
            self.at += 1;
        }
        found.regex = self.regex(&pattern, ignore_case, newline)?;
        if let Some(regex) = &found.regex {
            let groups = regex.groups();
            let high = found.pieces.iter().find_map(|piece| match piece {
                Piece::Group(n) if *n > groups => Some(*n),
                _ => None,
            });
            if let Some(n) = high {
                return Err(format!("invalid reference \\{n} on the right side of s"));
            }
        }
        Ok(Action::Substitute(Box::new(found)))
    }

    fn replacement(&mut self, delimiter: u8) -> Result<Vec<Piece>, String> {
        let mut pieces = Vec::new();
        let mut text = Vec::new();
        loop {
            let byte = self.peek().ok_or("unterminated s command")?;
            self.at += 1;
            let piece = match byte {
                _ if byte == delimiter => break,
                b'&' => Piece::Group(0),
                b'\\' => {
                    let next = self.peek().ok_or("unterminated s command")?;
                    self.at += 1;
                    match next {
                        b'0'..=b'9' if next != delimiter => Piece::Group(usize::from(next - b'0')),
                        b'U' => Piece::Case(Case::Upper),
                        b'L' => Piece::Case(Case::Lower),
                        b'u' => Piece::Case(Case::UpperNext),
                        b'l' => Piece::Case(Case::LowerNext),
                        b'E' => Piece::Case(Case::End),
                        _ if next == delimiter || next == b'\n' => {
                            text.push(next);
                            continue;
                        }
                        _ => {
                            match escape(next, &self.text[self.at..]) {
                                Some((byte, length)) => {
                                    self.at += length;
                                    text.push(byte);
                                }
                                None => text.push(next),
                            }
                            continue;
                        }
                    }
                }
                _ => {
                    text.push(byte);
                    continue;
                }
            };
            if !text.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
            }
            pieces.push(piece);
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        Ok(pieces)
    }

    fn translate(&mut self) -> Result<Action, String> {
        let delimiter = self
            .peek()
            .filter(|b| *b != b'\n' && *b != b'\\')
            .ok_or("bad delimiter of y")?;
        self.at += 1;
        let from = self.translate_side(delimiter)?;
        let to = self.translate_side(delimiter)?;
        if from.len() != to.len() {
            return Err("the strings of y have different lengths".into());
        }
        let mut bytes = Box::new([0u8; 128]);
        for (byte, index) in bytes.iter_mut().zip(0u8..) {
            *byte = index;
        }
        let mut wide = Vec::new();
        for (from, to) in from.into_iter().zip(to) {
            match (from.as_slice(), to.as_slice()) {
                ([from @ 0..=127], [to @ 0..=127]) => bytes[usize::from(*from)] = *to,
                _ => wide.push((from, to)),
            }
        }
        Ok(Action::Translate(Box::new(Translation { bytes, wide })))
    }

    /// The characters of one side of `y`.
    fn translate_side(&mut self, delimiter: u8) -> Result<Vec<Vec<u8>>, String> {
        let mut raw = Vec::new();
        loop {
            let byte = self.peek().ok_or("unterminated y command")?;
            self.at += 1;
            match byte {
                _ if byte == delimiter => break,
                b'\\' => {
                    let next = self.peek().ok_or("unterminated y command")?;
                    self.at += 1;
                    if next == delimiter || next == b'\\' {
                        raw.push(vec![next]);
                    } else if let Some((byte, length)) = escape(next, &self.text[self.at..]) {
                        self.at += length;
                        raw.push(vec![byte]);
                    } else {
                        raw.push(vec![b'\\']);
                        raw.push(vec![next]);
                    }
                }
                _ => {
                    // The bytes of one character stay together.
                    match raw.last_mut() {
                        Some(last) if byte & 0xC0 == 0x80 && last[0] >= 0xC0 && last.len() < 4 => {
                            last.push(byte)
                        }
                        _ => raw.push(vec![byte]),
                    }
                }
            }
        }
        Ok(raw)
    }
}

fn index(names: &mut Vec<OsString>, name: Vec<u8>) -> usize {
    let name = OsString::from_vec(name);
    match names.iter().position(|known| *known == name) {
        Some(index) => index,
        None => {
            names.push(name);
            names.len() - 1
        }
    }
}

/// Whether the character means something in a regular expression when it stands alone.
fn special(byte: u8, extended: bool) -> bool {
    matches!(byte, b'.' | b'*' | b'[' | b']' | b'^' | b'$' | b'\\')
        || extended && matches!(byte, b'+' | b'?' | b'(' | b')' | b'{' | b'}' | b'|')
}

/// The byte that an escape means, and how many bytes it has behind its letter.
fn escape(letter: u8, rest: &[u8]) -> Option<(u8, usize)> {
    let digits = |radix: u32, most: usize| {
        let mut value = 0u32;
        let mut count = 0;
        while let Some(digit) = rest.get(count).and_then(|b| char::from(*b).to_digit(radix)) {
            if count == most {
                break;
            }
            value = value * radix + digit;
            count += 1;
        }
        (count > 0).then_some(((value & 0xFF) as u8, count))
    };
    match letter {
        b'a' => Some((7, 0)),
        b'f' => Some((12, 0)),
        b'n' => Some((b'\n', 0)),
        b'r' => Some((b'\r', 0)),
        b't' => Some((b'\t', 0)),
        b'v' => Some((11, 0)),
        b'x' => digits(16, 2),
        b'o' => digits(8, 3),
        b'd' => digits(10, 3),
        _ => None,
    }
}

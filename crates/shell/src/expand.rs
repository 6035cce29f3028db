//! Expansion: tildes, parameters, commands, arithmetic, then splitting, pathnames and quotes (POSIX.1-2024, 2.6).
//!
//! While a word is expanded, its text is a pattern: what was quoted has backslashes before what would be alive.

use crate::arithmetic;
use crate::ast::{Operation, Parameter, Part, Place, Word};
use crate::exec::{Flow, Shell};
use crate::pattern;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// The fields that a word becomes, as patterns.
struct Fields<'a> {
    done: Vec<Vec<u8>>,
    current: Vec<u8>,
    /// There is a field, even if it is empty.
    started: bool,
    /// The bytes that split; `None`: nothing does.
    separators: Option<&'a [u8]>,
}

impl Fields<'_> {
    fn quoted(&mut self, text: &[u8]) {
        self.started = true;
        pattern::quote(text, &mut self.current);
    }

    fn end(&mut self) {
        if self.started || !self.current.is_empty() {
            self.done.push(std::mem::take(&mut self.current));
        }
        self.started = false;
    }

    /// Text that came out of an expansion: it is split, and patterns in it are alive.
    fn expanded(&mut self, text: &[u8]) {
        let Some(separators) = self.separators else {
            return self.alive(text);
        };
        let mut at = 0;
        let is_white =
            |byte: u8| matches!(byte, b' ' | b'\t' | b'\n') && separators.contains(&byte);
        while let Some(byte) = text.get(at).copied() {
            if !separators.contains(&byte) {
                let rest = text.get(at..).unwrap_or_default();
                let len = rest
                    .iter()
                    .position(|byte| separators.contains(byte))
                    .unwrap_or(rest.len());
                self.alive(rest.get(..len).unwrap_or_default());
                at += len;
                continue;
            }
            // White space around one other separator is one separation.
            let begun = self.started || !self.current.is_empty();
            let mut hard = false;
            while let Some(byte) = text
                .get(at)
                .copied()
                .filter(|byte| separators.contains(byte))
            {
                if !is_white(byte) {
                    if hard {
                        break;
                    }
                    hard = true;
                }
                at += 1;
            }
            if hard && !begun {
                self.started = true;
            }
            self.end();
        }
    }

    fn alive(&mut self, text: &[u8]) {
        for byte in text {
            if *byte == b'\\' {
                self.current.push(b'\\');
            }
            self.current.push(*byte);
        }
    }
}

impl Shell {
    /// The fields of a word: split, pathnames expanded, quotes taken off.
    pub(crate) fn fields(&mut self, word: &Word, out: &mut Vec<Vec<u8>>) -> Result<(), Flow> {
        // Most words are plain.
        if let Some(text) = word.plain()
            && !pattern::is_alive(text)
        {
            out.push(text.to_vec());
            return Ok(());
        }
        let separators = self
            .variables
            .get(b"IFS")
            .map_or_else(|| b" \t\n".to_vec(), <[u8]>::to_vec);
        let mut fields = Fields {
            done: Vec::new(),
            current: Vec::new(),
            started: false,
            separators: Some(&separators),
        };
        self.parts(&word.0, &mut fields, false)?;
        fields.end();
        for field in fields.done {
            if pattern::is_alive(&field) && !self.options.no_glob {
                let found = pattern::expand_path(&field);
                if !found.is_empty() {
                    out.extend(found);
                    continue;
                }
            }
            out.push(pattern::unquote(&field));
        }
        Ok(())
    }

    /// A word as one string: neither split nor expanded to pathnames.
    pub(crate) fn string(&mut self, word: &Word) -> Result<Vec<u8>, Flow> {
        Ok(pattern::unquote(&self.pattern(word)?))
    }

    /// A word as a pattern, what is quoted in it taken literally.
    pub(crate) fn pattern(&mut self, word: &Word) -> Result<Vec<u8>, Flow> {
        let mut fields = Fields {
            done: Vec::new(),
            current: Vec::new(),
            started: false,
            separators: None,
        };
        self.parts(&word.0, &mut fields, false)?;
        let mut all = fields.done;
        all.push(fields.current);
        Ok(all.join(&b' '))
    }

    /// `quoted`: inside double quotes.
    fn parts(&mut self, parts: &[Part], fields: &mut Fields<'_>, quoted: bool) -> Result<(), Flow> {
        for part in parts {
            match part {
                Part::Text(text) if quoted => fields.quoted(text),
                Part::Text(text) => fields.current.extend_from_slice(text),
                Part::Quoted(text) => fields.quoted(text),
                Part::Double(inner) => {
                    // "$@" with no parameters is no field at all; any other "" is one.
                    let only_at =
                        matches!(inner.as_slice(), [Part::Parameter(p)] if p.name == b"@");
                    if !only_at {
                        fields.started = true;
                    }
                    self.parts(inner, fields, true)?;
                }
                Part::Tilde(user) => {
                    let home = self.home(user);
                    fields.quoted(&home);
                }
                Part::Parameter(parameter) => self.parameter(parameter, fields, quoted)?,
                Part::Command(list) => {
                    let output = self.command_output(list)?;
                    if quoted {
                        fields.quoted(&output)
                    } else {
                        fields.expanded(&output)
                    }
                }
                Part::Arithmetic(word) => {
                    let text = self.string(word)?;
                    let value = self.arithmetic(&text)?.to_string();
                    if quoted {
                        fields.quoted(value.as_bytes())
                    } else {
                        fields.expanded(value.as_bytes())
                    }
                }
            }
        }
        Ok(())
    }

    fn home(&self, user: &[u8]) -> Vec<u8> {
        if user.is_empty() {
            return self
                .variables
                .get(b"HOME")
                .map_or_else(|| b"~".to_vec(), <[u8]>::to_vec);
        }
        let passwd = std::fs::read("/etc/passwd").unwrap_or_default();
        let found = passwd.split(|byte| *byte == b'\n').find_map(|line| {
            let mut fields = line.split(|byte| *byte == b':');
            (fields.next()? == user).then(|| fields.nth(4).map(<[u8]>::to_vec))?
        });
        found.unwrap_or_else(|| [b"~", user].concat())
    }

    /// The value of an expression, with the shell's variables.
    pub(crate) fn arithmetic(&mut self, text: &[u8]) -> Result<i64, Flow> {
        struct Access<'a>(&'a mut Shell, u32);
        impl arithmetic::Variables for Access<'_> {
            fn get(&mut self, name: &[u8]) -> Result<i64, String> {
                let value = self.0.special_or_variable(name);
                match value {
                    None if self.0.options.no_unset => Err(format!(
                        "{}: parameter not set",
                        String::from_utf8_lossy(name)
                    )),
                    None => Ok(0),
                    Some(value) if value.trim_ascii().is_empty() => Ok(0),
                    Some(value) => match arithmetic::number(&value) {
                        Some(number) => Ok(number),
                        // A value may be an expression, as long as it does not go round in circles.
                        None if self.1 < 20 => {
                            arithmetic::evaluate(&value, &mut Access(&mut *self.0, self.1 + 1))
                        }
                        None => Err("arithmetic expression nested too deeply".to_owned()),
                    },
                }
            }
            fn set(&mut self, name: &[u8], value: i64) -> Result<(), String> {
                self.0.variables.set(name, value.to_string().into_bytes())
            }
        }
        match arithmetic::evaluate(text, &mut Access(self, 0)) {
            Ok(value) => Ok(value),
            Err(what) => Err(self.fail(&what)),
        }
    }

    /// The value of a parameter that is one string: not `@` and not `*`.
    pub(crate) fn special_or_variable(&self, name: &[u8]) -> Option<Vec<u8>> {
        match name {
            [b'0'] => Some(self.name.clone()),
            [first, ..] if first.is_ascii_digit() => {
                let number: usize = std::str::from_utf8(name).ok()?.parse().ok()?;
                self.positional.get(number.checked_sub(1)?).cloned()
            }
            b"#" => Some(self.positional.len().to_string().into_bytes()),
            b"?" => Some(self.status.to_string().into_bytes()),
            b"$" => Some(self.pid.to_string().into_bytes()),
            b"!" => self.last_background.map(|pid| pid.to_string().into_bytes()),
            b"-" => Some(self.options.letters()),
            b"LINENO" => Some(self.line.to_string().into_bytes()),
            b"RANDOM" => Some(self.random().to_string().into_bytes()),
            _ => self.variables.get(name).map(<[u8]>::to_vec),
        }
    }

    fn parameter(
        &mut self,
        parameter: &Parameter,
        fields: &mut Fields<'_>,
        quoted: bool,
    ) -> Result<(), Flow> {
        let name = parameter.name.as_slice();
        let emit = |fields: &mut Fields<'_>, text: &[u8]| {
            if quoted {
                fields.quoted(text)
            } else {
                fields.expanded(text)
            }
        };
        if matches!(name, b"@" | b"*") {
            return self.all_parameters(parameter, fields, quoted);
        }
        let value = self.special_or_variable(name);
        let usable = |colon: bool| value.as_ref().filter(|value| !colon || !value.is_empty());
        match &parameter.operation {
            Operation::Default(colon, word) => match usable(*colon) {
                Some(value) => emit(fields, value),
                None => self.inner_word(word, fields, quoted)?,
            },
            Operation::Alternative(colon, word) => {
                if usable(*colon).is_some() {
                    self.inner_word(word, fields, quoted)?;
                }
            }
            Operation::Assign(colon, word) => match usable(*colon) {
                Some(value) => emit(fields, value),
                None => {
                    let text = self.string(word)?;
                    if !crate::lexer::is_name(name) {
                        return Err(self.fail(&format!(
                            "{}: bad variable name",
                            String::from_utf8_lossy(name)
                        )));
                    }
                    self.assign(name, text.clone())?;
                    emit(fields, &text);
                }
            },
            Operation::Error(colon, word) => match usable(*colon) {
                Some(value) => emit(fields, value),
                None => {
                    let mut text = String::from_utf8_lossy(&self.string(word)?).into_owned();
                    if text.is_empty() {
                        text = "parameter not set".to_owned();
                    }
                    return Err(self.fail(&format!("{}: {text}", String::from_utf8_lossy(name))));
                }
            },
            operation => {
                let Some(value) = value else {
                    if self.options.no_unset {
                        let what = format!("{}: parameter not set", String::from_utf8_lossy(name));
                        return Err(self.fail(&what));
                    }
                    if *operation == Operation::Length {
                        emit(fields, b"0");
                    } else if quoted {
                        fields.started = true;
                    }
                    return Ok(());
                };
                let value = self.transform(value, operation)?;
                emit(fields, &value);
            }
        }
        Ok(())
    }

    /// The word of `${name-word}`: its own quotes count; outside quotes it is split.
    fn inner_word(
        &mut self,
        word: &Word,
        fields: &mut Fields<'_>,
        quoted: bool,
    ) -> Result<(), Flow> {
        for part in &word.0 {
            match part {
                Part::Text(text) if !quoted => fields.expanded(text),
                part => self.parts(std::slice::from_ref(part), fields, quoted)?,
            }
        }
        Ok(())
    }

    fn all_parameters(
        &mut self,
        parameter: &Parameter,
        fields: &mut Fields<'_>,
        quoted: bool,
    ) -> Result<(), Flow> {
        let none = self.positional.is_empty();
        match &parameter.operation {
            Operation::Length => {
                let count = self.positional.len().to_string();
                fields.expanded(count.as_bytes());
                return Ok(());
            }
            Operation::Default(colon, word)
            | Operation::Assign(colon, word)
            | Operation::Error(colon, word)
                if none || (*colon && self.positional.iter().all(Vec::is_empty)) =>
            {
                return self.inner_word(word, fields, quoted);
            }
            Operation::Alternative(colon, word) => {
                if !(none || *colon && self.positional.iter().all(Vec::is_empty)) {
                    return self.inner_word(word, fields, quoted);
                }
                return Ok(());
            }
            _ => {}
        }
        let mut values = Vec::new();
        if let Operation::Slice(offset, length) = &parameter.operation {
            let (offset, length) = self.slice_numbers(offset, length.as_ref())?;
            let all: Vec<Vec<u8>> = std::iter::once(self.name.clone())
                .chain(self.positional.iter().cloned())
                .collect();
            let (from, to) = slice_range(all.len(), offset, length);
            values.extend_from_slice(all.get(from..to).unwrap_or_default());
        } else {
            for value in self.positional.clone() {
                values.push(self.transform(value, &parameter.operation)?);
            }
        }
        if parameter.name == b"*" && (quoted || fields.separators.is_none()) {
            let separator = match self.variables.get(b"IFS") {
                None => vec![b' '],
                Some(ifs) => ifs.get(..1).unwrap_or_default().to_vec(),
            };
            fields.quoted(&values.join(separator.as_slice()));
            return Ok(());
        }
        for (number, value) in values.iter().enumerate() {
            if number > 0 {
                if fields.separators.is_none() {
                    fields.current.push(b' ');
                } else {
                    fields.end();
                }
            }
            if quoted {
                fields.quoted(value);
            } else {
                fields.expanded(value);
            }
        }
        Ok(())
    }

    fn transform(&mut self, value: Vec<u8>, operation: &Operation) -> Result<Vec<u8>, Flow> {
        Ok(match operation {
            Operation::Length => characters(&value).len().to_string().into_bytes(),
            Operation::TrimStart(longest, word) => {
                let pattern = self.pattern(word)?;
                trim(&value, &pattern, *longest, false)
            }
            Operation::TrimEnd(longest, word) => {
                let pattern = self.pattern(word)?;
                trim(&value, &pattern, *longest, true)
            }
            Operation::Slice(offset, length) => {
                let (offset, length) = self.slice_numbers(offset, length.as_ref())?;
                let all = characters(&value);
                let (from, to) = slice_range(all.len(), offset, length);
                all.get(from..to).unwrap_or_default().concat()
            }
            Operation::Replace(place, find, text) => {
                let (find, text) = (self.pattern(find)?, self.string(text)?);
                replace(&value, *place, &find, &text)
            }
            _ => value,
        })
    }

    fn slice_numbers(
        &mut self,
        offset: &Word,
        length: Option<&Word>,
    ) -> Result<(i64, Option<i64>), Flow> {
        let offset = self.string(offset)?;
        let offset = self.arithmetic(&offset)?;
        let length = match length {
            None => None,
            Some(word) => {
                let text = self.string(word)?;
                Some(self.arithmetic(&text)?)
            }
        };
        Ok((offset, length))
    }

    /// Whether a path leads to a program.
    pub(crate) fn is_executable(path: &[u8]) -> bool {
        use std::os::unix::fs::PermissionsExt;
        let path = std::path::Path::new(OsStr::from_bytes(path));
        path.metadata()
            .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    }
}

fn characters(text: &[u8]) -> Vec<&[u8]> {
    let mut all = Vec::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (one, behind) = rest.split_at(pattern::character(rest));
        all.push(one);
        rest = behind;
    }
    all
}

fn slice_range(len: usize, offset: i64, length: Option<i64>) -> (usize, usize) {
    let len = i64::try_from(len).unwrap_or(i64::MAX);
    let from = if offset < 0 { len + offset } else { offset };
    if from < 0 || from > len {
        return (0, 0);
    }
    let to = match length {
        None => len,
        Some(length) if length < 0 => len + length,
        Some(length) => from.saturating_add(length).min(len),
    };
    let number = |value: i64| usize::try_from(value).unwrap_or(0);
    (number(from), number(to.max(from)))
}

/// Takes the shortest or the longest match off one end.
fn trim(value: &[u8], find: &[u8], longest: bool, end: bool) -> Vec<u8> {
    let mut places: Vec<usize> = vec![0];
    let mut at = 0;
    while at < value.len() {
        at += pattern::character(value.get(at..).unwrap_or_default());
        places.push(at);
    }
    // The shortest match at the beginning ends first; at the end, it begins last.
    if longest != end {
        places.reverse();
    }
    for place in places {
        let (head, tail) = value.split_at(place);
        let (matched, kept) = if end { (tail, head) } else { (head, tail) };
        if pattern::matches(find, matched) {
            return kept.to_vec();
        }
    }
    value.to_vec()
}

fn replace(value: &[u8], place: Place, find: &[u8], text: &[u8]) -> Vec<u8> {
    if find.is_empty() {
        return value.to_vec();
    }
    // The longest match that begins at `from`.
    let longest = |from: usize| {
        (from..=value.len())
            .rev()
            .find(|to| pattern::matches(find, value.get(from..*to).unwrap_or_default()))
    };
    match place {
        Place::Start => match longest(0) {
            Some(to) => [text, value.get(to..).unwrap_or_default()].concat(),
            None => value.to_vec(),
        },
        Place::End => {
            for from in 0..=value.len() {
                if pattern::matches(find, value.get(from..).unwrap_or_default()) {
                    return [value.get(..from).unwrap_or_default(), text].concat();
                }
            }
            value.to_vec()
        }
        Place::First | Place::All => {
            let mut out = Vec::new();
            let mut at = 0;
            while at < value.len() {
                match longest(at).filter(|to| *to > at) {
                    Some(to) => {
                        out.extend_from_slice(text);
                        at = to;
                        if place == Place::First {
                            break;
                        }
                    }
                    None => {
                        out.extend(value.get(at));
                        at += 1;
                    }
                }
            }
            out.extend_from_slice(value.get(at..).unwrap_or_default());
            out
        }
    }
}

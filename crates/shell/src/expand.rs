//! Expansion: tildes, parameters, commands, arithmetic, then splitting, pathnames and quotes (POSIX.1-2024, 2.6).
//!
//! While a word is expanded, its text is a pattern: what was quoted has backslashes before what would be alive.

use crate::arithmetic;
use crate::ast::{Operation, Parameter, Part, Place, Word};
use crate::builtins::lossy;
use crate::exec::{Flow, Shell};
use crate::lexer::is_name;
use crate::pattern;
use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// What a word is expanded for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Aim {
    /// Arguments: split, pathnames expanded.
    Fields,
    /// One pattern: what was quoted has backslashes before what would be alive.
    Pattern,
    /// One regular expression, what was quoted in it taken literally.
    Regex,
    /// One text.
    Text,
}

/// The bytes of `IFS`, without an allocation for all that scripts use.
#[derive(Clone, Copy, Default)]
struct Separators {
    bytes: [u8; 14],
    len: u8,
}

impl Separators {
    fn of(shell: &Shell) -> Separators {
        let mut all = Separators::default();
        for byte in shell.variables.get(b"IFS").unwrap_or(b" \t\n") {
            if let Some(place) = all.bytes.get_mut(usize::from(all.len)) {
                *place = *byte;
                all.len += 1;
            }
        }
        all
    }

    fn contains(&self, byte: u8) -> bool {
        self.bytes
            .get(..usize::from(self.len))
            .is_some_and(|all| all.contains(&byte))
    }

    fn is_white(&self, byte: u8) -> bool {
        matches!(byte, b' ' | b'\t' | b'\n') && self.contains(byte)
    }
}

/// The fields that a word becomes.
struct Fields<'a> {
    aim: Aim,
    separators: Separators,
    /// Where finished fields go, with pathnames expanded.
    done: &'a mut Vec<Vec<u8>>,
    current: Vec<u8>,
    /// The parts of `current` that were quoted and hold what would be alive otherwise.
    quoted: Vec<(usize, usize)>,
    /// There is a field, even if it is empty.
    started: bool,
    /// Something unquoted in `current` may be a pattern.
    glob: bool,
    /// Pathnames are expanded.
    pathnames: bool,
}

impl<'a> Fields<'a> {
    fn new(shell: &Shell, aim: Aim, done: &'a mut Vec<Vec<u8>>) -> Fields<'a> {
        Fields {
            aim,
            separators: if aim == Aim::Fields {
                Separators::of(shell)
            } else {
                Separators::default()
            },
            done,
            current: Vec::new(),
            quoted: Vec::new(),
            started: false,
            glob: false,
            pathnames: !shell.options.no_glob,
        }
    }

    fn quoted(&mut self, text: &[u8]) {
        self.started = true;
        match self.aim {
            Aim::Text => self.current.extend_from_slice(text),
            Aim::Pattern => pattern::quote(text, &mut self.current),
            Aim::Regex => {
                for byte in text {
                    if b".[]{}()*+?^$|\\".contains(byte) {
                        self.current.push(b'\\');
                    }
                    self.current.push(*byte);
                }
            }
            Aim::Fields => {
                let from = self.current.len();
                self.current.extend_from_slice(text);
                if text.iter().any(|byte| pattern::is_special(*byte)) {
                    self.quoted.push((from, self.current.len()));
                }
            }
        }
    }

    /// Unquoted text of the script, or one piece of an expansion.
    fn alive(&mut self, text: &[u8]) {
        self.glob |=
            self.aim == Aim::Fields && text.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['));
        self.current.extend_from_slice(text);
    }

    fn end(&mut self) {
        if !self.started && self.current.is_empty() {
            return;
        }
        self.started = false;
        if self.glob && self.pathnames {
            let mut path = Vec::with_capacity(self.current.len() + 8);
            let mut at = 0;
            for (from, to) in &self.quoted {
                path.extend_from_slice(self.current.get(at..*from).unwrap_or_default());
                pattern::quote(self.current.get(*from..*to).unwrap_or_default(), &mut path);
                at = *to;
            }
            path.extend_from_slice(self.current.get(at..).unwrap_or_default());
            if pattern::is_alive(&path) {
                let mut found = pattern::expand_path(&path);
                if !found.is_empty() {
                    self.current.clear();
                    self.quoted.clear();
                    self.glob = false;
                    self.done.append(&mut found);
                    return;
                }
            }
        }
        self.glob = false;
        self.quoted.clear();
        self.done.push(std::mem::take(&mut self.current));
    }

    /// Text that came out of an expansion: it is split, and patterns in it are alive.
    fn expanded(&mut self, text: &[u8]) {
        if self.aim != Aim::Fields || self.separators.len == 0 {
            return self.alive(text);
        }
        let separators = self.separators;
        let mut at = 0;
        while let Some(byte) = text.get(at).copied() {
            if !separators.contains(byte) {
                let rest = text.get(at..).unwrap_or_default();
                let len = rest
                    .iter()
                    .position(|byte| separators.contains(*byte))
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
                .filter(|byte| separators.contains(*byte))
            {
                if !separators.is_white(byte) {
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

    fn emit(&mut self, text: &[u8], quoted: bool) {
        if quoted {
            self.quoted(text);
        } else {
            self.expanded(text);
        }
    }
}

impl Shell {
    /// The fields of a word: split, pathnames expanded, quotes taken off.
    pub(crate) fn fields(&mut self, word: &Word, out: &mut Vec<Vec<u8>>) -> Result<(), Flow> {
        // Most words are plain.
        if let Some(text) = word.plain()
            && (text == b"[" || !text.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[')))
        {
            out.push(text.to_vec());
            return Ok(());
        }
        let mut fields = Fields::new(self, Aim::Fields, out);
        self.parts(&word.0, &mut fields, false)?;
        fields.end();
        Ok(())
    }

    fn one(&mut self, word: &Word, aim: Aim) -> Result<Vec<u8>, Flow> {
        let mut done = Vec::new();
        let mut fields = Fields::new(self, aim, &mut done);
        self.parts(&word.0, &mut fields, false)?;
        Ok(fields.current)
    }

    /// A word as one string: neither split nor expanded to pathnames.
    pub(crate) fn string(&mut self, word: &Word) -> Result<Vec<u8>, Flow> {
        match word.plain() {
            Some(text) => Ok(text.to_vec()),
            None => self.one(word, Aim::Text),
        }
    }

    /// A word as a pattern, what is quoted in it taken literally.
    pub(crate) fn pattern<'w>(&mut self, word: &'w Word) -> Result<Cow<'w, [u8]>, Flow> {
        match word.plain() {
            Some(text) => Ok(Cow::Borrowed(text)),
            None => Ok(Cow::Owned(self.one(word, Aim::Pattern)?)),
        }
    }

    /// A word as a regular expression.
    pub(crate) fn regex_text(&mut self, word: &Word) -> Result<Vec<u8>, Flow> {
        self.one(word, Aim::Regex)
    }

    /// `quoted`: inside double quotes.
    fn parts(&mut self, parts: &[Part], fields: &mut Fields<'_>, quoted: bool) -> Result<(), Flow> {
        for part in parts {
            match part {
                Part::Text(text) if quoted => fields.quoted(text),
                Part::Text(text) => fields.alive(text),
                Part::Quoted(text) => fields.quoted(text),
                Part::Double(inner) => {
                    // "$@" with no parameters is no field at all; any other "" is one.
                    let only_at = !inner.is_empty()
                        && inner
                            .iter()
                            .all(|part| matches!(part, Part::Parameter(p) if p.name == b"@"));
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
                    fields.emit(&output, quoted);
                }
                Part::Process(read, list) => {
                    let path = self.process_path(*read, list)?;
                    fields.quoted(&path);
                }
                Part::Arithmetic(word) => {
                    let value = match word.plain() {
                        Some(text) => self.arithmetic(text)?,
                        None => {
                            let text = self.one(word, Aim::Text)?;
                            self.arithmetic(&text)?
                        }
                    };
                    fields.emit(value.to_string().as_bytes(), quoted);
                }
            }
        }
        Ok(())
    }

    pub(crate) fn home(&self, user: &[u8]) -> Vec<u8> {
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
                    // With `set -u` too, as in dash and ash.
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
            b"EPOCHSECONDS" => Some(epoch_seconds().to_string().into_bytes()),
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
        if matches!(name, b"@" | b"*") {
            return self.all_parameters(parameter, fields, quoted);
        }
        // What most scripts do most: a variable's value as it is.
        if parameter.operation == Operation::Value && is_name(name) && !is_computed(name) {
            match self.variables.get(name) {
                Some(value) => fields.emit(value, quoted),
                None if self.options.no_unset => return Err(self.not_set(name, "")),
                None => fields.started |= quoted,
            }
            return Ok(());
        }
        let value = self.special_or_variable(name);
        let usable = |colon: bool| value.as_ref().filter(|value| !colon || !value.is_empty());
        match &parameter.operation {
            Operation::Default(colon, word) => match usable(*colon) {
                Some(value) => fields.emit(value, quoted),
                None => self.inner_word(word, fields, quoted)?,
            },
            Operation::Alternative(colon, word) => {
                if usable(*colon).is_some() {
                    self.inner_word(word, fields, quoted)?;
                } else {
                    fields.started |= quoted;
                }
            }
            Operation::Assign(colon, word) => match usable(*colon) {
                Some(value) => fields.emit(value, quoted),
                None => {
                    let text = self.string(word)?;
                    if !is_name(name) {
                        return Err(self.fail(&format!("{}: bad variable name", lossy(name))));
                    }
                    self.assign(name, text.clone())?;
                    fields.emit(&text, quoted);
                }
            },
            Operation::Error(colon, word) => match usable(*colon) {
                Some(value) => fields.emit(value, quoted),
                None => {
                    let text = self.string(word)?;
                    if text.is_empty() {
                        return Err(self.not_set(name, if *colon { " or null" } else { "" }));
                    }
                    return Err(self.fail(&format!("{}: {}", lossy(name), lossy(&text))));
                }
            },
            operation => {
                let Some(value) = value else {
                    if self.options.no_unset {
                        return Err(self.not_set(name, ""));
                    }
                    match operation {
                        Operation::Length => fields.emit(b"0", quoted),
                        _ => fields.started |= quoted,
                    }
                    return Ok(());
                };
                let value = self.transform(value, operation)?;
                fields.emit(&value, quoted);
            }
        }
        Ok(())
    }

    fn not_set(&mut self, name: &[u8], more: &str) -> Flow {
        self.fail(&format!("{}: parameter not set{more}", lossy(name)))
    }

    /// The word of `${name-word}`: its own quotes count; outside quotes it is split.
    fn inner_word(
        &mut self,
        word: &Word,
        fields: &mut Fields<'_>,
        quoted: bool,
    ) -> Result<(), Flow> {
        fields.started |= quoted;
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
        let empty = |shell: &Shell, colon: bool| {
            none || colon && shell.positional.iter().all(Vec::is_empty)
        };
        match &parameter.operation {
            Operation::Length => {
                let count = self.positional.len().to_string();
                fields.emit(count.as_bytes(), quoted);
                return Ok(());
            }
            Operation::Default(colon, word) if empty(self, *colon) => {
                return self.inner_word(word, fields, quoted);
            }
            Operation::Assign(colon, _) if empty(self, *colon) => {
                let what = format!("{}: bad variable name", lossy(&parameter.name));
                return Err(self.fail(&what));
            }
            Operation::Error(colon, word) if empty(self, *colon) => {
                let text = self.string(word)?;
                if text.is_empty() {
                    return Err(self.not_set(&parameter.name, if *colon { " or null" } else { "" }));
                }
                let what = format!("{}: {}", lossy(&parameter.name), lossy(&text));
                return Err(self.fail(&what));
            }
            Operation::Alternative(colon, word) => {
                if !empty(self, *colon) {
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
        if fields.aim != Aim::Fields || parameter.name == b"*" && quoted {
            let separator = match self.variables.get(b"IFS") {
                None => vec![b' '],
                Some(ifs) => ifs.get(..1).unwrap_or_default().to_vec(),
            };
            let text = values.join(separator.as_slice());
            if quoted {
                fields.quoted(&text);
            } else {
                fields.alive(&text);
            }
            return Ok(());
        }
        for (number, value) in values.iter().enumerate() {
            if number > 0 {
                fields.end();
            }
            fields.emit(value, quoted);
        }
        Ok(())
    }

    fn transform(&mut self, value: Vec<u8>, operation: &Operation) -> Result<Vec<u8>, Flow> {
        Ok(match operation {
            Operation::Length => count_characters(&value).to_string().into_bytes(),
            Operation::TrimStart(longest, word) => {
                let pattern = self.pattern(word)?;
                trim(value, &pattern, *longest, false)
            }
            Operation::TrimEnd(longest, word) => {
                let pattern = self.pattern(word)?;
                trim(value, &pattern, *longest, true)
            }
            Operation::Slice(offset, length) => {
                let (offset, length) = self.slice_numbers(offset, length.as_ref())?;
                let all = characters(&value);
                let (from, to) = slice_range(all.len(), offset, length);
                all.get(from..to).unwrap_or_default().concat()
            }
            Operation::Replace(place, find, text) => {
                let find = self.pattern(find)?;
                let text = self.string(text)?;
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

fn epoch_seconds() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
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

fn count_characters(text: &[u8]) -> usize {
    if text.is_ascii() {
        text.len()
    } else {
        characters(text).len()
    }
}

/// Parameters that have names, and values that nobody set.
fn is_computed(name: &[u8]) -> bool {
    matches!(name, b"LINENO" | b"RANDOM" | b"EPOCHSECONDS")
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
fn trim(mut value: Vec<u8>, find: &[u8], longest: bool, end: bool) -> Vec<u8> {
    // `*text` at the beginning and `text*` at the end, as in `${path##*/}`: it is enough to look for the text.
    let text = if end {
        find.strip_suffix(b"*")
    } else {
        find.strip_prefix(b"*")
    };
    if let Some(text) = text.filter(|text| !text.ends_with(b"\\") && !pattern::is_alive(text)) {
        let text = pattern::unquote(text);
        if text.first().is_some_and(|byte| byte & 0xc0 != 0x80) {
            let mut places = value.windows(text.len());
            let place = if longest == end {
                places.position(|window| window == text)
            } else {
                places.rposition(|window| window == text)
            };
            match place {
                Some(place) if end => value.truncate(place),
                Some(place) => {
                    value.drain(..place + text.len());
                }
                None => {}
            }
            return value;
        }
    }
    let (mut low, mut high) = (0, value.len());
    // The shortest match at the beginning ends first; at the end, it begins last.
    let mut backwards = longest != end;
    // A pattern `*x` matches nothing that does not end with x, and so on: the places to look at are few.
    if !pattern::is_alive(find) {
        let plain = pattern::unquote(find);
        let matched = if end {
            value.ends_with(&plain)
        } else {
            value.starts_with(&plain)
        };
        if !matched {
            return value;
        }
        let place = if end {
            value.len() - plain.len()
        } else {
            plain.len()
        };
        (low, high) = (place, place);
        backwards = false;
    }
    let mut place = if backwards { high } else { low };
    loop {
        // Only where a character begins.
        let inside = value.get(place).is_some_and(|byte| byte & 0xc0 == 0x80)
            && std::str::from_utf8(&value).is_ok();
        if !inside {
            let (head, tail) = value.split_at(place);
            let matched = if end { tail } else { head };
            if pattern::matches(find, matched) {
                if end {
                    value.truncate(place);
                } else {
                    value.drain(..place);
                }
                return value;
            }
        }
        if backwards {
            if place == low {
                return value;
            }
            place -= 1;
        } else {
            if place == high {
                return value;
            }
            place += 1;
        }
    }
}

fn replace(value: &[u8], place: Place, find: &[u8], text: &[u8]) -> Vec<u8> {
    if find.is_empty() && matches!(place, Place::First | Place::All) {
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
            // `*` matches what is empty, once.
            if value.is_empty() && pattern::matches(find, b"") {
                return text.to_vec();
            }
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

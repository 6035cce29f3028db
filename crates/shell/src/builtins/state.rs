//! What changes the shell itself: `alias cd export local pwd readonly set shift times trap ulimit umask unalias unset`.

use super::{lossy, number, quote};
use crate::exec::{Flow, Shell, strerror};
use crate::lexer::is_name;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use sys::process;

pub(super) fn alias(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    let mut status = 0;
    let show = |name: &[u8], text: &[u8]| [name, b"=", &quote(text), b"\n"].concat();
    if arguments.len() == 1 {
        let mut lines: Vec<Vec<u8>> = shell
            .aliases
            .borrow()
            .iter()
            .map(|(name, text)| show(name, text))
            .collect();
        lines.sort();
        return Ok(shell.print(&lines.concat(), "alias"));
    }
    for word in arguments.iter().skip(1) {
        match word.iter().position(|byte| *byte == b'=') {
            Some(at) => {
                let (name, text) = word.split_at(at);
                shell
                    .aliases
                    .borrow_mut()
                    .insert(name.to_vec(), text.get(1..).unwrap_or_default().to_vec());
            }
            None => match shell.known_alias(word).map(|text| show(word, &text)) {
                Some(line) => status |= shell.print(&line, "alias"),
                None => {
                    shell.complain(b"alias", &format!("{} not found", lossy(word)));
                    status = 1;
                }
            },
        }
    }
    Ok(status)
}

impl Shell {
    /// The text of an alias.
    pub(crate) fn known_alias(&self, name: &[u8]) -> Option<Vec<u8>> {
        self.aliases.borrow().get(name).cloned()
    }
}

/// `hash`: where programs were found.
pub(super) fn hash(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    let mut status = 0;
    if arguments.len() == 1 {
        let mut lines: Vec<Vec<u8>> = shell
            .hashed
            .values()
            .map(|path| [path.as_os_str().as_bytes(), b"\n"].concat())
            .collect();
        lines.sort();
        return Ok(shell.print(&lines.concat(), "hash"));
    }
    for word in arguments.iter().skip(1) {
        if word == b"-r" {
            shell.hashed.clear();
        } else if shell.find_program(word).is_none()
            && super::find(word).is_none()
            && !shell.has_function(word)
        {
            shell.complain(b"hash", &format!("{}: not found", lossy(word)));
            status = 1;
        }
    }
    Ok(status)
}

pub(super) fn unalias(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    let mut status = 0;
    for word in arguments.iter().skip(1) {
        if word == b"-a" {
            shell.aliases.borrow_mut().clear();
        } else if shell.aliases.borrow_mut().remove(word).is_none() {
            shell.complain(b"unalias", &format!("{} not found", lossy(word)));
            status = 1;
        }
    }
    Ok(status)
}

pub(super) fn cd(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    let mut physical = false;
    let mut at = 1;
    while let Some(option) = arguments.get(at) {
        match option.as_slice() {
            b"-P" => physical = true,
            b"-L" => physical = false,
            b"--" => {
                at += 1;
                break;
            }
            _ => break,
        }
        at += 1;
    }
    let old = shell.variables.get(b"PWD").map(<[u8]>::to_vec);
    let (target, mut show) = match arguments.get(at).map(Vec::as_slice) {
        None => match shell.variables.get(b"HOME") {
            Some(home) => (home.to_vec(), false),
            None => return Ok(shell.complain(b"cd", "HOME not set")),
        },
        Some(b"-") => match shell.variables.get(b"OLDPWD") {
            Some(old) => (old.to_vec(), true),
            None => return Ok(shell.complain(b"cd", "OLDPWD not set")),
        },
        Some(target) => (target.to_vec(), false),
    };
    if target.is_empty() {
        return Ok(0);
    }
    let mut full = target.clone();
    if !matches!(target.first(), Some(b'/' | b'.'))
        && let Some(paths) = shell.variables.get(b"CDPATH").map(<[u8]>::to_vec)
    {
        for folder in paths
            .split(|byte| *byte == b':')
            .filter(|folder| !folder.is_empty())
        {
            let candidate = [folder, b"/", &target].concat();
            if Path::new(OsStr::from_bytes(&candidate)).is_dir() {
                full = candidate;
                show = true;
                break;
            }
        }
    }
    if full.first() != Some(&b'/') {
        let here = old
            .clone()
            .or_else(|| current_folder().ok())
            .unwrap_or_else(|| b"/".to_vec());
        full = [here.as_slice(), b"/", &full].concat();
    }
    let logical = normalise(&full);
    let result =
        std::env::set_current_dir(OsStr::from_bytes(if physical { &full } else { &logical }));
    if let Err(error) = result {
        return Ok(shell.complain(
            b"cd",
            &format!("can't cd to {}: {}", lossy(&target), strerror(&error)),
        ));
    }
    let now = if physical {
        current_folder().unwrap_or(logical)
    } else {
        logical
    };
    shell.assign(b"OLDPWD", old.unwrap_or_default())?;
    shell.assign(b"PWD", now.clone())?;
    if show {
        return Ok(shell.print(&[now.as_slice(), b"\n"].concat(), "cd"));
    }
    Ok(0)
}

fn current_folder() -> std::io::Result<Vec<u8>> {
    Ok(std::env::current_dir()?
        .into_os_string()
        .as_bytes()
        .to_vec())
}

/// A path without `.`, `..` and doubled slashes.
fn normalise(path: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    [b"/", parts.join(&b'/').as_slice()].concat()
}

pub(super) fn pwd(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    let physical = arguments.get(1).is_some_and(|option| option == b"-P");
    let known = shell
        .variables
        .get(b"PWD")
        .filter(|path| !physical && is_here(path))
        .map(<[u8]>::to_vec);
    let path = match known.map_or_else(current_folder, Ok) {
        Ok(path) => path,
        Err(error) => return Ok(shell.complain(b"pwd", &strerror(&error))),
    };
    Ok(shell.print(&[path.as_slice(), b"\n"].concat(), "pwd"))
}

/// Whether a path leads to the current folder.
pub(crate) fn is_here(path: &[u8]) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |path: &Path| path.metadata().map(|meta| (meta.dev(), meta.ino())).ok();
    path.first() == Some(&b'/')
        && id(Path::new(OsStr::from_bytes(path))) == id(Path::new("."))
        && id(Path::new(".")).is_some()
}

/// `export` and `readonly`.
pub(super) fn export(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    let command = arguments.first().cloned().unwrap_or_default();
    let read_only = command == b"readonly";
    let (mut at, mut remove) = (1, false);
    while let Some(word) = arguments
        .get(at)
        .filter(|word| word.len() > 1 && word.starts_with(b"-"))
    {
        at += 1;
        if word == b"--" {
            break;
        }
        for letter in word.iter().skip(1) {
            match letter {
                b'p' => {}
                b'n' if !read_only => remove = true,
                letter => {
                    let what = format!(
                        "{}: illegal option -{}",
                        lossy(&command),
                        char::from(*letter)
                    );
                    return Err(shell.fail(&what));
                }
            }
        }
    }
    let words = arguments.get(at..).unwrap_or_default();
    if words.is_empty() {
        let mut out = Vec::new();
        for (name, variable) in shell.variables.sorted() {
            if if read_only {
                variable.read_only
            } else {
                variable.exported
            } {
                out.extend([command.as_slice(), b" ", name].concat());
                if let Some(value) = &variable.value {
                    out.push(b'=');
                    out.extend(quote(value));
                }
                out.push(b'\n');
            }
        }
        return Ok(shell.print(&out, "export"));
    }
    for word in words {
        let (name, value) = match word.iter().position(|byte| *byte == b'=') {
            Some(at) => {
                let (name, value) = word.split_at(at);
                (name, Some(value.get(1..).unwrap_or_default().to_vec()))
            }
            None => (word.as_slice(), None),
        };
        if !is_name(name) {
            return Err(shell.fail(&format!(
                "{}: {}: bad variable name",
                lossy(&command),
                lossy(word)
            )));
        }
        if let Some(value) = value {
            shell.assign(name, value)?;
        }
        let variable = shell.variables.entry(name);
        if read_only {
            variable.read_only = true;
        } else {
            variable.exported = !remove;
        }
    }
    Ok(0)
}

pub(super) fn local(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    if !shell.variables.has_scope() {
        return Err(shell.fail("local: not in a function"));
    }
    for word in arguments.iter().skip(1) {
        if word == b"-" {
            shell.variables.keep_options(&shell.options);
            continue;
        }
        let (name, value) = match word.iter().position(|byte| *byte == b'=') {
            Some(at) => (word.get(..at).unwrap_or_default(), word.get(at + 1..)),
            None => (word.as_slice(), None),
        };
        if !is_name(name) {
            return Err(shell.fail(&format!("local: {}: bad variable name", lossy(word))));
        }
        match value {
            Some(value) => {
                shell.variables.make_local(name);
                shell.assign(name, value.to_vec())?;
            }
            None => {
                // As ash has it: a name alone begins unset. One that is local already stays as it is.
                if shell.variables.make_local(name) {
                    let _ = shell.variables.unset(name);
                }
            }
        }
    }
    Ok(0)
}

pub(super) fn set(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    if arguments.len() == 1 {
        let mut out = Vec::new();
        for (name, variable) in shell.variables.sorted() {
            if let Some(value) = &variable.value {
                out.extend([name, b"=", &quote(value), b"\n"].concat());
            }
        }
        return Ok(shell.print(&out, "set"));
    }
    let monitored = shell.options.monitor;
    let result = set_options(shell, arguments);
    // The option alone makes no job control.
    match (monitored, shell.options.monitor) {
        (false, true) => {
            shell.begin_job_control();
        }
        (true, false) => shell.end_job_control(),
        _ => {}
    }
    result
}

fn set_options(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    let mut at = 1;
    while let Some(word) = arguments.get(at) {
        let on = match word.first() {
            Some(b'-') => true,
            Some(b'+') => false,
            _ => break,
        };
        if word == b"--" {
            shell.positional = arguments.get(at + 1..).unwrap_or_default().to_vec();
            return Ok(0);
        }
        if word.len() == 1 {
            if on {
                shell.options.trace = false;
                shell.options.verbose = false;
            }
            at += 1;
            break;
        }
        at += 1;
        for letter in word.iter().skip(1) {
            if *letter == b'o' {
                let Some(name) = arguments.get(at) else {
                    let mut text = String::new();
                    for (_, name, state) in shell.options.all() {
                        text.push_str(&format!(
                            "{name:<16}{}\n",
                            if *state { "on" } else { "off" }
                        ));
                    }
                    return Ok(shell.print(text.as_bytes(), "set"));
                };
                at += 1;
                if !shell.options.set_name(name, on) {
                    return Err(shell.fail(&format!("set: illegal option -o {}", lossy(name))));
                }
            } else if !shell.options.set_letter(char::from(*letter), on) {
                return Err(shell.fail(&format!("set: illegal option -{}", char::from(*letter))));
            }
        }
    }
    if let Some(words) = arguments.get(at..).filter(|words| !words.is_empty()) {
        shell.positional = words.to_vec();
    }
    Ok(0)
}

pub(super) fn shift(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    let count = match arguments.get(1) {
        None => 1,
        Some(text) => match number(text).and_then(|count| usize::try_from(count).ok()) {
            Some(count) => count,
            None => return Err(shell.fail(&format!("shift: Illegal number: {}", lossy(text)))),
        },
    };
    if count > shell.positional.len() {
        return Ok(1);
    }
    shell.positional.drain(..count);
    Ok(0)
}

pub(super) fn times(shell: &mut Shell, _: &[Vec<u8>]) -> Result<i32, Flow> {
    let (user, system, children_user, children_system) = process::times();
    let show = |ticks: u64| format!("{}m{}.{:02}0s", ticks / 6000, ticks / 100 % 60, ticks % 100);
    let text = format!(
        "{} {}\n{} {}\n",
        show(user),
        show(system),
        show(children_user),
        show(children_system)
    );
    Ok(shell.print(text.as_bytes(), "times"))
}

/// Signals by name, as Linux numbers them.
pub(crate) const SIGNALS: [&str; 32] = [
    "EXIT", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV",
    "USR2", "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU",
    "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// A signal's number out of its name or number.
pub(crate) fn signal_number(text: &[u8]) -> Option<i32> {
    if let Some(number) = number(text) {
        return (0..64).contains(&number).then_some(number);
    }
    let name = lossy(text).to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    SIGNALS
        .iter()
        .position(|known| *known == name)
        .and_then(|number| i32::try_from(number).ok())
}

pub(super) fn trap(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    let words: Vec<&Vec<u8>> = arguments
        .iter()
        .skip(1)
        .filter(|word| *word != b"--")
        .collect();
    let Some((first, rest)) = words.split_first() else {
        let shown = if shell.shown_traps.is_empty() {
            &shell.traps
        } else {
            &shell.shown_traps
        };
        let mut all: Vec<(i32, Vec<u8>)> = shown.iter().map(|(s, a)| (*s, a.clone())).collect();
        all.sort();
        let mut out = Vec::new();
        for (signal, action) in all {
            let name = usize::try_from(signal)
                .ok()
                .and_then(|at| SIGNALS.get(at))
                .copied()
                .unwrap_or("?");
            out.extend(
                [
                    b"trap -- ",
                    quote(&action).as_slice(),
                    b" ",
                    name.as_bytes(),
                    b"\n",
                ]
                .concat(),
            );
        }
        return Ok(shell.print(&out, "trap"));
    };
    // A number alone, or `-`, takes traps away.
    let (action, signals): (Option<Vec<u8>>, &[&Vec<u8>]) = if *first == b"-" {
        (None, rest)
    } else if rest.is_empty() || (number(first).is_some() && !rest.is_empty()) {
        (None, words.as_slice())
    } else {
        (Some((*first).clone()), rest)
    };
    let mut status = 0;
    shell.shown_traps.clear();
    for word in signals {
        let Some(signal) = signal_number(word) else {
            shell.complain(
                b"trap",
                &format!("{}: invalid signal specification", lossy(word)),
            );
            status = 1;
            continue;
        };
        let disposition = match &action {
            None => process::Disposition::Default,
            Some(action) if action.is_empty() => process::Disposition::Ignore,
            Some(_) => process::Disposition::Catch,
        };
        if signal > 0 {
            // KILL and STOP cannot be caught; saying so would break scripts that trap everything.
            let _ = process::set_signal(signal, disposition);
        }
        match &action {
            Some(action) => shell.traps.insert(signal, action.clone()),
            None => shell.traps.remove(&signal),
        };
    }
    Ok(status)
}

pub(super) fn umask(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    let symbolic = arguments.get(1).is_some_and(|option| option == b"-S");
    let mode = arguments.get(if symbolic { 2 } else { 1 });
    let current = process::umask(0o77);
    process::umask(current);
    let Some(mode) = mode else {
        let text = if symbolic {
            let class = |shift: u32| {
                let bits = !current >> shift;
                ["r", "w", "x"]
                    .iter()
                    .zip([4, 2, 1])
                    .filter(|(_, bit)| bits & bit != 0)
                    .map(|(l, _)| *l)
                    .collect::<String>()
            };
            format!("u={},g={},o={}\n", class(6), class(3), class(0))
        } else {
            format!("{current:04o}\n")
        };
        return Ok(shell.print(text.as_bytes(), "umask"));
    };
    let text = lossy(mode);
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        match u32::from_str_radix(&text, 8) {
            Ok(mask) if mask <= 0o777 => {
                process::umask(mask);
            }
            _ => return Ok(shell.complain(b"umask", &format!("Illegal number: {text}"))),
        }
        return Ok(0);
    }
    match symbolic_mask(&text, current) {
        Some(mask) => {
            process::umask(mask);
            Ok(0)
        }
        None => Ok(shell.complain(b"umask", &format!("Illegal mode: {text}"))),
    }
}

/// `u=rwx,g+w,…` over what is permitted now.
fn symbolic_mask(text: &str, mask: u32) -> Option<u32> {
    let mut permitted = !mask & 0o777;
    for clause in text.split(',') {
        let at = clause.find(['+', '-', '='])?;
        let (who, rest) = clause.split_at(at);
        let mut classes = 0;
        for letter in who.chars() {
            classes |= match letter {
                'u' => 0o700,
                'g' => 0o070,
                'o' => 0o007,
                'a' => 0o777,
                _ => return None,
            };
        }
        if who.is_empty() {
            classes = 0o777;
        }
        let mut bits = 0;
        for letter in rest.chars().skip(1) {
            bits |= match letter {
                'r' => 0o444,
                'w' => 0o222,
                'x' => 0o111,
                _ => return None,
            };
        }
        permitted = match rest.chars().next()? {
            '+' => permitted | (bits & classes),
            '-' => permitted & !(bits & classes),
            _ => permitted & !classes | (bits & classes),
        };
    }
    Some(!permitted & 0o777)
}

pub(super) fn ulimit(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    // (letter, Linux' number of the resource, bytes in a unit, what it is)
    const LIMITS: [(u8, u32, u64, &str); 11] = [
        (b't', 0, 1, "cpu time (seconds)"),
        (b'f', 1, 512, "file size (blocks)"),
        (b'd', 2, 1024, "data seg size (kb)"),
        (b's', 3, 1024, "stack size (kb)"),
        (b'c', 4, 512, "core file size (blocks)"),
        (b'm', 5, 1024, "resident set size (kb)"),
        (b'l', 8, 1024, "locked memory (kb)"),
        (b'p', 6, 1, "processes"),
        (b'n', 7, 1, "file descriptors"),
        (b'v', 9, 1024, "address space (kb)"),
        (b'e', 13, 1, "scheduling priority"),
    ];
    let (mut hard, mut soft, mut all, mut wanted) = (false, false, false, b'f');
    let mut value = None;
    for word in arguments.iter().skip(1) {
        match word.strip_prefix(b"-") {
            Some(letters) => {
                for letter in letters {
                    match letter {
                        b'H' => hard = true,
                        b'S' => soft = true,
                        b'a' => all = true,
                        letter if LIMITS.iter().any(|(known, ..)| known == letter) => {
                            wanted = *letter
                        }
                        _ => {
                            return Ok(shell.complain(
                                b"ulimit",
                                &format!("bad option -{}", char::from(*letter)),
                            ));
                        }
                    }
                }
            }
            None => value = Some(lossy(word)),
        }
    }
    let show = |limit: Option<u64>, unit: u64| {
        limit.map_or_else(|| "unlimited".to_owned(), |v| (v / unit).to_string())
    };
    if all {
        let mut text = String::new();
        for (letter, resource, unit, what) in LIMITS {
            if let Ok((soft, upper)) = process::limit(resource) {
                text.push_str(&format!(
                    "-{}: {what:<28} {}\n",
                    char::from(letter),
                    show(if hard { upper } else { soft }, unit)
                ));
            }
        }
        return Ok(shell.print(text.as_bytes(), "ulimit"));
    }
    let Some((_, resource, unit, _)) = LIMITS.into_iter().find(|(letter, ..)| *letter == wanted)
    else {
        return Ok(2);
    };
    let (old_soft, old_hard) = match process::limit(resource) {
        Ok(limits) => limits,
        Err(error) => return Ok(shell.complain(b"ulimit", &strerror(&error))),
    };
    let Some(value) = value else {
        let text = show(if hard { old_hard } else { old_soft }, unit) + "\n";
        return Ok(shell.print(text.as_bytes(), "ulimit"));
    };
    let value = match value.as_str() {
        "unlimited" => None,
        text => match text
            .parse::<u64>()
            .ok()
            .and_then(|value| value.checked_mul(unit))
        {
            Some(value) => Some(value),
            None => return Ok(shell.complain(b"ulimit", &format!("bad number: {text}"))),
        },
    };
    let both = !hard && !soft;
    let new_soft = if soft || both { value } else { old_soft };
    let new_hard = if hard || both { value } else { old_hard };
    match process::set_limit(resource, new_soft, new_hard) {
        Ok(()) => Ok(0),
        Err(error) => Ok(shell.complain(
            b"ulimit",
            &format!("error setting limit: {}", strerror(&error)),
        )),
    }
}

pub(super) fn unset(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    let mut functions = false;
    let mut at = 1;
    while let Some(word) = arguments.get(at).filter(|word| word.starts_with(b"-")) {
        at += 1;
        match word.as_slice() {
            b"--" => break,
            b"-" => return Err(shell.fail("unset: -: bad variable name")),
            letters => {
                for letter in letters.iter().skip(1) {
                    match letter {
                        b'f' => functions = true,
                        b'v' => functions = false,
                        other => {
                            let what = format!("unset: illegal option -{}", char::from(*other));
                            return Err(shell.fail(&what));
                        }
                    }
                }
            }
        }
    }
    for name in arguments.iter().skip(at) {
        if functions {
            shell.functions.remove(name.as_slice());
            continue;
        }
        if !is_name(name) {
            return Err(shell.fail(&format!("unset: {}: bad variable name", lossy(name))));
        }
        if let Err(what) = shell.variables.unset(name) {
            return Err(shell.fail(&format!("unset: {what}")));
        }
        if name == b"PATH" {
            shell.hashed.clear();
        }
    }
    Ok(0)
}

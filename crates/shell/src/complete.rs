//! What Tab offers: commands, files, variables, users, and arguments of `apk`, `rc-service` and `rc-update`.

use crate::builtins;
use crate::edit::{Candidate, Completions, Quoting};
use crate::exec::Shell;
use crate::lexer::{is_name_byte, is_name_start};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const APK: [&str; 17] = [
    "add", "audit", "cache", "del", "fetch", "fix", "index", "info", "list", "manifest", "policy",
    "search", "stats", "update", "upgrade", "verify", "version",
];
const APK_OPTIONS: [&str; 12] = [
    "--allow-untrusted",
    "--force",
    "--help",
    "--interactive",
    "--no-cache",
    "--no-network",
    "--quiet",
    "--repository",
    "--root",
    "--simulate",
    "--verbose",
    "--virtual",
];
const ACTIONS: [&str; 7] = [
    "describe", "pause", "restart", "start", "status", "stop", "zap",
];
const RESERVED: [&str; 11] = [
    "!", "do", "elif", "else", "if", "then", "time", "until", "while", "{", "exec",
];

/// Where the cursor is.
#[derive(Debug, Default)]
struct Place {
    /// The words of the command so far, without quotes.
    words: Vec<Vec<u8>>,
    /// The word at the cursor, without quotes, and where it begins.
    word: Vec<u8>,
    start: usize,
    /// 0, or the quote that is open.
    quote: u8,
    /// Where the text behind the last slash or the opening quote begins.
    part: usize,
    /// Behind `<` or `>`
    redirected: bool,
}

fn place(text: &[u8]) -> Place {
    let mut outer: Vec<Place> = Vec::new();
    let mut now = Place::default();
    let mut inside = false;
    let mut at = 0;
    let end_word = |now: &mut Place, inside: &mut bool| {
        if std::mem::take(inside) {
            let word = std::mem::take(&mut now.word);
            let name = word.iter().position(|byte| *byte == b'=');
            let assigns =
                name.is_some_and(|at| crate::lexer::is_name(word.get(..at).unwrap_or_default()));
            let reserved = RESERVED.iter().any(|known| known.as_bytes() == word);
            if !std::mem::take(&mut now.redirected)
                && !(now.words.is_empty() && (assigns || reserved))
            {
                now.words.push(word);
            }
        }
    };
    while let Some(byte) = text.get(at).copied() {
        let begins = |now: &mut Place, inside: &mut bool| {
            if !*inside {
                *inside = true;
                now.start = at;
                now.part = at;
            }
        };
        match byte {
            b'\\' if now.quote != b'\'' => {
                begins(&mut now, &mut inside);
                if let Some(next) = text.get(at + 1) {
                    now.word.push(*next);
                }
                at += 1;
            }
            b'\'' | b'"' if now.quote == 0 => {
                let whole = inside;
                begins(&mut now, &mut inside);
                now.quote = byte;
                if !whole || now.part == at {
                    now.part = at + 1;
                }
            }
            b'\'' | b'"' if now.quote == byte => now.quote = 0,
            b'$' if now.quote != b'\'' && text.get(at + 1) == Some(&b'(') => {
                outer.push(std::mem::take(&mut now));
                inside = false;
                at += 1;
            }
            _ if now.quote != 0 => {
                now.word.push(byte);
                if byte == b'/' {
                    now.part = at + 1;
                }
            }
            b' ' | b'\t' => end_word(&mut now, &mut inside),
            b'\n' | b';' | b'&' | b'|' | b'(' | b'`' => {
                now = Place::default();
                inside = false;
            }
            b')' => {
                now = outer.pop().unwrap_or_default();
                inside = now.quote != 0 || !now.word.is_empty();
            }
            b'<' | b'>' => {
                if !now.word.iter().all(u8::is_ascii_digit) {
                    end_word(&mut now, &mut inside);
                }
                now.word.clear();
                inside = false;
                now.redirected = true;
            }
            byte => {
                begins(&mut now, &mut inside);
                now.word.push(byte);
                if byte == b'/' || (byte == b'=' && now.part == now.start) {
                    now.part = at + 1;
                }
            }
        }
        at += 1;
    }
    if !inside {
        now.start = text.len();
        now.part = text.len();
    }
    now
}

fn listed(names: impl IntoIterator<Item = Vec<u8>>, known: &[u8]) -> Vec<Candidate> {
    names
        .into_iter()
        .filter(|name| name.starts_with(known))
        .map(|text| Candidate {
            text,
            end: b" ".to_vec(),
        })
        .collect()
}

fn words(all: &[&str]) -> Vec<Vec<u8>> {
    all.iter().map(|word| word.as_bytes().to_vec()).collect()
}

/// The names in a folder.
fn names(folder: &[u8]) -> Vec<Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(OsStr::from_bytes(folder)) else {
        return Vec::new();
    };
    entries
        .flatten()
        .map(|entry| entry.file_name().as_bytes().to_vec())
        .collect()
}

fn files(folder: &[u8], known: &[u8], programs: bool) -> Vec<Candidate> {
    let shown = if folder.is_empty() { b"." } else { folder };
    let mut all = Vec::new();
    for name in names(shown) {
        if !name.starts_with(known) || (known.is_empty() && name.starts_with(b".")) {
            continue;
        }
        let path = [shown, b"/", name.as_slice()].concat();
        let is_folder = Path::new(OsStr::from_bytes(&path)).is_dir();
        if programs && !is_folder && !Shell::is_executable(&path) {
            continue;
        }
        all.push(Candidate {
            text: name,
            end: if is_folder {
                b"/".to_vec()
            } else {
                b" ".to_vec()
            },
        });
    }
    all
}

/// `P:` lines: the names in the installed database and in indexes.
fn packages(text: &[u8]) -> Vec<Vec<u8>> {
    text.split(|byte| *byte == b'\n')
        .filter_map(|line| line.strip_prefix(b"P:").map(<[u8]>::to_vec))
        .collect()
}

impl Shell {
    /// What could stand at the cursor.
    pub(crate) fn candidates(&mut self, text: &[u8], cursor: usize) -> Completions {
        let before = text.get(..cursor).unwrap_or(text);
        if let Some(found) = self.variables_at(before) {
            return found;
        }
        let mut now = place(before);
        let quoting = match now.quote {
            b'\'' => Quoting::Single,
            b'"' => Quoting::Double,
            _ => Quoting::Backslash(now.part == now.start),
        };
        // What runs another command has that one's arguments behind it.
        while now.words.first().is_some_and(|word| {
            matches!(
                word.as_slice(),
                b"sudo" | b"doas" | b"command" | b"nohup" | b"nice" | b"env" | b"busybox"
            )
        }) {
            now.words.remove(0);
        }
        let slash = now.word.iter().rposition(|byte| *byte == b'/');
        let first = now.words.is_empty() && !now.redirected;
        if slash.is_none() && now.quote == 0 && now.word.first() == Some(&b'~') {
            let known = now.word.get(1..).unwrap_or_default();
            let passwd = std::fs::read("/etc/passwd").unwrap_or_default();
            let users = passwd.split(|byte| *byte == b'\n').filter_map(|line| {
                let name = line.split(|byte| *byte == b':').next()?;
                (!name.is_empty()).then(|| name.to_vec())
            });
            let mut candidates = listed(users, known);
            for one in &mut candidates {
                one.end = b"/".to_vec();
            }
            return Completions {
                start: now.start + 1,
                quoting: Quoting::Plain,
                candidates,
            };
        }
        if first && slash.is_none() {
            return Completions {
                start: now.part,
                quoting,
                candidates: self.commands_at(&now.word),
            };
        }
        if !now.redirected
            && let Some(arguments) = self.arguments_at(&now)
        {
            return Completions {
                start: now.part.max(now.start),
                quoting,
                candidates: listed(arguments, &now.word),
            };
        }
        let equals = now.word.iter().position(|byte| *byte == b'=');
        let from = if slash.is_none() { equals } else { slash };
        let (folder, known) = match from {
            Some(at) => (
                now.word.get(..at).unwrap_or_default(),
                now.word.get(at + 1..).unwrap_or_default(),
            ),
            None => (&b""[..], now.word.as_slice()),
        };
        let folder = match (slash, equals) {
            (None, _) => Vec::new(),
            (Some(0), _) => b"/".to_vec(),
            (Some(_), Some(at)) if !folder.starts_with(b"/") && !folder.starts_with(b".") => {
                folder.get(at + 1..).unwrap_or_default().to_vec()
            }
            _ => self.opened(folder),
        };
        Completions {
            start: now.part,
            quoting,
            candidates: files(&folder, known, first),
        }
    }

    /// A folder's `~` and variables.
    fn opened(&self, folder: &[u8]) -> Vec<u8> {
        let (first, rest) = match folder.iter().position(|byte| *byte == b'/') {
            Some(at) => folder.split_at(at),
            None => (folder, &b""[..]),
        };
        let value = match first {
            [b'~', user @ ..] => Some(self.home(user)),
            [b'$', b'{', name @ .., b'}'] | [b'$', name @ ..] => {
                self.variables.get(name).map(<[u8]>::to_vec)
            }
            _ => None,
        };
        match value {
            Some(value) => [value.as_slice(), rest].concat(),
            None => folder.to_vec(),
        }
    }

    /// `$na` and `${na`
    fn variables_at(&self, before: &[u8]) -> Option<Completions> {
        let name = before
            .iter()
            .rposition(|byte| !is_name_byte(*byte))
            .map_or(0, |at| at + 1);
        let (rest, known) = before.split_at(name);
        if known.first().is_some_and(|byte| !is_name_start(*byte)) {
            return None;
        }
        let (rest, braced) = match rest.strip_suffix(b"{") {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        let rest = rest.strip_suffix(b"$")?;
        if rest.last() == Some(&b'\\') || place(rest).quote == b'\'' {
            return None;
        }
        let all = self.variables.sorted();
        let names = all
            .iter()
            .filter(|(_, variable)| variable.value.is_some())
            .map(|(name, _)| name.to_vec());
        let mut candidates = listed(names, known);
        for one in &mut candidates {
            one.end = if braced { b"}".to_vec() } else { Vec::new() };
        }
        Some(Completions {
            start: name,
            quoting: Quoting::Plain,
            candidates,
        })
    }

    fn commands_at(&self, known: &[u8]) -> Vec<Candidate> {
        let mut all: Vec<Vec<u8>> = builtins::names()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        all.extend(self.functions());
        all.extend(self.aliases.borrow().keys().cloned());
        let path = self.variables.get(b"PATH").unwrap_or_default();
        for folder in path.split(|byte| *byte == b':') {
            for name in names(if folder.is_empty() { b"." } else { folder }) {
                if name.starts_with(known) && Shell::is_executable(&[folder, b"/", &name].concat())
                {
                    all.push(name);
                }
            }
        }
        let mut candidates = listed(all, known);
        candidates.extend(
            files(b"", known, false)
                .into_iter()
                .filter(|one| one.end == b"/" && !known.is_empty()),
        );
        candidates
    }

    /// The arguments of a command that is known here.
    fn arguments_at(&mut self, now: &Place) -> Option<Vec<Vec<u8>>> {
        let (command, rest) = now.words.split_first()?;
        let plain: Vec<&[u8]> = rest
            .iter()
            .map(Vec::as_slice)
            .filter(|word| !word.starts_with(b"-"))
            .collect();
        let services = || names(b"/etc/init.d");
        match (command.as_slice(), plain.as_slice()) {
            (b"apk", _) if now.word.starts_with(b"-") => Some(words(&APK_OPTIONS)),
            (b"apk", []) => Some(words(&APK)),
            (b"apk", [b"del" | b"info" | b"fix" | b"upgrade", ..]) => Some(packages(
                &std::fs::read("/lib/apk/db/installed").unwrap_or_default(),
            )),
            (b"apk", [b"add" | b"fetch" | b"policy" | b"search" | b"list", ..]) => {
                // A path names a package's file.
                (!now.word.contains(&b'/')).then(|| self.available())
            }
            (b"rc-service" | b"service", []) => Some(services()),
            (b"rc-service" | b"service", [service]) => {
                let mut all = words(&ACTIONS);
                let path = [b"/etc/init.d/", *service].concat();
                let script = std::fs::read(OsStr::from_bytes(&path)).unwrap_or_default();
                for line in script.split(|byte| *byte == b'\n') {
                    let value = line
                        .strip_prefix(b"extra_commands=")
                        .or_else(|| line.strip_prefix(b"extra_started_commands="))
                        .or_else(|| line.strip_prefix(b"extra_stopped_commands="));
                    let value = value.unwrap_or_default();
                    all.extend(
                        value
                            .split(|byte| byte.is_ascii_whitespace() || *byte == b'"')
                            .filter(|word| !word.is_empty() && !word.contains(&b'$'))
                            .map(<[u8]>::to_vec),
                    );
                }
                Some(all)
            }
            (b"rc-update", []) => Some(words(&["add", "del", "delete", "show"])),
            (b"rc-update", [b"add" | b"del" | b"delete"]) => Some(services()),
            (b"rc-update", [b"add" | b"del" | b"delete", _, ..] | [b"show", ..]) => {
                Some(names(b"/etc/runlevels"))
            }
            _ => None,
        }
    }

    /// The packages of the indexes that are cached: unpacked by `gzip`, which is a program or an applet.
    fn available(&mut self) -> Vec<Vec<u8>> {
        let script = b"gzip -dc /var/cache/apk/APKINDEX.*.tar.gz 2>/dev/null";
        let aliases = crate::parser::Aliases::default();
        let Ok(list) = crate::parser::Parser::new(script, "apk", &aliases).all() else {
            return Vec::new();
        };
        let (status, substitution) = (self.status, self.substitution_status);
        let text = self.command_output(&list).unwrap_or_default();
        (self.status, self.substitution_status) = (status, substitution);
        packages(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(found: &Completions) -> Vec<String> {
        let mut all: Vec<String> = found
            .candidates
            .iter()
            .map(|one| String::from_utf8_lossy(&[&one.text[..], &one.end].concat()).into_owned())
            .collect();
        all.sort();
        all
    }

    #[test]
    fn places() {
        let at = |text: &str| {
            let now = place(text.as_bytes());
            let words: Vec<String> = now
                .words
                .iter()
                .map(|word| String::from_utf8_lossy(word).into_owned())
                .collect();
            (
                words.join(" "),
                String::from_utf8_lossy(&now.word).into_owned(),
                now.part,
            )
        };
        let is = |words: &str, word: &str, part| (words.to_owned(), word.to_owned(), part);
        assert_eq!(at("ca"), is("", "ca", 0));
        assert_eq!(at("a; if X=1 ca"), is("", "ca", 10));
        assert_eq!(at("cat a\\ b"), is("cat", "a b", 4));
        assert_eq!(at("cat 'a b"), is("cat", "a b", 5));
        assert_eq!(at("cat \"a/b"), is("cat", "a/b", 7));
        assert_eq!(at("echo $(cat x"), is("cat", "x", 11));
        assert_eq!(at("echo $(cat x) y"), is("echo", "y", 14));
        assert_eq!(at("cat "), is("cat", "", 4));
        assert!(place(b"cat >").redirected);
    }

    #[test]
    fn files_and_variables() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("dir")).unwrap();
        std::fs::write(folder.path().join("de f"), "").unwrap();
        std::fs::write(folder.path().join(".hidden"), "").unwrap();
        let mut shell = Shell::new();
        let path = folder.path().to_str().unwrap().to_owned();
        shell.set_var(b"T_FOLDER", path.as_bytes());
        let mut at = |text: String| shell.candidates(text.as_bytes(), text.len());
        assert_eq!(texts(&at(format!("cat {path}/d"))), ["de f ", "dir/"]);
        assert_eq!(texts(&at(format!("cat {path}/."))), [".hidden "]);
        assert_eq!(texts(&at("cat $T_FOLDER/di".to_owned())), ["dir/"]);
        assert_eq!(texts(&at("cat x=$T_FOL".to_owned())), ["T_FOLDER"]);
        assert_eq!(texts(&at("cat ${T_FOL".to_owned())), ["T_FOLDER}"]);
        assert_eq!(at(format!("cat \"{path}/d")).quoting, Quoting::Double);
        assert_eq!(texts(&at("unali".to_owned())), ["unalias "]);
        assert_eq!(texts(&at("rc-update a".to_owned())), ["add "]);
        assert_eq!(
            texts(&at("doas apk ver".to_owned())),
            ["verify ", "version "]
        );
        assert_eq!(texts(&at("cd ~roo".to_owned())), ["root/"]);
    }
}

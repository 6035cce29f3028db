//! Earlier commands, listed, edited and run again: `fc history` (POSIX.1-2024, fc).

use super::{lossy, number};
use crate::exec::{Flow, Shell, strerror};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use sys::process;

pub(super) fn history(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    match arguments.get(1).map(Vec::as_slice) {
        Some(b"-c") => {
            shell.session.history.clear();
            return Ok(0);
        }
        Some(word) if number(word).is_none_or(|count| count < 0) => {
            let what = format!("{}: not a number; usage: history [-c] [count]", lossy(word));
            return Ok(shell.complain(b"history", &what));
        }
        _ => {}
    }
    let all = &shell.session.history;
    let count = arguments
        .get(1)
        .and_then(|word| usize::try_from(number(word)?).ok())
        .unwrap_or(all.len());
    let mut out = Vec::new();
    for at in all.len().saturating_sub(count)..all.len() {
        out.extend_from_slice(format!("{:>5} ", all.number(at)).as_bytes());
        out.extend_from_slice(all.get(at).unwrap_or_default());
        out.push(b'\n');
    }
    Ok(shell.print(&out, "history"))
}

/// What `fc` is asked for.
#[derive(Default)]
struct Asked {
    list: bool,
    no_numbers: bool,
    reverse: bool,
    again: bool,
    editor: Option<Vec<u8>>,
}

pub(super) fn fc(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    let mut asked = Asked::default();
    let mut at = 1;
    while let Some(word) = arguments.get(at) {
        // A negative number is an operand.
        let is_option = word.len() > 1
            && word.first() == Some(&b'-')
            && !word.get(1).is_some_and(u8::is_ascii_digit);
        if !is_option {
            break;
        }
        at += 1;
        if word == b"--" {
            break;
        }
        let mut letters = word.iter().skip(1).copied();
        while let Some(letter) = letters.next() {
            match letter {
                b'l' => asked.list = true,
                b'n' => asked.no_numbers = true,
                b'r' => asked.reverse = true,
                b's' => asked.again = true,
                b'e' => {
                    let rest: Vec<u8> = letters.by_ref().collect();
                    asked.editor = if rest.is_empty() {
                        at += 1;
                        arguments.get(at - 1).cloned()
                    } else {
                        Some(rest)
                    };
                    if asked.editor.is_none() {
                        return Ok(shell.complain(b"fc", "-e needs an editor"));
                    }
                }
                other => {
                    let what = format!(
                        "bad option -{}; usage: fc [-r] [-e editor] [first [last]], \
                         fc -l [-nr] [first [last]], fc -s [old=new] [first]",
                        char::from(other)
                    );
                    return Ok(shell.complain(b"fc", &what));
                }
            }
        }
    }
    // `fc` itself is the newest entry, and not one to be done again.
    let newest = shell.session.history.len().saturating_sub(1);
    if !asked.list {
        shell.session.history.forget_last();
    }
    let mut operands = arguments.get(at..).unwrap_or_default();
    if asked.again || asked.editor.as_deref() == Some(b"-") {
        let change = operands
            .first()
            .filter(|word| word.contains(&b'='))
            .cloned();
        if change.is_some() {
            operands = operands.get(1..).unwrap_or_default();
        }
        let Some(place) = place(shell, operands.first(), newest, 1) else {
            return Ok(shell.complain(b"fc", "no such command in the history"));
        };
        let entry = shell
            .session
            .history
            .get(place)
            .unwrap_or_default()
            .to_vec();
        let text = match change {
            Some(change) => {
                let mut halves = change.splitn(2, |byte| *byte == b'=');
                let old = halves.next().unwrap_or_default();
                replaced(&entry, old, halves.next().unwrap_or_default())
            }
            None => entry,
        };
        return run(shell, text);
    }
    let (first_default, last_default) = if asked.list { (16, 1) } else { (1, 1) };
    let first = place(shell, operands.first(), newest, first_default);
    let last = match (operands.get(1), asked.list, operands.first()) {
        (None, false, Some(_)) => first,
        (word, ..) => place(shell, word, newest, last_default),
    };
    let (Some(first), Some(last)) = (first, last) else {
        return Ok(shell.complain(b"fc", "no such command in the history"));
    };
    let mut places: Vec<usize> = (first.min(last)..=first.max(last)).collect();
    if (first > last) != asked.reverse {
        places.reverse();
    }
    let mut text = Vec::new();
    for place in places {
        let history = &shell.session.history;
        let entry = history.get(place).unwrap_or_default();
        if asked.list {
            if !asked.no_numbers {
                text.extend_from_slice(history.number(place).to_string().as_bytes());
            }
            text.push(b'\t');
            for byte in entry {
                text.push(*byte);
                // Further lines stand below the first.
                if *byte == b'\n' {
                    text.push(b'\t');
                }
            }
        } else {
            text.extend_from_slice(entry);
        }
        text.push(b'\n');
    }
    if asked.list {
        return Ok(shell.print(&text, "fc"));
    }
    match shell.edited(text.trim_ascii_end(), asked.editor) {
        Some(text) => run(shell, text),
        None => Ok(1),
    }
}

/// The place of an entry: by number, counted back by a negative one, or by its beginning.
fn place(shell: &Shell, word: Option<&Vec<u8>>, newest: usize, default: usize) -> Option<usize> {
    let history = &shell.session.history;
    let oldest = newest.checked_sub(1).map(|_| 0);
    let Some(word) = word else {
        return newest.checked_sub(default).or(oldest);
    };
    match number(word) {
        Some(back) if back < 0 => {
            let back = usize::try_from(back.unsigned_abs()).ok()?;
            newest.checked_sub(back).or(oldest)
        }
        Some(number) => {
            let number = usize::try_from(number).ok()?;
            match history.place(number) {
                Some(place) if place < newest => Some(place),
                // Numbers before the first and behind the last mean those.
                _ if number < history.number(0) => oldest,
                _ => newest.checked_sub(1),
            }
        }
        None => history.find(newest, true, &mut |entry| entry.starts_with(word)),
    }
}

fn replaced(text: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let at = text
        .windows(old.len().max(1))
        .position(|window| window == old);
    match at {
        Some(at) => {
            let (before, behind) = text.split_at(at);
            [before, new, behind.get(old.len()..).unwrap_or_default()].concat()
        }
        None => text.to_vec(),
    }
}

fn run(shell: &mut Shell, text: Vec<u8>) -> Result<i32, Flow> {
    let _ = process::write_all(2, &[text.as_slice(), b"\n"].concat());
    shell.remember(&text);
    shell.depth += 1;
    let result = if shell.depth > 200 {
        Err(shell.fail("fc: nested too deeply"))
    } else {
        let name = shell.name.clone();
        shell.run_text(&name, &text)
    };
    shell.depth -= 1;
    result.map(|()| shell.status)
}

impl Shell {
    /// Has the user's editor change a text. `None`: that failed, which was told, or the editor did.
    pub(crate) fn edited(&mut self, text: &[u8], editor: Option<Vec<u8>>) -> Option<Vec<u8>> {
        let from = |shell: &Shell, name: &[u8]| {
            let value = shell.variables.get(name).filter(|value| !value.is_empty());
            value.map(<[u8]>::to_vec)
        };
        let editor = editor
            .or_else(|| from(self, b"FCEDIT"))
            .or_else(|| from(self, b"VISUAL"))
            .or_else(|| from(self, b"EDITOR"))
            .unwrap_or_else(|| b"vi".to_vec());
        let path = match self.temporary(text) {
            Ok(path) => path,
            Err(error) => {
                self.warn(&format!("fc: cannot make a file: {}", strerror(&error)));
                return None;
            }
        };
        let command = [
            editor.as_slice(),
            b" ",
            &super::quote(path.as_os_str().as_encoded_bytes()),
        ]
        .concat();
        let result = self.run_text(b"fc", &command);
        let edited = std::fs::read(&path);
        let _ = std::fs::remove_file(&path);
        if result.is_err() || self.status != 0 {
            return None;
        }
        match edited {
            Ok(text) => Some(text.trim_ascii_end().to_vec()),
            Err(error) => {
                self.warn(&format!("fc: {}: {}", path.display(), strerror(&error)));
                None
            }
        }
    }

    /// A file that only this user can read, and that nobody put there before.
    fn temporary(&self, text: &[u8]) -> std::io::Result<PathBuf> {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        let folder = self
            .variables
            .get(b"TMPDIR")
            .filter(|folder| !folder.is_empty());
        let folder = PathBuf::from(OsString::from_vec(folder.unwrap_or(b"/tmp").to_vec()));
        let mut tries = 0;
        loop {
            let path = folder.join(format!(".fc{}.{}", std::process::id(), self.random()));
            let made = std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path);
            tries += 1;
            match made {
                Ok(mut file) => {
                    file.write_all(text)?;
                    file.write_all(b"\n")?;
                    return Ok(path);
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && tries < 100 => {}
                Err(error) => return Err(error),
            }
        }
    }
}

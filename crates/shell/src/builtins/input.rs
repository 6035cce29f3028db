//! `read` and `getopts`.

use super::{lossy, number};
use crate::exec::{Flow, Shell, strerror};
use std::io;
use sys::process;

pub(super) fn read(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    let (mut raw, mut silent, mut fd, mut delimiter) = (false, false, 0, b'\n');
    let (mut timeout, mut most, mut prompt): (Option<i32>, Option<usize>, Option<Vec<u8>>) =
        (None, None, None);
    let mut at = 1;
    while let Some(word) = arguments
        .get(at)
        .filter(|word| word.len() > 1 && word.starts_with(b"-"))
    {
        at += 1;
        if word == b"--" {
            break;
        }
        let mut letters = word.get(1..).unwrap_or_default();
        while let Some((letter, rest)) = letters.split_first() {
            letters = rest;
            match letter {
                b'r' => raw = true,
                b's' => silent = true,
                b'p' | b't' | b'n' | b'd' | b'u' => {
                    let value = if letters.is_empty() {
                        at += 1;
                        arguments.get(at - 1).cloned().unwrap_or_default()
                    } else {
                        letters.to_vec()
                    };
                    letters = b"";
                    match letter {
                        b'p' => prompt = Some(value),
                        b'd' => delimiter = value.first().copied().unwrap_or(0),
                        b'n' => most = number(&value).and_then(|n| usize::try_from(n).ok()),
                        b'u' => fd = number(&value).unwrap_or(0),
                        _ => match lossy(&value).parse::<f64>() {
                            #[expect(clippy::cast_possible_truncation, reason = "clamped")]
                            Ok(seconds) => {
                                timeout = Some((seconds * 1000.0).clamp(0.0, 2e9) as i32)
                            }
                            Err(_) => {
                                return Ok(shell.complain(
                                    b"read",
                                    &format!("Illegal number: {}", lossy(&value)),
                                ));
                            }
                        },
                    }
                }
                other => {
                    return Ok(
                        shell.complain(b"read", &format!("bad option -{}", char::from(*other)))
                    );
                }
            }
        }
    }
    let terminal = silent.then(|| sys::tty::silence(fd).ok()).flatten();
    if let Some(prompt) = prompt.filter(|_| sys::tty::is_terminal(fd)) {
        let _ = process::write_all(2, &prompt);
    }
    let line = read_line(shell, fd, raw, delimiter, timeout, most);
    if let Some(terminal) = terminal {
        terminal.restore();
    }
    let (line, status) = match line {
        Ok(found) => found,
        Err(error) => return Ok(shell.complain(b"read", &strerror(&error))),
    };
    let names: Vec<Vec<u8>> = match arguments.get(at..) {
        Some(names) if !names.is_empty() => names.to_vec(),
        _ => vec![b"REPLY".to_vec()],
    };
    if let Some(bad) = names.iter().find(|name| !crate::lexer::is_name(name)) {
        return Ok(shell.complain(b"read", &format!("{}: bad variable name", lossy(bad))));
    }
    let separators = shell
        .variables
        .get(b"IFS")
        .map_or_else(|| b" \t\n".to_vec(), <[u8]>::to_vec);
    let values = split(&line, &separators, names.len());
    for (number, name) in names.iter().enumerate() {
        shell.assign(name, values.get(number).cloned().unwrap_or_default())?;
    }
    Ok(status)
}

/// A line as bytes, each with whether a backslash took its meaning away.
type Line = Vec<(u8, bool)>;

fn read_line(
    shell: &mut Shell,
    fd: i32,
    raw: bool,
    delimiter: u8,
    timeout: Option<i32>,
    most: Option<usize>,
) -> io::Result<(Line, i32)> {
    let mut line: Line = Vec::new();
    let mut escaped = false;
    loop {
        if most.is_some_and(|most| line.len() >= most) {
            return Ok((line, 0));
        }
        if let Some(milliseconds) = timeout
            && !process::readable(fd, milliseconds)?
        {
            return Ok((line, 142));
        }
        // A byte at a time: what stands behind the line belongs to whoever reads next.
        let mut byte = [0];
        match process::read(fd, &mut byte) {
            Ok(0) => return Ok((line, 1)),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                if shell.run_traps().is_err() {
                    return Ok((line, 130));
                }
                continue;
            }
            Err(error) => return Err(error),
        }
        let byte = byte[0];
        if escaped {
            escaped = false;
            if byte != b'\n' {
                line.push((byte, true));
            }
        } else if byte == b'\\' && !raw {
            escaped = true;
        } else if byte == delimiter {
            return Ok((line, 0));
        } else if byte != 0 {
            line.push((byte, false));
        }
    }
}

/// Splits as `read` does: the last variable takes what is left, without the white space at its end.
fn split(line: &Line, separators: &[u8], most: usize) -> Vec<Vec<u8>> {
    let is_separator = |&(byte, escaped): &(u8, bool)| !escaped && separators.contains(&byte);
    let is_white = |item: &(u8, bool)| is_separator(item) && matches!(item.0, b' ' | b'\t' | b'\n');
    let mut values = Vec::new();
    let mut rest = line.as_slice();
    let skip_white = |rest: &mut &[(u8, bool)]| {
        while rest.first().is_some_and(is_white) {
            *rest = rest.get(1..).unwrap_or_default();
        }
    };
    skip_white(&mut rest);
    while !rest.is_empty() {
        if values.len() + 1 == most {
            let mut end = rest.len();
            while end > 0 && rest.get(end - 1).is_some_and(is_white) {
                end -= 1;
            }
            let last = rest.get(..end).unwrap_or_default();
            // One separator at the very end ends the last field, as it would any other.
            let inner = last.iter().take(end.saturating_sub(1)).any(is_separator);
            let end = if !inner && last.last().is_some_and(is_separator) {
                end - 1
            } else {
                end
            };
            values.push(rest.iter().take(end).map(|(byte, _)| *byte).collect());
            break;
        }
        let len = rest.iter().position(is_separator).unwrap_or(rest.len());
        values.push(rest.iter().take(len).map(|(byte, _)| *byte).collect());
        rest = rest.get(len..).unwrap_or_default();
        skip_white(&mut rest);
        if rest
            .first()
            .is_some_and(|item| is_separator(item) && !is_white(item))
        {
            rest = rest.get(1..).unwrap_or_default();
            skip_white(&mut rest);
        }
    }
    values
}

pub(super) fn getopts(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    let (Some(options), Some(name)) = (arguments.get(1), arguments.get(2)) else {
        return Ok(shell.complain(b"getopts", "usage: getopts optstring var [arg...]"));
    };
    let words = match arguments.get(3..) {
        Some(words) if !words.is_empty() => words.to_vec(),
        _ => shell.positional.clone(),
    };
    let silent = options.first() == Some(&b':');
    let mut index = shell
        .variables
        .get(b"OPTIND")
        .and_then(number)
        .and_then(|n| usize::try_from(n).ok())
        .unwrap_or(1)
        .max(1);
    let mut at = shell.getopts_at;
    let word = words.get(index - 1).map_or(&b""[..], Vec::as_slice);
    if at == 0 || at >= word.len() {
        if word == b"--" {
            index += 1;
        }
        if word.len() < 2 || word.first() != Some(&b'-') || word == b"--" {
            shell.assign(b"OPTIND", index.to_string().into_bytes())?;
            shell.getopts_at = 0;
            shell.assign(name, b"?".to_vec())?;
            return Ok(1);
        }
        at = 1;
    }
    let letter = word.get(at).copied().unwrap_or(b'?');
    at += 1;
    let place = options
        .iter()
        .position(|known| *known == letter && letter != b':');
    let takes = place.is_some_and(|place| options.get(place + 1) == Some(&b':'));
    let (mut value, mut argument) = (vec![letter], None);
    if place.is_none() {
        if silent {
            argument = Some(vec![letter]);
        } else {
            shell.warn(&format!("Illegal option -{}", char::from(letter)));
        }
        value = b"?".to_vec();
    } else if takes {
        let rest = word.get(at..).unwrap_or_default();
        if !rest.is_empty() {
            argument = Some(rest.to_vec());
        } else if let Some(next) = words.get(index) {
            argument = Some(next.clone());
            index += 1;
        } else if silent {
            value = b":".to_vec();
            argument = Some(vec![letter]);
        } else {
            shell.warn(&format!("No arg for -{} option", char::from(letter)));
            value = b"?".to_vec();
        }
        at = word.len();
    }
    if at >= word.len() {
        index += 1;
        at = 0;
    }
    match argument {
        Some(argument) => shell.assign(b"OPTARG", argument)?,
        None => shell.unset(b"OPTARG"),
    }
    shell.assign(b"OPTIND", index.to_string().into_bytes())?;
    shell.getopts_at = at;
    shell.assign(name, value)?;
    Ok(0)
}

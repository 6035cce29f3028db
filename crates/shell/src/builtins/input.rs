//! `read` and `getopts`.

use super::{lossy, number};
use crate::exec::{Flow, Shell, strerror};
use std::io;
use std::time::{Duration, Instant};
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
        Err(Stopped::Input(error)) => return Ok(shell.complain(b"read", &strerror(&error))),
        Err(Stopped::Flow(flow)) => return Err(flow),
    };
    let names: Vec<Vec<u8>> = match arguments.get(at..) {
        Some(names) if !names.is_empty() => names.to_vec(),
        _ => {
            // Without names, the line is kept whole.
            shell.assign(b"REPLY", line.iter().map(|(byte, _)| *byte).collect())?;
            return Ok(status);
        }
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

/// Why no line was read.
enum Stopped {
    Input(io::Error),
    /// A trap left the command that reads, with `exit` or `return`.
    Flow(Flow),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Stopped {
        Stopped::Input(error)
    }
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
) -> Result<(Line, i32), Stopped> {
    let mut line: Line = Vec::new();
    if timeout == Some(0) {
        // It only asks whether there is something.
        return Ok((line, i32::from(!process::readable(fd, 0)?)));
    }
    let deadline = timeout.map(|milliseconds| {
        Instant::now() + Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))
    });
    let mut escaped = false;
    let mut buffer = [0; 512];
    // What stands behind the line belongs to whoever reads next: files are read in pieces and put back, all else a
    // byte at a time.
    let whole = timeout.is_none() && most.is_none() && process::seek_by(fd, 0).is_ok();
    let piece = if whole { buffer.len() } else { 1 };
    loop {
        if most.is_some_and(|most| line.len() >= most) {
            return Ok((line, 0));
        }
        if let Some(deadline) = deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = i32::try_from(left.as_millis()).unwrap_or(i32::MAX);
            if !process::readable(fd, left)? {
                return Ok((Vec::new(), 142));
            }
        }
        let count = match process::read(fd, buffer.get_mut(..piece).unwrap_or_default()) {
            Ok(0) => return Ok((line, 1)),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                let signal = (1..64).find(|signal| process::is_pending(*signal));
                match shell.run_traps() {
                    Ok(()) => {}
                    // Ctrl-C at a prompt's `read`
                    Err(Flow::Abort(status)) => return Ok((line, status)),
                    Err(flow) => return Err(Stopped::Flow(flow)),
                }
                match signal {
                    // A trapped signal ends the reading.
                    Some(signal) if shell.traps.contains_key(&signal) => {
                        return Ok((line, 128 + signal));
                    }
                    _ => continue,
                }
            }
            Err(error) => return Err(error.into()),
        };
        for (number, byte) in buffer.iter().copied().take(count).enumerate() {
            if escaped {
                escaped = false;
                if byte != b'\n' {
                    line.push((byte, true));
                }
            } else if byte == b'\\' && !raw {
                escaped = true;
            } else if byte == delimiter {
                let behind = count - number - 1;
                if behind > 0 {
                    process::seek_by(fd, -i64::try_from(behind).unwrap_or(0))?;
                }
                return Ok((line, 0));
            } else if byte != 0 {
                line.push((byte, false));
            }
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
            // A separator behind the last field ends it, as it would any other; with more behind, all stays.
            let len = rest.iter().position(is_separator).unwrap_or(rest.len());
            let mut behind = rest.get(len..).unwrap_or_default();
            skip_white(&mut behind);
            if let Some((first, more)) = behind.split_first()
                && is_separator(first)
            {
                behind = more;
                skip_white(&mut behind);
            }
            let end = if behind.is_empty() { len } else { end };
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

fn tell(what: &str) {
    // Where errors cannot be written, there is nothing left to say.
    let _ = process::write_all(2, format!("{what}\n").as_bytes());
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
    let quiet = shell.variables.get(b"OPTERR") == Some(b"0");
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
            shell.unset(b"OPTARG");
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
        } else if !quiet {
            // As getopt(3) says it, without the place in the script, which is not to blame.
            tell(&format!("Illegal option -{}", char::from(letter)));
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
            if !quiet {
                tell(&format!("No arg for -{} option", char::from(letter)));
            }
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

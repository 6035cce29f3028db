//! Prompts: ash's escapes, then parameters, commands and arithmetic (POSIX.1-2024, 2.5.3).

use crate::edit::{HIDDEN, SHOWN};
use crate::exec::Shell;
use crate::parser::{Aliases, Parser};
use sys::process;

const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// The folder, the home in it as `~`.
fn folder(shell: &Shell) -> Vec<u8> {
    let here = shell.variables.get(b"PWD").unwrap_or_default();
    let home = shell.variables.get(b"HOME").unwrap_or_default();
    match here.strip_prefix(home) {
        Some(rest) if home.len() > 1 && (rest.is_empty() || rest.first() == Some(&b'/')) => {
            [b"~", rest].concat()
        }
        _ => here.to_vec(),
    }
}

fn clock(letter: u8) -> String {
    let [_, month, day, hour, minute, second, week] = process::local_time();
    let name = |names: &[&'static str], at: i32| {
        let at = usize::try_from(at).ok();
        at.and_then(|at| names.get(at).copied()).unwrap_or("?")
    };
    let twelve = (hour + 11) % 12 + 1;
    match letter {
        b't' => format!("{hour:02}:{minute:02}:{second:02}"),
        b'T' => format!("{twelve:02}:{minute:02}:{second:02}"),
        b'@' => format!(
            "{twelve:02}:{minute:02} {}",
            if hour < 12 { "AM" } else { "PM" }
        ),
        b'A' => format!("{hour:02}:{minute:02}"),
        _ => format!(
            "{} {} {day:02}",
            name(&DAYS, week),
            name(&MONTHS, month - 1)
        ),
    }
}

impl Shell {
    fn user(&self) -> Vec<u8> {
        if let Some(name) = self.variables.get(b"USER") {
            return name.to_vec();
        }
        let uid = rustix::process::geteuid().as_raw().to_string();
        let passwd = std::fs::read("/etc/passwd").unwrap_or_default();
        let found = passwd.split(|byte| *byte == b'\n').find_map(|line| {
            let mut fields = line.split(|byte| *byte == b':');
            let name = fields.next()?;
            (fields.nth(1)? == uid.as_bytes()).then(|| name.to_vec())
        });
        found.unwrap_or(uid.into_bytes())
    }

    /// The value of a prompt's variable as it is shown. What stands between `\[` and `\]` is marked for the editor.
    pub(crate) fn prompt(&mut self, variable: &[u8]) -> Vec<u8> {
        let Some(text) = self.variables.get(variable).map(<[u8]>::to_vec) else {
            return Vec::new();
        };
        // What an escape becomes is not expanded again: a folder's name may hold a dollar.
        let mut values: Vec<Vec<u8>> = Vec::new();
        let mut out = Vec::new();
        let mut rest = text.as_slice();
        while let Some((byte, behind)) = rest.split_first() {
            rest = behind;
            if *byte != b'\\' {
                out.push(*byte);
                continue;
            }
            let Some((letter, behind)) = rest.split_first() else {
                out.push(b'\\');
                break;
            };
            rest = behind;
            let host = || rustix::system::uname().nodename().to_bytes().to_vec();
            let value = match letter {
                b'$' => vec![if rustix::process::geteuid().is_root() {
                    b'#'
                } else {
                    b'$'
                }],
                b'w' => folder(self),
                b'W' => {
                    let all = folder(self);
                    match all.iter().rposition(|byte| *byte == b'/') {
                        Some(at) if all.len() > 1 => all.get(at + 1..).unwrap_or_default().to_vec(),
                        _ => all,
                    }
                }
                b'h' => {
                    let name = host();
                    let short = name.split(|byte| *byte == b'.').next();
                    short.unwrap_or_default().to_vec()
                }
                b'H' => host(),
                b'u' => self.user(),
                b'n' => vec![b'\n'],
                b'r' => vec![b'\r'],
                b'e' | b'E' => vec![27],
                b'a' => vec![7],
                b'[' => vec![HIDDEN],
                b']' => vec![SHOWN],
                b't' | b'T' | b'@' | b'A' | b'd' => clock(*letter).into_bytes(),
                b's' => {
                    let name = self.name.rsplit(|byte| *byte == b'/').next();
                    let name = name.unwrap_or_default();
                    name.strip_prefix(b"-").unwrap_or(name).to_vec()
                }
                b'v' | b'V' => env!("CARGO_PKG_VERSION").as_bytes().to_vec(),
                b'!' => {
                    let history = &self.session.history;
                    history.number(history.len()).to_string().into_bytes()
                }
                b'#' => self.session.commands.to_string().into_bytes(),
                b'j' => self.jobs.list.len().to_string().into_bytes(),
                b'\\' => vec![b'\\'],
                digit @ b'0'..=b'7' => {
                    let mut value = u32::from(digit - b'0');
                    for _ in 0..2 {
                        if let Some((digit @ b'0'..=b'7', behind)) = rest.split_first() {
                            value = value * 8 + u32::from(digit - b'0');
                            rest = behind;
                        }
                    }
                    vec![u8::try_from(value & 0xff).unwrap_or(0)]
                }
                other => vec![b'\\', *other],
            };
            // A mark that no text holds stands for the value while the rest is expanded.
            out.extend_from_slice(format!("\x0e{}\x0f", values.len()).as_bytes());
            values.push(value);
        }
        if out.contains(&b'$') || out.contains(&b'`') {
            let aliases = Aliases::default();
            let word = Parser::new(&out, "prompt", &aliases).expandable();
            let (status, substitution) = (self.status, self.substitution_status);
            if let Ok(word) = word
                && let Ok(expanded) = self.string(&word)
            {
                out = expanded;
            }
            (self.status, self.substitution_status) = (status, substitution);
        }
        put_back(&out, &values)
    }
}

/// Puts the escapes' values in the place of their marks.
fn put_back(text: &[u8], values: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        let end = behind.iter().position(|byte| *byte == 15);
        if let (14, Some(end)) = (*byte, end)
            && let Some(value) = std::str::from_utf8(behind.get(..end).unwrap_or_default())
                .ok()
                .and_then(|number| number.parse::<usize>().ok())
                .and_then(|number| values.get(number))
        {
            out.extend_from_slice(value);
            rest = behind.get(end + 1..).unwrap_or_default();
        } else {
            out.push(*byte);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_parameters() {
        let mut shell = Shell::new();
        for (name, value) in [
            ("PWD", "/h/me/a$x"),
            ("HOME", "/h/me"),
            ("USER", "me"),
            ("x", "1"),
        ] {
            shell.set_var(name.as_bytes(), value.as_bytes());
        }
        let mut show = |text: &str| {
            shell.set_var(b"PS1", text.as_bytes());
            shell.prompt(b"PS1")
        };
        assert_eq!(show(r"\u:\w \W $x${x}2> "), b"me:~/a$x a$x 112> ");
        assert_eq!(
            show(r"\[\e[1m\]a\[\033[0m\]\n"),
            b"\x01\x1b[1m\x02a\x01\x1b[0m\x02\n"
        );
        assert_eq!(show(r"\\ \q \"), b"\\ \\q \\");
        assert_eq!(show(r"$((1+1))\!\#"), b"211");
        assert_eq!(show(r"${"), b"${");
        assert_eq!(show(r"\A").len(), 5);
        assert_eq!(show(r"\t").len(), 8);
    }
}

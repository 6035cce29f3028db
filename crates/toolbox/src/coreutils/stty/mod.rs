//! `stty` (POSIX, with Linux' modes): shows and changes how a terminal behaves.

mod modes;

use crate::common::lines::{Output, about, other, status};
use crate::common::modes::KEYS;
use modes::{Flags, GROUPS, MODES, Sane};
use rustix::stdio;
use rustix::termios::{
    ControlModes, InputModes, LocalModes, OptionalActions, OutputModes, SpecialCodeIndex, Termios,
    tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize,
};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

pub const USAGE: &str = "[-F DEVICE] [-a | -g | SETTING...]

without words: the speed, the keys, and what is not as `stty sane` has it
-a  all there is to show    -g  in a form that is a SETTING    -F  that terminal, not standard input
[-]MODE, as -a prints them    sane, raw, cooked, cbreak, nl, evenp, oddp, parity, pass8, litout, crt, dec, ek, tabs …
KEY CHARACTER: intr ^C, erase ^?, kill undef …    min N, time N    rows N, cols N    size, speed: prints it
N  the speed    ispeed N, ospeed N    line N";

/// The special characters by the kernel's numbers, for `-g`.
const CODES: [SpecialCodeIndex; 17] = [
    SpecialCodeIndex::VINTR,
    SpecialCodeIndex::VQUIT,
    SpecialCodeIndex::VERASE,
    SpecialCodeIndex::VKILL,
    SpecialCodeIndex::VEOF,
    SpecialCodeIndex::VTIME,
    SpecialCodeIndex::VMIN,
    SpecialCodeIndex::VSWTC,
    SpecialCodeIndex::VSTART,
    SpecialCodeIndex::VSTOP,
    SpecialCodeIndex::VSUSP,
    SpecialCodeIndex::VEOL,
    SpecialCodeIndex::VREPRINT,
    SpecialCodeIndex::VDISCARD,
    SpecialCodeIndex::VWERASE,
    SpecialCodeIndex::VLNEXT,
    SpecialCodeIndex::VEOL2,
];

/// How many of them `-g` prints: those that are not there are 0.
const PRINTED: usize = 32;

/// `stty`
pub fn main(arguments: &[OsString]) -> i32 {
    let words: Vec<String> = arguments
        .iter()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    status("stty", run(&words))
}

fn run(words: &[String]) -> io::Result<i32> {
    let (mut all, mut saved, mut device) = (false, false, None);
    let mut settings: Vec<&str> = Vec::new();
    let mut rest = words.iter().map(String::as_str);
    while let Some(word) = rest.next() {
        match word {
            "-a" | "--all" => all = true,
            "-g" | "--save" => saved = true,
            "-F" => device = Some(rest.next().ok_or_else(|| other("-F needs a value"))?),
            "--" => {}
            _ if word.starts_with("-F") => device = word.get(2..),
            _ => settings.push(word),
        }
    }
    if all && saved {
        return Err(other("-a and -g cannot be given together"));
    }
    if (all || saved) && !settings.is_empty() {
        return Err(other("modes may not be set when -a or -g is given"));
    }
    let opened: File;
    let (fd, name): (BorrowedFd<'_>, &str) = match device {
        None => (stdio::stdin(), "standard input"),
        Some(path) => {
            // Not waiting for a modem's carrier.
            opened = OpenOptions::new()
                .read(true)
                .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
                .open(path)
                .map_err(|error| about(path, &error))?;
            (opened.as_fd(), path)
        }
    };
    let old = tcgetattr(fd).map_err(|error| about(name, &error.into()))?;
    let mut out = Output::new();
    if settings.is_empty() {
        let width = usize::from(sys::tty::size(1).0);
        if saved {
            out.put(recoverable(&old).as_bytes());
        } else {
            let size = tcgetwinsize(fd).ok().map(|size| (size.ws_row, size.ws_col));
            out.put(shown(&old, size.filter(|_| all), all, width).as_bytes());
        }
        return Ok(out.finish("stty", 0, 1));
    }
    let mut new = old.clone();
    set(&settings, &mut new, fd, &mut out)?;
    if !same(&old, &new) {
        tcsetattr(fd, OptionalActions::Drain, &new).map_err(|error| about(name, &error.into()))?;
        // The kernel takes what the device can do, and says nothing of the rest.
        let now = tcgetattr(fd).map_err(|error| about(name, &error.into()))?;
        if flags(&now) != flags(&new) {
            return Err(about(
                name,
                &io::Error::other("can't perform all requested operations"),
            ));
        }
    }
    Ok(out.finish("stty", 0, 1))
}

fn flags(modes: &Termios) -> Flags {
    Flags {
        input: modes.input_modes.bits(),
        output: modes.output_modes.bits(),
        control: modes.control_modes.bits(),
        local: modes.local_modes.bits(),
    }
}

fn set_flags(modes: &mut Termios, flags: Flags) {
    modes.input_modes = InputModes::from_bits_retain(flags.input);
    modes.output_modes = OutputModes::from_bits_retain(flags.output);
    modes.control_modes = ControlModes::from_bits_retain(flags.control);
    modes.local_modes = LocalModes::from_bits_retain(flags.local);
}

fn same(a: &Termios, b: &Termios) -> bool {
    flags(a) == flags(b)
        && a.line_discipline == b.line_discipline
        && a.input_speed() == b.input_speed()
        && a.output_speed() == b.output_speed()
        && CODES
            .iter()
            .all(|code| a.special_codes[*code] == b.special_codes[*code])
}

/// The line of `-g`.
fn recoverable(modes: &Termios) -> String {
    let flags = flags(modes);
    let mut text = format!(
        "{:x}:{:x}:{:x}:{:x}",
        flags.input, flags.output, flags.control, flags.local
    );
    for at in 0..PRINTED {
        let code = CODES.get(at).map_or(0, |code| modes.special_codes[*code]);
        text += &format!(":{code:x}");
    }
    text + "\n"
}

/// Reads the line of `-g`.
fn recover(text: &str, modes: &mut Termios) -> Option<()> {
    let numbers: Option<Vec<u32>> = text
        .split(':')
        .map(|part| u32::from_str_radix(part, 16).ok())
        .collect();
    let numbers = numbers.filter(|numbers| numbers.len() == 4 + PRINTED)?;
    let (groups, codes) = numbers.split_at(4);
    let [input, output, control, local] = *groups.first_chunk()?;
    set_flags(
        modes,
        Flags {
            input,
            output,
            control,
            local,
        },
    );
    for (code, number) in CODES.iter().zip(codes) {
        modes.special_codes[*code] = u8::try_from(*number).ok()?;
    }
    Some(())
}

/// Puts words into lines of a width.
struct Wrapped {
    text: String,
    column: usize,
    width: usize,
}

impl Wrapped {
    fn word(&mut self, word: &str) {
        if self.column > 0 {
            if self.column + 1 + word.len() >= self.width {
                self.end();
            } else {
                self.text.push(' ');
                self.column += 1;
            }
        }
        self.text += word;
        self.column += word.len();
    }

    fn end(&mut self) {
        if self.column > 0 {
            self.text.push('\n');
            self.column = 0;
        }
    }
}

fn shown(modes: &Termios, size: Option<(u16, u16)>, all: bool, width: usize) -> String {
    let mut lines = Wrapped {
        text: String::new(),
        column: 0,
        width,
    };
    let (input, output) = (modes.input_speed(), modes.output_speed());
    if input == output || input == 0 {
        lines.word(&format!("speed {output} baud;"));
    } else {
        lines.word(&format!("ispeed {input} baud; ospeed {output} baud;"));
    }
    if let Some((rows, columns)) = size {
        lines.word(&format!("rows {rows}; columns {columns};"));
    }
    lines.word(&format!("line = {};", modes.line_discipline));
    lines.end();
    for (index, name, _) in KEYS {
        lines.word(&format!(
            "{name} = {};",
            visible(modes.special_codes[*index])
        ));
    }
    let number = |index: SpecialCodeIndex| modes.special_codes[index];
    lines.word(&format!("min = {};", number(SpecialCodeIndex::VMIN)));
    lines.word(&format!("time = {};", number(SpecialCodeIndex::VTIME)));
    lines.end();
    let flags = flags(modes);
    for group in GROUPS {
        for mode in MODES
            .iter()
            .filter(|mode| mode.group == group && !mode.alias)
        {
            let on = flags.has(mode);
            let wanted = if all {
                on || mode.mask == 0
            } else {
                match mode.sane {
                    Sane::On => !on && mode.mask == 0,
                    Sane::Off => on,
                    Sane::Any => false,
                }
            };
            if wanted {
                lines.word(&format!("{}{}", if on { "" } else { "-" }, mode.name));
            }
        }
        lines.end();
    }
    lines.text
}

/// A character as it is typed: `^C`, `M-x`.
fn visible(code: u8) -> String {
    let (meta, low) = if code >= 128 {
        ("M-", code - 128)
    } else {
        ("", code)
    };
    match low {
        0 if meta.is_empty() => "<undef>".to_owned(),
        0..=31 => format!("{meta}^{}", char::from(low + 64)),
        127 => format!("{meta}^?"),
        _ => format!("{meta}{}", char::from(low)),
    }
}

/// A key as a person writes it.
fn key(text: &str) -> Option<u8> {
    let bytes = text.as_bytes();
    match bytes {
        b"" | b"^-" | b"undef" => Some(0),
        [b'^', b'?'] => Some(127),
        [b'^', letter] => Some(letter.to_ascii_uppercase() & 0x1f),
        [one] => Some(*one),
        _ => number(text).and_then(|number| u8::try_from(number).ok()),
    }
}

/// Decimal, octal with `0`, hexadecimal with `0x`.
fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None if text.len() > 1 && text.starts_with('0') => u32::from_str_radix(text, 8).ok(),
        None => text.parse().ok(),
    }
}

fn set(
    words: &[&str],
    modes: &mut Termios,
    fd: BorrowedFd<'_>,
    out: &mut Output,
) -> io::Result<()> {
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        let (plain, reversed) = match word.strip_prefix('-') {
            Some(plain) => (plain, true),
            None => (word, false),
        };
        let wrong = || other(format!("invalid argument '{word}'"));
        if let Some(mode) = MODES.iter().find(|mode| mode.name == plain) {
            if reversed && mode.mask != 0 {
                return Err(wrong());
            }
            let mut changed = flags(modes);
            changed.set(mode, !reversed);
            set_flags(modes, changed);
            continue;
        }
        let mut changed = flags(modes);
        if changed.combination(plain, reversed).is_some() {
            set_flags(modes, changed);
            match plain {
                "raw" if !reversed => minimum(modes),
                "cooked" if reversed => minimum(modes),
                "dec" => keys(modes, &["intr", "erase", "kill"]),
                _ => {}
            }
            continue;
        }
        if reversed {
            return Err(wrong());
        }
        let mut value = || {
            words
                .next()
                .ok_or_else(|| other(format!("missing argument to '{word}'")))
        };
        let bad = |text: &str| other(format!("invalid number '{text}'"));
        if let Some((index, _, _)) = KEYS.iter().find(|(_, name, _)| *name == word) {
            let text = value()?;
            modes.special_codes[*index] = key(text).ok_or_else(|| bad(text))?;
            continue;
        }
        match word {
            "sane" => {
                let mut changed = flags(modes);
                changed.make_sane();
                set_flags(modes, changed);
                for (index, _, usual) in KEYS {
                    modes.special_codes[*index] = *usual;
                }
                minimum(modes);
            }
            "ek" => keys(modes, &["erase", "kill"]),
            "min" | "time" | "line" => {
                let text = value()?;
                let number = number(text)
                    .and_then(|number| u8::try_from(number).ok())
                    .ok_or_else(|| bad(text))?;
                match word {
                    "min" => modes.special_codes[SpecialCodeIndex::VMIN] = number,
                    "time" => modes.special_codes[SpecialCodeIndex::VTIME] = number,
                    _ => modes.line_discipline = number,
                }
            }
            "ispeed" | "ospeed" => {
                let text = value()?;
                let speed = speed(text).ok_or_else(|| bad(text))?;
                if word == "ispeed" {
                    modes.set_input_speed(speed)?;
                } else {
                    modes.set_output_speed(speed)?;
                }
            }
            "rows" | "cols" | "columns" => {
                let text = value()?;
                let number = number(text)
                    .and_then(|number| u16::try_from(number).ok())
                    .ok_or_else(|| bad(text))?;
                let mut size = tcgetwinsize(fd)?;
                if word == "rows" {
                    size.ws_row = number;
                } else {
                    size.ws_col = number;
                }
                tcsetwinsize(fd, size)?;
            }
            "size" => {
                let size = tcgetwinsize(fd)?;
                out.put(format!("{} {}\n", size.ws_row, size.ws_col).as_bytes());
            }
            "speed" => {
                let (input, output) = (modes.input_speed(), modes.output_speed());
                out.put(
                    if input == output || input == 0 {
                        format!("{output}\n")
                    } else {
                        format!("{input} {output}\n")
                    }
                    .as_bytes(),
                );
            }
            _ => {
                if let Some(speed) = speed(word) {
                    modes.set_speed(speed)?;
                } else {
                    recover(word, modes).ok_or_else(wrong)?;
                }
            }
        }
    }
    Ok(())
}

/// A speed, with `exta` and `extb` as old terminals had them.
fn speed(text: &str) -> Option<u32> {
    match text {
        "exta" => Some(19200),
        "extb" => Some(38400),
        "134.5" => Some(134),
        _ => text.parse().ok(),
    }
}

fn minimum(modes: &mut Termios) {
    modes.special_codes[SpecialCodeIndex::VMIN] = 1;
    modes.special_codes[SpecialCodeIndex::VTIME] = 0;
}

fn keys(modes: &mut Termios, names: &[&str]) {
    for (index, name, usual) in KEYS {
        if names.contains(name) {
            modes.special_codes[*index] = *usual;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_as_they_are_typed() {
        for (text, code) in [
            ("^C", 3),
            ("^c", 3),
            ("^?", 127),
            ("undef", 0),
            ("x", b'x'),
            ("0x10", 16),
            ("017", 15),
        ] {
            assert_eq!(key(text), Some(code), "{text}");
        }
        assert_eq!(key("300"), None);
        assert_eq!(key("xy"), None);
        for (code, text) in [
            (0, "<undef>"),
            (3, "^C"),
            (127, "^?"),
            (b'x', "x"),
            (0x83, "M-^C"),
            (0xff, "M-^?"),
        ] {
            assert_eq!(visible(code), text);
        }
    }

    #[test]
    fn words_are_wrapped() {
        let mut lines = Wrapped {
            text: String::new(),
            column: 0,
            width: 10,
        };
        for word in ["abc", "def", "gh", "a-long-long-word", "x"] {
            lines.word(word);
        }
        lines.end();
        lines.end();
        assert_eq!(lines.text, "abc def\ngh\na-long-long-word\nx\n");
    }
}

//! `setserial`: what serial ports are, and how they are used.

use crate::common::lines::{Output, about, other, status};
use crate::common::options::{Given, Options};
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use sys::control::{Flat, Number, flat, number};

pub const USAGE: &str = "[-abGvz] DEVICE [WORD [VALUE]]... | -g [-abG] DEVICE...

-a  print all    -b  print little    -G  print it as words for setserial    -v  print what was set
-z  clear all flags first    -g  all words are devices
with a value: port, irq, divisor, uart, baud_base, close_delay, closing_wait (a number, none or infinite)
on, or off behind ^: fourport, auto_irq, skip_test, sak, session_lockout, pgrp_lockout, callout_nohup, split_termios,
hup_notify, low_latency    alone: autoconfig, spd_normal, spd_hi, spd_vhi, spd_shi, spd_warp, spd_cust
uart: unknown, 8250, 16450, 16550, 16550A, Cirrus, 16650, 16650V2, 16750, 16950, 16954, 16654, 16850, RSA, NS16550A,
XSCALE, RM9000, OCTEON, AR7, U6_16550A";

const OPTIONS: Options = Options {
    applet: "setserial",
    letters: "bGavzgq",
    long: &[],
};

const TYPES: [&str; 20] = [
    "unknown",
    "8250",
    "16450",
    "16550",
    "16550A",
    "Cirrus",
    "16650",
    "16650V2",
    "16750",
    "16950",
    "16954",
    "16654",
    "16850",
    "RSA",
    "NS16550A",
    "XSCALE",
    "RM9000",
    "OCTEON",
    "AR7",
    "U6_16550A",
];

/// The kinds of speed: they share bits.
const SPEEDS: [(&str, u32); 6] = [
    ("spd_normal", 0),
    ("spd_hi", 0x10),
    ("spd_vhi", 0x20),
    ("spd_shi", 0x1000),
    ("spd_warp", 0x1010),
    ("spd_cust", 0x30),
];
const SPEED: u32 = 0x1030;

/// The flags, and whether the shorter lists leave them out.
const FLAGS: [(&str, u32, bool); 10] = [
    ("sak", 0x4, false),
    ("fourport", 0x2, false),
    ("hup_notify", 0x1, false),
    ("skip_test", 0x40, true),
    ("auto_irq", 0x80, true),
    ("split_termios", 0x8, true),
    ("session_lockout", 0x100, true),
    ("pgrp_lockout", 0x200, true),
    ("callout_nohup", 0x400, true),
    ("low_latency", 0x2000, false),
];

const WAIT_NONE: u32 = 65535;

/// A field of the kernel's `serial_struct`: where it is, and how many bytes it has.
#[derive(Clone, Copy)]
struct Field(usize, usize);

const TYPE: Field = Field(0, 4);
const LINE: Field = Field(4, 4);
const PORT: Field = Field(8, 4);
const IRQ: Field = Field(12, 4);
const FLAG: Field = Field(16, 4);
const DIVISOR: Field = Field(24, 4);
const BASE: Field = Field(28, 4);
const DELAY: Field = Field(32, 2);
const WAIT: Field = Field(40, 2);

/// The words that take a number.
const VALUES: [(&str, Field); 7] = [
    ("port", PORT),
    ("irq", IRQ),
    ("divisor", DIVISOR),
    ("uart", TYPE),
    ("baud_base", BASE),
    ("close_delay", DELAY),
    ("closing_wait", WAIT),
];

/// The kernel's `serial_struct`.
#[derive(Clone, Debug)]
struct Serial([u8; 72]);

impl Serial {
    fn get(&self, Field(at, length): Field) -> u32 {
        let bytes = self.0.get(at..at + length).unwrap_or_default();
        match *bytes {
            [a, b, c, d] => u32::from_ne_bytes([a, b, c, d]),
            [a, b] => u16::from_ne_bytes([a, b]).into(),
            _ => 0,
        }
    }

    fn set(&mut self, Field(at, length): Field, value: u32) {
        let half = u16::try_from(value).unwrap_or(u16::MAX).to_ne_bytes();
        let whole = value.to_ne_bytes();
        let bytes = if length == 2 { &half[..] } else { &whole };
        if let Some(place) = self.0.get_mut(at..at + length) {
            place.copy_from_slice(bytes);
        }
    }
}

/// `setserial`
pub fn main(arguments: &[OsString]) -> i32 {
    let given = match OPTIONS.take(arguments, 1, usize::MAX) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if ['a', 'b', 'G']
        .into_iter()
        .filter(|letter| given.has(*letter))
        .count()
        > 1
    {
        return OPTIONS.wrong("-a, -b and -G exclude each other");
    }
    let mut out = Output::new();
    let done = status("setserial", run(&given, &mut out));
    out.finish("setserial", done, 1)
}

fn run(given: &Given, out: &mut Output) -> io::Result<i32> {
    let list = given.has('g') || given.operands.len() < 2;
    let mut worst = 0;
    if list {
        for device in &given.operands {
            // With -b one asks for whatever there is.
            match open(device) {
                Err(_) if given.has('b') => {}
                opened => {
                    worst = worst.max(status(
                        "setserial",
                        opened.and_then(|file| show(given, device, &file, out)),
                    ))
                }
            }
        }
        return Ok(worst);
    }
    let Some((device, words)) = given.operands.split_first() else {
        return Ok(1);
    };
    let file = open(device)?;
    change(&file, words, given.has('z')).map_err(|error| about(device, &error))?;
    if given.has('v') {
        show(given, device, &file, out)
    } else {
        Ok(0)
    }
}

fn open(device: &OsStr) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(flags)
        .open(device);
    file.map_err(|error| about(device, &error))
}

fn ask(file: &File) -> io::Result<Serial> {
    let mut serial = Serial([0; 72]);
    flat(file, Flat::TIOCGSERIAL, &mut serial.0)
        .map_err(|error| about("can't get serial info", &error))?;
    Ok(serial)
}

fn tell(file: &File, serial: &mut Serial) -> io::Result<()> {
    flat(file, Flat::TIOCSSERIAL, &mut serial.0)
        .map_err(|error| about("can't set serial info", &error))?;
    Ok(())
}

fn change(file: &File, words: &[OsString], zero: bool) -> io::Result<()> {
    let mut serial = ask(file)?;
    if zero {
        serial.set(FLAG, 0);
    }
    let mut words = words.iter().map(|word| word.to_string_lossy());
    while let Some(word) = words.next() {
        if word.eq_ignore_ascii_case("autoconfig") {
            tell(file, &mut serial)?;
            number(file, Number::TIOCSERCONFIG, 0)
                .map_err(|error| about("can't autoconfigure port", &error))?;
            serial = ask(file)?;
        } else {
            set(&mut serial, &word, &mut || {
                words.next().map(|word| word.into_owned())
            })?;
        }
    }
    tell(file, &mut serial)
}

/// One word's change.
fn set(
    serial: &mut Serial,
    word: &str,
    value: &mut dyn FnMut() -> Option<String>,
) -> io::Result<()> {
    let (name, on) = word
        .strip_prefix('^')
        .map_or((word, true), |name| (name, false));
    let is = |known: &str| known.eq_ignore_ascii_case(name);
    let flags = serial.get(FLAG);
    if let Some((_, bits, _)) = FLAGS.iter().find(|(known, ..)| is(known)) {
        serial.set(FLAG, if on { flags | bits } else { flags & !bits });
        return Ok(());
    }
    let known = SPEEDS.iter().find(|(known, _)| is(known));
    let field = VALUES.iter().find(|(known, _)| is(known));
    if !on && (known.is_some() || field.is_some()) {
        return Err(other(format!("can't invert {name}")));
    }
    if let Some((_, bits)) = known {
        serial.set(FLAG, flags & !SPEED | bits);
        return Ok(());
    }
    let Some((known, field)) = field else {
        return Err(other(format!("invalid flag: {name}")));
    };
    let text = value().ok_or_else(|| other(format!("'{name}' needs a value")))?;
    let number = match (*known, text.to_ascii_lowercase().as_str()) {
        ("uart", _) => {
            let at = TYPES
                .iter()
                .position(|known| known.eq_ignore_ascii_case(&text));
            at.and_then(|at| u32::try_from(at).ok())
                .ok_or_else(|| other(format!("illegal UART type: {text}")))?
        }
        ("closing_wait", "none") => WAIT_NONE,
        ("closing_wait", "infinite") => 0,
        _ => {
            let (digits, radix) = match text.strip_prefix("0x") {
                Some(hex) => (hex, 16),
                None if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
                None => (text.as_str(), 10),
            };
            let most = if field.1 == 2 { 65535 } else { u32::MAX };
            let number = u32::from_str_radix(digits, radix)
                .ok()
                .filter(|number| *number <= most);
            number.ok_or_else(|| other(format!("invalid number '{text}'")))?
        }
    };
    serial.set(*field, number);
    Ok(())
}

fn show(given: &Given, device: &OsStr, file: &File, out: &mut Output) -> io::Result<i32> {
    let serial = ask(file).map_err(|error| about(device, &error))?;
    let mode = given.last_of("abG").unwrap_or(' ');
    out.put(text(&device.to_string_lossy(), &serial, mode).as_bytes());
    Ok(0)
}

fn text(device: &str, serial: &Serial, mode: char) -> String {
    let kind = serial.get(TYPE);
    let uart = usize::try_from(kind)
        .ok()
        .and_then(|at| TYPES.get(at))
        .unwrap_or(&"undefined");
    let (port, irq) = (serial.get(PORT), serial.get(IRQ));
    let (mut text, before, behind) = match mode {
        'b' if kind == 0 => return String::new(),
        'b' => (
            format!("{device} at 0x{port:04x} (irq = {irq}) is a {uart}"),
            " (",
            ")",
        ),
        'G' => {
            let base = serial.get(BASE);
            (
                format!("{device} uart {uart} port 0x{port:04x} irq {irq} baud_base {base}"),
                " ",
                "",
            )
        }
        'a' => {
            let wait = match serial.get(WAIT) {
                WAIT_NONE => "none".to_owned(),
                0 => "infinite".to_owned(),
                wait => wait.to_string(),
            };
            let text = format!(
                "{device}, Line {}, UART: {uart}, Port: 0x{port:04x}, IRQ: {irq}\n\tBaud_base: {}, close_delay: {}, \
                 divisor: {}\n\tclosing_wait: {wait}\n",
                serial.get(LINE),
                serial.get(BASE),
                serial.get(DELAY),
                serial.get(DIVISOR)
            );
            (text, "\tFlags: ", "\n")
        }
        _ => (
            format!("{device}, UART: {uart}, Port: 0x{port:04x}, IRQ: {irq}"),
            ", Flags: ",
            "",
        ),
    };
    let flags = serial.get(FLAG);
    let short = matches!(mode, 'b' | ' ');
    let mut words = Vec::new();
    if flags & SPEED != 0 || !short {
        words.extend(
            SPEEDS
                .iter()
                .filter(|(_, bits)| flags & SPEED == *bits)
                .map(|(name, _)| *name),
        );
    }
    let set = FLAGS
        .iter()
        .filter(|(_, bits, minor)| flags & bits != 0 && !(short && *minor));
    words.extend(set.map(|(name, ..)| *name));
    if !words.is_empty() {
        text += &format!("{before}{}{behind}", words.join(" "));
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(words: &[&str]) -> io::Result<Serial> {
        let mut serial = Serial([0; 72]);
        let mut words = words.iter();
        while let Some(word) = words.next() {
            set(&mut serial, word, &mut || {
                words.next().map(|word| (*word).to_owned())
            })?;
        }
        Ok(serial)
    }

    #[test]
    fn words_and_what_is_printed() {
        let words = [
            "uart",
            "16550a",
            "port",
            "0x3f8",
            "irq",
            "4",
            "baud_base",
            "115200",
            "spd_vhi",
            "skip_test",
            "sak",
        ];
        let serial = changed(&words).unwrap();
        assert_eq!(
            text("t", &serial, ' '),
            "t, UART: 16550A, Port: 0x03f8, IRQ: 4, Flags: spd_vhi sak\n"
        );
        assert_eq!(
            text("t", &serial, 'b'),
            "t at 0x03f8 (irq = 4) is a 16550A (spd_vhi sak)\n"
        );
        assert_eq!(
            text("t", &serial, 'G'),
            "t uart 16550A port 0x03f8 irq 4 baud_base 115200 spd_vhi sak skip_test\n"
        );
        assert!(
            text("t", &serial, 'a')
                .ends_with("closing_wait: infinite\n\tFlags: spd_vhi sak skip_test\n\n")
        );
        let serial = changed(&[
            "sak",
            "^sak",
            "spd_hi",
            "spd_normal",
            "closing_wait",
            "none",
        ])
        .unwrap();
        assert_eq!(serial.get(FLAG), 0);
        assert_eq!(serial.get(WAIT), WAIT_NONE);
        assert_eq!(text("t", &serial, 'b'), "");
        for bad in [
            &["x"][..],
            &["^irq", "4"],
            &["^spd_hi"],
            &["irq"],
            &["irq", "x"],
            &["uart", "z80"],
            &["close_delay", "65536"],
        ] {
            assert!(changed(bad).is_err(), "{bad:?}");
        }
    }
}

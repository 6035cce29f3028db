//! Virtual terminals and the console: `chvt`, `deallocvt`, `openvt`, `kbd_mode`, `setconsole`, `setlogcons`,
//! `setkeycodes`, `loadkmap`, `dumpkmap`, `showkey`.

use crate::common::console::open as console;
use crate::common::lines::{Output, complain, say};
use crate::common::options::Options;
use rustix::stdio;
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::process::{Command, Stdio};
use sys::control::{Flat, Number, flat, number};

pub const CHVT_USAGE: &str = "N";
pub const DEALLOCVT_USAGE: &str = "[N]

frees the terminal N, or all that nobody uses";
pub const OPENVT_USAGE: &str = "[-c N] [-sw] [PROGRAM [argument...]]

-c  on terminal N, else on the first free one    -s  switch to it    -w  wait until PROGRAM ends, then switch back
without PROGRAM: $SHELL or /bin/sh";
pub const KBD_MODE_USAGE: &str = "[-a | -k | -s | -u] [-C TERMINAL]

-a  8-bit characters    -k  keycodes    -s  scancodes    -u  UTF-8    without: print it";
pub const SETCONSOLE_USAGE: &str = "[-r] [DEVICE]

what is for the console goes to DEVICE (/dev/tty)    -r  to the console again";
pub const SETLOGCONS_USAGE: &str = "[N]

the kernel's messages go to terminal N; 0 is the active one";
pub const SETKEYCODES_USAGE: &str = "{SCANCODE KEYCODE}...";
pub const LOADKMAP_USAGE: &str = "< KEYMAP";
pub const DUMPKMAP_USAGE: &str = "> KEYMAP";
pub const SHOWKEY_USAGE: &str = "[-a | -k | -s]

-a  characters    -k  keycodes    -s  scancodes; ends 10 seconds after the last key, with -a at Ctrl-D";

const MAGIC: &[u8] = b"bkeymap";
const KEYS: u8 = 128;
const MAPS: usize = 256;

/// Runs something that ends in an error or not.
fn told(applet: &str, done: io::Result<()>) -> i32 {
    match done {
        Ok(()) => 0,
        Err(error) => {
            complain(applet, OsStr::new("console"), &error);
            1
        }
    }
}

fn numeric(applet: &str, word: &OsStr, least: usize, most: usize) -> Result<usize, i32> {
    match word.to_str().and_then(|text| text.parse().ok()) {
        Some(number) if (least..=most).contains(&number) => Ok(number),
        _ => {
            say(applet, format!("invalid number '{}'", word.display()));
            Err(1)
        }
    }
}

fn only(
    applet: &'static str,
    arguments: &[OsString],
    least: usize,
    most: usize,
) -> Result<Vec<OsString>, i32> {
    let options = Options {
        applet,
        letters: "",
        long: &[],
    };
    let given = options.parse(arguments)?;
    options.operands(&given, least, most)?;
    Ok(given.operands)
}

fn activate(file: &File, terminal: usize) -> io::Result<()> {
    number(file, Number::VT_ACTIVATE, terminal)?;
    number(file, Number::VT_WAITACTIVE, terminal).map(drop)
}

/// `chvt`
pub fn chvt(arguments: &[OsString]) -> i32 {
    let to = only("chvt", arguments, 1, 1).and_then(|words| {
        numeric(
            "chvt",
            words.first().map_or(OsStr::new(""), |word| word),
            1,
            63,
        )
    });
    match to {
        Ok(to) => told("chvt", console(None).and_then(|file| activate(&file, to))),
        Err(status) => status,
    }
}

/// `deallocvt`
pub fn deallocvt(arguments: &[OsString]) -> i32 {
    let which = only("deallocvt", arguments, 0, 1).and_then(|words| match words.first() {
        Some(word) => numeric("deallocvt", word, 1, 63),
        None => Ok(0),
    });
    match which {
        Ok(which) => told(
            "deallocvt",
            console(None).and_then(|file| number(file, Number::VT_DISALLOCATE, which).map(drop)),
        ),
        Err(status) => status,
    }
}

/// `openvt`
pub fn openvt(arguments: &[OsString]) -> i32 {
    // What follows the program's name is the program's own.
    let mut at = 1;
    while let Some(word) = arguments.get(at).and_then(|word| word.to_str()) {
        if !word.starts_with('-') || word == "-" {
            break;
        }
        at += if word == "-c" { 2 } else { 1 };
        if word == "--" {
            break;
        }
    }
    let at = at.min(arguments.len());
    let (own, program) = arguments.split_at(at);
    let options = Options {
        applet: "openvt",
        letters: "c:sw",
        long: &[],
    };
    let given = match options.parse(own) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let asked = match given
        .value('c')
        .map(|word| numeric("openvt", word, 1, 63))
        .transpose()
    {
        Ok(asked) => asked,
        Err(status) => return status,
    };
    let done = || -> io::Result<i32> {
        let file = console(None)?;
        let mut state = [0; 6];
        flat(&file, Flat::VT_GETSTATE, &mut state)?;
        let before = usize::from(u16::from_ne_bytes([state[0], state[1]]));
        let target = match asked {
            Some(target) => target,
            None => {
                let mut free = [0; 4];
                flat(&file, Flat::VT_OPENQRY, &mut free)?;
                usize::try_from(i32::from_ne_bytes(free))
                    .map_err(|_| io::Error::other("no virtual terminal is free"))?
            }
        };
        let path = format!("/dev/tty{target}");
        let device = OpenOptions::new().read(true).write(true).open(path)?;
        if given.has('s') {
            activate(&file, target)?;
        }
        let shell = std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
        let (name, rest) = program.split_first().unwrap_or((&shell, &[]));
        let (name, rest) = (name.clone(), rest.to_vec());
        let child = sys::process::fork(move || {
            // A session of its own, whose terminal this is.
            let _ = rustix::process::setsid();
            let ready =
                sys::init::take_terminal(std::os::fd::AsFd::as_fd(&device)).and_then(|()| {
                    let mut command = Command::new(&name);
                    command
                        .args(&rest)
                        .stdin(Stdio::from(device.try_clone()?))
                        .stdout(Stdio::from(device.try_clone()?))
                        .stderr(Stdio::from(device.try_clone()?));
                    Ok(crate::common::running::replace("openvt", &mut command))
                });
            ready.unwrap_or(1)
        })?;
        if !given.has('w') {
            return Ok(0);
        }
        let status = crate::common::running::wait_for(child)?;
        if given.has('s') {
            activate(&file, before)?;
            let _ = number(&file, Number::VT_DISALLOCATE, target);
        }
        Ok(status)
    };
    match done() {
        Ok(status) => status,
        Err(error) => told("openvt", Err(error)),
    }
}

/// `kbd_mode`
pub fn kbd_mode(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "kbd_mode",
        letters: "aksuC:",
        long: &[],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let new = given.last_of("aksu").map(|letter| match letter {
        's' => 0,
        'a' => 1,
        'k' => 2,
        _ => 3,
    });
    let done = || -> io::Result<Option<&str>> {
        let file = console(given.value('C'))?;
        if let Some(new) = new {
            number(&file, Number::KDSKBMODE, new)?;
            return Ok(None);
        }
        let mut mode = [0; 4];
        flat(&file, Flat::KDGKBMODE, &mut mode)?;
        Ok(Some(match i32::from_ne_bytes(mode) {
            0 => "raw (scancode)",
            1 => "default (ASCII)",
            2 => "mediumraw (keycode)",
            3 => "Unicode (UTF-8)",
            _ => "off",
        }))
    };
    match done() {
        Ok(None) => 0,
        Ok(Some(mode)) => {
            let mut out = Output::new();
            out.put(format!("The keyboard is in {mode} mode\n").as_bytes());
            out.finish("kbd_mode", 0, 1)
        }
        Err(error) => told("kbd_mode", Err(error)),
    }
}

/// `setconsole`
pub fn setconsole(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "setconsole",
        letters: "r",
        long: &[("reset", 'r')],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let usual = if given.has('r') {
        "/dev/console"
    } else {
        "/dev/tty"
    };
    let path = given
        .operands
        .first()
        .map_or(OsStr::new(usual), |word| word);
    let done = OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|file| flat(file, Flat::TIOCCONS, &mut []).map(drop));
    match done {
        Ok(()) => 0,
        Err(error) => {
            complain("setconsole", path, &error);
            1
        }
    }
}

/// `setlogcons`
pub fn setlogcons(arguments: &[OsString]) -> i32 {
    let which = only("setlogcons", arguments, 0, 1).and_then(|words| match words.first() {
        Some(word) => numeric("setlogcons", word, 0, 63),
        None => Ok(0),
    });
    match which {
        Ok(which) => {
            let which = u8::try_from(which).unwrap_or(0);
            told(
                "setlogcons",
                console(None)
                    .and_then(|file| flat(file, Flat::TIOCLINUX, &mut [11, which]).map(drop)),
            )
        }
        Err(status) => status,
    }
}

/// `setkeycodes`
pub fn setkeycodes(arguments: &[OsString]) -> i32 {
    let words = match only("setkeycodes", arguments, 2, usize::MAX) {
        Ok(words) => words,
        Err(status) => return status,
    };
    let mut pairs = Vec::new();
    for pair in words.chunks(2) {
        let [code, key] = pair else {
            say("setkeycodes", "a scancode lacks its keycode");
            return 1;
        };
        let text = code.to_string_lossy();
        let Ok(code) = u32::from_str_radix(text.trim_start_matches("0x"), 16) else {
            say("setkeycodes", format!("invalid scancode '{text}'"));
            return 1;
        };
        // Scancodes behind e0 follow those without.
        let code = if code >= 0xe000 {
            code - 0xe000 + 128
        } else {
            code
        };
        match numeric("setkeycodes", key, 0, 255) {
            Ok(key) => pairs.push((code, u32::try_from(key).unwrap_or(0))),
            Err(status) => return status,
        }
    }
    told(
        "setkeycodes",
        console(None).and_then(|file| {
            for (code, key) in pairs {
                let mut pair = [code.to_ne_bytes(), key.to_ne_bytes()].concat();
                flat(&file, Flat::KDSETKEYCODE, &mut pair)?;
            }
            Ok(())
        }),
    )
}

/// `loadkmap`
pub fn loadkmap(arguments: &[OsString]) -> i32 {
    if let Err(status) = only("loadkmap", arguments, 0, 0) {
        return status;
    }
    let done = || -> io::Result<()> {
        let mut bytes = Vec::new();
        // The largest map there can be, and one byte that shows that it is larger.
        let most = MAGIC.len() + MAPS + MAPS * usize::from(KEYS) * 2;
        let mut input = File::from(stdio::stdin().try_clone_to_owned()?).take(most as u64 + 1);
        input.read_to_end(&mut bytes)?;
        let entries = keymap(&bytes).ok_or_else(|| io::Error::other("not a binary keymap"))?;
        let file = console(None)?;
        for (map, key, value) in entries {
            let [low, high] = value.to_ne_bytes();
            flat(&file, Flat::KDSKBENT, &mut [map, key, low, high])?;
        }
        Ok(())
    };
    told("loadkmap", done())
}

/// The entries of a binary keymap: (map, key, value).
fn keymap(bytes: &[u8]) -> Option<Vec<(u8, u8, u16)>> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (flags, mut rest) = rest.split_at_checked(MAPS)?;
    let mut entries = Vec::new();
    for (map, _) in (0..=255_u8).zip(flags).filter(|(_, flag)| **flag == 1) {
        for key in 0..KEYS {
            let (value, behind) = rest.split_first_chunk::<2>()?;
            entries.push((map, key, u16::from_ne_bytes(*value)));
            rest = behind;
        }
    }
    Some(entries)
}

/// `dumpkmap`
pub fn dumpkmap(arguments: &[OsString]) -> i32 {
    if let Err(status) = only("dumpkmap", arguments, 0, 0) {
        return status;
    }
    if rustix::termios::isatty(stdio::stdout()) {
        say("dumpkmap", "not writing a keymap to a terminal");
        return 1;
    }
    let done = || -> io::Result<Vec<u8>> {
        let file = console(None)?;
        // The maps that matter: plain, shift, AltGr, control and alt, and what goes together with them.
        let chosen = |map: u8| map < 13 && !matches!(map, 3 | 7 | 11);
        let mut bytes = MAGIC.to_vec();
        bytes.extend((0..=255_u8).map(|map| u8::from(chosen(map))));
        for map in (0..13).filter(|map| chosen(*map)) {
            for key in 0..KEYS {
                let mut entry = [map, key, 0, 0];
                flat(&file, Flat::KDGKBENT, &mut entry)?;
                bytes.extend([entry[2], entry[3]]);
            }
        }
        Ok(bytes)
    };
    match done() {
        Ok(bytes) => {
            let mut out = Output::new();
            out.put(&bytes);
            out.finish("dumpkmap", 0, 1)
        }
        Err(error) => told("dumpkmap", Err(error)),
    }
}

/// `showkey`
pub fn showkey(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "showkey",
        letters: "aks",
        long: &[("ascii", 'a'), ("keycodes", 'k'), ("scancodes", 's')],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let mode = given.last_of("aks").unwrap_or('k');
    let done = || -> io::Result<i32> {
        let mut before = [0; 4];
        if mode != 'a' {
            flat(stdio::stdin(), Flat::KDGKBMODE, &mut before)?;
        }
        let settings = sys::tty::raw(0)?;
        let raw = if mode == 's' { 0 } else { 2 };
        if mode != 'a' {
            number(stdio::stdin(), Number::KDSKBMODE, raw)?;
        }
        let mut out = Output::new();
        out.put(if mode == 'a' {
            b"press keys, Ctrl-D ends\n\n".as_slice()
        } else {
            b"press keys, 10 seconds without one end\n\n"
        });
        out.flush();
        let wait = if mode == 'a' { -1 } else { 10_000 };
        let mut bytes = [0; 16];
        while sys::process::readable(0, wait)? {
            let count = sys::process::read(0, &mut bytes)?;
            let keys = bytes.get(..count).unwrap_or_default();
            for byte in keys {
                let line = match mode {
                    'a' => format!("{byte:3} 0{byte:03o} 0x{byte:02x}\n"),
                    's' => format!("0x{byte:02x} "),
                    _ => format!(
                        "keycode {:3} {}\n",
                        byte & 127,
                        if byte & 128 == 0 { "press" } else { "release" }
                    ),
                };
                out.put(line.as_bytes());
            }
            if mode == 's' {
                out.put(b"\n");
            }
            out.flush();
            if count == 0 || mode == 'a' && keys.contains(&4) {
                break;
            }
        }
        if mode != 'a' {
            let before = usize::try_from(i32::from_ne_bytes(before)).unwrap_or(3);
            number(stdio::stdin(), Number::KDSKBMODE, before)?;
        }
        settings.restore();
        Ok(out.finish("showkey", 0, 1))
    };
    match done() {
        Ok(status) => status,
        Err(error) => told("showkey", Err(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keymaps() {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([0, 1]);
        bytes.resize(MAGIC.len() + MAPS, 0);
        for key in 0..u16::from(KEYS) {
            bytes.extend(key.to_ne_bytes());
        }
        let entries = keymap(&bytes).unwrap();
        assert_eq!(entries.len(), 128);
        assert_eq!(entries[5], (1, 5, 5));
        bytes.pop();
        assert!(keymap(&bytes).is_none());
        assert!(keymap(b"bkeyma").is_none());
        assert!(keymap(b"bkeymap\x01").is_none());
    }
}

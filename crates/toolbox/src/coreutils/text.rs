//! Small filters: `paste`, `comm`, `tac`, `nl`, `fold`, `expand`, `unexpand`, `base64`.

use crate::common::base64;
use crate::common::lines::{Lines, Output, complain, open};
use crate::common::options::Options;
use std::cell::RefCell;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;

pub const PASTE_USAGE: &str = "[-s] [-d LIST] [file...]

-s  each file's lines in one    -d  what is put between, in turn";
pub const COMM_USAGE: &str = "[-123] file1 file2

-1 -2 -3  leave out: only in the first, only in the second, in both";
pub const TAC_USAGE: &str = "[file...]";
pub const NL_USAGE: &str = "[-b a|t|n] [-s TEXT] [-w N] [-v N] [-i N] [file...]

-b  number all lines, those with text (usual), none    -s  between number and line    -w  the width
-v  the first number    -i  the step";
pub const FOLD_USAGE: &str = "[-bs] [-w WIDTH] [file...]

-w  the width (80)    -s  break at blanks    -b  count bytes";
pub const EXPAND_USAGE: &str = "[-i] [-t N] [file...]

-t  the width of a tab (8)    -i  only leading ones";
pub const UNEXPAND_USAGE: &str = "[-a] [-t N] [file...]

-t  the width of a tab (8)    -a  not only leading blanks";
pub const BASE64_USAGE: &str = "[-d] [-i] [-w N] [file]

-d  decode    -i  pass over what is no digit    -w  wrap lines at N (76), 0: do not";

fn names(given: &[OsString]) -> Vec<OsString> {
    if given.is_empty() {
        vec!["-".into()]
    } else {
        given.to_vec()
    }
}

/// Calls `each` with every line of the files; the status.
fn each_line(applet: &str, files: &[OsString], each: &mut dyn FnMut(&[u8], bool)) -> i32 {
    let mut status = 0;
    for name in names(files) {
        let done = open(&name).and_then(|file| {
            let mut lines = Lines::new(file, b'\n');
            while let Some((line, ended)) = lines.read()? {
                each(line, ended);
            }
            Ok(())
        });
        if let Err(error) = done {
            complain(applet, &name, &error);
            status = 1;
        }
    }
    status
}

/// `paste`
pub fn paste(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "paste",
        letters: "sd:",
        long: &[("serial", 's'), ("delimiters", 'd')],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let mut between: Vec<Vec<u8>> = Vec::new();
    let text = given.value('d').unwrap_or(OsStr::new("\t")).as_bytes();
    let mut rest = text;
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        if *byte != b'\\' {
            between.push(vec![*byte]);
            continue;
        }
        let Some((letter, behind)) = rest.split_first() else {
            break;
        };
        rest = behind;
        between.push(match letter {
            b'n' => b"\n".to_vec(),
            b't' => b"\t".to_vec(),
            b'0' => Vec::new(),
            other => vec![*other],
        });
    }
    if between.is_empty() {
        between.push(Vec::new());
    }
    let mut inputs: Vec<(Rc<RefCell<Lines<File>>>, OsString)> = Vec::new();
    for name in names(&given.operands) {
        // Standard input that is named several times is read in turns.
        if name == "-"
            && let Some((lines, _)) = inputs.iter().find(|(_, known)| *known == name)
        {
            let lines = Rc::clone(lines);
            inputs.push((lines, name));
            continue;
        }
        match open(&name) {
            Ok(file) => inputs.push((Rc::new(RefCell::new(Lines::new(file, b'\n'))), name)),
            Err(error) => {
                complain("paste", &name, &error);
                return 1;
            }
        }
    }
    let mut out = Output::new();
    let pick = |at: usize| between.get(at % between.len()).cloned().unwrap_or_default();
    if given.has('s') {
        for (lines, name) in &mut inputs {
            let mut at = 0;
            loop {
                match lines.borrow_mut().read() {
                    Ok(Some((line, _))) => {
                        if at > 0 {
                            out.put(&pick(at - 1));
                        }
                        out.put(line);
                        at += 1;
                    }
                    Ok(None) => break,
                    Err(error) => {
                        complain("paste", name, &error);
                        return 1;
                    }
                }
            }
            out.put_byte(b'\n');
        }
        return out.finish("paste", 0, 1);
    }
    loop {
        let mut row = Vec::new();
        let mut any = false;
        for (at, (lines, name)) in inputs.iter_mut().enumerate() {
            if at > 0 {
                row.extend_from_slice(&pick(at - 1));
            }
            match lines.borrow_mut().read() {
                Ok(Some((line, _))) => {
                    any = true;
                    row.extend_from_slice(line);
                }
                Ok(None) => {}
                Err(error) => {
                    complain("paste", name, &error);
                    return 1;
                }
            }
        }
        if !any {
            return out.finish("paste", 0, 1);
        }
        row.push(b'\n');
        out.put(&row);
    }
}

/// `comm`
pub fn comm(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "comm",
        letters: "123",
        long: &[],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 2, 2) {
        return status;
    }
    let mut inputs = Vec::new();
    for name in &given.operands {
        match open(name) {
            Ok(file) => inputs.push(Lines::new(file, b'\n')),
            Err(error) => {
                complain("comm", name, &error);
                return 1;
            }
        }
    }
    let next = |lines: Option<&mut Lines<File>>| -> Option<Vec<u8>> {
        lines?.read().ok().flatten().map(|(line, _)| line.to_vec())
    };
    let mut out = Output::new();
    let tabs = |column: usize| -> usize {
        (1..column)
            .filter(|before| !given.has(char::from(b'0' + u8::try_from(*before).unwrap_or(0))))
            .count()
    };
    let mut print = |column: usize, line: &[u8]| {
        let letter = char::from(b'0' + u8::try_from(column).unwrap_or(0));
        if !given.has(letter) {
            out.put(&b"\t\t"[..tabs(column).min(2)]);
            out.put(line);
            out.put_byte(b'\n');
        }
    };
    let (mut first, mut second) = (next(inputs.get_mut(0)), next(inputs.get_mut(1)));
    loop {
        match (&first, &second) {
            (None, None) => break,
            (Some(a), Some(b)) if a == b => {
                print(3, a);
                (first, second) = (next(inputs.get_mut(0)), next(inputs.get_mut(1)));
            }
            (Some(a), b) if b.as_ref().is_none_or(|b| a < b) => {
                print(1, a);
                first = next(inputs.get_mut(0));
            }
            (_, Some(b)) => {
                print(2, b);
                second = next(inputs.get_mut(1));
            }
            (Some(_), None) => break,
        }
    }
    out.finish("comm", 0, 1)
}

/// `tac`
pub fn tac(arguments: &[OsString]) -> i32 {
    let mut out = Output::new();
    let mut status = 0;
    for name in names(arguments.get(1..).unwrap_or_default()) {
        let mut text = Vec::new();
        match open(&name).and_then(|mut file| file.read_to_end(&mut text)) {
            Ok(_) => {
                for line in text.split_inclusive(|byte| *byte == b'\n').rev() {
                    out.put(line);
                }
            }
            Err(error) => {
                complain("tac", &name, &error);
                status = 1;
            }
        }
    }
    out.finish("tac", status, 1)
}

fn number(options: &Options, text: Option<&OsStr>, usual: i64) -> Result<i64, i32> {
    match text {
        None => Ok(usual),
        Some(text) => text
            .to_str()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| options.wrong(&format!("invalid number '{}'", text.display()))),
    }
}

/// `nl`
pub fn nl(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "nl",
        letters: "b:s:w:v:i:n:",
        long: &[],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let read = |letter: char, usual: i64| number(&options, given.value(letter), usual);
    let (width, mut next, step) = match (read('w', 6), read('v', 1), read('i', 1)) {
        (Ok(width @ 1..=1000), Ok(next), Ok(step)) => {
            (usize::try_from(width).unwrap_or(6), next, step)
        }
        _ => return 1,
    };
    let which = given.value('b').map_or(b't', |text| {
        text.as_bytes().first().copied().unwrap_or(b't')
    });
    let between = given.value('s').unwrap_or(OsStr::new("\t")).as_bytes();
    let mut out = Output::new();
    let status = each_line("nl", &given.operands, &mut |line, _| {
        if which == b'a' || which == b't' && !line.is_empty() {
            out.put(format!("{next:>width$}").as_bytes());
            out.put(between);
            next = next.saturating_add(step);
        } else {
            out.put(" ".repeat(width + between.len()).as_bytes());
        }
        out.put(line);
        out.put_byte(b'\n');
    });
    out.finish("nl", status, 1)
}

/// `fold`
pub fn fold(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "fold",
        letters: "bsw:",
        long: &[("bytes", 'b'), ("spaces", 's'), ("width", 'w')],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let width = match number(&options, given.value('w'), 80) {
        Ok(width @ 1..) => usize::try_from(width).unwrap_or(80),
        Ok(_) => return options.wrong("the width is at least 1"),
        Err(status) => return status,
    };
    let mut out = Output::new();
    let status = each_line("fold", &given.operands, &mut |line, ended| {
        let mut rest = line;
        loop {
            let (mut column, mut end, mut blank) = (0_usize, 0, None);
            for (at, byte) in rest.iter().enumerate() {
                let next = match byte {
                    b'\t' if !given.has('b') => (column / 8 + 1) * 8,
                    8 if !given.has('b') => column.saturating_sub(1),
                    // The bytes behind a character's first take no room.
                    0x80..=0xbf if !given.has('b') => column,
                    _ => column + 1,
                };
                if next > width && at > 0 {
                    break;
                }
                column = next;
                end = at + 1;
                if matches!(byte, b' ' | b'\t') {
                    blank = Some(end);
                }
            }
            if end >= rest.len() {
                out.put(rest);
                break;
            }
            if given.has('s')
                && let Some(blank) = blank
            {
                end = blank;
            }
            let (head, tail) = rest.split_at(end);
            out.put(head);
            out.put_byte(b'\n');
            rest = tail;
        }
        if ended {
            out.put_byte(b'\n');
        }
    });
    out.finish("fold", status, 1)
}

/// `expand`
pub fn expand(arguments: &[OsString]) -> i32 {
    tabs(arguments, "expand", true)
}

/// `unexpand`
pub fn unexpand(arguments: &[OsString]) -> i32 {
    tabs(arguments, "unexpand", false)
}

fn tabs(arguments: &[OsString], applet: &'static str, expand: bool) -> i32 {
    let options = Options {
        applet,
        letters: "iat:f",
        long: &[
            ("initial", 'i'),
            ("all", 'a'),
            ("tabs", 't'),
            ("first-only", 'f'),
        ],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let width = match number(&options, given.value('t'), 8) {
        Ok(width @ 1..=10_000) => usize::try_from(width).unwrap_or(8),
        Ok(_) => return options.wrong("a tab is at least 1 wide"),
        Err(status) => return status,
    };
    let all = (given.has('a') || given.has('t')) && !given.has('f');
    let mut out = Output::new();
    let status = each_line(applet, &given.operands, &mut |line, ended| {
        let mut text = Vec::with_capacity(line.len());
        let (mut column, mut leading) = (0_usize, true);
        let mut at = 0;
        while let Some(byte) = line.get(at) {
            if expand {
                if *byte == b'\t' && (leading || !given.has('i')) {
                    let next = (column / width + 1) * width;
                    text.resize(text.len() + next - column, b' ');
                    column = next;
                } else {
                    leading &= *byte == b' ';
                    text.push(*byte);
                    // A byte that continues a character takes no column.
                    column += usize::from(byte & 0xc0 != 0x80);
                }
                at += 1;
                continue;
            }
            if matches!(byte, b' ' | b'\t') && (leading || all) {
                // A run of blanks becomes tabs as far as they reach, then blanks.
                let start = column;
                let mut tab_seen = false;
                while let Some(blank @ (b' ' | b'\t')) = line.get(at) {
                    tab_seen |= *blank == b'\t';
                    column = if *blank == b'\t' {
                        (column / width + 1) * width
                    } else {
                        column + 1
                    };
                    at += 1;
                }
                let mut done = start;
                while (done / width + 1) * width <= column && (column - start > 1 || tab_seen) {
                    text.push(b'\t');
                    done = (done / width + 1) * width;
                }
                text.resize(text.len() + column - done, b' ');
                continue;
            }
            leading = false;
            text.push(*byte);
            column += usize::from(byte & 0xc0 != 0x80);
            at += 1;
        }
        out.put(&text);
        if ended {
            out.put_byte(b'\n');
        }
    });
    out.finish(applet, status, 1)
}

/// `base64`
pub fn base64(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "base64",
        letters: "diw:",
        long: &[("decode", 'd'), ("ignore-garbage", 'i'), ("wrap", 'w')],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 0, 1) {
        return status;
    }
    let wrap = match number(&options, given.value('w'), 76) {
        Ok(wrap @ 0..) => usize::try_from(wrap).unwrap_or(76),
        _ => return options.wrong("invalid width"),
    };
    let name = given
        .operands
        .first()
        .map_or(OsStr::new("-"), OsString::as_os_str);
    let mut out = Output::new();
    let done = if given.has('d') {
        decode(name, given.has('i'), &mut out)
    } else {
        encode(name, wrap, &mut out)
    };
    if let Err(error) = done {
        out.flush();
        complain("base64", name, &error);
        return out.finish("base64", 1, 1);
    }
    out.finish("base64", 0, 1)
}

fn encode(name: &OsStr, wrap: usize, out: &mut Output) -> std::io::Result<()> {
    let mut file = open(name)?;
    // A portion makes whole groups of digits.
    let mut bytes = vec![0; 48 * 1024];
    let (mut text, mut column) = (Vec::new(), 0);
    loop {
        let mut filled = 0;
        while filled < bytes.len() {
            match file.read(bytes.get_mut(filled..).unwrap_or_default()) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if filled == 0 || out.failed() {
            break;
        }
        text.clear();
        base64::encode(bytes.get(..filled).unwrap_or_default(), &mut text);
        let mut rest = text.as_slice();
        while wrap > 0 && rest.len() >= wrap - column {
            let (line, behind) = rest.split_at(wrap - column);
            out.put(line);
            out.put_byte(b'\n');
            (rest, column) = (behind, 0);
        }
        out.put(rest);
        column += rest.len();
    }
    if wrap > 0 && column > 0 {
        out.put_byte(b'\n');
    }
    Ok(())
}

fn decode(name: &OsStr, lenient: bool, out: &mut Output) -> std::io::Result<()> {
    let mut file = open(name)?;
    let mut decoder = base64::Decoder::new(lenient);
    let mut text = vec![0; 64 * 1024];
    let mut bytes = Vec::new();
    loop {
        let count = match file.read(&mut text) {
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let result = if count == 0 {
            decoder.finish(&mut bytes)
        } else {
            decoder.part(text.get(..count).unwrap_or_default(), &mut bytes)
        };
        out.put(&bytes);
        bytes.clear();
        result.map_err(std::io::Error::other)?;
        if count == 0 || out.failed() {
            return Ok(());
        }
    }
}

//! `rfkill`: radios switched off and on (`/dev/rfkill`).

use crate::common::lines::{Output, about, other, status};
use crate::common::options::Options;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;

pub const USAGE: &str = "list [INDEX|TYPE] | block INDEX|TYPE | unblock INDEX|TYPE

TYPE  all, wlan (wifi), bluetooth, uwb (ultrawideband), wimax, wwan, gps, fm, nfc";

const OPTIONS: Options = Options {
    applet: "rfkill",
    letters: "",
    long: &[],
};

/// The types by number; `all` is 0.
const TYPES: [&str; 9] = [
    "all",
    "wlan",
    "bluetooth",
    "uwb",
    "wimax",
    "wwan",
    "gps",
    "fm",
    "nfc",
];
const DEVICE: &str = "/dev/rfkill";

/// Which radios are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    Type(u8),
    Index(u32),
}

/// `rfkill`
pub fn main(arguments: &[OsString]) -> i32 {
    let given = match OPTIONS.take(arguments, 1, 2) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let words: Vec<String> = given
        .operands
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (name, which) = match words.as_slice() {
        ["list"] => return status("rfkill", list(Which::Type(0))),
        [name @ ("list" | "block" | "unblock"), which] => (*name, which),
        ["block" | "unblock"] => return OPTIONS.wrong("missing operand"),
        _ => return OPTIONS.wrong("the command is list, block or unblock"),
    };
    let Some(which) = read_which(which) else {
        return OPTIONS.wrong(&format!("invalid argument '{which}'"));
    };
    status(
        "rfkill",
        if name == "list" {
            list(which)
        } else {
            block(which, name == "block")
        },
    )
}

fn read_which(text: &str) -> Option<Which> {
    let text = match text {
        "wifi" => "wlan",
        "ultrawideband" => "uwb",
        text => text,
    };
    match TYPES.iter().position(|known| *known == text) {
        Some(number) => u8::try_from(number).ok().map(Which::Type),
        None => text.parse().ok().map(Which::Index),
    }
}

/// One event: the index, the type, what is done, switched off by software, by hardware.
fn line(event: [u8; 8], which: Which, about: impl Fn(u32) -> String) -> Option<String> {
    let [a, b, c, d, kind, _, soft, hard] = event;
    let index = u32::from_ne_bytes([a, b, c, d]);
    let meant = match which {
        Which::Type(0) => true,
        Which::Type(wanted) => wanted == kind,
        Which::Index(wanted) => wanted == index,
    };
    let event = about(index);
    let value = |key: &str| {
        event
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
            .unwrap_or_default()
    };
    let blocked = |value: u8| if value != 0 { "yes" } else { "no" };
    meant.then(|| {
        format!(
            "{index}: {}: {}\n\tSoft blocked: {}\n\tHard blocked: {}\n",
            value("RFKILL_NAME"),
            value("RFKILL_TYPE"),
            blocked(soft),
            blocked(hard)
        )
    })
}

fn list(which: Which) -> io::Result<i32> {
    let told = |error: io::Error| about(DEVICE, &error);
    // Once all radios were told, there is nothing more to read.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let mut device = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(DEVICE)
        .map_err(told)?;
    let mut out = Output::new();
    let mut event = [0; 8];
    loop {
        match device.read(&mut event) {
            Ok(8) => {}
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(told(error)),
        }
        let about = |index| {
            let path = format!("/sys/class/rfkill/rfkill{index}/uevent");
            std::fs::read_to_string(path).unwrap_or_default()
        };
        if let Some(line) = line(event, which, about) {
            out.put(line.as_bytes());
        }
    }
    Ok(out.finish("rfkill", 0, 1))
}

fn block(which: Which, block: bool) -> io::Result<i32> {
    // One of them, or all of a type.
    let (index, kind, change) = match which {
        Which::Index(index) => (index, 0, 2),
        Which::Type(kind) => (0, kind, 3),
    };
    let [a, b, c, d] = index.to_ne_bytes();
    let event = [a, b, c, d, kind, change, u8::from(block), 0];
    let mut device = OpenOptions::new()
        .write(true)
        .open(DEVICE)
        .map_err(|error| about(DEVICE, &error))?;
    match device.write(&event)? {
        8 => Ok(0),
        _ => Err(other("short write")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_radios() {
        assert_eq!(read_which("wifi"), Some(Which::Type(1)));
        assert_eq!(read_which("7"), Some(Which::Index(7)));
        assert_eq!(read_which("x"), None);
        let about = |_| "RFKILL_NAME=phy0\nRFKILL_TYPE=wlan\n".to_owned();
        let event = |kind| [3, 0, 0, 0, kind, 0, 1, 0];
        assert_eq!(
            line(event(1), Which::Type(1), about).as_deref(),
            Some("3: phy0: wlan\n\tSoft blocked: yes\n\tHard blocked: no\n")
        );
        assert_eq!(line(event(1), Which::Type(2), about), None);
        assert_eq!(line(event(1), Which::Index(4), about), None);
    }
}

//! `fbset`: shows and changes the mode of a frame buffer (`linux/fb.h`, fb.modes(5)).

use crate::common::lines::{Output, about, other, status};
use crate::common::options::Options;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use sys::control::{Flat, flat};

pub const USAGE: &str = "[OPTION]... [MODE]

-fb DEVICE (/dev/fb0)    -db FILE with modes (/etc/fb.modes)    -a, -all  on all consoles    -s, -show  print it, too
-g, -geometry XRES YRES VXRES VYRES DEPTH    -xres N    -yres N    -vxres N    -vyres N    -depth N
-t, -timings PIXCLOCK LEFT RIGHT UPPER LOWER HSLEN VSLEN    -pixclock N    -left N    -right N    -upper N    -lower N
-hslen N    -vslen N    -hsync, -vsync low|high    -csync, -gsync, -extsync, -bcast, -laced, -double, -accel BOOL
-rgba LENGTH/OFFSET,LENGTH/OFFSET,LENGTH/OFFSET,LENGTH/OFFSET (red, green, blue, transparency)";

const OPTIONS: Options = Options {
    applet: "fbset",
    letters: "",
    long: &[],
};

// Where the numbers are in the kernel's fb_var_screeninfo, in words of four bytes.
const XRES: usize = 0;
const DEPTH: usize = 6;
const COLOURS: usize = 8;
const ACTIVATE: usize = 21;
const ACCEL: usize = 24;
const PIXCLOCK: usize = 25;
const SYNC: usize = 32;
const VMODE: usize = 33;
const WORDS: usize = 40;

/// `FB_ACTIVATE_ALL`
const ALL: u32 = 64;

/// Words that take numbers: where the first of them goes, and how many they are.
const NUMBERS: &[(&str, usize, usize)] = &[
    ("xres", 0, 1),
    ("yres", 1, 1),
    ("vxres", 2, 1),
    ("vyres", 3, 1),
    ("depth", DEPTH, 1),
    ("g", 0, 5),
    ("geometry", 0, 5),
    ("pixclock", PIXCLOCK, 1),
    ("left", PIXCLOCK + 1, 1),
    ("right", PIXCLOCK + 2, 1),
    ("upper", PIXCLOCK + 3, 1),
    ("lower", PIXCLOCK + 4, 1),
    ("hslen", PIXCLOCK + 5, 1),
    ("vslen", PIXCLOCK + 6, 1),
    ("t", PIXCLOCK, 7),
    ("timings", PIXCLOCK, 7),
];

/// Words that switch a bit: where it is.
const SWITCHES: &[(&str, usize, u32)] = &[
    ("hsync", SYNC, 1),
    ("vsync", SYNC, 2),
    ("extsync", SYNC, 4),
    ("csync", SYNC, 8),
    ("bcast", SYNC, 16),
    ("gsync", SYNC, 32),
    ("laced", VMODE, 1),
    ("double", VMODE, 2),
    ("accel", ACCEL, 1),
];

/// The kernel's `fb_var_screeninfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mode([u32; WORDS]);

impl Mode {
    fn get(&self, at: usize) -> u32 {
        self.0.get(at).copied().unwrap_or(0)
    }

    fn set(&mut self, at: usize, value: u32) {
        if let Some(place) = self.0.get_mut(at) {
            *place = value;
        }
    }

    /// Changes what a word with its values says. `false`: no such word.
    fn word(&mut self, word: &str, values: &mut dyn Iterator<Item = &str>) -> io::Result<bool> {
        let mut value = || {
            values
                .next()
                .ok_or_else(|| other(format!("'{word}' needs a value")))
        };
        if let Some((_, at, count)) = NUMBERS.iter().find(|(known, ..)| *known == word) {
            for step in 0..*count {
                let text = value()?;
                let number = text
                    .parse()
                    .map_err(|_| other(format!("invalid number '{text}'")))?;
                // The depth does not follow the other sizes.
                self.set(
                    if step == 4 && *count == 5 {
                        DEPTH
                    } else {
                        at + step
                    },
                    number,
                );
            }
            return Ok(true);
        }
        if let Some((_, at, bit)) = SWITCHES.iter().find(|(known, ..)| *known == word) {
            let text = value()?;
            let on = match text {
                "true" | "high" | "on" | "1" => true,
                "false" | "low" | "off" | "0" => false,
                _ => return Err(other(format!("invalid argument '{text}' to '{word}'"))),
            };
            let old = self.get(*at);
            self.set(*at, if on { old | bit } else { old & !bit });
            return Ok(true);
        }
        if word == "rgba" {
            let text = value()?;
            let bad = || other(format!("invalid argument '{text}' to '{word}'"));
            for (colour, part) in text.split(',').enumerate() {
                let (length, offset) = part.split_once('/').ok_or_else(bad)?;
                let at = COLOURS + colour * 3;
                if colour > 3 {
                    return Err(bad());
                }
                self.set(at, offset.parse().map_err(|_| bad())?);
                self.set(at + 1, length.parse().map_err(|_| bad())?);
            }
            return Ok(true);
        }
        Ok(false)
    }
}

/// `fbset`
pub fn main(arguments: &[OsString]) -> i32 {
    let words: Vec<String> = arguments
        .iter()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    match run(&words) {
        Ok(status) => status,
        Err(Failure::Usage(what)) => OPTIONS.wrong(&what),
        Err(Failure::System(error)) => status("fbset", Err(error)),
    }
}

enum Failure {
    Usage(String),
    System(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::System(error)
    }
}

fn run(words: &[String]) -> Result<i32, Failure> {
    let (mut device, mut table, mut wanted) = ("/dev/fb0", "/etc/fb.modes", None);
    let (mut all, mut show) = (false, false);
    let mut changes = Vec::new();
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        let Some(name) = word.strip_prefix('-') else {
            if wanted.replace(word).is_some() {
                return Err(Failure::Usage(format!("extra operand '{word}'")));
            }
            continue;
        };
        let needs = || Failure::Usage(format!("option '{word}' needs a value"));
        match name {
            "fb" => device = words.next().ok_or_else(needs)?,
            "db" => table = words.next().ok_or_else(needs)?,
            "a" | "all" => all = true,
            "s" | "show" => show = true,
            name => {
                let count = NUMBERS
                    .iter()
                    .find(|(known, ..)| *known == name)
                    .map_or(1, |(.., count)| *count);
                let values: Vec<&str> = words.by_ref().take(count).collect();
                // Whether it is fine is seen before anything is touched.
                let mut values_again = values.iter().copied();
                let known = Mode([0; WORDS]).word(name, &mut values_again);
                match known {
                    Ok(true) => changes.push((name, values)),
                    Ok(false) => {
                        return Err(Failure::Usage(format!("unrecognized option '{word}'")));
                    }
                    Err(error) => return Err(Failure::Usage(error.to_string())),
                }
            }
        }
    }
    let file = File::open(device).map_err(|error| about(device, &error))?;
    let mut mode = ask(&file).map_err(|error| about(device, &error))?;
    if let Some(wanted) = wanted {
        let text = std::fs::read_to_string(table).map_err(|error| about(table, &error))?;
        if !read_mode(&mut mode, &text, wanted)? {
            return Err(other(format!("unknown video mode '{wanted}'")).into());
        }
    }
    for (word, values) in &changes {
        mode.word(word, &mut values.iter().copied())?;
    }
    let changed = wanted.is_some() || !changes.is_empty();
    if changed {
        mode.set(ACTIVATE, if all { ALL } else { 0 });
        tell(&file, &mut mode).map_err(|error| about(device, &error))?;
    }
    let mut out = Output::new();
    if show || !changed {
        out.put(text(&mode).as_bytes());
    }
    Ok(out.finish("fbset", 0, 1))
}

fn ask(file: &File) -> io::Result<Mode> {
    let mut bytes = [0; WORDS * 4];
    flat(file, Flat::FBIOGET_VSCREENINFO, &mut bytes)?;
    let mut mode = Mode([0; WORDS]);
    for (word, four) in mode.0.iter_mut().zip(bytes.chunks_exact(4)) {
        *word = four.try_into().map_or(0, u32::from_ne_bytes);
    }
    Ok(mode)
}

fn tell(file: &File, mode: &mut Mode) -> io::Result<()> {
    let mut bytes: Vec<u8> = mode.0.iter().flat_map(|word| word.to_ne_bytes()).collect();
    flat(file, Flat::FBIOPUT_VSCREENINFO, &mut bytes)?;
    // The kernel may have chosen otherwise.
    *mode = ask(file)?;
    Ok(())
}

/// Finds a mode in a table and takes what it says. `false`: there is none of that name.
fn read_mode(mode: &mut Mode, table: &str, wanted: &str) -> io::Result<bool> {
    let mut inside = false;
    for (number, line) in table.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let mut words = line.split_whitespace();
        let Some(word) = words.next() else {
            continue;
        };
        if let Some(name) = line.strip_prefix("mode").filter(|_| word == "mode") {
            inside = name.trim().trim_matches('"') == wanted;
            if inside {
                // What a mode does not name is off.
                for at in [SYNC, VMODE] {
                    mode.set(at, 0);
                }
            }
        } else if inside && word == "endmode" {
            return Ok(true);
        } else if inside {
            let told = |error: io::Error| other(format!("line {}: {error}", number + 1));
            if !mode.word(word, &mut words).map_err(told)? {
                return Err(other(format!("line {}: unknown word '{word}'", number + 1)));
            }
        }
    }
    Ok(false)
}

fn text(mode: &Mode) -> String {
    let get = |at: usize| mode.get(at);
    let sum = |a: usize, size: usize, b: usize, sync: usize| -> f64 {
        [a, b, sync]
            .iter()
            .map(|at| f64::from(get(PIXCLOCK + at)))
            .sum::<f64>()
            + f64::from(get(XRES + size))
    };
    // How often a pixel, a line and a picture come in a second.
    let (mut pixels, mut lines, mut pictures) = (0.0, 0.0, 0.0);
    if get(PIXCLOCK) != 0 {
        pixels = 1e12 / f64::from(get(PIXCLOCK));
        lines = pixels / sum(1, 0, 2, 5);
        pictures = lines / sum(3, 1, 4, 6);
    }
    let list = |from: usize, count: usize| -> String {
        let words: Vec<String> = (from..from + count).map(|at| get(at).to_string()).collect();
        words.join(" ")
    };
    let mut text = format!("\nmode \"{}x{}-{:.0}\"\n", get(0), get(1), pictures);
    text += &format!(
        "\t# D: {:.3} MHz, H: {:.3} kHz, V: {pictures:.3} Hz\n\tgeometry {} {}\n\ttimings {}\n",
        pixels / 1e6,
        lines / 1e3,
        list(0, 4),
        get(DEPTH),
        list(PIXCLOCK, 7)
    );
    for (name, at, bit) in SWITCHES {
        if get(*at) & bit != 0 && *at != ACCEL {
            text += &format!(
                "\t{name} {}\n",
                if name.ends_with("sync") && name.len() == 5 && *bit < 4 {
                    "high"
                } else {
                    "true"
                }
            );
        }
    }
    let colours: Vec<String> = (0..4)
        .map(|colour| {
            format!(
                "{}/{}",
                get(COLOURS + colour * 3 + 1),
                get(COLOURS + colour * 3)
            )
        })
        .collect();
    text += &format!(
        "\taccel {}\n\trgba {}\nendmode\n\n",
        get(ACCEL) != 0,
        colours.join(",")
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "# modes\nmode \"other\"\n  geometry 1 1 1 1 1\nendmode\nmode \"1024x768-76\"\n\
        # D: 78.653 MHz\n geometry 1024 768 1024 768 16\n timings 12714 128 32 16 4 128 4\n hsync high\n accel false\n\
        rgba 5/11,6/5,5/0,0/0\nendmode\n";

    #[test]
    fn modes_are_read_and_printed() {
        let mut mode = Mode([0; WORDS]);
        assert!(read_mode(&mut mode, TABLE, "1024x768-76").unwrap());
        assert_eq!(
            text(&mode),
            "\nmode \"1024x768-76\"\n\t# D: 78.653 MHz, H: 59.949 kHz, V: 75.694 Hz\n\tgeometry 1024 768 1024 768 16\n\
             \ttimings 12714 128 32 16 4 128 4\n\thsync high\n\taccel false\n\trgba 5/11,6/5,5/0,0/0\nendmode\n\n"
        );
        assert!(!read_mode(&mut mode, TABLE, "no").unwrap());
        for bad in [
            "mode x\n nonsense 1\n",
            "mode x\n xres\n",
            "mode x\n xres -1\n",
            "mode x\n rgba 1/1,2\n",
        ] {
            assert!(read_mode(&mut mode, bad, "x").is_err(), "{bad}");
        }
        // Nothing is divided by nothing.
        assert!(text(&Mode([0; WORDS])).contains("0x0-0"));
    }
}

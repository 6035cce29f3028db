//! `beep`: tones from the speaker.

use crate::common::console;
use crate::common::lines::{other, status};
use crate::common::options::{Given, Options};
use std::ffi::OsString;
use std::io;
use std::time::Duration;
use sys::control::{Number, number};

pub const USAGE: &str = "[-f HZ] [-l MS] [-d MS] [-r N] [-n ...]

-f  the frequency (4000)    -l  how long (30)    -d  the pause between (0)    -r  how often (1)
-n  begin another tone, with values of its own";

const OPTIONS: Options = Options {
    applet: "beep",
    letters: "f:l:d:r:n",
    long: &[],
};

/// The timer chip's ticks a second.
const CLOCK: u32 = 1_193_180;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tone {
    frequency: u32,
    length: u32,
    pause: u32,
    times: u32,
}

const USUAL: Tone = Tone {
    frequency: 4000,
    length: 30,
    pause: 0,
    times: 1,
};

/// `beep`
pub fn main(arguments: &[OsString]) -> i32 {
    match OPTIONS.take(arguments, 0, 0) {
        Ok(given) => status("beep", tones(&given).and_then(|tones| play(&tones))),
        Err(status) => status,
    }
}

fn tones(given: &Given) -> io::Result<Vec<Tone>> {
    let mut tones = Vec::new();
    let mut tone = USUAL;
    for (letter, value) in given.in_order() {
        let Some(value) = value else {
            tones.push(std::mem::replace(&mut tone, USUAL));
            continue;
        };
        let number = value.to_str().and_then(|text| text.parse().ok());
        let number: u32 =
            number.ok_or_else(|| other(format!("invalid number '{}'", value.display())))?;
        match letter {
            'f' if number == 0 => return Err(other("invalid number '0'")),
            'f' => tone.frequency = number,
            'l' => tone.length = number,
            'd' => tone.pause = number,
            _ => tone.times = number,
        }
    }
    tones.push(tone);
    Ok(tones)
}

fn play(tones: &[Tone]) -> io::Result<i32> {
    let speaker = console::open(None)?;
    let wait = |milliseconds: u32| std::thread::sleep(Duration::from_millis(milliseconds.into()));
    for tone in tones {
        for time in 0..tone.times {
            number(
                &speaker,
                Number::KIOCSOUND,
                (CLOCK / tone.frequency) as usize,
            )?;
            wait(tone.length);
            number(&speaker, Number::KIOCSOUND, 0)?;
            if time + 1 < tone.times {
                wait(tone.pause);
            }
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tones_have_their_own_values() {
        let tones = |words: &[&str]| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            tones(&OPTIONS.parse(&words).unwrap())
        };
        assert_eq!(tones(&["beep"]).unwrap(), [USUAL]);
        let two = tones(&["beep", "-f440", "-r", "2", "-n", "-l", "9"]).unwrap();
        assert_eq!(
            two,
            [
                Tone {
                    frequency: 440,
                    times: 2,
                    ..USUAL
                },
                Tone { length: 9, ..USUAL }
            ]
        );
        assert!(tones(&["beep", "-f", "0"]).is_err());
        assert!(tones(&["beep", "-l", "x"]).is_err());
    }
}

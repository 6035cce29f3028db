//! `slattach`: a serial line as a network interface (SLIP, RFC 1055).

use crate::common::lines::{about, other, status};
use crate::common::options::{Given, Options};
use rustix::termios::{
    ControlModes, InputModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use sys::control::{Flat, flat};
use sys::process::{self, Disposition};

pub const USAGE: &str = "[-ehmLF] [-c COMMAND] [-s SPEED] [-p PROTOCOL] DEVICE

-p  slip, cslip (usual), slip6, cslip6 or adaptive    -s  the line's speed    -e  end once it is set up
-h  end when the carrier is lost    -c  run COMMAND then    -m  leave the line's modes as they are
-L  three wires: no carrier is needed    -F  no flow control by RTS and CTS";

const OPTIONS: Options = Options {
    applet: "slattach",
    letters: "p:s:c:ehmLF",
    long: &[],
};

/// The protocols by name, as the kernel numbers them.
const PROTOCOLS: [(&str, i32); 5] = [
    ("slip", 0),
    ("cslip", 1),
    ("slip6", 2),
    ("cslip6", 3),
    ("adaptive", 8),
];
/// `N_SLIP`
const SLIP: i32 = 1;
/// `TIOCM_CAR`
const CARRIER: u32 = 0x40;

/// `slattach`
pub fn main(arguments: &[OsString]) -> i32 {
    match OPTIONS.take(arguments, 1, 1) {
        Ok(given) => status("slattach", run(&given)),
        Err(status) => status,
    }
}

fn run(given: &Given) -> io::Result<i32> {
    let protocol = given.value('p').unwrap_or(OsStr::new("cslip"));
    let known = PROTOCOLS.iter().find(|(name, _)| protocol == *name);
    let (_, protocol) = known.ok_or_else(|| {
        other(format!(
            "invalid argument '{}' to 'protocol'",
            protocol.display()
        ))
    })?;
    let speed = if given.has('s') {
        Some(given.number('s', 0_u32).map_err(other)?)
    } else {
        None
    };
    let device = given
        .operands
        .first()
        .map_or(OsStr::new(""), OsString::as_os_str);
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let open = |path: &Path| {
        OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(flags)
            .open(path)
    };
    let told = |error: io::Error| about(device, &error);
    let line = open(Path::new(device))
        .or_else(|_| open(&Path::new("/dev").join(device)))
        .map_err(told)?;
    let before = tcgetattr(&line).map_err(|error| told(error.into()))?;
    let mut discipline = [0; 4];
    flat(&line, Flat::TIOCGETD, &mut discipline).map_err(told)?;
    if !given.has('e') {
        for signal in [1, 2, 3, 15] {
            process::set_signal(signal, Disposition::Catch)?;
        }
    }
    let set_up = || -> io::Result<()> {
        let modes = modes(given, &before, speed)?;
        tcsetattr(&line, OptionalActions::Now, &modes)?;
        flat(&line, Flat::TIOCSETD, &mut SLIP.to_ne_bytes())?;
        flat(&line, Flat::SIOCSIFENCAP, &mut protocol.to_ne_bytes())?;
        Ok(())
    };
    let done = set_up().map_err(told);
    if done.is_ok() {
        if given.has('e') {
            return Ok(0);
        }
        watch(&line, given);
    }
    let restored = restore(&line, &before, discipline).map_err(told);
    done.and(restored).map(|()| 0)
}

/// The line's modes: bytes as they are, unless they shall stay.
fn modes(given: &Given, before: &Termios, speed: Option<u32>) -> io::Result<Termios> {
    let mut modes = before.clone();
    if !given.has('m') {
        modes.make_raw();
        modes.input_modes = InputModes::IGNBRK | InputModes::IGNPAR;
        modes.special_codes[SpecialCodeIndex::VMIN] = 1;
        modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        modes.control_modes = ControlModes::CS8 | ControlModes::HUPCL | ControlModes::CREAD;
        modes
            .control_modes
            .set(ControlModes::CLOCAL, given.has('L'));
        modes
            .control_modes
            .set(ControlModes::CRTSCTS, !given.has('F'));
        modes.set_input_speed(before.input_speed())?;
        modes.set_output_speed(before.output_speed())?;
    }
    if let Some(speed) = speed {
        modes.set_speed(speed)?;
    }
    Ok(modes)
}

/// Until a signal comes, or with `-h` until the carrier is lost, after which the command is run.
fn watch(line: &File, given: &Given) {
    loop {
        if process::take_signal().is_some() {
            return;
        }
        if given.has('h') {
            let mut modem = [0; 4];
            let carrier = flat(line, Flat::TIOCMGET, &mut modem).is_ok()
                && u32::from_ne_bytes(modem) & CARRIER != 0;
            if !carrier {
                break;
            }
        }
        // A caught signal ends it.
        let _ = rustix::thread::nanosleep(&rustix::time::Timespec {
            tv_sec: 15,
            tv_nsec: 0,
        });
    }
    if let Some(command) = given.value('c') {
        let _ = Command::new("/bin/sh").arg("-c").arg(command).status();
    }
}

/// Hangs up and leaves the line as it was.
fn restore(line: &File, before: &Termios, mut discipline: [u8; 4]) -> io::Result<()> {
    flat(line, Flat::TIOCSETD, &mut discipline)?;
    let mut hung_up = before.clone();
    hung_up.set_speed(0)?;
    tcsetattr(line, OptionalActions::Now, &hung_up)?;
    std::thread::sleep(Duration::from_secs(1));
    tcsetattr(line, OptionalActions::Now, before)?;
    Ok(())
}

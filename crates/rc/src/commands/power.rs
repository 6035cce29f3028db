//! `halt`, `poweroff`, `reboot`, `shutdown` and `openrc-shutdown`.
//!
//! `-f`: at once, without stopping anything; `-n`: without writing out what is cached; `-d SECONDS`: later.
//! `shutdown [-h|-H|-P|-p|-r] [now|+MINUTES]`, `openrc-shutdown -H|-p|-r|-R now`.

use super::fail;
use crate::control::{self, Power, Request};
use crate::layout::Layout;
use lexopt::{Arg, Parser};
use rustix::system::{RebootCommand, reboot};
use std::ffi::OsString;
use std::time::Duration;

struct Options {
    power: Power,
    force: bool,
    sync: bool,
    delay: Duration,
}

fn parse(name: &str, arguments: &[OsString]) -> Result<Options, String> {
    let mut options = Options {
        power: match name {
            "halt" => Power::Halt,
            "reboot" => Power::Reboot,
            _ => Power::Off,
        },
        force: false,
        sync: true,
        delay: Duration::ZERO,
    };
    let mut parser = Parser::from_args(arguments.iter().skip(1));
    let shutdown = name.ends_with("shutdown");
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Arg::Short('f') | Arg::Long("force" | "no-wall") if !shutdown => options.force = true,
            Arg::Short('n') | Arg::Long("no-sync") if !shutdown => options.sync = false,
            Arg::Short('d') if !shutdown => {
                let value = parser.value().map_err(|error| error.to_string())?;
                let seconds = value.to_str().and_then(|text| text.parse().ok());
                options.delay = Duration::from_secs(seconds.ok_or("-d needs a number of seconds")?);
            }
            Arg::Short('H') | Arg::Long("halt") => options.power = Power::Halt,
            Arg::Short('h' | 'p' | 'P') | Arg::Long("poweroff") => options.power = Power::Off,
            Arg::Short('r' | 'R') | Arg::Long("reboot") => options.power = Power::Reboot,
            Arg::Short('w' | 'D') | Arg::Long("write-only" | "dry-run") => {
                return Err("not supported".into());
            }
            Arg::Value(word) if shutdown => options.delay = time(&word.to_string_lossy())?,
            other => return Err(other.unexpected().to_string()),
        }
    }
    Ok(options)
}

/// `now`, `+5` or `5`: minutes.
fn time(word: &str) -> Result<Duration, String> {
    if word == "now" {
        return Ok(Duration::ZERO);
    }
    let minutes: Option<u32> = word.strip_prefix('+').unwrap_or(word).parse().ok();
    let minutes = minutes.ok_or_else(|| format!("{word:?} is no time: now and +MINUTES are"))?;
    Ok(Duration::from_secs(u64::from(minutes) * 60))
}

/// The command. The first argument is its name.
pub fn main(layout: &Layout, name: &str, arguments: &[OsString]) -> i32 {
    let options = match parse(name, arguments) {
        Ok(options) => options,
        Err(error) => return fail(name, &error),
    };
    std::thread::sleep(options.delay);
    if options.force {
        if options.sync {
            rustix::fs::sync();
        }
        return fail(name, &end(options.power));
    }
    match control::ask(&layout.socket(), &Request::Power(options.power)) {
        Ok(_) => 0,
        Err(control::Error::Nobody) => {
            // Another init, in the way in which BusyBox's and ours are told.
            let signal = match options.power {
                Power::Halt => 10,
                Power::Off => 12,
                Power::Reboot => 15,
            };
            match sys::process::kill(1, signal) {
                Ok(()) => 0,
                Err(error) => fail(name, &format_args!("process 1: {error}")),
            }
        }
        Err(error) => fail(name, &error),
    }
}

/// Ends the machine. Returns only when the kernel does not want to.
pub fn end(power: Power) -> std::io::Error {
    let command = match power {
        Power::Halt => RebootCommand::Halt,
        Power::Off => RebootCommand::PowerOff,
        Power::Reboot => RebootCommand::Restart,
    };
    match reboot(command) {
        Ok(()) => std::io::Error::other("the machine goes on"),
        Err(error) => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn command_lines() {
        let power = |name: &str, text: &str| {
            parse(name, &words(text)).map(|options| (options.power, options.force))
        };
        assert_eq!(power("halt", "halt"), Ok((Power::Halt, false)));
        assert_eq!(power("halt", "halt -p"), Ok((Power::Off, false)));
        assert_eq!(power("reboot", "reboot -f"), Ok((Power::Reboot, true)));
        assert_eq!(
            power("shutdown", "shutdown -r now"),
            Ok((Power::Reboot, false))
        );
        assert_eq!(
            power("openrc-shutdown", "openrc-shutdown -H now"),
            Ok((Power::Halt, false))
        );
        assert!(power("shutdown", "shutdown later").is_err());
        assert!(power("halt", "halt now").is_err());
        assert_eq!(
            parse("shutdown", &words("shutdown +2")).map(|options| options.delay),
            Ok(Duration::from_secs(120))
        );
    }
}

//! `rdate`: sets the clock by another machine's (RFC 868).

use crate::common::calendar;
use crate::common::lines::{about, other, say, say_out, status};
use crate::common::options::{Given, Options};
use rustix::time::{ClockId, Timespec, clock_settime};
use std::ffi::OsString;
use std::io::{self, Read};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

pub const USAGE: &str = "[-s] [-p] HOST

sets the clock by HOST's and prints it    -s  only set it    -p  only print it";

const OPTIONS: Options = Options {
    applet: "rdate",
    letters: "sp",
    long: &[],
};

/// Seconds from 1900 to 1970.
const EPOCH: u32 = 2_208_988_800;
const PORT: u16 = 37;
const PATIENCE: Duration = Duration::from_secs(10);

/// `rdate`
pub fn main(arguments: &[OsString]) -> i32 {
    match OPTIONS.take(arguments, 1, 1) {
        Ok(given) => status("rdate", run(&given)),
        Err(status) => status,
    }
}

/// The moment that is meant by 32 bits of seconds: the one nearest to now.
fn moment(bits: u32, now: i64) -> i64 {
    let seconds = bits.wrapping_sub(EPOCH);
    let away = seconds.wrapping_sub(now as u32).cast_signed();
    now + i64::from(away)
}

fn ask(host: &str) -> io::Result<u32> {
    let mut addresses = (host, PORT)
        .to_socket_addrs()
        .map_err(|_| other(format!("bad address '{host}'")))?;
    let mut last = other(format!("bad address '{host}'"));
    let mut stream = loop {
        let Some(address) = addresses.next() else {
            return Err(about(host, &last));
        };
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => break stream,
            Err(error) => last = error,
        }
    };
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut bytes = [0; 4];
    stream
        .read_exact(&mut bytes)
        .map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => other(format!("{host}: short read")),
            io::ErrorKind::WouldBlock => other("timeout connecting to time server"),
            _ => about(host, &error),
        })?;
    Ok(u32::from_be_bytes(bytes))
}

fn run(given: &Given) -> io::Result<i32> {
    let host = given
        .operands
        .first()
        .map(|word| word.to_string_lossy())
        .unwrap_or_default();
    let bits = ask(&host)?;
    let now = calendar::now();
    let remote = moment(bits, now);
    if !given.has('p') {
        if remote == now {
            say("rdate", "current time matches remote time");
        } else {
            clock_settime(
                ClockId::Realtime,
                Timespec {
                    tv_sec: remote,
                    tv_nsec: 0,
                },
            )?;
        }
    }
    if given.has('p') || !given.has('s') {
        say_out(&calendar::long(remote + sys::kernel::local_offset(remote)));
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_moment_is_meant() {
        assert_eq!(moment(EPOCH, 1000), 0);
        assert_eq!(
            moment(EPOCH.wrapping_add(1_700_000_000), 1_700_000_009),
            1_700_000_000
        );
        // The count begins anew in 2036, and again 136 years later.
        assert_eq!(moment(5, 2_085_978_500), 2_085_978_501);
        assert_eq!(
            calendar::long(moment(0, 2_085_978_500)),
            "Thu Feb  7 06:28:16 2036"
        );
    }
}

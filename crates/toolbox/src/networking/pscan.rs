//! `pscan`: which TCP ports of a host are open.

use crate::common::lines::{Output, about, other, status};
use crate::common::options::{Given, Options};
use std::ffi::OsString;
use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

pub const USAGE: &str = "[-cb] [-p PORT] [-P PORT] [-t MS] [-T MS] HOST

-c  print closed ports, too    -b  print those that do not answer, too    -p  the first port (1)
-P  the last one (1024)    -t  milliseconds to wait at most (5000)    -T  at least (5)";

const OPTIONS: Options = Options {
    applet: "pscan",
    letters: "cbp:P:t:T:",
    long: &[],
};

/// `pscan`
pub fn main(arguments: &[OsString]) -> i32 {
    match OPTIONS.take(arguments, 1, 1) {
        Ok(given) => {
            let mut out = Output::new();
            let done = status("pscan", run(&given, &mut out));
            out.finish("pscan", done, 1)
        }
        Err(status) => status,
    }
}

fn number(given: &Given, letter: char, usual: u32, most: u32) -> io::Result<u32> {
    let number = given.number(letter, usual).map_err(other)?;
    if (1..=most).contains(&number) {
        Ok(number)
    } else {
        Err(other(format!("number {number} is not in 1..{most} range")))
    }
}

fn run(given: &Given, out: &mut Output) -> io::Result<i32> {
    let last = number(given, 'P', 1024, 65535)?;
    let first = number(given, 'p', 1, last)?;
    let most = Duration::from_millis(number(given, 't', 5000, 500_000)?.into());
    let least = Duration::from_millis(number(given, 'T', 5, 500_000)?.into());
    let host = given
        .operands
        .first()
        .map(|word| word.to_string_lossy())
        .unwrap_or_default();
    let found = (&*host, 0_u16)
        .to_socket_addrs()
        .ok()
        .and_then(|mut found| found.next());
    let mut address = found.ok_or_else(|| other(format!("bad address '{host}'")))?;
    out.put(
        format!("Scanning {host} ports {first} to {last}\n Port\tProto\tState\tService\n")
            .as_bytes(),
    );
    let services = std::fs::read_to_string("/etc/services").unwrap_or_default();
    // How long one waits follows how long the others took.
    let mut wait = most;
    let (mut closed, mut open, mut blocked) = (0, 0, 0);
    for port in first..=last {
        address.set_port(u16::try_from(port).unwrap_or(0));
        let start = Instant::now();
        let state = match TcpStream::connect_timeout(&address, wait) {
            Ok(_) => {
                open += 1;
                Some("open")
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                closed += 1;
                given.has('c').then_some("closed")
            }
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                blocked += 1;
                given.has('b').then_some("blocked")
            }
            Err(error) => return Err(about(&*host, &error)),
        };
        if let Some(state) = state {
            let name = service(&services, port);
            out.put(format!("{port:5}\ttcp\t{state}\t{name}\n").as_bytes());
        }
        wait = (start.elapsed() * 4).clamp(least.min(most), most);
    }
    out.put(
        format!("{closed} closed, {open} open, {blocked} timed out (or blocked) ports\n")
            .as_bytes(),
    );
    Ok(0)
}

/// The name of a port (services(5)).
fn service(table: &str, port: u32) -> String {
    let wanted = format!("{port}/tcp");
    let found = table.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let name = words.next()?;
        (words.next()? == wanted).then_some(name)
    });
    found.unwrap_or("unknown").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services() {
        let table = "# x\nssh 22/tcp\ndomain 53/udp # no\n";
        assert_eq!(service(table, 22), "ssh");
        assert_eq!(service(table, 53), "unknown");
    }
}

//! `ipcalc`: networks worked out, as words for the shell.

use crate::common::dns;
use crate::common::lines::{Output, other, status};
use crate::common::links;
use crate::common::options::{Given, Options};
use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, Ipv4Addr};

pub const USAGE: &str = "[-bnmphs] ADDRESS[/PREFIX] [NETMASK]

-b  the broadcast address    -n  the network    -m  the netmask    -p  its length    -h  the host's name
-s  say nothing of errors";

const OPTIONS: Options = Options {
    applet: "ipcalc",
    letters: "mbnphs",
    long: &[
        ("netmask", 'm'),
        ("broadcast", 'b'),
        ("network", 'n'),
        ("prefix", 'p'),
        ("hostname", 'h'),
        ("silent", 's'),
    ],
};

/// `ipcalc`
pub fn main(arguments: &[OsString]) -> i32 {
    let given = match OPTIONS.take(arguments, 1, 2) {
        Ok(given) => given,
        Err(status) => return status,
    };
    // A netmask is only worth giving where something is worked out with it.
    if given.last_of("bnp").is_none() && (given.last_of("mh").is_none() || given.operands.len() > 1)
    {
        return OPTIONS.wrong("nothing to calculate");
    }
    let done = run(&given);
    if given.has('s') && done.is_err() {
        return 1;
    }
    status("ipcalc", done)
}

fn run(given: &Given) -> io::Result<i32> {
    let mut words = given.operands.iter().map(|word| word.to_string_lossy());
    let word = words.next().unwrap_or_default();
    let (host, prefix) = match word.split_once('/') {
        Some((host, "")) => (host, None),
        Some((host, prefix)) => {
            let length = prefix.parse::<u8>().ok().filter(|length| *length <= 32);
            let length = length.ok_or_else(|| other(format!("invalid number '{prefix}'")))?;
            (host, Some(links::mask(length)))
        }
        None => (word.as_ref(), None),
    };
    let address: Ipv4Addr = host
        .parse()
        .map_err(|_| other(format!("bad IP address: {host}")))?;
    let mask = match (prefix, words.next()) {
        (Some(_), Some(_)) => return Err(other("use prefix or netmask, not both")),
        (Some(mask), None) => mask,
        (None, Some(text)) => text
            .parse()
            .map_err(|_| other(format!("bad netmask: {text}")))?,
        (None, None) => class_mask(address),
    };
    let mut out = Output::new();
    for (letter, name, value) in [
        ('m', "NETMASK", mask),
        ('b', "BROADCAST", address | !mask),
        ('n', "NETWORK", address & mask),
    ] {
        if given.has(letter) {
            out.put(format!("{name}={value}\n").as_bytes());
        }
    }
    if given.has('p') {
        out.put(format!("PREFIX={}\n", u32::from(mask).count_ones()).as_bytes());
    }
    if given.has('h') {
        let Some(name) = dns::reverse(&IpAddr::V4(address)) else {
            out.flush();
            return Err(other(format!("can't find hostname for {address}")));
        };
        out.put(format!("HOSTNAME={}\n", name.to_ascii_lowercase()).as_bytes());
    }
    Ok(out.finish("ipcalc", 0, 1))
}

/// The mask of the classes that networks once had; what lies beyond is taken for class C.
fn class_mask(address: Ipv4Addr) -> Ipv4Addr {
    match address.octets().first().copied().unwrap_or(0) {
        0..=127 => links::mask(8),
        128..=191 => links::mask(16),
        _ => links::mask(24),
    }
}

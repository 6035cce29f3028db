//! `hostname` and `dnsdomainname`.

use crate::common::lines::{Output, complain};
use crate::common::options::Options;
use std::ffi::{OsStr, OsString};
use std::net::ToSocketAddrs;
use std::os::unix::ffi::OsStrExt;

pub const USAGE: &str = "[-sidf] [-F FILE | NAME]

-s  up to the first dot    -d  behind the first dot    -f  all of it    -i  the addresses
-F  set it to what the file says";
pub const DOMAIN_USAGE: &str = "";

fn name() -> Vec<u8> {
    rustix::system::uname().nodename().to_bytes().to_vec()
}

/// The name with its domain, as `/etc/hosts` has it: the first word behind an address that begins with the name.
fn full() -> Vec<u8> {
    let own = name();
    if own.contains(&b'.') {
        return own;
    }
    let hosts = std::fs::read("/etc/hosts").unwrap_or_default();
    for line in hosts.split(|byte| *byte == b'\n') {
        let line = line.split(|byte| *byte == b'#').next().unwrap_or(line);
        let words: Vec<&[u8]> = line
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty())
            .skip(1)
            .collect();
        if words.contains(&own.as_slice())
            && let Some(first) = words.first()
        {
            return first.to_vec();
        }
    }
    own
}

/// `hostname`
pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "hostname",
        letters: "sidfF:",
        long: &[
            ("short", 's'),
            ("domain", 'd'),
            ("fqdn", 'f'),
            ("long", 'f'),
            ("ip-address", 'i'),
            ("file", 'F'),
        ],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 0, 1) {
        return status;
    }
    let mut new = given.operands.first().map(|word| word.as_bytes().to_vec());
    if let Some(path) = given.value('F') {
        match std::fs::read(path) {
            Ok(text) => {
                new = text
                    .split(|byte| *byte == b'\n')
                    .map(<[u8]>::trim_ascii)
                    .find(|line| !line.is_empty() && !line.starts_with(b"#"))
                    .map(<[u8]>::to_vec);
                if new.is_none() {
                    return 0;
                }
            }
            Err(error) => {
                complain("hostname", path, &error);
                return 1;
            }
        }
    }
    if let Some(new) = new {
        return match rustix::system::sethostname(&new) {
            Ok(()) => 0,
            Err(error) => {
                complain("hostname", OsStr::new("sethostname"), &error.into());
                1
            }
        };
    }
    let mut out = Output::new();
    match given.last_of("sidf") {
        Some('s') => {
            let own = name();
            out.put(own.split(|byte| *byte == b'.').next().unwrap_or(&own));
        }
        Some('d') => out.put(&domain(&full())),
        Some('f') => out.put(&full()),
        Some('i') => {
            let own = String::from_utf8_lossy(&name()).into_owned();
            match (own.as_str(), 0).to_socket_addrs() {
                Ok(found) => {
                    let mut list: Vec<String> = found.map(|at| at.ip().to_string()).collect();
                    list.dedup();
                    out.put(list.join(" ").as_bytes());
                }
                Err(error) => {
                    complain("hostname", OsStr::new(&own), &error);
                    return 1;
                }
            }
        }
        _ => out.put(&name()),
    }
    out.put_byte(b'\n');
    out.finish("hostname", 0, 1)
}

fn domain(full: &[u8]) -> Vec<u8> {
    match full.iter().position(|byte| *byte == b'.') {
        Some(at) => full.get(at + 1..).unwrap_or_default().to_vec(),
        None => Vec::new(),
    }
}

/// `dnsdomainname`
pub fn dnsdomainname(_: &[OsString]) -> i32 {
    let mut out = Output::new();
    let domain = domain(&full());
    if !domain.is_empty() {
        out.put(&domain);
        out.put_byte(b'\n');
    }
    out.finish("dnsdomainname", 0, 1)
}

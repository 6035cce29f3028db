//! `ifenslave`: adds interfaces to a bond and takes them away, by the bonding driver's control calls.

use crate::common::lines::{about, other, say, status};
use crate::common::links::{self, Link};
use crate::common::options::{Given, Options};
use std::ffi::OsString;
use std::io;
use std::net::UdpSocket;
use sys::control::{Flat, flat};

pub const USAGE: &str = "[-cdf] BOND [DEV...]

-c, --change-active  DEV carries the traffic now    -d, --detach  take them away
-f, --force  even if they are not Ethernet
without DEV: whether BOND is a bond, and what belongs to it";

const OPTIONS: Options = Options {
    applet: "ifenslave",
    letters: "cdf",
    long: &[("change-active", 'c'), ("detach", 'd'), ("force", 'f')],
};

const MASTER: u32 = 0x400;
const SLAVE: u32 = 0x800;
/// `ARPHRD_ETHER`
const ETHERNET: u16 = 1;
/// `IFLA_MTU`
const MTU: u16 = 4;

/// `ifenslave`
pub fn main(arguments: &[OsString]) -> i32 {
    let given = match OPTIONS.take(arguments, 1, usize::MAX) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if ['c', 'd', 'f']
        .into_iter()
        .filter(|letter| given.has(*letter))
        .count()
        > 1
    {
        return OPTIONS.wrong("-c, -d and -f exclude each other");
    }
    let words: Vec<String> = given
        .operands
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    match words.split_first() {
        Some((master, [])) if given.last_of("cd").is_none() => status("ifenslave", show(master)),
        Some((_, [])) | None => OPTIONS.wrong("missing operand"),
        Some((master, slaves)) => status("ifenslave", run(&given, master, slaves)),
    }
}

fn bond(name: &str) -> io::Result<Link> {
    let link = links::by_name(name).map_err(|error| about(name, &error))?;
    if link.flags & MASTER == 0 {
        return Err(other(format!("{name} is not a master")));
    }
    Ok(link)
}

fn show(name: &str) -> io::Result<i32> {
    let master = bond(name)?;
    let all = links::links()?;
    let slaves: Vec<&str> = all
        .iter()
        .filter(|link| link.master == Some(master.index))
        .map(|link| link.name.as_str())
        .collect();
    crate::common::lines::say_out(&format!("{name}: {}", slaves.join(" ")));
    Ok(0)
}

fn run(given: &Given, name: &str, slaves: &[String]) -> io::Result<i32> {
    let master = bond(name)?;
    if master.flags & links::UP == 0 {
        return Err(other(format!("{name} is not up")));
    }
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    let mut worst = 0;
    for slave in slaves {
        if let Err(error) = one(given, &socket, &master, slave) {
            let what = match given.last_of("cd") {
                Some('c') => format!("can't change {name} to {slave}"),
                Some(_) => format!("can't release {slave} from {name}"),
                None => format!("can't enslave {slave} to {name}"),
            };
            say(
                "ifenslave",
                format!("{what}: {}", crate::common::lines::cause(&error)),
            );
            worst = 1;
        }
    }
    Ok(worst)
}

fn one(given: &Given, socket: &UdpSocket, master: &Link, name: &str) -> io::Result<()> {
    let slave = links::by_name(name)?;
    let call = |request: Flat| -> io::Result<()> {
        flat(socket, request, &mut names(&master.name, name)).map(drop)
    };
    match given.last_of("cd") {
        Some('c') => call(Flat::SIOCBONDCHANGEACTIVE),
        Some(_) => {
            if slave.flags & SLAVE == 0 {
                return Err(other("it is not a slave"));
            }
            call(Flat::SIOCBONDRELEASE)?;
            links::change(slave.index, 0, 0, &[(MTU, 1500_u32.to_ne_bytes().to_vec())])
        }
        None => {
            if slave.flags & SLAVE != 0 {
                return Err(other("it is a slave already"));
            }
            if slave.kind != ETHERNET && !given.has('f') {
                return Err(other("it is not Ethernet: -f overrides"));
            }
            // The driver takes only those that are down, and brings them up itself.
            let down = slave.flags & !links::UP;
            links::change(
                slave.index,
                down,
                links::UP,
                &[(MTU, master.mtu.to_ne_bytes().to_vec())],
            )?;
            call(Flat::SIOCBONDENSLAVE)
        }
    }
}

/// An `ifreq` with two names.
fn names(master: &str, slave: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, end) in [(master, 16), (slave, 40)] {
        bytes.extend(name.bytes().take(15));
        bytes.resize(end, 0);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ifreq_has_two_names() {
        let bytes = names("bond0", "a-name-that-is-too-long");
        assert_eq!(bytes.len(), 40);
        assert_eq!(bytes[..6], *b"bond0\0");
        assert_eq!(bytes[16..32], *b"a-name-that-is-\0");
    }
}

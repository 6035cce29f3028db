//! `route`: shows and changes the routing table as it always did, through rtnetlink(7).

use crate::common::lines::{Output, about, other, status};
use crate::common::links::{self, Network};
use crate::common::options::{Given, Options};
use crate::common::route_table;
use crate::common::routes::{self, Change, Route};
use std::ffi::{OsStr, OsString};
use std::io;
use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs};

pub const USAGE: &str = "[-ne] [-A inet[6]] [{add|del} [-net|-host] TARGET [netmask MASK] [gw ROUTER]
      [metric N] [mss BYTES] [window BYTES] [irtt MSEC] [reject] [mod] [dyn] [reinstate] [[dev] INTERFACE]]

-n  numbers, no names    -e  what TCP makes of it    -A  the family";

const OPTIONS: Options = Options {
    applet: "route",
    letters: "A:ne",
    long: &[],
};

/// `route`
pub fn main(arguments: &[OsString]) -> i32 {
    // -net and -host are words behind the verb, not options.
    let (mut own, mut kinds) = (Vec::new(), Vec::new());
    for (index, word) in arguments.iter().enumerate() {
        if index > 0 && (word == "-net" || word == "-host") {
            kinds.push(word == "-host");
            own.push(OsString::from(if word == "-host" {
                "#host"
            } else {
                "#net"
            }));
        } else {
            own.push(word.clone());
        }
    }
    let given = match OPTIONS.parse(&own) {
        Ok(given) => given,
        Err(status) => return status,
    };
    status("route", run(&given))
}

fn run(given: &Given) -> io::Result<i32> {
    let six = match given.value('A').and_then(OsStr::to_str) {
        None | Some("inet") => false,
        Some("inet6") => true,
        Some(_) => return Ok(OPTIONS.wrong("-A takes inet or inet6")),
    };
    let words: Vec<String> = given
        .operands
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let Some((verb, words)) = words.split_first() else {
        let text = if six {
            route_table::six()?
        } else {
            route_table::four(given.has('n'), given.has('e'))?
        };
        let mut out = Output::new();
        out.put(text.as_bytes());
        return Ok(out.finish("route", 0, 1));
    };
    let add = match *verb {
        "add" => true,
        "del" | "delete" => false,
        _ => return Ok(OPTIONS.wrong(&format!("'{verb}' is neither add nor del"))),
    };
    let (route, metrics) = read(words, six, add)?;
    let change = if add { Change::Add } else { Change::Remove };
    routes::set_route_with(&route, change, &metrics)?;
    Ok(0)
}

fn resolve(text: &str, six: bool) -> io::Result<IpAddr> {
    if let Ok(address) = text.parse::<IpAddr>()
        && address.is_ipv6() == six
    {
        return Ok(address);
    }
    (text, 0)
        .to_socket_addrs()
        .ok()
        .and_then(|mut all| all.find(|address| address.is_ipv6() == six))
        .map(|address| address.ip())
        .ok_or_else(|| other(format!("resolving {text}")))
}

fn number(text: &str, least: u32, most: u32) -> io::Result<u32> {
    text.parse()
        .ok()
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| other(format!("invalid number '{text}'")))
}

/// The route that the words describe, and its metrics (`RTAX_…`).
fn read(words: &[&str], six: bool, add: bool) -> io::Result<(Route, Vec<(u16, u32)>)> {
    let mut words = words.iter().copied().peekable();
    let mut kind = None;
    if let Some(word) = words.next_if(|word| word.starts_with('#')) {
        kind = Some(word == "#host");
    }
    let target = words.next().ok_or_else(|| other("missing target"))?;
    let (mut mask, mut metrics) = (None, Vec::new());
    let mut route = Route {
        family: if six { 10 } else { 2 },
        ..Route::default()
    };
    let mut device = None;
    let mut reject = false;
    while let Some(word) = words.next() {
        let mut value = || {
            words
                .next()
                .ok_or_else(|| other(format!("'{word}' needs a value")))
        };
        match word {
            "netmask" if !six && mask.is_none() => {
                let text = value()?;
                let address: Ipv4Addr = match resolve(text, false)? {
                    IpAddr::V4(address) => address,
                    IpAddr::V6(_) => return Err(other(format!("bogus netmask {text}"))),
                };
                let length = links::mask_length(address);
                mask = Some(length.ok_or_else(|| other(format!("bogus netmask {text}")))?);
            }
            "gw" | "gateway" if route.via.is_none() => route.via = Some(resolve(value()?, six)?),
            "metric" => route.metric = Some(number(value()?, 0, u32::MAX)?),
            "mss" => metrics.push((8, number(value()?, 64, 65536)?)),
            "window" => metrics.push((3, number(value()?, 128, i32::MAX.cast_unsigned())?)),
            // RTAX_RTT counts eighths of a millisecond.
            "irtt" => metrics.push((4, number(value()?, 0, 1 << 28)?.saturating_mul(8))),
            "reject" => reject = true,
            // How a route came to be is the kernel's to say now.
            "mod" | "dyn" | "reinstate" => {}
            "dev" | "device" if device.is_none() => device = Some(value()?),
            _ if device.is_none() && words.peek().is_none() => device = Some(word),
            _ => return Err(other(format!("bad argument '{word}'"))),
        }
    }
    route.to = network(target, kind, mask, six)?;
    if reject {
        route.kind = 7;
    }
    if let Some(name) = device {
        let link = links::by_name(name).map_err(|error| about(name, &error))?;
        route.index = Some(link.index);
    }
    // What is not behind a router is on the link.
    if add && !six && route.via.is_none() && !reject {
        route.scope = 253;
    }
    Ok((route, metrics))
}

fn network(
    target: &str,
    kind: Option<bool>,
    mask: Option<u8>,
    six: bool,
) -> io::Result<Option<Network>> {
    let (host, prefix) = match target.split_once('/') {
        Some((host, prefix)) => {
            let most = if six { 128 } else { 32 };
            (host, Some(number(prefix, 0, most)?))
        }
        None => (target, None),
    };
    if target == "default" {
        return Ok(None);
    }
    let address = resolve(host, six)?;
    let prefix = match (prefix, mask, address) {
        (Some(_), Some(_), _) => return Err(other("use prefix or netmask, not both")),
        (Some(prefix), None, _) => u8::try_from(prefix).unwrap_or(32),
        (None, Some(mask), _) => mask,
        (None, None, IpAddr::V6(_)) => 128,
        (None, None, IpAddr::V4(v4)) => match kind {
            _ if v4.is_unspecified() => 0,
            Some(true) => 32,
            Some(false) => class(v4),
            // An address whose host part is zero was a network when networks had classes.
            None => {
                let length = class(v4);
                let host = !u32::from(links::mask(length));
                if u32::from(v4) & host == 0 {
                    length
                } else {
                    32
                }
            }
        },
    };
    if let IpAddr::V4(v4) = address {
        let host = !u32::from(links::mask(prefix));
        if kind == Some(true) && prefix != 32 {
            return Err(other(format!(
                "netmask {} and host route conflict",
                links::mask(prefix)
            )));
        }
        if u32::from(v4) & host != 0 {
            return Err(other("netmask and route address conflict"));
        }
    }
    Ok((prefix > 0 || !address.is_unspecified()).then_some(Network { address, prefix }))
}

fn class(address: Ipv4Addr) -> u8 {
    match address.octets().first().copied().unwrap_or(0) {
        0..=127 => 8,
        128..=191 => 16,
        192..=223 => 24,
        _ => 32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let to = |target, kind, mask| {
            network(target, kind, mask, false)
                .map(|to| to.map_or_else(|| "default".to_owned(), |to| to.to_string()))
                .map_err(|error| error.to_string())
        };
        assert_eq!(to("default", None, None).unwrap(), "default");
        assert_eq!(to("0.0.0.0", None, None).unwrap(), "default");
        assert_eq!(to("10.0.0.0", None, None).unwrap(), "10.0.0.0/8");
        assert_eq!(to("192.168.1.0", None, None).unwrap(), "192.168.1.0/24");
        assert_eq!(to("192.168.1.1", None, None).unwrap(), "192.168.1.1/32");
        assert_eq!(
            to("10.1.0.0", Some(false), Some(16)).unwrap(),
            "10.1.0.0/16"
        );
        assert_eq!(to("10.1.0.0/20", None, None).unwrap(), "10.1.0.0/20");
        for (target, kind, mask) in [
            ("10.0.0.1/8", None, None),
            ("10.0.0.0", Some(true), Some(8)),
            ("10.0.0.0/8", None, Some(8)),
            ("10.0.0.0/33", None, None),
        ] {
            assert!(to(target, kind, mask).is_err(), "{target}");
        }
    }

    #[test]
    fn words() {
        let (route, metrics) = read(
            &[
                "#net",
                "10.0.0.0",
                "gw",
                "127.0.0.1",
                "metric",
                "5",
                "mss",
                "1400",
            ],
            false,
            true,
        )
        .unwrap();
        assert_eq!((route.metric, metrics), (Some(5), vec![(8, 1400)]));
        let (route, _) = read(&["#host", "10.0.0.9", "reject", "lo"], false, true).unwrap();
        assert_eq!((route.kind, route.index.is_some()), (7, true));
        for bad in [
            &["default", "gw"][..],
            &["10.0.0.0", "x", "y"],
            &[],
            &["default", "mss", "1"],
        ] {
            assert!(read(bad, false, true).is_err(), "{bad:?}");
        }
    }
}

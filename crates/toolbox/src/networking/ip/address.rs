//! `ip address`.

use super::{Failure, View, Words, command, index, ip, network, scope, scope_name, show, usage};
use crate::common::glob;
use crate::common::links::{self, Address, Network};
use crate::common::routes::Change;
use std::net::IpAddr;

/// `IFA_…`
const ANYCAST: u16 = 5;
const FLAGS: u16 = 8;
const NO_PREFIX_ROUTE: u32 = 0x200;

/// Which addresses are meant; what is not said does not count.
#[derive(Debug, Default)]
pub(super) struct Filter<'a> {
    pub(super) device: Option<&'a str>,
    pub(super) only_up: bool,
    scope: Option<u8>,
    to: Option<Network>,
    label: Option<&'a str>,
    /// `Some(true)`: those that last.
    permanent: Option<bool>,
}

impl Filter<'_> {
    /// Whether only some of an interface's addresses are asked for.
    pub(super) fn is_narrow(&self) -> bool {
        self.scope.is_some()
            || self.to.is_some()
            || self.label.is_some()
            || self.permanent.is_some()
    }

    /// Whether an address is meant; the interface is not looked at.
    pub(super) fn takes(&self, address: &Address) -> bool {
        let label = address.label.as_deref().unwrap_or_default();
        self.scope.is_none_or(|scope| scope == address.scope)
            && self
                .to
                .is_none_or(|to| to.contains(&address.network.address))
            && self
                .permanent
                .is_none_or(|lasts| lasts == (address.flags & 0x80 != 0))
            && self.label.is_none_or(|pattern| {
                glob::matches(
                    pattern.as_bytes(),
                    label.as_bytes(),
                    glob::Options::default(),
                )
            })
    }
}

/// `ip address …`
pub(super) fn address(view: &mut View, words: &[&str]) -> Result<(), Failure> {
    let commands = [
        "show", "list", "lst", "add", "change", "chg", "replace", "delete", "flush",
    ];
    let (verb, rest) = match command(words, &commands) {
        // `ip addr eth0`: the command may be left out.
        Err(_)
            if words
                .first()
                .is_some_and(|word| links::by_name(word).is_ok()) =>
        {
            ("show", words)
        }
        other => other?,
    };
    match verb {
        "show" | "list" | "lst" => show::addresses(view, &filter(rest)?),
        "flush" => {
            if rest.is_empty() {
                return usage("flush needs to know which");
            }
            flush(view, &filter(rest)?)
        }
        "delete" => change(rest, Change::Remove),
        "add" => change(rest, Change::Add),
        "replace" => change(rest, Change::Replace),
        _ => change(rest, Change::Change),
    }
}

fn filter<'a>(words: &'a [&'a str]) -> Result<Filter<'a>, Failure> {
    let mut words = Words::new(words);
    let mut filter = Filter::default();
    while let Some(word) = words.next() {
        match word {
            "up" => filter.only_up = true,
            "to" => filter.to = Some(network(words.value(word)?)?),
            "label" => filter.label = Some(words.value(word)?),
            "permanent" => filter.permanent = Some(true),
            "dynamic" => filter.permanent = Some(false),
            "scope" => {
                filter.scope = match words.value(word)? {
                    "all" => None,
                    text => Some(scope(text)?),
                };
            }
            "dev" => filter.device = Some(words.value(word)?),
            word if filter.device.is_none() => filter.device = Some(word),
            word => return usage(format!("'{word}' is not understood here")),
        }
    }
    Ok(filter)
}

fn flush(view: &View, filter: &Filter<'_>) -> Result<(), Failure> {
    let all = links::links()?;
    if let Some(name) = filter.device {
        index(name)?;
    }
    for address in links::addresses()? {
        let on = all.iter().find(|link| link.index == address.index);
        let meant = on.is_some_and(|link| {
            filter.device.is_none_or(|name| name == link.name)
                && (!filter.only_up || link.flags & links::UP != 0)
        });
        if meant
            && show::wanted(view, links::family(&address.network.address))
            && filter.takes(&address)
        {
            match links::change_address(&address, false) {
                // With the first address of a network its secondary ones go.
                Err(error) if error.raw_os_error() == Some(99) => {}
                done => done?,
            }
        }
    }
    Ok(())
}

/// The broadcast address that belongs to a network: its last one, or its first one.
fn broadcast(of: Network, last: bool) -> Option<IpAddr> {
    let IpAddr::V4(address) = of.address else {
        return None;
    };
    let mask = u32::from(links::mask(of.prefix));
    let address = u32::from(address);
    let address = if last {
        address | !mask
    } else {
        address & mask
    };
    Some(IpAddr::V4(address.into()))
}

fn change(words: &[&str], change: Change) -> Result<(), Failure> {
    let mut words = Words::new(words);
    let (mut device, mut local, mut peer) = (None, None, None);
    let (mut label, mut spread, mut chosen) = (None, None, None);
    let mut more = Vec::new();
    while let Some(word) = words.next() {
        match word {
            "peer" | "remote" => peer = Some(network(words.value(word)?)?),
            "broadcast" | "brd" => spread = Some(words.value(word)?),
            "anycast" => more.push((ANYCAST, links::octets(&ip(words.value(word)?)?))),
            "scope" => chosen = Some(scope(words.value(word)?)?),
            "dev" => device = Some(words.value(word)?),
            "label" => label = Some(words.value(word)?),
            "noprefixroute" => more.push((FLAGS, NO_PREFIX_ROUTE.to_ne_bytes().to_vec())),
            "local" => local = Some(network(words.value(word)?)?),
            word if local.is_none() => local = Some(network(word)?),
            word => return usage(format!("'{word}' is not understood here")),
        }
    }
    let (Some(device), Some(local)) = (device, local) else {
        return usage("an address and a device are needed");
    };
    if let Some(label) = label
        && !label.starts_with(device)
    {
        return usage(format!("'label' must begin with '{device}'"));
    }
    // With a peer, the prefix is the peer's.
    let wanted = Network {
        address: local.address,
        prefix: peer.map_or(local.prefix, |peer| peer.prefix),
    };
    let spread = match spread {
        None => None,
        Some("+") => broadcast(wanted, true),
        Some("-") => broadcast(wanted, false),
        Some(text) => Some(ip(text)?),
    };
    let address = Address {
        index: index(device)?,
        network: wanted,
        peer: peer.map(|peer| peer.address),
        broadcast: spread,
        scope: chosen.unwrap_or(0),
        flags: 0,
        label: label.map(str::to_owned),
        lifetime: (u32::MAX, u32::MAX),
    };
    Ok(links::send_address(&address, change, &more)?)
}

/// What is shown of an address behind the address itself.
pub(super) fn scope_text(address: &Address) -> String {
    format!(" scope {}", scope_name(address.scope))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasts_and_filters() {
        let of = Network::parse("10.1.2.3/24").unwrap();
        assert_eq!(broadcast(of, true).unwrap().to_string(), "10.1.2.255");
        assert_eq!(broadcast(of, false).unwrap().to_string(), "10.1.2.0");
        assert_eq!(broadcast(Network::parse("fd00::1/64").unwrap(), true), None);
        let address = Address {
            index: 1,
            network: of,
            peer: None,
            broadcast: None,
            scope: 253,
            flags: 0x80,
            label: Some("eth0:1".into()),
            lifetime: (0, 0),
        };
        for (words, meant) in [
            (&["scope", "link"][..], true),
            (&["scope", "global"], false),
            (&["scope", "all", "label", "eth0:*"], true),
            (&["label", "eth0"], false),
            (&["to", "10.1.0.0/16"], true),
            (&["to", "10.2.0.0/16", "permanent"], false),
            (&["dynamic"], false),
        ] {
            let Ok(filter) = filter(words) else {
                panic!("{words:?} is a filter");
            };
            assert_eq!(filter.takes(&address), meant, "{words:?}");
        }
        assert!(filter(&["scope", "x"]).is_err());
        assert!(filter(&["a", "b"]).is_err());
    }
}

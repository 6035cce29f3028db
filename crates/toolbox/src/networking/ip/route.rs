//! `ip route`.

use super::{
    Failure, View, Words, command, index, ip, named_number, network, number_name, scope, show,
    table, unsigned, usage,
};
use crate::common::links::{self, Network};
use crate::common::routes::{self, Change, Route};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The kinds of routes; a word that begins one of them, and no address, means it.
const KINDS: &[(u32, &str)] = &[
    (1, "unicast"),
    (2, "local"),
    (3, "broadcast"),
    (4, "anycast"),
    (5, "multicast"),
    (6, "blackhole"),
    (7, "unreachable"),
    (8, "prohibit"),
    (9, "throw"),
    (10, "nat"),
];

/// Who makes routes.
const PROTOCOLS: &[(u32, &str)] = &[
    (0, "none"),
    (1, "redirect"),
    (2, "kernel"),
    (3, "boot"),
    (4, "static"),
    (9, "ra"),
    (16, "dhcp"),
];

/// `RTAX_…`
const LOCK: u16 = 1;
const MTU: u16 = 2;
const SEGMENT: u16 = 8;

/// The name of a kind.
pub(super) fn kind_name(kind: u8) -> &'static str {
    let found = KINDS.iter().find(|(known, _)| *known == u32::from(kind));
    found.map_or("", |(_, name)| name)
}

/// The name of who made a route.
pub(super) fn protocol_name(protocol: u8) -> String {
    number_name(protocol.into(), PROTOCOLS, "rt_protos")
}

fn protocol(text: &str) -> Result<u8, Failure> {
    match named_number(text, PROTOCOLS, "rt_protos").map(u8::try_from) {
        Some(Ok(number)) => Ok(number),
        _ => usage(format!("'{text}' is no routing protocol")),
    }
}

fn kind(text: &str) -> Option<u8> {
    let found = KINDS.iter().find(|(_, name)| *name == text)?;
    u8::try_from(found.0).ok()
}

fn tos(text: &str) -> Result<u8, Failure> {
    let hex = text.strip_prefix("0x").unwrap_or(text);
    match u8::from_str_radix(hex, 16) {
        Ok(tos) => Ok(tos),
        Err(_) => usage(format!("invalid value for 'tos': {text}")),
    }
}

/// A destination: `default` and `any` are the network without bits, of no family in particular.
fn prefix(text: &str) -> Result<Option<Network>, Failure> {
    match text {
        "default" | "any" | "all" => Ok(None),
        text => network(text).map(Some),
    }
}

/// `ip route …`
pub(super) fn route(view: &mut View, words: &[&str]) -> Result<(), Failure> {
    let commands = [
        "list", "add", "append", "change", "chg", "delete", "get", "show", "prepend", "replace",
        "test", "flush",
    ];
    let (verb, rest) = command(words, &commands)?;
    match verb {
        "list" | "show" => {
            let filter = filter(view, rest)?;
            show::routes(view, &filter)
        }
        "flush" => {
            if rest.is_empty() {
                return usage("flush needs to know which");
            }
            flush(&filter(view, rest)?)
        }
        "get" => get(view, rest),
        "add" => change(view, rest, Change::Add),
        "append" => change(view, rest, Change::Append),
        "prepend" => change(view, rest, Change::Prepend),
        "delete" => change(view, rest, Change::Remove),
        "replace" => change(view, rest, Change::Replace),
        "test" => change(view, rest, Change::Test),
        _ => change(view, rest, Change::Change),
    }
}

/// Which routes are meant; what is not said does not count.
#[derive(Debug, Default)]
pub(super) struct Filter {
    pub(super) family: u8,
    /// 0: all tables.
    pub(super) table: u32,
    device: Option<u32>,
    via: Option<IpAddr>,
    source: Option<IpAddr>,
    protocol: Option<u8>,
    scope: Option<u8>,
    kind: Option<u8>,
    metric: Option<u32>,
    /// All that lies within.
    root: Option<Network>,
    /// All in which it lies.
    around: Option<Network>,
}

impl Filter {
    /// Whether a route is meant.
    pub(super) fn takes(&self, route: &Route) -> bool {
        let to = route.to.unwrap_or(everywhere(route.family));
        (self.table == 0 || route.table == self.table)
            && (self.family == 0 || route.family == self.family)
            && (self.device.is_none() || route.index == self.device)
            && (self.via.is_none() || route.via == self.via)
            && (self.source.is_none() || route.source == self.source)
            && (self.metric.is_none() || route.metric == self.metric)
            && self
                .protocol
                .is_none_or(|protocol| route.protocol == protocol)
            && self.scope.is_none_or(|scope| route.scope == scope)
            && self.kind.is_none_or(|kind| route.kind == kind)
            && self
                .root
                .is_none_or(|root| to.prefix >= root.prefix && root.contains(&to.address))
            && self
                .around
                .is_none_or(|inner| to.prefix <= inner.prefix && to.contains(&inner.address))
    }
}

/// The network of all addresses.
fn everywhere(family: u8) -> Network {
    let address = match family {
        10 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        _ => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    };
    Network { address, prefix: 0 }
}

fn filter(view: &View, words: &[&str]) -> Result<Filter, Failure> {
    let mut words = Words::new(words);
    let mut filter = Filter {
        table: 254,
        family: view.family,
        ..Filter::default()
    };
    let (mut root, mut around) = (None, None);
    while let Some(word) = words.next() {
        match word {
            "table" => {
                // The routes that were looked up are in no table any more.
                let text = words.value(word)?;
                filter.table = if text == "cache" {
                    u32::MAX
                } else {
                    table(text)?
                };
            }
            "cache" => filter.table = u32::MAX,
            "dev" | "oif" | "iif" => filter.device = Some(index(words.value(word)?)?),
            "via" => filter.via = Some(ip(words.value(word)?)?),
            "src" => filter.source = Some(ip(words.value(word)?)?),
            "metric" | "preference" | "priority" => filter.metric = Some(words.number(word)?),
            "proto" | "protocol" => {
                filter.protocol = match words.value(word)? {
                    "all" => None,
                    text => Some(protocol(text)?),
                };
            }
            "scope" => {
                filter.scope = match words.value(word)? {
                    "all" => None,
                    text => Some(scope(text)?),
                };
            }
            "type" => {
                let text = words.value(word)?;
                filter.kind = kind(text);
                if filter.kind.is_none() {
                    return usage(format!("'{text}' is no kind of routes"));
                }
            }
            "root" => root = Some(prefix(words.value(word)?)?),
            "match" => around = Some(prefix(words.value(word)?)?),
            "to" | "exact" => {
                let next = words.value(word)?;
                match next {
                    "root" => root = Some(prefix(words.value(next)?)?),
                    "match" => around = Some(prefix(words.value(next)?)?),
                    next => {
                        let text = if next == "exact" {
                            words.value(next)?
                        } else {
                            next
                        };
                        (root, around) = (Some(prefix(text)?), Some(prefix(text)?));
                    }
                }
            }
            word => match kind(word) {
                Some(kind) if word != "default" => filter.kind = Some(kind),
                _ => (root, around) = (Some(prefix(word)?), Some(prefix(word)?)),
            },
        }
    }
    let known = [
        root.flatten().map(|to| to.address),
        around.flatten().map(|to| to.address),
        filter.via,
        filter.source,
    ];
    if filter.family == 0 {
        let known = known.into_iter().flatten().next();
        // Without a hint it is IPv4.
        filter.family = known.map_or(2, |address| links::family(&address));
    }
    let family = filter.family;
    filter.root = root.map(|to| to.unwrap_or(everywhere(family)));
    filter.around = around.map(|to| to.unwrap_or(everywhere(family)));
    Ok(filter)
}

fn flush(filter: &Filter) -> Result<(), Failure> {
    for known in routes::routes(filter.family)? {
        if filter.takes(&known) {
            match routes::set_route(&known, Change::Remove) {
                // It went with another one.
                Err(error) if error.raw_os_error() == Some(3) => {}
                done => done?,
            }
        }
    }
    Ok(())
}

/// `ip route get`: the kernel's own choice.
fn get(view: &mut View, words: &[&str]) -> Result<(), Failure> {
    let mut words = Words::new(words);
    let (mut to, mut service) = (None, 0);
    let mut more = Vec::new();
    while let Some(word) = words.next() {
        match word {
            "from" => more.push((2, links::octets(&network(words.value(word)?)?.address))),
            "iif" => more.push((3, index(words.value(word)?)?.to_ne_bytes().to_vec())),
            "oif" | "dev" => more.push((4, index(words.value(word)?)?.to_ne_bytes().to_vec())),
            "tos" | "dsfield" => service = tos(words.value(word)?)?,
            "connected" | "notify" => return usage(format!("'{word}' is not understood here")),
            "to" => to = Some(network(words.value(word)?)?),
            word => to = Some(network(word)?),
        }
    }
    let Some(to) = to else {
        return usage("get needs an address");
    };
    show::route_to(view, routes::route_to_with(to.address, service, &more)?)
}

fn change(view: &View, words: &[&str], change: Change) -> Result<(), Failure> {
    let mut words = Words::new(words);
    let mut route = Route::default();
    let (mut target, mut chosen, mut maker) = (None, None, None);
    let (mut metrics, mut locked) = (Vec::new(), 0_u32);
    while let Some(word) = words.next() {
        match word {
            "dev" | "oif" => route.index = Some(index(words.value(word)?)?),
            "via" => route.via = Some(ip(words.value(word)?)?),
            "src" => route.source = Some(ip(words.value(word)?)?),
            "metric" | "preference" | "priority" => route.metric = Some(words.number(word)?),
            "table" => route.table = table(words.value(word)?)?,
            "proto" | "protocol" => maker = Some(protocol(words.value(word)?)?),
            "scope" => chosen = Some(scope(words.value(word)?)?),
            "tos" | "dsfield" => route.tos = tos(words.value(word)?)?,
            "onlink" => route.on_link = true,
            "mtu" | "advmss" => {
                let kind = if word == "mtu" { MTU } else { SEGMENT };
                let mut text = words.value(word)?;
                if kind == MTU && text == "lock" {
                    locked |= 1 << MTU;
                    text = words.value(word)?;
                }
                match unsigned(text) {
                    Some(number) => metrics.push((kind, number)),
                    None => return usage(format!("invalid value for '{word}': {text}")),
                }
            }
            "to" => target = Some(prefix(words.value(word)?)?),
            word => match kind(word) {
                Some(kind) if target.is_none() => route.kind = kind,
                _ if target.is_none() => target = Some(prefix(word)?),
                _ => return usage(format!("'{word}' is not understood here")),
            },
        }
    }
    if locked != 0 {
        metrics.push((LOCK, locked));
    }
    if target.is_none() && route.via.is_none() && route.index.is_none() {
        return usage("a destination is needed, or 'default'");
    }
    let to = target.flatten();
    let of = [to.map(|to| to.address), route.via, route.source];
    route.family = match of.into_iter().flatten().next() {
        Some(address) => links::family(&address),
        None if view.family == 10 => 10,
        None => 2,
    };
    route.to = to.filter(|to| to.prefix > 0);
    route.scope = chosen.unwrap_or(match (route.kind, route.family) {
        // What is this machine's own.
        (2 | 10, _) => 254,
        (_, 10) => 0,
        // What needs no router is on the link.
        (1 | 3 | 4, _) if route.via.is_none() => 253,
        _ => 0,
    });
    if let Some(maker) = maker {
        route.protocol = maker;
    }
    // Their own addresses and those to all are in a table of their own.
    if matches!(route.kind, 2..=4 | 10) && route.table == 254 {
        route.table = 255;
    }
    Ok(routes::set_route_with(&route, change, &metrics)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::lines::Output;

    #[test]
    fn which_routes_are_meant() {
        let view = View {
            family: 0,
            one_line: false,
            brief: false,
            out: Output::new(),
        };
        let within = Route {
            to: Network::parse("10.1.2.0/24"),
            ..Route::default()
        };
        let all = Route::default();
        for (words, first, second) in [
            (&["10.1.2.0/24"][..], true, false),
            (&["root", "10.0.0.0/8"], true, false),
            (&["match", "10.1.2.3"], true, true),
            (&["to", "match", "11.0.0.1"], false, true),
            (&["default"], false, true),
            (&["exact", "10.1.0.0/16"], false, false),
            (&["table", "local"], false, false),
            (
                &["proto", "boot", "scope", "global", "table", "all"],
                true,
                true,
            ),
            (&["type", "blackhole"], false, false),
            (&["cache"], false, false),
        ] {
            let Ok(filter) = filter(&view, words) else {
                panic!("{words:?} is a filter");
            };
            assert_eq!(
                (filter.takes(&within), filter.takes(&all)),
                (first, second),
                "{words:?}"
            );
        }
        for bad in [
            &["table", "x"][..],
            &["type", "x"],
            &["10.0.0.0/40"],
            &["proto", "256"],
            &["scope"],
        ] {
            assert!(filter(&view, bad).is_err(), "{bad:?}");
        }
    }
}

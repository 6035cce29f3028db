//! Routes and neighbours through rtnetlink(7), as `ip`, `route` and `arp` need them.

use super::links::{Network, address, bits, family, octets};
use std::io;
use std::net::IpAddr;
use sys::net::{self, Netlink, Request, word};

const NEW_ROUTE: u16 = 24;
const DEL_ROUTE: u16 = 25;
const GET_ROUTE: u16 = 26;
const NEW_NEIGHBOUR: u16 = 28;
const DEL_NEIGHBOUR: u16 = 29;
const GET_NEIGHBOUR: u16 = 30;

/// A route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where to; `None`: everywhere.
    pub to: Option<Network>,
    /// By which router.
    pub via: Option<IpAddr>,
    /// The interface's number.
    pub index: Option<u32>,
    /// The sender's address that is preferred.
    pub source: Option<IpAddr>,
    /// The smaller, the better.
    pub metric: Option<u32>,
    /// 254 is the main table.
    pub table: u32,
    /// Who made it: 2 kernel, 3 boot, 4 static.
    pub protocol: u8,
    /// 0 global, 253 link, 254 host.
    pub scope: u8,
    /// 1 unicast, 2 local, 3 broadcast, 6 blackhole, 7 unreachable, 8 prohibit.
    pub kind: u8,
    /// 2 or 10.
    pub family: u8,
    /// For packets with that type of service only.
    pub tos: u8,
    /// The router counts as being on the link.
    pub on_link: bool,
}

impl Default for Route {
    fn default() -> Route {
        Route {
            to: None,
            via: None,
            index: None,
            source: None,
            metric: None,
            table: 254,
            protocol: 3,
            scope: 0,
            kind: 1,
            family: 2,
            tos: 0,
            on_link: false,
        }
    }
}

/// `RTNH_F_ONLINK`
const ON_LINK: u32 = 4;

/// All routes of a family (0: of both).
///
/// # Errors
/// The system's error.
pub fn routes(family: u8) -> io::Result<Vec<Route>> {
    let mut fixed = [0_u8; 12];
    fixed[0] = family;
    let messages = Netlink::route()?.dump(&Request::new(GET_ROUTE, 0, &fixed))?;
    Ok(messages.iter().filter_map(read_route).collect())
}

fn read_route(message: &net::Message) -> Option<Route> {
    let body = &message.body;
    let byte = |at: usize| body.get(at).copied().unwrap_or(0);
    let attributes = message.attributes(12);
    let find = |kind: u16| attributes.find(kind);
    let to = find(1).and_then(address).map(|address| Network {
        address,
        prefix: byte(1),
    });
    Some(Route {
        to,
        via: find(5).and_then(address),
        index: find(4).map(|value| word(value, 0)),
        source: find(7).and_then(address),
        metric: find(6).map(|value| word(value, 0)),
        table: find(15).map_or_else(|| u32::from(byte(4)), |value| word(value, 0)),
        protocol: byte(5),
        scope: byte(6),
        kind: byte(7),
        family: *body.first()?,
        tos: byte(3),
        on_link: word(body, 8) & ON_LINK != 0,
    })
}

/// The route that the kernel takes to an address.
///
/// # Errors
/// The system's error: there is none.
pub fn route_to(to: IpAddr) -> io::Result<Option<Route>> {
    route_to_with(to, 0, &[])
}

/// [`route_to`] for packets of a type of service, and with further attributes: whence they come, and by which way.
///
/// # Errors
/// The system's error: there is none.
pub fn route_to_with(to: IpAddr, tos: u8, more: &[(u16, Vec<u8>)]) -> io::Result<Option<Route>> {
    let source = more.iter().find(|(kind, _)| *kind == 2);
    let source = source.map_or(0, |(_, value)| u8::try_from(value.len() * 8).unwrap_or(0));
    let fixed = [family(&to), bits(&to), source, tos, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut request = Request::new(GET_ROUTE, 0, &fixed);
    request.attribute(1, &octets(&to));
    for (kind, value) in more {
        request.attribute(*kind, value);
    }
    Ok(Netlink::route()?
        .get(&request)?
        .as_ref()
        .and_then(read_route))
}

/// Adds, replaces or removes a route.
///
/// # Errors
/// The system's error.
pub fn set_route(route: &Route, what: Change) -> io::Result<()> {
    set_route_with(route, what, &[])
}

/// [`set_route`] with metrics: `RTAX_…` and their values.
///
/// # Errors
/// The system's error.
pub fn set_route_with(route: &Route, what: Change, metrics: &[(u16, u32)]) -> io::Result<()> {
    let kind = if what == Change::Remove {
        DEL_ROUTE
    } else {
        NEW_ROUTE
    };
    let prefix = route.to.map_or(0, |to| to.prefix);
    let table = u8::try_from(route.table).unwrap_or(0);
    // To remove: any protocol and scope that fits.
    let (protocol, scope) = match what {
        Change::Remove => (0, 255),
        _ => (route.protocol, route.scope),
    };
    let flags = if route.on_link { ON_LINK } else { 0 };
    let mut fixed = vec![
        route.family,
        prefix,
        0,
        route.tos,
        table,
        protocol,
        scope,
        route.kind,
    ];
    fixed.extend(flags.to_ne_bytes());
    let mut request = Request::new(kind, what.flags(), &fixed);
    if let Some(to) = route.to {
        request.attribute(1, &octets(&to.address));
    }
    if let Some(via) = route.via {
        request.attribute(5, &octets(&via));
    }
    if let Some(source) = route.source {
        request.attribute(7, &octets(&source));
    }
    for (kind, value) in [(4, route.index), (6, route.metric), (15, Some(route.table))] {
        if let Some(value) = value {
            request.number(kind, value);
        }
    }
    if !metrics.is_empty() {
        request.nest(8, |inner| {
            for (kind, value) in metrics {
                inner.number(*kind, *value);
            }
        });
    }
    Netlink::route()?.change(&request)
}

/// What to do with a route, a neighbour or an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It must not be there.
    Add,
    /// Beside those that are there.
    Append,
    /// Before those that are there.
    Prepend,
    /// Instead of the one that is there, if there is one.
    Replace,
    /// Instead of the one that is there.
    Change,
    /// Nothing is made: only whether it is there.
    Test,
    /// It goes.
    Remove,
}

impl Change {
    /// The flags of the request.
    pub fn flags(self) -> u16 {
        match self {
            Change::Add => net::CREATE | net::EXCLUSIVE,
            Change::Append => net::CREATE | 0x800,
            Change::Prepend => net::CREATE,
            Change::Replace => net::CREATE | net::REPLACE,
            Change::Change => net::REPLACE,
            Change::Test => net::EXCLUSIVE,
            Change::Remove => 0,
        }
    }
}

/// Whom an interface knows on its link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// The interface's number.
    pub index: u32,
    /// The address.
    pub address: IpAddr,
    /// The hardware's.
    pub hardware: Option<Vec<u8>>,
    /// `NUD_…`
    pub state: u16,
    /// Whether it is a router.
    pub router: bool,
}

/// All neighbours.
///
/// # Errors
/// The system's error.
pub fn neighbours() -> io::Result<Vec<Neighbour>> {
    let messages = Netlink::route()?.dump(&Request::new(GET_NEIGHBOUR, 0, &[0; 12]))?;
    let read = |message: &net::Message| {
        Some(Neighbour {
            index: word(&message.body, 4),
            state: net::half(&message.body, 8),
            router: message.body.get(10)? & 0x80 != 0,
            address: message.attributes(12).find(1).and_then(address)?,
            hardware: message.attributes(12).find(2).map(<[u8]>::to_vec),
        })
    };
    Ok(messages.iter().filter_map(read).collect())
}

/// Adds, replaces or removes a neighbour.
///
/// # Errors
/// The system's error.
pub fn set_neighbour(neighbour: &Neighbour, what: Change) -> io::Result<()> {
    set_neighbour_as(neighbour, what, false)
}

/// [`set_neighbour`]; `proxy`: the interface answers for that address itself.
///
/// # Errors
/// The system's error.
pub fn set_neighbour_as(neighbour: &Neighbour, what: Change, proxy: bool) -> io::Result<()> {
    let kind = if what == Change::Remove {
        DEL_NEIGHBOUR
    } else {
        NEW_NEIGHBOUR
    };
    let mut fixed = vec![family(&neighbour.address), 0, 0, 0];
    fixed.extend_from_slice(&neighbour.index.to_ne_bytes());
    fixed.extend_from_slice(&neighbour.state.to_ne_bytes());
    let router = if neighbour.router { 0x80 } else { 0 };
    fixed.extend_from_slice(&[if proxy { 8 } else { router }, 0]);
    let mut request = Request::new(kind, what.flags(), &fixed);
    request.attribute(1, &octets(&neighbour.address));
    if let Some(hardware) = &neighbour.hardware {
        request.attribute(2, hardware);
    }
    Netlink::route()?.change(&request)
}

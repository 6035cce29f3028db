//! What `ip` prints.

use super::address::{Filter, scope_text};
use super::neighbour::{self, state_name};
use super::route::{self, kind_name, protocol_name};
use super::{Failure, View, index, scope_name, table_name};
use crate::common::links::{self, Link};
use crate::common::routes::{self, Route};

/// Whether a family is asked for.
pub(super) fn wanted(view: &View, family: u8) -> bool {
    view.family == 0 || view.family == family
}

const FLAGS: &[(u32, &str)] = &[
    (0x8, "LOOPBACK"),
    (0x2, "BROADCAST"),
    (0x10, "POINTOPOINT"),
    (0x1000, "MULTICAST"),
    (0x80, "NOARP"),
    (0x100, "PROMISC"),
    (0x200, "ALLMULTI"),
    (0x400, "MASTER"),
    (0x800, "SLAVE"),
    (0x1, "UP"),
    (0x1_0000, "LOWER_UP"),
];

fn flags(link: &Link) -> String {
    let mut words = Vec::new();
    if link.flags & 1 != 0 && link.flags & 0x1_0000 == 0 {
        words.push("NO-CARRIER");
    }
    words.extend(
        FLAGS
            .iter()
            .filter(|(flag, _)| link.flags & flag != 0)
            .map(|(_, name)| *name),
    );
    words.join(",")
}

fn state(link: &Link) -> &'static str {
    match link.state {
        1 => "NOTPRESENT",
        2 => "DOWN",
        3 => "LOWERLAYERDOWN",
        4 => "TESTING",
        5 => "DORMANT",
        6 => "UP",
        _ => "UNKNOWN",
    }
}

fn kind(link: &Link) -> String {
    match link.kind {
        1 => "ether".to_owned(),
        772 => "loopback".to_owned(),
        768 => "ipip".to_owned(),
        776 => "sit".to_owned(),
        65534 => "none".to_owned(),
        other => format!("[{other}]"),
    }
}

fn name_of(links: &[Link], index: u32) -> String {
    links
        .iter()
        .find(|link| link.index == index)
        .map_or_else(|| format!("if{index}"), |link| link.name.clone())
}

/// The name as it is shown: with the interface below it, if there is one.
fn shown_name(link: &Link, all: &[Link]) -> String {
    match link.lower {
        Some(lower) if lower != link.index && lower != 0 => {
            format!("{}@{}", link.name, name_of(all, lower))
        }
        _ => link.name.clone(),
    }
}

fn heading(link: &Link, all: &[Link], one_line: bool) -> String {
    let mut text = format!(
        "{}: {}: <{}> mtu {}",
        link.index,
        shown_name(link, all),
        flags(link),
        link.mtu
    );
    if !link.discipline.is_empty() {
        text.push_str(&format!(" qdisc {}", link.discipline));
    }
    if let Some(master) = link.master {
        text.push_str(&format!(" master {}", name_of(all, master)));
    }
    text.push_str(&format!(" state {}", state(link)));
    if link.queue > 0 {
        text.push_str(&format!(" qlen {}", link.queue));
    }
    text.push_str(if one_line { "\\" } else { "\n" });
    text.push_str(&format!("    link/{}", kind(link)));
    if !link.hardware.is_empty() {
        text.push_str(&format!(
            " {} brd {}",
            links::hardware_text(&link.hardware),
            links::hardware_text(&link.broadcast)
        ));
    }
    text.push('\n');
    text
}

fn chosen(device: Option<&str>, only_up: bool) -> Result<(Vec<Link>, Vec<Link>), Failure> {
    let all = links::links()?;
    if let Some(name) = device {
        index(name)?;
    }
    let some = all
        .iter()
        .filter(|link| device.is_none_or(|name| link.name == name))
        .filter(|link| !only_up || link.flags & links::UP != 0)
        .cloned()
        .collect();
    Ok((all, some))
}

/// `ip link show`
pub(super) fn links(view: &mut View, device: Option<&str>, only_up: bool) -> Result<(), Failure> {
    let (all, some) = chosen(device, only_up)?;
    for link in some {
        let text = if view.brief {
            format!(
                "{:<16} {:<14} {} <{}>\n",
                shown_name(&link, &all),
                state(&link),
                links::hardware_text(&link.hardware),
                flags(&link)
            )
        } else {
            heading(&link, &all, view.one_line)
        };
        view.out.put(text.as_bytes());
    }
    Ok(())
}

fn lifetime(seconds: u32) -> String {
    match seconds {
        u32::MAX => "forever".to_owned(),
        seconds => format!("{seconds}sec"),
    }
}

/// `ip address show`
pub(super) fn addresses(view: &mut View, filter: &Filter<'_>) -> Result<(), Failure> {
    let (all, some) = chosen(filter.device, filter.only_up)?;
    let addresses = links::addresses()?;
    for link in some {
        let own = addresses.iter().filter(|address| {
            address.index == link.index
                && wanted(view, links::family(&address.network.address))
                && filter.takes(address)
        });
        let own: Vec<_> = own.collect();
        if own.is_empty() && (filter.is_narrow() || !matches!(view.family, 0 | 17)) {
            continue;
        }
        let mut text = String::new();
        if view.brief {
            let list: Vec<String> = own
                .iter()
                .map(|address| address.network.to_string())
                .collect();
            text = format!(
                "{:<16} {:<14} {}\n",
                shown_name(&link, &all),
                state(&link),
                list.join(" ")
            );
            view.out.put(text.as_bytes());
            continue;
        }
        if !view.one_line {
            text = heading(&link, &all, false);
        }
        for address in own {
            let six = address.network.address.is_ipv6();
            if view.one_line {
                text.push_str(&format!("{}: {}", link.index, link.name));
            }
            text.push_str(if six { "    inet6 " } else { "    inet " });
            match address.peer {
                Some(peer) => text.push_str(&format!(
                    "{} peer {peer}/{}",
                    address.network.address, address.network.prefix
                )),
                None => text.push_str(&address.network.to_string()),
            }
            if let Some(broadcast) = address.broadcast {
                text.push_str(&format!(" brd {broadcast}"));
            }
            text.push_str(&scope_text(address));
            for (flag, word) in [
                (0x01, "secondary"),
                (0x08, "dadfailed"),
                (0x20, "deprecated"),
                (0x40, "tentative"),
            ] {
                if address.flags & flag != 0 {
                    text.push_str(&format!(" {word}"));
                }
            }
            if address.flags & 0x80 == 0 {
                text.push_str(" dynamic");
            }
            if let Some(label) = &address.label {
                text.push_str(&format!(" {label}"));
            }
            text.push_str(if view.one_line { "\\" } else { "\n" });
            text.push_str(&format!(
                "       valid_lft {} preferred_lft {}\n",
                lifetime(address.lifetime.0),
                lifetime(address.lifetime.1)
            ));
        }
        view.out.put(text.as_bytes());
    }
    Ok(())
}

fn route_text(route: &Route, links: &[Link], with_table: bool) -> String {
    let mut text = String::new();
    if route.kind != 1 {
        text = format!("{} ", kind_name(route.kind));
    }
    match route.to {
        None => text.push_str("default"),
        Some(to) if to.prefix == links::bits(&to.address) => {
            text.push_str(&to.address.to_string());
        }
        Some(to) => text.push_str(&to.to_string()),
    }
    if let Some(via) = route.via {
        text.push_str(&format!(" via {via}"));
    }
    if let Some(index) = route.index {
        text.push_str(&format!(" dev {}", name_of(links, index)));
    }
    if route.tos != 0 {
        text.push_str(&format!(" tos 0x{:02x}", route.tos));
    }
    if with_table && route.table != 254 {
        text.push_str(&format!(" table {}", table_name(route.table)));
    }
    // That it was made by hand, or at boot, goes without saying.
    if !matches!(route.protocol, 0 | 3) {
        text.push_str(&format!(" proto {}", protocol_name(route.protocol)));
    }
    if route.scope != 0 && route.kind == 1 {
        text.push_str(&format!(" scope {}", scope_name(route.scope)));
    }
    if let Some(source) = route.source {
        text.push_str(&format!(" src {source}"));
    }
    if let Some(metric) = route.metric {
        text.push_str(&format!(" metric {metric}"));
    }
    if route.on_link {
        text.push_str(" onlink");
    }
    text.push_str(" \n");
    text
}

/// `ip route show`
pub(super) fn routes(view: &mut View, filter: &route::Filter) -> Result<(), Failure> {
    let links = links::links()?;
    for route in routes::routes(filter.family)? {
        if filter.takes(&route) {
            let text = route_text(&route, &links, filter.table == 0);
            view.out.put(text.as_bytes());
        }
    }
    Ok(())
}

/// `ip route get`
pub(super) fn route_to(view: &mut View, found: Option<Route>) -> Result<(), Failure> {
    let links = links::links()?;
    if let Some(mut route) = found {
        (route.scope, route.protocol) = (0, 0);
        let text = route_text(&route, &links, true);
        view.out.put(text.as_bytes());
    }
    Ok(())
}

/// `ip neigh show`
pub(super) fn neighbours(view: &mut View, filter: &neighbour::Filter) -> Result<(), Failure> {
    let links = links::links()?;
    for neighbour in routes::neighbours()? {
        if !filter.takes(&neighbour) || !wanted(view, links::family(&neighbour.address)) {
            continue;
        }
        let mut text = format!(
            "{} dev {}",
            neighbour.address,
            name_of(&links, neighbour.index)
        );
        if let Some(hardware) = &neighbour.hardware {
            text.push_str(&format!(" lladdr {}", links::hardware_text(hardware)));
        }
        if neighbour.router {
            text.push_str(" router");
        }
        text.push_str(&format!(" {}", state_name(neighbour.state)));
        text.push('\n');
        view.out.put(text.as_bytes());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::links::Network;

    #[test]
    fn routes_read_as_ip_prints_them() {
        let eth0 = Link {
            index: 2,
            name: "eth0".into(),
            ..Link::default()
        };
        let mut route = Route {
            via: Some("10.0.2.2".parse().unwrap()),
            index: Some(2),
            metric: Some(202),
            ..Route::default()
        };
        assert_eq!(
            route_text(&route, std::slice::from_ref(&eth0), false),
            "default via 10.0.2.2 dev eth0 metric 202 \n"
        );
        route = Route {
            to: Network::parse("10.0.2.0/24"),
            index: Some(9),
            protocol: 2,
            scope: 253,
            source: Some("10.0.2.15".parse().unwrap()),
            ..Route::default()
        };
        assert_eq!(
            route_text(&route, &[eth0], false),
            "10.0.2.0/24 dev if9 proto kernel scope link src 10.0.2.15 \n"
        );
    }
}

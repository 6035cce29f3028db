//! `ip neigh`.

use super::{Failure, View, Words, command, index, ip, network, show, unsigned, usage};
use crate::common::links::{self, Network};
use crate::common::routes::{self, Change, Neighbour};

/// What is known of a neighbour (`NUD_…`).
const STATES: &[(u16, &str)] = &[
    (0x00, "none"),
    (0x01, "incomplete"),
    (0x02, "reachable"),
    (0x04, "stale"),
    (0x08, "delay"),
    (0x10, "probe"),
    (0x20, "failed"),
    (0x40, "noarp"),
    (0x80, "permanent"),
];

/// The name of a state, as it is shown.
pub(super) fn state_name(state: u16) -> String {
    let found = STATES
        .iter()
        .find(|(known, _)| *known == state && state != 0);
    found.map_or_else(String::new, |(_, name)| name.to_uppercase())
}

fn state(text: &str) -> Result<u16, Failure> {
    if let Some((state, _)) = STATES.iter().find(|(_, name)| *name == text) {
        return Ok(*state);
    }
    match unsigned(text).map(u16::try_from) {
        Some(Ok(state)) => Ok(state),
        _ => usage(format!("'{text}' is no state of neighbours")),
    }
}

/// Which neighbours are meant.
#[derive(Debug)]
pub(super) struct Filter {
    device: Option<u32>,
    to: Option<Network>,
    /// Any of these states.
    states: u16,
}

impl Filter {
    /// Whether a neighbour is meant.
    pub(super) fn takes(&self, neighbour: &Neighbour) -> bool {
        self.device.is_none_or(|device| device == neighbour.index)
            && self.to.is_none_or(|to| to.contains(&neighbour.address))
            && (neighbour.state & self.states != 0
                || neighbour.state == 0 && self.states & 0x100 != 0)
    }
}

/// `usual`: the states where none is said.
fn filter(words: &[&str], usual: u16) -> Result<Filter, Failure> {
    let mut words = Words::new(words);
    let mut filter = Filter {
        device: None,
        to: None,
        states: 0,
    };
    while let Some(word) = words.next() {
        match word {
            "dev" => filter.device = Some(index(words.value(word)?)?),
            "nud" => {
                filter.states |= match words.value(word)? {
                    "all" => u16::MAX,
                    "none" => 0x100,
                    text => state(text)?,
                };
            }
            "to" => filter.to = Some(network(words.value(word)?)?),
            word => filter.to = Some(network(word)?),
        }
    }
    if filter.states == 0 {
        filter.states = usual;
    }
    Ok(filter)
}

/// `ip neigh …`
pub(super) fn neighbour(view: &mut View, words: &[&str]) -> Result<(), Failure> {
    let commands = [
        "show", "list", "lst", "add", "replace", "change", "chg", "delete", "flush",
    ];
    let (verb, rest) = command(words, &commands)?;
    match verb {
        // What needs no neighbour is of no interest.
        "show" | "list" | "lst" => show::neighbours(view, &filter(rest, 0xbf)?),
        "flush" => {
            if rest.is_empty() {
                return usage("flush needs to know which");
            }
            // What is permanent or needs no asking stays.
            let filter = filter(rest, 0x3f)?;
            for known in routes::neighbours()? {
                if filter.takes(&known) && show::wanted(view, links::family(&known.address)) {
                    match routes::set_neighbour(&known, Change::Remove) {
                        Err(error) if error.raw_os_error() == Some(2) => {}
                        done => done?,
                    }
                }
            }
            Ok(())
        }
        "add" => change(rest, Change::Add),
        "replace" => change(rest, Change::Replace),
        "delete" => change(rest, Change::Remove),
        _ => change(rest, Change::Change),
    }
}

fn change(words: &[&str], change: Change) -> Result<(), Failure> {
    let mut words = Words::new(words);
    let (mut device, mut address, mut hardware) = (None, None, None);
    // Permanent.
    let mut known = 0x80;
    while let Some(word) = words.next() {
        match word {
            "dev" => device = Some(words.value(word)?),
            "lladdr" => {
                let text = words.value(word)?;
                hardware = links::hardware(text);
                if hardware.is_none() {
                    return usage(format!("'{text}' is no hardware address"));
                }
            }
            "nud" => known = state(words.value(word)?)?,
            "to" => address = Some(ip(words.value(word)?)?),
            word => address = Some(ip(word)?),
        }
    }
    let (Some(device), Some(address)) = (device, address) else {
        return usage("an address and a device are needed");
    };
    let neighbour = Neighbour {
        index: index(device)?,
        address,
        hardware,
        state: known,
        router: false,
    };
    Ok(routes::set_neighbour(&neighbour, change)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_neighbours_are_meant() {
        let neighbour = |state: u16| Neighbour {
            index: 2,
            address: "10.0.0.9".parse().unwrap(),
            hardware: None,
            state,
            router: false,
        };
        for (words, known, meant) in [
            (&[][..], 0x04, true),
            (&[], 0x40, false),
            (&["nud", "noarp"], 0x40, true),
            (&["nud", "stale", "nud", "probe"], 0x10, true),
            (&["nud", "stale"], 0x80, false),
            (&["10.0.0.0/24"], 0x80, true),
            (&["to", "10.1.0.0/24"], 0x80, false),
            (&["nud", "none"], 0, true),
        ] {
            let Ok(filter) = filter(words, 0xbf) else {
                panic!("{words:?} is a filter");
            };
            assert_eq!(filter.takes(&neighbour(known)), meant, "{words:?} {known}");
        }
        for bad in [
            &["nud", "x"][..],
            &["nud", "70000"],
            &["x"],
            &["dev", "no-such"],
        ] {
            assert!(filter(bad, 1).is_err(), "{bad:?}");
        }
    }
}

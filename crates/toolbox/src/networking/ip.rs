//! `ip` (ip(8)): links, addresses, routes, rules, neighbours and tunnels; `ipaddr` and its like name the object.

mod address;
mod link;
mod neighbour;
mod route;
mod rule;
mod show;
mod tunnel;

use crate::common::lines::{Output, cause, say};
use crate::common::links::{self, Network};
use std::ffi::OsString;
use std::io;
use std::net::IpAddr;

pub const USAGE: &str = "[-4|-6|-f FAMILY] [-o] [-br] OBJECT [COMMAND]

link     show [DEV] [up] | set DEV [up|down] [mtu N] [qlen N] [name NEW] [address MAC] [master DEV|nomaster]
         [arp|multicast|allmulticast|promisc on|off] [netns PID] | del DEV
         | add [link DEV] [name] NAME [mtu N] [address MAC] type dummy|bridge|veth [peer name NAME]|vrf table T
         |vlan id N [protocol P] [reorder_hdr|gvrp|mvrp|loose_binding on|off]|macvlan|…
address  show [dev DEV] [scope S] [to PREFIX] [label L] [up] | flush dev DEV [scope S] [to PREFIX] [label L]
         | add|replace|del ADDRESS/PREFIX [peer PREFIX] [broadcast B|+] [anycast A] [label L] [scope S]
         [noprefixroute] dev DEV
route    show|flush [table T] [dev DEV] [via A] [src A] [proto P] [scope S] [root|match|exact] [PREFIX]
         | add|replace|append|change|test|del PREFIX|default [via ROUTER] [dev DEV] [src A] [metric N] [table T]
         [proto P] [scope S] [onlink] [mtu N] [advmss N] | get ADDRESS [from A] [iif DEV] [oif DEV] [tos N]
rule     show | add|del [from PREFIX] [to PREFIX] [tos N] [fwmark N[/MASK]] [iif DEV] [oif DEV] [pref N]
         [table T|prohibit|unreachable|blackhole] [realms N[/N]] [suppress_prefixlength N]
neigh    show|flush [to PREFIX] [dev DEV] [nud STATE] | add|replace|del ADDRESS [lladdr MAC] [nud STATE] dev DEV
tunnel   show [NAME] | add|change|del NAME [mode ipip|gre|sit] [remote A] [local A] [ttl N] [tos N] [dev DEV]
         [[i|o]key K] [[i|o]seq] [[i|o]csum] [[no]pmtudisc]
objects and commands may be cut short";
pub const OBJECT_USAGE: &str = "[-4|-6|-f FAMILY] [-o] [COMMAND]

as 'ip OBJECT': see 'ip --help'";

/// How to show, and what of it.
pub(super) struct View {
    /// 0: both.
    pub(super) family: u8,
    /// Each on a line.
    pub(super) one_line: bool,
    /// In columns.
    pub(super) brief: bool,
    pub(super) out: Output,
}

/// What went wrong: our words, or the kernel's.
pub(super) enum Failure {
    Usage(String),
    Kernel(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Kernel(error)
    }
}

pub(super) fn usage<T>(what: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Usage(what.into()))
}

/// `ip`. Status: 1 for a wrong use, 2 for what the kernel refused.
pub fn main(arguments: &[OsString]) -> i32 {
    run(arguments, None)
}

/// `ipaddr`, `iplink`, `ipneigh`, `iproute`, `iprule`, `iptunnel`: the object is in the name.
pub fn named(arguments: &[OsString]) -> i32 {
    let name = arguments.first().map(|name| name.to_string_lossy());
    let object = name.as_deref().and_then(|name| name.rsplit('/').next());
    run(arguments, object.and_then(|name| name.strip_prefix("ip")))
}

/// What an object's commands are done by.
type Object = fn(&mut View, &[&str]) -> Result<(), Failure>;

/// The objects, each by its whole name: the first one that a word begins is meant.
const OBJECTS: &[(&str, Object)] = &[
    ("address", address::address),
    ("route", route::route),
    ("rule", rule::rule),
    ("link", link::link),
    ("tunnel", tunnel::tunnel),
    ("tunl", tunnel::tunnel),
    ("neighbour", neighbour::neighbour),
    ("neighbor", neighbour::neighbour),
];

fn run(arguments: &[OsString], object: Option<&str>) -> i32 {
    let mut words = Vec::new();
    for argument in arguments.iter().skip(1) {
        match argument.to_str() {
            Some(word) => words.push(word),
            None => {
                say("ip", format!("invalid argument '{}'", argument.display()));
                return 1;
            }
        }
    }
    let mut view = View {
        family: 0,
        one_line: false,
        brief: false,
        out: Output::new(),
    };
    let mut rest = words.as_slice();
    while let [option, behind @ ..] = rest {
        rest = behind;
        match option
            .strip_prefix('-')
            .map(|name| name.strip_prefix('-').unwrap_or(name))
        {
            Some("4") => view.family = 2,
            Some("6") => view.family = 10,
            Some("0") => view.family = 17,
            Some("o" | "oneline") => view.one_line = true,
            Some("br" | "brief") => view.brief = true,
            Some("f" | "family") => {
                view.family = match rest.first() {
                    Some(&"inet") => 2,
                    Some(&"inet6") => 10,
                    Some(&"link") => 17,
                    Some(word) => {
                        say("ip", format!("'{word}' is no family"));
                        return 1;
                    }
                    None => {
                        say("ip", "option '-f' needs a value");
                        return 1;
                    }
                };
                rest = rest.get(1..).unwrap_or_default();
            }
            Some(_) => {
                say("ip", format!("unrecognized option '{option}'"));
                return 1;
            }
            None => {
                rest = words
                    .get(words.len() - rest.len() - 1..)
                    .unwrap_or_default();
                break;
            }
        }
    }
    let object = match (object, rest.split_first()) {
        (Some(object), _) => object,
        (None, Some((object, behind))) => {
            rest = behind;
            object
        }
        (None, None) => {
            say(
                "ip",
                "an object is needed: address, route, rule, link, tunnel or neigh",
            );
            return 1;
        }
    };
    let done = match OBJECTS.iter().find(|(name, _)| name.starts_with(object)) {
        Some((_, run)) => run(&mut view, rest),
        None => usage(format!("object '{object}' is unknown")),
    };
    let status = match done {
        Ok(()) => 0,
        Err(Failure::Usage(what)) => {
            say("ip", what);
            1
        }
        Err(Failure::Kernel(error)) => {
            say("ip", format!("RTNETLINK answers: {}", cause(&error)));
            2
        }
    };
    view.out.finish("ip", status, 1)
}

/// The words of a command, read one after the other.
pub(super) struct Words<'a> {
    rest: std::slice::Iter<'a, &'a str>,
}

impl<'a> Words<'a> {
    pub(super) fn new(words: &'a [&'a str]) -> Words<'a> {
        Words { rest: words.iter() }
    }

    pub(super) fn next(&mut self) -> Option<&'a str> {
        self.rest.next().copied()
    }

    /// The value that must be there behind a word.
    pub(super) fn value(&mut self, of: &str) -> Result<&'a str, Failure> {
        match self.next() {
            Some(word) => Ok(word),
            None => usage(format!("'{of}' needs a value")),
        }
    }

    pub(super) fn number<T: std::str::FromStr>(&mut self, of: &str) -> Result<T, Failure> {
        let word = self.value(of)?;
        match word.parse() {
            Ok(number) => Ok(number),
            Err(_) => usage(format!("invalid value for '{of}': {word}")),
        }
    }
}

/// The number of an interface.
pub(super) fn index(name: &str) -> Result<u32, Failure> {
    match links::by_name(name) {
        Ok(link) => Ok(link.index),
        Err(error) if error.raw_os_error() == Some(19) => {
            usage(format!("can't find device '{name}'"))
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) fn network(text: &str) -> Result<Network, Failure> {
    match Network::parse(text) {
        Some(network) => Ok(network),
        None => usage(format!("'{text}' is no address")),
    }
}

pub(super) fn ip(text: &str) -> Result<IpAddr, Failure> {
    match text.parse() {
        Ok(address) => Ok(address),
        Err(_) => usage(format!("'{text}' is no address")),
    }
}

/// Which of the commands a word begins; the first one where there is no word.
pub(super) fn command<'a>(
    words: &'a [&'a str],
    commands: &[&'static str],
) -> Result<(&'static str, &'a [&'a str]), Failure> {
    let Some((word, rest)) = words.split_first() else {
        return Ok((commands.first().copied().unwrap_or_default(), words));
    };
    match commands.iter().find(|command| command.starts_with(word)) {
        Some(command) => Ok((command, rest)),
        None => usage(format!("command '{word}' is unknown, try 'ip --help'")),
    }
}

/// The names of routing tables that need no file.
const TABLES: &[(u32, &str)] = &[(255, "local"), (254, "main"), (253, "default"), (0, "all")];

/// The names that the administrator has given numbers: a number and a name a line.
pub(super) fn own_names(file: &str) -> Vec<(u32, String)> {
    let text = std::fs::read_to_string(format!("/etc/iproute2/{file}")).unwrap_or_default();
    let read = |line: &str| {
        let mut words = line.split('#').next()?.split_whitespace();
        Some((unsigned(words.next()?)?, words.next()?.to_owned()))
    };
    text.lines().filter_map(read).collect()
}

/// A number by its name: of a table of ours or of a file, or as it is written.
pub(super) fn named_number(text: &str, names: &[(u32, &str)], file: &str) -> Option<u32> {
    if let Some((number, _)) = names.iter().find(|(_, name)| *name == text) {
        return Some(*number);
    }
    let own = || own_names(file).into_iter().find(|(_, name)| name == text);
    unsigned(text).or_else(|| own().map(|(number, _)| number))
}

/// A number's name, of a table of ours or of a file; the number where it has none.
pub(super) fn number_name(number: u32, names: &[(u32, &str)], file: &str) -> String {
    if let Some((_, name)) = names.iter().find(|(known, _)| *known == number) {
        return (*name).to_owned();
    }
    let own = own_names(file)
        .into_iter()
        .find(|(known, _)| *known == number);
    own.map_or_else(|| number.to_string(), |(_, name)| name)
}

/// The names of scopes.
const SCOPES: &[(u32, &str)] = &[
    (0, "global"),
    (200, "site"),
    (253, "link"),
    (254, "host"),
    (255, "nowhere"),
];

/// A scope's number.
pub(super) fn scope(text: &str) -> Result<u8, Failure> {
    match named_number(text, SCOPES, "rt_scopes").map(u8::try_from) {
        Some(Ok(number)) => Ok(number),
        _ => usage(format!("'{text}' is no scope")),
    }
}

/// A scope's name.
pub(super) fn scope_name(number: u8) -> String {
    number_name(number.into(), SCOPES, "rt_scopes")
}

/// A routing table's number.
pub(super) fn table(text: &str) -> Result<u32, Failure> {
    match named_number(text, TABLES, "rt_tables") {
        Some(number) => Ok(number),
        None => usage(format!("'{text}' is no routing table")),
    }
}

/// A routing table's name, or its number where it has none.
pub(super) fn table_name(number: u32) -> String {
    number_name(number, TABLES, "rt_tables")
}

/// A number, decimal, octal behind 0 or hexadecimal behind 0x.
pub(super) fn unsigned(text: &str) -> Option<u32> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None if text.len() > 1 && text.starts_with('0') => u32::from_str_radix(text, 8).ok(),
        None => text.parse().ok(),
    }
}

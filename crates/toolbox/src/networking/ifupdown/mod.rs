//! `ifup`, `ifdown` and `ifquery`: the interfaces of `/etc/network/interfaces`, as Alpine's ifupdown has them.
//!
//! What is up is kept in `/run/ifstate`, a name a line.

mod interfaces;

use crate::common::lines::{Output, complain, say};
use crate::common::links::{self, Network};
use crate::common::options::{Given, Options};
use crate::common::routes::{self, Change, Route};
use interfaces::{Interfaces, Stanza};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

pub const USAGE: &str = "[-anfvm] [-i FILE] interface...

-a  all that `auto` names (ifdown: all that are up)
-f  even where the state says otherwise    -n  print what would be done
-v  say what is done    -i  another file than /etc/network/interfaces";
pub const QUERY_USAGE: &str = "[-a] [-l] [-i FILE] [interface]...

-l  list the interfaces that are declared    -a  only those that `auto` names
interface: print its stanzas";

const STATE: &str = "/run/ifstate";
const FILE: &str = "/etc/network/interfaces";

/// `ifup`
pub fn up(arguments: &[OsString]) -> i32 {
    run(arguments, "ifup", true)
}

/// `ifdown`
pub fn down(arguments: &[OsString]) -> i32 {
    run(arguments, "ifdown", false)
}

fn options(applet: &'static str) -> Options {
    Options {
        applet,
        letters: "anfvmli:",
        long: &[
            ("all", 'a'),
            ("auto", 'a'),
            ("force", 'f'),
            ("no-act", 'n'),
            ("verbose", 'v'),
            ("list", 'l'),
            ("interfaces", 'i'),
        ],
    }
}

fn declared(applet: &str, given: &Given) -> Result<Interfaces, i32> {
    Interfaces::read(Path::new(given.value('i').unwrap_or(OsStr::new(FILE)))).map_err(|error| {
        say(applet, error);
        1
    })
}

fn run(arguments: &[OsString], applet: &'static str, up: bool) -> i32 {
    let options = options(applet);
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let interfaces = match declared(applet, &given) {
        Ok(interfaces) => interfaces,
        Err(status) => return status,
    };
    let state = State::read();
    let mut names: Vec<String> = if given.has('a') {
        if up {
            interfaces.auto.clone()
        } else {
            let mut names = state.up.clone();
            names.extend(
                interfaces
                    .auto
                    .iter()
                    .filter(|name| !state.up.contains(name))
                    .cloned(),
            );
            names.reverse();
            names
        }
    } else {
        given
            .operands
            .iter()
            .map(|word| word.to_string_lossy().into_owned())
            .collect()
    };
    if names.is_empty() && !given.has('a') {
        return options.wrong("no interface is named");
    }
    names.retain(|name| !name.is_empty());
    let mut status = 0;
    for name in names {
        // `eth0=home`: the interface by another stanza's settings.
        let (name, stanza) = name.split_once('=').unwrap_or((&name, &name));
        let is_up = State::read().up.iter().any(|known| known == name);
        if is_up == up && !given.has('f') {
            if !given.has('a') {
                let which = if up { "is up already" } else { "is not up" };
                say(applet, format!("interface {name} {which}"));
            }
            continue;
        }
        if interfaces.of(stanza).next().is_none() {
            say(applet, format!("unknown interface {name}"));
            status = 1;
            continue;
        }
        let changer = Changer {
            applet,
            given: &given,
            name,
            up,
        };
        let mut fine = true;
        let stanzas: Vec<&Stanza> = interfaces.of(stanza).collect();
        if up {
            // Before the scripts: they may ask for the state, and a failure half-way is to be undone by ifdown.
            fine &= stanzas.iter().all(|stanza| changer.change(stanza));
        } else {
            for stanza in stanzas.iter().rev() {
                // What is gone already is no reason to leave the rest.
                fine &= changer.change(stanza);
            }
        }
        if !given.has('n')
            && (up == fine || !up)
            && let Err(error) = State::set(name, up && fine)
        {
            complain(applet, OsStr::new(STATE), &error);
        }
        if !fine {
            say(
                applet,
                format!(
                    "interface {name} could not be brought {}",
                    if up { "up" } else { "down" }
                ),
            );
            status = 1;
        }
    }
    status
}

/// `ifquery`
pub fn query(arguments: &[OsString]) -> i32 {
    let options = options("ifquery");
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let interfaces = match declared("ifquery", &given) {
        Ok(interfaces) => interfaces,
        Err(status) => return status,
    };
    let mut out = Output::new();
    let mut status = 0;
    if given.has('l') {
        let mut names: Vec<&String> = if given.has('a') {
            interfaces.auto.iter().collect()
        } else {
            interfaces
                .stanzas
                .iter()
                .map(|stanza| &stanza.name)
                .collect()
        };
        names.dedup();
        for name in names {
            out.put(format!("{name}\n").as_bytes());
        }
        return out.finish("ifquery", 0, 1);
    }
    if given.operands.is_empty() && !given.has('a') {
        return options.wrong("no interface is named");
    }
    let mut names: Vec<String> = given
        .operands
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    if given.has('a') {
        names = interfaces.auto.clone();
    }
    for name in names {
        let mut seen = false;
        if interfaces.auto.contains(&name) {
            out.put(format!("auto {name}\n").as_bytes());
        }
        for stanza in interfaces.of(&name) {
            seen = true;
            let text = format!(
                "iface {} {} {}\n",
                stanza.name, stanza.family, stanza.method
            );
            out.put(text.as_bytes());
            for (word, value) in &stanza.options {
                out.put(format!("\t{word} {value}\n").as_bytes());
            }
        }
        if !seen {
            say("ifquery", format!("unknown interface {name}"));
            status = 1;
        }
    }
    out.finish("ifquery", status, 1)
}

/// What is up.
struct State {
    up: Vec<String>,
}

impl State {
    fn read() -> State {
        let text = fs::read_to_string(STATE).unwrap_or_default();
        State {
            up: text
                .lines()
                .filter_map(|line| line.split('=').next())
                .map(str::to_owned)
                .collect(),
        }
    }

    /// Notes that an interface is up or not; under a lock, since two may run at once.
    fn set(name: &str, up: bool) -> io::Result<()> {
        let lock = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(format!("{STATE}.lock"))?;
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive)?;
        let mut state = State::read();
        state.up.retain(|known| known != name);
        if up {
            state.up.push(name.to_owned());
        }
        let text: String = state
            .up
            .iter()
            .map(|name| format!("{name}={name}\n"))
            .collect();
        let new = format!("{STATE}.new");
        fs::write(&new, text)?;
        fs::rename(new, STATE)
    }
}

struct Changer<'a> {
    applet: &'static str,
    given: &'a Given,
    name: &'a str,
    up: bool,
}

impl Changer<'_> {
    fn tell(&self, what: &str) -> bool {
        if self.given.has('v') || self.given.has('n') {
            say(self.applet, what);
        }
        !self.given.has('n')
    }

    /// Does what a stanza says, hooks and all. False: something failed.
    fn change(&self, stanza: &Stanza) -> bool {
        let (before, after) = if self.up {
            ("pre-up", &["up", "post-up"][..])
        } else {
            ("pre-down", &["down", "post-down"][..])
        };
        if self.up {
            self.hooks(stanza, before)
                && self.run_all(stanza, &[before])
                && self.method(stanza)
                && self.hooks(stanza, "up")
                && self.run_all(stanza, after)
        } else {
            let mut fine = self.run_all(stanza, &["pre-down"]);
            fine &= self.run_all(stanza, &["down"]);
            fine &= self.hooks(stanza, "down");
            fine &= self.method(stanza);
            fine &= self.hooks(stanza, "post-down");
            fine & self.run_all(stanza, &["post-down"])
        }
    }

    /// The commands behind these words.
    fn run_all(&self, stanza: &Stanza, words: &[&str]) -> bool {
        stanza
            .options
            .iter()
            .filter(|(word, _)| words.contains(&word.as_str()))
            .all(|(_, command)| {
                let mut shell = Command::new("/bin/sh");
                shell.arg("-c").arg(command);
                self.run(shell, stanza, command)
            })
    }

    /// The executables of `/etc/network/if-PHASE.d`.
    fn hooks(&self, stanza: &Stanza, phase: &str) -> bool {
        let folder = PathBuf::from(format!("/etc/network/if-{phase}.d"));
        let mut files: Vec<PathBuf> = fs::read_dir(&folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| {
                path.metadata()
                    .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
            })
            .collect();
        files.sort();
        files
            .iter()
            .all(|file| self.run(Command::new(file), stanza, &file.display().to_string()))
    }

    fn run(&self, mut command: Command, stanza: &Stanza, what: &str) -> bool {
        if !self.tell(what) {
            return true;
        }
        let mode = if self.up { "start" } else { "stop" };
        command
            .env("IFACE", self.name)
            .env("LOGICAL", &stanza.name)
            .env("ADDRFAM", &stanza.family)
            .env("METHOD", &stanza.method)
            .env("MODE", mode)
            .env("VERBOSITY", if self.given.has('v') { "1" } else { "0" });
        if std::env::var_os("PATH").is_none() {
            command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        }
        for (word, value) in &stanza.options {
            let name: String = word
                .chars()
                .map(|c| {
                    if c.is_ascii_alphanumeric() {
                        c.to_ascii_uppercase()
                    } else {
                        '_'
                    }
                })
                .collect();
            command.env(format!("IF_{name}"), value);
        }
        match command.status() {
            Ok(status) => status.success(),
            Err(error) => {
                complain(self.applet, OsStr::from_bytes(what.as_bytes()), &error);
                false
            }
        }
    }

    /// The interface itself.
    fn method(&self, stanza: &Stanza) -> bool {
        let done = if self.up {
            self.begin(stanza)
        } else {
            self.end(stanza)
        };
        match done {
            Ok(fine) => fine,
            Err(error) => {
                complain(self.applet, OsStr::new(self.name), &error);
                false
            }
        }
    }

    fn begin(&self, stanza: &Stanza) -> io::Result<bool> {
        match stanza.method.as_str() {
            "" | "manual" => {
                // Bridges and their like are made by the hooks; what is there comes up.
                if self.tell(&format!("ip link set {} up", self.name))
                    && let Ok(link) = links::by_name(self.name)
                {
                    links::change(link.index, links::UP, links::UP, &[])?;
                }
                if stanza.get(&["address"]).is_some() {
                    return self.addresses(stanza);
                }
                Ok(true)
            }
            "dhcp" if stanza.family == "inet" => self.dhcp(stanza),
            "loopback" => {
                if self.tell("ip link set lo up") {
                    let link = links::by_name(self.name)?;
                    links::change(link.index, links::UP, links::UP, &[])?;
                }
                Ok(true)
            }
            // The kernel listens to the routers' announcements itself.
            "auto" | "dhcp" => {
                if self.tell(&format!("ip link set {} up", self.name)) {
                    let link = links::by_name(self.name)?;
                    links::change(link.index, links::UP, links::UP, &[])?;
                }
                Ok(true)
            }
            _ => self.addresses(stanza),
        }
    }

    fn hardware(&self, stanza: &Stanza) -> io::Result<links::Link> {
        let link = links::by_name(self.name)?;
        let mut attributes = Vec::new();
        let wrong = |what: &str| io::Error::other(format!("{what} is not understood"));
        if let Some(text) = stanza.get(&["hwaddress"]) {
            let text = text.strip_prefix("ether ").unwrap_or(text);
            attributes.push((1, links::hardware(text).ok_or_else(|| wrong(text))?));
        }
        if let Some(text) = stanza.get(&["mtu"]) {
            let mtu: u32 = text.parse().map_err(|_| wrong(text))?;
            attributes.push((4, mtu.to_ne_bytes().to_vec()));
        }
        links::change(link.index, links::UP, links::UP, &attributes)?;
        Ok(link)
    }

    fn addresses(&self, stanza: &Stanza) -> io::Result<bool> {
        let wrong = |what: &str| io::Error::other(format!("'{what}' is no address"));
        let mut networks = Vec::new();
        for (_, value) in stanza.options.iter().filter(|(word, _)| word == "address") {
            let mut network = Network::parse(value).ok_or_else(|| wrong(value))?;
            if !value.contains('/') {
                if let Some(mask) = stanza.get(&["netmask"]) {
                    let text = format!("{}/{mask}", network.address);
                    network = Network::parse(&text).ok_or_else(|| wrong(mask))?;
                } else if network.address.is_ipv6() {
                    network.prefix = 64;
                }
            }
            networks.push(network);
        }
        if networks.is_empty() && stanza.method == "static" {
            return Err(io::Error::other("static needs an address"));
        }
        let gateway = match stanza.get(&["gateway"]) {
            Some(text) => Some(text.parse::<IpAddr>().map_err(|_| wrong(text))?),
            None => None,
        };
        let metric = match stanza.get(&["metric"]) {
            Some(text) => Some(text.parse().map_err(|_| wrong(text))?),
            None => None,
        };
        let list: Vec<String> = networks.iter().map(ToString::to_string).collect();
        if !self.tell(&format!("ip addr add {} dev {}", list.join(" "), self.name)) {
            return Ok(true);
        }
        let link = self.hardware(stanza)?;
        for network in networks {
            let broadcast = match (stanza.get(&["broadcast"]), network.address) {
                (Some(text), _) => Some(text.parse().map_err(|_| wrong(text))?),
                (None, IpAddr::V4(v4)) if network.prefix < 31 => {
                    let mask = u32::from(links::mask(network.prefix));
                    Some(IpAddr::V4((u32::from(v4) | !mask).into()))
                }
                _ => None,
            };
            match links::set_address(link.index, network, broadcast, None, true) {
                // With -f it may be there.
                Err(error) if error.raw_os_error() == Some(17) => {}
                other => other?,
            }
        }
        if let Some(via) = gateway {
            let route = Route {
                via: Some(via),
                index: Some(link.index),
                metric,
                family: links::family(&via),
                ..Route::default()
            };
            routes::set_route(&route, Change::Replace)?;
        }
        Ok(true)
    }

    fn dhcp(&self, stanza: &Stanza) -> io::Result<bool> {
        let pid = format!("/var/run/udhcpc.{}.pid", self.name);
        let mut command = Command::new("/sbin/udhcpc");
        command.args(["-b", "-R", "-p", &pid, "-i", self.name]);
        let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let name = stanza.get(&["hostname"]).unwrap_or(name.trim());
        if !name.is_empty() && name != "localhost" && name != "(none)" {
            command.args(["-x", &format!("hostname:{name}")]);
        }
        for (word, option) in [("client", "-x"), ("vendor", "-V"), ("script", "-s")] {
            if let Some(value) = stanza.get(&[word]) {
                let value = if word == "client" {
                    format!("0x3d:{value}")
                } else {
                    value.to_owned()
                };
                command.args([option, &value]);
            }
        }
        if let Some(more) = stanza.get(&["udhcpc_opts"]) {
            command.args(more.split_whitespace());
        }
        if !self.given.has('n') {
            self.hardware(stanza)?;
        }
        Ok(self.run(
            command,
            stanza,
            &format!("udhcpc -b -R -p {pid} -i {}", self.name),
        ))
    }

    fn end(&self, stanza: &Stanza) -> io::Result<bool> {
        if stanza.method == "dhcp" && stanza.family == "inet" {
            let file = format!("/var/run/udhcpc.{}.pid", self.name);
            let pid = fs::read_to_string(&file)
                .ok()
                .and_then(|text| text.trim().parse().ok());
            if let Some(pid) = pid.filter(|pid| *pid > 1)
                && self.tell(&format!("kill {pid} (udhcpc)"))
            {
                // SIGTERM: it gives the address back; another process may have the number by now.
                let name = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
                if name.trim_ascii() == b"udhcpc" {
                    let _ = sys::process::kill(pid, 15);
                }
                let _ = fs::remove_file(&file);
            }
        }
        if !self.tell(&format!(
            "ip addr flush dev {}; ip link set {} down",
            self.name, self.name
        )) {
            return Ok(true);
        }
        let Ok(link) = links::by_name(self.name) else {
            // It went with its driver or its hook.
            return Ok(true);
        };
        let six = stanza.family == "inet6";
        for address in links::addresses()? {
            if address.index == link.index
                && address.network.address.is_ipv6() == six
                && stanza.method != "loopback"
            {
                let _ = links::set_address(link.index, address.network, None, None, false);
            }
        }
        if !six {
            links::change(link.index, 0, links::UP, &[])?;
        }
        Ok(true)
    }
}

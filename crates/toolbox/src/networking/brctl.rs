//! `brctl`: bridges between interfaces: made over rtnetlink(7), their settings in sysfs.

use crate::common::lines::{Output, about, other, say, status};
use crate::common::links;
use crate::common::options::Options;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

pub const USAGE: &str = "COMMAND [BRIDGE [argument...]]

show [BRIDGE]...    addbr BRIDGE    delbr BRIDGE    addif BRIDGE DEV    delif BRIDGE DEV
showmacs BRIDGE    showstp BRIDGE    stp BRIDGE on|off
setageing, setfd, sethello, setmaxage BRIDGE SECONDS
setbridgeprio BRIDGE N    setportprio BRIDGE DEV N    setpathcost BRIDGE DEV N";

const OPTIONS: Options = Options {
    applet: "brctl",
    letters: "",
    long: &[],
};

/// `IFLA_MASTER`
const MASTER: u16 = 10;

/// `brctl`
pub fn main(arguments: &[OsString]) -> i32 {
    let mut words = Vec::new();
    for word in arguments.iter().skip(1) {
        match word.to_str() {
            Some(word) => words.push(word),
            None => return OPTIONS.wrong(&format!("invalid argument '{}'", word.display())),
        }
    }
    match words.as_slice() {
        [] => OPTIONS.wrong("missing operand"),
        ["show", bridges @ ..] => {
            let mut out = Output::new();
            let done = status("brctl", show(bridges, &mut out));
            out.finish("brctl", done, 1)
        }
        [command, rest @ ..] => match run(command, rest) {
            Ok(Some(text)) => {
                let mut out = Output::new();
                out.put(text.as_bytes());
                out.finish("brctl", 0, 1)
            }
            Ok(None) => 0,
            Err(Failure::Usage(what)) => OPTIONS.wrong(&what),
            Err(Failure::System(error)) => status("brctl", Err(error)),
        },
    }
}

enum Failure {
    Usage(String),
    System(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::System(error)
    }
}

/// What an interface has in sysfs. A name with a slash would lead elsewhere.
fn place(device: &str) -> io::Result<PathBuf> {
    if device.is_empty() || device.contains('/') || device.starts_with('.') {
        return Err(other(format!("'{device}' is no name for a device")));
    }
    Ok(Path::new("/sys/class/net").join(device))
}

fn bridge(name: &str) -> io::Result<PathBuf> {
    let place = place(name)?;
    if place.join("bridge").is_dir() {
        Ok(place)
    } else {
        Err(other(format!("bridge {name} does not exist")))
    }
}

fn set(path: &Path, what: &str, value: u64) -> Result<Option<String>, Failure> {
    let path = path.join(what);
    std::fs::write(&path, format!("{value}\n")).map_err(|error| about(&path, &error))?;
    Ok(None)
}

/// Seconds, with a fraction, in hundredths.
fn hundredths(text: &str) -> Result<u64, Failure> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = part.bytes().all(|byte| byte.is_ascii_digit());
    let part: Option<u64> = format!("{part:0<2}")
        .get(..2)
        .and_then(|part| part.parse().ok());
    whole
        .parse::<u64>()
        .ok()
        .filter(|_| digits)
        .and_then(|whole| whole.checked_mul(100)?.checked_add(part?))
        .ok_or_else(|| Failure::Usage(format!("invalid number '{text}'")))
}

fn number(text: &str) -> Result<u64, Failure> {
    let number = text.parse::<u32>().map(u64::from);
    number.map_err(|_| Failure::Usage(format!("invalid number '{text}'")))
}

fn run(command: &str, words: &[&str]) -> Result<Option<String>, Failure> {
    let timed = |what: &str, bridge_name: &str, seconds: &str| {
        let value = hundredths(seconds)?;
        set(&bridge(bridge_name)?, what, value)
    };
    match (command, words) {
        ("addbr", [name, ..]) => {
            place(name)?;
            links::add(name, "bridge", &[], |_| {})
                .map_err(|error| about(format!("bridge {name}"), &error))?;
            Ok(None)
        }
        ("delbr", [name, ..]) => {
            let link =
                links::by_name(name).map_err(|error| about(format!("bridge {name}"), &error))?;
            // The kernel would take it away even so.
            if link.flags & links::UP != 0 {
                return Err(about(
                    format!("bridge {name}"),
                    &io::ErrorKind::ResourceBusy.into(),
                )
                .into());
            }
            bridge(name)?;
            links::remove(link.index)?;
            Ok(None)
        }
        ("addif" | "delif", [name, device, ..]) => {
            let master =
                links::by_name(name).map_err(|error| about(format!("bridge {name}"), &error))?;
            let told = |error| about(format!("iface {device}"), &error);
            let link = links::by_name(device).map_err(told)?;
            let new = if command == "addif" {
                if link.master.is_some() {
                    return Err(told(io::ErrorKind::ResourceBusy.into()).into());
                }
                master.index
            } else {
                if link.master != Some(master.index) {
                    return Err(told(io::ErrorKind::InvalidInput.into()).into());
                }
                0
            };
            links::change(link.index, 0, 0, &[(MASTER, new.to_ne_bytes().to_vec())])
                .map_err(told)?;
            Ok(None)
        }
        ("stp", [name, word, ..]) => match *word {
            "0" | "off" | "n" | "no" => set(&bridge(name)?, "bridge/stp_state", 0),
            "1" | "on" | "y" | "yes" => set(&bridge(name)?, "bridge/stp_state", 1),
            word => Err(Failure::Usage(format!("invalid argument '{word}'"))),
        },
        ("setageing", [name, seconds, ..]) => timed("bridge/ageing_time", name, seconds),
        ("setfd", [name, seconds, ..]) => timed("bridge/forward_delay", name, seconds),
        ("sethello", [name, seconds, ..]) => timed("bridge/hello_time", name, seconds),
        ("setmaxage", [name, seconds, ..]) => timed("bridge/max_age", name, seconds),
        ("setbridgeprio", [name, value, ..]) => {
            set(&bridge(name)?, "bridge/priority", number(value)?)
        }
        ("setpathcost", [_, device, value, ..]) => {
            set(&place(device)?, "brport/path_cost", number(value)?)
        }
        ("setportprio", [_, device, value, ..]) => {
            set(&place(device)?, "brport/priority", number(value)?)
        }
        ("showmacs", [name, ..]) => Ok(Some(addresses(&bridge(name)?)?)),
        ("showstp", [name, ..]) => Ok(Some(tree(&bridge(name)?, name)?)),
        (
            "addbr" | "delbr" | "addif" | "delif" | "stp" | "setageing" | "setfd" | "sethello"
            | "setmaxage" | "setbridgeprio" | "setpathcost" | "setportprio" | "showmacs"
            | "showstp",
            _,
        ) => Err(Failure::Usage("missing operand".to_owned())),
        (command, _) => Err(Failure::Usage(format!("invalid argument '{command}'"))),
    }
}

/// What a file of sysfs says; nothing where there is none.
fn read(path: &Path, what: &str) -> String {
    let text = std::fs::read_to_string(path.join(what)).unwrap_or_default();
    text.trim().to_owned()
}

/// The names in a folder, sorted.
fn names(path: &Path) -> io::Result<Vec<String>> {
    let entries = std::fs::read_dir(path).map_err(|error| about(path, &error))?;
    let mut names: Vec<String> = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    Ok(names)
}

fn show(bridges: &[&str], out: &mut Output) -> io::Result<i32> {
    let mut status = 0;
    let all = names(Path::new("/sys/class/net"))?;
    let wanted: Vec<&str> = if bridges.is_empty() {
        all.iter().map(String::as_str).collect()
    } else {
        bridges.to_vec()
    };
    let mut first = true;
    for name in wanted {
        let Ok(path) = bridge(name) else {
            if !bridges.is_empty() {
                say("brctl", format!("bridge {name} does not exist"));
                status = 1;
            }
            continue;
        };
        if first {
            out.put(b"bridge name\tbridge id\t\tSTP enabled\tinterfaces\n");
            first = false;
        }
        let tree = match read(&path, "bridge/stp_state").as_str() {
            "0" => "no".to_owned(),
            "1" => "yes".to_owned(),
            other => other.to_owned(),
        };
        out.put(format!("{name}\t\t{}\t{tree}", read(&path, "bridge/bridge_id")).as_bytes());
        let ports = names(&path.join("brif")).unwrap_or_default();
        for (at, port) in ports.iter().enumerate() {
            let before = if at == 0 { "" } else { "\t\t\t\t\t" };
            out.put(format!("{before}\t\t{port}\n").as_bytes());
        }
        if ports.is_empty() {
            out.put_byte(b'\n');
        }
    }
    Ok(status)
}

/// The addresses that a bridge has learned.
fn addresses(bridge: &Path) -> io::Result<String> {
    let path = bridge.join("brforward");
    let bytes = std::fs::read(&path).map_err(|error| about(&path, &error))?;
    Ok(entries(&bytes))
}

fn entries(bytes: &[u8]) -> String {
    let mut all: Vec<&[u8]> = bytes.chunks_exact(16).collect();
    all.sort_by_key(|entry| entry.get(..6));
    let mut text = "port no\tmac addr\t\tis local?\tageing timer\n".to_owned();
    for entry in all {
        let (hardware, rest) = entry.split_at(6);
        let [port, local, a, b, c, d, ..] = rest else {
            continue;
        };
        let age = u32::from_ne_bytes([*a, *b, *c, *d]);
        text += &format!(
            "{port:3}\t{}\t{}\t\t{:4}.{:02}\n",
            links::hardware_text(hardware),
            if *local != 0 { "yes" } else { "no" },
            age / 100,
            age % 100
        );
    }
    text
}

/// The spanning tree as the bridge sees it, and its ports.
fn tree(bridge: &Path, name: &str) -> io::Result<String> {
    let path = bridge.join("bridge");
    let time = |what: &str| timer(&read(&path, what));
    let flags = |list: &[(&str, &str)]| -> String {
        let set = list
            .iter()
            .filter(|(file, _)| !matches!(read(&path, file).as_str(), "" | "0"));
        set.map(|(_, name)| *name).collect()
    };
    let mut text = format!(
        "{name}\n bridge id\t\t{}\n designated root\t{}\n root port\t\t{:>4}\t\t\tpath cost\t\t{:>4}\n",
        read(&path, "bridge_id"),
        read(&path, "root_id"),
        read(&path, "root_port"),
        read(&path, "root_path_cost")
    );
    let (age, hello, delay) = (time("max_age"), time("hello_time"), time("forward_delay"));
    text += &format!(" max age\t\t{age}\t\t\tbridge max age\t\t{age}\n");
    text += &format!(" hello time\t\t{hello}\t\t\tbridge hello time\t{hello}\n");
    text += &format!(" forward delay\t\t{delay}\t\t\tbridge forward delay\t{delay}\n");
    text += &format!(" ageing time\t\t{}\n", time("ageing_time"));
    text += &format!(
        " hello timer\t\t{}\t\t\ttcn timer\t\t{}\n",
        time("hello_timer"),
        time("tcn_timer")
    );
    text += &format!(
        " topology change timer\t{}\t\t\tgc timer\t\t{}\n flags\t\t\t{}\n\n\n",
        time("topology_change_timer"),
        time("gc_timer"),
        flags(&[
            ("topology_change", "TOPOLOGY_CHANGE "),
            ("topology_change_detected", "TOPOLOGY_CHANGE_DETECTED ")
        ])
    );
    for port in names(&bridge.join("brif")).unwrap_or_default() {
        text += &port_text(&place(&port)?.join("brport"), &port);
    }
    Ok(text)
}

/// Hundredths of seconds.
fn timer(text: &str) -> String {
    let number: u64 = text.parse().unwrap_or(0);
    format!("{:4}.{:02}", number / 100, number % 100)
}

/// A number that is written in hexadecimal, behind 0x, or in decimal.
fn identity(text: &str) -> u64 {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).unwrap_or(0),
        None => text.parse().unwrap_or(0),
    }
}

fn port_text(path: &Path, name: &str) -> String {
    let get = |what: &str| read(path, what);
    let state = get("state");
    let states = [
        "disabled",
        "listening",
        "learning",
        "forwarding",
        "blocking",
    ];
    let shown = state
        .parse::<usize>()
        .ok()
        .and_then(|at| states.get(at).copied());
    let set = |what: &str| !matches!(get(what).as_str(), "" | "0");
    let mut text = format!(
        "{name} ({})\n port id\t\t{:04x}\t\t\tstate\t\t{:>15}\n",
        identity(&get("port_no")),
        identity(&get("port_id")),
        shown.unwrap_or(&state)
    );
    text += &format!(
        " designated root\t{}\tpath cost\t\t{:>4}\n",
        get("designated_root"),
        get("path_cost")
    );
    text += &format!(
        " designated bridge\t{}\tmessage age timer\t{}\n",
        get("designated_bridge"),
        timer(&get("message_age_timer"))
    );
    text += &format!(
        " designated port\t{:04x}\t\t\tforward delay timer\t{}\n designated cost\t{:>4}\t\t\thold timer\t\t{}\n flags\t\t\t",
        identity(&get("designated_port")),
        timer(&get("forward_delay_timer")),
        get("designated_cost"),
        timer(&get("hold_timer"))
    );
    if set("config_pending") {
        text += "CONFIG_PENDING ";
    }
    if set("change_ack") {
        text += "TOPOLOGY_CHANGE_ACK ";
    }
    if set("hairpin_mode") {
        text += &format!("\n hairpin mode\t\t{:>4}", get("hairpin_mode"));
    }
    text + "\n\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let hundredths = |text: &str| super::hundredths(text).ok();
        assert_eq!(hundredths("30"), Some(3000));
        assert_eq!(hundredths("1.5"), Some(150));
        assert_eq!(hundredths("0.25"), Some(25));
        for bad in ["", "x", "1.x", "-1", "99999999999999999999"] {
            assert_eq!(hundredths(bad), None, "{bad}");
        }
        assert_eq!(timer("1234"), "  12.34");
        assert_eq!(identity("0x8001"), 0x8001);
    }

    #[test]
    fn learned_addresses() {
        let mut entry = vec![2, 0, 0, 0, 0, 9, 1, 0];
        entry.extend(1234_u32.to_ne_bytes());
        entry.extend([0; 4]);
        let text = entries(&entry);
        assert_eq!(
            text.lines().nth(1),
            Some("  1\t02:00:00:00:00:09\tno\t\t  12.34")
        );
        // The end of one is none.
        assert_eq!(entries(&entry[..15]).lines().count(), 1);
    }
}

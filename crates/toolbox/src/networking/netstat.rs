//! `netstat`: the sockets of `/proc/net`, and the routes.

use crate::common::dns;
use crate::common::lines::{Output, cause, complain, say};
use crate::common::options::{Given, Options};
use crate::common::route_table;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::ffi::OsStrExt;

pub const USAGE: &str = "[-ral] [-tuwx] [-enWp]

-r  the routing table    -a  all sockets    -l  those that listen; else those that are connected
-t  TCP    -u  UDP    -w  raw    -x  Unix; else all of them
-e  other columns of the routing table    -n  numbers, no names    -W  room for whole addresses
-p  the processes";

const STATES: [&str; 12] = [
    "",
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
];

/// A line of `/proc/net/tcp` and its kin.
#[derive(Debug, PartialEq, Eq)]
struct Socket {
    local: (IpAddr, u16),
    remote: (IpAddr, u16),
    state: usize,
    waiting: (u64, u64),
    inode: u64,
}

struct View {
    connected: bool,
    listening: bool,
    numeric: bool,
    width: usize,
    /// Which process has the socket of that number; `None`: nobody asked.
    owners: Option<HashMap<u64, String>>,
    services: String,
}

/// `netstat`
pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "netstat",
        letters: "laentuwxrWp",
        long: &[],
    };
    let given = match options.take(arguments, 0, 0) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let mut out = Output::new();
    if given.has('r') {
        return match route_table::four(given.has('n'), !given.has('e')) {
            Ok(text) => {
                out.put(text.as_bytes());
                out.finish("netstat", 0, 1)
            }
            Err(error) => {
                say("netstat", cause(&error));
                1
            }
        };
    }
    show(&given, &mut out);
    out.finish("netstat", 0, 1)
}

fn show(given: &Given, out: &mut Output) {
    let all = given.has('a');
    let view = View {
        connected: all || !given.has('l'),
        listening: all || given.has('l'),
        numeric: given.has('n'),
        width: if given.has('W') { 51 } else { 23 },
        owners: given.has('p').then(owners),
        services: if given.has('n') {
            String::new()
        } else {
            std::fs::read_to_string("/etc/services").unwrap_or_default()
        },
    };
    let banner = if view.owners.is_some() {
        "PID/Program name    "
    } else {
        ""
    };
    let which = match (view.listening, view.connected) {
        (true, true) => "(servers and established)",
        (true, false) => "(only servers)",
        _ => "(w/o servers)",
    };
    let wanted = |letter: char| given.has(letter) || given.last_of("tuwx").is_none();
    if "tuw".chars().any(wanted) {
        let width = view.width;
        out.put(
            format!(
                "Active Internet connections {which}\nProto Recv-Q Send-Q {:<width$} {:<width$} State       {banner}\n",
                "Local Address", "Foreign Address"
            )
            .as_bytes(),
        );
    }
    for (letter, kind) in [('t', "tcp"), ('u', "udp"), ('w', "raw")] {
        if wanted(letter) {
            for file in [format!("/proc/net/{kind}"), format!("/proc/net/{kind}6")] {
                each(&file, |line| {
                    let socket = parse(&String::from_utf8_lossy(line))?;
                    if let Some(text) = view.line(&socket, kind) {
                        out.put(text.as_bytes());
                    }
                    Some(())
                });
            }
        }
    }
    if wanted('x') {
        out.put(
            format!(
                "Active UNIX domain sockets {which}\nProto RefCnt Flags       Type       State         I-Node {banner}Path\n"
            )
            .as_bytes(),
        );
        each("/proc/net/unix", |line| {
            if let Some(text) = view.unix(line)? {
                out.put(&text);
            }
            Some(())
        });
    }
}

/// Hands on each line but the first; `None` says that it was none.
fn each(path: &str, mut line: impl FnMut(&[u8]) -> Option<()>) {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        // Without IPv6 half of the files are not there.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && path.ends_with('6') => return,
        Err(error) => return complain("netstat", OsStr::new(path), &error),
    };
    for (number, bytes) in bytes.split(|byte| *byte == b'\n').enumerate().skip(1) {
        if !bytes.is_empty() && line(bytes).is_none() {
            say(
                "netstat",
                format!("{path}: bogus data on line {}", number + 1),
            );
        }
    }
}

/// `ADDRESS:PORT` in hexadecimal, as the kernel prints it: words of this machine.
fn endpoint(text: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = text.split_once(':')?;
    let word = |at: usize| -> Option<[u8; 4]> {
        Some(
            u32::from_str_radix(address.get(at..at + 8)?, 16)
                .ok()?
                .to_ne_bytes(),
        )
    };
    let ip = match address.len() {
        8 => IpAddr::from(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for (index, place) in bytes.chunks_exact_mut(4).enumerate() {
                place.copy_from_slice(&word(index * 8)?);
            }
            IpAddr::from(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some((ip, u16::from_str_radix(port, 16).ok()?))
}

fn parse(line: &str) -> Option<Socket> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (sent, received) = words.get(4)?.split_once(':')?;
    Some(Socket {
        local: endpoint(words.get(1)?)?,
        remote: endpoint(words.get(2)?)?,
        state: usize::from_str_radix(words.get(3)?, 16).ok()?,
        waiting: (
            u64::from_str_radix(received, 16).ok()?,
            u64::from_str_radix(sent, 16).ok()?,
        ),
        inode: words.get(9)?.parse().ok()?,
    })
}

impl View {
    fn line(&self, socket: &Socket, kind: &str) -> Option<String> {
        let connected = if kind == "tcp" {
            socket.remote.1 != 0
        } else {
            !socket.remote.0.is_unspecified()
        };
        if !(connected && self.connected || !connected && self.listening) {
            return None;
        }
        let state = match kind {
            "tcp" => STATES
                .get(socket.state)
                .copied()
                .unwrap_or("UNKNOWN")
                .to_owned(),
            "udp" => match socket.state {
                1 => "ESTABLISHED",
                7 => "",
                _ => "UNKNOWN",
            }
            .to_owned(),
            _ => socket.state.to_string(),
        };
        let width = self.width;
        let (received, sent) = socket.waiting;
        Some(format!(
            "{kind}   {received:>6} {sent:>6} {:<width$} {:<width$} {state:<12}{}\n",
            self.place(socket.local, kind),
            self.place(socket.remote, kind),
            self.owner(socket.inode)
        ))
    }

    fn owner(&self, inode: u64) -> String {
        self.owners.as_ref().map_or_else(String::new, |owners| {
            let name = owners.get(&inode).map_or("-", String::as_str);
            format!("{name:.20}")
        })
    }

    fn place(&self, (address, port): (IpAddr, u16), kind: &str) -> String {
        let host = if self.numeric || address.is_unspecified() {
            address.to_string()
        } else {
            dns::reverse(&address).unwrap_or_else(|| address.to_string())
        };
        let port = if port == 0 {
            "*".to_owned()
        } else {
            service(&self.services, port, kind).unwrap_or_else(|| port.to_string())
        };
        format!("{host}:{port}")
    }

    /// A line of `/proc/net/unix`: `Some(None)` where it is not wanted.
    fn unix(&self, line: &[u8]) -> Option<Option<Vec<u8>>> {
        let mut rest = line;
        let mut words = Vec::new();
        for _ in 0..7 {
            let start = rest.trim_ascii_start();
            let end = start
                .iter()
                .position(|byte| *byte == b' ')
                .unwrap_or(start.len());
            words.push(String::from_utf8_lossy(start.get(..end)?).into_owned());
            rest = start.get(end..)?;
        }
        let hex = |at: usize| u64::from_str_radix(words.get(at)?, 16).ok();
        let (references, protocol, flags) = (hex(1)?, hex(2)?, hex(3)?);
        let (kind, state) = (hex(4)?, hex(5)?);
        let inode: u64 = words.get(6)?.parse().ok()?;
        let accepts = flags & 1 << 16 != 0;
        let listens = state == 1 && accepts;
        if listens && !self.listening || !listens && !self.connected {
            return Some(None);
        }
        let kind = match kind {
            1 => "STREAM",
            2 => "DGRAM",
            3 => "RAW",
            4 => "RDM",
            5 => "SEQPACKET",
            _ => "UNKNOWN",
        };
        let state = match state {
            0 => "FREE",
            1 if accepts => "LISTENING",
            1 => "",
            2 => "CONNECTING",
            3 => "CONNECTED",
            4 => "DISCONNECTING",
            _ => "UNKNOWN",
        };
        let mut shown = "[ ".to_owned();
        for (bit, word) in [(16, "ACC "), (17, "W "), (18, "N ")] {
            if flags & 1 << bit != 0 {
                shown += word;
            }
        }
        shown.push(']');
        let protocol = if protocol == 0 { "unix" } else { "??" };
        let owner = match self.owners {
            Some(_) => format!("{:<20}", self.owner(inode)),
            None => String::new(),
        };
        let mut text = format!(
            "{protocol:<5} {references:<6} {shown:<11} {kind:<10} {state:<13} {inode:>6} {owner}"
        )
        .into_bytes();
        let path = rest.strip_prefix(b" ").unwrap_or(rest);
        text.extend(path.iter().map(|byte| match byte {
            0..=0x1f | 0x7f => b'?',
            other => *other,
        }));
        text.push(b'\n');
        Some(Some(text))
    }
}

/// A port's name in the text of `/etc/services`.
fn service(services: &str, port: u16, protocol: &str) -> Option<String> {
    services.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let name = words.next()?;
        let (number, kind) = words.next()?.split_once('/')?;
        (number.parse() == Ok(port) && kind == protocol).then(|| name.to_owned())
    })
}

/// Which process has which socket, as far as it is ours to see.
fn owners() -> HashMap<u64, String> {
    let mut owners = HashMap::new();
    let mut refused = false;
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|text| text.parse::<u32>().ok()) else {
            continue;
        };
        let folder = match std::fs::read_dir(entry.path().join("fd")) {
            Ok(folder) => folder,
            Err(error) => {
                refused |= error.kind() == std::io::ErrorKind::PermissionDenied;
                continue;
            }
        };
        let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let first = command.split(|byte| *byte == 0).next().unwrap_or_default();
        let base = first.rsplit(|byte| *byte == b'/').next().unwrap_or(first);
        for file in folder.flatten() {
            let Ok(link) = std::fs::read_link(file.path()) else {
                continue;
            };
            let inode = link
                .as_os_str()
                .as_bytes()
                .strip_prefix(b"socket:[")
                .and_then(|rest| std::str::from_utf8(rest.strip_suffix(b"]")?).ok())
                .and_then(|text| text.parse().ok());
            if let Some(inode) = inode {
                owners
                    .entry(inode)
                    .or_insert_with(|| format!("{pid}/{}", String::from_utf8_lossy(base)));
            }
        }
    }
    if refused {
        say("netstat", "showing only processes with your user ID");
    }
    owners
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> View {
        View {
            connected: true,
            listening: false,
            numeric: true,
            width: 23,
            owners: None,
            services: String::new(),
        }
    }

    #[test]
    fn lines_of_tcp() {
        let word = |address: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(address));
        let line = format!(
            "   0: {}:0016 {}:C350 01 00000010:00000020 00:00000000 00000000     0        0 4711 1",
            word([127, 0, 0, 1]),
            word([10, 0, 0, 2])
        );
        let socket = parse(&line).unwrap();
        assert_eq!((socket.inode, socket.waiting), (4711, (0x20, 0x10)));
        assert_eq!(
            view().line(&socket, "tcp").unwrap(),
            "tcp       32     16 127.0.0.1:22            10.0.0.2:50000          ESTABLISHED \n"
        );
        for bad in [
            "",
            "0: x:1 y:2 01 0:0",
            "0: 00:0016 00:0016 01 0:0 0 0 0 0 1",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn lines_of_unix() {
        let line = b"0000000000000000: 00000002 00000000 00010000 0001 01 4711 /run/a b\x07";
        assert_eq!(view().unix(line), Some(None));
        let view = View {
            listening: true,
            ..view()
        };
        assert_eq!(
            String::from_utf8(view.unix(line).unwrap().unwrap()).unwrap(),
            "unix  2      [ ACC ]     STREAM     LISTENING       4711 /run/a b?\n"
        );
        assert_eq!(view.unix(b"x 1 2"), None);
    }

    #[test]
    fn names_of_ports() {
        let services = "# x\nssh 22/tcp\ndomain 53/tcp\ndomain 53/udp # dns\n";
        assert_eq!(service(services, 53, "udp").as_deref(), Some("domain"));
        assert_eq!(service(services, 22, "udp"), None);
    }
}

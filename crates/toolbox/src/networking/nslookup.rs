//! `nslookup`: asks the DNS.

use crate::common::dns::{self, Config, Data, KINDS, Reply};
use crate::common::lines::{Output, cause, say};
use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

pub const USAGE: &str = "[-type=TYPE] [-port=N] [-timeout=SEC] [-retry=N] [-debug] HOST [SERVER]

asks the servers of /etc/resolv.conf, or SERVER, for HOST: a name, or an address whose name is wanted
-type  soa, ns, a, aaaa, cname, mx, txt, ptr, srv, any; may be given several times; else a and aaaa
-port  the server's port (53)    -timeout  seconds to wait for a server (5)    -retry  tries (2)
-debug  how long the answers took";

struct Wish {
    kinds: Vec<u16>,
    port: u16,
    timeout: u64,
    retry: u32,
    debug: bool,
}

/// `nslookup`
pub fn main(arguments: &[OsString]) -> i32 {
    let words: Vec<String> = arguments
        .iter()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let mut wish = Wish {
        kinds: Vec::new(),
        port: 53,
        timeout: 5,
        retry: 2,
        debug: false,
    };
    let mut rest = words.as_slice();
    while let Some((word, behind)) = rest.split_first() {
        let Some(option) = word.strip_prefix('-') else {
            break;
        };
        if let Err(error) = read_option(option, &mut wish) {
            say("nslookup", error);
            return 1;
        }
        rest = behind;
    }
    let (host, server) = match rest {
        [host] => (host, None),
        [host, server] => (host, Some(server)),
        _ => {
            say("nslookup", "try 'nslookup --help'");
            return 1;
        }
    };
    let config = Config::system();
    let servers: Vec<(String, SocketAddr)> = match server {
        Some(name) => match (name.as_str(), wish.port).to_socket_addrs() {
            Ok(mut found) => found
                .next()
                .map(|address| (name.clone(), address))
                .into_iter()
                .collect(),
            Err(_) => {
                say("nslookup", format!("bad address '{name}'"));
                return 1;
            }
        },
        None => config
            .servers
            .iter()
            .map(|address| (address.to_string(), SocketAddr::new(*address, wish.port)))
            .collect(),
    };
    run(host, &servers, &config, wish)
}

fn read_option(option: &str, wish: &mut Wish) -> Result<(), String> {
    let (name, value) = option.split_once('=').unwrap_or((option, ""));
    let number = || {
        value
            .parse::<u16>()
            .ok()
            .filter(|number| *number > 0)
            .ok_or_else(|| format!("invalid number '{value}'"))
    };
    match name {
        "type" | "ty" | "querytype" | "query" | "q" => {
            let kind = KINDS
                .iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(value))
                .ok_or_else(|| format!("invalid query type \"{value}\""))?;
            wish.kinds.push(kind.1);
        }
        "port" | "po" => wish.port = number()?,
        "retry" => wish.retry = number()?.into(),
        "timeout" | "t" => wish.timeout = number()?.into(),
        "debug" => wish.debug = true,
        _ => return Err(format!("unrecognized option '-{option}'")),
    }
    Ok(())
}

/// The names that are asked for: one without a dot stands for itself in each of the domains.
fn names(host: &str, kind: u16, search: &[String]) -> Vec<String> {
    let search: Vec<&String> = search.iter().filter(|domain| *domain != ".").collect();
    if kind == 12 || host.contains('.') || search.is_empty() {
        return vec![host.to_owned()];
    }
    search
        .iter()
        .map(|domain| format!("{host}.{domain}"))
        .collect()
}

fn run(host: &str, servers: &[(String, SocketAddr)], config: &Config, wish: Wish) -> i32 {
    let address: Option<IpAddr> = host.parse().ok();
    let host = address.map_or_else(|| host.to_owned(), |address| dns::reverse_name(&address));
    let mut kinds = wish.kinds;
    if kinds.is_empty() {
        kinds = if address.is_some() {
            vec![12]
        } else {
            vec![1, 28]
        };
    }
    let mut queries = Vec::new();
    for kind in kinds {
        for name in names(&host, kind, &config.search) {
            let Some(query) = dns::question(dns::random_id(), &name, kind) else {
                say("nslookup", format!("'{name}' is no name"));
                return 1;
            };
            queries.push((name, query));
        }
    }
    let mut out = Output::new();
    let wait = Duration::from_secs(wish.timeout) / wish.retry.max(1);
    for (name, server) in servers {
        let (mut answered, mut status) = (false, 0);
        for (number, (asked, query)) in queries.iter().enumerate() {
            let begin = Instant::now();
            let reply = match dns::ask(*server, query, wish.retry, wait) {
                Ok(reply) => reply,
                Err(error) => {
                    if wish.debug {
                        say("nslookup", format!("{name}: {}", cause(&error)));
                    }
                    if !answered {
                        break;
                    }
                    out.put(format!("*** Can't find {asked}: No answer\n\n").as_bytes());
                    status = 1;
                    continue;
                }
            };
            if !answered {
                out.put(format!("Server:\t\t{name}\nAddress:\t{server}\n\n").as_bytes());
                answered = true;
            }
            if wish.debug {
                let took = begin.elapsed().as_millis();
                out.put(format!("Query #{number} completed in {took}ms:\n").as_bytes());
            }
            if reply.code != 0 {
                let why = dns::code_name(reply.code);
                out.put(format!("** server can't find {asked}: {why}\n").as_bytes());
                status = 1;
            } else {
                out.put(show(&reply, wish.debug).as_bytes());
            }
            out.put_byte(b'\n');
            out.flush();
        }
        if answered {
            return out.finish("nslookup", status, 1);
        }
    }
    out.put(b";; connection timed out; no servers could be reached\n\n");
    out.finish("nslookup", 1, 1)
}

fn show(reply: &Reply, debug: bool) -> String {
    let mut text = match (reply.authoritative, debug) {
        (false, _) => "Non-authoritative answer:\n".to_owned(),
        (true, true) => "authoritative answer:\n".to_owned(),
        (true, false) => String::new(),
    };
    for record in &reply.answers {
        let name = &record.name;
        text += &match &record.data {
            Data::Address(address) => format!("Name:\t{name}\nAddress: {address}\n"),
            Data::Name(to) => match record.kind {
                2 => format!("{name}\tnameserver = {to}\n"),
                5 => format!("{name}\tcanonical name = {to}\n"),
                _ => format!("{name}\tname = {to}\n"),
            },
            Data::Mail(order, to) => format!("{name}\tmail exchanger = {order} {to}\n"),
            Data::Text(bytes) if bytes.is_empty() => String::new(),
            Data::Text(bytes) => {
                let words: String = bytes
                    .iter()
                    .map(|byte| match byte {
                        0x20..=0x7e => char::from(*byte),
                        _ => '?',
                    })
                    .collect();
                format!("{name}\ttext = \"{words}\"\n")
            }
            Data::Service(priority, weight, port, to) => {
                format!("{name}\tservice = {priority} {weight} {port} {to}\n")
            }
            Data::Authority(origin, mailbox, [serial, refresh, retry, expire, minimum]) => format!(
                "{name}\n\torigin = {origin}\n\tmail addr = {mailbox}\n\tserial = {serial}\n\trefresh = {refresh}\n\
                 \tretry = {retry}\n\texpire = {expire}\n\tminimum = {minimum}\n"
            ),
            Data::Unknown => String::new(),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for() {
        let search = ["a.b".to_owned(), "c".to_owned()];
        assert_eq!(names("h", 1, &search), ["h.a.b", "h.c"]);
        assert_eq!(names("h.x", 1, &search), ["h.x"]);
        assert_eq!(names("h", 12, &search), ["h"]);
        assert_eq!(names("h", 1, &[".".to_owned()]), ["h"]);
    }

    #[test]
    fn options() {
        let mut wish = Wish {
            kinds: Vec::new(),
            port: 53,
            timeout: 5,
            retry: 2,
            debug: false,
        };
        for good in ["type=mx", "q=ANY", "port=5353", "debug", "timeout=1"] {
            read_option(good, &mut wish).unwrap();
        }
        assert_eq!(wish.kinds, [15, 255]);
        assert_eq!((wish.port, wish.timeout, wish.debug), (5353, 1, true));
        for bad in ["type=x", "type", "port=0", "port=x", "nonsense"] {
            assert!(read_option(bad, &mut wish).is_err(), "{bad}");
        }
    }
}

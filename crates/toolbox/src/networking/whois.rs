//! `whois`: asks a server who has a name (RFC 3912), and the one that it names.

use crate::common::lines::{Output, about, other, status};
use crate::common::options::{Given, Options};
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::net::TcpStream;

pub const USAGE: &str = "[-i] [-h SERVER] [-p PORT] NAME...

-i  print what the servers said that name another one, too    -h  the server (whois.iana.org)    -p  its port (43)";

const OPTIONS: Options = Options {
    applet: "whois",
    letters: "ih:p:",
    long: &[],
};

/// No more than that is read of an answer, and no more servers are asked.
const LONGEST: u64 = 32 * 1024;
const SERVERS: usize = 8;

/// `whois`
pub fn main(arguments: &[OsString]) -> i32 {
    let given = match OPTIONS.take(arguments, 1, usize::MAX) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let mut out = Output::new();
    let mut worst = 0;
    for name in &given.operands {
        worst = worst.max(status(
            "whois",
            ask(&given, &name.to_string_lossy(), &mut out),
        ));
        if worst != 0 {
            break;
        }
    }
    out.finish("whois", worst, 1)
}

fn ask(given: &Given, name: &str, out: &mut Output) -> io::Result<i32> {
    if name.contains(['\r', '\n']) {
        return Err(other("a name is one line"));
    }
    let mut port = given.number('p', 43_u16).map_err(other)?;
    let mut host = given.value('h').map_or("whois.iana.org".into(), |host| {
        host.to_string_lossy().into_owned()
    });
    for _ in 0..SERVERS {
        let mut answer = query(&host, port, "", name, out)?;
        let mut found = read(&answer);
        if !found.known {
            // Some servers want to hear what kind of name it is.
            answer = query(&host, port, "domain ", name, out)?;
            found = read(&answer);
        }
        let next = found.server.filter(|server| *server != host);
        if next.is_none() || given.has('i') {
            out.put(format!("[{host}]\n").as_bytes());
            out.put(&answer);
        }
        match next {
            None => return Ok(0),
            Some(server) => {
                out.put(format!("[Redirected to {server}]\n").as_bytes());
                (host, port) = (server, 43);
            }
        }
    }
    Err(other(format!(
        "{name}: one server names another without end"
    )))
}

/// The answer, its lines ended as ours are.
fn query(host: &str, port: u16, prefix: &str, name: &str, out: &mut Output) -> io::Result<Vec<u8>> {
    out.put(format!("[Querying {host}:{port} '{prefix}{name}']\n").as_bytes());
    out.flush();
    let told = |error: io::Error| about(format!("{host}:{port}"), &error);
    let mut stream = TcpStream::connect((host, port)).map_err(told)?;
    stream
        .write_all(format!("{prefix}{name}\r\n").as_bytes())
        .map_err(told)?;
    let mut bytes = Vec::new();
    stream.take(LONGEST).read_to_end(&mut bytes).map_err(told)?;
    let mut answer = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        answer.extend(line.trim_ascii_end());
        answer.push(b'\n');
    }
    Ok(answer)
}

/// What is in an answer.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    /// Whether the name is known there.
    known: bool,
    /// Who knows more.
    server: Option<String>,
}

fn read(answer: &[u8]) -> Found {
    let mut found = Found {
        known: false,
        server: None,
    };
    for line in answer.split(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(line).trim().to_lowercase();
        if !found.known {
            found.known = line.starts_with("domain:") || line.starts_with("domain name:");
        } else if found.server.is_none() {
            let server = line
                .strip_prefix("whois server:")
                .or_else(|| line.strip_prefix("whois:"));
            found.server = server
                .map(|server| server.trim().to_owned())
                .filter(|server| !server.is_empty());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let found = read(b"% text\nDomain: X.ORG\n  Whois Server:  whois.x.org \nwhois: other\n");
        assert_eq!(
            found,
            Found {
                known: true,
                server: Some("whois.x.org".into())
            }
        );
        assert_eq!(
            read(b"whois: x\nno match\n"),
            Found {
                known: false,
                server: None
            }
        );
        assert_eq!(read(b"domain:\nwhois:\n").server, None);
        assert!(!read(b"\xff\xfe").known);
    }
}

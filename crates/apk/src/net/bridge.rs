//! `ssl_client`, a second name of the program: TLS for programs that have none of their own, such as wget.
//!
//! Whoever starts it is connected to a server by descriptor FD, and speaks plainly with standard input and output.

use super::stream;
use rustix::event::{PollFd, PollFlags, poll};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;

const USAGE: &str = "usage: ssl_client -s FD -n HOST [-I]

Speaks TLS with HOST over the connection FD: what comes on standard input is
sent encrypted, what the server answers goes to standard output.

  -s FD    the open connection
  -n HOST  the server's name, for its certificate
  -I       believe whoever answers";

/// What the command line says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Given {
    fd: Option<i32>,
    host: Option<String>,
    believe: bool,
}

/// Reads the command line: letters, each with its value in the same word or the next one.
fn parse(arguments: &[OsString]) -> Result<Given, String> {
    let mut given = Given::default();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let word = word.to_str().ok_or("the arguments are not UTF-8")?;
        let mut rest = word
            .strip_prefix('-')
            .filter(|rest| !rest.is_empty())
            .ok_or_else(|| format!("{word}: not known"))?
            .chars();
        while let Some(letter) = rest.next() {
            if letter == 'I' {
                given.believe = true;
                continue;
            }
            if !matches!(letter, 's' | 'n') {
                return Err(format!("-{letter}: not known"));
            }
            let value = match rest.as_str() {
                "" => words.next().and_then(|word| word.to_str()),
                value => Some(value),
            };
            let value = value.ok_or_else(|| format!("-{letter}: a value is missing"))?;
            if letter == 'n' {
                given.host = Some(value.to_owned());
            } else {
                let fd = value.parse().ok().filter(|fd| *fd >= 0);
                given.fd = Some(fd.ok_or_else(|| format!("-s {value}: no descriptor"))?);
            }
            break;
        }
    }
    Ok(given)
}

/// Runs it; gives the exit status.
pub fn main(arguments: &[OsString]) -> u8 {
    sys::process::reset_sigpipe();
    let complain = |text: &str| {
        let _ = writeln!(io::stderr().lock(), "ssl_client: {text}");
        1
    };
    let given = match parse(arguments) {
        Ok(given) => given,
        Err(wrong) => return complain(&format!("{wrong}\n{USAGE}")),
    };
    let (Some(fd), Some(host)) = (given.fd, given.host) else {
        return complain(&format!("-s and -n are needed\n{USAGE}"));
    };
    match sys::process::inherited(fd) {
        Err(error) => complain(&format!("descriptor {fd}: {error}")),
        Ok(socket) => match bridge(socket, &host, !given.believe) {
            Ok(()) => 0,
            Err(error) => complain(&format!("{host}: {error}")),
        },
    }
}

/// Passes on until the server ends the connection.
fn bridge(socket: OwnedFd, host: &str, check: bool) -> io::Result<()> {
    let mut tls = stream::client(host, check)?;
    let mut socket = File::from(socket);
    // Before anything is read that the caller has to say: what is wrong with the certificate is then said alone.
    while tls.is_handshaking() {
        tls.complete_io(&mut Both(&mut socket))?;
    }
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut buffer = vec![0; 16 * 1024];
    let mut talking = true;
    loop {
        let (server, caller) = {
            let stdin = rustix::stdio::stdin();
            let mut fds = vec![PollFd::new(&socket, PollFlags::IN)];
            if talking {
                fds.push(PollFd::new(&stdin, PollFlags::IN));
            }
            match poll(&mut fds, None) {
                Err(rustix::io::Errno::INTR) => continue,
                other => other.map(drop)?,
            }
            let ready = |at: usize| fds.get(at).is_some_and(|fd| !fd.revents().is_empty());
            (ready(0), ready(1))
        };
        if server {
            let count = tls.read_tls(&mut socket)?;
            let state = tls.process_new_packets().map_err(|error| {
                // The server is told why, where it still listens.
                while tls_flush(&mut tls, &mut socket).is_ok_and(|more| more) {}
                io::Error::other(error)
            })?;
            let mut left = state.plaintext_bytes_to_read();
            while left > 0 {
                let most = left.min(buffer.len());
                let part = buffer.get_mut(..most).unwrap_or_default();
                let got = tls.reader().read(part)?;
                output.write_all(part.get(..got).unwrap_or_default())?;
                left -= got;
                if got == 0 {
                    break;
                }
            }
            output.flush()?;
            if count == 0 || state.peer_has_closed() {
                return Ok(());
            }
        }
        if caller {
            let count = input.read(&mut buffer)?;
            talking = count > 0;
            tls.writer()
                .write_all(buffer.get(..count).unwrap_or_default())?;
        }
        while tls_flush(&mut tls, &mut socket)? {}
    }
}

/// Sends some of what waits to be sent. Is there more?
fn tls_flush(tls: &mut rustls::ClientConnection, socket: &mut File) -> io::Result<bool> {
    if !tls.wants_write() {
        return Ok(false);
    }
    tls.write_tls(socket)?;
    Ok(true)
}

/// Reads and writes one file.
struct Both<'a>(&'a mut File);

impl Read for Both<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl Write for Both<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(words: &[&str]) -> Result<Given, String> {
        parse(&words.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn values_stand_behind_their_letter_or_in_the_next_word() {
        let want = Given {
            fd: Some(3),
            host: Some("a.example".into()),
            believe: true,
        };
        for words in [
            &["-s", "3", "-n", "a.example", "-I"][..],
            &["-s3", "-I", "-na.example"],
            &["-Is3", "-n", "a.example"],
        ] {
            assert_eq!(given(words).as_ref(), Ok(&want), "{words:?}");
        }
        for words in [
            &["-s"][..],
            &["-s", "x"],
            &["-s", "-1"],
            &["x"],
            &["-"],
            &["-q"],
        ] {
            assert!(given(words).is_err(), "{words:?}");
        }
    }
}

//! `wget`: fetches files over HTTP; HTTPS through `ssl_client`, which holds the TLS.

mod answer;
mod progress;
mod url;
mod wire;

use crate::common::lines::{cause, write_all};
use crate::common::options::{Given, Options};
use answer::Head;
use progress::Progress;
use rustix::stdio;
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use url::{Url, base64};
use wire::Wire;

pub const USAGE: &str = "[-cqS] [--spider] [-O FILE] [-o LOG] [-P DIR] [-T SEC] [-t TRIES] [-U AGENT] [-Y on|off]
            [--header LINE] [--post-data TEXT | --post-file FILE] [--no-check-certificate] URL...

-c  go on where an earlier try ended    -O  save to FILE, '-' is standard output    -P  save in DIR
-q  quiet    -S  show the server's headers    -o  messages go to LOG    --spider  only see whether it is there
-T  give up after SEC without data (900)    -t  tries    -U  the User-Agent
-Y  use proxies (http_proxy, https_proxy, no_proxy); on by default
--header  one more line for the request    --post-data, --post-file  send this with POST
--no-check-certificate  trust any server; https runs ssl_client";

const REDIRECTS: u32 = 20;

/// What only has a long name.
const SPIDER: char = '\u{100}';
const HEADER: char = '\u{101}';
const POST_DATA: char = '\u{102}';
const POST_FILE: char = '\u{103}';
const UNCHECKED: char = '\u{104}';

const OPTIONS: Options = Options {
    applet: "wget",
    // GNU's -nv, -nc, -nH and -np say nothing that is not so here.
    letters: "cqSO:o:P:T:t:U:Y:n::\u{100}\u{101}:\u{102}:\u{103}:\u{104}",
    long: &[
        ("continue", 'c'),
        ("quiet", 'q'),
        ("server-response", 'S'),
        ("output-document", 'O'),
        ("output-file", 'o'),
        ("directory-prefix", 'P'),
        ("timeout", 'T'),
        ("tries", 't'),
        ("user-agent", 'U'),
        ("proxy", 'Y'),
        ("spider", SPIDER),
        ("header", HEADER),
        ("post-data", POST_DATA),
        ("post-file", POST_FILE),
        ("no-check-certificate", UNCHECKED),
        ("no-verbose", 'n'),
    ],
};

/// What all of the fetches share.
struct Fetch {
    given: Given,
    log: Option<File>,
    seconds: u32,
    body: Option<Vec<u8>>,
    /// What `-O` opened: all files go into it, one behind the other.
    output: Option<File>,
}

fn other(text: impl Into<String>) -> io::Error {
    io::Error::other(text.into())
}

impl Fetch {
    fn tell(&self, text: &str) {
        let line = format!("{text}\n");
        let _ = match &self.log {
            Some(log) => write_all(log, line.as_bytes()),
            None => write_all(stdio::stderr(), line.as_bytes()),
        };
    }

    fn head(&self, wire: &mut Wire) -> io::Result<Head> {
        answer::read(wire, &|line| {
            if self.given.has('S') {
                self.tell(&format!("  {line}"));
            }
        })
    }

    /// The proxy for a URL, if the environment names one.
    fn proxy(&self, url: &Url) -> Option<Url> {
        if self.given.value('Y').is_some_and(|word| word == "off") {
            return None;
        }
        let direct = std::env::var("no_proxy").unwrap_or_default();
        let spared = |name: &str| {
            let name = name.trim().trim_start_matches('.');
            name == "*"
                || !name.is_empty()
                    && url
                        .host
                        .strip_suffix(name)
                        .is_some_and(|front| front.is_empty() || front.ends_with('.'))
        };
        if direct.split(',').any(spared) {
            return None;
        }
        let name = if url.secure {
            "https_proxy"
        } else {
            "http_proxy"
        };
        let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
        Url::parse(&text)
    }

    /// Connects, through a proxy's tunnel for https.
    fn connect(&self, url: &Url, proxy: Option<&Url>) -> io::Result<Wire> {
        let to = proxy.unwrap_or(url);
        if !self.given.has('q') {
            self.tell(&format!("Connecting to {}:{}", to.host, to.port));
        }
        let mut wire = Wire::connect(&to.host, to.port, self.seconds).map_err(|error| {
            other(format!(
                "can't connect to remote host ({}): {}",
                to.host,
                cause(&error)
            ))
        })?;
        if let Some(proxy) = proxy.filter(|_| url.secure) {
            let place = format!("{}:{}", url.host, url.port);
            let mut request = format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n");
            if let Some(user) = &proxy.user {
                request += &format!("Proxy-Authorization: Basic {}\r\n", base64(user.as_bytes()));
            }
            wire.send(format!("{request}\r\n").as_bytes())?;
            let head = self.head(&mut wire)?;
            if head.status != 200 {
                return Err(other(format!("proxy: {} {}", head.status, head.reason)));
            }
        }
        if url.secure {
            wire.secure(&url.host, !self.given.has(UNCHECKED))?;
        }
        Ok(wire)
    }

    fn request(&self, url: &Url, proxy: Option<&Url>, from: u64, post: bool) -> Vec<u8> {
        let method = if post {
            "POST"
        } else if self.given.has(SPIDER) {
            "HEAD"
        } else {
            "GET"
        };
        let plain_proxy = proxy.filter(|_| !url.secure);
        let target = match plain_proxy {
            Some(_) => url.text(),
            None => url.path.clone(),
        };
        let own = |name: &str| {
            self.given.values(HEADER).any(|line| {
                line.as_bytes()
                    .get(..name.len())
                    .is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
            })
        };
        let mut text = format!("{method} {target} HTTP/1.1\r\n").into_bytes();
        let mut add = |name: &str, value: &[u8]| {
            if !own(name) {
                text.extend_from_slice(name.as_bytes());
                text.push(b' ');
                text.extend_from_slice(value);
                text.extend_from_slice(b"\r\n");
            }
        };
        add("Host:", url.place().as_bytes());
        let agent = self.given.value('U').unwrap_or(OsStr::new("Wget"));
        add("User-Agent:", agent.as_bytes());
        add("Connection:", b"close");
        if from > 0 {
            add("Range:", format!("bytes={from}-").as_bytes());
        }
        if let Some(user) = &url.user {
            add(
                "Authorization:",
                format!("Basic {}", base64(user.as_bytes())).as_bytes(),
            );
        }
        if let Some(user) = plain_proxy.and_then(|proxy| proxy.user.as_ref()) {
            let word = format!("Basic {}", base64(user.as_bytes()));
            add("Proxy-Authorization:", word.as_bytes());
        }
        let body = self.body.as_deref().filter(|_| post);
        if let Some(body) = body {
            add("Content-Type:", b"application/x-www-form-urlencoded");
            add("Content-Length:", body.len().to_string().as_bytes());
        }
        for line in self.given.values(HEADER) {
            text.extend_from_slice(line.as_bytes());
            text.extend_from_slice(b"\r\n");
        }
        text.extend_from_slice(b"\r\n");
        text.extend_from_slice(body.unwrap_or_default());
        text
    }

    fn fetch(&mut self, text: &OsStr) -> io::Result<()> {
        let text = text.to_str().ok_or_else(|| other("the URL is not UTF-8"))?;
        let mut url = Url::parse(text)
            .ok_or_else(|| other(format!("not an http or https URL: {}", text.escape_debug())))?;
        let name = self.name(&url);
        let mut from = 0;
        if self.given.has('c') {
            from = match (&self.output, &name) {
                (Some(file), _) => file.metadata()?.len(),
                (None, Some(path)) => std::fs::metadata(path).map_or(0, |meta| meta.len()),
                _ => 0,
            };
        }
        let mut post = self.body.is_some();
        for _ in 0..=REDIRECTS {
            let proxy = self.proxy(&url);
            let mut wire = self.connect(&url, proxy.as_ref())?;
            wire.send(&self.request(&url, proxy.as_ref(), from, post))?;
            let head = self.head(&mut wire)?;
            match head.status {
                206 if from > 0 && head.start.is_some_and(|start| start != from) => {
                    return Err(other("the server sent another part than was asked for"));
                }
                200..=299 => return self.save(&mut wire, &head, name.as_deref(), from, &url),
                301 | 302 | 303 | 307 | 308 if head.location.is_some() => {
                    let to = head.location.as_deref().unwrap_or_default();
                    let mut next = url
                        .join(to)
                        .ok_or_else(|| other(format!("bad redirection: {}", to.escape_debug())))?;
                    if url.secure && !next.secure {
                        self.tell("wget: note: redirected from https to http");
                    }
                    // A password is for the host that it was given for.
                    if next.host != url.host || next.port != url.port || !next.secure && url.secure
                    {
                        next.user = None;
                    }
                    post &= matches!(head.status, 307 | 308);
                    url = next;
                }
                // Nothing is behind what is there already.
                416 if from > 0 && head.total.is_none_or(|total| total == from) => {
                    if !self.given.has('q') {
                        self.tell("nothing is left to fetch");
                    }
                    return Ok(());
                }
                416 if from > 0 => {
                    return Err(other("what is there is longer than the server's file"));
                }
                status => {
                    return Err(other(format!(
                        "server returned error: HTTP/1.1 {status} {}",
                        head.reason
                    )));
                }
            }
        }
        Err(other("too many redirections"))
    }

    /// Where it is saved; `None`: standard output, or what `-O` opened.
    fn name(&self, url: &Url) -> Option<PathBuf> {
        if self.given.has('O') {
            return None;
        }
        let folder = self.given.value('P').map(PathBuf::from).unwrap_or_default();
        Some(folder.join(url.file_name()))
    }

    fn save(
        &mut self,
        wire: &mut Wire,
        head: &Head,
        name: Option<&Path>,
        from: u64,
        url: &Url,
    ) -> io::Result<()> {
        if self.given.has(SPIDER) {
            if !self.given.has('q') {
                self.tell("remote file exists");
            }
            return Ok(());
        }
        // A server that does not know of parts sends all of it.
        let from = if head.status == 206 { from } else { 0 };
        let made;
        let label = name.map_or_else(|| url.file_name(), |path| path.display().to_string());
        let output = match (&self.output, name) {
            (Some(file), _) => {
                if self.given.has('c') && from == 0 && file.metadata()?.is_file() {
                    file.set_len(0)?;
                }
                Some(file)
            }
            (None, Some(path)) => {
                let mut how = OpenOptions::new();
                how.write(true);
                if from > 0 {
                    how.append(true);
                } else if self.given.has('c') {
                    how.create(true).truncate(true);
                } else {
                    // BusyBox, too, does not write over what is there unless -O says so.
                    how.create_new(true);
                }
                made = how
                    .open(path)
                    .map_err(|error| other(format!("can't open '{label}': {}", cause(&error))))?;
                Some(&made)
            }
            (None, None) => None,
        };
        let mut progress = Progress::new(
            if label.is_empty() {
                "-".to_owned()
            } else {
                label
            },
            head.length.map(|length| length.saturating_add(from)),
            !self.given.has('q') && self.log.is_none(),
        );
        progress.add(from);
        let stdout = stdio::stdout();
        let to = output.map_or(stdout, |file| file.as_fd());
        let mut left = if head.chunked { None } else { head.length };
        loop {
            if head.chunked {
                let line = wire
                    .line()?
                    .ok_or_else(|| other("connection closed prematurely"))?;
                let line = String::from_utf8_lossy(&line).into_owned();
                let size = line.split(';').next().unwrap_or_default().trim();
                let size = u64::from_str_radix(size, 16)
                    .map_err(|_| other("the server's chunk has a bad length"))?;
                if size == 0 {
                    break;
                }
                left = Some(size);
            }
            while left != Some(0) {
                let block = wire.block(left.unwrap_or(u64::MAX))?;
                if block.is_empty() {
                    match left {
                        Some(_) => return Err(other("connection closed prematurely")),
                        None => break,
                    }
                }
                write_all(to, block)
                    .map_err(|error| other(format!("write error: {}", cause(&error))))?;
                let count = block.len() as u64;
                left = left.map(|left| left - count);
                progress.add(count);
            }
            if !head.chunked {
                break;
            }
            // Behind a chunk is the end of a line.
            wire.line()?;
        }
        progress.finish();
        if !self.given.has('q') {
            match name {
                Some(path) => self.tell(&format!("'{}' saved", path.display())),
                None if self.output.is_some() => self.tell(&format!(
                    "'{}' saved",
                    self.given.value('O').unwrap_or_default().display()
                )),
                None => self.tell("written to stdout"),
            }
        }
        Ok(())
    }
}

/// Runs it.
pub fn main(arguments: &[OsString]) -> i32 {
    let given = match OPTIONS.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = OPTIONS.operands(&given, 1, usize::MAX) {
        return status;
    }
    match run(given) {
        Ok(()) => 0,
        Err(error) => {
            crate::common::lines::say("wget", cause(&error));
            1
        }
    }
}

fn number(given: &Given, letter: char, usual: u32) -> io::Result<u32> {
    let Some(value) = given.value(letter) else {
        return Ok(usual);
    };
    let number = value.to_str().and_then(|text| text.parse().ok());
    number.ok_or_else(|| other(format!("invalid number '{}'", value.display())))
}

fn run(given: Given) -> io::Result<()> {
    let name =
        |path: &OsStr, error: io::Error| other(format!("{}: {}", path.display(), cause(&error)));
    let seconds = number(&given, 'T', 900)?;
    let tries = number(&given, 't', 1)?;
    let bad = given.values(HEADER).find(|line| {
        line.as_bytes()
            .iter()
            .any(|byte| matches!(byte, b'\n' | b'\r'))
    });
    if bad.is_some() {
        return Err(other("a header may not have a line end in it"));
    }
    let body = match (given.value(POST_DATA), given.value(POST_FILE)) {
        (Some(text), _) => Some(text.as_bytes().to_vec()),
        (None, Some(path)) => Some(std::fs::read(path).map_err(|error| name(path, error))?),
        _ => None,
    };
    let log = match given.value('o') {
        Some(path) if path != "-" => Some(File::create(path).map_err(|error| name(path, error))?),
        _ => None,
    };
    let output = match given.value('O') {
        Some(path) if path != "-" && !given.has(SPIDER) => Some(
            OpenOptions::new()
                .create(true)
                .append(given.has('c'))
                .write(true)
                .truncate(!given.has('c'))
                .open(path)
                .map_err(|error| name(path, error))?,
        ),
        _ => None,
    };
    let urls = given.operands.clone();
    let mut fetch = Fetch {
        given,
        log,
        seconds,
        body,
        output,
    };
    for url in &urls {
        let mut left = tries;
        loop {
            left = left.saturating_sub(1);
            match fetch.fetch(url) {
                Ok(()) => break,
                Err(error) if left == 0 => return Err(error),
                Err(error) => fetch.tell(&format!("wget: {}", cause(&error))),
            }
        }
    }
    Ok(())
}

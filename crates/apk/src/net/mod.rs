//! Fetching over HTTP/1.1 (RFC 9110, RFC 9112), with TLS by rustls where the program is built with it.
//!
//! A [`Client`] keeps its connections and uses them again; a [`Body`] reads one answer, and goes on where it was when the
//! connection breaks in the middle.

mod answer;
#[cfg(feature = "tls")]
pub mod bridge;
#[cfg(feature = "tls")]
mod provider;
mod stream;

use answer::{Answer, Framing};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use stream::Stream;

const MOST_REDIRECTS: usize = 8;
const TRIES: u32 = 3;

/// A parsed address.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Url {
    tls: bool,
    host: String,
    port: u16,
    path: String,
}

impl Url {
    fn parse(text: &str) -> io::Result<Url> {
        let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what.to_owned());
        let (tls, rest) = if let Some(rest) = text.strip_prefix("http://") {
            (false, rest)
        } else if let Some(rest) = text.strip_prefix("https://") {
            (true, rest)
        } else {
            return Err(bad("only http:// and https:// are supported"));
        };
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        // What is before an @ would be a password in a file that all can read.
        let authority = authority.rsplit('@').next().unwrap_or(authority);
        let usual = if tls { 443 } else { 80 };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (
                host,
                port.parse().map_err(|_| bad("the port is no number"))?,
            ),
            _ => (authority, usual),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || text.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return Err(bad("not an address"));
        }
        Ok(Url {
            tls,
            host: host.to_owned(),
            port,
            path: path.to_owned(),
        })
    }

    fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        if self.port == if self.tls { 443 } else { 80 } {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }

    /// Where a redirect leads.
    fn join(&self, location: &str) -> io::Result<Url> {
        if location.contains("://") {
            return Url::parse(location);
        }
        let mut url = self.clone();
        url.path = if location.starts_with('/') {
            location.to_owned()
        } else {
            let folder = self.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{folder}/{location}")
        };
        Ok(url)
    }
}

struct Kept {
    tls: bool,
    host: String,
    port: u16,
    stream: BufReader<Stream>,
}

/// How to fetch.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long to wait for a connection, and for bytes.
    pub timeout: Duration,
    /// Whether the server must prove who it is.
    pub check_certificate: bool,
}

/// Fetches; its clones may do so at the same time.
#[derive(Clone)]
pub struct Client {
    settings: Settings,
    /// Connections that nobody uses just now.
    kept: Arc<Mutex<Vec<Kept>>>,
}

/// What a request came to.
pub enum Fetched {
    /// It is there.
    Body(Box<Body>),
    /// It has not changed since.
    NotModified,
}

impl Client {
    /// A client with no connection.
    pub fn new(settings: Settings) -> Client {
        Client {
            settings,
            kept: Arc::default(),
        }
    }

    /// Fetches an address; with `since`, only if it has changed.
    ///
    /// # Errors
    /// What is in the way; tried again where that may help.
    pub fn get(&self, url: &str, since: Option<SystemTime>) -> io::Result<Fetched> {
        let url = Url::parse(url)?;
        let mut last = None;
        for attempt in 0..TRIES {
            if attempt > 0 {
                std::thread::sleep(Duration::from_millis(250 << attempt));
            }
            match self.follow(&url, 0, since) {
                Ok(fetched) => return Ok(fetched),
                Err(error) if may_pass(&error) => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| io::ErrorKind::TimedOut.into()))
    }

    /// One request, and where its redirects lead.
    fn follow(&self, url: &Url, from: u64, since: Option<SystemTime>) -> io::Result<Fetched> {
        let mut url = url.clone();
        for _ in 0..MOST_REDIRECTS {
            let (answer, stream) = self.request(&url, from, since)?;
            match answer.status {
                200 | 206 => {
                    if from > 0 && answer.status == 200 {
                        return Err(io::Error::other("the server cannot go on in the middle"));
                    }
                    let length = match answer.framing {
                        Framing::Length(length) => Some(length),
                        _ => None,
                    };
                    return Ok(Fetched::Body(Box::new(Body {
                        client: self.clone(),
                        url,
                        stream: Some(stream),
                        framing: answer.framing,
                        keep: answer.keep,
                        read: from,
                        total: length.map(|length| length + from),
                        again: 0,
                    })));
                }
                304 => {
                    self.keep(&url, stream, answer.keep && answer.is_empty());
                    return Ok(Fetched::NotModified);
                }
                301 | 302 | 303 | 307 | 308 => {
                    let location = answer
                        .location
                        .ok_or_else(|| io::Error::other("a redirect to nowhere"))?;
                    let next = url.join(&location)?;
                    if url.tls && !next.tls {
                        return Err(io::Error::other("a redirect from https to http"));
                    }
                    url = next;
                }
                404 | 410 => {
                    return Err(io::Error::new(
                        io::ErrorKind::NotFound,
                        "No such file on the server",
                    ));
                }
                status => {
                    let kind = if status >= 500 || status == 429 {
                        io::ErrorKind::ConnectionAborted
                    } else {
                        io::ErrorKind::Other
                    };
                    let reason = answer.reason;
                    return Err(io::Error::new(
                        kind,
                        format!("the server says {status} {reason}"),
                    ));
                }
            }
        }
        Err(io::Error::other("too many redirects"))
    }

    fn request(
        &self,
        url: &Url,
        from: u64,
        since: Option<SystemTime>,
    ) -> io::Result<(Answer, BufReader<Stream>)> {
        let proxy = proxy(url);
        let kept = self.kept(url);
        let mut text = String::from("GET ");
        if proxy.is_some() && !url.tls {
            text.push_str(&format!("http://{}", url.authority()));
        }
        text.push_str(&format!(
            "{} HTTP/1.1\r\nHost: {}\r\nUser-Agent: apk-tools/3.0.6 (Ferrata)\r\nAccept: */*\r\n",
            url.path,
            url.authority()
        ));
        if from > 0 {
            text.push_str(&format!("Range: bytes={from}-\r\n"));
        }
        if let Some(since) = since.and_then(answer::http_date) {
            text.push_str(&format!("If-Modified-Since: {since}\r\n"));
        }
        text.push_str("\r\n");
        let ask = |mut stream: BufReader<Stream>| -> io::Result<(Answer, BufReader<Stream>)> {
            stream.get_mut().write_all(text.as_bytes())?;
            stream.get_mut().flush()?;
            let answer = Answer::read(&mut stream)?;
            Ok((answer, stream))
        };
        if let Some(kept) = kept {
            // The server may have closed it meanwhile: then a new one.
            if let Ok(done) = ask(kept.stream) {
                return Ok(done);
            }
        }
        let stream = Stream::connect(
            &url.host,
            url.port,
            url.tls,
            proxy.as_deref(),
            &self.settings,
        )?;
        ask(BufReader::with_capacity(64 * 1024, stream))
    }

    /// A connection to an address' server that is open already.
    fn kept(&self, url: &Url) -> Option<Kept> {
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |kept: &Kept| {
            (kept.tls, kept.host.as_str(), kept.port) == (url.tls, url.host.as_str(), url.port)
        };
        let at = all.iter().position(fits)?;
        Some(all.swap_remove(at))
    }

    fn keep(&self, url: &Url, stream: BufReader<Stream>, keep: bool) {
        if keep {
            let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            all.push(Kept {
                tls: url.tls,
                host: url.host.clone(),
                port: url.port,
                stream,
            });
        }
    }
}

/// Whether the same may go well a moment later.
fn may_pass(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(
        error.kind(),
        K::TimedOut
            | K::WouldBlock
            | K::ConnectionReset
            | K::ConnectionAborted
            | K::UnexpectedEof
            | K::BrokenPipe
            | K::Interrupted
    )
}

/// The proxy that the environment names for an address.
fn proxy(url: &Url) -> Option<String> {
    let get = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let except = get("no_proxy")
        .or_else(|| get("NO_PROXY"))
        .unwrap_or_default();
    let excepted = except.split(',').map(str::trim).any(|word| {
        word == "*" || (!word.is_empty() && url.host.ends_with(word.trim_start_matches('.')))
    });
    if excepted {
        return None;
    }
    if url.tls {
        get("https_proxy").or_else(|| get("HTTPS_PROXY"))
    } else {
        get("http_proxy")
    }
}

/// The bytes of an answer.
pub struct Body {
    client: Client,
    url: Url,
    stream: Option<BufReader<Stream>>,
    framing: Framing,
    keep: bool,
    read: u64,
    total: Option<u64>,
    again: u32,
}

impl Body {
    /// How many bytes there are, if the server said so.
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    fn once(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(stream) = self.stream.as_mut() else {
            return Ok(0);
        };
        let count = self.framing.read(stream, into)?;
        if count == 0
            && !into.is_empty()
            && let Some(stream) = self.stream.take()
        {
            let keep = self.keep && self.framing.may_keep();
            self.client.keep(&self.url, stream, keep);
        }
        self.read += count as u64;
        Ok(count)
    }

    /// Opens a new connection that goes on where this one broke.
    fn resume(&mut self) -> io::Result<()> {
        self.stream = None;
        let client = self.client.clone();
        match client.follow(&self.url, self.read, None)? {
            Fetched::Body(mut new) if new.total == self.total && self.total.is_some() => {
                self.stream = new.stream.take();
                self.framing = std::mem::replace(&mut new.framing, Framing::Length(0));
                self.keep = new.keep;
                Ok(())
            }
            _ => Err(io::Error::other("the file changed on the server meanwhile")),
        }
    }
}

impl Read for Body {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.once(into) {
                Err(error) if self.again < TRIES && may_pass(&error) && self.total.is_some() => {
                    self.again += 1;
                    if self.resume().is_err() {
                        return Err(error);
                    }
                }
                other => return other,
            }
        }
    }
}

/// A body with a buffer, as the package reader wants it.
pub fn buffered(body: Box<Body>) -> Box<dyn BufRead> {
    Box::new(BufReader::with_capacity(64 * 1024, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let url = Url::parse("http://u:p@h.example:81/a/b?c").unwrap();
        assert_eq!(
            (url.host.as_str(), url.port, url.path.as_str()),
            ("h.example", 81, "/a/b?c")
        );
        assert_eq!(url.join("../x").unwrap().path, "/a/../x");
        assert_eq!(url.join("/y").unwrap().path, "/y");
        assert_eq!(url.join("https://z/").unwrap().port, 443);
        assert_eq!(
            Url::parse("http://[::1]:8/").unwrap().authority(),
            "[::1]:8"
        );
        for bad in [
            "ftp://x/",
            "http://",
            "http://a b/",
            "http://x:y/",
            "http://x/\r\nEvil: 1",
        ] {
            assert!(Url::parse(bad).is_err(), "{bad}");
        }
    }
}

//! The head of an HTTP answer, and how its body ends.

use std::io::{self, BufRead, Read};
use std::time::{SystemTime, UNIX_EPOCH};

const LONGEST_LINE: u64 = 16 * 1024;
const MOST_LINES: usize = 200;

/// How the end of a body is known.
#[derive(Debug, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes are left.
    Length(u64),
    /// In chunks: so many bytes are left of this one; `None` before the first, and `Some(u64::MAX)` behind the last.
    Chunked(Option<u64>),
    /// By the end of the connection.
    Close,
}

const DONE: Option<u64> = Some(u64::MAX);

impl Framing {
    /// Reads body bytes; 0 is the end. An end that comes too early is an error.
    pub fn read(&mut self, stream: &mut impl BufRead, into: &mut [u8]) -> io::Result<usize> {
        let early = || {
            io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the connection ended too early",
            )
        };
        if into.is_empty() {
            return Ok(0);
        }
        match self {
            Framing::Close => stream.read(into),
            Framing::Length(0) => Ok(0),
            Framing::Length(left) => {
                let most = usize::try_from(*left).unwrap_or(usize::MAX).min(into.len());
                let count = stream.read(into.get_mut(..most).unwrap_or_default())?;
                if count == 0 {
                    return Err(early());
                }
                *left -= count as u64;
                Ok(count)
            }
            Framing::Chunked(state) => {
                if *state == DONE {
                    return Ok(0);
                }
                let left = match *state {
                    Some(left) if left > 0 => left,
                    other => {
                        if other == Some(0) {
                            line(stream)?;
                        }
                        let text = line(stream)?;
                        let size = text.split(';').next().unwrap_or("").trim();
                        let size = u64::from_str_radix(size, 16)
                            .ok()
                            .filter(|size| *size < 1 << 60)
                            .ok_or_else(|| io::Error::other("a chunk of no size"))?;
                        if size == 0 {
                            // Trailers, up to an empty line.
                            while !line(stream)?.is_empty() {}
                            *state = DONE;
                            return Ok(0);
                        }
                        size
                    }
                };
                let most = usize::try_from(left).unwrap_or(usize::MAX).min(into.len());
                let count = stream.read(into.get_mut(..most).unwrap_or_default())?;
                if count == 0 {
                    return Err(early());
                }
                *state = Some(left - count as u64);
                Ok(count)
            }
        }
    }

    /// Whether the connection can be used again behind the body.
    pub fn may_keep(&self) -> bool {
        matches!(self, Framing::Length(0) | Framing::Chunked(DONE))
    }
}

/// The head of an answer.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The words behind it.
    pub reason: String,
    /// How the body ends.
    pub framing: Framing,
    /// The connection stays.
    pub keep: bool,
    /// Where a redirect leads.
    pub location: Option<String>,
}

impl Answer {
    /// Reads it.
    pub fn read(stream: &mut impl BufRead) -> io::Result<Answer> {
        loop {
            let answer = Answer::read_one(stream)?;
            // 100 Continue and its kin come before the answer.
            if answer.status >= 200 {
                return Ok(answer);
            }
        }
    }

    fn read_one(stream: &mut impl BufRead) -> io::Result<Answer> {
        let first = line(stream)?;
        let mut words = first.splitn(3, ' ');
        let version = words.next().unwrap_or("");
        let status = words.next().and_then(|word| word.parse().ok());
        let (Some(status @ 100..=599), true) = (status, version.starts_with("HTTP/1.")) else {
            return Err(io::Error::other("the server does not speak HTTP"));
        };
        let reason: String = words
            .next()
            .unwrap_or("")
            .chars()
            .filter(|c| !c.is_control())
            .take(80)
            .collect();
        let mut answer = Answer {
            status,
            reason,
            framing: Framing::Close,
            keep: version == "HTTP/1.1",
            location: None,
        };
        for _ in 0..MOST_LINES {
            let line = line(stream)?;
            if line.is_empty() {
                if matches!(status, 204 | 304) || status < 200 {
                    answer.framing = Framing::Length(0);
                }
                return Ok(answer);
            }
            let Some((name, value)) = line.split_once(':') else {
                return Err(io::Error::other("a header without a colon"));
            };
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-length" if !matches!(answer.framing, Framing::Chunked(_)) => {
                    let length = value
                        .parse()
                        .map_err(|_| io::Error::other("a length that is no number"))?;
                    answer.framing = Framing::Length(length);
                }
                "transfer-encoding" if value.eq_ignore_ascii_case("chunked") => {
                    answer.framing = Framing::Chunked(None);
                }
                "connection" => answer.keep &= !value.eq_ignore_ascii_case("close"),
                "location" => answer.location = Some(value.to_owned()),
                _ => {}
            }
        }
        Err(io::Error::other("too many headers"))
    }

    /// Whether there is no body.
    pub fn is_empty(&self) -> bool {
        self.framing == Framing::Length(0)
    }
}

fn line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut bytes = Vec::new();
    stream.take(LONGEST_LINE).read_until(b'\n', &mut bytes)?;
    if bytes.last() != Some(&b'\n') {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the connection ended too early",
        ));
    }
    while matches!(bytes.last(), Some(b'\n' | b'\r')) {
        bytes.pop();
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
pub fn http_date(time: SystemTime) -> Option<String> {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let date = apk::civil(i64::try_from(days).ok()?);
    let day = DAYS.get(usize::try_from(days % 7).ok()?)?;
    let month = MONTHS.get(usize::try_from(date.1).ok()?.checked_sub(1)?)?;
    Some(format!(
        "{day}, {:02} {month} {} {:02}:{:02}:{:02} GMT",
        date.2,
        date.0,
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn body(head: &str, rest: &[u8]) -> io::Result<Vec<u8>> {
        let text = [head.as_bytes(), rest].concat();
        let mut stream = text.as_slice();
        let mut answer = Answer::read(&mut stream)?;
        let mut out = Vec::new();
        let mut buffer = [0; 3];
        loop {
            match answer.framing.read(&mut stream, &mut buffer)? {
                0 => return Ok(out),
                count => out.extend_from_slice(&buffer[..count]),
            }
        }
    }

    #[test]
    fn bodies_end_where_they_say() {
        let ok = "HTTP/1.1 200 OK\r\n";
        assert_eq!(
            body(&format!("{ok}Content-Length: 4\r\n\r\n"), b"abcdef").unwrap(),
            b"abcd"
        );
        assert_eq!(body(&format!("{ok}\r\n"), b"abc").unwrap(), b"abc");
        let chunked = format!("{ok}Transfer-Encoding: chunked\r\n\r\n");
        assert_eq!(
            body(&chunked, b"4;x\r\nabcd\r\n2\r\nef\r\n0\r\nT: 1\r\n\r\nnext").unwrap(),
            b"abcdef"
        );
        for cut in 0..20 {
            assert!(body(&chunked, &b"4\r\nabcd\r\n0\r\n\r\n"[..cut.min(13)]).is_err());
        }
        assert!(body(&format!("{ok}Content-Length: 4\r\n\r\n"), b"abc").is_err());
        assert!(body("SSH-2.0-x\r\n", b"").is_err());
        assert!(body(&format!("{ok}no colon\r\n\r\n"), b"").is_err());
    }

    #[test]
    fn dates() {
        let date = http_date(UNIX_EPOCH + Duration::from_secs(784_111_777)).unwrap();
        assert_eq!(date, "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}

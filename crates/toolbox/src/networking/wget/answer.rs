//! The head of an answer (RFC 9112).

use super::other;
use super::wire::Wire;
use std::io;

/// What an answer's head says.
#[derive(Debug, Default)]
pub struct Head {
    /// 200 and so on.
    pub status: u16,
    /// What the server says of it.
    pub reason: String,
    /// How long the body is.
    pub length: Option<u64>,
    /// Whether it comes in chunks, each with its own length.
    pub chunked: bool,
    /// Where else it is.
    pub location: Option<String>,
    /// Where the part that follows begins.
    pub start: Option<u64>,
    /// How long all of it is, where only a part was asked for.
    pub total: Option<u64>,
}

/// Reads an answer's head, each line of which goes to `show`; those that only say "go on" are passed over.
///
/// # Errors
/// The connection's error, or that it is no answer.
pub fn read(wire: &mut Wire, show: &dyn Fn(&str)) -> io::Result<Head> {
    loop {
        let first = wire
            .line()?
            .ok_or_else(|| other("no response from server"))?;
        let text = String::from_utf8_lossy(&first).into_owned();
        show(&text);
        let mut words = text.splitn(3, ' ');
        let version = words.next().unwrap_or_default();
        let status = words.next().and_then(|word| word.parse().ok());
        let (true, Some(status)) = (version.starts_with("HTTP/"), status) else {
            return Err(other(format!(
                "bad response from server: {}",
                text.escape_debug()
            )));
        };
        let mut head = Head {
            status,
            reason: words.next().unwrap_or_default().to_owned(),
            ..Head::default()
        };
        let mut lines = 0;
        while let Some(line) = wire.line()?.filter(|line| !line.is_empty()) {
            lines += 1;
            if lines > 1000 {
                return Err(other("too many header lines"));
            }
            let line = String::from_utf8_lossy(&line).into_owned();
            show(&line);
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => {
                    let length = value.parse();
                    head.length = Some(
                        length.map_err(|_| other(format!("content-length {value} is garbage")))?,
                    );
                }
                "transfer-encoding" if value.eq_ignore_ascii_case("chunked") => {
                    head.chunked = true;
                }
                "transfer-encoding" if !value.eq_ignore_ascii_case("identity") => {
                    return Err(other(format!(
                        "transfer encoding '{value}' is not supported"
                    )));
                }
                "location" => head.location = Some(value.to_owned()),
                "content-range" => {
                    let range = value.trim_start_matches("bytes").trim();
                    let (span, total) = range.split_once('/').unwrap_or((range, ""));
                    // `*` stands for what is not known, as in the answer 416.
                    head.start = span
                        .split('-')
                        .next()
                        .and_then(|word| word.trim().parse().ok());
                    head.total = total.trim().parse().ok();
                }
                _ => {}
            }
        }
        if status >= 200 || status == 101 {
            return Ok(head);
        }
    }
}

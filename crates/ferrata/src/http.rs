//! Files over HTTP/1.1 (RFC 9110, RFC 9112): GET and HEAD below one folder, with ranges and kept connections.
//!
//! One connection is a reader and a writer, so the same code serves a socket of `ferrata repo serve` and the
//! standard input and output that QEMU gives a command for each of the guest's connections.

use std::fs::File;
use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};
use std::net::TcpListener;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

/// A request line and its headers together may not be longer.
const LONGEST_HEAD: u64 = 16 * 1024;

struct Request {
    method: String,
    path: String,
    range_from: Option<u64>,
    keep: bool,
}

/// Serves one connection until the peer closes it or asks to.
pub fn serve(folder: &Path, input: &mut impl BufRead, output: &mut impl Write) -> io::Result<()> {
    loop {
        let Some(request) = (match read_request(input) {
            Ok(request) => request,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return answer(output, "400 Bad Request", &[], b"bad request\n", false);
            }
            Err(error) => return Err(error),
        }) else {
            return Ok(());
        };
        let keep = request.keep;
        respond(folder, &request, output)?;
        output.flush()?;
        if !keep {
            return Ok(());
        }
    }
}

/// Accepts connections for ever, each served by a thread of its own.
pub fn listen(folder: &Path, listener: &TcpListener) -> io::Result<()> {
    for stream in listener.incoming() {
        let (stream, folder) = (stream?, folder.to_owned());
        std::thread::spawn(move || {
            let limit = Some(Duration::from_secs(60));
            // A peer that goes away in the middle is its own affair.
            let _ = stream
                .set_read_timeout(limit)
                .and_then(|()| stream.set_write_timeout(limit))
                .and_then(|()| {
                    let mut input = io::BufReader::new(stream.try_clone()?);
                    serve(&folder, &mut input, &mut io::BufWriter::new(stream))
                });
        });
    }
    Ok(())
}

fn read_request(input: &mut impl BufRead) -> io::Result<Option<Request>> {
    let bad = || io::Error::from(io::ErrorKind::InvalidData);
    let mut head = input.take(LONGEST_HEAD);
    let mut line = String::new();
    if head.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (method, path) = (
        words.next().ok_or_else(bad)?.to_owned(),
        words.next().ok_or_else(bad)?.to_owned(),
    );
    let version = words.next().ok_or_else(bad)?;
    let mut request = Request {
        method,
        path,
        range_from: None,
        keep: version == "HTTP/1.1",
    };
    loop {
        let mut line = String::new();
        if head.read_line(&mut line)? == 0 {
            return Err(bad());
        }
        let line = line.trim_end();
        if line.is_empty() {
            return Ok(Some(request));
        }
        let (name, value) = line.split_once(':').ok_or_else(bad)?;
        match (name.to_ascii_lowercase().as_str(), value.trim()) {
            ("connection", value) => request.keep = !value.eq_ignore_ascii_case("close"),
            // Only "from here to the end", which is how a download goes on.
            ("range", value) => {
                request.range_from = value
                    .strip_prefix("bytes=")
                    .and_then(|v| v.strip_suffix('-'))
                    .and_then(|v| v.parse().ok());
            }
            // Bodies are never looked at, so the next request cannot be found behind one.
            ("content-length" | "transfer-encoding", value) if value != "0" => request.keep = false,
            _ => {}
        }
    }
}

fn respond(folder: &Path, request: &Request, output: &mut impl Write) -> io::Result<()> {
    let with_body = match request.method.as_str() {
        "GET" => true,
        "HEAD" => false,
        _ => {
            return answer(
                output,
                "405 Method Not Allowed",
                &[("Allow", "GET, HEAD")],
                b"",
                request.keep,
            );
        }
    };
    let opened = locate(folder, &request.path).and_then(|path| {
        let file = File::open(path).ok()?;
        let meta = file.metadata().ok()?;
        meta.is_file().then_some((file, meta.len()))
    });
    let Some((mut file, size)) = opened else {
        return answer(output, "404 Not Found", &[], b"not found\n", request.keep);
    };
    let from = request.range_from.unwrap_or(0);
    if from > 0 && from >= size {
        let range = format!("bytes */{size}");
        return answer(
            output,
            "416 Range Not Satisfiable",
            &[("Content-Range", &range)],
            b"",
            request.keep,
        );
    }
    file.seek(SeekFrom::Start(from))?;
    let status = if request.range_from.is_some() {
        "206 Partial Content"
    } else {
        "200 OK"
    };
    write!(
        output,
        "HTTP/1.1 {status}\r\nContent-Type: application/octet-stream\r\nAccept-Ranges: bytes\r\n"
    )?;
    if request.range_from.is_some() {
        write!(
            output,
            "Content-Range: bytes {from}-{}/{size}\r\n",
            size.saturating_sub(1)
        )?;
    }
    write!(output, "Content-Length: {}\r\n", size - from)?;
    if !request.keep {
        write!(output, "Connection: close\r\n")?;
    }
    write!(output, "\r\n")?;
    if with_body {
        io::copy(&mut file.take(size - from), output)?;
    }
    Ok(())
}

fn answer(
    output: &mut impl Write,
    status: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    keep: bool,
) -> io::Result<()> {
    write!(
        output,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n",
        body.len()
    )?;
    for (name, value) in headers {
        write!(output, "{name}: {value}\r\n")?;
    }
    if !keep {
        write!(output, "Connection: close\r\n")?;
    }
    write!(output, "\r\n")?;
    output.write_all(body)?;
    output.flush()
}

/// The file that a request's path names. Nothing outside the folder has a name here.
fn locate(folder: &Path, path: &str) -> Option<PathBuf> {
    let path = decode(path.split(['?', '#']).next()?)?;
    let relative = Path::new(path.strip_prefix('/')?);
    relative
        .components()
        .all(|part| matches!(part, Component::Normal(_)))
        .then(|| folder.join(relative))
}

/// Percent-decoding; `None` where it is broken or not UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let (high, low) = (
                char::from(rest.next()?).to_digit(16)?,
                char::from(rest.next()?).to_digit(16)?,
            );
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes)
        .ok()
        .filter(|text| !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(request: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("x86_64")).unwrap();
        std::fs::write(dir.path().join("x86_64/a b"), "0123456789").unwrap();
        let mut out = Vec::new();
        serve(dir.path(), &mut request.as_bytes(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn two_requests_on_one_connection() {
        let out = ask(
            "GET /x86_64/a%20b HTTP/1.1\r\nHost: x\r\n\r\nHEAD /x86_64/a%20b HTTP/1.1\r\nConnection: close\r\n\r\n",
        );
        assert_eq!(out.matches("HTTP/1.1 200 OK").count(), 2);
        assert_eq!(out.matches("0123456789").count(), 1);
        assert!(out.contains("Connection: close"));
    }

    #[test]
    fn a_range_goes_on_where_it_says() {
        let out = ask("GET /x86_64/a%20b HTTP/1.1\r\nRange: bytes=7-\r\n\r\n");
        assert!(
            out.contains("206 Partial")
                && out.contains("bytes 7-9/10")
                && out.ends_with("\r\n\r\n789"),
            "{out}"
        );
        assert!(ask("GET /x86_64/a%20b HTTP/1.1\r\nRange: bytes=10-\r\n\r\n").contains("416"));
    }

    #[test]
    fn nothing_outside_the_folder_and_no_folder_itself() {
        for path in [
            "/../etc/passwd",
            "/x86_64/%2e%2e/%2e%2e/etc/passwd",
            "/x86_64",
            "/",
            "//etc/passwd",
            "x",
            "/%zz",
            "/%00",
        ] {
            let out = ask(&format!("GET {path} HTTP/1.0\r\n\r\n"));
            assert!(out.starts_with("HTTP/1.1 404"), "{path}: {out}");
        }
    }

    #[test]
    fn nonsense_is_a_bad_request() {
        for request in [
            "\r\n",
            "GET\r\n\r\n",
            "GET / HTTP/1.1\r\nno colon\r\n\r\n",
            "GET / HTTP/1.1\r\nCut: off",
        ] {
            assert!(ask(request).starts_with("HTTP/1.1 400"), "{request:?}");
        }
        assert!(ask(&"x".repeat(100_000)).starts_with("HTTP/1.1 400"));
        assert!(ask("POST / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405"));
    }
}

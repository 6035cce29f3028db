//! `wget` against a server that says one thing and shows what it was asked.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by ending")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread::{JoinHandle, spawn};

/// Answers one connection after another, each with the next of the answers; the requests' heads and bodies come back.
fn serve(answers: Vec<&'static str>) -> (SocketAddr, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let served = spawn(move || {
        answers
            .into_iter()
            .map(|answer| {
                let (mut stream, _) = listener.accept().unwrap();
                let (mut request, mut block) = (Vec::new(), [0; 4096]);
                loop {
                    let count = stream.read(&mut block).unwrap();
                    request.extend_from_slice(block.get(..count).unwrap());
                    let text = String::from_utf8_lossy(&request).into_owned();
                    let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
                        let length = head
                            .lines()
                            .find_map(|line| line.strip_prefix("Content-Length: "));
                        length.is_none_or(|length| body.len() >= length.parse().unwrap())
                    });
                    if count == 0 || whole {
                        break;
                    }
                }
                // The client may know enough before all of it is sent.
                let _ = stream.write_all(answer.as_bytes());
                String::from_utf8(request).unwrap().replace('\r', "")
            })
            .collect()
    });
    (address, served)
}

/// An empty folder that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("toolbox-wget-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn wget(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_toolbox"));
    for name in ["http_proxy", "https_proxy", "no_proxy"] {
        command.env_remove(name);
    }
    command.arg0("wget").args(words).current_dir(folder);
    command.output().unwrap()
}

fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_page_goes_to_standard_output_and_no_further_than_its_length() {
    let folder = Folder::new("page");
    let (server, served) = serve(vec![
        "HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\nrest",
    ]);
    let url = format!("http://{server}/a");
    let output = wget(&folder.0, &["-q", "-nv", "-U", "me", "-O", "-", &url]);
    assert_eq!(output.stdout, b"hello\n");
    assert_eq!(errors(&output), "");
    assert_eq!(
        served.join().unwrap(),
        [format!(
            "GET /a HTTP/1.1\nHost: {server}\nUser-Agent: me\nConnection: close\n\n"
        )]
    );
}

#[test]
fn chunks_are_put_together_under_the_last_name() {
    let folder = Folder::new("chunks");
    let (server, served) = serve(vec![
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nd\n\r\n0\r\n\r\n",
    ]);
    let output = wget(&folder.0, &["-q", &format!("http://{server}/dir/name?x")]);
    assert!(output.status.success(), "{}", errors(&output));
    assert_eq!(folder.text("name"), "abcd\n");
    served.join().unwrap();
}

#[test]
fn it_goes_on_where_it_ended() {
    let folder = Folder::new("on");
    std::fs::write(folder.0.join("f"), "abc").unwrap();
    let (server, served) = serve(vec![
        "HTTP/1.1 206 Partial\r\nContent-Range: bytes 3-4/5\r\nContent-Length: 2\r\n\r\nde",
        "HTTP/1.1 416 No\r\nContent-Range: bytes */5\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 416 No\r\nContent-Range: bytes */4\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 206 Partial\r\nContent-Range: bytes 2-4/5\r\nContent-Length: 3\r\n\r\ncde",
    ]);
    let url = format!("http://{server}/f");
    let output = wget(&folder.0, &["-qc", "-O", "f", &url]);
    assert!(output.status.success(), "{}", errors(&output));
    assert_eq!(folder.text("f"), "abcde");
    // All of it is there.
    let output = wget(&folder.0, &["-qc", &url]);
    assert!(output.status.success(), "{}", errors(&output));
    // There is more than there should be.
    let output = wget(&folder.0, &["-qc", &url]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        errors(&output),
        "wget: what is there is longer than the server's file\n"
    );
    let output = wget(&folder.0, &["-qc", &url]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        errors(&output),
        "wget: the server sent another part than was asked for\n"
    );
    assert_eq!(folder.text("f"), "abcde");
    let requests = served.join().unwrap();
    assert!(requests[0].contains("\nRange: bytes=3-\n"), "{requests:?}");
    assert!(requests[1].contains("\nRange: bytes=5-\n"), "{requests:?}");
}

#[test]
fn what_is_cut_short_or_no_http_is_an_error() {
    let folder = Folder::new("short");
    for (answer, error) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
            "connection closed prematurely",
        ),
        ("", "no response from server"),
        ("SSH-2.0-x\r\n", "bad response from server: SSH-2.0-x"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "content-length -1 is garbage",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            "the server's chunk has a bad length",
        ),
        (
            "HTTP/1.1 404 Not Here\r\n\r\n",
            "server returned error: HTTP/1.1 404 Not Here",
        ),
    ] {
        let (server, served) = serve(vec![answer]);
        let output = wget(&folder.0, &["-q", "-O", "f", &format!("http://{server}/f")]);
        assert_eq!(errors(&output), format!("wget: {error}\n"));
        assert_eq!(output.status.code(), Some(1));
        served.join().unwrap();
    }
}

#[test]
fn it_follows_and_posts_once() {
    let folder = Folder::new("follow");
    let (server, served) = serve(vec![
        "HTTP/1.1 302 There\r\nLocation: b?c\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ]);
    let url = format!("http://u:p@{server}/d/a");
    let output = wget(
        &folder.0,
        &[
            "-q",
            "-O",
            "-",
            "--header",
            "X: y",
            "--post-data",
            "q=1",
            &url,
        ],
    );
    assert_eq!(output.stdout, b"ok", "{}", errors(&output));
    let requests = served.join().unwrap();
    assert!(requests[0].starts_with("POST /d/a HTTP/1.1\n"));
    assert!(requests[0].contains("\nAuthorization: Basic dTpw\n"));
    assert!(requests[0].ends_with("\nX: y\n\nq=1"));
    assert!(requests[1].starts_with("GET /d/b?c HTTP/1.1\n"));
    assert!(!requests[1].contains("Content-Length"));
}

#[test]
fn a_spider_only_looks() {
    let folder = Folder::new("spider");
    let (server, served) = serve(vec!["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"]);
    let output = wget(&folder.0, &["--spider", &format!("http://{server}/f")]);
    assert!(output.status.success(), "{}", errors(&output));
    assert!(errors(&output).ends_with("remote file exists\n"));
    assert!(served.join().unwrap()[0].starts_with("HEAD /f "));
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 0);
}

#[test]
fn refused_and_no_address() {
    let folder = Folder::new("refused");
    // A port that nobody listens on any more.
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let output = wget(&folder.0, &["-q", &format!("http://{gone}/")]);
    assert_eq!(
        errors(&output),
        "wget: can't connect to remote host (127.0.0.1): Connection refused\n"
    );
    for bad in ["gopher://h/", "http://h:x/", "http://h/\nX: y"] {
        let output = wget(&folder.0, &["-q", bad]);
        assert_eq!(output.status.code(), Some(1), "{bad}");
        assert_eq!(
            errors(&output),
            format!("wget: not an http or https URL: {}\n", bad.escape_debug())
        );
    }
}

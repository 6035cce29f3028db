//! `ssl_client` against OpenSSL's server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

struct Server {
    folder: tempfile::TempDir,
    child: Child,
    port: u16,
}

impl Server {
    /// A web server with a certificate for localhost that it signed itself.
    fn start() -> Server {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
            ])
            .args(["-nodes", "-days", "2", "-subj", "/CN=localhost"])
            .args(["-addext", "subjectAltName=DNS:localhost"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
            .arg(at("key"))
            .arg("-out")
            .arg(at("certificate"))
            .output()
            .expect("openssl (package openssl) is needed");
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let mut child = Command::new("openssl")
            .args(["s_server", "-www", "-accept", "127.0.0.1:0", "-key"])
            .arg(at("key"))
            .arg("-cert")
            .arg(at("certificate"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines
            .find_map(|line| {
                line.unwrap()
                    .strip_prefix("ACCEPT ")?
                    .rsplit(':')
                    .next()?
                    .parse()
                    .ok()
            })
            .expect("the server says its port");
        // It must not wait for anybody to read what else it says.
        std::thread::spawn(move || lines.for_each(drop));
        Server {
            folder,
            child,
            port,
        }
    }

    fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate")
    }

    /// Asks for the page, as wget does: through a descriptor that ssl_client inherits.
    fn ask(&self, authorities: &Path, arguments: &[&str]) -> Output {
        let link = self.folder.path().join("ssl_client");
        let _ = std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_apk"), &link);
        let socket = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let request = self.folder.path().join("request");
        std::fs::write(&request, "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
        // A Rust program hands on no more than three descriptors: the shell makes its standard input number 7.
        Command::new("sh")
            .arg0("sh")
            .args(["-c", "exec 7<&0 <\"$1\"; shift; exec \"$@\"", "sh"])
            .arg(&request)
            .arg(&link)
            .args(["-s", "7"])
            .args(arguments)
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(socket)))
            .env("SSL_CERT_FILE", authorities)
            .output()
            .unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_page_comes_from_whom_the_authorities_vouch_for_and_nobody_else() {
    let server = Server::start();
    let page = server.ask(&server.certificate(), &["-n", "localhost"]);
    let (text, errors) = (
        String::from_utf8_lossy(&page.stdout).into_owned(),
        String::from_utf8_lossy(&page.stderr).into_owned(),
    );
    assert!(
        page.status.success() && text.starts_with("HTTP/1.0 200"),
        "{text}{errors}"
    );

    // Another name than the certificate's.
    let wrong = server.ask(&server.certificate(), &["-n", "other.example"]);
    let errors = String::from_utf8_lossy(&wrong.stderr);
    assert_eq!(wrong.status.code(), Some(1), "{errors}");
    assert!(
        errors.starts_with("ssl_client: other.example: ") && wrong.stdout.is_empty(),
        "{errors}"
    );

    // Nobody vouches, and nobody is asked to.
    let empty = server.folder.path().join("none");
    std::fs::write(&empty, "").unwrap();
    assert_eq!(
        server.ask(&empty, &["-n", "localhost"]).status.code(),
        Some(1)
    );
    assert!(
        server
            .ask(&empty, &["-I", "-n", "localhost"])
            .status
            .success()
    );

    // What is no connection.
    let usage = server.ask(&empty, &["-n"]);
    assert_eq!(usage.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&usage.stderr).contains("usage: ssl_client"));
}

//! The shipped `apk` as `ssl_client` against OpenSSL's server: every version, suite, group and kind of key that it says
//! it knows. The port builds ring in its small form, so what crates/apk tests is not what ships.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

const KEYS: [(&str, &[&str]); 4] = [
    ("rsa", &["rsa:2048"]),
    ("P-256", &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]),
    ("P-384", &["ec", "-pkeyopt", "ec_paramgen_curve:P-384"]),
    ("ed25519", &["ed25519"]),
];

const SUITES: [(&str, &str, &str); 6] = [
    ("-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256"),
    ("-tls1_3", "-ciphersuites", "TLS_AES_256_GCM_SHA384"),
    ("-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"),
    ("-tls1_2", "-cipher", "AES128-GCM-SHA256"),
    ("-tls1_2", "-cipher", "AES256-GCM-SHA384"),
    ("-tls1_2", "-cipher", "CHACHA20-POLY1305"),
];

const GROUPS: [&str; 3] = ["X25519", "P-256", "P-384"];

struct Server(Child, u16);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn server(folder: &Path, arguments: &[&str]) -> Server {
    let mut child = Command::new("openssl")
        .args(["s_server", "-www", "-accept", "127.0.0.1:0"])
        .args(["-key", "key", "-cert", "certificate"])
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl (package openssl) is needed");
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
        .unwrap_or_else(|| panic!("the server does not start with {arguments:?}"));
    // It must not wait for anybody to read what else it says.
    std::thread::spawn(move || lines.for_each(drop));
    Server(child, port)
}

fn ask(folder: &Path, server: &Server) -> Output {
    let socket = TcpStream::connect(("127.0.0.1", server.1)).unwrap();
    // A Rust program hands on no more than three descriptors: the shell makes its standard input number 7.
    Command::new("sh")
        .args([
            "-c",
            "exec 7<&0 <request; exec ./ssl_client -s 7 -n localhost",
        ])
        .current_dir(folder)
        .env("SSL_CERT_FILE", "certificate")
        .stdin(Stdio::from(OwnedFd::from(socket)))
        .output()
        .unwrap()
}

#[test]
fn every_version_suite_group_and_kind_of_key() {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist/bin/x86_64/apk");
    for (key, kind) in KEYS {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        std::os::unix::fs::symlink(&program, folder.join("ssl_client")).unwrap();
        std::fs::write(
            folder.join("request"),
            "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n",
        )
        .unwrap();
        let made = Command::new("openssl")
            .args(["req", "-x509", "-nodes", "-days", "2", "-newkey"])
            .args(kind)
            .args(["-subj", "/CN=localhost", "-addext"])
            .args(["subjectAltName=DNS:localhost", "-addext"])
            .args(["basicConstraints=critical,CA:FALSE"])
            .args(["-keyout", "key", "-out", "certificate"])
            .current_dir(folder)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        for (version, option, suite) in SUITES {
            for group in GROUPS {
                // OpenSSL shows a certificate only where the curve of its key is among the groups.
                let groups = match key {
                    "P-256" | "P-384" if group != key => format!("{group}:{key}"),
                    _ => group.to_owned(),
                };
                let suite = match (version, key) {
                    ("-tls1_3", _) => suite.to_owned(),
                    (_, "rsa") => format!("ECDHE-RSA-{suite}"),
                    _ => format!("ECDHE-ECDSA-{suite}"),
                };
                let server = server(folder, &[version, option, &suite, "-groups", &groups]);
                let page = ask(folder, &server);
                let text = String::from_utf8_lossy(&page.stdout);
                assert!(
                    page.status.success() && text.starts_with("HTTP/1.0 200"),
                    "{key} {version} {suite} {groups}: {text}{}",
                    String::from_utf8_lossy(&page.stderr)
                );
                assert!(text.contains(&suite), "{key} {version} {suite}: {text}");
            }
        }
    }
}

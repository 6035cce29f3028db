//! Connections: TCP, and TLS on top of it.

use super::Settings;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};

/// A connection.
pub enum Stream {
    /// As it is.
    Plain(TcpStream),
    /// Encrypted.
    #[cfg(feature = "tls")]
    Tls(Box<rustls::StreamOwned<rustls::ClientConnection, TcpStream>>),
}

impl Stream {
    /// Connects, through a proxy if one is named.
    pub fn connect(
        host: &str,
        port: u16,
        tls: bool,
        proxy: Option<&str>,
        settings: &Settings,
    ) -> io::Result<Stream> {
        let socket = match proxy {
            None => tcp(host, port, settings)?,
            Some(proxy) => {
                let rest = proxy.strip_prefix("http://").unwrap_or(proxy);
                let rest = rest.trim_end_matches('/');
                let (name, number) = rest.rsplit_once(':').unwrap_or((rest, "8080"));
                let number = number
                    .parse()
                    .map_err(|_| io::Error::other("the proxy's port is no number"))?;
                let mut socket = tcp(name, number, settings)?;
                if tls {
                    tunnel(&mut socket, host, port)?;
                }
                socket
            }
        };
        if !tls {
            return Ok(Stream::Plain(socket));
        }
        encrypt(socket, host, settings)
    }
}

fn tcp(host: &str, port: u16, settings: &Settings) -> io::Result<TcpStream> {
    let addresses = (host, port).to_socket_addrs().map_err(|error| {
        // The resolver's own words differ from library to library.
        if error.raw_os_error().is_some() {
            error
        } else {
            io::Error::new(
                error.kind(),
                "DNS: no such host, or no answer from the name servers",
            )
        }
    })?;
    let mut last = io::Error::other("DNS: the host has no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, settings.timeout) {
            Ok(socket) => {
                socket.set_read_timeout(Some(settings.timeout))?;
                socket.set_write_timeout(Some(settings.timeout))?;
                socket.set_nodelay(true)?;
                return Ok(socket);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Asks a proxy to pass everything on.
fn tunnel(socket: &mut TcpStream, host: &str, port: u16) -> io::Result<()> {
    write!(
        socket,
        "CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n"
    )?;
    // Byte by byte: what follows the head belongs to TLS.
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte)?;
        head.push(byte[0]);
        if head.len() > 16 * 1024 {
            return Err(io::Error::other("the proxy does not speak HTTP"));
        }
    }
    let line = String::from_utf8_lossy(&head);
    if line.split(' ').nth(1) != Some("200") {
        let line = line.lines().next().unwrap_or_default().to_owned();
        return Err(io::Error::other(format!("the proxy says {line}")));
    }
    Ok(())
}

#[cfg(not(feature = "tls"))]
fn encrypt(_: TcpStream, _: &str, _: &Settings) -> io::Result<Stream> {
    Err(io::Error::other("this apk was built without TLS"))
}

#[cfg(feature = "tls")]
fn encrypt(socket: TcpStream, host: &str, settings: &Settings) -> io::Result<Stream> {
    let connection = client(host, settings.check_certificate)?;
    let mut stream = rustls::StreamOwned::new(connection, socket);
    // Now, so that what is wrong with the certificate is not taken for a broken download.
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(Stream::Tls(Box::new(stream)))
}

/// Our side of a TLS connection to a host, before anything is sent.
#[cfg(feature = "tls")]
pub(super) fn client(host: &str, check: bool) -> io::Result<rustls::ClientConnection> {
    use rustls::pki_types::ServerName;
    use std::sync::Arc;
    let provider = Arc::new(super::provider::provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let config = if check {
        builder
            .with_root_certificates(roots()?)
            .with_no_client_auth()
    } else {
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(anybody::Anybody(provider)))
            .with_no_client_auth()
    };
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| io::Error::other("no name for a certificate"))?;
    rustls::ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)
}

/// Where the certificates of authorities lie, unless `SSL_CERT_FILE` names another file, as OpenSSL has it.
#[cfg(feature = "tls")]
const BUNDLES: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/certs/ca-bundle.crt",
];

#[cfg(feature = "tls")]
fn roots() -> io::Result<rustls::RootCertStore> {
    use rustls::pki_types::CertificateDer;
    let text = match std::env::var_os("SSL_CERT_FILE") {
        Some(path) => std::fs::read_to_string(path).ok(),
        None => BUNDLES
            .iter()
            .find_map(|path| std::fs::read_to_string(path).ok()),
    };
    let Some(text) = text else {
        return Err(io::Error::other(
            "no certificates to check the server by: install ca-certificates-bundle, or see --no-check-certificate",
        ));
    };
    let mut store = rustls::RootCertStore::empty();
    let mut current: Option<String> = None;
    for line in text.lines() {
        match line.trim() {
            "-----BEGIN CERTIFICATE-----" => current = Some(String::new()),
            "-----END CERTIFICATE-----" => {
                let bytes = current
                    .take()
                    .and_then(|text| apk::encoding::from_base64(&text));
                if let Some(bytes) = bytes {
                    // One that this library cannot use does not spoil the others.
                    let _ = store.add(CertificateDer::from(bytes));
                }
            }
            line => {
                if let Some(text) = &mut current {
                    text.push_str(line);
                }
            }
        }
    }
    if store.is_empty() {
        return Err(io::Error::other("the file of certificates holds none"));
    }
    Ok(store)
}

/// For `--no-check-certificate`: whoever answers is believed. Packages and indexes are signed all the same.
#[cfg(feature = "tls")]
mod anybody {
    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::crypto::CryptoProvider;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::{DigitallySignedStruct, Error, SignatureScheme};
    use std::sync::Arc;

    #[derive(Debug)]
    pub struct Anybody(pub Arc<CryptoProvider>);

    impl ServerCertVerifier for Anybody {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            rustls::crypto::verify_tls12_signature(
                message,
                cert,
                dss,
                &self.0.signature_verification_algorithms,
            )
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            rustls::crypto::verify_tls13_signature(
                message,
                cert,
                dss,
                &self.0.signature_verification_algorithms,
            )
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.0.signature_verification_algorithms.supported_schemes()
        }
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(stream) => stream.read(into),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => stream.read(into),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(stream) => stream.write(bytes),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(stream) => stream.flush(),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => stream.flush(),
        }
    }
}

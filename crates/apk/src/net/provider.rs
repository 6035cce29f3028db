//! The cryptography that TLS works with: ring's, without what only a server or a client with a key of its own needs.
//!
//! apk never shows a certificate, so it never signs: without that code the program is 30 KB smaller.

use rustls::crypto::ring::default_provider;
use rustls::crypto::{CryptoProvider, KeyProvider};
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::SigningKey;
use std::sync::Arc;

/// TLS 1.2 and 1.3 with AES-GCM and ChaCha20-Poly1305 over X25519, P-256 and P-384; certificates with RSA, ECDSA and
/// Ed25519 keys.
pub(super) fn provider() -> CryptoProvider {
    CryptoProvider {
        key_provider: &NoKeys,
        ..default_provider()
    }
}

#[derive(Debug)]
struct NoKeys;

impl KeyProvider for NoKeys {
    fn load_private_key(
        &self,
        _: PrivateKeyDer<'static>,
    ) -> Result<Arc<dyn SigningKey>, rustls::Error> {
        Err(rustls::Error::General("apk has no key of its own".into()))
    }
}

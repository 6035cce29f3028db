//! Keys and signatures: RSA with PKCS #1 v1.5 padding, over SHA-1 (what Alpine's v2 packages have), SHA-256 or SHA-512.
//!
//! A public key is a PEM file ("BEGIN PUBLIC KEY", RFC 5280) in `etc/apk/keys`; its file name is its name, and a
//! signature names the key that made it.

use crate::encoding;
use std::io;
use std::path::{Path, PathBuf};

/// How a signature's digest is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// `.SIGN.RSA.`
    RsaSha1,
    /// `.SIGN.RSA256.`
    RsaSha256,
    /// `.SIGN.RSA512.`
    RsaSha512,
}

impl Algorithm {
    /// What stands behind `.SIGN.` in the name of the signature's file.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::RsaSha1 => "RSA",
            Algorithm::RsaSha256 => "RSA256",
            Algorithm::RsaSha512 => "RSA512",
        }
    }

    /// Reads `.SIGN.ALGORITHM.KEY` into its two parts. `None`: the file is no signature of a kind that is known.
    pub fn of_file(name: &[u8]) -> Option<(Algorithm, String)> {
        let rest = std::str::from_utf8(name).ok()?.strip_prefix(".SIGN.")?;
        let (algorithm, key) = rest.split_once('.')?;
        let all = [
            Algorithm::RsaSha1,
            Algorithm::RsaSha256,
            Algorithm::RsaSha512,
        ];
        let algorithm = all.into_iter().find(|known| known.name() == algorithm)?;
        // A name with a slash would reach outside the folder of keys.
        (!key.is_empty() && !key.contains('/')).then(|| (algorithm, key.to_owned()))
    }
}

/// A signature as it stands in a package or an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// How it was made.
    pub algorithm: Algorithm,
    /// The file name of the key.
    pub key: String,
    /// The signature itself.
    pub bytes: Vec<u8>,
}

/// A key file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its contents are no RSA key in PEM.
    #[error("{}: no RSA key in PEM form", .0.display())]
    Format(PathBuf),
    /// A key could not be made or used.
    #[error("RSA: {0}")]
    Rsa(String),
}

/// The public keys that are trusted.
#[derive(Clone, Debug, Default)]
pub struct KeyRing {
    /// (file name, the PKCS #1 `RSAPublicKey`)
    keys: Vec<(String, Vec<u8>)>,
}

impl KeyRing {
    /// Reads every key of a folder. A folder that is not there holds none; a file that is no key is passed over, as
    /// apk-tools does: it only matters when a signature names it.
    pub fn read(folder: &Path) -> Result<KeyRing, KeyError> {
        let io = |source| KeyError::Io {
            path: folder.to_owned(),
            source,
        };
        let mut ring = KeyRing::default();
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ring),
            Err(error) => return Err(io(error)),
        };
        for entry in entries {
            let entry = entry.map_err(io)?;
            if let (Ok(name), Ok(text)) = (
                entry.file_name().into_string(),
                std::fs::read_to_string(entry.path()),
            ) {
                ring.add(&name, &text);
            }
        }
        Ok(ring)
    }

    /// Adds a public key; `false`: the text is none.
    pub fn add(&mut self, name: &str, pem: &str) -> bool {
        let Some(key) = public_key_of_pem(pem) else {
            return false;
        };
        self.keys.push((name.to_owned(), key));
        true
    }

    /// Whether no key is trusted.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether one of the signatures was made by a trusted key over these bytes' digests.
    pub fn verify(&self, signatures: &[Signature], message: &[u8]) -> Trust {
        let mut trust = Trust::Unknown;
        for signature in signatures {
            for (_, key) in self.keys.iter().filter(|(name, _)| *name == signature.key) {
                if verifies(key, signature, message) {
                    return Trust::Good;
                }
                trust = Trust::Bad;
            }
        }
        trust
    }
}

/// What the signatures are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// One is by a trusted key and right.
    Good,
    /// None is by a trusted key (or there is none).
    Unknown,
    /// One names a trusted key, and is not by it or not over this.
    Bad,
}

fn verifies(key: &[u8], signature: &Signature, message: &[u8]) -> bool {
    use ring::signature as rs;
    let parameters: &rs::RsaParameters = match signature.algorithm {
        Algorithm::RsaSha1 => &rs::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
        Algorithm::RsaSha256 => &rs::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::RsaSha512 => &rs::RSA_PKCS1_2048_8192_SHA512,
    };
    rs::UnparsedPublicKey::new(parameters, key)
        .verify(message, &signature.bytes)
        .is_ok()
}

/// The PKCS #1 key inside a `SubjectPublicKeyInfo` in PEM.
fn public_key_of_pem(pem: &str) -> Option<Vec<u8>> {
    let body = pem
        .split("-----BEGIN PUBLIC KEY-----")
        .nth(1)?
        .split("-----END PUBLIC KEY-----")
        .next()?;
    let der = encoding::from_base64(body)?;
    let (tag, info, _) = der_value(&der)?;
    let (algorithm_tag, _, rest) = der_value(info)?;
    let (bits_tag, bits, _) = der_value(rest)?;
    // SEQUENCE { SEQUENCE algorithm, BIT STRING with no unused bits }
    (tag == 0x30 && algorithm_tag == 0x30 && bits_tag == 0x03).then_some(())?;
    bits.strip_prefix(&[0]).map(<[u8]>::to_vec)
}

/// A DER value: its tag, its contents, and what stands behind it.
fn der_value(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, mut rest) = rest.split_first()?;
    let mut len = usize::from(*first);
    if len >= 0x80 {
        let (digits, behind) = rest.split_at_checked(len & 0x7f)?;
        len = digits.iter().try_fold(0usize, |len, digit| {
            len.checked_mul(256)?.checked_add((*digit).into())
        })?;
        rest = behind;
    }
    let (value, rest) = rest.split_at_checked(len)?;
    Some((*tag, value, rest))
}

#[cfg(feature = "sign")]
pub use private::PrivateKey;

#[cfg(feature = "sign")]
mod private {
    use super::{Algorithm, KeyError, Path, Signature};
    use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey, LineEnding};
    use rsa::sha2::{Sha256, Sha512};
    use rsa::{Pkcs1v15Sign, RsaPrivateKey, rand_core::OsRng};
    use sha1::{Digest, Sha1};
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;

    /// A key that signs.
    pub struct PrivateKey {
        key: RsaPrivateKey,
        name: String,
    }

    impl PrivateKey {
        /// Makes a key of that many bits. `name` is the file name of its public half: `who-4a6a0840.rsa.pub`.
        pub fn generate(bits: usize, name: &str) -> Result<PrivateKey, KeyError> {
            let key =
                RsaPrivateKey::new(&mut OsRng, bits).map_err(|e| KeyError::Rsa(e.to_string()))?;
            Ok(PrivateKey {
                key,
                name: name.to_owned(),
            })
        }

        /// Reads a key in PKCS #8 PEM.
        pub fn load(path: &Path, name: &str) -> Result<PrivateKey, KeyError> {
            let text = std::fs::read_to_string(path).map_err(|source| KeyError::Io {
                path: path.to_owned(),
                source,
            })?;
            let key = RsaPrivateKey::from_pkcs8_pem(&text)
                .map_err(|_| KeyError::Format(path.to_owned()))?;
            Ok(PrivateKey {
                key,
                name: name.to_owned(),
            })
        }

        /// Writes the key to a new file that only its owner can read.
        pub fn save(&self, path: &Path) -> Result<(), KeyError> {
            let text = self
                .key
                .to_pkcs8_pem(LineEnding::LF)
                .map_err(|e| KeyError::Rsa(e.to_string()))?;
            let mut options = std::fs::OpenOptions::new();
            options.write(true).create_new(true).mode(0o600);
            let write = || options.open(path)?.write_all(text.as_bytes());
            write().map_err(|source| KeyError::Io {
                path: path.to_owned(),
                source,
            })
        }

        /// The public half in PEM.
        pub fn public_pem(&self) -> Result<String, KeyError> {
            self.key
                .to_public_key()
                .to_public_key_pem(LineEnding::LF)
                .map_err(|e| KeyError::Rsa(e.to_string()))
        }

        /// The file name of its public half.
        pub fn name(&self) -> &str {
            &self.name
        }

        /// Signs. The same bytes give the same signature.
        pub fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Result<Signature, KeyError> {
            let result = match algorithm {
                Algorithm::RsaSha1 => self
                    .key
                    .sign(Pkcs1v15Sign::new::<Sha1>(), &Sha1::digest(message)),
                Algorithm::RsaSha256 => self
                    .key
                    .sign(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message)),
                Algorithm::RsaSha512 => self
                    .key
                    .sign(Pkcs1v15Sign::new::<Sha512>(), &Sha512::digest(message)),
            };
            let bytes = result.map_err(|e| KeyError::Rsa(e.to_string()))?;
            Ok(Signature {
                algorithm,
                key: self.name.clone(),
                bytes,
            })
        }
    }

    impl std::fmt::Debug for PrivateKey {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "PrivateKey({})", self.name)
        }
    }
}

#[cfg(test)]
#[cfg(feature = "sign")]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_verifies_and_nothing_else() {
        let key = PrivateKey::generate(2048, "me.rsa.pub").unwrap();
        let mut ring = KeyRing::default();
        assert!(ring.add("me.rsa.pub", &key.public_pem().unwrap()));
        for algorithm in [
            Algorithm::RsaSha1,
            Algorithm::RsaSha256,
            Algorithm::RsaSha512,
        ] {
            let signature = key.sign(algorithm, b"message").unwrap();
            assert_eq!(
                ring.verify(std::slice::from_ref(&signature), b"message"),
                Trust::Good
            );
            assert_eq!(
                ring.verify(std::slice::from_ref(&signature), b"massage"),
                Trust::Bad
            );
            assert_eq!(
                KeyRing::default().verify(&[signature], b"message"),
                Trust::Unknown
            );
        }
        assert_eq!(ring.verify(&[], b"message"), Trust::Unknown);
    }

    #[test]
    fn a_saved_key_is_private_and_reads_back() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("me.rsa");
        let key = PrivateKey::generate(2048, "me.rsa.pub").unwrap();
        key.save(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(
            key.save(&path).is_err(),
            "an old key must not be overwritten"
        );
        let again = PrivateKey::load(&path, "me.rsa.pub").unwrap();
        assert_eq!(again.public_pem().unwrap(), key.public_pem().unwrap());
    }

    #[test]
    fn names_of_signatures() {
        assert_eq!(
            Algorithm::of_file(b".SIGN.RSA256.a.rsa.pub"),
            Some((Algorithm::RsaSha256, "a.rsa.pub".into()))
        );
        for bad in [
            "a",
            ".SIGN.DSA.x",
            ".SIGN.RSA.",
            ".SIGN.RSA.../x",
            ".PKGINFO",
        ] {
            assert_eq!(Algorithm::of_file(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn what_is_no_key_is_none() {
        let mut ring = KeyRing::default();
        for bad in [
            "",
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
            "x",
        ] {
            assert!(!ring.add("x", bad));
        }
    }
}

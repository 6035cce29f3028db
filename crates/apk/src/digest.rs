//! Digests of data: SHA-1 of files and control parts, as version 2 has them, and SHA-256.
//!
//! SHA-1 is the `sha1` crate's, which uses the processor's instructions for it; ring's, which signatures are checked with,
//! takes several times as long, and there is one over every byte that is installed.

use ring::digest::{Context, SHA256};
use sha1::Digest as _;

/// A digest in the making.
#[derive(Clone)]
pub enum Digest {
    /// 20 bytes.
    Sha1(sha1::Sha1),
    /// 32 bytes.
    Sha256(Context),
}

impl Digest {
    /// SHA-1 of nothing yet.
    #[must_use]
    pub fn sha1() -> Digest {
        Digest::Sha1(sha1::Sha1::new())
    }

    /// SHA-256 of nothing yet.
    #[must_use]
    pub fn sha256() -> Digest {
        Digest::Sha256(Context::new(&SHA256))
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Digest::Sha1(state) => state.update(bytes),
            Digest::Sha256(state) => state.update(bytes),
        }
    }

    /// The digest of all bytes.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        match self {
            Digest::Sha1(state) => state.finalize().to_vec(),
            Digest::Sha256(state) => state.finish().as_ref().to_vec(),
        }
    }
}

/// SHA-1 of bytes.
#[must_use]
pub fn sha1(bytes: &[u8]) -> [u8; 20] {
    sha1::Sha1::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::hex;

    #[test]
    fn of_abc() {
        // FIPS 180-2, appendices A.1 and B.1.
        let (mut one, mut two) = (Digest::sha1(), Digest::sha256());
        for byte in b"abc" {
            one.update(&[*byte]);
            two.update(&[*byte]);
        }
        assert_eq!(
            hex(&one.finish()),
            "a9993e364706816aba3e25717850c26c9cd0d89d"
        );
        assert_eq!(
            hex(&sha1(b"abc")),
            "a9993e364706816aba3e25717850c26c9cd0d89d"
        );
        assert_eq!(
            hex(&two.finish()),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}

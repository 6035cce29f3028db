//! Tables by name: a small hash that needs no random numbers at the start.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// FNV-1a: names are short, and scripts that make names collide slow down nobody but themselves.
#[derive(Clone, Copy)]
pub struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Fnv {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn write_usize(&mut self, value: usize) {
        // Lengths, which stand before every name.
        self.0 ^= value as u64;
    }
}

/// A table by name.
pub type Names<T> = HashMap<Vec<u8>, T, BuildHasherDefault<Fnv>>;

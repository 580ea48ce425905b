//! A map by service name whose lookup costs less than a call can notice.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hasher, RandomState},
};

/// Values by name.
pub(crate) type Names<V> = HashMap<Box<str>, V, Seeded>;

/// Makes hashers with one secret seed a map, since names may come from outside.
#[derive(Clone)]
pub(crate) struct Seeded(u64);

impl Default for Seeded {
    fn default() -> Self {
        Seeded(RandomState::new().hash_one(0))
    }
}

impl BuildHasher for Seeded {
    type Hasher = Fold;

    fn build_hasher(&self) -> Fold {
        Fold(self.0)
    }
}

/// Eight bytes a step, each folded by a multiplication of 64 by 64 bits, as in wyhash.
pub(crate) struct Fold(u64);

impl Fold {
    fn step(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * 0x9e37_79b9_7f4a_7c15;
        self.0 = (product >> 64) as u64 ^ product as u64;
    }
}

impl Hasher for Fold {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.step(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.step(u64::from_le_bytes(last) ^ (bytes.len() as u64) << 56);
    }

    /// The mark that ends a string; its length is in the last word already.
    fn write_u8(&mut self, _: u8) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

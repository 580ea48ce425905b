//! Random numbers without a lock, from a seed if runs must be repeatable.

use std::hash::{BuildHasher, Hasher, RandomState};

use super::sync::{AtomicU64, Ordering};

/// The golden ratio in 64 bits: SplitMix64's step.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A source of random numbers that threads share without a lock: SplitMix64 over a counter.
#[derive(Debug)]
pub struct Rng(AtomicU64);

impl Rng {
    /// Creates a source that differs from run to run.
    pub fn new() -> Self {
        Self::seeded(RandomState::new().hash_one(STEP))
    }

    /// Creates a source with the same numbers in every run.
    pub fn seeded(seed: u64) -> Self {
        Rng(AtomicU64::new(seed))
    }

    /// The next number.
    pub fn number(&self) -> u64 {
        mix(self.0.fetch_add(STEP, Ordering::Relaxed))
    }

    /// A short sequence of its own for one pick, which touches the shared counter once.
    pub fn dice(&self) -> Dice {
        Dice(self.number())
    }
}

/// A random number. A `RandomState` has fresh keys, which come from the system the first time in each thread.
pub fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

impl Default for Rng {
    fn default() -> Self {
        Self::new()
    }
}

/// A short sequence of random numbers, drawn from an [`Rng`].
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// A number below `bound`, which must not be 0; its bias is below `bound` / 2³².
    pub fn below(&mut self, bound: u32) -> u32 {
        below(self.roll(), bound)
    }
}

/// A number below `bound` of the upper half of a random one: a multiplication instead of a division.
pub fn below(random: u64, bound: u32) -> u32 {
    (((random >> 32) * u64::from(bound)) >> 32) as u32
}

/// SplitMix64's finish, by Steele, Lea and Flood, 2014.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

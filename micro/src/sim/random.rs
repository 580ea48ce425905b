//! Random numbers from a seed.

use std::{ops::Range, time::Duration};

use micro_core::selector::{Dice, Rng};

/// A source of random numbers, which are the same in every run with the same seed.
#[derive(Clone, Debug)]
pub struct Random(Dice);

impl Random {
    /// Creates the source of a seed.
    pub fn new(seed: u64) -> Self {
        Random(Rng::seeded(seed).dice())
    }

    /// Returns the next number.
    pub fn number(&mut self) -> u64 {
        self.0.roll()
    }

    /// Returns another source, whose numbers do not depend on how many are drawn from this one.
    pub fn fork(&mut self) -> Self {
        Self::new(self.number())
    }

    /// Returns a number of `range`, which must not be empty.
    pub fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.number() % (range.end - range.start)
    }

    /// Returns a duration of `range` in milliseconds, which must not be empty.
    pub fn millis(&mut self, range: Range<u64>) -> Duration {
        Duration::from_micros(self.within(range.start * 1000..range.end * 1000))
    }

    /// Returns `true` in `percent` of a hundred cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.within(0..100) < percent
    }

    /// Returns one of `items`, which must not be empty.
    pub fn one_of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.within(0..items.len() as u64) as usize]
    }
}

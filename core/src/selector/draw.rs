//! Draws by weight in constant time.

use crate::random::below;

/// Draws an index with the probability of its weight, with one random number and no search.
#[derive(Debug)]
pub(super) enum Draw {
    /// All weights are equal.
    Equal(u32),
    /// Walker's alias method in Vose's form, in integers: a column is chosen evenly, and stands for
    /// itself below its threshold, for its alias above.
    Alias(Box<[Column]>),
}

#[derive(Debug)]
pub(super) struct Column {
    /// Of 2³².
    threshold: u64,
    alias: u32,
}

impl Draw {
    /// `None` when no weight is above 0.
    pub(super) fn new(weights: &[u32]) -> Option<Self> {
        let total: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
        if total == 0 {
            return None;
        }
        let count = u32::try_from(weights.len()).ok()?;
        if weights.iter().all(|weight| *weight == weights[0]) {
            return Some(Draw::Equal(count));
        }
        // In units where a full column is `total`.
        let mut rest: Vec<u128> = weights
            .iter()
            .map(|weight| u128::from(*weight) * u128::from(count))
            .collect();
        let full = u128::from(total);
        let (mut small, mut large): (Vec<u32>, Vec<u32>) =
            (0..count).partition(|i| rest[*i as usize] < full);
        let mut columns: Vec<Column> = (0..count)
            .map(|alias| Column {
                threshold: 1 << 32,
                alias,
            })
            .collect();
        while let (Some(low), Some(high)) = (small.pop(), large.pop()) {
            let part = rest[low as usize];
            columns[low as usize] = Column {
                threshold: ((part << 32) / full) as u64,
                alias: high,
            };
            rest[high as usize] -= full - part;
            match rest[high as usize] < full {
                true => small.push(high),
                false => large.push(high),
            }
        }
        Some(Draw::Alias(columns.into()))
    }

    /// The index that a random number stands for.
    pub(super) fn index(&self, random: u64) -> usize {
        match self {
            Draw::Equal(count) => below(random, *count) as usize,
            Draw::Alias(columns) => {
                let index = below(random, columns.len() as u32) as usize;
                let column = &columns[index];
                if random & 0xffff_ffff < column.threshold {
                    index
                } else {
                    column.alias as usize
                }
            }
        }
    }
}

//! The built-in strategies, each with the name that settings choose it by.

mod least_loaded;
mod p2c;
mod random;
mod round_robin;
mod weighted;

use std::sync::Arc;

pub use least_loaded::LeastLoaded;
pub use p2c::P2c;
pub use random::Random;
pub use round_robin::RoundRobin;
pub use weighted::Weighted;

use super::{Snapshot, Strategy, TriedNodes};
use crate::{
    error::{Error, Result},
    random::{Dice, Rng},
};

/// Draws before a strategy checks every node: if half the nodes are unusable, four draws of two fail in
/// one call of 256. Finagle's `maxEffort` is 4, too.
const EFFORT: usize = 4;

/// The names of the built-in strategies; the first is the default.
pub const NAMES: [&str; 5] = ["p2c", "random", "round-robin", "least-loaded", "weighted"];

/// The strategy with a name, with random numbers of `rng`.
pub fn named(name: &str, rng: Rng) -> Result<Arc<dyn Strategy>> {
    Ok(match name {
        "p2c" => Arc::new(P2c::new(rng)),
        "random" => Arc::new(Random::new(rng)),
        "round-robin" => Arc::new(RoundRobin::new(rng)),
        "least-loaded" => Arc::new(LeastLoaded::new(rng)),
        "weighted" => Arc::new(Weighted::new(rng)),
        _ => {
            return Err(Error::invalid_argument(format!(
                "no strategy `{name}`; those built in are `{}`",
                NAMES.join("`, `")
            )));
        }
    })
}

/// Draws until a usable node comes up, and checks every node if none does.
fn first_usable(
    snapshot: &Snapshot,
    tried: &TriedNodes,
    mut dice: Dice,
    draw: impl Fn(&mut Dice) -> Option<usize>,
) -> Option<usize> {
    for _ in 0..EFFORT {
        let index = draw(&mut dice)?;
        if snapshot.is_usable(index, tried) {
            return Some(index);
        }
    }
    snapshot.scan(&mut dice, tried)
}

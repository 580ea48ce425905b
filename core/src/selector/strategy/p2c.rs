//! Power of two choices.

use super::{EFFORT, Rng, Snapshot, Strategy, TriedNodes};

/// The cheaper of two nodes drawn at random. This is the default.
///
/// Nearly as good as the cheapest of all, without all clients choosing the same node, and at the
/// same price for ten nodes as for ten thousand (Mitzenmacher, 2001; Finagle's `P2CPick`). What is
/// compared is [`Load::cost`](super::super::Load::cost). A node without history is assumed to be as fast
/// as the one it is compared with, so that it is neither flooded nor starved.
#[derive(Debug, Default)]
pub struct P2c {
    rng: Rng,
}

impl P2c {
    /// Creates the strategy, with random numbers of `rng`.
    pub fn new(rng: Rng) -> Self {
        P2c { rng }
    }
}

impl Strategy for P2c {
    fn name(&self) -> &str {
        "p2c"
    }

    fn pick(&self, snapshot: &Snapshot, tried: &TriedNodes) -> Option<usize> {
        let mut dice = self.rng.dice();
        for _ in 0..EFFORT {
            let (one, other) = snapshot.draw_two(&mut dice)?;
            let first = snapshot.is_usable(one, tried);
            let second = one != other && snapshot.is_usable(other, tried);
            match (first, second) {
                (true, true) => return Some(cheaper(snapshot, one, other)),
                (true, false) => return Some(one),
                (false, true) => return Some(other),
                (false, false) => {}
            }
        }
        snapshot.scan(&mut dice, tried)
    }
}

fn cheaper(snapshot: &Snapshot, one: usize, other: usize) -> usize {
    let now = snapshot.now();
    let (a, b) = (snapshot.get(one), snapshot.get(other));
    let (mut first, mut second) = (a.load.decayed(now), b.load.decayed(now));
    if first == 0.0 {
        first = if second == 0.0 { 1.0 } else { second };
    }
    if second == 0.0 {
        second = first;
    }
    let first = a.load.cost_with(now, first, a.scale);
    let second = b.load.cost_with(now, second, b.scale);
    if second < first { other } else { one }
}

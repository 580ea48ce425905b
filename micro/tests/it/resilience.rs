//! What the library promises when things fail, on virtual time over simulated connections.

#[path = "../sim/clock.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the simulation")]
pub(crate) mod clock;
#[path = "../sim/directory.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the simulation")]
mod directory;
#[path = "../sim/network.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the simulation")]
pub(crate) mod network;
#[path = "../sim/random.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the simulation")]
pub(crate) mod random;

mod addresses;
mod chain;
mod ejection;
mod events;
mod hedges;
mod life;
mod registry;
mod retries;
mod streams;
mod town;

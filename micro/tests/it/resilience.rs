//! What the library promises when things fail, on virtual time over simulated connections.

mod addresses;
mod chain;
mod cluster;
mod ejection;
mod events;
mod hedges;
mod life;
mod registry;
mod retries;
mod streams;

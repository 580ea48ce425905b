//! The command, run as a person runs it, against services in this process.
#![allow(
    clippy::disallowed_methods,
    reason = "other processes run on the real clock"
)]

mod calls;
#[cfg(feature = "cert")]
mod certificates;
#[cfg(feature = "gen")]
mod contracts;
mod demo;
mod discovery;
mod events;
mod faults;
mod fleet;
mod nodes;
mod output;
mod projects;
mod reflection;
mod registries;
mod sandbox;
mod servers;
mod skip;
mod streams;
mod weights;

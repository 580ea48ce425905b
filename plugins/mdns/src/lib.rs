//! multicast DNS for [Micro](https://docs.rs/micro-rs): a registry.
//!
//! Users of `micro-rs` get it by the feature `mdns`.

mod registry;

pub use registry::Mdns;

/// Reads any bytes as messages of multicast DNS.
#[cfg(fuzzing)]
#[doc(hidden)]
pub use registry::fuzz_messages;

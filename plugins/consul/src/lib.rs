//! Consul for [Micro](https://docs.rs/micro-rs): a registry.
//!
//! Users of `micro-rs` get it by the feature `consul`.

mod registry;

pub use registry::Consul;

/// Reads any bytes as what Consul shows of a service.
#[cfg(fuzzing)]
#[doc(hidden)]
pub use registry::fuzz::records as fuzz_records;

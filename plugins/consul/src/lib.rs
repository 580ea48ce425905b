//! Consul for [Micro](https://docs.rs/micro-rs): a registry.
//!
//! Users of `micro-rs` get it by the feature `consul`.

mod registry;

use std::sync::Arc;

use micro_core::{Plugin, registry::Registry};

pub use registry::Consul;

/// The registry `consul`, for settings; see [`Consul::open`].
pub const REGISTRY: Plugin<dyn Registry> =
    Plugin::new("consul", |url| Ok(Arc::new(Consul::open(url)?)));

/// Reads any bytes as what Consul shows of a service.
#[cfg(fuzzing)]
#[doc(hidden)]
pub use registry::fuzz::records as fuzz_records;

//! Multicast DNS for [Micro](https://docs.rs/micro-rs): a registry.
//!
//! Users of `micro-rs` get it by the feature `mdns`.

mod registry;

use std::sync::Arc;

use micro_core::{Plugin, registry::Registry};

pub use registry::Mdns;

/// The registry `mdns`, for settings; see [`Mdns::open`].
pub const REGISTRY: Plugin<dyn Registry> =
    Plugin::new("mdns", |url| Ok(Arc::new(Mdns::open(url)?)));

/// Reads any bytes as messages of multicast DNS.
#[cfg(fuzzing)]
#[doc(hidden)]
pub use registry::fuzz_messages;

//! NATS for [Micro](https://docs.rs/micro-rs): a registry.
//!
//! Users of `micro-rs` get it by the feature `nats`.

mod registry;

use std::sync::Arc;

use micro_core::{Plugin, registry::Registry};

pub use registry::Nats;

/// The registry `nats`, for settings; see [`Nats::open`].
pub const REGISTRY: Plugin<dyn Registry> =
    Plugin::new("nats", |url| Ok(Arc::new(Nats::open(url)?)));

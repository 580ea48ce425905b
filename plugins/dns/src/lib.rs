//! DNS for [Micro](https://docs.rs/micro-rs): a registry.
//!
//! Users of `micro-rs` get it by the feature `dns`.

mod registry;

use std::sync::Arc;

use micro_core::{Plugin, registry::Registry};

pub use registry::Dns;

/// The registry `dns`, for settings; see [`Dns::open`].
pub const REGISTRY: Plugin<dyn Registry> = Plugin::new("dns", |url| Ok(Arc::new(Dns::open(url)?)));

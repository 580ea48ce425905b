//! etcd for [Micro](https://docs.rs/micro-rs): a registry.
//!
//! Users of `micro-rs` get it by the feature `etcd`.

mod registry;

use std::sync::Arc;

use micro_core::{Plugin, registry::Registry};

pub use registry::Etcd;

/// The registry `etcd`, for settings; see [`Etcd::open`].
pub const REGISTRY: Plugin<dyn Registry> =
    Plugin::new("etcd", |url| Ok(Arc::new(Etcd::open(url)?)));

//! ZooKeeper for [Micro](https://docs.rs/micro-rs): a registry.
//!
//! Users of `micro-rs` get it by the feature `zookeeper`.

mod registry;

use std::sync::Arc;

use micro_core::{Plugin, registry::Registry};

pub use registry::ZooKeeper;

/// The registry `zookeeper`, for settings; see [`ZooKeeper::open`].
pub const REGISTRY: Plugin<dyn Registry> =
    Plugin::new("zookeeper", |url| Ok(Arc::new(ZooKeeper::open(url)?)));

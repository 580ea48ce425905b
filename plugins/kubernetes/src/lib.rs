//! Kubernetes for [Micro](https://docs.rs/micro-rs): a registry.
//!
//! Users of `micro-rs` get it by the feature `kubernetes`.

mod registry;

use std::sync::Arc;

use micro_core::{Plugin, registry::Registry};

pub use registry::Kubernetes;

/// The registry `kubernetes`, for settings; see [`Kubernetes::open`].
pub const REGISTRY: Plugin<dyn Registry> =
    Plugin::new("kubernetes", |url| Ok(Arc::new(Kubernetes::open(url)?)));

//! Kubernetes for [Micro](https://docs.rs/micro-rs): a registry.
//!
//! Users of `micro-rs` get it by the feature `kubernetes`.

mod registry;

pub use registry::Kubernetes;

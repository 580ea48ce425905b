//! etcd for [Micro](https://docs.rs/micro-rs): a registry.
//!
//! Users of `micro-rs` get it by the feature `etcd`.

mod registry;

pub use registry::Etcd;

//! ZooKeeper for [Micro](https://docs.rs/micro-rs): a registry.
//!
//! Users of `micro-rs` get it by the feature `zookeeper`.

mod registry;

pub use registry::ZooKeeper;

//! NATS for [Micro](https://docs.rs/micro-rs): a registry.
//!
//! Users of `micro-rs` get it by the feature `nats`.

mod registry;

pub use registry::Nats;

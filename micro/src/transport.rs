//! The [`Transport`] and [`Peer`] traits, and the transports that are built in.

#[cfg(feature = "grpc")]
pub use micro_core::protocols::Grpc;
pub use micro_core::{Socket, transport::*};

//! Ways to a node and ways to be reached: the [`Transport`] and [`Peer`] traits, and every transport that is built in.

#[cfg(feature = "grpc")]
pub use micro_core::protocols::Grpc;
pub use micro_core::{Socket, transport::*};

//! The protocols of the one port, for servers and clients.
//!
//! Each HTTP dialect has a folder and implements `dialect::Dialect`. `dispatcher` passes the requests of a connection to
//! the dialects. [`Socket`] is the transport for all protocols.

#![cfg_attr(
    not(all(
        feature = "json",
        feature = "connect",
        feature = "mucp",
        feature = "grpc"
    )),
    allow(
        dead_code,
        unused_imports,
        reason = "each dialect uses other parts of what they share"
    )
)]

#[cfg(feature = "http")]
pub(crate) mod access;
#[cfg(feature = "http")]
pub(crate) mod addressing;
#[cfg(feature = "http")]
mod built_in;
#[cfg(any(feature = "grpc", feature = "connect", feature = "json"))]
pub(crate) mod client;
#[cfg(feature = "connect")]
pub(crate) mod connect;
#[cfg(feature = "http")]
pub(crate) mod connection_context;
#[cfg(feature = "test-util")]
pub mod contract;
#[cfg(feature = "http")]
pub(crate) mod cors;
#[cfg(feature = "http")]
pub(crate) mod dialect;
#[cfg(feature = "http")]
pub(crate) mod dispatcher;
#[cfg(any(feature = "grpc", feature = "connect"))]
pub(crate) mod envelope;
#[cfg(any(feature = "grpc", feature = "connect"))]
pub(crate) mod envelope_stream;
#[cfg(feature = "http")]
mod failure;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzz;
#[cfg(feature = "grpc")]
pub(crate) mod grpc;
#[cfg(feature = "grpc")]
mod grpc_transport;
#[cfg(feature = "json")]
pub(crate) mod json;
#[cfg(feature = "mucp")]
pub(crate) mod mucp;
#[cfg(feature = "http")]
pub(crate) mod ops;
#[cfg(feature = "http")]
pub(crate) mod origins;
#[cfg(any(feature = "grpc", feature = "connect", feature = "json"))]
pub(crate) mod paths;
#[cfg(feature = "http")]
pub(crate) mod propagation;
#[cfg(feature = "http")]
mod server;
mod socket;
#[cfg(feature = "http")]
mod takeover;
mod wire_protocol;

#[cfg(feature = "grpc")]
pub use grpc_transport::Grpc;
pub use socket::Socket;

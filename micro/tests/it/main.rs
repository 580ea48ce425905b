//! The library's tests through its public API, in one binary; a module for each of its modules.
#![allow(clippy::unwrap_used, missing_docs, reason = "these are tests")]

mod broker;
mod builders;
mod codec;
#[cfg(feature = "http")]
mod connect;
mod examples;
mod fault;
mod golden;
#[cfg(feature = "grpc")]
mod grpc;
mod hooks;
#[cfg(feature = "http")]
mod http1;
#[cfg(feature = "grpc")]
mod http2;
mod identity;
mod layers;
mod limits;
mod metadata;
mod middleware;
#[cfg(feature = "http")]
mod mucp;
mod permanent;
mod process;
mod raw;
mod readme;
mod registry;
mod resilience;
mod settings;
mod signals;
mod skip;
mod streamed;
#[cfg(feature = "tls")]
mod tls;
mod traces;
mod transport;
mod ui;
mod unix_sockets;
mod warnings;

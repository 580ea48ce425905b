//! What the server and the client under test of the conformance suite of Connect, gRPC and gRPC-Web have in common.
//!
//! - `proto` is compiled from the suite's own `.proto` files.
//! - [`any`] knows the messages of them that may stand in an `Any`, as JSON needs it.
//! - [`frame`] reads and writes what the suite's runner says on standard input and output.
//! - [`said`] turns metadata and errors of Micro into messages of the suite, and back.

pub mod any;
pub mod frame;
pub mod said;

/// The suite's messages.
pub mod proto {
    #![allow(missing_docs, rustdoc::all, clippy::all, reason = "it is generated")]
    include!(concat!(env!("OUT_DIR"), "/connectrpc.conformance.v1.rs"));
}

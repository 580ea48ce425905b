//! What go-micro's processes of every version sent, byte for byte: to our server as clients did, to our client
//! as servers did, and to our subscribers as its HTTP broker did.
#![allow(clippy::unwrap_used, missing_docs, reason = "these are tests")]

mod broker;
mod capture;
mod client;
mod grpc;
mod judge;
mod odd;
mod server;
mod wire;

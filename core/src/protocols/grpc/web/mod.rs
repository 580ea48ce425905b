//! gRPC-Web, <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md>: gRPC for clients that cannot read
//! trailers, which are a last message instead, over any version of HTTP.

mod client;
mod dialect;
mod text;
mod trailers;

pub(super) use client::{request, response};
pub(crate) use dialect::Server;

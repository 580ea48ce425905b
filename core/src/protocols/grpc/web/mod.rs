//! gRPC-Web, as <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md> has it: gRPC for those who cannot see
//! trailers, which come as a last message instead, over any version of HTTP.

mod client;
mod dialect;
mod text;
mod trailers;

pub(super) use client::{request, response};
pub(crate) use dialect::Server;

//! gRPC-Web, as <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md> has it: gRPC for those who cannot see
//! trailers, which come as a last message instead, over any version of HTTP.

mod dialect;
mod text;
mod trailers;

pub(crate) use dialect::Server;

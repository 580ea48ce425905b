//! gRPC, as <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md> has it and as go-micro speaks it:
//! the server's [`Dialect`], and a client's way to a node.

mod answer;
mod builtin;
mod dialect;
mod go_micro;
mod head;
mod health;
mod messages;
mod metadata;
mod percent;
mod reflection;
mod status;
mod timeout;

pub(crate) use dialect::Grpc;

#[cfg(doc)]
use crate::transport::http::Dialect;

//! gRPC, <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>, with go-micro's additions:
//! the server's [`Dialect`](crate::protocols::dialect::Dialect), and a client's peer.

mod answer;
mod builtin;
mod client;
mod dialect;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzz;
mod go_micro;
mod head;
mod health;
mod messages;
mod metadata;
mod percent;
mod read;
mod reflection;
mod request;
mod status;
mod timeout;
pub(crate) mod web;

pub(crate) use client::connect;
pub(crate) use dialect::Server;
pub(crate) use status::STATUS;

//! One plugin of every kind, made of public API only, each passing its contract suite (`tests/it`).
//!
//! Copy this crate to begin one of your own; `CONTRIBUTING.md` says how, step by step.
//!
//! - [`Board`] is a registry: a driver of a server, here one in this process.
//! - [`InProcess`] is a transport, made of async functions.
//! - [`Lines`] is a protocol on the port of a service.
//! - [`Fanout`] is a broker, made of a registry and a transport.
//! - [`Pretty`] is a codec.
//! - [`First`] is a strategy, [`Zone`] a filter, [`stamp`] a layer.

mod broker;
mod codec;
mod filter;
mod layer;
mod protocol;
mod registry;
mod strategy;
mod transport;

pub use broker::Fanout;
pub use codec::Pretty;
pub use filter::Zone;
pub use layer::stamp;
pub use protocol::Lines;
pub use registry::{Board, Server};
pub use strategy::First;
pub use transport::{InProcess, in_process};

use std::sync::Arc;

use micro_core::{Plugin, registry::Registry};

/// The board as settings choose it: `--registry=board`. Each time it is opened, the board is a new one.
pub const REGISTRY: Plugin<dyn Registry> = Plugin::new("board", |url| {
    url.check_is_bare()?;
    Ok(Arc::new(Board::registry(&Server::default())))
});

//! The core of [Micro](https://docs.rs/micro-rs): what calls travel by, and the traits that plugins implement.
//!
//! Services are written with `micro-rs`, which re-exports what they need of this crate. It is for plugins: a registry,
//! a transport, a broker, a strategy, a codec or a protocol depends on it alone. It names no product.
//!
//! From bottom to top:
//! - [`node`], [`Context`], [`Metadata`], [`Error`], [`Request`] and [`Response`] are the records: what travels, how it
//!   fails, who serves. Every layer has one shape, [`Call`]: `Request → Result<Response>`.
//! - [`Plugin`] is what a plugin crate exports: a name, and how a URL opens it.
//! - [`codec`] turns messages into bytes and back, by content type.
//! - [`net`] has sockets, TLS, the one port and its limits; [`http`] the engines of HTTP over them.
//! - [`registry`] knows which nodes serve which service.
//! - [`selector`] keeps a snapshot of each service's nodes and picks one of them.
//! - [`transport`] carries requests to nodes; [`protocols`] has what else the one port speaks.
//! - [`balance`] is the one loop that makes attempts: deadline, retries, budget, hedges.
//! - [`broker`] publishes events by topic, and hands them to subscribers.
//! - [`middleware`] is the user's own: layers around any of this.
//! - [`client`] and [`server`] are the two ends of a call.
//! - [`Plugins`] are the parts that a client or a service is made of.

// So that what the macros write is found inside this crate too.
extern crate self as micro;

#[doc(hidden)]
pub mod address;
pub mod balance;
mod base64;
pub mod broker;
pub mod call;
pub mod client;
pub mod codec;
pub mod context;
pub mod error;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzz;
pub mod hash;
#[cfg(feature = "http1")]
pub mod http;
mod macros;
mod message;
mod metadata;
pub mod middleware;
mod mock;
pub mod net;
pub mod node;
pub mod plugin;
pub mod plugins;
pub mod protocols;
pub mod random;
pub mod registry;
pub mod selector;
pub mod server;
mod suggest;
mod sync;
#[doc(hidden)]
pub mod time;
pub mod transport;
pub mod url;
pub mod wait;
#[doc(hidden)]
pub mod worker;

pub use broker::Broker;
#[doc(hidden)]
pub use call::Identity;
pub use call::{Answer, Call};
pub use client::Client;
pub use codec::{Codec, Codecs, Message, Payload, Reply, Streaming};
pub use context::{Compression, Context, Criticality, Leaving, Trace};
pub use error::{Code, Error, Outcome, Result};
pub use macros::{Message, service};
pub use message::{Body, BodyStream, ContentType, Extensions, Request, Response, Target};
pub use metadata::Metadata;
pub use mock::Mock;
pub use plugin::Plugin;
pub use plugins::{ClientBuilder, Plugins};
pub use protocols::Socket;
pub use server::{Handler, Ops, Router, Routes};
#[doc(hidden)]
pub use suggest::hint;
pub use suggest::suggest;

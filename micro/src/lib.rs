//! Micro: a toolkit for resilient, fault-tolerant microservices.
//!
//! One call passes eight rooms, and each has one shape, `Request → Result<Response>`:
//! [`client`] encodes, [`middleware`] is the user's, [`balance`] picks a node from the [`selector`]
//! and decides on retries, [`transport`] carries it, [`server`] receives and routes, and a handler answers.

// So that what the macros write is found inside this crate too.
extern crate self as micro;

pub mod balance;
pub mod broker;
mod call;
pub mod client;
pub mod codec;
mod context;
mod error;
mod macros;
mod message;
mod nearest;
mod plugins;
pub mod registry;
mod runtime;
pub mod selector;
pub mod server;
mod service;
mod time;
pub mod transport;

pub use broker::Broker;
pub use call::{Answer, Call};
pub use client::Client;
pub use codec::{Codec, Codecs, Message, Payload, Streaming};
pub use context::{Context, Criticality, Trace};
pub use error::{Code, Error, Outcome, Result};
pub use macros::{Message, service};
pub use message::{Body, BodyStream, ContentType, Extensions, Metadata, Request, Response, Target};
pub use nearest::nearest;
pub use plugins::Plugins;
pub use server::{Handler, Router, Routes};
pub use service::{Lifecycle, Running, Service};

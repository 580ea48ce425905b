//! Micro: a toolkit for resilient, fault-tolerant microservices.
//!
//! One call passes eight rooms, and each has one shape, `Request → Result<Response>`:
//! [`client`] encodes, [`middleware`] is the user's, [`balance`] picks a node from the [`selector`]
//! and decides on retries, [`transport`] carries it, [`server`] receives and routes, and a handler answers.

mod call;
pub mod codec;
mod context;
mod error;
mod message;
pub mod registry;
pub mod selector;
mod time;
pub mod transport;

pub use call::{Answer, Call};
pub use codec::{Codec, Codecs, Message, Payload, Streaming};
pub use context::{Context, Criticality, Trace};
pub use error::{Code, Error, Outcome, Result};
pub use message::{Body, BodyStream, ContentType, Metadata, Request, Response, Target};

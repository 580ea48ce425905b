//! Micro: a toolkit for resilient, fault-tolerant microservices.
//!
//! Services find each other, call each other and balance their load, with nothing installed beside them.
//! Every layer between caller and handler has one shape, [`Call`]: `Request → Result<Response>`.
//!
//! - [`Service`] is a service: its name, its handlers, and its life from listening to the last answer.
//! - [`client`] encodes a call, typed or dynamic, and decodes its answer.
//! - [`balance`] is the only loop that makes attempts: deadline, retries, budget, hedging.
//! - [`selector`] keeps a snapshot of each service's nodes and picks one of them.
//! - [`registry`] knows which nodes serve which service.
//! - [`transport`] carries requests to nodes, and listens.
//! - [`server`] admits or refuses requests, and finds their handlers.
//! - [`broker`] publishes events by topic, and delivers them to subscribers.
//! - [`middleware`] has layers for clients, services and single endpoints.
//! - [`codec`] turns messages into bytes and back, by content type.
//! - [`runtime`] gives each core a runtime with connections of its own.
//! - [`Plugins`] are the parts of a service or client; one line exchanges a part.
//! - [`settings`] are flags and `MICRO_*` variables, which choose the parts when a program runs.
//!
//! A [`Context`] travels with every call. An [`Error`] says whether the work was done. The derive
//! [`Message`](macro@Message) and the attribute [`service`](macro@service) write the code of messages and services.
//!
//! ```
//! use micro::{Context, Handler, Plugins, Result, Service, registry::Memory};
//!
//! async fn hello(_: Context, name: String) -> Result<String> {
//!     Ok(format!("Hello {name}"))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! let plugins = Plugins::new().registry(Memory::new());
//! let greeter = Service::new("greeter")
//!     .plugins(plugins)
//!     .handle("Greeter.Hello", hello.idempotent());
//! let running = greeter.serve().await?;
//!
//! let hello = running.client().method("greeter", "Greeter.Hello");
//! let reply: String = hello.call(&Context::new(), "John".to_owned()).await?;
//! assert_eq!(reply, "Hello John");
//! # Ok(())
//! # }
//! ```

// What the macros write refers to this crate by its name, inside it, too.
extern crate self as micro;

pub mod registry;
pub mod runtime;
mod service;
pub mod settings;
#[cfg(feature = "sim")]
pub mod sim;
pub mod transport;

#[doc(hidden)]
pub use micro_core::Identity;
pub use micro_core::server::metrics;
pub use micro_core::{
    Answer, Body, BodyStream, Broker, Call, Client, ClientBuilder, Code, Codec, Codecs,
    Compression, ContentType, Context, Criticality, Error, Extensions, Handler, Leaving, Message,
    Metadata, Mock, Ops, Outcome, Payload, Plugins, Reply, Request, Response, Result, Router,
    Routes, Socket, Streaming, Target, Trace, balance, broker, client, codec, middleware, net,
    protocols, selector, server, service, suggest,
};
pub use service::{Lifecycle, Running, Service};
pub use settings::Settings;

/// The code of the guides compiles and runs.
#[cfg(doctest)]
mod guide {
    macro_rules! guides {
        ($($name:ident $file:literal)*) => { $(#[doc = include_str!(concat!("../guide/", $file))] mod $name {})* };
    }
    guides! {
        first_service "first-service.md"
        calls "calls.md"
        streams "streams.md"
        events "events.md"
        contracts "contracts.md"
        configuration "configuration.md"
        logging "logging.md"
        containers "containers.md"
        errors "errors.md"
        middleware "middleware.md"
        testing "testing.md"
    }
}

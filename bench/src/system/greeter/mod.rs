//! The greeter, over HTTP/1.1: plain JSON as any web framework has it, and go-micro's own protocol.
//!
//! The two servers of a protocol are called by one and the same client, so that what differs is the server.

pub(super) mod axum;
pub(super) mod go;
pub(super) mod mucp;
pub(super) mod plain;

use crate::message::Echo;
use ::micro::{Message, Service, runtime};
use anyhow::{Context as _, Result};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::net::TcpListener;

const SERVICE: &str = "greeter";
const HELLO: &str = "Greeter.Hello";
/// What every greeting begins with.
const WORD: &str = "Hello ";

/// Whom to greet.
#[derive(Serialize, Deserialize, Message)]
struct Hello {
    name: String,
}

/// The greeting.
#[derive(Serialize, Deserialize, Message)]
struct Greeting {
    msg: String,
}

/// Whom to greet, in Protobuf.
#[derive(Clone, PartialEq, prost::Message, Message)]
struct ProtoHello {
    #[prost(string, tag = "1")]
    name: String,
}

/// The greeting, in Protobuf.
#[derive(Clone, PartialEq, prost::Message, Message)]
struct ProtoGreeting {
    #[prost(string, tag = "1")]
    msg: String,
}

/// A name as long as a cell's body.
fn name_of(request: &Echo) -> String {
    let letter = |byte: &u8| char::from(b'a' + byte % 26);
    request.body.iter().map(letter).collect()
}

/// The name that a greeting is for.
fn greeted(msg: String) -> Result<Echo> {
    let mut body = Bytes::from(msg);
    anyhow::ensure!(body.starts_with(WORD.as_bytes()), "it is no greeting");
    Ok(Echo {
        body: body.split_off(WORD.len()),
    })
}

/// Serves as `Service::run` does, with a runtime a core.
fn run_ours(service: Service, threads: usize) -> Result<()> {
    runtime::run_on(threads, |runtimes| async move {
        let _running = service.serve_on(runtimes).await?;
        std::future::pending().await
    })
    .context("the service ended")
}

/// Our greeter, without its handler, at the address of a listener, which is closed.
fn ours(listener: TcpListener) -> Result<Service> {
    let address = listener.local_addr()?.to_string();
    let plugins = ::micro::Plugins::new().registry(::micro::registry::Memory::new());
    Ok(Service::new(SERVICE).address(address).plugins(plugins))
}

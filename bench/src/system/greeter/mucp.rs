//! go-micro's own protocol with Protobuf: our server and our client.

use super::{HELLO, ProtoGreeting, ProtoHello, SERVICE, WORD, greeted, name_of, ours, run_ours};
use crate::{
    message::Echo,
    system::{Client, System},
};
use ::micro::{
    self as cx, Handler, Plugins, Socket,
    client::Method,
    registry::{self, Node, Registry},
};
use anyhow::Result;
use std::net::{SocketAddr, TcpListener};

/// Our server.
#[derive(Clone, Copy)]
pub(in crate::system) struct Mucp;

async fn hello(_: cx::Context, hello: ProtoHello) -> cx::Result<ProtoGreeting> {
    let msg = format!("{WORD}{}", hello.name);
    Ok(ProtoGreeting { msg })
}

impl System for Mucp {
    type Client = Caller;

    async fn serve(&self, listener: TcpListener) -> Result<()> {
        let service = ours(listener)?.handle(HELLO, hello.idempotent());
        let _running = service.serve().await?;
        std::future::pending().await
    }

    fn run_server(&self, listener: TcpListener, threads: usize) -> Result<()> {
        run_ours(ours(listener)?.handle(HELLO, hello.idempotent()), threads)
    }

    async fn connect(&self, address: SocketAddr) -> Result<Caller> {
        Caller::connect(address).await
    }
}

/// Our client.
#[derive(Clone)]
pub(crate) struct Caller {
    hello: Method<ProtoHello, ProtoGreeting>,
}

impl Caller {
    /// Calls once, so that whoever does not serve is found out.
    pub(super) async fn connect(address: SocketAddr) -> Result<Self> {
        let node = Node::new(SERVICE, "greeter-1", address.to_string());
        // As go-micro's own nodes say since 2019.
        let node = node.with_metadata("protocol", "mucp");
        let registry = registry::Memory::new();
        registry.register(&node, None).await?;
        let socket = Socket::new().client_protocol("mucp")?;
        let client = Plugins::new().registry(registry).socket(socket).client()?;
        let hello = client.method(SERVICE, HELLO).idempotent();
        let caller = Caller { hello };
        caller.call(Echo::of_size(1)).await?;
        Ok(caller)
    }
}

impl Client for Caller {
    async fn call(&self, request: Echo) -> Result<Echo> {
        let name = name_of(&request);
        let greeting = self.hello.call(&cx::Context::new(), ProtoHello { name });
        greeted(greeting.await?.msg)
    }
}

//! micro: the full stack as a user gets it by default.

use super::{Client, System};
use crate::{load::Stream, message::Echo};
use ::micro::{
    self as cx, Handler, Message, Plugins, Result as Answer, Service, Socket, Streaming,
    client::Method,
    protocols::Grpc,
    registry::{Node, Registry, Update, Updates},
    runtime,
    transport::{Limits, io::Sockets},
};
use anyhow::{Context as _, Result};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::{
    marker::PhantomData,
    net::{SocketAddr, TcpListener},
    pin::Pin,
    sync::Arc,
    task::{self, Poll},
    time::Duration,
};

/// As tonic has it: then each may call the other.
const SERVICE: &str = "bench";

/// Discovery, P2C, deadline, budget, ejection and counts on; `M` is the form of its messages.
#[derive(Clone, Copy)]
pub(super) struct Micro<M> {
    /// Whether it is put inside a work-stealing runtime, instead of its own runtime a core.
    stealing: bool,
    /// Its `TCP_CONGESTION`; the system's without.
    congestion: Option<&'static str>,
    /// How long it polls before it sleeps.
    poll: Option<Duration>,
    /// Whether its calls go by gRPC.
    grpc: bool,
    form: PhantomData<fn() -> M>,
}

impl<M> Micro<M> {
    /// As a user gets it by default.
    pub(super) fn new() -> Self {
        Micro {
            stealing: false,
            congestion: None,
            poll: None,
            grpc: false,
            form: PhantomData,
        }
    }

    /// Inside a work-stealing runtime.
    pub(super) fn stealing(self) -> Self {
        Micro {
            stealing: true,
            ..self
        }
    }

    /// With the socket options that suit large bodies over loopback.
    pub(super) fn tuned(self) -> Self {
        Micro {
            congestion: Some("cubic"),
            ..self
        }
    }

    /// Polls for 50 µs before it sleeps: two wake-ups of a process on another CPU.
    pub(super) fn polling(self) -> Self {
        Micro {
            poll: Some(Duration::from_micros(50)),
            ..self
        }
    }

    /// Calling by gRPC.
    pub(super) fn grpc(self) -> Self {
        Micro { grpc: true, ..self }
    }

    fn plugins(&self, node: Option<SocketAddr>) -> Plugins {
        let mut sockets = Sockets::default();
        sockets.congestion = self.congestion.map(str::to_owned);
        let mut limits = Limits::default();
        limits.busy_poll = self.poll;
        let plugins = Plugins::new().registry(One(node));
        if self.grpc {
            return plugins.transport(Grpc::new().network(sockets).limits(limits));
        }
        plugins.socket(Socket::new().network(sockets).limits(limits))
    }
}

impl<M: Form> Micro<M> {
    fn service(&self, listener: TcpListener) -> Result<Service> {
        let address = listener.local_addr()?;
        Ok(Service::new(SERVICE)
            .address(address.to_string())
            .plugins(self.plugins(None))
            .handle("Echo.Unary", echo::<M>.idempotent())
            .handle("Echo.Bidi", bidi::<M>))
    }
}

/// What a serde type becomes by default: MessagePack with field names.
#[derive(Clone, Serialize, Deserialize, ::micro::Message)]
pub(crate) struct Packed {
    body: Bytes,
}

/// What a prost type becomes by default: Protobuf.
#[derive(Clone, PartialEq, prost::Message, ::micro::Message)]
pub(crate) struct Proto {
    #[prost(bytes = "bytes", tag = "1")]
    body: Bytes,
}

/// A form of the one message.
pub(crate) trait Form: Message + Clone + Sync {
    fn of(echo: Echo) -> Self;
    fn echo(self) -> Echo;
}

macro_rules! forms {
    ($($form:ident),*) => {$(
        impl Form for $form {
            fn of(echo: Echo) -> Self {
                $form { body: echo.body }
            }
            fn echo(self) -> Echo {
                Echo { body: self.body }
            }
        }
    )*};
}

forms!(Packed, Proto);

async fn echo<M: Form>(_: cx::Context, request: M) -> Answer<M> {
    Ok(request)
}

async fn bidi<M: Form>(_: cx::Context, requests: Streaming<M>) -> Answer<Streaming<M>> {
    Ok(requests)
}

impl<M: Form> System for Micro<M> {
    type Client = Caller<M>;

    async fn serve(&self, listener: TcpListener) -> Result<()> {
        let _running = self.service(listener)?.serve().await?;
        std::future::pending().await
    }

    fn run_server(&self, listener: TcpListener, threads: usize) -> Result<()> {
        if self.stealing {
            return crate::runtime::runtime(threads)?.block_on(self.serve(listener));
        }
        let service = self.service(listener)?;
        Ok(runtime::run_on(threads, |runtimes| async move {
            let _running = service.serve_on(runtimes).await?;
            std::future::pending().await
        })?)
    }

    fn client_runtimes(&self, threads: usize) -> usize {
        if self.stealing { 1 } else { threads }
    }

    /// One client for all runtimes: it has a connection for each by itself.
    fn run_client<L, F>(&self, address: SocketAddr, threads: usize, load: L) -> Result<()>
    where
        L: Fn(Caller<M>, usize) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        if self.stealing {
            return crate::runtime::runtime(threads)?.block_on(async {
                load(self.connect(address).await?, 0).await;
                Ok(())
            });
        }
        let connect = self.connect(address);
        runtime::run_on(threads, |runtimes| async move {
            let caller = match connect.await {
                Ok(caller) => caller,
                Err(error) => return Ok(Err(error)),
            };
            let loads: Vec<_> = (0..)
                .zip(&runtimes)
                .map(|(number, runtime)| runtime.spawn(load(caller.clone(), number)))
                .collect();
            for ended in loads {
                if let Err(panicked) = ended.await {
                    return Ok(Err(panicked.into()));
                }
            }
            Ok(Ok(()))
        })?
    }

    async fn connect(&self, address: SocketAddr) -> Result<Caller<M>> {
        let client = self.plugins(Some(address)).client()?;
        let caller = Caller {
            unary: client.method(SERVICE, "Echo.Unary").idempotent(),
            bidi: client.method(SERVICE, "Echo.Bidi"),
        };
        caller.call(Echo::of_size(1)).await?;
        Ok(caller)
    }
}

#[derive(Clone)]
pub(crate) struct Caller<M> {
    unary: Method<M, M>,
    bidi: Method<Streaming<M>, Streaming<M>>,
}

impl<M: Form> Client for Caller<M> {
    async fn call(&self, request: Echo) -> Result<Echo> {
        let answer = self.unary.call(&cx::Context::new(), M::of(request)).await?;
        Ok(answer.echo())
    }

    async fn stream(&self, load: Stream) -> Result<()> {
        let (sender, requests) = Streaming::channel(load.outstanding);
        for _ in 0..load.outstanding {
            sender.send(M::of(load.message.clone())).await?;
        }
        let cx = cx::Context::new().with_timeout(Duration::from_secs(600));
        let mut answers = self.bidi.call(&cx, requests).await?;
        while load.wants_more() {
            let answer = answers.next().await.context("the stream ended")??;
            load.received(&answer.echo())?;
            sender.send(M::of(load.message.clone())).await?;
        }
        Ok(())
    }
}

struct One(Option<SocketAddr>);

impl One {
    fn set(&self) -> Vec<Node> {
        self.0
            .map(|address| Node::new(SERVICE, "echo-1", address.to_string()))
            .into_iter()
            .collect()
    }
}

#[async_trait::async_trait]
impl Registry for One {
    fn name(&self) -> &str {
        "one"
    }
    async fn register(&self, _: &Node, _: Option<Duration>) -> Answer<()> {
        Ok(())
    }
    async fn deregister(&self, _: &Node) -> Answer<()> {
        Ok(())
    }
    async fn get(&self, _: &str) -> Answer<Vec<Node>> {
        Ok(self.set())
    }
    async fn list(&self) -> Answer<Vec<String>> {
        Ok(vec![SERVICE.into()])
    }
    async fn watch(&self, _: Option<&str>) -> Answer<Updates> {
        let update = Update::Set {
            service: SERVICE.into(),
            nodes: self.set().into_iter().map(Arc::new).collect(),
            authoritative: true,
        };
        Ok(Box::pin(Once(Some(update))))
    }
}

struct Once(Option<Update>);

impl futures_core::Stream for Once {
    type Item = Update;
    fn poll_next(mut self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<Option<Update>> {
        match self.0.take() {
            Some(update) => Poll::Ready(Some(update)),
            None => Poll::Pending,
        }
    }
}

//! micro: the full stack as a user gets it by default.

use super::{Client, System};
use crate::{load::Stream, message::Echo};
use ::micro::{
    self as cx, Handler, Message, Plugins, Result as Answer, Service, Streaming,
    client::Method,
    registry::{Node, Registry, Update, Updates},
};
use anyhow::{Context as _, Result};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::{
    marker::PhantomData,
    net::{SocketAddr, TcpListener},
    pin::Pin,
    task::{self, Poll},
    time::Duration,
};

const SERVICE: &str = "echo";

/// Discovery, P2C, deadline, budget, ejection and counts on; `M` is the form of its messages.
#[derive(Clone, Copy)]
pub(super) struct Micro<M>(PhantomData<fn() -> M>);

impl<M> Micro<M> {
    pub(super) fn new() -> Self {
        Micro(PhantomData)
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
        let address = listener.local_addr()?;
        drop(listener);
        let _running = Service::new(SERVICE)
            .address(address.to_string())
            .plugins(Plugins::new().registry(One(None)))
            .handle("Echo.Unary", echo::<M>.idempotent())
            .handle("Echo.Bidi", bidi::<M>)
            .serve()
            .await?;
        std::future::pending().await
    }

    async fn connect(&self, address: SocketAddr) -> Result<Caller<M>> {
        let client = Plugins::new().registry(One(Some(address))).client()?;
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
            nodes: self.set(),
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

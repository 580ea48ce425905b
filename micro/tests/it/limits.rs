//! What a connection may cost: each limit with its error, over real sockets.

mod blocking;
#[cfg(feature = "http")]
mod buffered;
mod connections;
mod descriptors;
mod frames;
mod messages;
mod streams;

use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use bytes::Bytes;
use micro::{
    Client, Context, Plugins, Result, Running, Service, Socket, Streaming, client::Method,
    registry::Memory, transport::Limits,
};

/// How often handlers of one service made something.
pub(crate) type Made = std::sync::Arc<AtomicUsize>;

/// A service under test and how to reach it.
pub(crate) struct Under {
    pub(crate) running: Running,
    pub(crate) registry: Memory,
    /// Answers and messages that its handlers have made.
    pub(crate) made: Made,
}

/// Limits of which some differ from the default.
pub(crate) fn limits(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

impl Under {
    /// Serves with limits of its own.
    pub(crate) async fn start(change: impl FnOnce(&mut Limits)) -> Self {
        let registry = Memory::new();
        let made = Made::default();
        let socket = Socket::new().limits(limits(change));
        let running = Service::new("limits")
            .plugins(Plugins::new().registry(registry.clone()).socket(socket))
            .lifecycle(|life| life.deregister_delay = Duration::ZERO)
            .handle("Limits.Echo", echo)
            .handle("Limits.Sleep", sleep)
            .handle("Limits.Slow", slow)
            .handle("Limits.Big", {
                let made = made.clone();
                move |_: Context, size: Bytes| big(made.clone(), size)
            })
            .handle("Limits.Later", {
                let made = made.clone();
                move |_: Context, size: Bytes| later(made.clone(), size)
            })
            .handle("Limits.Endless", {
                let made = made.clone();
                move |_: Context, size: Bytes| endless(made.clone(), size)
            })
            .serve()
            .await
            .unwrap();
        Under {
            running,
            registry,
            made,
        }
    }

    pub(crate) fn address(&self) -> &str {
        &self.running.node().address
    }

    /// A client with limits of its own.
    pub(crate) fn client(&self, change: impl FnOnce(&mut Limits)) -> Client {
        let socket = Socket::new().limits(limits(change));
        let plugins = Plugins::new()
            .registry(self.registry.clone())
            .socket(socket);
        plugins.client().unwrap()
    }

    /// How much its handlers have made once they make no more.
    pub(crate) async fn made_at_rest(&self) -> usize {
        let mut before = usize::MAX;
        loop {
            let made = self.made.load(Relaxed);
            if made == before && made > 0 {
                return made;
            }
            before = made;
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    }
}

pub(crate) fn method(client: &Client, endpoint: &str) -> Method<Bytes, Bytes> {
    client.method("limits", endpoint)
}

async fn echo(_: Context, body: Bytes) -> Result<Bytes> {
    Ok(body)
}

async fn sleep(_: Context, _: Bytes) -> Result<Bytes> {
    std::future::pending().await
}

/// Counts the bytes of a stream after a pause, in which the sender has used its credit up.
async fn slow(_: Context, mut messages: Streaming<Bytes>) -> Result<Bytes> {
    let mut bytes = 0;
    while let Some(message) = messages.next().await {
        bytes += message?.len();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(bytes.to_string().into())
}

fn size_of(size: &Bytes) -> usize {
    std::str::from_utf8(size).unwrap().parse().unwrap()
}

/// An answer of so many bytes.
async fn big(made: Made, size: Bytes) -> Result<Bytes> {
    made.fetch_add(1, Relaxed);
    Ok(vec![7; size_of(&size)].into())
}

/// The same after a pause, so that the answer comes of a call that waits.
async fn later(made: Made, size: Bytes) -> Result<Bytes> {
    tokio::task::yield_now().await;
    big(made, size).await
}

/// Messages of so many bytes without end.
async fn endless(made: Made, size: Bytes) -> Result<Streaming<Bytes>> {
    let message = Bytes::from(vec![7; size_of(&size)]);
    Ok(Streaming::new(Endless(message, made)))
}

struct Endless(Bytes, Made);

impl futures_core::Stream for Endless {
    type Item = Result<Bytes>;

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.1.fetch_add(1, Relaxed);
        std::task::Poll::Ready(Some(Ok(self.0.clone())))
    }
}

//! One connection of HTTP/1.1, driven by whoever waits for its answer: no task of its own, so none to end.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    body::Incoming,
    client::conn::http1::{self, Connection, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    runtime::{Handle, Id},
    time::{Instant, timeout},
};

use crate::{
    error::{Error, Result},
    net::tls::Connector,
};

/// How long a connection may take: those that refuse do so at once, those that are not there never.
const CONNECT: Duration = Duration::from_secs(2);

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection to one host, used by one request at a time.
pub(super) struct Link {
    sender: SendRequest<Full<Bytes>>,
    driven: Driven,
    /// Which of the hosts it leads to.
    pub(super) host: usize,
    /// Whose reactor it hangs on: it is of no use to others.
    pub(super) runtime: Id,
    /// When its last answer was whole.
    pub(super) used: Instant,
    /// Whether an answer is awaited: who drops it then has had enough of it, and nothing was lost.
    busy: bool,
    /// Counts the connections to its host that were lost, as far as can be told.
    lost: Arc<AtomicU64>,
}

type Moving = Connection<TokioIo<Box<dyn Stream>>, Full<Bytes>>;

/// What moves the bytes, while it lasts.
pub(super) struct Driven(Option<Moving>);

impl Link {
    /// Connects to the host of number `host`, at `address`.
    pub(super) async fn open(
        host: usize,
        address: &str,
        tls: Option<&Connector>,
        lost: Arc<AtomicU64>,
    ) -> Result<Self> {
        let io = timeout(CONNECT, open(address, tls)).await;
        let io = io.unwrap_or_else(|_| {
            Err(Error::unavailable(format!(
                "no connection within {CONNECT:?}"
            )))
        })?;
        let handshake = http1::handshake(TokioIo::new(io)).await;
        let (sender, connection) =
            handshake.map_err(|error| Error::unavailable("no connection").with_source(error))?;
        Ok(Link {
            sender,
            driven: Driven(Some(connection)),
            host,
            runtime: Handle::current().id(),
            used: Instant::now(),
            busy: false,
            lost,
        })
    }

    /// Sends a request, and waits for the head of its answer.
    pub(super) async fn send(
        &mut self,
        request: http::Request<Full<Bytes>>,
    ) -> hyper::Result<http::Response<Incoming>> {
        let Link {
            sender,
            driven,
            busy,
            ..
        } = self;
        let answered = async {
            sender.ready().await?;
            sender.send_request(request).await
        };
        *busy = true;
        let answered = driven.during(answered).await;
        *busy = false;
        answered
    }

    /// Moves bytes until `wanted` has come.
    pub(super) async fn during<T>(&mut self, wanted: impl Future<Output = T>) -> T {
        self.busy = true;
        let came = self.driven.during(wanted).await;
        self.busy = false;
        came
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if !self.busy || self.driven.0.is_none() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Driven {
    async fn during<T>(&mut self, wanted: impl Future<Output = T>) -> T {
        let mut wanted = pin!(wanted);
        poll_fn(|cx| {
            self.advance(cx);
            wanted.as_mut().poll(cx)
        })
        .await
    }

    fn advance(&mut self, cx: &mut Context<'_>) {
        if let Some(connection) = &mut self.0 {
            // What failed is said to the request as well.
            if let Poll::Ready(_ended) = Pin::new(connection).poll(cx) {
                self.0 = None;
            }
        }
    }
}

async fn open(address: &str, tls: Option<&Connector>) -> Result<Box<dyn Stream>> {
    let stream = TcpStream::connect(address).await.map_err(|error| {
        Error::unavailable("no connection; does it run, and is this its address?")
            .with_source(error)
    })?;
    // An answer does not depend on it.
    let _ = stream.set_nodelay(true);
    Ok(match tls {
        None => Box::new(stream),
        Some(tls) => Box::new(tls.connect(stream, address).await?),
    })
}

//! One connection to one member: HTTP/2, over TLS or not, and whether the member still lives.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use h2::{
    Ping, PingPong,
    client::{Builder, SendRequest},
};
use http::{HeaderValue, Method, Request, header};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::{Notify, oneshot, watch},
    time::{sleep, timeout},
};

use super::{
    failure::Failure,
    message::Question,
    shared::Task,
    stream::{Stream, frame},
};
use crate::{
    registry::remote::tls::Tls,
    time::{self, Nanos},
};

/// Between two pings while streams are open. etcd closes on clients that ping more often than each 5 s, or with
/// no stream open.
const PING: Duration = Duration::from_secs(6);
/// How long the answer to one is waited for …
const PONG: Duration = Duration::from_secs(6);
/// … and when an answer to something else is already late.
const LATE_PONG: Duration = Duration::from_millis(1500);
/// How long a doubt may stand before the task that should clear it is taken to be stuck.
const DOUBT: Nanos = 3_000_000_000;
/// What a watch may lag behind, in bytes, before the member has to wait; and all of them together.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 64 << 20;

/// Closed when dropped.
pub(super) struct Connection {
    sender: SendRequest<Bytes>,
    authority: String,
    scheme: &'static str,
    pulse: Arc<Pulse>,
    /// Its other half goes when the connection does.
    ended: watch::Receiver<()>,
    task: Task,
}

/// What the connection's task is told.
pub(super) struct Pulse {
    /// How many streams are open that may be silent for long.
    streams: AtomicUsize,
    /// Since when an answer is late; 0 for none.
    doubted: AtomicU64,
    told: Notify,
}

impl Connection {
    /// A connection to `host:port` whose other side has answered.
    pub(super) async fn open(host: &str, tls: Option<&Tls>) -> Result<Self, Failure> {
        let lost = |error| Failure::Lost(format!("{host}: {error}"));
        let stream = TcpStream::connect(host).await.map_err(lost)?;
        stream.set_nodelay(true).map_err(lost)?;
        match tls {
            None => Self::over(stream, host, "http").await,
            Some(tls) => {
                let stream = tls.connect(stream, host).await;
                Self::over(stream.map_err(Failure::Unusable)?, host, "https").await
            }
        }
    }

    async fn over<S>(stream: S, host: &str, scheme: &'static str) -> Result<Self, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let lost = |error| Failure::Lost(format!("{host}: {error}"));
        let handshake = Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .enable_push(false)
            .handshake(stream);
        let (sender, mut connection) = handshake.await.map_err(lost)?;
        let pings = connection.ping_pong();
        let mut pings = pings.expect("the pings of a new connection were not taken");
        let pulse = Arc::new(Pulse {
            streams: AtomicUsize::new(0),
            doubted: AtomicU64::new(0),
            told: Notify::new(),
        });
        let (alive, ended) = watch::channel(());
        let (answered, is_answered) = oneshot::channel();
        let beats = pulse.clone();
        let task = Task::spawn(async move {
            let connection = pin!(connection);
            let beating = async {
                if pings.ping(Ping::opaque()).await.is_ok() {
                    // Nobody waits any more: the connection is on its way out.
                    let _ = answered.send(());
                    beats.watch(pings).await;
                }
            };
            tokio::select! {
                _ = connection => {}
                () = beating => {}
            }
            drop(alive);
        });
        let connection = Connection {
            sender,
            authority: host.to_owned(),
            scheme,
            pulse,
            ended,
            task,
        };
        match is_answered.await {
            Ok(()) => Ok(connection),
            Err(_) => Err(Failure::Lost(format!(
                "{host}: it does not speak HTTP/2; is it etcd's client port, and does it want TLS?"
            ))),
        }
    }

    /// Which member this leads to.
    pub(super) fn host(&self) -> &str {
        &self.authority
    }

    pub(super) fn is_alive(&self) -> bool {
        let doubted = self.pulse.doubted.load(Ordering::Relaxed);
        !self.task.is_finished() && (doubted == 0 || time::now().saturating_sub(doubted) < DOUBT)
    }

    /// Returns when the connection has ended.
    pub(super) async fn ended(&self) {
        let mut ended = self.ended.clone();
        // Nothing is ever said; the other half just goes.
        while ended.changed().await.is_ok() {}
    }

    /// An answer is late: the member is pinged, and the connection ends unless it answers soon.
    pub(super) fn doubt(&self) {
        let since = time::now().max(1);
        let doubted = &self.pulse.doubted;
        let _ = doubted.compare_exchange(0, since, Ordering::Relaxed, Ordering::Relaxed);
        self.pulse.told.notify_one();
    }

    /// The answer to a question that has one.
    pub(super) async fn ask<Q: Question>(
        &self,
        question: &Q,
        token: Option<HeaderValue>,
    ) -> Result<Q::Answer, Failure> {
        let mut answers = self.begin(question, token, false).await?;
        match answers.next().await? {
            Some(answer) => Ok(answer),
            None => Err(Failure::lost("etcd ended without an answer")),
        }
    }

    /// The answers to a question that has many; ends with an error when the member has no leader.
    pub(super) async fn follow<Q: Question>(
        &self,
        question: &Q,
        token: Option<HeaderValue>,
    ) -> Result<Stream<Q::Answer>, Failure> {
        self.begin(question, token, true).await
    }

    async fn begin<Q: Question>(
        &self,
        question: &Q,
        token: Option<HeaderValue>,
        lasts: bool,
    ) -> Result<Stream<Q::Answer>, Failure> {
        let uri = format!("{}://{}{}", self.scheme, self.authority, Q::PATH);
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(uri)
            .header(header::CONTENT_TYPE, "application/grpc")
            .header(header::TE, "trailers")
            .header(
                header::USER_AGENT,
                concat!("micro-rs/", env!("CARGO_PKG_VERSION")),
            );
        if let Some(token) = token {
            request = request.header("token", token);
        }
        if lasts {
            request = request.header("hasleader", "true");
        }
        let request = request.body(()).map_err(Failure::lost)?;
        let mut sender = self.sender.clone().ready().await.map_err(Failure::lost)?;
        let (answer, mut send) = sender.send_request(request, false).map_err(Failure::lost)?;
        send.send_data(frame(question), !lasts)
            .map_err(Failure::lost)?;
        let pulse = lasts.then(|| Open::new(&self.pulse));
        Ok(Stream::new(answer, send, pulse))
    }
}

/// A stream that is open; its connection is pinged.
pub(super) struct Open(Arc<Pulse>);

impl Open {
    fn new(pulse: &Arc<Pulse>) -> Self {
        if pulse.streams.fetch_add(1, Ordering::Relaxed) == 0 {
            pulse.told.notify_one();
        }
        Open(pulse.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pulse {
    /// Returns when the other side does not answer any more.
    async fn watch(&self, mut pings: PingPong) {
        loop {
            let idle = self.streams.load(Ordering::Relaxed) == 0;
            tokio::select! {
                () = self.told.notified() => {}
                () = sleep(PING), if !idle => {}
            }
            let doubted = self.doubted.load(Ordering::Relaxed) != 0;
            let wait = match doubted {
                true => LATE_PONG,
                false if idle => continue,
                false => PONG,
            };
            match timeout(wait, pings.ping(Ping::opaque())).await {
                Ok(Ok(_)) => self.doubted.store(0, Ordering::Relaxed),
                _ => return,
            }
        }
    }
}

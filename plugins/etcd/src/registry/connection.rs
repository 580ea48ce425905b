//! One HTTP/2 connection to one member, and the detection of its loss.

use std::{pin::pin, sync::Arc};

use bytes::Bytes;
use h2::{
    Ping,
    client::{Builder, SendRequest},
};
use http::{HeaderValue, Method, Request, header};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::{oneshot, watch},
};

use super::{
    failure::Failure,
    heartbeat::{Heartbeat, StreamGuard},
    message::Question,
    single_flight::Task,
    stream::{Stream, frame},
};
use micro_core::net::tls::Connector;

/// Flow control windows in bytes: of one watch, and of all streams together.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 64 << 20;

/// Closed when dropped.
pub(super) struct Connection {
    sender: SendRequest<Bytes>,
    authority: String,
    scheme: &'static str,
    heartbeat: Arc<Heartbeat>,
    /// The sender is dropped when the connection ends.
    ended: watch::Receiver<()>,
    task: Task,
}

impl Connection {
    /// Connects to `host:port` and waits for its first response.
    pub(super) async fn open(host: &str, tls: Option<&Connector>) -> Result<Self, Failure> {
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
        let heartbeat = Arc::new(Heartbeat::default());
        let (alive, ended) = watch::channel(());
        let (answered, is_answered) = oneshot::channel();
        let beats = heartbeat.clone();
        let task = Task::spawn(async move {
            let connection = pin!(connection);
            let beating = async {
                if pings.ping(Ping::opaque()).await.is_ok() {
                    // The caller is gone and the connection about to close.
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
            heartbeat,
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

    /// The address of the member.
    pub(super) fn host(&self) -> &str {
        &self.authority
    }

    pub(super) fn is_alive(&self) -> bool {
        !self.task.is_finished() && self.heartbeat.is_watched()
    }

    /// Returns when the connection has ended.
    pub(super) async fn ended(&self) {
        let mut ended = self.ended.clone();
        // No value is ever sent; the sender is only dropped.
        while ended.changed().await.is_ok() {}
    }

    /// Reports a late response: pings the member and closes the connection if it does not respond soon.
    pub(super) fn doubt(&self) {
        self.heartbeat.doubt();
    }

    /// Sends a unary request.
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

    /// Opens a server stream, which fails when the member has no leader.
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
        let heartbeat = lasts.then(|| StreamGuard::new(&self.heartbeat));
        Ok(Stream::new(answer, send, heartbeat))
    }
}

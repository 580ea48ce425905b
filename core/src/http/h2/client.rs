//! A client's connection of HTTP/2: connects when it is created, carries requests, ends when it is not needed.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use h2::{
    Reason,
    client::{Builder, Connection, SendRequest},
};
use http::{Request, Response};
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};

use super::{
    broken::broken,
    guard::{Guard, Traffic},
    heartbeat::Heartbeat,
    incoming, send,
    upload::Upload,
};
use crate::{
    error::{Error, Outcome, Recovery, Result},
    http::HttpBody,
    net::{
        Limits,
        io::SharedNetwork,
        pool::{PoolPermit, Pooled},
        sent::SentFlag,
        unconnected::unconnected,
    },
    time::{self, Nanos, nanos},
};

/// A connection, shared by its callers and its task.
pub(crate) struct Channel {
    stage: watch::Sender<Stage>,
    traffic: Arc<Traffic>,
    /// Requests in progress, including those whose response body is still read.
    busy: AtomicUsize,
    /// When the last request ended.
    idle_since: AtomicU64,
    /// Those that wait for a sign of life.
    probes: Mutex<Probes>,
    limits: Arc<Limits>,
}

#[derive(Default)]
struct Probes {
    waiting: Vec<oneshot::Sender<()>>,
    /// The connection's task.
    task: Option<Waker>,
}

#[derive(Clone)]
enum Stage {
    Connecting,
    Open(SendRequest<Bytes>),
    /// Accepts no new requests.
    Closed(Error),
}

/// A request in progress.
#[derive(Debug)]
pub(crate) struct ActiveRequest(Arc<Channel>);

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        if self.0.busy.fetch_sub(1, Relaxed) == 1 {
            self.0.idle_since.store(time::now(), Relaxed);
        }
    }
}

impl Channel {
    pub(crate) fn new(limits: Arc<Limits>) -> Arc<Self> {
        Arc::new(Channel {
            stage: watch::Sender::new(Stage::Connecting),
            traffic: Arc::default(),
            busy: AtomicUsize::new(0),
            idle_since: AtomicU64::new(time::now()),
            probes: Mutex::default(),
            limits,
        })
    }

    /// Whether a new request may be started here.
    pub(crate) fn is_open(&self) -> bool {
        !self.traffic.is_leaving() && !matches!(*self.stage.borrow(), Stage::Closed(_))
    }

    /// Sends a request; returns the head of its response, whose body follows.
    ///
    /// # Errors
    /// *Not sent* if nothing of it left, or the peer went away before it processed the stream;
    /// *rejected* if the peer refused the stream; otherwise *unknown*.
    pub(crate) async fn exchange(
        self: Arc<Self>,
        request: Request<HttpBody>,
        sent: SentFlag,
    ) -> Result<(Response<HttpBody>, ActiveRequest)> {
        let not_sent = |error: Error| error.with_outcome(Outcome::NotSent);
        let others = self.busy.fetch_add(1, Relaxed);
        let busy = ActiveRequest(self.clone());
        if others >= self.limits.max_concurrent_calls {
            return Err(not_sent(Error::resource_exhausted(format!(
                "{0} calls are at work on one connection, over the limit `max_concurrent_calls` of {0}",
                self.limits.max_concurrent_calls
            ))));
        }
        let mut sender = self.sender().await.map_err(not_sent)?;
        let (head, body) = request.into_parts();
        let ends = matches!(&body, HttpBody::Whole(data) if data.is_empty());
        let begun = sender.send_request(Request::from_parts(head, ()), ends);
        let (response, mut stream) = begun.map_err(|error| not_sent(broken(error)))?;
        // h2 sends what it has queued even for a caller that gave up, and only then the reset: the work must not
        // be requested elsewhere now, unless the connection ends with the request unsent.
        sent.set();
        let id = response.stream_id().as_u32();
        let mut upload = None;
        if !ends {
            let rest = send::queued(&mut stream, body).map_err(not_sent)?;
            if let Some(body) = rest {
                upload = Some(Upload::begin(stream, body));
            }
        }
        let response = response.await.map_err(|error| {
            let refused = error.reason() == Some(Reason::REFUSED_STREAM);
            let outcome = match refused {
                true => Outcome::Rejected,
                false if !self.traffic.may_have_begun(id) => Outcome::NotSent,
                false => Outcome::Unknown,
            };
            match refused {
                true => Error::unavailable("the node refused the stream").with_outcome(outcome),
                false => broken(error).with_outcome(outcome),
            }
        })?;
        let response = response.map(|stream| match upload {
            None => incoming::body(stream),
            Some(upload) => incoming::with_upload(stream, upload),
        });
        Ok((response, busy))
    }

    /// The sender of requests, once connected.
    async fn sender(&self) -> Result<SendRequest<Bytes>> {
        match &*self.stage.borrow() {
            Stage::Open(sender) => return Ok(sender.clone()),
            Stage::Closed(error) => return Err(error.clone()),
            Stage::Connecting => {}
        }
        let mut stages = self.stage.subscribe();
        let settled = stages
            .wait_for(|stage| !matches!(stage, Stage::Connecting))
            .await;
        match settled.as_deref() {
            Ok(Stage::Open(sender)) => Ok(sender.clone()),
            Ok(Stage::Closed(error)) => Err(error.clone()),
            _ => Err(Error::unavailable("the connection was closed")),
        }
    }

    /// Sends a PING; the returned future fails when the connection ends.
    pub(crate) fn ping(&self) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let mut probes = self.probes.lock();
        if !matches!(*self.stage.borrow(), Stage::Closed(_)) {
            probes.waiting.push(sender);
        }
        let task = probes.task.clone();
        drop(probes);
        task.into_iter().for_each(Waker::wake);
        receiver
    }

    /// Accepts no new requests; the connection ends with its last one.
    pub(crate) fn drain(&self) {
        self.close(&Error::unavailable(
            "the connection was closed as no longer needed",
        ));
        let task = self.probes.lock().task.clone();
        task.into_iter().for_each(Waker::wake);
    }

    fn close(&self, error: &Error) {
        self.stage.send_if_modified(|stage| {
            let open = !matches!(stage, Stage::Closed(_));
            if open {
                *stage = Stage::Closed(error.clone());
            }
            open
        });
    }

    /// Whether to give the connection up: nobody uses it, and nobody will or has for long.
    fn is_over(&self, now: Nanos) -> bool {
        if self.busy.load(Relaxed) > 0 {
            return false;
        }
        let idle = now.saturating_sub(self.idle_since.load(Relaxed));
        !self.is_open() || idle >= nanos(self.limits.idle_timeout)
    }
}

impl Pooled for Channel {
    fn idle_since(&self) -> Option<Nanos> {
        (self.busy.load(Relaxed) == 0).then(|| self.idle_since.load(Relaxed))
    }

    fn retire(&self) {
        self.drain();
    }
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Channel({} requests)", self.busy.load(Relaxed))
    }
}

/// The task of a connection: connects to `address` and drives it until it ends.
pub(crate) async fn run(
    channel: Arc<Channel>,
    place: PoolPermit,
    network: SharedNetwork,
    address: Arc<str>,
) {
    let _place = place;
    // Also if the runtime drops this task: nobody may wait for a response that cannot come.
    let _end = CloseOnDrop(&channel, &address);
    let error = match connect(&channel, &network, &address).await {
        Ok(mut driver) => poll_fn(|cx| driver.poll(cx)).await,
        Err(error) => error,
    };
    channel.close(&error.context(format_args!("node at `{address}`")));
}

struct CloseOnDrop<'a>(&'a Channel, &'a str);

impl Drop for CloseOnDrop<'_> {
    fn drop(&mut self) {
        let address = self.1;
        self.0.close(&Error::unavailable(format!(
            "node at `{address}`: the runtime that held the connection ended"
        )));
        self.0.probes.lock().waiting.clear();
    }
}

async fn connect(channel: &Arc<Channel>, network: &SharedNetwork, address: &str) -> Result<Driver> {
    let limits = &channel.limits;
    let opening = async {
        let io = network
            .connect(address)
            .await
            .map_err(|error| unconnected("it could not be connected to".into(), error))?;
        let guard = Guard::client(io, channel.traffic.clone());
        let greeted = builder(limits).handshake(guard).await;
        let (sender, mut connection) = greeted.map_err(ungreeted)?;
        poll_fn(|cx| poll_settings(&sender, &mut connection, cx)).await?;
        Ok((sender, connection))
    };
    let opened = tokio::time::timeout(limits.connect_timeout, opening).await;
    let (sender, mut connection) = opened.unwrap_or_else(|_| {
        Err(Error::unavailable(format!(
            "it could not be connected to within {:?}",
            limits.connect_timeout
        )))
    })?;
    let heartbeat = Heartbeat::new(connection.ping_pong(), limits, true);
    channel.stage.send_if_modified(|stage| {
        let waited_for = matches!(stage, Stage::Connecting);
        if waited_for {
            *stage = Stage::Open(sender);
        }
        waited_for
    });
    Ok(Driver {
        channel: channel.clone(),
        connection,
        heartbeat,
        probed: Vec::new(),
    })
}

/// The error of a failed connection. If the peer violated HTTP/2, it probably speaks
/// another protocol.
fn lost(text: &'static str, error: h2::Error) -> Error {
    let recovery = match error.get_io() {
        Some(error) if error.kind() == std::io::ErrorKind::InvalidData => Recovery::Never,
        None if error.is_library() => Recovery::Unlikely,
        _ => Recovery::Possible,
    };
    Error::unavailable(text)
        .with_source(error)
        .with_recovery(recovery)
}

fn ungreeted(error: h2::Error) -> Error {
    lost("it could not be greeted", error)
}

/// Ready when the peer has announced its limit of concurrent requests: those beyond would be refused,
/// and not every server reports that it did so before any work.
fn poll_settings(
    sender: &SendRequest<Bytes>,
    connection: &mut Connection<Guard, Bytes>,
    cx: &mut Context<'_>,
) -> Poll<Result<()>> {
    match Pin::new(connection).poll(cx) {
        Poll::Ready(Ok(())) => Poll::Ready(Err(
            Error::unavailable("it closed the connection").with_recovery(Recovery::Unlikely)
        )),
        Poll::Ready(Err(error)) => Poll::Ready(Err(ungreeted(error))),
        Poll::Pending if sender.current_max_send_streams() > STREAMS_BEFORE_SETTINGS => {
            Poll::Ready(Ok(()))
        }
        Poll::Pending => Poll::Pending,
    }
}

/// The limit of concurrent requests before the peer has announced one: none.
const STREAMS_BEFORE_SETTINGS: usize = 0;

fn builder(limits: &Limits) -> Builder {
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .max_header_list_size(limits.head_list_u32())
        .initial_window_size(limits.stream_window)
        .initial_connection_window_size(limits.queue_u32())
        .initial_max_send_streams(STREAMS_BEFORE_SETTINGS)
        .max_send_buffer_size(send::MAX_STREAM_BUFFER);
    builder
}

struct Driver {
    channel: Arc<Channel>,
    connection: Connection<Guard, Bytes>,
    heartbeat: Heartbeat,
    /// Those that wait for the response to the present PING.
    probed: Vec<oneshot::Sender<()>>,
}

impl Driver {
    /// The reason for the end.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        if let Err(error) = self.probe(cx) {
            return Poll::Ready(error);
        }
        match Pin::new(&mut self.connection).poll(cx) {
            Poll::Ready(Ok(())) => {
                return Poll::Ready(Error::unavailable("it closed the connection"));
            }
            Poll::Ready(Err(error)) => {
                return Poll::Ready(lost("the connection broke", error));
            }
            Poll::Pending => {}
        }
        if self.channel.is_over(time::now()) {
            let error = Error::unavailable("the connection was closed as no longer needed");
            return Poll::Ready(error);
        }
        Poll::Pending
    }

    fn probe(&mut self, cx: &mut Context<'_>) -> Result<()> {
        let traffic = &self.channel.traffic;
        {
            let mut probes = self.channel.probes.lock();
            if !probes
                .task
                .as_ref()
                .is_some_and(|task| task.will_wake(cx.waker()))
            {
                probes.task = Some(cx.waker().clone());
            }
            self.probed.append(&mut probes.waiting);
        }
        if !self.probed.is_empty() && !self.heartbeat.is_waiting() {
            self.heartbeat.ask(traffic);
        }
        let busy = self.channel.busy.load(Relaxed) > 0;
        self.heartbeat.poll(traffic, busy, cx)?;
        if !self.probed.is_empty() && !self.heartbeat.is_waiting() {
            for probed in self.probed.drain(..) {
                // The waiter may be gone.
                let _ = probed.send(());
            }
        }
        Ok(())
    }
}

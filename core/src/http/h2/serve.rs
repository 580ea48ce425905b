//! The task of a server's connection: accepts requests, starts them in place, enforces time limits.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use h2::{
    Reason, RecvStream,
    server::{Builder, Connection, SendResponse},
};
use http::{Method, Request, Response, StatusCode, header};
use tokio::task::JoinSet;

use super::{
    guard::{Guard, Traffic},
    head,
    heartbeat::Heartbeat,
    incoming,
    peer::Peer,
    respond, send,
};
use crate::{
    error::{Error, Result},
    http::{HttpBegun, HttpBody, HttpService},
    net::{
        Limits,
        protocol::{Accepted, ConnectionGuard},
    },
    time,
};

/// Requests accepted together, so that their responses are written together.
const MAX_REQUEST_BATCH: usize = 128;
/// The largest number of streams that were reset before they were accepted.
const MAX_PENDING_RESETS: usize = 128;

type Incoming = (Request<RecvStream>, SendResponse<Bytes>);

/// Serves a connection until it ends.
pub(crate) async fn serve<S: HttpService>(accepted: Accepted, service: S) {
    let Accepted { io, first, seat } = accepted;
    let traffic = Arc::new(Traffic::default());
    let guard = Guard::server(io, first, traffic.clone());
    let limits = service.limits().clone();
    let shaking = builder(&limits).handshake(guard);
    let mut connection = match tokio::time::timeout(limits.handshake_timeout, shaking).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return tracing::debug!(%error, "an HTTP/2 connection failed at once"),
        Err(_) => return tracing::debug!("an HTTP/2 connection said nothing in time"),
    };
    let heartbeat = Heartbeat::new(connection.ping_pong(), &limits, false);
    let mut serving = ServerConnection {
        connection,
        service: Arc::new(service),
        traffic,
        heartbeat,
        seat,
        tasks: JoinSet::new(),
        batch: Vec::new(),
        said_goodbye: false,
    };
    if let Err(error) = poll_fn(|cx| serving.poll(cx)).await {
        tracing::debug!(%error, "an HTTP/2 connection ended");
    }
}

fn builder(limits: &Limits) -> Builder {
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(limits.max_concurrent_streams)
        .max_header_list_size(limits.head_list_u32())
        .initial_window_size(limits.stream_window)
        .initial_connection_window_size(limits.queue_u32())
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_send_buffer_size(send::MAX_STREAM_BUFFER);
    builder
}

struct ServerConnection<S> {
    connection: Connection<Guard, Bytes>,
    service: Arc<S>,
    traffic: Arc<Traffic>,
    heartbeat: Heartbeat,
    seat: ConnectionGuard,
    /// Calls that were pending after their first poll, and responses that take time to send.
    tasks: JoinSet<()>,
    /// Kept for its capacity.
    batch: Vec<Incoming>,
    said_goodbye: bool,
}

impl<S: HttpService> ServerConnection<S> {
    /// Ready when the connection has ended.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while let Poll::Ready(Some(ended)) = self.tasks.poll_join_next(cx) {
            if let Err(error) = ended
                && error.is_panic()
            {
                tracing::error!("a call's task panicked");
            }
        }
        self.leave(cx);
        if self.traffic.is_condemned() {
            let error = Error::resource_exhausted("the other side takes nothing it asked for");
            return Poll::Ready(Err(error));
        }
        self.heartbeat.poll(&self.traffic, true, cx)?;
        loop {
            let polled = self.take(cx);
            if self.batch.is_empty() {
                match polled {
                    Poll::Ready(ended) => return Poll::Ready(ended),
                    Poll::Pending => return Poll::Pending,
                }
            }
            let now = time::now();
            let mut batch = std::mem::take(&mut self.batch);
            for (request, respond) in batch.drain(..) {
                self.begin(request, respond, now);
            }
            self.batch = batch;
        }
    }

    /// Accepts the requests that have arrived. Responses given before are written on the way.
    fn take(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let lost = |error| Error::unavailable("the connection broke").with_source(error);
        while self.batch.len() < MAX_REQUEST_BATCH {
            if self.traffic.is_blocked() {
                // The responses are not taken: no more are made until they are.
                match self.connection.poll_closed(cx) {
                    Poll::Ready(ended) => return Poll::Ready(ended.map_err(lost)),
                    Poll::Pending if self.traffic.is_blocked() => return Poll::Pending,
                    Poll::Pending => {}
                }
            }
            match self.connection.poll_accept(cx) {
                Poll::Ready(Some(Ok(incoming))) => self.batch.push(incoming),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(lost(error))),
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Pending
    }

    fn begin(
        &mut self,
        request: Request<RecvStream>,
        mut respond: SendResponse<Bytes>,
        now: time::Nanos,
    ) {
        if self.seat.is_refusing() {
            return respond.send_reset(Reason::REFUSED_STREAM);
        }
        if head::is_malformed(&request) {
            return respond.send_reset(Reason::PROTOCOL_ERROR);
        }
        if *request.method() == Method::CONNECT {
            // The connection has ended, and the stream would stay open.
            let mut refusal = Response::new(HttpBody::empty());
            *refusal.status_mut() = StatusCode::NOT_IMPLEMENTED;
            respond::start(&mut respond, refusal);
            return;
        }
        let request = request.map(incoming::body);
        let stall_timeout = self.service.limits().frame_timeout;
        let begun = match is_odd(&request) {
            true => HttpBegun::Running(Box::pin(whole(request, self.service.clone()))),
            false => self.service.begin(request, now),
        };
        match begun {
            HttpBegun::Done(response) => {
                if let Some(rest) = respond::start(&mut respond, response) {
                    let peer = self.peer(stall_timeout);
                    self.tasks.spawn(respond::stream(rest, peer));
                }
            }
            HttpBegun::Running(answer) => {
                let peer = self.peer(stall_timeout);
                self.tasks.spawn(respond::finish(answer, respond, peer));
            }
        }
    }

    /// The peer that takes the responses.
    fn peer(&self, stall_timeout: Duration) -> Peer {
        Peer {
            traffic: self.traffic.clone(),
            buffered: self.seat.buffered().clone(),
            stall_timeout,
        }
    }

    /// Sends GOAWAY when the port shuts down, or to a client that cancels most of its requests; the connection ends
    /// with its last stream.
    fn leave(&mut self, cx: &mut Context<'_>) {
        if self.said_goodbye {
            return;
        }
        self.seat.listen(cx.waker());
        if self.seat.is_leaving() || self.traffic.is_unwelcome() {
            self.said_goodbye = true;
            self.connection.graceful_shutdown();
            self.seat.listen(cx.waker());
        }
    }
}

/// Whether its body is incomplete and has no content type: no dialect with streams has such requests.
fn is_odd(request: &Request<HttpBody>) -> bool {
    let bodiless = matches!(*request.method(), Method::GET | Method::HEAD);
    let unsaid = bodiless || !request.headers().contains_key(header::CONTENT_TYPE);
    unsaid && matches!(request.body(), HttpBody::Stream(_))
}

/// Answers a request when its body is complete: until then it counts as in progress.
async fn whole(request: Request<HttpBody>, service: Arc<impl HttpService>) -> Response<HttpBody> {
    let (head, body) = request.into_parts();
    let body = body.taken_by(Some(&service.intake()));
    match body.collect(service.limits().max_message_size).await {
        Ok((data, _)) => {
            let request = Request::from_parts(head, HttpBody::Whole(data));
            service.answer(request).await
        }
        // The body is too large; if it was aborted, nobody reads this response.
        Err(_) => {
            let mut response = Response::new(HttpBody::empty());
            *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
            response
        }
    }
}

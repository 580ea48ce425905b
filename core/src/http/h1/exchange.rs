//! A request and its response over a client's connection.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use http::{HeaderMap, Method, Request, Response, StatusCode, response};

use super::{
    Body, BodyFraming, MessageError, MessageIo, NodeConnections, is_kept, pooled::PooledConnection,
    reader::EagerBody, write_chunk_size, write_last_chunk, write_request,
};
use crate::{
    error::{Error, Result},
    http::{HttpBody, Piece},
    net::sent::SentFlag,
};

/// A body up to this size is read completely before the response is returned.
const MAX_EAGER_BODY: u64 = 64 * 1024;
/// Bytes gathered before a streaming body waits for the server to take them.
const MAX_GATHERED_BYTES: usize = 64 * 1024;
/// The largest number of interim responses.
const MAX_INTERIM_RESPONSES: usize = 16;

impl NodeConnections {
    /// Sends a request and returns its response, whose body may still be arriving. Dropping either closes the
    /// connection. The target's path and query are sent, and its authority if it has one.
    ///
    /// # Errors
    /// The outcome is *not sent* until the first byte has left, then *unknown*: it cannot be known whether a server that
    /// closes a kept connection has read the request.
    pub(crate) async fn send(
        self: &Arc<Self>,
        request: Request<HttpBody>,
        sent: &SentFlag,
    ) -> Result<Response<HttpBody>> {
        let line = self.line().await?;
        let (head, body) = request.into_parts();
        let mut exchange = Exchange::over(line, sent.clone());
        let framing = framing(&head.method, &body);
        let uri = &head.uri;
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let host = uri.authority().map_or_else(|| self.host(), |a| a.as_str());
        let outbox = &mut exchange.wire().outbox;
        let out = outbox.tail();
        write_request(out, &head.method, target, host, &head.headers, framing);
        match body {
            HttpBody::Whole(data) => outbox.push(data),
            body => exchange.outgoing = Some(body),
        }
        let failed = |error: MessageError| {
            let error = Error::from(error).with_outcome(sent.outcome());
            error.context(format_args!("node at `{}`", self.address))
        };
        let response = poll_fn(|cx| exchange.poll_response(&head.method, cx)).await;
        let (response, framing) = response.map_err(failed)?;
        let kept =
            is_kept(response.version, &response.headers) && framing != BodyFraming::UntilClose;
        let body = exchange.body(framing).await.map_err(failed)?;
        Ok(match body {
            EagerBody::Whole(body) => {
                self.put_back(exchange, kept);
                Response::from_parts(response, body)
            }
            EagerBody::Partial(first) => {
                let arriving = ResponseBody {
                    exchange: Some(exchange),
                    first: first.into(),
                    node: self.clone(),
                    kept,
                };
                Response::from_parts(response, HttpBody::stream(arriving))
            }
        })
    }

    /// The value of `host` for an address; a Unix socket has no name that HTTP knows.
    fn host(&self) -> &str {
        match self.address.starts_with("unix:") {
            true => "localhost",
            false => &self.address,
        }
    }

    fn put_back(self: &Arc<Self>, exchange: Exchange<PooledConnection>, kept: bool) {
        let Exchange { line, outgoing, .. } = exchange;
        let is_over = outgoing.is_none() && line.wire.outbox.is_empty();
        if kept && is_over && !line.wire.reader.is_amid() {
            self.keep(line);
        }
    }
}

fn framing(method: &Method, body: &HttpBody) -> BodyFraming {
    match body {
        HttpBody::Whole(data) if data.is_empty() && method != Method::POST => BodyFraming::None,
        HttpBody::Whole(data) => BodyFraming::Length(data.len() as u64),
        HttpBody::Trailed(..) | HttpBody::Prefixed(_) | HttpBody::Stream(_) => BodyFraming::Chunked,
    }
}

/// A request in progress over a connection, or over another type `L` that has one.
pub(crate) struct Exchange<L> {
    line: L,
    /// The rest of its body.
    outgoing: Option<HttpBody>,
    sent: SentFlag,
    /// Whether the server accepts no more bytes; it may have responded anyway.
    refused: bool,
}

impl<L: AsMut<MessageIo>> Exchange<L> {
    /// A request whose head, and body if it is complete, waits in the outbox; `sent` is set when a byte has left.
    pub(crate) fn over(line: L, sent: SentFlag) -> Self {
        Exchange {
            line,
            outgoing: None,
            sent,
            refused: false,
        }
    }

    fn wire(&mut self) -> &mut MessageIo {
        self.line.as_mut()
    }

    /// Sends what there is, and reads the response's head.
    pub(crate) fn poll_response(
        &mut self,
        method: &Method,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(response::Parts, BodyFraming), MessageError>> {
        self.poll_send(cx)?;
        let mut interim = 0;
        loop {
            match self.wire().reader.take_response(method)? {
                Some((head, _)) if head.status == StatusCode::SWITCHING_PROTOCOLS => {
                    let why = "the server switches protocols unasked";
                    return Poll::Ready(Err(MessageError::bad(why)));
                }
                Some((head, _)) if head.status.is_informational() => {
                    interim += 1;
                    if interim > MAX_INTERIM_RESPONSES {
                        let why = "interim responses do not end";
                        return Poll::Ready(Err(MessageError::bad(why)));
                    }
                    continue;
                }
                Some(response) => return Poll::Ready(Ok(response)),
                None => {}
            }
            if ready!(self.wire().poll_fill(cx))? == 0 {
                return Poll::Ready(Err(MessageError::cut_off()));
            }
        }
    }

    /// Writes what waits, and what is ready of a streaming body.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Result<(), MessageError> {
        loop {
            self.poll_flush(cx)?;
            let outbox = &mut self.line.as_mut().outbox;
            if outbox.length() >= MAX_GATHERED_BYTES || self.refused {
                return Ok(());
            }
            let Some(body) = &mut self.outgoing else {
                return Ok(());
            };
            let piece = match body.poll_piece(cx) {
                Poll::Pending => return Ok(()),
                Poll::Ready(piece) => piece.transpose(),
            };
            match piece {
                Ok(Some(Piece::Data(data))) if data.is_empty() => {}
                Ok(Some(Piece::Data(data))) => {
                    write_chunk_size(outbox.tail(), data.len());
                    outbox.push(data);
                    outbox.tail().extend_from_slice(b"\r\n");
                }
                Ok(Some(Piece::Trailers(trailers))) => self.end(Some(&trailers)),
                Ok(None) => self.end(None),
                Err(error) => return Err(MessageError::Io(std::io::Error::other(error))),
            }
        }
    }

    fn end(&mut self, trailers: Option<&HeaderMap>) {
        write_last_chunk(self.wire().outbox.tail(), trailers);
        self.outgoing = None;
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Result<(), MessageError> {
        let wire = self.line.as_mut();
        let before = wire.outbox.length();
        let flushed = wire.poll_flush(cx);
        if wire.outbox.length() < before {
            self.sent.set();
        }
        match flushed {
            // The response, if the server sent one before it closed, is still to be read.
            Poll::Ready(Err(_)) if self.sent.outcome() != crate::error::Outcome::NotSent => {
                self.refused = true;
                Ok(())
            }
            Poll::Ready(Err(error)) => Err(error),
            _ => Ok(()),
        }
    }

    /// The response's body: complete if it is small or has arrived already.
    async fn body(&mut self, framing: BodyFraming) -> Result<EagerBody, MessageError> {
        loop {
            match framing {
                BodyFraming::None => return Ok(EagerBody::Whole(HttpBody::empty())),
                BodyFraming::Length(length) if length <= MAX_EAGER_BODY => {
                    if let Some(whole) = self.wire().reader.take_whole() {
                        return Ok(EagerBody::Whole(HttpBody::Whole(whole)));
                    }
                }
                _ => return self.wire().reader.take_all(),
            }
            let read = poll_fn(|cx| {
                self.poll_send(cx)?;
                self.wire().poll_fill(cx)
            });
            if read.await? == 0 {
                return Err(MessageError::cut_off());
            }
        }
    }

    /// Returns the next piece of the response's body; `None` at its end.
    pub(crate) fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Piece, MessageError>>> {
        self.poll_send(cx)?;
        loop {
            match self.wire().reader.take_body()? {
                Body::Piece(piece) => return Poll::Ready(Some(Ok(piece))),
                Body::Done => return Poll::Ready(None),
                Body::More => {}
            }
            if ready!(self.wire().poll_fill(cx))? == 0 {
                self.wire().reader.end()?;
            }
        }
    }
}

/// The body of a response that is still arriving; its connection is kept when it is complete.
struct ResponseBody {
    exchange: Option<Exchange<PooledConnection>>,
    first: std::collections::VecDeque<Piece>,
    node: Arc<NodeConnections>,
    kept: bool,
}

impl Stream for ResponseBody {
    type Item = Result<Piece>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Some(piece) = this.first.pop_front() {
            return Poll::Ready(Some(Ok(piece)));
        }
        let Some(exchange) = &mut this.exchange else {
            return Poll::Ready(None);
        };
        let piece = ready!(exchange.poll_body(cx));
        if let Some(Ok(piece)) = piece {
            return Poll::Ready(Some(Ok(piece)));
        }
        let exchange = this.exchange.take();
        match (piece, exchange) {
            (Some(Err(error)), _) => Poll::Ready(Some(Err(Error::from(error)))),
            (_, Some(exchange)) => {
                this.node.put_back(exchange, this.kept);
                Poll::Ready(None)
            }
            (_, None) => Poll::Ready(None),
        }
    }
}

//! Writes responses, complete or streaming.

use std::{
    future::poll_fn,
    ops::ControlFlow,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, Version, response::Parts};

use super::{
    Body, BodyFraming, MessageError,
    serve::{Connection, RequestInfo},
    write_chunk_size, write_last_chunk, write_response,
};
use crate::{
    error::Error,
    http::{HttpBody, HttpService, Piece},
};

/// Bytes gathered before a streaming response waits for the client to take them.
const MAX_GATHERED_BYTES: usize = 64 * 1024;
/// Pieces of a ready stream before other tasks of the thread run.
const MAX_PIECES_PER_POLL: usize = 64;

impl<S: HttpService> Connection<S> {
    /// Writes a response; returns when it is queued completely, or has streamed to its end.
    pub(super) async fn respond(
        &mut self,
        response: Response<HttpBody>,
        mut info: RequestInfo,
    ) -> Result<(), MessageError> {
        self.skip_rest(&mut info)?;
        if info.inbox.is_some() || info.waits || self.is_leaving() {
            // The rest of the body would have to be read before the next request.
            self.kept = false;
        }
        let (head, body) = response.into_parts();
        match body {
            HttpBody::Stream(_) | HttpBody::Prefixed(_) => {
                self.stream(&head, body, info).await?;
            }
            HttpBody::Trailed(data, trailers)
                if info.version == Version::HTTP_11 && takes_body(&info.method, head.status) =>
            {
                self.head(&head, BodyFraming::Chunked, info.version);
                self.chunk(data);
                write_last_chunk(self.wire.outbox.tail(), Some(&trailers));
            }
            whole => {
                let response = Response::from_parts(head, whole);
                self.queue_whole(response, &info.method, info.version);
            }
        }
        if self.wire.outbox.length() >= MAX_GATHERED_BYTES {
            self.wire.flush().await?;
        }
        Ok(())
    }

    /// Takes the rest of a body that nobody reads, if it has arrived, so that the connection can be kept.
    fn skip_rest(&mut self, info: &mut RequestInfo) -> Result<(), MessageError> {
        while info.inbox.is_some() {
            match self.wire.reader.take_body()? {
                Body::Piece(piece) => {
                    if let Some(inbox) = &info.inbox {
                        inbox.push(piece);
                    }
                }
                Body::More => break,
                Body::Done => {
                    if let Some(inbox) = info.inbox.take() {
                        inbox.end(Ok(()));
                    }
                }
            }
        }
        Ok(())
    }

    /// Queues a complete response.
    pub(super) fn queue_whole(
        &mut self,
        response: Response<HttpBody>,
        method: &Method,
        version: Version,
    ) {
        let (head, body) = response.into_parts();
        let data = match body {
            HttpBody::Whole(data) | HttpBody::Trailed(data, _) => data,
            HttpBody::Stream(_) | HttpBody::Prefixed(_) => Bytes::new(),
        };
        let length = match takes_length(head.status) {
            true => BodyFraming::Length(data.len() as u64),
            false => BodyFraming::None,
        };
        self.head(&head, length, version);
        if takes_body(method, head.status) {
            self.wire.outbox.push(data);
        }
    }

    fn head(&mut self, head: &Parts, framing: BodyFraming, version: Version) {
        let out = self.wire.outbox.tail();
        let kept = self.kept;
        write_response(out, head.status, &head.headers, framing, version, kept);
    }

    /// Writes a streaming body, while passing on the request's body.
    async fn stream(
        &mut self,
        head: &Parts,
        mut body: HttpBody,
        mut info: RequestInfo,
    ) -> Result<(), MessageError> {
        let chunked = info.version == Version::HTTP_11;
        let framing = match (takes_length(head.status), chunked) {
            (false, _) => BodyFraming::None,
            (true, true) => BodyFraming::Chunked,
            (true, false) => BodyFraming::UntilClose,
        };
        self.kept &= framing != BodyFraming::UntilClose;
        self.head(head, framing, info.version);
        if !takes_body(&info.method, head.status) {
            return Ok(());
        }
        let mut silent = None;
        let trailers = poll_fn(|cx| {
            match self.poll_stream(&mut body, chunked, cx) {
                Err(error) => return Poll::Ready(Err(error)),
                Ok(ControlFlow::Break(trailers)) => return Poll::Ready(Ok(trailers)),
                Ok(ControlFlow::Continue(())) => {}
            }
            match self.poll_feed(&mut info, &mut silent, cx) {
                Ok(()) => Poll::Pending,
                // The head is sent: the only way to report the error is to end inside the body.
                Err(error) => Poll::Ready(Err(MessageError::Io(std::io::Error::other(
                    Error::from(error),
                )))),
            }
        })
        .await?;
        if chunked {
            write_last_chunk(self.wire.outbox.tail(), trailers.as_ref());
        }
        Ok(())
    }

    /// Writes the pieces that are ready; returns the trailers at the end.
    fn poll_stream(
        &mut self,
        body: &mut HttpBody,
        chunked: bool,
        cx: &mut Context<'_>,
    ) -> Result<ControlFlow<Option<HeaderMap>>, MessageError> {
        for _ in 0..MAX_PIECES_PER_POLL {
            if self.wire.outbox.length() >= MAX_GATHERED_BYTES
                && self.wire.poll_flush(cx)?.is_pending()
            {
                return Ok(ControlFlow::Continue(()));
            }
            match body.poll_piece(cx) {
                Poll::Ready(None) => return Ok(ControlFlow::Break(None)),
                Poll::Ready(Some(Ok(Piece::Trailers(last)))) => {
                    return Ok(ControlFlow::Break(Some(last)));
                }
                Poll::Ready(Some(Ok(Piece::Data(data)))) if chunked => self.chunk(data),
                Poll::Ready(Some(Ok(Piece::Data(data)))) => self.wire.outbox.push(data),
                Poll::Ready(Some(Err(error))) => {
                    // A body without its end reports the error.
                    let _ = self.wire.poll_flush(cx)?;
                    return Err(MessageError::Io(std::io::Error::other(error)));
                }
                Poll::Pending => {
                    let _ = self.wire.poll_flush(cx)?;
                    return Ok(ControlFlow::Continue(()));
                }
            }
        }
        cx.waker().wake_by_ref();
        let _ = self.wire.poll_flush(cx)?;
        Ok(ControlFlow::Continue(()))
    }

    fn chunk(&mut self, data: Bytes) {
        // An empty chunk would be the last one.
        if !data.is_empty() {
            write_chunk_size(self.wire.outbox.tail(), data.len());
            self.wire.outbox.push(data);
            self.wire.outbox.tail().extend_from_slice(b"\r\n");
        }
    }
}

/// Whether a response has a body at all: RFC 9110, section 6.4.1.
fn takes_body(method: &Method, status: StatusCode) -> bool {
    method != Method::HEAD && takes_length(status)
}

/// Whether a response has the length that its body has or would have.
fn takes_length(status: StatusCode) -> bool {
    status != StatusCode::NO_CONTENT && status != StatusCode::NOT_MODIFIED
}

//! The body of a message that comes in.

use std::{
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use h2::RecvStream;

use crate::{
    error::{Error, Outcome, Result},
    transport::http::{HttpBody, Piece},
};

/// The body of a stream: whole, if all of it has come.
pub(super) fn body(mut stream: RecvStream) -> HttpBody {
    if stream.is_end_stream() {
        return HttpBody::empty();
    }
    let mut incoming = Incoming {
        ahead: None,
        stage: Stage::Data,
        stream: None,
    };
    // Whoever takes the body polls again, with a waker.
    let first = stream.poll_data(&mut Context::from_waker(Waker::noop()));
    match first {
        Poll::Ready(Some(Ok(data))) => {
            let released = stream.flow_control().release_capacity(data.len());
            if stream.is_end_stream() {
                return HttpBody::Whole(data);
            }
            incoming.ahead = Some(released.map(|()| data).map_err(broken));
        }
        Poll::Ready(Some(Err(error))) => incoming.ahead = Some(Err(broken(error))),
        Poll::Ready(None) => incoming.stage = Stage::Trailers,
        Poll::Pending => {}
    }
    incoming.stream = Some(stream);
    HttpBody::stream(incoming)
}

struct Incoming {
    /// What was taken already.
    ahead: Option<Result<Bytes>>,
    stage: Stage,
    stream: Option<RecvStream>,
}

enum Stage {
    Data,
    Trailers,
    Ended,
}

impl Stream for Incoming {
    type Item = Result<Piece>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Some(ahead) = this.ahead.take() {
            return Poll::Ready(Some(ahead.map(Piece::Data)));
        }
        let Some(stream) = &mut this.stream else {
            return Poll::Ready(None);
        };
        if matches!(this.stage, Stage::Data) {
            match ready!(stream.poll_data(cx)) {
                Some(Ok(data)) => {
                    let released = stream.flow_control().release_capacity(data.len());
                    let piece = released.map(|()| Piece::Data(data)).map_err(broken);
                    return Poll::Ready(Some(piece));
                }
                Some(Err(error)) => {
                    this.stage = Stage::Ended;
                    return Poll::Ready(Some(Err(broken(error))));
                }
                None => this.stage = Stage::Trailers,
            }
        }
        if matches!(this.stage, Stage::Trailers) {
            let trailers = ready!(stream.poll_trailers(cx));
            this.stage = Stage::Ended;
            if let Some(trailers) = trailers.transpose() {
                return Poll::Ready(Some(trailers.map(Piece::Trailers).map_err(broken)));
            }
        }
        this.stream = None;
        Poll::Ready(None)
    }
}

/// A body that broke off, as whoever reads it is told.
pub(super) fn broken(error: h2::Error) -> Error {
    let reason = error.reason();
    let error = match reason {
        Some(h2::Reason::CANCEL) => Error::cancelled("the other side cancelled the call"),
        Some(h2::Reason::ENHANCE_YOUR_CALM) => {
            Error::resource_exhausted("the other side finds this too much").with_source(error)
        }
        Some(h2::Reason::INADEQUATE_SECURITY) => {
            Error::permission_denied("the other side finds this too insecure").with_source(error)
        }
        Some(_) if error.is_reset() => {
            Error::internal("the other side broke the stream off").with_source(error)
        }
        _ => Error::unavailable("the connection broke").with_source(error),
    };
    error.with_outcome(Outcome::Unknown)
}

//! The body of an incoming message.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use h2::RecvStream;

use super::{broken::broken, upload::Upload};
use crate::{
    error::Result,
    http::{HttpBody, Piece},
};

/// The body of a stream: complete, if all of it has arrived.
pub(super) fn body(mut stream: RecvStream) -> HttpBody {
    if stream.is_end_stream() {
        return HttpBody::empty();
    }
    // The reader of the body polls again, with a waker.
    let mut cx = Context::from_waker(Waker::noop());
    let mut ahead = VecDeque::new();
    let mut stage = Stage::Data;
    loop {
        match stream.poll_data(&mut cx) {
            Poll::Pending => break,
            Poll::Ready(Some(Err(error))) => {
                ahead.push_back(Err(broken(error)));
                stage = Stage::Ended;
                break;
            }
            Poll::Ready(Some(Ok(data))) => {
                let released = stream.flow_control().release_capacity(data.len());
                if ahead.is_empty() && stream.is_end_stream() {
                    return HttpBody::Whole(data);
                }
                ahead.push_back(released.map(|()| data).map_err(broken));
            }
            Poll::Ready(None) => {
                stage = Stage::Trailers;
                break;
            }
        }
        if ahead.len() > 1 {
            break;
        }
    }
    if matches!(stage, Stage::Trailers)
        && ahead.len() <= 1
        && let Poll::Ready(trailers) = stream.poll_trailers(&mut cx)
    {
        let data = ahead.pop_front().and_then(Result::ok).unwrap_or_default();
        match trailers {
            Ok(Some(trailers)) => return HttpBody::Trailed(data, Box::new(trailers)),
            Ok(None) => return HttpBody::Whole(data),
            Err(error) => {
                ahead = [Ok(data), Err(broken(error))].into();
                stage = Stage::Ended;
            }
        }
    }
    HttpBody::stream(Incoming {
        ahead,
        stage,
        stream: Some(stream),
        _upload: None,
    })
}

/// The body of a response to a request whose own body is still being sent.
pub(super) fn with_upload(stream: RecvStream, upload: Upload) -> HttpBody {
    HttpBody::stream(Incoming {
        ahead: VecDeque::new(),
        stage: Stage::Data,
        stream: Some(stream),
        _upload: Some(upload),
    })
}

struct Incoming {
    /// The piece that was taken already.
    ahead: VecDeque<Result<Bytes>>,
    stage: Stage,
    stream: Option<RecvStream>,
    /// Continues while the response is read.
    _upload: Option<Upload>,
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
        if let Some(ahead) = this.ahead.pop_front() {
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
        this._upload = None;
        Poll::Ready(None)
    }
}

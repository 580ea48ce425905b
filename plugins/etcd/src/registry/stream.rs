//! One gRPC call: sends a request, receives messages until a status ends the call.

use std::{
    future::poll_fn,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use h2::{RecvStream, SendStream, client::ResponseFuture};
use http::{HeaderMap, StatusCode};
use prost::Message;

use super::{failure::Failure, heartbeat::StreamGuard};
use micro_core::Code;

/// Maximal size of a response in bytes. Requests to etcd are limited to 1.5 MiB by default.
const MAX_MESSAGE_SIZE: usize = 16 << 20;
/// Length of the gRPC frame header: the compression flag and the message length.
const PREFIX_LENGTH: usize = 5;

/// Encodes a message with its frame header.
pub(super) fn frame(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut bytes = BytesMut::with_capacity(PREFIX_LENGTH + length);
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(length).expect("a record was refused long before"));
    message
        .encode(&mut bytes)
        .expect("there is room for the length that was said");
    bytes.freeze()
}

/// The responses of one call. Dropping it cancels the call.
pub(super) struct Stream<A> {
    state: State,
    buffer: BytesMut,
    /// Kept open: etcd ends a watch whose client closes its side.
    _send: SendStream<Bytes>,
    _open: Option<StreamGuard>,
    answer: PhantomData<fn() -> A>,
}

enum State {
    Waiting(ResponseFuture),
    Body(RecvStream),
    Trailers(RecvStream),
    Done,
}

impl<A: Message + Default> Stream<A> {
    pub(super) fn new(
        response: ResponseFuture,
        send: SendStream<Bytes>,
        open: Option<StreamGuard>,
    ) -> Self {
        Stream {
            state: State::Waiting(response),
            buffer: BytesMut::new(),
            _send: send,
            _open: open,
            answer: PhantomData,
        }
    }

    /// The next response; `None` at a successful end. Cancel safe.
    pub(super) async fn next(&mut self) -> Result<Option<A>, Failure> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The next response, if it has arrived.
    pub(super) async fn ready(&mut self) -> Option<Result<Option<A>, Failure>> {
        poll_fn(|cx| match self.poll_next(cx) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<A>, Failure>> {
        loop {
            if let Some(message) = take(&mut self.buffer)? {
                let answer = A::decode(message);
                let wrong = |error| Failure::Lost(format!("this is not etcd's answer: {error}"));
                return Poll::Ready(answer.map(Some).map_err(wrong));
            }
            match &mut self.state {
                State::Waiting(response) => {
                    let response = ready!(Pin::new(response).poll(cx)).map_err(Failure::lost)?;
                    let status = response.status();
                    if status != StatusCode::OK {
                        let said = format!("HTTP status {status}; is it etcd's client port?");
                        return Poll::Ready(Err(Failure::Lost(said)));
                    }
                    if let Some(end) = end(response.headers()) {
                        self.state = State::Done;
                        return Poll::Ready(end.map(|()| None));
                    }
                    self.state = State::Body(response.into_body());
                }
                State::Body(body) => match ready!(body.poll_data(cx)) {
                    Some(data) => {
                        let data = data.map_err(Failure::lost)?;
                        let released = body.flow_control().release_capacity(data.len());
                        released.map_err(Failure::lost)?;
                        self.buffer.put(data);
                    }
                    None => {
                        let State::Body(body) = std::mem::replace(&mut self.state, State::Done)
                        else {
                            continue;
                        };
                        self.state = State::Trailers(body);
                    }
                },
                State::Trailers(body) => {
                    let trailers = ready!(body.poll_trailers(cx)).map_err(Failure::lost)?;
                    self.state = State::Done;
                    let end = trailers.as_ref().and_then(end);
                    let cut = || Err(Failure::lost("etcd broke off"));
                    return Poll::Ready(end.unwrap_or_else(cut).map(|()| None));
                }
                State::Done => return Poll::Ready(Ok(None)),
            }
        }
    }
}

/// Takes the first complete message from a buffer.
fn take(buffer: &mut BytesMut) -> Result<Option<Bytes>, Failure> {
    let Some((prefix, rest)) = buffer.split_at_checked(PREFIX_LENGTH) else {
        return Ok(None);
    };
    let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
    if length > MAX_MESSAGE_SIZE {
        return Err(Failure::TooLarge);
    }
    if rest.len() < length {
        buffer.reserve(length + PREFIX_LENGTH - buffer.len());
        return Ok(None);
    }
    buffer.advance(PREFIX_LENGTH);
    Ok(Some(buffer.split_to(length).freeze()))
}

/// The status of the call, if these headers contain it.
fn end(headers: &HeaderMap) -> Option<Result<(), Failure>> {
    let status = headers.get("grpc-status")?;
    let number = status.to_str().ok().and_then(|text| text.parse().ok());
    if number == Some(0) {
        return Some(Ok(()));
    }
    let message = headers
        .get("grpc-message")
        .and_then(|text| text.to_str().ok());
    Some(Err(Failure::Refused {
        code: Code::from_number(number.unwrap_or(0)),
        message: message.unwrap_or_default().to_owned(),
    }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::{
        super::message::{KeepAlive, Lease},
        *,
    };

    #[test]
    fn messages_are_decoded_from_partial_frames() {
        let framed = [frame(&KeepAlive { id: 7 }), frame(&KeepAlive { id: 0 })].concat();
        let mut buffer = BytesMut::new();
        let mut found = Vec::new();
        for byte in framed {
            buffer.put_u8(byte);
            while let Some(message) = take(&mut buffer).unwrap() {
                found.push(KeepAlive::decode(message).unwrap().id);
            }
        }
        assert_eq!(found, [7, 0]);
        assert!(buffer.is_empty());
    }

    #[test]
    fn oversized_frame_fails_at_once() {
        let mut buffer = BytesMut::from(&[0, 0xff, 0, 0, 0][..]);
        assert!(matches!(take(&mut buffer), Err(Failure::TooLarge)));
        assert_eq!(Lease::decode(Bytes::new()).unwrap().id, 0);
    }

    #[test]
    fn malformed_status_is_unknown() {
        let mut headers = HeaderMap::new();
        assert!(end(&headers).is_none());
        headers.insert("grpc-status", "0".parse().unwrap());
        assert!(end(&headers).unwrap().is_ok());
        headers.insert("grpc-status", "x".parse().unwrap());
        let failure = end(&headers).unwrap().unwrap_err();
        assert!(matches!(
            failure,
            Failure::Refused {
                code: Code::Unknown,
                ..
            }
        ));
    }
}

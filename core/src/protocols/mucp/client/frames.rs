//! Messages off a connection, polled: for streams, that are read while another task writes.

use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::{Method, StatusCode, response::Parts};
use tokio::io::AsyncRead;

use crate::http::{
    Piece,
    h1::{Body, MessageError, Reader},
};

/// What has come of the next message, polled: for streams, that read while another task writes.
pub(super) struct Frames {
    /// The message whose body comes in.
    head: Option<Parts>,
    data: BytesMut,
}

impl Frames {
    pub(super) fn new() -> Self {
        Frames {
            head: None,
            data: BytesMut::new(),
        }
    }

    /// The next message, whole; `None` when the connection has ended after the one before.
    pub(super) fn poll<I: AsyncRead + Unpin>(
        &mut self,
        reader: &mut Reader,
        io: &mut I,
        most: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<(Parts, Bytes)>, MessageError>> {
        loop {
            if self.head.is_none() {
                self.head = reader.take_response(&Method::POST)?.map(|(head, _)| head);
            }
            if self.head.is_some() {
                loop {
                    match reader.take_body()? {
                        Body::More => break,
                        Body::Piece(Piece::Trailers(_)) => {}
                        Body::Piece(Piece::Data(data)) => {
                            if self.data.len() + data.len() > most {
                                let why = format!(
                                    "a message is over the limit `max_message_size` of {most} bytes"
                                );
                                return Poll::Ready(Err(MessageError::Refused(
                                    StatusCode::PAYLOAD_TOO_LARGE,
                                    why.into(),
                                )));
                            }
                            self.data.extend_from_slice(&data);
                        }
                        Body::Done => {
                            let head = self.head.take();
                            let data = std::mem::take(&mut self.data).freeze();
                            match head {
                                Some(head) if head.status.is_informational() => break,
                                Some(head) => return Poll::Ready(Ok(Some((head, data)))),
                                None => break,
                            }
                        }
                    }
                }
                if self.head.is_none() {
                    continue;
                }
            }
            let amid = self.head.is_some() || reader.is_amid();
            match reader.poll_fill(io, cx)? {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(0) if amid => {
                    let error = std::io::ErrorKind::UnexpectedEof;
                    return Poll::Ready(Err(MessageError::Io(error.into())));
                }
                Poll::Ready(0) => return Poll::Ready(Ok(None)),
                Poll::Ready(_) => {}
            }
        }
    }
}

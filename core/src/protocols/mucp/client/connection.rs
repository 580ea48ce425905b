//! One connection of a client's, in the hands of one call at a time.

use std::{future::poll_fn, task::Poll};

use bytes::Bytes;
use http::{HeaderMap, Method, response::Parts};

use crate::{
    error::Error,
    http::h1::{BodyFraming, MessageError, MessageIo, PooledConnection, is_kept, write_request},
};

/// A connection to a node.
pub(crate) struct Connection {
    pub(super) line: PooledConnection,
    /// Whether the last message ended with it.
    spent: bool,
}

/// A message to be sent.
pub(crate) struct Message<'a> {
    pub(crate) method: &'a Method,
    pub(crate) target: &'a str,
    pub(crate) host: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: Bytes,
}

impl From<PooledConnection> for Connection {
    fn from(line: PooledConnection) -> Self {
        Connection { line, spent: false }
    }
}

impl Connection {
    /// Queues a message.
    pub(super) fn queue(&mut self, message: Message<'_>) {
        let length = BodyFraming::Length(message.body.len() as u64);
        let outbox = &mut self.line.wire.outbox;
        write_request(
            outbox.tail(),
            message.method,
            message.target,
            message.host,
            message.headers,
            length,
        );
        outbox.push(message.body);
    }

    /// Writes what is queued and reads the next message, which is the reply to it; `None` where the node
    /// closed the connection instead.
    pub(super) async fn reply(
        &mut self,
        most: usize,
    ) -> Result<Option<(Parts, Bytes)>, MessageError> {
        let MessageIo {
            io, reader, outbox, ..
        } = &mut self.line.wire;
        // A reply may come before all is sent, as one that refuses a large body does.
        poll_fn(|cx| {
            let format = outbox.poll_flush(io, cx);
            if reader.buffered() > 0 || format.is_ready() {
                return match format {
                    Poll::Ready(Err(error)) if reader.buffered() == 0 => Poll::Ready(Err(error)),
                    _ => Poll::Ready(Ok(())),
                };
            }
            match reader.poll_fill(io, cx) {
                Poll::Ready(Ok(0)) => Poll::Ready(Err(std::io::ErrorKind::UnexpectedEof.into())),
                Poll::Ready(Ok(_)) => Poll::Ready(Ok(())),
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Pending => Poll::Pending,
            }
        })
        .await?;
        let Some((head, framing)) = reader.response(io, &Method::POST).await? else {
            return Ok(None);
        };
        let (body, _) = reader.whole(io, most).await?;
        self.line.reused = true;
        self.spent = framing == BodyFraming::UntilClose;
        Ok(Some((head, body)))
    }

    /// Whether another call may be made over it after this reply.
    pub(super) fn is_kept(&self, head: &Parts) -> bool {
        let wire = &self.line.wire;
        !self.spent
            && head.status.is_success()
            && is_kept(head.version, &head.headers)
            && wire.outbox.is_empty()
            && !wire.reader.is_amid()
    }
}

/// What went wrong with a connection to a node.
pub(super) fn lost(address: &str, broken: MessageError) -> Error {
    Error::from(broken).context(format_args!("node at `{address}`"))
}

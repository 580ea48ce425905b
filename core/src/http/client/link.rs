//! A connection of HTTP/1.1, driven by the caller that waits for its response: it has no task that must end.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{Method, Request, header::HOST, response::Parts};
use tokio::{
    net::TcpStream,
    runtime::{Handle, Id},
    time::{Instant, timeout},
};

use crate::{
    error::{Error, Result},
    http::{
        Piece,
        h1::{BodyFraming, Exchange, MessageError, MessageIo, Reader, is_kept, write_request},
    },
    net::{Limits, io::Io, sent::SentFlag, tls::Connector},
};

/// The timeout of connecting: hosts that refuse do so at once, missing ones never answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// A connection to one host, used by one request at a time.
pub(super) struct Link {
    wire: MessageIo,
    /// Whether the last request was sent.
    sent: SentFlag,
    /// Whether no request may follow the last one.
    spent: bool,
    /// The number of the host.
    pub(super) host: usize,
    /// The runtime that drives its socket; other runtimes cannot use it.
    pub(super) runtime: Id,
    /// When its last response was complete.
    pub(super) used: Instant,
    /// Whether a response is awaited: dropping the connection then loses nothing.
    busy: bool,
    /// Counts the lost connections to its host, as far as they can be detected.
    lost: Arc<AtomicU64>,
}

impl Link {
    /// Connects to the host with number `host`, at `address`.
    pub(super) async fn open(
        host: usize,
        address: &str,
        tls: Option<&Connector>,
        lost: Arc<AtomicU64>,
        limits: &Arc<Limits>,
    ) -> Result<Self> {
        let io = timeout(CONNECT_TIMEOUT, open(address, tls)).await;
        let io = io.unwrap_or_else(|_| {
            Err(Error::unavailable(format!(
                "no connection within {CONNECT_TIMEOUT:?}"
            )))
        })?;
        let reader = Reader::new(b"", limits.clone());
        Ok(Link {
            // The caller bounds the wait for the response.
            wire: MessageIo::new(io, reader, Duration::MAX),
            sent: SentFlag::default(),
            spent: false,
            host,
            runtime: Handle::current().id(),
            used: Instant::now(),
            busy: false,
            lost,
        })
    }

    /// Sends a request, and waits for the head of the response.
    pub(super) async fn send(&mut self, request: Request<Bytes>) -> Result<Parts, MessageError> {
        if self.spent || !self.wire.is_quiet() {
            return Err(MessageError::Io(std::io::ErrorKind::NotConnected.into()));
        }
        let (head, body) = request.into_parts();
        let bare = body.is_empty() && [Method::GET, Method::HEAD].contains(&head.method);
        let framing = match bare {
            true => BodyFraming::None,
            false => BodyFraming::Length(body.len() as u64),
        };
        let target = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let host = head.headers.get(HOST).and_then(|host| host.to_str().ok());
        let (out, host) = (self.wire.outbox.tail(), host.unwrap_or_default());
        write_request(out, &head.method, target, host, &head.headers, framing);
        self.wire.outbox.push(body);
        self.sent = SentFlag::default();
        self.spent = true;
        self.busy = true;
        let mut exchange = Exchange::over(&mut self.wire, self.sent.clone());
        let response = poll_fn(|cx| exchange.poll_response(&head.method, cx)).await;
        self.busy = false;
        let (head, framing) = response?;
        self.spent = !is_kept(head.version, &head.headers) || framing == BodyFraming::UntilClose;
        Ok(head)
    }

    /// Returns the next bytes of the response's body; `None` at its end. Cancel safe.
    pub(super) async fn data(&mut self) -> Result<Option<Bytes>, MessageError> {
        self.busy = true;
        let mut exchange = Exchange::over(&mut self.wire, self.sent.clone());
        let piece = poll_fn(|cx| exchange.poll_body(cx)).await.transpose();
        self.busy = false;
        Ok(match piece? {
            Some(Piece::Data(data)) => Some(data),
            Some(Piece::Trailers(_)) | None => None,
        })
    }

    /// Returns the response's body, of at most `most` bytes.
    pub(super) async fn whole(&mut self, most: usize) -> Result<Bytes> {
        let wrong = || Error::unavailable("its answer was cut off or too long");
        let mut whole = BytesMut::new();
        while let Some(data) = self
            .data()
            .await
            .map_err(|why| wrong().with_source(Error::from(why)))?
        {
            if whole.len() + data.len() > most {
                return Err(wrong());
            }
            whole.extend_from_slice(&data);
        }
        // The rest of the request would be read as the next request.
        self.spent |= !self.wire.outbox.is_empty() || !self.wire.reader.is_body_done();
        Ok(whole.freeze())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if !self.busy {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn open(address: &str, tls: Option<&Connector>) -> Result<Io> {
    let stream = TcpStream::connect(address).await.map_err(|error| {
        Error::unavailable("no connection; does it run, and is this its address?")
            .with_source(error)
    })?;
    // The response does not depend on it.
    let _ = stream.set_nodelay(true);
    Ok(match tls {
        None => Io::Tcp(stream),
        Some(tls) => Io::Other(Box::new(tls.connect(stream, address).await?)),
    })
}

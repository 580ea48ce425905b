//! One connection to ZooKeeper: opens a session, then pipelines requests and responses.

use std::{collections::HashMap, time::Duration};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until},
};

use super::{
    packet::{self, op, xid},
    request::{Request, RequestError, Response, Shared, garbled},
    response::{ConnectResponse, Reader},
    watches::Watches,
};
use micro_core::{Error, Result};

/// Requests without a response yet.
const MAX_IN_FLIGHT: usize = 1024;
/// Unsent bytes above which no more requests are taken.
const MAX_UNSENT_BYTES: usize = 1 << 20;
/// Maximal packet size: far above the 1 MiB that ZooKeeper allows for data, as a list of names may be longer.
const MAX_PACKET_SIZE: usize = 64 << 20;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

pub(super) struct Connection {
    stream: Box<dyn Stream>,
    input: BytesMut,
    output: BytesMut,
    session: i64,
    timeout: Duration,
    waiting: HashMap<i32, PendingRequest>,
    watches: Watches,
    next: i32,
    heard: Instant,
}

enum PendingRequest {
    Response(oneshot::Sender<Result<Response, RequestError>>),
    /// With the watched path.
    Watch(oneshot::Sender<Result<Response, RequestError>>, String),
    Nobody,
}

impl Connection {
    pub(super) async fn open(shared: &Shared, place: &str) -> Result<Self> {
        let mut expired = false;
        loop {
            let mut connection = Self::dial(shared, place).await?;
            let (session, password) = shared.session.lock().clone();
            let timeout_ms = i32::try_from(shared.timeout.as_millis()).unwrap_or(i32::MAX);
            connection.frame(&[packet::connect(timeout_ms, session, &password)]);
            if let Some(secret) = &shared.secret {
                let body = packet::authenticate("digest", secret.as_bytes());
                connection.frame(&[header(xid::AUTH, op::AUTH), body]);
            }
            while !connection.output.is_empty() {
                let Connection { stream, output, .. } = &mut connection;
                stream.write_buf(output).await.map_err(cut)?;
            }
            connection.stream.flush().await.map_err(cut)?;
            let answer = loop {
                match connection.packet()? {
                    Some(packet) => break packet,
                    None => connection.fill().await?,
                }
            };
            let connected =
                ConnectResponse::read(answer).ok_or_else(|| garbled().into_error("/"))?;
            let known = match connected.timeout_ms {
                Some(milliseconds) => {
                    connection.session = connected.session;
                    connection.timeout = Duration::from_millis(milliseconds.into());
                    (connected.session, connected.password)
                }
                None => (0, Bytes::new()),
            };
            let is_new = known.0 != session;
            *shared.session.lock() = known;
            if connected.timeout_ms.is_some() {
                tracing::debug!(place, is_new, "a session with ZooKeeper");
                return Ok(connection);
            }
            if std::mem::replace(&mut expired, true) {
                return Err(Error::unavailable("it gives no new session"));
            }
        }
    }

    async fn dial(shared: &Shared, place: &str) -> Result<Self> {
        let tcp = TcpStream::connect(place)
            .await
            .map_err(|error| Error::unavailable("cannot be reached").with_source(error))?;
        tcp.set_nodelay(true).map_err(cut)?;
        let stream: Box<dyn Stream> = match &shared.tls {
            None => Box::new(tcp),
            Some(tls) => Box::new(tls.connect(tcp, place).await?),
        };
        Ok(Connection {
            stream,
            input: BytesMut::new(),
            output: BytesMut::new(),
            session: 0,
            timeout: shared.timeout,
            waiting: HashMap::new(),
            watches: Watches::default(),
            next: 0,
            heard: Instant::now(),
        })
    }

    /// Carries requests and responses until the connection is lost. Returns the reason.
    pub(super) async fn serve(&mut self, requests: &mut mpsc::Receiver<Request>) -> Error {
        let between = self.timeout / 3;
        let mut ping = Instant::now() + between;
        // Written, but perhaps not flushed: TLS has its own buffer.
        let mut unflushed = false;
        loop {
            let silent = self.heard + self.timeout * 2 / 3;
            let is_unsent = unflushed || !self.output.is_empty();
            let has_room =
                self.waiting.len() < MAX_IN_FLIGHT && self.output.len() < MAX_UNSENT_BYTES;
            let Connection {
                stream,
                input,
                output,
                ..
            } = self;
            let (mut reader, mut writer) = tokio::io::split(stream);
            let done = tokio::select! {
                read = reader.read_buf(input) => match read {
                    Ok(0) => Err(closed()),
                    Ok(_) => Ok(Progress::Read),
                    Err(error) => Err(cut(error)),
                },
                sent = send(&mut writer, output), if is_unsent => {
                    sent.map(Progress::Sent).map_err(cut)
                }
                ask = requests.recv(), if has_room => match ask {
                    Some(ask) => Ok(Progress::Asked(ask)),
                    None => Err(closed()),
                },
                () = sleep_until(ping.min(silent)) => Ok(Progress::Waited),
            };
            match done {
                Err(error) => return error,
                Ok(Progress::Sent(flushed)) => unflushed = !flushed,
                Ok(Progress::Asked(ask)) => self.send(ask),
                Ok(Progress::Read) => {
                    self.heard = Instant::now();
                    if let Err(error) = self.hear() {
                        return error;
                    }
                }
                Ok(Progress::Waited) => {
                    let now = Instant::now();
                    if now >= self.heard + self.timeout * 2 / 3 {
                        let waited = self.timeout * 2 / 3;
                        return Error::unavailable(format!("not a word in {waited:?}"));
                    }
                    if now >= ping {
                        ping = now + between;
                        self.frame(&[header(xid::PING, op::PING)]);
                        self.leave();
                    }
                }
            }
        }
    }

    pub(super) fn send(&mut self, ask: Request) {
        let waiting = match ask.watch {
            None => PendingRequest::Response(ask.answer),
            Some(watch) => {
                // Registered before the response, as an event may arrive first.
                let path = watch.path.clone();
                self.watches.add(watch);
                PendingRequest::Watch(ask.answer, path)
            }
        };
        self.request(ask.op, ask.body, waiting);
    }

    fn request(&mut self, op: i32, body: Vec<u8>, waiting: PendingRequest) {
        self.next = self.next.checked_add(1).unwrap_or(1);
        self.frame(&[header(self.next, op), body]);
        self.waiting.insert(self.next, waiting);
    }

    fn frame(&mut self, parts: &[Vec<u8>]) {
        let length: usize = parts.iter().map(Vec::len).sum();
        let length = u32::try_from(length).expect("what we write is far below 4 GiB");
        self.output.put_u32(length);
        for part in parts {
            self.output.extend_from_slice(part);
        }
    }

    /// Reads more bytes, only while the session is being opened.
    async fn fill(&mut self) -> Result<()> {
        match self.stream.read_buf(&mut self.input).await {
            Ok(0) => Err(closed()),
            Ok(_) => Ok(()),
            Err(error) => Err(cut(error)),
        }
    }

    /// The next complete packet.
    fn packet(&mut self) -> Result<Option<Bytes>> {
        let Some(length) = self.input.first_chunk::<4>() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if length > MAX_PACKET_SIZE {
            return Err(garbled().into_error("/"));
        }
        if self.input.len() - 4 < length {
            return Ok(None);
        }
        self.input.advance(4);
        Ok(Some(self.input.split_to(length).freeze()))
    }

    fn hear(&mut self) -> Result<()> {
        while let Some(packet) = self.packet()? {
            let mut reader = Reader(packet);
            let header = (|| Some((reader.int()?, reader.long()?, reader.int()?)))();
            let (number, _, error) = header.ok_or_else(|| garbled().into_error("/"))?;
            match number {
                xid::EVENT => self.watches.tell(reader.0),
                xid::PING => {}
                xid::AUTH if error != 0 => return Err(RequestError::Refused(-115).into_error("/")),
                xid::AUTH => {}
                number => self.answered(number, error, reader.0),
            }
        }
        Ok(())
    }

    fn answered(&mut self, number: i32, error: i32, body: Bytes) {
        let session = self.session;
        let result = match error {
            0 => Ok(Response { body, session }),
            error => Err(RequestError::Refused(error)),
        };
        match self.waiting.remove(&number) {
            None | Some(PendingRequest::Nobody) => {}
            // The caller may be gone.
            Some(PendingRequest::Response(answer)) => drop(answer.send(result)),
            Some(PendingRequest::Watch(answer, path)) => {
                if result.is_err() {
                    self.watches.end(&path);
                }
                let _ = answer.send(result);
            }
        }
    }

    /// Removes watches that nobody receives.
    fn leave(&mut self) {
        for path in self.watches.left() {
            self.request(
                op::REMOVE_WATCHES,
                packet::unwatch(&path),
                PendingRequest::Nobody,
            );
        }
    }

    pub(super) fn end(&mut self, error: &Error) {
        for (_, waiting) in self.waiting.drain() {
            if let PendingRequest::Response(answer) | PendingRequest::Watch(answer, _) = waiting {
                let _ = answer.send(Err(RequestError::Lost(error.clone())));
            }
        }
    }
}

enum Progress {
    Read,
    /// Whether everything is flushed.
    Sent(bool),
    Asked(Request),
    Waited,
}

/// Writes pending bytes, or flushes.
async fn send(
    writer: &mut (impl AsyncWrite + Unpin),
    output: &mut BytesMut,
) -> std::io::Result<bool> {
    if output.is_empty() {
        return writer.flush().await.map(|()| true);
    }
    writer.write_buf(output).await.map(|_| false)
}

fn header(number: i32, op: i32) -> Vec<u8> {
    packet::Writer::default().int(number).int(op).end()
}

fn closed() -> Error {
    Error::unavailable("the connection was closed")
}

fn cut(error: std::io::Error) -> Error {
    Error::unavailable("the connection was cut").with_source(error)
}

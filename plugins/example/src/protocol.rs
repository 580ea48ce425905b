//! A protocol on the port of a service: what else a connection may speak there.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use micro_core::{
    Call, ContentType, Error, Request, Result, Target,
    net::protocol::{Accepted, Detect, Protocol},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

/// What connections begin with.
const GREETING: &[u8] = b"\x01lines\n";
/// The longest line; longer ones end the connection.
const MAX_LINE: u64 = 64 << 10;

/// Calls by lines of text: `ENDPOINT JSON` is answered by `ok JSON` or `error TEXT`, one after the other.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lines;

#[async_trait]
impl Protocol for Lines {
    fn name(&self) -> &str {
        "lines"
    }

    fn detect(&self, first: &[u8]) -> Detect {
        Detect::prefix(first, GREETING)
    }

    fn examples(&self) -> &[&'static [u8]] {
        &[GREETING]
    }

    async fn serve(&self, connection: Accepted, call: Arc<dyn Call>) {
        let (io, first, guard) = connection.into_parts();
        let (reader, mut writer) = tokio::io::split(io);
        // What was read to tell the protocol comes first.
        let mut reader = BufReader::new((&first[GREETING.len()..]).chain(reader));
        loop {
            let mut line = String::new();
            let mut bounded = (&mut reader).take(MAX_LINE);
            let read = tokio::select! {
                read = bounded.read_line(&mut line) => read,
                // Between two calls the connection may end.
                () = guard.leaving() => return,
            };
            if !line.ends_with('\n') || read.is_err() {
                return;
            }
            // Counts against the limits of the port until the call has ended.
            let answer = match guard.hold(line.len()) {
                Ok(_held) => answer(&*call, line.trim_end()).await,
                Err(error) => Err(error),
            };
            let text = match answer {
                Ok(body) => format!("ok {}\n", String::from_utf8_lossy(&body)),
                Err(error) => format!("error {}\n", error.to_string().replace('\n', " ")),
            };
            if writer.write_all(text.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

async fn answer(call: &dyn Call, line: &str) -> Result<Bytes> {
    let (endpoint, body) = line.split_once(' ').unwrap_or((line, ""));
    let body = Bytes::copy_from_slice(body.as_bytes());
    let request = Request::new(Target::new("", endpoint), ContentType::Json, body);
    call.call(request).await?.into_parts().1.into_bytes()
}

impl Lines {
    /// Calls an endpoint at an address over a connection of its own.
    pub async fn call(address: &str, endpoint: &str, body: Bytes) -> Result<Bytes> {
        let failed = |error: std::io::Error| Error::unavailable(format!("`{address}`: {error}"));
        let mut socket = TcpStream::connect(address).await.map_err(failed)?;
        let body = String::from_utf8_lossy(&body);
        let call = [GREETING, format!("{endpoint} {body}\n").as_bytes()].concat();
        socket.write_all(&call).await.map_err(failed)?;
        let mut line = String::new();
        let mut reader = BufReader::new(socket);
        reader.read_line(&mut line).await.map_err(failed)?;
        match line.trim_end_matches('\n').split_once(' ') {
            Some(("ok", body)) => Ok(Bytes::copy_from_slice(body.as_bytes())),
            Some((_, error)) => Err(Error::internal(error.to_owned())),
            None => Err(Error::unavailable("the connection ended")),
        }
    }
}

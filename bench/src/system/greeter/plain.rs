//! Plain JSON over HTTP/1.1: our server, and a client as small as one can be, which has a connection for
//! each call in flight.

use super::{Greeting, HELLO, Hello, WORD, greeted, name_of, ours, run_ours};
use crate::{
    message::Echo,
    system::{Client, System},
};
use ::micro as cx;
use anyhow::{Context as _, Result, ensure};
use parking_lot::Mutex;
use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Our server.
#[derive(Clone, Copy)]
pub(in crate::system) struct Plain;

async fn hello(_: cx::Context, hello: Hello) -> cx::Result<Greeting> {
    let msg = format!("{WORD}{}", hello.name);
    Ok(Greeting { msg })
}

impl System for Plain {
    type Client = Caller;

    async fn serve(&self, listener: TcpListener) -> Result<()> {
        let _running = ours(listener)?.handle(HELLO, hello).serve().await?;
        std::future::pending().await
    }

    fn run_server(&self, listener: TcpListener, threads: usize) -> Result<()> {
        run_ours(ours(listener)?.handle(HELLO, hello), threads)
    }

    async fn connect(&self, address: SocketAddr) -> Result<Caller> {
        Caller::connect(address).await
    }
}

/// Connections that no call uses now.
#[derive(Clone)]
pub(crate) struct Caller {
    address: SocketAddr,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Caller {
    /// Calls once, so that whoever does not serve is found out.
    pub(super) async fn connect(address: SocketAddr) -> Result<Self> {
        let caller = Caller {
            address,
            idle: Arc::default(),
        };
        caller.call(Echo::of_size(1)).await?;
        Ok(caller)
    }
}

impl Client for Caller {
    async fn call(&self, request: Echo) -> Result<Echo> {
        let idle = self.idle.lock().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => Connection::open(self.address).await?,
        };
        let name = name_of(&request);
        let body = serde_json::to_string(&Hello { name })?;
        let answer: Greeting = serde_json::from_slice(connection.post(&body).await?)?;
        self.idle.lock().push(connection);
        greeted(answer.msg)
    }
}

struct Connection {
    stream: TcpStream,
    /// A request, then its answer; kept for its capacity.
    bytes: Vec<u8>,
}

impl Connection {
    async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let bytes = Vec::with_capacity(4096);
        Ok(Connection { stream, bytes })
    }

    /// The body of the answer, which must be good and say its length.
    async fn post(&mut self, body: &str) -> Result<&[u8]> {
        let length = body.len();
        let request = format!(
            "POST /{HELLO} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        );
        self.stream.write_all(request.as_bytes()).await?;
        self.bytes.clear();
        loop {
            let read = self.stream.read_buf(&mut self.bytes).await?;
            ensure!(read > 0, "the server closed the connection");
            if let Some(body) = body_of(&self.bytes)? {
                return Ok(&self.bytes[body..]);
            }
        }
    }
}

/// Where the body of an answer begins, once all of it is there.
fn body_of(answer: &[u8]) -> Result<Option<usize>> {
    let Some(end) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&answer[..end])?;
    ensure!(head.starts_with("HTTP/1.1 200 "), "the answer is `{head}`");
    let mut headers = head.lines().filter_map(|line| line.split_once(':'));
    let length = headers.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let (_, length) = length.context("the answer does not say its length")?;
    let length: usize = length.trim().parse()?;
    Ok((answer.len() >= end + 4 + length).then_some(end + 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_is_read_once_it_is_complete() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        for end in 0..answer.len() {
            assert!(matches!(body_of(&answer[..end]), Ok(None)));
        }
        assert!(matches!(body_of(answer), Ok(Some(38))));
        assert!(body_of(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").is_err());
    }
}

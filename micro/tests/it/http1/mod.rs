//! HTTP/1.1 spoken by hand, to say what no client would, and by clients that others wrote.

mod access;
mod client;
mod clients;
mod connection;
mod cors;
#[cfg(feature = "gzip")]
mod encoded;
mod metrics;
mod operations;
mod ops;
mod plain;
mod refused;
mod taken;

use std::time::Duration;

use micro::{
    Context, Handler, Plugins, Result, Running, Service, Socket, Streaming, registry::Memory,
};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Longer than any limit that these tests set.
const LONG: Duration = Duration::from_secs(20);

#[derive(Clone, Debug, Default, Serialize, Deserialize, micro::Message)]
#[serde(default)]
struct Hello {
    name: String,
    /// How long the answer takes.
    wait_ms: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize, micro::Message)]
struct Reply {
    text: String,
}

async fn hello(cx: Context, hello: Hello) -> Result<Reply> {
    if hello.wait_ms > 0 {
        tokio::time::sleep(Duration::from_millis(hello.wait_ms)).await;
    }
    if hello.name == "nobody" {
        return Err(micro::Error::not_found("nobody is here"));
    }
    let tenant = cx.metadata().get("tenant").unwrap_or_default();
    let text = format!("Hello {}{tenant}", hello.name);
    Ok(Reply { text })
}

async fn count(_: Context, hello: Hello) -> Result<Streaming<Reply>> {
    let names: Vec<String> = hello.name.split(',').map(str::to_owned).collect();
    let (sender, stream) = Streaming::channel(1);
    tokio::spawn(async move {
        for text in names {
            let _ = sender.send(Reply { text }).await;
        }
    });
    Ok(stream)
}

/// A greeter; `change` sets limits of its port.
async fn greeter(change: impl FnOnce(&mut micro::transport::Limits)) -> Running {
    let plugins = Plugins::new()
        .registry(Memory::new())
        .transport(Socket::new().limit(change));
    Service::new("greeter")
        .plugins(plugins)
        .allow_host("a")
        .allow_host("other")
        .handle("Greeter.Hello", hello.idempotent())
        .handle("Greeter.Count", count)
        .lifecycle(|life| life.deregister_delay = Duration::ZERO)
        .serve()
        .await
        .unwrap()
}

async fn connect(running: &Running) -> TcpStream {
    TcpStream::connect(&running.node().address).await.unwrap()
}

/// All that comes until the server closes.
async fn read_all(socket: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let read = timeout(LONG, socket.read_to_end(&mut all)).await;
    // A reset after the answer is a closed connection, too.
    let _ = read.expect("the connection is closed");
    String::from_utf8(all).unwrap()
}

/// One response whose length is said: its head and its body.
async fn read_one(socket: &mut TcpStream) -> (String, String) {
    let mut all = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&all).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = field(head, "content-length").map_or(0, |text| text.parse().unwrap());
            if body.len() >= length {
                assert_eq!(body.len(), length, "one response comes alone: {text}");
                return (head.to_owned(), body.to_owned());
            }
        }
        let read = timeout(LONG, socket.read_buf(&mut all)).await;
        assert!(read.unwrap().unwrap() > 0, "closed amid a response: {text}");
    }
}

/// The value of a header field.
fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "));
    lines
        .find(|(said, _)| said.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

fn status(text: &str) -> u16 {
    let status = text
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3));
    status.map_or(0, |status| status.parse().unwrap())
}

fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

async fn send(socket: &mut TcpStream, bytes: impl AsRef<[u8]>) {
    socket.write_all(bytes.as_ref()).await.unwrap();
}

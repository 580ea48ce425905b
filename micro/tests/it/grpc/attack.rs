//! Floods and stalls: they cost whoever makes them the connection, and nobody else anything.

use std::time::Duration;

use micro::{Client, Context, Plugins, protocols::Grpc, registry::Memory};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    greeter::{Greeter, Greeting, Hello, hello, serve, serve_with},
    soon,
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

mod kind {
    pub(super) const DATA: u8 = 0;
    pub(super) const HEADERS: u8 = 1;
    pub(super) const RST_STREAM: u8 = 3;
    pub(super) const SETTINGS: u8 = 4;
    pub(super) const PING: u8 = 6;
    pub(super) const WINDOW_UPDATE: u8 = 8;
    pub(super) const CONTINUATION: u8 = 9;
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A header block of literal fields.
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text.as_bytes());
        }
    }
    block
}

/// A call's head, for `Greeter.Hang` unless another method is said.
fn head(stream: u32, method: &str, flags: u8) -> Vec<u8> {
    let path = format!("/greeter.Greeter/{method}");
    let block = block(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":path", &path),
        ("content-type", "application/grpc"),
    ]);
    frame(kind::HEADERS, 4 | flags, stream, &block)
}

/// A message of that name, as the last of a stream.
fn message(stream: u32, name: &str) -> Vec<u8> {
    let length = u8::try_from(name.len()).unwrap();
    let payload = [&[0, 0, 0, 0, length + 2, 10, length], name.as_bytes()].concat();
    frame(kind::DATA, 1, stream, &payload)
}

/// The attacked, an attacker, and another's client.
struct Scene {
    greeter: Greeter,
    attacker: TcpStream,
    other: Client,
}

impl Scene {
    async fn begin() -> Self {
        let greeter = serve().await;
        let mut attacker = TcpStream::connect(greeter.address()).await.unwrap();
        attacker.write_all(PREFACE).await.unwrap();
        let settings = frame(kind::SETTINGS, 0, 0, &[]);
        attacker.write_all(&settings).await.unwrap();
        let plugins = Plugins::new()
            .registry(Memory::new())
            .transport(Grpc::new());
        let scene = Scene {
            other: plugins.client().unwrap(),
            greeter,
            attacker,
        };
        scene.other_is_served().await;
        scene
    }

    async fn other_is_served(&self) {
        let method = self
            .other
            .method::<Hello, Greeting>("greeter", "Greeter.Hello");
        let at = self.greeter.address();
        let answer = method.call(&Context::new(), hello("John")).address(&at);
        assert_eq!(soon(answer.into_future()).await.unwrap().msg, "Hello John");
    }

    /// Sends what `next` gives, at most so many times, until the connection is closed.
    async fn floods(mut self, most: u32, mut next: impl FnMut(u32) -> Vec<u8>) {
        let (mut from, mut to) = self.attacker.split();
        let flood = async {
            for number in 0..most {
                if to.write_all(&next(number)).await.is_err() {
                    return;
                }
            }
        };
        let closed = async {
            let mut rest = [0; 16 << 10];
            while from.read(&mut rest).await.is_ok_and(|read| read > 0) {}
        };
        let both = async { tokio::join!(flood, closed) };
        let closed = tokio::time::timeout(Duration::from_secs(20), both).await;
        assert!(closed.is_ok(), "the connection is closed");
        self.other_is_served().await;
    }
}

#[tokio::test]
async fn flood_of_pings_ends_the_connection() {
    let scene = Scene::begin().await;
    scene
        .floods(200_000, |_| frame(kind::PING, 0, 0, &[0; 8]))
        .await;
}

#[tokio::test]
async fn flood_of_settings_ends_the_connection() {
    let scene = Scene::begin().await;
    let setting = [0, 4, 0, 0, 255, 255];
    scene
        .floods(200_000, |_| frame(kind::SETTINGS, 0, 0, &setting))
        .await;
}

#[tokio::test]
async fn flood_of_window_updates_ends_the_connection() {
    let scene = Scene::begin().await;
    let one = [0, 0, 0, 1];
    scene
        .floods(200_000, |_| frame(kind::WINDOW_UPDATE, 0, 0, &one))
        .await;
}

#[tokio::test]
async fn flood_of_empty_data_ends_the_connection() {
    let scene = Scene::begin().await;
    let next = |number| match number {
        0 => head(1, "Join", 0),
        _ => frame(kind::DATA, 0, 1, &[]),
    };
    scene.floods(200_000, next).await;
}

#[tokio::test]
async fn endless_headers_end_the_connection() {
    let scene = Scene::begin().await;
    let more = block(&[("a", "b")]);
    let next = |number| match number {
        0 => frame(kind::HEADERS, 0, 1, &more),
        _ => frame(kind::CONTINUATION, 0, 1, &more),
    };
    scene.floods(200_000, next).await;
}

#[tokio::test]
async fn rapid_resets_end_the_connection() {
    let scene = Scene::begin().await;
    let next = |number| {
        let stream = number * 2 + 1;
        let mut call = head(stream, "Hang", 0);
        call.extend(message(stream, "x"));
        call.extend(frame(kind::RST_STREAM, 0, stream, &[0, 0, 0, 8]));
        call
    };
    scene.floods(200_000, next).await;
}

#[tokio::test]
async fn cancelled_call_is_dropped_and_its_connection_stays() {
    let mut scene = Scene::begin().await;
    let mut call = head(1, "Hang", 0);
    call.extend(message(1, "x"));
    scene.attacker.write_all(&call).await.unwrap();
    soon(scene.greeter.begun.recv()).await.unwrap();
    let reset = frame(kind::RST_STREAM, 0, 1, &[0, 0, 0, 8]);
    scene.attacker.write_all(&reset).await.unwrap();
    soon(scene.greeter.dropped.recv()).await.unwrap();
    let ping = frame(kind::PING, 0, 0, b"stillyou");
    scene.attacker.write_all(&ping).await.unwrap();
    let mut heard = Vec::new();
    while !heard.windows(8).any(|part| part == b"stillyou") {
        let read = soon(scene.attacker.read_buf(&mut heard)).await.unwrap();
        assert_ne!(read, 0, "the connection stays");
    }
}

#[tokio::test]
async fn windows_that_stay_shut_end_the_connection_and_hold_little() {
    // Patience is short here, so that it ends while the test waits.
    let greeter = serve_with(|limits| limits.frame_timeout = Duration::from_millis(300)).await;
    let mut attacker = TcpStream::connect(greeter.address()).await.unwrap();
    attacker.write_all(PREFACE).await.unwrap();
    // INITIAL_WINDOW_SIZE of nothing.
    let settings = frame(kind::SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    attacker.write_all(&settings).await.unwrap();
    for number in 0..10 {
        let stream = number * 2 + 1;
        let mut call = head(stream, "Hello", 0);
        call.extend(message(stream, "John"));
        attacker.write_all(&call).await.unwrap();
    }
    let closed = async {
        let mut rest = [0; 16 << 10];
        while attacker.read(&mut rest).await.is_ok_and(|read| read > 0) {}
    };
    soon(closed).await;
}

#[tokio::test]
async fn requests_taken_back_one_by_one_end_the_connection() {
    let Scene {
        mut greeter,
        mut attacker,
        ..
    } = Scene::begin().await;
    let (mut from, mut to) = attacker.split();
    let flood = async {
        for number in 0..20_000 {
            let stream = number * 2 + 1;
            let mut call = head(stream, "Hang", 0);
            call.extend(message(stream, "x"));
            if to.write_all(&call).await.is_err() {
                return;
            }
            // As slow as the server begins them, so that none is reset before it was looked at.
            if tokio::time::timeout(Duration::from_secs(1), greeter.begun.recv())
                .await
                .is_err()
            {
                return;
            }
            let reset = frame(kind::RST_STREAM, 0, stream, &[0, 0, 0, 8]);
            if to.write_all(&reset).await.is_err() {
                return;
            }
        }
        panic!("20,000 requests were taken back on one connection");
    };
    let closed = async {
        let mut rest = [0; 16 << 10];
        while from.read(&mut rest).await.is_ok_and(|read| read > 0) {}
    };
    let both = async { tokio::join!(flood, closed) };
    let closed = tokio::time::timeout(Duration::from_secs(60), both).await;
    assert!(closed.is_ok(), "the connection is closed");
}

/// A message of that many bytes, as the last of a stream.
fn large(stream: u32, length: usize) -> Vec<u8> {
    let varint = |number: usize| {
        [
            number as u8 | 0x80,
            (number >> 7) as u8 | 0x80,
            (number >> 14) as u8,
        ]
    };
    let mut message = vec![10];
    message.extend(varint(length));
    message.resize(message.len() + length, b'x');
    let mut body = vec![0];
    body.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    body.extend(message);
    let parts = body.chunks(16_384);
    let last = parts.len() - 1;
    let frames = parts
        .enumerate()
        .flat_map(|(place, part)| frame(kind::DATA, u8::from(place == last), stream, part));
    frames.collect()
}

#[tokio::test]
async fn slow_reader_of_a_large_answer_keeps_its_streams() {
    let greeter = serve_with(|limits| limits.frame_timeout = Duration::from_secs(1)).await;
    let mut reader = TcpStream::connect(greeter.address()).await.unwrap();
    reader.write_all(PREFACE).await.unwrap();
    // INITIAL_WINDOW_SIZE of nothing.
    let settings = frame(kind::SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    reader.write_all(&settings).await.unwrap();
    let mut heard = vec![0; 9];
    soon(reader.read_exact(&mut heard)).await.unwrap();
    const LENGTH: usize = 100_000;
    // The server's own windows count once its settings are acknowledged.
    let acknowledged = frame(kind::SETTINGS, 1, 0, &[]);
    let call = [acknowledged, head(1, "Hello", 0), large(1, LENGTH)].concat();
    reader.write_all(&call).await.unwrap();
    let step = 20_000_u32.to_be_bytes();
    let (mut data, mut steps) = (0, 0);
    while data < LENGTH {
        // Slower than all of it within the limit, and faster than nothing.
        tokio::time::sleep(Duration::from_millis(300)).await;
        for stream in [0, 1] {
            let open = frame(kind::WINDOW_UPDATE, 0, stream, &step);
            reader.write_all(&open).await.unwrap();
        }
        let part = async {
            loop {
                match tokio::time::timeout(Duration::from_millis(1), reader.read_buf(&mut heard))
                    .await
                {
                    Ok(read) => assert_ne!(read.unwrap(), 0, "the connection was ended"),
                    Err(_) => return,
                }
            }
        };
        soon(part).await;
        data = heard.iter().filter(|byte| **byte == b'x').count();
        steps += 1;
        let tail = &heard[heard.len().saturating_sub(40)..];
        assert!(steps < 20, "{data} of {} bytes came: {tail:?}", heard.len());
    }
}

#[tokio::test]
async fn stalled_request_body_is_given_up_without_a_deadline() {
    let greeter = serve_with(|limits| limits.frame_timeout = Duration::from_millis(300)).await;
    let mut slow = TcpStream::connect(greeter.address()).await.unwrap();
    slow.write_all(PREFACE).await.unwrap();
    let settings = frame(kind::SETTINGS, 0, 0, &[]);
    slow.write_all(&settings).await.unwrap();
    // Half a message; and a whole one that is not said to be the last.
    let whole = [0, 0, 0, 0, 3, 10, 1, b'x'];
    for (stream, part) in [(1, &whole[..6]), (3, &whole[..])] {
        let call = [head(stream, "Hello", 0), frame(kind::DATA, 0, stream, part)];
        slow.write_all(&call.concat()).await.unwrap();
    }
    let mut heard = Vec::new();
    let answered = |heard: &[u8], stream: u8| {
        let head = [kind::HEADERS, 5, 0, 0, 0, stream];
        heard.windows(6).any(|part| part == head)
    };
    while !(answered(&heard, 1) && answered(&heard, 3)) {
        let read = soon(slow.read_buf(&mut heard)).await.unwrap();
        assert_ne!(read, 0, "the connection stays");
    }
}

#[tokio::test]
async fn frame_that_does_not_come_whole_ends_the_connection() {
    let greeter = serve_with(|limits| {
        limits.frame_timeout = Duration::from_millis(200);
        limits.keepalive_interval = Duration::from_millis(100);
    })
    .await;
    let mut attacker = TcpStream::connect(greeter.address()).await.unwrap();
    attacker.write_all(PREFACE).await.unwrap();
    let settings = frame(kind::SETTINGS, 0, 0, &[]);
    attacker.write_all(&settings).await.unwrap();
    attacker
        .write_all(&head(1, "Hello", 0)[..20])
        .await
        .unwrap();
    let closed = async {
        let mut rest = [0; 1024];
        while attacker.read(&mut rest).await.is_ok_and(|read| read > 0) {}
    };
    soon(closed).await;
}

#[tokio::test]
async fn peer_that_gives_no_sign_of_life_is_given_up() {
    let greeter = serve_with(|limits| {
        limits.keepalive_interval = Duration::from_millis(100);
        limits.keepalive_timeout = Duration::from_millis(100);
    })
    .await;
    let mut silent = TcpStream::connect(greeter.address()).await.unwrap();
    silent.write_all(PREFACE).await.unwrap();
    silent
        .write_all(&frame(kind::SETTINGS, 0, 0, &[]))
        .await
        .unwrap();
    let mut heard = Vec::new();
    soon(silent.read_to_end(&mut heard)).await.unwrap();
    let asked = [0, 0, 8, kind::PING, 0, 0, 0, 0, 0];
    assert!(heard.windows(9).any(|part| part == asked), "it was asked");
}

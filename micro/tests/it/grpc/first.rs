//! The first burst on a new connection: a server says how many requests it takes at a time, and gets no more.

use std::{collections::BTreeSet, time::Duration};

use micro::{Client, Code, Context, Outcome, Plugins, Result, protocols::Grpc, registry::Memory};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{
    greeter::{Greeting, Hello, hello},
    soon,
};

const CALLS: usize = 32;
const LIMIT: usize = 2;
/// After this it fails, so that what is wrong is told instead of tried again.
const TIME: Duration = Duration::from_secs(4);

mod kind {
    pub(super) const DATA: u8 = 0;
    pub(super) const HEADERS: u8 = 1;
    pub(super) const RST_STREAM: u8 = 3;
    pub(super) const SETTINGS: u8 = 4;
}

mod code {
    pub(super) const REFUSED_STREAM: u8 = 7;
    /// By which servers of gRPC's C core end what is too much, done or not.
    pub(super) const ENHANCE_YOUR_CALM: u8 = 11;
}

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// SETTINGS of which the maximum of concurrent streams is `most`.
fn settings(most: usize) -> Vec<u8> {
    let most = u32::try_from(most).unwrap().to_be_bytes();
    frame(kind::SETTINGS, 0, 0, &[&[0, 3], &most[..]].concat())
}

/// A field of a header block that no table remembers.
fn field(name: &str, value: &str) -> Vec<u8> {
    let mut field = vec![0];
    for text in [name, value] {
        field.push(u8::try_from(text.len()).unwrap());
        field.extend(text.as_bytes());
    }
    field
}

/// A whole answer of gRPC: an empty message that went well.
fn answer(stream: u32) -> Vec<u8> {
    let head = [vec![0x88], field("content-type", "application/grpc")].concat();
    [
        frame(kind::HEADERS, END_HEADERS, stream, &head),
        frame(kind::DATA, 0, stream, &[0; 5]),
        frame(
            kind::HEADERS,
            END_HEADERS | END_STREAM,
            stream,
            &field("grpc-status", "0"),
        ),
    ]
    .concat()
}

/// The whole frames in what was read: kind, flags, stream.
fn frames(read: &mut Vec<u8>) -> Vec<(u8, u8, u32)> {
    let mut frames = Vec::new();
    while let Some(head) = read.first_chunk::<9>().copied() {
        let length = 9 + u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        if read.len() < length {
            break;
        }
        let stream = u32::from_be_bytes(head[5..].try_into().unwrap());
        frames.push((head[3], head[4], stream));
        read.drain(..length);
    }
    frames
}

/// Reads what the client says first.
async fn greeted(listener: &TcpListener) -> (TcpStream, Vec<u8>) {
    let (mut socket, _) = listener.accept().await.unwrap();
    let mut read = Vec::new();
    while read.len() < 24 {
        assert!(socket.read_buf(&mut read).await.unwrap() > 0);
    }
    read.drain(..24);
    (socket, read)
}

/// A server that answers as many requests at a time as it said, and resets the others.
async fn strict(listener: TcpListener) -> Result<(), &'static str> {
    let (mut socket, mut read) = greeted(&listener).await;
    socket.write_all(&settings(LIMIT)).await.unwrap();
    let (mut open, mut ended) = (BTreeSet::new(), 0);
    while ended < CALLS {
        let mut out = Vec::new();
        for (kind, flags, stream) in frames(&mut read) {
            match kind {
                kind::HEADERS if open.len() == LIMIT => {
                    let why = [0, 0, 0, code::ENHANCE_YOUR_CALM];
                    out.extend(frame(kind::RST_STREAM, 0, stream, &why));
                }
                kind::HEADERS => drop(open.insert(stream)),
                kind::SETTINGS if flags & ACK == 0 => out.extend(frame(kind, ACK, 0, &[])),
                kind::DATA if flags & END_STREAM != 0 && open.remove(&stream) => {
                    // Its place is free when the answer has been read, which is after all of these.
                    ended += 1;
                    out.extend(answer(stream));
                }
                _ => {}
            }
        }
        socket.write_all(&out).await.unwrap();
        if ended < CALLS && socket.read_buf(&mut read).await.unwrap() == 0 {
            return Err("the client closed it");
        }
    }
    // Until the last answer was read.
    let _ = socket.read_to_end(&mut read).await;
    Ok(())
}

fn client() -> Client {
    let plugins = Plugins::new().registry(Memory::new());
    plugins.transport(Grpc::new()).client().unwrap()
}

async fn call(client: Client, address: String) -> Result<Greeting> {
    let method = client.method::<Hello, Greeting>("greeter", "Greeter.Hello");
    let context = Context::new().with_timeout(TIME);
    method.call(&context, hello("John")).address(&address).await
}

#[tokio::test]
async fn first_burst_keeps_to_the_limit_of_the_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(strict(listener));
    let client = client();
    let mut calls = JoinSet::new();
    for _ in 0..CALLS {
        calls.spawn(call(client.clone(), address.clone()));
    }
    let answers = soon(calls.join_all()).await;
    let failed: Vec<_> = answers.into_iter().filter_map(Result::err).collect();
    assert!(failed.is_empty(), "{}: {}", failed.len(), failed[0]);
    drop(client);
    soon(server).await.unwrap().unwrap();
}

#[tokio::test]
async fn nothing_is_sent_before_the_server_has_said_its_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let calling = tokio::spawn(call(client(), address));
    let (mut socket, mut read) = soon(greeted(&listener)).await;
    // It gives up on a server that does not greet: all it said until then was of the connection.
    while soon(socket.read_buf(&mut read)).await.unwrap_or(0) > 0 {}
    let kinds: Vec<_> = frames(&mut read).into_iter().map(|one| one.0).collect();
    assert!(kinds.contains(&kind::SETTINGS), "{kinds:?}");
    assert!(!kinds.contains(&kind::HEADERS), "{kinds:?}");
    drop((socket, listener));
    let error = soon(calling).await.unwrap().unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotSent, "{error}");
}

#[tokio::test]
async fn refused_stream_is_rejected() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    // Without retries: a refused call may be made again.
    let plugins = Plugins::new().registry(Memory::new()).balance(|balance| {
        balance.retry_share = 0.0;
        balance.retries_per_second = 0.0;
    });
    let client = plugins.transport(Grpc::new()).client().unwrap();
    let calling = tokio::spawn(call(client, address));
    let (mut socket, mut read) = soon(greeted(&listener)).await;
    socket.write_all(&settings(LIMIT)).await.unwrap();
    let stream = loop {
        let begun = frames(&mut read)
            .into_iter()
            .find(|one| one.0 == kind::HEADERS);
        match begun {
            Some((_, _, stream)) => break stream,
            None => assert!(soon(socket.read_buf(&mut read)).await.unwrap() > 0),
        }
    };
    let why = [0, 0, 0, code::REFUSED_STREAM];
    let refusal = frame(kind::RST_STREAM, 0, stream, &why);
    socket.write_all(&refusal).await.unwrap();
    let error = soon(calling).await.unwrap().unwrap_err();
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    assert_eq!(error.outcome(), Outcome::Rejected, "{error}");
}

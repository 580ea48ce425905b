//! HTTP/2 spoken by hand, to say what no client would: each wrong message is refused as RFC 9113 has it, no
//! handler hears of it, and nobody else pays.

mod access;
mod blocks;
mod frames;
mod heads;
mod peer;
mod states;
mod trailers;

use std::{sync::Arc, time::Duration};

use micro::{Context, Plugins, Running, Service, registry::Memory};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use peer::{Peer, frame, kind};

/// Codes of errors: section 7.
mod code {
    pub(super) const PROTOCOL: u32 = 1;
    pub(super) const FLOW_CONTROL: u32 = 3;
    pub(super) const STREAM_CLOSED: u32 = 5;
    pub(super) const FRAME_SIZE: u32 = 6;
    pub(super) const COMPRESSION: u32 = 9;
}

/// What comes of bytes that are wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Its stream is reset with this code; the connection stays.
    Reset(u32),
    /// The connection ends, with this code in GOAWAY, or with the one of unspecific errors, by which `h2` ends
    /// those that it finds in a frame's own bytes.
    GoAway(u32),
    /// It is answered by this status; the connection stays.
    Status(u16),
}

/// Section, expected end, what is wrong, and the bytes after the preface.
type Case = (&'static str, End, String, Vec<u8>);

#[derive(Clone, Debug, Default, Serialize, Deserialize, micro::Message)]
#[serde(default)]
struct Hello {
    name: String,
}

/// A field of a header block.
type Field<'a> = (&'a [u8], &'a [u8]);

/// The head of a request for `Greeter.Hello`.
const HEAD: [Field<'static>; 5] = [
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":authority", b"a"),
    (b":path", b"/Greeter.Hello"),
    (b"content-type", b"application/json"),
];

/// A body that says that its request should not have been heard.
const BAD: &[u8] = br#"{"name":"bad"}"#;
const GOOD: &[u8] = br#"{"name":"good"}"#;

/// A block of literals that no table remembers: RFC 7541, section 6.2.2. Lengths must fit seven bits.
fn block(fields: &[Field<'_>]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            assert!(text.len() < 127);
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(*text);
        }
    }
    block
}

/// HEADERS that begin stream 1, and leave it open.
fn head(fields: &[Field<'_>]) -> Vec<u8> {
    frame(kind::HEADERS, 4, 1, &block(fields))
}

/// A request of these fields.
fn request(fields: &[Field<'_>]) -> Vec<u8> {
    [head(fields), frame(kind::DATA, 1, 1, BAD)].concat()
}

/// A request of which this field is wrong.
fn with(name: &[u8], value: &[u8]) -> Vec<u8> {
    request(&[&HEAD[..], &[(name, value)]].concat())
}

/// A request that has this value in place of that of a pseudo-header.
fn instead(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut fields = HEAD;
    let field = fields.iter_mut().find(|field| field.0 == name);
    field.unwrap().1 = value;
    request(&fields)
}

/// A service, and the names that its handler has heard.
async fn greeter() -> (Running, Arc<Mutex<Vec<String>>>) {
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let hears = heard.clone();
    let hello = move |_: Context, hello: Hello| {
        hears.lock().push(hello.name.clone());
        async move { Ok::<_, micro::Error>(hello) }
    };
    let running = Service::new("greeter")
        .allow_host("a")
        .plugins(Plugins::new().registry(Memory::new()))
        .handle("Greeter.Hello", hello)
        .lifecycle(|life| life.deregister_delay = Duration::ZERO)
        .serve()
        .await
        .unwrap();
    (running, heard)
}

/// A good request on a stream of this number.
fn good(stream: u32) -> Vec<u8> {
    let head = frame(kind::HEADERS, 4, stream, &block(&HEAD));
    [head, frame(kind::DATA, 1, stream, GOOD)].concat()
}

/// Tries all cases, each on a connection of its own.
///
/// Where a message is malformed and what is wrong cannot be read as a field at all, the connection ends where
/// its stream might do: section 5.4.1 leaves that to each side.
async fn check(cases: Vec<Case>, at_least: usize) {
    assert!(cases.len() >= at_least, "{}", cases.len());
    let (running, heard) = greeter().await;
    let address = &running.node().address;
    let mut wrong = Vec::new();
    for (section, expected, what, bytes) in &cases {
        let mut peer = Peer::connect(address).await;
        peer.send(bytes).await;
        let end = peer.end_after(&good(101), 101).await;
        let is_unspecific = end == Ok(End::GoAway(code::PROTOCOL));
        let fits = is_unspecific && matches!(expected, End::GoAway(_));
        if end != Ok(*expected) && !fits {
            let text = format!("section {section}: {what:?} should end in {expected:?}: {end:?}");
            wrong.push(text);
        }
        let heard = std::mem::take(&mut *heard.lock());
        if heard.iter().any(|name| name != "good") {
            wrong.push(format!("section {section}: {what:?} was heard"));
        }
    }
    // Whatever they did to their own connections.
    let mut peer = Peer::connect(address).await;
    assert_eq!(peer.end_after(&good(1), 1).await, Ok(End::Status(200)));
    let (count, text) = (wrong.len(), wrong.join("\n"));
    assert!(wrong.is_empty(), "{count} of {}:\n{text}", cases.len());
    drop(peer);
    running.stop().await;
}

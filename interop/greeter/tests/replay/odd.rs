//! What was asked of a server of v6 by hand, asked of ours: where it answers otherwise, it is said here.

use micro_rs_interop_greeter::EVENTS;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{
    capture::{self, Section, Step},
    server::{greeter, replay},
    wire::{Incoming, Message},
};

/// What our server does with a connection.
enum Ours {
    /// The same.
    Same,
    /// Replies of these bodies in this order.
    Replies(Vec<Value>),
    /// The same replies, in whatever order the streams and calls among them have.
    InAnyOrder(Vec<(Option<&'static str>, Value)>),
}

fn ours(name: &str) -> Ours {
    let hello = json!({ "msg": "Hello John" });
    let echo = |text: &str| json!({ "text": format!("echo {text}") });
    let begins = |text: &str| name.contains(&format!(": {text}"));
    if begins("X-Micro- names only") || begins("a parameter after the content type") {
        // Served, as v1.1 serves the former; nobody means anything else by the latter.
        return Ours::Replies(vec![hello]);
    }
    if begins("two unary requests at once") {
        // None is lost.
        return Ours::Replies(vec![json!({ "ms": 200 }), hello]);
    }
    if begins("EOS for a stream that is not open") {
        // Ignored, as v1.18 and v2.9 do.
        return Ours::Replies(vec![]);
    }
    if begins("two streams on one connection") {
        // Each by its own number.
        return Ours::InAnyOrder(vec![
            (Some("a"), echo("A1")),
            (Some("a"), echo("A2")),
            (Some("b"), echo("B1")),
        ]);
    }
    if begins("a unary call beside an open stream") || begins("client ends the stream") {
        return Ours::InAnyOrder(vec![(None, hello), (Some("a"), echo("A1"))]);
    }
    Ours::Same
}

#[tokio::test]
async fn odd_requests_are_answered_as_v6_does_or_better() {
    let running = greeter().await;
    let sections = capture::read("v6-server-odd-requests");
    assert_eq!(sections.len(), 29);
    let mut otherwise = 0;
    for section in sections {
        let expected = match ours(&section.name) {
            Ours::Same => {
                replay(&running, &section).await;
                continue;
            }
            other => other,
        };
        otherwise += 1;
        let address = &running.node().address;
        let (read, mut write) = TcpStream::connect(address).await.unwrap().into_split();
        write.write_all(&asked(&section)).await.unwrap();
        let mut incoming = Incoming::new(read);
        match expected {
            Ours::Same => {}
            Ours::Replies(bodies) => {
                for body in bodies {
                    assert_eq!(
                        told(&incoming.next().await.unwrap()),
                        body,
                        "{}",
                        section.name
                    );
                }
            }
            Ours::InAnyOrder(bodies) => {
                let mut all = Vec::new();
                for _ in 0..bodies.len() {
                    let reply = incoming.next().await.unwrap();
                    all.push((
                        reply.header("micro-stream").map(str::to_owned),
                        told(&reply),
                    ));
                }
                // Of one stream they come in their order.
                all.sort_by(|one, other| one.0.cmp(&other.0));
                let expected = bodies.into_iter();
                let expected: Vec<_> = expected
                    .map(|(stream, body)| (stream.map(str::to_owned), body))
                    .collect();
                assert_eq!(all, expected, "{}", section.name);
            }
        }
        // Whatever it was, the connection goes on.
        write.write_all(HELLO).await.unwrap();
        assert_eq!(
            told(&incoming.next().await.unwrap()),
            json!({ "msg": "Hello again" })
        );
    }
    assert_eq!(
        otherwise, 7,
        "every deviation is of a section that is there"
    );
    let events = events(&running).await;
    assert_eq!(
        events,
        json!(["via-transport"]),
        "the event reached the subscriber of {EVENTS}"
    );
    running.stop().await;
}

const HELLO: &[u8] =
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 16\r\nContent-Type: application/json\r\n\
    Micro-Endpoint: Greeter.Hello\r\n\r\n{\"name\":\"again\"}";

fn asked(section: &Section) -> Vec<u8> {
    let mut all = Vec::new();
    for step in &section.steps {
        if let Step::ToServer(bytes) = step {
            all.extend(bytes);
        }
    }
    all
}

fn told(reply: &Message) -> Value {
    assert_eq!(reply.header("micro-error"), None, "{reply:?}");
    serde_json::from_str(reply.text()).unwrap()
}

async fn events(running: &micro::Running) -> Value {
    let address = &running.node().address;
    let (read, mut write) = TcpStream::connect(address).await.unwrap().into_split();
    let request =
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Type: application/json\r\n\
        Micro-Endpoint: Greeter.Events\r\n\r\n";
    write.write_all(request).await.unwrap();
    told(&Incoming::new(read).next().await.unwrap())["names"].clone()
}

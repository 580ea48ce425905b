//! What clients of every version sent, to our server: an answer that the recorded client takes for the one
//! that it got.

use std::collections::BTreeMap;

use micro::Running;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::{
    FILES,
    capture::{self, Section, Way},
    field,
    frame::{Content, Fields, Frame},
    meaning, payload,
    peer::Peer,
};
use crate::{judge, server::greeter};

#[tokio::test]
async fn grpc_clients_of_every_version_get_the_answers_they_got() {
    let running = greeter().await;
    for file in FILES {
        for section in capture::read(file) {
            replay(&running, &section).await;
        }
    }
    running.stop().await;
}

async fn replay(running: &Running, section: &Section) {
    let name = &section.name;
    let socket = TcpStream::connect(&running.node().address).await.unwrap();
    let mut peer = Peer::new(socket);
    let mut asked: BTreeMap<u32, String> = BTreeMap::new();
    for (way, frame) in &section.frames {
        match (way, &frame.content) {
            (Way::ToServer, content) => {
                if let Content::Headers(fields) = content {
                    let path = field(fields, ":path").unwrap();
                    asked.insert(frame.stream, path.to_owned());
                }
                peer.send(frame).await;
            }
            (Way::FromServer, Content::Headers(_)) if is_refused_by_go(section) => {
                is_served(name, &mut peer).await;
            }
            (Way::FromServer, Content::Headers(_) | Content::Data(_)) => {
                let ours = peer.next(frame.stream).await;
                let ours = ours.unwrap_or_else(|| panic!("{name}: closed"));
                answer(name, &asked[&frame.stream], frame, &ours);
            }
            // Windows, probes and acknowledgements are each side's own; a reset beside a whole answer is
            // leave not to send the rest, which a server need not give.
            (Way::FromServer, _) => {}
        }
    }
    peer.ends(name).await;
}

/// Whether it is the stream whose content type says Protobuf and whose messages are JSON: the client sent
/// what its own server could not read. Ours goes by what is said beside the content type.
fn is_refused_by_go(section: &Section) -> bool {
    section.name.starts_with("v1-grpc-json-stream: 2")
}

async fn is_served(name: &str, peer: &mut Peer) {
    let mut answer = Vec::new();
    for _ in 0..5 {
        let frame = peer.next(1).await;
        answer.push(frame.unwrap_or_else(|| panic!("{name}: closed")));
    }
    let Content::Headers(head) = &answer[0].content else {
        panic!("{name}: {answer:?}");
    };
    assert_eq!(field(head, "content-type"), Some("application/grpc"));
    for (n, frame) in answer[1..4].iter().enumerate() {
        let Content::Data(data) = &frame.content else {
            panic!("{name}: {answer:?}");
        };
        assert_eq!(meaning(payload(data)), json!({ "n": n + 1 }));
    }
    let Content::Headers(trailers) = &answer[4].content else {
        panic!("{name}: {answer:?}");
    };
    assert_eq!(field(trailers, "grpc-status"), Some("0"), "{name}");
}

/// That a frame of ours says what the recorded one says, in the same place.
fn answer(name: &str, path: &str, recorded: &Frame, ours: &Frame) {
    assert_eq!(ours.ends(), recorded.ends(), "{name}: {ours:?}");
    match (&recorded.content, &ours.content) {
        (Content::Headers(recorded), Content::Headers(ours)) => fields(name, recorded, ours),
        (Content::Data(recorded), Content::Data(ours)) => {
            let (recorded, ours) = (meaning(payload(recorded)), meaning(payload(ours)));
            match path.ends_with("/Echo") {
                true => judge::echo(name, &seen(&recorded), &ours),
                false => assert_eq!(ours, recorded, "{name}"),
            }
        }
        (recorded, ours) => panic!("{name}: {ours:?} for {recorded:?}"),
    }
}

/// What the handler saw of the caller, and not of its connection.
fn seen(echo: &Value) -> Value {
    let mut echo = echo.clone();
    let metadata = echo["metadata"].as_object_mut().unwrap();
    for of_connection in [":authority", "content-type"] {
        assert!(metadata.remove(of_connection).is_some());
    }
    echo
}

/// Headers or trailers: everything that was recorded, but the words for an endpoint that is not there.
fn fields(name: &str, recorded: &Fields, ours: &Fields) {
    let unknown = field(recorded, "grpc-status") == Some("12");
    for (header, value) in recorded {
        match (&**header, field(ours, header)) {
            // One that says nothing may be left out.
            ("grpc-message", None) if value.is_empty() => {}
            ("grpc-message", Some(said)) if unknown => assert!(!said.is_empty(), "{name}"),
            // Of bare words a client makes an error with status 500; ours says so itself.
            ("grpc-message", Some(said)) if !value.starts_with('{') => {
                let told: Value = serde_json::from_str(said).unwrap();
                assert_eq!(
                    (&told["detail"], &told["code"]),
                    (&json!(value), &json!(500))
                );
            }
            (_, said) => assert_eq!(said, Some(&**value), "{name}: {header}"),
        }
    }
    let pseudo = ours.iter().filter(|(header, _)| header.starts_with(':'));
    assert!(pseudo.count() <= 1, "{name}: {ours:?}");
}

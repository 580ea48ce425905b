//! What servers of every version sent, to our client: it asks what the recorded client asked, and reads what
//! that read.
//!
//! Our client numbers its streams as the recorded one did, so the frames of a server fit it as they are, each
//! once the frames of streams before it have come.

use std::time::Duration;

use bytes::Bytes;
use micro::{
    Code, ContentType, Context, Error, Outcome, Plugins, Result, Socket, Streaming,
    registry::{Memory, Node, Registry},
};
use serde_json::Value;
use tokio::net::TcpListener;

use super::{
    FILES,
    capture::{self, Section, Way},
    field,
    frame::{Content, Fields, Frame},
    meaning, payload,
    peer::Peer,
};

#[tokio::test]
async fn grpc_answers_of_every_version_are_read_as_they_were_meant() {
    for file in FILES {
        for section in capture::read(file) {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap().to_string();
            tokio::join!(calls(&section, &address), serve(&section, listener));
        }
    }
}

/// Plays the server.
async fn serve(section: &Section, listener: TcpListener) {
    let name = &section.name;
    let (socket, _) = listener.accept().await.unwrap();
    let mut peer = Peer::new(socket);
    peer.preface().await;
    for (way, frame) in &section.frames {
        match (way, &frame.content) {
            (Way::ToServer, Content::Headers(_) | Content::Data(_) | Content::Reset(8)) => {
                let ours = peer.next(frame.stream).await;
                let ours = ours.unwrap_or_else(|| panic!("{name}: closed"));
                asks(name, frame, &ours);
                if frame.ends() {
                    // Head and message leave together, and nothing after them says that they were all.
                    assert!(ours.ends(), "{name}");
                }
            }
            // Ours are its own, and so is what answers them.
            (Way::ToServer, _) => {}
            (Way::FromServer, Content::Ping) if frame.acknowledges() => {}
            (Way::FromServer, _) => peer.send(frame).await,
        }
    }
}

/// That what our client sends is what the recorded server takes for what it got.
fn asks(name: &str, recorded: &Frame, ours: &Frame) {
    match (&recorded.content, &ours.content) {
        (Content::Headers(recorded), Content::Headers(ours)) => {
            assert_eq!(field(ours, "te"), Some("trailers"), "{name}");
            for (header, value) in recorded {
                let said = field(ours, header);
                match &**header {
                    // Its own, or of the run.
                    ":authority" | "user-agent" => assert!(said.is_some(), "{name}: {header}"),
                    // In nanoseconds for those who read no `grpc-timeout`, of which there are none.
                    "timeout" => {}
                    // What a server takes when nobody says anything.
                    "x-content-type" if value == "application/protobuf" => assert_eq!(said, None),
                    "micro-trace-id" | "micro-span-id" | "micro-from-service" => {}
                    "grpc-timeout" => {
                        let digits = said.unwrap().trim_end_matches(char::is_alphabetic);
                        assert!(digits.parse::<u64>().is_ok(), "{name}: {said:?}");
                    }
                    "content-type" if value == "application/grpc" => {
                        // The recorded client said Protobuf of its JSON.
                        assert_eq!(said, Some("application/grpc+json"), "{name}");
                    }
                    _ => assert_eq!(said, Some(&**value), "{name}: {header}"),
                }
            }
        }
        (Content::Data(theirs), Content::Data(data)) => {
            assert_eq!(meaning(payload(data)), meaning(payload(theirs)), "{name}");
        }
        (recorded, ours) => assert_eq!(ours, recorded, "{name}"),
    }
}

/// One stream, as it was recorded.
#[derive(Debug, Default)]
struct Call {
    head: Fields,
    messages: Vec<Bytes>,
    answers: Vec<Bytes>,
    /// `None` where the server did not end it.
    trailers: Option<Fields>,
}

fn recorded(section: &Section) -> Vec<Call> {
    let mut all: Vec<Call> = Vec::new();
    for (way, frame) in &section.frames {
        match (way, &frame.content) {
            (Way::ToServer, Content::Headers(fields)) => all.push(Call {
                head: fields.clone(),
                ..Call::default()
            }),
            (way, Content::Data(data)) => {
                let call = all.last_mut().unwrap();
                let messages = match way {
                    Way::ToServer => &mut call.messages,
                    Way::FromServer => &mut call.answers,
                };
                messages.push(payload(data).to_vec().into());
            }
            (Way::FromServer, Content::Headers(fields)) if frame.ends() => {
                all.last_mut().unwrap().trailers = Some(fields.clone());
            }
            _ => {}
        }
    }
    all
}

/// Plays the client: makes the calls that were made and reads what came of them.
async fn calls(section: &Section, address: &str) {
    let name = &section.name;
    let node = Node::new("greeter", "greeter-1", address)
        .with_metadata("server", "grpc")
        .with_metadata("transport", "grpc")
        .with_metadata("protocol", "grpc");
    let registry = Memory::new();
    registry.register(&node, None).await.unwrap();
    let plugins = Plugins::new().registry(registry).transport(Socket::new());
    let client = plugins.client().unwrap();
    for call in recorded(section) {
        let path = field(&call.head, ":path").unwrap();
        let endpoint = path.strip_prefix("/greeter.").unwrap().replace('/', ".");
        let content_type = match field(&call.head, "x-content-type") {
            Some("application/json") => ContentType::Json,
            _ => ContentType::Protobuf,
        };
        let cx = context(&call);
        match &*endpoint {
            "Greeter.Count" => {
                let method = client
                    .method::<Bytes, Streaming<Bytes>>("greeter", &endpoint)
                    .content_type(content_type);
                let answers = method.call(&cx, call.messages[0].clone()).await;
                let mut answers = match answers {
                    Ok(answers) => answers,
                    Err(error) => {
                        ended(name, &call, Some(Err(error)));
                        continue;
                    }
                };
                for expected in &call.answers {
                    let answer = answers.next().await.unwrap().unwrap();
                    assert_eq!(meaning(&answer), meaning(expected), "{name}");
                }
                ended(name, &call, answers.next().await);
            }
            "Greeter.Chat" => {
                let method = client
                    .method::<Streaming<Bytes>, Streaming<Bytes>>("greeter", &endpoint)
                    .content_type(content_type);
                let (sender, stream) = Streaming::channel(1);
                let mut messages = call.messages.iter().cloned();
                // go-micro's servers say nothing, not even a head, before their first message.
                sender.send(messages.next().unwrap()).await.unwrap();
                let mut answers = method.call(&cx, stream).await.unwrap();
                for expected in &call.answers {
                    let answer = answers.next().await.unwrap().unwrap();
                    assert_eq!(meaning(&answer), meaning(expected), "{name}");
                    if let Some(message) = messages.next() {
                        sender.send(message).await.unwrap();
                    }
                }
            }
            _ => {
                let method = client
                    .method::<Bytes, Bytes>("greeter", &endpoint)
                    .content_type(content_type);
                let message = call.messages.first().cloned().unwrap_or_default();
                let answer = method.call(&cx, message).await;
                match (answer, call.answers.first()) {
                    (Ok(answer), Some(expected)) => {
                        assert_eq!(meaning(&answer), meaning(expected), "{name}");
                        ended(name, &call, None);
                    }
                    (answer, _) => ended(name, &call, Some(answer)),
                }
            }
        }
    }
}

/// What the caller gave: its metadata, and its time where it set one other than go-micro's own 5 s.
fn context(call: &Call) -> Context {
    let mut cx = Context::new().with_attempts(1);
    for (header, value) in &call.head {
        if ["mixed-id", "x-test-key", "lower-key"].contains(&&**header) {
            cx = cx.with(header, value);
        }
    }
    let nanos = field(&call.head, "timeout").map_or(0, |text| text.parse().unwrap());
    match nanos {
        0 => cx,
        nanos => cx.with_timeout(Duration::from_nanos(nanos)),
    }
}

/// That a call ended as the recorded one did, after its answers; `None` is the end without an error.
fn ended(name: &str, call: &Call, ours: Option<Result<Bytes>>) {
    let Some(trailers) = &call.trailers else {
        // The caller's time was over.
        let error = ours.unwrap().unwrap_err();
        assert_eq!(error.code(), Code::DeadlineExceeded, "{name}: {error}");
        return;
    };
    match (field(trailers, "grpc-status").unwrap(), ours) {
        ("0", None) => {}
        (status, Some(Err(error))) if status != "0" => {
            assert_eq!(error.code().number().to_string(), status, "{name}: {error}");
            fails(name, field(trailers, "grpc-message").unwrap(), &error);
        }
        (status, ours) => panic!("{name}: {ours:?} for status {status}"),
    }
}

/// An error by the text of its status: go-micro's JSON, or just words.
fn fails(name: &str, text: &str, error: &Error) {
    assert_eq!(error.outcome(), Outcome::Answered, "{name}");
    match serde_json::from_str::<Value>(text) {
        Err(_) => assert_eq!(error.message(), text, "{name}"),
        Ok(told) => {
            assert_eq!(error.http_status(), told["code"], "{name}");
            assert_eq!(error.message(), told["detail"], "{name}");
            assert_eq!(error.origin(), told["id"], "{name}");
        }
    }
}

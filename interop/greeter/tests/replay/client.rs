//! What servers of every version sent, to our client.

use bytes::Bytes;
use micro::{
    Code, ContentType, Context, Error, Plugins, Socket, Streaming,
    registry::{Memory, Node, Registry},
};
use serde_json::Value;
use tokio::{io::AsyncWriteExt, net::TcpListener};

use crate::{
    capture::{self, Section, Step},
    judge::{self, Content, Envelope},
    wire::{self, Incoming, Message},
};

/// Files of what servers sent that our client may call: those of one version on both sides, and the old
/// servers that v6 called.
const SERVERS: [&str; 30] = [
    "2016-05-mucp-http-json-error-bad",
    "2016-05-mucp-http-json-metadata",
    "2016-05-mucp-http-json-stream-bidi",
    "2016-05-mucp-http-json-stream-server",
    "2016-05-mucp-http-json-unary",
    "2016-05-mucp-http-json-unknown",
    "2016-05-mucp-http-proto-error",
    "2016-05-mucp-http-proto-stream-server",
    "2016-05-mucp-http-proto-unary",
    "v1-mucp-http-json-sequential",
    "v1.1-mucp-http-json-stream-server",
    "v1.1-mucp-http-json-unary-error",
    "v2-mucp-http-json-metadata",
    "v2-mucp-http-json-types",
    "v6-client-2016-05-server-json",
    "v6-client-2016-05-server-proto",
    "v6-mucp-http-json-error-bad",
    "v6-mucp-http-json-error-plain",
    "v6-mucp-http-json-metadata",
    "v6-mucp-http-json-plain",
    "v6-mucp-http-json-sequential",
    "v6-mucp-http-json-stream-bidi",
    "v6-mucp-http-json-stream-fail",
    "v6-mucp-http-json-stream-server",
    "v6-mucp-http-json-types",
    "v6-mucp-http-json-unary",
    "v6-mucp-http-json-unknown",
    "v6-mucp-http-proto-error",
    "v6-mucp-http-proto-stream-server",
    "v6-mucp-http-proto-unary",
];

#[tokio::test]
async fn replies_of_every_version_are_read_as_they_were_meant() {
    for file in SERVERS {
        for section in capture::read(file) {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap().to_string();
            let call = call(&section, &address);
            let server = serve(&section, listener);
            tokio::join!(call, server);
        }
    }
}

/// Plays the server: takes as many messages as were sent, and answers with what it answered.
async fn serve(section: &Section, listener: TcpListener) {
    let name = &section.name;
    let (socket, _) = listener.accept().await.unwrap();
    let (read, mut write) = socket.into_split();
    let mut incoming = Incoming::new(read);
    for step in &section.steps {
        match step {
            Step::ToServer(bytes) => {
                for recorded in wire::all(bytes) {
                    match incoming.next().await {
                        Some(ours) => request(name, &recorded, &ours),
                        // Who has heard the end just closes.
                        None => assert_eq!(recorded.micro("error"), Some("EOS"), "{name}: closed"),
                    }
                }
            }
            Step::FromServer(bytes) => write.write_all(bytes).await.unwrap(),
        }
    }
    drop(write);
    assert!(
        incoming.next().await.is_none(),
        "{name}: nothing more is sent"
    );
}

/// That a request of ours is one that the recorded server takes for the recorded one.
fn request(name: &str, recorded: &Message, ours: &Message) {
    assert_eq!(ours.first, "POST / HTTP/1.1", "{name}");
    let bare = |message: &Message| {
        let content_type = message.header("content-type").unwrap().to_owned();
        content_type
            .replace("json-rpc", "json")
            .replace("proto-rpc", "protobuf")
    };
    assert_eq!(bare(ours), bare(recorded), "{name}");
    let envelope = judge::envelope(recorded);
    assert_eq!(judge::envelope(ours), envelope, "{name}");
    if envelope == Envelope::Bare {
        for header in ["micro-service", "micro-method", "micro-endpoint"] {
            assert_eq!(
                ours.header(header),
                recorded.header(header),
                "{name}: {header}"
            );
        }
        assert!(ours.headers.contains_key("micro-id"), "{name}");
    }
    if recorded.headers.contains_key("timeout") {
        let left: u64 = ours.header("timeout").unwrap().parse().unwrap();
        assert!(
            left > 1_000_000_000 && left <= 10_000_000_000,
            "{name}: {left}"
        );
    }
    let (recorded, ours) = (
        judge::content(recorded, envelope),
        judge::content(ours, envelope),
    );
    assert_eq!(ours.endpoint, recorded.endpoint, "{name}");
    assert_eq!(ours.error, recorded.error, "{name}");
    if envelope == Envelope::Json && !ours.body.is_empty() {
        assert!(ours.id.is_number(), "{name}: what up to v0.19 can read");
    }
    let json = |body: &[u8]| serde_json::from_slice::<Value>(body).ok();
    match json(&recorded.body) {
        Some(recorded) => assert_eq!(json(&ours.body), Some(recorded), "{name}"),
        None => assert_eq!(ours.body, recorded.body, "{name}"),
    }
}

/// Plays the client: makes the calls that were made and reads what came of them.
async fn call(section: &Section, address: &str) {
    let name = &section.name;
    let (mut asked, mut told) = (Vec::new(), Vec::new());
    for step in &section.steps {
        match step {
            Step::ToServer(bytes) => asked.extend(wire::all(bytes)),
            Step::FromServer(bytes) => told.extend(wire::all(bytes)),
        }
    }
    let first = asked[0].clone();
    let envelope = judge::envelope(&first);
    let content = |all: Vec<Message>| -> Vec<Content> {
        all.iter()
            .map(|one| judge::content(one, envelope))
            .collect()
    };
    let (asked, told) = (content(asked), content(told));
    let registry = Memory::new();
    let mut node = Node::new("greeter", "greeter-1", address)
        .with_metadata("server", "mucp")
        .with_metadata("transport", "http");
    if envelope == Envelope::Bare {
        node = node.with_metadata("protocol", "mucp");
    }
    registry.register(&node, None).await.unwrap();
    let plugins = Plugins::new().registry(registry).transport(Socket::new());
    let client = plugins.client().unwrap();
    let content_type = match first.header("content-type").unwrap() {
        "application/json" | "application/json-rpc" => ContentType::Json,
        _ => ContentType::Protobuf,
    };
    let mut cx = Context::new().with_attempts(1);
    if first.headers.contains_key("timeout") {
        cx = cx.with_timeout(std::time::Duration::from_secs(10));
    }
    let endpoint = &asked[0].endpoint;
    match &**endpoint {
        "Greeter.Count" => {
            let method = client
                .method::<Bytes, Streaming<Bytes>>("greeter", endpoint)
                .content_type(content_type);
            let mut stream = method
                .call(&cx, asked[1].body.clone().into())
                .await
                .unwrap();
            for recorded in told {
                said(name, stream.next().await, &recorded);
            }
            assert!(stream.next().await.is_none(), "{name}: the end");
        }
        "Greeter.Chat" => {
            let method = client
                .method::<Streaming<Bytes>, Streaming<Bytes>>("greeter", endpoint)
                .content_type(content_type);
            let (sender, stream) = Streaming::channel(1);
            let mut answers = method.call(&cx, stream).await.unwrap();
            let messages = asked[1..].iter().filter(|message| message.error.is_empty());
            for (message, recorded) in messages.zip(&told) {
                sender.send(message.body.clone().into()).await.unwrap();
                said(name, answers.next().await, recorded);
            }
            // Those of 2016 do not say the end, but close.
            if asked.iter().any(|message| message.error == "EOS") {
                drop(sender);
                assert!(answers.next().await.is_none(), "{name}: the end");
            }
        }
        _ => {
            for (asked, recorded) in asked.iter().zip(&told) {
                let method = client
                    .method::<Bytes, Bytes>("greeter", &asked.endpoint)
                    .content_type(content_type.clone());
                let answer = method.call(&cx, asked.body.clone().into()).await;
                said(name, Some(answer), recorded);
            }
        }
    }
}

/// That what our client gives is what the recorded message says.
fn said(name: &str, ours: Option<micro::Result<Bytes>>, recorded: &Content) {
    match (ours, &*recorded.error) {
        (None, "EOS") => {}
        (Some(Ok(body)), "") => {
            let json = |body: &[u8]| serde_json::from_slice::<Value>(body).ok();
            match json(&recorded.body) {
                Some(recorded) => assert_eq!(json(&body), Some(recorded), "{name}"),
                None => assert_eq!(body, recorded.body, "{name}"),
            }
        }
        (Some(Err(error)), text) if !text.is_empty() && text != "EOS" => fault(name, &error, text),
        (ours, _) => panic!("{name}: {ours:?} for {recorded:?}"),
    }
}

fn fault(name: &str, error: &Error, text: &str) {
    let Ok(told) = serde_json::from_str::<Value>(text) else {
        let code = match text.starts_with("rpc: can't find") {
            true => Code::NotFound,
            false => Code::Unknown,
        };
        assert_eq!((error.code(), error.message()), (code, text), "{name}");
        return;
    };
    assert_eq!(error.code().http_status(), told["code"], "{name}");
    assert_eq!(error.message(), told["detail"], "{name}");
    assert_eq!(error.origin(), told["id"], "{name}");
    assert_eq!(error.outcome(), micro::Outcome::Answered, "{name}");
}

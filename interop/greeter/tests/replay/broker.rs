//! Events that HTTP brokers of every version posted, to our subscribers; and ours beside them.

use micro::{
    Client, ContentType, Context, Plugins,
    broker::{Event, http::Style},
    registry::{Memory, Node, Registry},
};
use micro_rs_interop_greeter::EVENTS;
use serde_json::Value;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    time::{Duration, timeout},
};

use crate::{
    capture::{self, Step},
    wire::{self, Incoming, Message},
};

const FILES: [(&str, Style); 3] = [
    ("2016-05-broker-http", Style::V0),
    ("v1-broker-http", Style::V1_18),
    ("v6-broker-http", Style::V2),
];

fn client(registry: &Memory, style: Style) -> Client {
    let plugins = Plugins::new()
        .registry(registry.clone())
        .http_broker(|http| {
            http.register = vec![style];
            http.discover = vec![style];
        });
    plugins.client().unwrap()
}

/// The post of a file and its bytes.
fn recorded(file: &str) -> (Message, Vec<u8>) {
    let mut sections = capture::read(file);
    let section = sections.pop().unwrap();
    let Some(Step::ToServer(bytes)) = section.steps.into_iter().next() else {
        panic!("{file} begins with a post");
    };
    (wire::all(&bytes).pop().unwrap(), bytes)
}

/// The id in a request's target.
fn id(post: &Message) -> &str {
    let target = post.first.split(' ').nth(1).unwrap();
    target.split_once("?id=").unwrap().1
}

#[tokio::test]
async fn events_of_every_version_reach_our_subscribers() {
    for (file, style) in FILES {
        let registry = Memory::new();
        let client = client(&registry, style);
        let mut subscription = client.subscribe(EVENTS, None).await.unwrap();
        let service = registry.list().await.unwrap().pop().unwrap();
        let node = registry.get(&service).await.unwrap().pop().unwrap();
        let (post, bytes) = recorded(file);
        let text = String::from_utf8(bytes).unwrap();
        let text = text.replacen(id(&post), &node.id, 1);
        let (read, mut write) = TcpStream::connect(&node.address)
            .await
            .unwrap()
            .into_split();
        write.write_all(text.as_bytes()).await.unwrap();
        let reply = Incoming::new(read).next().await.unwrap();
        assert_eq!(
            (&*reply.first, reply.body.len()),
            ("HTTP/1.1 200 OK", 0),
            "{file}"
        );
        let delivery = timeout(Duration::from_secs(10), subscription.next()).await;
        let delivery = delivery.unwrap().unwrap();
        assert_eq!(delivery.topic(), EVENTS);
        let event = delivery.event();
        assert_eq!(*event.content_type(), ContentType::Json, "{file}");
        assert_eq!(
            event.context().metadata().get("x-event-key"),
            Some("yes"),
            "{file}"
        );
        let body: Value = serde_json::from_slice(event.body()).unwrap();
        assert!(
            body["name"].as_str().unwrap().starts_with("e17954"),
            "{file}: {body}"
        );
        delivery.ack();
    }
}

#[tokio::test]
async fn our_events_are_what_subscribers_of_every_version_were_sent() {
    for (file, style) in FILES {
        let (post, _) = recorded(file);
        let recorded: Value = serde_json::from_slice(&post.body).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let registry = Memory::new();
        // As a process of that version is registered.
        let service = match style {
            Style::V0 => format!("topic:{EVENTS}"),
            Style::V1_18 => "go.micro.http.broker".to_owned(),
            _ => "micro.http.broker".to_owned(),
        };
        let mut node = Node::new(service, id(&post), address)
            .with_version("ff.http.broadcast")
            .with_metadata("secure", "false");
        if style != Style::V0 {
            node = node
                .with_metadata("broker", "http")
                .with_metadata("topic", EVENTS);
        }
        registry.register(&node, None).await.unwrap();
        let client = client(&registry, style);
        let serving = async {
            let (read, mut write) = listener.accept().await.unwrap().0.into_split();
            let ours = Incoming::new(read).next().await.unwrap();
            write
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                .await
                .unwrap();
            ours
        };
        let body = b"{\"name\":\"e1\"}";
        let event = Event::new(ContentType::Json, &body[..])
            .with_context(Context::new().with("X-Event-Key", "yes"));
        let (received, ours) = tokio::join!(client.publish_raw(EVENTS, event), serving);
        assert_eq!(received.unwrap(), 1);
        assert_eq!(ours.first, post.first, "{file}");
        assert_eq!(
            ours.header("content-type"),
            post.header("content-type"),
            "{file}"
        );
        let ours: Value = serde_json::from_slice(&ours.body).unwrap();
        assert_eq!(ours["Body"], "eyJuYW1lIjoiZTEifQ==", "{file}");
        for (name, value) in recorded["Header"].as_object().unwrap() {
            let told = ours["Header"].as_object().unwrap().iter();
            let mut told = told.filter(|(other, _)| other.eq_ignore_ascii_case(name));
            match &**name {
                "Micro-Id" | "Micro-ID" => assert!(told.next().is_some(), "{file}: {name}"),
                // What wrappers of those versions add.
                "Micro-From-Service" | "X-Micro-From-Service" => {}
                _ => assert_eq!(
                    told.next().map(|(_, value)| value),
                    Some(value),
                    "{file}: {name}"
                ),
            }
        }
    }
}

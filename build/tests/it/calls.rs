//! A service of a `.proto`, called.

use micro::{
    Client, ContentType, Context, Plugins, Result, Routes, Running, Service, Streaming,
    registry::Memory,
};
use prost_types::Timestamp;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::golden::everything::{
    All, Colour, EveryThingApi, EveryThingApiClient, EveryThingApiServer, FILE_DESCRIPTOR_SET,
    Nothing, all::Inner,
};

struct Answers;

impl EveryThingApi for Answers {
    async fn echo(&self, _: Context, request: All) -> Result<All> {
        Ok(request)
    }

    async fn get_url(&self, cx: Context, request: String) -> Result<()> {
        let _ = cx;
        assert_eq!(request, "micro");
        Ok(())
    }

    async fn new_(&self, _: Context, (): ()) -> Result<Nothing> {
        Ok(Nothing {})
    }

    async fn r#match(
        &self,
        _: Context,
        mut inners: Streaming<Inner>,
    ) -> Result<Streaming<Nothing>> {
        let (nothings, stream) = Streaming::channel(8);
        while let Some(inner) = inners.next().await {
            assert_eq!(inner?.first_name, "one");
            nothings.send(Nothing {}).await?;
        }
        Ok(stream)
    }

    async fn old(&self, _: Context, _: Nothing) -> Result<Timestamp> {
        Ok(Timestamp {
            seconds: 5,
            nanos: 0,
        })
    }
}

async fn served() -> (Running, Client) {
    let running = Service::new("everything")
        .plugins(Plugins::new().registry(Memory::new()))
        .routes(EveryThingApiServer::new(Answers))
        .serve()
        .await
        .unwrap();
    let client = running.client();
    (running, client)
}

#[tokio::test]
async fn every_shape_of_call_is_answered() {
    let (_running, client) = served().await;
    let api = EveryThingApiClient::new(&client, "everything");
    let cx = Context::new();

    let all = All {
        colour: Colour::DarkRed.into(),
        a_string: "a".into(),
        ..All::default()
    };
    assert_eq!(api.echo(&cx, all.clone()).await.unwrap(), all);
    api.get_url(&cx, "micro".into()).await.unwrap();
    assert_eq!(api.new_(&cx, ()).await.unwrap(), Nothing {});
    assert_eq!(api.old(&cx, Nothing {}).await.unwrap().seconds, 5);

    let (inners, stream) = Streaming::channel(2);
    for _ in 0..2 {
        inners
            .send(Inner {
                first_name: "one".into(),
                ..Inner::default()
            })
            .await
            .unwrap();
    }
    drop(inners);
    let mut nothings = api.r#match(&cx, stream).await.unwrap();
    let mut count = 0;
    while let Some(nothing) = nothings.next().await {
        assert_eq!(nothing.unwrap(), Nothing {});
        count += 1;
    }
    assert_eq!(count, 2);
}

#[tokio::test]
async fn callers_choose_between_protobuf_and_json() {
    let (_running, client) = served().await;
    let cx = Context::new();
    for content_type in [
        ContentType::Protobuf,
        ContentType::Json,
        ContentType::MsgPack,
    ] {
        let echo = client
            .method::<All, All>("everything", "EveryThing_API.Echo")
            .content_type(content_type.clone());
        let all = All {
            an_int64: i64::MIN,
            ..All::default()
        };
        assert_eq!(echo.call(&cx, all.clone()).await.unwrap(), all);

        // Google's wrappers and `Empty` are plain types of Rust.
        let get = client
            .method::<String, ()>("everything", "EveryThing_API.GetURL")
            .content_type(content_type);
        get.call(&cx, "micro".into()).await.unwrap();
    }
    let untyped =
        client.method::<serde_json::Value, serde_json::Value>("everything", "EveryThing_API.Echo");
    let request = serde_json::json!({"an_int64": 5, "colour": 1});
    let reply = untyped.call(&cx, request).await.unwrap();
    assert_eq!(
        reply,
        serde_json::json!({"anInt64": "5", "colour": "COLOUR_DARK_RED"})
    );
}

#[tokio::test]
async fn record_says_what_the_file_says() {
    let (running, _) = served().await;
    let endpoints = &running.node().endpoints;
    let property = |endpoint: &str, name: &str| {
        let endpoint = endpoints.iter().find(|one| one.name == endpoint);
        endpoint.and_then(|one| one.metadata.get(name)).cloned()
    };
    let names: Vec<_> = endpoints.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(
        names,
        ["Echo", "GetURL", "Match", "New", "Old"].map(|name| format!("EveryThing_API.{name}"))
    );
    let path = |name: &str| property(&format!("EveryThing_API.{name}"), "path");
    assert_eq!(
        path("GetURL").as_deref(),
        Some("/everything.EveryThing_API/GetURL")
    );
    assert_eq!(
        path("New").as_deref(),
        Some("/everything.EveryThing_API/New")
    );
    assert_eq!(
        property("EveryThing_API.Echo", "idempotent").as_deref(),
        Some("true")
    );
    assert_eq!(property("EveryThing_API.Echo", "read_only"), None);
    assert_eq!(property("EveryThing_API.New", "idempotent"), None);
    for name in ["idempotent", "read_only"] {
        let said = property("EveryThing_API.GetURL", name);
        assert_eq!(said.as_deref(), Some("true"), "{name}");
    }
    assert_eq!(
        property("EveryThing_API.Echo", "description").as_deref(),
        Some("Gives it back.")
    );
    assert_eq!(
        property("EveryThing_API.Match", "stream_shape").as_deref(),
        Some("bidi")
    );

    let echo = endpoints
        .iter()
        .find(|one| one.name == "EveryThing_API.Echo");
    let tree = echo.unwrap().request.as_ref().unwrap();
    let kind = |name: &str| {
        tree.values
            .iter()
            .find(|one| one.name == name)
            .map(|one| one.kind.as_str())
    };
    assert_eq!(kind("colour"), Some("enum?"));
    assert_eq!(kind("timestamp"), Some("string?"));
    assert_eq!(kind("structure"), Some("map?"));
    assert_eq!(kind("wrappedInt64"), Some("i64?"));
    assert_eq!(kind("displayed"), Some("string?"));
}

/// The first line and the body of the answer to a GET, asked as a browser does.
async fn get(running: &Running, target: &str) -> (String, String) {
    let mut socket = TcpStream::connect(&running.node().address).await.unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

#[tokio::test]
async fn only_what_has_no_side_effects_is_answered_to_a_get() {
    let (running, _) = served().await;
    let query = "connect=v1&encoding=json&message=%22micro%22";
    let target = format!("/everything.EveryThing_API/GetURL?{query}");
    let (status, body) = get(&running, &target).await;
    assert_eq!(status, "HTTP/1.1 200 OK", "{body}");
    assert_eq!(body, "{}");
    let target = "/everything.EveryThing_API/Echo?connect=v1&encoding=json&message=%7B%7D";
    let (status, _) = get(&running, target).await;
    assert_eq!(status, "HTTP/1.1 405 Method Not Allowed");
}

#[test]
fn router_keeps_the_descriptors_once() {
    let router = EveryThingApiServer::new(Answers).routes();
    let router = router.merge(
        EveryThingApiServer::new(Answers)
            .routes()
            .with_descriptors(b"others"),
    );
    assert_eq!(router.descriptors(), [FILE_DESCRIPTOR_SET, b"others"]);
}

//! How calls and connections end before their time.

use std::time::Duration;

use micro::{
    Code, Context, Outcome, Plugins, Streaming,
    registry::{Memory, Node, Registry},
};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::{LONG, Pair, Text, text, wire};

#[tokio::test]
async fn deadline_ends_a_call_and_its_handler() {
    let mut pair = Pair::new().await;
    let cx = Context::new().with_timeout(Duration::from_millis(200));
    let error = pair.call("Wait.Forever", &cx, "").await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded, "{error}");
    assert_eq!(
        timeout(LONG, pair.waits.recv()).await.unwrap(),
        Some("begun")
    );
    assert_eq!(
        timeout(LONG, pair.waits.recv()).await.unwrap(),
        Some("dropped")
    );
    pair.running.stop().await;
}

#[tokio::test]
async fn connection_that_is_lost_cancels_its_handlers() {
    let mut pair = Pair::new().await;
    let mut socket = TcpStream::connect(&pair.running.node().address)
        .await
        .unwrap();
    socket
        .write_all(&wire::call("Wait.Forever", "", "{}"))
        .await
        .unwrap();
    assert_eq!(
        timeout(LONG, pair.waits.recv()).await.unwrap(),
        Some("begun")
    );
    drop(socket);
    assert_eq!(
        timeout(LONG, pair.waits.recv()).await.unwrap(),
        Some("dropped")
    );
    pair.running.stop().await;
}

#[tokio::test]
async fn giving_a_call_up_cancels_its_handler() {
    let mut pair = Pair::new().await;
    let client = pair.client.clone();
    let calling = tokio::spawn(async move {
        let method = client.method::<Text, Text>("text", "Wait.Forever");
        method.call(&Context::new(), text("")).await
    });
    assert_eq!(
        timeout(LONG, pair.waits.recv()).await.unwrap(),
        Some("begun")
    );
    calling.abort();
    assert_eq!(
        timeout(LONG, pair.waits.recv()).await.unwrap(),
        Some("dropped")
    );
    pair.running.stop().await;
}

#[tokio::test]
async fn stream_is_cut_off_at_its_deadline() {
    let pair = Pair::new().await;
    let method = pair
        .client
        .method::<Streaming<Text>, Streaming<Text>>("text", "Text.Chat");
    let cx = Context::new().with_timeout(Duration::from_millis(200));
    let (sender, words) = Streaming::channel(1);
    let mut answers = method.call(&cx, words).await.unwrap();
    sender.send(text("one")).await.unwrap();
    assert_eq!(answers.next().await.unwrap().unwrap().text, "one");
    let error = timeout(LONG, answers.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded, "{error}");
    pair.running.stop().await;
}

#[tokio::test]
async fn where_nobody_listens_nothing_is_sent() {
    let pair = Pair::new().await;
    pair.running.stop().await;
    let method = pair.client.method::<Text, Text>("text", "Text.Echo");
    // What was not sent is tried again as long as there is time.
    let cx = Context::new().with_timeout(Duration::from_millis(300));
    let error = method.call(&cx, text("")).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotSent, "{error}");
    let said = error.to_string();
    assert!(said.contains("could not be connected to"), "{said}");
}

#[tokio::test]
async fn connection_that_the_server_closed_while_idle_costs_no_call() {
    let pair = Pair::with(
        |limits| limits.idle_timeout = Duration::from_secs(60),
        false,
    )
    .await;
    let cx = Context::new();
    for _ in 0..3 {
        assert_eq!(pair.call("Text.Echo", &cx, "x").await.unwrap(), "x");
        let error = pair.call("Text.Fail", &cx, "5").await.unwrap_err();
        assert_eq!(error.code(), Code::NotFound);
    }
    pair.running.stop().await;
}

#[tokio::test]
async fn stop_waits_for_the_call_and_announces_the_close() {
    let pair = Pair::new().await;
    let mut socket = TcpStream::connect(&pair.running.node().address)
        .await
        .unwrap();
    let mut incoming = Vec::new();
    socket
        .write_all(&wire::call("Text.Echo", "", "{\"text\":\"a\"}"))
        .await
        .unwrap();
    let (head, body) = wire::reply(&mut socket, &mut incoming).await.unwrap();
    assert_eq!(body, "{\"text\":\"a\"}");
    assert!(!head.contains("connection: close"), "{head}");
    let began = tokio::time::Instant::now();
    pair.running.stop().await;
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "an idle connection holds nothing up"
    );
    assert!(
        wire::reply(&mut socket, &mut incoming).await.is_none(),
        "closed"
    );
}

/// A server that closes a connection when a second call comes by it.
async fn serves_one_call_a_connection(listener: TcpListener) {
    loop {
        let (mut socket, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let mut read = Vec::new();
            let asked = wire::request(&mut socket, &mut read).await;
            let body = r#"{"text":"x"}"#;
            let length = body.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
            );
            assert!(asked);
            socket.write_all((head + body).as_bytes()).await.unwrap();
            wire::request(&mut socket, &mut read).await;
        });
    }
}

#[tokio::test]
async fn kept_connection_closed_by_the_server_costs_a_retry() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = tokio::spawn(serves_one_call_a_connection(listener));
    let registry = Memory::new();
    let node = Node::new("text", "text-1", address).with_metadata("protocol", "mucp");
    registry.register(&node, None).await.unwrap();
    let client = Plugins::new().registry(registry).client().unwrap();
    let method = client.method::<Text, Text>("text", "Text.Echo");
    let cx = Context::new();
    method.call(&cx, text("x")).await.unwrap();
    let error = method.call(&cx, text("x")).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    assert_eq!(client.stats("text").retries, 0);

    let method = method.idempotent();
    method.call(&cx, text("x")).await.unwrap();
    method.call(&cx, text("x")).await.unwrap();
    assert_eq!(client.stats("text").retries, 1);
    let last = cx.with_attempts(1);
    let error = method.call(&last, text("x")).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    assert_eq!(client.stats("text").retries, 1);
    serving.abort();
}

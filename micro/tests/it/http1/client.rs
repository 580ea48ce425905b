//! Our client of plain HTTP: what it sends, what it makes of answers, and what is known when none comes.

use std::time::Duration;

use micro::{
    Client, Code, Context, Outcome, Plugins, Socket, Streaming,
    registry::{Memory, Node, Registry},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::{Hello, Reply, greeter};

/// A client that calls `greeter` at an address by HTTP, once.
async fn client(address: &str) -> Client {
    let registry = Memory::new();
    let node = Node::new("greeter", "greeter-1", address);
    registry.register(&node, None).await.unwrap();
    Plugins::new()
        .registry(registry)
        .transport(Socket::new().client_protocol("http").unwrap())
        .balance(|balance| {
            balance.attempts = 1;
            balance.timeout = Duration::from_secs(2);
        })
        .client()
        .unwrap()
}

async fn hello(client: &Client, name: &str) -> micro::Result<Reply> {
    let hello = Hello {
        name: name.to_owned(),
        wait_ms: 0,
    };
    let method = client.method("greeter", "Greeter.Hello");
    method
        .call(&Context::new().with("Tenant", "!"), hello)
        .await
}

#[tokio::test]
async fn our_client_calls_our_server() {
    let running = greeter(|_| {}).await;
    let client = client(&running.node().address).await;
    for _ in 0..3 {
        assert_eq!(hello(&client, "John").await.unwrap().text, "Hello John!");
    }
    let error = hello(&client, "nobody").await.unwrap_err();
    assert_eq!(
        (error.code(), error.outcome()),
        (Code::NotFound, Outcome::Answered)
    );
    assert!(error.message().contains("nobody is here"), "{error}");
    let names = Hello {
        name: "a,b,c".into(),
        wait_ms: 0,
    };
    let count = client.method("greeter", "Greeter.Count");
    let mut stream: Streaming<Reply> = count.call(&Context::new(), names).await.unwrap();
    let mut texts = Vec::new();
    while let Some(reply) = stream.next().await {
        texts.push(reply.unwrap().text);
    }
    assert_eq!(texts, ["a", "b", "c"]);
    let long = "x".repeat(300_000);
    let reply = hello(&client, &long).await.unwrap();
    assert_eq!(reply.text.len(), 300_000 + 7);
    running.stop().await;
}

/// Reads one request off a connection.
async fn read_request(socket: &mut TcpStream) -> String {
    let mut all = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&all).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = super::field(head, "content-length").unwrap();
            if body.len() == length.parse::<usize>().unwrap() {
                return text;
            }
        }
        assert!(socket.read_buf(&mut all).await.unwrap() > 0);
    }
}

const FINE: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"text\":\"\"}";

#[tokio::test]
async fn connection_is_reused_and_replaced_once_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(&listener.local_addr().unwrap().to_string()).await;
    let calls = async {
        hello(&client, "a").await.unwrap();
        hello(&client, "b").await.unwrap();
        // The server closes here, which is seen before the next is sent.
        tokio::time::sleep(Duration::from_millis(100)).await;
        hello(&client, "c").await.unwrap();
    };
    let serve = async {
        let (mut first, _) = listener.accept().await.unwrap();
        let request = read_request(&mut first).await;
        assert!(request.starts_with("POST /greeter.Greeter/Hello HTTP/1.1\r\nhost: 127.0.0.1:"));
        assert!(request.contains("\r\ntenant: !\r\n"), "{request}");
        assert!(
            request.contains("\r\ncontent-type: application/json\r\n"),
            "{request}"
        );
        let timeout = super::field(request.split_once("\r\n\r\n").unwrap().0, "timeout").unwrap();
        assert!(timeout.parse::<u64>().unwrap() > 1_000_000, "{timeout}");
        first.write_all(FINE.as_bytes()).await.unwrap();
        read_request(&mut first).await;
        let interim = format!("HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n{FINE}");
        first.write_all(interim.as_bytes()).await.unwrap();
        drop(first);
        let (mut second, _) = listener.accept().await.unwrap();
        assert!(read_request(&mut second).await.contains("\"c\""));
        second.write_all(FINE.as_bytes()).await.unwrap();
    };
    tokio::join!(calls, serve);
}

#[tokio::test]
async fn failed_request_has_the_outcome_not_sent_or_unknown() {
    // Nobody listens.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let error = hello(&client(&address).await, "a").await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotSent, "{error}");
    // The request is read, and the connection closed.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(&listener.local_addr().unwrap().to_string()).await;
    let answers = [
        ("", Code::Unavailable, Outcome::Unknown),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{",
            Code::Unavailable,
            Outcome::Unknown,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            Code::DataLoss,
            Outcome::Unknown,
        ),
        ("SSH-2.0-OpenSSH\r\n\r\n", Code::DataLoss, Outcome::Unknown),
        (
            "HTTP/1.1 502 Bad Gateway\r\n\r\n<html>",
            Code::Unavailable,
            Outcome::Answered,
        ),
        (
            "HTTP/1.1 400 Bad\r\nContent-Length: 19\r\n\r\n{\"code\":\"canceled\"}",
            Code::Cancelled,
            Outcome::Answered,
        ),
    ];
    for (answer, code, outcome) in answers {
        let serve = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            read_request(&mut socket).await;
            socket.write_all(answer.as_bytes()).await.unwrap();
        };
        let (error, ()) = tokio::join!(hello(&client, "a"), serve);
        let error = error.unwrap_err();
        assert_eq!(
            (error.code(), error.outcome()),
            (code, outcome),
            "{answer}: {error}"
        );
    }
}

#[tokio::test]
async fn response_before_the_end_of_the_request_is_read() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(&listener.local_addr().unwrap().to_string()).await;
    let serve = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut some = [0; 1000];
        socket.read_exact(&mut some).await.unwrap();
        let answer = "HTTP/1.1 413 Too Large\r\nConnection: close\r\n\r\n";
        socket.write_all(answer.as_bytes()).await.unwrap();
        socket.shutdown().await.unwrap();
        // Whoever closes with something unread resets the connection, answer and all.
        let _ = socket.read_to_end(&mut Vec::new()).await;
    };
    let long = "x".repeat(3_000_000);
    let (error, ()) = tokio::join!(hello(&client, &long), serve);
    assert_eq!(error.unwrap_err().code(), Code::ResourceExhausted);
}

#[tokio::test]
async fn stream_of_requests_is_not_sent() {
    let running = greeter(|_| {}).await;
    let client = client(&running.node().address).await;
    let (sender, stream) = Streaming::<Hello>::channel(1);
    drop(sender);
    let method = client.method::<_, Reply>("greeter", "Greeter.Hello");
    let error = method.call(&Context::new(), stream).await.unwrap_err();
    assert_eq!(
        (error.code(), error.outcome()),
        (Code::Unimplemented, Outcome::NotSent)
    );
    running.stop().await;
}

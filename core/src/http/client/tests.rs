//! Requests to a server of the test.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::{error::Code, url::Url};

async fn played() -> (TcpListener, Http) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("played://{}", listener.local_addr().unwrap()));
    let options = Options::of(&url, 80, &[]).unwrap();
    (listener, Http::new(&options))
}

/// Reads a request without a body.
async fn request(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        read.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(read).unwrap()
}

async fn say(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn requests_follow_each_other_on_one_connection() {
    let (listener, http) = played().await;
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let first = request(&mut stream).await;
        let chunks =
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
        say(&mut stream, chunks).await;
        let second = request(&mut stream).await;
        say(
            &mut stream,
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
        )
        .await;
        (first, second)
    };
    let ask = async {
        let get = Request::get("/a?b=c").header(http::header::ACCEPT, secret("x/y").unwrap());
        let first = http.ask(&get).await.unwrap();
        (first, http.ask(&Request::put("/d")).await.unwrap())
    };
    let ((first, second), answers) = tokio::join!(serve, ask);
    assert!(
        first.starts_with("GET /a?b=c HTTP/1.1\r\nhost: 127.0.0.1:"),
        "{first}"
    );
    assert_eq!(first.matches("host:").count(), 1, "{first}");
    assert!(first.contains("accept: x/y\r\n"), "{first}");
    assert!(!first.contains("content-length"), "{first}");
    assert!(second.contains("content-length: 0\r\n"), "{second}");
    assert_eq!(answers.0.body, "abc");
    assert_eq!(answers.1.success().err().unwrap().code(), Code::NotFound);
    assert_eq!(http.lost(0), 0);
}

#[tokio::test]
async fn closed_idle_connection_is_replaced() {
    let (listener, http) = played().await;
    let serve = async {
        for body in ["a", "b"] {
            let (mut stream, _) = listener.accept().await.unwrap();
            request(&mut stream).await;
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{body}");
            say(&mut stream, &answer).await;
        }
    };
    let ask = async {
        let first = http.ask(&Request::get("/")).await.unwrap();
        // The server has closed its end by now, as it waits for the next connection.
        let lost = http.lost(0);
        let next = Request::get("/").unless_lost(lost);
        let aborted = http.ask(&next).await.err().unwrap();
        (first, aborted, http.ask(&Request::get("/")).await.unwrap())
    };
    let ((), (first, aborted, second)) = tokio::join!(serve, ask);
    assert_eq!(aborted.code(), Code::Aborted);
    assert_eq!((&first.body[..], &second.body[..]), (&b"a"[..], &b"b"[..]));
    assert_eq!(http.lost(0), 1);
}

#[tokio::test]
async fn truncated_response_is_unavailable() {
    let (listener, http) = played().await;
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        request(&mut stream).await;
        say(
            &mut stream,
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf",
        )
        .await;
    };
    let get = Request::get("/");
    let ((), answer) = tokio::join!(serve, http.ask(&get));
    let error = answer.err().unwrap();
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.message().contains("cut off"), "{error}");
    assert_eq!(http.lost(0), 1);
}

#[tokio::test]
async fn timeout_of_a_request_counts_no_lost_connection() {
    let (listener, http) = played().await;
    let get = Request::get("/").within(Duration::from_millis(20));
    let (stream, answer) = tokio::join!(listener.accept(), http.ask(&get));
    assert!(answer.err().unwrap().message().contains("no answer within"));
    assert_eq!(http.lost(0), 0);
    let (mut stream, _) = stream.unwrap();
    request(&mut stream).await;
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0, "it is closed");
}

#[tokio::test]
async fn lines_come_one_by_one_until_the_server_ends_them() {
    let (listener, http) = played().await;
    let get = Request::get("/");
    let begin = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        request(&mut stream).await;
        say(&mut stream, "HTTP/1.1 200 OK\r\n\r\none\ntw").await;
        stream
    };
    let (mut stream, lines) = tokio::join!(begin, http.lines(&get));
    let mut lines = lines.unwrap();
    assert_eq!(lines.next().await.unwrap().unwrap(), "one");
    let given_up = timeout(Duration::from_millis(20), lines.next()).await;
    assert!(given_up.is_err(), "the line is not whole");
    say(&mut stream, "o\n").await;
    assert_eq!(lines.next().await.unwrap().unwrap(), "two");
    drop(stream);
    assert!(lines.next().await.unwrap().is_none());
}

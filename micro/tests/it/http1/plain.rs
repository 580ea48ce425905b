//! Plain JSON over HTTP: what a request says, and what an answer does.

use super::{connect, field, greeter, post, read_all, read_one, send, status};

#[tokio::test]
async fn endpoint_has_two_paths() {
    let running = greeter(|_| {}).await;
    let mut socket = connect(&running).await;
    for path in [
        "/Greeter.Hello",
        "/greeter.Greeter/Hello",
        "/a.b.Greeter/Hello",
        "/Greeter/Hello",
    ] {
        send(&mut socket, post(path, "{\"name\":\"John\"}")).await;
        let (head, body) = read_one(&mut socket).await;
        assert_eq!(
            (status(&head), &body[..]),
            (200, "{\"text\":\"Hello John\"}")
        );
        assert_eq!(field(&head, "content-type"), Some("application/json"));
        assert!(field(&head, "date").is_some_and(|date| date.ends_with(" GMT")));
    }
    running.stop().await;
}

#[tokio::test]
async fn headers_are_metadata() {
    let running = greeter(|_| {}).await;
    let mut socket = connect(&running).await;
    let request = "POST /Greeter.Hello HTTP/1.1\r\nHost: a\r\nTenant: -acme\r\n\r\n";
    send(&mut socket, request).await;
    assert_eq!(read_one(&mut socket).await.1, "{\"text\":\"Hello -acme\"}");
    running.stop().await;
}

#[tokio::test]
async fn errors_have_a_status_and_advice() {
    let running = greeter(|_| {}).await;
    let mut socket = connect(&running).await;
    for (request, expected, text) in [
        (
            post("/Greeter.Hello", "{\"name\":\"nobody\"}"),
            404,
            "nobody is here",
        ),
        (
            post("/Greeter.Helo", "{}"),
            404,
            "did you mean `Greeter.Hello`?",
        ),
        (post("/nothing", "{}"), 404, "POST /Type.Method"),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n".to_owned(),
            404,
            "POST /Type.Method",
        ),
        (
            post("/Greeter.Hello", "{\"name\":7}"),
            400,
            "invalid_argument",
        ),
        (post("/Greeter.Hello", "junk"), 400, "invalid_argument"),
        (
            "GET /Greeter.Hello HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            405,
            "endpoints are called by `POST`",
        ),
        (
            "DELETE /x HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            404,
            "nothing at `/x`",
        ),
    ] {
        send(&mut socket, request.clone()).await;
        let (head, body) = read_one(&mut socket).await;
        assert_eq!(status(&head), expected, "{request}: {body}");
        assert!(
            body.starts_with("{\"code\":\"") && body.contains(text),
            "{body}"
        );
        if expected == 405 {
            assert_eq!(field(&head, "allow"), Some("POST, OPTIONS"));
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn unknown_content_type_is_415() {
    let running = greeter(|_| {}).await;
    let mut socket = connect(&running).await;
    for (said, expected) in [
        ("application/json", 200),
        ("application/JSON; charset=utf-8", 200),
        ("application/x-www-form-urlencoded", 415),
        ("text/plain", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/protobuf", 415),
        ("application/smoke", 415),
    ] {
        let request = format!(
            "POST /Greeter.Hello HTTP/1.1\r\nHost: a\r\nContent-Type: {said}\r\n\
             Content-Length: 2\r\n\r\n{{}}"
        );
        send(&mut socket, request).await;
        let (head, body) = read_one(&mut socket).await;
        assert_eq!(status(&head), expected, "{said}: {body}");
    }
    running.stop().await;
}

#[tokio::test]
async fn timeout_in_nanoseconds_is_kept() {
    let running = greeter(|_| {}).await;
    let mut socket = connect(&running).await;
    for (timeout, expected) in [("50000000", 408), ("junk", 200), ("0", 200), ("-1", 200)] {
        let body = "{\"wait_ms\":200}";
        let request = format!(
            "POST /Greeter.Hello HTTP/1.1\r\nHost: a\r\nTimeout: {timeout}\r\n\
             Content-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        send(&mut socket, request).await;
        let (head, body) = read_one(&mut socket).await;
        assert_eq!(status(&head), expected, "{timeout}: {body}");
    }
    running.stop().await;
}

#[tokio::test]
async fn response_stream_has_one_line_per_message() {
    let running = greeter(|_| {}).await;
    let mut socket = connect(&running).await;
    let body = "{\"name\":\"a,b\"}";
    let request = post("/Greeter.Count", body).replace("Host: a", "Host: a\r\nConnection: close");
    send(&mut socket, request).await;
    let answer = read_all(&mut socket).await;
    assert!(
        answer.contains("content-type: application/x-ndjson\r\n"),
        "{answer}"
    );
    let lines = "c\r\n{\"text\":\"a\"}\r\n1\r\n\n\r\nc\r\n{\"text\":\"b\"}\r\n1\r\n\n\r\n0\r\n\r\n";
    assert!(answer.ends_with(lines), "{answer}");
    // To a client of HTTP/1.0 it ends with the connection.
    let mut socket = connect(&running).await;
    let request = post("/Greeter.Count", body).replace("HTTP/1.1", "HTTP/1.0");
    send(&mut socket, request).await;
    let answer = read_all(&mut socket).await;
    assert!(
        answer.ends_with("\r\n\r\n{\"text\":\"a\"}\n{\"text\":\"b\"}\n"),
        "{answer}"
    );
    running.stop().await;
}

#[tokio::test]
async fn options_lists_the_allowed_methods() {
    let running = greeter(|_| {}).await;
    let mut socket = connect(&running).await;
    for target in ["*", "/Greeter.Hello"] {
        send(
            &mut socket,
            format!("OPTIONS {target} HTTP/1.1\r\nHost: a\r\n\r\n"),
        )
        .await;
        let (head, _) = read_one(&mut socket).await;
        assert_eq!(status(&head), 204, "{head}");
        assert_eq!(field(&head, "allow"), Some("POST, OPTIONS"));
        assert_eq!(field(&head, "content-length"), None);
    }
    running.stop().await;
}

//! Requests that are unusual and right: they are answered, and the connection is kept for the next.

use super::{connect, greeter, post, read_one, send, status};

#[tokio::test]
async fn unusual_valid_request_is_answered_on_a_kept_connection() {
    let running = greeter(|_| {}).await;
    let chunked = |body: &str| {
        format!(
            "POST /Greeter.Hello HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
             Transfer-Encoding: chunked\r\n\r\n{body}"
        )
    };
    let with = |lines: &str| {
        format!(
            "POST /Greeter.Hello HTTP/1.1\r\n{lines}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}"
        )
    };
    for request in [
        with("Host: a\r\n"),
        with("host:a\r\n"),
        with("HOST: \t a:80 \t \r\n"),
        with("Host:\r\n"),
        with("Host: [::1]:80\r\n"),
        with("Host: 127.0.0.1\r\n"),
        with("Host: a\r\nA:\r\n"),
        with("Host: a\r\nA: \t \r\n"),
        with("Host: a\r\nA: b\tc\r\n"),
        with("Host: a\r\nA: \u{e9}\r\n"),
        with("Host: a\r\nA!#$%&'*+-.^_`|~9: b\r\n"),
        with("Host: a\r\nTE: trailers, deflate\r\n"),
        with(
            "Host: a\r\nUpgrade: h2c\r\nConnection: upgrade, http2-settings\r\nHTTP2-Settings: AAAA\r\n",
        ),
        with("Host: a\r\nConnection: keep-alive\r\n"),
        with("Host: a\r\nConnection: Close-not, ,\r\n"),
        with("Host: a\r\nContent-Type: application/json; charset=utf-8\r\n"),
        format!("\r\n{}", with("Host: a\r\n")),
        "POST /Greeter.Hello HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
         Content-Length: 00000000000000000002\r\n\r\n{}"
            .into(),
        "POST /Greeter.Hello HTTP/1.1\r\nHost: a\r\n\r\n".into(),
        "POST /Greeter.Hello?a=b&c[]=%20{}|^ HTTP/1.1\r\nHost: a\r\n\r\n".replace('^', "~"),
        "POST /greeter.Greeter/Hello HTTP/1.1\r\nHost: a\r\n\r\n".into(),
        "POST http://other:80/Greeter.Hello HTTP/1.1\r\nHost: a\r\n\r\n".into(),
        "POST HTTP://[::1]/Greeter.Hello HTTP/1.1\r\nHost: a\r\n\r\n".into(),
        "POST /Greeter.Hello HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n".into(),
        "POST /Greeter.Hello HTTP/1.0\r\nConnection: keep-alive\r\nExpect: anything\r\n\r\n".into(),
        chunked("0\r\n\r\n"),
        chunked("2\r\n{}\r\n0\r\n\r\n"),
        chunked("1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"),
        chunked("02\r\n{}\r\n000\r\n\r\n"),
        chunked("2;a\r\n{}\r\n0;b=c\r\n\r\n"),
        chunked("2 ; a = \"b;c\" \r\n{}\r\n0\r\n\r\n"),
        chunked("2;\u{e9}\r\n{}\r\n0\r\n\r\n"),
        chunked("2\r\n{}\r\n0\r\nA: b\r\nContent-Length: 7\r\nHost: c\r\n\r\n"),
        chunked("2\r\n{}\r\n0\r\n\r\n").replace("chunked", "CHUNKED"),
        chunked("A\r\n{        }\r\n0\r\n\r\n"),
        chunked("a\r\n{        }\r\n0\r\n\r\n"),
    ] {
        let mut socket = connect(&running).await;
        let bytes: Vec<u8> = request.chars().map(|byte| byte as u8).collect();
        send(&mut socket, bytes).await;
        let (head, body) = read_one(&mut socket).await;
        assert_eq!(
            (status(&head), &body[..]),
            (200, "{\"text\":\"Hello \"}"),
            "{request}: {head}"
        );
        send(&mut socket, post("/Greeter.Hello", "{\"name\":\"again\"}")).await;
        let (_, body) = read_one(&mut socket).await;
        assert_eq!(body, "{\"text\":\"Hello again\"}", "{request}");
    }
    running.stop().await;
}

#[tokio::test]
async fn request_parses_the_same_in_any_chunks() {
    let running = greeter(|_| {}).await;
    let request = "POST /Greeter.Hello HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
        Transfer-Encoding: chunked\r\n\r\n\
        F;a=b\r\n{\"name\": \"John\"\r\n1\r\n}\r\n0\r\nA: b\r\n\r\n";
    for portion in [1, 2, 3, 7, 50] {
        let mut socket = connect(&running).await;
        socket.set_nodelay(true).unwrap();
        for bytes in request.as_bytes().chunks(portion) {
            send(&mut socket, bytes).await;
            tokio::task::yield_now().await;
        }
        let (_, body) = read_one(&mut socket).await;
        assert_eq!(
            body, "{\"text\":\"Hello John\"}",
            "in portions of {portion}"
        );
    }
    running.stop().await;
}

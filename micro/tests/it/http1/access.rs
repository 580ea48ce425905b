//! Requests of pages of other sites, and those that DNS rebinding leads here: refused before any handler.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use micro::{Context, Handler, Plugins, Running, Service, Settings, registry::Memory};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use super::{connect, field, read_one, send, status};

/// A greeter without allowed hosts, and how often its handler has run.
async fn counted(arguments: &[&str]) -> (Running, Arc<AtomicUsize>) {
    let count: Arc<AtomicUsize> = Arc::default();
    let counts = count.clone();
    let hello = move |_: Context, (): ()| {
        counts.fetch_add(1, Relaxed);
        async { Ok::<_, micro::Error>("hello".to_owned()) }
    };
    let settings = Settings::new().args(arguments.iter().copied()).unwrap();
    let service = Service::new("greeter")
        .plugins(Plugins::new().registry(Memory::new()))
        .settings(settings)
        .handle("Greeter.Hello", hello.read_only());
    (service.serve().await.unwrap(), count)
}

/// A call in plain JSON with these lines in its head.
fn call(lines: &str) -> String {
    format!("POST /Greeter.Hello HTTP/1.1\r\n{lines}Content-Length: 0\r\n\r\n")
}

/// The status and body of the answer to a request on a connection of its own.
async fn ask(running: &Running, request: impl AsRef<[u8]>) -> (u16, String) {
    let mut socket = connect(running).await;
    send(&mut socket, request).await;
    let (head, body) = read_one(&mut socket).await;
    (status(&head), body)
}

#[tokio::test]
async fn page_of_another_site_reaches_no_dialect() {
    let (running, count) = counted(&[]).await;
    let evil = "Host: localhost\r\nOrigin: http://evil.example\r\n";
    let body = "Content-Length: 2\r\n\r\n{}";
    for request in [
        call(evil),
        // As `fetch` sends bytes with `no-cors`.
        format!("POST /Greeter.Hello HTTP/1.1\r\n{evil}{body}"),
        format!("POST /Greeter.Hello HTTP/1.1\r\n{evil}Content-Type: text/plain\r\n{body}"),
        format!("POST /Greeter.Hello HTTP/1.1\r\n{evil}Content-Type: application/json\r\n{body}"),
        format!("POST /Greeter.Hello HTTP/1.1\r\n{evil}Connect-Protocol-Version: 1\r\n{body}"),
        format!(
            "POST /Greeter.Hello HTTP/1.1\r\n{evil}Content-Type: application/grpc-web\r\n{body}"
        ),
        format!(
            "GET /greeter.Greeter/Hello?connect=v1&encoding=json&message=%7B%7D HTTP/1.1\r\n{evil}\r\n"
        ),
        format!(
            "POST / HTTP/1.1\r\n{evil}Micro-Endpoint: Greeter.Hello\r\nContent-Type: application/json\r\n{body}"
        ),
        format!("POST / HTTP/1.1\r\n{evil}Content-Type: application/json-rpc\r\n{body}"),
        format!("GET /health HTTP/1.1\r\n{evil}\r\n"),
        format!("GET /metrics HTTP/1.1\r\n{evil}\r\n"),
        format!(
            "OPTIONS /Greeter.Hello HTTP/1.1\r\n{evil}Access-Control-Request-Method: POST\r\n\r\n"
        ),
        // A body that comes as it comes.
        format!(
            "POST /Greeter.Hello HTTP/1.1\r\n{evil}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n"
        ),
    ] {
        let (status, body) = ask(&running, &request).await;
        assert_eq!(status, 403, "{request}: {body}");
        let error: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(error["code"], "permission_denied", "{body}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("`--server-cors-origins`"), "{message}");
    }
    assert_eq!(count.load(Relaxed), 0);
    running.stop().await;
}

#[tokio::test]
async fn host_that_is_not_loopback_is_refused_on_loopback() {
    let (running, count) = counted(&[]).await;
    for host in [
        "evil.example",
        "evil.example:80",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "10.0.0.1",
        "[fe80::1]:80",
        "0.0.0.0",
    ] {
        for request in [
            call(&format!("Host: {host}\r\n")),
            call(&format!("Host: {host}\r\nOrigin: http://{host}\r\n")),
            format!("GET /health HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            format!("GET http://{host}/health HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ] {
            let (status, body) = ask(&running, &request).await;
            assert_eq!(status, 403, "{request}: {body}");
        }
    }
    assert_eq!(count.load(Relaxed), 0);
    for host in [
        "localhost",
        "LOCALHOST:8080",
        "localhost.",
        "app.localhost:1",
        "127.0.0.1",
        "127.1.2.3:80",
        "[::1]:80",
        "[::ffff:127.0.0.1]",
        "",
    ] {
        let request = call(&format!("Host: {host}\r\n"));
        let (status, body) = ask(&running, &request).await;
        assert_eq!(status, 200, "{request}: {body}");
    }
    let old = "POST /Greeter.Hello HTTP/1.0\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(ask(&running, old).await.0, 200, "HTTP/1.0 has no host");
    running.stop().await;
}

#[tokio::test]
async fn allowed_and_advertised_hosts_are_accepted() {
    let hosts = "--server-allowed-hosts=Shop.example, 10.0.0.1";
    let advertised = "--server-advertise=edge.example:443";
    let (running, _) = counted(&[hosts, advertised]).await;
    let address = running.node().address.clone();
    assert_eq!(address, "edge.example:443");
    running.stop().await;
    // At the address that was bound.
    let service = Service::new("greeter")
        .plugins(Plugins::new().registry(Memory::new()))
        .settings(Settings::new().args([hosts]).unwrap())
        .allow_host("code.example")
        .handle("Greeter.Hello", async |_: Context, (): ()| {
            Ok::<_, micro::Error>(())
        });
    let running = service.serve().await.unwrap();
    for (host, expected) in [
        ("shop.example:8080", 200),
        ("SHOP.EXAMPLE", 200),
        ("10.0.0.1", 200),
        ("a.shop.example", 403),
        // The setting is over what code says.
        ("code.example", 403),
    ] {
        let request = call(&format!("Host: {host}\r\n"));
        assert_eq!(ask(&running, &request).await.0, expected, "{host}");
    }
    running.stop().await;
    let (running, _) = counted(&["--server-allowed-hosts=*"]).await;
    let request = call("Host: anything.example\r\n");
    assert_eq!(ask(&running, &request).await.0, 200);
    running.stop().await;
    for wrong in ["shop.example:80", "https://shop.example", "a,,b", "*.a"] {
        let settings = Settings::new().args([format!("--server-allowed-hosts={wrong}")]);
        let service = Service::new("greeter").settings(settings.unwrap());
        let Err(error) = service.serve().await else {
            panic!("`{wrong}` is taken");
        };
        assert!(
            error.message().contains("`--server-allowed-hosts`"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn same_origin_is_accepted() {
    let arguments = ["--server-allowed-hosts=shop.example"];
    let (running, _) = counted(&arguments).await;
    for (host, origin, expected) in [
        ("localhost:8080", "http://localhost:8080", 200),
        ("127.0.0.1", "http://127.0.0.1", 200),
        ("127.0.0.1:80", "http://127.0.0.1", 200),
        ("[::1]:8080", "http://[::1]:8080", 200),
        ("shop.example", "http://shop.example", 200),
        // A proxy in front of it speaks TLS.
        ("shop.example", "https://shop.example", 200),
        ("shop.example", "https://shop.example:443", 200),
        ("shop.example", "http://shop.example:443", 403),
        ("localhost:8080", "http://localhost:3000", 403),
        ("localhost:8080", "http://127.0.0.1:8080", 403),
        ("localhost", "null", 403),
        ("localhost", "", 403),
        ("localhost", "localhost", 403),
        ("localhost", "ftp://localhost", 403),
        ("localhost", "http://localhost.evil.example", 403),
    ] {
        let request = call(&format!("Host: {host}\r\nOrigin: {origin}\r\n"));
        let (status, body) = ask(&running, &request).await;
        assert_eq!(status, expected, "{origin} at {host}: {body}");
    }
    let two = "Host: localhost\r\nOrigin: http://localhost\r\nOrigin: http://evil.example\r\n";
    assert_eq!(ask(&running, call(two)).await.0, 403);
    running.stop().await;
}

#[tokio::test]
async fn cross_site_request_without_an_origin_is_refused() {
    let (running, _) = counted(&[]).await;
    for (site, expected) in [
        ("cross-site", 403),
        ("same-origin", 200),
        ("same-site", 200),
        ("none", 200),
    ] {
        let lines = format!("Host: localhost\r\nSec-Fetch-Site: {site}\r\n");
        let request = format!("GET /health HTTP/1.1\r\n{lines}\r\n");
        assert_eq!(ask(&running, request).await.0, expected, "{site}");
    }
    running.stop().await;
    let (running, count) = counted(&["--server-cors-origins=https://shop.example"]).await;
    let allowed =
        "Host: localhost\r\nOrigin: https://shop.example\r\nSec-Fetch-Site: cross-site\r\n";
    assert_eq!(ask(&running, call(allowed)).await.0, 200);
    assert_eq!(count.load(Relaxed), 1);
    running.stop().await;
}

#[tokio::test]
async fn null_origin_is_accepted_if_every_origin_is_allowed() {
    let (running, _) = counted(&["--server-cors-origins=*"]).await;
    for origin in ["null", "http://any.example"] {
        let request = call(&format!("Host: localhost\r\nOrigin: {origin}\r\n"));
        assert_eq!(ask(&running, request).await.0, 200, "{origin}");
    }
    let rebound = call("Host: evil.example\r\nOrigin: http://evil.example\r\n");
    assert_eq!(ask(&running, rebound).await.0, 403);
    running.stop().await;
}

#[tokio::test]
async fn service_on_every_interface_is_guarded_on_loopback() {
    let (running, count) = counted(&["--server-address=0.0.0.0:0"]).await;
    let port = running
        .node()
        .address
        .rsplit_once(':')
        .unwrap()
        .1
        .to_owned();
    let loopback = format!("127.0.0.1:{port}");
    let mut socket = tokio::net::TcpStream::connect(loopback).await.unwrap();
    send(&mut socket, call("Host: evil.example\r\n")).await;
    let (head, _) = read_one(&mut socket).await;
    assert_eq!((status(&head), count.load(Relaxed)), (403, 0));
    running.stop().await;
}

#[tokio::test]
async fn unix_socket_accepts_any_host_and_no_foreign_origin() {
    let path = std::env::temp_dir().join(format!("micro-access-{}", std::process::id()));
    let address = format!("--server-address=unix:{}", path.display());
    let (running, _) = counted(&[&address]).await;
    for (lines, expected) in [
        ("Host: any.example\r\n", "HTTP/1.1 200 "),
        (
            "Host: any.example\r\nOrigin: http://any.example\r\n",
            "HTTP/1.1 403 ",
        ),
    ] {
        let mut socket = UnixStream::connect(&path).await.unwrap();
        let request = call(&format!("{lines}Connection: close\r\n"));
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(expected), "{lines}: {answer}");
    }
    running.stop().await;
}

#[tokio::test]
async fn later_message_of_a_go_micro_connection_is_guarded() {
    let (running, count) = counted(&[]).await;
    let message = |lines: &str| {
        format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\n{lines}Micro-Endpoint: Greeter.Hello\r\n\
             Content-Type: application/json\r\nContent-Length: 4\r\n\r\nnull"
        )
    };
    let mut socket = connect(&running).await;
    send(&mut socket, message("")).await;
    assert_eq!(status(&read_one(&mut socket).await.0), 200);
    send(&mut socket, message("Origin: http://evil.example\r\n")).await;
    let (head, body) = read_one(&mut socket).await;
    assert_eq!(status(&head), 403, "{body}");
    assert!(body.contains("permission_denied"), "{body}");
    send(&mut socket, message("")).await;
    assert_eq!(status(&read_one(&mut socket).await.0), 200);
    assert_eq!(count.load(Relaxed), 2);
    running.stop().await;
}

#[tokio::test]
async fn body_without_a_content_type_is_415() {
    let (running, count) = counted(&[]).await;
    let head = "POST /Greeter.Hello HTTP/1.1\r\nHost: localhost\r\n";
    for request in [
        format!("{head}Content-Length: 4\r\n\r\nnull"),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n4\r\nnull\r\n0\r\n\r\n"),
        format!("{head}Content-Length: 100000\r\n\r\n"),
        format!("{head}Content-Type:\r\nContent-Length: 4\r\n\r\nnull"),
        format!("{head}Content-Type: text/plain\r\nContent-Length: 4\r\n\r\nnull"),
        format!(
            "{head}Content-Type: TEXT/PLAIN;a=application/json\r\nContent-Length: 4\r\n\r\nnull"
        ),
    ] {
        let (status, body) = ask(&running, &request).await;
        assert_eq!(status, 415, "{request}: {body}");
        let error: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(error["code"], "unimplemented", "{body}");
    }
    assert_eq!(count.load(Relaxed), 0);
    assert_eq!(ask(&running, call("Host: localhost\r\n")).await.0, 200);
    running.stop().await;
}

#[tokio::test]
async fn refused_requests_are_counted_by_reason() {
    let (running, _) = counted(&[]).await;
    let encoded = "POST /Greeter.Hello HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
        Content-Encoding: br\r\nContent-Length: 4\r\n\r\nnull";
    let bare = "POST /Greeter.Hello HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nnull";
    for (request, times) in [
        (call("Host: evil.example\r\n"), 3),
        (call("Host: localhost\r\nOrigin: null\r\n"), 2),
        (bare.to_owned(), 1),
        (encoded.to_owned(), 1),
    ] {
        for _ in 0..times {
            let (status, _) = ask(&running, &request).await;
            assert!(matches!(status, 403 | 415), "{status}");
        }
    }
    let mut socket = connect(&running).await;
    let metrics = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    send(&mut socket, metrics).await;
    let (head, text) = read_one(&mut socket).await;
    assert_eq!(field(&head, "cache-control"), Some("no-store"));
    for (reason, count) in [
        ("host", 3),
        ("origin", 2),
        ("content_type", 1),
        ("content_encoding", 1),
        ("operations", 0),
    ] {
        let line = format!("micro_requests_refused_total{{reason=\"{reason}\"}} {count}");
        assert!(text.lines().any(|said| said == line), "{line}: {text}");
    }
    running.stop().await;
}

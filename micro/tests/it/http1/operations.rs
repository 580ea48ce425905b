//! Operational endpoints have a policy of their own: outside layers and limits, switched off or moved as a whole.

use std::{sync::Arc, time::Duration};

use micro::{
    Client, Code, Context, Error, Plugins, Request, Result, Running, Service, Settings,
    middleware::{Next, from_fn},
    registry::Memory,
};
use serde_json::Value;
use tokio::{net::TcpStream, sync::Notify, time::timeout};
use tower::limit::ConcurrencyLimitLayer;

use super::{LONG, connect, read_one, send, status};

const PATHS: [&str; 3] = ["/health", "/ready", "/metrics"];

/// A service whose endpoint answers once it is told to, and says when it was called.
#[derive(Default)]
struct Slow {
    called: Arc<Notify>,
    go_on: Arc<Notify>,
}

impl Slow {
    fn service(&self) -> Service {
        let (called, go_on) = (self.called.clone(), self.go_on.clone());
        let wait = move |_: Context, (): ()| {
            let (called, go_on) = (called.clone(), go_on.clone());
            async move {
                called.notify_one();
                go_on.notified().await;
                Ok::<_, micro::Error>(())
            }
        };
        service().handle("Slow.Wait", wait)
    }

    /// Begins a call, which lasts until it is told to end.
    async fn begin(&self, running: &Running) -> TcpStream {
        let mut socket = connect(running).await;
        send(
            &mut socket,
            "POST /Slow.Wait HTTP/1.1\r\nHost: localhost\r\n\r\n",
        )
        .await;
        timeout(LONG, self.called.notified()).await.unwrap();
        socket
    }
}

fn service() -> Service {
    Service::new("slow")
        .plugins(Plugins::new().registry(Memory::new()))
        .lifecycle(|life| life.deregister_delay = Duration::ZERO)
}

async fn get(address: &str, path: &str) -> (u16, String) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    send(
        &mut socket,
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    )
    .await;
    let (head, body) = read_one(&mut socket).await;
    (status(&head), body)
}

/// Asks for `Debug.Health` by the native protocol.
async fn debug(client: &Client, address: &str) -> Result<Value> {
    let health = client.method::<Value, Value>("slow", "Debug.Health");
    health
        .call(&Context::new(), Value::Null)
        .address(address)
        .await
}

/// Every probe is answered.
async fn answers(running: &Running) {
    let address = &running.node().address;
    for path in PATHS {
        assert_eq!(get(address, path).await.0, 200, "{path}");
    }
    let client = running.client();
    assert_eq!(debug(&client, address).await.unwrap()["status"], "ok");
}

#[tokio::test]
async fn probes_are_answered_beside_a_slow_call_under_a_limit() {
    let slow = Slow::default();
    let service = slow.service().layer(ConcurrencyLimitLayer::new(1));
    let running = service.serve().await.unwrap();
    let mut call = slow.begin(&running).await;
    answers(&running).await;
    slow.go_on.notify_one();
    assert_eq!(status(&read_one(&mut call).await.0), 200);
    running.stop().await;
}

#[tokio::test]
async fn probes_are_answered_at_the_limit_of_the_server() {
    let slow = Slow::default();
    let service = slow.service().lifecycle(|life| life.concurrency = 1);
    let running = service.serve().await.unwrap();
    let mut call = slow.begin(&running).await;
    let mut refused = connect(&running).await;
    send(
        &mut refused,
        "POST /Slow.Wait HTTP/1.1\r\nHost: localhost\r\n\r\n",
    )
    .await;
    assert_eq!(status(&read_one(&mut refused).await.0), 429);
    answers(&running).await;
    slow.go_on.notify_one();
    assert_eq!(status(&read_one(&mut call).await.0), 200);
    running.stop().await;
}

/// Refuses whoever has no token.
async fn authenticated(request: Request, next: Next) -> Result<micro::Response> {
    match request.context().metadata().get("authorization") {
        Some("Bearer right") => next.run(request).await,
        _ => Err(Error::unauthenticated("who are you?")),
    }
}

#[tokio::test]
async fn layer_covers_probes_only_where_it_is_asked_to() {
    let slow = Slow::default();
    let service = slow.service().layer(from_fn(authenticated));
    let running = service.serve().await.unwrap();
    answers(&running).await;
    running.stop().await;

    let service = slow.service().layer_all(from_fn(authenticated));
    let running = service.serve().await.unwrap();
    let address = running.node().address.clone();
    for path in PATHS {
        let (status, body) = get(&address, path).await;
        assert_eq!(status, 401, "{path}: {body}");
    }
    let client = running.client();
    let error = debug(&client, &address).await.unwrap_err();
    assert_eq!(error.code(), Code::Unauthenticated);
    let mut socket = connect(&running).await;
    let known = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer right\r\n\r\n";
    send(&mut socket, known).await;
    assert_eq!(status(&read_one(&mut socket).await.0), 200);
    running.stop().await;
}

#[tokio::test]
async fn each_operational_endpoint_is_switched_off_by_a_setting() {
    for (names, on) in [
        ("none", [false; 4]),
        ("all", [true; 4]),
        ("health", [true, false, false, false]),
        ("ready, metrics", [false, true, true, false]),
        ("debug,reflection", [false, false, false, true]),
    ] {
        let settings = Settings::new().args([format!("--ops={names}")]).unwrap();
        let running = service().settings(settings).serve().await.unwrap();
        let address = running.node().address.clone();
        for (path, on) in PATHS.into_iter().zip(on) {
            let expected = if on { 200 } else { 404 };
            assert_eq!(get(&address, path).await.0, expected, "{names}: {path}");
        }
        let client = running.client();
        let told = debug(&client, &address).await.map_err(|error| error.code());
        match on[3] {
            true => assert_eq!(told.unwrap()["status"], "ok", "{names}"),
            false => assert_eq!(told.unwrap_err(), Code::NotFound, "{names}"),
        }
        running.stop().await;
    }
    let settings = Settings::new().args(["--ops=helth"]).unwrap();
    let Err(error) = service().settings(settings).serve().await else {
        panic!("`helth` is taken");
    };
    assert!(error.message().contains("`--ops`"), "{error}");
}

#[tokio::test]
async fn operational_endpoints_answer_only_on_their_own_address() {
    let settings = Settings::new().args(["--ops-address=127.0.0.1:0"]).unwrap();
    let slow = Slow::default();
    let running = slow.service().settings(settings).serve().await.unwrap();
    let (main, ops) = (
        running.node().address.clone(),
        running.ops_address().unwrap(),
    );
    let client = running.client();
    for path in PATHS {
        assert_eq!(get(&main, path).await.0, 404, "{path}");
        assert_eq!(get(&ops, path).await.0, 200, "{path}");
    }
    let error = debug(&client, &main).await.unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    assert_eq!(debug(&client, &ops).await.unwrap()["status"], "ok");
    // The service's own endpoints are not there, and the same guard is.
    for (request, expected) in [
        ("POST /Slow.Wait HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        ("GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403),
        (
            "GET /health HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\n\r\n",
            403,
        ),
    ] {
        let mut socket = TcpStream::connect(&ops).await.unwrap();
        send(&mut socket, request).await;
        assert_eq!(
            status(&read_one(&mut socket).await.0),
            expected,
            "{request}"
        );
    }
    // Requests that were refused anywhere are counted there.
    let mut socket = TcpStream::connect(&main).await.unwrap();
    send(&mut socket, "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n").await;
    read_one(&mut socket).await;
    let (_, text) = get(&ops, "/metrics").await;
    let line = "micro_requests_refused_total{reason=\"host\"} 2";
    assert!(text.lines().any(|said| said == line), "{text}");
    running.stop().await;
    assert!(TcpStream::connect(&ops).await.is_err());
}

#[tokio::test]
async fn ops_address_reports_a_stopping_service() {
    let slow = Slow::default();
    let service = slow.service().ops(|ops| {
        ops.address = Some("127.0.0.1:0".into());
    });
    let running = service.serve().await.unwrap();
    let ops = running.ops_address().unwrap();
    let mut call = slow.begin(&running).await;
    let watched = async {
        while get(&ops, "/ready").await.0 != 503 {
            tokio::task::yield_now().await;
        }
        assert_eq!(get(&ops, "/health").await.0, 200);
        slow.go_on.notify_one();
        assert_eq!(status(&read_one(&mut call).await.0), 200);
    };
    timeout(LONG, async { tokio::join!(running.stop(), watched) })
        .await
        .unwrap();
}

#[tokio::test]
async fn operational_endpoint_has_a_limit_of_its_own() {
    let slow = Slow::default();
    let (called, go_on) = (slow.called.clone(), slow.go_on.clone());
    let hold = from_fn(move |request: Request, next: Next| {
        let (called, go_on) = (called.clone(), go_on.clone());
        async move {
            if request.endpoint() == "Debug.Health" {
                called.notify_one();
                go_on.notified().await;
            }
            next.run(request).await
        }
    });
    let service = slow
        .service()
        .layer_all(hold)
        .ops(|ops| ops.concurrency = 1);
    let running = service.serve().await.unwrap();
    let address = running.node().address.clone();
    let held = tokio::spawn({
        let address = address.clone();
        async move { get(&address, "/health").await.0 }
    });
    timeout(LONG, slow.called.notified()).await.unwrap();
    let (status, body) = get(&address, "/health").await;
    assert_eq!(status, 429, "{body}");
    // The others do not pay for it.
    let (status, text) = get(&address, "/metrics").await;
    assert_eq!(status, 200);
    let line = "micro_requests_refused_total{reason=\"operations\"} 1";
    assert!(text.lines().any(|said| said == line), "{text}");
    slow.go_on.notify_one();
    assert_eq!(held.await.unwrap(), 200);
    running.stop().await;
}

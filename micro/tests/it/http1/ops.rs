//! `/health`, `/ready` and `/metrics`.

use super::{connect, field, greeter, post, read_one, send, status};

async fn get(socket: &mut tokio::net::TcpStream, path: &str) -> (String, String) {
    send(socket, format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    read_one(socket).await
}

#[tokio::test]
async fn health_and_readiness_are_told_by_status_and_json() {
    let running = greeter(|_| {}).await;
    let mut socket = connect(&running).await;
    for path in ["/health", "/ready", "/ready?verbose"] {
        let (head, body) = get(&mut socket, path).await;
        assert_eq!(status(&head), 200, "{body}");
        let health: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            (&health["status"], &health["ready"]),
            (&"ok".into(), &true.into())
        );
    }
    send(&mut socket, post("/health", "{}")).await;
    let (head, _) = read_one(&mut socket).await;
    assert_eq!(
        (status(&head), field(&head, "allow")),
        (405, Some("GET, HEAD"))
    );
    running.stop().await;
}

#[tokio::test]
async fn a_service_that_leaves_is_healthy_and_not_ready() {
    use std::time::Duration;
    let service = micro::Service::new("greeter")
        .allow_host("a")
        .plugins(micro::Plugins::new().registry(micro::registry::Memory::new()))
        .lifecycle(|life| life.deregister_delay = Duration::from_millis(500));
    let running = service.serve().await.unwrap();
    let mut socket = connect(&running).await;
    assert_eq!(status(&get(&mut socket, "/ready").await.0), 200);
    let asked = async {
        loop {
            let (head, _) = get(&mut socket, "/ready").await;
            if status(&head) == 503 {
                break;
            }
        }
        assert_eq!(status(&get(&mut socket, "/health").await.0), 200);
    };
    tokio::join!(running.stop(), asked);
}

#[tokio::test]
async fn metrics_are_in_prometheus_text() {
    let running = greeter(|_| {}).await;
    let mut socket = connect(&running).await;
    for name in ["John", "nobody", "Ann"] {
        let body = format!("{{\"name\":\"{name}\"}}");
        send(&mut socket, post("/Greeter.Hello", &body)).await;
        read_one(&mut socket).await;
    }
    // It has looked for itself.
    let client = running.client();
    let health = client.method::<serde_json::Value, serde_json::Value>("greeter", "Debug.Health");
    let asked = health.call(&micro::Context::new(), serde_json::json!({}));
    asked.await.unwrap();
    let (head, text) = get(&mut socket, "/metrics").await;
    let content_type = field(&head, "content-type").unwrap();
    assert_eq!(content_type, "text/plain; version=0.0.4; charset=utf-8");
    for line in [
        "# TYPE micro_requests_total counter",
        "micro_requests_total{endpoint=\"Greeter.Hello\",result=\"ok\"} 2",
        "micro_requests_total{endpoint=\"Greeter.Hello\",result=\"error\"} 1",
        "micro_requests_in_flight{endpoint=\"Greeter.Hello\"} 0",
        "# TYPE micro_uptime_seconds gauge",
        "micro_discovery_age_seconds{service=\"greeter\"} 0",
        "micro_registered 1",
    ] {
        assert!(
            text.lines().any(|said| said == line),
            "{line} is not in {text}"
        );
    }
    let quantile = "micro_request_duration_seconds{endpoint=\"Greeter.Hello\",quantile=\"0.99\"} ";
    let said = text
        .lines()
        .find_map(|line| line.strip_prefix(quantile))
        .unwrap();
    assert!(said.parse::<f64>().unwrap() > 0.0, "{said}");
    // Each line is a comment or a sample.
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(
            name.starts_with("micro_") || name.starts_with("process_"),
            "{line}"
        );
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
    running.stop().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn stats_tell_the_threads_and_the_memory_of_the_process() {
    let running = greeter(|_| {}).await;
    let client = running.client();
    let stats = client.method::<serde_json::Value, serde_json::Value>("greeter", "Debug.Stats");
    let cx = micro::Context::new();
    let asked = async || {
        let told = stats.call(&cx, serde_json::json!({})).await.unwrap();
        let field = |name: &str| told[name].as_u64().unwrap();
        (field("threads"), field("memory"))
    };
    let (before, memory) = asked().await;
    // The least that a process with a runtime takes, and more than any number of pages.
    assert!(memory > 1 << 20, "{memory}");
    let (end, ended) = std::sync::mpsc::sync_channel::<()>(0);
    let ended = std::sync::Arc::new(std::sync::Mutex::new(ended));
    for _ in 0..200 {
        let ended = ended.clone();
        std::thread::spawn(move || {
            let _ = ended.lock().unwrap().recv();
        });
    }
    // Other tests of this process have threads too, which come and go.
    let (after, _) = asked().await;
    assert!(after > before + 100, "{before} threads, then {after}");
    drop(end);
    running.stop().await;
}

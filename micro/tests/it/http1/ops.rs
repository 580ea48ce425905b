//! `/health`, `/ready` and `/metrics`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use super::{connect, field, greeter, post, read_one, send, status};

async fn get(socket: &mut tokio::net::TcpStream, path: &str) -> (String, String) {
    send(socket, format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    read_one(socket).await
}

#[tokio::test]
async fn healthy_service_answers_probes_with_200_and_json() {
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
async fn leaving_service_is_healthy_and_not_ready() {
    let service = micro::Service::new("greeter")
        .allow_host("a")
        .plugins(micro::Plugins::new().registry(micro::registry::Memory::new()))
        .lifecycle(|life| life.deregister_delay = Duration::from_millis(500));
    let running = service.serve().await.unwrap();
    let mut socket = connect(&running).await;
    assert_eq!(status(&get(&mut socket, "/ready").await.0), 200);
    let probe = async {
        loop {
            let (head, _) = get(&mut socket, "/ready").await;
            if status(&head) == 503 {
                break;
            }
        }
        assert_eq!(status(&get(&mut socket, "/health").await.0), 200);
    };
    tokio::join!(running.stop(), probe);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn stats_have_threads_and_memory_of_the_process() {
    let running = greeter(|_| {}).await;
    let client = running.client();
    let stats = client.method::<serde_json::Value, serde_json::Value>("greeter", "Debug.Stats");
    let cx = micro::Context::new();
    let read = async || {
        let report = stats.call(&cx, serde_json::json!({})).await.unwrap();
        let field = |name: &str| report[name].as_u64().unwrap();
        (field("threads"), field("memory"))
    };
    let (before, memory) = read().await;
    // A process with a runtime has more; a number of pages would be less.
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
    let (after, _) = read().await;
    assert!(after > before + 100, "{before} threads, then {after}");
    drop(end);
    running.stop().await;
}

#[tokio::test]
async fn failed_health_check_makes_the_service_not_ready() {
    let works = Arc::new(AtomicBool::new(true));
    let state = works.clone();
    let service = micro::Service::new("greeter")
        .allow_host("a")
        .plugins(micro::Plugins::new().registry(micro::registry::Memory::new()))
        .lifecycle(|life| life.deregister_delay = Duration::ZERO)
        .health_check("cache", async || Ok::<_, micro::Error>(()))
        .health_check("database", move || {
            let works = state.load(SeqCst);
            async move {
                match works {
                    true => Ok(()),
                    false => Err(micro::Error::unavailable("secret: password is 1234")),
                }
            }
        });
    let running = service.serve().await.unwrap();
    let mut socket = connect(&running).await;
    let mut probe = async |path: &str| {
        let (head, body) = get(&mut socket, path).await;
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        (status(&head), body["ready"] == true, body["checks"].clone())
    };
    // A probe of liveness runs no check.
    let checks = serde_json::json!({"cache": "not run", "database": "not run"});
    assert_eq!(probe("/health").await, (200, true, checks));
    let checks = serde_json::json!({"cache": "ok", "database": "ok"});
    assert_eq!(probe("/ready").await, (200, true, checks));
    works.store(false, SeqCst);
    // Results count for a second.
    let failed = tokio::time::timeout(super::LONG, async {
        loop {
            let (status, is_ready, checks) = probe("/ready").await;
            if status == 503 {
                assert!(!is_ready);
                break checks;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let checks = serde_json::json!({"cache": "ok", "database": "failed"});
    assert_eq!(failed.await.unwrap(), checks);
    assert_eq!(probe("/health").await, (200, false, checks));
    let (_, text) = get(&mut socket, "/ready").await;
    assert!(!text.contains("password"), "{text}");
    let (_, text) = get(&mut socket, "/metrics").await;
    for line in [
        "micro_ready 0",
        "micro_health_check{check=\"cache\"} 1",
        "micro_health_check{check=\"database\"} 0",
    ] {
        assert!(text.lines().any(|known| known == line), "{line}: {text}");
    }
    running.stop().await;
}

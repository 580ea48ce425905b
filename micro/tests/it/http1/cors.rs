//! Pages of other origins, as browsers ask for them.

use micro::{Plugins, Running, Service, registry::Memory, settings::Settings};

use super::{connect, field, hello, read_one, send, status};

async fn greeter(origins: Option<&str>) -> Running {
    let flag = origins.map(|origins| format!("--server-cors-origins={origins}"));
    let settings = Settings::new().args(flag).unwrap();
    Service::new("greeter")
        .plugins(Plugins::new().registry(Memory::new()))
        .settings(settings)
        .allow_host("a")
        .lifecycle(|life| life.deregister_delay = std::time::Duration::ZERO)
        .handle("Greeter.Hello", hello)
        .serve()
        .await
        .unwrap()
}

/// What a browser asks before a page of that origin may call.
fn preflight(origin: &str) -> String {
    format!(
        "OPTIONS /Greeter.Hello HTTP/1.1\r\nHost: a\r\nOrigin: {origin}\r\n\
        Access-Control-Request-Method: POST\r\n\
        Access-Control-Request-Headers: connect-protocol-version,content-type,micro-tenant,x-evil\r\n\r\n"
    )
}

fn call(origin: &str) -> String {
    format!(
        "POST /Greeter.Hello HTTP/1.1\r\nHost: a\r\nOrigin: {origin}\r\nConnect-Protocol-Version: 1\r\n\
        Content-Type: application/json\r\nContent-Length: 15\r\n\r\n{{\"name\":\"John\"}}"
    )
}

const ALLOWED: &str = "access-control-allow-origin";

#[tokio::test]
async fn pages_of_allowed_origins_may_call() {
    let running = greeter(Some("https://a.example,https://b.example:8443")).await;
    let mut socket = connect(&running).await;
    for origin in ["https://a.example", "https://b.example:8443"] {
        send(&mut socket, preflight(origin)).await;
        let (head, body) = read_one(&mut socket).await;
        assert_eq!((status(&head), &*body), (204, ""), "{head}");
        assert_eq!(field(&head, ALLOWED), Some(origin));
        let said = |name: &str| field(&head, &format!("access-control-allow-{name}"));
        assert_eq!(said("methods"), Some("GET, POST"));
        let allowed = "connect-protocol-version, content-type, micro-tenant";
        assert_eq!(said("headers"), Some(allowed));
        assert_eq!(said("credentials"), None);
        send(&mut socket, call(origin)).await;
        let (head, body) = read_one(&mut socket).await;
        assert_eq!((status(&head), &*body), (200, r#"{"text":"Hello John"}"#));
        assert_eq!(field(&head, ALLOWED), Some(origin));
        assert_eq!(field(&head, "vary"), Some("origin"));
        let exposed = field(&head, "access-control-expose-headers").unwrap();
        assert!(exposed.contains("grpc-status-details-bin"), "{exposed}");
    }
    for origin in [
        "https://c.example",
        "http://a.example",
        "https://a.example:1",
        "null",
    ] {
        send(&mut socket, preflight(origin)).await;
        let (head, _) = read_one(&mut socket).await;
        assert_eq!(field(&head, ALLOWED), None, "{origin}");
        send(&mut socket, call(origin)).await;
        let (head, _) = read_one(&mut socket).await;
        assert_eq!(field(&head, ALLOWED), None, "{origin}");
    }
    running.stop().await;
}

#[tokio::test]
async fn any_origin_may_call_only_if_every_origin_is_allowed() {
    for (origins, expected) in [(Some("*"), Some("*")), (None, None)] {
        let running = greeter(origins).await;
        let mut socket = connect(&running).await;
        for request in [preflight("https://a.example"), call("https://a.example")] {
            send(&mut socket, request).await;
            let (head, _) = read_one(&mut socket).await;
            assert_eq!(field(&head, ALLOWED), expected, "{head}");
        }
        running.stop().await;
    }
}

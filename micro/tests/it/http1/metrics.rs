//! `/metrics`: its formats, and the metrics of the user.

use std::process::Stdio;

use micro::{Context, Plugins, Result, Running, Service, metrics::Metrics, registry::Memory};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::{connect, field, greeter, hello, post, read_one, send, status};
use crate::skip::tool;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The content type of an answer, and the answer.
async fn metrics(socket: &mut TcpStream, accept: &str) -> (String, String) {
    let request = format!("GET /metrics HTTP/1.1\r\nHost: a\r\nAccept: {accept}\r\n\r\n");
    send(socket, request).await;
    let (head, text) = read_one(socket).await;
    assert_eq!(status(&head), 200, "{text}");
    (field(&head, "content-type").unwrap().to_owned(), text)
}

/// Greets two who are there and one who is not.
async fn greet(socket: &mut TcpStream) {
    for name in ["John", "nobody", "Ann"] {
        let body = format!("{{\"name\":\"{name}\"}}");
        send(socket, post("/Greeter.Hello", &body)).await;
        read_one(socket).await;
    }
}

#[tokio::test]
async fn metrics_count_calls_by_endpoint_and_result() {
    let running = greeter(|_| {}).await;
    let mut socket = connect(&running).await;
    greet(&mut socket).await;
    // So that a service has been discovered.
    let client = running.client();
    let health = client.method::<serde_json::Value, serde_json::Value>("greeter", "Debug.Health");
    let call = health.call(&Context::new(), serde_json::json!({}));
    call.await.unwrap();
    let (content_type, text) = metrics(&mut socket, "*/*").await;
    assert_eq!(content_type, PROMETHEUS);
    let hello = "rpc_system_name=\"micro\",rpc_method=\"Greeter.Hello\"";
    let ok = format!("{{{hello},rpc_response_status_code=\"OK\"");
    let not_found =
        format!("{{{hello},rpc_response_status_code=\"NOT_FOUND\",error_type=\"NOT_FOUND\"");
    for line in [
        "# TYPE micro_requests_total counter",
        "micro_requests_total{endpoint=\"Greeter.Hello\",result=\"ok\"} 2",
        "micro_requests_total{endpoint=\"Greeter.Hello\",result=\"error\"} 1",
        "micro_requests_in_flight{endpoint=\"Greeter.Hello\"} 0",
        "# TYPE micro_uptime_seconds gauge",
        "micro_discovery_age_seconds{service=\"greeter\"} 0",
        "micro_registered 1",
        "# TYPE rpc_server_call_duration_seconds histogram",
        &format!("rpc_server_call_duration_seconds_bucket{ok},le=\"+Inf\"}} 2"),
        &format!("rpc_server_call_duration_seconds_bucket{ok},le=\"10\"}} 2"),
        &format!("rpc_server_call_duration_seconds_count{ok}}} 2"),
        &format!("rpc_server_call_duration_seconds_count{not_found}}} 1"),
    ] {
        assert!(text.lines().any(|known| known == line), "{line}: {text}");
    }
    let sum = format!("rpc_server_call_duration_seconds_sum{ok}}} ");
    let sum = text.lines().find_map(|line| line.strip_prefix(&sum));
    assert!(sum.unwrap().parse::<f64>().unwrap() > 0.0, "{text}");
    running.stop().await;
}

#[tokio::test]
async fn scraper_that_accepts_openmetrics_gets_it() {
    let running = greeter(|_| {}).await;
    let mut socket = connect(&running).await;
    let accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.2";
    let (content_type, text) = metrics(&mut socket, accept).await;
    assert_eq!(content_type, OPENMETRICS);
    assert!(text.ends_with("\n# EOF\n"), "{text}");
    assert!(text.contains("\n# TYPE micro_requests counter\n"), "{text}");
    assert!(
        text.contains("\n# UNIT rpc_server_call_duration_seconds seconds\n"),
        "{text}"
    );
    running.stop().await;
}

async fn shop() -> Result<Running> {
    let metrics = Metrics::new();
    let orders = metrics.counter("shop_orders", "Orders \"taken\"\nin C:\\shop.");
    let orders = orders.label("kind", "ü \"new\"\\\n").register()?;
    let size = metrics.histogram("shop_order_size", "Size of orders.");
    let size = size.unit("bytes").register()?;
    let level = metrics.gauge("shop_stock", "Books in stock.").register()?;
    level.set(7.5);
    let order = move |_: Context, count: u64| {
        orders.increment();
        size.record(count as f64);
        level.add(-1.0);
        async { Ok::<_, micro::Error>(()) }
    };
    Service::new("shop")
        .allow_host("a")
        .plugins(Plugins::new().registry(Memory::new()))
        .lifecycle(|life| life.deregister_delay = std::time::Duration::ZERO)
        .metrics(&metrics)
        .handle("Shop.Order", order)
        .handle("Greeter.Hello", hello)
        .health_check("database", async || Ok::<_, micro::Error>(()))
        .serve()
        .await
}

#[tokio::test]
async fn metrics_of_the_user_are_beside_those_of_the_service() {
    let running = shop().await.unwrap();
    let mut socket = connect(&running).await;
    for count in [6, 30] {
        send(&mut socket, post("/Shop.Order", &count.to_string())).await;
        read_one(&mut socket).await;
    }
    let (_, text) = metrics(&mut socket, "text/plain").await;
    for line in [
        "shop_orders_total{kind=\"ü \\\"new\\\"\\\\\\n\"} 2",
        "shop_order_size_bytes_bucket{le=\"10\"} 1",
        "shop_order_size_bytes_bucket{le=\"50\"} 2",
        "shop_order_size_bytes_sum 36.0",
        "shop_order_size_bytes_count 2",
        "shop_stock 5.5",
        "micro_requests_total{endpoint=\"Shop.Order\",result=\"ok\"} 2",
    ] {
        assert!(text.lines().any(|known| known == line), "{line}: {text}");
    }
    running.stop().await;
}

/// Parses the text on stdin with the parser of the reference implementation, and prints names and types.
const PARSE: &str = "
import sys
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics
parse = openmetrics if sys.argv[1] == 'openmetrics' else parser
for family in parse.text_string_to_metric_families(sys.stdin.read()):
    print(family.name, family.type)
    for sample in family.samples:
        print(sample.name, sorted(sample.labels.items()), float(sample.value))
";

#[tokio::test]
async fn reference_parser_reads_both_formats() {
    let Some(python) = tool("prometheus_client") else {
        return;
    };
    let running = shop().await.unwrap();
    let mut socket = connect(&running).await;
    greet(&mut socket).await;
    send(&mut socket, post("/Shop.Order", "6")).await;
    read_one(&mut socket).await;
    for (format, accept) in [
        ("openmetrics", "application/openmetrics-text"),
        ("prometheus", "text/plain"),
    ] {
        let (_, text) = metrics(&mut socket, accept).await;
        let mut parser = tokio::process::Command::new(&python)
            .args(["-c", PARSE, format])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = parser.stdin.take().unwrap();
        stdin.write_all(text.as_bytes()).await.unwrap();
        drop(stdin);
        let output = parser.wait_with_output().await.unwrap();
        let parsed = String::from_utf8(output.stdout).unwrap();
        let failure = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{format}: {failure}\n{text}");
        for line in [
            "rpc_server_call_duration_seconds histogram",
            "rpc_server_call_duration_seconds_count [('error_type', 'NOT_FOUND'), \
             ('rpc_method', 'Greeter.Hello'), ('rpc_response_status_code', 'NOT_FOUND'), \
             ('rpc_system_name', 'micro')] 1.0",
            "shop_orders_total [('kind', 'ü \"new\"\\\\\\n')] 1.0",
            "shop_order_size_bytes_sum [] 6.0",
            "shop_stock [] 6.5",
            "micro_health_check [('check', 'database')] 1.0",
        ] {
            let found = parsed.lines().any(|known| known == line);
            assert!(found, "{format}: {line}: {parsed}");
        }
    }
    running.stop().await;
}

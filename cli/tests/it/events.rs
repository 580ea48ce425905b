//! `publish` and `subscribe`, each a process of its own.

use crate::sandbox::{Sandbox, Started};
use serde_json::json;

/// Starts `subscribe` with these options; it is registered when this returns.
fn subscribe(sandbox: &Sandbox, options: &[&str]) -> Started {
    let mut registered = sandbox.start(&["watch", "topic:orders", "--json"]);
    for _ in 0..nodes(sandbox) {
        registered.line();
    }
    let started = sandbox.start(&[&["subscribe", "orders"], options].concat());
    assert!(registered.line().contains("added"));
    started
}

/// How many subscriptions the registry shows.
fn nodes(sandbox: &Sandbox) -> u64 {
    let services = sandbox.micro(&["list", "--all", "--json"]).json();
    let nodes = services.as_array().into_iter().flatten();
    nodes.filter_map(|service| service["nodes"].as_u64()).sum()
}

fn publish(sandbox: &Sandbox, event: &str) -> serde_json::Value {
    sandbox
        .micro(&["publish", "orders", event, "--json"])
        .json()
}

#[test]
fn each_subscriber_prints_an_event_on_one_line() {
    let sandbox = Sandbox::new();
    let mut all = [subscribe(&sandbox, &[]), subscribe(&sandbox, &[])];
    assert_eq!(publish(&sandbox, "{\n \"n\": 1 }"), json!({"received": 2}));
    let said = sandbox.micro(&["publish", "orders", "\"two\""]).ok();
    assert_eq!(said, "received by 2\n");
    for one in &mut all {
        assert_eq!(one.line(), r#"{"n":1}"#);
        assert_eq!(one.line(), r#""two""#);
    }
}

#[test]
fn queue_receives_each_event_once() {
    let sandbox = Sandbox::new();
    let members = [(); 2].map(|()| subscribe(&sandbox, &["--queue", "q", "--count", "1"]));
    // A member that has its one event leaves; the other takes the second.
    for n in 1..=2 {
        assert_eq!(publish(&sandbox, &n.to_string()), json!({"received": 1}));
    }
    let mut lines = members.map(|mut member| {
        let line = member.line();
        assert_eq!(member.end(), Some(0));
        line
    });
    lines.sort();
    assert_eq!(lines, ["1", "2"]);
}

#[test]
fn subscription_ends_after_its_count_and_is_deregistered() {
    let sandbox = Sandbox::new();
    let mut subscriber = subscribe(&sandbox, &["--count", "2"]);
    for n in 1..=2 {
        assert_eq!(publish(&sandbox, &n.to_string()), json!({"received": 1}));
        assert_eq!(subscriber.line(), n.to_string());
    }
    assert_eq!(subscriber.end(), Some(0));
    assert_eq!(nodes(&sandbox), 0);
}

#[cfg(unix)]
#[test]
fn interrupt_ends_and_deregisters_the_subscription() {
    let sandbox = Sandbox::new();
    let mut subscriber = subscribe(&sandbox, &[]);
    publish(&sandbox, "1");
    assert_eq!(subscriber.line(), "1");
    subscriber.interrupt();
    assert_eq!(subscriber.end(), Some(0));
    assert_eq!(nodes(&sandbox), 0);
}

#[test]
fn event_without_subscribers_is_no_error() {
    let sandbox = Sandbox::new();
    let ran = sandbox.micro(&["publish", "orders", "{}", "--json"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "{\"received\":0}\n"));
    assert_eq!(ran.stderr, "`orders` has no subscribers\n");
}

#[test]
fn malformed_json_event_is_reported_with_its_position() {
    let said = Sandbox::new()
        .micro(&["publish", "orders", "{\n\"n\": }"])
        .failed(2);
    assert!(
        said.contains("the event is not JSON") && said.contains("line 2 column 6"),
        "{said}"
    );
}

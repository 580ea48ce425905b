//! What go-micro told an agent, read.

use serde::Deserialize;

use super::{
    record::{Names, ServiceEntry},
    tags::Reader,
};
use micro_core::node::Node;

const NEW: &str = include_str!("../../../../interop/captures/v6-registry-consul.txt");
const OLD: &str = include_str!("../../../../interop/captures/2016-05-registry-consul.txt");

/// What is asked of an agent, as go-micro words it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CapturedRegistration {
    #[serde(rename = "ID")]
    id: String,
    name: String,
    #[serde(default)]
    check: Option<serde_json::Map<String, serde_json::Value>>,
}

/// The bodies of all registrations in a capture.
fn registrations(capture: &str) -> Vec<String> {
    let bodies = capture.lines().filter_map(|line| line.strip_prefix("> {"));
    let body = |line: &str| format!("{{{}", line.trim_end_matches("\\n").replace("\\\\", "\\"));
    bodies.map(body).collect()
}

/// A registration as the health of its service shows it.
fn shown(body: &str) -> ServiceEntry {
    let entry = format!(r#"{{"Node":{{"Node":"n"}},"Service":{body},"Checks":null}}"#);
    serde_json::from_str(&entry).expect("it has what is needed")
}

fn read(body: &str) -> Node {
    let told: CapturedRegistration = serde_json::from_str(body).expect("it is a registration");
    let names = Names::default();
    let health = names.read(&told.name, vec![shown(body)], &mut Reader::default());
    assert_eq!(health.nodes.len(), 1);
    let node = health.nodes.into_iter().next().expect("there is one");
    assert_eq!((&node.id, &node.service), (&told.id, &told.name));
    node
}

fn check(capture: &str, version: &str, ttl: &str) {
    let bodies = registrations(capture);
    assert_eq!(bodies.len(), 2, "the greeter, and its subscription");
    for body in &bodies {
        let node = read(body);
        // And back again: what we would tell the agent reads the same, and has what go-micro looks for.
        let ours = Names::default().registration(&node, Some(std::time::Duration::from_secs(60)));
        let ours = serde_json::to_string(&ours).expect("it is JSON");
        assert_eq!(read(&ours), node);
    }
    let node = read(&bodies[0]);
    assert_eq!(node.id, "greeter-srv1");
    assert_eq!(node.version, version);
    assert!(node.address.starts_with("127.0.0.1:"), "{}", node.address);
    assert_eq!(node.metadata["transport"], "http");
    assert_eq!(node.metadata["registry"], "consul");
    let hello = node.endpoint("Greeter.Hello").expect("it is served");
    let request = hello.request.as_ref().expect("its schema is said");
    let has = |kind: &str| request.values.iter().any(|value| value.kind == kind);
    assert!(has("string"), "{request:?}");
    assert!(node.endpoints.len() > 5);
    let told: CapturedRegistration =
        serde_json::from_str(&bodies[0]).expect("it is a registration");
    assert_eq!(told.check.expect("it has a time to live")["TTL"], ttl);
}

#[test]
fn what_v6_told_is_read() {
    check(NEW, "1.0.0", "1m0s");
}

#[test]
fn duplicate_tags_of_the_first_version_are_read_once() {
    check(OLD, "1.0.0", "1m0s");
    let body = &registrations(OLD)[0];
    assert!(body.contains("e={") && body.contains("e-789c"));
    let node = read(body);
    let mut names: Vec<_> = node
        .endpoints
        .iter()
        .map(|endpoint| &endpoint.name)
        .collect();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
}

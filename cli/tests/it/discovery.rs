//! `list`, `get`, `watch`, `register`, `deregister`.

use crate::sandbox::{Sandbox, greeter};
use serde_json::json;

#[test]
fn list_counts_nodes_and_versions() {
    let sandbox = Sandbox::new();
    sandbox.serve(greeter());
    sandbox.serve(greeter().version("2.0.0").id("2"));
    assert_eq!(
        sandbox.micro(&["list", "--json"]).json(),
        json!([{"name": "greeter", "versions": ["1.0.0", "2.0.0"], "nodes": 2}])
    );
    assert_eq!(
        sandbox.micro(&["list"]).ok(),
        "NAME     VERSIONS      NODES\ngreeter  1.0.0, 2.0.0  2\n"
    );
}

#[test]
fn topics_and_weights_are_listed_only_when_all_is_asked_for() {
    let sandbox = Sandbox::new();
    let record = r#"{"service":"topic:orders","id":"topic:orders-1","address":"h:1"}"#;
    assert_eq!(sandbox.micro(&["register", record]).code, 0);
    sandbox.serve(greeter());
    assert_eq!(sandbox.micro(&["weight", "greeter", "1.0.0=1"]).code, 0);
    let names = |arguments: &[&str]| {
        let services = sandbox.micro(arguments).json();
        let names = services.as_array().expect("it is a list").iter();
        names.map(|service| service["name"].clone()).collect()
    };
    let services: Vec<_> = names(&["list", "--json"]);
    assert_eq!(services, ["greeter"]);
    let all: Vec<_> = names(&["list", "--all", "--json"]);
    assert_eq!(all, ["greeter", "micro.weights", "topic:orders"]);
    let text = sandbox.micro(&["list"]).ok();
    assert!(!text.contains("topic:orders"), "{text}");
}

#[test]
fn empty_registry_is_an_empty_list() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.micro(&["list", "--json"]).ok(), "[]\n");
    let ran = sandbox.micro(&["list"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""));
    assert_eq!(ran.stderr, "no services are registered\n");
}

#[test]
fn get_shows_nodes_and_field_trees() {
    let sandbox = Sandbox::new();
    let address = sandbox.serve(greeter());
    let versions = sandbox.micro(&["get", "greeter", "--json"]).json();
    let version = &versions[0];
    assert_eq!(version["version"], "1.0.0");
    assert_eq!(version["nodes"][0]["id"], "greeter-1");
    assert_eq!(version["nodes"][0]["address"], address.as_str());
    assert_eq!(version["nodes"][0]["metadata"]["registry"], "local");
    let endpoint = &version["endpoints"][0];
    assert_eq!(endpoint["name"], "Greeter.Hello");
    assert_eq!(endpoint["properties"], json!({"idempotent": "true"}));
    assert_eq!(endpoint["request"]["values"][1]["type"], "u8?");
    assert_eq!(endpoint["response"]["values"][0]["name"], "msg");

    let text = sandbox.micro(&["get", "greeter"]).ok();
    assert!(text.starts_with("version 1.0.0\n"), "{text}");
    assert!(
        text.contains("Greeter.Hello  {name: string, times: u8?}  {msg: string}  idempotent"),
        "{text}"
    );
}

#[test]
fn wrong_name_suggests_similar_names() {
    let sandbox = Sandbox::new();
    sandbox.serve(greeter());
    let said = sandbox.micro(&["get", "greter"]).failed(3);
    assert_eq!(
        said,
        "error: no service `greter`; did you mean `greeter`?\n"
    );
}

#[test]
fn registered_node_stays_until_it_is_deregistered() {
    let sandbox = Sandbox::new();
    let record =
        r#"{"service":"old","id":"old-1","address":"10.0.0.1:80","metadata":{"zone":"x"}}"#;
    assert_eq!(sandbox.micro(&["register", record]).code, 0);
    let nodes = json!([{"id": "old-1", "address": "10.0.0.1:80", "metadata": {"zone": "x"}}]);
    let versions = sandbox.micro(&["get", "old", "--json"]).json();
    assert_eq!(
        versions,
        json!([{"version": "latest", "nodes": nodes, "endpoints": []}])
    );

    let wrong = sandbox.micro(&["deregister", r#"{"service":"old","id":"old-2"}"#]);
    assert_eq!(
        wrong.failed(3),
        "error: service `old` has no node `old-2`\n"
    );
    assert_eq!(
        sandbox
            .micro(&["deregister", r#"{"service":"old","id":"old-1"}"#])
            .code,
        0
    );
    assert_eq!(sandbox.micro(&["list", "--json"]).json(), json!([]));
}

#[test]
fn record_in_the_form_of_registries_is_accepted() {
    let sandbox = Sandbox::new();
    let record = r#"{"name":"old","version":"1","metadata":null,"endpoints":null,
        "nodes":[{"id":"a","address":"h:1","metadata":null},{"id":"b","address":"h:2"}]}"#;
    assert_eq!(sandbox.micro(&["register", record]).code, 0);
    assert_eq!(sandbox.micro(&["list", "--json"]).json()[0]["nodes"], 2);
    assert_eq!(sandbox.micro(&["deregister", record]).code, 0);
    assert_eq!(sandbox.micro(&["list", "--json"]).json(), json!([]));
}

#[test]
fn malformed_record_is_wrong_usage() {
    let sandbox = Sandbox::new();
    let said = |record| sandbox.micro(&["register", record]).failed(2);
    assert!(said("{\n]").contains("line 2 column 1"));
    assert!(said(r#"{"service":"a","address":"h:1"}"#).contains("missing field `id`"));
    assert!(
        said(r#"{"service":"a","id":"a-1","addres":"h:1"}"#).contains("unknown field `addres`")
    );
    assert!(said(r#"{"service":"a","id":"a-1"}"#).contains("node `a-1` has no `address`"));
}

#[test]
fn watch_prints_added_changed_and_removed_nodes() {
    let sandbox = Sandbox::new();
    sandbox.serve(greeter());
    let mut watch = sandbox.start(&["watch", "--json"]);
    let event = |action: &str, node: &str, service: &str, version: &str| {
        json!({"action": action, "service": service, "node": node, "version": version}).to_string()
    };
    // What is there comes first.
    assert_eq!(
        watch.line(),
        event("added", "greeter-1", "greeter", "1.0.0")
    );
    let record = |address: &str| format!(r#"{{"service":"x","id":"x-1","address":"{address}"}}"#);
    sandbox.micro(&["register", &record("h:1")]);
    assert_eq!(watch.line(), event("added", "x-1", "x", "latest"));
    sandbox.micro(&["register", &record("h:2")]);
    assert_eq!(watch.line(), event("changed", "x-1", "x", "latest"));
    sandbox.micro(&["deregister", &record("h:2")]);
    assert_eq!(watch.line(), event("removed", "x-1", "x", "latest"));
}

#[test]
fn watch_of_one_service_is_silent_about_others() {
    let sandbox = Sandbox::new();
    let mut watch = sandbox.start(&["watch", "b"]);
    sandbox.micro(&["register", r#"{"service":"a","id":"a-1","address":"h:1"}"#]);
    sandbox.micro(&["register", r#"{"service":"b","id":"b-1","address":"h:2"}"#]);
    assert_eq!(watch.line(), "added    b  b-1  latest  h:2");
}

//! `weight`.

use crate::sandbox::{Sandbox, greeter};
use serde_json::json;

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.serve(greeter());
    sandbox.serve(greeter().version("2.0.0").id("2"));
    sandbox
}

#[test]
fn weights_are_set_shown_replaced_and_cleared() {
    let sandbox = sandbox();
    let show = || sandbox.micro(&["weight", "greeter", "--json"]).json()["weights"].clone();
    assert_eq!(show(), json!({}));
    sandbox
        .micro(&["weight", "greeter", "1.0.0=90", "2.0.0=10"])
        .ok();
    assert_eq!(show(), json!({"1.0.0": 90, "2.0.0": 10}));
    assert_eq!(
        sandbox.micro(&["weight", "greeter"]).ok(),
        "VERSION  WEIGHT\n1.0.0    90\n2.0.0    10\n"
    );
    sandbox.micro(&["weight", "greeter", "2.0.0=100"]).ok();
    assert_eq!(show(), json!({"2.0.0": 100}));
    sandbox.micro(&["weight", "greeter", "--clear"]).ok();
    assert_eq!(show(), json!({}));
}

#[test]
fn callers_follow_the_weights() {
    let sandbox = sandbox();
    sandbox.micro(&["weight", "greeter", "2.0.0=1"]).ok();
    let request = r#"{"name":"John"}"#;
    for _ in 0..5 {
        let ran = sandbox.micro(&["call", "greeter", "Greeter.Hello", request, "--explain"]);
        assert!(ran.stderr.contains("to greeter-2 "), "{}", ran.stderr);
    }
}

#[test]
fn weights_are_no_service() {
    let sandbox = sandbox();
    sandbox.micro(&["weight", "greeter", "2.0.0=1"]).ok();
    let list = sandbox.micro(&["list", "--json"]).json();
    assert_eq!(list.as_array().map(Vec::len), Some(1), "{list}");
}

#[test]
fn weight_of_a_version_without_nodes_warns() {
    let sandbox = sandbox();
    let ran = sandbox.micro(&["weight", "greeter", "2.0.1=1"]);
    assert_eq!(ran.code, 0);
    assert!(
        ran.stderr
            .contains("no node of `greeter` is of version `2.0.1`"),
        "{}",
        ran.stderr
    );
    let said = sandbox
        .micro(&["weight", "greeter", "2.0.0=lots"])
        .failed(2);
    assert!(said.contains("`lots` is not a whole number"), "{said}");
    let said = sandbox.micro(&["weight", "greete", "2.0.0=1"]).failed(3);
    assert!(said.contains("did you mean `greeter`?"), "{said}");
}

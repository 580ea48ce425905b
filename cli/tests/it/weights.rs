//! `weight`.

use crate::house::{House, greeter};
use serde_json::json;

fn house() -> House {
    let house = House::new();
    house.serve(greeter());
    house.serve(greeter().version("2.0.0").id("2"));
    house
}

#[test]
fn weights_are_set_shown_replaced_and_cleared() {
    let house = house();
    let show = || house.micro(&["weight", "greeter", "--json"]).json()["weights"].clone();
    assert_eq!(show(), json!({}));
    house
        .micro(&["weight", "greeter", "1.0.0=90", "2.0.0=10"])
        .ok();
    assert_eq!(show(), json!({"1.0.0": 90, "2.0.0": 10}));
    assert_eq!(
        house.micro(&["weight", "greeter"]).ok(),
        "VERSION  WEIGHT\n1.0.0    90\n2.0.0    10\n"
    );
    house.micro(&["weight", "greeter", "2.0.0=100"]).ok();
    assert_eq!(show(), json!({"2.0.0": 100}));
    house.micro(&["weight", "greeter", "--clear"]).ok();
    assert_eq!(show(), json!({}));
}

#[test]
fn callers_follow_the_weights() {
    let house = house();
    house.micro(&["weight", "greeter", "2.0.0=1"]).ok();
    let request = r#"{"name":"John"}"#;
    for _ in 0..5 {
        let ran = house.micro(&["call", "greeter", "Greeter.Hello", request, "--explain"]);
        assert!(ran.stderr.contains("to greeter-2 "), "{}", ran.stderr);
    }
}

#[test]
fn weights_are_no_service() {
    let house = house();
    house.micro(&["weight", "greeter", "2.0.0=1"]).ok();
    let list = house.micro(&["list", "--json"]).json();
    assert_eq!(list.as_array().map(Vec::len), Some(1), "{list}");
}

#[test]
fn weight_of_a_version_without_nodes_warns() {
    let house = house();
    let ran = house.micro(&["weight", "greeter", "2.0.1=1"]);
    assert_eq!(ran.code, 0);
    assert!(
        ran.stderr
            .contains("no node of `greeter` is of version `2.0.1`"),
        "{}",
        ran.stderr
    );
    let said = house.micro(&["weight", "greeter", "2.0.0=lots"]).failed(2);
    assert!(said.contains("`lots` is not a whole number"), "{said}");
    let said = house.micro(&["weight", "greete", "2.0.0=1"]).failed(3);
    assert!(said.contains("did you mean `greeter`?"), "{said}");
}

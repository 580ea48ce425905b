//! `health` and `stats`.

use crate::sandbox::{Sandbox, greeter};

/// Two nodes of a greeter, and their addresses.
fn sandbox() -> (Sandbox, [String; 2]) {
    let sandbox = Sandbox::new();
    let addresses = [greeter(), greeter().id("2")].map(|node| sandbox.serve(node));
    (sandbox, addresses)
}

#[test]
fn health_has_a_row_a_node() {
    let (sandbox, addresses) = sandbox();
    let rows = sandbox.micro(&["health", "greeter", "--json"]).json();
    for (index, address) in addresses.iter().enumerate() {
        let row = &rows[index];
        assert_eq!(row["id"], format!("greeter-{}", index + 1));
        assert_eq!(row["address"], address.as_str());
        assert_eq!(
            (&row["status"], &row["ready"]),
            (&"ok".into(), &true.into())
        );
    }
    let text = sandbox.micro(&["health", "greeter"]).ok();
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(
        text.contains(&format!("greeter-1  1.0.0    {}", addresses[0])),
        "{text}"
    );
}

#[test]
fn node_without_an_answer_is_not_healthy() {
    let (sandbox, _) = sandbox();
    let record = r#"{"service":"greeter","id":"greeter-3","address":"127.0.0.1:1"}"#;
    assert_eq!(sandbox.micro(&["register", record]).code, 0);
    let ran = sandbox.micro(&["health", "greeter", "--json"]);
    assert_eq!(
        (ran.code, ran.stderr.as_str()),
        (1, "error: 1 of 3 nodes not healthy\n")
    );
    let rows: serde_json::Value = serde_json::from_str(&ran.stdout).expect("rows are JSON");
    assert_eq!(rows[2]["status"], "failed");
    assert!(
        rows[2]["error"]
            .as_str()
            .is_some_and(|error| error.contains("unavailable"))
    );
    let ran = sandbox.micro(&["stats", "greeter"]);
    assert_eq!(
        (ran.code, ran.stderr.as_str()),
        (1, "error: 1 of 3 nodes did not answer\n")
    );
}

#[test]
fn node_whose_address_another_service_has_is_not_healthy() {
    let sandbox = Sandbox::new();
    let address = sandbox.serve(micro::Service::new("counter").id("1"));
    let record = format!(
        r#"{{"service":"greeter","id":"greeter-1","address":"{address}","metadata":{{"micro-identity":"node"}}}}"#
    );
    assert_eq!(sandbox.micro(&["register", &record]).code, 0);
    let ran = sandbox.micro(&["health", "greeter", "--json"]);
    assert_eq!(
        (ran.code, ran.stderr.as_str()),
        (1, "error: 1 of 1 nodes not healthy\n")
    );
    let rows: serde_json::Value = serde_json::from_str(&ran.stdout).expect("rows are JSON");
    assert_eq!(rows[0]["status"], "replaced");
    let table = sandbox.micro(&["health", "greeter"]).stdout;
    assert!(table.contains("another server answers here"), "{table}");
    assert!(
        table.contains("node `counter-1` of service `counter`"),
        "{table}"
    );
    assert_eq!(sandbox.micro(&["health", "counter"]).code, 0);
}

#[test]
fn stats_count_by_node_and_endpoint() {
    let (sandbox, [first, second]) = sandbox();
    let hello = |name: &str, address: &str| {
        let request = format!(r#"{{"name":"{name}"}}"#);
        sandbox
            .micro(&[
                "call",
                "greeter",
                "Greeter.Hello",
                &request,
                "--address",
                address,
            ])
            .code
    };
    assert_eq!(
        [
            hello("a", &first),
            hello("b", &first),
            hello("nobody", &second)
        ],
        [0, 0, 1]
    );
    let rows = sandbox.micro(&["stats", "greeter", "--json"]).json();
    let counts = |row: usize| {
        let endpoint = &rows[row]["endpoints"][0];
        assert_eq!(endpoint["name"], "Greeter.Hello");
        assert_eq!(endpoint["in_flight"], 0);
        assert!(endpoint["p50_us"].as_f64().is_some_and(|us| us > 0.0));
        (endpoint["executed"].as_u64(), endpoint["failed"].as_u64())
    };
    assert_eq!(counts(0), (Some(2), Some(0)));
    assert_eq!(counts(1), (Some(1), Some(1)));
    let text = sandbox.micro(&["stats", "greeter"]).ok();
    assert!(
        text.contains("greeter-1  Greeter.Hello  2         0       0"),
        "{text}"
    );
}

#[test]
fn nodes_of_an_unknown_service_cannot_be_asked() {
    let (sandbox, _) = sandbox();
    for command in ["health", "stats"] {
        let said = sandbox.micro(&[command, "greete"]).failed(3);
        assert!(said.contains("did you mean `greeter`?"), "{said}");
    }
}

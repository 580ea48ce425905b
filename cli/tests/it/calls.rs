//! `call`.

use crate::sandbox::{Sandbox, greeter};

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.serve(greeter());
    sandbox
}

const HELLO: [&str; 3] = ["call", "greeter", "Greeter.Hello"];

/// `Greeter.Hello` with a request and options.
fn hello<'a>(request: &'a str, options: &[&'a str]) -> Vec<&'a str> {
    [&HELLO, &[request][..], options].concat()
}

#[test]
fn reply_is_on_stdout() {
    let reply = sandbox().micro(&hello(r#"{"name":"John"}"#, &[])).ok();
    assert_eq!(reply, "{\"msg\":\"Hello John\"}\n");
}

#[test]
fn metadata_goes_along() {
    let request = r#"{"name":"John","times":2}"#;
    let reply = sandbox()
        .micro(&hello(request, &["--metadata", "title=Dr "]))
        .ok();
    assert_eq!(reply, "{\"msg\":\"Hello Dr John, Hello Dr John\"}\n");
}

#[test]
fn explain_prints_the_decisions_to_stderr() {
    let sandbox = sandbox();
    let ran = sandbox.micro(&hello(r#"{"name":"John"}"#, &["--explain"]));
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, "{\"msg\":\"Hello John\"}\n")
    );
    assert!(
        ran.stderr.starts_with("greeter/Greeter.Hello in "),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("attempt 1 at"), "{}", ran.stderr);

    let ran = sandbox.micro(&hello(r#"{"name":"John"}"#, &["--explain", "--json"]));
    let record: serde_json::Value = serde_json::from_str(&ran.stderr).expect("a record is JSON");
    assert_eq!(record["attempts"][0]["node"], "greeter-1");
}

#[test]
fn call_of_a_version_fails_if_it_has_no_node() {
    let sandbox = sandbox();
    sandbox.serve(greeter().version("2.0.0").id("2"));
    let called = sandbox.micro(&hello(
        r#"{"name":"John"}"#,
        &["--version", "2.0.0", "--explain"],
    ));
    assert!(called.stderr.contains("to greeter-2"), "{}", called.stderr);
    let said = sandbox
        .micro(&hello(r#"{"name":"John"}"#, &["--version", "3"]))
        .failed(3);
    assert_eq!(
        said,
        "error: no node of version `3`; there is `1.0.0`, `2.0.0`\n"
    );
}

#[test]
fn call_to_an_address_needs_no_registry() {
    let sandbox = Sandbox::new();
    let elsewhere = Sandbox::new();
    let address = elsewhere.serve(greeter());
    let arguments = hello(r#"{"name":"John"}"#, &["--address", &address]);
    assert_eq!(sandbox.micro(&arguments).ok(), "{\"msg\":\"Hello John\"}\n");
}

#[test]
fn unknown_endpoint_at_an_address_suggests_similar_names() {
    let sandbox = Sandbox::new();
    let address = sandbox.serve(greeter());
    let call = |endpoint: &str, request: &str| {
        sandbox.micro(&["call", "greeter", endpoint, request, "--address", &address])
    };
    let said = call("greeter.hello", "{}").failed(3);
    assert!(said.contains("did you mean `Greeter.Hello`?"), "{said}");
    // What its handler does not find is not a wrong name.
    call("Greeter.Hello", r#"{"name":"nobody"}"#).failed(1);
}

#[test]
fn wrong_names_suggest_similar_names() {
    let sandbox = sandbox();
    let said = sandbox
        .micro(&["call", "greter", "Greeter.Hello", "{}"])
        .failed(3);
    assert_eq!(
        said,
        "error: no service `greter`; did you mean `greeter`?\n"
    );
    let said = sandbox
        .micro(&["call", "greeter", "greeter.hello", "{}"])
        .failed(3);
    let expected =
        "error: service `greeter` has no endpoint `greeter.hello`; did you mean `Greeter.Hello`?\n";
    assert_eq!(said, expected);
    let said = sandbox
        .micro(&["call", "greeter", "Payments.Pay", "{}"])
        .failed(3);
    assert!(
        said.contains("`micro get greeter` shows what it has"),
        "{said}"
    );
}

#[test]
fn malformed_json_request_is_reported_with_its_position() {
    let said = sandbox().micro(&hello("{\n\"name\": }", &[])).failed(2);
    assert!(
        said.contains("the request is not JSON") && said.contains("line 2 column 9"),
        "{said}"
    );
}

#[test]
fn request_of_a_wrong_type_names_the_field() {
    let sandbox = sandbox();
    let said = |request| sandbox.micro(&hello(request, &[])).failed(1);
    assert_eq!(
        said(r#"{"name":5}"#),
        "error: field `name` must be string, not 5\n"
    );
    assert_eq!(
        said(r#"{"nmae":"John"}"#),
        "error: field `name` (string) is missing; it has `nmae`\n"
    );
    assert_eq!(
        said(r#"{"times":256}"#),
        "error: field `name` (string) is missing\n       field `times` must be u8?, not 256\n"
    );
}

#[test]
fn unknown_field_is_a_warning() {
    let ran = sandbox().micro(&hello(r#"{"name":"John","tims":2}"#, &[]));
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, "{\"msg\":\"Hello John\"}\n")
    );
    assert_eq!(
        ran.stderr,
        "warning: `Hello` has no field `tims`; did you mean `times`?\n"
    );
}

#[test]
fn unchecked_request_reaches_the_server() {
    let said = sandbox()
        .micro(&hello(r#"{"name":5}"#, &["--unchecked"]))
        .failed(1);
    assert!(said.contains("(invalid_argument)"), "{said}");
}

#[test]
fn what_a_handler_does_not_find_is_a_failed_call() {
    let said = sandbox()
        .micro(&hello(r#"{"name":"nobody"}"#, &[]))
        .failed(1);
    assert_eq!(
        said,
        "error: greeter/Greeter.Hello: nobody is not here (not_found)\n"
    );
}

#[test]
fn call_ends_at_its_timeout() {
    let arguments = [
        "call",
        "greeter",
        "Greeter.Slow",
        r#"{"name":"x"}"#,
        "--timeout",
        "50ms",
    ];
    let said = sandbox().micro(&arguments).failed(1);
    assert!(said.contains("deadline_exceeded"), "{said}");
}

#[test]
fn wrong_options_are_wrong_usage() {
    let sandbox = Sandbox::new();
    for option in [
        ["--timeout", "soon"],
        ["--metadata", "title"],
        ["--nonsense", "x"],
    ] {
        let said = sandbox.micro(&hello("{}", &option)).failed(2);
        assert!(said.contains(option[0]), "{said}");
    }
}

#[test]
fn call_without_a_request_sends_an_empty_message() {
    use micro::{Context, Result, Service};

    async fn count(_: Context, map: std::collections::BTreeMap<String, u32>) -> Result<u64> {
        Ok(map.len() as u64)
    }
    let sandbox = Sandbox::new();
    sandbox.serve(Service::new("counter").handle("Counter.Count", count));
    let reply = sandbox.micro(&["call", "counter", "Counter.Count"]).ok();
    assert_eq!(reply, "0\n");
    // What the endpoint needs is asked for, as of any other request.
    sandbox.serve(greeter());
    let error = sandbox.micro(&HELLO).failed(1);
    assert!(error.contains("name"), "{error}");
}

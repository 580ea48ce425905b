//! `cert`, and calls over TLS with what it makes.

use std::fs;

use micro::{Context, Service, Streaming, transport::Tls};

use crate::sandbox::Sandbox;

fn made(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let ran = sandbox.micro(&[&["cert"], arguments].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran.stdout
}

fn greeter(sandbox: &Sandbox, tls: Tls) {
    let hello = async |_: Context, name: String| Ok::<_, micro::Error>(format!("Hello {name}"));
    let service = Service::new("greeter").handle("Greeter.Hello", hello);
    sandbox.serve_over(tls, service);
}

#[test]
fn authority_is_created_once_and_signs_working_certificates() {
    let sandbox = Sandbox::new();
    let files = made(&sandbox, &[]);
    assert_eq!(
        files.lines().collect::<Vec<_>>(),
        [
            "certs/ca.pem",
            "certs/ca-key.pem",
            "certs/cert.pem",
            "certs/key.pem"
        ]
    );
    let authority = fs::read(sandbox.directory().join("certs/ca.pem")).expect("it is there");
    assert_eq!(made(&sandbox, &[]), "certs/cert.pem\ncerts/key.pem\n");
    assert_eq!(
        made(&sandbox, &["--client", "web"]),
        "certs/web.pem\ncerts/web-key.pem\n"
    );
    let again = fs::read(sandbox.directory().join("certs/ca.pem")).expect("it is there");
    assert!(authority == again, "another authority");

    let path = |name: &str| sandbox.directory().join("certs").join(name);
    let tls = Tls::new().certificate(path("cert.pem"), path("key.pem"));
    greeter(&sandbox, tls.clients(path("ca.pem")).require());
    let call = [
        "call",
        "greeter",
        "Greeter.Hello",
        "\"John\"",
        "--tls-ca=certs/ca.pem",
    ];
    let shown = ["--tls-cert=certs/web.pem", "--tls-key=certs/web-key.pem"];
    assert_eq!(
        sandbox.micro(&[&call[..], &shown[..]].concat()).ok().trim(),
        "\"Hello John\""
    );
    let without = sandbox
        .micro(&[&call[..], &["--timeout=1s"]].concat())
        .failed(1);
    assert!(
        without.contains("only clients with a certificate"),
        "{without}"
    );
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_keys() {
    use std::os::unix::fs::PermissionsExt;

    let sandbox = Sandbox::new();
    made(&sandbox, &["--out", "here"]);
    for (name, expected) in [("ca-key.pem", 0o600), ("key.pem", 0o600)] {
        let about = fs::metadata(sandbox.directory().join("here").join(name)).expect("it is there");
        assert_eq!(about.permissions().mode() & 0o777, expected, "{name}");
    }
}

#[test]
fn certificate_has_the_given_names_and_json_lists_them() {
    let sandbox = Sandbox::new();
    let told = made(
        &sandbox,
        &["--json", "--name", "a.example", "10.0.0.1", "--days", "7"],
    );
    let told: serde_json::Value = serde_json::from_str(&told).expect("it is JSON");
    assert_eq!(told["names"], serde_json::json!(["a.example", "10.0.0.1"]));
    assert_eq!(told["authority_made"], true);
    assert_eq!(told["days"], 7);
    let wrong = sandbox.micro(&["cert", "--client", "../x"]).failed(2);
    assert!(wrong.contains("`../x` cannot name a client"), "{wrong}");
}

#[test]
fn authority_of_another_key_is_not_overwritten() {
    let sandbox = Sandbox::new();
    made(&sandbox, &["--out", "one"]);
    made(&sandbox, &["--out", "two"]);
    let path = |name: &str| sandbox.directory().join(name);
    fs::copy(path("one/ca.pem"), path("two/ca.pem")).expect("it can be copied");
    let said = sandbox.micro(&["cert", "--out", "two"]).failed(1);
    assert!(
        said.contains("not the certificate that `micro cert` created"),
        "{said}"
    );
    fs::remove_file(path("two/ca.pem")).expect("it is there");
    let said = sandbox.micro(&["cert", "--out", "two"]).failed(1);
    assert!(said.contains("without its `ca.pem`"), "{said}");
}

/// Flags of a caller with a certificate of this sandbox's authority.
const SHOWN: [&str; 3] = [
    "--tls-ca=certs/ca.pem",
    "--tls-cert=certs/cert.pem",
    "--tls-key=certs/key.pem",
];

/// A greeter that refuses plaintext: its address.
fn refusing(sandbox: &Sandbox) -> String {
    made(sandbox, &[]);
    let path = |name: &str| sandbox.directory().join("certs").join(name);
    let tls = Tls::new().certificate(path("cert.pem"), path("key.pem"));
    let hello = async |_: Context, name: String| Ok::<_, micro::Error>(format!("Hello {name}"));
    let count = async |_: Context, name: String| {
        let (sender, replies) = Streaming::channel(1);
        sender.send(name).await?;
        Ok::<_, micro::Error>(replies)
    };
    let service = Service::new("greeter")
        .handle("Greeter.Hello", hello)
        .handle("Greeter.Count", count);
    sandbox.serve_over(tls.clients(path("ca.pem")), service)
}

#[test]
fn health_and_stats_follow_records_that_ask_for_tls() {
    let sandbox = Sandbox::new();
    refusing(&sandbox);
    let plain = Service::new("greeter")
        .handle("Greeter.Hello", async |_: Context, name: String| {
            Ok::<_, micro::Error>(name)
        });
    sandbox.serve(plain);
    for command in ["health", "stats"] {
        let asked = [&[command, "greeter", "--json"], &SHOWN[..]].concat();
        let rows: serde_json::Value =
            serde_json::from_str(&sandbox.micro(&asked).ok()).expect("it is JSON");
        let rows = rows.as_array().expect("a row a node");
        assert_eq!(rows.len(), 2, "{command}: {rows:?}");
        let failed = rows.iter().any(|row| row.get("error").is_some());
        assert!(!failed, "{command}: {rows:?}");
    }
}

#[test]
fn address_is_called_by_tls_where_its_record_asks_for_it() {
    let sandbox = Sandbox::new();
    let address = format!("--address={}", refusing(&sandbox));
    // Where the environment says whom to trust, only the record says that TLS is spoken.
    let names = ["MICRO_TLS_CA", "MICRO_TLS_CERT", "MICRO_TLS_KEY"];
    let files = ["certs/ca.pem", "certs/cert.pem", "certs/key.pem"];
    for (command, endpoint) in [
        ("call", "Greeter.Hello"),
        ("stream", "Greeter.Count"),
        ("bench", "Greeter.Hello"),
    ] {
        let mut asked = vec![command, "greeter", endpoint, "\"John\"", &address];
        if command == "bench" {
            asked.push("--duration=100ms");
        }
        let mut child = sandbox.command(&asked);
        child.envs(names.into_iter().zip(files));
        let output = child.output().expect("the command runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {said}");
    }
}

#[test]
fn address_is_called_by_tls_where_a_flag_of_tls_is_given() {
    let sandbox = Sandbox::new();
    let address = format!("--address={}", refusing(&sandbox));
    let call = ["call", "greeter", "Greeter.Hello", "\"John\"", &address];
    // This registry does not know it.
    let elsewhere = format!("local:{}", sandbox.directory().join("none").display());
    let said = sandbox.micro_at(&elsewhere, &[&call[..], &SHOWN[..]].concat());
    assert_eq!(said.ok().trim(), "\"Hello John\"");
    let said = sandbox.micro_at(&elsewhere, &[&call[..], &["--timeout=1s"]].concat());
    said.failed(1);
}

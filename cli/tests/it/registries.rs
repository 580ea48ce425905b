//! `registry copy`, `doctor`, and the flags of registries.

#[cfg(feature = "nats")]
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
#[cfg(feature = "dns")]
use std::net::UdpSocket;

use crate::sandbox::{Sandbox, Started, greeter};
use micro::Service;
use serde_json::{Value, json};

/// A registry of its own in the sandbox, as the flag takes it.
fn place(sandbox: &Sandbox, name: &str) -> String {
    format!("local:{}", sandbox.directory().join(name).display())
}

fn record(id: &str, version: &str) -> String {
    json!({"service": "x", "id": id, "address": "10.0.0.1:80", "version": version, "metadata": {"zone": "west"},
        "endpoints": [{"name": "X.Y", "request": {"name": "Z", "type": "string"}, "metadata": {"idempotent": "true"}}]})
    .to_string()
}

/// What another registry has of a service.
fn there(sandbox: &Sandbox, registry: &str, service: &str) -> Value {
    sandbox
        .micro_at(registry, &["get", service, "--json"])
        .json()
}

#[test]
fn copy_has_versions_metadata_and_endpoints() {
    let sandbox = Sandbox::new();
    sandbox.serve(greeter());
    for (id, version) in [("x-1", "1"), ("x-2", "2")] {
        assert_eq!(sandbox.micro(&["register", &record(id, version)]).code, 0);
    }
    let (from, to) = (sandbox.registry(), place(&sandbox, "to"));
    let copy = |arguments: &[&str]| {
        let all = [&["registry", "copy", &from, &to, "--json"], arguments].concat();
        sandbox.micro(&all).json()
    };
    let dry = copy(&["--dry-run"]);
    assert_eq!((&dry["copied"], &dry["dry_run"]), (&json!(3), &json!(true)));
    assert_eq!(sandbox.micro_at(&to, &["list", "--json"]).json(), json!([]));
    let copied = copy(&[]);
    let counts = |of: &Value| ["services", "copied", "present"].map(|name| of[name].as_u64());
    assert_eq!(counts(&copied), [Some(2), Some(3), Some(0)]);
    for service in ["x", "greeter"] {
        assert_eq!(
            there(&sandbox, &to, service),
            there(&sandbox, &from, service)
        );
    }
    assert_eq!(counts(&copy(&[])), [Some(2), Some(0), Some(3)]);
    let text = sandbox.micro(&["registry", "copy", &from, &to]).ok();
    let expected = "copied 0 nodes; 3 were there, 0 taken out again, 0 refused; services: 2\n";
    assert_eq!(text, expected);
}

#[cfg(unix)]
#[test]
fn watching_copy_adds_changes_and_removes_nodes() {
    let sandbox = Sandbox::new();
    let (from, to) = (sandbox.registry(), place(&sandbox, "to"));
    // One that is there by itself, and stays.
    assert_eq!(
        sandbox
            .micro_at(&to, &["register", &record("x-own", "1")])
            .code,
        0
    );
    assert_eq!(sandbox.micro(&["register", &record("x-own", "1")]).code, 0);
    let mut watch = sandbox.start_at(&to, &["watch", "--json"]);
    let event = |watch: &mut Started| {
        let event: Value = serde_json::from_str(&watch.line()).expect("it prints JSON");
        let field = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        format!("{} {} {}", field("action"), field("node"), field("version"))
    };
    assert_eq!(event(&mut watch), "added x-own 1");
    let mut copy = sandbox.start(&["registry", "copy", &from, &to, "--watch", "--json"]);
    sandbox.micro(&["register", &record("x-1", "1")]);
    assert_eq!(event(&mut watch), "added x-1 1");
    sandbox.micro(&["register", &record("x-1", "2")]);
    assert_eq!(event(&mut watch), "changed x-1 2");
    for id in ["x-own", "x-1"] {
        sandbox.micro(&["deregister", &json!({"service": "x", "id": id}).to_string()]);
    }
    assert_eq!(event(&mut watch), "removed x-1 2");
    copy.interrupt();
    let counts: Value = serde_json::from_str(&copy.line()).expect("it prints JSON");
    assert_eq!(
        (&counts["copied"], &counts["removed"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(copy.end(), Some(0));
    assert_eq!(
        sandbox.micro_at(&to, &["list", "--json"]).json()[0]["nodes"],
        1
    );
}

#[test]
fn copy_with_a_wrong_url_is_wrong_usage() {
    let sandbox = Sandbox::new();
    let copy = |from: &str, to: &str| sandbox.micro(&["registry", "copy", from, to]).failed(2);
    assert!(copy(&sandbox.registry(), "memory:x").contains("`memory` takes no address"));
    assert!(copy("loacl", &sandbox.registry()).contains("did you mean `local`"));
}

#[test]
fn doctor_leaves_no_record_in_a_healthy_registry() {
    let sandbox = Sandbox::new();
    let reports = sandbox.micro(&["doctor", "--json"]).json();
    let [registry, broker] = [&reports[0], &reports[1]];
    assert_eq!(
        (&registry["well"], &broker["well"]),
        (&json!(true), &json!(true)),
        "{reports}"
    );
    let checks = |of: &Value| -> Vec<_> {
        let checks = of["checks"].as_array().expect("a list").iter();
        checks
            .map(|check| check["check"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    assert_eq!(
        checks(registry),
        [
            "reads",
            "watches",
            "registers",
            "finds",
            "tells",
            "deregisters"
        ]
    );
    assert_eq!(checks(broker), ["subscribes", "publishes"]);
    assert!(registry["checks"][0]["ms"].is_number());
    assert_eq!(
        sandbox.micro(&["list", "--all", "--json"]).json(),
        json!([])
    );
    let text = sandbox.micro(&["doctor"]).ok();
    assert!(
        text.starts_with("registry local:") && text.contains("\nbroker direct\n"),
        "{text}"
    );
}

#[test]
fn doctor_prints_failure_and_advice_for_each_registry() {
    let sandbox = Sandbox::new();
    let file = sandbox.directory().join("file");
    std::fs::write(&file, b"in the way").expect("it can be written");
    let both = format!("{},local:{}", sandbox.registry(), file.display());
    let ran = sandbox.micro_at(&both, &["doctor", "--json"]);
    assert_eq!(ran.code, 1);
    let reports: Value = serde_json::from_str(&ran.stdout).expect("it prints JSON");
    assert_eq!(
        (&reports[0]["well"], &reports[1]["well"]),
        (&json!(true), &json!(false))
    );
    let check = &reports[1]["checks"][0];
    assert_eq!(
        (&check["check"], &check["result"]),
        (&json!("reads"), &json!("failed"))
    );
    assert!(
        check["found"]
            .as_str()
            .is_some_and(|why| why.contains("is not a directory")),
        "{check}"
    );
    assert!(check["advice"].is_string(), "{check}");
}

#[test]
fn read_only_registry_is_healthy_and_refuses_writes() {
    let sandbox = Sandbox::new();
    let there = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = there.local_addr().expect("it is bound");
    let list = &*format!("static:x={address}");
    let doctor = ["doctor", "--json", "--timeout=500ms"];
    let reports = sandbox.micro_at(list, &doctor).json();
    let found = |report: usize, check: usize| &reports[report]["checks"][check];
    assert_eq!(found(0, 0)["found"], "1 service");
    assert_eq!(
        (&found(0, 2)["check"], &found(0, 2)["result"]),
        (&json!("registers"), &json!("none"))
    );
    // Events of the default broker need subscribers in the registry.
    assert_eq!(found(1, 0)["result"], "none");
    let node = record(&format!("x-{address}"), "latest");
    for arguments in [
        &["register", &*node][..],
        &["deregister", &*node],
        &["registry", "copy", &sandbox.registry(), list],
    ] {
        let said = sandbox.micro_at(list, arguments).failed(2);
        assert!(said.contains("`static` is read-only"), "{said}");
    }
}

/// What the doctor says of the nodes of a registry, and its exit code.
fn nodes_report(sandbox: &Sandbox, registry: &str) -> (Value, i32) {
    let ran = sandbox.micro_at(registry, &["doctor", "--json", "--timeout=2s"]);
    let reports: Value = serde_json::from_str(&ran.stdout).expect("it prints JSON");
    let all = reports.as_array().expect("a list");
    let nodes = all.iter().find(|report| report["kind"] == "nodes");
    (nodes.expect("it tries the nodes").clone(), ran.code)
}

#[test]
fn doctor_reports_unreachable_and_wrong_nodes() {
    let sandbox = Sandbox::new();
    let counter = sandbox.serve(Service::new("counter"));
    let (report, code) = nodes_report(&sandbox, &sandbox.registry());
    assert_eq!((&report["well"], code), (&json!(true), 0), "{report}");
    // What a killed greeter leaves behind: at one address the counter answers, at the other nobody.
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let gone = closed.local_addr().expect("it is bound").to_string();
    drop(closed);
    for (id, address) in [("greeter-1", &counter), ("greeter-2", &gone)] {
        let record = json!({"service": "greeter", "id": id, "address": address}).to_string();
        assert_eq!(sandbox.micro(&["register", &record]).code, 0);
    }
    let (report, code) = nodes_report(&sandbox, &sandbox.registry());
    assert_eq!((&report["well"], code), (&json!(false), 1), "{report}");
    let found = |check: &str, id: &str| {
        let checks = report["checks"].as_array().expect("a list").iter();
        let of_id = |text: &Value| text.as_str().is_some_and(|text| text.contains(id));
        checks
            .filter(|one| one["check"] == check && of_id(&one["found"]))
            .count()
    };
    assert_eq!(found("wrong", "greeter-1"), 1, "{report}");
    assert_eq!(found("unreachable", "greeter-2"), 1, "{report}");
    assert_eq!(found("reached", "1 of 3 nodes"), 1, "{report}");
}

#[test]
fn doctor_reports_the_age_of_snapshots() {
    let sandbox = Sandbox::new();
    let kept = sandbox.directory().join("kept");
    std::fs::create_dir(&kept).expect("it can be made");
    let look = || {
        sandbox
            .micro(&["doctor", "--json", "--snapshots", "kept"])
            .json()[2]
            .clone()
    };
    assert_eq!(look()["checks"][0]["result"], "none");
    std::fs::write(kept.join("greeter.json"), b"{}").expect("it can be written");
    let found = look()["checks"][0]["found"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(found.starts_with("1 services, "), "{found}");
    let ran = sandbox.micro(&["doctor", "--snapshots", "nowhere"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.contains("cannot be read"), "{}", ran.stdout);
}

#[test]
fn several_registries_are_listed_as_one_and_registered_in_each() {
    let sandbox = Sandbox::new();
    let (one, other) = (place(&sandbox, "one"), place(&sandbox, "other"));
    let both = format!("{one},{other}");
    assert_eq!(
        sandbox
            .micro_at(&one, &["register", &record("x-1", "1")])
            .code,
        0
    );
    assert_eq!(
        sandbox
            .micro_at(&both, &["register", &record("x-2", "1")])
            .code,
        0
    );
    let nodes =
        |registry: &str| sandbox.micro_at(registry, &["list", "--json"]).json()[0]["nodes"].clone();
    assert_eq!(
        [nodes(&one), nodes(&other), nodes(&both)],
        [json!(2), json!(1), json!(2)]
    );
    for id in ["x-1", "x-2"] {
        let record = json!({"service": "x", "id": id}).to_string();
        assert_eq!(sandbox.micro_at(&both, &["deregister", &record]).code, 0);
    }
    assert_eq!(
        sandbox.micro_at(&both, &["list", "--json"]).json(),
        json!([])
    );
}

#[test]
fn fleets_of_two_namespaces_do_not_see_each_other() {
    let sandbox = Sandbox::new();
    assert_eq!(
        sandbox
            .micro(&["register", &record("x-1", "1"), "--namespace", "blue"])
            .code,
        0
    );
    let list = |namespace: &str| {
        sandbox
            .micro(&["list", "--json", "--registry-namespace", namespace])
            .json()
    };
    assert_eq!(list("blue")[0]["nodes"], 1);
    assert_eq!(list("green"), json!([]));
    assert_eq!(sandbox.micro(&["list", "--json"]).json(), json!([]));
}

#[test]
fn secrets_are_in_no_help_and_no_error() {
    let sandbox = Sandbox::new();
    let arguments = [
        "list",
        "--registry-token",
        "hunter2",
        "--registry-user",
        "root",
    ];
    let said = sandbox.micro_at("memory", &arguments).failed(2);
    assert!(
        said.contains("`--registry-token`") || said.contains("`--registry-user`"),
        "{said}"
    );
    assert!(!said.contains("hunter2"), "{said}");
    let mut help = sandbox.command(&["list", "--help"]);
    let help = help
        .env("MICRO_REGISTRY_TOKEN", "hunter2")
        .output()
        .expect("it runs");
    assert!(!String::from_utf8_lossy(&help.stdout).contains("hunter2"));
}

/// A server of DNS that knows no name, by its address.
#[cfg(feature = "dns")]
fn empty_zone() -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    let address = socket.local_addr().expect("it is bound").to_string();
    std::thread::spawn(move || {
        let mut packet = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut packet) {
            // An authoritative answer to the question: there is no such name (RFC 1035, 4.1.1).
            packet[2..4].copy_from_slice(&[0x85, 0x83]);
            packet[6..12].fill(0);
            // The question ends with the name, its kind and class; what follows is left out.
            let name = packet[12..length].iter().position(|byte| *byte == 0);
            let end = 12 + name.unwrap_or_default() + 5;
            let _ = socket.send_to(&packet[..end], from);
        }
    });
    address
}

#[cfg(feature = "dns")]
#[test]
fn missing_service_in_dns_is_not_found() {
    let sandbox = Sandbox::new();
    let address = empty_zone();
    for registry in [
        "/micro.test",
        "/micro.test?port=80",
        "/micro.test?port=grpc",
    ] {
        let registry = format!("dns://{address}{registry}");
        for arguments in [
            &["get", "missing"][..],
            &["call", "missing", "Text.Echo", "{}"],
            &["health", "missing"],
            &["stats", "missing"],
        ] {
            let ran = sandbox.micro_at(&registry, arguments);
            assert_eq!(ran.code, 3, "{registry} {arguments:?}: {ran:?}");
            assert!(ran.stderr.contains("no service `missing`"), "{ran:?}");
        }
    }
}

/// A server of NATS that permits no subscription to the registry's subjects, by its address.
#[cfg(feature = "nats")]
fn refusing_nats() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound").to_string();
    let serve = |stream: std::net::TcpStream| -> std::io::Result<()> {
        let mut answers = stream.try_clone()?;
        let info = r#"INFO {"server_id":"x","version":"2.10.0","max_payload":1048576,"headers":true,"proto":1}"#;
        write!(answers, "{info}\r\n")?;
        for line in BufReader::new(stream).lines() {
            let line = line?;
            let mut words = line.split_whitespace();
            match words.next() {
                Some("PING") => write!(answers, "PONG\r\n")?,
                Some("SUB") => {
                    let subject = words.next().unwrap_or_default();
                    let denied = "-ERR 'Permissions Violation for Subscription to";
                    write!(answers, "{denied} \"{subject}\"'\r\n")?;
                }
                _ => {}
            }
        }
        Ok(())
    };
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream));
        }
    });
    address
}

#[cfg(feature = "nats")]
#[test]
fn missing_permission_in_nats_fails_list() {
    let sandbox = Sandbox::new();
    let registry = format!("nats://{}", refusing_nats());
    for arguments in [&["list"][..], &["get", "greeter"], &["list", "--json"]] {
        let ran = sandbox.micro_at(&registry, arguments);
        assert_eq!(ran.code, 4, "{ran:?}");
        assert!(
            ran.stderr.contains("permission to subscribe to `"),
            "{ran:?}"
        );
    }
}

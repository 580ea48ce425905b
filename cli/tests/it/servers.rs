//! The command with registries that are servers: those it was built with, where `MICRO_TEST_…` says where they are.

use std::{
    env,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    sandbox::{Sandbox, greeter},
    skip,
};

/// How long one waits for what another process does.
const LONG: Duration = Duration::from_secs(10);
const SERVERS: [&str; 4] = ["consul", "etcd", "nats", "zookeeper"];

/// The URL of each server at hand, with a namespace of its own for a test; says which are not.
fn servers(sandbox: &Sandbox, test: &str) -> Vec<String> {
    let urls = SERVERS.into_iter().filter_map(|name| {
        let variable = format!("MICRO_TEST_{}", name.to_uppercase());
        let address = env::var(&variable)
            .ok()
            .filter(|address| !address.is_empty());
        if !is_built_in(sandbox, name) {
            skip::skip(name, "it is not built in");
            return None;
        }
        if address.is_none() {
            let told = format!("`tests/backends up {name}` and its `env` set `{variable}`");
            assert!(!skip::must_be_complete(), "no {name}: {told}");
            skip::skip(name, told);
        }
        let namespace = format!("{test}-{}", std::process::id());
        Some(format!("{name}://{}?namespace={namespace}", address?))
    });
    urls.collect()
}

fn is_built_in(sandbox: &Sandbox, name: &str) -> bool {
    // Nothing listens at this port.
    let ran = sandbox.micro_at(&format!("{name}://127.0.0.1:1"), &["list"]);
    !ran.stderr.contains("is not built in")
}

fn record(id: &str) -> String {
    json!({"service": "x", "id": id, "address": "10.0.0.1:80", "version": "1", "metadata": {"zone": "west"}}).to_string()
}

/// Whether a registry has records only as long as the process runs that registered them.
fn is_held(url: &str) -> bool {
    url.starts_with("nats:")
}

fn deregister(sandbox: &Sandbox, registry: &str, service: &str, id: &str) {
    let record = json!({"service": service, "id": id}).to_string();
    let ran = sandbox.micro_at(registry, &["deregister", &record]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn doctor_reports_each_server_healthy() {
    let sandbox = Sandbox::new();
    for url in servers(&sandbox, "doctor") {
        let ran = sandbox.micro_at(&url, &["doctor", "--json"]);
        assert_eq!(ran.code, 0, "{url}: {}{}", ran.stdout, ran.stderr);
        let reports: Value = serde_json::from_str(&ran.stdout).expect("it prints JSON");
        assert_eq!(
            reports[0]["checks"].as_array().map(Vec::len),
            Some(6),
            "{reports}"
        );
        assert_eq!(
            sandbox.micro_at(&url, &["list", "--all", "--json"]).json(),
            json!([])
        );
    }
}

#[test]
fn doctor_prints_advice_for_an_unreachable_server() {
    let sandbox = Sandbox::new();
    for name in SERVERS
        .into_iter()
        .filter(|name| is_built_in(&sandbox, name))
    {
        let url = format!("{name}://127.0.0.1:1?user=nobody&password=hunter2");
        let ran = sandbox.micro_at(&url, &["doctor"]);
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        assert!(
            ran.stdout.contains("FAILED  reads") && ran.stdout.contains("127.0.0.1:1"),
            "{}",
            ran.stdout
        );
        assert!(ran.stdout.contains("check that it runs"), "{}", ran.stdout);
        assert!(!ran.stdout.contains("hunter2") && !ran.stderr.contains("hunter2"));
    }
}

#[test]
fn refused_credentials_differ_from_an_unreachable_server() {
    let sandbox = Sandbox::new();
    for name in ["consul-acl", "nats-auth", "etcd-auth"] {
        let (kind, variable) = (
            name.split('-').next().unwrap_or(name),
            name.to_uppercase().replace('-', "_"),
        );
        let Some(address) = env::var(format!("MICRO_TEST_{variable}"))
            .ok()
            .filter(|_| is_built_in(&sandbox, kind))
        else {
            skip::skip(
                name,
                format_args!("it is not there, or `{kind}` is not built in"),
            );
            continue;
        };
        let authority = env::var(format!("MICRO_TEST_{variable}_CA"));
        let tls = authority.map_or_else(|_| String::new(), |file| format!("&tls-ca={file}"));
        // etcd takes one or the other.
        let token = if kind == "etcd" { "" } else { "&token=hunter2" };
        let url = format!("{kind}://{address}?user=nobody&password=hunter2{token}{tls}");
        let ran = sandbox.micro_at(&url, &["doctor"]);
        assert_eq!(ran.code, 1, "{name}: {}", ran.stderr);
        let said = ran.stdout;
        assert!(
            said.contains("--registry-token") || said.contains("grant it"),
            "{name}: {said}"
        );
        assert!(!said.contains("hunter2"), "{name}: {said}");
    }
}

#[test]
fn records_are_copied_to_each_server_and_back() {
    let sandbox = Sandbox::new();
    sandbox.serve(greeter());
    assert_eq!(sandbox.micro(&["register", &record("x-1")]).code, 0);
    for url in servers(&sandbox, "copy") {
        let copy = |from: &str, to: &str| {
            let ran = sandbox.micro(&["registry", "copy", from, to, "--json"]);
            assert_eq!(ran.code, 0, "{url}: {}", ran.stderr);
            serde_json::from_str::<Value>(&ran.stdout).expect("it prints JSON")
        };
        let back = format!("local:{}", sandbox.directory().join("back").display());
        let held = is_held(&url).then(|| {
            let all = ["registry", "copy", &sandbox.registry(), &url];
            let said = sandbox.micro(&all).failed(2);
            assert!(said.contains("add `--watch`"), "{said}");
            let mut watch = sandbox.start_at(&url, &["watch", "x"]);
            let held = sandbox.start(&[&all[..], &["--watch", "--json"]].concat());
            assert!(watch.line().starts_with("added    x  x-1"));
            held
        });
        if held.is_none() {
            assert_eq!(copy(&sandbox.registry(), &url)["copied"], 2, "{url}");
            assert_eq!(copy(&sandbox.registry(), &url)["present"], 2, "{url}");
        }
        assert_eq!(copy(&url, &back)["copied"], 2, "{url}");
        for service in ["greeter", "x"] {
            let get = |registry: &str| {
                sandbox
                    .micro_at(registry, &["get", service, "--json"])
                    .json()
            };
            assert_eq!(get(&back), get(&sandbox.registry()), "{url}");
        }
        for registry in [&url, &back] {
            deregister(&sandbox, registry, "x", "x-1");
            deregister(&sandbox, registry, "greeter", "greeter-1");
        }
        if let Some(held) = held {
            held.interrupt();
            assert_eq!(held.end(), Some(0));
        }
    }
}

#[test]
fn commands_do_the_same_with_each_server() {
    let sandbox = Sandbox::new();
    for url in servers(&sandbox, "commands") {
        let mut watch = sandbox.start_at(&url, &["watch", "x"]);
        // Those that hold a record run on.
        let mut held: Vec<_> = Vec::new();
        let mut set = |arguments: &[&str]| match is_held(&url) {
            true => held.push(sandbox.start_at(&url, arguments)),
            false => {
                let ran = sandbox.micro_at(&url, arguments);
                assert_eq!(ran.code, 0, "{url}: {}", ran.stderr);
            }
        };
        set(&["register", &record("x-1")]);
        assert_eq!(watch.line(), "added    x  x-1  1  10.0.0.1:80", "{url}");
        let list = |registry: &str| sandbox.micro_at(registry, &["list", "--json"]).json();
        let expected = json!([{"name": "x", "versions": ["1"], "nodes": 1}]);
        assert_eq!(list(&url), expected, "{url}");
        let both = format!("{},{url}", sandbox.registry());
        assert_eq!(list(&both), expected, "{url}");
        let other = format!("{}-other", url);
        assert_eq!(list(&other), json!([]), "{url}: another namespace");
        set(&["weight", "x", "1=7"]);
        let weights =
            || sandbox.micro_at(&url, &["weight", "x", "--json"]).json()["weights"].clone();
        let begun = Instant::now();
        while is_held(&url) && weights() == json!({}) && begun.elapsed() < LONG {}
        assert_eq!(weights(), json!({"1": 7}), "{url}");
        assert_eq!(
            sandbox.micro_at(&url, &["weight", "x", "--clear"]).code,
            0,
            "{url}"
        );
        deregister(&sandbox, &url, "x", "x-1");
        assert_eq!(watch.line(), "removed  x  x-1  1  10.0.0.1:80", "{url}");
        for held in held {
            held.interrupt();
            assert_eq!(held.end(), Some(0), "{url}");
        }
    }
}

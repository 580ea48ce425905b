//! Programs of others: h2spec, `grpcurl`, `ghz`, `grpc-health-probe` and Python's `grpcio`.
//!
//! `tests/tools` gets them, in a slow run (`MICRO_TEST_SLOW=1`, as `./test --all` sets it). What is not there is
//! skipped with a line.

use std::{
    path::Path,
    process::{Output, Stdio},
};

use super::greeter::{Greeter, serve};
use crate::skip::tool;

/// Runs a program beside the server; what it said must be that it went well.
async fn run(program: &Path, arguments: &[&str]) -> Output {
    let output = tokio::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(std::time::Duration::from_secs(120), output);
    output.await.unwrap().unwrap()
}

fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&both).into_owned()
}

async fn greeter() -> (Greeter, String) {
    let greeter = serve().await;
    let address = greeter.address();
    (greeter, address)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h2spec_passes_all_of_its_cases() {
    let Some(program) = tool("h2spec") else {
        return;
    };
    let (_greeter, address) = greeter().await;
    let (host, port) = address.rsplit_once(':').unwrap();
    let ran = run(&program, &["--strict", "-h", host, "-p", port]).await;
    let said = text(&ran);
    // A port that speaks HTTP/1.1 too answers what is no preface by 400, and closes.
    let answered = said.contains("145 passed, 0 skipped, 1 failed")
        && said.contains("× 2: Sends invalid connection preface")
        && said.contains("looked like an HTTP/1.1 header");
    let all = said.contains("146 tests, 146 passed, 0 skipped, 0 failed");
    assert!(all || answered, "{said}");
}

/// Inside TLS nothing but HTTP/2 was negotiated, so no other protocol has an answer.
#[cfg(feature = "tls")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h2spec_passes_all_of_its_cases_over_tls() {
    let Some(program) = tool("h2spec") else {
        return;
    };
    let pki = crate::tls::certificates::Pki::new();
    let socket = micro::Socket::new().tls(pki.server().require());
    let greeter = super::greeter::serve_by(socket).await;
    let address = greeter.address();
    let (host, port) = address.rsplit_once(':').unwrap();
    let arguments = ["--strict", "-t", "-k", "-h", host, "-p", port];
    let said = text(&run(&program, &arguments).await);
    let all = said.contains("146 tests, 146 passed, 0 skipped, 0 failed");
    assert!(all, "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpc_health_probe_finds_it_serving() {
    let Some(program) = tool("grpc-health-probe") else {
        return;
    };
    let (_greeter, address) = greeter().await;
    for service in ["", "greeter", "greeter.Greeter"] {
        let ran = run(&program, &["-addr", &address, "-service", service]).await;
        assert!(text(&ran).contains("status: SERVING"), "{service}: {ran:?}");
    }
    let ran = run(&program, &["-addr", &address, "-service", "nobody"]).await;
    assert!(text(&ran).contains("NotFound"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpcurl_calls_it_by_reflection() {
    let Some(program) = tool("grpcurl") else {
        return;
    };
    let (_greeter, address) = greeter().await;
    let curl = async |more: &[&str]| {
        let arguments = [&["-plaintext"], more].concat();
        text(&run(&program, &arguments).await)
    };
    let listed = curl(&[&address, "list"]).await;
    let names = [
        "greeter.Greeter",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    ];
    assert_eq!(listed.lines().collect::<Vec<_>>(), names);
    let described = curl(&[&address, "describe", "greeter.Greeter"]).await;
    assert!(
        described.contains("rpc Count ( .greeter.Hello ) returns ( stream .greeter.Greeting );"),
        "{described}"
    );
    let john = r#"{"name":"John"}"#;
    let said = curl(&["-d", john, &address, "greeter.Greeter/Hello"]).await;
    assert!(said.contains(r#""msg": "Hello John""#), "{said}");
    let said = curl(&["-d", r#"{"name":"5"}"#, &address, "greeter.Greeter/Count"]).await;
    assert_eq!(said.matches("\"msg\"").count(), 5, "{said}");
    let said = curl(&["-d", r#"{"name":"5"}"#, &address, "greeter.Greeter/Fail"]).await;
    assert!(said.contains("Code: NotFound"), "{said}");
    let said = curl(&["-d", "{}", &address, "grpc.health.v1.Health/Check"]).await;
    assert!(said.contains(r#""status": "SERVING""#), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ghz_makes_many_calls_and_all_go_well() {
    let Some(program) = tool("ghz") else {
        return;
    };
    let (_greeter, address) = greeter().await;
    let john = r#"{"name":"John"}"#;
    let arguments = [
        "--insecure",
        "--call",
        "greeter.Greeter.Hello",
        "-d",
        john,
        "-n",
        "5000",
        "-c",
        "50",
        "--connections",
        "5",
        &address,
    ];
    let ran = run(&program, &arguments).await;
    assert!(
        text(&ran).contains("[OK]   5000 responses"),
        "{}",
        text(&ran)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_in_python_calls_each_shape() {
    let Some(program) = tool("grpcio") else {
        return;
    };
    let (_greeter, address) = greeter().await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/grpc/client.py");
    let ran = run(&program, &[script.to_str().unwrap(), &address]).await;
    assert!(ran.status.success(), "{}", text(&ran));
    assert!(text(&ran).ends_with("fine\n"), "{}", text(&ran));
}

//! Programs of others: h2spec, `grpcurl`, `ghz`, `grpc-health-probe` and Python's `grpcio`.
//!
//! They are built with the Go toolchain, or installed by pip, into the target directory by the first slow
//! run (`MICRO_TEST_SLOW=1`, as `./test --all` sets it). What is not there is skipped with a line.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use super::greeter::{Greeter, serve};
use crate::skip::{is_slow_wanted, skip};

/// Where programs are put, and where this test's own files are.
fn tools() -> PathBuf {
    let binary = std::env::current_exe().unwrap();
    let target = binary.ancestors().nth(3).unwrap();
    target.join("tools")
}

fn own(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

/// Runs what installs a program; whether it is there then.
fn installed(name: &str, program: &Path, install: &mut Command) -> bool {
    if !is_slow_wanted(name) {
        return false;
    }
    if program.exists() {
        return true;
    }
    std::fs::create_dir_all(tools()).unwrap();
    let ran = install.stdin(Stdio::null()).output();
    let why = match ran {
        Ok(output) if output.status.success() && program.exists() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    assert!(
        std::env::var_os("CI").is_none(),
        "{name} cannot be had: {why}"
    );
    skip(name, format_args!("it cannot be had: {why}"));
    false
}

/// A program of a Go module.
fn of_go(name: &str, module: &str) -> Option<PathBuf> {
    let program = tools().join(name);
    let mut install = Command::new("go");
    install.args(["install", module]).env("GOBIN", tools());
    installed(name, &program, &mut install).then_some(program)
}

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

/// Where h2spec is, if it could be built.
fn h2spec() -> Option<PathBuf> {
    let program = tools().join("h2spec");
    let mut build = Command::new("go");
    build
        .current_dir(own("../interop/h2spec"))
        .args(["build", "-mod=mod", "-o"])
        .arg(&program)
        .arg("github.com/summerwind/h2spec/cmd/h2spec");
    installed("h2spec", &program, &mut build).then_some(program)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h2spec_passes_all_of_its_cases() {
    let Some(program) = h2spec() else { return };
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
    let Some(program) = h2spec() else { return };
    let house = crate::tls::certificates::House::new();
    let socket = micro::Socket::new().tls(house.server().require());
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
    let module = "github.com/grpc-ecosystem/grpc-health-probe@v0.4.61";
    let Some(program) = of_go("grpc-health-probe", module) else {
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
    let module = "github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4";
    let Some(program) = of_go("grpcurl", module) else {
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
    let Some(program) = of_go("ghz", "github.com/bojand/ghz/cmd/ghz@v0.121.0") else {
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
async fn a_client_in_python_calls_each_shape() {
    let python = tools().join("python");
    let program = python.join("bin/python");
    let script = format!(
        "python3 -m venv '{0}' && '{0}/bin/pip' install --quiet grpcio",
        python.display()
    );
    let mut install = Command::new("sh");
    install.args(["-c", &script]);
    if !installed("Python's grpcio", &program, &mut install) {
        return;
    }
    let (_greeter, address) = greeter().await;
    let script = own("tests/it/grpc/client.py");
    let ran = run(&program, &[script.to_str().unwrap(), &address]).await;
    assert!(ran.status.success(), "{}", text(&ran));
    assert!(text(&ran).ends_with("fine\n"), "{}", text(&ran));
}

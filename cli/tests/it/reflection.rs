//! Servers that are known by their reflection only: tonic's here, which takes nothing but Protobuf.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::runtime::Runtime;
use tonic::{
    Request, Response, Status,
    body::Body,
    codegen::{Service, http},
    server::{NamedService, UnaryService},
    transport::{Server, server::TcpIncoming},
};
use tonic_prost::ProstCodec;

use crate::sandbox::Sandbox;

#[allow(
    dead_code,
    unreachable_pub,
    clippy::duplicate_mod,
    reason = "only its messages are wanted here; the example beside has it whole"
)]
#[path = "../../../micro/examples/contract/weather.rs"]
#[rustfmt::skip]
mod weather;

use weather::{LatestRequest, Reading, Sky};

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

#[derive(Clone)]
struct Station;

impl NamedService for Station {
    const NAME: &'static str = "weather.Station";
}

impl Service<http::Request<Body>> for Station {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            if request.uri().path() != "/weather.Station/Latest" {
                return Ok(Status::unimplemented("no such method").into_http());
            }
            let mut grpc = tonic::server::Grpc::new(ProstCodec::default());
            Ok(grpc.unary(Latest, request).await)
        })
    }
}

struct Latest;

impl UnaryService<LatestRequest> for Latest {
    type Response = Reading;
    type Future = BoxFuture<Result<Response<Reading>, Status>>;

    fn call(&mut self, request: Request<LatestRequest>) -> Self::Future {
        Box::pin(async move {
            let place = request.into_inner().place;
            if place.is_empty() {
                return Err(Status::invalid_argument("`place` is missing"));
            }
            Ok(Response::new(Reading {
                place,
                degrees_celsius: 21.5,
                sky: Sky::Clouded.into(),
                ..Reading::default()
            }))
        })
    }
}

/// Which version of reflection a server offers.
#[derive(Clone, Copy, PartialEq)]
enum Reflects {
    No,
    V1,
    /// As Python's grpcio does.
    OnlyV1Alpha,
}

/// A server of tonic's, and its address.
fn tonic(reflects: Reflects) -> (Runtime, String) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime can be started");
    let _inside = runtime.enter();
    let any = "127.0.0.1:0".parse().expect("it is an address");
    let incoming = TcpIncoming::bind(any).expect("a port is free");
    let address = incoming.local_addr().expect("it is bound").to_string();
    let described = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(weather::FILE_DESCRIPTOR_SET)
    };
    let good = "the descriptors are good";
    let v1 = (reflects == Reflects::V1).then(|| described().build_v1().expect(good));
    let v1alpha = (reflects == Reflects::OnlyV1Alpha).then(described);
    let v1alpha = v1alpha.map(|builder| builder.build_v1alpha().expect(good));
    let server = Server::builder()
        .add_service(Station)
        .add_optional_service(v1)
        .add_optional_service(v1alpha);
    runtime.spawn(server.serve_with_incoming(incoming));
    drop(_inside);
    (runtime, address)
}

fn described() -> (Runtime, String) {
    tonic(Reflects::V1)
}

fn latest<'a>(address: &'a str, request: &'a str) -> Vec<&'a str> {
    let target = ["call", "--transport=grpc", "--address", address];
    [&target[..], &["weather", "Station.Latest", request]].concat()
}

#[test]
fn json_is_encoded_by_the_reflection_of_the_server() {
    let (_runtime, address) = described();
    let sandbox = Sandbox::new();
    let request = r#"{"place":"Cape Town"}"#;
    let reply = sandbox.micro(&latest(&address, request)).json();
    let expected = serde_json::json!(
        {"place": "Cape Town", "degreesCelsius": 21.5, "sky": "SKY_CLOUDED"}
    );
    assert_eq!(reply, expected);

    let mut by_path = latest(&address, request);
    by_path[5] = "/weather.Station/Latest";
    assert_eq!(sandbox.micro(&by_path).json(), expected);
}

#[test]
fn missing_field_is_reported_before_the_call() {
    let (_runtime, address) = described();
    let error = Sandbox::new().micro(&latest(&address, r#"{"town":"Cape Town"}"#));
    let error = error.failed(1);
    assert!(
        error.contains("does not match the endpoint") && error.contains("'town'"),
        "{error}"
    );
}

#[test]
fn what_the_server_refuses_is_its_own_error() {
    let (_runtime, address) = described();
    let error = Sandbox::new().micro(&latest(&address, "{}")).failed(1);
    assert!(error.contains("`place` is missing"), "{error}");
}

#[test]
fn unknown_method_suggests_similar_names() {
    let (_runtime, address) = described();
    let mut wrong = latest(&address, "{}");
    wrong[5] = "Station.Lates";
    let error = Sandbox::new().micro(&wrong).failed(3);
    assert!(error.contains("did you mean `Latest`?"), "{error}");

    wrong[5] = "Station.History";
    let error = Sandbox::new().micro(&wrong).failed(2);
    assert!(error.contains("streams; use `micro stream"), "{error}");
}

#[test]
fn get_shows_what_an_address_offers() {
    let (_runtime, address) = described();
    let sandbox = Sandbox::new();
    let shown = sandbox.micro(&["get", "--address", &address]).ok();
    assert!(
        shown.contains("service weather.Station\n")
            && shown.contains("Station.Latest")
            && shown.contains("{place: string}")
            && shown.contains("stream of {place: string, at: google.protobuf.Timestamp"),
        "{shown}"
    );
    let told = sandbox
        .micro(&["get", "--address", &address, "--json"])
        .json();
    let services = told.as_array().expect("it is a list");
    let station = services
        .iter()
        .find(|one| one["service"] == "weather.Station");
    let endpoints = &station.expect("it is listed")["endpoints"];
    assert_eq!(endpoints[0]["name"], "Station.Latest");
    assert_eq!(endpoints[1]["response_stream"], true);
}

#[cfg(feature = "gen")]
#[test]
fn our_own_server_is_called_over_grpc() {
    let sandbox = Sandbox::new();
    let address = sandbox.serve(crate::contracts::example::station());
    let reply = sandbox.micro(&latest(&address, r#"{"place":"Cape Town"}"#));
    assert_eq!(reply.json()["degreesCelsius"], 21.5);
    let plain = sandbox.serve(crate::sandbox::greeter());
    let hello = ["call", "--transport=grpc", "--address", &plain, "greeter"];
    let hello = [&hello[..], &["Greeter.Hello", r#"{"name":"John"}"#]].concat();
    assert_eq!(sandbox.micro(&hello).ok(), "{\"msg\":\"Hello John\"}\n");
}

#[test]
fn get_fails_for_a_server_without_reflection() {
    let (_runtime, address) = tonic(Reflects::No);
    let error = Sandbox::new().micro(&["get", "--address", &address]);
    let error = error.failed(1);
    assert!(error.contains("has no gRPC reflection"), "{error}");
}

#[test]
fn reflection_of_the_older_name_is_asked_too() {
    let (_runtime, address) = tonic(Reflects::OnlyV1Alpha);
    let sandbox = Sandbox::new();
    let reply = sandbox.micro(&latest(&address, r#"{"place":"Cape Town"}"#));
    assert_eq!(reply.json()["degreesCelsius"], 21.5);
    let shown = sandbox.micro(&["get", "--address", &address]).ok();
    assert!(shown.contains("Station.Latest"), "{shown}");
}

#[test]
fn json_is_not_sent_to_a_server_of_unknown_messages() {
    let (_runtime, address) = tonic(Reflects::No);
    let sandbox = Sandbox::new();
    let request = r#"{"place":"Cape Town"}"#;
    for command in ["call", "stream", "bench"] {
        let mut refused = latest(&address, request);
        refused[0] = command;
        let error = sandbox.micro(&refused).failed(1);
        assert!(
            error.contains("the messages of `weather.Station/Latest`")
                && error.contains("it has no reflection"),
            "{command}: {error}"
        );
    }
    // Who insists is told what the server makes of it.
    let unchecked = [&latest(&address, request)[..], &["--unchecked"]].concat();
    let error = sandbox.micro(&unchecked).failed(1);
    assert!(!error.contains("nothing is known"), "{error}");
}

#[test]
fn service_missing_in_reflection_gets_no_json() {
    let (_runtime, address) = described();
    let mut other = latest(&address, "{}");
    other[4] = "wether";
    let error = Sandbox::new().micro(&other).failed(1);
    assert!(
        error.contains("its reflection does not describe `wether.Station`; did you mean"),
        "{error}"
    );
}

#[test]
fn bench_makes_protobuf_by_reflection_too() {
    let (_runtime, address) = described();
    let mut bench = latest(&address, r#"{"place":"Cape Town"}"#);
    bench[0] = "bench";
    let bench = [&bench[..], &["--duration", "100ms", "--json"]].concat();
    let summary = Sandbox::new().micro(&bench).json();
    assert_eq!(summary["failed"], 0, "{summary}");
}

#[cfg(feature = "gen")]
#[test]
fn stream_makes_protobuf_by_reflection_too() {
    let sandbox = Sandbox::new();
    let address = sandbox.serve(crate::contracts::example::station());
    let stream = ["stream", "--transport=grpc", "--address", &address];
    let request = r#"{"place":"Cape Town"}"#;
    let stream = [&stream[..], &["weather", "Station.History", request]].concat();
    let replies = sandbox.micro(&stream).ok();
    // In Protobuf's own JSON form, which only descriptors give.
    assert!(replies.contains(r#""degreesCelsius":"#), "{replies}");
}

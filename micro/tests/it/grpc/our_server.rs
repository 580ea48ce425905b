//! tonic's client calls our server.

use std::time::Duration;

use tokio_stream::StreamExt;
use tonic::{
    Code, Request, Status,
    client::Grpc,
    codec::CompressionEncoding,
    codegen::http::uri::PathAndQuery,
    metadata::MetadataValue,
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;

use super::{
    greeter::{Greeter, Greeting, Hello, greeting, hello, serve},
    soon,
};

/// tonic's client of a service of ours, and the service.
async fn begin() -> (Grpc<Channel>, Greeter) {
    let greeter = serve().await;
    let endpoint = Endpoint::from_shared(format!("http://{}", greeter.address())).unwrap();
    let client = Grpc::new(endpoint.connect().await.unwrap());
    (client, greeter)
}

fn path(method: &str) -> PathAndQuery {
    format!("/greeter.Greeter/{method}").parse().unwrap()
}

fn codec() -> ProstCodec<Hello, Greeting> {
    ProstCodec::default()
}

async fn unary(client: &mut Grpc<Channel>, method: &str, name: &str) -> Result<String, Status> {
    client.ready().await.unwrap();
    let answer = client.unary(Request::new(hello(name)), path(method), codec());
    Ok(soon(answer).await?.into_inner().msg)
}

#[tokio::test]
async fn call_of_each_shape_is_answered() {
    let (mut client, _greeter) = begin().await;
    assert_eq!(
        unary(&mut client, "Hello", "John").await.unwrap(),
        "Hello John"
    );
    let large = "x".repeat(1 << 20);
    let answer = unary(&mut client, "Hello", &large).await.unwrap();
    assert_eq!(answer.len(), large.len() + 6);

    client.ready().await.unwrap();
    let counted = client.server_streaming(Request::new(hello("5")), path("Count"), codec());
    let mut counted = soon(counted).await.unwrap().into_inner();
    for number in 1..=5 {
        let next = soon(counted.message()).await.unwrap();
        assert_eq!(next, Some(greeting(number.to_string())));
    }
    assert_eq!(soon(counted.message()).await.unwrap(), None);

    client.ready().await.unwrap();
    let names = tokio_stream::iter(["a", "b", "c"]).map(hello);
    let joined = client.client_streaming(Request::new(names), path("Join"), codec());
    assert_eq!(
        soon(joined).await.unwrap().into_inner(),
        greeting("a, b, c")
    );

    client.ready().await.unwrap();
    let (feed, names) = tokio::sync::mpsc::channel(1);
    let names = tokio_stream::wrappers::ReceiverStream::new(names);
    feed.send(hello("0")).await.unwrap();
    let echoed = client.streaming(Request::new(names), path("Echo"), codec());
    let mut echoed = soon(echoed).await.unwrap().into_inner();
    for number in 0..100 {
        let next = soon(echoed.message()).await.unwrap();
        assert_eq!(next, Some(greeting(number.to_string())));
        feed.send(hello((number + 1).to_string())).await.unwrap();
    }
    drop(feed);
    soon(echoed.message()).await.unwrap();
    assert_eq!(soon(echoed.message()).await.unwrap(), None);
}

#[tokio::test]
async fn stream_from_go_micro_begins_while_the_request_is_open() {
    let (mut client, _greeter) = begin().await;
    client.ready().await.unwrap();
    let (feed, names) = tokio::sync::mpsc::channel(1);
    feed.send(hello("2")).await.unwrap();
    let names = tokio_stream::wrappers::ReceiverStream::new(names);
    let mut request = Request::new(names);
    // Its clients are known by this.
    let told = "application/protobuf".parse().unwrap();
    request.metadata_mut().insert("x-content-type", told);
    let counted = client.streaming(request, path("Count"), codec());
    let mut counted = soon(counted).await.unwrap().into_inner();
    for number in 1..=2 {
        let next = soon(counted.message()).await.unwrap();
        assert_eq!(next, Some(greeting(number.to_string())));
    }
    assert_eq!(soon(counted.message()).await.unwrap(), None);
    drop(feed);
}

#[tokio::test]
async fn error_comes_with_code_text_details_and_pushback() {
    let (mut client, _greeter) = begin().await;
    for number in 1..=16 {
        let status = unary(&mut client, "Fail", &number.to_string())
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::from_i32(number));
        assert_eq!(status.message(), "no `tea` left: 100 %\n☃");
        assert_eq!(status.details(), b"\x08\x05\x12\x05hello");
        assert_eq!(status.metadata().get("kettle").unwrap(), "cold");
        assert_eq!(
            status.metadata().get("grpc-retry-pushback-ms").unwrap(),
            "250"
        );
    }
    client.ready().await.unwrap();
    let counted = client.server_streaming(Request::new(hello("3")), path("Count"), codec());
    let mut counted = soon(counted).await.unwrap().into_inner();
    for _ in 0..3 {
        assert!(soon(counted.message()).await.unwrap().is_some());
    }
    let status = soon(counted.message()).await.unwrap_err();
    assert_eq!(status.code(), Code::DataLoss);
    assert_eq!(status.message(), "three is one too many");
}

#[tokio::test]
async fn what_is_not_there_is_unimplemented_at_once() {
    let (mut client, _greeter) = begin().await;
    let status = unary(&mut client, "Helo", "John").await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    assert!(status.message().contains("unknown method Helo"), "{status}");
    assert!(status.message().contains("`Greeter.Hello`"), "{status}");
    client.ready().await.unwrap();
    let names = tokio_stream::pending::<Hello>();
    let answer = client.client_streaming(Request::new(names), path("Nothing"), codec());
    assert_eq!(soon(answer).await.unwrap_err().code(), Code::Unimplemented);
}

#[tokio::test]
async fn metadata_and_time_left_arrive() {
    let (mut client, _greeter) = begin().await;
    let mut ask = async |name: &str, request: fn(&mut Request<Hello>)| {
        let mut asked = Request::new(hello(name));
        request(&mut asked);
        client.ready().await.unwrap();
        let told = soon(client.unary(asked, path("Told"), codec())).await;
        told.unwrap().into_inner().msg
    };
    let told = ask("tenant", |request| {
        request
            .metadata_mut()
            .insert("tenant", "acme".parse().unwrap());
        request.set_timeout(Duration::from_secs(100));
    });
    assert_eq!(told.await, "acme 99");
    let told = ask("key-bin", |request| {
        let value = MetadataValue::from_bytes(b"\x00\xff");
        request.metadata_mut().insert_bin("key-bin", value);
        // As go-micro has it: the least counts.
        request
            .metadata_mut()
            .insert("timeout", "50000000000".parse().unwrap());
        request.set_timeout(Duration::from_secs(100));
    });
    assert_eq!(told.await, "AP8 49");
    assert_eq!(ask("grpc-timeout", |_| {}).await, "nothing 0");
}

#[tokio::test]
async fn error_is_told_to_go_micro_in_its_own_way() {
    let (mut client, _greeter) = begin().await;
    let mut request = Request::new(hello("John"));
    let name = "application/grpc+proto".parse().unwrap();
    request.metadata_mut().insert("x-content-type", name);
    client.ready().await.unwrap();
    let answer = client.unary(request, path("Nothing"), codec()).await;
    let status = answer.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    assert!(
        status
            .message()
            .starts_with(r#"{"id":"go.micro.server","code":501,"#)
    );
    let details = status.details();
    let named = b"type.googleapis.com/errors.Error";
    assert!(details.windows(named.len()).any(|part| part == named));
}

/// Whether a call's time ran out: by our word, or by tonic's own timer, which says it so.
fn ran_out(code: Code) -> bool {
    matches!(code, Code::DeadlineExceeded | Code::Cancelled)
}

#[tokio::test]
async fn deadline_and_a_cancel_end_the_handler() {
    let (mut client, mut greeter) = begin().await;
    let mut request = Request::new(hello("John"));
    request.set_timeout(Duration::from_millis(100));
    client.ready().await.unwrap();
    let answer = client.unary(request, path("Hang"), codec()).await;
    assert!(ran_out(answer.unwrap_err().code()));
    soon(greeter.dropped.recv()).await.unwrap();
    soon(greeter.begun.recv()).await.unwrap();

    client.ready().await.unwrap();
    tokio::select! {
        _ = client.unary(Request::new(hello("x")), path("Hang"), codec()) => panic!("no answer"),
        begun = soon(greeter.begun.recv()) => begun.unwrap(),
    }
    soon(greeter.dropped.recv()).await.unwrap();
}

#[tokio::test]
async fn messages_come_and_go_compressed() {
    let (client, _greeter) = begin().await;
    let mut client = client
        .send_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Gzip);
    let name = "x".repeat(100_000);
    client.ready().await.unwrap();
    let answer = client.unary(Request::new(hello(&name)), path("Hello"), codec());
    let answer = soon(answer).await.unwrap();
    assert_eq!(answer.metadata().get("grpc-encoding").unwrap(), "gzip");
    assert_eq!(answer.into_inner().msg.len(), name.len() + 6);
}

#[tokio::test]
async fn message_over_the_limit_is_refused() {
    let (mut client, _greeter) = begin().await;
    let name = "x".repeat(4 << 20);
    let status = unary(&mut client, "Hello", &name).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("`max_message_size`"), "{status}");
}

#[tokio::test]
async fn stopping_lets_calls_end_and_takes_no_more() {
    let (mut client, mut greeter) = begin().await;
    let mut hanging = client.clone();
    let hang = async {
        let mut request = Request::new(hello("John"));
        request.set_timeout(Duration::from_millis(300));
        hanging.ready().await.unwrap();
        hanging.unary(request, path("Hang"), codec()).await
    };
    let stop = async {
        soon(greeter.begun.recv()).await.unwrap();
        greeter.running.stop().await;
    };
    let (answer, ()) = tokio::join!(hang, stop);
    // Its own deadline, not the stop, has ended it.
    assert!(ran_out(answer.unwrap_err().code()));
    let status = unary(&mut client, "Hello", "John").await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
}

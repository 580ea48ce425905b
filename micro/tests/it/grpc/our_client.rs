//! Our client calls a server of tonic's.

use std::time::Duration;

use micro::{
    Client, Code, Context, Error, Outcome, Plugins, Streaming, client::Method, protocols::Grpc,
    registry::Memory,
};

use super::{
    greeter::{Greeting, Hello, from_fn, greeting, hello},
    soon, their_server,
};

/// A client that calls by gRPC, and where tonic's server is.
async fn begin() -> (Client, String) {
    let address = their_server::serve().await.to_string();
    (client(), address)
}

fn client() -> Client {
    let plugins = Plugins::new()
        .registry(Memory::new())
        .transport(Grpc::new());
    plugins.client().unwrap()
}

fn one(client: &Client) -> Method<Hello, Greeting> {
    client.method("greeter", "Greeter.Hello")
}

#[tokio::test]
async fn call_of_each_shape_is_answered() {
    let (client, at) = begin().await;
    let cx = Context::new();
    for name in ["John".to_owned(), "x".repeat(1 << 20)] {
        let answer = one(&client).call(&cx, hello(&name)).address(&at).await;
        assert_eq!(answer.unwrap(), greeting(format!("Hello {name}")));
    }

    let count = client.method::<Hello, Streaming<Greeting>>("greeter", "Greeter.Count");
    let counted = count.call(&cx, hello("5")).address(&at);
    let mut counted = soon(counted.into_future()).await.unwrap();
    for number in 1..=5 {
        let next = soon(counted.next()).await.unwrap();
        assert_eq!(next.unwrap(), greeting(number.to_string()));
    }
    assert!(soon(counted.next()).await.is_none());

    let join = client.method::<Streaming<Hello>, Greeting>("greeter", "Greeter.Join");
    let mut names = ["a", "b", "c"].into_iter();
    let names = Streaming::new(from_fn(move || names.next().map(|name| Ok(hello(name)))));
    let joined = join.call(&cx, names).address(&at);
    assert_eq!(
        soon(joined.into_future()).await.unwrap(),
        greeting("a, b, c")
    );

    let echo = client.method::<Streaming<Hello>, Streaming<Greeting>>("greeter", "Greeter.Echo");
    let (feed, names) = Streaming::channel(1);
    let mut echoed = echo.call(&cx, names).address(&at).await.unwrap();
    for number in 0..100 {
        feed.send(hello(number.to_string())).await.unwrap();
        let next = soon(echoed.next()).await.unwrap();
        assert_eq!(next.unwrap(), greeting(number.to_string()));
    }
    drop(feed);
    assert!(soon(echoed.next()).await.is_none());
}

#[tokio::test]
async fn error_comes_with_code_text_details_and_pushback() {
    let (client, at) = begin().await;
    let cx = Context::new();
    let error = one(&client).call(&cx, hello("fail")).address(&at).await;
    let error = error.unwrap_err();
    assert_eq!(error.code(), Code::FailedPrecondition);
    assert_eq!(error.outcome(), Outcome::Answered);
    assert_eq!(error.message(), "no `tea` left\n☃");
    assert_eq!(error.retry_after(), Some(Duration::from_millis(250)));
    assert_eq!(error.metadata().get("grpc-status-details-bin"), Some("CAk"));

    let count = client.method::<Hello, Streaming<Greeting>>("greeter", "Greeter.Count");
    let mut counted = count.call(&cx, hello("3")).address(&at).await.unwrap();
    for _ in 0..3 {
        assert!(soon(counted.next()).await.unwrap().is_ok());
    }
    let error: Error = soon(counted.next()).await.unwrap().unwrap_err();
    assert_eq!(error.code(), Code::DataLoss);
    assert_eq!(error.message(), "three is one too many");

    let nothing = client.method::<Hello, Greeting>("greeter", "Greeter.Nothing");
    let error = nothing
        .call(&cx, hello("x"))
        .address(&at)
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::Unimplemented);
}

#[tokio::test]
async fn metadata_and_time_left_arrive() {
    let (client, at) = begin().await;
    let told = one(&client)
        .call(&Context::new(), hello("told"))
        .metadata("Tenant", "acme")
        .timeout(Duration::from_secs(9))
        .address(&at)
        .await;
    assert_eq!(told.unwrap(), greeting("Some(\"acme\") true"));
}

#[tokio::test]
async fn deadline_is_unknown_and_an_unreachable_node_is_not_sent() {
    let (client, at) = begin().await;
    let one = one(&client);
    let hung = one
        .call(&Context::new(), hello("hang"))
        .timeout(Duration::from_millis(100))
        .address(&at);
    let error = soon(hung.into_future()).await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded);
    assert_eq!(error.outcome(), Outcome::Unknown);
    let nobody = one
        .call(&Context::new(), hello("John"))
        .address("127.0.0.1:1");
    let error = soon(nobody.into_future()).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert_eq!(error.outcome(), Outcome::NotSent, "{error}");
}

#[tokio::test]
async fn serde_type_that_nobody_else_packs_goes_as_json() {
    let greeter = super::greeter::serve().await;
    let name = serde_json::json!({"name": "John"});
    let answer = client()
        .method::<serde_json::Value, serde_json::Value>("greeter", "Greeter.Hello")
        .call(&Context::new(), name)
        .address(&greeter.address())
        .await;
    assert_eq!(answer.unwrap(), serde_json::json!({"msg": "Hello John"}));
}

//! `stream`.

use crate::sandbox::{Sandbox, greeter};
use micro::{Context, Message, Result, Service, Streaming};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Message)]
struct Number {
    n: u32,
}

async fn double(_: Context, mut numbers: Streaming<Number>) -> Result<Streaming<Number>> {
    let (sender, replies) = Streaming::channel(1);
    tokio::spawn(async move {
        while let Some(Ok(Number { n })) = numbers.next().await {
            if sender.send(Number { n: 2 * n }).await.is_err() {
                break;
            }
        }
    });
    Ok(replies)
}

async fn count(_: Context, Number { n }: Number) -> Result<Streaming<Number>> {
    let (sender, replies) = Streaming::channel(n as usize);
    for n in 1..=n {
        sender.send(Number { n }).await?;
    }
    Ok(replies)
}

async fn sum(_: Context, mut numbers: Streaming<Number>) -> Result<Number> {
    let mut sum = 0;
    while let Some(number) = numbers.next().await {
        sum += number?.n;
    }
    Ok(Number { n: sum })
}

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    let numbers = Service::new("numbers")
        .handle("Numbers.Double", double)
        .handle("Numbers.Count", count)
        .handle("Numbers.Sum", sum);
    sandbox.serve(numbers);
    sandbox
}

#[test]
fn replies_come_while_requests_are_typed() {
    let sandbox = sandbox();
    let mut stream = sandbox.start(&["stream", "numbers", "Numbers.Double"]);
    for n in 1..4 {
        stream.write(&format!("{{\"n\":{n}}}"));
        assert_eq!(stream.line(), format!("{{\"n\":{}}}", 2 * n));
    }
    assert_eq!(stream.end(), Some(0));
}

#[test]
fn one_request_is_an_argument() {
    let ran = sandbox().micro(&["stream", "numbers", "Numbers.Count", r#"{"n":3}"#]);
    assert_eq!(ran.ok(), "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n");
}

#[test]
fn many_requests_may_have_one_reply() {
    let arguments = ["stream", "numbers", "Numbers.Sum"];
    let ran = sandbox().micro_with(&arguments, "{\"n\":1}\n\n{\"n\":2}\n{\"n\":3}");
    assert_eq!(ran.ok(), "{\"n\":6}\n");
}

#[test]
fn wrong_line_is_reported_and_ends_the_stream() {
    let sandbox = sandbox();
    let said = |lines| {
        let ran = sandbox.micro_with(&["stream", "numbers", "Numbers.Sum"], lines);
        assert_eq!(ran.stdout, "");
        (ran.code, ran.stderr)
    };
    let (code, text) = said("{\"n\":1}\n{\"n\":\n");
    assert!(
        code == 2 && text.contains("line 2 of stdin is not JSON"),
        "{text}"
    );
    let (code, text) = said("{\"n\":\"one\"}\n");
    assert!(
        code == 1 && text.contains("field `n` must be u32"),
        "{text}"
    );
}

#[test]
fn call_and_stream_name_each_other_for_wrong_endpoints() {
    let sandbox = sandbox();
    sandbox.serve(greeter());
    let said = sandbox
        .micro(&["stream", "greeter", "Greeter.Hello"])
        .failed(2);
    assert!(
        said.contains("use `micro call greeter Greeter.Hello JSON`"),
        "{said}"
    );
    let said = sandbox
        .micro(&["call", "numbers", "Numbers.Sum", "{}"])
        .failed(2);
    assert!(
        said.contains("use `micro stream numbers Numbers.Sum`"),
        "{said}"
    );
    // An empty message is the one request of an endpoint that takes one.
    let said = sandbox
        .micro(&["stream", "numbers", "Numbers.Count"])
        .failed(1);
    assert!(said.contains("field `n` (u32) is missing"), "{said}");
}

//! When another attempt is made, when not, and how many there may be.

use std::time::Duration;

use micro::{Code, Context, Error, Handler, Outcome};
use tokio::time::{Instant, sleep};

use super::cluster::{Cluster, Count, call, echo, millis};

#[tokio::test(start_paused = true)]
async fn retries_stay_within_a_fifth_of_the_calls_and_ten_a_second() {
    let cluster = Cluster::new();
    let attempts = Count::default();
    let mut running = Vec::new();
    for host in ["one", "two", "three"] {
        let counted = attempts.clone();
        let fail = move |_: Context, _: String| {
            counted.add();
            async { Err::<String, _>(Error::unavailable("out of order")) }
        };
        let service = cluster.service(host, "text");
        let service = service.handle("Text.Echo", fail.idempotent());
        running.push(service.serve().await.unwrap());
    }
    let client = cluster.client();
    let method = echo(&client);
    let began = Instant::now();
    let mut calls = Vec::new();
    for _ in 0..2_000 {
        let method = method.clone();
        calls.push(tokio::spawn(async move { call(&method).await }));
        sleep(millis(10)).await;
    }
    for call in calls {
        call.await.unwrap().unwrap_err();
    }
    let seconds = began.elapsed().as_secs_f64();
    // Ten seconds' worth are there to begin with.
    let most = 2_000.0 * 0.2 + 10.0 * (seconds + 10.0);
    let retries = f64::from(attempts.get() - 2_000);
    assert!(retries > 200.0, "only {retries} retries");
    assert!(retries <= most + 1.0, "{retries} retries, {most} allowed");
}

#[tokio::test(start_paused = true)]
async fn hung_node_leaves_time_for_another_attempt() {
    let cluster = Cluster::new();
    let (_hung, _) = cluster.echo("hung").await;
    let (_well, _) = cluster.echo("well").await;
    let client = cluster.client();
    let method = echo(&client).idempotent();
    for _ in 0..20 {
        call(&method).await.unwrap();
    }
    cluster.network.stall("hung");
    let mut longest = Duration::ZERO;
    for _ in 0..100 {
        let began = Instant::now();
        call(&method).await.unwrap();
        longest = longest.max(began.elapsed());
        sleep(millis(20)).await;
    }
    assert!(longest > millis(40), "none met the hung node: {longest:?}");
    assert!(longest < millis(500), "{longest:?}");
}

#[tokio::test(start_paused = true)]
async fn only_node_is_waited_for_however_late_it_answers() {
    let cluster = Cluster::new();
    let (_node, _) = cluster.echo("one").await;
    let client = cluster.client();
    let method = echo(&client).idempotent();
    for _ in 0..20 {
        call(&method).await.unwrap();
    }
    cluster.network.stall("one");
    let late = tokio::spawn(async move { call(&method).await });
    sleep(millis(2_000)).await;
    cluster.network.resume("one");
    late.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn slow_answer_to_a_call_that_must_not_be_repeated_is_taken() {
    let cluster = Cluster::new();
    let done = Count::default();
    let mut running = Vec::new();
    for host in ["one", "two"] {
        let counted = done.clone();
        let slow = move |_: Context, text: String| {
            counted.add();
            let slow = text == "slow";
            async move {
                sleep(millis(if slow { 4_000 } else { 1 })).await;
                Ok::<_, micro::Error>(text)
            }
        };
        let service = cluster.service(host, "text").handle("Text.Echo", slow);
        running.push(service.serve().await.unwrap());
    }
    let client = cluster.client();
    let method = echo(&client);
    for _ in 0..20 {
        call(&method).await.unwrap();
    }
    let answer = method.call(&Context::new(), "slow".into()).await;
    assert_eq!(answer.unwrap(), "slow");
    assert_eq!(done.get(), 21, "each was done once");
}

#[tokio::test(start_paused = true)]
async fn call_sent_to_a_dying_node_is_unknown_and_not_repeated() {
    let cluster = Cluster::new();
    let done = Count::default();
    let mut running = Vec::new();
    for host in ["one", "two"] {
        let counted = done.clone();
        let slow = move |_: Context, text: String| {
            counted.add();
            async move {
                sleep(millis(1_000)).await;
                Ok::<_, micro::Error>(text)
            }
        };
        let service = cluster.service(host, "text").handle("Text.Echo", slow);
        running.push(service.serve().await.unwrap());
    }
    let client = cluster.client();
    let method = echo(&client);
    let calling = tokio::spawn(async move { call(&method).await });
    sleep(millis(500)).await;
    cluster.network.reset("edge");
    let error = calling.await.unwrap().unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    assert_eq!(done.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn unsent_call_goes_to_another_node_even_if_not_idempotent() {
    let cluster = Cluster::new();
    let (_gone, _) = cluster.echo("gone").await;
    let (_well, count) = cluster.echo("well").await;
    cluster.network.refuse("gone");
    let client = cluster.client();
    for _ in 0..50 {
        call(&echo(&client)).await.unwrap();
        sleep(millis(20)).await;
    }
    assert_eq!(count.get(), 50);
    assert!(
        client.stats("text").retries > 0,
        "none met the node that is gone"
    );
}

#[tokio::test(start_paused = true)]
async fn unknown_endpoint_is_rejected_once_and_answered_if_passed_on() {
    let cluster = Cluster::new();
    let (_one, _) = cluster.echo("one").await;
    let (_two, _) = cluster.echo("two").await;
    let relay = cluster.service("relay", "relay");
    let wrong = relay.client();
    let wrong = wrong.method::<String, String>("text", "Text.Eco");
    let pass = move |cx: Context, text: String| {
        let wrong = wrong.clone();
        async move { wrong.call(&cx, text).await }
    };
    let _relay = relay.handle("Relay.Pass", pass).serve().await.unwrap();

    let client = cluster.client();
    let error = call(&client.method("text", "Text.Eco")).await.unwrap_err();
    assert_eq!(error.code(), Code::NotFound, "{error}");
    assert_eq!(error.outcome(), Outcome::Rejected, "{error}");
    assert_eq!(client.stats("text").retries, 0);

    let error = call(&client.method("relay", "Relay.Pass")).await;
    let error = error.unwrap_err();
    assert_eq!(error.code(), Code::NotFound, "{error}");
    assert_eq!(error.outcome(), Outcome::Answered, "{error}");
}

#[tokio::test(start_paused = true)]
async fn call_for_which_there_is_no_room_ends_at_its_deadline() {
    let cluster = Cluster::new();
    let (_far, asked) = cluster.echo("far").await;
    cluster.network.cut("edge", "far");
    let client = cluster.client();
    let method = echo(&client);
    // More than is queued for a connection, which is 8 MiB, while none comes about.
    let calls: Vec<_> = (0..12)
        .map(|_| {
            let method = method.clone();
            tokio::spawn(async move {
                let began = Instant::now();
                let call = method.call(&Context::new(), "x".repeat(1_000_000));
                let error = call.timeout(millis(200)).await.unwrap_err();
                (began.elapsed(), error)
            })
        })
        .collect();
    for call in calls {
        let (took, error) = call.await.unwrap();
        assert!(took <= millis(210), "it took {took:?}: {error}");
        assert_eq!(error.outcome(), Outcome::NotSent);
    }
    assert_eq!(asked.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn handle_made_for_one_call_knows_the_usual_latency() {
    let cluster = Cluster::new();
    let (_one, _) = cluster.echo("one").await;
    let (_two, _) = cluster.echo("two").await;
    let client = cluster.client();
    for _ in 0..20 {
        call(&echo(&client)).await.unwrap();
    }
    let fresh = echo(&client);
    let (answer, record) = fresh.call(&Context::new(), "x".into()).explain().await;
    answer.unwrap();
    let attempt_timeout = record.attempts[0].attempt_timeout_us;
    assert!(
        attempt_timeout <= 50_000,
        "it waits {attempt_timeout} µs: {record}"
    );
    let other = client.method::<String, String>("text", "Text.Other");
    let (_, record) = other.call(&Context::new(), "x".into()).explain().await;
    let attempt_timeout = record.attempts[0].attempt_timeout_us;
    assert_eq!(attempt_timeout, 250_000, "each endpoint has its own");
}

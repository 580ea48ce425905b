//! Calls to an address that the caller gave: the rules of all calls, on one node.

use micro::{Client, Context, Error, Outcome, Result, balance::Record};
use tokio::time::{Instant, sleep};

use super::cluster::{Cluster, Count, echo, millis};

/// A call to `one:80`, and its record.
async fn call(client: &Client) -> (Result<String>, Record) {
    let method = echo(client);
    let call = method.call(&Context::new(), "x".into()).address("one:80");
    call.explain().await
}

#[tokio::test(start_paused = true)]
async fn refused_address_is_retried_counted_and_recorded() {
    let cluster = Cluster::new();
    let (_one, count) = cluster.echo("one").await;
    cluster.network.refuse("one");
    let client = cluster.client();
    let calling = client.clone();
    let calling = tokio::spawn(async move { call(&calling).await });
    sleep(millis(300)).await;
    cluster.network.accept("one");
    let (answer, record) = calling.await.unwrap();
    assert_eq!(answer.unwrap(), "x");
    assert_eq!(count.get(), 1);
    assert!(record.attempts.len() > 1, "{record}");
    assert_eq!(record.attempts[0].why, "address given");
    assert_eq!(record.service, "text");
    assert_eq!(record.nodes.len(), 1, "{record}");
    let stats = client.stats("text");
    assert_eq!((stats.calls, stats.failed), (1, 0));
    assert_eq!(stats.retries, record.attempts.len() as u64 - 1);
}

#[tokio::test(start_paused = true)]
async fn rejected_call_to_an_address_is_retried() {
    let cluster = Cluster::new();
    let slow = async |_: Context, text: String| {
        sleep(millis(100)).await;
        Ok::<_, micro::Error>(text)
    };
    let service = cluster.service("one", "text").handle("Text.Echo", slow);
    let service = service.lifecycle(|life| life.concurrency = 1);
    let _one = service.serve().await.unwrap();
    let client = cluster.client();
    let (first, second) = tokio::join!(call(&client), call(&client));
    assert_eq!(first.0.unwrap(), "x");
    assert_eq!(second.0.unwrap(), "x");
    let stats = client.stats("text");
    assert_eq!((stats.calls, stats.failed), (2, 0));
    assert!(stats.retries > 0, "none was refused");
}

#[tokio::test(start_paused = true)]
async fn retries_of_an_address_stay_within_the_budget() {
    let cluster = Cluster::new();
    let (_one, _) = cluster.echo("one").await;
    cluster.network.refuse("one");
    let plugins = cluster.plugins("edge").balance(|balance| {
        balance.retry_share = 0.0;
        balance.retries_per_second = 0.0;
    });
    let client = plugins.client().unwrap();
    let (answer, record) = call(&client).await;
    assert_eq!(answer.unwrap_err().outcome(), Outcome::NotSent);
    assert_eq!(record.attempts.len(), 1, "{record}");
    assert!(record.to_string().contains("budget"), "{record}");
    let stats = client.stats("text");
    assert_eq!((stats.calls, stats.failed, stats.retries), (1, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn failed_work_at_an_address_is_not_repeated() {
    let cluster = Cluster::new();
    let done = Count::default();
    let counted = done.clone();
    let fail = move |_: Context, _: String| {
        counted.add();
        async { Err::<String, _>(Error::unavailable("out of order")) }
    };
    let service = cluster.service("one", "text").handle("Text.Echo", fail);
    let _one = service.serve().await.unwrap();
    let client = cluster.client();
    let began = Instant::now();
    let (answer, _) = call(&client).await;
    assert_eq!(answer.unwrap_err().outcome(), Outcome::Answered);
    assert!(began.elapsed() < millis(100));
    assert_eq!(done.get(), 1);
    let stats = client.stats("text");
    assert_eq!((stats.calls, stats.failed, stats.retries), (1, 1, 0));
}

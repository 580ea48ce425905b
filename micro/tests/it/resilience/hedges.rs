//! Second attempts beside a first that takes long.

use std::time::Duration;

use micro::{Context, Error, Handler, Outcome, Running, client::Method};
use tokio::time::{Instant, sleep};

use super::cluster::{Cluster, Count, call, echo, millis};

/// A node whose `Text.Echo` counts itself, takes a while and fails.
async fn slow(cluster: &Cluster, host: &str, takes: Duration) -> (Running, Count) {
    let count = Count::default();
    let counted = count.clone();
    let work = move |_: Context, _: String| {
        counted.add();
        async move {
            sleep(takes).await;
            Err::<String, _>(Error::unavailable("out of order"))
        }
    };
    let service = cluster.service(host, "text");
    let service = service.handle("Text.Echo", work.idempotent());
    (service.serve().await.unwrap(), count)
}

#[tokio::test(start_paused = true)]
async fn hedged_call_has_its_answer_although_a_node_hangs() {
    let cluster = Cluster::new();
    let (_hung, _) = cluster.echo("hung").await;
    let (_well, _) = cluster.echo("well").await;
    let client = cluster.client();
    let method = echo(&client).idempotent();
    for _ in 0..20 {
        call(&method).await.unwrap();
    }
    cluster.network.stall("hung");
    for _ in 0..20 {
        let began = Instant::now();
        let call = method.call(&Context::new(), "x".into()).hedge(millis(15));
        call.await.unwrap();
        let took = began.elapsed();
        assert!(took < millis(40), "it took {took:?}");
        sleep(millis(50)).await;
    }
    assert!(client.stats("text").hedges > 0);
}

#[tokio::test(start_paused = true)]
async fn call_that_has_one_attempt_is_not_hedged() {
    let cluster = Cluster::new();
    let (_one, first) = slow(&cluster, "one", millis(100)).await;
    let (_two, second) = slow(&cluster, "two", millis(100)).await;
    let client = cluster.client();
    let method = echo(&client);
    for number in 1..=10 {
        let context = Context::new().with_attempts(1);
        let call = method.call(&context, "x".into()).hedge(millis(10));
        call.await.unwrap_err();
        assert_eq!(first.get() + second.get(), number);
    }
    assert_eq!(client.stats("text").hedges, 0);
}

/// A service `front` whose `Front.Echo` calls `text`, and may be hedged itself.
async fn front(cluster: &Cluster, host: &str) -> Running {
    let service = cluster.service(host, "front");
    let client = service.client();
    let method: Method<String, String> = client.method("text", "Text.Echo");
    let pass_on = move |cx: Context, text: String| {
        let method = method.clone();
        async move { method.call(&cx, text).await }
    };
    let service = service.handle("Front.Echo", pass_on.idempotent());
    service.serve().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn hedges_count_among_the_attempts_of_the_whole_tree() {
    let cluster = Cluster::new();
    let (_one, first) = slow(&cluster, "one", millis(50)).await;
    let (_two, second) = slow(&cluster, "two", millis(50)).await;
    let _near = front(&cluster, "near").await;
    let _far = front(&cluster, "far").await;
    let _farther = front(&cluster, "farther").await;
    let client = cluster.client();
    let method: Method<String, String> = client.method("front", "Front.Echo");
    let mut most = 0;
    for _ in 0..20 {
        let before = first.get() + second.get();
        let call = method.call(&Context::new(), "x".into()).hedge(millis(10));
        call.await.unwrap_err();
        most = most.max(first.get() + second.get() - before);
        sleep(Duration::from_secs(2)).await;
    }
    assert!(client.stats("front").hedges > 0);
    assert_eq!(most, 4, "what a call may make by default");
}

#[tokio::test(start_paused = true)]
async fn failure_tells_whether_either_attempt_may_have_been_done() {
    let cluster = Cluster::new();
    let (_slow, done) = slow(&cluster, "slow", Duration::from_secs(10)).await;
    let (_far, _) = cluster.echo("far").await;
    // No connection comes about, so that an attempt there is certainly not made.
    cluster.network.cut("edge", "far");
    let client = cluster.client();
    let method = echo(&client).idempotent();
    let mut both = 0;
    for _ in 0..20 {
        let (before, hedges) = (done.get(), client.stats("text").hedges);
        let call = method.call(&Context::new(), "x".into());
        let call = call.hedge(millis(10)).timeout(millis(100));
        let error = call.await.unwrap_err();
        let harmless = matches!(error.outcome(), Outcome::NotSent | Outcome::Rejected);
        assert!(!harmless || done.get() == before, "it was done: {error}");
        both += client.stats("text").hedges - hedges;
        sleep(Duration::from_secs(5)).await;
    }
    assert!(both > 0, "no call was hedged");
}

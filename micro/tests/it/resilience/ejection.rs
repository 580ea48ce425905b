//! Nodes that fail are left alone until they are well.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use micro::{Context, Error, Handler, Outcome, client::Method};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use super::cluster::{Cluster, Count, call, echo, millis};

#[tokio::test(start_paused = true)]
async fn node_that_fails_is_ejected_and_comes_back_when_it_is_well() {
    let cluster = Cluster::new();
    let (_well, _) = cluster.echo("well").await;
    let (ill, asked) = (Arc::new(AtomicBool::new(true)), Count::default());
    let (is_ill, counted) = (ill.clone(), asked.clone());
    let answer = move |_: Context, text: String| {
        counted.add();
        let ill = is_ill.load(Relaxed);
        async move {
            match ill {
                true => Err(Error::unavailable("ill")),
                false => Ok(text),
            }
        }
    };
    let service = cluster.service("ill", "text").handle("Text.Echo", answer);
    let _ill = service.serve().await.unwrap();
    let client = cluster.client();
    let method = echo(&client);
    for _ in 0..400 {
        // Some find the node that is ill.
        let _ = call(&method).await;
        if client.stats("text").ejections == 1 {
            break;
        }
        sleep(millis(100)).await;
    }
    assert_eq!(client.stats("text").ejections, 1);
    let before = asked.get();
    for _ in 0..100 {
        call(&method).await.unwrap();
    }
    assert_eq!(asked.get(), before, "it was asked while ejected");
    ill.store(false, Relaxed);
    sleep(Duration::from_secs(5)).await;
    for _ in 0..200 {
        call(&method).await.unwrap();
        sleep(millis(10)).await;
    }
    assert!(asked.get() > before, "it did not come back");
}

#[tokio::test(start_paused = true)]
async fn node_out_of_reach_stays_ejected_until_a_probe_reaches_it() {
    let cluster = Cluster::new();
    let (_near, _) = cluster.echo("near").await;
    let (_far, asked) = cluster.echo("far").await;
    let client = cluster.client();
    let method = echo(&client).idempotent();
    for _ in 0..20 {
        call(&method).await.unwrap();
    }
    cluster.network.refuse("far");
    cluster.network.reset("far");
    for _ in 0..400 {
        call(&method).await.unwrap();
        if client.stats("text").ejections > 0 {
            break;
        }
        sleep(millis(100)).await;
    }
    assert!(client.stats("text").ejections > 0);
    // Several probes fail meanwhile.
    sleep(Duration::from_secs(20)).await;
    let before = (asked.get(), client.stats("text").retries);
    for _ in 0..50 {
        call(&method).await.unwrap();
    }
    assert_eq!((asked.get(), client.stats("text").retries), before);
    cluster.network.accept("far");
    sleep(Duration::from_secs(40)).await;
    for _ in 0..100 {
        call(&method).await.unwrap();
        sleep(millis(50)).await;
    }
    assert!(asked.get() > before.0, "it did not come back");
}

#[tokio::test(start_paused = true)]
async fn refusal_for_want_of_room_goes_to_another_node() {
    let cluster = Cluster::new();
    let mut running = Vec::new();
    let done = Count::default();
    for host in ["one", "two"] {
        let counted = done.clone();
        let work = move |_: Context, text: String| {
            counted.add();
            async move {
                sleep(millis(200)).await;
                Ok::<_, micro::Error>(text)
            }
        };
        let service = cluster.service(host, "text").handle("Text.Echo", work);
        let service = service.lifecycle(|life| life.concurrency = 3);
        running.push(service.serve().await.unwrap());
    }
    let client = cluster.client();
    let method = echo(&client);
    call(&method).await.unwrap();
    // Six fit, whoever they ask first; the seventh is refused by both until there is room.
    let calls: Vec<_> = (0..7)
        .map(|_| {
            let method = method.clone();
            tokio::spawn(async move { call(&method).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(done.get(), 8, "each was done once");
    let full = |_| {
        let method = method.clone();
        tokio::spawn(async move {
            let call = method.call(&Context::new(), "x".into());
            call.timeout(millis(100)).await
        })
    };
    let mut refused = 0;
    for call in (0..12).map(full).collect::<Vec<_>>() {
        let error = call.await.unwrap().unwrap_err();
        let nothing_done = matches!(error.outcome(), Outcome::Rejected | Outcome::NotSent);
        refused += u32::from(nothing_done);
    }
    // One may have asked again just before its end, and cannot know.
    assert!(
        (5..=6).contains(&refused),
        "who found no room is told that nothing was done, not {refused}"
    );
    assert_eq!(done.get(), 14);
}

/// Calls with a text, one every so often, until `until` says so; how long that took.
async fn call_until(
    method: &Method<String, String>,
    text: &str,
    pause: Duration,
    until: impl Fn() -> bool,
) -> Duration {
    let began = Instant::now();
    let mut calls = JoinSet::new();
    while !until() {
        let (method, text) = (method.clone(), text.to_owned());
        calls.spawn(async move { method.call(&Context::new(), text).await });
        sleep(pause).await;
        while let Some(answer) = calls.try_join_next() {
            answer.unwrap().unwrap();
        }
        assert!(began.elapsed() < Duration::from_secs(60), "it never came");
    }
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn node_that_hung_is_trusted_as_soon_as_it_goes_on() {
    // An ejection ends after one or two seconds; from then on only a sign of life is missing, for
    // which the probe waits as long as its connection lasts.
    for seconds in [3, 5] {
        let cluster = Cluster::new();
        let (_well, _) = cluster.echo("well").await;
        let asked = Count::default();
        let counted = asked.clone();
        let answer = move |_: Context, text: String| {
            // What came while it hung it does when it goes on, trusted or not.
            if text != "hung" {
                counted.add();
            }
            async move { Ok::<_, micro::Error>(text) }
        };
        let service = cluster
            .service("hung", "text")
            .handle("Text.Echo", answer.idempotent());
        let _hung = service.serve().await.unwrap();
        let client = cluster.client();
        let method = echo(&client);
        call_until(&method, "well", millis(20), || asked.get() > 20).await;
        cluster.network.stall("hung");
        let ejected = || client.stats("text").ejections > 0;
        call_until(&method, "hung", millis(20), ejected).await;
        let end = Instant::now() + Duration::from_secs(seconds);
        call_until(&method, "hung", millis(20), || Instant::now() >= end).await;
        cluster.network.resume("hung");
        let before = asked.get();
        let took = call_until(&method, "again", millis(2), || asked.get() > before).await;
        assert!(took < Duration::from_secs(1), "hung {seconds} s: {took:?}");
        // Its share is half of five hundred calls a second.
        let took = call_until(&method, "again", millis(2), || asked.get() >= before + 100).await;
        assert!(took < Duration::from_secs(1), "hung {seconds} s: {took:?}");
    }
}

//! Nodes that leave and handlers that panic cost nobody else a call.

use std::time::Duration;

use micro::{Code, Context, Running};
use tokio::time::{Instant, sleep};

use super::cluster::{Cluster, Count, call, echo, millis};

/// A node whose calls take 20 ms each.
async fn worker(cluster: &Cluster, host: &str, propagation: Duration) -> (Running, Count) {
    let done = Count::default();
    let counted = done.clone();
    let work = move |_: Context, text: String| {
        counted.add();
        async move {
            sleep(millis(20)).await;
            Ok::<_, micro::Error>(text)
        }
    };
    let service = cluster.service(host, "text").handle("Text.Echo", work);
    let service = service.lifecycle(|life| life.deregister_delay = propagation);
    (service.serve().await.unwrap(), done)
}

/// Four callers that call until a time; how many calls there were, none of which may fail.
async fn callers(cluster: &Cluster, until: Instant) -> u32 {
    let client = cluster.client();
    let calls: Vec<_> = (0..4)
        .map(|_| {
            let method = echo(&client);
            tokio::spawn(async move {
                let mut calls = 0;
                while Instant::now() < until {
                    call(&method).await.unwrap();
                    calls += 1;
                }
                calls
            })
        })
        .collect();
    let mut sum = 0;
    for call in calls {
        sum += call.await.unwrap();
    }
    sum
}

#[tokio::test(start_paused = true)]
async fn rolling_every_node_loses_no_call() {
    let cluster = Cluster::new();
    let (one, first) = worker(&cluster, "one", millis(1_000)).await;
    let (two, second) = worker(&cluster, "two", millis(1_000)).await;
    let until = Instant::now() + Duration::from_secs(10);
    let roll = async {
        sleep(millis(1_000)).await;
        one.stop().await;
        let (one, third) = worker(&cluster, "one", millis(1_000)).await;
        sleep(millis(1_000)).await;
        two.stop().await;
        sleep(Duration::from_secs(8)).await;
        (one, third)
    };
    let (calls, (_one, third)) = tokio::join!(callers(&cluster, until), roll);
    assert_eq!(calls, first.get() + second.get() + third.get());
    assert!(third.get() > 100, "the new node takes calls");
}

#[tokio::test(start_paused = true)]
async fn leaving_node_loses_no_call_while_the_registry_still_lists_it() {
    let cluster = Cluster::new();
    let (one, first) = worker(&cluster, "one", Duration::ZERO).await;
    let (_two, second) = worker(&cluster, "two", Duration::ZERO).await;
    let until = Instant::now() + Duration::from_secs(5);
    let leave = async {
        sleep(millis(1_000)).await;
        cluster.registry.set_stalled(true);
        let began = Instant::now();
        one.stop().await;
        began.elapsed()
    };
    let (calls, took) = tokio::join!(callers(&cluster, until), leave);
    assert_eq!(calls, first.get() + second.get());
    assert!(first.get() > 10 && second.get() > 10);
    assert!(took < millis(500), "it waited {took:?} for 20 ms of work");
}

#[tokio::test(start_paused = true)]
async fn panic_fails_its_call_and_no_other() {
    let cluster = Cluster::new();
    let act = async |_: Context, text: String| {
        if text == "now" {
            panic!("at once");
        }
        sleep(millis(50)).await;
        if text == "later" {
            panic!("after a while");
        }
        Ok::<_, micro::Error>(text)
    };
    let service = cluster.service("node", "text").handle("Text.Echo", act);
    let _node = service.serve().await.unwrap();
    let method = echo(&cluster.client());
    let calls: Vec<_> = ["fine", "now", "later", "fine", "now"]
        .map(|text| {
            let method = method.clone();
            tokio::spawn(async move { method.call(&Context::new(), text.to_owned()).await })
        })
        .into();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap());
    }
    assert_eq!(answers[0].as_deref().unwrap(), "fine");
    assert_eq!(answers[3].as_deref().unwrap(), "fine");
    for answer in [1, 2, 4] {
        let error = answers[answer].as_ref().unwrap_err();
        assert_eq!(error.code(), Code::Internal, "{error}");
        let expected = "the handler of `Text.Echo` panicked";
        assert_eq!(error.message(), expected);
    }
    call(&method).await.unwrap();
    assert_eq!(cluster.network.connections(), 1, "the connection was kept");
}

//! Time, attempts and cancellation down a chain of services.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use micro::{Code, Context, Error, Handler, Outcome, Result, Running};
use tokio::time::{Instant, sleep};

use super::cluster::{Cluster, Count, Guard, call, millis};

type Seen = Arc<Mutex<Vec<Duration>>>;

/// Hops `hop-1` to `hop-5`, each of which takes 10 ms and calls the next.
async fn hops(cluster: &Cluster, seen: &Seen) -> Vec<Running> {
    let mut running = Vec::new();
    for hop in 1..=5 {
        let name = format!("hop-{hop}");
        let service = cluster.service(&name, &name);
        let next = service.client();
        let next = next.method::<String, String>(&format!("hop-{}", hop + 1), "Hop.On");
        let seen = seen.clone();
        let on = move |cx: Context, text: String| {
            let (next, seen) = (next.clone(), seen.clone());
            async move {
                seen.lock().unwrap().push(cx.time_left().unwrap());
                sleep(millis(10)).await;
                match hop {
                    5 => Ok(text),
                    _ => next.call(&cx, text).await,
                }
            }
        };
        running.push(service.handle("Hop.On", on).serve().await.unwrap());
    }
    running
}

#[tokio::test(start_paused = true)]
async fn each_hop_of_a_chain_sees_less_time_left() {
    let cluster = Cluster::new();
    let seen = Seen::default();
    let _hops = hops(&cluster, &seen).await;
    let first = cluster.client().method::<String, String>("hop-1", "Hop.On");
    let answer = first.call(&Context::new(), "x".into()).timeout(millis(900));
    assert_eq!(answer.await.unwrap(), "x");
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 5);
    assert!(seen[0] <= millis(900), "{seen:?}");
    for pair in seen.windows(2) {
        assert!(pair[1] + millis(10) <= pair[0], "{seen:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn work_whose_time_is_over_is_not_begun_down_the_chain() {
    let cluster = Cluster::new();
    let seen = Seen::default();
    let _hops = hops(&cluster, &seen).await;
    let first = cluster.client().method::<String, String>("hop-1", "Hop.On");
    call(&first).await.unwrap();
    seen.lock().unwrap().clear();
    let began = Instant::now();
    let answer = first.call(&Context::new(), "x".into()).timeout(millis(35));
    let error = answer.await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded, "{error}");
    assert!(began.elapsed() <= millis(45), "{:?}", began.elapsed());
    sleep(Duration::from_secs(1)).await;
    let begun = seen.lock().unwrap().len();
    assert!((2..5).contains(&begun), "{begun} hops were begun");
}

#[tokio::test(start_paused = true)]
async fn chain_of_five_does_not_multiply_retries() {
    let cluster = Cluster::new();
    let leaf = Count::default();
    let mut running = Vec::new();
    for hop in 1..=5 {
        for replica in ["a", "b"] {
            let service = cluster.service(&format!("hop-{hop}-{replica}"), &format!("hop-{hop}"));
            let next = service.client();
            let next = next.method::<String, String>(&format!("hop-{}", hop + 1), "Hop.On");
            let leaf = leaf.clone();
            let on = move |cx: Context, text: String| {
                let (next, leaf) = (next.clone(), leaf.clone());
                async move {
                    if hop < 5 {
                        return next.call(&cx, text).await;
                    }
                    leaf.add();
                    Err(Error::unavailable("out of order"))
                }
            };
            let service = service.handle("Hop.On", on.idempotent());
            running.push(service.serve().await.unwrap());
        }
    }
    let first = cluster.client().method::<String, String>("hop-1", "Hop.On");
    let error = call(&first).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    let done = leaf.get();
    assert!((2..=4).contains(&done), "the leaf was asked {done} times");
}

#[tokio::test(start_paused = true)]
async fn cancelling_a_call_cancels_it_down_the_chain() {
    let cluster = Cluster::new();
    let working = Count::default();
    let held = working.clone();
    let wait = move |_: Context, text: String| {
        let guard = Guard::of(&held);
        async move {
            let _guard = guard;
            sleep(Duration::from_secs(60)).await;
            Ok::<_, micro::Error>(text)
        }
    };
    let leaf = cluster.service("leaf", "leaf").handle("Leaf.Wait", wait);
    let _leaf = leaf.serve().await.unwrap();
    let relay = cluster.service("relay", "relay");
    let next = relay.client().method::<String, String>("leaf", "Leaf.Wait");
    let held = working.clone();
    let pass = move |cx: Context, text: String| {
        let (next, guard) = (next.clone(), Guard::of(&held));
        async move {
            let _guard = guard;
            next.call(&cx, text).await
        }
    };
    let _relay = relay.handle("Relay.Wait", pass).serve().await.unwrap();
    let method = cluster
        .client()
        .method::<String, String>("relay", "Relay.Wait");
    let waiting = method
        .call(&Context::new(), "x".into())
        .timeout(millis(90_000));
    let given_up = tokio::time::timeout(millis(500), waiting.into_future()).await;
    assert!(given_up.is_err(), "it was answered");
    sleep(millis(50)).await;
    assert_eq!(working.get(), 0, "handlers run on");
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_passes_on_is_its_own_answer() {
    let cluster = Cluster::new();
    let relay = cluster.service("relay", "relay");
    let nobody = relay.client().method::<String, String>("nobody", "No.Body");
    let runs = Count::default();
    let counted = runs.clone();
    let pass = move |cx: Context, text: String| {
        counted.add();
        let nobody = nobody.clone();
        async move { nobody.call(&cx, text).await }
    };
    let _relay = relay.handle("Relay.Pass", pass).serve().await.unwrap();
    let method = cluster
        .client()
        .method::<String, String>("relay", "Relay.Pass");
    let error: Result<String> = call(&method).await;
    let error = error.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    assert_eq!(error.outcome(), Outcome::Answered, "{error}");
    assert_eq!(runs.get(), 1);
}
